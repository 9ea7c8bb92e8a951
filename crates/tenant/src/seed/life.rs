//! A day in the life of a tenant, reproducible by seed and day. Each event moves
//! the dates that it moves on the real service, and no others: that is what an
//! incremental sync has to live with.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::{DAY_MS, Dice, Home, Seeder};
use crate::act::Act;
use crate::annotations::{self, Action, Reason};
use crate::tenant::Tenant;
use crate::words::ScanType;
use crate::{Error, clock, findings, notices, policies};

/// What happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Events {
    days: u64,
    scans_published: u64,
    findings_new: u64,
    findings_fixed: u64,
    findings_reopened: u64,
    mitigations_proposed: u64,
    mitigations_approved: u64,
    mitigations_rejected: u64,
    /// Vulnerabilities that became known without a scan.
    sca_published: u64,
    applications_created: u64,
    applications_renamed: u64,
    applications_deleted: u64,
    teams_moved: u64,
}

const OPEN_FLAW: &str =
    "is_sca = 0 and sandbox = 0 and status = 'OPEN' and resolution_status = 'NONE'";

impl Tenant {
    /// Lets days happen: the platform's time moves with them. Either all of them or none.
    pub fn live(&self, act: &Act, days: u32, seed: u64) -> Result<Events, Error> {
        let clock = self.clock();
        let (events, setting) = self.change(act, |change| {
            let mut setting = clock.setting();
            let mut now_ms = clock.at(setting);
            let mut events = Events::default();
            for _ in 0..days {
                now_ms += DAY_MS;
                day(change.transaction, seed, now_ms, &mut events)?;
            }
            setting = clock.moved_to(setting, now_ms);
            clock::save(change.transaction, setting)?;
            notices::write_due(change.transaction, now_ms)?;
            change.noted("tenant.life", &format!("days: {days}"), (events, setting))
        })?;
        clock.apply(setting);
        Ok(events)
    }
}

/// Lets one day happen, at `now_ms`.
fn day(
    transaction: &Transaction<'_>,
    seed: u64,
    now_ms: i64,
    events: &mut Events,
) -> Result<(), Error> {
    let now_ms = now_ms - now_ms.rem_euclid(1000);
    let number = now_ms.div_euclid(DAY_MS);
    let mut dice = Dice::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(number as u64));
    let start = dice.below(u64::MAX);
    let seeder = Seeder {
        transaction,
        dice: Dice::new(start),
        salt: start,
        today_ms: number * DAY_MS,
        is_demo: true,
        texts: HashMap::new(),
    };
    let mut life = Life { seeder, now_ms, events };
    life.events.days += 1;
    let scanned = life.count("applications", "last_scan_ms is not null")?;
    for _ in 0..scanned.div_ceil(8) {
        life.scan()?;
    }
    for _ in 0..3 {
        life.propose()?;
    }
    life.decide(true)?;
    life.decide(false)?;
    for _ in 0..2 {
        life.publish_vulnerability()?;
    }
    match number.rem_euclid(5) {
        0 => life.delete()?,
        1 | 3 => life.create()?,
        2 => life.rename()?,
        _ => life.move_team()?,
    }
    Ok(findings::date(transaction, now_ms)?)
}

struct Life<'a, 'e> {
    seeder: Seeder<'a>,
    now_ms: i64,
    events: &'e mut Events,
}

impl Life<'_, '_> {
    fn count(&self, table: &str, condition: &str) -> Result<u64, Error> {
        let sql = format!("select count(*) from {table} where {condition}");
        Ok(self.seeder.transaction.prepare_cached(&sql)?.query_row([], |row| row.get(0))?)
    }

    /// Some row's id, drawn.
    fn any(&mut self, table: &str, condition: &str) -> Result<Option<i64>, Error> {
        let count = self.count(table, condition)?;
        let skip = self.seeder.dice.below(count);
        let sql = format!("select id from {table} where {condition} order by id limit 1 offset ?");
        Ok(self
            .seeder
            .transaction
            .prepare_cached(&sql)?
            .query_row([skip], |row| row.get(0))
            .optional()?)
    }

