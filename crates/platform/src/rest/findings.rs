//! Findings of one application in one context. Written straight from the rows
//! into one buffer: the hot path of the whole platform.

use std::io::Write;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::finding::Finding;
use countersign_wire::hal::{Link, Page};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::applications::visible;
use super::error::Refusal;
use super::hal::{List, Listing, embedded};
use super::ok;
use super::query::{CONTEXT, Kind, Parameter, Query, parameter, parameters, wrong};
use super::sandboxes::sandbox_of;
use crate::caller::{Caller, Grant, ReadFindings};
use crate::state::AppState;
use countersign_tenant::condition::{Condition, number, text};
use countersign_tenant::timestamp;

/// In the order in which links name them.
const PARAMETERS: &[Parameter] = &[
    CONTEXT,
    parameter("severity", Kind::Each(&Kind::Integer(0, 5)), "One of these severities."),
    parameter("severity_gte", Kind::Integer(0, 5), "This severity or a higher one."),
    parameter("cwe", Kind::Each(&Kind::Integer(0, i64::MAX)), "One of these weaknesses."),
    parameter(
        "finding_category",
        Kind::Each(&Kind::Integer(0, i64::MAX)),
        "One of these categories; not for SCA.",
    ),
    parameter("cvss", Kind::Score, "This score."),
    parameter("cvss_gte", Kind::Score, "This score or a higher one."),
    parameter("cve", Kind::Text, "This vulnerability; SCA only."),
    parameter("violates_policy", Kind::Truth, "Whether it is against the policy."),
    parameter("include_annot", Kind::Truth, "With annotations; not for SCA."),
    parameter("new", Kind::Truth, "Whether the newest scan found it first."),
    parameter("include_exp_date", Kind::Truth, "With the end of the grace period."),
    parameter("mitigated_after", Kind::Day, "Mitigated on this day or later; not for SCA."),
    parameter("sca_scan_mode", Kind::OneOf(SCAN_MODES), "Found how; SCA only."),
    parameter("sca_dep_mode", Kind::OneOf(DEPENDENCY_MODES), "Needed how; SCA only."),
    parameter("scan_type", Kind::Each(&Kind::OneOf(SCAN_TYPES)), "SCA alone, or any others."),
];
parameters!(FindingFilters, PARAMETERS, paged);

const SCAN_TYPES: &[&str] = &["STATIC", "DYNAMIC", "MANUAL", "SCA"];
const SCAN_MODES: &[&str] = &["UPLOAD", "AGENT", "BOTH"];
const DEPENDENCY_MODES: &[&str] = &["UNKNOWN", "DIRECT", "TRANSITIVE", "BOTH"];

embedded!(Findings, findings: Finding);

/// Findings of an application in one context.
#[utoipa::path(
    get,
    path = "/appsec/v2/applications/{guid}/findings",
    tag = "Findings",
    params(FindingFilters),
    responses((status = 200, body = Listing<Findings>)),
)]
pub(crate) async fn list_findings(
    grant: Grant<ReadFindings>,
    Path(application): Path<String>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            list(connection, &grant.caller, &application, raw.as_deref()).map(ok)
        })
        .await
}

fn list(
    connection: &Connection,
    caller: &Caller,
    application: &str,
    raw: Option<&str>,
) -> Result<Vec<u8>, Refusal> {
    let id = visible(connection, caller, application)?;
    let query = Query::parse(raw);
    let paging = query.paging(20, 500)?;
    let sandbox = query.get("context").map(|text| sandbox_of(connection, id, text)).transpose()?;
    let filter = Filter::read(id, sandbox.unwrap_or_default(), &query)?;
    let total = filter.condition.count(connection, "findings")?;
    let page = Page::new(paging.number, paging.size, total);

    let mut body = Vec::with_capacity(64 * 1024);
    body.push(b'{');
    let is_empty = paging.offset() >= total;
    if !is_empty {
        body.extend_from_slice(b"\"_embedded\":{\"findings\":[");
        let context = Context {
            base: &caller.base,
            kind: if sandbox.is_some() { "SANDBOX" } else { "APPLICATION" },
            guid: query.get("context").unwrap_or(application).to_ascii_lowercase(),
            annotations: !filter.is_sca && query.truth("include_annot")?.unwrap_or_default(),
            grace: query.truth("include_exp_date")?.unwrap_or_default(),
        };
        filter.write_page(connection, page, &context, &mut body)?;
        body.extend_from_slice(b"]},");
    }
    body.extend_from_slice(b"\"_links\":");
    write_links(&mut body, caller, application, &query, page, filter.is_sca)?;
    body.extend_from_slice(b",\"page\":");
    append_json(&mut body, &page)?;
    body.push(b'}');
    Ok(body)
}

