//! `vault`: where the secrets are.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

use super::Json;

#[derive(Debug, Subcommand)]
pub(crate) enum Vault {
    /// Print which vault is used, prove that it works, list its content.
    Check(Json),
    /// Seal the vault's file with another key. The credentials stay the same.
    Reseal(Reseal),
}

#[derive(Debug, Group)]
pub(crate) struct Reseal {
    #[command(flatten)]
    pub(crate) key: NewKey,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
#[group(id = "key", required = true, multiple = false, args = ["new_key_file", "new_passphrase_file"])]
pub(crate) struct NewKey {
    /// File with the new key; created if it does not exist.
    #[arg(long, value_name = "FILE")]
    pub(crate) new_key_file: Option<PathBuf>,
    /// File whose first line is the new passphrase.
    #[arg(long, value_name = "FILE")]
    pub(crate) new_passphrase_file: Option<PathBuf>,
}
