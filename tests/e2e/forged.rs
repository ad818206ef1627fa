//! What only a proxy may say, in every spelling and by every way in (T01 to T10).

use crate::support::{
    Answer, Browser, Lab, Origin, Request, frames,
    lab::{MAIN, OPEN, PASSWORD, TOOL, TOOL_HOST},
    raw::Response,
};

/// Every name of the list, families by one or two of their members.
const NAMES: [&str; 46] = [
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-User",
    "X-Forwarded-Whatever",
    "Forwarded",
    "X-Original-URL",
    "X-Original-Forwarded-For",
    "X-Rewrite-URL",
    "X-Host",
    "X-HTTP-Method-Override",
    "X-Real-IP",
    "True-Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "CF-Connecting-IP",
    "Cf-Access-Jwt-Assertion",
    "X-Remote-User",
    "X-Remote-Group",
    "Remote-User",
    "Remote-Groups",
    "X-Auth-Request-User",
    "X-Auth-Username",
    "X-Authenticated-User",
    "X-Authentik-Username",
    "X-WEBAUTH-USER",
    "X-WEBAUTH-ROLE",
    "X-User-Id",
    "SSO-Profile-Username",
    "SSO-Profile-Email",
    "X-RStudio-Username",
    "X-RStudio-Root-Path",
    "X-RStudio-Request",
    "X-Shiny-Username",
    "X-Goog-Authenticated-User-Email",
    "X-MS-Client-Principal",
    "X-MS-Client-Principal-Name",
    "Tailscale-User-Login",
    "X-Script-Name",
    "X-Scheme",
    "X-Labgate-User",
    "Proxy",
];

/// One name as clients may spell it.
fn spellings(name: &str) -> [String; 6] {
    let mixed = name.replacen('-', "_", 1);
    [
        name.to_owned(),
        name.to_ascii_uppercase(),
        name.to_ascii_lowercase(),
        name.replace('-', "_"),
        name.replace('-', "."),
        mixed,
    ]
}

/// All spellings of all names, as many to a request as a head may have.
fn heads() -> Vec<String> {
    let all: Vec<String> = NAMES.iter().flat_map(|name| spellings(name)).collect();
    let lines = |names: &[String]| {
        let line = |name: &String| format!("{name}: mallory\r\n");
        names.iter().map(line).collect::<String>()
    };
    all.chunks(60).map(lines).collect()
}

/// What the tool saw last holds nothing of mallory's, and what we know of ana.
fn only_ana(origin: &Origin) {
    let seen = origin.last();
    assert!(!seen.raw.contains("mallory"), "{}", seen.raw);
    let trailers = format!("{:?}", seen.trailers);
    assert!(!trailers.contains("mallory"), "{trailers}");
    for (name, value) in [
        ("x-forwarded-user", "ana"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", TOOL_HOST),
        ("x-tool-said", "hello"),
    ] {
        assert_eq!(seen.headers.all(name), [value]);
    }
}

#[tokio::test]
async fn no_spelling_of_any_listed_name_reaches_a_tool_by_any_way() {
    // T01, T03, T04, T23
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let cookie = lab.at_tool("ana").await.session_cookie(TOOL_HOST);
    let own = format!("host: tool.lab.test\r\ncookie: {cookie}\r\nx-tool-said: hello\r\n");
    let upgrade = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\norigin: http://tool.lab.test\r\n";
    let chunked = "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n";
    for lies in heads() {
        let before = origin.seen().len();
        let plain = format!("GET / HTTP/1.1\r\n{own}{lies}\r\n");
        assert_eq!(lab.raw(plain).await.status, 200);
        only_ana(&origin);

        let handshake = format!("GET / HTTP/1.1\r\n{own}{lies}{upgrade}\r\n");
        assert_eq!(lab.raw(handshake).await.status, 101);
        only_ana(&origin);

        let trailing = format!("POST / HTTP/1.1\r\n{own}{chunked}{lies}x-checksum: 1\r\n\r\n");
        assert_eq!(lab.raw(trailing).await.status, 200);
        only_ana(&origin);
        assert_eq!(origin.last().body, b"hello");
        assert_eq!(origin.seen().len(), before + 3);
    }
}

#[tokio::test]
async fn no_listed_name_reaches_a_tool_over_http2_before_or_behind_a_body() {
    // T03, T04
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let cookie = lab.at_tool("ana").await.session_cookie(TOOL_HOST);
    let all: Vec<String> = NAMES.iter().flat_map(|name| spellings(name)).collect();
    // HTTP/2 knows lowercase names only.
    let all: Vec<String> = all.iter().map(|name| name.to_ascii_lowercase()).collect();
    let mut connection = lab.connect().await;
    connection.send(frames::begin(&[])).await;
    for (number, names) in all.chunks(40).enumerate() {
        let reached = origin.seen().len();
        let stream = 1 + 2 * u32::try_from(number).unwrap();
        let lies: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), "mallory"))
            .collect();
        let mut head = vec![
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", TOOL_HOST),
            (":path", "/"),
            ("cookie", cookie.as_str()),
            ("x-tool-said", "hello"),
            ("trailer", "x-checksum"),
        ];
        head.extend(&lies);
        connection.send(frames::head(stream, &head, false)).await;
        connection.send(frames::data(stream, b"hello")).await;
        let mut trailers = lies.clone();
        trailers.push(("x-checksum", "abc"));
        connection.send(frames::head(stream, &trailers, true)).await;
        let whole = |seen: &[crate::support::Seen]| seen.len() > reached && seen[reached].whole;
        origin.until("the request and its end", whole).await;
        only_ana(&origin);
        let seen = origin.last();
        assert_eq!(seen.body, b"hello");
        assert_eq!(seen.trailers.all("x-checksum"), ["abc"]);
    }
}

