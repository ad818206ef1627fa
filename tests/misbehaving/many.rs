//! Many tunnels, and tunnels at rest (SECURITY T88, T89).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

use crate::{
    case::{ACCEPT, HANDSHAKE, case, say},
    proxy::{HOST, Proxy},
    run::connect,
    support::{
        wire::{Framing, Wire},
        within,
    },
    upstream::Upstream,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tunnels_leave_plain_requests_their_speed() {
    let most = Rlimit {
        current: getrlimit(Resource::Nofile).maximum,
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, most).unwrap();
    let cases = Arc::from([case("a tunnel", [say(switch())])]);
    let upstream = Upstream::start(&cases).await;
    // Two, asked in turn, so that whatever else this machine does is the same for both.
    let crowded = Proxy::labgate(upstream.address);
    let empty = Proxy::labgate(upstream.address);
    let mut tunnels = Vec::new();
    for _ in 0..1000 {
        tunnels.push(tunnel(&crowded).await);
    }
    let (mut busy, mut free) = (connect(crowded.address).await, connect(empty.address).await);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..300 {
        with.push(ask(&mut busy).await);
        without.push(ask(&mut free).await);
    }
    with.sort();
    without.sort();
    let (with, without) = (with[150], without[150]);
    assert!(
        with < without * 2 + Duration::from_millis(1),
        "{with:?} with 1,000 tunnels, {without:?} without"
    );
    // None of them was given up for it.
    let mut last = tunnel(&crowded).await;
    for wire in tunnels.iter_mut().chain([&mut last]) {
        assert!(wire.early.is_empty());
        let more = timeout(Duration::ZERO, wire.fill()).await;
        assert!(more.is_err(), "a tunnel has ended");
    }
}

async fn tunnel(proxy: &Proxy) -> Wire {
    let mut wire = connect(proxy.address).await;
    let head = format!("GET /case/0 HTTP/1.1\r\nhost: {HOST}\r\n{HANDSHAKE}\r\n");
    wire.stream.write_all(head.as_bytes()).await.unwrap();
    let head = within("a tunnel", wire.head()).await.unwrap().unwrap();
    assert!(head.start.starts_with("HTTP/1.1 101 "), "{}", head.raw);
    wire
}

/// How long a plain request takes.
async fn ask(wire: &mut Wire) -> Duration {
    let begun = Instant::now();
    let request = format!("GET /good/plain HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    wire.stream.write_all(request.as_bytes()).await.unwrap();
    let head = within("an answer", wire.head()).await.unwrap().unwrap();
    let body = within("a body", wire.body(head.framing(Framing::Close))).await;
    assert_eq!(body.bytes, b"plain");
    begun.elapsed()
}

fn switch() -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         {ACCEPT}\r\n"
    )
}

#[tokio::test]
async fn a_tunnel_at_rest_is_pinged_and_the_pongs_go_no_further() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::labgate(listener.local_addr().unwrap());
    let (client, upstream) = tokio::join!(tunnel(&proxy), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            within("a handshake", stream.read_buf(&mut head))
                .await
                .unwrap();
        }
        stream.write_all(switch().as_bytes()).await.unwrap();
        stream
    });
    let mut upstream = upstream;
    let mut client = client.stream;

    let (to_client, to_upstream) = tokio::join!(ping(&mut client, 2), ping(&mut upstream, 6));

    assert_eq!((to_client[0], to_upstream[0]), (0x89, 0x89));
    assert_eq!(to_client[1] & 0x80, 0, "ours to a client is not masked");
    assert_eq!(to_upstream[1] & 0x80, 0x80, "ours to an upstream is");
    let nonce = &to_client[2..];
    let pong = [&[0x8a, 0x80 | to_client[1], 0, 0, 0, 0], nonce].concat();
    // The pong of our ping, one that is the client's own, and data.
    let own = b"\x8a\x83\0\0\0\0own\x81\x84\0\0\0\0data";
    client.write_all(&[&pong[..], own].concat()).await.unwrap();
    let mut seen = vec![0; own.len()];
    within("the client's bytes", upstream.read_exact(&mut seen))
        .await
        .unwrap();
    assert_eq!(seen, own);

    let (mask, masked) = to_upstream[2..].split_at(4);
    let nonce = masked
        .iter()
        .zip(mask.iter().cycle())
        .map(|(byte, key)| byte ^ key);
    let pong = [vec![0x8a, to_upstream[1] & 0x7f], nonce.collect()].concat();
    let own = b"\x8a\x03own\x81\x04data";
    upstream
        .write_all(&[&pong[..], own].concat())
        .await
        .unwrap();
    let mut seen = vec![0; own.len()];
    within("the upstream's bytes", client.read_exact(&mut seen))
        .await
        .unwrap();
    assert_eq!(seen, own);
}

/// The next frame, whose header is so long.
async fn ping(stream: &mut (impl tokio::io::AsyncRead + Unpin), header: usize) -> Vec<u8> {
    let mut frame = vec![0; header];
    let read = timeout(REST * 2, stream.read_exact(&mut frame)).await;
    read.expect("a ping").unwrap();
    let length = usize::from(frame[1] & 0x7f);
    let mut payload = vec![0; length];
    within("its payload", stream.read_exact(&mut payload))
        .await
        .unwrap();
    [frame, payload].concat()
}

/// After how much silence there is a ping.
const REST: Duration = Duration::from_secs(25);
