//! The scans of an application, as far as its record and its findings speak of them.

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use countersign_connector::export::item;
use countersign_findings::filter::{Expression, Field, Filter, Operator, Value};
use countersign_formats::ocsf::api::{Scans, scan};
use countersign_store::{Error, Order, OwnedIntegration, Query, Store};

use super::applications::listed;
use super::asked::Asked;
use super::cursor::Bound;
use super::findings::application_of;
use super::live;
use super::page::{Tail, whole};
use crate::caller::Caller;
use crate::inner::Inner;
use crate::operation::Operation;
use crate::problem::Problem;

/// Findings that are read at once.
const BATCH: u32 = 500;

pub(crate) async fn scans(
    State(inner): State<Inner>,
    uri: Uri,
    Path(application): Path<String>,
    caller: Caller,
    mut asked: Asked,
) -> Result<Response, Problem> {
    let integration = caller.integration()?;
    let operation = Operation::QueryApplicationScans;
    let bound = Bound::new(operation, &integration.known.uid, Some(&application), &asked);
    let after: Option<String> = bound.place(&asked)?;
    let looked = live::look(&inner, integration, &application).await;
    let record = application_of(&inner.store, integration, &application).await;
    let record = record.map_err(|problem| looked.explain(problem))?;
    let mut gathered = Scans::of(listed(&record, integration), &record.raw);
    let db_ops = gather(&inner.store, integration, &record.row, &mut gathered).await?;
    let is_complete = record.row.read_ms.is_some() && record.row.incomplete.is_none();
    let all = gathered.finish(is_complete);
    // Their order is the same each time; one that is new since lies before or after the place.
    let begin = after.map_or(0, |uid| {
        all.iter().position(|one| one.uid() == uid).map_or(all.len(), |at| at + 1)
    });
    let page = all[begin..].iter().take(asked.limit as usize);
    let mut out = b"{\"result\":[".to_vec();
    for (at, one) in page.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        scan(&mut out, one, asked.with_raw).map_err(Error::unwritable)?;
    }
    out.push(b']');
    let did = looked.did(db_ops, &mut asked);
    let mut tail = Tail::of(&asked, &inner, uri.path());
    tail.count = asked.with_count.then_some(all.len() as u64);
    let end = begin + asked.limit as usize;
    if let Some(last) = all.get(end - 1).filter(|_| end < all.len()) {
        tail.cursor = Some(bound.to(last.uid()));
    }
    tail.write(&mut out);
    Ok(whole(out, did))
}

/// Adds all findings of the application, and answers how often the store was asked.
async fn gather(
    store: &Store,
    integration: &OwnedIntegration,
    row: &countersign_store::ApplicationRow,
    scans: &mut Scans<'_>,
) -> Result<u64, Error> {
    let is = |field, value: &str| {
        let values = vec![Value::Text(value.to_owned())];
        Expression::Is(Filter { field, operator: Operator::Eq, values })
    };
    let filter = Expression::all([
        is(Field::Integration, &integration.name),
        is(Field::Application, row.application.guid.as_str()),
    ]);
    let (mut after, mut asked) = (None, 1);
    loop {
        let query = Query { filter: filter.clone(), limit: BATCH, after, order: Order::Arrival };
        let rows = store.findings(query).await?;
        asked += 1;
        for found in &rows {
            scans.finding(&item(found, &row.application));
        }
        after = rows.last().map(|found| found.seek);
        if rows.len() < BATCH as usize {
            return Ok(asked);
        }
    }
}
