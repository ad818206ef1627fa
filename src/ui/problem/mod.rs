//! What each refusal says: status, name, words, whose turn it is. Fixed texts; what a stranger
//! wrote (address, names of fields) stands among the facts, shortened.
//!
//! The statuses are those of RFC 9110 §15.5 and §15.6, and RFC 6585 (429, 431).

mod texts;

use std::time::Duration;

use http::StatusCode;

use self::texts::Texts;
use super::{
    error::{Action, ErrorPage},
    words::{excerpt, size_words},
};

/// Why a request is not answered as it wished.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Problem {
    /// 414
    AddressTooLong,
    /// 400. Which rule the request breaks: "it was refused because …".
    BadRequest(&'static str),
    /// 413: the body is larger than the route takes.
    BodyTooLarge {
        /// `max_body`, bytes.
        limit: u64,
    },
    /// 503: a limit of the whole installation is reached.
    Busy,
    /// 403: another site made the browser ask (`auth` has the rules).
    CrossSite,
    /// 403: signed in, and policy says no.
    Denied {
        /// Who asked; `None` where policy decided without a user, say by network.
        user: Option<String>,
        /// Title of the route.
        tool: String,
    },
    /// 403: a form without its anti-forgery value, or with one of somebody else.
    FormRefused,
    /// 431: the head of the request is too large.
    HeaderTooLarge {
        /// `max_header_bytes`.
        limit: u64,
        /// Names and sizes (bytes) of the largest fields, largest first.
        fields: Vec<(String, u64)>,
    },
    /// 500: our own mistake.
    Internal,
    /// 410: a one-time link that was used, has expired, or never was.
    LinkGone,
    /// 405
    MethodNotAllowed {
        /// As in `Allow`: `GET, HEAD`.
        allow: &'static str,
    },
    /// 404: no route, or one that this user must not learn of.
    NotFound,
    /// 408: the body did not come.
    RequestTimeout,
    /// 503: we are about to stop.
    ShuttingDown,
    /// 401, where we cannot redirect: a frame, a form, a program.
    SignInRequired {
        /// Absolute URL of the sign-in page, with `return`.
        sign_in: String,
    },
    /// 502: the tool's answer is no HTTP, or broke off before its body.
    ToolBadAnswer {
        /// Title of the route.
        tool: String,
    },
    /// 503: the route's queue for connections is full.
    ToolBusy {
        /// Title of the route.
        tool: String,
    },
    /// 504: no answer in time.
    ToolTimeout {
        /// Title of the route.
        tool: String,
        /// How long we waited.
        after: Duration,
    },
    /// 502: no connection to the tool.
    ToolUnreachable {
        /// Title of the route.
        tool: String,
    },
    /// 502: who answers in the tool's place cannot show that it is the tool.
    ToolUntrusted {
        /// Title of the route.
        tool: String,
    },
    /// 431: too many header fields.
    TooManyFields {
        /// `max_headers`.
        limit: u64,
    },
    /// 429
    TooManyRequests {
        /// Also in `Retry-After`.
        retry_after: Duration,
    },
    /// 421: a host that no route has.
    UnknownHost,
}

/// What a page says besides the problem itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Circumstances {
    /// What to quote; stands in the log.
    pub request_id: String,
    /// What was asked for, as `host/path`, without query. Shortened here; never shown with
    /// [`Problem::UnknownHost`].
    pub address: Option<String>,
    /// Absolute URL of the home page.
    pub home: String,
}

