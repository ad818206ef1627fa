//! Where a sign-in leads back to, and where a tool's redirects lead (T24, T26, T28, T87).

use crate::support::{
    Answer, Lab, Origin,
    browser::encode,
    lab::{MAIN, PASSWORD, TOOL},
};

/// Targets that look as if they stayed here, and do not (or say nothing sensible).
fn evil_targets() -> Vec<String> {
    let hosts = [
        "evil.example",
        "lab.test.evil.example",
        "evillab.test",
        "lab.test@evil.example",
    ];
    let starts = [
        "//",
        "///",
        "////",
        "/\\",
        "\\\\",
        "\\/",
        "/\\/",
        "/\t/",
        "/\r/",
        "/\n/",
        "/\u{b}/",
        "\t//",
        " //",
        "/./\\",
        "/.//",
        "/..//",
        "/x/..//",
        "https:",
        "https:/",
        "https://",
        "http:///",
        "HTTPS://",
        "ftp://",
        "http:\\\\",
        "http://lab.test@",
        "http://lab.test:80@",
        "//lab.test@",
        "javascript:alert(1)//",
        "data:text/html,",
        "/%09/",
        "/%5c",
        "/%2f/",
        "http://lab.test:81/",
    ];
    let joined = starts
        .iter()
        .flat_map(|start| hosts.iter().map(move |host| format!("{start}{host}")));
    joined
        .chain([
            format!("/{}", "a".repeat(100_000)),
            "evil.example".to_owned(),
            "x".to_owned(),
        ])
        .collect()
}

/// Whether a browser on the main host that follows `location` stays at our own addresses.
fn stays(location: &str) -> bool {
    let path = location.strip_prefix(MAIN).unwrap_or(location);
    let bytes = path.as_bytes();
    bytes.first() == Some(&b'/')
        && !matches!(bytes.get(1), Some(b'/' | b'\\'))
        && !path.contains(['\\', '\t', '\r', '\n'])
        && !path.contains("/./")
        && !path.contains("/../")
        && path.len() < 10_000
}

#[tokio::test]
async fn a_sign_in_never_leads_to_another_site() {
    // T24
    let lab = Lab::builder().start();
    let browser = lab.browser();
    for (count, target) in evil_targets().iter().enumerate() {
        let url = format!("{MAIN}/.labgate/sign-in?return={}", encode(target));
        let page = browser.navigate(&url).await;
        if page.status == 303 {
            assert!(
                stays(page.location()),
                "{target:?} leads to {}",
                page.location()
            );
            continue;
        }
        assert!(
            matches!(page.status, 200 | 400 | 414 | 431),
            "{target:?}: {}",
            page.status
        );
        // A password hash takes its time: the form itself for every tenth.
        if page.status == 200 && count % 10 == 0 {
            let fresh = lab.browser();
            let answer = fresh.submit_sign_in(&url, "ana", PASSWORD).await;
            assert_eq!(answer.status, 303, "{target:?}");
            assert!(
                stays(answer.location()),
                "{target:?} leads to {}",
                answer.location()
            );
        }
    }
}

