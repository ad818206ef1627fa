//! What does the gate add to a request? A typical browser head with a 400-byte cookie goes through
//! the gate as hyper would read it; httparse on the same bytes is the yardstick.
//!
//! A request costs some 20 µs in all, so act when `head_gate/pass` exceeds 1.5 µs (7 %).

use std::{
    hint::black_box,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use criterion::{Criterion, criterion_group, criterion_main};
use hyper::rt::{Read as _, ReadBuf as HyperBuf};
use labgate::http::gate::{Gate, Limits};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// Gives the same head at every read.
struct Endless(Vec<u8>);

impl AsyncRead for Endless {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buf.put_slice(&self.0);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn browser_head() -> Vec<u8> {
    let cookie = "labgate=0123456789abcdef; ".repeat(16);
    format!(
        "GET /user/ana/api/contents/notebooks/analysis.ipynb?type=notebook&1763745000000 HTTP/1.1\r\n\
         Host: jupyter.example.org\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n\
         Accept: application/json, text/plain, */*\r\n\
         Accept-Language: en-GB,en;q=0.5\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\
         Content-Type: application/json\r\n\
         X-XSRFToken: 2|53d3b9a1|4f2e8c1d0b9a8f7e6d5c4b3a29180706|1763740000\r\n\
         Referer: https://jupyter.example.org/user/ana/lab/tree/notebooks/analysis.ipynb\r\n\
         Connection: keep-alive\r\n\
         Cookie: {cookie}\r\n\
         Sec-Fetch-Dest: empty\r\n\
         Sec-Fetch-Mode: cors\r\n\
         Sec-Fetch-Site: same-origin\r\n\
         Priority: u=4\r\n\
         Cache-Control: max-age=0\r\n\r\n"
    )
    .into_bytes()
}

fn limits() -> Rc<Limits> {
    Rc::new(Limits {
        header_timeout: Duration::from_secs(15),
        keep_alive_timeout: Duration::from_secs(120),
        upload_timeout: Duration::from_secs(60),
        download_timeout: Duration::from_secs(900),
        max_header_bytes: 64 * 1024,
        max_headers: 100,
    })
}

fn head_gate(criterion: &mut Criterion) {
    #[expect(clippy::expect_used, reason = "no runtime, no measurement")]
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let _entered = runtime.enter();
    let head = browser_head();
    let mut group = criterion.benchmark_group("head_gate");
    group.throughput(criterion::Throughput::Bytes(head.len() as u64));
    group.bench_function("httparse", |bencher| {
        bencher.iter(|| {
            let mut fields = [httparse::EMPTY_HEADER; 100];
            let mut request = httparse::Request::new(&mut fields);
            request
                .parse(black_box(&head))
                .map(|status| status.is_complete())
        });
    });
    let (mut gate, heads) = Gate::new(Endless(head.clone()), Vec::new(), limits(), Instant::now());
    let mut space = vec![0; 8192];
    group.bench_function("pass", |bencher| {
        bencher.iter(|| {
            let mut buf = HyperBuf::new(&mut space);
            let mut cx = Context::from_waker(Waker::noop());
            let read = Pin::new(&mut gate).poll_read(&mut cx, buf.unfilled());
            (read.is_ready(), heads.next().is_ok())
        });
    });
    group.finish();
}

criterion_group!(benches, head_gate);
criterion_main!(benches);
