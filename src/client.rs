//! Who a request is from: the socket's other end, or whom a trusted proxy speaks for.
//!
//! In: the peer's address and the request's headers. Out: a [`Client`], always; what a proxy writes
//! badly never becomes an error. A peer that is not in `trust.proxies` speaks for itself alone,
//! whatever it says (SECURITY T06 to T08).
//! Not here: the headers that a tool gets (`rewrite`). RFC 7239 is the standard for this; proxies
//! in the field write `X-Forwarded-For` and `X-Forwarded-Proto`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::config::{self, Proxy};

/// The address of a socket's other end, in canonical form: an IPv4 address stays one when it comes
/// through an IPv6 socket. The other end of a unix socket has none.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PeerAddr {
    address: Option<IpAddr>,
    speaks: Speaks,
}

/// For whom a peer speaks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Speaks {
    /// For itself, whoever it is.
    ForItself,
    /// For others as well, where it is trusted.
    ForOthers,
}

/// The address that a request is from, as [`TrustedProxies`] concluded.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ClientAddr(IpAddr);

/// What is known of the sender of one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Client {
    /// Where the request came from.
    pub addr: ClientAddr,
    /// Whether the peer is a proxy that we trust.
    pub trusted: bool,
    /// Whether the browser came by https, where a trusted proxy told; `None`: our own listener
    /// decides.
    pub https: Option<bool>,
}

/// Whose word about the client is believed. The default believes nobody's.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    /// Whether whoever comes by a unix socket is one.
    unix: bool,
    /// `None`: `X-Forwarded-For`.
    header: Option<HeaderName>,
}

impl PeerAddr {
    /// Whoever is at the other end of a unix socket.
    pub const UNIX: Self = Self {
        address: None,
        speaks: Speaks::ForOthers,
    };

    /// The address itself; who comes by a unix socket is on this machine, and so `127.0.0.1`.
    pub const fn ip(self) -> IpAddr {
        match self.address {
            Some(address) => address,
            None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    /// Whether it is at the other end of a unix socket.
    pub const fn is_unix(self) -> bool {
        self.address.is_none()
    }

    /// The same, believed about nobody else: a proxy that does not know whose bytes it passes on.
    #[must_use]
    pub const fn for_itself(self) -> Self {
        Self {
            speaks: Speaks::ForItself,
            ..self
        }
    }
}

impl From<IpAddr> for PeerAddr {
    fn from(address: IpAddr) -> Self {
        Self {
            address: Some(address.to_canonical()),
            speaks: Speaks::ForOthers,
        }
    }
}

impl From<SocketAddr> for PeerAddr {
    fn from(address: SocketAddr) -> Self {
        address.ip().into()
    }
}

impl ClientAddr {
    /// The address itself, canonical.
    pub const fn ip(self) -> IpAddr {
        self.0
    }
}

impl From<PeerAddr> for ClientAddr {
    /// A peer that speaks for itself.
    fn from(peer: PeerAddr) -> Self {
        Self(peer.ip())
    }
}

impl From<&config::Trust> for TrustedProxies {
    fn from(trust: &config::Trust) -> Self {
        let networks = trust.proxies.iter().filter_map(|proxy| match proxy {
            Proxy::Network(network) => Some(*network),
            Proxy::Unix => None,
        });
        Self {
            networks: networks.collect(),
            unix: trust.proxies.contains(&Proxy::Unix),
            header: trust
                .client_ip_header
                .clone()
                .filter(|name| *name != X_FORWARDED_FOR),
        }
    }
}

/// Who counts as one client where clients are counted: an IPv4 address, or the /64 that one IPv6
/// customer has.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

impl TrustedProxies {
    /// Whether this peer's forwarding headers are believed.
    pub fn trusts(&self, peer: PeerAddr) -> bool {
        match (peer.speaks, peer.address) {
            (Speaks::ForItself, _) => false,
            (Speaks::ForOthers, Some(address)) => self.covers(address),
            (Speaks::ForOthers, None) => self.unix,
        }
    }

    /// Concludes who sent a request. No allocation.
    pub fn client(&self, peer: PeerAddr, headers: &HeaderMap) -> Client {
        if !self.trusts(peer) {
            return Client {
                addr: peer.into(),
                trusted: false,
                https: None,
            };
        }
        let addr = match &self.header {
            Some(name) => only(headers, name).and_then(address),
            None => Some(self.right_most_untrusted(peer, headers)),
        };
        Client {
            addr: addr.map_or_else(|| peer.into(), ClientAddr),
            trusted: true,
            https: https(headers),
        }
    }

    /// Walks `X-Forwarded-For` from its end, over all field lines, as long as proxies of ours wrote
    /// it. What is no address ends the walk: nobody trusted stands behind the entries before it.
    fn right_most_untrusted(&self, peer: PeerAddr, headers: &HeaderMap) -> IpAddr {
        let mut found = peer.ip();
        for line in headers.get_all(X_FORWARDED_FOR).iter().rev() {
            let Ok(line) = line.to_str() else {
                return found;
            };
            for entry in line.rsplit(',') {
                match address(entry) {
                    Some(next) => found = next,
                    None => return found,
                }
                if !self.covers(found) {
                    return found;
                }
            }
        }
        found
    }

    fn covers(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| match network {
            // Written as `::ffff:10.0.0.0/104`, a network means IPv4 addresses, as canonical ones.
            IpNet::V6(wide) => match address {
                IpAddr::V4(v4) => wide.contains(&v4.to_ipv6_mapped()) && wide.prefix_len() >= 96,
                IpAddr::V6(v6) => wide.contains(&v6),
            },
            IpNet::V4(_) => network.contains(&address),
        })
    }
}

/// The value of a field that stands there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?;
    lines.next().is_none().then(|| line.to_str().ok())?
}

/// An address as proxies write it: bare, with a port, or in brackets (`[::1]:443`).
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let found = match text.parse() {
        Ok(bare) => bare,
        Err(_) => match text.parse::<SocketAddr>() {
            Ok(with_port) => with_port.ip(),
            Err(_) => text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?,
        },
    };
    Some(found.to_canonical())
}

/// The browser's own scheme: the first word of a chain `https,http` (SECURITY T10).
fn https(headers: &HeaderMap) -> Option<bool> {
    let line = headers.get(X_FORWARDED_PROTO)?.to_str().ok()?;
    let word = line.split(',').next()?.trim();
    if word.eq_ignore_ascii_case("https") {
        Some(true)
    } else if word.eq_ignore_ascii_case("http") {
        Some(false)
    } else {
        None
    }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
mod tests;
