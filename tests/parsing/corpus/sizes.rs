//! Where heads are too large: by default 64 KiB and 100 fields.

use crate::case::{Case, passes, refused};

const LIMIT: usize = 64 * 1024;

const COOKIES: &str = "tools on one host fill each other's heads with cookies, and browsers then meet limits of 8 to 32 KiB; `limits.max_header_bytes` lowers ours";
const QUERIES: &str = "one limit for the whole head (`limits.max_header_bytes`); some tools keep their state in the query";

/// A GET with a field so long that its head has this size.
fn head_of(size: usize) -> String {
    let rest = "GET / HTTP/1.1\r\nHost: a.test\r\nB: \r\n\r\n".len();
    format!(
        "GET / HTTP/1.1\r\nHost: a.test\r\nB: {}\r\n\r\n",
        "c".repeat(size - rest)
    )
}

/// A GET with so many fields, `Host` included.
fn fields(count: usize) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: a.test\r\n{}\r\n",
        "B: c\r\n".repeat(count - 1)
    )
}

/// A GET of a path of this length.
fn target(length: usize) -> String {
    format!(
        "GET /{} HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "a".repeat(length - 1)
    )
}

/// The same as the upstream gets it.
fn lower(head: &str) -> String {
    head.replace("Host:", "host:").replace("B:", "b:")
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        passes("a head of 8 KiB", head_of(8 * 1024), [lower(&head_of(8 * 1024))]),
        passes("a head of 32 KiB", head_of(32 * 1024), [lower(&head_of(32 * 1024))]).lenient(COOKIES),
        passes("a head of 64 KiB", head_of(LIMIT), [lower(&head_of(LIMIT))]).lenient(COOKIES),
        refused("a head of 64 KiB and a byte", head_of(LIMIT + 1), 431),
        refused("a head of 128 KiB", head_of(2 * LIMIT), 431),
        passes("100 fields", fields(100), [lower(&fields(100))]),
        refused("101 fields", fields(101), 431),
        passes("a target of 4 KiB", target(4 * 1024), [lower(&target(4 * 1024))]),
        passes("a target of 32 KiB", target(32 * 1024), [lower(&target(32 * 1024))]).lenient(QUERIES),
        refused("a target of 65535 bytes", target(65535), 414),
        refused("a target of 128 KiB", target(2 * LIMIT), 414),
        passes("a name of 255 letters", format!("GET / HTTP/1.1\r\nHost: a.test\r\n{}: c\r\n\r\n", "b".repeat(255)), [format!("GET / HTTP/1.1\r\nhost: a.test\r\n{}: c\r\n\r\n", "b".repeat(255))]),
        passes("a body of 48 KiB", format!("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 49152\r\n\r\n{}", "b".repeat(49152)), [format!("PUT / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 49152\r\n\r\n{}", "b".repeat(49152))]),
    ]
}
