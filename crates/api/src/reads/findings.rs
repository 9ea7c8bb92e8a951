//! Findings: a page of them, and one.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use countersign_connector::export::item;
use countersign_findings::Application;
use countersign_findings::filter::{Expression, Field, Filter, Operator, Value};
use countersign_formats::ocsf::api;
use countersign_store::{
    ApplicationRecord, Error, FindingRow, FindingVersion, Order, OwnedIntegration, PageReader,
    Query, Seek, Store,
};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::asked::Asked;
use super::cursor::Bound;
use super::filter;
use super::live::{self, Looked};
use super::page::{Batches, Tail, page, single};
use super::rendered::Rendered;
use crate::caller::Caller;
use crate::inner::Inner;
use crate::operation::Operation;
use crate::problem::Problem;

/// Findings that are read at once.
const BATCH: u32 = 200;
/// Pages that are larger are those of somebody who reads everything once.
const MOST_KEPT: u32 = 500;
/// What most findings take as an object.
const OBJECT_BYTES: usize = 5 * 1024;
/// What most pages have behind their objects, at most.
const TAIL_BYTES: usize = 1024;

pub(crate) async fn findings(
    State(inner): State<Inner>,
    uri: Uri,
    caller: Caller,
    asked: Asked,
) -> Result<Response, Problem> {
    let integration = caller.integration()?;
    list(&inner, Operation::QueryFindings, integration, None, asked, uri.path()).await
}

pub(crate) async fn application_findings(
    State(inner): State<Inner>,
    uri: Uri,
    Path(application): Path<String>,
    caller: Caller,
    asked: Asked,
) -> Result<Response, Problem> {
    let integration = caller.integration()?;
    let operation = Operation::QueryApplicationFindings;
    list(&inner, operation, integration, Some(application), asked, uri.path()).await
}

pub(crate) async fn details(
    State(inner): State<Inner>,
    uri: Uri,
    Path((application, finding)): Path<(String, String)>,
    caller: Caller,
    mut asked: Asked,
) -> Result<Response, Problem> {
    let integration = caller.integration()?;
    let looked = live::look(&inner, integration, &application).await;
    let known = application_of(&inner.store, integration, &application).await;
    let known = known.map_err(|problem| looked.explain(problem))?.row.application;
    let is_it = |row: &FindingRow| {
        row.finding.application == known.guid && row.finding.id.as_str() == finding
    };
    let within = [integration.name.clone()];
    let found = inner.store.findings_by_id_within(&finding, Some(&within)).await?;
    let found = found.into_iter().find(is_it);
    let row = found.ok_or_else(|| looked.explain(Problem::not_found("finding")))?;
    let mut object = Vec::new();
    write(&mut object, &row, &known, integration, asked.with_raw)?;
    let did = looked.did(2, &mut asked);
    Ok(single(object, &Tail::of(&asked, &inner, uri.path()), did))
}

/// The application of this integration with this id.
pub(super) async fn application_of(
    store: &Store,
    integration: &OwnedIntegration,
    guid: &str,
) -> Result<ApplicationRecord, Problem> {
    let found = store.application(&integration.name, guid).await?;
    found.ok_or_else(|| Problem::not_found("application"))
}

async fn list(
    inner: &Inner,
    operation: Operation,
    integration: &OwnedIntegration,
    guid: Option<String>,
    mut asked: Asked,
    instance: &str,
) -> Result<Response, Problem> {
    let bound = Bound::new(operation, &integration.known.uid, guid.as_deref(), &asked);
    let after = bound.place(&asked)?;
    let within =
        [(Field::Integration, Some(&integration.name)), (Field::Application, guid.as_ref())];
    let within = within.into_iter().filter_map(|(field, value)| {
        value.map(|value| {
            let (operator, values) = (Operator::Eq, vec![Value::Text(value.clone())]);
            Expression::Is(Filter { field, operator, values })
        })
    });
    let filter = Expression::all(within.chain([filter::of_findings(&asked.filters)?]));
    // Not before the question is known to be one.
    let mut looked = Looked::default();
    if let Some(guid) = guid {
        looked = live::look(inner, integration, &guid).await;
        let found = application_of(&inner.store, integration, &guid).await;
        found.map_err(|problem| looked.explain(problem))?;
    }
    let did = looked.did(1 + u64::from(asked.with_count), &mut asked);
    let mut tail = Tail::of(&asked, inner, instance);
    if asked.with_count {
        tail.count = Some(inner.store.count_findings(filter.clone()).await?);
    }
    let shown = Shown {
        rendered: Arc::clone(&inner.rendered),
        is_kept: asked.limit <= MOST_KEPT,
        slug: integration.known.slug.as_str().into(),
        integration: integration.clone(),
        with_raw: asked.with_raw,
    };
    let batches = Findings {
        store: inner.store.clone(),
        shown: Arc::new(shown),
        filter,
        after,
        left: asked.limit,
        is_first: true,
        bound,
        tail,
    };
    page(inner, integration.id, batches, did).await
}

struct Findings {
    store: Store,
    shown: Arc<Shown>,
    filter: Expression,
    after: Option<Seek>,
    left: u32,
    is_first: bool,
    bound: Bound,
    tail: Tail,
}

