//! Every refusal and failure, and the answer that it becomes: a page for people, JSON for programs.
//!
//! In: a [`Reject`]. Out: a complete response. The client reads fixed words and the request id; the
//! cause goes to the access log. Not here: the words and looks of a page (`ui`).

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderValue, Response,
    header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE},
};

use crate::{
    app::scrub,
    auth::{cors, origin::CrossSiteRefusal},
    http::{gate::Refusal, redirect::Redirect, site::PublicUrl},
    rewrite,
    route::{BadPath, NotFound, own},
    runtime::{Route, Runtime},
    telemetry::RequestId,
    tunnel::Stop,
    ui::{self, Circumstances, Framing, Problem},
    upstream,
};

/// Why a request is not answered by the tool.
#[derive(Debug, thiserror::Error)]
pub enum Reject {
    /// A request cannot be made into one for the upstream: a fault of ours.
    #[error("the request cannot be passed on")]
    Forward(#[from] rewrite::BadRequest),
    /// A path that could be read in two ways.
    #[error("path refused")]
    BadPath(#[from] BadPath),
    /// The client's body broke off or is framed wrongly.
    #[error("the request body broke off or is malformed")]
    BadRequestBody,
    /// Our own pages have too much to do.
    #[error("our own pages have too much to do")]
    Busy,
    /// A cross-site request with our cookie as credential.
    #[error("cross-site request refused")]
    CrossSite(#[from] CrossSiteRefusal),
    /// Signed in, but policy says no.
    #[error("denied by policy")]
    Denied {
        /// Who asked.
        user: Option<String>,
    },
    /// The head gate refused the head.
    #[error("request head refused: {0:?}")]
    Head(Refusal),
    /// The client sent nothing of its body for too long.
    #[error("the request body did not come")]
    Late,
    /// A fault of ours: a panic, or the control runtime does not answer.
    #[error("internal fault: {0}")]
    Internal(&'static str),
    /// No route has this path.
    #[error("no route")]
    NotFound,
    /// An answer that is a redirect.
    #[error("redirected")]
    Redirect(Redirect),
    /// The tool's page could not be kept free of its token.
    #[error("the tool's page cannot be passed on")]
    Scrub(#[source] scrub::Error<upstream::Error>),
    /// A credential is needed.
    #[error("sign-in required")]
    SignIn(SignIn),
    /// Ended by us while it waited.
    #[error("ended: {0:?}")]
    Stopped(Stop),
    /// The body is longer than the limit.
    #[error("request body longer than {limit} bytes")]
    TooLarge {
        /// `max_body` of the route, or ours for our own forms.
        limit: u64,
    },
    /// The user has as many streams open as `max_streams_per_user` allows.
    #[error("too many streams of one user")]
    TooManyStreams,
    /// A host that is not ours.
    #[error("unknown host")]
    UnknownHost,
    /// The upstream failed.
    #[error("upstream failed")]
    Upstream(#[source] upstream::Error),
}

/// How a visitor without a session is told.
#[derive(Debug)]
pub struct SignIn {
    /// The sign-in page with its return target; an absolute URL.
    pub url: String,
    /// Whether the answer is shown to a person (a framed or POST navigation).
    pub page: bool,
}

/// What an answer needs to know of its request.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The configuration that the request began with.
    pub runtime: &'a Runtime,
    /// The site of the host that was asked.
    pub site: &'a PublicUrl,
    /// Whether the client's `Accept` names `text/html`.
    pub html: bool,
    /// Whether the answer is shown in a frame.
    pub framed: bool,
    /// To quote.
    pub id: RequestId,
    /// `host/path` as asked, without query.
    pub address: String,
    /// What it matched.
    pub route: Option<&'a Route>,
    /// The page's origin, where nobody is signed in: it may read the answer if the route lists it.
    pub origin: Option<&'a HeaderValue>,
}

impl Reject {
    /// The whole answer, with its request id; its body is HTML, JSON or nothing.
    pub fn response(&self, asked: &Asked<'_>) -> Response<Bytes> {
        let mut response = match self {
            Self::Redirect(to) => redirect(to),
            _ => self.error(asked),
        };
        let headers = response.headers_mut();
        headers.insert("x-request-id", asked.id.header());
        if let Some(cors) = asked.route.and_then(|route| route.rules.cors()) {
            cors::answer(headers, asked.origin.and_then(|said| cors.find(said)));
        }
        response
    }

    /// What the audit log calls it, where policy or the cross-site rules refused.
    pub const fn refused(&self) -> Option<&'static str> {
        Some(match self {
            Self::CrossSite(CrossSiteRefusal::Form) => "cross-site-form",
            Self::CrossSite(CrossSiteRefusal::Load) => "cross-site-load",
            Self::CrossSite(CrossSiteRefusal::UnsafeMethod) => "cross-site-method",
            Self::CrossSite(CrossSiteRefusal::WebSocket) => "cross-site-websocket",
            Self::Denied { .. } => "denied",
            Self::SignIn(_) => "sign-in-required",
            _ => return None,
        })
    }

    fn error(&self, asked: &Asked<'_>) -> Response<Bytes> {
        let problem = self.problem(asked);
        let page = problem.page(&Circumstances {
            request_id: asked.id.to_string(),
            // In the place of a refused head stands a request of ours.
            address: (!matches!(self, Self::Head(_))).then(|| asked.address.clone()),
            home: own::home(asked.site),
        });
        let html = match self {
            Self::SignIn(sign_in) => sign_in.page,
            _ => asked.html,
        };
        let embed = asked.route.map(|route| &*route.config.headers.embed);
        let framing = if asked.framed {
            Framing::LikeTool(embed.unwrap_or_default())
        } else {
            Framing::Never
        };
        let look = &asked.runtime.look;
        let (kind, text) = if html {
            ("text/html; charset=utf-8", ui::error(look, &page))
        } else {
            ("application/json", ui::error_json(&page))
        };
        let mut response = Response::new(Bytes::from(text));
        *response.status_mut() = problem.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        ui::security_headers(headers, look, framing, asked.site.https);
        if let Some(after) = problem.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(ui::whole_seconds(after)));
        }
        if let Problem::MethodNotAllowed { allow } = problem {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if matches!(
            self,
            Self::BadRequestBody | Self::Head(_) | Self::Stopped(_)
        ) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// What people and programs are told. No `_` arm: a new reason cannot be forgotten.
    fn problem(&self, asked: &Asked<'_>) -> Problem {
        let tool = || {
            asked
                .route
                .map_or_else(|| "The tool".into(), |route| route.config.title.clone())
        };
        match self {
            Self::BadPath(error) => Problem::BadRequest(rule(*error)),
            Self::BadRequestBody => Problem::BadRequest(BROKEN_BODY),
            Self::Busy => Problem::Busy,
            Self::CrossSite(_) => Problem::CrossSite,
            Self::Denied { user } => Problem::Denied {
                user: user.clone(),
                tool: tool(),
            },
            Self::Head(refusal) => head_problem(refusal, asked.runtime),
            Self::Forward(_) | Self::Internal(_) | Self::Redirect(_) => Problem::Internal,
            Self::Late => Problem::RequestTimeout,
            Self::NotFound => Problem::NotFound,
            Self::Scrub(_) => Problem::ToolBadAnswer { tool: tool() },
            Self::SignIn(sign_in) => Problem::SignInRequired {
                sign_in: sign_in.url.clone(),
            },
            Self::Stopped(Stop::RouteGone) => Problem::Denied {
                user: None,
                tool: tool(),
            },
            Self::Stopped(Stop::SessionEnded) => Problem::SignInRequired {
                sign_in: own::home(asked.site),
            },
            Self::Stopped(Stop::ShuttingDown) => Problem::ShuttingDown,
            Self::TooLarge { limit } => Problem::BodyTooLarge { limit: *limit },
            Self::TooManyStreams => Problem::TooManyRequests {
                retry_after: Duration::from_secs(5),
            },
            Self::UnknownHost => Problem::UnknownHost,
            Self::Upstream(error) => upstream_problem(error, tool()),
        }
    }
}

impl From<NotFound> for Reject {
    fn from(error: NotFound) -> Self {
        match error {
            NotFound::BadPath(bad) => bad.into(),
            NotFound::NoRoute => Self::NotFound,
            NotFound::UnknownHost => Self::UnknownHost,
        }
    }
}

fn redirect(to: &Redirect) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = to.status;
    let headers = response.headers_mut();
    headers.insert(LOCATION, to.location.clone());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(cookie) = &to.cookie {
        headers.append(SET_COOKIE, cookie.clone());
    }
    response
}

fn head_problem(refusal: &Refusal, runtime: &Runtime) -> Problem {
    let limits = &runtime.limits;
    match refusal {
        Refusal::BadRequest(rule) => Problem::BadRequest(rule),
        Refusal::MethodNotAllowed => Problem::MethodNotAllowed { allow: ALL_METHODS },
        Refusal::HeaderTimeout => Problem::RequestTimeout,
        Refusal::HeaderTooLarge(fields) => Problem::HeaderTooLarge {
            limit: limits.max_header_bytes as u64,
            fields: fields
                .iter()
                .map(|field| (field.name.to_string(), field.bytes as u64))
                .collect(),
        },
        Refusal::TooManyHeaders => Problem::TooManyFields {
            limit: limits.max_headers as u64,
        },
        Refusal::UriTooLong => Problem::AddressTooLong,
    }
}

fn upstream_problem(error: &upstream::Error, tool: String) -> Problem {
    use upstream::Error;
    match error {
        Error::Busy { .. } => Problem::ToolBusy { tool },
        Error::Closed { .. } | Error::Cut { .. } | Error::Protocol { .. } => {
            Problem::ToolBadAnswer { tool }
        }
        Error::Connect { .. } | Error::Lookup { .. } | Error::NoTarget => {
            Problem::ToolUnreachable { tool }
        }
        Error::Tls { .. } => Problem::ToolUntrusted { tool },
        Error::ConnectTimeout { limit, .. }
        | Error::ResponseTimeout { limit, .. }
        | Error::Stalled { limit, .. } => Problem::ToolTimeout {
            tool,
            after: *limit,
        },
        // What became of our own body is told by `From<upstream::Error>`.
        Error::RequestBody { .. } => Problem::BadRequest(BROKEN_BODY),
    }
}

/// The rule that a path breaks, as a fragment for people.
const fn rule(path: BadPath) -> &'static str {
    match path {
        BadPath::Ambiguous => "its path means something else once it is decoded",
        BadPath::Backslash => "its path has a backslash",
        BadPath::Control => "its path has a control character",
        BadPath::DotSegment => "its path has a dot segment (. or ..)",
        BadPath::Fragment => "its path has a fragment (#)",
        BadPath::NotAbsolute => "its path does not start with a slash",
        BadPath::Percent => "its path has a % without two hexadecimal digits behind it",
    }
}

const BROKEN_BODY: &str = "its body broke off or is framed wrongly";
/// Any method but CONNECT and TRACE, really; the field takes names only (RFC 9110 §10.2.1).
const ALL_METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";
