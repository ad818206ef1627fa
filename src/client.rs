//! Who a request is from: the socket's other end, or whom a trusted proxy speaks for.
//!
//! In: the peer's address and the request's headers. Out: a [`Client`], always; what a proxy writes
//! badly never becomes an error. A peer that is not in `trust.proxies` speaks for itself alone,
//! whatever it says (SECURITY T06 to T08).
//! Not here: the headers that a tool gets (`rewrite`). RFC 7239 is the standard for this; proxies
//! in the field write `X-Forwarded-For` and `X-Forwarded-Proto`.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::config;

/// The address of a socket's other end, in canonical form: an IPv4 address stays one when it comes
/// through an IPv6 socket.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PeerAddr(IpAddr);

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
    /// `None`: `X-Forwarded-For`.
    header: Option<HeaderName>,
}

impl PeerAddr {
    /// The address itself.
    pub const fn ip(self) -> IpAddr {
        self.0
    }
}

impl From<IpAddr> for PeerAddr {
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical())
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
        Self(peer.0)
    }
}

impl From<&config::Trust> for TrustedProxies {
    fn from(trust: &config::Trust) -> Self {
        Self {
            networks: trust.proxies.clone(),
            header: trust
                .client_ip_header
                .clone()
                .filter(|name| *name != X_FORWARDED_FOR),
        }
    }
}

