//! Every page, fed with text that would break out of it.

use std::time::Duration;

use super::*;
use crate::config;

/// Breaks out of text, of both kinds of attribute, and of the elements with raw content.
const HOSTILE: &str =
    r#"</title></style></script><script>alert(1)</script>"'><img src=x onerror=alert(1)>&`"#;

fn look(text: &str) -> Look {
    Look::new(&config::Ui {
        title: text.to_owned(),
        accent: text.to_owned(),
        notice: Some(text.to_owned()),
    })
}

fn sign_in_page(text: &str, state: SignInState, password: PasswordField) -> SignInPage {
    SignInPage {
        csrf: text.to_owned(),
        return_to: text.to_owned(),
        nonce: Some(text.to_owned()),
        username: text.to_owned(),
        destination: Some(text.to_owned()),
        state,
        password,
        plain_http: true,
    }
}

fn password_page(text: &str, code: Option<String>, state: PasswordState) -> PasswordPage {
    PasswordPage {
        user: text.to_owned(),
        csrf: text.to_owned(),
        code,
        state,
        plain_http: true,
    }
}

fn problems(text: &str) -> Vec<Problem> {
    let tool = || text.to_owned();
    vec![
        Problem::AddressTooLong,
        Problem::BadRequest("the path has dot segments"),
        Problem::BodyTooLarge { limit: 1 << 20 },
        Problem::Busy,
        Problem::CrossSite,
        Problem::Denied {
            user: Some(text.to_owned()),
            tool: tool(),
        },
        Problem::FormRefused,
        Problem::HeaderTooLarge {
            limit: 65_536,
            fields: vec![(text.to_owned(), 100_000)],
        },
        Problem::Internal,
        Problem::LinkGone,
        Problem::MethodNotAllowed { allow: "GET, HEAD" },
        Problem::NotFound,
        Problem::RequestTimeout,
        Problem::ShuttingDown,
        Problem::SignInRequired {
            sign_in: text.to_owned(),
        },
        Problem::ToolBadAnswer { tool: tool() },
        Problem::ToolBusy { tool: tool() },
        Problem::ToolTimeout {
            tool: tool(),
            after: Duration::from_secs(5),
        },
        Problem::ToolUnreachable { tool: tool() },
        Problem::ToolUntrusted { tool: tool() },
        Problem::TooManyFields { limit: 100 },
        Problem::TooManyRequests {
            retry_after: Duration::from_secs(30),
        },
        Problem::UnknownHost,
    ]
}

fn circumstances(text: &str) -> Circumstances {
    Circumstances {
        request_id: text.to_owned(),
        address: Some(text.to_owned()),
        home: text.to_owned(),
    }
}

/// Every page in every state, with `text` in each field that takes one.
fn every_page(text: &str) -> Vec<String> {
    let look = look(text);
    let states = [
        SignInState::Busy,
        SignInState::Fresh,
        SignInState::Stale,
        SignInState::TooMany {
            retry_after: Duration::from_secs(30),
        },
        SignInState::Wrong,
    ];
    let shown = states.map(|state| {
        let hidden = PasswordField::Hidden {
            show: text.to_owned(),
        };
        sign_in(&look, &sign_in_page(text, state, hidden))
    });
    let mut pages = Vec::from(shown);
    pages.push(sign_in(
        &look,
        &sign_in_page(text, SignInState::Fresh, PasswordField::Readable),
    ));
    let tile = |state| Tile {
        title: text.to_owned(),
        address: text.to_owned(),
        href: text.to_owned(),
        state,
    };
    let mut page = HomePage {
        user: text.to_owned(),
        groups: vec![text.to_owned(), text.to_owned()],
        csrf: text.to_owned(),
        tiles: vec![
            tile(ToolState::NotAnswering),
            tile(ToolState::Ready),
            tile(ToolState::Unknown),
        ],
    };
    pages.push(home(&look, &page));
    page.tiles.clear();
    pages.push(home(&look, &page));
    pages.push(sign_out(
        &look,
        &SignOutPage {
            user: text.to_owned(),
            csrf: text.to_owned(),
        },
    ));
    pages.push(signed_out(&look, text));
    pages.push(link(
        &look,
        &LinkPage {
            user: text.to_owned(),
            csrf: text.to_owned(),
            code: text.to_owned(),
        },
    ));
    let states = [
        PasswordState::Busy,
        PasswordState::Differ,
        PasswordState::Fresh,
        PasswordState::Stale,
        PasswordState::TooMany {
            retry_after: Duration::from_secs(30),
        },
        PasswordState::Unfit(text.to_owned()),
        PasswordState::Wrong,
    ];
    for state in states {
        for code in [None, Some(text.to_owned())] {
            pages.push(password(&look, &password_page(text, code, state.clone())));
        }
    }
    for place in [
        PasswordPlace::Configuration,
        PasswordPlace::Htpasswd,
        PasswordPlace::Nowhere,
        PasswordPlace::Provider,
    ] {
        pages.push(password_elsewhere(&look, text, place));
    }
    for problem in problems(text) {
        pages.push(error(&look, &problem.page(&circumstances(text))));
    }
    pages
}

