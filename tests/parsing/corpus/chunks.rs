//! The bytes of a chunked body. What breaks in it is found when its head has gone on: the upstream's
//! connection is cut then, and it never sees an end.

use crate::case::{Case, cut, passes};

/// What the upstream gets of every head here.
const HEAD: &str = "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunked(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

fn good(name: &'static str, body: &str, upstream: &str) -> Case {
    passes(name, chunked(body), [format!("{HEAD}{upstream}")])
}

fn bad(name: &'static str, body: &str) -> Case {
    cut(name, chunked(body), HEAD)
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        good("two chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        good("no chunk but the last", "0\r\n\r\n", "0\r\n\r\n"),
        good("a size in capitals", "A\r\n0123456789\r\n0\r\n\r\n", "a\r\n0123456789\r\n0\r\n\r\n"),
        good("a size with zeros before", "0005\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        good("a size of sixteen digits", "0000000000000005\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        good("a last chunk of many zeros", "5\r\nhello\r\n00000\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        good("an extension", "5;a=b\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        good("an extension in quotes", "5;a=\"b;c\"\r\nhello\r\n0;d\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        good("an empty extension", "5;\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        good("chunks that hold a request", "2d\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\nB: \r\n\r\n\r\n0\r\n\r\n", "2d\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\nB: \r\n\r\n\r\n0\r\n\r\n"),
        good("a chunk that holds a last chunk", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", "5\r\n0\r\n\r\n\r\n0\r\n\r\n"),
        bad("an extension that holds a line feed", "5;a\nhello\r\n0\r\n\r\n"),
        bad("an extension that holds a carriage return", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        bad("an extension that holds NUL", "5;a\0b\r\nhello\r\n0\r\n\r\n"),
        bad("an extension that holds UTF-8", "5;é\r\nhello\r\n0\r\n\r\n"),
        bad("an extension of 257 letters", &format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(257))),
        bad("an extension without a size", ";a\r\nhello\r\n0\r\n\r\n"),
        bad("an extension without a semicolon", "5 a=b\r\nhello\r\n0\r\n\r\n"),
        bad("a size of a letter behind f", "g\r\nhello\r\n0\r\n\r\n"),
        bad("an empty size", "\r\nhello\r\n0\r\n\r\n"),
        bad("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        bad("a negative size", "-5\r\nhello\r\n0\r\n\r\n"),
        bad("a size with a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        bad("a size with a separator", "1_0\r\n0123456789abcdef\r\n0\r\n\r\n"),
        bad("a space before a size", " 5\r\nhello\r\n0\r\n\r\n"),
        bad("a space behind a size", "5 \r\nhello\r\n0\r\n\r\n"),
        bad("a tab behind a size", "5\t\r\nhello\r\n0\r\n\r\n"),
        bad("a size and NUL", "5\0\r\nhello\r\n0\r\n\r\n"),
        bad("a size of 2^64", "10000000000000000\r\nhello\r\n0\r\n\r\n"),
        bad("a size of 2^64 and 5", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        bad("a size of seventeen digits", "00000000000000005\r\nhello\r\n0\r\n\r\n"),
        bad("a size of 2^63 and 5", "8000000000000005\r\nhello\r\n0\r\n\r\n").cut_short(),
        bad("a size and a line feed", "5\nhello\r\n0\r\n\r\n"),
        bad("a size and a carriage return", "5\rhello\r\n0\r\n\r\n"),
        bad("two carriage returns behind a size", "5\r\r\nhello\r\n0\r\n\r\n"),
        bad("a line feed behind a chunk", "5\r\nhello\n0\r\n\r\n"),
        bad("a carriage return behind a chunk", "5\r\nhello\r0\r\n\r\n"),
        bad("nothing behind a chunk", "5\r\nhello0\r\n\r\n"),
        bad("a chunk longer than its size", "4\r\nhello\r\n0\r\n\r\n"),
        bad("two other bytes behind a chunk", "5\r\nhelloxx0\r\n\r\n"),
        bad("a chunk shorter than its size", "6\r\nhello\r\n0\r\n\r\n"),
        bad("a last chunk and a line feed", "0\n\r\n"),
        bad("line feeds at the end", "5\r\nhello\r\n0\r\n\n"),
        bad("no last chunk", "5\r\nhello\r\n").cut_short(),
        bad("half a chunk", "5\r\nhel").cut_short(),
        bad("half a size", "1").cut_short(),
        bad("no empty line at the end", "5\r\nhello\r\n0\r\n").cut_short(),
        // -- trailers
        good("a trailer that was not announced", "5\r\nhello\r\n0\r\nDigest: b\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        passes("a trailer that was announced", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n5\r\nhello\r\n0\r\nDigest: b\r\n\r\n", ["POST / HTTP/1.1\r\nhost: a.test\r\ntrailer: digest\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\ndigest: b\r\n\r\n"]),
        passes("trailers that only the head may have", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: Digest, X-Forwarded-User, Cookie\r\n\r\n5\r\nhello\r\n0\r\nX-Forwarded-User: root\r\nCookie: a=b\r\nDigest: b\r\n\r\n", ["POST / HTTP/1.1\r\nhost: a.test\r\ntrailer: digest\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\ndigest: b\r\n\r\n"]),
        bad("Content-Length as a trailer", "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"),
        bad("Transfer-Encoding as a trailer", "5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        bad("Host as a trailer", "5\r\nhello\r\n0\r\nHost: b.test\r\n\r\n"),
        bad("a folded trailer", "5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n"),
        bad("a trailer without a colon", "5\r\nhello\r\n0\r\nA\r\n\r\n"),
        bad("a trailer with a space before its colon", "5\r\nhello\r\n0\r\nA : b\r\n\r\n").haproxy_varies(),
        bad("a line feed in a trailer", "5\r\nhello\r\n0\r\nA: b\nC: d\r\n\r\n"),
        bad("a request where a trailer could be", "5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        bad("101 trailers", &format!("0\r\n{}\r\n", "A: b\r\n".repeat(101))),
        bad("trailers of more than 8 KiB", &format!("0\r\nA: {}\r\n\r\n", "b".repeat(8 * 1024))),
        bad("trailers without an end", "0\r\nA: b\r\n").cut_short(),
    ]
}
