use std::{net::IpAddr, time::Duration};

use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header::ORIGIN};
use http_body_util::{Empty, Full, StreamBody};
use proptest::prelude::*;

use super::*;
use crate::{
    client::{ClientAddr, PeerAddr},
    config::{Access, App, HeaderRules, Route},
    http::names::is_reserved,
    http::site::PublicUrl,
    policy::{Decision, Policy, Who},
    secret::Secret,
};

fn site() -> PublicUrl {
    "https://lab.example.org".parse().unwrap()
}

pub(super) fn rules_of(path: &str, change: impl FnOnce(&mut Route)) -> Rules {
    let mut route = Route {
        name: "tool".to_owned(),
        title: String::new(),
        host: None,
        path: path.to_owned(),
        upstreams: vec![Upstream::Http {
            host: "127.0.0.1".to_owned(),
            port: 8888,
        }],
        upstream_ca: None,
        app: App::Generic,
        token: None,
        access: Access::SignedIn,
        strip_prefix: false,
        require_listener: None,
        max_body: None,
        identity_headers: IdentityHeaders::Standard,
        headers: HeaderRules::default(),
        connect_timeout: Duration::from_secs(5),
        response_timeout: None,
        stall_timeout: None,
    };
    change(&mut route);
    Rules::compile(RouteId::new(0), &route).unwrap()
}

fn client() -> ClientAddr {
    PeerAddr::from("192.0.2.7".parse::<IpAddr>().unwrap()).into()
}

/// What the tool gets, sent by ana or by nobody on a public route.
pub(super) fn sent<B: http_body::Body>(
    rules: &Rules,
    ana: bool,
    request: Request<B>,
) -> Request<B> {
    let groups = ["analysts".to_owned()];
    let who = ana.then_some(Who {
        name: "ana",
        groups: &groups,
        email: Some("ana@example.org"),
    });
    let policy = Policy::compile(RouteId::new(0), &Access::Public);
    let Decision::Allowed(permit) = policy.decide(who, client(), &Method::GET) else {
        panic!("a public route allows everybody");
    };
    let arrived = Arrived {
        client: client(),
        https: true,
        host: &HeaderValue::from_static("LAB.example.org:443"),
        request_id: &HeaderValue::from_static("id-1"),
        websocket: request.headers().contains_key("sec-websocket-key"),
    };
    let made = UpstreamRequest::new(&permit, rules, arrived, request);
    made.unwrap().into_inner()
}

pub(super) fn with(
    uri: &str,
    fields: &[(&'static str, &'static str)],
) -> Request<Empty<&'static [u8]>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri.parse().unwrap();
    for (name, value) in fields {
        request
            .headers_mut()
            .append(*name, HeaderValue::from_static(value));
    }
    request
}

pub(super) fn listed(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines
}

const ADDED: [&str; 5] = [
    "host: LAB.example.org:443",
    "x-forwarded-for: 192.0.2.7",
    "x-forwarded-host: LAB.example.org:443",
    "x-forwarded-proto: https",
    "x-request-id: id-1",
];

#[test]
fn the_tool_sees_what_we_know_and_nothing_that_only_looks_like_it() {
    let request = with(
        "/x",
        &[
            ("host", "evil.example"),
            ("accept", "*/*"),
            ("x-forwarded-user", "root"),
            ("x-forwarded-user", "admin"),
            ("x_forwarded_user", "root"),
            ("x.forwarded.user", "root"),
            ("remote-user", "root"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "host=evil.example"),
            ("cf-connecting-ip", "10.0.0.1"),
            ("x-request-id", "theirs"),
            ("authorization", "Bearer theirs"),
            ("expect", "100-continue"),
            ("cookie", "a=1; __Host-labgate=secret; b=2"),
        ],
    );
    let got = sent(&rules_of("/", |_| {}), true, request);
    let mut expected = ADDED.map(str::to_owned).to_vec();
    expected.extend(
        [
            "accept: */*",
            "authorization: Bearer theirs",
            "cookie: a=1; b=2",
            "x-forwarded-email: ana@example.org",
            "x-forwarded-groups: analysts",
            "x-forwarded-user: ana",
        ]
        .map(str::to_owned),
    );
    expected.sort();
    assert_eq!(listed(got.headers()), expected);
}

