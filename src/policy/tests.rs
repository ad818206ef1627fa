use std::net::IpAddr;

use super::*;
use crate::client::PeerAddr;

fn from(address: &str) -> ClientAddr {
    PeerAddr::from(address.parse::<IpAddr>().unwrap()).into()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn any_of(rules: Vec<AccessRule>) -> Policy {
    Policy::compile(RouteId::new(3), &Access::AnyOf(rules))
}

/// One word per decision, for rows of a table.
fn verdict(policy: &Policy, who: Option<Who<'_>>, address: &str, method: &str) -> &'static str {
    match policy.decide(who, from(address), &method.parse().unwrap()) {
        Decision::Allowed(permit) => {
            assert_eq!((permit.route(), permit.who()), (RouteId::new(3), who));
            "allowed"
        }
        Decision::Denied => "denied",
        Decision::SignIn => "sign in",
    }
}

fn ana(groups: &[String]) -> Who<'_> {
    Who {
        name: "ana",
        groups,
        email: Some("Ana@Example.org"),
    }
}

#[test]
fn a_public_route_lets_everybody_pass_and_knows_who_is_signed_in() {
    let policy = Policy::compile(RouteId::new(3), &Access::Public);
    assert_eq!(verdict(&policy, None, "192.0.2.1", "POST"), "allowed");
    assert_eq!(
        verdict(&policy, Some(ana(&[])), "192.0.2.1", "GET"),
        "allowed"
    );
}

#[test]
fn a_signed_in_route_asks_strangers_to_sign_in() {
    let policy = Policy::compile(RouteId::new(3), &Access::SignedIn);
    assert_eq!(verdict(&policy, None, "192.0.2.1", "GET"), "sign in");
    assert_eq!(
        verdict(&policy, Some(ana(&[])), "192.0.2.1", "GET"),
        "allowed"
    );
}

#[test]
fn one_matching_name_group_or_address_suffices() {
    let rules = |users: &[&str], groups: &[&str], emails: &[&str]| {
        any_of(vec![AccessRule {
            users: texts(users),
            groups: texts(groups),
            emails: texts(emails),
            ..AccessRule::default()
        }])
    };
    let groups = texts(&["analysts"]);
    for (policy, expected) in [
        (rules(&["ana"], &["x"], &[]), "allowed"),
        (rules(&["bob"], &["analysts"], &[]), "allowed"),
        (rules(&[], &[], &["ana@example.org"]), "allowed"),
        (rules(&[], &[], &["*@example.org"]), "allowed"),
        (rules(&["Ana"], &[], &[]), "denied"),
        (
            rules(&["bob"], &["Analysts"], &["bob@example.org"]),
            "denied",
        ),
        (rules(&[], &[], &["*@ample.org"]), "denied"),
        (rules(&[], &[], &["*@sub.example.org"]), "denied"),
    ] {
        assert_eq!(
            verdict(&policy, Some(ana(&groups)), "192.0.2.1", "GET"),
            expected,
            "{policy:?}"
        );
        assert_eq!(verdict(&policy, None, "192.0.2.1", "GET"), "sign in");
    }
}

#[test]
fn a_user_without_a_verified_address_or_with_a_crooked_one_matches_no_domain() {
    let policy = any_of(vec![AccessRule {
        emails: texts(&["*@ours.org"]),
        ..AccessRule::default()
    }]);
    let with = |email| Who {
        name: "eve",
        groups: &[],
        email,
    };
    for email in [
        None,
        Some("a@evil.com@ours.org"),
        Some("@ours.org"),
        Some("ours.org"),
    ] {
        assert_eq!(
            verdict(&policy, Some(with(email)), "192.0.2.1", "GET"),
            "denied"
        );
    }
    let fine = Some(with(Some("a@OURS.org")));
    assert_eq!(verdict(&policy, fine, "192.0.2.1", "GET"), "allowed");
}

#[test]
fn networks_alone_ask_for_no_sign_in_and_narrow_when_people_are_named() {
    let lan = || vec!["192.168.0.0/16".parse().unwrap()];
    let open = any_of(vec![AccessRule {
        networks: lan(),
        ..AccessRule::default()
    }]);
    assert_eq!(verdict(&open, None, "192.168.1.2", "GET"), "allowed");
    assert_eq!(verdict(&open, None, "::ffff:192.168.1.2", "GET"), "allowed");
    assert_eq!(verdict(&open, None, "192.0.2.1", "GET"), "denied");
    let narrowed = any_of(vec![AccessRule {
        users: texts(&["ana"]),
        networks: lan(),
        ..AccessRule::default()
    }]);
    assert_eq!(verdict(&narrowed, None, "192.168.1.2", "GET"), "sign in");
    assert_eq!(verdict(&narrowed, None, "192.0.2.1", "GET"), "denied");
    assert_eq!(
        verdict(&narrowed, Some(ana(&[])), "192.168.1.2", "GET"),
        "allowed"
    );
    assert_eq!(
        verdict(&narrowed, Some(ana(&[])), "192.0.2.1", "GET"),
        "denied"
    );
}

#[test]
fn a_rule_for_get_covers_no_other_method() {
    let policy = any_of(vec![
        AccessRule {
            networks: vec!["0.0.0.0/0".parse().unwrap()],
            methods: vec![Method::GET],
            ..AccessRule::default()
        },
        AccessRule {
            users: texts(&["ana"]),
            ..AccessRule::default()
        },
    ]);
    assert_eq!(verdict(&policy, None, "192.0.2.1", "GET"), "allowed");
    for method in ["HEAD", "POST", "PROPFIND", "get"] {
        assert_eq!(
            verdict(&policy, None, "192.0.2.1", method),
            "sign in",
            "{method}"
        );
    }
    assert_eq!(
        verdict(&policy, Some(ana(&[])), "192.0.2.1", "POST"),
        "allowed"
    );
}

#[test]
fn a_rule_of_methods_alone_wants_somebody_signed_in() {
    let policy = any_of(vec![AccessRule {
        methods: vec![Method::GET],
        ..AccessRule::default()
    }]);
    assert_eq!(verdict(&policy, None, "192.0.2.1", "GET"), "sign in");
    assert_eq!(
        verdict(&policy, Some(ana(&[])), "192.0.2.1", "GET"),
        "allowed"
    );
    assert_eq!(
        verdict(&policy, Some(ana(&[])), "192.0.2.1", "POST"),
        "denied"
    );
}

#[test]
fn nothing_said_allows_nobody() {
    for policy in [any_of(vec![]), any_of(vec![AccessRule::default()])] {
        assert_eq!(verdict(&policy, None, "127.0.0.1", "GET"), "denied");
        assert_eq!(
            verdict(&policy, Some(ana(&[])), "127.0.0.1", "GET"),
            "denied"
        );
    }
}
