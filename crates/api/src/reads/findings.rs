//! Findings: a page of them, and one.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use countersign_connector::export::item;
use countersign_findings::Application;
use countersign_findings::filter::{Expression, Field, Filter, Operator, Value};
use countersign_formats::ocsf::api;
use countersign_store::{
    ApplicationRecord, Error, FindingRow, FindingVersion, Order, OwnedIntegration, Query, Seek,
    Store,
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
const OBJECT_BYTES: usize = 6 * 1024;

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
    let batches = Findings {
        store: inner.store.clone(),
        rendered: Arc::clone(&inner.rendered),
        is_kept: asked.limit <= MOST_KEPT,
        integration: integration.clone(),
        applications: HashMap::new(),
        filter,
        after,
        left: asked.limit,
        is_first: true,
        with_raw: asked.with_raw,
        bound,
        tail,
    };
    page(inner, integration.id, batches, did).await
}

struct Findings {
    store: Store,
    rendered: Arc<Rendered>,
    /// Whether what is rendered is kept for the next time.
    is_kept: bool,
    integration: OwnedIntegration,
    /// Those of the batch.
    applications: HashMap<String, Arc<Application>>,
    filter: Expression,
    after: Option<Seek>,
    left: u32,
    is_first: bool,
    with_raw: bool,
    bound: Bound,
    tail: Tail,
}

impl Findings {
    async fn batch(&mut self, out: &mut Vec<u8>) -> Result<Option<Tail>, Error> {
        // One more than is written tells whether the list goes on.
        let wanted = BATCH.min(self.left);
        let versions = self.versions(wanted + 1).await?;
        let goes_on = versions.len() > wanted as usize;
        let versions = &versions[..versions.len().min(wanted as usize)];
        for object in self.objects(versions).await? {
            if !std::mem::take(&mut self.is_first) {
                out.push(b',');
            }
            out.extend_from_slice(&object);
        }
        self.after = versions.last().map(|version| version.seek).or(self.after);
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

    async fn versions(&self, limit: u32) -> Result<Vec<FindingVersion>, Error> {
        let query =
            Query { filter: self.filter.clone(), limit, after: self.after, order: Order::Arrival };
        self.store.finding_versions(query).await
    }

    /// These findings as they are answered, but for those that are gone by now.
    async fn objects(&mut self, versions: &[FindingVersion]) -> Result<Vec<Arc<[u8]>>, Error> {
        // What is kept under a version is not older than it: nor is the application.
        self.applications.clear();
        let (slug, with_raw) = (self.integration.known.slug.clone(), self.with_raw);
        let kept = |version: &FindingVersion| self.rendered.get(version, &slug, with_raw);
        let mut objects: Vec<_> = versions.iter().map(|one| (one, kept(one))).collect();
        let missing = objects.iter().filter(|(_, kept)| kept.is_none()).map(|(one, _)| one.row());
        let read = self.store.findings_of_rows(missing.collect()).await?;
        let mut read: HashMap<_, _> = read.into_iter().map(|row| (row.row(), row)).collect();
        for (version, object) in &mut objects {
            let Some(row) = read.remove(&version.row()) else { continue };
            let application = self.application(&row).await?;
            let mut text = Vec::with_capacity(OBJECT_BYTES);
            write(&mut text, &row, &application, &self.integration, with_raw)?;
            if self.is_kept {
                self.rendered.put(**version, &slug, with_raw, &text);
            }
            *object = Some(text.into());
        }
        Ok(objects.into_iter().filter_map(|(_, object)| object).collect())
    }

    async fn application(&mut self, row: &FindingRow) -> Result<Arc<Application>, Error> {
        let guid = row.finding.application.as_str();
        if let Some(known) = self.applications.get(guid) {
            return Ok(Arc::clone(known));
        }
        let found = self.store.application(&self.integration.name, guid).await?;
        // A finding has its application as long as it is there itself.
        let found = found.ok_or_else(|| Error::missing_application(guid))?;
        let known = Arc::new(found.row.application);
        self.applications.insert(guid.to_owned(), Arc::clone(&known));
        Ok(known)
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
