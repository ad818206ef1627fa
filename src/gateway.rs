//! The whole way of a request, in order. What is not called here does not happen.
//!
//! In: a connection, a head as the gate saw it, a request as hyper parsed it. Out: a response, always.
//! Every check that decides about trust is a plain call in `route` or in `Case::judge` (`verdict`),
//! so that its order can be read at a glance. Not here: how any single step works.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use crate::{
    app::scrub,
    auth::{
        challenge,
        navigation::{self, Navigation},
        origin::{self, CrossSite, CrossSiteRefusal},
    },
    client::Client,
    exchange::{
        Exchange,
        body::{RequestBody, ResponseBody},
    },
    http::{
        gate::{self, Head, InFlight, Refusal},
        names,
        redirect::{Redirect, header_value},
        site::{Host, PublicUrl, authority},
    },
    listener::{Conn, http2::Stream},
    pages::{self, OwnRequest},
    policy::Permit,
    reject::{Asked, Reject},
    rewrite::{self, Answered, Arrived, UpstreamRequest},
    route::{Found, Leads, NotFound, RoutePath, own},
    runtime::{Route, View},
    telemetry::chain,
    tunnel::Side,
    upstream::{self, Upgraded, UpstreamBody},
    verdict::{self, Case, Entrance, Verdict},
};

/// Answers one request; refusals become pages or JSON here and nowhere else.
pub async fn handle(
    conn: &Rc<Conn>,
    http2: Option<Rc<Stream>>,
    head: Result<(Head, Option<InFlight>), Refusal>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let view = conn.worker.view();
    let (parts, body) = request.into_parts();
    let host = parts.headers.get(header::HOST).cloned();
    let exchange = Exchange::begin(
        conn,
        http2,
        parts.method.clone(),
        parts.uri.clone(),
        host.or_else(|| HeaderValue::from_str(parts.uri.authority()?.as_str()).ok()),
    );
    let shown = Shown {
        html: names_html(&parts.headers),
        framed: navigation::is_framed(&parts.method, &parts.headers),
        origin: origin::sole(&parts.headers, header::ORIGIN).cloned(),
    };
    let head = head.map(|(head, in_flight)| {
        // Once per exchange, here.
        drop(in_flight.map(|guard| exchange.in_flight.set(guard)));
        head
    });
    let upgrade = head.as_ref().is_ok_and(|head| head.upgrade);
    let request = Request::from_parts(parts, body);
    let future = route(&view, &exchange, head, request);
    let mut answer = match (Caught { future }).await {
        Ok(response) => response,
        Err(reject) => refuse(&view, &exchange, &shown, &reject),
    };
    if upgrade && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        refuse_upgrade(&exchange, &mut answer);
    }
    exchange.status.set(answer.status().as_u16());
    if exchange.http2().is_some() && exchange.method == Method::HEAD {
        answer = head_only(answer);
    }
    answer.map(|body| body.of(exchange))
}

/// Sees to it that nothing is taken for a tunnel when a handshake was answered with anything but 101.
fn refuse_upgrade(exchange: &Exchange, answer: &mut Response<ResponseBody>) {
    if exchange.http2().is_none() {
        // What follows an upgrade request was not scanned, and must not be read as HTTP.
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    } else if answer.status().is_success() {
        // Over HTTP/2 every success opens one (RFC 9110 §9.3.6). Whose answer is out of place?
        *answer.status_mut() = match exchange.sent_to.get() {
            None => StatusCode::BAD_REQUEST,
            Some(_) => StatusCode::BAD_GATEWAY,
        };
    }
}

