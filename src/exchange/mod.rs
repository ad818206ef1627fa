//! One exchange: a request and its answer, or the tunnel that it became.
//!
//! Made when a request's head is there; whoever works on the exchange (handler, both bodies, tunnel)
//! holds it by `Rc`, and when the last one lets go its access event is written. While it lives it
//! stands in its worker's list, so that the end of a session or of a route can stop it.

pub mod body;
mod unless_stopped;

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use http::{HeaderValue, Method, StatusCode, Uri};

use self::unless_stopped::UnlessStopped;
use crate::{
    auth::Visitor,
    client::{self, ClientAddr},
    http::{gate::InFlight, site::Host},
    listener::{Conn, Ending, conn::PendingTunnel, http2::Stream},
    reject::Reject,
    route::RouteId,
    runtime::{OpenStream, Signal, View, Worker},
    telemetry::{
        RequestId,
        access::Record,
        audit::{Alike, Event},
        meter,
    },
    tunnel::{EndedBy, Side, Stop},
    upstream, wire,
};

/// One request and its answer.
#[derive(Debug)]
pub struct Exchange {
    worker: Rc<Worker>,
    conn: Rc<Conn>,
    http2: Option<Rc<Stream>>,
    place: Cell<usize>,
    started: Instant,
    /// Its id.
    pub id: RequestId,
    /// Method.
    pub method: Method,
    /// Target as it arrived; only its path is ever logged.
    pub uri: Uri,
    /// `Host` or `:authority` as it arrived.
    pub host: Option<HeaderValue>,
    /// Who it is from, once known; the peer until then.
    pub client: Cell<ClientAddr>,
    /// What it matched, with the snapshot that the index is good for.
    pub route: OnceCell<(Rc<View>, RouteId)>,
    /// Whose it is.
    pub visitor: OnceCell<Rc<Visitor>>,
    /// Raised to end it.
    pub stop: Signal<Stop>,
    /// Status of the answer; 0 until there is one.
    pub status: Cell<u16>,
    /// Bytes of the body (of a tunnel: all bytes) from the client.
    pub bytes_in: Cell<u64>,
    /// Bytes of the body (of a tunnel: all bytes) to the client.
    pub bytes_out: Cell<u64>,
    /// Keeps the head gate from taking the connection for idle.
    pub in_flight: OnceCell<InFlight>,
    /// To which target of its route it was sent.
    pub sent_to: Cell<Option<usize>>,
    /// Whether one of our own pages answers.
    pub ours: Cell<bool>,
    /// Whether the tool's answer has begun.
    pub streaming: Cell<bool>,
    /// How the tunnel that came of it ended.
    pub ended: Cell<Option<EndedBy>>,
    /// The tunnel that came of it.
    tunnel: OnceCell<upstream::Tunnel>,
    stream: OnceCell<OpenStream>,
    error: RefCell<Option<String>>,
}

impl Exchange {
    /// Begins an exchange and enters it in the worker's list.
    pub fn begin(
        conn: &Rc<Conn>,
        http2: Option<Rc<Stream>>,
        method: Method,
        uri: Uri,
        host: Option<HeaderValue>,
    ) -> Rc<Self> {
        let worker = &conn.worker;
        let exchange = Rc::new(Self {
            worker: Rc::clone(worker),
            conn: Rc::clone(conn),
            http2,
            place: Cell::new(usize::MAX),
            started: Instant::now(),
            id: worker.request_ids.next(),
            method,
            uri,
            host,
            client: Cell::new(conn.peer().into()),
            route: OnceCell::new(),
            visitor: OnceCell::new(),
            stop: Signal::default(),
            in_flight: OnceCell::new(),
            status: Cell::new(0),
            bytes_in: Cell::new(0),
            bytes_out: Cell::new(0),
            sent_to: Cell::new(None),
            ours: Cell::new(false),
            streaming: Cell::new(false),
            ended: Cell::new(None),
            tunnel: OnceCell::new(),
            stream: OnceCell::new(),
            error: RefCell::new(None),
        });
        conn.open_exchanges.set(conn.open_exchanges.get() + 1);
        exchange.place.set(
            worker
                .exchanges
                .borrow_mut()
                .insert(Rc::downgrade(&exchange)),
        );
        exchange
    }

