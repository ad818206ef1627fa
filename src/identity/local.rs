//! Local users: those of the store (`labgate user add`), those that stand in the configuration and
//! those of its htpasswd file.
//!
//! In: a name and a password. Out: the user, or nothing; nothing is the same, in words and in time,
//! for a wrong password, an unknown name and a disabled user. A user of the configuration or of the
//! file hides one of the store with the same name.
//!
//! Time (T74): each check does the work of one argon2id hash, and while there are htpasswd users that
//! of one of their hashes too, for names that nobody has the dearest of the file. Where all hashes of
//! the file have one kind and cost, as those of one program have, nothing shows. Where they differ,
//! time tells apart their users, but never a user of the store from nobody.
//! Not here: throttling (`throttle`), which the caller asks first.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    NewPassword,
    accounts::{self, StoredUser},
    configured::{Configured, ConfiguredUser},
    password::{Expected, MAX_PASSWORD_BYTES},
};
use crate::{
    config,
    secret::{Secret, random},
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
    /// For vouchers.
    salt: Secret<[u8; 32]>,
}

/// Whom a name means.
enum Account {
    Configured(Arc<ConfiguredUser>),
    Stored(String, Box<StoredUser>),
}

/// A local user who exists and is enabled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified(User);

impl Verified {
    /// As sessions want it.
    pub fn into_user(self) -> User {
        self.0
    }

    /// Whether the store has the user, so that their password can be changed.
    pub fn is_stored(&self) -> bool {
        self.0.provider == accounts::PROVIDER
    }

    /// The user's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

/// Where a password stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PasswordKeeper {
    /// In the configuration.
    Configuration,
    /// In the htpasswd file.
    Htpasswd,
    /// Nowhere: the user of the store has none yet.
    Nobody,
    /// With another provider.
    Provider,
    /// In the store.
    Store,
}

/// Nothing can be said about a password now.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unavailable {
    /// Too many passwords are being checked. 503 with `Retry-After`; not a failed attempt.
    #[error("too many sign-ins at once")]
    Busy,
    /// A new password was not hashed.
    #[error("a password cannot be hashed")]
    Hash,
    /// The users cannot be read.
    #[error("the users cannot be read")]
    Store(#[from] store::Error),
}

impl LocalUsers {
    /// The provider of users that stand in the configuration.
    pub const CONFIGURED: &str = "config";

    /// The provider of users of the htpasswd file.
    pub const HTPASSWD: &str = "htpasswd";

