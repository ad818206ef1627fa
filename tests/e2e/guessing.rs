//! Guessing names and passwords, and sending us too much (T73 to T75, T77).

use crate::support::{
    Browser, Lab, Origin, Request,
    browser::hidden_fields,
    frames,
    lab::{MAIN, MAIN_HOST, OPEN, PASSWORD, TOOL},
    raw::Response,
};

const SIGN_IN: &str = "http://lab.test/.labgate/sign-in";

async fn guess(browser: &Browser, name: &str, password: &str) -> Response {
    browser.submit_sign_in(SIGN_IN, name, password).await
}

#[tokio::test]
async fn ten_wrong_passwords_are_enough_in_whatever_spelling_of_the_name() {
    // T73
    let lab = Lab::builder().start();
    for name in [
        "ana", "ANA", "Ana", "aNa", "ana", "ana", "ana", "ana", "anA", "ANa",
    ] {
        assert_eq!(guess(&lab.browser(), name, "wrong").await.status, 401);
    }
    for name in ["ana", "ANA"] {
        let answer = guess(&lab.browser(), name, PASSWORD).await;
        assert_eq!(answer.status, 429, "{name}: {}", answer.text());
        let wait = answer.headers.get("retry-after").unwrap();
        assert!((1..=300).contains(&wait.parse().unwrap()), "{wait}");
        assert!(
            !answer
                .headers
                .all("set-cookie")
                .concat()
                .contains("labgate=l")
        );
    }
}

