//! Our own pages under `/.labgate/`: what they do. How they look is `ui`.
//!
//! A worker collects a small request, says who is asking, and sends it here by channel; here it goes
//! through an axum router on the control runtime, where it may wait for the store or for a password
//! hash without holding up anybody's stream. Health answers are not here but in `gateway`.

mod enter;
mod form;
mod home;
mod link;
mod password;
mod sign_in;
mod sign_out;
mod told;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request as AxumRequest,
    response::{IntoResponse, Response as AxumResponse},
    routing::get,
};
use bytes::Bytes;
use cookie::{Cookie, SameSite, time};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::{
    auth::cookie as names,
    client::ClientAddr,
    http::{
        redirect::header_value,
        site::{Host, PublicUrl},
    },
    identity::{LocalUsers, SignInLinks, Throttle},
    reject::Reject,
    route::own,
    runtime::Runtime,
    session::{Device, Ended, Forgery, Handovers, Session, SessionToken, Sessions},
    telemetry::{RequestId, SignIns, audit::Audit, chain},
    ui::{self, Circumstances, Framing, Problem},
};

/// A request for one of our own pages, as a worker hands it over.
#[derive(Debug)]
pub struct OwnRequest {
    /// The request, its body collected.
    pub request: Request<Bytes>,
    /// What the page needs to know of it.
    pub asked: Asked,
}

/// What a page knows of its request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which of our hosts was asked.
    pub host: Host,
    /// The session of the visitor on that host.
    pub session: Option<Arc<Session>>,
    /// The listener that it came in on.
    pub listener: Arc<str>,
    /// Who the request is from.
    pub client: ClientAddr,
    /// To quote.
    pub id: RequestId,
    /// The configuration that the request began with.
    pub runtime: Arc<Runtime>,
}

/// What the pages work on.
#[derive(Debug)]
pub struct Pages {
    /// Sessions, shared with the workers.
    pub sessions: Arc<Sessions>,
    /// Who may sign in with a password.
    pub users: Arc<LocalUsers>,
    /// One-time links.
    pub links: SignInLinks,
    /// Failed attempts.
    pub throttle: Throttle,
    /// One-time codes between hosts.
    pub handovers: Handovers,
    /// Anti-forgery values.
    pub forgery: Forgery,
    /// How sign-ins ended.
    pub sign_ins: Arc<SignIns>,
    /// The audit log.
    pub audit: Audit,
}

impl Pages {
    /// Whether a session's user is still what their provider would assert now.
    async fn vouches_for(&self, session: &Session) -> bool {
        let (users, user) = (Arc::clone(&self.users), Arc::clone(&session.user));
        let judged = tokio::task::spawn_blocking(move || users.vouches_for(&user));
        judged.await.unwrap_or(false)
    }

    /// Ends a session by its owner's wish, with all that it opened on every host.
    async fn end_session(&self, session: &Session) {
        if let Err(error) = self.sessions.end(&session.id, Ended::SignedOut).await {
            // It is over in memory; the sweep goes on trying to take it off the disk.
            tracing::error!(error = %chain(&error), session = %session.id, "an end was not stored");
        }
    }
}

/// A worker's end of the channel to the pages.
#[derive(Clone, Debug)]
pub struct PagesHandle(
    mpsc::Sender<(OwnRequest, oneshot::Sender<Response<Bytes>>)>,
    Arc<SignIns>,
);

impl PagesHandle {
    /// Starts the pages on the current runtime; they end when all handles are gone.
    pub fn start(pages: Pages, tasks: &TaskTracker) -> Self {
        let (sender, mut inbox) = mpsc::channel::<(OwnRequest, oneshot::Sender<_>)>(WAITING);
        let sign_ins = Arc::clone(&pages.sign_ins);
        let router = router(Arc::new(pages));
        let answers = tasks.clone();
        tasks.spawn(async move {
            while let Some((asked, reply)) = inbox.recv().await {
                let router = router.clone();
                answers.spawn(async move {
                    let answer = answer(router, asked).await;
                    // Whoever asked may be gone by now.
                    drop(reply.send(answer));
                });
            }
        });
        Self(sender, sign_ins)
    }

    /// How sign-ins ended.
    pub fn sign_ins(&self) -> &SignIns {
        &self.1
    }

    /// Asks for a page. `Err`: 1024 requests wait already, or there is no answer within 30 s.
    pub async fn answer(&self, request: OwnRequest) -> Result<Response<Bytes>, Reject> {
        let (reply, answer) = oneshot::channel();
        self.0
            .try_send((request, reply))
            .map_err(|_| Reject::Busy)?;
        match timeout(PATIENCE, answer).await {
            Ok(Ok(response)) => Ok(response),
            _ => Err(Reject::Internal("our own pages do not answer")),
        }
    }
}

fn router(pages: Arc<Pages>) -> Router {
    Router::new()
        .route(own::HOME, get(home::home))
        .route(own::WHO_AM_I, get(home::who_am_i))
        .route(own::SIGN_IN, get(sign_in::show).post(sign_in::submit))
        .route(own::SIGN_OUT, get(sign_out::ask).post(sign_out::submit))
        .route(own::ENTER, get(enter::enter))
        .route(own::LINK, get(link::show).post(link::submit))
        .route(own::PASSWORD, get(password::show).post(password::submit))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .with_state(pages)
}

