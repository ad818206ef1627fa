//! Anti-forgery values of our forms.
//!
//! A form that signs in is bound to a cookie of its own, whoever is signed in when it opens or when
//! it comes back: with several tabs that changes in between. A form that acts for a session is bound
//! to the session. So another site can neither post our forms nor make a browser post its own values.

use axum::response::Response;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue};

use super::{Asked, Pages, with_cookie};
use crate::{
    auth::{challenge::helper_cookie, cookie as names},
    secret::random,
    session::Check,
};

/// A value for a form, and the cookie that it is bound to when that is new.
pub(super) struct Issued {
    pub(super) value: String,
    cookie: Option<HeaderValue>,
}

impl Issued {
    /// Sets the cookie with the page that holds the form.
    pub(super) fn with_cookie(self, response: Response) -> Response {
        match self.cookie {
            Some(cookie) => with_cookie(response, cookie),
            None => response,
        }
    }
}

/// A form of ours.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// A one-time link's click, or the password that it asks for.
    Link,
    /// One's own new password.
    Password,
    /// Name and password.
    SignIn,
    /// On its own page and on the home page.
    SignOut,
}

impl Form {
    const fn purpose(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Password => "password",
            Self::SignIn => "sign-in",
            Self::SignOut => "sign-out",
        }
    }

    /// What a value is bound to, if that is there.
    fn bound(self, asked: &Asked, headers: &HeaderMap) -> Option<String> {
        match self {
            Self::Link | Self::SignIn => browser(asked, headers).map(ToOwned::to_owned),
            Self::Password | Self::SignOut => {
                asked.session.as_ref().map(|session| session.id.to_string())
            }
        }
    }
}

/// What tells this browser from others: the cookie that our forms are bound to.
pub(super) fn browser<'h>(asked: &Asked, headers: &'h HeaderMap) -> Option<&'h str> {
    names::named(headers, names::form_name(asked.https())).next()
}

/// A value for `form`.
pub(super) fn issue(pages: &Pages, asked: &Asked, headers: &HeaderMap, form: Form) -> Issued {
    if let Some(bound) = form.bound(asked, headers) {
        return Issued {
            value: pages.forgery.issue(form.purpose(), &bound),
            cookie: None,
        };
    }
    let nonce = URL_SAFE_NO_PAD.encode(random::<16>());
    let cookie = helper_cookie(names::form_name(asked.https()), &nonce, asked.https());
    Issued {
        value: pages.forgery.issue(form.purpose(), &nonce),
        cookie: Some(cookie),
    }
}

/// Whether a posted value was issued by us for this form and this browser.
pub(super) fn check(
    pages: &Pages,
    asked: &Asked,
    headers: &HeaderMap,
    form: Form,
    value: &str,
) -> Check {
    form.bound(asked, headers).map_or(Check::Bad, |bound| {
        pages.forgery.check(value, form.purpose(), &bound)
    })
}
