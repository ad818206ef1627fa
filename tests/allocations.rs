//! How many times does a worker ask for memory, for one small request that it passes on?
//!
//! A count is exact where a time is noise, so it is what keeps the hot path from growing unseen. Only
//! threads of workers are counted; client and upstream are in this process too.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use labgate::{
    clock::Clock,
    config::load::parse_str,
    runtime::{Options, Server},
    session::{Device, Sessions, User},
    store::{StateDir, Store},
    telemetry::Format,
};

/// The system's allocator, which counts what threads of workers ask for.
struct Counting;

static COUNTING: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Whether this thread is a worker; `None` until it was asked for its name.
    static WORKER: Cell<Option<bool>> = const { Cell::new(None) };
}

fn count() {
    if COUNTING.load(Ordering::Relaxed) && WORKER.try_with(is_worker).unwrap_or(false) {
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
}

fn is_worker(known: &Cell<Option<bool>>) -> bool {
    known.get().unwrap_or_else(|| {
        // To ask may need memory, and so lead here again.
        known.set(Some(false));
        let name = thread::current()
            .name()
            .map(|name| name.starts_with("worker-"));
        known.set(name);
        name.unwrap_or(false)
    })
}

#[expect(
    unsafe_code,
    reason = "an allocator is an unsafe trait; all is left to the system's"
)]
// SAFETY: each call goes on as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Answers each GET with two bytes.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for io in listener.incoming() {
            thread::spawn(move || answer(io.unwrap()));
        }
    });
    address
}

fn answer(mut io: TcpStream) {
    let (mut bytes, mut filled) = ([0; 4096], 0);
    while let Ok(count @ 1..) = io.read(&mut bytes[filled..]) {
        filled += count;
        if bytes[..filled].ends_with(b"\r\n\r\n") {
            io.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok",
            )
            .unwrap();
            filled = 0;
        }
    }
}

/// A server with one worker and one route, and the cookie of somebody who is signed in there.
fn server(upstream: SocketAddr, state: &str) -> (Server, String) {
    let config = parse_str(&format!(
        r#"
[server]
public_url = "http://lab.test"
state_dir = "{state}"
workers = 1
[[listener]]
name = "plain"
address = "127.0.0.1:0"
[[route]]
name = "app"
path = "/app/"
upstream = "http://{upstream}"
strip_prefix = true
access = "signed-in"
"#
    ))
    .unwrap();
    let clock = Clock::default();
    let store = Store::open(&StateDir::open(&config.server.state_dir).unwrap()).unwrap();
    let ana = User {
        provider: "test".to_owned(),
        subject: "ana".to_owned(),
        name: "ana".to_owned(),
        email: None,
        groups: Vec::new(),
        voucher: None,
    };
    let device = Device::new([127, 0, 0, 1].into(), "test");
    let sessions = Sessions::open(Arc::clone(&store), clock.clone(), &config.session).unwrap();
    let token = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(sessions.sign_in(ana, &config.server.public_url.host, device))
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

/// Allocations of the worker for each of many requests on one connection, rounded down: now and then
/// a buffer of the log is handed over, and a tick passes.
fn per_request(io: &mut TcpStream, request: &[u8], status: &[u8]) -> u64 {
    let mut exchange = || {
        io.write_all(request).unwrap();
        let (mut bytes, mut filled) = ([0; 8192], 0);
        loop {
            let count = io.read(&mut bytes[filled..]).unwrap();
            assert_ne!(count, 0, "the answer broke off");
            filled += count;
            // Both bodies end so, and no head does.
            if matches!(&bytes[..filled], [.., b'k' | b'}' | b'\n'])
                && !bytes[..filled].ends_with(b"\r\n")
            {
                break;
            }
        }
        assert!(
            bytes.starts_with(status),
            "{:?}",
            bytes[..filled].utf8_chunks().next()
        );
    };
    // What is kept (buffers, timers, the session) has grown to its size by then.
    for _ in 0..100 {
        exchange();
    }
    let before = COUNT.load(Ordering::Relaxed);
    COUNTING.store(true, Ordering::Relaxed);
    for _ in 0..REQUESTS {
        exchange();
    }
    COUNTING.store(false, Ordering::Relaxed);
    (COUNT.load(Ordering::Relaxed) - before) / REQUESTS
}

#[test]
fn a_small_request_needs_no_more_memory_than_it_did() {
    let state = tempfile::tempdir().unwrap();
    let (server, cookie) = server(upstream(), state.path().to_str().unwrap());
    let proxy = server.listeners().first().unwrap().address.tcp().unwrap();
    let mut io = TcpStream::connect(proxy).unwrap();
    let request = |cookie: &str| {
        format!(
            "GET /app/x HTTP/1.1\r\nhost: lab.test\r\naccept: */*\r\naccept-encoding: gzip\r\n\
             user-agent: test\r\ncookie: _xsrf=2|1a2b3c; {cookie}\r\n\r\n"
        )
        .into_bytes()
    };
    let passed = per_request(&mut io, &request(&cookie), b"HTTP/1.1 200");
    let refused = per_request(&mut io, &request("other=1"), b"HTTP/1.1 401");
    assert!(
        passed <= PASSED && refused <= REFUSED,
        "{passed} for a request that is passed on, {refused} for one that is refused"
    );
    server.stop();
}

const REQUESTS: u64 = 1000;
/// What hyper needs for two messages (their fields, the target, the channel of the answer), the exchange,
/// the host, our origin on it, the target without its prefix, and the fields that we add. Whoever needs
/// more of it has to say here what for.
const PASSED: u64 = 21;
/// Most of it is the text of the answer and the address of the sign-in page.
const REFUSED: u64 = 45;
