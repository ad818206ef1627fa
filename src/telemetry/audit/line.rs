//! One event as one line, whatever a client wrote into it.

use std::{fmt::Write as _, time::Duration};

use serde::ser::{SerializeMap, Serializer};

use super::event::{Event, Value};
use crate::{clock::Timestamp, telemetry::Format};

/// The line with its end. Empty where it cannot be made, which does not happen.
pub(super) fn line(format: Format, at: Timestamp, event: &Event<'_>) -> Vec<u8> {
    let mut line = match format {
        Format::Human => human(at, event).into_bytes(),
        Format::Json => json(at, event).unwrap_or_default(),
    };
    line.push(b'\n');
    line
}

fn json(at: Timestamp, event: &Event<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::new(&mut line);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("timestamp", &at.rfc3339())?;
    map.serialize_entry("level", "INFO")?;
    map.serialize_entry("target", "audit")?;
    map.serialize_entry("message", event.name())?;
    let mut said = Ok(());
    event.say(&mut |name, value| {
        let entry = match value {
            Value::Number(number) => map.serialize_entry(name, &number),
            Value::Seconds(time) => map.serialize_entry(name, &seconds(time)),
            Value::Text(text) => map.serialize_entry(name, &clean(&text.to_string())),
        };
        said = std::mem::replace(&mut said, Ok(())).and(entry);
    });
    said?;
    SerializeMap::end(map)?;
    Ok(line)
}

fn human(at: Timestamp, event: &Event<'_>) -> String {
    let mut line = format!("{} audit {}", at.rfc3339(), event.name());
    event.say(&mut |name, value| {
        let value = match value {
            Value::Number(number) => number.to_string(),
            Value::Seconds(time) => seconds(time).to_string(),
            Value::Text(text) => quoted(&clean(&text.to_string())),
        };
        let _infallible = write!(line, " {name}={value}");
    });
    line
}

/// At most 256 characters, none of which ends a line, moves a cursor, or turns or hides what stands
/// beside it.
pub(super) fn clean(text: &str) -> String {
    let shown = |c| {
        if is_odd(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().take(MOST).map(shown).collect()
}

/// Controls (also those of terminals, U+0080 to U+009F), line and paragraph separators, invisible
/// characters, and those that change the direction of text (Unicode TR 36 §3.1).
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// A word as it is, anything else as a JSON string, so that no value can look like another field.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_.:@/+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}

const MOST: usize = 256;