#[tokio::test]
async fn no_listed_name_can_be_made_to_vanish_by_connection() {
    // T05: named in `Connection`, ours arrive; a name of the client's own does not.
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    for named in [
        "close, X-Forwarded-User, X-Forwarded-Proto",
        "X-Forwarded-For,x-forwarded-host",
        "X_Forwarded_User, cookie, host, x-request-id",
        "keep-alive, content-length, transfer-encoding",
    ] {
        let request = Request::new("POST", TOOL)
            .header("connection", named)
            .header("x-forwarded-user", "mallory")
            .header("x-tool-said", "hello")
            .body("12345");
        assert_eq!(ana.send(request).await.status, 200, "{named}");
        only_ana(&origin);
        assert_eq!(origin.last().body, b"12345", "{named}");
        assert!(origin.last().headers.has("x-request-id"), "{named}");
    }
}

#[tokio::test]
async fn two_copies_or_a_list_of_an_identity_are_neither_chosen_from_nor_joined() {
    // T09
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let forged: [&[&str]; 4] = [
        &["ana", "mallory"],
        &["mallory", "ana"],
        &["ana,mallory"],
        &["mallory, ana"],
    ];
    for values in forged {
        let said = Request::new("GET", TOOL).header("x-tool-said", "hello");
        let request = values
            .iter()
            .fold(said, |r, value| r.header("X-Forwarded-User", value));
        assert_eq!(ana.send(request).await.status, 200, "{values:?}");
        only_ana(&origin);
    }
}

const TRUST: &str = "[trust]\nproxies = [\"127.0.0.1/32\", \"10.0.0.0/8\"]";

async fn forwarded_for(lab: &Lab, origin: &Origin, fields: &[(&str, &str)]) -> String {
    let request = fields
        .iter()
        .fold(Request::new("GET", OPEN), |r, (n, v)| r.header(n, v));
    assert_eq!(lab.browser().send(request).await.status, 200, "{fields:?}");
    let seen = origin.last();
    seen.headers.get("x-forwarded-for").unwrap().to_owned()
}

#[tokio::test]
async fn the_right_most_address_that_is_not_trusted_is_the_client() {
    // T08
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).config(TRUST).start();
    for (chain, client) in [
        ("1.2.3.4, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("1.2.3.4,203.0.113.9", "203.0.113.9"),
        ("10.9.9.9, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:4711, 10.1.2.3", "203.0.113.9"),
        ("1.2.3.4, 2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("10.1.2.3", "10.1.2.3"),
    ] {
        let found = forwarded_for(&lab, &origin, &[("x-forwarded-for", chain)]).await;
        assert_eq!(found, client, "{chain}");
    }
    let two_lines = [
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-for", "203.0.113.9"),
    ];
    assert_eq!(
        forwarded_for(&lab, &origin, &two_lines).await,
        "203.0.113.9"
    );
}

#[tokio::test]
async fn garbage_in_place_of_an_address_is_never_an_error() {
    // T90
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).config(TRUST).start();
    let long = "1.2.3.4,".repeat(2000);
    for garbage in [
        "",
        ",",
        ",,,",
        "unknown",
        "_hidden",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "0x7f.1",
        "127.1",
        "::ffff:",
        "[::1",
        "<script>",
        "\u{e9}",
        "for=1.2.3.4",
        &long,
    ] {
        let found = forwarded_for(&lab, &origin, &[("x-forwarded-for", garbage)]).await;
        let is_address = found.parse::<std::net::IpAddr>().is_ok();
        assert!(is_address, "{garbage:?} became {found:?}");
    }
}

#[tokio::test]
async fn a_chain_of_schemes_is_one_word_to_the_tool() {
    // T10
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).config(TRUST).start();
    for (said, told) in [
        ("https,http", "https"),
        ("https, http", "https"),
        ("http,https", "http"),
        ("HTTPS", "https"),
        ("wss", "http"),
        ("", "http"),
    ] {
        forwarded_for(&lab, &origin, &[("x-forwarded-proto", said)]).await;
        assert_eq!(
            origin.last().headers.all("x-forwarded-proto"),
            [told],
            "{said}"
        );
    }
}

