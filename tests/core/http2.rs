//! HTTP/2: limits on progress, which hyper has none of, and what only HTTP/1 does by itself.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Frame, Incoming},
    client::conn::http2,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};

use crate::{
    lab::{Lab, MAIN, OPEN},
    wire::DEADLINE,
};

type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { timeout(DEADLINE, test).await.unwrap() })
}

struct Client {
    sender: http2::SendRequest<Body>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Client {
    async fn open(lab: &Lab) -> Self {
        let io = TcpStream::connect(lab.address).await.unwrap();
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(64 * 1024);
        let (sender, connection) = builder.handshake(TokioIo::new(io)).await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "ends with its runtime")]
        let connection = tokio::spawn(connection);
        Self { sender, connection }
    }

    async fn ask(&mut self, request: Request<Body>) -> Response<Incoming> {
        self.sender.ready().await.unwrap();
        self.sender.send_request(request).await.unwrap()
    }
}

fn request(method: Method, host: &str, path: &str) -> hyper::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("http://{host}{path}"))
}

fn empty() -> Body {
    Empty::new().boxed_unsync()
}

#[test]
fn an_answer_to_head_has_no_body() {
    let lab = Lab::start();
    run(async {
        let mut client = Client::open(&lab).await;
        for (host, path) in [
            (OPEN, "/"),
            (MAIN, "/nowhere"),
            (MAIN, "/.labgate/sign-in"),
            (MAIN, "/.labgate/live"),
        ] {
            let head = request(Method::HEAD, host, path).body(empty()).unwrap();
            let answer = client.ask(head).await;
            assert!(answer.headers()["content-length"] != "0", "{path}");
            let body = answer.into_body().collect().await.unwrap();
            assert_eq!(body.to_bytes().len(), 0, "{path}");
        }
    });
}

#[test]
fn a_head_that_is_too_large_gets_a_page_that_names_the_field() {
    // T77
    let lab = Lab::start();
    run(async {
        let mut client = Client::open(&lab).await;
        let crumb = format!("a={}", "x".repeat(990));
        let mut ask = request(Method::GET, OPEN, "/").header("accept", "text/html");
        for _ in 0..100 {
            ask = ask.header("cookie", &crumb);
        }
        let answer = client.ask(ask.body(empty()).unwrap()).await;
        assert_eq!(answer.status(), 431);
        let page = answer.into_body().collect().await.unwrap().to_bytes();
        let page = String::from_utf8_lossy(&page);
        assert!(page.contains("cookie"), "{page}");
        // The connection goes on.
        let after = request(Method::GET, OPEN, "/").body(empty()).unwrap();
        assert_eq!(client.ask(after).await.status(), 200);
    });
}

#[test]
fn the_end_of_a_session_ends_a_stream_whose_client_does_not_read() {
    // T36
    let lab = Lab::start();
    let cookie = lab.sign_in();
    let fields = format!("cookie: {cookie}\r\n");
    let form = lab.connect().get(MAIN, "/.labgate/sign-out", &fields);
    run(async {
        let mut client = Client::open(&lab).await;
        let endless = request(Method::GET, MAIN, "/shared/endless")
            .header("cookie", &cookie)
            .body(empty());
        let stalled = client.ask(endless.unwrap()).await;
        assert_eq!(stalled.status(), 200);
        let csrf = format!("csrf={}", form.hidden("csrf"));
        let signed_out = lab
            .connect()
            .post(MAIN, "/.labgate/sign-out", &cookie, &csrf);
        assert_eq!(signed_out.status, 303);
        let limit = Duration::from_secs(2);
        assert!(lab.tool.is_let_go("/shared/endless", limit));
        drop(stalled);
    });
}

#[test]
fn a_client_that_takes_nothing_is_let_go() {
    let lab = Lab::with("download_timeout = \"1s\"", "");
    run(async {
        let mut client = Client::open(&lab).await;
        let endless = request(Method::GET, OPEN, "/endless").body(empty());
        let stalled = client.ask(endless.unwrap()).await;
        assert_eq!(stalled.status(), 200);
        assert!(lab.tool.is_let_go("/endless", DEADLINE));
        drop(stalled);
    });
}

