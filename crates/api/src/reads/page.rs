//! Answers of many pieces: written a batch at a time, so that neither a long page nor a
//! connection of the database is held while a slow reader takes it.

use std::io;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::Bytes;
use countersign_store::IntegrationId;
use futures::future::BoxFuture;
use futures::stream;
use serde_json::{Value, json};

use super::asked::Asked;
use super::live::Source;
use crate::around::Did;
use crate::inner::Inner;
use crate::problem::Problem;

/// An object without members.
const EMPTY: &str = "{}";

/// What a page has beside its items.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail {
    /// Where the list goes on: empty at its end, none where there is no list.
    pub(crate) cursor: Option<String>,
    /// How many there are, if that was asked.
    pub(crate) count: Option<u64>,
    pub(crate) problems: Vec<Value>,
}

impl Tail {
    /// What `asked` already knows of it.
    pub(crate) fn of(asked: &Asked, inner: &Inner, instance: &str) -> Self {
        let now_ms = inner.now();
        let problems = asked.problems.iter().map(|problem| problem.object(instance, now_ms));
        let problems = problems.collect();
        Self { problems, cursor: Some(String::new()), ..Self::default() }
    }

    /// Of an answer that is no list.
    pub(crate) fn without_cursor(self) -> Self {
        Self { cursor: None, ..self }
    }

    /// The members after `result`, and the end of the object.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut object = json!({});
        if let Some(cursor) = &self.cursor {
            object["cursor"] = cursor.as_str().into();
        }
        if let Some(count) = self.count {
            object["meta"] = json!({ "stats": { "count": { "*": count } } });
        }
        if !self.problems.is_empty() {
            object["messages"] = json!({ "problems": self.problems });
        }
        let text = object.to_string();
        if text.len() > EMPTY.len() {
            out.push(b',');
        }
        out.extend_from_slice(text.trim_start_matches('{').as_bytes());
    }
}

/// Items of a page that is under way.
pub(crate) trait Batches: Send + 'static {
    /// Appends the next items, each after a comma but the first of all; the tail once there
    /// are no more.
    fn next<'a>(
        &'a mut self,
        out: &'a mut Vec<u8>,
    ) -> BoxFuture<'a, Result<Option<Tail>, countersign_store::Error>>;
}

/// A page of items. The first batch is read before anything is sent: what fails there is
/// answered with its status. A page that breaks later is seen as a transfer that broke.
pub(crate) async fn page(
    inner: &Inner,
    integration: IntegrationId,
    mut batches: impl Batches,
    did: Did,
) -> Result<Response, Problem> {
    let mut out = b"{\"result\":[".to_vec();
    let tail = batches.next(&mut out).await?;
    let mut sent = out.len() as u64;
    if let Some(tail) = tail {
        out.push(b']');
        tail.write(&mut out);
        return Ok(whole(out, did));
    }
    let under_way = Some((batches, inner.clone()));
    let rest = stream::try_unfold(under_way, move |under_way| async move {
        let Some((mut batches, inner)) = under_way else { return Ok(None) };
        let mut out = Vec::new();
        let tail = batches.next(&mut out).await.map_err(|error| {
            tracing::error!(%error, "a page of the API broke off");
            io::Error::other("the store failed")
        })?;
        sent += out.len() as u64;
        let Some(tail) = tail else { return Ok(Some((Bytes::from(out), Some((batches, inner))))) };
        out.push(b']');
        tail.write(&mut out);
        inner.sent(integration, sent);
        Ok::<_, io::Error>(Some((Bytes::from(out), None)))
    });
    let first = stream::once(async { Ok::<_, io::Error>(Bytes::from(out)) });
    let body = Body::from_stream(stream::StreamExt::chain(first, rest));
    Ok(json_of(body, did))
}

/// A whole answer.
pub(crate) fn whole(out: Vec<u8>, did: Did) -> Response {
    let out_bytes = out.len() as u64;
    json_of(Body::from(out), Did { out_bytes, ..did })
}

fn json_of(body: Body, did: Did) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(Source::HEADER, did.source.value());
    response.extensions_mut().insert(did);
    response
}

/// One object and what comes after it.
pub(crate) fn single(mut object: Vec<u8>, tail: &Tail, did: Did) -> Response {
    let mut out = b"{\"result\":".to_vec();
    out.append(&mut object);
    tail.write(&mut out);
    whole(out, did)
}
