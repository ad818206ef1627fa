//! One-time codes that hand a session over from the main host to another host of the same browser.
//!
//! The host that wants a session gives its browser a nonce cookie and sends it to the main host
//! with [`nonce_hash`] of it; the main host issues a code bound to that, to the host, to the path
//! and to the session, and sends the browser back. Only the browser that holds the nonce can use
//! the code, once, within 30 s. So a code that leaks, or one that an attacker plants to sign a
//! victim in as himself, is worth nothing.
//! Not here: whether the session is still live (`Sessions::enter` asks).

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::SessionId;
use crate::{
    clock::{Clock, Timestamp},
    http::site::Host,
    secret::random,
};

/// The codes that are out. In memory: 30 s are not worth a disk.
#[derive(Debug)]
pub struct Handovers {
    clock: Clock,
    open: Mutex<Open>,
}

/// What a code stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Handover {
    /// Where it may be used.
    pub host: Host,
    /// Where the browser goes then: raw origin-form path and query.
    pub return_path: String,
    /// Whose session is handed over.
    pub session: SessionId,
    /// [`nonce_hash`] of the browser's nonce.
    pub nonce_hash: String,
}

/// A one-time code for a URL: 256 bits, 43 characters base64url.
#[derive(Clone, Eq, PartialEq)]
pub struct Code(String);

impl Code {
    /// For the URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(***)")
    }
}

/// Why a code is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// Another browser, or the nonce cookie is gone. The code is used up.
    #[error("the code belongs to another browser")]
    Browser,
    /// Another host. The code is used up.
    #[error("the code belongs to another host")]
    Host,
    /// Never issued, or older than 30 s.
    #[error("the code is unknown or too old")]
    Unknown,
    /// A second time within the 30 s: likely the page was loaded twice, and the first load has the
    /// session already.
    #[error("the code was used already")]
    Used,
}

impl Refused {
    /// In the audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Host => "host",
            Self::Unknown => "unknown",
            Self::Used => "used",
        }
    }
}

/// What the host that asks sends along: SHA-256 of the nonce, base64url.
pub fn nonce_hash(nonce: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(nonce))
}

impl Handovers {
    /// No codes.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            open: Mutex::default(),
        }
    }

    /// A code for a handover. Beyond 64 codes of a session or 10,000 in all the oldest is dropped.
    /// A return path over 8 KiB becomes `/`.
    pub fn issue(&self, mut handover: Handover) -> Code {
        if handover.return_path.len() > MAX_RETURN_PATH {
            "/".clone_into(&mut handover.return_path);
        }
        let code = Code(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()));
        let expires = self.clock.now().plus(GOOD_FOR);
        let mut open = self.open();
        open.add(key(&code.0), handover, expires);
        code
    }

    /// Takes a code on `host` from a browser that holds `nonce`. Whatever the answer, the code is
    /// used up: one that is seen in the wrong place has leaked.
    pub fn redeem(&self, code: &str, host: &Host, nonce: &str) -> Result<Handover, Refused> {
        let mut open = self.open();
        let entry = open.codes.get_mut(&key(code)).ok_or(Refused::Unknown)?;
        let handover = entry.handover.take().ok_or(Refused::Used)?;
        drop(open);
        if handover.host != *host {
            return Err(Refused::Host);
        }
        let mine = nonce_hash(nonce);
        if bool::from(mine.as_bytes().ct_eq(handover.nonce_hash.as_bytes())) {
            Ok(handover)
        } else {
            Err(Refused::Browser)
        }
    }

    /// Locked, without what is too old.
    fn open(&self) -> MutexGuard<'_, Open> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.drop_expired(self.clock.now());
        open
    }
}

/// By SHA-256 of the code, so that looking one up tells nothing through timing.
type Key = [u8; 32];

#[derive(Debug, Default)]
struct Open {
    codes: HashMap<Key, Entry>,
    /// Oldest first, which is also the order in which they expire. Holds every key of `codes`, and
    /// some that are gone.
    order: VecDeque<Key>,
    /// Oldest first. Holds every key of `codes` exactly once, and no other.
    by_session: HashMap<SessionId, VecDeque<Key>>,
}

#[derive(Debug)]
struct Entry {
    session: SessionId,
    expires: Timestamp,
    /// `None`: used.
    handover: Option<Handover>,
}

impl Open {
    fn add(&mut self, key: Key, handover: Handover, expires: Timestamp) {
        let session = handover.session;
        let theirs = self.by_session.entry(session).or_default();
        theirs.push_back(key);
        let surplus = (theirs.len() > MAX_PER_SESSION)
            .then(|| theirs.front().copied())
            .flatten();
        self.order.push_back(key);
        let entry = Entry {
            session,
            expires,
            handover: Some(handover),
        };
        self.codes.insert(key, entry);
        if let Some(oldest) = surplus {
            self.remove(&oldest);
        }
        // `order` is bounded, not only `codes`: keys that are gone count until they come first.
        while self.order.len() > MAX_CODES {
            if let Some(oldest) = self.order.pop_front() {
                self.remove(&oldest);
            }
        }
    }

