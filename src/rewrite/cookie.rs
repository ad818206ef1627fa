//! `Set-Cookie` of a tool: narrowed to the tool's own place (SECURITY T34; RFC 6265 §5.2).

use http::{HeaderMap, HeaderValue, header::SET_COOKIE};

use crate::auth::cookie::is_ours;

/// Drops cookies with a name of ours and every `Domain`, so that a cookie stays on its host; puts a
/// stripped prefix before every `Path`. Touches nothing where nothing is to be done.
pub(super) fn narrow(headers: &mut HeaderMap, stripped: Option<&str>) {
    let fine = |line: &HeaderValue| !takes_our_name(line.as_bytes()) && !widens(line, stripped);
    if headers.get_all(SET_COOKIE).iter().all(fine) {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for line in lines {
        if takes_our_name(line.as_bytes()) {
            continue;
        }
        let narrowed = if widens(&line, stripped) {
            HeaderValue::from_bytes(&narrowed(line.as_bytes(), stripped)).ok()
        } else {
            Some(line)
        };
        if let Some(line) = narrowed {
            headers.append(SET_COOKIE, line);
        }
    }
}

/// A cookie without a name is sent back as its value alone, which can look like ours.
fn takes_our_name(line: &[u8]) -> bool {
    let mut pair = line.split(|byte| *byte == b';').next().unwrap_or_default();
    pair = pair.trim_ascii();
    if let Some(value) = pair.strip_prefix(b"=") {
        pair = value;
    }
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    is_ours(name.trim_ascii())
}

fn widens(line: &HeaderValue, stripped: Option<&str>) -> bool {
    let prefixed = stripped.is_some() && !is_host_bound(line.as_bytes());
    attributes(line.as_bytes()).any(|(name, _)| {
        name.eq_ignore_ascii_case(b"domain") || (prefixed && name.eq_ignore_ascii_case(b"path"))
    })
}

/// `__Host-` cookies must have the path `/`.
fn is_host_bound(line: &[u8]) -> bool {
    let prefix = line.trim_ascii_start().get(..7);
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"__Host-"))
}

fn narrowed(line: &[u8], stripped: Option<&str>) -> Vec<u8> {
    let stripped = stripped.filter(|_| !is_host_bound(line));
    let pair = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let mut kept = pair.to_vec();
    let mut written = line.split(|byte| *byte == b';').skip(1);
    for (name, value) in attributes(line) {
        let Some(attribute) = written.next() else {
            break;
        };
        if name.eq_ignore_ascii_case(b"domain") {
            continue;
        }
        if let Some(prefix) = stripped
            && name.eq_ignore_ascii_case(b"path")
            && moves(value, prefix)
        {
            kept.extend_from_slice(b"; Path=");
            kept.extend_from_slice(prefix.as_bytes());
            kept.extend_from_slice(value);
        } else {
            kept.push(b';');
            kept.extend_from_slice(attribute);
        }
    }
    kept
}

/// Whether a tool means its own path, rather than the public one.
fn moves(path: &[u8], prefix: &str) -> bool {
    let public = path
        .strip_prefix(prefix.as_bytes())
        .is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'));
    path.first() == Some(&b'/') && !public
}

/// Name and value of each attribute, without the blanks around them.
fn attributes(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|byte| *byte == b';').skip(1).map(|attribute| {
        let at = attribute.iter().position(|byte| *byte == b'=');
        let (name, value) = match at.and_then(|at| attribute.split_at_checked(at)) {
            Some((name, value)) => (name, value.get(1..).unwrap_or_default()),
            None => (attribute, &b""[..]),
        };
        (name.trim_ascii(), value.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(line: &str, stripped: Option<&str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(SET_COOKIE, HeaderValue::from_str(line).unwrap());
        narrow(&mut headers, stripped);
        let left = headers.get(SET_COOKIE)?;
        Some(left.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_tool_cannot_set_a_cookie_of_ours() {
        for line in [
            "labgate=x",
            "__Host-labgate=x; Path=/; Secure",
            " labgate = x",
            "labgate-form=x",
            "=labgate=x",
            "labgate",
            "CF_Authorization=x",
        ] {
            assert_eq!(after(line, None), None, "{line}");
        }
        for line in ["labgate2=x; HttpOnly", "x=labgate=y", "_xsrf=1", ""] {
            assert_eq!(after(line, None).as_deref(), Some(line));
        }
    }

    #[test]
    fn a_cookie_stays_on_its_host() {
        for (line, left) in [
            ("a=1; Domain=example.org; Path=/", "a=1; Path=/"),
            ("a=1;DOMAIN=.example.org;Secure", "a=1;Secure"),
            ("a=1; domain", "a=1"),
            ("a=Domain=x; Max-Age=1", "a=Domain=x; Max-Age=1"),
        ] {
            assert_eq!(after(line, None).as_deref(), Some(left), "{line}");
        }
    }

    #[test]
    fn a_path_follows_the_stripped_prefix_once() {
        for (line, left) in [
            ("a=1; Path=/", "a=1; Path=/rstudio/"),
            ("a=1; path = /x; HttpOnly", "a=1; Path=/rstudio/x; HttpOnly"),
            ("a=1; Path=/rstudio", "a=1; Path=/rstudio"),
            ("a=1; Path=/rstudio/x", "a=1; Path=/rstudio/x"),
            ("a=1; Path=/rstudio2", "a=1; Path=/rstudio/rstudio2"),
            ("a=1; Path=x", "a=1; Path=x"),
            ("a=1", "a=1"),
            ("__Host-a=1; Path=/; Secure", "__Host-a=1; Path=/; Secure"),
            ("__Host-a=1; Path=/; Domain=x", "__Host-a=1; Path=/"),
        ] {
            assert_eq!(
                after(line, Some("/rstudio")).as_deref(),
                Some(left),
                "{line}"
            );
        }
        assert_eq!(after("a=1; Path=/", None).as_deref(), Some("a=1; Path=/"));
    }

    #[test]
    fn the_other_cookies_of_an_answer_stay_in_order() {
        let mut headers = HeaderMap::new();
        for line in ["a=1", "labgate=x", "b=2; Domain=x", "c=3"] {
            headers.append(SET_COOKIE, HeaderValue::from_static(line));
        }
        narrow(&mut headers, None);
        let left: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(left, ["a=1", "b=2", "c=3"]);
    }

    proptest! {
        #[test]
        fn no_domain_and_no_name_of_ours_is_left(
            line in "([;= ,\"]|labgate|__Host-|Domain|domain|Path|/x|a){0,14}",
            stripped in prop::sample::select(vec![None, Some("/x"), Some("/rstudio")]),
        ) {
            if let Some(left) = after(&line, stripped) {
                prop_assert!(!takes_our_name(left.as_bytes()), "{}", left);
                prop_assert!(attributes(left.as_bytes())
                    .all(|(name, _)| !name.eq_ignore_ascii_case(b"domain")), "{}", left);
                prop_assert_eq!(after(&left, stripped), Some(left.clone()), "twice");
            }
        }
    }
}
