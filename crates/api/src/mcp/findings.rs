//! `search_findings`, `count_findings` and `get_finding`.

use countersign_connector::named::{self, Named};
use countersign_findings::filter::{Expression, Field, SHORTEST_ID};
use countersign_findings::{
    Annotation, Component, Context, DataPath, Finding, Population, ScanType, Vulnerability,
};
use countersign_store::{ChangeRow, FacetRow, FindingRow, Query};

use super::answer::{Item, Known, Refused, Room, page};
use super::changes;
use super::input::{Args, Input, Kind};
use super::tools::{CURSOR, LIMIT, Tools};

const FILTER: Input = Input {
    name: "filter",
    about: "Comparisons field[op]value joined by and, or, not and parentheses, such as \
        severity[gte]4 and (cwe[in]79,89 or file[like]login) and application[eq]\"Web Shop\". \
        Fields: id, application, application_name, integration, context, visible, scan_type, \
        severity (0 to 5), state (open, fixed, mitigated, false_positive), status, \
        violates_policy, cwe, category, title, file, module, url, component, cve, cvss, \
        first_found, last_seen (a date or an age such as 30d), notes, text (words). \
        Operators: eq, ne, gt, gte, lt, lte, like, in.",
    kind: Kind::Text { most: 16_384 },
    is_needed: false,
};
const EVERYTHING: Input = Input {
    name: "everything",
    about: "Also what the filter leaves open and lists leave out: every state, sandboxes, \
        applications that are no longer visible. Otherwise open findings of the policy context \
        of visible applications, which is what the dashboard counts.",
    kind: Kind::Flag,
    is_needed: false,
};
const BY: Input = Input {
    name: "by",
    about: "Field whose values are counted.",
    kind: Kind::Word(countable),
    is_needed: false,
};
pub(super) const ID: Input = Input {
    name: "id",
    about: "Id of a finding: its 20 hex digits, or the first of them (at least 4).",
    kind: Kind::Text { most: 64 },
    is_needed: true,
};
pub(super) const INTEGRATION: Input = Input {
    name: "integration",
    about: "Integration whose row is shown, where several hold the finding.",
    kind: Kind::Text { most: 200 },
    is_needed: false,
};

pub(super) const SEARCH: &[&Input] = &[&FILTER, &EVERYTHING, &CURSOR, &LIMIT];
pub(super) const COUNT: &[&Input] = &[&FILTER, &EVERYTHING, &BY, &LIMIT];
pub(super) const ONE: &[&Input] = &[&ID, &INTEGRATION];

const MOST_ANNOTATIONS: usize = 30;
const MOST_EVENTS: usize = 30;
const MOST_PATHS: usize = 5;
const MOST_STEPS: usize = 50;
const MOST_LINES: usize = 20;

fn countable() -> Vec<&'static str> {
    Field::ALL.into_iter().filter(|field| field.is_countable()).map(Field::name).collect()
}

/// Which findings a call is about.
struct Asked {
    /// Within reach, and of the usual ones where the filter leaves that open.
    filter: Expression,
    /// The same with the others.
    whole: Expression,
}

impl Asked {
    async fn read(tools: &Tools, args: &Args) -> Result<Self, Refused> {
        let text = args.text(&FILTER);
        let asked = text.map(|text| Expression::parse(text, tools.now())).transpose()?;
        let asked = asked.unwrap_or_default();
        tools.refuse_unknown(&asked).await?;
        let usual = Population::usual(&asked).filter(|_| !args.flag(&EVERYTHING));
        let whole = tools.reach.within(asked);
        let usual = usual.map(Population::filter).unwrap_or_default();
        Ok(Self { filter: Expression::all([whole.clone(), usual]), whole })
    }

    /// How many match, which ones these are, and how many there are beside them.
    async fn totals(&self, tools: &Tools) -> Result<Item, Refused> {
        let total = tools.store().count_findings(self.filter.clone()).await?;
        let whole = tools.store().count_findings(self.whole.clone()).await?;
        let counted = Population::of(&self.filter).map(|of| of.to_string());
        Ok(Item::default()
            .fact("total", total)
            .fact("elsewhere", whole.saturating_sub(total))
            .fact("counted", Known::own(counted.as_deref().unwrap_or("none"))))
    }
}

/// Of a number within the bounds of an input.
pub(super) fn small(number: Option<u64>) -> u32 {
    number.and_then(|number| number.try_into().ok()).unwrap_or_default()
}

pub(super) async fn search(tools: &Tools, args: &Args) -> Result<Item, Refused> {
    let after = args.text(&CURSOR).map(str::parse).transpose().map_err(|_| stale())?;
    let asked = Asked::read(tools, args).await?;
    let limit = small(args.number(&LIMIT));
    let query = Query { filter: asked.filter.clone(), limit: limit + 1, after, ..Query::default() };
    let rows = tools.store().findings(query).await?;
    let (listed, last) = page(&rows, limit as usize, short);
    let cursor = last.map(|row| row.seek);
    Ok(asked.totals(tools).await?.list("findings", listed).fact("cursor", cursor))
}

