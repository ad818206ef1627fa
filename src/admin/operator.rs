//! What an operator's act does: the one place, with a server around it or without.
//!
//! In: what was asked for, as text. Out: what became of it. Names, groups, addresses and passwords
//! are checked here, whoever asks. An act on a user is one transaction of the store; then the open
//! sessions end, with all that they opened.
//! Not here: statuses (`api`), and what is printed (`cli`).

use std::{collections::HashSet, fs::File, str::FromStr, sync::Arc};

use super::shapes::{Added, Ended as EndedSessions, Link, NewUser, SessionRow, UserRow, UserState};
use crate::{
    clock::Clock,
    config::{LocalUser, UserSource},
    identity::{
        LinkKind, LocalUsers, NewPassword, SignInLinks, Unavailable, UserName,
        accounts::{self, Outcome, StoredUser},
        parse_email, parse_group,
    },
    secret::Secret,
    session::{Ended, Session, SessionId, Sessions},
    store::{self, Changes, Store},
    telemetry::audit::{Audit, Event},
};

/// Does what operators ask. Where no server runs it has sessions of its own, read from the store.
#[derive(Debug)]
pub struct Operator {
    store: Arc<Store>,
    sessions: Arc<Sessions>,
    users: Arc<LocalUsers>,
    links: SignInLinks,
    clock: Clock,
    audit: Option<Audit>,
}

/// Why something was not done. `Display` is a sentence for the operator.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// Too many passwords wait to be hashed.
    #[error("the server is busy; try again in a moment")]
    Busy,
    /// May have no link.
    #[error("{0} is disabled; `labgate user passwd {0}` enables")]
    Disabled(String),
    /// Stands where we do not write.
    #[error("{name} stands in {place}; change it there")]
    Elsewhere {
        /// Whose.
        name: String,
        /// Of the user.
        place: &'static str,
    },
    /// Something of the request cannot be.
    #[error("{0}")]
    Invalid(String),
    /// No such session is open.
    #[error("there is no session {0}")]
    NoSession(SessionId),
    /// The copy of the store was not finished.
    #[error("the store cannot be copied")]
    NotCopied,
    /// The password was not hashed.
    #[error("the password cannot be hashed")]
    NotHashed,
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Somebody has the name, perhaps in another case.
    #[error("{0}")]
    Taken(String),
    /// Nobody has the name.
    #[error("there is no user {0:?}")]
    Unknown(String),
}

impl Operator {
    /// On an open store. `audit` is told of what was done; a command that acts alone has none.
    pub fn new(
        store: Arc<Store>,
        sessions: Arc<Sessions>,
        users: Arc<LocalUsers>,
        clock: Clock,
        audit: Option<Audit>,
    ) -> Self {
        let links = SignInLinks::new(Arc::clone(&store), clock.clone());
        Self {
            store,
            sessions,
            users,
            links,
            clock,
            audit,
        }
    }

    /// The users of the store and of the configuration, by name.
    pub(super) fn users(&self) -> Result<Vec<UserRow>, Refusal> {
        let configured = self.users.configured_users();
        let names: HashSet<&str> = configured.iter().map(|user| user.name.as_str()).collect();
        let stored = self.store.list::<StoredUser>()?;
        let mut rows: Vec<UserRow> = stored
            .into_iter()
            .map(|(name, user)| {
                let hidden = names.contains(name.as_str());
                stored_row(name, user, hidden)
            })
            .collect();
        rows.extend(configured.iter().map(configured_row));
        rows.sort();
        Ok(rows)
    }

    /// A user whom these acts can change.
    pub(super) fn user(&self, name: &str) -> Result<UserRow, Refusal> {
        let configured = self.configured_as(name).filter(|user| user.name == name);
        match (self.store.get::<StoredUser>(name)?, configured) {
            (Some(stored), other) => Ok(stored_row(name.to_owned(), stored, other.is_some())),
            (None, Some(other)) => Err(elsewhere(&other)),
            (None, None) => Err(Refusal::Unknown(name.to_owned())),
        }
    }

