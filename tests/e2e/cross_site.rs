//! What other sites can do with a visitor's cookie: nothing (T46, T47, T53, T56, T57).

use crate::support::{
    Answer, Lab, Origin, Request,
    lab::{MAIN, OPEN, TOOL},
};

#[tokio::test]
async fn only_the_tools_own_pages_open_its_websockets() {
    // T46
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let reached = origin.seen().len();
    let foreign = [
        None,
        Some("null"),
        Some(""),
        Some("http://evil.example"),
        Some("http://tool.lab.test.evil.example"),
        Some("http://tool.lab.test:8080"),
        Some("https://tool.lab.test"),
        Some("http://lab.test"),
        Some("http://other.lab.test"),
        Some("http://tool.lab.test/"),
        Some("http://tool.lab.test, http://evil.example"),
        Some("tool.lab.test"),
    ];
    for from in foreign {
        let refused = ana.upgrade(Request::new("GET", TOOL).handshake(from)).await;
        let answer = refused
            .err()
            .unwrap_or_else(|| panic!("{from:?} opened a WebSocket"));
        assert_eq!(answer.status, 403, "{from:?}");
    }
    let twice = Request::new("GET", TOOL)
        .handshake(Some(TOOL))
        .header("origin", "http://evil.example");
    assert!(matches!(ana.upgrade(twice).await, Err(answer) if matches!(answer.status, 400 | 403)));
    assert_eq!(
        origin.seen().len(),
        reached,
        "the tool was not even dialled"
    );

    assert!(ana.websocket(TOOL).await.is_ok());
}

#[tokio::test]
async fn other_sites_cannot_post_with_our_cookie() {
    // T47
    let origin = Origin::ok().await;
    let lab = Lab::builder()
        .route("tool", &origin, "host = \"tool.lab.test\"\napp = \"jupyter\"\ntoken = \"T0ken\"\naccess = \"signed-in\"")
        .start();
    let ana = lab.at_tool("ana").await;
    let reached = origin.seen().len();
    let url = format!("{TOOL}/api/kernels");
    let foreign: [&[(&str, &str)]; 9] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", TOOL)],
        &[
            ("sec-fetch-site", "same-site"),
            ("origin", "http://lab.test"),
        ],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://tool.lab.test:8080")],
        &[("origin", "https://tool.lab.test")],
        &[("origin", "http://lab.test")],
    ];
    for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"] {
        for headers in foreign {
            let request = headers
                .iter()
                .fold(Request::new(method, &url), |r, (n, v)| r.header(n, v));
            let answer = ana.send(request.body("{}")).await;
            assert_eq!(answer.status, 403, "{method} {headers:?}");
        }
    }
    assert_eq!(origin.seen().len(), reached);

    let own: [&[(&str, &str)]; 4] = [
        &[],
        &[("origin", TOOL)],
        &[("sec-fetch-site", "same-origin"), ("origin", TOOL)],
        &[("sec-fetch-site", "none")],
    ];
    for headers in own {
        let request = headers
            .iter()
            .fold(Request::new("POST", &url), |r, (n, v)| r.header(n, v));
        assert_eq!(
            ana.send(request.body("{}")).await.status,
            200,
            "{headers:?}"
        );
        assert_eq!(origin.last().headers.all("authorization"), ["token T0ken"]);
    }
}

#[tokio::test]
async fn other_sites_cannot_read_a_tool_but_may_link_to_it() {
    // T47, DESIGN.md 4.4
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let reached = origin.seen().len();
    for site in ["cross-site", "same-site"] {
        for (mode, dest) in [
            ("no-cors", "script"),
            ("cors", "empty"),
            ("navigate", "iframe"),
        ] {
            let request = Request::new("GET", TOOL)
                .header("sec-fetch-site", site)
                .header("sec-fetch-mode", mode)
                .header("sec-fetch-dest", dest);
            assert_eq!(ana.send(request).await.status, 403, "{site} {mode} {dest}");
        }
    }
    assert_eq!(origin.seen().len(), reached);

    let link = Request::new("GET", TOOL)
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document");
    assert_eq!(ana.send(link).await.status, 200);
}

