//! What operators ask of the running server by its admin socket.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{Reached, Route, Shared, WorkerHandle};
use crate::{
    admin::{
        NotReloaded, Reply, Running,
        shapes::{Reloaded, RouteRow, TargetRow, UpstreamRow},
    },
    config::{Access, HostPattern},
    upstream::TargetState,
};

/// The server, as the admin API sees it.
pub(super) struct Operated {
    pub(super) shared: Arc<Shared>,
    pub(super) workers: Arc<Vec<WorkerHandle>>,
    pub(super) reloads: ReloadInbox,
}

/// Somebody waits for the configuration to be loaded again.
#[derive(Debug)]
pub struct ReloadRequest(oneshot::Sender<Result<Reloaded, NotReloaded>>);

impl ReloadRequest {
    /// What became of it.
    pub fn answer(self, outcome: Result<Reloaded, NotReloaded>) {
        // Whoever asked may have gone.
        drop(self.0.send(outcome));
    }
}

/// The way to whoever knows the files. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct ReloadInbox(Arc<Mutex<Option<mpsc::Sender<ReloadRequest>>>>);

impl ReloadInbox {
    /// From now on requests come here.
    pub(super) fn take(&self) -> mpsc::Receiver<ReloadRequest> {
        let (sender, receiver) = mpsc::channel(WAITING);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    async fn ask(self) -> Result<Reloaded, NotReloaded> {
        let sender = self.sender().ok_or(NotReloaded::NoFiles)?;
        let (reply, answer) = oneshot::channel();
        let sent = sender.send(ReloadRequest(reply)).await;
        sent.map_err(|_| NotReloaded::Stopping)?;
        answer.await.unwrap_or(Err(NotReloaded::Stopping))
    }

    fn sender(&self) -> Option<mpsc::Sender<ReloadRequest>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Running for Operated {
    fn origin(&self) -> String {
        self.shared.runtime.load().sites.main().origin()
    }

    fn routes(&self) -> Vec<RouteRow> {
        let runtime = self.shared.runtime.load();
        runtime.routes().iter().map(route_row).collect()
    }

    fn upstreams(&self) -> Reply<Option<Vec<UpstreamRow>>> {
        let asked: Vec<_> = self.workers.iter().map(WorkerHandle::targets).collect();
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let mut states = Vec::new();
            for answer in asked {
                states.extend(timeout(PATIENCE, answer).await.ok()?.ok()?);
            }
            let runtime = shared.runtime.load();
            let row = |route| upstream_row(route, &states);
            Some(runtime.routes().iter().map(row).collect())
        })
    }

    fn reload(&self) -> Reply<Result<Reloaded, NotReloaded>> {
        Box::pin(self.reloads.clone().ask())
    }
}

fn route_row(route: &Route) -> RouteRow {
    let host = match &route.config.host {
        Some(HostPattern::Exact(host)) => Some(host.to_string()),
        Some(HostPattern::Suffix(host)) => Some(format!("*.{host}")),
        None => None,
    };
    let access = match &route.config.access {
        Access::AnyOf(_) => "rules",
        Access::Public => "public",
        Access::SignedIn => "signed-in",
    };
    RouteRow {
        name: route.name.clone(),
        host,
        path: route.config.path.clone(),
        access: access.to_owned(),
        upstreams: route.targets.texts().map(str::to_owned).collect(),
    }
}

fn upstream_row(route: &Route, states: &[TargetState]) -> UpstreamRow {
    let last = match route.reach.last() {
        Reached::Answered => "answered",
        Reached::Away => "away",
        Reached::Unknown => "unknown",
    };
    let targets = route.targets.texts();
    UpstreamRow {
        route: route.name.clone(),
        last: last.to_owned(),
        targets: targets.map(|address| over_all(address, states)).collect(),
    }
}

/// What all workers together know of a target.
fn over_all(address: &str, states: &[TargetState]) -> TargetRow {
    let mut row = TargetRow {
        address: address.to_owned(),
        ..TargetRow::default()
    };
    for state in states.iter().filter(|state| state.address == address) {
        // A part of a second is one, so that 0 does not stand for "aside".
        let aside = state.aside.map(|aside| aside.as_millis().div_ceil(1000));
        let aside = aside.and_then(|seconds| u64::try_from(seconds).ok());
        row.aside_seconds = row.aside_seconds.max(aside);
        row.idle += state.idle;
        row.requests += state.requests;
        row.tunnels += state.tunnels;
    }
    row
}

const WAITING: usize = 8;
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_workers_know_of_a_target_adds_up() {
        let state = |address: &str, aside: Option<u64>| TargetState {
            address: address.into(),
            aside: aside.map(Duration::from_millis),
            idle: 1,
            requests: 2,
            tunnels: 3,
        };
        let states = [
            state("http://a", None),
            state("http://a", Some(1)),
            state("http://b", Some(9000)),
            state("http://a", Some(2001)),
        ];
        let a = over_all("http://a", &states);
        assert_eq!(a.aside_seconds, Some(3));
        assert_eq!((a.idle, a.requests, a.tunnels), (3, 6, 9));
        let nothing = over_all("http://c", &states);
        assert_eq!((nothing.aside_seconds, nothing.idle), (None, 0));
    }

    #[tokio::test]
    async fn a_reload_waits_for_who_knows_the_files() {
        let reloads = ReloadInbox::default();
        let nobody = reloads.clone().ask().await;
        assert!(matches!(nobody, Err(NotReloaded::NoFiles)), "{nobody:?}");
        let mut requests = reloads.take();
        let answering = async {
            let request = requests.recv().await.unwrap();
            request.answer(Ok(Reloaded::default()));
            drop(requests.recv().await.unwrap());
            drop(requests);
        };
        let asking = async {
            let first = reloads.clone().ask().await;
            assert!(first.is_ok(), "{first:?}");
            for _ in 0..2 {
                let stopping = reloads.clone().ask().await;
                assert!(
                    matches!(stopping, Err(NotReloaded::Stopping)),
                    "{stopping:?}"
                );
            }
        };
        tokio::join!(answering, asking);
    }
}
