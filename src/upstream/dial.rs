//! Opening a connection to a target, TLS included.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    rc::Rc,
    time::Duration,
};

use tokio::{
    net::{TcpStream, UnixStream},
    time::{Instant, sleep_until, timeout_at},
};

use super::{Error, names::Names, target::Target};
use crate::{
    config::Upstream,
    wire::{self, Socket, Stream},
};

/// Connects within `limit`, name look-up and TLS handshake included. The addresses of a name are
/// tried in the resolver's order; each gets an equal share of the time that is left, so that one that
/// swallows packets does not use up the others'. Where all fail that were known for a while, the
/// name is looked up again.
pub(super) async fn dial(target: &Target, names: &Names, limit: Duration) -> Result<Stream, Error> {
    let dial = Dial {
        target,
        names,
        deadline: Instant::now() + limit,
        limit,
    };
    match &target.key.upstream {
        Upstream::Http { host, port } | Upstream::Https { host, port } => {
            match host.parse::<IpAddr>() {
                Ok(address) => dial.connect(&[SocketAddr::new(address, 0)], *port).await,
                Err(_) => dial.by_name(host, *port).await,
            }
        }
        Upstream::Unix(path) => dial.by_path(path).await,
    }
}

struct Dial<'a> {
    target: &'a Target,
    names: &'a Names,
    deadline: Instant,
    limit: Duration,
}

/// What became of one address.
enum Failed {
    Connect(io::Error),
    Tls(io::Error),
}

impl Dial<'_> {
    async fn by_name(&self, host: &str, port: u16) -> Result<Stream, Error> {
        let addresses = self.lookup(host).await?;
        let error = match self.connect(&addresses, port).await {
            Ok(io) => return Ok(io),
            Err(error) => error,
        };
        if !self.names.doubt(host) {
            return Err(error);
        }
        match self.lookup(host).await {
            Ok(newer) if newer != addresses => self.connect(&newer, port).await,
            _ => Err(error),
        }
    }

    /// Over TCP the system waits for a place in a full queue; here we do (connect(2), `EAGAIN`).
    async fn by_path(&self, path: &Path) -> Result<Stream, Error> {
        while Instant::now() < self.deadline {
            match UnixStream::connect(path).await {
                Ok(stream) => return Ok(Stream::Plain(Socket::Unix(stream))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(Failed::Connect(error).of(self.target)),
            }
            sleep_until(self.deadline.min(Instant::now() + FULL_QUEUE_PAUSE)).await;
        }
        Err(self.too_slow())
    }

    async fn lookup(&self, host: &str) -> Result<Rc<[SocketAddr]>, Error> {
        match timeout_at(self.deadline, self.names.find(host)).await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(source)) => Err(Error::Lookup {
                target: self.target.name.clone(),
                source,
            }),
            Err(_) => Err(self.too_slow()),
        }
    }

    /// Tries one address after the other, all on this port.
    async fn connect(&self, addresses: &[SocketAddr], port: u16) -> Result<Stream, Error> {
        let mut failed = None;
        for (left, address) in (1..=addresses.len()).rev().zip(addresses) {
            let mut address = *address;
            address.set_port(port);
            let now = Instant::now();
            let rest = self.deadline.saturating_duration_since(now);
            let share = rest / u32::try_from(left).unwrap_or(1);
            match timeout_at(now + share, self.open(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(why)) => failed = Some(why),
                Err(_) => {}
            }
        }
        Err(failed.map_or_else(|| self.too_slow(), |why| why.of(self.target)))
    }

    /// Small writes go out at once, and a peer that has vanished is noticed within a minute.
    async fn open(&self, address: SocketAddr) -> Result<Stream, Failed> {
        let stream = TcpStream::connect(address).await.map_err(Failed::Connect)?;
        wire::tune(&stream).map_err(Failed::Connect)?;
        let socket = Socket::Tcp(stream);
        match &self.target.tls {
            None => Ok(Stream::Plain(socket)),
            Some(tls) => tls.handshake(socket).await.map_err(Failed::Tls),
        }
    }

    fn too_slow(&self) -> Error {
        Error::ConnectTimeout {
            target: self.target.name.clone(),
            limit: self.limit,
        }
    }
}

impl Failed {
    fn of(self, target: &Target) -> Error {
        let target = target.name.clone();
        match self {
            Self::Connect(source) => Error::Connect { target, source },
            Self::Tls(source) => Error::Tls { target, source },
        }
    }
}

const FULL_QUEUE_PAUSE: Duration = Duration::from_millis(20);
