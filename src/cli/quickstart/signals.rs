//! The signals that stop quickstart: Ctrl-C, SIGTERM, and the terminal that closes.

use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::problem::Problem;
use crate::cli::exit::Exit;

/// Receives them from its making on.
#[derive(Debug)]
pub(super) struct Signals {
    hang_up: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes them over; needs a runtime.
    pub(super) fn new() -> Result<Self, Problem> {
        let receive = |kind| {
            signal(kind).map_err(|source| Problem::Run {
                action: "receive signals",
                source,
            })
        };
        Ok(Self {
            hang_up: receive(SignalKind::hangup())?,
            interrupt: receive(SignalKind::interrupt())?,
            terminate: receive(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.hang_up.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Makes the next Ctrl-C or SIGTERM end this process at once. Supervisors see that and end what
    /// they run.
    pub(super) fn end_at_the_next(mut self) {
        let next = async move {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
            process::exit(Exit::Failed.code().into());
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "outlives the stop that it cuts short"
        )]
        drop(tokio::spawn(next));
    }
}
