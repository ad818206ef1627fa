//! One client connection: TLS, choice of protocol, the hyper service, and what comes after it (a
//! tunnel, or an orderly close).
//!
//! HTTP/2 is chosen by ALPN, or by its preface without TLS (RFC 9113 §3.3); everything else is
//! HTTP/1 under the head gate. hyper never sees a byte of HTTP/1 that the gate did not pass.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use http::{HeaderValue, Request, Response, header::HOST};
use hyper::{body::Incoming, rt::Write, server::conn::http1, service::service_fn};
use rustls::ServerConfig;
use tokio::{
    io::AsyncReadExt,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsAcceptor;

use super::{Admitted, Entry, http2, proxy_protocol};
use crate::{
    client::PeerAddr,
    exchange::{Exchange, body::ResponseBody},
    gateway,
    http::{
        gate::{self, Gate, Heads},
        in_place::Place,
        prefixed::Prefixed,
    },
    runtime::{Signal, View, Worker},
    telemetry::chain,
    tunnel::{self, Side, Stream as _},
    wire::{Socket, Stream},
};

/// What all exchanges of a connection share.
#[derive(Debug)]
pub struct Conn {
    /// The worker that owns it.
    pub worker: Rc<Worker>,
    peer: Cell<PeerAddr>,
    signal: Signal<Ending>,
    /// Exchanges that are under way; `Exchange` counts itself.
    pub open_exchanges: Cell<usize>,
    tunnel: RefCell<Option<PendingTunnel>>,
    place: Cell<usize>,
    /// Holds the place in the connection limits until the end.
    admitted: Admitted,
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
    pub upstream: Side<Stream>,
}

impl Conn {
    /// The socket's other end, or for whom a trusted one speaks by the PROXY protocol.
    pub const fn peer(&self) -> PeerAddr {
        self.peer.get()
    }

    /// The listener that it came in on.
    pub fn entry(&self) -> &Entry {
        self.admitted.entry()
    }

    /// Asks it to end.
    pub fn end(&self, how: Ending) {
        self.signal.raise(how);
    }

    /// How it was asked to end.
    pub(super) const fn ending(&self) -> &Signal<Ending> {
        &self.signal
    }

    /// Waits for `future`, as long as there is no request that would have to be answered first.
    async fn unless_ending<F: Future>(&self, future: F) -> Result<F::Output, Early> {
        tokio::select! {
            output = future => Ok(output),
            _ = self.signal.raised() => Err(Early::Stopped),
        }
    }

    /// Leaves a tunnel for the time when the 101 has been written.
    pub fn open_tunnel(&self, tunnel: PendingTunnel) {
        self.tunnel.replace(Some(tunnel));
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.worker
            .connections
            .borrow_mut()
            .try_remove(self.place.get());
    }
}

/// Serves one accepted socket until it ends.
pub async fn serve(worker: Rc<Worker>, socket: Socket, admitted: Admitted) {
    let accepted = Instant::now();
    let conn = Rc::new(Conn {
        peer: Cell::new(admitted.peer()),
        signal: Signal::default(),
        open_exchanges: Cell::new(0),
        tunnel: RefCell::new(None),
        place: Cell::new(usize::MAX),
        admitted,
        worker: Rc::clone(&worker),
    });
    let place = worker.connections.borrow_mut().insert(Rc::downgrade(&conn));
    conn.place.set(place);
    if let Some(how) = worker.ending() {
        conn.end(how);
    }
    let peer = conn.peer().ip();
    let Err(error) = serve_stream(&conn, socket, accepted).await else {
        return;
    };
    let entry = conn.entry();
    // Somebody has to mend a proxy or the configuration; who connects for nothing else fills no log.
    let is_refused = matches!(error, Early::Proxy(_) | Early::NotTrusted);
    if let Some(unsaid) = is_refused.then(|| entry.refused.say()).flatten() {
        tracing::warn!(%peer, listener = %entry.name, %error, unsaid, "connection refused");
    } else {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}

/// Why a connection ended before any request of it could be answered.
#[derive(Debug, thiserror::Error)]
enum Early {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("HTTP/2 was negotiated, and something else came")]
    NotHttp2,
    #[error("the listener has `proxy_protocol`, and `trust.proxies` does not name who came")]
    NotTrusted,
    #[error(transparent)]
    Proxy(#[from] proxy_protocol::Error),
    #[error("the TLS handshake took longer than `limits.handshake_timeout`")]
    SlowHandshake,
    #[error("nothing came within `limits.header_timeout`")]
    Silent,
    #[error("stopped")]
    Stopped,
    #[error("`limits.max_connections_per_client` is reached")]
    TooMany,
}

/// What is large is boxed, so that a tunnel does not hold it for life: in one task, the memory of the
/// largest future is that of all.
async fn serve_stream(conn: &Rc<Conn>, mut socket: Socket, accepted: Instant) -> Result<(), Early> {
    let view = conn.worker.view();
    let limits = &view.limits;
    if conn.entry().proxy_protocol {
        believe(conn, &view, &mut socket, accepted).await?;
    }
    let mut stream = match conn.entry().tls.clone() {
        None => Stream::Plain(socket),
        Some(config) => Box::pin(secure(conn, config, socket, limits.handshake_timeout)).await?,
    };
    let negotiated = match &stream {
        Stream::Tls(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        Stream::Plain(_) => false,
    };
    // The first bytes tell HTTP/2 with prior knowledge from HTTP/1.
    let mut first = Vec::with_capacity(FIRST_READ);
    loop {
        let read = timeout_at(
            accepted + limits.header_timeout,
            stream.read_buf(&mut first),
        );
        let read = conn.unless_ending(read).await?;
        let read = read.map_err(|_| Early::Silent)??;
        if read == 0 {
            return Ok(());
        }
        if !PREFACE.starts_with(
            first
                .get(..first.len().min(PREFACE.len()))
                .unwrap_or_default(),
        ) {
            if negotiated {
                return Err(Early::NotHttp2);
            }
            break;
        }
        if first.len() >= PREFACE.len() {
            drop(view);
            conn.worker.edge.borrow_mut().http2 += 1;
            let stream = Prefixed::new(first, stream);
            Box::pin(http2::serve(conn, stream, accepted)).await;
            return Ok(());
        }
    }
    let gate_limits = Rc::clone(&view.gate_limits);
    drop(view);
    conn.worker.edge.borrow_mut().http1 += 1;
    let http1 = Box::pin(serve_http1(conn, stream, first, gate_limits, accepted));
    if let Some((client, tunnel)) = http1.await {
        run_tunnel(client, tunnel).await;
    }
    Ok(())
}

/// Does the TLS handshake, within `limit`.
async fn secure(
    conn: &Conn,
    config: Arc<ServerConfig>,
    socket: Socket,
    limit: Duration,
) -> Result<Stream, Early> {
    let handshake = timeout(limit, TlsAcceptor::from(config).accept(socket));
    let tls = match conn.unless_ending(handshake).await? {
        Ok(tls) => tls.map_err(Early::Io),
        Err(_) => Err(Early::SlowHandshake),
    };
    let mut edge = conn.worker.edge.borrow_mut();
    match &tls {
        Ok(_) => edge.tls_done += 1,
        Err(_) => edge.tls_failed += 1,
    }
    Ok(Stream::Tls(Box::new(tls?.into())))
}

/// Lets a trusted proxy say whose connection this is.
async fn believe(
    conn: &Conn,
    view: &View,
    socket: &mut Socket,
    accepted: Instant,
) -> Result<(), Early> {
    if !view.trusted.trusts(conn.peer()) {
        return Err(Early::NotTrusted);
    }
    let read = timeout_at(
        accepted + view.limits.header_timeout,
        proxy_protocol::read(socket),
    );
    let read = conn.unless_ending(read).await?;
    let Some(client) = read.map_err(|_| Early::Silent)?? else {
        // Whose bytes these are nobody knows, so what they say of a client is not the proxy's word.
        conn.peer.set(conn.peer().for_itself());
        return Ok(());
    };
    conn.peer.set(client.into());
    if !conn.admitted.count(view, conn.peer()) {
        conn.worker.shared.refuse_connection();
        return Err(Early::TooMany);
    }
    Ok(())
}

/// Serves HTTP/1 until it ends; `Some` where a tunnel goes on from there.
async fn serve_http1(
    conn: &Rc<Conn>,
    stream: Stream,
    first: Vec<u8>,
    limits: Rc<gate::Limits>,
    accepted: Instant,
) -> Option<(Side<Stream>, PendingTunnel)> {
    let (gate, heads) = Gate::new(stream, first, limits, accepted);
    let service = {
        let (conn, heads) = (Rc::clone(conn), heads.clone());
        let place = Place::default();
        service_fn(move |request| place.put(answer_http1(Rc::clone(&conn), heads.clone(), request)))
    };
    let mut http = http1::Builder::new()
        .max_buf_size(MAX_BUFFER)
        .serve_connection(gate, service);
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
    // It holds the connection in its turn, and so has to be taken out in any case.
    let tunnel = conn.tunnel.take();
    let http1::Parts {
        mut io, read_buf, ..
    } = http.into_parts();
    match (ended, tunnel) {
        (None, _) => io.into_inner().0.reset_on_close(),
        (Some(Err(error)), _) => {
            tracing::debug!(peer = %conn.peer().ip(), error = %chain(&error), "connection failed");
            if error.is_user() {
                // The answer broke off. An end of the stream would pass for its end where it has no
                // length (RFC 9112 §8).
                io.into_inner().0.reset_on_close();
            }
        }
        // The answer must not be lost to a client that is still sending what we refused.
        (Some(Ok(())), None) => drop(poll_fn(|cx| Pin::new(&mut io).poll_shutdown(cx)).await),
        (Some(Ok(())), Some(tunnel)) => {
            let (stream, mut withheld) = io.into_inner();
            let mut early = read_buf.to_vec();
            early.append(&mut withheld);
            // hyper's read buffer would stay for the life of the tunnel.
            drop(read_buf);
            let client = Side {
                io: stream,
                early: early.into(),
            };
            return Some((client, tunnel));
        }
    }
    None
}

/// Passes bytes until the tunnel ends, and notes on its exchange how many.
pub(super) async fn run_tunnel<C: tunnel::Stream>(client: Side<C>, pending: PendingTunnel) {
    let PendingTunnel { exchange, upstream } = pending;
    let options = tunnel::Options {
        write_timeout: exchange.worker().view().limits.download_timeout,
        ..tunnel::Options::default()
    };
    let stop = exchange.stop.raised();
    let summary = tunnel::relay(client, upstream, &options, stop, || exchange.person_acted()).await;
    exchange.bytes_in.set(summary.from_client);
    exchange.bytes_out.set(summary.from_upstream);
    exchange.ended.set(Some(summary.ended));
}

pub(super) type Answered = Result<Response<ResponseBody>, std::convert::Infallible>;

async fn answer_http1(conn: Rc<Conn>, heads: Heads, mut request: Request<Incoming>) -> Answered {
    let head = heads
        .next()
        .map(|(head, in_flight)| (head, Some(in_flight)));
    if head.as_ref().is_ok_and(|(head, _)| head.upgrade) {
        detach(&mut request);
    }
    Ok(gateway::handle(&conn, None, head, request).await)
}

/// Copies what an exchange keeps of a head for as long as it lasts: as hyper gives it, each part holds
/// on to all of hyper's read buffer, which would stay for the life of a tunnel.
fn detach<B>(request: &mut Request<B>) {
    // Neither copy can fail, since it is of what was valid.
    if let Ok(uri) = request.uri().to_string().try_into() {
        *request.uri_mut() = uri;
    }
    if let Some(host) = request.headers_mut().get_mut(HOST)
        && let Ok(copy) = HeaderValue::from_bytes(host.as_bytes())
    {
        *host = copy;
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FIRST_READ: usize = 4096;
/// Largest read buffer of HTTP/1, and what may wait to be sent besides the piece that the upstream
/// gave last. The head gate has a smaller limit for heads.
const MAX_BUFFER: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Uri;

    use super::*;

    #[test]
    fn what_a_tunnel_keeps_of_its_head_holds_no_read_buffer() {
        let buffer = Bytes::from(b"/lab?x=%2Flab.test:8000".to_vec());
        let uri = Uri::from_maybe_shared(buffer.slice(..10)).unwrap();
        let host = HeaderValue::from_maybe_shared(buffer.slice(10..)).unwrap();
        let request = Request::builder().uri(uri).header(HOST, host);
        let mut request = request.body(()).unwrap();
        assert!(!buffer.is_unique());
        detach(&mut request);
        assert!(buffer.is_unique());
        assert_eq!(request.uri(), "/lab?x=%2F");
        assert_eq!(request.headers()[HOST], "lab.test:8000");
    }

    /// Size of what an async function gives, in bytes.
    fn size<A, B, C, F: Future>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// Ten thousand idle tunnels hold ten thousand of these.
    #[test]
    fn the_task_of_a_connection_is_small() {
        let size = size(serve);
        assert!(size < 2304, "{size} bytes");
    }
}
