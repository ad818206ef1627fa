//! What a new password has to be: 10 to 1,024 bytes, and not the user's name.
//!
//! Passwords that exist already are not judged. No rules about kinds of characters: they make
//! passwords worse (NIST SP 800-63B-4 §3.1.1.2).

use super::password::{self, MAX_PASSWORD_BYTES};
use crate::secret::Secret;

/// A password that somebody may have from now on.
#[derive(Clone, Debug)]
pub struct NewPassword(Secret<String>);

/// Why a text is no new password. The message is for the person who typed it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// Fewer than 10 bytes.
    #[error("a password has at least {MIN_PASSWORD_BYTES} characters")]
    TooShort,
    /// More than 1,024 bytes.
    #[error("a password has at most {MAX_PASSWORD_BYTES} bytes")]
    TooLong,
    /// The user's name, in whatever case.
    #[error("a password must not be the username")]
    IsName,
}

impl NewPassword {
    /// Judges a password for the user `name`.
    pub fn new(text: Secret<String>, name: &str) -> Result<Self, Unfit> {
        let length = text.expose().len();
        if text.expose().eq_ignore_ascii_case(name) {
            Err(Unfit::IsName)
        } else if length < MIN_PASSWORD_BYTES {
            Err(Unfit::TooShort)
        } else if length > MAX_PASSWORD_BYTES {
            Err(Unfit::TooLong)
        } else {
            Ok(Self(text))
        }
    }

    /// Its PHC string. Blocks for tens of milliseconds.
    pub fn hash(&self) -> Result<Secret<String>, argon2::password_hash::Error> {
        password::hash(&self.0)
    }
}

/// Counted in bytes, so that no letter is worth less than one.
const MIN_PASSWORD_BYTES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str, name: &str) -> Result<(), Unfit> {
        NewPassword::new(Secret::new(text.to_owned()), name).map(drop)
    }

    #[test]
    fn length_is_all_that_counts_but_for_the_name() {
        assert_eq!(judge("", "ana"), Err(Unfit::TooShort));
        assert_eq!(judge("123456789", "ana"), Err(Unfit::TooShort));
        assert_eq!(judge("          ", "ana"), Ok(()));
        assert_eq!(judge("ñññññ", "ana"), Ok(()));
        assert_eq!(judge(&"x".repeat(1024), "ana"), Ok(()));
        assert_eq!(judge(&"x".repeat(1025), "ana"), Err(Unfit::TooLong));
        assert_eq!(judge("Ana.Martinez", "ana.martinez"), Err(Unfit::IsName));
        assert_eq!(judge("ANA", "ana"), Err(Unfit::IsName));
        assert_eq!(judge("ana.martinez1", "ana.martinez"), Ok(()));
    }
}
