//! What would become of a request, in words: `labgate explain`.
//!
//! In: a configuration and a [`Question`]. Out: an [`Explanation`], which knows the answer and says
//! how it came about. Decides nothing by itself: it puts together the request that a browser would
//! send and hands it to the functions that the gateway calls, in their order. No I/O.
//! Not here: what depends on what else is going on (limits, whether a tool answers), and reading the
//! store: who asks says what it holds of the user ([`Stored`]).

mod access;
mod asker;
mod sites;
mod told;
mod upstream;
mod url;

use std::net::IpAddr;

use http::{Method, Request, StatusCode, Uri};

pub use self::asker::Stored;
use self::{asker::Asker, told::Told, url::Url};
use crate::{
    auth::challenge::Target,
    client::{ClientAddr, PeerAddr},
    config::{Config, HostPattern, Listener},
    http::{
        gate::{self, Refusal},
        site::{Host, authority},
        sites::Sites,
    },
    reject::{Asked, Reject},
    route::{Found, Leads, NotFound, RoutePath, own},
    runtime::{Route, RouteError, Runtime, View},
    telemetry::{RequestIds, meter::Meters},
    verdict::{self, Case, Entrance, Verdict},
};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// `http://host/path?query`, or a path on the main host.
    pub url: String,
    /// Method.
    pub method: Method,
    /// Who is signed in; `None`: nobody.
    pub user: Option<String>,
    /// What the store holds of that user; not looked at for one of the configuration, who hides it.
    pub stored: Stored,
    /// Groups of that user besides.
    pub groups: Vec<String>,
    /// The listener that the request comes in on; `None`: the first one that does not only redirect.
    pub listener: Option<String>,
    /// Whom the request is from.
    pub from: IpAddr,
}

/// What would become of the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The tool answers.
    Tool,
    /// One of our own pages answers.
    Ours,
    /// We answer so.
    Status(StatusCode),
}

/// An answer, and how it comes about.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Name of the route that the request matches.
    pub route: Option<String>,
    /// What would become of the request.
    pub answer: Answer,
    /// For people; several lines.
    pub text: String,
}

/// Why there is nothing to explain.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no listener of that name.
    #[error("no listener is named {0:?} (known: {1})")]
    Listener(String, String),
    /// A route cannot be served.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// What was given is no address of the web.
    #[error("{0:?} is neither http://HOST/PATH, https://HOST/PATH nor a path")]
    Url(String),
}

/// Explains one request.
pub fn explain(config: Config, question: &Question) -> Result<Explanation, Error> {
    let asker = Asker::of(&config, question);
    let listeners = config.listeners.clone();
    let runtime = Runtime::new(config)?;
    let url = Url::parse(&question.url, &runtime)?;
    let listener = listener(&listeners, question, &url)?;
    let view = View::new(runtime.into(), &Meters::default());
    let mut asking = Asking {
        view: &view,
        question,
        asker: &asker,
        entrance: Entrance {
            listener: &listener.name,
            redirect_https: listener.redirect_https,
            came_by_https: false,
        },
        route: None,
        told: Told::default(),
    };
    let answer = asking.request(&url);
    Ok(Explanation {
        route: asking.route,
        answer,
        text: asking.told.to_string(),
    })
}

/// The listener that the question names, else the one of the address: at its port, with its scheme.
/// Where there is none (TLS ends before us, ports are mapped) the first that does not only redirect.
fn listener<'a>(
    listeners: &'a [Listener],
    question: &Question,
    url: &Url,
) -> Result<&'a Listener, Error> {
    let Some(wanted) = &question.listener else {
        let is_asked = |listener: &&Listener| {
            let port = listener.address.tcp().map(|address| address.port());
            port.is_some()
                && port == url.port()
                && listener.tls.is_some() == (url.scheme == "https")
        };
        let serves = |listener: &&Listener| !listener.redirect_https;
        let found = listeners
            .iter()
            .find(is_asked)
            .or_else(|| listeners.iter().find(serves))
            .or_else(|| listeners.first());
        return found.ok_or_else(|| Error::Listener(String::new(), String::new()));
    };
    let found = listeners.iter().find(|listener| listener.name == *wanted);
    found.ok_or_else(|| {
        let names: Vec<&str> = listeners.iter().map(|known| known.name.as_str()).collect();
        Error::Listener(wanted.clone(), names.join(", "))
    })
}

/// A question on its way to its answer.
struct Asking<'a> {
    view: &'a View,
    question: &'a Question,
    asker: &'a Asker,
    entrance: Entrance<'a>,
    route: Option<String>,
    told: Told,
}

