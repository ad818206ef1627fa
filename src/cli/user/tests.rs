use std::sync::Arc;

use super::*;
use crate::{
    clock::Clock,
    config::{self, load::parse_str},
    identity::{LinkKind, LocalUsers, SignInLinks, accounts::StoredUser},
    session::{Device, Sessions, User},
    store::{StateDir, Store},
};

struct Lab {
    store: Arc<Store>,
    config: config::Config,
    state: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(&StateDir::open(state.path()).unwrap()).unwrap();
        let config = parse_str(&format!(
            "[server]\npublic_url = \"https://lab.example.org\"\nstate_dir = {:?}\n\
             [identity.local]\n\
             user = [{{ name = \"bob\", password = \"not his name\", groups = [\"staff\"] }}]",
            state.path()
        ));
        Self {
            store,
            config: config.unwrap(),
            state,
        }
    }

    /// Exit code, standard output, standard error. With `person` there is one to ask, else `input`
    /// is piped in.
    fn run(
        &self,
        input: &str,
        person: Option<&mut Person<'_>>,
        command: &Command,
    ) -> (Exit, String, String) {
        let store = Arc::clone(&self.store);
        let door = Door::to_store(store, &self.config, Clock::default()).unwrap();
        let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), input.as_bytes());
        let mut person = person.map(|person| |question: &str| person(question));
        let mut terminal = Terminal {
            out: &mut out,
            err: &mut err,
            input: match &mut person {
                Some(person) => Input::Person(person),
                None => Input::Pipe(&mut input),
            },
        };
        let code = run(&door, command, &mut terminal);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (code, text(out), text(err))
    }

    fn add(&self, new: &Add, input: &str) -> (Exit, String, String) {
        self.run(input, None, &Command::Add(new.clone()))
    }

    fn named(&self, name: &str, command: fn(String) -> Command) -> (Exit, String, String) {
        self.run("new password\n", None, &command(name.to_owned()))
    }

    fn verify(&self, name: &str, password: &str) -> Option<User> {
        let users = LocalUsers::new(Arc::clone(&self.store), &[]);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let password = Secret::new(password.to_owned());
        let verified = runtime.block_on(users.verify(name, &password)).unwrap();
        verified.map(crate::identity::Verified::into_user)
    }

    /// Signs ana in, as a server would have before it stopped.
    fn sign_in(&self, user: User) {
        let limits = config::Session {
            idle: std::time::Duration::from_secs(60),
            lifetime: std::time::Duration::from_secs(60),
        };
        let sessions = Sessions::open(Arc::clone(&self.store), Clock::default(), &limits).unwrap();
        let host = "lab.example.org".parse().unwrap();
        let device = Device::new([127, 0, 0, 1].into(), "test");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime
            .block_on(sessions.sign_in(user, &host, device))
            .unwrap();
    }

    fn stored_sessions(&self) -> usize {
        let stored = self.store.list::<crate::session::StoredSession>();
        stored.unwrap().len()
    }
}

type Person<'p> = dyn FnMut(&str) -> io::Result<Secret<String>> + 'p;

fn disable(name: String) -> Command {
    Command::Disable { name }
}

fn link(name: String) -> Command {
    Command::Link { name }
}

fn passwd(name: String) -> Command {
    Command::Passwd { name }
}

fn remove(name: String) -> Command {
    Command::Remove { name }
}

fn new(name: &str) -> Add {
    Add {
        name: name.into(),
        ..Add::default()
    }
}

fn with_password(name: &str) -> Add {
    Add {
        password_stdin: true,
        ..new(name)
    }
}

#[test]
fn a_user_with_a_password_can_sign_in() {
    let lab = Lab::new();
    let ana = Add {
        email: Some("Ana@Example.org".into()),
        groups: vec!["analysts".into(), "staff".into()],
        ..with_password("ana")
    };
    let (code, out, err) = lab.add(&ana, "long s3cret \r\nnot this\n");
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (Exit::Done, "added ana\n", "")
    );
    let user = lab.verify("ana", "long s3cret ").unwrap();
    assert_eq!(user.email.as_deref(), Some("ana@example.org"));
    assert_eq!(user.groups, ["analysts", "staff"]);
}

