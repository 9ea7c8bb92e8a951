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
use axum::routing::{delete, get, post, put};

use countersign_signing::Authorization;
use countersign_web::Unsent;
use serde::Serialize;

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
    // The same under the address that the old documentation names, under the one that lists
    // link to, and under the one that an integration of the vendor calls.
    let credentials = get(credentials::read_own_credentials)
        .post(credentials::mint_own_credentials)
        .delete(credentials::revoke_own_credentials);
    let applications = get(applications::list_applications).post(write::create_application);
    routes()
        .route("/api/authn/v2/users/api_credentials", credentials)
        .route("/appsec/v1/applications/", applications)
        .route("/appsec/v2/applications/{guid}/sandboxes", get(sandboxes::list_sandboxes))
        .merge(openapi::route())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(state.clone(), error::shaped))
        .layer(from_fn_with_state(state.clone(), around))
        .layer(from_fn_with_state(state.clone(), counted))
        .with_state(state)
}

/// Routes and, for its tests, the document of the same handlers.
macro_rules! operations {
    ($($method:ident $path:literal => $($handler:ident)::+,)*) => {
        fn routes() -> Router<AppState> {
            Router::new()$(.route($path, $method($($handler)::+)))*
        }

        #[cfg(test)]
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($($handler)::+),*))]
        struct Declared;

        #[cfg(test)]
        const OPERATIONS: &[(&str, &str)] = &[$((stringify!($method), $path)),*];
    };
}

