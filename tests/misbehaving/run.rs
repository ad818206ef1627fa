//! Runs the cases of `answers` through a proxy, and says in a line what the client got.
//!
//! A line is `200 "hello"`: the status and the body, `cut` behind it where the body did not reach its
//! end, interim answers before it, looked-at fields in parentheses. A page that the proxy made itself
//! is only its status. After each case labgate has to answer good requests, on the same client
//! connection where that stays open and on a new one; what is wrong with that stands behind the line
//! in brackets.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use crate::{
    case::{After, Case, Move, Step},
    proxy::{HOST, Proxy},
    support::{
        DEADLINE,
        wire::{Body, Fields, Framing, Head, Wire},
    },
    upstream::{ENOUGH, Upstream},
};

/// What the client got, for each case.
pub(crate) async fn all(start: fn(SocketAddr) -> Proxy, cases: &Arc<[Case]>) -> Vec<String> {
    let upstream = Upstream::start(cases).await;
    let proxy = start(upstream.address);
    let mut lines = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let folder = if case.limited { "limited" } else { "case" };
        let run = Run {
            upstream: &upstream,
            proxy: &proxy,
            case,
            number,
            path: format!("/{folder}/{number}"),
        };
        lines.push(run.run().await);
    }
    lines
}

struct Run<'a> {
    upstream: &'a Upstream,
    proxy: &'a Proxy,
    case: &'a Case,
    number: usize,
    path: String,
}

/// An answer, as far as it came.
struct Got {
    interim: Vec<u16>,
    status: u16,
    fields: Fields,
    /// `None`: a strict client could not say how long it is.
    framing: Option<Framing>,
    body: Body,
    /// Whether another request can follow.
    open: bool,
}

impl Run<'_> {
    async fn run(&self) -> String {
        let mut wire = connect(self.proxy.address).await;
        let patience = if self.proxy.is_ours {
            DEADLINE
        } else {
            PATIENCE
        };
        let got = timeout(patience, self.exchange(&mut wire)).await;
        let mut line = match &got {
            Err(_) | Ok(None) if !wire.early.is_empty() => "no HTTP".to_owned(),
            Err(_) => "hangs".to_owned(),
            Ok(None) => "no answer".to_owned(),
            Ok(Some(got)) => self.line(got),
        };
        let wire = Some(wire).filter(|_| matches!(got, Ok(Some(Got { open: true, .. }))));
        // What the upstream still says must not come in the middle of another case.
        let done = self.upstream.is_done(self.number, &self.path);
        let is_done = matches!(timeout(patience, done).await, Ok(true));
        if !self.proxy.is_ours {
            let by_chance = self.case.timed.then(|| BY_CHANCE.to_owned());
            return by_chance.unwrap_or(line);
        }
        if !is_done {
            line += " [with the script under way]";
        }
        if let Some(mut wire) = wire
            && !self.is_good(&mut wire, "same").await
        {
            line += " [and then nothing on this connection]";
        }
        let mut wire = connect(self.proxy.address).await;
        if !self.is_good(&mut wire, "new").await {
            line += " [and then nothing on a new connection]";
        }
        let after = self.after().await;
        if after != self.case.after {
            line += &format!(" [upstream's connection: {after:?}]");
        }
        if self.upstream.poured() >= ENOUGH {
            line += " [reads on without end]";
        }
        line
    }

    /// Asks as the case asks, and takes the answer. `None`: there was none.
    async fn exchange(&self, wire: &mut Wire) -> Option<Got> {
        let Case {
            method,
            version,
            fields,
            ..
        } = self.case;
        let head = format!(
            "{method} {} {version}\r\nhost: {HOST}\r\n{fields}\r\n",
            self.path
        );
        wire.stream.write_all(head.as_bytes()).await.ok()?;
        for step in &self.case.client {
            match step {
                Move::Go => self.upstream.go(self.number),
                Move::Leave => {
                    wire.early.clear();
                    return None;
                }
                // Whoever has answered need not read on.
                Move::Send(bytes) => drop(wire.stream.write_all(bytes).await),
                Move::Until(text) => {
                    while !contains(&wire.early, text) && wire.fill().await.ok()? {}
                }
            }
        }
        let mut got = answer(wire, method).await?;
        got.open &= self.is_sent_whole();
        Some(got)
    }

    /// Whether the request had all of the body that it announced.
    fn is_sent_whole(&self) -> bool {
        let sent = self.case.client.iter().map(|step| match step {
            Move::Send(bytes) => bytes.len(),
            _ => 0,
        });
        let length = self.case.fields.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
        length.is_none_or(|length: usize| length == sent.sum::<usize>())
    }

    fn line(&self, got: &Got) -> String {
        let mut line = String::new();
        for same in got.interim.chunk_by(|a, b| a == b) {
            line += &match same.len() {
                1 => format!("{}, ", same[0]),
                MANY.. => return format!("ever more {}", same[0]),
                some => format!("{some} x {}, ", same[0]),
            };
        }
        line += &got.status.to_string();
        let text = String::from_utf8_lossy(&got.body.bytes);
        let is_own_page = got.status >= 400 && (text.contains('<') || text.starts_with('{'));
        if !is_own_page && got.status != 101 {
            if text.len() <= LONGEST {
                line += &format!(" \"{}\"", got.body.bytes.escape_ascii());
            } else {
                line += &format!(" {} bytes", got.body.bytes.len());
                if !self.is_as_sent(&got.body.bytes) {
                    line += " that were not sent";
                }
            }
        }
        if got.framing.is_none() {
            line += " of unreadable length";
        } else if !got.body.whole {
            line += " cut";
        }
        let shown = self.case.shown.iter();
        let shown = shown.flat_map(|name| {
            let all = got.fields.all(name).into_iter();
            all.map(move |value| match *name {
                "date" if !value.contains("1970") => "date: now".to_owned(),
                _ => format!("{name}: {value}"),
            })
        });
        let trailers = got.body.trailers.0.iter();
        let trailers = trailers.map(|(name, value)| format!("trailer {name}: {value}"));
        let shown: Vec<_> = shown.chain(trailers).collect();
        if !shown.is_empty() && !is_own_page {
            line += &format!(" ({})", shown.join(", "));
        }
        line
    }

    /// Whether a long body, of one letter or not in chunks, is what the script says.
    fn is_as_sent(&self, body: &[u8]) -> bool {
        let said = self.case.script.iter().rev().find_map(|step| match step {
            Step::Say(bytes) => Some(bytes),
            _ => None,
        });
        body.iter().all(|byte| *byte == b'a') || said.is_some_and(|said| said.ends_with(body))
    }

    /// Whether a good request is answered with just what the upstream says.
    async fn is_good(&self, wire: &mut Wire, which: &str) -> bool {
        let token = format!("{which}-{}", self.number);
        let request = format!("GET /good/{token} HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
        let exchange = async {
            wire.stream.write_all(request.as_bytes()).await.ok()?;
            answer(wire, "GET").await
        };
        match timeout(DEADLINE, exchange).await {
            Ok(Some(got)) => {
                let is_whole = got.body.whole && got.body.bytes == token.as_bytes();
                got.status == 200 && got.interim.is_empty() && is_whole
            }
            Ok(None) | Err(_) => false,
        }
    }

    /// What became of the upstream's connection, by where the next requests came.
    async fn after(&self) -> After {
        let connection = self.upstream.connection(&self.path);
        let of = |which| {
            let path = format!("/good/{which}-{}", self.number);
            self.upstream.connection(&path)
        };
        match connection {
            _ if self.case.after == After::Any => After::Any,
            None => After::Unused,
            Some(_) if of("same") == connection || of("new") == connection => After::Reused,
            Some(number) if self.upstream.ends(number).await => After::Closed,
            Some(_) => After::Kept,
        }
    }
}

