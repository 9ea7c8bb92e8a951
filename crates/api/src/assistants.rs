//! The tools of assistants over HTTP: whose token it is says how far they reach.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use countersign_store::{AccountId, PermissionSet};

use crate::Reach;
use crate::caller::Caller;
use crate::inner::Inner;
use crate::mcp::{Http, Reads, http};
use crate::problem::Problem;

/// What answers. A request needs a [`Reach`], which [`reach`] notes.
pub(crate) fn service(inner: &Inner) -> Http {
    let reads = Reads {
        store: inner.store.clone(),
        clock: inner.clock.clone(),
        policy: inner.policy.clone(),
    };
    http(reads)
}

/// Notes how far the caller reaches: to one integration, to those of one account, or, with
/// the permission for it, to everything.
pub(crate) async fn reach(
    State(inner): State<Inner>,
    caller: Caller,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let scope = &caller.token().scope;
    let own = match (&caller.token().integration_uid, scope.account) {
        (Some(uid), _) => Reach::Integrations(vec![inner.store.owned_integration(uid).await?.name]),
        (None, Some(account)) => of_account(&inner, account).await?,
        (None, None) if scope.permission_set == PermissionSet::McpManagement => Reach::Everything,
        // Limited to something that is gone.
        (None, None) => Reach::Integrations(Vec::new()),
    };
    request.extensions_mut().insert(own);
    Ok(next.run(request).await)
}

async fn of_account(inner: &Inner, account: AccountId) -> Result<Reach, Problem> {
    let all = inner.store.owned_integrations(Some(account)).await?;
    Ok(Reach::Integrations(all.into_iter().map(|one| one.name).collect()))
}
