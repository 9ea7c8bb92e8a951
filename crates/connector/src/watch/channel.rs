//! What is said, and the ways out that somebody else provides.

use std::future::Future;
use std::pin::Pin;

use countersign_store::Notice;

use super::inventory::Row;
use super::plan::Kind;

/// A notice in words and in fields. No secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The same at every try, and no other notice's of this store.
    pub id: String,
    /// What it is about.
    pub kind: String,
    /// Days before the expiry; 0 when it has come, none for other kinds.
    pub threshold_days: Option<i64>,
    /// Whether it goes out at any hour.
    pub is_urgent: bool,
    /// Whether nobody took it on in time.
    pub is_escalation: bool,
    /// Name of the credential.
    pub credential: String,
    /// Whose it is.
    pub account: Option<String>,
    /// Where it is for.
    pub host: String,
    /// Its public id.
    pub api_id: String,
    /// When it expires.
    pub expires_ms: Option<i64>,
    /// Now.
    pub at_ms: i64,
    /// One line.
    pub subject: String,
    /// What there is to do, a line each.
    pub actions: Vec<String>,
}

impl Message {
    pub(super) fn of(row: &Row, notice: &Notice, is_escalation: bool, now_ms: i64) -> Self {
        let suffix = if is_escalation { "e" } else { "n" };
        let is_expiry = notice.kind == Kind::Expiry;
        let told = subject(row, notice, now_ms);
        Self {
            id: format!("{}.{}{suffix}", notice.raised_ms, notice.id.number()),
            kind: notice.kind.as_str().to_owned(),
            threshold_days: is_expiry.then_some(notice.threshold),
            is_urgent: notice.is_urgent,
            is_escalation,
            credential: row.name.clone(),
            account: row.account.clone(),
            host: row.host.clone(),
            api_id: row.api_id.clone(),
            expires_ms: row.expires_ms,
            at_ms: now_ms,
            subject: if is_escalation { format!("nobody took this on: {told}") } else { told },
            actions: row.actions(),
        }
    }
}

fn subject(row: &Row, notice: &Notice, now_ms: i64) -> String {
    let (name, host) = (&row.name, &row.host);
    match notice.kind {
        Kind::Expiry => {
            let left_ms = row.expires_ms.unwrap_or(now_ms) - now_ms;
            if left_ms <= 0 {
                format!("credential `{name}` for {host} has expired")
            } else {
                format!("credential `{name}` for {host} expires in {}", span(left_ms))
            }
        }
        Kind::Refused => format!("{host} refuses credential `{name}`"),
        Kind::RoleMissing => format!("credential `{name}` for {host} lacks a role"),
        Kind::Skew => {
            let seconds = row.skew_ms.unwrap_or_default() / 1000;
            let way = if seconds > 0 { "behind" } else { "ahead of" };
            format!("this machine's clock is {} s {way} that of {host}", seconds.abs())
        }
        Kind::Stuck => format!("the rotation of `{name}` for {host} does not move"),
        Kind::Foreign => {
            format!("an unknown API ID is active for the account of `{name}` at {host}")
        }
    }
}

fn span(ms: i64) -> String {
    const HOUR_MS: i64 = 3_600_000;
    match ms / HOUR_MS {
        0 => "less than an hour".into(),
        hours @ 1..48 => format!("{hours} h"),
        hours => format!("{} days", hours / 24),
    }
}

/// A message on its way; fails with why not, in a sentence without secrets.
pub type Delivering<'s> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 's>>;

/// A way out.
pub trait Channel: Send + Sync {
    /// Its name, unlike any other's.
    fn name(&self) -> &str;

    /// Hands a message over. It counts as delivered when this succeeds; otherwise it
    /// comes again later with the same id.
    fn send<'s>(&'s self, message: &'s Message) -> Delivering<'s>;
}

/// What a channel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// Whatever there is to say.
    Notice,
    /// What nobody took on in time.
    Escalation,
}

/// The ways out.
#[derive(Default)]
pub struct Channels(Vec<(Sending, Box<dyn Channel>)>);

impl Channels {
    /// Adds one.
    pub fn add(&mut self, sending: Sending, channel: Box<dyn Channel>) {
        self.0.push((sending, channel));
    }

    pub(super) fn names(&self, sending: Sending) -> Vec<String> {
        let of_it = self.0.iter().filter(|(what, _)| *what == sending);
        of_it.map(|(_, channel)| channel.name().to_owned()).collect()
    }

    pub(super) fn named(&self, name: &str) -> Option<&dyn Channel> {
        self.0.iter().map(|(_, channel)| &**channel).find(|channel| channel.name() == name)
    }
}

/// What became of a pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Notices that were raised.
    pub raised: usize,
    /// Messages that were taken.
    pub delivered: usize,
    /// Why others were not, channel first.
    pub failed: Vec<String>,
}
