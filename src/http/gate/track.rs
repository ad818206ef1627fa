//! Follows the bytes of one connection: which of them may go on, and where each head begins. Pure:
//! the same bytes give the same verdicts, in whatever pieces they come.

use super::{
    Head, Refusal,
    framing::{Framing, Progress, TrailerLimits},
    head::{self, HeadLimits, Scanned},
};

/// Where in the stream the next byte stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// A WebSocket handshake went by; whatever follows is not HTTP.
    Blind,
    Body(Framing),
    /// The framing broke; nothing more goes on.
    Broken(&'static str),
    /// The client announced its last request, and it went by; nothing more goes on.
    Closed,
    /// At or within a head.
    Head,
    /// A head was refused; nothing more goes on but this request in its place.
    Refused(&'static [u8]),
}

/// The state between pieces.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) phase: Phase,
    limits: HeadLimits,
    /// How many bytes of the head that has begun hold no end.
    searched: usize,
    /// What the head of the current body said.
    closes: bool,
}

impl Track {
    pub(super) const fn new(limits: HeadLimits) -> Self {
        Self {
            phase: Phase::Head,
            limits,
            searched: 0,
            closes: false,
        }
    }

    /// Looks at `bytes`, tells the verdicts, and says how many of the bytes may go on. In
    /// [`Phase::Head`] the others are the beginning of a head: show them again, with what follows
    /// them. In any other phase the others are to be forgotten.
    pub(super) fn scan(
        &mut self,
        bytes: &[u8],
        mut verdict: impl FnMut(Result<Head, Refusal>),
    ) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match &mut self.phase {
                Phase::Blind => rest.len(),
                Phase::Broken(_) | Phase::Closed | Phase::Refused(_) => break,
                Phase::Body(framing) => {
                    let (taken, progress) = framing.advance(rest);
                    match progress {
                        Progress::More => {}
                        Progress::Done => self.phase = self.after_message(),
                        Progress::Broken(why) => self.phase = Phase::Broken(why),
                    }
                    taken
                }
                Phase::Head => match head::scan(rest, self.searched, self.limits) {
                    Scanned::Complete(head) => {
                        self.searched = 0;
                        self.closes = head.closes;
                        self.phase = self.after_head(&head);
                        verdict(Ok(head));
                        head.bytes
                    }
                    Scanned::Partial => {
                        self.searched = rest.len();
                        break;
                    }
                    Scanned::Refused(refusal) => {
                        self.refuse(rest);
                        verdict(Err(refusal));
                        break;
                    }
                },
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        bytes.len() - rest.len()
    }

    /// Ends the parsing at a head that begins with these bytes.
    pub(super) fn refuse(&mut self, begun: &[u8]) {
        // As `head` skips it: which bytes of a bad beginning are here is a matter of chance.
        let head = begun.strip_prefix(b"\r\n").unwrap_or(begun);
        // For the same reason no further than what was here in any case.
        let head = head.get(..self.limits.bytes).unwrap_or(head);
        self.phase = Phase::Refused(match head {
            [b'H', b'E', b'A', b'D', b' ', ..] => REFUSED_HEAD,
            head if wants_page(head) => REFUSED_PAGE,
            _ => REFUSED_GET,
        });
    }

    fn after_head(&self, head: &Head) -> Phase {
        if head.upgrade {
            return Phase::Blind;
        }
        let trailers = TrailerLimits {
            bytes: self.limits.bytes.min(MAX_TRAILER_BYTES),
            fields: self.limits.fields,
        };
        match Framing::of(head, trailers) {
            Some(framing) => Phase::Body(framing),
            None => self.after_message(),
        }
    }

    fn after_message(&self) -> Phase {
        if self.closes {
            Phase::Closed
        } else {
            Phase::Head
        }
    }
}

/// hyper stops at 16 KiB.
const MAX_TRAILER_BYTES: usize = 8 * 1024;

/// Whether the head, as far as it is here, is from somebody who reads pages. It was refused, so it is
/// only looked at: no more than the form of the answer hangs on it.
fn wants_page(head: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n').any(|line| {
        let field = line.split_at_checked(ACCEPT.len());
        field.is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case(ACCEPT) && memchr::memmem::find(value, b"text/html").is_some()
        })
    })
}

const ACCEPT: &[u8] = b"accept:";
/// What hyper reads in place of a refused head. The answer to `HEAD` must have no body.
const REFUSED_GET: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
const REFUSED_PAGE: &[u8] =
    b"GET / HTTP/1.1\r\nhost: refused\r\naccept: text/html\r\nconnection: close\r\n\r\n";
const REFUSED_HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
