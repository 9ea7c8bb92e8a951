//! What the service says of the account behind a client.

use countersign_client::Client;
use countersign_findings::parse_time;
use countersign_store::Observed;
use countersign_wire::identity::User;

use crate::error::Error;

/// What the service says of the account behind a client.
pub(crate) async fn observe(client: &Client) -> Result<Observed, Error> {
    let user = client.self_user().await?;
    let expires_ms = expiry(client, &user).await?;
    Ok(observed(user, expires_ms))
}

pub(crate) fn observed(user: User, expires_ms: Option<i64>) -> Observed {
    let roles = user.roles.unwrap_or_default().into_iter();
    let teams = user.teams.unwrap_or_default().into_iter();
    Observed {
        account: user.user_name,
        user_id: Some(user.user_id),
        roles: roles.filter_map(|role| role.role_name).collect(),
        teams: teams.filter_map(|team| team.team_id).collect(),
        expires_ms,
        problem: None,
    }
}

/// When the credential that authorises expires, as far as the service says.
pub(crate) async fn expiry(client: &Client, user: &User) -> Result<Option<i64>, Error> {
    let told = user.api_credentials.as_ref().and_then(|one| one.expiration_ts.clone());
    let expires = match told {
        Some(told) => Some(told),
        None => match client.own_credential().await {
            Ok(own) => own.expiration_ts,
            // An account with OAuth clients alone has no pair.
            Err(error) if error.is_gone() => None,
            Err(error) => return Err(error.into()),
        },
    };
    Ok(expires.as_deref().and_then(parse_time))
}
