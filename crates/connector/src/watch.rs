//! Watches credentials: asks the service about each, says what there is to do, in
//! time and once, to people and to other programs.
//!
//! [`inventory`] and [`plan`] are pure; what runs them here is thin. Channels are
//! somebody else's: they implement [`Channel`].

pub mod inventory;
pub mod plan;

pub mod feeds;

mod channel;
mod needs;
mod policy;

use countersign_client::Client;
use countersign_findings::parse_time;
use countersign_store::{
    Credential, CredentialId, CredentialKind, Delivery, NewNotice, Observed, Store,
};

pub use channel::{Channel, Channels, Delivering, Message, Sending, Sent};
pub use inventory::{Row, State};
pub use needs::{Need, Purpose, Standing};
pub use plan::{Kind, THRESHOLDS_DAYS};
pub use policy::Policy;

use crate::Connector;
use crate::account::{expiry, observed};
use crate::error::Error;
pub use crate::source::WATCH as PURPOSE;
pub use crate::times::DAY_MS;

impl Connector {
    /// Asks the service about a credential and notes the answer, a refusal too. The
    /// expiry is that of the credential itself: of an OAuth client its own, and of a
    /// pair its own although the account has a newer one.
    pub async fn look(&self, credential: &Credential, client: &Client) -> Result<(), Error> {
        let outcome = self.ask(credential, client).await;
        let (seen, fault) = match &outcome {
            Ok((seen, _)) => (seen.clone(), None),
            Err(error) => {
                let problem = Some(error.to_string());
                (Observed { problem, ..Observed::default() }, Some(error.fault()))
            }
        };
        // A publication in between was seen by somebody else already.
        if self.store.credential_by(credential.id).await?.api_id != credential.api_id {
            return Ok(());
        }
        let now_ms = self.now();
        self.store.observe_credential(credential.id, seen, now_ms).await?;
        let skew_ms = client.clock_skew_ms();
        self.store.note_sighting(credential.id, now_ms, fault, skew_ms).await?;
        let (_, live_id) = outcome?;
        self.note_live_id(credential.id, live_id.as_deref()).await
    }

    async fn ask(
        &self,
        credential: &Credential,
        client: &Client,
    ) -> Result<(Observed, Option<String>), Error> {
        let user = client.self_user().await?;
        if credential.kind == CredentialKind::OAuth {
            let clients = match client.oauth_clients(None).await {
                Ok(clients) => clients,
                // The service need not tell a token of its client.
                Err(error) if error.is_gone() || error.is_forbidden() => Vec::new(),
                Err(error) => return Err(error.into()),
            };
            let own = clients.into_iter().find(|one| one.client_id == credential.api_id);
            let expires_ms = own.and_then(|own| own.expiration_ts).and_then(|ts| parse_time(&ts));
            return Ok((observed(user, expires_ms), None));
        }
        let told = user.api_credentials.as_ref().map(|one| one.api_id.clone());
        let is_ours = told.as_ref().is_none_or(|id| is_same(id, &credential.api_id));
        if is_ours {
            let expires_ms = expiry(client, &user).await?;
            return Ok((observed(user, expires_ms), told));
        }
        let own = client.own_credential().await?;
        let is_own = is_same(&own.api_id, &credential.api_id);
        let expires_ms = own.expiration_ts.filter(|_| is_own).and_then(|ts| parse_time(&ts));
        Ok((observed(user, expires_ms), told))
    }

    /// Notes which id is live at the service for the account of a credential: one that
    /// is not the published one was made by somebody else, and gets a notice. None when
    /// nobody knows.
    pub async fn note_live_id(
        &self,
        credential: CredentialId,
        live_id: Option<&str>,
    ) -> Result<(), Error> {
        let ours = self.store.credential_by(credential).await?.api_id;
        let foreign = live_id.filter(|id| !is_same(id, &ours)).map(str::to_owned);
        Ok(self.store.note_live_id(credential, foreign, self.now()).await?)
    }

    /// What there is to know of every credential, the worst first.
    pub async fn inventory(&self, policy: &Policy) -> Result<Vec<Row>, Error> {
        rows(&self.store, policy, self.now()).await
    }

