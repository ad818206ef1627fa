//! Upstreams over https.

use std::{path::Path, sync::Arc};

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, ServerConnection, crypto::aws_lc_rs::default_provider};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;

/// An authority, and its certificate in a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        let root = params.self_signed(&key).unwrap().pem();
        std::fs::write(folder.path().join("ca.pem"), root).unwrap();
        let issuer = Issuer::new(params, key);
        Self { issuer, folder }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn server(&self, name: &str) -> ServerConfig {
        self.server_until(name, 4096)
    }

    fn server_until(&self, name: &str, year: i32) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        server(&certificate, &key)
    }

    fn targets(&self, host: &str, port: u16) -> Targets {
        https(host, port, &self.file())
    }
}

fn https(host: &str, port: u16, ca: &Path) -> Targets {
    let host = host.to_owned();
    let upstream = Upstream::Https { host, port };
    Targets::new(&[upstream], Some(ca), &mut Roots::default()).unwrap()
}

fn server(certificate: &Certificate, key: &KeyPair) -> ServerConfig {
    let key = key.serialize_der().try_into().unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// An https upstream that says `answer` to each head, then echoes if that is a 101.
struct Secure {
    port: u16,
    /// What each connection agreed on, and the heads.
    seen: Rc<RefCell<Vec<String>>>,
    /// Handshakes that were tried.
    tried: Count,
}

impl Secure {
    async fn new(config: ServerConfig, answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, tried) = (Rc::default(), Count::default());
        let (records, count) = (Rc::clone(&seen), tried.clone());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        spawn_local(async move {
            while let Ok((io, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), Rc::clone(&records));
                let count = count.clone();
                spawn_local(async move {
                    if let Ok(io) = acceptor.accept(io).await {
                        serve(io, answer, &seen).await;
                    }
                    count.up();
                });
            }
        });
        Self { port, seen, tried }
    }
}

async fn serve(mut io: TlsStream<TcpStream>, answer: &str, seen: &RefCell<Vec<String>>) {
    let tls: &ServerConnection = io.get_ref().1;
    let told = format!(
        "{:?} {}",
        tls.handshake_kind().unwrap(),
        String::from_utf8_lossy(tls.alpn_protocol().unwrap_or_default())
    );
    seen.borrow_mut().push(told);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let Ok(byte) = io.read_u8().await else { return };
            head.push(char::from(byte));
        }
        seen.borrow_mut().push(head);
        io.write_all(answer.as_bytes()).await.unwrap();
        if answer.starts_with("HTTP/1.1 101") {
            let mut echo = [0; 4];
            while io.read_exact(&mut echo).await.is_ok() {
                io.write_all(&echo).await.unwrap();
            }
            return;
        }
    }
}

#[tokio::test(flavor = "local")]
async fn an_upstream_of_the_own_authority_is_spoken_to_and_reused() {
    let authority = Authority::new();
    let origin = Secure::new(authority.server("localhost"), OK).await;
    let pool = pool();
    for _ in 0..2 {
        // As after a reload: the same authority makes it the same target.
        let targets = authority.targets("localhost", origin.port);
        let answer = pool.send(&targets, get("/a"), &timeouts(), &told()).await;
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
    }
    let seen = origin.seen.borrow();
    let head = "GET /a HTTP/1.1\r\nhost: lab.example\r\n\r\n";
    let [kind, first, second] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    assert!(
        kind.starts_with("Full") && kind.ends_with(" http/1.1"),
        "{kind}"
    );
    assert_eq!((first.as_str(), second.as_str()), (head, head));
}

#[tokio::test(flavor = "local")]
async fn an_address_is_checked_as_an_address() {
    let authority = Authority::new();
    let origin = Secure::new(authority.server("127.0.0.1"), OK).await;
    let targets = authority.targets("127.0.0.1", origin.port);
    let answer = pool().send(&targets, get("/"), &timeouts(), &told()).await;
    assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
}

#[tokio::test(flavor = "local")]
async fn a_certificate_that_signed_itself_can_stand_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tool.pem");
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(&file, certificate.pem()).unwrap();
    let origin = Secure::new(server(&certificate, &key), OK).await;
    let targets = https("localhost", origin.port, &file);
    let answer = pool().send(&targets, get("/"), &timeouts(), &told()).await;
    assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
}

#[tokio::test(flavor = "local")]
async fn a_wrong_authority_or_name_gets_not_a_byte_of_a_request() {
    let (ours, other) = (Authority::new(), Authority::new());
    for (origin, why) in [
        (other.server("localhost"), "invalid peer certificate"),
        (ours.server("other.example"), "not valid for name"),
        (ours.server("127.0.0.1"), "not valid for name"),
        (ours.server_until("localhost", 2020), "expired"),
    ] {
        let origin = Secure::new(origin, OK).await;
        let targets = ours.targets("localhost", origin.port);
        let error = pool()
            .send(&targets, get("/"), &timeouts(), &told())
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("TLS handshake with localhost:{} failed", origin.port)
        );
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(why), "{cause}");
        origin.tried.reaches(1).await;
        let heads = origin
            .seen
            .borrow()
            .iter()
            .filter(|seen| seen.starts_with("GET"))
            .count();
        assert_eq!(heads, 0);
    }
}

