//! An HTTP/2 client on one connection, whose streams the test holds: for WebSocket over HTTP/2 (RFC
//! 8441), to reset, or not to read.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h2::{
    Reason, RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
    ext::Protocol,
};
use http::{HeaderMap, Method, Request, StatusCode};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};

use super::{origin::unlimited, spawn, within};

/// A connection.
pub(crate) struct Http2 {
    sender: SendRequest<Bytes>,
    connection: JoinHandle<()>,
}

/// What came back on a stream.
pub(crate) struct Opened {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) io: StreamIo,
}

/// A stream after its heads.
pub(crate) struct StreamIo {
    pub(crate) send: SendStream<Bytes>,
    pub(crate) receive: RecvStream,
    unread: Bytes,
}

impl Http2 {
    /// A connection of prior knowledge to `address`; streams that nobody reads get 64 KiB.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let mut builder = h2::client::Builder::new();
        builder.initial_connection_window_size(16 << 20);
        let (sender, connection) = builder.handshake(socket).await.unwrap();
        let connection = spawn(async {
            // It fails when the other side ends it, which tests see on their streams.
            drop(connection.await);
        });
        let mut client = Self { sender, connection };
        // Its answer comes after the server's SETTINGS.
        let answer = client.get("http://lab.test/.labgate/live", "").await;
        assert_eq!(answer.status, 200);
        client
    }

    /// Closes the socket, whatever is under way on it.
    pub(crate) fn abort(&self) {
        self.connection.abort();
    }

    /// Whether the server takes extended CONNECTs.
    pub(crate) fn offers_websockets(&self) -> bool {
        self.sender.is_extended_connect_protocol_enabled()
    }

    pub(crate) async fn get(&mut self, url: &str, cookies: &str) -> Opened {
        let request = Request::get(url).header("cookie", cookies);
        self.begin(request.body(()).unwrap(), true).await
    }

    /// An extended CONNECT; `fields` are further header fields.
    pub(crate) async fn connect(
        &mut self,
        protocol: &'static str,
        url: &str,
        fields: &[(&str, &str)],
    ) -> Opened {
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(url)
            .extension(Protocol::from_static(protocol));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.begin(request.body(()).unwrap(), false).await
    }

    /// A handshake as browsers send it, from a page of the same origin.
    pub(crate) async fn handshake(&mut self, url: &str, cookies: &str) -> Opened {
        let origin = super::browser::origin_of(url);
        let fields = [
            ("origin", origin.as_str()),
            ("sec-websocket-version", "13"),
            ("cookie", cookies),
        ];
        self.connect("websocket", url, &fields).await
    }

    /// A WebSocket.
    pub(crate) async fn websocket(
        &mut self,
        url: &str,
        cookies: &str,
    ) -> WebSocketStream<StreamIo> {
        let opened = self.handshake(url, cookies).await;
        assert_eq!(opened.status, 200);
        WebSocketStream::from_raw_socket(opened.io, Role::Client, Some(unlimited())).await
    }

    /// Sends a head; its answer to come, and what sends its body.
    pub(crate) async fn send(
        &mut self,
        request: Request<()>,
        is_whole: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let sender = within("a place for a stream", self.sender.clone().ready());
        sender
            .await
            .unwrap()
            .send_request(request, is_whole)
            .unwrap()
    }

    async fn begin(&mut self, request: Request<()>, is_whole: bool) -> Opened {
        let (answer, send) = self.send(request, is_whole).await;
        let (head, receive) = within("an answer", answer).await.unwrap().into_parts();
        Opened {
            status: head.status,
            headers: head.headers,
            io: StreamIo {
                send,
                receive,
                unread: Bytes::new(),
            },
        }
    }
}

impl Opened {
    /// The body, to its end.
    pub(crate) async fn text(&mut self) -> String {
        let mut body = Vec::new();
        while let Some(data) = within("the body", self.io.receive.data()).await {
            body.extend_from_slice(&data.unwrap());
        }
        String::from_utf8(body).unwrap()
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let values = self.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }
}

impl StreamIo {
    /// What ends the stream: `None` for an end of it, else the reason of a reset. Reads all before.
    pub(crate) async fn end(&mut self) -> Option<Reason> {
        loop {
            match within("the end of the stream", self.receive.data()).await {
                None => return None,
                Some(Err(error)) => return Some(error.reason().expect("a reset")),
                Some(Ok(data)) => {
                    let window = self.receive.flow_control();
                    window.release_capacity(data.len()).unwrap();
                }
            }
        }
    }
}

impl AsyncRead for StreamIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            match ready!(self.receive.poll_data(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(data) => self.unread = data.map_err(io::Error::other)?,
            }
        }
        let len = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..len]);
        self.unread.advance(len);
        let window = self.receive.flow_control();
        Poll::Ready(window.release_capacity(len).map_err(io::Error::other))
    }
}

impl AsyncWrite for StreamIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.send.reserve_capacity(bytes.len());
        let Some(capacity) = ready!(self.send.poll_capacity(cx)) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let len = capacity.map_err(io::Error::other)?.min(bytes.len());
        let data = Bytes::copy_from_slice(&bytes[..len]);
        let sent = self.send.send_data(data, false).map(|()| len);
        Poll::Ready(sent.map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.send.send_data(Bytes::new(), true);
        Poll::Ready(sent.map_err(io::Error::other))
    }
}