fn write_links(
    body: &mut Vec<u8>,
    caller: &Caller,
    application: &str,
    query: &Query,
    page: Page,
    is_sca: bool,
) -> Result<(), Refusal> {
    let base = &caller.base;
    let list = List {
        url: format!("{base}/appsec/v2/applications/{application}/findings"),
        parameters: PARAMETERS,
        offers_paging: false,
    };
    let mut links = list.links(query, page);
    let own = format!("{base}/appsec/v1/applications/{application}");
    links.sandbox = query.get("context").map(|guid| Link::to(format!("{own}/sandboxes/{guid}")));
    links.application = Some(Link::to(own));
    if is_sca {
        links.non_sca = Some(list.template(query, Some(("scan_type", "STATIC,DYNAMIC,MANUAL"))));
    } else {
        links.sca = Some(list.template(query, Some(("scan_type", "SCA"))));
    }
    append_json(body, &links)
}

fn append_json(body: &mut Vec<u8>, value: &impl serde::Serialize) -> Result<(), Refusal> {
    serde_json::to_writer(body, value).map_err(|error| Refusal::gateway(500, &error.to_string()))
}

struct Filter {
    condition: Condition,
    is_sca: bool,
}

impl Filter {
    fn read(application: i64, sandbox: i64, query: &Query) -> Result<Self, Refusal> {
        let scan_types = query.filter("scan_type")?;
        for scan_type in &scan_types {
            if !SCAN_TYPES.contains(scan_type) {
                return Err(wrong("scan_type", "STATIC, DYNAMIC, MANUAL or SCA"));
            }
        }
        let is_sca = scan_types.contains(&"SCA");
        if is_sca && scan_types.iter().any(|scan_type| *scan_type != "SCA") {
            return Err(wrong("scan_type", "SCA alone, or any of the other types"));
        }
        let mut filter = Self {
            condition: Condition::new(
                "application = ? and sandbox = ? and is_sca = ?",
                [application.into(), sandbox.into(), i64::from(is_sca).into()],
            ),
            is_sca,
        };
        if !is_sca && !scan_types.is_empty() {
            filter.condition.one_of("scan_type", scan_types.into_iter().map(text));
        }
        filter.read_numbers(query)?;
        filter.read_others(query)?;
        Ok(filter)
    }

    fn and(&mut self, text: &str, value: impl Into<Value>) {
        self.condition.and(text, [value.into()]);
    }

    fn read_numbers(&mut self, query: &Query) -> Result<(), Refusal> {
        for (parameter, column, most) in [
            ("severity", "severity", 5),
            ("cwe", "cwe", i64::MAX),
            ("finding_category", "category", i64::MAX),
        ] {
            let texts = query.filter(parameter)?;
            if texts.is_empty() || (self.is_sca && parameter == "finding_category") {
                continue;
            }
            let mut numbers = Vec::with_capacity(texts.len());
            for text in texts {
                let number: Option<i64> = text.parse().ok().filter(|n| (0..=most).contains(n));
                numbers.push(number.ok_or_else(|| wrong(parameter, "a number in range"))?.into());
            }
            self.condition.one_of(column, numbers);
        }
        if let Some(level) = query.number::<i64>("severity_gte")? {
            if !(0..=5).contains(&level) {
                return Err(wrong("severity_gte", "0 to 5"));
            }
            self.and("severity >= ?", level);
        }
        for (parameter, condition) in [("cvss", "cvss = ?"), ("cvss_gte", "cvss >= ?")] {
            if let Some(score) = query.number::<f64>(parameter)? {
                if !(0.0..=10.0).contains(&score) {
                    return Err(wrong(parameter, "0 to 10"));
                }
                self.and(condition, score);
            }
        }
        Ok(())
    }

    fn read_others(&mut self, query: &Query) -> Result<(), Refusal> {
        if let Some(cve) = query.get("cve") {
            self.and("cve = ?", cve.to_owned());
        }
        if let Some(is) = query.truth("violates_policy")? {
            self.and("violates_policy = ?", i64::from(is));
        }
        if let Some(is) = query.truth("new")? {
            self.and("is_new = ?", i64::from(is));
        }
        if let Some(ms) = query.date("mitigated_after")?
            && !self.is_sca
        {
            self.and("mitigated_ms >= ?", ms);
        }
        for (parameter, column, known) in [
            ("sca_scan_mode", "scan_mode", SCAN_MODES),
            ("sca_dep_mode", "dependency_mode", DEPENDENCY_MODES),
        ] {
            let Some(mode) = query.get(parameter) else { continue };
            if !known.contains(&mode) {
                return Err(wrong(parameter, "one of the documented modes"));
            }
            if self.is_sca && mode != "BOTH" {
                self.and(&format!("{column} = ?"), mode.to_owned());
            }
        }
        Ok(())
    }

