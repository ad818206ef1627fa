//! Slows down whoever guesses passwords, and locks nobody out.
//!
//! Failed attempts are counted per address and name, and per address over all names (one password
//! tried on many users). Ten are free, and one more every three minutes; after that each failure
//! doubles the time before the next attempt is looked at. The real user, from elsewhere, notices
//! nothing. A browser in which somebody signed in before has a count of its own for that name: an
//! office, or everybody behind a proxy that `trust.proxies` does not name, has one address, and who
//! guesses there must not keep the others out. (By name and address alone such an exception would tell
//! which names exist.) In memory and bounded.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    client::network,
    clock::{Clock, Timestamp},
};

/// Counts failed sign-ins.
#[derive(Debug)]
pub struct Throttle {
    clock: Clock,
    counts: Mutex<Counts>,
}

/// Too many failures: 429 with `Retry-After`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too many failed attempts, try again in {} s", self.seconds())]
pub struct TryLater(pub Duration);

impl TryLater {
    /// For `Retry-After`: whole seconds, at least one.
    pub const fn seconds(&self) -> u64 {
        let whole = self.0.as_secs() + (self.0.subsec_nanos() > 0) as u64;
        if whole == 0 { 1 } else { whole }
    }
}

/// One attempt under way. It counts as failed from the start, so that many at once do not slip
/// through together, until one of its methods says otherwise.
#[derive(Debug)]
#[must_use = "an attempt counts as failed unless it is said to have succeeded"]
pub struct Attempt<'t> {
    throttle: &'t Throttle,
    by: By,
    /// Remembered if it succeeds.
    browser: Option<Browser>,
}

/// By what an attempt is counted.
#[derive(Debug)]
enum By {
    Address(IpAddr, String),
    Browser(Browser),
}

/// What tells a browser from others, and a name.
type Browser = (String, String);

