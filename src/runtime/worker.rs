//! A worker: one thread that owns connections, an upstream pool and its view of the configuration.
//!
//! Nothing of a worker is shared with another thread except its message channel and the count of its
//! open connections; what the control side wants of it comes as a [`Message`].

use std::{
    cell::{Cell, RefCell},
    future::{Future, pending},
    io,
    rc::{Rc, Weak},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use slab::Slab;
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::task::TaskTracker;

use super::{Shared, View};
use crate::{
    auth::Visitors,
    exchange::{Exchange, body::RequestBody},
    http::gate::Refusal,
    listener::{Accepted, Acceptor, Admitted, Conn, Ending, Wanted, conn},
    policy::Decision,
    session::SessionId,
    telemetry::{
        RequestIds,
        access::AccessLog,
        meter::{Edge, Meters, NO_ROUTE, Snapshot},
    },
    tunnel::Stop,
    upstream::{self, Pool, TargetState},
};

/// What one thread of the data path owns.
pub struct Worker {
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// Its upstream connections.
    pub pool: Pool<RequestBody>,
    /// Its memory of credentials.
    pub visitors: Visitors,
    /// Its end of the access log.
    pub access_log: AccessLog,
    /// What it counts of requests.
    pub meters: Meters,
    /// What it counts before there are any.
    pub edge: RefCell<Edge>,
    /// Its source of request ids.
    pub request_ids: RequestIds,
    /// Its connections; each takes itself off.
    pub connections: RefCell<Slab<Weak<Conn>>>,
    /// All that is under way; each takes itself off.
    pub exchanges: RefCell<Slab<Weak<Exchange>>>,
    view: RefCell<Rc<View>>,
    generation: Cell<u64>,
    ending: Cell<Option<Ending>>,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// What the control side tells a worker.
#[derive(Debug)]
enum Message {
    /// Accept what comes in on a listener.
    Accept(Arc<Acceptor>, Wanted),
    /// A connection to serve.
    Connection(Accepted, Admitted),
    /// End what this session opened.
    SessionEnded(SessionId),
    /// Say what was counted.
    Measure(oneshot::Sender<Snapshot>),
    /// Say how the targets are.
    Targets(oneshot::Sender<Vec<TargetState>>),
    /// The configuration changed: end what it no longer lets in.
    Reloaded,
    /// Finish what is under way, within the time given; then end.
    Drain(Duration),
}

/// The control side's end of a worker.
#[derive(Debug)]
pub struct WorkerHandle {
    messages: UnboundedSender<Message>,
    open: Arc<AtomicUsize>,
}

impl WorkerHandle {
    /// Starts a worker; its thread, `worker-NUMBER` in process lists, ends once it was told to drain.
    /// `Err`: the system gives no thread.
    pub fn start(
        number: usize,
        shared: Arc<Shared>,
        access_log: AccessLogOf,
    ) -> io::Result<(Self, thread::JoinHandle<()>)> {
        let (messages, inbox) = unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&open);
        let thread = thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                let ran = run_to_end(async move {
                    let worker = Rc::new(Worker::new(shared, access_log()));
                    worker.run(inbox, &counted).await;
                });
                if let Err(error) = ran {
                    tracing::error!(%error, "a worker thread cannot start its runtime");
                }
            })?;
        Ok((Self { messages, open }, thread))
    }

    /// Connections that it has, those on their way included. One that is gone has no room.
    pub fn open(&self) -> usize {
        if self.messages.is_closed() {
            return usize::MAX;
        }
        self.open.load(Ordering::Relaxed)
    }

    /// Has it accept what comes in on a listener, as long as that is wanted.
    pub fn accept(&self, acceptor: Arc<Acceptor>, wanted: Wanted) {
        self.tell(Message::Accept(acceptor, wanted));
    }

    /// Gives it a connection, counted from now on. Never blocks, as nothing here but `join`.
    pub fn connection(&self, socket: Accepted, admitted: Admitted) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.tell(Message::Connection(socket, admitted));
    }

    /// Ends what this session opened.
    pub fn session_ended(&self, session: SessionId) {
        self.tell(Message::SessionEnded(session));
    }

    /// A function that tells it of ended sessions, for the one who ends them.
    pub fn session_listener(&self) -> impl Fn(&SessionId) + Send + Sync + 'static {
        let messages = self.messages.clone();
        move |session| {
            // A worker that is gone has nothing open.
            drop(messages.send(Message::SessionEnded(*session)));
        }
    }

    /// What it counted, when it comes to it. An error once it ended.
    pub fn measure(&self) -> oneshot::Receiver<Snapshot> {
        let (reply, answer) = oneshot::channel();
        self.tell(Message::Measure(reply));
        answer
    }

    /// How the targets are that it knows, when it comes to it. An error once it ended.
    pub fn targets(&self) -> oneshot::Receiver<Vec<TargetState>> {
        let (reply, answer) = oneshot::channel();
        self.tell(Message::Targets(reply));
        answer
    }

    /// Ends what the new configuration does not let in.
    pub fn reloaded(&self) {
        self.tell(Message::Reloaded);
    }

    /// Lets it finish, within `limit`; what is not done then is ended, and cut two seconds later.
    pub fn drain(&self, limit: Duration) {
        self.tell(Message::Drain(limit));
    }

    fn tell(&self, message: Message) {
        // A worker that is gone has nothing open.
        drop(self.messages.send(message));
    }
}

