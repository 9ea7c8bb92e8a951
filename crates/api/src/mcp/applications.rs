//! `list_applications`.

use countersign_findings::Severity;
use countersign_findings::filter::{Expression, Field, Operator, Value};
use countersign_store::ApplicationRow;
use data_encoding::BASE64URL_NOPAD;

use super::answer::{Item, Known, Refused, page};
use super::findings::{small, stale};
use super::input::{Args, Input, Kind};
use super::tools::{CURSOR, LIMIT, Tools};

const NAME: Input = Input {
    name: "name",
    about: "Part of the name, in whatever case; with * a pattern of the whole name.",
    kind: Kind::Text { most: 1_000 },
    is_needed: false,
};

pub(super) const LIST: &[&Input] = &[&NAME, &CURSOR, &LIMIT];

pub(super) async fn list(tools: &Tools, args: &Args) -> Result<Item, Refused> {
    let like = |name: &str| {
        Expression::of(Field::ApplicationName, Operator::Like, Value::Text(name.to_owned()))
    };
    let rows = tools.applications(args.text(&NAME).map(like).unwrap_or_default()).await?;
    let begin = match args.text(&CURSOR) {
        Some(cursor) => 1 + rows.iter().position(|row| place(row) == cursor).ok_or_else(stale)?,
        None => 0,
    };
    let limit = small(args.number(&LIMIT)) as usize;
    let (listed, last) = page(&rows[begin..], limit, application);
    Ok(Item::default()
        .fact("total", rows.len() as u64)
        .list("applications", listed)
        .fact("cursor", last.map(|row| Known::own(&place(row)))))
}

/// The place of an application in the list, whatever comes and goes around it.
fn place(row: &ApplicationRow) -> String {
    let key = format!("{}\0{}", row.application.guid, row.integration);
    BASE64URL_NOPAD.encode(key.as_bytes())
}

fn application(row: &ApplicationRow) -> Item {
    let application = &row.application;
    let mut open = Item::default();
    for severity in Severity::ALL {
        open = open.fact(severity.name(), row.open[usize::from(severity.level())]);
    }
    Item::default()
        .object("open_by_severity", open)
        .fact("integration", Known::own(&row.integration))
        .fact("is_visible", !row.gone)
        .fact("open", row.open.iter().sum::<u64>())
        .fact("findings", row.findings)
        .fact("findings_in_sandboxes", row.in_sandboxes)
        .fact("last_scan", application.last_scan_ms.map(Known::time))
        .fact("read_completely", row.read_ms.map(Known::time))
        .fact("is_incomplete", row.incomplete.is_some())
        .line("name", application.name.as_str())
        .line("guid", application.guid.as_str())
        .line("criticality", application.business_criticality.as_deref())
        .line("policy", application.policy.as_deref())
        .line("policy_compliance", application.policy_compliance.as_deref())
        .line("business_unit", application.business_unit.as_deref())
        .line("why_incomplete", row.incomplete.as_deref())
        .lines("teams", application.teams.iter().map(String::as_str), 10)
        .lines("tags", application.tags.iter().map(String::as_str), 10)
}
