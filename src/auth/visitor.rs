//! Who is asking: from our cookie to a session, remembered per worker by the cookie's bytes.
//!
//! A hit costs a hash look-up and a clock reading; a miss one SHA-256 and the shared map. What is
//! remembered is thrown away whenever any session ends (the generation moves), so an ended session
//! is never found, and what is found is still held against the idle and absolute clocks.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use http::HeaderMap;

use super::cookie;
use crate::{
    clock::Timestamp,
    http::site::Host,
    policy::Who,
    session::{Session, SessionToken, Sessions},
};

/// A signed-in visitor, as one worker knows it. That one exists is proof that a credential was
/// checked: [`Visitors::find`] alone makes one.
#[derive(Debug)]
pub struct Visitor {
    /// The session, shared by all workers.
    pub session: Arc<Session>,
    touched: Cell<Timestamp>,
}

impl Visitor {
    /// What policy asks of a user.
    pub fn who(&self) -> Who<'_> {
        Who::from(self.session.user.as_ref())
    }
}

/// A cookie is good on the host that it was given for, and on no other.
type Known = (Host, Rc<Visitor>);

/// A worker's memory of credentials.
#[derive(Debug)]
pub struct Visitors {
    sessions: Arc<Sessions>,
    known: RefCell<HashMap<Box<str>, Known>>,
    generation: Cell<u64>,
}

impl Visitors {
    /// An empty memory over the shared truth.
    pub fn new(sessions: Arc<Sessions>) -> Self {
        Self {
            sessions,
            known: RefCell::default(),
            generation: Cell::new(0),
        }
    }

    /// The visitor whom the request's cookies name on this host. Of several cookies with our name
    /// the one valid one counts; two valid ones of different sessions count as none.
    pub fn find(&self, headers: &HeaderMap, host: &Host, https: bool) -> Option<Rc<Visitor>> {
        let generation = self.sessions.generation();
        if self.generation.replace(generation) != generation {
            self.known.borrow_mut().clear();
        }
        let mut found: Option<Rc<Visitor>> = None;
        for value in cookie::ours(headers, https) {
            let Some(visitor) = self.find_one(value, host) else {
                continue;
            };
            match &found {
                Some(other) if other.session.id != visitor.session.id => return None,
                _ => found = Some(visitor),
            }
        }
        found
    }

    /// Moves the session's idle clock, at most once a second.
    pub fn touch(&self, visitor: &Visitor, now: Timestamp) {
        if now.since(visitor.touched.get()) >= TOUCH_EVERY {
            visitor.touched.set(now);
            self.sessions.touch(&visitor.session);
        }
    }

    fn find_one(&self, value: &str, host: &Host) -> Option<Rc<Visitor>> {
        if let Some((known_host, visitor)) = self.known.borrow().get(value)
            && known_host == host
        {
            return self
                .sessions
                .is_live(&visitor.session)
                .then(|| Rc::clone(visitor));
        }
        let session = self
            .sessions
            .find(&SessionToken::parse(value.as_bytes())?, host)?;
        let visitor = Rc::new(Visitor {
            session,
            touched: Cell::default(),
        });
        let mut known = self.known.borrow_mut();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(value.into(), (host.clone(), Rc::clone(&visitor)));
        Some(visitor)
    }
}

const TOUCH_EVERY: Duration = Duration::from_secs(1);
/// Credentials remembered per worker; beyond, it starts afresh.
const REMEMBERED: usize = 16 * 1024;
