//! What the tests stand on: [`Lab`] (the shipped binary in a folder of its own), [`Origin`] (an
//! upstream that records what reached it), [`Browser`] (cookie jar, redirects by hand), [`raw`]
//! (bytes on a socket, for what no good client sends) and [`certs`].
//!
//! Everything is on loopback with ports that the system picks, and every wait has a deadline.

pub(crate) mod browser;
pub(crate) mod certs;
pub(crate) mod exposition;
pub(crate) mod frames;
pub(crate) mod http2;
pub(crate) mod lab;
pub(crate) mod origin;
pub(crate) mod raw;
pub(crate) mod wire;

use std::{future::Future, time::Duration};

pub(crate) use browser::{Browser, Request};
pub(crate) use lab::Lab;
pub(crate) use origin::{Answer, Origin, Seen};

/// How long a test waits for anything. Far above what is needed: it only turns a hang into a
/// failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// How long streams may outlive their session (DESIGN.md: two seconds), and a bit for a busy
/// machine.
pub(crate) const GRACE: Duration = Duration::from_secs(3);

/// Awaits `future`, or fails the test after [`DEADLINE`] naming `what` did not happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

/// Runs `future` beside the test.
#[expect(clippy::disallowed_methods, reason = "a test's runtime ends its tasks")]
pub(crate) fn spawn(
    future: impl Future<Output = ()> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(future)
}
