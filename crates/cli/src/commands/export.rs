//! `export`: streams what is stored.

use std::collections::BTreeMap;
use std::io::{self, BufWriter};

use countersign_formats::ocsf::Shape;
use countersign_formats::ocsf::applications::{Applications as Inventory, Entry};
use countersign_formats::{Head, Held};
use countersign_service::export::{Applications, item};
use countersign_store::{Order, Query};

use super::context::Context;
use super::query::{filter, for_each};
use crate::args::{Export, Format};
use crate::exports::{self, More, Out, Plan};
use crate::failure::Failure;
use crate::output::{data, grouped, note, tolerate_closed_pipe};
use crate::system;

pub(crate) async fn run(context: &Context, args: Export) -> Result<(), Failure> {
    let plan = exports::plan(&args)?;
    let Some(path) = args.output.clone() else {
        let out = Box::new(BufWriter::new(data()));
        let told = write(context, &args, plan, out, More::default()).await?;
        note(&told);
        return Ok(());
    };
    let (more, out) = More::begin(path, system::random()).map_err(Failure::usage)?;
    let told = write(context, &args, plan, out, more.clone()).await?;
    let places = more.settle().map_err(Failure::usage)?;
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
        Plan::Findings(format, shape) => {
            write_findings(context, args, format, shape, out, more).await
        }
    }
}

/// Says how many it wrote, and how many the format cannot hold and why.
async fn write_findings(
    context: &Context,
    args: &Export,
    format: Format,
    shape: Shape,
    out: Out,
    more: More,
) -> Result<String, Failure> {
    let filter = filter(&args.filter)?;
    let head = Head {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_ms: context.now(),
        filter: args.filter.join(" "),
        total: context.store().count_findings(filter.clone()).await?,
        with_raw: args.raw,
    };
    let applications = Applications::new(context.store().applications().await?);
    // People read from the top; programs want it quickly.
    let order = if format == Format::Html { Order::Severity } else { Order::Arrival };
    let mut export = piped(exports::renderer(format, shape, out, more, &head))?;
    let mut written: u64 = 0;
    let mut not_held: BTreeMap<&str, u64> = BTreeMap::new();
    for_each(context, Query { filter, order, ..Query::default() }, 0, |row| {
        let application = applications.of(&row).map_err(Failure::unexpected)?;
        match piped(export.finding(&item(&row, &application)))? {
            Held::Written => written += 1,
            Held::NotHeld(reason) => *not_held.entry(reason).or_default() += 1,
        }
        Ok(())
    })
    .await?;
    piped(export.end())?;
    for (reason, count) in &not_held {
        note(&format!("{} findings left out: {reason}", grouped(*count)));
    }
    Ok(format!("{} findings", grouped(written)))
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
            findings: row.findings,
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
            let told = error.to_string();
            tolerate_closed_pipe(Err(error))?;
            Err(Failure::unexpected(told))
        }
    }
}
