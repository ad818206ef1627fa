//! Names of local users and their groups, and addresses, as an administrator may write them.

use std::{fmt, str::FromStr};

/// A name that a local user may get: 1 to 64 of ASCII letters, digits and `-_.@+`, the first a
/// letter or digit, so that the configuration can name it. Compared byte for byte; no two users may differ by case alone.
///
/// So a name cannot be `..`, look like an option, break a header or a log line, or be a look-alike
/// in another alphabet.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UserName(String);

/// Why a text is no user name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a user name has 1 to 64 letters, digits and - _ . @ + and starts with a letter or a digit"
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
        if starts_well && text.len() <= LONGEST_NAME && text.bytes().all(good) {
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

/// The text is no address that could be compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an e-mail address is name@domain, in ASCII, without spaces")]
pub struct InvalidEmail;

/// An address, in lower case: policies are written so. Refuses what two readers could take for two
/// addresses, like a second `@`.
pub fn parse_email(text: &str) -> Result<String, InvalidEmail> {
    let good = |part: &str| {
        let bad = |byte: u8| !byte.is_ascii_graphic() || b"@,;<>()[]\"\\".contains(&byte);
        !part.is_empty() && !part.bytes().any(bad)
    };
    match text.split_once('@') {
        Some((name, domain)) if good(name) && good(domain) && text.len() <= MAX_BYTES => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err(InvalidEmail),
    }
}

/// The text cannot be a group's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a group's name has 1 to 256 ASCII characters, none of them a comma or a space")]
pub struct InvalidGroup;

/// A group's name: it goes into a header whose values stand between commas.
pub fn parse_group(text: &str) -> Result<String, InvalidGroup> {
    let good = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    if (1..=MAX_BYTES).contains(&text.len()) && text.bytes().all(good) {
        Ok(text.to_owned())
    } else {
        Err(InvalidGroup)
    }
}

/// As in the configuration.
const LONGEST_NAME: usize = 64;
/// Of a group's name and of an address.
const MAX_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_are_names_and_traps_are_not() {
        let long = "a".repeat(64);
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
        let too_long = "a".repeat(65);
        // T59.
        for bad in [
            "", ".", "..", "a/b", "a%2fb", "-x", "@a", "a b", "a\n", "a\0", "аna", "é", "😀",
            "a:b", "a,b", &too_long,
        ] {
            assert_eq!(bad.parse::<UserName>(), Err(InvalidName), "{bad:?}");
        }
    }
    #[test]
    fn an_address_is_one_address_in_lower_case() {
        assert_eq!(parse_email("A@OURS.ORG").as_deref(), Ok("a@ours.org"));
        // T68.
        let long = format!("a@{}", "b".repeat(300));
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a@evil.com@ours.org",
            " a@b",
            "a@b\n",
            "a@bücher.de",
            "<a@b>",
            "a,b@c",
            &long,
        ] {
            assert_eq!(parse_email(bad), Err(InvalidEmail), "{bad:?}");
        }
    }

    #[test]
    fn a_group_fits_into_a_header() {
        for good in ["analysts", "/team/a", "cn=x:y"] {
            assert_eq!(parse_group(good).as_deref(), Ok(good));
        }
        for bad in ["", "a,b", "a b", "a\r\nb", "é"] {
            assert_eq!(parse_group(bad), Err(InvalidGroup), "{bad:?}");
        }
    }
}
