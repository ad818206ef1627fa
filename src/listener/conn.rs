//! One client connection: TLS, choice of protocol, the hyper service, and what comes after it (a
//! tunnel, or an orderly close).
//!
//! HTTP/2 is chosen by ALPN, or by its preface on plain TCP (RFC 9113 §3.3); everything else is
//! HTTP/1 under the head gate. hyper never sees a byte of HTTP/1 that the gate did not pass.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsAcceptor;

use super::{Admitted, ClientStream};
use crate::{
    client::PeerAddr,
    exchange::{Exchange, body::ResponseBody},
    gateway,
    http::{
        gate::{self, Gate, Heads},
        in_place::Place,
        prefixed::Prefixed,
    },
    runtime::{Signal, Worker},
    tunnel::{self, Side},
    upstream,
};

/// What all exchanges of a connection share.
#[derive(Debug)]
pub struct Conn {
    /// The worker that owns it.
    pub worker: Rc<Worker>,
    /// The socket's other end.
    pub peer: PeerAddr,
    signal: Signal<Ending>,
    /// Exchanges that are under way; `Exchange` counts itself.
    pub open_exchanges: Cell<usize>,
    http2: Cell<bool>,
    tunnel: RefCell<Option<PendingTunnel>>,
    /// Holds the place in the connection limits until the end.
    _admitted: Admitted,
}

/// How a connection is asked to end.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Ending {
    /// After what is under way.
    Drain,
    /// At once.
    Cut,
}

/// A tunnel whose 101 is on its way to the client.
#[derive(Debug)]
pub struct PendingTunnel {
    /// What it is logged and stopped by.
    pub exchange: Rc<Exchange>,
    /// The upstream's side.
    pub upstream: Side<upstream::Io>,
}

impl Conn {
    /// Asks it to end.
    pub fn end(&self, how: Ending) {
        self.signal.raise(how);
    }

    /// Cuts an HTTP/1 connection, whose one answer is under way; on HTTP/2 the stream's own body
    /// ends it with a reset.
    pub fn cut_if_http1(&self) {
        if !self.http2.get() {
            self.end(Ending::Cut);
        }
    }

    /// Leaves a tunnel for the time when the 101 has been written.
    pub fn open_tunnel(&self, tunnel: PendingTunnel) {
        self.tunnel.replace(Some(tunnel));
    }
}

/// Serves one accepted socket until it ends.
pub async fn serve(worker: Rc<Worker>, tcp: TcpStream, admitted: Admitted) {
    let accepted = Instant::now();
    let tls = admitted.tls().cloned();
    let conn = Rc::new(Conn {
        peer: admitted.peer().into(),
        signal: Signal::default(),
        open_exchanges: Cell::new(0),
        http2: Cell::new(false),
        tunnel: RefCell::new(None),
        _admitted: admitted,
        worker: Rc::clone(&worker),
    });
    let place = worker.connections.borrow_mut().insert(Rc::downgrade(&conn));
    let served = serve_stream(&conn, tcp, tls, accepted).await;
    worker.connections.borrow_mut().remove(place);
    if let Err(error) = served {
        tracing::debug!(peer = %conn.peer.ip(), %error, "connection ended early");
    }
}

/// Why a connection ended before any request of it could be answered.
#[derive(Debug, thiserror::Error)]
enum Early {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("the TLS handshake took longer than `limits.handshake_timeout`")]
    SlowHandshake,
    #[error("nothing came within `limits.header_timeout`")]
    Silent,
    #[error("stopped")]
    Stopped,
}

