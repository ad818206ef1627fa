//! What the gate tells the service: one verdict per head, in order, and why a connection ended.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use super::{Head, Refusal};

/// The service's end of the gate. Cheap to clone; all clones are one queue.
#[derive(Clone, Debug, Default)]
pub struct Heads(Rc<Shared>);

/// Keeps a connection from counting as idle; put it where it lives as long as the response's body.
#[derive(Debug)]
#[must_use = "dropped at once, the connection counts as idle while the response streams"]
pub struct InFlight(Rc<Shared>);

/// Why the gate ended a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// A chunk or trailer breaks the syntax (RFC 9112 §7.1), or there was a request out of sequence;
    /// the text says how.
    BadFraming(&'static str),
    /// The client took no byte of a response for `download_timeout`.
    DownloadTimeout,
    /// The client sent nothing within `header_timeout` of being accepted.
    HeaderTimeout,
    /// Nothing happened between two requests for `keep_alive_timeout`.
    KeepAliveTimeout,
    /// The client sent no byte of a body that we waited for, for `upload_timeout`.
    UploadTimeout,
}

impl Heads {
    /// The verdict on the request that hyper hands over; to be called once per request, first thing.
    /// A request that the gate did not announce is refused, and nothing more is read: hyper and the
    /// gate disagree about where requests begin, which must never pass.
    pub fn next(&self) -> Result<(Head, InFlight), Refusal> {
        let verdict = self.0.queue.borrow_mut().pop_front();
        match verdict {
            Some(Ok(head)) => Ok((head, InFlight(Rc::clone(&self.0)))),
            Some(Err(refusal)) => Err(refusal),
            None => {
                self.end(Ended::BadFraming(OUT_OF_SEQUENCE));
                Err(Refusal::BadRequest(OUT_OF_SEQUENCE))
            }
        }
    }

    /// Why the gate ended the connection, if it did.
    pub fn ended(&self) -> Option<Ended> {
        self.0.ended.get()
    }

    pub(super) fn push(&self, verdict: Result<Head, Refusal>) {
        if verdict.is_ok() {
            self.0.in_flight.set(self.0.in_flight.get() + 1);
        }
        self.0.queue.borrow_mut().push_back(verdict);
    }

    /// Whether no request is between its head and the end of its response.
    pub(super) fn is_idle(&self) -> bool {
        self.0.in_flight.get() == 0
    }

    /// The first reason stays.
    pub(super) fn end(&self, why: Ended) {
        if self.ended().is_none() {
            self.0.ended.set(Some(why));
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0
            .in_flight
            .set(self.0.in_flight.get().saturating_sub(1));
    }
}

#[derive(Debug, Default)]
struct Shared {
    queue: RefCell<VecDeque<Result<Head, Refusal>>>,
    in_flight: Cell<usize>,
    ended: Cell<Option<Ended>>,
}

const OUT_OF_SEQUENCE: &str = "a request out of sequence";
