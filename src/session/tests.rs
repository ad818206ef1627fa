use std::sync::atomic::AtomicUsize;

use super::*;
use crate::{
    identity::accounts::{Outcome, StoredUser},
    store::StateDir,
};

const START: Timestamp = Timestamp(1_800_000_000_000);
const LIMITS: config::Session = config::Session {
    idle: Duration::from_secs(8 * 3600),
    lifetime: Duration::from_secs(7 * 24 * 3600),
};

struct Lab {
    clock: Clock,
    sessions: Arc<Sessions>,
    state: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(&StateDir::open(state.path()).unwrap()).unwrap();
        Self::with(store, state, Clock::manual(START))
    }

    fn with(store: Arc<Store>, state: tempfile::TempDir, clock: Clock) -> Self {
        let sessions = Arc::new(Sessions::open(store, clock.clone(), &LIMITS).unwrap());
        Self {
            clock,
            sessions,
            state,
        }
    }

    /// Kills the process and starts another: the file as it was, never closed.
    fn crash(self) -> Self {
        let after = tempfile::tempdir().unwrap();
        let new = StateDir::open(after.path()).unwrap();
        let old = self.state.path().join(StateDir::NAME).join("store.redb");
        std::fs::copy(old, new.path().join("store.redb")).unwrap();
        Self::with(Store::open(&new).unwrap(), after, self.clock)
    }

    async fn sign_in(&self, name: &str) -> SessionToken {
        self.sessions
            .sign_in(user(name), &host("lab"), device())
            .await
            .unwrap()
    }

    fn find(&self, token: &SessionToken) -> Option<Arc<Session>> {
        self.sessions.find(token, &host("lab"))
    }

    /// Waits until the store has done everything that was handed to it before.
    async fn settle(&self) {
        self.sessions.store.write(|_| Ok(())).await.unwrap();
    }

    fn stored(&self) -> usize {
        let sessions = &self.sessions.store;
        sessions.list::<StoredSession>().unwrap().len()
    }
}

fn user(name: &str) -> User {
    User {
        provider: "test".into(),
        subject: name.into(),
        name: name.into(),
        email: None,
        groups: vec!["analysts".into()],
        voucher: None,
    }
}

fn host(name: &str) -> Host {
    format!("{name}.example.org").parse().unwrap()
}

fn device() -> Device {
    Device::new([192, 0, 2, 1].into(), "Mozilla/5.0")
}

#[tokio::test]
async fn a_token_finds_its_session_on_its_host_only() {
    let lab = Lab::new();
    let token = lab.sign_in("ana").await;
    let session = lab.find(&token).unwrap();
    assert_eq!(session.user.name, "ana");
    assert!(lab.sessions.find(&token, &host("other")).is_none());
    assert!(lab.find(&SessionToken::generate()).is_none());
    let again = SessionToken::parse(token.expose().as_bytes()).unwrap();
    assert_eq!(lab.find(&again).unwrap().id, session.id);
}

#[tokio::test]
async fn each_sign_in_makes_a_new_session_and_token() {
    // T30.
    let lab = Lab::new();
    let (first, second) = (lab.sign_in("ana").await, lab.sign_in("ana").await);
    assert_ne!(first.expose(), second.expose());
    assert_ne!(lab.find(&first).unwrap().id, lab.find(&second).unwrap().id);
}

#[tokio::test]
async fn a_further_host_has_its_own_token_and_shares_the_session() {
    let lab = Lab::new();
    let main = lab.sign_in("ana").await;
    let session = lab.find(&main).unwrap();
    let jupyter = host("jupyter");
    let token = lab
        .sessions
        .enter(&session.id, &jupyter)
        .await
        .unwrap()
        .unwrap();
    assert!(lab.find(&token).is_none());
    assert!(lab.sessions.find(&main, &jupyter).is_none());
    let entered = lab.sessions.find(&token, &jupyter).unwrap();
    assert!(Arc::ptr_eq(&entered, &session));
    lab.clock
        .advance(LIMITS.idle.saturating_sub(Duration::from_secs(1)));
    lab.sessions.touch(&entered);
    lab.clock.advance(Duration::from_secs(2));
    assert!(lab.find(&main).is_some(), "activity there counts here");
}

