//! The REST APIs. This file reads like their table of contents.

pub(crate) mod error;

mod annotations;
mod applications;
mod credentials;
mod findings;
mod flaws;
mod hal;
mod identity;
mod oauth;
pub(crate) mod policies;
pub(crate) mod query;
mod sandboxes;
mod summary;
mod weaknesses;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use countersign_signing::Authorization;

use crate::caller::Caller;
use crate::faults;
use crate::recorder::{self, Entry, Trace};
use crate::state::AppState;
use annotations::components;
use applications::write;
use error::Refusal;
use identity::{business_units, roles, teams, users};

/// Size of a request body.
const MAX_BODY_BYTES: usize = 1 << 20;

pub(crate) fn router(state: AppState) -> Router {
    let credentials = "/api/authn/v2/api_credentials";
    let users = "/api/authn/v2/users";
    let clients = "/api/authn/v2/oauth_clients";
    let applications = "/appsec/v1/applications";
    let reports = "/appsec/v2/applications/{guid}";
    Router::new()
        .route("/.well-known/countersign", get(about))
        .route("/healthcheck/status", get(healthcheck))
        .route(
            credentials,
            get(credentials::read_own).post(credentials::mint_own).delete(credentials::revoke_own),
        )
        .route(
            &format!("{users}/api_credentials"),
            get(credentials::read_own).post(credentials::mint_own).delete(credentials::revoke_own),
        )
        .route(
            &format!("{credentials}/{{api_id}}"),
            get(credentials::read_one).delete(credentials::revoke_one),
        )
        .route(
            &format!("{credentials}/user_id/{{user_id}}"),
            get(credentials::read_of_user)
                .post(credentials::mint_for_user)
                .delete(credentials::revoke_of_user),
        )
        .route("/api/authn/v2/oauth2/token", post(oauth::token))
        .route(clients, get(oauth::list_own).post(oauth::create_own))
        .route(&format!("{clients}/{{client_id}}"), get(oauth::read_one).delete(oauth::revoke))
        .route(&format!("{clients}/{{client_id}}/rotate"), post(oauth::rotate))
        .route(&format!("{clients}/{{client_id}}/clone"), post(oauth::clone))
        .route(
            &format!("{clients}/user_id/{{user_id}}"),
            get(oauth::list_of_user).post(oauth::create_for_user),
        )
        .route(users, get(users::list).post(users::create))
        .route(&format!("{users}/search"), get(users::search))
        .route(&format!("{users}/self"), get(users::read_self).put(users::update_self))
        .route(
            &format!("{users}/{{user_id}}"),
            get(users::read).put(users::update).delete(users::delete),
        )
        .route("/api/authn/v2/roles", get(roles::list))
        .route("/api/authn/v2/roles/{role_id}", get(roles::read))
        .route("/api/authn/v2/teams", get(teams::list).post(teams::create))
        .route("/api/authn/v2/teams/self", get(teams::list_own))
        .route(
            "/api/authn/v2/teams/{team_id}",
            get(teams::read).put(teams::update).delete(teams::delete),
        )
        .route(
            "/api/authn/v2/business_units",
            get(business_units::list).post(business_units::create),
        )
        .route(
            "/api/authn/v2/business_units/{bu_id}",
            get(business_units::read).put(business_units::update).delete(business_units::delete),
        )
        .route(applications, get(applications::list_applications).post(write::create_application))
        .route(
            &format!("{applications}/"),
            get(applications::list_applications).post(write::create_application),
        )
        .route(
            &format!("{applications}/{{guid}}"),
            get(applications::read_application)
                .put(write::update_application)
                .delete(write::delete_application),
        )
        .route(
            &format!("{applications}/{{guid}}/sandboxes"),
            get(sandboxes::list_sandboxes).post(sandboxes::create_sandbox),
        )
        .route(
            &format!("{applications}/{{guid}}/sandboxes/{{sandbox}}"),
            get(sandboxes::read_sandbox)
                .put(sandboxes::update_sandbox)
                .delete(sandboxes::delete_sandbox),
        )
        .route("/appsec/v1/policies", get(policies::list_policies))
        .route("/appsec/v1/policies/{guid}", get(policies::read_policy))
        .route("/appsec/v1/policies/{guid}/versions", get(policies::list_versions))
        .route("/appsec/v1/policies/{guid}/versions/{version}", get(policies::read_version))
        .route("/appsec/v1/cwes", get(weaknesses::list_cwes))
        .route("/appsec/v1/cwes/{id}", get(weaknesses::read_cwe))
        .route("/appsec/v1/categories", get(weaknesses::list_categories))
        .route("/appsec/v1/categories/{id}", get(weaknesses::read_category))
        .route("/appsec/v1/custom_fields", get(weaknesses::list_custom_fields))
        .route(&format!("{reports}/findings"), get(findings::list_findings))
        .route(
            &format!("{reports}/findings/{{issue_id}}/static_flaw_info"),
            get(flaws::read_static_flaw),
        )
        .route(
            &format!("{reports}/findings/{{issue_id}}/dynamic_flaw_info"),
            get(flaws::read_dynamic_flaw),
        )
        .route(&format!("{reports}/annotations"), post(annotations::annotate))
        .route(&format!("{reports}/summary_report"), get(summary::read_summary))
        .route(
            "/srcclr/v3/applications/{guid}/sca_annotations",
            get(components::list_sca_annotations).post(components::annotate_components),
        )
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(state.clone(), around))
        .with_state(state)
}