/// Makes the access log on the worker's own thread.
pub(super) type AccessLogOf = Box<dyn FnOnce() -> AccessLog + Send>;

impl Worker {
    fn new(shared: Arc<Shared>, access_log: AccessLog) -> Self {
        let generation = shared.generation();
        let meters = Meters::default();
        let view = Rc::new(View::new(shared.runtime.load_full(), &meters));
        Self {
            pool: Pool::new(POOL),
            visitors: Visitors::new(Arc::clone(&shared.sessions)),
            access_log,
            meters,
            edge: RefCell::new(Edge {
                refused_heads: Refusal::NAMES.map(|name| (name, 0)).into(),
                ..Edge::default()
            }),
            request_ids: RequestIds::default(),
            connections: RefCell::default(),
            exchanges: RefCell::default(),
            view: RefCell::new(view),
            generation: Cell::new(generation),
            ending: Cell::new(None),
            tasks: TaskTracker::new(),
            shared,
        }
    }

    /// The configuration now. Costs one atomic read unless it changed.
    pub fn view(&self) -> Rc<View> {
        let generation = self.shared.generation();
        if self.generation.replace(generation) != generation {
            let runtime = self.shared.runtime.load_full();
            self.view.replace(Rc::new(View::new(runtime, &self.meters)));
        }
        Rc::clone(&self.view.borrow())
    }

    /// Runs a task on this thread; the worker's end waits for it.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        drop(self.tasks.spawn_local(task));
    }

    async fn run(self: Rc<Self>, mut inbox: UnboundedReceiver<Message>, open: &Arc<AtomicUsize>) {
        let limit = self.obey(&mut inbox, open).await;
        // A session that ends while we drain ends what it opened no less.
        let meanwhile = async {
            self.obey(&mut inbox, open).await;
            // Nobody is left who could say more.
            pending::<()>().await;
        };
        tokio::select! {
            () = self.drain(limit) => {}
            () = meanwhile => {}
        }
        self.access_log.flush();
    }

    /// Does what it is told until it is told to drain, and says how long that may take.
    async fn obey(
        self: &Rc<Self>,
        inbox: &mut UnboundedReceiver<Message>,
        open: &Arc<AtomicUsize>,
    ) -> Duration {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let message = tokio::select! {
                message = inbox.recv() => message,
                _ = tick.tick() => {
                    self.access_log.flush();
                    continue;
                }
            };
            match message {
                Some(Message::Accept(acceptor, wanted)) => self.accept(acceptor, wanted),
                Some(Message::Connection(socket, admitted)) => self.serve(socket, admitted, open),
                Some(Message::SessionEnded(session)) => self.end_session(session),
                // Whoever asked may have given up.
                Some(Message::Measure(reply)) => drop(reply.send(self.measured())),
                Some(Message::Targets(reply)) => drop(reply.send(self.pool.targets())),
                Some(Message::Reloaded) => self.end_what_is_denied(),
                Some(Message::Drain(limit)) => return limit,
                None => return Duration::ZERO,
            }
        }
    }

    fn accept(self: &Rc<Self>, acceptor: Arc<Acceptor>, wanted: Wanted) {
        let worker = Rc::clone(self);
        self.spawn(async move { acceptor.run(&worker.shared, wanted).await });
    }

    fn serve(self: &Rc<Self>, socket: Accepted, admitted: Admitted, open: &Arc<AtomicUsize>) {
        let guard = OpenConnection(Arc::clone(open));
        if self.ending().is_some() {
            return;
        }
        match socket.adopt() {
            Ok(socket) => {
                let worker = Rc::clone(self);
                self.spawn(async move {
                    conn::serve(worker, socket, admitted).await;
                    drop(guard);
                });
            }
            Err(error) => tracing::error!(%error, "cannot serve an accepted connection"),
        }
    }

    /// All that is under way; collected first, since ending one may take it off the list.
    fn under_way(&self) -> Vec<Rc<Exchange>> {
        self.exchanges
            .borrow()
            .iter()
            .filter_map(|(_, exchange)| exchange.upgrade())
            .collect()
    }

    fn measured(&self) -> Snapshot {
        let view = self.view();
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let mut snapshot = self.meters.snapshot();
        snapshot.connections = count(self.connections.borrow().len());
        snapshot.targets = self
            .pool
            .numbers(view.routes().iter().map(|route| &route.targets));
        snapshot.edge = self.edge.borrow().clone();
        snapshot.dropped_lines = self.access_log.dropped();
        for exchange in self.under_way() {
            snapshot.http2_streams += u64::from(exchange.http2().is_some());
            let numbers = snapshot.route(exchange.route_name().unwrap_or(NO_ROUTE));
            if exchange.is_tunnel() {
                numbers.tunnels += 1;
            } else {
                numbers.requests += 1;
            }
        }
        snapshot
    }

    fn end_session(&self, session: SessionId) {
        for exchange in self.under_way() {
            let visitor = exchange.visitor.get();
            if visitor.is_some_and(|visitor| visitor.session.id == session) {
                exchange.end(Stop::SessionEnded);
            }
        }
    }

    fn end_what_is_denied(&self) {
        let view = self.view();
        for exchange in self.under_way() {
            let Some(name) = exchange.route_name() else {
                continue;
            };
            let who = exchange.visitor.get().map(|visitor| visitor.who());
            let host = exchange.host();
            let allowed = view.route_named(name).is_some_and(|route| {
                let decision = route
                    .policy
                    .decide(who, exchange.client.get(), &exchange.method);
                let is_on = |host| route.is_on(host, &view.sites);
                host.as_ref().is_some_and(is_on)
                    && route.is_behind(&exchange.conn().entry().name)
                    && matches!(decision, Decision::Allowed(_))
            });
            if !allowed {
                exchange.end(Stop::RouteGone);
            }
        }
    }

    async fn drain(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        self.end_connections(Ending::Drain);
        self.tasks.close();
        if tokio::time::timeout_at(deadline, self.tasks.wait())
            .await
            .is_err()
        {
            for exchange in self.under_way() {
                exchange.end(Stop::ShuttingDown);
            }
            // A close frame and a last answer get a moment to leave.
            if tokio::time::timeout(LAST_WORDS, self.tasks.wait())
                .await
                .is_err()
            {
                self.end_connections(Ending::Cut);
            }
        }
    }

    /// How all connections are ending, those to come included.
    pub fn ending(&self) -> Option<Ending> {
        self.ending.get()
    }

    fn end_connections(&self, how: Ending) {
        self.ending.set(Some(how));
        let connections: Vec<_> = self
            .connections
            .borrow()
            .iter()
            .filter_map(|(_, conn)| conn.upgrade())
            .collect();
        for conn in connections {
            conn.end(how);
        }
    }
}

