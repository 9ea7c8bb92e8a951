//! `applications`, `findings`, `finding`, `changes`: what is stored, offline.

mod applications;
mod changes;
mod finding;
mod findings;

use countersign_findings::filter::{Expression, Field, Operator, Value};
use countersign_findings::{DataPath, SCHEMA, Severity, parse_moment};
use countersign_store::{FindingRow, Query, Seek, Sorting};
use serde_json::Value as Json;

pub(crate) use applications::applications;
pub(crate) use changes::changes;
pub(crate) use finding::finding;
pub(crate) use findings::findings;

use super::context::Context;
use crate::args::{Narrow, Which};
use crate::failure::Failure;
use crate::output::{Cell, Tone};

/// Rows that are read at once.
const BATCH: u32 = 500;

/// The findings that are asked for: all that is given must match.
pub(crate) async fn wanted(context: &Context, which: &Which) -> Result<Expression, Failure> {
    let now_ms = context.now();
    let mut parts = Vec::new();
    for text in &which.filter {
        parts.push(Expression::parse(text, now_ms).map_err(Failure::usage)?);
    }
    if let Some(text) = &which.narrow.severity {
        parts.push(Expression::of_severities(text).map_err(Failure::usage)?);
    }
    if let Some(text) = &which.since {
        let since = Value::Integer(moment(text, now_ms)?);
        parts.push(Expression::of(Field::FirstFound, Operator::Gte, since));
    }
    if let Some(text) = &which.state {
        parts.push(Expression::of_states(text).map_err(Failure::usage)?);
    }
    let filter = Expression::all(parts);
    refuse_unknown(context, &filter).await?;
    Ok(Expression::all([filter, narrowed(context, &which.narrow).await?]))
}

/// A name that nothing is called would match nothing without a word.
async fn refuse_unknown(context: &Context, filter: &Expression) -> Result<(), Failure> {
    match context.store().unknown_name(filter).await? {
        Some(unknown) => Err(Failure::usage(unknown)),
        None => Ok(()),
    }
}

/// An application by its name or guid, an integration by its name.
async fn narrowed(context: &Context, narrow: &Narrow) -> Result<Expression, Failure> {
    let named = |field, name: &Option<String>| {
        let value = name.clone().map(Value::Text);
        value.map(|value| Expression::of(field, Operator::Eq, value))
    };
    let parts =
        [named(Field::Application, &narrow.app), named(Field::Integration, &narrow.integration)];
    let filter = Expression::all(parts.into_iter().flatten());
    refuse_unknown(context, &filter).await?;
    Ok(filter)
}

/// When a list begins.
fn moment(text: &str, now_ms: i64) -> Result<i64, Failure> {
    parse_moment(text, now_ms).ok_or_else(|| {
        Failure::usage(format!(
            "`{text}` is not a time\nhint: a date (2026-11-24), a time (2026-11-24T08:00:00Z) or an age (90m, 12h, 30d, 2w)"
        ))
    })
}

/// Calls `each` with every finding that matches, from the query's place in the list on,
/// `limit` at most; also says where it ended. While one batch is worked on, the next one is
/// read.
pub(crate) async fn for_each(
    context: &Context,
    query: Query,
    limit: u64,
    mut each: impl FnMut(FindingRow) -> Result<(), Failure>,
) -> Result<(u64, Option<Seek>), Failure> {
    let limit = if limit == 0 { u64::MAX } else { limit };
    let read = |after: Option<Seek>, left: u64| {
        let limit = u32::try_from(left).unwrap_or(BATCH).min(BATCH);
        let (store, query) = (context.store().clone(), Query { after, limit, ..query.clone() });
        tokio::spawn(async move { store.findings(query).await })
    };
    let (mut after, mut count) = (query.after, 0);
    let mut coming = Some(read(after, limit));
    while let Some(batch) = coming.take() {
        let rows = batch.await.map_err(Failure::unexpected)??;
        let Some(last) = rows.last() else { break };
        after = Some(last.seek);
        let left = limit - count - rows.len() as u64;
        if left > 0 {
            coming = Some(read(after, left));
        }
        for row in rows {
            each(row)?;
            count += 1;
        }
    }
    Ok((count, after))
}

/// The same in an order that was asked for.
async fn for_each_sorted(
    context: &Context,
    filter: Expression,
    by: Sorting,
    limit: u64,
    mut each: impl FnMut(FindingRow) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let rows = context.store().sorted_rows(filter, by, limit).await?;
    let mut count = 0;
    for batch in rows.chunks(BATCH as usize) {
        for row in context.store().findings_of_rows(batch.to_vec()).await? {
            each(row)?;
            count += 1;
        }
    }
    Ok(count)
}

/// The documented shape of one finding: version, where it comes from, and the
/// finding's own members.
pub(crate) fn as_json(row: &FindingRow) -> Result<Json, Failure> {
    let mut object = serde_json::Map::new();
    object.insert("schema".into(), SCHEMA.into());
    object.insert("integration".into(), row.integration.as_str().into());
    object.insert("application_name".into(), row.application_name.as_str().into());
    object.insert("gone".into(), row.gone.into());
    let finding = serde_json::to_value(&row.finding).map_err(Failure::unexpected)?;
    if let Json::Object(members) = finding {
        object.extend(members);
    }
    Ok(object.into())
}

/// Asks the service that the finding came from, by the pair of its integration.
pub(crate) async fn paths_of(
    context: &Context,
    row: &FindingRow,
) -> Result<Vec<DataPath>, Failure> {
    let integration = context.integration(Some(&row.integration)).await?;
    let client = context.client_of(&integration, "paths")?;
    Ok(context.connector.fetch_paths(&row.finding, &client).await?)
}

/// A severity by its name, sorted by its level.
fn severity_cell(severity: Severity) -> Cell {
    Cell::text(severity.name()).sorted_by(severity.level().into()).tone(severity_tone(severity))
}

fn severity_tone(severity: Severity) -> Tone {
    match severity.level() {
        5 => Tone::Worst,
        4 => Tone::Bad,
        3 => Tone::Warning,
        2 => Tone::Plain,
        _ => Tone::Faint,
    }
}

/// Digits of an id that a terminal shows, which are enough to name it by.
const SHORT_ID: usize = 10;

fn id_cell(id: &str) -> Cell {
    Cell::text(id).shown_as(id.get(..SHORT_ID).unwrap_or(id))
}
