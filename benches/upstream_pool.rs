//! What does a pooled request cost beside hyper's own connection?
//!
//! A small GET to a canned answer over loopback, by `upstream::Pool` and by a bare
//! `client::conn::http1`, all on one thread. Act when the pool adds more than a microsecond.

#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot set itself up has nothing to say"
)]

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{Request, header::HOST};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use labgate::{
    config::Upstream,
    upstream::{Options, Pool, Roots, Targets, Timeouts},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions, LocalRuntime},
    task::spawn_local,
};

fn runtime() -> LocalRuntime {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap()
}

/// Answers whatever comes in one read; gives its port.
async fn origin() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn_local(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            spawn_local(async move {
                let mut head = [0; 1024];
                while io.read(&mut head).await.is_ok_and(|len| len > 0) {
                    io.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                        .await
                        .unwrap();
                }
            });
        }
    });
    port
}

fn request() -> Request<Empty<Bytes>> {
    let request = Request::get("/api/status").header(HOST, "lab.example.org");
    let request = request
        .header("accept", "*/*")
        .header("x-forwarded-for", "127.0.0.1");
    request.body(Empty::new()).unwrap()
}

async fn pooled(pool: &Pool<Empty<Bytes>>, target: &Targets, count: u64) -> Duration {
    let timeouts = Timeouts {
        connect: Duration::from_secs(5),
        idle: Duration::from_secs(60),
        response: None,
        stall: None,
    };
    let told = Cell::new(None);
    let started = Instant::now();
    for _ in 0..count {
        let response = pool
            .send(target, request(), &timeouts, &told)
            .await
            .unwrap();
        response.into_body().collect().await.unwrap();
    }
    started.elapsed()
}

async fn bare(sender: &mut http1::SendRequest<Empty<Bytes>>, count: u64) -> Duration {
    let started = Instant::now();
    for _ in 0..count {
        sender.ready().await.unwrap();
        let response = sender.send_request(request()).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    started.elapsed()
}

fn upstream_pool(c: &mut Criterion) {
    let mut group = c.benchmark_group("upstream_pool");
    let on = runtime();
    let mut sender = on.block_on(async {
        let io = TcpStream::connect(("127.0.0.1", origin().await))
            .await
            .unwrap();
        io.set_nodelay(true).unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(io)).await.unwrap();
        spawn_local(connection);
        sender
    });
    group.bench_function("bare", |b| {
        b.iter_custom(|count| on.block_on(bare(&mut sender, count)));
    });
    let on = runtime();
    let pool = Pool::new(Options {
        max_active: 100,
        max_idle: 100,
        max_age: Duration::from_secs(600),
        max_waiting: 100,
        max_wait: Duration::from_secs(10),
    });
    let host = "127.0.0.1".to_owned();
    let port = on.block_on(origin());
    let upstream = Upstream::Http { host, port };
    let target = Targets::new(&[upstream], None, &mut Roots::default()).unwrap();
    group.bench_function("hit", |b| {
        b.iter_custom(|count| on.block_on(pooled(&pool, &target, count)));
    });
}

criterion_group!(benches, upstream_pool);
criterion_main!(benches);
