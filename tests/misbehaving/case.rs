//! One broken answer: how it is asked for, what the upstream does, what a client gets.

/// One case of `answers`.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// What is odd about it; its name on the page.
    pub(crate) name: &'static str,
    /// `GET`
    pub(crate) method: &'static str,
    /// `HTTP/1.1`
    pub(crate) version: &'static str,
    /// Further lines of the request's head.
    pub(crate) fields: String,
    /// The route with limits on the upstream's time.
    pub(crate) limited: bool,
    /// What the client does after the head.
    pub(crate) client: Vec<Move>,
    /// What the upstream does with the head.
    pub(crate) script: Vec<Step>,
    /// Whether what the others make of it depends on the moment at which something comes.
    pub(crate) timed: bool,
    /// Fields of the answer that are looked at.
    pub(crate) shown: &'static [&'static str],
    /// What the client gets from labgate, as [`crate::run`] writes it.
    pub(crate) labgate: &'static str,
    /// What becomes of the upstream's connection.
    pub(crate) after: After,
    /// Why labgate does not do as the others.
    pub(crate) reason: &'static str,
}

/// One thing that an upstream does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Ends the connection in an orderly way.
    Close,
    /// Repeats the bytes until nobody takes them any more.
    Endless(Vec<u8>),
    /// Waits for [`Move::Go`].
    Gate,
    /// Ends its own direction and takes whatever comes.
    HalfClose,
    /// Says nothing more, and takes whatever comes.
    Rest,
    /// Reads so many bytes of the request's body.
    Read(usize),
    /// Resets the connection.
    Reset,
    /// Sends bytes.
    Say(Vec<u8>),
    /// Sends bytes one by one.
    Drip(Vec<u8>),
}

/// One thing that a client does.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    /// Lets the upstream pass a [`Step::Gate`].
    Go,
    /// Closes the connection.
    Leave,
    /// Sends bytes.
    Send(Vec<u8>),
    /// Waits until this text has come.
    Until(&'static str),
}

/// What becomes of the upstream's connection after the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum After {
    /// Either, since the next request may come before the upload has ended.
    Any,
    /// The upstream sees its end.
    Closed,
    /// Nobody uses it, and it is open.
    Kept,
    /// The next request comes on it.
    Reused,
    /// It was not asked for anything.
    Unused,
}

pub(crate) use After::{Any, Closed, Reused};
pub(crate) use Step::{Close, Gate, HalfClose, Reset, Rest};

/// A plain GET, answered by `script`.
pub(crate) fn case(name: &'static str, script: impl Into<Vec<Step>>) -> Case {
    Case {
        name,
        method: "GET",
        version: "HTTP/1.1",
        fields: String::new(),
        limited: false,
        client: Vec::new(),
        script: script.into(),
        timed: false,
        shown: &[],
        labgate: "",
        after: Closed,
        reason: "",
    }
}

/// Bytes of an upstream.
pub(crate) fn say(bytes: impl AsRef<[u8]>) -> Step {
    Step::Say(bytes.as_ref().to_vec())
}

/// Bytes without end.
pub(crate) fn endless(bytes: impl AsRef<[u8]>) -> Step {
    Step::Endless(bytes.as_ref().to_vec())
}

/// Bytes of a client.
pub(crate) fn send(bytes: impl AsRef<[u8]>) -> Move {
    Move::Send(bytes.as_ref().to_vec())
}

/// A 200 with these lines in its head, and this behind it.
pub(crate) fn ok(fields: &str, rest: &str) -> Step {
    say(format!("HTTP/1.1 200 OK\r\n{fields}\r\n{rest}"))
}

/// A chunked 200.
pub(crate) fn chunked(body: &str) -> Step {
    ok("transfer-encoding: chunked\r\n", body)
}

impl Case {
    /// What the client gets from labgate, and what becomes of the upstream's connection.
    pub(crate) fn gives(mut self, labgate: &'static str, after: After) -> Self {
        (self.labgate, self.after) = (labgate, after);
        self
    }

    /// Why labgate does not do as the others.
    pub(crate) fn because(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }

    /// Fields of the answer that matter.
    pub(crate) fn shows(mut self, names: &'static [&'static str]) -> Self {
        self.shown = names;
        self
    }

    /// A case of which nginx or `HAProxy` makes one thing now and another then.
    pub(crate) fn timed(mut self) -> Self {
        self.timed = true;
        self
    }

    /// Asked for otherwise.
    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// Asked for by an HTTP/1.0 client.
    pub(crate) fn http10(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    /// On the route with `response_timeout` and `stall_timeout`.
    pub(crate) fn limited(mut self) -> Self {
        self.limited = true;
        self
    }

    /// Further lines in the request's head, and what the client does after it.
    pub(crate) fn asked(mut self, fields: &str, moves: impl Into<Vec<Move>>) -> Self {
        self.fields += fields;
        self.client = moves.into();
        self
    }

    /// Asked for with a WebSocket handshake.
    pub(crate) fn websocket(mut self) -> Self {
        self.fields += HANDSHAKE;
        self
    }
}

/// What makes a request a WebSocket handshake.
pub(crate) const HANDSHAKE: &str = "connection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// The right answer to that key (RFC 6455 §1.3).
pub(crate) const ACCEPT: &str = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
