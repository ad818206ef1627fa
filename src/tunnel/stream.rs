//! What a tunnel asks of the two streams it joins.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{client, server};

/// A byte stream that can be cut in a way the peer does not take for an orderly end.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Makes the coming drop a reset, where the transport has such a thing. What is not sent yet
    /// may be lost.
    fn reset_on_close(&self);
}

impl Stream for TcpStream {
    fn reset_on_close(&self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::debug!(%error, "cannot reset a connection; it will end in an orderly way");
        }
    }
}

impl Stream for UnixStream {
    /// A unix socket that is closed with bytes unread is reset by the system; there is no more.
    fn reset_on_close(&self) {}
}

impl<S: Stream> Stream for client::TlsStream<S> {
    /// Without a `close_notify` the peer knows that it was cut (RFC 8446 §6.1).
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}

impl<S: Stream> Stream for server::TlsStream<S> {
    /// As on the client's side.
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}

#[cfg(test)]
impl Stream for tokio::io::DuplexStream {
    fn reset_on_close(&self) {}
}
