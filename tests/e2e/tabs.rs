//! Many tabs of one browser: an expired session, a sign-out, a page left open (T38, T41, T43).

use crate::support::{
    Answer, Browser, Lab, Origin, Request,
    browser::hidden_fields,
    lab::{MAIN, MAIN_HOST, PASSWORD, TOOL, TOOL_HOST},
    raw::Response,
};

const TABS: usize = 20;

/// The cookies of a host that are ours, as names and the bytes that a request carries for them.
fn ours(browser: &Browser, host: &str) -> (Vec<String>, usize) {
    let line = browser.cookies(host, "/");
    let pairs = line.split("; ").filter(|pair| pair.contains("labgate"));
    let names = pairs.clone().filter_map(|pair| pair.split('=').next());
    (
        names.map(str::to_owned).collect(),
        pairs.map(str::len).sum(),
    )
}

/// Follows redirects from `answer`, the answer to a form at [`MAIN`].
async fn onward(browser: &Browser, mut answer: Response) -> (String, Response) {
    let mut at = format!("{MAIN}/.labgate/sign-in");
    for _ in 0..6 {
        if answer.status != 303 {
            break;
        }
        at = crate::support::browser::resolve(&at, answer.location());
        answer = browser.navigate(&at).await;
    }
    (at, answer)
}

#[tokio::test]
async fn twenty_tabs_of_an_expired_session_all_end_signed_in() {
    // T41
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    for host in [MAIN_HOST, TOOL_HOST] {
        // As after a night: the browser has them still, and we know them no more.
        ana.plant(host, "labgate", &"A".repeat(43));
    }
    let reached = origin.seen().len();

    let mut forms = Vec::new();
    let mut wanted = Vec::new();
    for tab in 0..TABS {
        let url = format!("{TOOL}/tab/{tab}?x=%2F");
        let sent_away = ana.navigate(&url).await;
        assert_eq!(sent_away.status, 303, "{tab}");
        let page = ana.navigate(sent_away.location()).await;
        assert_eq!(page.status, 200, "{tab}: {}", page.text());
        forms.push(hidden_fields(&page.text()));
        wanted.push(url);
    }
    let pending = ours(&ana, TOOL_HOST).0;
    let pending: Vec<_> = pending.iter().filter(|name| *name != "labgate").collect();
    assert_eq!(
        pending,
        ["labgate-enter"],
        "one pending sign-in for all tabs"
    );
    assert_eq!(origin.seen().len(), reached);

    for (mut form, url) in forms.into_iter().zip(wanted) {
        form.push(("username".into(), "ana".into()));
        form.push(("password".into(), PASSWORD.into()));
        let answer = ana.submit(&format!("{MAIN}/.labgate/sign-in"), &form).await;
        assert_eq!(answer.status, 303, "{url}: {}", answer.text());
        let (at, page) = onward(&ana, answer).await;
        assert_eq!((at.as_str(), page.status), (url.as_str(), 200));
        assert_eq!(origin.last().headers.all("x-forwarded-user"), ["ana"]);
        assert!(format!("{TOOL}{}", origin.last().target) == url);
    }
    for host in [MAIN_HOST, TOOL_HOST] {
        let (names, size) = ours(&ana, host);
        assert!(
            size < 1024 && names.len() <= 2,
            "{host}: {names:?}, {size} bytes"
        );
    }
    for tab in 0..TABS {
        let again = ana.get(&format!("{TOOL}/tab/{tab}")).await;
        assert_eq!(again.status, 200, "all of them go on");
    }
}

#[tokio::test]
async fn twenty_tabs_that_reload_at_once_after_one_sign_in_all_end_signed_in() {
    // T41: one tab signs in, the others load their sign-in pages again and are let through.
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.browser();
    let mut waiting = Vec::new();
    for tab in 0..TABS {
        let sent_away = ana.navigate(&format!("{TOOL}/tab/{tab}")).await;
        waiting.push(sent_away.location().to_owned());
    }
    ana.sign_in("ana").await;
    let tabs = waiting.iter().map(|url| ana.open(url));
    let ends = futures_util::future::join_all(tabs).await;
    for (tab, (at, page)) in ends.into_iter().enumerate() {
        assert_eq!((at, page.status), (format!("{TOOL}/tab/{tab}"), 200));
    }
    let (names, size) = ours(&ana, TOOL_HOST);
    assert!(size < 1024 && names.len() <= 2, "{names:?}, {size} bytes");
}

/// What an answer does to our session cookie.
fn session_set(answer: &Response) -> Vec<String> {
    let lines = answer.headers.all("set-cookie").into_iter();
    let ours = lines.filter(|line| line.starts_with("labgate="));
    ours.map(str::to_owned).collect()
}

