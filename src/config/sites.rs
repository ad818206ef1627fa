//! `public_url` and `aliases` of `[server]`: the main addresses, and what is worth a warning of them.

use std::{cell::RefCell, net::IpAddr};

use super::{Listener, Server, Trust, origin::Origin, read::Section, show::quote};
use crate::http::site::{Host, Invalid, PublicUrl};

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

fn warn_about_plain_http(table: &mut Section<'_, '_>, key: &'static str, url: &PublicUrl) {
    if !url.https && !is_near(&url.host) {
        let origin = table.origin_of(key);
        let url = quote(&url.origin());
        let message = format!("{url} is plain http: passwords travel unencrypted");
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

/// Whether plain http to this host stays on this machine or on a network of one's own: an address that
/// is not routed on the internet, or a name that does not stand in its DNS (RFC 1918, RFC 4193,
/// RFC 6598, RFC 6761, RFC 6762, RFC 8375).
fn is_near(host: &Host) -> bool {
    match host.address().map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => {
            let shared = matches!(address.octets(), [100, 64..=127, ..]);
            address.is_loopback() || address.is_private() || address.is_link_local() || shared
        }
        Some(IpAddr::V6(address)) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
        None => {
            let name = host.as_str();
            !name.contains('.') || NEAR.iter().any(|end| name.ends_with(end))
        }
    }
}

/// `lan` is reserved by nobody and used by most home routers.
const NEAR: [&str; 6] = [
    ".home.arpa",
    ".internal",
    ".lan",
    ".local",
    ".localhost",
    ".test",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_not_on_the_internet() {
        for (host, near) in [
            ("localhost", true),
            ("nas", true),
            ("lab.localhost", true),
            ("nas.local", true),
            ("nas.lan", true),
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.31.0.1", true),
            ("192.168.1.20", true),
            ("169.254.1.1", true),
            ("100.100.1.1", true),
            ("[::1]", true),
            ("[fd00::1]", true),
            ("[fe80::1]", true),
            ("[::ffff:10.0.0.1]", true),
            ("lab.example.org", false),
            ("local.example.org", false),
            ("xlan", true),
            ("x.notlan", false),
            ("172.32.0.1", false),
            ("100.128.0.1", false),
            ("8.8.8.8", false),
            ("[2001:db8::1]", false),
            ("[::ffff:8.8.8.8]", false),
        ] {
            assert_eq!(is_near(&host.parse().unwrap()), near, "{host}");
        }
    }
}
