//! How long a body is: one statement, in one spelling.

use crate::case::{Case, cut, passes, refused};

/// Both framings at once, the body good for either.
const SMUGGLED: &str = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\nB: ";

/// A POST with these fields and this body.
fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n{body}")
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        passes("a length", post("Content-Length: 5\r\n", "hello"), ["POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhello"]),
        passes("a length of 0", post("Content-Length: 0\r\n", ""), ["POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n\r\n"]),
        passes("a POST without a length", post("", ""), ["POST / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("a length between spaces", post("Content-Length:   5  \r\n", "hello"), ["POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhello"]),
        refused("a length behind a tab", post("Content-Length: \t5\r\n", "hello"), 400),
        refused("a length before a tab", post("Content-Length: 5\t\r\n", "hello"), 400),
        passes("a length with zeros before", post("Content-Length: 005\r\n", "hello"), ["POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 005\r\n\r\nhello"]),
        passes("a GET with a body", "GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", ["GET / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhello"]),
        passes("a HEAD with a body", "HEAD / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", ["HEAD / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhello"]),
        passes("a DELETE with chunks", "DELETE / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", ["DELETE / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]),
        passes("a body in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", ["POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhello"]).closes(),
        passes("a body that looks like a request", post("Content-Length: 46\r\n", "GET /smuggled HTTP/1.1\r\nHost: a.test\r\nB: c\r\n\r\n"), ["POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 46\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\nB: c\r\n\r\n"]),
        passes("a body that looks like chunks", post("Content-Length: 5\r\n", "0\r\n\r\n"), ["POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\n0\r\n\r\n"]),
        refused("a length with a sign", post("Content-Length: +5\r\n", "hello"), 400),
        refused("a negative length", post("Content-Length: -1\r\n", ""), 400),
        refused("a negative 0", post("Content-Length: -0\r\n", ""), 400),
        refused("a list of equal lengths", post("Content-Length: 5, 5\r\n", "hello"), 400),
        refused("a list of two lengths", post("Content-Length: 5, 6\r\n", "hello"), 400),
        refused("a length and a comma", post("Content-Length: 5,\r\n", "hello"), 400),
        refused("a length and a semicolon", post("Content-Length: 5;\r\n", "hello"), 400),
        refused("a length in hexadecimal", post("Content-Length: 0x5\r\n", "hello"), 400),
        refused("a length in letters", post("Content-Length: a\r\n", "0123456789"), 400),
        refused("a length with a point", post("Content-Length: 5.0\r\n", "hello"), 400),
        refused("a length with an exponent", post("Content-Length: 5e0\r\n", "hello"), 400),
        refused("a length in quotes", post("Content-Length: \"5\"\r\n", "hello"), 400),
        refused("a length with a blank in it", post("Content-Length: 1 0\r\n", "0123456789"), 400),
        refused("a length with a vertical tab", post("Content-Length: \x0b5\r\n", "hello"), 400),
        refused("a length with NUL", post("Content-Length: 5\0\r\n", "hello"), 400),
        refused("a length in other digits", post("Content-Length: \u{ff15}\r\n", "hello"), 400),
        refused("an empty length", post("Content-Length:\r\n", ""), 400),
        refused("a length of 2^63", post("Content-Length: 9223372036854775808\r\n", ""), 400),
        refused("a length of 2^64 and 5", post("Content-Length: 18446744073709551621\r\n", "hello"), 400),
        refused("two different lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400),
        refused("two equal lengths", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400),
        refused("a length and an empty one", post("Content-Length: 5\r\nContent-Length:\r\n", "hello"), 400),
        refused("a length with a space before its colon", post("Content-Length : 5\r\n", "hello"), 400),
        passes("a length with an underscore is none", post("Content_Length: 5\r\n", ""), ["POST / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        cut("a body that ends too early", post("Content-Length: 10\r\n", "hello"), "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 10\r\n\r\n").cut_short(),
        // -- chunked
        passes("chunks", post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), ["POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]),
        passes("chunked in capitals", post("TRANSFER-ENCODING: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n"), ["POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]),
        refused("chunked behind a tab", post("Transfer-Encoding:\tchunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), 400),
        refused("chunked before a tab", post("Transfer-Encoding: chunked\t\r\n", "5\r\nhello\r\n0\r\n\r\n"), 400),
        passes("chunked between spaces", post("Transfer-Encoding:   chunked  \r\n", "5\r\nhello\r\n0\r\n\r\n"), ["POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]),
        passes("transfer-encoding with an underscore is none", post("Transfer_Encoding: chunked\r\n", ""), ["POST / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        refused("a length, then chunked", post("Content-Length: 49\r\nTransfer-Encoding: chunked\r\n", SMUGGLED), 400),
        refused("chunked, then a length", post("Transfer-Encoding: chunked\r\nContent-Length: 49\r\n", SMUGGLED), 400),
        refused("chunked and a length of 0", post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", "5\r\nhello\r\n0\r\n\r\n"), 400),
        refused("a length and another coding", post("Content-Length: 5\r\nTransfer-Encoding: gzip\r\n", "hello"), 400),
        refused("a length and identity", post("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", "hello"), 400),
        refused("a length and an empty coding", post("Content-Length: 5\r\nTransfer-Encoding:\r\n", "hello"), 400),
        refused("chunked twice in a list", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), 400),
        refused("chunked in two fields", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400),
        refused("chunked, then identity in a second field", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"), 400),
        refused("chunked, then nothing in a second field", post("Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n", "0\r\n\r\n"), 400),
        refused("chunked, then identity in a list", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), 400),
        refused("identity, then chunked in a list", post("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"), 400),
        refused("identity alone", post("Transfer-Encoding: identity\r\n", ""), 400),
        refused("gzip, then chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 400),
        refused("chunked, then gzip", post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), 400),
        refused("a coding that ends in chunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400),
        refused("a coding that begins with chunked", post("Transfer-Encoding: chunkedx\r\n", "0\r\n\r\n"), 400),
        refused("chunked and a comma", post("Transfer-Encoding: chunked,\r\n", "0\r\n\r\n"), 400),
        refused("a comma and chunked", post("Transfer-Encoding: ,chunked\r\n", "0\r\n\r\n"), 400),
        refused("chunked with a parameter", post("Transfer-Encoding: chunked;a=b\r\n", "0\r\n\r\n"), 400),
        refused("chunked in double quotes", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), 400),
        refused("chunked in single quotes", post("Transfer-Encoding: 'chunked'\r\n", "0\r\n\r\n"), 400),
        refused("chunked behind a vertical tab", post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"), 400),
        refused("chunked before NUL", post("Transfer-Encoding: chunked\0\r\n", "0\r\n\r\n"), 400),
        refused("chunked before a high byte", b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n", 400),
        refused("chunked in a folded line", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), 400),
        refused("chunked with a space before the colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400),
        refused("chunked behind a line feed", post("A: b\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400),
        refused("an empty coding", post("Transfer-Encoding:\r\n", ""), 400),
        refused("chunks in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 400),
        refused("chunks in HTTP/1.0, kept open", "POST / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ]
}
