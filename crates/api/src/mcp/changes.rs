//! `what_changed`.

use countersign_findings::filter::{Expression, Field, Operator, Value};
use countersign_findings::{Severity, parse_moment};
use countersign_store::{ChangeKind, ChangePage, ChangeRow, Reason};

use super::answer::{Item, Known, Refused, page};
use super::findings::{small, stale};
use super::input::{Args, Input, Kind};
use super::tools::{LIMIT, Tools};

const SINCE: Input = Input {
    name: "since",
    about: "Begin at this time: a date (2026-11-24), a time (2026-11-24T08:00:00Z) or an age \
        (90m, 12h, 30d, 2w). Without it and without `cursor`: 7d.",
    kind: Kind::Text { most: 64 },
    is_needed: false,
};
const USUAL_SINCE: &str = "7d";
const PLACE: Input = Input {
    name: "cursor",
    about: "Only changes after those of the result with this `cursor`; `since` is ignored.",
    kind: Kind::Text { most: 20 },
    is_needed: false,
};
const KIND: Input = Input {
    name: "kind",
    about: "Only changes of this kind.",
    kind: Kind::Word(kinds),
    is_needed: false,
};
const APPLICATION: Input = Input {
    name: "application",
    about: "Only of this application: its name or its guid.",
    kind: Kind::Text { most: 1_000 },
    is_needed: false,
};

pub(super) const FEED: &[&Input] = &[&SINCE, &PLACE, &KIND, &APPLICATION, &LIMIT];

/// Sentences of one change.
const MOST_SENTENCES: usize = 10;

fn kinds() -> Vec<&'static str> {
    ChangeKind::ALL.iter().map(|kind| kind.as_str()).collect()
}

pub(super) async fn feed(tools: &Tools, args: &Args) -> Result<Item, Refused> {
    let asked = asked(tools, args).await?;
    let limit = small(args.number(&LIMIT));
    let rows = tools.store().change_page(asked.clone(), limit + 1).await?;
    let left = tools.store().count_changes(asked.clone()).await?;
    let (listed, last) = page(&rows, limit as usize, change);
    // Also at the end: what comes later comes after it.
    let end = last.or(rows.last()).map(|row| row.seq).or(asked.since_seq);
    Ok(Item::default()
        .fact("total_from_here", left)
        .fact("has_more", last.is_some())
        .list("changes", listed)
        .fact("cursor", end.map(|seq| Known::own(&seq.to_string()))))
}

async fn asked(tools: &Tools, args: &Args) -> Result<ChangePage, Refused> {
    let after = args.text(&PLACE).map(str::parse::<i64>).transpose().map_err(|_| stale())?;
    let since = args.text(&SINCE).unwrap_or(USUAL_SINCE);
    let since_ms = match after {
        Some(_) => None,
        None => Some(moment(since, tools.now())?),
    };
    let kind = args.text(&KIND);
    let kinds = ChangeKind::ALL.iter().filter(|known| Some(known.as_str()) == kind);
    Ok(ChangePage {
        kinds: kinds.copied().collect(),
        integrations: tools.reach.names().map(<[String]>::to_vec),
        applications: match args.text(&APPLICATION) {
            Some(name) => guids(tools, name).await?,
            None => Vec::new(),
        },
        since_ms,
        since_seq: after,
        is_oldest_first: true,
        ..ChangePage::default()
    })
}

fn moment(text: &str, now_ms: i64) -> Result<i64, Refused> {
    parse_moment(text, now_ms).ok_or_else(|| {
        Refused::new(
            format!("`{text}` is not a time"),
            "give a date (2026-11-24), a time (2026-11-24T08:00:00Z) or an age (90m, 12h, 30d, 2w)",
        )
    })
}

/// Of the applications with this name; at least one.
async fn guids(tools: &Tools, name: &str) -> Result<Vec<String>, Refused> {
    let value = Value::Text(name.to_owned());
    let filter = Expression::of(Field::Application, Operator::Eq, value);
    tools.refuse_unknown(&filter).await?;
    let rows = tools.applications(filter).await?;
    Ok(rows.iter().map(|row| row.application.guid.to_string()).collect())
}

/// A row of the feed.
fn change(row: &ChangeRow) -> Item {
    what(row)
        .fact("finding", Known::own(&row.finding_id))
        .fact("integration", Known::own(&row.integration))
        .line("title", row.title.as_str())
        .line("application", row.application_name.as_str())
        .line("application_guid", row.application.as_str())
}

/// What became of a finding.
pub(super) fn what(row: &ChangeRow) -> Item {
    Item::default()
        .fact("at", Known::time(row.at_ms))
        .fact("kind", row.kind.as_str())
        .fact("reason", row.reason.map(Reason::as_str))
        .fact("severity", Severity::new(row.severity.into()))
        .lines("what", row.sentences().iter().map(String::as_str), MOST_SENTENCES)
}
