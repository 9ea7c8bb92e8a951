//! `mcp`.

use clap::Args as Group;

#[derive(Debug, Group)]
pub(crate) struct Mcp {
    /// Answer only about what this integration downloaded; repeatable [default: everything].
    #[arg(short = 'i', long, value_name = "NAME")]
    pub(crate) integration: Vec<String>,
}
