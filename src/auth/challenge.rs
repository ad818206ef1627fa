//! How a visitor without a session is sent to sign in, and the nonce that binds the way back.
//!
//! On a main host that is a plain redirect. Another host sets a nonce cookie of its own and sends
//! the nonce's hash along; the one-time code that comes back is good only together with that cookie,
//! so that a code planted by somebody else signs nobody in (SECURITY T94).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cookie::{Cookie, SameSite, time};
use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::cookie as names;
use crate::{
    http::{
        redirect::{Redirect, header_value},
        site::{Host, PublicUrl},
    },
    route::own,
    secret::random,
    session::nonce_hash,
};

/// Where the visitor wanted to go.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The site of that host: where its visitors sign in.
    pub site: &'a PublicUrl,
    /// The host that was asked.
    pub host: &'a Host,
}

impl Target<'_> {
    /// The redirect for a navigation to `path` (origin form with its query, byte for byte).
    pub fn redirect(&self, path: &str, headers: &HeaderMap) -> Redirect {
        if *self.host == self.site.host {
            return see_other(&format!("{}?return={}", own::SIGN_IN, encoded(path)), None);
        }
        let (nonce, cookie) = match names::named(headers, names::enter_name(self.site.https)).next()
        {
            // Tabs that are sent away together share one nonce.
            Some(nonce) if is_nonce(nonce) => (nonce.to_owned(), None),
            _ => {
                let nonce = URL_SAFE_NO_PAD.encode(random::<16>());
                let cookie =
                    helper_cookie(names::enter_name(self.site.https), &nonce, self.site.https);
                (nonce, Some(cookie))
            }
        };
        let url = format!(
            "{}{}?return={}&nonce={}",
            self.site.origin(),
            own::SIGN_IN,
            encoded(&format!("{}{path}", self.site.origin_of(self.host))),
            nonce_hash(&nonce),
        );
        see_other(&url, cookie)
    }

    /// The sign-in page for what is no navigation: it leads back to the start of this host.
    pub fn sign_in_url(&self) -> String {
        let start = if *self.host == self.site.host {
            "/".to_owned()
        } else {
            format!("{}/", self.site.origin_of(self.host))
        };
        format!(
            "{}{}?return={}",
            self.site.origin(),
            own::SIGN_IN,
            encoded(&start)
        )
    }
}

/// A short-lived cookie of ours that is no credential: host-only, for the browser to prove that it is
/// the one that was sent away.
pub fn helper_cookie(name: &'static str, value: &str, https: bool) -> HeaderValue {
    let cookie = Cookie::build((name, value))
        .path("/")
        .secure(https)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(time::Duration::days(30));
    header_value(&cookie.to_string())
}

fn see_other(location: &str, cookie: Option<HeaderValue>) -> Redirect {
    Redirect {
        status: StatusCode::SEE_OTHER,
        location: header_value(location),
        cookie,
    }
}

fn is_nonce(text: &str) -> bool {
    text.len() == 22
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A return target as a query value: everything but unreserved characters and `/` is encoded, so
/// that decoding once gives the same bytes.
fn encoded(text: &str) -> impl std::fmt::Display {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'/');
    utf8_percent_encode(text, KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab() -> (PublicUrl, Host) {
        (
            "https://lab.test:8443".parse().unwrap(),
            "jupyter.lab.test".parse().unwrap(),
        )
    }

    #[test]
    fn the_main_host_needs_no_nonce() {
        let (public, _) = lab();
        let target = Target {
            site: &public,
            host: &public.host,
        };
        let redirect = target.redirect("/a%2520b?u=a%26b%3Dc", &HeaderMap::new());
        assert_eq!(
            redirect.location,
            "/.labgate/sign-in?return=/a%252520b%3Fu%3Da%2526b%253Dc"
        );
        assert!(redirect.cookie.is_none());
    }

    #[test]
    fn another_host_sends_the_hash_of_a_nonce_that_its_cookie_holds() {
        let (public, host) = lab();
        let redirect = Target {
            site: &public,
            host: &host,
        }
        .redirect("/lab", &HeaderMap::new());
        let cookie = redirect.cookie.unwrap();
        let cookie = cookie.to_str().unwrap();
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("Secure"),
            "{cookie}"
        );
        assert!(!cookie.contains("Domain"), "{cookie}");
        let nonce = cookie.split(['=', ';']).nth(1).unwrap();
        let location = redirect.location.to_str().unwrap();
        assert!(
            location.starts_with("https://lab.test:8443/.labgate/sign-in?return=https%3A//jupyter")
        );
        assert!(
            location.ends_with(&format!("&nonce={}", nonce_hash(nonce))),
            "{location}"
        );
        assert!(!location.contains(nonce));
    }

    #[test]
    fn tabs_that_are_sent_away_together_share_one_nonce() {
        let (public, host) = lab();
        let target = Target {
            site: &public,
            host: &host,
        };
        let first = target.redirect("/lab", &HeaderMap::new());
        let cookie = first.cookie.unwrap();
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        let headers = HeaderMap::from_iter([(http::header::COOKIE, pair.parse().unwrap())]);
        let second = target.redirect("/lab", &headers);
        assert_eq!(second.location, first.location);
        assert!(second.cookie.is_none());
    }
}
