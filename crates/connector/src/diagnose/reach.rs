//! A service, and how to get there.

use countersign_client::{Client, Url};
use countersign_signing::Pair;

use crate::error::Error;
use crate::integration::Place;

/// What only the program can do or know.
pub trait Probes: Sync {
    /// A client that signs as if this machine's clock were `ahead_ms` ahead, and gives up
    /// soon: a diagnosis does not wait for better times.
    fn client(&self, place: &Place, pair: &Pair, ahead_ms: i64) -> Result<Client, Error>;

    /// The proxy on the way to a URL, without user and password, and where it is set.
    fn proxy(&self, url: &Url) -> Option<(String, String)>;

    /// Milliseconds since the Unix epoch.
    fn now(&self) -> i64;

    /// Fills a buffer with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// A service, and how to get there.
pub struct Reach<'p> {
    /// The service.
    pub place: Place,
    /// The way.
    pub probes: &'p dyn Probes,
}

impl Reach<'_> {
    pub(super) fn url(&self) -> &str {
        &self.place.url
    }

    pub(super) fn parsed(&self) -> Option<Url> {
        Url::parse(self.url()).ok()
    }

    pub(super) fn is_at(&self, url: &str) -> bool {
        let (own, other) = (self.parsed(), Url::parse(url).ok());
        own.zip(other).is_some_and(|(own, other)| own.origin() == other.origin())
    }

    pub(super) fn is_loopback(&self) -> bool {
        match self.parsed().as_ref().and_then(Url::host_str) {
            Some("localhost") => true,
            Some(host) => {
                let host = host.trim_matches(['[', ']']);
                host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            None => false,
        }
    }

    pub(super) fn now(&self) -> i64 {
        self.probes.now()
    }

    pub(super) fn client(&self, pair: &Pair, ahead_ms: i64) -> Result<Client, Error> {
        self.probes.client(&self.place, pair, ahead_ms)
    }

    pub(super) fn proxy(&self) -> Option<(String, String)> {
        self.probes.proxy(&self.parsed()?)
    }
}
