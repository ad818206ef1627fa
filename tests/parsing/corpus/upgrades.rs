//! Requests to speak something else.

use crate::case::{Case, passes, refused, tunnels};

/// What a good handshake looks like to the upstream, and what then goes through the tunnel.
const UPSTREAM: &str = "GET / HTTP/1.1\r\nhost: a.test\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nGET /next HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

/// The same where nothing is upgraded.
const WITHOUT: &str = "GET / HTTP/1.1\r\nhost: a.test\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const NO_KEY: &str = "no 101 can be right without a key, so no tunnel opens and the connection ends; the tool says what is missing";

fn handshake(fields: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        tunnels("a handshake", handshake("Connection: Upgrade\r\nUpgrade: websocket\r\n"), UPSTREAM),
        tunnels("a handshake in other letters", handshake("CONNECTION: uPGRADE\r\nUPGRADE: WebSocket\r\n"), UPSTREAM),
        tunnels("a handshake that is kept alive", handshake("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"), UPSTREAM),
        tunnels("a handshake with two Connections", handshake("Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"), UPSTREAM),
        tunnels("a handshake with a length of 0", handshake("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n"), &UPSTREAM.replace("connection", "content-length: 0\r\nconnection")),
        refused("a handshake with a body", handshake("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n") + "hello", 400),
        refused("a handshake with chunks", handshake("Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400),
        refused("a handshake by POST", handshake("Connection: Upgrade\r\nUpgrade: websocket\r\n").replace("GET", "POST"), 400),
        refused("a handshake in HTTP/1.0", handshake("Connection: Upgrade\r\nUpgrade: websocket\r\n").replace("1.1", "1.0"), 400),
        refused("a handshake with two Upgrades", handshake("Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n"), 400),
        passes("a handshake that Connection does not name", handshake("Upgrade: websocket\r\n"), [WITHOUT]),
        passes("a Connection that asks for nothing", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("a handshake for websocket or else", handshake("Connection: Upgrade\r\nUpgrade: websocket, other\r\n"), [WITHOUT]),
        passes("an upgrade to another protocol", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: IRC/6.9\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"]),
        passes("a handshake without a key", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n", ["GET / HTTP/1.1\r\nhost: a.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"]).closes().lenient(NO_KEY),
        refused("an upgrade to HTTP/2", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", 400),
        refused("an upgrade to HTTP/2 in capitals", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: H2C\r\n\r\n", 400),
        refused("an upgrade to HTTP/2 in a list", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n", 400),
        refused("an upgrade to HTTP/2 that Connection does not name", "GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: h2c\r\n\r\n", 400),
        refused("settings of HTTP/2 alone", "GET / HTTP/1.1\r\nHost: a.test\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", 400),
    ]
}
