//! The thread that writes the audit log, and the file that it may have of its own.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use rustix::fs::OFlags;

use super::{Event, line::line};
use crate::{clock::Clock, config, telemetry::Format};

/// What the thread is told.
pub(super) enum Message {
    End,
    Line(Vec<u8>),
    /// Open the file anew.
    Reopen,
    /// Write there from now on; a file is opened anew.
    To(config::AuditLog),
}

/// Where the operator's log goes.
pub(super) type Console = Box<dyn Write + Send>;

/// What the thread owns.
pub(super) struct Writer {
    pub(super) console: Console,
    /// How lines look there.
    pub(super) format: Format,
    /// `None`: the console.
    pub(super) file: Option<(PathBuf, File)>,
    pub(super) clock: Clock,
    /// Lines that were lost and not told yet.
    pub(super) lost: Arc<AtomicU64>,
    /// Of all times.
    pub(super) lost_ever: Arc<AtomicU64>,
    /// The last line may have been written in part.
    pub(super) torn: bool,
}

impl Writer {
    /// Until it is told to end, or nobody is left who could.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        loop {
            match messages.recv_timeout(TRY_AGAIN) {
                Ok(Message::Line(line)) => {
                    if !self.write(&line) {
                        self.lost.fetch_add(1, Ordering::Relaxed);
                        self.lost_ever.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Ok(Message::Reopen) => self.reopen(),
                Ok(Message::To(config::AuditLog::File(path))) => self.turn_to(&path),
                Ok(Message::To(_)) => (self.file, self.torn) = (None, false),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => {
                    self.tell_lost();
                    return;
                }
            }
            self.tell_lost();
        }
    }

    fn write(&mut self, line: &[u8]) -> bool {
        let torn = self.torn;
        let out: &mut dyn Write = match &mut self.file {
            Some((_, file)) => file,
            None => &mut self.console,
        };
        let begun = if torn { out.write_all(b"\n") } else { Ok(()) };
        let written = begun
            .and_then(|()| out.write_all(line))
            .and_then(|()| out.flush());
        if let Err(error) = &written
            && !torn
        {
            tracing::error!(%error, "the audit log cannot be written");
        }
        self.torn = written.is_err();
        !self.torn
    }

    fn tell_lost(&mut self) {
        let count = self.lost.swap(0, Ordering::Relaxed);
        if count == 0 {
            return;
        }
        let format = if self.file.is_some() {
            Format::Json
        } else {
            self.format
        };
        let event = Event::LinesDropped { count };
        if !self.write(&line(format, self.clock.now(), &event)) {
            self.lost.fetch_add(count, Ordering::Relaxed);
        }
    }

    fn reopen(&mut self) {
        if let Some((path, _)) = &self.file {
            self.turn_to(&path.clone());
        }
    }

    fn turn_to(&mut self, path: &Path) {
        match open(path) {
            Ok(file) => (self.file, self.torn) = (Some((path.to_owned(), file)), false),
            Err(error) => {
                let path = path.display();
                tracing::error!(%path, %error, "the audit log stays where it was");
            }
        }
    }
}

/// A regular file to append to, made with mode 0600 where it is missing. One that is there keeps its
/// mode, since what rotates logs may have made it. A link or anything else is refused.
pub(super) fn open(path: &Path) -> io::Result<File> {
    // Without NONBLOCK a pipe would be waited for.
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(file)
}

const TRY_AGAIN: Duration = Duration::from_secs(5);
