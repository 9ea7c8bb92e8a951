//! `applications`, `findings`, `finding`, `changes`: what is stored, offline.

use countersign_findings::filter::{Expression, Field};
use countersign_findings::{DataPath, Population, SCHEMA, rfc3339};
use countersign_store::{ApplicationRow, FindingRow, Query, Reason, Seek, Since};
use countersign_text::prose;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::context::Context;
use crate::args;
use crate::failure::Failure;
use crate::output::{grouped, note, print, print_json, printable, table, table_text, when};

/// Rows that a terminal gets unless it asks for more.
const SCREENFUL: u64 = 50;
/// Rows that are read at once.
const BATCH: u32 = 500;

/// Filters that are given several times must all match.
pub(crate) fn filter(texts: &[String]) -> Result<Expression, Failure> {
    let parts: Result<Vec<Expression>, _> = texts.iter().map(|text| text.parse()).collect();
    Ok(Expression::all(parts.map_err(Failure::usage)?))
}

/// Calls `each` with every finding that matches, from the query's place in the list on,
/// `limit` at most (0: all); also says where it ended. While one batch is worked on, the
/// next one is read.
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

/// The documented shape of one finding: version, where it comes from, and the
/// finding's own members.
pub(crate) fn as_json(row: &FindingRow) -> Result<Value, Failure> {
    let mut object = serde_json::Map::new();
    object.insert("schema".into(), SCHEMA.into());
    object.insert("integration".into(), row.integration.as_str().into());
    object.insert("application_name".into(), row.application_name.as_str().into());
    object.insert("gone".into(), row.gone.into());
    let finding = serde_json::to_value(&row.finding).map_err(Failure::unexpected)?;
    if let Value::Object(members) = finding {
        object.extend(members);
    }
    Ok(object.into())
}

pub(crate) async fn findings(context: &Context, args: args::Query) -> Result<(), Failure> {
    let filter = filter(&args.filter)?;
    if let Some(field) = &args.facet {
        return facet(context, filter, field, &args).await;
    }
    let after = args.after.as_deref().map(str::parse).transpose().map_err(Failure::usage)?;
    if args.json {
        let limit = args.limit.unwrap_or_default();
        let print = |row: FindingRow| print_json(&as_json(&row)?);
        let (shown, end) =
            for_each(context, Query { filter, after, ..Query::default() }, limit, print).await?;
        if limit > 0 && shown == limit {
            note(&format!(
                "go on with --after {}",
                end.map(|end| end.to_string()).unwrap_or_default()
            ));
        }
        return Ok(());
    }
    let limit = args.limit.unwrap_or(SCREENFUL);
    let total = context.store().count_findings(filter.clone()).await?;
    let mut table = table(&["id", "severity", "state", "type", "application", "title", "where"]);
    let counted = filter.clone();
    let query = Query { filter, after, ..Query::default() };
    let (shown, end) = for_each(context, query, limit, |row| {
        let finding = &row.finding;
        let place = match (&finding.location.file, finding.location.line, &finding.location.url) {
            (Some(file), Some(line), _) => format!("{file}:{line}"),
            (Some(file), None, _) => file.clone(),
            (None, _, Some(url)) => url.clone(),
            _ => finding
                .component
                .as_ref()
                .and_then(|c| c.paths.first().cloned())
                .unwrap_or_default(),
        };
        table.add_row([
            finding.id.as_str()[..10].to_owned(),
            finding.severity.name().to_owned(),
            finding.state.as_str().to_owned(),
            finding.scan_type.as_str().to_owned(),
            printable(&row.application_name),
            printable(&finding.title),
            printable(&place),
        ]);
        Ok(())
    })
    .await?;
    if shown > 0 {
        print(&table_text(&table))?;
    }
    let counted = Population::of(&counted).map(|of| format!(": {of}")).unwrap_or_default();
    note(&format!("{} of {} findings{counted}", grouped(shown), grouped(total)));
    if let Some(end) = end.filter(|_| shown == limit && shown < total) {
        note(&format!("go on with --after {end}"));
    }
    Ok(())
}

