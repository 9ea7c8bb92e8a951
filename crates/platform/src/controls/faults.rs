//! Faults: the plan, and what of it has fired.

use axum::extract::State;
use serde_json::json;

use super::answer::{Answer, Input, Trouble, told};
use crate::faults::Plan;
use crate::state::AppState;

pub(super) async fn read_faults(State(state): State<AppState>) -> Answer {
    told(&state.faults().plan())
}

pub(super) async fn set_faults(State(state): State<AppState>, Input(plan): Input<Plan>) -> Answer {
    state.faults().apply(plan).map_err(|what| Trouble::new(400, what))?;
    told(&state.faults().plan())
}

pub(super) async fn clear_faults(State(state): State<AppState>) -> Answer {
    state.faults().apply(Plan::default()).map_err(|what| Trouble::new(400, what))?;
    told(&state.faults().plan())
}

pub(super) async fn read_fired(State(state): State<AppState>) -> Answer {
    told(&json!({ "fired": state.faults().fired() }))
}
