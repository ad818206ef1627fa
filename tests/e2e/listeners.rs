//! Listeners: who they take for whom, and what they let through (T06, T07).

use std::{fs, os::unix::fs::PermissionsExt};

use crate::support::{
    Browser, Lab, Origin,
    certs::{Authority, trusting},
    lab::{Builder, MAIN},
    raw::Connection,
    within,
};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};

const ASKED: &str = "GET / HTTP/1.1\r\nhost: open.lab.test\r\nx-forwarded-for: 192.0.2.7\r\n\r\n";

/// With a further listener `more`; `lines` are its keys.
fn with_listener(origin: &Origin, lines: &str) -> Builder {
    Lab::builder()
        .open(origin)
        .config(&format!("[[listener]]\nname = \"more\"\n{lines}"))
}

/// With a unix listener in the lab's folder.
fn with_socket(origin: &Origin) -> Builder {
    let builder = with_listener(origin, "");
    let path = builder.folder().join("lab.sock");
    builder.config(&format!("address = \"unix:{}\"", path.display()))
}

#[tokio::test]
async fn who_comes_by_a_unix_socket_speaks_for_itself() {
    // T06
    let origin = Origin::ok().await;
    let lab = with_socket(&origin)
        .config("[trust]\nproxies = [\"127.0.0.1/32\", \"::1\"]")
        .start();
    let mut connection = Connection::open_unix(&lab.socket("more")).await;
    connection.send(ASKED).await;
    assert_eq!(connection.response().await.status, 200);
    assert_eq!(
        origin.last().headers.get("x-forwarded-for"),
        Some("127.0.0.1")
    );
}

#[tokio::test]
async fn a_trusted_proxy_may_come_by_a_unix_socket() {
    // T06, the counterpart
    let origin = Origin::ok().await;
    let lab = with_socket(&origin)
        .config("[trust]\nproxies = [\"unix\"]")
        .start();
    let mut connection = Connection::open_unix(&lab.socket("more")).await;
    connection.send(ASKED).await;
    assert_eq!(connection.response().await.status, 200);
    assert_eq!(
        origin.last().headers.get("x-forwarded-for"),
        Some("192.0.2.7")
    );

    assert_eq!(lab.raw(ASKED).await.status, 200);
    assert_eq!(
        origin.last().headers.get("x-forwarded-for"),
        Some("127.0.0.1")
    );
}

#[tokio::test]
async fn a_socket_file_lives_as_long_as_its_listener() {
    let origin = Origin::ok().await;
    let builder = with_socket(&origin);
    let path = builder.folder().join("lab.sock");
    // What a process that was killed leaves.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let lab = builder.start();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let there = path.clone();
    // The folder must outlive the server for this.
    lab.stop_then(move || assert!(!there.exists(), "removed at the stop"));
}

#[tokio::test]
async fn clients_of_a_unix_socket_do_not_count_as_one() {
    let origin = Origin::ok().await;
    let lab = with_socket(&origin)
        .config("[limits]\nmax_connections_per_client = 1")
        .start();
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut connection = Connection::open_unix(&lab.socket("more")).await;
        connection.send(ASKED).await;
        assert_eq!(connection.response().await.status, 200);
        held.push(connection);
    }
    let mut first = lab.connect().await;
    first.send(ASKED).await;
    assert_eq!(first.response().await.status, 200);
    assert!(
        lab.connect().await.ends().await.is_empty(),
        "over TCP they do"
    );
}

const BEHIND: &str = "address = \"127.0.0.1:0\"\nproxy_protocol = true\n";
const TRUSTED: &str = "[trust]\nproxies = [\"127.0.0.1/32\"]";
const PASSED_ON: &str = "PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n";

/// A header of version 2.
fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [
        b"\r\n\r\n\0\r\nQUIT\n",
        &[command, family][..],
        &length,
        block,
    ]
    .concat()
}

#[tokio::test]
async fn a_trusted_proxy_says_whose_connection_it_passes_on() {
    // T06, the counterpart
    let origin = Origin::ok().await;
    let lab = with_listener(&origin, BEHIND).config(TRUSTED).start();
    let mut v6 = [0; 36];
    v6[..16].copy_from_slice(
        &"::ffff:192.0.2.9"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets(),
    );
    for (header, client) in [
        (PASSED_ON.as_bytes().to_vec(), "192.0.2.7"),
        (binary(0x21, 0x21, &v6), "192.0.2.9"),
    ] {
        let mut connection = Connection::open(lab.listener("more")).await;
        connection
            .send([&header[..], ASKED.as_bytes()].concat())
            .await;
        assert_eq!(connection.response().await.status, 200);
        let seen = origin.last();
        // Whom the proxy speaks for is no proxy of ours, so its own word counts for nothing.
        assert_eq!(seen.headers.get("x-forwarded-for"), Some(client));
    }
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), binary(0x20, 0, b"")] {
        let mut connection = Connection::open(lab.listener("more")).await;
        let own = ASKED.replace("x-forwarded-for: 192.0.2.7\r\n", "");
        connection
            .send([&header[..], own.as_bytes()].concat())
            .await;
        assert_eq!(connection.response().await.status, 200);
        assert_eq!(
            origin.last().headers.get("x-forwarded-for"),
            Some("127.0.0.1")
        );
    }
}

