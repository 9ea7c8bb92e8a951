//! Pages of the real service, taken in.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};

use super::answer::{Answer, Holder, told, unread};
use crate::rest::query::Query;
use crate::state::AppState;
use countersign_tenant::{Change, Error, import};

/// Of a page.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// A page of applications or findings as the real service answers it; all of it or
/// nothing.
pub(super) async fn take_in(
    Holder(act): Holder,
    State(state): State<AppState>,
    RawQuery(raw): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let body = body.map_err(|error| unread(&error, "a page is at most 64 MiB"))?;
    let query = Query::parse(raw.as_deref());
    let seed = query.get("seed").unwrap_or_default().to_owned();
    let application = query.get("application").map(String::from);
    let page = move |change: &Change<'_>| -> Result<_, Error> {
        import::page(change, &body, &seed, application.as_deref())
    };
    told(&state.change(act, page).await?)
}