impl TrustedProxies {
    /// Whether this peer's forwarding headers are believed.
    pub fn trusts(&self, peer: PeerAddr) -> bool {
        self.covers(peer.0)
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
        let mut found = peer.0;
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
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn proxies(networks: &[&str], header: Option<&str>) -> TrustedProxies {
        TrustedProxies::from(&config::Trust {
            proxies: networks.iter().map(|text| text.parse().unwrap()).collect(),
            client_ip_header: header.map(|name| name.parse().unwrap()),
        })
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn concluded(trust: &TrustedProxies, peer: &str, lines: &[(&'static str, &str)]) -> Client {
        let peer = PeerAddr::from(peer.parse::<IpAddr>().unwrap());
        trust.client(peer, &headers(lines))
    }

    fn from(client: &Client) -> String {
        client.addr.ip().to_string()
    }

    #[test]
    fn a_trusted_proxy_names_the_client_and_an_untrusted_peer_does_not() {
        let trust = proxies(&["10.0.0.0/8"], None);
        let said = [
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "https"),
        ];
        let believed = concluded(&trust, "10.1.1.1", &said);
        assert_eq!(from(&believed), "192.0.2.7");
        assert_eq!((believed.trusted, believed.https), (true, Some(true)));
        let ignored = concluded(&trust, "11.1.1.1", &said);
        assert_eq!(from(&ignored), "11.1.1.1");
        assert_eq!((ignored.trusted, ignored.https), (false, None));
    }

    #[test]
    fn without_a_list_nobody_is_trusted() {
        let said = [("x-forwarded-for", "192.0.2.7")];
        let client = concluded(&TrustedProxies::default(), "127.0.0.1", &said);
        assert_eq!(from(&client), "127.0.0.1");
    }

    #[test]
    fn the_right_most_untrusted_entry_over_all_lines_is_the_client() {
        let trust = proxies(&["10.0.0.0/8"], None);
        for (lines, expected) in [
            (vec!["1.2.3.4, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            (vec!["1.2.3.4, 192.0.2.7", "10.0.0.2"], "192.0.2.7"),
            (vec!["1.2.3.4", "192.0.2.7:5123"], "192.0.2.7"),
            (vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (vec!["[2001:db8::1]:443"], "2001:db8::1"),
            (vec!["[2001:db8::1]"], "2001:db8::1"),
            (vec!["::ffff:192.0.2.7"], "192.0.2.7"),
            (vec!["1.2.3.4, garbage, 10.0.0.2"], "10.0.0.2"),
            (vec!["garbage"], "10.1.1.1"),
            (vec![""], "10.1.1.1"),
            (vec![], "10.1.1.1"),
        ] {
            let said: Vec<_> = lines
                .iter()
                .map(|line| ("x-forwarded-for", *line))
                .collect();
            let client = concluded(&trust, "10.1.1.1", &said);
            assert_eq!(from(&client), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_configured_header_replaces_the_chain() {
        let trust = proxies(&["127.0.0.1/32"], Some("CF-Connecting-IP"));
        let chain = ("x-forwarded-for", "203.0.113.9");
        let named = ("cf-connecting-ip", "192.0.2.7");
        let client = concluded(&trust, "127.0.0.1", &[chain, named]);
        assert_eq!(from(&client), "192.0.2.7");
        let client = concluded(&trust, "127.0.0.1", &[chain]);
        assert_eq!(
            from(&client),
            "127.0.0.1",
            "the chain is nobody's word then"
        );
        let client = concluded(&trust, "127.0.0.1", &[named, named]);
        assert_eq!(from(&client), "127.0.0.1", "two copies are none");
    }

    #[test]
    fn an_ipv4_peer_on_an_ipv6_socket_is_found_in_an_ipv4_network_and_the_reverse() {
        let said = [("x-forwarded-for", "192.0.2.7")];
        let trust = proxies(&["127.0.0.0/8"], None);
        let client = concluded(&trust, "::ffff:127.0.0.1", &said);
        assert_eq!(from(&client), "192.0.2.7");
        let trust = proxies(&["::ffff:127.0.0.0/104"], None);
        assert!(concluded(&trust, "127.0.0.1", &said).trusted);
        assert!(!concluded(&proxies(&["2000::/3"], None), "127.0.0.1", &said).trusted);
    }

    #[test]
    fn a_chain_of_schemes_gives_the_browsers_own() {
        let trust = proxies(&["127.0.0.1/32"], None);
        for (said, expected) in [
            ("https,http", Some(true)),
            ("HTTP", Some(false)),
            ("wss", None),
            ("", None),
        ] {
            let client = concluded(&trust, "127.0.0.1", &[("x-forwarded-proto", said)]);
            assert_eq!(client.https, expected, "{said}");
        }
    }

    proptest! {
        /// Whatever a stranger writes in `X-Forwarded-For`, it speaks only for itself.
        #[test]
        fn an_untrusted_peer_is_its_own_client(peer: IpAddr, said in "[ -~]{0,200}") {
            let peer = PeerAddr::from(peer);
            let found = TrustedProxies::default().client(peer, &headers(&[("x-forwarded-for", &said)]));
            prop_assert_eq!(found.addr, ClientAddr::from(peer));
        }

        /// Bytes of any kind from a trusted proxy conclude in an address, never in a panic.
        #[test]
        fn garbage_from_a_trusted_proxy_is_survived(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
        ) {
            let mut map = HeaderMap::new();
            for line in lines {
                if let Ok(value) = HeaderValue::from_bytes(&line) {
                    map.append(X_FORWARDED_FOR, value.clone());
                    map.append(X_FORWARDED_PROTO, value);
                }
            }
            let trust = proxies(&["127.0.0.1/32"], None);
            let client = trust.client(PeerAddr::from(IpAddr::from([127, 0, 0, 1])), &map);
            prop_assert!(client.trusted);
        }

        /// The entry that our proxy appended wins over everything the client put before it.
        #[test]
        fn what_stands_before_the_appended_entry_does_not_matter(said in "[ -~]{0,80}", client: IpAddr) {
            let client = client.to_canonical();
            prop_assume!(client != IpAddr::from([127, 0, 0, 1]));
            let line = format!("{said}, {client}");
            let trust = proxies(&["127.0.0.1/32"], None);
            let peer = PeerAddr::from(IpAddr::from([127, 0, 0, 1]));
            let found = trust.client(peer, &headers(&[("x-forwarded-for", &line)]));
            prop_assert_eq!(found.addr.ip(), client);
        }
    }
}
