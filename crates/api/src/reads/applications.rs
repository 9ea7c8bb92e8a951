//! Applications, in the order of arrival.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use countersign_formats::ocsf::api;
use countersign_formats::ocsf::applications::Entry;
use countersign_store::{ApplicationRecord, Error, OwnedIntegration, Store};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::asked::Asked;
use super::cursor::Bound;
use super::filter::{self, Fits};
use super::page::{Batches, Tail, page};
use crate::around::Did;
use crate::caller::Caller;
use crate::inner::Inner;
use crate::operation::Operation;
use crate::problem::Problem;

/// Applications that are read at once.
const BATCH: u32 = 200;

pub(crate) async fn applications(
    State(inner): State<Inner>,
    uri: Uri,
    caller: Caller,
    asked: Asked,
) -> Result<Response, Problem> {
    let integration = caller.integration()?;
    let bound = Bound::new(Operation::QueryApplications, &integration.known.uid, None, &asked);
    let fits = filter::of_applications(&asked.filters)?;
    let mut tail = Tail::of(&asked, &inner, uri.path());
    if asked.with_count {
        tail.count = Some(count(&inner.store, integration, &fits).await?);
    }
    let batches = Applications {
        store: inner.store.clone(),
        integration: integration.clone(),
        fits,
        after: bound.place(&asked)?,
        left: asked.limit as usize,
        is_first: true,
        with_raw: asked.with_raw,
        bound,
        tail,
    };
    let did = Did { db_ops: 1 + u64::from(asked.with_count), ..Did::default() };
    page(&inner, integration.id, batches, did).await
}

async fn count(store: &Store, integration: &OwnedIntegration, fits: &Fits) -> Result<u64, Error> {
    let (mut count, mut after) = (0, None);
    loop {
        let rows = store.application_page(&integration.name, after, BATCH).await?;
        count += rows.iter().filter(|record| fits(&record.row)).count() as u64;
        after = rows.last().map(|record| record.place);
        if rows.len() < BATCH as usize {
            return Ok(count);
        }
    }
}

struct Applications {
    store: Store,
    integration: OwnedIntegration,
    fits: Fits,
    after: Option<i64>,
    left: usize,
    is_first: bool,
    with_raw: bool,
    bound: Bound,
    tail: Tail,
}

impl Applications {
    async fn batch(&mut self, out: &mut Vec<u8>) -> Result<Option<Tail>, Error> {
        let rows = self.store.application_page(&self.integration.name, self.after, BATCH).await?;
        let is_end = rows.len() < BATCH as usize;
        for record in rows.iter().filter(|record| (self.fits)(&record.row)) {
            if self.left == 0 {
                // There is one more: the list goes on after the last that was written.
                let mut tail = std::mem::take(&mut self.tail);
                tail.cursor = self.after.map(|after| self.bound.to(after)).or(tail.cursor);
                return Ok(Some(tail));
            }
            if !std::mem::take(&mut self.is_first) {
                out.push(b',');
            }
            self.write(out, record)?;
            self.left -= 1;
            self.after = Some(record.place);
        }
        if is_end {
            return Ok(Some(std::mem::take(&mut self.tail)));
        }
        // What does not fit is not looked at again.
        if self.left > 0 {
            self.after = rows.last().map(|record| record.place);
        }
        Ok(None)
    }

    fn write(&self, out: &mut Vec<u8>, record: &ApplicationRecord) -> Result<(), Error> {
        let entry = api::Entry {
            listed: listed(record, &self.integration),
            first_read_ms: None,
            incomplete: record.row.incomplete.as_deref(),
            in_sandboxes: record.row.in_sandboxes,
            raw: &record.raw,
        };
        api::application(out, &entry, self.with_raw).map_err(Error::unwritable)
    }
}

/// An application as formats know it. The integration goes by the name that its account knows.
pub(super) fn listed<'a>(
    record: &'a ApplicationRecord,
    integration: &'a OwnedIntegration,
) -> Entry<'a> {
    Entry {
        application: &record.row.application,
        integration: &integration.known.slug,
        gone: record.row.gone,
        read_ms: record.row.read_ms,
        open: record.row.open,
        findings: record.row.findings,
    }
}

impl Batches for Applications {
    fn next<'a>(&'a mut self, out: &'a mut Vec<u8>) -> BoxFuture<'a, Result<Option<Tail>, Error>> {
        self.batch(out).boxed()
    }
}
