//! Request targets and authorities (RFC 9112 §3.2, RFC 9110 §7.2), stricter than `http::Uri`.

use super::Refusal;

/// How a request names what it wants. Other forms are refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TargetForm {
    /// `http://host/path`; the host agrees with `Host`, so only path and query matter.
    Absolute,
    /// `/path?query`, the usual one.
    Origin,
}

/// A target split into what has to agree with `Host`, and its form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) form: TargetForm,
    /// The authority of an absolute form, and the port its scheme implies.
    pub(super) authority: Option<(&'a [u8], u16)>,
}

/// `http::Uri` takes no more.
pub(super) const MAX_TARGET_BYTES: usize = u16::MAX as usize - 1;

/// Checks the bytes between the two spaces of a request line.
pub(super) fn check_target(target: &[u8]) -> Result<Target<'_>, Refusal> {
    if target.len() > MAX_TARGET_BYTES {
        return Err(Refusal::UriTooLong);
    }
    if target.starts_with(b"/") {
        check_path_and_query(target)?;
        return Ok(Target {
            form: TargetForm::Origin,
            authority: None,
        });
    }
    let (rest, port) = if let Some(rest) = strip_prefix_ignoring_case(target, b"http://") {
        (rest, 80)
    } else if let Some(rest) = strip_prefix_ignoring_case(target, b"https://") {
        (rest, 443)
    } else {
        return Err(Refusal::BadRequest("the target is not a path"));
    };
    let end = memchr::memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !path.is_empty() {
        if !path.starts_with(b"/") {
            return Err(Refusal::BadRequest("the target has no path"));
        }
        check_path_and_query(path)?;
    }
    Ok(Target {
        form: TargetForm::Absolute,
        authority: Some((authority, port)),
    })
}

/// Checks `/path?query`: printable ASCII; neither a fragment nor a backslash in the path, which
/// some tools read as a slash; nothing that `http::Uri` refuses.
pub(super) fn check_path_and_query(bytes: &[u8]) -> Result<(), Refusal> {
    let (path, query) = match memchr::memchr(b'?', bytes) {
        Some(at) => bytes.split_at(at),
        None => (bytes, &[][..]),
    };
    let good_path = |byte: &u8| {
        matches!(byte, b'!'..=b'~') && !matches!(byte, b'#' | b'<' | b'>' | b'\\' | b'`')
    };
    let good_query =
        |byte: &u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'#' | b'<' | b'>');
    if !path.iter().all(good_path) {
        return Err(Refusal::BadRequest(
            "the path holds a character that has to be percent-encoded",
        ));
    }
    if !query.iter().all(good_query) {
        return Err(Refusal::BadRequest(
            "the query holds a character that has to be percent-encoded",
        ));
    }
    Ok(())
}

/// A host, as written, and the port, if one is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authority<'a> {
    host: &'a [u8],
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// `host` or `host:port`. Names of letters, digits and `-._~`; addresses of version 6 in
    /// brackets; no user information, no percent-encoding, no empty port.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, Refusal> {
        let bad = Refusal::BadRequest("the host is not a name or address with an optional port");
        let name_end = if text.starts_with(b"[") {
            memchr::memchr(b']', text).map(|at| at + 1)
        } else {
            Some(memchr::memchr(b':', text).unwrap_or(text.len()))
        };
        let Some((host, port)) = name_end.and_then(|end| text.split_at_checked(end)) else {
            return Err(bad);
        };
        let good = match host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]")) {
            Some(address) => {
                std::str::from_utf8(address).is_ok_and(|a| a.parse::<std::net::Ipv6Addr>().is_ok())
            }
            None => {
                !host.is_empty()
                    && host.iter().all(|b| {
                        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
                    })
            }
        };
        let port = match port.strip_prefix(b":") {
            Some(digits) => match parse_port(digits) {
                Some(port) => Some(port),
                None => return Err(bad),
            },
            None if port.is_empty() => None,
            None => return Err(bad),
        };
        if good {
            Ok(Self { host, port })
        } else {
            Err(bad)
        }
    }

    /// Whether both name the same host and port, an unwritten port being `default_port`.
    pub(super) fn agrees_with(&self, other: &Self, default_port: u16) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

fn parse_port(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn strip_prefix_ignoring_case<'a>(bytes: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = bytes.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}