#[test]
fn a_visitor_has_no_identity_whatever_he_sends() {
    let fields = [
        ("x-forwarded-user", "root"),
        ("x-forwarded-groups", "admins"),
    ];
    let got = sent(&rules_of("/", |_| {}), false, with("/", &fields));
    assert_eq!(listed(got.headers()), ADDED);
    let quiet = rules_of("/", |route| route.identity_headers = IdentityHeaders::None);
    let got = sent(&quiet, true, with("/", &fields));
    assert_eq!(listed(got.headers()), ADDED);
}

#[test]
fn a_client_cannot_have_dropped_what_we_add_or_what_frames_the_body() {
    let mut request = Request::new(Full::new(&b"ab"[..]));
    for (name, value) in [
        (
            "connection",
            "close, X-Forwarded-User, x-forwarded-proto, Host",
        ),
        ("connection", "content-length, x-mine"),
        ("content-length", "2"),
        ("x-mine", "1"),
        ("keep-alive", "5"),
        ("te", "gzip, trailers;q=1"),
        ("proxy-authorization", "Basic x"),
    ] {
        request
            .headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
    let got = sent(&rules_of("/", |_| {}), true, request);
    let headers = got.headers();
    assert_eq!(headers["x-forwarded-user"], "ana");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["content-length"], "2");
    assert_eq!(headers["te"], "trailers");
    for gone in [
        "connection",
        "x-mine",
        "keep-alive",
        "proxy-authorization",
        "transfer-encoding",
    ] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
}

#[test]
fn a_request_without_a_body_stays_without_one_and_a_body_of_unknown_size_is_chunked() {
    let rules = rules_of("/", |_| {});
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let mut bare = with("/", &[]);
        *bare.method_mut() = method;
        assert_eq!(listed(sent(&rules, false, bare).headers()), ADDED);
    }
    let stream = futures_util::stream::empty::<Result<http_body::Frame<&[u8]>, std::io::Error>>();
    let got = sent(&rules, false, Request::new(StreamBody::new(stream)));
    assert_eq!(got.headers()["transfer-encoding"], "chunked");
    let got = sent(&rules, false, with("/", &[("content-length", "0")]));
    assert_eq!(got.headers()["content-length"], "0");
}

#[test]
fn a_websocket_handshake_keeps_what_makes_it_one() {
    let fields = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-key", "k"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "a, b"),
        ("sec-websocket-protocol", "c"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("origin", "https://lab.example.org"),
        ("cookie", "__Host-labgate=x"),
        ("x-forwarded-user", "root"),
    ];
    let got = sent(&rules_of("/", |_| {}), false, with("/ws", &fields));
    let mut expected = ADDED.map(str::to_owned).to_vec();
    expected.extend(
        [
            "connection: Upgrade",
            "upgrade: websocket",
            "sec-websocket-key: k",
            "sec-websocket-version: 13",
            "sec-websocket-protocol: a, b",
            "sec-websocket-protocol: c",
            "sec-websocket-extensions: permessage-deflate",
            "origin: https://lab.example.org",
        ]
        .map(str::to_owned),
    );
    expected.sort();
    assert_eq!(listed(got.headers()), expected);
    let got = sent(
        &rules_of("/", |_| {}),
        false,
        with("/", &[("upgrade", "h2c")]),
    );
    assert_eq!(listed(got.headers()), ADDED, "no other upgrade");
}

