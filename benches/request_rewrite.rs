//! What does it cost to turn a browser's request into the tool's, and an answer into the browser's?
//!
//! Above 2 us for a usual request the removal of names is to be made one pass over the map.

#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot set itself up has nothing to say"
)]

use std::{net::Ipv4Addr, time::Duration};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::Empty;
use labgate::{
    client::{ClientAddr, PeerAddr},
    config::{Access, App, HeaderRules, HostPattern, IdentityHeaders, Route, Upstream},
    http::site::{Host, PublicUrl},
    policy::{Decision, Policy, Who},
    rewrite::{Answered, Arrived, Rules, UpstreamRequest, response},
    route::RouteId,
    secret::Secret,
};

/// What Chromium sends for a notebook's call, behind a proxy of ours.
const BROWSER: [(&str, &str); 17] = [
    ("host", "jupyter.example.org"),
    ("connection", "keep-alive"),
    (
        "sec-ch-ua",
        "\"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"",
    ),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", "\"Linux\""),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0",
    ),
    ("accept", "application/json"),
    ("content-type", "application/json"),
    ("x-xsrftoken", "2|7e7f|0f5c3a1b9d|1763721600"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
    ("referer", "https://jupyter.example.org/lab"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en;q=0.9"),
    (
        "cookie",
        "_xsrf=2|7e7f|0f5c3a1b9d|1763721600; __Host-labgate=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA; username-jupyter-example-org=\"2|1:0|10:1763721600|x\"",
    ),
    ("x-forwarded-for", "192.0.2.7"),
];

const ANSWER: [(&str, &str); 6] = [
    ("server", "TornadoServer/6.5.2"),
    ("content-type", "application/json"),
    ("date", "Sat, 21 Nov 2026 12:00:00 GMT"),
    ("x-content-type-options", "nosniff"),
    (
        "content-security-policy",
        "frame-ancestors 'self'; report-uri /api/security/csp-report; default-src 'none'",
    ),
    ("content-length", "2"),
];

fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
    list.iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

fn host() -> Host {
    "jupyter.example.org".parse().unwrap()
}

fn rules(path: &str, strip_prefix: bool, app: App) -> Rules {
    let route = Route {
        name: "jupyter".to_owned(),
        title: String::new(),
        host: Some(HostPattern::Exact(host())),
        path: path.to_owned(),
        upstreams: vec![Upstream::Http {
            host: "127.0.0.1".to_owned(),
            port: 8888,
        }],
        upstream_ca: None,
        app,
        token: (app == App::Jupyter).then(|| Secret::new("0123456789abcdef".repeat(3))),
        access: Access::SignedIn,
        strip_prefix,
        require_listener: None,
        max_body: None,
        identity_headers: IdentityHeaders::Standard,
        headers: HeaderRules::default(),
        connect_timeout: Duration::from_secs(5),
        response_timeout: None,
        stall_timeout: None,
    };
    Rules::compile(RouteId::new(0), &route).unwrap()
}

fn request_rewrite(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request_rewrite");
    let client = ClientAddr::from(PeerAddr::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST)));
    let policy = Policy::compile(RouteId::new(0), &Access::SignedIn);
    let groups = ["analysts".to_owned()];
    let who = Who {
        name: "ana",
        groups: &groups,
        email: Some("ana@example.org"),
    };
    let Decision::Allowed(permit) = policy.decide(Some(who), client, &Method::GET) else {
        return;
    };
    let authority = HeaderValue::from_static("jupyter.example.org");
    let request_id = HeaderValue::from_static("0123456789abcdef");
    let arrived = Arrived {
        client,
        https: true,
        host: &authority,
        request_id: &request_id,
        websocket: false,
    };
    let headers = fields(&BROWSER);
    for (name, rules) in [
        ("generic", rules("/", false, App::Generic)),
        ("stripped", rules("/user/ann/", true, App::Generic)),
        ("jupyter", rules("/", false, App::Jupyter)),
    ] {
        let make = || {
            let mut request = Request::new(Empty::<&[u8]>::new());
            *request.uri_mut() = http::Uri::from_static("/user/ann/api/contents?content=1");
            *request.headers_mut() = headers.clone();
            request
        };
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                make,
                |request| UpstreamRequest::new(&permit, &rules, arrived, request),
                BatchSize::SmallInput,
            );
        });
    }
    let (rules, headers) = (rules("/", false, App::Jupyter), fields(&ANSWER));
    let site = PublicUrl {
        https: true,
        host: host(),
        port: None,
    };
    let answered = Answered {
        host: &site.host,
        site: &site,
        authenticated: true,
        reader: None,
    };
    let make = || {
        let mut parts = Response::new(()).into_parts().0;
        parts.headers = headers.clone();
        parts
    };
    group.bench_function("answer", |bencher| {
        bencher.iter_batched_ref(
            make,
            |parts| response(&rules, answered, parts),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, request_rewrite);
criterion_main!(benches);
