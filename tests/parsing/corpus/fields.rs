//! The syntax of fields.

use crate::case::{Case, passes, refused};

const NOT_OURS: &str = "it decides neither where a request ends nor who may send it; which of them counts is the tool's to say";

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        passes("blanks around a value", "GET / HTTP/1.1\r\nHost: a.test\r\nB: \t c d \t\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nb: c d\r\n\r\n"]),
        passes("an empty value", "GET / HTTP/1.1\r\nHost: a.test\r\nB:\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nb: \r\n\r\n"]),
        passes("a value of blanks", "GET / HTTP/1.1\r\nHost: a.test\r\nB: \t \r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nb: \r\n\r\n"]),
        passes("a tab in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nB: c\td\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nb: c\td\r\n\r\n"]),
        passes("colons in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nB: :c:d:\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nb: :c:d:\r\n\r\n"]),
        passes("UTF-8 in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nB: é\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nb: é\r\n\r\n"]),
        passes("Latin-1 in a value", b"GET / HTTP/1.1\r\nHost: a.test\r\nB: \xe9\r\n\r\n", [b"GET / HTTP/1.1\r\nhost: a.test\r\nb: \xe9\r\n\r\n"]),
        passes("a name twice", "GET / HTTP/1.1\r\nHost: a.test\r\nB: c\r\nD: e\r\nb: f\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nb: c\r\nb: f\r\nd: e\r\n\r\n"]),
        passes("an underscore in a name", "GET / HTTP/1.1\r\nHost: a.test\r\nB_c: d\r\nE: f\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\ne: f\r\n\r\n"]),
        passes("a dot in a name", "GET / HTTP/1.1\r\nHost: a.test\r\nB.c: d\r\nE: f\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\ne: f\r\n\r\n"]),
        passes("marks in a name", "GET / HTTP/1.1\r\nHost: a.test\r\n!#$%&'*+.^`|~: b\r\nE: f\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\ne: f\r\n\r\n"]),
        passes("two Content-Types", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Type: b/c\r\nContent-Type: d/e\r\nContent-Length: 1\r\n\r\nx", ["POST / HTTP/1.1\r\nhost: a.test\r\ncontent-type: b/c\r\ncontent-type: d/e\r\ncontent-length: 1\r\n\r\nx"]),
        passes("one Authorization", "GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic YTpi\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nauthorization: Basic YTpi\r\n\r\n"]),
        refused("two Authorizations", "GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic YTpi\r\nAuthorization: Basic YzpkCg==\r\n\r\n", 400),
        passes("two Origins", "GET / HTTP/1.1\r\nHost: a.test\r\nOrigin: http://a.test\r\nOrigin: http://b.test\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\norigin: http://a.test\r\norigin: http://b.test\r\n\r\n"]),
        passes("two Referers", "GET / HTTP/1.1\r\nHost: a.test\r\nReferer: http://a.test/\r\nReferer: http://b.test/\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nreferer: http://a.test/\r\nreferer: http://b.test/\r\n\r\n"]),
        passes("two Ranges", "GET / HTTP/1.1\r\nHost: a.test\r\nRange: bytes=0-1\r\nRange: bytes=2-3\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nrange: bytes=0-1\r\nrange: bytes=2-3\r\n\r\n"]),
        passes("two If-Modified-Sinces", "GET / HTTP/1.1\r\nHost: a.test\r\nIf-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT\r\nIf-Modified-Since: Sat, 29 Oct 1994 19:43:32 GMT\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nif-modified-since: Sat, 29 Oct 1994 19:43:31 GMT\r\nif-modified-since: Sat, 29 Oct 1994 19:43:32 GMT\r\n\r\n"]).lenient(NOT_OURS),
        refused("a space before a colon", "GET / HTTP/1.1\r\nHost: a.test\r\nB : c\r\n\r\n", 400),
        refused("a tab before a colon", "GET / HTTP/1.1\r\nHost: a.test\r\nB\t: c\r\n\r\n", 400),
        refused("a space in a name", "GET / HTTP/1.1\r\nHost: a.test\r\nB c: d\r\n\r\n", 400),
        refused("a folded value", "GET / HTTP/1.1\r\nHost: a.test\r\nB: c\r\n d\r\n\r\n", 400),
        refused("a value folded by a tab", "GET / HTTP/1.1\r\nHost: a.test\r\nB: c\r\n\td\r\n\r\n", 400),
        refused("a folded line of nothing", "GET / HTTP/1.1\r\nHost: a.test\r\nB: c\r\n \r\n\r\n", 400),
        refused("a space before the first field", "GET / HTTP/1.1\r\n Host: a.test\r\n\r\n", 400),
        refused("no colon", "GET / HTTP/1.1\r\nHost: a.test\r\nB\r\n\r\n", 400),
        refused("no name", "GET / HTTP/1.1\r\nHost: a.test\r\n: c\r\n\r\n", 400),
        refused("a bracket in a name", "GET / HTTP/1.1\r\nHost: a.test\r\nB(c): d\r\n\r\n", 400),
        refused("a quote in a name", "GET / HTTP/1.1\r\nHost: a.test\r\n\"B\": d\r\n\r\n", 400),
        refused("UTF-8 in a name", "GET / HTTP/1.1\r\nHost: a.test\r\né: c\r\n\r\n", 400),
        refused("NUL in a name", "GET / HTTP/1.1\r\nHost: a.test\r\nB\0: c\r\n\r\n", 400),
        refused("a control character in a name", "GET / HTTP/1.1\r\nHost: a.test\r\nB\x01: c\r\n\r\n", 400),
        refused("a name of 256 letters", format!("GET / HTTP/1.1\r\nHost: a.test\r\n{}: c\r\n\r\n", "b".repeat(256)), 400),
        refused("NUL in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nB: c\0d\r\n\r\n", 400),
        refused("a control character in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nB: c\x08d\r\n\r\n", 400),
        refused("an escape in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nB: \x1b[0m\r\n\r\n", 400),
        refused("DEL in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nB: c\x7f\r\n\r\n", 400),
        refused("a vertical tab before a value", "GET / HTTP/1.1\r\nHost: a.test\r\nB: \x0bc\r\n\r\n", 400),
        refused("a carriage return in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nB: c\rD: e\r\n\r\n", 400),
        refused("a carriage return in a name", "GET / HTTP/1.1\r\nHost: a.test\r\nB\rC: d\r\n\r\n", 400),
        refused("two carriage returns behind a value", "GET / HTTP/1.1\r\nHost: a.test\r\nB: c\r\r\n\r\n", 400),
        refused("a line feed between fields", "GET / HTTP/1.1\r\nHost: a.test\r\nB: c\nD: e\r\n\r\n", 400),
        refused("a carriage return before the empty line", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\r\n\r\n", 400),
        refused("a request line among the fields", "GET / HTTP/1.1\r\nHost: a.test\r\nGET /smuggled HTTP/1.1\r\n\r\n", 400),
    ]
}
