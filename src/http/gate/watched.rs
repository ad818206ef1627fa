//! The byte stream under hyper: reads through the [`Track`], keeps back what is not decided yet,
//! and watches the clock.
//!
//! Bytes are read into hyper's own buffer and judged there. Only the beginning of a head whose rest
//! is still to come is copied out of it, into `kept`, which is freed as soon as it was handed out.
//! Deadlines are judged only when the client has nothing for us: bytes that came in time count.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{
    Ended, Heads, Limits, Refusal,
    head::{self, HeadLimits},
    kept::Kept,
    timer::{Timer, after},
    track::{Phase, Track},
    waits::Waits,
};

#[derive(Debug)]
pub(super) struct Watched<IO> {
    io: IO,
    track: Track,
    heads: Heads,
    limits: Rc<Limits>,
    kept: Kept,
    timer: Timer,
    waits: Waits,
    /// How many bytes may still be read and thrown away.
    discard: usize,
}

impl<IO> Watched<IO> {
    pub(super) fn new(
        io: IO,
        prefix: Vec<u8>,
        limits: Rc<Limits>,
        accepted: Instant,
        heads: Heads,
    ) -> Self {
        let head_limits = HeadLimits {
            bytes: limits.max_header_bytes,
            fields: limits.max_headers.min(HYPER_MAX_HEADERS),
        };
        let first = after(accepted, limits.header_timeout);
        let mut watched = Self {
            io,
            track: Track::new(head_limits),
            heads,
            kept: Kept::new(prefix),
            timer: Timer::new(first, limits.keep_alive_timeout),
            waits: Waits {
                head_since: Some(accepted),
                ..Waits::default()
            },
            discard: DISCARD_BYTES,
            limits,
        };
        watched.scan_kept();
        watched
    }

    /// The stream, and the bytes from it that hyper did not get.
    pub(super) fn into_inner(self) -> (IO, Vec<u8>) {
        let left = match self.track.phase {
            Phase::Refused(_) => Vec::new(),
            _ => self.kept.into_rest(),
        };
        (self.io, left)
    }

    /// Judges the bytes in `kept`.
    fn scan_kept(&mut self) {
        let heads = &self.heads;
        let passed = self
            .track
            .scan(self.kept.undecided(), |verdict| heads.push(verdict));
        self.kept.pass(passed);
        self.settle(passed);
    }

    /// Forgets what will not go on, puts a request in the place of a refused head, and notes
    /// since when a head has been coming.
    fn settle(&mut self, passed: usize) {
        match self.track.phase {
            Phase::Refused(stand_in) => self.kept.replace_undecided(stand_in),
            Phase::Broken(why) => {
                self.heads.end(Ended::BadFraming(why));
                self.kept.replace_undecided(&[]);
            }
            Phase::Closed => self.kept.replace_undecided(&[]),
            Phase::Blind | Phase::Body(_) | Phase::Head => {}
        }
        self.waits.client_since = None;
        if passed > 0 {
            self.waits.head_since = None;
        }
        if head::has_begun(self.kept.undecided()) {
            self.waits.head_since.get_or_insert_with(Instant::now);
        }
    }

    /// Answers the head that has begun instead of waiting for its rest.
    fn refuse(&mut self, refusal: Refusal) {
        self.track.refuse(self.kept.undecided());
        self.heads.push(Err(refusal));
        self.settle(0);
        self.waits.head_since = None;
    }
}

