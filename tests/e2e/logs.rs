//! Logs say what happened and keep every secret (T82).

use crate::support::{
    Lab, Origin, Request,
    lab::{MAIN, MAIN_HOST, PASSWORD, TOOL, TOOL_HOST},
};

#[tokio::test]
async fn no_secret_stands_in_any_log_at_any_level() {
    // T82
    let origin = Origin::ok().await;
    let lines = "host = \"tool.lab.test\"\napp = \"jupyter\"\naccess = \"signed-in\"\n\
                 token = { env = \"JUPYTER_TOKEN\" }";
    let lab = Lab::builder()
        .route("tool", &origin, lines)
        .env("JUPYTER_TOKEN", "s3cret-jupyter-token")
        .env("LABGATE_LOG", "trace")
        .start();
    let browser = lab.browser();
    let sign_in = format!("{MAIN}/.labgate/sign-in");
    let refused = browser
        .submit_sign_in(&sign_in, "ana", "s3cret-wrong-password")
        .await;
    assert!(
        !refused
            .headers
            .all("set-cookie")
            .iter()
            .any(|line| line.starts_with("labgate="))
    );
    let (_, page) = browser
        .open_as("ana", &format!("{TOOL}/lab?q=s3cret-query"))
        .await;
    assert_eq!(page.status, 200);
    let request = Request::new(
        "POST",
        &format!("{TOOL}/x?token=s3cret-url-token&q=s3cret-query"),
    )
    .header("authorization", "Bearer s3cret-bearer")
    .header("cookie", "tool=s3cret-tool-cookie")
    .header("x-own", "s3cret-own-header")
    .body("s3cret-body");
    browser.send(request).await;
    drop(
        browser
            .websocket(&format!("{TOOL}/socket?token=s3cret-url-token"))
            .await,
    );
    let other_site = Request::new("POST", &format!("{TOOL}/x?token=s3cret-url-token"))
        .header("origin", "http://evil.example/?s3cret-query")
        .body("s3cret-body");
    assert_eq!(browser.send(other_site).await.status, 403);
    let cookies = [MAIN_HOST, TOOL_HOST].map(|host| browser.session_cookie(host));
    lab.raw("GET /s3cret HTTP/1.1\r\nhost: x\r\nauthorization: s3cret-bearer\r\n\n\r\n")
        .await;
    browser.sign_out().await;

    let output = lab.stop();

    let cookies = cookies
        .iter()
        .map(|cookie| cookie.split_once('=').unwrap().1);
    for secret in cookies.chain([
        PASSWORD,
        "s3cret-wrong-password",
        "s3cret-jupyter-token",
        "s3cret-query",
        "s3cret-url-token",
        "s3cret-bearer",
        "s3cret-tool-cookie",
        "s3cret-own-header",
        "s3cret-body",
    ]) {
        let found = output.lines().find(|line| line.contains(secret));
        assert_eq!(found, None, "{secret} stands in the log");
    }
    assert!(output.contains("/lab"), "requests are logged: {output}");
    for event in [
        "handed-over",
        "refused",
        "session-ended",
        "sign-in-failed",
        "signed-in",
        "tunnel-closed",
        "tunnel-opened",
    ] {
        let line = format!("\"target\":\"audit\",\"message\":\"{event}\"");
        assert!(output.contains(&line), "{event} is told: {output}");
    }
}

#[tokio::test]
async fn each_request_is_one_event_with_who_what_and_where() {
    // STYLE.md 7
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let answer = ana.get(&format!("{TOOL}/find/me?not=this")).await;
    let id = answer.headers.get("x-request-id").map(str::to_owned);
    let id = id
        .or_else(|| origin.last().headers.get("x-request-id").map(str::to_owned))
        .unwrap();

    let output = lab.stop();

    let events: Vec<&str> = output.lines().filter(|line| line.contains(&id)).collect();
    let [event] = events[..] else {
        panic!("one event has the id {id}: {events:?}");
    };
    for part in [
        "\"user\":\"ana\"",
        "\"route\":\"tool\"",
        "\"status\":200",
        "elapsed_ms",
        "127.0.0.1",
    ] {
        assert!(event.contains(part), "{part}: {event}");
    }
    assert!(!event.contains("not=this"), "{event}");
}
