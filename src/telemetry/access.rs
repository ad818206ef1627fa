//! The access log: one event per request at its end, and one more when a tunnel opens.
//!
//! Each worker writes lines into its own buffer; a writer thread takes full buffers, and those that
//! waited for a tick. When stderr cannot keep up, lines are dropped and counted, never waited for.

mod json;

use std::{
    cell::{Cell, RefCell},
    io::{self, Write},
    net::IpAddr,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
    time::Duration,
};

use http::Method;

use super::{Format, RequestId};
use crate::clock::Timestamp;

/// What is told of one request. Never a query string, cookie, token or body.
#[derive(Debug)]
pub struct Record<'a> {
    /// When it ended (or the tunnel opened).
    pub at: Timestamp,
    /// "request", "tunnel opened" or "tunnel closed".
    pub message: &'static str,
    /// Its id.
    pub request_id: RequestId,
    /// Who the request is from, after trusted proxies.
    pub client: IpAddr,
    /// Name of the signed-in user.
    pub user: Option<&'a str>,
    /// Method.
    pub method: &'a Method,
    /// Host as the client sent it.
    pub host: &'a str,
    /// Path as the client sent it, without the query.
    pub path: &'a str,
    /// Route that it matched.
    pub route: Option<&'a str>,
    /// Where it was sent, when it was.
    pub upstream: Option<&'a str>,
    /// Status of the answer; 0 when the client left before there was one.
    pub status: u16,
    /// Bytes of bodies (of a tunnel: all bytes) from the client.
    pub bytes_in: u64,
    /// Bytes of bodies (of a tunnel: all bytes) to the client.
    pub bytes_out: u64,
    /// From the end of the head to the end of the answer.
    pub elapsed: Duration,
    /// What went wrong, for the operator.
    pub error: Option<&'a str>,
}

/// A worker's end of the access log.
#[derive(Debug)]
pub struct AccessLog {
    format: Format,
    lines: RefCell<Vec<u8>>,
    second: RefCell<json::Second>,
    dropped: Cell<u64>,
    dropped_ever: Cell<u64>,
    sink: Sink,
}

/// Where full buffers go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sink(SyncSender<Vec<u8>>);

impl Sink {
    /// Starts the writer thread; it ends when all sinks are gone. `out` is stderr outside tests.
    pub fn start(
        mut out: impl Write + Send + 'static,
    ) -> io::Result<(Self, thread::JoinHandle<()>)> {
        let (sender, receiver): (_, Receiver<Vec<u8>>) = sync_channel(QUEUED_BUFFERS);
        let writer = thread::Builder::new()
            .name("access-log".into())
            .spawn(move || {
                while let Ok(lines) = receiver.recv() {
                    // Nobody is left to tell when stderr itself is gone.
                    drop(out.write_all(&lines).and_then(|()| out.flush()));
                }
            })?;
        Ok((Self(sender), writer))
    }
}

impl AccessLog {
    /// A worker's own log.
    pub fn new(format: Format, sink: Sink) -> Self {
        Self {
            format,
            lines: RefCell::default(),
            second: RefCell::default(),
            dropped: Cell::new(0),
            dropped_ever: Cell::new(0),
            sink,
        }
    }

    /// Adds one line.
    pub fn write(&self, record: &Record<'_>) {
        {
            let mut lines = self.lines.borrow_mut();
            match self.format {
                Format::Human => human(&mut lines, record),
                Format::Json => json::line(&mut lines, &mut self.second.borrow_mut(), record),
            }
            if self.format == Format::Json && lines.len() < FULL_BUFFER {
                return;
            }
        }
        self.flush();
    }

    /// Lines that nobody took in time, since the start.
    pub const fn dropped(&self) -> u64 {
        self.dropped_ever.get()
    }

    /// Hands over what there is; called by the worker's tick.
    pub fn flush(&self) {
        let lines = self.lines.take();
        if lines.is_empty() {
            return;
        }
        let count = u64::try_from(memchr::memchr_iter(b'\n', &lines).count()).unwrap_or(0);
        if let Err(TrySendError::Full(_)) = self.sink.0.try_send(lines) {
            self.dropped.set(self.dropped.get() + count);
            self.dropped_ever.set(self.dropped_ever.get() + count);
        } else {
            let dropped = self.dropped.take();
            if dropped > 0 {
                tracing::warn!(
                    lines = dropped,
                    "access log lines were dropped: stderr is slow"
                );
            }
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}

fn human(lines: &mut Vec<u8>, record: &Record<'_>) {
    let time = record.at.rfc3339();
    let time = time.get(11..19).unwrap_or_default();
    let status = match record.message {
        "request" => record.status.to_string(),
        message => message.to_owned(),
    };
    let mut line = format!(
        "{time} {status} {method} {host}{path} {client} {user} {elapsed:.1}ms {bytes}B {id}",
        method = clipped(record.method.as_str()),
        host = clipped(record.host),
        path = clipped(record.path),
        client = record.client,
        user = record.user.unwrap_or("-"),
        elapsed = milliseconds(record.elapsed),
        bytes = record.bytes_out,
        id = record.request_id,
    );
    if let Some(error) = record.error {
        line.push_str("  ! ");
        line.push_str(error);
    }
    // A path is checked text, but what an upstream error quotes may hold anything.
    lines.extend(
        line.chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect::<String>()
            .bytes(),
    );
    lines.push(b'\n');
}

fn milliseconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1e6).round() / 1e3
}

/// At most 256 characters of what a client wrote reach a line.
fn clipped(text: &str) -> &str {
    if text.len() <= 256 {
        return text;
    }
    text.char_indices()
        .nth(256)
        .and_then(|(end, _)| text.get(..end))
        .unwrap_or(text)
}

const FULL_BUFFER: usize = 16 * 1024;
const QUEUED_BUFFERS: usize = 256;

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use super::*;
    use crate::telemetry::RequestIds;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, path: &str) -> String {
        let out = Shared::default();
        let (sink, writer) = Sink::start(out.clone()).unwrap();
        let log = AccessLog::new(format, sink);
        log.write(&Record {
            at: Timestamp(1_000),
            message: "request",
            request_id: RequestIds::default().next(),
            client: [127, 0, 0, 1].into(),
            user: Some("ana"),
            method: &Method::GET,
            host: "lab.test",
            path,
            route: Some("jupyter"),
            upstream: None,
            status: 200,
            bytes_in: 0,
            bytes_out: 5,
            elapsed: Duration::from_micros(1234),
            error: Some("broke\nhere"),
        });
        drop(log);
        writer.join().unwrap();
        let bytes = out.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_is_one_json_object() {
        let text = logged(Format::Json, "/lab");
        assert_eq!(text.matches('\n').count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["user"], "ana");
        assert_eq!(line["elapsed_ms"], 1.234);
        assert_eq!(line["timestamp"], "1970-01-01T00:00:01.000Z");
    }

    #[test]
    fn at_most_256_characters_of_a_path_reach_a_line_and_no_line_break_does() {
        let text = logged(Format::Human, &"a".repeat(10_000));
        assert!(text.len() < 500);
        assert_eq!(text.matches('\n').count(), 1);
    }
}
