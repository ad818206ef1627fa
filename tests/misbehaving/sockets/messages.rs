//! Messages of every size, whole, in fragments, and cut anywhere.

use super::{
    Act, BINARY, Case, Client, LAST, PING, PONG, TEXT, Upstream, both, case, frame, pattern, send,
};

pub(super) fn cases() -> Vec<Case> {
    let sizes = [
        ("a message of 0 bytes", 0),
        ("of 1 byte", 1),
        ("of 125 bytes, the longest short length", 125),
        ("of 126 bytes", 126),
        ("of 127 bytes", 127),
        ("of 65,535 bytes, the longest length in two bytes", 65_535),
        ("of 65,536 bytes", 65_536),
        ("of 64 MiB", LARGE),
    ];
    let mut cases: Vec<_> = sizes
        .into_iter()
        .map(|(name, size)| {
            let (client, upstream) = both(BINARY, &pattern(size));
            case(name, client, upstream)
        })
        .collect();
    cases.extend([
        case(
            "64 MiB in 1,000 fragments",
            fragments(Client),
            fragments(Upstream),
        ),
        case(
            "a frame, byte by byte",
            bytewise(Client, 40),
            bytewise(Upstream, 40),
        ),
        case(
            "a frame of 70,000 bytes, its header byte by byte",
            bytewise(Client, 70_000),
            bytewise(Upstream, 70_000),
        ),
        case("1,000 messages at once", many(Client), many(Upstream)),
        case(
            "a ping and a pong between fragments",
            interleaved(Client),
            interleaved(Upstream),
        ),
        control("a ping of 0 bytes", PING, 0),
        control("a ping of 1 byte", PING, 1),
        control("a ping of 125 bytes", PING, 125),
        control("a pong that nobody asked for, of 0 bytes", PONG, 0),
        control("a pong that nobody asked for, of 16 bytes", PONG, 16),
        control("a pong that nobody asked for, of 125 bytes", PONG, 125),
        deflated(),
        early("a message right behind the 101", true, false),
        early("a message before the 101", false, true),
        early("both", true, true),
        half_early(),
    ]);
    cases
}

fn control(name: &'static str, first: u8, length: usize) -> Case {
    let (client, upstream) = both(first, &pattern(length));
    case(name, client, upstream)
}

fn fragments(from: super::Sender) -> Vec<Act> {
    let body = pattern(LARGE);
    let mut parts: Vec<_> = body.chunks(LARGE.div_ceil(1000)).collect();
    let last = parts.pop().unwrap();
    let mut bytes = Vec::new();
    for (place, part) in parts.into_iter().enumerate() {
        bytes.extend(frame(from, if place == 0 { 0x02 } else { 0 }, part));
    }
    bytes.extend(frame(from, LAST, last));
    vec![send(bytes)]
}

/// Each of the first bytes arrives before the next one is sent.
fn bytewise(from: super::Sender, length: usize) -> Vec<Act> {
    let bytes = frame(from, TEXT, &b"a".repeat(length));
    let (first, rest) = bytes.split_at(16);
    let mut acts = Vec::new();
    for byte in first {
        acts.extend([send([*byte]), Act::Heard]);
    }
    acts.push(send(rest));
    acts
}

fn many(from: super::Sender) -> Vec<Act> {
    let bytes: Vec<_> = (0..1000)
        .flat_map(|size| frame(from, TEXT, &b"a".repeat(size % 200)))
        .collect();
    vec![send(bytes)]
}

fn interleaved(from: super::Sender) -> Vec<Act> {
    let frames = [
        (0x01, "one"),
        (PING, "ping"),
        (0, "two"),
        (PONG, "pong"),
        (LAST, "three"),
    ];
    let frames = frames.map(|(first, payload)| send(frame(from, first, payload.as_bytes())));
    frames.into()
}

fn deflated() -> Case {
    let (client, upstream) = both(0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    Case {
        deflate: true,
        ..case("compressed, as both agreed", client, upstream)
    }
}

fn early(name: &'static str, prompt: bool, early: bool) -> Case {
    let (client, upstream) = both(TEXT, b"later");
    Case {
        prompt: if prompt {
            frame(Upstream, TEXT, b"prompt")
        } else {
            Vec::new()
        },
        early: if early {
            frame(Client, TEXT, b"early")
        } else {
            Vec::new()
        },
        ..case(name, client, upstream)
    }
}

fn half_early() -> Case {
    let (ours, theirs) = (
        frame(Client, TEXT, b"early"),
        frame(Upstream, TEXT, b"prompt"),
    );
    Case {
        early: ours[..3].to_vec(),
        prompt: theirs[..1].to_vec(),
        ..case(
            "halves of frames with the handshake",
            vec![send(&ours[3..])],
            vec![send(&theirs[1..])],
        )
    }
}

const LARGE: usize = 64 << 20;
