//! What counts as a navigation: the only requests that are answered with a redirect to sign-in.
//!
//! Anything else gets a small 401, so that an expired session never breaks a page (SECURITY T57).
//! Fetch Metadata (`Sec-Fetch-Mode`, `Sec-Fetch-Dest`) tells; browsers on plain http beyond
//! localhost send none of it, so there `Accept` does.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION, UPGRADE},
};

/// What kind of request this is, to somebody who is not signed in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Navigation {
    /// The address bar will show it: redirect to sign-in.
    Document,
    /// A navigation of a frame: a page with a link, since sign-in does not show in frames.
    Framed,
    /// No navigation: JSON.
    No,
    /// A form was sent: a page with a link, since a redirect would lose what was typed.
    Post,
}

/// Tells what kind of request this is.
pub fn kind(method: &Method, headers: &HeaderMap) -> Navigation {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if has_fetch_metadata(headers) {
        let is = |name, word: &str| headers.get(name).is_some_and(|value| value == word);
        if !is(SEC_FETCH_MODE, "navigate") {
            Navigation::No
        } else if !reads {
            Navigation::Post
        } else if is(SEC_FETCH_DEST, "document") {
            Navigation::Document
        } else {
            Navigation::Framed
        }
    } else if headers.contains_key(UPGRADE)
        || headers.contains_key(X_REQUESTED_WITH)
        || headers.contains_key(AUTHORIZATION)
        || !headers.get_all(ACCEPT).iter().any(names_html)
    {
        Navigation::No
    } else if reads {
        Navigation::Document
    } else {
        Navigation::Post
    }
}

/// Whether [`kind`] is [`Navigation::Framed`], which only Fetch Metadata can say.
pub fn is_framed(method: &Method, headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_FETCH_MODE) && kind(method, headers) == Navigation::Framed
}

/// Whether this may get a page with an anti-forgery value: on an origin that we share with a tool,
/// its scripts and frames must not read one. Only a browser's own word speaks against it, so that
/// clients without Fetch Metadata pass.
pub fn may_read_forms(headers: &HeaderMap) -> bool {
    let unless_not = |name, word: &str| headers.get(name).is_none_or(|value| value == word);
    unless_not(SEC_FETCH_MODE, "navigate") && unless_not(SEC_FETCH_DEST, "document")
}

fn has_fetch_metadata(headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_FETCH_MODE)
        || headers
            .keys()
            .any(|name| name.as_str().starts_with("sec-fetch-"))
}

/// Whether a list of media ranges names `text/html` itself.
fn names_html(accept: &HeaderValue) -> bool {
    accept.to_str().is_ok_and(|list| {
        list.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let html = parts
                .next()
                .is_some_and(|media| media.eq_ignore_ascii_case("text/html"));
            html && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0"))
        })
    })
}

const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, fields: &[(&'static str, &'static str)]) -> Navigation {
        let headers = fields
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        kind(&method.parse().unwrap(), &headers)
    }

    const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");
    const HTML: (&str, &str) = ("accept", "application/xml, text/html;level=1, */*;q=0.8");

    #[test]
    fn the_browsers_own_word_decides_where_it_is_given() {
        let document = ("sec-fetch-dest", "document");
        for method in ["GET", "HEAD"] {
            assert_eq!(of(method, &[NAVIGATE, document]), Navigation::Document);
        }
        assert_eq!(of("POST", &[NAVIGATE, document]), Navigation::Post);
        for frame in ["iframe", "frame", "object", "embed"] {
            assert_eq!(
                of("GET", &[NAVIGATE, ("sec-fetch-dest", frame)]),
                Navigation::Framed
            );
        }
        for mode in ["cors", "no-cors", "same-origin", "websocket"] {
            assert_eq!(
                of("GET", &[("sec-fetch-mode", mode), document, HTML]),
                Navigation::No
            );
        }
    }

    #[test]
    fn scripts_manifests_and_workers_are_no_navigation() {
        for dest in ["serviceworker", "manifest", "script", "empty", "image"] {
            let fields = [
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-dest", dest),
                HTML,
            ];
            assert_eq!(of("GET", &fields), Navigation::No, "{dest}");
        }
        assert_eq!(
            of("GET", &[("sec-fetch-site", "none"), HTML]),
            Navigation::No
        );
    }

    #[test]
    fn forms_are_for_documents_and_for_clients_that_say_nothing() {
        let may = |fields: &[(&'static str, &'static str)]| {
            let headers = fields.iter().map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            });
            may_read_forms(&headers.collect())
        };
        assert!(may(&[]));
        assert!(may(&[NAVIGATE, ("sec-fetch-dest", "document")]));
        assert!(!may(&[NAVIGATE, ("sec-fetch-dest", "iframe")]));
        assert!(!may(&[("sec-fetch-mode", "cors")]));
        assert!(!may(&[("sec-fetch-dest", "empty"), HTML]));
    }

    #[test]
    fn without_fetch_metadata_accept_decides() {
        assert_eq!(of("GET", &[HTML]), Navigation::Document);
        assert_eq!(of("HEAD", &[HTML]), Navigation::Document);
        assert_eq!(of("POST", &[HTML]), Navigation::Post);
        assert_eq!(of("GET", &[]), Navigation::No);
        for accept in [
            "*/*",
            "application/json",
            "text/html;q=0",
            "text/html+x",
            "text/*",
        ] {
            assert_eq!(of("GET", &[("accept", accept)]), Navigation::No, "{accept}");
        }
        for other in [
            ("upgrade", "websocket"),
            ("x-requested-with", "XMLHttpRequest"),
            ("authorization", "token x"),
        ] {
            assert_eq!(of("GET", &[HTML, other]), Navigation::No, "{other:?}");
        }
    }
}
