//! What a reload and a stop end, and what they leave alone (T37, T81, T91).

use std::collections::BTreeMap;

use futures_util::{SinkExt, StreamExt, future::join_all};
use rustix::process::Signal;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Answer, Browser, GRACE, Lab, Origin, Request,
    browser::WebSocket,
    lab::{MAIN, MAIN_HOST, OPEN, PASSWORD, TOOL},
    within,
};

async fn echoes(socket: &mut WebSocket) -> bool {
    if socket.send(Message::text("hello")).await.is_err() {
        return false;
    }
    matches!(
        within("the echo", socket.next()).await,
        Some(Ok(Message::Text(_)))
    )
}

/// The close code that comes, within the time that DESIGN.md allows.
async fn closes(socket: &mut WebSocket) -> Option<u16> {
    let close = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| frame.code.into());
            }
        }
        None
    };
    tokio::time::timeout(GRACE, close).await.expect("it ends")
}

async fn open(browser: &Browser, path: &str, count: usize) -> Vec<WebSocket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let socket = browser.websocket(&format!("{MAIN}{path}")).await;
        sockets.push(socket.unwrap_or_else(|answer| panic!("{path}: {}", answer.status)));
    }
    sockets
}

#[tokio::test]
async fn a_reload_ends_the_tunnels_of_routes_that_are_gone_or_deny_and_no_others() {
    // T81
    let origin = Origin::ok().await;
    let lab = Lab::builder()
        .route("keep", &origin, "path = \"/keep/\"\naccess = \"signed-in\"")
        .route("gone", &origin, "path = \"/gone/\"\naccess = \"signed-in\"")
        .route(
            "deny",
            &origin,
            "path = \"/deny/\"\naccess = { users = [\"ana\", \"bob\"] }",
        )
        .start();
    let (ana, bob) = (lab.sign_in("ana").await, lab.sign_in("bob").await);
    let mut kept = open(&bob, "/keep/", 120).await;
    kept.extend(open(&ana, "/deny/", 20).await);
    let mut ended = open(&bob, "/gone/", 30).await;
    ended.extend(open(&bob, "/deny/", 30).await);
    let poll = Request::new("GET", &format!("{MAIN}/keep/"));
    assert_eq!(bob.send(poll).await.status, 200);

    lab.reload(|text| {
        text.replace("path = \"/gone/\"", "path = \"/elsewhere/\"")
            .replace("name = \"gone\"", "name = \"other\"")
            .replace("users = [\"ana\", \"bob\"]", "users = [\"ana\"]")
    })
    .await;

    let codes = join_all(ended.iter_mut().map(closes)).await;
    let mut counted = BTreeMap::new();
    for code in codes {
        *counted.entry(code).or_insert(0) += 1;
    }
    assert_eq!(counted, BTreeMap::from([(Some(1001), 60)]));
    let alive = join_all(kept.iter_mut().map(echoes)).await;
    assert_eq!(alive.iter().filter(|alive| **alive).count(), 140);
    for path in ["/gone/", "/deny/"] {
        let again = bob.websocket(&format!("{MAIN}{path}")).await;
        assert!(
            matches!(again, Err(answer) if matches!(answer.status, 403 | 404)),
            "{path}"
        );
    }
    assert!(bob.websocket(&format!("{MAIN}/keep/")).await.is_ok());
}

