//! Copies of a whole store into an empty one, whichever engine each has.

use countersign_findings::{ApplicationGuid, Finding};

use crate::check::Problem;
use crate::columns::Draft;
use crate::error::Error;
use crate::raw::Unpacker;
use crate::seal;
use crate::sql::{self, Connection, Each, Text, ToSql, Value, engine, params};
use crate::store::Store;
use crate::stretches;

/// What is copied of each table, after those that it refers to. Texts, words and what engines
/// count by themselves are not among them.
const TABLES: &[&str] = &[
    "select id, name, vault_name, kind, url, ca_pem, allow_http_loopback, added_ms, api_id,
     version, published_ms, account, user_id, roles, teams, expires_ms, checked_ms,
     problem, used_ms, used_by, uid from credentials",
    "select id, uid, name, fullname, environment, labels, created_ms, updated_ms from
     accounts",
    "select id, name, created_ms, credential, uid, account, kind, mode, slug, fullname,
     updated_ms from integrations",
    "select id, integration, kind, started_ms, finished_ms, complete, requests, report from
     runs",
    "select id, integration, guid, name, modified_ms, policy_checked_ms, scanned_ms,
     read_ms, incomplete, held_back, gone, policy, policy_compliance, criticality, raw,
     seal from applications",
    "select id, name from contexts",
    "select kind, number, name from names",
    "select id, application, context, severity, state, gone, scan_type, status,
     violates_policy, cwe, category, title, file, module, url, component, cve, cvss,
     first_found_ms, last_seen_ms, added_ms, changed_ms, kind, finding_id, hash, notes,
     seal from findings",
    "select finding, raw from records",
    "select id, content from dictionaries",
    "select finding, read_ms, raw from details",
    "select id, application, context, hash, reason, seen_ms, raw from undecodable",
    "select seq, run, at_ms, finding, kind, reason, severity, differences, seal, is_first
     from changes",
    "select application, context, scan_type, severity, state, status, violates_policy,
     findings from tallies",
    "select integration, field, value, severity, state, is_policy, findings from counts",
    "select integration, application, day, severity, open, first, new, reopened, closed,
     fixed, fix_ms from history",
    "select id, at_ms, problems, first, is_mended_by_full_sync from last_check",
    "select integration, draw, paused_ms, asked_ms, due_ms, started_ms, ended_ms, full_ms,
     failures, fault, problem from schedules",
    "select id, credential, mode, minter, step, begun_ms, moved_ms, old_id, new_id,
     new_version, new_expires_ms, mints, lost, old_until_ms, to_revoke, problem, is_over
     from rotations",
    "select name, holder, token, until_ms from leases",
    "select id, at_ms, credential, act, detail, hash from audit",
    "select credential, seen_ms, fault, skew_ms, live_id from sightings",
    "select id, credential, kind, occasion, threshold, episode, is_urgent, raised_ms,
     ended_ms, acknowledged_ms, escalated_ms from notices",
    "select notice, channel, is_escalation, attempts, next_ms, sent_ms, problem from
     deliveries",
    "select credential, sequence, stamp_ms, content from calendar",
    "select credential, consumer, version, attempts, next_ms, delivered_ms,
     acknowledged_ms, problem from handovers",
    "select id, name, digest, rules, created_ms, expires_ms, revoked_ms, last_used_ms from
     broker_callers",
    "select seq, at_ms, caller, method, path, status, refusal, duration_ms from
     broker_requests",
    "select id, uid, account, name, fullname, vault_name, kind, api_id, version,
     expires_ms, created_ms, updated_ms from kept_credentials",
    "select id, uid, name, fullname, kind, permission_set, account, integration,
     operations, ttl_ms, created_ms, updated_ms from api_tokens",
    "select token, place, digest, expires_ms, last_used_ms from api_secrets",
    "select integration, hour, succeeded, failed, cpu_us, db_ops, api_ops, in_bytes,
     out_bytes from api_hours",
    "select id, integration, at_ms, operation, status, error from api_failures",
    "select integration, last, first from stretches",
    "select id, name, kind, place, cursor, mode, problem, since_ms, held_ms, failures,
     rests_until_ms, holder, held_until_ms, left_out, created_ms from destinations",
    "select destination, group_key, subject, from_seq, to_seq, events from wants",
    "select id, uid, destination, group_key, from_seq, to_seq, action, payload, state,
     reason, attempts, counted, planned_ms, started_ms, next_ms, settled_ms, reference,
     answer, replays from sends",
    "select destination, group_key, subject, reference, url, digest, standing, is_remarked,
     created_ms, changed_ms from links",
    "select destination, group_key, finding_id from linked",
    "select integration, period_ms, clean, audited_ms, last_applications, last_missed,
     applications, missed_by_dates, missed_by_scans from sweeps",
    "select integration, asked_ms from hints",
    "select run, integration, stage, terms, holder, lease, until_ms from conducts",
    "select run, place, application, terms, raw, state, holder, lease, until_ms, outcome,
     rows_written from work",
    "select egress, host, minute from budgets",
];

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Rows of all tables.
    pub rows: u64,
    /// Findings among them.
    pub findings: u64,
    /// What the check of the copy found: nothing, unless the original is damaged too.
    pub problems: Vec<Problem>,
}

