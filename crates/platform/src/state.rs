//! What every request shares.

use std::sync::Arc;

use axum::http::HeaderValue;

use countersign_signing::Window;

use crate::date::DateHeader;
use crate::faults::Faults;
use crate::limit::Limit;
use crate::mailbox::Mailbox;
use crate::metrics::Answers;
use crate::nonces::Nonces;
use crate::recorder::Recorder;
use countersign_tenant::clock::VirtualClock;
use countersign_tenant::snapshots::Snapshots;
use countersign_tenant::{Act, Change, Error, Noted, Random, Tenant, View};
use countersign_web::blocking;

#[derive(Clone)]
pub(crate) struct AppState(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) tenant: Tenant,
    pub(crate) nonces: Nonces,
    pub(crate) limit: Limit,
    pub(crate) window: Window,
    pub(crate) aliases: Vec<String>,
    pub(crate) date: DateHeader,
    pub(crate) faults: Faults,
    pub(crate) recorder: Recorder,
    pub(crate) answers: Answers,
    /// Only where somebody can ask the recorder.
    pub(crate) is_recorded: bool,
    pub(crate) snapshots: Snapshots,
    /// Where mail stays in the built-in mailbox; none where it does not.
    pub(crate) mailbox: Option<Mailbox>,
}

impl AppState {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(crate) fn mailbox(&self) -> Option<&Mailbox> {
        self.0.mailbox.as_ref()
    }

    pub(crate) fn tenant(&self) -> &Tenant {
        &self.0.tenant
    }

    pub(crate) fn answers(&self) -> &Answers {
        &self.0.answers
    }

    pub(crate) fn console_url(&self) -> Option<&str> {
        self.0.tenant.console_url()
    }

    pub(crate) fn now(&self) -> i64 {
        self.0.tenant.now()
    }

    pub(crate) fn clock(&self) -> &VirtualClock {
        self.0.tenant.clock()
    }

    /// The `Date` header.
    pub(crate) fn date(&self) -> HeaderValue {
        self.0.date.at(self.now())
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.0.faults
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.0.is_recorded
    }

    pub(crate) fn snapshots(&self) -> &Snapshots {
        &self.0.snapshots
    }

    pub(crate) fn random(&self) -> &Random {
        self.0.tenant.random()
    }

    pub(crate) fn window(&self) -> Window {
        self.0.window
    }

    pub(crate) fn nonces(&self) -> &Nonces {
        &self.0.nonces
    }

    pub(crate) fn limit(&self) -> &Limit {
        &self.0.limit
    }

    /// Further names that requests may have been signed for.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.aliases.iter().map(String::as_str)
    }

    /// A question to the tenant, off the threads that answer.
    pub(crate) async fn look<T, E>(
        &self,
        ask: impl FnOnce(&View<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.aside(|state| state.tenant().look(ask)).await
    }

    /// A change of the tenant, off the threads that answer.
    pub(crate) async fn change<T, E>(
        &self,
        act: Act,
        make: impl FnOnce(&Change<'_>) -> Result<Noted<T>, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.aside(move |state| state.tenant().change(&act, make)).await
    }

    /// Anything that takes its time, off the threads that answer.
    pub(crate) async fn aside<T, E>(
        &self,
        act: impl FnOnce(&Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let state = self.clone();
        let done = blocking(move || act(&state)).await;
        done.unwrap_or_else(|_| Err(Error::stopped().into()))
    }
}
