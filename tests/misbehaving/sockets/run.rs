//! Runs the cases of [`super`] through a proxy.
//!
//! A line is `all up, all down, then end and end`: what of the client's bytes arrived at the upstream,
//! what of the upstream's at the client, and how the stream ended for the upstream and for the
//! client. `all` is every byte, unchanged, and no byte more.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    time::timeout,
};

use tokio_tungstenite::tungstenite::Bytes;

use super::{Act, Case};
use crate::{
    case::{ACCEPT, HANDSHAKE},
    proxy::{HOST, Proxy},
    support::{DEADLINE, within},
};

/// What arrived, for each case.
pub(crate) async fn all(start: fn(SocketAddr) -> Proxy, cases: &Arc<[Case]>) -> Vec<String> {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = start(upstream.local_addr().unwrap());
    let mut lines = Vec::new();
    for case in cases.iter() {
        lines.push(run(&proxy, &upstream, case).await);
    }
    lines
}

async fn run(proxy: &Proxy, upstream: &TcpListener, case: &Case) -> String {
    let up = Direction::new(all_sent(&case.early, &case.client));
    let down = Direction::new(all_sent(&case.prompt, &case.upstream));
    let client = async {
        let mut stream = within("connecting", TcpStream::connect(proxy.address))
            .await
            .unwrap();
        stream.set_nodelay(true).unwrap();
        let extension = if case.deflate { DEFLATE } else { "" };
        let head = format!("GET /socket HTTP/1.1\r\nhost: {HOST}\r\n{HANDSHAKE}{extension}\r\n");
        stream
            .write_all(&[head.as_bytes(), &case.early].concat())
            .await
            .unwrap();
        let (head, rest) = head_of(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{}: {head}", case.name);
        side(
            stream,
            &case.client,
            (&up, case.early.len()),
            (&down, &rest),
        )
        .await;
    };
    let tool = async {
        let (mut stream, _) = within("a connection", upstream.accept()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (_, rest) = head_of(&mut stream).await;
        let extension = if case.deflate { DEFLATE } else { "" };
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             {ACCEPT}{extension}\r\n"
        );
        stream
            .write_all(&[head.as_bytes(), &case.prompt].concat())
            .await
            .unwrap();
        side(
            stream,
            &case.upstream,
            (&down, case.prompt.len()),
            (&up, &rest),
        )
        .await;
    };
    let patience = if proxy.is_ours { DEADLINE } else { PATIENCE };
    let both = async { tokio::join!(client, tool) };
    // Whoever is left over is seen in what has come so far.
    drop(timeout(patience, both).await);
    let (up, down) = (up.state.borrow(), down.state.borrow());
    format!(
        "{} up, {} down, then {} and {}",
        up.amount(),
        down.amount(),
        up.end,
        down.end
    )
}

/// All that a side sends; the only large part of it without a copy.
fn all_sent(first: &[u8], acts: &[Act]) -> Bytes {
    let sent = acts.iter().filter_map(|act| match act {
        Act::Send(bytes) => Some(bytes),
        _ => None,
    });
    let sent: Vec<_> = sent.collect();
    match (first, sent.as_slice()) {
        ([], [only]) => Bytes::clone(only),
        _ => [
            first.to_vec(),
            sent.into_iter().flatten().copied().collect(),
        ]
        .concat()
        .into(),
    }
}

/// One direction of a tunnel.
struct Direction {
    /// All that will be sent.
    sent: Bytes,
    state: watch::Sender<State>,
}

/// What has come of it.
struct State {
    arrived: usize,
    /// How much should have.
    of: usize,
    changed: bool,
    end: &'static str,
}

impl State {
    fn amount(&self) -> String {
        let Self { arrived, of, .. } = self;
        match self.changed {
            true => "something else".to_owned(),
            false if arrived == of => "all".to_owned(),
            false => format!("{arrived} of {of}"),
        }
    }
}

impl Direction {
    fn new(sent: Bytes) -> Self {
        let state = State {
            arrived: 0,
            of: sent.len(),
            changed: false,
            end: "nothing",
        };
        Self {
            sent,
            state: watch::Sender::new(state),
        }
    }

    fn arrive(&self, bytes: &[u8]) {
        self.state.send_modify(|state| {
            let should = self.sent.get(state.arrived..state.arrived + bytes.len());
            state.changed |= should != Some(bytes);
            state.arrived += bytes.len();
        });
    }

    fn end(&self, how: &'static str) {
        self.state.send_modify(|state| state.end = how);
    }

    async fn until(&self, condition: impl Fn(&State) -> bool) {
        let mut state = self.state.subscribe();
        drop(state.wait_for(|state| condition(state)).await.unwrap());
    }
}

/// Does what one side does. `mine` is with how much of it is sent already, `theirs` with what has
/// come.
async fn side(
    mut stream: TcpStream,
    acts: &[Act],
    mine: (&Direction, usize),
    (theirs, early): (&Direction, &[u8]),
) {
    theirs.arrive(early);
    let resets = {
        let (read, write) = stream.split();
        let hears = hear(read, theirs);
        let acts = act(write, acts, mine, theirs);
        tokio::pin!(hears, acts);
        tokio::select! {
            () = &mut hears => acts.await,
            resets = &mut acts => {
                if !resets {
                    hears.await;
                }
                resets
            }
        }
    };
    if resets {
        theirs.end("itself");
        stream.set_zero_linger().unwrap();
    }
}

async fn hear(mut stream: ReadHalf<'_>, theirs: &Direction) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return theirs.end("end"),
            Ok(length) => theirs.arrive(&buffer[..length]),
            Err(_) => return theirs.end("reset"),
        }
    }
}

/// True when it resets the connection.
async fn act(
    mut stream: WriteHalf<'_>,
    acts: &[Act],
    (mine, mut sent): (&Direction, usize),
    theirs: &Direction,
) -> bool {
    for act in acts {
        match act {
            Act::End => drop(stream.shutdown().await),
            Act::HearAll => theirs.until(|state| state.arrived >= state.of).await,
            Act::HearEnd => theirs.until(|state| state.end == "end").await,
            Act::Heard => mine.until(|state| state.arrived >= sent).await,
            Act::Reset => return true,
            Act::Send(bytes) => {
                if stream.write_all(bytes).await.is_err() {
                    return false;
                }
                sent += bytes.len();
            }
        }
    }
    false
}

/// A head, and what came with it.
async fn head_of(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(4).position(|seen| seen == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return (String::from_utf8(bytes).unwrap(), rest);
        }
        let read = within("a head", stream.read_buf(&mut bytes)).await;
        assert!(matches!(read, Ok(1..)), "ended in a head: {bytes:?}");
    }
}

const DEFLATE: &str = "sec-websocket-extensions: permessage-deflate\r\n";
/// How long nginx and `HAProxy` have for one case.
const PATIENCE: Duration = Duration::from_secs(5);
