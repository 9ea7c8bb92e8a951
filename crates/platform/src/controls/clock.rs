//! The clock: moved, stopped, advanced.

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Input, Trouble, told};
use crate::state::AppState;
use countersign_tenant::clock::{JudgedBy, Setting};
use countersign_tenant::timestamp;

#[derive(Serialize)]
struct ClockView {
    now: String,
    now_ms: i64,
    frozen: bool,
    offset_ms: i64,
    signatures: JudgedBy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockInput {
    #[serde(default)]
    now: Option<String>,
    #[serde(default)]
    frozen: Option<bool>,
    #[serde(default)]
    signatures: Option<JudgedBy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Advance {
    by: String,
}

/// How the clock stands.
pub(super) fn view(state: &AppState) -> Answer {
    let setting = state.clock().setting();
    let now_ms = state.now();
    told(&ClockView {
        now: timestamp(now_ms),
        now_ms,
        frozen: setting.frozen_ms.is_some(),
        offset_ms: setting.offset_ms,
        signatures: setting.signatures,
    })
}

pub(super) async fn read_clock(State(state): State<AppState>) -> Answer {
    view(&state)
}

pub(super) async fn set_clock(
    State(state): State<AppState>,
    Input(input): Input<ClockInput>,
) -> Answer {
    let clock = state.clock();
    let mut setting = clock.setting();
    if let Some(text) = input.now {
        let now: jiff::Timestamp = text.parse().map_err(|_| {
            Trouble::new(400, format!("`{text}` is not a time such as 2026-11-24T08:00:00Z"))
        })?;
        setting = clock.moved_to(setting, now.as_millisecond());
    }
    match input.frozen {
        Some(true) => setting.frozen_ms = Some(clock.at(setting)),
        Some(false) => {
            setting = clock.moved_to(setting, clock.at(setting));
            setting.frozen_ms = None;
        }
        None => {}
    }
    setting.signatures = input.signatures.unwrap_or(setting.signatures);
    apply(state, setting).await
}

pub(super) async fn real_clock(State(state): State<AppState>) -> Answer {
    apply(state, Setting::default()).await
}

pub(super) async fn advance(State(state): State<AppState>, Input(input): Input<Advance>) -> Answer {
    let by_ms = duration_ms(&input.by)?;
    let clock = state.clock();
    let setting = clock.setting();
    let to_ms = clock.at(setting).saturating_add(by_ms);
    let setting = clock.moved_to(setting, to_ms);
    apply(state, setting).await
}

/// `500ms`, `30s`, `90m`, `12h`, `365d`.
fn duration_ms(text: &str) -> Result<i64, Trouble> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    // A hundred years: dates beyond have more than four digits of a year soon.
    let most = 36_525 * 86_400_000;
    number
        .parse::<i64>()
        .ok()
        .zip(unit_ms)
        .and_then(|(number, unit_ms)| number.checked_mul(unit_ms))
        .filter(|ms| *ms <= most)
        .ok_or_else(|| {
            Trouble::new(400, format!("`{text}` is not a time such as 90m, 12h or 365d"))
        })
}

/// In the database first: a restart lives in the same time. What became due is
/// written before the answer.
async fn apply(state: AppState, setting: Setting) -> Answer {
    state.aside(move |state| state.tenant().set_clock(setting)).await?;
    view(&state)
}
