//! Start, reload and stop of the whole server.
//!
//! Start builds first (certificates, store, sessions, sockets) and serves only when all of it is
//! there; what was half-started is dropped again. A reload validates and builds before it swaps.
//! Stop drains: no new connections, what is under way finishes within `limits.drain_timeout`.

use std::{
    collections::HashSet,
    fs::File,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    ReloadRequest, RouteError, Runtime, Shared, WorkerHandle, measure,
    operate::{Operated, ReloadInbox},
    own_certificate::OwnCertificate,
    restart::Fixed,
};
use crate::{
    admin::{Admin, AdminSocket, Operator, Probes, api},
    clock::Clock,
    config::{Address, AuditLog, Config, Tls},
    identity::{LocalUsers, SignInLinks, Throttle},
    listener::{self, Acceptor, Admission, Bound, tls},
    pages::{Pages, PagesHandle},
    session::{Ended, Forgery, Handovers, Session, Sessions},
    store::{self, StateDir, Store},
    telemetry::{
        Format,
        access::{AccessLog, Sink},
        audit::{Audit, Event},
        chain,
    },
};

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file of `log.audit`.
    #[error("log.audit: cannot write to {path}: {source}")]
    AuditLog {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The socket of `[admin] address`.
    #[error("admin.address: cannot listen on {address}: {source}")]
    Admin {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A thread or a runtime cannot be had.
    #[error("cannot start a thread: {0}")]
    Io(#[from] io::Error),
    /// A socket or a certificate.
    #[error(transparent)]
    Listener(#[from] Box<listener::Error>),
    /// A route.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The state folder or what is in it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl StartError {
    /// Whether the configuration has to be mended (exit code 78) rather than the machine (1).
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Listener(error) => matches!(**error, listener::Error::Tls { .. }),
            Self::Route(_) => true,
            Self::Admin { .. } | Self::AuditLog { .. } | Self::Io(_) | Self::Store(_) => false,
        }
    }
}

/// What a server is started with besides its configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// Wall-clock time.
    pub clock: Clock,
    /// How access lines look.
    pub log_format: Format,
    /// Where access lines go, and those of the audit log that have no file; `None`: stderr.
    pub access_log: Option<Arc<File>>,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    control: tokio::runtime::Runtime,
    tasks: TaskTracker,
    stopping: CancellationToken,
    /// Cancelled when the last request is over.
    ended: CancellationToken,
    shared: Arc<Shared>,
    users: Arc<LocalUsers>,
    store: Arc<Store>,
    workers: Arc<Vec<WorkerHandle>>,
    threads: Vec<thread::JoinHandle<()>>,
    log_writers: [thread::JoinHandle<()>; 2],
    listeners: Vec<Listening>,
    admin: Option<SocketAddr>,
    authority: Option<PathBuf>,
    /// What a reload leaves as it is.
    fixed: Fixed,
    reloads: ReloadInbox,
}

/// A listener that serves.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// `http://127.0.0.1:8000`, with the real port, or `unix:/run/labgate.sock`.
    pub url: String,
    /// The same as an address.
    pub address: Address,
}

impl Server {
    /// Opens the store in the configuration's state folder and starts. Blocks until all sockets are
    /// bound, so not inside an async runtime, and some seconds longer while another process has the
    /// store. `Err`: nothing is left running.
    pub fn start(config: Config, options: &Options) -> Result<Self, StartError> {
        let state = StateDir::open(&config.server.state_dir)?;
        for warning in state.warnings() {
            tracing::warn!("{warning}");
        }
        let store = open_store(&state)?;
        Self::start_with(config, store, options)
    }

