//! Addresses of names, remembered.
//!
//! The resolver is asked on a blocking thread, once at a time for a name. An answer is good for
//! half a minute; for five minutes it is still given while a newer one is being fetched, and when
//! none can be had. A failure is believed for a second. Not here: addresses, which need no look-up.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    rc::{Rc, Weak},
    time::Duration,
};

use tokio::{net::lookup_host, sync::Notify, task::spawn_local, time::Instant};

/// The names that one worker knows.
#[derive(Clone, Debug)]
pub(super) struct Names(Rc<Inner>);

struct Inner {
    resolver: Resolver,
    known: RefCell<HashMap<Box<str>, Name>>,
}

/// Asks for the addresses of a name; their ports say nothing.
pub(super) type Resolver = Box<dyn Fn(&str) -> LookUp>;
type LookUp = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>>>>;

#[derive(Debug)]
struct Name {
    answer: Option<Answer>,
    failure: Option<Failure>,
    /// The look-up that is under way.
    asking: Option<Rc<Notify>>,
    wanted: Instant,
}

#[derive(Clone, Debug)]
struct Answer {
    addresses: Rc<[SocketAddr]>,
    at: Instant,
    /// Nobody could be connected to there.
    doubted: bool,
}

/// An `io::Error` that can be given to many.
#[derive(Debug)]
struct Failure {
    kind: io::ErrorKind,
    text: String,
    at: Instant,
}

/// What to do about a name.
enum State {
    Give(Rc<[SocketAddr]>),
    /// And ask again meanwhile.
    Old(Rc<[SocketAddr]>),
    Refuse(io::Error),
    Wait,
}

impl Names {
    pub(super) fn new(resolver: Resolver) -> Self {
        Self(Rc::new(Inner {
            resolver,
            known: RefCell::default(),
        }))
    }

    /// The addresses of a name, at least one, in the resolver's order. Waits only for a name that
    /// is not known.
    pub(super) async fn find(&self, host: &str) -> io::Result<Rc<[SocketAddr]>> {
        loop {
            let asking = {
                let now = Instant::now();
                let mut known = self.0.known.borrow_mut();
                if !known.contains_key(host) {
                    make_room(&mut known);
                }
                let name = known.entry(host.into()).or_insert_with(|| Name::new(now));
                name.wanted = now;
                match name.state(now) {
                    State::Give(addresses) => return Ok(addresses),
                    State::Old(addresses) => {
                        self.ask(host, name);
                        return Ok(addresses);
                    }
                    State::Refuse(error) => return Err(error),
                    State::Wait => self.ask(host, name),
                }
            };
            asking.notified().await;
        }
    }

    /// Nobody could be connected to at what was given: it is only given again when nothing newer
    /// can be had. `false`: it is as new as can be.
    pub(super) fn doubt(&self, host: &str) -> bool {
        let mut known = self.0.known.borrow_mut();
        let answer = known.get_mut(host).and_then(|name| name.answer.as_mut());
        let Some(answer) = answer.filter(|answer| answer.at.elapsed() >= NEGATIVE) else {
            return false;
        };
        answer.doubted = true;
        true
    }

    fn ask(&self, host: &str, name: &mut Name) -> Rc<Notify> {
        let asking = name.asking.get_or_insert_with(|| {
            let look_up = (self.0.resolver)(host);
            let (inner, host) = (Rc::downgrade(&self.0), Box::from(host));
            spawn_local(async move { finish(&inner, &host, look_up.await) });
            Rc::default()
        });
        Rc::clone(asking)
    }
}

impl Default for Names {
    /// Those of the system's resolver.
    fn default() -> Self {
        Self::new(Box::new(|host| {
            let host = host.to_owned();
            Box::pin(async move { Ok(lookup_host((host, 0)).await?.collect()) })
        }))
    }
}

fn finish(inner: &Weak<Inner>, host: &str, result: io::Result<Vec<SocketAddr>>) {
    let Some(inner) = inner.upgrade() else { return };
    let mut known = inner.known.borrow_mut();
    let Some(name) = known.get_mut(host) else {
        return;
    };
    let at = Instant::now();
    match result {
        Ok(addresses) if !addresses.is_empty() => {
            name.failure = None;
            name.answer = Some(Answer {
                addresses: addresses.into(),
                at,
                doubted: false,
            });
        }
        failed => {
            let error = failed
                .err()
                .unwrap_or_else(|| io::ErrorKind::NotFound.into());
            name.failure = Some(Failure {
                kind: error.kind(),
                text: error.to_string(),
                at,
            });
        }
    }
    if let Some(asking) = name.asking.take() {
        asking.notify_waiters();
    }
}

/// Forgets the name that nobody wanted for longest, when there are too many.
fn make_room(known: &mut HashMap<Box<str>, Name>) {
    if known.len() < MOST_NAMES {
        return;
    }
    let resting = known.iter().filter(|(_, name)| name.asking.is_none());
    let oldest = resting.min_by_key(|(_, name)| name.wanted);
    if let Some(oldest) = oldest.map(|(host, _)| host.clone()) {
        known.remove(&oldest);
    }
}

impl Name {
    const fn new(wanted: Instant) -> Self {
        Self {
            answer: None,
            failure: None,
            asking: None,
            wanted,
        }
    }

    fn state(&self, now: Instant) -> State {
        let answer = self.answer.as_ref();
        let answer = answer.filter(|answer| now < answer.at + STALE);
        let failure = self.failure.as_ref();
        let failure = failure.filter(|failure| now < failure.at + NEGATIVE);
        match (answer, failure) {
            (Some(answer), None) if !answer.doubted => {
                let addresses = Rc::clone(&answer.addresses);
                if now < answer.at + FRESH {
                    State::Give(addresses)
                } else {
                    State::Old(addresses)
                }
            }
            (Some(answer), Some(_)) => State::Give(Rc::clone(&answer.addresses)),
            (None, Some(failure)) => {
                State::Refuse(io::Error::new(failure.kind, failure.text.clone()))
            }
            (_, None) => State::Wait,
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

/// An answer is the newest for so long.
const FRESH: Duration = Duration::from_secs(30);
/// It is good enough for so long.
const STALE: Duration = Duration::from_secs(5 * 60);
/// A failure is believed for so long, and an answer not doubted before.
const NEGATIVE: Duration = Duration::from_secs(1);
/// Only configured names come here; many reloads may bring many.
const MOST_NAMES: usize = 256;
