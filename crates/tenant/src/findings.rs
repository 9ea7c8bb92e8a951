//! Findings of one application in one context. Written straight from the rows
//! into one buffer: the hot path of the whole platform.

use std::io::Write;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use crate::act::View;
use crate::condition::{Condition, number, text};
use crate::list::Window;
use crate::recorded::Json;
use crate::sandboxes::Context;
use crate::words::{DependencyMode, ScanMode, ScanType};
use crate::{Error, timestamp};

/// Which findings are wanted; what is none or empty does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those of components, else all others: never both.
    pub is_sca: bool,
    /// Without `SCA`.
    pub scan_type: Vec<ScanType>,
    pub severity: Vec<i64>,
    pub severity_gte: Option<i64>,
    pub cwe: Vec<i64>,
    /// Components have none.
    pub finding_category: Vec<i64>,
    pub cvss: Option<f64>,
    pub cvss_gte: Option<f64>,
    pub cve: Option<String>,
    pub violates_policy: Option<bool>,
    pub new: Option<bool>,
    /// Milliseconds since the Unix epoch; not for components.
    pub mitigated_after: Option<i64>,
    /// For components alone, as the next.
    pub sca_scan_mode: Option<ScanMode>,
    pub sca_dep_mode: Option<DependencyMode>,
}

impl Filter {
    fn condition(&self, context: Context) -> Condition {
        let mut condition = Condition::new(
            "application = ? and sandbox = ? and is_sca = ?",
            [context.application.into(), context.sandbox.into(), i64::from(self.is_sca).into()],
        );
        if !self.is_sca && !self.scan_type.is_empty() {
            condition.one_of("scan_type", self.scan_type.iter().map(|kind| text(kind.word())));
        }
        for (column, numbers) in [("severity", &self.severity), ("cwe", &self.cwe)] {
            if !numbers.is_empty() {
                condition.one_of(column, numbers.iter().map(|number| (*number).into()));
            }
        }
        if !self.is_sca && !self.finding_category.is_empty() {
            let categories = self.finding_category.iter().map(|number| (*number).into());
            condition.one_of("category", categories);
        }
        for (sql, value) in [
            ("severity >= ?", self.severity_gte.map(Value::from)),
            ("cvss = ?", self.cvss.map(Value::from)),
            ("cvss >= ?", self.cvss_gte.map(Value::from)),
            ("cve = ?", self.cve.as_deref().map(text)),
            ("violates_policy = ?", self.violates_policy.map(Value::from)),
            ("is_new = ?", self.new.map(Value::from)),
        ] {
            if let Some(value) = value {
                condition.and(sql, [value]);
            }
        }
        if self.is_sca {
            if let Some(mode) = self.sca_scan_mode.filter(|mode| *mode != ScanMode::Both) {
                condition.and("scan_mode = ?", [text(mode.word())]);
            }
            if let Some(mode) = self.sca_dep_mode.filter(|mode| *mode != DependencyMode::Both) {
                condition.and("dependency_mode = ?", [text(mode.word())]);
            }
        } else if let Some(ms) = self.mitigated_after {
            condition.and("mitigated_ms >= ?", [ms.into()]);
        }
        condition
    }
}

/// How findings are written.
pub struct Form<'a> {
    /// `https://` and the host that links lead to.
    pub base: &'a str,
    /// Guid of the application or sandbox that they are in.
    pub context: String,
    pub with_annotations: bool,
    /// With the end of the grace period.
    pub with_grace: bool,
}

/// Writes one page of what a filter leaves, with commas between, and answers how many it
/// leaves. Ids by the index alone first: a late page of a large application skips index
/// entries, not rows.
pub fn write_page(
    view: &View<'_>,
    context: Context,
    filter: &Filter,
    window: &Window,
    form: &Form<'_>,
    body: &mut Vec<u8>,
) -> Result<u64, Error> {
    let condition = filter.condition(context);
    let total = condition.count(view.connection, "findings")?;
    if window.offset >= total {
        return Ok(total);
    }
    let sql = format!(
        "select {COLUMNS} from (select id from findings where {} order by ordinal limit ? offset ?) page
         join findings f on f.id = page.id join texts t on t.id = f.text order by f.ordinal",
        condition.text()
    );
    let values = condition.values_and([number(window.limit), number(window.offset)]);
    let mut statement = view.connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut is_first = true;
    while let Some(row) = rows.next()? {
        if !is_first {
            body.push(b',');
        }
        is_first = false;
        let from = body.len();
        write_finding(row, context, form, body)?;
        let kept: (Option<String>, Option<String>) = (row.get(15)?, row.get(16)?);
        if let (Some(recorded), Some(then)) = kept {
            let now = String::from_utf8_lossy(&body[from..]).into_owned();
            body.truncate(from);
            let shown = as_recorded(&recorded, &then, &now, form)?;
            body.extend_from_slice(shown.to_string().as_bytes());
        }
    }
    Ok(total)
}

