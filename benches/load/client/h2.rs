//! HTTP/2 by hyper's own client.

use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::{body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::peers::{Door, HOST};

/// A connection; each clone sends streams of its own on it.
#[derive(Clone)]
pub(crate) struct Connection(http2::SendRequest<Empty<Bytes>>);

impl Connection {
    /// Connects without TLS, by prior knowledge: the framing is what is measured.
    pub(crate) async fn open(door: &Door) -> Self {
        let io = TcpStream::connect(door.h2).await.unwrap();
        io.set_nodelay(true).unwrap();
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .handshake(TokioIo::new(io))
            .await
            .unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// One exchange.
    pub(crate) async fn get(&mut self, path: &str, cookie: &str) {
        let request = Request::get(format!("http://{HOST}{path}"))
            .header("cookie", cookie)
            .header("accept", "*/*")
            .header("user-agent", "bench")
            .body(Empty::new())
            .unwrap();
        let answer = self.0.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.into_body().collect().await.unwrap();
    }
}
