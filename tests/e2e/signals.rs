//! What a running server does at a signal: SIGHUP, SIGTERM, SIGINT (T81, T91).

use futures_util::{SinkExt, StreamExt};
use rustix::process::Signal;
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use crate::support::{
    Answer, Browser, Lab, Origin,
    browser::WebSocket,
    lab::{OPEN, TOOL},
    within,
};

async fn next(socket: &mut WebSocket) -> Message {
    let message = within("a message", socket.next()).await;
    message.expect("a message").unwrap()
}

/// So many sockets of this host.
async fn open(browser: &Browser, origin: &str, count: usize) -> Vec<WebSocket> {
    let mut open = Vec::new();
    for _ in 0..count {
        let socket = browser.websocket(&format!("{origin}/socket")).await;
        open.push(socket.unwrap());
    }
    open
}

#[tokio::test]
async fn a_reload_ends_the_websockets_of_what_is_gone_or_denied_and_no_others() {
    // T81
    let origin = Origin::answering(|seen| match seen.target.as_str() {
        "/socket" => Answer::WebSocket(String::new()),
        _ => Answer::text("ok"),
    })
    .await;
    let upstream = origin.upstream();
    let lab = Lab::builder()
        .tool(&origin)
        .open(&origin)
        .config(&format!(
            "[[route]]\nname = \"gone\"\nhost = \"gone.lab.test\"\naccess = \"public\"\n\
             upstream = \"{upstream}\""
        ))
        .start();
    let (ana, bob) = (lab.at_tool("ana").await, lab.at_tool("bob").await);
    let mut kept = open(&lab.browser(), OPEN, 70).await;
    kept.extend(open(&bob, TOOL, 30).await);
    let mut ended = open(&ana, TOOL, 50).await;
    ended.extend(open(&lab.browser(), "http://gone.lab.test", 50).await);

    lab.reconfigure("[[route]]\nname = \"tool\"\naccess = { users = [\"bob\"] }")
        .await;
    for socket in &mut ended {
        let Message::Close(Some(frame)) = next(socket).await else {
            panic!("a close frame");
        };
        assert_eq!(frame.code, CloseCode::Away);
    }
    for socket in &mut kept {
        socket.send(Message::text("still here")).await.unwrap();
        assert_eq!(next(socket).await, Message::text("still here"));
    }
}

#[tokio::test]
async fn reloads_without_end_lose_no_request() {
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).start();
    let mut connection = lab.connect().await;
    for _ in 0..100 {
        lab.signal(Signal::HUP);
        connection
            .send("GET / HTTP/1.1\r\nhost: open.lab.test\r\n\r\n")
            .await;
        assert_eq!(connection.response().await.status, 200);
    }
    assert_eq!(origin.seen().len(), 100);
    lab.says("configuration reloaded", 1).await;
}

#[tokio::test]
async fn a_second_signal_to_stop_ends_at_once_what_the_first_would_wait_for() {
    for (first, second) in [
        (Signal::TERM, Signal::TERM),
        (Signal::INT, Signal::INT),
        (Signal::TERM, Signal::INT),
    ] {
        let origin = Origin::answering(|_| Answer::Hold).await;
        let lab = Lab::builder()
            .open(&origin)
            .config("[limits]\ndrain_timeout = \"1h\"")
            .start();
        let mut waits = lab.connect().await;
        waits
            .send("GET / HTTP/1.1\r\nhost: open.lab.test\r\n\r\n")
            .await;
        origin.until("the request", |seen| seen.len() == 1).await;
        lab.signal(first);
        lab.says("stopping", 1).await;
        // It answers no reload any more.
        lab.signal(Signal::HUP);
        lab.signal(second);
        assert_eq!(lab.ends().await, Some(1));
        assert_eq!(waits.ends().await, b"");
    }
}