    /// Ends it. What has not begun to answer answers with the reason; an answer of the tool that has
    /// begun is cut. Our own answers are short, and one of them may be what ended the session.
    pub fn end(&self, why: Stop) {
        if self.ours.get() {
            return;
        }
        self.stop.raise(why);
        if self.streaming.get() {
            match &self.http2 {
                Some(stream) => stream.cut(),
                None => self.conn.end(Ending::Cut),
            }
        }
    }

    /// Notes what went wrong, for the log; the first note stays.
    pub fn failed(&self, what: impl FnOnce() -> String) {
        let mut error = self.error.borrow_mut();
        if error.is_none() {
            *error = Some(what());
        }
    }

    /// Whether it became a tunnel.
    pub fn is_tunnel(&self) -> bool {
        self.tunnel.get().is_some()
    }

    /// Becomes a tunnel to `upstream`, which is left with who gives the answer to the client:
    /// the connection, over HTTP/2 the stream. Writes the event that it opened.
    pub fn becomes_tunnel(self: &Rc<Self>, upstream: Side<wire::Stream>, tunnel: upstream::Tunnel) {
        // Called once, by the gateway.
        drop(self.tunnel.set(tunnel));
        self.status.set(StatusCode::SWITCHING_PROTOCOLS.as_u16());
        self.log("tunnel opened", self.started.elapsed());
        self.meter().count_tunnel();
        let session = self.session_id();
        self.worker.shared.audit.write(&Event::TunnelOpened {
            user: self.user_name(),
            session: session.as_deref(),
            route: self.route_name(),
            client: self.client.get().ip(),
            request_id: self.id,
        });
        let tunnel = PendingTunnel {
            exchange: Rc::clone(self),
            upstream,
        };
        match &self.http2 {
            None => self.conn.open_tunnel(tunnel),
            Some(stream) => stream.open_tunnel(tunnel),
        }
    }

    /// Tells the audit log that policy or the cross-site rules refused it.
    pub fn refused(&self, reason: &'static str) {
        let client = self.client.get().ip();
        let like = Alike {
            reason,
            route: self.route_name(),
            network: client::network(client),
        };
        let event = Event::Refused {
            reason,
            user: self.user_name(),
            route: self.route_name(),
            method: self.method.as_str(),
            host: self.host_name(),
            path: self.uri.path(),
            client,
            request_id: self.id,
        };
        self.worker.shared.audit.write_first(like, &event);
    }

    /// A person did something on it: moves the session's idle clock.
    pub fn person_acted(&self) {
        if let Some(visitor) = self.visitor.get() {
            self.worker
                .visitors
                .touch(visitor, self.worker.shared.clock.now());
        }
    }

    /// Notes who is asking.
    pub fn recognize(&self, visitor: Rc<Visitor>) {
        // Called once, by the gateway.
        drop(self.visitor.set(visitor));
    }

    /// Notes what was asked for.
    pub fn matched(&self, view: &Rc<View>, route: RouteId) {
        // Called once, by the gateway.
        drop(self.route.set((Rc::clone(view), route)));
    }

    /// Takes a place among the user's open streams until the exchange ends. `Err`: `limit` are taken.
    /// Strangers, and all where there is no limit, are not counted.
    pub fn count_stream(&self, limit: Option<usize>) -> Result<(), Reject> {
        let (Some(limit), Some(visitor)) = (limit, self.visitor.get()) else {
            return Ok(());
        };
        let stream = self
            .worker
            .shared
            .open_stream(&visitor.session.user.name, limit);
        // Called once, by the gateway.
        drop(self.stream.set(stream.ok_or(Reject::TooManyStreams)?));
        Ok(())
    }

