//! What is done, and how often.

use std::{
    io,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    client::{Transport, h1, h2, ws::WebSocket},
    peers::{Door, Fleet, HOST, Target},
    report::Row,
};

/// Who a case compares.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Field {
    /// Everybody, as most would configure them.
    All,
    /// And those that are configured for large bodies.
    Bulk,
    /// labgate with one route and user, and with many.
    Many,
    /// Everybody on two cores.
    Two,
}

/// A kind of work, in units of which a number is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) field: Field,
    work: Work,
    units: usize,
}

#[derive(Clone, Copy, Debug)]
enum Work {
    /// A connection for each.
    Connect(Wire),
    /// Bytes down; a unit is a GiB.
    Download(Wire),
    /// Connections, and streams on each.
    Http2(usize, usize),
    /// Connections.
    Get(Wire, usize),
    /// Each request as another user on another route.
    GetMany(usize),
    /// Without a session.
    Refused(usize),
    /// Bytes up; a unit is a GiB.
    Upload(Wire),
    /// Connections, and bytes of a message.
    WebSocket(usize, usize),
}

/// What is under HTTP/1.1.
#[derive(Clone, Copy, Debug)]
enum Wire {
    Plain,
    Tls,
    /// With the key exchange that browsers offer, hybrid and post-quantum.
    TlsHybrid,
    /// With tickets of connections before.
    TlsResumed,
}

/// All of them.
pub(crate) const CASES: &[Case] = &[
    case(
        "get-1",
        "small GET, 1 connection",
        Field::All,
        Work::Get(Wire::Plain, 1),
        10_000,
    ),
    case(
        "get-32",
        "small GET, 32 connections",
        Field::All,
        Work::Get(Wire::Plain, 32),
        30_000,
    ),
    case(
        "get-256",
        "small GET, 256 connections",
        Field::All,
        Work::Get(Wire::Plain, 256),
        30_000,
    ),
    case(
        "tls-get-32",
        "the same over TLS, 32 connections",
        Field::All,
        Work::Get(Wire::Tls, 32),
        20_000,
    ),
    case(
        "h2-8x16",
        "HTTP/2, 8 connections x 16 streams",
        Field::All,
        Work::Http2(8, 16),
        20_000,
    ),
    case(
        "dl",
        "download, 1 GiB",
        Field::Bulk,
        Work::Download(Wire::Plain),
        1,
    ),
    case(
        "ul",
        "upload, 1 GiB",
        Field::Bulk,
        Work::Upload(Wire::Plain),
        1,
    ),
    case(
        "tls-dl",
        "download over TLS, 1 GiB",
        Field::Bulk,
        Work::Download(Wire::Tls),
        1,
    ),
    case(
        "tls-ul",
        "upload over TLS, 1 GiB",
        Field::Bulk,
        Work::Upload(Wire::Tls),
        1,
    ),
    case(
        "ws-125",
        "WebSocket echo, 125 B, 64 connections",
        Field::All,
        Work::WebSocket(64, 125),
        30_000,
    ),
    case(
        "ws-64k",
        "WebSocket echo, 64 KiB, 64 connections",
        Field::Bulk,
        Work::WebSocket(64, 65_536),
        8_000,
    ),
    case(
        "conn",
        "a connection for each GET",
        Field::All,
        Work::Connect(Wire::Plain),
        8_000,
    ),
    case(
        "tls-full",
        "a full TLS handshake for each GET",
        Field::All,
        Work::Connect(Wire::Tls),
        2_000,
    ),
    case(
        "tls-hybrid",
        "the same with X25519MLKEM768, where it is known",
        Field::All,
        Work::Connect(Wire::TlsHybrid),
        2_000,
    ),
    case(
        "tls-resume",
        "a resumed TLS handshake for each GET",
        Field::All,
        Work::Connect(Wire::TlsResumed),
        2_000,
    ),
    case(
        "refused",
        "GET without a session, 32 connections",
        Field::All,
        Work::Refused(32),
        30_000,
    ),
    case(
        "many",
        "small GET, 32 connections, 10,000 users and routes",
        Field::Many,
        Work::GetMany(32),
        30_000,
    ),
    case(
        "two-get-64",
        "small GET, 64 connections, two cores",
        Field::Two,
        Work::Get(Wire::Plain, 64),
        40_000,
    ),
    case(
        "two-ws-125",
        "WebSocket echo, 125 B, 64 connections, two cores",
        Field::Two,
        Work::WebSocket(64, 125),
        30_000,
    ),
];

const fn case(
    name: &'static str,
    what: &'static str,
    field: Field,
    work: Work,
    units: usize,
) -> Case {
    Case {
        name,
        what,
        field,
        work,
        units,
    }
}

