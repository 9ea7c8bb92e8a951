//! Who asks, and whether they may.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use countersign_store::{AccountId, ApiToken, OwnedIntegration, SecretPlace, TokenKind, TokenUse};
use subtle::Choice;

use crate::inner::Inner;
use crate::operation::{Audience, Operation};
use crate::problem::Problem;
use crate::token;

/// Who asks: known by a secret that is good, and judged for the operation.
#[derive(Debug, Clone)]
pub struct Caller {
    token: ApiToken,
    place: SecretPlace,
    /// That of a token of an integration.
    integration: Option<OwnedIntegration>,
}

impl Caller {
    /// What is written down as who did it.
    pub fn name(&self) -> &str {
        &self.token.name
    }

    /// The token.
    pub fn token(&self) -> &ApiToken {
        &self.token
    }

    /// Which of its secrets was presented.
    pub fn place(&self) -> SecretPlace {
        self.place
    }

    /// The only account that it sees; none where it sees all.
    pub fn account(&self) -> Option<AccountId> {
        self.token.scope.account
    }

    /// Whether it sees what is of this account.
    pub fn sees(&self, account: AccountId) -> bool {
        self.account().is_none_or(|own| own == account)
    }

    /// The integration of a token of one.
    ///
    /// # Errors
    ///
    /// 403 for any other token.
    pub fn integration(&self) -> Result<&OwnedIntegration, Problem> {
        self.integration.as_ref().ok_or_else(wrong_kind)
    }

    /// For what is counted.
    pub(crate) fn used(&self, now_ms: i64) -> TokenUse {
        (self.token.id, self.place, now_ms)
    }
}

/// Finds out who asks. One answer for every reason why that is nobody.
pub(crate) async fn authenticate(inner: &Inner, headers: &HeaderMap) -> Result<Caller, Problem> {
    let presented = token::presented(headers);
    let now_ms = (inner.clock)();
    let mut found = None;
    for held in inner.store.presented(presented.handle()).await? {
        let is_alive = Choice::from(u8::from(now_ms < held.expires_ms));
        if bool::from(presented.is(&held.digest) & is_alive) {
            found = Some(held);
        }
    }
    let held = found.ok_or_else(Problem::unauthenticated)?;
    let integration = match (held.token.scope.kind, &held.token.integration_uid) {
        (TokenKind::Integration, Some(uid)) => match inner.store.owned_integration(uid).await {
            Ok(integration) => Some(integration),
            Err(error) if error.is_not_found() => return Err(Problem::unauthenticated()),
            Err(error) => return Err(error.into()),
        },
        (TokenKind::Integration, None) => return Err(Problem::unauthenticated()),
        _ => None,
    };
    Ok(Caller { token: held.token, place: held.place, integration })
}

/// Whether a caller may ask for this at all; for what of it, the operation looks itself.
pub(crate) fn judge(caller: &Caller, operation: Operation) -> Result<(), Problem> {
    let scope = &caller.token.scope;
    let audience = operation.about().audience;
    if !caller.place.is_access() {
        // Whether it is its own token, the operation looks itself.
        return match operation {
            Operation::RefreshToken => Ok(()),
            _ => Err(Problem::forbidden("this secret renews its token, and does nothing else")),
        };
    }
    if audience.kind().is_some_and(|kind| kind != scope.kind) {
        return Err(wrong_kind());
    }
    if let Audience::Management(need) = audience
        && !need.is_met(scope.permission_set)
    {
        return Err(Problem::forbidden(format!(
            "a token with the permissions `{}` may not do this",
            scope.permission_set.as_str()
        )));
    }
    let is_named = |names: &Vec<String>| names.iter().any(|name| name == operation.id());
    if audience == Audience::Integration && !scope.operations.as_ref().is_none_or(is_named) {
        return Err(Problem::forbidden(format!("this token may not ask for `{}`", operation.id())));
    }
    // The tools read all of this: a token that is limited to less of it opens none of them.
    let reads = [
        Operation::QueryApplications,
        Operation::QueryApplicationFindings,
        Operation::QueryFindings,
        Operation::GetFindingDetails,
    ];
    let is_allowed =
        |names: &Vec<String>| reads.iter().all(|read| names.iter().any(|name| name == read.id()));
    if audience == Audience::Assistant && !scope.operations.as_ref().is_none_or(is_allowed) {
        return Err(Problem::forbidden("this token is limited to less than the tools read"));
    }
    Ok(())
}

fn wrong_kind() -> Problem {
    Problem::forbidden("this token is of another kind").with_remediation(
        "management needs a token of the organisation, `/v1/app-sec` one of an integration, `/mcp` one for assistants",
    )
}

/// Put there by `around`, which every operation goes through.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthenticated)
    }
}
