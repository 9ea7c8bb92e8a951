//! Days that pass, and what happens in them.

use axum::extract::State;
use serde::Deserialize;

use super::answer::{Answer, Holder, Input, Trouble, told};
use crate::state::AppState;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mutation {
    #[serde(default = "one_day")]
    days: u32,
    #[serde(default)]
    seed: u64,
}

fn one_day() -> u32 {
    1
}

/// Days beyond this are a mistake.
const MAX_DAYS: u32 = 3660;

/// Days pass, and in each the tenant lives. Either all of them or none.
pub(super) async fn mutate(
    Holder(act): Holder,
    State(state): State<AppState>,
    Input(Mutation { days, seed }): Input<Mutation>,
) -> Answer {
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(Trouble::new(400, format!("`days` is 1 to {MAX_DAYS}")));
    }
    told(&state.aside(move |state| state.tenant().live(&act, days, seed)).await?)
}