    /// Raises what there is to say and delivers what is due.
    pub async fn notify(&self, policy: &Policy, channels: &Channels) -> Result<Sent, Error> {
        let rows = self.inventory(policy).await?;
        notify(&self.store, policy, channels, &rows, self.now()).await
    }
}

/// One id, with or without the prefix of its region.
fn is_same(one: &str, other: &str) -> bool {
    let bare = |id: &str| id.rsplit('-').next().unwrap_or_default().to_ascii_lowercase();
    one.eq_ignore_ascii_case(other) || bare(one) == bare(other)
}

/// The same without a connector, for who holds no vault.
pub async fn rows(store: &Store, policy: &Policy, now_ms: i64) -> Result<Vec<Row>, Error> {
    let integrations = store.integrations().await?;
    let used_by: Vec<_> = integrations.iter().map(|one| (one.credential, &one.name)).collect();
    let sightings = store.sightings().await?;
    let minters = store.minters().await?;
    let mut rows = Vec::new();
    for credential in store.credentials().await? {
        let id = credential.id;
        let of_it = used_by.iter().filter(|(used, _)| *used == id);
        rows.push(inventory::row(
            inventory::Facts {
                integrations: of_it.map(|(_, name)| String::clone(name)).collect(),
                is_minter: minters.contains(&id),
                sighting: sightings.iter().find(|one| one.credential == id),
                rotation: store.rotation_under_way(id).await?.as_ref(),
                credential: &credential,
            },
            policy,
            now_ms,
        ));
    }
    rows.sort_by_key(Row::order);
    Ok(rows)
}

/// The same without a connector: what is raised is on disk before it is sent, and a
/// try is counted before it is made. A process that dies in between sends again after
/// a while, with the same id.
pub async fn notify(
    store: &Store,
    policy: &Policy,
    channels: &Channels,
    rows: &[Row],
    now_ms: i64,
) -> Result<Sent, Error> {
    let planned = plan::plan(policy, rows, &store.notices().await?, now_ms);
    let mut sent = Sent::default();
    store.end_notices(planned.end, now_ms).await?;
    for raise in planned.raise {
        sent.raised += usize::from(raise_one(store, raise, channels, now_ms).await?);
    }
    let told_last = channels.names(Sending::Escalation);
    if !told_last.is_empty() {
        for id in planned.escalate {
            store.escalate_notice(id, told_last.clone(), now_ms).await?;
        }
    }
    let notices = store.notices().await?;
    for delivery in store.deliveries().await? {
        let Some(notice) = notices.iter().find(|one| one.id == delivery.notice) else { continue };
        let row = rows.iter().find(|row| row.id == notice.credential);
        let (Some(row), true) = (row, plan::is_due(policy, notice, &delivery, now_ms)) else {
            continue;
        };
        let Some(channel) = channels.named(&delivery.channel) else { continue };
        let message = Message::of(row, notice, delivery.is_escalation, now_ms);
        deliver(store, channel, &delivery, &message, now_ms, &mut sent).await?;
    }
    Ok(sent)
}

async fn raise_one(
    store: &Store,
    raise: plan::Raise,
    channels: &Channels,
    now_ms: i64,
) -> Result<bool, Error> {
    let new = NewNotice {
        credential: raise.credential,
        kind: raise.kind,
        occasion: raise.occasion,
        threshold: raise.threshold,
        episode: raise.episode,
        is_urgent: raise.kind == Kind::Expiry && raise.threshold <= 1,
        raised_ms: now_ms,
    };
    Ok(store.raise_notice(new, channels.names(Sending::Notice)).await?)
}

async fn deliver(
    store: &Store,
    channel: &dyn Channel,
    delivery: &Delivery,
    message: &Message,
    now_ms: i64,
    sent: &mut Sent,
) -> Result<(), Error> {
    let next_ms = now_ms.saturating_add(plan::wait_ms(delivery.attempts));
    if !store.claim_delivery(delivery, next_ms).await? {
        return Ok(());
    }
    let problem = channel.send(message).await.err();
    tracing::info!(
        credential = message.credential,
        kind = message.kind,
        subject = message.subject,
        channel = delivery.channel,
        problem,
        "notice sent"
    );
    match &problem {
        None => sent.delivered += 1,
        Some(why) => sent.failed.push(format!("{}: {why}", delivery.channel)),
    }
    Ok(store.settle_delivery(delivery, problem, now_ms).await?)
}