/// A cursor that is none.
pub(super) fn stale() -> Refused {
    Refused::new(
        "this cursor is not of this list".to_owned(),
        "call without `cursor`: the list begins at its start",
    )
}

pub(super) async fn count(tools: &Tools, args: &Args) -> Result<Item, Refused> {
    let asked = Asked::read(tools, args).await?;
    let item = asked.totals(tools).await?;
    let by = args.text(&BY);
    let Some(field) = Field::ALL.into_iter().find(|field| Some(field.name()) == by) else {
        return Ok(item);
    };
    let limit = small(args.number(&LIMIT));
    let rows = tools.store().facet(asked.filter, field, limit + 1).await?;
    let value = |row: &FacetRow| {
        let label = Some(row.label.as_str()).filter(|label| *label != row.value);
        Item::default()
            .fact("findings", row.count)
            .line("value", row.value.as_str())
            .line("label", label)
    };
    let (listed, last) = page(&rows, limit as usize, value);
    let item = item.fact("by", field.name()).list("values", listed);
    Ok(item.fact("has_more_values", last.is_some()))
}

/// A row of a list.
fn short(row: &FindingRow) -> Item {
    let finding = &row.finding;
    standing(row)
        .line("title", finding.title.as_str())
        .line("weakness", finding.weakness().as_str())
        .line("place", finding.place().as_str())
        .line("application", row.application_name.as_str())
        .line("application_guid", finding.application.as_str())
}

/// What is known of it in words and numbers.
fn standing(row: &FindingRow) -> Item {
    let finding = &row.finding;
    let context = match finding.context {
        Context::Policy => "policy",
        Context::Sandbox(_) => "sandbox",
    };
    Item::default()
        .fact("id", &finding.id)
        .fact("integration", Known::own(&row.integration))
        .fact("severity", finding.severity)
        .fact("state", finding.state.as_str())
        .fact("context", context)
        .fact("violates_policy", finding.violates_policy)
        .fact("cwe", finding.cwe.as_ref().map(|cwe| cwe.id))
        .fact("first_found", finding.first_found_ms.map(Known::time))
        .fact("fix_by", finding.grace_period_expires_ms.map(Known::time))
}

/// The row of the finding that `id` names, and the other integrations that hold it.
pub(super) async fn named_row(
    tools: &Tools,
    id: &str,
    integration: Option<&str>,
) -> Result<(FindingRow, Vec<String>), Refused> {
    let rows = match named::finding(tools.store(), id, tools.reach.names()).await? {
        Named::One(rows) => rows,
        Named::Malformed => {
            return Err(Refused::new(
                format!("`{id}` is not the id of a finding"),
                format!("give {SHORTEST_ID} to 20 hex digits, as `search_findings` lists them"),
            ));
        }
        Named::Nothing => {
            return Err(Refused::new(
                format!("no stored finding has an id that begins with `{id}`"),
                "`search_findings` with `everything` lists the ids",
            ));
        }
        Named::Several(_) => {
            return Err(Refused::new(
                format!("several findings have an id that begins with `{id}`"),
                "give all 20 digits; `search_findings` with the filter id[eq]DIGITS lists them",
            ));
        }
    };
    let names: Vec<_> = rows.iter().map(|row| row.integration.clone()).collect();
    let chosen = match integration {
        Some(name) => rows.iter().find(|row| row.integration == name),
        None => named::latest(&rows),
    };
    let Some(row) = chosen.filter(|row| tools.reach.holds_finding(row)) else {
        return Err(Refused::new(
            "this integration does not hold the finding".to_owned(),
            format!("call without `integration`, or give one of {}", names.join(", ")),
        ));
    };
    let others = names.into_iter().filter(|name| *name != row.integration).collect();
    Ok((row.clone(), others))
}

pub(super) async fn one(tools: &Tools, args: &Args) -> Result<Item, Refused> {
    let id = args.text(&ID).unwrap_or_default().trim();
    let (row, others) = named_row(tools, id, args.text(&INTEGRATION)).await?;
    let finding = &row.finding;
    let mut events = tools.store().changes_of(finding.id.as_str()).await?;
    events.retain(|event| event.integration == row.integration);
    let mut room = Room::new();
    let item = location(facts(&row), finding)
        .prose("description", finding.description.as_str())
        .lines("references", finding.references.iter().map(String::as_str), MOST_LINES);
    let item = match &finding.component {
        Some(one) => component(item, one),
        None => item,
    };
    let item = match &finding.vulnerability {
        Some(known) => vulnerability(item, known),
        None => item,
    };
    let others = others.iter().map(|name| Item::default().fact("integration", Known::own(name)));
    let item = item.list("also_in", room.fill(others, MOST_LINES));
    let happened = events.iter().rev().map(event);
    let item = item.list("changes", room.fill(happened, MOST_EVENTS));
    let annotations = finding.annotations.iter().map(annotation);
    let item = item.list("mitigation_history", room.fill(annotations, MOST_ANNOTATIONS));
    let item = paths(item, &row, &mut room);
    let notes = finding.notes.iter().map(|note| {
        let member = note.member.as_deref().unwrap_or("record");
        Item::default().line("member", member).line("reason", note.reason.as_str())
    });
    Ok(item.list("not_read", room.fill(notes, MOST_LINES)))
}

