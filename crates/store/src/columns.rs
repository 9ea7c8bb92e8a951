//! A finding as the numbers of its row. Texts that many findings share are kept once,
//! in `texts`, by kind.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use countersign_findings::filter::{self, Field, folded};
use countersign_findings::{Context, Contexts, Finding, Numbered, Population, Sight, State};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::seal;
use crate::search::own::list;
use crate::sql::{self, Bulk, Connection, Each, Many, Optional, Row, engine, params};
use crate::tally::Counted;

pub(crate) const DAY_MS: i64 = 86_400_000;

/// What a text is the value of; `texts.kind`, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    ScanType = 1,
    Status,
    Title,
    File,
    Module,
    Url,
    Component,
    Cve,
    Notes,
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
            Field::Notes => Self::Notes,
            _ => return None,
        })
    }

    /// As what its values are counted.
    pub(crate) fn counted(self) -> Counted {
        match self {
            Self::ScanType => Counted::ScanType,
            Self::Status => Counted::Status,
            Self::Title => Counted::Title,
            Self::File => Counted::File,
            Self::Module => Counted::Module,
            Self::Url => Counted::Url,
            Self::Component => Counted::Component,
            Self::Cve => Counted::Cve,
            Self::Notes => Counted::Notes,
        }
    }
}

/// Open findings, in SQL.
pub(crate) const IS_OPEN: &str = "state = 0";
/// Name of the policy context.
pub(crate) const POLICY: &str = "policy";
/// Findings of the policy context, in SQL: looked up once for a statement, and not by an
/// index that may lack it.
pub(crate) const IS_POLICY: &str =
    "context is not distinct from (select id from contexts not indexed where name = 'policy')";

/// Rows of applications that the account no longer sees, in SQL.
pub(crate) const IS_GONE: &str = "application in (select id from applications where gone = 1)";

/// The rows that are in the contexts and of the applications of a population, in SQL. Its
/// filter says the same of lists.
pub(crate) fn place(population: Population) -> String {
    let contexts = match population.contexts {
        Contexts::Policy => IS_POLICY.to_owned(),
        Contexts::Sandboxes => format!("not {IS_POLICY}"),
        Contexts::All => "true".to_owned(),
    };
    let sight = match population.sight {
        Sight::Visible => format!("not {IS_GONE}"),
        Sight::Gone => IS_GONE.to_owned(),
        Sight::All => "true".to_owned(),
    };
    format!("{contexts} and {sight}")
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

/// Texts of one transaction, or of what comes before it.
pub(crate) struct Texts<'a> {
    connection: &'a Connection,
    known: HashMap<Kind, HashMap<String, i64>>,
    named: HashMap<(u8, i64), String>,
    /// Whether texts are looked up for many findings at once, before any is asked for.
    is_ahead: bool,
}

/// Texts of a kind that a writer remembers, so that one with many findings stays small.
const REMEMBERED: usize = 20_000;

