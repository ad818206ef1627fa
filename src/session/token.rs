//! The two values of a session: the token, secret and in the cookie, and the id, public.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::secret::{Secret, random};

/// What the browser holds: 256 random bits. Never stored, never logged; we keep its hash.
#[derive(Clone, Debug)]
pub struct SessionToken(Secret<[u8; 32]>);

/// SHA-256 of a token. The token is random, so nothing slower is needed, and looking it up by its
/// hash tells nothing through timing.
pub(super) type TokenHash = [u8; 32];

impl SessionToken {
    /// Length of the text in bytes.
    pub const TEXT_LEN: usize = 43;

    pub(super) fn generate() -> Self {
        Self(Secret::new(random()))
    }

    /// Parses a cookie's value: exactly 43 characters base64url without padding (RFC 4648 §5), and
    /// in only one spelling. Anything else, quotes included, is no token.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != Self::TEXT_LEN {
            return None;
        }
        let mut bytes = [0; 32];
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (length == bytes.len()).then(|| Self(Secret::new(bytes)))
    }

    /// The text for the cookie.
    pub fn expose(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0.expose())
    }

    pub(super) fn hash(&self) -> TokenHash {
        Sha256::digest(self.0.expose()).into()
    }
}

/// Names a session in logs, lists and commands: 64 random bits, 16 hex digits. Grants nothing, and
/// tells nothing about the token.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(u64);

impl SessionId {
    pub(super) fn generate() -> Self {
        Self(u64::from_be_bytes(random()))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// The text is not 16 lowercase hex digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a session id has 16 hex digits")]
pub struct NotAnId;

impl FromStr for SessionId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.bytes().all(digit) {
            return Err(NotAnId);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| NotAnId)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_survives_its_text(bytes: [u8; 32]) {
            let token = SessionToken(Secret::new(bytes));
            let text = token.expose();
            prop_assert_eq!(text.len(), SessionToken::TEXT_LEN);
            let parsed = SessionToken::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(parsed.hash(), token.hash());
        }

        #[test]
        fn garbage_is_no_token_and_no_panic(text: Vec<u8>) {
            prop_assert!(SessionToken::parse(&text).is_none());
        }

        #[test]
        fn what_parses_has_one_spelling(text in "[A-Za-z0-9_-]{43}") {
            if let Some(token) = SessionToken::parse(text.as_bytes()) {
                prop_assert_eq!(token.expose(), text);
            }
        }

        #[test]
        fn an_id_survives_its_text(number: u64) {
            let id = SessionId(number);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn an_id_parses_from_one_spelling_only(text in "\\PC{0,20}") {
            if let Ok(id) = text.parse::<SessionId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn altered_tokens_are_no_tokens() {
        // T31.
        let good = SessionToken::generate().expose();
        let cut = good.split_at(1).1;
        let quoted = format!("\"{good}\"");
        let padded = format!("{good}=");
        let long = "A".repeat(100_000);
        for bad in ["", cut, &quoted, &padded, &long, &format!(" {cut}")] {
            assert!(SessionToken::parse(bad.as_bytes()).is_none());
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let token = SessionToken::generate();
        assert_eq!(format!("{token:?}"), "SessionToken(Secret(***))");
    }
}