impl Store {
    /// Copies everything that is stored into another store, which has to be empty, and compares
    /// the copy with the original: all of it is there, or nothing is. Others may write to the
    /// original meanwhile; the copy is of one moment.
    pub async fn copy_into(&self, to: &Self) -> Result<Copied, Error> {
        let copied = to.database.write_from(&self.database, copy).await?;
        let problems = to.check().await?;
        Ok(Copied { problems, ..copied })
    }
}

fn copy(from: &Connection, to: &Connection) -> Result<Copied, Error> {
    let from = from.snapshot()?;
    let to = to.transaction()?;
    let is_used: bool = to.query_row(
        "select exists (select 1 from integrations) or exists (select 1 from credentials)
            or exists (select 1 from audit) or exists (select 1 from destinations)",
        [],
        |row| row.get(0),
    )?;
    if is_used {
        return Err(Error::not_empty());
    }
    // The account of whoever runs this program comes with the others.
    to.execute("delete from accounts", [])?;
    let mut rows = copy_texts(&from, &to)?;
    for select in TABLES {
        rows += copy_table(&from, &to, select)?;
    }
    copy_words(&from, &to)?;
    let (last_change, last_row) = (engine::noted_last_change(&from)?, engine::last_row(&from)?);
    engine::numbers_go_on(&to, last_change, last_row)?;
    // Stretches end behind numbers that were kept for findings and not given; an engine that goes
    // on after the last finding would give them to others.
    if engine::last_row(&to)? < last_row {
        stretches::note_anew(&to)?;
    }
    // A name may be another one as this engine can hold it.
    for application in numbers(&to, "select id from applications")? {
        if seal::is_sound(&from, application)? {
            seal::application(&to, application)?;
        }
    }
    let findings = to.query_row("select count(*) from findings", [], |row| row.get(0))?;
    to.commit()?;
    Ok(Copied { rows, findings, problems: Vec::new() })
}

/// A digest of each row, added up: the same whatever the order of the rows is.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    digests: i64,
}

impl Sum {
    fn add(&mut self, values: &[Value]) -> Result<(), Error> {
        let values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
        self.rows += 1;
        self.digests = self.digests.wrapping_add(seal::of_values(&values)?);
        Ok(())
    }
}

fn copy_table(from: &Connection, to: &Connection, select: &str) -> Result<u64, Error> {
    let parts = select.strip_prefix("select ").and_then(|rest| rest.rsplit_once(" from"));
    let (columns, table) = parts.ok_or_else(|| Error::corrupt("a table without its columns"))?;
    let table = table.trim();
    let count = columns.split(',').count();
    let marks = vec!["?"; count].join(", ");
    let mut insert = to.prepare(&format!("insert into {table} ({columns}) values ({marks})"))?;
    let mut sum = Sum::default();
    each(from, select, count, |values| {
        let values: Vec<_> = values.into_iter().map(|value| held(to, value)).collect();
        sum.add(&values)?;
        insert.execute(values)?;
        Ok(())
    })?;
    let mut copied = Sum::default();
    each(to, select, count, |values| copied.add(&values))?;
    if copied == sum { Ok(sum.rows) } else { Err(Error::copied_otherwise(table)) }
}

