//! The client's side of a tunnel on an HTTP/2 stream.
//!
//! hyper splits such a stream in two: what reads from it (and takes what is to be sent), and a
//! future that sends. Both are held and driven here, by the task of the tunnel: so bytes move only
//! as far as the client's window lets them, a reset by the client is seen, and to drop this before
//! its end was sent is a reset for the client. RFC 9113 §5.4.2, RFC 8441 §5.1.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tunnel;

/// hyper's half that sends; ready when nothing more can be sent.
pub(super) type Sender = Pin<Box<dyn Future<Output = ()>>>;

/// See the module.
pub(super) struct StreamIo {
    io: TokioIo<Upgraded>,
    /// `None` when the end was sent, or the client has reset the stream.
    sender: Option<Sender>,
    /// We have said that nothing more comes.
    ended: bool,
}

impl StreamIo {
    pub(super) fn new(upgraded: Upgraded, sender: Sender) -> Self {
        Self {
            io: TokioIo::new(upgraded),
            sender: Some(sender),
            ended: false,
        }
    }

    /// Sends what can be sent, and looks whether the stream was reset.
    fn drive(&mut self, cx: &mut Context<'_>) {
        let sender = self.sender.as_mut();
        if sender.is_some_and(|sender| sender.as_mut().poll(cx).is_ready()) {
            self.sender = None;
        }
    }
}

impl AsyncRead for StreamIo {
    /// A reset is an error; hyper takes one that says `CANCEL`, as browsers' do, for an end.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.drive(cx);
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        let is_end = buf.filled().len() == before && buf.remaining() > 0;
        if is_end && this.sender.is_none() && !this.ended {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for StreamIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.drive(cx);
        // hyper copies what it is given, and h2 takes all of a piece as soon as it can send a byte.
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, piece));
        this.drive(cx);
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.drive(cx);
        Pin::new(&mut this.io).poll_flush(cx)
    }

    /// Ready when all that was written and the end of the stream have been handed to h2.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.ended = true;
        if let Poll::Ready(shut) = Pin::new(&mut this.io).poll_shutdown(cx) {
            return Poll::Ready(shut);
        }
        this.drive(cx);
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

impl tunnel::Stream for StreamIo {
    /// Nothing to prepare: a stream that is dropped before its end was sent is reset.
    fn reset_on_close(&self) {}
}

/// What waits for one slow client is a few of these, besides what h2 may keep.
const PIECE: usize = 32 * 1024;
