//! `credentials add|remove|rotate|revoke|log|rehearse`.

use clap::{Args as Group, ValueEnum};

use super::ImportFrom;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RotationMode {
    /// The account renews its own credentials: only with an overlap, or with an
    /// administrator as a fallback.
    #[value(name = "self")]
    Itself,
    /// Another account issues the new credentials.
    Administrator,
    /// Two equal accounts take turns.
    Twins,
}

#[derive(Debug, Default, Group)]
pub(crate) struct Rotate {
    /// Credential to rotate now, due or not [default: all that config.toml configures and
    /// that are due; the others are only checked].
    pub(crate) name: Option<String>,
    /// Rotation mode [default: the one in config.toml, else administrator].
    #[arg(long, value_enum, requires = "name")]
    pub(crate) mode: Option<RotationMode>,
    /// Credential of the account that issues the new credentials, or that is the fallback
    /// of mode `self`; it needs the Admin API role.
    #[arg(long, value_name = "NAME", requires = "name")]
    pub(crate) by: Option<String>,
    /// The other of the twins.
    #[arg(long, value_name = "NAME", requires = "name")]
    pub(crate) twin: Option<String>,
    /// How long the service accepts the old credentials, for mode `self` without an
    /// administrator.
    #[arg(long, value_name = "HOURS", requires = "name")]
    pub(crate) overlap_hours: Option<u32>,
    /// Revoke the old credentials once no consumer uses them, instead of letting them
    /// expire.
    #[arg(long)]
    pub(crate) revoke_old: bool,
    /// Rotate nothing: resume what was interrupted, and check that the credentials that are
    /// active at the service are the ones used here.
    #[arg(long)]
    pub(crate) check: bool,
    /// Print one JSON object a credential.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Revoke {
    /// Credential to revoke immediately.
    pub(crate) name: String,
    /// API ID of the credentials to revoke [default: the one in use].
    #[arg(long, value_name = "ID")]
    pub(crate) api_id: Option<String>,
    /// Credential of the account that revokes [default: itself].
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct ReplaceCredential {
    /// Credential, or integration, whose API credentials to replace.
    pub(crate) name: String,
    /// Client ID: the new API ID.
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Read the new Client Secret (the Secret Key) from standard input.
    #[arg(long)]
    pub(crate) client_secret_stdin: bool,
    /// Import the new API credentials from where other tools look for theirs.
    #[arg(long, conflicts_with_all = ["client_id", "client_secret_stdin"])]
    pub(crate) import: bool,
    #[command(flatten)]
    pub(crate) from: ImportFrom,
    /// Accept API credentials of another account.
    #[arg(long)]
    pub(crate) other_account: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct RemoveCredential {
    /// Credential that nothing uses.
    pub(crate) name: String,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Group)]
pub(crate) struct AuditLog {
    /// Only of this credential.
    pub(crate) name: Option<String>,
    /// Verify the chain from its beginning; prints its length and last digest.
    #[arg(long, conflicts_with_all = ["name", "limit"])]
    pub(crate) verify: bool,
    /// Show at most this many, the newest; 0 shows all.
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Rehearse {
    /// Number of rotations in each mode.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) rotations: u32,
    /// Faults to inject: all, none, or some of them; `--list` names them.
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',', default_value = "all")]
    pub(crate) faults: Vec<String>,
    /// List the faults, and end.
    #[arg(long)]
    pub(crate) list: bool,
    /// Only this mode.
    #[arg(long, value_enum)]
    pub(crate) mode: Option<RotationMode>,
    /// The same number injects the same faults.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct RehearseOne {
    /// Credential, or integration of twins.
    pub(crate) name: String,
    #[arg(long, value_enum)]
    pub(crate) mode: RotationMode,
    #[arg(long)]
    pub(crate) by: String,
    #[arg(long)]
    pub(crate) twin: Option<String>,
    /// Replace nothing.
    #[arg(long)]
    pub(crate) check: bool,
    /// Die, as by kill -9, at the nth reported step.
    #[arg(long)]
    pub(crate) die_at: Option<u32>,
    /// The vault refuses so many writes.
    #[arg(long, default_value_t = 0)]
    pub(crate) vault_fails: u32,
    /// The clock jumps by so much after it was read ten times.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) clock_jump_ms: Option<i64>,
    /// As from another machine, on which leases expire at once.
    #[arg(long)]
    pub(crate) elsewhere: bool,
}
