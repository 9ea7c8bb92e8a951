//! What happens around every operation: it is found by its path, who asks is known, counted
//! and judged, and what failed is answered in one shape.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, on, on_service};
use axum::{Extension, Json, Router};
use countersign_store::{ApiFailure, Traffic};
use serde_json::{Value, json};
use tower::util::MapRequestLayer;
use tower::{Layer, ServiceExt};

use crate::assistants;
use crate::bulk;
use crate::caller::{self, Caller};
use crate::inner::{Inner, Outcome};
use crate::limit::Full;
use crate::operation::{Audience, Operation};
use crate::problem::Problem;
use crate::reads::{self, Source};

/// Of a request of management.
pub(crate) const MOST_BODY_BYTES: usize = 1 << 20;
/// The answer names the request by this.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Everything that can be asked.
pub(crate) fn router(inner: Inner) -> Router {
    let mut router = Router::new();
    for operation in Operation::ALL.iter().copied() {
        let Some(handler) = handler(operation, &inner) else { continue };
        let around = from_fn_with_state(inner.clone(), around);
        let handler: MethodRouter<Inner> = handler.layer(around);
        let handler: MethodRouter<Inner> = handler.layer(Extension(operation));
        router = router.route(&operation.route(), handler);
    }
    let router = router
        .fallback(async || Problem::not_found("path"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(from_fn_with_state(inner.clone(), finish))
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .with_state(inner);
    // Before a route is looked for: some clients join paths with two slashes.
    let collapsed = MapRequestLayer::new(collapse).layer(router);
    Router::new().fallback_service(collapsed.map_response(IntoResponse::into_response))
}

/// What answers an operation.
fn handler(operation: Operation, inner: &Inner) -> Option<MethodRouter<Inner>> {
    let filter = operation.about().method.filter();
    Some(match operation {
        Operation::QueryApplications => on(filter, reads::applications),
        Operation::QueryApplicationFindings => on(filter, reads::application_findings),
        Operation::QueryFindings => on(filter, reads::findings),
        Operation::GetFindingDetails => on(filter, reads::details),
        Operation::QueryApplicationScans => on(filter, reads::scans),
        Operation::CreateFindings => {
            on(filter, bulk::create).layer(DefaultBodyLimit::max(bulk::MOST_BYTES))
        }
        Operation::AskTools => on_service(filter, assistants::service(inner))
            .layer(from_fn_with_state(inner.clone(), assistants::reach)),
        Operation::GetVersion => on(filter, version),
        _ => return crate::manage::handler(operation),
    })
}

/// Whether an operation is answered at all.
pub(crate) fn is_answered(operation: Operation) -> bool {
    handler(operation).is_some()
}

async fn version(State(inner): State<Inner>) -> Json<Value> {
    Json(json!({ "version": inner.version }))
}

/// `//` is `/`.
fn collapse(mut request: Request) -> Request {
    let path = request.uri().path();
    if !path.contains("//") {
        return request;
    }
    let mut collapsed = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !collapsed.ends_with('/') {
            collapsed.push(character);
        }
    }
    if let Some(query) = request.uri().query() {
        collapsed.push('?');
        collapsed.push_str(query);
    }
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(collapsed).ok().or(parts.path_and_query);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

/// Lets a request through to its operation, if it may, and counts how it ended.
async fn around(
    State(inner): State<Inner>,
    Extension(operation): Extension<Operation>,
    mut request: Request,
    next: Next,
) -> Response {
    let in_bytes = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or_default();
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let admitted = match operation.about().audience {
        Audience::Everybody => Ok(None),
        _ => admit(&inner, operation, address, request.headers()).await.map(Some),
    };
    let (caller, response) = match admitted {
        Err((caller, problem)) => (caller, problem.into_response()),
        Ok(None) => (None, next.run(request).await),
        Ok(Some((caller, _under_way))) => {
            request.extensions_mut().insert(caller.clone());
            (Some(caller), next.run(request).await)
        }
    };
    note(&inner, operation, caller.as_ref(), in_bytes, &response);
    response
}

type Admitted = (Caller, crate::limit::UnderWay<countersign_store::TokenId>);

/// Who asks, if they may. The place among the requests of the token lasts as long as the
/// operation works, not as long as its answer is on the way.
async fn admit(
    inner: &Inner,
    operation: Operation,
    address: Option<IpAddr>,
    headers: &HeaderMap,
) -> Result<Admitted, (Option<Caller>, Problem)> {
    let caller = match caller::authenticate(inner, headers).await {
        Ok(caller) => caller,
        Err(problem) => {
            // Who guesses is slowed down; who has a token is not, whatever its address.
            let counted = inner.tries.count(address, inner.now());
            return Err((
                None,
                counted.map_or_else(
                    |seconds| Problem::too_many("too many requests without a token", seconds),
                    |()| problem,
                ),
            ));
        }
    };
    let under_way = match inner.limiter.enter(caller.token().id, inner.now()) {
        Ok(under_way) => under_way,
        Err(Full::TooOften(seconds)) => {
            let problem = Problem::too_many("this token asks too often", seconds);
            return Err((Some(caller), problem));
        }
        Err(Full::TooMany) => {
            let problem = Problem::too_many("this token has too many requests under way", 1);
            return Err((Some(caller), problem));
        }
    };
    match caller::judge(&caller, operation) {
        Ok(()) => Ok((caller, under_way)),
        Err(problem) => Err((Some(caller), problem)),
    }
}

fn note(
    inner: &Inner,
    operation: Operation,
    caller: Option<&Caller>,
    in_bytes: u64,
    response: &Response,
) {
    let status = response.status();
    let outcome = match status.as_u16() {
        ..400 => Outcome::Succeeded,
        400..500 => Outcome::Refused,
        _ => Outcome::Failed,
    };
    let did = response.extensions().get::<Did>().copied().unwrap_or_default();
    let has_failed = outcome != Outcome::Succeeded;
    let traffic = Traffic {
        succeeded: u64::from(!has_failed),
        failed: u64::from(has_failed),
        cpu_us: 0,
        db_ops: did.db_ops,
        api_ops: did.api_ops,
        in_bytes,
        out_bytes: did.out_bytes,
    };
    let failure = response.extensions().get::<Problem>().map(|problem| ApiFailure {
        at_ms: inner.now(),
        operation: operation.id().to_owned(),
        status: status.as_u16(),
        error: problem.message().to_owned(),
    });
    inner.count(operation, outcome, caller, traffic, failure);
}

/// What an operation did, for what is counted. It travels with the answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Did {
    /// Questions of the database.
    pub(crate) db_ops: u64,
    /// Requests to the service.
    pub(crate) api_ops: u64,
    /// Where what is answered comes from.
    pub(crate) source: Source,
    /// Bytes of the answer, as far as they are known when it begins.
    pub(crate) out_bytes: u64,
}

/// Writes a problem as it is sent, and what every answer has.
async fn finish(State(inner): State<Inner>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let id = inner.new_uid();
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem.response(&format!("{path}#{id}"), inner.now());
    } else if response.status().as_u16() >= 400 && path != Operation::AskTools.about().path {
        // What the framework refuses by itself; the protocol of assistants has its own words.
        response = framework(&response).response(&format!("{path}#{id}"), inner.now());
    }
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

fn framework(response: &Response) -> Problem {
    match response.status().as_u16() {
        404 => Problem::not_found("path"),
        405 => Problem::method_not_allowed(),
        413 => Problem::too_large(MOST_BODY_BYTES),
        415 => Problem::unsupported_media_type(),
        400..500 => Problem::bad_request("the request cannot be read"),
        status => Problem::internal(&format_args!("an answer with the status {status}")),
    }
}
