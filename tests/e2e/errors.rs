//! Pages of ours never echo unescaped, and one gate stands before everything (T62, T63).

use crate::support::{
    Lab, Origin, Request,
    lab::{MAIN, TOOL},
};

const SCRIPT: &str = "<script>alert(1)</script>";

#[tokio::test]
async fn no_page_of_ours_echoes_markup() {
    // T62
    let origin = Origin::ok().await;
    let lab = Lab::builder()
        .tool(&origin)
        .open(&origin)
        .config(&format!(
            "[ui]\ntitle = \"{SCRIPT}\"\nnotice = \"{SCRIPT}\""
        ))
        .start();
    drop(origin);
    let encoded = "%3Cscript%3Ealert(1)%3C/script%3E";
    let browser = lab.browser();
    let pages = [
        browser
            .navigate(&format!(
                "{MAIN}/.labgate/sign-in?return=/{encoded}%22%3E{encoded}"
            ))
            .await,
        browser
            .navigate(&format!("{MAIN}/.labgate/{encoded}"))
            .await,
        browser.navigate(&format!("{MAIN}/{encoded}")).await,
        browser
            .navigate(&format!("http://open.lab.test/{encoded}"))
            .await,
        browser
            .navigate(&format!("{TOOL}/.labgate/enter?code={encoded}"))
            .await,
        browser
            .submit_sign_in(&format!("{MAIN}/.labgate/sign-in"), SCRIPT, "wrong")
            .await,
        lab.raw(format!(
            "GET / HTTP/1.1\r\nhost: {SCRIPT}\r\naccept: text/html\r\n\r\n"
        ))
        .await,
        lab.raw(format!(
            "GET /{SCRIPT} HTTP/1.1\r\nhost: lab.test\r\naccept: text/html\r\n\r\n"
        ))
        .await,
    ];
    for page in pages {
        let text = page.text();
        assert!(!text.contains("<script>alert"), "{}: {text}", page.status);
        assert_ne!(page.status, 500, "{text}");
    }
}

#[tokio::test]
async fn our_pages_say_what_browsers_may_do_with_them() {
    // T93
    let lab = Lab::builder().start();
    let browser = lab.browser();
    for path in ["/.labgate/sign-in", "/.labgate/nothing-here"] {
        let page = browser.navigate(&format!("{MAIN}{path}")).await;
        let policy = page
            .headers
            .get("content-security-policy")
            .unwrap_or_default();
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert_eq!(
            page.headers.all("x-content-type-options"),
            ["nosniff"],
            "{path}"
        );
        assert_eq!(
            page.headers.all("referrer-policy"),
            ["same-origin"],
            "{path}"
        );
        assert!(page.headers.has("x-request-id"), "{path}");
        assert!(
            !page.headers.has("strict-transport-security"),
            "{path}: plain http"
        );
    }
}

#[tokio::test]
async fn one_gate_stands_before_every_method_and_path() {
    // T63
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let stranger = lab.browser();
    let methods = [
        "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "MKCOL", "X",
    ];
    for method in methods {
        for path in [
            "/",
            "/api/kernels",
            "/static/app.js",
            "/favicon.ico",
            "/.well-known/x",
        ] {
            let answer = stranger
                .send(Request::new(method, &format!("{TOOL}{path}")))
                .await;
            assert_eq!(answer.status, 401, "{method} {path}");
        }
    }
    let head = Request::new("HEAD", TOOL);
    assert_eq!(stranger.begin(&head).await.response_to_head().await.0, 401);
    let upgrade = "GET / HTTP/1.1\r\nhost: tool.lab.test\r\norigin: http://tool.lab.test\r\nconnection: upgrade\r\n";
    for protocol in ["websocket", "WebSocket"] {
        let head = format!(
            "{upgrade}upgrade: {protocol}\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        assert_eq!(lab.raw(head).await.status, 401, "{protocol}");
    }
    let other = lab.raw(format!("{upgrade}upgrade: tcp\r\n\r\n")).await;
    assert!(matches!(other.status, 400 | 401 | 403), "{}", other.status);
    assert!(origin.seen().is_empty());

    let ana = lab.at_tool("ana").await;
    for method in methods {
        let answer = ana.send(Request::new(method, TOOL)).await;
        assert_eq!(
            (answer.status, origin.last().method.as_str()),
            (200, method)
        );
    }
    assert!(ana.websocket(TOOL).await.is_ok());
}

#[tokio::test]
async fn who_is_signed_in_but_not_allowed_is_told_so() {
    // DESIGN.md 4.3
    let origin = Origin::ok().await;
    let lab = Lab::builder()
        .route(
            "tool",
            &origin,
            "host = \"tool.lab.test\"\naccess = { groups = [\"analysts\"] }",
        )
        .start();
    let (_, page) = lab.browser().open_as("bob", TOOL).await;
    assert_eq!(page.status, 403);
    assert!(origin.seen().is_empty());
    let (_, page) = lab.browser().open_as("ana", TOOL).await;
    assert_eq!(page.status, 200);
}
