//! What may follow a WebSocket handshake that is no WebSocket (RFC 6455 §4.2.2, SECURITY T79, T85).

use crate::case::{ACCEPT, Case, Close, Closed, Reset, case, endless, say};

pub(super) fn cases() -> Vec<Case> {
    let cases = [
        case("101 as it should be", [switch("upgrade: websocket\r\nconnection: Upgrade\r\n", ACCEPT)])
            .gives("101", Closed),
        case("101 without Sec-WebSocket-Accept", [switch(UPGRADE, "")]).gives("502", Closed),
        case("101 with a wrong Sec-WebSocket-Accept", [switch(UPGRADE, WRONG)]).gives("502", Closed),
        case("101 with a right and a wrong Sec-WebSocket-Accept", [switch(UPGRADE, &[ACCEPT, WRONG].concat())])
            .gives("502", Closed),
        case("101 with the right Sec-WebSocket-Accept twice", [switch(UPGRADE, &[ACCEPT, ACCEPT].concat())])
            .gives("502", Closed),
        case("101 without Upgrade", [switch("connection: Upgrade\r\n", ACCEPT)]).gives("502", Closed),
        case("101 without Connection", [switch("upgrade: websocket\r\n", ACCEPT)]).gives("502", Closed),
        case("101 to another protocol", [switch("upgrade: h2c\r\nconnection: Upgrade\r\n", ACCEPT)])
            .gives("502", Closed),
        case("101 with a list of protocols", [switch("upgrade: websocket, h2c\r\nconnection: Upgrade\r\n", ACCEPT)])
            .gives("502", Closed),
        case("101 with other letters", [switch("Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n", ACCEPT)])
            .gives("101", Closed),
        case("101 with a subprotocol that nobody offered", [switch(UPGRADE, &[ACCEPT, "sec-websocket-protocol: evil\r\n"].concat())])
            .gives("101 (sec-websocket-protocol: evil)", Closed)
            .shows(&["sec-websocket-protocol"]),
        case("101 with an extension that nobody offered", [switch(UPGRADE, &[ACCEPT, "sec-websocket-extensions: permessage-deflate\r\n"].concat())])
            .gives("101 (sec-websocket-extensions: permessage-deflate)", Closed)
            .shows(&["sec-websocket-extensions"]),
        case("101 with a length", [switch(UPGRADE, &[ACCEPT, "content-length: 5\r\n"].concat())])
            .gives("101", Closed)
            .shows(FRAMING),
        case("101 with chunks", [switch(UPGRADE, &[ACCEPT, "transfer-encoding: chunked\r\n"].concat())])
            .gives("101", Closed)
            .shows(FRAMING),
        case("101 of HTTP/1.0", [say(["HTTP/1.0 101 Switching Protocols\r\n", UPGRADE, ACCEPT, "\r\n"].concat())])
            .gives("502", Closed),
        case("100 and then 101", [say(["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n", UPGRADE, ACCEPT, "\r\n"].concat())])
            .gives("101", Closed)
            .because("any server may say 100 first (RFC 9110 §15.2)"),
        case("200 with a body", [refuse("200 OK")]).gives("200 \"hello\"", Closed),
        case("200 with the fields of a 101", [say(["HTTP/1.1 200 OK\r\n", UPGRADE, ACCEPT, "content-length: 5\r\n\r\nhello"].concat())])
            .gives("200 \"hello\"", Closed)
            .shows(&["upgrade"]),
        case("301", [refuse("301 Moved Permanently\r\nlocation: /a")])
            .gives("301 \"hello\" (location: /a)", Closed)
            .shows(&["location"]),
        case("401 with a challenge", [refuse("401 Unauthorized\r\nwww-authenticate: Basic realm=a")])
            .gives("401 \"hello\" (www-authenticate: Basic realm=a)", Closed)
            .shows(&["www-authenticate"]),
        case("403", [refuse("403 Forbidden")]).gives("403 \"hello\"", Closed),
        case("404", [refuse("404 Not Found")]).gives("404 \"hello\"", Closed),
        case("426 with the version it wants", [refuse("426 Upgrade Required\r\nsec-websocket-version: 8")])
            .gives("426 \"hello\" (sec-websocket-version: 8)", Closed)
            .shows(&["sec-websocket-version"]),
        case("500", [refuse("500 Internal Server Error")]).gives("500 \"hello\"", Closed),
        case("503", [refuse("503 Service Unavailable\r\nretry-after: 3")])
            .gives("503 \"hello\" (retry-after: 3)", Closed)
            .shows(&["retry-after"]),
        case("204", [say("HTTP/1.1 204 No Content\r\n\r\n")]).gives("204 \"\"", Closed),
        case("a refusal that is cut", [say("HTTP/1.1 403 Forbidden\r\ncontent-length: 10\r\n\r\nhello"), Close])
            .gives("403 \"hello\" cut", Closed),
        case("a refusal with a second answer behind it", [say("HTTP/1.1 403 Forbidden\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")])
            .gives("403 \"hello\"", Closed),
        case("closed without a word", [Close]).gives("502", Closed),
        case("reset without a word", [Reset]).gives("502", Closed),
        case("closed in the 101", [say("HTTP/1.1 101 Switching Protocols\r\nupgrade: webs"), Close])
            .gives("502", Closed),
        case("frames without a 101", [say(b"\x81\x05hello"), Close]).gives("502", Closed),
        case("garbage", [say("garbage\r\n\r\n"), Close]).gives("502", Closed),
        case("a 101 that has no end", [say("HTTP/1.1 101 Switching Protocols\r\n"), endless("x-a: b\r\n"), Close])
            .gives("502", Closed),
    ];
    cases.into_iter().map(Case::websocket).collect()
}

fn switch(upgrade: &str, fields: &str) -> crate::case::Step {
    say([
        "HTTP/1.1 101 Switching Protocols\r\n",
        upgrade,
        fields,
        "\r\n",
    ]
    .concat())
}

fn refuse(status: &str) -> crate::case::Step {
    say(format!(
        "HTTP/1.1 {status}\r\ncontent-length: 5\r\n\r\nhello"
    ))
}

const UPGRADE: &str = "upgrade: websocket\r\nconnection: Upgrade\r\n";
const WRONG: &str = "sec-websocket-accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n";
const FRAMING: &[&str] = &["content-length", "transfer-encoding"];