impl<'a> Texts<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        let is_ahead = engine::rows_at_once(connection) > 1;
        Self { connection, known: HashMap::new(), named: HashMap::new(), is_ahead }
    }

    /// Adds what these findings say and what is not there yet, where texts are looked up ahead:
    /// not in the transaction that writes the findings. Most texts are those of many
    /// applications, and who writes another one would wait for that transaction.
    pub(crate) fn keep<'d>(
        &mut self,
        drafts: impl Iterator<Item = &'d Draft> + Clone,
    ) -> Result<(), Error> {
        if !self.is_ahead {
            return Ok(());
        }
        let missing = self.look_up(drafts.clone())?;
        if !missing.is_empty() {
            engine::add_texts(self.connection, &missing)?;
        }
        let names = drafts.flat_map(Draft::names);
        let names: BTreeMap<_, _> =
            names.map(|(kind, number, name)| ((kind, number), name)).collect();
        let mut add = Each::new(self.connection, &NAME);
        for ((kind, number), name) in names {
            if self.named.get(&(kind, number)).is_none_or(|known| known != name) {
                add.put(params![kind, number, name])?;
                self.named.insert((kind, number), name.to_owned());
            }
        }
        Ok(add.flush()?)
    }

    /// Looks up what these findings say, where that is done ahead; answers what is not there.
    pub(crate) fn look_up<'d>(
        &mut self,
        drafts: impl Iterator<Item = &'d Draft>,
    ) -> Result<Vec<NewText>, Error> {
        if !self.is_ahead {
            return Ok(Vec::new());
        }
        self.known.values_mut().filter(|known| known.len() > REMEMBERED).for_each(HashMap::clear);
        let is_known = |kind: &Kind, text: &str| {
            self.known.get(kind).is_some_and(|known| known.contains_key(text))
        };
        let asked = drafts.flat_map(Draft::texts).filter(|(kind, text)| !is_known(kind, text));
        let asked: HashSet<(Kind, &str)> = asked.collect();
        let of = |(kind, text): (Kind, &str)| NewText { kind, hash: hash(text), text: text.into() };
        let mut asked: Vec<_> = asked.into_iter().map(of).collect();
        let found = engine::find_texts(self.connection, &asked)?;
        for (at, id) in &found {
            if let Some(text) = asked.get(*at) {
                self.known.entry(text.kind).or_default().insert(text.text.clone(), *id);
            }
        }
        let mut at = 0..;
        asked.retain(|_| at.next().is_some_and(|at| !found.contains_key(&at)));
        Ok(asked)
    }

    /// Its number; a new one if it was never seen.
    pub(crate) fn number(&mut self, kind: Kind, text: &str) -> Result<i64, Error> {
        if let Some(id) = self.known.get(&kind).and_then(|known| known.get(text)) {
            return Ok(*id);
        }
        let id = match find(self.connection, kind, text)? {
            Some(id) => id,
            None => {
                let hash = hash(text);
                engine::add_text(self.connection, kind as u8, hash, text)?
            }
        };
        let known = self.known.entry(kind).or_default();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(text.to_owned(), id);
        Ok(id)
    }

    fn some(&mut self, kind: Kind, text: &Option<String>) -> Result<Option<i64>, Error> {
        text.as_ref().map(|text| self.number(kind, text)).transpose()
    }

    /// Remembers what a CWE or a category is called.
    fn name(&mut self, kind: u8, number: i64, name: &str) -> Result<(), Error> {
        if self.is_ahead || self.named.get(&(kind, number)).is_some_and(|known| known == name) {
            return Ok(());
        }
        self.connection.prepare(NAME.one)?.execute(params![kind, number, name])?;
        self.named.insert((kind, number), name.to_owned());
        Ok(())
    }
}

/// A text that is looked for, and added where it is not there.
pub(crate) struct NewText {
    pub(crate) kind: Kind,
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite asks for each"))]
    pub(crate) hash: i64,
    pub(crate) text: String,
}

static NAME: Bulk = Bulk {
    one: "insert into names (kind, number, name) values (?, ?, ?)
         on conflict (kind, number) do update set name = excluded.name
            where names.name <> excluded.name",
    many: Many::Arrays(
        "insert into names (kind, number, name)
         select * from unnest(cast(? as bigint[]), cast(? as bigint[]), cast(? as text[]))
         on conflict (kind, number) do update set name = excluded.name
            where names.name <> excluded.name",
    ),
};

/// The number of a text that was seen, by its kind, its hash and itself.
pub(crate) const FIND: &str = "select id from texts where kind = ? and hash = ? and text = ?";

pub(crate) fn find(connection: &Connection, kind: Kind, text: &str) -> Result<Option<i64>, Error> {
    let mut statement = connection.prepare(FIND)?;
    Ok(statement.query_row(params![kind as u8, hash(text), text], |row| row.get(0)).optional()?)
}

/// As the index of trigrams takes it: without case, and without a NUL, at which a text
/// ends there.
pub(crate) fn searchable(text: &str) -> Cow<'_, str> {
    let folded = folded(text);
    if folded.contains('\0') { folded.replace('\0', "\u{fffd}").into() } else { folded }
}

pub(crate) fn hash(text: &str) -> i64 {
    let digest = Sha256::digest(text.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_le_bytes(first)
}

/// What a row takes of a finding: all that waits for a commit beside the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Draft {
    context: i64,
    is_policy: bool,
    severity: u8,
    state: i64,
    scan_type: String,
    status: Option<String>,
    violates_policy: Option<bool>,
    cwe: Option<(i64, Option<String>)>,
    category: Option<(i64, Option<String>)>,
    title: String,
    file: Option<String>,
    module: Option<String>,
    url: Option<String>,
    component: Option<String>,
    cve: Option<String>,
    /// The bits of the score: as a text it might come back as its neighbour.
    cvss: Option<u64>,
    first_found_ms: Option<i64>,
    last_seen_ms: Option<i64>,
    notes: String,
    /// Each of its words once.
    pub(crate) words: String,
}

