//! What those who watch a platform read of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use countersign_tenant::{self as tenant, home};
use countersign_text::openmetrics::{Exposition, Kind, Samples};
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

/// A family of metrics of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformMetric {
    /// The version that runs.
    Build,
    /// What was answered.
    Requests,
    /// Applications.
    Applications,
    /// Findings.
    Findings,
}

impl PlatformMetric {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 4] = [Self::Build, Self::Requests, Self::Applications, Self::Findings];

    /// Its name, without the suffix of its kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Build => "countersign_build",
            Self::Requests => "countersign_platform_requests",
            Self::Applications => "countersign_platform_applications",
            Self::Findings => "countersign_platform_findings",
        }
    }

    /// What its numbers are.
    pub fn kind(self) -> Kind {
        match self {
            Self::Build => Kind::Info,
            Self::Requests => Kind::Counter,
            Self::Applications | Self::Findings => Kind::Gauge,
        }
    }

    /// The labels of its samples.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Build => &["version"],
            Self::Requests => &["status"],
            Self::Applications | Self::Findings => &[],
        }
    }

    /// What it means.
    pub fn help(self) -> &'static str {
        match self {
            Self::Build => "The version that is running",
            Self::Requests => "Requests that the REST API answered since the start, by status",
            Self::Applications => "Applications of the tenant",
            Self::Findings => "Findings of the tenant",
        }
    }

    fn begin(self, text: &mut Exposition) -> Samples<'_> {
        text.family(self.name(), self.kind(), self.help())
    }
}

async fn render(state: &AppState, version: &str) -> Result<String, tenant::Error> {
    let (applications, findings) = state.look(home::counts).await?;
    let mut text = Exposition::default();
    PlatformMetric::Build.begin(&mut text).put(&[("version", version)], 1);
    let mut requests = PlatformMetric::Requests.begin(&mut text);
    for (status, count) in state.answers().all() {
        requests.put(&[("status", &status.to_string())], count);
    }
    PlatformMetric::Applications.begin(&mut text).put(&[], applications);
    PlatformMetric::Findings.begin(&mut text).put(&[], findings);
    Ok(text.end())
}
