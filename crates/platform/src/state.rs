//! What every request shares.

use std::sync::Arc;

use axum::http::HeaderValue;

use countersign_signing::Window;

use countersign_signin::password;
use countersign_signin::ticket::{self, Purpose};

use crate::date::DateHeader;
use crate::faults::Faults;
use crate::limit::Limit;
use crate::nonces::Nonces;
use crate::recorder::Recorder;
use countersign_tenant::clock::VirtualClock;
use countersign_tenant::database::Database;
use countersign_tenant::letters;
use countersign_tenant::settings::Settings;
use countersign_tenant::snapshots::Snapshots;
use countersign_tenant::users::{self, User};
use countersign_tenant::{Act, Change, Error, Noted, Random, Tenant, View};

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
    /// Only where somebody can ask the recorder.
    pub(crate) is_recorded: bool,
    pub(crate) snapshots: Snapshots,
    /// Whether mail stays in the built-in mailbox.
    pub(crate) has_mailbox: bool,
}

impl AppState {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(crate) fn has_mailbox(&self) -> bool {
        self.0.has_mailbox
    }

    pub(crate) fn tenant(&self) -> &Tenant {
        &self.0.tenant
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

    /// Sends the link that leads to a password: the first one by a welcome, another
    /// one on request. Without a console no link leads anywhere.
    pub(crate) fn send_password_link(
        &self,
        transaction: &rusqlite::Transaction<'_>,
        user: &User,
        is_by_admin: bool,
    ) -> Result<(), Error> {
        let now_ms = self.now();
        let is_reset = password::is_set(transaction, user.id)?;
        let purpose = if is_reset { Purpose::Reset } else { Purpose::Activate };
        let Some(link) = self.link(transaction, purpose, user)? else { return Ok(()) };
        if is_reset {
            return letters::reset(transaction, user, &link, is_by_admin, now_ms);
        }
        letters::welcome(transaction, user, &link, now_ms)
    }

    pub(crate) fn settings(&self, connection: &rusqlite::Connection) -> Result<Settings, Error> {
        Settings::read(connection)
    }

    /// Whether the person has to set up a second factor.
    pub(crate) fn must_have_factor(
        &self,
        connection: &rusqlite::Connection,
        user: &User,
    ) -> Result<bool, Error> {
        Ok(self.settings(connection)?.must_have_factor(user))
    }

    /// A link that is good once; none without a console.
    fn link(
        &self,
        transaction: &rusqlite::Transaction<'_>,
        purpose: Purpose,
        user: &User,
    ) -> Result<Option<String>, Error> {
        let Some(console) = self.console_url() else { return Ok(None) };
        let random = &**self.random();
        let token = ticket::issue(transaction, purpose, user.id, self.now(), random)?;
        Ok(Some(format!("{console}/{}/{}", purpose.as_str(), *token)))
    }

    /// Tells the owner of a lock-out, with the link that ends it.
    pub(crate) fn tell_locked(
        &self,
        transaction: &rusqlite::Transaction<'_>,
        user: &User,
        what: &str,
    ) -> Result<(), Error> {
        let Some(link) = self.link(transaction, Purpose::Unlock, user)? else { return Ok(()) };
        letters::locked(transaction, user, what, &link, self.now())
    }

    /// Takes another mail address over, once its owner has said so by the link that
    /// goes there; the address before is told. Without a console at once.
    pub(crate) fn change_address(
        &self,
        transaction: &rusqlite::Transaction<'_>,
        user: &User,
        address: &str,
    ) -> Result<(), Error> {
        let now_ms = self.now();
        let Some(link) = self.link(transaction, Purpose::Address, user)? else {
            return Ok(users::set_email(transaction, user.id, address)?);
        };
        ticket::wish(transaction, user.id, address)?;
        letters::verify_address(transaction, user, address, &link, now_ms)?;
        let what = format!(
            "The e-mail address of the account {} is to change to {address}, once it is verified.",
            user.name
        );
        letters::happened(transaction, user, letters::ADDRESS_CHANGED, &what, now_ms)
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

    pub(crate) fn database(&self) -> &Database {
        self.0.tenant.database()
    }

    /// Further names that requests may have been signed for.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.aliases.iter().map(String::as_str)
    }

    /// A query, off the threads that answer.
    pub(crate) async fn read<T, E>(
        &self,
        act: impl FnOnce(&rusqlite::Connection, &Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<rusqlite::Error> + From<Error> + Send + 'static,
    {
        self.aside(|state| state.database().read(|connection| act(connection, state))).await
    }

    /// A transaction, off the threads that answer.
    pub(crate) async fn write<T, E>(
        &self,
        act: impl FnOnce(&rusqlite::Transaction<'_>, &Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<rusqlite::Error> + From<Error> + Send + 'static,
    {
        self.aside(|state| state.database().write(|transaction| act(transaction, state))).await
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
        let done = tokio::task::spawn_blocking(move || act(&state)).await;
        done.unwrap_or_else(|_| Err(Error::stopped().into()))
    }
}
