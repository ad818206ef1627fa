//! The main addresses: `server.public_url` and `server.aliases`.
//!
//! Each is a site of its own, with its own scheme, port, cookies and sign-in. The host of a request
//! says which one it is for; hosts of routes belong to the first. Two sites never share a host: a
//! cookie knows no port, and a browser that was told to use https for a host does so on all ports
//! (RFC 6265 §8.5, RFC 6797 §8.3).

use super::site::{Host, PublicUrl};

/// All main addresses, the first of which is the main site. Few: they are looked through.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sites {
    main: PublicUrl,
    aliases: Vec<PublicUrl>,
}

impl Sites {
    /// No two may have the same host; `config` sees to that.
    pub const fn new(main: PublicUrl, aliases: Vec<PublicUrl>) -> Self {
        Self { main, aliases }
    }

    /// The site that the hosts of routes belong to.
    pub const fn main(&self) -> &PublicUrl {
        &self.main
    }

    /// All of them, the main site first.
    pub fn iter(&self) -> impl Iterator<Item = &PublicUrl> {
        std::iter::once(&self.main).chain(&self.aliases)
    }

    /// The site of a host: the one whose main host it is, else the main site.
    pub fn of(&self, host: &Host) -> &PublicUrl {
        self.aliases
            .iter()
            .find(|alias| alias.host == *host)
            .unwrap_or(&self.main)
    }

    /// Whether people sign in on this host.
    pub fn is_main_host(&self, host: &Host) -> bool {
        self.of(host).host == *host
    }

    /// The origin of any host of ours, as a browser writes it in `Origin`.
    pub fn origin_of(&self, host: &Host) -> String {
        self.of(host).origin_of(host)
    }

    /// The site of this machine under its name, where `host` is another spelling of that: a loopback
    /// address, or the unspecified one, with which browsers reach this machine too. Never for a name:
    /// whoever owns one may point it here (DNS rebinding).
    pub fn meant_by(&self, host: &Host) -> Option<&PublicUrl> {
        let address = host.address()?.to_canonical();
        if !address.is_loopback() && !address.is_unspecified() {
            return None;
        }
        self.iter().find(|site| site.host.is_localhost())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites(urls: &[&str]) -> Sites {
        let mut urls = urls.iter().map(|url| url.parse().unwrap());
        Sites::new(urls.next().unwrap(), urls.collect())
    }

    fn host(text: &str) -> Host {
        text.parse().unwrap()
    }

    #[test]
    fn a_host_has_the_scheme_and_port_of_its_own_site() {
        let sites = sites(&["https://lab.test:8443", "http://192.168.1.20:8000"]);
        for (name, origin, is_main) in [
            ("lab.test", "https://lab.test:8443", true),
            ("192.168.1.20", "http://192.168.1.20:8000", true),
            ("jupyter.lab.test", "https://jupyter.lab.test:8443", false),
            ("192.168.1.2", "https://192.168.1.2:8443", false),
        ] {
            let host = host(name);
            assert_eq!(sites.origin_of(&host), origin);
            assert_eq!(sites.is_main_host(&host), is_main, "{name}");
        }
    }

    #[test]
    fn a_loopback_address_means_localhost_and_nothing_else_does() {
        let both = sites(&["https://lab.test", "http://localhost:8000"]);
        let below = sites(&["http://lab.localhost:8000", "http://localhost:9000"]);
        for spelling in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[0:0:0:0:0:0:0:1]",
        ] {
            let meant = |sites: &Sites| sites.meant_by(&host(spelling)).map(PublicUrl::origin);
            assert_eq!(meant(&both).as_deref(), Some("http://localhost:8000"));
            assert_eq!(meant(&below).as_deref(), Some("http://lab.localhost:8000"));
            assert_eq!(meant(&sites(&["http://127.0.0.1:8000"])), None);
        }
        for other in [
            "localhost.",
            "x.localhost",
            "127.0.0.1.nip.io",
            "localhost.evil.example",
            "127.1",
            "2130706433",
            "0",
            "128.0.0.1",
            "0.0.0.1",
            "192.168.1.20",
            "[::2]",
            "[::ffff:192.168.1.20]",
            "[::127.0.0.1]",
        ] {
            assert_eq!(both.meant_by(&host(other)), None, "{other}");
        }
    }
}