#[test]
fn the_path_keeps_its_bytes_minus_a_stripped_prefix() {
    let kept = rules_of("/user/ann/", |_| {});
    let stripped = rules_of("/rstudio", |route| route.strip_prefix = true);
    for (rules, uri, expected) in [
        (
            &kept,
            "/user/ann/a%2Fb//c;d+e?x=%20&y=?&",
            "/user/ann/a%2Fb//c;d+e?x=%20&y=?&",
        ),
        (&kept, "https://lab.example.org/user/ann/?", "/user/ann/?"),
        (&stripped, "/rstudio/", "/"),
        (&stripped, "/rstudio//a%2fb?/rstudio/", "//a%2fb?/rstudio/"),
    ] {
        let got = sent(rules, false, with(uri, &[]));
        let target = got.uri().path_and_query().unwrap().as_str();
        assert_eq!((target, got.uri().authority()), (expected, None));
        assert_eq!(got.version(), Version::HTTP_11);
    }
    let got = sent(
        &stripped,
        false,
        with("/rstudio/x", &[("x-forwarded-prefix", "/evil")]),
    );
    assert_eq!(got.headers()["x-forwarded-prefix"], "/rstudio");
}

#[test]
fn a_permit_is_good_for_its_own_route_only() {
    let policy = Policy::compile(RouteId::new(1), &Access::Public);
    let Decision::Allowed(permit) = policy.decide(None, client(), &Method::GET) else {
        panic!("a public route allows everybody");
    };
    let arrived = Arrived {
        client: client(),
        https: false,
        host: &HeaderValue::from_static("h"),
        request_id: &HeaderValue::from_static("id"),
        websocket: false,
    };
    let made = UpstreamRequest::new(&permit, &rules_of("/", |_| {}), arrived, with("/", &[]));
    assert_eq!(made.unwrap_err(), BadRequest::OtherRoute);
}

/// Where every request of [`answered`] comes from.
const APP: &str = "https://app.example.org";

/// What a browser gets of an answer.
pub(super) fn answered(
    rules: &Rules,
    authenticated: bool,
    status: u16,
    fields: &[(&'static str, &'static str)],
) -> Vec<String> {
    let mut parts = Response::new(()).into_parts().0;
    parts.status = StatusCode::from_u16(status).unwrap();
    for (name, value) in fields {
        parts.headers.append(*name, HeaderValue::from_static(value));
    }
    let site = site();
    let app = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(APP))]);
    let context = Answered {
        host: &site.host,
        site: &site,
        authenticated,
        reader: rules.reader(&app, authenticated),
    };
    response(rules, context, &mut parts);
    listed(&parts.headers)
}

const SECLUDED: [&str; 2] = [
    "content-security-policy: frame-ancestors 'self'",
    "cross-origin-resource-policy: same-origin",
];

#[test]
fn nothing_that_speaks_for_a_whole_origin_reaches_the_browser() {
    let fields = [
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
        ("transfer-encoding", "chunked"),
        ("clear-site-data", "\"*\""),
        ("alt-svc", "h3=\":443\""),
        ("nel", "{}"),
        ("report-to", "{}"),
        ("x-accel-redirect", "/x"),
        ("x-accel-buffering", "no"),
        ("x-sendfile", "/x"),
        ("x-lighttpd-send-file", "/x"),
        ("x-reproxy-url", "http://x/"),
        ("service-worker-allowed", "/"),
        ("access-control-allow-origin", "https://evil.example"),
        ("access-control-allow-credentials", "true"),
        ("set-cookie", "labgate=x"),
        ("cache-control", "no-cache"),
    ];
    let got = answered(&rules_of("/", |_| {}), true, 200, &fields);
    assert_eq!(got, ["cache-control: no-cache", SECLUDED[0], SECLUDED[1]]);
}

#[test]
fn an_answer_to_somebody_is_private_and_a_public_one_is_left_alone() {
    let rules = rules_of("/", |_| {});
    let got = answered(&rules, true, 200, &[]);
    assert_eq!(got, ["cache-control: private", SECLUDED[0], SECLUDED[1]]);
    assert_eq!(answered(&rules, false, 200, &[]), SECLUDED, "by network");
    let public = rules_of("/", |route| route.access = Access::Public);
    let open = ("access-control-allow-origin", "*");
    assert_eq!(
        answered(&public, false, 200, &[open]),
        ["access-control-allow-origin: *"]
    );
    assert_eq!(answered(&public, true, 200, &[]).len(), 3);
}

