//! `schedule list|pause|resume|run`.

use clap::{Args as Group, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// When each integration is synced next by `countersign serve`, and how the last
    /// time went. Works offline.
    List(ListSchedules),
    /// Sync it no more but by hand, until it is resumed. Holds across restarts.
    Pause(Scheduled),
    /// Go on by the plan.
    Resume(Scheduled),
    /// Have a running `countersign serve` sync it now, at any hour.
    Run(Scheduled),
}

#[derive(Debug, Group)]
pub(crate) struct ListSchedules {
    /// Print one JSON array.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Scheduled {
    /// Name of the integration.
    pub(crate) name: String,
}
