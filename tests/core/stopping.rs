//! Stopping: what is under way finishes or is told, and nothing holds the stop up (T91).

use std::{thread, time::Duration};

use crate::{
    lab::{Lab, MAIN, OPEN},
    wire::DEADLINE,
};

const AT_ONCE: Duration = Duration::from_secs(3);

#[test]
fn an_idle_connection_does_not_hold_a_stop_up() {
    let lab = Lab::start();
    let mut idle = lab.connect();
    assert_eq!(idle.get(OPEN, "/", "").status, 200);
    // Answered, then the first bytes of a head.
    let mut slow = lab.connect();
    assert_eq!(slow.get(OPEN, "/", "").status, 200);
    slow.send("GET / HT");
    let _silent = lab.connect();
    let closed = thread::spawn(move || idle.rest());
    let took = lab.stop();
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(closed.join().unwrap(), b"");
}

#[test]
fn a_client_in_its_tls_handshake_does_not_hold_a_stop_up() {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed([MAIN.to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("crt"), folder.path().join("key"));
    std::fs::write(&certificate, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let tls = format!(
        "tls = {{ certificate = \"{}\", key = \"{}\" }}",
        certificate.display(),
        key.display()
    );
    let lab = Lab::with("", &tls);
    let mut client = lab.connect();
    client.send(b"\x16\x03\x01");
    // Accepted in turn: whoever came later was heard, so the first one was let in.
    assert!(!lab.connect().send(b"not TLS at all").rest().is_empty());
    let took = lab.stop();
    assert!(took < AT_ONCE, "{took:?}");
}

#[test]
fn what_waits_for_a_tool_is_told_at_the_drain_limit() {
    let lab = Lab::with("drain_timeout = \"1s\"", "");
    let mut poll = lab.connect();
    poll.send(format!("GET /silent HTTP/1.1\r\nhost: {OPEN}\r\n\r\n"));
    let mut tunnel = lab.connect();
    tunnel.send(format!(
        "GET /websocket HTTP/1.1\r\nhost: {OPEN}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         origin: http://{OPEN}\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    assert_eq!(tunnel.answer().status, 101);
    let poll = thread::spawn(move || poll.answer().status);
    let tunnel = thread::spawn(move || tunnel.rest());
    let took = lab.stop();
    assert_eq!(poll.join().unwrap(), 503);
    let frames = tunnel.join().unwrap();
    assert_eq!(frames[..1], [0x88], "a close frame: {frames:x?}");
    assert_eq!(frames[2..4], 1001_u16.to_be_bytes());
    assert!(
        took > Duration::from_secs(1),
        "not before the limit: {took:?}"
    );
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_session_that_ends_while_we_stop_still_ends_what_it_opened() {
    let lab = Lab::start();
    let cookie = lab.sign_in();
    let form = lab
        .connect()
        .get(MAIN, "/.labgate/sign-out", &format!("cookie: {cookie}\r\n"));
    let csrf = form.hidden("csrf");
    let mut poll = lab.connect();
    poll.send(format!(
        "GET /shared/silent HTTP/1.1\r\nhost: {MAIN}\r\ncookie: {cookie}\r\n\r\n"
    ));
    // Its head is on its way: it counts as under way.
    let mut sign_out = lab.connect();
    let body = format!("csrf={csrf}");
    sign_out.send(format!(
        "POST /.labgate/sign-out HTTP/1.1\r\nhost: {MAIN}\r\ncookie: {cookie}\r\n\
         content-type: application/x-www-form-urlencoded\r\nexpect: 100-continue\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    ));
    assert_eq!(sign_out.answer().status, 100);
    let address = lab.address;
    let stopped = thread::spawn(move || lab.stop());
    // The listener is closed: from here on it is stopping.
    let deadline = std::time::Instant::now() + DEADLINE;
    while std::net::TcpStream::connect(address).is_ok() {
        assert!(std::time::Instant::now() < deadline);
        thread::yield_now();
    }
    sign_out.send(body);
    assert_eq!(sign_out.answer().status, 303);
    assert_eq!(poll.answer().status, 401);
    let took = stopped.join().unwrap();
    assert!(took < Duration::from_secs(10), "{took:?}");
}
