//! `serve` and `people`: what can be typed to run the dashboard and to say who may use
//! it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Group, Subcommand};
use countersign_dashboard::people::Role;

use super::Json;

#[derive(Debug, Group)]
pub(crate) struct ServeDashboard {
    /// Address to listen on; port 0 picks a free one. Any but a loopback address needs
    /// TLS.
    #[arg(long, short, value_name = "ADDR", default_value = "127.0.0.1:8460")]
    pub(crate) listen: SocketAddr,
    /// PEM file with the certificate and its chain.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's key.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// How people reach it through a proxy on this machine, such as
    /// `https://findings.example.com`.
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Answer `/metrics`, `/healthz` and `/readyz` on this address as well, without a
    /// token; any but a loopback address needs TLS and the token [default: `metrics.listen`
    /// of config.toml].
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Write where to reach it into this file once it answers.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// Open it in the browser.
    #[arg(long)]
    pub(crate) open: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum People {
    /// Add somebody; prints a link by which they choose a password, good once and for
    /// seven days.
    Add(AddPerson),
    /// List who can sign in.
    List(Json),
    /// Take somebody away; their sessions end.
    Remove(RemovePerson),
    /// Print a link to choose another password, good once and for an hour; its
    /// browser signs in while others wait.
    Reset(ResetPerson),
    /// Follow the chain of what people did; tells its length and last digest.
    Audit(Json),
}

#[derive(Debug, Group)]
pub(crate) struct AddPerson {
    /// A name to sign in with [default: a terminal asks for it].
    pub(crate) name: Option<String>,
    /// What they may do: a `reader` sees everything; an `operator` also runs, pauses
    /// and resumes syncs and fetches data paths.
    #[arg(long, value_name = "reader|operator", default_value = "reader")]
    pub(crate) role: Role,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct RemovePerson {
    /// Name.
    pub(crate) name: String,
}

#[derive(Debug, Group)]
pub(crate) struct ResetPerson {
    /// Name [default: a terminal asks for it].
    pub(crate) name: Option<String>,
    /// Forget the second factor as well: for who has lost the device and the codes.
    #[arg(long)]
    pub(crate) second_factor: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
