//! HTTP/2 clients that flood: each is given up or held back, and others are served meanwhile.
//!
//! Most of it is h2 that does; these tests hold that its limits are on.

use std::{sync::mpsc, time::Duration};

use crate::{
    frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, field, frame},
    lab::{Lab, OPEN},
    raw::{ACK, PADDED, PING, RST_STREAM, Raw, WINDOW_UPDATE, head},
};

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;
/// The largest increment of a window: with what it has, too much.
const MOST: [u8; 4] = 0x7fff_ffff_u32.to_be_bytes();
const STALL: Duration = Duration::from_millis(500);
/// What sockets' buffers may hold.
const BUFFERS: usize = 32 << 20;

/// Somebody else is answered.
fn serves_others(lab: &Lab) {
    assert_eq!(lab.connect().get(OPEN, "/", "").status, 200);
    let mut other = Raw::open(lab, &[]);
    other.get(1, OPEN, "/");
    assert_eq!(other.next_of(DATA).payload, b"hello");
}

#[test]
fn what_a_client_can_make_us_keep_is_announced() {
    let lab = Lab::start();
    let mut raw = Raw::open(&lab, &[]);
    let settings = raw.next_of(SETTINGS).payload;
    let setting = |id: u16| {
        let mut pairs = settings.chunks(6);
        let pair = pairs.find(|pair| pair[..2] == id.to_be_bytes())?;
        Some(u32::from_be_bytes(pair[2..].try_into().unwrap()))
    };
    let [streams, window, header_list, connect] = [3, 4, 6, 8].map(setting);
    assert_eq!(streams, Some(256));
    assert_eq!(window, Some(512 << 10), "of each stream");
    assert_eq!(header_list, Some(256 << 10));
    assert_eq!(connect, Some(1), "WebSockets");
    let grown = raw.next_of(WINDOW_UPDATE);
    let grown = u32::from_be_bytes(grown.payload.try_into().unwrap());
    assert_eq!(grown + 65_535, 2 << 20, "of all bodies together");
}

#[test]
fn an_extended_connect_that_was_not_offered_is_reset() {
    // T21, RFC 8441 section 3
    for (listener, offered) in [("", true), ("http2_websocket = false", false)] {
        let lab = Lab::with("", listener);
        let mut raw = Raw::open(&lab, &[]);
        let fields = [head("CONNECT", OPEN, "/"), field(":protocol", "websocket")];
        raw.send(frame(HEADERS, END_HEADERS, 1, &fields.concat()));
        let kind = if offered { HEADERS } else { RST_STREAM };
        let answer = raw.next_of(kind);
        assert_eq!(answer.stream, 1);
        if !offered {
            assert_eq!(answer.payload, PROTOCOL_ERROR.to_be_bytes());
        }
        raw.get(3, OPEN, "/");
        assert_eq!(raw.next_of(DATA).payload, b"hello");
    }
}

#[test]
fn rapid_resets_are_given_up() {
    // CVE-2023-44487
    let lab = Lab::start();
    let burst: Vec<u8> = (0..2000)
        .flat_map(|count| {
            let stream = 2 * count + 1;
            let ask = frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream,
                &head("GET", OPEN, "/silent"),
            );
            [ask, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
        })
        .collect();
    assert_eq!(
        Raw::open(&lab, &[]).flood(&burst, 1),
        Some(ENHANCE_YOUR_CALM)
    );
    serves_others(&lab);
    // Who changes his mind now and then is not meant.
    let mut raw = Raw::open(&lab, &[]);
    for count in 0..50 {
        let stream = 4 * count + 1;
        raw.get(stream, OPEN, "/silent");
        raw.send(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        raw.get(stream + 2, OPEN, "/");
        assert_eq!(raw.next_of(DATA).stream, stream + 2);
    }
}

#[test]
fn resets_that_a_client_provokes_are_given_up() {
    // The same, made by us: a stream that breaks the rules at once ("MadeYouReset", CVE-2025-8671).
    let lab = Lab::start();
    let burst: Vec<u8> = (0..5000)
        .flat_map(|count| {
            let stream = 2 * count + 1;
            let ask = frame(HEADERS, END_HEADERS, stream, &head("POST", OPEN, "/silent"));
            [ask, frame(WINDOW_UPDATE, 0, stream, &MOST)].concat()
        })
        .collect();
    let code = Raw::open(&lab, &[]).flood(&burst, 1);
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
    serves_others(&lab);
}

#[test]
fn of_a_thousand_streams_at_once_most_are_refused() {
    // T77
    let lab = Lab::start();
    let mut raw = Raw::open(&lab, &[]);
    let fields = [
        head("GET", OPEN, "/silent"),
        field("x-large", &"x".repeat(16_000)),
    ]
    .concat();
    for count in 0..1000 {
        raw.send(frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            2 * count + 1,
            &fields,
        ));
    }
    for _ in 0..1000 - 256 {
        let refused = raw.next_of(RST_STREAM);
        assert_eq!(refused.payload, REFUSED_STREAM.to_be_bytes());
    }
    serves_others(&lab);
    // A place that comes free can be had.
    raw.send(frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]));
    raw.get(2001, OPEN, "/");
    assert_eq!(raw.next_of(DATA).stream, 2001);
}

