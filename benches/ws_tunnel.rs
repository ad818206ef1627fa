//! What does the tunnel cost per WebSocket message, both ways, over loopback TCP?
//!
//! One message there and back through `tunnel::relay` against the same without it, all on one
//! thread. The relay adds two reads and two writes of the kernel a round trip; act when a 125-byte
//! round trip costs more than twice the direct one, or 64 KiB more than three times.

#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot set itself up has nothing to say"
)]

use std::{
    future::pending,
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use labgate::tunnel::{Options, Side, relay};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    task::spawn_local,
    try_join,
};

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap());
    let (near, (far, _)) = try_join!(near, listener.accept()).unwrap();
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    (near, far)
}

/// Sends back every message of `len` bytes, unmasked.
async fn echo(mut io: TcpStream, masked_len: usize, answer: Vec<u8>) {
    let mut message = vec![0; masked_len];
    while io.read_exact(&mut message).await.is_ok() {
        io.write_all(&answer).await.unwrap();
    }
}

/// A binary frame with a payload of `len` zeros, masked by a zero key or not.
fn frame(len: usize, masked: bool) -> Vec<u8> {
    let mask = u8::from(masked) << 7;
    let mut frame = vec![0x82];
    match u8::try_from(len) {
        Ok(len) if len <= 125 => frame.push(mask | len),
        _ => {
            frame.push(mask | 0x7f);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.resize(frame.len() + usize::from(masked) * 4 + len, 0);
    frame
}

async fn round_trips(client: &mut TcpStream, len: usize, count: u64) -> Duration {
    let message = frame(len, true);
    let mut answer = frame(len, false);
    let started = Instant::now();
    for _ in 0..count {
        client.write_all(&message).await.unwrap();
        client.read_exact(&mut answer).await.unwrap();
    }
    black_box(answer);
    started.elapsed()
}

fn ws_tunnel(c: &mut Criterion) {
    for (name, len) in [("125", 125), ("64k", 64 * 1024)] {
        let mut group = c.benchmark_group(format!("ws_tunnel/{name}"));
        group.throughput(Throughput::Bytes(2 * len as u64));
        for relayed in [false, true] {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default());
            let runtime = runtime.unwrap();
            let mut client = runtime.block_on(async {
                let (client, client_io) = pair().await;
                let served = if relayed {
                    let (upstream, upstream_io) = pair().await;
                    spawn_local(async move {
                        let early = Bytes::new();
                        let (client, upstream) = (
                            Side {
                                io: client_io,
                                early: early.clone(),
                            },
                            Side {
                                io: upstream_io,
                                early,
                            },
                        );
                        relay(client, upstream, &Options::default(), pending(), || {}).await
                    });
                    upstream
                } else {
                    client_io
                };
                spawn_local(echo(served, frame(len, true).len(), frame(len, false)));
                client
            });
            let id = if relayed { "relay" } else { "direct" };
            group.bench_function(id, |b| {
                b.iter_custom(|count| runtime.block_on(round_trips(&mut client, len, count)));
            });
        }
    }
}

criterion_group!(benches, ws_tunnel);
criterion_main!(benches);
