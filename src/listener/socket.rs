//! Sockets of either kind, as one type: TCP and unix, listening and accepted.

use std::{io, net, os};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::unix::{self, SocketFile};
use crate::{
    client::PeerAddr,
    config::Address,
    wire::{self, Socket},
};

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

impl Listening {
    /// Binds; gives the address with its real port too. Must run inside a runtime.
    pub(super) async fn bind(address: &Address) -> io::Result<(Self, Address)> {
        match address {
            Address::Tcp(address) => {
                let socket = TcpListener::bind(address).await?;
                wire::tune(&socket)?;
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
