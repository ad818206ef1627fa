//! An upstream that follows scripts, and remembers on which connection it was asked for what.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::timeout,
};

use crate::{
    case::{Case, Step},
    support::{DEADLINE, spawn},
};

/// See the module. `/case/N` is answered by the script of the N-th case, `/good/TOKEN` as it
/// should be.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    cases: Arc<[Case]>,
    /// One for each case.
    gates: Vec<Semaphore>,
    state: watch::Sender<State>,
}

/// What it has seen.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Path and connection of each request, in order.
    pub(crate) asked: Vec<(String, usize)>,
    /// The cases whose scripts are done with, in order.
    done: Vec<usize>,
    /// Connections that have ended.
    ended: Vec<usize>,
    /// Bytes that an endless answer was rid of.
    pub(crate) poured: usize,
    connections: usize,
}

impl State {
    /// The connection that a path was last asked for on.
    fn connection(&self, path: &str) -> Option<usize> {
        let mut asked = self.asked.iter().rev();
        asked.find(|(asked, _)| asked == path).map(|(_, on)| *on)
    }
}

impl Upstream {
    pub(crate) async fn start(cases: &Arc<[Case]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            cases: Arc::clone(cases),
            gates: cases.iter().map(|_| Semaphore::new(0)).collect(),
            state: watch::Sender::default(),
        });
        let state = Arc::clone(&shared);
        spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn(serve(stream, Arc::clone(&state)));
            }
        });
        Self { address, shared }
    }

    /// Lets the script of a case pass one gate.
    pub(crate) fn go(&self, case: usize) {
        self.shared.gates[case].add_permits(1);
    }

    /// The connection that `path` came on, if it came.
    pub(crate) fn connection(&self, path: &str) -> Option<usize> {
        self.shared.state.borrow().connection(path)
    }

    /// Waits until a case, asked for at `path`, has done all that it does; false when it does not.
    pub(crate) async fn is_done(&self, case: usize, path: &str) -> bool {
        let mut state = self.shared.state.subscribe();
        let done = state.wait_for(|state| {
            let asked = state.asked.iter().filter(|(asked, _)| asked == path);
            let done = state.done.iter().filter(|done| **done == case);
            asked.count() == done.count()
        });
        timeout(DEADLINE, done).await.is_ok()
    }

    /// Waits for the end of a connection; false when it does not come.
    pub(crate) async fn ends(&self, connection: usize) -> bool {
        let mut state = self.shared.state.subscribe();
        let ended = state.wait_for(|state| state.ended.contains(&connection));
        timeout(DEADLINE, ended).await.is_ok()
    }

    /// Bytes that endless answers were rid of since this was last asked.
    pub(crate) fn poured(&self) -> usize {
        let mut poured = 0;
        let take = |state: &mut State| poured = std::mem::take(&mut state.poured);
        self.shared.state.send_modify(take);
        poured
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    stream.set_nodelay(true).unwrap();
    let mut connection = 0;
    shared.state.send_modify(|state| {
        connection = state.connections;
        state.connections += 1;
    });
    let mut early = Vec::new();
    let mut last = None;
    while let Some(path) = request(&mut stream, &mut early).await {
        let asked = (path.clone(), connection);
        shared.state.send_modify(|state| state.asked.push(asked));
        let going = match path.rsplit_once('/') {
            Some(("/case" | "/limited", number)) => {
                let number = number.parse().unwrap();
                last = Some(number);
                follow(number, &mut stream, &mut early, &shared).await
            }
            Some((_, token)) => stream.write_all(good(token).as_bytes()).await.is_ok(),
            None => panic!("asked for {path}"),
        };
        if !going {
            break;
        }
        shared
            .state
            .send_modify(|state| state.done.extend(last.take()));
    }
    drop(stream);
    shared.state.send_modify(|state| {
        state.done.extend(last);
        state.ended.push(connection);
    });
}

/// How `/good/TOKEN` is answered.
fn good(token: &str) -> String {
    let length = token.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{token}")
}

/// Reads a head; its path. `None` when there is none any more.
async fn request(stream: &mut TcpStream, early: &mut Vec<u8>) -> Option<String> {
    let end = loop {
        if let Some(at) = early.windows(4).position(|seen| seen == b"\r\n\r\n") {
            break at + 4;
        }
        if !matches!(stream.read_buf(early).await, Ok(1..)) {
            return None;
        }
    };
    let head: Vec<u8> = early.drain(..end).collect();
    let head = String::from_utf8(head).unwrap();
    Some(head.split(' ').nth(1).unwrap().to_owned())
}

/// Whether the connection goes on.
async fn follow(
    number: usize,
    stream: &mut TcpStream,
    early: &mut Vec<u8>,
    shared: &Shared,
) -> bool {
    for step in &shared.cases[number].script {
        let written = match step {
            Step::Close => return false,
            Step::Drip(bytes) => drip(stream, bytes).await,
            Step::Endless(bytes) => pour(stream, bytes, shared).await,
            Step::Gate => {
                let Ok(permit) = timeout(DEADLINE, shared.gates[number].acquire()).await else {
                    return false;
                };
                permit.unwrap().forget();
                Ok(())
            }
            Step::HalfClose => {
                let shut = stream.shutdown().await;
                if shut.is_ok() {
                    while matches!(stream.read_buf(early).await, Ok(1..)) {}
                }
                return false;
            }
            Step::Read(length) => {
                while early.len() < *length {
                    if !matches!(stream.read_buf(early).await, Ok(1..)) {
                        return false;
                    }
                }
                early.drain(..*length);
                Ok(())
            }
            Step::Rest => {
                while matches!(stream.read_buf(early).await, Ok(1..)) {}
                return false;
            }
            Step::Reset => {
                stream.set_zero_linger().unwrap();
                return false;
            }
            Step::Say(bytes) => stream.write_all(bytes).await,
        };
        if written.is_err() {
            return false;
        }
    }
    true
}

async fn drip(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Writes until nobody takes it, or for [`ENOUGH`].
async fn pour(stream: &mut TcpStream, bytes: &[u8], shared: &Shared) -> std::io::Result<()> {
    let block = bytes.repeat(64 * 1024 / bytes.len());
    let mut poured = 0;
    let result = loop {
        match stream.write(&block).await {
            Ok(written) => poured += written,
            Err(error) => break Err(error),
        }
        if poured >= ENOUGH {
            break Ok(());
        }
    };
    shared.state.send_modify(|state| state.poured = poured);
    result
}

/// Whoever has read this much of what has no end would read on for ever.
pub(crate) const ENOUGH: usize = 16 << 20;
