//! What a route says about header fields (T01, T03, T05, T34, T50, T95, T97; DESIGN §4.2, §4.3).

use crate::support::{
    Answer, Browser, Lab, Origin, Request,
    lab::{OPEN, TOOL},
};

/// The tool at [`TOOL`] for whoever is signed in, with these further keys.
fn tool(origin: &Origin, keys: &str) -> Lab {
    let keys = format!("host = \"tool.lab.test\"\naccess = \"signed-in\"\n{keys}");
    Lab::builder()
        .env("TOOL_KEY", "key-of-ours")
        .route("tool", origin, &keys)
        .start()
}

/// The tool at [`OPEN`] for everybody, with these further keys.
fn open(origin: &Origin, keys: &str) -> Lab {
    let keys = format!("host = \"open.lab.test\"\naccess = \"public\"\n{keys}");
    Lab::builder()
        .env("TOOL_KEY", "key-of-ours")
        .route("open", origin, &keys)
        .start()
}

/// A request with these fields.
fn with(method: &str, url: &str, fields: &[(&str, &str)]) -> Request {
    let request = Request::new(method, url);
    fields.iter().fold(request, |request, (name, value)| {
        request.header(name, value)
    })
}

const KEY: &str =
    "request_headers = { X-Api-Key = { env = \"TOOL_KEY\" }, X-Script-Name = \"/lab\" }";

#[tokio::test]
async fn the_tool_gets_the_routes_fields_and_none_that_look_like_them() {
    // T01, T03, T05
    let origin = Origin::ok().await;
    let lab = tool(&origin, KEY);
    let ana = lab.at_tool("ana").await;
    let forged = [
        ("X-Api-Key", "theirs"),
        ("x-api-key", "theirs"),
        ("X_Api_Key", "theirs"),
        ("X-Script-Name", "theirs"),
        ("X-Tool-Said", "hello"),
    ];

    let named = with("GET", TOOL, &forged).header("connection", "close, x-api-key");
    assert_eq!(ana.send(named).await.status, 200);
    let plain = origin.last();
    let handshake = with("GET", TOOL, &forged).handshake(Some(TOOL));
    assert!(ana.upgrade(handshake).await.is_ok());
    let upgraded = origin.last();

    for seen in [plain, upgraded] {
        assert_eq!(seen.headers.all("x-api-key"), ["key-of-ours"]);
        assert_eq!(seen.headers.all("x-script-name"), ["/lab"]);
        assert_eq!(seen.headers.all("x-forwarded-user"), ["ana"]);
        assert_eq!(seen.headers.all("x-tool-said"), ["hello"]);
        assert!(!seen.raw.contains("theirs"), "{}", seen.raw);
    }
    let output = lab.stop();
    assert!(!output.contains("key-of-ours"), "{output}");
}

#[tokio::test]
async fn the_routes_fields_do_not_come_as_trailers() {
    // T04
    let origin = Origin::ok().await;
    let lab = open(&origin, KEY);

    let answer = lab
        .raw(
            "POST / HTTP/1.1\r\nhost: open.lab.test\r\ntransfer-encoding: chunked\r\n\
             trailer: X-Checksum, X-Api-Key\r\n\r\n5\r\nhello\r\n0\r\n\
             X-Checksum: abc\r\nX-Api-Key: theirs\r\n\r\n",
        )
        .await;

    assert_eq!(answer.status, 200);
    let seen = origin.last();
    assert_eq!(seen.headers.all("x-api-key"), ["key-of-ours"]);
    assert_eq!(seen.trailers.all("x-checksum"), ["abc"]);
    assert!(!seen.trailers.has("x-api-key"));
}

#[tokio::test]
async fn only_the_odd_names_that_a_route_lists_reach_the_tool() {
    // T03
    let origin = Origin::ok().await;
    let keys = "allow_headers = [\"X_Hub_Signature\", \"tool.version\"]";
    let lab = tool(&origin, keys);
    let ana = lab.at_tool("ana").await;
    let odd = [
        ("X_Hub_Signature", "sha1=x"),
        ("Tool.Version", "3"),
        ("X_Hub-Signature", "no"),
        ("X_Forwarded_User", "no"),
        ("Remote_User", "no"),
        ("tool_version", "no"),
    ];

    assert_eq!(ana.send(with("GET", TOOL, &odd)).await.status, 200);

    let seen = origin.last();
    assert_eq!(seen.headers.all("x_hub_signature"), ["sha1=x"]);
    assert_eq!(seen.headers.all("tool.version"), ["3"]);
    assert_eq!(seen.headers.all("x-forwarded-user"), ["ana"]);
    let values: Vec<_> = seen.headers.0.iter().map(|(_, value)| value).collect();
    assert!(!values.contains(&&"no".to_owned()), "{}", seen.raw);
}

