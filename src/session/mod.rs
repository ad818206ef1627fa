//! Sessions: who is signed in, in which browser, on which hosts.
//!
//! A session is one signed-in browser. It has a token per host that the browser uses (cookies are
//! host-only), and all of them end with it. In: a user whose credential was checked. Out: a token
//! for the cookie, and later the session for that token. Memory is the truth while we run; the
//! store brings it back after a restart.
//! Not here: cookies (`auth`), who may sign in (`identity`), which requests count as activity
//! (`app`).

mod forgery;
mod handover;
mod index;
mod record;
mod signed_in;
mod token;
mod voucher;

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;

pub use self::{
    forgery::{Check, Forgery},
    handover::{Code, Handover, Handovers, Refused, nonce_hash},
    record::{StoredSession, forget_user},
    signed_in::{Device, Ended, Session, User},
    token::{SessionId, SessionToken},
    voucher::Voucher,
};
use self::{index::Index, record::LastSeen, token::TokenHash};
use crate::{
    clock::{Clock, Timestamp},
    config,
    http::site::Host,
    identity::accounts,
    store::{self, Changes, Durability, Store},
};

/// All sessions. Shared by every thread; nothing here waits but the methods that are `async`.
pub struct Sessions {
    store: Arc<Store>,
    clock: Clock,
    /// Milliseconds; may change with the configuration.
    idle: AtomicU64,
    lifetime: AtomicU64,
    /// What the data path asks. An entry exists while its session is in the index.
    tokens: DashMap<TokenHash, Grant>,
    index: Mutex<Index>,
    generation: AtomicU64,
    subscribers: RwLock<Vec<Subscriber>>,
    /// Ended here, not yet known to be gone from the disk.
    unforgotten: Arc<Mutex<HashSet<SessionId>>>,
    forgetting: Arc<AtomicBool>,
    /// When last-seen times were handed to the store.
    saved: AtomicU64,
}

/// What a token grants: this session, on this host.
struct Grant {
    host: Host,
    session: Arc<Session>,
}

type Subscriber = Arc<dyn Fn(&Session, Ended) + Send + Sync>;

/// Why nobody was signed in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It could not be written down.
    #[error("the sign-in cannot be stored")]
    Store(#[from] store::Error),
    /// The bound of all sessions together.
    #[error("too many people are signed in")]
    TooMany,
    /// Disabled, removed or given another password while the sign-in was on its way.
    #[error("the user was disabled, removed or given another password")]
    UserGone,
}

impl Sessions {
    /// Brings back what has not expired. Blocks.
    ///
    /// The caller then ends the sessions of users that the configuration no longer knows, see
    /// [`Sessions::end_where`].
    pub fn open(
        store: Arc<Store>,
        clock: Clock,
        limits: &config::Session,
    ) -> Result<Self, store::Error> {
        let now = clock.now();
        let sessions = Self {
            store,
            clock,
            idle: AtomicU64::new(0),
            lifetime: AtomicU64::new(0),
            tokens: DashMap::new(),
            index: Mutex::default(),
            generation: AtomicU64::new(0),
            subscribers: RwLock::default(),
            unforgotten: Arc::default(),
            forgetting: Arc::default(),
            saved: AtomicU64::new(now.0),
        };
        sessions.set_limits(limits);
        sessions.load()?;
        Ok(sessions)
    }

    /// Idle time and lifetime of a new configuration; they hold for open sessions too.
    pub fn set_limits(&self, limits: &config::Session) {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.idle.store(millis(limits.idle), Ordering::Relaxed);
        self.lifetime
            .store(millis(limits.lifetime), Ordering::Relaxed);
    }

    /// The live session of a token, if the token was issued for this host. For the data path: one
    /// hash and one map look-up, no I/O.
    ///
    /// A worker that caches the answer keys it by token *and* host, and reads
    /// [`Sessions::generation`] before it asks.
    pub fn find(&self, token: &SessionToken, host: &Host) -> Option<Arc<Session>> {
        let granted = |_: &TokenHash, grant: &Grant| {
            (grant.host == *host).then(|| Arc::clone(&grant.session))
        };
        let session = self.tokens.view(&token.hash(), granted)??;
        self.is_live(&session).then_some(session)
    }

    /// Whether a session still holds: not ended, within its idle time and lifetime. No look-up.
    pub fn is_live(&self, session: &Session) -> bool {
        self.is_live_at(session, self.clock.now())
    }

    /// Moves the idle clock. Cheap: writes shared memory at most once a second per session.
    pub fn touch(&self, session: &Session) {
        session.see(self.clock.now());
    }

