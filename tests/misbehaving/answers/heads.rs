//! Status lines and fields (RFC 9112 §4, §5).

use crate::case::{Case, Close, Closed, Reused, case, endless, ok, say};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = status_lines();
    cases.extend(fields());
    cases
}

fn status_lines() -> Vec<Case> {
    vec![
        case(
            "a status line of garbage",
            [say("\x16\x03\x01garbage\r\n\r\n"), Close],
        )
        .gives("502", Closed),
        case(
            "a server of another protocol",
            [say("SSH-2.0-OpenSSH_9.2\r\n"), Close],
        )
        .gives("502", Closed),
        case("HTTP/0.9", [say("hello"), Close]).gives("502", Closed),
        case("HTTP/2.0", [line("HTTP/2.0 200 OK")]).gives("502", Closed),
        case("HTTP/1.2", [line("HTTP/1.2 200 OK")]).gives("502", Closed),
        case("http in small letters", [line("http/1.1 200 OK")]).gives("502", Closed),
        case(
            "an empty line before the status line",
            [line("\r\nHTTP/1.1 200 OK")],
        )
        .gives("200 \"hello\"", Reused)
        .because(BLANK),
        case("status 000", [line("HTTP/1.1 000 Zero")]).gives("502", Closed),
        case("status 099", [line("HTTP/1.1 099 Low")]).gives("502", Closed),
        case("status 1000", [line("HTTP/1.1 1000 High")]).gives("502", Closed),
        case("status 20", [line("HTTP/1.1 20 Short")]).gives("502", Closed),
        case("status 2xx", [line("HTTP/1.1 2xx Vague")]).gives("502", Closed),
        case("status -20", [line("HTTP/1.1 -20 Minus")]).gives("502", Closed),
        case("status 600", [line("HTTP/1.1 600 Odd")]).gives("600 \"hello\"", Reused),
        case("status 999", [line("HTTP/1.1 999 Odd")]).gives("999 \"hello\"", Reused),
        case("no reason", [line("HTTP/1.1 200 ")]).gives("200 \"hello\"", Reused),
        case("neither reason nor space", [line("HTTP/1.1 200")]).gives("200 \"hello\"", Reused),
        case("two spaces before the status", [line("HTTP/1.1  200 OK")]).gives("502", Closed),
        case("a reason with a bare CR", [line("HTTP/1.1 200 O\rK")]).gives("502", Closed),
        case("a reason with NUL", [line("HTTP/1.1 200 O\0K")]).gives("502", Closed),
        case(
            "a reason with a control character",
            [line("HTTP/1.1 200 O\x01K")],
        )
        .gives("502", Closed),
        case("a reason in UTF-8", [line("HTTP/1.1 200 Schön")]).gives("200 \"hello\"", Reused),
        case(
            "a status line of 1 MiB",
            [line(&("HTTP/1.1 200 ".to_owned() + &"a".repeat(1 << 20)))],
        )
        .gives("502", Closed),
    ]
}

