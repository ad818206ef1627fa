//! What comes before an answer (RFC 9110 §15.2).

use crate::case::{Case, Close, Closed, Gate, Move, Reused, Step, case, endless, ok, say, send};

pub(super) fn cases() -> Vec<Case> {
    let hello = || ok("content-length: 5\r\n", "hello");
    vec![
        case("100 that nobody asked for", [say("HTTP/1.1 100 Continue\r\n\r\n"), hello()])
            .gives("200 \"hello\"", Reused),
        case("102", [say("HTTP/1.1 102 Processing\r\n\r\n"), hello()]).gives("200 \"hello\"", Reused),
        case("103 with links", [say("HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"), hello()])
            .gives("200 \"hello\"", Reused)
            .shows(&["link"]),
        case("199", [say("HTTP/1.1 199 Odd\r\n\r\n"), hello()]).gives("200 \"hello\"", Reused),
        case("1,000 of them", [say("HTTP/1.1 100 Continue\r\n\r\n".repeat(1000)), hello()])
            .gives("200 \"hello\"", Reused),
        case("100 without end", [endless("HTTP/1.1 100 Continue\r\n\r\n"), Close])
            .gives("502", Closed),
        case("103 without end", [endless("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"), Close])
            .gives("502", Closed),
        case("100 with a length and bytes", [say("HTTP/1.1 100 Continue\r\ncontent-length: 4\r\n\r\nevil"), hello()])
            .gives("502", Closed),
        case("100 and then the end", [say("HTTP/1.1 100 Continue\r\n\r\n"), Close]).gives("502", Closed),
        case("100 after the answer", [hello(), say("HTTP/1.1 100 Continue\r\n\r\n")])
            .gives("200 \"hello\"", Closed),
        case("101 that nobody asked for", [say("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nevil")])
            .gives("502", Closed),
        case("101 that nobody asked for, and then an answer", [say("HTTP/1.1 101 Switching Protocols\r\n\r\n"), hello()])
            .gives("502", Closed),
        case("100-continue that the upstream never grants", [Step::Read(5), hello()])
            .method("POST")
            .asked("content-length: 5\r\nexpect: 100-continue\r\n", [Move::Until("100 Continue"), send("world")])
            .gives("100, 200 \"hello\"", Reused)
            .because("labgate itself says 100; its upstreams never see the question"),
        case("100-continue that the upstream refuses", [say("HTTP/1.1 417 Expectation Failed\r\ncontent-length: 2\r\n\r\nno"), Close])
            .method("POST")
            .asked("content-length: 5\r\nexpect: 100-continue\r\n", [])
            .gives("100, 417 \"no\"", Closed),
        case("an interim answer in pieces", [say("HTTP/1.1 1"), Gate, say("03 Early Hints\r\n\r"), Gate, say("\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")])
            .asked("", [Move::Go, Move::Go])
            .gives("200 \"hello\"", Reused),
    ]
}
