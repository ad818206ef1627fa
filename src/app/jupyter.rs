//! Jupyter Server: `JupyterLab`, Notebook and everything else that it serves.
//!
//! With a token, every request carries ours and none of the client's: a `token` in the query is read
//! first there, and a wrong one spoils a request whose header is right. Token use switches off
//! Jupyter's own Origin and XSRF checks (`auth::origin` has taken them over) and makes it reflect
//! any Origin in `Access-Control-Allow-Origin`. Its pages show the token, so they must come
//! readable (`Accept-Encoding: identity`) and whole (no `Range`), to be blanked by `scrub`.
//! Without a token nothing of this is touched.

use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderValue, Method, Uri,
    header::{ACCEPT_ENCODING, IF_RANGE, RANGE},
    request,
    uri::{Parts, PathAndQuery},
};

use super::{BadToken, authorization, authorize, remove_family, scrub::Needles};
use crate::{route::RoutePath, secret::Secret};

/// Tornado keeps idle connections for an hour.
pub(super) const UPSTREAM_IDLE: Duration = Duration::from_secs(60);

/// A Jupyter Server.
#[derive(Clone, Debug)]
pub struct Jupyter {
    /// The public path of `api/shutdown`.
    shutdown: Box<[u8]>,
    token: Option<Token>,
}

#[derive(Clone, Debug)]
struct Token {
    authorization: HeaderValue,
    needles: Arc<Needles>,
}

impl Jupyter {
    /// `base` is the route's path without a slash at its end, which is Jupyter's `base_url`.
    pub(super) fn new(token: Option<&Secret<String>>, base: &str) -> Result<Self, BadToken> {
        let token = token.map(|token| {
            Ok(Token {
                authorization: authorization("token", token)?,
                needles: Arc::new(Needles::new(token.expose())),
            })
        });
        Ok(Self {
            shutdown: [base, "/api/shutdown"].concat().into_bytes().into(),
            token: token.transpose()?,
        })
    }

    /// Stopping the server is not one user's business.
    pub(super) fn blocks(&self, method: &Method, path: &RoutePath<'_>) -> bool {
        *method == Method::POST && *path.view() == *self.shutdown
    }

    pub(super) fn prepare(&self, parts: &mut request::Parts) {
        let Some(token) = &self.token else {
            return;
        };
        authorize(&mut parts.headers, &token.authorization);
        parts.headers.insert(ACCEPT_ENCODING, IDENTITY);
        if !is_file(parts.uri.path()) {
            parts.headers.remove(RANGE);
            parts.headers.remove(IF_RANGE);
        }
        if let Some(uri) = without_token(&parts.uri) {
            parts.uri = uri;
        }
    }

    pub(super) fn answer(&self, headers: &mut HeaderMap) {
        if let Some(token) = &self.token {
            remove_family(headers, "access-control-");
            token.needles.scrub_values(headers);
        }
    }

    pub(super) const fn needles(&self) -> Option<&Arc<Needles>> {
        match &self.token {
            Some(token) => Some(&token.needles),
            None => None,
        }
    }
}

/// Whether a file as it lies on the disk is asked for: these support ranges, and rendered pages,
/// which hold the token, do not.
fn is_file(path: &str) -> bool {
    path.split('/')
        .any(|segment| matches!(segment, "files" | "static"))
}

/// The same address without `token` parameters, in whatever spelling; `None` if it has none. The
/// rest of the query keeps its bytes.
fn without_token(uri: &Uri) -> Option<Uri> {
    let query = uri.query()?;
    if !query.split('&').any(is_token) {
        return None;
    }
    let mut target = uri.path().to_owned();
    let mut separator = '?';
    for parameter in query.split('&').filter(|parameter| !is_token(parameter)) {
        target.push(separator);
        target.push_str(parameter);
        separator = '&';
    }
    let mut parts = Parts::default();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

fn is_token(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    percent_encoding::percent_decode_str(name).eq(b"token".iter().copied())
}

const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

#[cfg(test)]
mod tests;
