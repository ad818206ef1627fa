//! The cross-site rules, for requests whose credential is our cookie.
//!
//! A cookie comes along whoever makes the browser ask, and tools do not look (adding Jupyter's
//! token even switches its own checks off). So a WebSocket, an unsafe method, and on a tool's host
//! any request at all, must come from a page of the same origin (SECURITY T46 to T48, T95).
//! RFC 6454 (`Origin`), Fetch Metadata (`Sec-Fetch-Site`), RFC 9110 §9.2.1 (safe methods).

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AsHeaderName, ORIGIN, REFERER},
};

/// What has to be known to judge a request.
#[derive(Clone, Copy, Debug)]
pub struct CrossSite<'a> {
    /// Exactly our origin on this host, as browsers write it: `https://lab.example.org`.
    pub origin: &'a str,
    /// Whether this host is a tool's own, where nothing is meant to be loaded from outside.
    pub tool_host: bool,
    /// Whether this is a WebSocket handshake.
    pub websocket: bool,
    /// Whether our cookie is what would let the request pass. With another credential none of this
    /// applies.
    pub cookie_is_credential: bool,
    /// Origins that may frame or load this host.
    pub embed: &'a [String],
}

/// Why a request is answered with 403.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CrossSiteRefusal {
    /// A script or a frame asks for a page with a form of ours.
    #[error("a script or a frame asks for a form")]
    Form,
    /// Another site loads or frames something of a tool's host.
    #[error("another site loads from this tool")]
    Load,
    /// Another site sends something.
    #[error("an unsafe method from another site")]
    UnsafeMethod,
    /// Another site, or nobody, opens a WebSocket.
    #[error("a WebSocket from another site")]
    WebSocket,
}

/// What `Sec-Fetch-Site` says.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Site {
    /// Another site, a sibling host, or a word that no browser says.
    Foreign,
    /// The same origin, or the person (a typed address, a bookmark).
    Own,
    Unsaid,
}

/// Judges a request. No allocation.
pub fn check(
    method: &Method,
    headers: &HeaderMap,
    rules: CrossSite<'_>,
) -> Result<(), CrossSiteRefusal> {
    if !rules.cookie_is_credential {
        return Ok(());
    }
    if rules.websocket && sole(headers, ORIGIN).is_none_or(|origin| origin != rules.origin) {
        return Err(CrossSiteRefusal::WebSocket);
    }
    let site = site(headers);
    let unsafe_method = !method.is_safe();
    if unsafe_method && comes_from_elsewhere(site, headers, rules.origin) {
        return Err(CrossSiteRefusal::UnsafeMethod);
    }
    if rules.tool_host
        && site == Site::Foreign
        && !is_top_level_navigation(headers)
        && !is_embedded(headers, rules.embed)
    {
        return Err(CrossSiteRefusal::Load);
    }
    Ok(())
}

/// For an unsafe method: `Sec-Fetch-Site` where it is there, else `Origin`. With neither it passes,
/// since no current browser omits both.
fn comes_from_elsewhere(site: Site, headers: &HeaderMap, ours: &str) -> bool {
    match site {
        Site::Foreign => true,
        Site::Own => false,
        Site::Unsaid => headers.get_all(ORIGIN).iter().any(|origin| origin != ours),
    }
}

fn site(headers: &HeaderMap) -> Site {
    let mut lines = headers.get_all(SEC_FETCH_SITE).iter();
    match (lines.next().map(HeaderValue::as_bytes), lines.next()) {
        (None, _) => Site::Unsaid,
        (Some(b"same-origin" | b"none"), None) => Site::Own,
        _ => Site::Foreign,
    }
}

fn is_top_level_navigation(headers: &HeaderMap) -> bool {
    let is = |name, word: &str| sole(headers, name).is_some_and(|value| value == word);
    is(SEC_FETCH_MODE, "navigate") && is(SEC_FETCH_DEST, "document")
}

/// Whether the page that asks is of an origin in `embed`. Frames and scripts send no `Origin`; a
/// page can withhold its `Referer`, not forge it.
fn is_embedded(headers: &HeaderMap, embed: &[String]) -> bool {
    let text = |name| sole(headers, name).and_then(|value| value.to_str().ok());
    if headers.contains_key(ORIGIN) {
        return text(ORIGIN).is_some_and(|origin| embed.iter().any(|one| one == origin));
    }
    text(REFERER).is_some_and(|referer| {
        embed.iter().any(|origin| {
            referer
                .strip_prefix(origin.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    })
}

/// The value of a field that stands there once.
pub(crate) fn sole(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?;
    lines.next().is_none().then_some(line)
}

const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests;
