//! What each kind of tool needs from us: one file per kind.
//!
//! In: the request on its way to the tool, the answer on its way back. Out: the same with the tool's
//! own credential put in, and kept in. [`Adapter`] is asked by `rewrite`, `upstream` and `gateway`.
//! Not here: what every tool gets alike (`rewrite`).

mod generic;
mod jupyter;
pub mod scrub;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header::AUTHORIZATION, request, response};

pub use self::{generic::Generic, jupyter::Jupyter};
use crate::{
    config::{self, App},
    route::RoutePath,
    secret::Secret,
};

/// One route's kind of tool, with its credential.
#[derive(Clone, Debug)]
pub enum Adapter {
    /// Any HTTP server.
    Generic(Generic),
    /// Jupyter Server and what is built on it.
    Jupyter(Jupyter),
}

/// A credential that cannot stand in a header.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the token has characters that no header can carry")]
pub struct BadToken;

/// Whether this kind of tool wants its path prefix taken off, where the route does not say.
pub const fn strips_prefix(app: App) -> bool {
    match app {
        App::Generic | App::Jupyter => false,
    }
}

impl Adapter {
    /// Prepares the adapter of a route.
    pub fn new(route: &config::Route) -> Result<Self, BadToken> {
        let token = route
            .token
            .as_ref()
            .filter(|token| !token.expose().is_empty());
        Ok(match route.app {
            App::Generic => Self::Generic(Generic::new(token)?),
            App::Jupyter => Self::Jupyter(Jupyter::new(token, crate::route::prefix(route))?),
        })
    }

    /// How long a connection to the tool may lie idle: less than the tool itself keeps it.
    pub const fn upstream_idle(&self) -> Duration {
        match self {
            Self::Generic(_) => generic::UPSTREAM_IDLE,
            Self::Jupyter(_) => jupyter::UPSTREAM_IDLE,
        }
    }

    /// Whether the tool has something at this path that nobody may reach through us (403).
    pub fn blocks(&self, method: &Method, path: &RoutePath<'_>) -> bool {
        match self {
            Self::Generic(_) => false,
            Self::Jupyter(jupyter) => jupyter.blocks(method, path),
        }
    }

    /// Takes the client's copies of the tool's credential off a request and puts ours in.
    pub fn prepare(&self, parts: &mut request::Parts) {
        match self {
            Self::Generic(generic) => generic.prepare(&mut parts.headers),
            Self::Jupyter(jupyter) => jupyter.prepare(parts),
        }
    }

    /// Takes out of an answer's head what our credential made the tool say.
    pub fn answer(&self, parts: &mut response::Parts) {
        match self {
            Self::Generic(_) => {}
            Self::Jupyter(jupyter) => jupyter.answer(&mut parts.headers),
        }
    }

    /// What must be blanked in pages of this tool, by [`scrub::page`]; `None`: they pass untouched.
    pub fn needles(&self) -> Option<&Arc<scrub::Needles>> {
        match self {
            Self::Generic(_) => None,
            Self::Jupyter(jupyter) => jupyter.needles(),
        }
    }
}

/// `Authorization` with a token, hidden from debug output.
fn authorization(scheme: &str, token: &Secret<String>) -> Result<HeaderValue, BadToken> {
    let text = Secret::new(format!("{scheme} {}", token.expose()));
    let mut value = HeaderValue::from_str(text.expose()).map_err(|_| BadToken)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Puts our credential in the place of the client's.
fn authorize(headers: &mut HeaderMap, ours: &HeaderValue) {
    headers.insert(AUTHORIZATION, ours.clone());
}

/// Removes all fields whose lowercase name starts so.
pub(crate) fn remove_family(headers: &mut HeaderMap, prefix: &str) {
    while let Some(name) = member(headers, prefix) {
        headers.remove(name);
    }
}

fn member(headers: &HeaderMap, prefix: &str) -> Option<HeaderName> {
    let mut names = headers.keys();
    names
        .find(|name| name.as_str().starts_with(prefix))
        .cloned()
}
