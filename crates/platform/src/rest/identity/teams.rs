//! Teams and who belongs to them.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::identity as wire;

use super::super::answer::{created, done, json};
use super::super::asked::Input;
use super::super::error::Refusal;
#[cfg(test)]
use super::super::hal::Listing;
use super::super::hal::embedded;
#[cfg(test)]
use super::super::query::Kind;
#[cfg(test)]
use super::super::query::parameter;
use super::super::query::{Query, parameters};
#[cfg(test)]
use super::ChangeParameters;
#[cfg(test)]
use super::SORT;
use super::{listing, manner, page_of};
use crate::caller::{Caller, Grant, ManageIdentity};
use crate::state::AppState;
use countersign_tenant::teams::{self, Filter};
use countersign_tenant::{Change, Refused, View};

embedded!(Teams, teams: wire::Team);

parameters!(
    TeamFilters,
    &[
        parameter("all_for_org", Kind::Truth, "Not only those of the caller."),
        parameter("ignore_self_teams", Kind::Truth, "The same."),
        parameter("team_name", Kind::Text, "Part of the name."),
        SORT,
    ],
    paged
);
parameters!(
    OwnTeamFilters,
    &[parameter("team_name", Kind::Text, "Part of the name."), SORT],
    paged
);

/// The caller's teams, or with `all_for_org` or `ignore_self_teams` all of them.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/teams",
    tag = "Teams",
    params(TeamFilters),
    responses((status = 200, body = Listing<Teams>)),
))]
pub(crate) async fn list_teams(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let query = Query::parse(raw.as_deref());
    let is_asked = |name| Ok::<_, Refusal>(query.truth(name)?.unwrap_or_default());
    let is_all = is_asked("all_for_org")? || is_asked("ignore_self_teams")?;
    page(state, grant.caller, is_all, query, "teams").await
}

/// The teams of the caller.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/teams/self",
    tag = "Teams",
    params(OwnTeamFilters),
    responses((status = 200, body = Listing<Teams>)),
))]
pub(crate) async fn list_own_teams(
    grant: Grant<ManageIdentity>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    page(state, grant.caller, false, Query::parse(raw.as_deref()), "teams/self").await
}

async fn page(
    state: AppState,
    caller: Caller,
    is_all: bool,
    query: Query,
    path: &'static str,
) -> Result<Response, Refusal> {
    let member = (!is_all).then_some(caller.user.id);
    state
        .look(move |view| {
            let (teams, page) = page_of(&query, |query, window| {
                let filter = Filter { member, name: query.get("team_name").map(String::from) };
                Ok(teams::list(view, &filter, window, &caller.base)?)
            })?;
            listing::<_, Teams>(path, teams, page, &caller.base, &query)
        })
        .await
}

/// A team with its members.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/api/authn/v2/teams/{team_id}",
    tag = "Teams",
    responses((status = 200, body = wire::Team)),
))]
pub(crate) async fn read_team(
    grant: Grant<ManageIdentity>,
    Path(team_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    let read = move |view: &View<'_>| teams::read(view, &team_id, &grant.caller.base);
    json(&state.look::<_, Refused>(read).await?)
}

/// A new team.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/api/authn/v2/teams",
    tag = "Teams",
    request_body = wire::TeamInput,
    responses((status = 201, body = wire::Team)),
))]
pub(crate) async fn create_team(
    grant: Grant<ManageIdentity>,
    State(state): State<AppState>,
    Input(wanted): Input<wire::TeamInput>,
) -> Result<Response, Refusal> {
    let act = grant.caller.act();
    let make = move |change: &Change<'_>| teams::create(change, wanted, &grant.caller.base);
    created(&state.change(act, make).await?)
}

/// Changes a team.
#[cfg_attr(test, utoipa::path(
    put,
    path = "/api/authn/v2/teams/{team_id}",
    tag = "Teams",
    params(ChangeParameters),
    request_body = wire::TeamInput,
    responses((status = 200, body = wire::Team)),
))]
pub(crate) async fn update_team(
    grant: Grant<ManageIdentity>,
    Path(team_id): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
    Input(wanted): Input<wire::TeamInput>,
) -> Result<Response, Refusal> {
    let manner = manner(&Query::parse(raw.as_deref()))?;
    let act = grant.caller.act();
    let make = move |change: &Change<'_>| {
        teams::update(change, &team_id, wanted, manner, &grant.caller.base)
    };
    json(&state.change(act, make).await?)
}

/// Deletes a team.
#[cfg_attr(test, utoipa::path(
    delete,
    path = "/api/authn/v2/teams/{team_id}",
    tag = "Teams",
    responses((status = 200, description = "An empty object.")),
))]
pub(crate) async fn delete_team(
    grant: Grant<ManageIdentity>,
    Path(team_id): Path<String>,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state.change(grant.caller.act(), move |change| teams::delete(change, &team_id)).await?;
    Ok(done())
}
