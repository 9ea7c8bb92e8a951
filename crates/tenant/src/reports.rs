//! Reports of the Reporting API: which findings of all applications came to be others within
//! a time, as the store for analyses knows it. That one is filled every two hours, so a report
//! lacks what happened since; and what is in it is fixed when it is asked for.

use countersign_wire::hal::Link;
use countersign_wire::report::{PageMetadata, Report, ReportAnswer, ReportFinding, ReportLinks};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rusqlite::types::Value as Sql;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};
use serde_json::Value;

use crate::act::{Change, Noted, View};
use crate::applications::seen_by;
use crate::condition::{Condition, number, text};
use crate::user::User;
use crate::words::{FindingStatus, ScanType};
use crate::{Error, Refused};

/// How often the store for analyses is filled.
const REFRESH_MS: i64 = 2 * 3_600_000;
/// How long a report is prepared.
const PREPARATION_MS: i64 = 3_000;
/// How long it is kept.
const KEPT_MS: i64 = 7 * 86_400_000;
/// Reports of a user that are kept.
const MOST_KEPT: usize = 50;
/// The longest time that a report is about, in months.
const MOST_MONTHS: i64 = 6;
/// Values of a member at most.
const MOST_VALUES: usize = 500;
/// Ids of reports are apart from all others.
const FINDING_IDS: i64 = 9_000_000;

/// The status by which findings with an accepted mitigation are asked for.
const MITIGATED: &str = "MITIGATED";

/// The zone of all times of a report, neither said nor marked in it.
const ZONE: &str = "America/New_York";

/// Where a report is about.
struct Wanted {
    from_ms: i64,
    until_ms: i64,
    condition: Condition,
}

/// A report that is asked for.
pub fn create(
    change: &Change<'_>,
    user: &User,
    asked: &Value,
) -> Result<Noted<ReportAnswer>, Refused> {
    match word(asked, "report_type")?.map(|kind| kind.to_ascii_lowercase()).as_deref() {
        Some("findings") => {}
        Some("scans" | "deletedscans" | "audit") => {
            return Err(wrong("report_type", "`findings`: this platform has no other reports"));
        }
        _ => return Err(wrong("report_type", "findings, scans, deletedscans or audit")),
    }
    let wanted = wanted(asked, change.now_ms)?;
    let now_ms = change.now_ms;
    change.transaction.execute(
        "delete from reports where expires_ms <= ?2 or guid in (select guid from reports
            where user = ?1 order by requested_ms desc, guid limit -1 offset ?3)",
        params![user.id, now_ms, MOST_KEPT - 1],
    )?;
    let guid = change.tenant.guid();
    change.transaction.execute(
        "insert into reports (guid, user, report_type, requested_ms, completed_ms, expires_ms)
         values (?, ?, 'FINDINGS', ?, ?, ?)",
        params![guid, user.id, now_ms, now_ms + PREPARATION_MS, now_ms + KEPT_MS],
    )?;
    let filled_ms = now_ms - now_ms.rem_euclid(REFRESH_MS);
    let visible = seen_by(user);
    let sql = format!(
        "insert into report_findings (report, ordinal, finding)
         select ?, row_number() over (order by f.id) - 1, f.id
         from findings f join applications a on a.id = f.application
         where {} and {} and f.updated_ms between ? and ?",
        visible.text(),
        wanted.condition.text()
    );
    let first = [text(&guid)].into_iter().chain(visible.values_and([]));
    let until_ms = wanted.until_ms.min(filled_ms);
    let rest = wanted.condition.values_and([wanted.from_ms.into(), until_ms.into()]);
    change.transaction.execute(&sql, params_from_iter(first.chain(rest)))?;
    let report = found(change, user, &guid)?;
    let embedded = Report { status: "SUBMITTED".into(), ..report.shown(user) };
    Ok(change.noted("report.create", "findings", ReportAnswer { embedded })?)
}

