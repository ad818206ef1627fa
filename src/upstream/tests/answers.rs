//! Answers, whole and broken, and what becomes of their connections.

use super::*;

/// Says `answer` on each connection once and, after one more request or the end, closes.
async fn once(answer: &'static str) -> Origin {
    Origin::new(move |mut peer| async move {
        peer.request().await;
        peer.say(answer).await;
        peer.closed().await;
    })
    .await
}

/// Says `answer` and closes.
async fn last(answer: &'static str) -> Origin {
    Origin::new(move |mut peer| async move {
        peer.request().await;
        peer.say(answer).await;
    })
    .await
}

async fn fetch(pool: &Pool<TestBody>, origin: &Origin) -> Result<String, Error> {
    text(
        pool.send(&origin.target, get("/"), &timeouts(), &told())
            .await?,
    )
    .await
}

#[tokio::test(flavor = "local")]
async fn a_cut_body_is_an_error_and_not_an_end() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhe",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n",
    ] {
        let (pool, origin) = (pool(), last(answer).await);
        let error = fetch(&pool, &origin).await.unwrap_err();
        assert!(matches!(error, Error::Cut { .. }), "{answer}: {error:?}");
        assert_eq!(pool.idle(), 0);
    }
}

#[tokio::test(flavor = "local")]
async fn a_body_without_a_length_ends_with_the_connection() {
    let (pool, origin) = (pool(), last("HTTP/1.1 200 OK\r\n\r\nall of it").await);
    assert_eq!(fetch(&pool, &origin).await.unwrap(), "all of it");
    assert_eq!(pool.idle(), 0);
}

#[tokio::test(flavor = "local")]
async fn sizes_are_kept_and_trailers_pass() {
    let origin = once(OK).await;
    let response = pool()
        .send(&origin.target, get("/"), &timeouts(), &told())
        .await
        .unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(2));
    assert!(!response.body().is_end_stream());

    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                  2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
    let (pool, origin) = (pool(), once(answer).await);
    let response = pool
        .send(&origin.target, get("/"), &timeouts(), &told())
        .await
        .unwrap();
    assert_eq!(response.body().size_hint().exact(), None);
    let all = response.into_body().collect().await.unwrap();
    assert_eq!(all.trailers().unwrap()["x-sum"], "7");
    assert_eq!(all.to_bytes(), "ok");
    assert_eq!(pool.idle(), 1);
}

#[tokio::test(flavor = "local")]
async fn a_body_dropped_half_way_closes_its_connection() {
    let closed = Count::default();
    let count = closed.clone();
    let origin = Origin::new(move |mut peer| {
        let count = count.clone();
        async move {
            peer.request().await;
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
                .await;
            peer.closed().await;
            count.up();
        }
    })
    .await;
    let pool = pool();
    let response = pool
        .send(&origin.target, get("/"), &timeouts(), &told())
        .await
        .unwrap();
    let mut body = response.into_body();
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "half"
    );
    drop(body);
    closed.reaches(1).await;
    assert_eq!(pool.idle(), 0);
}

#[tokio::test(flavor = "local")]
async fn an_abandoned_request_closes_its_connection() {
    let asked = Count::default();
    let closed = Count::default();
    let counts = (asked.clone(), closed.clone());
    let origin = Origin::new(move |mut peer| {
        let (asked, closed) = counts.clone();
        async move {
            peer.request().await;
            asked.up();
            peer.closed().await;
            closed.up();
        }
    })
    .await;
    let pool = pool();
    let limits = timeouts();
    let told = told();
    let mut sending = Box::pin(pool.send(&origin.target, get("/"), &limits, &told));
    tokio::select! {
        _ = &mut sending => panic!("nobody answers"),
        () = asked.reaches(1) => {}
    }
    drop(sending);
    closed.reaches(1).await;
}

