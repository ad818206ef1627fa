//! Our cookies among the others of a request: finding them, and cutting them out.
//!
//! A tool never sees a cookie of ours, and sees every other one byte for byte and in order
//! (SECURITY T33). Ours are the name `labgate` and all that start with `labgate-`, with and without
//! the `__Host-` prefix; `CF_Authorization` is another credential that no tool should see.
//! RFC 6265 §4.2 and §5.4; RFC 9113 §8.2.3 (a `Cookie` field may arrive in parts).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::COOKIE};
use memchr::memmem;

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

/// All values of our session cookie, wherever they stand, without quotes. Several are possible (a
/// stale one, or one that somebody planted): each is a candidate. No allocation.
pub fn ours(headers: &HeaderMap, https: bool) -> impl Iterator<Item = &str> {
    named(headers, session_name(https))
}

/// All values of the cookies with this exact name, without quotes. What is not UTF-8 is no value.
pub fn named<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(move |pair| {
            let (found, value) = name_and_value(pair);
            (found == name.as_bytes()).then(|| str::from_utf8(unquoted(value?)).ok())?
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
    if single && !may_hold_ours(first.as_bytes()) {
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

fn may_hold_ours(line: &[u8]) -> bool {
    memmem::find(line, SESSION_PLAIN.as_bytes()).is_some()
        || memmem::find(line, CF_AUTHORIZATION).is_some()
}

/// The two sides of the first `=`, without blanks around them.
fn name_and_value(pair: &[u8]) -> (&[u8], Option<&[u8]>) {
    let at = pair.iter().position(|byte| *byte == b'=');
    match at.and_then(|at| pair.split_at_checked(at)) {
        Some((name, value)) => (name.trim_ascii(), value.get(1..).map(<[u8]>::trim_ascii)),
        None => (pair.trim_ascii(), None),
    }
}

fn unquoted(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(value)
}

const CF_AUTHORIZATION: &[u8] = b"CF_Authorization";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for line in lines {
            map.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        map
    }

    fn after_cut(lines: &[&str]) -> Vec<String> {
        let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
        let mut map = headers(&lines);
        cut(&mut map);
        let left = map.get_all(COOKIE).iter();
        left.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
            .collect()
    }

    #[test]
    fn our_cookie_is_cut_at_any_position_and_the_rest_stays_as_it_was() {
        for (line, left) in [
            ("labgate=x", vec![]),
            ("__Host-labgate=x", vec![]),
            ("labgate=x; ", vec![]),
            ("labgate=x; a=1", vec!["a=1"]),
            ("a=1; labgate=x", vec!["a=1"]),
            ("a=1; labgate=x; b=2", vec!["a=1; b=2"]),
            ("a=1;labgate=x;b=2", vec!["a=1;b=2"]),
            (
                "a=1;  __Host-labgate = \"x\" ;  b = \"2\"",
                vec!["a=1;  b = \"2\""],
            ),
            ("labgate=x; labgate=y; b=2; labgate=z", vec!["b=2"]),
            ("labgate-form=x; __Host-labgate-enter=y; b=", vec!["b="]),
            ("CF_Authorization=x; b", vec!["b"]),
            ("\tlabgate\t=x; b", vec!["b"]),
            ("labgate; b", vec!["b"]),
        ] {
            assert_eq!(after_cut(&[line]), left, "{line}");
        }
    }

    #[test]
    fn cookies_that_only_look_like_ours_stay() {
        for line in [
            "labgate2=x",
            "xlabgate=x",
            "Labgate=x",
            "__host-labgate=x",
            "__Secure-labgate=x",
            "a=labgate",
            "a=\"labgate=x\"",
            "cf_authorization=x",
            " a=1 ;; b=\"c d\", e=f; ",
            "",
        ] {
            assert_eq!(after_cut(&[line]), [line], "{line}");
        }
    }

    #[test]
    fn several_lines_become_one() {
        assert_eq!(
            after_cut(&["a=1", "b=2; labgate=x", "c=3"]),
            ["a=1; b=2; c=3"]
        );
        assert_eq!(after_cut(&["labgate=x", "a=1"]), ["a=1"]);
        assert_eq!(after_cut(&["a=1", "labgate=x"]), ["a=1"]);
        assert_eq!(after_cut(&["labgate=x", "labgate=y"]), Vec::<String>::new());
    }

    #[test]
    fn all_values_of_our_name_are_candidates() {
        let map = headers(&[
            b"labgate=plain; __Host-labgate=one; __Host-labgate-form=f",
            b"a=1;__Host-labgate=\"two\";  __Host-labgate = three ; __Host-labgate",
            b"__Host-labgate=\xff; __Host-labgate=; __Host-labgate=\"",
        ]);
        let https: Vec<_> = ours(&map, true).collect();
        assert_eq!(https, ["one", "two", "three", "", "\""]);
        assert_eq!(ours(&map, false).collect::<Vec<_>>(), ["plain"]);
        assert_eq!(named(&map, FORM_SECURE).collect::<Vec<_>>(), ["f"]);
        assert_eq!(ours(&HeaderMap::new(), true).count(), 0);
    }

    /// A cookie pair, ours or foreign, as browsers and worse clients write it.
    fn pair() -> impl Strategy<Value = (bool, Vec<u8>)> {
        let ours =
            "(__Host-)?labgate(-form|-enter)?|CF_Authorization".prop_map(|name| (true, name));
        let other = "[a-zA-Z_-]{1,8}|labgate[a-z]|x-labgate"
            .prop_map(|name| (is_ours(name.as_bytes()), name));
        let value = prop::collection::vec(
            any::<u8>().prop_filter("a value", |b| *b > 32 && *b != b';' && *b != 127),
            0..12,
        );
        (prop_oneof![ours, other], value)
            .prop_map(|((ours, name), value)| (ours, [name.as_bytes(), b"=", &value[..]].concat()))
    }

    proptest! {
        /// What is left is exactly the other cookies, in order.
        #[test]
        fn exactly_the_other_cookies_are_left(
            lines in prop::collection::vec(prop::collection::vec(pair(), 1..6), 1..4),
        ) {
            let joined: Vec<Vec<u8>> = lines
                .iter()
                .map(|line| {
                    let pairs: Vec<_> = line.iter().map(|(_, pair)| pair.as_slice()).collect();
                    pairs.join(&b"; "[..])
                })
                .collect();
            let others: Vec<_> = lines
                .iter()
                .flatten()
                .filter_map(|(ours, pair)| (!ours).then_some(pair.as_slice()))
                .collect();
            let lines: Vec<_> = joined.iter().map(Vec::as_slice).collect();
            let mut map = headers(&lines);
            cut(&mut map);
            let left: Vec<_> = map.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
            let expected = others.join(&b"; "[..]);
            prop_assert_eq!(left.concat(), expected);
            prop_assert!(left.len() <= 1);
        }

        /// Any bytes: nothing of ours is left, and a second cut changes nothing.
        #[test]
        fn any_line_is_cut_for_good(
            line in "([ \t;=\"]|labgate|__Host-|CF_Authorization|-form|[a-c]){0,20}",
        ) {
            let mut map = headers(&[line.as_bytes()]);
            cut(&mut map);
            for line in map.get_all(COOKIE) {
                for pair in line.as_bytes().split(|byte| *byte == b';') {
                    prop_assert!(!is_ours(name_and_value(pair).0));
                }
            }
            let once = map.clone();
            cut(&mut map);
            prop_assert_eq!(once, map);
        }
    }
}
