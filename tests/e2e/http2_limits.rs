//! What HTTP/2 clients can make labgate keep: measured at the process (T77).

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::{net::TcpListener, sync::watch};

use crate::support::{Lab, http2::Http2, lab::OPEN, spawn, within};

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

/// A lab whose route `open` leads to a tool that takes connections and reads nothing; how many it has.
async fn lab() -> (Lab, watch::Receiver<usize>) {
    let tool = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = tool.local_addr().unwrap();
    let (count, accepted) = watch::channel(0);
    spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = tool.accept().await {
            held.push(stream);
            count.send_replace(held.len());
        }
    });
    let route = format!(
        "[[route]]\nname = \"open\"\nhost = \"open.lab.test\"\naccess = \"public\"\n\
         upstream = \"http://{upstream}\""
    );
    (Lab::builder().config(&route).start(), accepted)
}

#[tokio::test]
async fn streams_with_large_heads_hold_a_bounded_amount() {
    // T77
    let (lab, mut accepted) = lab().await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(Http2::open(lab.address()).await);
    }
    let before = lab.resident();
    let large = "x".repeat(60 << 10);
    let mut open = Vec::new();
    for client in &mut clients {
        for _ in 0..STREAMS {
            let request = Request::get(format!("{OPEN}/")).header("x-large", &large);
            open.push(client.send(request.body(()).unwrap(), true).await);
        }
    }
    let all = accepted.wait_for(|count| *count == 4 * STREAMS);
    within("a thousand requests for the tool", all)
        .await
        .unwrap();
    let grown = growth(&lab, before).await / (4 * STREAMS);
    // As it came, as it goes on, and buffers that grow by doubling.
    assert!(grown < 6 * (60 << 10), "{grown} bytes for each");
    assert_eq!(live(&mut clients).await, 4, "others go on");
}

#[tokio::test]
async fn uploads_that_nobody_reads_hold_a_bounded_amount() {
    let (lab, _accepted) = lab().await;
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
    assert_eq!(live(&mut clients).await, CLIENTS, "others go on");
}

/// On how many of these connections another request is answered.
async fn live(clients: &mut [Http2]) -> usize {
    let mut live = 0;
    for client in clients {
        let answer = client.get("http://lab.test/.labgate/live", "").await;
        live += usize::from(answer.status == 200);
    }
    live
}

/// At once, on a connection.
const STREAMS: usize = 250;
const CLIENTS: usize = 16;
