//! `findings`.

use countersign_findings::filter::{Expression, Field};
use countersign_findings::{Population, State};
use countersign_store::{FacetRow, FindingRow, Query, Seek, Sorting};
use serde_json::json;

use super::{as_json, for_each, for_each_sorted, id_cell, severity_cell, wanted};
use crate::args;
use crate::commands::context::Context;
use crate::failure::Failure;
use crate::lists::{Again, Column, List, Order, column, foot};
use crate::output::{Cell, Fit, Tone, grouped, note, print_json};

/// Those of them that have a field are called as filters call it.
const COLUMNS: &[Column<FindingRow>] = &[
    Column { name: "severity", fit: Fit::Whole, cell: |row| severity_cell(row.finding.severity) },
    Column { name: "id", fit: Fit::Whole, cell: |row| id_cell(row.finding.id.as_str()) },
    Column { name: "state", fit: Fit::Whole, cell: |row| state_cell(row.finding.state) },
    Column { name: "application", fit: Fit::End, cell: |row| Cell::text(&row.application_name) },
    Column { name: "place", fit: Fit::Start, cell: |row| Cell::text(&row.finding.place()) },
    Column { name: "weakness", fit: Fit::End, cell: |row| Cell::text(&row.finding.weakness()) },
    Column { name: "title", fit: Fit::End, cell: |row| Cell::text(&row.finding.title) },
    Column {
        name: "scan_type",
        fit: Fit::Whole,
        cell: |row| Cell::text(row.finding.scan_type.as_str()),
    },
    Column {
        name: "status",
        fit: Fit::Whole,
        cell: |row| Cell::some(row.finding.status.status.as_deref()),
    },
    Column {
        name: "violates_policy",
        fit: Fit::Whole,
        cell: |row| Cell::truth(row.finding.violates_policy),
    },
    Column {
        name: "cwe",
        fit: Fit::Whole,
        cell: |row| match &row.finding.cwe {
            Some(cwe) => Cell::text(&format!("CWE-{}", cwe.id)).sorted_by(cwe.id),
            None => Cell::text(""),
        },
    },
    Column {
        name: "category",
        fit: Fit::End,
        cell: |row| match &row.finding.category {
            Some(category) => {
                let name = category.name.as_deref().unwrap_or_default();
                Cell::text(format!("{} {name}", category.id).trim_end())
            }
            None => Cell::text(""),
        },
    },
    Column {
        name: "cve",
        fit: Fit::Whole,
        cell: |row| Cell::some(row.finding.vulnerability.as_ref().map(|one| one.name.as_str())),
    },
    Column {
        name: "cvss",
        fit: Fit::Number,
        cell: |row| {
            let known = row.finding.vulnerability.as_ref();
            let score = known.and_then(|one| one.cvss3.or(one.cvss2));
            Cell::text(&score.map(|score| score.to_string()).unwrap_or_default())
        },
    },
    Column {
        name: "file",
        fit: Fit::Start,
        cell: |row| Cell::some(row.finding.location.file.as_deref()),
    },
    Column {
        name: "line",
        fit: Fit::Number,
        cell: |row| row.finding.location.line.map_or_else(|| Cell::text(""), Cell::number),
    },
    Column {
        name: "module",
        fit: Fit::End,
        cell: |row| Cell::some(row.finding.location.module.as_deref()),
    },
    Column {
        name: "url",
        fit: Fit::Start,
        cell: |row| Cell::some(row.finding.location.url.as_deref()),
    },
    Column {
        name: "component",
        fit: Fit::End,
        cell: |row| Cell::some(row.finding.component.as_ref().and_then(|one| one.name.as_deref())),
    },
    Column {
        name: "first_found",
        fit: Fit::Whole,
        cell: |row| Cell::moment(row.finding.first_found_ms),
    },
    Column {
        name: "last_seen",
        fit: Fit::Whole,
        cell: |row| Cell::moment(row.finding.last_seen_ms),
    },
    Column {
        name: "context",
        fit: Fit::End,
        cell: |row| Cell::text(&row.finding.context.to_string()),
    },
    Column { name: "integration", fit: Fit::End, cell: |row| Cell::text(&row.integration) },
    Column {
        name: "application_guid",
        fit: Fit::Whole,
        cell: |row| Cell::text(row.finding.application.as_str()),
    },
];

const USUAL: &[&str] = &["severity", "id", "state", "application", "place", "weakness"];

/// Columns that are sorted by a field of another name.
const SORTED_BY: &[(&str, Field)] = &[
    ("place", Field::File),
    ("line", Field::File),
    ("weakness", Field::Cwe),
    ("application_guid", Field::Application),
];

fn state_cell(state: State) -> Cell {
    Cell::text(state.as_str()).tone(match state {
        State::Open => Tone::Plain,
        State::Fixed => Tone::Good,
        State::Mitigated | State::FalsePositive => Tone::Faint,
    })
}

fn sorting(order: Option<&Order>) -> Result<Option<Sorting>, Failure> {
    let Some(order) = order else { return Ok(None) };
    let name = column(COLUMNS, &order.column)?.name;
    let other = SORTED_BY.iter().find(|(column, _)| *column == name).map(|(_, field)| *field);
    let field = other.or_else(|| Field::ALL.into_iter().find(|field| field.name() == name));
    let field = field.ok_or_else(|| Failure::usage(format!("`{name}` has no order")))?;
    Ok(Some(Sorting { field, is_descending: order.is_descending }))
}

