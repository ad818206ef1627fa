//! Sockets of either kind, as one type: TCP and unix, listening and accepted.

use std::{
    io,
    net::{self, SocketAddr},
    os::{
        self,
        fd::{AsFd, BorrowedFd},
    },
};

use rustix::net::{SocketFlags, accept_with, acceptfrom_with};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::{TcpListener, TcpStream, UnixStream},
};

use super::unix::{self, SocketFile};
use crate::{
    client::PeerAddr,
    config::Address,
    wire::{self, Socket},
};

/// A bound socket, of no thread yet.
#[derive(Debug)]
pub(super) enum Listening {
    Tcp(net::TcpListener),
    /// Its file goes with it.
    Unix(
        os::unix::net::UnixListener,
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

impl Listening {
    /// Binds; gives the address with its real port too. Must run inside a runtime.
    pub(super) async fn bind(address: &Address) -> io::Result<(Self, Address)> {
        match address {
            Address::Tcp(address) => {
                let socket = TcpListener::bind(address).await?;
                wire::tune(&socket)?;
                let address = socket.local_addr()?;
                Ok((Self::Tcp(socket.into_std()?), Address::Tcp(address)))
            }
            Address::Unix(path) => {
                let (socket, file) = unix::bind(path)?;
                Ok((Self::Unix(socket, file), address.clone()))
            }
        }
    }

    /// Watches it with the runtime of the calling thread.
    #[expect(
        deprecated,
        reason = "unsound only for what changes its descriptor while it is watched, which a \
                  `BorrowedFd` cannot; the replacement is `unsafe`"
    )]
    pub(super) fn watch(&self) -> io::Result<Watch<'_>> {
        let socket = match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket, _) => socket.as_fd(),
        };
        AsyncFd::with_interest(socket, Interest::READABLE)
    }

    /// Waits for a connection. Cancelling it loses none.
    ///
    /// What is accepted is known to no runtime: it may go to another thread.
    pub(super) async fn accept(&self, watch: &Watch<'_>) -> io::Result<(Accepted, PeerAddr)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let accept = |socket: &BorrowedFd<'_>| match self {
            Self::Tcp(_) => {
                let (stream, peer) = acceptfrom_with(socket, flags)?;
                // The system says it of every TCP connection.
                let peer = peer.ok_or(io::ErrorKind::ConnectionAborted)?;
                let peer = SocketAddr::try_from(peer)?;
                Ok((Accepted::Tcp(stream.into()), peer.into()))
            }
            Self::Unix(..) => {
                let stream = accept_with(socket, flags)?;
                Ok((Accepted::Unix(stream.into()), PeerAddr::UNIX))
            }
        };
        watch.async_io(Interest::READABLE, accept).await
    }
}

/// A bound socket, on the thread that accepts.
pub(super) type Watch<'a> = AsyncFd<BorrowedFd<'a>>;

impl Accepted {
    /// Makes it the own socket of the thread that this is called on.
    pub fn adopt(self) -> io::Result<Socket> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(Socket::Tcp),
            Self::Unix(stream) => UnixStream::from_std(stream).map(Socket::Unix),
        }
    }
}
