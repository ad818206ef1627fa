//! A request on its way to the tool.

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Uri, Version,
    header::{CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING},
    uri::{self, PathAndQuery},
};
use http_body::Body;

use super::{Rules, fields::Fields, hop, identity, trailers};
use crate::{
    auth::cookie,
    client::ClientAddr,
    config::IdentityHeaders,
    http::names::{
        X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PREFIX, X_FORWARDED_PROTO, X_REQUEST_ID,
    },
    policy::Permit,
};

/// A request the proxy vouches for; [`UpstreamRequest::new`] alone makes one.
///
/// Dropped: hop-by-hop fields, our cookies, every identity or forwarding header that the client
/// sent. Added: what we know ourselves, and what the route says.
///
/// ```compile_fail
/// let forged = labgate::rewrite::UpstreamRequest(http::Request::new(()));
/// ```
#[derive(Debug)]
pub struct UpstreamRequest<B>(Request<B>);

/// What is known of how a request arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// Who sent it.
    pub client: ClientAddr,
    /// Whether the browser came by https.
    pub https: bool,
    /// The authority as the client wrote it, port and all.
    pub host: &'a HeaderValue,
    /// Names the request in every log.
    pub request_id: &'a HeaderValue,
    /// Whether it is a WebSocket handshake that we pass on.
    pub websocket: bool,
}

/// Why a request cannot be passed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadRequest {
    /// The permit is for another route than the rules: a fault of ours.
    #[error("the permit is for another route")]
    OtherRoute,
    /// The path is not below the route's prefix.
    #[error("the path is not the route's")]
    Path,
}

impl<B: Body> UpstreamRequest<B> {
    /// Makes the request that the tool gets. The path keeps its bytes, minus a stripped prefix.
    pub fn new(
        permit: &Permit<'_>,
        rules: &Rules,
        arrived: Arrived<'_>,
        request: Request<B>,
    ) -> Result<Self, BadRequest> {
        if permit.route() != rules.route {
            return Err(BadRequest::OtherRoute);
        }
        let (mut parts, body) = request.into_parts();
        parts.uri = target(&parts.uri, rules.stripped()).ok_or(BadRequest::Path)?;
        parts.version = Version::HTTP_11;
        let headers = &mut parts.headers;
        let trailers = hop::takes_trailers(headers);
        hop::remove(headers);
        remove_reserved(headers, &rules.fields);
        headers.remove(EXPECT);
        cookie::cut(headers);
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        frame(headers, &body);
        if arrived.websocket {
            hop::upgrade(headers);
        }
        forwarded(headers, rules, arrived);
        if let (IdentityHeaders::Standard, Some(who)) = (rules.identity, permit.who()) {
            identity::add(headers, &who);
        }
        rules.fields.set(headers);
        rules.adapter.prepare(&mut parts);
        Ok(Self(Request::from_parts(parts, body)))
    }
}

impl<B> UpstreamRequest<B> {
    /// The request, for sending.
    pub fn into_inner(self) -> Request<B> {
        self.0
    }
}

/// Path and query for the request line, without a stripped prefix. Shares the bytes that came,
/// unless something is stripped.
fn target(uri: &Uri, stripped: Option<&str>) -> Option<Uri> {
    let came = uri.path_and_query()?;
    let mut parts = uri::Parts::default();
    parts.path_and_query = Some(match stripped {
        None => came.clone(),
        Some(prefix) => {
            let rest = came.as_str().strip_prefix(prefix)?;
            PathAndQuery::try_from(rest.starts_with('/').then_some(rest)?).ok()?
        }
    });
    Uri::from_parts(parts).ok()
}

fn remove_reserved(headers: &mut HeaderMap, fields: &Fields) {
    while let Some(name) = headers.keys().find(|name| fields.refuses(name)).cloned() {
        headers.remove(name);
    }
    if headers.contains_key(TRAILER) {
        announce_the_rest(headers, fields);
    }
}

/// Leaves in `Trailer` what may follow the body; hyper sends no other trailer fields.
fn announce_the_rest(headers: &mut HeaderMap, fields: &Fields) {
    let announced: Vec<HeaderName> = headers
        .get_all(TRAILER)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .filter(|name| trailers::may_follow_a_request(name) && !fields.owns(name))
        .collect();
    headers.remove(TRAILER);
    let names: Vec<&str> = announced.iter().map(HeaderName::as_str).collect();
    if let Ok(list) = HeaderValue::try_from(names.join(", "))
        && !list.is_empty()
    {
        headers.insert(TRAILER, list);
    }
}

/// A body keeps its length; one of unknown length is chunked, which hyper must be told where it
/// expects none (GET); a request without a body stays without one (RFC 9112 §6).
fn frame<B: Body>(headers: &mut HeaderMap, body: &B) {
    if !body.is_end_stream() && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

fn forwarded(headers: &mut HeaderMap, rules: &Rules, arrived: Arrived<'_>) {
    match &rules.own_host {
        None => drop(headers.insert(HOST, arrived.host.clone())),
        Some(own) => own.put(headers, arrived),
    }
    headers.insert(X_FORWARDED_HOST, arrived.host.clone());
    if let Some(address) = written(arrived.client.ip()) {
        headers.insert(X_FORWARDED_FOR, address);
    }
    let scheme = if arrived.https { "https" } else { "http" };
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
    headers.insert(X_REQUEST_ID, arrived.request_id.clone());
    if let Some(prefix) = &rules.forwarded_prefix {
        headers.insert(X_FORWARDED_PREFIX, prefix.clone());
    }
}

/// An address as text, written on the stack first.
fn written(address: IpAddr) -> Option<HeaderValue> {
    use std::io::Write as _;

    let mut text = [0; 45];
    let mut rest = &mut text[..];
    write!(rest, "{address}").ok()?;
    let free = rest.len();
    HeaderValue::from_bytes(text.get(..text.len() - free)?).ok()
}
