//! Addresses in a tool's answer that mean the tool itself: turned into public ones (SECURITY T26).

use super::{Answered, Rules};
use crate::http::site::Host;

/// The public form of a `Location`; `None` leaves it as it is. What names a third party, or what
/// browsers could read in two ways, is left alone.
pub(super) fn public(location: &str, rules: &Rules, answered: Answered<'_>) -> Option<String> {
    if location.contains('\\') || location.starts_with("//") {
        return None;
    }
    if location.starts_with('/') {
        return below(location, rules).map(|prefix| [prefix, location].concat());
    }
    let (scheme, rest) = location.split_once("://")?;
    if !(scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")) {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let (named, port) = Host::parse_authority(authority).ok()?;
    if !is_own(&named, port, rules, answered) {
        return None;
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    let path = [slash, path].concat();
    let prefix = below(&path, rules).unwrap_or_default();
    Some([&answered.site.origin_of(answered.host), prefix, &path].concat())
}

/// The prefix to put before a path of the tool's; `None` where it already stands there.
fn below<'a>(path: &str, rules: &'a Rules) -> Option<&'a str> {
    let prefix = rules.stripped()?;
    let public = path
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
    (!public).then_some(prefix)
}

/// Whether an authority is the tool: as we call it, as it calls itself on its own machine, or by
/// the public name with its own or the public port.
fn is_own(named: &Host, port: Option<u16>, rules: &Rules, answered: Answered<'_>) -> bool {
    let ports = || rules.upstreams.iter().map(|(_, port)| *port);
    let on_its_port = port.is_some_and(|port| ports().any(|its| its == port));
    let upstream = rules.upstreams.iter().any(|(name, its)| {
        let name = name
            .parse::<Host>()
            .or_else(|_| format!("[{name}]").parse());
        name.is_ok_and(|name| name == *named) && port.is_none_or(|port| port == *its)
    });
    let loopback = matches!(
        named.as_str(),
        "localhost" | "127.0.0.1" | "[::1]" | "0.0.0.0"
    );
    let public_port = port.is_none() || port == Some(answered.site.effective_port());
    upstream
        || (loopback && on_its_port)
        || (named == answered.host && (on_its_port || public_port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config, http::site::PublicUrl, rewrite::tests::rules_of};

    /// What becomes of a `Location` in an answer from a site's main host.
    fn at(site: &str, location: &str, rules: &Rules) -> Option<String> {
        let site: PublicUrl = site.parse().unwrap();
        let answered = Answered {
            host: &site.host,
            site: &site,
            authenticated: true,
            reader: None,
        };
        public(location, rules, answered)
    }

    const LAB: &str = "https://lab.example.org";

    fn moved(route: &str, strip: bool, location: &str) -> String {
        let rules = rules_of(route, |route| route.strip_prefix = strip);
        at(LAB, location, &rules).unwrap_or_else(|| location.to_owned())
    }

    #[test]
    fn the_tools_own_address_becomes_the_public_one() {
        for (location, expected) in [
            (
                "http://127.0.0.1:8888/x?a#b",
                "https://lab.example.org/x?a#b",
            ),
            ("http://localhost:8888/x", "https://lab.example.org/x"),
            ("HTTP://LOCALHOST:8888", "https://lab.example.org/"),
            ("https://127.0.0.1/x", "https://lab.example.org/x"),
            ("http://lab.example.org/x", "https://lab.example.org/x"),
            ("http://lab.example.org:8888/x", "https://lab.example.org/x"),
            ("http://localhost:8888?x", "https://lab.example.org/?x"),
            (
                "http://localhost:8888//evil.example",
                "https://lab.example.org//evil.example",
            ),
        ] {
            assert_eq!(moved("/", false, location), expected, "{location}");
        }
    }

    #[test]
    fn each_target_of_a_route_is_the_tool_with_its_own_port() {
        let https = |host: &str, port| config::Upstream::Https {
            host: host.to_owned(),
            port,
        };
        let rules = rules_of("/", |route| {
            route.upstreams = vec![https("lab-1", 443), https("fd00::2", 8443)];
        });
        for (location, is_public) in [
            ("https://lab-1/x", true),
            ("https://lab-1:443/x", true),
            ("https://[fd00::2]:8443/x", true),
            ("http://localhost:8443/x", true),
            ("https://lab-1:8443/x", false),
            ("https://lab-2/x", false),
        ] {
            let public = at(LAB, location, &rules);
            let expected = is_public.then(|| "https://lab.example.org/x".to_owned());
            assert_eq!(public, expected, "{location}");
        }
    }

    #[test]
    fn the_public_address_is_that_of_the_site_that_was_asked() {
        let rules = rules_of("/", |_| ());
        let alias = "http://192.168.1.20:8000";
        for (site, location, expected) in [
            (
                alias,
                "http://127.0.0.1:8888/x",
                Some("http://192.168.1.20:8000/x"),
            ),
            (
                alias,
                "https://192.168.1.20:8000/x",
                Some("http://192.168.1.20:8000/x"),
            ),
            (
                alias,
                "http://192.168.1.20/x",
                Some("http://192.168.1.20:8000/x"),
            ),
            (alias, "http://192.168.1.20:443/x", None),
            (alias, "https://lab.example.org/x", None),
            (LAB, "http://192.168.1.20:8000/x", None),
            (
                LAB,
                "http://lab.example.org:443/x",
                Some("https://lab.example.org/x"),
            ),
            (LAB, "http://lab.example.org:8000/x", None),
        ] {
            assert_eq!(
                at(site, location, &rules).as_deref(),
                expected,
                "{site} {location}"
            );
        }
    }

    #[test]
    fn a_path_of_the_tool_follows_the_stripped_prefix_once() {
        for (location, expected) in [
            ("/x", "/rstudio/x"),
            ("/", "/rstudio/"),
            ("/rstudio/x", "/rstudio/x"),
            ("/rstudio?x", "/rstudio?x"),
            ("/rstudio2", "/rstudio/rstudio2"),
            ("x/y", "x/y"),
            ("../x", "../x"),
            (
                "http://localhost:8888/x",
                "https://lab.example.org/rstudio/x",
            ),
            (
                "http://lab.example.org/rstudio/x",
                "https://lab.example.org/rstudio/x",
            ),
        ] {
            assert_eq!(moved("/rstudio/", true, location), expected, "{location}");
        }
        assert_eq!(moved("/rstudio/", false, "/x"), "/x");
    }

    #[test]
    fn what_is_not_the_tools_is_left_alone() {
        for location in [
            "//evil.example/x",
            "///evil.example",
            "/\\evil.example",
            "https://evil.example/x",
            "https://sso.example.org/?return=http://localhost:8888/",
            "http://localhost:9999/x",
            "http://localhost/x",
            "http://127.0.0.1:8888@evil.example/",
            "http://lab.example.org:9000/x",
            "http://other.example.org:8888/x",
            "javascript:alert(1)",
            "mailto:a@b",
            "",
        ] {
            assert_eq!(moved("/rstudio/", true, location), location);
        }
    }
}
