//! Reads that name an application: what the store has is the answer, and where the integration
//! is live the application is first read from its service. Whether it was is always said.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::HeaderName;
use countersign_connector::diagnose::cause_and_fix;
use countersign_connector::sync::{Fresh, Lack};
use countersign_connector::{Error, Fault};
use countersign_findings::ApplicationGuid;
use countersign_store::{IntegrationKind, Mode, OwnedIntegration};
use countersign_text::line;

use super::asked::Asked;
use crate::around::Did;
use crate::inner::Inner;
use crate::problem::Problem;

/// Reads an application from the service of an integration into the store, or shares such a
/// reading; see [`countersign_connector::sync::Readings`].
pub type ReadNow = Arc<dyn Fn(OwnedIntegration, ApplicationGuid) -> Reading + Send + Sync>;

/// A reading under way. It goes on when it is dropped.
pub type Reading = Pin<Box<dyn Future<Output = Result<Fresh, Error>> + Send>>;

/// What an answer waits for its reading. Clients wait for an answer for 60 seconds or longer;
/// the reading goes on, and the next answer has it.
const WAIT: Duration = Duration::from_secs(60);
/// In which ask again is worth it.
const AGAIN_S: u64 = 30;

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Source {
    /// From what the last sync, or an earlier reading, stored.
    #[default]
    Stored,
    /// From the service, within the last 30 seconds.
    Live,
}

impl Source {
    /// The header of every read.
    pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-countersign-source");

    pub(crate) fn value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Stored => "stored",
            Self::Live => "live",
        })
    }
}

/// How it went.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) source: Source,
    /// Requests to the service.
    pub(super) api_ops: u64,
    /// Why the answer is not from the service, where it was to be.
    pub(super) problem: Option<Problem>,
}

/// Reads an application of a live integration from its service, as far as that can be done.
pub(super) async fn look(
    inner: &Inner,
    integration: &OwnedIntegration,
    application: &str,
) -> Looked {
    let is_live = match (integration.known.mode, integration.kind) {
        (Mode::Live, IntegrationKind::Veracode) => true,
        (Mode::Stored, _) | (Mode::Live, IntegrationKind::Imported) => false,
    };
    // What cannot be a guid is in no store either.
    let Some(guid) = ApplicationGuid::parse(application).ok().filter(|_| is_live) else {
        return Looked::default();
    };
    let reading = (inner.read_now)(integration.clone(), guid);
    match tokio::time::timeout(WAIT, reading).await {
        Ok(Ok(Fresh { requests, lack: None })) => {
            Looked { source: Source::Live, api_ops: requests, problem: None }
        }
        Ok(Ok(Fresh { requests, lack: Some(lack) })) => Looked::stored(requests, lacking(lack)),
        Ok(Err(error)) => Looked::stored(requests_of(&error), failed(&error)),
        Err(_) => {
            let seconds = WAIT.as_secs();
            let cause = format!("the service has not sent all of it within {seconds} seconds");
            Looked::stored(0, stored("the service is slow", cause))
        }
    }
}

impl Looked {
    fn stored(api_ops: u64, problem: Problem) -> Self {
        Self { source: Source::Stored, api_ops, problem: Some(problem) }
    }

    /// What the operation did, and to the answer what is to be said.
    pub(super) fn did(self, db_ops: u64, asked: &mut Asked) -> Did {
        asked.problems.extend(self.problem);
        Did { db_ops, api_ops: self.api_ops, source: self.source, ..Did::default() }
    }

    /// That something is not in the store means less where the service was not asked.
    pub(super) fn explain(&self, problem: Problem) -> Problem {
        match self.problem.as_ref().and_then(Problem::detail) {
            Some(cause) => problem.with_detail(cause),
            None => problem,
        }
    }
}

/// One request at least was sent, unless it failed before that.
fn requests_of(error: &Error) -> u64 {
    match error.fault() {
        Fault::NotAuthenticated | Fault::RoleMissing | Fault::Upstream | Fault::Incomplete => 1,
        _ => 0,
    }
}

fn lacking(lack: Lack) -> Problem {
    match lack {
        Lack::Gone => {
            let message =
                "the service does not show this application; the answer is what is stored";
            Problem::gone(message)
                .with_detail("it was deleted, or the account of the integration no longer sees it")
        }
        Lack::Syncing => stored("the service is not read twice", "a sync of the integration runs"),
        Lack::Incomplete(reason) => stored("the service was not read completely", reason),
    }
}

fn failed(error: &Error) -> Problem {
    // What to do about it is for who runs this program: the log has it.
    let (cause, _) = cause_and_fix(&error.to_string());
    stored("the service cannot be read", cause)
}

fn stored(what: &str, cause: impl AsRef<str>) -> Problem {
    Problem::unavailable(format!("{what}; the answer is what is stored"), AGAIN_S)
        .with_detail(line(cause.as_ref()).to_string())
        .with_remediation("ask again later for an answer from the service")
}
