//! What was asked of each integration: sums, hours, and the last failures.

use axum::extract::{Path, RawQuery, State};
use countersign_store::{ApiFailure, OwnedIntegration, Traffic};
use serde_json::{Value, json};

use super::list::{self, Asked, List};
use super::{Answer, account, accounts, answer, integration, integrations, integrations_of, time};
use crate::caller::Caller;
use crate::inner::{HOUR_MS, Inner};
use crate::problem::Problem;

/// Hours of a series, that under way included.
const HOURS: i64 = 24;
/// Failures that are listed.
const EVENTS: u32 = 100;
pub(super) const EXPAND: [&str; 5] = ["account", "accounts", "integration", "integrations", "all"];
pub(super) const ASKED: Asked = Asked {
    fields: &["account_id", "integration_id", "status", "created_at", "updated_at"],
    expand: &EXPAND,
    total: false,
};

/// How an integration is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Idle,
    Ok,
    Failing,
}

impl Health {
    /// By the last hour in which something was asked.
    fn of(last: Option<&Traffic>) -> Self {
        match last {
            None => Self::Idle,
            Some(last) if last.succeeded == 0 && last.failed > 0 => Self::Failing,
            Some(_) => Self::Ok,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Ok => "ok",
            Self::Failing => "failing",
        }
    }
}

pub(super) async fn list(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
) -> Answer {
    let list = List::of(query.as_deref(), &ASKED)?;
    inner.write_traffic().await;
    let mut all = Vec::new();
    for one in integrations_of(&inner, &caller).await? {
        let mut object = shown(&inner, &one).await?;
        if list.expands(&["account", "accounts", "all"]) {
            object["account"] = accounts::shown(&account(&inner, &caller, &one.account_uid).await?);
        }
        if list.expands(&["integration", "integrations", "all"]) {
            object["integration"] = integrations::shown(&inner, &one).await?;
        }
        all.push(object);
    }
    list.answer(all)
}

pub(super) async fn get(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((of, uid)): Path<(String, String)>,
) -> Answer {
    let expand = list::expanded(query.as_deref(), &EXPAND)?;
    let one = integration(&inner, &caller, (&of, &uid)).await?;
    inner.write_traffic().await;
    let mut object = shown(&inner, &one).await?;
    let expands = |words: &[&str]| expand.iter().any(|word| words.contains(&word.as_str()));
    if expands(&["account", "accounts", "all"]) {
        object["account"] = accounts::shown(&account(&inner, &caller, &of).await?);
    }
    if expands(&["integration", "integrations", "all"]) {
        object["integration"] = integrations::shown(&inner, &one).await?;
    }
    answer(object)
}

async fn shown(inner: &Inner, integration: &OwnedIntegration) -> Result<Value, Problem> {
    let hours = inner.store.traffic(integration.id, 0).await?;
    let mut sum = Traffic::default();
    for (_, hour) in &hours {
        sum.add(hour);
    }
    let last = hours.last();
    let updated_ms = last.map_or(integration.created_ms, |(hour, _)| hour * HOUR_MS);
    Ok(json!({
        "account_id": integration.account_uid,
        "integration_id": integration.known.uid,
        "name": integration.known.slug,
        "status": Health::of(last.map(|(_, traffic)| traffic)).as_str(),
        "requests": sum.succeeded + sum.failed,
        "failed": sum.failed,
        "cpu_time": sum.cpu_us,
        "db_ops": sum.db_ops,
        "api_ops": sum.api_ops,
        "in_bytes": sum.in_bytes,
        "out_bytes": sum.out_bytes,
        "created_at": time(integration.created_ms),
        "updated_at": time(updated_ms.max(integration.created_ms)),
    }))
}

pub(super) async fn reset(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((of, uid)): Path<(String, String)>,
) -> Answer {
    list::none(query.as_deref())?;
    let one = integration(&inner, &caller, (&of, &uid)).await?;
    // What was counted before belongs to before.
    inner.write_traffic().await;
    inner.store.reset_traffic(one.id).await?;
    answer(Value::Null)
}

pub(super) async fn events(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((of, uid)): Path<(String, String)>,
) -> Answer {
    list::none(query.as_deref())?;
    let one = integration(&inner, &caller, (&of, &uid)).await?;
    inner.write_traffic().await;
    let failures = inner.store.api_failures(one.id, EVENTS).await?;
    let event = |(at, failure): (usize, &ApiFailure)| {
        json!({
            "account_id": one.account_uid,
            "integration_id": one.known.uid,
            "created_at": time(failure.at_ms),
            "status": failure.status.to_string(),
            "error": failure.error,
            "operation": failure.operation,
            // The newest is first: what is numbered is the list.
            "request": at + 1,
        })
    };
    answer(failures.iter().enumerate().map(event).collect())
}

pub(super) async fn series_of_all(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
) -> Answer {
    hourly(query.as_deref())?;
    let all = integrations_of(&inner, &caller).await?;
    answer(summed(&inner, &all).await?)
}

pub(super) async fn series(
    State(inner): State<Inner>,
    RawQuery(query): RawQuery,
    caller: Caller,
    Path((of, uid)): Path<(String, String)>,
) -> Answer {
    hourly(query.as_deref())?;
    let one = integration(&inner, &caller, (&of, &uid)).await?;
    answer(summed(&inner, &[one]).await?)
}

/// The only interval there is.
fn hourly(query: Option<&str>) -> Result<(), Problem> {
    for (name, value) in list::pairs(query) {
        match (name.as_str(), value.as_str()) {
            ("interval", "hour") => {}
            ("interval", _) => return Err(Problem::query(&name, &value, "this is `hour`")),
            _ => return Err(list::unknown(&name, &value)),
        }
    }
    Ok(())
}

/// Every hour of the last ones: nothing was asked is zero, and not left out.
async fn summed(inner: &Inner, integrations: &[OwnedIntegration]) -> Result<Value, Problem> {
    inner.write_traffic().await;
    let last = inner.now().div_euclid(HOUR_MS);
    let first = last - HOURS + 1;
    let mut hours = vec![Traffic::default(); usize::try_from(HOURS).unwrap_or_default()];
    for one in integrations {
        for (hour, traffic) in inner.store.traffic(one.id, first).await? {
            let at = usize::try_from(hour - first).ok();
            if let Some(sum) = at.and_then(|at| hours.get_mut(at)) {
                sum.add(&traffic);
            }
        }
    }
    let series = (first..).zip(&hours).map(|(hour, traffic)| {
        json!({
            "created_at": time(hour * HOUR_MS),
            "succeeded": traffic.succeeded,
            "failed": traffic.failed,
            "cpu_time": traffic.cpu_us,
            "in_bytes": traffic.in_bytes,
            "out_bytes": traffic.out_bytes,
        })
    });
    Ok(json!({
        "start_time": time(first * HOUR_MS),
        "end_time": time((last + 1) * HOUR_MS),
        "interval": "hour",
        "series": series.collect::<Vec<_>>(),
    }))
}
