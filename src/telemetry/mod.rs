//! What operators read: the access log, the audit log, the log of events, and numbers.
//!
//! In: what happened. Out: one line each on stderr, for people on a terminal, as JSON elsewhere.
//! No line of any level holds a query string, a cookie, a token or a body. Access lines do not go
//! through `tracing`: a worker collects them and hands them over in batches (`access`); nor do those
//! of the audit log, which can have a file of its own (`audit`).

pub mod access;
pub mod audit;
mod chain;
pub mod meter;
mod process;
pub mod prometheus;
mod request_id;
mod seldom;
mod sign_ins;

use std::io::{IsTerminal, stderr};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

pub use chain::chain;
pub use process::Process;
pub use request_id::{RequestId, RequestIds};
pub use seldom::Seldom;
pub use sign_ins::{SignIn, SignIns};

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
                    .compact()
                    .with_filter(filter_fn(may_be_told)),
            )
            .try_init(),
        Format::Json => registry
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(stderr)
                    .with_filter(filter_fn(may_be_told)),
            )
            .try_init(),
    });
    Ok(())
}

/// Below info only our own words: other crates quote there what a client wrote (h2 a malformed path,
/// with its query), and no filter of an operator may let a secret out (SECURITY T82).
fn may_be_told(metadata: &Metadata<'_>) -> bool {
    let ours = metadata.target().strip_prefix("labgate");
    *metadata.level() <= Level::INFO
        || ours.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::{Context, Layer};

    use super::*;

    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<String>>>);

    impl<S: tracing::Subscriber> Layer<S> for Told {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            let mut told = self.0.lock().unwrap();
            told.push(event.metadata().target().to_owned());
        }
    }

    #[test]
    fn other_crates_say_nothing_below_info() {
        let told = Told::default();
        let subscriber = tracing_subscriber::registry()
            .with(EnvFilter::new("trace"))
            .with(told.clone().with_filter(filter_fn(may_be_told)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "h2::server", "malformed path (/?token=x)");
            tracing::trace!(target: "labgatex", "not ours");
            tracing::debug!(target: "labgate::listener", "ours");
            tracing::warn!(target: "h2", "for the operator");
        });
        assert_eq!(*told.0.lock().unwrap(), ["labgate::listener", "h2"]);
    }
}
