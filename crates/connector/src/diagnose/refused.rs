//! Why a pair is refused. The service gives every cause the same answer, so the cause
//! is found by other means: the date that it sends, what the store knows, the hosts of
//! the other regions, and the eyes of an administrator whose pair is at hand. Where
//! these leave several, it says which, and how to find out.

use countersign_client::Client;
use countersign_findings::parse_time;
use countersign_signing::{Pair, Region};
use countersign_store::Integration;
use countersign_text::span;
use serde_json::Value;

use super::addresses;
use super::printable;
use super::reach::Reach;
use super::trouble::Trouble;
use crate::error::Fault;
use crate::integration::Place;
use crate::times::{distance, when};

/// Shorter than a network is slow, longer than a date is coarse.
const SKEW_MS: i64 = 10_000;
/// A date says the second alone: what has just happened must not lie ahead.
const COARSE_MS: i64 = 2_000;

/// How a pair is replaced; `name` is none for one that is not kept here.
pub(super) fn new_pair(name: Option<&str>) -> String {
    match name {
        Some(name) => format!(
            "give it new API credentials: `countersign credentials rotate {name}` if a rotation is \
             configured; else generate one (API Credentials in the console), and \
             `countersign credentials replace {name}` asks for it"
        ),
        None => {
            "give it new API credentials: generate them (API Credentials in the console), and add those".into()
        }
    }
}

pub(super) struct RefusedPair<'a> {
    pub(super) reach: &'a Reach<'a>,
    pub(super) pair: &'a Pair,
    /// None for a pair that never worked here.
    pub(super) known: Option<Known>,
    /// Other pairs for the same service.
    pub(super) others: Vec<Pair>,
}

/// What the store knows from when the pair worked.
pub(super) struct Known {
    name: String,
    account: Option<String>,
    expires_ms: Option<i64>,
}

impl Known {
    pub(super) fn of(one: &Integration) -> Self {
        Self { name: one.name.clone(), account: one.account.clone(), expires_ms: one.expires_ms }
    }
}

/// What an administrator sees.
enum Seen {
    /// No pair of that id.
    Nothing,
    Pair {
        credential: Option<Value>,
        user: Option<Value>,
    },
}

