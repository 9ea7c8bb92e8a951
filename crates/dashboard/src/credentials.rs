//! Credentials: what there is, when it expires, and what to do about it. Never a
//! secret.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use countersign_connector::watch::{Row as Held, State as Standing};
use countersign_store::CredentialKind;

use super::inner::Inner;
use super::text::Shown;
use super::web::{Frame, Reader, Stop};
use crate::chart::{Mark, timeline};
use countersign_web::moment::{Moment, from_now};

struct Row {
    name: Shown,
    state: (&'static str, &'static str),
    kind: &'static str,
    api_id: Shown,
    host: Shown,
    account: Shown,
    purpose: Shown,
    expires: Option<(Moment, String)>,
    used: String,
    roles: Shown,
    problem: Option<Shown>,
    actions: Vec<Shown>,
}

#[derive(Template)]
#[template(path = "credentials.html")]
struct Page {
    frame: Frame,
    rows: Vec<Row>,
    timeline: Option<String>,
}

pub(super) async fn list(State(inner): State<Inner>, reader: Reader) -> Result<Response, Stop> {
    let now_ms = reader.visitor.now_ms;
    let held = (inner.inventory)().await.map_err(Stop::Failed)?;
    let mut marks: Vec<_> = held
        .iter()
        .filter_map(|row| {
            Some(Mark {
                name: row.name.clone(),
                at_ms: row.expires_ms?,
                class: match row.days_left.unwrap_or_default() {
                    ..=7 => "s5",
                    8..=30 => "s3",
                    _ => "cool",
                },
                words: from_now(row.expires_ms?, now_ms),
            })
        })
        .collect();
    marks.sort_by_key(|mark| mark.at_ms);
    let title = "When credentials expire";
    let page = Page {
        frame: reader.visitor.frame("Credentials", "/credentials"),
        timeline: (!marks.is_empty()).then(|| timeline("expiry", title, &marks, now_ms)),
        rows: held.iter().map(|row| shown(row, now_ms)).collect(),
    };
    reader.visitor.page(200, &page)
}

fn shown(row: &Held, now_ms: i64) -> Row {
    let used = match (row.used_ms, &row.used_by) {
        (Some(ms), Some(by)) => format!("{by}, {}", from_now(ms, now_ms)),
        (Some(ms), None) => from_now(ms, now_ms),
        _ => "never".into(),
    };
    let purpose = match row.integrations.is_empty() {
        true => row.purpose.as_str().to_owned(),
        false => row.integrations.join(", "),
    };
    let problem = row.problem.as_deref().and_then(|problem| problem.lines().next());
    let may_be_disabled = row.may_be_disabled_ms.filter(|_| row.state == Standing::Expiring);
    let disabled = may_be_disabled.map(|ms| {
        format!(
            "its account may be disabled then ({}), if nobody signs in to it",
            from_now(ms, now_ms)
        )
    });
    Row {
        name: Shown::new(&row.name),
        state: spoken(row.state),
        kind: match row.kind {
            CredentialKind::OAuth => "OAuth client",
            CredentialKind::Hmac => "HMAC credentials",
        },
        api_id: Shown::new(&row.api_id),
        host: Shown::new(&row.host),
        account: Shown::new(row.account.as_deref().unwrap_or("unknown")),
        purpose: Shown::new(&purpose),
        expires: row.expires_ms.map(|ms| (Moment(ms), from_now(ms, now_ms))),
        used,
        roles: Shown::cut(&row.roles.join(", "), 300),
        problem: problem.map(|why| Shown::cut(why, 300)),
        actions: row.actions().iter().chain(&disabled).map(|act| Shown::cut(act, 400)).collect(),
    }
}

fn spoken(state: Standing) -> (&'static str, &'static str) {
    match state {
        Standing::Lapsed => ("bad", "✗ expired"),
        Standing::Refused => ("bad", "✗ refused"),
        Standing::RoleMissing => ("bad", "✗ role missing"),
        Standing::Expiring => ("warn", "! expiring"),
        Standing::Unreachable => ("warn", "! unreachable"),
        Standing::Unchecked => ("", "unchecked"),
        Standing::Fine => ("good", "✓ fine"),
    }
}
