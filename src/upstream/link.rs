//! The socket under a connection, and what we keep an eye on while hyper uses it.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::wire::Stream;

/// What a connection's two ends, hyper's task and our exchange, tell each other. One per
/// connection; each exchange starts it anew.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Bytes read since the request was handed to hyper, or since hyper last gave something of
    /// the answer.
    received: Cell<usize>,
    /// The upstream sent too much that was no answer.
    flooded: Cell<bool>,
    /// The request body is not at its end.
    uploading: Cell<bool>,
    upload_ended: Cell<Option<Instant>>,
    /// Made at the first wait, and left where it is as long as it fires early enough: to set a timer
    /// costs more than to be woken once in a while for nothing.
    timer: RefCell<Option<Pin<Box<Sleep>>>>,
}

impl Link {
    /// A request is about to be handed to hyper.
    pub(super) fn begin(&self, uploading: bool) {
        self.received.set(0);
        self.uploading.set(uploading);
        self.upload_ended.set(None);
    }

    /// The answer's head is here, or a part of its body.
    pub(super) fn progressed(&self) {
        self.received.set(0);
    }

    /// The request body is at its end, or was given up.
    pub(super) fn upload_ended(&self) {
        if self.uploading.replace(false) {
            self.upload_ended.set(Some(Instant::now()));
        }
    }

    /// Not a byte has come since the request was handed to hyper. Asked before an answer came.
    pub(super) fn is_silent(&self) -> bool {
        self.received.get() == 0
    }

    /// The upstream sent too much that was no answer.
    pub(super) fn is_flooded(&self) -> bool {
        self.flooded.get()
    }

    /// Ready when [`deadline`](Self::deadline) has passed.
    pub(super) fn poll_late(
        &self,
        cx: &mut Context<'_>,
        started: Instant,
        limit: Duration,
    ) -> Poll<()> {
        let mut timer = self.timer.borrow_mut();
        let deadline = self.deadline(started, limit);
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx).is_ready() {
            let deadline = self.deadline(started, limit);
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// When an upstream that may take `limit` from the end of the request has had its time.
    fn deadline(&self, started: Instant, limit: Duration) -> Instant {
        if self.uploading.get() {
            return Instant::now() + limit;
        }
        self.upload_ended.get().unwrap_or(started) + limit
    }
}

/// The socket as hyper gets it: counts what comes in and ends what hyper would swallow without end,
/// interim responses or a chunk's size that never ends.
///
/// An upstream that closes while it is sent a body may have answered before. So a write that finds
/// nobody is no error here: what was answered is still to be read, and then the end is.
#[derive(Debug)]
pub(super) struct Watched {
    io: Stream,
    link: Rc<Link>,
    /// The upstream reads no more.
    deaf: bool,
}

impl Watched {
    pub(super) const fn new(io: Stream, link: Rc<Link>) -> Self {
        Self {
            io,
            link,
            deaf: false,
        }
    }

    /// The socket, as it is.
    pub(super) fn into_inner(self) -> Stream {
        self.io
    }

    /// `len` bytes count as written once nobody reads them.
    fn written(&mut self, result: Poll<io::Result<usize>>, len: usize) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Err(error)) if is_closed(&error) => {
                self.deaf = true;
                Poll::Ready(Ok(len))
            }
            result => result,
        }
    }
}

fn is_closed(error: &io::Error) -> bool {
    let closed = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
    closed.contains(&error.kind())
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.link.received.get() > MAX_WITHOUT_PROGRESS {
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
        if self.deaf {
            return Poll::Ready(Ok(buf.len()));
        }
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.written(result, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = bufs.iter().map(|buf| buf.len()).sum();
        if self.deaf {
            return Poll::Ready(Ok(len));
        }
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.written(result, len)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut self.io).poll_flush(cx);
        let result = result.map(|result| result.map(|()| 0));
        self.written(result, 0).map(|result| result.map(drop))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// What is no answer, with what of one may come in the same read: interim responses before it, the
/// framing of its chunks. More than hyper reads ahead for a client that is slow.
const MAX_WITHOUT_PROGRESS: usize = 512 * 1024;
