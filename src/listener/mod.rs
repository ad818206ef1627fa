//! Listeners: bound sockets, who is admitted, and which worker gets the connection.
//!
//! In: `[[listener]]` and `[limits]`. Out: accepted sockets, each with its [`Admitted`] place, sent to
//! the worker with the fewest open connections, so that long tunnels cannot pile up on one.
//! Not here: anything about HTTP (`conn` hands that to hyper and `gateway`).

mod acceptor;
pub mod conn;
pub mod http2;
mod proxy_protocol;
pub mod self_signed;
mod socket;
pub mod tls;
mod unix;

use std::{
    cell::OnceCell,
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use dashmap::DashMap;
use rustls::ServerConfig;

pub use acceptor::{Acceptor, Wanted};
pub use conn::{Conn, Ending};
pub use socket::Accepted;

use crate::{
    client::{self, PeerAddr},
    config::{self, Address},
    runtime::{Runtime, Shared},
    telemetry::Seldom,
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
    /// A certificate of our own cannot be had.
    #[error("tls = \"self-signed\": {0}")]
    SelfSigned(#[from] self_signed::Error),
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
    /// Where it is bound, with the real port.
    pub address: Address,
    /// The certificate of this listener, for who keeps it fresh.
    pub tls: Option<tls::Tls>,
    /// What its connections are served with.
    pub entry: Arc<Entry>,
    socket: socket::Listening,
}

impl Bound {
    /// Binds and loads what is needed. Must run inside a runtime.
    ///
    /// `own` are the files for `"self-signed"`.
    pub async fn bind(
        listener: &config::Listener,
        own: Option<&config::TlsFiles>,
    ) -> Result<Self, Error> {
        let name = listener.name.clone();
        let files = match &listener.tls {
            None => None,
            Some(config::Tls::Files(files)) => Some(files),
            Some(config::Tls::SelfSigned) => Some(own.ok_or(self_signed::Error::Absent)?),
        };
        let tls = files.map(tls::Tls::load).transpose();
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
            address,
            entry: Arc::new(Entry {
                name: listener.name.as_str().into(),
                tls: tls.as_ref().map(|tls| Arc::clone(&tls.config)),
                proxy_protocol: listener.proxy_protocol,
                redirect_https: listener.redirect_https,
                refused: Seldom::default(),
                http2_websocket: listener.http2_websocket,
            }),
            tls,
            socket,
        })
    }

    /// `http://127.0.0.1:8000` or `unix:/run/labgate.sock`, as printed at start.
    pub fn url(&self) -> String {
        match (&self.address, &self.entry.tls) {
            (Address::Tcp(address), None) => format!("http://{address}"),
            (Address::Tcp(address), Some(_)) => format!("https://{address}"),
            (Address::Unix(_), _) => self.address.to_string(),
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
    counted: OnceCell<IpAddr>,
    entry: Arc<Entry>,
}

/// What is known of a listener by every connection that came in on it.
#[derive(Debug)]
pub struct Entry {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// TLS, if it has any.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether each connection begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Whether its requests are only sent on to https.
    pub redirect_https: bool,
    /// What is warned of when a connection is refused.
    pub refused: Seldom,
    /// Whether a WebSocket may be opened on an HTTP/2 connection.
    pub http2_websocket: bool,
}

impl Admission {
    fn admit(
        self: &Arc<Self>,
        shared: &Shared,
        peer: PeerAddr,
        entry: Arc<Entry>,
    ) -> Option<Admitted> {
        let runtime = shared.runtime.load();
        if self.open.fetch_add(1, Ordering::Relaxed) >= runtime.limits.max_connections {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let admitted = Admitted {
            admission: Arc::clone(self),
            peer,
            counted: OnceCell::new(),
            entry,
        };
        admitted.count(&runtime, peer).then_some(admitted)
    }
}

impl Admitted {
    /// The socket's other end.
    pub const fn peer(&self) -> PeerAddr {
        self.peer
    }

    /// The listener that it came in on.
    pub const fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// Counts it as `client`'s, once; trusted proxies are not counted, so that those for whom they
    /// speak can be. `false`: the client has as many as it may.
    pub fn count(&self, runtime: &Runtime, client: PeerAddr) -> bool {
        // All who come by a unix socket would count as one.
        if client.is_unix() || runtime.trusted.trusts(client) || self.counted.get().is_some() {
            return true;
        }
        let client = *self.counted.get_or_init(|| client::network(client.ip()));
        let mut count = self.admission.by_client.entry(client).or_default();
        *count += 1;
        *count <= runtime.limits.max_connections_per_client
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(client) = self.counted.get() {
            self.admission.by_client.remove_if_mut(client, |_, count| {
                *count = count.saturating_sub(1);
                *count == 0
            });
        }
    }
}