#[tokio::test]
async fn a_stranger_cannot_say_whose_connection_it_is() {
    // T06, T07
    let origin = Origin::ok().await;
    let lab = with_listener(&origin, BEHIND)
        .config("[trust]\nproxies = [\"192.0.2.1\"]")
        .start();
    for bytes in [format!("{PASSED_ON}{ASKED}"), ASKED.to_owned()] {
        let mut connection = Connection::open(lab.listener("more")).await;
        connection.send(bytes).await;
        assert_eq!(connection.ends().await, b"");
    }
    // Where nobody expects it, it is no HTTP.
    let answer = lab.raw(format!("{PASSED_ON}{ASKED}")).await;
    assert_eq!(answer.status, 400);
    assert!(origin.seen().is_empty());
    let output = lab.stop();
    assert!(output.contains("connection refused"), "{output}");
}

#[tokio::test]
async fn what_a_trusted_proxy_sends_without_a_header_is_not_read_as_http() {
    // T07
    let origin = Origin::ok().await;
    let lab = with_listener(&origin, BEHIND).config(TRUSTED).start();
    let mut connection = Connection::open(lab.listener("more")).await;
    connection.send(ASKED).await;
    assert_eq!(connection.ends().await, b"");
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn more_clients_than_the_soft_limit_of_files_are_served() {
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).files(64).start();
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut connection = lab.connect().await;
        connection.send(ASKED).await;
        assert_eq!(connection.response().await.status, 200);
        held.push(connection);
    }
}

#[tokio::test]
async fn those_for_whom_a_proxy_speaks_are_counted() {
    let origin = Origin::ok().await;
    let lab = with_listener(&origin, BEHIND)
        .config(TRUSTED)
        .config("[limits]\nmax_connections_per_client = 1")
        .start();
    let mut first = Connection::open(lab.listener("more")).await;
    first.send(format!("{PASSED_ON}{ASKED}")).await;
    assert_eq!(first.response().await.status, 200);
    let mut second = Connection::open(lab.listener("more")).await;
    second.send(format!("{PASSED_ON}{ASKED}")).await;
    assert_eq!(second.ends().await, b"");
    let other = PASSED_ON.replace("192.0.2.7", "192.0.2.8");
    let mut third = Connection::open(lab.listener("more")).await;
    third.send(format!("{other}{ASKED}")).await;
    assert_eq!(third.response().await.status, 200);
}

#[tokio::test]
async fn a_redirecting_listener_sends_known_hosts_to_https_and_does_nothing_else() {
    let origin = Origin::ok().await;
    let lab = with_listener(&origin, "address = \"127.0.0.1:0\"\nredirect_https = true")
        .config("[server]\npublic_url = \"https://lab.test:8443\"")
        .start();
    for (host, path) in [
        ("open.lab.test", "/a%20b?c=d"),
        ("lab.test", "/.labgate/sign-in"),
    ] {
        for method in ["GET", "POST"] {
            let mut plain = Connection::open(lab.listener("more")).await;
            let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}:80\r\n");
            plain.send(format!("{head}content-length: 0\r\n\r\n")).await;
            let answer = plain.response().await;
            assert_eq!(answer.status, 308);
            assert_eq!(answer.location(), format!("https://{host}:8443{path}"));
            assert!(!answer.headers.has("set-cookie"));
        }
    }
    let mut plain = Connection::open(lab.listener("more")).await;
    plain
        .send("GET / HTTP/1.1\r\nhost: evil.test\r\n\r\n")
        .await;
    let answer = plain.response().await;
    assert_eq!(
        (answer.status, answer.headers.has("location")),
        (421, false)
    );
    for path in ["/.labgate/live", "/.labgate/ready"] {
        let mut plain = Connection::open(lab.listener("more")).await;
        plain
            .send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        assert_eq!(plain.response().await.text(), "ok");
    }
    assert!(origin.seen().is_empty());

    let other = lab.raw(ASKED).await;
    assert_eq!(other.status, 200, "another listener serves");
}

