//! An answer on its way to the browser: it cannot reach beyond its route.

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ALT_SVC, CACHE_CONTROL, CONTENT_SECURITY_POLICY,
        LOCATION, REFRESH, STRICT_TRANSPORT_SECURITY, X_FRAME_OPTIONS,
    },
    response,
};

use super::{Rules, cookie, hop, location};
use crate::{
    app::remove_family,
    auth::cors,
    http::site::{Host, PublicUrl},
    route::RoutePath,
};

/// What is known of the request that is answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// The host it was sent to.
    pub host: &'a Host,
    /// The site of that host.
    pub site: &'a PublicUrl,
    /// Whether somebody is signed in on it: such an answer is nobody else's.
    pub authenticated: bool,
    /// The origin whose page may read the answer ([`Rules::reader`]).
    pub reader: Option<&'a HeaderValue>,
}

/// Rewrites the head of a tool's answer. An answer of 101 is that to a WebSocket handshake.
pub fn response(rules: &Rules, answered: Answered<'_>, parts: &mut response::Parts) {
    let headers = &mut parts.headers;
    hop::remove(headers);
    for name in WITHHELD {
        headers.remove(name);
    }
    remove_family(headers, "x-accel-");
    keep_worker_in_place(rules, headers);
    transport_security(rules, answered, headers);
    cookie::narrow(headers, rules.stripped());
    relocate(rules, answered, headers);
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        hop::upgrade(headers);
    } else {
        if answered.authenticated && !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        }
        if answered.authenticated || !rules.public {
            rules.seclusion.apply(headers, answered.authenticated);
        }
    }
    rules.adapter.answer(parts);
    if rules.cors.is_some() {
        // What a tool says to other sites would speak against the route.
        remove_family(&mut parts.headers, ACCESS_CONTROL);
        cors::answer(&mut parts.headers, answered.reader);
    }
}

/// Whether a tool's field of this name never reaches a browser.
pub(super) fn is_withheld(name: &HeaderName) -> bool {
    let family = ["x-accel-", ACCESS_CONTROL];
    WITHHELD.contains(name) || family.iter().any(|start| name.as_str().starts_with(start))
}

/// What other sites may do with a route's answers.
#[derive(Clone, Debug)]
pub(super) struct Seclusion {
    frame_ancestors: HeaderValue,
    resource_policy: HeaderValue,
}

impl Seclusion {
    /// Nothing, but for the origins of `embed`.
    pub(super) fn new(embed: &[String]) -> Self {
        let nobody = Self {
            frame_ancestors: HeaderValue::from_static("frame-ancestors 'self'"),
            resource_policy: HeaderValue::from_static("same-origin"),
        };
        if embed.is_empty() {
            return nobody;
        }
        let policy = format!("frame-ancestors 'self' {}", embed.join(" "));
        Self {
            frame_ancestors: HeaderValue::try_from(policy).unwrap_or(nobody.frame_ancestors),
            // It cannot name one; who may load is known by `auth::origin`.
            resource_policy: HeaderValue::from_static("cross-origin"),
        }
    }

    /// Says so where the tool does not. The tool's own rules stand, also those that are stricter; two
    /// policies of `Content-Security-Policy` both hold.
    ///
    /// What it lets other sites read is taken back where a page could read it by what it does not
    /// have: our cookie, or the address that lets the visitor in (SECURITY T50).
    fn apply(&self, headers: &mut HeaderMap, authenticated: bool) {
        if !authenticated || headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS) {
            remove_family(headers, ACCESS_CONTROL);
        }
        if !headers.contains_key(CROSS_ORIGIN_RESOURCE_POLICY) {
            headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, self.resource_policy.clone());
        }
        let mut policies = headers.get_all(CONTENT_SECURITY_POLICY).iter();
        let ruled = headers.get_all(X_FRAME_OPTIONS).iter().any(is_frame_rule);
        if !ruled && !policies.any(names_frame_ancestors) {
            headers.append(CONTENT_SECURITY_POLICY, self.frame_ancestors.clone());
        }
    }
}

