//! The body of an answer, which gives its connection back at its end.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use super::{Error, connection::RequestBody, rack::Lease};

/// The body of an answer. At its end the connection is used again; dropped before, it is closed.
/// Fewer bytes than announced are an error, never an end.
pub struct UpstreamBody<B: RequestBody> {
    incoming: Incoming,
    /// `None` after the end or an error.
    lease: Option<Lease<B>>,
    stall: Option<Stall>,
}

/// A clock that runs while we wait for the upstream, and only then. The timer is made at the
/// first wait.
#[derive(Debug)]
struct Stall {
    limit: Duration,
    waiting: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<B: RequestBody> UpstreamBody<B> {
    pub(super) fn new(incoming: Incoming, lease: Lease<B>, stall: Option<Duration>) -> Self {
        let mut body = Self {
            incoming,
            lease: Some(lease),
            stall: stall.map(Stall::new),
        };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.finish();
        }
    }

    /// Closes the connection. `Some` with the target's name the first time.
    fn cut(&mut self) -> Option<String> {
        let lease = self.lease.take()?;
        Some(lease.name())
    }
}

impl<B: RequestBody> Body for UpstreamBody<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.lease.is_none() {
            return Poll::Ready(None);
        }
        let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let stalled = self.stall.as_mut().and_then(|stall| stall.poll(cx));
                let Some(limit) = stalled else {
                    return Poll::Pending;
                };
                let error = self.cut().map(|target| Error::Stalled { target, limit });
                return Poll::Ready(error.map(Err));
            }
        };
        if let Some(stall) = &mut self.stall {
            stall.waiting = false;
        }
        match frame {
            Some(Ok(frame)) => {
                if let Some(lease) = &self.lease {
                    lease.progressed();
                }
                if frame.is_trailers() || self.incoming.is_end_stream() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(source)) => {
                let error = self.cut().map(|target| Error::Cut { target, source });
                Poll::Ready(error.map(Err))
            }
            None => {
                self.finish();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.lease.is_none() || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl<B: RequestBody> fmt::Debug for UpstreamBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamBody")
            .field("incoming", &self.incoming)
            .finish_non_exhaustive()
    }
}

impl Stall {
    const fn new(limit: Duration) -> Self {
        Self {
            limit,
            waiting: false,
            sleep: None,
        }
    }

    /// Waits on. `Some` when it took too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Option<Duration> {
        let limit = self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !self.waiting {
            sleep.as_mut().reset(Instant::now() + limit);
            self.waiting = true;
        }
        sleep.as_mut().poll(cx).is_ready().then_some(limit)
    }
}
