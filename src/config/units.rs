//! Lengths of time and sizes as people write them: `"15m"`, `"1h30m"`, `"64KiB"`, `"10MB"`.
//!
//! Each `parse_*` and `show_*` are a pair: what is shown parses to the same value.

use std::time::Duration;

/// Ten years. A longer wait is "none", and sums with the time of day cannot overflow.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// Long to short, as they have to stand in a value.
const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("B", 1),
];

/// Whole numbers with a unit each, from the longest unit to the shortest; more than zero.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let unclear =
        || format!("\"{text}\" is not a length of time like \"10s\", \"15m\" or \"1h30m\"");
    let mut units = TIMES.iter();
    let mut millis: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = number(rest).ok_or_else(unclear)?;
        let end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end).ok_or_else(unclear)?;
        let (_, scale) = units.find(|(name, _)| *name == unit).ok_or_else(unclear)?;
        millis = number.saturating_mul(*scale).saturating_add(millis);
        rest = after;
    }
    let duration = Duration::from_millis(millis);
    if text.is_empty() {
        Err(unclear())
    } else if duration.is_zero() {
        Err("must be more than zero".into())
    } else if duration > LONGEST {
        Err("must be at most ten years (\"3650d\")".into())
    } else {
        Ok(duration)
    }
}

/// `1h30m`.
pub(super) fn show_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    for (unit, scale) in TIMES {
        if millis >= scale {
            parts.push(format!("{}{unit}", millis / scale));
            millis %= scale;
        }
    }
    parts.concat()
}

/// A whole number with one unit.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let unclear = || format!("\"{text}\" is not a size like \"64KiB\", \"10MB\" or \"2GiB\"");
    let (number, unit) = number(text).ok_or_else(unclear)?;
    let (_, scale) = SIZES
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(unclear)?;
    number
        .checked_mul(*scale)
        .ok_or_else(|| format!("\"{text}\" is too large"))
}

/// In the largest unit that divides it.
pub(super) fn show_size(bytes: u64) -> String {
    SIZES
        .iter()
        .find(|(_, scale)| bytes != 0 && bytes.is_multiple_of(*scale))
        .map_or_else(
            || format!("{bytes}B"),
            |(unit, scale)| format!("{}{unit}", bytes / scale),
        )
}

/// The digits that `text` starts with, at least one, and what follows.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_have_units_and_may_be_combined_from_long_to_short() {
        let seconds = |text| parse_duration(text).map(|duration| duration.as_secs_f32());
        assert_eq!(seconds("10s"), Ok(10.0));
        assert_eq!(seconds("15m"), Ok(900.0));
        assert_eq!(seconds("1h30m"), Ok(5400.0));
        assert_eq!(seconds("7d"), Ok(604_800.0));
        assert_eq!(seconds("250ms"), Ok(0.25));
        for bad in [
            "",
            "10",
            "s",
            "30m1h",
            "1m1m",
            "1.5h",
            "-1s",
            "10 s",
            "10S",
            "1w",
            "1h30",
            "0s",
            "ä",
            "3651d",
            "99999999999999999999s",
            "18446744073709551615d",
            "1µs",
        ] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_one_binary_or_decimal_unit() {
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("10MB"), Ok(10_000_000));
        assert_eq!(parse_size("0B"), Ok(0));
        for bad in [
            "",
            "64",
            "KiB",
            "64kib",
            "1.5MB",
            "-1B",
            "1 B",
            "1KiB1B",
            "99999999TiB",
        ] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_the_same(millis in 1..LONGEST.as_secs() * 1000, bytes: u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
            prop_assert_eq!(parse_size(&show_size(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_is_a_panic(text in ".{0,12}|[0-9a-zA-Z]{0,24}") {
            prop_assert_eq!(parse_duration(&text).is_err() || parse_size(&text).is_err(), true);
        }
    }
}
