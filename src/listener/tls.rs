//! TLS from PEM files: loading, checking, and following the files when they change.
//!
//! One `ServerConfig` per listener lives as long as the listener; only the certificate behind its
//! resolver is swapped, so open connections and session tickets are not disturbed.
//! RFC 8446, RFC 5246, RFC 7301 (ALPN).

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{config::TlsFiles, wire::provider};

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chain and the key are of different pairs, or of an unknown kind.
    #[error("{certificate} and {key} do not work together: {source}")]
    Pair {
        /// The chain's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// A file cannot be read as PEM, or holds none of what is needed.
    #[error("{path}: {what}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// The TLS side of one listener.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    current: Arc<Current>,
    stamp: Option<Stamp>,
    /// What connections are accepted with.
    pub config: Arc<ServerConfig>,
}

/// What tells that a file changed: a link swap changes the inode, a rewrite the time or size.
type Stamp = [(u64, u64, SystemTime); 2];

#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Loads the files; HTTP/2 is offered before HTTP/1.1.
    pub fn load(files: &TlsFiles) -> Result<Self, Error> {
        let stamp = stamp(files);
        let pair = Arc::new(read_pair(files)?);
        let current = Arc::new(Current(ArcSwap::new(pair)));
        let pair_error = |source| Error::Pair {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            source,
        };
        let resolver = Arc::clone(&current) as Arc<dyn ResolvesServerCert>;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(pair_error)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Stateless tickets: no store behind a lock, shared by all workers.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(pair_error)?;
        Ok(Self {
            files: files.clone(),
            current,
            stamp,
            config: Arc::new(config),
        })
    }

    /// Takes a changed certificate in; `Ok(true)` when it did. On an error the old one stays, and
    /// the error comes once per change of the files.
    pub fn refresh(&mut self) -> Result<bool, Error> {
        let stamp = stamp(&self.files);
        if stamp.is_none() || stamp == self.stamp {
            return Ok(false);
        }
        self.stamp = stamp;
        let pair = read_pair(&self.files)?;
        self.current.0.store(Arc::new(pair));
        Ok(true)
    }

    /// The files that this certificate comes from.
    pub fn files(&self) -> &TlsFiles {
        &self.files
    }
}

fn stamp(files: &TlsFiles) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let of = |path: &Path| -> io::Result<_> {
        let meta = fs::metadata(path)?;
        Ok((meta.ino(), meta.size(), meta.modified()?))
    };
    Some([of(&files.certificate).ok()?, of(&files.key).ok()?])
}

fn read_pair(files: &TlsFiles) -> Result<CertifiedKey, Error> {
    let pem = |path: &Path, what: String| Error::Pem {
        path: path.to_owned(),
        what,
    };
    let text = read(&files.certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| pem(&files.certificate, format!("not a PEM file: {error}")))?;
    if chain.is_empty() {
        return Err(pem(
            &files.certificate,
            "holds no certificate (BEGIN CERTIFICATE)".into(),
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|error| match error {
        rustls_pki_types::pem::Error::NoItemsFound => pem(
            &files.key,
            "holds no private key (BEGIN PRIVATE KEY)".into(),
        ),
        error => pem(&files.key, format!("not a PEM file: {error}")),
    })?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|source| Error::Pair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| Error::Pem {
        path: path.to_owned(),
        what: format!("cannot read: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use rustls::{ClientConfig, HandshakeKind, RootCertStore, version::TLS12};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    const NAME: &str = "lab.example.org";

    /// A loaded certificate, and what trusts it.
    fn loaded() -> (Tls, RootCertStore) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new([NAME.to_owned()]).unwrap();
        let made = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: folder.path().join("lab.crt"),
            key: folder.path().join("lab.key"),
        };
        fs::write(&files.certificate, made.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.der().clone()).unwrap();
        (Tls::load(&files).unwrap(), roots)
    }

    /// What our side says of a handshake, and how many tickets the client got.
    async fn connect(
        server: &Arc<ServerConfig>,
        client: &Arc<ClientConfig>,
    ) -> (HandshakeKind, u32) {
        let (ours, theirs) = duplex(64 * 1024);
        let name = NAME.try_into().unwrap();
        let serving = async {
            let mut tls = TlsAcceptor::from(Arc::clone(server))
                .accept(ours)
                .await
                .unwrap();
            tls.write_all(b"x").await.unwrap();
            tls.shutdown().await.unwrap();
            tls.get_ref().1.handshake_kind().unwrap()
        };
        let asking = async {
            let connector = TlsConnector::from(Arc::clone(client));
            let mut tls = connector.connect(name, theirs).await.unwrap();
            assert_eq!(tls.read_u8().await.unwrap(), b'x');
            tls.get_ref().1.tls13_tickets_received()
        };
        tokio::join!(serving, asking)
    }

    #[tokio::test]
    async fn a_client_resumes_with_one_of_two_tickets_and_a_stranger_does_not() {
        let (tls, roots) = loaded();
        let client = |roots| {
            let config = ClientConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()
                .unwrap();
            Arc::new(config.with_root_certificates(roots).with_no_client_auth())
        };
        let (known, stranger) = (client(roots.clone()), client(roots));
        assert_eq!(connect(&tls.config, &known).await, (HandshakeKind::Full, 2));
        assert_eq!(connect(&tls.config, &known).await.0, HandshakeKind::Resumed);
        assert_eq!(connect(&tls.config, &stranger).await.0, HandshakeKind::Full);
        // The keys of tickets die with the process.
        let restarted = loaded().0;
        let mut other = ServerConfig::clone(&tls.config);
        other.ticketer = Arc::clone(&restarted.config.ticketer);
        let other = Arc::new(other);
        assert_eq!(connect(&other, &known).await.0, HandshakeKind::Full);
    }

    #[tokio::test]
    async fn tls_1_2_resumes_too() {
        let (tls, roots) = loaded();
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS12])
            .unwrap();
        let client = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        assert_eq!(connect(&tls.config, &client).await.0, HandshakeKind::Full);
        assert_eq!(
            connect(&tls.config, &client).await.0,
            HandshakeKind::Resumed
        );
    }

    #[tokio::test]
    async fn browsers_get_the_hybrid_key_exchange_and_others_what_they_know() {
        use rustls::NamedGroup;
        use rustls::crypto::aws_lc_rs::kx_group::{X25519, X25519MLKEM768};

        let (tls, roots) = loaded();
        for (offered, agreed) in [
            (vec![X25519MLKEM768, X25519], NamedGroup::X25519MLKEM768),
            (vec![X25519], NamedGroup::X25519),
        ] {
            let mut provider = aws_lc_rs::default_provider();
            provider.kx_groups = offered;
            let config = ClientConfig::builder_with_provider(Arc::new(provider))
                .with_safe_default_protocol_versions()
                .unwrap();
            let client = config
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            let (ours, theirs) = duplex(64 * 1024);
            let connector = TlsConnector::from(Arc::new(client));
            let (tls, _client) = tokio::try_join!(
                TlsAcceptor::from(Arc::clone(&tls.config)).accept(ours),
                connector.connect(NAME.try_into().unwrap(), theirs),
            )
            .unwrap();
            let group = tls.get_ref().1.negotiated_key_exchange_group().unwrap();
            assert_eq!(group.name(), agreed);
        }
    }
}