operations! {
    get "/.well-known/countersign" => about,
    get "/healthcheck/status" => healthcheck,
    get "/api/authn/v2/api_credentials" => credentials::read_own_credentials,
    post "/api/authn/v2/api_credentials" => credentials::mint_own_credentials,
    delete "/api/authn/v2/api_credentials" => credentials::revoke_own_credentials,
    get "/api/authn/v2/api_credentials/{api_id}" => credentials::read_credentials,
    delete "/api/authn/v2/api_credentials/{api_id}" => credentials::revoke_credentials,
    get "/api/authn/v2/api_credentials/user_id/{user_id}" => credentials::read_user_credentials,
    post "/api/authn/v2/api_credentials/user_id/{user_id}" => credentials::mint_user_credentials,
    delete "/api/authn/v2/api_credentials/user_id/{user_id}" => credentials::revoke_user_credentials,
    post "/api/authn/v2/oauth2/token" => oauth::issue_token,
    get "/api/authn/v2/oauth_clients" => oauth::list_own_clients,
    post "/api/authn/v2/oauth_clients" => oauth::create_own_client,
    get "/api/authn/v2/oauth_clients/user_id/{user_id}" => oauth::list_user_clients,
    post "/api/authn/v2/oauth_clients/user_id/{user_id}" => oauth::create_user_client,
    get "/api/authn/v2/oauth_clients/{client_id}" => oauth::read_client,
    delete "/api/authn/v2/oauth_clients/{client_id}" => oauth::revoke_client,
    post "/api/authn/v2/oauth_clients/{client_id}/rotate" => oauth::rotate_client,
    post "/api/authn/v2/oauth_clients/{client_id}/clone" => oauth::clone_client,
    get "/api/authn/v2/users" => users::list_users,
    post "/api/authn/v2/users" => users::create_user,
    get "/api/authn/v2/users/search" => users::search_users,
    get "/api/authn/v2/users/by_role/{role_id}" => users::list_users_by_role,
    get "/api/authn/v2/users/notinteam" => users::list_users_not_in_team,
    get "/api/authn/v2/principal" => principal::read_principal,
    get "/api/authn/v2/users/self" => users::read_own_user,
    put "/api/authn/v2/users/self" => users::update_own_user,
    get "/api/authn/v2/users/{user_id}" => users::read_user,
    put "/api/authn/v2/users/{user_id}" => users::update_user,
    delete "/api/authn/v2/users/{user_id}" => users::delete_user,
    post "/api/authn/v2/users/{user_legacy_id}/resetPassword" => users::reset_password,
    get "/api/authn/v2/roles" => roles::list_roles,
    post "/api/authn/v2/roles" => roles::create_role,
    get "/api/authn/v2/roles/{role_id}" => roles::read_role,
    put "/api/authn/v2/roles/{role_id}" => roles::update_role,
    delete "/api/authn/v2/roles/{role_id}" => roles::delete_role,
    get "/api/authn/v2/permissions" => roles::list_permissions,
    get "/api/authn/v2/permissions/{permission_id}" => roles::read_permission,
    get "/api/authn/v2/teams" => teams::list_teams,
    post "/api/authn/v2/teams" => teams::create_team,
    get "/api/authn/v2/teams/self" => teams::list_own_teams,
    get "/api/authn/v2/teams/{team_id}" => teams::read_team,
    put "/api/authn/v2/teams/{team_id}" => teams::update_team,
    delete "/api/authn/v2/teams/{team_id}" => teams::delete_team,
    get "/api/authn/v2/business_units" => business_units::list_business_units,
    post "/api/authn/v2/business_units" => business_units::create_business_unit,
    get "/api/authn/v2/business_units/{bu_id}" => business_units::read_business_unit,
    put "/api/authn/v2/business_units/{bu_id}" => business_units::update_business_unit,
    delete "/api/authn/v2/business_units/{bu_id}" => business_units::delete_business_unit,
    get "/appsec/v1/applications" => applications::list_applications,
    post "/appsec/v1/applications" => write::create_application,
    get "/appsec/v1/applications/{guid}" => applications::read_application,
    put "/appsec/v1/applications/{guid}" => write::update_application,
    delete "/appsec/v1/applications/{guid}" => write::delete_application,
    get "/appsec/v1/applications/{guid}/sandboxes" => sandboxes::list_sandboxes,
    post "/appsec/v1/applications/{guid}/sandboxes" => sandboxes::create_sandbox,
    get "/appsec/v1/applications/{guid}/sandboxes/{sandbox}" => sandboxes::read_sandbox,
    put "/appsec/v1/applications/{guid}/sandboxes/{sandbox}" => sandboxes::update_sandbox,
    delete "/appsec/v1/applications/{guid}/sandboxes/{sandbox}" => sandboxes::delete_sandbox,
    post "/appsec/v1/applications/{guid}/sandboxes/{sandbox}/promote" => sandboxes::promote_sandbox,
    post "/appsec/v1/analytics/report" => reports::create_report,
    get "/appsec/v1/analytics/report/{id}" => reports::read_report,
    get "/appsec/v1/collections" => collections::list_collections,
    post "/appsec/v1/collections" => collections::create_collection,
    get "/appsec/v1/collections/statistics" => collections::read_statistics,
    get "/appsec/v1/collections/{guid}" => collections::read_collection,
    put "/appsec/v1/collections/{guid}" => collections::update_collection,
    delete "/appsec/v1/collections/{guid}" => collections::delete_collection,
    get "/appsec/v1/collections/{guid}/assets" => collections::list_assets,
    get "/appsec/v1/policies" => policies::list_policies,
    get "/appsec/v1/policies/{guid}" => policies::read_policy,
    get "/appsec/v1/policies/{guid}/versions" => policies::list_policy_versions,
    get "/appsec/v1/policies/{guid}/versions/{version}" => policies::read_policy_version,
    get "/appsec/v1/cwes" => weaknesses::list_cwes,
    get "/appsec/v1/cwes/{id}" => weaknesses::read_cwe,
    get "/appsec/v1/categories" => weaknesses::list_categories,
    get "/appsec/v1/categories/{id}" => weaknesses::read_category,
    get "/appsec/v1/custom_fields" => weaknesses::list_custom_fields,
    get "/appsec/v2/applications/{guid}/findings" => findings::list_findings,
    get "/appsec/v2/applications/{guid}/findings/{issue_id}/static_flaw_info" => flaws::read_static_flaw,
    get "/appsec/v2/applications/{guid}/findings/{issue_id}/dynamic_flaw_info" => flaws::read_dynamic_flaw,
    get "/appsec/v2/applications/{guid}/summary_report" => summary::read_summary_report,
    post "/appsec/v2/applications/{guid}/annotations" => annotations::annotate_findings,
    get "/srcclr/v3/applications/{guid}/sca_annotations" => components::list_component_annotations,
    post "/srcclr/v3/applications/{guid}/sca_annotations" => components::annotate_components,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct About {
    name: &'static str,
    version: &'static str,
}

/// What answers here. Needs no signature.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/.well-known/countersign",
    tag = "Service",
    security(()),
    responses((status = 200, body = About)),
))]
async fn about() -> Result<Response, Refusal> {
    json(&About { name: "countersign platform", version: env!("CARGO_PKG_VERSION") })
}

/// Whether signed calls are answered.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/healthcheck/status",
    tag = "Service",
    responses((status = 200, description = "An empty object.")),
))]
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
