//! What holds for every text.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

const SECRET: &str = "a secret of ours";

proptest! {
    #[test]
    fn no_text_is_a_panic(content in "(?s).{0,200}") {
        prop_assert!(parse_str(&content).is_ok() || !parse_str(&content).unwrap_err().0.is_empty());
    }

    #[test]
    fn no_near_miss_is_a_panic(lines in prop::collection::vec(line(), 0..12)) {
        let content = lines.join("\n");
        if let Err(problems) = parse_str(&content) {
            prop_assert!(!problems.0.is_empty());
            prop_assert!(!problems.to_string().contains(SECRET));
        }
    }

    #[test]
    fn what_is_shown_loads_to_the_same(content in configuration()) {
        let place = Place::new().file("labgate.toml", &content);
        let (loaded, effective) = load_effective(&place.sources).unwrap();
        for shown in [format!("{effective}"), format!("{effective:#}")] {
            prop_assert!(!shown.contains(SECRET), "{shown}");
            let again = parse_str(&shown.replace("***", SECRET));
            prop_assert_eq!(&again.unwrap(), &loaded.config, "{}", shown);
        }
    }
}

/// The parser and `Drop` of nested values use the stack.
#[test]
fn no_depth_is_an_overflow() {
    let deep =
        |before: &str, after: &str| format!("{}1{}", before.repeat(50_000), after.repeat(50_000));
    let dots = vec!["a"; 50_000].join(".");
    for content in [
        format!("a = {}", deep("[", "]")),
        format!("a = {}", deep("{ a = ", "}")),
        format!("{dots} = 1"),
        format!("[{dots}]"),
        format!("[[{dots}]]"),
        format!("a = {{ {dots} = 1 }}"),
    ] {
        assert!(parse_str(&content).is_err());
    }
    let name = format!("LABGATE_{}", dots.replace('.', "__"));
    assert!(Place::new().variable(&name, "1").load().is_err());
}

/// A line that is nearly right.
fn line() -> impl Strategy<Value = String> {
    let one_of = |lines: &'static str| {
        let lines: Vec<&str> = lines.lines().map(str::trim).collect();
        prop::sample::select(lines)
    };
    let header = one_of(
        "[server]\n[[listener]]\n[[route]]\n[route.access]\n[route]\n[limits]\n[trust]\n[session]\n\
         [identity.local]\n[[identity.local.user]]\n[ui]",
    );
    let key = one_of(
        "name\naddress\naliases\ntls\ntls.key\npath\nhost\nupstream\nupstream_ca\naccess\ntoken\napp\npublic_url\nidle\n\
         max_headers\nmax_body\nuser\nusers\nproxies\npassword\naccess.users",
    );
    let value = one_of(
        r#"1
        -1
        1.0
        true
        1979-05-27
        ""
        "*"
        "a"
        "/"
        "none"
        "15m"
        "http://a:1"
        "https://a"
        ["http://a:1", "https://a"]
        "[::1]:1"
        "*.a"
        []
        [[]]
        [{}]
        {}
        ["a"]
        { users = ["a"] }
        { env = "A" }
        { file = "/a" }"#,
    );
    prop_oneof![
        2 => header.prop_map(str::to_owned),
        5 => (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => one_of("password\ntoken").prop_map(|key| format!("{key} = \"{SECRET}\"")),
    ]
}

/// A valid configuration.
fn configuration() -> impl Strategy<Value = String> {
    let top = (
        prop::option::of(1..100_u64),
        "[ -~&&[^*\\\\\"]]{1,20}",
        prop::sample::select(vec!["http://localhost:9000", "https://Lab.example.org:443"]),
        any::<bool>(),
    );
    (top, prop::collection::vec(route_table(), 0..4), 0..3_usize).prop_map(
        |((hours, title, url, limits), routes, users)| {
            let mut text = format!("[server]\npublic_url = \"{url}\"\nworkers = 3\n");
            if users > 0 {
                text += "aliases = [\"http://192.168.1.20:8000\", \"https://nas:443/\"]\n";
            }
            writeln!(
                text,
                "[ui]\ntitle = \"{title}\"\nnotice = \"\\u0022{title}\\\\\""
            )
            .unwrap();
            if let Some(hours) = hours {
                writeln!(text, "[session]\nlifetime = \"{hours}h1ms\"").unwrap();
            }
            if limits {
                text += "[limits]\nstall_timeout = \"90s\"\nmax_header_bytes = \"10KB\"\n";
                text += "max_streams_per_user = 7\n[trust]\nproxies = [\"10.1.2.3/8\", \"::1\"]\n";
                text += "client_ip_header = \"CF-Connecting-IP\"\n";
                text += "[[listener]]\nname = \"a\"\naddress = \"[::1]:0\"\n";
                text += "tls = { certificate = \"a\\tb\", key = \"/b\" }\n";
            }
            for (index, route) in routes.iter().enumerate() {
                write!(
                    text,
                    "[[route]]\nname = \"r{index}\"\npath = \"/{index}/\"\n{route}"
                )
                .unwrap();
            }
            for index in 0..users {
                writeln!(text, "[[identity.local.user]]\nname = \"u{index}\"").unwrap();
                writeln!(text, "password = \"{SECRET}\"\nemail = \"U@x.org\"").unwrap();
            }
            text
        },
    )
}

fn route_table() -> impl Strategy<Value = String> {
    let access = prop::sample::select(vec![
        "\"public\"",
        "\"signed-in\"",
        "{ users = [\"ana\"], methods = [\"GET\", \"PROPFIND\"] }",
        "[{ groups = [\"a \\\"b\\\" \u{e4}\"] }, { emails = [\"*@X.org\"], networks = [\"::1\"] }]",
    ]);
    let upstream = prop::sample::select(vec![
        "\"http://lab\"",
        "\"http://[::1]:8888/\"",
        "\"https://[fd00::1]\"\nupstream_ca = \"ca.pem\"",
        "\"unix:/run/lab socket\"",
        "[\"http://10.0.0.1:1\", \"unix:/run/lab\", \"http://lab:2\"]",
        "[\"https://a\", \"https://b:8443\"]",
    ]);
    let more = prop::sample::select(vec![
        "",
        "app = \"jupyter\"\ntoken = \"a secret of ours\"\n",
        "host = \"*.example.org\"\nstrip_prefix = true\nidentity_headers = \"none\"\n",
        "request_headers = { \"X.a\" = \"a secret of ours\", X-B = \"a secret of ours\" }\n\
         allow_headers = [\"x_c\"]\nembed = [\"https://A.b\"]\nupstream_host = \"upstream\"\n",
        "max_body = \"1MiB\"\nconnect_timeout = \"1m30s\"\nresponse_timeout = \"2m\"\n",
    ]);
    (access, upstream, more).prop_map(|(access, upstream, more)| {
        format!("access = {access}\nupstream = {upstream}\n{more}")
    })
}