    /// Starts on an open store; otherwise as [`Server::start`].
    pub fn start_with(
        config: Config,
        store: Arc<Store>,
        options: &Options,
    ) -> Result<Self, StartError> {
        let control = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("control")
            .enable_all()
            .build()?;
        let tasks = TaskTracker::new();
        let stopping = CancellationToken::new();
        let sessions = Arc::new(Sessions::open(
            Arc::clone(&store),
            options.clock.clone(),
            &config.session,
        )?);
        let users = Arc::new(LocalUsers::new(Arc::clone(&store), &config.local_users));
        let own = config
            .listeners
            .iter()
            .any(|listener| listener.tls == Some(Tls::SelfSigned))
            .then(|| {
                let folder = config.server.state_dir.join(StateDir::NAME).join("tls");
                OwnCertificate::new(folder, options.clock.clone())
            });
        let kept = own.as_ref().map(|own| own.for_config(&config)).transpose();
        let kept = kept.map_err(|error| Box::new(error.into()))?;
        let files = kept.as_ref().map(|kept| &kept.files);
        let mut bound = Vec::new();
        for listener in &config.listeners {
            let binding = Bound::bind(listener, files);
            bound.push(control.block_on(binding).map_err(Box::new)?);
        }
        let admin = match config.admin.address {
            Some(address) => {
                let bound = control.block_on(Admin::bind(address));
                Some(bound.map_err(|source| StartError::Admin { address, source })?)
            }
            None => None,
        };
        let (audit, audit_writer) = audit_log(&config.log.audit, options)?;
        let told = audit.clone();
        sessions.subscribe(move |session, why| session_ended(&told, session, why));
        let pages = Pages {
            sessions: Arc::clone(&sessions),
            users: Arc::clone(&users),
            links: SignInLinks::new(Arc::clone(&store), options.clock.clone()),
            throttle: Throttle::new(options.clock.clone()),
            handovers: Handovers::new(options.clock.clone()),
            forgery: Forgery::open(&store, options.clock.clone())?,
            sign_ins: Arc::default(),
            audit: audit.clone(),
        };
        let pages = {
            let _context = control.enter();
            PagesHandle::start(pages, &tasks)
        };
        let count = config.server.workers;
        let fixed = Fixed::of(&config);
        let shared = Shared::new(
            Runtime::new(config)?,
            sessions,
            pages,
            options.clock.clone(),
            audit,
        );
        let shared = Arc::new(shared);
        let (sink, log_writer) = match &options.access_log {
            Some(file) => Sink::start(Arc::clone(file))?,
            None => Sink::start(io::stderr())?,
        };
        let (workers, threads) = start_workers(count, &shared, &sink, options.log_format)?;
        let mut server = Self {
            control,
            tasks,
            stopping,
            ended: CancellationToken::new(),
            shared,
            users,
            store,
            workers: Arc::new(workers),
            threads,
            log_writers: [log_writer, audit_writer],
            listeners: Vec::new(),
            admin: admin.as_ref().map(|admin| admin.address),
            authority: kept.map(|kept| kept.authority),
            fixed,
            reloads: ReloadInbox::default(),
        };
        server.end_sessions_nobody_vouches_for();
        server.serve(bound);
        if let Some(own) = own {
            let renew = own.renew(Arc::clone(&server.shared));
            let stopping = server.stopping.clone();
            let _context = server.control.enter();
            server
                .tasks
                .spawn(stopping.run_until_cancelled_owned(renew));
        }
        server.serve_admin(admin, options.clock.clone());
        let version = env!("CARGO_PKG_VERSION");
        server.shared.audit.write(&Event::ServerStarted { version });
        Ok(server)
    }

    /// The listeners that serve.
    pub fn listeners(&self) -> &[Listening] {
        &self.listeners
    }

