//! Everything as one JSON object, for dashboards; `credentials list --json` prints
//! its rows.

use countersign_findings::rfc3339;
use countersign_store::{Delivery, LastCheck, Notice};
use serde_json::{Value, json};

use super::super::{Kind, Row, Standing};

/// The whole object.
pub(super) fn render(
    rows: &[Row],
    notices: &[Notice],
    deliveries: &[Delivery],
    last: Option<&LastCheck>,
    now_ms: i64,
) -> Value {
    let open = notices.iter().filter(|notice| notice.ended_ms.is_none());
    json!({
        "schema": 1,
        "at": rfc3339(now_ms),
        "store": last.map(|last| json!({
            "checked_at": rfc3339(last.at_ms), "problems": last.problems, "first": last.first,
        })),
        "credentials": rows.iter().map(row).collect::<Vec<_>>(),
        "notices": open.map(|one| notice(one, rows, deliveries)).collect::<Vec<_>>(),
    })
}

/// One credential.
pub fn row(row: &Row) -> Value {
    let time = |ms: Option<i64>| ms.map(rfc3339);
    let standing = |standing| match standing {
        Standing::Held => "held",
        Standing::Missing => "missing",
        Standing::Unproven => "unproven",
    };
    let needs = row.needs.iter().map(|need| {
        json!({ "what": need.what, "any_of": need.any_of, "standing": standing(need.standing) })
    });
    let excess = row.excess.iter().map(|(role, what)| json!({ "role": role, "what": what }));
    json!({
        "name": row.name,
        "kind": row.kind,
        "api_id": row.api_id,
        "version": row.version,
        "host": row.host,
        "account": row.account,
        "user_id": row.user_id,
        "purpose": row.purpose.as_str(),
        "integrations": row.integrations,
        "state": row.state.as_str(),
        "added_at": rfc3339(row.added_ms),
        "created_at": rfc3339(row.published_ms),
        "expires_at": time(row.expires_ms),
        "days_left": row.days_left,
        "checked_at": time(row.checked_ms),
        "problem": row.problem,
        "used_at": time(row.used_ms),
        "used_by": row.used_by,
        "roles": row.roles,
        "needs": needs.collect::<Vec<_>>(),
        "excess": excess.collect::<Vec<_>>(),
        "clock_skew_ms": row.skew_ms,
        "account_may_be_disabled_at": time(row.may_be_disabled_ms),
        "foreign_id": row.foreign_id,
        "rotation_stuck_since": time(row.stuck_since_ms),
        "actions": row.actions(),
    })
}

fn notice(notice: &Notice, rows: &[Row], deliveries: &[Delivery]) -> Value {
    let time = |ms: Option<i64>| ms.map(rfc3339);
    let row = rows.iter().find(|row| row.id == notice.credential);
    let own = deliveries.iter().filter(|one| one.notice == notice.id).map(|one| {
        json!({
            "channel": one.channel,
            "escalation": one.is_escalation,
            "attempts": one.attempts,
            "sent_at": time(one.sent_ms),
            "problem": one.problem,
        })
    });
    json!({
        "credential": row.map(|row| row.name.as_str()),
        "kind": notice.kind.as_str(),
        "threshold_days": (notice.kind == Kind::Expiry).then_some(notice.threshold),
        "urgent": notice.is_urgent,
        "raised_at": rfc3339(notice.raised_ms),
        "acknowledged_at": time(notice.acknowledged_ms),
        "escalated_at": time(notice.escalated_ms),
        "deliveries": own.collect::<Vec<_>>(),
    })
}
