//! Several targets of one route.

use tokio::time::{advance, pause, resume};

use super::*;

/// A port of 127.0.0.1 where nobody listens.
async fn dead() -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = "127.0.0.1".to_owned();
    Upstream::Http { host, port }
}

/// An origin at a port that was known before.
async fn revived(place: &Upstream, answer: &'static str) {
    let Upstream::Http { port, .. } = place else {
        panic!("it is TCP")
    };
    let listener = TcpListener::bind(("127.0.0.1", *port)).await.unwrap();
    spawn_local(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            let mut head = [0; 1024];
            while io.read(&mut head).await.is_ok_and(|len| len > 0) {
                io.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
}

async fn ask(pool: &Pool<TestBody>, targets: &Targets) -> Result<usize, Error> {
    let told = told();
    let answer = pool.send(targets, get("/"), &timeouts(), &told).await?;
    assert_eq!(text(answer).await?, "ok");
    Ok(told.get().unwrap())
}

/// Asks until the dead target of the two is aside for half a minute: no test is as slow.
async fn fails_for_long(pool: &Pool<TestBody>, targets: &Targets) {
    for _ in 0..6 {
        skip(31).await;
        for _ in 0..2 {
            assert_eq!(ask(pool, targets).await.unwrap(), 1);
        }
    }
}

async fn skip(seconds: u64) {
    pause();
    advance(Duration::from_secs(seconds)).await;
    resume();
}

#[tokio::test(flavor = "local")]
async fn requests_take_turns() {
    let (first, second) = (Origin::answering(OK).await, Origin::answering(OK).await);
    let targets = targets(&[first.upstream(), second.upstream()]);
    let pool = pool();
    for _ in 0..6 {
        ask(&pool, &targets).await.unwrap();
    }
    assert_eq!(first.connections().len(), 3);
    assert_eq!(second.connections().len(), 3);
    assert_eq!(
        targets.text(1),
        Some(second.upstream().to_string()).as_deref()
    );
}

#[tokio::test(flavor = "local")]
async fn the_one_with_less_to_do_gets_the_next() {
    let (first, second) = (Origin::answering(OK).await, Origin::answering(OK).await);
    let targets = targets(&[first.upstream(), second.upstream()]);
    let pool = pool();
    let busy = told();
    let held = pool
        .send(&targets, get("/held"), &timeouts(), &busy)
        .await
        .unwrap();
    for _ in 0..4 {
        assert_ne!(ask(&pool, &targets).await.unwrap(), busy.get().unwrap());
    }
    drop(held);
}

#[tokio::test(flavor = "local")]
async fn a_dead_target_costs_no_request_and_is_put_aside() {
    let alive = Origin::answering(OK).await;
    let targets = targets(&[dead().await, alive.upstream()]);
    let pool = pool();
    for _ in 0..10 {
        assert_eq!(ask(&pool, &targets).await.unwrap(), 1);
    }
    assert_eq!(alive.connections().len(), 10);
}

#[tokio::test(flavor = "local")]
async fn a_target_that_dies_with_idle_connections_costs_no_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let dying = spawn_local(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        while io.read(&mut head).await.is_ok_and(|len| len > 0) {
            io.write_all(OK.as_bytes()).await.unwrap();
        }
    });
    let alive = Origin::answering(OK).await;
    let host = "127.0.0.1".to_owned();
    let targets = targets(&[Upstream::Http { host, port }, alive.upstream()]);
    let pool = pool();
    for _ in 0..2 {
        ask(&pool, &targets).await.unwrap();
    }
    assert_eq!(pool.idle(), 2);
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    for _ in 0..6 {
        assert_eq!(ask(&pool, &targets).await.unwrap(), 1);
    }
}

#[tokio::test(flavor = "local")]
async fn an_upload_that_met_a_dead_target_arrives_whole_at_the_next() {
    let alive = Origin::answering(OK).await;
    for _ in 0..2 {
        let targets = targets(&[dead().await, alive.upstream()]);
        let (chunks, request) = upload();
        chunks.send(Ok(Bytes::from_static(b"precious"))).unwrap();
        drop(chunks);
        let answer = pool().send(&targets, request, &timeouts(), &told()).await;
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
    }
    for (_, seen) in alive.seen.borrow().iter() {
        assert!(seen.ends_with("8\r\nprecious\r\n0\r\n\r\n"), "{seen}");
    }
}

