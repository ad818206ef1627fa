//! The audit log: who signed in, what was refused, what was opened and ended, what administrators did.
//!
//! In: an [`Event`]. Out: one line, in the operator's log or in a file of its own (`log.audit`).
//! Whoever tells an event never waits: a thread writes, and what it cannot take in time is counted
//! and told by a line of its own. No line holds a secret (SECURITY T82), and nothing that a client
//! wrote can end a line or make another. `docs/audit.md` lists the events.
//! Not here: the access log, which has a line for every request.

mod event;
mod line;
mod repeats;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread,
};

pub use event::Event;
pub use repeats::Alike;
use repeats::Repeats;
use writer::{Message, Writer};

use super::Format;
use crate::{clock::Clock, config};

/// The way to the audit log. Cheap to clone; all clones write to the same place.
#[derive(Clone, Debug)]
pub struct Audit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    /// Of lines in the operator's log; a file has JSON.
    format: Format,
    /// A [`Kind`] of line.
    kind: AtomicU8,
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
    lost_ever: Arc<AtomicU64>,
    repeats: Mutex<Repeats>,
}

/// What becomes of events: written by people's format, as JSON, or not at all.
const HUMAN: u8 = 0;
const JSON: u8 = 1;
const NOT_AT_ALL: u8 = 2;

impl Audit {
    /// Opens the log and starts its thread, which ends with [`Audit::close`]. `console` is where the
    /// operator's log goes, with lines of `format`. `Err`: the file cannot be opened, or there is no
    /// thread.
    pub fn start(
        place: &config::AuditLog,
        console: impl io::Write + Send + 'static,
        format: Format,
        clock: Clock,
    ) -> io::Result<(Self, thread::JoinHandle<()>)> {
        let file = match place {
            config::AuditLog::File(path) => Some((path.clone(), writer::open(path)?)),
            config::AuditLog::Off | config::AuditLog::Stderr => None,
        };
        let (queue, messages) = sync_channel(QUEUED);
        let (lost, lost_ever) = <(Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let writer = Writer {
            console: Box::new(console),
            format,
            file,
            clock: clock.clone(),
            lost: Arc::clone(&lost),
            lost_ever: Arc::clone(&lost_ever),
            torn: false,
        };
        let thread = thread::Builder::new()
            .name("audit-log".into())
            .spawn(move || writer.run(&messages))?;
        let inner = Inner {
            clock,
            format,
            kind: AtomicU8::new(kind(place, format)),
            queue,
            lost,
            lost_ever,
            repeats: Mutex::default(),
        };
        Ok((Self(Arc::new(inner)), thread))
    }

    /// Writes an event. Never waits.
    pub fn write(&self, event: &Event<'_>) {
        let inner = &self.0;
        let format = match inner.kind.load(Ordering::Relaxed) {
            HUMAN => Format::Human,
            JSON => Format::Json,
            _ => return,
        };
        let line = line::line(format, inner.clock.now(), event);
        if let Err(TrySendError::Full(_)) = inner.queue.try_send(Message::Line(line)) {
            inner.lost.fetch_add(1, Ordering::Relaxed);
            inner.lost_ever.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes an event that anybody can cause at any rate: the first of those alike, and then once a
    /// minute how many more there were ([`Event::Repeated`]). 4,096 kinds are told apart; what is
    /// beyond counts together by event and reason.
    pub fn write_first(&self, like: Alike<'_>, event: &Event<'_>) {
        let now = self.0.clock.now();
        if self.repeats().is_first(event, like, now) {
            self.write(event);
        }
    }

    /// Tells what was repeated. Call it every second.
    pub fn tick(&self) {
        let now = self.0.clock.now();
        self.repeats().tell(now, |event| self.write(event));
    }

    /// Whether a log can go to a place; makes its file where it is missing.
    pub fn check(place: &config::AuditLog) -> io::Result<()> {
        match place {
            config::AuditLog::File(path) => writer::open(path).map(drop),
            config::AuditLog::Off | config::AuditLog::Stderr => Ok(()),
        }
    }

    /// Goes on at another place; a file is opened anew, so that what rotates logs may have moved it.
    /// Where that fails, the log stays where it was, and the operator's log says so.
    pub fn turn_to(&self, place: &config::AuditLog) {
        if let Err(error) = self.0.queue.try_send(Message::To(place.clone())) {
            tracing::error!(%error, "the audit log stays where it was");
            return;
        }
        let kind = kind(place, self.0.format);
        self.0.kind.store(kind, Ordering::Relaxed);
    }

    /// Opens the file anew, where it goes to one.
    pub fn reopen(&self) {
        if let Err(error) = self.0.queue.try_send(Message::Reopen) {
            tracing::error!(%error, "the audit log is not opened anew");
        }
    }

    /// Lines that were lost since the start.
    pub fn lost(&self) -> u64 {
        self.0.lost_ever.load(Ordering::Relaxed)
    }

    /// Tells what was repeated and not told yet, for the end.
    pub fn settle(&self) {
        let now = self.0.clock.now();
        self.repeats().tell_all(now, |event| self.write(event));
    }

    /// Settles, and ends the thread when all is written. May wait for whoever reads the log.
    pub fn close(&self) {
        self.settle();
        // The thread may be gone.
        drop(self.0.queue.send(Message::End));
    }

    fn repeats(&self) -> std::sync::MutexGuard<'_, Repeats> {
        self.0
            .repeats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn kind(place: &config::AuditLog, format: Format) -> u8 {
    match (place, format) {
        (config::AuditLog::Off, _) => NOT_AT_ALL,
        (config::AuditLog::File(_), _) | (_, Format::Json) => JSON,
        (config::AuditLog::Stderr, Format::Human) => HUMAN,
    }
}

/// Lines that wait to be written.
const QUEUED: usize = 4096;
