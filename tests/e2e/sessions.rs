//! Session cookies: what counts as one, who sees them, and what their end ends (T30 to T36).

use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Answer, GRACE, Lab, Origin, Request,
    certs::Authority,
    frames,
    lab::{MAIN, MAIN_HOST, PASSWORD, TOOL, TOOL_HOST},
    raw::Connection,
    within,
};

#[tokio::test]
async fn signing_in_gives_a_new_session() {
    // T30
    let lab = Lab::builder().start();
    let planted = format!("labgate={}", "A".repeat(43));
    let browser = lab.browser();
    browser.plant(MAIN_HOST, "labgate", &"A".repeat(43));

    browser.sign_in("ana").await;

    let first = browser.session_cookie(MAIN_HOST);
    assert_ne!(first, planted);
    assert_eq!(
        whoami(&lab, &planted).await,
        401,
        "the planted one stays worthless"
    );
    assert_eq!(whoami(&lab, &first).await, 200);
}

#[tokio::test]
async fn signing_in_again_ends_the_session_before() {
    // T30
    let lab = Lab::builder().start();
    let browser = lab.browser();
    browser.sign_in("ana").await;
    let first = browser.session_cookie(MAIN_HOST);

    // The form, as an attacker's page or a tab that was still open might send it.
    let other = lab.browser();
    let (name, value) = first.split_once('=').unwrap();
    let page = other.navigate(&format!("{MAIN}/.labgate/sign-in")).await;
    let mut form = crate::support::browser::hidden_fields(&page.text());
    form.extend([("username", "ana"), ("password", PASSWORD)].map(|(k, v)| (k.into(), v.into())));
    other.plant(MAIN_HOST, name, value);
    let answer = other
        .submit(&format!("{MAIN}/.labgate/sign-in"), &form)
        .await;

    // A form that was made for nobody may be refused when somebody is signed in.
    if answer.status == 303 && answer.headers.has("set-cookie") {
        let second = other.session_cookie(MAIN_HOST);
        assert_ne!(first, second);
        assert_eq!(whoami(&lab, &second).await, 200);
        assert_eq!(whoami(&lab, &first).await, 401);
    } else {
        assert!(matches!(answer.status, 303 | 403), "{}", answer.status);
        assert_eq!(other.session_cookie(MAIN_HOST), first);
    }
}

async fn whoami(lab: &Lab, cookie: &str) -> u16 {
    let head =
        format!("GET /.labgate/whoami HTTP/1.1\r\nhost: lab.test\r\ncookie: {cookie}\r\n\r\n");
    lab.raw(head).await.status
}

#[tokio::test]
async fn a_damaged_cookie_is_no_cookie() {
    // T31
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let cookie = ana.session_cookie(TOOL_HOST).into_bytes();
    let reached = origin.seen().len();
    let value = cookie.strip_prefix(b"labgate=").unwrap();
    let mut flipped = value.to_vec();
    flipped[20] = if flipped[20] == b'A' { b'B' } else { b'A' };
    let damaged: Vec<Vec<u8>> = vec![
        vec![],
        value[..value.len() - 1].to_vec(),
        [value, b"A"].concat(),
        flipped,
        [b"\"", value, b"\""].concat(),
        [b" ", &value[1..]].concat(),
        b"%00".to_vec(),
        vec![0xff, 0xfe, 0x80],
        vec![b'A'; 43],
        vec![b'A'; 30_000],
        b"..".to_vec(),
        value.to_ascii_uppercase(),
    ];
    for bad in damaged {
        let shown = String::from_utf8_lossy(&bad[..bad.len().min(60)]).into_owned();
        let head = [
            b"GET / HTTP/1.1\r\nhost: tool.lab.test\r\ncookie: labgate=",
            &bad[..],
            b"\r\n\r\n",
        ];
        let answer = lab.raw(head.concat()).await;
        assert_eq!(answer.status, 401, "{shown:?}");
        let accept =
            b"GET / HTTP/1.1\r\nhost: tool.lab.test\r\naccept: text/html\r\ncookie: labgate=";
        let answer = lab.raw([accept, &bad[..], b"\r\n\r\n"].concat()).await;
        assert_eq!(answer.status, 303, "{shown:?}");
    }
    let enormous = format!(
        "GET / HTTP/1.1\r\nhost: tool.lab.test\r\ncookie: labgate={}\r\n\r\n",
        "A".repeat(100_000)
    );
    assert!(matches!(lab.raw(enormous).await.status, 401 | 431));
    assert_eq!(
        origin.seen().len(),
        reached,
        "none of them reached the tool"
    );
    assert_eq!(
        ana.get(TOOL).await.status,
        200,
        "the whole one still counts"
    );
}