/// Whether browsers take a value of `X-Frame-Options` for a rule. `ALLOWALL`, `ALLOW-FROM` and others
/// let everybody in (HTML, "The `X-Frame-Options` header").
fn is_frame_rule(value: &HeaderValue) -> bool {
    let mut words = value.as_bytes().split(|byte| *byte == b',');
    words.any(|word| {
        let word = word.trim_ascii();
        word.eq_ignore_ascii_case(b"deny") || word.eq_ignore_ascii_case(b"sameorigin")
    })
}

fn names_frame_ancestors(policy: &HeaderValue) -> bool {
    let mut directives = policy.as_bytes().split(|byte| matches!(byte, b';' | b','));
    directives.any(|directive| {
        let mut words = directive.trim_ascii().split(u8::is_ascii_whitespace);
        words
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(b"frame-ancestors"))
    })
}

/// A service worker may control its route's own paths. A whole host is more than any route has,
/// since `/.labgate` is on every host.
fn keep_worker_in_place(rules: &Rules, headers: &mut HeaderMap) {
    let Some(scope) = headers.get(SERVICE_WORKER_ALLOWED) else {
        return;
    };
    let in_place = !rules.prefix.is_empty()
        && scope.to_str().is_ok_and(|scope| {
            let below = scope.strip_prefix(&*rules.prefix);
            below.is_some_and(|rest| rest.starts_with('/')) && RoutePath::parse(scope).is_ok()
        });
    let single = headers.get_all(SERVICE_WORKER_ALLOWED).iter().count() == 1;
    if !(in_place && single) {
        headers.remove(SERVICE_WORKER_ALLOWED);
    }
}

/// A tool may promise https for a host of its own: not for the hosts below it, not for one that it
/// shares, and it cannot take back what our own pages promise (RFC 6797 §6.1).
fn transport_security(rules: &Rules, answered: Answered<'_>, headers: &mut HeaderMap) {
    let Some(said) = headers.remove(STRICT_TRANSPORT_SECURITY) else {
        return;
    };
    let has_host = rules.prefix.is_empty() && *answered.host != answered.site.host;
    if let (true, Some(seconds)) = (has_host, said.to_str().ok().and_then(max_age)) {
        let promise = HeaderValue::try_from(format!("max-age={seconds}"));
        headers.extend(promise.ok().map(|own| (STRICT_TRANSPORT_SECURITY, own)));
    }
}

/// The `max-age` that a promise states, in seconds, if it is one.
fn max_age(promise: &str) -> Option<u64> {
    let mut directives = promise.split(';').filter_map(|text| text.split_once('='));
    let (_, seconds) = directives.find(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"))?;
    let seconds = seconds.trim().trim_matches('"').parse().ok()?;
    (seconds > 0).then_some(seconds)
}

fn relocate(rules: &Rules, answered: Answered<'_>, headers: &mut HeaderMap) {
    if let Some(value) = headers.get_mut(LOCATION)
        && let Some(moved) = value
            .to_str()
            .ok()
            .and_then(|at| location::public(at, rules, answered))
        && let Ok(moved) = HeaderValue::try_from(moved)
    {
        *value = moved;
    }
    if let Some(value) = headers.get_mut(REFRESH)
        && let Some(moved) = value
            .to_str()
            .ok()
            .and_then(|text| refresh(text, rules, answered))
        && let Ok(moved) = HeaderValue::try_from(moved)
    {
        *value = moved;
    }
}

/// `5; url=ADDRESS`.
fn refresh(text: &str, rules: &Rules, answered: Answered<'_>) -> Option<String> {
    let (before, address) = text.split_once('=')?;
    let moved = location::public(address.trim(), rules, answered)?;
    Some([before, "=", &moved].concat())
}

const ACCESS_CONTROL: &str = "access-control-";
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
const SERVICE_WORKER_ALLOWED: HeaderName = HeaderName::from_static("service-worker-allowed");

/// Each speaks for a whole origin or to a proxy, which is not for a tool to do (SECURITY T97).
const WITHHELD: [HeaderName; 7] = [
    ALT_SVC,
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("nel"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("x-lighttpd-send-file"),
    HeaderName::from_static("x-reproxy-url"),
    HeaderName::from_static("x-sendfile"),
];
