//! What of labgate itself no route may lead to: what is in the state folder, and the address of
//! `[admin]` (SECURITY T54, T58).
//!
//! Looks at what is written alone. A name that leads to this machine, or a link to our socket, is not
//! seen here; that the doors of operators take nothing from proxies stops those.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Component, Path, PathBuf},
};

use super::{Address, Admin, Listener, Server, Upstream};
use crate::store::StateDir;

/// Where it is.
pub(super) struct Own {
    folder: PathBuf,
    admin: Option<SocketAddr>,
}

impl Own {
    pub(super) fn new(server: &Server, admin: &Admin) -> Self {
        Self {
            folder: plain(&server.state_dir.join(StateDir::NAME)),
            admin: admin.address,
        }
    }

    /// What is wrong with an upstream that is ours.
    pub(super) fn refuse(&self, upstream: &Upstream) -> Option<&'static str> {
        match upstream {
            Upstream::Http { host, port } | Upstream::Https { host, port } => {
                self.is_admin(host, *port).then_some(
                    "is the address of [admin], which is for operators; nobody may reach it through a route",
                )
            }
            Upstream::Unix(path) => self.holds(path).then_some(
                "is in labgate's own state folder, which nobody may reach through a route",
            ),
        }
    }

    /// What is wrong with a listener that would take our socket's place.
    pub(super) fn clashes(&self, listener: &Listener) -> bool {
        matches!(&listener.address, Address::Unix(path) if self.holds(path))
    }

    fn holds(&self, path: &Path) -> bool {
        plain(path).starts_with(&self.folder)
    }

    fn is_admin(&self, host: &str, port: u16) -> bool {
        let Some(admin) = self.admin.filter(|admin| admin.port() == port) else {
            return false;
        };
        let admin = admin.ip().to_canonical();
        if host == "localhost" || host.ends_with(".localhost") {
            return admin.is_loopback() || admin.is_unspecified();
        }
        let Some(upstream) = address(host) else {
            return false;
        };
        // To connect to no address is to connect to this machine.
        let is_here = |address: IpAddr| address.is_loopback() || address.is_unspecified();
        upstream == admin
            || (upstream.is_unspecified() && admin.is_loopback())
            || (admin.is_unspecified() && is_here(upstream))
    }
}

/// The address that a resolver takes a text for: with numbers left out, or written in octal or
/// hexadecimal, too (`inet_aton`(3)).
fn address(host: &str) -> Option<IpAddr> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let parts: Option<Vec<u32>> = host.split('.').map(number).collect();
    let (last, first) = parts.as_deref()?.split_last()?;
    if first.len() > 3 {
        return None;
    }
    let mut bits = *last;
    for (place, part) in first.iter().enumerate() {
        // The last number fills all bytes that are left.
        let byte = u8::try_from(*part).ok()?;
        bits |= u32::from(byte) << (24 - 8 * place);
    }
    let room = 32 - 8 * first.len();
    let fits = u64::from(*last) < 1 << room;
    fits.then(|| Ipv4Addr::from_bits(bits).into())
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if text.starts_with('0') && text.len() > 1 => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

/// Without `.`, `..` and doubled slashes, as far as that shows without looking.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_admin(admin: &str, host: &str) -> bool {
        let own = Own {
            folder: "/state/labgate-state".into(),
            admin: Some(admin.parse().unwrap()),
        };
        let host = host.to_owned();
        own.refuse(&Upstream::Http { host, port: 8001 }).is_some()
    }

    #[test]
    fn every_spelling_of_the_admin_address_is_ours_and_its_neighbors_are_not() {
        // T58
        for host in [
            "127.0.0.1",
            "localhost",
            "x.localhost",
            "127.1",
            "0x7f.0.0.1",
            "0177.0.0.01",
            "2130706433",
            "0x7f000001",
            "0.0.0.0",
            "0",
            "::ffff:127.0.0.1",
            "::",
        ] {
            assert!(is_admin("127.0.0.1:8001", host), "{host}");
            assert!(is_admin("0.0.0.0:8001", host), "{host}");
        }
        for host in [
            "127.0.0.2",
            "10.0.0.1",
            "lab",
            "0x",
            "256.1",
            "1.2.3.4.5",
            "08.1.1.1",
        ] {
            assert!(!is_admin("127.0.0.1:8001", host), "{host}");
        }
        assert!(!is_admin("127.0.0.1:8002", "127.0.0.1"), "another port");
        assert!(is_admin("[::1]:8001", "::1"));
        assert!(is_admin("10.0.0.1:8001", "10.0.0.1"));
        assert!(!is_admin("10.0.0.1:8001", "127.0.0.1"));
    }

    #[test]
    fn what_is_in_the_state_folder_is_ours_by_every_path() {
        // T54
        let own = Own {
            folder: "/state/labgate-state".into(),
            admin: None,
        };
        let refused = |path: &str| own.refuse(&Upstream::Unix(path.into())).is_some();
        for path in [
            "/state/labgate-state/admin.sock",
            "/state//labgate-state/./admin.sock",
            "/state/x/../labgate-state/admin.sock",
            "/../state/labgate-state/other.sock",
        ] {
            assert!(refused(path), "{path}");
        }
        for path in [
            "/state/labgate-states/admin.sock",
            "/state/tool.sock",
            "/state/labgate-state/../tool.sock",
        ] {
            assert!(!refused(path), "{path}");
        }
    }
}
