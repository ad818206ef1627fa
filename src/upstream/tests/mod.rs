//! The pool against upstreams that do exactly what a test says, on loopback.

mod answers;
mod limits;
mod names;
mod pooling;
mod retry;
mod targets;
mod tls;
mod upgrade;

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response, header::HOST};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::spawn_local,
};

use super::*;
use crate::config::Upstream;

/// A request body: empty by default, else what the channel gives.
#[derive(Debug, Default)]
struct TestBody(Option<mpsc::UnboundedReceiver<io::Result<Bytes>>>);

impl Body for TestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.0 {
            None => Poll::Ready(None),
            Some(chunks) => chunks
                .poll_recv(cx)
                .map(|chunk| Some(chunk?.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

/// An upstream and what reached it.
struct Origin {
    target: Targets,
    /// Number of the connection and text of each request, in order.
    seen: Rc<RefCell<Vec<(usize, String)>>>,
}

/// One connection at the upstream's end.
struct Peer {
    number: usize,
    io: TcpStream,
    seen: Rc<RefCell<Vec<(usize, String)>>>,
}

impl Origin {
    /// Every connection is handled by `script`.
    async fn new<F>(script: impl Fn(Peer) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = http("127.0.0.1", listener.local_addr().unwrap().port());
        let seen = Rc::new(RefCell::new(Vec::new()));
        let records = Rc::clone(&seen);
        spawn_local(async move {
            for number in 0.. {
                let (io, _) = listener.accept().await.unwrap();
                let seen = Rc::clone(&records);
                spawn_local(script(Peer { number, io, seen }));
            }
        });
        Self { target, seen }
    }

    /// Answers every request with `answer`.
    async fn answering(answer: &'static str) -> Self {
        Self::new(move |mut peer| async move {
            while peer.request().await.is_some() {
                peer.say(answer).await;
            }
        })
        .await
    }

    fn upstream(&self) -> Upstream {
        self.target.list()[0].key.upstream.clone()
    }

    fn port(&self) -> u16 {
        match self.upstream() {
            Upstream::Http { port, .. } => port,
            other => panic!("{other} has no port"),
        }
    }

    /// Which connection each request came on.
    fn connections(&self) -> Vec<usize> {
        self.seen
            .borrow()
            .iter()
            .map(|(number, _)| *number)
            .collect()
    }
}

impl Peer {
    /// Reads one request head (with a body that has a length or is chunked); `None` at the end.
    async fn request(&mut self) -> Option<String> {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            text.push(char::from(self.io.read_u8().await.ok()?));
        }
        if text.contains("transfer-encoding: chunked") {
            while !text.ends_with("0\r\n\r\n") {
                text.push(char::from(self.io.read_u8().await.ok()?));
            }
        }
        self.seen.borrow_mut().push((self.number, text.clone()));
        Some(text)
    }

    async fn say(&mut self, text: &str) {
        self.io.write_all(text.as_bytes()).await.unwrap();
    }

    /// Waits until the other end has closed, in whatever way.
    async fn closed(mut self) {
        let mut rest = Vec::new();
        drop(self.io.read_to_end(&mut rest).await);
    }
}

fn http(host: &str, port: u16) -> Targets {
    let host = host.to_owned();
    targets(&[Upstream::Http { host, port }])
}

fn targets(upstreams: &[Upstream]) -> Targets {
    Targets::new(upstreams, None, &mut Roots::default()).unwrap()
}

/// Nobody asks which target was used.
fn told() -> Cell<Option<usize>> {
    Cell::new(None)
}

fn options() -> Options {
    Options {
        max_active: 10,
        max_idle: 10,
        max_age: Duration::from_secs(600),
        max_waiting: 10,
        max_wait: Duration::from_secs(10),
    }
}

fn timeouts() -> Timeouts {
    Timeouts {
        connect: Duration::from_secs(5),
        idle: Duration::from_secs(60),
        response: None,
        stall: None,
    }
}

fn pool() -> Pool<TestBody> {
    Pool::new(options())
}

fn request(method: Method, path: &str) -> Request<TestBody> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "lab.example")
        .body(TestBody::default())
        .unwrap()
}

fn get(path: &str) -> Request<TestBody> {
    request(Method::GET, path)
}

/// A POST whose body comes through the channel.
fn upload() -> (mpsc::UnboundedSender<io::Result<Bytes>>, Request<TestBody>) {
    let (chunks, body) = mpsc::unbounded_channel();
    let request = request(Method::POST, "/upload").map(|_| TestBody(Some(body)));
    (chunks, request)
}

async fn text(response: Response<UpstreamBody<TestBody>>) -> Result<String, Error> {
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// Something for another task to wait for.
#[derive(Clone, Default)]
struct Count(Rc<(Cell<usize>, tokio::sync::Notify)>);

impl Count {
    fn up(&self) {
        self.0.0.set(self.0.0.get() + 1);
        self.0.1.notify_waiters();
    }

    async fn reaches(&self, count: usize) {
        while self.0.0.get() < count {
            self.0.1.notified().await;
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
