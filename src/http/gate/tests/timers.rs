//! Time, paused: every wait of the gate ends, and only those that should. hyper itself sits on the
//! gate, over a pipe in memory.

use std::{convert::Infallible, future::Future, pin::Pin, rc::Rc, time::Duration};

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::{Instant, sleep},
};

use super::super::{Ended, Gate, Head, Heads, InFlight, Refusal};

type Body = Pin<Box<dyn http_body::Body<Data = Bytes, Error = Infallible>>>;

fn response(content: impl Into<Bytes>) -> Response<Body> {
    Response::new(Box::pin(Full::new(content.into())))
}

/// A client's end, and what the gate says about the other one.
struct Client {
    io: DuplexStream,
    heads: Heads,
    start: Instant,
}

/// Serves one connection by hyper behind a gate, by a function of head and request.
async fn with<F, Fut>(
    service: F,
    client: impl AsyncFnOnce(&mut Client),
) -> (Option<Ended>, Duration)
where
    F: Fn(Result<(Head, InFlight), Refusal>, Request<Incoming>) -> Fut,
    Fut: Future<Output = Response<Body>>,
{
    let (ours, theirs) = duplex(16 * 1024);
    let start = Instant::now();
    let (gate, heads) = Gate::new(theirs, Vec::new(), Rc::new(super::limits()), start);
    let verdicts = heads.clone();
    let answer = hyper::service::service_fn(|request| {
        let response = service(verdicts.next(), request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let serve = async {
        // How it ends for hyper is not what these tests ask.
        drop(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(gate, answer)
                .await,
        );
        start.elapsed()
    };
    let mut end = Client {
        io: ours,
        heads: heads.clone(),
        start,
    };
    let ((), took) = tokio::join!(client(&mut end), serve);
    (heads.ended(), took)
}

async fn answer(
    verdict: Result<(Head, InFlight), Refusal>,
    _request: Request<Incoming>,
) -> Response<Body> {
    let status = verdict.map_or_else(|refusal| refusal.status(), |_| http::StatusCode::OK);
    let mut response = self::response("done");
    *response.status_mut() = status;
    response
}

impl Client {
    async fn send(&mut self, text: &str) {
        self.io.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads one answer of `answer`.
    async fn receive(&mut self) -> String {
        let mut text = String::new();
        while !text.ends_with("done") {
            let byte = self.io.read_u8().await.unwrap();
            text.push(char::from(byte));
        }
        text
    }

    async fn receive_all(&mut self) -> String {
        let mut text = String::new();
        self.io.read_to_string(&mut text).await.unwrap();
        text
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const MARGIN: Duration = Duration::from_millis(10);

fn about(took: Duration, seconds: u64) -> bool {
    let wanted = Duration::from_secs(seconds);
    took >= wanted && took <= wanted + MARGIN
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_nothing_is_let_go_silently() {
    let (ended, took) = with(answer, async |client| {
        assert_eq!(client.receive_all().await, "");
    })
    .await;
    assert_eq!(ended, Some(Ended::HeaderTimeout));
    assert!(about(took, 15), "{took:?}");
}

/// T76.
#[tokio::test(start_paused = true)]
async fn a_head_that_drips_in_gets_408() {
    let (ended, took) = with(answer, async |client| {
        let drip = async |client: &mut Client| {
            for byte in GET.bytes() {
                client.io.write_u8(byte).await?;
                sleep(Duration::from_secs(1)).await;
            }
            Ok::<_, std::io::Error>(())
        };
        drop(drip(client).await);
        assert!(client.receive_all().await.starts_with("HTTP/1.1 408 "));
    })
    .await;
    assert_eq!(ended, None);
    assert!(
        about(took, 15) || took < Duration::from_secs(18),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_head_has_its_own_time() {
    let (_, took) = with(answer, async |client| {
        client.send(GET).await;
        client.receive().await;
        sleep(Duration::from_secs(100)).await;
        client.send("GET / HT").await;
        assert!(client.receive_all().await.starts_with("HTTP/1.1 408 "));
        assert!(about(client.start.elapsed(), 115));
    })
    .await;
    assert!(took < Duration::from_secs(118), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_after_its_last_exchange() {
    let (ended, took) = with(answer, async |client| {
        for _ in 0..5 {
            client.send(GET).await;
            client.receive().await;
            sleep(Duration::from_secs(119)).await;
        }
        client.send(GET).await;
        client.receive().await;
        assert_eq!(client.receive_all().await, "");
    })
    .await;
    assert_eq!(ended, Some(Ended::KeepAliveTimeout));
    assert!(about(took, 5 * 119 + 120), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stray_empty_line_is_no_head() {
    let (ended, took) = with(answer, async |client| {
        client.send(GET).await;
        client.receive().await;
        client.send("\r\n").await;
        assert_eq!(client.receive_all().await, "");
    })
    .await;
    assert_eq!(ended, Some(Ended::KeepAliveTimeout));
    assert!(about(took, 120), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_not_idle() {
    let slow = async |verdict, request| {
        sleep(Duration::from_secs(2 * 3600)).await;
        answer(verdict, request).await
    };
    let (ended, took) = with(slow, async |client| {
        client.send(GET).await;
        client.receive().await;
        assert_eq!(client.receive_all().await, "");
    })
    .await;
    assert_eq!(ended, Some(Ended::KeepAliveTimeout));
    assert!(about(took, 7200 + 120), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_event_stream_is_not_idle() {
    let events = async |verdict: Result<(Head, InFlight), Refusal>, _: Request<Incoming>| {
        let in_flight = verdict.unwrap().1;
        let body = StreamBody::new(futures_util::stream::unfold(0, move |count| {
            let _keep = &in_flight;
            async move {
                sleep(Duration::from_secs(3600)).await;
                let frame = Ok::<_, Infallible>(Frame::data(Bytes::from("event")));
                (count < 2).then_some((frame, count + 1))
            }
        }));
        Response::new(Box::pin(body) as Body)
    };
    let (ended, took) = with(events, async |client| {
        client.send(GET).await;
        assert_eq!(client.receive_all().await.matches("event").count(), 2);
    })
    .await;
    assert_eq!(ended, Some(Ended::KeepAliveTimeout));
    assert!(took >= Duration::from_secs(2 * 3600), "{took:?}");
}

async fn collect(
    verdict: Result<(Head, InFlight), Refusal>,
    request: Request<Incoming>,
) -> Response<Body> {
    let Ok(body) = request.into_body().collect().await else {
        let mut response = self::response("done");
        *response.status_mut() = http::StatusCode::REQUEST_TIMEOUT;
        return response;
    };
    let length = body.to_bytes().len().to_string();
    let mut response = self::response("done");
    response
        .headers_mut()
        .insert("x-length", length.parse().unwrap());
    drop(verdict);
    response
}

/// T76: limits are on progress.
#[tokio::test(start_paused = true)]
async fn a_slow_upload_passes() {
    with(collect, async |client| {
        client
            .send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\n\r\n")
            .await;
        for _ in 0..200 {
            sleep(Duration::from_secs(59)).await;
            client.send("a").await;
        }
        assert!(client.receive().await.contains("x-length: 200"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_stalls_fails() {
    let (ended, took) = with(collect, async |client| {
        client
            .send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\n\r\nabc")
            .await;
        assert!(client.receive_all().await.starts_with("HTTP/1.1 408 "));
        assert!(about(client.start.elapsed(), 60));
    })
    .await;
    assert_eq!(ended, Some(Ended::UploadTimeout));
    assert!(about(took, 60), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_nobody_reads_has_time() {
    let late = async |verdict, request| {
        sleep(Duration::from_secs(10 * 60)).await;
        collect(verdict, request).await
    };
    with(late, async |client| {
        let head =
            "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
        client.send(head).await;
        let mut line = [0; 25];
        client.io.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
        client.send("abc").await;
        assert!(client.receive().await.contains("x-length: 3"));
        assert_eq!(client.heads.ended(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_download_that_is_not_taken_ends() {
    let large = async |_verdict, _request| response(vec![b'a'; 100_000]);
    let (ended, took) = with(large, async |client| {
        client.send(GET).await;
        for _ in 0..20 {
            sleep(Duration::from_secs(14 * 60)).await;
            let mut some = [0; 1000];
            client.io.read_exact(&mut some).await.unwrap();
        }
        // And now it takes nothing, but stays.
        sleep(Duration::from_secs(16 * 60)).await;
    })
    .await;
    assert_eq!(ended, Some(Ended::DownloadTimeout));
    assert!(about(took, (20 * 14 + 15) * 60), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_may_finish_sending_before_it_is_cut_off() {
    let (_, took) = with(answer, async |client| {
        client.send("POST / HTTP/1.1\r\n\r\n").await;
        for _ in 0..10 {
            client.send(&"a".repeat(10_000)).await;
        }
        assert!(client.receive_all().await.starts_with("HTTP/1.1 400 "));
    })
    .await;
    assert!(took <= Duration::from_secs(2) + MARGIN, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn earlier_requests_are_answered_before_a_refusal() {
    with(answer, async |client| {
        client
            .send(&format!("{GET}{GET}GET / HTTP/1.1\r\n\r\n{GET}"))
            .await;
        let all = client.receive_all().await;
        assert_eq!(all.matches("HTTP/1.1 200 ").count(), 2);
        assert_eq!(all.matches("HTTP/1.1 400 ").count(), 1);
        assert_eq!(all.matches("HTTP/1.1 ").count(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_chunk_fails_the_body_and_ends_the_connection() {
    let (ended, _) = with(collect, async |client| {
        client
            .send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n")
            .await;
        client.send(GET).await;
        let all = client.receive_all().await;
        assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "{all}");
        assert!(all.starts_with("HTTP/1.1 408 "), "{all}");
    })
    .await;
    assert!(matches!(ended, Some(Ended::BadFraming(_))));
}

#[tokio::test(start_paused = true)]
async fn what_hyper_did_not_get_comes_back() {
    let (mut ours, theirs) = duplex(1024);
    let handshake =
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let prefix = format!("{handshake}early").into_bytes();
    let limits = Rc::new(super::limits());
    let (mut gate, heads) = Gate::new(theirs, prefix, limits, Instant::now());
    let mut space = vec![0; handshake.len()];
    let mut read = hyper::rt::ReadBuf::new(&mut space);
    std::future::poll_fn(|cx| hyper::rt::Read::poll_read(Pin::new(&mut gate), cx, read.unfilled()))
        .await
        .unwrap();
    assert!(heads.next().unwrap().0.upgrade);
    let (mut io, left) = gate.into_inner();
    assert_eq!(left, b"early");
    ours.write_all(b"later").await.unwrap();
    let mut later = [0; 5];
    io.read_exact(&mut later).await.unwrap();
    assert_eq!(&later, b"later");
}
