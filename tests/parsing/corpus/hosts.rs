//! Whose request it is.

use crate::case::{Case, answered, passes, refused};

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        passes("Host in capitals", "GET / HTTP/1.1\r\nHOST: A.TEST\r\n\r\n", ["GET / HTTP/1.1\r\nhost: A.TEST\r\n\r\n"]),
        passes("Host with a port", "GET / HTTP/1.1\r\nHost: a.test:8080\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test:8080\r\n\r\n"]),
        passes("Host between spaces", "GET / HTTP/1.1\r\nHost:   a.test  \r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        refused("Host behind a tab", "GET / HTTP/1.1\r\nHost:\ta.test\r\n\r\n", 400),
        refused("Host before a tab", "GET / HTTP/1.1\r\nHost: a.test\t\r\n\r\n", 400),
        passes("Host without a blank", "GET / HTTP/1.1\r\nHost:a.test\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("Host behind other fields", "GET / HTTP/1.1\r\nA: b\r\nHost: a.test\r\n\r\n", ["GET / HTTP/1.1\r\na: b\r\nhost: a.test\r\n\r\n"]),
        passes("Host with a dot at its end", "GET / HTTP/1.1\r\nHost: a.test.\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test.\r\n\r\n"]),
        answered("a host that is not served", "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n", 421),
        answered("an address of version 4 as Host", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 421),
        answered("an address of version 6 as Host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 421),
        refused("an address of version 6 with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
        refused("an address of version 6 with letters behind", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", 400),
        refused("an address of version 6 with a zone", "GET / HTTP/1.1\r\nHost: [fe80::1%25lo]\r\n\r\n", 400),
        refused("an address of version 6 without brackets", "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", 400),
        refused("no Host", "GET / HTTP/1.1\r\n\r\n", 400),
        refused("no Host but another field", "GET / HTTP/1.1\r\nX-Host: a.test\r\n\r\n", 400),
        refused("two Hosts", "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", 400),
        refused("two Hosts that are equal", "GET / HTTP/1.1\r\nHost: a.test\r\nhost: a.test\r\n\r\n", 400),
        refused("two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a.test\r\nHost: b.test\r\n\r\n", 400),
        refused("two Hosts far apart", "GET / HTTP/1.1\r\nHost: a.test\r\nA: b\r\nC: d\r\nhOsT: b.test\r\n\r\n", 400),
        refused("an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        refused("a Host of blanks", "GET / HTTP/1.1\r\nHost:  \t\r\n\r\n", 400),
        refused("a list in Host", "GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n", 400),
        refused("a space in Host", "GET / HTTP/1.1\r\nHost: a.test b.test\r\n\r\n", 400),
        refused("user information in Host", "GET / HTTP/1.1\r\nHost: b@a.test\r\n\r\n", 400),
        refused("a path in Host", "GET / HTTP/1.1\r\nHost: a.test/b\r\n\r\n", 400),
        refused("a scheme in Host", "GET / HTTP/1.1\r\nHost: http://a.test\r\n\r\n", 400),
        refused("a fragment sign in Host", "GET / HTTP/1.1\r\nHost: a.test#b\r\n\r\n", 400),
        refused("a percent sign in Host", "GET / HTTP/1.1\r\nHost: a%2etest\r\n\r\n", 400),
        refused("NUL in Host", "GET / HTTP/1.1\r\nHost: a.test\0.b\r\n\r\n", 400),
        refused("UTF-8 in Host", "GET / HTTP/1.1\r\nHost: á.test\r\n\r\n", 400),
        refused("an empty port", "GET / HTTP/1.1\r\nHost: a.test:\r\n\r\n", 400),
        refused("a port of letters", "GET / HTTP/1.1\r\nHost: a.test:b\r\n\r\n", 400),
        refused("a port beyond the last", "GET / HTTP/1.1\r\nHost: a.test:65536\r\n\r\n", 400),
        refused("a port with a sign", "GET / HTTP/1.1\r\nHost: a.test:+80\r\n\r\n", 400),
        refused("two ports", "GET / HTTP/1.1\r\nHost: a.test:80:80\r\n\r\n", 400),
        refused("a port and a host behind it", "GET / HTTP/1.1\r\nHost: a.test:80@b.test\r\n\r\n", 400),
        refused("Host with a space before its colon", "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n", 400),
        refused("Host folded", "GET / HTTP/1.1\r\nHost:\r\n a.test\r\n\r\n", 400),
    ]
}
