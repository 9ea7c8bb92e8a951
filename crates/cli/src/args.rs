//! What can be typed. Help leads with what a command does for the user.

mod api;
mod config;
mod dashboard;
mod deliver;
mod examples;
mod export;
mod forms;
mod lists;
mod mcp;
mod own;
mod proxy;
mod rotation;
mod schedule;
mod store;
mod vault;
mod watch;
mod worker;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{
    ArgAction, Args as Group, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
};

pub(crate) use api::{
    AddApiAccount, AddApiToken, ApiAccountCommand, ApiCommand, ApiTokenCommand, RevokeApiToken,
};
pub(crate) use config::Configuration;
pub(crate) use dashboard::{People, ServeDashboard};
pub(crate) use deliver::{
    BackfillDestination, Deliver, FailedSends, ForgetDestination, ListDeliveries, OneDestination,
    RunDeliveries, SecretOfDestination, ShowSend, Simulate, SomeDestinations,
};
pub(crate) use export::{Export, Format, OcsfClass, OcsfVersion};
pub(crate) use forms::{ExportPair, ImportFrom, ImportPair, PairFormat, RunWithPair};
pub(crate) use lists::{Applications, Changes, ListCredentials, Narrow, OneFinding, Query, Which};
pub(crate) use mcp::Mcp;
pub(crate) use own::{Completions, Health, Man, Shell};
pub(crate) use proxy::{MakeToken, Proxy, ProxyCommand, ProxyLog, RevokeCaller, RunProxy};
pub(crate) use rotation::{
    AuditLog, Rehearse, RehearseOne, RemoveCredential, ReplaceCredential, Revoke, Rotate,
    RotationMode,
};
pub(crate) use schedule::{ListSchedules, Schedule, Scheduled};
pub(crate) use store::{BackUp, CheckStore, CopyStore, Restore, Store};
pub(crate) use vault::{Reseal, Vault};
pub(crate) use watch::{Acknowledge, Feed, ListConsumers, WatchCredentials};
pub(crate) use worker::Worker;

/// Of what can be given to any command.
const GLOBAL: &str = "Global options";

/// What can be typed, with examples in each help.
pub(crate) fn command() -> clap::Command {
    examples::added(Args::command())
}

/// What was typed.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
    let matches = command().try_get_matches_from(words)?;
    let mut args = Args::from_arg_matches(&matches)?;
    let is_typed = |name| matches.value_source(name) == Some(ValueSource::CommandLine);
    args.is_home_typed = is_typed("home");
    args.is_log_typed = is_typed("log");
    args.is_log_format_typed = is_typed("log_format");
    Ok(args)
}

/// A Veracode-compatible platform, and the integration that talks to it or to
/// the real service.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, propagate_version = true)]
pub(crate) struct Args {
    /// Data directory: the folder that holds the store, the vault and config.toml
    /// [default: that of the system].
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "COUNTERSIGN_HOME",
        help_heading = GLOBAL
    )]
    pub(crate) home: Option<PathBuf>,

    /// Print data and errors only: no notes, no progress.
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    pub(crate) quiet: bool,

    /// Log more to standard error; twice for details. `http` also prints status and
    /// headers there.
    #[arg(long, short, global = true, action = ArgAction::Count, help_heading = GLOBAL)]
    pub(crate) verbose: u8,

    /// What to log to standard error: error, warn, info, debug, trace, or a
    /// filter such as `countersign_client=debug` [default: warnings of countersign].
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        env = "COUNTERSIGN_LOG",
        help_heading = GLOBAL
    )]
    pub(crate) log: Option<String>,

    /// Format of log lines: text, or one JSON object per line.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "text|json",
        env = "COUNTERSIGN_LOG_FORMAT",
        default_value = "text",
        help_heading = GLOBAL
    )]
    pub(crate) log_format: LogFormat,

    /// A user or group whose files and folders are trusted beside your own and root's;
    /// repeatable. For containers whose volumes belong to others.
    #[arg(
        long,
        global = true,
        value_name = "uid:N|gid:N",
        env = "COUNTERSIGN_TRUST",
        value_delimiter = ',',
        help_heading = GLOBAL
    )]
    pub(crate) trust: Vec<Trust>,

    /// Whether `home` was typed, and not taken from the environment.
    #[arg(skip)]
    pub(crate) is_home_typed: bool,

    /// The same of `log`.
    #[arg(skip)]
    pub(crate) is_log_typed: bool,

    /// The same of `log_format`.
    #[arg(skip)]
    pub(crate) is_log_format_typed: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    User(u32),
    Group(u32),
}

