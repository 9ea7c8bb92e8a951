//! What was looked at, and what came of it.

use countersign_files::Cause;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::output::{print, print_json};

pub(super) struct Diagnosis {
    pub(super) subject: String,
    pub(super) state: State,
}

pub(super) enum State {
    Well,
    /// Why not.
    Unexamined(String),
    Trouble(Trouble),
}

pub(crate) struct Trouble {
    /// For programs; the guide lists them.
    pub(super) name: &'static str,
    pub(super) exit: Exit,
    pub(super) cause: String,
    pub(super) fix: String,
}

impl Trouble {
    pub(super) fn new(
        name: &'static str,
        exit: Exit,
        cause: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { name, exit, cause: cause.into(), fix: fix.into() }
    }

    /// Other users could have written to it, or read it.
    pub(super) fn exposed(error: &impl std::fmt::Display) -> Self {
        Self::of_failure("exposed", &Failure::usage(error))
    }

    /// Nothing is wrong with it, and it cannot be read or written all the same.
    pub(super) fn kept(error: &impl std::fmt::Display, cause: Cause) -> Self {
        let name = match cause {
            Cause::Denied => "permission_denied",
            Cause::ReadOnly => "read_only",
            Cause::Full => "disk_full",
        };
        Self::of_failure(name, &Failure::storage(error))
    }

    /// A failure says its cause, and its fix in the hint.
    pub(super) fn of_failure(name: &'static str, failure: &Failure) -> Self {
        let (cause, fix) = cause_and_fix(&failure.to_string());
        let fix = fix.unwrap_or_else(|| "correct what the cause names".into());
        Self::new(name, failure.exit(), cause, fix)
    }

    /// Whether it is the very trouble of another integration, and not one like it: the
    /// machine's own, or that of a service that both are on.
    pub(super) fn is_shared_with(&self, other: &Self) -> bool {
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
    pub(super) fn of(self, subject: String, all: &[Diagnosis]) -> Diagnosis {
        let mut told = all.iter().filter_map(|one| one.state.trouble());
        match told.any(|told| self.is_shared_with(told)) {
            true => Diagnosis::unexamined(subject, "the same trouble as above"),
            false => Diagnosis::trouble(subject, self),
        }
    }
}

impl State {
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Trouble(trouble) => Some(trouble),
            _ => None,
        }
    }
}

impl Diagnosis {
    pub(super) fn well(subject: String) -> Self {
        Self { subject, state: State::Well }
    }

    pub(super) fn unexamined(subject: String, why: &str) -> Self {
        Self { subject, state: State::Unexamined(why.into()) }
    }

    pub(super) fn trouble(subject: String, trouble: Trouble) -> Self {
        Self { subject, state: State::Trouble(trouble) }
    }
}

/// A message as it is told elsewhere, taken apart at its hint.
pub(super) fn cause_and_fix(message: &str) -> (String, Option<String>) {
    match message.split_once("\nhint: ") {
        Some((cause, fix)) => (cause.to_owned(), Some(fix.to_owned())),
        None => (message.trim_end().to_owned(), None),
    }
}

pub(super) fn tell(all: &[Diagnosis], json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&all.iter().map(as_json).collect::<Vec<_>>());
    }
    for Diagnosis { subject, state } in all {
        match state {
            State::Well => print(&format!("ok       {subject}\n"))?,
            State::Unexamined(why) => print(&format!("-        {subject}: not examined: {why}\n"))?,
            State::Trouble(trouble) => {
                let indented = |text: &str| text.replace('\n', "\n                ");
                print(&format!(
                    "TROUBLE  {subject}\n         cause: {}\n         fix:   {}\n",
                    indented(&trouble.cause),
                    indented(&trouble.fix),
                ))?;
            }
        }
    }
    Ok(())
}

fn as_json(one: &Diagnosis) -> serde_json::Value {
    let subject = &one.subject;
    match &one.state {
        State::Well => json!({ "subject": subject, "ok": true }),
        State::Unexamined(why) => json!({ "subject": subject, "ok": null, "unexamined": why }),
        State::Trouble(trouble) => json!({
            "subject": subject,
            "ok": false,
            "diagnosis": trouble.name,
            "cause": trouble.cause,
            "fix": trouble.fix,
            "exit_code": trouble.exit as u8,
        }),
    }
}
