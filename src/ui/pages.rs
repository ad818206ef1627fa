//! Sign-in, home, sign-out and one-time links.

use std::time::Duration;

use askama::Template;

use super::{look::Look, render, words};

/// The sign-in form. It posts to its own address, so that the browser keeps a `#fragment` through
/// sign-in and every redirect behind it, without script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignInPage {
    /// Anti-forgery value, field `csrf`.
    pub csrf: String,
    /// Where success leads, field `return`; given back byte for byte.
    pub return_to: String,
    /// Value of the hand-over to another host, field `nonce`.
    pub nonce: Option<String>,
    /// What was typed before; empty on a first visit.
    pub username: String,
    /// `host` or `host:port` of the tool that is waiting; `None` when it is the home page.
    pub destination: Option<String>,
    /// What happened before.
    pub state: SignInState,
    /// How the password field shows itself.
    pub password: PasswordField,
    /// Whether the password will travel unencrypted to a host that is not this machine.
    pub plain_http: bool,
}

/// What happened before this sign-in form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignInState {
    /// No password can be checked just now.
    Busy,
    /// Nothing.
    Fresh,
    /// The form was too old and has been issued anew.
    Stale,
    /// Too many wrong passwords.
    TooMany {
        /// Also in `Retry-After`.
        retry_after: Duration,
    },
    /// No such user, or another password; never says which.
    Wrong,
}

impl SignInState {
    const fn is_described(self) -> bool {
        !matches!(self, Self::Fresh)
    }

    const fn is_error(self) -> bool {
        matches!(self, Self::Busy | Self::TooMany { .. } | Self::Wrong)
    }

    const fn is_wrong(self) -> bool {
        matches!(self, Self::Wrong)
    }
}

/// The password field before any script runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PasswordField {
    /// Shows dots.
    Hidden {
        /// Address of this page with a readable field, for browsers without script.
        show: String,
    },
    /// Shows what is typed.
    Readable,
}

impl PasswordField {
    const fn is_readable(&self) -> bool {
        matches!(self, Self::Readable)
    }
}

/// The home page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HomePage {
    /// Who is signed in.
    pub user: String,
    /// Their groups.
    pub groups: Vec<String>,
    /// Anti-forgery value of the sign-out button.
    pub csrf: String,
    /// What they may open; may be empty.
    pub tiles: Vec<Tile>,
}

/// A tool on the home page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tile {
    /// The route's title.
    pub title: String,
    /// `host/path` to show.
    pub address: String,
    /// Absolute URL that "Open" leads to, made by us.
    pub href: String,
    /// Whether it would answer.
    pub state: ToolState,
}

/// Whether a tool would answer, as far as we know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ToolState {
    /// The last attempt to reach it failed.
    NotAnswering,
    /// The last attempt to reach it succeeded.
    Ready,
    /// Nobody has asked it lately.
    Unknown,
}

impl ToolState {
    const fn class(self) -> &'static str {
        match self {
            Self::NotAnswering => "silent",
            Self::Ready => "ready",
            Self::Unknown => "unknown",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::NotAnswering => "Not answering",
            Self::Ready => "Ready",
            Self::Unknown => "Not checked yet",
        }
    }
}

/// The question before signing out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignOutPage {
    /// Who is signed in.
    pub user: String,
    /// Anti-forgery value, field `csrf`.
    pub csrf: String,
}

/// A one-time sign-in link: opening it does nothing yet, so that previews do not use it up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkPage {
    /// Whom it signs in.
    pub user: String,
    /// Anti-forgery value, field `csrf`.
    pub csrf: String,
    /// The link's code, field `code`.
    pub code: String,
}

/// The sign-in page.
pub fn sign_in(look: &Look, page: &SignInPage) -> String {
    render(&SignInTemplate { look, page })
}

/// The home page.
pub fn home(look: &Look, page: &HomePage) -> String {
    render(&HomeTemplate { look, page })
}

/// "Sign out?"
pub fn sign_out(look: &Look, page: &SignOutPage) -> String {
    render(&SignOutTemplate { look, page })
}

/// What stands after signing out. `sign_in`: address of the sign-in page.
pub fn signed_out(look: &Look, sign_in: &str) -> String {
    render(&SignedOutTemplate { look, sign_in })
}

/// "Sign in as ana". A used or expired link is [`super::Problem::LinkGone`].
pub fn link(look: &Look, page: &LinkPage) -> String {
    render(&LinkTemplate { look, page })
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInTemplate<'a> {
    look: &'a Look,
    page: &'a SignInPage,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomeTemplate<'a> {
    look: &'a Look,
    page: &'a HomePage,
}

#[derive(Template)]
#[template(path = "sign_out.html")]
struct SignOutTemplate<'a> {
    look: &'a Look,
    page: &'a SignOutPage,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutTemplate<'a> {
    look: &'a Look,
    sign_in: &'a str,
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkTemplate<'a> {
    look: &'a Look,
    page: &'a LinkPage,
}
