//! A tool, as far as a proxy can tell: it records every request as it came and answers by a
//! script.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixListener},
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use super::{
    spawn,
    wire::{Fields, Framing, Head, Io, Wire},
    within,
};

/// One request as it reached the tool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Which connection it came on, counted from 0.
    pub(crate) connection: usize,
    /// The head as it came, without the empty line.
    pub(crate) raw: String,
    /// `GET`
    pub(crate) method: String,
    /// The request target, byte for byte.
    pub(crate) target: String,
    /// Header fields.
    pub(crate) headers: Fields,
    /// The body so far.
    pub(crate) body: Vec<u8>,
    /// Fields behind a chunked body.
    pub(crate) trailers: Fields,
    /// Whether the body reached its end.
    pub(crate) whole: bool,
    /// Whether the proxy has closed the connection since.
    pub(crate) gone: bool,
    /// The close code that a WebSocket got from the proxy's side.
    pub(crate) close_code: Option<u16>,
}

/// What the tool does with a request.
pub(crate) enum Answer {
    /// Writes these bytes and closes the connection.
    Cut(Vec<u8>),
    /// Says nothing until the proxy goes away.
    Hold,
    /// Reads the body, then writes these bytes, and keeps the connection.
    Reply(Vec<u8>),
    /// Writes the head, then whatever is sent; closes when the sender is dropped.
    Stream(Vec<u8>, mpsc::Receiver<Vec<u8>>),
    /// 101 with these further header lines (each with CRLF), then echoes messages. The text
    /// `close CODE REASON` makes it close so; the text `abort` resets the connection.
    WebSocket(String),
}

impl Answer {
    /// 200 with a text.
    pub(crate) fn text(text: &str) -> Self {
        Self::status("200 OK", "content-type: text/plain\r\n", text)
    }

    /// Any status line, header lines (each with CRLF) and body with its length.
    pub(crate) fn status(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}");
        Self::Reply(head.into_bytes())
    }
}

/// A running tool. Stops when dropped.
pub(crate) struct Origin {
    place: Place,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

enum Place {
    Socket(PathBuf),
    Tcp(SocketAddr),
    Tls(SocketAddr),
}

type Script = dyn Fn(&Seen) -> Answer + Send + Sync;

struct Shared {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    changed: watch::Sender<()>,
    connections: AtomicUsize,
}

impl Origin {
    /// Answers 200 `ok` to all, and echoes on every WebSocket.
    pub(crate) async fn ok() -> Self {
        Self::answering(answer_or_echo).await
    }

