//! Where to send a browser, and header values of text that we made ourselves.

use http::{HeaderValue, StatusCode};

/// Where to send a browser.
#[derive(Debug)]
pub struct Redirect {
    /// 303 or 308.
    pub status: StatusCode,
    /// A complete `Location` (RFC 9110 §10.2.2).
    pub location: HeaderValue,
    /// A cookie to set with it.
    pub cookie: Option<HeaderValue>,
}

/// A header value of text that we made from checked parts; what could not be one becomes `/`.
pub fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("/"))
}
