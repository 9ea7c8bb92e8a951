//! The test controls, on a listener of their own and behind a bearer token: the
//! clock, faults, limits, the recorder, snapshots, the outbox.

use std::convert::Infallible;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequestParts, Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use countersign_web::body::Unread;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::caller::address_of;
use crate::faults::Plan;
use crate::limit::Rule;
use crate::recorder::{Wanted, har};
use crate::rest::query::Query;
use crate::state::AppState;
use countersign_tenant::clock::{JudgedBy, Setting};
use countersign_tenant::{
    Act, By, Change, Error, View, credentials, import, notices, timestamp, users,
};

/// Entries of a listing unless more are asked for.
const SCREENFUL: usize = 100;
const MAX_BODY_BYTES: usize = 1 << 20;
const MAX_IMPORT_BYTES: usize = 64 << 20;

pub(crate) fn router(state: AppState, token: &str) -> Router {
    let proof: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    Router::new()
        .route("/clock", get(read_clock).put(set_clock).delete(real_clock))
        .route("/clock/advance", post(advance))
        .route("/faults", get(read_faults).put(set_faults).delete(clear_faults))
        .route("/faults/fired", get(read_fired))
        .route("/limits", get(read_limits).put(set_limits))
        .route("/requests", get(list_requests).delete(clear_requests))
        .route("/requests/count", get(count_requests))
        .route("/requests/har", get(archive))
        .route("/requests/expect", post(expect))
        .route("/snapshots", get(list_snapshots))
        .route("/snapshots/{name}", delete(delete_snapshot).post(take_snapshot))
        .route("/snapshots/{name}/restore", post(restore_snapshot))
        .route("/reset", post(reset))
        .route("/fork", post(fork))
        .route(
            "/import",
            post(take_in).layer(axum::extract::DefaultBodyLimit::max(MAX_IMPORT_BYTES)),
        )
        .route("/mutate", post(mutate))
        .route("/outbox", get(list_outbox))
        .route("/credentials", get(list_credentials))
        .fallback(async || Trouble::new(404, "there is no such control"))
        .method_not_allowed_fallback(async || Trouble::new(405, "not with this method"))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(proof, guarded))
        .with_state(state)
}

/// Digests are compared, so that time tells nothing about the token.
async fn guarded(State(proof): State<[u8; 32]>, request: Request, next: Next) -> Response {
    let mut headers = request.headers().get_all(AUTHORIZATION).iter();
    let given = headers.next().and_then(|value| value.to_str().ok());
    let token = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    if digest != proof || headers.next().is_some() {
        return Trouble::new(401, "the bearer token of the ready file is needed").into_response();
    }
    next.run(request).await
}

/// Who holds the token and from where, for the log.
struct Holder(Act);

impl<S: Sync> FromRequestParts<S> for Holder {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let from = address_of(parts).map(|address| address.to_string());
        Ok(Self(Act::new(By::Controls, from.unwrap_or_default())))
    }
}

struct Trouble(StatusCode, String);

impl Trouble {
    fn new(status: u16, what: impl Into<String>) -> Self {
        Self(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), what.into())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        (self.0, JSON, json!({ "error": self.1 }).to_string()).into_response()
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::new(if error.is_input() { 400 } else { 500 }, error.to_string())
    }
}

impl From<crate::rest::error::Refusal> for Trouble {
    fn from(_: crate::rest::error::Refusal) -> Self {
        Self::new(400, "a parameter cannot be read")
    }
}

const JSON: [(axum::http::HeaderName, HeaderValue); 1] =
    [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];

type Answer = Result<Response, Trouble>;

fn told(value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).map_err(|error| Trouble::new(500, error.to_string()))?;
    Ok((JSON, body).into_response())
}

fn unread(error: &BytesRejection, too_large: &str) -> Trouble {
    let unread = Unread::because(error);
    let what = match unread {
        Unread::TooLarge => too_large,
        Unread::TooSlow => "the body took too long",
        Unread::Broken => "the body broke off",
    };
    Trouble::new(unread.status(), what)
}

fn read<T: serde::de::DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Trouble> {
    let body = body.map_err(|error| unread(&error, "the body is larger than 1 MiB"))?;
    serde_json::from_slice(&body).map_err(|error| Trouble::new(400, error.to_string()))
}

// The clock.

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
struct ClockInput {
    #[serde(default)]
    now: Option<String>,
    #[serde(default)]
    frozen: Option<bool>,
    #[serde(default)]
    signatures: Option<JudgedBy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    by: String,
}