    /// Answers by `script`, which is asked as soon as a head has come.
    pub(crate) async fn answering(
        script: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), script).await
    }

    /// The same at a place that was known before.
    pub(crate) async fn at(
        address: SocketAddr,
        script: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let place = Place::Tcp(listener.local_addr().unwrap());
        let shared = Shared::new(script);
        let accepting = shared.clone();
        let task = spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                // A dropped connection is a reset: tests that want a clean end shut down first.
                accepting.serve(stream);
            }
        });
        Self {
            place,
            shared,
            task,
        }
    }

    /// As [`Origin::ok`], over TLS.
    pub(crate) async fn secure(config: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = Place::Tls(listener.local_addr().unwrap());
        let shared = Shared::new(answer_or_echo);
        let accepting = shared.clone();
        let acceptor = TlsAcceptor::from(config);
        let task = spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                if let Ok(stream) = acceptor.accept(stream).await {
                    accepting.serve(stream);
                }
            }
        });
        Self {
            place,
            shared,
            task,
        }
    }

    /// The same on a unix socket at `path`.
    pub(crate) fn on_socket(
        path: &Path,
        script: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let shared = Shared::new(script);
        let accepting = shared.clone();
        let task = spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepting.serve(stream);
            }
        });
        let place = Place::Socket(path.to_owned());
        Self {
            place,
            shared,
            task,
        }
    }

    /// As `upstream` in a route.
    pub(crate) fn upstream(&self) -> String {
        match &self.place {
            Place::Socket(path) => format!("unix:{}", path.display()),
            Place::Tcp(address) => format!("http://{address}"),
            // A name, so that it is looked up, and checked as one.
            Place::Tls(address) => format!("https://localhost:{}", address.port()),
        }
    }

    /// Every request so far, in the order in which their heads came.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The last request; fails the test when there was none.
    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("nothing reached the tool")
    }

    /// Waits until what was seen satisfies `is_there`.
    pub(crate) async fn until(&self, what: &str, is_there: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let mut changes = self.shared.changed.subscribe();
        within(what, async {
            loop {
                let seen = self.seen();
                if is_there(&seen) {
                    return seen;
                }
                changes.changed().await.unwrap();
            }
        })
        .await
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn new(script: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            seen: Mutex::default(),
            changed: watch::Sender::new(()),
            connections: AtomicUsize::new(0),
        })
    }

    fn serve(self: &Arc<Self>, stream: impl Io + Linger + 'static) {
        let shared = self.clone();
        let number = shared.connections.fetch_add(1, Ordering::Relaxed);
        spawn(async move {
            let resets = stream.resetter();
            let mut wire = Wire::new(stream);
            while let Ok(Some(head)) = wire.head().await {
                let index = shared.record(number, &head);
                let answer = (shared.script)(&shared.at(index));
                match shared.give(index, &head, answer, wire, &resets).await {
                    Some(again) => wire = again,
                    None => break,
                }
            }
            shared.change(|seen| {
                for request in seen
                    .iter_mut()
                    .filter(|request| request.connection == number)
                {
                    request.gone = true;
                }
            });
        });
    }

    fn record(&self, connection: usize, head: &Head) -> usize {
        let mut words = head.start.split(' ').map(str::to_owned);
        let request = Seen {
            connection,
            raw: head.raw.clone(),
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            headers: head.fields.clone(),
            ..Seen::default()
        };
        self.change(|seen| {
            seen.push(request);
            seen.len() - 1
        })
    }

    fn at(&self, index: usize) -> Seen {
        self.seen.lock().unwrap()[index].clone()
    }

    fn change<T>(&self, how: impl FnOnce(&mut Vec<Seen>) -> T) -> T {
        let result = how(&mut self.seen.lock().unwrap());
        self.changed.send_replace(());
        result
    }

    /// Answers one request; the connection comes back when it can take another.
    async fn give(
        &self,
        index: usize,
        head: &Head,
        answer: Answer,
        mut wire: Wire,
        resets: &Resetter,
    ) -> Option<Wire> {
        match answer {
            Answer::Cut(bytes) => {
                self.take_body(index, head, &mut wire).await?;
                wire.stream.write_all(&bytes).await.ok()?;
                wire.stream.shutdown().await.ok()?;
                None
            }
            Answer::Hold => {
                self.take_body(index, head, &mut wire).await?;
                watch_end(&mut wire).await;
                None
            }
            Answer::Reply(bytes) => {
                self.take_body(index, head, &mut wire).await?;
                wire.stream.write_all(&bytes).await.ok()?;
                Some(wire)
            }
            Answer::Stream(begin, mut pieces) => {
                self.take_body(index, head, &mut wire).await?;
                wire.stream.write_all(&begin).await.ok()?;
                let (mut read, mut write) = tokio::io::split(wire.stream);
                let pour = async {
                    while let Some(piece) = pieces.recv().await {
                        if write.write_all(&piece).await.is_err() {
                            break;
                        }
                    }
                    drop(write.shutdown().await);
                };
                let mut byte = [0];
                tokio::select! {
                    () = pour => {}
                    _ = read.read(&mut byte) => {}
                }
                None
            }
            Answer::WebSocket(lines) => {
                let key = head.fields.get("sec-websocket-key")?;
                let accept = derive_accept_key(key.as_bytes());
                let reply = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                     upgrade: websocket\r\nsec-websocket-accept: {accept}\r\n{lines}\r\n"
                );
                wire.stream.write_all(reply.as_bytes()).await.ok()?;
                let code = echo(wire, resets).await;
                self.change(|seen| seen[index].close_code = code);
                None
            }
        }
    }

    /// Reads the request's body piece by piece; `None` when it was cut.
    async fn take_body(&self, index: usize, head: &Head, wire: &mut Wire) -> Option<()> {
        let body = wire.body(head.framing(Framing::Length(0))).await;
        self.change(|seen| {
            let request = &mut seen[index];
            request.body = body.bytes;
            request.trailers = body.trailers;
            request.whole = body.whole;
        });
        body.whole.then_some(())
    }
}

fn answer_or_echo(seen: &Seen) -> Answer {
    if seen.headers.has("upgrade") {
        Answer::WebSocket(String::new())
    } else {
        Answer::text("ok")
    }
}

async fn watch_end(wire: &mut Wire) {
    while let Ok(true) = wire.fill().await {
        wire.early.clear();
    }
}

/// Echoes until the socket ends; gives the close code that came.
async fn echo(wire: Wire, resets: &Resetter) -> Option<u16> {
    let config = Some(unlimited());
    let Wire { stream, early } = wire;
    let mut socket =
        WebSocketStream::from_partially_read(stream, early, Role::Server, config).await;
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Close(frame) => {
                // The answer to the close is on its way; wait for the end of the connection.
                drop(socket.close(None).await);
                return frame.map(|frame| frame.code.into());
            }
            Message::Text(text) if text.as_str() == "abort" => {
                resets.arm();
                return None;
            }
            Message::Text(text) if text.as_str().starts_with("close ") => {
                let mut words = text.as_str().splitn(3, ' ').skip(1);
                let code: u16 = words.next().and_then(|code| code.parse().ok())?;
                let reason = words.next().unwrap_or_default().into();
                let code = code.into();
                socket.close(Some(CloseFrame { code, reason })).await.ok()?;
            }
            Message::Binary(_) | Message::Text(_) => socket.send(message).await.ok()?,
            Message::Frame(_) | Message::Ping(_) | Message::Pong(_) => {}
        }
    }
    None
}

/// Messages of any size.
pub(crate) fn unlimited() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None)
}

/// Turns the end of a connection into a reset.
pub(crate) struct Resetter(Option<std::os::fd::OwnedFd>);

impl Resetter {
    fn arm(&self) {
        if let Some(socket) = &self.0 {
            rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).unwrap();
        }
    }
}

trait Linger {
    fn resetter(&self) -> Resetter;
}

impl Linger for tokio::net::TcpStream {
    fn resetter(&self) -> Resetter {
        Resetter(rustix::io::dup(self).ok())
    }
}

impl Linger for TlsStream<tokio::net::TcpStream> {
    fn resetter(&self) -> Resetter {
        self.get_ref().0.resetter()
    }
}

impl Linger for tokio::net::UnixStream {
    fn resetter(&self) -> Resetter {
        Resetter(None)
    }
}
