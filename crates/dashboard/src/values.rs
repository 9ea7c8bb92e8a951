//! All values of one field among the findings of a filter, with a search: what a facet that
//! shows the most frequent ones leads to.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use countersign_findings::filter::Field;

use super::filters::{Asked, Facet, findings, written};
use super::findings::{FACETS, label};
use super::inner::Inner;
use super::look::grouped;
use super::place::{Around, Pages, crumb};
use super::query::{Query, link};
use super::text::Shown;
use super::web::{Frame, Reader, Stop};

const PATH: &str = "/findings/values";
const PAGE: u32 = 100;
/// Values that are looked through.
const MAX_VALUES: u32 = 20_000;
const MAX_FIND_CHARS: usize = 200;

struct Value {
    label: Shown,
    count: String,
    link: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "values.html")]
struct Page {
    frame: Frame,
    name: &'static str,
    field: &'static str,
    filter: String,
    find: String,
    place: String,
    rows: Vec<Value>,
    around: Around,
    /// There are more than are looked through.
    is_cut: bool,
}

pub(super) async fn list(
    State(inner): State<Inner>,
    reader: Reader,
    query: Query,
) -> Result<Response, Stop> {
    let wanted = query.get("field").unwrap_or(Field::Application.name());
    let facet = FACETS.iter().find(|(field, _)| field.name() == wanted).copied();
    let (field, name) = facet.ok_or(Stop::NotFound)?;
    let asked = Asked::read(&query, reader.visitor.now_ms).known(&inner.store).await?;
    if let Some(complaint) = asked.complaint {
        return Err(Stop::Input(complaint));
    }
    let filter = written(&asked.expression);
    let find = query.get("find").unwrap_or_default().trim();
    let find: String = find.chars().take(MAX_FIND_CHARS).collect();
    let facet = Facet::of(&asked.expression, field);
    let rows = inner.store.facet(facet.rest(), field, MAX_VALUES).await?;
    let is_cut = rows.len() >= MAX_VALUES as usize;
    let needle = find.to_lowercase();
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row, label(field, row)))
        .filter(|(row, label)| {
            label.to_lowercase().contains(&needle) || row.value.to_lowercase() == needle
        })
        .collect();
    let pages = Pages::read(&query, PAGE, rows.len() as u64);
    let first = usize::try_from(pages.skipped()).unwrap_or(usize::MAX);
    let shown = rows.iter().skip(first).take(PAGE as usize);
    let values = shown.filter_map(|(row, label)| {
        let (is_chosen, toggled) = facet.toggled(&row.value)?;
        let (label, count) = (Shown::cut(label, 200), grouped(row.count));
        Some(Value { label, count, link: findings(&toggled), is_chosen })
    });
    let at = |page: &str| all(field, &filter, &find, page);
    let page = Page {
        frame: reader.visitor.frame(name, "/findings").below(vec![crumb(&asked.expression, 1)]),
        name,
        field: field.name(),
        rows: values.collect(),
        place: pages.words(),
        around: pages.around(at),
        filter,
        find,
        is_cut,
    };
    reader.visitor.page(200, &page)
}

fn all(field: Field, filter: &str, find: &str, page: &str) -> String {
    link(PATH, &[("field", field.name()), ("filter", filter), ("find", find), ("page", page)])
}
