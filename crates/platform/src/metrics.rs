//! What those who watch a platform read of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use countersign_tenant::{self as tenant, home};
use countersign_text::openmetrics::{Exposition, Kind};
use countersign_web::health::Expose;

use crate::state::AppState;

/// Answers by status.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<BTreeMap<u16, u64>>);

impl Answers {
    fn note(&self, status: u16) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
    }

    fn all(&self) -> BTreeMap<u16, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Around everything that the REST API answers.
pub(crate) async fn counted(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    state.answers().note(response.status().as_u16());
    response
}

pub(crate) fn expose(state: AppState, version: &'static str) -> Expose {
    Arc::new(move || {
        let state = state.clone();
        Box::pin(async move { render(&state, version).await.map_err(|error| error.to_string()) })
    })
}

async fn render(state: &AppState, version: &str) -> Result<String, tenant::Error> {
    let (applications, findings) = state.look(home::counts).await?;
    let mut text = Exposition::default();
    text.family("countersign_build", Kind::Info, "The version that is running")
        .put(&[("version", version)], 1);
    let help = "Requests that the REST API answered since the start, by status";
    let mut requests = text.family("countersign_platform_requests", Kind::Counter, help);
    for (status, count) in state.answers().all() {
        requests.put(&[("status", &status.to_string())], count);
    }
    text.family("countersign_platform_applications", Kind::Gauge, "Applications of the tenant")
        .put(&[], applications);
    text.family("countersign_platform_findings", Kind::Gauge, "Findings of the tenant")
        .put(&[], findings);
    Ok(text.end())
}
