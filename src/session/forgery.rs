//! Anti-forgery values: proof that a form came from a page of ours, shown to this browser.
//!
//! A value is an issue time and its HMAC-SHA256 over purpose, bound value and that time. Nothing is
//! kept; the key stands in the store, so that values outlive a restart.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    clock::{Clock, Timestamp},
    secret::Secret,
    store::{self, Store},
};

/// Issues and checks them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Forgery {
    key: Secret<[u8; 32]>,
    clock: Clock,
}

/// What a value is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Check {
    /// Not ours, altered, or for another purpose or browser.
    Bad,
    /// Ours and fresh.
    Good,
    /// Ours, but older than 12 hours: show the form again with a new one, without a complaint.
    Stale,
}

impl Forgery {
    /// With the store's key. Blocks, the first time for an fsync.
    pub fn open(store: &Store, clock: Clock) -> Result<Self, store::Error> {
        let key = store.secret("forgery")?;
        Ok(Self { key, clock })
    }

    /// A new value, 54 characters base64url. `purpose` names the form; `bound` is what ties it to
    /// the browser, like its session id or the value of its pre-sign-in cookie.
    pub fn issue(&self, purpose: &str, bound: &str) -> String {
        let issued = self.clock.now();
        let mac = self.mac(purpose, bound, issued).finalize().into_bytes();
        let mut bytes = issued.0.to_be_bytes().to_vec();
        bytes.extend_from_slice(&mac);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Checks a value that came back, in constant time.
    pub fn check(&self, value: &str, purpose: &str, bound: &str) -> Check {
        self.age(value, purpose, bound)
            .map_or(Check::Bad, |age| match age {
                age if age > FRESH => Check::Stale,
                _ => Check::Good,
            })
    }

    /// `None`: not ours.
    fn age(&self, value: &str, purpose: &str, bound: &str) -> Option<Duration> {
        let mut bytes = [0; VALUE_LEN];
        if value.len() != TEXT_LEN {
            return None;
        }
        let length = BASE64_URL_SAFE_NO_PAD
            .decode_slice(value, &mut bytes)
            .ok()?;
        let (time, mac) = bytes.get(..length)?.split_first_chunk()?;
        let issued = Timestamp(u64::from_be_bytes(*time));
        let mine = self.mac(purpose, bound, issued);
        mine.verify_slice(mac).ok()?;
        Some(self.clock.now().since(issued))
    }

    fn mac(&self, purpose: &str, bound: &str, issued: Timestamp) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "RFC 2104 §2: keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose())
            .expect("HMAC takes keys of any length");
        // With lengths, so that no two inputs run together into the same bytes.
        for part in [purpose.as_bytes(), bound.as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.update(&issued.0.to_be_bytes());
        mac
    }
}

/// How long a form may stay open.
const FRESH: Duration = Duration::from_secs(12 * 60 * 60);

const VALUE_LEN: usize = 8 + 32;
const TEXT_LEN: usize = 54;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn forgery() -> (Forgery, Clock) {
        let clock = Clock::manual(Timestamp(1_800_000_000_000));
        let key = Secret::new([7; 32]);
        let forgery = Forgery {
            key,
            clock: clock.clone(),
        };
        (forgery, clock)
    }

    #[test]
    fn a_value_is_good_then_stale_for_its_purpose_and_browser_only() {
        let (forgery, clock) = forgery();
        let value = forgery.issue("sign-in", "browser");
        assert_eq!(forgery.check(&value, "sign-in", "browser"), Check::Good);
        assert_eq!(forgery.check(&value, "sign-out", "browser"), Check::Bad);
        assert_eq!(forgery.check(&value, "sign-in", "other"), Check::Bad);
        assert_eq!(forgery.check(&value, "sign-inb", "rowser"), Check::Bad);
        clock.advance(FRESH);
        assert_eq!(forgery.check(&value, "sign-in", "browser"), Check::Good);
        clock.advance(Duration::from_millis(1));
        assert_eq!(forgery.check(&value, "sign-in", "browser"), Check::Stale);
    }

    #[test]
    fn values_outlive_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let open = || Store::open(&store::StateDir::open(state.path())?);
        let store = open().unwrap();
        let value = Forgery::open(&store, Clock::default())
            .unwrap()
            .issue("p", "b");
        store.close();
        let after = Forgery::open(&open().unwrap(), Clock::default()).unwrap();
        assert_eq!(after.check(&value, "p", "b"), Check::Good);
    }

    proptest! {
        #[test]
        fn an_altered_value_is_bad(purpose: String, bound: String, at in 0..TEXT_LEN, by in 1..64_u8) {
            let (forgery, _) = forgery();
            let value = forgery.issue(&purpose, &bound);
            prop_assert_eq!(value.len(), TEXT_LEN);
            prop_assert_eq!(forgery.check(&value, &purpose, &bound), Check::Good);
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let mut bytes = value.into_bytes();
            let old = alphabet.iter().position(|c| *c == bytes[at]).unwrap();
            bytes[at] = alphabet[(old + usize::from(by)) % 64];
            let altered = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(forgery.check(&altered, &purpose, &bound), Check::Bad);
        }

        #[test]
        fn garbage_is_bad_and_no_panic(text in "\\PC*") {
            prop_assert_eq!(forgery().0.check(&text, "p", "b"), Check::Bad);
        }
    }
}