/// A report as it stands, with a page of its rows once it is complete; `url` is its own.
pub fn read(
    view: &View<'_>,
    user: &User,
    guid: &str,
    (page, size): (u64, u64),
    url: &str,
) -> Result<ReportAnswer, Refused> {
    let report = found(view, user, guid)?;
    if view.now_ms < report.completed_ms {
        let embedded = Report { status: "PROCESSING".into(), ..report.shown(user) };
        return Ok(ReportAnswer { embedded });
    }
    let total: u64 = view
        .connection
        .prepare_cached("select count(*) from report_findings where report = ?")?
        .query_row([guid], |row| row.get(0))?;
    let pages = total.div_ceil(size);
    if page >= pages.max(1) {
        let last = pages.saturating_sub(1);
        return Err(Refused::NoSuchPage(format!(
            "Page number is out of range. Valid page numbers are : [0 - {last}]."
        )));
    }
    let link = |page: u64| Some(Link::to(format!("{url}?page={page}&size={size}")));
    let links = ReportLinks {
        first: link(0),
        prev: page.checked_sub(1).and_then(link),
        own: link(page),
        next: Some(page + 1).filter(|next| *next < pages).and_then(link),
        last: link(pages.saturating_sub(1)),
    };
    let metadata = PageMetadata { number: page, size, total_elements: total, total_pages: pages };
    let embedded = Report {
        status: "COMPLETED".into(),
        date_report_completed: Some(local(report.completed_ms)),
        findings: Some(rows(view, guid, page * size, size)?),
        links: Some(links),
        page_metadata: Some(metadata),
        ..report.shown(user)
    };
    Ok(ReportAnswer { embedded })
}

/// A report as it is kept.
struct Kept {
    guid: String,
    requested_ms: i64,
    completed_ms: i64,
    expires_ms: i64,
}

impl Kept {
    fn shown(&self, user: &User) -> Report {
        Report {
            id: self.guid.clone(),
            report_type: "findings".into(),
            requested_by_user: Some(user.name.clone()),
            date_report_requested: Some(local(self.requested_ms)),
            report_expiration_date: Some(local(self.expires_ms)),
            ..Report::default()
        }
    }
}

/// One of the user's own.
fn found(view: &View<'_>, user: &User, guid: &str) -> Result<Kept, Refused> {
    let sql = "select guid, requested_ms, completed_ms, expires_ms from reports
        where guid = ? and user = ? and expires_ms > ?";
    let kept = view
        .connection
        .prepare_cached(sql)?
        .query_row(params![guid.to_ascii_lowercase(), user.id, view.now_ms], |row| {
            Ok(Kept {
                guid: row.get(0)?,
                requested_ms: row.get(1)?,
                completed_ms: row.get(2)?,
                expires_ms: row.get(3)?,
            })
        })
        .optional()?;
    kept.ok_or(Refused::NoSuch("Report"))
}

fn rows(view: &View<'_>, guid: &str, from: u64, count: u64) -> Result<Vec<ReportFinding>, Error> {
    let sql = "select f.id, f.application, a.name, b.name, a.business_criticality, f.sandbox,
            s.name, f.issue_id, f.scan_type, f.severity, f.cwe, f.cve, f.cvss, f.violates_policy,
            f.status, f.resolution, f.resolution_status, f.first_found_ms, f.last_seen_ms,
            f.updated_ms, f.details, c.name, g.name
        from report_findings r join findings f on f.id = r.finding
        join applications a on a.id = f.application
        join business_units b on b.id = a.business_unit
        left join sandboxes s on s.id = f.sandbox
        left join cwes c on c.id = f.cwe left join categories g on g.id = f.category
        where r.report = ? and r.ordinal >= ? order by r.ordinal limit ?";
    let mut statement = view.connection.prepare_cached(sql)?;
    let values = [text(guid), number(from), number(count)];
    let mut found = statement.query(params_from_iter(values))?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push(shown(row)?);
    }
    Ok(all)
}

