//! The REST APIs. This file reads like their table of contents.

pub(crate) mod error;

mod annotations;
mod answer;
mod applications;
mod asked;
mod collections;
mod credentials;
mod findings;
mod flaws;
mod hal;
mod identity;
mod oauth;
mod openapi;
pub(crate) mod policies;
pub(crate) mod query;
mod reports;
mod sandboxes;
mod summary;
mod weaknesses;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::Method;
use axum::http::header::{AUTHORIZATION, DATE, HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use countersign_signing::Authorization;
use countersign_web::Unsent;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::faults;
use crate::metrics::counted;
use crate::recorder::{self, Entry, Trace};
use crate::state::AppState;
use annotations::components;
use answer::{json, ok};
use applications::write;
use error::Refusal;
use identity::{business_units, principal, roles, teams, users};

/// Size of a request body.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Size up to which a body is taken in before its request is judged.
const SMALL_BODY_BYTES: u64 = 64 * 1024;

pub(crate) fn router(state: AppState) -> Router {
    let (routes, document) = openapi::described();
    // The same under the address that the old documentation names, under the one that lists
    // link to, and under the one that an integration of the vendor calls.
    let credentials = get(credentials::read_own_credentials)
        .post(credentials::mint_own_credentials)
        .delete(credentials::revoke_own_credentials);
    let applications = get(applications::list_applications).post(write::create_application);
    routes
        .route("/api/authn/v2/users/api_credentials", credentials)
        .route("/appsec/v1/applications/", applications)
        .route("/appsec/v2/applications/{guid}/sandboxes", get(sandboxes::list_sandboxes))
        .merge(openapi::route(&document))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(state.clone(), error::shaped))
        .layer(from_fn_with_state(state.clone(), around))
        .layer(from_fn_with_state(state.clone(), counted))
        .with_state(state)
}

/// Every operation, as its handler declares it.
fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(about))
        .routes(routes!(healthcheck))
        .routes(routes!(
            credentials::read_own_credentials,
            credentials::mint_own_credentials,
            credentials::revoke_own_credentials
        ))
        .routes(routes!(credentials::read_credentials, credentials::revoke_credentials))
        .routes(routes!(
            credentials::read_user_credentials,
            credentials::mint_user_credentials,
            credentials::revoke_user_credentials
        ))
        .routes(routes!(oauth::issue_token))
        .routes(routes!(oauth::list_own_clients, oauth::create_own_client))
        .routes(routes!(oauth::list_user_clients, oauth::create_user_client))
        .routes(routes!(oauth::read_client, oauth::revoke_client))
        .routes(routes!(oauth::rotate_client))
        .routes(routes!(oauth::clone_client))
        .routes(routes!(users::list_users, users::create_user))
        .routes(routes!(users::search_users))
        .routes(routes!(users::list_users_by_role))
        .routes(routes!(users::list_users_not_in_team))
        .routes(routes!(principal::read_principal))
        .routes(routes!(users::read_own_user, users::update_own_user))
        .routes(routes!(users::read_user, users::update_user, users::delete_user))
        .routes(routes!(users::reset_password))
        .routes(routes!(roles::list_roles, roles::create_role))
        .routes(routes!(roles::read_role, roles::update_role, roles::delete_role))
        .routes(routes!(roles::list_permissions))
        .routes(routes!(roles::read_permission))
        .routes(routes!(teams::list_teams, teams::create_team))
        .routes(routes!(teams::list_own_teams))
        .routes(routes!(teams::read_team, teams::update_team, teams::delete_team))
        .routes(routes!(business_units::list_business_units, business_units::create_business_unit))
        .routes(routes!(
            business_units::read_business_unit,
            business_units::update_business_unit,
            business_units::delete_business_unit
        ))
        .routes(routes!(applications::list_applications, write::create_application))
        .routes(routes!(
            applications::read_application,
            write::update_application,
            write::delete_application
        ))
        .routes(routes!(sandboxes::list_sandboxes, sandboxes::create_sandbox))
        .routes(routes!(
            sandboxes::read_sandbox,
            sandboxes::update_sandbox,
            sandboxes::delete_sandbox
        ))
        .routes(routes!(sandboxes::promote_sandbox))
        .routes(routes!(reports::create_report))
        .routes(routes!(reports::read_report))
        .routes(routes!(collections::list_collections, collections::create_collection))
        .routes(routes!(collections::read_statistics))
        .routes(routes!(
            collections::read_collection,
            collections::update_collection,
            collections::delete_collection
        ))
        .routes(routes!(collections::list_assets))
        .routes(routes!(policies::list_policies))
        .routes(routes!(policies::read_policy))
        .routes(routes!(policies::list_policy_versions))
        .routes(routes!(policies::read_policy_version))
        .routes(routes!(weaknesses::list_cwes))
        .routes(routes!(weaknesses::read_cwe))
        .routes(routes!(weaknesses::list_categories))
        .routes(routes!(weaknesses::read_category))
        .routes(routes!(weaknesses::list_custom_fields))
        .routes(routes!(findings::list_findings))
        .routes(routes!(flaws::read_static_flaw))
        .routes(routes!(flaws::read_dynamic_flaw))
        .routes(routes!(summary::read_summary_report))
        .routes(routes!(annotations::annotate_findings))
        .routes(routes!(components::list_component_annotations, components::annotate_components))
}