impl Case {
    /// How many units a round has.
    pub(crate) fn units(&self, scale: f64) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small"
        )]
        let units = (self.units as f64 * scale) as usize;
        units.max(1)
    }

    /// Whether it needs HTTP/2.
    pub(crate) fn is_h2(&self) -> bool {
        matches!(self.work, Work::Http2(..))
    }

    /// What the unit is called.
    pub(crate) fn unit(&self) -> &'static str {
        match self.work {
            Work::Download(_) | Work::Upload(_) => "GiB",
            Work::WebSocket(..) => "message",
            _ => "request",
        }
    }

    /// Does so many units. Everything else is a fault, and ends the bench.
    pub(crate) async fn drive(&self, target: &Target, fleet: &Fleet, units: usize) {
        let door = &target.door;
        let done = match self.work {
            Work::Connect(wire) => connect(door, &wire.transport(fleet), units).await,
            Work::Download(wire) => download(door, &wire.transport(fleet), units).await,
            Work::Get(wire, connections) => {
                let request = vec![get(&door.path("/small"), &door.cookie, "")];
                repeat(
                    door,
                    &wire.transport(fleet),
                    connections,
                    units,
                    request,
                    200,
                )
                .await
            }
            Work::GetMany(connections) => {
                let requests = many(door);
                repeat(door, &Transport::Plain, connections, units, requests, 200).await
            }
            Work::Http2(connections, streams) => {
                http2(door, connections, streams, units).await;
                Ok(())
            }
            Work::Refused(connections) => {
                let status = if target.name == "direct" { 200 } else { 401 };
                let request = vec![get(&door.path("/small"), "theme=dark", "")];
                repeat(door, &Transport::Plain, connections, units, request, status).await
            }
            Work::Upload(wire) => upload(door, &wire.transport(fleet), units).await,
            Work::WebSocket(connections, length) => {
                messages(door, connections, length, units).await
            }
        };
        done.unwrap_or_else(|error| panic!("{} on {}: {error}", self.name, target.name));
    }
}

impl Wire {
    fn transport(self, fleet: &Fleet) -> Transport {
        let certificate = &fleet.certificate;
        let tls = |resume, hybrid| Transport::Tls(certificate.client(b"http/1.1", resume, hybrid));
        match self {
            Self::Plain => Transport::Plain,
            Self::Tls => tls(false, false),
            Self::TlsHybrid => tls(false, true),
            Self::TlsResumed => tls(true, false),
        }
    }
}