#[tokio::test]
async fn a_reload_that_removes_or_regroups_a_user_ends_what_they_opened() {
    // T37
    let origin = Origin::answering(|seen| match seen.target.as_str() {
        "/poll" => Answer::Hold,
        _ if seen.headers.has("upgrade") => Answer::WebSocket(String::new()),
        _ => Answer::text("ok"),
    })
    .await;
    for (from, to) in [
        ("{ name = \"ana\", password", "{ name = \"anna\", password"),
        ("groups = [\"analysts\"]", "groups = [\"visitors\"]"),
    ] {
        let lab = Lab::with_tool(&origin);
        let (ana, bob) = (lab.at_tool("ana").await, lab.at_tool("bob").await);
        let cookie = ana.session_cookie(MAIN_HOST);
        let mut anas = ana.websocket(TOOL).await.unwrap();
        let mut bobs = bob.websocket(TOOL).await.unwrap();
        let url = format!("{TOOL}/poll");
        let before = origin.seen().len();
        let mut poll = ana.begin(&Request::new("GET", &url)).await;
        origin.until("the poll", |seen| seen.len() > before).await;

        lab.reload(|text| text.replace(from, to)).await;

        assert_eq!(closes(&mut anas).await, Some(1008), "{to}");
        let waited = tokio::time::timeout(GRACE, poll.response()).await;
        assert_eq!(waited.expect("it ends").status, 401, "{to}");
        let head =
            format!("GET /.labgate/whoami HTTP/1.1\r\nhost: lab.test\r\ncookie: {cookie}\r\n\r\n");
        assert_eq!(lab.raw(head).await.status, 401, "{to}");
        assert!(echoes(&mut bobs).await, "{to}: bob is who he was");
    }
}

#[tokio::test]
async fn a_stop_lets_finish_what_is_under_way_and_ends_tunnels_at_its_limit() {
    // T91
    let (release, released) = tokio::sync::mpsc::channel(1);
    let released = std::sync::Mutex::new(Some(released));
    let origin = Origin::answering(move |seen| match seen.target.as_str() {
        "/slow" => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n".to_vec();
            let pieces = released.lock().unwrap().take().unwrap();
            Answer::Stream(head, pieces)
        }
        _ if seen.headers.has("upgrade") => Answer::WebSocket(String::new()),
        _ => Answer::text("ok"),
    })
    .await;
    let lab = Lab::builder()
        .open(&origin)
        .config("[limits]\ndrain_timeout = \"3s\"")
        .start();
    let browser = lab.browser();
    let mut socket = browser.websocket(OPEN).await.unwrap();
    assert!(echoes(&mut socket).await);
    let mut slow = browser
        .begin(&Request::new("GET", &format!("{OPEN}/slow")))
        .await;
    release.send(b"half".to_vec()).await.unwrap();
    slow.comes("half").await;

    let begun = std::time::Instant::now();
    lab.signal(Signal::TERM);
    let (address, deadline) = (lab.address(), begun + crate::support::DEADLINE);
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "nobody new is let in");
    }

    assert!(echoes(&mut socket).await, "not at once");
    release.send(b"half".to_vec()).await.unwrap();
    let answer = slow.response().await;
    assert_eq!((answer.text().as_str(), answer.whole), ("halfhalf", true));
    let code = within("the end of the tunnel", async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => break frame.map(|f| u16::from(f.code)),
                Some(Ok(_)) => {}
                _ => break None,
            }
        }
    });
    assert_eq!(code.await, Some(1001));
    assert!(begun.elapsed().as_secs() >= 2, "{:?}", begun.elapsed());
    let output = lab.stop();
    assert!(output.contains("\"status\":200"), "{output}");
}

async fn who_am_i(lab: &Lab, cookie: &str) -> u16 {
    let head =
        format!("GET /.labgate/whoami HTTP/1.1\r\nhost: lab.test\r\ncookie: {cookie}\r\n\r\n");
    lab.raw(head).await.status
}

#[tokio::test]
async fn a_reload_with_another_password_ends_the_sessions_that_the_old_one_began() {
    // T37
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let (ana, bob) = (lab.at_tool("ana").await, lab.at_tool("bob").await);
    let [anas, bobs] = [&ana, &bob].map(|browser| browser.session_cookie(MAIN_HOST));
    let mut socket = ana.websocket(TOOL).await.unwrap();

    lab.reload(str::to_owned).await;
    assert_eq!(who_am_i(&lab, &anas).await, 200, "nothing has changed");
    assert!(echoes(&mut socket).await);

    let old = "password = { env = \"PASSWORD\" }, groups";
    let new = "password = \"a different horse\", groups";
    lab.reload(|text| text.replace(old, new)).await;

    assert_eq!(closes(&mut socket).await, Some(1008));
    assert_eq!(who_am_i(&lab, &anas).await, 401);
    assert_eq!(who_am_i(&lab, &bobs).await, 200, "his is the old one still");
    let url = format!("{MAIN}/.labgate/sign-in");
    for (password, status) in [(PASSWORD, 401), ("a different horse", 303)] {
        let answer = lab.browser().submit_sign_in(&url, "ana", password).await;
        assert_eq!(answer.status, status, "{password}");
    }
}

