//! How sign-ins ended, counted on the control side.

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

/// Counts by outcome.
#[derive(Debug, Default)]
pub struct SignIns([AtomicU64; OUTCOMES.len()]);

/// In the order of their counts.
const OUTCOMES: [&str; 5] = ["success", "wrong", "throttled", "refused", "failed"];

impl SignIns {
    /// Counts an answer to somebody who sent a sign-in form; one that asks to try again with a fresh
    /// form is no outcome.
    pub fn count(&self, status: StatusCode) {
        let outcome = match status {
            StatusCode::SEE_OTHER => 0,
            StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::GONE => 1,
            StatusCode::TOO_MANY_REQUESTS => 2,
            status if status.is_client_error() => 3,
            status if status.is_server_error() => 4,
            _ => return,
        };
        if let Some(count) = self.0.get(outcome) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Outcomes and their counts.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        OUTCOMES.into_iter().zip(counts)
    }
}