#[tokio::test]
async fn a_tool_may_be_called_by_its_own_name() {
    let origin = Origin::answering(|seen| {
        let own = seen.headers.get("host").unwrap_or_default();
        match seen.target.as_str() {
            "/away" => {
                let location = format!("location: http://{own}/here\r\n");
                Answer::status("302 Found", &location, "")
            }
            _ if seen.headers.has("upgrade") => Answer::WebSocket(String::new()),
            _ => Answer::text("ok"),
        }
    })
    .await;
    let lab = tool(&origin, "upstream_host = \"upstream\"");
    let ana = lab.at_tool("ana").await;
    let own = origin.upstream();
    let name = own.strip_prefix("http://").unwrap();

    let post = with("POST", TOOL, &[("origin", TOOL)]);
    assert_eq!(ana.send(post.body("{}")).await.status, 200);
    let posted = origin.last();
    assert!(ana.websocket(TOOL).await.is_ok());
    for seen in [posted, origin.last()] {
        assert_eq!(seen.headers.all("host"), [name]);
        assert_eq!(seen.headers.all("origin"), [own.as_str()]);
        assert_eq!(seen.headers.all("x-forwarded-host"), ["tool.lab.test"]);
    }

    let reached = origin.seen().len();
    let foreign = with("POST", TOOL, &[("origin", &own)]);
    assert_eq!(ana.send(foreign.body("{}")).await.status, 403);
    assert_eq!(
        origin.seen().len(),
        reached,
        "its own name is not the public one"
    );

    // T26
    let answer = ana.get(&format!("{TOOL}/away")).await;
    assert_eq!(answer.location(), format!("{TOOL}/here"));
}

const PORTAL: &str = "http://portal.lab.test";

/// What a browser sends when a page of [`PORTAL`] frames or loads something.
fn loading(mode: &str, dest: &str) -> Request {
    with(
        "GET",
        TOOL,
        &[
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-mode", mode),
            ("sec-fetch-dest", dest),
            ("referer", "http://portal.lab.test/"),
        ],
    )
}

#[tokio::test]
async fn a_page_of_embed_frames_and_loads_the_tool_and_does_no_more() {
    // T95
    let origin = Origin::ok().await;
    let lab = tool(&origin, "embed = [\"http://portal.lab.test\"]");
    let ana = lab.at_tool("ana").await;
    for (mode, dest) in [("navigate", "iframe"), ("no-cors", "script")] {
        let answer = ana.send(loading(mode, dest)).await;
        assert_eq!(answer.status, 200, "{dest}");
        let policy = answer.headers.get("content-security-policy");
        assert_eq!(
            policy,
            Some("frame-ancestors 'self' http://portal.lab.test")
        );
        let policy = answer.headers.get("cross-origin-resource-policy");
        assert_eq!(policy, Some("cross-origin"));
    }
    let reached = origin.seen().len();
    let other = [
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-dest", "script"),
        ("referer", "http://portal.lab.test.evil.example/"),
    ];
    assert_eq!(ana.send(with("GET", TOOL, &other)).await.status, 403);
    let post = with("POST", TOOL, &[("origin", PORTAL)]).header("sec-fetch-site", "same-site");
    assert_eq!(ana.send(post.body("{}")).await.status, 403);
    let handshake = Request::new("GET", TOOL).handshake(Some(PORTAL));
    assert!(matches!(ana.upgrade(handshake).await, Err(answer) if answer.status == 403));
    assert_eq!(origin.seen().len(), reached);
}

