//! Where a body ends: counts a content-length down and walks through chunks and trailers (RFC 9112
//! §7.1). Pure; looks at every byte but those of the content. Stricter than hyper: no white space in
//! chunk lines, printable extensions only, trailers with the syntax of header fields.

use super::{Head, fields, head::Body};

/// The body that is being read.
#[derive(Debug)]
pub(super) enum Framing {
    Chunked(Chunks),
    Length(u64),
}

/// What came of looking at some bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// The byte after the good ones breaks the syntax.
    Broken(&'static str),
    /// The body is complete; the next byte belongs to what follows.
    Done,
    /// All bytes belong to the body, and more will come.
    More,
}

impl Framing {
    /// `None` when there is no body.
    pub(super) fn of(head: &Head, trailers: TrailerLimits) -> Option<Self> {
        match head.body {
            Body::Chunked => Some(Self::Chunked(Chunks::new(trailers))),
            Body::Length(length) => Some(Self::Length(length)),
            Body::Empty | Body::Unsized => None,
        }
    }

    /// Takes the body's part of `bytes`, and says how long it is.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> (usize, Progress) {
        match self {
            Self::Chunked(chunks) => chunks.advance(bytes),
            Self::Length(rest) => {
                let taken = take(rest, bytes.len());
                let progress = if *rest == 0 {
                    Progress::Done
                } else {
                    Progress::More
                };
                (taken, progress)
            }
        }
    }
}

/// What trailers may hold at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrailerLimits {
    pub(super) bytes: usize,
    pub(super) fields: usize,
}

/// A chunked body.
#[derive(Debug)]
pub(super) struct Chunks {
    state: State,
    /// Of this chunk's content.
    rest: u64,
    digits: u8,
    extension: usize,
    extensions: usize,
    line: Vec<u8>,
    trailer_bytes: usize,
    trailer_fields: usize,
    limits: TrailerLimits,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Size,
    Extension,
    SizeLf,
    Content,
    ContentCr,
    ContentLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

impl Chunks {
    fn new(limits: TrailerLimits) -> Self {
        Self {
            state: State::Size,
            rest: 0,
            digits: 0,
            extension: 0,
            extensions: 0,
            line: Vec::new(),
            trailer_bytes: 0,
            trailer_fields: 0,
            limits,
        }
    }

    fn advance(&mut self, bytes: &[u8]) -> (usize, Progress) {
        let mut rest = bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            if let State::Content = self.state {
                let taken = take(&mut self.rest, rest.len());
                rest = rest.get(taken..).unwrap_or_default();
                if self.rest == 0 {
                    self.state = State::ContentCr;
                }
                continue;
            }
            match self.step(byte) {
                Ok(state) => self.state = state,
                Err(why) => return (bytes.len() - rest.len(), Progress::Broken(why)),
            }
            rest = tail;
            if let State::Done = self.state {
                return (bytes.len() - rest.len(), Progress::Done);
            }
        }
        (bytes.len(), Progress::More)
    }

    fn step(&mut self, byte: u8) -> Result<State, &'static str> {
        match (self.state, byte) {
            (State::Size, b';') if self.digits > 0 => {
                self.extension = 0;
                Ok(State::Extension)
            }
            (State::Size, b'\r') if self.digits > 0 => Ok(State::SizeLf),
            (State::Size, _) => self.size_digit(byte),
            (State::Extension, b'\r') => Ok(State::SizeLf),
            (State::Extension, b'\t' | b' '..=b'~') => self.extension_byte(),
            (State::Extension, _) => Err("a chunk extension holds a control character"),
            (State::SizeLf, b'\n') => {
                self.digits = 0;
                Ok(if self.rest == 0 {
                    State::TrailerStart
                } else {
                    State::Content
                })
            }
            (State::ContentCr, b'\r') => Ok(State::ContentLf),
            (State::ContentLf, b'\n') => Ok(State::Size),
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::EndLf, b'\n') => Ok(State::Done),
            (State::Trailer, b'\r') => Ok(State::TrailerLf),
            (State::TrailerStart | State::Trailer, _) => self.trailer_byte(byte),
            (State::TrailerLf, b'\n') => self.trailer_end(),
            (State::ContentCr | State::ContentLf, _) => Err("a chunk is longer than its size"),
            // `Content` is taken as a whole, and nothing is taken once `Done`.
            (State::SizeLf | State::EndLf | State::TrailerLf | State::Content | State::Done, _) => {
                Err("a line ends in a bare carriage return")
            }
        }
    }

    fn size_digit(&mut self, byte: u8) -> Result<State, &'static str> {
        let digit = char::from(byte)
            .to_digit(16)
            .ok_or("a chunk size is not hexadecimal")?;
        // Sixteen digits fill a `u64`.
        if self.digits == 16 {
            return Err("a chunk size is too large");
        }
        self.digits += 1;
        self.rest = (self.rest << 4) | u64::from(digit);
        Ok(State::Size)
    }

    fn extension_byte(&mut self) -> Result<State, &'static str> {
        self.extension += 1;
        self.extensions += 1;
        if self.extension > MAX_EXTENSION_BYTES || self.extensions > MAX_EXTENSIONS_BYTES {
            return Err("the chunk extensions are too long");
        }
        Ok(State::Extension)
    }

    fn trailer_byte(&mut self, byte: u8) -> Result<State, &'static str> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > self.limits.bytes {
            return Err("the trailers are too long");
        }
        self.line.push(byte);
        Ok(State::Trailer)
    }

    fn trailer_end(&mut self) -> Result<State, &'static str> {
        let (name, _) = fields::split_field(&self.line)?;
        if fields::is_forbidden_in_trailers(name) {
            return Err("a trailer would change the framing");
        }
        self.trailer_bytes += 2;
        self.trailer_fields += 1;
        if self.trailer_fields > self.limits.fields {
            return Err("there are too many trailers");
        }
        self.line.clear();
        Ok(State::TrailerStart)
    }
}

/// Takes at most `available` from `rest`.
fn take(rest: &mut u64, available: usize) -> usize {
    let taken = usize::try_from(*rest).map_or(available, |rest| rest.min(available));
    // `usize` has at most 64 bits.
    *rest -= taken as u64;
    taken
}

/// In one chunk line.
const MAX_EXTENSION_BYTES: usize = 256;
/// In one body; hyper stops at 16 KiB.
const MAX_EXTENSIONS_BYTES: usize = 8 * 1024;
