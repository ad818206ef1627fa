//! Answers beside the one that was asked for, at the wrong time, or too large.

use std::process::Command;

use crate::case::{
    Any, Case, Close, Closed, Gate, Move, Rest, Reused, Step, case, chunked, endless, ok, say, send,
};

pub(super) fn cases() -> Vec<Case> {
    let hello = || ok("content-length: 5\r\n", "hello");
    let evil = || ok("content-length: 4\r\n", "evil");
    let mut cases = vec![
        case("two answers at once", [say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")])
            .gives("200 \"hello\"", Closed),
        case("two chunked answers at once", [chunked("5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")])
            .gives("200 \"hello\"", Closed),
        case("a second answer in the next packet", [hello(), evil()]).gives("200 \"hello\"", Closed),
        case("a second answer while the connection rests", [hello(), Gate, evil()])
            .asked("", [Move::Until("hello"), Move::Go])
            .gives("200 \"hello\"", Closed),
        case("half an answer while the connection rests", [hello(), Gate, say("HTTP/1.1 200 OK\r\nx-evil: ")])
            .asked("", [Move::Until("hello"), Move::Go])
            .gives("200 \"hello\"", Closed),
        case("an empty line while the connection rests", [hello(), Gate, say("\r\n")])
            .asked("", [Move::Until("hello"), Move::Go])
            .gives("200 \"hello\"", Closed),
        case("HEAD, and the body comes later", [ok("content-length: 5\r\n", ""), Gate, say("hello")])
            .method("HEAD")
            .asked("", [Move::Until("\r\n\r\n"), Move::Go])
            .gives("200 \"\"", Closed),
        case("304, and a body comes later", [say("HTTP/1.1 304 Not Modified\r\n\r\n"), Gate, say("hello")])
            .asked("", [Move::Until("\r\n\r\n"), Move::Go])
            .gives("304 \"\"", Closed),
    ];
    cases.extend(early());
    cases.extend(slow());
    cases.extend(large());
    cases
}

fn early() -> Vec<Case> {
    let body = b"b".repeat(1 << 20);
    let length = format!("content-length: {}\r\n", body.len());
    vec![
        case(
            "413 before the upload's end, then close",
            [
                say("HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno"),
                Close,
            ],
        )
        .method("POST")
        .asked(&length, [send(&body)])
        .gives("413 \"no\"", Closed)
        .timed()
        .because("what the upstream said before it closed is its answer"),
        case(
            "413 before the upload's end, and it stays open",
            [say("HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")],
        )
        .method("POST")
        .asked(&length, [send("b"), Move::Until("no")])
        .gives("413 \"no\"", Closed),
        case(
            "200 before the upload's end, which is then read",
            [ok("content-length: 5\r\n", "hello"), Step::Read(body.len())],
        )
        .method("POST")
        .asked(&length, [send("b"), Move::Until("hello"), send(&body[1..])])
        .gives("200 \"hello\"", Any),
        case(
            "half an answer before the upload's end, the rest after it",
            [
                ok("content-length: 10\r\n", "hello"),
                Step::Read(body.len()),
                say("world"),
            ],
        )
        .method("POST")
        .asked(&length, [send("b"), Move::Until("hello"), send(&body[1..])])
        .gives("200 \"helloworld\"", Reused),
        case("closed in the middle of an upload", [Step::Read(10), Close])
            .method("POST")
            .asked(&length, [send(&body)])
            .gives("502", Closed)
            .timed(),
        case(
            "reset in the middle of an upload",
            [Step::Read(10), Step::Reset],
        )
        .method("POST")
        .asked(&length, [send(&body)])
        .gives("502", Closed)
        .timed(),
    ]
}

fn slow() -> Vec<Case> {
    vec![
        case("no answer, with a limit", [Rest])
            .limited()
            .gives("504", Closed),
        case(
            "a head that stops, with a limit",
            [say("HTTP/1.1 200 OK\r\n"), Rest],
        )
        .limited()
        .gives("504", Closed),
        case(
            "a body that stops, with a limit",
            [ok("content-length: 10\r\n", "hello"), Rest],
        )
        .limited()
        .gives("200 \"hello\" cut", Closed),
        case(
            "chunks that stop, with a limit",
            [chunked("5\r\nhello\r\n"), Rest],
        )
        .limited()
        .gives("200 \"hello\" cut", Closed),
        case(
            "a body without a length that stops, with a limit",
            [ok("", "hello"), Rest],
        )
        .limited()
        .gives("200 \"hello\" cut", Closed),
    ]
}

fn large() -> Vec<Case> {
    vec![
        case("a gzip bomb", [say(bomb())])
            .gives("200 10208 bytes (content-encoding: gzip)", Reused)
            .shows(&["content-encoding"]),
        case(
            "a body of 8 MiB",
            [ok("content-length: 8388608\r\n", &"a".repeat(8 << 20))],
        )
        .gives("200 8388608 bytes", Reused),
        case(
            "a body without a length and without end, until the client goes",
            [ok("", ""), endless("a"), Close],
        )
        .asked("", [Move::Until("aaaa"), Move::Leave])
        .gives("no answer", Closed),
    ]
}

/// 10 MiB of zeros, compressed.
fn bomb() -> Vec<u8> {
    let command = "head -c 10485760 /dev/zero | gzip -9n";
    let packed = Command::new("sh")
        .args(["-c", command])
        .output()
        .unwrap()
        .stdout;
    let length = packed.len();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n");
    [head.into_bytes(), packed].concat()
}
