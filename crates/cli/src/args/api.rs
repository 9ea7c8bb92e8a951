//! `api`: what can be typed to say who may use the connector API.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

use super::Json;
use super::proxy::Lifetime;

#[derive(Debug, Subcommand)]
pub(crate) enum ApiCommand {
    /// Manage the tokens that programs present.
    #[command(subcommand)]
    Token(ApiTokenCommand),
    /// List the accounts, or add one.
    #[command(subcommand)]
    Account(ApiAccountCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApiTokenCommand {
    /// Create a token; it is shown once.
    Add(AddApiToken),
    /// List the tokens, without their secrets.
    List(Json),
    /// Revoke a token immediately.
    Revoke(RevokeApiToken),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApiAccountCommand {
    /// Add an account, which integrations can belong to.
    Add(AddApiAccount),
    /// List the accounts.
    List(Json),
}

#[derive(Debug, Group)]
pub(crate) struct AddApiToken {
    /// A name of your choice for the token.
    pub(crate) name: String,
    /// Limit the token to this account, by name or id.
    #[arg(long, value_name = "NAME", conflicts_with = "integration")]
    pub(crate) account: Option<String>,
    /// Give access to the findings of this integration, and to nothing else.
    #[arg(long, value_name = "NAME")]
    pub(crate) integration: Option<String>,
    /// What the token may manage, such as `administrator` or `viewer`.
    #[arg(
        long,
        value_name = "SET",
        required_unless_present = "integration",
        conflicts_with = "integration"
    )]
    pub(crate) permission_set: Option<String>,
    /// Limit the token to these operations, such as `appsec_query_findings`; comma-separated.
    #[arg(long, value_name = "ID", value_delimiter = ',', requires = "integration")]
    pub(crate) operations: Vec<String>,
    /// When the token expires: 12h or 30d, at most 365d.
    #[arg(long, value_name = "AGE", default_value = "30d")]
    pub(crate) expires: Lifetime,
    /// Write the token into this file, readable by its owner only.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long, conflicts_with = "output")]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct RevokeApiToken {
    /// Name or id of the token.
    pub(crate) name: String,
}

#[derive(Debug, Group)]
pub(crate) struct AddApiAccount {
    /// Name: letters, digits, `_` and `-`.
    pub(crate) name: String,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