#[derive(Serialize, ToSchema)]
struct About {
    name: &'static str,
    version: &'static str,
}

/// What answers here. Needs no signature.
#[utoipa::path(
    get,
    path = "/.well-known/countersign",
    tag = "Service",
    security(()),
    responses((status = 200, body = About)),
)]
async fn about() -> Result<Response, Refusal> {
    json(&About { name: "countersign platform", version: env!("CARGO_PKG_VERSION") })
}

/// Whether signed calls are answered.
#[utoipa::path(
    get,
    path = "/healthcheck/status",
    tag = "Service",
    responses((status = 200, description = "An empty object.")),
)]
async fn healthcheck(_: Caller) -> Response {
    ok("{}")
}

async fn not_found(caller: Result<Caller, Refusal>) -> Refusal {
    caller.err().unwrap_or_else(|| Refusal::gateway(404, "no such resource"))
}

async fn method_not_allowed(caller: Result<Caller, Refusal>) -> Refusal {
    caller.err().unwrap_or_else(|| Refusal::gateway(405, "the resource does not know this method"))
}

/// The recorder around everything, and the recorded headers on every answer.
async fn around(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let begun = state.is_recorded().then(|| Begun::new(&state, &mut request));
    let mut response = limited(&state, request, next).await;
    let headers = response.headers_mut();
    headers.insert(DATE, state.date());
    for (name, value) in [
        ("cache-control", "no-cache, no-store, max-age=0, must-revalidate"),
        ("pragma", "no-cache"),
        ("expires", "0"),
        ("server", "Unknown"),
        ("strict-transport-security", "max-age=31536000 ; includeSubDomains"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-xss-protection", "1; mode=block"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if !headers.contains_key("x-conversation-id")
        && let Ok(id) = HeaderValue::from_str(&error::conversation_id(&state))
    {
        headers.insert(HeaderName::from_static("x-conversation-id"), id);
    }
    if let Some(begun) = begun {
        state.recorder().record(begun.ended(&response));
    }
    response
}

/// The rate limit, then faults, before the work; faults after it.
async fn limited(state: &AppState, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<std::net::SocketAddr>>().map(|peer| peer.0);
    if let Some(peer) = peer {
        let address = || peer.ip().to_canonical().to_string();
        let account = || claimed_id(&request);
        if let Err(too_many) = state.limit().count(address, account, state.now()) {
            return Refusal::too_many(too_many.wait).into_response();
        }
    }
    let request = match taken_in(request).await {
        Ok(request) => request,
        Err(refusal) => return refusal.into_response(),
    };
    if state.faults().is_idle() {
        return next.run(request).await;
    }
    // As a real service does: what was asked for is carried out although whoever asked
    // has given up waiting.
    match tokio::spawn(faulty(state.clone(), request, next)).await {
        Ok(response) => response,
        Err(error) => Refusal::gateway(500, &error.to_string()).into_response(),
    }
}

async fn faulty(state: AppState, request: Request, next: Next) -> Response {
    let firing = firing(&state, &request);
    if let Some(trace) = request.extensions().get::<Trace>() {
        trace.note(|notes| notes.faults = firing.iter().map(|rule| rule.name.clone()).collect());
    }
    if let Some(response) = faults::instead(state.faults(), &firing).await {
        return response;
    }
    let target = request.uri().path_and_query().map_or("", |target| target.as_str()).to_owned();
    // Answers that hold secrets are never to a GET.
    let reader = claimed_id(&request).filter(|_| request.method() == Method::GET);
    let asked = faults::Asked { target, reader };
    let response = next.run(request).await;
    faults::alter(state.faults(), &firing, &asked, response).await
}

/// A request with its body, where that is small: bytes that nobody reads would end
/// the connection under a client that was only refused.
async fn taken_in(request: Request) -> Result<Request, Refusal> {
    match request.body().size_hint().exact() {
        Some(1..=SMALL_BODY_BYTES) => {}
        _ => return Ok(request),
    }
    let (parts, body) = request.into_parts();
    match countersign_web::body::read(body, SMALL_BODY_BYTES as usize).await {
        Ok(bytes) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Err(unread) => Err(Refusal::unread(unread)),
    }
}

fn firing(state: &AppState, request: &Request) -> Vec<faults::Rule> {
    let api_id = claimed_id(request);
    let signatory = api_id.as_deref().map(|id| state.tenant().signatory(id));
    let signatory = signatory.and_then(|found| found.ok().flatten());
    state.faults().firing(&faults::Seen {
        method: request.method().as_str(),
        target: request.uri().path_and_query().map_or("/", |target| target.as_str()),
        api_id: api_id.as_deref(),
        account: signatory.as_ref().map(|signatory| signatory.user.name.as_str()),
        at: &countersign_tenant::timestamp(state.now()),
    })
}

/// The API ID that a request claims; nothing is proven yet.
fn claimed_id(request: &Request) -> Option<String> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    Some(Authorization::parse(value).ok()?.id().to_ascii_lowercase())
}

/// A request that is being answered.
struct Begun {
    entry: Entry,
    trace: Trace,
    since: tokio::time::Instant,
}

impl Begun {
    fn new(state: &AppState, request: &mut Request) -> Self {
        let trace = Trace::default();
        request.extensions_mut().insert(trace.clone());
        let peer = request.extensions().get::<ConnectInfo<std::net::SocketAddr>>();
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let entry = Entry {
            seq: 0,
            at: countersign_tenant::timestamp(state.now()),
            method: request.method().as_str().to_owned(),
            target: recorder::cut(target).to_owned(),
            address: peer.map(|peer| peer.0.ip().to_canonical().to_string()),
            caller: None,
            api_id: claimed_id(request),
            status: None,
            cause: None,
            faults: Vec::new(),
            conversation_id: None,
            latency_ms: 0.0,
            request_headers: recorder::kept(request.headers()),
            answer_headers: Vec::new(),
        };
        Self { entry, trace, since: tokio::time::Instant::now() }
    }

    fn ended(self, response: &Response) -> Entry {
        let notes = self.trace.take();
        let is_sent = response.extensions().get::<Unsent>().is_none();
        let id = response.headers().get("x-conversation-id").and_then(|id| id.to_str().ok());
        Entry {
            caller: notes.caller,
            cause: notes.cause,
            faults: notes.faults,
            status: is_sent.then(|| response.status().as_u16()),
            // Of the two on a refusal the second is the one in its body.
            conversation_id: id.and_then(|id| id.rsplit(", ").next()).map(String::from),
            latency_ms: self.since.elapsed().as_secs_f64() * 1000.0,
            answer_headers: recorder::kept(response.headers()),
            ..self.entry
        }
    }
}
