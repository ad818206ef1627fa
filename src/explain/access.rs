//! A route's access rule in words, and which of its alternatives lets the request pass.

use http::Method;

use super::told::Told;
use crate::{
    config::{Access, AccessRule},
    policy::{Decision, Policy},
    route::RouteId,
    verdict::Case,
};

/// Tells of each alternative whether it applies, as policy decides on it alone.
pub(super) fn tell(told: &mut Told, id: RouteId, case: &Case<'_>, method: &Method) {
    match &case.route.config.access {
        Access::Public => told.say("access", "public: everybody, signed in or not"),
        Access::SignedIn => told.say("access", "whoever is signed in"),
        Access::AnyOf(rules) => {
            for rule in rules {
                let alone = Policy::compile(id, &Access::AnyOf(vec![rule.clone()]));
                let applies = match alone.decide(case.who, case.client, method) {
                    Decision::Allowed(_) => "applies",
                    Decision::Denied => "does not apply",
                    Decision::SignIn => "might apply to whoever signs in",
                };
                told.say("access", format!("{}: {applies}", words(rule)));
            }
        }
    }
}

fn words(rule: &AccessRule) -> String {
    let lists = [
        ("users", rule.users.join(", ")),
        ("groups", rule.groups.join(", ")),
        ("e-mail", rule.emails.join(", ")),
        ("from", list(&rule.networks)),
        ("methods", list(&rule.methods)),
    ];
    let said = lists.iter().filter(|(_, list)| !list.is_empty());
    let said: Vec<String> = said.map(|(what, list)| format!("{what} {list}")).collect();
    said.join("; ")
}

fn list<T: ToString>(items: &[T]) -> String {
    let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
