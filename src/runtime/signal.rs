//! A one-shot signal between tasks of one thread: set once or raised, waited for by a few.
//!
//! Costs a cell and no lock, so that every request and connection can carry one.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::poll_fn,
    task::{Context, Poll, Waker},
};

/// A value that starts out absent and may be set, and later raised to a greater one.
pub struct Signal<T> {
    value: Cell<Option<T>>,
    waiting: RefCell<Vec<Waker>>,
}

impl<T: Copy + fmt::Debug> fmt::Debug for Signal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signal").field(&self.value.get()).finish()
    }
}

impl<T> Default for Signal<T> {
    fn default() -> Self {
        Self {
            value: Cell::new(None),
            waiting: RefCell::new(Vec::new()),
        }
    }
}

impl<T: Copy + Ord> Signal<T> {
    /// Sets the value, unless an equal or greater one is set, and wakes all who wait.
    pub fn raise(&self, value: T) {
        if self.value.get() < Some(value) {
            self.value.set(Some(value));
            for waker in self.waiting.take() {
                waker.wake();
            }
        }
    }

    /// The value now.
    pub fn get(&self) -> Option<T> {
        self.value.get()
    }

    /// Ready when a value greater than `seen` is set.
    pub fn poll_above(&self, seen: Option<T>, cx: &Context<'_>) -> Poll<T> {
        match self.value.get() {
            Some(value) if Some(value) > seen => Poll::Ready(value),
            _ => {
                let mut waiting = self.waiting.borrow_mut();
                if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    waiting.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// Waits until a value is set.
    pub async fn raised(&self) -> T {
        poll_fn(|cx| self.poll_above(None, cx)).await
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::Signal;

    #[test]
    fn all_who_wait_are_woken_once_it_is_raised() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build_local(tokio::runtime::LocalOptions::default())
            .unwrap();
        runtime.block_on(async {
            let signal = Rc::new(Signal::default());
            let waiting: Vec<_> = (0..3)
                .map(|_| {
                    let signal = Rc::clone(&signal);
                    tokio::task::spawn_local(async move { signal.raised().await })
                })
                .collect();
            tokio::task::yield_now().await;
            signal.raise(2);
            signal.raise(1);
            for task in waiting {
                assert_eq!(task.await.unwrap(), 2);
            }
            assert_eq!(
                signal.get(),
                Some(2),
                "a lower value does not replace a higher one"
            );
        });
    }
}