/// As the engine of the copy holds it.
fn held(to: &Connection, value: Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(engine::storable(to, &text).into_owned()),
        other => other,
    }
}

fn each(
    connection: &Connection,
    select: &str,
    columns: usize,
    mut act: impl FnMut(Vec<Value>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut statement = connection.prepare(select)?;
    let mut rows = statement.scan([])?;
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|at| row.get(at)).collect::<sql::Result<_>>()?;
        act(values)?;
    }
    Ok(())
}

/// Number 0 is there.
fn copy_texts(from: &Connection, to: &Connection) -> Result<u64, Error> {
    let sum = |connection: &Connection, is_copied: bool| -> Result<Sum, Error> {
        let mut statement =
            connection.prepare("select id, kind, hash, text from texts where id > 0")?;
        let mut rows = statement.scan([])?;
        let mut sum = Sum::default();
        while let Some(row) = rows.next()? {
            let (id, kind, hash): (i64, u8, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let text = row.get::<Text>(3)?.0;
            if is_copied {
                engine::put_text(to, id, kind, hash, &text)?;
            }
            sum.add(&[id.into(), i64::from(kind).into(), hash.into(), text.into()])?;
        }
        Ok(sum)
    };
    let expected = sum(from, true)?;
    match sum(to, false)? == expected {
        true => Ok(expected.rows),
        false => Err(Error::copied_otherwise("texts")),
    }
}

/// Words are made anew of the records: no engine tells which it has.
fn copy_words(from: &Connection, to: &Connection) -> Result<(), Error> {
    let mut statement = from.prepare(
        "select f.id, records.raw, applications.guid, contexts.name from findings f
         join records on records.finding = f.id
         join applications on applications.id = f.application
         join contexts on contexts.id = f.context",
    )?;
    let mut unpacker = Unpacker::new(from);
    let mut words = Each::new(to, &engine::NEW_WORDS);
    let mut rows = statement.scan([])?;
    while let Some(row) = rows.next()? {
        let (guid, context): (String, String) = (row.get(2)?, row.get(3)?);
        let raw = unpacker.unpack(row.get_ref(1)?.as_blob().map_err(Error::corrupt)?)?;
        let guid = ApplicationGuid::parse(&guid).map_err(Error::corrupt)?;
        let context = context.parse().map_err(Error::corrupt)?;
        let finding = Finding::decode(&raw, &guid, &context).map_err(Error::corrupt)?;
        let finding_id: i64 = row.get(0)?;
        words.put(params![finding_id, Draft::of(&finding, 0).words])?;
        if words.waiting() >= engine::rows_at_once(to) {
            words.flush()?;
        }
    }
    Ok(words.flush()?)
}

fn numbers(connection: &Connection, select: &str) -> Result<Vec<i64>, Error> {
    let mut statement = connection.prepare(select)?;
    let rows = statement.query_map(params![], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::PIECES;

    /// Made anew, or noted by the engine: what is copied another way.
    const APART: [&str; 3] = ["texts", "trigrams", "words"];

    #[test]
    fn every_column_of_the_schema_is_copied() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        for piece in PIECES {
            database.execute_batch(piece).unwrap();
        }
        let mut columns = database
            .prepare(
                "select t.name || '.' || c.name from pragma_table_list t
                 join pragma_table_xinfo(t.name) c
                 where t.schema = 'main' and t.type = 'table' and t.name not like 'sqlite_%'",
            )
            .unwrap();
        let columns = columns.query_map([], |row| row.get(0)).unwrap();
        let mut columns: Vec<String> = columns.collect::<Result<_, _>>().unwrap();
        columns.retain(|column| !APART.contains(&column.split('.').next().unwrap_or_default()));
        for select in TABLES {
            let table = select.rsplit_once(' ').unwrap().1;
            let statement = database.prepare(select).unwrap();
            for name in statement.column_names() {
                let name = format!("{table}.{name}");
                let at = columns.iter().position(|column| *column == name);
                columns.swap_remove(at.unwrap_or_else(|| panic!("{name} is copied twice")));
            }
        }
        assert_eq!(columns, Vec::<String>::new());
    }
}
