//! Whether a target can be connected to, as far as requests have shown (passive health).
//!
//! A target that could not be connected to is put aside for a second, and twice as long for each
//! further time, up to half a minute. Then one request tries it; the others stay away until it is
//! back. Being aside is a matter of order only: where there is no other target, it is tried anyway.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

/// What is known of one target, by one worker.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// In a row.
    failures: Cell<u32>,
    until: Cell<Option<Instant>>,
}

/// An attempt to connect, as it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    failures: u32,
    /// The target was not aside.
    due: bool,
}

impl Health {
    /// How long the target is aside; `None` when it is not.
    pub(super) fn aside(&self, now: Instant) -> Option<Instant> {
        self.until.get().filter(|until| now < *until)
    }

    /// Whether there is something to remember: for a while after its time is up, too.
    pub(super) fn is_known(&self, now: Instant) -> bool {
        self.until
            .get()
            .is_some_and(|until| now < until + MOST_ASIDE)
    }

    /// A request goes there. Of those that come after its time is up, only the first does.
    pub(super) fn begin(&self, now: Instant) -> Attempt {
        let failures = self.failures.get();
        let due = self.aside(now).is_none();
        if due && failures > 0 {
            self.until.set(Some(now + backoff(failures)));
        }
        Attempt { failures, due }
    }

    /// It could not be connected to. Attempts that ran side by side count as one, and those that
    /// were made although it was aside do not count. `Some`: it is aside now, for so long.
    pub(super) fn failed(&self, attempt: Attempt, now: Instant) -> Option<Duration> {
        if !attempt.due || attempt.failures != self.failures.get() {
            return None;
        }
        let failures = attempt.failures.saturating_add(1);
        self.failures.set(failures);
        self.until.set(Some(now + backoff(failures)));
        Some(backoff(failures))
    }

    /// It could be connected to. `true`: this is news.
    pub(super) fn connected(&self) -> bool {
        self.until.set(None);
        self.failures.replace(0) > 0
    }
}

fn backoff(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    FIRST_ASIDE.saturating_mul(doubled).min(MOST_ASIDE)
}

const FIRST_ASIDE: Duration = Duration::from_secs(1);
const MOST_ASIDE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_failure_doubles_the_time_aside_up_to_half_a_minute() {
        let health = Health::default();
        let mut now = Instant::now();
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(health.aside(now), None);
            let attempt = health.begin(now);
            assert_eq!(health.failed(attempt, now), Some(seconds * SECOND));
            assert_eq!(health.aside(now), Some(now + seconds * SECOND));
            now += seconds * SECOND;
        }
        assert!(health.connected());
        assert!(!health.connected(), "no news");
        assert_eq!(health.failed(health.begin(now), now), Some(SECOND));
    }

    #[test]
    fn failures_side_by_side_are_one_and_last_resorts_are_none() {
        let health = Health::default();
        let now = Instant::now();
        let side_by_side = [health.begin(now), health.begin(now)];
        let aside = side_by_side.map(|attempt| health.failed(attempt, now));
        assert_eq!(aside, [Some(SECOND), None]);
        assert_eq!(health.failed(health.begin(now), now), None);
        assert_eq!(health.aside(now), Some(now + SECOND));
    }

    #[test]
    fn only_the_first_tries_again_when_the_time_is_up() {
        let health = Health::default();
        let mut now = Instant::now();
        health.failed(health.begin(now), now);
        now += SECOND;
        assert_eq!(health.aside(now), None);
        health.begin(now);
        assert!(health.aside(now).is_some(), "the others stay away");
    }
}