impl Draft {
    pub(crate) fn of(finding: &Finding, context: i64) -> Self {
        let named = |numbered: &Option<Numbered>| {
            numbered.as_ref().map(|numbered| (numbered.id, numbered.name.clone()))
        };
        let location = &finding.location;
        let vulnerability = finding.vulnerability.as_ref();
        let cvss = vulnerability.and_then(|known| known.cvss3.or(known.cvss2));
        Self {
            context,
            is_policy: finding.context == Context::Policy,
            severity: finding.severity.level(),
            state: state_code(finding.state),
            scan_type: finding.scan_type.as_str().to_owned(),
            status: finding.status.status.clone(),
            violates_policy: finding.violates_policy,
            cwe: named(&finding.cwe),
            category: named(&finding.category),
            title: finding.title.clone(),
            file: location.file.clone(),
            module: location.module.clone(),
            url: location.url.clone(),
            component: finding.component.as_ref().and_then(|component| component.name.clone()),
            cve: vulnerability.map(|vulnerability| vulnerability.name.clone()),
            cvss: cvss.map(f64::to_bits),
            first_found_ms: finding.first_found_ms,
            last_seen_ms: finding.last_seen_ms,
            notes: filter::note_names(finding),
            words: all_words(finding),
        }
    }

    /// The texts that it says, each of its kind.
    fn texts(&self) -> impl Iterator<Item = (Kind, &str)> {
        let always = [
            (Kind::ScanType, &self.scan_type),
            (Kind::Title, &self.title),
            (Kind::Notes, &self.notes),
        ];
        let some = [
            (Kind::Status, &self.status),
            (Kind::File, &self.file),
            (Kind::Module, &self.module),
            (Kind::Url, &self.url),
            (Kind::Component, &self.component),
            (Kind::Cve, &self.cve),
        ];
        let some = some.into_iter().filter_map(|(kind, text)| Some((kind, text.as_ref()?)));
        always.into_iter().chain(some).map(|(kind, text)| (kind, text.as_str()))
    }

    /// What CWEs and categories are called in it, each with its kind and number.
    fn names(&self) -> impl Iterator<Item = (u8, i64, &str)> {
        let all = [(CWE_NAMES, &self.cwe), (CATEGORY_NAMES, &self.category)];
        all.into_iter().filter_map(|(kind, numbered)| match numbered {
            Some((number, Some(name))) => Some((kind, *number, name.as_str())),
            _ => None,
        })
    }

    /// Bytes that it takes up, about.
    pub(crate) fn size(&self) -> usize {
        let texts = [&self.file, &self.module, &self.url, &self.component, &self.cve];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        size_of::<Self>() + self.words.len() + self.title.len() + texts
    }
}

/// Each word of a finding once, for the index.
fn all_words(finding: &Finding) -> String {
    let texts: Vec<_> = filter::texts(finding).map(folded).collect();
    let mut words = Vec::with_capacity(128);
    words.extend(texts.iter().flat_map(|text| filter::words(text)));
    words.sort_unstable();
    words.dedup();
    words.join(" ")
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
    pub(crate) notes: i64,
}

const NAMES: &str = "context, severity, state, scan_type, status, violates_policy, cwe, category,
    title, file, module, url, component, cve, cvss, first_found_ms, last_seen_ms, notes";

impl Columns {
    pub(crate) fn of(draft: &Draft, texts: &mut Texts<'_>) -> Result<Self, Error> {
        for (kind, number, name) in draft.names() {
            texts.name(kind, number, name)?;
        }
        let number = |numbered: &Option<(i64, _)>| numbered.as_ref().map(|(number, _)| *number);
        Ok(Self {
            context: draft.context,
            is_policy: draft.is_policy,
            severity: draft.severity.into(),
            state: draft.state,
            scan_type: texts.number(Kind::ScanType, &draft.scan_type)?,
            status: texts.some(Kind::Status, &draft.status)?,
            violates_policy: draft.violates_policy,
            cwe: number(&draft.cwe),
            category: number(&draft.category),
            title: texts.number(Kind::Title, &draft.title)?,
            file: texts.some(Kind::File, &draft.file)?,
            module: texts.some(Kind::Module, &draft.module)?,
            url: texts.some(Kind::Url, &draft.url)?,
            component: texts.some(Kind::Component, &draft.component)?,
            cve: texts.some(Kind::Cve, &draft.cve)?,
            cvss: draft.cvss.map(f64::from_bits),
            first_found_ms: draft.first_found_ms,
            last_seen_ms: draft.last_seen_ms,
            notes: texts.number(Kind::Notes, &draft.notes)?,
        })
    }