/// How many findings there are of each value of a field.
async fn facet(
    context: &Context,
    filter: Expression,
    name: &str,
    args: &args::Query,
) -> Result<(), Failure> {
    let field = Field::ALL.into_iter().find(|field| field.name() == name);
    let field = field.filter(|field| field.is_countable()).ok_or_else(|| {
        let names = Field::ALL.into_iter().filter(|field| field.is_countable());
        let names: Vec<_> = names.map(Field::name).collect();
        Failure::usage(format!(
            "the values of `{name}` cannot be counted\nhint: one of {}",
            names.join(", ")
        ))
    })?;
    let limit = match args.limit {
        Some(0) => u32::MAX,
        Some(limit) => u32::try_from(limit).unwrap_or(u32::MAX),
        None if args.json => u32::MAX,
        None => u32::try_from(SCREENFUL).unwrap_or(u32::MAX),
    };
    let rows = context.store().facet(filter, field, limit).await?;
    if args.json {
        return rows.iter().try_for_each(|row| {
            print_json(&json!({
                "field": name, "value": row.value, "label": row.label, "findings": row.count,
            }))
        });
    }
    let mut table = table(&[name, "findings"]);
    for row in &rows {
        table.add_row([printable(&row.label), grouped(row.count)]);
    }
    if !rows.is_empty() {
        print(&table_text(&table))?;
    }
    Ok(())
}

pub(crate) async fn applications(
    context: &Context,
    args: args::Applications,
) -> Result<(), Failure> {
    let rows = context.store().applications().await?;
    let default = if args.json { 0 } else { SCREENFUL };
    let limit = match args.limit.unwrap_or(default) {
        0 => usize::MAX,
        limit => usize::try_from(limit).unwrap_or(usize::MAX),
    };
    if args.json {
        return rows.iter().take(limit).try_for_each(|row| print_json(&application_json(row)?));
    }
    let mut table =
        table(&["application", "criticality", "policy", "open", "very high", "high", "all"]);
    for row in rows.iter().take(limit) {
        let application = &row.application;
        let text = |text: &Option<String>| printable(text.as_deref().unwrap_or("-"));
        let name = match row.gone {
            true => format!("{} (no longer visible)", application.name),
            false if row.incomplete.is_some() => format!("{} (incomplete)", application.name),
            false => application.name.clone(),
        };
        table.add_row([
            printable(&name),
            text(&application.business_criticality),
            text(&application.policy_compliance),
            row.open.iter().sum::<u64>().to_string(),
            row.open[5].to_string(),
            row.open[4].to_string(),
            row.findings.to_string(),
        ]);
    }
    if !rows.is_empty() {
        print(&table_text(&table))?;
    }
    let incomplete = rows.iter().filter(|row| row.incomplete.is_some()).count();
    let incomplete = match incomplete {
        0 => String::new(),
        count => format!(", {count} of them incomplete: `--json` says why"),
    };
    note(&format!("{} of {} applications{incomplete}", rows.len().min(limit), rows.len()));
    note("findings are counted in the policy context");
    Ok(())
}

fn application_json(row: &ApplicationRow) -> Result<Value, Failure> {
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

pub(crate) async fn finding(context: &Context, args: args::OneFinding) -> Result<(), Failure> {
    let is_hex = args.id.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_hex || args.id.len() < 4 {
        return Err(Failure::usage(format!(
            "`{}` is not the id of a finding\nhint: the first column of `countersign findings`, 4 digits at least",
            args.id
        )));
    }
    let mut rows = context.store().findings_by_id(&args.id).await?;
    if rows.len() > 1 {
        return Err(Failure::usage(format!(
            "several findings begin with `{}`\nhint: give more digits",
            args.id
        )));
    }
    let Some(row) = rows.pop() else {
        return Err(Failure::usage(format!("no stored finding begins with `{}`", args.id)));
    };
    if args.raw {
        return print_json(&RawValue::from_string(row.raw).map_err(Failure::storage)?);
    }
    let paths = match args.paths {
        true => Some(paths_of(context, &row).await?),
        false => None,
    };
    if args.json {
        let mut object = as_json(&row)?;
        if let Some(paths) = &paths {
            object["paths"] = serde_json::to_value(paths).map_err(Failure::unexpected)?;
        }
        return print_json(&object);
    }
    let finding = &row.finding;
    print(&format!(
        "{}\n{} · {} · {} · {}\n\n",
        printable(&finding.title),
        finding.severity.name(),
        finding.state.as_str(),
        finding.scan_type.as_str(),
        printable(&row.application_name),
    ))?;
    let members = serde_json::to_value(finding).map_err(Failure::unexpected)?;
    let mut lines = String::new();
    for (name, value) in members.as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "title" | "description") {
            outline(&mut lines, 0, name, value);
        }
    }
    if let Some(paths) = &paths {
        let paths = serde_json::to_value(paths).map_err(Failure::unexpected)?;
        outline(&mut lines, 0, "paths", &paths);
    }
    // Indented: no line of it is taken for one of ours.
    let description = prose(&finding.description).to_string().replace('\n', "\n  ");
    print(&format!("{lines}\n  {description}\n"))
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

