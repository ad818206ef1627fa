//! Field names with a meaning of their own: what only we may say to a tool (SECURITY §1), what we do
//! say, and what belongs to one connection.
//!
//! Identity and forwarding headers are inputs of many tools, each with a spelling of its own; CGI
//! and WSGI fold `_`, and older servers any odd character, into `-`. So a name is either made of
//! letters, digits and hyphens and not on the list, or it is dropped.

use http::{
    HeaderName,
    header::{CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE},
};

/// The client's address.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The host and port that the client asked for.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// The prefix that was taken off the path.
pub const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
/// The scheme that the client came by.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The signed-in user's verified address.
pub const X_FORWARDED_EMAIL: HeaderName = HeaderName::from_static("x-forwarded-email");
/// The signed-in user's groups, with commas between them.
pub const X_FORWARDED_GROUPS: HeaderName = HeaderName::from_static("x-forwarded-groups");
/// The signed-in user's name.
pub const X_FORWARDED_USER: HeaderName = HeaderName::from_static("x-forwarded-user");
/// Names the request in every log.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Hop-by-hop fields, which concern one connection and end with it (RFC 9110 §7.6.1).
///
/// Not `Trailer`: hyper sends only trailers that it announces.
pub const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Whether we set a field of this lowercase name ourselves.
pub fn is_set_by_us(name: &str) -> bool {
    SET_BY_US.iter().any(|ours| ours == name) || name.starts_with("x-labgate-")
}

/// A lowercase name as CGI and its heirs tell it apart from others: with a hyphen for every character
/// that is neither letter nor digit.
pub fn folded(name: &str) -> String {
    let fold = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '-'
        }
    };
    name.chars().map(fold).collect()
}

