//! A request as the recorder reads it: RFC 9112 without any of its allowances.

use std::net::IpAddr;

/// A request, as far as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// Request line and fields, byte for byte, with the empty line.
    pub(crate) head: Vec<u8>,
    /// Without chunk framing.
    pub(crate) body: Vec<u8>,
    /// Whether it came in chunks.
    chunked: bool,
    /// The lines behind the last chunk, byte for byte.
    trailers: Vec<u8>,
    /// Whether something in it is not as it must be: two readers could disagree.
    pub(crate) unclear: bool,
}

/// What the bytes of a connection begin with.
pub(crate) enum Parsed {
    /// A request and its length.
    Whole(Message, usize),
    /// The beginning of one.
    Begun(Message),
    Nothing,
}

impl Message {
    pub(crate) fn parse(bytes: &[u8]) -> Parsed {
        if bytes.is_empty() {
            return Parsed::Nothing;
        }
        let mut message = Self::default();
        match message.take(bytes) {
            Some(rest) if !message.unclear => Parsed::Whole(message, bytes.len() - rest),
            _ => Parsed::Begun(message),
        }
    }

    /// Reads a whole message; how many bytes are left behind it.
    fn take(&mut self, bytes: &[u8]) -> Option<usize> {
        let (head, mut rest) = split_after(bytes, b"\r\n\r\n")?;
        self.head = head.to_vec();
        if !self.has_good_lines() {
            return self.give_up();
        }
        let codings = self.values("transfer-encoding");
        let lengths = self.values("content-length");
        match (&codings[..], &lengths[..]) {
            ([], []) => {}
            ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") => {
                self.chunked = true;
                return self.take_chunks(rest);
            }
            ([], [length]) => {
                let Some(length) = number(length, 10) else {
                    return self.give_up();
                };
                self.take_content(&mut rest, length)?;
            }
            _ => return self.give_up(),
        }
        Some(rest.len())
    }

    fn take_chunks(&mut self, mut rest: &[u8]) -> Option<usize> {
        loop {
            let (line, tail) = split_after(rest, b"\r\n")?;
            rest = tail;
            match number(&line[..line.len() - 2], 16) {
                Some(0) => break,
                Some(size) => self.take_content(&mut rest, size)?,
                None => return self.give_up(),
            }
            match rest {
                [b'\r', b'\n', tail @ ..] => rest = tail,
                [] | [b'\r'] => return None,
                _ => return self.give_up(),
            }
        }
        loop {
            let (line, tail) = split_after(rest, b"\r\n")?;
            rest = tail;
            if line == b"\r\n" {
                return Some(rest.len());
            }
            self.trailers.extend_from_slice(line);
        }
    }

    fn take_content(&mut self, rest: &mut &[u8], length: usize) -> Option<()> {
        let (content, tail) = rest.split_at(length.min(rest.len()));
        self.body.extend_from_slice(content);
        *rest = tail;
        (content.len() == length).then_some(())
    }

    fn give_up(&mut self) -> Option<usize> {
        self.unclear = true;
        None
    }

    /// Whether every line ends in CRLF, and each but the first is a field.
    fn has_good_lines(&self) -> bool {
        let mut lines = self.head.split_inclusive(|byte| *byte == b'\n');
        let whole = |line: &&[u8]| {
            let line = line.strip_suffix(b"\r\n");
            line.is_some_and(|line| !line.contains(&b'\r'))
        };
        let field = |line: &[u8]| {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            line == b"\r\n" || (!name.is_empty() && name.iter().all(|byte| is_token(*byte)))
        };
        lines.next().as_ref().is_some_and(whole) && lines.all(|line| whole(&line) && field(line))
    }

    /// The values of all fields of a lowercase name.
    fn values(&self, name: &str) -> Vec<Vec<u8>> {
        let lines = self.head.split(|byte| *byte == b'\n').skip(1);
        let fields = lines.filter_map(|line| {
            let at = line.iter().position(|byte| *byte == b':')?;
            Some((&line[..at], line[at + 1..].trim_ascii()))
        });
        fields
            .filter(|(named, _)| named.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.to_vec())
            .collect()
    }

    /// The last value of a lowercase name.
    pub(crate) fn value(&self, name: &str) -> Option<Vec<u8>> {
        self.values(name).pop()
    }

    /// What the proxy says last of where it is from.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        let said = self.value("x-forwarded-for")?;
        String::from_utf8(said).ok()?.parse().ok()
    }

    /// The key of a WebSocket handshake.
    pub(crate) fn handshake_key(&self) -> Option<Vec<u8>> {
        let [upgrade, connection] =
            ["upgrade", "connection"].map(|name| self.values(name).concat().to_ascii_lowercase());
        let asked = find(&connection, b"upgrade").is_some();
        (asked && upgrade == b"websocket").then_some(())?;
        self.value("sec-websocket-key")
    }

    /// The request's line.
    pub(crate) fn line(&self) -> &[u8] {
        self.head
            .split(|byte| *byte == b'\r')
            .next()
            .unwrap_or_default()
    }

    /// Takes the field of this lowercase name out of the head; its value.
    pub(crate) fn remove(&mut self, name: &str) -> Option<String> {
        let start = format!("\r\n{name}: ");
        let at = find(&self.head, start.as_bytes())?;
        let end = at + 2 + find(&self.head[at + 2..], b"\r\n")?;
        let line: Vec<u8> = self.head.drain(at..end).collect();
        String::from_utf8(line[start.len()..].to_vec()).ok()
    }

    /// The whole message, a chunked body as one chunk.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        if self.chunked && !self.body.is_empty() {
            bytes.extend_from_slice(format!("{:x}\r\n", self.body.len()).as_bytes());
            bytes.extend_from_slice(&self.body);
            bytes.extend_from_slice(b"\r\n");
        } else {
            bytes.extend_from_slice(&self.body);
        }
        if self.chunked {
            bytes.extend_from_slice(b"0\r\n");
            bytes.extend_from_slice(&self.trailers);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn number(digits: &[u8], radix: u32) -> Option<usize> {
    let text = std::str::from_utf8(digits).ok()?;
    text.starts_with(|first: char| first != '+').then_some(())?;
    usize::from_str_radix(text, radix).ok()
}

fn split_after<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    find(bytes, mark).map(|at| bytes.split_at(at + mark.len()))
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, mark)
}
