//! `applications`.

use countersign_findings::filter::{Expression, Origin, severities};
use countersign_findings::{Context as Place, SCHEMA, Severity, rfc3339};
use countersign_store::ApplicationRow;
use serde_json::Value;

use super::{moment, narrowed};
use crate::args;
use crate::commands::context::Context;
use crate::failure::Failure;
use crate::lists::{Again, Column, List, foot, sort};
use crate::output::{Cell, Fit, Tone, grouped, print_json};

const COLUMNS: &[Column<ApplicationRow>] = &[
    Column { name: "application", fit: Fit::End, cell: |row| Cell::text(&row.application.name) },
    Column {
        name: "criticality",
        fit: Fit::Whole,
        cell: |row| Cell::some(row.application.business_criticality.as_deref()),
    },
    Column {
        name: "policy",
        fit: Fit::Whole,
        cell: |row| Cell::some(row.application.policy_compliance.as_deref()),
    },
    Column {
        name: "open",
        fit: Fit::Number,
        cell: |row| Cell::count(row.open.iter().sum()).tone(Tone::Strong),
    },
    Column { name: "very_high", fit: Fit::Number, cell: |row| level(row, 5, Tone::Worst) },
    Column { name: "high", fit: Fit::Number, cell: |row| level(row, 4, Tone::Bad) },
    Column { name: "medium", fit: Fit::Number, cell: |row| level(row, 3, Tone::Warning) },
    Column { name: "low", fit: Fit::Number, cell: |row| level(row, 2, Tone::Plain) },
    Column { name: "very_low", fit: Fit::Number, cell: |row| level(row, 1, Tone::Faint) },
    Column { name: "informational", fit: Fit::Number, cell: |row| level(row, 0, Tone::Faint) },
    Column { name: "findings", fit: Fit::Number, cell: |row| Cell::count(row.findings) },
    Column {
        name: "last_scan",
        fit: Fit::Whole,
        cell: |row| Cell::moment(row.application.last_scan_ms),
    },
    Column { name: "synced", fit: Fit::Whole, cell: |row| Cell::moment(row.read_ms) },
    Column {
        name: "policy_name",
        fit: Fit::End,
        cell: |row| Cell::some(row.application.policy.as_deref()),
    },
    Column {
        name: "business_unit",
        fit: Fit::End,
        cell: |row| Cell::some(row.application.business_unit.as_deref()),
    },
    Column {
        name: "teams",
        fit: Fit::End,
        cell: |row| Cell::text(&row.application.teams.join(", ")),
    },
    Column {
        name: "tags",
        fit: Fit::End,
        cell: |row| Cell::text(&row.application.tags.join(", ")),
    },
    Column { name: "note", fit: Fit::Whole, cell: note_cell },
    Column { name: "problem", fit: Fit::End, cell: |row| Cell::some(row.incomplete.as_deref()) },
    Column { name: "integration", fit: Fit::End, cell: |row| Cell::text(&row.integration) },
    Column { name: "guid", fit: Fit::Whole, cell: |row| Cell::text(row.application.guid.as_str()) },
];

const USUAL: &[&str] =
    &["application", "criticality", "policy", "open", "very_high", "high", "note"];

fn level(row: &ApplicationRow, level: usize, tone: Tone) -> Cell {
    let count = row.open[level];
    Cell::count(count).tone(if count == 0 { Tone::Faint } else { tone })
}

/// What there is to know before its numbers are believed.
fn note_cell(row: &ApplicationRow) -> Cell {
    match (row.gone, &row.incomplete) {
        (true, _) => Cell::text("no longer visible").tone(Tone::Faint),
        (false, Some(_)) => Cell::text("incomplete").tone(Tone::Warning),
        (false, None) => Cell::text(""),
    }
}

/// What applications are narrowed by, as far as it is not in their names.
struct Wanted {
    named: Expression,
    severities: Vec<Severity>,
    since_ms: Option<i64>,
}

impl Wanted {
    async fn of(context: &Context, args: &args::Applications) -> Result<Self, Failure> {
        let levels = args.narrow.severity.as_deref().map(severities).transpose();
        let since = args.since.as_deref().map(|text| moment(text, context.now())).transpose()?;
        Ok(Self {
            named: narrowed(context, &args.narrow).await?,
            severities: levels.map_err(Failure::usage)?.into_iter().flatten().collect(),
            since_ms: since,
        })
    }

    fn has(&self, row: &ApplicationRow) -> bool {
        let application = &row.application;
        let origin = Origin {
            integration: &row.integration,
            application: &application.name,
            is_visible: !row.gone,
            ..Origin::default()
        };
        let is_named =
            self.named.of_place(application.guid.as_str(), origin, &Place::Policy) == Some(true);
        let is_hit = |severity: &Severity| row.open[usize::from(severity.level())] > 0;
        let is_hit = self.severities.is_empty() || self.severities.iter().any(is_hit);
        let is_recent = self.since_ms.is_none_or(|ms| application.last_scan_ms >= Some(ms));
        is_named && is_hit && is_recent
    }
}

pub(crate) async fn applications(
    context: &Context,
    args: args::Applications,
) -> Result<(), Failure> {
    let wanted = Wanted::of(context, &args).await?;
    let mut list = List::begin(COLUMNS, &args.shape.columns, USUAL)?;
    let mut rows = context.store().applications().await?;
    rows.retain(|row| wanted.has(row));
    sort(&mut rows, COLUMNS, args.shape.sort.as_ref())?;
    let limit = match (args.shape.limit, args.shape.json) {
        (None, true) => u64::MAX,
        (limit, _) => list.limit(limit),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if args.shape.json {
        return rows.iter().take(limit).try_for_each(|row| print_json(&as_json(row)?));
    }
    rows.iter().take(limit).try_for_each(|row| list.add(row))?;
    say(list.end()?, &rows);
    Ok(())
}

fn say(shown: u64, rows: &[ApplicationRow]) {
    let total = rows.len() as u64;
    let incomplete = rows.iter().filter(|row| row.incomplete.is_some()).count();
    let this = Again::of_this();
    let mut ways = Vec::new();
    if shown < total {
        ways.push(("all of them:", this.with("limit", 0)));
    }
    if incomplete > 0 {
        let columns = "application,problem,integration";
        ways.push(("what is incomplete:", this.with("columns", columns)));
    }
    let incomplete = match incomplete {
        0 => String::new(),
        count => format!(", {} of them incomplete", grouped(count as u64)),
    };
    foot(
        &format!(
            "{} of {} applications{incomplete}; numbers are findings of the policy context",
            grouped(shown),
            grouped(total)
        ),
        &ways,
    );
}

fn as_json(row: &ApplicationRow) -> Result<Value, Failure> {
    let mut object = serde_json::to_value(&row.application).map_err(Failure::unexpected)?;
    object["schema"] = SCHEMA.into();
    object["integration"] = row.integration.as_str().into();
    object["gone"] = row.gone.into();
    object["read_at"] = row.read_ms.map(rfc3339).into();
    object["incomplete"] = row.incomplete.clone().into();
    object["held_back"] = row.held_back.into();
    object["open_by_severity"] = row.open.to_vec().into();
    object["findings"] = (row.findings + row.in_sandboxes).into();
    object["policy_findings"] = row.findings.into();
    Ok(object)
}
