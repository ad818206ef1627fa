//! One timer per connection, for deadlines that move with every request.
//!
//! Setting a timer costs more than looking at the clock, so the timer is left where it is when a
//! deadline moves away, and set again when it fires too early. It is never set further away than
//! `horizon`: whoever starts to wait for less than that need not touch it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

#[derive(Debug)]
pub(super) struct Timer {
    sleep: Pin<Box<Sleep>>,
    horizon: Duration,
}

impl Timer {
    /// Must be called within a tokio runtime that has time.
    pub(super) fn new(first: Instant, horizon: Duration) -> Self {
        Self {
            sleep: Box::pin(tokio::time::sleep_until(first)),
            horizon,
        }
    }

    /// Whether `deadline` has passed. If not, the task is woken when it does, or earlier.
    pub(super) fn poll_passed(
        &mut self,
        cx: &mut Context<'_>,
        mut now: Instant,
        deadline: Option<Instant>,
    ) -> Poll<()> {
        loop {
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Poll::Ready(());
            }
            let horizon = after(now, self.horizon);
            let target = deadline.map_or(horizon, |deadline| deadline.min(horizon));
            if self.sleep.is_elapsed() || self.sleep.deadline() > target {
                self.sleep.as_mut().reset(target);
            }
            if self.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            now = Instant::now();
        }
    }
}

/// A point in time that far away, or a year if that is beyond what can be said.
pub(super) fn after(start: Instant, wait: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    start + wait.min(YEAR)
}
