//! `applications`, `findings`, `finding`, `changes`, `credentials list`: one grammar for all
//! lists.

use clap::Args as Group;

use crate::lists::Order;

/// What every list accepts.
#[derive(Debug, Group)]
pub(crate) struct Shape {
    /// Columns, in this order, such as `severity,application,place`; `all` for all of them.
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', conflicts_with = "json")]
    pub(crate) columns: Vec<String>,
    /// Sort by this column; with `:desc` the highest, latest or last comes first.
    #[arg(long, value_name = "COLUMN[:desc]")]
    pub(crate) sort: Option<Order>,
    /// Show at most this many; 0 shows all [default: 50 on a terminal, else all].
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a list is narrowed by.
#[derive(Debug, Group)]
pub(crate) struct Narrow {
    /// Severities: `high`, `high+` (and above), `3-5`, `low,medium`.
    #[arg(short = 's', long, value_name = "WHICH")]
    pub(crate) severity: Option<String>,
    /// One application, by its name or its guid.
    #[arg(short = 'a', long, value_name = "NAME|GUID")]
    pub(crate) app: Option<String>,
    /// What this integration downloaded.
    #[arg(short = 'i', long, value_name = "NAME")]
    pub(crate) integration: Option<String>,
}

/// Which findings.
#[derive(Debug, Group)]
pub(crate) struct Which {
    /// Keep only what matches, such as `severity[gte]4 and not file[like]test`;
    /// repeatable, all must match. `docs/reference/filters.md` lists the fields.
    #[arg(long, short, value_name = "EXPR")]
    pub(crate) filter: Vec<String>,
    #[command(flatten)]
    pub(crate) narrow: Narrow,
    /// States: open, fixed, mitigated, false_positive, several with commas, or `all`
    /// [default of lists: open, unless a filter asks for state, status or id; of --json and
    /// of exports: all].
    #[arg(long, value_name = "WHICH")]
    pub(crate) state: Option<String>,
    /// Only those first found since: a date, a time, or an age (30d, 12h).
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
}

impl Which {
    /// The first option that was given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        [
            ("--filter", !self.filter.is_empty()),
            ("--severity", self.narrow.severity.is_some()),
            ("--app", self.narrow.app.is_some()),
            ("--integration", self.narrow.integration.is_some()),
            ("--state", self.state.is_some()),
            ("--since", self.since.is_some()),
        ]
        .into_iter()
        .find_map(|(option, is_given)| is_given.then_some(option))
    }
}

#[derive(Debug, Group)]
#[command(after_help = "Examples:
  countersign applications --sort open:desc
  countersign applications --severity high+ --since 7d
  countersign applications --columns application,policy,last_scan")]
pub(crate) struct Applications {
    #[command(flatten)]
    pub(crate) narrow: Narrow,
    /// Only those that were scanned since: a date, a time, or an age (30d, 12h).
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

#[derive(Debug, Group)]
#[command(after_help = "Examples:
  countersign findings --severity high+
  countersign findings --app 'Web Shop' --state all --sort first_found:desc
  countersign findings --filter 'cwe[in]79,89 and not file[like]test'
  countersign findings | cut -f4 | sort | uniq -c
  countersign findings --facet cwe")]
pub(crate) struct Query {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Count the values of this field among what matches, instead of listing.
    #[arg(long, value_name = "FIELD", conflicts_with_all = ["after", "columns", "sort"])]
    pub(crate) facet: Option<String>,
    /// Continue after this place, which the end of a list printed.
    #[arg(long, value_name = "PLACE", conflicts_with = "sort")]
    pub(crate) after: Option<String>,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

#[derive(Debug, Group)]
#[command(after_help = "Examples:
  countersign finding 3fa85f6457
  countersign finding 3fa85f6457 --paths")]
pub(crate) struct OneFinding {
    /// Id of the finding, or the beginning of it: 4 digits at least.
    pub(crate) id: String,
    /// As this integration downloaded it, where several hold it.
    #[arg(short = 'i', long, value_name = "NAME")]
    pub(crate) integration: Option<String>,
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
#[command(after_help = "Examples:
  countersign changes --since 7d --severity high+
  countersign changes --app 'Web Shop' --kind new,reopened
  countersign changes --json --since 812")]
pub(crate) struct Changes {
    #[command(flatten)]
    pub(crate) narrow: Narrow,
    /// Kinds: new, changed, reopened, closed, several with commas.
    #[arg(long, value_name = "WHICH", value_delimiter = ',')]
    pub(crate) kind: Vec<String>,
    /// Only what changed since: a date (2026-11-24), a time (2026-11-24T08:00:00Z) or an
    /// age (90m, 12h, 7d). With the number of a change, all that came after it, the oldest
    /// first: to follow the feed.
    #[arg(long, value_name = "WHEN|SEQ")]
    pub(crate) since: Option<String>,
    /// Continue after the change with this number, which the end of a list printed.
    #[arg(long, value_name = "SEQ")]
    pub(crate) after: Option<i64>,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

#[derive(Debug, Group)]
#[command(after_help = "Examples:
  countersign credentials list --sort expires
  countersign credentials list --state expired,expiring")]
pub(crate) struct ListCredentials {
    /// Ask the service about each first.
    #[arg(long)]
    pub(crate) refresh: bool,
    /// States: expired, refused, role missing, expiring, unreachable, unchecked, fine;
    /// several with commas.
    #[arg(long, value_name = "WHICH", value_delimiter = ',')]
    pub(crate) state: Vec<String>,
    /// Those that this integration signs with.
    #[arg(short = 'i', long, value_name = "NAME")]
    pub(crate) integration: Option<String>,
    /// Columns, in this order, such as `state,name,expires`; `all` for all of them.
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', conflicts_with = "json")]
    pub(crate) columns: Vec<String>,
    /// Sort by this column; with `:desc` the highest, latest or last comes first.
    #[arg(long, value_name = "COLUMN[:desc]")]
    pub(crate) sort: Option<Order>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