pub(crate) async fn connect(address: SocketAddr) -> Wire {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    Wire::new(stream)
}

async fn answer(wire: &mut Wire, method: &str) -> Option<Got> {
    let mut interim = Vec::new();
    loop {
        let head = wire.head().await.ok()??;
        let status = head.start.split(' ').nth(1)?.parse().ok()?;
        let is_interim = status / 100 == 1 && status != 101;
        if is_interim && interim.len() < MANY {
            interim.push(status);
            continue;
        }
        let bodyless = method == "HEAD" || matches!(status, 100..200 | 204 | 304);
        let framing = if bodyless {
            Some(Framing::Length(0))
        } else {
            framing(&head)
        };
        let body = match framing {
            Some(framing) => wire.body(framing).await,
            None => Body::default(),
        };
        let lines = head.fields.all("connection");
        let closes = lines.iter().any(|line| line.eq_ignore_ascii_case("close"));
        let open = body.whole && framing != Some(Framing::Close) && status != 101 && !closes;
        return Some(Got {
            interim,
            status,
            open: open && head.start.starts_with("HTTP/1.1 "),
            fields: head.fields,
            framing,
            body,
        });
    }
}

/// As a strict client reads it: one length, in digits.
fn framing(head: &Head) -> Option<Framing> {
    let chunked = head.fields.all("transfer-encoding");
    let length = head.fields.all("content-length");
    match (chunked.as_slice(), length.as_slice()) {
        ([], []) => Some(Framing::Close),
        ([coding], []) if coding.eq_ignore_ascii_case("chunked") => Some(Framing::Chunked),
        ([], [length]) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Framing::Length(length.parse().ok()?))
        }
        _ => None,
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    bytes.windows(text.len()).any(|seen| seen == text)
}

/// How long nginx and `HAProxy` may say nothing before that counts as their answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// So many interim answers are taken for an endless row of them.
const MANY: usize = 2000;
/// What stands for an answer that is another one each time.
const BY_CHANCE: &str = "by chance";
/// Bodies up to this length are shown.
const LONGEST: usize = 40;
