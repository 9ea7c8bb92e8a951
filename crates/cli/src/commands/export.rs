//! `export`: streams what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter};

use countersign_connector::export::{Applications, CompleteExport, item};
use countersign_findings::filter::{Expression, Field, Filter, Operator, Origin, Value};
use countersign_findings::{Application, ApplicationGuid, Population};
use countersign_formats::ocsf::Shape;
use countersign_formats::ocsf::applications::{Applications as Inventory, Entry};
use countersign_formats::{Head, Held, Paths, sarif};
use countersign_store::{ApplicationRow, Order, Query};

use super::context::Context;
use super::query::{for_each, wanted};
use crate::args::{Export, Format};
use crate::exports::{self, More, Out, Plan};
use crate::failure::Failure;
use crate::output::{data, grouped, note, tolerate_closed_pipe};
use crate::system;

pub(crate) async fn run(context: &Context, args: Export) -> Result<(), Failure> {
    let plan = exports::plan(&args)?;
    let Some(path) = args.output.clone() else {
        let out = Box::new(BufWriter::new(data()));
        let told = write(context, &args, plan, out, More::default())
            .await
            .map_err(|failure| failure.writing("standard output"))?;
        note(&told);
        return Ok(());
    };
    let shown = format!("`{}`", path.display());
    let (more, out) = More::begin(path, system::random()).map_err(Failure::named)?;
    let told = write(context, &args, plan, out, more.clone())
        .await
        .map_err(|failure| failure.writing(shown))?;
    let places = more.settle().map_err(Failure::named)?;
    tracing::info!(written = told, places, "export ended");
    note(&format!("{told} in {places}"));
    Ok(())
}

async fn write(
    context: &Context,
    args: &Export,
    plan: Plan,
    out: Out,
    more: More,
) -> Result<String, Failure> {
    match plan {
        Plan::Applications => write_applications(context, out).await,
        Plan::Findings(format, shape, paths) => {
            write_findings(context, args, (format, shape, paths), out, more).await
        }
    }
}

/// Says how many it wrote, how many the format cannot hold and why, and what its readers
/// will not do.
async fn write_findings(
    context: &Context,
    args: &Export,
    (format, shape, paths): (Format, Shape, Paths),
    out: Out,
    more: More,
) -> Result<String, Failure> {
    let filter = wanted(context, &args.which).await?;
    let rows = context.store().applications().await?;
    let mut whole = CompleteExport::new(context.store(), filter.clone(), &rows).await?;
    let head = Head {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_ms: context.now(),
        filter: if filter.is_everything() { String::new() } else { filter.to_string() },
        total: whole.total(),
        with_raw: args.raw,
        paths,
    };
    let is_by_place = format == Format::Sarif && args.category.is_none();
    let places = if is_by_place { places(context, &filter, &rows).await? } else { Vec::new() };
    let within = match is_by_place {
        true => places.iter().map(Place::filter).collect(),
        false => vec![Expression::default()],
    };
    let options = sarif::Options {
        category: args.category.as_ref().map(|name| name.trim_matches('/').trim().to_owned()),
        places: places.into_iter().filter(|place| place.is_named).map(Place::into).collect(),
    };
    let applications = Applications::new(rows);
    // People read from the top, and code scanning shows so many; others want it quickly.
    let order = match format {
        Format::Html | Format::Sarif => Order::Severity,
        _ => Order::Arrival,
    };
    let mut export = piped(exports::renderer(args, shape, out, more, &head, options))?;
    let mut written: u64 = 0;
    let mut not_held: BTreeMap<&str, u64> = BTreeMap::new();
    for place in within {
        let filter = whole.ask(context.store(), place).await?;
        for_each(context, Query { filter, order, ..Query::default() }, 0, |row| {
            if !whole.keeps(&row) {
                return Ok(());
            }
            let application = applications.of(&row).map_err(Failure::unexpected)?;
            match piped(export.finding(&item(&row, &application)))? {
                Held::Written => written += 1,
                Held::NotHeld(reason) => *not_held.entry(reason).or_default() += 1,
            }
            Ok(())
        })
        .await?;
    }
    if let Some(missing) = whole.missing(context.store()).await? {
        return Err(Failure::storage(format!(
            "the store is damaged: it counts {} findings, and {} of them can be read\nhint: `countersign store check` lists what is damaged and what to do about it",
            grouped(missing.counted),
            grouped(missing.read)
        )));
    }
    let remarks = export.remarks();
    piped(export.end())?;
    for (reason, count) in &not_held {
        note(&format!("{} findings left out: {reason}", grouped(*count)));
    }
    for remark in &remarks {
        note(remark);
    }
    let counted = Population::of(&filter).map(|counted| format!(" ({counted})"));
    Ok(format!("{} findings{}", grouped(written), counted.unwrap_or_default()))
}

/// One context of one application.
struct Place {
    application: ApplicationGuid,
    context: countersign_findings::Context,
    /// Whether the filter asks for this application, and not only for findings.
    is_named: bool,
}

impl Place {
    /// What is here.
    fn filter(&self) -> Expression {
        Expression::all([
            is(Field::Application, self.application.to_string()),
            is(Field::Context, self.context.to_string()),
        ])
    }
}

fn is(field: Field, text: String) -> Expression {
    Expression::Is(Filter { field, operator: Operator::Eq, values: vec![Value::Text(text)] })
}

impl From<Place> for (ApplicationGuid, countersign_findings::Context) {
    fn from(place: Place) -> Self {
        (place.application, place.context)
    }
}

/// The places whose findings may match, application after application.
async fn places(
    context: &Context,
    filter: &Expression,
    rows: &[ApplicationRow],
) -> Result<Vec<Place>, Failure> {
    let mut places = Vec::new();
    let mut seen = BTreeSet::new();
    for row in rows {
        let Application { guid, name, .. } = &row.application;
        // Two integrations may hold one application.
        if !seen.insert(guid) {
            continue;
        }
        let own = is(Field::Application, guid.to_string());
        let held = context.store().facet(own, Field::Context, u32::MAX).await?;
        let mut contexts = BTreeSet::from([countersign_findings::Context::Policy]);
        for row in held {
            contexts.insert(row.value.parse().map_err(Failure::unexpected)?);
        }
        for context in contexts {
            let integration = row.integration.as_str();
            let is_visible = !row.gone;
            let origin = Origin { integration, application: name, is_visible, ..Origin::default() };
            if filter.of_place(guid.as_str(), origin, &context) != Some(false) {
                let elsewhere = Origin { application: "", ..origin };
                let is_named = filter.of_place("", elsewhere, &context) == Some(false);
                places.push(Place { application: guid.clone(), context, is_named });
            }
        }
    }
    Ok(places)
}

async fn write_applications(context: &Context, out: Out) -> Result<String, Failure> {
    let rows = context.store().applications().await?;
    let mut export = Inventory::new(out);
    for row in &rows {
        piped(export.application(&Entry {
            application: &row.application,
            integration: &row.integration,
            gone: row.gone,
            read_ms: row.read_ms,
            open: row.open,
            findings: row.findings + row.in_sandboxes,
        }))?;
    }
    piped(export.end())?;
    Ok(format!("{} applications", grouped(rows.len() as u64)))
}

/// What was written, or why not; a reader that went away ends the program quietly.
fn piped<T>(result: io::Result<T>) -> Result<T, Failure> {
    match result {
        Ok(written) => Ok(written),
        Err(error) => {
            tolerate_closed_pipe(Err(error))?;
            Err(Failure::unexpected("the export ended early"))
        }
    }
}
