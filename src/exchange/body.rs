//! Bodies on their way through: concrete types, counted, and ended when their exchange is.
//!
//! Nothing here buffers. Sizes stay visible (`size_hint`, `is_end_stream`), since hyper frames by
//! them: an unknown size would turn a body of known length into chunks, or lose it on a GET.

use std::{
    error::Error,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use super::Exchange;
use crate::{app::scrub, reject::Reject, rewrite, telemetry::chain, tunnel::Stop, upstream};

/// A request's body on its way to the upstream. The default is no body, for a request that is sent
/// again.
#[derive(Debug, Default)]
pub struct RequestBody(Option<Flow>);

#[derive(Debug)]
struct Flow {
    inner: Incoming,
    /// The most bytes it may have.
    limit: Option<u64>,
    passed: u64,
    exchange: Rc<Exchange>,
    /// Over HTTP/2; the head gate has the clock of HTTP/1.
    patience: Option<Patience>,
}

/// A clock that runs while we wait for the client, and only then. Its timer is made at the first
/// wait.
#[derive(Debug)]
struct Patience {
    limit: Duration,
    waiting: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// Why a request's body ended early.
#[derive(Debug, thiserror::Error)]
pub enum RequestBodyError {
    /// The client's side broke off or framed it wrongly.
    #[error("the client's request body broke off")]
    Client(#[source] hyper::Error),
    /// The client sent nothing of it for too long.
    #[error("the client sent nothing for {limit:?}")]
    Late {
        /// `upload_timeout`
        limit: Duration,
    },
    /// Longer than it may be.
    #[error("the request body is longer than {limit} bytes")]
    TooLarge {
        /// The most it may have.
        limit: u64,
    },
    /// The exchange was ended by us.
    #[error("ended by us: {0:?}")]
    Stopped(Stop),
}

impl RequestBody {
    /// `limit` is the most bytes that it may have.
    pub fn new(inner: Incoming, limit: Option<u64>, exchange: Rc<Exchange>) -> Self {
        let patience = exchange.http2().map(|_| Patience {
            limit: exchange.worker().view().limits.upload_timeout,
            waiting: false,
            sleep: None,
        });
        Self(Some(Flow {
            inner,
            limit,
            passed: 0,
            exchange,
            patience,
        }))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        match &mut self.0 {
            Some(flow) => flow.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|flow| flow.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .as_ref()
            .map_or(SizeHint::with_exact(0), |flow| flow.inner.size_hint())
    }
}

impl Flow {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        if let Poll::Ready(why) = self.exchange.stop.poll_above(None, cx) {
            return Poll::Ready(Some(Err(RequestBodyError::Stopped(why))));
        }
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else {
            return match &mut self.patience {
                Some(patience) => patience.poll(cx).map(|late| Some(Err(late))),
                None => Poll::Pending,
            };
        };
        if let Some(patience) = &mut self.patience {
            patience.waiting = false;
        }
        let frame = match frame {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(RequestBodyError::Client(error)))),
            Some(Ok(frame)) => frame,
        };
        Poll::Ready(Some(self.pass(frame)))
    }

    fn pass(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, RequestBodyError> {
        let frame = match frame.into_data() {
            Ok(data) => {
                self.exchange.received(data.len());
                self.passed += data.len() as u64;
                if let Some(limit) = self.limit.filter(|limit| self.passed > *limit) {
                    return Err(RequestBodyError::TooLarge { limit });
                }
                return Ok(Frame::data(data));
            }
            Err(frame) => frame,
        };
        Ok(match frame.into_trailers() {
            Ok(mut trailers) => {
                rewrite::trailers::request(&mut trailers);
                Frame::trailers(trailers)
            }
            Err(frame) => frame,
        })
    }
}

impl Patience {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<RequestBodyError> {
        let limit = self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !self.waiting {
            self.waiting = true;
            sleep.as_mut().reset(Instant::now() + limit);
        }
        sleep
            .as_mut()
            .poll(cx)
            .map(|()| RequestBodyError::Late { limit })
    }
}

impl From<RequestBodyError> for Reject {
    fn from(error: RequestBodyError) -> Self {
        Self::from(&error)
    }
}

impl From<&RequestBodyError> for Reject {
    fn from(error: &RequestBodyError) -> Self {
        match error {
            RequestBodyError::Client(error) if is_late(error) => Self::Late,
            RequestBodyError::Client(_) => Self::BadRequestBody,
            RequestBodyError::Late { .. } => Self::Late,
            RequestBodyError::TooLarge { limit } => Self::TooLarge { limit: *limit },
            RequestBodyError::Stopped(why) => Self::Stopped(*why),
        }
    }
}

/// Whether the head gate ended an HTTP/1 body since nothing of it came for `upload_timeout`.
fn is_late(error: &hyper::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() == io::ErrorKind::TimedOut;
        }
        cause = error.source();
    }
    false
}