impl Asking<'_> {
    fn request(&mut self, url: &Url) -> Answer {
        self.told.say(
            "request",
            format!(
                "{} {}://{}{}",
                self.question.method, url.scheme, url.authority, url.target
            ),
        );
        self.told.say("from", self.question.from.to_string());
        self.told.say("listener", self.entrance.listener);
        self.told.say("visitor", self.asker.to_string());
        if url.has_fragment {
            self.told
                .say("note", "browsers keep what follows # to themselves");
        }
        let Ok(request) = url.request(&self.question.method) else {
            let why = "an address in a request has neither spaces nor other odd characters";
            return self.refused(&Reject::Head(Refusal::BadRequest(why)), why);
        };
        self.gate(request)
    }

    fn gate(&mut self, request: Request<()>) -> Answer {
        let (parts, ()) = request.into_parts();
        let view = self.view;
        if let Err(refusal) = gate::check_h2(&parts, &view.gate_limits) {
            let why = match &refusal {
                Refusal::BadRequest(why) => (*why).to_owned(),
                Refusal::MethodNotAllowed => "neither CONNECT nor TRACE is for us".to_owned(),
                other => format!("{other:?}"),
            };
            return self.refused(&Reject::Head(refusal), &why);
        }
        let request = Request::from_parts(parts, ());
        let target = request.uri().clone();
        let path = match RoutePath::parse(target.path()) {
            Ok(path) => path,
            Err(bad) => return self.refused(&bad.into(), &bad.to_string()),
        };
        let host = authority(&request).ok();
        if let Some(host) = host.as_ref().filter(|host| view.table.knows(host)) {
            self.note_scheme(request.uri(), host);
        }
        let leads = match view.table.lead(host.as_ref(), &path) {
            Err(error @ (NotFound::BadPath(_) | NotFound::UnknownHost)) => {
                return self.astray(error, host.as_ref(), &request);
            }
            leads => leads,
        };
        let Some(host) = host.filter(|_| leads != Ok(Leads::Health)) else {
            self.told.say("path", "ours, for probes, on every host");
            return Answer::Ours;
        };
        if let Some(redirect) = self.entrance.redirect(view, &host, &target, leads.ok()) {
            let text = "the listener has redirect_https and does nothing else";
            self.told.say("verdict", text);
            let location = String::from_utf8_lossy(redirect.location.as_bytes()).into_owned();
            return self.redirected(redirect.status, &location);
        }
        let leads = match leads.and_then(|leads| self.behind(leads, &path)) {
            Ok(leads) => leads,
            Err(error) => return self.astray(error, Some(&host), &request),
        };
        match leads {
            Leads::Route(found) => self.forward(found, &host, &path, &request),
            Leads::Home => {
                let text = format!("{host} has no route at /, so browsers go to the home page");
                self.told.say("route", text);
                self.redirected(StatusCode::SEE_OTHER, &own::home(view.sites.of(&host)))
            }
            Leads::Health | Leads::Ours => {
                self.told
                    .say("path", "below /.labgate/, which is ours on every host");
                self.told
                    .say("verdict", "one of our own pages answers; no tool sees it");
                Answer::Ours
            }
        }
    }

    fn note_scheme(&mut self, uri: &Uri, host: &Host) {
        let site = self.view.sites.of(host);
        let own = if site.https { "https" } else { "http" };
        if uri.scheme_str() != Some(own) {
            let text = format!(
                "{host} is served as {}; which of the two it was decides nothing here",
                site.origin_of(host)
            );
            self.told.say("note", text);
        }
    }

    /// Where it leads by this listener.
    fn behind(&mut self, leads: Leads, path: &RoutePath<'_>) -> Result<Leads, NotFound> {
        let behind = self.entrance.leads(self.view, leads, path);
        if behind != Ok(leads)
            && let Leads::Route(Found::Route(id) | Found::AddSlash(id)) = leads
            && let Some(route) = self.view.route(id)
        {
            let required = route.config.require_listener.as_deref().unwrap_or_default();
            let text = format!("{} is there by the listener {required} only", route.name);
            self.told.say("note", text);
        }
        behind
    }

    /// What keeps a request from its route.
    fn astray(&mut self, error: NotFound, host: Option<&Host>, request: &Request<()>) -> Answer {
        let view = self.view;
        let reject = match error {
            NotFound::UnknownHost => verdict::unknown_host(&view.sites, host, request),
            _ => error.into(),
        };
        if let Reject::Redirect(to) = &reject {
            let why =
                "a loopback address is no host of ours; a person who types it means localhost";
            self.told.say("verdict", why);
            return self.redirected(to.status, &String::from_utf8_lossy(to.location.as_bytes()));
        }
        let why = match error {
            NotFound::BadPath(bad) => bad.to_string(),
            NotFound::NoRoute => {
                let on_host = |route: &&Route| match (&route.config.host, host) {
                    (None, Some(host)) => view.sites.is_main_host(host),
                    (Some(HostPattern::Exact(own)), Some(host)) => own == host,
                    _ => false,
                };
                let paths = view.routes().iter().filter(on_host);
                let paths: Vec<&str> = paths.map(|route| route.config.path.as_str()).collect();
                let host = host.map_or("", Host::as_str);
                if paths.is_empty() {
                    format!("no route is on {host}")
                } else {
                    format!("the routes on {host} are at {}", paths.join(", "))
                }
            }
            NotFound::UnknownHost => format!(
                "{} is neither a main host (server.public_url, server.aliases) nor `host` of a route",
                host.map_or("what stands there", Host::as_str)
            ),
        };
        self.refused(&reject, &why)
    }

    fn forward(
        &mut self,
        found: Found,
        host: &Host,
        path: &RoutePath<'_>,
        request: &Request<()>,
    ) -> Answer {
        let (Found::AddSlash(id) | Found::Route(id)) = found;
        let view = self.view;
        let Some(route) = view.route(id) else {
            return self.refused(&Reject::NotFound, "no route");
        };
        self.route = Some(route.name.clone());
        self.told.say("path", self::path(path));
        self.told.say("route", place(route, &view.sites));
        let client = ClientAddr::from(PeerAddr::from(self.question.from));
        let case = Case {
            client,
            host,
            path,
            site: view.sites.of(host),
            route,
            lacks_slash: matches!(found, Found::AddSlash(_)),
            websocket: false,
            who: self.asker.who(),
        };
        access::tell(&mut self.told, id, &case, &self.question.method);
        let judged = case.judge(request.method(), request.headers());
        let answer = match judged {
            Verdict::Allowed(permit) => {
                self.told
                    .say("verdict", "allowed: the tool gets the request");
                upstream::tell(&mut self.told, &case, &permit, request);
                Answer::Tool
            }
            Verdict::AddSlash => {
                let location = path.with_slash(request.uri().query());
                self.redirected(StatusCode::PERMANENT_REDIRECT, &location)
            }
            Verdict::Blocked => {
                let why = "nobody may have this of the tool: it would stop it for everybody";
                self.refused(&Reject::Denied { user: None }, why)
            }
            Verdict::CrossSite(refusal) => self.refused(
                &refusal.into(),
                "other sites may not make a browser send this",
            ),
            Verdict::Denied => {
                let why = "no rule of `access` lets this pass, and signing in would not change it";
                self.refused(&Reject::Denied { user: None }, why)
            }
            Verdict::Preflight(answer) => {
                self.told.say("verdict", "a preflight of a listed origin");
                Answer::Status(answer.status())
            }
            Verdict::SignIn => self.sign_in(host, request),
        };
        if answer == Answer::Tool {
            sites::tell(&mut self.told, &case);
        }
        answer
    }

    /// What a browser that nobody has signed in with sees, and what a program sees.
    fn sign_in(&mut self, host: &Host, request: &Request<()>) -> Answer {
        let target = Target {
            site: self.view.sites.of(host),
            host,
        };
        let asked = request.uri().path_and_query();
        self.told.say("verdict", "somebody has to sign in first");
        let reject = verdict::sign_in(target, request.method(), request.headers(), asked);
        self.told.say(
            "programs",
            "what is no navigation gets 401 and JSON with the address of the sign-in page",
        );
        match &reject {
            Reject::Redirect(to) => {
                let location = String::from_utf8_lossy(to.location.as_bytes()).into_owned();
                self.redirected(to.status, &location)
            }
            _ => self.refused(
                &reject,
                "a page with a link to sign in; nothing typed is sent on",
            ),
        }
    }

    fn redirected(&mut self, status: StatusCode, location: &str) -> Answer {
        let location = match location.split_once("&nonce=") {
            Some((rest, _)) => format!("{rest}&nonce=(new for each browser)"),
            None => location.to_owned(),
        };
        self.told
            .say("answer", format!("{} to {location}", status.as_u16()));
        Answer::Status(status)
    }

    /// An answer that is no redirect, with the status that the client would get.
    fn refused(&mut self, reject: &Reject, why: &str) -> Answer {
        let status = reject
            .response(&Asked {
                runtime: self.view,
                site: self.view.sites.main(),
                html: false,
                framed: false,
                id: RequestIds::default().next(),
                address: String::new(),
                route: None,
                origin: None,
            })
            .status();
        self.told.say("verdict", format!("not passed on: {why}"));
        self.told.say("answer", status.to_string());
        Answer::Status(status)
    }
}

fn path(path: &RoutePath<'_>) -> String {
    let view = String::from_utf8_lossy(path.view());
    if view == path.raw() {
        "means one thing to everybody".to_owned()
    } else {
        format!("some tools read it as {view}; that takes the same route")
    }
}

fn place(route: &Route, sites: &Sites) -> String {
    let hosts = match &route.config.host {
        None => sites.iter().map(|site| site.host.to_string()).collect(),
        Some(HostPattern::Exact(host)) => vec![host.to_string()],
        Some(HostPattern::Suffix(host)) => vec![format!("*.{host}")],
    };
    let path = &route.config.path;
    let places: Vec<String> = hosts.iter().map(|host| format!("{host}{path}")).collect();
    format!("{}, at {}", route.name, places.join(" and "))
}

#[cfg(test)]
mod tests;
