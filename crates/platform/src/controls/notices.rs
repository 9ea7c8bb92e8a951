//! The outbox: every mail that was written.

use axum::extract::State;
use serde_json::json;

use super::answer::{Answer, told};
use crate::state::AppState;
use countersign_tenant::{Error, notices};

pub(super) async fn list_outbox(State(state): State<AppState>) -> Answer {
    let mails = state.look::<_, Error>(notices::mails).await?;
    told(&json!({ "mails": mails }))
}
