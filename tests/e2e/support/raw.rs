//! Bytes on a socket, for what no good client sends, and the answers that come back.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
};

use rustls_pki_types::ServerName;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use super::{
    certs::Authority,
    wire::{Fields, Framing, Head, Wire},
    within,
};

/// One connection of a client.
pub(crate) struct Connection(Wire);

/// A whole answer, or as much of it as came.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// Header fields.
    pub(crate) headers: Fields,
    /// The body without framing.
    pub(crate) body: Vec<u8>,
    /// Fields behind a chunked body.
    pub(crate) trailers: Fields,
    /// Whether the body reached its end.
    pub(crate) whole: bool,
}

impl Response {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Where it sends us; fails the test when it does not.
    pub(crate) fn location(&self) -> &str {
        let location = self.headers.get("location");
        location.unwrap_or_else(|| panic!("{} without Location", self.status))
    }

    fn new(head: Head, body: super::wire::Body) -> Self {
        Self {
            status: status(&head),
            headers: head.fields,
            body: body.bytes,
            trailers: body.trailers,
            whole: body.whole,
        }
    }
}

fn status(head: &Head) -> u16 {
    let code = head
        .start
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok());
    code.unwrap_or_else(|| panic!("not a status line: {:?}", head.start))
}

impl Connection {
    /// Connects in plain text.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = within("connect", TcpStream::connect(address)).await;
        let stream = stream.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(Wire::new(stream))
    }

    /// Connects in plain text, from another address of this machine.
    pub(crate) async fn open_from(from: IpAddr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let stream = within("connect", socket.connect(address)).await;
        Self(Wire::new(stream.unwrap()))
    }

    /// Connects to a unix socket.
    pub(crate) async fn open_unix(path: &Path) -> Self {
        let stream = within("connect", UnixStream::connect(path)).await;
        Self(Wire::new(stream.unwrap()))
    }

    /// Connects over TLS to the server that is called `name`.
    pub(crate) async fn open_tls(address: SocketAddr, name: &str, authority: &Authority) -> Self {
        Self::open_tls_behind(address, b"", name, authority).await
    }

    /// The same, with bytes before the handshake.
    pub(crate) async fn open_tls_behind(
        address: SocketAddr,
        first: &[u8],
        name: &str,
        authority: &Authority,
    ) -> Self {
        let mut stream = within("connect", TcpStream::connect(address))
            .await
            .unwrap();
        within("send", stream.write_all(first)).await.unwrap();
        let connector = TlsConnector::from(authority.client());
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = within("TLS handshake", connector.connect(name, stream)).await;
        Self(Wire::new(stream.unwrap()))
    }

    /// Sends `bytes` as they are. The peer may have closed: then nothing happens.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let send = async {
            self.0.stream.write_all(bytes.as_ref()).await?;
            self.0.stream.flush().await
        };
        drop(within("send", send).await);
    }

    /// The head of the next answer that is not interim; the body stays on the connection.
    pub(crate) async fn begin(&mut self) -> (u16, Fields) {
        loop {
            let head = within("an answer", self.0.head()).await.unwrap();
            let head = head.expect("closed without an answer");
            if status(&head) / 100 != 1 || status(&head) == 101 {
                return (status(&head), head.fields);
            }
        }
    }

    /// The next whole answer to a request of any method but HEAD.
    pub(crate) async fn response(&mut self) -> Response {
        loop {
            let head = within("an answer", self.0.head()).await.unwrap();
            let head = head.expect("closed without an answer");
            let framing = match status(&head) {
                100..200 | 204 | 304 => Framing::Length(0),
                _ => head.framing(Framing::Close),
            };
            let body = within("a body", self.0.body(framing)).await;
            let response = Response::new(head, body);
            if response.status / 100 != 1 || response.status == 101 {
                return response;
            }
        }
    }

    /// The answer to a HEAD request: a head and no body.
    pub(crate) async fn response_to_head(&mut self) -> (u16, Fields) {
        self.begin().await
    }

    /// Waits until `text` has come on the connection (chunk framing is not looked at).
    pub(crate) async fn comes(&mut self, text: &str) {
        let found = |bytes: &[u8]| {
            bytes
                .windows(text.len())
                .any(|seen| seen == text.as_bytes())
        };
        while !found(&self.0.early) {
            let more = within(text, self.0.fill()).await.unwrap();
            assert!(more, "the connection ended before {text:?}");
        }
    }

    /// Reads to the end of the connection, whichever way it ends, and gives what still came.
    pub(crate) async fn ends(&mut self) -> Vec<u8> {
        while let Ok(true) = within("the end of a connection", self.0.fill()).await {}
        std::mem::take(&mut self.0.early)
    }

    /// The stream and what was read from it too early.
    pub(crate) fn into_wire(self) -> Wire {
        self.0
    }
}
