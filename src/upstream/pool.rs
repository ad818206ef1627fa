//! The pool: racks by target, one sweeper, and the rule of when a request is sent again.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::{Rc, Weak},
    time::Duration,
};

use http::{Request, Response, header::HOST};
use hyper::body::Incoming;
use tokio::{
    task::spawn_local,
    time::{Instant, sleep},
};

use super::{
    Error, Options, Timeouts,
    body::UpstreamBody,
    connection::{Again, Connection, RequestBody, handshake},
    dial::dial,
    rack::{Home, Lease, Rack},
    replay::{Replay, Spares},
    slots::Slot,
};
use crate::config::Upstream;

/// The upstream connections of one worker thread, to be used in its `LocalRuntime` only. Cheap to
/// clone. A connection carries nothing from one request to the next.
#[derive(Debug)]
pub struct Pool<B>(Rc<Inner<B>>);

#[derive(Debug)]
struct Inner<B> {
    options: Options,
    racks: RefCell<HashMap<Upstream, Rc<Rack<B>>>>,
    spares: Spares,
    sweeping: Cell<bool>,
}

impl<B: RequestBody> Pool<B> {
    /// An empty pool.
    pub fn new(options: Options) -> Self {
        Self(Rc::new(Inner {
            options,
            racks: RefCell::default(),
            spares: Spares::default(),
            sweeping: Cell::new(false),
        }))
    }

    /// Sends a request and gives the answer's head with its body to come.
    ///
    /// `request` has an origin-form target and exactly one `Host`; the version is ours.
    ///
    /// It is sent again, once and on a fresh connection, when a connection that was used before
    /// failed and either hyper had not begun to send it, or not a byte of an answer had come and
    /// it is a GET, HEAD, OPTIONS or TRACE without a body.
    pub async fn send(
        &self,
        target: &Upstream,
        request: Request<B>,
        timeouts: &Timeouts,
    ) -> Result<Response<UpstreamBody<B>>, Error> {
        debug_assert!(
            is_ours(&request),
            "origin form and one Host, {:?}",
            request.uri()
        );
        let rack = self.rack(target);
        let slot = rack.slot().await?;
        let mut request = request;
        let limit = timeouts.response;
        if let Some(mut connection) = rack.pop() {
            let replay = Replay::of(&request, &self.0.spares);
            match connection.exchange(request, &rack.name, limit).await {
                Ok(response) => {
                    if let Some(replay) = replay {
                        replay.discard(&self.0.spares);
                    }
                    return Ok(lend(response, connection, (rack, slot), timeouts));
                }
                Err(failed) => {
                    request = match (failed.again, replay) {
                        (Again::Unsent(request), _) => *request,
                        (Again::Unanswered, Some(replay)) => replay.into_request(),
                        _ => return Err(failed.error),
                    };
                    tracing::debug!(error = %failed.error, "sent again on a fresh connection");
                }
            }
        }
        let mut connection = open(&rack, timeouts).await?;
        match connection.exchange(request, &rack.name, limit).await {
            Ok(response) => Ok(lend(response, connection, (rack, slot), timeouts)),
            Err(failed) => Err(failed.error),
        }
    }

    /// Idle connections, over all targets.
    pub fn idle(&self) -> usize {
        self.0.racks.borrow().values().map(|rack| rack.idle()).sum()
    }

    /// No target has had a connection, idle or in use, since the last sweep.
    pub fn is_empty(&self) -> bool {
        self.0.racks.borrow().is_empty()
    }

    fn rack(&self, target: &Upstream) -> Rc<Rack<B>> {
        if let Some(rack) = self.0.racks.borrow().get(target) {
            return Rc::clone(rack);
        }
        let rack = Rack::new(target, self.0.options);
        self.0
            .racks
            .borrow_mut()
            .insert(target.clone(), Rc::clone(&rack));
        if !self.0.sweeping.replace(true) {
            spawn_local(sweep(Rc::downgrade(&self.0)));
        }
        rack
    }
}

impl<B> Clone for Pool<B> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

/// The answer, with the connection it comes on in its body.
fn lend<B: RequestBody>(
    response: Response<Incoming>,
    connection: Connection<B>,
    (rack, slot): (Rc<Rack<B>>, Slot),
    timeouts: &Timeouts,
) -> Response<UpstreamBody<B>> {
    let home = Home::Rack {
        rack,
        idle: timeouts.idle,
        slot,
    };
    let lease = Lease::new(connection, home);
    response.map(|body| UpstreamBody::new(body, lease, timeouts.stall))
}

async fn open<B: RequestBody>(rack: &Rack<B>, timeouts: &Timeouts) -> Result<Connection<B>, Error> {
    let io = dial(&rack.target, timeouts.connect).await?;
    let (sender, link, driver) = handshake(io).await.map_err(|source| Error::Closed {
        target: rack.name.clone(),
        source,
    })?;
    Ok(Connection::spawn(sender, link, driver))
}

/// Runs while there is anything to look after.
async fn sweep<B: RequestBody>(pool: Weak<Inner<B>>) {
    loop {
        sleep(SWEEP_EVERY).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = Instant::now();
        let mut racks = pool.racks.borrow_mut();
        racks.retain(|_, rack| {
            rack.sweep(now);
            !rack.is_forgotten()
        });
        if racks.is_empty() {
            pool.sweeping.set(false);
            return;
        }
    }
}

/// What hyper would send as it stands.
pub(super) fn is_ours<B>(request: &Request<B>) -> bool {
    let uri = request.uri();
    let origin_form = uri.scheme().is_none() && uri.authority().is_none();
    origin_form && request.headers().get_all(HOST).iter().count() == 1
}

const SWEEP_EVERY: Duration = Duration::from_secs(1);
