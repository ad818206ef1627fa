//! Which rule counts for a request, by exactly the inputs that fooled others (T12 to T23, T51, T55, T61).

use crate::support::{
    Lab, Origin, Request,
    browser::Browser,
    lab::{MAIN, MAIN_HOST, OPEN, TOOL},
    raw::Response,
};

/// `/api/status` for everybody, the rest of the tool's host for whoever is signed in.
fn status_is_public(origin: &Origin) -> Lab {
    let public = "host = \"tool.lab.test\"\npath = \"/api/status\"\naccess = \"public\"";
    Lab::builder()
        .tool(origin)
        .route("status", origin, public)
        .start()
}

#[tokio::test]
async fn neither_a_query_nor_a_fragment_borrows_a_public_path() {
    // T12, T13
    let origin = Origin::ok().await;
    let lab = status_is_public(&origin);
    let stranger = lab.browser();
    for (target, status) in [
        ("/api/private?x=/status", 401),
        ("/api/private?/api/status", 401),
        ("/api?/status", 401),
        ("/foo/secret%23/bar", 401),
        ("/api/secret%23/api/status", 401),
        ("/secret#/api/status", 400),
        ("/api/status#/../../secret", 400),
    ] {
        let answer = stranger.get(&format!("{TOOL}{target}")).await;
        assert_eq!(answer.status, status, "{target}");
    }
    assert!(origin.seen().is_empty());
    for target in ["/api/status?x=/private", "/api/status/secret%23"] {
        let answer = stranger.get(&format!("{TOOL}{target}")).await;
        assert_eq!(
            (answer.status, origin.last().target.as_str()),
            (200, target)
        );
    }
}

#[tokio::test]
async fn what_is_left_of_a_stripped_path_never_climbs() {
    // T15
    let origin = Origin::ok().await;
    let lines = "path = \"/x\"\nstrip_prefix = true\naccess = \"public\"";
    let lab = Lab::builder().route("x", &origin, lines).start();
    let stranger = lab.browser();
    for target in [
        "/x./admin",
        "/x../admin",
        "/x/./admin",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/x%2f..%2fadmin",
        "/%78/../admin",
        "/%78../admin",
        "/%78/admin",
        "/x%2fadmin",
        "/x%2e%2e/admin",
        "/x;/../admin",
    ] {
        let answer = stranger.get(&format!("{MAIN}{target}")).await;
        assert!(
            matches!(answer.status, 400 | 404),
            "{target}: {}",
            answer.status
        );
    }
    assert!(origin.seen().is_empty());
    for (target, stripped) in [
        ("/x/.admin", "/.admin"),
        ("/x/a%2e%2e", "/a%2e%2e"),
        ("/x//admin", "//admin"),
    ] {
        let answer = stranger.get(&format!("{MAIN}{target}")).await;
        assert_eq!(
            (answer.status, origin.last().target.as_str()),
            (200, stripped)
        );
    }
}

#[tokio::test]
async fn a_users_path_is_that_users_alone_and_gets_its_slash() {
    // T17
    let origin = Origin::ok().await;
    let lines = "path = \"/user/ann\"\naccess = \"public\"";
    let lab = Lab::builder().route("ann", &origin, lines).start();
    let stranger = lab.browser();
    for target in ["/user/anna", "/user/anna/", "/user/ann.", "/user/ann%61"] {
        let answer = stranger.get(&format!("{MAIN}{target}")).await;
        assert_eq!(answer.status, 404, "{target}");
    }
    assert!(origin.seen().is_empty());
    assert_eq!(stranger.get(&format!("{MAIN}/user/ann/")).await.status, 200);
    let lines = "path = \"/user/ann/\"\naccess = \"public\"";
    let lab = Lab::builder().route("ann", &origin, lines).start();
    let answer = lab.browser().navigate(&format!("{MAIN}/user/ann")).await;
    assert_eq!((answer.status, answer.location()), (308, "/user/ann/"));
}

