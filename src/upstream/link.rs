//! The socket under a connection, and what we keep an eye on while hyper uses it.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::wire::Stream;

/// What a connection's two ends, hyper's task and our exchange, tell each other. One per
/// connection; each exchange starts it anew.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Bytes read since the request was handed to hyper.
    received: Cell<usize>,
    /// No answer has come yet.
    waiting: Cell<bool>,
    /// The upstream sent too much that was no answer.
    flooded: Cell<bool>,
    /// The request body is not at its end.
    uploading: Cell<bool>,
    upload_ended: Cell<Option<Instant>>,
}

impl Link {
    /// A request is about to be handed to hyper.
    pub(super) fn begin(&self, uploading: bool) {
        self.received.set(0);
        self.waiting.set(true);
        self.uploading.set(uploading);
        self.upload_ended.set(None);
    }

    /// The answer's head is here.
    pub(super) fn answered(&self) {
        self.waiting.set(false);
    }

    /// The request body is at its end, or was given up.
    pub(super) fn upload_ended(&self) {
        if self.uploading.replace(false) {
            self.upload_ended.set(Some(Instant::now()));
        }
    }

    /// Not a byte has come since the request was handed to hyper.
    pub(super) fn is_silent(&self) -> bool {
        self.received.get() == 0
    }

    /// The upstream sent too much that was no answer.
    pub(super) fn is_flooded(&self) -> bool {
        self.flooded.get()
    }

    /// When an upstream that may take `limit` from the end of the request has had its time.
    pub(super) fn deadline(&self, started: Instant, limit: Duration) -> Instant {
        if self.uploading.get() {
            return Instant::now() + limit;
        }
        self.upload_ended.get().unwrap_or(started) + limit
    }
}

/// The socket as hyper gets it: counts what comes in and ends a flood of interim responses, which
/// hyper would swallow without end.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) io: Stream,
    pub(super) link: Rc<Link>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.link.waiting.get() && self.link.received.get() > MAX_BEFORE_ANSWER {
            self.link.flooded.set(true);
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let result = Pin::new(&mut self.io).poll_read(cx, buf);
        let received = self.link.received.get();
        self.link
            .received
            .set(received.saturating_add(buf.filled().len() - before));
        result
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Interim responses before an answer, with what of the answer may come in the same read.
const MAX_BEFORE_ANSWER: usize = 512 * 1024;
