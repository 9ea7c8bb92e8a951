//! Where programs come: a loopback address, or any other over TLS.

use std::net::SocketAddr;

use countersign_web::tls::{Identity, Renewal};
use countersign_web::{self as web, Bound, ListenError, Names};

/// Bound, not yet answering.
pub struct Listener {
    pub(crate) bound: web::Listener,
    names: Names,
    renewal: Option<Renewal>,
}

impl Listener {
    /// Listens: on a loopback address with or without TLS, on any other one only with.
    ///
    /// # Errors
    ///
    /// A sentence with a hint where the address or the certificate cannot be used.
    pub fn bind(address: SocketAddr, identity: Option<&Identity>) -> Result<Self, ListenError> {
        let Some(identity) = identity else {
            let bound = web::Listener::plain(address).map_err(|error| match error {
                ListenError::NotLoopback => ListenError::Input(format!(
                    "`{address}` is not a loopback address, and without TLS tokens would cross the network in the clear\nhint: add `--tls-cert` and `--tls-key`, or use `--api 127.0.0.1:{}`",
                    address.port()
                )),
                error => error,
            })?;
            let address = address_of(&bound).unwrap_or(address);
            return Ok(Self { bound, names: Names::new(address, None, None), renewal: None });
        };
        let secured = identity.secure().map_err(|what| {
            ListenError::Input(format!(
                "the certificate cannot be used: {what}\nhint: `--tls-cert` is the certificate with its chain, `--tls-key` its key, both as PEM"
            ))
        })?;
        let bound = Bound::new(address)?.over_tls(secured.config);
        let address = address_of(&bound).unwrap_or(address);
        let names = Names::new(address, Some(secured.certificate), None);
        Ok(Self { bound, names, renewal: Some(secured.renewal) })
    }

    /// How programs reach it.
    pub fn url(&self) -> String {
        self.names.url()
    }

    /// By which it shows another certificate, if it shows one.
    pub fn renewal(&self) -> Option<Renewal> {
        self.renewal.clone()
    }
}

fn address_of(bound: &web::Listener) -> Option<SocketAddr> {
    match bound.address() {
        web::Address::Tcp(address) => Some(address),
        web::Address::Socket(_) => None,
    }
}