async fn answer(router: Router, own: OwnRequest) -> Response<Bytes> {
    let (mut parts, body) = own.request.into_parts();
    // The router matches on the path alone; an authority would only be in its way.
    parts.uri = parts
        .uri
        .path_and_query()
        .cloned()
        .map_or_else(http::Uri::default, Into::into);
    let asked = own.asked;
    parts.extensions.insert(asked.clone());
    let request = AxumRequest::from_parts(parts, Body::from(body));
    let Ok(response) = router.oneshot(request).await;
    let (mut parts, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    ui::security_headers(
        &mut parts.headers,
        &asked.runtime.look,
        Framing::Never,
        asked.https(),
    );
    parts.headers.insert("x-request-id", asked.id.header());
    Response::from_parts(parts, body)
}

async fn not_found(AskedOf(asked): AskedOf) -> AxumResponse {
    asked.problem(&Problem::NotFound)
}

async fn wrong_method(AskedOf(asked): AskedOf) -> AxumResponse {
    asked.problem(&Problem::MethodNotAllowed {
        allow: "GET, HEAD, POST",
    })
}

impl Asked {
    /// The site of the host that was asked.
    pub fn site(&self) -> &PublicUrl {
        self.runtime.sites.of(&self.host)
    }

    /// Whether a main host was asked, where people sign in.
    pub fn on_main_host(&self) -> bool {
        self.runtime.sites.is_main_host(&self.host)
    }

    /// The address of one of our pages, where the visitors of this host sign in.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("{}{path}", self.site())
    }

    pub(crate) fn https(&self) -> bool {
        self.site().https
    }

    /// Whether a password would travel unencrypted to a host that is not this machine.
    pub(crate) fn is_plain(&self) -> bool {
        !self.https() && !self.site().is_loopback()
    }

    /// A page with a problem on it.
    pub(crate) fn problem(&self, problem: &Problem) -> AxumResponse {
        let page = problem.page(&Circumstances {
            request_id: self.id.to_string(),
            address: None,
            home: own::home(self.site()),
        });
        html(problem.status(), ui::error(&self.runtime.look, &page))
    }

    /// The cookie of a new session on the host that was asked.
    pub(crate) fn session_cookie(&self, token: &SessionToken) -> HeaderValue {
        let seconds = self.runtime.session_lifetime.as_secs();
        let lifetime = time::Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX));
        self.cookie(&token.expose(), lifetime)
    }

    /// The cookie that takes a session's cookie away.
    pub(crate) fn no_session_cookie(&self) -> HeaderValue {
        self.cookie("", time::Duration::ZERO)
    }

    fn cookie(&self, value: &str, max_age: time::Duration) -> HeaderValue {
        let cookie = Cookie::build((names::session_name(self.https()), value))
            .path("/")
            .secure(self.https())
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(max_age);
        header_value(&cookie.to_string())
    }

    /// What is remembered of the browser.
    pub(crate) fn device(&self, headers: &http::HeaderMap) -> Device {
        let agent = headers
            .get(header::USER_AGENT)
            .and_then(|agent| agent.to_str().ok());
        Device::new(self.client.ip(), agent.unwrap_or_default())
    }
}

/// The extractor of [`Asked`], which [`answer`] always puts there.
pub(crate) struct AskedOf(pub(crate) Asked);

impl<S: Sync> axum::extract::FromRequestParts<S> for AskedOf {
    type Rejection = StatusCode;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        _state: &S,
    ) -> Result<Self, StatusCode> {
        let asked = parts.extensions.get::<Asked>().cloned();
        asked.map(Self).ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

pub(crate) fn html(status: StatusCode, page: String) -> AxumResponse {
    (
        status,
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        page,
    )
        .into_response()
}

/// A page that says how long to wait after too many failed attempts.
fn throttled_html(page: String, wait: Duration) -> AxumResponse {
    retry_later(html(StatusCode::TOO_MANY_REQUESTS, page), wait)
}

/// A page that says that nothing was checked, since there is too much to do.
fn busy_html(page: String) -> AxumResponse {
    retry_later(html(StatusCode::SERVICE_UNAVAILABLE, page), SHORTLY)
}

fn retry_later(mut response: AxumResponse, after: Duration) -> AxumResponse {
    let seconds = HeaderValue::from(ui::whole_seconds(after));
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

pub(crate) fn see_other(location: &str) -> AxumResponse {
    (
        StatusCode::SEE_OTHER,
        [(header::LOCATION, header_value(location))],
    )
        .into_response()
}

pub(crate) fn with_cookie(mut response: AxumResponse, cookie: HeaderValue) -> AxumResponse {
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

/// The largest form of ours, bytes.
pub const MAX_BODY: u64 = 64 * 1024;
/// Requests that wait for the pages; beyond, 503.
const WAITING: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(30);
/// A queue of passwords is checked by then.
const SHORTLY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_to_come_again_is_told_when() {
        let busy = busy_html(String::new());
        assert_eq!(
            (busy.status(), &busy.headers()["retry-after"]),
            (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from(5))
        );
        let slowed = throttled_html(String::new(), Duration::from_millis(1500));
        assert_eq!(
            (slowed.status(), &slowed.headers()["retry-after"]),
            (StatusCode::TOO_MANY_REQUESTS, &HeaderValue::from(2))
        );
    }
}
