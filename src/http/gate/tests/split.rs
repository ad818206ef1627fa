//! The same bytes mean the same, however they are split on their way.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{super::head::HeadLimits, run};

/// Small, so that streams reach the limits.
const SMALL: HeadLimits = HeadLimits {
    bytes: 300,
    fields: 6,
};

fn request_line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("GET / HTTP/1.1\r\n".into()),
        2 => Just("POST /a?b HTTP/1.1\r\n".into()),
        1 => Just("\r\nHEAD /a HTTP/1.1\r\n".into()),
        1 => Just("GET / HTTP/1.0\r\n".into()),
        1 => "[A-Z]{1,4} [!-~]{1,20} HTTP/1\\.[0-2]\r\n",
    ]
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just("Host: x\r\n".into()),
        2 => Just("Transfer-Encoding: chunked\r\n".into()),
        2 => (0_u8..20).prop_map(|length| format!("Content-Length: {length}\r\n")),
        1 => Just("Connection: close\r\n".into()),
        1 => Just("Connection: upgrade\r\nUpgrade: websocket\r\n".into()),
        2 => "[a-zA-Z-]{1,10}: [ -~\t]{0,60}\r\n",
        1 => "[a-z: \t\r\n]{0,10}\r?\n",
    ]
}

fn body() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(String::new()),
        2 => "[a-z]{1,19}",
        2 => "[a-z]{0,15}".prop_map(|text| format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len())),
        1 => Just("3;ext\r\nabc\r\n0\r\nTrailer: x\r\n\r\n".into()),
        1 => "[0-9a-f;\r\nx: ]{0,20}",
    ]
}

/// Streams that are often good, and break in any place.
pub(super) fn stream() -> impl Strategy<Value = Vec<u8>> {
    let request = (request_line(), vec(field(), 0..4), body())
        .prop_map(|(line, fields, body)| format!("{line}{}\r\n{body}", fields.concat()));
    let spoil = proptest::option::weighted(0.3, (any::<Index>(), any::<u8>()));
    (vec(request, 1..5), spoil).prop_map(|(requests, spoil)| {
        let mut bytes = requests.concat().into_bytes();
        if let Some((at, byte)) = spoil {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

fn split<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    at.push(bytes.len());
    let mut start = 0;
    at.into_iter()
        .map(|end| &bytes[std::mem::replace(&mut start, end)..end])
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn splitting_changes_nothing(bytes in stream(), cuts in vec(any::<Index>(), 0..12)) {
        let whole = run([&bytes[..]], SMALL);
        prop_assert_eq!(&run(split(&bytes, &cuts), SMALL), &whole);
        prop_assert_eq!(&run(bytes.chunks(1), SMALL), &whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..600)) {
        let whole = run([&bytes[..]], SMALL);
        prop_assert_eq!(&run(bytes.chunks(1), SMALL), &whole);
    }
}
