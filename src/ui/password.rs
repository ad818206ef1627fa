//! Choosing a password: with a one-time link, or in the place of an old one.

use std::time::Duration;

use askama::Template;

use super::{
    look::Look,
    render,
    words::{self, Part},
};

/// The form for a new password. It posts to its own address, and asks for the new one twice: fields
/// `new` and `again`. Without a link it asks for the old one too, field `current`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PasswordPage {
    /// Whose.
    pub user: String,
    /// Anti-forgery value, field `csrf`.
    pub csrf: String,
    /// The code of the one-time link that the form belongs to, field `code`. `None`: the user is
    /// signed in.
    pub code: Option<String>,
    /// What happened before.
    pub state: PasswordState,
    /// Whether the password will travel unencrypted to a host that is not this machine.
    pub plain_http: bool,
}

impl PasswordPage {
    const fn heading(&self) -> &'static str {
        match self.code {
            Some(_) => "Choose a password",
            None => "Change your password",
        }
    }
}

/// What happened before this form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PasswordState {
    /// No password can be checked just now.
    Busy,
    /// The new one was not typed the same twice.
    Differ,
    /// Nothing.
    Fresh,
    /// The form was too old and has been issued anew.
    Stale,
    /// Too many wrong passwords.
    TooMany {
        /// Also in `Retry-After`.
        retry_after: Duration,
    },
    /// The new one breaks this rule, said as a fragment.
    Unfit(String),
    /// The current one was wrong.
    Wrong,
}

impl PasswordState {
    const fn is_error(&self) -> bool {
        !matches!(self, Self::Fresh | Self::Stale)
    }

    const fn blames_current(&self) -> bool {
        matches!(self, Self::Wrong)
    }

    const fn blames_new(&self) -> bool {
        matches!(self, Self::Differ | Self::Unfit(_))
    }
}

/// Where a password stands that its user cannot change here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PasswordPlace {
    /// In the configuration.
    Configuration,
    /// In the htpasswd file.
    Htpasswd,
    /// There is none yet.
    Nowhere,
    /// With whoever vouches for the user.
    Provider,
}

impl PasswordPlace {
    const fn what(self) -> &'static str {
        match self {
            Self::Configuration => "Your password stands in the configuration of this site.",
            Self::Htpasswd => "Your password stands in the htpasswd file of this site.",
            Self::Nowhere => "You have no password yet.",
            Self::Provider => "Your password is not kept here.",
        }
    }

    const fn hint(self) -> &'static str {
        match self {
            Self::Configuration => {
                "It is changed there: `password` of the user in `[identity.local]`."
            }
            Self::Htpasswd => "It is changed there, with `htpasswd -B` and a reload of labgate.",
            Self::Nowhere => "`labgate user link` makes a link with which you choose one.",
            Self::Provider => "It is changed where you sign in.",
        }
    }
}

/// The form.
pub fn password(look: &Look, page: &PasswordPage) -> String {
    render(&PasswordTemplate { look, page })
}

/// What `user` reads in place of the form.
pub fn password_elsewhere(look: &Look, user: &str, place: PasswordPlace) -> String {
    render(&ElsewhereTemplate { look, user, place })
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordTemplate<'a> {
    look: &'a Look,
    page: &'a PasswordPage,
}

#[derive(Template)]
#[template(path = "password_elsewhere.html")]
struct ElsewhereTemplate<'a> {
    look: &'a Look,
    user: &'a str,
    place: PasswordPlace,
}
