//! End-to-end tests: the shipped binary between a client and a tool that record everything.
//!
//! One file per area; `T..` in a comment is the case of the list of attacks that a test holds.
//! Security tests come in pairs: what must pass, and the nearest thing that must not.

#![expect(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and need not be fast"
)]

mod admin;
mod aliases;
mod audit;
mod cross_site;
mod endings;
mod errors;
mod forged;
mod guessing;
mod handover;
mod header_rules;
mod http2_limits;
mod http2_tunnels;
mod identity_headers;
mod listeners;
mod logs;
mod operators;
mod passwords;
mod paths;
mod protocol;
mod quickstart;
mod returns;
mod rules;
mod sessions;
mod signals;
mod support;
mod tabs;
mod tls_site;
mod tunnels;
mod upstreams;
