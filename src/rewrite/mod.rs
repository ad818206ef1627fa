//! What a tool gets of a request, and what a browser gets of an answer.
//!
//! In: a [`Permit`](crate::policy::Permit) and the request it is for. Out: an [`UpstreamRequest`],
//! which carries nothing that looks like ours but is not, and none of our secrets; and on the way
//! back an answer that cannot reach beyond its route ([`response`]).
//! Not here: what one kind of tool needs (`app`), sending (`upstream`).
//! RFC 9110 §7.6 (forwarding), §7.8 (upgrade), §6.5 (trailers).

mod cookie;
mod hop;
mod identity;
mod location;
mod names;
mod request;
mod response;
pub mod trailers;

pub use self::{
    names::is_reserved,
    request::{Arrived, BadRequest, UpstreamRequest},
    response::{Answered, response},
};

use http::HeaderValue;

use crate::{
    app::{Adapter, BadToken},
    config::{self, IdentityHeaders, Upstream},
    http::site::PublicUrl,
    policy::Policy,
    route::{self, RouteId},
};

/// How the requests and answers of one route are rewritten. Compiled once.
#[derive(Clone, Debug)]
pub struct Rules {
    route: RouteId,
    /// The route's path without a slash at its end.
    prefix: Box<str>,
    strip: bool,
    /// `X-Forwarded-Prefix`, where the prefix is taken off.
    forwarded_prefix: Option<HeaderValue>,
    identity: IdentityHeaders,
    /// The targets' own names and ports; unix sockets have none.
    upstreams: Box<[(Box<str>, u16)]>,
    site: PublicUrl,
    public: bool,
    adapter: Adapter,
}

impl Rules {
    /// Compiles a route's rules.
    pub fn compile(id: RouteId, route: &config::Route, site: &PublicUrl) -> Result<Self, BadToken> {
        let prefix = route::prefix(route);
        let strip = route.strip_prefix && !prefix.is_empty();
        let forwarded_prefix = strip.then(|| HeaderValue::from_str(prefix));
        Ok(Self {
            route: id,
            prefix: prefix.into(),
            strip,
            forwarded_prefix: forwarded_prefix.and_then(Result::ok),
            identity: route.identity_headers,
            upstreams: route.upstreams.iter().filter_map(authority).collect(),
            site: site.clone(),
            public: Policy::compile(id, &route.access).is_public(),
            adapter: Adapter::new(route)?,
        })
    }

    /// The route's kind of tool.
    pub const fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// What is taken off public paths, and put before the tool's.
    fn stripped(&self) -> Option<&str> {
        self.strip.then_some(&*self.prefix)
    }
}

fn authority(upstream: &Upstream) -> Option<(Box<str>, u16)> {
    match upstream {
        Upstream::Http { host, port } | Upstream::Https { host, port } => {
            Some((host.as_str().into(), *port))
        }
        Upstream::Unix(_) => None,
    }
}

#[cfg(test)]
mod tests;