    /// Of the row with this number, and whether it is gone.
    pub(crate) fn read(connection: &Connection, row: i64) -> Result<(Self, bool), Error> {
        let mut statement = connection.prepare(&format!(
            "select {NAMES}, coalesce((select name from contexts c where c.id = context) = '{POLICY}', false),
                gone from findings where id = ?"
        ))?;
        Ok(statement.query_row([row], read)?)
    }

    /// Of each of these rows that is there, with what else is asked of it before it is
    /// written.
    pub(crate) fn read_each(
        connection: &Connection,
        rows: &[i64],
    ) -> Result<HashMap<i64, Before>, Error> {
        let mut statement = connection.prepare(&format!(
            "select {NAMES}, {IS_POLICY}, gone, id, hash, finding_id from findings
             where id in ({})",
            sql::numbers("?")
        ))?;
        let read = |row: Row<'_>| {
            let (columns, is_gone) = read(row)?;
            let held = Before { columns, is_gone, hash: row.get(21)?, finding_id: row.get(22)? };
            Ok((row.get(20)?, held))
        };
        let found = statement.query_map([list(rows)], read)?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// Of every row that is not gone, of one application or of all, with its application.
    pub(crate) fn each(
        connection: &Connection,
        application: Option<i64>,
        mut act: impl FnMut(i64, Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let of = match application {
            Some(_) => "application = ?1",
            None => "cast(?1 as bigint) is null",
        };
        let mut statement = connection.prepare(&format!(
            "select {NAMES}, {IS_POLICY}, gone, application from findings where gone = 0 and {of}"
        ))?;
        let mut rows = statement.scan([application])?;
        while let Some(row) = rows.next()? {
            let (columns, _) = read(row)?;
            act(row.get(20)?, columns)?;
        }
        Ok(())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state == state_code(State::Open)
    }

    /// A new row under this number.
    pub(crate) fn insert(
        &self,
        into: &mut Each<'_>,
        row: i64,
        new: &NewRow<'_>,
    ) -> Result<(), Error> {
        let kind = new.kind.unwrap_or(0);
        // In the order of `seal::FINDING`. Sealed as it is written: a statement more for each
        // row shows in a first sync.
        let values = params![
            new.finding_id,
            new.hash,
            new.application,
            self.context,
            self.severity,
            self.state,
            0,
            self.scan_type,
            self.status,
            self.violates_policy,
            self.cwe,
            self.category,
            self.title,
            self.file,
            self.module,
            self.url,
            self.component,
            self.cve,
            self.cvss,
            self.first_found_ms,
            self.last_seen_ms,
            new.at_ms,
            new.at_ms,
            kind,
            self.notes
        ];
        let seal = seal::of_values(values)?;
        let mut all = values.to_vec();
        all.extend(params![seal, row]);
        Ok(into.put(&all)?)
    }

    /// What a row that is there says from now on.
    pub(crate) fn update(
        &self,
        of: &mut Each<'_>,
        row: i64,
        new: &NewRow<'_>,
    ) -> Result<(), Error> {
        Ok(of.put(params![
            new.hash,
            new.finding_id,
            new.kind,
            new.at_ms,
            self.context,
            self.severity,
            self.state,
            self.scan_type,
            self.status,
            self.violates_policy,
            self.cwe,
            self.category,
            self.title,
            self.file,
            self.module,
            self.url,
            self.component,
            self.cve,
            self.cvss,
            self.first_found_ms,
            self.last_seen_ms,
            self.notes,
            row
        ])?)
    }
}

/// New findings.
pub(crate) static INSERT: Bulk = Bulk {
    one: "insert into findings
            (finding_id, hash, application, context, severity, state, gone, scan_type, status,
             violates_policy, cwe, category, title, file, module, url, component, cve, cvss,
             first_found_ms, last_seen_ms, added_ms, changed_ms, kind, notes, seal, id)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    many: Many::Copy {
        table: "findings",
        columns: "finding_id, hash, application, context, severity, state, gone, scan_type, status,
             violates_policy, cwe, category, title, file, module, url, component, cve, cvss,
             first_found_ms, last_seen_ms, added_ms, changed_ms, kind, notes, seal, id",
    },
};

/// Findings that are there, and not gone from now on. Without a kind the change is none.
pub(crate) static UPDATE: Bulk = Bulk {
    one: "update findings set gone = 0, hash = ?1, finding_id = ?2,
            changed_ms = case when cast(?3 as bigint) is null then changed_ms else ?4 end,
            kind = coalesce(?3, kind),
            context = ?5, severity = ?6, state = ?7, scan_type = ?8, status = ?9,
            violates_policy = ?10, cwe = ?11, category = ?12, title = ?13, file = ?14,
            module = ?15, url = ?16, component = ?17, cve = ?18, cvss = ?19,
            first_found_ms = ?20, last_seen_ms = ?21, notes = ?22
         where id = ?23",
    many: Many::Arrays(
        "update findings f set gone = 0, hash = n.hash, finding_id = n.finding_id,
            changed_ms = case when n.kind is null then f.changed_ms else n.at_ms end,
            kind = coalesce(n.kind, f.kind),
            context = n.context, severity = n.severity, state = n.state,
            scan_type = n.scan_type, status = n.status, violates_policy = n.violates_policy,
            cwe = n.cwe, category = n.category, title = n.title, file = n.file,
            module = n.module, url = n.url, component = n.component, cve = n.cve,
            cvss = n.cvss, first_found_ms = n.first_found_ms, last_seen_ms = n.last_seen_ms,
            notes = n.notes
         from unnest(cast(? as bytea[]), cast(? as bytea[]), cast(? as bigint[]),
            cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]),
            cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]),
            cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]),
            cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]),
            cast(? as double precision[]), cast(? as bigint[]), cast(? as bigint[]),
            cast(? as bigint[]), cast(? as bigint[]))
            as n(hash, finding_id, kind, at_ms, context, severity, state, scan_type, status,
                violates_policy, cwe, category, title, file, module, url, component, cve, cvss,
                first_found_ms, last_seen_ms, notes, id)
         where f.id = n.id",
    ),
};

