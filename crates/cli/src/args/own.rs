//! `completions`, `man` and `health`: what packages and containers ask of the program.

use std::path::PathBuf;

use clap::{Args as Group, ValueEnum};

#[derive(Debug, Group)]
pub(crate) struct Completions {
    /// Shell that reads the script.
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// Bash, with bash-completion.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
    /// PowerShell on any system.
    #[value(name = "powershell")]
    Pwsh,
}

#[derive(Debug, Group)]
pub(crate) struct Man {
    /// Directory for one page per command; created if it is missing [default: print the
    /// page of countersign itself].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Group)]
pub(crate) struct Health {
    /// Address of `serve` or `platform serve`; without a path, /healthz is asked.
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8460")]
    pub(crate) url: String,
}