#[tokio::test]
async fn a_target_in_the_posted_form_is_checked_again() {
    // T24
    let lab = Lab::builder().start();
    for target in [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
    ] {
        let browser = lab.browser();
        let page = browser.navigate(&format!("{MAIN}/.labgate/sign-in")).await;
        let mut form = crate::support::browser::hidden_fields(&page.text());
        form.retain(|(name, _)| name != "return");
        form.extend(
            [
                ("return", target),
                ("username", "ana"),
                ("password", PASSWORD),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let answer = browser
            .submit(&format!("{MAIN}/.labgate/sign-in"), &form)
            .await;
        assert_eq!(answer.status, 303, "{target:?}");
        assert!(
            stays(answer.location()),
            "{target:?} leads to {}",
            answer.location()
        );
    }
}

#[tokio::test]
async fn a_tools_redirect_leads_to_its_public_address() {
    // T26
    let origin = Origin::answering(|seen| {
        let host = seen.headers.get("host").unwrap_or_default().to_owned();
        let own = seen
            .headers
            .get("x-own-address")
            .unwrap_or_default()
            .to_owned();
        let to = seen.headers.get("x-redirect").unwrap_or_default();
        let to = to.replace("OWN", &own).replace("HOST", &host);
        Answer::status("302 Found", &format!("location: {to}\r\n"), "")
    })
    .await;
    let lines = "path = \"/tool/\"\nstrip_prefix = true\naccess = \"public\"";
    let lab = Lab::builder().route("tool", &origin, lines).start();
    let browser = lab.browser();
    let own = origin.upstream();
    let cases = [
        ("OWN/x?y=z", "/tool/x?y=z"),
        ("OWN", "/tool/"),
        ("http://HOST/x", "/tool/x"),
        ("/x", "/tool/x"),
        ("/", "/tool/"),
        ("x/y", "x/y"),
        ("?page=2", "?page=2"),
        (
            "https://accounts.example/authorize?x=/y",
            "https://accounts.example/authorize?x=/y",
        ),
        ("//evil.example/x", "//evil.example/x"),
    ];
    for (said, public) in cases {
        let request = crate::support::Request::new("GET", &format!("{MAIN}/tool/here"))
            .header("x-redirect", said)
            .header("x-own-address", &own);
        let answer = browser.send(request).await;
        assert_eq!(answer.status, 302, "{said}");
        let location = answer.location();
        assert_eq!(
            location.strip_prefix(MAIN).unwrap_or(location),
            public,
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_fragment_survives_the_sign_in_form() {
    // T28: browsers keep it over redirects; a page that adds it to the form finds it again.
    let origin = Origin::ok().await;
    let lab = Lab::builder()
        .route("tool", &origin, "path = \"/tool/\"\naccess = \"signed-in\"")
        .start();

    let target = "/tool/doc#section-2";
    let url = format!("{MAIN}/.labgate/sign-in?return={}", encode(target));
    let answer = lab.browser().submit_sign_in(&url, "ana", PASSWORD).await;

    assert_eq!(answer.status, 303);
    let location = answer.location();
    assert_eq!(location.strip_prefix(MAIN).unwrap_or(location), target);
}

/// Paths and queries that decode to something else than they are.
const DEEP: [&str; 7] = [
    "/a%2520b",
    "/x?u=a%26b%3Dc",
    "/caf%C3%A9",
    "/a%2Fb;c=d+e?x=+&y=%2B",
    "/x?next=https://elsewhere.example/%3Fa%3Db",
    "/deep//er/?",
    "/x?return=/evil&csrf=1",
];

#[tokio::test]
async fn a_deep_link_comes_back_byte_for_byte_on_the_main_host() {
    // T87
    let origin = Origin::ok().await;
    let lab = Lab::builder()
        .route("tool", &origin, "path = \"/tool\"\naccess = \"signed-in\"")
        .start();
    for target in DEEP {
        let url = format!("{MAIN}/tool{target}");
        let (at, page) = lab.browser().open_as("ana", &url).await;
        assert_eq!((at.as_str(), page.status), (url.as_str(), 200));
        assert_eq!(origin.last().target, format!("/tool{target}"));
    }
}

#[tokio::test]
async fn a_deep_link_comes_back_byte_for_byte_on_a_tools_host() {
    // T87
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    for target in DEEP {
        let url = format!("{TOOL}{target}");
        let (at, page) = lab.browser().open_as("ana", &url).await;
        assert_eq!((at.as_str(), page.status), (url.as_str(), 200));
        assert_eq!(origin.last().target, target);
    }
}

#[tokio::test]
async fn signing_out_leads_nowhere_but_to_our_own_page() {
    // T25
    let lab = Lab::builder().start();
    for (count, target) in evil_targets()
        .iter()
        .enumerate()
        .filter(|(n, target)| n % 12 == 0 && target.len() < 2000)
    {
        let ana = lab.sign_in("ana").await;
        let query = format!(
            "?return={0}&next={0}&rd={0}&post_logout_redirect_uri={0}",
            encode(target)
        );
        let url = format!("{MAIN}/.labgate/sign-out{query}");
        let page = ana.navigate(&url).await;
        assert_eq!(page.status, 200, "{count}: GET asks first");
        assert!(!page.text().contains("evil"), "{target:?}: {}", page.text());
        let mut form = crate::support::browser::hidden_fields(&page.text());
        form.push(("return".into(), target.clone()));
        let answer = ana.submit(&url, &form).await;
        assert_eq!(
            (answer.status, answer.location()),
            (303, "/.labgate/sign-out")
        );
        let who = ana.get(&format!("{MAIN}/.labgate/whoami")).await;
        assert_eq!(who.status, 401);
    }
}

#[tokio::test]
async fn a_background_request_is_never_where_we_return_to() {
    // T27
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let stranger = lab.browser();
    for (dest, mode) in [
        ("empty", "cors"),
        ("script", "no-cors"),
        ("image", "no-cors"),
        ("manifest", "cors"),
    ] {
        let request =
            crate::support::Request::new("GET", &format!("{TOOL}/static/resource.json?x=1"))
                .header("sec-fetch-dest", dest)
                .header("sec-fetch-mode", mode)
                .header("sec-fetch-site", "same-origin");
        let answer = stranger.send(request).await;
        assert_eq!(answer.status, 401, "{dest}");
        assert!(
            !answer.headers.has("location") && !answer.headers.has("set-cookie"),
            "{dest}"
        );
        let text = answer.text();
        assert!(
            text.contains("\"sign_in\"") && !text.contains("resource"),
            "{dest}: {text}"
        );
    }
    // A page that is opened after it comes back to itself.
    let (at, page) = stranger.open_as("ana", &format!("{TOOL}/lab")).await;
    assert_eq!((at, page.status), (format!("{TOOL}/lab"), 200));
    assert!(
        !origin
            .seen()
            .iter()
            .any(|seen| seen.target.contains("resource"))
    );
}

#[tokio::test]
async fn what_a_tool_says_of_its_inner_address_never_comes_out() {
    // T26, by the addresses that tools are known to write
    let origin = Origin::answering(|seen| {
        let to = seen.headers.get("x-redirect").unwrap_or_default();
        Answer::status("302 Found", &format!("location: {to}\r\n"), "")
    })
    .await;
    let lines = "path = \"/tool/\"\nstrip_prefix = true\naccess = \"public\"";
    let lab = Lab::builder().route("tool", &origin, lines).start();
    let port = origin.upstream();
    let port = port.rsplit(':').next().unwrap();
    for (said, public) in [
        (format!("http://localhost:{port}/x"), "/tool/x"),
        (format!("https://127.0.0.1:{port}/x"), "/tool/x"),
        (format!("http://[::1]:{port}/x"), "/tool/x"),
        (format!("http://0.0.0.0:{port}/x"), "/tool/x"),
        ("//evil.example/tool/x".to_owned(), "//evil.example/tool/x"),
        (r"/\evil.example".to_owned(), r"/\evil.example"),
        (
            "https://evil.example/tool/x".to_owned(),
            "https://evil.example/tool/x",
        ),
    ] {
        let request = crate::support::Request::new("GET", &format!("{MAIN}/tool/"))
            .header("x-redirect", &said);
        let answer = lab.browser().send(request).await;
        let location = answer.location();
        assert_eq!(
            location.strip_prefix(MAIN).unwrap_or(location),
            public,
            "{said}"
        );
    }
}
