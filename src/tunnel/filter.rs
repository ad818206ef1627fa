//! One direction's bytes, without the pongs to pings that we inserted ourselves.
//!
//! A [`Scanner`] says where frames begin; while a pong is outstanding, a frame that begins like it
//! is held back (13 bytes at most) until it is whole and swallowed, or turns out to be another and
//! is passed on. Everything else passes unchanged and in order.

use super::{Scanner, Sender, control::Nonce};

/// See the module.
#[derive(Debug)]
pub(super) struct Filter {
    scanner: Scanner,
    sender: Sender,
    /// Payload of the pings sent against this direction.
    nonce: Nonce,
    /// Pings of ours that nobody answered yet.
    outstanding: u32,
    /// The start of what may be our pong; the scanner has not seen it.
    held: Held,
}

#[derive(Debug, Default)]
struct Held {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Filter {
    pub(super) fn new(sender: Sender, nonce: Nonce) -> Self {
        Self {
            scanner: Scanner::new(sender),
            sender,
            nonce,
            outstanding: 0,
            held: Held::default(),
        }
    }

    pub(super) const fn scanner(&self) -> &Scanner {
        &self.scanner
    }

    pub(super) const fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// A ping went out against this direction.
    pub(super) const fn expect_pong(&mut self) {
        self.outstanding = self.outstanding.saturating_add(1);
    }

    /// What was passed on so far ends between two frames.
    pub(super) const fn at_boundary(&self) -> bool {
        self.scanner.at_boundary()
    }

    /// Bytes must go through [`Filter::pass`]; else [`Filter::follow`] is enough.
    pub(super) const fn is_watching(&self) -> bool {
        self.outstanding > 0 && !self.scanner.is_blind()
    }

    /// Goes over bytes that are passed on as they are; true when some are of a data frame.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> bool {
        self.scanner.feed(bytes)
    }

    /// Goes over the bytes of the frame that is under way, and no further. Gives their number.
    pub(super) fn follow_frame(&mut self, bytes: &[u8]) -> usize {
        self.scanner.step(bytes).len
    }

    /// Appends to `out` what of `bytes` is to be passed on; true when some are of a data frame.
    pub(super) fn pass(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> bool {
        let mut data = false;
        while let Some(&byte) = bytes.first() {
            if !self.is_watching() {
                out.extend_from_slice(bytes);
                return data | self.scanner.feed(bytes);
            }
            let used = if self.scanner.at_boundary() {
                data |= self.hold(byte, out);
                1
            } else {
                let step = self.scanner.step(bytes);
                data |= step.data;
                out.extend_from_slice(bytes.get(..step.len).unwrap_or_default());
                step.len
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
        data
    }

    /// Appends what is held back, since nothing will follow it.
    pub(super) fn release(&mut self, out: &mut Vec<u8>) -> bool {
        let held = std::mem::take(&mut self.held);
        let bytes = held.bytes.get(..held.len).unwrap_or_default();
        out.extend_from_slice(bytes);
        self.scanner.feed(bytes)
    }

    /// At a boundary: holds one more byte while all of them look like our pong.
    fn hold(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        let fits = self.fits(byte);
        if let Some(place) = self.held.bytes.get_mut(self.held.len) {
            *place = byte;
            self.held.len += 1;
        }
        if !fits {
            return self.release(out);
        }
        if self.held.len == self.pong_len() {
            self.held = Held::default();
            self.outstanding -= 1;
        }
        false
    }

    /// Whether our pong could go on with `byte`.
    fn fits(&self, byte: u8) -> bool {
        let held = &self.held;
        let masked = matches!(self.sender, Sender::Client);
        let payload = |at: usize| self.nonce.get(at).copied();
        match (held.len, masked) {
            (0, _) => byte == PONG,
            (1, true) => byte == MASKED | LEN,
            (1, false) => byte == LEN,
            (2..=5, true) => true,
            (at, true) => {
                let key = held.bytes.get(2 + (at - 6) % 4).copied();
                payload(at - 6)
                    .zip(key)
                    .is_some_and(|(byte_, key)| byte_ ^ key == byte)
            }
            (at, false) => payload(at - 2) == Some(byte),
        }
    }

    const fn pong_len(&self) -> usize {
        match self.sender {
            Sender::Client => LONGEST,
            Sender::Upstream => LONGEST - 4,
        }
    }
}

/// Two bytes of header, four of mask, the nonce.
const LONGEST: usize = 2 + 4 + size_of::<Nonce>();
const PONG: u8 = 0x8a;
const MASKED: u8 = 0x80;
const LEN: u8 = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tunnel::reference::{Frame, frames_of};

    const NONCE: Nonce = *b"labgate!";

    /// What a direction looks like after the filter, when `bytes` comes in pieces of `cut`.
    fn filtered(sender: Sender, pings: u32, bytes: &[u8], cut: usize) -> Vec<u8> {
        let mut filter = Filter::new(sender, NONCE);
        for _ in 0..pings {
            filter.expect_pong();
        }
        let mut out = Vec::new();
        for piece in bytes.chunks(cut) {
            filter.pass(piece, &mut out);
        }
        filter.release(&mut out);
        out
    }

    fn encoded(frames: &[Frame]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames {
            frame.encode(&mut bytes);
        }
        bytes
    }

    #[test]
    fn only_the_pong_to_our_ping_is_swallowed() {
        let key = Some([1, 2, 3, 4]);
        let ours = Frame::new(10, key, NONCE);
        let others = [
            Frame::new(10, key, *b"labgate?"),
            Frame::new(10, key, *b"labgate"),
            Frame::new(10, key, *b"labgate!!"),
            Frame::new(9, key, NONCE),
            Frame::new(2, key, NONCE),
        ];
        for other in others {
            let all = encoded(&[other.clone(), ours.clone(), other.clone(), ours.clone()]);
            for cut in 1..all.len() {
                let once = filtered(Sender::Client, 1, &all, cut);
                let rest = [other.clone(), other.clone(), ours.clone()];
                assert_eq!(Frame::decode_all(&once), rest, "cut at {cut}");
                let never = filtered(Sender::Client, 0, &all, cut);
                assert_eq!(never, all);
            }
        }
    }

    #[test]
    fn a_pong_cut_off_by_the_end_is_passed_on() {
        let pong = encoded(&[Frame::new(10, None, NONCE)]);
        assert_eq!(filtered(Sender::Upstream, 1, &pong[..9], 4), pong[..9]);
    }

    proptest! {
        /// Any frames, any cuts, any places of our pongs: the frames arrive, the pongs do not.
        #[test]
        fn frames_pass_and_our_pongs_do_not(
            (sender, frames, places) in any::<bool>().prop_flat_map(|client| {
                let sender = if client { Sender::Client } else { Sender::Upstream };
                let places = prop::collection::vec(0_usize..8, 0..3);
                (Just(sender), frames_of(sender), places)
            }),
            key: [u8; 4],
            cut in 1_usize..50,
        ) {
            let mask = matches!(sender, Sender::Client).then_some(key);
            let mut mixed = frames.clone();
            for place in &places {
                mixed.insert((*place).min(mixed.len()), Frame::new(10, mask, NONCE));
            }
            let pings = u32::try_from(places.len()).unwrap();
            let out = filtered(sender, pings, &encoded(&mixed), cut);
            prop_assert_eq!(out, encoded(&frames));
        }
    }
}
