//! One HTTP/1.1 connection: a hyper task and our end of it.

use std::{
    error::Error as StdError,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{self, Builder, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::{
    task::{JoinHandle, spawn_local},
    time::Instant,
};

use super::{
    Error, framing,
    link::{Link, Watched},
};
use crate::wire::Stream;

/// A request body the pool can send. `Default` is the empty body, which a repeated request gets.
pub trait RequestBody: Body<Data = Bytes, Error: Into<Failure>> + Default + 'static {}

impl<B> RequestBody for B where B: Body<Data = Bytes, Error: Into<Failure>> + Default + 'static {}

type Failure = Box<dyn StdError + Send + Sync>;

/// hyper's half of a connection, to be spawned.
pub(super) type Driver<B> = http1::Connection<TokioIo<Watched>, Upload<B>>;

/// Our half of a connection. Dropping it closes the socket at once, whatever hyper is at.
#[derive(Debug)]
pub(super) struct Connection<B> {
    pub(super) sender: SendRequest<Upload<B>>,
    pub(super) link: Rc<Link>,
    pub(super) born: Instant,
    task: JoinHandle<()>,
}

/// An exchange that gave no answer.
pub(super) struct Failed<B> {
    pub(super) error: Error,
    pub(super) again: Again<B>,
}

/// Whether the request of a failed exchange may be sent again.
pub(super) enum Again<B> {
    /// It was never sent; here it is.
    Unsent(Box<Request<B>>),
    /// It was sent and not a byte came back.
    Unanswered,
    /// The upstream had begun to answer, was too slow, or it is not the connection's fault.
    Never,
}

/// hyper over `io`. Nothing happens until the driver is polled.
pub(super) async fn handshake<B: RequestBody>(
    io: Stream,
) -> hyper::Result<(SendRequest<Upload<B>>, Rc<Link>, Driver<B>)> {
    let link = Rc::new(Link::default());
    let watched = Watched::new(io, Rc::clone(&link));
    let mut builder = Builder::new();
    builder.max_buf_size(MAX_BUFFER).max_header_size(MAX_HEAD);
    let (sender, driver) = builder.handshake(TokioIo::new(watched)).await?;
    Ok((sender, link, driver))
}

impl<B: RequestBody> Connection<B> {
    pub(super) fn spawn(
        sender: SendRequest<Upload<B>>,
        link: Rc<Link>,
        driver: impl Future<Output = hyper::Result<()>> + 'static,
    ) -> Self {
        let task = spawn_local(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "an upstream connection failed");
            }
        });
        Self {
            sender,
            link,
            born: Instant::now(),
            task,
        }
    }

    /// Sends one request and waits for the head of its answer, for `limit` from the end of the
    /// request's body. A 101 is an error here: nobody asked for it.
    pub(super) fn exchange<'a>(
        &'a mut self,
        request: Request<B>,
        target: &'a str,
        limit: Option<Duration>,
    ) -> impl Future<Output = Result<Response<Incoming>, Failed<B>>> + use<'a, B> {
        let request = prepare(request, &self.link);
        let link = &*self.link;
        let answer = within(self.sender.try_send_request(request), link, limit);
        // The request is with hyper by now; what waits has no room for it.
        async move { judge(answer.await, target, link, limit) }
    }
}

impl<B> Drop for Connection<B> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What hyper gives for a request.
type Answer<B> = Result<Response<Incoming>, TrySendError<Request<Upload<B>>>>;

/// What an answer is, or `None` in its place when there was none within `limit`.
fn judge<B>(
    answer: Option<Answer<B>>,
    target: &str,
    link: &Link,
    limit: Option<Duration>,
) -> Result<Response<Incoming>, Failed<B>> {
    let never = |error| Failed {
        error,
        again: Again::Never,
    };
    match answer {
        None => Err(never(too_slow(target, limit))),
        Some(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            let what = "switched protocols though nobody asked it to";
            Err(never(protocol(target, what)))
        }
        Some(Ok(mut response)) => {
            link.progressed();
            framing::settle(response.headers_mut())
                .map(|()| response)
                .map_err(|what| never(protocol(target, what)))
        }
        Some(Err(error)) => Err(failed(error, target, link)),
    }
}