    fn scanned_application(&mut self) -> Result<Option<Home>, Error> {
        let Some(id) = self.any("applications", "last_scan_ms is not null")? else {
            return Ok(None);
        };
        let home = self.seeder.transaction.query_row(
            "select id, build_id, name, created_ms from applications where id = ?",
            [id],
            |row| {
                Ok(Home {
                    id: row.get(0)?,
                    build_id: row.get(1)?,
                    name: row.get(2)?,
                    created_ms: row.get(3)?,
                    scanned_ms: self.now_ms,
                })
            },
        )?;
        Ok(Some(home))
    }

    /// A policy scan: some flaws are fixed, one is back, some are new. Moves both
    /// dates of the application, seconds after the scan.
    fn scan(&mut self) -> Result<(), Error> {
        let Some(home) = self.scanned_application()? else { return Ok(()) };
        let home = Home { build_id: home.build_id + 1, ..home };
        let of_this = format!("application = {} and {OPEN_FLAW}", home.id);
        for _ in 0..=self.seeder.dice.below(4) {
            if let Some(flaw) = self.any("findings", &of_this)? {
                self.seeder
                    .transaction
                    .execute("update findings set status = 'CLOSED' where id = ?", [flaw])?;
                self.events.findings_fixed += 1;
            }
        }
        let fixed = format!(
            "application = {} and is_sca = 0 and sandbox = 0 and status = 'CLOSED'
             and resolution_status = 'NONE'",
            home.id
        );
        if let Some(flaw) = self.any("findings", &fixed)? {
            self.seeder
                .transaction
                .execute("update findings set status = 'OPEN', is_new = 0 where id = ?", [flaw])?;
            self.events.findings_reopened += 1;
        }
        self.seeder.transaction.execute(
            "update findings set last_seen_ms = ?2, build_id = iif(is_sca, null, ?3)
             where application = ?1 and sandbox = 0 and status = 'OPEN'",
            params![home.id, self.now_ms, home.build_id],
        )?;
        let mut issue_id = self.last(home.id, false, "issue_id")?;
        for _ in 0..self.seeder.dice.below(4) {
            issue_id += 1;
            self.seeder.flaw(&home, 0, issue_id, ScanType::Static)?;
            self.appear(false)?;
            self.events.findings_new += 1;
        }
        self.seeder.transaction.execute(
            "update applications set build_id = ?2, last_scan_ms = ?3, modified_ms = ?3 + 3000,
                policy_checked_ms = ?3 + 5000 where id = ?1",
            params![home.id, home.build_id, self.now_ms],
        )?;
        self.seeder.transaction.execute(
            "update scans set modified_ms = ? where application = ? and scan_type = 'STATIC'",
            params![self.now_ms, home.id],
        )?;
        self.events.scans_published += 1;
        Ok(())
    }

    fn last(&self, application: i64, is_sca: bool, column: &str) -> Result<i64, Error> {
        let sql = format!(
            "select coalesce(max({column}), -1) from findings where application = ? and is_sca = ?"
        );
        let values = params![application, is_sca];
        Ok(self.seeder.transaction.query_row(&sql, values, |row| row.get(0))?)
    }

    /// What was inserted last is new, open, and first seen now.
    fn appear(&self, is_unscanned: bool) -> Result<(), Error> {
        self.seeder.transaction.execute(
            "update findings set status = 'OPEN', resolution = 'UNRESOLVED',
                resolution_status = 'NONE', annotations = null, mitigated_ms = null, is_new = 1,
                first_found_ms = ?1, last_seen_ms = iif(?2, last_seen_ms, ?1), updated_ms = 0
             where id = last_insert_rowid()",
            params![self.now_ms, is_unscanned],
        )?;
        Ok(())
    }