    /// Where `/metrics` is, with the real port.
    pub const fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// The file of our own authority, where a listener has `tls = "self-signed"`.
    pub fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }

    /// The users who sign in with a password.
    pub const fn users(&self) -> &Arc<LocalUsers> {
        &self.users
    }

    /// Runs a future on the calling thread, within the control side, while the server serves. Not
    /// inside an async runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.control.block_on(future)
    }

    /// From now on, who asks by the admin socket for the configuration to be loaded again is heard
    /// here, and waits for the answer.
    pub fn reload_requests(&self) -> mpsc::Receiver<ReloadRequest> {
        self.reloads.take()
    }

    /// Serves new requests by another configuration; what is under way and no longer let in ends.
    /// Gives the keys that changed and are the old ones until the next start. `Err`: all stays as it
    /// was.
    pub fn reload(&self, config: Config) -> Result<Vec<&'static str>, StartError> {
        let (local_users, session) = (config.local_users.clone(), config.session.clone());
        let log = config.log.audit.clone();
        let needs_restart = self.fixed.differences(&config);
        let runtime = Audit::check(&log)
            .map_err(|source| not_audited(&log, source))
            .and_then(|()| Ok(Runtime::new(config)?));
        let runtime = runtime.inspect_err(|_| self.reload_refused())?;
        let generation = self.shared.swap(runtime);
        let audit = &self.shared.audit;
        audit.turn_to(&log);
        audit.write(&Event::ConfigurationReloaded { generation });
        self.users.set_configured(&local_users);
        self.shared.sessions.set_limits(&session);
        for worker in self.workers.iter() {
            worker.reloaded();
        }
        self.end_sessions_nobody_vouches_for();
        tracing::info!("configuration reloaded");
        if !needs_restart.is_empty() {
            tracing::warn!(keys = ?needs_restart, "changes that need a restart are not in use");
        }
        Ok(needs_restart)
    }

    /// Tells the audit log that a configuration was not taken, and opens its file anew, as a reload
    /// does: what rotates logs does not know of configurations.
    pub fn reload_refused(&self) {
        self.shared.reloads.refused();
        let audit = &self.shared.audit;
        audit.reopen();
        let generation = self.shared.generation();
        audit.write(&Event::ConfigurationRefused { generation });
    }

    /// Finishes what is under way, then ends. Blocks for `limits.drain_timeout` and a few seconds at
    /// most, so not inside an async runtime.
    pub fn stop(self) {
        let Self {
            control,
            tasks,
            stopping,
            ended,
            shared,
            store,
            workers,
            threads,
            log_writers,
            ..
        } = self;
        stopping.cancel();
        let limit = shared.runtime.load().limits.drain_timeout;
        for worker in workers.iter() {
            worker.drain(limit);
        }
        tasks.close();
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a worker thread ended by a panic");
            }
        }
        ended.cancel();
        let sessions = Arc::clone(&shared.sessions);
        let audit = shared.audit.clone();
        drop(shared);
        control.block_on(async {
            if let Err(error) = sessions.save().await {
                tracing::error!(error = %chain(&error), "session activity was not stored");
            }
            // Page requests end by themselves; what hangs is cut below.
            drop(tokio::time::timeout(LAST_TASKS, tasks.wait()).await);
            // A stderr that nobody reads must not hold us up.
            let last_lines = tokio::task::spawn_blocking(move || {
                audit.settle();
                audit.write(&Event::ServerStopped {});
                audit.close();
                log_writers.map(thread::JoinHandle::join)
            });
            drop(tokio::time::timeout(LAST_TASKS, last_lines).await);
        });
        control.shutdown_timeout(LAST_TASKS);
        store.close();
    }

    fn end_sessions_nobody_vouches_for(&self) {
        let (sessions, users) = (Arc::clone(&self.shared.sessions), Arc::clone(&self.users));
        let _context = self.control.enter();
        self.tasks.spawn(async move {
            // Each asks the store, and some a hash: not while the sessions are locked.
            let open = sessions.list(None);
            let judged = tokio::task::spawn_blocking(move || {
                let gone = open
                    .iter()
                    .filter(|session| !users.vouches_for(&session.user));
                gone.map(|session| session.id).collect::<HashSet<_>>()
            });
            let gone = judged.await.unwrap_or_default();
            let gone = |session: &Session| gone.contains(&session.id);
            match sessions.end_where(gone, Ended::UserRemoved).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "sessions of changed or removed users ended"),
                Err(error) => tracing::error!(error = %chain(&error), "an end was not stored"),
            }
        });
    }

    /// Opens both doors for operators, until the last request is over.
    fn serve_admin(&self, admin: Option<Admin>, clock: Clock) {
        let _context = self.control.enter();
        let probes = Probes {
            metrics: measure::metrics(
                Arc::clone(&self.shared),
                Arc::clone(&self.workers),
                Arc::clone(&self.store),
            ),
            stopping: self.stopping.clone(),
        };
        if let Some(admin) = admin {
            let served = admin.serve(probes.clone(), self.tasks.clone());
            let ended = self.ended.clone();
            self.tasks.spawn(ended.run_until_cancelled_owned(served));
        }
        let socket = match AdminSocket::bind(self.store.folder()) {
            Ok(socket) => socket,
            Err(error) => {
                // Some file systems have no sockets; people can work all the same.
                tracing::error!(%error, "no admin socket: commands cannot reach this server");
                return;
            }
        };
        let (store, sessions) = (Arc::clone(&self.store), Arc::clone(&self.shared.sessions));
        let audit = self.shared.audit.clone();
        let operator = Operator::new(store, sessions, Arc::clone(&self.users), clock, Some(audit));
        let operated = Operated {
            shared: Arc::clone(&self.shared),
            workers: Arc::clone(&self.workers),
            reloads: self.reloads.clone(),
        };
        let api = api::of_server(operator, Arc::new(operated));
        let served = socket.serve(probes, api, self.tasks.clone());
        let ended = self.ended.clone();
        self.tasks.spawn(ended.run_until_cancelled_owned(served));
    }

    fn serve(&mut self, bound: Vec<Bound>) {
        let _context = self.control.enter();
        let admission = Arc::new(Admission::default());
        let mut certificates = Vec::new();
        for (number, mut bound) in bound.into_iter().enumerate() {
            self.listeners.push(Listening {
                name: Arc::clone(&bound.entry.name),
                url: bound.url(),
                address: bound.address.clone(),
            });
            certificates.extend(bound.tls.take());
            let workers = Arc::clone(&self.workers);
            let acceptor = Acceptor::new(bound, Arc::clone(&admission), workers);
            let stopping = self.stopping.clone();
            let accepting = stopping.run_until_cancelled_owned(acceptor.hand_out(number));
            self.tasks.spawn(accepting);
        }
        let stopping = self.stopping.clone();
        self.tasks
            .spawn(stopping.run_until_cancelled_owned(follow_files(certificates)));
        let shared = Arc::clone(&self.shared);
        let stopping = self.stopping.clone();
        self.tasks
            .spawn(stopping.run_until_cancelled_owned(async move {
                let mut tick = interval(SWEEP_EVERY);
                tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tick.tick().await;
                    shared.sessions.sweep();
                    shared.audit.tick();
                    shared.drop_retired();
                }
            }));
    }
}

