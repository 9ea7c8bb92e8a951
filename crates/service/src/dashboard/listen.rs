//! Where people come: a loopback address, or any other over TLS; and the names that
//! the dashboard answers to.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;

use super::web::Site;
use crate::Error;

/// A certificate and its key, as PEM.
pub struct Identity {
    /// The certificate, and those between it and its authority.
    pub certificates_pem: Vec<u8>,
    /// Its key.
    pub key_pem: zeroize::Zeroizing<Vec<u8>>,
}

/// Bound, not yet answering.
pub struct Listener {
    pub(super) socket: TcpListener,
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    pub(super) places: Places,
}

impl Listener {
    /// Listens: on a loopback address with or without TLS, on any other one only with.
    /// `public_url` is how people reach it through a proxy on this machine.
    pub async fn bind(
        address: SocketAddr,
        identity: Option<Identity>,
        public_url: Option<&str>,
    ) -> Result<Self, Error> {
        if identity.is_none() && !address.ip().is_loopback() {
            return Err(Error::input(format!(
                "`{address}` is not a loopback address, and without TLS passwords would cross the network in the clear\nhint: add `--tls-cert FILE --tls-key FILE`, or use `--listen 127.0.0.1:{}`",
                address.port()
            )));
        }
        let public = public_url.map(public_origin).transpose()?;
        let identity = identity.map(|identity| identity.read()).transpose()?;
        let failed = |error| Error::listen(format!("failed to listen on `{address}`: {error}"));
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let (tls, certificate) = identity.unzip();
        Ok(Self { socket, tls, places: Places { address, certificate, public } })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.places.address
    }

    /// How people reach it.
    pub fn url(&self) -> String {
        let Places { address, certificate, public } = &self.places;
        match (public, certificate) {
            (Some(public), _) => public.clone(),
            (None, None) => format!("http://{address}"),
            (None, Some(_)) if address.ip().is_unspecified() => {
                format!("https://localhost:{}", address.port())
            }
            (None, Some(_)) => format!("https://{address}"),
        }
    }
}

impl Identity {
    fn read(self) -> Result<(Arc<rustls::ServerConfig>, Arc<CertificateDer<'static>>), Error> {
        let wrong = |what: String| {
            Error::input(format!(
                "the certificate cannot be used: {what}\nhint: `--tls-cert` takes the certificate with its chain, `--tls-key` its key, both as PEM"
            ))
        };
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&self.certificates_pem)
                .collect::<Result<_, _>>()
                .map_err(|error| wrong(error.to_string()))?;
        let first = certificates.first().cloned();
        let first = first.ok_or_else(|| wrong("there is none in the file".into()))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key_pem)
            .map_err(|_| wrong("the key cannot be read".into()))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(|error| wrong(error.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok((Arc::new(config), Arc::new(first)))
    }
}

/// Scheme and host, as browsers write an origin.
fn public_origin(url: &str) -> Result<String, Error> {
    let parsed = url::Url::parse(url).ok().filter(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.path() == "/"
            && url.query().is_none()
            && url.username().is_empty()
    });
    let origin = parsed.map(|url| url.origin().ascii_serialization());
    origin.ok_or_else(|| {
        Error::input(format!(
            "`{}` is not an address that people could reach the dashboard by\nhint: for example `https://findings.example.com`, without a path",
            url.escape_debug()
        ))
    })
}

/// The names that the dashboard answers to.
#[derive(Clone)]
pub(super) struct Places {
    address: SocketAddr,
    certificate: Option<Arc<CertificateDer<'static>>>,
    /// The origin of `--public-url`.
    public: Option<String>,
}

impl Places {
    /// What a `Host` header addresses; none when it is not us.
    pub(super) fn site(&self, host: &str) -> Option<Site> {
        let host = host.to_ascii_lowercase();
        if let Some(public) = &self.public
            && public.split_once("://").is_some_and(|(_, own)| own == host)
        {
            return Some(Site { origin: public.clone(), is_proxied: true });
        }
        let (scheme, usual_port) = match self.certificate {
            Some(_) => ("https", 443),
            None => ("http", 80),
        };
        let url = url::Url::parse(&format!("{scheme}://{host}")).ok()?;
        let is_plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
        let name = url.host_str().filter(|_| is_plain)?;
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let is_port = url.port().unwrap_or(usual_port) == self.address.port();
        let is_loopback = bare == "localhost"
            || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let is_own = match &self.certificate {
            // Whoever could point another name here has no certificate for it.
            Some(certificate) => is_loopback && is_port || is_named(certificate, bare),
            None => is_loopback && is_port,
        };
        is_own.then(|| Site { origin: url.origin().ascii_serialization(), is_proxied: false })
    }
}

fn is_named(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(parsed), Ok(name)) =
        (ParsedCertificate::try_from(certificate), ServerName::try_from(name))
    else {
        return false;
    };
    rustls::client::verify_server_name(&parsed, &name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_answered_to() {
        let places = Places {
            address: SocketAddr::from(([127, 0, 0, 1], 8460)),
            certificate: None,
            public: Some("https://findings.example.com".into()),
        };
        for (host, origin) in [
            ("127.0.0.1:8460", Some("http://127.0.0.1:8460")),
            ("LocalHost:8460", Some("http://localhost:8460")),
            ("[::1]:8460", Some("http://[::1]:8460")),
            ("findings.example.com", Some("https://findings.example.com")),
            ("findings.example.com:8460", None),
            ("127.0.0.1", None),
            ("127.0.0.1:80", None),
            ("rebound.example.com:8460", None),
            ("127.0.0.1.example.com:8460", None),
            ("user@127.0.0.1:8460", None),
            ("127.0.0.1:8460/x", None),
            ("", None),
        ] {
            let site = places.site(host);
            assert_eq!(site.as_ref().map(|site| site.origin.as_str()), origin, "{host}");
        }
    }

    #[test]
    fn addresses_for_people_are_origins() {
        assert_eq!(public_origin("https://a.example.com/").unwrap(), "https://a.example.com");
        for bad in
            ["", "a.example.com", "ftp://a.example.com", "https://a.example.com/x", "https://u@a"]
        {
            assert!(public_origin(bad).is_err(), "{bad}");
        }
    }
}
