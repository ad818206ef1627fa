//! Password hashes: argon2id in the PHC string format, with the parameters that OWASP recommends.
//! Those of other kinds are `foreign`.
//!
//! Everything here takes tens of milliseconds and 19 MiB, so it runs on blocking threads, a few at
//! a time (`local` sees to that).

use argon2::{
    Argon2, PasswordHasher, PasswordVerifier,
    password_hash::{self, phc::PasswordHash},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::foreign::ForeignHash;
use crate::{
    secret::{Secret, random},
    session::Voucher,
};

/// Longer passwords are refused: people do not have them, and they would cost us time.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// What a password is compared with.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    /// A hash of an htpasswd file.
    Foreign(ForeignHash),
    /// The PHC string of its hash.
    Hash(Secret<String>),
    /// Nothing: no such user, or none who may sign in with a password.
    Nobody,
    /// Itself, as the operator wrote it into the configuration.
    Plain(Secret<String>),
}

impl Expected {
    /// From a configuration: a PHC string, or the password itself.
    pub(super) fn from_config(text: &Secret<String>) -> Self {
        if text.expose().starts_with("$argon2") {
            Self::Hash(text.clone())
        } else {
            Self::Plain(text.clone())
        }
    }

    /// What a session keeps of it. Blocks for a hash where the password itself stands there, so that
    /// whoever reads the voucher has no shorter way to it than through a hash.
    pub(super) fn voucher(&self, salt: &[u8]) -> Voucher {
        match self {
            Self::Foreign(hash) => Voucher::of(&[b"hash", hash.text().as_bytes()]),
            Self::Hash(phc) => Voucher::of(&[b"hash", phc.expose().as_bytes()]),
            Self::Nobody => Voucher::of(&[b"none"]),
            Self::Plain(password) => {
                let hash = hash_with(password.expose().as_bytes(), salt);
                Voucher::of(&[b"plain", hash.as_bytes()])
            }
        }
    }

    /// Whether `password` is the one. Does the work of one argon2id hash in each case, and where a
    /// `decoy` is given that of one foreign hash too, so that the time does not tell the cases apart.
    /// An empty password never is.
    pub(super) fn matches(&self, password: &Secret<String>, decoy: Option<&ForeignHash>) -> bool {
        let given = password.expose().as_bytes();
        if let (Some(decoy), false) = (decoy, matches!(self, Self::Foreign(_))) {
            std::hint::black_box(decoy.matches(given));
        }
        let right = match self {
            Self::Foreign(hash) => {
                waste(given);
                hash.matches(given)
            }
            Self::Hash(phc) => verify(given, phc.expose()),
            Self::Nobody => {
                waste(given);
                false
            }
            Self::Plain(expected) => {
                waste(given);
                // Digests have one length, so that of the password does not show either.
                let given = Sha256::digest(given);
                given.ct_eq(&Sha256::digest(expected.expose())).into()
            }
        };
        right && !given.is_empty()
    }
}

/// Hashes a new password with a fresh salt; the PHC string. Blocks for tens of milliseconds.
pub fn hash(password: &Secret<String>) -> Result<Secret<String>, password_hash::Error> {
    let salt: [u8; 16] = random();
    let hash = Argon2::default().hash_password_with_salt(password.expose().as_bytes(), &salt)?;
    Ok(Secret::new(hash.to_string()))
}

fn verify(password: &[u8], phc: &str) -> bool {
    let Ok(hash) = PasswordHash::new(phc) else {
        waste(password);
        return false;
    };
    Argon2::default().verify_password(password, &hash).is_ok()
}

/// The work of `verify` for nothing.
fn waste(password: &[u8]) {
    drop(std::hint::black_box(hash_with(
        password,
        b"no user, no salt",
    )));
}

/// A PHC string; empty where there is none, which the fixed parameters and salts rule out.
fn hash_with(password: &[u8], salt: &[u8]) -> String {
    let hash = Argon2::default().hash_password_with_salt(password, salt);
    hash.map(|hash| hash.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn hashes_follow_the_recommended_parameters() {
        let phc = hash(&secret("x")).unwrap();
        let start = "$argon2id$v=19$m=19456,t=2,p=1$";
        assert!(phc.expose().starts_with(start), "{}", phc.expose());
    }

    #[test]
    fn only_the_right_password_matches() {
        let phc = hash(&secret("right")).unwrap();
        for expected in [Expected::Hash(phc), Expected::Plain(secret("right"))] {
            assert!(expected.matches(&secret("right"), None));
            for wrong in ["", "Right", "right ", "right\0", "$argon2id$"] {
                assert!(!expected.matches(&secret(wrong), None));
            }
        }
        assert!(!Expected::Nobody.matches(&secret("right"), None));
    }

    #[test]
    fn an_empty_password_matches_nothing_even_if_configured() {
        let empty = hash(&secret("")).unwrap();
        for expected in [Expected::Hash(empty), Expected::Plain(secret(""))] {
            assert!(!expected.matches(&secret(""), None));
        }
    }

    #[test]
    fn a_phc_string_of_the_configuration_is_a_hash_and_no_password() {
        let phc = hash(&secret("right")).unwrap();
        let expected = Expected::from_config(&phc);
        assert!(expected.matches(&secret("right"), None));
        assert!(!expected.matches(&phc, None));
        let expected = Expected::from_config(&secret("$argon2id$bad"));
        assert!(!expected.matches(&secret("$argon2id$bad"), None));
    }
}