/// An answer to HEAD without its body: over HTTP/2 hyper would send that (RFC 9110 §9.3.2).
fn head_only(answer: Response<ResponseBody>) -> Response<ResponseBody> {
    if answer.body().is_end_stream() {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    if let Some(length) = body.size_hint().exact() {
        parts
            .headers
            .entry(header::CONTENT_LENGTH)
            .or_insert(length.into());
    }
    Response::from_parts(parts, ResponseBody::fixed(""))
}

/// The first half: which host and path is this, and does it belong to us or to a tool?
async fn route(
    view: &Rc<View>,
    exchange: &Rc<Exchange>,
    head: Result<Head, Refusal>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Reject> {
    let head = head.map_err(Reject::Head)?;
    let client = view
        .trusted
        .client(exchange.conn().peer(), request.headers());
    exchange.client.set(client.addr);
    let target = request.uri().clone();
    let path = RoutePath::parse(target.path())?;
    let host = authority(&request).ok();
    let leads = match view.table.lead(host.as_ref(), &path) {
        Ok(Leads::Health) => return Ok(health()),
        // Nobody is recognized on a host that is not ours.
        Err(NotFound::UnknownHost) => {
            return Err(verdict::unknown_host(&view.sites, host.as_ref(), &request));
        }
        Err(error @ NotFound::BadPath(_)) => return Err(error.into()),
        leads => leads,
    };
    let host = host.ok_or(Reject::UnknownHost)?;
    let site = view.sites.of(&host);
    let entry = exchange.conn().entry();
    let entrance = Entrance {
        listener: &entry.name,
        redirect_https: entry.redirect_https,
        came_by_https: client.https == Some(true),
    };
    if let Some(redirect) = entrance.redirect(view, &host, &target, leads.ok()) {
        return Err(Reject::Redirect(redirect));
    }
    let leads = leads.and_then(|leads| entrance.leads(view, leads, &path));
    let worker = exchange.worker();
    if let Some(visitor) = worker.visitors.find(request.headers(), &host, site.https) {
        exchange.recognize(visitor);
    }
    let asked = Asking {
        view,
        exchange,
        client,
        site,
        host: &host,
        path,
        head,
    };
    match leads {
        Ok(Leads::Route(found)) => asked.forward(found, request).await,
        // Boxed, like all that is rare, so that every request's future need not hold room for it.
        Ok(Leads::Ours) => Box::pin(asked.own_page(request)).await,
        Ok(Leads::Health) => Ok(health()),
        Ok(Leads::Home) => Err(Reject::Redirect(Redirect {
            status: StatusCode::SEE_OTHER,
            location: header_value(&own::home(site)),
            cookie: None,
        })),
        Err(error) => Err(error.into()),
    }
}

/// What is known of a request when its route is.
struct Asking<'a> {
    view: &'a Rc<View>,
    exchange: &'a Rc<Exchange>,
    client: Client,
    /// The site of `host`.
    site: &'a PublicUrl,
    host: &'a Host,
    path: RoutePath<'a>,
    head: Head,
}

impl Asking<'_> {
    /// The second half: may they, and then to the tool and back.
    async fn forward(
        &self,
        found: Found,
        request: Request<Incoming>,
    ) -> Result<Response<ResponseBody>, Reject> {
        let exchange = self.exchange;
        let (Found::AddSlash(id) | Found::Route(id)) = found;
        exchange.matched(self.view, id);
        let route = self.view.route(id).ok_or(Reject::NotFound)?;
        let lacks_slash = matches!(found, Found::AddSlash(_));
        let permit = match self.judge(route, lacks_slash, &request) {
            Ok(permit) => permit,
            Err(answer) => return *answer,
        };
        exchange.count_stream(self.view.limits.max_streams_per_user)?;
        if moves_idle_clock(&request) {
            exchange.person_acted();
        }
        self.send(route, &permit, request).await
    }

    /// The permit, or the answer without one.
    fn judge<'s, B>(
        &'s self,
        route: &'s Route,
        lacks_slash: bool,
        request: &Request<B>,
    ) -> Result<Permit<'s>, Box<Result<Response<ResponseBody>, Reject>>> {
        let case = Case {
            client: self.client.addr,
            host: self.host,
            path: &self.path,
            site: self.site,
            route,
            lacks_slash,
            websocket: self.head.upgrade,
            who: self.exchange.visitor.get().map(|visitor| visitor.who()),
        };
        let answer = match case.judge(request.method(), request.headers()) {
            Verdict::Allowed(permit) => return Ok(permit),
            Verdict::AddSlash => Err(Reject::Redirect(self.with_slash(request))),
            Verdict::Blocked | Verdict::Denied => Err(denied(self.exchange)),
            Verdict::CrossSite(refusal) => Err(refusal.into()),
            Verdict::Preflight(answer) => Ok(self.preflighted(answer)),
            Verdict::SignIn => {
                let target = challenge::Target {
                    site: self.site,
                    host: self.host,
                };
                let asked = request.uri().path_and_query();
                let (method, headers) = (request.method(), request.headers());
                Err(verdict::sign_in(target, method, headers, asked))
            }
        };
        Err(Box::new(answer))
    }

    async fn send(
        &self,
        route: &Route,
        permit: &Permit<'_>,
        request: Request<Incoming>,
    ) -> Result<Response<ResponseBody>, Reject> {
        let exchange = self.exchange;
        let (limit, targets) = (route.config.max_body, &route.targets);
        if let (gate::Body::Length(announced), Some(limit)) = (self.head.body, limit)
            && announced > limit
        {
            return Err(Reject::TooLarge { limit });
        }
        let host = exchange.host.as_ref().ok_or(Reject::UnknownHost)?;
        let arrived = Arrived {
            client: self.client.addr,
            https: self.client.https.unwrap_or(self.site.https),
            host,
            request_id: &exchange.id.header(),
            websocket: self.head.upgrade,
        };
        let reader = route
            .rules
            .reader(request.headers(), exchange.visitor.get().is_some());
        let request = request.map(|body| RequestBody::new(body, limit, Rc::clone(exchange)));
        let request = UpstreamRequest::new(permit, &route.rules, arrived, request)?.into_inner();
        let (pool, told) = (&exchange.worker().pool, &exchange.sent_to);
        if !self.head.upgrade {
            let sent = exchange.unless_stopped(pool.send(targets, request, &route.timeouts, told));
            let response = reached(route, sent.await?)?;
            return self.pass_on(route, reader, response).await;
        }
        let sent = Box::pin(pool.upgrade(targets, request, &route.timeouts, told));
        match reached(route, exchange.unless_stopped(sent).await?)? {
            Upgraded::Refused(response) => self.pass_on(route, reader, response).await,
            Upgraded::Switched {
                mut head,
                io,
                early,
                tunnel,
            } => {
                exchange.becomes_tunnel(Side { io, early }, tunnel);
                rewrite::response(&route.rules, self.answered(None), &mut head);
                Ok(Response::from_parts(head, ResponseBody::fixed("")))
            }
        }
    }

    /// The tool's answer on its way back.
    async fn pass_on(
        &self,
        route: &Route,
        reader: Option<&HeaderValue>,
        response: Response<UpstreamBody<RequestBody>>,
    ) -> Result<Response<ResponseBody>, Reject> {
        let (mut head, body) = response.into_parts();
        head.version = Version::HTTP_11;
        rewrite::response(&route.rules, self.answered(reader), &mut head);
        let response = Response::from_parts(head, body);
        match route.rules.adapter().needles() {
            None => Ok(response.map(ResponseBody::upstream)),
            Some(needles) => {
                let page = Box::pin(scrub::page(needles, response));
                let page = self
                    .exchange
                    .unless_stopped(page)
                    .await?
                    .map_err(Reject::Scrub)?;
                Ok(page.map(ResponseBody::scrubbed))
            }
        }
    }

    fn answered<'a>(&'a self, reader: Option<&'a HeaderValue>) -> Answered<'a> {
        Answered {
            reader,
            host: self.host,
            site: self.site,
            authenticated: self.exchange.visitor.get().is_some(),
        }
    }

    /// A browser may ask whether it may, before anybody has signed in.
    fn preflighted(&self, mut answer: Response<()>) -> Response<ResponseBody> {
        let id = self.exchange.id.header();
        answer.headers_mut().insert(names::X_REQUEST_ID, id);
        answer.map(|()| ResponseBody::fixed(""))
    }

    fn with_slash<B>(&self, request: &Request<B>) -> Redirect {
        Redirect {
            status: StatusCode::PERMANENT_REDIRECT,
            location: header_value(&self.path.with_slash(request.uri().query())),
            cookie: None,
        }
    }

    /// One of our own pages: collected here, answered on the control runtime.
    async fn own_page(&self, request: Request<Incoming>) -> Result<Response<ResponseBody>, Reject> {
        // Sign-in has no session yet, and must not be forged across sites either.
        let rules = CrossSite {
            origin: &self.site.origin_of(self.host),
            tool_host: *self.host != self.site.host,
            websocket: self.head.upgrade,
            cookie_is_credential: true,
            embed: &[],
        };
        origin::check(request.method(), request.headers(), rules)?;
        if own::has_form(self.path.raw()) && !navigation::may_read_forms(request.headers()) {
            return Err(CrossSiteRefusal::Form.into());
        }
        let exchange = self.exchange;
        if moves_idle_clock(&request) {
            exchange.person_acted();
        }
        exchange.ours.set(true);
        let (parts, body) = request.into_parts();
        let body = RequestBody::new(body, Some(pages::MAX_BODY), Rc::clone(exchange));
        let body = body.collect().await?.to_bytes();
        let request = OwnRequest {
            request: Request::from_parts(parts, body),
            asked: pages::Asked {
                host: self.host.clone(),
                session: exchange
                    .visitor
                    .get()
                    .map(|visitor| Arc::clone(&visitor.session)),
                listener: Arc::clone(&exchange.conn().entry().name),
                client: self.client.addr,
                id: exchange.id,
                runtime: self.view.snapshot(),
            },
        };
        let answered = exchange.worker().shared.pages.answer(request);
        Ok(answered.await?.map(ResponseBody::fixed))
    }
}

