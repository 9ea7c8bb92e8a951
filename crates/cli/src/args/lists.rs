//! `applications`, `findings`, `finding`, `changes`, `credentials list`.

use clap::Args as Group;

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
    /// Keep only what matches, such as `severity[gte]4 and not file[like]test`;
    /// repeatable, all must match. `docs/guide.md` lists the fields.
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Vec<String>,
    /// Count the values of this field among what matches, instead of listing.
    #[arg(long, value_name = "FIELD", conflicts_with = "after")]
    pub(crate) facet: Option<String>,
    /// Go on after this place, which the end of a list named.
    #[arg(long, value_name = "PLACE")]
    pub(crate) after: Option<String>,
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
    #[arg(long, conflicts_with_all = ["json", "paths"])]
    pub(crate) raw: bool,
    /// Ask the service how data reaches the flaw, keep the answer, and print it too.
    #[arg(long)]
    pub(crate) paths: bool,
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
pub(crate) struct ListCredentials {
    /// Ask the service about each first.
    #[arg(long)]
    pub(crate) refresh: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
