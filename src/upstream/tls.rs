//! TLS towards upstreams: who vouches for them, and the handshake.
//!
//! A certificate must be signed by the route's own authority, or by one of the system's, and be for
//! the host that stands in the address. There is no way to do without (docs/decisions/0006).
//! RFC 8446, RFC 5246, RFC 9110 §4.3.4 (whose certificate), RFC 7301 (ALPN).

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::TlsConnector;

use crate::wire::{Socket, Stream, provider};

/// Why there is nobody to vouch for https upstreams.
#[derive(Debug, thiserror::Error)]
pub enum BadRoots {
    /// A file of authorities cannot be used.
    #[error("{path}: {what}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// rustls refuses its own settings.
    #[error("no TLS towards upstreams")]
    Settings(#[from] rustls::Error),
    /// The system knows no authority.
    #[error("this system has no root certificates; name the upstream's own with `upstream_ca`")]
    System,
}

/// Which authorities are believed: a hash of their certificates. Two routes with the same ones may
/// share connections; others may not.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Identity([u8; SHA256_OUTPUT_LEN]);

/// The system's authorities, read when they are first needed.
#[derive(Debug, Default)]
pub struct Roots {
    system: Option<(Arc<RootCertStore>, Identity)>,
}

/// The TLS settings of one route.
#[derive(Debug)]
pub(super) struct Trust {
    config: Arc<ClientConfig>,
    identity: Identity,
}

/// The TLS side of one target.
#[derive(Debug)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
    pub(super) identity: Identity,
}

impl Roots {
    /// Settings that believe the authorities of the PEM file `ca`, or the system's.
    pub(super) fn trust(&mut self, ca: Option<&Path>) -> Result<Trust, BadRoots> {
        let (roots, identity) = match (ca, &self.system) {
            (Some(path), _) => own(path)?,
            (None, Some((roots, identity))) => (Arc::clone(roots), *identity),
            (None, None) => self.system.insert(system()?).clone(),
        };
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Trust {
            config: Arc::new(config),
            identity,
        })
    }
}

impl Trust {
    pub(super) fn tls(&self, server: ServerName<'static>) -> Tls {
        Tls {
            config: Arc::clone(&self.config),
            server,
            identity: self.identity,
        }
    }
}

impl Tls {
    /// `Err` also when the other end is not who it should be.
    pub(super) async fn handshake(&self, socket: Socket) -> io::Result<Stream> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        // Boxed: large, and rarer than requests.
        let stream = Box::pin(connector.connect(self.server.clone(), socket)).await?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }
}

fn own(path: &Path) -> Result<(Arc<RootCertStore>, Identity), BadRoots> {
    let bad = |what: String| BadRoots::File {
        path: path.to_owned(),
        what,
    };
    let text = fs::read(path).map_err(|error| bad(format!("cannot read: {error}")))?;
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| bad(format!("not a PEM file: {error}")))?;
    if certificates.is_empty() {
        return Err(bad("holds no certificate (BEGIN CERTIFICATE)".into()));
    }
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots
            .add(certificate.clone())
            .map_err(|error| bad(format!("holds what is no certificate: {error}")))?;
    }
    Ok((Arc::new(roots), Identity::of(&certificates)))
}

fn system() -> Result<(Arc<RootCertStore>, Identity), BadRoots> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's root certificates cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let identity = Identity::of(&found.certs);
    // Systems carry old ones that nobody understands any more.
    let (good, _) = roots.add_parsable_certificates(found.certs);
    if good == 0 {
        return Err(BadRoots::System);
    }
    Ok((Arc::new(roots), identity))
}

impl Identity {
    fn of(certificates: &[CertificateDer<'_>]) -> Self {
        let all: Vec<u8> = certificates
            .iter()
            .flat_map(|certificate| digest(&SHA256, certificate).as_ref().to_vec())
            .collect();
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.iter_mut()
            .zip(digest(&SHA256, &all).as_ref())
            .for_each(|(to, from)| *to = *from);
        Self(hash)
    }
}
