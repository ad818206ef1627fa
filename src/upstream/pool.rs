//! The pool: racks by target, one sweeper, and the rule of when a request is sent again.
//!
//! A request that was not sent, because a target could not be connected to, goes to the next target
//! of its route; which that is, says `balance`.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, HashSet},
    error::Error as _,
    rc::{Rc, Weak},
    sync::Arc,
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
    balance::{Tried, choose},
    body::UpstreamBody,
    connection::{Again, Connection, RequestBody, handshake},
    dial::dial,
    health::Attempt,
    names::Names,
    rack::{Home, Lease, Rack, TargetState},
    replay::{Replay, Spares},
    slots::Slot,
    tally::Tally,
    target::{Key, Target, Targets},
};
use crate::{telemetry::meter, wire::Stream};

/// The upstream connections of one worker thread, to be used in its `LocalRuntime` only. Cheap to
/// clone. A connection carries nothing from one request to the next.
#[derive(Debug)]
pub struct Pool<B>(Rc<Inner<B>>);

#[derive(Debug)]
struct Inner<B> {
    options: Options,
    racks: RefCell<HashMap<Key, Rc<Rack<B>>>>,
    tallies: RefCell<HashMap<Key, (String, Rc<Tally>)>>,
    names: Names,
    spares: Spares,
    sweeping: Cell<bool>,
    /// Choices among several targets so far.
    turn: Cell<usize>,
}

/// The way of one request through the targets of its route.
#[derive(Debug)]
pub(super) struct Way<'a, B> {
    pool: &'a Pool<B>,
    targets: &'a Targets,
    /// Told of each target that is tried.
    told: &'a Cell<Option<usize>>,
    tried: Tried,
}

/// One target of several that is tried; `None` where there is no other.
pub(super) type Trial = Option<Attempt>;

impl<B: RequestBody> Pool<B> {
    /// An empty pool.
    pub fn new(options: Options) -> Self {
        Self::with(options, Names::default())
    }

    /// One that asks somebody else than the system for names.
    #[cfg(test)]
    pub(super) fn with_resolver(options: Options, resolver: super::names::Resolver) -> Self {
        Self::with(options, Names::new(resolver))
    }

    fn with(options: Options, names: Names) -> Self {
        Self(Rc::new(Inner {
            options,
            racks: RefCell::default(),
            tallies: RefCell::default(),
            names,
            spares: Spares::default(),
            sweeping: Cell::new(false),
            turn: Cell::new(0),
        }))
    }

    /// Sends a request to one of `targets` and gives the answer's head with its body to come. `told`
    /// gets the place of each target that is tried, and so holds the one that was used.
    ///
    /// `request` has an origin-form target and exactly one `Host`; the version is ours.
    ///
    /// It is sent again, once and on a fresh connection, when a connection that was used before
    /// failed and either hyper had not begun to send it, or not a byte of an answer had come and
    /// it is a GET, HEAD, OPTIONS or TRACE without a body. A target that cannot be connected to has
    /// been sent nothing: another one is tried, each once.
    pub async fn send(
        &self,
        targets: &Targets,
        mut request: Request<B>,
        timeouts: &Timeouts,
        told: &Cell<Option<usize>>,
    ) -> Result<Response<UpstreamBody<B>>, Error> {
        debug_assert!(
            is_ours(&request),
            "origin form and one Host, {:?}",
            request.uri()
        );
        let mut again = false;
        let limit = timeouts.response;
        let mut way = self.way(targets, told);
        loop {
            let (rack, trial) = way.next()?;
            let slot = rack.slot().await?;
            if !again && let Some(mut connection) = rack.pop() {
                rack.tally.reuses.more();
                let replay = Replay::of(&request, &self.0.spares);
                match connection.exchange(request, rack.name(), limit).await {
                    Ok(response) => {
                        if let Some(replay) = replay {
                            replay.discard(&self.0.spares);
                        }
                        if trial.is_some() {
                            rack.connected();
                        }
                        return Ok(lend(response, connection, (rack, slot), timeouts));
                    }
                    Err(failed) => {
                        request = match (failed.again, replay) {
                            (Again::Unsent(request), _) => *request,
                            (Again::Unanswered, Some(replay)) => replay.into_request(),
                            _ => return Err(failed.error),
                        };
                        again = true;
                        rack.tally.retries.more();
                        tracing::debug!(error = %failed.error, "sent again on a fresh connection");
                    }
                }
            }
            // Boxed, so that requests that find a connection need not hold room for it.
            let Some(io) = Box::pin(way.dial(&rack, trial, timeouts.connect)).await? else {
                continue;
            };
            let mut connection = Box::pin(open(&rack, io)).await?;
            let answer = Box::pin(connection.exchange(request, rack.name(), limit));
            return match answer.await {
                Ok(response) => Ok(lend(response, connection, (rack, slot), timeouts)),
                Err(failed) => Err(failed.error),
            };
        }
    }

    /// Idle connections, over all targets.
    pub fn idle(&self) -> usize {
        self.0.racks.borrow().values().map(|rack| rack.idle()).sum()
    }