impl Throttle {
    /// Without any failures.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            counts: Mutex::default(),
        }
    }

    /// Asks whether an attempt may be made now. Those that are told to try later do not count.
    /// `browser` is a value that no other browser has, if it has one.
    pub fn attempt(
        &self,
        address: IpAddr,
        name: &str,
        browser: Option<&str>,
    ) -> Result<Attempt<'_>, TryLater> {
        let (address, name, now) = (network(address), canonical(name), self.clock.now());
        let browser = browser
            .filter(|browser| browser.len() <= MAX_BROWSER_BYTES)
            .map(|browser| (browser.to_owned(), name.clone()));
        let mut counts = self.counts();
        let familiar = browser
            .clone()
            .filter(|browser| counts.is_familiar(browser));
        let by = match familiar {
            Some(browser) => counts.admit_browser(browser, now),
            None => counts.admit_address(address, name, now),
        }?;
        drop(counts);
        Ok(Attempt {
            throttle: self,
            by,
            browser,
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    /// The password was right: the failures before it were this person's slips, and are forgotten.
    pub fn succeeded(self) {
        let now = self.throttle.clock.now();
        let mut counts = self.throttle.counts();
        match self.by {
            By::Address(address, name) => {
                let slips = counts.pairs.forget(&(address, name), now);
                counts.addresses.take_back(&address, slips);
            }
            By::Browser(browser) => drop(counts.browsers.0.remove(&browser)),
        }
        if let Some(browser) = self.browser {
            counts.remember(browser);
        }
    }

    /// Nothing was checked, since we were busy: the attempt does not count.
    pub fn withdrawn(self) {
        let mut counts = self.throttle.counts();
        match self.by {
            By::Address(address, name) => {
                counts.pairs.take_back(&(address, name), 1);
                counts.addresses.take_back(&address, 1);
            }
            By::Browser(browser) => counts.browsers.take_back(&browser, 1),
        }
    }
}

/// Somebody at an address.
type Pair = (IpAddr, String);

#[derive(Debug, Default)]
struct Counts {
    pairs: Table<Pair>,
    addresses: Table<IpAddr>,
    browsers: Table<Browser>,
    /// In which browsers somebody has signed in, by their name.
    familiar: HashMap<String, HashSet<String>>,
}

impl Counts {
    fn admit_browser(&mut self, browser: Browser, now: Timestamp) -> Result<By, TryLater> {
        let wait = self.browsers.wait(&browser, now);
        if !wait.is_zero() {
            return Err(TryLater(wait));
        }
        self.browsers.failed(browser.clone(), now);
        Ok(By::Browser(browser))
    }

    fn admit_address(
        &mut self,
        address: IpAddr,
        name: String,
        now: Timestamp,
    ) -> Result<By, TryLater> {
        let pair = (address, name);
        let wait = self.pairs.wait(&pair, now);
        let wait = wait.max(self.addresses.wait(&address, now));
        if !wait.is_zero() {
            return Err(TryLater(wait));
        }
        self.pairs.failed(pair.clone(), now);
        self.addresses.failed(address, now);
        Ok(By::Address(address, pair.1))
    }

    fn is_familiar(&self, (browser, name): &Browser) -> bool {
        let theirs = self.familiar.get(name);
        theirs.is_some_and(|browsers| browsers.contains(browser))
    }

    /// Those beyond a bound start afresh, and count by their address until they sign in again: all of
    /// one name, since nobody may make others be forgotten.
    fn remember(&mut self, (browser, name): Browser) {
        if self.familiar.len() >= MAX_ENTRIES && !self.familiar.contains_key(&name) {
            self.familiar.clear();
        }
        let theirs = self.familiar.entry(name).or_default();
        if theirs.len() >= MAX_BROWSERS && !theirs.contains(&browser) {
            theirs.clear();
        }
        theirs.insert(browser);
    }
}

#[derive(Debug)]
struct Table<K>(HashMap<K, Failures>);

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl Failures {
    /// Until when the next attempt waits.
    fn until(&self) -> Timestamp {
        let Some(beyond) = self.count.checked_sub(FREE) else {
            return Timestamp::default();
        };
        let delay = FIRST_DELAY.saturating_mul(1 << beyond.min(16));
        self.last.plus(delay.min(MAX_DELAY))
    }

    fn is_forgotten(&self, now: Timestamp) -> bool {
        now.since(self.last) >= FORGET_AFTER
    }

    /// How many still count.
    fn left(&self, now: Timestamp) -> u32 {
        if self.is_forgotten(now) {
            return 0;
        }
        let forgiven = now.since(self.last).as_secs() / FORGIVE_EVERY.as_secs();
        self.count
            .saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }
}

impl<K: Clone + Eq + Hash> Table<K> {
    fn wait(&mut self, key: &K, now: Timestamp) -> Duration {
        let Some(failures) = self.0.get_mut(key) else {
            return Duration::ZERO;
        };
        // A clock that was set back holds nobody up for longer.
        failures.last = failures.last.min(now);
        failures.until().since(now)
    }

    fn failed(&mut self, key: K, now: Timestamp) {
        if self.0.len() >= MAX_ENTRIES && !self.0.contains_key(&key) {
            self.make_room(now);
        }
        let fresh = Failures {
            count: 0,
            last: now,
        };
        let entry = self.0.entry(key).or_insert(fresh);
        entry.count = entry.left(now).saturating_add(1);
        entry.last = now;
    }

    fn forget(&mut self, key: &K, now: Timestamp) -> u32 {
        self.0.remove(key).map_or(0, |failures| failures.left(now))
    }

    fn take_back(&mut self, key: &K, count: u32) {
        if let Some(entry) = self.0.get_mut(key) {
            entry.count = entry.count.saturating_sub(count);
            if entry.count == 0 {
                self.0.remove(key);
            }
        }
    }

    /// Drops what is forgotten anyway, and if that is nothing, a tenth: those with the oldest
    /// failures.
    fn make_room(&mut self, now: Timestamp) {
        self.0.retain(|_, failures| !failures.is_forgotten(now));
        if self.0.len() < MAX_ENTRIES {
            return;
        }
        let mut times: Vec<Timestamp> = self.0.values().map(|failures| failures.last).collect();
        let (_, cut, _) = times.select_nth_unstable(MAX_ENTRIES / 10);
        let cut = *cut;
        let mut left = MAX_ENTRIES / 10 + 1;
        self.0.retain(|_, failures| {
            let drop = failures.last <= cut && left > 0;
            left -= usize::from(drop);
            !drop
        });
    }
}

/// Spellings that differ by case are one name here; no two users have such names.
fn canonical(name: &str) -> String {
    name.chars()
        .take(MAX_NAME_CHARS)
        .collect::<String>()
        .to_ascii_lowercase()
}

const FREE: u32 = 10;
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// Slow enough for guessing, short enough for the colleague behind the same address.
const MAX_DELAY: Duration = Duration::from_secs(5 * 60);
/// What a person may get wrong for ever, without being slowed.
const FORGIVE_EVERY: Duration = Duration::from_secs(3 * 60);
const FORGET_AFTER: Duration = Duration::from_secs(30 * 60);
const MAX_ENTRIES: usize = 10_000;
/// Of one name.
const MAX_BROWSERS: usize = 50;
const MAX_BROWSER_BYTES: usize = 64;
const MAX_NAME_CHARS: usize = 256;

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn throttle() -> (Throttle, Clock) {
        let clock = Clock::manual(Timestamp(1_800_000_000_000));
        (Throttle::new(clock.clone()), clock)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn fail(throttle: &Throttle, from: &str, name: &str) -> Result<(), TryLater> {
        throttle.attempt(address(from), name, None).map(drop)
    }

    #[test]
    fn ten_failures_are_free_and_then_the_delay_grows() {
        let (throttle, clock) = throttle();
        for _ in 0..10 {
            fail(&throttle, "192.0.2.1", "ana").unwrap();
        }
        // While one waits that long, one failure is forgiven.
        for delay in [1, 2, 4, 8, 16, 32, 64, 128, 256, 256, 256] {
            let delay = Duration::from_secs(delay);
            assert_eq!(fail(&throttle, "192.0.2.1", "ana"), Err(TryLater(delay)));
            clock.advance(delay);
            fail(&throttle, "192.0.2.1", "ana").unwrap();
        }
    }

    #[test]
    fn the_real_user_gets_in_from_elsewhere() {
        // T73.
        let (throttle, _) = throttle();
        for _ in 0..10 {
            fail(&throttle, "192.0.2.1", "ana").unwrap();
        }
        assert!(fail(&throttle, "192.0.2.1", "ANA").is_err());
        throttle
            .attempt(address("192.0.2.2"), "ana", None)
            .unwrap()
            .succeeded();
        assert!(fail(&throttle, "192.0.2.1", "ana").is_err());
    }

    #[test]
    fn one_address_that_tries_many_names_is_slowed_too() {
        let (throttle, _) = throttle();
        for number in 0..10 {
            fail(&throttle, "192.0.2.1", &format!("user{number}")).unwrap();
        }
        assert!(fail(&throttle, "192.0.2.1", "another").is_err());
        fail(&throttle, "192.0.2.2", "another").unwrap();
    }

    #[test]
    fn success_forgets_ones_own_slips_and_nobody_elses() {
        let (throttle, _) = throttle();
        for _ in 0..5 {
            fail(&throttle, "192.0.2.1", "ana").unwrap();
        }
        for _ in 0..3 {
            fail(&throttle, "192.0.2.1", "bob").unwrap();
        }
        throttle
            .attempt(address("192.0.2.1"), "ana", None)
            .unwrap()
            .succeeded();
        let counts = throttle.counts();
        assert_eq!(counts.addresses.0[&address("192.0.2.1")].count, 3);
        assert_eq!(counts.pairs.0.len(), 1);
    }

    #[test]
    fn an_office_that_slips_now_and_then_is_never_slowed() {
        let (throttle, clock) = throttle();
        for number in 0..100 {
            fail(&throttle, "192.0.2.1", &format!("user{number}")).unwrap();
            clock.advance(Duration::from_secs(20 * 60));
        }
    }

    #[test]
    fn who_signed_in_in_this_browser_before_is_not_held_up_by_others() {
        let (throttle, _) = throttle();
        let there = address("192.0.2.1");
        let ana = |browser| throttle.attempt(there, "ana", Some(browser));
        ana("hers").unwrap().succeeded();
        // A robot behind the same proxy, at her name and at others.
        for name in ["ana", "root"] {
            while fail(&throttle, "192.0.2.1", name).is_ok() {}
        }
        ana("hers").unwrap().succeeded();
        // Nobody is told that the name exists: it is as slow as any other.
        let waits = ["ana", "nobody"].map(|name| fail(&throttle, "192.0.2.1", name).unwrap_err());
        assert_eq!(waits[0], waits[1]);
        assert!(ana("another").is_err());
        assert!(
            throttle.attempt(there, "bob", Some("hers")).is_err(),
            "her name alone"
        );
        // Nor does the browser guess for ever.
        for _ in 0..10 {
            ana("hers").map(drop).unwrap();
        }
        assert!(ana("hers").is_err());
        assert!(fail(&throttle, "192.0.2.2", "ana").is_ok(), "elsewhere");
    }

    #[test]
    fn who_signs_in_in_many_browsers_makes_nobody_else_a_stranger() {
        let (throttle, _) = throttle();
        let there = address("192.0.2.1");
        let sign_in = |name, browser: &str| throttle.attempt(there, name, Some(browser));
        sign_in("ana", "hers").unwrap().succeeded();
        for number in 0..=MAX_ENTRIES {
            let browser = number.to_string();
            sign_in("mallory", &browser).unwrap().succeeded();
        }
        assert!(throttle.counts().familiar["mallory"].len() <= MAX_BROWSERS);
        while fail(&throttle, "192.0.2.1", "root").is_ok() {}
        sign_in("ana", "hers").unwrap().succeeded();
    }

    #[test]
    fn what_is_too_long_to_keep_is_no_browser() {
        let (throttle, _) = throttle();
        let (there, long) = (address("192.0.2.1"), "x".repeat(65));
        let ana = || throttle.attempt(there, "ana", Some(&long));
        ana().unwrap().succeeded();
        assert!(throttle.counts().familiar.is_empty());
        while ana().map(drop).is_ok() {}
        assert_eq!(throttle.counts().pairs.0.len(), 1);
    }

    #[test]
    fn a_familiar_browsers_attempt_that_was_not_checked_does_not_count() {
        let (throttle, _) = throttle();
        let there = address("192.0.2.1");
        let ana = || throttle.attempt(there, "ana", Some("hers")).unwrap();
        ana().succeeded();
        for _ in 0..20 {
            ana().withdrawn();
        }
        assert!(throttle.counts().addresses.0.is_empty());
    }

    #[test]
    fn old_slips_of_ones_own_pay_for_no_guesses_at_others() {
        let (throttle, clock) = throttle();
        let there = address("192.0.2.1");
        for _ in 0..9 {
            fail(&throttle, "192.0.2.1", "mallory").unwrap();
        }
        clock.advance(FORGET_AFTER);
        for number in 0..9 {
            fail(&throttle, "192.0.2.1", &format!("user{number}")).unwrap();
        }
        throttle
            .attempt(there, "mallory", None)
            .unwrap()
            .succeeded();
        assert_eq!(throttle.counts().addresses.0[&there].count, 9);
    }

    #[test]
    fn attempts_at_once_count_before_they_are_decided() {
        let (throttle, _) = throttle();
        let open: Vec<_> = (0..10)
            .map(|_| throttle.attempt(address("192.0.2.1"), "ana", None).unwrap())
            .collect();
        assert!(fail(&throttle, "192.0.2.1", "ana").is_err());
        open.into_iter().for_each(Attempt::withdrawn);
        fail(&throttle, "192.0.2.1", "ana").unwrap();
    }

    #[test]
    fn failures_are_forgotten_after_a_while() {
        let (throttle, clock) = throttle();
        for _ in 0..10 {
            fail(&throttle, "192.0.2.1", "ana").unwrap();
        }
        clock.advance(FORGET_AFTER);
        for _ in 0..10 {
            fail(&throttle, "192.0.2.1", "ana").unwrap();
        }
        assert!(fail(&throttle, "192.0.2.1", "ana").is_err());
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nobody_up_for_longer() {
        let (throttle, clock) = throttle();
        let there = address("192.0.2.1");
        for _ in 0..10 {
            fail(&throttle, "192.0.2.1", "ana").unwrap();
        }
        let ahead = clock.now().plus(Duration::from_secs(24 * 60 * 60));
        let mut counts = throttle.counts();
        counts
            .pairs
            .0
            .values_mut()
            .for_each(|pair| pair.last = ahead);
        counts.addresses.0.get_mut(&there).unwrap().last = ahead;
        drop(counts);
        let delay = Duration::from_secs(1);
        assert_eq!(fail(&throttle, "192.0.2.1", "ana"), Err(TryLater(delay)));
        clock.advance(delay);
        fail(&throttle, "192.0.2.1", "ana").unwrap();
    }

    #[test]
    fn one_ipv6_customer_is_one_client() {
        let (throttle, _) = throttle();
        for number in 0..10 {
            fail(&throttle, &format!("2001:db8::{number}"), "ana").unwrap();
        }
        assert!(fail(&throttle, "2001:db8::ffff", "ana").is_err());
        fail(&throttle, "2001:db8:0:1::1", "ana").unwrap();
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn the_tables_are_bounded() {
        let (throttle, _) = throttle();
        for number in 0..MAX_ENTRIES + 100 {
            let from = Ipv6Addr::from_bits((number as u128) << 64);
            throttle
                .attempt(from.into(), "ana", None)
                .map(drop)
                .unwrap();
        }
        for number in 0..=MAX_ENTRIES {
            let browser = ("hers".to_owned(), number.to_string());
            throttle.counts().remember(browser);
        }
        let counts = throttle.counts();
        assert_eq!(counts.familiar.len(), 1);
        assert!(counts.pairs.0.len() <= MAX_ENTRIES);
        assert!(counts.addresses.0.len() <= MAX_ENTRIES);
    }

    #[test]
    fn retry_after_is_at_least_a_second() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2)] {
            assert_eq!(TryLater(Duration::from_millis(millis)).seconds(), seconds);
        }
    }
}