#[test]
fn a_user_without_a_password_gets_a_link() {
    let lab = Lab::new();
    let (code, out, _) = lab.add(&new("ana"), "");
    let link = out.lines().last().unwrap();
    let start = "https://lab.example.org/.labgate/link?code=";
    let secret = link.strip_prefix(start).unwrap();
    assert_eq!((code, secret.len()), (Exit::Done, 43));
    let links = SignInLinks::new(Arc::clone(&lab.store), Clock::default());
    let open = links.peek(secret).unwrap().unwrap();
    assert_eq!(
        (open.user.as_str(), open.kind),
        ("ana", LinkKind::SetPassword)
    );
    assert!(lab.verify("ana", "").is_none());
}

#[test]
fn a_link_for_a_password_is_for_enabled_users_of_the_store() {
    let lab = Lab::new();
    lab.add(&with_password("ana"), "a password\n");
    let (code, out, _) = lab.named("ana", link);
    assert_eq!(code, Exit::Done);
    assert!(
        out.starts_with("with this link ana chooses a password, once, within 24 hours:\nhttps://"),
        "{out}"
    );
    assert!(
        lab.verify("ana", "a password").is_some(),
        "until it is used"
    );
    assert_eq!(lab.named("eve", link).0, Exit::Failed);
    lab.named("ana", disable);
    let (code, _, err) = lab.named("ana", link);
    assert_eq!(code, Exit::Failed);
    assert!(err.contains("disabled"), "{err}");
}

#[test]
fn a_person_types_the_password_twice() {
    let lab = Lab::new();
    lab.add(&new("ana"), "");
    let type_in = |answers: [&str; 2]| {
        let mut answers = answers.into_iter();
        let mut questions = Vec::new();
        let mut ask = |question: &str| {
            questions.push(question.to_owned());
            Ok(Secret::new(answers.next().unwrap().to_owned()))
        };
        let (code, _, err) = lab.run("", Some(&mut ask), &passwd("ana".into()));
        assert_eq!(questions, ["New password for ana: ", "Once more: "]);
        (code, err)
    };
    let (code, err) = type_in(["a password", "b password"]);
    assert_eq!(code, Exit::Usage);
    assert!(err.contains("not the same"), "{err}");
    assert!(lab.verify("ana", "a password").is_none());
    assert_eq!(type_in(["short", "short"]).0, Exit::Usage);
    assert_eq!(type_in(["a password", "a password"]).0, Exit::Done);
    assert!(lab.verify("ana", "a password").is_some());
}

#[test]
fn wrong_arguments_are_64_and_add_nobody() {
    let lab = Lab::new();
    let long = "x".repeat(1025);
    let odd_email = |email: &str| Add {
        email: Some(email.into()),
        ..new("ana")
    };
    let odd_group = |group: &str| Add {
        groups: vec![group.into()],
        ..new("ana")
    };
    for (user, input) in [
        (new("../ana"), ""),
        (new(""), ""),
        (with_password("ana"), ""),
        (with_password("ana"), "\na longer line"),
        (with_password("ana"), "9 letters\n"),
        (with_password("ana.martinez"), "Ana.Martinez\n"),
        (with_password("ana"), long.as_str()),
        (odd_email("a@evil.com@ours.org"), ""),
        (odd_email("ana"), ""),
        (odd_group("a,b"), ""),
        (odd_group(""), ""),
    ] {
        let (code, out, err) = lab.add(&user, input);
        assert_eq!((code, out.as_str()), (Exit::Usage, ""), "{user:?}");
        assert!(err.starts_with("labgate: "), "{err}");
    }
    assert!(lab.store.list::<StoredUser>().unwrap().is_empty());
}

