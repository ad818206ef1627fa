//! No header of a client can look like ours (T01 to T06).

use crate::support::{
    Browser, Lab, Origin, Request,
    lab::{OPEN, TOOL},
};

/// Headers by which one tool or another is told who is there.
const IDENTITY: [&str; 24] = [
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Remote-User",
    "Remote-User",
    "Remote-Groups",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Authenticated-User",
    "X-authentik-username",
    "X-WEBAUTH-USER",
    "X-User-Id",
    "SSO-Profile-Email",
    "X-RStudio-Username",
    "X-RStudio-Root-Path",
    "X-Shiny-Username",
    "X-Goog-Authenticated-User-Email",
    "X-MS-Client-Principal-Name",
    "Tailscale-User-Login",
    "Cf-Access-Authenticated-User-Email",
    "X-Script-Name",
    "X-Scheme",
    "X-Labgate-User",
];

/// Those of them that labgate sets itself.
const OURS: [(&str, &str); 3] = [
    ("x-forwarded-user", "ana"),
    ("x-forwarded-email", "ana@example.org"),
    ("x-forwarded-groups", "analysts"),
];

fn lying(method: &str, url: &str) -> Request {
    let request = Request::new(method, url);
    IDENTITY
        .iter()
        .fold(request, |request, name| request.header(name, "mallory"))
}

/// What of the attack is left in a request as the tool saw it.
fn mallory(origin: &Origin) -> Vec<(String, String)> {
    let seen = origin.last();
    let fields = seen.headers.0.into_iter().chain(seen.trailers.0);
    fields
        .filter(|(_, value)| value.contains("mallory"))
        .collect()
}

#[tokio::test]
async fn a_signed_in_request_says_who_is_there_and_only_that() {
    // T01
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;

    let answer = ana
        .send(lying("GET", TOOL).header("x-tool-said", "hello"))
        .await;

    assert_eq!(answer.status, 200);
    assert_eq!(mallory(&origin), []);
    let seen = origin.last();
    for (name, value) in OURS {
        assert_eq!(seen.headers.all(name), [value], "{name}");
    }
    assert_eq!(
        seen.headers.all("x-tool-said"),
        ["hello"],
        "other fields pass"
    );
}

#[tokio::test]
async fn a_websocket_says_who_is_there_and_only_that() {
    // T01, T23
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;

    assert!(
        ana.upgrade(lying("GET", TOOL).handshake(Some(TOOL)))
            .await
            .is_ok()
    );

    assert_eq!(mallory(&origin), []);
    assert_eq!(origin.last().headers.all("x-forwarded-user"), ["ana"]);
}

#[tokio::test]
async fn a_public_route_names_nobody_when_nobody_is_signed_in() {
    // T02
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).start();
    let stranger = lab.browser();
    for method in ["GET", "OPTIONS", "POST", "PROPFIND"] {
        let preflight = lying(method, OPEN).header("access-control-request-method", "GET");

        assert_eq!(stranger.send(preflight).await.status, 200, "{method}");

        assert_eq!(mallory(&origin), [], "{method}");
        for (name, _) in OURS {
            assert!(!origin.last().headers.has(name), "{method} carries {name}");
        }
    }
}

#[tokio::test]
async fn a_public_route_names_who_is_signed_in() {
    // T02, the counterpart
    let origin = Origin::ok().await;
    let lab = Lab::builder()
        .route("open", &origin, "path = \"/open/\"\naccess = \"public\"")
        .start();
    let ana = lab.sign_in("ana").await;

    assert_eq!(ana.get("http://lab.test/open/").await.status, 200);

    assert_eq!(origin.last().headers.all("x-forwarded-user"), ["ana"]);
}

#[tokio::test]
async fn other_spellings_of_our_headers_do_not_get_through() {
    // T03
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let spellings = [
        "X_Forwarded_User",
        "x-forwarded_user",
        "X.Forwarded.User",
        "REMOTE_USER",
        "x-FORWARDED-uSER",
        "X_Tool_Said",
    ];
    for name in spellings {
        let answer = ana
            .send(Request::new("GET", TOOL).header(name, "mallory"))
            .await;

        assert!(
            matches!(answer.status, 200 | 400),
            "{name}: {}",
            answer.status
        );
        assert_eq!(mallory(&origin), [], "{name}");
        assert_eq!(
            origin.last().headers.all("x-forwarded-user"),
            ["ana"],
            "{name}"
        );
    }
    let answer = ana
        .send(Request::new("GET", TOOL).header("X-Tool-Said", "hello"))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(origin.last().headers.all("x-tool-said"), ["hello"]);
}