async fn serve_stream(
    conn: &Rc<Conn>,
    tcp: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
    accepted: Instant,
) -> Result<(), Early> {
    let view = conn.worker.view();
    let limits = &view.limits;
    let mut stream = match tls {
        None => ClientStream::Plain(tcp),
        Some(config) => {
            let handshake = TlsAcceptor::from(config).accept(tcp);
            let tls = timeout(limits.handshake_timeout, handshake)
                .await
                .map_err(|_| Early::SlowHandshake)??;
            ClientStream::Tls(Box::new(tls))
        }
    };
    let negotiated = match &stream {
        ClientStream::Tls(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        ClientStream::Plain(_) => false,
    };
    if negotiated {
        drop(view);
        serve_http2(conn, Prefixed::new(Vec::new(), stream)).await;
        return Ok(());
    }
    // The first bytes tell HTTP/2 with prior knowledge from HTTP/1.
    let mut first = Vec::with_capacity(FIRST_READ);
    loop {
        let read = timeout_at(
            accepted + limits.header_timeout,
            stream.read_buf(&mut first),
        );
        let read = tokio::select! {
            read = read => read.map_err(|_| Early::Silent)??,
            ending = conn.signal.raised() => { let _: Ending = ending; return Err(Early::Stopped) }
        };
        if read == 0 {
            return Ok(());
        }
        if !PREFACE.starts_with(
            first
                .get(..first.len().min(PREFACE.len()))
                .unwrap_or_default(),
        ) {
            break;
        }
        if first.len() >= PREFACE.len() {
            drop(view);
            serve_http2(conn, Prefixed::new(first, stream)).await;
            return Ok(());
        }
    }
    let gate_limits = Rc::clone(&view.gate_limits);
    drop(view);
    serve_http1(conn, stream, first, gate_limits, accepted).await;
    Ok(())
}

async fn serve_http1(
    conn: &Rc<Conn>,
    stream: ClientStream,
    first: Vec<u8>,
    limits: Rc<gate::Limits>,
    accepted: Instant,
) {
    let (gate, heads) = Gate::new(stream, first, limits, accepted);
    let service = {
        let (conn, heads) = (Rc::clone(conn), heads.clone());
        let place = Place::default();
        service_fn(move |request| place.put(answer_http1(Rc::clone(&conn), heads.clone(), request)))
    };
    let mut http = http1::Builder::new().serve_connection(gate, service);
    let mut seen = None;
    let ended = poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = http.poll_without_shutdown(cx) {
                return Poll::Ready(Some(result));
            }
            match conn.signal.poll_above(seen, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ending::Cut) => return Poll::Ready(None),
                Poll::Ready(Ending::Drain) => {
                    seen = Some(Ending::Drain);
                    Pin::new(&mut http).graceful_shutdown();
                }
            }
        }
    })
    .await;
    let Some(result) = ended else { return };
    if let Err(error) = &result {
        tracing::debug!(peer = %conn.peer.ip(), error = %crate::telemetry::chain(error), "connection failed");
    }
    let parts = http.into_parts();
    let (stream, mut withheld) = parts.io.into_inner();
    let Some(tunnel) = conn.tunnel.take() else {
        if result.is_ok() {
            close(stream).await;
        }
        return;
    };
    if result.is_err() {
        return;
    }
    let mut early = parts.read_buf.to_vec();
    early.append(&mut withheld);
    // hyper's read buffer would stay for the life of the tunnel.
    drop(parts.read_buf);
    run_tunnel(
        Side {
            io: stream,
            early: early.into(),
        },
        tunnel,
    )
    .await;
}

async fn run_tunnel(client: Side<ClientStream>, pending: PendingTunnel) {
    let PendingTunnel { exchange, upstream } = pending;
    let options = tunnel::Options::default();
    let stop = exchange.stop.raised();
    let summary = tunnel::relay(client, upstream, &options, stop, || exchange.person_acted()).await;
    exchange.bytes_in.set(summary.from_client);
    exchange.bytes_out.set(summary.from_upstream);
}

