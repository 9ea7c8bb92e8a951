//! How the diagnosis reaches services from here.

use std::sync::Arc;
use std::time::Duration;

use countersign_client::{Client, Urgency, Url};
use countersign_connector::budget::SharedBudget;
use countersign_connector::diagnose::Probes;
use countersign_connector::integration::Place;
use countersign_connector::{Clock, Error, Random};
use countersign_signing::Pair;

use super::super::context::client_config;
use crate::config::Config;
use crate::way::Way;

/// By the configuration and the environment.
pub(super) struct FromHere<'w> {
    pub(super) config: &'w Config,
    pub(super) clock: &'w Clock,
    pub(super) random: &'w Random,
    pub(super) budget: &'w SharedBudget,
}

impl Probes for FromHere<'_> {
    fn client(&self, place: &Place, pair: &Pair, ahead_ms: i64) -> Result<Client, Error> {
        let mut config = client_config(self.config, place, self.budget)?;
        config.share = "(doctor)".to_owned();
        config.urgency = Urgency::Interactive;
        config.max_attempts = 2;
        config.is_prompt = true;
        config.request_timeout = config.request_timeout.min(Duration::from_secs(30));
        let own = self.clock.clone();
        let clock: Clock = Arc::new(move || own() + ahead_ms);
        Ok(Client::new(config, pair, clock, self.random.clone())?)
    }

    fn proxy(&self, url: &Url) -> Option<(String, String)> {
        match Way::to(url, self.config) {
            Ok(Way::Through(proxy)) => Some((proxy.shown(), proxy.place().to_owned())),
            _ => None,
        }
    }

    fn now(&self) -> i64 {
        (self.clock)()
    }

    fn fill(&self, bytes: &mut [u8]) {
        (self.random)(bytes);
    }
}
