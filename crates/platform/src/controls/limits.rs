//! The limit of requests.

use axum::extract::State;

use super::answer::{Answer, Input, Trouble, told};
use crate::limit::Rule;
use crate::state::AppState;

pub(super) async fn read_limits(State(state): State<AppState>) -> Answer {
    told(&state.limit().rule())
}

pub(super) async fn set_limits(State(state): State<AppState>, Input(rule): Input<Rule>) -> Answer {
    if rule.window_seconds == 0 || rule.window_seconds > 86_400 {
        return Err(Trouble::new(400, "`window_seconds` is 1 to 86400"));
    }
    state.limit().apply(rule);
    told(&rule)
}
