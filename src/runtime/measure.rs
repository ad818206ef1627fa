//! The numbers of all workers and of the control side, put together when somebody asks.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{Shared, WorkerHandle};
use crate::{
    admin::Metrics,
    telemetry::{meter::Snapshot, prometheus},
};

/// How to ask for them.
pub(super) fn metrics(shared: Arc<Shared>, workers: Arc<Vec<WorkerHandle>>) -> Metrics {
    Arc::new(move || {
        let (shared, workers) = (Arc::clone(&shared), Arc::clone(&workers));
        Box::pin(async move { measure(&shared, &workers).await })
    })
}

/// `None`: a worker does not answer. Without its part, counters would seem to go back.
async fn measure(shared: &Shared, workers: &[WorkerHandle]) -> Option<String> {
    let asked: Vec<_> = workers.iter().map(WorkerHandle::measure).collect();
    let mut all = Snapshot::default();
    for answer in asked {
        all.add(&timeout(PATIENCE, answer).await.ok()?.ok()?);
    }
    let sign_ins = shared.pages.sign_ins();
    Some(prometheus::text(&all, sign_ins, shared.sessions.count()))
}

const PATIENCE: Duration = Duration::from_secs(5);