impl Problem {
    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::AddressTooLong => StatusCode::URI_TOO_LONG,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy | Self::ShuttingDown | Self::ToolBusy { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::CrossSite | Self::Denied { .. } | Self::FormRefused => StatusCode::FORBIDDEN,
            Self::HeaderTooLarge { .. } | Self::TooManyFields { .. } => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::LinkGone => StatusCode::GONE,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::SignInRequired { .. } => StatusCode::UNAUTHORIZED,
            Self::ToolBadAnswer { .. }
            | Self::ToolUnreachable { .. }
            | Self::ToolUntrusted { .. } => StatusCode::BAD_GATEWAY,
            Self::ToolTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
        }
    }

    /// The name for programs; stays the same from version to version.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AddressTooLong => "address_too_long",
            Self::BadRequest(_) => "bad_request",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::Busy => "busy",
            Self::CrossSite => "cross_site",
            Self::Denied { .. } => "not_allowed",
            Self::FormRefused => "form_refused",
            Self::HeaderTooLarge { .. } => "header_too_large",
            Self::Internal => "internal",
            Self::LinkGone => "link_gone",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::NotFound => "not_found",
            Self::RequestTimeout => "request_timeout",
            Self::ShuttingDown => "shutting_down",
            Self::SignInRequired { .. } => "sign_in_required",
            Self::ToolBadAnswer { .. } => "tool_bad_answer",
            Self::ToolBusy { .. } => "tool_busy",
            Self::ToolTimeout { .. } => "tool_timeout",
            Self::ToolUnreachable { .. } => "tool_unreachable",
            Self::ToolUntrusted { .. } => "tool_untrusted",
            Self::TooManyFields { .. } => "too_many_fields",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::UnknownHost => "unknown_host",
        }
    }

    /// What `Retry-After` says, by [`super::whole_seconds`]; `None` where waiting helps nobody, or
    /// nobody knows for how long.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyRequests { retry_after } => Some(*retry_after),
            Self::Busy | Self::ToolBusy { .. } => Some(QUEUE_MOVES),
            Self::ShuttingDown => Some(RESTART),
            _ => None,
        }
    }

    /// The whole error, for [`super::error()`] and [`super::error_json`].
    pub fn page(&self, circumstances: &Circumstances) -> ErrorPage {
        let Circumstances {
            request_id,
            address,
            home,
        } = circumstances;
        let Texts {
            heading,
            what,
            turn,
            hint,
        } = self.texts();
        let shown = address.as_ref().filter(|_| *self != Self::UnknownHost);
        let mut facts: Vec<_> = shown
            .map(|text| ("Address", excerpt(text)))
            .into_iter()
            .collect();
        facts.extend(self.facts());
        ErrorPage {
            status: self.status(),
            code: self.code(),
            heading: heading.to_owned(),
            what,
            turn,
            hint,
            action: self.action(home),
            facts,
            sign_in: match self {
                Self::SignInRequired { sign_in } => Some(sign_in.clone()),
                _ => None,
            },
            request_id: request_id.clone(),
        }
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Denied {
                user: Some(user), ..
            } => vec![("You are", excerpt(user))],
            Self::HeaderTooLarge { fields, .. } => fields
                .iter()
                .take(FIELDS_SHOWN)
                .map(|(name, size)| ("Field", format!("{}: {}", excerpt(name), size_words(*size))))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn action(&self, home: &str) -> Option<Action> {
        match self {
            Self::SignInRequired { sign_in } => Some(Action::sign_in(sign_in.clone())),
            // Home asks for the sign-in where it is needed.
            Self::LinkGone => Some(Action::sign_in(home.to_owned())),
            Self::Busy
            | Self::HeaderTooLarge { .. }
            | Self::Internal
            | Self::RequestTimeout
            | Self::ShuttingDown
            | Self::ToolBadAnswer { .. }
            | Self::ToolBusy { .. }
            | Self::ToolTimeout { .. }
            | Self::ToolUnreachable { .. }
            | Self::ToolUntrusted { .. }
            | Self::TooManyFields { .. }
            | Self::TooManyRequests { .. } => Some(Action::retry()),
            Self::AddressTooLong
            | Self::BadRequest(_)
            | Self::BodyTooLarge { .. }
            | Self::CrossSite
            | Self::Denied { .. }
            | Self::FormRefused
            | Self::MethodNotAllowed { .. }
            | Self::NotFound => Some(Action::home(home.to_owned())),
            // There is no host to go to.
            Self::UnknownHost => None,
        }
    }
}

/// How many large fields a page lists.
const FIELDS_SHOWN: usize = 5;
/// When a full queue is worth another try.
const QUEUE_MOVES: Duration = Duration::from_secs(2);
/// When a restart is probably over.
const RESTART: Duration = Duration::from_secs(5);