/// Which findings a list is about.
struct Asked {
    filter: Expression,
    /// All that was asked for, where the list has the usual ones of them alone.
    whole: Option<Expression>,
}

impl Asked {
    /// Whoever names a state, a context or whether an application is visible gets it. People
    /// who do not get what the dashboard counts: open findings of the policy context of
    /// visible applications. Programs that read JSON get all, as an export has them.
    async fn of(context: &Context, args: &args::Query) -> Result<Self, Failure> {
        let filter = wanted(context, &args.which).await?;
        let state = args.which.state.as_deref().map(Expression::of_states).transpose();
        let state = state.map_err(Failure::usage)?;
        let wants_all = args.shape.json || state.as_ref().is_some_and(Expression::is_everything);
        let usual = Population::usual(&filter).filter(|_| !wants_all);
        let Some(usual) = usual else { return Ok(Self { filter, whole: None }) };
        let whole = Some(filter.clone());
        Ok(Self { filter: Expression::all([filter, usual.filter()]), whole })
    }

    /// What is counted, in words.
    fn name(&self) -> String {
        Population::of(&self.filter).map_or_else(|| "none".to_owned(), |of| of.to_string())
    }
}

pub(crate) async fn findings(context: &Context, args: args::Query) -> Result<(), Failure> {
    let after = args.after.as_deref().map(str::parse).transpose().map_err(Failure::usage)?;
    let sorting = sorting(args.shape.sort.as_ref())?;
    let asked = Asked::of(context, &args).await?;
    if let Some(name) = &args.facet {
        return facet(context, asked, name, &args).await;
    }
    if args.shape.json {
        return print_all(context, asked.filter, after, sorting, args.shape.limit).await;
    }
    let mut list = List::begin(COLUMNS, &args.shape.columns, USUAL)?;
    let limit = list.limit(args.shape.limit);
    let total = context.store().count_findings(asked.filter.clone()).await?;
    let add = |row: FindingRow| list.add(&row);
    let end = match sorting {
        Some(by) => {
            for_each_sorted(context, asked.filter.clone(), by, limit, add).await?;
            None
        }
        None => {
            let query = Query { filter: asked.filter.clone(), after, ..Query::default() };
            for_each(context, query, limit, add).await?.1
        }
    };
    let shown = list.end()?;
    say(context, &asked, shown, total, end.filter(|_| shown == limit && shown < total)).await
}

/// One object a line.
async fn print_all(
    context: &Context,
    filter: Expression,
    after: Option<Seek>,
    sorting: Option<Sorting>,
    limit: Option<u64>,
) -> Result<(), Failure> {
    let limit = limit.unwrap_or_default();
    let print = |row: FindingRow| print_json(&as_json(&row)?);
    if let Some(by) = sorting {
        let limit = if limit == 0 { u64::MAX } else { limit };
        return for_each_sorted(context, filter, by, limit, print).await.map(drop);
    }
    let query = Query { filter, after, ..Query::default() };
    let (shown, end) = for_each(context, query, limit, print).await?;
    if let Some(end) = end.filter(|_| limit > 0 && shown == limit) {
        note(&format!("continue with --after {end}"));
    }
    Ok(())
}

/// Which findings those were, of how many, and how to see the others.
async fn say(
    context: &Context,
    asked: &Asked,
    shown: u64,
    total: u64,
    end: Option<Seek>,
) -> Result<(), Failure> {
    let elsewhere = match &asked.whole {
        Some(all) => context.store().count_findings(all.clone()).await?.saturating_sub(total),
        None => 0,
    };
    let this = Again::of_this();
    let mut ways = Vec::new();
    if let Some(end) = end {
        ways.push(("more:", this.with("after", end)));
    }
    if shown < total {
        ways.push(("all of them:", this.without("after").with("limit", 0)));
    }
    let mut summary =
        format!("{} of {} findings: {}", grouped(shown), grouped(total), asked.name());
    if elsewhere > 0 {
        summary.push_str(&format!("; {} more elsewhere", grouped(elsewhere)));
        ways.push(("these too:", this.without("after").with("state", "all")));
    }
    foot(&summary, &ways);
    Ok(())
}

const FACETS: &[Column<FacetRow>] = &[
    Column {
        name: "value",
        fit: Fit::End,
        cell: |row| Cell::text(&row.value).shown_as(&row.label),
    },
    Column { name: "findings", fit: Fit::Number, cell: |row| Cell::count(row.count) },
];

/// How many findings there are of each value of a field.
async fn facet(
    context: &Context,
    asked: Asked,
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
    let mut list = List::begin(FACETS, &[], &["value", "findings"])?;
    let limit = match (args.shape.limit, args.shape.json) {
        (None, true) => u64::MAX,
        (limit, _) => list.limit(limit),
    };
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let total = context.store().count_findings(asked.filter.clone()).await?;
    let rows = context.store().facet(asked.filter.clone(), field, limit).await?;
    if args.shape.json {
        return rows.iter().try_for_each(|row| {
            print_json(&json!({
                "field": name, "value": row.value, "label": row.label, "findings": row.count,
            }))
        });
    }
    rows.iter().try_for_each(|row| list.add(row))?;
    list.end()?;
    let counted = rows.iter().map(|row| row.count).sum();
    say(context, &asked, counted, total, None).await
}
