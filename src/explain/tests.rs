use super::*;
use crate::config::load::parse_str;

const CONFIG: &str = r#"
[server]
public_url = "https://lab.example.org"
[identity.local]
user = [
  { name = "ana", password = "correct horse battery", groups = ["analysts"], email = "ana@example.org" },
  { name = "bo", password = "battery staple" },
]
[[route]]
name = "jupyter"
host = "jupyter.example.org"
path = "/lab/"
upstream = "http://127.0.0.1:8888"
app = "jupyter"
token = "s3cret-token"
access = [{ groups = ["analysts"] }, { networks = ["10.0.0.0/8"], methods = ["GET"] }]
allow_headers = ["x_hub_signature"]
request_headers = { X-Api-Key = "s3cret-key" }
embed = ["https://portal.example.org"]
"#;

fn asked(url: &str, change: impl FnOnce(&mut Question)) -> Explanation {
    asked_of(CONFIG, url, change)
}

fn asked_of(config: &str, url: &str, change: impl FnOnce(&mut Question)) -> Explanation {
    let mut question = Question {
        url: url.to_owned(),
        method: Method::GET,
        user: None,
        stored: Stored::Absent,
        groups: Vec::new(),
        listener: None,
        from: [192, 0, 2, 1].into(),
    };
    change(&mut question);
    explain(parse_str(config).unwrap(), &question).unwrap()
}

fn user(name: &str) -> impl FnOnce(&mut Question) {
    move |question| question.user = Some(name.to_owned())
}

const TOOL: &str = "https://jupyter.example.org/lab/tree?token=x&a=1#top";

#[test]
fn whoever_may_is_told_what_the_tool_gets_and_no_secret() {
    let explained = asked(TOOL, user("ana"));
    assert_eq!(explained.answer, Answer::Tool);
    assert!(!explained.text.contains("s3cret"), "{}", explained.text);
    insta::assert_snapshot!(explained.text);
}

#[test]
fn who_has_to_sign_in_is_told_where() {
    let explained = asked(TOOL, |_| ());
    assert_eq!(explained.answer, Answer::Status(StatusCode::SEE_OTHER));
    insta::assert_snapshot!(explained.text);
}

#[test]
fn groups_addresses_and_methods_decide_as_they_are_given() {
    let denied = Answer::Status(StatusCode::FORBIDDEN);
    assert_eq!(asked(TOOL, user("bo")).answer, denied);
    let grouped = |question: &mut Question| {
        question.user = Some("bo".into());
        question.groups = vec!["analysts".into()];
    };
    assert_eq!(asked(TOOL, grouped).answer, Answer::Tool);
    let near = |method: Method| {
        asked(TOOL, |question| {
            question.from = [10, 0, 0, 1].into();
            question.method = method;
        })
    };
    assert_eq!(near(Method::GET).answer, Answer::Tool);
    assert_eq!(
        near(Method::POST).answer,
        Answer::Status(StatusCode::UNAUTHORIZED)
    );
}

#[test]
fn what_reaches_no_tool_says_why() {
    for (url, status, part) in [
        ("https://other.example.org/", 421, "neither a main host"),
        ("https://jupyter.example.org/x", 404, "are at /lab/"),
        ("https://jupyter.example.org/lab", 308, "308 to /lab/"),
        (
            "https://jupyter.example.org/lab/%2e%2e/",
            400,
            "dot segment",
        ),
        (
            "https://jupyter.example.org/lab/%zz",
            400,
            "percent-encoding",
        ),
        ("https://jupyter.example.org/lab/a b", 400, "spaces"),
        ("https://jupyter.example.org/lab/`", 400, "odd characters"),
        ("https://a@jupyter.example.org/lab/", 400, "host"),
        ("/", 303, "home page"),
        ("/nothing", 404, "no route is on lab.example.org"),
    ] {
        let explained = asked(url, user("ana"));
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(explained.answer, Answer::Status(status), "{url}");
        assert!(explained.text.contains(part), "{url}: {}", explained.text);
    }
    for url in [
        "/.labgate/sign-in",
        "https://other.example.org/.labgate/live",
    ] {
        assert_eq!(asked(url, |_| ()).answer, Answer::Ours, "{url}");
    }
}

#[test]
fn it_comes_in_by_the_listener_that_its_address_leads_to() {
    let config = CONFIG.replace("[identity.local]", PORTS);
    for (url, listener) in [
        ("https://lab.example.org/", "tls"),
        ("http://lab.example.org/", "redirect"),
        ("http://lab.example.org:8000/", "plain"),
        ("http://[::1]:8000/", "plain"),
        // Nobody has this port, or speaks this scheme at it.
        ("https://lab.example.org:9/", "plain"),
        ("https://lab.example.org:80/", "plain"),
        ("/", "tls"),
    ] {
        let text = asked_of(&config, url, |_| ()).text;
        let line = format!("listener     {listener}\n");
        assert!(text.contains(&line), "{url}: {text}");
    }
}

const PORTS: &str = r#"
[[listener]]
name = "redirect"
address = "0.0.0.0:80"
redirect_https = true
[[listener]]
name = "plain"
address = "0.0.0.0:8000"
[[listener]]
name = "tls"
address = "0.0.0.0:443"
tls = "self-signed"
[identity.local]"#;