#[tokio::test]
async fn behind_a_proxy_without_a_list_means_that_nobody_is_believed() {
    // T07
    let origin = Origin::ok().await;
    let said = [
        ("cf-connecting-ip", "203.0.113.9"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
    ];
    let header = "client_ip_header = \"CF-Connecting-IP\"";
    for trust in [
        format!("[trust]\n{header}"),
        format!("[trust]\nproxies = []\n{header}"),
    ] {
        let lab = Lab::builder().open(&origin).config(&trust).start();
        let found = forwarded_for(&lab, &origin, &said).await;
        assert_eq!(found, "127.0.0.1", "{trust}");
        assert_eq!(origin.last().headers.all("x-forwarded-proto"), ["http"]);
    }
    let named = format!("[trust]\nproxies = [\"127.0.0.1/32\"]\n{header}");
    let lab = Lab::builder().open(&origin).config(&named).start();
    let found = forwarded_for(&lab, &origin, &said).await;
    assert_eq!(found, "203.0.113.9", "the counterpart");
}

/// A tool for one network alone.
const NETWORK: &str =
    "host = \"open.lab.test\"\naccess = { networks = [\"203.0.113.0/24\"], methods = [\"GET\"] }";

#[tokio::test]
async fn a_stranger_does_not_speak_its_way_into_a_network() {
    // T06, policy
    let origin = Origin::ok().await;
    let ask = |lab: &Lab| {
        let request = [
            "x-forwarded-for",
            "x-real-ip",
            "cf-connecting-ip",
            "true-client-ip",
            "x-client-ip",
            "x-cluster-client-ip",
        ]
        .iter()
        .fold(Request::new("GET", OPEN), |r, name| {
            r.header(name, "203.0.113.9")
        });
        let request = request.header("forwarded", "for=203.0.113.9");
        let browser = lab.browser();
        async move { browser.send(request).await.status }
    };
    let lab = Lab::builder().route("open", &origin, NETWORK).start();
    assert!(matches!(ask(&lab).await, 401 | 403));
    assert!(origin.seen().is_empty());

    let lab = Lab::builder().route("open", &origin, NETWORK);
    let lab = lab.config(TRUST).start();
    assert_eq!(ask(&lab).await, 200, "the proxy is believed");
}

async fn guess(browser: &Browser, from: &str) -> Response {
    let url = format!("{MAIN}/.labgate/sign-in");
    let page = browser.navigate(&url).await;
    let mut form = crate::support::browser::hidden_fields(&page.text());
    form.push(("username".into(), "ana".into()));
    form.push(("password".into(), "wrong".into()));
    let form: Vec<_> = form.iter().map(|(n, v)| format!("{n}={v}")).collect();
    let request = Request::new("POST", &url)
        .navigation()
        .header("origin", MAIN)
        .header("x-forwarded-for", from)
        .header("cf-connecting-ip", from)
        .header("content-type", "application/x-www-form-urlencoded");
    browser.send(request.body(form.join("&"))).await
}

#[tokio::test]
async fn a_stranger_does_not_speak_its_way_past_the_throttle_or_into_the_log() {
    // T06, throttling and logs
    let lab = Lab::builder().start();
    let mut statuses = Vec::new();
    for number in 1..=11 {
        let answer = guess(&lab.browser(), &format!("203.0.113.{number}")).await;
        statuses.push(answer.status);
    }
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[10], 429);
    let log = lab.stop();
    assert!(!log.contains("203.0.113."), "{log}");
    assert!(log.contains("\"client\":\"127.0.0.1\""), "{log}");
}

#[tokio::test]
async fn whom_a_trusted_proxy_names_is_throttled_and_logged_alone() {
    // T06, T73, the counterpart: the real user gets in from elsewhere.
    let lab = Lab::builder().config(TRUST).start();
    for _ in 0..10 {
        assert_eq!(guess(&lab.browser(), "203.0.113.1").await.status, 401);
    }
    let later = guess(&lab.browser(), "203.0.113.1").await;
    assert_eq!(later.status, 429);
    let wait: u64 = later.headers.get("retry-after").unwrap().parse().unwrap();
    assert!((1..=300).contains(&wait), "{wait}");
    assert_eq!(guess(&lab.browser(), "203.0.113.2").await.status, 401);
    let url = format!("{MAIN}/.labgate/sign-in");
    let real = lab.browser().submit_sign_in(&url, "ana", PASSWORD).await;
    assert_eq!(real.status, 303, "{}", real.text());
    let log = lab.stop();
    assert!(log.contains("203.0.113.1"), "{log}");
}

#[tokio::test]
async fn a_tool_that_repeats_what_it_was_told_repeats_no_lie() {
    // T06: what ends up in links of the tool is what we say of ourselves.
    let origin = Origin::answering(|seen| {
        let host = seen.headers.get("x-forwarded-host").unwrap_or_default();
        let scheme = seen.headers.get("x-forwarded-proto").unwrap_or_default();
        let prefix = seen.headers.get("x-forwarded-prefix").unwrap_or_default();
        let location = format!("location: {scheme}://{host}{prefix}/next\r\n");
        Answer::status("302 Found", &location, "")
    })
    .await;
    let lab = Lab::builder().open(&origin).start();
    let request = Request::new("GET", OPEN)
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-prefix", "/evil");
    let answer = lab.browser().send(request).await;
    assert_eq!(answer.location(), format!("{OPEN}/next"));
}
