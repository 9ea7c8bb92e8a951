//! How the diagnosis reaches services from here.

use std::sync::Arc;
use std::time::Duration;

use countersign_client::{Client, Url};
use countersign_connector::diagnose::Probes;
use countersign_connector::integration::Place;
use countersign_connector::{Clock, Error, Random};
use countersign_signing::Pair;

use super::super::context::{client_config, parse_url};
use crate::config::Config;

/// By the configuration and the environment.
pub(super) struct Way<'w> {
    pub(super) config: &'w Config,
    pub(super) clock: &'w Clock,
    pub(super) random: &'w Random,
}

impl Probes for Way<'_> {
    fn client(&self, place: &Place, pair: &Pair, ahead_ms: i64) -> Result<Client, Error> {
        let mut config = client_config(self.config, place)?;
        config.max_attempts = 2;
        config.connect_timeout = Duration::from_secs(10);
        config.request_timeout = config.request_timeout.min(Duration::from_secs(30));
        let own = self.clock.clone();
        let clock: Clock = Arc::new(move || own() + ahead_ms);
        Ok(Client::new(config, pair, clock, self.random.clone())?)
    }

    fn proxy(&self, url: &Url) -> Option<(String, String)> {
        if let Some(proxy) = &self.config.client.proxy {
            return Some((shown(proxy), "`client.proxy` in config.toml".into()));
        }
        let host = url.host_str()?.to_owned();
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

    fn now(&self) -> i64 {
        (self.clock)()
    }

    fn fill(&self, bytes: &mut [u8]) {
        (self.random)(bytes);
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
