//! Why a request head is not let through, and the status that says so.

use http::StatusCode;

/// A request that is answered by a page of ours instead of being handled. Answer it with
/// `Connection: close` on HTTP/1.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// 400: the head breaks a rule; the text is a lowercase fragment without anything the client
    /// wrote.
    BadRequest(&'static str),
    /// 408: the head did not end in time.
    HeaderTimeout,
    /// 431: the head is larger than `max_header_bytes`; its largest fields, the largest first, at
    /// most three. Sizes count what had come when the limit was reached.
    HeaderTooLarge(Box<[LargeField]>),
    /// 405: `CONNECT`, for we are no tunnel, and `TRACE`, whose answer would show the client what we
    /// add for the tool alone (RFC 9110 §9.3.8).
    MethodNotAllowed,
    /// 431: more fields than `max_headers`.
    TooManyHeaders,
    /// 414: the request target alone is too long.
    UriTooLong,
}

/// A field that helped to make a head too large.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LargeField {
    /// Lowercase, token characters only, at most 64 of them.
    pub name: Box<str>,
    /// Name, value and line end, in bytes.
    pub bytes: usize,
}

impl Refusal {
    /// Every [`Refusal::name`].
    pub const NAMES: [&'static str; 6] = [
        "bad_request",
        "method",
        "timeout",
        "too_large",
        "too_many_fields",
        "uri_too_long",
    ];

    /// What metrics call it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::HeaderTimeout => "timeout",
            Self::HeaderTooLarge(_) => "too_large",
            Self::MethodNotAllowed => "method",
            Self::TooManyHeaders => "too_many_fields",
            Self::UriTooLong => "uri_too_long",
        }
    }

    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::HeaderTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::HeaderTooLarge(_) | Self::TooManyHeaders => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
        }
    }

    /// The largest of these fields; lines of `name: value`, the last one possibly cut short.
    pub(super) fn too_large<'a>(fields: impl Iterator<Item = (&'a [u8], usize)>) -> Self {
        let mut largest: Vec<(&[u8], usize)> = fields.collect();
        largest.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        largest.truncate(NAMED);
        Self::HeaderTooLarge(
            largest
                .into_iter()
                .map(|(name, bytes)| LargeField {
                    name: name
                        .iter()
                        .take(NAME_SHOWN)
                        .map(|byte| char::from(byte.to_ascii_lowercase()))
                        .collect::<String>()
                        .into(),
                    bytes,
                })
                .collect(),
        )
    }
}

/// How many fields a refusal names.
const NAMED: usize = 3;
/// How much of a name it shows.
const NAME_SHOWN: usize = 64;
