//! Where all findings of an integration or an application stand, and how that came to
//! be. What counts is [`Scope::population`].

use std::collections::BTreeMap;

use countersign_findings::{Population, Sight};

use crate::change::RunKind;
use crate::columns::{CWE_NAMES, DAY_MS, IS_OPEN, IS_POLICY, place, state_of};
use crate::error::Error;
use crate::facets::FacetRow;
use crate::runs::IS_TOLD;
use crate::scope::{Scope, Scoped};
use crate::search::counted::source;
use crate::sql::{Connection, Text, ValueRef, named_params, params};
use crate::store::{IntegrationId, RunId, Store};
use crate::tally::Counted;

/// Where the findings of a population stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overview {
    /// Open ones by severity, 0 to 5.
    pub open: [u64; 6],
    /// Open ones by scan type.
    pub by_scan_type: Vec<(String, u64)>,
    /// Applications that the account sees.
    pub applications: u64,
    /// Of these, how many have which verdict of their policy.
    pub policy: Vec<(String, u64)>,
    /// Open ones by age.
    pub ageing: Vec<Age>,
    /// What was fixed in the last 365 days, by severity.
    pub time_to_fix: [Fixing; 6],
    /// The most frequent weaknesses of open findings.
    pub cwes: Vec<FacetRow>,
    /// The components with most open findings.
    pub components: Vec<FacetRow>,
    /// Applications with the most severe open findings.
    pub at_risk: Vec<AtRisk>,
}

/// Open findings of some age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    /// Found at most so many days ago; none for older ones.
    pub up_to_days: Option<u32>,
    /// By severity.
    pub open: [u64; 6],
}

/// How long fixing took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fixing {
    /// Findings.
    pub fixed: u64,
    /// From first found to noticed as fixed.
    pub mean_ms: i64,
}

/// An application with open findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtRisk {
    /// Integration.
    pub integration: String,
    /// Guid.
    pub guid: String,
    /// Name.
    pub name: String,
    /// Open findings by severity.
    pub open: [u64; 6],
    /// Verdict of its policy.
    pub policy_compliance: Option<String>,
}

/// One day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Day {
    /// Days since 1970-01-01 UTC.
    pub day: i64,
    /// Open findings at its end, by severity.
    pub open: [u64; 6],
    /// That the first reading of an application brought.
    pub first: u64,
    /// That appeared.
    pub new: u64,
    /// That were open again.
    pub reopened: u64,
    /// That are no longer open.
    pub closed: u64,
    /// Of these, that were fixed.
    pub fixed: u64,
    /// From first found to noticed as fixed, all of these together.
    pub fix_ms: i64,
}

/// A sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Number.
    pub id: RunId,
    /// Integration.
    pub integration: String,
    /// How much it reads.
    pub kind: RunKind,
    /// When it began.
    pub started_ms: i64,
    /// When it ended; none while it goes on, or after a crash.
    pub finished_ms: Option<i64>,
    /// Whether everything was read.
    pub complete: Option<bool>,
    /// What it cost.
    pub requests: Option<u64>,
    /// The whole report as JSON, as `sync --json` prints it.
    pub report: Option<String>,
}

const AGES: [Option<u32>; 6] = [Some(7), Some(30), Some(90), Some(180), Some(365), None];
/// Rows of the lists.
const TOP: u32 = 10;

/// Applications within a scope.
const WITHIN: &str = "application in (
    select a.id from applications a join integrations i on i.id = a.integration
    where (cast(:integration as text) is null or i.name = :integration)
        and (cast(:guid as text) is null or a.guid = :guid))";

impl Store {
    /// Where findings stand.
    pub async fn overview(&self, scope: Scope, now_ms: i64) -> Result<Overview, Error> {
        self.database.read(move |connection| overview(connection, &scope, now_ms)).await
    }

