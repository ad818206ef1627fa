//! One case of the corpus: bytes of a client, and what must come of them.

/// The host that every proxy of the test serves.
pub(crate) const HOST: &str = "a.test";

/// Sent behind every case but those that are [cut short](Case::cut_short). Whether it is read as a
/// request tells where a proxy believes that the case ended.
pub(crate) const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

/// Bytes of a client, and what labgate makes of them.
pub(crate) struct Case {
    /// Unique; a row of the table in `docs/parsing.md`.
    pub(crate) name: &'static str,
    pub(crate) sends: Vec<u8>,
    /// The client ends its side of the connection behind the bytes, instead of asking again.
    pub(crate) cut_short: bool,
    pub(crate) expects: Expected,
    /// Why labgate forwards what nginx or `HAProxy` refuses.
    pub(crate) lenient: Option<&'static str>,
    /// `HAProxy` does now this, now that with the same bytes.
    pub(crate) haproxy_varies: bool,
}

/// What labgate must do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Expected {
    /// The whole requests that the upstream gets, byte for byte, without the lines that labgate adds
    /// to all of them, and with the chunks of a body joined.
    pub(crate) upstream: Vec<Vec<u8>>,
    /// A head that may reach the upstream behind those, and whose body never ends there.
    pub(crate) cut: Option<Vec<u8>>,
    /// The statuses that the client gets, the one for [`NEXT`] and interim ones included.
    pub(crate) answers: Vec<u16>,
    /// Whether [`NEXT`] reaches the upstream.
    pub(crate) next: bool,
    /// Whether it is a matter of chance if [`NEXT`] is read: the answer may come before the body.
    pub(crate) may_close: bool,
    /// Whether the last request becomes a tunnel, through which [`NEXT`] goes as bytes.
    pub(crate) tunnel: bool,
}

/// These requests reach the upstream, and then the next one does.
pub(crate) fn passes<const N: usize>(
    name: &'static str,
    sends: impl AsRef<[u8]>,
    upstream: [impl AsRef<[u8]>; N],
) -> Case {
    let expects = Expected {
        upstream: upstream.map(|gets| gets.as_ref().to_vec()).into(),
        answers: vec![200; N + 1],
        next: true,
        ..Expected::default()
    };
    Case::new(name, sends, expects)
}

/// Nothing reaches the upstream, and nothing behind it is read.
pub(crate) fn refused(name: &'static str, sends: impl AsRef<[u8]>, status: u16) -> Case {
    let expects = Expected {
        answers: vec![status],
        ..Expected::default()
    };
    Case::new(name, sends, expects)
}

/// Nothing reaches the upstream, but the next request does: what is wrong is no matter of framing.
pub(crate) fn answered(name: &'static str, sends: impl AsRef<[u8]>, status: u16) -> Case {
    let expects = Expected {
        answers: vec![status, 200],
        next: true,
        ..Expected::default()
    };
    Case::new(name, sends, expects)
}

/// No whole request reaches the upstream, and nothing behind it is read. It may have seen this head
/// and a part of the body before the connection is taken from it.
pub(crate) fn cut(name: &'static str, sends: impl AsRef<[u8]>, head: &str) -> Case {
    let expects = Expected {
        cut: Some(head.as_bytes().to_vec()),
        answers: vec![400],
        ..Expected::default()
    };
    Case::new(name, sends, expects)
}

/// The connection ends without an answer, and nothing reaches the upstream.
pub(crate) fn closed(name: &'static str, sends: impl AsRef<[u8]>) -> Case {
    Case::new(name, sends, Expected::default())
}

/// A handshake that reaches the upstream and is accepted; what is behind it are bytes.
pub(crate) fn tunnels(name: &'static str, sends: impl AsRef<[u8]>, upstream: &str) -> Case {
    let expects = Expected {
        upstream: vec![upstream.as_bytes().to_vec()],
        answers: vec![101],
        tunnel: true,
        ..Expected::default()
    };
    Case::new(name, sends, expects)
}

impl Case {
    fn new(name: &'static str, sends: impl AsRef<[u8]>, expects: Expected) -> Self {
        Self {
            name,
            sends: sends.as_ref().to_vec(),
            cut_short: false,
            expects,
            lenient: None,
            haproxy_varies: false,
        }
    }

    /// What labgate accepts here on purpose.
    pub(crate) fn lenient(mut self, reason: &'static str) -> Self {
        self.lenient = Some(reason);
        self
    }

    /// What `HAProxy` does here is not to be relied on.
    pub(crate) fn haproxy_varies(mut self) -> Self {
        self.haproxy_varies = true;
        self
    }

    /// The client sends no more, and says so.
    pub(crate) fn cut_short(mut self) -> Self {
        self.cut_short = true;
        self
    }

    /// The connection ends behind these requests.
    pub(crate) fn closes(mut self) -> Self {
        self.expects.next = false;
        self.expects.answers.pop();
        self
    }

    /// The connection may end behind the answer, if that comes before the body does.
    pub(crate) fn may_close(mut self) -> Self {
        self.expects.may_close = true;
        self
    }

    /// These statuses instead.
    pub(crate) fn answers(mut self, statuses: &[u16]) -> Self {
        self.expects.answers = statuses.to_vec();
        self
    }

    /// Behind what passes comes what is refused.
    pub(crate) fn then_refused(self, status: u16) -> Self {
        let mut case = self.closes();
        case.expects.answers.push(status);
        case
    }

    /// Behind what passes comes what is cut.
    pub(crate) fn then_cut(self, head: &str) -> Self {
        let mut case = self.then_refused(400);
        case.expects.cut = Some(head.as_bytes().to_vec());
        case
    }
}
