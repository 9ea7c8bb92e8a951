//! Management: accounts, credentials, integrations, tokens, what was asked of each
//! integration, and what this API is able to do.
//!
//! A noun has a file: what of a request it accepts, and the shape of its answer. Whatever
//! belongs to an account that the caller does not see is answered like what is not there.

mod accounts;
mod body;
mod capabilities;
mod credentials;
mod integrations;
mod list;
mod openapi;
mod patch;
mod status;
mod tokens;

use axum::Json;
use axum::routing::{MethodRouter, on};
use countersign_connector::managed::Failure;
use countersign_findings::rfc3339;
use countersign_store::{Account, OwnedIntegration};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::inner::Inner;
use crate::operation::Operation;
use crate::problem::Problem;

pub use body::is_name;
pub use openapi::{Document, document};

/// What the API calls the one organisation there is.
pub(crate) const ORGANIZATION: &str = "00000000-0000-4000-8000-000000000000";

/// What is answered to a request of management.
type Answer = Result<Json<Value>, Problem>;

/// What answers an operation of management.
pub(crate) fn handler(operation: Operation) -> Option<MethodRouter<Inner>> {
    use Operation as O;
    let by = operation.about().method.filter();
    Some(match operation {
        O::CreateAccount => on(by, accounts::create),
        O::ListAccounts => on(by, accounts::list),
        O::GetAccount => on(by, accounts::get),
        O::UpdateAccount => on(by, accounts::update),
        O::PatchAccount => on(by, accounts::patch),
        O::DeleteAccount => on(by, accounts::delete),
        O::CreateCredential => on(by, credentials::create),
        O::ListCredentials => on(by, credentials::list),
        O::LookupCredential => on(by, credentials::lookup),
        O::GetCredential => on(by, credentials::get),
        O::UpdateCredential => on(by, credentials::update),
        O::PatchCredential => on(by, credentials::patch),
        O::DeleteCredential => on(by, credentials::delete),
        O::ListIntegrations => on(by, integrations::list_all),
        O::CreateIntegration => on(by, integrations::create),
        O::ListAccountIntegrations => on(by, integrations::list),
        O::VerifyIntegration => on(by, integrations::verify),
        O::GetIntegration => on(by, integrations::get),
        O::UpdateIntegration => on(by, integrations::update),
        O::PatchIntegration => on(by, integrations::patch),
        O::DeleteIntegration => on(by, integrations::delete),
        O::VerifyStoredIntegration => on(by, integrations::verify_stored),
        O::CreateToken => on(by, tokens::create),
        O::CreateMcpToken => on(by, tokens::create_for_assistant),
        O::CreateIntegrationToken => on(by, tokens::create_for_integration),
        O::ListTokens => on(by, tokens::list),
        O::GetToken => on(by, tokens::get),
        O::RefreshToken => on(by, tokens::refresh),
        O::RotateToken => on(by, tokens::rotate),
        O::ResetToken => on(by, tokens::reset),
        O::RemoveSecondaryToken => on(by, tokens::remove_secondary),
        O::DeleteToken => on(by, tokens::delete),
        O::ListStatus => on(by, status::list),
        O::GetStatus => on(by, status::get),
        O::ResetStatus => on(by, status::reset),
        O::ListStatusEvents => on(by, status::events),
        O::ListStatusTimeseries => on(by, status::series_of_all),
        O::GetStatusTimeseries => on(by, status::series),
        O::ListConnectors => on(by, capabilities::connectors),
        O::ListProviders => on(by, capabilities::providers),
        O::GetProvider => on(by, capabilities::provider),
        O::GetManagementSchema => on(by, openapi::management),
        O::GetEngineSchema => on(by, openapi::engine),
        _ => return None,
    })
}

fn answer(result: Value) -> Answer {
    Ok(Json(json!({ "result": result })))
}

/// A time as it is answered.
fn time(ms: i64) -> Value {
    rfc3339(ms).into()
}

/// The account of this id, if the caller sees it.
async fn account(inner: &Inner, caller: &Caller, uid: &str) -> Result<Account, Problem> {
    let account = found(inner.store.account(uid).await, "account")?;
    caller.sees(account.id).then_some(account).ok_or_else(|| Problem::not_found("account"))
}

/// The integration of this id in this account, if the caller sees it.
async fn integration(
    inner: &Inner,
    caller: &Caller,
    (account, uid): (&str, &str),
) -> Result<OwnedIntegration, Problem> {
    let integration = found(inner.store.owned_integration(uid).await, "integration")?;
    let is_theirs = caller.sees(integration.known.account) && integration.account_uid == account;
    is_theirs.then_some(integration).ok_or_else(|| Problem::not_found("integration"))
}

/// The integrations that the caller sees.
async fn integrations_of(inner: &Inner, caller: &Caller) -> Result<Vec<OwnedIntegration>, Problem> {
    Ok(inner.store.owned_integrations(caller.account()).await?)
}

fn found<T>(found: Result<T, countersign_store::Error>, what: &str) -> Result<T, Problem> {
    found.map_err(|error| match error.is_not_found() {
        true => Problem::not_found(what),
        false => error.into(),
    })
}

/// The account has something of this name already. Not 409, which clients try again.
fn taken(what: &str) -> Problem {
    Problem::body("/name", format!("the account has {what} of this name already"))
}

/// Why the keeper of secrets did nothing; `at` is where the credential was in the body.
fn failed(failure: Failure, what: &str, at: &str) -> Problem {
    match failure {
        Failure::Form(cause) => Problem::body(at, cause),
        Failure::Taken => taken(&format!("{} {what}", article(what))),
        Failure::InUse => Problem::bad_request(format!("the {what} is in use")),
        Failure::Gone => Problem::not_found(what),
        Failure::Refused(error) => Problem::body(at, "the service refuses this")
            .with_detail(error.what())
            .with_raw_error(error.what()),
        Failure::Unreachable(error) => {
            Problem::unavailable("the service was not reached; ask again", 2)
                .with_detail(error.what())
                .with_raw_error(error.what())
        }
        Failure::Busy => Problem::unavailable("the store is being written; ask again", 2),
        Failure::Failed(error) => Problem::internal(&error),
    }
}

fn article(what: &str) -> &'static str {
    if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}
