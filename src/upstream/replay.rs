//! What is kept of a request in case it must be sent again.
//!
//! RFC 9110 §9.2.2 lets a proxy repeat idempotent requests by itself. Of these only GET, HEAD,
//! OPTIONS and TRACE are kept here: a repeated PUT or DELETE changes nothing more, but its answer
//! may (the kernel that the first DELETE ended is a 404 to the second), and people would see it.

use std::cell::RefCell;

use http::{HeaderName, HeaderValue, Method, Request, Uri};

use super::connection::RequestBody;

/// A copy of a bodyless request.
#[derive(Debug)]
pub(super) struct Replay {
    method: Method,
    uri: Uri,
    headers: Fields,
}

type Fields = Vec<(HeaderName, HeaderValue)>;

/// Emptied field lists, so that a copy costs no allocation.
#[derive(Debug, Default)]
pub(super) struct Spares(RefCell<Vec<Fields>>);

impl Replay {
    /// `None` when the request must not be repeated.
    pub(super) fn of<B: RequestBody>(request: &Request<B>, spares: &Spares) -> Option<Self> {
        let safe = matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
        );
        if !safe || !request.body().is_end_stream() {
            return None;
        }
        let mut headers = spares.0.borrow_mut().pop().unwrap_or_default();
        let fields = request.headers().iter();
        headers.extend(fields.map(|(name, value)| (name.clone(), value.clone())));
        Some(Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers,
        })
    }

    pub(super) fn into_request<B: RequestBody>(self) -> Request<B> {
        let mut request = Request::new(B::default());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        for (name, value) in self.headers {
            request.headers_mut().append(name, value);
        }
        request
    }

    /// It is not needed.
    pub(super) fn discard(mut self, spares: &Spares) {
        let mut spares = spares.0.borrow_mut();
        if spares.len() < MAX_SPARES {
            self.headers.clear();
            spares.push(self.headers);
        }
    }
}

const MAX_SPARES: usize = 64;
