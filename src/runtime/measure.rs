//! The numbers of all workers and of the control side, put together when somebody asks.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::timeout;

use super::{Shared, WorkerHandle};
use crate::{
    admin::Metrics,
    store::Store,
    telemetry::{
        Process,
        meter::Snapshot,
        prometheus::{self, Control},
    },
};

/// How to ask for them.
pub(super) fn metrics(
    shared: Arc<Shared>,
    workers: Arc<Vec<WorkerHandle>>,
    store: Arc<Store>,
) -> Metrics {
    Arc::new(move || {
        let (shared, workers) = (Arc::clone(&shared), Arc::clone(&workers));
        let store = Arc::clone(&store);
        Box::pin(async move { measure(&shared, &workers, &store).await })
    })
}

/// `None`: a worker does not answer. Without its part, counters would seem to go back.
async fn measure(shared: &Shared, workers: &[WorkerHandle], store: &Store) -> Option<String> {
    let asked: Vec<_> = workers.iter().map(WorkerHandle::measure).collect();
    let mut all = Snapshot::default();
    // Routes that nobody asked for yet are counted too.
    for route in shared.runtime.load().routes() {
        all.route(&route.name);
    }
    for answer in asked {
        all.add(&timeout(PATIENCE, answer).await.ok()?.ok()?);
    }
    let control = Control {
        sign_ins: shared.pages.sign_ins(),
        sessions: shared.sessions.count(),
        audit_lost: shared.audit.lost(),
        store_failures: store.failures(),
        refused_connections: shared.refused_connections.load(Ordering::Relaxed),
        config: shared.reloads.so_far(),
        started: shared.started,
        process: Process::now(),
    };
    Some(prometheus::text(&all, &control))
}

const PATIENCE: Duration = Duration::from_secs(5);
