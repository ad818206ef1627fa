//! What can go wrong between us and an upstream, in words for the operator.

use std::{io, time::Duration};

/// Why there is no answer, or not all of it. Each text is one sentence about this level; the cause
/// follows as source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// As many requests as allowed are running, and the queue is full or did not move in time.
    #[error("{target} is busy: {active} requests are running and none ended in time")]
    Busy {
        /// Where to.
        target: String,
        /// Requests that are running.
        active: usize,
    },
    /// The connection ended before an answer came. The request may have had its effect.
    #[error("connection to {target} closed before an answer came")]
    Closed {
        /// Where to.
        target: String,
        /// What hyper saw.
        source: hyper::Error,
    },
    /// No connection.
    #[error("{}", no_connection(target, source))]
    Connect {
        /// Where to.
        target: String,
        /// Of the last address tried.
        source: io::Error,
    },
    /// No connection within the limit.
    #[error("connecting to {target} took more than {}", seconds(*limit))]
    ConnectTimeout {
        /// Where to.
        target: String,
        /// `connect_timeout`
        limit: Duration,
    },
    /// The answer broke off in the middle of its body.
    #[error("answer of {target} broke off")]
    Cut {
        /// Where to.
        target: String,
        /// What hyper saw.
        source: hyper::Error,
    },
    /// The name has no address.
    #[error("no address is known for {target}")]
    Lookup {
        /// Where to.
        target: String,
        /// The resolver's word.
        source: io::Error,
    },
    /// The route has no target: a fault of ours, since no configuration has such a route.
    #[error("there is no target")]
    NoTarget,
    /// The upstream does not speak HTTP as it should.
    #[error("{target} {what}")]
    Protocol {
        /// Where to.
        target: String,
        /// What it did, as a verb.
        what: &'static str,
        /// What hyper saw, if it was hyper.
        source: Option<hyper::Error>,
    },
    /// The client's request body failed; the upstream is not to blame.
    #[error("request body for {target} broke off")]
    RequestBody {
        /// Where to.
        target: String,
        /// The body's own error.
        source: hyper::Error,
    },
    /// No answer within the limit.
    #[error("{target} did not answer within {}", seconds(*limit))]
    ResponseTimeout {
        /// Where to.
        target: String,
        /// `response_timeout`
        limit: Duration,
    },
    /// No byte of the answer's body within the limit.
    #[error("answer of {target} stalled for {}", seconds(*limit))]
    Stalled {
        /// Where to.
        target: String,
        /// `stall_timeout`
        limit: Duration,
    },
    /// The other end could not show that it is the upstream, or speaks no TLS.
    #[error("TLS handshake with {target} failed")]
    Tls {
        /// Where to.
        target: String,
        /// What rustls says.
        source: io::Error,
    },
}

impl Error {
    /// Whether no connection could be had: nobody is there, or nobody whom we may talk to.
    pub const fn is_away(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::ConnectTimeout { .. }
                | Self::Lookup { .. }
                | Self::Tls { .. }
        )
    }
}

fn no_connection(target: &str, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::ConnectionRefused => format!("connection to {target} refused"),
        io::ErrorKind::NotFound => format!("{target} does not exist"),
        io::ErrorKind::PermissionDenied => format!("connection to {target} not permitted"),
        _ => format!("no connection to {target}"),
    }
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f32())
}
