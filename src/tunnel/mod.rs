//! Tunnels an upgraded connection (WebSocket) between client and upstream.
//!
//! In: both sides' streams with the bytes already read from them, and a future that says when to
//! stop. Out: bytes both ways until a side closes or the tunnel is stopped, then a [`Summary`].
//! Payloads are never read; a [`Scanner`] per direction knows where frames end, and there alone a
//! ping or a close frame of ours may stand.
//! Not here: the handshake (`upstream`, `rewrite`), the `Origin` check (`auth`).
//! RFC 6455 §5 (frames), §7 (closing).

mod control;
mod filter;
mod lane;
#[cfg(test)]
mod reference;
mod relay;
mod scanner;
mod scratch;
mod stream;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;

pub use self::{
    relay::relay,
    scanner::{Scanner, Sender, Step},
    stream::Stream,
};

/// One end of a tunnel.
#[derive(Debug)]
pub struct Side<IO> {
    /// The stream, after the 101.
    pub io: IO,
    /// What was already read from it after the 101; delivered before anything else.
    pub early: Bytes,
}

/// The limits of a tunnel.
#[derive(Clone, Debug)]
pub struct Options {
    /// A side to which nothing was sent for this long gets a ping, so that no balancer on the way
    /// takes the tunnel for dead.
    pub ping_after: Duration,
    /// How long a stop waits for the end of a frame and for the sides to answer.
    pub close_wait: Duration,
    /// A side that takes no byte of what waits for it for this long ends the tunnel.
    pub write_timeout: Duration,
    /// After one side has ended, how long the other may say nothing before it ends too.
    pub half_close_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ping_after: Duration::from_secs(25),
            close_wait: Duration::from_secs(1),
            write_timeout: Duration::from_secs(15 * 60),
            half_close_timeout: Duration::from_secs(30),
        }
    }
}

/// Why we end a tunnel, or anything else that is under way, ourselves.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stop {
    /// The configuration has no such route any more, or not for this user.
    RouteGone,
    /// The session expired, was revoked or signed out.
    SessionEnded,
    /// We are stopping.
    ShuttingDown,
}

impl Stop {
    /// The status code of the close frame (RFC 6455 §7.4.1).
    pub const fn code(self) -> u16 {
        match self {
            Self::RouteGone | Self::ShuttingDown => 1001,
            Self::SessionEnded => 1008,
        }
    }

    /// The reason in the close frame; for people who look into their browser's console.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::RouteGone => "route gone",
            Self::SessionEnded => "session ended",
            Self::ShuttingDown => "shutting down",
        }
    }
}

/// Who ended a tunnel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndedBy {
    /// The client, by closing or failing.
    Client,
    /// Nobody: a side took no bytes for [`Options::write_timeout`].
    Stall,
    /// We did.
    Stop(Stop),
    /// The upstream, by closing or failing.
    Upstream,
}

impl EndedBy {
    /// In the audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Stall => "stalled",
            Self::Stop(Stop::RouteGone) => "route-gone",
            Self::Stop(Stop::SessionEnded) => "session-ended",
            Self::Stop(Stop::ShuttingDown) => "shutting-down",
            Self::Upstream => "upstream",
        }
    }
}

/// What happened in a tunnel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Summary {
    /// Bytes read from the client, frame headers included.
    pub from_client: u64,
    /// Bytes read from the upstream, frame headers included.
    pub from_upstream: u64,
    /// Who ended first.
    pub ended: EndedBy,
}
