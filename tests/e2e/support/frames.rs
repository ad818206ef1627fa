//! Frames of HTTP/2 as bytes, for what no client library sends (RFC 9113 §4.1, RFC 7541).

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
/// What a peer takes in one frame unless it says otherwise.
const FRAME: usize = 16_384;

/// What a client begins with: the preface and `settings`.
pub(crate) fn begin(settings: &[u8]) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, settings));
    bytes
}

/// A head or trailers with these fields, in as many frames as it takes.
pub(crate) fn head(stream: u32, fields: &[(&str, &str)], last: bool) -> Vec<u8> {
    let block: Vec<u8> = fields
        .iter()
        .flat_map(|(name, value)| field(name, value))
        .collect();
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

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A field of a head: a literal that is not indexed, without Huffman coding (RFC 7541 §6.2.2).
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        length(&mut bytes, text.len());
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// A number with a prefix of seven bits (RFC 7541 §5.1).
fn length(bytes: &mut Vec<u8>, length: usize) {
    let byte = |number: usize| u8::try_from(number).unwrap();
    if length < 127 {
        bytes.push(byte(length));
        return;
    }
    bytes.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        bytes.push(byte(rest % 128) | 128);
        rest /= 128;
    }
    bytes.push(byte(rest));
}
