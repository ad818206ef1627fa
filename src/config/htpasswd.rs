//! The htpasswd file: users with hashes of bcrypt (`$2y$`, `$2a$`, `$2b$`) and SHA-crypt (`$5$`,
//! `$6$`), one `name:hash` a line.
//!
//! In: the file's text. Out: users, or each line that is wrong. Hashes that are quickly guessed
//! ({SHA}, $apr1$, crypt, plain text) are refused, and those that would take seconds too. Whether a
//! password fits is `identity`'s to say. No message here repeats a hash.

use std::{
    collections::{HashMap, hash_map::Entry},
    ops::RangeInclusive,
};

use super::{LocalUser, UserSource, names, read::Section, show::quote};
use crate::secret::Secret;

/// Reads the file that `htpasswd` names, if any. `configured`: the users that stand beside it.
pub(super) fn read(
    local: &mut Section<'_, '_>,
    configured: &[Option<LocalUser>],
) -> Vec<LocalUser> {
    let Some((origin, path)) = local.optional_path("htpasswd") else {
        return Vec::new();
    };
    let shown = path.display();
    let content = match (local.reader.read_file)(&path) {
        Ok(content) => Secret::new(content),
        Err(error) => {
            local.problem(
                origin,
                "htpasswd",
                format!("{shown} cannot be read: {error}"),
            );
            return Vec::new();
        }
    };
    let mut taken: HashMap<String, String> = configured
        .iter()
        .flatten()
        .map(|user| {
            (
                user.name.to_ascii_lowercase(),
                "the configuration".to_owned(),
            )
        })
        .collect();
    let mut users = Vec::new();
    for (index, line) in content.expose().lines().enumerate() {
        let number = index + 1;
        match entry(line.trim()).and_then(|entry| untaken(entry, number, &mut taken)) {
            Ok(user) => users.extend(user),
            Err(wrong) => {
                let message = format!("{shown}:{number}: {wrong}");
                local.problem(origin, "htpasswd", message);
            }
        }
    }
    users
}

/// The user of a line, whose name is taken from now on.
fn untaken(
    entry: Option<(&str, &str)>,
    number: usize,
    taken: &mut HashMap<String, String>,
) -> Result<Option<LocalUser>, String> {
    let Some((name, hash)) = entry else {
        return Ok(None);
    };
    match taken.entry(name.to_ascii_lowercase()) {
        Entry::Occupied(place) => {
            let (name, place) = (quote(name), place.get());
            return Err(format!("user {name} stands in {place} already"));
        }
        Entry::Vacant(free) => free.insert(format!("line {number}")),
    };
    Ok(Some(LocalUser {
        name: name.to_owned(),
        password: Secret::new(hash.to_owned()),
        groups: Vec::new(),
        email: None,
        source: UserSource::Htpasswd,
    }))
}

/// Name and hash of a line; `None` for an empty one or a comment.
fn entry(line: &str) -> Result<Option<(&str, &str)>, String> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    // Not a word of the line: it may be a password.
    let Some((name, hash)) = line.split_once(':') else {
        return Err("must be name:hash".into());
    };
    names::user(name)?;
    match form(hash) {
        Ok(()) => Ok(Some((name, hash))),
        Err(wrong) => Err(format!("user {}: {wrong}", quote(name))),
    }
}

/// Whether a hash is one that we can check and stand by (crypt(5)).
fn form(hash: &str) -> Result<(), String> {
    let mut fields = hash.split('$').skip(1);
    let (kind, second) = (fields.next(), fields.next().unwrap_or_default());
    let whole = match kind {
        Some("2y" | "2a" | "2b") => {
            within("its cost", second, BCRYPT_COST)?;
            second.len() == 2 && is_crypt64(fields.next(), 53..=53)
        }
        Some(kind @ ("5" | "6")) => {
            let salt = match second.strip_prefix("rounds=") {
                None => Some(second),
                Some(rounds) => {
                    within("its count of rounds", rounds, SHA_ROUNDS)?;
                    fields.next()
                }
            };
            let length = if kind == "5" { 43 } else { 86 };
            is_crypt64(salt, 0..=16) && is_crypt64(fields.next(), length..=length)
        }
        Some("apr1" | "1") => return Err(refused("hashed with MD5 ($apr1$)")),
        _ if hash.starts_with("{SHA}") => return Err(refused("hashed with {SHA}")),
        _ if hash.starts_with(['$', '{']) => return Err(refused("hashed in an unknown way")),
        _ => return Err(refused("hashed with crypt, or not at all")),
    };
    if whole && fields.next().is_none() {
        Ok(())
    } else {
        Err(format!("the hash is damaged; {AGAIN}"))
    }
}