impl Findings {
    async fn batch(&mut self, out: &mut Vec<u8>) -> Result<Option<Tail>, Error> {
        // One more than is written tells whether the list goes on.
        let wanted = BATCH.min(self.left);
        let (filter, after) = (self.filter.clone(), self.after);
        let query = Query { filter, limit: wanted + 1, after, order: Order::Arrival };
        let (shown, mut whole) = (Arc::clone(&self.shown), std::mem::take(out));
        let is_first = self.is_first;
        let act = move |versions: &[FindingVersion], reader: &PageReader<'_>| {
            let goes_on = versions.len() > wanted as usize;
            let versions = &versions[..versions.len().min(wanted as usize)];
            let is_first = shown.write(&mut whole, versions, reader, is_first)?;
            Ok((whole, is_first, goes_on, versions.last().map(|version| version.seek)))
        };
        let (whole, is_first, goes_on, last) = self.store.page(query, act).await?;
        *out = whole;
        self.is_first = is_first;
        self.after = last.or(self.after);
        self.left -= wanted;
        if goes_on && self.left > 0 {
            return Ok(None);
        }
        let mut tail = std::mem::take(&mut self.tail);
        if let (true, Some(after)) = (goes_on, self.after) {
            tail.cursor = Some(self.bound.to(after));
        }
        Ok(Some(tail))
    }
}

/// How findings are shown.
struct Shown {
    rendered: Arc<Rendered>,
    /// Whether what is rendered is kept for the next time.
    is_kept: bool,
    /// The name that the account knows the integration by.
    slug: Arc<str>,
    integration: OwnedIntegration,
    with_raw: bool,
}

impl Shown {
    /// Appends these findings as they are answered, but for those that are gone by now. Answers
    /// whether the next one is still the first of its page.
    fn write(
        &self,
        out: &mut Vec<u8>,
        versions: &[FindingVersion],
        reader: &PageReader<'_>,
        is_first: bool,
    ) -> Result<bool, Error> {
        let kept = self.rendered.get(versions, &self.slug, self.with_raw);
        let bytes =
            |kept: &Option<Arc<[u8]>>| kept.as_ref().map_or(OBJECT_BYTES, |text| text.len());
        // With commas, and what comes after the last one.
        out.reserve(kept.iter().map(|kept| bytes(kept) + 1).sum::<usize>() + TAIL_BYTES);
        let missing = versions.iter().zip(&kept).filter(|(_, kept)| kept.is_none());
        let missing: Vec<_> = missing.map(|(version, _)| version.row()).collect();
        let (mut page, mut left) = (Page { out, is_first }, versions.iter().zip(&kept));
        let (mut fresh, mut application) = (Vec::new(), None);
        if !missing.is_empty() {
            reader.findings(&missing, |row| {
                let Some(version) = page.write_kept(&mut left, Some(row.row())) else {
                    return Ok(());
                };
                let application = self.application(&mut application, &row, version, reader)?;
                let begin = page.begin();
                write(page.out, &row, application, &self.integration, self.with_raw)?;
                fresh.extend(self.is_kept.then(|| (*version, page.out[begin..].into())));
                Ok(())
            })?;
        }
        page.write_kept(&mut left, None);
        self.rendered.put(fresh, &self.slug, self.with_raw);
        Ok(page.is_first)
    }

    /// The application of a finding; most have that of the one before.
    fn application<'l>(
        &self,
        last: &'l mut Option<Arc<Application>>,
        row: &FindingRow,
        version: &FindingVersion,
        reader: &PageReader<'_>,
    ) -> Result<&'l Application, Error> {
        let guid = &row.finding.application;
        if last.as_ref().is_some_and(|last| last.guid != *guid) {
            *last = None;
        }
        let known = match last.take() {
            Some(known) => known,
            None => self.rendered.application(guid.as_str(), version, || {
                let found = reader.application(&self.integration.name, guid.as_str())?;
                // A finding has its application as long as it is there itself.
                let found = found.ok_or_else(|| Error::missing_application(guid.as_str()))?;
                Ok::<_, Error>(found.row.application)
            })?,
        };
        Ok(last.insert(known))
    }
}

/// A page as far as it is written.
struct Page<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl Page<'_> {
    /// Writes what is kept of the findings before this row, or of all; answers the one with it.
    fn write_kept<'v>(
        &mut self,
        left: &mut impl Iterator<Item = (&'v FindingVersion, &'v Option<Arc<[u8]>>)>,
        row: Option<i64>,
    ) -> Option<&'v FindingVersion> {
        for (version, kept) in left {
            match kept {
                Some(text) => {
                    self.begin();
                    self.out.extend_from_slice(text);
                }
                None if Some(version.row()) == row => return Some(version),
                None => {}
            }
        }
        None
    }

    /// Where the next object begins.
    fn begin(&mut self) -> usize {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        self.out.len()
    }
}

impl Batches for Findings {
    fn next<'a>(&'a mut self, out: &'a mut Vec<u8>) -> BoxFuture<'a, Result<Option<Tail>, Error>> {
        self.batch(out).boxed()
    }
}

/// One finding as an object. The integration goes by the name that its account knows.
pub(crate) fn write(
    out: &mut Vec<u8>,
    row: &FindingRow,
    application: &Application,
    integration: &OwnedIntegration,
    with_raw: bool,
) -> Result<(), Error> {
    let mut item = item(row, application);
    item.integration = &integration.known.slug;
    api::finding(out, &item, with_raw).map_err(Error::unwritable)
}