fn shown(row: &Row<'_>) -> Result<ReportFinding, Error> {
    let details: String = row.get(20)?;
    // Where links begin with the host, there is a mark.
    let details: Value = serde_json::from_str(&details.replace('\u{1}', "")).unwrap_or_default();
    let detail = |name: &str| details[name].as_str().map(String::from);
    let word = |at: usize| -> Result<String, rusqlite::Error> { row.get(at) };
    let sandbox = Some(row.get::<_, i64>(5)?).filter(|sandbox| *sandbox != 0);
    let is_closed = word(14)? == FindingStatus::Closed.word();
    let updated_ms: i64 = row.get(19)?;
    let is_sca = word(8)? == ScanType::Sca.word();
    let scan_type = scan_type_shown(&word(8)?).to_owned();
    let resolution = match word(15)?.as_str() {
        "MITIGATED" => "Mitigated",
        "POTENTIAL_FALSE_POSITIVE" => "Potential False Positive",
        _ => "Unresolved",
    };
    let mitigation = match word(16)?.as_str() {
        "PROPOSED" => "Mitigation Proposed",
        "APPROVED" => "Mitigation Accepted",
        "REJECTED" => "Mitigation Rejected",
        _ => "Not Mitigated",
    };
    Ok(ReportFinding {
        app_id: row.get(1)?,
        app_name: row.get(2)?,
        finding_id: Some(FINDING_IDS + row.get::<_, i64>(0)?),
        scan_type: Some(scan_type),
        policy_sandbox: Some(if sandbox.is_some() { "Sandbox" } else { "Policy" }.into()),
        sandbox_id: sandbox,
        sandbox_name: row.get(6)?,
        flaw_id: row.get(7)?,
        component_id: detail("component_id"),
        cve_id: row.get(11)?,
        cwe_id: row.get(10)?,
        flaw_name: row.get(21)?,
        category_name: row.get(22)?,
        severity: row.get(9)?,
        status: Some(if is_closed { "Closed" } else { "Open" }.into()),
        resolution: Some(resolution.into()),
        mitigation_status: Some(mitigation.into()),
        policy_rule_passed: Some(if row.get(13)? { "No" } else { "Yes" }.into()),
        filename: detail("file_name"),
        module_name: detail("module"),
        component_name: detail("component_filename"),
        nvd_cvss3_score: row.get::<_, Option<f64>>(12)?.filter(|_| is_sca),
        vulnerability_title: detail("title"),
        found_date: Some(local(row.get(17)?)),
        last_found_date: Some(local(row.get(18)?)),
        last_updated_date: Some(local(updated_ms)),
        business_unit: row.get(3)?,
        business_criticality: Some(title_case(&word(4)?)),
        custom_severity_name: None,
        fixed_date: is_closed.then(|| local(updated_ms)),
    })
}

fn scan_type_shown(word: &str) -> &'static str {
    match ScanType::parse(word) {
        Some(ScanType::Dynamic) => "Dynamic Analysis",
        Some(ScanType::Manual) => "Manual",
        Some(ScanType::Sca) => "SCA",
        _ => "Static Analysis",
    }
}

