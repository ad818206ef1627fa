//! Listeners: who they take for whom, and what they let through (T06, T07).

use std::{fs, os::unix::fs::PermissionsExt};

use crate::support::{Lab, Origin, lab::Builder, raw::Connection};

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
