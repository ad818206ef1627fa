//! Who is taken to be signed in.

use std::fmt;

use super::Question;
use crate::{config::Config, policy::Who};

/// What the store holds of a user.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Stored {
    /// No such user.
    #[default]
    Absent,
    /// One who may not sign in.
    Disabled,
    /// One who may.
    Enabled {
        /// Group names.
        groups: Vec<String>,
        /// Verified.
        email: Option<String>,
    },
    /// It cannot be read; why, for people.
    Unread(String),
}

/// Who asks.
#[derive(Debug)]
pub(super) enum Asker {
    /// Named, but cannot sign in.
    Disabled(String),
    Nobody,
    User(User),
}

#[derive(Debug)]
pub(super) struct User {
    name: String,
    groups: Vec<String>,
    email: Option<String>,
    /// What is not known of them.
    note: Option<String>,
}

impl Asker {
    pub(super) fn of(config: &Config, question: &Question) -> Self {
        let Some(name) = question.user.clone() else {
            return Self::Nobody;
        };
        let configured = config.local_users.iter().find(|user| user.name == name);
        let (mut groups, email, note) = match (configured, &question.stored) {
            (Some(user), _) => (user.groups.clone(), user.email.clone(), None),
            (None, Stored::Disabled) => return Self::Disabled(name),
            (None, Stored::Enabled { groups, email }) => (groups.clone(), email.clone(), None),
            (None, Stored::Absent) => {
                let note = "neither in the configuration nor in the store";
                (Vec::new(), None, Some(note.to_owned()))
            }
            (None, Stored::Unread(why)) => {
                let note = format!(
                    "not in the configuration; groups and e-mail of the store are not known, since \
                     it cannot be read: {why}; --group says them"
                );
                (Vec::new(), None, Some(note))
            }
        };
        groups.extend(question.groups.iter().cloned());
        Self::User(User {
            name,
            groups,
            email,
            note,
        })
    }

    pub(super) fn who(&self) -> Option<Who<'_>> {
        match self {
            Self::Disabled(_) | Self::Nobody => None,
            Self::User(user) => Some(Who {
                name: &user.name,
                groups: &user.groups,
                email: user.email.as_deref(),
            }),
        }
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = match self {
            Self::Disabled(name) => {
                return write!(f, "nobody is signed in: {name} is disabled and cannot");
            }
            Self::Nobody => return f.write_str("nobody is signed in"),
            Self::User(user) => user,
        };
        f.write_str(&user.name)?;
        if !user.groups.is_empty() {
            write!(f, ", in {}", user.groups.join(", "))?;
        }
        if let Some(email) = &user.email {
            write!(f, ", {email}")?;
        }
        match &user.note {
            Some(note) => write!(f, " ({note})"),
            None => Ok(()),
        }
    }
}