    /// Numbers of all targets, by their address in the configuration. What was counted of those that
    /// are not `in_use` any more, and have nothing open, is forgotten.
    pub fn numbers<'a>(
        &self,
        in_use: impl Iterator<Item = &'a Targets>,
    ) -> BTreeMap<String, meter::Target> {
        let (now, racks) = (Instant::now(), self.0.racks.borrow());
        let in_use = in_use.flat_map(Targets::list);
        let in_use: HashSet<&Key> = in_use
            .map(|target| {
                drop(self.tally(target));
                &target.key
            })
            .collect();
        let mut tallies = self.0.tallies.borrow_mut();
        tallies.retain(|key, _| in_use.contains(key) || racks.contains_key(key));
        let mut numbers = BTreeMap::<String, meter::Target>::new();
        for (key, (text, tally)) in tallies.iter() {
            let target = numbers.entry(text.clone()).or_default();
            target.add(&tally.numbers());
            if let Some(rack) = racks.get(key) {
                target.add(&rack.numbers(now));
            }
        }
        numbers
    }

    /// How the targets are that have been used of late, in no order.
    pub fn targets(&self) -> Vec<TargetState> {
        let now = Instant::now();
        let racks = self.0.racks.borrow();
        racks.values().map(|rack| rack.state(now)).collect()
    }

    fn tally(&self, target: &Target) -> Rc<Tally> {
        let mut tallies = self.0.tallies.borrow_mut();
        if let Some((_, tally)) = tallies.get(&target.key) {
            return Rc::clone(tally);
        }
        let tally = Rc::<Tally>::default();
        let known = (target.text.clone(), Rc::clone(&tally));
        tallies.insert(target.key.clone(), known);
        tally
    }

    /// No target has had a connection, idle or in use, since the last sweep.
    pub fn is_empty(&self) -> bool {
        self.0.racks.borrow().is_empty()
    }

    pub(super) fn way<'a>(
        &'a self,
        targets: &'a Targets,
        told: &'a Cell<Option<usize>>,
    ) -> Way<'a, B> {
        Way {
            pool: self,
            targets,
            told,
            tried: Tried::default(),
        }
    }

    fn rack(&self, target: &Arc<Target>) -> Rc<Rack<B>> {
        if let Some(rack) = self.0.racks.borrow().get(&target.key) {
            return Rc::clone(rack);
        }
        let rack = Rack::new(target, self.0.options, self.tally(target));
        self.0
            .racks
            .borrow_mut()
            .insert(target.key.clone(), Rc::clone(&rack));
        if !self.0.sweeping.replace(true) {
            spawn_local(sweep(Rc::downgrade(&self.0)));
        }
        rack
    }
}

impl<B: RequestBody> Way<'_, B> {
    /// The target to try next.
    pub(super) fn next(&mut self) -> Result<(Rc<Rack<B>>, Trial), Error> {
        let list = self.targets.list();
        if let [only] = list {
            self.told.set(Some(0));
            return Ok((self.pool.rack(only), None));
        }
        let now = Instant::now();
        let pool = &self.pool.0;
        let turn = pool.turn.get().wrapping_add(1);
        let place = {
            let racks = pool.racks.borrow();
            let standing = |target: &Arc<Target>| {
                let rack = racks.get(&target.key);
                rack.map(|rack| rack.standing(now)).unwrap_or_default()
            };
            choose(list.iter().map(standing), self.tried, turn)
        };
        let chosen = place.and_then(|place| Some((place, list.get(place)?)));
        let (place, target) = chosen.ok_or(Error::NoTarget)?;
        pool.turn.set(turn);
        self.tried.add(place);
        self.told.set(Some(place));
        let rack = self.pool.rack(target);
        rack.last.set(turn);
        let attempt = rack.health.begin(now);
        Ok((rack, Some(attempt)))
    }

    /// Connects. `None`: it cannot be, but another target is left.
    pub(super) async fn dial(
        &self,
        rack: &Rack<B>,
        trial: Trial,
        limit: Duration,
    ) -> Result<Option<Stream>, Error> {
        let result = dial(&rack.target, &self.pool.0.names, limit).await;
        match result {
            Ok(_) => rack.tally.connects.more(),
            Err(_) => rack.tally.connect_failures.more(),
        }
        let Some(attempt) = trial else {
            return result.map(Some);
        };
        let error = match result {
            Ok(io) => {
                rack.connected();
                return Ok(Some(io));
            }
            Err(error) => error,
        };
        if let Some(aside) = rack.health.failed(attempt, Instant::now()) {
            let cause = error.source().map(ToString::to_string);
            let (cause, seconds) = (cause.as_deref(), aside.as_secs());
            tracing::warn!(%error, cause, seconds, "an upstream is put aside");
        }
        if self.tried.is_all(self.targets.list().len()) {
            return Err(error);
        }
        Ok(None)
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

async fn open<B: RequestBody>(rack: &Rack<B>, io: Stream) -> Result<Connection<B>, Error> {
    let (sender, link, driver) = handshake(io).await.map_err(|source| Error::Closed {
        target: rack.name().to_owned(),
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
            !rack.is_forgotten(now)
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
