//! `upstream_host = "upstream"`: the tool is called by its own name.
//!
//! A tool that compares `Origin` (or `Referer`) with `Host` would then refuse its own pages, so where
//! these name the very origin that the request was sent to, they name the tool's instead. All others
//! stay as they are, and the tool refuses them.

use http::{
    HeaderMap, HeaderValue,
    header::{HOST, ORIGIN, REFERER},
};

use super::Arrived;
use crate::{auth::origin::sole, config::Upstream};

/// How a tool is called by us.
#[derive(Clone, Debug)]
pub(super) struct OwnHost {
    host: HeaderValue,
    /// `http://127.0.0.1:8888`
    origin: HeaderValue,
}

impl OwnHost {
    /// Of a route's first upstream: the others of a list are the same tool, and the name is written
    /// before one of them is picked.
    pub(super) fn new(upstream: &Upstream) -> Option<Self> {
        let url = match upstream {
            Upstream::Unix(_) => format!("http://{ON_SOCKET}"),
            Upstream::Http { .. } | Upstream::Https { .. } => upstream.to_string(),
        };
        let default_port = if url.starts_with("https:") {
            ":443"
        } else {
            ":80"
        };
        let origin = url.strip_suffix(default_port).unwrap_or(&url);
        let (_, host) = origin.split_once("://")?;
        Some(Self {
            host: HeaderValue::try_from(host).ok()?,
            origin: HeaderValue::try_from(origin).ok()?,
        })
    }

    /// Calls the tool so.
    pub(super) fn put(&self, headers: &mut HeaderMap, arrived: Arrived<'_>) {
        headers.insert(HOST, self.host.clone());
        // Several are nobody's: they stay, and the tool sees that.
        let origin = sole(headers, ORIGIN).and_then(|said| behind(said, arrived));
        if origin == Some(b"") {
            headers.insert(ORIGIN, self.origin.clone());
        }
        let referer = headers.get(REFERER).and_then(|said| {
            let rest = behind(said, arrived)?;
            matches!(rest.first(), None | Some(b'/' | b'?'))
                .then(|| [self.origin.as_bytes(), rest].concat())
        });
        if let Some(Ok(referer)) = referer.map(|bytes| HeaderValue::from_bytes(&bytes)) {
            headers.insert(REFERER, referer);
        }
    }
}

/// The name of a tool on a unix socket.
pub(super) const ON_SOCKET: &str = "localhost";

/// What follows the origin that the request was sent to, where an address begins with it.
fn behind<'a>(address: &'a HeaderValue, arrived: Arrived<'_>) -> Option<&'a [u8]> {
    let scheme: &[u8] = if arrived.https {
        b"https://"
    } else {
        b"http://"
    };
    let rest = address.as_bytes().strip_prefix(scheme)?;
    let (host, rest) = rest.split_at_checked(arrived.host.len())?;
    host.eq_ignore_ascii_case(arrived.host.as_bytes())
        .then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Access, UpstreamHost},
        rewrite::tests::{answered, rules_of, sent, with},
    };

    /// What the tool sees of a request to `https://LAB.example.org:443`.
    fn seen(upstream: Upstream, fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let rules = rules_of("/", |route| {
            route.upstreams = vec![upstream];
            route.headers.upstream_host = UpstreamHost::Upstream;
        });
        sent(&rules, true, with("/", fields)).headers().clone()
    }

    fn http(host: &str, port: u16) -> Upstream {
        let host = host.to_owned();
        Upstream::Http { host, port }
    }

    #[test]
    fn the_tool_is_called_by_its_own_name_and_told_the_clients() {
        for (upstream, host) in [
            (http("127.0.0.1", 8888), "127.0.0.1:8888"),
            (http("jupyter", 80), "jupyter"),
            (http("::1", 8080), "[::1]:8080"),
            (Upstream::Unix("/run/lab".into()), "localhost"),
        ] {
            let got = seen(
                upstream,
                &[("host", "evil.example"), ("sec-websocket-key", "k")],
            );
            assert_eq!(got["host"], host);
            assert_eq!(got.get_all("host").iter().count(), 1);
            assert_eq!(got["x-forwarded-host"], "LAB.example.org:443");
        }
    }

    #[test]
    fn pages_of_the_same_origin_stay_so_and_no_others_become_it() {
        let origin = |fields: &[(&'static str, &'static str)]| {
            let got = seen(http("jupyter", 8888), fields);
            let all = got.get_all("origin").iter();
            all.map(|value| value.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        for own in ["https://lab.example.org:443", "https://LAB.example.org:443"] {
            assert_eq!(origin(&[("origin", own)]), ["http://jupyter:8888"]);
        }
        for other in [
            "http://lab.example.org:443",
            "https://lab.example.org",
            "https://lab.example.org:4433",
            "https://lab.example.org:443.evil.example",
            "https://evil.example",
            "null",
            "",
        ] {
            assert_eq!(origin(&[("origin", other)]), [other]);
        }
        let own = ("origin", "https://lab.example.org:443");
        assert_eq!(origin(&[own, own]), [own.1, own.1]);
        assert!(origin(&[]).is_empty());
    }

    #[test]
    fn a_referer_follows_its_origin() {
        let referer = |said: &'static str| {
            let got = seen(http("jupyter", 8888), &[("referer", said)]);
            got["referer"].to_str().unwrap().to_owned()
        };
        for (said, expected) in [
            ("https://lab.example.org:443/x?y", "http://jupyter:8888/x?y"),
            ("https://lab.example.org:443", "http://jupyter:8888"),
            (
                "https://lab.example.org:4433/x",
                "https://lab.example.org:4433/x",
            ),
            (
                "https://lab.example.org:443@evil/",
                "https://lab.example.org:443@evil/",
            ),
            ("https://evil.example/", "https://evil.example/"),
        ] {
            assert_eq!(referer(said), expected);
        }
    }

    #[test]
    fn redirects_to_the_tools_own_name_become_public() {
        for (upstream, location) in [
            (http("jupyter", 8888), "http://jupyter:8888/x"),
            (http("jupyter", 80), "http://jupyter/x"),
            (Upstream::Unix("/run/lab".into()), "http://localhost/x"),
        ] {
            let rules = rules_of("/", |route| {
                route.upstreams = vec![upstream];
                route.access = Access::Public;
                route.headers.upstream_host = UpstreamHost::Upstream;
            });
            let got = answered(&rules, false, 302, &[("location", location)]);
            assert_eq!(got, ["location: https://lab.example.org/x"], "{location}");
        }
        let on_socket = rules_of("/", |route| {
            route.upstreams = vec![Upstream::Unix("/run/lab".into())];
            route.access = Access::Public;
        });
        let theirs = ("location", "http://localhost/x");
        assert_eq!(
            answered(&on_socket, false, 302, &[theirs]),
            ["location: http://localhost/x"],
            "it does not call itself so"
        );
    }
}
