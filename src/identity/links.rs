//! One-time sign-in links: a code that signs one user in, once.
//!
//! Used where there is no password yet: by quickstart and after `user add`. The page behind the
//! link shows whom it signs in ([`SignInLinks::peek`]) and asks for a click
//! ([`SignInLinks::redeem`]), so that a mail scanner or a link preview does not use it up.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    clock::{Clock, Timestamp},
    secret::random,
    store::{Changes, Error, Record, Store},
};

/// The links that are out, in the store.
#[derive(Clone, Debug)]
pub struct SignInLinks {
    store: Arc<Store>,
    clock: Clock,
}

/// The secret part of a link: 256 bits, 43 characters base64url.
#[derive(Clone, Eq, PartialEq)]
pub struct LinkCode(String);

impl LinkCode {
    /// Path and query of the page that takes the code.
    pub fn path(&self) -> String {
        format!("/.labgate/link?code={}", self.0)
    }

    /// The code alone.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkCode(***)")
    }
}

/// Under SHA-256 of the code, base64url.
#[derive(Debug, Deserialize, Serialize)]
struct StoredLink {
    user: String,
    /// Milliseconds since the Unix epoch.
    expires: u64,
}

impl Record for StoredLink {
    const TABLE: &'static str = "links";
}

impl StoredLink {
    const fn is_good(&self, now: Timestamp) -> bool {
        now.0 < self.expires
    }
}

impl SignInLinks {
    /// How long a link is good unless the caller has a reason.
    pub const GOOD_FOR: Duration = Duration::from_secs(15 * 60);

    /// The links of a store.
    pub const fn new(store: Arc<Store>, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// A code for a user, on disk before this returns. Of more than 1,000 open links the one that
    /// expires first is dropped.
    pub async fn issue(&self, user: &str, good_for: Duration) -> Result<LinkCode, Error> {
        let (code, change) = self.prepare(user, good_for);
        self.store.write(change).await?;
        Ok(code)
    }

    /// [`SignInLinks::issue`] for a thread that may block.
    pub fn issue_blocking(&self, user: &str, good_for: Duration) -> Result<LinkCode, Error> {
        let (code, change) = self.prepare(user, good_for);
        self.store.write_blocking(change)?;
        Ok(code)
    }

    /// Whom a code would sign in, without using it up. `None`: unknown, used or too old.
    pub fn peek(&self, code: &str) -> Result<Option<String>, Error> {
        let link = self.store.get::<StoredLink>(&key(code))?;
        let good = link.filter(|link| link.is_good(self.clock.now()));
        Ok(good.map(|link| link.user))
    }

    /// Uses a code up: the name of its user, for the first call only. The user may have been
    /// removed since the link was issued: look it up.
    pub async fn redeem(&self, code: &str) -> Result<Option<String>, Error> {
        let (key, now) = (key(code), self.clock.now());
        self.store
            .write(move |changes| {
                let link = changes.get::<StoredLink>(&key)?;
                if link.is_some() {
                    changes.remove::<StoredLink>(&key)?;
                }
                Ok(link.filter(|link| link.is_good(now)).map(|link| link.user))
            })
            .await
    }

    fn prepare(
        &self,
        user: &str,
        good_for: Duration,
    ) -> (
        LinkCode,
        impl FnOnce(&Changes<'_>) -> Result<(), Error> + use<>,
    ) {
        let code = LinkCode(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()));
        let (key, now) = (key(&code.0), self.clock.now());
        let link = StoredLink {
            user: user.to_owned(),
            expires: now.plus(good_for).0,
        };
        (code, move |changes: &Changes<'_>| {
            tidy(changes, now)?;
            changes.put(&key, &link)
        })
    }
}

/// Removes the links of a user.
pub(super) fn forget_user(changes: &Changes<'_>, name: &str) -> Result<(), Error> {
    for (key, link) in changes.list::<StoredLink>()? {
        if link.user == name {
            changes.remove::<StoredLink>(&key)?;
        }
    }
    Ok(())
}

/// Removes what is too old, and makes room for one more.
fn tidy(changes: &Changes<'_>, now: Timestamp) -> Result<(), Error> {
    let mut links = changes.list::<StoredLink>()?;
    links.sort_by_key(|(_, link)| link.expires);
    let surplus = (links.len() + 1).saturating_sub(MAX_LINKS);
    for (number, (key, link)) in links.iter().enumerate() {
        if number < surplus || !link.is_good(now) {
            changes.remove::<StoredLink>(key)?;
        }
    }
    Ok(())
}

fn key(code: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(code))
}

const MAX_LINKS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StateDir;

    fn links() -> (SignInLinks, Clock, tempfile::TempDir) {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(&StateDir::open(state.path()).unwrap()).unwrap();
        let clock = Clock::manual(Timestamp(1_800_000_000_000));
        (SignInLinks::new(store, clock.clone()), clock, state)
    }

    #[tokio::test]
    async fn a_link_can_be_looked_at_often_and_used_once() {
        let (links, _, _state) = links();
        let code = links.issue("ana", SignInLinks::GOOD_FOR).await.unwrap();
        assert_eq!(code.path().len(), "/.labgate/link?code=".len() + 43);
        for _ in 0..3 {
            assert_eq!(links.peek(code.as_str()).unwrap().as_deref(), Some("ana"));
        }
        let (first, second) =
            tokio::join!(links.redeem(code.as_str()), links.redeem(code.as_str()));
        assert_eq!(first.unwrap().as_deref(), Some("ana"));
        assert_eq!(second.unwrap(), None);
        assert_eq!(links.peek(code.as_str()).unwrap(), None);
    }

    #[tokio::test]
    async fn a_link_ends_with_its_time_and_with_its_user() {
        let (links, clock, _state) = links();
        let old = links.issue("ana", SignInLinks::GOOD_FOR).await.unwrap();
        clock.advance(SignInLinks::GOOD_FOR);
        assert_eq!(links.peek(old.as_str()).unwrap(), None);
        assert_eq!(links.redeem(old.as_str()).await.unwrap(), None);
        let theirs = links.issue("ana", SignInLinks::GOOD_FOR).await.unwrap();
        let other = links.issue("bob", SignInLinks::GOOD_FOR).await.unwrap();
        let forget = |changes: &Changes<'_>| forget_user(changes, "ana");
        links.store.write(forget).await.unwrap();
        assert_eq!(links.peek(theirs.as_str()).unwrap(), None);
        assert!(links.peek(other.as_str()).unwrap().is_some());
        assert_eq!(links.peek("").unwrap(), None);
    }

    #[tokio::test]
    async fn open_links_are_bounded_and_old_ones_leave_the_store() {
        let (links, clock, _state) = links();
        for _ in 0..3 {
            links.issue("ana", SignInLinks::GOOD_FOR).await.unwrap();
        }
        clock.advance(SignInLinks::GOOD_FOR);
        let fill = move |changes: &Changes<'_>| {
            for number in 0..MAX_LINKS + 5 {
                let link = StoredLink {
                    user: "bob".into(),
                    expires: u64::MAX,
                };
                changes.put(&number.to_string(), &link)?;
            }
            Ok(())
        };
        links.store.write(fill).await.unwrap();
        links.issue("ana", SignInLinks::GOOD_FOR).await.unwrap();
        let left = links.store.list::<StoredLink>().unwrap();
        assert!(left.len() <= MAX_LINKS);
        assert_eq!(
            left.iter().filter(|(_, link)| link.user == "ana").count(),
            1
        );
    }
}
