//! `worker`.

use clap::Args as Group;

#[derive(Debug, Group)]
pub(crate) struct Worker {
    /// End once there is nothing to read, instead of waiting for the next sync.
    #[arg(long)]
    pub(crate) once: bool,
}
