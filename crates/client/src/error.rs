//! Why a request failed, told apart as far as the answer allows.

use std::fmt;
use std::time::Duration;

use countersign_text::{line, span};
use http::{Method, StatusCode};

use crate::unreached::Unreached;

/// A failed request: what was asked, what came back, and after how many tries.
#[derive(Debug)]
pub struct Error {
    pub(crate) kind: Kind,
    pub(crate) asked: String,
    pub(crate) said: Option<String>,
    pub(crate) conversation_id: Option<String>,
    pub(crate) tries: u32,
    pub(crate) elapsed_ms: u64,
    pub(crate) skew_ms: Option<i64>,
    pub(crate) is_unsent: bool,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Config(String),
    Credential(String),
    Status(StatusCode),
    Redirect(String),
    Certificate(String),
    Unreached(Box<Unreached>),
    /// After so long, where that is known.
    Timeout(Option<Duration>),
    Broken(String),
    TooLarge(usize),
    NotJson(String),
    Incomplete(String),
}

/// A clock further off than this is worth a hint on a 401.
const SKEW_WORTH_TELLING_MS: i64 = 60_000;

impl Error {
    pub(crate) fn new(kind: Kind, asked: impl Into<String>) -> Self {
        Self {
            kind,
            asked: asked.into(),
            said: None,
            conversation_id: None,
            tries: 0,
            elapsed_ms: 0,
            skew_ms: None,
            is_unsent: false,
        }
    }

    /// An answer that is not what was asked for; `what` may repeat some of it.
    pub(crate) fn not_json(what: &impl fmt::Display, asked: impl Into<String>) -> Self {
        Self::new(Kind::NotJson(line(&what.to_string()).to_string()), asked)
    }

    /// A configuration that cannot be right.
    pub fn config(what: impl Into<String>) -> Self {
        Self::new(Kind::Config(what.into()), "")
    }

    /// The credential cannot be had: locked away, or being replaced for too long.
    pub(crate) fn credential(what: impl Into<String>) -> Self {
        Self::new(Kind::Credential(what.into()), "")
    }

    pub(crate) fn asked(method: &Method, target: &str) -> String {
        format!("{method} {}", line(target).at_most(500))
    }

    fn is_status(&self, status: StatusCode) -> bool {
        matches!(self.kind, Kind::Status(actual) if actual == status)
    }

    /// 401: the service does not accept the pair, or the clock is off.
    pub fn is_not_authenticated(&self) -> bool {
        self.is_status(StatusCode::UNAUTHORIZED)
    }

    /// 403: the account lacks a role.
    pub fn is_forbidden(&self) -> bool {
        self.is_status(StatusCode::FORBIDDEN)
    }

    /// 404: not there, or not visible.
    pub fn is_gone(&self) -> bool {
        self.is_status(StatusCode::NOT_FOUND)
    }

    /// 429 until the budget for retries was used up.
    pub fn is_rate_limited(&self) -> bool {
        self.is_status(StatusCode::TOO_MANY_REQUESTS)
    }

    /// The pages of a list do not add up to what the service says they hold.
    pub fn is_incomplete(&self) -> bool {
        matches!(self.kind, Kind::Incomplete(_))
    }

    /// Connection, certificate, timeout or broken transfer.
    pub fn is_network(&self) -> bool {
        matches!(
            self.kind,
            Kind::Unreached(_) | Kind::Timeout(_) | Kind::Broken(_) | Kind::Certificate(_)
        )
    }

    /// No connection came about: why not.
    pub fn unreached(&self) -> Option<&Unreached> {
        match &self.kind {
            Kind::Unreached(unreached) => Some(unreached),
            _ => None,
        }
    }

    /// The certificate is not trusted: what is wrong with it.
    pub fn untrusted_certificate(&self) -> Option<&str> {
        match &self.kind {
            Kind::Certificate(what) => Some(what),
            _ => None,
        }
    }

    /// No answer in time.
    pub fn is_timeout(&self) -> bool {
        match &self.kind {
            Kind::Timeout(_) => true,
            Kind::Unreached(unreached) => unreached.is_silence(),
            _ => false,
        }
    }

    /// The answer pointed elsewhere; it was not followed.
    pub fn is_refused_redirect(&self) -> bool {
        matches!(self.kind, Kind::Redirect(_))
    }

    /// The client was asked for something that cannot be right.
    pub fn is_config(&self) -> bool {
        matches!(self.kind, Kind::Config(_))
    }

