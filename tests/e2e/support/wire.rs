//! HTTP/1.1 messages as bytes: just enough reading to see what was really sent (RFC 9112).
//!
//! Used from both ends: by [`raw`](super::raw) for answers, by [`origin`](super::origin) for
//! requests. Nothing is normalized except that field names are lowercase.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// A byte stream of any kind.
pub(crate) trait Io: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin> Io for T {}

/// Header or trailer fields in order, names lowercase, values as Latin-1.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(pub(crate) Vec<(String, String)>);

impl Fields {
    /// The only value of `name`; fails the test when there are several.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} stands there more than once: {all:?}");
        all.first().copied()
    }

    /// Every value of `name`, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.0.iter().filter(|(field, _)| field == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a field of that name is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    fn parse(lines: &str) -> Self {
        let fields = lines.split("\r\n").filter_map(|line| line.split_once(':'));
        Self(
            fields
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
        )
    }
}

/// A start line and its fields.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// Everything before the empty line, as it came.
    pub(crate) raw: String,
    /// `GET / HTTP/1.1` or `HTTP/1.1 200 OK`
    pub(crate) start: String,
    /// The fields below it.
    pub(crate) fields: Fields,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    /// In chunks.
    Chunked,
    /// With the connection.
    Close,
    /// After so many bytes.
    Length(usize),
}

impl Head {
    /// What the fields say about the body; `otherwise` where they say nothing.
    pub(crate) fn framing(&self, otherwise: Framing) -> Framing {
        if self.fields.has("transfer-encoding") {
            return Framing::Chunked;
        }
        match self.fields.get("content-length") {
            Some(length) => Framing::Length(length.parse().expect("a length is a number")),
            None => otherwise,
        }
    }
}

/// A body as far as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    /// Its bytes, without chunk framing.
    pub(crate) bytes: Vec<u8>,
    /// Fields behind a chunked one.
    pub(crate) trailers: Fields,
    /// Whether its end was reached (not cut).
    pub(crate) whole: bool,
}

/// A stream and what was read from it too early.
pub(crate) struct Wire {
    /// The stream.
    pub(crate) stream: Box<dyn Io>,
    /// Read, but not yet asked for.
    pub(crate) early: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: impl Io + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            early: Vec::new(),
        }
    }

    /// Reads more; false at the end of the stream.
    pub(crate) async fn fill(&mut self) -> io::Result<bool> {
        self.early.reserve(64 * 1024);
        Ok(self.stream.read_buf(&mut self.early).await? > 0)
    }

    /// Everything up to and without `mark`; `None` when the stream ends before anything came.
    async fn until(&mut self, mark: &[u8]) -> io::Result<Option<String>> {
        loop {
            let found = self.early.windows(mark.len()).position(|seen| seen == mark);
            if let Some(at) = found {
                let text = latin1(&self.early[..at]);
                self.early.drain(..at + mark.len());
                return Ok(Some(text));
            }
            if !self.fill().await? {
                if self.early.is_empty() {
                    return Ok(None);
                }
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next head; `None` when the stream ends before one begins.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        let Some(raw) = self.until(b"\r\n\r\n").await? else {
            return Ok(None);
        };
        let (start, lines) = raw.split_once("\r\n").unwrap_or((&raw, ""));
        Ok(Some(Head {
            start: start.to_owned(),
            fields: Fields::parse(lines),
            raw,
        }))
    }

    /// A body, as far as it comes.
    pub(crate) async fn body(&mut self, framing: Framing) -> Body {
        let mut body = Body::default();
        body.whole = match framing {
            Framing::Chunked => self.chunks(&mut body).await.is_ok(),
            Framing::Close => loop {
                match self.fill().await {
                    Ok(true) => {}
                    end => {
                        body.bytes.append(&mut self.early);
                        break end.is_ok();
                    }
                }
            },
            Framing::Length(length) => self.exactly(length, &mut body.bytes).await.is_ok(),
        };
        body
    }

    async fn exactly(&mut self, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let end = into.len() + length;
        loop {
            let take = self.early.len().min(end - into.len());
            into.extend(self.early.drain(..take));
            if into.len() == end {
                return Ok(());
            }
            if !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn chunks(&mut self, body: &mut Body) -> io::Result<()> {
        let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
        loop {
            let size = self.until(b"\r\n").await?.ok_or_else(cut)?;
            let size = size.split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            if size == 0 {
                break;
            }
            self.exactly(size, &mut body.bytes).await?;
            self.until(b"\r\n").await?.ok_or_else(cut)?;
        }
        loop {
            let line = self.until(b"\r\n").await?.ok_or_else(cut)?;
            if line.is_empty() {
                return Ok(());
            }
            body.trailers.0.append(&mut Fields::parse(&line).0);
        }
    }
}

/// Bytes as text, one character each, so that nothing is lost or joined.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