fn htpasswd(lab: &std::path::Path, users: &[(&str, &str, u32)]) {
    let line = |(name, password, cost): &(&str, &str, u32)| {
        format!("{name}:{}\n", bcrypt::hash(password, *cost).unwrap())
    };
    let lines: String = users.iter().map(line).collect();
    std::fs::write(lab.join("users"), lines).unwrap();
}

#[tokio::test]
async fn a_changed_hash_in_the_htpasswd_file_ends_that_users_sessions_at_a_reload() {
    // T37
    let lab = Lab::builder().config("identity.local.htpasswd = \"users\"");
    htpasswd(lab.folder(), &[("hal", PASSWORD, 5), ("ivy", PASSWORD, 5)]);
    let file = lab.folder().join("users");
    let lab = lab.start();
    let (hal, ivy) = (lab.sign_in("hal").await, lab.sign_in("ivy").await);
    let [hals, ivys] = [&hal, &ivy].map(|browser| browser.session_cookie(MAIN_HOST));

    lab.reload(str::to_owned).await;
    for cookie in [&hals, &ivys] {
        assert_eq!(who_am_i(&lab, cookie).await, 200, "nothing has changed");
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let ivys_line = text.lines().nth(1).unwrap();
    let hash = bcrypt::hash("another one", 5).unwrap();
    std::fs::write(&file, format!("hal:{hash}\n{ivys_line}\n")).unwrap();
    lab.reload(str::to_owned).await;

    let ended = async {
        while who_am_i(&lab, &hals).await == 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(GRACE, ended).await.expect("it ends");
    assert_eq!(who_am_i(&lab, &ivys).await, 200);
}

#[tokio::test]
async fn a_sign_in_on_its_way_does_not_outlive_a_password_that_is_changed_meanwhile() {
    // T37: the old password is being checked while it stops being the password.
    let lab = Lab::builder().config("identity.local.htpasswd = \"users\"");
    htpasswd(lab.folder(), &[("hal", PASSWORD, 5)]);
    let (file, folder) = (lab.folder().join("users"), lab.folder().to_owned());
    // Some seconds of work in a test's build.
    htpasswd(&folder, &[("hal", PASSWORD, 12)]);
    let lab = lab.start();
    let browser = lab.browser();
    let url = format!("{MAIN}/.labgate/sign-in");
    let page = browser.navigate(&url).await;
    let mut form = crate::support::browser::hidden_fields(&page.text());
    form.push(("username".into(), "hal".into()));
    form.push(("password".into(), PASSWORD.into()));
    let form: Vec<_> = form.iter().map(|(n, v)| format!("{n}={v}")).collect();
    let request = Request::new("POST", &url)
        .navigation()
        .header("origin", MAIN)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.join("&"));
    let mut sign_in = browser.begin(&request).await;
    // Answered on the same worker and by the same pages: the form was read before.
    assert_eq!(browser.navigate(&url).await.status, 200);

    let hash = bcrypt::hash("another one", 5).unwrap();
    std::fs::write(&file, format!("hal:{hash}\n")).unwrap();
    lab.reload(str::to_owned).await;

    let answer = sign_in.response().await;
    let cookies = answer.headers.all("set-cookie");
    let session = cookies.iter().find(|line| line.starts_with("labgate="));
    if let Some(line) = session {
        let cookie = line.split(';').next().unwrap();
        assert_eq!(who_am_i(&lab, cookie).await, 401, "{cookie}");
    }
    assert!(lab.output().contains("configuration reloaded"));
    let answer = lab
        .browser()
        .submit_sign_in(&url, "hal", "another one")
        .await;
    assert_eq!(answer.status, 303);
}
