//! What RFC 6455 forbids. Whoever reads it will say so; on the way it is only bytes.

use super::{Act, Case, Client, PING, PONG, TEXT, Upstream, both, case, frame, send};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        case(
            "a client's frame without a mask",
            vec![send(frame(Upstream, TEXT, b"bare"))],
            good(Upstream),
        ),
        case(
            "an upstream's frame with a mask",
            good(Client),
            vec![send(frame(Client, TEXT, b"masked"))],
        ),
        odd("the first reserved bit, not agreed on", 0xc1, b"hello"),
        odd("the second reserved bit", 0xa1, b"hello"),
        odd("the third reserved bit", 0x91, b"hello"),
        odd("opcode 3, reserved for data", 0x83, b"hello"),
        odd("opcode 7, reserved for data", 0x87, b"hello"),
        odd("opcode 11, reserved for control", 0x8b, b"hello"),
        odd("opcode 15, reserved for control", 0x8f, b"hello"),
        odd("a ping of 126 bytes", PING, &[b'a'; 126]),
        odd("a pong of 65,536 bytes", PONG, &vec![b'a'; 65_536]),
        odd("a ping in fragments", 0x09, b"hello"),
        odd("a continuation of nothing", 0x80, b"hello"),
        odd("text that is not UTF-8", TEXT, b"\xff\xfe\xc0\x80"),
        both_say(
            "a length of 2^63",
            b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0hello",
            b"\x82\x7f\x80\0\0\0\0\0\0\0hello",
        ),
        both_say(
            "a length of 2^64 - 1",
            b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0hello",
            b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xffhello",
        ),
        both_say(
            "a length of 2^63 - 1, of which 5 bytes come",
            b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0hello",
            b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffhello",
        ),
        both_say(
            "a length of 5 in two bytes",
            b"\x81\xfe\0\x05\0\0\0\0hello",
            b"\x81\x7e\0\x05hello",
        ),
        both_say(
            "a length of 5 in eight bytes",
            b"\x81\xff\0\0\0\0\0\0\0\x05\0\0\0\0hello",
            b"\x81\x7f\0\0\0\0\0\0\0\x05hello",
        ),
        both_say(
            "HTTP where frames should be",
            b"GET /evil HTTP/1.1\r\nhost: open.lab.test\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        ),
        both_say("zeros", &[0; 4096], &[0; 4096]),
    ];
    let messages = [(0x01, "one"), (TEXT, "another"), (0x80, "two")];
    let mixed = |from| {
        let frames = messages.map(|(first, payload)| send(frame(from, first, payload.as_bytes())));
        frames.to_vec()
    };
    cases.push(case(
        "a message in the middle of another",
        mixed(Client),
        mixed(Upstream),
    ));
    cases
}

/// A frame that should not be, and a good one behind it.
fn odd(name: &'static str, first: u8, payload: &[u8]) -> Case {
    let (mut client, mut upstream) = both(first, payload);
    client.extend(good(Client));
    upstream.extend(good(Upstream));
    case(name, client, upstream)
}

fn both_say(name: &'static str, client: &[u8], upstream: &[u8]) -> Case {
    let and_then = |bytes, from| [vec![send(bytes), Act::Heard], good(from)].concat();
    case(name, and_then(client, Client), and_then(upstream, Upstream))
}

fn good(from: super::Sender) -> Vec<Act> {
    vec![send(frame(from, TEXT, b"good"))]
}