fn refused(how: &str) -> String {
    format!("the password is {how}, which keeps nobody out; {AGAIN}")
}

/// Work that takes neither no time nor seconds.
fn within(what: &str, number: &str, range: RangeInclusive<u32>) -> Result<(), String> {
    let good = number.parse().is_ok_and(|number| range.contains(&number));
    let (low, high) = (range.start(), range.end());
    good.then_some(())
        .ok_or_else(|| format!("{what} must be {low} to {high}; {AGAIN}"))
}

fn is_crypt64(text: Option<&str>, length: RangeInclusive<usize>) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"./".contains(&byte);
    text.is_some_and(|text| length.contains(&text.len()) && text.bytes().all(good))
}

const AGAIN: &str = "make it anew with `htpasswd -B`";
/// 14 takes about a second.
const BCRYPT_COST: RangeInclusive<u32> = 4..=14;
/// From what crypt(3) takes to about a second for the longest password.
const SHA_ROUNDS: RangeInclusive<u32> = 1000..=200_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slow_hashes_are_taken_and_quick_or_endless_ones_are_not() {
        let bcrypt = |start: &str| form(&format!("{start}${}", "a".repeat(53)));
        for start in ["$2y$05", "$2a$04", "$2b$14"] {
            assert_eq!(bcrypt(start), Ok(()));
        }
        for start in [
            "$2y$15", "$2y$31", "$2y$3", "$2y$5", "$2x$05", "$2$05", "$2y$",
        ] {
            assert!(bcrypt(start).is_err(), "{start}");
        }
        let sha = |start: &str, length| form(&format!("{start}${}", "a".repeat(length)));
        assert_eq!(sha("$5$salt", 43), Ok(()));
        assert_eq!(sha("$6$rounds=5000$salt", 86), Ok(()));
        for (start, length) in [
            ("$5$salt", 86),
            ("$6$salt", 43),
            ("$6$rounds=999$salt", 86),
            ("$6$rounds=999999999$salt", 86),
            ("$6$rounds=x$salt", 86),
            ("$6$seventeen.letters", 86),
            ("$6$salt$x", 86),
        ] {
            assert!(sha(start, length).is_err(), "{start}");
        }
    }

    #[test]
    fn a_refusal_names_the_user_and_the_way_out_but_no_hash() {
        for (hash, said) in [
            ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "{SHA}"),
            ("$apr1$salt$W6ph5Mm5Pz8Ggi", "$apr1$"),
            ("plain words", "not at all"),
            ("ab01FAX.bQRSU", "crypt"),
            ("{SSHA}W6ph5Mm5", "unknown"),
            ("$y$j9T$W6ph5Mm5", "unknown"),
            ("$2y$05$W6ph5Mm5", "damaged"),
            ("", "not at all"),
        ] {
            let wrong = entry(&format!("ana:{hash}")).unwrap_err();
            assert!(
                wrong.starts_with("user \"ana\": ") && wrong.contains(said),
                "{wrong}"
            );
            assert!(wrong.ends_with("`htpasswd -B`"), "{wrong}");
            assert!(
                !wrong.contains("W6ph") && !wrong.contains("words"),
                "{wrong}"
            );
        }
        assert_eq!(entry("only words").unwrap_err(), "must be name:hash");
    }

    proptest! {
        #[test]
        fn no_line_panics(line in any::<String>(), hash in "\\$(2y|5|6|rounds=)?\\$?[0-9$a-z./=]{0,90}") {
            drop(entry(&line));
            drop(form(&hash));
        }
    }
}