#[tokio::test]
async fn without_embed_the_same_page_gets_nothing() {
    // T95, the counterpart
    let origin = Origin::ok().await;
    let lab = tool(&origin, "");
    let ana = lab.at_tool("ana").await;
    assert_eq!(ana.send(loading("navigate", "iframe")).await.status, 403);
    assert_eq!(ana.send(loading("no-cors", "script")).await.status, 403);
    let own = ana.get(TOOL).await.headers;
    assert_eq!(
        own.get("content-security-policy"),
        Some("frame-ancestors 'self'")
    );
    assert_eq!(own.get("cross-origin-resource-policy"), Some("same-origin"));
}

const APP: &str = "http://app.example.org";

fn preflight(url: &str, origin: &str) -> Request {
    with(
        "OPTIONS",
        url,
        &[
            ("origin", origin),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "authorization"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "cors"),
        ],
    )
}

fn spoken_to_others(answer: &crate::support::raw::Response) -> Vec<(String, String)> {
    let fields = answer.headers.0.iter();
    fields
        .filter(|(name, _)| name.starts_with("access-control-"))
        .cloned()
        .collect()
}

#[tokio::test]
async fn a_preflight_of_a_listed_origin_is_answered_before_sign_in() {
    let origin = Origin::ok().await;
    let lab = tool(&origin, "cors = [\"http://app.example.org\"]");
    let stranger = lab.browser();

    let answer = stranger.send(preflight(TOOL, APP)).await;
    assert_eq!(answer.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", APP),
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "authorization"),
        ("access-control-max-age", "600"),
        ("vary", "origin"),
    ] {
        assert_eq!(answer.headers.all(name), [value]);
    }
    assert!(!answer.headers.has("access-control-allow-credentials"));
    assert!(answer.headers.has("x-request-id"));
    assert!(!answer.headers.has("content-length"), "RFC 9110 §8.6");

    for other in [
        "null",
        "http://evil.example",
        "http://app.example.org:8080",
        TOOL,
    ] {
        let answer = stranger.send(preflight(TOOL, other)).await;
        assert_eq!(answer.status, 401, "{other}");
        assert_eq!(spoken_to_others(&answer), [], "{other}");
    }
    let call = with(
        "PUT",
        TOOL,
        &[("origin", APP), ("authorization", "Bearer x")],
    );
    assert_eq!(stranger.send(call.body("{}")).await.status, 401);
    assert!(origin.seen().is_empty());
}

/// Lets everybody in and everybody read, as tools do that trust a token.
async fn careless() -> Origin {
    Origin::answering(|seen| {
        let from = seen.headers.get("origin").unwrap_or("*");
        let headers = format!(
            "access-control-allow-origin: {from}\r\naccess-control-allow-credentials: true\r\n\
             access-control-expose-headers: x-secret\r\n"
        );
        Answer::status("200 OK", &headers, "ok")
    })
    .await
}