fn clock_view(state: &AppState) -> Answer {
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

async fn read_clock(State(state): State<AppState>) -> Answer {
    clock_view(&state)
}

async fn set_clock(State(state): State<AppState>, body: Result<Bytes, BytesRejection>) -> Answer {
    let input: ClockInput = read(body)?;
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

async fn real_clock(State(state): State<AppState>) -> Answer {
    apply(state, Setting::default()).await
}

async fn advance(State(state): State<AppState>, body: Result<Bytes, BytesRejection>) -> Answer {
    let input: Advance = read(body)?;
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
    clock_view(&state)
}

// Faults and limits.

async fn read_faults(State(state): State<AppState>) -> Answer {
    told(&state.faults().plan())
}

async fn set_faults(State(state): State<AppState>, body: Result<Bytes, BytesRejection>) -> Answer {
    let plan: Plan = read(body)?;
    state.faults().apply(plan).map_err(|what| Trouble::new(400, what))?;
    told(&state.faults().plan())
}

async fn clear_faults(State(state): State<AppState>) -> Answer {
    state.faults().apply(Plan::default()).map_err(|what| Trouble::new(400, what))?;
    told(&state.faults().plan())
}

async fn read_fired(State(state): State<AppState>) -> Answer {
    told(&json!({ "fired": state.faults().fired() }))
}

async fn read_limits(State(state): State<AppState>) -> Answer {
    told(&state.limit().rule())
}

async fn set_limits(State(state): State<AppState>, body: Result<Bytes, BytesRejection>) -> Answer {
    let rule: Rule = read(body)?;
    if rule.window_seconds == 0 || rule.window_seconds > 86_400 {
        return Err(Trouble::new(400, "`window_seconds` is 1 to 86400"));
    }
    state.limit().apply(rule);
    told(&rule)
}

// The recorder.

fn wanted(query: &Query) -> Result<Wanted, Trouble> {
    let text = |name: &str| query.get(name).map(String::from);
    Ok(Wanted {
        method: text("method"),
        path: text("path"),
        caller: text("caller"),
        status: query.number("status")?,
        cause: text("cause"),
        since: query.number("since")?.unwrap_or_default(),
    })
}

async fn list_requests(State(state): State<AppState>, RawQuery(raw): RawQuery) -> Answer {
    let query = Query::parse(raw.as_deref());
    let limit = query.number("limit")?.unwrap_or(SCREENFUL);
    told(&json!({ "requests": state.recorder().find(&wanted(&query)?, limit) }))
}

async fn count_requests(State(state): State<AppState>, RawQuery(raw): RawQuery) -> Answer {
    let wanted = wanted(&Query::parse(raw.as_deref()))?;
    told(&json!({ "count": state.recorder().count(&wanted) }))
}

async fn clear_requests(State(state): State<AppState>) -> Answer {
    state.recorder().clear();
    told(&json!({ "count": 0 }))
}

async fn archive(State(state): State<AppState>, RawQuery(raw): RawQuery) -> Answer {
    let wanted = wanted(&Query::parse(raw.as_deref()))?;
    told(&har(&state.recorder().find(&wanted, usize::MAX)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    caller: Option<String>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    cause: Option<String>,
    #[serde(default)]
    at_least: Option<usize>,
    #[serde(default)]
    at_most: Option<usize>,
}

/// 200 when the recording is as expected, else 409; both say what there is.
async fn expect(State(state): State<AppState>, body: Result<Bytes, BytesRejection>) -> Answer {
    let expected: Expectation = read(body)?;
    if expected.at_least.is_none() && expected.at_most.is_none() {
        return Err(Trouble::new(400, "give `at_least`, `at_most` or both"));
    }
    let wanted = Wanted {
        method: expected.method,
        path: expected.path,
        caller: expected.caller,
        status: expected.status,
        cause: expected.cause,
        since: 0,
    };
    let count = state.recorder().count(&wanted);
    let is_met = expected.at_least.is_none_or(|least| count >= least)
        && expected.at_most.is_none_or(|most| count <= most);
    let mut answer = told(&json!({ "met": is_met, "count": count }))?;
    if !is_met {
        *answer.status_mut() = StatusCode::CONFLICT;
    }
    Ok(answer)
}

// State.

async fn snapshots(state: &AppState) -> Answer {
    let names = state.aside(|state| state.snapshots().names()).await?;
    told(&json!({ "snapshots": names }))
}

async fn list_snapshots(State(state): State<AppState>) -> Answer {
    snapshots(&state).await
}

async fn take_snapshot(State(state): State<AppState>, Path(name): Path<String>) -> Answer {
    state.aside(move |state| state.snapshots().take(state.tenant(), &name)).await?;
    snapshots(&state).await
}

async fn delete_snapshot(State(state): State<AppState>, Path(name): Path<String>) -> Answer {
    state.aside(move |state| state.snapshots().delete(&name)).await?;
    snapshots(&state).await
}

async fn restore_snapshot(
    Holder(act): Holder,
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Answer {
    state.aside(move |state| state.snapshots().restore(state.tenant(), &act, &name)).await?;
    clock_view(&state)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fork {
    to: std::path::PathBuf,
}

async fn fork(State(state): State<AppState>, body: Result<Bytes, BytesRejection>) -> Answer {
    let Fork { to } = read(body)?;
    if !to.is_absolute() {
        return Err(Trouble::new(400, "`to` is the absolute path of a new folder"));
    }
    let made = to.clone();
    state.aside(move |state| state.snapshots().fork(state.tenant(), &made)).await?;
    told(&json!({ "home": to }))
}

/// A page of applications or findings as the real service answers it; all of it or
/// nothing.
async fn take_in(
    Holder(act): Holder,
    State(state): State<AppState>,
    RawQuery(raw): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let body = body.map_err(|error| unread(&error, "a page is at most 64 MiB"))?;
    let query = Query::parse(raw.as_deref());
    let seed = query.get("seed").unwrap_or_default().to_owned();
    let application = query.get("application").map(String::from);
    let page = move |change: &Change<'_>| -> Result<_, Error> {
        import::page(change, &body, &seed, application.as_deref())
    };
    told(&state.change(act, page).await?)
}

async fn reset(Holder(act): Holder, State(state): State<AppState>) -> Answer {
    state.aside(move |state| state.snapshots().reset(state.tenant(), &act)).await?;
    clock_view(&state)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutation {
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
async fn mutate(
    Holder(act): Holder,
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let Mutation { days, seed } = read(body)?;
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(Trouble::new(400, format!("`days` is 1 to {MAX_DAYS}")));
    }
    told(&state.aside(move |state| state.tenant().live(&act, days, seed)).await?)
}

async fn list_outbox(State(state): State<AppState>) -> Answer {
    let mails = state.look::<_, Error>(notices::mails).await?;
    told(&json!({ "mails": mails }))
}

/// Every pair that was ever made for an account, the newest first. Never a secret.
async fn list_credentials(State(state): State<AppState>, RawQuery(raw): RawQuery) -> Answer {
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
