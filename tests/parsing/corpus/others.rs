//! What is no HTTP/1.

use crate::case::{Case, closed, refused};

/// The beginning of a TLS 1.3 `ClientHello` (RFC 8446 §4.1.2), without its extensions.
const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03\
    0123456789abcdef0123456789abcdef\x00\x00\x02\x13\x01\x01\x00\x00\x00";

/// Version 2 of the PROXY protocol: from 10.0.0.1 to 10.0.0.2.
const PROXY_V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x0a\0\0\x01\x0a\0\0\x02\x10\x00\x00\x50\
    GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        refused("TLS", CLIENT_HELLO, 400),
        refused("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0),
        refused("the preface of HTTP/2, not quite", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r", 400),
        refused("a PROXY header", "PROXY TCP4 10.0.0.1 10.0.0.2 4096 80\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        refused("a PROXY header of version 2", PROXY_V2, 400),
        refused("an answer", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 400),
        refused("SMTP", "EHLO a.test\r\n", 400),
        refused("SSH", "SSH-2.0-OpenSSH_9.6\r\n", 400),
        refused("bytes of no sense", b"\x80\xff\x00\x01\r\n\r\n", 400),
        refused("a frame of a WebSocket", b"\x81\x85\x01\x02\x03\x04\x69\x67\x6f\x68\x6e", 400),
        closed("nothing at all", "").cut_short(),
    ]
}
