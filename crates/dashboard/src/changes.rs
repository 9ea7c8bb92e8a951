//! What changed, the newest first.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use countersign_store::{ApplicationRow, ChangeFilter, ChangeKind, ChangeRow, Scope};

use super::inner::Inner;
use super::look::severity;
use super::query::{self, Query, link};
use super::text::Shown;
use super::web::{Frame, Reader, Stop};
use countersign_web::moment::Moment;

const PAGE: u32 = 50;
const MAX_DIFFERENCES: usize = 20;
const SENTENCE_CHARS: usize = 320;
/// Applications that are offered when several could be meant.
const MAX_OFFERED: usize = 10;

const KINDS: [(&str, ChangeKind); 4] = [
    ("new", ChangeKind::New),
    ("changed", ChangeKind::Changed),
    ("reopened", ChangeKind::Reopened),
    ("closed", ChangeKind::Closed),
];

/// What a change says, as far as there is room.
pub(super) fn told(row: &ChangeRow) -> Vec<Shown> {
    let sentences = row.sentences().into_iter().take(MAX_DIFFERENCES);
    sentences.map(|text| Shown::cut(&text, SENTENCE_CHARS)).collect()
}

struct Row {
    at: Moment,
    kind: &'static str,
    reason: Option<Shown>,
    severity: String,
    title: Shown,
    link: String,
    application: Shown,
    application_link: String,
    sentences: Vec<Shown>,
}

#[derive(Template)]
#[template(path = "changes.html")]
struct Page {
    frame: Frame,
    kinds: Vec<(&'static str, bool)>,
    name: String,
    /// Where the address names an application itself.
    chosen: Option<(Shown, String)>,
    offered: Vec<(Shown, String)>,
    complaint: Option<String>,
    rows: Vec<Row>,
    newest: Option<String>,
    older: Option<String>,
}

pub(super) async fn list(
    State(inner): State<Inner>,
    reader: Reader,
    query: Query,
) -> Result<Response, Stop> {
    let kind = query.get("kind").and_then(|word| KINDS.iter().find(|(name, _)| *name == word));
    let Ok(before) = query.get("before").map(str::parse::<i64>).transpose() else {
        let what = "`before` is not a place in the list\nhint: follow the link `Changes`";
        return Err(Stop::Input(what.into()));
    };
    let name: String = query.get("name").unwrap_or_default().trim().chars().take(200).collect();
    let kind_word = kind.map_or("", |(name, _)| *name);
    let narrowed = Narrowed::read(&inner, &query, &name, kind_word).await?;
    let filter = ChangeFilter { kind: kind.map(|(_, kind)| *kind), scope: narrowed.scope };
    let rows = match narrowed.complaint {
        Some(_) => Vec::new(),
        None => inner.store.changes_before(filter, before, PAGE).await?,
    };
    let oldest = rows.last().map(|row| row.seq).filter(|_| rows.len() == PAGE as usize);
    let at = |before: &str| {
        let text = |name| query.get(name).unwrap_or_default();
        let place = [("integration", text("integration")), ("application", text("application"))];
        let own = [("kind", kind_word), ("name", name.as_str()), ("before", before)];
        link("/changes", &[own.as_slice(), &place].concat())
    };
    let page = Page {
        frame: reader.visitor.frame("Changes", "/changes"),
        kinds: KINDS.iter().map(|(name, _)| (*name, *name == kind_word)).collect(),
        chosen: narrowed.chosen,
        offered: narrowed.offered,
        complaint: narrowed.complaint,
        rows: rows.iter().map(shown).collect(),
        newest: before.map(|_| at("")),
        older: oldest.map(|seq| at(&seq.to_string())),
        name,
    };
    reader.visitor.page(200, &page)
}

/// Which application is meant.
#[derive(Default)]
struct Narrowed {
    scope: Scope,
    chosen: Option<(Shown, String)>,
    offered: Vec<(Shown, String)>,
    complaint: Option<String>,
}

impl Narrowed {
    async fn read(inner: &Inner, query: &Query, name: &str, kind: &str) -> Result<Self, Stop> {
        let place = query.get("integration").zip(query.get("application"));
        if place.is_none() && name.is_empty() {
            return Ok(Self::default());
        }
        let all = inner.store.applications().await?;
        if let Some((integration, guid)) = place {
            let is_it = |row: &&ApplicationRow| {
                row.integration == integration && row.application.guid.as_str() == guid
            };
            let row = all.iter().find(is_it).ok_or(Stop::NotFound)?;
            let without = link("/changes", &[("kind", kind)]);
            let chosen = Some((Shown::cut(&row.application.name, 100), without));
            return Ok(Self { scope: scope(row), chosen, ..Self::default() });
        }
        let wanted = name.to_lowercase();
        let named = |row: &ApplicationRow| row.application.name.to_lowercase();
        let mut fit: Vec<_> = all.iter().filter(|row| named(row) == wanted).collect();
        if fit.is_empty() {
            fit = all.iter().filter(|row| named(row).contains(&wanted)).collect();
        }
        if let [one] = fit[..] {
            return Ok(Self { scope: scope(one), ..Self::default() });
        }
        let offered = fit.iter().take(MAX_OFFERED).map(|row| {
            let (integration, guid) = (row.integration.as_str(), row.application.guid.as_str());
            let place = [("kind", kind), ("integration", integration), ("application", guid)];
            (Shown::cut(&row.application.name, 100), link("/changes", &place))
        });
        let complaint = match fit.len() {
            0 => "No application has such a name.".to_owned(),
            count if count > MAX_OFFERED => format!(
                "{count} applications have such a name. Type more of it, or choose one of the first {MAX_OFFERED}:"
            ),
            count => format!("{count} applications have such a name. Choose one:"),
        };
        Ok(Self { offered: offered.collect(), complaint: Some(complaint), ..Self::default() })
    }
}

fn scope(row: &ApplicationRow) -> Scope {
    Scope::Application {
        integration: row.integration.clone(),
        guid: row.application.guid.to_string(),
    }
}

fn shown(row: &ChangeRow) -> Row {
    let path = format!("/findings/{}", row.finding_id);
    Row {
        at: Moment(row.at_ms),
        kind: row.kind.as_str(),
        reason: row.reason.map(|why| Shown::cut(why.as_str(), 200)),
        severity: severity(row.severity),
        title: Shown::cut(&row.title, 160),
        link: link(&path, &[("integration", &row.integration)]),
        application: Shown::cut(&row.application_name, 60),
        application_link: query::application(&row.integration, &row.application),
        sentences: told(row),
    }
}
