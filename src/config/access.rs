//! `access`: who may use a route.
//!
//! In: the value as written. Out: [`Access`]. Here the default is made safe: an empty list, an
//! empty text or a star is a problem, never "everybody" (oauth2-proxy#3365). Not here: deciding
//! (`policy`).

use http::Method;

use super::{
    Access, AccessRule,
    form::{mismatch, network},
    names,
    read::{Section, show_list},
    show::quote,
    tree::{Node, Value},
};

const KEY: &str = "access";
const HINT: &str =
    "write \"signed-in\", \"public\" or { users, groups, emails, networks, methods }";

/// Reads `access` of a route. `None`: a problem, already told.
pub(super) fn read(route: &mut Section<'_, '_>) -> Option<Access> {
    let node = route.require(KEY, HINT)?;
    let access = match &node.value {
        Value::String(text) => match &**text {
            "public" => Access::Public,
            "signed-in" => Access::SignedIn,
            other => {
                let message = format!("{} is not an access rule; {HINT}", quote(other));
                route.problem(node.origin, KEY, message);
                return None;
            }
        },
        Value::Table(_) => Access::AnyOf(vec![alternative(route, node)?]),
        Value::Array(nodes) if nodes.is_empty() => {
            let message = format!("is an empty list, which lets nobody in; {HINT}");
            route.problem(node.origin, KEY, message);
            return None;
        }
        Value::Array(nodes) => Access::AnyOf(
            nodes
                .iter()
                .filter_map(|node| alternative(route, node))
                .collect(),
        ),
        _ => {
            let message = mismatch("a text, a table or a list of tables", node);
            route.problem(node.origin, KEY, message);
            return None;
        }
    };
    route.record(KEY, node.origin, || show(&access));
    Some(access)
}

fn alternative<'t>(route: &mut Section<'_, 't>, node: &'t Node<'t>) -> Option<AccessRule> {
    let rule = route.unrecorded(KEY, node, |table| AccessRule {
        users: some(table, "users", names::user),
        groups: some(table, "groups", names::group),
        emails: some(table, "emails", names::email_pattern),
        networks: some(table, "networks", network),
        methods: some(table, "methods", method),
    })?;
    if matches!(&node.value, Value::Table(table) if table.is_empty()) {
        route.problem(
            node.origin,
            KEY,
            format!("is an empty rule, which names nobody; {HINT}"),
        );
    }
    let nobody_named = rule.users.is_empty() && rule.groups.is_empty() && rule.emails.is_empty();
    if nobody_named
        && rule
            .networks
            .iter()
            .any(|network| network.prefix_len() == 0)
    {
        let message = "lets everybody in without sign-in; write \"public\" if that is meant";
        route.warn(node.origin, KEY, message);
    }
    Some(rule)
}

/// A list that has to name somebody where it is written.
fn some<T: std::fmt::Display>(
    rule: &mut Section<'_, '_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    if rule.is_empty(key) {
        let origin = rule.origin_of(key);
        rule.problem(
            origin,
            key,
            "is empty, which lets nobody in; name somebody or take the key out",
        );
    }
    rule.list(key, parse)
}

/// A method, in capitals as on the wire (RFC 9110 §9.1).
fn method(text: &str) -> Result<Method, String> {
    let shape = || format!("{} is not a method like \"GET\"", quote(text));
    if text.is_empty()
        || !text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'-')
    {
        return Err(shape());
    }
    text.parse().map_err(|_| shape())
}

/// As TOML.
fn show(access: &Access) -> String {
    match access {
        Access::Public => quote("public"),
        Access::SignedIn => quote("signed-in"),
        Access::AnyOf(rules) => match rules.as_slice() {
            [rule] => show_rule(rule),
            rules => {
                let rules: Vec<String> = rules.iter().map(show_rule).collect();
                format!("[{}]", rules.join(", "))
            }
        },
    }
}

fn show_rule(rule: &AccessRule) -> String {
    let lists = [
        ("users", show_list(&rule.users)),
        ("groups", show_list(&rule.groups)),
        ("emails", show_list(&rule.emails)),
        ("networks", show_list(&rule.networks)),
        ("methods", show_list(&rule.methods)),
    ];
    let written: Vec<String> = lists
        .iter()
        .filter(|(_, list)| list != "[]")
        .map(|(key, list)| format!("{key} = {list}"))
        .collect();
    format!("{{ {} }}", written.join(", "))
}
