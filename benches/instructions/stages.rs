//! What is counted: the steps of a usual request that wait for nothing.

use std::{
    hint::black_box,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::Empty;
use hyper::rt::{Read as _, ReadBuf as HyperBuf};
use labgate::{
    client::{ClientAddr, PeerAddr},
    clock::{Clock, Timestamp},
    config::{self, Access, App, HeaderRules, HostPattern, IdentityHeaders, Route, Upstream},
    http::{
        gate::{Gate, Limits},
        site::{Host, PublicUrl},
        sites::Sites,
    },
    policy::{Decision, Policy, Who},
    rewrite::{Answered, Arrived, Rules, UpstreamRequest, response},
    route::{RouteId, RoutePath, RouteTable},
    session::{Device, SessionToken, Sessions, User},
    store::{StateDir, Store},
    telemetry::{
        Format, RequestIds,
        access::{AccessLog, Record, Sink},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// A name, and what does its step so many times.
type Stage = (&'static str, fn(usize));

/// All of them.
pub(crate) const STAGES: [Stage; 6] = [
    ("access_line", access_line),
    ("head_gate", head_gate),
    ("request_rewrite", request_rewrite),
    ("response_rewrite", response_rewrite),
    ("route_match", route_match),
    ("session_lookup", session_lookup),
];

const HOST: &str = "jupyter.example.org";

/// What Chromium sends for a notebook's call.
const BROWSER: [(&str, &str); 15] = [
    ("host", HOST),
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
    ("x-xsrftoken", "2|7e7f|0f5c3a1b9d|1763721600"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
    ("referer", "https://jupyter.example.org/lab"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
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
        "frame-ancestors 'self'; default-src 'none'",
    ),
    ("content-length", "2"),
];

fn host() -> Host {
    HOST.parse().unwrap()
}

fn site() -> PublicUrl {
    PublicUrl {
        https: true,
        host: host(),
        port: None,
    }
}

fn route(path: String) -> Route {
    Route {
        name: "jupyter".to_owned(),
        title: String::new(),
        host: Some(HostPattern::Exact(host())),
        path,
        upstreams: vec![Upstream::Http {
            host: "127.0.0.1".to_owned(),
            port: 8888,
        }],
        upstream_ca: None,
        app: App::Generic,
        token: None,
        access: Access::SignedIn,
        strip_prefix: true,
        require_listener: None,
        max_body: None,
        identity_headers: IdentityHeaders::Standard,
        headers: HeaderRules::default(),
        connect_timeout: Duration::from_secs(5),
        response_timeout: None,
        stall_timeout: None,
    }
}

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

fn route_match(calls: usize) {
    let routes: Vec<Route> = (0..1_000)
        .map(|user| route(format!("/user/{user:05}/")))
        .collect();
    let table = RouteTable::new(&routes, &Sites::new(site(), Vec::new()));
    let host = host();
    for _ in 0..calls {
        let path = RoutePath::parse(black_box("/user/00007/lab/api/contents/a.ipynb")).unwrap();
        black_box(table.find(black_box(&host), &path)).unwrap();
    }
}

fn session_lookup(calls: usize) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&StateDir::open(folder.path()).unwrap()).unwrap();
    let hour = Duration::from_secs(3600);
    let limits = config::Session {
        idle: hour,
        lifetime: hour,
    };
    let sessions = Sessions::open(store, Clock::default(), &limits).unwrap();
    let user = User {
        provider: "bench".into(),
        subject: "ana".into(),
        name: "ana".into(),
        email: None,
        groups: Vec::new(),
        voucher: None,
    };
    let (host, device) = (host(), Device::new([127, 0, 0, 1].into(), "bench"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let token = runtime
        .block_on(sessions.sign_in(user, &host, device))
        .unwrap();
    let cookie = token.expose();
    for _ in 0..calls {
        let token = SessionToken::parse(black_box(&cookie).as_bytes()).unwrap();
        black_box(sessions.find(&token, &host)).unwrap();
    }
}

fn request_rewrite(calls: usize) {
    let client = ClientAddr::from(PeerAddr::from(std::net::IpAddr::from([127, 0, 0, 1])));
    let policy = Policy::compile(RouteId::new(0), &Access::SignedIn);
    let groups = ["analysts".to_owned()];
    let who = Who {
        name: "ana",
        groups: &groups,
        email: Some("ana@example.org"),
    };
    let rules = Rules::compile(RouteId::new(0), &route("/user/ana/".into())).unwrap();
    let (authority, request_id) = (
        HeaderValue::from_static(HOST),
        HeaderValue::from_static("1"),
    );
    let arrived = Arrived {
        client,
        https: true,
        host: &authority,
        request_id: &request_id,
        websocket: false,
    };
    let headers = fields(&BROWSER);
    for _ in 0..calls {
        let Decision::Allowed(permit) = policy.decide(Some(who), client, &Method::GET) else {
            unreachable!("who is signed in may");
        };
        // The copy counts, too: there is no other way to have a request each time.
        let mut request = Request::new(Empty::<&[u8]>::new());
        *request.uri_mut() = http::Uri::from_static("/user/ana/api/contents?content=1");
        *request.headers_mut() = headers.clone();
        let rewritten = UpstreamRequest::new(&permit, &rules, arrived, black_box(request));
        black_box(rewritten).unwrap();
    }
}

fn response_rewrite(calls: usize) {
    let (rules, headers) = (
        Rules::compile(RouteId::new(0), &route("/user/ana/".into())).unwrap(),
        fields(&ANSWER),
    );
    let site = site();
    let answered = Answered {
        host: &site.host,
        site: &site,
        authenticated: true,
        reader: None,
    };
    for _ in 0..calls {
        let mut parts = Response::new(()).into_parts().0;
        parts.headers = headers.clone();
        response(&rules, answered, black_box(&mut parts));
        black_box(parts);
    }
}

fn access_line(calls: usize) {
    let (sink, writer) = Sink::start(io::sink()).unwrap();
    let (log, ids) = (AccessLog::new(Format::Json, sink), RequestIds::default());
    for _ in 0..calls {
        log.write(&Record {
            at: Timestamp(1_763_721_600_123),
            message: "request",
            request_id: ids.next(),
            client: [192, 0, 2, 7].into(),
            user: Some("ana"),
            method: &Method::GET,
            host: HOST,
            path: black_box("/user/ana/api/contents"),
            route: Some("jupyter"),
            upstream: Some("http://127.0.0.1:8888"),
            status: 200,
            bytes_in: 0,
            bytes_out: 512,
            elapsed: Duration::from_micros(1234),
            error: None,
        });
    }
    drop(log);
    writer.join().unwrap();
}

fn head_gate(calls: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let mut head = "GET /user/ana/api/contents?content=1 HTTP/1.1\r\n".to_owned();
    for (name, value) in BROWSER {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head += "\r\n";
    let second = Duration::from_secs(1);
    let limits = Rc::new(Limits {
        header_timeout: second * 15,
        keep_alive_timeout: second * 120,
        upload_timeout: second * 60,
        download_timeout: second * 900,
        max_header_bytes: 64 * 1024,
        max_headers: 100,
    });
    let (mut gate, heads) = Gate::new(Endless(head), Vec::new(), limits, Instant::now());
    let mut space = vec![0; 8192];
    for _ in 0..calls {
        let mut buf = HyperBuf::new(&mut space);
        let mut context = Context::from_waker(Waker::noop());
        let read = Pin::new(&mut gate).poll_read(&mut context, buf.unfilled());
        assert!(read.is_ready() && heads.next().is_ok());
    }
}

/// Gives the same head at every read.
struct Endless(String);

impl AsyncRead for Endless {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buf.put_slice(self.0.as_bytes());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
