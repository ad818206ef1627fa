//! Sockets of either kind, as one type: TCP and unix, listening, accepted, in use.

use std::{
    io::{self, IoSlice},
    net, os,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};

use super::unix::{self, SocketFile};
use crate::{client::PeerAddr, config::Address, tcp, tunnel};

/// A bound socket.
#[derive(Debug)]
pub(super) enum Listening {
    Tcp(TcpListener),
    /// Its file goes with it.
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "held to be dropped")] SocketFile,
    ),
}

/// A socket on its way to the worker that will own it.
#[derive(Debug)]
pub enum Accepted {
    /// Over TCP.
    Tcp(net::TcpStream),
    /// Over a unix socket.
    Unix(os::unix::net::UnixStream),
}

/// What a client's bytes travel on before anything is made of them.
#[derive(Debug)]
pub enum Socket {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a unix socket.
    Unix(UnixStream),
}

impl Listening {
    /// Binds; gives the address with its real port too. Must run inside a runtime.
    pub(super) async fn bind(address: &Address) -> io::Result<(Self, Address)> {
        match address {
            Address::Tcp(address) => {
                let socket = TcpListener::bind(address).await?;
                tcp::tune(&socket)?;
                let address = socket.local_addr()?;
                Ok((Self::Tcp(socket), Address::Tcp(address)))
            }
            Address::Unix(path) => {
                let (socket, file) = unix::bind(path)?;
                Ok((Self::Unix(socket, file), address.clone()))
            }
        }
    }

    /// Waits for a connection. Cancelling it loses none.
    pub(super) async fn accept(&self) -> io::Result<(Accepted, PeerAddr)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                Ok((Accepted::Tcp(stream.into_std()?), peer.into()))
            }
            Self::Unix(socket, _) => {
                let (stream, _) = socket.accept().await?;
                Ok((Accepted::Unix(stream.into_std()?), PeerAddr::UNIX))
            }
        }
    }
}

impl Accepted {
    /// Makes it the own socket of the thread that this is called on.
    pub fn adopt(self) -> io::Result<Socket> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(Socket::Tcp),
            Self::Unix(stream) => UnixStream::from_std(stream).map(Socket::Unix),
        }
    }
}

impl tunnel::Stream for Socket {
    fn reset_on_close(&self) {
        match self {
            Self::Tcp(stream) => stream.reset_on_close(),
            Self::Unix(stream) => stream.reset_on_close(),
        }
    }
}

macro_rules! on_inner {
    ($this:expr, $stream:ident => $call:expr) => {
        match $this.get_mut() {
            Socket::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Socket::Unix(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_inner!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        on_inner!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_inner!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_inner!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_inner!(self, stream => stream.poll_shutdown(cx))
    }
}
