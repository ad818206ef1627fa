//! Local users of the store: the records, and what is done to them.
//!
//! Each operation is a function of a change (see [`Store::write`](crate::store::Store::write)), so
//! that the server can await it and a command can block on it. Disabling and removing somebody
//! takes the stored sessions and links along in the same transaction; a running server ends the
//! open ones with [`Sessions::end_user`](crate::session::Sessions::end_user) afterwards.

use serde::{Deserialize, Serialize};

use super::{UserName, links};
use crate::{
    clock::Timestamp,
    secret::Secret,
    session::{User, Voucher, forget_user},
    store::{Changes, Error, Record},
};

/// The provider of users of the store.
pub const PROVIDER: &str = "local";

/// A user of the store, under its name. Who administers stands in the configuration.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct StoredUser {
    /// An argon2id PHC string; `None`: no password yet, only one-time links.
    password: Option<String>,
    /// Verified, since an administrator wrote it.
    pub email: Option<String>,
    /// Group names.
    pub groups: Vec<String>,
    /// May not sign in.
    pub disabled: bool,
    /// Milliseconds since the Unix epoch.
    created: u64,
}

impl Record for StoredUser {
    const TABLE: &'static str = "users";
}

impl StoredUser {
    /// A new, enabled user; `password` is a PHC string.
    pub fn new(
        password: Option<&Secret<String>>,
        email: Option<String>,
        groups: Vec<String>,
        created: Timestamp,
    ) -> Self {
        Self {
            password: password.map(|phc| phc.expose().clone()),
            email,
            groups,
            disabled: false,
            created: created.0,
        }
    }

    /// The PHC string.
    pub fn password(&self) -> Option<Secret<String>> {
        self.password.clone().map(Secret::new)
    }

    /// As sessions want the user whose name this is.
    pub fn session_user(&self, name: &str) -> User {
        User {
            provider: PROVIDER.to_owned(),
            subject: name.to_owned(),
            name: name.to_owned(),
            email: self.email.clone(),
            groups: self.groups.clone(),
            voucher: Some(self.voucher()),
        }
    }

    /// Another one after each change of the password, and for a new user of the same name.
    fn voucher(&self) -> Voucher {
        let password = self.password.as_deref().unwrap_or_default();
        Voucher::of(&[&self.created.to_be_bytes(), password.as_bytes()])
    }
}

/// What became of an operation on a user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Done; so many stored sessions ended.
    Done {
        /// Sessions that were removed from the store.
        sessions: usize,
    },
    /// A user has this name, or one that differs by case alone.
    Taken(String),
    /// There is no such user in the store.
    Unknown,
}

/// Adds a user.
pub fn add(changes: &Changes<'_>, name: &UserName, user: &StoredUser) -> Result<Outcome, Error> {
    let existing = changes.list::<StoredUser>()?;
    let taken = existing
        .into_iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name.as_str()));
    if let Some((other, _)) = taken {
        return Ok(Outcome::Taken(other));
    }
    changes.put(name.as_str(), user)?;
    Ok(Outcome::Done { sessions: 0 })
}

/// Gives a user a new password (a PHC string), and signs them out everywhere: whoever knew the old
/// one is out. Enables a disabled user, since nothing else does.
pub fn set_password(
    changes: &Changes<'_>,
    name: &str,
    password: &Secret<String>,
) -> Result<Outcome, Error> {
    change(changes, name, |user| {
        user.password = Some(password.expose().clone());
        user.disabled = false;
    })
}

/// Gives an enabled user the password (a PHC string) that they chose themselves; their links and
/// stored sessions end. The user as it is then; `None`: there is no such user, or they are disabled.
pub(super) fn choose_password(
    changes: &Changes<'_>,
    name: &str,
    password: &Secret<String>,
) -> Result<Option<User>, Error> {
    let stored = changes.get::<StoredUser>(name)?;
    if stored.is_none_or(|user| user.disabled) {
        return Ok(None);
    }
    set_password(changes, name, password)?;
    enabled(changes, name)
}

/// An enabled user, as sessions want it.
pub(super) fn enabled(changes: &Changes<'_>, name: &str) -> Result<Option<User>, Error> {
    let stored = changes.get::<StoredUser>(name)?;
    let enabled = stored.filter(|user| !user.disabled);
    Ok(enabled.map(|user| user.session_user(name)))
}

/// Keeps a user from signing in, and signs them out.
pub fn disable(changes: &Changes<'_>, name: &str) -> Result<Outcome, Error> {
    change(changes, name, |user| user.disabled = true)
}

/// Removes a user, and signs them out.
pub fn remove(changes: &Changes<'_>, name: &str) -> Result<Outcome, Error> {
    if !changes.remove::<StoredUser>(name)? {
        return Ok(Outcome::Unknown);
    }
    sign_out(changes, name)
}

/// Whether a user may get a session: one of the store must be there, enabled, with the password that
/// let them in; others are not ours to judge.
pub fn admits(changes: &Changes<'_>, user: &User) -> Result<bool, Error> {
    if user.provider != PROVIDER {
        return Ok(true);
    }
    let stored = enabled(changes, &user.name)?;
    Ok(stored.is_some_and(|stored| stored.voucher == user.voucher))
}

fn change(
    changes: &Changes<'_>,
    name: &str,
    edit: impl FnOnce(&mut StoredUser),
) -> Result<Outcome, Error> {
    let Some(mut user) = changes.get::<StoredUser>(name)? else {
        return Ok(Outcome::Unknown);
    };
    edit(&mut user);
    changes.put(name, &user)?;
    sign_out(changes, name)
}

fn sign_out(changes: &Changes<'_>, name: &str) -> Result<Outcome, Error> {
    links::forget_user(changes, name)?;
    let sessions = forget_user(changes, name)?;
    Ok(Outcome::Done { sessions })
}
