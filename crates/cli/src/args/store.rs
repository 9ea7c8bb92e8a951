//! `store`: the health of what is stored.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Compare everything that is stored with what was written. Works offline.
    Check(CheckStore),
    /// Copy the store into one file and check the copy. A sync may be running.
    Backup(BackUp),
    /// Put the store of a backup in the place of the present one, which is kept.
    Restore(Restore),
}

#[derive(Debug, Group)]
pub(crate) struct CheckStore {
    /// Continue without the write-ahead log of a store that was copied without it.
    #[arg(long)]
    pub(crate) accept_missing_log: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct BackUp {
    /// File to write; replaced as a whole if it exists.
    pub(crate) file: PathBuf,
    /// Add the vault's file and its key file. Whoever has the backup then has the
    /// secrets.
    #[arg(long)]
    pub(crate) with_secrets: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Restore {
    /// Backup to restore [default: a terminal asks for it].
    pub(crate) file: Option<PathBuf>,
    /// Restore the vault's file and its key file too. Never over others.
    #[arg(long)]
    pub(crate) with_secrets: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
