//! When a request is sent again, and when never.

use tokio::sync::oneshot;

use super::*;

/// Its first connection answers once, then reads a request, says `last_words` and closes. All
/// others answer; with `all_fail` they close at once after a request.
async fn dying(last_words: &'static str, all_fail: bool) -> Origin {
    Origin::new(move |mut peer| async move {
        if peer.number > 0 && all_fail {
            peer.request().await;
            return;
        }
        while peer.request().await.is_some() {
            let second = peer.seen.borrow().len() == 2;
            if peer.number == 0 && second {
                peer.say(last_words).await;
                return;
            }
            peer.say(OK).await;
        }
    })
    .await
}

/// The second request to `origin`, on the connection that the first has used.
async fn second(origin: &Origin, request: Request<TestBody>) -> Result<String, Error> {
    let pool = pool();
    text(
        pool.send(&origin.target, get("/first"), &timeouts(), &told())
            .await
            .unwrap(),
    )
    .await
    .unwrap();
    assert_eq!(pool.idle(), 1);
    text(
        pool.send(&origin.target, request, &timeouts(), &told())
            .await?,
    )
    .await
}

#[tokio::test(flavor = "local")]
async fn a_get_on_a_used_connection_that_dies_silently_is_sent_again() {
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
        let origin = dying("", false).await;
        let mut request = request(method.clone(), "/second?x");
        request.headers_mut().append("x-a", "1".parse().unwrap());
        request.headers_mut().append("x-a", "2".parse().unwrap());
        assert!(second(&origin, request).await.is_ok());
        assert_eq!(origin.connections(), [0, 0, 1]);
        let seen = origin.seen.borrow();
        assert_eq!(seen[1].1, seen[2].1);
        let sent = "/second?x HTTP/1.1\r\nhost: lab.example\r\nx-a: 1\r\nx-a: 2\r\n\r\n";
        assert_eq!(seen[2].1, format!("{method} {sent}"));
    }
}

#[tokio::test(flavor = "local")]
async fn no_other_method_is_sent_again_once_it_was_sent() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"] {
        let origin = dying("", false).await;
        let request = request(method.parse().unwrap(), "/second");
        let error = second(&origin, request).await.unwrap_err();
        assert!(matches!(error, Error::Closed { .. }), "{error:?}");
        assert_eq!(origin.connections(), [0, 0]);
    }
}

#[tokio::test(flavor = "local")]
async fn a_request_with_a_body_is_not_sent_again_once_it_was_sent() {
    let origin = dying("", false).await;
    let (chunks, mut request) = upload();
    *request.method_mut() = Method::OPTIONS;
    chunks.send(Ok(Bytes::from_static(b"hello"))).unwrap();
    drop(chunks);
    assert!(second(&origin, request).await.is_err());
    assert_eq!(origin.connections(), [0, 0]);
}

#[tokio::test(flavor = "local")]
async fn nothing_is_sent_again_after_one_byte_of_an_answer() {
    for last_words in [
        "H",
        "HTTP/1.1 200 OK\r\nconten",
        "HTTP/1.1 103 Early Hints\r\n\r\n",
    ] {
        let origin = dying(last_words, false).await;
        let error = second(&origin, get("/second")).await.unwrap_err();
        assert!(matches!(error, Error::Closed { .. }), "{error:?}");
        assert_eq!(origin.connections(), [0, 0], "{last_words:?}");
    }
}

#[tokio::test(flavor = "local")]
async fn it_is_sent_again_only_once() {
    let origin = dying("", true).await;
    let error = second(&origin, get("/second")).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }));
    assert_eq!(origin.connections(), [0, 0, 1]);
}

#[tokio::test(flavor = "local")]
async fn a_fresh_connection_that_dies_is_the_upstreams_word() {
    let origin = Origin::new(|mut peer| async move {
        peer.request().await;
    })
    .await;
    let error = pool()
        .send(&origin.target, get("/"), &timeouts(), &told())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Closed { .. }));
    assert_eq!(origin.connections(), [0]);
}

/// The upstream closes an idle connection; the next request takes that connection before the
/// close is noticed, and is handed back by hyper unsent.
#[tokio::test(flavor = "local")]
async fn what_was_never_sent_is_sent_whatever_it_is() {
    let (close, closing) = oneshot::channel::<()>();
    let (closed, close_done) = oneshot::channel::<()>();
    let once = RefCell::new(Some((closing, closed)));
    let origin = Origin::new(move |mut peer| {
        let once = once.borrow_mut().take();
        async move {
            peer.request().await.unwrap();
            peer.say(OK).await;
            if let Some((closing, closed)) = once {
                closing.await.unwrap();
                drop(peer);
                closed.send(()).unwrap();
            }
        }
    })
    .await;
    let pool = pool();
    text(
        pool.send(&origin.target, get("/first"), &timeouts(), &told())
            .await
            .unwrap(),
    )
    .await
    .unwrap();
    close.send(()).unwrap();
    close_done.await.unwrap();
    assert_eq!(pool.idle(), 1, "the close is not noticed yet");
    let (chunks, request) = upload();
    chunks.send(Ok(Bytes::from_static(b"precious"))).unwrap();
    drop(chunks);
    let response = pool
        .send(&origin.target, request, &timeouts(), &told())
        .await
        .unwrap();
    assert_eq!(text(response).await.unwrap(), "ok");
    let seen = origin.seen.borrow();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].0, 1);
    assert!(seen[1].1.ends_with("8\r\nprecious\r\n0\r\n\r\n"));
}
