//! The gate against hyper: what passes the gate means one and the same thing to both.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of a test"
)]

mod agreement;
mod simple;

use proptest::{collection::vec, prelude::*, sample::Index};

/// Streams that were hard once, and one for each idea. New finds of the fuzz target go there.
#[test]
fn the_corpus_is_agreed_upon() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/head_gate");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        agreement::check(&std::fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 10);
}

fn words() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => Just("GET / HTTP/1.1\r\nHost: x\r\n".to_owned()),
        2 => Just("POST /a?b HTTP/1.1\r\nhost: x\r\n".to_owned()),
        1 => Just("GET http://x/a HTTP/1.0\r\nHost: x:80\r\n".to_owned()),
        6 => Just("\r\n".to_owned()),
        2 => Just("Transfer-Encoding: chunked\r\n\r\n".to_owned()),
        2 => (0_u8..9).prop_map(|size| format!("Content-Length: {size}\r\n\r\n")),
        2 => Just("3\r\nabc\r\n".to_owned()),
        1 => Just("a;b=c\r\n0123456789\r\n".to_owned()),
        3 => Just("0\r\n\r\n".to_owned()),
        1 => Just("0\r\nTrailer: y\r\n\r\n".to_owned()),
        1 => "Connection: (close|keep-alive|upgrade, close|Upgrade)\r\n",
        1 => Just("Upgrade: websocket\r\n".to_owned()),
        1 => Just("Expect: 100-continue\r\n".to_owned()),
        1 => "[A-Za-z-]{1,9}: ?[!-~ \t]{0,9}\r\n",
        1 => "[ -~\r\n\t]{0,9}",
    ];
    let spoil = proptest::option::weighted(0.2, (any::<Index>(), any::<u8>()));
    (vec(word, 0..24), spoil).prop_map(|(words, spoil)| {
        let mut bytes = words.concat().into_bytes();
        if let Some((at, byte)) = spoil
            && !bytes.is_empty()
        {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn hyper_agrees_on_whatever_passes(stream in words()) {
        agreement::check(&stream);
    }
}
