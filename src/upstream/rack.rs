//! The connections of one target: the idle ones on the rack, the lent ones with a lease.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::spawn_local,
    time::{Instant, timeout},
};

use super::{
    Error, Options,
    balance::Standing,
    connection::{Connection, RequestBody},
    health::Health,
    slots::{Answer, Slot, Slots},
    tally::Tally,
    target::Target,
};
use crate::telemetry::meter;

/// One target. The rack is last in, first out: what is used stays warm, the rest ages.
#[derive(Debug)]
pub(super) struct Rack<B> {
    pub(super) target: Arc<Target>,
    /// Looked at only where a route has several targets.
    pub(super) health: Health,
    /// The turn that it had last, of the choices among several targets.
    pub(super) last: Cell<usize>,
    pub(super) tally: Rc<Tally>,
    options: Options,
    idle: RefCell<Vec<Idle<B>>>,
    slots: Rc<Slots>,
    tunnels: Tunnel,
}

/// How a target is, as one worker knows it.
#[derive(Clone, Debug)]
pub struct TargetState {
    /// As configured.
    pub address: String,
    /// How long it is still put aside; `None`: it is not. Only where a route has several targets.
    pub aside: Option<Duration>,
    /// Idle connections.
    pub idle: usize,
    /// Requests that run or wait.
    pub requests: usize,
    /// Open tunnels.
    pub tunnels: usize,
}

/// What a tunnel holds while it is open, so that it is counted where it goes to.
#[derive(Debug, Default)]
pub struct Tunnel(Rc<()>);

#[derive(Debug)]
struct Idle<B> {
    connection: Connection<B>,
    until: Instant,
}

/// A connection in use. Dropping it closes the connection; [`Lease::finish`] puts it back.
#[derive(Debug)]
pub(super) struct Lease<B> {
    pub(super) connection: Connection<B>,
    home: Home<B>,
}

/// Where a leased connection goes.
#[derive(Debug)]
pub(super) enum Home<B> {
    /// Nowhere: it was opened for one request to the target of this name.
    None(String),
    /// Back on the rack, for so long.
    Rack {
        rack: Rc<Rack<B>>,
        idle: Duration,
        slot: Slot,
    },
}

impl<B: RequestBody> Rack<B> {
    pub(super) fn new(target: &Arc<Target>, options: Options, tally: Rc<Tally>) -> Rc<Self> {
        Rc::new(Self {
            target: Arc::clone(target),
            health: Health::default(),
            last: Cell::default(),
            tally,
            options,
            idle: RefCell::default(),
            slots: Slots::new(options.max_active, options.max_waiting),
            tunnels: Tunnel::default(),
        })
    }

    /// For messages.
    pub(super) fn name(&self) -> &str {
        &self.target.name
    }

    /// How it stands among other targets.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        Standing {
            aside: self.health.aside(now),
            load: self.slots.load() + self.open_tunnels(),
            last: self.last.get(),
        }
    }

    /// The same for operators.
    pub(super) fn state(&self, now: Instant) -> TargetState {
        TargetState {
            address: self.target.text().to_owned(),
            aside: self.health.aside(now).map(|until| until - now),
            idle: self.idle(),
            requests: self.slots.load(),
            tunnels: self.open_tunnels(),
        }
    }

    /// The target is there.
    pub(super) fn connected(&self) {
        if self.health.connected() {
            tracing::info!(upstream = self.name(), "an upstream is back");
        }
    }

    /// Counts a tunnel in, until what is given is dropped.
    pub(super) fn tunnel(&self) -> Tunnel {
        Tunnel(Rc::clone(&self.tunnels.0))
    }

    fn open_tunnels(&self) -> usize {
        Rc::strong_count(&self.tunnels.0) - 1
    }

    /// The right to use one connection; waits for it in a queue, within limits.
    pub(super) async fn slot(&self) -> Result<Slot, Error> {
        match self.slots.ask() {
            Answer::Now(slot) => Ok(slot),
            Answer::Full => Err(self.busy()),
            // Boxed, like all that is rare.
            Answer::Wait(wait) => Box::pin(timeout(self.options.max_wait, wait))
                .await
                .map_err(|_| self.busy()),
        }
    }

    /// The idle connection that was used last, if it still can be.
    pub(super) fn pop(&self) -> Option<Connection<B>> {
        let now = Instant::now();
        loop {
            let idle = self.idle.borrow_mut().pop()?;
            if self.is_good(&idle, now) {
                return Some(idle.connection);
            }
        }
    }

    /// Closes what is dead, idle for too long or too old.
    pub(super) fn sweep(&self, now: Instant) {
        self.idle
            .borrow_mut()
            .retain(|idle| self.is_good(idle, now));
    }

    /// Nothing is idle, nobody else knows of this rack, and nothing bad is known of the target.
    pub(super) fn is_forgotten(self: &Rc<Self>, now: Instant) -> bool {
        Rc::strong_count(self) == 1
            && self.open_tunnels() == 0
            && self.idle.borrow().is_empty()
            && !self.health.is_known(now)
    }

    pub(super) fn idle(&self) -> usize {
        self.idle.borrow().len()
    }

    /// What is open and under way now.
    pub(super) fn numbers(&self, now: Instant) -> meter::Target {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        meter::Target {
            busy: count(self.slots.active()),
            idle: count(self.idle()),
            tunnels: count(self.open_tunnels()),
            waiting: count(self.slots.load() - self.slots.active()),
            aside: u64::from(self.health.aside(now).is_some()),
            ..meter::Target::default()
        }
    }

    fn put(&self, connection: Connection<B>, idle: Duration) {
        let mut rack = self.idle.borrow_mut();
        if rack.len() < self.options.max_idle {
            let until = Instant::now() + idle;
            rack.push(Idle { connection, until });
        }
    }

    fn is_good(&self, idle: &Idle<B>, now: Instant) -> bool {
        let connection = &idle.connection;
        connection.sender.is_ready()
            && now < idle.until
            && now < connection.born + self.options.max_age
    }

    fn busy(&self) -> Error {
        Error::Busy {
            target: self.name().to_owned(),
            active: self.slots.active(),
        }
    }
}

impl<B: RequestBody> Lease<B> {
    pub(super) const fn new(connection: Connection<B>, home: Home<B>) -> Self {
        Self { connection, home }
    }

    /// The answer is at its end. The connection goes back when hyper is ready for another
    /// request, which is now unless the request body is still under way.
    pub(super) fn finish(mut self) {
        if matches!(self.home, Home::None(_)) || self.connection.sender.is_closed() {
            return;
        }
        if self.connection.sender.is_ready() {
            return self.put_back();
        }
        spawn_local(async move {
            let ready = self.connection.sender.ready();
            if matches!(timeout(FINISH_UPLOAD, ready).await, Ok(Ok(()))) {
                self.put_back();
            }
        });
    }

    /// Something of the answer's body has come.
    pub(super) fn progressed(&self) {
        self.connection.link.progressed();
    }

    /// The target's name, for messages.
    pub(super) fn name(&self) -> String {
        match &self.home {
            Home::None(name) => name.clone(),
            Home::Rack { rack, .. } => rack.name().to_owned(),
        }
    }

    fn put_back(self) {
        if let Home::Rack { rack, idle, slot } = self.home {
            // First the connection, so that whoever waits for the slot finds it.
            rack.put(self.connection, idle);
            drop(slot);
        }
    }
}

/// How long a request body may go on after the answer's end before the connection is closed.
const FINISH_UPLOAD: Duration = Duration::from_secs(30);
