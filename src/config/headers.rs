//! What a route does to header fields: `request_headers`, `allow_headers`, `upstream_host`, `embed`
//! and `cors`.
//!
//! Here it is made sure that neither a route nor its clients can say what only we may say, in
//! whatever spelling (SECURITY T01, T03). Not here: doing it (`rewrite`, `auth::origin`, `auth::cors`).

use std::collections::HashMap;

use http::{
    HeaderName,
    header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, ORIGIN, TRAILER},
};

use super::{
    form::mismatch,
    origin::Origin,
    read::Section,
    show::quote,
    tree::{Table, Value},
};
use crate::{
    http::{
        names::{HOP_BY_HOP, folded, is_reserved, is_set_by_us},
        site::PublicUrl,
    },
    secret::Secret,
};

/// What a route does to header fields. The default does nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HeaderRules {
    /// `request_headers`: what the tool gets besides, instead of the client's. Values are one line
    /// of visible ASCII; no two names are the same to CGI.
    pub set: Vec<(HeaderName, Secret<String>)>,
    /// `allow_headers`: names with odd characters that a client may send.
    pub allowed: Vec<HeaderName>,
    /// Which `Host` the tool sees.
    pub upstream_host: UpstreamHost,
    /// Origins, as browsers write them, that may frame or load the tool.
    pub embed: Vec<String>,
    /// Origins, as browsers write them, whose pages may call the tool without our cookie.
    pub cors: Vec<String>,
}

/// Which `Host` a tool sees.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum UpstreamHost {
    /// As the client sent it.
    #[default]
    Client,
    /// The upstream's own.
    Upstream,
}

const SET: &str = "request_headers";
const ALLOWED: &str = "allow_headers";

/// Reads the keys of a route.
pub(super) fn read(route: &mut Section<'_, '_>) -> HeaderRules {
    let set = set(route);
    let names: Vec<String> = set.iter().map(|(name, _)| folded(name.as_str())).collect();
    HeaderRules {
        set,
        allowed: route.list(ALLOWED, |text| allowed(text, &names)),
        upstream_host: route.value("upstream_host", UpstreamHost::default()),
        embed: route.list("embed", web_origin),
        cors: route.list("cors", web_origin),
    }
}

/// `{ Name = value }`, by name.
fn set(route: &mut Section<'_, '_>) -> Vec<(HeaderName, Secret<String>)> {
    let node = route.find(SET);
    let table = match node.map(|node| &node.value) {
        Some(Value::Table(table)) => Some(table),
        _ => None,
    };
    if let (Some(node), None) = (node, table) {
        route.problem(node.origin, SET, mismatch("a table", node));
    }
    let mut set = Vec::new();
    let mut known: HashMap<String, Origin> = HashMap::new();
    for (key, entry) in table.into_iter().flat_map(Table::iter) {
        let label = format!("{SET}.{key}");
        let name = match settable(key, route.has("token")) {
            Ok(name) => name,
            Err(message) => {
                route.problem(entry.key, &label, message);
                continue;
            }
        };
        if let Some(first) = known.insert(folded(name.as_str()), entry.key) {
            let place = route.reader.texts.place(first).origin();
            let message = format!("is to many tools the same as that at {place}");
            route.problem(entry.key, &label, message);
        }
        if let Some(value) = route.field_value(&label, &entry.node) {
            set.push((name, value));
        }
    }
    let origin = node.map_or(Origin::Default, |node| node.origin);
    route.record(SET, origin, || show(&set));
    set
}

/// As an inline table, without the values.
fn show(set: &[(HeaderName, Secret<String>)]) -> String {
    let fields: Vec<String> = set
        .iter()
        .map(|(name, _)| format!("{} = {}", quote(name.as_str()), quote(super::secrets::MASK)))
        .collect();
    match fields.as_slice() {
        [] => "{}".into(),
        fields => format!("{{ {} }}", fields.join(", ")),
    }
}

/// A name that a route may set.
fn settable(text: &str, token: bool) -> Result<HeaderName, String> {
    let name = parse(text)?;
    if name == AUTHORIZATION && token {
        return Err("is what token sets".into());
    }
    match taken(&folded(name.as_str())) {
        Some(why) => Err(why.into()),
        None => Ok(name),
    }
}

