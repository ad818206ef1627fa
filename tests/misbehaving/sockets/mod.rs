//! Open tunnels: frames, sizes and ends (RFC 6455 §5, §7; SECURITY T84).

mod ends;
mod frames;
mod messages;
pub(crate) mod run;

use tokio_tungstenite::tungstenite::Bytes;

/// One case: what both sides do once the tunnel is open.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// What is odd about it; its name on the page.
    pub(crate) name: &'static str,
    /// Sent by the client right behind its handshake, before any answer.
    pub(crate) early: Vec<u8>,
    /// Sent by the upstream right behind its 101.
    pub(crate) prompt: Vec<u8>,
    /// Whether the two agree on permessage-deflate.
    pub(crate) deflate: bool,
    pub(crate) client: Vec<Act>,
    pub(crate) upstream: Vec<Act>,
    /// What both get through labgate, as [`run`] writes it.
    pub(crate) labgate: &'static str,
    /// Why labgate does not do as the others.
    pub(crate) reason: &'static str,
}

/// One thing that a side does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Ends its own direction.
    End,
    /// Waits until the other side has all that was sent so far.
    Heard,
    /// Waits until the other side has ended its direction.
    HearEnd,
    /// Waits until all that the other side will send has come.
    HearAll,
    /// Resets the connection.
    Reset,
    /// Sends bytes.
    Send(Bytes),
}

/// All of them, by title.
pub(crate) fn all() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("Messages", messages::cases()),
        ("Frames that nobody should send", frames::cases()),
        ("Ends of a WebSocket", ends::cases()),
    ]
}

/// A case in which both get all, and then the client ends it.
fn case(name: &'static str, client: Vec<Act>, upstream: Vec<Act>) -> Case {
    let ends = |acts: &[Act]| acts.iter().any(|act| matches!(act, Act::End | Act::Reset));
    let closed_by_nobody = !ends(&client) && !ends(&upstream);
    let mut case = Case {
        name,
        early: Vec::new(),
        prompt: Vec::new(),
        deflate: false,
        client,
        upstream,
        labgate: "all up, all down, then end and end",
        reason: "",
    };
    if closed_by_nobody {
        case.client.extend([Act::HearAll, Act::Heard, Act::End]);
    }
    case
}

impl Case {
    fn gives(mut self, labgate: &'static str) -> Self {
        self.labgate = labgate;
        self
    }

    fn because(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }
}

fn send(bytes: impl AsRef<[u8]>) -> Act {
    Act::Send(Bytes::copy_from_slice(bytes.as_ref()))
}

/// A frame with the shortest length that fits; `first` are flags and opcode. A client's is masked, by
/// a key that leaves the payload as it is.
fn frame(from: Sender, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mask = from.mask();
    match payload.len() {
        length @ ..126 => bytes.push(mask | u8::try_from(length).unwrap()),
        length @ ..65536 => {
            bytes.push(mask | 0x7e);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(mask | 0x7f);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    if mask != 0 {
        bytes.extend([0; 4]);
    }
    bytes.extend(payload);
    bytes
}

/// Who sends a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sender {
    Client,
    Upstream,
}

impl Sender {
    fn mask(self) -> u8 {
        match self {
            Self::Client => 0x80,
            Self::Upstream => 0,
        }
    }
}

/// The same frame from both sides, each with the mask that it needs.
fn both(first: u8, payload: &[u8]) -> (Vec<Act>, Vec<Act>) {
    let of = |from| vec![send(frame(from, first, payload))];
    (of(Client), of(Upstream))
}

/// Bytes of which no two blocks of a power of two are alike.
fn pattern(length: usize) -> Vec<u8> {
    (0..=250_u8).cycle().take(length).collect()
}

use Sender::{Client, Upstream};

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// The end of a message, or a part of it when it is no end.
const LAST: u8 = 0x80;
