//! One signed-in browser.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};

use super::{
    Voucher,
    token::{SessionId, TokenHash},
};
use crate::{clock::Timestamp, config, http::site::Host};

/// A user as a provider asserted it at sign-in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct User {
    /// Who says so.
    pub provider: String,
    /// The provider's own stable key of the user.
    pub subject: String,
    /// Unique over all providers.
    pub name: String,
    /// Verified.
    pub email: Option<String>,
    /// Group names.
    pub groups: Vec<String>,
    /// Which secret let them in; `None` where the provider keeps none here. Absent in sessions from
    /// before there were vouchers.
    #[serde(default)]
    pub voucher: Option<Voucher>,
}

impl User {
    /// Whether this user administers. Asked of the configuration each time, so that neither a
    /// restart nor a reload leaves somebody with rights that were taken away.
    pub fn is_admin(&self, admin: &config::Admin) -> bool {
        let listed = |group| admin.groups.contains(group);
        admin.users.contains(&self.name) || self.groups.iter().any(listed)
    }
}

/// What the browser looked like at sign-in, for its owner's list of sessions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Device {
    /// The client's address.
    pub address: IpAddr,
    /// Its `User-Agent`, at most 200 characters, without control characters. Whatever the client
    /// said: never decides anything.
    pub agent: String,
}

impl Device {
    /// Shortens and cleans the `User-Agent`.
    pub fn new(address: IpAddr, agent: &str) -> Self {
        let agent = agent.chars().filter(|c| !c.is_control());
        Self {
            address: address.to_canonical(),
            agent: agent.take(AGENT_CHARS).collect(),
        }
    }
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// Idle for too long, or at the end of its lifetime.
    Expired,
    /// The user has too many; this was the one idle the longest.
    Replaced,
    /// Somebody with the right to do so ended it.
    Revoked,
    /// The user signed out.
    SignedOut,
    /// Its sign-in did not come to an end, so nobody has a token of it.
    Undone,
    /// The user was disabled or removed.
    UserRemoved,
}

impl Ended {
    /// In the audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::Revoked => "revoked",
            Self::SignedOut => "signed-out",
            Self::Undone => "undone",
            Self::UserRemoved => "user-removed",
        }
    }
}

/// One signed-in browser, with all the hosts that it uses.
#[derive(Debug)]
pub struct Session {
    /// Its public id.
    pub id: SessionId,
    /// Who signed in.
    pub user: Arc<User>,
    /// When.
    pub created: Timestamp,
    /// From where.
    pub device: Device,
    last_seen: AtomicU64,
    /// What the store was told.
    saved_seen: AtomicU64,
    ended: AtomicBool,
    /// Oldest first.
    tokens: Mutex<Vec<(TokenHash, Host)>>,
}

impl Session {
    pub(super) fn new(id: SessionId, user: User, created: Timestamp, device: Device) -> Self {
        Self {
            id,
            user: Arc::new(user),
            created,
            device,
            last_seen: AtomicU64::new(created.0),
            saved_seen: AtomicU64::new(created.0),
            ended: AtomicBool::new(false),
            tokens: Mutex::default(),
        }
    }

    pub(super) fn with_last_seen(mut self, seen: Timestamp) -> Self {
        self.last_seen = AtomicU64::new(seen.0);
        self.saved_seen = AtomicU64::new(seen.0);
        self
    }

    /// The last activity, to the second.
    pub fn last_seen(&self) -> Timestamp {
        Timestamp(self.last_seen.load(Ordering::Relaxed))
    }

    /// Whether it was ended; says nothing about expiry, see [`super::Sessions::is_live`].
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(super) fn see(&self, now: Timestamp) {
        // Most calls only read, so that cores do not fight over the line.
        if now.0 >= self.last_seen().0.saturating_add(RESOLUTION_MS) {
            self.last_seen.fetch_max(now.0, Ordering::Relaxed);
        }
    }

    /// The last activity, if the store does not know it yet. Counts as told from now on.
    pub(super) fn take_unsaved(&self) -> Option<Timestamp> {
        let seen = self.last_seen();
        (self.saved_seen.swap(seen.0, Ordering::Relaxed) != seen.0).then_some(seen)
    }

    /// Adds a token and calls `publish` with those that it displaces, unless the session has ended;
    /// `end` cannot come in between.
    pub(super) fn admit(
        &self,
        hash: TokenHash,
        host: &Host,
        publish: impl FnOnce(&[TokenHash]),
    ) -> bool {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if self.has_ended() {
            return false;
        }
        publish(&admit(&mut tokens, hash, host));
        true
    }

    /// Whether somebody may hold a token of it.
    pub(super) fn has_tokens(&self) -> bool {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        !tokens.is_empty()
    }

    /// Marks the session as over and gives up its tokens.
    pub(super) fn end(&self) -> Vec<TokenHash> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        self.ended.store(true, Ordering::Release);
        std::mem::take(&mut *tokens)
            .into_iter()
            .map(|(hash, _)| hash)
            .collect()
    }
}

/// Adds a token to a list, oldest first, and takes out what is beyond the bounds. A browser needs
/// one per host; a few more let tabs that were handed over at the same time all go on.
pub(super) fn admit(
    tokens: &mut Vec<(TokenHash, Host)>,
    hash: TokenHash,
    host: &Host,
) -> Vec<TokenHash> {
    let mut displaced = Vec::new();
    let here = tokens.iter().filter(|(_, other)| other == host).count();
    let oldest = match tokens.iter().position(|(_, other)| other == host) {
        Some(position) if here >= TOKENS_PER_HOST => Some(position),
        _ if tokens.len() >= TOKENS_PER_SESSION => Some(0),
        _ => None,
    };
    if let Some(position) = oldest {
        displaced.push(tokens.remove(position).0);
    }
    tokens.push((hash, host.clone()));
    displaced
}

const AGENT_CHARS: usize = 200;
const RESOLUTION_MS: u64 = 1000;
const TOKENS_PER_HOST: usize = 4;
const TOKENS_PER_SESSION: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_keeps_little_and_nothing_strange() {
        let agent = format!("Mozilla\r\n\0{}", "é".repeat(500));
        let device = Device::new("::ffff:192.0.2.7".parse().unwrap(), &agent);
        assert_eq!(device.address.to_string(), "192.0.2.7");
        assert_eq!(device.agent.chars().count(), 200);
        assert!(device.agent.starts_with("Mozillaé"));
    }

    #[test]
    fn tokens_are_bounded_per_host_and_in_all() {
        let mut tokens = Vec::new();
        let host: Host = "a.example".parse().unwrap();
        for number in 0..10 {
            let displaced = admit(&mut tokens, [number; 32], &host);
            assert_eq!(
                displaced.first(),
                number.checked_sub(4).map(|n| [n; 32]).as_ref()
            );
        }
        assert_eq!(tokens.len(), TOKENS_PER_HOST);
        for number in 0..200 {
            let host = format!("{number}.example").parse().unwrap();
            admit(&mut tokens, [99; 32], &host);
        }
        assert_eq!(tokens.len(), TOKENS_PER_SESSION);
    }
}
