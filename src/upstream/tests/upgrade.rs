use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, UPGRADE};

use super::*;

pub(super) const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
    upgrade: WebSocket\r\nsec-websocket-protocol: v1.kernel.websocket.jupyter.org\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nset-cookie: a=b\r\n\r\n";

pub(super) fn handshake() -> Request<TestBody> {
    let mut request = get("/channels");
    let headers = request.headers_mut();
    headers.insert(CONNECTION, "Upgrade".parse().unwrap());
    headers.insert(UPGRADE, "websocket".parse().unwrap());
    headers.insert(
        SEC_WEBSOCKET_KEY,
        "dGhlIHNhbXBsZSBub25jZQ==".parse().unwrap(),
    );
    request
}

async fn once(answer: &'static str) -> Origin {
    Origin::new(move |mut peer| async move {
        peer.request().await;
        peer.say(answer).await;
        let mut echo = [0; 4];
        while peer.io.read_exact(&mut echo).await.is_ok() {
            peer.io.write_all(&echo).await.unwrap();
        }
    })
    .await
}

#[tokio::test(flavor = "local")]
async fn after_a_101_the_stream_is_bare_and_early_bytes_are_kept() {
    let origin = once(format!("{SWITCH}\u{1}early").leak()).await;
    let pool = pool();
    let upgraded = pool
        .upgrade(&origin.target, handshake(), &timeouts(), &told())
        .await
        .unwrap();
    let Upgraded::Switched {
        head,
        mut io,
        early,
        ..
    } = upgraded
    else {
        panic!("{upgraded:?}");
    };
    assert_eq!(early, "\u{1}early");
    assert_eq!(head.headers["set-cookie"], "a=b");
    assert_eq!(
        head.headers["sec-websocket-protocol"],
        "v1.kernel.websocket.jupyter.org"
    );
    io.write_all(b"ping").await.unwrap();
    let mut echo = [0; 4];
    io.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"ping");
    assert_eq!(pool.idle(), 0);
    let sent = "GET /channels HTTP/1.1\r\nhost: lab.example\r\nconnection: Upgrade\r\n\
        upgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_eq!(origin.seen.borrow()[0].1, sent);
}

#[tokio::test(flavor = "local")]
async fn a_wrong_101_is_an_error() {
    for (right, wrong) in [
        (
            "accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        ),
        ("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", ""),
        ("upgrade: WebSocket\r\n", "upgrade: h2c\r\n"),
        ("upgrade: WebSocket\r\n", ""),
    ] {
        let origin = once(SWITCH.replace(right, wrong).leak()).await;
        let error = pool()
            .upgrade(&origin.target, handshake(), &timeouts(), &told())
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Protocol { .. }),
            "{wrong}: {error:?}"
        );
    }
    let origin = once(SWITCH).await;
    let mut without_key = handshake();
    without_key.headers_mut().remove(SEC_WEBSOCKET_KEY);
    let error = pool()
        .upgrade(&origin.target, without_key, &timeouts(), &told())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
}

#[tokio::test(flavor = "local")]
async fn a_refusal_is_a_plain_answer_on_a_connection_not_used_again() {
    for (answer, body) in [
        (
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
            "no",
        ),
        (
            "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
            "no",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ""),
    ] {
        let origin = once(answer).await;
        let pool = pool();
        let upgraded = pool
            .upgrade(&origin.target, handshake(), &timeouts(), &told())
            .await
            .unwrap();
        let Upgraded::Refused(response) = upgraded else {
            panic!("{upgraded:?}");
        };
        assert_ne!(response.status(), 101);
        assert_eq!(text(response).await.unwrap(), body);
        assert_eq!(pool.idle(), 0);
    }
}

#[tokio::test(flavor = "local")]
async fn a_large_refusal_streams() {
    let body = "x".repeat(1 << 20);
    let answer = format!(
        "HTTP/1.1 500 Oh\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let origin = once(answer.leak()).await;
    let upgraded = pool()
        .upgrade(&origin.target, handshake(), &timeouts(), &told())
        .await
        .unwrap();
    let Upgraded::Refused(response) = upgraded else {
        panic!("{upgraded:?}");
    };
    assert_eq!(text(response).await.unwrap(), body);
}

#[tokio::test(flavor = "local")]
async fn tunnels_take_no_slot_and_a_handshake_is_never_repeated() {
    let origin = Origin::new(|mut peer| async move {
        let head = peer.request().await.unwrap();
        peer.say(if head.starts_with("GET /channels") {
            SWITCH
        } else {
            OK
        })
        .await;
        peer.closed().await;
    })
    .await;
    let pool = Pool::<TestBody>::new(Options {
        max_active: 1,
        max_waiting: 0,
        ..options()
    });
    let mut open = Vec::new();
    for _ in 0..50 {
        open.push(
            pool.upgrade(&origin.target, handshake(), &timeouts(), &told())
                .await
                .unwrap(),
        );
    }
    let response = pool
        .send(&origin.target, get("/"), &timeouts(), &told())
        .await
        .unwrap();
    assert_eq!(text(response).await.unwrap(), "ok");
    assert_eq!(origin.seen.borrow().len(), 51);

    let origin = Origin::new(|mut peer| async move {
        peer.request().await;
    })
    .await;
    let error = pool
        .upgrade(&origin.target, handshake(), &timeouts(), &told())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    assert_eq!(origin.seen.borrow().len(), 1);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_handshake_must_be_answered_in_time() {
    let origin = once("").await;
    let limits = Timeouts {
        response: Some(Duration::from_secs(30)),
        ..timeouts()
    };
    let error = pool()
        .upgrade(&origin.target, handshake(), &limits, &told())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ResponseTimeout { .. }), "{error:?}");
}
