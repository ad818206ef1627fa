//! A header-only scanner of WebSocket frames (RFC 6455 §5.2).
//!
//! In: the bytes of one direction, cut anywhere. Out: whether we stand between two frames, whether
//! data or only control frames passed, whether a close frame did. A few bytes of state, payloads
//! are skipped and never read. After bytes it cannot follow it is *blind* and claims nothing more.
//! Not here: validation. What the two ends make of each other's frames is their affair (UTF-8,
//! order of fragments, extension bits).

/// Who sends the frames; a client masks them, an upstream must not (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sender {
    /// Frames are masked.
    Client,
    /// Frames are not masked.
    Upstream,
}

/// The position in one direction of a WebSocket.
#[derive(Clone, Copy, Debug)]
pub struct Scanner {
    sender: Sender,
    state: State,
    closed: bool,
}

/// What one [`Scanner::step`] went over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    /// Bytes consumed; less than given only when a frame ended there.
    pub len: usize,
    /// Some of them belong to a data frame (opcodes 0, 1, 2).
    pub data: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Between two frames.
    Boundary,
    /// After the first byte.
    First { opcode: u8 },
    /// `left` bytes of the extended length are missing, `len` is what came so far.
    Length { left: u8, len: u64, data: bool },
    /// `left` bytes of the masking key are missing.
    Mask { left: u8, len: u64, data: bool },
    /// `left` bytes of payload are missing, at least one.
    Payload { left: u64, data: bool },
    /// It was not a WebSocket frame. For good.
    Blind,
}

impl Scanner {
    /// At the start of a direction, which is a boundary.
    pub const fn new(sender: Sender) -> Self {
        Self {
            sender,
            state: State::Boundary,
            closed: false,
        }
    }

    /// Between two frames: something may be inserted here. Never again once blind.
    pub const fn at_boundary(&self) -> bool {
        matches!(self.state, State::Boundary)
    }

    /// The bytes could not be followed; they are passed on all the same.
    pub const fn is_blind(&self) -> bool {
        matches!(self.state, State::Blind)
    }

    /// A close frame has passed, or at least begun.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Goes over all of `bytes`; says whether some belong to a data frame.
    pub fn feed(&mut self, mut bytes: &[u8]) -> bool {
        let mut data = false;
        while !bytes.is_empty() {
            let step = self.step(bytes);
            data |= step.data;
            bytes = bytes.get(step.len..).unwrap_or_default();
        }
        data
    }

    /// Goes over `bytes` up to the end of the frame that they begin in or continue, or to their
    /// own end. Consumes at least one byte of a non-empty slice.
    pub fn step(&mut self, bytes: &[u8]) -> Step {
        let mut len = 0;
        let mut data = false;
        while let Some(rest) = bytes.get(len..).filter(|rest| !rest.is_empty()) {
            let (used, was_data) = self.advance(rest);
            len += used;
            data |= was_data;
            if self.at_boundary() {
                break;
            }
        }
        Step { len, data }
    }

    /// One header byte, or as much payload as there is. `rest` is not empty.
    fn advance(&mut self, rest: &[u8]) -> (usize, bool) {
        let byte = rest.first().copied().unwrap_or_default();
        match self.state {
            State::Boundary => {
                let data = self.first(byte);
                (1, data)
            }
            State::First { opcode } => {
                self.second(opcode, byte);
                (1, is_data(opcode))
            }
            State::Length { left, len, data } => {
                let len = (len << 8) | u64::from(byte);
                self.state = match left {
                    1 if len >> 63 == 1 => State::Blind,
                    1 => self.after_length(len, data),
                    _ => State::Length {
                        left: left - 1,
                        len,
                        data,
                    },
                };
                (1, data)
            }
            State::Mask { left, len, data } => {
                self.state = match left {
                    1 => payload(len, data),
                    _ => State::Mask {
                        left: left - 1,
                        len,
                        data,
                    },
                };
                (1, data)
            }
            State::Payload { left, data } => {
                let here = rest.len();
                let used = usize::try_from(left).map_or(here, |left| left.min(here));
                self.state = payload(left - used as u64, data);
                (used, data)
            }
            State::Blind => (rest.len(), false),
        }
    }

    /// FIN, three extension bits, opcode.
    fn first(&mut self, byte: u8) -> bool {
        let opcode = byte & 0x0f;
        let last = byte & 0x80 != 0;
        self.state = match opcode {
            0..=2 => State::First { opcode },
            8..=10 if last => State::First { opcode },
            _ => State::Blind,
        };
        is_data(opcode)
    }

    /// Mask bit and the short length.
    fn second(&mut self, opcode: u8, byte: u8) {
        let masked = byte & 0x80 != 0;
        let len = byte & 0x7f;
        let control = !is_data(opcode);
        if masked != matches!(self.sender, Sender::Client) || (control && len > MAX_CONTROL) {
            self.state = State::Blind;
            return;
        }
        self.closed |= opcode == CLOSE;
        let data = !control;
        self.state = match len {
            126 => State::Length {
                left: 2,
                len: 0,
                data,
            },
            127 => State::Length {
                left: 8,
                len: 0,
                data,
            },
            short => self.after_length(u64::from(short), data),
        };
    }

    const fn after_length(&self, len: u64, data: bool) -> State {
        match self.sender {
            Sender::Client => State::Mask { left: 4, len, data },
            Sender::Upstream => payload(len, data),
        }
    }
}

