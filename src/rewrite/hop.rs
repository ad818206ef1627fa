//! Hop-by-hop fields, which concern one connection and end with it (RFC 9110 §7.6.1).

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, CONTENT_LENGTH, HOST, TE, UPGRADE},
};

use crate::http::names::HOP_BY_HOP;

/// Removes what `Connection` names, then the fixed list.
///
/// Allocates only when `Connection` names something unusual.
pub(super) fn remove(headers: &mut HeaderMap) {
    // To look at all names once costs less than to ask for each of the list.
    if !headers.keys().any(is_hop_by_hop) {
        return;
    }
    let usual = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(tokens)
        .all(|token| {
            [&b"keep-alive"[..], b"close", b"upgrade", b"te", b""]
                .iter()
                .any(|usual| token.eq_ignore_ascii_case(usual))
        });
    if !usual {
        let lines: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
        for token in lines.iter().flat_map(tokens) {
            // A message's frame and its host belong to no connection, whatever it says.
            if let Ok(name) = HeaderName::from_bytes(token)
                && name != CONTENT_LENGTH
                && name != HOST
            {
                headers.remove(name);
            }
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Whether the sender takes trailers.
pub(super) fn takes_trailers(headers: &HeaderMap) -> bool {
    headers.get_all(TE).iter().flat_map(tokens).any(|token| {
        let coding = token.split(|byte| *byte == b';').next();
        coding.is_some_and(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    })
}

/// Whether a field of this name belongs to one connection.
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
}

/// Says again that the connection becomes a WebSocket (RFC 6455 §4.1).
pub(super) fn upgrade(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

fn tokens(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let list = line.as_bytes().split(|byte| *byte == b',');
    list.map(<[u8]>::trim_ascii)
}