    /// Signs a user in: a new session with a new token for `host`, on disk before this returns.
    /// What the browser had before grants nothing new. Of more than 50 sessions of a user the one
    /// that was idle the longest ends.
    ///
    /// A user of the store ([`accounts::PROVIDER`]) must be there, enabled, and with the password
    /// that let them in: looked up in the same transaction, so that disabling somebody, or another
    /// password, cannot miss a sign-in on its way.
    pub async fn sign_in(
        &self,
        user: User,
        host: &Host,
        device: Device,
    ) -> Result<SessionToken, Error> {
        let token = SessionToken::generate();
        let session = Session::new(SessionId::generate(), user, self.clock.now(), device);
        let record = StoredSession::new(&session, &token.hash(), host);
        let reservation = self.reserve(Arc::new(session))?;
        let id = reservation.session.id;
        let stored = self.store.write(move |changes| {
            if !accounts::admits(changes, record.user())? {
                return Ok(false);
            }
            changes.put(&id.to_string(), &record)?;
            Ok(true)
        });
        if !stored.await? || !reservation.publish(&token, host) {
            return Err(Error::UserGone);
        }
        Ok(token)
    }

    /// A token for a further host of a session, on disk before this returns. `None`: the session
    /// has ended.
    pub async fn enter(
        &self,
        id: &SessionId,
        host: &Host,
    ) -> Result<Option<SessionToken>, store::Error> {
        let Some(session) = self.get(id) else {
            return Ok(None);
        };
        let token = SessionToken::generate();
        let (hash, of, key) = (token.hash(), host.clone(), id.to_string());
        let stored = self.store.write(move |changes| {
            let Some(mut record) = changes.get::<StoredSession>(&key)? else {
                return Ok(false);
            };
            record.admit(&hash, &of);
            changes.put(&key, &record)?;
            Ok(true)
        });
        let granted = stored.await? && self.grant(&session, &token, host);
        Ok(granted.then_some(token))
    }

    /// Ends a session with all its tokens. It is over in memory, and every subscriber knows, before
    /// the first wait. `Ok(false)`: there was none. `Err`: over, but not on disk yet, so it would
    /// come back after a crash now; [`Sessions::sweep`] keeps trying.
    pub async fn end(&self, id: &SessionId, why: Ended) -> Result<bool, store::Error> {
        if !self.end_in_memory(*id, why) {
            return Ok(false);
        }
        self.forget(vec![*id]).await?;
        Ok(true)
    }

    /// Ends all sessions of a user; says how many.
    pub async fn end_user(&self, name: &str, why: Ended) -> Result<usize, store::Error> {
        self.end_where(|session| session.user.name == name, why)
            .await
    }

    /// Ends all sessions that `which` picks; says how many. Call it after start and after a reload
    /// with the users that their provider no longer vouches for
    /// ([`crate::identity::LocalUsers::vouches_for`]).
    pub async fn end_where(
        &self,
        mut which: impl FnMut(&Session) -> bool + Send,
        why: Ended,
    ) -> Result<usize, store::Error> {
        let mut ended = self.index().select(|session| which(session));
        ended.retain(|id| self.end_in_memory(*id, why));
        let count = ended.len();
        if count > 0 {
            self.forget(ended).await?;
        }
        Ok(count)
    }

    /// Moves with every end of a session, after its tokens are gone and before any subscriber is
    /// called. A worker that reads the old value after [`Sessions::end`] returned is impossible.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Calls `f` once for each session that ends, on the thread that ends it. It must not block.
    pub fn subscribe(&self, f: impl Fn(&Session, Ended) + Send + Sync + 'static) {
        let mut list = self
            .subscribers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        list.push(Arc::new(f));
    }

    /// Ends what has expired and says how many; hands last-seen times and missed removals to the
    /// store. Call it every second.
    pub fn sweep(&self) -> usize {
        let now = self.clock.now();
        let mut expired = self
            .index()
            .select(|session| !self.is_live_at(session, now));
        expired.retain(|id| self.end_in_memory(*id, Ended::Expired));
        self.retry_forgetting();
        if now.since(Timestamp(self.saved.load(Ordering::Relaxed))) >= SAVE_EVERY {
            self.saved.store(now.0, Ordering::Relaxed);
            let seen = self.index().unsaved();
            if !seen.is_empty() {
                let change = move |changes: &Changes<'_>| record::save_seen(changes, &seen);
                let done = |_: Result<(), store::Error>| (); // the next round says it again
                drop(self.store.submit(Durability::Eventual, change, done));
            }
        }
        expired.len()
    }

    /// Writes last-seen times down; for a clean stop, before [`Store::close`].
    pub async fn save(&self) -> Result<(), store::Error> {
        let seen = self.index().unsaved();
        self.store
            .write(move |changes| record::save_seen(changes, &seen))
            .await
    }

    /// A live session by its public id.
    pub fn get(&self, id: &SessionId) -> Option<Arc<Session>> {
        let session = self.index().get(*id)?;
        self.is_live(&session).then_some(session)
    }

    /// How many there are, those included that expired within the last second.
    pub fn count(&self) -> usize {
        self.index().list(None).len()
    }

    /// The sessions of one user, or all, the one seen last first.
    pub fn list(&self, user: Option<&str>) -> Vec<Arc<Session>> {
        let mut list = self.index().list(user);
        list.retain(|session| self.is_live(session));
        list.sort_by_key(|session| std::cmp::Reverse(session.last_seen()));
        list
    }

