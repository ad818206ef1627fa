//! Whether hyper, behind the gate, reads a stream exactly as the gate did, and as a simple reader
//! does. Shared with the fuzz target `head_gate`; panics where they disagree.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::Future,
    io,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use http::{Request, Response, header::CONNECTION};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::{Bytes, Incoming},
    rt::{Read, ReadBufCursor, Write},
};
use labgate::http::gate::{Body, Gate, Head, Heads, Limits, Refusal};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Runtime,
    time::Instant,
};

use crate::simple::{self, Message};

/// Reads the stream in one piece, byte by byte, and in pieces of many sizes.
pub(crate) fn check(stream: &[u8]) {
    let whole = observe(stream, |_| usize::MAX);
    compare(stream, &whole);
    for sizes in [|_| 1, |read: usize| 1 + (read * 7 + read / 3) % 61] {
        let pieces = observe(stream, sizes);
        compare(stream, &pieces);
        assert_eq!(whole.verdicts, pieces.verdicts);
        if is_blind(&whole.verdicts) {
            // How far hyper reads into what is no longer HTTP is its own affair.
            let shared = whole.forwarded.len().min(pieces.forwarded.len());
            assert_eq!(whole.forwarded[..shared], pieces.forwarded[..shared]);
        } else {
            assert_eq!(whole.forwarded, pieces.forwarded);
        }
    }
}

/// What a gate, and hyper behind it, made of a stream.
struct Observed {
    /// Of the gate, one per request that hyper handed over.
    verdicts: Vec<Result<Head, Refusal>>,
    /// Of hyper.
    messages: Vec<Message>,
    /// All bytes that hyper got from the gate.
    forwarded: Vec<u8>,
}

fn compare(stream: &[u8], observed: &Observed) {
    let Observed {
        verdicts,
        messages,
        forwarded,
    } = observed;
    let refused = verdicts.iter().filter(|verdict| verdict.is_err()).count();
    assert!(refused <= 1 && verdicts.iter().rev().skip(1).all(Result::is_ok));
    assert!(
        !verdicts.contains(&Err(Refusal::BadRequest("a request out of sequence"))),
        "hyper found a request that the gate did not see",
    );
    let most = is_blind(verdicts).then_some(verdicts.len());
    let expected = simple::read(forwarded, most);
    assert_eq!(messages, &expected, "hyper and a simple reader disagree");
    assert_eq!(messages.len(), verdicts.len());
    for (message, verdict) in messages.iter().zip(verdicts) {
        let Ok(head) = verdict else { continue };
        match head.body {
            Body::Empty => assert!(message.content.is_empty() && message.complete),
            Body::Length(length) => {
                assert_eq!(message.complete, message.content.len() as u64 == length);
            }
            Body::Chunked => {}
            Body::Unsized => panic!("HTTP/1 has no such body"),
        }
    }
    if refused == 0 {
        assert!(stream.starts_with(forwarded));
    } else {
        let own = expected.last().map_or(0, |message| message.bytes);
        let passed = &forwarded[..forwarded.len() - own];
        assert!(stream.starts_with(passed));
    }
}

/// Whether the stream ends in a tunnel.
fn is_blind(verdicts: &[Result<Head, Refusal>]) -> bool {
    matches!(verdicts.last(), Some(Ok(head)) if head.upgrade)
}

fn observe(stream: &[u8], sizes: impl Fn(usize) -> usize) -> Observed {
    thread_local! {
        static TIME: Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
    }
    TIME.with(|time| {
        let _entered = time.enter();
        let ended = Cell::new(false);
        let io = Pieces {
            rest: stream,
            read: 0,
            sizes,
            ended: &ended,
        };
        let (gate, heads) = Gate::new(io, Vec::new(), Rc::new(limits()), Instant::now());
        let forwarded = RefCell::new(Vec::new());
        let tap = Tap {
            inner: gate,
            seen: &forwarded,
        };
        let verdicts = RefCell::new(Vec::new());
        let messages = RefCell::new(Vec::new());
        let service =
            hyper::service::service_fn(|request| record(&heads, request, &verdicts, &messages));
        let mut serving =
            pin!(hyper::server::conn::http1::Builder::new().serve_connection(tap, service));
        if until_it_waits(serving.as_mut()).is_pending() {
            // Only now, since a client that is gone gets no answers.
            ended.set(true);
            assert!(until_it_waits(serving.as_mut()).is_ready(), "ends");
        }
        assert_eq!(
            heads.next().map(drop),
            Err(Refusal::BadRequest("a request out of sequence")),
            "hyper did not find a request that the gate saw",
        );
        Observed {
            verdicts: verdicts.take(),
            messages: messages.take(),
            forwarded: forwarded.take(),
        }
    })
}

