//! What concerns one connection only, and what a client waits for.

use crate::case::{Case, answered, passes, refused};

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        passes("Connection: close", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]).closes(),
        passes("Connection: Close among others", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive,\tClose\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]).closes(),
        passes("Connection: close in a second field", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]).closes(),
        passes("Connection: keep-alive", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("Connection with empty members", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: , ,keep-alive,\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("an empty Connection", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection:\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        refused("Connection that is no list of names", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close; b\r\n\r\n", 400),
        passes("Connection that names another field", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: B\r\nB: c\r\nD: e\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nd: e\r\n\r\n"]),
        passes("Connection that names what labgate adds", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Request-Id\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("Connection that names Host", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Host\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("Connection that names Content-Length", "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\nhello", ["POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhello"]),
        passes("Connection that names Transfer-Encoding", "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", ["POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]),
        passes("Connection that names Cookie and Authorization", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Cookie, Authorization\r\nCookie: b=c\r\nAuthorization: Basic YTpi\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("TE: trailers", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: TE\r\nTE: trailers\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nte: trailers\r\n\r\n"]),
        passes("TE that asks for more", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: TE\r\nTE: gzip, Trailers;q=0.5\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nte: trailers\r\n\r\n"]),
        passes("TE without trailers", "GET / HTTP/1.1\r\nHost: a.test\r\nTE: gzip\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("fields of a proxy", "GET / HTTP/1.1\r\nHost: a.test\r\nProxy-Connection: close\r\nProxy-Authorization: Basic YTpi\r\nProxy-Authenticate: Basic\r\nB: c\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nb: c\r\n\r\n"]),
        passes("Trailer without chunks", "GET / HTTP/1.1\r\nHost: a.test\r\nTrailer: Digest\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\ntrailer: digest\r\n\r\n"]),
        // -- Expect
        passes("Expect: 100-continue", "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", ["POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhello"]).answers(&[100, 200, 200]),
        passes("Expect in capitals, with chunks", "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-CONTINUE\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", ["POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]).answers(&[100, 200, 200]),
        passes("Expect without a body", "GET / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("Expect in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", ["POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhello"]).closes(),
        passes("Expect of something else", "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", ["POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhello"]),
        answered("Expect of what is answered by ourselves", "POST / HTTP/1.1\r\nHost: b.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", 421).may_close(),
    ]
}
