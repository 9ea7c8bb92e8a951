//! What was looked at, and what came of it.

use countersign_files::Cause;

use crate::error::{Error, Fault};

/// One thing that was looked at.
pub struct Diagnosis {
    /// What was looked at.
    pub subject: String,
    /// How it is.
    pub state: State,
}

/// How it is.
pub enum State {
    /// Nothing is wrong with it.
    Well,
    /// Why not.
    Unexamined(String),
    /// Something is.
    Trouble(Trouble),
}

/// One cause and one fix.
pub struct Trouble {
    /// For programs; the guide lists them.
    pub name: &'static str,
    /// Who has to act.
    pub fault: Fault,
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub fix: String,
}

impl Trouble {
    /// A trouble of that name.
    pub fn new(
        name: &'static str,
        fault: Fault,
        cause: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { name, fault, cause: cause.into(), fix: fix.into() }
    }

    /// Other users could have written to it, or read it.
    pub fn exposed(error: &impl std::fmt::Display) -> Self {
        Self::of_message("exposed", Fault::Config, error)
    }

    /// Nothing is wrong with it, and it cannot be read or written all the same.
    pub fn kept(error: &impl std::fmt::Display, cause: Cause) -> Self {
        let name = match cause {
            Cause::Denied => "permission_denied",
            Cause::ReadOnly => "read_only",
            Cause::Full => "disk_full",
        };
        Self::of_message(name, Fault::Storage, error)
    }

    /// An error says its cause, and its fix in the hint.
    pub fn of_error(name: &'static str, error: &Error) -> Self {
        Self::of_message(name, error.fault(), error)
    }

    fn of_message(name: &'static str, fault: Fault, message: &impl std::fmt::Display) -> Self {
        let (cause, fix) = cause_and_fix(&message.to_string());
        let fix = fix.unwrap_or_else(|| "correct what the cause names".into());
        Self::new(name, fault, cause, fix)
    }

    /// Whether it is the very trouble of another integration, and not one like it: the
    /// machine's own, or that of a service that both are on.
    fn is_shared_with(&self, other: &Self) -> bool {
        let is_alike = self.name == other.name;
        match self.name {
            "clock_skewed" | "proxy_unreachable" | "proxy_refuses" | "permission_denied"
            | "read_only" | "disk_full" => is_alike,
            "service_unreachable" | "certificate_name" | "certificate_expired" => {
                is_alike && self.cause == other.cause
            }
            // Of a folder it is the trouble of every file in it.
            "exposed" => self.cause == other.cause,
            _ => false,
        }
    }

    /// The trouble of this subject, if it was not told of another before.
    pub fn of(self, subject: String, all: &[Diagnosis]) -> Diagnosis {
        let mut told = all.iter().filter_map(|one| one.state.trouble());
        match told.any(|told| self.is_shared_with(told)) {
            true => Diagnosis::unexamined(subject, "the same trouble as above"),
            false => Diagnosis::trouble(subject, self),
        }
    }
}

impl State {
    /// What is wrong, if anything is.
    pub fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Trouble(trouble) => Some(trouble),
            _ => None,
        }
    }
}

impl Diagnosis {
    /// Nothing is wrong.
    pub fn well(subject: String) -> Self {
        Self { subject, state: State::Well }
    }

    /// It was not looked at.
    pub fn unexamined(subject: String, why: &str) -> Self {
        Self { subject, state: State::Unexamined(why.into()) }
    }

    /// Something is wrong.
    pub fn trouble(subject: String, trouble: Trouble) -> Self {
        Self { subject, state: State::Trouble(trouble) }
    }
}

/// A message as it is told elsewhere, taken apart at its hint.
pub fn cause_and_fix(message: &str) -> (String, Option<String>) {
    match message.split_once("\nhint: ") {
        Some((cause, fix)) => (cause.to_owned(), Some(fix.to_owned())),
        None => (message.trim_end().to_owned(), None),
    }
}
