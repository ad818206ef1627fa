use proptest::prelude::*;

use super::*;

const MAIN: &str = "https://lab.example.org";
const TOOL: &str = "https://jupyter.example.org";
/// One JSON string per line.
const HOSTILE: &str = include_str!("../../../tests/corpus/return_targets.txt");

fn parse_at(text: &str, site: &str) -> Return {
    parse_among(text, &sites(&[site]))
}

/// Read on the main host of the first of them.
fn parse_among(text: &str, sites: &Sites) -> Return {
    let knows = |host: &Host| host.as_str() == "jupyter.example.org" || sites.is_main_host(host);
    Return::parse(text, sites.main(), sites, knows)
}

fn sites(urls: &[&str]) -> Sites {
    let mut urls = urls.iter().map(|url| url.parse().unwrap());
    Sites::new(urls.next().unwrap(), urls.collect())
}

fn parse(text: &str) -> Return {
    parse_at(text, MAIN)
}

fn hostile() -> impl Iterator<Item = String> {
    HOSTILE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
}

/// The origin that a browser goes to from a page of ours, read as the WHATWG URL standard has it
/// for special schemes; `None` where there is none (`javascript:`) or the address is invalid.
fn where_a_browser_goes(base: &str, location: &str) -> Option<String> {
    let trimmed = location.trim_matches(|c: char| c <= ' ');
    let text: String = trimmed
        .chars()
        .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
        .map(|c| if c == '\\' { '/' } else { c })
        .collect();
    let (base_scheme, base_host) = base.split_once("://")?;
    let scheme = text.split_once(':').filter(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    let scheme = scheme.map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
    let (scheme, rest) = match scheme {
        None => (base_scheme.to_owned(), text.as_str()),
        Some((scheme, rest)) if scheme == base_scheme && !rest.starts_with("//") => (scheme, rest),
        Some((scheme, rest)) if ["http", "https", "ws", "wss", "ftp"].contains(&&*scheme) => {
            let authority = rest.trim_start_matches('/');
            return Some(origin(&scheme, authority));
        }
        Some(_) => return None,
    };
    match rest.strip_prefix("//") {
        Some(authority) => Some(origin(&scheme, authority.trim_start_matches('/'))),
        None => Some(format!("{scheme}://{base_host}")),
    }
}

fn origin(scheme: &str, rest: &str) -> String {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = percent_encoding::percent_decode_str(host).decode_utf8_lossy();
    let default = if scheme == "https" { ":443" } else { ":80" };
    let host = host.to_lowercase();
    let host = host.strip_suffix(default).unwrap_or(&host);
    format!("{scheme}://{}", host.trim_end_matches('.'))
}

#[test]
fn good_targets_come_back_byte_for_byte() {
    let long = format!("/{}", "a".repeat(MAX_LENGTH - 1));
    for path in [
        "/",
        "/a%2520b",
        "/x?u=a%26b%3Dc",
        "/caf%C3%A9",
        "/lab/tree/My%20Notebook.ipynb#section-2",
        "/a//b",
        "/a;b=c/d+e",
        "/x?next=//evil.example&y=https://evil.example/..",
        "/x?re=a\\b",
        "/x?a=100%",
        "/x?",
        "/#",
        "/?#/../../x",
        "/a@b:c",
        "/~ana/a%2Fb",
        "/a%23b",
        &long,
    ] {
        assert_eq!(parse(path), Return::Here(path.to_owned()), "{path}");
        assert_eq!(parse(path).location(&sites(&[MAIN])), path);
        let absolute = format!("{MAIN}{path}");
        if absolute.len() <= MAX_LENGTH {
            assert_eq!(parse(&absolute), Return::Here(path.to_owned()));
            let at_tool = format!("{TOOL}{path}");
            let tool = "jupyter.example.org".parse().unwrap();
            assert_eq!(parse(&at_tool), Return::Host(tool, path.to_owned()));
            assert_eq!(parse(&at_tool).location(&sites(&[MAIN])), at_tool);
        }
    }
}

#[test]
fn a_host_may_be_spelled_in_its_usual_ways() {
    for text in [
        "https://JUPYTER.example.org/x",
        "https://jupyter.example.org:443/x",
        "https://jupyter.example.org./x",
    ] {
        let host = "jupyter.example.org".parse().unwrap();
        assert_eq!(parse(text), Return::Host(host, "/x".to_owned()), "{text}");
    }
    let bare = parse_at("http://localhost:8000", "http://localhost:8000");
    assert_eq!(bare, Return::home());
    let deep = parse_at("http://localhost:8000/a", "http://localhost:8000");
    assert_eq!(deep, Return::Here("/a".to_owned()));
}

#[test]
fn another_port_or_scheme_is_another_origin() {
    let site = "http://localhost:8000";
    for text in [
        "http://localhost/a",
        "http://localhost:8001/a",
        "https://localhost:8000/a",
        "http://127.0.0.1:8000/a",
    ] {
        assert_eq!(parse_at(text, site), Return::home(), "{text}");
    }
}

#[test]
fn a_site_leads_to_another_of_ours_but_never_from_https_to_plain_http() {
    let main = MAIN.parse().unwrap();
    let alias: PublicUrl = "http://192.168.1.20:8000".parse().unwrap();
    let both = Sites::new(main, vec![alias.clone()]);
    let on_alias = |text: &str| {
        let knows = |host: &Host| host.as_str() == "jupyter.example.org" || both.is_main_host(host);
        Return::parse(text, &alias, &both, knows)
    };
    for (text, location) in [
        ("/x", "/x"),
        ("http://192.168.1.20:8000/x", "/x"),
        ("https://lab.example.org/x", "https://lab.example.org/x"),
        (
            "https://jupyter.example.org/x",
            "https://jupyter.example.org/x",
        ),
        // The schemes and ports of the two are not mixed.
        ("http://lab.example.org/x", "/"),
        ("http://lab.example.org:8000/x", "/"),
        ("http://jupyter.example.org:8000/x", "/"),
        ("https://192.168.1.20:8000/x", "/"),
        ("https://192.168.1.20/x", "/"),
        ("http://192.168.1.20/x", "/"),
        ("http://evil.example:8000/x", "/"),
    ] {
        assert_eq!(on_alias(text).location(&both), location, "{text}");
    }
    assert_eq!(
        parse_among("http://192.168.1.20:8000/x", &both),
        Return::home()
    );
    let plain = sites(&["http://lab.example.org", "http://192.168.1.20:8000"]);
    let host = "192.168.1.20".parse().unwrap();
    assert_eq!(
        parse_among("http://192.168.1.20:8000/x", &plain),
        Return::Host(host, "/x".to_owned())
    );
}

#[test]
fn every_hostile_target_ends_at_the_front_door() {
    let mut count = 0;
    for text in hostile() {
        assert_eq!(parse(&text), Return::home(), "{text:?}");
        count += 1;
    }
    assert!(count >= 300, "{count}");
    assert_eq!(
        parse(&format!("/{}", "a".repeat(MAX_LENGTH))),
        Return::home()
    );
}

#[test]
fn the_tests_own_browser_is_taken_in_by_what_it_should_be() {
    for evil in [
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "\\\\evil.example",
        " //evil.example",
        "https:\\\\evil.example/",
        "HTTPS://a@evil.example:443",
        "https:///evil.example",
    ] {
        let went = where_a_browser_goes(MAIN, evil);
        assert_eq!(went.as_deref(), Some("https://evil.example"), "{evil}");
    }
    let went = where_a_browser_goes(MAIN, "https:evil.example");
    assert_eq!(went.as_deref(), Some(MAIN));
    assert_eq!(where_a_browser_goes(MAIN, "javascript:alert(1)"), None);
}

proptest! {
    /// Whatever is asked for, a browser that follows the answer stays with us.
    #[test]
    fn a_browser_stays_on_our_origins(
        text in "(/|\\\\|:|@|\\?|#|\\.|%2f|%5c|%09|%2e|https:|http:|javascript:|evil\\.example|lab\\.example\\.org|jupyter\\.example\\.org|[\t\r\n \u{b}\u{0}]|a){0,9}",
        prefix in prop::sample::select(vec!["", "/", "//", MAIN, TOOL, "https://", "/x"]),
    ) {
        let text = format!("{prefix}{text}");
        let found = parse(&text);
        let location = found.location(&sites(&[MAIN]));
        let went = where_a_browser_goes(MAIN, &location);
        let expected = match &found {
            Return::Here(path) => {
                prop_assert!(path == "/" || text.ends_with(path.as_str()));
                MAIN
            }
            Return::Host(..) => TOOL,
        };
        prop_assert_eq!(went.as_deref(), Some(expected), "{} -> {}", text, location);
    }

    #[test]
    fn any_text_is_survived(text in "\\PC{0,60}") {
        let location = parse(&text).location(&sites(&[MAIN]));
        prop_assert!(where_a_browser_goes(MAIN, &location).is_some());
    }
}