#[test]
fn continuations_without_end_are_given_up() {
    // CVE-2024-27316
    let lab = Lab::start();
    let begin = head("GET", OPEN, "/");
    let large = field("x-large", &"x".repeat(16_000));
    for continuation in [&large[..], &field("a", "b"), &[]] {
        let mut raw = Raw::open(&lab, &[]);
        raw.send(frame(HEADERS, END_STREAM, 1, &begin));
        let code = raw.flood(&frame(CONTINUATION, 0, 1, continuation), 100_000);
        assert_eq!(
            code,
            Some(ENHANCE_YOUR_CALM),
            "{} bytes each",
            continuation.len()
        );
    }
    serves_others(&lab);
    // A few are as good as none.
    let mut raw = Raw::open(&lab, &[]);
    raw.send(frame(HEADERS, END_STREAM, 1, &begin));
    raw.send(frame(CONTINUATION, 0, 1, &field("a", "b")));
    raw.send(frame(CONTINUATION, END_HEADERS, 1, &field("c", "d")));
    assert_eq!(raw.next_of(DATA).payload, b"hello");
}

#[test]
fn a_head_that_drips_in_ends_the_connection() {
    // T76
    let lab = Lab::with("header_timeout = \"1s\"", "");
    for begin in [
        frame(HEADERS, END_STREAM, 1, &head("GET", OPEN, "/")),
        frame(SETTINGS, 0, 0, &[])[..8].to_vec(),
        frame(
            HEADERS,
            END_STREAM | END_HEADERS,
            1,
            &head("GET", OPEN, "/"),
        )[..20]
            .to_vec(),
    ] {
        let mut raw = Raw::open(&lab, &[]);
        raw.next_of(SETTINGS);
        raw.send(&begin);
        assert_eq!(raw.given_up(), None, "closed without a word");
    }
    let mut preface = Raw::connect(&lab);
    preface.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0");
    assert_eq!(preface.given_up(), None);
    // A body may come as slowly.
    let mut raw = Raw::open(&lab, &[]);
    let upload = [head("POST", OPEN, "/"), field("content-length", "2")].concat();
    raw.send(frame(HEADERS, END_HEADERS, 1, &upload));
    let data = frame(DATA, END_STREAM, 1, b"ab");
    raw.send(&data[..10]);
    let mut late = Raw::open(&lab, &[]);
    late.send(frame(HEADERS, END_STREAM, 1, &head("GET", OPEN, "/")));
    assert_eq!(late.given_up(), None, "the limit has passed since");
    raw.send(&data[10..]);
    assert_eq!(raw.next_of(DATA).payload, b"hello");
}

#[test]
fn a_client_that_does_not_read_answers_is_no_longer_read() {
    // CVE-2019-9512, CVE-2019-9515: each PING and SETTINGS wants one.
    let lab = Lab::start();
    for ask in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[])] {
        let mut raw = Raw::open(&lab, &[]);
        let sent = raw.send_until_stuck(&ask.repeat(4096), STALL);
        assert!(
            sent.is_none_or(|sent| sent < BUFFERS),
            "{sent:?} of {ask:?}"
        );
        serves_others(&lab);
    }
    let mut raw = Raw::open(&lab, &[]);
    for _ in 0..1000 {
        raw.send(frame(PING, 0, 0, b"together"));
        let answer = raw.next_of(PING);
        assert_eq!((answer.flags, &answer.payload[..]), (ACK, &b"together"[..]));
    }
}

#[test]
fn data_in_crumbs_is_given_up() {
    // CVE-2019-9518, and what is like it: more is kept of a frame than its bytes.
    let lab = Lab::start();
    let upload = head("POST", OPEN, "/silent");
    for crumb in [
        frame(DATA, 0, 1, b""),
        frame(DATA, PADDED, 1, &[1, 0]),
        frame(DATA, 0, 1, b"x"),
    ] {
        let mut raw = Raw::open(&lab, &[]);
        raw.send(frame(HEADERS, END_HEADERS, 1, &upload));
        let code = raw.flood(&crumb.repeat(16 * 1024), 64);
        assert_eq!(code, Some(ENHANCE_YOUR_CALM), "{crumb:?}");
        serves_others(&lab);
    }
}

#[test]
fn windows_beyond_all_bounds_are_errors() {
    let lab = Lab::start();
    for (stream, increment, code) in [(0, MOST, FLOW_CONTROL_ERROR), (0, [0; 4], PROTOCOL_ERROR)] {
        let mut raw = Raw::open(&lab, &[]);
        raw.send(frame(WINDOW_UPDATE, 0, stream, &increment));
        assert_eq!(raw.given_up(), Some(code));
    }
    // On a stream it is the stream that ends.
    let mut raw = Raw::open(&lab, &[]);
    raw.get(1, OPEN, "/silent");
    raw.send(frame(WINDOW_UPDATE, 0, 1, &MOST));
    assert_eq!(raw.next_of(RST_STREAM).stream, 1);
    raw.get(3, OPEN, "/");
    assert_eq!(raw.next_of(DATA).stream, 3);
}

#[test]
fn a_stalled_stream_is_reset_at_once_when_it_is_cut() {
    // A window of no bytes: whatever the tool says waits.
    let lab = Lab::with("download_timeout = \"1s\"", "");
    let closed_window = [0, 4, 0, 0, 0, 0];
    let mut raw = Raw::open(&lab, &closed_window);
    raw.get(1, OPEN, "/endless");
    let (told, answered) = mpsc::channel();
    let reading = std::thread::spawn(move || {
        assert_eq!(raw.next_of(HEADERS).stream, 1);
        told.send(()).unwrap();
        raw.next_of(RST_STREAM).stream
    });
    answered.recv().unwrap();
    assert_eq!(reading.join().unwrap(), 1, "not behind the data");
    assert!(lab.tool.is_let_go("/endless", crate::wire::DEADLINE));
}
