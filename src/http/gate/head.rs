//! One HTTP/1 request head: where it ends, whether every byte of it is as RFC 9112 has it, and what
//! it says that the rest of labgate must know. Pure, without allocation unless it refuses.
//!
//! The verdict does not depend on how the bytes were split on their way: a head is judged when all
//! of it is there. Only its first byte and its size are judged before that.

use http::Version;

use super::{
    Refusal, TargetForm,
    fields::{self, Fields, Upgrade},
    target::{self, Authority},
};

/// What a head that may pass says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// The form of the request target.
    pub target: TargetForm,
    /// HTTP/1.0, HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// How the body is framed.
    pub body: Body,
    /// A WebSocket handshake: `GET` with `Upgrade: websocket` and `Connection: upgrade`. The gate
    /// reads no further head after it, so answer 101, or anything with `Connection: close`. Over
    /// HTTP/2 a `CONNECT` with `:protocol` `websocket`.
    pub upgrade: bool,
    /// `Expect: 100-continue`.
    pub expect_continue: bool,
    /// The client wants no further request on this connection.
    pub closes: bool,
    /// Size of the head in bytes, its empty line included; for HTTP/2 what it would have as HTTP/1.
    pub bytes: usize,
}

/// How a body is framed (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Body {
    /// Chunks, size unknown.
    Chunked,
    /// No body, or one of length 0.
    Empty,
    /// So many bytes, never 0.
    Length(u64),
    /// HTTP/2 without a length: until the stream's end, which may be at once.
    Unsized,
}

/// What may be in a head at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLimits {
    pub(super) bytes: usize,
    pub(super) fields: usize,
}

/// What `scan` found at the start of some bytes.
#[derive(Debug)]
pub(super) enum Scanned {
    Complete(Head),
    /// More bytes are needed; nothing is wrong so far.
    Partial,
    Refused(Refusal),
}

/// Looks for one head at the start of `bytes`, behind at most one empty line (RFC 9112 §2.2).
/// `searched` is how many of them an earlier call saw and found to hold no end.
pub(super) fn scan(bytes: &[u8], searched: usize, limits: HeadLimits) -> Scanned {
    let lead = leading_line(bytes);
    let Some((_, head)) = bytes.split_at_checked(lead) else {
        return Scanned::Partial;
    };
    match head.first() {
        None | Some(b'\r') if lead == 0 && head.len() < 2 => return Scanned::Partial,
        None => return Scanned::Partial,
        Some(first) if !fields::is_token(*first) => {
            return Scanned::Refused(Refusal::BadRequest(
                "the request does not start with a method",
            ));
        }
        Some(_) => {}
    }
    // The usual case: all is there and all is well.
    let judged = if searched == 0 {
        judge(head, limits)
    } else {
        Ok(None)
    };
    if let Ok(Some(found)) = judged
        && found.bytes <= limits.bytes
    {
        return Scanned::Complete(Head {
            bytes: found.bytes + lead,
            ..found
        });
    }
    let Some(end) = find_end(head, searched.saturating_sub(lead)) else {
        return if head.len() > limits.bytes {
            Scanned::Refused(too_large(head, limits))
        } else {
            Scanned::Partial
        };
    };
    if end > limits.bytes {
        return Scanned::Refused(too_large(head, limits));
    }
    match judge(head.get(..end).unwrap_or(head), limits) {
        Ok(Some(found)) => Scanned::Complete(Head {
            bytes: found.bytes + lead,
            ..found
        }),
        Ok(None) => Scanned::Refused(BARE_LF),
        Err(refusal) => Scanned::Refused(refusal),
    }
}

/// Whether these bytes are the beginning of a head, and not just of the empty line before one.
pub(super) fn has_begun(bytes: &[u8]) -> bool {
    !b"\r\n".starts_with(bytes)
}

/// The length of the empty line at the start, if there is one.
fn leading_line(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\r\n") { 2 } else { 0 }
}

/// The end of the first empty line, however its line ends look; behind `searched` bytes that hold
/// none.
fn find_end(head: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(2);
    let tail = head.get(from..)?;
    memchr::memchr_iter(b'\n', tail).find_map(|at| match tail.get(at + 1..)? {
        [b'\n', ..] => Some(from + at + 2),
        [b'\r', b'\n', ..] => Some(from + at + 3),
        _ => None,
    })
}

/// Judges a head line by line. `None` when the bytes end before the head does.
fn judge(head: &[u8], limits: HeadLimits) -> Result<Option<Head>, Refusal> {
    let mut rest = head;
    let Some(line) = take_line(&mut rest)? else {
        return Ok(None);
    };
    let request = RequestLine::parse(line)?;
    let mut fields = Fields::default();
    loop {
        let Some(line) = take_line(&mut rest)? else {
            return Ok(None);
        };
        if line.is_empty() {
            let bytes = head.len() - rest.len();
            return conclude(&request, &fields, bytes).map(Some);
        }
        let (name, value) = fields::split_field(line).map_err(Refusal::BadRequest)?;
        fields.see(name, value, limits.fields)?;
    }
}

