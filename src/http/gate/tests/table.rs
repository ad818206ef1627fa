//! Raw streams and what must come of them. Security cases stand in pairs: what must pass, and the
//! nearest thing that must not.

use super::{
    super::{Body, Head, LargeField, Refusal, TargetForm},
    DEFAULT, Outcome, run,
};

/// The expected fate of the last head in a stream.
enum Fate {
    /// Passes.
    Pass,
    /// Passes, and its body breaks for a reason that holds these words.
    Breaks(&'static str),
    /// More bytes are needed.
    Partial,
    /// Is refused with this status, for a reason that holds these words.
    Refused(u16, &'static str),
}
use Fate::{Breaks, Partial, Pass, Refused};

#[rustfmt::skip]
const TABLE: &[(&str, &str, Fate)] = &[
    // -- the request line (RFC 9112 §3)
    ("a plain request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("nothing", "", Partial),
    ("half a method", "GE", Partial),
    ("no empty line yet", "GET / HTTP/1.1\r\nHost: x\r\n", Partial),
    ("half an empty line", "GET / HTTP/1.1\r\nHost: x\r\n\r", Partial),
    ("one empty line before (§2.2)", "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("just an empty line", "\r\n", Partial),
    ("half of one", "\r", Partial),
    ("two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "start with a method")),
    ("a bare line feed before", "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "start with a method")),
    ("a carriage return before", "\rGET / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "start with a method")),
    ("a space before", " GET / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "start with a method")),
    ("a tab before", "\tGET / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "start with a method")),
    ("TLS to a plain port, at its first byte", "\x16\x03\x01", Refused(400, "start with a method")),
    ("two spaces after the method", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "version")),
    ("a tab for a space", "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "three words")),
    ("a space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "version")),
    ("a space after the version", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", Refused(400, "version")),
    ("no version (HTTP/0.9)", "GET /\r\n\r\n", Refused(400, "three words")),
    ("no target", "GET HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "three words")),
    ("a method that is no token", "GE(T / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "method")),
    ("a method of our time", "PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("the longest registered method", "UPDATEREDIRECTREF / HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("a method in lowercase is another method", "get / HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("a method without end", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "too long")),
    ("HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", Pass),
    ("HTTP/1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", Refused(400, "version")),
    ("HTTP/2.0 in text", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", Refused(400, "version")),
    ("http/1.1", "GET / http/1.1\r\nHost: x\r\n\r\n", Refused(400, "version")),
    ("HTTP/01.1", "GET / HTTP/01.1\r\nHost: x\r\n\r\n", Refused(400, "version")),
    ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused(400, "version")),
    ("PRI as HTTP/1.1", "PRI / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "HTTP/2")),
    // -- targets (RFC 9112 §3.2, T13, T14, T21)
    ("a path and a query", "GET /a%2520b?u=a%26b%3Dc&d={}|^` HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("characters browsers leave in paths", "GET /a[b]|c^d\"{e}';:@&=+$,!~*() HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("two slashes", "GET //evil HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("an encoded fragment sign", "GET /secret%23/bar HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("a raw fragment sign", "GET /secret#/bar HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "path")),
    ("a raw fragment sign in a query", "GET /a?b#c HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "query")),
    ("a backslash in a query", "GET /a?b\\c HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("a backslash in a path", "GET /public/..\\admin HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "path")),
    ("an encoded é", "GET /caf%C3%A9 HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("a raw é", "GET /café HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "path")),
    ("a raw é in a query", "GET /?é HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "query")),
    ("a control character", "GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "path")),
    ("NUL", "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "path")),
    ("a tab", "GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "path")),
    ("DEL", "GET /a\x7fb HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "path")),
    ("what http::Uri refuses in a path", "GET /a<b> HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "path")),
    ("and in a query", "GET /?a=\"b\" HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "query")),
    ("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "not a path")),
    ("CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", Refused(405, "")),
    ("TRACE", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(405, "")),
    ("trace is another method", "trace / HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("CONNECT with a path", "CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n", Refused(405, "")),
    ("a query without a path", "GET ?a HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "not a path")),
    ("an authority", "GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "not a path")),
    ("a relative path", "GET a/b HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "not a path")),
    ("an absolute form that agrees", "GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("in another case, with the default port", "GET HTTP://X:80/a HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("with https and its port", "GET https://x/a HTTP/1.1\r\nHost: x:443\r\n\r\n", Pass),
    ("without a path", "GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("another host", "GET http://y/a HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "disagree")),
    ("another port", "GET http://x:81/a HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "disagree")),
    ("the other scheme's port", "GET http://x/a HTTP/1.1\r\nHost: x:443\r\n\r\n", Refused(400, "disagree")),
    ("an absolute form without Host", "GET http://x/a HTTP/1.0\r\n\r\n", Refused(400, "disagree")),
    ("a user in it", "GET http://u@x/a HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "host")),
    ("another scheme", "GET ftp://x/a HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "not a path")),
    ("a query straight after the host", "GET http://x?a HTTP/1.1\r\nHost: x\r\n\r\n", Refused(400, "no path")),
    // -- lines (T78)
    ("bare line feeds", "GET / HTTP/1.1\nHost: x\n\n", Refused(400, "line feed")),
    ("one bare line feed", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", Refused(400, "line feed")),
    ("a bare line feed at the end", "GET / HTTP/1.1\r\nHost: x\r\n\n", Refused(400, "line feed")),
    ("a bare carriage return in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n", Refused(400, "control")),
    ("a bare carriage return in a name", "GET / HTTP/1.1\r\nHost: x\r\nA\rb: c\r\n\r\n", Refused(400, "name")),
    ("a carriage return too many", "GET / HTTP/1.1\r\nHost: x\r\r\n\r\n", Refused(400, "control")),
    ("a line of one carriage return", "GET / HTTP/1.1\r\nHost: x\r\n\r\r\n\r\n", Refused(400, "name")),
    // -- fields (RFC 9110 §5, RFC 9112 §5)
    ("white space around a value", "GET / HTTP/1.1\r\nHost: x\r\nA: \t b \t\r\n\r\n", Pass),
    ("spaces around what decides", "POST / HTTP/1.1\r\nHost:  x  \r\nContent-Length:  0  \r\n\r\n", Pass),
    ("a tab before Host", "GET / HTTP/1.1\r\nHost:\tx\r\n\r\n", Refused(400, "host is not")),
    ("a tab behind a length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\t\r\n\r\n", Refused(400, "not a number")),
    ("a tab between spaces before chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \t chunked\r\n\r\n", Refused(400, "exactly chunked")),
    ("tabs around what does not decide", "GET / HTTP/1.1\r\nHost: x\r\nConnection:\tupgrade\t\r\nUpgrade:\twebsocket\t\r\n\r\n", Pass),
    ("one authorization", "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YTpi\r\n\r\n", Pass),
    ("two authorizations", "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YTpi\r\nauthorization: Basic YTpi\r\n\r\n", Refused(400, "two authorization")),
    ("no white space", "GET / HTTP/1.1\r\nHost:x\r\n\r\n", Pass),
    ("an empty value", "GET / HTTP/1.1\r\nHost: x\r\nA:\r\n\r\n", Pass),
    ("a tab in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\tc\r\n\r\n", Pass),
    ("UTF-8 in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: é\r\n\r\n", Pass),
    ("every token character in a name", "GET / HTTP/1.1\r\nHost: x\r\n!#$%&'*+-.^_`|~09azAZ: b\r\n\r\n", Pass),
    ("a space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", Refused(400, "space")),
    ("a tab before the colon", "GET / HTTP/1.1\r\nHost\t: x\r\n\r\n", Refused(400, "space")),
    ("a space in a name", "GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", Refused(400, "space")),
    ("a folded value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", Refused(400, "folded")),
    ("folded by a tab", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n", Refused(400, "folded")),
    ("a space before the first field", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", Refused(400, "folded")),
    ("no colon", "GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", Refused(400, "name")),
    ("no name", "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", Refused(400, "no name")),
    ("a bracket in a name", "GET / HTTP/1.1\r\nHost: x\r\nA(b): c\r\n\r\n", Refused(400, "name")),
    ("UTF-8 in a name", "GET / HTTP/1.1\r\nHost: x\r\né: c\r\n\r\n", Refused(400, "name")),
    ("NUL in a name", "GET / HTTP/1.1\r\nHost: x\r\nA\0: c\r\n\r\n", Refused(400, "name")),
    ("NUL in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n", Refused(400, "control")),
    ("an escape in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: \x1b[0m\r\n\r\n", Refused(400, "control")),
    ("DEL in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: \x7f\r\n\r\n", Refused(400, "control")),
    ("a vertical tab around a value", "GET / HTTP/1.1\r\nHost: x\r\nA: \x0bb\r\n\r\n", Refused(400, "control")),
    // -- Host (RFC 9112 §3.2)
    ("a name with a port", "GET / HTTP/1.1\r\nHost: lab.example.org:8443\r\n\r\n", Pass),
    ("a version 6 address", "GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", Pass),
    ("an underscore and a final dot", "GET / HTTP/1.1\r\nhOsT: a_b.\r\n\r\n", Pass),
    ("none", "GET / HTTP/1.1\r\n\r\n", Refused(400, "no host")),
    ("two", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", Refused(400, "two host")),
    ("two equal ones", "GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n", Refused(400, "two host")),
    ("two in HTTP/1.0", "GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", Refused(400, "two host")),
    ("an empty one", "GET / HTTP/1.1\r\nHost:\r\n\r\n", Refused(400, "host is not")),
    ("a list", "GET / HTTP/1.1\r\nHost: x, y\r\n\r\n", Refused(400, "host is not")),
    ("a path in it", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", Refused(400, "host is not")),
    ("a user in Host", "GET / HTTP/1.1\r\nHost: u@x\r\n\r\n", Refused(400, "host is not")),
    ("an empty port", "GET / HTTP/1.1\r\nHost: x:\r\n\r\n", Refused(400, "host is not")),
    ("a port beyond the last", "GET / HTTP/1.1\r\nHost: x:65536\r\n\r\n", Refused(400, "host is not")),
    ("a signed port", "GET / HTTP/1.1\r\nHost: x:+80\r\n\r\n", Refused(400, "host is not")),
    ("two ports", "GET / HTTP/1.1\r\nHost: x:80:80\r\n\r\n", Refused(400, "host is not")),
    ("an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", Refused(400, "host is not")),
    ("something after a bracket", "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", Refused(400, "host is not")),
    ("a percent sign", "GET / HTTP/1.1\r\nHost: x%2ey\r\n\r\n", Refused(400, "host is not")),
    // -- bodies (RFC 9112 §6, T78)
    ("a length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", Pass),
    ("a length of 0", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", Pass),
    ("leading zeros", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 003\r\n\r\nabc", Pass),
    ("the body of a GET", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", Pass),
    ("two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", Refused(400, "two content-length")),
    ("two equal lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", Refused(400, "two content-length")),
    ("a list of lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", Refused(400, "not a number")),
    ("a sign", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", Refused(400, "not a number")),
    ("a negative one", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc", Refused(400, "not a number")),
    ("hexadecimal", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc", Refused(400, "not a number")),
    ("an empty length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", Refused(400, "not a number")),
    ("a space in it", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1 3\r\n\r\n", Refused(400, "not a number")),
    ("more than 63 bits", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775808\r\n\r\n", Refused(400, "not a number")),
    ("more than 64 bits", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551617\r\n\r\n", Refused(400, "not a number")),
    ("chunks", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", Pass),
    ("both", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", Refused(400, "both")),
    ("both, the other way round", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400, "both")),
    ("gzip, chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Refused(400, "exactly chunked")),
    ("chunked, identity", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n", Refused(400, "exactly chunked")),
    ("identity", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n", Refused(400, "exactly chunked")),
    ("xchunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", Refused(400, "exactly chunked")),
    ("chunked with a parameter", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked;a=b\r\n\r\n", Refused(400, "exactly chunked")),
    ("chunked in quotes", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", Refused(400, "exactly chunked")),
    ("chunked and a comma", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked,\r\n\r\n", Refused(400, "exactly chunked")),
    ("an empty transfer-encoding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n", Refused(400, "exactly chunked")),
    ("chunked twice", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", Refused(400, "two transfer")),
    ("identity, then chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n", Refused(400, "exactly chunked")),
    ("chunks in HTTP/1.0", "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", Refused(400, "HTTP/1.0")),
    ("a name that looks like it", "POST / HTTP/1.1\r\nHost: x\r\nTransfer_Encoding: chunked\r\n\r\n", Pass),
    // -- chunks (RFC 9112 §7.1)
    ("an extension", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b c\"\r\nabc\r\n0;x\r\n\r\n", Pass),
    ("sixteen digits", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0000000000000003\r\nabc\r\n0\r\n\r\n", Pass),
    ("seventeen digits", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000003\r\nabc\r\n0\r\n\r\n", Breaks("too large")),
    ("no digits", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc", Breaks("hexadecimal")),
    ("an extension without digits", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n;a\r\nabc", Breaks("hexadecimal")),
    ("0x3", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc", Breaks("hexadecimal")),
    ("a negative size", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc", Breaks("hexadecimal")),
    ("a space after a size", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc", Breaks("hexadecimal")),
    ("a size ended by a line feed", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc", Breaks("hexadecimal")),
    ("a size ended by a carriage return", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\rabc", Breaks("carriage return")),
    ("a line feed in an extension", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a\nabc", Breaks("extension")),
    ("UTF-8 in an extension", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;é\r\nabc", Breaks("extension")),
    ("content longer than its size", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", Breaks("longer")),
    ("content ended by a line feed", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n", Breaks("longer")),
    ("a trailer", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n", Pass),
    ("a trailer that is no field", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA b\r\n\r\n", Breaks("space")),
    ("a folded trailer", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n", Breaks("folded")),
    ("a line feed in a trailer", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\nC: d\r\n\r\n", Breaks("control")),
    ("trailers ended by a line feed", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\nGET\r\n", Breaks("name")),
    ("a length as a trailer", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n", Breaks("framing")),
    ("no final line", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\rX", Breaks("carriage return")),
    // -- upgrades (RFC 9110 §7.8, RFC 6455 §4.1, T78, T80)
    ("a handshake", "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n", Pass),
    ("a handshake with a length of 0", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n", Pass),
    ("a handshake with a body", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc", Refused(400, "handshake")),
    ("a handshake with chunks", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400, "handshake")),
    ("a handshake by POST", "POST / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", Refused(400, "handshake")),
    ("a handshake over HTTP/1.0", "GET / HTTP/1.0\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", Refused(400, "handshake")),
    ("two upgrade fields", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n\r\n", Refused(400, "two upgrade")),
    ("an upgrade nobody asked for", "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", Pass),
    ("an upgrade to something else", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: TLS/1.0\r\n\r\n", Pass),
    ("h2c", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", Refused(400, "clear text")),
    ("h2c in a list, without connection", "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket, H2C\r\n\r\n", Refused(400, "clear text")),
    ("settings of h2c", "GET / HTTP/1.1\r\nHost: x\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", Refused(400, "clear text")),
    ("options that are no names", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close; a\r\n\r\n", Refused(400, "connection")),
    ("empty options", "GET / HTTP/1.1\r\nHost: x\r\nConnection: , close ,\r\n\r\n", Pass),
    // -- what follows
    ("a second request", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", Pass),
    ("a second bad request", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n\r\n", Refused(400, "no host")),
    ("a bad request after a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n", Refused(400, "no host")),
    ("bytes right behind a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\x01", Refused(400, "start with a method")),
];

#[test]
fn each_stream_meets_its_fate() {
    let mut wrong = Vec::new();
    for (why, stream, fate) in TABLE {
        let outcome = run([stream.as_bytes()], DEFAULT);
        let good = match (fate, outcome.verdicts.last()) {
            (Pass, Some(Ok(_))) => outcome.passed == stream.as_bytes(),
            (Breaks(words), Some(Ok(_))) => {
                outcome.phase.0 == "broken" && outcome.phase.1.contains(words)
            }
            (Partial, None) => outcome.passed.is_empty() && outcome.phase.0 == "head",
            (Refused(status, words), Some(Err(refusal))) => {
                refusal.status().as_u16() == *status
                    && match refusal {
                        Refusal::BadRequest(reason) => reason.contains(words),
                        _ => true,
                    }
            }
            _ => false,
        };
        if !good {
            wrong.push(format!("{why}: {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(TABLE.len() > 150, "{}", TABLE.len());
}

fn only(stream: &str) -> Head {
    let Outcome { mut verdicts, .. } = run([stream.as_bytes()], DEFAULT);
    assert_eq!(verdicts.len(), 1);
    verdicts.remove(0).unwrap()
}

#[test]
fn a_head_says_what_the_service_needs() {
    let stream = "PUT http://x/a HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\n\
                  Connection: close\r\nContent-Length: 7\r\n\r\n";
    let head = only(stream);
    assert_eq!(
        head,
        Head {
            target: TargetForm::Absolute,
            version: http::Version::HTTP_11,
            body: Body::Length(7),
            upgrade: false,
            expect_continue: true,
            closes: true,
            bytes: stream.len(),
        }
    );
}

#[test]
fn only_a_handshake_that_the_connection_asks_for_is_one() {
    let asked = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert!(only(asked).upgrade);
    for not in [
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: TLS/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket, foo\r\n\r\n",
    ] {
        assert!(!only(not).upgrade, "{not}");
    }
}

#[test]
fn nothing_behind_a_handshake_is_read_as_http() {
    let handshake =
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let stream = format!("{handshake}GET / HTTP/1.1\r\n\r\n");
    let outcome = run([stream.as_bytes()], DEFAULT);
    assert_eq!(outcome.verdicts.len(), 1);
    assert_eq!(outcome.passed, stream.as_bytes());
    assert_eq!(outcome.phase.0, "blind");
}

#[test]
fn nothing_behind_the_last_request_passes() {
    for last in [
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
        "PUT / HTTP/1.0\r\nContent-Length: 1\r\n\r\na",
    ] {
        let stream = format!("{last}GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        let outcome = run([stream.as_bytes()], DEFAULT);
        assert_eq!(outcome.passed, last.as_bytes());
        assert_eq!(outcome.phase.0, "closed");
        assert_eq!(outcome.verdicts.len(), 1);
    }
    let kept = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
    assert_eq!(run([kept.as_bytes()], DEFAULT).phase.0, "head");
}

#[test]
fn a_smuggled_request_behind_a_refused_head_dies() {
    let stream = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n\
                  POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
                  0\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n";
    let outcome = run([stream.as_bytes()], DEFAULT);
    assert_eq!(outcome.verdicts.len(), 2);
    assert!(outcome.verdicts[0].is_ok() && outcome.verdicts[1].is_err());
    assert_eq!(outcome.passed, b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(outcome.phase.0, "refused");
}

/// T77.
#[test]
fn a_head_that_is_too_large_is_refused_by_its_largest_fields() {
    let cookie = "c".repeat(70 * 1024);
    let stream = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nReferer: {}\r\nA: b\r\nCookie: {cookie}\r\n\r\n",
        "r".repeat(200)
    );
    let outcome = run([stream.as_bytes()], DEFAULT);
    let Some(Err(Refusal::HeaderTooLarge(fields))) = outcome.verdicts.last() else {
        panic!("{:?}", outcome.verdicts);
    };
    let shown: Vec<(&str, usize)> = fields
        .iter()
        .map(|LargeField { name, bytes }| (&**name, *bytes))
        .collect();
    let before = stream.find("Cookie").unwrap();
    assert_eq!(
        shown,
        [
            ("cookie", 64 * 1024 - before),
            ("referer", 211),
            ("host", 9)
        ]
    );
    assert!(outcome.passed.is_empty());
}

#[test]
fn a_head_of_exactly_the_limit_passes() {
    let frame = "GET / HTTP/1.1\r\nHost: x\r\nA: \r\n\r\n".len();
    let of_size = |size: usize| {
        format!(
            "\r\nGET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n",
            "a".repeat(size - frame)
        )
    };
    assert!(run([of_size(DEFAULT.bytes).as_bytes()], DEFAULT).verdicts[0].is_ok());
    assert!(run([of_size(DEFAULT.bytes + 1).as_bytes()], DEFAULT).verdicts[0].is_err());
}

#[test]
fn a_request_line_without_end_is_a_target_too_long() {
    let stream = format!("GET /{}", "a".repeat(DEFAULT.bytes));
    let outcome = run([stream.as_bytes()], DEFAULT);
    assert_eq!(outcome.verdicts, [Err(Refusal::UriTooLong)]);
}

#[test]
fn fields_are_counted() {
    let with = |count: usize| {
        let fields = "A: b\r\n".repeat(count - 1);
        format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
    };
    assert!(run([with(100).as_bytes()], DEFAULT).verdicts[0].is_ok());
    assert_eq!(
        run([with(101).as_bytes()], DEFAULT).verdicts,
        [Err(Refusal::TooManyHeaders)]
    );
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let extension = |length: usize| format!("{chunked}1;{}\r\na\r\n", "e".repeat(length));
    assert_eq!(run([extension(256).as_bytes()], DEFAULT).phase.0, "body");
    assert_eq!(run([extension(257).as_bytes()], DEFAULT).phase.0, "broken");
    let many = format!("{chunked}{}", "1;eeeeeeeeee\r\na\r\n".repeat(1000));
    assert_eq!(run([many.as_bytes()], DEFAULT).phase.0, "broken");
    let trailers = |count: usize| format!("{chunked}0\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert_eq!(run([trailers(100).as_bytes()], DEFAULT).phase.0, "head");
    assert_eq!(run([trailers(101).as_bytes()], DEFAULT).phase.0, "broken");
    let long = format!("{chunked}0\r\nA: {}\r\n\r\n", "b".repeat(8 * 1024));
    assert_eq!(run([long.as_bytes()], DEFAULT).phase.0, "broken");
}

#[test]
fn what_answers_a_head_request_is_told_so() {
    use super::super::track::{Phase, Track};
    for (stream, method) in [
        ("HEAD / HTTP/1.1\r\n\r\n", "HEAD "),
        ("\r\nBAD\r\n\r\n", "GET "),
    ] {
        let mut track = Track::new(DEFAULT);
        track.scan(stream.as_bytes(), |_| ());
        let Phase::Refused(stand_in) = track.phase else {
            panic!("{:?}", track.phase);
        };
        assert!(stand_in.starts_with(method.as_bytes()));
    }
}