    /// Adds a user. Without a password there is a link, at `origin`, to choose one with.
    pub(super) async fn add(&self, new: NewUser, origin: &str) -> Result<Added, Refusal> {
        let name = UserName::from_str(&new.name).map_err(|error| invalid(&error))?;
        if let Some(other) = self.configured_as(name.as_str()) {
            let why = format!("{} stands in {} already", other.name, place(&other));
            return Err(Refusal::Taken(why));
        }
        let email = new.email.as_deref().map(parse_email).transpose();
        let email = email.map_err(|error| invalid(&error))?;
        let groups = new.groups.iter().map(|group| parse_group(group));
        let groups = groups.collect::<Result<Vec<_>, _>>();
        let groups = groups.map_err(|error| invalid(&error))?;
        let password = match new.password {
            Some(password) => Some(self.hashed(password.0, name.as_str()).await?),
            None => None,
        };
        let user = StoredUser::new(password.as_ref(), email, groups, self.clock.now());
        let key = name.clone();
        let add = move |changes: &Changes<'_>| accounts::add(changes, &key, &user);
        if let Outcome::Taken(other) = self.store.write(add).await? {
            return Err(taken(&other, name.as_str()));
        }
        self.done("user-added", Some(name.as_str()), None);
        let link = match password {
            Some(_) => None,
            None => Some(self.new_link(name.as_str(), origin).await?),
        };
        let name = name.to_string();
        Ok(Added { name, link })
    }

    /// A link, at `origin`, with which an enabled user of the store chooses a password.
    pub(super) async fn link(&self, name: &str, origin: &str) -> Result<Link, Refusal> {
        if let Some(other) = self.configured_as(name).filter(|user| user.name == name) {
            return Err(elsewhere(&other));
        }
        if self.user(name)?.state == UserState::Disabled {
            return Err(Refusal::Disabled(name.to_owned()));
        }
        self.new_link(name, origin).await
    }

    /// Gives a user a new password, which enables, and signs them out everywhere.
    pub(super) async fn set_password(
        &self,
        name: &str,
        password: Secret<String>,
    ) -> Result<EndedSessions, Refusal> {
        self.user(name)?;
        let password = self.hashed(password, name).await?;
        let set = move |changes: &Changes<'_>, name: &str| {
            accounts::set_password(changes, name, &password)
        };
        self.change(name, "password-set", Ended::Revoked, set).await
    }

    /// Keeps a user from signing in, and signs them out everywhere.
    pub(super) async fn disable(&self, name: &str) -> Result<EndedSessions, Refusal> {
        self.change(name, "user-disabled", Ended::UserRemoved, accounts::disable)
            .await
    }

    /// Removes a user, and signs them out everywhere.
    pub(super) async fn remove(&self, name: &str) -> Result<EndedSessions, Refusal> {
        self.change(name, "user-removed", Ended::UserRemoved, accounts::remove)
            .await
    }

    /// The open sessions, of one user or all, the one seen last first.
    pub(super) fn sessions(&self, user: Option<&str>) -> Vec<SessionRow> {
        let sessions = self.sessions.list(user);
        sessions
            .iter()
            .map(|session| session_row(session))
            .collect()
    }

    /// Ends a session.
    pub(super) async fn revoke(&self, id: &str) -> Result<EndedSessions, Refusal> {
        let id = SessionId::from_str(id).map_err(|error| invalid(&error))?;
        if !self.sessions.end(&id, Ended::Revoked).await? {
            return Err(Refusal::NoSession(id));
        }
        self.done("session-revoked", None, Some(&id.to_string()));
        Ok(EndedSessions { sessions: 1 })
    }

    /// Ends all sessions of a user, whoever vouches for them.
    pub(super) async fn revoke_user(&self, name: &str) -> Result<EndedSessions, Refusal> {
        let sessions = self.sessions.end_user(name, Ended::Revoked).await?;
        self.done("sessions-revoked", Some(name), None);
        Ok(EndedSessions { sessions })
    }

    /// A copy of the store, in a file without a name, to be read from its beginning. Blocks.
    pub(super) fn backup(&self) -> Result<File, Refusal> {
        let copy = self.store.copy()?;
        self.done("store-copied", None, None);
        Ok(copy)
    }

    async fn change(
        &self,
        name: &str,
        act: &'static str,
        why: Ended,
        operation: impl FnOnce(&Changes<'_>, &str) -> Result<Outcome, store::Error> + Send + 'static,
    ) -> Result<EndedSessions, Refusal> {
        self.user(name)?;
        let key = name.to_owned();
        let outcome = self.store.write(move |changes| operation(changes, &key));
        let Outcome::Done { sessions } = outcome.await? else {
            return Err(Refusal::Unknown(name.to_owned()));
        };
        self.done(act, Some(name), None);
        // The store has let go of them already; this ends what runs.
        self.sessions.end_user(name, why).await?;
        Ok(EndedSessions { sessions })
    }

    fn done(&self, act: &'static str, user: Option<&str>, object: Option<&str>) {
        if let Some(audit) = &self.audit {
            audit.write(&Event::AdminAct {
                actor: ACTOR,
                act,
                user,
                object,
            });
        }
    }

    async fn new_link(&self, name: &str, origin: &str) -> Result<Link, Refusal> {
        let kind = LinkKind::SetPassword;
        let code = self.links.issue(name, kind).await?;
        if let Some(audit) = &self.audit {
            audit.write(&Event::LinkMade {
                user: name,
                kind: kind.name(),
                actor: ACTOR,
            });
        }
        Ok(Link {
            name: name.to_owned(),
            url: format!("{}{}", origin.trim_end_matches('/'), code.path()),
            hours: kind.good_for().as_secs() / 3600,
        })
    }

    async fn hashed(&self, text: Secret<String>, name: &str) -> Result<Secret<String>, Refusal> {
        let password = NewPassword::new(text, name).map_err(|unfit| invalid(&unfit))?;
        let hashed = self.users.hash(password).await;
        hashed.map_err(|error| match error {
            Unavailable::Busy => Refusal::Busy,
            Unavailable::Hash => Refusal::NotHashed,
            Unavailable::Store(error) => error.into(),
        })
    }

    /// Also where the case differs.
    fn configured_as(&self, name: &str) -> Option<LocalUser> {
        let mut users = self.users.configured_users().into_iter();
        users.find(|other| other.name.eq_ignore_ascii_case(name))
    }
}

