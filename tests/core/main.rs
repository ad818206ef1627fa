//! The server in this process, at its edges: how it stops, whom it lets go, how long it waits.
//!
//! Nothing here needs a browser or a real tool. The tool is [`tool::Tool`], a few canned answers on a
//! socket; clients write bytes, or frames by hyper.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod explain;
mod floods;
#[expect(dead_code, reason = "shared with the end-to-end tests")]
#[path = "../e2e/support/frames.rs"]
mod frames;
mod http1;
mod http2;
mod lab;
mod pages;
mod raw;
mod reloading;
mod stopping;
mod tool;
mod wire;
