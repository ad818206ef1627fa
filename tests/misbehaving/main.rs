//! Upstreams that misbehave: what becomes of their answers, and of their sockets.
//!
//! Each case is a script for a raw upstream, a raw client, and what that client gets from labgate, to
//! the byte. The same cases run through nginx and `HAProxy`. `docs/misbehaving.md` has what all three
//! made of them; where labgate passes on what one of the two refuses, a case without a reason fails.

#![expect(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and need not be fast"
)]

mod answers;
mod case;
mod many;
mod page;
#[path = "../peers/mod.rs"]
mod peers;
mod proxy;
mod run;
mod sockets;
mod upstream;

#[path = "../e2e/support/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    clippy::expect_used,
    reason = "the other half of it is for tests/e2e"
)]
mod support;

use std::sync::Arc;

use crate::{case::Case, proxy::Proxy};

/// Every broken answer, and every answer to a WebSocket handshake.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_gets_of_broken_answers() {
    let groups = answers::all();
    let cases: Arc<[Case]> = groups.iter().flat_map(|(_, cases)| cases.clone()).collect();
    let (labgate, nginx, haproxy) = tokio::join!(
        run::all(Proxy::labgate, &cases),
        run::all(Proxy::nginx, &cases),
        run::all(Proxy::haproxy, &cases),
    );
    let rows = cases.iter().zip(&labgate).zip(nginx.iter().zip(&haproxy));
    let rows = rows.map(|((case, ours), (nginx, haproxy))| page::Row {
        name: case.name,
        expected: case.labgate,
        cells: [ours.clone(), nginx.clone(), haproxy.clone()],
        reason: case.reason,
    });
    page::hold("answers", &named(&groups), &rows.collect::<Vec<_>>());
}

/// Every odd frame, end and size of a WebSocket that is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_through_an_open_websocket() {
    let groups = sockets::all();
    let cases: Arc<[_]> = groups.iter().flat_map(|(_, cases)| cases.clone()).collect();
    let (labgate, nginx, haproxy) = tokio::join!(
        sockets::run::all(Proxy::labgate, &cases),
        sockets::run::all(Proxy::nginx, &cases),
        sockets::run::all(Proxy::haproxy, &cases),
    );
    let rows = cases.iter().zip(&labgate).zip(nginx.iter().zip(&haproxy));
    let rows = rows.map(|((case, ours), (nginx, haproxy))| page::Row {
        name: case.name,
        expected: case.labgate,
        cells: [ours.clone(), nginx.clone(), haproxy.clone()],
        reason: case.reason,
    });
    page::hold("sockets", &named(&groups), &rows.collect::<Vec<_>>());
}

/// The titles of groups, with the number of cases in each.
fn named<T>(groups: &[(&'static str, Vec<T>)]) -> Vec<(&'static str, usize)> {
    let sizes = groups.iter().map(|(title, cases)| (*title, cases.len()));
    sizes.collect()
}
