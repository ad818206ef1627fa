//! Opening a socket to a target.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{TcpStream, UnixStream, lookup_host},
    time::{Instant, timeout_at},
};

use super::{Error, error::name, link::Io};
use crate::{config::Upstream, tcp};

/// Connects within `limit`, name look-up included. The addresses of a name are tried in the
/// resolver's order; each gets an equal share of the time that is left, so that one that swallows
/// packets does not use up the others'.
pub(super) async fn dial(target: &Upstream, limit: Duration) -> Result<Io, Error> {
    let deadline = Instant::now() + limit;
    match target {
        Upstream::Http { host, port } => {
            let addresses = lookup(target, host, *port, (deadline, limit)).await?;
            connect(target, &addresses, (deadline, limit))
                .await
                .map(Io::Tcp)
        }
        Upstream::Unix(path) => match timeout_at(deadline, UnixStream::connect(path)).await {
            Ok(Ok(stream)) => Ok(Io::Unix(stream)),
            Ok(Err(source)) => Err(refused(target, source)),
            Err(_) => Err(too_slow(target, limit)),
        },
    }
}

async fn lookup(
    target: &Upstream,
    host: &str,
    port: u16,
    (deadline, limit): (Instant, Duration),
) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    match timeout_at(deadline, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(source)) => Err(Error::Lookup {
            target: name(target),
            source,
        }),
        Err(_) => Err(too_slow(target, limit)),
    }
}

async fn connect(
    target: &Upstream,
    addresses: &[SocketAddr],
    (deadline, limit): (Instant, Duration),
) -> Result<TcpStream, Error> {
    let mut failed = None;
    for (left, address) in (1..=addresses.len()).rev().zip(addresses) {
        let now = Instant::now();
        let share = deadline.saturating_duration_since(now) / u32::try_from(left).unwrap_or(1);
        match timeout_at(now + share, open(*address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(source)) => failed = Some(source),
            Err(_) => {}
        }
    }
    Err(failed.map_or_else(|| too_slow(target, limit), |source| refused(target, source)))
}

/// Small writes go out at once, and a peer that has vanished is noticed within a minute.
async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    tcp::tune(&stream)?;
    Ok(stream)
}

fn refused(target: &Upstream, source: io::Error) -> Error {
    Error::Connect {
        target: name(target),
        source,
    }
}

fn too_slow(target: &Upstream, limit: Duration) -> Error {
    Error::ConnectTimeout {
        target: name(target),
        limit,
    }
}
