use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn route(host: &str, path: &str) -> config::Route {
    config::Route {
        name: format!("{host}{path}"),
        title: String::new(),
        host: match host.strip_prefix("*.") {
            _ if host.is_empty() => None,
            Some(suffix) => Some(HostPattern::Suffix(suffix.parse().unwrap())),
            None => Some(HostPattern::Exact(host.parse().unwrap())),
        },
        path: path.to_owned(),
        upstreams: vec![config::Upstream::Http {
            host: "127.0.0.1".to_owned(),
            port: 8888,
        }],
        upstream_ca: None,
        app: config::App::Generic,
        token: None,
        access: config::Access::SignedIn,
        strip_prefix: false,
        require_listener: None,
        max_body: None,
        identity_headers: config::IdentityHeaders::Standard,
        headers: config::HeaderRules::default(),
        connect_timeout: Duration::from_secs(5),
        response_timeout: None,
        stall_timeout: None,
    }
}

fn table(routes: &[config::Route]) -> RouteTable {
    let main = "https://lab.example.org".parse().unwrap();
    let alias = "http://192.168.1.20:8000".parse().unwrap();
    RouteTable::new(routes, &Sites::new(main, vec![alias]))
}

fn find(table: &RouteTable, host: &str, path: &str) -> Result<Found, NotFound> {
    table.find(&host.parse().unwrap(), &RoutePath::parse(path)?)
}

#[expect(clippy::unnecessary_wraps, reason = "what the tests compare with")]
const fn found(index: usize) -> Result<Found, NotFound> {
    Ok(Found::Route(RouteId::new(index)))
}

#[expect(clippy::unnecessary_wraps, reason = "what the tests compare with")]
const fn add_slash(index: usize) -> Result<Found, NotFound> {
    Ok(Found::AddSlash(RouteId::new(index)))
}

#[test]
fn a_route_without_a_host_is_on_every_main_host_and_no_other() {
    let table = table(&[
        route("", "/"),
        route("192.168.1.20", "/beside"),
        route("*.example.org", "/"),
    ]);
    for (host, path, expected) in [
        (LAB, "/x", found(0)),
        ("192.168.1.20", "/x", found(0)),
        ("192.168.1.20", "/beside", found(1)),
        (LAB, "/beside", found(0)),
        ("jupyter.example.org", "/x", found(2)),
        ("192.168.1.21", "/x", Err(NotFound::UnknownHost)),
    ] {
        assert_eq!(find(&table, host, path), expected, "{host}{path}");
    }
}

const LAB: &str = "lab.example.org";
const AMBIGUOUS: Result<Found, NotFound> = Err(NotFound::BadPath(BadPath::Ambiguous));

#[test]
fn the_longest_prefix_on_a_segment_border_wins() {
    let table = table(&[
        route(LAB, "/"),
        route(LAB, "/rstudio"),
        route(LAB, "/user/ann/"),
        route(LAB, "/user/ann/deep"),
    ]);
    for (path, index) in [
        ("/", 0),
        ("/rstudio", 1),
        ("/rstudio/", 1),
        ("/rstudio/x/y/z", 1),
        ("/rstudio2", 0),
        ("/rstudi", 0),
        ("/user/anna", 0),
        ("/user", 0),
        ("/user/ann/", 2),
        ("/user/ann/x", 2),
        ("/user/ann/deeper", 2),
        ("/user/ann/deep", 3),
        ("/user/ann/deep/er", 3),
    ] {
        assert_eq!(find(&table, LAB, path), found(index), "{path}");
    }
    assert_eq!(find(&table, LAB, "/user/ann"), add_slash(2));
}

#[test]
fn a_stripped_prefix_without_its_slash_is_redirected_with_the_query() {
    let mut stripped = route(LAB, "/rstudio");
    stripped.strip_prefix = true;
    let table = table(&[stripped]);
    assert_eq!(find(&table, LAB, "/rstudio"), add_slash(0));
    assert_eq!(find(&table, LAB, "/rstudio/"), found(0));
    let path = RoutePath::parse("/rstudio").unwrap();
    assert_eq!(path.with_slash(Some("a=b%20")), "/rstudio/?a=b%20");
    assert_eq!(path.with_slash(None), "/rstudio/");
}

