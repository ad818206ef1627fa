//! The same rules for a request that hyper read from HTTP/2 (RFC 9113 §8), where there is no head
//! to look at before hyper does: what it hid or let pass is made up for here.

use http::{HeaderName, Method, Version, header, request::Parts};
use hyper::ext::Protocol;

use super::{
    Body, Head, Limits, Refusal, TargetForm,
    fields::{self, Fields},
    head::MAX_METHOD_BYTES,
    target::{Authority, check_path_and_query},
};

/// Judges one request. `TRACE` is refused, and a `CONNECT` in every form but a WebSocket handshake (RFC
/// 8441 §5), which is one only where the server has said that it takes them. A fragment in `:path`
/// cannot be seen: it is gone when hyper hands the request over, so neither policy nor an upstream
/// sees it.
pub fn check_h2(parts: &Parts, limits: &Limits) -> Result<Head, Refusal> {
    let upgrade = parts.method == Method::CONNECT;
    if parts.method == Method::TRACE || (upgrade && !names_websocket(parts)) {
        return Err(Refusal::MethodNotAllowed);
    }
    if parts.method.as_str().len() > MAX_METHOD_BYTES {
        return Err(Refusal::BadRequest("the method is too long"));
    }
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    if !path.starts_with('/') {
        return Err(Refusal::BadRequest("the target is not a path"));
    }
    check_path_and_query(path.as_bytes())?;
    let bytes = check_size(parts, path, limits)?;
    let mut seen = Fields::default();
    let mut has_cookies = false;
    for (name, value) in &parts.headers {
        if is_connection_specific(name) || (name == header::TE && value != "trailers") {
            return Err(Refusal::BadRequest(
                "a field about the connection has no place in HTTP/2",
            ));
        }
        if !fields::is_value(value.as_bytes()) {
            return Err(Refusal::BadRequest(
                "a field value holds a control character",
            ));
        }
        // Browsers send each cookie as a field of its own; it is one field for all that (RFC 9113
        // §8.2.3).
        if name == header::COOKIE && std::mem::replace(&mut has_cookies, true) {
            continue;
        }
        // Not trimmed: white space around a value has no place here (RFC 9113 §8.2.1).
        let value = value.as_bytes();
        seen.see(name.as_str().as_bytes(), value, limits.max_headers)?;
    }
    check_authority(parts, &seen)?;
    let body = match seen.content_length {
        Some(0) => Body::Empty,
        Some(_) if upgrade => {
            return Err(Refusal::BadRequest("a websocket handshake has no body"));
        }
        Some(length) => Body::Length(length),
        None if upgrade => Body::Empty,
        None => Body::Unsized,
    };
    Ok(Head {
        target: TargetForm::Origin,
        version: Version::HTTP_2,
        body,
        upgrade,
        expect_continue: seen.expect_continue,
        closes: false,
        bytes,
    })
}

/// Exactly so written: it is a token of the registry, not a list.
fn names_websocket(parts: &Parts) -> bool {
    let protocol = parts.extensions.get::<Protocol>();
    protocol.is_some_and(|protocol| protocol.as_ref() == b"websocket")
}

/// What the head would have as HTTP/1, and whether that is too much.
fn check_size(parts: &Parts, path: &str, limits: &Limits) -> Result<usize, Refusal> {
    const REQUEST_LINE: usize = "  HTTP/1.1\r\n".len();
    const LINE: usize = ": \r\n".len();
    let size =
        |name: &HeaderName, value: &http::HeaderValue| name.as_str().len() + value.len() + LINE;
    let authority = parts
        .uri
        .authority()
        .map_or(0, |host| "host: \r\n".len() + host.as_str().len());
    let line = parts.method.as_str().len() + path.len() + REQUEST_LINE;
    let fields: usize = parts
        .headers
        .iter()
        .map(|(name, value)| size(name, value))
        .sum();
    let bytes = line + authority + fields + "\r\n".len();
    if line > limits.max_header_bytes {
        return Err(Refusal::UriTooLong);
    }
    if bytes > limits.max_header_bytes {
        // Cookies come as a field per pair: together they are what the person can act on.
        return Err(Refusal::too_large(parts.headers.keys().map(|name| {
            let sizes = parts
                .headers
                .get_all(name)
                .iter()
                .map(|value| size(name, value));
            (name.as_str().as_bytes(), sizes.sum())
        })));
    }
    Ok(bytes)
}

/// RFC 9113 §8.3.1: `:authority`, or a `host` field, or both if they agree.
fn check_authority(parts: &Parts, fields: &Fields<'_>) -> Result<(), Refusal> {
    let default_port = match parts.uri.scheme_str() {
        Some("http") => 80,
        _ => 443,
    };
    let host = fields.host.map(Authority::parse).transpose()?;
    let named = parts
        .uri
        .authority()
        .map(|authority| Authority::parse(authority.as_str().as_bytes()))
        .transpose()?;
    match (named, host) {
        (None, None) => Err(Refusal::BadRequest("there is no authority")),
        (Some(named), Some(host)) if !named.agrees_with(&host, default_port) => Err(
            Refusal::BadRequest("the authority and the host field disagree"),
        ),
        _ => Ok(()),
    }
}

/// RFC 9113 §8.2.2.
fn is_connection_specific(name: &HeaderName) -> bool {
    [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ]
    .contains(name)
        || matches!(
            name.as_str(),
            "http2-settings" | "keep-alive" | "proxy-connection"
        )
}
