//! Amounts in words, and texts with `code` in them.

use std::time::Duration;

/// Whole seconds, rounded up, at least one: what `Retry-After` and a countdown need.
pub fn whole_seconds(duration: Duration) -> u64 {
    let up = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(up).max(1)
}

/// `1 second`, `40 seconds`, `2 minutes`: seconds below two minutes, then minutes and from two hours
/// on hours, rounded up.
pub(super) fn duration_words(duration: Duration) -> String {
    let seconds = whole_seconds(duration);
    let (amount, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3600), "hour"),
    };
    format!("{amount} {unit}{}", if amount == 1 { "" } else { "s" })
}

/// `312 bytes`, `64 KiB`, `1.5 GiB`: one decimal where it is not zero, rounded down.
pub(super) fn size_words(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..0x400 => return format!("{bytes} bytes"),
        0x400..0x10_0000 => (1 << 10, "KiB"),
        0x10_0000..0x4000_0000 => (1 << 20, "MiB"),
        _ => (1 << 30, "GiB"),
    };
    let (whole, tenth) = (bytes / unit, bytes % unit * 10 / unit);
    if tenth == 0 {
        format!("{whole} {name}")
    } else {
        format!("{whole}.{tenth} {name}")
    }
}

/// At most 256 characters of what somebody else wrote, without control characters; `…` says that
/// there was more.
pub(super) fn excerpt(text: &str) -> String {
    let mut chars = text
        .chars()
        .map(|char| if char.is_control() { '\u{fffd}' } else { char });
    let mut short: String = chars.by_ref().take(256).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

/// A piece of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part<'a> {
    /// Stood between backticks.
    Code(&'a str),
    /// Anything else.
    Plain(&'a str),
}

/// Splits ``set `server.public_url` there`` at its backticks. Nothing is lost but the backticks, and
/// nothing is escaped: the template does that.
pub(super) fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    text.split('`').enumerate().map(|(index, text)| {
        if index % 2 == 1 {
            Part::Code(text)
        } else {
            Part::Plain(text)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_said_in_the_unit_a_person_would_use() {
        let said = |millis| duration_words(Duration::from_millis(millis));
        assert_eq!(said(0), "1 second");
        assert_eq!(said(1_001), "2 seconds");
        assert_eq!(said(119_000), "119 seconds");
        assert_eq!(said(120_001), "3 minutes");
        assert_eq!(said(7_200_000), "2 hours");
        assert_eq!(
            duration_words(Duration::MAX).split(' ').nth(1),
            Some("hours")
        );
    }

    #[test]
    fn sizes_are_said_with_the_units_of_the_configuration() {
        assert_eq!(size_words(1023), "1023 bytes");
        assert_eq!(size_words(64 << 10), "64 KiB");
        assert_eq!(size_words((3 << 20) + (1 << 19)), "3.5 MiB");
        assert_eq!(size_words(u64::MAX), "17179869183.9 GiB");
    }

    #[test]
    fn what_strangers_wrote_is_short_and_without_control_characters() {
        assert_eq!(excerpt("/a\r\nb"), "/a\u{fffd}\u{fffd}b");
        assert_eq!(excerpt(&"é".repeat(256)), "é".repeat(256));
        assert_eq!(excerpt(&"é".repeat(257)), format!("{}…", "é".repeat(256)));
    }

    #[test]
    fn backticks_mark_code() {
        let found: Vec<_> = parts("set `a.b` or `c`").collect();
        let expected = [
            Part::Plain("set "),
            Part::Code("a.b"),
            Part::Plain(" or "),
            Part::Code("c"),
            Part::Plain(""),
        ];
        assert_eq!(found, expected);
    }
}