/// `VERY_HIGH` as `Very High`.
fn title_case(word: &str) -> String {
    let parts = word.split('_').map(|part| {
        let (first, rest) = part.split_at(part.len().min(1));
        format!("{first}{}", rest.to_lowercase())
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn wanted(asked: &Value, now_ms: i64) -> Result<Wanted, Refused> {
    let start = "last_updated_start_date";
    let from = word(asked, start)?
        .ok_or_else(|| wrong(start, "a date: the report needs one"))
        .and_then(|said| moment(start, said, false))?;
    let end = "last_updated_end_date";
    let until = match word(asked, end)? {
        Some(said) => moment(end, said, true)?,
        // Without one there is no end: what begins later is only empty.
        None => in_zone(now_ms).max(from),
    };
    if until < from {
        return Err(wrong(end, "later than `last_updated_start_date`"));
    }
    let months = jiff::Span::new().months(MOST_MONTHS);
    if from.checked_add(months).is_ok_and(|most| until.date() > most.date()) {
        return Err(wrong(end, "within six months of `last_updated_start_date`"));
    }
    let mut condition = Condition::always();
    let mut one_of = |column: &str, values: Option<Vec<Sql>>| {
        if let Some(values) = values {
            condition.one_of(column, values);
        }
    };
    one_of("f.scan_type", each(asked, &["scan_type"], scan_type)?);
    one_of("f.application", each(asked, &["app_id", "application_id"], whole)?);
    one_of("f.sandbox", each(asked, &["sandbox_ids"], whole)?);
    if let Some(states) = each(asked, &["status", "finding_status"], status)? {
        let marks = vec!["?"; states.len()].join(", ");
        condition.and(
            &format!("iif(f.resolution_status = 'APPROVED', ?, f.status) in ({marks})"),
            [text(MITIGATED)].into_iter().chain(states),
        );
    }
    if let Some(said) = word(asked, "policy_sandbox")? {
        match said.to_ascii_lowercase().as_str() {
            "policy" => condition.and("f.sandbox = 0", []),
            "sandbox" => condition.and("f.sandbox <> 0", []),
            _ => return Err(wrong("policy_sandbox", "Policy or Sandbox")),
        }
    }
    match &asked["passed_policy"] {
        Value::Null => {}
        said => {
            let passed = truth(said).ok_or_else(|| wrong("passed_policy", "true or false"))?;
            condition.and("f.violates_policy <> ?", [passed.into()]);
        }
    }
    Ok(Wanted { from_ms: instant_ms(from)?, until_ms: instant_ms(until)?, condition })
}

/// A member that is a text.
fn word<'v>(asked: &'v Value, name: &'static str) -> Result<Option<&'v str>, Refused> {
    match &asked[name] {
        Value::Null => Ok(None),
        Value::String(said) if !said.trim().is_empty() => Ok(Some(said.trim())),
        _ => Err(wrong(name, "a text")),
    }
}

/// What the first of these members says that there is: one value, or a list of them.
fn each(
    asked: &Value,
    names: &[&'static str],
    read: impl Fn(&Value) -> Option<Sql>,
) -> Result<Option<Vec<Sql>>, Refused> {
    let Some(name) = names.iter().find(|name| !asked[**name].is_null()) else { return Ok(None) };
    let said = match &asked[*name] {
        Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    let values: Option<Vec<_>> = said.iter().take(MOST_VALUES + 1).map(read).collect();
    match values {
        Some(values) if values.len() > MOST_VALUES => Err(wrong(name, "500 values at most")),
        Some(values) if values.is_empty() => Ok(None),
        Some(values) => Ok(Some(values)),
        None => Err(wrong(name, "one of the documented values, or a list of them")),
    }
}

fn scan_type(said: &Value) -> Option<Sql> {
    let kind = match said.as_str()?.to_ascii_lowercase().as_str() {
        "static analysis" | "static" => ScanType::Static,
        "dynamic analysis" | "dynamic" => ScanType::Dynamic,
        "manual" | "manual analysis" => ScanType::Manual,
        "sca" | "software composition analysis" => ScanType::Sca,
        _ => return None,
    };
    Some(text(kind.word()))
}

fn status(said: &Value) -> Option<Sql> {
    let said = said.as_str()?.to_ascii_uppercase();
    let status = FindingStatus::parse(&said).map(FindingStatus::word);
    status.or((said == MITIGATED).then_some(MITIGATED)).map(text)
}

fn whole(said: &Value) -> Option<Sql> {
    said.as_i64().or_else(|| said.as_str()?.trim().parse().ok()).map(Sql::from)
}

fn truth(said: &Value) -> Option<bool> {
    said.as_bool().or_else(|| match said.as_str()?.to_ascii_lowercase().as_str() {
        "true" | "yes" => Some(true),
        "false" | "no" => Some(false),
        _ => None,
    })
}

/// A day, or a day and a time; both ends count, and a last day counts to its end.
fn moment(name: &'static str, said: &str, is_end: bool) -> Result<DateTime, Refused> {
    let form = "YYYY-MM-DD or YYYY-MM-DD HH:MM:SS";
    if let Ok(day) = said.parse::<Date>()
        && said.len() == 10
    {
        return Ok(if is_end { day.at(23, 59, 59, 999_999_999) } else { day.at(0, 0, 0, 0) });
    }
    let at = DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", said).map_err(|_| wrong(name, form))?;
    let last =
        if is_end && at.subsec_nanosecond() == 0 { 999_999_999 } else { at.subsec_nanosecond() };
    at.with().subsec_nanosecond(last).build().map_err(|_| wrong(name, form))
}

fn zone() -> TimeZone {
    TimeZone::get(ZONE).unwrap_or(TimeZone::UTC)
}

fn in_zone(ms: i64) -> DateTime {
    zone().to_datetime(Timestamp::from_millisecond(ms).unwrap_or_default())
}

fn local(ms: i64) -> String {
    in_zone(ms).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn instant_ms(at: DateTime) -> Result<i64, Refused> {
    let at = zone().to_timestamp(at);
    at.map(Timestamp::as_millisecond)
        .map_err(|_| wrong("last_updated_start_date", "a date of our time"))
}

fn wrong(name: &'static str, expected: &str) -> Refused {
    Refused::member(&format!("/{name}"), &format!("The member {name} must be {expected}."))
}
