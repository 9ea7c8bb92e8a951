//! What can be typed. Help leads with what a command does for the user.

mod config;
mod dashboard;
mod examples;
mod export;
mod forms;
mod lists;
mod proxy;
mod rotation;
mod schedule;
mod store;
mod vault;
mod watch;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{
    ArgAction, Args as Group, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
};

pub(crate) use config::Configuration;
pub(crate) use dashboard::{People, ServeDashboard};
pub(crate) use export::{Export, Format, OcsfClass, OcsfVersion};
pub(crate) use forms::{ExportPair, ImportFrom, ImportPair, PairFormat, RunWithPair};
pub(crate) use lists::{Applications, Changes, ListCredentials, Narrow, OneFinding, Query, Which};
pub(crate) use proxy::{MakeToken, Proxy, ProxyCommand, ProxyLog, RevokeCaller, RunProxy};
pub(crate) use rotation::{
    AuditLog, Rehearse, RehearseOne, RemoveCredential, ReplaceCredential, Revoke, Rotate,
    RotationMode,
};
pub(crate) use schedule::{ListSchedules, Schedule, Scheduled};
pub(crate) use store::{BackUp, CheckStore, Restore, Store};
pub(crate) use vault::{Reseal, Vault};
pub(crate) use watch::{Acknowledge, Feed, ListConsumers, WatchCredentials};

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

    /// How log lines are written: text for people, JSON objects for programs.
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
    /// For people.
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
    /// Start here: a platform with a demo tenant, an API user, a pair, an
    /// integration, a first sync, and a report of what it found. Without `--home`, all of
    /// it is in a data directory of its own, beside the default one.
    Quickstart(Quickstart),
    /// The other end of the wire: a Veracode-compatible service.
    #[command(subcommand)]
    Platform(Platform),
    /// Client ID, Client Secret, Veracode URL: add, check, list, show, update, rename, remove.
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
    /// The health of what is stored: check it, back it up, restore it.
    #[command(subcommand)]
    Store(Store),
    /// Where the secrets are: prove that it works, seal it under another key.
    #[command(subcommand)]
    Vault(Vault),
    /// Print the Authorization header for one request, for use with other tools.
    Sign(Sign),
    /// Send one signed request and print the answer.
    Http(Http),
    /// Let curl and other programs that cannot sign call the service: on this machine,
    /// each with a token and rules of its own. The Secret Key stays here.
    Proxy(Proxy),
    /// When `countersign serve` syncs each integration: list, pause, resume, run now.
    #[command(subcommand)]
    Schedule(Schedule),
    /// The dashboard: what is stored, as pages for people who sign in.
    Serve(ServeDashboard),
    /// One screen: integrations, syncs, credentials, open findings, the store. Works
    /// offline.
    Status(Json),
    /// The configuration file: write a commented one, print what holds, find mistakes.
    #[command(subcommand)]
    Config(Configuration),
    /// Who may sign in to the dashboard: add, list, remove, reset.
    #[command(subcommand)]
    People(People),
    /// Look for everything that can be wrong; one cause and one fix for each.
    Doctor(Doctor),
}

#[derive(Debug, Group)]
pub(crate) struct Quickstart {
    /// Start the platform only, open its console, and say each step for a person to
    /// take by hand.
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
    /// Create an API account and its pair straight in the platform's database.
    Mint(Mint),
    /// Read or move the clock of a running platform.
    Clock(Clock),
    /// Read or replace the plan of faults of a running platform.
    Faults(Faults),
    /// Read or change the rate limit of a running platform.
    Limits(Limits),
    /// What a running platform was asked, by whom, and what came of it.
    Requests(Requests),
    /// Put the tenant of a running platform aside, or list what was put aside.
    Snapshot(Snapshot),
    /// Bring a snapshot back.
    Restore(Named),
    /// Everything as after the first start.
    Reset(Json),
    /// Let days pass, and the tenant live: scans, fixes, mitigations, news.
    Mutate(Mutate),
    /// Copy the tenant of a running platform into a new home.
    Fork(Fork),
    /// Take in answers of the real service, scrubbed of names, addresses and hosts.
    Import(Import),
    /// Follow the chain of the activity log; tells its length and last digest.
    Audit(Json),
    /// The mails that a running platform has written.
    Outbox(Json),
}

