//! A client of HTTP/2 that sends what it is told to, frame by frame.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use crate::{
    frames::{END_HEADERS, END_STREAM, HEADERS, begin, field, frame},
    lab::Lab,
    wire::DEADLINE,
};

pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const ACK: u8 = 1;
pub(crate) const PADDED: u8 = 8;

/// A connection.
pub(crate) struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

/// One frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// The fields of a request.
pub(crate) fn head(method: &str, host: &str, path: &str) -> Vec<u8> {
    [
        field(":method", method),
        field(":scheme", "http"),
        field(":authority", host),
        field(":path", path),
    ]
    .concat()
}

impl Raw {
    /// A connection after the preface and both sides' settings; `settings` are ours.
    pub(crate) fn open(lab: &Lab, settings: &[u8]) -> Self {
        let mut raw = Self::connect(lab);
        raw.send(begin(settings));
        raw
    }

    /// A connection on which nothing was said.
    pub(crate) fn connect(lab: &Lab) -> Self {
        let stream = TcpStream::connect(lab.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Sends bytes; false when the other side has closed.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends `bytes` over and over, without reading, until nothing more is taken for `stall`; how
    /// many were. Nothing when the other side closes.
    pub(crate) fn send_until_stuck(&mut self, bytes: &[u8], stall: Duration) -> Option<usize> {
        self.stream.set_write_timeout(Some(stall)).unwrap();
        let mut sent = 0;
        loop {
            match self.stream.write(bytes) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(sent),
                Err(_) => return None,
            }
            assert!(sent < 1 << 30, "taken without end");
        }
    }

    /// A whole request without a body.
    pub(crate) fn get(&mut self, stream: u32, host: &str, path: &str) {
        let flags = END_HEADERS | END_STREAM;
        self.send(frame(HEADERS, flags, stream, &head("GET", host, path)));
    }

    /// The next frame; none at the end, however it comes.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        self.fill(9)?;
        let length = self.read[..3]
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        self.fill(9 + length)?;
        let bytes: Vec<u8> = self.read.drain(..9 + length).collect();
        Some(Frame {
            kind: bytes[3],
            flags: bytes[4],
            stream: u32::from_be_bytes(bytes[5..9].try_into().unwrap()),
            payload: bytes[9..].to_vec(),
        })
    }

    /// The next frame of a kind.
    pub(crate) fn next_of(&mut self, kind: u8) -> Frame {
        loop {
            let Some(frame) = self.next() else {
                panic!("the connection ended");
            };
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Reads to the end; the error code with which the connection was given up.
    pub(crate) fn given_up(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next() {
            if frame.kind == GOAWAY {
                code = Some(u32::from_be_bytes(frame.payload[4..8].try_into().unwrap()));
            }
        }
        code
    }

    /// Sends and reads side by side until the other side ends; then as [`Raw::given_up`].
    pub(crate) fn flood(mut self, frames: &[u8], times: usize) -> Option<u32> {
        let mut writer = self.stream.try_clone().unwrap();
        let frames = frames.to_vec();
        let writing = std::thread::spawn(move || {
            for _ in 0..times {
                if writer.write_all(&frames).is_err() {
                    return;
                }
            }
            drop(writer.shutdown(Shutdown::Write));
        });
        let code = self.given_up();
        writing.join().unwrap();
        code
    }

    /// Reads until there are so many bytes.
    fn fill(&mut self, length: usize) -> Option<()> {
        let mut bytes = [0; 16 * 1024];
        while self.read.len() < length {
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.read.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came"),
                Err(_) => return None,
            }
        }
        Some(())
    }
}