    /// The credential could not be had from where it is kept.
    pub fn is_without_credential(&self) -> bool {
        matches!(self.kind, Kind::Credential(_))
    }

    /// Whether the service may have done what it was asked although this failed: the
    /// answer got lost, was cut, could not be read, or says that the server failed.
    pub fn may_have_been_done(&self) -> bool {
        if self.is_unsent {
            return false;
        }
        match &self.kind {
            Kind::Status(status) => {
                status.is_server_error() || *status == StatusCode::REQUEST_TIMEOUT
            }
            Kind::Timeout(_)
            | Kind::Broken(_)
            | Kind::TooLarge(_)
            | Kind::NotJson(_)
            | Kind::Incomplete(_) => true,
            // No connection, or one that was not trusted, took no request. A redirect
            // is an answer of something in between, which may have passed it on.
            Kind::Unreached(_) | Kind::Certificate(_) | Kind::Config(_) | Kind::Credential(_) => {
                false
            }
            Kind::Redirect(_) => true,
        }
    }

    /// The status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self.kind {
            Kind::Status(status) => Some(status.as_u16()),
            _ => None,
        }
    }

    /// The service's id for the conversation, for its support.
    pub fn conversation_id(&self) -> Option<&str> {
        self.conversation_id.as_deref()
    }

    /// How often it was tried.
    pub fn tries(&self) -> u32 {
        self.tries
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.asked.is_empty() {
            write!(f, "`{}`: ", self.asked)?;
        }
        match &self.kind {
            Kind::Config(what) | Kind::Credential(what) => f.write_str(what)?,
            Kind::Status(StatusCode::UNAUTHORIZED) => f.write_str("not authenticated (401)")?,
            Kind::Status(StatusCode::FORBIDDEN) => f.write_str("access denied (403)")?,
            Kind::Status(StatusCode::NOT_FOUND) => f.write_str("not found (404)")?,
            Kind::Status(StatusCode::TOO_MANY_REQUESTS) => f.write_str("rate limited (429)")?,
            Kind::Status(status) => write!(f, "the service answered {status}")?,
            Kind::Redirect(to) => {
                write!(f, "the service redirects to `{to}`, which is not followed")?;
            }
            Kind::Certificate(what) => write!(f, "the certificate is not trusted: {what}")?,
            Kind::Unreached(what) => write!(f, "no connection: {what}")?,
            Kind::Timeout(Some(limit)) => {
                write!(f, "no answer within {} s", limit.as_secs_f32())?;
            }
            Kind::Timeout(None) => f.write_str("no answer in time")?,
            Kind::Broken(what) => write!(f, "the transfer broke: {what}")?,
            Kind::TooLarge(limit) => write!(f, "the answer is larger than {limit} bytes")?,
            Kind::NotJson(what) => write!(f, "the answer is not what was asked for: {what}")?,
            Kind::Incomplete(what) => write!(f, "the pages do not reconcile: {what}")?,
        }
        if let Some(said) = &self.said {
            write!(f, "; it said `{said}`")?;
        }
        if let Some(id) = &self.conversation_id {
            write!(f, " (conversation {id})")?;
        }
        if self.tries > 1 {
            write!(f, ", after {} tries in {} s", self.tries, self.elapsed_ms / 1000)?;
        }
        match (&self.kind, self.skew_ms) {
            (Kind::Status(StatusCode::UNAUTHORIZED), Some(skew))
                if skew.abs() > SKEW_WORTH_TELLING_MS =>
            {
                let side = if skew > 0 { "behind" } else { "ahead of" };
                write!(
                    f,
                    "\nhint: this machine's clock is {} {side} the service's; set it right: \
                     `timedatectl set-ntp true`, or `countersign platform clock --real` for a \
                     platform whose clock was moved",
                    span(skew.unsigned_abs())
                )
            }
            (Kind::Status(StatusCode::UNAUTHORIZED), _) => f.write_str(
                "\nhint: the API credentials are wrong, expired or revoked, the account is disabled, or the URL is another region's; the service does not report which",
            ),
            (Kind::Unreached(unreached), _) => write!(f, "\nhint: {}", unreached.fix()),
            (Kind::Certificate(_), _) => {
                f.write_str("\nhint: name the certificate authority's PEM file, or correct the URL")
            }
            (Kind::Redirect(_), _) => {
                f.write_str("\nhint: give the URL that it redirects to, if you trust it")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