#[derive(Debug, Group)]
pub(crate) struct Clock {
    /// Set it to a time such as 2026-11-24T08:00:00Z.
    #[arg(long, value_name = "TIME", conflicts_with = "advance")]
    pub(crate) set: Option<String>,
    /// Move it forward: 500ms, 30s, 90m, 12h, 365d.
    #[arg(long, value_name = "BY")]
    pub(crate) advance: Option<String>,
    /// Hold it.
    #[arg(long, conflicts_with = "run")]
    pub(crate) freeze: bool,
    /// Let it run on.
    #[arg(long)]
    pub(crate) run: bool,
    /// Judge signatures by the platform's time or by the real one.
    #[arg(long, value_enum, value_name = "TIME")]
    pub(crate) signatures: Option<Judge>,
    /// Give back the real time first.
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
    /// Whether a refusal says how long to wait.
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
    /// Print how many there are.
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
    /// Name to put the tenant aside under [default: list what there is].
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
    /// The new home.
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
    /// What an empty home is filled with: `demo`, `empty`, or
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
    /// How people reach the console, such as `https://console.example.com`: links in
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
    /// Give it another URL, certificate authority or API credentials; they are checked
    /// first.
    Update(UpdateIntegration),
    /// Give it another name.
    Rename(RenameIntegration),
    /// Remove one integration, its pair and everything stored for it.
    Remove(RemoveIntegration),
}

#[derive(Debug, Group)]
pub(crate) struct AddIntegration {
    /// A name of your choice [default: a terminal asks for it].
    pub(crate) name: Option<String>,
    /// Client ID: the API ID of the pair [default: a terminal asks for it].
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Read the Client Secret (the Secret Key) from standard input.
    #[arg(long)]
    pub(crate) client_secret_stdin: bool,
    /// Take the pair from the environment (VERACODE_API_KEY_ID and _SECRET, or
    /// VERACODE_API_ID and _KEY), from ~/.veracode/credentials, or from
    /// ~/.veracode/veracode.yml.
    #[arg(long, conflicts_with_all = ["client_id", "client_secret_stdin"])]
    pub(crate) import: bool,
    #[command(flatten)]
    pub(crate) from: ImportFrom,
    /// Veracode URL [default: the one that an import says, or the region of the pair].
    #[arg(long, short, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// PEM file with a further certificate authority to trust for this URL.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Allow an http URL on this machine's loopback address.
    #[arg(long)]
    pub(crate) allow_http_loopback: bool,
    /// It is an OAuth client, not a pair that signs.
    #[arg(long, conflicts_with_all = ["import", "import_file"])]
    pub(crate) oauth: bool,
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
    /// Take other API credentials from where other tools look for theirs.
    #[arg(long, conflicts_with_all = ["client_id", "client_secret_stdin"])]
    pub(crate) import: bool,
    #[command(flatten)]
    pub(crate) from: ImportFrom,
    /// They are another account's, and that is meant.
    #[arg(long)]
    pub(crate) other_account: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct RenameIntegration {
    /// Its name.
    pub(crate) name: String,
    /// Its name from now on.
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
    /// Read every application, not only those whose dates moved.
    #[arg(long)]
    pub(crate) full: bool,
    /// Close and mark as gone whatever this run no longer finds, however much it is. For
    /// once: without it, most of an application's findings, or of all, close only after a
    /// newer scan.
    #[arg(long)]
    pub(crate) accept_closures: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Credentials {
    /// List what there is, the worst first, and what there is to do.
    List(ListCredentials),
    /// Ask the service about each, say what there is to do, write the feeds.
    Watch(WatchCredentials),
    /// Take on what was said of a credential, or say that a consumer runs a version.
    Acknowledge(Acknowledge),
    /// Print when credentials expire, for calendars.
    Calendar(Feed),
    /// Print how credentials are, for Prometheus.
    Metrics(Feed),
    /// List who is given a new credential, and who runs it.
    Consumers(ListConsumers),
    /// Add an integration with a pair that other tools use.
    Import(ImportPair),
    /// Put the pair of an integration where other tools look for it.
    Export(ExportPair),
    /// Run one command with the pair in its environment, and nowhere else.
    Env(RunWithPair),
    /// Keep a credential that no integration signs with: an administrator's, who asks
    /// for new pairs, or a twin's.
    Add(AddIntegration),
    /// Put another pair in the place of one, by hand: for an account for which nobody
    /// else can ask.
    Replace(ReplaceCredential),
    /// Forget such a credential.
    Remove(RemoveCredential),
    /// Replace a credential before it lapses, or go on with what was interrupted.
    Rotate(Rotate),
    /// End a pair or an OAuth client at once.
    Revoke(Revoke),
    /// What was done with credentials; `--verify` follows the chain.
    Log(AuditLog),
    /// Rotate many times on a platform of our own, with everything that can go wrong
    /// going wrong, and count what was lost.
    Rehearse(Rehearse),
    /// One rotation of a rehearsal, with what goes wrong in it.
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
    /// Absolute URL, or a path on the URL of whoever signs.
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
