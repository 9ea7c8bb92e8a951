//! What can be wrong between here and the service.

use std::time::Duration;

use countersign_client::{Client, Error, Url};
use countersign_connector::integration::Place;
use countersign_signing::Pair;
use countersign_store::Integration;

use super::super::context::{client_config, parse_url};
use super::diagnosis::{Trouble, cause_and_fix};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::system::{Clock, Random};

/// A service, and how to get there.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    /// URL, a further authority, whether plain http is allowed on loopback.
    pub(super) place: (&'a str, Option<&'a str>, bool),
    pub(super) config: &'a Config,
    pub(super) clock: &'a Clock,
    pub(super) random: &'a Random,
}

impl<'a> Reach<'a> {
    pub(super) fn to(
        one: &'a Integration,
        config: &'a Config,
        clock: &'a Clock,
        random: &'a Random,
    ) -> Self {
        let place = (one.url.as_str(), one.ca_pem.as_deref(), one.allow_http_loopback);
        Self { place, config, clock, random }
    }

    pub(super) fn url(&self) -> &'a str {
        self.place.0
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
        (self.clock)()
    }

    pub(super) fn fill(&self, bytes: &mut [u8]) {
        (self.random)(bytes);
    }

    /// A client that signs as if this machine's clock were `ahead_ms` ahead, and gives
    /// up soon: the doctor does not wait for better times.
    pub(super) fn client(&self, pair: &Pair, ahead_ms: i64) -> Result<Client, Failure> {
        let (url, ca_pem, allow_http_loopback) = self.place;
        let ca_pem = ca_pem.map(str::to_owned);
        let place = Place { url: url.to_owned(), ca_pem, allow_http_loopback };
        let mut config = client_config(self.config, &place)?;
        config.max_attempts = 2;
        config.connect_timeout = Duration::from_secs(10);
        config.request_timeout = config.request_timeout.min(Duration::from_secs(30));
        let own = self.clock.clone();
        let clock: Clock = std::sync::Arc::new(move || own() + ahead_ms);
        Ok(Client::new(config, pair, clock, self.random.clone())?)
    }

    /// The proxy on the way, without user and password, and where it is set.
    pub(super) fn proxy(&self) -> Option<(String, String)> {
        if let Some(proxy) = &self.config.client.proxy {
            return Some((shown(proxy), "`client.proxy` in config.toml".into()));
        }
        let host = self.parsed()?.host_str()?.to_owned();
        let variable = |name: &str| {
            let lower = name.to_lowercase();
            [name, &lower].into_iter().find_map(|name| {
                let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
                Some((value, name.to_owned()))
            })
        };
        let is_direct = variable("NO_PROXY").is_some_and(|(list, _)| {
            list.split(',').map(|entry| entry.trim().trim_start_matches('.')).any(|entry| {
                entry == "*"
                    || !entry.is_empty() && (host == entry || host.ends_with(&format!(".{entry}")))
            })
        });
        let (value, name) = variable("HTTPS_PROXY").or_else(|| variable("ALL_PROXY"))?;
        (!is_direct).then(|| (shown(&value), name))
    }
}

fn shown(proxy: &str) -> String {
    match parse_url(proxy) {
        Ok(url) if url.has_host() => {
            let port = url.port_or_known_default().map(|port| format!(":{port}"));
            let host = url.host_str().unwrap_or_default();
            format!("{}://{host}{}", url.scheme(), port.unwrap_or_default())
        }
        // Host and port alone; what stands before an `@` is not shown.
        _ => proxy.rsplit('@').next().unwrap_or_default().to_owned(),
    }
}