/// Makes `link` ready for the request, and the request for `link`.
pub(super) fn prepare<B: RequestBody>(
    mut request: Request<B>,
    link: &Rc<Link>,
) -> Request<Upload<B>> {
    *request.version_mut() = http::Version::HTTP_11;
    link.begin(!request.body().is_end_stream());
    request.map(|body| Upload {
        body,
        end: UploadEnd(Rc::clone(link)),
    })
}

/// Waits for an answer as long as the upstream may take. `None`: it took longer.
pub(super) fn within<F: Future>(answer: F, link: &Link, limit: Option<Duration>) -> Within<'_, F> {
    Within {
        answer,
        link,
        limit: limit.map(|limit| (Instant::now(), limit)),
    }
}

pin_project! {
    /// The future of [`within`].
    pub(super) struct Within<'a, F> {
        #[pin]
        answer: F,
        link: &'a Link,
        // Since when, and how long.
        limit: Option<(Instant, Duration)>,
    }
}

impl<F: Future> Future for Within<'_, F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let this = self.project();
        if let Poll::Ready(answer) = this.answer.poll(cx) {
            return Poll::Ready(Some(answer));
        }
        match *this.limit {
            Some((started, limit)) => this.link.poll_late(cx, started, limit).map(|()| None),
            None => Poll::Pending,
        }
    }
}

/// What hyper's error means.
pub(super) fn failed<B>(
    mut error: TrySendError<Request<Upload<B>>>,
    target: &str,
    link: &Link,
) -> Failed<B> {
    let again = match error.take_message() {
        Some(request) => Again::Unsent(Box::new(request.map(|upload| upload.body))),
        None if link.is_silent() => Again::Unanswered,
        None => Again::Never,
    };
    let source = error.into_error();
    let target = target.to_owned();
    if link.is_flooded() {
        let what = "sends interim responses without end";
        let error = Error::Protocol {
            target,
            what,
            source: Some(source),
        };
        return Failed {
            error,
            again: Again::Never,
        };
    }
    if source.is_user() {
        return Failed {
            error: Error::RequestBody { target, source },
            again: Again::Never,
        };
    }
    if source.is_parse() {
        let what = if source.is_parse_too_large() {
            "sends a response head that is larger than 64 KiB or has more than 100 fields"
        } else {
            "does not answer in HTTP/1.1"
        };
        let error = Error::Protocol {
            target,
            what,
            source: Some(source),
        };
        return Failed {
            error,
            again: Again::Never,
        };
    }
    Failed {
        error: Error::Closed { target, source },
        again,
    }
}

pub(super) fn protocol(target: &str, what: &'static str) -> Error {
    Error::Protocol {
        target: target.to_owned(),
        what,
        source: None,
    }
}

pub(super) fn too_slow(target: &str, limit: Option<Duration>) -> Error {
    Error::ResponseTimeout {
        target: target.to_owned(),
        limit: limit.unwrap_or_default(),
    }
}

pin_project! {
    /// A request body whose end the link hears of.
    pub(super) struct Upload<B> {
        #[pin]
        body: B,
        end: UploadEnd,
    }
}

/// hyper drops a body as soon as it is at its end.
struct UploadEnd(Rc<Link>);

impl Drop for UploadEnd {
    fn drop(&mut self) {
        self.0.upload_ended();
    }
}

impl<B: Body> Body for Upload<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Largest response head. hyper allows 100 fields in it.
const MAX_HEAD: usize = 64 * 1024;
/// Largest read and write buffer. With what the client's side keeps (`listener/conn.rs`), a slow download
/// over HTTP/1 holds half a MiB, measured.
const MAX_BUFFER: usize = 128 * 1024;
