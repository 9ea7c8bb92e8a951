//! A scan of a sandbox becomes the newest policy scan of its application.

use countersign_wire::sandbox::Sandbox;
use rusqlite::{Transaction, params};

use super::{Named, found, remove, target, whole};
use crate::act::{Change, Noted};
use crate::user::User;
use crate::{Error, Refused, whole_second};

/// What is promoted, and what becomes of the sandbox.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// The scan; the newest if none is named.
    pub build_id: Option<i64>,
    /// The sandbox goes.
    pub is_last: bool,
}

/// Findings of the sandbox's scan: static ones, and components of uploads.
const SCANNED: &str = "(scan_type = 'STATIC' or is_sca and scan_mode is not 'AGENT')";

/// The same finding in the other context: a flaw by its number, a component's by component
/// and vulnerability.
const SAME: &str = "other.application = f.application and other.is_sca = f.is_sca
    and iif(f.is_sca,
        other.cve is f.cve and other.scan_mode is f.scan_mode
            and replace(other.details, char(1), '') ->> 'component_id'
                is replace(f.details, char(1), '') ->> 'component_id',
        other.ordinal = f.ordinal)";

/// Promotes a scan of a sandbox: the policy context holds what it found, what it did not
/// find is fixed, and all dates of the application move as with a scan. Answers with the
/// sandbox.
pub fn promote(
    change: &Change<'_>,
    user: &User,
    named: &Named,
    wanted: Wanted,
) -> Result<Noted<Sandbox>, Refused> {
    let (application, id) = found(change, user, named)?;
    let promoted = whole(change.connection, id)?;
    let target = target(change, application, &promoted)?;
    let (count, newest): (i64, Option<i64>) = change.connection.query_row(
        "select count(*), max(build_id) from findings where application = ? and sandbox = ?",
        [application.id, id],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if count == 0 {
        return Err(Refused::member("/sandbox", "Nothing is published in the sandbox."));
    }
    if wanted.build_id.is_some() && wanted.build_id != newest {
        return Err(Refused::NoSuch("Scan of the sandbox"));
    }
    publish(change.transaction, application.id, id, whole_second(change.now_ms))?;
    if wanted.is_last {
        remove(change, application, id)?;
    }
    Ok(change.noted("sandbox.promote", &target, promoted)?)
}

fn publish(
    transaction: &Transaction<'_>,
    application: i64,
    sandbox: i64,
    now_ms: i64,
) -> Result<(), Error> {
    let build: i64 = transaction.query_row(
        "select 1 + max(coalesce(build_id, 0),
            coalesce((select max(build_id) from findings where application = ?1), 0))
         from applications where id = ?1",
        [application],
        |row| row.get(0),
    )?;
    let key = params![application, sandbox, now_ms, build];
    // What was not found any more is fixed.
    let fixed = format!(
        "update findings as f set status = 'CLOSED', is_new = 0
         where application = ?1 and sandbox = 0 and status = 'OPEN' and {SCANNED}
            and not exists (select 1 from findings other where other.sandbox = ?2 and {SAME})"
    );
    transaction.execute(&fixed, params![application, sandbox])?;
    // What was found again is open again, but for what was decided about it.
    let seen = format!(
        "update findings as f set last_seen_ms = ?3, build_id = iif(is_sca, null, ?4), is_new = 0,
            status = iif(resolution_status = 'APPROVED', status,
                (select other.status from findings other where other.sandbox = ?2 and {SAME}))
         where application = ?1 and sandbox = 0
            and exists (select 1 from findings other where other.sandbox = ?2 and {SAME})"
    );
    transaction.execute(&seen, key)?;
    // What is new keeps its number; components are counted on.
    let new = format!(
        "insert into findings (application, sandbox, is_sca, ordinal, issue_id, scan_type,
            severity, cwe, category, cvss, cve, violates_policy, is_new, status, resolution,
            resolution_status, review_status, first_found_ms, last_seen_ms, grace_ms,
            mitigated_ms, scan_mode, dependency_mode, build_id, text, details, annotations)
         select f.application, 0, f.is_sca,
            iif(f.is_sca, row_number() over (partition by f.is_sca order by f.ordinal)
                + coalesce((select max(ordinal) from findings
                    where application = ?1 and sandbox = 0 and is_sca = 1), 0), f.ordinal),
            f.issue_id, f.scan_type, f.severity, f.cwe, f.category, f.cvss, f.cve,
            f.violates_policy, 1, f.status, f.resolution, f.resolution_status, f.review_status,
            f.first_found_ms, ?3, f.grace_ms, f.mitigated_ms, f.scan_mode, f.dependency_mode,
            iif(f.is_sca, null, ?4), f.text, f.details, f.annotations
         from findings f where f.application = ?1 and f.sandbox = ?2
            and not exists (select 1 from findings other where other.sandbox = 0 and {SAME})"
    );
    transaction.execute(&new, key)?;
    // Seconds apart, as after a scan: clients wait for the check to be later.
    transaction.execute(
        "update applications set build_id = ?4, last_scan_ms = ?3, modified_ms = ?3 + 3000,
            policy_checked_ms = ?3 + 5000,
            compliance = iif(exists (select 1 from findings where application = ?1
                and sandbox = 0 and status = 'OPEN' and violates_policy), 'DID_NOT_PASS', 'PASSED')
         where id = ?1 and ?2 is not null",
        key,
    )?;
    transaction.execute(
        "insert into scans (application, scan_type, status, modified_ms, analysis, unit)
         values (?1, 'STATIC', 'PUBLISHED', ?2, ?3, ?3)
         on conflict (application, scan_type) do update
            set modified_ms = excluded.modified_ms, status = excluded.status",
        params![application, now_ms, build],
    )?;
    Ok(())
}
