//! Upgraded connections (T79, T80, T84, T85).

use futures_util::{SinkExt, StreamExt};
use rustix::process::{Resource, Rlimit};
use tokio_tungstenite::tungstenite::{Bytes, Message, protocol::CloseFrame};

use crate::support::{
    Answer, Lab, Origin, Request,
    browser::WebSocket,
    lab::{MAIN_HOST, TOOL},
    within,
};

async fn next(socket: &mut WebSocket) -> Option<Message> {
    within("a message", socket.next()).await?.ok()
}

#[tokio::test]
async fn a_tool_that_refuses_a_handshake_is_heard() {
    // T79, T85
    let origin = Origin::answering(|seen| match seen.target.as_str() {
        "/200" => Answer::status("200 OK", "", "no socket here"),
        "/403" => Answer::status("403 Forbidden", "x-why: because\r\n", "not you"),
        "/404" => Answer::status("404 Not Found", "", "nothing"),
        "/500" => Answer::status("500 Internal Server Error", "", "broken"),
        _ => Answer::text("ok"),
    })
    .await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let cookie = ana.session_cookie("tool.lab.test");
    let cases = [
        (200, "no socket here"),
        (403, "not you"),
        (404, "nothing"),
        (500, "broken"),
    ];
    for (status, body) in cases {
        let answer = ana
            .websocket(&format!("{TOOL}/{status}"))
            .await
            .expect_err("no tunnel");
        assert_eq!((answer.status, answer.text().as_str()), (status, body));
        if status == 403 {
            assert_eq!(answer.headers.all("x-why"), ["because"]);
        }
        // No tunnel: what follows on the client's connection never reaches the tool's.
        let mut connection = lab.connect().await;
        connection
            .send(format!(
                "GET /{status} HTTP/1.1\r\nhost: tool.lab.test\r\ncookie: {cookie}\r\n\
                 origin: {TOOL}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
                 GET /smuggled HTTP/1.1\r\nhost: tool.lab.test\r\n\r\n"
            ))
            .await;
        assert_eq!(connection.response().await.status, status);
        connection.ends().await;
    }
    assert_eq!(ana.get(&format!("{TOOL}/after")).await.status, 200);
    let seen = origin.seen();
    assert!(
        !seen.iter().any(|request| request.target == "/smuggled"),
        "{seen:?}"
    );
    let after = seen.last().unwrap().connection;
    let was_refused = |target: &str| matches!(target, "/200" | "/403" | "/404" | "/500");
    let reused = seen
        .iter()
        .any(|s| was_refused(&s.target) && s.connection == after);
    assert!(
        !reused,
        "a refused handshake's connection is not used again"
    );
}

#[tokio::test]
async fn a_101_that_nobody_asked_for_is_an_error() {
    // T79, the other way round
    let origin = Origin::answering(|seen| match seen.target.as_str() {
        "/odd" => Answer::Cut(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nhello"
                .to_vec(),
        ),
        _ => Answer::text("ok"),
    })
    .await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    assert_eq!(ana.get(&format!("{TOOL}/odd")).await.status, 502);
    assert_eq!(ana.get(TOOL).await.status, 200);
}