/// The trouble behind a request that failed for another reason than the pair.
pub(super) fn why(reach: &Reach<'_>, error: &Error) -> Trouble {
    let url = reach.url();
    if let Some(what) = error.untrusted_certificate() {
        return certificate(reach, what);
    }
    if error.is_network()
        && let Some((proxy, place)) = reach.proxy()
    {
        return by_proxy(&proxy, &place, error);
    }
    if let Some(what) = error.no_connection() {
        let fix = if reach.is_loopback() {
            "start the platform again, on the same address and home"
        } else {
            "check the URL, the network and firewalls between; where only a proxy leads out, set \
             `client.proxy` in config.toml"
        };
        let cause = format!("nobody answers at {url}: {what}");
        return Trouble::new("service_unreachable", Exit::Upstream, cause, fix);
    }
    let (cause, fix) = cause_and_fix(&error.to_string());
    let exit = if error.is_config() { Exit::Usage } else { Exit::Upstream };
    match error.status() {
        Some(429) => {
            let fix = "wait a minute; lower `client.requests_per_minute` where other tools share \
                       the address";
            Trouble::new("rate_limited", Exit::Upstream, cause, fix)
        }
        Some(400..=499) => {
            let cause = format!("{url} answers, but not as the service does: {cause}");
            let fix = "correct the URL: scheme and host of the REST APIs, such as \
                       https://api.veracode.com";
            Trouble::new("url_wrong", Exit::Upstream, cause, fix)
        }
        _ => {
            let fix = fix.unwrap_or_else(|| "try again later; the trouble is the service's".into());
            Trouble::new("service_failing", exit, cause, fix)
        }
    }
}

fn certificate(reach: &Reach<'_>, what: &str) -> Trouble {
    let url = reach.url();
    let lower = what.to_lowercase();
    let (name, cause, fix) = if lower.contains("not valid for name")
        || lower.contains("notvalidforname")
    {
        (
            "certificate_name",
            format!("the certificate at {url} is another name's: {what}"),
            "correct the URL: its host must be a name in the certificate".to_owned(),
        )
    } else if lower.contains("expired")
        || lower.contains("not valid yet")
        || lower.contains("notvalidyet")
    {
        (
            "certificate_expired",
            format!("the certificate at {url} is not valid at this time: {what}"),
            "check this machine's clock; when it is right, the service needs a new certificate"
                .to_owned(),
        )
    } else if let Some((proxy, _)) = reach.proxy() {
        (
            "ca_unknown",
            format!("the certificate at {url} is signed by an authority unknown here: {what}"),
            format!(
                "add the integration again under another name, with `--ca-file` of the authority \
                 that signs for {url}, or for the proxy {proxy} if that looks into TLS"
            ),
        )
    } else {
        let kept = match reach.place.1 {
            Some(_) => ", and not by the one that is kept with the integration",
            None => "",
        };
        (
            "ca_unknown",
            format!(
                "the certificate at {url} is signed by an authority unknown here{kept}: {what}"
            ),
            format!(
                "add the integration again under another name, with `--ca-file` of the authority \
                 that signs for {url} (`ca.pem` in the home of a platform)"
            ),
        )
    };
    Trouble::new(name, Exit::Upstream, cause, fix)
}

fn by_proxy(proxy: &str, place: &str, error: &Error) -> Trouble {
    let said = error.no_connection();
    let (name, cause, fix) = match said {
        Some(what) if what.contains("authorization required") => (
            "proxy_refuses",
            format!("the proxy {proxy} wants a user and a password"),
            format!("put them into {place}, like http://USER:PASSWORD@HOST:PORT"),
        ),
        Some(what) if what.starts_with("tunnel error") => (
            "proxy_refuses",
            format!("the proxy {proxy} does not connect to the service: {what}"),
            format!("let whoever runs the proxy allow the host, or correct {place}"),
        ),
        _ => {
            let what = said.map(|what| format!(": {what}")).unwrap_or_default();
            (
                "proxy_unreachable",
                format!("the proxy {proxy} does not answer{what}"),
                format!("correct {place}, or take it out where no proxy is needed"),
            )
        }
    };
    Trouble::new(name, Exit::Upstream, cause, fix)
}
