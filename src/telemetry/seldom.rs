//! Warnings that strangers can provoke: one in a while, with how many were left out.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// What may be said once in ten seconds; one per place that says it.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    said: Option<Instant>,
    unsaid: u64,
}

impl Seldom {
    /// `Some`: say it, and that it was left out so many times before. `None`: leave it out.
    pub fn say(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.said.is_some_and(|said| said.elapsed() < EVERY) {
            state.unsaid = state.unsaid.saturating_add(1);
            return None;
        }
        state.said = Some(Instant::now());
        Some(std::mem::take(&mut state.unsaid))
    }
}

const EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_left_out_is_counted_and_told_with_the_next() {
        let seldom = Seldom::default();
        assert_eq!(seldom.say(), Some(0));
        for _ in 0..3 {
            assert_eq!(seldom.say(), None);
        }
        tokio::time::advance(EVERY).await;
        assert_eq!(seldom.say(), Some(3));
        assert_eq!(seldom.say(), None);
        tokio::time::advance(EVERY).await;
        assert_eq!(seldom.say(), Some(1));
    }
}
