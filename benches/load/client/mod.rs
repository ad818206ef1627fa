//! What the load is made of: requests, bodies, messages, connections.

pub(crate) mod h1;
pub(crate) mod h2;
pub(crate) mod ws;

use std::{io, sync::Arc};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::peers::{Door, HOST};

/// A connection, plain or TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// How to connect.
#[derive(Clone, Debug)]
pub(crate) enum Transport {
    Plain,
    Tls(Arc<ClientConfig>),
}

impl Transport {
    /// Connects to a door.
    pub(crate) async fn connect(&self, door: &Door) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Plain => Ok(Box::new(plain(door.plain).await?)),
            Self::Tls(config) => {
                let name = ServerName::try_from(HOST).unwrap();
                let io = plain(door.tls).await?;
                let tls = TlsConnector::from(Arc::clone(config)).connect(name, io);
                Ok(Box::new(tls.await?))
            }
        }
    }
}

async fn plain(address: std::net::SocketAddr) -> io::Result<TcpStream> {
    let io = TcpStream::connect(address).await?;
    io.set_nodelay(true)?;
    Ok(io)
}