/// The tags of a page, from `<` to `>`, without the content of style and script, which the policy
/// compares with its digests.
fn tags(page: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').unwrap();
        rest = match tag {
            "style" | "script" => after.split_once(&format!("</{tag}>")).unwrap().1,
            _ => after,
        };
        tags.push(format!("<{tag}>"));
    }
    tags
}

/// A tag without the values of its attributes.
fn shape(tag: &str) -> String {
    tag.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

#[test]
fn hostile_text_changes_no_tag_of_any_page() {
    // Same pages, same tags: whatever stands in the fields is text and attribute value only.
    for (hostile, plain) in every_page(HOSTILE).iter().zip(every_page("plain")) {
        let shapes = |page: &str| tags(page).iter().map(|tag| shape(tag)).collect::<Vec<_>>();
        assert_eq!(shapes(hostile), shapes(&plain));
        assert!(!hostile.contains("<img"));
        assert!(!hostile.contains("alert(1)</script>"));
    }
}

#[test]
fn a_hidden_field_gives_back_the_return_address_byte_for_byte() {
    let hidden = PasswordField::Hidden {
        show: String::new(),
    };
    let mut page = sign_in_page("x", SignInState::Fresh, hidden);
    page.return_to = "https://j.example.org/a%2520b?u=a%26b%3Dc&q='\"<\u{e9}>".into();
    let expected =
        "value=\"https://j.example.org/a%2520b?u=a%26b%3Dc&#38;q=&#39;&#34;&#60;\u{e9}&#62;\"";
    assert!(sign_in(&look("x"), &page).contains(expected));
}

#[test]
fn pages_ask_nobody_for_anything_and_have_no_inline_handlers_or_styles() {
    for page in every_page("plain") {
        for tag in tags(&page) {
            let shape = shape(&tag);
            for word in [" on", " src=", " style=", "<iframe", "<base"] {
                assert!(!shape.contains(word), "{tag}");
            }
            if tag.starts_with("<link") {
                assert!(tag.contains("href=\"data:image/svg+xml;base64,"), "{tag}");
            }
        }
    }
}

#[test]
fn every_page_has_a_language_a_viewport_one_main_and_one_heading() {
    for page in every_page("plain") {
        for part in [
            "<html lang=\"en\">",
            "<meta name=\"viewport\"",
            "<meta name=\"color-scheme\"",
            "<main",
            "<h1>",
        ] {
            assert_eq!(page.matches(part).count(), 1, "{part}\n{page}");
        }
    }
}

#[test]
fn every_field_of_the_sign_in_form_has_a_label_and_errors_speak_up() {
    let hidden = PasswordField::Hidden {
        show: "?show=1".into(),
    };
    let page = sign_in(&look("x"), &sign_in_page("ana", SignInState::Wrong, hidden));
    for name in ["username", "password"] {
        assert!(page.contains(&format!("<label for=\"{name}\">")));
        assert!(page.contains(&format!("<input id=\"{name}\" name=\"{name}\"")));
    }
    assert!(page.contains("role=\"alert\" id=\"problem\""));
    assert_eq!(page.matches("aria-describedby=\"problem\"").count(), 2);
    assert!(page.contains("<title>Error: Sign in"));
}

#[test]
fn a_password_never_comes_back_in_a_page() {
    // The view has no field for it; this holds the template to it.
    let hidden = PasswordField::Hidden {
        show: String::new(),
    };
    let page = sign_in(&look("x"), &sign_in_page("ana", SignInState::Wrong, hidden));
    let field = tags(&page)
        .into_iter()
        .find(|tag| tag.contains("id=\"password\""))
        .unwrap();
    assert!(!field.contains("value="), "{field}");
}

#[test]
fn every_field_for_a_password_has_a_label_and_comes_back_empty() {
    let unfit = PasswordState::Unfit("a rule".into());
    let page = password(&look("x"), &password_page("ana", None, unfit));
    for name in ["current", "new", "again"] {
        assert!(page.contains(&format!("<label for=\"{name}\">")));
        let start = format!("<input id=\"{name}\" name=\"{name}\" type=\"password\"");
        let field = tags(&page).into_iter().find(|tag| tag.starts_with(&start));
        assert!(!field.unwrap().contains("value="));
    }
    assert!(page.contains("role=\"alert\" id=\"problem\">This password cannot be used: a rule."));
    let linked = password(
        &look("x"),
        &password_page("ana", Some("c".into()), PasswordState::Fresh),
    );
    assert!(!linked.contains("name=\"current\""));
}

#[test]
fn the_sign_in_form_posts_to_its_own_address_so_that_the_fragment_stays() {
    let hidden = PasswordField::Hidden {
        show: String::new(),
    };
    let page = sign_in(&look("x"), &sign_in_page("ana", SignInState::Fresh, hidden));
    assert!(page.contains("<form method=\"post\">"));
}

#[test]
fn too_many_attempts_say_how_long_to_wait() {
    let hidden = PasswordField::Hidden {
        show: String::new(),
    };
    let state = SignInState::TooMany {
        retry_after: Duration::from_millis(29_001),
    };
    let page = sign_in(&look("x"), &sign_in_page("ana", state, hidden));
    assert!(page.contains("data-wait=\"30\">in 30 seconds<"));
}

#[test]
fn an_unknown_host_is_not_repeated_and_the_keys_to_set_are_named() {
    let circumstances = circumstances("evil.example.net");
    let page = Problem::UnknownHost.page(&circumstances);
    let html = error(
        &look("x"),
        &ErrorPage {
            request_id: "r".into(),
            ..page.clone()
        },
    );
    assert!(!html.contains("evil.example.net"));
    assert!(html.contains("<code>server.public_url</code>"));
    assert!(html.contains("<code>host</code>"));
    let json = error_json(&ErrorPage {
        request_id: "r".into(),
        ..page
    });
    assert!(!json.contains("evil.example.net"));
}

#[test]
fn large_fields_are_named_largest_first_and_only_a_few() {
    let fields = (0..50)
        .map(|index| (format!("x-{index}"), 9 << 10))
        .collect();
    let problem = Problem::HeaderTooLarge {
        limit: 65_536,
        fields,
    };
    let html = error(&look("x"), &problem.page(&circumstances("a")));
    assert!(html.contains("x-0: 9 KiB"));
    assert!(html.contains("x-4: 9 KiB"));
    assert!(!html.contains("x-5: "));
    assert!(html.contains("64 KiB"));
}

#[test]
fn programs_get_the_error_its_message_and_the_request_id() {
    let problem = Problem::SignInRequired {
        sign_in: "https://lab.test/.labgate/sign-in".into(),
    };
    let json = error_json(&problem.page(&circumstances("r-1")));
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["error"], "sign_in_required");
    assert_eq!(value["sign_in"], "https://lab.test/.labgate/sign-in");
    assert_eq!(value["request_id"], "r-1");
    assert!(
        value["message"]
            .as_str()
            .unwrap()
            .starts_with("You are not signed in")
    );
    assert_eq!(value.as_object().unwrap().len(), 4);

    let json = error_json(&Problem::UnknownHost.page(&circumstances("r-2")));
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(!value["message"].as_str().unwrap().contains('`'));
    assert_eq!(value.as_object().unwrap().len(), 3);
}

