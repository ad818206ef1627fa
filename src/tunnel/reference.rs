//! Frames as RFC 6455 §5.2 writes them, for the tests to check the tunnel against.

use proptest::prelude::*;

use super::Sender;

/// One frame, its payload as the application sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Frame {
    pub(super) last: bool,
    pub(super) opcode: u8,
    pub(super) mask: Option<[u8; 4]>,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    pub(super) fn new(opcode: u8, mask: Option<[u8; 4]>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            last: true,
            opcode,
            mask,
            payload: payload.into(),
        }
    }

    pub(super) const fn is_data(&self) -> bool {
        self.opcode <= 2
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.last) << 7 | self.opcode);
        let masked = u8::from(self.mask.is_some()) << 7;
        match self.payload.len() {
            len @ 0..=125 => out.push(masked | u8::try_from(len).unwrap()),
            len @ 126..=0xffff => {
                out.push(masked | 0x7e);
                out.extend(u16::try_from(len).unwrap().to_be_bytes());
            }
            len => {
                out.push(masked | 0x7f);
                out.extend((len as u64).to_be_bytes());
            }
        }
        out.extend(self.mask.iter().flatten());
        let mask = self.mask.unwrap_or_default();
        out.extend(
            self.payload
                .iter()
                .enumerate()
                .map(|(i, byte)| byte ^ mask[i % 4]),
        );
    }

    pub(super) fn encoded_len(&self) -> usize {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.len()
    }

    /// All whole frames of `bytes`; panics when something is left over.
    pub(super) fn decode_all(mut bytes: &[u8]) -> Vec<Self> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let (frame, rest) = Self::decode(bytes).expect("whole frames only");
            frames.push(frame);
            bytes = rest;
        }
        frames
    }

    /// The first frame and what follows it; `None` when it is not whole.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&[first, second], mut rest) = bytes.split_first_chunk::<2>()?;
        let len = match second & 0x7f {
            126 => {
                let (len, after) = rest.split_first_chunk::<2>()?;
                rest = after;
                usize::from(u16::from_be_bytes(*len))
            }
            127 => {
                let (len, after) = rest.split_first_chunk::<8>()?;
                rest = after;
                usize::try_from(u64::from_be_bytes(*len)).unwrap()
            }
            len => usize::from(len),
        };
        let mask = if second & 0x80 == 0 {
            None
        } else {
            let (mask, after) = rest.split_first_chunk::<4>()?;
            rest = after;
            Some(*mask)
        };
        let (payload, rest) = rest.split_at_checked(len)?;
        let key = mask.unwrap_or_default();
        let payload = payload
            .iter()
            .enumerate()
            .map(|(i, byte)| byte ^ key[i % 4])
            .collect();
        let frame = Self {
            last: first & 0x80 != 0,
            opcode: first & 0x0f,
            mask,
            payload,
        };
        Some((frame, rest))
    }
}

/// One sender's frames, of all kinds and of lengths around the borders of the encoding.
pub(super) fn frames() -> impl Strategy<Value = (Sender, Vec<Frame>)> {
    any::<bool>().prop_flat_map(|client| {
        let sender = if client {
            Sender::Client
        } else {
            Sender::Upstream
        };
        (Just(sender), frames_of(sender))
    })
}

/// The frames of this sender.
pub(super) fn frames_of(sender: Sender) -> impl Strategy<Value = Vec<Frame>> {
    let mask = move |key| matches!(sender, Sender::Client).then_some(key);
    let len = prop_oneof![4 => 0_usize..130, 1 => 60_000_usize..70_000];
    let data = (any::<bool>(), 0_u8..3, any::<[u8; 4]>(), len, any::<u8>()).prop_map(
        move |(last, opcode, key, len, fill)| Frame {
            last,
            opcode,
            mask: mask(key),
            payload: vec![fill; len],
        },
    );
    let control = (
        8_u8..11,
        any::<[u8; 4]>(),
        prop::collection::vec(any::<u8>(), 0..125),
    )
        .prop_map(move |(opcode, key, payload)| Frame::new(opcode, mask(key), payload));
    prop::collection::vec(prop_oneof![2 => data, 1 => control], 0..8)
}
