//! A stream that gives up on a peer that takes nothing, or does not finish what must come whole.
//!
//! For HTTP/2, where hyper waits for ever to be rid of what it has to send, and for the rest of a
//! frame: a client that stops reading its socket would hold the connection and all that is buffered
//! for it, and one that sends a head byte by byte would hold it open. HTTP/1 has the head gate for
//! this.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep, sleep_until},
};

use super::frames::Frames;

/// `IO` with a limit on how long a write may make no progress, and on how long a client may take
/// for what [`Frames`] says must come whole.
#[derive(Debug)]
pub(super) struct Patient<IO> {
    io: IO,
    limit: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
    frames: Frames,
    header_limit: Duration,
    /// When what is open in `frames` began.
    since: Instant,
    /// Runs while the rest of it is waited for.
    header: Option<Pin<Box<Sleep>>>,
}

impl<IO> Patient<IO> {
    /// Fails with `TimedOut` when the peer takes no byte for `limit`, or takes longer than
    /// `header_limit` for a head; for the first one since it was `accepted`.
    pub(super) const fn new(
        io: IO,
        limit: Duration,
        (header_limit, accepted): (Duration, Instant),
    ) -> Self {
        Self {
            io,
            limit,
            waiting: None,
            frames: Frames::new(),
            header_limit,
            since: accepted,
            header: None,
        }
    }

    /// Nothing more has come: fails when something is open that was to be whole by now.
    fn await_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.frames.is_open() {
            self.header = None;
            return Poll::Pending;
        }
        let deadline = self.since + self.header_limit;
        let header = self
            .header
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if header.deadline() != deadline {
            header.as_mut().reset(deadline);
        }
        header
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        given: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if given.is_ready() {
            self.waiting = None;
            return given;
        }
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
        waiting
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Patient<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if Pin::new(&mut this.io).poll_read(cx, buf)?.is_pending() {
            return this.await_rest(cx);
        }
        let came = buf.filled().get(before..).unwrap_or_default();
        if this.frames.feed(came) {
            this.since = Instant::now();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Patient<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let given = Pin::new(&mut self.io).poll_write(cx, buf);
        self.watch(cx, given)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let given = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.watch(cx, given)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let given = Pin::new(&mut self.io).poll_flush(cx);
        self.watch(cx, given)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let given = Pin::new(&mut self.io).poll_shutdown(cx);
        self.watch(cx, given)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);
    const HEADER_LIMIT: Duration = Duration::from_secs(15);
    const SECOND: Duration = Duration::from_secs(1);
    const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    /// Reads while `bytes` come, one each second; when reading failed.
    async fn dripped(at_once: &[u8], bytes: &[u8]) -> (io::Result<usize>, Duration) {
        let (ours, mut theirs) = duplex(1024);
        let begun = Instant::now();
        let mut patient = Patient::new(ours, LIMIT, (HEADER_LIMIT, begun));
        theirs.write_all(at_once).await.unwrap();
        let drip = async {
            for byte in bytes {
                sleep(SECOND).await;
                // Who has given up reads no more.
                drop(theirs.write_all(&[*byte]).await);
            }
            drop(theirs.shutdown().await);
        };
        let read = async {
            let mut all = Vec::new();
            let read = patient.read_to_end(&mut all).await;
            (read, begun.elapsed())
        };
        tokio::join!(read, drip).0
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_in_ends_in_time_and_a_body_may_take_any() {
        let late = |read: &io::Result<usize>| {
            read.as_ref()
                .is_err_and(|error| error.kind() == io::ErrorKind::TimedOut)
        };
        // T76: HEADERS of 20 bytes without END_HEADERS, and so also every CONTINUATION.
        let head = [&b"\0\0\x14\x01\0\0\0\0\x01"[..], &[0; 20]].concat();
        let (read, took) = dripped(BEGIN, &head).await;
        assert!(late(&read), "{read:?}");
        assert_eq!(took, HEADER_LIMIT + SECOND, "from its first byte");
        let (read, took) = dripped(b"", &BEGIN[..20]).await;
        assert!(late(&read), "{read:?}");
        assert_eq!(took, HEADER_LIMIT, "from accept");
        // The same length as DATA, its own header in one piece.
        let data = [BEGIN, b"\0\0\x14\0\0\0\0\0\x01"].concat();
        let (read, _) = dripped(&data, &[0; 20]).await;
        assert_eq!(read.unwrap(), data.len() + 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let (ours, mut theirs) = duplex(8);
        let mut patient = Patient::new(ours, LIMIT, (HEADER_LIMIT, Instant::now()));
        let slow = async {
            for _ in 0..4 {
                sleep(LIMIT * 9 / 10).await;
                theirs.read_exact(&mut [0; 8]).await.unwrap();
            }
        };
        let written = tokio::join!(patient.write_all(&[0; 40]), slow).0;
        written.unwrap();
        let begun = Instant::now();
        let error = patient.write_all(b"more").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), LIMIT);
    }
}
