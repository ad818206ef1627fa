//! What does it cost to find a session by its cookie, when a worker's own cache does not have it?
//!
//! From the cookie's text to the session: parse, SHA-256, one map look-up, the clock. Act when a hit
//! with 10,000 sessions costs over 1 µs, or over 1.5 times a hit with one: then the map or the hash
//! is wrong. `miss` is what a stranger with made-up cookies can make us do.

#![expect(clippy::unwrap_used, reason = "a bench")]

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use labgate::{
    clock::Clock,
    config,
    http::site::Host,
    session::{Device, SessionToken, Sessions, User},
    store::{StateDir, Store},
};

fn session_lookup(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let host: Host = "lab.example.org".parse().unwrap();
    let mut group = criterion.benchmark_group("session_lookup");
    let state = tempfile::tempdir().unwrap();
    let sessions = open(state.path());
    let mut cookies = Vec::new();
    for count in [1, 10_000] {
        while cookies.len() < count {
            let missing = count.saturating_sub(cookies.len()).min(500);
            let first = cookies.len();
            // At once, so that they share an fsync.
            let names =
                (first..first.saturating_add(missing)).map(|number| format!("user{number}"));
            let sign_ins = names.map(|name| sessions.sign_in(user(name), &host, device()));
            let tokens = runtime.block_on(futures_util::future::join_all(sign_ins));
            cookies.extend(tokens.into_iter().map(|token| token.unwrap().expose()));
        }
        let mut next = cookies.iter().cycle();
        group.bench_function(format!("hit/{count}_sessions"), |bencher| {
            bencher.iter(|| {
                let cookie = next.next().unwrap();
                let token = SessionToken::parse(black_box(cookie).as_bytes()).unwrap();
                sessions.find(&token, &host).unwrap()
            });
        });
    }
    group.bench_function("miss", |bencher| {
        let cookie = "A".repeat(SessionToken::TEXT_LEN);
        bencher.iter(|| {
            let token = SessionToken::parse(black_box(&cookie).as_bytes()).unwrap();
            assert!(sessions.find(&token, &host).is_none());
        });
    });
    group.finish();
}

fn open(state: &std::path::Path) -> Arc<Sessions> {
    let store = Store::open(&StateDir::open(state).unwrap()).unwrap();
    let limits = config::Session {
        idle: Duration::from_secs(3600),
        lifetime: Duration::from_secs(3600),
    };
    Arc::new(Sessions::open(store, Clock::default(), &limits).unwrap())
}

fn user(name: String) -> User {
    User {
        provider: "bench".into(),
        subject: name.clone(),
        name,
        email: None,
        groups: Vec::new(),
        voucher: None,
    }
}

fn device() -> Device {
    Device::new([127, 0, 0, 1].into(), "bench")
}

criterion_group!(benches, session_lookup);
criterion_main!(benches);