/// Runs a worker on the calling thread.
fn run_to_end(worker: impl Future<Output = ()>) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    runtime.block_on(worker);
    // Dropped, it would wait for the system's resolver, which may take minutes to find nothing.
    runtime.shutdown_background();
    Ok(())
}

struct OpenConnection(Arc<AtomicUsize>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A worker without a thread, which keeps what it is given.
#[cfg(test)]
#[derive(Debug)]
pub struct IdleWorker {
    open: Arc<AtomicUsize>,
    _inbox: UnboundedReceiver<Message>,
}

#[cfg(test)]
impl IdleWorker {
    /// It, and its handle.
    pub fn new() -> (Self, WorkerHandle) {
        let (messages, inbox) = unbounded_channel();
        let open = Arc::<AtomicUsize>::default();
        let worker = Self {
            open: Arc::clone(&open),
            _inbox: inbox,
        };
        (worker, WorkerHandle { messages, open })
    }

    /// Connections that it has.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// So many of its connections end.
    pub fn end(&self, count: usize) {
        self.open.fetch_sub(count, Ordering::Relaxed);
    }
}

/// For each upstream, per worker.
const POOL: upstream::Options = upstream::Options {
    max_active: 1024,
    max_idle: 256,
    max_age: Duration::from_secs(15 * 60),
    max_waiting: 1024,
    max_wait: Duration::from_secs(30),
};
const TICK: Duration = Duration::from_millis(250);
const LAST_WORDS: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_up_that_hangs_does_not_hold_the_end_up() {
        let (answer, asked) = std::sync::mpsc::channel::<()>();
        let (ended, end) = std::sync::mpsc::channel();
        let worker = thread::spawn(move || {
            run_to_end(async move {
                let (started, is_started) = oneshot::channel();
                drop(tokio::task::spawn_blocking(move || {
                    started.send(()).unwrap();
                    asked.recv().unwrap_err();
                }));
                is_started.await.unwrap();
            })
            .unwrap();
            ended.send(()).unwrap();
        });
        assert_eq!(end.recv_timeout(Duration::from_secs(20)), Ok(()));
        drop(answer);
        worker.join().unwrap();
    }

    #[test]
    fn a_worker_that_is_gone_has_no_room() {
        let (idle, worker) = IdleWorker::new();
        assert_eq!(worker.open(), 0);
        drop(idle);
        assert_eq!(worker.open(), usize::MAX);
    }
}