#[tokio::test]
async fn ending_a_session_ends_all_its_tokens_and_says_so_once() {
    let lab = Lab::new();
    let main = lab.sign_in("ana").await;
    let session = lab.find(&main).unwrap();
    let mut tokens = vec![(main, host("lab"))];
    for name in ["a", "b", "c"] {
        let token = lab.sessions.enter(&session.id, &host(name)).await.unwrap();
        tokens.push((token.unwrap(), host(name)));
    }
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (sessions, log) = (Arc::downgrade(&lab.sessions), Arc::clone(&heard));
    lab.sessions.subscribe(move |session, why| {
        // Who hears of it finds it gone and the generation moved.
        let sessions = sessions.upgrade().unwrap();
        let gone = tokens
            .iter()
            .all(|(token, host)| sessions.find(token, host).is_none());
        log.lock()
            .unwrap()
            .push((session.id, why, gone, sessions.generation()));
    });
    let before = lab.sessions.generation();
    assert!(
        lab.sessions
            .end(&session.id, Ended::SignedOut)
            .await
            .unwrap()
    );
    assert!(!lab.sessions.end(&session.id, Ended::Revoked).await.unwrap());
    assert!(!lab.sessions.is_live(&session));
    let expected = (session.id, Ended::SignedOut, true, before + 1);
    assert_eq!(*heard.lock().unwrap(), [expected]);
    let entered = lab.sessions.enter(&session.id, &host("d")).await.unwrap();
    assert!(entered.is_none());
    assert_eq!(lab.stored(), 0);
}

#[tokio::test]
async fn everything_acknowledged_survives_a_crash() {
    let lab = Lab::new();
    let main = lab.sign_in("ana").await;
    let before = lab.find(&main).unwrap();
    let jupyter = host("jupyter");
    let tool = lab
        .sessions
        .enter(&before.id, &jupyter)
        .await
        .unwrap()
        .unwrap();
    let ended = lab.sign_in("bob").await;
    let id = lab.find(&ended).unwrap().id;
    lab.sessions.end(&id, Ended::SignedOut).await.unwrap();
    let lab = lab.crash();
    let after = lab.find(&main).unwrap();
    assert_eq!((after.id, &after.user), (before.id, &before.user));
    assert_eq!(after.device, before.device);
    assert_eq!(lab.sessions.find(&tool, &jupyter).unwrap().id, before.id);
    assert!(lab.find(&tool).is_none(), "the host still counts");
    // T36.
    assert!(lab.find(&ended).is_none());
}

#[tokio::test]
async fn a_session_ends_when_idle_and_at_the_end_of_its_life() {
    let lab = Lab::new();
    let idle = lab.sign_in("ana").await;
    let busy = lab.sign_in("bob").await;
    let session = lab.find(&busy).unwrap();
    let step = LIMITS.idle / 2;
    for _ in 0..(LIMITS.lifetime.as_secs() / step.as_secs() - 1) {
        lab.clock.advance(step);
        lab.sessions.touch(&session);
        assert!(lab.find(&busy).is_some());
    }
    assert!(lab.find(&idle).is_none());
    // T39: the absolute clock wins.
    lab.clock.advance(step);
    lab.sessions.touch(&session);
    assert!(lab.find(&busy).is_none() && lab.sessions.get(&session.id).is_none());
}

#[tokio::test]
async fn the_sweep_ends_what_expired_and_tells() {
    let lab = Lab::new();
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    lab.sessions.subscribe(move |_, why| {
        assert_eq!(why, Ended::Expired);
        count.fetch_add(1, Ordering::SeqCst);
    });
    for _ in 0..3 {
        lab.sign_in("ana").await;
    }
    assert_eq!(lab.sessions.sweep(), 0);
    lab.clock.advance(LIMITS.idle);
    let kept = lab.sign_in("ana").await;
    assert_eq!(lab.sessions.sweep(), 3);
    assert_eq!(lab.sessions.sweep(), 0);
    lab.settle().await;
    assert_eq!((ended.load(Ordering::SeqCst), lab.stored()), (3, 1));
    assert!(lab.find(&kept).is_some());
}

#[tokio::test]
async fn a_shorter_idle_time_holds_for_open_sessions() {
    let lab = Lab::new();
    let token = lab.sign_in("ana").await;
    lab.clock.advance(Duration::from_secs(61));
    let idle = Duration::from_secs(60);
    lab.sessions.set_limits(&config::Session { idle, ..LIMITS });
    assert!(lab.find(&token).is_none());
}

#[tokio::test]
async fn idle_clocks_survive_a_restart() {
    let lab = Lab::new();
    let token = lab.sign_in("ana").await;
    let expired = lab.sign_in("bob").await;
    lab.clock
        .advance(LIMITS.idle.saturating_sub(Duration::from_secs(60)));
    lab.sessions.touch(&lab.find(&token).unwrap());
    lab.sessions.sweep();
    lab.settle().await;
    lab.clock.advance(Duration::from_secs(120));
    let lab = lab.crash();
    assert!(lab.find(&token).is_some());
    assert!(lab.find(&expired).is_none());
    lab.settle().await;
    assert_eq!(lab.stored(), 1, "the expired one left the store");
}