/// A name that clients may send though it has odd characters, unless some tools take it for one that
/// they may not. `set` is what the route sets, folded.
fn allowed(text: &str, set: &[String]) -> Result<HeaderName, String> {
    let name = parse(text).map_err(|why| format!("{} {why}", quote(text)))?;
    let plain = folded(name.as_str());
    let wrong = |why: &str| {
        Err(format!(
            "{} cannot be allowed: to many tools it is {plain}, which {why}",
            quote(text)
        ))
    };
    if let Some(why) = taken(&plain) {
        return wrong(why);
    }
    if is_reserved(&plain) {
        return wrong("says who or where somebody is");
    }
    if set.contains(&plain) {
        return wrong("this route sets itself");
    }
    if plain == name.as_str() {
        return Err(format!(
            "{} reaches the tool anyway; only names with other characters than letters, digits and - do not",
            quote(text)
        ));
    }
    Ok(name)
}

fn parse(text: &str) -> Result<HeaderName, String> {
    text.parse()
        .map_err(|_| "is not the name of a header".into())
}

/// Why neither routes nor clients may choose a field of this folded name.
fn taken(name: &str) -> Option<&'static str> {
    let is = |known: &HeaderName| known == name;
    if HOP_BY_HOP.iter().any(is) {
        Some("belongs to one connection and goes no further")
    } else if [CONTENT_LENGTH, EXPECT, TRAILER].iter().any(is) {
        Some("is part of how a message is framed")
    } else if is(&HOST) {
        Some("is for upstream_host to choose")
    } else if is(&COOKIE) {
        Some("holds the visitor's own cookies")
    } else if is(&ORIGIN) || name.starts_with("sec-") {
        Some("is what browsers say about a request")
    } else if is_set_by_us(name) {
        Some("is set by labgate itself")
    } else {
        None
    }
}

/// `https://portal.example.org`, as browsers write it (RFC 6454 §6.2).
fn web_origin(text: &str) -> Result<String, String> {
    match text.parse::<PublicUrl>() {
        Ok(url) => Ok(url.origin()),
        Err(_) => Err(format!(
            "{} is not an origin like \"https://portal.example.org\"",
            quote(text)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_sets_what_is_nobody_elses_to_say() {
        for good in ["X-Script-Name", "Remote-User", "API_KEY", "Authorization"] {
            assert!(settable(good, false).is_ok(), "{good}");
        }
        assert!(settable("Authorization", true).is_err());
        for bad in [
            "Connection",
            "Transfer-Encoding",
            "transfer_encoding",
            "TE",
            "Content-Length",
            "Host",
            "Cookie",
            "Origin",
            "Sec-WebSocket-Key",
            "X-Forwarded-User",
            "X.Forwarded_User",
            "X-Request-Id",
            "X-Labgate-User",
            "a b",
            "",
            "ä",
        ] {
            assert!(settable(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_is_allowed_odd_names_but_no_spelling_of_ours() {
        let set = ["x-api-key".to_owned()];
        for good in ["X_Hub_Signature", "tool.version", "x_rstudio_session"] {
            assert!(allowed(good, &set).is_ok(), "{good}");
        }
        for bad in [
            "X-Tool",
            "X_Forwarded_User",
            "x.forwarded-proto",
            "REMOTE_USER",
            "X_Auth_Request_User",
            "cf!ray",
            "X_Request_Id",
            "content_length",
            "sec_fetch_site",
            "X_API_KEY",
            "a b",
        ] {
            assert!(allowed(bad, &set).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_kept_as_browsers_write_it() {
        assert_eq!(
            web_origin("https://Portal.example.org:443/").as_deref(),
            Ok("https://portal.example.org")
        );
        assert_eq!(web_origin("http://[::1]:80").as_deref(), Ok("http://[::1]"));
        for bad in [
            "*",
            "null",
            "",
            "portal.example.org",
            "https://a/b",
            "https://*.a",
        ] {
            assert!(web_origin(bad).is_err(), "{bad}");
        }
    }
}
