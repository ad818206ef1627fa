//! Framing, time limits on progress, cut bodies (T76, T78, T86, T92).

use std::time::Duration;

use tokio::sync::mpsc;

use crate::support::{Answer, Lab, Origin, Request, lab::OPEN, within};

const LIMITS: &str = "[limits]\nheader_timeout = \"1s\"\nupload_timeout = \"1s\"";

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off() {
    // T76
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).config(LIMITS).start();
    for start in ["", "GET / HTTP/1.1\r\nhost: open.lab.test\r\nx-slow: "] {
        let mut connection = lab.connect().await;
        connection.send(start).await;
        let mut wire = connection.into_wire();
        let trickle = async {
            let mut beat = tokio::time::interval(Duration::from_millis(100));
            let (mut read, mut write) = tokio::io::split(wire.stream);
            let mut answer = Vec::new();
            loop {
                tokio::select! {
                    _ = beat.tick() => {
                        if tokio::io::AsyncWriteExt::write_all(&mut write, b"x").await.is_err() {
                            break;
                        }
                    }
                    end = tokio::io::AsyncReadExt::read_buf(&mut read, &mut answer) => {
                        if !matches!(end, Ok(1..)) {
                            break;
                        }
                    }
                }
            }
        };
        let begun = std::time::Instant::now();
        within("the connection is closed", trickle).await;
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
        wire.early.clear();
    }
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn an_upload_may_take_any_time_as_long_as_it_goes_on() {
    // T76
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).config(LIMITS).start();
    let mut connection = lab.connect().await;
    connection
        .send("PUT /big HTTP/1.1\r\nhost: open.lab.test\r\ncontent-length: 12\r\n\r\n")
        .await;
    let mut beat = tokio::time::interval(Duration::from_millis(250));
    for _ in 0..12 {
        beat.tick().await;
        connection.send("x").await;
    }
    assert_eq!(connection.response().await.status, 200);
    assert_eq!(origin.last().body, b"xxxxxxxxxxxx");
}

#[tokio::test]
async fn an_upload_that_stops_is_cut_off() {
    // T76
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).config(LIMITS).start();
    let mut connection = lab.connect().await;
    connection
        .send("PUT /big HTTP/1.1\r\nhost: open.lab.test\r\ncontent-length: 12\r\n\r\nx")
        .await;
    let answer = connection.ends().await;
    assert!(
        answer.starts_with(b"HTTP/1.1 408 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let seen = origin
        .until("the tool sees the cut", |seen| seen.iter().all(|s| s.gone))
        .await;
    assert!(seen.iter().all(|request| !request.whole));
}

/// Messages of which two readers could think differently, and nothing else wrong with them.
const AMBIGUOUS: [&str; 24] = [
    "POST / HTTP/1.1\r\nhost: open.lab.test\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: open.lab.test\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: open.lab.test\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "POST / HTTP/1.1\r\nhost: open.lab.test\r\ncontent-length: 5, 6\r\n\r\nhello!",
    "POST / HTTP/1.1\r\nhost: open.lab.test\r\ncontent-length: +5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nhost: open.lab.test\r\ncontent-length: 0x5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nhost: open.lab.test\r\ncontent-length: 5 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nhost: open.lab.test\r\ncontent-length:\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: open.lab.test\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: open.lab.test\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: open.lab.test\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: open.lab.test\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: open.lab.test\r\ntransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.0\r\nhost: open.lab.test\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\nhost: open.lab.test\n\n",
    "GET / HTTP/1.1\r\nhost: open.lab.test\nx-a: b\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: open.lab.test\rx-a: b\r\n\r\n",
    "GET / HTTP/1.1\r\nhost : open.lab.test\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: open.lab.test\r\nx-a : b\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: open.lab.test\r\nx-a: b\r\n folded\r\n\r\n",
    "GET / HTTP/1.1\r\n host: open.lab.test\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: open.lab.test\r\nx-a: b\0c\r\n\r\n",
    "GET  / HTTP/1.1\r\nhost: open.lab.test\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: open.lab.test\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n",
];

#[tokio::test]
async fn what_could_be_read_two_ways_is_refused() {
    // T78
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).start();
    for message in AMBIGUOUS {
        let mut connection = lab.connect().await;
        connection.send(message).await;
        connection
            .send("GET /smuggled HTTP/1.1\r\nhost: open.lab.test\r\n\r\n")
            .await;
        let answer = connection.response().await;
        assert_eq!(answer.status, 400, "{message:?}");
        let rest = connection.ends().await;
        assert!(rest.is_empty(), "{message:?} is followed by another answer");
    }
    assert_eq!(origin.seen().len(), 0, "{:?}", origin.seen());
}

