//! What can be typed. Help leads with what a command does for the user.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};

/// A Veracode-compatible platform, and the integration that talks to it or to
/// the real service.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, propagate_version = true)]
pub(crate) struct Args {
    /// Folder that holds the store, the vault and config.toml [default: the
    /// platform's data directory].
    #[arg(long, global = true, value_name = "DIR", env = "COUNTERSIGN_HOME")]
    pub(crate) home: Option<PathBuf>,

    /// What to log to standard error: error, warn, info, debug, trace, or a
    /// filter such as `countersign_client=debug`.
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        env = "COUNTERSIGN_LOG",
        default_value = "warn"
    )]
    pub(crate) log: String,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start here: a platform with a demo tenant, an API user, a pair, an
    /// integration, a first sync, and a report of what it found.
    Quickstart(Quickstart),
    /// The other end of the wire: a Veracode-compatible service.
    #[command(subcommand)]
    Platform(Platform),
    /// Client ID, Client Secret, Veracode URL: add, check, list, show, remove.
    #[command(subcommand)]
    Integration(Integration),
    /// Bring applications and findings in.
    Sync(Sync),
    /// List the applications that are stored. Works offline.
    Applications(Applications),
    /// List the findings that are stored. Works offline.
    Findings(Query),
    /// Show everything that is stored about one finding. Works offline.
    Finding(OneFinding),
    /// List what changed: new, changed, reopened, closed findings. Works offline.
    Changes(Changes),
    /// Write the stored findings in a format that other tools read.
    Export(Export),
    /// API credentials: what there is and when it expires.
    #[command(subcommand)]
    Credentials(Credentials),
    /// Print the Authorization header for one request, for use with other tools.
    Sign(Sign),
    /// Send one signed request and print the answer.
    Http(Http),
    /// Look for everything that can be wrong; one cause and one fix for each.
    Doctor(Doctor),
}

#[derive(Debug, Group)]
pub(crate) struct Quickstart {
    /// End after the report instead of keeping the platform up.
    #[arg(long)]
    pub(crate) once: bool,
    /// Print one JSON object instead of the report.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Platform {
    /// Run the platform until Ctrl-C.
    Serve(Serve),
    /// Create an API account and its pair straight in the platform's database.
    Mint(Mint),
}

#[derive(Debug, Group)]
pub(crate) struct Serve {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    pub(crate) listen: SocketAddr,
    /// What an empty home is filled with: `demo`, `empty`, or
    /// `apps=N,findings=N[,rng=N]`.
    #[arg(long, value_name = "SPEC", default_value = "demo")]
    pub(crate) seed: String,
    /// Requests a minute and client address, or `off`.
    #[arg(long, value_name = "off|N", default_value = "500")]
    pub(crate) rate_limit: RateLimit,
    /// Write where to reach the platform into this file once it answers.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// A further host name that clients reach the platform by; repeatable.
    #[arg(long, value_name = "HOST")]
    pub(crate) public_name: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateLimit {
    Off,
    PerMinute(u32),
}

impl std::str::FromStr for RateLimit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            _ => match text.parse() {
                Ok(limit) if limit > 0 => Ok(Self::PerMinute(limit)),
                _ => Err("expected `off` or a number of at least 1"),
            },
        }
    }
}

#[derive(Debug, Group)]
pub(crate) struct Mint {
    /// Name of the API account; created when there is none.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: String,
    /// Role of a new account, such as `resultsapi`; repeatable [default:
    /// resultsapi and noteamrestrictionapi].
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Integration {
    /// Check the three values and keep them: the secret goes into the vault.
    Add(AddIntegration),
    /// Try each permission that the integration needs; name what is missing.
    Check(NamedIntegration),
    /// List the integrations.
    List(Json),
    /// Show one integration.
    Show(NamedIntegration),
    /// Remove one integration, its pair and everything stored for it.
    Remove(RemoveIntegration),
}

#[derive(Debug, Group)]
pub(crate) struct AddIntegration {
    /// A name of your choice.
    pub(crate) name: String,
    /// Client ID: the API ID of the pair.
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Read the Client Secret (the Secret Key) from standard input.
    #[arg(long)]
    pub(crate) client_secret_stdin: bool,
    /// Take the pair from the environment (VERACODE_API_KEY_ID and _SECRET, or
    /// VERACODE_API_ID and _KEY) or from ~/.veracode/credentials
    /// (VERACODE_API_PROFILE picks the section).
    #[arg(long, conflicts_with_all = ["client_id", "client_secret_stdin"])]
    pub(crate) import: bool,
    /// Veracode URL [default: the region of the pair].
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// PEM file with a further certificate authority to trust for this URL.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Allow an http URL on this machine's loopback address.
    #[arg(long)]
    pub(crate) allow_http_loopback: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct NamedIntegration {
    /// Name of the integration [default: the only one].
    pub(crate) name: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct RemoveIntegration {
    /// Name of the integration.
    pub(crate) name: String,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Json {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Sync {
    /// Name of the integration [default: all of them].
    pub(crate) name: Option<String>,
    /// Read every application, not only those whose dates moved.
    #[arg(long)]
    pub(crate) full: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Applications {
    /// Show at most this many; 0 shows all.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Query {
    /// Keep only what matches, such as `severity[gte]4`; repeatable, all must
    /// match. `docs/guide.md` lists the fields.
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Vec<String>,
    /// Show at most this many; 0 shows all.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct OneFinding {
    /// Id of the finding, or the beginning of it.
    pub(crate) id: String,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the record as the service sent it.
    #[arg(long, conflicts_with = "json")]
    pub(crate) raw: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Changes {
    /// Only what changed since: a date (2026-11-24), a time
    /// (2026-11-24T08:00:00Z), an age (90m, 12h, 7d) or a sequence number.
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
    /// Show at most this many; 0 shows all.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Export {
    /// Format.
    #[arg(long, value_enum)]
    pub(crate) format: Format,
    /// File to write, replaced atomically [default: standard output].
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Keep only what matches, such as `severity[gte]4`; repeatable.
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One finding a line, as `findings --json` prints them.
    Ndjson,
    /// Comma-separated, safe to open in a spreadsheet.
    Csv,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Credentials {
    /// List the pairs that the vault holds and when each expires.
    List(Json),
}

#[derive(Debug, Group)]
pub(crate) struct Sign {
    /// HTTP method.
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    pub(crate) method: String,
    /// Absolute URL, exactly as it will be requested.
    #[arg(long)]
    pub(crate) url: String,
    /// Integration whose pair signs [default: the only one; without any, the
    /// environment or ~/.veracode/credentials].
    #[arg(long, value_name = "NAME")]
    pub(crate) integration: Option<String>,
}

#[derive(Debug, Group)]
pub(crate) struct Http {
    /// HTTP method.
    pub(crate) method: String,
    /// Absolute URL, or a path on the integration's URL.
    pub(crate) url: String,
    /// Integration whose pair signs [default: the only one].
    #[arg(long, value_name = "NAME")]
    pub(crate) integration: Option<String>,
    /// File with the JSON body; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) body: Option<PathBuf>,
    /// Also print status and headers, to standard error.
    #[arg(long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Doctor {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
