//! A line of the access log as JSON, written by hand: it is made for every request.

use std::io::Write as _;

use super::{Record, clipped};
use crate::clock::Timestamp;

/// The second that was written last, as text: writing a date costs more than the rest of a line.
#[derive(Debug, Default)]
pub(super) struct Second {
    /// Since the Unix epoch.
    second: u64,
    /// `2026-11-21T20:56:00.`
    text: String,
}

impl Second {
    /// `at` in the words of [`Timestamp::rfc3339`].
    fn write(&mut self, line: &mut Vec<u8>, at: Timestamp) {
        let second = at.0 / 1000;
        if self.text.is_empty() || self.second != second {
            self.second = second;
            self.text = Timestamp(second * 1000).rfc3339();
            let cut = self.text.len().saturating_sub("000Z".len());
            self.text.truncate(cut);
        }
        line.extend_from_slice(self.text.as_bytes());
        thousandths(line, at.0 % 1000);
        line.push(b'Z');
    }
}

/// Adds the line with its end. What is absent has no name in it.
pub(super) fn line(line: &mut Vec<u8>, second: &mut Second, record: &Record<'_>) {
    line.extend_from_slice(b"{\"timestamp\":\"");
    second.write(line, record.at);
    line.extend_from_slice(b"\",\"level\":\"INFO\",\"target\":\"access\"");
    text(line, b",\"message\":", record.message);
    line.extend_from_slice(b",\"request_id\":\"");
    line.extend_from_slice(&record.request_id.digits());
    line.extend_from_slice(b"\",\"client\":\"");
    display(line, record.client);
    line.push(b'"');
    optional(line, b",\"user\":", record.user);
    text(line, b",\"method\":", clipped(record.method.as_str()));
    text(line, b",\"host\":", clipped(record.host));
    text(line, b",\"path\":", clipped(record.path));
    optional(line, b",\"route\":", record.route);
    optional(line, b",\"upstream\":", record.upstream);
    line.extend_from_slice(b",\"status\":");
    display(line, record.status);
    line.extend_from_slice(b",\"bytes_in\":");
    display(line, record.bytes_in);
    line.extend_from_slice(b",\"bytes_out\":");
    display(line, record.bytes_out);
    line.extend_from_slice(b",\"elapsed_ms\":");
    let micros = (record.elapsed.as_nanos() + 500) / 1000;
    display(line, micros / 1000);
    line.push(b'.');
    thousandths(line, u64::try_from(micros % 1000).unwrap_or(0));
    optional(line, b",\"error\":", record.error);
    line.extend_from_slice(b"}\n");
}

fn optional(line: &mut Vec<u8>, name: &[u8], value: Option<&str>) {
    if let Some(value) = value {
        text(line, name, value);
    }
}

/// `name` is as it stands before the value, punctuation and all.
fn text(line: &mut Vec<u8>, name: &[u8], value: &str) {
    line.extend_from_slice(name);
    let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if value.bytes().all(plain) {
        line.push(b'"');
        line.extend_from_slice(value.as_bytes());
        line.push(b'"');
        return;
    }
    // Text can always be written, and so can memory.
    drop(serde_json::to_writer(&mut *line, value));
}

fn display(line: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Memory can always be written.
    drop(write!(line, "{value}"));
}

/// Three digits of a number below 1000.
fn thousandths(line: &mut Vec<u8>, number: u64) {
    let digits = [number / 100, number / 10 % 10, number % 10];
    line.extend(digits.map(|digit| b'0' + u8::try_from(digit).unwrap_or(0)));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::telemetry::RequestIds;

    proptest! {
        /// Whatever stands in it, a line is one line, and one object that says just that.
        #[test]
        fn a_line_reads_back(
            (host, path, error) in ("\\PC{0,12}", "[\"\\\\\\x00-\\x7fä\u{2028}]{0,12}", "\\PC{0,12}"),
            millis in prop::collection::vec(0_u64..253_402_300_800_000, 1..3),
            micros in 0_u64..10_000_000_000,
            user in prop::option::of("\\PC{0,8}"),
        ) {
            let (mut bytes, mut second) = (Vec::new(), Second::default());
            for millis in millis {
                let at = Timestamp(millis);
                let request_id = RequestIds::default().next();
                bytes.clear();
                line(&mut bytes, &mut second, &Record {
                    at,
                    message: "request",
                    request_id,
                    client: [127, 0, 0, 1].into(),
                    user: user.as_deref(),
                    method: &Method::GET,
                    host: &host,
                    path: &path,
                    route: None,
                    upstream: Some("http://127.0.0.1:1"),
                    status: 200,
                    bytes_in: u64::MAX,
                    bytes_out: 0,
                    elapsed: Duration::from_micros(micros),
                    error: Some(&error),
                });
                prop_assert_eq!(memchr::memchr_iter(b'\n', &bytes).count(), 1);
                let mut said: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                let elapsed = said["elapsed_ms"].take().as_f64().unwrap();
                #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
                let exact = micros as f64 / 1e3;
                prop_assert!((elapsed - exact).abs() < 1e-6);
                let mut expected = json!({
                    "timestamp": at.rfc3339(),
                    "level": "INFO",
                    "target": "access",
                    "message": "request",
                    "request_id": request_id.to_string(),
                    "client": "127.0.0.1",
                    "method": "GET",
                    "host": host,
                    "path": path,
                    "upstream": "http://127.0.0.1:1",
                    "status": 200,
                    "bytes_in": u64::MAX,
                    "bytes_out": 0,
                    "elapsed_ms": null,
                    "error": error,
                });
                if let Some(user) = &user {
                    expected["user"] = json!(user);
                }
                prop_assert_eq!(said, expected);
            }
        }
    }
}
