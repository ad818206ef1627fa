//! Names in the configuration: users, groups, routes, listeners, e-mail addresses.

use super::show::quote;

/// Longest name.
const LONGEST: usize = 64;

/// A user: 1 to 64 letters, digits and `-_.@+`, so that it can stand in a header, a host name
/// template and a log line; not a star, not a flag, not a hidden file.
pub fn user(text: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@+".contains(&byte);
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(good) {
        return Err(format!(
            "{} is not a user name: 1 to {LONGEST} letters, digits and -_.@+",
            quote(text)
        ));
    }
    if text.starts_with(['-', '.']) {
        return Err(format!(
            "{} is not a user name: it starts with a letter, a digit, _, @ or +",
            quote(text)
        ));
    }
    Ok(text.into())
}

/// A group, as identity providers name them: one line of up to 256 bytes, not a star.
pub(super) fn group(text: &str) -> Result<String, String> {
    if text.is_empty() || text == "*" || text != text.trim() {
        Err(format!("{} names no group", quote(text)))
    } else if text.len() > 4 * LONGEST || text.contains(char::is_control) {
        Err("a group is one line of at most 256 bytes".into())
    } else {
        Ok(text.into())
    }
}

/// A route or listener: stands in logs and metrics.
pub(super) fn thing(text: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(good) {
        return Err(format!("must be 1 to {LONGEST} letters, digits and -_."));
    }
    Ok(text.into())
}

/// `ana@example.org`, in lowercase.
pub(super) fn email(text: &str) -> Result<String, String> {
    let good = text.split_once('@').is_some_and(|(mailbox, domain)| {
        !mailbox.is_empty() && !domain.is_empty() && !domain.contains('@')
    });
    let bad = |letter: char| letter.is_whitespace() || letter.is_control() || ",*".contains(letter);
    if !good || text.contains(bad) {
        return Err(format!("{} is not an e-mail address", quote(text)));
    }
    Ok(text.to_lowercase())
}

/// `ana@example.org` or `*@example.org`, in lowercase.
pub(super) fn email_pattern(text: &str) -> Result<String, String> {
    let everybody = text.strip_prefix("*@");
    let pattern = match everybody {
        Some(domain) => email(&format!("x@{domain}")).map(|_| text.to_lowercase()),
        None => email(text),
    };
    pattern.map_err(|_| {
        format!(
            "{} is not an e-mail address or \"*@example.org\"",
            quote(text)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_short_and_plain() {
        for good in [
            "ana",
            "ana@example.org",
            "a",
            "_x",
            "A.b-c_d+e",
            &"a".repeat(64),
        ] {
            assert_eq!(user(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "*",
            "-ana",
            ".ana",
            "ana b",
            "ana,bo",
            "änä",
            "a/b",
            &"a".repeat(65),
        ] {
            assert!(user(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_star_stands_for_a_mailbox_only() {
        assert_eq!(
            email_pattern("*@Example.org").as_deref(),
            Ok("*@example.org")
        );
        assert_eq!(
            email_pattern("Ana@example.org").as_deref(),
            Ok("ana@example.org")
        );
        for bad in [
            "",
            "*",
            "*@",
            "@",
            "*@*",
            "a*@example.org",
            "a@b@c",
            "a@ b",
            "ana",
        ] {
            assert!(email_pattern(bad).is_err(), "{bad}");
        }
        assert!(email("*@example.org").is_err());
    }
}