#[tokio::test]
async fn of_several_cookies_of_our_name_the_valid_one_counts() {
    // T32
    let lab = Lab::builder().start();
    let ana = lab.sign_in("ana").await.session_cookie(MAIN_HOST);
    let bob = lab.sign_in("bob").await.session_cookie(MAIN_HOST);
    let stale = format!("labgate={}", "B".repeat(43));
    let good = [
        format!("{stale}; {ana}"),
        format!("{ana}; {stale}"),
        format!("labgate=; {ana}; {stale}"),
        format!("{ana}; {ana}"),
    ];
    for cookies in good {
        assert_eq!(whoami(&lab, &cookies).await, 200, "{cookies}");
    }
    assert_eq!(
        whoami(&lab, &format!("{ana}; {bob}")).await,
        401,
        "two valid ones count as none"
    );
    assert_eq!(whoami(&lab, &stale).await, 401);
}

#[tokio::test]
async fn the_cookie_is_bound_to_its_host_and_marked_by_scheme() {
    // T32
    let authority = Authority::new();
    let builder = Lab::builder();
    authority.issue(builder.folder(), &["lab.test"]);
    let lab = builder
        .config(
            "[server]\npublic_url = \"https://lab.test\"\n[[listener]]\nname = \"public\"\n\
             tls = { certificate = \"lab.crt\", key = \"lab.key\" }",
        )
        .start();
    let mut tls = Connection::open_tls(lab.address(), "lab.test", &authority).await;
    tls.send(
        "GET /.labgate/sign-in HTTP/1.1\r\nhost: lab.test\r\nsec-fetch-mode: navigate\r\n\
         sec-fetch-dest: document\r\n\r\n",
    )
    .await;
    let page = tls.response().await;
    assert_eq!(page.status, 200);
    let mut form = crate::support::browser::hidden_fields(&page.text());
    form.extend([("username", "ana"), ("password", PASSWORD)].map(|(k, v)| (k.into(), v.into())));
    let body: Vec<_> = form
        .iter()
        .map(|(name, value)| format!("{name}={}", crate::support::browser::encode(value)))
        .collect();
    let body = body.join("&");
    let cookies: Vec<_> = page.headers.all("set-cookie");
    let cookies: Vec<_> = cookies
        .iter()
        .filter_map(|line| line.split(';').next())
        .collect();
    tls.send(format!(
        "POST /.labgate/sign-in HTTP/1.1\r\nhost: lab.test\r\norigin: https://lab.test\r\n\
         cookie: {}\r\nsec-fetch-site: same-origin\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        cookies.join("; "),
        body.len()
    ))
    .await;
    let answer = tls.response().await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let set = answer.headers.all("set-cookie").join("\n");
    let line = set
        .lines()
        .find(|line| line.starts_with("__Host-labgate="))
        .expect(&set);
    let attributes = line.to_ascii_lowercase();
    for needed in ["secure", "httponly", "samesite=lax", "path=/"] {
        assert!(attributes.contains(needed), "{needed}: {line}");
    }
    assert!(!attributes.contains("domain="), "{line}");
}

/// What a tool may see of `Cookie: sent`, with our session cookie in place of `OURS`.
const COOKIES: [(&str, &[&str]); 7] = [
    ("OURS", &[]),
    ("a=1; OURS; b=2", &["a=1", "b=2"]),
    ("OURS; a=\"x y\"; c=", &["a=\"x y\"", "c="]),
    ("a=1;   OURS  ;b=2", &["a=1", "b=2"]),
    ("b=2; a=1; a=3; OURS; OURS", &["b=2", "a=1", "a=3"]),
    (
        "xlabgate=1; OURS; labgatex=2; Labgate=3",
        &["xlabgate=1", "labgatex=2", "Labgate=3"],
    ),
    ("a=%41=b; noequals; OURS", &["a=%41=b", "noequals"]),
];