#[tokio::test]
async fn a_clean_stop_keeps_the_last_second() {
    let lab = Lab::new();
    let token = lab.sign_in("ana").await;
    lab.clock.advance(Duration::from_secs(5));
    lab.sessions.touch(&lab.find(&token).unwrap());
    lab.sessions.save().await.unwrap();
    let lab = lab.crash();
    let seen = lab.find(&token).unwrap().last_seen();
    assert_eq!(seen, START.plus(Duration::from_secs(5)));
}

#[tokio::test]
async fn of_too_many_sessions_the_one_idle_the_longest_ends() {
    let lab = Lab::new();
    let mut tokens = Vec::new();
    for _ in 0..index::SESSIONS_PER_USER {
        tokens.push(lab.sign_in("ana").await);
        lab.clock.advance(Duration::from_secs(1));
    }
    let bob = lab.sign_in("bob").await;
    let active = lab.find(&tokens[0]).unwrap();
    lab.clock.advance(Duration::from_secs(1));
    lab.sessions.touch(&active);
    let new = lab.sign_in("ana").await;
    assert!(lab.find(&new).is_some() && lab.find(&tokens[0]).is_some());
    assert!(lab.find(&tokens[1]).is_none(), "idle the longest");
    assert!(lab.find(&tokens[2]).is_some() && lab.find(&bob).is_some());
    assert_eq!(
        lab.sessions.list(Some("ana")).len(),
        index::SESSIONS_PER_USER
    );
    assert_eq!(lab.sessions.list(None).len(), index::SESSIONS_PER_USER + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sign_ins_at_once_all_hold() {
    let lab = Lab::new();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let sessions = Arc::clone(&lab.sessions);
        tasks.spawn(async move {
            let user = user(&format!("user{}", number % 10));
            let token = sessions
                .sign_in(user, &host("lab"), device())
                .await
                .unwrap();
            let session = sessions.find(&token, &host("lab")).unwrap();
            let entered = sessions.enter(&session.id, &host("tool")).await.unwrap();
            (token, entered.unwrap())
        });
    }
    let tokens = tasks.join_all().await;
    let lab = lab.crash();
    for (main, tool) in tokens {
        let session = lab.find(&main).unwrap();
        let entered = lab.sessions.find(&tool, &host("tool")).unwrap();
        assert_eq!(entered.id, session.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_the_new_generation_sees_no_ended_session() {
    let lab = Lab::new();
    for _ in 0..50 {
        let token = lab.sign_in("ana").await;
        let id = lab.find(&token).unwrap().id;
        let before = lab.sessions.generation();
        let sessions = Arc::clone(&lab.sessions);
        let watcher = std::thread::spawn(move || {
            while sessions.generation() == before {
                std::hint::spin_loop();
            }
            sessions.find(&token, &host("lab")).is_none()
        });
        lab.sessions.end(&id, Ended::Revoked).await.unwrap();
        assert!(lab.sessions.generation() > before);
        assert!(watcher.join().unwrap());
    }
}

#[tokio::test]
async fn all_sessions_of_a_user_end_together() {
    // T37.
    let lab = Lab::new();
    let (first, second) = (lab.sign_in("ana").await, lab.sign_in("ana").await);
    let bob = lab.sign_in("bob").await;
    let ended = lab.sessions.end_user("ana", Ended::UserRemoved).await;
    assert_eq!(ended.unwrap(), 2);
    assert!(lab.find(&first).is_none() && lab.find(&second).is_none());
    assert!(lab.find(&bob).is_some());
    assert_eq!(lab.stored(), 1);
}

#[tokio::test]
async fn a_user_of_the_store_must_be_there_and_enabled() {
    let lab = Lab::new();
    let ana = StoredUser::new(None, None, Vec::new(), START).session_user("ana");
    let main = host("lab");
    let sign_in = || lab.sessions.sign_in(ana.clone(), &main, device());
    assert!(matches!(sign_in().await, Err(Error::UserGone)));
    let add = |changes: &Changes<'_>| {
        let record = StoredUser::new(None, None, Vec::new(), START);
        accounts::add(changes, &"ana".parse().unwrap(), &record)
    };
    lab.sessions.store.write(add).await.unwrap();
    let token = sign_in().await.unwrap();
    assert!(lab.find(&token).is_some());
    let disable = |changes: &Changes<'_>| accounts::disable(changes, "ana");
    let disabled = lab.sessions.store.write(disable).await.unwrap();
    assert_eq!(disabled, Outcome::Done { sessions: 1 });
    assert!(matches!(sign_in().await, Err(Error::UserGone)));
    assert_eq!(lab.stored(), 0);
    assert_eq!(lab.sessions.list(None).len(), 1, "only the one to be ended");
}

#[tokio::test]
async fn a_sign_in_comes_too_late_when_its_password_has_been_changed() {
    let lab = Lab::new();
    let phc = |text: &str| crate::secret::Secret::new(text.to_owned());
    let before = StoredUser::new(Some(&phc("old")), None, Vec::new(), START);
    let ana = before.session_user("ana");
    let add = move |changes: &Changes<'_>| {
        accounts::add(changes, &"ana".parse().unwrap(), &before).map(drop)
    };
    lab.sessions.store.write(add).await.unwrap();
    let main = host("lab");
    let sign_in = |user: &User| lab.sessions.sign_in(user.clone(), &main, device());
    assert!(sign_in(&ana).await.is_ok());
    let unvouched = User {
        voucher: None,
        ..ana.clone()
    };
    assert!(matches!(sign_in(&unvouched).await, Err(Error::UserGone)));

    // Verified before, stored after.
    let change = move |changes: &Changes<'_>| {
        accounts::set_password(changes, "ana", &phc("new"))?;
        Ok(changes
            .get::<StoredUser>("ana")?
            .unwrap()
            .session_user("ana"))
    };
    let now = lab.sessions.store.write(change).await.unwrap();
    assert!(matches!(sign_in(&ana).await, Err(Error::UserGone)));
    assert!(sign_in(&now).await.is_ok());

    // Removed, and made again by the same name and password.
    let again = move |changes: &Changes<'_>| {
        accounts::remove(changes, "ana")?;
        let phc = crate::secret::Secret::new("new".to_owned());
        let user = StoredUser::new(Some(&phc), None, Vec::new(), Timestamp(START.0 + 1));
        accounts::add(changes, &"ana".parse().unwrap(), &user).map(drop)
    };
    lab.sessions.store.write(again).await.unwrap();
    assert!(matches!(sign_in(&now).await, Err(Error::UserGone)));
}

