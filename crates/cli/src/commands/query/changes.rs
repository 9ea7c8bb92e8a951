//! `changes`.

use countersign_findings::filter::{Expression, Field, Operator, Origin, Value, severities};
use countersign_findings::{Context as Place, Severity, rfc3339};
use countersign_store::{ChangeKind, ChangePage, ChangeRow, Reason};
use serde_json::{Value as Json, json};

use super::{BATCH, id_cell, moment, refuse_unknown, severity_cell};
use crate::args;
use crate::commands::context::Context;
use crate::failure::Failure;
use crate::lists::{Again, Column, List, Order, column, foot};
use crate::output::{Cell, Fit, Tone, grouped, print_json};

const COLUMNS: &[Column<ChangeRow>] = &[
    Column { name: "seq", fit: Fit::Number, cell: |row| Cell::number(row.seq) },
    Column { name: "at", fit: Fit::Whole, cell: |row| Cell::moment(Some(row.at_ms)) },
    Column { name: "kind", fit: Fit::Whole, cell: kind_cell },
    Column {
        name: "severity",
        fit: Fit::Whole,
        cell: |row| match Severity::new(row.severity.into()) {
            Some(severity) => severity_cell(severity),
            None => Cell::number(row.severity.into()),
        },
    },
    Column { name: "id", fit: Fit::Whole, cell: |row| id_cell(&row.finding_id) },
    Column { name: "application", fit: Fit::End, cell: |row| Cell::text(&row.application_name) },
    Column { name: "title", fit: Fit::End, cell: |row| Cell::text(&row.title) },
    Column {
        name: "reason",
        fit: Fit::Whole,
        cell: |row| Cell::some(row.reason.map(Reason::as_str)),
    },
    Column {
        name: "differences",
        fit: Fit::End,
        cell: |row| Cell::some(row.differences.as_deref()),
    },
    Column { name: "integration", fit: Fit::End, cell: |row| Cell::text(&row.integration) },
    Column { name: "application_guid", fit: Fit::Whole, cell: |row| Cell::text(&row.application) },
];

const USUAL: &[&str] = &["seq", "at", "kind", "severity", "id", "application", "title"];

fn kind_cell(row: &ChangeRow) -> Cell {
    Cell::text(row.kind.as_str()).tone(match row.kind {
        ChangeKind::New | ChangeKind::Reopened => Tone::Bad,
        ChangeKind::Closed => Tone::Good,
        ChangeKind::Changed => Tone::Plain,
    })
}

/// The feed in one of its two orders: it has no other.
fn is_oldest_first(order: Option<&Order>) -> Result<Option<bool>, Failure> {
    let Some(order) = order else { return Ok(None) };
    match column(COLUMNS, &order.column)?.name {
        name if name == COLUMNS[0].name || name == COLUMNS[1].name => {
            Ok(Some(!order.is_descending))
        }
        name => Err(Failure::usage(format!(
            "changes cannot be sorted by `{name}`\nhint: by seq or at: `countersign changes --sort seq` has the oldest first"
        ))),
    }
}

fn kind(word: &str) -> Result<ChangeKind, Failure> {
    let word = word.trim().to_ascii_lowercase();
    let found = ChangeKind::ALL.iter().find(|kind| kind.as_str() == word).copied();
    found.ok_or_else(|| {
        let words: Vec<_> = ChangeKind::ALL.iter().map(|kind| kind.as_str()).collect();
        Failure::usage(format!("`{word}` is not a kind of change\nhint: {}", words.join(", ")))
    })
}

/// The guids of an application that was named.
async fn guids(context: &Context, name: &str) -> Result<Vec<String>, Failure> {
    let value = Value::Text(name.to_owned());
    let filter = Expression::of(Field::Application, Operator::Eq, value);
    refuse_unknown(context, &filter).await?;
    let rows = context.store().applications().await?;
    let is_it = |guid: &str, origin| filter.of_place(guid, origin, &Place::Policy) == Some(true);
    Ok(rows
        .iter()
        .filter(|row| {
            let origin = Origin {
                integration: &row.integration,
                application: &row.application.name,
                is_visible: !row.gone,
                ..Origin::default()
            };
            is_it(row.application.guid.as_str(), origin)
        })
        .map(|row| row.application.guid.to_string())
        .collect())
}

