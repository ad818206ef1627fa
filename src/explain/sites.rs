//! What pages of other sites could do with the visitor's browser, found by trying it.

use http::{HeaderName, HeaderValue, Method};

use super::told::Told;
use crate::verdict::{Case, Verdict};

/// Judges what such pages make a browser send.
pub(super) fn tell(told: &mut Told, case: &Case<'_>) {
    let embed = &case.route.config.headers.embed;
    let cors = &case.route.config.headers.cors;
    for (what, websocket, method, fields) in ATTEMPTS {
        let headers = fields
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        let tried = Case { websocket, ..*case };
        let text = match tried.judge(&method, &headers) {
            Verdict::CrossSite(_) => "refused, 403",
            Verdict::Allowed(_) | Verdict::AddSlash => "passes",
            Verdict::Blocked | Verdict::Denied | Verdict::Preflight(_) | Verdict::SignIn => {
                "does not pass"
            }
        };
        told.say("other sites", format!("{what}: {text}"));
    }
    if !embed.is_empty() {
        told.say("embed", embed.join(", "));
    }
    if !cors.is_empty() {
        told.say("cors", cors.join(", "));
    }
}

type Attempt = (
    &'static str,
    bool,
    Method,
    &'static [(&'static str, &'static str)],
);

const ATTEMPTS: [Attempt; 4] = [
    (
        "a link",
        false,
        Method::GET,
        &[
            ("sec-fetch-dest", "document"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "cross-site"),
        ],
    ),
    (
        "a frame, an image or a script",
        false,
        Method::GET,
        &[
            ("sec-fetch-dest", "empty"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-site", "cross-site"),
        ],
    ),
    (
        "a form",
        false,
        Method::POST,
        &[
            ("origin", "https://other.example"),
            ("sec-fetch-site", "cross-site"),
        ],
    ),
    (
        "a WebSocket",
        true,
        Method::GET,
        &[
            ("origin", "https://other.example"),
            ("sec-fetch-site", "cross-site"),
        ],
    ),
];