    fn is_live_at(&self, session: &Session, now: Timestamp) -> bool {
        let idle = Duration::from_millis(self.idle.load(Ordering::Relaxed));
        let lifetime = Duration::from_millis(self.lifetime.load(Ordering::Relaxed));
        !session.has_ended()
            && now < session.created.plus(lifetime)
            && now < session.last_seen().plus(idle)
    }

    fn load(&self) -> Result<(), store::Error> {
        let now = self.clock.now();
        let seen: std::collections::HashMap<_, _> =
            self.store.list::<LastSeen>()?.into_iter().collect();
        for (key, record) in self.store.list::<StoredSession>()? {
            let Ok(id) = key.parse() else { continue };
            let last_seen = seen.get(&key).map(|seen| Timestamp(seen.0));
            let (session, tokens) = record.into_session(id, last_seen);
            let session = Arc::new(session);
            if !self.is_live_at(&session, now) {
                self.unforgotten().insert(id);
                continue;
            }
            self.index().insert(Arc::clone(&session));
            for (hash, host) in tokens {
                session.admit(hash, &host, |_| ());
                let session = Arc::clone(&session);
                self.tokens.insert(hash, Grant { host, session });
            }
        }
        self.retry_forgetting();
        Ok(())
    }

    /// Puts a session into the index before it is on disk, so that whoever ends the user's sessions
    /// meanwhile finds it. Undone when the reservation is dropped.
    fn reserve(&self, session: Arc<Session>) -> Result<Reservation<'_>, Error> {
        let mut index = self.index();
        if index.len() >= MAX_SESSIONS {
            return Err(Error::TooMany);
        }
        index.insert(Arc::clone(&session));
        Ok(Reservation {
            sessions: self,
            session,
            published: false,
        })
    }

    /// Makes a token known, unless the session has ended.
    fn grant(&self, session: &Arc<Session>, token: &SessionToken, host: &Host) -> bool {
        let hash = token.hash();
        session.admit(hash, host, |displaced| {
            for old in displaced {
                self.tokens.remove(old);
            }
            let grant = Grant {
                host: host.clone(),
                session: Arc::clone(session),
            };
            self.tokens.insert(hash, grant);
        })
    }

    /// First the tokens go, then the generation moves, then the subscribers hear of it. The index
    /// stays locked until the generation has moved: who finds the session gone may rely on it.
    fn end_in_memory(&self, id: SessionId, why: Ended) -> bool {
        let mut index = self.index();
        let Some(session) = index.remove(id) else {
            return false;
        };
        self.unforgotten().insert(id);
        for hash in session.end() {
            self.tokens.remove(&hash);
        }
        self.generation.fetch_add(1, Ordering::Release);
        drop(index);
        let list = self
            .subscribers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for subscriber in list {
            subscriber(&session, why);
        }
        true
    }

    async fn forget(&self, ids: Vec<SessionId>) -> Result<(), store::Error> {
        let gone = ids.clone();
        self.store
            .write(move |changes| record::forget(changes, &gone))
            .await?;
        let mut left = self.unforgotten();
        for id in ids {
            left.remove(&id);
        }
        Ok(())
    }

    /// Removes from the disk what is over but may still be there. One attempt at a time.
    fn retry_forgetting(&self) {
        let ids: Vec<SessionId> = self.unforgotten().iter().copied().collect();
        if ids.is_empty() || self.forgetting.swap(true, Ordering::AcqRel) {
            return;
        }
        let gone = ids.clone();
        let (left, running) = (Arc::clone(&self.unforgotten), Arc::clone(&self.forgetting));
        let submitted = self.store.submit(
            Durability::Synced,
            move |changes| record::forget(changes, &gone),
            move |result| {
                if result.is_ok() {
                    let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
                    for id in ids {
                        left.remove(&id);
                    }
                }
                running.store(false, Ordering::Release);
            },
        );
        if submitted.is_err() {
            self.forgetting.store(false, Ordering::Release);
        }
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unforgotten(&self) -> MutexGuard<'_, HashSet<SessionId>> {
        self.unforgotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.index().len();
        f.debug_struct("Sessions")
            .field("count", &count)
            .finish_non_exhaustive()
    }
}

/// A session that is counted but not usable yet.
struct Reservation<'s> {
    sessions: &'s Sessions,
    session: Arc<Session>,
    published: bool,
}

impl Reservation<'_> {
    /// `false`: somebody ended it meanwhile.
    fn publish(mut self, token: &SessionToken, host: &Host) -> bool {
        self.published = self.sessions.grant(&self.session, token, host);
        if self.published {
            let user = &self.session.user.name;
            let surplus = self.sessions.index().surplus(user, self.session.id);
            for id in surplus {
                // The next sweep takes it off the disk.
                self.sessions.end_in_memory(id, Ended::Replaced);
            }
        }
        self.published
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.published {
            // Also where the write failed: it may have reached the disk all the same.
            self.sessions.end_in_memory(self.session.id, Ended::Undone);
        }
    }
}

/// Sessions at most, over all users.
const MAX_SESSIONS: usize = 100_000;

/// How often last-seen times go to the store. A crash sets idle clocks back by this much and the
/// store's own delay.
const SAVE_EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