#[tokio::test]
async fn a_pattern_of_hosts_is_held_at_both_ends_and_in_any_case() {
    // T18, T61
    let origin = Origin::ok().await;
    let lines = "host = \"*.apps.lab.test\"\naccess = { users = [\"ana\"] }";
    let lab = Lab::builder().route("apps", &origin, lines).start();
    let ask = async |host: &str| {
        let head = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
        lab.raw(head).await.status
    };
    for host in [
        "apps.lab.test",
        "evil-apps.lab.test",
        "xapps.lab.test",
        "a.apps.lab.test.evil.example",
        "a.apps.lab.testx",
        "a.appsxlab.test",
        ".apps.lab.test",
        "*.apps.lab.test",
        "a.apps.lab.test:80@evil.example",
    ] {
        let status = ask(host).await;
        assert!(matches!(status, 400 | 421), "{host}: {status}");
    }
    for host in [
        "a.apps.lab.test",
        "A.APPS.Lab.Test",
        "a.apps.lab.test.",
        "a.apps.lab.test:80",
        "a.b.apps.lab.test",
    ] {
        assert_eq!(ask(host).await, 401, "{host}: the rule of the pattern");
    }
    assert!(origin.seen().is_empty());
    let (_, page) = lab
        .browser()
        .open_as("ana", "http://a.apps.lab.test/")
        .await;
    assert_eq!(page.status, 200);
    assert_eq!(origin.last().headers.all("host"), ["a.apps.lab.test"]);
    let (_, page) = lab
        .browser()
        .open_as("bob", "http://a.apps.lab.test/")
        .await;
    assert_eq!(page.status, 403);
}

#[tokio::test]
async fn a_rule_for_get_is_one_for_get() {
    // T19
    let origin = Origin::ok().await;
    let lines = "host = \"open.lab.test\"\n\
                 access = { networks = [\"127.0.0.0/8\"], methods = [\"GET\"] }";
    let lab = Lab::builder().route("open", &origin, lines).start();
    let stranger = lab.browser();
    for method in [
        "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND", "get", "GETX",
    ] {
        for over in [
            "x-http-method-override",
            "x-http-method",
            "x-method-override",
        ] {
            let request = Request::new(method, OPEN).header(over, "GET");
            let status = stranger.send(request).await.status;
            assert!(
                matches!(status, 400 | 401 | 403),
                "{method} {over}: {status}"
            );
        }
    }
    let head = stranger.begin(&Request::new("HEAD", OPEN)).await;
    let (status, _) = { head }.response_to_head().await;
    assert!(matches!(status, 401 | 403), "HEAD: {status}");
    assert!(origin.seen().is_empty());

    let disguised = Request::new("GET", OPEN).header("x-http-method-override", "DELETE");
    assert_eq!(stranger.send(disguised).await.status, 200);
    assert!(
        !origin.last().raw.contains("DELETE"),
        "{}",
        origin.last().raw
    );
}

#[tokio::test]
async fn nothing_that_looks_like_a_probe_is_let_in() {
    // T20
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let stranger = lab.browser();
    for (name, value) in [
        ("user-agent", "GoogleHC/1.0"),
        ("user-agent", "kube-probe/1.33"),
        ("user-agent", "ELB-HealthChecker/2.0"),
        ("referer", "http://tool.lab.test/"),
        ("referer", "http://lab.test/.labgate/live"),
        ("x-request-id", "health"),
    ] {
        let request = Request::new("GET", TOOL).header(name, value);
        assert_eq!(stranger.send(request).await.status, 401, "{value}");
    }
    for path in [
        "/.labgate/live/",
        "/.labgate/live/x",
        "/.labgate/LIVE",
        "/.labgate/%6cive",
        "/.labgate//live",
        "/x/.labgate/live",
        "/live",
        "/ready",
        "/ping",
        "/healthz",
    ] {
        let answer = stranger.get(&format!("{TOOL}{path}")).await;
        assert!(
            matches!(answer.status, 400 | 401 | 404) && answer.text().trim() != "ok",
            "{path}: {}",
            answer.status
        );
    }
    assert!(origin.seen().is_empty());
    for path in ["/.labgate/live", "/.labgate/ready", "/.labgate/live?x=1"] {
        let answer = stranger.get(&format!("{TOOL}{path}")).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "ok"),
            "{path}"
        );
    }
    assert!(origin.seen().is_empty(), "ours, not the tool's");
}