fn stored_row(name: String, user: StoredUser, hidden: bool) -> UserRow {
    let state = match user.password() {
        _ if hidden => UserState::Hidden,
        _ if user.disabled => UserState::Disabled,
        None => UserState::NoPassword,
        Some(_) => UserState::Enabled,
    };
    UserRow {
        name,
        state,
        groups: user.groups,
        email: user.email,
    }
}

fn configured_row(user: &LocalUser) -> UserRow {
    UserRow {
        name: user.name.clone(),
        state: match user.source {
            UserSource::Configuration => UserState::Configuration,
            UserSource::Htpasswd => UserState::Htpasswd,
        },
        groups: user.groups.clone(),
        email: user.email.clone(),
    }
}

fn session_row(session: &Session) -> SessionRow {
    SessionRow {
        id: session.id.to_string(),
        user: session.user.name.clone(),
        provider: session.user.provider.clone(),
        address: session.device.address.to_string(),
        device: session.device.agent.clone(),
        since: session.created.rfc3339(),
        last_seen: session.last_seen().rfc3339(),
    }
}

fn invalid(why: &impl ToString) -> Refusal {
    Refusal::Invalid(why.to_string())
}

fn elsewhere(user: &LocalUser) -> Refusal {
    Refusal::Elsewhere {
        name: user.name.clone(),
        place: place(user),
    }
}

fn taken(other: &str, name: &str) -> Refusal {
    let case = if other == name {
        ""
    } else {
        "; names may not differ by case alone"
    };
    Refusal::Taken(format!("there is a user {other} already{case}"))
}

const fn place(user: &LocalUser) -> &'static str {
    match user.source {
        UserSource::Configuration => "the configuration",
        UserSource::Htpasswd => "the htpasswd file",
    }
}

/// Who comes by the admin socket: our own user or root, which is all that it tells.
const ACTOR: &str = "operator";
