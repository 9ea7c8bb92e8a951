//! What every request shares.

use std::sync::Arc;

use countersign_signing::Window;

use countersign_accounts::password;
use countersign_accounts::ticket::{self, Purpose};

use crate::accounts::Accounts;
use crate::accounts::User;
use crate::clock::VirtualClock;
use crate::database::Database;
use crate::faults::Faults;
use crate::letters;
use crate::limit::Limit;
use crate::nonces::Nonces;
use crate::recorder::Recorder;
use crate::snapshots::Snapshots;
use crate::{Error, Random};

#[derive(Clone)]
pub(crate) struct AppState(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) database: Database,
    pub(crate) accounts: Accounts,
    pub(crate) nonces: Nonces,
    pub(crate) limit: Limit,
    pub(crate) window: Window,
    pub(crate) aliases: Vec<String>,
    pub(crate) clock: VirtualClock,
    pub(crate) faults: Faults,
    pub(crate) recorder: Recorder,
    /// Only where somebody can ask the recorder.
    pub(crate) is_recorded: bool,
    pub(crate) snapshots: Snapshots,
    pub(crate) random: Random,
    /// Where people find the console; none without one.
    pub(crate) console_url: Option<String>,
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

    pub(crate) fn console_url(&self) -> Option<&str> {
        self.0.console_url.as_deref()
    }

    pub(crate) fn now(&self) -> i64 {
        self.0.clock.now()
    }

    pub(crate) fn clock(&self) -> &VirtualClock {
        &self.0.clock
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
        &self.0.random
    }

    /// Sends the link that leads to a password: the first one by a welcome, another
    /// one on request. Without a console no link leads anywhere.
    pub(crate) fn send_password_link(
        &self,
        transaction: &rusqlite::Transaction<'_>,
        user: &User,
        is_by_admin: bool,
    ) -> Result<(), Error> {
        let Some(console) = &self.0.console_url else { return Ok(()) };
        let (now_ms, random) = (self.now(), &**self.random());
        if password::is_set(transaction, user.id)? {
            let token = ticket::issue(transaction, Purpose::Reset, user.id, now_ms, random)?;
            let link = format!("{console}/reset/{}", *token);
            return letters::reset(transaction, user, &link, is_by_admin, now_ms);
        }
        let token = ticket::issue(transaction, Purpose::Activate, user.id, now_ms, random)?;
        let link = format!("{console}/activate/{}", *token);
        letters::welcome(transaction, user, &link, now_ms)
    }

    pub(crate) fn window(&self) -> Window {
        self.0.window
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    pub(crate) fn nonces(&self) -> &Nonces {
        &self.0.nonces
    }

    pub(crate) fn limit(&self) -> &Limit {
        &self.0.limit
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.database
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