#[test]
fn error_names_are_unique_and_every_status_is_an_error() {
    let mut codes: Vec<_> = problems("x").iter().map(Problem::code).collect();
    codes.sort_unstable();
    let all = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), all);
    for problem in problems("x") {
        let status = problem.status();
        assert!(status.is_client_error() || status.is_server_error());
    }
}

#[test]
fn what_leaves_a_frame_is_the_way_home_and_to_sign_in_not_a_retry() {
    let html = |problem: Problem| error(&look("x"), &problem.page(&circumstances("/.labgate/")));
    assert!(
        html(Problem::SignInRequired {
            sign_in: "/s".into()
        })
        .contains("target=\"_top\"")
    );
    assert!(html(Problem::NotFound).contains("target=\"_top\""));
    assert!(!html(Problem::Internal).contains("target="));
}

#[test]
fn a_page_is_small() {
    let hidden = PasswordField::Hidden {
        show: String::new(),
    };
    let page = sign_in(&look("x"), &sign_in_page("ana", SignInState::Fresh, hidden));
    assert!(page.len() < 16 * 1024, "{}", page.len());
}

#[test]
fn a_program_learns_when_to_come_back_where_waiting_helps() {
    let wait = Duration::from_secs(30);
    let limited = Problem::TooManyRequests { retry_after: wait };
    assert_eq!(limited.retry_after(), Some(wait));
    for problem in problems("x") {
        let helps = problem.status() == 503 || problem.status() == 429;
        assert_eq!(problem.retry_after().is_some(), helps, "{}", problem.code());
    }
}
