//! What became of reloads, for the metrics.

use std::sync::{Mutex, PoisonError};

use crate::{clock::Timestamp, telemetry::prometheus};

/// The last one, and how many there were.
#[derive(Debug)]
pub(super) struct Reloads(Mutex<prometheus::Reloads>);

impl Reloads {
    /// The configuration of the start is in force.
    pub(super) const fn new(now: Timestamp) -> Self {
        Self(Mutex::new(prometheus::Reloads {
            applied: 0,
            refused: 0,
            last_applied: true,
            applied_at: now,
        }))
    }

    /// Another configuration is in force.
    pub(super) fn applied(&self, now: Timestamp) {
        self.change(|reloads| {
            reloads.applied += 1;
            (reloads.last_applied, reloads.applied_at) = (true, now);
        });
    }

    /// Another configuration was not taken.
    pub(super) fn refused(&self) {
        self.change(|reloads| {
            reloads.refused += 1;
            reloads.last_applied = false;
        });
    }

    pub(super) fn so_far(&self) -> prometheus::Reloads {
        self.change(|reloads| *reloads)
    }

    fn change<T>(&self, change: impl FnOnce(&mut prometheus::Reloads) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