    /// Waits for `future`, unless the exchange is ended first: `Err(Reject::Stopped)`.
    pub const fn unless_stopped<F: Future>(&self, future: F) -> UnlessStopped<'_, F> {
        UnlessStopped {
            stop: &self.stop,
            future,
        }
    }

    /// The worker that it runs on.
    pub const fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// The connection that it came in on.
    pub const fn conn(&self) -> &Rc<Conn> {
        &self.conn
    }

    /// The stream that it is on, over HTTP/2.
    pub const fn http2(&self) -> Option<&Rc<Stream>> {
        self.http2.as_ref()
    }

    /// Name of the route that it matched.
    pub fn route_name(&self) -> Option<&str> {
        let (view, id) = self.route.get()?;
        Some(view.route(*id)?.name.as_str())
    }

    /// The host that was asked; `None`: what stood there is none.
    pub fn host(&self) -> Option<Host> {
        let text = self.host.as_ref()?.to_str().ok()?;
        Host::parse_authority(text).ok().map(|(host, _port)| host)
    }

    /// `host/path` as asked, without query.
    pub fn address(&self) -> String {
        format!("{}{}", self.host_name(), self.uri.path())
    }

    fn host_name(&self) -> &str {
        let host = self.host.as_ref().and_then(|host| host.to_str().ok());
        host.unwrap_or_default()
    }

    fn user_name(&self) -> Option<&str> {
        let visitor = self.visitor.get()?;
        Some(visitor.session.user.name.as_str())
    }

    fn session_id(&self) -> Option<String> {
        let visitor = self.visitor.get()?;
        Some(visitor.session.id.to_string())
    }

    /// Adds to the bytes that came from the client.
    pub fn received(&self, bytes: usize) {
        self.bytes_in.set(self.bytes_in.get() + bytes as u64);
    }

    /// Adds to the bytes that went to the client.
    pub fn sent(&self, bytes: usize) {
        self.bytes_out.set(self.bytes_out.get() + bytes as u64);
    }

    fn meter(&self) -> &meter::Meter {
        let (route, meters) = (self.route.get(), &self.worker.meters);
        let meter = route.and_then(|(view, id)| view.meter(*id, meters));
        meter.unwrap_or(&meters.none)
    }

    fn audit_closed(&self, elapsed: Duration) {
        let session = self.session_id();
        self.worker.shared.audit.write(&Event::TunnelClosed {
            reason: self.ended.get().map_or("cut", EndedBy::name),
            user: self.user_name(),
            session: session.as_deref(),
            route: self.route_name(),
            client: self.client.get().ip(),
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            seconds: elapsed,
            request_id: self.id,
        });
    }

    fn log(&self, message: &'static str, elapsed: Duration) {
        let route = self.route.get().and_then(|(view, id)| view.route(*id));
        let error = self.error.borrow();
        self.worker.access_log.write(&Record {
            at: self.worker.shared.clock.now(),
            message,
            request_id: self.id,
            client: self.client.get().ip(),
            user: self.user_name(),
            method: &self.method,
            host: self.host_name(),
            path: self.uri.path(),
            route: route.map(|route| route.name.as_str()),
            upstream: route
                .zip(self.sent_to.get())
                .and_then(|(route, place)| route.targets.text(place)),
            status: self.status.get(),
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            elapsed,
            error: error.as_deref(),
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.worker
            .exchanges
            .borrow_mut()
            .try_remove(self.place.get());
        self.conn
            .open_exchanges
            .set(self.conn.open_exchanges.get().saturating_sub(1));
        let elapsed = self.started.elapsed();
        let tunnel = self.is_tunnel();
        self.meter().count(meter::Ended {
            status: self.status.get(),
            elapsed: (!tunnel).then_some(elapsed),
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
        });
        let message = if tunnel { "tunnel closed" } else { "request" };
        self.log(message, elapsed);
        if tunnel {
            self.audit_closed(elapsed);
        }
    }
}
