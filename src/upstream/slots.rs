//! How many requests may run at one target at a time, and who waits in which order.
//!
//! For one thread: no lock, no atomic, and no allocation unless somebody waits.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// The slots of one target.
#[derive(Debug)]
pub(super) struct Slots {
    max_active: usize,
    max_waiting: usize,
    active: Cell<usize>,
    queue: RefCell<VecDeque<Rc<Ticket>>>,
}

/// The right to run one request; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot(Rc<Slots>);

/// A place in the queue. Resolves to a slot, first come, first served.
#[derive(Debug)]
pub(super) struct Wait {
    slots: Rc<Slots>,
    ticket: Rc<Ticket>,
}

#[derive(Debug, Default)]
struct Ticket {
    called: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// What one who asks gets.
#[derive(Debug)]
pub(super) enum Answer {
    Full,
    Now(Slot),
    Wait(Wait),
}

impl Slots {
    pub(super) fn new(max_active: usize, max_waiting: usize) -> Rc<Self> {
        Rc::new(Self {
            max_active,
            max_waiting,
            active: Cell::new(0),
            queue: RefCell::default(),
        })
    }

    pub(super) fn active(&self) -> usize {
        self.active.get()
    }

    /// Requests that run or wait.
    pub(super) fn load(&self) -> usize {
        self.active.get() + self.queue.borrow().len()
    }

    /// Nobody overtakes the queue: a slot that is given back goes to its head.
    pub(super) fn ask(self: &Rc<Self>) -> Answer {
        if self.active.get() < self.max_active {
            self.active.set(self.active.get() + 1);
            return Answer::Now(Slot(Rc::clone(self)));
        }
        let mut queue = self.queue.borrow_mut();
        if queue.len() >= self.max_waiting {
            return Answer::Full;
        }
        let ticket = Rc::new(Ticket::default());
        queue.push_back(Rc::clone(&ticket));
        Answer::Wait(Wait {
            slots: Rc::clone(self),
            ticket,
        })
    }

    fn give_back(&self) {
        let next = self.queue.borrow_mut().pop_front();
        match next {
            Some(ticket) => {
                ticket.called.set(true);
                let waker = ticket.waker.take();
                waker.iter().for_each(Waker::wake_by_ref);
            }
            None => self.active.set(self.active.get().saturating_sub(1)),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl Future for Wait {
    type Output = Slot;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Slot> {
        if self.ticket.called.replace(false) {
            return Poll::Ready(Slot(Rc::clone(&self.slots)));
        }
        *self.ticket.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.ticket.called.get() {
            self.slots.give_back();
        } else {
            self.slots
                .queue
                .borrow_mut()
                .retain(|ticket| !Rc::ptr_eq(ticket, &self.ticket));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(slots: &Rc<Slots>) -> Slot {
        match slots.ask() {
            Answer::Now(slot) => slot,
            other => panic!("a slot was free: {other:?}"),
        }
    }

    fn wait(slots: &Rc<Slots>) -> Wait {
        match slots.ask() {
            Answer::Wait(wait) => wait,
            other => panic!("there was something to wait for: {other:?}"),
        }
    }

    fn poll(wait: &mut Wait) -> Poll<Slot> {
        Pin::new(wait).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn first_come_first_served_and_the_queue_is_bounded() {
        let slots = Slots::new(1, 2);
        let slot = now(&slots);
        let (mut first, mut second) = (wait(&slots), wait(&slots));
        assert!(matches!(slots.ask(), Answer::Full));
        assert!(poll(&mut first).is_pending());
        drop(slot);
        assert!(poll(&mut second).is_pending());
        let Poll::Ready(slot) = poll(&mut first) else {
            panic!("the first was called");
        };
        drop(first);
        assert!(matches!(slots.ask(), Answer::Wait(_)), "nobody overtakes");
        drop(slot);
        assert!(poll(&mut second).is_ready());
        drop(second);
        assert_eq!(slots.active(), 0);
    }

    #[test]
    fn who_leaves_the_queue_loses_no_slot() {
        let slots = Slots::new(1, 3);
        let slot = now(&slots);
        let (called, mut next, leaves) = (wait(&slots), wait(&slots), slots.ask());
        drop((leaves, slot));
        drop(called);
        assert!(poll(&mut next).is_ready());
        drop(next);
        assert_eq!(slots.active(), 0);
        drop(now(&slots));
    }
}
