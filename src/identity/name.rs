//! Names of local users.

use std::{fmt, str::FromStr};

/// A name that a local user may get: 1 to 256 of ASCII letters, digits and `-_.@+`, the first a
/// letter or digit. Compared byte for byte; no two users may differ by case alone.
///
/// So a name cannot be `..`, look like an option, break a header or a log line, or be a look-alike
/// in another alphabet.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UserName(String);

/// Why a text is no user name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a user name has 1 to 256 letters, digits and - _ . @ + and starts with a letter or a digit"
)]
pub struct InvalidName;

impl UserName {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@+".contains(&byte);
        let starts_well = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        if starts_well && text.len() <= MAX_BYTES && text.bytes().all(good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName)
        }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const MAX_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_are_names_and_traps_are_not() {
        let long = "a".repeat(256);
        for good in [
            "ana",
            "Ana.B",
            "ana@example.org",
            "ci-7",
            "4u",
            "a+b_c",
            &long,
        ] {
            assert_eq!(good.parse::<UserName>().unwrap().as_str(), good);
        }
        let too_long = "a".repeat(257);
        // T59.
        for bad in [
            "", ".", "..", "a/b", "a%2fb", "-x", "@a", "a b", "a\n", "a\0", "аna", "é", "😀",
            "a:b", "a,b", &too_long,
        ] {
            assert_eq!(bad.parse::<UserName>(), Err(InvalidName), "{bad:?}");
        }
    }
}