#[tokio::test]
async fn a_sign_in_that_nobody_waits_for_leaves_no_session() {
    let lab = Lab::new();
    let (user, main) = (user("ana"), host("lab"));
    let mut sign_in = Box::pin(lab.sessions.sign_in(user, &main, device()));
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    assert!(sign_in.as_mut().poll(&mut context).is_pending());
    drop(sign_in);
    assert!(lab.sessions.list(None).is_empty());
    lab.sessions.sweep();
    lab.settle().await;
    assert_eq!(lab.stored(), 0);
}

#[tokio::test]
async fn a_full_disk_stops_sign_ins_but_no_sign_outs() {
    let state = tempfile::tempdir().unwrap();
    let (store, full) = Store::open_on_a_disk_that_fills(state.path()).unwrap();
    let lab = Lab::with(store, state, Clock::manual(START));
    let (ana, bob) = (lab.sign_in("ana").await, lab.sign_in("bob").await);
    let id = lab.find(&ana).unwrap().id;
    full.store(true, Ordering::SeqCst);
    let refused = lab
        .sessions
        .sign_in(user("eve"), &host("lab"), device())
        .await;
    assert!(matches!(
        refused,
        Err(Error::Store(store::Error::Full { .. }))
    ));
    assert!(lab.sessions.end(&id, Ended::SignedOut).await.is_err());
    assert!(lab.find(&ana).is_none(), "over all the same");
    assert!(lab.find(&bob).is_some(), "nothing else is lost");
    assert_eq!(lab.sessions.list(None).len(), 1);
    lab.sessions.sweep();
    lab.sessions.store.write(|_| Ok(())).await.unwrap_err();
    full.store(false, Ordering::SeqCst);
    lab.settle().await;
    lab.sessions.sweep();
    lab.settle().await;
    assert_eq!(lab.stored(), 1, "the sweep made up for it");
    assert!(lab.sessions.unforgotten().is_empty());
    lab.sign_in("eve").await;
}

#[test]
fn administrators_are_asked_of_the_configuration() {
    let admin = |users: &[&str], groups: &[&str]| config::Admin {
        address: None,
        users: users.iter().map(ToString::to_string).collect(),
        groups: groups.iter().map(ToString::to_string).collect(),
    };
    assert!(user("ana").is_admin(&admin(&["ana"], &[])));
    assert!(user("ana").is_admin(&admin(&[], &["analysts"])));
    assert!(!user("ana").is_admin(&admin(&["analysts"], &["ana"])));
    assert!(!user("ana").is_admin(&config::Admin::default()));
}
