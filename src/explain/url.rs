//! The address that somebody asks about, and the request that a browser makes of it.

use http::{
    HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::{ACCEPT, HOST},
};

use super::Error;
use crate::runtime::Runtime;

/// An address as a person writes it, cut into what a browser sends.
#[derive(Debug)]
pub(super) struct Url {
    pub(super) scheme: &'static str,
    pub(super) authority: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) has_fragment: bool,
}

impl Url {
    pub(super) fn parse(text: &str, runtime: &Runtime) -> Result<Self, Error> {
        let main = runtime.sites.main();
        let own = if main.https { "https" } else { "http" };
        let split = |rest: &str| {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, target) = rest.split_at(end);
            (authority.to_owned(), target.to_owned())
        };
        let (scheme, (authority, rest)) = if let Some(rest) = text.strip_prefix("http://") {
            ("http", split(rest))
        } else if let Some(rest) = text.strip_prefix("https://") {
            ("https", split(rest))
        } else if text.starts_with('/') {
            (own, (main.authority_of(&main.host), text.to_owned()))
        } else {
            return Err(Error::Url(text.to_owned()));
        };
        if authority.is_empty() {
            return Err(Error::Url(text.to_owned()));
        }
        let (target, has_fragment) = match rest.split_once('#') {
            Some((target, _)) => (target, true),
            None => (rest.as_str(), false),
        };
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self {
            scheme,
            authority,
            target: format!("{slash}{target}"),
            has_fragment,
        })
    }

    /// `None`: what is written there is no port.
    pub(super) fn port(&self) -> Option<u16> {
        match self.authority.rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => port.parse().ok(),
            _ if self.scheme == "https" => Some(443),
            _ => Some(80),
        }
    }

    /// The request as a browser would send it that was told to go there.
    pub(super) fn request(&self, method: &Method) -> Result<Request<()>, http::Error> {
        let uri = Uri::builder()
            .scheme(self.scheme)
            .authority(self.authority.as_str())
            .path_and_query(self.target.as_str())
            .build()?;
        let mut request = Request::builder()
            .method(method.clone())
            .version(Version::HTTP_2)
            .uri(uri)
            .header(HOST, HeaderValue::try_from(&self.authority)?);
        for (name, value) in BY_A_PERSON {
            request = request.header(name, value);
        }
        request.body(())
    }
}

/// What browsers say when a person typed the address.
const BY_A_PERSON: [(HeaderName, &str); 4] = [
    (ACCEPT, "text/html"),
    (HeaderName::from_static("sec-fetch-dest"), "document"),
    (HeaderName::from_static("sec-fetch-mode"), "navigate"),
    (HeaderName::from_static("sec-fetch-site"), "none"),
];