#[test]
fn an_upload_that_stops_coming_is_given_up() {
    let lab = Lab::with("upload_timeout = \"1s\"", "");
    run(async {
        let mut client = Client::open(&lab).await;
        for (host, path) in [(OPEN, "/"), (MAIN, "/.labgate/sign-in")] {
            let frames = futures_util::stream::unfold(true, |begins| async move {
                if !begins {
                    std::future::pending::<()>().await;
                }
                Some((Ok(Frame::data(Bytes::from("begin"))), false))
            });
            let upload = request(Method::POST, host, path)
                .header("content-length", "1000")
                .body(StreamBody::new(frames).boxed_unsync());
            let answer = client.ask(upload.unwrap()).await;
            assert_eq!(answer.status(), 408, "{path}");
        }
    });
}

#[test]
fn an_upload_that_is_refused_is_answered() {
    let lab = Lab::start();
    run(async {
        let mut client = Client::open(&lab).await;
        for (path, size, status) in [
            ("/shared/x", 10_000_000, 401),
            ("/.labgate/sign-in", 65_537, 413),
        ] {
            let body = Full::new(Bytes::from(vec![0; size])).boxed_unsync();
            let upload = request(Method::POST, MAIN, path).body(body).unwrap();
            let answer = client.ask(upload).await;
            assert_eq!(answer.status(), status, "{path}");
            assert!(answer.into_body().collect().await.is_ok());
        }
    });
}

#[test]
fn connect_opens_nothing() {
    let lab = Lab::start();
    run(async {
        let mut client = Client::open(&lab).await;
        let connect = Request::builder()
            .method(Method::CONNECT)
            .uri("127.0.0.1:22")
            .body(empty());
        assert_eq!(client.ask(connect.unwrap()).await.status(), 405);
    });
}

#[test]
fn a_client_that_goes_away_lets_the_tool_go() {
    let lab = Lab::start();
    run(async {
        let mut client = Client::open(&lab).await;
        let silent = request(Method::GET, OPEN, "/silent").body(empty()).unwrap();
        client.sender.ready().await.unwrap();
        let waiting = client.sender.send_request(silent);
        let get = request(Method::GET, OPEN, "/").body(empty()).unwrap();
        assert_eq!(client.ask(get).await.status(), 200);
        // Resets the stream.
        drop(waiting);
        let get = request(Method::GET, OPEN, "/").body(empty()).unwrap();
        assert_eq!(client.ask(get).await.status(), 200);
    });
    assert!(lab.tool.is_let_go("/silent", DEADLINE));
}

#[test]
fn an_idle_connection_ends_and_so_does_one_that_never_begins() {
    let lab = Lab::with("keep_alive_timeout = \"1s\"\nheader_timeout = \"1s\"", "");
    run(async {
        let mut client = Client::open(&lab).await;
        let get = request(Method::GET, OPEN, "/").body(empty()).unwrap();
        assert_eq!(client.ask(get).await.status(), 200);
        client.connection.await.unwrap().unwrap();
        let mut silent = TcpStream::connect(lab.address).await.unwrap();
        silent.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
        assert_eq!(silent.read(&mut [0; 64]).await.unwrap(), 0);
    });
}

#[test]
fn streams_are_answered_or_told_when_we_stop() {
    // T91
    let lab = Lab::with("drain_timeout = \"1s\"", "");
    run(async {
        let mut idle = Client::open(&lab).await;
        let get = request(Method::GET, OPEN, "/").body(empty()).unwrap();
        assert_eq!(idle.ask(get).await.status(), 200);
        let mut client = Client::open(&lab).await;
        let get = request(Method::GET, OPEN, "/").body(empty()).unwrap();
        assert_eq!(client.ask(get).await.status(), 200);
        let silent = request(Method::GET, OPEN, "/silent").body(empty()).unwrap();
        let waiting = client.sender.send_request(silent);
        // Behind it on the same connection: answered, so the first one was heard.
        let get = request(Method::GET, OPEN, "/").body(empty()).unwrap();
        assert_eq!(client.ask(get).await.status(), 200);
        let stopping = std::thread::spawn(move || lab.stop());
        assert_eq!(waiting.await.unwrap().status(), 503);
        drop(idle);
        let took = tokio::task::spawn_blocking(|| stopping.join().unwrap());
        let took = took.await.unwrap();
        assert!(took < Duration::from_secs(5), "{took:?}");
    });
}
