//! The first user: whoever runs quickstart, by the name that the system knows them by.
//!
//! Without a password; a one-time link signs them in.

use std::sync::Arc;

use rustix::process::getuid;

use super::environment::Environment;
use crate::{
    clock::Clock,
    identity::{
        LinkKind, SignInLinks, UserName,
        accounts::{self, StoredUser},
    },
    store::{self, Store},
};

/// The name for whoever runs us; `user` where none can be told.
pub(super) fn name(environment: &Environment) -> UserName {
    let system = environment.user.clone().or_else(|| {
        // Users of a directory service are not there, and have `USER` set.
        let users = std::fs::read_to_string("/etc/passwd").ok()?;
        name_of(getuid().as_raw(), &users)
    });
    let name = sanitized(&system.unwrap_or_default());
    #[expect(
        clippy::expect_used,
        reason = "what `sanitized` gives is a user name, as tests show"
    )]
    name.parse().expect("a user name")
}

/// Makes the user, if it is not there.
pub(super) fn ensure(
    store: &Arc<Store>,
    clock: &Clock,
    name: &UserName,
) -> Result<(), store::Error> {
    if store.get::<StoredUser>(name.as_str())?.is_some() {
        return Ok(());
    }
    let (name, user) = (
        name.clone(),
        StoredUser::new(None, None, Vec::new(), clock.now()),
    );
    store.write_blocking(move |changes| accounts::add(changes, &name, &user).map(drop))
}

/// Path and query of a new one-time link, good for 15 minutes.
pub(super) async fn link(
    store: &Arc<Store>,
    clock: &Clock,
    name: &UserName,
) -> Result<String, store::Error> {
    let links = SignInLinks::new(Arc::clone(store), clock.clone());
    let code = links.issue(name.as_str(), LinkKind::SignIn).await?;
    Ok(code.path())
}

/// The nearest user name: what is not allowed becomes `-`.
fn sanitized(system: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.@+".contains(c);
    let name: String = system
        .chars()
        .map(|c| if good(c) { c } else { '-' })
        .take(MAX_LENGTH)
        .collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let name = name.trim_end_matches('-');
    if name.is_empty() { FALLBACK } else { name }.to_owned()
}

/// The name of a user in the format of passwd(5).
fn name_of(uid: u32, users: &str) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let found = fields.nth(1)?;
        (found.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

const FALLBACK: &str = "user";
const MAX_LENGTH: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::StateDir;

    fn named(system: &str) -> String {
        let environment = Environment {
            user: Some(system.into()),
            ..Environment::default()
        };
        name(&environment).to_string()
    }

    #[test]
    fn system_names_become_user_names() {
        for (system, user) in [
            ("ana", "ana"),
            ("Ana.B", "Ana.B"),
            ("CORP\\ana", "CORP-ana"),
            ("ana lucía", "ana-luc-a"),
            ("_apt", "apt"),
            ("-rf", "rf"),
            ("../..", "user"),
            ("анна", "user"),
            ("", "user"),
        ] {
            assert_eq!(named(system), user);
        }
    }

    #[test]
    fn the_name_is_found_by_number_where_the_environment_has_none() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nana:x:1000:1000::/home/ana:/bin/sh\n";
        assert_eq!(name_of(1000, users).as_deref(), Some("ana"));
        assert_eq!(name_of(100, users), None);
    }

    #[test]
    fn the_user_is_made_once_and_gets_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StateDir::open(folder.path()).unwrap()).unwrap();
        let (clock, ana) = (Clock::default(), "ana".parse().unwrap());
        ensure(&store, &clock, &ana).unwrap();
        ensure(&store, &clock, &ana).unwrap();
        assert_eq!(store.list::<StoredUser>().unwrap().len(), 1);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let link = runtime.block_on(link(&store, &clock, &ana)).unwrap();
        let code = link.strip_prefix("/.labgate/link?code=").unwrap();
        let links = SignInLinks::new(Arc::clone(&store), clock);
        let open = links.peek(code).unwrap().unwrap();
        assert_eq!((open.user.as_str(), open.kind), ("ana", LinkKind::SignIn));
    }

    proptest! {
        #[test]
        fn whatever_the_system_calls_somebody_there_is_a_name(system in any::<String>()) {
            prop_assert!(!named(&system).is_empty());
        }
    }
}
