//! Listeners: bound sockets, who is admitted, and which worker gets the connection.
//!
//! In: `[[listener]]` and `[limits]`. Out: accepted sockets, each with its [`Admitted`] place, sent to
//! the worker with the fewest open connections, so that long tunnels cannot pile up on one.
//! Not here: anything about HTTP (`conn` hands that to hyper and `gateway`).

pub mod conn;
pub mod http2;
mod patient;
mod socket;
mod stream;
pub mod tls;
mod unix;

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use rustls::ServerConfig;

pub use conn::{Conn, Ending};
pub use socket::{Accepted, Socket};
pub use stream::ClientStream;

use crate::{
    client::{self, PeerAddr},
    config::{self, Address},
    runtime::{Shared, WorkerHandle},
};

/// Why a listener cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be bound.
    #[error("listener {name:?}: cannot listen on {address}: {source}{}", advice(.address, .source))]
    Bind {
        /// The listener's name.
        name: String,
        /// Its address.
        address: Address,
        /// What the system says.
        source: io::Error,
    },
    /// Its certificate cannot be used.
    #[error("listener {name:?}: {source}")]
    Tls {
        /// The listener's name.
        name: String,
        /// What is wrong.
        source: tls::Error,
    },
}

fn advice(address: &Address, source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AlreadyExists => "; what is there is no socket: move it away",
        io::ErrorKind::AddrInUse if address.tcp().is_none() => {
            "; another program listens there: stop it, or choose another `address`"
        }
        _ if address.tcp().is_none() => "",
        io::ErrorKind::AddrInUse => {
            "; another program uses this port: stop it, or choose another `address`"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need a privilege (CAP_NET_BIND_SERVICE): choose a higher one"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        _ => "",
    }
}

/// One bound socket.
#[derive(Debug)]
pub struct Bound {
    /// From the configuration.
    pub name: Arc<str>,
    /// Where it is bound, with the real port.
    pub address: Address,
    /// TLS of this listener.
    pub tls: Option<tls::Tls>,
    socket: socket::Listening,
}

impl Bound {
    /// Binds and loads what is needed. Must run inside a runtime.
    pub async fn bind(listener: &config::Listener) -> Result<Self, Error> {
        let name = listener.name.clone();
        let tls = listener.tls.as_ref().map(tls::Tls::load).transpose();
        let tls = tls.map_err(|source| Error::Tls {
            name: name.clone(),
            source,
        })?;
        let failed = |source| Error::Bind {
            name: name.clone(),
            address: listener.address.clone(),
            source,
        };
        let (socket, address) = socket::Listening::bind(&listener.address)
            .await
            .map_err(failed)?;
        Ok(Self {
            name: listener.name.as_str().into(),
            address,
            tls,
            socket,
        })
    }

    /// `http://127.0.0.1:8000` or `unix:/run/labgate.sock`, as printed at start.
    pub fn url(&self) -> String {
        match (&self.address, &self.tls) {
            (Address::Tcp(address), None) => format!("http://{address}"),
            (Address::Tcp(address), Some(_)) => format!("https://{address}"),
            (Address::Unix(_), _) => self.address.to_string(),
        }
    }

    /// Accepts until the future is dropped.
    pub async fn accept(
        &self,
        tls: Option<Arc<ServerConfig>>,
        limits: &Arc<Admission>,
        shared: &Shared,
        workers: &[WorkerHandle],
    ) {
        loop {
            let (socket, peer) = match self.socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors or memory: waiting lets some come back (accept(2)).
                    tracing::error!(%error, listener = %self.name, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(admitted) = limits.admit(shared, peer, tls.clone()) else {
                let peer = peer.ip();
                tracing::debug!(%peer, listener = %self.name, "connection refused: a limit is reached");
                continue;
            };
            if let Some(worker) = workers.iter().min_by_key(|worker| worker.open()) {
                worker.connection(socket, admitted);
            }
        }
    }
}

/// Counts connections, in all and by client: an IPv4 address, or the /64 that one IPv6 customer has.
#[derive(Debug, Default)]
pub struct Admission {
    open: AtomicUsize,
    by_client: DashMap<IpAddr, usize>,
}

/// A place in the connection limits, given back when dropped; and what its connection is served with.
#[derive(Debug)]
pub struct Admitted {
    admission: Arc<Admission>,
    peer: PeerAddr,
    counted: Option<IpAddr>,
    tls: Option<Arc<ServerConfig>>,
}

impl Admission {
    fn admit(
        self: &Arc<Self>,
        shared: &Shared,
        peer: PeerAddr,
        tls: Option<Arc<ServerConfig>>,
    ) -> Option<Admitted> {
        let runtime = shared.runtime.load();
        if self.open.fetch_add(1, Ordering::Relaxed) >= runtime.limits.max_connections {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let mut admitted = Admitted {
            admission: Arc::clone(self),
            peer,
            counted: None,
            tls,
        };
        // All who come by a unix socket would count as one.
        if !peer.is_unix() && !runtime.trusted.trusts(peer) {
            let client = client::network(peer.ip());
            let mut count = self.by_client.entry(client).or_default();
            if *count >= runtime.limits.max_connections_per_client {
                return None;
            }
            *count += 1;
            admitted.counted = Some(client);
        }
        Some(admitted)
    }
}

impl Admitted {
    /// The socket's other end.
    pub const fn peer(&self) -> PeerAddr {
        self.peer
    }

    /// TLS of the listener that it came in on.
    pub const fn tls(&self) -> Option<&Arc<ServerConfig>> {
        self.tls.as_ref()
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(client) = self.counted {
            self.admission.by_client.remove_if_mut(&client, |_, count| {
                *count = count.saturating_sub(1);
                *count == 0
            });
        }
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
