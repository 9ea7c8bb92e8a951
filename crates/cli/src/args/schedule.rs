//! `schedule list|pause|resume|run`.

use clap::{Args as Group, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// List when `countersign serve` syncs each integration next, and how its last sync
    /// ended. Works offline.
    List(ListSchedules),
    /// Pause the scheduled syncs of one integration until it is resumed, also across
    /// restarts.
    Pause(Scheduled),
    /// Resume the schedule.
    Resume(Scheduled),
    /// Have a running `countersign serve` sync one integration now, at any hour.
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
