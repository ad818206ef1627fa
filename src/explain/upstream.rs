//! What the tool would get, found by rewriting a request as the gateway would.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header::COOKIE};
use http_body_util::Empty;

use super::told::Told;
use crate::{
    auth::cookie,
    http::names::is_reserved,
    policy::Permit,
    rewrite::{Arrived, UpstreamRequest},
    verdict::Case,
};

/// Tells address, header fields added, and what is taken away of what a client could forge.
pub(super) fn tell(told: &mut Told, case: &Case<'_>, permit: &Permit<'_>, request: &Request<()>) {
    let Some(got) = rewritten(case, permit, request.clone()) else {
        told.say("upstream", "nothing: the path is not the route's");
        return;
    };
    let path = got.uri();
    let targets = case.route.config.upstreams.iter();
    let targets: Vec<String> = targets.map(ToString::to_string).collect();
    told.say(
        "upstream",
        format!("{} {}{path}", got.method(), targets.join(" or ")),
    );
    for (name, value) in got.headers() {
        if request.headers().get(name) != Some(value) || name == http::header::HOST {
            told.say("it gets", format!("{name}: {}", shown(value)));
        }
    }
    let mut forged = request.clone();
    forge(forged.headers_mut(), case.site.https);
    let got = rewritten(case, permit, forged);
    let got = got.map_or_else(HeaderMap::new, |got| got.headers().clone());
    let gone = |name: &&HeaderName| got.get(*name).is_none_or(|value| value != FORGED);
    let names = FORGEABLE;
    let removed: Vec<&str> = names.iter().filter(gone).map(HeaderName::as_str).collect();
    told.say(
        "removed",
        format!(
            "when a client sends it: {}, and the like",
            removed.join(", ")
        ),
    );
    if !got.contains_key(COOKIE) {
        told.say("removed", "the cookies of labgate; all others pass");
    }
    let allowed: Vec<&str> = case
        .route
        .config
        .headers
        .allowed
        .iter()
        .map(HeaderName::as_str)
        .filter(|name| is_reserved(name))
        .collect();
    if !allowed.is_empty() {
        told.say("let through", allowed.join(", "));
    }
}

fn rewritten(
    case: &Case<'_>,
    permit: &Permit<'_>,
    request: Request<()>,
) -> Option<Request<Empty<Bytes>>> {
    let host = request.headers().get(http::header::HOST)?.clone();
    let arrived = Arrived {
        client: case.client,
        https: case.site.https,
        host: &host,
        request_id: &EACH_ITS_OWN,
        websocket: case.websocket,
    };
    let request = request.map(|()| Empty::<Bytes>::new());
    let sent = UpstreamRequest::new(permit, &case.route.rules, arrived, request).ok()?;
    Some(sent.into_inner())
}

/// What a client could claim to be.
fn forge(headers: &mut HeaderMap, https: bool) {
    for name in FORGEABLE {
        headers.insert(name, FORGED);
    }
    let cookie = format!("{}=x", cookie::session_name(https));
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        headers.insert(COOKIE, cookie);
    }
}

fn shown(value: &HeaderValue) -> String {
    if value.is_sensitive() {
        "***".to_owned()
    } else {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    }
}

const EACH_ITS_OWN: HeaderValue = HeaderValue::from_static("(new for each request)");
const FORGED: HeaderValue = HeaderValue::from_static("forged");

/// One of each family.
const FORGEABLE: [HeaderName; 10] = [
    HeaderName::from_static("x-forwarded-user"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("remote-user"),
    HeaderName::from_static("x-auth-request-user"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("x_forwarded_user"),
    HeaderName::from_static("proxy-authorization"),
];
