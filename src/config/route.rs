//! `[[route]]`: host and path to upstream and access rule.

use std::collections::HashMap;

use super::{
    App, HostPattern, IdentityHeaders, Limits, Listener, Route, access,
    form::{Form as _, Size},
    headers, names, nearest,
    origin::Origin,
    own::Own,
    read::Section,
    show::quote,
    upstream,
};
use crate::http::sites::Sites;

/// Our own pages live below this path, on every host.
const RESERVED: &str = "/.labgate";

/// What stands once among all routes.
#[derive(Default)]
struct Known {
    names: HashMap<String, Origin>,
    places: HashMap<(HostPattern, String), Origin>,
}

/// Reads all routes. `main` are the addresses that routes without `host` answer on.
pub(super) fn read(
    root: &mut Section<'_, '_>,
    main: &Sites,
    limits: &Limits,
    listeners: &[Option<Listener>],
    own: &Own,
) -> Vec<Route> {
    let mut known = Known::default();
    let routes = root.tables("route", "route", |table| {
        let route = one(table, main, limits, own, &mut known);
        let require_listener = require_listener(table, listeners);
        route.map(|route| Route {
            require_listener,
            ..route
        })
    });
    routes.into_iter().flatten().collect()
}

/// Reads the name of a listener that there is. A broken one among them could be the one meant.
fn require_listener(table: &mut Section<'_, '_>, listeners: &[Option<Listener>]) -> Option<String> {
    let name = table.text("require_listener", names::thing)?;
    let names: Option<Vec<&str>> = listeners
        .iter()
        .map(|listener| Some(listener.as_ref()?.name.as_str()))
        .collect();
    if let Some(names) = names.filter(|names| !names.contains(&name.as_str())) {
        let origin = table.origin_of("require_listener");
        let message = format!(
            "no listener is named {}; {}",
            quote(&name),
            nearest::hint(&name, &names)
        );
        table.problem(origin, "require_listener", message);
    }
    Some(name)
}

fn one(
    table: &mut Section<'_, '_>,
    main: &Sites,
    limits: &Limits,
    own: &Own,
    known: &mut Known,
) -> Option<Route> {
    table.require("name", "logs and metrics need one");
    let name = table.text("name", names::thing);
    if let Some(name) = &name {
        table.unique("name", name.clone(), &mut known.names, |name| quote(name));
    }
    let title = table.value("title", name.clone().unwrap_or_default());
    let told = table.reader.problems.len();
    let host = table.optional("host");
    let path = table.text_or("path", "/", prefix);
    // What stands in for a wrong value would clash with what is right.
    if table.reader.problems.len() == told {
        take_places(table, host.as_ref(), &path, main, known);
    }
    let upstreams = upstream::read(table, own);
    let app = table.value("app", App::default());
    let token = table.secret("token");
    if table.has("token") && app == App::Generic {
        let origin = table.origin_of("token");
        table.problem(
            origin,
            "token",
            "is only for apps that know it, like app = \"jupyter\"",
        );
    }
    let access = access::read(table);
    let strip_prefix = table.value("strip_prefix", strips_prefix(app));
    let max_body = table.limit("max_body", None).map(|Size(bytes)| bytes);
    let identity_headers = table.value("identity_headers", IdentityHeaders::default());
    let headers = headers::read(table);
    let connect_timeout = table.value("connect_timeout", limits.connect_timeout);
    let response_timeout = table.limit("response_timeout", limits.response_timeout);
    let stall_timeout = table.limit("stall_timeout", limits.stall_timeout);
    let upstreams = upstreams?;
    Some(Route {
        name: name?,
        title,
        host,
        path,
        require_listener: None,
        upstreams: upstreams.list,
        upstream_ca: upstreams.ca,
        app,
        token,
        access: access?,
        strip_prefix,
        max_body,
        identity_headers,
        headers,
        connect_timeout,
        response_timeout,
        stall_timeout,
    })
}

/// Takes a path on each host of a route; tells a problem where the first of them is taken.
fn take_places(
    table: &mut Section<'_, '_>,
    host: Option<&HostPattern>,
    path: &str,
    main: &Sites,
    known: &mut Known,
) {
    let hosts = match host {
        Some(host) => vec![host.clone()],
        None => main
            .iter()
            .map(|site| HostPattern::Exact(site.host.clone()))
            .collect(),
    };
    let told = table.reader.problems.len();
    for host in hosts {
        let place = (host, bare(path).to_owned());
        table.unique("path", place, &mut known.places, |(host, path)| {
            format!("{} on {}", quote(path), host.show())
        });
        if table.reader.problems.len() > told {
            return;
        }
    }
}

/// Whether an app is served below its own root; the others know their base path.
const fn strips_prefix(app: App) -> bool {
    match app {
        App::Generic | App::Jupyter => false,
    }
}

/// A path prefix as written; with a slash at its end, requests without it are redirected. What could
/// be read in two ways (percent signs, dot segments, empty segments, backslashes) is refused, so
/// that the text here is what requests are compared with (RFC 3986 §3.3 and §6.2.2).
fn prefix(text: &str) -> Result<String, String> {
    let path = text.strip_suffix('/').unwrap_or(text);
    if !text.starts_with('/') {
        return Err("must start with /".into());
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte);
    if let Some(bad) = text.chars().find(|&c| !u8::try_from(c).is_ok_and(plain)) {
        return Err(format!("must not contain {}", quote(&bad.to_string())));
    }
    let segments = || path.split('/').skip(1);
    // `..;x` is a dot segment to servers that know path parameters.
    let dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    if segments().any(dots) {
        return Err("must not contain the segments . and ..".into());
    }
    if segments().any(str::is_empty) {
        return Err("must not contain //".into());
    }
    if path
        .strip_prefix(RESERVED)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    {
        return Err(format!("{RESERVED} is where our own pages live"));
    }
    Ok(text.to_owned())
}

/// A path prefix without the slash at its end, unless it is the root: what two routes may not share.
fn bare(path: &str) -> &str {
    match path {
        "/" => path,
        _ => path.strip_suffix('/').unwrap_or(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_in_one_way_only() {
        assert_eq!(prefix("/").as_deref(), Ok("/"));
        assert_eq!(prefix("/rstudio").as_deref(), Ok("/rstudio"));
        assert_eq!(prefix("/rstudio/").as_deref(), Ok("/rstudio/"));
        assert_eq!(prefix("/a.b/..c/~d;e").as_deref(), Ok("/a.b/..c/~d;e"));
        assert_eq!(prefix("/.labgates").as_deref(), Ok("/.labgates"));
        for bad in [
            "",
            "a",
            "//",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/a/../b",
            "/a/..;x/b",
            "/a%2fb",
            "/a?b",
            "/a#b",
            "/a\\b",
            "/a b",
            "/ä",
            "/a\n",
            "/.labgate",
            "/.labgate/",
            "/.labgate/x",
        ] {
            assert!(prefix(bad).is_err(), "{bad}");
        }
    }
}
