//! Connections to upstreams: pooled for requests, one of its own for each WebSocket.
//!
//! In: a route's targets and a request that is ready to go. Out: the answer with a streaming body, or
//! a bare stream after a 101. Each worker thread has its own [`Pool`]; nothing here is shared
//! between threads, and no request allocates for the pool's sake when a connection is at hand.
//! Not here: what a request says (`rewrite`), which upstream it goes to (`route`).
//! RFC 9112 §9 (connections), RFC 9110 §9.2.2 (repeating), RFC 6455 §4 (handshake).

mod balance;
mod body;
mod connection;
mod dial;
mod error;
mod framing;
mod health;
mod link;
mod names;
mod pool;
mod rack;
mod replay;
mod slots;
mod tally;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod websocket;

use std::time::Duration;

pub use self::{
    body::UpstreamBody,
    connection::RequestBody,
    error::Error,
    pool::Pool,
    rack::{TargetState, Tunnel},
    target::{BadTarget, Targets},
    tls::{BadRoots, Roots},
    websocket::Upgraded,
};

/// The bounds of a pool; they hold for each target by itself.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Requests that may run at a time. Tunnels do not count.
    pub max_active: usize,
    /// Connections kept idle.
    pub max_idle: usize,
    /// A connection is not used again when it is older than this.
    pub max_age: Duration,
    /// Requests that may wait for another to end.
    pub max_waiting: usize,
    /// How long they may.
    pub max_wait: Duration,
}

/// The limits of one request.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Opening a connection, name look-up and TLS handshake included.
    pub connect: Duration,
    /// How long the connection may be kept idle afterwards; less than the upstream itself keeps
    /// it, so that we are the first to close.
    pub idle: Duration,
    /// From the end of the request to the head of its answer.
    pub response: Option<Duration>,
    /// Between bytes of the answer's body, while somebody wants them.
    pub stall: Option<Duration>,
}
