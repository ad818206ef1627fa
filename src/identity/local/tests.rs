use super::*;
use crate::{
    clock::Timestamp,
    identity::{accounts::Outcome, hash_password},
    store::StateDir,
};

struct Lab {
    users: LocalUsers,
    _state: tempfile::TempDir,
}

impl Lab {
    fn new(configured: &[config::LocalUser]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(&StateDir::open(state.path()).unwrap()).unwrap();
        Self {
            users: LocalUsers::new(store, configured),
            _state: state,
        }
    }

    fn add(&self, name: &str, password: Option<&str>) -> Outcome {
        let phc = password.map(|text| hash_password(&secret(text)).unwrap());
        let user = StoredUser::new(phc.as_ref(), None, vec!["stored".into()], Timestamp(1));
        let name = name.parse().unwrap();
        let change = move |changes: &store::Changes<'_>| accounts::add(changes, &name, &user);
        self.users.store.write_blocking(change).unwrap()
    }

    fn change(
        &self,
        change: fn(&store::Changes<'_>, &str) -> Result<Outcome, store::Error>,
    ) -> Outcome {
        let change = move |changes: &store::Changes<'_>| change(changes, "ana");
        self.users.store.write_blocking(change).unwrap()
    }

    async fn verify(&self, name: &str, password: &str) -> Option<User> {
        let verified = self.users.verify(name, &secret(password)).await.unwrap();
        verified.map(Verified::into_user)
    }
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn configured(name: &str, password: &str) -> config::LocalUser {
    config::LocalUser {
        name: name.into(),
        password: secret(password),
        groups: vec!["configured".into()],
        email: Some("ana@example.org".into()),
        source: config::UserSource::Configuration,
    }
}

#[tokio::test]
async fn the_right_password_gives_the_user_and_nothing_else_does() {
    let lab = Lab::new(&[configured("bob", "from the file")]);
    lab.add("ana", Some("from the store"));
    let ana = lab.verify("ana", "from the store").await.unwrap();
    assert_eq!(
        (ana.provider.as_str(), ana.groups),
        (accounts::PROVIDER, vec!["stored".into()])
    );
    let bob = lab.verify("bob", "from the file").await.unwrap();
    assert_eq!(bob.provider, LocalUsers::CONFIGURED);
    assert_eq!(bob.email.as_deref(), Some("ana@example.org"));
    for (name, password) in [
        ("ana", "from the file"),
        ("ana", ""),
        ("Ana", "from the store"),
        ("ana ", "from the store"),
        ("bob", "from the store"),
        ("eve", "from the store"),
        ("", ""),
    ] {
        assert_eq!(
            lab.verify(name, password).await,
            None,
            "{name:?} {password:?}"
        );
    }
}

#[tokio::test]
async fn a_user_of_the_configuration_hides_one_of_the_store() {
    let lab = Lab::new(&[configured("ana", "from the file")]);
    lab.add("ana", Some("from the store"));
    lab.change(accounts::disable);
    assert!(lab.verify("ana", "from the store").await.is_none());
    assert!(lab.verify("ana", "from the file").await.is_some());
    lab.users.set_configured(&[]);
    assert!(lab.verify("ana", "from the file").await.is_none());
}

#[tokio::test]
async fn hashed_passwords_in_the_configuration_are_verified() {
    let phc = hash_password(&secret("right")).unwrap();
    let lab = Lab::new(&[configured("ana", phc.expose())]);
    assert!(lab.verify("ana", "right").await.is_some());
    assert!(lab.verify("ana", phc.expose()).await.is_none());
}

fn htpasswd(name: &str, password: &str) -> config::LocalUser {
    config::LocalUser {
        name: name.into(),
        password: secret(&bcrypt::hash(password, 10).unwrap()),
        groups: Vec::new(),
        email: None,
        source: config::UserSource::Htpasswd,
    }
}

#[tokio::test]
async fn users_of_the_htpasswd_file_sign_in_and_hide_those_of_the_store() {
    let lab = Lab::new(&[htpasswd("ana", "from htpasswd"), configured("bob", "x")]);
    lab.add("ana", Some("from the store"));
    let ana = lab.verify("ana", "from htpasswd").await.unwrap();
    assert_eq!(ana.provider, LocalUsers::HTPASSWD);
    assert_eq!((ana.groups.len(), ana.email), (0, None));
    assert!(lab.verify("ana", "from the store").await.is_none());
    assert!(lab.verify("bob", "from htpasswd").await.is_none());
    assert!(lab.verify("bob", "x").await.is_some());
    let ana = lab.verify("ana", "from htpasswd").await.unwrap();
    assert!(!lab.users.is_stored("ana").unwrap() && lab.users.vouches_for(&ana));
    lab.users.set_configured(&[]);
    assert!(!lab.users.vouches_for(&ana), "removed at a reload");
    assert!(lab.verify("ana", "from htpasswd").await.is_none());
}

#[tokio::test]
async fn disabled_removed_and_passwordless_users_are_refused() {
    let lab = Lab::new(&[]);
    lab.add("ana", Some("x"));
    lab.add("new", None);
    assert!(lab.verify("new", "").await.is_none());
    assert!(lab.users.is_stored("new").unwrap(), "by a link");
    lab.change(accounts::disable);
    assert!(lab.verify("ana", "x").await.is_none());
    assert!(!lab.users.is_stored("ana").unwrap());
    assert_eq!(lab.change(accounts::remove), Outcome::Done { sessions: 0 });
    assert_eq!(lab.change(accounts::remove), Outcome::Unknown);
    assert_eq!(lab.change(accounts::disable), Outcome::Unknown);
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one_and_enables() {
    let lab = Lab::new(&[]);
    lab.add("ana", Some("old"));
    lab.change(accounts::disable);
    lab.change(|changes, name| {
        accounts::set_password(changes, name, &hash_password(&secret("new")).unwrap())
    });
    assert!(lab.verify("ana", "old").await.is_none());
    assert!(lab.verify("ana", "new").await.is_some());
}

#[test]
fn names_that_differ_by_case_alone_are_taken() {
    // T59.
    let lab = Lab::new(&[]);
    lab.add("ana", None);
    assert_eq!(lab.add("Ana", None), Outcome::Taken("ana".into()));
    assert_eq!(lab.add("ana", None), Outcome::Taken("ana".into()));
    assert_eq!(lab.add("ana2", None), Outcome::Done { sessions: 0 });
}

#[tokio::test]
async fn overlong_names_and_passwords_are_refused_without_work() {
    // T75. No place in the queue is taken, let alone a hash made.
    let lab = Lab::new(&[]);
    let all = u32::try_from(HASHES + QUEUE).unwrap();
    let _queue = lab.users.waiting.try_acquire_many(all).unwrap();
    assert_eq!(lab.verify(&"a".repeat(1 << 20), "x").await, None);
    assert_eq!(lab.verify("ana", &"x".repeat(1025)).await, None);
    let busy = lab.users.verify("ana", &secret("x")).await;
    assert!(matches!(busy, Err(Unavailable::Busy)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_bounded_and_drains() {
    let lab = Arc::new(Lab::new(&[configured("ana", "x")]));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..80 {
        let lab = Arc::clone(&lab);
        tasks.spawn(async move { lab.users.verify("ana", &secret("x")).await });
    }
    let results = tasks.join_all().await;
    let is_busy = |result: &&Result<_, _>| matches!(result, Err(Unavailable::Busy));
    let busy = results.iter().filter(is_busy).count();
    assert!(busy <= 80 - (HASHES + QUEUE), "{busy}");
    let is_good = |result: &&Result<_, _>| matches!(result, Ok(Some(_)));
    assert_eq!(results.iter().filter(is_good).count(), 80 - busy);
    assert_eq!(lab.users.waiting.available_permits(), HASHES + QUEUE);
}

#[tokio::test]
async fn a_session_is_vouched_for_while_its_user_stays_the_same() {
    let lab = Lab::new(&[configured("bob", "x")]);
    lab.add("ana", Some("x"));
    let ana = lab.verify("ana", "x").await.unwrap();
    let bob = lab.verify("bob", "x").await.unwrap();
    assert!(lab.users.vouches_for(&ana) && lab.users.vouches_for(&bob));
    let mut foreign = bob.clone();
    foreign.provider = "company".into();
    let mut fewer = configured("bob", "x");
    fewer.groups.clear();
    lab.users.set_configured(&[fewer]);
    assert!(!lab.users.vouches_for(&bob), "a group less");
    assert!(lab.users.vouches_for(&foreign));
    lab.change(accounts::disable);
    assert!(!lab.users.vouches_for(&ana));
}

#[tokio::test]
async fn a_session_is_vouched_for_while_the_password_that_let_it_in_stays() {
    // T37
    let phc = hash_password(&secret("x")).unwrap();
    let again = hash_password(&secret("x")).unwrap();
    let users = [
        configured("bob", "from the file"),
        configured("phc", phc.expose()),
        htpasswd("hal", "from htpasswd"),
    ];
    let lab = Lab::new(&users);
    lab.add("ana", Some("from the store"));
    let mut sessions = Vec::new();
    for (name, password) in [
        ("ana", "from the store"),
        ("bob", "from the file"),
        ("phc", "x"),
        ("hal", "from htpasswd"),
    ] {
        sessions.push(lab.verify(name, password).await.unwrap());
    }
    let vouched = |users: &LocalUsers| -> Vec<bool> {
        sessions
            .iter()
            .map(|user| users.vouches_for(user))
            .collect()
    };
    lab.users.set_configured(&users);
    assert_eq!(vouched(&lab.users), [true; 4], "a reload");
    let restarted = LocalUsers::new(Arc::clone(&lab.users.store), &users);
    assert_eq!(vouched(&restarted), [true; 4], "a restart");

    let others = [
        configured("bob", "another"),
        configured("phc", again.expose()),
        htpasswd("hal", "from htpasswd"),
    ];
    lab.change(|changes, name| {
        accounts::set_password(
            changes,
            name,
            &hash_password(&secret("from the store")).unwrap(),
        )
    });
    lab.users.set_configured(&others);
    assert_eq!(
        vouched(&lab.users),
        [false; 4],
        "another hash is another password"
    );
    let restarted = LocalUsers::new(Arc::clone(&lab.users.store), &others);
    assert_eq!(vouched(&restarted), [false; 4]);
    // The other way round: a hash takes the place of the password, and one of the store hides none.
    lab.users
        .set_configured(&[configured("ana", "from the store")]);
    assert_eq!(vouched(&lab.users), [false; 4]);
}

#[tokio::test]
async fn a_password_that_was_changed_meanwhile_changes_nothing_more() {
    let lab = Lab::new(&[configured("bob", "x")]);
    lab.add("ana", Some("old"));
    let verify = async |name: &str, password: &str| {
        let verified = lab.users.verify(name, &secret(password)).await;
        verified.unwrap().unwrap()
    };
    let phc = |text: &str| hash_password(&secret(text)).unwrap();
    let (first, second) = (verify("ana", "old").await, verify("ana", "old").await);
    let chosen = lab.users.choose_password(first, phc("mine")).await.unwrap();
    let ana = chosen.unwrap();
    assert!(lab.users.vouches_for(&ana), "a session of the new password");
    let late = lab.users.choose_password(second, phc("theirs")).await;
    assert_eq!(late.unwrap(), None);
    assert!(lab.verify("ana", "mine").await.is_some());
    assert!(lab.verify("ana", "theirs").await.is_none());
    let bob = verify("bob", "x").await;
    let elsewhere = lab.users.choose_password(bob, phc("y")).await;
    assert_eq!(elsewhere.unwrap(), None, "not ours to change");
}

/// T74. Bounds that only a missing hash (tens of milliseconds) could break.
#[test]
fn unknown_users_cost_as_much_as_wrong_passwords() {
    for htpasswd in [vec![], vec![htpasswd("hal", "x")]] {
        let mut configured = vec![configured("bob", "x")];
        let mut names = vec!["ana", "bob", "off", "nobody"];
        if !htpasswd.is_empty() {
            names.push("hal");
            configured.extend(htpasswd);
        }
        hold_to_one_cost(&Lab::new(&configured), &names);
    }
}

fn hold_to_one_cost(lab: &Lab, names: &[&str]) {
    lab.add("ana", Some("x"));
    lab.add("off", None);
    let users = &lab.users;
    let mut best = vec![u64::MAX; names.len()];
    for _ in 0..3 {
        for (best, name) in best.iter_mut().zip(names) {
            let start = worked();
            let account = users.account(name).unwrap();
            let found = check(account, &secret("wrong"), &users.configured(), &users.salt);
            assert!(found.is_none());
            *best = (worked() - start).min(*best);
        }
    }
    let (least, most) = (best.iter().min().unwrap(), best.iter().max().unwrap());
    assert!(*most < *least * 3, "{best:?}");
}

/// How long this thread has worked, nanoseconds: what others do on the machine is not in it
/// (proc(5), `schedstat`).
fn worked() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}
