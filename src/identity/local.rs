//! Local users: those of the store (`labgate user add`) and those that stand in the configuration.
//!
//! In: a name and a password. Out: the user, or nothing; nothing is the same, in words and in time,
//! for a wrong password, an unknown name and a disabled user. A user of the configuration hides one
//! of the store with the same name.
//! Not here: throttling (`throttle`), which the caller asks first.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::sync::Semaphore;

use super::{
    accounts::{self, StoredUser},
    password::{Expected, MAX_PASSWORD_BYTES},
};
use crate::{
    config,
    secret::Secret,
    session::User,
    store::{self, Store},
};

/// Checks passwords. Shared.
pub struct LocalUsers {
    store: Arc<Store>,
    configured: RwLock<Arc<Configured>>,
    /// Hashes at once.
    hashing: Arc<Semaphore>,
    /// Hashes at once and those that wait.
    waiting: Arc<Semaphore>,
}

type Configured = HashMap<String, config::LocalUser>;

/// A local user who exists and is enabled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified(User);

impl Verified {
    /// As sessions want it.
    pub fn into_user(self) -> User {
        self.0
    }

    /// The user's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

/// Nothing can be said about a password now.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unavailable {
    /// Too many passwords are being checked. 503 with `Retry-After`; not a failed attempt.
    #[error("too many sign-ins at once")]
    Busy,
    /// The users cannot be read.
    #[error("the users cannot be read")]
    Store(#[from] store::Error),
}

impl LocalUsers {
    /// The provider of users that stand in the configuration.
    pub const CONFIGURED: &str = "config";

    /// With the users of the configuration.
    pub fn new(store: Arc<Store>, configured: &[config::LocalUser]) -> Self {
        let users = Self {
            store,
            configured: RwLock::default(),
            hashing: Arc::new(Semaphore::new(HASHES)),
            waiting: Arc::new(Semaphore::new(HASHES + QUEUE)),
        };
        users.set_configured(configured);
        users
    }

    /// The users of a new configuration. The caller then ends the sessions that
    /// [`LocalUsers::vouches_for`] no longer confirms.
    pub fn set_configured(&self, configured: &[config::LocalUser]) {
        let by_name = configured
            .iter()
            .map(|user| (user.name.clone(), user.clone()));
        let mut slot = self
            .configured
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = Arc::new(by_name.collect());
    }

    /// Checks a password. Costs one hash on a blocking thread, whoever asks; two at a time, 64
    /// wait, and more are [`Unavailable::Busy`]. Overlong names and passwords are refused without.
    pub async fn verify(
        &self,
        name: &str,
        password: &Secret<String>,
    ) -> Result<Option<Verified>, Unavailable> {
        if name.len() > MAX_NAME_BYTES || password.expose().len() > MAX_PASSWORD_BYTES {
            return Ok(None);
        }
        let place = Arc::clone(&self.waiting).try_acquire_owned();
        let place = place.map_err(|_| Unavailable::Busy)?;
        let turn = Arc::clone(&self.hashing).acquire_owned().await;
        let turn = turn.map_err(|_| Unavailable::Busy)?;
        let (user, expected) = self.candidate(name)?;
        let password = password.clone();
        let hash = move || {
            let right = expected.matches(&password);
            // Here, not outside: the work goes on when the caller has gone.
            drop((turn, place));
            right
        };
        let right = tokio::task::spawn_blocking(hash).await;
        Ok(user.filter(|_| right.unwrap_or(false)))
    }

    /// A user by name, for one-time links. `None`: unknown or disabled. Takes no care of time.
    pub fn lookup(&self, name: &str) -> Result<Option<Verified>, store::Error> {
        Ok(self.candidate(name)?.0)
    }

    /// Whether a session's user is still what we would sign in now: there, enabled, with the same
    /// groups and address. `true` for users of other providers, and while the store cannot be read.
    pub fn vouches_for(&self, user: &User) -> bool {
        if ![accounts::PROVIDER, Self::CONFIGURED].contains(&user.provider.as_str()) {
            return true;
        }
        self.lookup(&user.name)
            .map_or(true, |found| found.is_some_and(|found| found.0 == *user))
    }

    /// Who that would be, and what the password is compared with.
    fn candidate(&self, name: &str) -> Result<(Option<Verified>, Expected), store::Error> {
        let configured = self
            .configured
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        // Both are asked in each case, for the sake of time.
        let stored = self.store.get::<StoredUser>(name)?;
        if let Some(user) = configured.get(name) {
            let groups = user.groups.clone();
            let verified = verified(Self::CONFIGURED, name, user.email.clone(), groups);
            return Ok((Some(verified), Expected::from_config(&user.password)));
        }
        Ok(match stored {
            Some(user) if !user.disabled => {
                let expected = user.password().map_or(Expected::Nobody, Expected::Hash);
                let verified = verified(accounts::PROVIDER, name, user.email, user.groups);
                (Some(verified), expected)
            }
            _ => (None, Expected::Nobody),
        })
    }
}

impl std::fmt::Debug for LocalUsers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalUsers").finish_non_exhaustive()
    }
}

fn verified(provider: &str, name: &str, email: Option<String>, groups: Vec<String>) -> Verified {
    Verified(User {
        provider: provider.to_owned(),
        subject: name.to_owned(),
        name: name.to_owned(),
        email,
        groups,
    })
}

/// Each takes 19 MiB and a core.
const HASHES: usize = 2;

/// About a second of work.
const QUEUE: usize = 64;

/// No user has a longer name.
const MAX_NAME_BYTES: usize = 256;

#[cfg(test)]
mod tests;