fn fields() -> Vec<Case> {
    let many = |count: usize| {
        (0..count).fold(String::new(), |fields, number| {
            fields + &format!("x-{number}: a\r\n")
        })
    };
    vec![
        case("lines that end with LF alone", [say("HTTP/1.1 200 OK\ncontent-length: 5\n\nhello")])
            .gives("200 \"hello\"", Reused),
        case("one line that ends with LF alone", [five("x-a: b\nx-c: d\r\n")])
            .gives("200 \"hello\" (x-a: b, x-c: d)", Reused)
            .shows(SHOWN),
        case("a bare CR in a value", [five("x-a: b\rx-c: d\r\n")])
            .gives("502", Closed)
            .shows(SHOWN),
        case("a folded line", [five("x-a: b\r\n c\r\n")]).gives("502", Closed).shows(SHOWN),
        case("a folded first line", [say("HTTP/1.1 200 OK\r\n x-a: b\r\ncontent-length: 5\r\n\r\nhello")])
            .gives("502", Closed)
            .shows(SHOWN),
        case("a space before the colon", [five("x-a : b\r\n")]).gives("502", Closed).shows(SHOWN),
        case("a space before the colon of a length", [ok("content-length : 5\r\n", "hello"), Close])
            .gives("502", Closed),
        case("no colon", [five("x-a\r\n")]).gives("502", Closed),
        case("an empty name", [five(": b\r\n")]).gives("502", Closed),
        case("a name with a space", [five("x a: b\r\n")]).gives("502", Closed),
        case("a name in UTF-8", [five("x-ä: b\r\n")]).gives("502", Closed),
        case("an empty value", [five("x-a:\r\n")])
            .gives("200 \"hello\" (x-a: )", Reused)
            .shows(SHOWN),
        case("a value in UTF-8", [five("x-a: ä\r\n")])
            .gives("200 \"hello\" (x-a: Ã¤)", Reused)
            .shows(SHOWN),
        case("a tab in a value", [five("x-a: b\tc\r\n")])
            .gives("200 \"hello\" (x-a: b\tc)", Reused)
            .shows(SHOWN),
        case("NUL in a value", [five("x-a: b\0c\r\n")]).gives("502", Closed).shows(SHOWN),
        case("NUL in a name", [five("x-\0a: b\r\n")]).gives("502", Closed),
        case("a control character in a value", [five("x-a: b\x01c\r\n")])
            .gives("502", Closed)
            .shows(SHOWN),
        case("DEL in a value", [five("x-a: b\x7fc\r\n")]).gives("502", Closed).shows(SHOWN),
        case("a field of 8 KiB", [five(&format!("x-big: {}\r\n", "a".repeat(8 << 10)))])
            .gives("200 \"hello\"", Reused)
            .because("tools set long cookies and policies; the limit is 64 KiB for a whole head"),
        case("a field of 1 MiB", [five(&format!("x-big: {}\r\n", "a".repeat(1 << 20)))])
            .gives("502", Closed),
        case("99 fields", [five(&many(98))]).gives("200 \"hello\"", Reused),
        case("10,000 fields", [five(&many(10_000))]).gives("502", Closed),
        case("fields without end", [say("HTTP/1.1 200 OK\r\n"), endless("x-a: b\r\n"), Close])
            .gives("502", Closed),
        case("a name without end", [say("HTTP/1.1 200 OK\r\n"), endless("a"), Close])
            .gives("502", Closed),
        case("lines injected by a Location (CRLF)", [say("HTTP/1.1 302 Found\r\nlocation: /a\r\nset-cookie: labgate=evil\r\nset-cookie: tool=1\r\ncontent-length: 0\r\n\r\n")])
            .gives("302 \"\" (location: /a, set-cookie: tool=1)", Reused)
            .shows(INJECTED),
        case("an answer injected by a Location (CRLF CRLF)", [say("HTTP/1.1 302 Found\r\nlocation: /a\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")])
            .gives("302 \"\" (location: /a)", Closed)
            .shows(INJECTED),
        case("a Location with CRLF in percent signs", [say("HTTP/1.1 302 Found\r\nlocation: /a%0d%0aset-cookie:%20a=b\r\ncontent-length: 0\r\n\r\n")])
            .gives("302 \"\" (location: /a%0d%0aset-cookie:%20a=b)", Reused)
            .shows(INJECTED),
        case("a Set-Cookie with a bare CR", [five("set-cookie: a=b\rset-cookie: c=d\r\n")])
            .gives("502", Closed)
            .shows(INJECTED),
        case("Date and Server of the tool", [five("date: Thu, 01 Jan 1970 00:00:00 GMT\r\nserver: tool/1\r\n")])
            .gives("200 \"hello\" (date: Thu, 01 Jan 1970 00:00:00 GMT, server: tool/1)", Reused)
            .shows(&["date", "server"]),
        case("Connection: close", [five("connection: close\r\n"), Close]).gives("200 \"hello\"", Closed),
        case("Connection: close, and it stays open", [five("connection: close\r\n")])
            .gives("200 \"hello\"", Closed),
        case("Connection: close and keep-alive", [five("connection: close\r\nconnection: keep-alive\r\n")])
            .gives("200 \"hello\"", Closed),
        case("Connection: keep-alive, close", [five("connection: keep-alive, close\r\n")])
            .gives("200 \"hello\"", Closed),
        case("Connection: keep-alive, and it closes", [five("connection: keep-alive\r\n"), Close])
            .gives("200 \"hello\"", Closed),
        case("Connection names a field", [five("connection: x-a\r\nx-a: b\r\nx-c: d\r\n")])
            .gives("200 \"hello\" (x-c: d)", Reused)
            .shows(SHOWN),
        case("Connection names the length", [five("connection: content-length\r\n")])
            .gives("200 \"hello\" (content-length: 5)", Reused)
            .shows(&["content-length"]),
        case("Upgrade in a 200", [five("connection: upgrade\r\nupgrade: h2c\r\n")])
            .gives("200 \"hello\"", Reused)
            .shows(&["upgrade", "connection"]),
        case("HTTP/1.0 with a length", [ten("content-length: 5\r\n")]).gives("200 \"hello\"", Closed),
        case("HTTP/1.0 with keep-alive", [ten("connection: keep-alive\r\ncontent-length: 5\r\n")])
            .gives("200 \"hello\"", Reused),
        case("HTTP/1.0 without a length", [ten(""), Close]).gives("200 \"hello\"", Closed),
        case("an HTTP/1.0 client, chunks", [ok("transfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n")])
            .http10()
            .gives("200 \"hello\"", Reused)
            .shows(&["transfer-encoding"]),
        case("an HTTP/1.0 client, chunks that are cut", [ok("transfer-encoding: chunked\r\n", "5\r\nhello\r\n"), Close])
            .http10()
            .gives("200 \"hello\" cut", Closed),
        case("an HTTP/1.0 client, a length too long", [ok("content-length: 9\r\n", "hello"), Close])
            .http10()
            .gives("200 \"hello\" cut", Closed),
        case("an HTTP/1.0 client, an interim answer", [say("HTTP/1.1 103 Early Hints\r\n\r\n"), five("")])
            .http10()
            .gives("200 \"hello\"", Reused),
    ]
}

/// A status line over a short answer.
fn line(line: &str) -> crate::case::Step {
    say(format!("{line}\r\ncontent-length: 5\r\n\r\nhello"))
}

/// A short answer with these fields.
fn five(fields: &str) -> crate::case::Step {
    ok(&format!("{fields}content-length: 5\r\n"), "hello")
}

/// An answer of HTTP/1.0.
fn ten(fields: &str) -> crate::case::Step {
    say(format!("HTTP/1.0 200 OK\r\n{fields}\r\nhello"))
}

const SHOWN: &[&str] = &["x-a", "x-c"];
const INJECTED: &[&str] = &["location", "set-cookie"];
const BLANK: &str = "it says nothing, and nothing of it is passed on";