    fn drop_expired(&mut self, now: Timestamp) {
        while let Some(oldest) = self.order.front().copied() {
            if self
                .codes
                .get(&oldest)
                .is_some_and(|entry| now < entry.expires)
            {
                return;
            }
            self.order.pop_front();
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &Key) {
        let Some(entry) = self.codes.remove(key) else {
            return;
        };
        if let Some(theirs) = self.by_session.get_mut(&entry.session) {
            theirs.retain(|other| other != key);
            if theirs.is_empty() {
                self.by_session.remove(&entry.session);
            }
        }
    }
}

fn key(code: &str) -> Key {
    Sha256::digest(code).into()
}

const GOOD_FOR: Duration = Duration::from_secs(30);
const MAX_CODES: usize = 10_000;
const MAX_PER_SESSION: usize = 64;
/// Bounds the memory; browsers and servers stop at about this length too.
const MAX_RETURN_PATH: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn handovers() -> (Handovers, Clock) {
        let clock = Clock::manual(Timestamp(1_800_000_000_000));
        (Handovers::new(clock.clone()), clock)
    }

    fn host(name: &str) -> Host {
        name.parse().unwrap()
    }

    fn handover() -> Handover {
        Handover {
            host: host("jupyter.example.org"),
            return_path: "/lab?x=%2F".into(),
            session: SessionId::generate(),
            nonce_hash: nonce_hash("nonce"),
        }
    }

    #[test]
    fn a_code_brings_its_handover_once() {
        let (handovers, _) = handovers();
        let wanted = handover();
        let code = handovers.issue(wanted.clone());
        assert_eq!(code.as_str().len(), 43);
        let redeem = || handovers.redeem(code.as_str(), &wanted.host, "nonce");
        assert_eq!(redeem(), Ok(wanted.clone()));
        assert_eq!(redeem(), Err(Refused::Used));
    }

    #[test]
    fn another_host_or_browser_is_refused_and_uses_the_code_up() {
        // T94.
        let (handovers, _) = handovers();
        let here = handover().host;
        let code = handovers.issue(handover());
        let other = host("rstudio.example.org");
        assert_eq!(
            handovers.redeem(code.as_str(), &other, "nonce"),
            Err(Refused::Host)
        );
        assert_eq!(
            handovers.redeem(code.as_str(), &here, "nonce"),
            Err(Refused::Used)
        );
        for nonce in ["", "other", &nonce_hash("nonce")] {
            let code = handovers.issue(handover());
            assert_eq!(
                handovers.redeem(code.as_str(), &here, nonce),
                Err(Refused::Browser)
            );
        }
    }

    #[test]
    fn a_code_is_good_for_thirty_seconds() {
        let (handovers, clock) = handovers();
        let here = handover().host;
        let early = handovers.issue(handover());
        let late = handovers.issue(handover());
        clock.advance(Duration::from_millis(29_999));
        assert!(handovers.redeem(early.as_str(), &here, "nonce").is_ok());
        clock.advance(Duration::from_millis(1));
        for code in [early, late] {
            assert_eq!(
                handovers.redeem(code.as_str(), &here, "nonce"),
                Err(Refused::Unknown)
            );
        }
        assert_eq!(handovers.redeem("", &here, "nonce"), Err(Refused::Unknown));
        assert!(handovers.open().codes.is_empty() && handovers.open().order.is_empty());
    }

    #[test]
    fn a_session_displaces_only_its_own_codes() {
        let (handovers, _) = handovers();
        let mine = handover();
        let first = handovers.issue(mine.clone());
        let other = handovers.issue(handover());
        for _ in 0..MAX_PER_SESSION {
            handovers.issue(mine.clone());
        }
        let redeem = |code: &Code| handovers.redeem(code.as_str(), &mine.host, "nonce");
        assert_eq!(redeem(&first), Err(Refused::Unknown));
        assert!(redeem(&other).is_ok());
    }

    #[test]
    fn all_codes_together_are_bounded() {
        let (handovers, _) = handovers();
        for _ in 0..MAX_CODES + 100 {
            handovers.issue(handover());
        }
        let one = handover();
        for _ in 0..MAX_CODES {
            handovers.issue(one.clone());
        }
        let open = handovers.open();
        assert!(open.codes.len() <= MAX_CODES && open.order.len() <= MAX_CODES);
        assert!(open.by_session.len() <= open.codes.len());
    }

    #[test]
    fn an_endless_return_path_becomes_the_root() {
        let (handovers, _) = handovers();
        let mut long = handover();
        long.return_path = format!("/{}", "a".repeat(MAX_RETURN_PATH));
        let code = handovers.issue(long.clone());
        let redeemed = handovers
            .redeem(code.as_str(), &long.host, "nonce")
            .unwrap();
        assert_eq!(redeemed.return_path, "/");
    }
}
