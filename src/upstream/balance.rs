//! Which target of a route the next request goes to.
//!
//! The one with the fewest requests and tunnels of this worker; among equals the one whose turn is
//! longest ago. Those that are put aside (`health`) come last, the one whose time is up soonest
//! first. Each is tried once at most.

use tokio::time::Instant;

/// One target as a worker sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// Until when it is put aside.
    pub(super) aside: Option<Instant>,
    /// Requests and tunnels under way.
    pub(super) load: usize,
    /// The turn that it had last; 0 where nobody remembers.
    pub(super) last: usize,
}

/// The places that a request has been at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tried(u64);

impl Tried {
    /// A route has at most 64 targets; places beyond count as tried.
    fn has(self, place: usize) -> bool {
        bit(place).is_none_or(|bit| self.0 & bit != 0)
    }

    pub(super) fn add(&mut self, place: usize) {
        self.0 |= bit(place).unwrap_or(0);
    }

    /// Whether none of so many is left.
    pub(super) fn is_all(self, count: usize) -> bool {
        (0..count).all(|place| self.has(place))
    }
}

fn bit(place: usize) -> Option<u64> {
    1_u64.checked_shl(u32::try_from(place).ok()?)
}

/// The place to try next. `turn` is the number of this choice: it rotates what nobody remembers.
pub(super) fn choose(
    standings: impl ExactSizeIterator<Item = Standing>,
    tried: Tried,
    turn: usize,
) -> Option<usize> {
    let count = standings.len();
    standings
        .enumerate()
        .filter(|(place, _)| !tried.has(*place))
        .min_by_key(|(place, standing)| {
            let rotated = place.wrapping_add(turn) % count;
            (standing.aside, standing.load, standing.last, rotated)
        })
        .map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn load(load: usize) -> Standing {
        Standing {
            load,
            ..Standing::default()
        }
    }

    fn chosen(standings: &[Standing], tried: &[usize]) -> Option<usize> {
        let mut places = Tried::default();
        for place in tried {
            places.add(*place);
        }
        choose(standings.iter().copied(), places, 0)
    }

    #[test]
    fn the_least_loaded_is_chosen_and_each_only_once() {
        let standings = [load(2), load(1), load(3)];
        assert_eq!(chosen(&standings, &[]), Some(1));
        assert_eq!(chosen(&standings, &[1]), Some(0));
        assert_eq!(chosen(&standings, &[1, 0]), Some(2));
        assert_eq!(chosen(&standings, &[1, 0, 2]), None);
    }

    #[test]
    fn equals_take_turns() {
        let last = |last| Standing {
            last,
            ..Standing::default()
        };
        assert_eq!(chosen(&[last(7), last(5), last(6)], &[]), Some(1));
        let forgotten = [load(0); 3];
        let turns: Vec<_> = (0..6)
            .map(|turn| choose(forgotten.iter().copied(), Tried::default(), turn).unwrap())
            .collect();
        for place in 0..3 {
            assert_eq!(turns.iter().filter(|turn| **turn == place).count(), 2);
        }
    }

    #[test]
    fn what_is_aside_comes_last_and_the_soonest_of_it_first() {
        let now = Instant::now();
        let aside = |seconds| Standing {
            aside: Some(now + Duration::from_secs(seconds)),
            ..Standing::default()
        };
        let standings = [aside(9), load(100), aside(3)];
        assert_eq!(chosen(&standings, &[]), Some(1));
        assert_eq!(chosen(&standings, &[1]), Some(2));
        assert_eq!(chosen(&standings, &[1, 2]), Some(0));
    }

    #[test]
    fn so_many_targets_can_be_told_apart() {
        let mut tried = Tried::default();
        for place in 0..63 {
            tried.add(place);
        }
        assert!(!tried.is_all(64));
        tried.add(63);
        assert!(tried.is_all(64) && tried.is_all(65));
    }
}