/// Names and values, nested by indentation.
fn outline(text: &mut String, depth: usize, name: &str, value: &Value) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(members) => {
            text.push_str(&format!("{indent}{name}\n"));
            for (name, value) in members {
                outline(text, depth + 1, name, value);
            }
        }
        Value::Array(values) => {
            text.push_str(&format!("{indent}{name}\n"));
            for value in values {
                outline(text, depth + 1, "-", value);
            }
        }
        Value::String(value) => {
            text.push_str(&format!("{indent}{name:<22} {}\n", printable(value)));
        }
        other => text.push_str(&format!("{indent}{name:<22} {other}\n")),
    }
}

pub(crate) async fn changes(context: &Context, args: args::Changes) -> Result<(), Failure> {
    let mut since = match &args.since {
        None => Since::Beginning,
        Some(text) => parse_since(text, context.now())?,
    };
    let limit = match (args.limit, args.json) {
        (Some(0), _) | (None, true) => u64::MAX,
        (Some(limit), _) => limit,
        (None, false) => SCREENFUL,
    };
    let mut table = table(&["seq", "when", "kind", "severity", "application", "finding", "title"]);
    let mut shown = 0;
    while shown < limit {
        let batch = u32::try_from((limit - shown).min(BATCH.into())).unwrap_or(BATCH);
        let rows = context.store().changes(since, batch).await?;
        let Some(last) = rows.last() else { break };
        since = Since::Seq(last.seq);
        shown += rows.len() as u64;
        for row in rows {
            if args.json {
                let differences: Option<Value> =
                    row.differences.as_deref().and_then(|text| serde_json::from_str(text).ok());
                print_json(&json!({
                    "seq": row.seq, "at": rfc3339(row.at_ms), "kind": row.kind.as_str(),
                    "reason": row.reason.map(Reason::as_str), "application": row.application,
                    "application_name": row.application_name, "finding": row.finding_id,
                    "severity": row.severity, "title": row.title, "differences": differences,
                }))?;
                continue;
            }
            let kind = match row.reason {
                Some(reason) => format!("{} ({})", row.kind.as_str(), reason.as_str()),
                None => row.kind.as_str().to_owned(),
            };
            table.add_row([
                row.seq.to_string(),
                when(row.at_ms),
                kind,
                row.severity.to_string(),
                printable(&row.application_name),
                row.finding_id[..10].to_owned(),
                printable(&row.title),
            ]);
        }
    }
    if !args.json {
        if shown > 0 {
            print(&table_text(&table))?;
        }
        note(&format!("{shown} changes"));
    }
    Ok(())
}

fn parse_since(text: &str, now_ms: i64) -> Result<Since, Failure> {
    if let Ok(seq) = text.parse() {
        return Ok(Since::Seq(seq));
    }
    let age = text.char_indices().last().and_then(|(at, unit)| {
        let unit_ms = match unit {
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            _ => return None,
        };
        text[..at].parse::<i64>().ok()?.checked_mul(unit_ms)
    });
    if let Some(age_ms) = age {
        return Ok(Since::Time(now_ms.saturating_sub(age_ms)));
    }
    countersign_findings::parse_time(text)
        .or_else(|| countersign_findings::parse_time(&format!("{text}T00:00:00Z")))
        .map(Since::Time)
        .ok_or_else(|| {
            Failure::usage(format!(
                "`{text}` is not a time\nhint: 2026-11-24, 2026-11-24T08:00:00Z, 12h, 7d, or a sequence number"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_begin_at() {
        let since = |text| parse_since(text, 10_000_000).unwrap();
        assert_eq!(since("42"), Since::Seq(42));
        assert_eq!(since("2m"), Since::Time(9_880_000));
        assert_eq!(since("1970-01-02"), Since::Time(86_400_000));
        for bad in ["", "x", "d", "12w", "yesterday"] {
            assert!(parse_since(bad, 0).is_err(), "{bad}");
        }
    }
}