    /// Each day from one to another, both included. What was before the first sync is
    /// zero; a day without a change is as the one before.
    pub async fn history(
        &self,
        scope: Scope,
        from_day: i64,
        to_day: i64,
    ) -> Result<Vec<Day>, Error> {
        self.database.read(move |connection| history(connection, &scope, from_day, to_day)).await
    }

    /// The last syncs and imports, newest first, of one integration or all.
    pub async fn runs(
        &self,
        integration: Option<IntegrationId>,
        limit: u32,
    ) -> Result<Vec<RunRow>, Error> {
        let integration = integration.map(|id| id.0);
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(&format!(
                    "select runs.id, name, runs.kind, started_ms, finished_ms, complete, requests, report
                     from runs join integrations on integrations.id = integration
                     where (cast(?1 as bigint) is null or integration = ?1) and {IS_TOLD}
                     order by runs.id desc limit ?2",
                ))?;
                let rows = statement.query_map(params![integration, limit], |row| {
                    Ok(RunRow {
                        id: RunId(row.get(0)?),
                        integration: row.get(1)?,
                        kind: row.get(2)?,
                        started_ms: row.get(3)?,
                        finished_ms: row.get(4)?,
                        complete: row.get(5)?,
                        requests: row.get(6)?,
                        report: row.get(7)?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }
}

fn overview(connection: &Connection, scope: &Scope, now_ms: i64) -> Result<Overview, Error> {
    let (scoped, population) = (Scoped::of(scope), scope.population());
    let mut overview = Overview::default();
    read_tallies(connection, &scoped, population, &mut overview)?;
    read_policy(connection, &scoped, &mut overview)?;
    read_ages(connection, &scoped, population, now_ms, &mut overview)?;
    read_fixing(connection, scope, now_ms, &mut overview)?;
    let cwe = format!(
        "select value, trim('CWE-' || value || ' ' || coalesce((select name from names
            where kind = {CWE_NAMES} and number = value), '')), n from ({{}}) best"
    );
    overview.cwes =
        top(connection, &per_value(&scoped, population, Counted::Cwe, "cwe"), &scoped, &cwe)?;
    let component = "select text, text, n from ({}) best join texts on texts.id = value
         order by n desc, text";
    let components = per_value(&scoped, population, Counted::Component, "component");
    overview.components = top(connection, &components, &scoped, component)?;
    Ok(overview)
}

fn read_tallies(
    connection: &Connection,
    scoped: &Scoped<'_>,
    population: Population,
    overview: &mut Overview,
) -> Result<(), Error> {
    let mut statement = connection.prepare(&format!(
        "select application, state, severity, (select text from texts where id = scan_type),
            sum(findings)
         from tallies where {} and {WITHIN} group by 1, 2, 3, 4",
        place(population)
    ))?;
    let mut rows = statement
        .query(named_params! {":integration": scoped.integration, ":guid": scoped.guid})?;
    let mut risks: BTreeMap<i64, [u64; 6]> = BTreeMap::new();
    let mut types = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (application, severity, count): (i64, usize, u64) =
            (row.get(0)?, row.get(2)?, row.get(4)?);
        if population.holds(state_of(row.get(1)?)?) {
            *types.entry(row.get::<Text>(3)?.0).or_default() += count;
            overview.open[severity.min(5)] += count;
            risks.entry(application).or_default()[severity.min(5)] += count;
        }
    }
    overview.by_scan_type = types.into_iter().collect();
    let mut risks: Vec<_> = risks.into_iter().collect();
    risks.sort_by_key(|(application, open)| {
        (std::cmp::Reverse(open.iter().rev().copied().collect::<Vec<_>>()), *application)
    });
    risks.truncate(TOP as usize);
    let mut statement = connection.prepare(
        "select i.name, a.guid, a.name, a.policy_compliance
         from applications a join integrations i on i.id = a.integration where a.id = ?",
    )?;
    for (application, open) in risks {
        overview.at_risk.push(statement.query_row([application], |row| {
            Ok(AtRisk {
                integration: row.get(0)?,
                guid: row.get(1)?,
                name: row.get(2)?,
                open,
                policy_compliance: row.get(3)?,
            })
        })?);
    }
    Ok(())
}

