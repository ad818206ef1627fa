//! Events that anybody can cause at any rate: one line for the first, and then one a minute with
//! how many there were.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use super::Event;
use crate::clock::Timestamp;

/// What makes two events alike.
#[derive(Clone, Copy, Debug)]
pub struct Alike<'a> {
    /// The event's reason.
    pub reason: &'static str,
    /// The event's route.
    pub route: Option<&'a str>,
    /// The client's network: an IPv4 address, or the first of an IPv6 /64.
    pub network: IpAddr,
}

/// Which ones were written within the last minute.
#[derive(Debug, Default)]
pub(super) struct Repeats(HashMap<Key, Count>);

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    event: &'static str,
    reason: &'static str,
    /// `None`: all that found no place of their own.
    of: Option<(Option<Box<str>>, IpAddr)>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Timestamp,
    /// Not written.
    more: u64,
}

impl Repeats {
    /// Whether it is to be written; otherwise it is counted.
    pub(super) fn is_first(&mut self, event: &Event<'_>, like: Alike<'_>, now: Timestamp) -> bool {
        let mut key = Key {
            event: event.name(),
            reason: like.reason,
            of: Some((like.route.map(Into::into), like.network)),
        };
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            key.of = None;
        }
        if let Some(count) = self.0.get_mut(&key) {
            count.more += 1;
            return false;
        }
        self.0.insert(
            key,
            Count {
                since: now,
                more: 0,
            },
        );
        true
    }

    /// Tells those whose minute is over; those that did not come again are forgotten.
    pub(super) fn tell(&mut self, now: Timestamp, told: impl FnMut(&Event<'_>)) {
        self.tell_after(WINDOW, now, told);
    }

    /// Tells all that was not told.
    pub(super) fn tell_all(&mut self, now: Timestamp, told: impl FnMut(&Event<'_>)) {
        self.tell_after(Duration::ZERO, now, told);
    }

    fn tell_after(&mut self, window: Duration, now: Timestamp, mut told: impl FnMut(&Event<'_>)) {
        self.0.retain(|key, count| {
            // A clock that was set back keeps nothing untold for longer.
            count.since = count.since.min(now);
            let seconds = now.since(count.since);
            if seconds < window {
                return true;
            }
            if count.more == 0 {
                return false;
            }
            let of = key.of.as_ref();
            told(&Event::Repeated {
                event: key.event,
                reason: key.reason,
                route: of.and_then(|(route, _)| route.as_deref()),
                client: of.map(|(_, network)| *network),
                count: count.more,
                seconds,
            });
            *count = Count {
                since: now,
                more: 0,
            };
            true
        });
    }
}

const WINDOW: Duration = Duration::from_secs(60);
/// Further ones share a place by event and reason.
pub(super) const MOST: usize = 4096;
