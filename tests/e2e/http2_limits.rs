//! What HTTP/2 clients can make labgate keep: measured at the process (T77).

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::net::TcpListener;

use crate::support::{Answer, Lab, Origin, http2::Http2, lab::OPEN, spawn, within};

/// Looks until it has not grown for half a second; how much it has since `before`.
async fn growth(lab: &Lab, before: usize) -> usize {
    let mut last = 0;
    let mut quiet = 0;
    within("the memory settles", async {
        while quiet < 5 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = lab.resident();
            quiet = if now > last { 0 } else { quiet + 1 };
            last = last.max(now);
        }
    })
    .await;
    last.saturating_sub(before)
}

#[tokio::test]
async fn streams_with_large_heads_hold_a_bounded_amount() {
    // T77
    let origin = Origin::answering(|seen| match seen.target.as_str() {
        "/hold" => Answer::Hold,
        _ => Answer::text("ok"),
    })
    .await;
    let lab = Lab::builder().open(&origin).start();
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(Http2::open(lab.address()).await);
    }
    let before = lab.resident();
    let large = "x".repeat(60 << 10);
    let mut open = Vec::new();
    for client in &mut clients {
        for _ in 0..STREAMS {
            let request = Request::get(format!("{OPEN}/hold")).header("x-large", &large);
            open.push(client.send(request.body(()).unwrap(), true).await);
        }
    }
    let all = |seen: &[_]| seen.len() == 4 * STREAMS;
    origin
        .until("a thousand requests reach the tool", all)
        .await;
    let grown = growth(&lab, before).await / (4 * STREAMS);
    // As it came, as it goes on, and buffers that grow by doubling.
    assert!(grown < 6 * (60 << 10), "{grown} bytes for each");
    drop(open);
    assert_eq!(lab.browser().get(OPEN).await.status, 200);
}

#[tokio::test]
async fn uploads_that_nobody_reads_hold_a_bounded_amount() {
    let tool = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = tool.local_addr().unwrap();
    let accepting = spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = tool.accept().await {
            held.push(stream);
        }
    });
    let lab = Lab::builder()
        .config(&format!(
            "[[route]]\nname = \"open\"\nhost = \"open.lab.test\"\naccess = \"public\"\n\
             upstream = \"http://{upstream}\""
        ))
        .start();
    let body = Bytes::from(vec![0; 16 << 20]);
    let mut open = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Http2::open(lab.address()).await);
    }
    let before = lab.resident();
    for client in &mut clients {
        for _ in 0..8 {
            let request = Request::post(format!("{OPEN}/")).body(()).unwrap();
            let mut upload = client.send(request, false).await;
            upload.1.send_data(body.clone(), false).unwrap();
            open.push(upload);
        }
    }
    let grown = growth(&lab, before).await / CLIENTS;
    // The window of a connection, and what hyper keeps of eight requests on their way.
    assert!(grown < (2 << 20) + (2 << 20), "{grown} bytes for each");
    assert!(grown > 1 << 19, "{grown}: they were not stuck");
    // Others on these connections go on.
    for client in &mut clients {
        assert_eq!(
            client.get("http://lab.test/.labgate/live", "").await.status,
            200
        );
    }
    accepting.abort();
}

/// At once, on a connection.
const STREAMS: usize = 250;
const CLIENTS: usize = 16;
