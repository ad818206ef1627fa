//! Sessions as the store keeps them.
//!
//! Last-seen times stand in a table of their own, since they change all the time and are small.

use std::net::{IpAddr, Ipv4Addr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{
    Device, Session, SessionId, User,
    signed_in::{self},
    token::TokenHash,
};
use crate::{
    clock::Timestamp,
    http::site::Host,
    store::{Changes, Error, Record},
};

/// One session, under its id.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StoredSession {
    user: User,
    created: u64,
    address: Option<IpAddr>,
    agent: String,
    /// Oldest first.
    tokens: Vec<StoredToken>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct StoredToken {
    /// SHA-256, base64url.
    hash: String,
    host: String,
}

impl Record for StoredSession {
    const TABLE: &'static str = "sessions";
}

/// Milliseconds since the Unix epoch, under the session's id.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct LastSeen(pub(super) u64);

impl Record for LastSeen {
    const TABLE: &'static str = "last_seen";
}

/// A session was seen at a time.
pub(super) type Seen = (SessionId, Timestamp);

impl StoredSession {
    pub(super) fn new(session: &Session, hash: &TokenHash, host: &Host) -> Self {
        let mut record = Self {
            user: User::clone(&session.user),
            created: session.created.0,
            address: Some(session.device.address),
            agent: session.device.agent.clone(),
            tokens: Vec::new(),
        };
        record.admit(hash, host);
        record
    }

    /// Who signed in.
    pub const fn user(&self) -> &User {
        &self.user
    }

    pub(super) fn admit(&mut self, hash: &TokenHash, host: &Host) {
        let mut tokens = self.tokens();
        signed_in::admit(&mut tokens, *hash, host);
        self.tokens = tokens
            .into_iter()
            .map(|(hash, host)| StoredToken {
                hash: BASE64_URL_SAFE_NO_PAD.encode(hash),
                host: host.to_string(),
            })
            .collect();
    }

    pub(super) fn into_session(
        self,
        id: SessionId,
        last_seen: Option<Timestamp>,
    ) -> (Session, Vec<(TokenHash, Host)>) {
        let tokens = self.tokens();
        let address = self.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let device = Device::new(address, &self.agent);
        let created = Timestamp(self.created);
        let session = Session::new(id, self.user, created, device);
        (session.with_last_seen(last_seen.unwrap_or(created)), tokens)
    }

    /// Those that can be read; a token that cannot grants nothing.
    fn tokens(&self) -> Vec<(TokenHash, Host)> {
        let parse = |token: &StoredToken| {
            let hash = BASE64_URL_SAFE_NO_PAD.decode(&token.hash).ok()?;
            Some((hash.try_into().ok()?, token.host.parse().ok()?))
        };
        self.tokens.iter().filter_map(parse).collect()
    }
}

pub(super) fn save_seen(changes: &Changes<'_>, seen: &[Seen]) -> Result<(), Error> {
    for (id, time) in seen {
        let key = id.to_string();
        // It may have ended since.
        if changes.contains::<StoredSession>(&key)? {
            changes.put(&key, &LastSeen(time.0))?;
        }
    }
    Ok(())
}

pub(super) fn forget(changes: &Changes<'_>, ids: &[SessionId]) -> Result<(), Error> {
    for id in ids {
        let key = id.to_string();
        changes.remove::<StoredSession>(&key)?;
        changes.remove::<LastSeen>(&key)?;
    }
    Ok(())
}

/// Removes the sessions of a user from the store; says how many. For commands that act on the store
/// while no server runs; a running one uses [`super::Sessions::end_user`].
pub fn forget_user(changes: &Changes<'_>, name: &str) -> Result<usize, Error> {
    let sessions = changes.list::<StoredSession>()?;
    let theirs = sessions.iter().filter(|row| row.1.user.name == name);
    let ids: Vec<SessionId> = theirs.filter_map(|row| row.0.parse().ok()).collect();
    forget(changes, &ids)?;
    Ok(ids.len())
}
