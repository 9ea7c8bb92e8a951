//! How a listener speaks TLS: 1.2 and 1.3, and HTTP/2 where the client offers it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert, WantsServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate and its key, as PEM.
pub struct Identity {
    /// The certificate, and those between it and its authority.
    pub certificates_pem: Vec<u8>,
    /// Its key.
    pub key_pem: zeroize::Zeroizing<Vec<u8>>,
}

/// What a listener needs to speak TLS.
pub struct Secured {
    /// Its configuration.
    pub config: Arc<rustls::ServerConfig>,
    /// The certificate that it shows first.
    pub certificate: CertificateDer<'static>,
    /// By which it shows another.
    pub renewal: Renewal,
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secured").finish_non_exhaustive()
    }
}

/// Has a listener show another certificate to who connects from then on. Clones are of the
/// same listener.
#[derive(Clone)]
pub struct Renewal(Arc<Shown>);

impl Renewal {
    /// From now on this one is shown. Whether it is another; what cannot be read changes
    /// nothing.
    pub fn renew(&self, identity: &Identity) -> Result<bool, String> {
        let (next, _) = identity.certified()?;
        let mut shown = self.0.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_other = shown.cert != next.cert;
        *shown = Arc::new(next);
        Ok(is_other)
    }
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewal").finish_non_exhaustive()
    }
}

struct Shown(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Identity {
    /// What a listener with it needs.
    pub fn secure(&self) -> Result<Secured, String> {
        let (certified, certificate) = self.certified()?;
        let shown = Arc::new(Shown(RwLock::new(Arc::new(certified))));
        let mut config = builder()
            .map_err(|error| error.to_string())?
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = protocols();
        Ok(Secured { config: Arc::new(config), certificate, renewal: Renewal(shown) })
    }

    fn certified(&self) -> Result<(CertifiedKey, CertificateDer<'static>), String> {
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&self.certificates_pem)
                .collect::<Result<_, _>>()
                .map_err(|error| error.to_string())?;
        let first = certificates.first().cloned().ok_or("there is none in the file")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key_pem);
        let key = key.map_err(|_| "the key cannot be read")?;
        let provider = rustls::crypto::ring::default_provider();
        let certified = CertifiedKey::from_der(certificates, key, &provider);
        Ok((certified.map_err(|error| error.to_string())?, first))
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
    let mut config = builder()?.with_single_cert(chain, key)?;
    config.alpn_protocols = protocols();
    Ok(Arc::new(config))
}

fn builder() -> Result<rustls::ConfigBuilder<rustls::ServerConfig, WantsServerCert>, rustls::Error>
{
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?;
    Ok(builder.with_no_client_auth())
}

fn protocols() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str) -> Identity {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Identity {
            certificates_pem: made.cert.pem().into_bytes(),
            key_pem: made.signing_key.serialize_pem().into_bytes().into(),
        }
    }

    #[test]
    fn another_certificate_is_shown_and_a_bad_one_changes_nothing() {
        let (first, second) = (made("a.example.com"), made("b.example.com"));
        let secured = first.secure().unwrap();
        let shown = || secured.renewal.0.0.read().unwrap().cert[0].clone();
        assert_eq!(shown(), secured.certificate);
        let renewal = secured.renewal.clone();
        assert!(!renewal.renew(&first).unwrap());
        let other_key =
            Identity { certificates_pem: second.certificates_pem.clone(), key_pem: first.key_pem };
        assert!(renewal.renew(&other_key).is_err());
        let empty = Identity { certificates_pem: Vec::new(), ..other_key };
        assert!(renewal.renew(&empty).is_err());
        assert_eq!(shown(), secured.certificate);
        assert!(renewal.renew(&second).unwrap());
        assert_ne!(shown(), secured.certificate);
    }
}