#[tokio::test]
async fn our_cookies_never_reach_a_tool_and_all_others_do() {
    // T33
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ours = lab.at_tool("ana").await.session_cookie(TOOL_HOST);
    let secret = ours.split_once('=').unwrap().1;
    let upgrade = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\norigin: http://tool.lab.test\r\n";
    for (further, status) in [("", 200), (upgrade, 101)] {
        for (sent, expected) in COOKIES {
            let sent = sent.replace("OURS", &ours);
            let head =
                format!("GET / HTTP/1.1\r\nhost: tool.lab.test\r\ncookie: {sent}\r\n{further}\r\n");
            assert_eq!(lab.raw(head).await.status, status, "{sent}");
            let seen = origin.last();
            assert!(
                !seen.raw.contains(secret),
                "{sent} reached the tool: {}",
                seen.raw
            );
            let arrived = seen.headers.get("cookie");
            let pairs: Vec<&str> = arrived
                .into_iter()
                .flat_map(|line| line.split(';'))
                .collect();
            let pairs: Vec<&str> = pairs.into_iter().map(str::trim).collect();
            assert_eq!(pairs, expected, "{sent}");
            assert_eq!(seen.headers.has("cookie"), !expected.is_empty(), "{sent}");
        }
    }
}

#[tokio::test]
async fn a_cookie_that_comes_in_pieces_is_cut_all_the_same() {
    // T33: as browsers send them over HTTP/2 (RFC 9113 §8.2.3).
    let origin = Origin::ok().await;
    let lab = Lab::with_tool(&origin);
    let ours = lab.at_tool("ana").await.session_cookie(TOOL_HOST);
    let secret = ours.split_once('=').unwrap().1;
    let mut connection = lab.connect().await;
    connection.send(frames::begin(&[])).await;
    for (number, pieces) in [
        vec!["a=1", ours.as_str(), "b=2"],
        vec![ours.as_str(), "a=1", "b=2"],
        vec!["a=1; b=2", ours.as_str()],
        vec![
            "labgate-form=x",
            "a=1",
            "CF_Authorization=x",
            ours.as_str(),
            "b=2",
        ],
    ]
    .iter()
    .enumerate()
    {
        let reached = origin.seen().len();
        let mut head = vec![
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", TOOL_HOST),
            (":path", "/"),
        ];
        head.extend(pieces.iter().map(|piece| ("cookie", *piece)));
        let stream = 1 + 2 * u32::try_from(number).unwrap();
        connection.send(frames::head(stream, &head, true)).await;
        origin
            .until("the request", |seen| seen.len() > reached)
            .await;
        let seen = origin.last();
        assert_eq!(seen.headers.all("x-forwarded-user"), ["ana"], "{pieces:?}");
        assert_eq!(seen.headers.all("cookie"), ["a=1; b=2"], "{pieces:?}");
        assert!(!seen.raw.contains(secret), "{}", seen.raw);
    }
}

#[tokio::test]
async fn a_tool_sets_cookies_only_for_itself() {
    // T34
    let origin = Origin::answering(|_| {
        let lines = [
            "labgate=evil; Path=/",
            "__Host-labgate=evil; Path=/; Secure",
            "wide=1; Domain=lab.test; Path=/",
            "root=1; Path=/",
            "deep=1; Path=/api; HttpOnly",
            "again=1; Path=/tool/x",
            "plain=1",
        ];
        let lines = lines.map(|line| format!("set-cookie: {line}\r\n"));
        Answer::status("200 OK", &lines.concat(), "ok")
    })
    .await;
    let lines = "path = \"/tool/\"\nstrip_prefix = true\naccess = \"public\"";
    let lab = Lab::builder().route("tool", &origin, lines).start();

    let answer = lab.browser().get(&format!("{MAIN}/tool/")).await;

    assert_eq!(answer.status, 200);
    let set = answer.headers.all("set-cookie");
    let one = |name: &str| {
        set.iter()
            .find(|line| line.starts_with(&format!("{name}=")))
            .copied()
    };
    assert_eq!(
        (one("labgate"), one("__Host-labgate")),
        (None, None),
        "{set:?}"
    );
    assert!(
        !set.iter()
            .any(|line| line.to_ascii_lowercase().contains("domain=")),
        "{set:?}"
    );
    assert_eq!(one("root"), Some("root=1; Path=/tool/"));
    assert_eq!(one("deep"), Some("deep=1; Path=/tool/api; HttpOnly"));
    assert_eq!(one("plain"), Some("plain=1"));
    assert!(!set.iter().any(|line| line.contains("//")), "{set:?}");
}

