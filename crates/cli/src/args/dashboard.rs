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
    /// Public address, if a proxy on this machine forwards to it, such as
    /// `https://findings.example.com`.
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Answer `/metrics`, `/healthz` and `/readyz` on this address as well, without a
    /// token; any but a loopback address needs TLS and the token [default: `metrics.listen`
    /// of config.toml].
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Answer the connector API on this address as well, for other programs; any but a
    /// loopback address needs TLS [default: `api.listen` of config.toml].
    #[arg(long, value_name = "ADDR")]
    pub(crate) api: Option<SocketAddr>,
    /// Write the address into this file once it answers.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// Open it in the browser.
    #[arg(long)]
    pub(crate) open: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum People {
    /// Add a user; prints a single-use link to choose a password, valid for seven days.
    Add(AddPerson),
    /// List the users.
    List(Json),
    /// Remove a user; the user's sessions end.
    Remove(RemovePerson),
    /// Print a single-use link to choose another password, valid for an hour; its browser
    /// can sign in while others must wait.
    Reset(ResetPerson),
    /// Verify the chain of the users' activity log; prints its length and last digest.
    Audit(Json),
}

#[derive(Debug, Group)]
pub(crate) struct AddPerson {
    /// A name to sign in with [default: a terminal asks for it].
    pub(crate) name: Option<String>,
    /// Role: a `reader` sees everything; an `operator` also runs, pauses and resumes syncs
    /// and fetches data paths.
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
    /// Remove the second factor as well, for a user who has lost the device and the codes.
    #[arg(long)]
    pub(crate) second_factor: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