impl From<upstream::Error> for Reject {
    /// A request that failed by its own body is the client's failure, or our stop.
    fn from(error: upstream::Error) -> Self {
        let mut cause = Some(&error as &(dyn Error + 'static));
        while let Some(error) = cause {
            if let Some(body) = error.downcast_ref::<RequestBodyError>() {
                return body.into();
            }
            cause = error.source();
        }
        Self::Upstream(error)
    }
}

/// An answer's body on its way to the client.
#[derive(Debug)]
pub struct ResponseBody {
    inner: Inner,
    exchange: Option<Rc<Exchange>>,
}

#[derive(Debug)]
enum Inner {
    Fixed(Option<Bytes>),
    Scrubbed(Pin<Box<scrub::Page<upstream::UpstreamBody<RequestBody>>>>),
    Upstream(upstream::UpstreamBody<RequestBody>),
}

/// Why an answer's body ended early; the client sees a cut answer.
#[derive(Debug, thiserror::Error)]
pub enum ResponseBodyError {
    /// A secret could not be kept out of it.
    #[error(transparent)]
    Scrub(#[from] scrub::Error<upstream::Error>),
    /// The exchange was ended by us.
    #[error("ended by us: {0:?}")]
    Stopped(Stop),
    /// The upstream broke off.
    #[error(transparent)]
    Upstream(#[from] upstream::Error),
}

impl ResponseBody {
    /// A body of our own.
    pub fn fixed(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            inner: Inner::Fixed(Some(bytes).filter(|bytes| !bytes.is_empty())),
            exchange: None,
        }
    }

    /// The upstream's, as it is.
    pub const fn upstream(body: upstream::UpstreamBody<RequestBody>) -> Self {
        Self {
            inner: Inner::Upstream(body),
            exchange: None,
        }
    }

    /// The upstream's, without the tool's token.
    pub fn scrubbed(body: scrub::Page<upstream::UpstreamBody<RequestBody>>) -> Self {
        Self {
            inner: Inner::Scrubbed(Box::pin(body)),
            exchange: None,
        }
    }

    /// Ties it to its exchange: counted, logged at its end, cut when the exchange is ended.
    #[must_use]
    pub fn of(mut self, exchange: Rc<Exchange>) -> Self {
        exchange
            .streaming
            .set(!matches!(self.inner, Inner::Fixed(_)));
        self.exchange = Some(exchange);
        self
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        let this = &mut *self;
        let http2 = this.exchange.as_ref().and_then(|exchange| exchange.http2());
        if let Some(stream) = http2 {
            // hyper asks for more when it is rid of what it has.
            stream.taken();
        }
        let frame = match &mut this.inner {
            Inner::Fixed(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            inner => {
                if let Some(exchange) = &this.exchange
                    && let Poll::Ready(why) = exchange.stop.poll_above(None, cx)
                {
                    Poll::Ready(Some(Err(ResponseBodyError::Stopped(why))))
                } else {
                    inner.poll_upstream(cx)
                }
            }
        };
        if let (Poll::Ready(Some(frame)), Some(exchange)) = (&frame, &this.exchange) {
            match frame {
                Ok(frame) => {
                    exchange.sent(frame.data_ref().map_or(0, Bytes::len));
                    if let Some(stream) = exchange.http2() {
                        stream.given();
                    }
                }
                Err(error) => exchange.failed(|| chain(error)),
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Fixed(bytes) => bytes.is_none(),
            Inner::Scrubbed(body) => body.is_end_stream(),
            Inner::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Fixed(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            Inner::Scrubbed(body) => body.size_hint(),
            Inner::Upstream(body) => body.size_hint(),
        }
    }
}

impl Inner {
    fn poll_upstream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        let frame = match self {
            Self::Fixed(_) => return Poll::Ready(None),
            Self::Scrubbed(body) => body
                .as_mut()
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| Ok(frame?))),
            Self::Upstream(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| Ok(frame?))),
        };
        frame.map(|frame: Option<Result<Frame<Bytes>, ResponseBodyError>>| {
            frame.map(|frame| {
                let frame = frame?;
                Ok(match frame.into_trailers() {
                    Ok(mut trailers) => {
                        rewrite::trailers::response(&mut trailers);
                        Frame::trailers(trailers)
                    }
                    Err(frame) => frame,
                })
            })
        })
    }
}