/// Notes on the route whether its upstream is there. Only a connection that could not be had says
/// that it is not: other failures may be this request's alone.
fn reached<T>(route: &Route, sent: Result<T, upstream::Error>) -> Result<T, Reject> {
    match &sent {
        Ok(_) => route.reach.note(true),
        Err(error) if error.is_away() => route.reach.note(false),
        Err(_) => {}
    }
    Ok(sent?)
}

fn denied(exchange: &Exchange) -> Reject {
    let user = exchange
        .visitor
        .get()
        .map(|visitor| visitor.session.user.name.clone());
    Reject::Denied { user }
}

/// How a refusal would be shown.
struct Shown {
    html: bool,
    framed: bool,
    origin: Option<HeaderValue>,
}

fn refuse(
    view: &View,
    exchange: &Exchange,
    shown: &Shown,
    reject: &Reject,
) -> Response<ResponseBody> {
    if !matches!(reject, Reject::Redirect(_) | Reject::SignIn(_)) {
        exchange.failed(|| chain(reject));
    }
    if let Reject::Head(refusal) = reject {
        let edge = &mut exchange.worker().edge.borrow_mut();
        *edge.refused_heads.entry(refusal.name()).or_default() += 1;
    }
    if let Some(reason) = reject.refused() {
        exchange.refused(reason);
    }
    let sites = &view.sites;
    let response = reject.response(&Asked {
        runtime: view,
        site: exchange.host().map_or(sites.main(), |host| sites.of(&host)),
        html: shown.html,
        framed: shown.framed,
        id: exchange.id,
        address: exchange.address(),
        route: exchange.route.get().and_then(|(view, id)| view.route(*id)),
        origin: shown
            .origin
            .as_ref()
            .filter(|_| exchange.visitor.get().is_none()),
    });
    response.map(ResponseBody::fixed)
}