#[tokio::test]
async fn a_websocket_is_rewritten_like_any_request() {
    // T23
    let origin = Origin::ok().await;
    let lines = "path = \"/tool/\"\nstrip_prefix = true\naccess = \"signed-in\"";
    let lab = Lab::builder().route("tool", &origin, lines).start();
    let ana = lab.sign_in("ana").await;
    ana.plant(MAIN_HOST, "tool", "own");
    let target = format!("{MAIN}/tool/api%2Fx;a/b?q=%2F&&");
    let lie = |request: Request| {
        request
            .header("x-forwarded-prefix", "/evil")
            .header("x-forwarded-user", "mallory")
            .header("x-script-name", "/evil")
    };
    assert_eq!(
        ana.send(lie(Request::new("GET", &target))).await.status,
        200
    );
    let plain = origin.last();
    let handshake = Request::new("GET", &target).handshake(Some(MAIN));
    assert!(ana.upgrade(lie(handshake)).await.is_ok());
    let upgraded = origin.last();
    assert!(upgraded.headers.has("upgrade"));
    for name in [
        "host",
        "cookie",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-prefix",
        "x-forwarded-proto",
        "x-forwarded-user",
        "x-forwarded-groups",
        "x-script-name",
    ] {
        assert_eq!(
            upgraded.headers.all(name),
            plain.headers.all(name),
            "{name}"
        );
    }
    assert_eq!(plain.target, "/api%2Fx;a/b?q=%2F&&");
    assert_eq!(upgraded.target, plain.target);
    assert_eq!(plain.headers.all("x-forwarded-prefix"), ["/tool"]);
    assert_eq!(plain.headers.all("cookie"), ["tool=own"]);
    let bare = Request::new("GET", &format!("{MAIN}/toolx/")).handshake(Some(MAIN));
    assert!(matches!(ana.upgrade(bare).await, Err(answer) if answer.status == 404));
}