/// Whether a client's field of this lowercase name must not reach a tool.
pub fn is_reserved(name: &str) -> bool {
    let bytes = name.as_bytes();
    let listed = match bytes.first() {
        Some(b'c') => bytes.starts_with(b"cf-"),
        Some(b'f') => bytes == b"forwarded",
        // Becomes the environment's HTTP_PROXY in CGI.
        Some(b'p') => bytes == b"proxy",
        Some(b'r') => bytes.starts_with(b"remote-"),
        Some(b's') => bytes.starts_with(b"sso-profile-"),
        Some(b't') => bytes == b"true-client-ip" || bytes.starts_with(b"tailscale-user-"),
        Some(b'x') => bytes.strip_prefix(b"x-").is_some_and(is_reserved_extension),
        _ => false,
    };
    listed
        || !bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// The same for what follows `x-`.
fn is_reserved_extension(name: &[u8]) -> bool {
    match name.first() {
        Some(b'a') => [&b"auth-"[..], b"authenticated-", b"authentik-"]
            .iter()
            .any(|family| name.starts_with(family)),
        Some(b'c') => matches!(name, b"client-ip" | b"cluster-client-ip"),
        Some(b'f') => name.starts_with(b"forwarded-"),
        Some(b'g') => name.starts_with(b"goog-authenticated-"),
        Some(b'h') => matches!(name, b"host" | b"http-method-override"),
        Some(b'l') => name.starts_with(b"labgate-"),
        Some(b'm') => name.starts_with(b"ms-client-principal"),
        Some(b'o') => name.starts_with(b"original-"),
        Some(b'r') => {
            matches!(name, b"real-ip" | b"rewrite-url")
                || name.starts_with(b"remote-")
                || (name.starts_with(b"rstudio-") && !RSTUDIO_CLIENT.contains(&name))
        }
        Some(b's') => matches!(name, b"scheme" | b"script-name" | b"shiny-username"),
        Some(b'u') => name == b"user-id",
        Some(b'w') => name.starts_with(b"webauth-"),
        _ => false,
    }
}

const SET_BY_US: [HeaderName; 8] = [
    X_FORWARDED_EMAIL,
    X_FORWARDED_FOR,
    X_FORWARDED_GROUPS,
    X_FORWARDED_HOST,
    X_FORWARDED_PREFIX,
    X_FORWARDED_PROTO,
    X_FORWARDED_USER,
    X_REQUEST_ID,
];

/// What `RStudio`'s own page sends; all others of the family say who or where somebody is.
const RSTUDIO_CLIENT: [&[u8]; 3] = [
    b"rstudio-ajax",
    b"rstudio-refresh-auth-creds",
    b"rstudio-session",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The list as it is written down; `*` is any ending.
    const LIST: [&str; 31] = [
        "X-Forwarded-*",
        "Forwarded",
        "X-Original-*",
        "X-Rewrite-URL",
        "X-Host",
        "X-HTTP-Method-Override",
        "X-Real-IP",
        "True-Client-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "CF-*",
        "X-Remote-*",
        "Remote-*",
        "X-Auth-*",
        "X-Authenticated-*",
        "X-Authentik-*",
        "X-WEBAUTH-*",
        "X-User-Id",
        "SSO-Profile-*",
        "X-RStudio-Username",
        "X-RStudio-SessionContext",
        "X-RStudio-Root-Path",
        "X-RStudio-Request",
        "X-Shiny-Username",
        "X-Goog-Authenticated-*",
        "X-MS-Client-Principal*",
        "Tailscale-User-*",
        "X-Script-Name",
        "X-Scheme",
        "X-Labgate-*",
        "Proxy",
    ];

    /// Slow and obvious.
    fn on_the_list(name: &str) -> bool {
        let name = name.to_ascii_lowercase().replace(['_', '.'], "-");
        LIST.iter().any(|listed| {
            let listed = listed.to_ascii_lowercase();
            match listed.strip_suffix('*') {
                Some(family) => name.starts_with(family),
                None => name == listed,
            }
        })
    }

    #[test]
    fn what_browsers_and_tools_send_passes() {
        for name in [
            "accept",
            "authorization",
            "content-type",
            "cookie",
            "origin",
            "sec-fetch-site",
            "sec-websocket-key",
            "x-requested-with",
            "x-xsrftoken",
            "x-rs-csrf-token",
            "x-rs-rid",
            "x-rstudio-refresh-auth-creds",
            "x-github-event",
            "x-authority",
            "remote",
            "forwarded-x",
            "range",
        ] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn a_name_with_an_odd_character_is_dropped() {
        for name in [
            "x_forwarded_user",
            "x.forwarded.user",
            "a_b",
            "a.b",
            "x!user",
            "x-rstudio-y",
        ] {
            assert!(is_reserved(name), "{name}");
        }
    }

    proptest! {
        /// The fast test knows every name of the list, in every spelling, and its neighbors.
        #[test]
        fn the_fast_test_agrees_with_the_list(
            listed in prop::sample::select(&LIST[..]),
            ending in "[a-z-]{0,3}",
            how in prop::collection::vec(0u8..12, 1..30),
            cut in 0usize..4,
        ) {
            let whole = format!("{}{ending}", listed.trim_end_matches('*')).to_ascii_lowercase();
            let mut how = how.iter().cycle();
            let spelled: String = whole
                .chars()
                .map(|c| match how.next() {
                    Some(0) if c == '-' => '_',
                    Some(1) if c == '-' => '.',
                    _ => c,
                })
                .collect();
            let odd = spelled.contains(['_', '.']);
            prop_assert_eq!(is_reserved(&spelled), odd || on_the_list(&spelled) || unknown_rstudio(&spelled));
            let shorter: String = whole.chars().take(whole.len() - cut.min(whole.len())).collect();
            prop_assert_eq!(is_reserved(&shorter), on_the_list(&shorter) || unknown_rstudio(&shorter));
        }
    }

    fn unknown_rstudio(name: &str) -> bool {
        name.strip_prefix("x-").is_some_and(|name| {
            name.starts_with("rstudio-") && !RSTUDIO_CLIENT.contains(&name.as_bytes())
        })
    }
}
