//! Where requests go: over https to whom we can trust, and to several tools for one.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Answer, Lab, Origin, Request,
    certs::Authority,
    lab::{OPEN, TOOL},
    within,
};

const TO_ALL: &str = "host = \"open.lab.test\"\naccess = \"public\"";

/// A lab with one route at [`OPEN`] to these upstreams. One worker, so that one memory decides.
fn open_to(upstreams: &[String]) -> Lab {
    let route = format!(
        "[server]\nworkers = 1\n[[route]]\nname = \"open\"\nupstream = {upstreams:?}\n{TO_ALL}"
    );
    Lab::builder().config(&route).start()
}

/// An address where nobody listens.
async fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn an_https_upstream_with_an_authority_of_its_own_is_reached() {
    let authority = Authority::new();
    let origin = Origin::secure(authority.server("localhost")).await;
    let builder = Lab::builder();
    authority.publish(builder.folder(), "ca.pem");
    // Relative to the file that names it.
    let lines = format!("{TO_ALL}\nupstream_ca = \"ca.pem\"");
    let lab = builder.route("open", &origin, &lines).start();

    let browser = lab.browser();
    for path in ["/a", "/b"] {
        let answer = browser.get(&format!("{OPEN}{path}")).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
    let upload = Request::new("POST", OPEN).body("precious");
    assert_eq!(browser.send(upload).await.status, 200);

    let seen = origin.last();
    assert_eq!(seen.body, b"precious");
    assert_eq!(seen.headers.get("host"), Some("open.lab.test"));
    let logged = format!("\"upstream\":\"{}\"", origin.upstream());
    let output = lab.stop();
    assert!(output.contains(&logged), "{logged}: {output}");
}

#[tokio::test]
async fn the_systems_authorities_count_where_the_route_has_none() {
    let authority = Authority::new();
    let origin = Origin::secure(authority.server("localhost")).await;
    let builder = Lab::builder();
    authority.publish(builder.folder(), "system.pem");
    let system = builder.folder().join("system.pem");
    let lab = builder
        .route("open", &origin, TO_ALL)
        .env("SSL_CERT_FILE", system.to_str().unwrap())
        .start();
    assert_eq!(lab.browser().get(OPEN).await.status, 200);
}

#[tokio::test]
async fn an_upstream_that_cannot_show_who_it_is_gets_nothing() {
    let (ours, other) = (Authority::new(), Authority::new());
    for (server, why) in [
        (other.server("localhost"), "invalid peer certificate"),
        (ours.server("other.test"), "not valid for name"),
    ] {
        let origin = Origin::secure(server).await;
        let builder = Lab::builder();
        ours.publish(builder.folder(), "ca.pem");
        let lines = format!("{TO_ALL}\nupstream_ca = \"ca.pem\"");
        let lab = builder.route("open", &origin, &lines).start();

        let answer = lab.browser().get(&format!("{OPEN}/secret")).await;
        assert_eq!(answer.status, 502);
        assert!(
            answer.text().contains("tool_untrusted"),
            "{}",
            answer.text()
        );
        assert!(lab.browser().websocket(OPEN).await.is_err());

        assert!(origin.seen().is_empty());
        let output = lab.stop();
        let line = output
            .lines()
            .find(|line| line.contains("/secret"))
            .unwrap();
        for part in ["TLS handshake with localhost:", why] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}

#[tokio::test]
async fn a_websocket_passes_through_an_https_upstream() {
    let authority = Authority::new();
    let origin = Origin::secure(authority.server("localhost")).await;
    let builder = Lab::builder();
    authority.publish(builder.folder(), "ca.pem");
    let lines = "host = \"tool.lab.test\"\naccess = \"signed-in\"\nupstream_ca = \"ca.pem\"";
    let lab = builder.route("tool", &origin, lines).start();
    let ana = lab.at_tool("ana").await;

    let mut socket = ana.websocket(TOOL).await.unwrap();
    for size in [1, 1 << 20] {
        let message = Message::Binary(vec![7; size].into());
        let (mut write, mut read) = (&mut socket).split();
        let (sent, echoed) = tokio::join!(
            within("sending", write.send(message.clone())),
            within("the echo", read.next()),
        );
        sent.unwrap();
        assert!(echoed.unwrap().unwrap() == message, "{size} bytes");
    }
    socket.send(Message::text("abort")).await.unwrap();
    let end = within("the end", socket.next()).await;
    assert!(matches!(end, Some(Err(_))), "an abort stays one: {end:?}");
}

#[tokio::test]
async fn two_upstreams_share_the_requests() {
    let (first, second) = (Origin::ok().await, Origin::ok().await);
    let lab = open_to(&[first.upstream(), second.upstream()]);
    let browser = lab.browser();
    for _ in 0..10 {
        assert_eq!(browser.get(OPEN).await.status, 200);
    }
    assert_eq!((first.seen().len(), second.seen().len()), (5, 5));
    let output = lab.stop();
    for origin in [first, second] {
        let logged = format!("\"upstream\":\"{}\"", origin.upstream());
        assert_eq!(output.matches(&logged).count(), 5, "{output}");
    }
}

#[tokio::test]
async fn one_dead_upstream_fails_no_request() {
    let alive = Origin::ok().await;
    let dead = nowhere().await;
    let lab = open_to(&[format!("http://{dead}"), alive.upstream()]);
    let browser = lab.browser();
    for number in 0..20 {
        let method = if number % 2 == 0 { "GET" } else { "POST" };
        let request = Request::new(method, OPEN).body("precious");
        assert_eq!(browser.send(request).await.status, 200);
    }
    assert!(browser.websocket(OPEN).await.is_ok());
    let seen = alive.seen();
    assert_eq!(seen.len(), 21);
    assert!(seen[..20].iter().all(|request| request.body == b"precious"));
    let output = lab.stop();
    assert!(output.contains("an upstream is put aside"), "{output}");
}

#[tokio::test]
async fn dead_upstreams_are_found_again_when_they_are_back() {
    let (first, second) = (nowhere().await, nowhere().await);
    let lab = open_to(&[format!("http://{first}"), format!("http://{second}")]);
    let browser = lab.browser();
    for _ in 0..3 {
        assert_eq!(browser.get(OPEN).await.status, 502);
    }
    let back = Origin::at(second, |_| Answer::text("back")).await;
    for _ in 0..3 {
        assert_eq!(browser.get(OPEN).await.text(), "back");
    }
    drop(back);
    let output = lab.stop();
    assert!(output.contains("an upstream is back"), "{output}");
}
