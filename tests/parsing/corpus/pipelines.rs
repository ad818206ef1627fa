//! Several requests at once, and what only looks like one.

use super::lines::ANY_METHOD;
use crate::case::{Case, answered, passes, refused};

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        passes("two requests", "GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", ["GET /1 HTTP/1.1\r\nhost: a.test\r\n\r\n", "GET /2 HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("a body and then a request", "POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", ["POST /1 HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhello", "GET /2 HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("chunks and then a request", "POST /1 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", ["POST /1 HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "GET /2 HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("HEAD and then a request", "HEAD /1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", ["HEAD /1 HTTP/1.1\r\nhost: a.test\r\n\r\n", "GET /2 HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("a body and an empty line and a request", "POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", ["POST /1 HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhello", "GET /2 HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("a GET with a body that looks like a request", "GET /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", ["GET /1 HTTP/1.1\r\nhost: a.test\r\ncontent-length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET /2 HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("a bad request behind a good one", "GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", ["GET /1 HTTP/1.1\r\nhost: a.test\r\n\r\n"]).then_refused(400),
        passes("bytes behind a body", "POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello\x01", ["POST /1 HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhello"]).then_refused(400),
        passes("a length that is too small", "POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nhello", ["POST /1 HTTP/1.1\r\nhost: a.test\r\ncontent-length: 4\r\n\r\nhell", "oGET /next HTTP/1.1\r\nhost: a.test\r\n\r\n"]).closes().lenient(ANY_METHOD),
        passes("two empty lines behind a body", "POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello\r\n\r\n", ["POST /1 HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhello"]).then_refused(400),
        passes("chunks behind a request without a coding", "POST /1 HTTP/1.1\r\nHost: a.test\r\n\r\n5\r\nhello\r\n0\r\n\r\n", ["POST /1 HTTP/1.1\r\nhost: a.test\r\n\r\n"]).then_refused(400),
        passes("a bad chunk behind a good request", "GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", ["GET /1 HTTP/1.1\r\nhost: a.test\r\n\r\n"]).then_cut("POST /2 HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n"),
        refused("a good request behind a bad one", "GET /1 HTTP/1.1\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a good request in the body of a bad one", "POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 45\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("HEAD that is refused", "HEAD / HTTP/1.1\r\n\r\n", 400),
        answered("a body of what is answered by ourselves", "POST / HTTP/1.1\r\nHost: b.test\r\nContent-Length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n", 421).may_close(),
        passes("twelve requests", "GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n".repeat(12), ["GET /1 HTTP/1.1\r\nhost: a.test\r\n\r\n"; 12]),
        passes("a request behind the last one", "GET /1 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n", ["GET /1 HTTP/1.1\r\nhost: a.test\r\n\r\n"]).closes(),
    ]
}