/// In the order in which [`write_finding`] takes them.
const COLUMNS: &str = "f.issue_id, f.scan_type, t.json, f.violates_policy, f.first_found_ms,
    f.status, f.resolution, f.review_status, f.is_new, f.resolution_status, f.last_seen_ms,
    f.details, f.build_id, f.annotations, f.grace_ms, f.recorded, f.recorded_then";

/// What was recorded of a finding, with what has changed since.
fn as_recorded(recorded: &str, then: &str, now: &str, form: &Form<'_>) -> Result<Json, Error> {
    let then = Json::of_stored(then, form.base)?;
    let mut left_out = Vec::new();
    if !form.with_annotations {
        left_out.push("annotations");
    }
    if !form.with_grace {
        left_out.push("grace_period_expires_date");
    }
    let shown = Json::of_stored(recorded, form.base)?.brought_up(&then, Json::parse(now)?);
    Ok(shown.without(&left_out))
}

/// The finding of this row, as it would be written if nothing had been recorded of it.
pub(crate) fn one(
    connection: &Connection,
    id: i64,
    context: Context,
    form: &Form<'_>,
) -> Result<String, Error> {
    let sql =
        format!("select {COLUMNS} from findings f join texts t on t.id = f.text where f.id = ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([id])?;
    let mut body = Vec::new();
    if let Some(row) = rows.next()? {
        write_finding(row, context, form, &mut body)?;
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Says of findings that came to be others when that was.
pub(crate) fn date(connection: &Connection, now_ms: i64) -> rusqlite::Result<()> {
    let sql = "update findings set updated_ms = ? where updated_ms = 0";
    connection.prepare_cached(sql)?.execute([now_ms])?;
    Ok(())
}

/// One finding in the recorded key order. Description, details and annotations are
/// stored as JSON; every other text may have come with an import.
fn write_finding(
    row: &Row<'_>,
    context: Context,
    form: &Form<'_>,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    let text = |at: usize| -> Result<&str, rusqlite::Error> { Ok(row.get_ref(at)?.as_str()?) };
    body.push(b'{');
    if let Some(issue_id) = row.get::<_, Option<i64>>(0)? {
        push(body, format_args!("\"issue_id\":{issue_id},"));
    }
    append_text(body, "\"scan_type\":", text(1)?)?;
    body.extend_from_slice(b",\"description\":");
    body.extend_from_slice(text(2)?.as_bytes());
    let kind = if context.is_sandbox() { "SANDBOX" } else { "APPLICATION" };
    append_text(body, ",\"count\":1,\"context_type\":", kind)?;
    append_text(body, ",\"context_guid\":", &form.context)?;
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
            body.extend_from_slice(form.base.as_bytes());
        }
        body.extend_from_slice(piece.as_bytes());
    }
    if let Some(build_id) = row.get::<_, Option<i64>>(12)? {
        push(body, format_args!(",\"build_id\":{build_id}"));
    }
    if form.with_annotations
        && let Ok(annotations) = row.get_ref(13)?.as_str()
    {
        body.extend_from_slice(b",\"annotations\":");
        body.extend_from_slice(annotations.as_bytes());
    }
    if form.with_grace
        && let Some(ms) = row.get::<_, Option<i64>>(14)?
    {
        append_text(body, ",\"grace_period_expires_date\":", &timestamp(ms))?;
    }
    body.push(b'}');
    Ok(())
}

/// What goes before it, then the text as a JSON string.
fn append_text(body: &mut Vec<u8>, before: &str, text: &str) -> Result<(), Error> {
    body.extend_from_slice(before.as_bytes());
    Ok(serde_json::to_writer(body, text)?)
}

fn push(body: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    body.write_fmt(text).expect("a Vec takes every byte");
}
