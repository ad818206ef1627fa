//! Where the frames of an HTTP/2 client begin and end, by their headers alone (RFC 9113 §3.4 and
//! §4.1), so that what must come whole can be given a time.
//!
//! That is: the preface with the first SETTINGS; a header block with all its continuations (§4.3);
//! any other frame but DATA, whose payload may take as long as an upload does. A few bytes of state,
//! no buffer, no judgement: what is wrong is for h2 to refuse.

/// See the module.
#[derive(Debug)]
pub(super) struct Frames {
    /// Of the preface, still to come.
    preface: usize,
    /// The first frame is not complete.
    first: bool,
    header: [u8; HEADER],
    /// How much of `header` is there.
    filled: usize,
    /// Of this frame's payload, still to come.
    payload: usize,
    /// The payload is of a DATA frame.
    data: bool,
    /// A header block goes on in the next frame.
    block: bool,
}

impl Frames {
    pub(super) const fn new() -> Self {
        Self {
            preface: PREFACE,
            first: true,
            header: [0; HEADER],
            filled: 0,
            payload: 0,
            data: false,
            block: false,
        }
    }

    /// Something has begun that must come whole, and it has not.
    pub(super) const fn is_open(&self) -> bool {
        self.preface > 0
            || self.first
            || self.block
            || self.filled > 0
            || (self.payload > 0 && !self.data)
    }

    /// Goes over bytes as they came. True when what is open after them, if anything, began in them.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> bool {
        let mut began = false;
        while !bytes.is_empty() {
            if self.preface > 0 {
                take(&mut self.preface, &mut bytes);
            } else if self.payload > 0 {
                take(&mut self.payload, &mut bytes);
                self.first &= self.payload > 0;
            } else {
                began |= !self.is_open();
                self.feed_header(&mut bytes);
            }
        }
        began
    }

    fn feed_header(&mut self, bytes: &mut &[u8]) {
        while let Some((byte, rest)) = bytes.split_first() {
            let Some(place) = self.header.get_mut(self.filled) else {
                break;
            };
            *place = *byte;
            self.filled += 1;
            *bytes = rest;
        }
        if self.filled < HEADER {
            return;
        }
        self.filled = 0;
        let [high, middle, low, kind, flags, ..] = self.header;
        let length = [high, middle, low].map(usize::from);
        self.payload = (length[0] << 16) | (length[1] << 8) | length[2];
        self.data = kind == DATA;
        if matches!(kind, HEADERS | PUSH_PROMISE | CONTINUATION) {
            self.block = flags & END_HEADERS == 0;
        }
        self.first &= self.payload > 0;
    }
}

/// Takes what there is of `rest` from `bytes`.
fn take(rest: &mut usize, bytes: &mut &[u8]) {
    let taken = bytes.len().min(*rest);
    *rest -= taken;
    *bytes = bytes.get(taken..).unwrap_or_default();
}

const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let mut bytes = u32::try_from(length).unwrap().to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags, 0, 0, 0, 1]);
        // As bytes of a payload these would be frame headers.
        bytes.resize(HEADER + length, 1);
        bytes
    }

    const SETTINGS: u8 = 4;

    fn begun() -> Frames {
        let mut frames = Frames::new();
        frames.feed(&[b'P'; PREFACE]);
        frames.feed(&frame(SETTINGS, 0, 12));
        assert!(!frames.is_open());
        frames
    }

    #[test]
    fn the_beginning_is_open_until_the_first_frame_is_whole() {
        for settings in [frame(SETTINGS, 0, 0), frame(SETTINGS, 0, 6)] {
            let mut frames = Frames::new();
            let all = [&[b'P'; PREFACE][..], &settings].concat();
            for byte in &all {
                assert!(frames.is_open());
                assert!(!frames.feed(&[*byte]), "all of it is one thing");
            }
            assert!(!frames.is_open());
        }
    }

    #[test]
    fn a_header_block_is_one_thing_over_all_its_frames() {
        let mut frames = begun();
        let block = [
            frame(HEADERS, 0, 3),
            frame(CONTINUATION, 0, 0),
            frame(CONTINUATION, END_HEADERS, 2),
        ]
        .concat();
        for (at, byte) in block.iter().enumerate() {
            assert_eq!(frames.feed(&[*byte]), at == 0, "{at}");
            assert_eq!(frames.is_open(), at + 1 < block.len(), "{at}");
        }
    }

    #[test]
    fn the_payload_of_data_may_take_its_time_and_that_of_others_may_not() {
        for (kind, open) in [(DATA, false), (SETTINGS, true), (6, true), (0xbe, true)] {
            let mut frames = begun();
            let bytes = frame(kind, 0, 5);
            assert!(frames.feed(&bytes[..HEADER - 1]) && frames.is_open());
            frames.feed(&bytes[HEADER - 1..HEADER + 2]);
            assert_eq!(frames.is_open(), open, "{kind}");
            frames.feed(&bytes[HEADER + 2..]);
            assert!(!frames.is_open(), "{kind}");
        }
    }

    proptest! {
        /// However frames are cut up on their way: what is open is the same, and the clock of a
        /// new thing starts with the piece that its first byte is in.
        #[test]
        fn cuts_change_nothing(
            kinds in prop::collection::vec((0_u8..11, any::<bool>(), 0_usize..40), 1..20),
            end in 0_usize..200,
            cut in 1_usize..30,
        ) {
            let whole: Vec<u8> = kinds
                .iter()
                .flat_map(|(kind, end, length)| frame(*kind, u8::from(*end) * END_HEADERS, *length))
                .collect();
            let bytes = &whole[..end.min(whole.len())];
            let (mut bytewise, mut pieces) = (begun(), begun());
            let starts: Vec<bool> = bytes.iter().map(|byte| bytewise.feed(&[*byte])).collect();
            for (at, piece) in bytes.chunks(cut).enumerate() {
                let began = pieces.feed(piece);
                let expected = starts[at * cut..at * cut + piece.len()].contains(&true);
                prop_assert_eq!(began, expected);
            }
            prop_assert_eq!(pieces.is_open(), bytewise.is_open());
        }
    }
}
