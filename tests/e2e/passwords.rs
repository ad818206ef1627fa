//! Passwords that people choose: by a one-time link and by themselves; those of an htpasswd file.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use crate::support::{
    Browser, Lab,
    browser::hidden_fields,
    lab::{Builder, MAIN, MAIN_HOST, PASSWORD},
};

const NEW: &str = "another horse, another battery";
const PAGE: &str = "http://lab.test/.labgate/password";

/// Runs `labgate user …` on the state folder of a lab that has not started; what it prints.
fn user(lab: &Builder, arguments: &[&str], input: &str) -> String {
    let config = lab.folder().join("users.toml");
    let state = lab.folder().join("state");
    fs::create_dir_all(&state).unwrap();
    let text = format!(
        "[server]\npublic_url = \"{MAIN}\"\nstate_dir = \"{}\"\n",
        state.display()
    );
    fs::write(&config, text).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_labgate"))
        .arg("user")
        .args(arguments)
        .arg("-c")
        .arg(config)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A lab with `eve` in its store, and what `arguments` printed.
fn with_eve(arguments: &[&str]) -> (Lab, String) {
    let lab = Lab::builder();
    let printed = user(&lab, arguments, &format!("{PASSWORD}\n"));
    (lab.start(), printed)
}

fn link(printed: &str) -> &str {
    printed.lines().last().unwrap()
}

async fn whoami(browser: &Browser) -> u16 {
    browser.get(&format!("{MAIN}/.labgate/whoami")).await.status
}

/// Fills in the form at `url`; the status of the answer and its text.
async fn fill(browser: &Browser, url: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let page = browser.navigate(url).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let mut form = hidden_fields(&page.text());
    form.extend(
        fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let answer = browser.submit(url, &form).await;
    (answer.status, answer.text())
}

async fn may_sign_in(lab: &Lab, password: &str) -> bool {
    let url = format!("{MAIN}/.labgate/sign-in");
    lab.browser()
        .submit_sign_in(&url, "eve", password)
        .await
        .status
        == 303
}

#[tokio::test]
async fn a_link_sets_a_password_once_and_signs_in() {
    let (lab, printed) = with_eve(&["add", "eve"]);
    let (eve, late) = (lab.browser(), lab.browser());
    for _ in 0..3 {
        let page = late.navigate(link(&printed)).await;
        assert!(page.text().contains("Welcome, eve"), "{}", page.text());
        assert_eq!(whoami(&late).await, 401, "looking does nothing");
    }

    let (status, _) = fill(&eve, link(&printed), &[("new", NEW), ("again", NEW)]).await;

    assert_eq!((status, whoami(&eve).await), (303, 200));
    assert!(may_sign_in(&lab, NEW).await);
    assert_eq!(late.navigate(link(&printed)).await.status, 410);
    let log = lab.stop();
    let code = link(&printed).split("code=").nth(1).unwrap();
    assert!(!log.contains(NEW) && !log.contains(code), "{log}");
    for event in ["link-used", "password-changed", "signed-in"] {
        let told = format!("\"message\":\"{event}\"");
        assert!(log.contains(&told), "{event}: {log}");
    }
}

#[tokio::test]
async fn a_refused_password_leaves_the_link_usable() {
    let (lab, printed) = with_eve(&["add", "eve"]);
    let eve = lab.browser();
    for (new, again, why) in [
        ("9 letters", "9 letters", "at least 10"),
        (NEW, "something else", "not the same"),
        ("", "", "at least 10"),
        ("eve", "EVE", "not the same"),
        ("EVE", "EVE", "must not be the username"),
    ] {
        let (status, text) = fill(&eve, link(&printed), &[("new", new), ("again", again)]).await;
        assert_eq!(status, 422, "{new}");
        assert!(
            text.contains(why) && (new.is_empty() || !text.contains("9 letters")),
            "{text}"
        );
        assert_eq!(whoami(&eve).await, 401);
    }
    let (status, _) = fill(&eve, link(&printed), &[("new", NEW), ("again", NEW)]).await;
    assert_eq!(status, 303);
}

#[tokio::test]
async fn changing_the_password_ends_every_other_session() {
    let (lab, _) = with_eve(&["add", "eve", "--password-stdin"]);
    let (here, there) = (lab.sign_in("eve").await, lab.sign_in("eve").await);
    let ana = lab.sign_in("ana").await;
    let old = here.session_cookie(MAIN_HOST);
    let home = here.navigate(&format!("{MAIN}/.labgate/")).await;
    assert!(home.text().contains("href=\"/.labgate/password\""));

    let fields = [("current", PASSWORD), ("new", NEW), ("again", NEW)];
    assert_eq!(fill(&here, PAGE, &fields).await.0, 303);

    assert_eq!((whoami(&here).await, whoami(&there).await), (200, 401));
    assert_eq!(whoami(&ana).await, 200, "nobody else's");
    let new = here.session_cookie(MAIN_HOST);
    assert_ne!(new, old);
    let (name, value) = old.split_once('=').unwrap();
    there.plant(MAIN_HOST, name, value);
    assert_eq!(
        whoami(&there).await,
        401,
        "nor the old token of this browser"
    );
    assert!(may_sign_in(&lab, NEW).await && !may_sign_in(&lab, PASSWORD).await);
}

#[tokio::test]
async fn a_change_needs_the_current_password_and_is_throttled() {
    let (lab, _) = with_eve(&["add", "eve", "--password-stdin"]);
    let eve = lab.sign_in("eve").await;
    let fields = [("current", "wrong"), ("new", NEW), ("again", NEW)];
    for _ in 0..10 {
        let (status, text) = fill(&eve, PAGE, &fields).await;
        assert_eq!(status, 401);
        assert!(
            text.contains("The current password is another one"),
            "{text}"
        );
    }
    let (status, text) = fill(&eve, PAGE, &fields).await;
    assert_eq!(status, 429);
    assert!(text.contains("Too many attempts"), "{text}");
    assert_eq!(whoami(&eve).await, 200);
    assert!(!may_sign_in(&lab, NEW).await);
}

#[tokio::test]
async fn another_site_cannot_change_a_password() {
    let (lab, _) = with_eve(&["add", "eve", "--password-stdin"]);
    let (eve, other) = (lab.sign_in("eve").await, lab.sign_in("eve").await);
    let fields = [("current", PASSWORD), ("new", NEW), ("again", NEW)];
    let mut form: Vec<_> = fields
        .map(|(name, value)| (name.into(), value.into()))
        .into();
    assert_eq!(eve.submit(PAGE, &form).await.status, 403, "without a value");
    form.extend(hidden_fields(&other.navigate(PAGE).await.text()));
    assert_eq!(
        eve.submit(PAGE, &form).await.status,
        403,
        "of another session"
    );
    assert!(!may_sign_in(&lab, NEW).await);
    assert_eq!(other.submit(PAGE, &form).await.status, 303, "of its own");
}

#[tokio::test]
async fn those_whose_password_stands_elsewhere_are_told_where() {
    let lab = Lab::builder().config("identity.local.htpasswd = \"users\"");
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    fs::write(lab.folder().join("users"), format!("hal:{hash}\n")).unwrap();
    let lab = lab.start();
    for (name, place) in [("ana", "the configuration"), ("hal", "the htpasswd file")] {
        let browser = lab.sign_in(name).await;
        let page = browser.navigate(PAGE).await;
        assert!(page.text().contains(place), "{}", page.text());
        assert!(!page.text().contains("<form"), "{}", page.text());
        let answer = browser.submit(PAGE, &[]).await;
        assert!(matches!(answer.status, 400 | 403), "{}", answer.status);
    }
    let away = lab.browser().navigate(PAGE).await;
    assert_eq!(
        away.location(),
        "/.labgate/sign-in?return=/.labgate/password"
    );
}
