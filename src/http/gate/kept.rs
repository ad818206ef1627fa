//! The small buffer between the socket and hyper, empty as long as heads come in one piece.

use tokio::io::ReadBuf;

/// Bytes that hyper has not got yet: first those that may go on, then the beginning of a head.
#[derive(Debug)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    given: usize,
    passed: usize,
}

impl Kept {
    /// All of it undecided.
    pub(super) const fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            given: 0,
            passed: 0,
        }
    }

    /// Adds undecided bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// So many of the undecided bytes may go on.
    pub(super) const fn pass(&mut self, count: usize) {
        self.passed += count;
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn undecided(&self) -> &[u8] {
        self.bytes.get(self.passed..).unwrap_or_default()
    }

    /// `stand_in` may go on, the undecided bytes may not.
    pub(super) fn replace_undecided(&mut self, stand_in: &[u8]) {
        self.bytes.truncate(self.passed);
        self.bytes.extend_from_slice(stand_in);
        self.passed = self.bytes.len();
    }

    /// Copies what may go on; whether there was anything.
    pub(super) fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let ready = self.bytes.get(self.given..self.passed).unwrap_or_default();
        if ready.is_empty() {
            return false;
        }
        let (now, _) = ready.split_at(ready.len().min(buf.remaining()));
        buf.put_slice(now);
        self.given += now.len();
        if self.given == self.passed {
            // A new vector, so that an idle connection does not hold the memory.
            self.bytes = self.undecided().to_vec();
            self.given = 0;
            self.passed = 0;
        }
        true
    }

    pub(super) fn into_rest(mut self) -> Vec<u8> {
        self.bytes.split_off(self.given)
    }
}