/// Takes a line from `rest`, and gives it without its end. `None` when there is no whole line.
fn take_line<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Refusal> {
    let Some((line, tail)) =
        memchr::memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at + 1))
    else {
        return Ok(None);
    };
    *rest = tail;
    line.strip_suffix(b"\r\n").map(Some).ok_or(BARE_LF)
}

struct RequestLine<'a> {
    is_get: bool,
    target: target::Target<'a>,
    version: Version,
}

impl<'a> RequestLine<'a> {
    /// RFC 9112 §3: three words, one space between them.
    fn parse(line: &'a [u8]) -> Result<Self, Refusal> {
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let (Some(method), Some(target), Some(version)) =
            (words.next(), words.next(), words.next())
        else {
            return Err(Refusal::BadRequest("the request line has not three words"));
        };
        if method.is_empty() || !method.iter().all(|byte| fields::is_token(*byte)) {
            return Err(Refusal::BadRequest("the method is not a name"));
        }
        if method.len() > MAX_METHOD_BYTES {
            return Err(Refusal::BadRequest("the method is too long"));
        }
        let version = match version {
            b"HTTP/1.0" => Version::HTTP_10,
            b"HTTP/1.1" => Version::HTTP_11,
            _ => {
                return Err(Refusal::BadRequest(
                    "the version is neither HTTP/1.1 nor HTTP/1.0",
                ));
            }
        };
        match method {
            b"CONNECT" | b"TRACE" => return Err(Refusal::MethodNotAllowed),
            b"PRI" => return Err(Refusal::BadRequest("HTTP/2 is not expected here")),
            _ => {}
        }
        Ok(Self {
            is_get: method == b"GET",
            target: target::check_target(target)?,
            version,
        })
    }
}

/// The rules that need the whole head.
fn conclude(request: &RequestLine<'_>, fields: &Fields<'_>, bytes: usize) -> Result<Head, Refusal> {
    let is_http_11 = request.version == Version::HTTP_11;
    check_host(request, fields, is_http_11)?;
    let body = body(fields, is_http_11)?;
    let upgrade = fields.upgrade == Some(Upgrade::WebSocket) && fields.connection.upgrade;
    if upgrade && !(request.is_get && is_http_11 && body == Body::Empty) {
        return Err(Refusal::BadRequest(
            "a websocket handshake is a GET over HTTP/1.1 without a body",
        ));
    }
    Ok(Head {
        target: request.target.form,
        version: request.version,
        body,
        upgrade,
        expect_continue: is_http_11 && fields.expect_continue,
        closes: fields.connection.close || !(is_http_11 || fields.connection.keep_alive),
        bytes,
    })
}

/// RFC 9112 §3.2 and §3.2.2.
fn check_host(
    request: &RequestLine<'_>,
    fields: &Fields<'_>,
    is_http_11: bool,
) -> Result<(), Refusal> {
    let host = match fields.host {
        Some(host) => Some(Authority::parse(host)?),
        None if is_http_11 => return Err(Refusal::BadRequest("there is no host field")),
        None => None,
    };
    if let Some((authority, default_port)) = request.target.authority {
        let named = Authority::parse(authority)?;
        if !host.is_some_and(|host| host.agrees_with(&named, default_port)) {
            return Err(Refusal::BadRequest(
                "the target and the host field disagree",
            ));
        }
    }
    Ok(())
}

/// RFC 9112 §6.3.
fn body(fields: &Fields<'_>, is_http_11: bool) -> Result<Body, Refusal> {
    match (fields.chunked, fields.content_length) {
        (true, Some(_)) => Err(Refusal::BadRequest(
            "there are both a transfer-encoding and a content-length",
        )),
        (true, None) if !is_http_11 => {
            Err(Refusal::BadRequest("HTTP/1.0 has no transfer-encoding"))
        }
        (true, None) => Ok(Body::Chunked),
        (false, None | Some(0)) => Ok(Body::Empty),
        (false, Some(length)) => Ok(Body::Length(length)),
    }
}

/// Names what fills the first `limits.bytes` bytes of a head.
fn too_large(head: &[u8], limits: HeadLimits) -> Refusal {
    let seen = head.get(..limits.bytes).unwrap_or(head);
    let mut lines = seen.split_inclusive(|byte| *byte == b'\n');
    if lines.next().is_none_or(|line| !line.ends_with(b"\n")) {
        return Refusal::UriTooLong;
    }
    Refusal::too_large(lines.filter_map(|line| {
        let (name, _) = line.split_at(memchr::memchr(b':', line)?);
        name.iter()
            .all(|byte| fields::is_token(*byte))
            .then_some((name, line.len()))
    }))
}

/// The longest registered method has 17 bytes.
pub(super) const MAX_METHOD_BYTES: usize = 32;

const BARE_LF: Refusal = Refusal::BadRequest("a line ends in a bare line feed");
