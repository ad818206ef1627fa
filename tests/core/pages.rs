//! Our own pages: forms, and what the end of a session does to them.

use std::time::Duration;

use crate::lab::{Lab, MAIN, TOOL};

const HTML: &str = "accept: text/html\r\n";

#[test]
fn signing_out_is_answered_although_it_ends_the_session_that_asks() {
    let lab = Lab::start();
    for _ in 0..10 {
        let cookie = lab.sign_in();
        let fields = format!("cookie: {cookie}\r\n");
        let form = lab.connect().get(MAIN, "/.labgate/sign-out", &fields);
        let csrf = format!("csrf={}", form.hidden("csrf"));
        let answer = lab
            .connect()
            .post(MAIN, "/.labgate/sign-out", &cookie, &csrf);
        assert_eq!(answer.status, 303, "{}", answer.text());
        assert_eq!(answer.cookie(), "labgate=", "the cookie is taken away");
        let after = lab.connect().get(MAIN, "/.labgate/whoami", &fields);
        assert_eq!(after.status, 401);
    }
}

#[test]
fn a_sign_in_form_is_good_although_another_tab_signed_in_meanwhile() {
    let lab = Lab::start();
    let form = lab.connect().get(MAIN, "/.labgate/sign-in", "");
    let first = lab.post_sign_in(&form.cookie(), &form.hidden("csrf"));
    let cookies = format!("{}; {}", form.cookie(), first.cookie());
    let second = lab.post_sign_in(&cookies, &form.hidden("csrf"));
    assert_eq!(second.status, 303, "{}", second.text());
    assert_ne!(first.cookie(), second.cookie());
    let whoami = |cookie: String| {
        let fields = format!("cookie: {cookie}\r\n");
        lab.connect().get(MAIN, "/.labgate/whoami", &fields).status
    };
    assert_eq!(whoami(first.cookie()), 401, "T30");
    assert_eq!(whoami(second.cookie()), 200);
}

#[test]
fn a_form_without_its_value_or_with_somebody_elses_is_refused() {
    // T49
    let lab = Lab::start();
    let form = lab.connect().get(MAIN, "/.labgate/sign-in", "");
    let other = lab.connect().get(MAIN, "/.labgate/sign-in", "");
    assert_eq!(lab.post_sign_in(&form.cookie(), "").status, 403);
    assert_eq!(
        lab.post_sign_in(&form.cookie(), &other.hidden("csrf"))
            .status,
        403
    );
}

#[test]
fn a_form_that_was_left_open_for_a_night_is_quietly_made_anew() {
    // T42
    let lab = Lab::start();
    let form = lab.connect().get(MAIN, "/.labgate/sign-in", "");
    lab.clock.advance(Duration::from_secs(14 * 60 * 60));
    let late = lab.post_sign_in(&form.cookie(), &form.hidden("csrf"));
    assert_eq!(late.status, 200, "{}", late.text());
    assert!(late.field("set-cookie").is_none(), "nobody is signed in");
    assert!(
        late.text().contains("value=\"ana\""),
        "the name is still there"
    );
    let again = lab.post_sign_in(&form.cookie(), &late.hidden("csrf"));
    assert_eq!(again.status, 303, "{}", again.text());

    // A month later the browser has no cookie of the form any more.
    let strange = lab.post_sign_in("", &late.hidden("csrf"));
    assert_eq!(strange.status, 403);
}

#[test]
fn only_what_a_person_does_moves_the_idle_clock() {
    // T39
    let lab = Lab::start();
    let hour = Duration::from_secs(60 * 60);
    let idle_after = |method: &str, path: &str, fields: &str| {
        let cookie = lab.sign_in();
        lab.clock.advance(5 * hour);
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: {MAIN}\r\ncookie: {cookie}\r\n{fields}\r\n");
        let answer = lab.connect().send(head).answer();
        assert!(
            matches!(answer.status, 200 | 404),
            "{path}: {}",
            answer.status
        );
        lab.clock.advance(5 * hour);
        let fields = format!("cookie: {cookie}\r\n");
        lab.connect().get(MAIN, "/.labgate/whoami", &fields).status
    };
    let fetch = "sec-fetch-mode: cors\r\nsec-fetch-dest: empty\r\nsec-fetch-site: same-origin\r\n";
    let image =
        "sec-fetch-mode: no-cors\r\nsec-fetch-dest: image\r\nsec-fetch-site: same-origin\r\n";
    for (path, fields) in [
        ("/shared/api/status", fetch),
        ("/shared/favicon.ico", image),
        ("/shared/heartbeat", "accept: */*\r\n"),
        ("/.labgate/whoami", fetch),
    ] {
        assert_eq!(idle_after("GET", path, fields), 401, "{path} {fields}");
        assert_eq!(idle_after("OPTIONS", "/shared/", fields), 401, "{fields}");
    }
    let person =
        "sec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\nsec-fetch-site: same-origin\r\n";
    assert_eq!(idle_after("GET", "/shared/lab", person), 200);
    assert_eq!(idle_after("GET", "/shared/lab", HTML), 200, "plain http");
    assert_eq!(idle_after("DELETE", "/shared/x", fetch), 200);

    // The absolute clock wins, whatever is done.
    let cookie = lab.sign_in();
    let fields = format!("cookie: {cookie}\r\n{person}");
    for _ in 0..6 * 7 - 1 {
        lab.clock.advance(4 * hour);
        assert_eq!(lab.connect().get(MAIN, "/shared/", &fields).status, 200);
    }
    lab.clock.advance(4 * hour);
    let late = lab
        .connect()
        .get(MAIN, "/shared/", &format!("cookie: {cookie}\r\n"));
    assert_eq!(late.status, 401);
}

