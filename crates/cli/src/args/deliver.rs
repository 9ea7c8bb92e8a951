//! `deliver`: what can be typed about destinations and what is sent to them.

use clap::{Args as Group, Subcommand};

use super::Json;

#[derive(Debug, Subcommand)]
pub(crate) enum Deliver {
    /// List the destinations and what waits, is held or failed; with a name, what was sent
    /// to that destination. Works offline.
    List(ListDeliveries),
    /// Plan what is new, and send nothing.
    Plan(SomeDestinations),
    /// Show what would be sent to a destination whose mode is `simulate`, with its text.
    Simulate(Simulate),
    /// Plan what is new and send what is due, until nothing is due any more.
    Run(RunDeliveries),
    /// Hold the tickets that a destination would create, until they are approved.
    Hold(OneDestination),
    /// Let go what is held.
    Approve(OneDestination),
    /// Send again what failed, under the same id: one send by its number, or all of a
    /// destination by its name.
    Replay(FailedSends),
    /// Leave alone for good what failed: one send by its number, or all of a destination by
    /// its name.
    Dismiss(FailedSends),
    /// Plan and send nothing for a destination until it is resumed. No change is lost.
    Pause(OneDestination),
    /// Resume a paused destination where it stopped.
    Resume(OneDestination),
    /// List the tickets of a destination. Works offline.
    Links(OneDestination),
    /// Show one send: what it contains, and what was answered.
    Show(ShowSend),
    /// Send a test to a destination, or ask it for something harmless.
    Test(OneDestination),
    /// Deliver what was stored before the destination was configured. New tickets are held
    /// until they are approved.
    Backfill(BackfillDestination),
    /// Store the secret of a destination in the vault: a token, a key, or a URL that is one.
    Secret(SecretOfDestination),
    /// Forget a destination that is no longer in config.toml, with all that is known of its
    /// tickets.
    Forget(ForgetDestination),
}

#[derive(Debug, Group)]
pub(crate) struct ListDeliveries {
    /// Name of a destination: list what was sent to it, the last first.
    pub(crate) name: Option<String>,
    /// Only sends in these states, such as `failed,dead`; comma-separated.
    #[arg(long, value_name = "STATE", value_delimiter = ',', requires = "name")]
    pub(crate) state: Vec<String>,
    /// Show at most this many sends; 0 shows all [default: 50].
    #[arg(short = 'n', long, value_name = "N", requires = "name")]
    pub(crate) limit: Option<u32>,
    /// Print one JSON array.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct SomeDestinations {
    /// Names of destinations [default: all of them].
    pub(crate) names: Vec<String>,
    /// Print one JSON object for each destination.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Simulate {
    /// Name of the destination.
    pub(crate) name: String,
    /// Show at most this many, the last first; 0 shows all [default: 10].
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) limit: Option<u32>,
    /// Print one JSON array.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct RunDeliveries {
    /// Names of destinations [default: all of them].
    pub(crate) names: Vec<String>,
    /// Make one round and do not wait: for timers.
    #[arg(long)]
    pub(crate) once: bool,
    /// Print one JSON object for each destination.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct OneDestination {
    /// Name of the destination.
    pub(crate) name: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct FailedSends {
    /// Number of a send, or name of a destination.
    #[arg(value_name = "NUMBER|NAME")]
    pub(crate) which: String,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct ShowSend {
    /// Number of the send, as `deliver list` shows it.
    pub(crate) number: i64,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct BackfillDestination {
    /// Name of the destination.
    pub(crate) name: String,
    /// Only findings that match this too, beside the filter of the destination; repeatable,
    /// all must match. `docs/reference/filters.md` lists the fields.
    #[arg(long, short, value_name = "EXPR")]
    pub(crate) filter: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct SecretOfDestination {
    /// Name of the destination.
    pub(crate) name: String,
    /// Read the secret from standard input [default: a terminal asks for it].
    #[arg(long, conflicts_with = "remove")]
    pub(crate) secret_stdin: bool,
    /// Destroy the secret instead.
    #[arg(long)]
    pub(crate) remove: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Group)]
pub(crate) struct ForgetDestination {
    /// Name of the destination.
    pub(crate) name: String,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}
