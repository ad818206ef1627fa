//! One direction of a tunnel: what was read and is not written yet, and how far it has come.
//!
//! Memory: a lane keeps only what the other side did not take of one read, and gives it back as
//! soon as that is written. Reads go into a buffer that all tunnels of a thread share.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{
    Sender, Stop,
    control::{self, Nonce},
    filter::Filter,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Lane {
    sender: Sender,
    filter: Filter,
    pending: Vec<u8>,
    /// How much of `pending` is written already.
    written: usize,
    /// Something was written since the last flush.
    dirty: bool,
    phase: Phase,
    /// Bytes read from the sender.
    pub(super) bytes: u64,
    /// Since when the receiver has taken nothing of what waits for it.
    pub(super) blocked_since: Option<Instant>,
    /// When bytes were last read, or the tunnel began.
    pub(super) last_read: Instant,
    /// When bytes were last written, or a ping was last thought of.
    pub(super) quiet_since: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Bytes flow.
    Open,
    /// Only the frame that is under way still flows; a close frame of ours ends it.
    Stopping(Stop),
    /// Nothing more is read; what is pending is written, then the receiver hears the end.
    Ending,
    /// The receiver has heard the end, or takes nothing more.
    Over,
}

/// Which end of a lane failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Broken {
    /// The sender's.
    Read,
    /// The receiver's.
    Write,
}

impl Lane {
    /// `nonce`: what pings against this direction carry.
    pub(super) fn new(sender: Sender, nonce: Nonce, now: Instant) -> Self {
        Self {
            sender,
            filter: Filter::new(sender, nonce),
            pending: Vec::new(),
            written: 0,
            dirty: false,
            phase: Phase::Open,
            bytes: 0,
            blocked_since: None,
            last_read: now,
            quiet_since: now,
        }
    }

    /// Bytes of this direction that were read before; delivered first. True when there was data
    /// in them.
    pub(super) fn begin(&mut self, early: &[u8]) -> bool {
        self.pending = early.to_vec();
        self.bytes = early.len() as u64;
        self.filter.follow(early)
    }

    pub(super) const fn filter(&mut self) -> &mut Filter {
        &mut self.filter
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Something more of the sender will be passed on.
    pub(super) fn is_flowing(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Stopping(_))
    }

    /// Nothing more comes from the sender.
    pub(super) fn end(&mut self) {
        self.phase = Phase::Ending;
    }

    /// Neither reads nor writes any more.
    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// The receiver takes nothing more.
    pub(super) fn give_up(&mut self) {
        self.phase = Phase::Over;
        self.pending = Vec::new();
        self.blocked_since = None;
    }

    /// A frame of ours may be put in now, and be understood.
    pub(super) fn may_insert(&self) -> bool {
        self.filter.at_boundary() && !self.is_closed()
    }

    /// The sender has sent a close frame.
    pub(super) const fn is_closed(&self) -> bool {
        self.filter.scanner().is_closed()
    }

    /// The sender's bytes are no WebSocket frames.
    pub(super) const fn is_blind(&self) -> bool {
        self.filter.scanner().is_blind()
    }

