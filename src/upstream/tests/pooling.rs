use tokio::time::{Instant, advance, pause};

use super::*;
use crate::wire::{Socket, Stream};

#[test]
fn an_answers_body_can_be_served_by_hyper() {
    fn servable<T: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>>() {}
    servable::<UpstreamBody<TestBody>>();
}

#[tokio::test(flavor = "local")]
async fn one_connection_serves_one_request_after_another() {
    let origin = Origin::answering(OK).await;
    let pool = pool();
    for _ in 0..3 {
        let response = pool
            .send(&origin.target, get("/a?b"), &timeouts(), &told())
            .await
            .unwrap();
        assert_eq!(text(response).await.unwrap(), "ok");
    }
    assert_eq!(origin.connections(), [0, 0, 0]);
    assert_eq!(pool.idle(), 1);
    let first = &origin.seen.borrow()[0].1;
    assert_eq!(first, "GET /a?b HTTP/1.1\r\nhost: lab.example\r\n\r\n");
}

#[tokio::test(flavor = "local")]
async fn a_connection_in_use_is_nobody_elses_and_the_last_used_is_first_reused() {
    let origin = Origin::answering(OK).await;
    let pool = pool();
    let first = pool
        .send(&origin.target, get("/1"), &timeouts(), &told())
        .await
        .unwrap();
    let second = pool
        .send(&origin.target, get("/2"), &timeouts(), &told())
        .await
        .unwrap();
    text(second).await.unwrap();
    text(first).await.unwrap();
    let third = pool
        .send(&origin.target, get("/3"), &timeouts(), &told())
        .await
        .unwrap();
    text(third).await.unwrap();
    assert_eq!(origin.connections(), [0, 1, 0]);
    assert_eq!(pool.idle(), 2);
}

#[tokio::test(flavor = "local")]
async fn answers_without_a_body_give_the_connection_back_at_once() {
    let origin = Origin::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let pool = pool();
    let response = pool
        .send(&origin.target, get("/"), &timeouts(), &told())
        .await
        .unwrap();
    assert_eq!(pool.idle(), 1);
    assert!(response.body().is_end_stream());

    let head = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n";
    let origin = Origin::answering(head).await;
    let response = pool
        .send(
            &origin.target,
            request(Method::HEAD, "/"),
            &timeouts(),
            &told(),
        )
        .await;
    assert_eq!(response.unwrap().headers()["content-length"], "7");
    assert_eq!(pool.idle(), 2);
}

#[tokio::test(flavor = "local")]
async fn nothing_of_one_request_is_in_the_next() {
    let answer = "HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n";
    let origin = Origin::answering(answer).await;
    let pool = pool();
    let mut first = get("/");
    first
        .headers_mut()
        .insert("cookie", "ana=1".parse().unwrap());
    first
        .headers_mut()
        .insert("authorization", "Bearer x".parse().unwrap());
    pool.send(&origin.target, first, &timeouts(), &told())
        .await
        .unwrap();
    pool.send(&origin.target, get("/"), &timeouts(), &told())
        .await
        .unwrap();
    assert_eq!(origin.connections(), [0, 0]);
    assert_eq!(
        origin.seen.borrow()[1].1,
        "GET / HTTP/1.1\r\nhost: lab.example\r\n\r\n"
    );
}

#[tokio::test(flavor = "local")]
async fn idle_connections_are_closed_in_time_and_the_target_forgotten() {
    let closed = Count::default();
    let count = closed.clone();
    let origin = Origin::new(move |mut peer| {
        let count = count.clone();
        async move {
            peer.request().await.unwrap();
            peer.say(OK).await;
            peer.closed().await;
            count.up();
        }
    })
    .await;
    let pool = pool();
    text(
        pool.send(&origin.target, get("/"), &timeouts(), &told())
            .await
            .unwrap(),
    )
    .await
    .unwrap();
    pause();
    advance(Duration::from_secs(55)).await;
    assert_eq!(pool.idle(), 1);
    advance(Duration::from_secs(6)).await;
    closed.reaches(1).await;
    assert_eq!(pool.idle(), 0);
    assert!(pool.is_empty());
}

#[tokio::test(flavor = "local")]
async fn what_is_idle_or_old_for_too_long_is_not_used() {
    let origin = Origin::answering(OK).await;
    let no_idle = Timeouts {
        idle: Duration::ZERO,
        ..timeouts()
    };
    let young = Options {
        max_age: Duration::ZERO,
        ..options()
    };
    for (pool, timeouts) in [(pool(), no_idle), (Pool::new(young), timeouts())] {
        origin.seen.borrow_mut().clear();
        for _ in 0..2 {
            text(
                pool.send(&origin.target, get("/"), &timeouts, &told())
                    .await
                    .unwrap(),
            )
            .await
            .unwrap();
        }
        let connections = origin.connections();
        assert_ne!(connections[0], connections[1]);
    }
}

