//! `credentials import|export|env`: pairs in other tools' forms.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as Group, ValueEnum};

use super::AddIntegration;
use countersign_connector::keyfiles::{DEFAULT_PROFILE, Form};

#[derive(Debug, Group)]
pub(crate) struct ImportFrom {
    /// Import the API credentials from this file: a credentials file with sections, the YAML
    /// of the Veracode CLI, or lines NAME=value; the content decides.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["client_id", "client_secret_stdin"])]
    pub(crate) import_file: Option<PathBuf>,
    /// Section of the credentials file [default: VERACODE_API_PROFILE, or default].
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

#[derive(Debug, Group)]
pub(crate) struct ImportPair {
    /// A name of your choice for the integration.
    pub(crate) name: String,
    /// File to import from [default: the environment, ~/.veracode/credentials,
    /// ~/.veracode/veracode.yml, whichever holds one first].
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Section of the credentials file [default: VERACODE_API_PROFILE, or default].
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Veracode URL [default: the URL of the import, else the region of the credentials].
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

impl From<ImportPair> for AddIntegration {
    fn from(args: ImportPair) -> Self {
        Self {
            name: Some(args.name),
            client_id: None,
            client_secret_stdin: false,
            import: true,
            from: ImportFrom { import_file: args.file, profile: args.profile },
            url: args.url,
            ca_file: args.ca_file,
            allow_http_loopback: args.allow_http_loopback,
            oauth: false,
            imported: false,
            json: args.json,
        }
    }
}

#[derive(Debug, Group)]
pub(crate) struct ExportPair {
    /// Integration whose API credentials to write.
    pub(crate) name: String,
    /// Format.
    #[arg(long, value_enum)]
    pub(crate) format: PairFormat,
    /// File to write into; everything else in it stays. `-` is standard output, unless
    /// that is a terminal.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Section of the credentials file.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_PROFILE)]
    pub(crate) profile: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PairFormat {
    /// Sections, as in ~/.veracode/credentials.
    Ini,
    /// VERACODE_API_KEY_ID=… and similar, one line each.
    Env,
    /// As in ~/.veracode/veracode.yml.
    Yaml,
}

impl From<PairFormat> for Form {
    fn from(format: PairFormat) -> Self {
        match format {
            PairFormat::Ini => Self::Ini,
            PairFormat::Env => Self::Variables,
            PairFormat::Yaml => Self::Yaml,
        }
    }
}

#[derive(Debug, Group)]
pub(crate) struct RunWithPair {
    /// Integration whose API credentials it gets [default: by the URL, else those of the
    /// environment, else the only integration's].
    pub(crate) name: Option<String>,
    /// A URL that the command calls: the integration is the one whose URL it is, and
    /// another host is refused.
    #[arg(long, short, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Command to run, with its arguments.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}
