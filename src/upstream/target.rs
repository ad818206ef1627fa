//! What a route's requests go to, ready to be dialed.
//!
//! Built when a configuration is loaded, shared by all workers, never changed. What a worker knows
//! of a target (connections, load, health) is on its rack, found by the target's [`Key`]: so it
//! outlives a reload that leaves the target as it is.

use std::{path::Path, sync::Arc};

use rustls_pki_types::ServerName;

use super::tls::{BadRoots, Identity, Roots, Tls};
use crate::config::Upstream;

/// The targets of one route, at least one.
#[derive(Debug)]
pub struct Targets(Box<[Arc<Target>]>);

/// One target.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) key: Key,
    /// As an operator writes it in a shell: `127.0.0.1:8888`, `[::1]:8888`, `unix:/run/tool.sock`.
    pub(super) name: String,
    /// As it is configured: `http://127.0.0.1:8888`.
    pub(super) text: String,
    pub(super) tls: Option<Tls>,
}

/// What makes two targets one: the address, and who vouches for it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Key {
    pub(super) upstream: Upstream,
    trust: Option<Identity>,
}

/// A target that cannot be dialed.
#[derive(Debug, thiserror::Error)]
pub enum BadTarget {
    /// A certificate cannot be for such a host.
    #[error("{0} has a host that no certificate can be for")]
    Host(Upstream),
    /// There is nobody to vouch for https upstreams.
    #[error(transparent)]
    Roots(#[from] BadRoots),
}

impl Targets {
    /// Reads `ca`, or the system's authorities, where a target is https. `roots` may be used for
    /// many routes, and reads the system's once.
    pub fn new(
        upstreams: &[Upstream],
        ca: Option<&Path>,
        roots: &mut Roots,
    ) -> Result<Self, BadTarget> {
        let https = |upstream: &Upstream| matches!(upstream, Upstream::Https { .. });
        let trust = if upstreams.iter().any(https) {
            Some(roots.trust(ca)?)
        } else {
            None
        };
        let target = |upstream: &Upstream| {
            let tls = match (upstream, &trust) {
                (Upstream::Https { host, .. }, Some(trust)) => {
                    let host = ServerName::try_from(host.as_str())
                        .map_err(|_| BadTarget::Host(upstream.clone()))?;
                    Some(trust.tls(host.to_owned()))
                }
                _ => None,
            };
            let key = Key {
                upstream: upstream.clone(),
                trust: tls.as_ref().map(|tls| tls.identity),
            };
            Ok(Arc::new(Target {
                key,
                name: name(upstream),
                text: upstream.to_string(),
                tls,
            }))
        };
        upstreams
            .iter()
            .map(target)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// A target as it is configured, for logs; `None` for a place that is not there.
    pub fn text(&self, place: usize) -> Option<&str> {
        self.0.get(place).map(|target| target.text.as_str())
    }

    /// All of them as configured, in order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|target| target.text())
    }

    pub(super) fn list(&self) -> &[Arc<Target>] {
        &self.0
    }
}

impl Target {
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

fn name(upstream: &Upstream) -> String {
    match upstream {
        Upstream::Http { host, port } | Upstream::Https { host, port } => {
            if host.contains(':') {
                format!("[{host}]:{port}")
            } else {
                format!("{host}:{port}")
            }
        }
        Upstream::Unix(path) => format!("unix:{}", path.display()),
    }
}