/// A call by a page of `origin`, with a credential that the tool knows.
async fn call(browser: &Browser, url: &str, origin: &str) -> crate::support::raw::Response {
    let fields = [
        ("origin", origin),
        ("authorization", "Bearer of-the-tool"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
    ];
    browser.send(with("PUT", url, &fields).body("{}")).await
}

#[tokio::test]
async fn a_listed_page_with_a_credential_of_its_own_reads_the_answer() {
    // T50
    let origin = careless().await;
    let lab = open(&origin, "cors = [\"http://app.example.org\"]");
    let stranger = lab.browser();

    let answer = call(&stranger, OPEN, APP).await;
    assert_eq!(answer.status, 200);
    let allowed = ("access-control-allow-origin".to_owned(), APP.to_owned());
    assert_eq!(spoken_to_others(&answer), [allowed]);
    assert_eq!(answer.headers.all("vary"), ["origin"]);
    let seen = origin.last();
    assert_eq!(seen.headers.all("authorization"), ["Bearer of-the-tool"]);

    let answer = call(&stranger, OPEN, "http://evil.example").await;
    assert_eq!((answer.status, spoken_to_others(&answer)), (200, vec![]));
    assert_eq!(answer.headers.all("vary"), ["origin"]);
    let answer = stranger.send(preflight(OPEN, "http://evil.example")).await;
    assert_eq!((answer.status, spoken_to_others(&answer)), (200, vec![]));
    assert_eq!(origin.last().method, "OPTIONS", "the tool's to answer");
}

#[tokio::test]
async fn our_cookie_opens_nothing_to_a_listed_page() {
    // T47, T50
    let origin = careless().await;
    let keys = "path = \"/open/\"\naccess = \"public\"\ncors = [\"http://app.example.org\"]";
    let lab = Lab::builder().route("open", &origin, keys).start();
    let ana = lab.sign_in("ana").await;
    let url = "http://lab.test/open/";

    assert_eq!(call(&ana, url, APP).await.status, 403);
    let read = ana.send(with("GET", url, &[("origin", APP)])).await;
    assert_eq!((read.status, spoken_to_others(&read)), (200, vec![]));
}

#[tokio::test]
async fn what_the_route_adds_is_not_lent_to_other_sites() {
    // T47
    let origin = Origin::ok().await;
    let lab = open(&origin, KEY);
    let stranger = lab.browser();
    let post = |from: &str| with("POST", OPEN, &[("origin", from)]).body("{}");
    assert_eq!(stranger.send(post("http://evil.example")).await.status, 403);
    assert!(origin.seen().is_empty());
    assert_eq!(stranger.send(post(OPEN)).await.status, 200);

    let origin = Origin::ok().await;
    let lab = open(&origin, "");
    let answer = lab.browser().send(post("http://evil.example")).await;
    assert_eq!(answer.status, 200, "nothing is added: the tool's to judge");
}

#[tokio::test]
async fn a_tool_cannot_speak_for_its_whole_origin() {
    // T34, T50, T97
    let origin = Origin::answering(|_| {
        let headers = "clear-site-data: \"*\"\r\nalt-svc: h3=\":443\"\r\nnel: {}\r\nreport-to: {}\r\n\
             x-accel-redirect: /etc/passwd\r\nservice-worker-allowed: /\r\n\
             access-control-allow-origin: http://evil.example\r\n\
             access-control-allow-credentials: true\r\n\
             set-cookie: labgate=x\r\nset-cookie: a=1; Domain=lab.test; Path=/\r\n\
             x-tool-said: hello\r\n";
        Answer::status("200 OK", headers, "ok")
    })
    .await;
    let keys = "path = \"/rstudio/\"\naccess = \"signed-in\"\nstrip_prefix = true";
    let lab = Lab::builder().route("rstudio", &origin, keys).start();
    let ana = lab.sign_in("ana").await;

    let answer = ana.get("http://lab.test/rstudio/").await;

    assert_eq!(answer.status, 200);
    for gone in [
        "clear-site-data",
        "alt-svc",
        "nel",
        "report-to",
        "x-accel-redirect",
        "service-worker-allowed",
        "access-control-allow-origin",
        "access-control-allow-credentials",
    ] {
        assert!(!answer.headers.has(gone), "{gone}");
    }
    assert_eq!(answer.headers.all("set-cookie"), ["a=1; Path=/rstudio/"]);
    assert_eq!(answer.headers.all("x-tool-said"), ["hello"]);
}

#[tokio::test]
async fn our_own_refusals_are_read_by_listed_pages_where_a_tools_answer_would_be() {
    // T50
    let (origin, away) = (Origin::ok().await, Origin::ok().await);
    let cors = "cors = [\"http://app.example.org\"]";
    let lab = Lab::builder()
        .route(
            "tool",
            &origin,
            &format!("host = \"tool.lab.test\"\naccess = \"signed-in\"\n{cors}"),
        )
        .route(
            "away",
            &away,
            &format!("path = \"/away/\"\naccess = \"public\"\n{cors}"),
        )
        .route("own", &origin, "path = \"/own/\"\naccess = \"signed-in\"")
        .start();
    drop(away);
    let (stranger, ana) = (lab.browser(), lab.at_tool("ana").await);
    let allowed = ("access-control-allow-origin".to_owned(), APP.to_owned());
    for (url, status) in [
        (TOOL, 401),
        ("http://lab.test/away/", 502),
        ("http://lab.test/away", 308),
    ] {
        let answer = call(&stranger, url, APP).await;
        assert_eq!(answer.status, status, "{url}");
        assert_eq!(
            spoken_to_others(&answer),
            std::slice::from_ref(&allowed),
            "{url}"
        );
        assert_eq!(answer.headers.all("vary"), ["origin"], "{url}");
        for other in ["http://evil.example", "null", "http://app.example.org:81"] {
            let answer = call(&stranger, url, other).await;
            assert_eq!((answer.status, spoken_to_others(&answer)), (status, vec![]));
            assert_eq!(answer.headers.all("vary"), ["origin"], "{url}");
        }
    }
    // What our cookie opens, or refuses, is nobody else's to read; nor what lists nobody.
    let cross_site = call(&ana, TOOL, APP).await;
    assert_eq!(
        (cross_site.status, spoken_to_others(&cross_site)),
        (403, vec![])
    );
    let unlisted = call(&stranger, "http://lab.test/own/", APP).await;
    assert_eq!(
        (unlisted.status, spoken_to_others(&unlisted)),
        (401, vec![])
    );
    assert!(!unlisted.headers.has("vary"));
    let ours = call(&stranger, "http://lab.test/.labgate/whoami", APP).await;
    assert_eq!(spoken_to_others(&ours), []);
}

#[tokio::test]
async fn an_error_page_shows_in_the_frames_that_the_tool_would() {
    // T52, T95
    let origin = Origin::ok().await;
    let embed = "embed = [\"http://portal.lab.test\"]";
    let lab = Lab::builder()
        .route(
            "tool",
            &origin,
            &format!("host = \"tool.lab.test\"\naccess = \"signed-in\"\n{embed}"),
        )
        .route(
            "bare",
            &origin,
            "host = \"open.lab.test\"\naccess = \"signed-in\"",
        )
        .start();
    let stranger = lab.browser();
    let ancestors = |answer: &crate::support::raw::Response| {
        let policy = answer
            .headers
            .get("content-security-policy")
            .unwrap()
            .to_owned();
        let (_, rest) = policy.split_once("frame-ancestors ").unwrap();
        rest.to_owned()
    };
    let framed = stranger.send(loading("navigate", "iframe")).await;
    assert_eq!(framed.status, 401);
    assert_eq!(ancestors(&framed), "'self' http://portal.lab.test");
    let alone = stranger.send(loading("no-cors", "script")).await;
    assert_eq!((alone.status, ancestors(&alone).as_str()), (401, "'none'"));
    let frame = |url: &str| {
        Request::new("GET", url)
            .header("sec-fetch-site", "same-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "iframe")
    };
    let bare = stranger.send(frame(OPEN)).await;
    assert_eq!((bare.status, ancestors(&bare).as_str()), (401, "'self'"));
    let ours = stranger
        .send(frame("http://tool.lab.test/.labgate/nothing"))
        .await;
    assert_eq!(
        ancestors(&ours),
        "'self'",
        "our own paths are not the route's"
    );
}

#[tokio::test]
async fn a_tool_promises_https_for_its_own_host_and_no_longer() {
    // T97
    let origin = Origin::answering(|seen| {
        let said = seen.headers.get("x-say").unwrap_or_default();
        Answer::status(
            "200 OK",
            &format!("strict-transport-security: {said}\r\n"),
            "ok",
        )
    })
    .await;
    let lab = Lab::builder()
        .open(&origin)
        .route(
            "shared",
            &origin,
            "path = \"/shared/\"\naccess = \"public\"",
        )
        .route(
            "below",
            &origin,
            "host = \"open.lab.test\"\npath = \"/below/\"\naccess = \"public\"",
        )
        .start();
    let browser = lab.browser();
    let said = async |url: &str, said: &str| {
        let request = Request::new("GET", url).header("x-say", said);
        let answer = browser.send(request).await;
        assert_eq!(answer.status, 200);
        let all = answer.headers.all("strict-transport-security");
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for (given, passed) in [
        ("max-age=600", "max-age=600"),
        ("max-age=600; includeSubDomains; preload", "max-age=600"),
        ("includeSubdomains ; MAX-AGE=\"600\"", "max-age=600"),
        ("preload; max-age=31536000", "max-age=31536000"),
    ] {
        assert_eq!(said(OPEN, given).await, [passed], "{given}");
    }
    for worthless in [
        "max-age=0",
        "max-age=0; includeSubDomains",
        "includeSubDomains",
        "max-age=x",
        "",
    ] {
        assert!(
            said(OPEN, worthless).await.is_empty(),
            "{worthless}: ours stands"
        );
    }
    for shared in ["http://lab.test/shared/", "http://open.lab.test/below/"] {
        let all = said(shared, "max-age=600; includeSubDomains").await;
        assert!(all.is_empty(), "{shared}: a host that it shares");
    }
}
