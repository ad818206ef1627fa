//! The head gate: sees every byte of an HTTP/1 client before hyper does, and lets pass only what
//! hyper, we and every tool must read in one and the same way.
//!
//! hyper accepts more than is safe behind a proxy (both framings at once, bare line feeds, two
//! hosts, any target) and hides it from the service. So the gate frames the stream itself: `track`
//! walks from head to head, `head` judges a head with the help of `target` and `fields`, `framing`
//! finds the end of a body. A complete head is judged where hyper's read put it, without a copy. An
//! incomplete one is kept back until it is complete; hyper sees nothing of it.
//!
//! In the place of a refused head hyper reads a small request with `connection: close`, and nothing
//! after it is ever read as HTTP. Earlier requests still get their answers. [`Heads`] has a verdict
//! for each request that hyper hands to the service, in order.
//!
//! The gate is also where time is limited, since it sees progress: [`Limits`].
//!
//! Set up hyper without a header timeout, `max_headers` or `max_header_size` of its own, with
//! `half_close` off, and with a `max_buf_size` of at least `max_header_bytes`.
//!
//! Not here: which hosts and paths exist (`route`), limits on the size of bodies, whether a request
//! may pass (`policy`). RFC 9112, RFC 9110 §5 and §7, RFC 9113 §8 for [`check_h2`].

mod fields;
mod framing;
mod h2;
mod head;
mod heads;
mod kept;
mod refusal;
mod target;
#[cfg(test)]
mod tests;
mod timer;
mod track;
mod waits;
mod watched;

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

pub use h2::check_h2;
pub use head::{Body, Head};
pub use heads::{Ended, Heads, InFlight};
pub use refusal::{LargeField, Refusal};
pub use target::TargetForm;

/// What one client connection may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// From the first byte of a head to its end; for the first head from accept. Then 408, or
    /// nothing if no byte came.
    pub header_timeout: Duration,
    /// From the end of an exchange to the next head. Then the connection is closed.
    pub keep_alive_timeout: Duration,
    /// Without a byte of a body, while the service waits for one. Then the body fails.
    pub upload_timeout: Duration,
    /// Without the client taking a byte of a response. Then the connection is closed.
    pub download_timeout: Duration,
    /// Largest head, request line and line ends included.
    pub max_header_bytes: usize,
    /// Most fields in a head; over HTTP/1 never more than hyper's 100.
    pub max_headers: usize,
}

/// A client connection as hyper gets to see it.
#[derive(Debug)]
pub struct Gate<IO>(TokioIo<watched::Watched<IO>>);

impl<IO: AsyncRead + AsyncWrite + Unpin> Gate<IO> {
    /// `prefix` holds bytes already read from `io`. Must be called within a tokio runtime that has
    /// time. Allocates once.
    pub fn new(io: IO, prefix: Vec<u8>, limits: Rc<Limits>, accepted: Instant) -> (Self, Heads) {
        let heads = Heads::default();
        let watched = watched::Watched::new(io, prefix, limits, accepted, heads.clone());
        (Self(TokioIo::new(watched)), heads)
    }

    /// The connection, and the bytes from it that hyper did not get; they follow the ones that
    /// hyper did get (its `Parts::read_buf`). For a tunnel, once the handshake is answered.
    pub fn into_inner(self) -> (IO, Vec<u8>) {
        self.0.into_inner().into_inner()
    }
}

impl<IO: AsyncRead + Unpin> Read for Gate<IO> {
    /// Fails with `TimedOut` when the client was too slow and with `InvalidData` when the framing
    /// of a body broke; [`Heads::ended`] has the details.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Write for Gate<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Write::poll_write(Pin::new(&mut self.0), cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_flush(Pin::new(&mut self.0), cx)
    }

    /// Lets a client that is still sending read our answer before the connection goes, up to 2 s.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_shutdown(Pin::new(&mut self.0), cx)
    }

    fn is_write_vectored(&self) -> bool {
        Write::is_write_vectored(&self.0)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Write::poll_write_vectored(Pin::new(&mut self.0), cx, slices)
    }
}
