//! How a listener speaks TLS: 1.2 and 1.3, and HTTP/2 where the client offers it.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate and its key, as PEM.
pub struct Identity {
    /// The certificate, and those between it and its authority.
    pub certificates_pem: Vec<u8>,
    /// Its key.
    pub key_pem: zeroize::Zeroizing<Vec<u8>>,
}

impl Identity {
    /// The configuration of a listener, and the certificate that it shows.
    pub fn read(self) -> Result<(Arc<rustls::ServerConfig>, CertificateDer<'static>), String> {
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&self.certificates_pem)
                .collect::<Result<_, _>>()
                .map_err(|error| error.to_string())?;
        let first = certificates.first().cloned().ok_or("there is none in the file")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key_pem);
        let key = key.map_err(|_| "the key cannot be read")?;
        let config = server_config(certificates, key).map_err(|error| error.to_string())?;
        Ok((config, first))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// The configuration of a listener with this certificate.
pub fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<rustls::ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
