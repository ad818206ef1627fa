//! What is counted of one target by one worker.
//!
//! Outlives the target's rack, which is forgotten when it is empty: a counter that goes back would
//! look like a restart.

use std::cell::Cell;

use crate::telemetry::meter;

/// Adding costs a plain addition.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) connects: Count,
    pub(super) connect_failures: Count,
    pub(super) reuses: Count,
    pub(super) retries: Count,
}

#[derive(Debug, Default)]
pub(super) struct Count(Cell<u64>);

impl Count {
    pub(super) fn more(&self) {
        self.0.set(self.0.get() + 1);
    }
}

impl Tally {
    pub(super) fn numbers(&self) -> meter::Target {
        meter::Target {
            connects: self.connects.0.get(),
            connect_failures: self.connect_failures.0.get(),
            reuses: self.reuses.0.get(),
            retries: self.retries.0.get(),
            ..meter::Target::default()
        }
    }
}
