//! Trailer fields: what may follow a body (RFC 9110 §6.5.1).
//!
//! A server may merge them into the head, so whatever decides about framing, routing, identity or
//! state has no place there (SECURITY T04).

use http::{
    HeaderMap, HeaderName,
    header::{
        AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
        CONTENT_TYPE, COOKIE, EXPECT, HOST, LOCATION, ORIGIN, RANGE, SET_COOKIE, TRAILER,
        WWW_AUTHENTICATE,
    },
};

use super::hop;
use crate::http::names::{X_REQUEST_ID, is_reserved};

/// Drops what a client may not send behind a body.
pub fn request(trailers: &mut HeaderMap) {
    retain(trailers, may_follow_a_request);
}

/// Drops what a tool may not send behind a body.
pub fn response(trailers: &mut HeaderMap) {
    retain(trailers, |name| {
        !is_reserved_to_head(name) && !super::response::is_withheld(name)
    });
}

/// Whether a client may send a field of this name behind a body.
pub(super) fn may_follow_a_request(name: &HeaderName) -> bool {
    !is_reserved(name.as_str()) && !is_reserved_to_head(name)
}

fn is_reserved_to_head(name: &HeaderName) -> bool {
    let own = name == X_REQUEST_ID || name.as_str().starts_with("sec-");
    own || HEAD_ONLY.contains(name) || hop::is_hop_by_hop(name)
}

fn retain(fields: &mut HeaderMap, keep: impl Fn(&HeaderName) -> bool) {
    while let Some(name) = fields.keys().find(|name| !keep(name)).cloned() {
        fields.remove(name);
    }
}

const HEAD_ONLY: [HeaderName; 15] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    EXPECT,
    HOST,
    LOCATION,
    ORIGIN,
    RANGE,
    SET_COOKIE,
    TRAILER,
    WWW_AUTHENTICATE,
];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn left(filter: fn(&mut HeaderMap), names: &[&'static str]) -> Vec<String> {
        let value = HeaderValue::from_static("x");
        let mut fields: HeaderMap = names
            .iter()
            .map(|name| (HeaderName::from_static(name), value.clone()))
            .collect();
        filter(&mut fields);
        let mut left: Vec<_> = fields.keys().map(ToString::to_string).collect();
        left.sort();
        left
    }

    #[test]
    fn checksums_pass_and_identity_framing_and_state_do_not() {
        let names = [
            "x-forwarded-user",
            "x_forwarded_user",
            "remote-user",
            "authorization",
            "cookie",
            "content-length",
            "transfer-encoding",
            "x-request-id",
            "sec-fetch-site",
            "digest",
            "x-checksum",
        ];
        assert_eq!(left(request, &names), ["digest", "x-checksum"]);
        let names = [
            "set-cookie",
            "clear-site-data",
            "x-accel-redirect",
            "access-control-allow-origin",
            "location",
            "grpc-status",
            "server-timing",
        ];
        assert_eq!(left(response, &names), ["grpc-status", "server-timing"]);
    }
}