impl std::str::FromStr for Trust {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.parse().map_err(|_| "expected a number after the colon");
        match text.split_once(':') {
            Some(("uid", id)) => Ok(Self::User(number(id)?)),
            Some(("gid", id)) => Ok(Self::Group(number(id)?)),
            _ => Err("expected `uid:` or `gid:` and a number"),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start here: starts the built-in Veracode-compatible platform with a demo tenant,
    /// creates an API user, API credentials and an integration, syncs, and reports what it
    /// found. Without `--home`, the demo has a data directory of its own beside the default
    /// one.
    Quickstart(Quickstart),
    /// The built-in Veracode-compatible platform: a local server for tests and demos.
    #[command(subcommand)]
    Platform(Platform),
    /// Integrations (Client ID, Client Secret, Veracode URL): add, check, list, show, update,
    /// rename, remove.
    #[command(subcommand)]
    Integration(Integration),
    /// Download applications and findings.
    Sync(Sync),
    /// Read applications of syncs that other machines run, where the store is a PostgreSQL
    /// database: until Ctrl-C.
    Worker(Worker),
    /// Import findings of other scanners from OCSF Application Security Posture Findings.
    /// Works offline.
    Import(ImportFindings),
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
    /// Deliver findings to where they are worked on: tickets, alerts, messages, events, files.
    #[command(subcommand)]
    Deliver(Deliver),
    /// Answer the questions of an AI assistant about what is stored: a read-only server of the
    /// Model Context Protocol on standard input and output. Works offline.
    Mcp(Mcp),
    /// API credentials: list, monitor, rotate, revoke, hand over to other tools.
    #[command(subcommand)]
    Credentials(Credentials),
    /// The local store: check it, back it up, restore it.
    #[command(subcommand)]
    Store(Store),
    /// The vault that holds the secrets: prove that it works, seal it with another key.
    #[command(subcommand)]
    Vault(Vault),
    /// Print the Authorization header for one request, for use with other tools.
    Sign(Sign),
    /// Send one signed request and print the answer.
    Http(Http),
    /// Sign requests of curl and other programs that cannot sign: on this machine, each
    /// with its own token and rules. The Secret Key stays in this process.
    Proxy(Proxy),
    /// Who may use the connector API of `countersign serve`: tokens and accounts.
    #[command(subcommand)]
    Api(ApiCommand),
    /// The schedule of `countersign serve`: list, pause, resume, run now.
    #[command(subcommand)]
    Schedule(Schedule),
    /// Run the dashboard and the scheduled syncs.
    Serve(ServeDashboard),
    /// One screen: integrations, syncs, credentials, open findings, the store. Works
    /// offline.
    Status(Json),
    /// The configuration file: write a commented one, print what holds, find mistakes.
    #[command(subcommand)]
    Config(Configuration),
    /// Users of the dashboard: add, list, remove, reset.
    #[command(subcommand)]
    People(People),
    /// Check everything that can be wrong, and print one cause and one fix for each problem.
    Doctor(Doctor),
    /// Ask a countersign on this machine whether it answers, for health checks of
    /// containers.
    Health(Health),
    /// Print a script that completes commands and options in a shell.
    Completions(Completions),
    /// Print the man page, or write one page per command to a directory.
    Man(Man),
}

#[derive(Debug, Group)]
pub(crate) struct Quickstart {
    /// Start the platform only, open its console, and print each step for you to take by
    /// hand.
    #[arg(long, conflicts_with_all = ["once", "json"])]
    pub(crate) browser: bool,
    /// End after the report instead of keeping the platform up.
    #[arg(long)]
    pub(crate) once: bool,
    /// Delete the data directory of the demo, if `quickstart` made it, and end.
    #[arg(long, conflicts_with_all = ["browser", "once", "json"])]
    pub(crate) remove: bool,
    /// Print one JSON object instead of the report.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Platform {
    /// Run the platform until Ctrl-C.
    Serve(Serve),
    /// Create an API account and its API credentials directly in the platform's database.
    Mint(Mint),
    /// Read or move the clock of a running platform.
    Clock(Clock),
    /// Read or replace the plan of faults of a running platform.
    Faults(Faults),
    /// Read or change the rate limit of a running platform.
    Limits(Limits),
    /// List the requests that a running platform received, with caller and result.
    Requests(Requests),
    /// Save the tenant of a running platform as a snapshot, or list the snapshots.
    Snapshot(Snapshot),
    /// Restore a snapshot.
    Restore(Named),
    /// Reset the tenant to its state after the first start.
    Reset(Json),
    /// Let days pass in the tenant, with scans, fixes, mitigations and new vulnerabilities.
    Mutate(Mutate),
    /// Copy the tenant of a running platform into a new data directory.
    Fork(Fork),
    /// Import responses of the real service, with names, addresses and hosts replaced.
    Import(Import),
    /// Verify the chain of the activity log; prints its length and last digest.
    Audit(Json),
    /// List the mails that a running platform has written.
    Outbox(Json),
}

#[derive(Debug, Group)]
pub(crate) struct Clock {
    /// Set the clock to a time such as 2026-11-24T08:00:00Z.
    #[arg(long, value_name = "TIME", conflicts_with = "advance")]
    pub(crate) set: Option<String>,
    /// Move the clock forward: 500ms, 30s, 90m, 12h, 365d.
    #[arg(long, value_name = "BY")]
    pub(crate) advance: Option<String>,
    /// Stop the clock.
    #[arg(long, conflicts_with = "run")]
    pub(crate) freeze: bool,
    /// Let the clock run again.
    #[arg(long)]
    pub(crate) run: bool,
    /// Check signatures against the platform's time or the real time.
    #[arg(long, value_enum, value_name = "TIME")]
    pub(crate) signatures: Option<Judge>,
    /// Return to the real time first.
    #[arg(long)]
    pub(crate) real: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Judge {
    /// The platform's own time.
    Virtual,
    /// The real time.
    Real,
}

impl Judge {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Virtual => "virtual",
            Self::Real => "real",
        }
    }
}