    /// Everything read has been written.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Open && self.pending.is_empty()
    }

    /// Puts in a ping; the caller has asked [`Lane::may_insert`].
    pub(super) fn ping(&mut self, nonce: Nonce) {
        control::ping(self.sender, nonce, &mut self.pending);
    }

    /// Ends the lane with a close frame, at the end of the frame that is under way.
    pub(super) fn stop(&mut self, stop: Stop) {
        if self.phase != Phase::Open {
            return;
        }
        if self.may_insert() {
            control::close(self.sender, stop, &mut self.pending);
            self.phase = Phase::Ending;
        } else if self.is_blind() || self.is_closed() {
            self.phase = Phase::Ending;
        } else {
            self.phase = Phase::Stopping(stop);
        }
    }

    /// Moves bytes until one side would block, the `budget` of bytes is used up, or the lane is
    /// over. Calls `data` at most once a read, when data frames came.
    pub(super) fn pump<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        (from, to): (&mut R, &mut W),
        (scratch, budget): (&mut [u8], &mut usize),
        now: Instant,
        mut data: impl FnMut(),
    ) -> Result<(), Broken>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        while self.phase != Phase::Over {
            if self
                .write_pending(cx, to, now)
                .map_err(Broken::write)?
                .is_pending()
            {
                break;
            }
            if self.phase == Phase::Ending {
                // Shutting down flushes.
                match Pin::new(&mut *to).poll_shutdown(cx) {
                    Poll::Pending => {
                        // The receiver may not have taken what was written, over HTTP/2 or TLS.
                        self.blocked_since.get_or_insert(now);
                        return Ok(());
                    }
                    Poll::Ready(result) => {
                        self.give_up();
                        return result.map_err(Broken::write);
                    }
                }
            }
            if *budget == 0 {
                cx.waker().wake_by_ref();
                break;
            }
            let mut buf = ReadBuf::new(scratch);
            let Poll::Ready(result) = Pin::new(&mut *from).poll_read(cx, &mut buf) else {
                break;
            };
            result.map_err(|_| Broken::Read)?;
            let bytes = buf.filled();
            if bytes.is_empty() {
                self.filter.release(&mut self.pending);
                self.phase = Phase::Ending;
                continue;
            }
            self.bytes += bytes.len() as u64;
            self.last_read = now;
            *budget = budget.saturating_sub(bytes.len());
            if self.take(cx, bytes, to, now).map_err(Broken::write)? {
                data();
            }
        }
        if self.dirty
            && Pin::new(to)
                .poll_flush(cx)
                .map_err(Broken::write)?
                .is_ready()
        {
            self.dirty = false;
        }
        Ok(())
    }

    /// Passes on what was read; nothing is pending. True when there was data in it.
    fn take<W>(
        &mut self,
        cx: &mut Context<'_>,
        mut bytes: &[u8],
        to: &mut W,
        now: Instant,
    ) -> io::Result<bool>
    where
        W: AsyncWrite + Unpin,
    {
        if let Phase::Stopping(stop) = self.phase {
            let len = self.filter.follow_frame(bytes);
            self.pending
                .extend_from_slice(bytes.get(..len).unwrap_or_default());
            if self.filter.scanner().is_blind() {
                self.phase = Phase::Ending;
            } else if self.filter.at_boundary() {
                self.phase = Phase::Open;
                self.stop(stop);
            }
            return Ok(false);
        }
        if self.filter.is_watching() {
            return Ok(self.filter.pass(bytes, &mut self.pending));
        }
        let data = self.filter.follow(bytes);
        while !bytes.is_empty() {
            match self.write(cx, bytes, to, now)? {
                Poll::Ready(len) => bytes = bytes.get(len..).unwrap_or_default(),
                Poll::Pending => {
                    self.pending = bytes.to_vec();
                    break;
                }
            }
        }
        Ok(data)
    }

    fn write_pending<W>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
        now: Instant,
    ) -> io::Result<Poll<()>>
    where
        W: AsyncWrite + Unpin,
    {
        if self.pending.is_empty() {
            return Ok(Poll::Ready(()));
        }
        let pending = std::mem::take(&mut self.pending);
        while let Some(rest) = pending.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.write(cx, rest, to, now)? {
                Poll::Ready(len) => self.written += len,
                Poll::Pending => {
                    self.pending = pending;
                    return Ok(Poll::Pending);
                }
            }
        }
        self.written = 0;
        Ok(Poll::Ready(()))
    }

    fn write<W>(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        to: &mut W,
        now: Instant,
    ) -> io::Result<Poll<usize>>
    where
        W: AsyncWrite + Unpin,
    {
        match Pin::new(to).poll_write(cx, bytes) {
            Poll::Pending => {
                self.blocked_since.get_or_insert(now);
                Ok(Poll::Pending)
            }
            Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(result) => {
                self.blocked_since = None;
                self.quiet_since = now;
                self.dirty = true;
                result.map(Poll::Ready)
            }
        }
    }
}

impl Broken {
    fn write(_: io::Error) -> Self {
        Self::Write
    }
}

/// Reads and throws away, so that closing does not reset a connection whose last words are under
/// way. Ready at the end or on an error.
pub(super) fn poll_drain<R>(cx: &mut Context<'_>, from: &mut R, scratch: &mut [u8]) -> Poll<()>
where
    R: AsyncRead + Unpin,
{
    loop {
        let mut buf = ReadBuf::new(scratch);
        let result = ready!(Pin::new(&mut *from).poll_read(cx, &mut buf));
        if result.is_err() || buf.filled().is_empty() {
            return Poll::Ready(());
        }
    }
}
