//! Requests as hyper makes them of HTTP/2.

use http::{Method, Request, Version, request::Parts};
use hyper::ext::Protocol;

use super::{
    super::{Body, Refusal, TargetForm, check_h2},
    limits,
};

fn parts(uri: &str, fields: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().version(Version::HTTP_2).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn a_plain_request_passes() {
    let parts = parts(
        "https://x/a?b",
        &[("content-length", "3"), ("te", "trailers")],
    );
    let head = check_h2(&parts, &limits()).unwrap();
    assert_eq!(head.target, TargetForm::Origin);
    assert_eq!(head.body, Body::Length(3));
    assert_eq!(head.version, Version::HTTP_2);
    assert!(!head.upgrade && !head.closes);
}

#[test]
fn a_host_field_that_agrees_passes() {
    for host in ["x", "X", "x:443"] {
        assert!(check_h2(&parts("https://x/", &[("host", host)]), &limits()).is_ok());
    }
    assert!(check_h2(&parts("/", &[("host", "x")]), &limits()).is_ok());
}

#[test]
fn what_http1_refuses_is_refused() {
    let mut table = vec![
        ("another host", parts("https://x/", &[("host", "y")]), 400),
        (
            "another port",
            parts("https://x/", &[("host", "x:80")]),
            400,
        ),
        (
            "two hosts",
            parts("https://x/", &[("host", "x"), ("host", "x")]),
            400,
        ),
        ("no authority", parts("/", &[]), 400),
        ("a user", parts("https://u@x/", &[]), 400),
        ("a backslash", parts("https://x/..\\admin", &[]), 400),
        ("raw UTF-8", parts("https://x/caf\u{e9}", &[]), 400),
        ("an asterisk", parts("*", &[("host", "x")]), 400),
        (
            "connection",
            parts("https://x/", &[("connection", "close")]),
            400,
        ),
        (
            "upgrade",
            parts("https://x/", &[("upgrade", "websocket")]),
            400,
        ),
        (
            "keep-alive",
            parts("https://x/", &[("keep-alive", "5")]),
            400,
        ),
        (
            "proxy-connection",
            parts("https://x/", &[("proxy-connection", "close")]),
            400,
        ),
        (
            "transfer-encoding",
            parts("https://x/", &[("transfer-encoding", "chunked")]),
            400,
        ),
        (
            "http2-settings",
            parts("https://x/", &[("http2-settings", "AAMA")]),
            400,
        ),
        ("te: gzip", parts("https://x/", &[("te", "gzip")]), 400),
        (
            "a bad length",
            parts("https://x/", &[("content-length", "+3")]),
            400,
        ),
        (
            "two lengths",
            parts(
                "https://x/",
                &[("content-length", "3"), ("content-length", "3")],
            ),
            400,
        ),
        (
            "a blank before a length",
            parts("https://x/", &[("content-length", " 3")]),
            400,
        ),
        (
            "two authorizations",
            parts(
                "https://x/",
                &[
                    ("authorization", "Basic YTpi"),
                    ("authorization", "Basic YzpkCg=="),
                ],
            ),
            400,
        ),
        (
            "too many fields",
            parts("https://x/", &[("a", "b"); 101]),
            431,
        ),
    ];
    let mut connect = parts("x:443", &[]);
    connect.method = Method::CONNECT;
    table.push(("connect", connect, 405));
    let mut trace = parts("https://x/", &[]);
    trace.method = Method::TRACE;
    table.push(("trace", trace, 405));
    let mut long = parts("https://x/", &[]);
    long.method = Method::from_bytes(&[b'A'; 33]).unwrap();
    table.push(("a long method", long, 400));
    for (why, parts, status) in table {
        let refusal = check_h2(&parts, &limits()).expect_err(why);
        assert_eq!(refusal.status().as_u16(), status, "{why}: {refusal:?}");
    }
}

fn connect(uri: &str, protocol: &'static str, fields: &[(&str, &str)]) -> Parts {
    let mut connect = parts(uri, fields);
    connect.method = Method::CONNECT;
    connect.extensions.insert(Protocol::from_static(protocol));
    connect
}

#[test]
fn of_all_extended_connects_a_websocket_handshake_passes() {
    // T21, RFC 8441 section 5
    let head = check_h2(&connect("https://x/a?b", "websocket", &[]), &limits()).unwrap();
    assert!(head.upgrade);
    assert_eq!((head.body, head.target), (Body::Empty, TargetForm::Origin));
    let empty = connect("https://x/", "websocket", &[("content-length", "0")]);
    assert!(check_h2(&empty, &limits()).is_ok());
    for protocol in ["connect-udp", "connect-ip", "WebSocket", "websocket,x", ""] {
        let refusal = check_h2(&connect("https://x/", protocol, &[]), &limits());
        let status = refusal.expect_err(protocol).status();
        assert_eq!(status.as_u16(), 405, "{protocol}");
    }
    let wrong = [
        ("https://x/", ("content-length", "5")),
        ("https://x/", ("upgrade", "websocket")),
        ("https://x/", ("host", "y")),
        ("https://x/..\\admin", ("a", "b")),
    ];
    for (uri, field) in wrong {
        let refusal = check_h2(&connect(uri, "websocket", &[field]), &limits());
        let status = refusal.expect_err(field.0).status();
        assert_eq!(status.as_u16(), 400, "{uri} {field:?}");
    }
    // Only a CONNECT can be one.
    let mut get = connect("https://x/", "websocket", &[]);
    get.method = Method::GET;
    assert!(!check_h2(&get, &limits()).unwrap().upgrade);
}

#[test]
fn split_cookies_are_named_with_their_sum() {
    let crumb = "c".repeat(10_000);
    let parts = parts("https://x/", &[("cookie", crumb.as_str()); 7]);
    let Err(Refusal::HeaderTooLarge(fields)) = check_h2(&parts, &limits()) else {
        panic!("too large");
    };
    assert_eq!(fields.len(), 1);
    assert_eq!(&*fields[0].name, "cookie");
    assert_eq!(fields[0].bytes, 7 * (10_000 + "cookie: \r\n".len()));
}

#[test]
fn a_browser_may_have_more_cookies_than_a_head_has_fields() {
    assert!(check_h2(&parts("https://x/", &[("cookie", "a=b"); 150]), &limits()).is_ok());
}
