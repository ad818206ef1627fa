//! What a reload and a stop end, and what they leave alone (T37, T81, T91).

use std::collections::BTreeMap;

use futures_util::{SinkExt, StreamExt, future::join_all};
use rustix::process::Signal;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Answer, Browser, GRACE, Lab, Origin, Request,
    browser::WebSocket,
    lab::{MAIN, MAIN_HOST, OPEN, TOOL},
    within,
};

async fn echoes(socket: &mut WebSocket) -> bool {
    if socket.send(Message::text("hello")).await.is_err() {
        return false;
    }
    matches!(
        within("the echo", socket.next()).await,
        Some(Ok(Message::Text(_)))
    )
}

/// The close code that comes, within the time that DESIGN.md allows.
async fn closes(socket: &mut WebSocket) -> Option<u16> {
    let close = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| frame.code.into());
            }
        }
        None
    };
    tokio::time::timeout(GRACE, close).await.expect("it ends")
}

async fn open(browser: &Browser, path: &str, count: usize) -> Vec<WebSocket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let socket = browser.websocket(&format!("{MAIN}{path}")).await;
        sockets.push(socket.unwrap_or_else(|answer| panic!("{path}: {}", answer.status)));
    }
    sockets
}

#[tokio::test]
async fn a_reload_ends_the_tunnels_of_routes_that_are_gone_or_deny_and_no_others() {
    // T81
    let origin = Origin::ok().await;
    let lab = Lab::builder()
        .route("keep", &origin, "path = \"/keep/\"\naccess = \"signed-in\"")
        .route("gone", &origin, "path = \"/gone/\"\naccess = \"signed-in\"")
        .route(
            "deny",
            &origin,
            "path = \"/deny/\"\naccess = { users = [\"ana\", \"bob\"] }",
        )
        .start();
    let (ana, bob) = (lab.sign_in("ana").await, lab.sign_in("bob").await);
    let mut kept = open(&bob, "/keep/", 120).await;
    kept.extend(open(&ana, "/deny/", 20).await);
    let mut ended = open(&bob, "/gone/", 30).await;
    ended.extend(open(&bob, "/deny/", 30).await);
    let poll = Request::new("GET", &format!("{MAIN}/keep/"));
    assert_eq!(bob.send(poll).await.status, 200);

    lab.reload(|text| {
        text.replace("path = \"/gone/\"", "path = \"/elsewhere/\"")
            .replace("name = \"gone\"", "name = \"other\"")
            .replace("users = [\"ana\", \"bob\"]", "users = [\"ana\"]")
    })
    .await;

    let codes = join_all(ended.iter_mut().map(closes)).await;
    let mut counted = BTreeMap::new();
    for code in codes {
        *counted.entry(code).or_insert(0) += 1;
    }
    assert_eq!(counted, BTreeMap::from([(Some(1001), 60)]));
    let alive = join_all(kept.iter_mut().map(echoes)).await;
    assert_eq!(alive.iter().filter(|alive| **alive).count(), 140);
    for path in ["/gone/", "/deny/"] {
        let again = bob.websocket(&format!("{MAIN}{path}")).await;
        assert!(
            matches!(again, Err(answer) if matches!(answer.status, 403 | 404)),
            "{path}"
        );
    }
    assert!(bob.websocket(&format!("{MAIN}/keep/")).await.is_ok());
}

#[tokio::test]
async fn a_reload_that_removes_or_regroups_a_user_ends_what_they_opened() {
    // T37
    let origin = Origin::answering(|seen| match seen.target.as_str() {
        "/poll" => Answer::Hold,
        _ if seen.headers.has("upgrade") => Answer::WebSocket(String::new()),
        _ => Answer::text("ok"),
    })
    .await;
    for (from, to) in [
        ("{ name = \"ana\", password", "{ name = \"anna\", password"),
        ("groups = [\"analysts\"]", "groups = [\"visitors\"]"),
    ] {
        let lab = Lab::with_tool(&origin);
        let (ana, bob) = (lab.at_tool("ana").await, lab.at_tool("bob").await);
        let cookie = ana.session_cookie(MAIN_HOST);
        let mut anas = ana.websocket(TOOL).await.unwrap();
        let mut bobs = bob.websocket(TOOL).await.unwrap();
        let url = format!("{TOOL}/poll");
        let before = origin.seen().len();
        let mut poll = ana.begin(&Request::new("GET", &url)).await;
        origin.until("the poll", |seen| seen.len() > before).await;

        lab.reload(|text| text.replace(from, to)).await;

        assert_eq!(closes(&mut anas).await, Some(1008), "{to}");
        let waited = tokio::time::timeout(GRACE, poll.response()).await;
        assert_eq!(waited.expect("it ends").status, 401, "{to}");
        let head =
            format!("GET /.labgate/whoami HTTP/1.1\r\nhost: lab.test\r\ncookie: {cookie}\r\n\r\n");
        assert_eq!(lab.raw(head).await.status, 401, "{to}");
        assert!(echoes(&mut bobs).await, "{to}: bob is who he was");
    }
}

#[tokio::test]
async fn a_stop_lets_finish_what_is_under_way_and_ends_tunnels_at_its_limit() {
    // T91
    let (release, released) = tokio::sync::mpsc::channel(1);
    let released = std::sync::Mutex::new(Some(released));
    let origin = Origin::answering(move |seen| match seen.target.as_str() {
        "/slow" => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n".to_vec();
            let pieces = released.lock().unwrap().take().unwrap();
            Answer::Stream(head, pieces)
        }
        _ if seen.headers.has("upgrade") => Answer::WebSocket(String::new()),
        _ => Answer::text("ok"),
    })
    .await;
    let lab = Lab::builder()
        .open(&origin)
        .config("[limits]\ndrain_timeout = \"3s\"")
        .start();
    let browser = lab.browser();
    let mut socket = browser.websocket(OPEN).await.unwrap();
    assert!(echoes(&mut socket).await);
    let mut slow = browser
        .begin(&Request::new("GET", &format!("{OPEN}/slow")))
        .await;
    release.send(b"half".to_vec()).await.unwrap();
    slow.comes("half").await;

    let begun = std::time::Instant::now();
    lab.signal(Signal::TERM);
    let (address, deadline) = (lab.address(), begun + crate::support::DEADLINE);
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "nobody new is let in");
    }

    assert!(echoes(&mut socket).await, "not at once");
    release.send(b"half".to_vec()).await.unwrap();
    let answer = slow.response().await;
    assert_eq!((answer.text().as_str(), answer.whole), ("halfhalf", true));
    let code = within("the end of the tunnel", async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => break frame.map(|f| u16::from(f.code)),
                Some(Ok(_)) => {}
                _ => break None,
            }
        }
    });
    assert_eq!(code.await, Some(1001));
    assert!(begun.elapsed().as_secs() >= 2, "{:?}", begun.elapsed());
    let output = lab.stop();
    assert!(output.contains("\"status\":200"), "{output}");
}