#[derive(Debug, Group)]
pub(crate) struct Faults {
    /// File with a plan, which replaces the one before; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["clear", "fired"])]
    pub(crate) plan: Option<PathBuf>,
    /// End all faults.
    #[arg(long, conflicts_with = "fired")]
    pub(crate) clear: bool,
    /// List what fired instead.
    #[arg(long)]
    pub(crate) fired: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Limits {
    /// Requests in a window, or `off`.
    #[arg(long, value_name = "off|N")]
    pub(crate) requests: Option<RateLimit>,
    /// Length of the window.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) window_seconds: Option<u32>,
    /// Count for each address or for each account.
    #[arg(long, value_enum)]
    pub(crate) by: Option<CountedBy>,
    /// Whether a refusal has a Retry-After header.
    #[arg(long, value_enum, value_name = "on|off")]
    pub(crate) retry_after: Option<Switch>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CountedBy {
    /// As documented today.
    Address,
    /// As documented before.
    Account,
}

impl CountedBy {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Account => "account",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

#[derive(Debug, Group)]
pub(crate) struct Requests {
    /// Only this method.
    #[arg(long)]
    pub(crate) method: Option<String>,
    /// Only paths that fit; `*` stands for any characters.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) path: Option<String>,
    /// Only this account or API ID.
    #[arg(long, value_name = "NAME|ID")]
    pub(crate) caller: Option<String>,
    /// Only this status.
    #[arg(long)]
    pub(crate) status: Option<u16>,
    /// Only refusals for this reason, such as signature_mismatch.
    #[arg(long)]
    pub(crate) cause: Option<String>,
    /// Show at most this many, the oldest first [default: 100].
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Print the number of requests.
    #[arg(long)]
    pub(crate) count: bool,
    /// Fail unless there are at least this many.
    #[arg(long, value_name = "N")]
    pub(crate) at_least: Option<u64>,
    /// Fail unless there are at most this many.
    #[arg(long, value_name = "N")]
    pub(crate) at_most: Option<u64>,
    /// Forget all of them.
    #[arg(long)]
    pub(crate) clear: bool,
    /// Print an HTTP archive; signatures and secrets are not in it.
    #[arg(long)]
    pub(crate) har: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Snapshot {
    /// Name of the snapshot [default: list the snapshots].
    pub(crate) name: Option<String>,
    /// Delete this snapshot instead.
    #[arg(long, requires = "name")]
    pub(crate) delete: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Named {
    /// Name of the snapshot.
    pub(crate) name: String,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Fork {
    /// The new data directory.
    pub(crate) to: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Import {
    /// Pages of applications or findings, each a JSON file.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) pages: Vec<PathBuf>,
    /// The same text becomes the same token under the same seed; keep it to yourself
    /// when the result is to be shared.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) seed: String,
    /// The application of findings that do not name theirs.
    #[arg(long, value_name = "GUID")]
    pub(crate) application: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Mutate {
    /// Days that pass.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) days: u32,
    /// The same number on the same days lets the same happen.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Serve {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, short, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    pub(crate) listen: SocketAddr,
    /// Content of a new data directory: `demo`, `empty`, or
    /// `apps=N,findings=N[,rng=N]`.
    #[arg(long, value_name = "SPEC", default_value = "demo")]
    pub(crate) seed: String,
    /// Requests a minute and client address, or `off`.
    #[arg(long, value_name = "off|N", default_value = "500")]
    pub(crate) rate_limit: RateLimit,
    /// Address of the test controls, or `off`; port 0 picks a free one.
    #[arg(long, value_name = "off|ADDR", default_value = "127.0.0.1:0")]
    pub(crate) control: Listen,
    /// Address of the console, or `off`; port 0 picks a free one.
    #[arg(long, value_name = "off|ADDR", default_value = "127.0.0.1:0")]
    pub(crate) console: Listen,
    /// How browsers reach the console, such as `https://console.example.com`: links in
    /// mails begin with it, and passkeys are for its name.
    #[arg(long, value_name = "URL")]
    pub(crate) console_url: Option<String>,
    /// Send mail by this server, such as smtp://localhost:25 or
    /// smtps://mail.example.com:465, instead of keeping it in the mailbox. User and
    /// password come from COUNTERSIGN_SMTP_USER and COUNTERSIGN_SMTP_PASSWORD.
    #[arg(long, value_name = "URL")]
    pub(crate) smtp: Option<String>,
    /// Sender of mail.
    #[arg(long, value_name = "ADDRESS", default_value = "countersign@localhost")]
    pub(crate) mail_from: String,
    /// Answer `/metrics`, `/healthz` and `/readyz` on this loopback address as well, over
    /// plain HTTP and without a token.
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// File whose first line is the bearer token for `/metrics` on the REST address.
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics_token_file: Option<PathBuf>,
    /// Write where to reach the platform into this file once it answers.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// A further host name that clients reach the platform by; repeatable.
    #[arg(long, value_name = "HOST")]
    pub(crate) public_name: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listen(pub(crate) Option<SocketAddr>);

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self(None)),
            _ => text
                .parse()
                .map(|address| Self(Some(address)))
                .map_err(|_| "give `off` or an address such as 127.0.0.1:9443".into()),
        }
    }
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
    /// Name of the API account; created if it does not exist.
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
    /// Add an integration: checks the three values, then stores the secret in the vault.
    Add(AddIntegration),
    /// Test each permission that the integration needs, and name what is missing.
    Check(NamedIntegration),
    /// List the integrations.
    List(Json),
    /// Show one integration.
    Show(NamedIntegration),
    /// Change the URL, certificate authority or API credentials; they are checked first.
    Update(UpdateIntegration),
    /// Rename one integration.
    Rename(RenameIntegration),
    /// Remove one integration, its API credentials and everything stored for it.
    Remove(RemoveIntegration),
}

#[derive(Debug, Group)]
pub(crate) struct AddIntegration {
    /// A name of your choice [default: a terminal asks for it].
    pub(crate) name: Option<String>,
    /// Client ID: the API ID of the credentials [default: a terminal asks for it].
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Read the Client Secret (the Secret Key) from standard input.
    #[arg(long)]
    pub(crate) client_secret_stdin: bool,
    /// Import the API credentials from the environment (VERACODE_API_KEY_ID and _SECRET, or
    /// VERACODE_API_ID and _KEY), from ~/.veracode/credentials, or from
    /// ~/.veracode/veracode.yml.
    #[arg(long, conflicts_with_all = ["client_id", "client_secret_stdin"])]
    pub(crate) import: bool,
    #[command(flatten)]
    pub(crate) from: ImportFrom,
    /// Veracode URL [default: the URL of the import, else the region of the credentials].
    #[arg(long, short, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// PEM file with a further certificate authority to trust for this URL.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Allow an http URL on this machine's loopback address.
    #[arg(long)]
    pub(crate) allow_http_loopback: bool,
    /// The credentials are an OAuth client, not HMAC credentials.
    #[arg(long, conflicts_with_all = ["import", "import_file"])]
    pub(crate) oauth: bool,
    /// For findings of other scanners: no credentials and no sync; `import` fills it.
    #[arg(long, conflicts_with_all = [
        "client_id", "client_secret_stdin", "import", "import_file", "profile", "url", "ca_file",
        "allow_http_loopback", "oauth",
    ])]
    pub(crate) imported: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct ImportFindings {
    /// File with a JSON array of findings, or one finding a line; `-` for standard input.
    pub(crate) file: PathBuf,
    /// Integration that was added with `--imported` [default: the only one].
    #[arg(long, short, value_name = "NAME")]
    pub(crate) integration: Option<String>,
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
pub(crate) struct UpdateIntegration {
    /// Name of the integration.
    pub(crate) name: String,
    /// Another Veracode URL.
    #[arg(long, short, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// PEM file with another certificate authority to trust for its URL.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Trust the certificate authorities of the system alone.
    #[arg(long, conflicts_with = "ca_file")]
    pub(crate) no_ca_file: bool,
    /// Allow an http URL on this machine's loopback address.
    #[arg(long)]
    pub(crate) allow_http_loopback: bool,
    /// Client ID of other API credentials.
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Read their Client Secret (the Secret Key) from standard input [default: a terminal
    /// asks for it].
    #[arg(long, requires = "client_id")]
    pub(crate) client_secret_stdin: bool,
    /// Import other API credentials from where other tools look for theirs.
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
pub(crate) struct RenameIntegration {
    /// Present name.
    pub(crate) name: String,
    /// New name.
    pub(crate) to: String,
}

#[derive(Debug, Group)]
pub(crate) struct RemoveIntegration {
    /// Name of the integration.
    pub(crate) name: String,
    /// Do not ask.
    #[arg(long, short)]
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
    /// Read every application, not only those whose dates changed.
    #[arg(long)]
    pub(crate) full: bool,
    /// Close everything that this run no longer finds, however much it is. Without it, most
    /// of an application's findings, or of all findings, close only after a newer scan.
    #[arg(long)]
    pub(crate) accept_closures: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Credentials {
    /// List the credentials, the most urgent first, with what to do.
    List(ListCredentials),
    /// Monitor the credentials: ask the service about each, send notices, write the feeds.
    Watch(WatchCredentials),
    /// Acknowledge the notices about a credential, or that a consumer runs a version.
    Acknowledge(Acknowledge),
    /// Print the expiry dates as a calendar.
    Calendar(Feed),
    /// Print the state of the credentials as metrics for Prometheus.
    Metrics(Feed),
    /// List the consumers that receive new credentials, and the version that each runs.
    Consumers(ListConsumers),
    /// Add an integration with the API credentials that other tools use.
    Import(ImportPair),
    /// Write the API credentials of an integration where other tools look for them.
    Export(ExportPair),
    /// Run one command with the API credentials in its environment, and nowhere else.
    Env(RunWithPair),
    /// Store a credential that no integration signs with: of an administrator that issues
    /// new credentials, or of a twin.
    Add(AddIntegration),
    /// Replace API credentials by hand: for an account whose credentials nobody else can
    /// issue.
    Replace(ReplaceCredential),
    /// Remove such a credential.
    Remove(RemoveCredential),
    /// Rotate a credential before it expires, or resume an interrupted rotation.
    Rotate(Rotate),
    /// Revoke API credentials or an OAuth client immediately.
    Revoke(Revoke),
    /// Print the audit log of the credentials; `--verify` verifies its chain.
    Log(AuditLog),
    /// Rotate many times on a temporary built-in platform while faults happen, and count
    /// what was lost.
    Rehearse(Rehearse),
    /// One rotation of a rehearsal, with its faults.
    #[command(hide = true)]
    RehearseOne(RehearseOne),
}

#[derive(Debug, Group)]
pub(crate) struct Sign {
    /// HTTP method.
    #[arg(long, short = 'X', value_name = "METHOD", default_value = "GET")]
    pub(crate) method: String,
    /// Absolute URL, exactly as it will be requested.
    #[arg(long, short)]
    pub(crate) url: String,
    /// Integration whose API credentials sign; the URL must be on its host [default: those
    /// of the environment, else the integration whose URL it is, else
    /// ~/.veracode/credentials].
    #[arg(long, short, value_name = "NAME")]
    pub(crate) integration: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Http {
    /// HTTP method.
    pub(crate) method: String,
    /// Absolute URL, or a path on the URL of the integration.
    pub(crate) url: String,
    /// Integration whose API credentials sign [default: those of the environment, else the
    /// integration whose URL it is, else the only one].
    #[arg(long, short, value_name = "NAME")]
    pub(crate) integration: Option<String>,
    /// File with the JSON body; `-` reads standard input.
    #[arg(long, short = 'd', value_name = "FILE", conflicts_with = "paginate")]
    pub(crate) body: Option<PathBuf>,
    /// Read all pages of a list, one JSON document a line.
    #[arg(long)]
    pub(crate) paginate: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Doctor {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
