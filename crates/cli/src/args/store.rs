//! `store`: the health of what is stored.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Verify everything that is stored. Works offline.
    Check(CheckStore),
    /// Copy the store into one file and check the copy. A sync may be running.
    Backup(BackUp),
    /// Replace the store with that of a backup; the present one is kept.
    Restore(Restore),
    /// Copy a whole store into an empty one: between a file and a PostgreSQL database. Compares the
    /// copy with the original. Both stay: `store.url` names the one that is used.
    Copy(CopyStore),
}

#[derive(Debug, Group)]
pub(crate) struct CopyStore {
    /// Store to read: a file such as `store.sqlite`, or `postgres://…`.
    pub(crate) from: String,
    /// Store to write: a file that does not exist, or `postgres://…` of an empty database.
    pub(crate) to: String,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Add the vault's file and its key file. A person who has the backup then has the
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
    /// Restore the vault's file and its key file too. Never replaces another vault.
    #[arg(long)]
    pub(crate) with_secrets: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
