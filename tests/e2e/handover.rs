//! The one-time code that carries a session from the main host to a tool's host (T94).

use std::time::Duration;

use crate::support::{
    Browser, Lab, Origin,
    browser::resolve,
    lab::{MAIN_HOST, TOOL, TOOL_HOST},
};

/// Follows redirects from `url` up to the one that carries a code, without redeeming it.
async fn code_for(browser: &Browser, url: &str) -> String {
    let mut at = url.to_owned();
    for _ in 0..6 {
        let answer = browser.navigate(&at).await;
        assert_eq!(answer.status, 303, "{at}: {}", answer.text());
        at = resolve(&at, answer.location());
        if at.contains("/.labgate/enter?") {
            return at;
        }
    }
    panic!("no code on the way to {url}");
}

/// Whether `browser` got into the tool's host by `url`.
async fn entered(browser: &Browser, url: &str) -> bool {
    let answer = browser.navigate(url).await;
    assert!(
        matches!(answer.status, 200 | 303 | 400 | 403 | 410),
        "{}",
        answer.status
    );
    let cookies = browser.cookies(TOOL_HOST, "/");
    cookies
        .split("; ")
        .any(|cookie| cookie.starts_with("labgate="))
}

fn lab(origin: &Origin) -> Lab {
    Lab::builder()
        .tool(origin)
        .route(
            "other",
            origin,
            "host = \"other.lab.test\"\naccess = \"signed-in\"",
        )
        .start()
}

#[tokio::test]
async fn a_code_lets_its_own_browser_in_once() {
    // T94
    let origin = Origin::ok().await;
    let lab = lab(&origin);
    let ana = lab.sign_in("ana").await;
    let url = code_for(&ana, &format!("{TOOL}/deep?x=%2B")).await;

    let answer = ana.navigate(&url).await;

    assert_eq!(answer.status, 303);
    assert_eq!(
        resolve(&url, answer.location()),
        format!("{TOOL}/deep?x=%2B")
    );
    let cookie = ana.session_cookie(TOOL_HOST);
    assert_ne!(
        cookie,
        ana.session_cookie(MAIN_HOST),
        "each host has a cookie of its own"
    );
    assert_eq!(ana.get(TOOL).await.status, 200);

    let again = ana.navigate(&url).await;
    assert!(
        again
            .headers
            .all("set-cookie")
            .iter()
            .all(|line| !line.starts_with("labgate=") || line.starts_with("labgate=;")),
        "a used code gives nothing: {:?}",
        again.headers.all("set-cookie")
    );
}

#[tokio::test]
async fn a_code_is_worthless_in_another_browser() {
    // T94: stolen, and planted by an attacker who wants the victim signed in as himself
    let origin = Origin::ok().await;
    let lab = lab(&origin);
    let bob = lab.sign_in("bob").await;
    let url = code_for(&bob, &format!("{TOOL}/")).await;

    assert!(!entered(&lab.browser(), &url).await, "without the nonce");

    let url = code_for(&bob, &format!("{TOOL}/")).await;
    let victim = lab.sign_in("ana").await;
    code_for(&victim, &format!("{TOOL}/")).await;
    assert!(!entered(&victim, &url).await, "with a nonce of her own");
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn a_code_is_worthless_for_another_host() {
    // T94
    let origin = Origin::ok().await;
    let lab = lab(&origin);
    let ana = lab.sign_in("ana").await;
    let url = code_for(&ana, &format!("{TOOL}/")).await;
    // The nonce that the other host has set, so that only the code is wrong.
    code_for(&ana, "http://other.lab.test/").await;

    let elsewhere = url.replace(TOOL_HOST, "other.lab.test");
    let answer = ana.navigate(&elsewhere).await;

    assert_ne!(answer.status, 200);
    assert!(
        !ana.cookies("other.lab.test", "/")
            .split("; ")
            .any(|c| c.starts_with("labgate="))
    );
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn a_code_leads_only_where_it_was_made_for() {
    // T94: the path is bound to the code, whatever else stands in the address
    let origin = Origin::ok().await;
    let lab = lab(&origin);
    for further in ["&return=/evil", "&return=//evil.example/", "&path=/evil"] {
        let ana = lab.sign_in("ana").await;
        let url = code_for(&ana, &format!("{TOOL}/deep")).await + further;
        let answer = ana.navigate(&url).await;
        if answer.status == 303 {
            assert!(!answer.location().contains("evil"), "{}", answer.location());
        }
    }
}

#[tokio::test]
async fn a_code_dies_with_its_session() {
    // T94: the parent session
    let origin = Origin::ok().await;
    let lab = lab(&origin);
    let ana = lab.sign_in("ana").await;
    let url = code_for(&ana, &format!("{TOOL}/")).await;

    ana.sign_out().await;

    assert!(!entered(&ana, &url).await);
}

#[tokio::test]
#[ignore = "waits half a minute; scripts/test --all runs it"]
async fn a_code_is_worthless_after_half_a_minute() {
    // T94
    let origin = Origin::ok().await;
    let lab = lab(&origin);
    let ana = lab.sign_in("ana").await;
    let url = code_for(&ana, &format!("{TOOL}/")).await;

    tokio::time::sleep(Duration::from_secs(31)).await;

    assert!(!entered(&ana, &url).await);
}
