//! A reader of HTTP/1 requests that is too simple to be wrong in the way of the others: heads by
//! httparse, bodies by the first framing that is named.

use http::{HeaderMap, request::Parts};

/// One request as somebody read it.
#[derive(Debug, Default)]
pub(crate) struct Message {
    method: String,
    target: String,
    fields: Vec<(String, Vec<u8>)>,
    pub(crate) content: Vec<u8>,
    trailers: Vec<(String, Vec<u8>)>,
    /// Whether the end of the content was seen.
    pub(crate) complete: bool,
    /// On the wire; not compared, since hyper does not say.
    pub(crate) bytes: usize,
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.method == other.method
            && self.target == other.target
            && self.fields == other.fields
            && self.content == other.content
            && self.trailers == other.trailers
            && self.complete == other.complete
    }
}

impl Message {
    pub(crate) fn from_parts(parts: &Parts) -> Self {
        let target = parts.uri.path_and_query().map(ToString::to_string);
        Self {
            method: parts.method.to_string(),
            target: target.unwrap_or_default(),
            fields: list(&parts.headers),
            ..Self::default()
        }
    }

    pub(crate) fn add_trailers(&mut self, trailers: &HeaderMap) {
        self.trailers = list(trailers);
    }
}

/// In an order that does not depend on who lists them.
fn list(fields: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let pairs = fields.iter();
    sorted(pairs.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())))
}

fn sorted(fields: impl Iterator<Item = (String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let mut fields: Vec<_> = fields.collect();
    fields.sort();
    fields
}

fn parsed(fields: &[httparse::Header<'_>]) -> Vec<(String, Vec<u8>)> {
    sorted(
        fields
            .iter()
            .map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec())),
    )
}

/// Reads all requests, or as many as asked for.
pub(crate) fn read(mut bytes: &[u8], most: Option<usize>) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    while most != Some(messages.len()) && messages.last().is_none_or(|message| message.complete) {
        let mut fields = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut fields);
        let Ok(httparse::Status::Complete(length)) = request.parse(bytes) else {
            break;
        };
        let mut message = Message {
            method: request.method.unwrap().into(),
            target: path(request.path.unwrap()).into(),
            fields: parsed(request.headers),
            ..Message::default()
        };
        let value = |name: &str| {
            let found = request
                .headers
                .iter()
                .find(|field| field.name.eq_ignore_ascii_case(name))?;
            Some(std::str::from_utf8(found.value).unwrap())
        };
        let rest = &bytes[length..];
        let taken = if value("transfer-encoding").is_some() {
            chunks(rest, &mut message)
        } else {
            let length = value("content-length").map_or(0, |text| text.parse().unwrap());
            let taken = rest.len().min(length);
            message.content.extend_from_slice(&rest[..taken]);
            message.complete = taken == length;
            taken
        };
        message.bytes = length + taken;
        bytes = &bytes[message.bytes..];
        messages.push(message);
    }
    messages
}

/// The path and query of a target.
fn path(target: &str) -> &str {
    match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => {
            rest.find('/').map_or("/", |start| rest.split_at(start).1)
        }
        _ => target,
    }
}

/// Reads chunks as far as they are there; how many bytes that took.
fn chunks(bytes: &[u8], message: &mut Message) -> usize {
    let mut at = 0;
    loop {
        let Some(end) = bytes[at..].iter().position(|byte| *byte == b'\n') else {
            return bytes.len();
        };
        let line = std::str::from_utf8(&bytes[at..=at + end]).unwrap();
        let digits = line.split([';', '\r']).next().unwrap();
        let size = usize::from_str_radix(digits, 16).unwrap();
        at += end + 1;
        if size == 0 {
            break;
        }
        let taken = size.min(bytes.len() - at);
        message.content.extend_from_slice(&bytes[at..at + taken]);
        at += taken;
        if bytes.len() < at + 2 {
            return bytes.len();
        }
        at += 2;
    }
    let mut fields = [httparse::EMPTY_HEADER; 100];
    match httparse::parse_headers(&bytes[at..], &mut fields) {
        Ok(httparse::Status::Complete((length, trailers))) => {
            message.trailers = parsed(trailers);
            message.complete = true;
            at + length
        }
        _ => bytes.len(),
    }
}
