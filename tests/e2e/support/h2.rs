//! Bytes of HTTP/2, for what no client library sends (RFC 9113, RFC 7541).

use super::raw::Connection;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// What a peer takes in one frame unless it says otherwise.
const FRAME: usize = 16_384;

/// The preface and empty settings.
pub(crate) async fn begin(connection: &mut Connection) {
    connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    connection.send(frame(SETTINGS, 0, 0, &[])).await;
}

/// A head or trailers with these fields, in as many frames as it takes.
pub(crate) fn head(stream: u32, fields: &[(&str, &str)], last: bool) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        // A literal that is not indexed (RFC 7541 §6.2.2).
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    let pieces: Vec<&[u8]> = block.chunks(FRAME).collect();
    let mut frames = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let (kind, mut flags) = if number == 0 {
            (HEADERS, if last { END_STREAM } else { 0 })
        } else {
            (CONTINUATION, 0)
        };
        if number + 1 == pieces.len() {
            flags |= END_HEADERS;
        }
        frames.extend(frame(kind, flags, stream, piece));
    }
    frames
}

/// A piece of a body, not its end.
pub(crate) fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, 0, stream, bytes)
}

/// A string without Huffman coding; its length with a prefix of 7 bits (RFC 7541 §5.1, §5.2).
fn text(block: &mut Vec<u8>, text: &str) {
    let byte = |number: usize| u8::try_from(number).expect("seven bits and one");
    let mut rest = text.len();
    if rest < 127 {
        block.push(byte(rest));
    } else {
        block.push(127);
        rest -= 127;
        while rest >= 128 {
            block.push(byte(rest % 128) | 128);
            rest /= 128;
        }
        block.push(byte(rest));
    }
    block.extend(text.as_bytes());
}

/// RFC 9113 §4.1
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}
