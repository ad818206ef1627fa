//! Where our own pages are, below `/.labgate/` (see `RoutePath::is_reserved`). Paths on whatever
//! host was asked; what they do is `pages` and, for probes, `gateway`.

use crate::http::site::PublicUrl;

/// The home page.
pub const HOME: &str = "/.labgate/";
/// The sign-in page.
pub const SIGN_IN: &str = "/.labgate/sign-in";
/// Sign-out: GET asks, POST does.
pub const SIGN_OUT: &str = "/.labgate/sign-out";
/// Who the visitor is, as JSON.
pub const WHO_AM_I: &str = "/.labgate/whoami";
/// For probes: is the process alive?
pub const LIVE: &str = "/.labgate/live";
/// For probes: does it take requests?
pub const READY: &str = "/.labgate/ready";
/// Takes a one-time code on a tool's host.
pub const ENTER: &str = "/.labgate/enter";
/// Takes a one-time link.
pub const LINK: &str = "/.labgate/link";

/// Changes the password of whoever is signed in.
pub const PASSWORD: &str = "/.labgate/password";

/// The home page of a site, absolute.
pub fn home(site: &PublicUrl) -> String {
    format!("{}{HOME}", site.origin())
}

/// Whether a page has an anti-forgery value in it.
pub fn has_form(path: &str) -> bool {
    matches!(path, HOME | LINK | PASSWORD | SIGN_IN | SIGN_OUT)
}
