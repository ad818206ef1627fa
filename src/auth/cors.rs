//! Calls from pages of other origins that a route lists in `cors`.
//!
//! Such a page brings a credential of its own, never our cookie: what we allow never says
//! `Access-Control-Allow-Credentials`. Browsers ask first, without any credential, so a preflight is
//! answered by us, before anybody has to be signed in.
//! In: a request's head, or an answer's. Out: the answer to a preflight, or the fields that let the
//! page read. Not here: requests whose credential is our cookie ([`super::origin`]).
//! Fetch Standard, "HTTP extensions" (CORS protocol).

use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
        ORIGIN, VARY,
    },
};

use super::origin::sole;

/// The origins that one route lists.
#[derive(Clone, Debug)]
pub struct Cors(Box<[HeaderValue]>);

impl Cors {
    /// `None`: nobody is listed. Origins are as browsers write them.
    pub fn new(origins: &[String]) -> Option<Self> {
        let values = origins.iter().map(|origin| HeaderValue::from_str(origin));
        let values: Box<[HeaderValue]> = values.filter_map(Result::ok).collect();
        (!values.is_empty()).then_some(Self(values))
    }

    /// The listed origin whose page sends this request.
    pub fn listed(&self, headers: &HeaderMap) -> Option<&HeaderValue> {
        self.find(sole(headers, ORIGIN)?)
    }

    /// An origin in the list.
    pub fn find(&self, said: &HeaderValue) -> Option<&HeaderValue> {
        self.0.iter().find(|listed| *listed == said)
    }

    /// The answer to a preflight of a listed origin: yes, to what was asked. `None`: it is something
    /// else, or of somebody else.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response<()>> {
        if *method != Method::OPTIONS {
            return None;
        }
        let asked = sole(headers, ACCESS_CONTROL_REQUEST_METHOD)?;
        let origin = self.listed(headers)?;
        let mut answer = Response::new(());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let fields = answer.headers_mut();
        fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        fields.insert(ACCESS_CONTROL_ALLOW_METHODS, asked.clone());
        if let Some(names) = sole(headers, ACCESS_CONTROL_REQUEST_HEADERS) {
            fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        fields.insert(ACCESS_CONTROL_MAX_AGE, TEN_MINUTES);
        fields.insert(VARY, ORIGIN.into());
        Some(answer)
    }
}

/// Says in an answer that a page of `reader` may read it. Caches are told that others may not.
pub fn answer(headers: &mut HeaderMap, reader: Option<&HeaderValue>) {
    if let Some(origin) = reader {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    headers.append(VARY, ORIGIN.into());
}

/// In seconds, as browsers without the field keep 5 s and none keeps more than a day.
const TEN_MINUTES: HeaderValue = HeaderValue::from_static("600");

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "https://app.example.org";

    fn cors() -> Cors {
        Cors::new(&["http://localhost:3000".to_owned(), APP.to_owned()]).unwrap()
    }

    fn asked(method: &Method, fields: &[(&'static str, &'static str)]) -> Option<Response<()>> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        cors().preflight(method, &headers)
    }

    const WANTED: (&str, &str) = ("access-control-request-method", "PATCH");

    #[test]
    fn a_preflight_of_a_listed_origin_gets_what_it_asks_for_but_no_cookies() {
        let names = ("access-control-request-headers", "authorization,x-a");
        let answer = asked(&Method::OPTIONS, &[("origin", APP), WANTED, names]).unwrap();
        assert_eq!(answer.status(), 204);
        let fields: Vec<_> = answer.headers().iter().collect();
        assert_eq!(fields.len(), 5, "{fields:?}");
        for (name, value) in [
            ("access-control-allow-origin", APP),
            ("access-control-allow-methods", "PATCH"),
            ("access-control-allow-headers", "authorization,x-a"),
            ("access-control-max-age", "600"),
            ("vary", "origin"),
        ] {
            assert_eq!(answer.headers()[name], value);
        }
    }

    #[test]
    fn nothing_else_is_a_preflight_that_we_answer() {
        let from = |origin| asked(&Method::OPTIONS, &[("origin", origin), WANTED]);
        assert!(from(APP).is_some());
        assert!(asked(&Method::OPTIONS, &[("origin", APP)]).is_none());
        assert!(asked(&Method::OPTIONS, &[WANTED]).is_none());
        assert!(asked(&Method::GET, &[("origin", APP), WANTED]).is_none());
        let twice = [("origin", APP), ("origin", APP), WANTED];
        assert!(asked(&Method::OPTIONS, &twice).is_none());
        for other in [
            "null",
            "*",
            "http://app.example.org",
            "https://app.example.org:8443",
            "https://app.example.org.evil.example",
            "https://APP.example.org",
            "https://example.org",
        ] {
            assert!(from(other).is_none(), "{other}");
        }
        assert!(Cors::new(&[]).is_none());
    }
}