#[tokio::test]
async fn the_upstream_side_remembers_nobody() {
    // T35
    let origin =
        Origin::answering(|_| Answer::status("200 OK", "set-cookie: tool=anas\r\n", "ok")).await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let bob = lab.at_tool("bob").await;

    let request = Request::new("GET", TOOL).header("authorization", "Basic YW5hOng=");
    assert_eq!(ana.send(request).await.status, 200);
    assert_eq!(
        origin.last().headers.all("cookie"),
        ["tool=anas"],
        "her own browser sends it"
    );
    let fresh = lab.browser();
    fresh.plant(
        TOOL_HOST,
        "labgate",
        bob.session_cookie(TOOL_HOST).split_once('=').unwrap().1,
    );
    assert_eq!(fresh.get(TOOL).await.status, 200);

    let seen = origin.last();
    assert_eq!(seen.headers.all("x-forwarded-user"), ["bob"]);
    assert!(
        !seen.headers.has("cookie") && !seen.headers.has("authorization"),
        "{}",
        seen.raw
    );
}

/// A tool with a long poll, an event stream, a WebSocket and uploads.
async fn streaming_tool() -> (Origin, mpsc::Sender<mpsc::Sender<Vec<u8>>>) {
    let (keep, mut kept) = mpsc::channel::<mpsc::Sender<Vec<u8>>>(8);
    let senders = keep.clone();
    crate::support::spawn(async move {
        let mut open = Vec::new();
        while let Some(sender) = kept.recv().await {
            open.push(sender);
        }
    });
    let origin = Origin::answering(move |seen| match seen.target.as_str() {
        "/poll" => Answer::Hold,
        "/events" => {
            let (sender, pieces) = mpsc::channel(4);
            sender.try_send(b"data: first\n\n".to_vec()).unwrap();
            senders.try_send(sender).unwrap();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
            Answer::Stream(head.into(), pieces)
        }
        "/socket" => Answer::WebSocket(String::new()),
        _ => Answer::text("ok"),
    })
    .await;
    (origin, keep)
}

#[tokio::test]
async fn signing_out_ends_everything_that_the_session_opened() {
    // T36
    let (origin, _keep) = streaming_tool().await;
    let lab = Lab::with_tool(&origin);
    let ana = lab.at_tool("ana").await;
    let bob = lab.at_tool("bob").await;
    let main = ana.session_cookie(MAIN_HOST);
    let cookie = ana.session_cookie(TOOL_HOST);

    let mut socket = ana.websocket(&format!("{TOOL}/socket")).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(
        within("the echo", socket.next()).await.unwrap().unwrap(),
        Message::text("hello")
    );
    let mut events = ana
        .begin(&Request::new("GET", &format!("{TOOL}/events")))
        .await;
    events.comes("data: first").await;
    let mut poll = ana
        .begin(&Request::new("GET", &format!("{TOOL}/poll")))
        .await;
    let mut upload = lab.connect().await;
    let head = "POST /upload HTTP/1.1\r\nhost: tool.lab.test\r\norigin: http://tool.lab.test\r\n";
    upload
        .send(format!(
            "{head}cookie: {cookie}\r\ncontent-length: 1000000\r\n\r\nbegin"
        ))
        .await;
    let mut bobs = bob
        .begin(&Request::new("GET", &format!("{TOOL}/events")))
        .await;
    bobs.comes("data: first").await;
    origin
        .until("four streams of ana and one of bob", |seen| {
            let open = |path| seen.iter().filter(|s| s.target == path && !s.gone).count();
            (
                open("/socket"),
                open("/events"),
                open("/poll"),
                open("/upload"),
            ) == (1, 2, 1, 1)
        })
        .await;

    ana.sign_out().await;

    let all_end = async {
        let mut code = None;
        while let Some(message) = socket.next().await {
            match message {
                Ok(Message::Close(frame)) => code = frame.map(|frame| u16::from(frame.code)),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        assert_eq!(code, Some(1008), "the page is told why");
        events.ends().await;
        poll.ends().await;
        upload.ends().await;
    };
    tokio::time::timeout(GRACE, all_end)
        .await
        .expect("all of it ends at once");
    for old in [main, cookie] {
        let head = format!("GET / HTTP/1.1\r\nhost: tool.lab.test\r\ncookie: {old}\r\n\r\n");
        assert_eq!(lab.raw(head).await.status, 401, "the old cookie is dead");
    }
    let seen = origin
        .until("the tool's side ends too", |seen| {
            seen.iter()
                .filter(|s| s.target == "/socket" || s.target == "/poll")
                .all(|s| s.gone)
        })
        .await;
    let open = seen.iter().filter(|s| s.target == "/events" && !s.gone);
    let users: Vec<_> = open
        .filter_map(|s| s.headers.get("x-forwarded-user"))
        .collect();
    assert_eq!(users, ["bob"], "the streams of others go on");
}