/// Small, so that the limits are reached.
fn limits() -> Limits {
    Limits {
        header_timeout: Duration::from_secs(15),
        keep_alive_timeout: Duration::from_secs(120),
        upload_timeout: Duration::from_secs(60),
        download_timeout: Duration::from_secs(900),
        max_header_bytes: 1024,
        max_headers: 16,
    }
}

async fn record(
    heads: &Heads,
    request: Request<Incoming>,
    verdicts: &RefCell<Vec<Result<Head, Refusal>>>,
    messages: &RefCell<Vec<Message>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let verdict = heads.next().map(|(head, _)| head);
    let must_close = !matches!(&verdict, Ok(head) if !head.upgrade);
    verdicts.borrow_mut().push(verdict);
    let (parts, mut body) = request.into_parts();
    let place = {
        let mut messages = messages.borrow_mut();
        messages.push(Message::from_parts(&parts));
        messages.len() - 1
    };
    loop {
        let frame = body.frame().await;
        let message = &mut messages.borrow_mut()[place];
        match frame {
            None => {
                message.complete = true;
                break;
            }
            Some(Err(_)) => break,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => message.content.extend_from_slice(&data),
                Err(frame) => message.add_trailers(&frame.into_trailers().unwrap()),
            },
        }
    }
    let mut response = Response::new(Empty::new());
    if must_close {
        let close = "close".parse().unwrap();
        response.headers_mut().insert(CONNECTION, close);
    }
    Ok(response)
}

/// Polls until nothing moves any more.
fn until_it_waits<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    struct Flag(AtomicBool);
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    let mut cx = Context::from_waker(&waker);
    while flag.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Poll::Ready(output);
        }
    }
    Poll::Pending
}

/// A client that sends in pieces, takes all answers, and hangs up when it is told to.
struct Pieces<'a, F> {
    rest: &'a [u8],
    read: usize,
    sizes: F,
    ended: &'a Cell<bool>,
}

impl<F: Fn(usize) -> usize> AsyncRead for Pieces<'_, F> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Not structurally pinned.
        let this = unpin(self);
        if this.rest.is_empty() {
            return if this.ended.get() {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            };
        }
        let size = (this.sizes)(this.read)
            .min(this.rest.len())
            .min(buf.remaining());
        let (now, rest) = this.rest.split_at(size);
        buf.put_slice(now);
        this.rest = rest;
        this.read += size;
        Poll::Ready(Ok(()))
    }
}

impl<F> Unpin for Pieces<'_, F> {}

fn unpin<T: Unpin>(pinned: Pin<&mut T>) -> &mut T {
    pinned.get_mut()
}

impl<F> AsyncWrite for Pieces<'_, F> {
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
        self.ended.set(true);
        Poll::Ready(Ok(()))
    }
}

/// Writes down what hyper reads.
struct Tap<'a, G> {
    inner: G,
    seen: &'a RefCell<Vec<u8>>,
}

impl<G: Read + Unpin> Read for Tap<'_, G> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut space = vec![0; buf.remaining()];
        let mut read = hyper::rt::ReadBuf::new(&mut space);
        let result = Pin::new(&mut self.inner).poll_read(cx, read.unfilled());
        buf.put_slice(read.filled());
        self.seen.borrow_mut().extend_from_slice(read.filled());
        result
    }
}

impl<G: Write + Unpin> Write for Tap<'_, G> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
