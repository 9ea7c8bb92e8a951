//! What a rotation asks of the service, for both kinds of credentials.

use countersign_client::{Client, Error as ClientError, OAuthClientState};
use countersign_findings::parse_time;
use countersign_store::{Credential, CredentialKind};
use countersign_vault::{Entry, Secret};

use super::machine::{Held, Live};
use crate::error::{Error, Fault};

/// Asks for one account, as itself or as an administrator.
pub(crate) struct Asking {
    client: Client,
    /// Whom for; none for the caller itself.
    user_id: Option<String>,
    kind: CredentialKind,
    /// What is published while this rotation begins, and what its name begins with that
    /// this rotation makes of it: OAuth clients are told apart by their names.
    published: String,
    prefix: String,
}

/// A new credential, and when it expires.
pub(crate) struct Fresh {
    pub(crate) secret: Secret,
    pub(crate) expires_ms: Option<i64>,
}

/// What is live, with what was wrong when there is no answer.
pub(crate) type Seen = (Live<String>, Option<ClientError>);

impl Asking {
    pub(crate) fn new(client: Client, target: &Credential, as_itself: bool) -> Self {
        Self {
            client,
            user_id: if as_itself { None } else { target.user_id.clone() },
            kind: target.kind,
            published: target.api_id.clone(),
            prefix: prefix_of(&target.api_id),
        }
    }

    /// Which credential of the account is live, and whether `entries` of the vault hold
    /// it.
    pub(crate) async fn live(&self, old: &str, entries: &[Entry]) -> Seen {
        let asked = match self.kind {
            CredentialKind::Hmac => self.live_pair().await,
            CredentialKind::OAuth => self.live_client(old, entries).await,
        };
        let id = match asked {
            Ok(Some(id)) => id,
            Ok(None) => return (Live::Nothing, None),
            Err(error) => return (silence(&error), Some(error)),
        };
        if id.eq_ignore_ascii_case(old) {
            return (Live::Old, None);
        }
        match held(&id, entries) {
            Some(held) => (Live::Ours(held), None),
            None => (Live::Unknown(id), None),
        }
    }

    async fn live_pair(&self) -> Result<Option<String>, ClientError> {
        let state = match &self.user_id {
            Some(user_id) => self.client.credential_of(user_id).await,
            None => self.client.own_credential().await,
        };
        match state {
            // The newest, revoked or not. By the service's own clock, as far as known.
            Ok(state) => {
                let revoked_ms = state.revocation_ts.as_deref().and_then(parse_time);
                let is_revoked = revoked_ms.is_some_and(|ms| ms <= self.client.service_now_ms());
                Ok((!is_revoked).then_some(state.api_id))
            }
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Of the clients that this rotation made, the one that the vault holds, or else
    /// the newest; without any, the one that is published.
    async fn live_client(
        &self,
        old: &str,
        entries: &[Entry],
    ) -> Result<Option<String>, ClientError> {
        let all = self.client.oauth_clients(self.user_id.as_deref()).await?;
        let active: Vec<_> = all.into_iter().filter(is_active).collect();
        let mut made: Vec<_> =
            active.iter().filter(|client| client.name.starts_with(&self.prefix)).collect();
        made.sort_by(|a, b| a.name.cmp(&b.name));
        let ours = made.iter().rev().find(|client| held(&client.client_id, entries).is_some());
        let newest = ours.or(made.last()).map(|client| client.client_id.clone());
        if newest.as_deref().is_some_and(|id| id != old) {
            return Ok(newest);
        }
        let is_there = active.iter().any(|client| client.client_id == self.published);
        Ok(if is_there { Some(old.to_owned()) } else { newest })
    }

    /// Asks for a new one. Sent once.
    pub(crate) async fn mint(&self, nth: u32) -> Result<Fresh, ClientError> {
        match self.kind {
            CredentialKind::Hmac => {
                let minted = self.client.mint(self.user_id.as_deref()).await?;
                let expires_ms = minted.expires.as_deref().and_then(parse_time);
                Ok(Fresh { secret: minted.credential.into(), expires_ms })
            }
            CredentialKind::OAuth => {
                let name = format!("{}{nth}", self.prefix);
                let minted = self.client.clone_oauth_client(&self.published, &name).await?;
                let expires_ms = minted.expires.as_deref().and_then(parse_time);
                Ok(Fresh { secret: minted.credential.into(), expires_ms })
            }
        }
    }

    /// When the credential expires, and when it ends before that, as the service says.
    pub(crate) async fn ends(&self, id: &str) -> Result<(Option<i64>, Option<i64>), ClientError> {
        let time = |text: &Option<String>| text.as_deref().and_then(parse_time);
        match self.kind {
            CredentialKind::Hmac => {
                let state = self.client.credential(id).await?;
                Ok((time(&state.expiration_ts), time(&state.revocation_ts)))
            }
            CredentialKind::OAuth => {
                let all = self.client.oauth_clients(self.user_id.as_deref()).await?;
                let found = all.into_iter().find(|client| client.client_id == id);
                let is_over = found.as_ref().is_none_or(|client| !is_active(client));
                let expires_ms = found.and_then(|client| time(&client.expiration_ts));
                Ok((expires_ms, is_over.then(|| self.client.service_now_ms())))
            }
        }
    }

    pub(crate) async fn revoke(&self, id: &str) -> Result<(), ClientError> {
        let revoked = match self.kind {
            CredentialKind::Hmac => self.client.revoke(id).await,
            CredentialKind::OAuth => self.client.revoke_oauth_client(id).await,
        };
        match revoked {
            Err(error) if error.is_gone() => Ok(()),
            other => other,
        }
    }

    /// Whether both twins have the same roles and teams now.
    pub(crate) async fn compare(&self, one: &Credential, other: &Credential) -> Result<(), Error> {
        let mut both = Vec::new();
        for twin in [one, other] {
            let Some(user_id) = &twin.user_id else {
                let what = format!("the account behind `{}` is not known", twin.name);
                return Err(Error::new(Fault::Config, what));
            };
            let user = self.client.user(user_id).await?;
            both.push(crate::account::observed(user, None));
        }
        let twin = |twin: &Credential, seen: &countersign_store::Observed| Credential {
            roles: seen.roles.clone(),
            teams: seen.teams.clone(),
            ..twin.clone()
        };
        super::is_equal(&twin(one, &both[0]), &twin(other, &both[1]))
    }
}

/// Tries a new credential: a signed call of the account that it is to be of.
pub(crate) async fn try_it(client: &Client, target: &Credential) -> Result<(), ClientError> {
    let user = client.self_user().await?;
    match &target.user_id {
        Some(user_id) if *user_id != user.user_id => {
            Err(client.mismatch("the new credential is another account's"))
        }
        _ => Ok(()),
    }
}

/// The version of the vault that holds this id.
pub(crate) fn held(id: &str, entries: &[Entry]) -> Option<Held<String>> {
    let mut newest = entries.iter().rev().filter(|entry| !entry.is_tombstone);
    let entry = newest.find(|entry| entry.api_id.eq_ignore_ascii_case(id))?;
    Some(Held { id: entry.api_id.clone(), version: entry.version })
}

pub(crate) fn silence(error: &ClientError) -> Live<String> {
    if error.is_not_authenticated() || error.is_forbidden() { Live::Refused } else { Live::Silent }
}

/// The service has other words for clients that no longer sign.
fn is_active(client: &OAuthClientState) -> bool {
    client.status == "ACTIVE"
}

/// Unlike that of every other rotation of the same account.
fn prefix_of(published: &str) -> String {
    let short: String = published.chars().take(32).collect();
    format!("countersign after {short} #")
}
