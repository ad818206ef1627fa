//! One-time links: a code that signs one user of the store in, once.
//!
//! Two kinds: one signs in as it is (quickstart), the other asks for a new password first (`user
//! add`, `user link`). The page behind a link shows whom it is for ([`SignInLinks::peek`]) and asks
//! for a click or the password ([`SignInLinks::redeem`], [`SignInLinks::redeem_for_password`]), so
//! that a mail scanner or a link preview does not use it up.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::accounts;
use crate::{
    clock::{Clock, Timestamp},
    secret::{Secret, random},
    session::User,
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

/// What a link is for. In the store `sign-in` or `set-password`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// A click signs in.
    #[default]
    SignIn,
    /// A new password signs in.
    SetPassword,
}

impl LinkKind {
    /// As in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::SetPassword => "set-password",
        }
    }

    /// How long a link is good: 15 minutes for who sits at the terminal, a day for who gets it from
    /// somebody else.
    pub const fn good_for(self) -> Duration {
        match self {
            Self::SignIn => Duration::from_secs(15 * 60),
            Self::SetPassword => Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// A link that is good now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenLink {
    /// Whom it is for. May have been removed since the link was issued: look it up.
    pub user: String,
    /// What it does.
    pub kind: LinkKind,
}

/// Under SHA-256 of the code, base64url:
/// `{"user":"ana","kind":"set-password","expires":1800000000000}`. Without `kind`: `sign-in`.
#[derive(Debug, Deserialize, Serialize)]
struct StoredLink {
    user: String,
    #[serde(default)]
    kind: LinkKind,
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

    fn open(self, now: Timestamp) -> Option<OpenLink> {
        let good = self.is_good(now);
        let (user, kind) = (self.user, self.kind);
        good.then_some(OpenLink { user, kind })
    }
}

impl SignInLinks {
    /// The links of a store.
    pub const fn new(store: Arc<Store>, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// A code for a user, on disk before this returns. Of more than 1,000 open links the one that
    /// expires first is dropped.
    pub async fn issue(&self, user: &str, kind: LinkKind) -> Result<LinkCode, Error> {
        let (code, change) = self.prepare(user, kind);
        self.store.write(change).await?;
        Ok(code)
    }

    /// [`SignInLinks::issue`] for a thread that may block.
    pub fn issue_blocking(&self, user: &str, kind: LinkKind) -> Result<LinkCode, Error> {
        let (code, change) = self.prepare(user, kind);
        self.store.write_blocking(change)?;
        Ok(code)
    }

    /// What a code is good for, without using it up. `None`: unknown, used or too old.
    pub fn peek(&self, code: &str) -> Result<Option<OpenLink>, Error> {
        let link = self.store.get::<StoredLink>(&key(code))?;
        Ok(link.and_then(|link| link.open(self.clock.now())))
    }

    /// Uses a sign-in code up: its user, for the first call only, as they are in that moment. `None`
    /// also where they are gone or disabled, and for a code that asks for a password, which stays.
    pub async fn redeem(&self, code: &str) -> Result<Option<User>, Error> {
        let (key, now) = (key(code), self.clock.now());
        self.store
            .write(move |changes| {
                let link = changes.get::<StoredLink>(&key)?;
                let Some(link) = link.filter(|link| link.kind == LinkKind::SignIn) else {
                    return Ok(None);
                };
                changes.remove::<StoredLink>(&key)?;
                match link.open(now) {
                    Some(link) => accounts::enabled(changes, &link.user),
                    None => Ok(None),
                }
            })
            .await
    }

    /// Gives the user of a set-password code a password (a PHC string), and with that uses the code
    /// up, with all others of the user and their stored sessions. In one transaction: the first call
    /// only gets the user, as they are then. `None`: another kind, unknown, used, too old, or the user
    /// is gone or disabled. The caller then ends the open sessions.
    pub async fn redeem_for_password(
        &self,
        code: &str,
        password: Secret<String>,
    ) -> Result<Option<User>, Error> {
        let (key, now) = (key(code), self.clock.now());
        self.store
            .write(move |changes| {
                let link = changes.get::<StoredLink>(&key)?;
                let open = link.and_then(|link| link.open(now));
                let Some(open) = open.filter(|link| link.kind == LinkKind::SetPassword) else {
                    return Ok(None);
                };
                accounts::choose_password(changes, &open.user, &password)
            })
            .await
    }

    fn prepare(
        &self,
        user: &str,
        kind: LinkKind,
    ) -> (
        LinkCode,
        impl FnOnce(&Changes<'_>) -> Result<(), Error> + use<>,
    ) {
        let code = LinkCode(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()));
        let (key, now) = (key(&code.0), self.clock.now());
        let link = StoredLink {
            user: user.to_owned(),
            kind,
            expires: now.plus(kind.good_for()).0,
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
        add_ana(&links).await;
        let code = links.issue("ana", LinkKind::SignIn).await.unwrap();
        assert_eq!(code.path().len(), "/.labgate/link?code=".len() + 43);
        for _ in 0..3 {
            let open = links.peek(code.as_str()).unwrap().unwrap();
            assert_eq!((open.user.as_str(), open.kind), ("ana", LinkKind::SignIn));
        }
        let (first, second) =
            tokio::join!(links.redeem(code.as_str()), links.redeem(code.as_str()));
        assert_eq!(first.unwrap().map(|user| user.name).as_deref(), Some("ana"));
        assert_eq!(second.unwrap(), None);
        assert_eq!(links.peek(code.as_str()).unwrap(), None);
    }

    #[tokio::test]
    async fn a_link_ends_with_its_time_and_with_its_user() {
        let (links, clock, _state) = links();
        let old = links.issue("ana", LinkKind::SignIn).await.unwrap();
        clock.advance(LinkKind::SignIn.good_for());
        assert_eq!(links.peek(old.as_str()).unwrap(), None);
        assert_eq!(links.redeem(old.as_str()).await.unwrap(), None);
        let theirs = links.issue("ana", LinkKind::SignIn).await.unwrap();
        let other = links.issue("bob", LinkKind::SignIn).await.unwrap();
        let forget = |changes: &Changes<'_>| forget_user(changes, "ana");
        links.store.write(forget).await.unwrap();
        assert_eq!(links.peek(theirs.as_str()).unwrap(), None);
        assert!(links.peek(other.as_str()).unwrap().is_some());
        assert_eq!(links.peek("").unwrap(), None);
    }

    fn phc(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    async fn add_ana(links: &SignInLinks) {
        let user = accounts::StoredUser::new(None, None, Vec::new(), Timestamp(1));
        let add = move |changes: &Changes<'_>| {
            accounts::add(changes, &"ana".parse().unwrap(), &user).map(drop)
        };
        links.store.write(add).await.unwrap();
    }

    #[tokio::test]
    async fn a_link_for_a_password_needs_one_and_takes_the_others_along() {
        let (links, clock, _state) = links();
        add_ana(&links).await;
        let code = links.issue("ana", LinkKind::SetPassword).await.unwrap();
        clock.advance(LinkKind::SignIn.good_for());
        let other = links.issue("ana", LinkKind::SetPassword).await.unwrap();
        let quick = links.issue("ana", LinkKind::SignIn).await.unwrap();
        assert_eq!(links.redeem(code.as_str()).await.unwrap(), None);
        let wrong_kind = links.redeem_for_password(quick.as_str(), phc("x"));
        assert_eq!(wrong_kind.await.unwrap(), None);
        let (first, second) = tokio::join!(
            links.redeem_for_password(code.as_str(), phc("first")),
            links.redeem_for_password(code.as_str(), phc("second"))
        );
        let first = first.unwrap().unwrap();
        assert_eq!(second.unwrap(), None);
        for code in [code, other, quick] {
            assert_eq!(links.peek(code.as_str()).unwrap(), None);
        }
        let ana = links.store.get::<accounts::StoredUser>("ana");
        let ana = ana.unwrap().unwrap();
        assert_eq!(ana.password(), Some(phc("first")));
        assert_eq!(ana.session_user("ana"), first, "with the new password");
    }

    #[tokio::test]
    async fn a_link_for_a_password_ends_after_a_day_and_is_nothing_without_its_user() {
        let (links, clock, _state) = links();
        add_ana(&links).await;
        let stray = links.issue("nobody", LinkKind::SetPassword).await.unwrap();
        let old = links.issue("ana", LinkKind::SetPassword).await.unwrap();
        let redeemed = links.redeem_for_password(stray.as_str(), phc("x"));
        assert_eq!(redeemed.await.unwrap(), None);
        clock.advance(LinkKind::SetPassword.good_for());
        let redeemed = links.redeem_for_password(old.as_str(), phc("x"));
        assert_eq!(redeemed.await.unwrap(), None);
    }

    #[test]
    fn links_without_a_kind_sign_in() {
        let link: StoredLink = serde_json::from_str(r#"{"user":"ana","expires":1}"#).unwrap();
        assert_eq!(link.kind, LinkKind::SignIn);
        let kind = serde_json::to_string(&LinkKind::SetPassword).unwrap();
        assert_eq!(kind, r#""set-password""#);
    }

    #[tokio::test]
    async fn open_links_are_bounded_and_old_ones_leave_the_store() {
        let (links, clock, _state) = links();
        for _ in 0..3 {
            links.issue("ana", LinkKind::SignIn).await.unwrap();
        }
        clock.advance(LinkKind::SignIn.good_for());
        let fill = move |changes: &Changes<'_>| {
            for number in 0..MAX_LINKS + 5 {
                let link = StoredLink {
                    user: "bob".into(),
                    kind: LinkKind::SignIn,
                    expires: u64::MAX,
                };
                changes.put(&number.to_string(), &link)?;
            }
            Ok(())
        };
        links.store.write(fill).await.unwrap();
        links.issue("ana", LinkKind::SignIn).await.unwrap();
        let left = links.store.list::<StoredLink>().unwrap();
        assert!(left.len() <= MAX_LINKS);
        assert_eq!(
            left.iter().filter(|(_, link)| link.user == "ana").count(),
            1
        );
    }
}
