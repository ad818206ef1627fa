//! Whether a route's upstream answered the last time somebody asked it; for the home page.

use std::sync::atomic::{AtomicU8, Ordering};

/// Shared by all workers; written only when it changes.
#[derive(Debug, Default)]
pub struct Reach(AtomicU8);

/// What is known of an upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reached {
    /// The last attempt got an answer.
    Answered,
    /// The last attempt found nobody there.
    Away,
    /// Nobody has asked it since the configuration was loaded.
    Unknown,
}

impl Reach {
    /// Notes an attempt.
    pub fn note(&self, answered: bool) {
        let state = if answered { ANSWERED } else { AWAY };
        if self.0.load(Ordering::Relaxed) != state {
            self.0.store(state, Ordering::Relaxed);
        }
    }

    /// What the last attempt found.
    pub fn last(&self) -> Reached {
        match self.0.load(Ordering::Relaxed) {
            ANSWERED => Reached::Answered,
            AWAY => Reached::Away,
            _ => Reached::Unknown,
        }
    }
}

const ANSWERED: u8 = 1;
const AWAY: u8 = 2;