#[test]
fn what_an_address_or_a_cookie_opens_is_read_by_no_other_site() {
    // T50
    let rules = rules_of("/", |_| {});
    let any = ("access-control-allow-origin", "*");
    let reflected = ("access-control-allow-origin", APP);
    let with_cookies = ("access-control-allow-credentials", "true");
    assert_eq!(answered(&rules, false, 200, &[any]), SECLUDED);
    assert_eq!(answered(&rules, false, 200, &[reflected]), SECLUDED);
    let got = answered(&rules, true, 200, &[reflected, with_cookies]);
    assert_eq!(got.len(), 3, "{got:?}");
    let got = answered(&rules, true, 200, &[any]);
    assert!(
        got.contains(&"access-control-allow-origin: *".to_owned()),
        "browsers send no cookie for it: {got:?}"
    );
}

#[test]
fn a_listed_page_reads_what_is_public_and_nobody_else_reads_more() {
    // T50
    let listing = |origin: &str, access| {
        rules_of("/", |route| {
            route.access = access;
            route.headers.cors = vec![origin.to_owned()];
        })
    };
    let theirs = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "x"),
        ("vary", "accept"),
    ];
    let rules = listing(APP, Access::Public);
    let got = answered(&rules, false, 200, &theirs);
    let allowed = format!("access-control-allow-origin: {APP}");
    assert_eq!(got, [allowed.as_str(), "vary: accept", "vary: origin"]);
    for (rules, authenticated) in [
        (&listing("https://other.example.org", Access::Public), false),
        (&rules, true),
        (&listing(APP, Access::SignedIn), false),
        (&listing(APP, Access::SignedIn), true),
    ] {
        let got = answered(rules, authenticated, 200, &theirs);
        assert!(
            !got.iter().any(|line| line.starts_with("access-control-")),
            "{got:?}"
        );
        assert!(got.contains(&"vary: origin".to_owned()));
    }
}

#[test]
fn the_pages_of_embed_may_frame_and_load_unless_the_tool_says_otherwise() {
    // T95
    let rules = rules_of("/", |route| {
        route.headers.embed = vec![APP.to_owned(), "http://localhost:3000".to_owned()];
    });
    let framed = "content-security-policy: frame-ancestors 'self' https://app.example.org \
                  http://localhost:3000";
    let loaded = "cross-origin-resource-policy: cross-origin";
    assert_eq!(answered(&rules, false, 200, &[]), [framed, loaded]);
    let deny = ("x-frame-options", "DENY");
    let same = ("cross-origin-resource-policy", "same-site");
    assert_eq!(
        answered(&rules, false, 200, &[deny, same]),
        [
            "cross-origin-resource-policy: same-site",
            "x-frame-options: DENY"
        ]
    );
}

#[test]
fn the_tools_own_frame_rules_stand() {
    let rules = rules_of("/", |_| {});
    for own in [
        ("x-frame-options", "DENY"),
        (
            "content-security-policy",
            "default-src 'self'; Frame-Ancestors 'none'",
        ),
        ("content-security-policy", "frame-ancestors *"),
    ] {
        let got = answered(&rules, false, 200, &[own]);
        assert_eq!(got.len(), 2, "{got:?}");
    }
    let policy = (
        "content-security-policy",
        "default-src 'self' frame-ancestors.example",
    );
    let got = answered(&rules, false, 200, &[policy]);
    assert_eq!(
        got[0],
        "content-security-policy: default-src 'self' frame-ancestors.example"
    );
    assert_eq!(got[1], SECLUDED[0]);
}

#[test]
fn a_frame_rule_that_no_browser_knows_is_none() {
    let rules = rules_of("/", |_| {});
    let own = "content-security-policy: frame-ancestors 'self'".to_owned();
    let framed = |fields: &[(&'static str, &'static str)]| answered(&rules, true, 200, fields);
    for unknown in ["ALLOWALL", "ALLOW-FROM https://evil.example", "*", ""] {
        let got = framed(&[("x-frame-options", unknown)]);
        assert!(got.contains(&own), "{unknown}: {got:?}");
    }
    for known in ["DENY", "deny", " SameOrigin", "DENY, ALLOWALL"] {
        let got = framed(&[("x-frame-options", known)]);
        assert!(!got.contains(&own), "{known}: {got:?}");
    }
}

