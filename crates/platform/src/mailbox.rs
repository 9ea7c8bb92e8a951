//! What opens the built-in mailbox, and where there may be one.

use std::net::IpAddr;

use axum::http::Uri;
use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use countersign_tenant::Random;

/// What opens the mailbox, for as long as the platform runs.
pub(crate) struct Mailbox(Zeroizing<String>);

impl Mailbox {
    pub(crate) fn new(random: &Random) -> Self {
        let mut token = Zeroizing::new([0; 32]);
        random(&mut *token);
        Self(Zeroizing::new(BASE64URL_NOPAD.encode(&*token)))
    }

    /// Whether nobody but this machine comes to a console that listens here and is known by
    /// this address. One that a proxy on this machine passes on to the world is known by
    /// another.
    pub(crate) fn may_be_at(listen: IpAddr, url: &str) -> bool {
        let url = url.parse::<Uri>().ok();
        let host = url.as_ref().and_then(Uri::host).unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_local = match bare.parse::<IpAddr>() {
            Ok(ip) => ip.is_loopback(),
            Err(_) => bare == "localhost" || bare.ends_with(".localhost"),
        };
        listen.is_loopback() && is_local
    }

    /// The end of its link.
    pub(crate) fn path(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("/mailbox/open/{}", *self.0))
    }

    pub(crate) fn opens_to(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}
