//! One certificate for everybody: P-256, as handshakes are cheapest.

use std::{fs, path::Path, sync::Arc};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, client::Resumption, crypto::aws_lc_rs, pki_types::CertificateDer,
};

/// Certificate and key on disk, and what trusts it.
#[derive(Debug)]
pub(crate) struct Certificate {
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes one for [`super::peers::HOST`] in `folder`: `lab.crt`, `lab.key`, and `lab.pem` with
    /// both (HAProxy).
    pub(crate) fn new(folder: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([super::peers::HOST.to_owned()]).unwrap();
        let made = params.self_signed(&key).unwrap();
        fs::write(folder.join("lab.crt"), made.pem()).unwrap();
        fs::write(folder.join("lab.key"), key.serialize_pem()).unwrap();
        let both = made.pem() + &key.serialize_pem();
        fs::write(folder.join("lab.pem"), both).unwrap();
        Self {
            der: made.der().clone(),
        }
    }

    /// What a client uses; `resume`: tickets are kept and used. `hybrid`: X25519MLKEM768 is offered
    /// before X25519, as browsers do; peers with an OpenSSL before 3.5 do not know it.
    pub(crate) fn client(&self, alpn: &[u8], resume: bool, hybrid: bool) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let mut provider = aws_lc_rs::default_provider();
        if !hybrid {
            provider.kx_groups = vec![aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1];
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        if !resume {
            config.resumption = Resumption::disabled();
        }
        Arc::new(config)
    }
}
