//! Close frames, half closed sides and aborts.

use super::{Act, CLOSE, Case, Client, TEXT, Upstream, case, frame, send};

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = CODES
        .into_iter()
        .map(|(name, code)| closed_by_upstream(name, &close(code, "why")))
        .collect();
    cases.extend(
        BROWSERS
            .into_iter()
            .map(|(name, code)| closed_by_client(name, &close(code, "why"))),
    );
    cases.extend([
        closed_by_upstream("an empty close frame", b""),
        closed_by_client("an empty close frame of the client", b""),
        closed_by_upstream("half a code", b"\x03"),
        closed_by_upstream("a reason of 123 bytes", &close(1000, &"a".repeat(123))),
        closed_by_upstream(
            "a reason of 124 bytes, too long",
            &close(1000, &"a".repeat(124)),
        ),
        closed_by_upstream(
            "a reason that is not UTF-8",
            &[&close(1000, "")[..], b"\xff\xfe"].concat(),
        ),
        case(
            "a close frame without an answer",
            vec![Act::HearAll, Act::End],
            vec![send(bye(Upstream)), Act::End],
        ),
        case(
            "data after a close frame",
            vec![Act::HearAll, send(bye(Client)), Act::Heard, Act::End],
            vec![send(bye(Upstream)), send(frame(Upstream, TEXT, b"more"))],
        ),
        case(
            "close frames of both at once",
            vec![send(bye(Client)), Act::HearAll, Act::Heard, Act::End],
            vec![send(bye(Upstream))],
        ),
    ]);
    cases.extend(streams());
    cases
}

/// Ends below the close frame.
fn streams() -> Vec<Case> {
    vec![
        case(
            "the client ends, the upstream goes on and then ends too",
            vec![hello(Client), Act::Heard, Act::End],
            vec![Act::HearEnd, hello(Upstream), Act::Heard, Act::End],
        )
        .because(HALF),
        case(
            "the upstream ends, the client goes on and then ends too",
            vec![Act::HearEnd, hello(Client), Act::Heard, Act::End],
            vec![hello(Upstream), Act::Heard, Act::End],
        )
        .because(HALF),
        case(
            "the client ends in a frame",
            vec![half(Client), Act::Heard, Act::End],
            vec![],
        ),
        case(
            "the upstream ends in a frame",
            vec![],
            vec![half(Upstream), Act::Heard, Act::End],
        ),
        case(
            "the client ends in a header",
            vec![send([0x81]), Act::Heard, Act::End],
            vec![],
        ),
        case(
            "the client resets",
            vec![Act::HearAll, hello(Client), Act::Heard, Act::Reset],
            vec![hello(Upstream)],
        )
        .gives("all up, all down, then reset and itself"),
        case(
            "the upstream resets",
            vec![hello(Client)],
            vec![Act::HearAll, hello(Upstream), Act::Heard, Act::Reset],
        )
        .gives("all up, all down, then itself and reset"),
        case(
            "the client resets in a frame",
            vec![half(Client), Act::Heard, Act::Reset],
            vec![],
        )
        .gives("all up, all down, then reset and itself"),
        case(
            "the upstream resets in a frame",
            vec![],
            vec![half(Upstream), Act::Heard, Act::Reset],
        )
        .gives("all up, all down, then itself and reset"),
        case(
            "the client resets after a close frame",
            vec![send(bye(Client)), Act::Heard, Act::Reset],
            vec![],
        )
        .gives("all up, all down, then end and itself"),
        case(
            "the upstream resets after a close frame",
            vec![],
            vec![send(bye(Upstream)), Act::Heard, Act::Reset],
        )
        .gives("all up, all down, then itself and end"),
        case("the client ends at once", vec![Act::End], vec![]),
        case("the upstream ends at once", vec![], vec![Act::End]),
    ]
}

fn hello(from: super::Sender) -> Act {
    send(frame(from, TEXT, b"hello"))
}

fn half(from: super::Sender) -> Act {
    let whole = frame(from, TEXT, b"hello");
    send(&whole[..whole.len() - 2])
}

fn bye(from: super::Sender) -> Vec<u8> {
    frame(from, CLOSE, &close(1000, "bye"))
}

fn close(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

fn closed_by_upstream(name: &'static str, payload: &[u8]) -> Case {
    case(
        name,
        vec![
            Act::HearAll,
            send(frame(Client, CLOSE, payload)),
            Act::Heard,
        ],
        vec![
            send(frame(Upstream, CLOSE, payload)),
            Act::HearAll,
            Act::End,
        ],
    )
}

fn closed_by_client(name: &'static str, payload: &[u8]) -> Case {
    case(
        name,
        vec![send(frame(Client, CLOSE, payload)), Act::HearAll],
        vec![
            Act::HearAll,
            send(frame(Upstream, CLOSE, payload)),
            Act::Heard,
            Act::End,
        ],
    )
}

const CODES: [(&str, u16); 25] = [
    ("close code 0, not a code", 0),
    ("close code 999, not a code", 999),
    ("close code 1000", 1000),
    ("close code 1001", 1001),
    ("close code 1002", 1002),
    ("close code 1003", 1003),
    ("close code 1004, reserved", 1004),
    ("close code 1005, not for the wire", 1005),
    ("close code 1006, not for the wire", 1006),
    ("close code 1007", 1007),
    ("close code 1008", 1008),
    ("close code 1009", 1009),
    ("close code 1010", 1010),
    ("close code 1011", 1011),
    ("close code 1012", 1012),
    ("close code 1013", 1013),
    ("close code 1014", 1014),
    ("close code 1015, not for the wire", 1015),
    ("close code 2999, reserved", 2999),
    ("close code 3000", 3000),
    ("close code 4000", 4000),
    ("close code 4001", 4001),
    ("close code 4999", 4999),
    ("close code 5000, not a code", 5000),
    ("close code 65535, not a code", 65535),
];

const HALF: &str = "who still has something to say is heard, for 30 s of silence at most";

/// What a page may say.
const BROWSERS: [(&str, u16); 4] = [
    ("close code 1000 of the client", 1000),
    ("close code 3000 of the client", 3000),
    ("close code 4001 of the client", 4001),
    ("close code 4999 of the client", 4999),
];
