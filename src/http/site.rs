//! Hosts and origins: the public names that we answer on.
//!
//! One function gives the authority of a request or refuses it (RFC 9112 §3.2, RFC 9113 §8.3.1):
//! [`authority`]. Not here: which hosts are known (`route`).

use std::{fmt, net::IpAddr, str::FromStr};

use http::uri::Scheme;

/// A host name or address as compared everywhere: lowercase, without port, without trailing dot,
/// IPv6 in brackets as in a URL.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Host(Box<str>);

/// Why a text is no host or URL.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);

impl Host {
    /// The normalized text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address that it is; `None` for a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.0.trim_matches(['[', ']']).parse().ok()
    }

    /// Whether it is this machine's own name, or below it (RFC 6761 §6.3).
    pub fn is_localhost(&self) -> bool {
        &*self.0 == "localhost" || self.0.ends_with(".localhost")
    }

    /// Parses `host` or `host:port`, in any case, with or without a trailing dot. The port comes
    /// back separately.
    pub fn parse_authority(text: &str) -> Result<(Self, Option<u16>), Invalid> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => {
                if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(Invalid("the port is not a number"));
                }
                (
                    name,
                    Some(
                        port.parse()
                            .map_err(|_| Invalid("the port is above 65535"))?,
                    ),
                )
            }
            _ => (text, None),
        };
        Ok((name.parse()?, port))
    }
}

impl FromStr for Host {
    type Err = Invalid;

    /// One name or address without port.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner
                .strip_suffix(']')
                .ok_or(Invalid("an address lacks its bracket"))?;
            let address: std::net::Ipv6Addr =
                inner.parse().map_err(|_| Invalid("not an IPv6 address"))?;
            return Ok(Self(format!("[{address}]").into()));
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() || text.len() > 253 {
            return Err(Invalid("a host has 1 to 253 characters"));
        }
        let good = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if !text.split('.').all(good) {
            return Err(Invalid("a host has letters, digits, hyphens and dots"));
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A main address: `http://host[:port]` or `https://host[:port]`, nothing behind it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicUrl {
    /// Whether browsers come by https (also when somebody else ends TLS in front of us).
    pub https: bool,
    /// A main host.
    pub host: Host,
    /// The port people type; `None` is the scheme's own.
    pub port: Option<u16>,
}

impl PublicUrl {
    /// The origin of a host that is reached by the same scheme and port as this one, as a
    /// browser writes it in `Origin`: `https://jupyter.example.org:8443`.
    pub fn origin_of(&self, host: &Host) -> String {
        let scheme = if self.https {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        match self.port {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }
    }

    /// The origin of the main host.
    pub fn origin(&self) -> String {
        self.origin_of(&self.host)
    }

    /// `host` or `host:port`, as a browser writes it in `Host`.
    pub fn authority_of(&self, host: &Host) -> String {
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        }
    }

    /// Whether the main host is this machine by every reading: `localhost` and what is below it, or
    /// a loopback address.
    pub fn is_loopback(&self) -> bool {
        let address = self.host.address();
        self.host.is_localhost() || address.is_some_and(|address| address.is_loopback())
    }

    /// The port that browsers connect to.
    pub fn effective_port(&self) -> u16 {
        self.port.unwrap_or(if self.https { 443 } else { 80 })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

impl FromStr for PublicUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(Invalid("a public address starts with http:// or https://")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(Invalid(
                "a public address is a scheme and a host, without a path",
            ));
        }
        let (host, port) = Host::parse_authority(authority)?;
        let default = if https { 443 } else { 80 };
        Ok(Self {
            https,
            host,
            port: port.filter(|port| *port != default),
        })
    }
}

/// The host that a request is for, from its one `Host` field or, on HTTP/2, its `:authority`. That
/// the two agree and that there is exactly one was checked by the head gate.
pub fn authority<B>(request: &http::Request<B>) -> Result<Host, Invalid> {
    let text = match request.headers().get(http::header::HOST) {
        Some(host) => host
            .to_str()
            .map_err(|_| Invalid("the host is not ASCII"))?,
        None => request
            .uri()
            .authority()
            .ok_or(Invalid("no host was given"))?
            .as_str(),
    };
    Host::parse_authority(text).map(|(host, _port)| host)
}