#[tokio::test]
async fn who_guesses_at_the_same_address_keeps_nobody_out_of_their_own_browser() {
    // T73: all come by one address, as behind a proxy that nobody named.
    let lab = Lab::builder().start();
    let anas = lab.browser();
    assert_eq!(guess(&anas, "ana", PASSWORD).await.status, 303);
    anas.sign_out().await;
    for name in [
        "ana", "ana", "ana", "ana", "bob", "bob", "bob", "root", "root", "x",
    ] {
        assert_eq!(guess(&lab.browser(), name, "wrong").await.status, 401);
    }
    for name in ["ana", "bob", "nobody"] {
        let answer = guess(&lab.browser(), name, PASSWORD).await;
        assert_eq!(answer.status, 429, "{name}: no name stands out");
    }
    assert_eq!(
        guess(&anas, "bob", PASSWORD).await.status,
        429,
        "not her own"
    );
    assert_eq!(guess(&anas, "ana", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn an_account_password_opens_nothing_over_basic_and_counts_nowhere() {
    // T73: no second way to guess.
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let stranger = lab.browser();
    // ana:correct horse battery
    let basic = "Basic YW5hOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==";
    for _ in 0..12 {
        let request = Request::new("GET", TOOL).header("authorization", basic);
        let answer = stranger.send(request).await;
        assert_eq!(answer.status, 401);
        assert!(
            !answer.headers.has("www-authenticate"),
            "nobody is asked for it"
        );
    }
    assert!(origin.seen().is_empty());
    assert_eq!(guess(&stranger, "ana", PASSWORD).await.status, 303);
}

/// What an answer says, without what differs in any two.
fn said(answer: &Response, name: &str) -> (u16, String, Vec<String>) {
    let id = answer.headers.get("x-request-id").unwrap_or_default();
    let mut text = answer.text().replace(id, "ID").replace(name, "NAME");
    for (field, value) in hidden_fields(&text) {
        if field == "csrf" {
            text = text.replace(&value, "VALUE");
        }
    }
    let names = answer.headers.0.iter().map(|(name, _)| name.clone());
    (answer.status, text, names.collect())
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_are_the_same_in_words() {
    // T74; in time: `identity::local`
    let lab = Lab::builder().start();
    let known = guess(&lab.browser(), "bob", "wrong").await;
    for name in ["zoe", "BOB", "bob2", "nobody.here"] {
        let unknown = guess(&lab.browser(), name, "wrong").await;
        assert_eq!(said(&unknown, name), said(&known, "bob"), "{name}");
    }
    assert_eq!(known.status, 401);
}

#[tokio::test]
async fn what_is_too_long_is_refused_and_cut_in_the_log() {
    // T75
    let lab = Lab::builder().start();
    let browser = lab.browser();
    let page = browser.navigate(SIGN_IN).await;
    let post = async |name: &str| {
        let mut form = hidden_fields(&page.text());
        form.push(("username".into(), name.into()));
        form.push(("password".into(), "wrong".into()));
        browser.submit(SIGN_IN, &form).await.status
    };
    assert_eq!(post(&"n".repeat(1 << 20)).await, 413);
    assert_eq!(post(&"n".repeat(10 << 20)).await, 413);
    assert_eq!(
        post(&"n".repeat(20_000)).await,
        401,
        "short enough to be looked at"
    );
    let long = format!("{MAIN}/{}", "p".repeat(5000));
    assert_eq!(browser.get(&long).await.status, 404);
    assert_eq!(guess(&lab.browser(), "ana", PASSWORD).await.status, 303);
    let output = lab.stop();
    for piece in ["n".repeat(257), "p".repeat(257)] {
        assert!(!output.contains(&piece));
    }
    assert!(output.contains(&"p".repeat(200)), "the beginning is there");
}

#[tokio::test]
async fn too_many_cookies_are_named_on_a_page() {
    // T77
    let origin = Origin::ok().await;
    let lab = Lab::builder().open(&origin).start();
    let ask = |cookies: &str| {
        format!(
            "GET / HTTP/1.1\r\nhost: open.lab.test\r\naccept: text/html\r\ncookie: {cookies}\r\n\r\n"
        )
    };
    let cookies = |count: usize| {
        let one = |number| format!("crumb{number}={}", "x".repeat(990));
        (0..count).map(one).collect::<Vec<_>>().join("; ")
    };
    let answer = lab.raw(ask(&cookies(100))).await;
    assert_eq!(answer.status, 431);
    assert!(is_page(&answer), "{:?}", answer.headers);
    let text = answer.text().to_lowercase();
    assert!(
        text.contains("<dd>cookie: ") && !text.contains("xxxxxxxxxx") && !text.contains("refused/"),
        "{text}"
    );
    let program = ask(&cookies(100)).replace("text/html", "application/json");
    let answer = lab.raw(program).await;
    assert_eq!((answer.status, is_page(&answer)), (431, false));
    assert!(origin.seen().is_empty());
    let answer = lab.raw(ask(&cookies(40))).await;
    assert_eq!(answer.status, 200, "40 kB pass");
    assert_eq!(origin.last().headers.get("cookie").unwrap(), cookies(40));
}

fn is_page(answer: &Response) -> bool {
    answer.headers.get("content-type") == Some("text/html; charset=utf-8")
}

#[tokio::test]
async fn a_thousand_streams_with_large_heads_take_bounded_memory() {
    // T77
    let origin = Origin::answering(|seen| {
        if seen.target == "/hold" {
            crate::support::Answer::Hold
        } else {
            crate::support::Answer::text("ok")
        }
    })
    .await;
    let lab = Lab::builder().open(&origin).start();
    assert_eq!(lab.browser().get(OPEN).await.status, 200);
    let before = lab.resident();
    let mut connection = lab.connect().await;
    connection.send(frames::begin(&[])).await;
    // Answers are read beside it, or the windows and buffers of the test would be what is tested.
    let (mut read, mut write) = tokio::io::split(connection.into_wire().stream);
    let reading = crate::support::spawn(async move {
        drop(tokio::io::copy(&mut read, &mut tokio::io::sink()).await);
    });
    let crumb = format!("a={}", "x".repeat(4000));
    let mut fields = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "open.lab.test"),
        (":path", "/hold"),
    ];
    fields.extend([("cookie", crumb.as_str()); 15]);
    let sending = async {
        use tokio::io::AsyncWriteExt;
        for number in 0..1000_u32 {
            let head = frames::head(1 + 2 * number, &fields, true);
            write.write_all(&head).await?;
        }
        write.flush().await
    };
    // It may be told to go away before all are sent.
    drop(crate::support::within("a thousand heads", sending).await);
    let answer = lab.browser().get(OPEN).await;
    assert_eq!(answer.status, 200, "others are served meanwhile");
    let grown = lab.resident().saturating_sub(before);
    let held = origin
        .seen()
        .iter()
        .filter(|seen| seen.target == "/hold")
        .count();
    assert!(held >= 100, "they were taken seriously: {held}");
    reading.abort();
    // 256 streams at once, each with 60 KiB in its head, which is read, rewritten and sent on.
    assert!(grown < 160 << 20, "{} MiB more", grown >> 20);
}

#[tokio::test]
async fn a_guess_of_the_session_is_as_good_as_none() {
    // T31: not even the same length of a good one's own letters.
    let lab = Lab::builder().start();
    let ana = lab.sign_in("ana").await;
    let cookie = ana.session_cookie(MAIN_HOST);
    let (name, value) = cookie.split_once('=').unwrap();
    let who = async |value: &str| {
        let head = format!(
            "GET /.labgate/whoami HTTP/1.1\r\nhost: lab.test\r\ncookie: {name}={value}\r\n\r\n"
        );
        lab.raw(head).await.status
    };
    let reversed: String = value.chars().rev().collect();
    for wrong in [
        &reversed,
        value.get(..42).unwrap(),
        "",
        &format!("{value}="),
        &format!("\"{value}\""),
    ] {
        assert_eq!(who(wrong).await, 401, "{wrong}");
    }
    assert_eq!(who(value).await, 200);
}
