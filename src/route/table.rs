//! Hosts and prefixes, compiled for look-up.

use std::collections::HashMap;

use super::{BadPath, RouteId, RoutePath, own};
use crate::{
    config::{self, HostPattern},
    http::{site::Host, sites::Sites},
};

/// All routes of a configuration. Immutable; a reload makes a new one.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    exact: HashMap<Box<str>, Prefixes>,
    /// `*.example.org` by `example.org`.
    suffixes: HashMap<Box<str>, Prefixes>,
}

/// What a request leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found {
    /// The path is this route's own, but for the slash at its end: redirect (308) to
    /// [`RoutePath::with_slash`].
    AddSlash(RouteId),
    /// The route to take.
    Route(RouteId),
}

/// Where host and path lead, before anybody is asked who they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Leads {
    /// To an answer for probes, whatever the host.
    Health,
    /// To the home page: a host of ours that has no route at its root was asked for that.
    Home,
    /// To our own pages.
    Ours,
    /// To a route.
    Route(Found),
}

/// Why there is no route.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotFound {
    /// 400: the path is not to be routed.
    #[error(transparent)]
    BadPath(#[from] BadPath),
    /// The host is ours, the path is no route's: 404.
    #[error("no route has this path")]
    NoRoute,
    /// 421: nobody told us to answer on this host.
    #[error("not a host of ours")]
    UnknownHost,
}

/// The prefixes of one host.
#[derive(Clone, Debug, Default)]
struct Prefixes {
    /// By path without a slash at its end; the root is the empty text.
    by_path: HashMap<Box<[u8]>, Entry>,
    /// The most segments any of them has, which bounds the look-ups of one request.
    depth: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    route: RouteId,
    /// Whether the bare prefix is redirected.
    slash: bool,
}

impl RouteTable {
    /// Compiles the routes. Main hosts are known even when no route is on them; a route without a host
    /// is on each of them.
    ///
    /// Two routes with the same host and path do not pass validation; here the first one stays. A
    /// path that browsers would send percent-encoded never matches (its requests are refused).
    pub fn new(routes: &[config::Route], sites: &Sites) -> Self {
        let mut table = Self::default();
        for site in sites.iter() {
            table.on(&site.host);
        }
        for (index, route) in routes.iter().enumerate() {
            let id = RouteId::new(index);
            match &route.host {
                Some(HostPattern::Exact(host)) => table.on(host).insert(id, route),
                Some(HostPattern::Suffix(parent)) => {
                    let below = table.suffixes.entry(parent.as_str().into());
                    below.or_default().insert(id, route);
                }
                None => {
                    for site in sites.iter() {
                        table.on(&site.host).insert(id, route);
                    }
                }
            }
        }
        table
    }

    fn on(&mut self, host: &Host) -> &mut Prefixes {
        self.exact.entry(host.as_str().into()).or_default()
    }

    /// Whether we answer on this host.
    pub fn knows(&self, host: &Host) -> bool {
        self.prefixes(host).is_some()
    }

    /// Where a request leads. `host` is `None` for one that is no host at all.
    pub fn lead(&self, host: Option<&Host>, path: &RoutePath<'_>) -> Result<Leads, NotFound> {
        let reserved = path.is_reserved()?;
        if reserved && matches!(path.raw(), own::LIVE | own::READY) {
            return Ok(Leads::Health);
        }
        let host = host.ok_or(NotFound::UnknownHost)?;
        if reserved {
            return if self.knows(host) {
                Ok(Leads::Ours)
            } else {
                Err(NotFound::UnknownHost)
            };
        }
        match self.find(host, path) {
            Err(NotFound::NoRoute) if path.raw() == "/" => Ok(Leads::Home),
            found => found.map(Leads::Route),
        }
    }

    /// The route of a request. No allocation.
    pub fn find(&self, host: &Host, path: &RoutePath<'_>) -> Result<Found, NotFound> {
        let prefixes = self.prefixes(host).ok_or(NotFound::UnknownHost)?;
        let found = prefixes.find(path.raw().as_bytes());
        if !path.is_plain() && prefixes.find(path.view()) != found {
            return Err(BadPath::Ambiguous.into());
        }
        found.ok_or(NotFound::NoRoute)
    }

    /// Exact host first, then the longest suffix. Patterns of a shorter suffix are not asked when a
    /// longer one is there: a host has one owner.
    fn prefixes(&self, host: &Host) -> Option<&Prefixes> {
        if let Some(found) = self.exact.get(host.as_str()) {
            return Some(found);
        }
        if self.suffixes.is_empty() {
            return None;
        }
        let mut rest = host.as_str();
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(found) = self.suffixes.get(parent) {
                return Some(found);
            }
            rest = parent;
        }
        None
    }
}

impl Prefixes {
    fn insert(&mut self, route: RouteId, config: &config::Route) {
        let path = prefix(config).as_bytes();
        let slash = !path.is_empty() && (config.strip_prefix || config.path.ends_with('/'));
        self.depth = self.depth.max(prefix(config).matches('/').count());
        self.by_path
            .entry(path.into())
            .or_insert(Entry { route, slash });
    }

    /// The longest prefix on segment borders.
    fn find(&self, path: &[u8]) -> Option<Found> {
        let mut found = self.by_path.get(&b""[..]).copied();
        let mut bare = false;
        let borders = path
            .iter()
            .enumerate()
            .skip(1)
            .filter_map(|(at, byte)| (*byte == b'/').then_some(at))
            .chain(Some(path.len()));
        for border in borders.take(self.depth) {
            let candidate = path.get(..border).unwrap_or_default();
            if let Some(entry) = self.by_path.get(candidate) {
                found = Some(*entry);
                bare = border == path.len();
            }
        }
        found.map(|entry| {
            if entry.slash && bare {
                Found::AddSlash(entry.route)
            } else {
                Found::Route(entry.route)
            }
        })
    }
}

/// A route's path without the slash at its end: empty for the root.
///
/// What follows it in the path of a request that found the route is empty or starts with a slash;
/// never empty where the prefix is stripped.
pub fn prefix(route: &config::Route) -> &str {
    route.path.trim_end_matches('/')
}

#[cfg(test)]
mod tests;
