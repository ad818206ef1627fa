//! What runs: the snapshot built from a configuration, the workers, start, reload and stop.
//!
//! A [`Runtime`] is built from a valid `Config` and never changes; a reload builds another and swaps
//! it. Workers notice by one atomic generation and renew their [`View`]; a request keeps the view
//! that it began with. Sessions and open connections outlive it. `server` has start and stop,
//! `worker` the data path's threads.

mod descriptors;
mod measure;
mod operate;
mod own_certificate;
mod reach;
mod reloads;
mod restart;
mod server;
mod signal;
mod worker;

use std::{
    cell::OnceCell,
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use dashmap::DashMap;

pub use descriptors::raise_descriptor_limit;
pub use operate::ReloadRequest;
pub use reach::{Reach, Reached};
use reloads::Reloads;
pub use server::{Options, Server, StartError};
pub use signal::Signal;
#[cfg(test)]
pub use worker::IdleWorker;
pub use worker::{Worker, WorkerHandle};

use crate::{
    app::BadToken,
    client::TrustedProxies,
    clock::{Clock, Timestamp},
    config::{self, Config, HostPattern},
    http::{gate, site::Host, sites::Sites},
    pages,
    policy::Policy,
    rewrite::Rules,
    route::{RouteId, RouteTable},
    session::Sessions,
    telemetry::{
        audit::Audit,
        meter::{Meter, Meters},
    },
    ui::Look,
    upstream::{BadTarget, Roots, Targets, Timeouts},
};

/// One configuration, ready to serve. Immutable.
#[derive(Debug)]
pub struct Runtime {
    /// The main addresses.
    pub sites: Sites,
    /// How our pages look.
    pub look: Look,
    /// Whose `X-Forwarded-*` is believed.
    pub trusted: TrustedProxies,
    /// `[limits]`
    pub limits: config::Limits,
    /// `[admin]`
    pub admin: config::Admin,
    /// How long a session lasts at most.
    pub session_lifetime: Duration,
    /// Host and path to route.
    pub table: RouteTable,
    routes: Vec<Route>,
    by_name: HashMap<String, usize>,
}

/// A route that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("route {route:?}")]
pub struct RouteError {
    /// Its name.
    pub route: String,
    /// Why.
    pub source: RouteFault,
}

/// What is wrong with a route.
#[derive(Debug, thiserror::Error)]
pub enum RouteFault {
    /// Its upstreams cannot be dialed.
    #[error(transparent)]
    Target(#[from] BadTarget),
    /// No header can carry its token.
    #[error(transparent)]
    Token(#[from] BadToken),
}

/// One route, ready to serve.
#[derive(Debug)]
pub struct Route {
    /// As configured; the table's index is its place here.
    pub config: config::Route,
    /// Same as `config.name`; stands in logs.
    pub name: String,
    /// How its requests and answers are rewritten.
    pub rules: Rules,
    /// Who may use it.
    pub policy: Policy,
    /// Where it goes.
    pub targets: Targets,
    /// How long we wait for it.
    pub timeouts: Timeouts,
    /// Whether it answered last.
    pub reach: Reach,
}

impl Runtime {
    /// Builds it; reads the authorities of https upstreams, and nothing else. `Err`: a route cannot
    /// be served. Other files and sockets are for listeners and store.
    pub fn new(config: Config) -> Result<Self, RouteError> {
        let sites = config.server.sites();
        let table = RouteTable::new(&config.routes, &sites);
        let mut roots = Roots::default();
        let routes: Vec<Route> = config
            .routes
            .into_iter()
            .enumerate()
            .map(|(place, route)| {
                let name = route.name.clone();
                let id = RouteId::new(place);
                Route::new(id, route, &mut roots).map_err(|source| RouteError {
                    route: name,
                    source,
                })
            })
            .collect::<Result<_, _>>()?;
        let by_name = routes
            .iter()
            .enumerate()
            .map(|(place, route)| (route.name.clone(), place))
            .collect();
        Ok(Self {
            sites,
            look: Look::new(&config.ui),
            trusted: TrustedProxies::from(&config.trust),
            limits: config.limits,
            admin: config.admin,
            session_lifetime: config.session.lifetime,
            table,
            routes,
            by_name,
        })
    }

    /// The route of an index that this snapshot's table gave; `None` for an index of another one.
    pub fn route(&self, id: RouteId) -> Option<&Route> {
        self.routes.get(id.index())
    }

    /// The route of a name; `None`: gone.
    pub fn route_named(&self, name: &str) -> Option<&Route> {
        self.by_name
            .get(name)
            .and_then(|place| self.routes.get(*place))
    }

    /// All routes, in file order.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }
}

impl Route {
    /// Whether it answers on this host, where no other route is nearer to that.
    pub fn is_on(&self, host: &Host, sites: &Sites) -> bool {
        match &self.config.host {
            None => sites.is_main_host(host),
            Some(HostPattern::Exact(own)) => own == host,
            Some(HostPattern::Suffix(parent)) => {
                let below = host.as_str().strip_suffix(parent.as_str());
                below.is_some_and(|labels| labels.ends_with('.'))
            }
        }
    }

    /// Whether it can be reached by the listener of this name.
    pub fn is_behind(&self, listener: &str) -> bool {
        let required = self.config.require_listener.as_deref();
        required.is_none_or(|required| required == listener)
    }

    fn new(id: RouteId, config: config::Route, roots: &mut Roots) -> Result<Self, RouteFault> {
        let rules = Rules::compile(id, &config)?;
        let targets = Targets::new(&config.upstreams, config.upstream_ca.as_deref(), roots)?;
        Ok(Self {
            name: config.name.clone(),
            policy: Policy::compile(id, &config.access),
            targets,
            timeouts: Timeouts {
                connect: config.connect_timeout,
                idle: rules.adapter().upstream_idle(),
                response: config.response_timeout,
                stall: config.stall_timeout,
            },
            rules,
            reach: Reach::default(),
            config,
        })
    }
}

/// A worker's view of the snapshot: an `Rc` of this is what a request holds, so that no reference
/// count shared between threads is written per request.
#[derive(Debug)]
pub struct View {
    runtime: Arc<Runtime>,
    /// What the head gate enforces.
    pub gate_limits: Rc<gate::Limits>,
    /// By route; found when a request first needs one.
    meters: Box<[OnceCell<Rc<Meter>>]>,
}

impl View {
    /// A view of one snapshot. What `meters` know of routes that are gone is forgotten.
    pub fn new(runtime: Arc<Runtime>, meters: &Meters) -> Self {
        let limits = &runtime.limits;
        let gate_limits = Rc::new(gate::Limits {
            header_timeout: limits.header_timeout,
            keep_alive_timeout: limits.keep_alive_timeout,
            upload_timeout: limits.upload_timeout,
            download_timeout: limits.download_timeout,
            max_header_bytes: limits.max_header_bytes,
            max_headers: limits.max_headers,
        });
        meters.forget(|name| runtime.by_name.contains_key(name));
        Self {
            gate_limits,
            meters: runtime.routes.iter().map(|_| OnceCell::new()).collect(),
            runtime,
        }
    }
}

impl View {
    /// What counts the requests of a route, one of the worker's `meters`.
    pub fn meter(&self, id: RouteId, meters: &Meters) -> Option<&Meter> {
        let meter = self.meters.get(id.index())?;
        let route = self.route(id)?;
        Some(meter.get_or_init(|| meters.of(&route.name)))
    }

    /// The snapshot itself, for another thread.
    pub fn snapshot(&self) -> Arc<Runtime> {
        Arc::clone(&self.runtime)
    }
}

impl std::ops::Deref for View {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        &self.runtime
    }
}

/// What all threads share.
#[derive(Debug)]
pub struct Shared {
    /// The snapshot that new requests get.
    pub runtime: ArcSwap<Runtime>,
    /// Snapshots that were swapped out and may still be held.
    retired: Mutex<Vec<Arc<Runtime>>>,
    /// Moves with every swap; see [`Shared::swap`].
    generation: AtomicU64,
    /// Whether the last configuration was taken, and how many were not.
    reloads: Reloads,
    /// Client connections that a limit refused.
    refused_connections: AtomicU64,
    /// When the server was started.
    started: Timestamp,
    /// The shared truth about sessions.
    pub sessions: Arc<Sessions>,
    /// Our own pages, on the control runtime.
    pub pages: pages::PagesHandle,
    /// Wall-clock time.
    pub clock: Clock,
    /// The audit log.
    pub audit: Audit,
    /// Open streams by user name; counted only while `max_streams_per_user` is set.
    pub streams: DashMap<String, Arc<AtomicUsize>>,
}

/// A place among one user's open streams, given back when dropped.
#[derive(Debug)]
pub struct OpenStream(Arc<AtomicUsize>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// One more stream of this user; `None`: `limit` are open. Atomic over all workers.
    pub fn open_stream(&self, user: &str, limit: usize) -> Option<OpenStream> {
        let open = match self.streams.get(user) {
            Some(open) => Arc::clone(&open),
            None => Arc::clone(&self.streams.entry(user.to_owned()).or_default()),
        };
        let stream = OpenStream(open);
        (stream.0.fetch_add(1, Ordering::Relaxed) < limit).then_some(stream)
    }

    /// What all threads share from the start.
    pub fn new(
        runtime: Runtime,
        sessions: Arc<Sessions>,
        pages: pages::PagesHandle,
        clock: Clock,
        audit: Audit,
    ) -> Self {
        Self {
            runtime: ArcSwap::from_pointee(runtime),
            retired: Mutex::default(),
            generation: AtomicU64::new(0),
            reloads: Reloads::new(clock.now()),
            refused_connections: AtomicU64::new(0),
            started: clock.now(),
            sessions,
            pages,
            clock,
            audit,
            streams: DashMap::new(),
        }
    }

    /// Moves with every swap of the snapshot. Read before the snapshot itself, so that no swap is
    /// missed.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Counts a client connection that a limit refused.
    pub fn refuse_connection(&self) {
        self.refused_connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives new requests another snapshot; says its generation.
    pub fn swap(&self, runtime: Runtime) -> u64 {
        let old = self.runtime.swap(Arc::new(runtime));
        self.retired().push(old);
        self.reloads.applied(self.clock.now());
        self.generation.fetch_add(1, Ordering::Release) + 1
    }

    /// Takes down the swapped-out snapshots that nobody holds any more. That takes milliseconds where
    /// there are thousands of routes: workers let go, and leave this to the control side.
    pub fn drop_retired(&self) {
        let unused = |old: &mut Arc<Runtime>| Arc::strong_count(old) == 1;
        let unused: Vec<_> = self.retired().extract_if(.., unused).collect();
        drop(unused);
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Arc<Runtime>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
