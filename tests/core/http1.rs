//! HTTP/1: what is refused early is read by the client, and connections end without waiting.

use std::{
    io::{ErrorKind, Read, Write},
    thread,
    time::{Duration, Instant},
};

use crate::lab::{Lab, MAIN, OPEN, TOOL};

#[test]
fn an_upload_that_is_refused_early_is_answered() {
    let lab = Lab::start();
    for size in [10, 100_000, 3_000_000] {
        let mut client = lab.connect();
        let mut writer = client.stream.try_clone().unwrap();
        let sending = thread::spawn(move || {
            let head = format!("PUT /x HTTP/1.1\r\nhost: {TOOL}\r\ncontent-length: {size}\r\n\r\n");
            writer.write_all(head.as_bytes()).unwrap();
            writer.write_all(&vec![b'x'; size])
        });
        assert_eq!(client.answer().status, 401, "{size}");
        sending.join().unwrap().unwrap();
    }
}

#[test]
fn who_waits_to_be_asked_for_a_body_is_refused_without_it() {
    let lab = Lab::start();
    let mut client = lab.connect();
    client.send(format!(
        "PUT /x HTTP/1.1\r\nhost: {TOOL}\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n"
    ));
    assert_eq!(client.answer().status, 401);
}

#[test]
fn a_body_whose_framing_breaks_is_400() {
    let lab = Lab::start();
    let mut client = lab.connect();
    client.send(format!(
        "POST /silent HTTP/1.1\r\nhost: {OPEN}\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"
    ));
    client.send("nonsense\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(client.rest(), b"");
}

#[test]
fn requests_in_a_row_are_answered_in_order() {
    let lab = Lab::start();
    let mut client = lab.connect();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: {OPEN}\r\n\r\n");
    let row: String = ["/", "/.labgate/live", "/", "/a/../b", "/"]
        .map(get)
        .concat();
    client.send(row);
    for status in [200, 200, 200, 400, 200] {
        assert_eq!(client.answer().status, status);
    }
}

#[test]
fn a_connection_that_owes_nothing_ends_at_once() {
    let lab = Lab::start();
    let mut client = lab.connect();
    let begun = Instant::now();
    let answer = client.get(OPEN, "/", "connection: close\r\n");
    assert_eq!(answer.status, 200);
    assert_eq!(client.rest(), b"");
    // Held open on this side, it takes no place on the other.
    let lab_took = lab.stop();
    assert!(lab_took < Duration::from_secs(1), "{lab_took:?}");
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn the_end_of_a_session_cuts_an_answer_that_has_begun() {
    // T36
    let lab = Lab::start();
    let cookie = lab.sign_in();
    let fields = format!("cookie: {cookie}\r\n");
    let form = lab.connect().get(MAIN, "/.labgate/sign-out", &fields);
    let mut endless = lab.connect();
    // Nothing of it is read: the client is as slow as can be.
    endless.send(format!(
        "GET /shared/endless HTTP/1.1\r\nhost: {MAIN}\r\n{fields}\r\n"
    ));
    let mut first = [0; 12];
    endless.stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let csrf = format!("csrf={}", form.hidden("csrf"));
    let answer = lab
        .connect()
        .post(MAIN, "/.labgate/sign-out", &cookie, &csrf);
    assert_eq!(answer.status, 303);
    assert!(
        lab.tool
            .is_let_go("/shared/endless", Duration::from_secs(2))
    );
}

#[test]
fn half_an_answer_never_looks_like_a_whole_one() {
    // T86: without chunks, the end of the stream is the end of the answer.
    let lab = Lab::start();
    let mut client = lab.connect();
    client.send(format!("GET /dies HTTP/1.0\r\nhost: {OPEN}\r\n\r\n"));
    let mut bytes = Vec::new();
    let end = client.stream.read_to_end(&mut bytes);
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}