#[tokio::test]
async fn a_route_behind_a_listener_is_not_there_for_others() {
    let origin = Origin::ok().await;
    let lab = with_listener(&origin, "address = \"127.0.0.1:0\"")
        .route(
            "inner",
            &origin,
            "path = \"/inner/\"\naccess = \"public\"\nrequire_listener = \"more\"",
        )
        .start();
    let get = |path| format!("GET {path} HTTP/1.1\r\nhost: lab.test\r\n\r\n");
    let nowhere = lab.raw(get("/nowhere")).await;
    assert_eq!(nowhere.status, 404);
    for path in ["/inner/x", "/inner"] {
        let answer = lab.raw(get(path)).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains("inner\"") && !answer.headers.has("location"));
    }
    assert!(origin.seen().is_empty());

    let mut inside = Connection::open(lab.listener("more")).await;
    inside.send(get("/inner/x")).await;
    assert_eq!(inside.response().await.status, 200);
    inside.send(get("/inner")).await;
    assert_eq!(inside.response().await.status, 308);

    for (listener, listed) in [("public", false), ("more", true)] {
        let browser = Browser::new(lab.listener(listener));
        browser.sign_in("ana").await;
        let home = browser.navigate(&format!("{MAIN}/.labgate/")).await;
        assert_eq!(home.text().contains("/inner/"), listed, "{listener}");
    }
}

