//! `config`: what can be typed about the configuration file.

use clap::Subcommand;

use super::Json;

#[derive(Debug, Subcommand)]
pub(crate) enum Configuration {
    /// Write config.toml with every key as a comment; an existing file is not overwritten.
    Init(Json),
    /// Print every value that holds and where it comes from: default, file, environment or
    /// flag.
    Show(Json),
    /// Find every unknown key, wrong unit and contradictory value, with its line.
    Check(Json),
}