#[tokio::test]
async fn a_bad_chunk_ends_the_connection() {
    // T78
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).start();
    for chunk in [
        "xyz\r\n",
        "-1\r\n",
        "5;\nhello\r\n",
        "5 \r\nhello\r\n",
        "0x5\r\nhello\r\n",
        "5\r\nhelloXX0\r\n",
        "fffffffffffffffff\r\n",
    ] {
        let mut connection = lab.connect().await;
        connection
            .send(format!(
                "POST / HTTP/1.1\r\nhost: open.lab.test\r\ntransfer-encoding: chunked\r\n\r\n{chunk}\
                 0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: open.lab.test\r\n\r\n"
            ))
            .await;
        let said = connection.ends().await;
        let said = String::from_utf8_lossy(&said);
        assert!(!said.contains("HTTP/1.1 200"), "{chunk:?}: {said}");
    }
    let seen = origin
        .until("all are cut", |seen| seen.iter().all(|s| s.gone || s.whole))
        .await;
    assert!(
        !seen.iter().any(|s| s.whole || s.target == "/smuggled"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn what_can_be_read_one_way_passes() {
    // T78, the counterpart
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).start();
    let fine = [
        "POST / HTTP/1.1\r\nhost: open.lab.test\r\ncontent-length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHOST:open.lab.test\r\nTransfer-Encoding:  Chunked \r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: open.lab.test\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n003\r\nllo\r\n0\r\n\r\n",
    ];
    for message in fine {
        let mut connection = lab.connect().await;
        for _ in 0..2 {
            connection.send(message).await;
            assert_eq!(connection.response().await.status, 200, "{message:?}");
            assert_eq!(origin.last().body, b"hello");
        }
    }
}

#[tokio::test]
async fn a_body_that_the_tool_cuts_is_cut_for_the_client() {
    // T86
    let (open, mut opened) = mpsc::channel(1);
    let origin = Origin::answering(move |seen| {
        let head = match seen.target.as_str() {
            "/length" => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart",
            "/chunks" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n",
            _ => return Answer::text("ok"),
        };
        let (sender, pieces) = mpsc::channel(1);
        open.try_send(sender).unwrap();
        Answer::Stream(head.into(), pieces)
    })
    .await;
    let lab = Lab::builder().open(&origin).start();
    for (path, last) in [("/length", ""), ("/chunks", ""), ("/chunks", "zz\r\n")] {
        let mut connection = lab.connect().await;
        let head = format!("GET {path} HTTP/1.1\r\nhost: open.lab.test\r\n\r\n");
        connection
            .send(head + "GET /next HTTP/1.1\r\nhost: open.lab.test\r\n\r\n")
            .await;
        connection.comes("part").await;
        let tool = opened.recv().await.unwrap();
        tool.send(last.into()).await.unwrap();
        drop(tool);

        let answer = connection.response().await;

        assert_eq!((answer.status, answer.whole), (200, false), "{path}");
        let text = answer.text();
        assert!(
            text.starts_with("part") && !text.contains("HTTP/1.1"),
            "{path}: {text}"
        );
        assert!(
            connection.ends().await.is_empty(),
            "{path}: nothing comes after a cut"
        );
    }
    assert_eq!(lab.browser().get(OPEN).await.text(), "ok");
}

#[tokio::test]
async fn a_tool_that_is_not_there_or_talks_nonsense_is_a_502() {
    // DESIGN.md 4.3
    let origin = Origin::answering(|_| Answer::Cut(b"nonsense\r\n\r\n".to_vec())).await;
    let lab = Lab::builder().open(&origin).start();
    assert_eq!(lab.browser().get(OPEN).await.status, 502);
    drop(origin);
    let answer = lab.browser().navigate(OPEN).await;
    assert_eq!(answer.status, 502);
    assert!(
        answer
            .headers
            .get("content-type")
            .unwrap_or_default()
            .starts_with("text/html")
    );
}

#[tokio::test]
async fn a_request_without_a_body_stays_without_one() {
    // T92
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).start();
    for method in ["GET", "DELETE", "OPTIONS", "PROPFIND", "REPORT"] {
        assert_eq!(
            lab.browser().send(Request::new(method, OPEN)).await.status,
            200,
            "{method}"
        );
        let seen = origin.last();
        for name in ["transfer-encoding", "content-length", "content-type"] {
            assert!(
                !seen.headers.has(name),
                "{method} gained {name}: {}",
                seen.raw
            );
        }
        assert_eq!(seen.method, method);
    }
    let post = Request::new("POST", OPEN);
    assert_eq!(lab.browser().send(post).await.status, 200);
    assert!(
        !origin.last().headers.has("transfer-encoding"),
        "{}",
        origin.last().raw
    );

    let get = Request::new("GET", OPEN).body("a body");
    assert_eq!(lab.browser().send(get).await.status, 200);
    assert_eq!(
        origin.last().body,
        b"a body",
        "a body that is there arrives, even with GET"
    );
}

#[tokio::test]
async fn bodies_and_trailers_stream_through_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::on_socket(&folder.path().join("tool.sock"), |_| {
        let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                    3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n";
        Answer::Reply(text.into())
    });
    let lab = Lab::builder().open(&origin).start();
    let answer = lab
        .raw("GET / HTTP/1.1\r\nhost: open.lab.test\r\nte: trailers\r\n\r\n")
        .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "abc"));
    assert_eq!(answer.trailers.all("x-sum"), ["6"]);
}
