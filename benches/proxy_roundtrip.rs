//! What does labgate add to a request, all in all?
//!
//! One keep-alive client, a `Server` with one worker and a minimal upstream, all in this process,
//! over loopback: a small GET to the upstream itself, through a public route, and through one that
//! needs a session; and 1 MiB, direct and through. Three threads wake each other, so only a quiet
//! machine with a core for each says anything. There, act when `public` takes over three times as
//! long as `direct` (it has twice the hops), `signed_in` over a tenth longer than `public`, or
//! `download_1MiB` over three times as long as `direct_1MiB`.
//!
//! The access log is written as in service, to `/dev/null`.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a bench that cannot set itself up has nothing to say"
)]

use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use labgate::{
    clock::Clock,
    config::{Config, load::parse_str},
    runtime::{Options, Server},
    session::{Device, Sessions, User},
    store::{StateDir, Store},
    telemetry::Format,
};

const MIB: usize = 1024 * 1024;

/// Answers each GET: 1 MiB where the path ends with `file`, two bytes elsewhere.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for io in listener.incoming() {
            thread::spawn(move || serve(io.unwrap()));
        }
    });
    address
}

fn serve(mut io: TcpStream) {
    io.set_nodelay(true).unwrap();
    let small = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec();
    let mut large = format!("HTTP/1.1 200 OK\r\ncontent-length: {MIB}\r\n\r\n").into_bytes();
    large.resize(large.len() + MIB, b'x');
    let mut head = Vec::new();
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = io.read(&mut bytes) {
        head.extend_from_slice(&bytes[..count]);
        if head.ends_with(b"\r\n\r\n") {
            let line = head.split(|byte| *byte == b'\r').next().unwrap();
            let answer = if line.ends_with(b"file HTTP/1.1") {
                &large
            } else {
                &small
            };
            io.write_all(answer).unwrap();
            head.clear();
        }
    }
}

/// A connection that is used again and again.
struct Client {
    io: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let io = TcpStream::connect(address).unwrap();
        io.set_nodelay(true).unwrap();
        Self {
            io,
            buffer: vec![0; 256 * 1024],
        }
    }

    /// One exchange. The body must be `length` bytes long.
    fn get(&mut self, request: &[u8], length: usize) {
        self.io.write_all(request).unwrap();
        let mut filled = 0;
        let end = loop {
            let count = self.io.read(&mut self.buffer[filled..]).unwrap();
            assert_ne!(count, 0, "the answer broke off");
            filled += count;
            if let Some(end) = memchr::memmem::find(&self.buffer[..filled], b"\r\n\r\n") {
                break end + 4;
            }
        };
        assert!(self.buffer.starts_with(b"HTTP/1.1 200"));
        let mut body = filled - end;
        while body < length {
            let count = self.io.read(&mut self.buffer).unwrap();
            assert_ne!(count, 0, "the body broke off");
            body += count;
        }
        assert_eq!(body, length);
    }
}

fn config(upstream: SocketAddr, state: &str) -> Config {
    parse_str(&format!(
        r#"
[server]
public_url = "http://lab.test"
state_dir = "{state}"
workers = 1
[[listener]]
name = "public"
address = "127.0.0.1:0"
[[route]]
name = "open"
path = "/open/"
upstream = "http://{upstream}"
access = "public"
[[route]]
name = "mine"
path = "/mine/"
upstream = "http://{upstream}"
access = "signed-in"
"#
    ))
    .unwrap()
}

/// A server, and the cookie of somebody who is signed in there.
fn server(config: Config) -> (Server, String) {
    let clock = Clock::default();
    let store = Store::open(&StateDir::open(&config.server.state_dir).unwrap()).unwrap();
    let ana = User {
        provider: "bench".to_owned(),
        subject: "ana".to_owned(),
        name: "ana".to_owned(),
        email: None,
        groups: Vec::new(),
        voucher: None,
    };
    let device = Device::new([127, 0, 0, 1].into(), "bench");
    let sessions = Sessions::open(Arc::clone(&store), clock.clone(), &config.session).unwrap();
    let host = &config.server.public_url.host;
    let token = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(sessions.sign_in(ana, host, device))
        .unwrap();
    let options = Options {
        clock,
        log_format: Format::Json,
        access_log: Some(Arc::new(File::create("/dev/null").unwrap())),
    };
    // It finds the session in the store, as after a restart.
    let server = Server::start_with(config, store, &options).unwrap();
    (server, format!("labgate={}", token.expose()))
}

fn proxy_roundtrip(criterion: &mut Criterion) {
    let state = tempfile::tempdir().unwrap();
    let origin = upstream();
    let (server, cookie) = server(config(origin, state.path().to_str().unwrap()));
    let proxy = server.listeners().first().unwrap().address.tcp().unwrap();
    let request = |path: &str, cookie: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nhost: lab.test\r\naccept: */*\r\naccept-encoding: gzip\r\n\
             user-agent: bench\r\ncookie: _xsrf=2|1a2b3c; {cookie}\r\n\r\n"
        )
        .into_bytes()
    };
    let mut group = criterion.benchmark_group("proxy_roundtrip");
    let mut measure = |id: &str, address, request: &[u8], length: usize| {
        group.throughput(match length {
            MIB => Throughput::Bytes(MIB as u64),
            _ => Throughput::Elements(1),
        });
        let mut client = Client::connect(address);
        group.bench_function(id, |bencher| bencher.iter(|| client.get(request, length)));
    };
    measure("direct", origin, &request("/open/x", "theme=dark"), 2);
    measure("public", proxy, &request("/open/x", "theme=dark"), 2);
    measure("signed_in", proxy, &request("/mine/x", &cookie), 2);
    let download = request("/open/file", "theme=dark");
    measure("direct_1MiB", origin, &download, MIB);
    measure("download_1MiB", proxy, &download, MIB);
    group.finish();
    server.stop();
}

criterion_group!(benches, proxy_roundtrip);
criterion_main!(benches);
