//! What operators read: the access log and the log of events.
//!
//! In: what happened. Out: one line each on stderr, for people on a terminal, as JSON elsewhere.
//! No line of any level holds a query string, a cookie, a token or a body. Access lines do not go
//! through `tracing`: a worker collects them and hands them over in batches (`access`).

pub mod access;
mod chain;
mod request_id;

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

pub use chain::chain;
pub use request_id::{RequestId, RequestIds};

/// How lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// For people on a terminal.
    Human,
    /// One JSON object per line.
    Json,
}

impl Format {
    /// Human on a terminal, JSON otherwise.
    pub fn for_stderr() -> Self {
        if stderr().is_terminal() {
            Self::Human
        } else {
            Self::Json
        }
    }
}

/// Installs the log of events, once per process. `filter` is the text of `LABGATE_LOG`
/// (`tracing-subscriber`'s `EnvFilter` syntax, default `info`).
pub fn init(
    format: Format,
    filter: Option<&str>,
) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(filter.unwrap_or("info"))?;
    let registry = tracing_subscriber::registry().with(filter);
    // A second call (tests in one process) keeps the first one's choice.
    drop(match format {
        Format::Human => registry
            .with(
                fmt::layer()
                    .with_writer(stderr)
                    .with_target(false)
                    .compact(),
            )
            .try_init(),
        Format::Json => registry
            .with(fmt::layer().json().flatten_event(true).with_writer(stderr))
            .try_init(),
    });
    Ok(())
}