impl<IO: AsyncRead + Unpin> Watched<IO> {
    /// Reads once. `true`: hyper may look at `buf`, where nothing new means the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        if !self.kept.is_empty() {
            return self.poll_fill_kept(cx, buf);
        }
        let start = buf.filled().len();
        if Pin::new(&mut self.io).poll_read(cx, buf)?.is_pending() {
            return self.poll_client_late(cx).map_ok(|()| false);
        }
        let new = buf.filled().get(start..).unwrap_or_default();
        if new.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let heads = &self.heads;
        let passed = self.track.scan(new, |verdict| heads.push(verdict));
        if let (Phase::Head, Some(rest)) = (&self.track.phase, new.get(passed..)) {
            self.kept.push(rest);
        }
        buf.set_filled(start + passed);
        self.settle(passed);
        Poll::Ready(Ok(passed > 0))
    }

    /// The same while a head has begun; `buf` serves as scratch space.
    fn poll_fill_kept(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        // One byte above the limit tells that the head is too large; two may be an empty line.
        let most = self.limits.max_header_bytes.saturating_add(3);
        let room = most.saturating_sub(self.kept.len()).max(1);
        let mut scratch = buf.take(room);
        if Pin::new(&mut self.io)
            .poll_read(cx, &mut scratch)?
            .is_pending()
        {
            return self.poll_client_late(cx).map_ok(|()| false);
        }
        if scratch.filled().is_empty() {
            return Poll::Ready(Ok(true));
        }
        self.kept.push(scratch.filled());
        self.scan_kept();
        Poll::Ready(Ok(false))
    }

    /// Throws away what comes, up to a limit, and says when the client is gone, unless it still
    /// has an answer to get.
    fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.discard > 0 {
            let mut scratch = buf.take(self.discard);
            if Pin::new(&mut self.io)
                .poll_read(cx, &mut scratch)?
                .is_pending()
            {
                break;
            }
            let read = scratch.filled().len();
            if read == 0 {
                if let Phase::Refused(_) = self.track.phase {
                    self.discard = 0;
                    break;
                }
                return Poll::Ready(Ok(()));
            }
            self.discard -= read;
        }
        self.poll_client_late(cx)
    }

    /// Nothing to read: fails when that has lasted too long. `Ready(Ok)` says that there is
    /// something to do now.
    fn poll_client_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now = Instant::now();
        self.waits.client_since.get_or_insert(now);
        let deadline = self.next_deadline();
        ready!(
            self.timer
                .poll_passed(cx, now, deadline.map(|(deadline, _)| deadline))
        );
        let Some((_, ended)) = deadline else {
            return Poll::Pending;
        };
        if ended == Ended::HeaderTimeout && head::has_begun(self.kept.undecided()) {
            self.refuse(Refusal::HeaderTimeout);
            return Poll::Ready(Ok(()));
        }
        self.heads.end(ended);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<IO> Watched<IO> {
    fn next_deadline(&self) -> Option<(Instant, Ended)> {
        self.waits
            .next_deadline(&self.limits, &self.track.phase, self.heads.is_idle())
    }

    /// Notes what came of giving the client something; fails when it took nothing for too long.
    fn watch_taking<T>(
        &mut self,
        cx: &mut Context<'_>,
        given: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let now = Instant::now();
        if given.is_ready() {
            self.waits.taking_since = None;
            self.waits.taken_last = Some(now);
            return given;
        }
        self.waits.taking_since.get_or_insert(now);
        let Some((deadline, ended)) = self.next_deadline() else {
            return Poll::Pending;
        };
        ready!(self.timer.poll_passed(cx, now, Some(deadline)));
        if ended != Ended::DownloadTimeout {
            // That is for the reading side to handle, which must be asked for it.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.heads.end(ended);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if buf.remaining() == 0 || this.kept.hand_out(buf) {
                return Poll::Ready(Ok(()));
            }
            if let Some(Ended::BadFraming(why)) = this.heads.ended() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
            }
            match this.track.phase {
                Phase::Broken(_) | Phase::Closed | Phase::Refused(_) => {
                    return this.poll_discard(cx, buf);
                }
                Phase::Blind | Phase::Body(_) | Phase::Head => {}
            }
            if ready!(this.poll_fill(cx, buf)?) {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let given = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.watch_taking(cx, given)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let given = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.watch_taking(cx, given)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        // hyper flushes often without having written.
        if flushed.is_ready() && this.waits.taking_since.is_none() {
            return flushed;
        }
        this.watch_taking(cx, flushed)
    }

    /// Says that no more is coming, and then, if the client may still be sending, reads on for a
    /// moment: closing over unread bytes would reset the connection, and the client would lose the
    /// answer (RFC 9112 §9.6).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.waits.lingering_since.is_none() {
            let shut = Pin::new(&mut this.io).poll_shutdown(cx);
            ready!(this.watch_taking(cx, shut))?;
        }
        let unread = match this.track.phase {
            Phase::Body(_) | Phase::Broken(_) | Phase::Refused(_) => true,
            Phase::Closed => this.discard < DISCARD_BYTES,
            Phase::Blind | Phase::Head => false,
        };
        if !unread || this.timed_out() {
            return Poll::Ready(Ok(()));
        }
        let since = *this.waits.lingering_since.get_or_insert_with(Instant::now);
        let mut space = [MaybeUninit::uninit(); 16 * 1024];
        while this.discard > 0 {
            let mut scratch = ReadBuf::uninit(&mut space);
            match Pin::new(&mut this.io).poll_read(cx, &mut scratch) {
                Poll::Ready(Ok(())) if !scratch.filled().is_empty() => {
                    this.discard = this.discard.saturating_sub(scratch.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    let deadline = Some(after(since, LINGER));
                    return this.timer.poll_passed(cx, Instant::now(), deadline).map(Ok);
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO> Watched<IO> {
    /// Whether the client was too slow once; then it gets no further time.
    fn timed_out(&self) -> bool {
        self.heads
            .ended()
            .is_some_and(|why| !matches!(why, Ended::BadFraming(_)))
    }
}

/// hyper's own limit, which it needs memory to raise for each request.
const HYPER_MAX_HEADERS: usize = 100;
/// After a refusal, in all: what a client may send before it looks at our answer.
const DISCARD_BYTES: usize = 4 * 1024 * 1024;
/// How long a client may take to see our answer and close.
const LINGER: std::time::Duration = std::time::Duration::from_secs(2);
