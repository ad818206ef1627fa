//! What would become of a request, in words: `labgate explain`.
//!
//! In: a configuration and a [`Question`]. Out: an [`Explanation`], which knows the answer and says
//! how it came about. Decides nothing by itself: it puts together the request that a browser would
//! send and hands it to the functions that the gateway calls, in their order. No I/O.
//! Not here: what depends on what else is going on (limits, whether a tool answers, who is in the
//! store).

mod access;
mod sites;
mod told;
mod upstream;
mod url;

use std::net::IpAddr;

use http::{Method, Request, StatusCode};

use self::{told::Told, url::Url};
use crate::{
    auth::challenge::Target,
    client::{ClientAddr, PeerAddr},
    config::{Config, HostPattern},
    http::{
        gate::{self, Refusal},
        site::{Host, authority},
    },
    policy::Who,
    reject::{Asked, Reject},
    route::{Found, Leads, NotFound, RoutePath},
    runtime::{Route, RouteError, Runtime, View},
    telemetry::{RequestIds, meter::Meters},
    verdict::{self, Case, Verdict},
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
    /// Groups of that user besides those of the configuration.
    pub groups: Vec<String>,
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
    /// A route cannot be served.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// What was given is no address of the web.
    #[error("{0:?} is neither http://HOST/PATH, https://HOST/PATH nor a path")]
    Url(String),
}

/// Explains one request.
pub fn explain(config: Config, question: &Question) -> Result<Explanation, Error> {
    let user = question.user.as_ref().map(|name| {
        let known = config.local_users.iter().find(|user| user.name == *name);
        let mut groups = known.map_or_else(Vec::new, |user| user.groups.clone());
        groups.extend(question.groups.iter().cloned());
        User {
            name: name.clone(),
            groups,
            email: known.and_then(|user| user.email.clone()),
            known: known.is_some(),
        }
    });
    let runtime = Runtime::new(config)?;
    let url = Url::parse(&question.url, &runtime)?;
    let view = View::new(runtime.into(), &Meters::default());
    let mut asking = Asking {
        view: &view,
        question,
        user: user.as_ref(),
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

/// Who is taken to be signed in.
#[derive(Debug)]
struct User {
    name: String,
    groups: Vec<String>,
    email: Option<String>,
    /// Whether the configuration has them.
    known: bool,
}

/// A question on its way to its answer.
struct Asking<'a> {
    view: &'a View,
    question: &'a Question,
    user: Option<&'a User>,
    route: Option<String>,
    told: Told,
}

impl Asking<'_> {
    fn request(&mut self, url: &Url) -> Answer {
        let public = &self.view.public;
        self.told.say(
            "request",
            format!(
                "{} {}://{}{}",
                self.question.method, url.scheme, url.authority, url.target
            ),
        );
        self.told.say("from", self.question.from.to_string());
        self.told.say("visitor", visitor(self.user));
        if url.has_fragment {
            self.told
                .say("note", "browsers keep what follows # to themselves");
        }
        let own = if public.https { "https" } else { "http" };
        if url.scheme != own {
            let text =
                format!("server.public_url is {own}; which of the two it was decides nothing here");
            self.told.say("note", text);
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
                Refusal::ConnectMethod => "CONNECT is not for us".to_owned(),
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
        let leads = match view.table.lead(host.as_ref(), &path) {
            Ok(leads) => leads,
            Err(error) => return self.astray(error, host.as_ref()),
        };
        let Some(host) = host.filter(|_| leads != Leads::Health) else {
            self.told.say("path", "ours, for probes, on every host");
            return Answer::Ours;
        };
        match leads {
            Leads::Route(found) => self.forward(found, &host, &path, &request),
            Leads::Home => {
                let text = format!("{host} has no route at /, so browsers go to the home page");
                self.told.say("route", text);
                self.redirected(StatusCode::SEE_OTHER, &view.home)
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

    /// What keeps a request from its route.
    fn astray(&mut self, error: NotFound, host: Option<&Host>) -> Answer {
        let why = match error {
            NotFound::BadPath(bad) => bad.to_string(),
            NotFound::NoRoute => {
                let host = host.map_or("", Host::as_str);
                let mut paths = self.view.routes().iter().filter(|route| {
                    matches!(&route.config.host, HostPattern::Exact(own) if own.as_str() == host)
                });
                match paths.next() {
                    None => format!("no route is on {host}"),
                    Some(first) => paths.fold(
                        format!("the routes on {host} are at {}", first.config.path),
                        |list, route| format!("{list}, {}", route.config.path),
                    ),
                }
            }
            NotFound::UnknownHost => format!(
                "{} is neither the host of server.public_url nor `host` of a route",
                host.map_or("what stands there", Host::as_str)
            ),
        };
        self.refused(&error.into(), &why)
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
        self.told.say("route", place(route));
        let client = ClientAddr::from(PeerAddr::from(self.question.from));
        let case = Case {
            client,
            host,
            path,
            public: &view.public,
            route,
            lacks_slash: matches!(found, Found::AddSlash(_)),
            websocket: false,
            who: self.user.map(who),
        };
        access::tell(&mut self.told, id, &case, &self.question.method);
        let judged = case.judge(request.method(), request.headers());
        let answer = match judged {
            Verdict::Allowed(permit) => {
                self.told
                    .say("verdict", "allowed: the tool gets the request");
                upstream::tell(&mut self.told, view, &case, &permit, request);
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
            public: &self.view.public,
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

fn who(user: &User) -> Who<'_> {
    Who {
        name: &user.name,
        groups: &user.groups,
        email: user.email.as_deref(),
    }
}

fn visitor(user: Option<&User>) -> String {
    let Some(user) = user else {
        return "nobody is signed in".to_owned();
    };
    let mut text = user.name.clone();
    if !user.groups.is_empty() {
        text = format!("{text}, in {}", user.groups.join(", "));
    }
    if let Some(email) = &user.email {
        text = format!("{text}, {email}");
    }
    if !user.known {
        text += " (not in the configuration: groups and e-mail of the store are not known here)";
    }
    text
}

fn path(path: &RoutePath<'_>) -> String {
    let view = String::from_utf8_lossy(path.view());
    if view == path.raw() {
        "means one thing to everybody".to_owned()
    } else {
        format!("some tools read it as {view}; that takes the same route")
    }
}

fn place(route: &Route) -> String {
    let host = match &route.config.host {
        HostPattern::Exact(host) => host.to_string(),
        HostPattern::Suffix(host) => format!("*.{host}"),
    };
    format!("{}, at {host}{}", route.name, route.config.path)
}

#[cfg(test)]
mod tests;
