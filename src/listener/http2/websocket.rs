//! A WebSocket handshake over HTTP/2 and what it is over HTTP/1.1, which tools speak (RFC 8441 §5,
//! RFC 6455 §4).
//!
//! The gateway and everything behind it see the handshake of HTTP/1.1 alone. Only the connection is
//! different, so this is about what has meaning for a connection: method, `Connection`, `Upgrade`,
//! key and accept value, status.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{
        CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
        UPGRADE,
    },
    request,
};
use hyper::ext::Protocol;

use crate::secret::random;

/// Makes of an extended CONNECT the GET that a tool understands, with a key that nobody has had.
/// What the client offers stays as it is.
pub(super) fn ask(parts: &mut request::Parts) {
    parts.method = Method::GET;
    parts.extensions.remove::<Protocol>();
    let headers = &mut parts.headers;
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers
        .entry(SEC_WEBSOCKET_VERSION)
        .or_insert(HeaderValue::from_static("13"));
    let key = BASE64_STANDARD.encode(random::<16>());
    if let Ok(key) = HeaderValue::try_from(key) {
        headers.insert(SEC_WEBSOCKET_KEY, key);
    }
}

/// Makes of a 101 the answer to an extended CONNECT; its key was checked with the tool's.
pub(super) fn accepted<B>(answer: &mut Response<B>) {
    *answer.status_mut() = StatusCode::OK;
    let headers = answer.headers_mut();
    for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT, CONTENT_LENGTH] {
        headers.remove(name);
    }
}
