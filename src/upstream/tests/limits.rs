//! Time and number. Time is paused: it jumps to the next limit when nothing else can happen.

use tokio::{
    join,
    time::{Instant, sleep},
};

use super::*;

fn one_at_a_time() -> Pool<TestBody> {
    Pool::new(Options {
        max_active: 1,
        max_waiting: 1,
        ..options()
    })
}

#[tokio::test(flavor = "local")]
async fn requests_queue_for_a_slot_and_then_use_the_connection_given_back() {
    let origin = Origin::answering(OK).await;
    let pool = one_at_a_time();
    let first = pool
        .send(&origin.target, get("/1"), &timeouts(), &told())
        .await
        .unwrap();
    let limits = timeouts();
    let told_second = told();
    let second = pool.send(&origin.target, get("/2"), &limits, &told_second);
    let third = async {
        let error = pool
            .send(&origin.target, get("/3"), &limits, &told())
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Busy { .. }), "{error:?}");
        text(first).await.unwrap();
    };
    let (second, ()) = join!(second, third);
    text(second.unwrap()).await.unwrap();
    assert_eq!(origin.connections(), [0, 0]);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn the_wait_for_a_slot_is_limited() {
    let origin = Origin::answering(OK).await;
    let pool = one_at_a_time();
    let _first = pool
        .send(&origin.target, get("/1"), &timeouts(), &told())
        .await
        .unwrap();
    let before = Instant::now();
    let error = pool
        .send(&origin.target, get("/2"), &timeouts(), &told())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is busy: 1 requests are running and none ended in time")
    );
    assert_eq!(before.elapsed().as_secs(), 10);
}

#[tokio::test(flavor = "local")]
async fn a_failed_request_gives_its_slot_back() {
    let origin = Origin::new(|mut peer| async move {
        peer.request().await;
    })
    .await;
    let pool = one_at_a_time();
    for _ in 0..3 {
        let error = pool
            .send(&origin.target, get("/"), &timeouts(), &told())
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Closed { .. }));
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_must_begin_in_time() {
    let origin = Origin::new(|mut peer| async move {
        peer.request().await;
        peer.closed().await;
    })
    .await;
    let limits = Timeouts {
        response: Some(Duration::from_secs(30)),
        ..timeouts()
    };
    let before = Instant::now();
    let error = pool()
        .send(&origin.target, get("/"), &limits, &told())
        .await
        .unwrap_err();
    assert!(
        error.to_string().ends_with("did not answer within 30 s"),
        "{error}"
    );
    assert!(matches!(error, Error::ResponseTimeout { .. }), "{error:?}");
    assert_eq!(before.elapsed().as_secs(), 30);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn the_time_to_answer_begins_at_the_end_of_the_request() {
    let origin = Origin::new(|mut peer| async move {
        peer.request().await;
        peer.closed().await;
    })
    .await;
    let limits = Timeouts {
        response: Some(Duration::from_secs(30)),
        ..timeouts()
    };
    let (chunks, request) = upload();
    spawn_local(async move {
        for _ in 0..5 {
            sleep(Duration::from_secs(100)).await;
            chunks.send(Ok(Bytes::from_static(b"slow"))).unwrap();
        }
    });
    let before = Instant::now();
    let error = pool()
        .send(&origin.target, request, &limits, &told())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ResponseTimeout { .. }), "{error:?}");
    assert_eq!(before.elapsed().as_secs(), 530);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_may_pause_but_not_stall() {
    let origin = Origin::new(|mut peer| async move {
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
            .await;
        for _ in 0..3 {
            sleep(Duration::from_secs(50)).await;
            peer.say("x").await;
        }
        peer.closed().await;
    })
    .await;
    let limits = Timeouts {
        stall: Some(Duration::from_secs(60)),
        ..timeouts()
    };
    let pool = pool();
    let before = Instant::now();
    let response = pool
        .send(&origin.target, get("/"), &limits, &told())
        .await
        .unwrap();
    let error = text(response).await.unwrap_err();
    assert!(error.to_string().ends_with("stalled for 60 s"), "{error}");
    assert_eq!(before.elapsed().as_secs(), 210);
    assert_eq!(pool.idle(), 0);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_slow_reader_is_no_stall() {
    let origin = Origin::answering(OK).await;
    let limits = Timeouts {
        stall: Some(Duration::from_secs(60)),
        ..timeouts()
    };
    let response = pool()
        .send(&origin.target, get("/"), &limits, &told())
        .await
        .unwrap();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(text(response).await.unwrap(), "ok");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_silent_upstream_is_waited_for_without_limits() {
    let origin = Origin::new(|mut peer| async move {
        peer.request().await;
        sleep(Duration::from_secs(300)).await;
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
            .await;
        sleep(Duration::from_secs(3600)).await;
        peer.say("ok").await;
        peer.closed().await;
    })
    .await;
    let response = pool()
        .send(&origin.target, get("/"), &timeouts(), &told())
        .await
        .unwrap();
    assert_eq!(text(response).await.unwrap(), "ok");
}
