//! Where a connection can end.

use crate::case::{Case, Close, Closed, Gate, HalfClose, Move, Reset, Reused, case, ok, say};

pub(super) fn cases() -> Vec<Case> {
    let half = || ok("content-length: 10\r\n", "hello");
    let chunk = || ok("transfer-encoding: chunked\r\n", "5\r\nhello\r\n");
    vec![
        case("closed before the head", [Close]).gives("502", Closed),
        case("reset before the head", [Reset]).gives("502", Closed),
        case("its direction ended before the head", [HalfClose]).gives("502", Closed),
        case("closed in the status line", [say("HTTP/1.1 20"), Close]).gives("502", Closed),
        case("reset in the status line", [say("HTTP/1.1 20"), Reset]).gives("502", Closed),
        case(
            "closed in the fields",
            [say("HTTP/1.1 200 OK\r\ncontent-le"), Close],
        )
        .gives("502", Closed),
        case(
            "reset in the fields",
            [say("HTTP/1.1 200 OK\r\ncontent-le"), Reset],
        )
        .gives("502", Closed),
        case(
            "closed before the empty line",
            [say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n"), Close],
        )
        .gives("502", Closed),
        case(
            "closed right after the head",
            [ok("content-length: 10\r\n", ""), Gate, Close],
        )
        .asked("", [Move::Until("\r\n\r\n"), Move::Go])
        .gives("200 \"\" cut", Closed),
        case("closed in a body of known length", [half(), Close])
            .gives("200 \"hello\" cut", Closed),
        case(
            "its direction ended in a body of known length",
            [half(), HalfClose],
        )
        .gives("200 \"hello\" cut", Closed),
        case("reset in a body of known length", [half(), Gate, Reset])
            .asked("", [Move::Until("hello"), Move::Go])
            .gives("200 \"hello\" cut", Closed),
        case("closed in chunks", [chunk(), Close]).gives("200 \"hello\" cut", Closed),
        case("reset in chunks", [chunk(), Gate, Reset])
            .asked("", [Move::Until("hello"), Move::Go])
            .gives("200 \"hello\" cut", Closed),
        case(
            "reset in a body without a length",
            [ok("", "hello"), Gate, Reset],
        )
        .asked("", [Move::Until("hello"), Move::Go])
        .gives("200 \"hello\" cut", Closed),
        case(
            "the same for an HTTP/1.0 client",
            [ok("", "hello"), Gate, Reset],
        )
        .http10()
        .asked("", [Move::Until("hello"), Move::Go])
        .gives("200 \"hello\" cut", Closed),
        case(
            "closed after the body",
            [ok("content-length: 5\r\n", "hello"), Close],
        )
        .gives("200 \"hello\"", Closed),
        case(
            "its direction ended after the body",
            [ok("content-length: 5\r\n", "hello"), HalfClose],
        )
        .gives("200 \"hello\"", Closed),
        case(
            "reset after the body",
            [ok("content-length: 5\r\n", "hello"), Gate, Reset],
        )
        .asked("", [Move::Until("hello"), Move::Go])
        .gives("200 \"hello\"", Closed),
        case("a POST, closed before the head", [Close])
            .method("POST")
            .asked("content-length: 0\r\n", [])
            .gives("502", Closed),
        case(
            "an answer in single bytes",
            [crate::case::Step::Drip(
                b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_vec(),
            )],
        )
        .gives("200 \"hello\"", Reused),
        case(
            "chunks in single bytes",
            [crate::case::Step::Drip(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
                    .to_vec(),
            )],
        )
        .gives("200 \"hello\"", Reused),
    ]
}
