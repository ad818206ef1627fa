//! Anti-forgery values of our forms.
//!
//! A value is bound to the session where there is one; before sign-in to a cookie of its own, so that
//! another site can neither post our forms nor make a browser post its own values.

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

/// A value for the form named `purpose`.
pub(super) fn issue(pages: &Pages, asked: &Asked, headers: &HeaderMap, purpose: &str) -> Issued {
    if let Some(bound) = bound(asked, headers) {
        return Issued {
            value: pages.forgery.issue(purpose, &bound),
            cookie: None,
        };
    }
    let nonce = URL_SAFE_NO_PAD.encode(random::<16>());
    let cookie = helper_cookie(names::form_name(asked.https()), &nonce, asked.https());
    Issued {
        value: pages.forgery.issue(purpose, &nonce),
        cookie: Some(cookie),
    }
}

/// Whether a posted value was issued by us for this form and this browser.
pub(super) fn check(
    pages: &Pages,
    asked: &Asked,
    headers: &HeaderMap,
    purpose: &str,
    value: &str,
) -> Check {
    match bound(asked, headers) {
        Some(bound) => pages.forgery.check(value, purpose, &bound),
        None => Check::Bad,
    }
}

fn bound(asked: &Asked, headers: &HeaderMap) -> Option<String> {
    if let Some(session) = &asked.session {
        return Some(session.id.to_string());
    }
    names::named(headers, names::form_name(asked.https()))
        .next()
        .map(ToOwned::to_owned)
}
