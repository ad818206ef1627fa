//! One HTTP/2 connection.
//!
//! hyper knows no limits on progress here, so they are kept around it: on the socket ([`patient`]),
//! on each stream whose client takes nothing ([`Stream`]), on the whole connection when nothing is
//! under way. The body that a client sends has its own limit (`exchange/body.rs`). A stream may
//! become a WebSocket (`websocket`, `tunnel`). What a hostile client could flood us with is bounded
//! by h2, whose limits stand as it has them, and by the constants below. RFC 9113, RFC 8441.

mod frames;
mod patient;
mod stream;
mod tunnel;
mod websocket;

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, StatusCode};
use hyper::{body::Incoming, server::conn::http2, service::service_fn, upgrade::OnUpgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, Sleep, sleep};

pub use self::stream::Stream;
use self::{patient::Patient, stream::StreamTasks};
use super::{Conn, Ending, conn::Answered};
use crate::{
    gateway,
    http::{gate, prefixed::Prefixed},
    telemetry::chain,
    wire,
};

/// Serves until the connection ends. `accepted`: when it began.
pub(super) async fn serve(conn: &Rc<Conn>, stream: Prefixed<wire::Stream>, accepted: Instant) {
    let view = conn.worker.view();
    let limits = &view.limits;
    let (idle, download) = (limits.keep_alive_timeout, limits.download_timeout);
    let next = Next::default();
    let tasks = StreamTasks {
        worker: Rc::clone(&conn.worker),
        next: Rc::clone(&next),
        download,
    };
    let header_bytes = u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(header_bytes.saturating_mul(HEADER_ROOM))
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(SEND_BUFFER)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_ANSWERED);
    if conn.entry().http2_websocket {
        builder.enable_connect_protocol();
    }
    let service = {
        let conn = Rc::clone(conn);
        service_fn(move |request| {
            let stream = Rc::new(Stream::default());
            // hyper hands over the task of this very stream next.
            next.replace(Some(Rc::clone(&stream)));
            // Boxed: hyper and the runtime move a stream's task around before it runs.
            Box::pin(answer(Rc::clone(&conn), stream, Rc::clone(&next), request))
        })
    };
    let header = (limits.header_timeout, accepted);
    let io = TokioIo::new(Patient::new(stream, download, header));
    let mut http = pin!(builder.serve_connection(io, service));
    drop(view);
    let mut idle = Idle::new(idle, download);
    let mut seen = None;
    let ended = poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = http.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            match conn.ending().poll_above(seen, cx) {
                Poll::Pending => {}
                Poll::Ready(Ending::Cut) => return Poll::Ready(Ok(())),
                Poll::Ready(Ending::Drain) => {
                    seen = Some(Ending::Drain);
                    http.as_mut().graceful_shutdown();
                    continue;
                }
            }
            let is_idle = conn.open_exchanges.get() == 0;
            match std::task::ready!(idle.poll(cx, is_idle)) {
                Ending::Cut => return Poll::Ready(Ok(())),
                Ending::Drain => http.as_mut().graceful_shutdown(),
            }
        }
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(peer = %conn.peer().ip(), error = %chain(&error), "connection failed");
    }
}

type Next = Rc<RefCell<Option<Rc<Stream>>>>;

async fn answer(
    conn: Rc<Conn>,
    stream: Rc<Stream>,
    next: Next,
    request: Request<Incoming>,
) -> Answered {
    let (mut parts, body) = request.into_parts();
    let head = gate::check_h2(&parts, &conn.worker.view().gate_limits).map(|head| (head, None));
    // hyper has one for every CONNECT.
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let is_handshake = head.as_ref().is_ok_and(|(head, _)| head.upgrade);
    if is_handshake {
        stream.may_upgrade(upgrade);
        websocket::ask(&mut parts);
    }
    let request = Request::from_parts(parts, body);
    let mut answer = gateway::handle(&conn, Some(Rc::clone(&stream)), head, request).await;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        websocket::accepted(&mut answer);
        // hyper hands over what sends on this very stream as soon as it has the answer.
        next.replace(Some(stream));
    }
    Ok(answer)
}

/// When a connection without exchanges ends: asked to after a while, and cut when it does not go
/// although it has had the time to take what is left for it.
#[derive(Debug)]
struct Idle {
    since: Option<Instant>,
    asked: bool,
    limit: Duration,
    grace: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Idle {
    fn new(limit: Duration, grace: Duration) -> Self {
        Self {
            since: None,
            asked: false,
            limit,
            grace,
            sleep: Box::pin(sleep(limit)),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, is_idle: bool) -> Poll<Ending> {
        loop {
            if !is_idle {
                (self.since, self.asked) = (None, false);
                // Whatever makes it idle polls again.
                return Poll::Pending;
            }
            let now = Instant::now();
            let since = *self.since.get_or_insert(now);
            let (deadline, how) = if self.asked {
                (since + self.limit + self.grace, Ending::Cut)
            } else {
                (since + self.limit, Ending::Drain)
            };
            if deadline <= now {
                self.asked = true;
                return Poll::Ready(how);
            }
            if self.sleep.deadline() != deadline {
                self.sleep.as_mut().reset(deadline);
            }
            std::task::ready!(self.sleep.as_mut().poll(cx));
        }
    }
}

const STREAMS: u32 = 256;
/// What one upload may have on its way to us unread: 10 MB/s at 50 ms there and back.
const STREAM_WINDOW: u32 = 512 * 1024;
/// One unread upload must not stop the others, so it is four streams wide; and it is the most that a
/// client can make us keep of its bodies. A thousand clients with stalled uploads hold 2 GiB.
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;
/// What waits to be sent on one stream, besides the piece that the upstream gave last.
const SEND_BUFFER: usize = 128 * 1024;
/// A head of up to so many times `max_header_bytes` is read, to be refused by a page that says why;
/// beyond, h2 answers with a bare 431. Its count has 32 bytes more per field.
const HEADER_ROOM: u32 = 4;
const PING_EVERY: Duration = Duration::from_secs(60);
const PING_ANSWERED: Duration = Duration::from_secs(20);
