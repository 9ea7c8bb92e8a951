//! Findings of other scanners, brought in by the hundred: each is added, updated or refused,
//! and the same body again changes nothing.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use bytes::Bytes;
use countersign_connector::Fault;
use countersign_connector::import::{Done, MAX_FINDINGS, Outcome};
use countersign_findings::filter::{Expression, Field, Filter, Operator, Value};
use countersign_findings::{ApplicationGuid, FindingId};
use countersign_store::{Act, Deed, IntegrationKind, Order, Query};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::value::RawValue;

use crate::around::Did;
use crate::caller::Caller;
use crate::inner::Inner;
use crate::problem::Problem;
use crate::reads::{Asked, Batches, Tail, page, write_finding};

/// Of one body.
pub(crate) const MOST_BYTES: usize = 64 << 20;
/// Refusals that are told one by one.
const MOST_TOLD: usize = 1_000;
/// Findings that are read at once.
const BATCH: usize = 200;

pub(crate) async fn create(
    State(inner): State<Inner>,
    uri: Uri,
    caller: Caller,
    asked: Asked,
    body: Bytes,
) -> Result<Response, Problem> {
    let integration = caller.integration()?.clone();
    if integration.kind != IntegrationKind::Imported {
        return Err(Problem::forbidden("the findings of this integration come from its service")
            .with_remediation(
                "use an integration whose `provider_config.type` is `appsec_imported`",
            ));
    }
    let items: Vec<&RawValue> = serde_json::from_slice(&body)
        .map_err(|error| Problem::body("", format!("the body is no JSON array: {error}")))?;
    if items.len() > MAX_FINDINGS {
        return Err(Problem::body("", format!("there are more than {MAX_FINDINGS} findings"))
            .with_remediation("send them in several calls"));
    }
    let texts: Vec<_> = items.iter().map(|item| item.get()).collect();
    let done = inner.connector.import(&integration, &texts, &|_| {}).await.map_err(failed)?;
    let act = Act::new(&integration.known.slug, Deed::FindingsImported)
        .with("integration", integration.known.uid.as_str())
        .with("findings", texts.len())
        .with("new", done.report.findings.new)
        .with("by", caller.name());
    inner.store.audit(act, inner.now()).await?;
    let mut tail = Tail::of(&asked, &inner, uri.path());
    let now_ms = inner.now();
    let problems = refusals(&done);
    tail.problems.extend(problems.iter().map(|problem| problem.object(uri.path(), now_ms)));
    tail.count = asked.with_count.then(|| kept(&done).count() as u64);
    let batches = Kept {
        inner: inner.clone(),
        caller: caller.clone(),
        ids: kept(&done).collect(),
        at: 0,
        is_first: true,
        tail: tail.without_cursor(),
    };
    page(&inner, integration.id, batches, Did { db_ops: 1, ..Did::default() }).await
}

fn failed(error: countersign_connector::Error) -> Problem {
    match error.fault() {
        Fault::Config => Problem::bad_request(error.to_string()),
        _ => Problem::internal(&error),
    }
}

/// What is kept of a body, each once, in its order.
fn kept(done: &Done) -> impl Iterator<Item = (ApplicationGuid, FindingId)> {
    let counts =
        |outcome: &Outcome| !matches!(outcome, Outcome::Superseded { .. } | Outcome::Refused(_));
    done.items.iter().filter(move |item| counts(&item.outcome)).filter_map(|item| item.kept.clone())
}

/// What is not, and why. Beyond so many it is said how many more.
fn refusals(done: &Done) -> Vec<Problem> {
    let mut all = done.items.iter().enumerate().filter_map(|(at, item)| match &item.outcome {
        Outcome::Refused(refusal) => {
            Some(Problem::body(&format!("/{at}{}", refusal.pointer), refusal.reason.clone()))
        }
        Outcome::Superseded { by } => Some(Problem::body(
            &format!("/{at}"),
            format!("the body has this finding again, at /{by}, which counts"),
        )),
        _ => None,
    });
    let mut told: Vec<_> = all.by_ref().take(MOST_TOLD).collect();
    let untold = all.count();
    if untold > 0 {
        told.push(Problem::body("", format!("{untold} more findings were not imported")));
    }
    told
}

/// The findings as they are kept.
struct Kept {
    inner: Inner,
    caller: Caller,
    ids: Vec<(ApplicationGuid, FindingId)>,
    at: usize,
    is_first: bool,
    tail: Tail,
}

impl Kept {
    async fn batch(&mut self, out: &mut Vec<u8>) -> Result<Option<Tail>, countersign_store::Error> {
        let end = (self.at + BATCH).min(self.ids.len());
        let Ok(integration) = self.caller.integration() else { return Ok(None) };
        let asked = &self.ids[self.at..end];
        let is = |field, operator, values| Expression::Is(Filter { field, operator, values });
        let ids = asked.iter().map(|(_, id)| Value::Text(id.to_string())).collect();
        let own = vec![Value::Text(integration.name.clone())];
        let filter = Expression::all([
            is(Field::Integration, Operator::Eq, own),
            is(Field::Id, Operator::In, ids),
        ]);
        let query = Query { filter, limit: u32::MAX, after: None, order: Order::Arrival };
        let rows = match asked.is_empty() {
            true => Vec::new(),
            false => self.inner.store.findings(query).await?,
        };
        let rows: HashMap<_, _> = rows
            .iter()
            .map(|row| ((row.finding.application.clone(), row.finding.id.clone()), row))
            .collect();
        for key in asked {
            // One that is no longer open is there all the same; one that is gone is not.
            let Some(row) = rows.get(key) else { continue };
            let guid = key.0.as_str();
            let found = self.inner.store.application(&integration.name, guid).await?;
            let Some(record) = found else { continue };
            if !std::mem::take(&mut self.is_first) {
                out.push(b',');
            }
            write_finding(out, row, &record.row.application, integration, false)?;
        }
        self.at = end;
        let is_over = end == self.ids.len();
        Ok(is_over.then(|| std::mem::take(&mut self.tail)))
    }
}

impl Batches for Kept {
    fn next<'a>(
        &'a mut self,
        out: &'a mut Vec<u8>,
    ) -> BoxFuture<'a, Result<Option<Tail>, countersign_store::Error>> {
        self.batch(out).boxed()
    }
}