const fn payload(left: u64, data: bool) -> State {
    match left {
        0 => State::Boundary,
        _ => State::Payload { left, data },
    }
}

const fn is_data(opcode: u8) -> bool {
    opcode <= 2
}

/// Longest payload of a control frame (RFC 6455 §5.5).
const MAX_CONTROL: u8 = 125;
const CLOSE: u8 = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tunnel::reference::{Frame, frames};

    fn fed(sender: Sender, bytes: &[u8]) -> Scanner {
        let mut scanner = Scanner::new(sender);
        scanner.feed(bytes);
        scanner
    }

    #[test]
    fn a_scanner_is_small() {
        assert!(size_of::<Scanner>() <= 24);
    }

    #[test]
    fn what_cannot_be_followed_blinds_for_good() {
        let unfollowable: [(&str, Sender, &[u8]); 8] = [
            ("reserved data opcode", Sender::Upstream, &[0x83, 0]),
            ("reserved control opcode", Sender::Upstream, &[0x8b, 0]),
            ("fragmented ping", Sender::Upstream, &[0x09, 0]),
            ("long pong", Sender::Upstream, &[0x8a, 126, 0, 126]),
            ("masked by the upstream", Sender::Upstream, &[0x81, 0x80]),
            ("not masked by the client", Sender::Client, &[0x81, 0x01]),
            (
                "length of 2^63",
                Sender::Upstream,
                &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
            ),
            ("no frame at all", Sender::Client, b"GET / HTTP/1.1"),
        ];
        for (why, sender, bytes) in unfollowable {
            let mut scanner = fed(sender, bytes);
            assert!(scanner.is_blind(), "{why}");
            assert!(
                !scanner.feed(&[0x81, 0x00, 0x81, 0x80, 0, 0, 0, 0]),
                "{why}"
            );
            assert!(!scanner.at_boundary(), "{why}");
        }
    }

    #[test]
    fn the_nearest_frames_that_can_be_followed_do_not_blind() {
        let fine: [(Sender, &[u8]); 5] = [
            (Sender::Upstream, &[0xc1, 0]),
            (Sender::Upstream, &[0x02, 0]),
            (Sender::Upstream, &[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0]),
            (Sender::Upstream, &[0x82, 126, 0, 0]),
            (Sender::Client, &[0x8a, 0x80, 1, 2, 3, 4]),
        ];
        for (sender, bytes) in fine {
            assert!(fed(sender, bytes).at_boundary(), "{bytes:?}");
        }
    }

    #[test]
    fn a_frame_of_almost_2_to_the_63_bytes_is_followed() {
        let mut scanner = Scanner::new(Sender::Upstream);
        scanner.feed(&[0x82, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255]);
        assert!(scanner.feed(&vec![0; 100_000]));
        assert!(!scanner.at_boundary());
        assert!(!scanner.is_blind());
    }

    #[test]
    fn control_frames_are_not_data() {
        let mut scanner = Scanner::new(Sender::Client);
        assert!(!scanner.feed(&[0x89, 0x80, 1, 2, 3, 4]));
        assert!(!scanner.is_closed());
        assert!(!scanner.feed(&[0x88, 0x80, 1, 2, 3, 4]));
        assert!(scanner.is_closed());
        assert!(scanner.feed(&[0x81]));
    }

    proptest! {
        /// Wherever the bytes are cut, the boundaries are where the frames end.
        #[test]
        fn any_split_gives_the_same_boundaries(
            (sender, frames) in frames(),
            cuts in prop::collection::vec(1_usize..40, 1..60),
        ) {
            let mut bytes = Vec::new();
            let mut ends = vec![0];
            for frame in &frames {
                frame.encode(&mut bytes);
                ends.push(bytes.len());
            }
            let mut scanner = Scanner::new(sender);
            let mut at = 0;
            let mut data = false;
            for cut in cuts.iter().cycle() {
                let end = (at + cut).min(bytes.len());
                data |= scanner.feed(&bytes[at..end]);
                at = end;
                prop_assert_eq!(scanner.at_boundary(), ends.contains(&at));
                if at == bytes.len() {
                    break;
                }
            }
            prop_assert_eq!(data, frames.iter().any(Frame::is_data));
            prop_assert_eq!(scanner.is_closed(), frames.iter().any(|frame| frame.opcode == CLOSE));
        }

        /// Steps stop at frame ends and nowhere else.
        #[test]
        fn steps_end_where_frames_end((sender, frames) in frames()) {
            let mut bytes = Vec::new();
            for frame in &frames {
                frame.encode(&mut bytes);
            }
            let mut scanner = Scanner::new(sender);
            let mut rest = &bytes[..];
            for frame in &frames {
                let step = scanner.step(rest);
                prop_assert_eq!(step, Step { len: frame.encoded_len(), data: frame.is_data() });
                rest = &rest[step.len..];
            }
            prop_assert!(rest.is_empty());
        }

        /// Whatever comes, it neither panics nor stops short, and once blind stays so.
        #[test]
        fn noise_is_survived(noise in prop::collection::vec(any::<u8>(), 0..400), client: bool) {
            let sender = if client { Sender::Client } else { Sender::Upstream };
            let mut scanner = Scanner::new(sender);
            let mut blind = false;
            let mut rest = &noise[..];
            while !rest.is_empty() {
                let step = scanner.step(rest);
                prop_assert!(step.len > 0);
                rest = &rest[step.len..];
                prop_assert!(!blind || scanner.is_blind());
                blind = scanner.is_blind();
            }
        }
    }
}