#[tokio::test(flavor = "local")]
async fn a_connection_with_unasked_bytes_is_not_used_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        "HTTP/1.1 204 No Content\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
    ] {
        let (pool, origin) = (pool(), once(answer).await);
        for _ in 0..2 {
            assert_ne!(fetch(&pool, &origin).await.unwrap(), "evil");
            assert_eq!(pool.idle(), 0, "{answer}");
        }
        assert_eq!(origin.connections(), [0, 1]);
    }
}

#[tokio::test(flavor = "local")]
async fn unasked_bytes_that_come_later_reach_nobody() {
    let sent = Count::default();
    let answered = Count::default();
    let counts = (sent.clone(), answered.clone());
    let origin = Origin::new(move |mut peer| {
        let (sent, answered) = counts.clone();
        async move {
            peer.request().await;
            peer.say(OK).await;
            if peer.number == 0 {
                answered.reaches(1).await;
                peer.say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
                    .await;
                sent.up();
            }
            peer.closed().await;
        }
    })
    .await;
    let pool = pool();
    assert_eq!(fetch(&pool, &origin).await.unwrap(), "ok");
    answered.up();
    sent.reaches(1).await;
    assert_eq!(fetch(&pool, &origin).await.unwrap(), "ok");
    assert_eq!(origin.connections(), [0, 1]);
}

#[tokio::test(flavor = "local")]
async fn a_101_that_nobody_asked_for_is_an_error() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n";
    let (pool, origin) = (pool(), once(answer).await);
    let error = fetch(&pool, &origin).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .ends_with("switched protocols though nobody asked it to")
    );
    assert_eq!(pool.idle(), 0);
}

#[tokio::test(flavor = "local")]
async fn interim_responses_are_swallowed_but_not_without_end() {
    let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
                  HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (pool, origin) = (pool(), once(answer).await);
    assert_eq!(fetch(&pool, &origin).await.unwrap(), "ok");

    let origin = Origin::new(|mut peer| async move {
        peer.request().await;
        while peer
            .io
            .write_all(&b"HTTP/1.1 102 Processing\r\n\r\n".repeat(1000))
            .await
            .is_ok()
        {}
    })
    .await;
    let error = fetch(&pool, &origin).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("sends interim responses without end"),
        "{error}"
    );
}

#[tokio::test(flavor = "local")]
async fn what_is_not_http_or_too_much_of_it_is_an_error() {
    let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(70_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(101));
    let two = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok".to_owned();
    for answer in [large, many, two, "SSH-2.0-OpenSSH_9.2\r\n".to_owned()] {
        let (pool, origin) = (pool(), once(answer.leak()).await);
        let error = fetch(&pool, &origin).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    }
    let head = "x".repeat(60_000);
    let fine = format!("HTTP/1.1 200 OK\r\nx: {head}\r\ncontent-length: 2\r\n\r\nok");
    let (pool, origin) = (pool(), once(fine.leak()).await);
    assert_eq!(fetch(&pool, &origin).await.unwrap(), "ok");
}

#[tokio::test(flavor = "local")]
async fn a_connection_whose_upload_outlives_the_answer_comes_back_after_it() {
    let origin = Origin::new(|mut peer| async move {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push(char::from(peer.io.read_u8().await.unwrap()));
        }
        peer.say(OK).await;
        peer.closed().await;
    })
    .await;
    let pool = pool();
    let (chunks, request) = upload();
    let response = pool
        .send(&origin.target, request, &timeouts(), &told())
        .await
        .unwrap();
    assert_eq!(text(response).await.unwrap(), "ok");
    assert_eq!(pool.idle(), 0);
    chunks.send(Ok(Bytes::from_static(b"late"))).unwrap();
    drop(chunks);
    while pool.idle() == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "local")]
async fn a_failing_request_body_is_not_the_upstreams_fault() {
    let origin = once(OK).await;
    let (chunks, request) = upload();
    chunks
        .send(Err(io::ErrorKind::ConnectionReset.into()))
        .unwrap();
    let error = pool()
        .send(&origin.target, request, &timeouts(), &told())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::RequestBody { .. }), "{error:?}");
}