fn facts(row: &FindingRow) -> Item {
    let finding = &row.finding;
    let status = &finding.status;
    let category = finding.category.as_ref();
    short(row)
        .fact("scan_type", scan_type(&finding.scan_type))
        .fact("last_seen", finding.last_seen_ms.map(Known::time))
        .fact("is_gone", row.gone)
        .fact("is_application_visible", row.visible)
        .fact("new_in_latest_scan", status.new)
        .fact("exploitability", finding.exploitability)
        .fact("stored_since", Known::time(row.added_ms))
        .fact("last_change_noticed", Known::time(row.changed_ms))
        .line("sandbox_guid", finding.context.guid())
        .line("status", status.status.as_deref())
        .line("resolution", status.resolution.as_deref())
        .line("resolution_status", status.resolution_status.as_deref())
        .line("mitigation_review", status.mitigation_review_status.as_deref())
        .line("category", category.and_then(|category| category.name.as_deref()))
        .line("cvss", finding.cvss.as_deref())
}

/// A type that is not known here is a word of the service.
fn scan_type(scan_type: &ScanType) -> Option<&'static str> {
    match scan_type {
        ScanType::Static => Some("STATIC"),
        ScanType::Dynamic => Some("DYNAMIC"),
        ScanType::Manual => Some("MANUAL"),
        ScanType::Sca => Some("SCA"),
        ScanType::Other(_) => None,
    }
}

fn location(item: Item, finding: &Finding) -> Item {
    let at = &finding.location;
    item.fact("line", at.line)
        .line("file", at.file.as_deref())
        .line("module", at.module.as_deref())
        .line("procedure", at.procedure.as_deref())
        .line("attack_vector", at.attack_vector.as_deref())
        .line("url", at.url.as_deref())
        .line("host", at.host.as_deref())
        .line("port", at.port.as_deref())
        .line("path", at.path.as_deref())
        .line("parameter", at.parameter.as_deref())
        .line("plugin", at.plugin.as_deref())
        .line("found_at", at.place.as_deref())
}

fn component(item: Item, component: &Component) -> Item {
    item.line("component", component.name.as_deref())
        .line("component_version", component.version.as_deref())
        .line("language", component.language.as_deref())
        .line("dependency", component.dependency_mode.as_deref())
        .lines("component_paths", component.paths.iter().map(String::as_str), MOST_LINES)
        .lines("licences", component.licenses.iter().map(|one| one.id.as_str()), MOST_LINES)
}

fn vulnerability(item: Item, known: &Vulnerability) -> Item {
    item.fact("cvss3", known.cvss3)
        .fact("cvss2", known.cvss2)
        .fact("epss", known.epss_score)
        .fact("exploit_observed", known.exploit_observed)
        .line("vulnerability", known.name.as_str())
        .line("cvss3_vector", known.cvss3_vector.as_deref())
        .line("exploit_source", known.exploit_source.as_deref())
        .line("described_at", known.href.as_deref())
}

fn event(row: &ChangeRow) -> Item {
    changes::what(row)
}

fn annotation(one: &Annotation) -> Item {
    let mitigation = one.mitigation.join("\n");
    Item::default()
        .line("action", one.action.as_deref())
        .line("user", one.user.as_deref())
        .line("created", one.created.as_deref())
        .prose("comment", one.comment.as_deref())
        .prose("mitigation", mitigation.as_str())
}

/// As they are stored; they are downloaded finding by finding.
fn paths(item: Item, row: &FindingRow, room: &mut Room) -> Item {
    let Some(paths) = &row.paths else { return item.fact("are_data_paths_stored", false) };
    let step = |function: &Option<String>, file: &Option<String>, line: Option<i64>| {
        let at = line.map(|line| format!(":{line}")).unwrap_or_default();
        let file = file.as_deref().unwrap_or("?");
        format!("{file}{at} {}", function.as_deref().unwrap_or_default()).trim_end().to_owned()
    };
    let way = |path: &DataPath| {
        let own = step(&path.function, &path.file, path.line);
        let steps = path.steps.iter().map(|one| step(&one.function, &one.file, one.line));
        let steps: Vec<_> = steps.collect();
        Item::default().line("module", path.module.as_deref()).line("flaw", own.as_str()).lines(
            "steps",
            steps.iter().map(String::as_str),
            MOST_STEPS,
        )
    };
    item.fact("are_data_paths_stored", true)
        .fact("data_paths_downloaded", row.paths_ms.map(Known::time))
        .list("data_paths", room.fill(paths.iter().map(way), MOST_PATHS))
}
