//! WebSocket over HTTP/2 (RFC 8441): the same gate, the same tool, another way to it (T21, T36, T46,
//! T63, T79, T80, T84, T85).

use std::{collections::HashSet, future::poll_fn, io::ErrorKind, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use h2::Reason;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{Message, handshake::derive_accept_key, protocol::CloseFrame};

use crate::support::{
    Answer, Browser, GRACE, Lab, Origin, Seen,
    http2::{Http2, Opened},
    lab::{MAIN, MAIN_HOST, TOOL, TOOL_HOST},
    within,
};

/// A lab with a tool, and `ana` there: her connection and her cookie.
async fn ana(origin: &Origin) -> (Lab, Browser, Http2, String) {
    let lab = Lab::with_tool(origin);
    let browser = lab.at_tool("ana").await;
    let cookie = browser.session_cookie(TOOL_HOST);
    let client = Http2::open(lab.address()).await;
    (lab, browser, client, cookie)
}

#[tokio::test]
async fn a_tool_sees_the_handshake_of_http1_and_the_client_that_of_http2() {
    // T80, T84
    let lines = "x-tool: hello\r\nset-cookie: tool=1; Path=/\r\nsec-websocket-protocol: b\r\n\
                 sec-websocket-extensions: permessage-deflate\r\ncontent-length: 0\r\n";
    let origin = Origin::answering(|seen| {
        if seen.headers.has("upgrade") {
            Answer::WebSocket(lines.to_owned())
        } else {
            Answer::text("ok")
        }
    })
    .await;
    let (_lab, _browser, mut client, cookie) = ana(&origin).await;
    assert!(client.offers_websockets());
    let mut keys = HashSet::new();
    for _ in 0..2 {
        let fields = [
            ("origin", TOOL),
            ("cookie", cookie.as_str()),
            ("cookie", "other=1"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "a, b,secret.value"),
            (
                "sec-websocket-extensions",
                "permessage-deflate; client_max_window_bits",
            ),
            ("sec-websocket-extensions", "x-second"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("x-forwarded-user", "root"),
            ("x-mine", "1"),
        ];
        let url = format!("{TOOL}/a%2Fb?c=%20d");
        let answer = client.connect("websocket", &url, &fields).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.all("sec-websocket-protocol"), ["b"]);
        assert_eq!(
            answer.all("sec-websocket-extensions"),
            ["permessage-deflate"]
        );
        assert_eq!(answer.all("x-tool"), ["hello"]);
        assert_eq!(answer.all("set-cookie"), ["tool=1; Path=/"]);
        for gone in [
            "upgrade",
            "connection",
            "sec-websocket-accept",
            "content-length",
        ] {
            assert!(answer.all(gone).is_empty(), "{gone}");
        }
        let seen = origin.last();
        assert_eq!(seen.raw.lines().next(), Some("GET /a%2Fb?c=%20d HTTP/1.1"));
        assert_eq!(seen.headers.all("host"), [TOOL_HOST]);
        assert_eq!(seen.headers.all("connection"), ["Upgrade"]);
        assert_eq!(seen.headers.all("upgrade"), ["websocket"]);
        assert_eq!(seen.headers.all("sec-websocket-version"), ["13"]);
        assert_eq!(
            seen.headers.all("sec-websocket-protocol"),
            ["a, b,secret.value"]
        );
        assert_eq!(
            seen.headers.all("sec-websocket-extensions"),
            ["permessage-deflate; client_max_window_bits", "x-second"]
        );
        assert_eq!(seen.headers.all("x-forwarded-user"), ["ana"]);
        assert_eq!(seen.headers.all("x-mine"), ["1"]);
        assert_eq!(seen.headers.all("cookie"), ["other=1"]);
        assert!(!seen.headers.has("content-length") && !seen.headers.has("transfer-encoding"));
        let [key] = seen.headers.all("sec-websocket-key")[..] else {
            panic!("one key: {}", seen.raw);
        };
        // 16 bytes.
        assert!(key.len() == 24 && key.ends_with("==") && key != "dGhlIHNhbXBsZSBub25jZQ==");
        assert!(keys.insert(key.to_owned()), "a key is used once");
    }
    let fields = [("origin", TOOL), ("cookie", cookie.as_str())];
    assert_eq!(client.connect("websocket", TOOL, &fields).await.status, 200);
    let seen = origin.last();
    assert_eq!(seen.headers.all("sec-websocket-version"), ["13"]);
    assert!(!seen.headers.has("sec-websocket-protocol"));
}

#[tokio::test]
async fn only_a_signed_in_page_of_the_tools_own_opens_one() {
    // T46, T63
    let origin = Origin::ok().await;
    let (lab, _browser, mut client, cookie) = ana(&origin).await;
    let reached = origin.seen().len();
    let main = lab.sign_in("bob").await.session_cookie(MAIN_HOST);
    let (cookie, main) = (cookie.as_str(), main.as_str());
    let cases: [(u16, &[(&str, &str)]); 7] = [
        (401, &[("origin", TOOL)]),
        (401, &[("origin", TOOL), ("cookie", main)]),
        (403, &[("cookie", cookie)]),
        (403, &[("cookie", cookie), ("origin", "null")]),
        (403, &[("cookie", cookie), ("origin", MAIN)]),
        (
            403,
            &[("cookie", cookie), ("origin", "https://tool.lab.test")],
        ),
        (403, &[("cookie", cookie), ("origin", "http://evil.test")]),
    ];
    for (status, fields) in cases {
        let mut answer = client.connect("websocket", TOOL, fields).await;
        assert_eq!(answer.status, status, "{fields:?}");
        assert!(answer.text().await.contains("request_id"), "{fields:?}");
    }
    assert_eq!(
        origin.seen().len(),
        reached,
        "none of them reached the tool"
    );
    assert_eq!(client.handshake(TOOL, cookie).await.status, 200);
}

#[tokio::test]
async fn nothing_but_a_websocket_is_connected() {
    // T21
    let origin = Origin::ok().await;
    let (_lab, _browser, mut client, cookie) = ana(&origin).await;
    let reached = origin.seen().len();
    let fields = [("origin", TOOL), ("cookie", cookie.as_str())];
    for protocol in ["connect-udp", "connect-ip", "webtransport", "WEBSOCKET"] {
        let answer = client.connect(protocol, TOOL, &fields).await;
        assert_eq!(answer.status, 405, "{protocol}");
    }
    assert_eq!(origin.seen().len(), reached);
    assert_eq!(client.connect("websocket", TOOL, &fields).await.status, 200);
}

#[tokio::test]
async fn a_listener_may_leave_them_to_http1() {
    let origin = Origin::ok().await;
    let lab = Lab::builder()
        .tool(&origin)
        .config(
            "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\nhttp2_websocket = false",
        )
        .start();
    let ana = lab.at_tool("ana").await;
    let client = Http2::open(lab.address()).await;
    assert!(!client.offers_websockets());
    assert!(ana.websocket(TOOL).await.is_ok());
}

#[tokio::test]
async fn a_refusal_is_heard_and_never_taken_for_a_tunnel() {
    // T79, T85
    let origin = Origin::answering(|seen| match seen.target.as_str() {
        "/200" => Answer::status("200 OK", "", "no socket here"),
        "/204" => Answer::Reply(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        "/403" => Answer::status("403 Forbidden", "x-why: because\r\n", "not you"),
        "/404" => Answer::status("404 Not Found", "", "nothing"),
        "/wrong" => Answer::Cut(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
              sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
                .to_vec(),
        ),
        _ => Answer::text("ok"),
    })
    .await;
    let (_lab, _browser, mut client, cookie) = ana(&origin).await;
    let cases = [
        ("/200", 502, "no socket here"),
        ("/204", 502, ""),
        ("/403", 403, "not you"),
        ("/404", 404, "nothing"),
    ];
    for (path, status, body) in cases {
        let mut answer = client.handshake(&format!("{TOOL}{path}"), &cookie).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.text().await, body, "{path}");
        if status == 403 {
            assert_eq!(answer.all("x-why"), ["because"]);
        }
    }
    // The answer is to somebody else's key.
    let wrong = client.handshake(&format!("{TOOL}/wrong"), &cookie).await;
    assert_eq!(wrong.status, 502);
    // Pages of ours are none either, and were no error of a tool.
    for path in ["/.labgate/live", "/.labgate/sign-in"] {
        let answer = client.handshake(&format!("{MAIN}{path}"), "").await;
        assert_eq!(answer.status, 400, "{path}");
    }
    assert_eq!(client.get(TOOL, &cookie).await.status, 200);
}

#[tokio::test]
async fn large_messages_arrive_both_ways_beside_other_streams() {
    // T84
    let origin = Origin::ok().await;
    let (_lab, _browser, mut client, cookie) = ana(&origin).await;
    let mut socket = client.websocket(TOOL, &cookie).await;
    let mut second = client.websocket(TOOL, &cookie).await;
    let pattern = (0..=250_u8).cycle().take(20 << 20);
    let message = Bytes::from(pattern.collect::<Vec<u8>>());
    let (mut write, mut read) = (&mut socket).split();
    let (sent, echoed) = tokio::join!(
        within("sending", write.send(Message::Binary(message.clone()))),
        within("the echo", read.next()),
    );
    sent.unwrap();
    assert!(echoed.unwrap().unwrap().into_data() == message);
    second.send(Message::text("still here")).await.unwrap();
    let echoed = within("the echo", second.next()).await.unwrap().unwrap();
    assert_eq!(echoed, Message::text("still here"));
    assert_eq!(client.get(TOOL, &cookie).await.status, 200);
}

#[tokio::test]
async fn close_codes_arrive_and_the_stream_ends_in_order() {
    // T84
    let origin = Origin::ok().await;
    let (lab, _browser, mut client, cookie) = ana(&origin).await;
    let mut socket = client.websocket(TOOL, &cookie).await;
    let close = Message::text("close 4001 for a reason");
    socket.send(close).await.unwrap();
    let Some(Ok(Message::Close(Some(frame)))) = within("a frame", socket.next()).await else {
        panic!("no close frame");
    };
    assert_eq!(
        (u16::from(frame.code), frame.reason.as_str()),
        (4001, "for a reason")
    );
    let end = within("the end", socket.next()).await;
    assert!(end.is_none(), "an end of the stream: {end:?}");

    let mut socket = client.websocket(&format!("{TOOL}/mine"), &cookie).await;
    let frame = CloseFrame {
        code: 3000.into(),
        reason: "mine".into(),
    };
    socket.close(Some(frame)).await.unwrap();
    let arrived = |seen: &Seen| seen.target == "/mine" && seen.close_code == Some(3000);
    let arrived = |seen: &[Seen]| seen.iter().any(arrived);
    origin.until("the tool gets the code", arrived).await;
    drop((socket, client));
    let log = lab.stop();
    let closed: Vec<_> = log
        .lines()
        .filter(|line| line.contains("tunnel closed"))
        .collect();
    assert_eq!(closed.len(), 2, "one event each: {log}");
    assert!(
        closed
            .iter()
            .all(|line| line.contains("101") && line.contains("GET")),
        "{log}"
    );
}

/// A tool whose bare streams the test holds, at `/bare` of the main host.
struct Bare(TcpListener);

const BARE: &str = "http://lab.test/bare";

impl Bare {
    /// `ana`'s connection and cookie come with it.
    async fn start() -> (Self, Lab, Browser, Http2, String) {
        Self::with("").await
    }

    /// With further configuration.
    async fn with(config: &str) -> (Self, Lab, Browser, Http2, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let lab = Lab::builder()
            .config(&format!(
                "[[route]]\nname = \"bare\"\npath = \"/bare\"\naccess = \"signed-in\"\n\
                 upstream = \"http://{}\"",
                listener.local_addr().unwrap()
            ))
            .config(config)
            .start();
        let browser = lab.sign_in("ana").await;
        let cookie = browser.session_cookie(MAIN_HOST);
        let client = Http2::open(lab.address()).await;
        (Self(listener), lab, browser, client, cookie)
    }

    /// A new tunnel: the client's end and the tool's.
    async fn tunnel(&self, client: &mut Http2, cookie: &str) -> (Opened, TcpStream) {
        self.tunnel_at(client, BARE, cookie).await
    }

    /// The same at another address.
    async fn tunnel_at(&self, client: &mut Http2, url: &str, cookie: &str) -> (Opened, TcpStream) {
        let accept = async {
            let (mut stream, _) = self.0.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let (_, key) = head.split_once("sec-websocket-key: ").unwrap();
            let accept = derive_accept_key(key.lines().next().unwrap().as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                 upgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream
        };
        let opened = async { tokio::join!(client.handshake(url, cookie), accept) };
        let (opened, stream) = within("a tunnel", opened).await;
        assert_eq!(opened.status, 200);
        (opened, stream)
    }
}

#[tokio::test]
async fn an_abort_is_an_abort_and_an_end_is_an_end_both_ways() {
    // T84
    let (tool, _lab, _browser, mut client, cookie) = Bare::start().await;

    let (mut opened, mut stream) = tool.tunnel(&mut client, &cookie).await;
    opened.io.send.send_reset(Reason::CANCEL);
    let read = within("the abort", stream.read(&mut [0; 8])).await;
    let kind = read.map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::ConnectionReset));

    let (mut opened, mut stream) = tool.tunnel(&mut client, &cookie).await;
    opened.io.send.send_data(Bytes::new(), true).unwrap();
    let read = within("the end", stream.read(&mut [0; 8])).await;
    assert_eq!(read.unwrap(), 0);

    let (mut opened, stream) = tool.tunnel(&mut client, &cookie).await;
    stream.set_zero_linger().unwrap();
    drop(stream);
    assert_eq!(opened.io.end().await, Some(Reason::CANCEL));

    let (mut opened, mut stream) = tool.tunnel(&mut client, &cookie).await;
    stream.write_all(NORMAL_CLOSE).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(opened.io.end().await, None);

    // A connection that breaks takes all its tunnels along.
    let (_opened, mut stream) = tool.tunnel(&mut client, &cookie).await;
    client.abort();
    let read = within("the abort", stream.read(&mut [0; 8])).await;
    let kind = read.map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn the_end_of_a_session_is_said_and_ends_the_stream() {
    // T36
    let (tool, _lab, browser, mut client, cookie) = Bare::start().await;
    let (opened, mut stream) = tool.tunnel(&mut client, &cookie).await;
    let ended = async {
        browser.sign_out().await;
        let mut io = opened.io;
        let mut frame = [0; 4];
        io.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame[0], 0x88, "a close frame");
        assert_eq!(frame[2..], 1008_u16.to_be_bytes());
        assert_eq!(io.end().await, None, "and then the end");
        // A masked one for the tool.
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all[0], 0x88);
    };
    timeout(GRACE, ended).await.expect("all within two seconds");
    // The connection goes on, and knows her no more.
    assert_eq!(client.handshake(BARE, &cookie).await.status, 401);
}