/// A close that does not lose the answer: the client may still be sending what we refused, and a
/// socket closed with unread bytes resets the connection (RFC 9112 §9.6).
async fn close(mut stream: ClientStream) {
    let drained = async {
        stream.shutdown().await?;
        let mut scratch = vec![0; 16 * 1024];
        let mut left = LINGER_BYTES;
        while left > 0 {
            let read = stream.read(&mut scratch).await?;
            if read == 0 {
                break;
            }
            left = left.saturating_sub(read);
        }
        std::io::Result::Ok(())
    };
    // Whatever comes of it, the connection is over.
    drop(timeout(LINGER_TIME, drained).await);
}

async fn serve_http2(conn: &Rc<Conn>, stream: Prefixed<ClientStream>) {
    conn.http2.set(true);
    let view = conn.worker.view();
    let limits = &view.limits;
    let header_bytes = u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(LocalExecutor(Rc::clone(&conn.worker)));
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(header_bytes)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW * 8)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(Duration::from_secs(20));
    let service = {
        let conn = Rc::clone(conn);
        service_fn(move |request| answer_http2(Rc::clone(&conn), request))
    };
    let idle = limits.keep_alive_timeout;
    let mut http = pin!(builder.serve_connection(TokioIo::new(stream), service));
    drop(view);
    let mut seen = None;
    let mut idle_since: Option<Instant> = None;
    let mut sleep = pin!(tokio::time::sleep(idle));
    let ended = poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = http.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            match conn.signal.poll_above(seen, cx) {
                Poll::Pending => {}
                Poll::Ready(Ending::Cut) => return Poll::Ready(Ok(())),
                Poll::Ready(Ending::Drain) => {
                    seen = Some(Ending::Drain);
                    http.as_mut().graceful_shutdown();
                    continue;
                }
            }
            if conn.open_exchanges.get() > 0 {
                idle_since = None;
            } else {
                idle_since.get_or_insert_with(Instant::now);
            }
            match (sleep.as_mut().poll(cx), idle_since) {
                (Poll::Pending, _) => return Poll::Pending,
                (Poll::Ready(()), Some(since)) if since.elapsed() >= idle => {
                    seen = Some(Ending::Drain);
                    http.as_mut().graceful_shutdown();
                    sleep.as_mut().reset(Instant::now() + idle);
                }
                (Poll::Ready(()), since) => {
                    sleep
                        .as_mut()
                        .reset(since.unwrap_or_else(Instant::now) + idle);
                }
            }
        }
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(peer = %conn.peer.ip(), error = %crate::telemetry::chain(&error), "connection failed");
    }
}

type Answered = Result<Response<ResponseBody>, std::convert::Infallible>;

async fn answer_http1(conn: Rc<Conn>, heads: Heads, request: Request<Incoming>) -> Answered {
    let head = heads
        .next()
        .map(|(head, in_flight)| (head, Some(in_flight)));
    let answer = gateway::handle(&conn, head, request);
    Ok(caught(answer).await.unwrap_or_else(gateway::after_panic))
}

async fn answer_http2(conn: Rc<Conn>, request: Request<Incoming>) -> Answered {
    let (parts, body) = request.into_parts();
    let head = gate::check_h2(&parts, &conn.worker.view().gate_limits).map(|head| (head, None));
    let answer = gateway::handle(&conn, head, Request::from_parts(parts, body));
    Ok(caught(answer).await.unwrap_or_else(gateway::after_panic))
}

/// Runs `future`; a panic in it becomes an error instead of the end of the connection.
async fn caught<T>(future: impl Future<Output = T>) -> Result<T, gateway::Panicked> {
    let mut future = pin!(future);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(gateway::Panicked)),
        },
    )
    .await
}

/// Spawns HTTP/2 streams on the worker's own thread.
#[derive(Clone)]
struct LocalExecutor(Rc<Worker>);

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FIRST_READ: usize = 4096;
const LINGER_BYTES: usize = 4 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);
const STREAMS: u32 = 256;
/// One unread upload must not stop the others: the connection's window is eight streams wide.
const STREAM_WINDOW: u32 = 1024 * 1024;
const PING_EVERY: Duration = Duration::from_secs(60);
