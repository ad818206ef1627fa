//! A place for one future at a time, kept for the life of a connection.
//!
//! hyper wants the service's future to be `Unpin` where we take a connection apart after an upgrade.
//! Boxing each one would cost an allocation per request; HTTP/1 has one request at a time, so one
//! box per connection is enough.

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// The place.
#[derive(Debug)]
pub struct Place<F>(Rc<RefCell<Pin<Box<Option<F>>>>>);

/// The future in the place. Dropping it drops the future.
#[derive(Debug)]
pub struct InPlace<F>(Rc<RefCell<Pin<Box<Option<F>>>>>);

impl<F> Default for Place<F> {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(Box::pin(None))))
    }
}

impl<F: Future> Place<F> {
    /// Puts a future in; one that is still there is dropped.
    pub fn put(&self, future: F) -> InPlace<F> {
        self.0.borrow_mut().as_mut().set(Some(future));
        InPlace(Rc::clone(&self.0))
    }
}

impl<F: Future> Future for InPlace<F> {
    type Output = F::Output;

    /// Pends for ever when polled after its end, as hyper never does.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut place = self.0.borrow_mut();
        let Some(future) = place.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let output = std::task::ready!(future.poll(cx));
        place.as_mut().set(None);
        Poll::Ready(output)
    }
}

impl<F> Drop for InPlace<F> {
    fn drop(&mut self) {
        self.0.borrow_mut().as_mut().set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_place_serves_many_futures() {
        let place = Place::default();
        for number in 0..3 {
            assert_eq!(place.put(async move { number }).await, number);
        }
    }

    #[tokio::test]
    async fn a_dropped_handle_drops_its_future_at_once() {
        let place = Place::default();
        let held = Rc::new(());
        let inside = Rc::clone(&held);
        drop(place.put(async move {
            std::future::pending::<()>().await;
            drop(inside);
        }));
        assert_eq!(Rc::strong_count(&held), 1);
    }
}