/// Reads a close frame off a tunnel and then its end, on both sides.
async fn is_closed(opened: Opened, mut tool: TcpStream, code: u16) {
    let mut io = opened.io;
    let mut frame = [0; 4];
    let read = within("a close frame", io.read_exact(&mut frame)).await;
    read.unwrap();
    assert_eq!(frame[0], 0x88, "a close frame");
    assert_eq!(frame[2..], code.to_be_bytes());
    assert_eq!(io.end().await, None, "and then the end");
    let mut all = Vec::new();
    let read = within("the tool's end", tool.read_to_end(&mut all)).await;
    read.unwrap();
    assert_eq!(all[0], 0x88);
}

#[tokio::test]
async fn what_a_reload_takes_away_is_said_and_what_it_leaves_goes_on() {
    // T81: a route, and the alias that another tunnel of the same route is on.
    const ALIAS: &str = "http://192.168.1.20/bare";
    let aliases = "[server]\naliases = [\"http://192.168.1.20\"]\n";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route = format!(
        "[[route]]\nname = \"bare\"\npath = \"/bare\"\naccess = \"public\"\n\
         upstream = \"http://{}\"\n",
        listener.local_addr().unwrap()
    );
    let lab = Lab::builder().config(&format!("{aliases}{route}")).start();
    let tool = Bare(listener);
    let mut client = Http2::open(lab.address()).await;
    let on_main = tool.tunnel(&mut client, "").await;
    let on_alias = tool.tunnel_at(&mut client, ALIAS, "").await;
    lab.reconfigure(&route).await;
    is_closed(on_alias.0, on_alias.1, 1001).await;
    assert_eq!(client.handshake(ALIAS, "").await.status, 421);
    let second = tool.tunnel(&mut client, "").await;

    lab.reconfigure("").await;
    is_closed(on_main.0, on_main.1, 1001).await;
    is_closed(second.0, second.1, 1001).await;
    assert_eq!(client.handshake(BARE, "").await.status, 404);
}

