//! What a tool gets of a request, and what a browser gets of an answer.
//!
//! In: a [`Permit`](crate::policy::Permit) and the request it is for. Out: an [`UpstreamRequest`],
//! which carries nothing that looks like ours but is not, and none of our secrets; and on the way
//! back an answer that cannot reach beyond its route ([`response`]).
//! Not here: what one kind of tool needs (`app`), sending (`upstream`).
//! RFC 9110 §7.6 (forwarding), §7.8 (upgrade), §6.5 (trailers).

mod cookie;
mod fields;
mod hop;
mod identity;
mod location;
mod own_host;
mod request;
mod response;
pub mod trailers;

pub use self::{
    request::{Arrived, BadRequest, UpstreamRequest},
    response::{Answered, response},
};

use http::{HeaderMap, HeaderValue};

use self::{fields::Fields, own_host::OwnHost, response::Seclusion};
use crate::{
    app::{Adapter, BadToken},
    auth::cors::Cors,
    config::{self, Access, IdentityHeaders, Upstream, UpstreamHost},
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
    public: bool,
    lends: bool,
    fields: Fields,
    /// The tool's own name, where it is to be called by it.
    own_host: Option<OwnHost>,
    cors: Option<Cors>,
    /// What other sites may do with an answer, where the tool does not say.
    seclusion: Seclusion,
    adapter: Adapter,
}

impl Rules {
    /// Compiles a route's rules.
    pub fn compile(id: RouteId, route: &config::Route) -> Result<Self, BadToken> {
        let prefix = route::prefix(route);
        let strip = route.strip_prefix && !prefix.is_empty();
        let forwarded_prefix = strip.then(|| HeaderValue::from_str(prefix));
        let own_host = match route.headers.upstream_host {
            UpstreamHost::Client => None,
            UpstreamHost::Upstream => route.upstreams.first().and_then(OwnHost::new),
        };
        Ok(Self {
            route: id,
            prefix: prefix.into(),
            strip,
            forwarded_prefix: forwarded_prefix.and_then(Result::ok),
            identity: route.identity_headers,
            upstreams: route
                .upstreams
                .iter()
                .filter_map(|upstream| match upstream {
                    Upstream::Unix(_) if own_host.is_some() => {
                        Some((own_host::ON_SOCKET.into(), 80))
                    }
                    upstream => authority(upstream),
                })
                .collect(),
            lends: route.token.is_some() || !route.headers.set.is_empty(),
            public: matches!(route.access, Access::Public),
            fields: Fields::compile(&route.headers)?,
            own_host,
            cors: Cors::new(&route.headers.cors),
            seclusion: Seclusion::new(&route.headers.embed),
            adapter: Adapter::new(route)?,
        })
    }

    /// The route's kind of tool.
    pub const fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// Whether we add something to requests that other sites could borrow: the tool's credential, or
    /// fields that may hold one.
    pub fn lends(&self) -> bool {
        self.lends
    }

    /// The origins that `cors` lists; `None`: nobody.
    pub const fn cors(&self) -> Option<&Cors> {
        self.cors.as_ref()
    }

    /// The origin whose page may read the answer to this request though it is another site's: one of
    /// `cors`, and nothing of ours made the request pass.
    pub fn reader(&self, headers: &HeaderMap, authenticated: bool) -> Option<&HeaderValue> {
        let cors = self
            .cors
            .as_ref()
            .filter(|_| self.public && !authenticated)?;
        cors.listed(headers)
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