fn get(path: &str, cookie: &str, more: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nhost: {HOST}\r\nuser-agent: bench\r\naccept: */*\r\n\
         accept-encoding: gzip\r\ncookie: _xsrf=2|1a2b3c; {cookie}\r\n{more}\r\n"
    )
    .into_bytes()
}

/// Requests of many users to many routes; of the one user to the one route where there are no more.
fn many(door: &Door) -> Vec<Vec<u8>> {
    let request = |(number, cookie): (usize, &String)| {
        // Neighbors in time are no neighbors in the table.
        let route = number * 7919 % door.routes.max(1);
        let path = match door.routes {
            0 => door.path("/small"),
            _ => format!("/r{route}/small"),
        };
        get(&path, cookie, "")
    };
    door.cookies.iter().enumerate().map(request).collect()
}

/// Splits units over connections, which run side by side.
fn shares(units: usize, connections: usize) -> impl Iterator<Item = usize> {
    let connections = connections.min(units);
    (0..connections)
        .map(move |place| units / connections + usize::from(place < units % connections))
}

async fn repeat(
    door: &Door,
    transport: &Transport,
    connections: usize,
    units: usize,
    requests: Vec<Vec<u8>>,
    status: u16,
) -> io::Result<()> {
    let requests = &requests;
    let work = shares(units, connections)
        .enumerate()
        .map(|(place, share)| async move {
            let mut connection = h1::Connection::open(transport, door).await?;
            let turn = requests.iter().cycle().skip(place * 311 % requests.len());
            for request in turn.take(share) {
                connection.exchange(request, status).await?;
            }
            Ok(())
        });
    join_all(work).await.into_iter().collect()
}

async fn connect(door: &Door, transport: &Transport, units: usize) -> io::Result<()> {
    let request = &get(&door.path("/small"), &door.cookie, "connection: close\r\n");
    let work = shares(units, 8).map(|share| async move {
        for _ in 0..share {
            let mut connection = h1::Connection::open(transport, door).await?;
            connection.exchange(request, 200).await?;
        }
        Ok(())
    });
    join_all(work).await.into_iter().collect()
}

async fn download(door: &Door, transport: &Transport, units: usize) -> io::Result<()> {
    let mut connection = h1::Connection::open(transport, door).await?;
    let request = get(&door.path(&format!("/bytes/{GIB}")), &door.cookie, "");
    for _ in 0..units {
        connection.exchange(&request, 200).await?;
    }
    Ok(())
}

async fn upload(door: &Door, transport: &Transport, units: usize) -> io::Result<()> {
    let mut connection = h1::Connection::open(transport, door).await?;
    let (path, cookie) = (door.path("/small"), &door.cookie);
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: {HOST}\r\ncookie: {cookie}\r\ncontent-length: {GIB}\r\n\r\n"
    );
    for _ in 0..units {
        connection.upload(head.as_bytes(), GIB).await?;
    }
    Ok(())
}

async fn http2(door: &Door, connections: usize, streams: usize, units: usize) {
    let path = door.path("/small");
    let path = &path;
    let work = shares(units, connections).map(|share| async move {
        let connection = h2::Connection::open(door).await;
        let streams = shares(share, streams).map(|share| {
            let mut connection = connection.clone();
            async move {
                for _ in 0..share {
                    connection.get(path, &door.cookie).await;
                }
            }
        });
        join_all(streams).await;
    });
    join_all(work).await;
}

async fn messages(door: &Door, connections: usize, length: usize, units: usize) -> io::Result<()> {
    let work = shares(units, connections).map(|share| async move {
        let mut socket = WebSocket::open(&Transport::Plain, door, length).await?;
        for _ in 0..share {
            socket.echo().await?;
        }
        Ok(())
    });
    join_all(work).await.into_iter().collect()
}

/// What is no CPU per unit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Extra {
    /// KiB of resident memory per idle WebSocket.
    IdleWebSockets,
    /// p50 at 500 requests a second, one connection.
    Latency,
    /// MiB resident before anything is done.
    Resident,
    /// System calls per small GET.
    SystemCallsGet,
    /// System calls per message of 125 bytes.
    SystemCallsMessage,
}

impl Extra {
    /// All of them, in the order in which they are measured.
    pub(crate) const ALL: [Self; 5] = [
        Self::Resident,
        Self::Latency,
        Self::SystemCallsGet,
        Self::SystemCallsMessage,
        Self::IdleWebSockets,
    ];

    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::IdleWebSockets => "idle-ws",
            Self::Latency => "rate-500",
            Self::Resident => "rss",
            Self::SystemCallsGet => "calls-get",
            Self::SystemCallsMessage => "calls-ws",
        }
    }

    /// In words, with its unit.
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::IdleWebSockets => "KiB of RSS per idle WebSocket",
            Self::Latency => "p50 in us at 500 requests/s",
            Self::Resident => "MiB of RSS after the other cases",
            Self::SystemCallsGet => "system calls per small GET",
            Self::SystemCallsMessage => "system calls per 125 B message",
        }
    }

    /// A figure for each target.
    pub(crate) async fn measure(self, fleet: &Fleet, scale: f64) -> Row {
        let mut row = Row::default();
        for target in fleet.main() {
            let figure = match self {
                Self::IdleWebSockets => idle(target, scaled(5_000, scale)).await,
                Self::Latency => latency(target, scaled(2_500, scale)).await,
                Self::Resident => target.process.resident() as f64 / 1_048_576.0,
                Self::SystemCallsGet => {
                    calls(target, fleet, &CASES[1], scaled(10_000, scale)).await
                }
                Self::SystemCallsMessage => {
                    calls(target, fleet, &CASES[9], scaled(10_000, scale)).await
                }
            };
            row.0.push((target.name, figure));
        }
        row
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small"
)]
fn scaled(units: usize, scale: f64) -> usize {
    ((units as f64 * scale) as usize).max(1)
}

async fn idle(target: &Target, count: usize) -> f64 {
    let before = target.process.resident();
    let mut open = Vec::new();
    while open.len() < count {
        let some = (open.len()..count.min(open.len() + 50))
            .map(|_| WebSocket::open(&Transport::Plain, &target.door, 125));
        for socket in join_all(some).await {
            let mut socket = socket.unwrap();
            socket.echo().await.unwrap();
            open.push(socket);
        }
    }
    let after = target.process.resident();
    after.saturating_sub(before) as f64 / 1024.0 / count as f64
}

async fn latency(target: &Target, count: usize) -> f64 {
    let door = &target.door;
    let request = get(&door.path("/small"), &door.cookie, "");
    let mut connection = h1::Connection::open(&Transport::Plain, door).await.unwrap();
    let mut tick = interval(Duration::from_millis(2));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut times = Vec::new();
    for _ in 0..count {
        tick.tick().await;
        let begun = Instant::now();
        connection.exchange(&request, 200).await.unwrap();
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// Counts by strace, which slows everything down but miscounts nothing.
async fn calls(target: &Target, fleet: &Fleet, case: &Case, units: usize) -> f64 {
    let summary = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-qq", "-o"]).arg(summary.path());
    for id in target.process.family() {
        command.args(["-p", &id.to_string()]);
    }
    case.drive(target, fleet, units / 20 + 1).await;
    let before = traced(target);
    let mut strace = command.stderr(Stdio::null()).spawn().expect("strace");
    while traced(target) == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    case.drive(target, fleet, units).await;
    let id = rustix::process::Pid::from_raw(strace.id().cast_signed()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    strace.wait().unwrap();
    let text = std::fs::read_to_string(summary.path()).unwrap();
    let total = text.lines().find(|line| line.ends_with(" total"));
    let mut words = total
        .unwrap_or_else(|| panic!("strace: {text}"))
        .split_whitespace();
    // "100.00    0.123456           3     80123           total"
    words.nth(3).unwrap().parse::<f64>().unwrap() / units as f64
}

/// How many of the target's processes are traced.
fn traced(target: &Target) -> usize {
    let is = |id: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        !status.contains("TracerPid:\t0")
    };
    target.process.family().iter().filter(|id| is(id)).count()
}

const GIB: usize = 1 << 30;