#[tokio::test]
async fn a_stop_is_said_too() {
    // T91
    let (tool, lab, _browser, mut client, cookie) = Bare::start().await;
    let (opened, mut stream) = tool.tunnel(&mut client, &cookie).await;
    let stopping = tokio::task::spawn_blocking(move || lab.stop());
    let mut io = opened.io;
    let mut frame = [0; 4];
    let read = within("a close frame", io.read_exact(&mut frame)).await;
    read.unwrap();
    assert_eq!(frame[0], 0x88);
    assert_eq!(frame[2..], 1001_u16.to_be_bytes());
    assert_eq!(io.end().await, None);
    let mut all = Vec::new();
    within("the tool's end", stream.read_to_end(&mut all))
        .await
        .unwrap();
    assert_eq!(all[0], 0x88);
    within("the stop", stopping).await.unwrap();
}

#[tokio::test]
async fn a_tunnel_is_one_stream_of_its_user_and_counted_once() {
    let more = "[limits]\nmax_streams_per_user = 2\n[admin]\naddress = \"127.0.0.1:0\"";
    let (tool, lab, _browser, mut client, cookie) = Bare::with(more).await;
    let (first, mut stream) = tool.tunnel(&mut client, &cookie).await;
    let second = tool.tunnel(&mut client, &cookie).await;
    assert_eq!(client.handshake(BARE, &cookie).await.status, 429);

    // One that its client resets and one that the tool ends make room for as many others.
    drop(first);
    let read = within("the abort", stream.read(&mut [0; 8])).await;
    assert!(read.is_err(), "{read:?}");
    drop(second.1);
    drop(second.0);
    lab.says("tunnel closed", 2).await;
    let third = tool.tunnel(&mut client, &cookie).await;
    let fourth = tool.tunnel(&mut client, &cookie).await;
    assert_eq!(client.handshake(BARE, &cookie).await.status, 429);

    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut admin = crate::support::raw::Connection::open(lab.admin()).await;
    admin.send(request).await;
    let metrics = admin.response().await.text();
    for line in [
        "labgate_tunnels_total{route=\"bare\"} 4\n",
        "labgate_open_streams{route=\"bare\",kind=\"tunnel\"} 2\n",
        "labgate_open_streams{route=\"bare\",kind=\"request\"} 0\n",
        "labgate_requests_total{route=\"bare\",status_class=\"1xx\"} 2\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
    drop((third, fourth, client));
    let log = lab.stop();
    for event in ["tunnel-opened", "tunnel-closed"] {
        assert_eq!(log.matches(event).count(), 4, "{event}: {log}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_nothing_up() {
    // T36, and back-pressure
    let (tool, _lab, browser, mut client, cookie) = Bare::start().await;
    let (mut opened, mut stream) = tool.tunnel(&mut client, &cookie).await;
    let mut given = 0_usize;
    let frame = [&b"\x82\x7f\0\0\0\x01\0\0\0\0"[..], &vec![0; 1 << 16]].concat();
    // Until nothing more is taken: what is kept for the client has a bound.
    while let Ok(written) = timeout(STALL, stream.write(&frame)).await {
        given += written.unwrap();
        assert!(given < MOST_KEPT, "{given} bytes went nowhere");
    }
    // Others on the connection are served.
    let (mut second, mut other) = tool.tunnel(&mut client, &cookie).await;
    other.write_all(NORMAL_CLOSE).await.unwrap();
    other.shutdown().await.unwrap();
    assert_eq!(second.io.end().await, None);

    browser.sign_out().await;

    let gone = async { while stream.write(&frame).await.is_ok() {} };
    timeout(GRACE, gone).await.expect("the tool is let go");
    // The reset does not wait behind what the client has not taken.
    assert_eq!(opened.io.end().await, Some(Reason::CANCEL));
}

#[tokio::test]
async fn a_client_that_takes_nothing_for_long_is_let_go() {
    let limits = "[limits]\ndownload_timeout = \"1s\"";
    let (tool, _lab, _browser, mut client, cookie) = Bare::with(limits).await;
    // More than is taken off the tool's hands, and little enough that only the end is still to come.
    for size in [1_u32 << 20, 140 << 10] {
        let (mut opened, mut stream) = tool.tunnel(&mut client, &cookie).await;
        let header = [&b"\x82\x7f\0\0\0\0"[..], &size.to_be_bytes()].concat();
        let frame = [header, vec![0; size as usize]].concat();
        within("writing", stream.write_all(&frame)).await.unwrap();
        stream.shutdown().await.unwrap();
        let reset = poll_fn(|cx| opened.io.send.poll_reset(cx));
        let reason = within("a reset", reset).await.unwrap();
        assert_eq!(reason, Reason::CANCEL, "{size}");
    }
}

const NORMAL_CLOSE: &[u8] = b"\x88\x02\x03\xe8";
/// Nothing moves for so long: it is stuck.
const STALL: Duration = Duration::from_millis(500);
/// Two sockets' buffers of the kernel, the relay's and h2's.
const MOST_KEPT: usize = 16 << 20;