#[tokio::test]
async fn an_unknown_host_is_nobodys() {
    // T53
    let origin = Origin::ok().await;
    let lab = Lab::builder().tool(&origin).open(&origin).start();
    for host in [
        "evil.example",
        "127.0.0.1",
        "192.168.1.20:8000",
        "localhost",
        "x.lab.test",
        "[::1]",
    ] {
        for target in ["/", "/.labgate/sign-in", "/.labgate/whoami"] {
            let answer = lab
                .raw(format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n"))
                .await;
            assert_eq!(answer.status, 421, "{host}{target}");
            let text = answer.text();
            assert!(!text.contains("lab.test"), "names a host: {text}");
            assert!(
                text.contains("public_url") || text.contains("aliases"),
                "{text}"
            );
            assert!(!answer.headers.has("location"));
        }
        for probe in ["/.labgate/live", "/.labgate/ready"] {
            let answer = lab
                .raw(format!("GET {probe} HTTP/1.1\r\nhost: {host}\r\n\r\n"))
                .await;
            assert_eq!(
                (answer.status, answer.text().trim()),
                (200, "ok"),
                "{host}{probe}"
            );
        }
    }
    assert!(origin.seen().is_empty());
    assert_eq!(lab.browser().get(OPEN).await.status, 200);
}

#[tokio::test]
async fn a_dead_tool_does_not_make_us_unready() {
    // DESIGN.md 4.3
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).start();
    drop(origin);
    assert_eq!(
        lab.browser()
            .get(&format!("{MAIN}/.labgate/ready"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn our_own_answers_are_not_kept_by_caches() {
    // T56
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let stranger = lab.browser();
    let answers = [
        stranger.navigate(&format!("{MAIN}/.labgate/sign-in")).await,
        stranger.navigate(TOOL).await,
        stranger.get(TOOL).await,
        stranger.get(&format!("{TOOL}/files/x.csv/a.css")).await,
        stranger.get(&format!("{MAIN}/.labgate/whoami")).await,
        lab.sign_in("ana")
            .await
            .get(&format!("{MAIN}/.labgate/whoami"))
            .await,
    ];
    for answer in answers {
        let said = answer.headers.get("cache-control").unwrap_or_default();
        assert!(said.contains("no-store"), "{}: {said:?}", answer.status);
    }
}

#[tokio::test]
async fn a_tools_answer_is_private_unless_it_says_otherwise() {
    // T56
    let origin = Origin::answering(|seen| match seen.target.as_str() {
        "/static/app.js" => Answer::status("200 OK", "cache-control: public, max-age=60\r\n", "x"),
        _ => Answer::text("ok"),
    })
    .await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;

    let page = ana.get(&format!("{TOOL}/files/x.csv/a.css")).await;
    assert_eq!(page.headers.all("cache-control"), ["private"]);
    let asset = ana.get(&format!("{TOOL}/static/app.js")).await;
    assert_eq!(asset.headers.all("cache-control"), ["public, max-age=60"]);
}

#[tokio::test]
async fn only_a_navigation_is_sent_to_the_sign_in_page() {
    // T57
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let stranger = lab.browser();
    let calls: [(&str, &[(&str, &str)]); 8] = [
        (
            "/sw.js",
            &[
                ("sec-fetch-dest", "serviceworker"),
                ("sec-fetch-mode", "same-origin"),
            ],
        ),
        (
            "/manifest.json",
            &[("sec-fetch-dest", "manifest"), ("sec-fetch-mode", "cors")],
        ),
        (
            "/api",
            &[
                ("sec-fetch-dest", "empty"),
                ("sec-fetch-mode", "cors"),
                ("accept", "text/html"),
            ],
        ),
        (
            "/x.png",
            &[("sec-fetch-dest", "image"), ("sec-fetch-mode", "no-cors")],
        ),
        (
            "/frame",
            &[("sec-fetch-dest", "iframe"), ("sec-fetch-mode", "navigate")],
        ),
        ("/old-fetch", &[("accept", "*/*")]),
        (
            "/xhr",
            &[
                ("accept", "text/html"),
                ("x-requested-with", "XMLHttpRequest"),
            ],
        ),
        (
            "/curl",
            &[("accept", "text/html"), ("authorization", "Basic eDp5")],
        ),
    ];
    for (path, headers) in calls {
        let request = Request::new("GET", &format!("{TOOL}{path}"));
        let request = headers
            .iter()
            .fold(request, |request, (n, v)| request.header(n, v));
        let answer = stranger.send(request).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(!answer.headers.has("location"), "{path}");
        if path != "/frame" {
            assert!(
                answer.text().contains("\"error\":\"sign_in_required\""),
                "{}",
                answer.text()
            );
        }
    }
    let post = Request::new("POST", TOOL).navigation().body("a=b");
    assert_eq!(stranger.send(post).await.status, 401);
    assert!(origin.seen().is_empty());

    let old = Request::new("GET", TOOL).header("accept", "text/html,*/*");
    assert_eq!(
        stranger.send(old).await.status,
        303,
        "plain http sends no Sec-Fetch"
    );
    assert_eq!(stranger.navigate(TOOL).await.status, 303);
    let head = Request::new("HEAD", TOOL).navigation();
    let (status, headers) = stranger.begin(&head).await.response_to_head().await;
    assert!(status == 303 && headers.has("location"));
}

#[tokio::test]
async fn a_credential_of_the_callers_own_needs_no_origin() {
    // T46, T47, the counterpart: no cookie of ours, nothing of ours is lent.
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).start();
    let stranger = lab.browser();
    for from in [None, Some("null"), Some("http://evil.example")] {
        let request = Request::new("GET", OPEN).header("authorization", "Bearer of-the-tool");
        assert!(
            stranger.upgrade(request.handshake(from)).await.is_ok(),
            "{from:?}"
        );
        let seen = origin.last();
        assert_eq!(seen.headers.all("authorization"), ["Bearer of-the-tool"]);
        let mut request =
            Request::new("DELETE", OPEN).header("authorization", "Bearer of-the-tool");
        if let Some(from) = from {
            request = request
                .header("origin", from)
                .header("sec-fetch-site", "cross-site");
        }
        assert_eq!(stranger.send(request).await.status, 200, "{from:?}");
    }
}

#[tokio::test]
async fn a_sibling_neither_frames_loads_nor_listens_to_a_tool() {
    // T95
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let reached = origin.seen().len();
    let ask = |site: &str| {
        [
            ("/vnc.html", "navigate", "iframe", "text/html"),
            ("/vnc.html", "navigate", "object", "text/html"),
            ("/files/x.js", "no-cors", "script", "*/*"),
            ("/files/x.css", "no-cors", "style", "text/css"),
            ("/files/x.png", "no-cors", "image", "image/*"),
            ("/events", "cors", "empty", "text/event-stream"),
            ("/api", "no-cors", "empty", "*/*"),
        ]
        .map(|(path, mode, dest, accept)| {
            Request::new("GET", &format!("{TOOL}{path}"))
                .header("sec-fetch-site", site)
                .header("sec-fetch-mode", mode)
                .header("sec-fetch-dest", dest)
                .header("accept", accept)
                .header("referer", "http://bob.lab.test/")
        })
    };
    for site in ["same-site", "cross-site"] {
        for request in ask(site) {
            assert_eq!(ana.send(request.clone()).await.status, 403, "{request:?}");
        }
    }
    assert_eq!(origin.seen().len(), reached);
    for request in ask("same-origin") {
        assert_eq!(ana.send(request.clone()).await.status, 200, "{request:?}");
    }
}