/// An answer without what is different in each: date and request id.
fn essence(answer: &Response) -> (u16, String, String) {
    let id = answer.headers.get("x-request-id").unwrap_or_default();
    let mut fields: Vec<_> = answer.headers.0.iter().collect();
    fields.retain(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"));
    (
        answer.status,
        format!("{fields:?}"),
        answer.text().replace(id, "ID"),
    )
}

async fn all_ways(browser: &Browser, path: &str) -> Vec<(u16, String, String)> {
    let url = format!("{MAIN}{path}");
    let mut answers = vec![
        essence(&browser.get(&url).await),
        essence(&browser.navigate(&url).await),
    ];
    let post = Request::new("POST", &url).header("origin", MAIN).body("{}");
    answers.push(essence(&browser.send(post).await));
    let refused = browser.websocket(&url).await.err();
    answers.push(essence(&refused.expect("no WebSocket")));
    let (status, fields) = browser
        .begin(&Request::new("HEAD", &url))
        .await
        .response_to_head()
        .await;
    answers.push((status, fields.has("location").to_string(), String::new()));
    answers
}

#[tokio::test]
async fn what_is_not_bobs_tells_him_nothing_about_it() {
    // T55, as far as routes go: the same with a tool that runs and with one that does not.
    let (running, gone) = (Origin::ok().await, Origin::ok().await);
    let lab = Lab::builder()
        .route(
            "up",
            &running,
            "path = \"/user/alice/\"\ntitle = \"Lab\"\naccess = { users = [\"ana\"] }",
        )
        .route(
            "down",
            &gone,
            "path = \"/user/carol/\"\ntitle = \"Lab\"\naccess = { users = [\"ana\"] }",
        )
        .start();
    drop(gone);
    let (ana, bob) = (lab.sign_in("ana").await, lab.sign_in("bob").await);
    let up = all_ways(&bob, "/user/alice/").await;
    let down = all_ways(&bob, "/user/carol/").await;
    let shown = |ways: Vec<(u16, String, String)>, name: &str| -> Vec<_> {
        let rename = |text: String| text.replace(name, "NAME");
        let rename =
            |(status, fields, text): (u16, String, String)| (status, rename(fields), rename(text));
        ways.into_iter().map(rename).collect()
    };
    assert!(up.iter().all(|(status, ..)| *status == 403), "{up:?}");
    assert_eq!(shown(up, "alice"), shown(down, "carol"));
    assert!(running.seen().is_empty(), "it was not even dialed");

    assert_eq!(ana.get(&format!("{MAIN}/user/alice/")).await.status, 200);
    assert!(ana.websocket(&format!("{MAIN}/user/alice/")).await.is_ok());
    assert_eq!(ana.get(&format!("{MAIN}/user/carol/")).await.status, 502);
}

/// What a script of a page at `from` sends along.
fn by_script(request: Request, from: &str, site: &str) -> Request {
    request
        .header("origin", from)
        .header("sec-fetch-site", site)
        .header("sec-fetch-mode", "cors")
        .header("sec-fetch-dest", "empty")
        .header("accept", "*/*")
}

#[tokio::test]
async fn a_page_of_a_tool_does_nothing_on_the_main_host_or_with_another_tool() {
    // T51, as far as routes go: ana's page, looked at by bob.
    let (anas, bobs) = (Origin::ok().await, Origin::ok().await);
    let lab = Lab::builder()
        .route(
            "ana",
            &anas,
            "host = \"tool.lab.test\"\naccess = \"signed-in\"",
        )
        .route(
            "bob",
            &bobs,
            "host = \"bob.lab.test\"\naccess = { users = [\"bob\"] }",
        )
        .route(
            "path",
            &bobs,
            "path = \"/user/bob/\"\naccess = { users = [\"bob\"] }",
        )
        .start();
    let bob = lab.at_tool("bob").await;
    let (_, page) = bob.open_as("bob", "http://bob.lab.test/").await;
    assert_eq!(page.status, 200);
    let reached = bobs.seen().len();

    for site in ["same-site", "cross-site"] {
        for path in [
            "/.labgate/",
            "/.labgate/sign-in",
            "/.labgate/password",
            "/.labgate/sign-out",
        ] {
            let url = format!("{MAIN}{path}");
            let read = bob
                .send(by_script(Request::new("GET", &url), TOOL, site))
                .await;
            let open = read.headers.has("access-control-allow-origin");
            assert!(!open && !read.text().contains("csrf"), "{site} {path}");
            let post = Request::new("POST", &url).body("csrf=x");
            let post = bob.send(by_script(post, TOOL, site)).await;
            assert_eq!(post.status, 403, "{site} {path}");
        }
        let who = Request::new("GET", &format!("{MAIN}/.labgate/whoami"));
        let who = bob.send(by_script(who, TOOL, site)).await;
        assert!(!who.headers.has("access-control-allow-origin"));
        assert_eq!(
            who.headers.get("cross-origin-resource-policy"),
            Some("same-origin")
        );
        for method in ["GET", "POST"] {
            let request = Request::new(method, "http://bob.lab.test/api");
            let answer = bob.send(by_script(request, TOOL, site)).await;
            assert_eq!(answer.status, 403, "{site} {method}");
        }
        let post = Request::new("POST", &format!("{MAIN}/user/bob/api"));
        assert_eq!(bob.send(by_script(post, TOOL, site)).await.status, 403);
    }
    let socket = Request::new("GET", &format!("{MAIN}/user/bob/")).handshake(Some(TOOL));
    assert!(matches!(bob.upgrade(socket).await, Err(answer) if answer.status == 403));
    let socket = Request::new("GET", "http://bob.lab.test/").handshake(Some(TOOL));
    assert!(matches!(bob.upgrade(socket).await, Err(answer) if answer.status == 403));
    assert_eq!(bobs.seen().len(), reached);
    let still = bob.get(&format!("{MAIN}/.labgate/whoami")).await;
    assert_eq!(still.status, 200, "he was not signed out");

    let own = Request::new("POST", "http://bob.lab.test/api");
    let own = by_script(own, "http://bob.lab.test", "same-origin");
    assert_eq!(bob.send(own).await.status, 200);
}

#[tokio::test]
async fn a_page_on_the_main_host_itself_reads_no_form_of_ours() {
    // T51: in path mode a tool shares our origin; its scripts and frames still get no form.
    let origin = Origin::ok().await;
    let lines = "path = \"/tool/\"\naccess = \"signed-in\"";
    let lab = Lab::builder().route("tool", &origin, lines).start();
    let bob = lab.sign_in("bob").await;
    for path in [
        "/.labgate/",
        "/.labgate/password",
        "/.labgate/sign-in",
        "/.labgate/sign-out",
        "/.labgate/link?code=x",
    ] {
        let url = format!("{MAIN}{path}");
        let script = by_script(Request::new("GET", &url), MAIN, "same-origin");
        let frame = Request::new("GET", &url)
            .header("sec-fetch-site", "same-origin")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "iframe");
        for request in [script, frame] {
            let answer = bob.send(request).await;
            assert_eq!(answer.status, 403, "{path}");
            assert!(!answer.text().contains("csrf"), "{path}");
        }
        let person = bob.navigate(&url).await;
        assert!(
            matches!(person.status, 200 | 303 | 410),
            "{path}: {}",
            person.status
        );
        let policy = person.headers.get("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: T52");
    }
}
