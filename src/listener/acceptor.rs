//! Who accepts: for each listener one of the workers, for all of them.
//!
//! A connection then wakes no thread but the one that serves it, where that is the one that accepts.
//! Each listener's own socket is watched by one worker alone, so that none wakes in vain.
//!
//! In: a bound listener. Out: accepted sockets, at the worker with the fewest open connections.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{Accepted, Admission, Admitted, Bound, socket::Watch};
use crate::{
    runtime::{Shared, WorkerHandle},
    telemetry::Seldom,
};

/// A listener, on the worker that accepts what comes in on it.
#[derive(Debug)]
pub struct Acceptor {
    bound: Bound,
    limits: Arc<Admission>,
    workers: Arc<Vec<WorkerHandle>>,
}

/// Held by who accepts; closed when that is wanted no longer.
pub type Wanted = oneshot::Sender<Infallible>;

impl Acceptor {
    /// Everything that is needed to accept.
    pub const fn new(
        bound: Bound,
        limits: Arc<Admission>,
        workers: Arc<Vec<WorkerHandle>>,
    ) -> Self {
        Self {
            bound,
            limits,
            workers,
        }
    }

    /// Has a worker accept until the future is dropped; the one of this number, or, should it be
    /// gone, the next.
    pub async fn hand_out(self, number: usize) {
        let this = Arc::new(self);
        let workers = this.workers.iter().cycle().skip(number);
        for worker in workers.take(this.workers.len()) {
            let (wanted, until_gone) = oneshot::channel();
            worker.accept(Arc::clone(&this), wanted);
            if until_gone.await.is_err() {
                let listener = &this.bound.entry.name;
                tracing::error!(%listener, "the worker that accepted is gone; the next one does");
            }
        }
    }

    /// Accepts on the calling thread until it is wanted no longer.
    pub async fn run(&self, shared: &Shared, mut wanted: Wanted) {
        let watch = match self.bound.socket.watch() {
            Ok(watch) => watch,
            Err(error) => {
                let listener = &self.bound.entry.name;
                tracing::error!(%error, %listener, "cannot accept connections");
                return wanted.closed().await;
            }
        };
        tokio::select! {
            () = self.accept(&watch, shared) => {}
            () = wanted.closed() => {}
        }
    }

    async fn accept(&self, watch: &Watch<'_>, shared: &Shared) {
        let entry = &self.bound.entry;
        let failed = Seldom::default();
        loop {
            let (socket, peer) = match self.bound.socket.accept(watch).await {
                Ok(accepted) => accepted,
                // Its client took it back.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    if let Some(unsaid) = failed.say() {
                        let listener = &entry.name;
                        tracing::error!(%error, %listener, unsaid, "cannot accept a connection");
                    }
                    // Out of descriptors or memory: waiting lets some come back (accept(2)).
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(admitted) = self.limits.admit(shared, peer, Arc::clone(entry)) else {
                shared.refuse_connection();
                let peer = peer.ip();
                tracing::debug!(%peer, listener = %entry.name, "connection refused: a limit is reached");
                continue;
            };
            self.give(socket, admitted);
        }
    }

    fn give(&self, socket: Accepted, admitted: Admitted) {
        if let Some(worker) = self.workers.iter().min_by_key(|worker| worker.open()) {
            worker.connection(socket, admitted);
        }
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::{cell::OnceCell, os::unix::net::UnixStream, sync::atomic::Ordering};

    use super::*;
    use crate::{
        client::PeerAddr,
        config::{Address, Listener},
        runtime::IdleWorker,
    };

    #[tokio::test]
    async fn long_tunnels_do_not_pile_up_on_one_worker() {
        let folder = tempfile::tempdir().unwrap();
        let listener = Listener {
            name: "lab".into(),
            address: Address::Unix(folder.path().join("lab.sock")),
            tls: None,
            proxy_protocol: false,
            redirect_https: false,
            http2_websocket: true,
        };
        let bound = Bound::bind(&listener, None).await;
        let (idle, workers): (Vec<_>, Vec<_>) = (0..3).map(|_| IdleWorker::new()).unzip();
        let acceptor = Acceptor::new(bound.unwrap(), Arc::default(), Arc::new(workers));
        let connect = || {
            let admitted = Admitted {
                admission: Arc::clone(&acceptor.limits),
                peer: PeerAddr::UNIX,
                counted: OnceCell::new(),
                entry: Arc::clone(&acceptor.bound.entry),
            };
            acceptor.limits.open.fetch_add(1, Ordering::Relaxed);
            let (socket, _) = UnixStream::pair().unwrap();
            acceptor.give(Accepted::Unix(socket), admitted);
        };
        let open = || idle.iter().map(IdleWorker::open).collect::<Vec<_>>();
        (0..30).for_each(|_| connect());
        assert_eq!(open(), [10, 10, 10]);
        // Those of one worker end; the tunnels of the others stay.
        idle[1].end(6);
        (0..6).for_each(|_| connect());
        assert_eq!(open(), [10, 10, 10]);
        idle[0].end(10);
        (0..4).for_each(|_| connect());
        assert_eq!(open(), [4, 10, 10]);
    }
}
