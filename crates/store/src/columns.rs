//! A finding as the numbers of its row. Texts that many findings share are kept once,
//! in `texts`, by kind.

use std::borrow::Cow;
use std::collections::HashMap;

use countersign_findings::filter::Field;
use countersign_findings::{Context, Finding, State};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use sha2::{Digest, Sha256};

use crate::error::Error;

pub(crate) const DAY_MS: i64 = 86_400_000;

/// What a text is the value of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    ScanType = 1,
    Status = 2,
    Title = 3,
    File = 4,
    Module = 5,
    Url = 6,
    Component = 7,
    Cve = 8,
}

impl Kind {
    pub(crate) fn of(field: Field) -> Option<Self> {
        Some(match field {
            Field::ScanType => Self::ScanType,
            Field::Status => Self::Status,
            Field::Title => Self::Title,
            Field::File => Self::File,
            Field::Module => Self::Module,
            Field::Url => Self::Url,
            Field::Component => Self::Component,
            Field::Cve => Self::Cve,
            _ => return None,
        })
    }
}

/// `names.kind`.
pub(crate) const CWE_NAMES: u8 = 1;
pub(crate) const CATEGORY_NAMES: u8 = 2;

pub(crate) fn state_code(state: State) -> i64 {
    State::ALL.iter().position(|known| *known == state).map_or(0, |at| at as i64)
}

pub(crate) fn state_of(code: i64) -> Result<State, Error> {
    let found = usize::try_from(code).ok().and_then(|at| State::ALL.get(at).copied());
    found.ok_or_else(|| Error::corrupt("a finding in an unknown state"))
}

/// Texts of one transaction.
pub(crate) struct Texts<'a> {
    connection: &'a Connection,
    known: HashMap<(Kind, String), i64>,
}

/// Texts that a writer remembers, so that one with many findings stays small.
const REMEMBERED: usize = 20_000;

impl<'a> Texts<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self { connection, known: HashMap::new() }
    }

    /// Its number; a new one if it was never seen.
    pub(crate) fn number(&mut self, kind: Kind, text: &str) -> Result<i64, Error> {
        let key = (kind, text.to_owned());
        if let Some(id) = self.known.get(&key) {
            return Ok(*id);
        }
        let id = match find(self.connection, kind, text)? {
            Some(id) => id,
            None => {
                self.connection
                    .prepare_cached("insert into texts (kind, hash, text) values (?, ?, ?)")?
                    .execute((kind as u8, hash(text), text))?;
                let id = self.connection.last_insert_rowid();
                self.connection
                    .prepare_cached("insert into trigrams (rowid, text) values (?, ?)")?
                    .execute((id, searchable(text)))?;
                id
            }
        };
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(key, id);
        Ok(id)
    }

    fn some(&mut self, kind: Kind, text: Option<&String>) -> Result<Option<i64>, Error> {
        text.map(|text| self.number(kind, text)).transpose()
    }

    /// Remembers what a CWE or a category is called.
    fn name(&mut self, kind: u8, number: i64, name: Option<&String>) -> Result<(), Error> {
        let Some(name) = name else { return Ok(()) };
        self.connection
            .prepare_cached(
                "insert into names (kind, number, name) values (?, ?, ?)
                 on conflict do update set name = excluded.name where name <> excluded.name",
            )?
            .execute((kind, number, name))?;
        Ok(())
    }
}

/// The number of a text that was seen.
pub(crate) fn find(connection: &Connection, kind: Kind, text: &str) -> Result<Option<i64>, Error> {
    let mut statement = connection
        .prepare_cached("select id from texts where kind = ? and hash = ? and text = ?")?;
    Ok(statement.query_row((kind as u8, hash(text), text), |row| row.get(0)).optional()?)
}

/// As the index of trigrams takes it: a text ends at a NUL there.
pub(crate) fn searchable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

fn hash(text: &str) -> i64 {
    let digest = Sha256::digest(text.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_le_bytes(first)
}

/// What a row says that lists count and filter by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Columns {
    pub(crate) context: i64,
    pub(crate) is_policy: bool,
    pub(crate) severity: i64,
    pub(crate) state: i64,
    pub(crate) scan_type: i64,
    pub(crate) status: Option<i64>,
    pub(crate) violates_policy: Option<bool>,
    pub(crate) cwe: Option<i64>,
    pub(crate) category: Option<i64>,
    pub(crate) title: i64,
    pub(crate) file: Option<i64>,
    pub(crate) module: Option<i64>,
    pub(crate) url: Option<i64>,
    pub(crate) component: Option<i64>,
    pub(crate) cve: Option<i64>,
    pub(crate) cvss: Option<f64>,
    pub(crate) first_found_ms: Option<i64>,
    pub(crate) last_seen_ms: Option<i64>,
}

const NAMES: &str = "context, severity, state, scan_type, status, violates_policy, cwe, category,
    title, file, module, url, component, cve, cvss, first_found_ms, last_seen_ms";

