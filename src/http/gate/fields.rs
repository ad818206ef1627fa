//! Header fields: their syntax (RFC 9110 §5) and what they say about framing, authority and
//! upgrade. One collector serves the heads of HTTP/1 and HTTP/2.

use super::Refusal;

/// What the fields seen so far say.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) host: Option<&'a [u8]>,
    pub(super) content_length: Option<u64>,
    pub(super) chunked: bool,
    pub(super) connection: Connection,
    pub(super) upgrade: Option<Upgrade>,
    pub(super) expect_continue: bool,
    authorization: bool,
    count: usize,
}

/// The options in `Connection` that matter here (RFC 9110 §7.6.1).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Connection {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade: bool,
}

/// What `Upgrade` asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Upgrade {
    /// Something that we do not speak, and that may be ignored (RFC 9110 §7.8).
    Other,
    WebSocket,
}

impl<'a> Fields<'a> {
    /// Takes one field. `value` is without the spaces around it, but may have tabs there: in what
    /// decides about framing and authority these are refused, since not everybody takes them for
    /// white space.
    pub(super) fn see(
        &mut self,
        name: &[u8],
        value: &'a [u8],
        max_headers: usize,
    ) -> Result<(), Refusal> {
        self.count += 1;
        if self.count > max_headers {
            return Err(Refusal::TooManyHeaders);
        }
        // By length first: most fields are none of these, and this sees every one.
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is(b"host") => self.see_host(value)?,
            6 if is(b"expect") => {
                self.expect_continue |= trim(value).eq_ignore_ascii_case(b"100-continue");
            }
            7 if is(b"upgrade") => self.see_upgrade(value)?,
            10 if is(b"connection") => self.see_connection(value)?,
            13 if is(b"authorization") => self.see_authorization()?,
            14 if is(b"content-length") => self.see_content_length(value)?,
            14 if is(b"http2-settings") => return Err(H2C),
            17 if is(b"transfer-encoding") => self.see_transfer_encoding(value)?,
            _ => {}
        }
        Ok(())
    }

    fn see_host(&mut self, value: &'a [u8]) -> Result<(), Refusal> {
        match self.host.replace(value) {
            Some(_) => Err(Refusal::BadRequest("there are two host fields")),
            None => Ok(()),
        }
    }

    /// Two readers could each believe another one.
    fn see_authorization(&mut self) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.authorization, true) {
            return Err(Refusal::BadRequest("there are two authorization fields"));
        }
        Ok(())
    }

    fn see_content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let length =
            parse_length(value).ok_or(Refusal::BadRequest("the content-length is not a number"))?;
        match self.content_length.replace(length) {
            Some(_) => Err(Refusal::BadRequest("there are two content-length fields")),
            None => Ok(()),
        }
    }

    fn see_transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::BadRequest(
                "the transfer-encoding is not exactly chunked",
            ));
        }
        if std::mem::replace(&mut self.chunked, true) {
            return Err(Refusal::BadRequest(
                "there are two transfer-encoding fields",
            ));
        }
        Ok(())
    }

    fn see_connection(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for option in list(value) {
            if !option.iter().all(|byte| is_token(*byte)) {
                return Err(Refusal::BadRequest(
                    "the connection field is not a list of names",
                ));
            }
            self.connection.close |= option.eq_ignore_ascii_case(b"close");
            self.connection.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.connection.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
        Ok(())
    }

    fn see_upgrade(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if list(value).any(|protocol| {
            protocol.eq_ignore_ascii_case(b"h2c") || protocol.eq_ignore_ascii_case(b"h2")
        }) {
            return Err(H2C);
        }
        let upgrade = if trim(value).eq_ignore_ascii_case(b"websocket") {
            Upgrade::WebSocket
        } else {
            Upgrade::Other
        };
        if self.upgrade.replace(upgrade).is_some() {
            return Err(Refusal::BadRequest("there are two upgrade fields"));
        }
        Ok(())
    }
}

/// Splits `name: value`, a line without its end, and checks every byte of it. Takes the spaces around
/// the value off, and leaves tabs.
pub(super) fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let name_length = line
        .iter()
        .position(|byte| !is_token(*byte))
        .unwrap_or(line.len());
    let (name, rest) = line.split_at(name_length);
    let value = match rest.split_first() {
        Some((b':', value)) => value,
        Some((b' ' | b'\t', _)) if name.is_empty() => {
            return Err("a field is folded over several lines");
        }
        Some((b' ' | b'\t', _)) => return Err("there is a space in or after a field name"),
        _ => return Err("a field name holds a character that no name may hold"),
    };
    if name.is_empty() {
        return Err("a field has no name");
    }
    if name.len() > MAX_NAME_BYTES {
        return Err("a field name is too long");
    }
    if !is_value(value) {
        return Err("a field value holds a control character");
    }
    Ok((name, trim_spaces(value)))
}

/// Whether the byte may be part of a method or field name (`tchar`, RFC 9110 §5.6.2).
pub(super) const fn is_token(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_')
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'.'
                | b'^'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether all bytes may be part of a field value (RFC 9110 §5.5).
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without an early end the compiler compares many bytes at once"
)]
pub(super) fn is_value(value: &[u8]) -> bool {
    !value.iter().fold(false, |bad, &byte| {
        bad | ((byte < b' ') & (byte != b'\t')) | (byte == 0x7f)
    })
}

/// Fields that must not come as trailers because they decide about framing and routing (RFC 9110
/// §6.5.1).
pub(super) fn is_forbidden_in_trailers(name: &[u8]) -> bool {
    [&b"content-length"[..], b"transfer-encoding", b"host"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// One number of digits that fits what hyper counts with (RFC 9110 §8.6).
pub(super) fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value
        .iter()
        .try_fold(0_u64, |sum, byte| {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            sum.checked_mul(10)?.checked_add(digit)
        })
        .filter(|length| i64::try_from(*length).is_ok())
}

/// The members of a comma-separated list, without the empty ones (RFC 9110 §5.6.1).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(trim)
        .filter(|member| !member.is_empty())
}

fn trim_spaces(mut value: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' '] = value {
        value = rest;
    }
    value
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The longest names in use have some 50 bytes; `http` takes 64 KiB, and other proxies no more than
/// this.
const MAX_NAME_BYTES: usize = 255;

const H2C: Refusal = Refusal::BadRequest("an upgrade to HTTP/2 over clear text is not offered");