    /// With the users of the configuration. Blocks.
    pub fn new(store: Arc<Store>, configured: &[config::LocalUser]) -> Self {
        // Another salt after each start would only end the sessions of configured users.
        let salt = store.secret("voucher");
        let users = Self {
            salt: salt.unwrap_or_else(|_| Secret::new(random())),
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
        let mut slot = self
            .configured
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = Arc::new(Configured::new(configured, &slot));
    }

    /// The users of the configuration and of its htpasswd file, in no order.
    pub fn configured_users(&self) -> Vec<config::LocalUser> {
        self.configured().users().cloned().collect()
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
        let turn = self.turn().await?;
        let (account, configured) = (self.account(name)?, self.configured());
        let (password, salt) = (password.clone(), self.salt.clone());
        let check = move || check(account, &password, &configured, &salt);
        let user = turn.take(check).await.flatten();
        Ok(user.map(Verified))
    }

    /// Hashes a new password, in the same queue as [`LocalUsers::verify`]; the PHC string.
    pub async fn hash(&self, password: NewPassword) -> Result<Secret<String>, Unavailable> {
        let turn = self.turn().await?;
        let hashed = turn.take(move || password.hash()).await;
        hashed.and_then(Result::ok).ok_or(Unavailable::Hash)
    }

    /// Waits for a turn to hash.
    async fn turn(&self) -> Result<Turn, Unavailable> {
        let place = Arc::clone(&self.waiting).try_acquire_owned();
        let place = place.map_err(|_| Unavailable::Busy)?;
        let turn = Arc::clone(&self.hashing).acquire_owned().await;
        let turn = turn.map_err(|_| Unavailable::Busy)?;
        Ok(Turn {
            _permits: (turn, place),
        })
    }

    fn configured(&self) -> Arc<Configured> {
        Arc::clone(
            &self
                .configured
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Whether a name is that of an enabled user of the store, whom no other hides.
    pub fn is_stored(&self, name: &str) -> Result<bool, store::Error> {
        Ok(matches!(self.account(name)?, Some(Account::Stored(..))))
    }

    /// Where the password of a session's user stands.
    pub fn keeper_of(&self, user: &User) -> Result<PasswordKeeper, store::Error> {
        Ok(match user.provider.as_str() {
            Self::CONFIGURED => PasswordKeeper::Configuration,
            Self::HTPASSWD => PasswordKeeper::Htpasswd,
            accounts::PROVIDER => {
                let stored = self.store.get::<StoredUser>(&user.name)?;
                let password = stored.and_then(|user| user.password());
                password.map_or(PasswordKeeper::Nobody, |_| PasswordKeeper::Store)
            }
            _ => PasswordKeeper::Provider,
        })
    }

    /// Gives a user of the store the password (a PHC string) that they chose, while the one that was
    /// verified is still theirs; their links and stored sessions end. The user as it is then; the
    /// caller ends the open sessions. `None`: disabled, removed, or changed meanwhile.
    pub async fn choose_password(
        &self,
        user: Verified,
        password: Secret<String>,
    ) -> Result<Option<User>, Unavailable> {
        let change = move |changes: &store::Changes<'_>| {
            let Verified(user) = user;
            if user.provider != accounts::PROVIDER || !accounts::admits(changes, &user)? {
                return Ok(None);
            }
            accounts::choose_password(changes, &user.name, &password)
        };
        Ok(self.store.write(change).await?)
    }

    /// Whether a session's user is still what we would sign in now: there, enabled, with the same
    /// password, groups and address. `true` for users of other providers, and while the store cannot
    /// be read. May block for a hash, once for each password that stands in the configuration itself.
    pub fn vouches_for(&self, user: &User) -> bool {
        let ours = [accounts::PROVIDER, Self::CONFIGURED, Self::HTPASSWD];
        if !ours.contains(&user.provider.as_str()) {
            return true;
        }
        self.account(&user.name).map_or(true, |found| {
            found.is_some_and(|found| found.user(&self.salt) == *user)
        })
    }

    /// Whom a name means, if they may sign in.
    fn account(&self, name: &str) -> Result<Option<Account>, store::Error> {
        // Both are asked in each case, for the sake of time.
        let stored = self.store.get::<StoredUser>(name)?;
        if let Some(user) = self.configured().find(name) {
            return Ok(Some(Account::Configured(user)));
        }
        let enabled = stored.filter(|user| !user.disabled);
        Ok(enabled.map(|user| Account::Stored(name.to_owned(), Box::new(user))))
    }
}

impl Account {
    fn expected(&self) -> Expected {
        match self {
            Self::Configured(user) => user.expected(),
            Self::Stored(_, user) => user.password().map_or(Expected::Nobody, Expected::Hash),
        }
    }

    fn user(&self, salt: &Secret<[u8; 32]>) -> User {
        match self {
            Self::Configured(user) => user.session_user(salt.expose()),
            Self::Stored(name, user) => user.session_user(name),
        }
    }
}

impl std::fmt::Debug for LocalUsers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalUsers").finish_non_exhaustive()
    }
}

/// The account's user, if the password is the one. Takes the same time for each account, and for none.
fn check(
    account: Option<Account>,
    password: &Secret<String>,
    configured: &Configured,
    salt: &Secret<[u8; 32]>,
) -> Option<User> {
    let expected = account.as_ref().map_or(Expected::Nobody, Account::expected);
    let right = expected.matches(password, configured.decoy());
    account.filter(|_| right).map(|account| account.user(salt))
}

/// The right to one hash.
struct Turn {
    _permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl Turn {
    /// Does the work on a blocking thread. `None`: it panicked.
    async fn take<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let work = move || {
            let done = work();
            // Here, not outside: the work goes on when the caller has gone.
            drop(self);
            done
        };
        tokio::task::spawn_blocking(work).await.ok()
    }
}

/// Each takes 19 MiB and a core.
const HASHES: usize = 2;

/// About a second of work.
const QUEUE: usize = 64;

/// No user has a longer name.
const MAX_NAME_BYTES: usize = 256;

#[cfg(test)]
mod tests;
