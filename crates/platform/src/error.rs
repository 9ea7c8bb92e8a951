//! What the platform itself can fail with; what a caller gets is in
//! `rest::error`.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use countersign_tenant as tenant;

/// A platform failure.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    Listen { address: SocketAddr, what: String },
    Tenant(tenant::Error),
}

impl Error {
    pub(crate) fn home(path: &Path, what: String) -> Self {
        tenant::Error::home(path, what).into()
    }

    pub(crate) fn listen(address: SocketAddr, error: &countersign_web::ListenError) -> Self {
        Self(Kind::Listen { address, what: error.to_string() })
    }

    pub(crate) fn stopped() -> Self {
        tenant::Error::stopped().into()
    }

    /// The address that nothing could listen on.
    pub fn refused_address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Listen { address, .. } => Some(*address),
            Kind::Tenant(_) => None,
        }
    }

    /// A value that the user gave cannot be right.
    pub fn is_input(&self) -> bool {
        matches!(&self.0, Kind::Tenant(error) if error.is_input())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Listen { address, what } => {
                write!(f, "failed to listen on `{address}`: {what}")
            }
            Kind::Tenant(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<tenant::Error> for Error {
    fn from(error: tenant::Error) -> Self {
        Self(Kind::Tenant(error))
    }
}

impl From<countersign_signin::Error> for Error {
    fn from(error: countersign_signin::Error) -> Self {
        tenant::Error::from(error).into()
    }
}