#[test]
fn a_service_worker_stays_in_its_route() {
    let rules = rules_of("/user/ann/", |_| {});
    let allowed = |scope| {
        let got = answered(&rules, false, 200, &[("service-worker-allowed", scope)]);
        got.iter().any(|line| line.starts_with("service-worker"))
    };
    assert!(allowed("/user/ann/"));
    assert!(allowed("/user/ann/x/"));
    for wide in [
        "/",
        "/user/",
        "/user/anna/",
        "/user/ann/../",
        "https://lab.example.org/",
        "x",
    ] {
        assert!(!allowed(wide), "{wide}");
    }
}

#[test]
fn a_switch_of_protocols_passes_with_the_tools_headers_and_cookies() {
    let fields = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", "a"),
        ("sec-websocket-protocol", "b"),
        ("set-cookie", "x=1"),
        ("x-extra", "1"),
    ];
    let got = answered(&rules_of("/", |_| {}), true, 101, &fields);
    let mut expected = vec![
        "connection: Upgrade",
        "upgrade: websocket",
        "sec-websocket-accept: a",
        "sec-websocket-protocol: b",
        "set-cookie: x=1",
        "x-extra: 1",
    ];
    expected.sort_unstable();
    assert_eq!(got, expected);
}

#[test]
fn redirects_and_cookies_follow_a_stripped_prefix() {
    let rules = rules_of("/rstudio/", |route| {
        route.strip_prefix = true;
        route.access = Access::Public;
    });
    let fields = [
        ("location", "/auth-sign-in"),
        ("refresh", "0; url=http://localhost:8888/x"),
        ("set-cookie", "a=1; Path=/"),
    ];
    let expected = [
        "location: /rstudio/auth-sign-in",
        "refresh: 0; url=https://lab.example.org/rstudio/x",
        "set-cookie: a=1; Path=/rstudio/",
    ];
    assert_eq!(answered(&rules, false, 302, &fields), expected);
}

#[test]
fn jupyters_token_goes_up_and_never_comes_down() {
    let rules = rules_of("/", |route| {
        route.app = App::Jupyter;
        route.token = Some(Secret::new("s3cret".to_owned()));
    });
    let fields = [("authorization", "token theirs")];
    let got = sent(&rules, true, with("/lab?token=theirs", &fields));
    assert_eq!(got.headers()["authorization"], "token s3cret");
    assert_eq!(got.uri(), "/lab");
    let got = answered(&rules, true, 302, &[("location", "/lab?token=s3cret")]);
    assert!(got.contains(&"location: /lab?token=".to_owned()));
    assert!(!format!("{rules:?}").contains("s3cret"));
}

proptest! {
    /// Whatever names a client picks, the tool sees none that is ours but with our value.
    #[test]
    fn no_spelling_of_our_names_gets_through(
        names in prop::collection::vec("(x[-_.])?(forwarded|remote|auth|labgate|real)[-_.](user|for|ip|x)", 1..8),
        connection in "(close|x-forwarded-user|x-forwarded-for|,| ){0,5}",
    ) {
        let mut request = with("/", &[]);
        for name in &names {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_static("forged"));
        }
        let connection = HeaderValue::from_str(&connection).unwrap();
        request.headers_mut().insert("connection", connection);
        let got = sent(&rules_of("/", |_| {}), true, request);
        prop_assert_eq!(&got.headers()["x-forwarded-user"], "ana");
        prop_assert_eq!(&got.headers()["x-forwarded-for"], "192.0.2.7");
        for (name, value) in got.headers() {
            prop_assert!(value != "forged" || !is_reserved(name.as_str()), "{}", name);
        }
    }
}