    /// Ids by the index alone first: a late page of a large application skips
    /// index entries, not rows.
    fn write_page(
        &self,
        connection: &Connection,
        page: Page,
        context: &Context<'_>,
        body: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let sql = format!(
            "select f.issue_id, f.scan_type, t.json, f.violates_policy, f.first_found_ms, f.status,
                f.resolution, f.review_status, f.is_new, f.resolution_status, f.last_seen_ms,
                f.details, f.build_id, f.annotations, f.grace_ms
             from (select id from findings where {} order by ordinal limit ? offset ?) page
             join findings f on f.id = page.id join texts t on t.id = f.text order by f.ordinal",
            self.condition.text()
        );
        let window = [number(page.size), number(page.number.saturating_mul(page.size))];
        let values = self.condition.values_and(window);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut is_first = true;
        while let Some(row) = rows.next()? {
            if !is_first {
                body.push(b',');
            }
            is_first = false;
            write_finding(row, context, body)?;
        }
        Ok(())
    }
}

struct Context<'a> {
    base: &'a str,
    kind: &'a str,
    guid: String,
    annotations: bool,
    grace: bool,
}

/// One finding in the recorded key order. Description, details and annotations are
/// stored as JSON; every other text may have come with an import.
fn write_finding(row: &Row<'_>, context: &Context<'_>, body: &mut Vec<u8>) -> Result<(), Refusal> {
    let text = |at: usize| -> Result<&str, Refusal> {
        row.get_ref(at)?.as_str().map_err(|error| Refusal::gateway(500, &error.to_string()))
    };
    body.push(b'{');
    if let Some(issue_id) = row.get::<_, Option<i64>>(0)? {
        push(body, format_args!("\"issue_id\":{issue_id},"));
    }
    append_text(body, "\"scan_type\":", text(1)?)?;
    body.extend_from_slice(b",\"description\":");
    body.extend_from_slice(text(2)?.as_bytes());
    append_text(body, ",\"count\":1,\"context_type\":", context.kind)?;
    append_text(body, ",\"context_guid\":", &context.guid)?;
    push(body, format_args!(",\"violates_policy\":{}", row.get::<_, bool>(3)?));
    append_text(body, ",\"finding_status\":{\"first_found_date\":", &timestamp(row.get(4)?))?;
    append_text(body, ",\"status\":", text(5)?)?;
    append_text(body, ",\"resolution\":", text(6)?)?;
    if let Ok(review) = row.get_ref(7)?.as_str() {
        append_text(body, ",\"mitigation_review_status\":", review)?;
    }
    push(body, format_args!(",\"new\":{}", row.get::<_, bool>(8)?));
    append_text(body, ",\"resolution_status\":", text(9)?)?;
    append_text(body, ",\"last_seen_date\":", &timestamp(row.get(10)?))?;
    body.extend_from_slice(b"},\"finding_details\":");
    for (at, piece) in text(11)?.split('\u{1}').enumerate() {
        if at > 0 {
            body.extend_from_slice(context.base.as_bytes());
        }
        body.extend_from_slice(piece.as_bytes());
    }
    if let Some(build_id) = row.get::<_, Option<i64>>(12)? {
        push(body, format_args!(",\"build_id\":{build_id}"));
    }
    if context.annotations
        && let Ok(annotations) = row.get_ref(13)?.as_str()
    {
        body.extend_from_slice(b",\"annotations\":");
        body.extend_from_slice(annotations.as_bytes());
    }
    if context.grace
        && let Some(ms) = row.get::<_, Option<i64>>(14)?
    {
        append_text(body, ",\"grace_period_expires_date\":", &timestamp(ms))?;
    }
    body.push(b'}');
    Ok(())
}

/// What goes before it, then the text as a JSON string.
fn append_text(body: &mut Vec<u8>, before: &str, text: &str) -> Result<(), Refusal> {
    body.extend_from_slice(before.as_bytes());
    append_json(body, &text)
}

fn push(body: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    body.write_fmt(text).expect("a Vec takes every byte");
}
