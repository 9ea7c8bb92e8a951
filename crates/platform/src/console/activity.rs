//! The activity log: what was done by whom, on a page and as CSV.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use countersign_signin::audit::{Entry, Filter};
use countersign_text::line;

use super::Console;
use super::web::{Admin, Frame, Moment, Stop, Tab};
use crate::rest::query::Query;
use countersign_tenant::{Error, View, activity};
use countersign_web::query::encode;

const PAGE: u32 = 100;
/// Of a file; the newest.
const MAX_LINES: u32 = 100_000;

#[derive(Template)]
#[template(path = "activity.html")]
struct Activity {
    frame: Frame,
    entries: Vec<(Moment, Entry)>,
    filter: Filter,
    older: Option<String>,
    csv: String,
}

fn filter(query: &Query) -> Filter {
    let text = |name: &str| query.get(name).unwrap_or_default().trim().to_owned();
    Filter {
        before: query.get("before").and_then(|id| id.parse().ok()),
        actor: text("actor"),
        act: text("act"),
        target: text("target"),
    }
}

fn link(path: &str, filter: &Filter) -> String {
    let (actor, act, target) = (encode(&filter.actor), encode(&filter.act), encode(&filter.target));
    format!("{path}?actor={actor}&act={act}&target={target}")
}

pub(super) async fn show(
    State(console): State<Console>,
    Admin(person): Admin,
    RawQuery(raw): RawQuery,
) -> Result<Response, Stop> {
    let filter = filter(&Query::parse(raw.as_deref()));
    let wanted = filter.clone();
    let ask = move |view: &View<'_>| activity::newest(view, &wanted, PAGE);
    let entries = console.app.look::<_, Error>(ask).await?;
    let is_full = entries.len() == PAGE as usize;
    let oldest = entries.last().map(|(id, _)| *id).filter(|_| is_full);
    let older = oldest.map(|id| format!("{}&before={id}", link("/admin/activity", &filter)));
    let page = Activity {
        frame: person.visitor.frame("Activity Log").within(Tab::Activity),
        entries: entries.into_iter().map(|(_, entry)| (Moment(entry.at_ms), entry)).collect(),
        older,
        csv: link("/admin/activity.csv", &filter),
        filter,
    };
    person.visitor.page(200, &page)
}

pub(super) async fn csv(
    State(console): State<Console>,
    Admin(_): Admin,
    RawQuery(raw): RawQuery,
) -> Result<Response, Stop> {
    let filter = filter(&Query::parse(raw.as_deref()));
    let ask = move |view: &View<'_>| activity::newest(view, &filter, MAX_LINES);
    let entries = console.app.look::<_, Error>(ask).await?;
    let mut text = String::from("number,time,user,activity,details,address\r\n");
    for (id, entry) in entries {
        let time = Moment(entry.at_ms).iso();
        let cells = [&entry.actor, &entry.act, &entry.target, &entry.address].map(|t| cell(t));
        text.push_str(&format!("{id},{time},{}\r\n", cells.join(",")));
    }
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"activity.csv\""),
    ];
    Ok((headers, text).into_response())
}

/// Quoted, and never the beginning of a formula.
fn cell(text: &str) -> String {
    let text = line(text).to_string();
    let is_formula = text.trim_start().starts_with(['=', '+', '-', '@']);
    format!("\"{}{}\"", if is_formula { "'" } else { "" }, text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_no_formulas() {
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        assert_eq!(cell("\t=1\u{202e}"), "\"' =1<U+202E>\"");
        assert_eq!(cell("say \"a, b\""), "\"say \"\"a, b\"\"\"");
    }
}
