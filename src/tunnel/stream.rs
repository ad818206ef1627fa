//! What a tunnel asks of the two streams it joins.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::wire::{self, Socket};

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

impl Stream for wire::Stream {
    /// Without a `close_notify` the peer of TLS knows that it was cut (RFC 8446 §6.1).
    fn reset_on_close(&self) {
        match self.socket() {
            Socket::Tcp(socket) => socket.reset_on_close(),
            // Closed with bytes unread it is reset by the system; there is no more.
            Socket::Unix(_) => {}
        }
    }
}

#[cfg(test)]
impl Stream for tokio::io::DuplexStream {
    fn reset_on_close(&self) {}
}
