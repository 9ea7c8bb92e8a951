//! The pairs of an account.

use axum::extract::{RawQuery, State};
use serde_json::json;

use super::answer::{Answer, Trouble, told};
use crate::rest::query::Query;
use crate::state::AppState;
use countersign_tenant::{Error, View, credentials, timestamp, users};

/// Every pair that was ever made for an account, the newest first. Never a secret.
pub(super) async fn list_credentials(
    State(state): State<AppState>,
    RawQuery(raw): RawQuery,
) -> Answer {
    let query = Query::parse(raw.as_deref());
    let name = query.get("user").map(String::from).unwrap_or_default();
    let missing = Trouble::new(404, format!("there is no account `{name}`"));
    let ask = move |view: &View<'_>| match users::named(view, &name)? {
        Some(user) => credentials::of_user(view, user.id).map(Some),
        None => Ok(None),
    };
    let pairs = state.look::<_, Error>(ask).await?.ok_or(missing)?;
    let pairs = pairs.into_iter().map(|pair| {
        json!({
            "api_id": pair.credential.api_id,
            "created_ts": timestamp(pair.created_ms),
            "expiration_ts": timestamp(pair.credential.expires_ms),
            "revocation_ts": pair.credential.revoked_ms.map(timestamp),
            "last_used_ts": pair.last_used_ms.map(timestamp),
        })
    });
    told(&json!({ "credentials": pairs.collect::<Vec<_>>() }))
}
