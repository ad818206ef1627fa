//! What becomes of a request that found its route: the order of all checks that need no waiting.
//!
//! In: a [`Case`], all that is known of request and visitor. Out: a [`Verdict`]; its yes carries the
//! permit. The gateway does what it says, `labgate explain` tells it in words: neither can decide
//! otherwise than the other. Not here: the checks themselves (`policy`, `auth`), and limits that
//! depend on what else is going on (streams of one user, sizes of bodies).

use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, uri::PathAndQuery};

use crate::{
    auth::{
        challenge::Target,
        cors::Cors,
        navigation::{self, Navigation},
        origin::{self, CrossSite, CrossSiteRefusal},
    },
    client::ClientAddr,
    http::{
        redirect::{Redirect, header_value},
        site::{Host, PublicUrl},
        sites::Sites,
    },
    policy::{Decision, Permit, Who},
    reject::{Reject, SignIn},
    route::{Found, Leads, NotFound, RoutePath},
    runtime::{Route, Runtime},
};

/// The listener that a request came in on, as far as it decides.
#[derive(Clone, Copy, Debug)]
pub struct Entrance<'a> {
    /// Its name.
    pub listener: &'a str,
    /// Whether it only sends on to https.
    pub redirect_https: bool,
    /// Whether the client came by https, as a trusted proxy says that ends TLS.
    pub came_by_https: bool,
}

impl Entrance<'_> {
    /// The same place at its https address, which has the port of its site; where that is all that the
    /// listener does. `leads` is where the request leads without it.
    pub fn redirect(
        &self,
        runtime: &Runtime,
        host: &Host,
        target: &Uri,
        leads: Option<Leads>,
    ) -> Option<Redirect> {
        let site = runtime.sites.of(host);
        // To a site on plain http that would be a circle, and so for who came by https already.
        let redirects = self.redirect_https && site.https && !self.came_by_https;
        if !redirects || answers_challenges(runtime, leads) {
            return None;
        }
        let path = target.path_and_query().map_or("/", |path| path.as_str());
        Some(Redirect {
            status: StatusCode::PERMANENT_REDIRECT,
            location: header_value(&format!("{}{path}", site.origin_of(host))),
            cookie: None,
        })
    }

    /// Where a request leads that came in here: a route of another listener is not there.
    pub fn leads(
        &self,
        runtime: &Runtime,
        leads: Leads,
        path: &RoutePath<'_>,
    ) -> Result<Leads, NotFound> {
        let Leads::Route(Found::Route(id) | Found::AddSlash(id)) = leads else {
            return Ok(leads);
        };
        let route = runtime.route(id);
        if route.is_some_and(|route| route.is_behind(self.listener)) {
            return Ok(leads);
        }
        match path.raw() {
            "/" => Ok(Leads::Home),
            _ => Err(NotFound::NoRoute),
        }
    }
}

/// Whether that is a route for nothing but what an authority asks for by plain http before there is a
/// certificate (RFC 8555 §8.3).
fn answers_challenges(runtime: &Runtime, leads: Option<Leads>) -> bool {
    let Some(Leads::Route(Found::Route(id))) = leads else {
        return false;
    };
    let route = runtime.route(id);
    route.is_some_and(|route| route.config.path.starts_with(CHALLENGES))
}

/// What is known of a request when its route is.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Who sent it.
    pub client: ClientAddr,
    /// The host that was asked.
    pub host: &'a Host,
    /// The path that was asked for.
    pub path: &'a RoutePath<'a>,
    /// The site of that host.
    pub site: &'a PublicUrl,
    /// What it matched.
    pub route: &'a Route,
    /// Whether the path is the route's own but for the slash at its end.
    pub lacks_slash: bool,
    /// Whether it is a WebSocket handshake.
    pub websocket: bool,
    /// Who is signed in.
    pub who: Option<Who<'a>>,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict<'a> {
    /// 308: the path gets its slash.
    AddSlash,
    /// It goes to the tool.
    Allowed(Permit<'a>),
    /// 403: nobody may have this of the tool.
    Blocked,
    /// 403: another site made the browser send it.
    CrossSite(CrossSiteRefusal),
    /// 403: policy says no.
    Denied,
    /// A question of the browser about a listed origin, and our answer.
    Preflight(Response<()>),
    /// Whoever is signed in might pass, see [`sign_in`].
    SignIn,
}

impl<'a> Case<'a> {
    /// Judges a request. No allocation, but for a preflight and an origin of ours.
    pub fn judge(&self, method: &Method, headers: &HeaderMap) -> Verdict<'a> {
        let Self { route, who, .. } = *self;
        let preflight = |cors: &Cors| cors.preflight(method, headers);
        if let Some(answer) = route.rules.cors().and_then(preflight) {
            return Verdict::Preflight(answer);
        }
        let permit = match route.policy.decide(who, self.client, method) {
            Decision::Allowed(permit) => permit,
            Decision::Denied => return Verdict::Denied,
            Decision::SignIn => return Verdict::SignIn,
        };
        if let Err(refusal) = self.check_origin(method, headers) {
            return Verdict::CrossSite(refusal);
        }
        if self.lacks_slash {
            return Verdict::AddSlash;
        }
        if route.rules.adapter().blocks(method, self.path) {
            return Verdict::Blocked;
        }
        Verdict::Allowed(permit)
    }

    fn check_origin(&self, method: &Method, headers: &HeaderMap) -> Result<(), CrossSiteRefusal> {
        let route = self.route;
        // What lets a request pass is our cookie, an address, or what we add: other sites could
        // borrow each of them.
        let lent = self.who.is_some() || !route.policy.is_public() || route.rules.lends();
        let rules = CrossSite {
            origin: &self.site.origin_of(self.host),
            tool_host: *self.host != self.site.host,
            websocket: self.websocket,
            cookie_is_credential: lent,
            embed: &route.config.headers.embed,
        };
        origin::check(method, headers, rules)
    }
}

/// How a visitor without a session is told to sign in (DESIGN §4.3). `asked` is path and query, byte
/// for byte.
pub fn sign_in(
    target: Target<'_>,
    method: &Method,
    headers: &HeaderMap,
    asked: Option<&PathAndQuery>,
) -> Reject {
    let page = match navigation::kind(method, headers) {
        Navigation::Document => {
            let asked = asked.map_or("/", |asked| asked.as_str());
            return Reject::Redirect(target.redirect(asked, headers));
        }
        Navigation::Framed | Navigation::Post => true,
        Navigation::No => false,
    };
    Reject::SignIn(SignIn {
        url: target.sign_in_url(),
        page,
    })
}

/// What becomes of a request to a host that is not ours: 421 without a word about ours. But whoever
/// typed a loopback address where this machine's own name is a main host goes on there, byte for byte:
/// a cookie of the one would be none of the other (SECURITY T53).
pub fn unknown_host<B>(sites: &Sites, host: Option<&Host>, request: &Request<B>) -> Reject {
    let Some(site) = host.and_then(|host| sites.meant_by(host)) else {
        return Reject::UnknownHost;
    };
    if navigation::kind(request.method(), request.headers()) != Navigation::Document {
        return Reject::UnknownHost;
    }
    let asked = request.uri().path_and_query();
    let asked = asked.map_or("/", PathAndQuery::as_str);
    Reject::Redirect(Redirect {
        status: StatusCode::TEMPORARY_REDIRECT,
        location: header_value(&format!("{site}{asked}")),
        cookie: None,
    })
}

const CHALLENGES: &str = "/.well-known/acme-challenge/";
