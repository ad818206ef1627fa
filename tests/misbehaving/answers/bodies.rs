//! Chunks and what follows them (RFC 9112 §7.1).

use crate::case::{Case, Close, Closed, Gate, Move, Reused, Step, case, chunked, endless, ok, say};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("chunks as they should be", [chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")])
            .gives("200 \"hello world\"", Reused),
        case("no zero chunk", [chunked("5\r\nhello\r\n"), Close]).gives("200 \"hello\" cut", Closed),
        case("no empty line after the zero chunk", [chunked("5\r\nhello\r\n0\r\n"), Close])
            .gives("200 \"hello\" cut", Closed),
        case("no line end after a chunk", [chunked("5\r\nhello0\r\n\r\n"), Close])
            .gives("200 \"hello\" cut", Closed),
        case("a chunk that is cut", [chunked("5\r\nhel"), Close]).gives("200 \"hel\" cut", Closed),
        case("a size that is a word", [chunked("5\r\nhello\r\nxyz\r\n0\r\n\r\n")])
            .gives("200 \"hello\" cut", Closed),
        case("a size with 0x", [chunked("5\r\nhello\r\n0x1\r\n!\r\n0\r\n\r\n")])
            .gives("200 \"hello\" cut", Closed),
        case("a negative size", [chunked("5\r\nhello\r\n-1\r\n!\r\n0\r\n\r\n")])
            .gives("200 \"hello\" cut", Closed),
        case("a size that is empty", [chunked("5\r\nhello\r\n\r\n0\r\n\r\n")])
            .gives("200 \"hello\" cut", Closed),
        case("a size of 2^64 + 1", [chunked("5\r\nhello\r\n10000000000000001\r\n!\r\n0\r\n\r\n")])
            .gives("200 \"hello\" cut", Closed),
        case("a size of 2^64 - 1", [chunked("5\r\nhello\r\nffffffffffffffff\r\n!"), Close])
            .gives("200 \"hello!\" cut", Closed),
        case("lines that end with LF alone", [hello(), Gate, say("5\nhello\n0\n\n"), Close])
            .asked("", after_hello())
            .gives("200 \"hello\" cut", Closed),
        case("a space after a size", [chunked("5 \r\nhello\r\n0\r\n\r\n")])
            .gives("200 \"hello\"", Reused),
        case("a space before a size", [chunked("5\r\nhello\r\n 5\r\nworld\r\n0\r\n\r\n"), Close])
            .gives("200 \"hello\" cut", Closed),
        case("extensions", [chunked("5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n")])
            .gives("200 \"hello\"", Reused),
        case("an extension with LF", [hello(), Gate, say("5;a\nb\r\nhello\r\n0\r\n\r\n"), Close])
            .asked("", after_hello())
            .gives("200 \"hello\" cut", Closed),
        case("an extension without end", [hello(), Gate, say("5;a="), endless("a"), Close])
            .asked("", after_hello())
            .gives("200 \"hello\" cut", Closed),
        case("a size of zeros without end", [hello(), Gate, endless("0"), Close])
            .asked("", after_hello())
            .gives("200 \"hello\" cut", Closed),
        case("spaces after a size without end", [hello(), Gate, say("5"), endless(" "), Close])
            .asked("", after_hello())
            .gives("200 \"hello\" cut", Closed),
        case("good trailers", [ok("transfer-encoding: chunked\r\ntrailer: x-sum\r\n", "5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n")])
            .asked("te: trailers\r\nconnection: te\r\n", [])
            .gives("200 \"hello\" (trailer x-sum: 7)", Reused),
        case(
            "hostile trailers",
            [ok(
                "transfer-encoding: chunked\r\ntrailer: set-cookie, content-length, x-forwarded-user, x-sum\r\n",
                "5\r\nhello\r\n0\r\nset-cookie: labgate=evil\r\ncontent-length: 99\r\n\
                 transfer-encoding: gzip\r\nlocation: /\r\nx-accel-redirect: /\r\nx-sum: 7\r\n\r\n",
            )],
        )
        .asked("te: trailers\r\nconnection: te\r\n", [])
        .gives("200 \"hello\" (trailer x-sum: 7)", Reused)
        .because("what is hostile in them is dropped, and the answer stands"),
        case("trailers that nobody takes", [chunked("5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n")])
            .gives("200 \"hello\"", Reused),
        case("a trailer that is no field", [chunked("5\r\nhello\r\n0\r\nno field\r\n\r\n"), Close])
            .gives("200 \"hello\" cut", Closed),
        case("trailers without end", [hello(), Gate, say("0\r\n"), endless("x-a: b\r\n"), Close])
            .asked("", after_hello())
            .gives("200 \"hello\" cut", Closed),
        case("bytes behind the end", [chunked("5\r\nhello\r\n0\r\n\r\nmore")])
            .gives("200 \"hello\"", Closed),
        case("10,000 chunks of one byte", [chunked(&(["1\r\na\r\n"; 10_000].concat() + "0\r\n\r\n"))])
            .gives("200 10000 bytes", Reused),
    ]
}

/// A chunked answer that is not at its end.
fn hello() -> Step {
    chunked("5\r\nhello\r\n")
}

/// Lets the upstream go on when the client has that.
fn after_hello() -> [Move; 2] {
    [Move::Until("hello"), Move::Go]
}