fn read_policy(
    connection: &Connection,
    scoped: &Scoped<'_>,
    overview: &mut Overview,
) -> Result<(), Error> {
    let mut statement = connection.prepare(
        "select coalesce(policy_compliance, 'NOT_ASSESSED'), count(*)
         from applications a join integrations i on i.id = a.integration
         where gone = 0 and (cast(:integration as text) is null or i.name = :integration)
            and (cast(:guid as text) is null or a.guid = :guid)
         group by 1 order by 2 desc, 1",
    )?;
    let rows = statement.query_map(
        named_params! {":integration": scoped.integration, ":guid": scoped.guid},
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    overview.policy = rows.collect::<Result<_, _>>()?;
    overview.applications = overview.policy.iter().map(|(_, count)| count).sum();
    Ok(())
}

fn read_ages(
    connection: &Connection,
    scoped: &Scoped<'_>,
    population: Population,
    now_ms: i64,
    overview: &mut Overview,
) -> Result<(), Error> {
    let inner = per_value(scoped, population, Counted::FoundDay, FOUND_DAY);
    let mut statement = connection.prepare(&inner)?;
    let mut rows = statement
        .query(named_params! {":integration": scoped.integration, ":guid": scoped.guid})?;
    let today = now_ms.div_euclid(DAY_MS);
    overview.ageing = AGES.map(|up_to_days| Age { up_to_days, open: [0; 6] }).to_vec();
    while let Some(row) = rows.next()? {
        let (day, severity, count): (i64, usize, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let age = today.saturating_sub(day);
        let fits = |bound: &Age| bound.up_to_days.is_none_or(|days| age <= days.into());
        if let Some(at) = overview.ageing.iter().position(fits) {
            overview.ageing[at].open[severity.min(5)] += count;
        }
    }
    Ok(())
}

fn read_fixing(
    connection: &Connection,
    scope: &Scope,
    now_ms: i64,
    overview: &mut Overview,
) -> Result<(), Error> {
    let scoped = Scoped::of(scope);
    let mut statement = connection.prepare(&format!(
        "select severity, sum(sign * fixed), sum(sign * fix_ms) from ({HISTORY}) days
         where day > :since group by severity"
    ))?;
    let mut rows = statement.query(named_params! {
        ":integration": scoped.integration, ":guid": scoped.guid,
        ":since": now_ms.div_euclid(DAY_MS) - 365,
    })?;
    while let Some(row) = rows.next()? {
        let (severity, fixed, fix_ms): (usize, u64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let mean_ms = fix_ms / i64::try_from(fixed).unwrap_or(i64::MAX).max(1);
        overview.time_to_fix[severity.min(5)] = Fixing { fixed, mean_ms };
    }
    Ok(())
}

/// The day of `Counted::FoundDay`, in SQL: the floor, also before 1970.
const FOUND_DAY: &str =
    "(first_found_ms - (first_found_ms % 86400000 + 86400000) % 86400000) / 86400000";

/// Rows of the history within a scope: those of one application, or the sums without the
/// applications that the account no longer sees.
const HISTORY: &str = "
    select 1 as sign, * from history
    where integration in (
            select id from integrations
            where cast(:integration as text) is null or name = :integration)
        and application = coalesce((select id from applications a
            where a.integration = history.integration and a.guid = :guid), 0)
        and (cast(:guid as text) is null or application <> 0)
    union all
    select -1, * from history
    where cast(:guid as text) is null and integration in (
            select id from integrations
            where cast(:integration as text) is null or name = :integration)
        and application in (select id from applications where gone = 1)";

fn history(
    connection: &Connection,
    scope: &Scope,
    from_day: i64,
    to_day: i64,
) -> Result<Vec<Day>, Error> {
    let scoped = Scoped::of(scope);
    // What is taken off comes after what it is taken off from.
    let mut statement = connection.prepare(&format!(
        "select application, integration, day, severity, sign, sign * open, first, new, reopened,
            closed, fixed, fix_ms
         from ({HISTORY}) days where day <= :to order by day, sign desc"
    ))?;
    let mut rows = statement.query(named_params! {
        ":integration": scoped.integration, ":guid": scoped.guid, ":to": to_day,
    })?;
    // By integration and application, which for sums is none.
    let mut open: BTreeMap<(i64, i64), [i64; 6]> = BTreeMap::new();
    let mut days: Vec<Day> = (from_day..=to_day).map(|day| Day { day, ..Day::default() }).collect();
    let mut filled = 0;
    while let Some(row) = rows.next()? {
        let day: i64 = row.get(2)?;
        let at = usize::try_from(day - from_day).ok();
        // The days before this one are as the last that was seen.
        let until = at.unwrap_or(0).min(days.len());
        let sum = total(&open);
        while filled < until {
            days[filled].open = sum;
            filled += 1;
        }
        let severity = row.get::<usize>(3)?.min(5);
        open.entry((row.get(1)?, row.get(0)?)).or_default()[severity] = row.get(5)?;
        if let Some(day) = at.and_then(|at| days.get_mut(at)) {
            let is_added = row.get::<i64>(4)? > 0;
            let add = |sum: u64, more: u64| match is_added {
                true => sum.saturating_add(more),
                false => sum.saturating_sub(more),
            };
            day.first = add(day.first, row.get(6)?);
            day.new = add(day.new, row.get(7)?);
            day.reopened = add(day.reopened, row.get(8)?);
            day.closed = add(day.closed, row.get(9)?);
            day.fixed = add(day.fixed, row.get(10)?);
            let fix_ms: i64 = row.get(11)?;
            day.fix_ms += if is_added { fix_ms } else { -fix_ms };
        }
    }
    let sum = total(&open);
    days[filled..].iter_mut().for_each(|day| day.open = sum);
    Ok(days)
}

fn total(open: &BTreeMap<(i64, i64), [i64; 6]>) -> [u64; 6] {
    let mut sum = [0_i64; 6];
    for of in open.values() {
        sum.iter_mut().zip(of).for_each(|(sum, count)| *sum += count);
    }
    sum.map(|count| u64::try_from(count).unwrap_or_default())
}

/// The most frequent values, with the two texts that `named` makes of each.
fn top(
    connection: &Connection,
    values: &str,
    scoped: &Scoped<'_>,
    named: &str,
) -> Result<Vec<FacetRow>, Error> {
    let best = format!(
        "select value, sum(n) as n from ({values}) counted group by value order by 2 desc, 1 limit {TOP}"
    );
    let mut statement = connection.prepare(&named.replace("{}", &best))?;
    let rows = statement.query_map(
        named_params! {":integration": scoped.integration, ":guid": scoped.guid},
        |row| {
            let value = match row.get_ref(0)? {
                ValueRef::Integer(number) => number.to_string(),
                _ => row.get::<Text>(0)?.0,
            };
            Ok(FacetRow { value, label: row.get::<Text>(1)?.0, count: row.get(2)? })
        },
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// `value, severity, n` of open findings: from `counts`, or from an application's rows.
fn per_value(
    scoped: &Scoped<'_>,
    population: Population,
    counted: Counted,
    column: &str,
) -> String {
    match scoped.guid {
        None => format!(
            "select value, severity, sum(findings) as n from ({}) counted
             where {IS_OPEN} and {IS_POLICY} and integration in (
                select id from integrations
                where cast(:integration as text) is null or name = :integration)
                and cast(:guid as text) is null
             group by value, severity having sum(findings) > 0",
            source(counted, "value", column, population.sight == Sight::Visible)
        ),
        Some(_) => format!(
            "select {column} as value, severity, count(*) as n from findings
             where {} and {WITHIN} and gone = 0 and {IS_OPEN} and {column} is not null
             group by 1, 2",
            place(population)
        ),
    }
}
