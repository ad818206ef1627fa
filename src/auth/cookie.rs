//! Our cookies among the others of a request: finding them, and cutting them out.
//!
//! A tool never sees a cookie of ours, and sees every other one byte for byte and in order
//! (SECURITY T33). Ours are the name `labgate` and all that start with `labgate-`, with and without
//! the `__Host-` prefix; `CF_Authorization` is another credential that no tool should see.
//! RFC 6265 §4.2 and §5.4; RFC 9113 §8.2.3 (a `Cookie` field may arrive in parts).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::COOKIE};

/// The session cookie on https.
pub const SESSION_SECURE: &str = "__Host-labgate";
/// The session cookie on plain http, where browsers refuse the prefix.
pub const SESSION_PLAIN: &str = "labgate";
/// Binds a sign-in form to the browser that got it, on https.
pub const FORM_SECURE: &str = "__Host-labgate-form";
/// The same on plain http.
pub const FORM_PLAIN: &str = "labgate-form";
/// Binds a one-time code to the browser that was sent away, on https.
pub const ENTER_SECURE: &str = "__Host-labgate-enter";
/// The same on plain http.
pub const ENTER_PLAIN: &str = "labgate-enter";

/// The name of the session cookie for a scheme.
pub const fn session_name(https: bool) -> &'static str {
    if https { SESSION_SECURE } else { SESSION_PLAIN }
}

/// The name of the cookie that binds a form to a browser.
pub const fn form_name(https: bool) -> &'static str {
    if https { FORM_SECURE } else { FORM_PLAIN }
}

/// The name of the cookie that binds a one-time code to a browser.
pub const fn enter_name(https: bool) -> &'static str {
    if https { ENTER_SECURE } else { ENTER_PLAIN }
}

/// All values of our session cookie, wherever they stand, quotes included. Several are possible (a
/// stale one, or one that somebody planted): each is a candidate. No allocation.
pub fn ours(headers: &HeaderMap, https: bool) -> impl Iterator<Item = &str> {
    named(headers, session_name(https))
}

/// All values of the cookies with this exact name. Ours are never quoted. What is not UTF-8 is no value.
pub fn named<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(move |pair| {
            let (found, value) = name_and_value(pair);
            (found == name.as_bytes()).then(|| str::from_utf8(value?).ok())?
        })
}

/// Whether a cookie of this name is ours: never sent to a tool, never taken from one.
pub fn is_ours(name: &[u8]) -> bool {
    let bare = name.strip_prefix(b"__Host-").unwrap_or(name);
    match bare.strip_prefix(SESSION_PLAIN.as_bytes()) {
        Some(rest) => rest.first().is_none_or(|byte| *byte == b'-'),
        None => name == CF_AUTHORIZATION,
    }
}

/// Removes our cookies. All others keep their bytes and their order; several field lines become
/// one, joined by `; `. Without a cookie of ours in one line, nothing is touched or allocated.
pub fn cut(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(COOKIE).iter();
    let Some(first) = lines.next() else {
        return;
    };
    let single = lines.next().is_none();
    if single && !holds_ours(first.as_bytes()) {
        return;
    }
    let size = headers.get_all(COOKIE).iter().map(|line| line.len() + 2);
    let mut kept = Vec::with_capacity(size.sum());
    for line in headers.get_all(COOKIE) {
        let start = kept.len();
        if start > 0 {
            kept.extend_from_slice(b"; ");
        }
        if !keep(line.as_bytes(), &mut kept) {
            kept.truncate(start);
        }
    }
    if kept.is_empty() {
        headers.remove(COOKIE);
        return;
    }
    match HeaderValue::from_maybe_shared(Bytes::from(kept)) {
        Ok(value) => headers.insert(COOKIE, value),
        Err(_) => headers.remove(COOKIE),
    };
}

/// Appends what stays of one line; `false` if nothing does.
fn keep(line: &[u8], kept: &mut Vec<u8>) -> bool {
    let mut any = false;
    let mut cut_before = false;
    for pair in line.split(|byte| *byte == b';') {
        if is_ours(name_and_value(pair).0) {
            cut_before = true;
            continue;
        }
        if any {
            kept.push(b';');
            kept.extend_from_slice(pair);
        } else if cut_before {
            // The blank that followed the separator before it goes with that separator.
            let pair = pair.trim_ascii_start();
            if pair.is_empty() {
                continue;
            }
            kept.extend_from_slice(pair);
        } else {
            kept.extend_from_slice(pair);
        }
        any = true;
    }
    any
}

fn holds_ours(line: &[u8]) -> bool {
    line.split(|byte| *byte == b';')
        .any(|pair| is_ours(name_and_value(pair).0))
}

/// The two sides of the first `=`, without blanks around them.
fn name_and_value(pair: &[u8]) -> (&[u8], Option<&[u8]>) {
    let at = pair.iter().position(|byte| *byte == b'=');
    match at.and_then(|at| pair.split_at_checked(at)) {
        Some((name, value)) => (name.trim_ascii(), value.get(1..).map(<[u8]>::trim_ascii)),
        None => (pair.trim_ascii(), None),
    }
}

const CF_AUTHORIZATION: &[u8] = b"CF_Authorization";

#[cfg(test)]
mod tests;