#[tokio::test]
async fn a_websocket_needs_a_session() {
    // T63
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let answer = lab.browser().websocket(TOOL).await.expect_err("a stranger");
    assert_eq!(answer.status, 401);
    let ana = lab.sign_in("ana").await;
    let main = ana.session_cookie(MAIN_HOST);
    let other = lab.browser();
    other.plant("tool.lab.test", "labgate", main.split_once('=').unwrap().1);
    let answer = other
        .websocket(TOOL)
        .await
        .expect_err("a cookie of another host");
    assert_eq!(answer.status, 401);
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn large_messages_arrive_both_ways() {
    // T84
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let mut socket = ana.websocket(TOOL).await.unwrap();
    for mebibytes in [4_usize, 16, 64] {
        let pattern = (0..=250_u8).cycle().take(mebibytes << 20);
        let message = Bytes::from(pattern.collect::<Vec<u8>>());
        let (mut write, mut read) = (&mut socket).split();
        let (sent, echoed) = tokio::join!(
            within("sending", write.send(Message::Binary(message.clone()))),
            within("the echo", read.next()),
        );
        sent.unwrap();
        assert!(
            echoed.unwrap().unwrap().into_data() == message,
            "{mebibytes} MiB came back changed"
        );
    }
}

#[tokio::test]
async fn close_codes_and_reasons_arrive_unchanged() {
    // T84
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    for code in [1001_u16, 1011, 1012, 3000, 4001] {
        let mut socket = ana.websocket(TOOL).await.unwrap();
        socket
            .send(Message::text(format!("close {code} for a reason")))
            .await
            .unwrap();
        let Some(Message::Close(Some(frame))) = next(&mut socket).await else {
            panic!("{code}: no close frame");
        };
        assert_eq!(
            (u16::from(frame.code), frame.reason.as_str()),
            (code, "for a reason")
        );

        let mut socket = ana.websocket(&format!("{TOOL}/mine/{code}")).await.unwrap();
        let frame = CloseFrame {
            code: code.into(),
            reason: "mine".into(),
        };
        socket.close(Some(frame)).await.unwrap();
        let target = format!("/mine/{code}");
        let arrived = |seen: &[crate::support::Seen]| {
            seen.iter()
                .any(|request| request.target == target && request.close_code == Some(code))
        };
        origin.until("the tool gets the code", arrived).await;
    }
}

#[tokio::test]
async fn an_abort_is_seen_as_an_abort() {
    // T84
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let mut socket = ana.websocket(TOOL).await.unwrap();

    socket.send(Message::text("abort")).await.unwrap();

    let end = within("the end", socket.next()).await;
    assert!(matches!(end, Some(Err(_))), "not a clean close: {end:?}");
}

#[tokio::test]
async fn a_client_that_goes_away_is_gone_for_the_tool() {
    // T84
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let socket = ana.websocket(&format!("{TOOL}/socket")).await.unwrap();
    drop(socket);
    let gone = |seen: &[crate::support::Seen]| seen.iter().any(|s| s.target == "/socket" && s.gone);
    origin.until("the tool's side ends", gone).await;
}

#[tokio::test]
async fn what_both_sides_say_in_the_handshake_arrives() {
    // T80, T84
    let origin = Origin::answering(|seen| {
        if !seen.headers.has("upgrade") {
            return Answer::text("ok");
        }
        let mut lines = "x-tool: hello\r\nset-cookie: tool=1; Path=/\r\n".to_owned();
        if seen.headers.has("sec-websocket-protocol") {
            lines += "sec-websocket-protocol: b\r\n";
        }
        Answer::WebSocket(lines)
    })
    .await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;

    let request = Request::new("GET", TOOL)
        .handshake(Some(TOOL))
        .header("x-mine", "1");
    let offered = request
        .clone()
        .header("sec-websocket-protocol", "a, b,secret.value");
    let (_, headers) = ana.upgrade(offered).await.unwrap();
    assert_eq!(headers.all("sec-websocket-protocol"), ["b"]);
    assert_eq!(headers.all("x-tool"), ["hello"]);
    assert_eq!(headers.all("set-cookie"), ["tool=1; Path=/"]);
    let seen = origin.last();
    let asked = seen
        .headers
        .get("sec-websocket-protocol")
        .unwrap()
        .replace(' ', "");
    assert_eq!(asked, "a,b,secret.value");
    assert_eq!(seen.headers.all("x-mine"), ["1"]);

    let (_, headers) = ana.upgrade(request).await.unwrap();
    assert!(
        !headers.has("sec-websocket-protocol"),
        "none asked, none answered"
    );
    let seen = origin.last();
    assert!(!seen.headers.has("sec-websocket-protocol"));
    assert!(
        seen.headers.0.iter().all(|(_, value)| !value.is_empty()),
        "{}",
        seen.raw
    );
}

#[tokio::test]
async fn a_thousand_tunnels_to_one_tool_leave_room_for_the_next_and_for_requests() {
    // T88: two sockets each at our ends, and two at labgate's.
    let files = rustix::process::getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, all).unwrap();
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let requests = async || {
        let begun = std::time::Instant::now();
        for _ in 0..50 {
            assert_eq!(ana.get(TOOL).await.status, 200);
        }
        begun.elapsed()
    };
    let alone = requests().await;
    let mut open = Vec::new();
    for number in 0..1000 {
        let socket = ana.websocket(TOOL).await;
        open.push(socket.unwrap_or_else(|answer| panic!("{number}: {}", answer.status)));
    }

    let beside = requests().await;
    let mut next_one = ana.websocket(TOOL).await.unwrap();
    next_one.send(Message::text("hello")).await.unwrap();

    assert_eq!(next(&mut next_one).await, Some(Message::text("hello")));
    let held_up = alone * 10 + std::time::Duration::from_secs(1);
    assert!(beside < held_up, "{alone:?} alone, {beside:?} beside them");
    for socket in [0, 499, 999] {
        let socket = &mut open[socket];
        socket.send(Message::text("still")).await.unwrap();
        assert_eq!(next(socket).await, Some(Message::text("still")));
    }
}
