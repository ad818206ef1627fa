//! The first line, and what may stand before it.

use crate::case::{Case, answered, closed, passes, refused};

/// Why nginx is stricter about methods.
pub(super) const ANY_METHOD: &str = "a method is any token, and its letters count (RFC 9110 §9.1); it decides nothing here, and the tool knows its own";

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        passes("a plain request", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("one empty line before", "\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        refused("two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a bare line feed before", "\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a bare carriage return before", "\rGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a space before", " GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a tab before", "\tGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("NUL before", "\0GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a byte order mark before", "\u{feff}GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        // -- methods
        passes("HEAD", "HEAD /a HTTP/1.1\r\nHost: a.test\r\n\r\n", ["HEAD /a HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("OPTIONS with a path", "OPTIONS /a HTTP/1.1\r\nHost: a.test\r\n\r\n", ["OPTIONS /a HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("a method of WebDAV", "PROPFIND / HTTP/1.1\r\nHost: a.test\r\nDepth: 1\r\n\r\n", ["PROPFIND / HTTP/1.1\r\nhost: a.test\r\ndepth: 1\r\n\r\n"]),
        refused("TRACE", "TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", 405),
        passes("a method in lowercase", "get / HTTP/1.1\r\nHost: a.test\r\n\r\n", ["get / HTTP/1.1\r\nhost: a.test\r\n\r\n"]).lenient(ANY_METHOD),
        passes("a method with digits and marks", "M-SEARCH_2!#$%&'*+.^`|~ / HTTP/1.1\r\nHost: a.test\r\n\r\n", ["M-SEARCH_2!#$%&'*+.^`|~ / HTTP/1.1\r\nhost: a.test\r\n\r\n"]).lenient(ANY_METHOD),
        passes("a method of 32 letters", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\nHost: a.test\r\n\r\n", ["ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        refused("a method of 33 letters", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a method with a bracket", "GE(T / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a method with a colon", "GET: / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a method with NUL", "GE\0T / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a method with a high byte", b"GE\xc9T / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("CONNECT to an authority", "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n", 405),
        refused("CONNECT with a path", "CONNECT / HTTP/1.1\r\nHost: a.test\r\n\r\n", 405),
        refused("PRI in HTTP/1.1", "PRI * HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        // -- spaces
        refused("two spaces after the method", "GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("two spaces before the version", "GET /  HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a tab after the method", "GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a tab before the version", "GET /\tHTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a space after the version", "GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n", 400),
        refused("a fourth word", "GET / HTTP/1.1 x\r\nHost: a.test\r\n\r\n", 400),
        refused("a form feed for a space", "GET\x0c/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("no target", "GET HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("no method", "/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("three words without sense", "a b c\r\n\r\n", 400),
        // -- versions
        refused("HTTP/0.9", "GET /\r\n\r\n", 400),
        refused("HTTP/0.9 by name", "GET / HTTP/0.9\r\nHost: a.test\r\n\r\n", 400),
        passes("HTTP/1.0", "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]).closes(),
        passes("HTTP/1.0 kept open", "GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        answered("HTTP/1.0 without Host", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 421),
        refused("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a.test\r\n\r\n", 400),
        refused("HTTP/2.0 in text", "GET / HTTP/2.0\r\nHost: a.test\r\n\r\n", 400),
        refused("HTTP/3", "GET / HTTP/3\r\nHost: a.test\r\n\r\n", 400),
        refused("a version in lowercase", "GET / http/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a version with a zero before", "GET / HTTP/01.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a version with a zero behind", "GET / HTTP/1.10\r\nHost: a.test\r\n\r\n", 400),
        refused("a version of 1.", "GET / HTTP/1.\r\nHost: a.test\r\n\r\n", 400),
        refused("a version with a sign", "GET / HTTP/1.+1\r\nHost: a.test\r\n\r\n", 400),
        refused("a space in the version", "GET / HTTP/ 1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("another protocol's name", "GET / HTCPCP/1.0\r\nHost: a.test\r\n\r\n", 400),
        // -- ends of lines
        refused("line feeds alone", "GET / HTTP/1.1\nHost: a.test\n\n", 400),
        refused("a line feed behind the first line", "GET / HTTP/1.1\nHost: a.test\r\n\r\n", 400),
        refused("a carriage return behind the first line", "GET / HTTP/1.1\rHost: a.test\r\n\r\n", 400),
        refused("two carriage returns behind the first line", "GET / HTTP/1.1\r\r\nHost: a.test\r\n\r\n", 400),
        refused("a line feed within the target", "GET /a\nb HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a line feed for the empty line", "GET / HTTP/1.1\r\nHost: a.test\r\n\n", 400),
        closed("half a request line", "GET /a HT").cut_short(),
        closed("a head without its end", "GET / HTTP/1.1\r\nHost: a.test\r\n").cut_short(),
        closed("an empty line and nothing else", "\r\n").cut_short(),
    ]
}
