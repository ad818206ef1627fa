//! What a session keeps of the secret that let its user in, to notice when that is another one.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A digest of a secret that is itself slow to guess: whoever reads it gains nothing over the
/// secret's own hash. 43 characters base64url; never shown.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct Voucher(String);

impl Voucher {
    /// Of some bytes; other pieces give another voucher, also where they are the same joined up.
    pub fn of(pieces: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for piece in pieces {
            digest.update((piece.len() as u64).to_be_bytes());
            digest.update(piece);
        }
        Self(BASE64_URL_SAFE_NO_PAD.encode(digest.finalize()))
    }
}

impl fmt::Debug for Voucher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Voucher(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_pieces_are_another_voucher_and_none_is_shown() {
        let voucher = Voucher::of(&[b"ab", b"c"]);
        assert_eq!(voucher, Voucher::of(&[b"ab", b"c"]));
        for other in [&[&b"a"[..], b"bc"][..], &[b"abc"], &[b"ab", b"c", b""], &[]] {
            assert_ne!(voucher, Voucher::of(other));
        }
        assert!(!format!("{voucher:?}").contains(&voucher.0));
    }
}