#[test]
fn pages_with_forms_open_for_people_and_not_for_scripts() {
    let lab = Lab::start();
    let cookie = format!("cookie: {}\r\n", lab.sign_in());
    let script = "sec-fetch-site: same-origin\r\nsec-fetch-mode: cors\r\nsec-fetch-dest: empty\r\n";
    let frame =
        "sec-fetch-site: same-origin\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: iframe\r\n";
    let person =
        "sec-fetch-site: same-origin\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n";
    for page in ["/.labgate/", "/.labgate/sign-out"] {
        let with = |fields: &str| {
            let fields = format!("{cookie}{HTML}{fields}");
            lab.connect().get(MAIN, page, &fields)
        };
        for fields in [script, frame] {
            let answer = with(fields);
            assert_eq!(answer.status, 403, "{page} {fields}");
            assert!(!answer.text().contains("csrf"), "{page} {fields}");
        }
        for fields in [person, ""] {
            let answer = with(fields);
            assert_eq!(answer.status, 200, "{page} {fields}");
            assert_eq!(
                answer.field("cross-origin-opener-policy"),
                Some("same-origin")
            );
        }
    }
    // What scripts are meant to ask they may ask.
    let fields = format!("{cookie}{script}");
    let whoami = lab.connect().get(MAIN, "/.labgate/whoami", &fields);
    assert_eq!(whoami.status, 200);
}

#[test]
fn who_i_am_is_told_on_the_main_host_alone() {
    let lab = Lab::start();
    let answer = lab.connect().get(TOOL, "/.labgate/whoami", "");
    assert_eq!(answer.status, 404);
}

#[test]
fn a_form_that_is_too_long_is_413_and_the_client_reads_that() {
    // T75
    let lab = Lab::start();
    let form = lab.connect().get(MAIN, "/.labgate/sign-in", "");
    for size in [64 * 1024 + 1, 10 * 1024 * 1024] {
        let mut client = lab.connect();
        let mut writer = client.stream.try_clone().unwrap();
        let head = format!(
            "POST /.labgate/sign-in HTTP/1.1\r\nhost: {MAIN}\r\ncookie: {}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {size}\r\n\r\n",
            form.cookie()
        );
        let sending = std::thread::spawn(move || {
            use std::io::Write;
            writer.write_all(head.as_bytes()).unwrap();
            // It may end before all is sent.
            drop(writer.write_all(&vec![b'x'; size]));
        });
        assert_eq!(client.answer().status, 413, "{size}");
        sending.join().unwrap();
    }
}

#[test]
fn a_body_that_is_announced_too_long_never_reaches_the_tool() {
    let lab = Lab::start();
    let cookie = lab.sign_in();
    let mut client = lab.connect();
    client.send(format!(
        "PUT /shared/silent HTTP/1.1\r\nhost: {MAIN}\r\ncookie: {cookie}\r\n\
         expect: 100-continue\r\ncontent-length: 1025\r\n\r\n"
    ));
    assert_eq!(client.answer().status, 413);
}

#[test]
fn the_home_page_says_whether_a_tool_answered_last() {
    let lab = Lab::start();
    let cookie = format!("cookie: {}\r\n", lab.sign_in());
    let home = |what: &str| {
        let page = lab.connect().get(MAIN, "/.labgate/", &cookie);
        assert!(page.text().contains(what), "{what}: {}", page.text());
    };
    home("Not checked yet");
    lab.connect().get(MAIN, "/shared/", &cookie);
    home("Ready");
    assert_eq!(lab.connect().get(MAIN, "/away/", &cookie).status, 502);
    home("Not answering");
}