#[tokio::test(flavor = "local")]
async fn only_so_many_stay_idle() {
    let origin = Origin::answering(OK).await;
    let pool = Pool::<TestBody>::new(Options {
        max_idle: 1,
        ..options()
    });
    let first = pool
        .send(&origin.target, get("/1"), &timeouts(), &told())
        .await
        .unwrap();
    let second = pool
        .send(&origin.target, get("/2"), &timeouts(), &told())
        .await
        .unwrap();
    text(second).await.unwrap();
    text(first).await.unwrap();
    assert_eq!(pool.idle(), 1);
}

#[tokio::test(flavor = "local")]
async fn connections_are_prompt_and_notice_a_vanished_peer() {
    use rustix::net::sockopt;
    let origin = Origin::answering(OK).await;
    let [target] = origin.target.list() else {
        panic!("it is one")
    };
    let io = dial::dial(
        target,
        &crate::upstream::names::Names::default(),
        Duration::from_secs(5),
    )
    .await
    .unwrap();
    let Stream::Plain(Socket::Tcp(io)) = io else {
        panic!("it is TCP")
    };
    assert!(io.nodelay().unwrap());
    assert!(sockopt::socket_keepalive(&io).unwrap());
    assert_eq!(sockopt::tcp_keepidle(&io).unwrap(), Duration::from_secs(15));
    assert_eq!(
        sockopt::tcp_keepintvl(&io).unwrap(),
        Duration::from_secs(15)
    );
    assert_eq!(sockopt::tcp_keepcnt(&io).unwrap(), 3);
}

#[tokio::test(flavor = "local")]
async fn names_and_unix_sockets_are_targets_too() {
    let origin = Origin::answering(OK).await;
    let pool = pool();
    let by_name = http("localhost", origin.port());
    let response = pool
        .send(&by_name, get("/"), &timeouts(), &told())
        .await
        .unwrap();
    assert_eq!(text(response).await.unwrap(), "ok");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tool.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    spawn_local(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        let mut head = [0; 16];
        io.read_exact(&mut head).await.unwrap();
        io.write_all(OK.as_bytes()).await.unwrap();
        io.read_to_end(&mut Vec::new()).await.unwrap();
    });
    let response = pool
        .send(
            &targets(&[Upstream::Unix(path)]),
            get("/"),
            &timeouts(),
            &told(),
        )
        .await
        .unwrap();
    assert_eq!(text(response).await.unwrap(), "ok");
    assert_eq!(pool.idle(), 2);
}

#[tokio::test(flavor = "local")]
async fn an_operator_understands_why_there_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let pool = pool();
    let error = pool
        .send(&http("127.0.0.1", port), get("/"), &timeouts(), &told())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("connection to 127.0.0.1:{port} refused")
    );
    assert!(error.is_away());
    assert!(std::error::Error::source(&error).is_some());

    let nowhere = targets(&[Upstream::Unix("/nowhere/tool.sock".into())]);
    let error = pool
        .send(&nowhere, get("/"), &timeouts(), &told())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "unix:/nowhere/tool.sock does not exist");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_unix_tool_with_a_full_queue_is_waited_for_as_long_as_one_over_tcp() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tool.sock");
    let tool = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&tool, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&tool, 0).unwrap();
    let queued = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let (pool, targets) = (pool(), targets(&[Upstream::Unix(path)]));
    let (limits, told) = (timeouts(), told());

    let before = Instant::now();
    let error = pool.send(&targets, get("/"), &limits, &told).await;
    assert!(
        matches!(error, Err(Error::ConnectTimeout { .. })),
        "{error:?}"
    );
    assert_eq!(before.elapsed(), limits.connect);

    let tool = std::os::unix::net::UnixListener::from(tool);
    let answer = pool.send(&targets, get("/"), &limits, &told);
    let accept = async {
        drop((tool.accept().unwrap(), queued));
        tool.set_nonblocking(true).unwrap();
        let tool = tokio::net::UnixListener::from_std(tool).unwrap();
        let (mut io, _) = tool.accept().await.unwrap();
        assert_eq!(io.read_u8().await.unwrap(), b'G');
        io.write_all(OK.as_bytes()).await.unwrap();
        io
    };
    let (answer, _io) = tokio::join!(answer, accept);
    assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
}
