//! `expiring_credentials`. Of each what somebody has to know to act in time; secrets are in
//! the vault, which nothing here can open.

use countersign_connector::watch::{DAY_MS, Row, State, rows};

use super::answer::{Item, Known, Refused, Room};
use super::input::{Args, Input, Kind};
use super::tools::Tools;
use crate::Reach;

const DAYS: Input = Input {
    name: "days",
    about: "Credentials that expire within so many days.",
    kind: Kind::Number { least: 0, most: 3_650, usual: Some(30) },
    is_needed: false,
};

pub(super) const EXPIRING: &[&Input] = &[&DAYS];

/// Credentials of one result.
const MOST: usize = 100;

pub(super) async fn expiring(tools: &Tools, args: &Args) -> Result<Item, Refused> {
    let (store, policy, now_ms) = (tools.store(), &tools.reads.policy, tools.now());
    let mut rows = rows(store, policy, now_ms).await?;
    rows.retain(|row| is_within(&tools.reach, row));
    let days = args.number(&DAYS).unwrap_or_default();
    let end_ms = now_ms.saturating_add(i64::try_from(days).unwrap_or(i64::MAX) * DAY_MS);
    let due = rows.iter().filter(|row| is_due(row, end_ms));
    let listed = Room::new().fill(due.map(|row| credential(&tools.reach, row)), MOST);
    Ok(Item::default().fact("credentials_in_all", rows.len() as u64).list("credentials", listed))
}

/// A credential belongs to the integrations that sign with it; those of nobody are seen by
/// who reaches everything.
fn is_within(reach: &Reach, row: &Row) -> bool {
    reach.names().is_none() || row.integrations.iter().any(|name| reach.holds(name))
}

/// Whether somebody has to look at it by then. Nobody knows that of one without an expiry.
fn is_due(row: &Row, end_ms: i64) -> bool {
    let is_soon = row.expires_ms.is_none_or(|ms| ms <= end_ms);
    is_soon || matches!(row.state, State::Lapsed | State::Refused | State::RoleMissing)
}

fn credential(reach: &Reach, row: &Row) -> Item {
    let own = row.integrations.iter().filter(|name| reach.holds(name));
    let own = own.map(String::as_str).collect::<Vec<_>>().join(", ");
    let problem = row.problem.as_deref().and_then(|problem| problem.lines().next());
    Item::default()
        .fact("name", Known::own(&row.name))
        .fact("kind", row.kind.as_str())
        .fact("host", Known::own(&row.host))
        .fact("state", spoken(row.state))
        .fact("expires", row.expires_ms.map(Known::time))
        .fact("days_left", row.days_left)
        .fact("checked", row.checked_ms.map(Known::time))
        .fact("integrations", Known::own(&own))
        .line("account", row.account.as_deref())
        .line("problem", problem)
        .lines("to_do", row.actions().iter().map(String::as_str), 10)
}

fn spoken(state: State) -> &'static str {
    match state {
        State::Lapsed => "expired",
        State::Refused => "refused by the service",
        State::RoleMissing => "lacks a role",
        State::Expiring => "expires within 30 days",
        State::Unreachable => "the service could not be asked",
        State::Unchecked => "the service was never asked",
        State::Fine => "fine",
    }
}
