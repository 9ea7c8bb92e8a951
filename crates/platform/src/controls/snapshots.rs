//! Snapshots: taken, restored, forked; and the beginning again.

use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Holder, Input, Trouble, told};
use super::clock;
use crate::state::AppState;

async fn snapshots(state: &AppState) -> Answer {
    let names = state.aside(|state| state.snapshots().names()).await?;
    told(&json!({ "snapshots": names }))
}

pub(super) async fn list_snapshots(State(state): State<AppState>) -> Answer {
    snapshots(&state).await
}

pub(super) async fn take_snapshot(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Answer {
    state.aside(move |state| state.snapshots().take(state.tenant(), &name)).await?;
    snapshots(&state).await
}

pub(super) async fn delete_snapshot(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Answer {
    state.aside(move |state| state.snapshots().delete(&name)).await?;
    snapshots(&state).await
}

pub(super) async fn restore_snapshot(
    Holder(act): Holder,
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Answer {
    state.aside(move |state| state.snapshots().restore(state.tenant(), &act, &name)).await?;
    clock::view(&state)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fork {
    to: std::path::PathBuf,
}

pub(super) async fn fork(State(state): State<AppState>, Input(Fork { to }): Input<Fork>) -> Answer {
    if !to.is_absolute() {
        return Err(Trouble::new(400, "`to` is the absolute path of a new folder"));
    }
    let made = to.clone();
    state.aside(move |state| state.snapshots().fork(state.tenant(), &made)).await?;
    told(&json!({ "home": to }))
}

pub(super) async fn reset(Holder(act): Holder, State(state): State<AppState>) -> Answer {
    state.aside(move |state| state.snapshots().reset(state.tenant(), &act)).await?;
    clock::view(&state)
}