impl RefusedPair<'_> {
    /// `client` has just been refused.
    pub(super) async fn why(&self, client: &Client) -> Trouble {
        let skew_ms = client.clock_skew_ms().unwrap_or_default();
        if skew_ms.abs() >= SKEW_MS && self.is_accepted(self.reach, skew_ms).await {
            return self.clock(skew_ms);
        }
        let now_ms = self.reach.now() + skew_ms + COARSE_MS;
        let seen = self.seen(skew_ms).await;
        if let Some(Seen::Pair { credential, user }) = &seen
            && let Some(trouble) =
                self.by_administrator(credential.as_ref(), user.as_ref(), now_ms).await
        {
            return trouble;
        }
        let expires_ms = self.known.as_ref().and_then(|known| known.expires_ms);
        if let Some(ms) = expires_ms.filter(|ms| *ms <= now_ms) {
            return expired(self.name(), ms, now_ms);
        }
        if let Some(trouble) = self.region(skew_ms).await {
            return trouble;
        }
        match seen {
            Some(Seen::Nothing) => Trouble::new(
                "pair_unknown",
                Fault::NotAuthenticated,
                format!(
                    "{} knows no credentials with the API ID {}",
                    self.reach.url(),
                    self.pair.id
                ),
                "correct the API ID or the URL; when the account was deleted, a new one is needed",
            ),
            _ => self.candidates(),
        }
    }

    fn name(&self) -> Option<&str> {
        self.known.as_ref().map(|known| known.name.as_str())
    }

    async fn is_accepted(&self, reach: &Reach<'_>, ahead_ms: i64) -> bool {
        match reach.client(self.pair, ahead_ms) {
            Ok(client) => client.self_user().await.is_ok(),
            Err(_) => false,
        }
    }

    /// Proven: with the service's time the same pair was accepted.
    fn clock(&self, skew_ms: i64) -> Trouble {
        let side = if skew_ms > 0 { "behind" } else { "ahead of" };
        let mut fix = "set this machine's clock right: turn on time synchronisation, such as \
                       `timedatectl set-ntp true`"
            .to_owned();
        if self.reach.is_loopback() {
            fix.push_str(
                "; for a platform whose clock was moved, `countersign platform clock --real`",
            );
        }
        Trouble::new(
            "clock_skewed",
            Fault::NotAuthenticated,
            format!(
                "this machine's clock is {} {side} the service's",
                span(skew_ms.unsigned_abs())
            ),
            fix,
        )
    }

    /// The pair through the eyes of the first administrator among the others.
    async fn seen(&self, skew_ms: i64) -> Option<Seen> {
        for other in &self.others {
            for ahead_ms in [0, skew_ms] {
                let Ok(client) = self.reach.client(other, ahead_ms) else { continue };
                match self.seen_by(&client).await {
                    Some(seen) => return Some(seen),
                    None if skew_ms.abs() < SKEW_MS => break,
                    None => {}
                }
            }
        }
        None
    }

    async fn seen_by(&self, client: &Client) -> Option<Seen> {
        let id = &self.pair.id.lowercase();
        let get = async |target: String| client.get(&target).await?.json::<Value>();
        let credential = match get(format!("/api/authn/v2/api_credentials/{id}")).await {
            Ok(credential) => Some(credential),
            // Not there, or not for these eyes.
            Err(error) if error.is_gone() || error.is_forbidden() => None,
            Err(_) => return None,
        };
        let user_id = credential.as_ref().and_then(|one| one["user_id"].as_str());
        let user_id = match user_id {
            Some(user_id) => Some(user_id.to_owned()),
            // Only administrators may search.
            None => {
                let found = get(format!("/api/authn/v2/users/search?api_id={id}")).await;
                let found = match found {
                    Ok(found) => found,
                    // An id that nobody has is refused like one that is none.
                    Err(error) if error.status() == Some(400) => Value::Null,
                    Err(_) => return None,
                };
                let first = found["_embedded"]["users"].get(0);
                first.and_then(|user| user["user_id"].as_str()).map(str::to_owned)
            }
        };
        let user = match &user_id {
            Some(user_id) => get(format!("/api/authn/v2/users/{user_id}")).await.ok(),
            None => None,
        };
        match (credential, user) {
            (None, None) => Some(Seen::Nothing),
            (credential, user) => Some(Seen::Pair { credential, user }),
        }
    }

    async fn by_administrator(
        &self,
        credential: Option<&Value>,
        user: Option<&Value>,
        now_ms: i64,
    ) -> Option<Trouble> {
        let time = |member: &str| credential.and_then(|one| parse_time(one[member].as_str()?));
        if let Some(ms) = time("revocation_ts").filter(|ms| *ms <= now_ms) {
            let by = credential.and_then(|one| one["revocation_user"].as_str());
            let by = by.map(|name| format!(" by {}", printable(name))).unwrap_or_default();
            return Some(Trouble::new(
                "pair_revoked",
                Fault::NotAuthenticated,
                format!("the API credentials were revoked{by}, {}", when(ms)),
                new_pair(self.name()),
            ));
        }
        if let Some(ms) = time("expiration_ts").filter(|ms| *ms <= now_ms) {
            return Some(expired(self.name(), ms, now_ms));
        }
        let user = user?;
        let account = printable(user["user_name"].as_str().unwrap_or("unknown"));
        let disabled = || {
            Trouble::new(
                "account_disabled",
                Fault::NotAuthenticated,
                format!("the account `{account}` is disabled"),
                format!(
                    "an administrator enables it: Settings, Admin, Users, `{account}`, Login Enabled"
                ),
            )
        };
        if user["active"] == false {
            return Some(disabled());
        }
        if user["ip_restricted"] == true
            && let Some(trouble) = self.address(&account, user).await
        {
            return Some(trouble);
        }
        if user["login_enabled"] == false {
            return Some(disabled());
        }
        credential?;
        // A pair that worked once has the right Secret Key.
        Some(match &self.known {
            None => Trouble::new(
                "secret_wrong",
                Fault::NotAuthenticated,
                format!("the Secret Key is not the one of this API ID, a good one of `{account}`"),
                "copy the Secret Key again from where it was generated; if it is lost, \
                 generate new API credentials",
            ),
            Some(_) => Trouble::new(
                "refused_in_order",
                Fault::NotAuthenticated,
                format!(
                    "credentials and account `{account}` are in order, as an administrator sees them, and \
                     requests are refused all the same: something on the way changes their host or path"
                ),
                "let proxies and gateways on the way pass requests on as they are",
            ),
        })
    }

    async fn address(&self, account: &str, user: &Value) -> Option<Trouble> {
        let list = user["allowed_ip_addresses"].as_array().map(Vec::as_slice).unwrap_or_default();
        let allowed: Vec<_> = list.iter().filter_map(Value::as_str).map(printable).collect();
        let own = addresses::seen_by(self.reach).await;
        if own.is_some_and(|own| addresses::is_allowed(own, &allowed)) {
            return None;
        }
        let from = match own {
            Some(own) => format!("this machine comes from {own}"),
            None if self.known.is_some() => "this machine does not come from there".into(),
            None => "this machine does not come from there, unless the Secret Key is wrong instead"
                .into(),
        };
        let allowed = match allowed.as_slice() {
            [] => "no address at all".to_owned(),
            allowed => allowed.join(", "),
        };
        Some(Trouble::new(
            "address_refused",
            Fault::NotAuthenticated,
            format!("the account `{account}` is allowed from {allowed} alone, and {from}"),
            format!(
                "an administrator adds the address that the service sees to the allow-list of \
                 `{account}`, or run this from an allowed one"
            ),
        ))
    }

    /// Whether another region takes the pair. Only Veracode's hosts are asked, and only
    /// about a pair that is meant for one of them.
    async fn region(&self, skew_ms: i64) -> Option<Trouble> {
        let url = self.reach.parsed()?;
        let own = Region::of_rest_host(url.host_str()?)?;
        for region in Region::ALL.into_iter().filter(|region| *region != own) {
            let right = format!("https://{}", region.rest_host());
            let place = Place { url: right.clone(), ..self.reach.place.clone() };
            let there = Reach { place, probes: self.reach.probes };
            let ahead_ms = if skew_ms.abs() < SKEW_MS { 0 } else { skew_ms };
            if self.is_accepted(&there, ahead_ms).await {
                let again = match &self.known {
                    Some(known) => {
                        format!("add it again with `--url {right}`, then remove `{}`", known.name)
                    }
                    None => format!("give `--url {right}`"),
                };
                return Some(Trouble::new(
                    "wrong_region",
                    Fault::Config,
                    format!("the API credentials belong to {right}, not to {}", self.reach.url()),
                    again,
                ));
            }
        }
        None
    }

    /// What is left when nobody can look.
    fn candidates(&self) -> Trouble {
        let account = self.known.as_ref().and_then(|known| known.account.as_deref());
        let account = account.map(|name| format!("`{}`", printable(name)));
        let named = account.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        let mut left = Vec::new();
        match &self.known {
            None => left.push("the Secret Key is not the one of this API ID".to_owned()),
            Some(known) if known.expires_ms.is_none() => {
                left.push("the API credentials have expired".to_owned());
            }
            Some(_) => {}
        }
        left.push(match self.known {
            None => "the API credentials were revoked, or have expired".to_owned(),
            Some(_) => "the API credentials were revoked, or replaced by newer ones".to_owned(),
        });
        left.push(format!("the account{named} is disabled"));
        left.push(format!("this machine's address is not on the allow-list of the account{named}"));
        Trouble::new(
            "pair_refused",
            Fault::NotAuthenticated,
            format!(
                "the service refuses the API credentials and does not report why; left are: {}",
                left.join("; ")
            ),
            format!(
                "ask an administrator to look at {} in Settings, Admin, Users; or add credentials of \
                 an account with the role Admin API to this data directory, and the doctor names the one",
                account.unwrap_or_else(|| format!("the account of the API ID {}", self.pair.id))
            ),
        )
    }
}

fn expired(name: Option<&str>, ms: i64, now_ms: i64) -> Trouble {
    let cause = format!("the API credentials expired {}, {}", when(ms), distance(ms, now_ms));
    Trouble::new("pair_expired", Fault::NotAuthenticated, cause, new_pair(name))
}
