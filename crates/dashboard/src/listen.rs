//! Where people come: a loopback address, or any other over TLS.

use std::io;
use std::net::SocketAddr;

use countersign_web::{self as web, Bound, Names, public_origin};

pub use countersign_web::ListenError;
pub use countersign_web::tls::Identity;
use countersign_web::tls::{Renewal, Secured};

/// Bound, not yet answering.
pub struct Listener {
    pub(super) bound: web::Listener,
    pub(super) names: Names,
    address: SocketAddr,
    renewal: Option<Renewal>,
}

impl Listener {
    /// Listens: on a loopback address with or without TLS, on any other one only with.
    /// `public_url` is how people reach it through a proxy on this machine.
    pub async fn bind(
        address: SocketAddr,
        identity: Option<Identity>,
        public_url: Option<&str>,
    ) -> Result<Self, ListenError> {
        if identity.is_none() && !address.ip().is_loopback() {
            return Err(ListenError::Input(format!(
                "`{address}` is not a loopback address, and without TLS passwords would cross the network in the clear\nhint: add `--tls-cert` and `--tls-key`, or use `--listen 127.0.0.1:{}`",
                address.port()
            )));
        }
        let public = public_url.map(public).transpose()?;
        let failed = |error| failed(address, &error);
        let secured = identity.map(|identity| secure(&identity)).transpose()?;
        let bound = match &secured {
            Some(secured) => Bound::new(address).map_err(failed)?.over_tls(secured.config.clone()),
            None => web::Listener::plain(address).map_err(failed)?,
        };
        let (certificate, renewal) =
            secured.map(|secured| (secured.certificate, secured.renewal)).unzip();
        let address = match bound.address() {
            web::Address::Tcp(address) => address,
            web::Address::Socket(_) => address,
        };
        Ok(Self { bound, names: Names::new(address, certificate, public), address, renewal })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// By which it shows another certificate, if it shows one.
    pub fn renewal(&self) -> Option<Renewal> {
        self.renewal.clone()
    }

    /// How people reach it.
    pub fn url(&self) -> String {
        self.names.url()
    }
}

fn secure(identity: &Identity) -> Result<Secured, ListenError> {
    identity.secure().map_err(|what| {
        ListenError::Input(format!(
            "the certificate cannot be used: {what}\nhint: `--tls-cert` is the certificate with its chain, `--tls-key` its key, both as PEM"
        ))
    })
}

fn failed(address: SocketAddr, error: &ListenError) -> ListenError {
    ListenError::Failed(io::Error::other(format!("failed to listen on `{address}`: {error}")))
}

fn public(url: &str) -> Result<String, ListenError> {
    public_origin(url).ok_or_else(|| {
        ListenError::Input(format!(
            "`{}` is not an address that browsers could reach the dashboard by\nhint: for example `https://findings.example.com`, without a path",
            url.escape_debug()
        ))
    })
}
