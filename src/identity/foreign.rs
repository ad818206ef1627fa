//! Hashes that other programs made, in an htpasswd file: bcrypt and SHA-crypt.
//!
//! In: a hash whose form `config` has checked, and a password. Out: whether they fit. New hashes of
//! these kinds are never made.

use sha_crypt::{PasswordVerifier, ShaCrypt};

use crate::secret::Secret;

/// One such hash.
#[derive(Clone, Debug)]
pub(super) struct ForeignHash(Secret<String>);

impl ForeignHash {
    pub(super) const fn new(hash: Secret<String>) -> Self {
        Self(hash)
    }

    /// As it stands in the file.
    pub(super) fn text(&self) -> &str {
        self.0.expose()
    }

    /// Whether the password is the one. bcrypt reads 72 bytes and repeats what is shorter with a NUL
    /// behind it: a longer password, or one with a NUL, could be another in its eyes and never is
    /// the one. The time of such a refusal is that of any other.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let hash = self.0.expose();
        if !self.is_bcrypt() {
            return ShaCrypt::default()
                .verify_password(password, hash.as_str())
                .is_ok();
        }
        let whole = password.len() <= BCRYPT_BYTES && !password.contains(&0);
        bcrypt::verify(password, hash).unwrap_or(false) && whole
    }

    /// About how long a check takes, in thousandths of a second of a usual machine; only to compare.
    pub(super) fn cost(&self) -> u64 {
        let mut fields = self.0.expose().split('$').skip(1);
        let (_, second) = (fields.next(), fields.next().unwrap_or_default());
        if self.is_bcrypt() {
            let cost: u32 = second.parse().unwrap_or_default();
            return (1 << cost.min(32)) / 16;
        }
        let rounds = second.strip_prefix("rounds=");
        rounds.map_or(5000, |rounds| rounds.parse().unwrap_or_default()) / 1000
    }

    fn is_bcrypt(&self) -> bool {
        self.0.expose().starts_with("$2")
    }
}

const BCRYPT_BYTES: usize = 72;

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(hash: &str) -> ForeignHash {
        ForeignHash::new(Secret::new(hash.to_owned()))
    }

    fn bcrypt(password: &str) -> ForeignHash {
        foreign(&bcrypt::hash(password, 4).unwrap())
    }

    #[test]
    fn hashes_of_other_programs_fit_their_passwords() {
        // From crypt(3) of libxcrypt and `openssl passwd`.
        for hash in FIXTURES {
            assert!(foreign(hash).matches(b"correct horse"), "{hash}");
            assert!(!foreign(hash).matches(b"correct hors"), "{hash}");
            assert!(!foreign(hash).matches(b""), "{hash}");
        }
        for broken in ["", "$2y$", "$6$", "$5$a", "$2y$04$short"] {
            assert!(!foreign(broken).matches(b"correct horse"));
        }
    }

    const FIXTURES: [&str; 7] = [
        "$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
        "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
        "$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
        "$5$labgatesalt$X2PEBc06Ely4W4xr5vEqwGsFLZekg.hlMnql3Tzo5f0",
        "$5$rounds=1000$salt$qOfjCda6YN/JiGzcA4MkoJaIXdhJzf.qd.KJPQZ7TA/",
        "$6$labgatesalt$HI.qgYBs7aYJM8PaVDYdbgHfPxBKNsJc1J0t7K0KkKhJWCrr5SimIC.bXLtfwPGNRsuXdpKfTJcaIJ2Wq8lTY0",
        "$6$rounds=1000$salt$Op5Pr8IefYjtJFNiLT8d.Xb85v8VtEyyKosvqEUXP9/.f4IC5kMbKoUZwss1ymncWvUZB6QVTmIH88IN1Uc5C.",
    ];

    #[test]
    fn bcrypt_takes_72_bytes_and_refuses_what_it_would_cut() {
        let full = "x".repeat(72);
        assert!(bcrypt(&full).matches(full.as_bytes()));
        assert!(!bcrypt(&full).matches("x".repeat(73).as_bytes()));
        assert!(bcrypt("ab").matches(b"ab"));
        assert!(!bcrypt("ab").matches(b"ab\0ab"));
    }

    #[test]
    fn dearer_hashes_are_known_by_their_parameters() {
        let costs = ["$5$s$h", "$6$rounds=90000$s$h", "$2y$10$h", "$2y$12$h"];
        let costs = costs.map(|hash| foreign(hash).cost());
        assert_eq!(costs, [5, 90, 64, 256]);
    }
}