#[tokio::test]
async fn no_answer_to_a_poll_sets_the_cookie_again_after_sign_out() {
    // T38
    let origin = Origin::answering(|seen| match seen.target.as_str() {
        "/poll" => Answer::Hold,
        // A tool that hands back whatever it was sent.
        _ => Answer::status("200 OK", "set-cookie: labgate=kept\r\n", "ok"),
    })
    .await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let old = ana.session_cookie(TOOL_HOST);
    let poll = Request::new("GET", &format!("{TOOL}/poll"));
    let mut polls = Vec::new();
    for _ in 0..3 {
        polls.push(ana.begin(&poll).await);
    }
    let held = |seen: &[crate::support::Seen]| seen.iter().filter(|s| s.target == "/poll").count();
    origin.until("three polls", |seen| held(seen) == 3).await;
    let before = ana.get(TOOL).await;
    assert_eq!((before.status, session_set(&before)), (200, vec![]));

    ana.sign_out().await;

    for mut poll in polls {
        let answer = poll.response().await;
        assert_eq!((answer.status, session_set(&answer)), (401, vec![]));
    }
    for _ in 0..3 {
        for url in [TOOL, MAIN, &format!("{MAIN}/.labgate/whoami")] {
            let host = url
                .strip_prefix("http://")
                .unwrap()
                .split('/')
                .next()
                .unwrap();
            let late = Request::new("GET", url).header("cookie", &old);
            let answer = lab.browser().send(late.clone()).await;
            assert_eq!(session_set(&answer), Vec::<String>::new(), "{host}");
            let answer = lab.browser().send(late.navigation()).await;
            assert_eq!(session_set(&answer), Vec::<String>::new(), "{host}");
        }
    }
    let line = ana.cookies(MAIN_HOST, "/");
    assert!(
        !line.contains("labgate="),
        "it is gone from the browser: {line}"
    );
}

#[tokio::test]
async fn a_stale_cookie_that_cannot_be_replaced_is_no_circle() {
    // T32: planted from a parent domain or for a path, it comes first with every request.
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.browser();
    for host in [MAIN_HOST, TOOL_HOST] {
        ana.plant_below(host, "/deep", "labgate", &"B".repeat(43));
        ana.plant_below(host, "/.labgate", "labgate", &"C".repeat(43));
    }
    let (at, page) = ana.open_as("ana", &format!("{TOOL}/deep/er")).await;
    assert_eq!((at, page.status), (format!("{TOOL}/deep/er"), 200));
    assert!(!origin.last().raw.contains("BBBB"), "{}", origin.last().raw);
}

#[tokio::test]
async fn who_i_am_is_what_a_tool_may_know_and_nothing_more() {
    // T43
    let origin = Origin::ok().await;
    let lines = "host = \"tool.lab.test\"\naccess = \"signed-in\"\napp = \"jupyter\"\n\
                 token = \"s3cret-token\"\nrequest_headers = { X-Key = \"s3cret-key\" }";
    let lab = Lab::builder().route("tool", &origin, lines).start();
    let ana = lab.at_tool("ana").await;
    assert_eq!(
        origin.last().headers.all("x-key"),
        ["s3cret-key"],
        "the tool gets it"
    );
    let who = ana.get(&format!("{MAIN}/.labgate/whoami")).await;
    assert_eq!(who.status, 200);
    let text = who.text();
    let mut names: Vec<&str> = text
        .split('"')
        .zip(text.split('"').skip(1))
        .filter_map(|(name, after)| after.starts_with(':').then_some(name))
        .collect();
    names.sort_unstable();
    let known = [
        "admin",
        "email",
        "groups",
        "provider",
        "session",
        "signed_in_at",
        "user",
    ];
    assert_eq!(names, known, "{text}");
    let pages = [
        who,
        ana.navigate(&format!("{MAIN}/.labgate/")).await,
        ana.navigate(&format!("{MAIN}/.labgate/password")).await,
        ana.navigate(&format!("{MAIN}/.labgate/sign-out")).await,
        ana.get(&format!("{TOOL}/.labgate/whoami")).await,
    ];
    let cookies = [MAIN_HOST, TOOL_HOST].map(|host| ana.session_cookie(host));
    let values = cookies.iter().filter_map(|cookie| cookie.split('=').nth(1));
    let secrets: Vec<&str> = values.chain(["s3cret", PASSWORD]).collect();
    for page in pages {
        for secret in &secrets {
            let said = format!("{:?}{}", page.headers, page.text());
            assert!(!said.contains(secret), "{secret}: {said}");
        }
    }
}
