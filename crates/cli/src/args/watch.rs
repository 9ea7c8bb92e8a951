//! `credentials watch|acknowledge|calendar|metrics|consumers`.

use std::path::PathBuf;

use clap::Args as Group;

use crate::config::watch::Span;

#[derive(Debug, Group)]
pub(crate) struct WatchCredentials {
    /// Check once and end.
    #[arg(long, conflicts_with = "every")]
    pub(crate) once: bool,
    /// Time between two checks, such as 30m, 1h, 1d [default: `watch.every`, else 1h].
    #[arg(long, value_name = "SPAN")]
    pub(crate) every: Option<Span>,
    /// Print notices as one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
#[command(disable_version_flag = true)]
pub(crate) struct Acknowledge {
    /// Name of the credential.
    pub(crate) name: String,
    /// Confirm that this consumer runs a version, instead of acknowledging notices.
    #[arg(long, value_name = "NAME", requires = "version")]
    pub(crate) consumer: Option<String>,
    /// The version that it runs.
    #[arg(long, value_name = "N", requires = "consumer")]
    pub(crate) version: Option<u32>,
}

#[derive(Debug, Group)]
pub(crate) struct Feed {
    /// File to write, replaced atomically [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Group)]
pub(crate) struct ListConsumers {
    /// Only those of this credential.
    pub(crate) name: Option<String>,
    /// Give the published version to those who do not run it, if their time has come.
    #[arg(long)]
    pub(crate) deliver: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
