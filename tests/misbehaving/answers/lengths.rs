//! What an answer says of its body's length (RFC 9112 §6).

use crate::case::{Case, Close, Closed, HalfClose, Reused, case, chunked, ok, say};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "an answer as it should be",
            [ok("content-length: 5\r\n", "hello")],
        )
        .gives("200 \"hello\"", Reused),
        case(
            "length too long",
            [ok("content-length: 9\r\n", "hello"), Close],
        )
        .gives("200 \"hello\" cut", Closed),
        case("length too short", [ok("content-length: 3\r\n", "hello")])
            .gives("200 \"hel\"", Closed),
        case(
            "two lengths that differ",
            [ok("content-length: 5\r\ncontent-length: 6\r\n", "hello!")],
        )
        .gives("502", Closed),
        case(
            "two lengths that differ, in one field",
            [ok("content-length: 5, 6\r\n", "hello!"), Close],
        )
        .gives("502", Closed),
        case(
            "the same length twice",
            [ok("content-length: 5\r\ncontent-length: 5\r\n", "hello")],
        )
        .gives("200 \"hello\" (content-length: 5)", Reused)
        .shows(LENGTH),
        case(
            "the same length twice, in one field",
            [ok("content-length: 5, 5\r\n", "hello")],
        )
        .gives("200 \"hello\" (content-length: 5)", Reused)
        .shows(LENGTH)
        .because("said twice it is still one number (RFC 9112 §6.3); it goes on once"),
        case(
            "length with a sign",
            [ok("content-length: +5\r\n", "hello"), Close],
        )
        .gives("502", Closed),
        case(
            "negative length",
            [ok("content-length: -5\r\n", "hello"), Close],
        )
        .gives("502", Closed),
        case(
            "length in hexadecimal",
            [ok("content-length: 0x5\r\n", "hello"), Close],
        )
        .gives("502", Closed),
        case(
            "length with a fraction",
            [ok("content-length: 5.0\r\n", "hello"), Close],
        )
        .gives("502", Closed),
        case(
            "length that is a word",
            [ok("content-length: five\r\n", "hello"), Close],
        )
        .gives("502", Closed),
        case(
            "length that is empty",
            [ok("content-length:\r\n", "hello"), Close],
        )
        .gives("502", Closed),
        case(
            "length of 2^64",
            [
                ok("content-length: 18446744073709551616\r\n", "hello"),
                Close,
            ],
        )
        .gives("502", Closed),
        case(
            "length of 2^64 - 1",
            [
                ok("content-length: 18446744073709551615\r\n", "hello"),
                Close,
            ],
        )
        .gives("502", Closed),
        case(
            "length of 2^63 - 1, then cut",
            [
                ok("content-length: 9223372036854775807\r\n", "hello"),
                Close,
            ],
        )
        .gives("200 \"hello\" cut", Closed),
        case(
            "1 GiB said, then cut",
            [ok("content-length: 1073741824\r\n", "hello"), Close],
        )
        .gives("200 \"hello\" cut", Closed),
        case(
            "length with zeros before it",
            [ok("content-length: 0005\r\n", "hello")],
        )
        .gives("200 \"hello\"", Reused),
        case(
            "length and chunks",
            [ok(
                "content-length: 5\r\ntransfer-encoding: chunked\r\n",
                "b\r\nhello world\r\n0\r\n\r\n",
            )],
        )
        .gives("200 \"hello world\"", Reused)
        .shows(LENGTH),
        case(
            "chunks and length",
            [ok(
                "transfer-encoding: chunked\r\ncontent-length: 50\r\n",
                "5\r\nhello\r\n0\r\n\r\n",
            )],
        )
        .gives("200 \"hello\"", Reused)
        .shows(LENGTH),
        case("neither length nor chunks", [ok("", "hello"), Close]).gives("200 \"hello\"", Closed),
        case(
            "neither, and only the upstream's direction ends",
            [ok("", "hello"), HalfClose],
        )
        .gives("200 \"hello\"", Closed),
        case(
            "transfer coding identity",
            [ok("transfer-encoding: identity\r\n", "hello"), Close],
        )
        .gives("502", Closed),
        case(
            "transfer coding gzip, chunked",
            [ok("transfer-encoding: gzip, chunked\r\n", HELLO)],
        )
        .gives("502", Closed),
        case(
            "transfer coding chunked, gzip",
            [ok("transfer-encoding: chunked, gzip\r\n", HELLO), Close],
        )
        .gives("502", Closed),
        case(
            "transfer coding chunked, chunked",
            [ok("transfer-encoding: chunked, chunked\r\n", HELLO)],
        )
        .gives("502", Closed),
        case(
            "transfer coding chunked in two fields",
            [ok(
                "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
                HELLO,
            )],
        )
        .gives("502", Closed),
        case(
            "transfer coding xchunked",
            [ok("transfer-encoding: xchunked\r\n", HELLO), Close],
        )
        .gives("502", Closed),
        case(
            "transfer coding that is empty",
            [ok("transfer-encoding:\r\n", HELLO), Close],
        )
        .gives("502", Closed),
        case(
            "transfer coding with a vertical tab",
            [ok("transfer-encoding: \x0bchunked\r\n", HELLO), Close],
        )
        .gives("502", Closed),
        case(
            "transfer coding CHUNKED",
            [ok("Transfer-Encoding: CHUNKED\r\n", HELLO)],
        )
        .gives("200 \"hello\"", Reused),
        case(
            "chunks in HTTP/1.0",
            [
                say([
                    "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                    HELLO,
                ]
                .concat()),
                Close,
            ],
        )
        .gives("502", Closed),
        case(
            "204 with bytes behind it",
            [say("HTTP/1.1 204 No Content\r\n\r\nhello")],
        )
        .gives("204 \"\"", Closed),
        case(
            "204 with a length and a body",
            [say(
                "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello",
            )],
        )
        .gives("204 \"\"", Closed)
        .shows(LENGTH),
        case(
            "204 with chunks",
            [say([
                "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n",
                HELLO,
            ]
            .concat())],
        )
        .gives("204 \"\"", Closed)
        .shows(FRAMING),
        case(
            "304 with the length of what it stands for",
            [say(
                "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
            )],
        )
        .gives("304 \"\"", Reused),
        case(
            "304 with a body",
            [say(
                "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nhello",
            )],
        )
        .gives("304 \"\"", Closed),
        case(
            "205 with a body",
            [say(
                "HTTP/1.1 205 Reset Content\r\ncontent-length: 5\r\n\r\nhello",
            )],
        )
        .gives("205 \"hello\"", Reused),
        case(
            "HEAD answered with a length alone",
            [ok("content-length: 5\r\n", "")],
        )
        .method("HEAD")
        .gives("200 \"\" (content-length: 5)", Reused)
        .shows(LENGTH),
        case(
            "HEAD answered with a body",
            [ok("content-length: 5\r\n", "hello")],
        )
        .method("HEAD")
        .gives("200 \"\" (content-length: 5)", Closed)
        .shows(LENGTH),
        case("HEAD answered with chunks", [chunked(HELLO)])
            .method("HEAD")
            .gives("200 \"\"", Closed),
    ]
}

const HELLO: &str = "5\r\nhello\r\n0\r\n\r\n";
const LENGTH: &[&str] = &["content-length"];
const FRAMING: &[&str] = &["content-length", "transfer-encoding"];
