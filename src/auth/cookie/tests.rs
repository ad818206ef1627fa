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
    assert_eq!(https, ["one", "\"two\"", "three", "", "\""]);
    assert_eq!(ours(&map, false).collect::<Vec<_>>(), ["plain"]);
    assert_eq!(named(&map, FORM_SECURE).collect::<Vec<_>>(), ["f"]);
    assert_eq!(ours(&HeaderMap::new(), true).count(), 0);
}

/// A cookie pair, ours or foreign, as browsers and worse clients write it.
fn pair() -> impl Strategy<Value = (bool, Vec<u8>)> {
    let ours = "(__Host-)?labgate(-form|-enter)?|CF_Authorization".prop_map(|name| (true, name));
    let other =
        "[a-zA-Z_-]{1,8}|labgate[a-z]|x-labgate".prop_map(|name| (is_ours(name.as_bytes()), name));
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
