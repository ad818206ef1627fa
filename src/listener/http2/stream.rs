//! The streams of an HTTP/2 connection and the tasks that carry them, on the worker's own thread.
//!
//! hyper hands each task over at once when the service was asked for it: the one that answers a
//! stream, and for a tunnel a second one that sends on it.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, Sleep, sleep};

use super::tunnel::{Sender, StreamIo};
use crate::{
    listener::conn::{PendingTunnel, run_tunnel},
    runtime::{Signal, Worker},
    tunnel::Side,
};

/// What the exchange on a stream and the stream's task tell each other.
#[derive(Debug, Default)]
pub struct Stream {
    cut: Signal<()>,
    /// Since when the client has not taken what it was given.
    untaken_since: Cell<Option<Instant>>,
    tunnel: RefCell<Option<PendingTunnel>>,
    upgrade: RefCell<Option<OnUpgrade>>,
}

impl Stream {
    /// Ends the stream with a reset, also when its client does not read.
    pub fn cut(&self) {
        self.cut.raise(());
    }

    /// Notes that a piece of the answer waits for the client to take it.
    pub fn given(&self) {
        self.untaken_since.set(Some(Instant::now()));
    }

    /// Notes that the client has taken what it was given.
    pub fn taken(&self) {
        self.untaken_since.set(None);
    }

    /// Leaves a tunnel for the time when its answer has been given.
    pub fn open_tunnel(&self, tunnel: PendingTunnel) {
        self.tunnel.replace(Some(tunnel));
    }

    /// Notes where the bare stream will come from if it becomes a tunnel.
    pub(super) fn may_upgrade(&self, upgrade: Option<OnUpgrade>) {
        self.upgrade.replace(upgrade);
    }
}

/// Runs streams, each until it ends or is let go.
#[derive(Clone)]
pub(super) struct StreamTasks {
    pub(super) worker: Rc<Worker>,
    /// The stream whose task is handed over next.
    pub(super) next: super::Next,
    pub(super) download: Duration,
}

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for StreamTasks {
    fn execute(&self, future: F) {
        let stream = self.next.take().unwrap_or_default();
        // Taken out in any case: it holds the stream in its turn.
        match stream.tunnel.take().zip(stream.upgrade.take()) {
            Some((tunnel, upgrade)) => {
                self.worker.spawn(pass(upgrade, Box::pin(future), tunnel));
            }
            None => self.worker.spawn(carry(future, stream, self.download)),
        }
    }
}

/// Runs the tunnel that a stream has become. `sender` is hyper's half that sends on it.
async fn pass(upgrade: OnUpgrade, sender: Sender, tunnel: PendingTunnel) {
    match upgrade.await {
        Ok(upgraded) => {
            let client = Side {
                io: StreamIo::new(upgraded, sender),
                early: Bytes::new(),
            };
            run_tunnel(client, tunnel).await;
        }
        Err(error) => tunnel.exchange.failed(|| error.to_string()),
    }
}

/// Drops `future`, and with it resets the stream, when it is cut, or when the client has not taken
/// what it was given for `limit`.
async fn carry(future: impl Future<Output = ()>, stream: Rc<Stream>, limit: Duration) {
    let mut future = pin!(future);
    let mut late: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        if future.as_mut().poll(cx).is_ready() || stream.cut.poll_above(None, cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = stream.untaken_since.get() else {
            return Poll::Pending;
        };
        let deadline = since + limit;
        let late = late.get_or_insert_with(|| Box::pin(sleep(limit)));
        if late.deadline() != deadline {
            late.as_mut().reset(deadline);
        }
        late.as_mut().poll(cx)
    })
    .await;
    // The client went away before its tunnel's answer could be given.
    drop(stream.tunnel.take());
}
