//! Where the credential of a try comes from. A client asks anew for every try, so
//! that a rotation in between is seen, and holds what it is given until the
//! answer is there, so that a rotation can wait for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use countersign_signing::{OAuthClient, Pair, Region, Signer};

use crate::error::Error;

/// What authorises requests: a pair that signs, or a client that gets tokens.
#[derive(Debug, Clone)]
pub enum Authority {
    /// Signs each request.
    Signer(Signer),
    /// Is exchanged for a token.
    OAuthClient(OAuthClient),
}

impl Authority {
    /// The API ID or the Client ID.
    pub fn id(&self) -> &str {
        match self {
            Self::Signer(signer) => signer.id().as_str(),
            Self::OAuthClient(client) => &client.id,
        }
    }

    /// A prefixed pair on another region's host cannot work: said before the
    /// service answers 401 without a reason.
    pub(crate) fn check_region(&self, host: &str) -> Result<(), Error> {
        let Self::Signer(signer) = self else { return Ok(()) };
        let id = signer.id();
        match Region::of_rest_host(host) {
            Some(region) if id.is_prefixed() && id.region() != region => {
                let right = id.region().rest_host();
                Err(Error::config(format!(
                    "the API credentials belong to `{right}`, not to `{host}`\nhint: use `https://{right}`"
                )))
            }
            _ => Ok(()),
        }
    }
}

impl From<&Pair> for Authority {
    fn from(pair: &Pair) -> Self {
        Self::Signer(Signer::new(pair))
    }
}

impl From<OAuthClient> for Authority {
    fn from(client: OAuthClient) -> Self {
        Self::OAuthClient(client)
    }
}

/// A credential for one try.
pub struct Lease {
    /// What authorises it.
    pub authority: Arc<Authority>,
    /// Dropped once the answer is there.
    pub hold: Option<Box<dyn Send>>,
}

/// A lease that is waited for; fails with what is wrong, in a sentence.
pub type Leased<'s> = Pin<Box<dyn Future<Output = Result<Lease, String>> + Send + 's>>;

/// Whether a refused credential was replaced.
pub type Replaced<'s> = Pin<Box<dyn Future<Output = bool> + Send + 's>>;

/// Gives the credential of each try.
pub trait Source: Send + Sync {
    /// The credential of the next try. Waits, for a bounded time, while it is being
    /// replaced.
    fn lease(&self) -> Leased<'_>;

    /// Whether the credential of this id, which the service has just refused, is not
    /// the one that the next lease gives. Waits, for a bounded time, while it is being
    /// replaced.
    fn replaced<'s>(&'s self, id: &'s str) -> Replaced<'s>;
}

/// One credential, for good.
pub struct Fixed(Arc<Authority>);

impl Fixed {
    /// A source that always gives this one.
    pub fn new(authority: Authority) -> Self {
        Self(Arc::new(authority))
    }
}

impl Source for Fixed {
    fn lease(&self) -> Leased<'_> {
        let lease = Lease { authority: Arc::clone(&self.0), hold: None };
        Box::pin(std::future::ready(Ok(lease)))
    }

    fn replaced<'s>(&'s self, _: &'s str) -> Replaced<'s> {
        Box::pin(std::future::ready(false))
    }
}