    /// Moves no date that is known.
    fn propose(&mut self) -> Result<(), Error> {
        let Some(flaw) = self.any("findings", OPEN_FLAW)? else { return Ok(()) };
        let reason = Action::Propose(Reason::Design);
        self.annotate(flaw, reason, "Input is checked before it gets here.")?;
        self.events.mitigations_proposed += 1;
        Ok(())
    }

    /// An approval moves the date of the policy check; a rejection moves none.
    fn decide(&mut self, is_approved: bool) -> Result<(), Error> {
        let Some(flaw) = self.any("findings", "resolution_status = 'PROPOSED'")? else {
            return Ok(());
        };
        if is_approved {
            self.annotate(flaw, Action::Approve, "Agreed.")?;
            self.events.mitigations_approved += 1;
        } else {
            self.annotate(flaw, Action::Reject, "The check can be bypassed.")?;
            self.events.mitigations_rejected += 1;
        }
        Ok(())
    }

    fn annotate(&self, finding: i64, action: Action, comment: &str) -> Result<(), Error> {
        let user = "reviewer@example.com";
        annotations::apply(self.seeder.transaction, finding, action, comment, user, self.now_ms)
    }

    /// Moves the date of the policy check alone: there was no scan.
    fn publish_vulnerability(&mut self) -> Result<(), Error> {
        let Some(home) = self.scanned_application()? else { return Ok(()) };
        let ordinal = self.last(home.id, true, "ordinal")? + 1;
        self.seeder.component(&home, 0, ordinal)?;
        self.appear(true)?;
        self.seeder.transaction.execute(
            "update applications set policy_checked_ms = ?2 where id = ?1",
            params![home.id, self.now_ms],
        )?;
        self.events.sca_published += 1;
        Ok(())
    }

    fn create(&mut self) -> Result<(), Error> {
        let name = format!("Newcomer {}", self.now_ms.div_euclid(DAY_MS));
        let guid = self.seeder.dice.guid();
        let created = self.seeder.transaction.execute(
            "insert or ignore into applications (guid, name, business_unit, policy,
                business_criticality, created_ms, modified_ms)
             values (?1, ?2, (select id from business_units where is_default),
                (select id from policies where guid = ?4), 'MEDIUM', ?3, ?3)",
            params![guid, name, self.now_ms, policies::RECOMMENDED],
        )?;
        self.events.applications_created += created as u64;
        Ok(())
    }

    fn rename(&mut self) -> Result<(), Error> {
        let Some(id) = self.any("applications", "true")? else { return Ok(()) };
        let suffix = format!(" (renamed {})", self.now_ms.div_euclid(DAY_MS));
        // A clock that was set back has the same days again, and so the same names.
        let renamed = self.seeder.transaction.execute(
            "update or ignore applications set name = substr(name, 1, 200) || ?2, modified_ms = ?3
             where id = ?1",
            params![id, suffix, self.now_ms],
        )?;
        self.events.applications_renamed += renamed as u64;
        Ok(())
    }

    fn delete(&mut self) -> Result<(), Error> {
        let Some(id) = self.any("applications", "true")? else { return Ok(()) };
        self.seeder.transaction.execute("delete from applications where id = ?", [id])?;
        self.events.applications_deleted += 1;
        Ok(())
    }

    fn move_team(&mut self) -> Result<(), Error> {
        let (Some(id), Some(team)) =
            (self.any("applications", "true")?, self.any("teams", "true")?)
        else {
            return Ok(());
        };
        let transaction = self.seeder.transaction;
        transaction.execute("delete from application_teams where application = ?", [id])?;
        transaction.execute("insert into application_teams values (?, ?)", [id, team])?;
        transaction
            .execute("update applications set modified_ms = ? where id = ?", [self.now_ms, id])?;
        self.events.teams_moved += 1;
        Ok(())
    }
}
