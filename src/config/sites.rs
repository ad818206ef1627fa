//! `public_url` and `aliases` of `[server]`: the main addresses, and what is worth a warning of them.

use std::cell::RefCell;

use super::{Listener, Server, Trust, origin::Origin, read::Section, show::quote};
use crate::http::site::{Invalid, PublicUrl};

/// Reads the main addresses.
pub(super) fn read(
    table: &mut Section<'_, '_>,
    default_url: PublicUrl,
) -> (PublicUrl, Vec<PublicUrl>) {
    let told = table.reader.problems.len();
    let public_url = table.value("public_url", default_url);
    // What stands in for a wrong value would clash with what is right.
    let is_right = table.reader.problems.len() == told;
    let known = RefCell::new(Vec::from_iter(is_right.then(|| public_url.clone())));
    let aliases = table.list("aliases", |text| {
        let alias = text.parse().map_err(|Invalid(why)| why.to_owned())?;
        distinct(alias, &mut known.borrow_mut())
    });
    warn_about_plain_http(table, "public_url", &public_url);
    for alias in &aliases {
        warn_about_plain_http(table, "aliases", alias);
    }
    (public_url, aliases)
}

/// Whoever is on the way reads passwords and cookies, which have no `Secure` there (SECURITY T40).
fn warn_about_plain_http(table: &mut Section<'_, '_>, key: &'static str, url: &PublicUrl) {
    if !url.https && !url.is_loopback() {
        let origin = table.origin_of(key);
        let url = quote(&url.origin());
        let message =
            format!("{url} is plain http: passwords and cookies are not encrypted on their way");
        table.warn(origin, key, message);
    }
}

/// An alias with a host that no other main address has. A cookie knows no port (RFC 6265 §8.5), HSTS
/// none either (RFC 6797 §8.3): two sites on one host would get at each other's sessions.
fn distinct(alias: PublicUrl, known: &mut Vec<PublicUrl>) -> Result<PublicUrl, String> {
    if let Some(other) = known.iter().find(|other| other.host == alias.host) {
        return Err(format!(
            "{} has the host of {}; browsers keep cookies and HSTS by host alone, so the two could \
             not be told apart",
            quote(&alias.origin()),
            quote(&other.origin())
        ));
    }
    known.push(alias.clone());
    Ok(alias)
}

/// Cookies of an https site are not sent over plain HTTP; without TLS here and without a proxy to
/// believe, every request looks plain. `origins`: of `public_url` and `aliases`.
pub(super) fn warn_about_plain_https(
    root: &mut Section<'_, '_>,
    server: &Server,
    origins: [Origin; 2],
    listeners: &[Option<Listener>],
    trust: &Trust,
) {
    let tls = |listener: &Option<Listener>| !matches!(listener, Some(Listener { tls: None, .. }));
    if !trust.proxies.is_empty() || listeners.iter().any(tls) {
        return;
    }
    let aliases = server.aliases.iter().any(|alias| alias.https);
    let [public_url, in_aliases] = origins;
    for (https, origin, key) in [
        (server.public_url.https, public_url, "server.public_url"),
        (aliases, in_aliases, "server.aliases"),
    ] {
        if https {
            let message = "is https, but no listener has tls and trust.proxies names nobody who \
                           ends it before us";
            root.warn(origin, key, message);
        }
    }
}
