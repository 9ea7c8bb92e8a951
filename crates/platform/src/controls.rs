//! The test controls, on a listener of their own and behind a bearer token: the
//! clock, faults, limits, the recorder, snapshots, the outbox.

mod answer;
mod clock;
mod credentials;
mod faults;
mod import;
mod life;
mod limits;
mod notices;
mod recorder;
mod snapshots;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use sha2::{Digest, Sha256};

use crate::state::AppState;
use answer::Trouble;

const MAX_BODY_BYTES: usize = 1 << 20;

pub(crate) fn router(state: AppState, token: &str) -> Router {
    let proof: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    Router::new()
        .route("/clock", get(clock::read_clock).put(clock::set_clock).delete(clock::real_clock))
        .route("/clock/advance", post(clock::advance))
        .route(
            "/faults",
            get(faults::read_faults).put(faults::set_faults).delete(faults::clear_faults),
        )
        .route("/faults/fired", get(faults::read_fired))
        .route("/limits", get(limits::read_limits).put(limits::set_limits))
        .route("/requests", get(recorder::list_requests).delete(recorder::clear_requests))
        .route("/requests/count", get(recorder::count_requests))
        .route("/requests/har", get(recorder::archive))
        .route("/requests/expect", post(recorder::expect))
        .route("/snapshots", get(snapshots::list_snapshots))
        .route(
            "/snapshots/{name}",
            delete(snapshots::delete_snapshot).post(snapshots::take_snapshot),
        )
        .route("/snapshots/{name}/restore", post(snapshots::restore_snapshot))
        .route("/reset", post(snapshots::reset))
        .route("/fork", post(snapshots::fork))
        .route("/import", post(import::take_in).layer(DefaultBodyLimit::max(import::MAX_BYTES)))
        .route("/mutate", post(life::mutate))
        .route("/outbox", get(notices::list_outbox))
        .route("/credentials", get(credentials::list_credentials))
        .fallback(async || Trouble::new(404, "there is no such control"))
        .method_not_allowed_fallback(async || Trouble::new(405, "not with this method"))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
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