/// Opens the store. A command has it for a moment, which must not keep a server from starting.
fn open_store(state: &StateDir) -> Result<Arc<Store>, store::Error> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        match Store::open(state) {
            Err(store::Error::Locked { .. }) if begun.elapsed() < STORE_PATIENCE => {
                if !std::mem::replace(&mut told, true) {
                    tracing::info!("waiting for another process that has the store");
                }
                thread::sleep(STORE_PAUSE);
            }
            opened => return opened,
        }
    }
}

fn start_workers(
    count: Option<usize>,
    shared: &Arc<Shared>,
    sink: &Sink,
    format: Format,
) -> Result<(Vec<WorkerHandle>, Vec<thread::JoinHandle<()>>), io::Error> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut workers = Vec::new();
    let mut threads = Vec::new();
    for number in 0..count.unwrap_or(cores) {
        let sink = sink.clone();
        let log = Box::new(move || AccessLog::new(format, sink));
        let (worker, thread) = WorkerHandle::start(number, Arc::clone(shared), log)?;
        let tell = worker.session_listener();
        shared
            .sessions
            .subscribe(move |session, _why| tell(&session.id));
        workers.push(worker);
        threads.push(thread);
    }
    Ok((workers, threads))
}

fn audit_log(
    place: &AuditLog,
    options: &Options,
) -> Result<(Audit, thread::JoinHandle<()>), StartError> {
    let clock = options.clock.clone();
    let started = match &options.access_log {
        Some(file) => Audit::start(place, Arc::clone(file), options.log_format, clock),
        None => Audit::start(place, io::stderr(), options.log_format, clock),
    };
    started.map_err(|source| not_audited(place, source))
}

fn not_audited(place: &AuditLog, source: io::Error) -> StartError {
    match place {
        AuditLog::File(path) => StartError::AuditLog {
            path: path.clone(),
            source,
        },
        AuditLog::Off | AuditLog::Stderr => source.into(),
    }
}

fn session_ended(audit: &Audit, session: &Session, why: Ended) {
    // Nobody was told that one began whose sign-in was undone.
    if why != Ended::Undone {
        audit.write(&Event::SessionEnded {
            reason: why.name(),
            user: &session.user.name,
            session: &session.id.to_string(),
        });
    }
}

/// Takes changed certificates in. Files are asked for their state rather than watched, since a
/// watch misses what network file systems and swapped links do.
async fn follow_files(mut certificates: Vec<tls::Tls>) {
    if certificates.is_empty() {
        return;
    }
    let mut tick = interval(LOOK_EVERY);
    loop {
        tick.tick().await;
        for tls in &mut certificates {
            let file = tls.files().certificate.display().to_string();
            match tls.refresh() {
                Ok(false) => {}
                Ok(true) => tracing::info!(%file, "certificate reloaded"),
                Err(error) => {
                    tracing::error!(error = %chain(&error), "the old certificate stays in use");
                }
            }
        }
    }
}

/// As long as commands wait for it.
const STORE_PATIENCE: Duration = Duration::from_secs(5);
const STORE_PAUSE: Duration = Duration::from_millis(50);
const SWEEP_EVERY: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LAST_TASKS: Duration = Duration::from_secs(2);