#[tokio::test]
async fn the_header_of_a_proxy_comes_before_tls() {
    // T06, the counterpart
    let origin = Origin::ok().await;
    let authority = Authority::new();
    let tls = format!("{BEHIND}tls = {{ certificate = \"lab.crt\", key = \"lab.key\" }}");
    let builder = with_listener(&origin, &tls);
    authority.issue(builder.folder(), &["open.lab.test"]);
    let lab = builder.config(TRUSTED).start();
    for header in [
        PASSED_ON.as_bytes(),
        &binary(0x21, 0x11, &[192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        let (address, name) = (lab.listener("more"), "open.lab.test");
        let mut inside = Connection::open_tls_behind(address, header, name, &authority).await;
        inside.send(ASKED).await;
        assert_eq!(inside.response().await.status, 200);
        let seen = origin.last();
        assert_eq!(seen.headers.get("x-forwarded-for"), Some("192.0.2.7"));
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_finish_its_header_is_let_go() {
    // T76
    let origin = Origin::ok().await;
    let lab = with_listener(&origin, BEHIND)
        .config(TRUSTED)
        .config("[limits]\nheader_timeout = \"200ms\"")
        .start();
    for part in [
        &b""[..],
        b"PROXY TCP4 192.0.2.7",
        b"\r\n\r\n\0\r\nQUIT\n\x21",
    ] {
        let mut connection = Connection::open(lab.listener("more")).await;
        connection.send(part).await;
        assert_eq!(connection.ends().await, b"");
    }
}

#[tokio::test]
async fn a_reload_takes_a_route_to_another_listener() {
    let origin = Origin::ok().await;
    let requires = |listener: &str| {
        let more = "[[listener]]\nname = \"more\"\naddress = \"127.0.0.1:0\"";
        format!("{more}\n[[route]]\nname = \"open\"\nrequire_listener = \"{listener}\"")
    };
    let lab = Lab::builder()
        .open(&origin)
        .config(&requires("public"))
        .start();
    let mut connections = Vec::new();
    for listener in ["public", "more"] {
        connections.push(Connection::open(lab.listener(listener)).await);
    }
    for (required, statuses) in [("public", [200, 404]), ("more", [404, 200])] {
        lab.reconfigure(&requires(required)).await;
        for (connection, status) in connections.iter_mut().zip(statuses) {
            connection.send(ASKED.replace("GET /", "GET /x")).await;
            assert_eq!(connection.response().await.status, status, "{required}");
        }
    }
}

#[tokio::test]
async fn a_reload_with_a_new_host_gives_a_certificate_with_that_name() {
    let origin = Origin::ok().await;
    let listener =
        "[[listener]]\nname = \"more\"\naddress = \"127.0.0.1:0\"\ntls = \"self-signed\"\n";
    let builder = Lab::builder().open(&origin).config(listener);
    let file = builder
        .folder()
        .join("state/labgate-state/tls/authority.crt");
    let lab = builder.start();
    let imported = CertificateDer::from_pem_file(&file).unwrap();
    let connector = tokio_rustls::TlsConnector::from(trusting(imported));
    let address = lab.listener("more");
    let is_believed = async |name: &'static str| {
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let server = ServerName::try_from(name).unwrap();
        within("TLS", connector.connect(server, socket))
            .await
            .is_ok()
    };
    assert!(!is_believed("new.lab.test").await);
    let upstream = origin.upstream();
    let route = format!(
        "[[route]]\nname = \"new\"\nhost = \"new.lab.test\"\naccess = \"public\"\n\
         upstream = \"{upstream}\""
    );
    lab.reconfigure(&format!("{listener}{route}")).await;
    lab.says("certificate reloaded", 1).await;
    assert!(is_believed("new.lab.test").await, "by the same authority");
    assert!(is_believed("open.lab.test").await);
}

#[tokio::test]
async fn a_browser_that_imported_our_authority_believes_all_our_names() {
    let origin = Origin::ok().await;
    let builder = with_listener(&origin, "address = \"127.0.0.1:0\"\ntls = \"self-signed\"");
    let folder = builder.folder().join("state/labgate-state/tls");
    let lab = builder.start();
    let file = folder.join("authority.crt");
    let named = format!("is {}; import it", file.display());
    assert!(lab.output().contains(&named), "{}", lab.output());
    let root = CertificateDer::from_pem_file(&file).unwrap();
    let connector = tokio_rustls::TlsConnector::from(trusting(root));
    for (name, good) in [
        ("open.lab.test", true),
        ("lab.test", true),
        ("localhost", true),
        ("127.0.0.1", true),
        ("evil.test", false),
    ] {
        let socket = tokio::net::TcpStream::connect(lab.listener("more")).await;
        let server = ServerName::try_from(name).unwrap();
        let connected = within("TLS", connector.connect(server, socket.unwrap())).await;
        assert_eq!(connected.is_ok(), good, "{name}");
    }
}

#[tokio::test]
async fn who_came_by_https_to_a_trusted_proxy_is_not_sent_there_again() {
    // T07, T10
    let origin = Origin::ok().await;
    let lab = with_listener(&origin, "address = \"127.0.0.1:0\"\nredirect_https = true")
        .config("[server]\npublic_url = \"https://lab.test\"")
        .config("[trust]\nproxies = [\"127.0.0.2/32\"]")
        .start();
    let said = |scheme| {
        format!("GET /x HTTP/1.1\r\nhost: open.lab.test\r\nx-forwarded-proto: {scheme}\r\n\r\n")
    };
    for (from, scheme, status) in [
        ("127.0.0.2", "https", 200),
        ("127.0.0.2", "http", 308),
        ("127.0.0.1", "https", 308),
    ] {
        let from = from.parse().unwrap();
        let mut plain = Connection::open_from(from, lab.listener("more")).await;
        plain.send(said(scheme)).await;
        let answer = plain.response().await;
        assert_eq!(answer.status, status, "{from} {scheme}");
    }
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn only_a_route_of_their_own_takes_challenges_of_authorities_from_a_redirecting_listener() {
    let (origin, responder) = (Origin::ok().await, Origin::ok().await);
    let lab = with_listener(&origin, "address = \"127.0.0.1:0\"\nredirect_https = true")
        .config("[server]\npublic_url = \"https://lab.test\"")
        .route(
            "challenges",
            &responder,
            "path = \"/.well-known/acme-challenge/\"\naccess = \"public\"",
        )
        .start();
    for (host, path, status) in [
        ("lab.test", "/.well-known/acme-challenge/token", 200),
        ("lab.test", "/.well-known/acme-challenge", 308),
        ("lab.test", "/.well-known/acme-challenges/token", 308),
        ("open.lab.test", "/.well-known/acme-challenge/token", 308),
    ] {
        let mut plain = Connection::open(lab.listener("more")).await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        plain.send(request).await;
        let answer = plain.response().await;
        assert_eq!(answer.status, status, "{host}{path}");
        if status == 308 {
            assert_eq!(answer.location(), format!("https://{host}{path}"));
        }
    }
    assert_eq!((origin.seen().len(), responder.seen().len()), (0, 1));
}

#[tokio::test]
async fn where_a_proxy_does_not_know_the_client_nobody_is_believed_about_it() {
    // T06: the counterpart is `a_trusted_proxy_is_believed_about_the_client`
    let origin = Origin::ok().await;
    let lab = with_listener(&origin, BEHIND).config(TRUSTED).start();
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        binary(0x20, 0, b""),
        binary(0x21, 0, b""),
    ] {
        let mut connection = Connection::open(lab.listener("more")).await;
        let header = [&header[..], ASKED.as_bytes()].concat();
        connection.send(header).await;
        assert_eq!(connection.response().await.status, 200);
        let seen = origin.last();
        assert_eq!(seen.headers.get("x-forwarded-for"), Some("127.0.0.1"));
    }
}

#[tokio::test]
async fn refused_connections_do_not_fill_the_log() {
    let origin = Origin::ok().await;
    let lab = with_listener(&origin, BEHIND)
        .config("[trust]\nproxies = [\"192.0.2.1\"]")
        .start();
    for _ in 0..20 {
        let mut connection = Connection::open(lab.listener("more")).await;
        assert_eq!(connection.ends().await, b"");
    }
    let output = lab.stop();
    let lines = output.matches("connection refused").count();
    // Two, if ten seconds went by meanwhile.
    assert!((1..=2).contains(&lines), "{output}");
}
