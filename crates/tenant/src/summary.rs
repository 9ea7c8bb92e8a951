//! The summary report: an application in one context, in counts.

use countersign_wire::summary::{
    Analysis, CategoryCount, Components, CustomFields, FlawStatus, Module, Modules, SeverityLevel,
    SummaryReport,
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::Error;
use crate::act::View;
use crate::sandboxes::Context;
use crate::words::{Compliance, Criticality, ScanType};

const WORDS: [&str; 6] = ["Informational", "Very Low", "Low", "Medium", "High", "Very High"];

/// An application in one context, in counts; none before its first scan.
pub fn report(view: &View<'_>, context: Context) -> Result<Option<SummaryReport>, Error> {
    let build: Option<i64> = view
        .connection
        .prepare_cached("select build_id from applications where id = ?")?
        .query_row([context.application], |row| row.get(0))?;
    let counted = Counted { id: context.application, sandbox: context.sandbox };
    let report = build.map(|build| counted.report(view.connection, build, view.now_ms));
    Ok(report.transpose()?)
}

/// `YYYY-MM-DD HH:MM:SS UTC`.
fn moment(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

struct Counted {
    id: i64,
    sandbox: i64,
}

impl Counted {
    fn report(
        &self,
        connection: &Connection,
        build_id: i64,
        now_ms: i64,
    ) -> Result<SummaryReport, rusqlite::Error> {
        let mut report = connection.query_row(
            "select a.name, a.modified_ms, p.name, a.compliance, b.name, a.business_criticality,
                coalesce(a.tags, ''), a.custom_fields,
                coalesce((select group_concat(t.name, ', ') from application_teams m
                    join teams t on t.id = m.team where m.application = a.id), ''),
                coalesce(p.definition ->> 'version', 1)
             from applications a join policies p on p.id = a.policy
             join business_units b on b.id = a.business_unit where a.id = ?",
            [self.id],
            |row| {
                let compliance: String = row.get(3)?;
                let criticality: String = row.get(5)?;
                let fields: Option<String> = row.get(7)?;
                let fields = fields.and_then(|text| serde_json::from_str(&text).ok());
                Ok(SummaryReport {
                    app_name: row.get(0)?,
                    app_id: self.id,
                    build_id,
                    generation_date: moment(now_ms),
                    last_update_time: moment(row.get(1)?),
                    policy_name: row.get(2)?,
                    policy_version: row.get(9)?,
                    policy_compliance_status: in_words(&compliance).into(),
                    policy_rules_status: in_words(&compliance).into(),
                    scan_overdue: "false".into(),
                    is_latest_build: true,
                    business_unit: row.get(4)?,
                    business_criticality: level(&criticality),
                    teams: row.get(8)?,
                    tags: row.get(6)?,
                    customfields: CustomFields { customfield: fields.unwrap_or_default() },
                    ..SummaryReport::default()
                })
            },
        )?;
        report.flaw_status = self.flaw_status(connection)?;
        report.total_flaws = report.flaw_status.total;
        report.flaws_not_mitigated = report.flaw_status.not_mitigated;
        report.grace_period_expired = connection.query_row(
            "select exists (select 1 from findings where application = ? and sandbox = ?
                and status = 'OPEN' and resolution_status <> 'APPROVED' and grace_ms < ?)",
            params![self.id, self.sandbox, now_ms],
            |row| row.get(0),
        )?;
        report.severity = self.severities(connection)?;
        report.static_analysis = self.analysis(connection, ScanType::Static)?;
        report.dynamic_analysis = self.analysis(connection, ScanType::Dynamic)?;
        report.manual_analysis = self.analysis(connection, ScanType::Manual)?;
        report.software_composition_analysis = self.components(connection)?;
        if self.sandbox != 0 {
            report.sandbox_id = Some(self.sandbox);
            report.sandbox_name = connection.query_row(
                "select name from sandboxes where id = ?",
                [self.sandbox],
                |row| row.get(0),
            )?;
        }
        Ok(report)
    }

    fn flaw_status(&self, connection: &Connection) -> Result<FlawStatus, rusqlite::Error> {
        let mut status = FlawStatus::default();
        let mut statement = connection.prepare_cached(
            "select severity, status = 'OPEN', is_new,
                coalesce(annotations like '[{\"action\":\"REOPENED\"%', 0),
                resolution_status <> 'APPROVED', resolution = 'UNRESOLVED', count(*)
             from findings where application = ? and sandbox = ? and is_sca = 0 group by 1, 2, 3, 4, 5, 6",
        )?;
        let mut rows = statement.query([self.id, self.sandbox])?;
        while let Some(row) = rows.next()? {
            let count: i64 = row.get(6)?;
            let (is_open, is_new, is_reopened): (bool, bool, bool) =
                (row.get(1)?, row.get(2)?, row.get(3)?);
            let change = match row.get(0)? {
                0 => &mut status.severity_0_change,
                1 => &mut status.severity_1_change,
                2 => &mut status.severity_2_change,
                3 => &mut status.severity_3_change,
                4 => &mut status.severity_4_change,
                _ => &mut status.severity_5_change,
            };
            if !is_open {
                if row.get(5)? {
                    status.fixed += count;
                    *change -= count;
                }
                continue;
            }
            status.total += count;
            if row.get(4)? {
                status.not_mitigated += count;
            }
            match (is_new, is_reopened) {
                (true, _) => {
                    status.new += count;
                    *change += count;
                }
                (false, true) => status.reopen += count,
                (false, false) => status.open += count,
            }
        }
        Ok(status)
    }

    fn severities(&self, connection: &Connection) -> Result<Vec<SeverityLevel>, rusqlite::Error> {
        let mut levels: Vec<_> =
            (0..=5).rev().map(|level| SeverityLevel { level, category: Vec::new() }).collect();
        let mut statement = connection.prepare_cached(
            "select f.severity, coalesce(c.name, 'Other'), count(*) from findings f
             left join categories c on c.id = f.category
             where f.application = ? and f.sandbox = ? and f.is_sca = 0 and f.status = 'OPEN'
             group by 1, 2 order by 1 desc, 2",
        )?;
        let mut rows = statement.query([self.id, self.sandbox])?;
        while let Some(row) = rows.next()? {
            let severity: i64 = row.get(0)?;
            let level = levels.iter_mut().find(|level| level.level == severity);
            let word = usize::try_from(severity).ok().and_then(|at| WORDS.get(at));
            if let (Some(level), Some(word)) = (level, word) {
                let (categoryname, count) = (row.get(1)?, row.get(2)?);
                let severity = (*word).to_owned();
                level.category.push(CategoryCount { categoryname, severity, count });
            }
        }
        Ok(levels)
    }

    /// What was scanned, and the open flaws in it. The byte that stands for the
    /// host in stored details is no JSON.
    fn analysis(
        &self,
        connection: &Connection,
        scan_type: ScanType,
    ) -> Result<Option<Analysis>, rusqlite::Error> {
        let published: Option<i64> = connection
            .query_row(
                "select modified_ms from scans where application = ? and scan_type = ?",
                params![self.id, scan_type.word()],
                |row| row.get(0),
            )
            .optional()?;
        let mut statement = connection.prepare_cached(
            "select coalesce(replace(details, char(1), '') ->> 'module',
                    replace(details, char(1), '') ->> 'hostname', '') as module,
                sum(severity = 0), sum(severity = 1), sum(severity = 2),
                sum(severity = 3), sum(severity = 4), sum(severity = 5)
             from findings where application = ? and sandbox = ? and scan_type = ?
                and status = 'OPEN' group by module order by module",
        )?;
        let rows =
            statement.query_map(params![self.id, self.sandbox, scan_type.word()], |row| {
                Ok(Module {
                    name: row.get(0)?,
                    severity_0: row.get(1)?,
                    severity_1: row.get(2)?,
                    severity_2: row.get(3)?,
                    severity_3: row.get(4)?,
                    severity_4: row.get(5)?,
                    severity_5: row.get(6)?,
                })
            })?;
        let module = rows.collect::<Result<Vec<_>, _>>()?;
        let is_scanned = published.is_some() || !module.is_empty();
        Ok(is_scanned.then(|| Analysis {
            published_date: published.map(moment),
            version: published.map(|ms| moment(ms)[..10].to_owned()),
            modules: Modules { module },
        }))
    }

    fn components(&self, connection: &Connection) -> Result<Option<Components>, rusqlite::Error> {
        let (all, violating): (i64, i64) = connection.query_row(
            "select count(distinct component), count(distinct iif(violates, component, null))
             from (select replace(details, char(1), '') ->> 'component_id' as component,
                    violates_policy as violates from findings
                where application = ? and sandbox = ? and is_sca = 1 and status = 'OPEN')",
            [self.id, self.sandbox],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok((all > 0).then_some(Components {
            third_party_components: all,
            violate_policy: violating > 0,
            components_violated_policy: violating,
        }))
    }
}

fn in_words(compliance: &str) -> &'static str {
    match Compliance::parse(compliance) {
        Some(Compliance::Passed) => "Passed",
        Some(Compliance::DidNotPass) => "Did Not Pass",
        Some(Compliance::ConditionalPass) => "Conditional Pass",
        Some(Compliance::Determining) => "Calculating...",
        Some(Compliance::VendorReview) => "Under Vendor Review",
        Some(Compliance::NotAssessed) | None => "Not Assessed",
    }
}

fn level(criticality: &str) -> i64 {
    match Criticality::parse(criticality) {
        Some(Criticality::VeryHigh) => 5,
        Some(Criticality::High) => 4,
        Some(Criticality::Medium) => 3,
        Some(Criticality::Low) => 2,
        Some(Criticality::VeryLow) | None => 1,
    }
}
