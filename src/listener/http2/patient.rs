//! A stream that gives up on a peer that takes nothing.
//!
//! For HTTP/2, where hyper waits for ever to be rid of what it has to send: a client that stops
//! reading its socket would hold the connection and all that is buffered for it. HTTP/1 has the head
//! gate for this.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// `IO` with a limit on how long a write may make no progress.
#[derive(Debug)]
pub(super) struct Patient<IO> {
    io: IO,
    limit: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<IO> Patient<IO> {
    /// Fails with `TimedOut` when the peer takes no byte for `limit`.
    pub(super) const fn new(io: IO, limit: Duration) -> Self {
        Self {
            io,
            limit,
            waiting: None,
        }
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
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
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

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let (ours, mut theirs) = duplex(8);
        let mut patient = Patient::new(ours, LIMIT);
        let slow = async {
            for _ in 0..4 {
                sleep(LIMIT * 9 / 10).await;
                theirs.read_exact(&mut [0; 8]).await.unwrap();
            }
        };
        let written = tokio::join!(patient.write_all(&[0; 40]), slow).0;
        written.unwrap();
        let begun = tokio::time::Instant::now();
        let error = patient.write_all(b"more").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), LIMIT);
    }
}