#[test]
fn an_alias_is_a_site_of_its_own() {
    let config = CONFIG.replace("[identity.local]", ALIASES);
    let asked = |url: &str| asked_of(&config, url, |_| ()).text;
    for (url, part) in [
        (
            "http://192.168.1.20:8000/x",
            "the routes on 192.168.1.20 are at /beside",
        ),
        (
            "http://192.168.1.20:8000/beside",
            "at lab.example.org/beside and 192.168.1.20/beside",
        ),
        (
            "http://192.168.1.20:8000/beside",
            "303 to /.labgate/sign-in?return=/beside",
        ),
        (
            "http://192.168.1.20:8000/",
            "303 to http://192.168.1.20:8000/.labgate/",
        ),
        (
            "https://lab.example.org/",
            "303 to https://lab.example.org/.labgate/",
        ),
        (
            "https://192.168.1.20/x",
            "192.168.1.20 is served as http://192.168.1.20:8000;",
        ),
        (
            "http://lab.example.org/x",
            "lab.example.org is served as https://lab.example.org;",
        ),
        (
            "http://127.0.0.1:8000/a?b=%20",
            "307 to http://localhost:8000/a?b=%20",
        ),
    ] {
        let text = asked(url);
        assert!(text.contains(part), "{url}: {text}");
    }
    assert!(!asked("http://192.168.1.20:8000/x").contains("note"));
}

const ALIASES: &str = r#"
aliases = ["http://192.168.1.20:8000", "http://localhost:8000"]
[[route]]
name = "beside"
path = "/beside"
upstream = "http://127.0.0.1:8889"
access = "signed-in"
[identity.local]"#;

#[test]
fn what_is_no_address_is_told() {
    let question = |url: &str| Question {
        url: url.to_owned(),
        method: Method::GET,
        user: None,
        stored: Stored::Absent,
        groups: Vec::new(),
        listener: None,
        from: [127, 0, 0, 1].into(),
    };
    for url in ["lab.example.org", "ftp://lab.example.org/", "http:///x", ""] {
        let asked = explain(parse_str(CONFIG).unwrap(), &question(url));
        assert!(matches!(asked, Err(Error::Url(_))), "{url}");
    }
}

const LISTENERS: &str = r#"
[[listener]]
name = "plain"
address = "127.0.0.1:8000"
redirect_https = true
[[listener]]
name = "public"
address = "127.0.0.1:8001"
[[listener]]
name = "inner"
address = "127.0.0.1:8002"
[[route]]
name = "inner"
host = "inner.example.org"
upstream = "http://127.0.0.1:1"
access = "public"
require_listener = "inner"
"#;

fn by_listener(url: &str, listener: Option<&str>) -> Result<Explanation, Error> {
    let question = Question {
        url: url.to_owned(),
        method: Method::GET,
        user: None,
        stored: Stored::Absent,
        groups: Vec::new(),
        listener: listener.map(str::to_owned),
        from: [127, 0, 0, 1].into(),
    };
    explain(
        parse_str(&format!("{CONFIG}{LISTENERS}")).unwrap(),
        &question,
    )
}

#[test]
fn the_listener_decides_what_is_there_and_what_is_sent_on() {
    let url = "https://inner.example.org/x?y=1";
    let [unsaid, public, inner, plain] = [None, Some("public"), Some("inner"), Some("plain")]
        .map(|listener| by_listener(url, listener).unwrap());
    for hidden in [unsaid, public] {
        assert_eq!(hidden.answer, Answer::Status(StatusCode::NOT_FOUND));
        let said = "inner is there by the listener inner only";
        assert!(hidden.text.contains(said), "{}", hidden.text);
    }
    assert_eq!(inner.answer, Answer::Tool);
    assert_eq!(plain.answer, Answer::Status(StatusCode::PERMANENT_REDIRECT));
    assert!(
        plain
            .text
            .contains("308 to https://inner.example.org/x?y=1"),
        "{}",
        plain.text
    );
    let unknown = by_listener(url, Some("other")).unwrap_err().to_string();
    assert!(unknown.contains("known: plain, public, inner"), "{unknown}");
}

#[test]
fn users_of_the_store_are_who_it_says_and_those_of_the_configuration_hide_them() {
    let stored = |name: &str, stored: Stored| {
        asked(TOOL, |question| {
            question.user = Some(name.to_owned());
            question.stored = stored;
        })
    };
    let enabled = |group: &str| Stored::Enabled {
        groups: vec![group.to_owned()],
        email: Some("cy@example.org".into()),
    };
    let denied = Answer::Status(StatusCode::FORBIDDEN);
    assert_eq!(stored("cy", enabled("analysts")).answer, Answer::Tool);
    assert_eq!(stored("cy", enabled("others")).answer, denied);
    assert_eq!(stored("bo", enabled("analysts")).answer, denied);
    let absent = stored("cy", Stored::Absent);
    assert!(absent.answer == denied && absent.text.contains("nor in the store"));
    let locked = stored("cy", Stored::Unread("process 7 has it".into()));
    assert!(locked.answer == denied && locked.text.contains("cannot be read: process 7"));
    let disabled = stored("cy", Stored::Disabled);
    assert_eq!(disabled.answer, Answer::Status(StatusCode::SEE_OTHER));
    assert!(
        disabled.text.contains("cy is disabled"),
        "{}",
        disabled.text
    );
}