async fn page(context: &Context, args: &args::Changes) -> Result<ChangePage, Failure> {
    let levels = args.narrow.severity.as_deref().map(severities).transpose();
    let levels = levels.map_err(Failure::usage)?.into_iter().flatten();
    // The number of a change means: all that came after it, to follow the feed.
    let followed = args.since.as_deref().and_then(|text| text.parse::<i64>().ok());
    let since = args.since.as_deref().filter(|_| followed.is_none());
    if let Some(name) = &args.narrow.integration {
        let value = Value::Text(name.clone());
        let filter = Expression::of(Field::Integration, Operator::Eq, value);
        refuse_unknown(context, &filter).await?;
    }
    let applications = match &args.narrow.app {
        Some(name) => guids(context, name).await?,
        None => Vec::new(),
    };
    Ok(ChangePage {
        kinds: args.kind.iter().map(|word| kind(word)).collect::<Result<_, _>>()?,
        severities: levels.map(Severity::level).collect(),
        integrations: args.narrow.integration.clone().map(|name| vec![name]),
        applications,
        since_ms: since.map(|text| moment(text, context.now())).transpose()?,
        since_seq: followed,
        after: args.after,
        is_oldest_first: is_oldest_first(args.shape.sort.as_ref())?.unwrap_or(followed.is_some()),
    })
}

pub(crate) async fn changes(context: &Context, args: args::Changes) -> Result<(), Failure> {
    let page = page(context, &args).await?;
    let mut list = List::begin(COLUMNS, &args.shape.columns, USUAL)?;
    let limit = match (args.shape.limit, args.shape.json) {
        (None, true) => u64::MAX,
        (limit, _) => list.limit(limit),
    };
    let (mut left, mut last) = (limit, None);
    while left > 0 {
        let batch = u32::try_from(left.min(BATCH.into())).unwrap_or(BATCH);
        let next = ChangePage { after: last.or(page.after), ..page.clone() };
        let rows = context.store().change_page(next, batch).await?;
        let Some(end) = rows.last() else { break };
        last = Some(end.seq);
        left -= rows.len() as u64;
        for row in &rows {
            if args.shape.json { print_json(&as_json(row))? } else { list.add(row)? }
        }
    }
    if args.shape.json {
        return Ok(());
    }
    let shown = list.end()?;
    let total = context.store().count_changes(page.clone()).await?;
    say(&page, shown, total, last);
    Ok(())
}

fn say(page: &ChangePage, shown: u64, total: u64, last: Option<i64>) {
    let this = Again::of_this();
    let mut ways = Vec::new();
    if let Some(last) = last.filter(|_| shown < total) {
        ways.push(("more:", this.with("after", last)));
        ways.push(("all of them:", this.with("limit", 0)));
    }
    let order = if page.is_oldest_first { "oldest" } else { "newest" };
    let rest = if page.after.is_some() { " that are left" } else { "" };
    let (shown, total) = (grouped(shown), grouped(total));
    foot(&format!("{shown} of {total} changes{rest}, the {order} first"), &ways);
}

fn as_json(row: &ChangeRow) -> Json {
    let differences: Option<Json> =
        row.differences.as_deref().and_then(|text| serde_json::from_str(text).ok());
    json!({
        "seq": row.seq, "at": rfc3339(row.at_ms), "kind": row.kind.as_str(),
        "reason": row.reason.map(Reason::as_str), "application": row.application,
        "application_name": row.application_name, "finding": row.finding_id,
        "severity": row.severity, "title": row.title, "differences": differences,
    })
}