/// Unsigned: says only what answers here.
async fn about() -> Response {
    ok(concat!(r#"{"name":"countersign platform","version":""#, env!("CARGO_PKG_VERSION"), "\"}"))
}

async fn healthcheck(_: Caller) -> Response {
    ok("{}")
}

async fn not_found(caller: Result<Caller, Refusal>) -> Refusal {
    caller.err().unwrap_or_else(|| Refusal::gateway(404, "no such resource"))
}

async fn method_not_allowed(caller: Result<Caller, Refusal>) -> Refusal {
    caller.err().unwrap_or_else(|| Refusal::gateway(405, "the resource does not know this method"))
}

/// A good answer, with the content type that strict clients compare exactly.
pub(crate) fn ok(body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.into()).into_response()
}

/// A good answer of this value.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<Response, Refusal> {
    match serde_json::to_vec(value) {
        Ok(body) => Ok(ok(body)),
        Err(error) => Err(Refusal::gateway(500, &error.to_string())),
    }
}

/// The recorder around everything, and the recorded headers on every answer.
async fn around(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let begun = state.is_recorded().then(|| Begun::new(&state, &mut request));
    let mut response = limited(&state, request, next).await;
    let headers = response.headers_mut();
    headers.insert(DATE, state.clock().date());
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
    if state.faults().is_idle() {
        return next.run(request).await;
    }
    let firing = firing(state, &request);
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

fn firing(state: &AppState, request: &Request) -> Vec<faults::Rule> {
    let api_id = claimed_id(request);
    let signatory = api_id.as_deref().map(|id| state.accounts().signatory(id));
    let signatory = signatory.and_then(|found| found.ok().flatten());
    state.faults().firing(&faults::Seen {
        method: request.method().as_str(),
        target: request.uri().path_and_query().map_or("/", |target| target.as_str()),
        api_id: api_id.as_deref(),
        account: signatory.as_ref().map(|signatory| signatory.user.name.as_str()),
        at: &crate::timestamp(state.now()),
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
            at: crate::timestamp(state.now()),
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
        let is_sent = response.extensions().get::<faults::Broken>().is_none();
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

/// Done, with nothing to say.
pub(crate) fn no_content() -> Response {
    let mut response = ok("");
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A body that may be empty, as JSON; unknown and null members do not matter.
pub(crate) fn input<T: serde::de::DeserializeOwned + Default>(
    body: Result<Bytes, BytesRejection>,
) -> Result<T, Refusal> {
    let body = body.map_err(|_| Refusal::gateway(413, "the body is larger than 1 MiB"))?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    serde_json::from_slice(&body)
        .map_err(|error| Refusal::gateway(400, &format!("malformed JSON: {error}")))
}

pub(crate) use identity::guid_from;