/// A row before it is written.
pub(crate) struct Before {
    pub(crate) columns: Columns,
    pub(crate) is_gone: bool,
    pub(crate) hash: [u8; 16],
    pub(crate) finding_id: [u8; 10],
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

fn read(row: Row<'_>) -> sql::Result<(Columns, bool)> {
    let columns = Columns {
        context: row.get(0)?,
        is_policy: row.get(18)?,
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
        notes: row.get(17)?,
    };
    Ok((columns, row.get(19)?))
}

#[cfg(test)]
mod tests {
    use countersign_findings::ApplicationGuid;

    use super::*;

    #[test]
    fn sql_says_what_the_program_says() {
        assert_eq!(IS_OPEN, format!("state = {}", state_code(State::Open)));
        assert_eq!(POLICY, Context::Policy.to_string());
        assert!(IS_POLICY.contains(&format!("'{POLICY}'")));
    }

    #[test]
    fn a_draft_comes_back_to_the_last_bit() {
        let raw = r#"{"scan_type": "SCA", "description": "A word, a WORD.", "finding_details": {
            "severity": 4, "component_id": "c", "component_filename": "a \"b\" \u0000.jar",
            "cve": {"name": "CVE-2026-0001", "cvss3": {"score": 9.799999999999999}}}}"#;
        let application = ApplicationGuid::parse("guid-alpha").unwrap();
        let finding = Finding::decode(raw, &application, &Context::Policy).unwrap();
        let mut draft = Draft::of(&finding, 1);
        draft.cvss = Some(0.1_f64.to_bits() + 1);
        let text = serde_json::to_string(&draft).unwrap();
        assert_eq!(serde_json::from_str::<Draft>(&text).unwrap(), draft);
        assert_eq!(draft.component.as_deref(), Some("a \"b\" \0.jar"));
        let words: Vec<_> = draft.words.split(' ').collect();
        for word in ["a", "word", "jar", "2026"] {
            assert_eq!(words.iter().filter(|known| **known == word).count(), 1, "{words:?}");
        }
    }
}