#[tokio::test(flavor = "local")]
async fn an_answer_without_a_length_ends_with_a_goodbye_and_not_with_the_connection() {
    // RFC 9112 §9.8
    let authority = Authority::new();
    for (head, says_goodbye, is_whole) in [
        ("HTTP/1.1 200 OK\r\n\r\n", true, true),
        ("HTTP/1.1 200 OK\r\n\r\n", false, false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", false, true),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(authority.server("localhost")));
        spawn_local(async move {
            let (io, _) = listener.accept().await.unwrap();
            let mut io = acceptor.accept(io).await.unwrap();
            let mut asked = String::new();
            while !asked.ends_with("\r\n\r\n") {
                asked.push(char::from(io.read_u8().await.unwrap()));
            }
            let answer = [head, "all"].concat();
            io.write_all(answer.as_bytes()).await.unwrap();
            io.flush().await.unwrap();
            if says_goodbye {
                io.shutdown().await.unwrap();
            } else {
                io.get_mut().0.shutdown().await.unwrap();
            }
            drop(io.read_to_end(&mut Vec::new()).await);
        });
        let targets = authority.targets("localhost", port);
        let answer = pool().send(&targets, get("/"), &timeouts(), &told()).await;
        match text(answer.unwrap()).await {
            Ok(text) => assert!(is_whole && text == "all", "{head}: {text}"),
            Err(error) => assert!(
                !is_whole && matches!(error, Error::Cut { .. }),
                "{head}: {error:?}"
            ),
        }
    }
}

#[tokio::test(flavor = "local")]
async fn routes_with_other_authorities_share_no_connection() {
    let (ours, other) = (Authority::new(), Authority::new());
    let origin = Secure::new(ours.server("localhost"), OK).await;
    let pool = pool();
    let targets = ours.targets("localhost", origin.port);
    let answer = pool.send(&targets, get("/"), &timeouts(), &told()).await;
    text(answer.unwrap()).await.unwrap();
    assert_eq!(pool.idle(), 1);
    let targets = other.targets("localhost", origin.port);
    let error = pool.send(&targets, get("/"), &timeouts(), &told()).await;
    assert!(matches!(error, Err(Error::Tls { .. })), "{error:?}");
}

#[tokio::test(flavor = "local")]
async fn a_second_connection_resumes_the_session() {
    let authority = Authority::new();
    let origin = Secure::new(authority.server("localhost"), OK).await;
    let targets = authority.targets("localhost", origin.port);
    for _ in 0..2 {
        let answer = pool().send(&targets, get("/"), &timeouts(), &told()).await;
        text(answer.unwrap()).await.unwrap();
    }
    let seen = origin.seen.borrow();
    assert!(
        seen.iter().any(|seen| seen.starts_with("Resumed")),
        "{seen:?}"
    );
}

#[tokio::test(flavor = "local")]
async fn a_websocket_passes_through_tls() {
    let authority = Authority::new();
    let origin = Secure::new(authority.server("localhost"), upgrade::SWITCH).await;
    let targets = authority.targets("localhost", origin.port);
    let upgraded = pool()
        .upgrade(&targets, upgrade::handshake(), &timeouts(), &told())
        .await
        .unwrap();
    let Upgraded::Switched { mut io, .. } = upgraded else {
        panic!("{upgraded:?}");
    };
    io.write_all(b"ping").await.unwrap();
    io.flush().await.unwrap();
    let mut echo = [0; 4];
    io.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"ping");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn the_handshake_is_within_the_connect_timeout() {
    let silent = Origin::new(Peer::closed).await;
    let authority = Authority::new();
    let targets = authority.targets("127.0.0.1", silent.port());
    let error = pool().send(&targets, get("/"), &timeouts(), &told()).await;
    assert!(
        matches!(error, Err(Error::ConnectTimeout { .. })),
        "{error:?}"
    );
}

#[tokio::test(flavor = "local")]
async fn an_upstream_that_speaks_no_tls_is_an_error() {
    let plain = Origin::new(|mut peer| async move {
        peer.say("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        peer.closed().await;
    })
    .await;
    let targets = Authority::new().targets("127.0.0.1", plain.port());
    let error = pool().send(&targets, get("/"), &timeouts(), &told()).await;
    assert!(matches!(error, Err(Error::Tls { .. })), "{error:?}");
}

#[test]
fn a_file_that_vouches_for_nobody_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let cases = [
        (folder.path().join("absent"), "cannot read: "),
        (file("empty", ""), "holds no certificate"),
        (file("broken", broken), "holds what is no certificate"),
    ];
    for (path, expected) in cases {
        let host = "lab".to_owned();
        let upstream = Upstream::Https { host, port: 443 };
        let error = Targets::new(&[upstream], Some(&path), &mut Roots::default()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()));
    }
}