#[test]
fn taken_names_are_refused_whoever_has_them() {
    let lab = Lab::new();
    lab.add(&new("ana"), "");
    for name in ["ana", "Ana", "bob", "BOB"] {
        let (code, _, err) = lab.add(&new(name), "");
        assert_eq!(code, Exit::Failed, "{name}");
        assert!(err.contains("already"), "{err}");
    }
}

#[test]
fn passwd_disable_and_remove_end_the_stored_sessions() {
    let lab = Lab::new();
    lab.add(&with_password("ana"), "old password\n");
    lab.sign_in(lab.verify("ana", "old password").unwrap());
    let (code, out, _) = lab.named("ana", passwd);
    assert_eq!(
        (code, out.as_str()),
        (Exit::Done, "new password for ana; 1 session ended\n")
    );
    assert!(lab.verify("ana", "old password").is_none());
    lab.sign_in(lab.verify("ana", "new password").unwrap());
    lab.sign_in(lab.verify("ana", "new password").unwrap());
    let (_, out, _) = lab.named("ana", disable);
    assert_eq!(out, "disabled ana; 2 sessions ended\n");
    assert!(lab.verify("ana", "new password").is_none());
    lab.named("ana", passwd);
    lab.sign_in(lab.verify("ana", "new password").unwrap());
    let (_, out, _) = lab.named("ana", remove);
    assert_eq!(out, "removed ana; 1 session ended\n");
    assert_eq!(lab.stored_sessions(), 0);
    let (code, _, err) = lab.named("ana", remove);
    assert_eq!(
        (code, err.as_str()),
        (Exit::Failed, "labgate: there is no user \"ana\"\n")
    );
}

#[test]
fn users_of_the_configuration_are_changed_there() {
    let lab = Lab::new();
    for command in [link, passwd, disable, remove] {
        let (code, _, err) = lab.named("bob", command);
        assert_eq!(code, Exit::Failed);
        assert!(err.contains("change it there"), "{err}");
    }
}

#[test]
fn the_list_shows_everybody_and_no_secret() {
    let lab = Lab::new();
    let ana = Add {
        email: Some("ana@example.org".into()),
        groups: vec!["analysts".into()],
        ..with_password("ana")
    };
    lab.add(&ana, "a password\n");
    lab.add(&new("cy"), "");
    lab.add(&with_password("dan"), "a password\n");
    lab.named("dan", disable);
    let (code, out, _) = lab.run("", None, &Command::List);
    let expected = "\
NAME  STATE            GROUPS    EMAIL
ana   enabled          analysts  ana@example.org
bob   configuration    staff
cy    no password yet
dan   disabled
";
    assert_eq!((code, out.as_str()), (Exit::Done, expected));
}

#[test]
fn a_store_that_stays_locked_is_told_by_its_holder() {
    let lab = Lab::new();
    let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), io::empty());
    let mut terminal = Terminal {
        out: &mut out,
        err: &mut err,
        input: Input::Pipe(&mut input),
    };
    let opened = Door::open(&lab.config, &mut terminal);
    let Err(Stop::Failed(why)) = opened else {
        panic!("the store is open twice");
    };
    assert!(why.contains("another labgate (process "), "{why}");
    lab.store.close();
    assert!(Door::open(&lab.config, &mut terminal).is_ok());
    drop(lab.state);
}

#[test]
fn nobody_is_asked_for_a_password_of_a_user_who_is_not_there() {
    let lab = Lab::new();
    for name in ["eve", "bob"] {
        let mut ask = |_: &str| panic!("asked");
        let (code, _, err) = lab.run("", Some(&mut ask), &passwd(name.into()));
        assert_eq!(code, Exit::Failed, "{err}");
    }
}

#[test]
fn sessions_of_others_stay() {
    let lab = Lab::new();
    for name in ["ana", "eve"] {
        lab.add(&with_password(name), "a password\n");
        lab.sign_in(lab.verify(name, "a password").unwrap());
    }
    lab.named("ana", remove);
    assert_eq!(lab.stored_sessions(), 1);
}