/// `/.labgate/live` and `/.labgate/ready`: for probes, on any host, and nothing but "ok". One dead
/// upstream never makes us unready; a stopping server no longer accepts the question.
fn health() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::fixed("ok"));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a person does: navigations and unsafe methods. Polls, pings and heartbeats are not it
/// (SECURITY T39); what a person types into a tunnel is counted there.
fn moves_idle_clock<B>(request: &Request<B>) -> bool {
    !request.method().is_safe()
        || navigation::kind(request.method(), request.headers()) == Navigation::Document
}

fn names_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| memchr::memmem::find(accept.as_bytes(), b"text/html").is_some())
}

pin_project! {
    /// Runs a future; a panic in it becomes an answer instead of the end of the connection. What
    /// happened was written by the panic hook. No `async fn`, which keeps room for its argument twice.
    struct Caught<F> {
        #[pin]
        future: F,
    }
}

impl<T, F: Future<Output = Result<T, Reject>>> Future for Caught<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let future = self.project().future;
        catch_unwind(AssertUnwindSafe(|| future.poll(cx)))
            .unwrap_or(Poll::Ready(Err(Reject::Internal("a panic"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let future = async { panic!("of a test") };
        let fault: Result<(), Reject> = Caught { future }.await;
        assert!(matches!(fault, Err(Reject::Internal(_))));
    }
}