impl Columns {
    pub(crate) fn of(
        finding: &Finding,
        context: i64,
        texts: &mut Texts<'_>,
    ) -> Result<Self, Error> {
        let location = &finding.location;
        for (kind, numbered) in [(CWE_NAMES, &finding.cwe), (CATEGORY_NAMES, &finding.category)] {
            if let Some(numbered) = numbered {
                texts.name(kind, numbered.id, numbered.name.as_ref())?;
            }
        }
        let component = finding.component.as_ref();
        let vulnerability = finding.vulnerability.as_ref();
        Ok(Self {
            context,
            is_policy: finding.context == Context::Policy,
            severity: finding.severity.level().into(),
            state: state_code(finding.state),
            scan_type: texts.number(Kind::ScanType, finding.scan_type.as_str())?,
            status: texts.some(Kind::Status, finding.status.status.as_ref())?,
            violates_policy: finding.violates_policy,
            cwe: finding.cwe.as_ref().map(|cwe| cwe.id),
            category: finding.category.as_ref().map(|category| category.id),
            title: texts.number(Kind::Title, &finding.title)?,
            file: texts.some(Kind::File, location.file.as_ref())?,
            module: texts.some(Kind::Module, location.module.as_ref())?,
            url: texts.some(Kind::Url, location.url.as_ref())?,
            component: texts
                .some(Kind::Component, component.and_then(|component| component.name.as_ref()))?,
            cve: texts.some(Kind::Cve, vulnerability.map(|vulnerability| &vulnerability.name))?,
            cvss: vulnerability.and_then(|known| known.cvss3.or(known.cvss2)),
            first_found_ms: finding.first_found_ms,
            last_seen_ms: finding.last_seen_ms,
        })
    }

    /// Of the row with this number, and whether it is gone.
    pub(crate) fn read(connection: &Connection, row: i64) -> Result<(Self, bool), Error> {
        let mut statement = connection.prepare_cached(&format!(
            "select {NAMES}, (select name from contexts c where c.id = context), gone
             from findings where id = ?"
        ))?;
        Ok(statement.query_row([row], read)?)
    }

    /// Of all rows of an application, a gone one included.
    pub(crate) fn insert(&self, connection: &Connection, new: &NewRow<'_>) -> Result<i64, Error> {
        let mut statement = connection.prepare_cached(&format!(
            "insert into findings ({NAMES}, application, added_ms, changed_ms, kind, finding_id, hash)
             values (:context, :severity, :state, :scan_type, :status, :violates_policy, :cwe,
                :category, :title, :file, :module, :url, :component, :cve, :cvss, :first_found_ms,
                :last_seen_ms, :application, :at_ms, :at_ms, :kind, :finding_id, :hash)"
        ))?;
        statement.execute(named_params! {
            ":context": self.context, ":severity": self.severity, ":state": self.state,
            ":scan_type": self.scan_type, ":status": self.status,
            ":violates_policy": self.violates_policy, ":cwe": self.cwe, ":category": self.category,
            ":title": self.title, ":file": self.file, ":module": self.module, ":url": self.url,
            ":component": self.component, ":cve": self.cve, ":cvss": self.cvss,
            ":first_found_ms": self.first_found_ms, ":last_seen_ms": self.last_seen_ms,
            ":application": new.application, ":at_ms": new.at_ms, ":kind": new.kind.unwrap_or(0),
            ":finding_id": new.finding_id, ":hash": new.hash,
        })?;
        Ok(connection.last_insert_rowid())
    }

    pub(crate) fn update(
        &self,
        connection: &Connection,
        row: i64,
        new: &NewRow<'_>,
    ) -> Result<(), Error> {
        let mut statement = connection.prepare_cached(
            "update findings set gone = 0, hash = :hash,
                changed_ms = iif(:kind is null, changed_ms, :at_ms), kind = coalesce(:kind, kind),
                context = :context, severity = :severity, state = :state, scan_type = :scan_type,
                status = :status, violates_policy = :violates_policy, cwe = :cwe,
                category = :category, title = :title, file = :file, module = :module, url = :url,
                component = :component, cve = :cve, cvss = :cvss,
                first_found_ms = :first_found_ms, last_seen_ms = :last_seen_ms
             where id = :row",
        )?;
        statement.execute(named_params! {
            ":context": self.context, ":severity": self.severity, ":state": self.state,
            ":scan_type": self.scan_type, ":status": self.status,
            ":violates_policy": self.violates_policy, ":cwe": self.cwe, ":category": self.category,
            ":title": self.title, ":file": self.file, ":module": self.module, ":url": self.url,
            ":component": self.component, ":cve": self.cve, ":cvss": self.cvss,
            ":first_found_ms": self.first_found_ms, ":last_seen_ms": self.last_seen_ms,
            ":at_ms": new.at_ms, ":kind": new.kind, ":hash": new.hash, ":row": row,
        })?;
        Ok(())
    }
}

/// What a row has besides its columns.
pub(crate) struct NewRow<'a> {
    pub(crate) application: i64,
    pub(crate) at_ms: i64,
    /// None: the same in meaning as it was.
    pub(crate) kind: Option<i64>,
    pub(crate) finding_id: &'a [u8; 10],
    pub(crate) hash: &'a [u8; 16],
}

fn read(row: &Row<'_>) -> rusqlite::Result<(Columns, bool)> {
    let context: String = row.get(17)?;
    let columns = Columns {
        context: row.get(0)?,
        is_policy: context == "policy",
        severity: row.get(1)?,
        state: row.get(2)?,
        scan_type: row.get(3)?,
        status: row.get(4)?,
        violates_policy: row.get(5)?,
        cwe: row.get(6)?,
        category: row.get(7)?,
        title: row.get(8)?,
        file: row.get(9)?,
        module: row.get(10)?,
        url: row.get(11)?,
        component: row.get(12)?,
        cve: row.get(13)?,
        cvss: row.get(14)?,
        first_found_ms: row.get(15)?,
        last_seen_ms: row.get(16)?,
    };
    Ok((columns, row.get(18)?))
}
