//! labgate: an authenticating HTTP/WebSocket reverse proxy for data-science tools.
//!
//! The modules stand in the order in which a request meets them; `docs/architecture.md` walks one
//! request and one reload through them.

// The data path.
pub mod app;
pub mod auth;
pub mod client;
pub mod exchange;
pub mod gateway;
pub mod http;
pub mod listener;
pub mod policy;
pub mod reject;
pub mod rewrite;
pub mod route;
pub mod telemetry;
pub mod tunnel;
pub mod upstream;
pub mod verdict;
// State that the path asks.
pub mod identity;
pub mod session;
pub mod store;
// Control.
pub mod admin;
pub mod cli;
pub mod config;
pub mod explain;
pub mod pages;
pub mod runtime;
pub mod ui;
// Words that everybody uses.
pub mod clock;
pub mod secret;
pub mod wire;