#[tokio::test(flavor = "local")]
async fn what_was_sent_goes_to_no_other_target() {
    let closing = Origin::new(|mut peer| async move {
        peer.request().await;
    })
    .await;
    let alive = Origin::answering(OK).await;
    let targets = targets(&[closing.upstream(), alive.upstream()]);
    let pool = pool();
    let mut failed = 0;
    for _ in 0..4 {
        let request = request(Method::POST, "/");
        let answer = pool.send(&targets, request, &timeouts(), &told()).await;
        failed += usize::from(answer.is_err());
    }
    assert_eq!(failed, 2);
    assert_eq!(closing.connections().len() + alive.connections().len(), 4);
}

#[tokio::test(flavor = "local")]
async fn when_all_are_dead_each_is_tried_once_and_the_first_to_come_back_is_found() {
    let places = [dead().await, dead().await];
    let targets = targets(&places);
    let pool = pool();
    for _ in 0..3 {
        let error = ask(&pool, &targets).await.unwrap_err();
        assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    }
    revived(&places[1], OK).await;
    for _ in 0..3 {
        assert_eq!(ask(&pool, &targets).await.unwrap(), 1);
    }
}

#[tokio::test(flavor = "local")]
async fn a_target_that_is_back_is_used_again_after_its_time() {
    let place = dead().await;
    let alive = Origin::answering(OK).await;
    let targets = targets(&[place.clone(), alive.upstream()]);
    let pool = pool();
    fails_for_long(&pool, &targets).await;
    revived(&place, OK).await;
    let mut used = Vec::new();
    for _ in 0..2 {
        used.push(ask(&pool, &targets).await.unwrap());
    }
    assert_eq!(used, [1, 1], "it is aside");
    skip(31).await;
    let mut used = Vec::new();
    for _ in 0..4 {
        used.push(ask(&pool, &targets).await.unwrap());
    }
    used.sort_unstable();
    assert_eq!(used, [0, 0, 1, 1]);
}

#[tokio::test(flavor = "local")]
async fn what_is_known_of_a_target_outlives_a_reload_that_keeps_it() {
    let place = dead().await;
    let alive = Origin::answering(OK).await;
    let pool = pool();
    let before = targets(&[place.clone(), alive.upstream()]);
    fails_for_long(&pool, &before).await;
    revived(&place, OK).await;
    let after = targets(&[alive.upstream(), place]);
    for _ in 0..3 {
        assert_eq!(ask(&pool, &after).await.unwrap(), 0, "the other is aside");
    }
    assert_eq!(pool.idle(), 1, "connections stay too");
}

#[tokio::test(flavor = "local")]
async fn tunnels_are_balanced_and_counted_until_they_close() {
    let switching = || {
        Origin::new(|mut peer| async move {
            peer.request().await;
            peer.say(upgrade::SWITCH).await;
            peer.closed().await;
        })
    };
    let (first, second) = (switching().await, switching().await);
    let targets = targets(&[dead().await, first.upstream(), second.upstream()]);
    let pool = pool();
    let open = async |told: &Cell<Option<usize>>| {
        let handshake = upgrade::handshake();
        pool.upgrade(&targets, handshake, &timeouts(), told)
            .await
            .unwrap()
    };
    let told = told();
    let mut tunnels = Vec::new();
    for _ in 0..4 {
        tunnels.push(open(&told).await);
    }
    assert_eq!(first.connections().len(), 2);
    assert_eq!(second.connections().len(), 2);
    let closed = told.get();
    tunnels.truncate(3);
    tunnels.push(open(&told).await);
    assert_eq!(told.get(), closed, "it has one less");
}

#[tokio::test(flavor = "local")]
async fn a_target_that_swallows_packets_delays_one_request_only() {
    // A listener whose queue is full takes no further connection, and refuses none.
    let full = tokio::net::TcpSocket::new_v4().unwrap();
    full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = full.listen(1).unwrap();
    let port = full.local_addr().unwrap().port();
    let mut queued = Vec::new();
    while let Ok(Ok(one)) = tokio::time::timeout(
        Duration::from_millis(100),
        TcpStream::connect(("127.0.0.1", port)),
    )
    .await
    {
        queued.push(one);
    }
    let host = "127.0.0.1".to_owned();
    let alive = Origin::answering(OK).await;
    let targets = targets(&[Upstream::Http { host, port }, alive.upstream()]);
    let pool = pool();
    let hasty = Timeouts {
        connect: Duration::from_millis(300),
        ..timeouts()
    };
    for _ in 0..5 {
        let told = told();
        let answer = pool.send(&targets, get("/"), &hasty, &told).await.unwrap();
        assert_eq!(text(answer).await.unwrap(), "ok");
        assert_eq!(told.get(), Some(1));
    }
}
