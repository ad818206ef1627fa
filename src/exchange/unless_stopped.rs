//! Waiting that ends with the exchange.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::{reject::Reject, runtime::Signal, tunnel::Stop};

pin_project! {
    /// The future of [`Exchange::unless_stopped`](super::Exchange::unless_stopped). Written out, since
    /// an `async fn` keeps room for its argument twice, and every request waits in here.
    #[derive(Debug)]
    pub struct UnlessStopped<'a, F> {
        pub(super) stop: &'a Signal<Stop>,
        #[pin]
        pub(super) future: F,
    }
}

impl<F: Future> Future for UnlessStopped<'_, F> {
    type Output = Result<F::Output, Reject>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(why) = this.stop.poll_above(None, cx) {
            return Poll::Ready(Err(Reject::Stopped(why)));
        }
        this.future.poll(cx).map(Ok)
    }
}
