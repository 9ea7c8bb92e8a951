//! `proxy`: what can be typed to run the broker and to say who may use it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

use super::Json;

#[derive(Debug, Group)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Proxy {
    #[command(subcommand)]
    pub(crate) command: Option<ProxyCommand>,
    #[command(flatten)]
    pub(crate) run: RunProxy,
}

#[derive(Debug, Group)]
pub(crate) struct RunProxy {
    /// Integration whose API credentials sign [default: the only one].
    pub(crate) integration: Option<String>,
    /// Loopback address to listen on; port 0 picks a free one.
    #[arg(
        long,
        short,
        value_name = "ADDR",
        default_value = "127.0.0.1:8480",
        conflicts_with = "socket"
    )]
    pub(crate) listen: SocketAddr,
    /// Listen on this socket instead, in a folder that only you can enter.
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Limit of what any caller may request, such as 'GET /appsec/**'; repeatable
    /// [default: the caller's own rules].
    #[arg(long, value_name = "RULE")]
    pub(crate) allow: Vec<String>,
    /// Accept only this caller; repeatable [default: all].
    #[arg(long, value_name = "NAME")]
    pub(crate) caller: Vec<String>,
    /// Accept the callers of config.toml as well.
    #[arg(long)]
    pub(crate) config_callers: bool,
    /// Concurrent requests of one caller.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) in_flight: u16,
    /// Write the address of the proxy into this file once it answers.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProxyCommand {
    /// Create a token for a caller; it is shown once.
    Token(MakeToken),
    /// List the callers.
    Callers(Json),
    /// Revoke the token of a caller immediately.
    Revoke(RevokeCaller),
    /// List the requests, with caller and result.
    Log(ProxyLog),
}

#[derive(Debug, Group)]
pub(crate) struct MakeToken {
    /// A name of your choice for the caller.
    pub(crate) name: String,
    /// What the caller may request: a method and a path, in which `*` stands for one segment
    /// and `**` at the end for the rest; repeatable [default: 'GET /appsec/**'].
    #[arg(long, value_name = "RULE")]
    pub(crate) allow: Vec<String>,
    /// When the token expires: 12h, 30d, or `never`.
    #[arg(long, value_name = "AGE|never", default_value = "90d")]
    pub(crate) expires: Lifetime,
    /// Write the token into this file, readable by its owner only.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long, conflicts_with = "output")]
    pub(crate) json: bool,
}

/// Milliseconds, or for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime(pub(crate) Option<i64>);

impl std::str::FromStr for Lifetime {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "give an age such as 12h or 30d, or `never`";
        if text == "never" {
            return Ok(Self(None));
        }
        let unit = text.chars().last().ok_or(wrong)?;
        let unit_ms = match unit {
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            _ => return Err(wrong),
        };
        match text[..text.len() - 1].parse::<i64>() {
            Ok(count @ 1..=1_000_000) => Ok(Self(Some(count * unit_ms))),
            _ => Err(wrong),
        }
    }
}

#[derive(Debug, Group)]
pub(crate) struct RevokeCaller {
    /// Name of the caller.
    pub(crate) name: String,
}

#[derive(Debug, Group)]
pub(crate) struct ProxyLog {
    /// Only this caller.
    #[arg(long, value_name = "NAME")]
    pub(crate) caller: Option<String>,
    /// Show at most this many, the newest.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    pub(crate) limit: u32,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}