#[tokio::test]
async fn our_headers_cannot_come_as_trailers() {
    // T04
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).start();

    let answer = lab
        .raw(
            "POST / HTTP/1.1\r\nhost: open.lab.test\r\ntransfer-encoding: chunked\r\n\
             trailer: X-Checksum, X-Forwarded-User\r\n\r\n5\r\nhello\r\n0\r\n\
             X-Checksum: abc\r\nX-Forwarded-User: mallory\r\nX_Forwarded_User: mallory\r\n\
             Remote-User: mallory\r\n\r\n",
        )
        .await;

    assert_eq!(answer.status, 200);
    assert_eq!(mallory(&origin), []);
    let seen = origin.last();
    assert_eq!(seen.body, b"hello");
    assert_eq!(
        seen.trailers.all("x-checksum"),
        ["abc"],
        "other trailers pass"
    );
    assert!(!seen.trailers.has("x-forwarded-user"));
}

#[tokio::test]
async fn a_client_cannot_make_us_drop_what_we_add() {
    // T05
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let named = "close, X-Forwarded-User, X-Forwarded-Proto, X-Own-Hop";

    let request = Request::new("GET", TOOL).header("connection", named);
    let answer = ana.send(request.header("x-own-hop", "1")).await;

    assert_eq!(answer.status, 200);
    let seen = origin.last();
    assert_eq!(seen.headers.all("x-forwarded-user"), ["ana"]);
    assert_eq!(seen.headers.all("x-forwarded-proto"), ["http"]);
    assert!(
        !seen.headers.has("x-own-hop"),
        "what Connection names goes no further"
    );
}

/// What a proxy in front of us might say, and anyone who pretends to be one.
fn forwarded(request: Request) -> Request {
    request
        .header("x-forwarded-for", "203.0.113.9")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-port", "4443")
        .header("x-forwarded-prefix", "/evil")
        .header("x-forwarded-uri", "/evil")
        .header("x-forwarded-method", "DELETE")
        .header("forwarded", "for=203.0.113.9;host=evil.example;proto=https")
        .header("x-real-ip", "203.0.113.9")
        .header("cf-connecting-ip", "203.0.113.9")
        .header("x-original-url", "/evil")
        .header("x-http-method-override", "DELETE")
}

#[tokio::test]
async fn a_stranger_speaks_only_for_itself() {
    // T06
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;

    assert_eq!(
        ana.send(forwarded(Request::new("GET", TOOL))).await.status,
        200
    );

    let seen = origin.last();
    assert_eq!(seen.headers.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.headers.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.headers.all("x-forwarded-host"), ["tool.lab.test"]);
    assert_eq!(seen.headers.all("host"), ["tool.lab.test"]);
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/"));
    for lie in ["evil", "203.0.113.9", "4443", "DELETE"] {
        assert!(
            !seen.raw.contains(lie),
            "{lie} reached the tool: {}",
            seen.raw
        );
    }
}

#[tokio::test]
async fn a_strangers_headers_change_no_cookie_and_no_redirect() {
    // T06
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);

    let sent = forwarded(Request::new("GET", TOOL).navigation());
    let answer = lab.browser().send(sent).await;

    assert_eq!(answer.status, 303);
    assert!(
        answer.location().starts_with("http://lab.test/"),
        "{}",
        answer.location()
    );
    for cookie in answer.headers.all("set-cookie") {
        assert!(!cookie.to_ascii_lowercase().contains("secure"), "{cookie}");
    }
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_about_the_client() {
    // T06, the counterpart
    let origin = Origin::ok().await;
    let lab = Lab::builder()
        .open(&origin)
        .config("[trust]\nproxies = [\"127.0.0.1/32\"]")
        .start();
    let browser: Browser = lab.browser();

    let chain = Request::new("GET", OPEN).header("x-forwarded-for", "198.51.100.7, 203.0.113.9");
    assert_eq!(browser.send(chain).await.status, 200);

    let seen = origin.last();
    let chain = seen.headers.get("x-forwarded-for").unwrap();
    assert!(chain.contains("203.0.113.9"), "{chain}");
    assert!(
        !chain.starts_with("198.51.100.7") || chain.contains(','),
        "{chain}"
    );
}