#[test]
fn a_known_host_without_a_route_differs_from_an_unknown_host() {
    let table = table(&[route("jupyter.example.org", "/lab")]);
    let host = "jupyter.example.org";
    assert_eq!(find(&table, host, "/"), Err(NotFound::NoRoute));
    assert_eq!(find(&table, LAB, "/"), Err(NotFound::NoRoute), "main host");
    assert_eq!(
        find(&table, "127.0.0.1", "/lab"),
        Err(NotFound::UnknownHost)
    );
    assert!(table.knows(&LAB.parse().unwrap()));
    assert!(!table.knows(&"example.org".parse().unwrap()));
}

#[test]
fn an_exact_host_wins_over_a_suffix_and_a_longer_suffix_over_a_shorter() {
    let table = table(&[
        route("*.example.org", "/"),
        route("*.tools.example.org", "/"),
        route("jupyter.example.org", "/"),
    ]);
    for (host, expected) in [
        ("jupyter.example.org", found(2)),
        ("JUPYTER.Example.org.", found(2)),
        ("rstudio.example.org", found(0)),
        ("a.b.example.org", found(0)),
        ("ana.tools.example.org", found(1)),
        ("tools.example.org", found(0)),
        (LAB, Err(NotFound::NoRoute)),
        ("example.org", Err(NotFound::UnknownHost)),
        ("evilexample.org", Err(NotFound::UnknownHost)),
    ] {
        assert_eq!(find(&table, host, "/x"), expected, "{host}");
    }
}

#[test]
fn what_would_be_another_route_after_decoding_is_refused() {
    let table = table(&[
        route(LAB, "/"),
        route(LAB, "/admin"),
        route(LAB, "/user/ann/"),
    ]);
    for path in [
        "//admin",
        "/%61dmin",
        "/admin;x/secret",
        "/user%2Fann",
        "/user%2Fann/x",
        "/user//ann/x",
        "/user/ann%2F",
    ] {
        assert_eq!(find(&table, LAB, path), AMBIGUOUS, "{path}");
    }
    for (path, index) in [
        ("/admin//x", 1),
        ("/admin/%2Fx;y", 1),
        ("/user/ann/a%2Fb%20c", 2),
        ("/x//y", 0),
        ("/x%2Fadmin", 0),
    ] {
        assert_eq!(find(&table, LAB, path), found(index), "{path}");
    }
}

#[test]
fn a_query_takes_no_part() {
    let uri: http::Uri = "/api/private?x=/status/../rstudio".parse().unwrap();
    let table = table(&[route(LAB, "/"), route(LAB, "/status")]);
    assert_eq!(find(&table, LAB, uri.path()), found(0));
}

fn spelled(path: &str, how: &[u8]) -> String {
    let mut how = how.iter().cycle();
    path.chars()
        .map(|c| match (how.next(), c) {
            (Some(1), c) => format!("%{:02x}", c as u32),
            (Some(2), '/') => "//".to_owned(),
            (Some(3), '/') => ";x/".to_owned(),
            _ => c.to_string(),
        })
        .collect()
}

proptest! {
    /// A spelling of a path is never routed elsewhere than the plain path: it goes the same way or
    /// nowhere.
    #[test]
    fn no_spelling_reaches_another_route(
        path in "(/(admin|user|ann|x)){1,4}/?",
        how in prop::collection::vec(0u8..4, 1..12),
    ) {
        let table = table(&[
            route(LAB, "/"),
            route(LAB, "/admin"),
            route(LAB, "/user/ann/"),
            route(LAB, "/x/admin/ann"),
        ]);
        let spelled = format!("/{}", spelled(path.strip_prefix('/').unwrap_or(&path), &how));
        let other = find(&table, LAB, &spelled);
        prop_assert!(
            matches!(other, Err(NotFound::BadPath(_))) || other == find(&table, LAB, &path),
            "{} {:?}", spelled, other
        );
    }

    /// Stripping leaves a path that starts with a slash and has no dot segment (T15).
    #[test]
    fn what_remains_after_stripping_is_a_good_path(raw in "/x(/|%2F|a|\\.|%2e|;){0,8}") {
        let mut stripped = route(LAB, "/x");
        stripped.strip_prefix = true;
        let prefix = prefix(&stripped).to_owned();
        let table = table(&[route(LAB, "/"), stripped]);
        if find(&table, LAB, &raw) == found(1) {
            let rest = raw.strip_prefix(&prefix).unwrap_or_default();
            prop_assert!(rest.starts_with('/'), "{}", raw);
            prop_assert!(RoutePath::parse(rest).is_ok(), "{}", raw);
        }
    }
}
