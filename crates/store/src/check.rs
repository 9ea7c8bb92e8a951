//! Looks through everything that is stored, piece by piece: what SQLite knows of its pages
//! and indexes, and what hashes and seals know of the rest.

use std::collections::VecDeque;

use countersign_findings::{Application, ApplicationGuid, DataPath, Finding, FindingId};

use crate::audit::Verdict;
use crate::columns;
use crate::database::Database;
use crate::error::Error;
use crate::raw::Unpacker;
use crate::seal;
use crate::sql::{Connection, Optional, Row, Text, engine, params};
use crate::sqlite::accept_missing_log;
use crate::store::Store;
use crate::stretches;
use crate::tally;

/// Problems that one piece tells; more of a kind say nothing new.
const MOST: usize = 20;
/// Rows that one piece looks at.
const ROWS: u32 = 500;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What, in words.
    pub what: String,
    /// Whether a sync that reads everything anew writes it again.
    pub is_mended_by_full_sync: bool,
}

impl Problem {
    fn lasting(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_mended_by_full_sync: false }
    }

    fn passing(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_mended_by_full_sync: true }
    }
}

/// How the last look at everything ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCheck {
    /// When.
    pub at_ms: i64,
    /// How many problems it found.
    pub problems: u64,
    /// The first of them.
    pub first: Option<String>,
    /// Whether a sync that reads everything anew mends all of them.
    pub is_mended_by_full_sync: bool,
}

/// A check under way: one piece after the other, so that other work goes on in between.
pub struct Checkup {
    database: Database,
    pieces: VecDeque<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    /// All pages, and that none is lost or used twice.
    Pages,
    /// A table with its indexes.
    Table(String),
    References,
    Applications,
    /// Findings after this row.
    Findings(i64),
    /// Texts after this row.
    Texts(i64),
    /// What was kept raw, after this row.
    Undecodable(i64),
    /// Data paths after this row.
    Details(i64),
    /// The feed of changes after this row.
    Changes(i64),
    Counts,
    Audit,
}

/// Problems, and the piece that follows.
type Found = (Vec<Problem>, Option<Piece>);

impl Store {
    /// Looks at everything at once.
    pub async fn check(&self) -> Result<Vec<Problem>, Error> {
        let mut checkup =
            Checkup { database: self.database.clone(), pieces: Piece::contents(Piece::Pages) };
        let mut problems = Vec::new();
        while let Some(found) = checkup.step().await? {
            problems.extend(found);
        }
        Ok(problems)
    }

    /// Looks at everything in small pieces. Pages that belong to no table are left to
    /// [`check`](Self::check).
    pub async fn checkup(&self) -> Result<Checkup, Error> {
        let tables =
            self.database.read(|connection| Ok(engine::tables_to_check(connection)?)).await?;
        let mut pieces: VecDeque<_> = tables.into_iter().map(Piece::Table).collect();
        pieces.extend(Piece::contents(Piece::References));
        Ok(Checkup { database: self.database.clone(), pieces })
    }

    /// What is right and could be quicker, with what to do about it; none where nothing could.
    pub async fn advice(&self) -> Result<Option<String>, Error> {
        let missing = self.database.read(|connection| Ok(engine::missing_index(connection)?));
        Ok(missing.await?.map(|statements| {
            format!(
                "the database `{place}` has no index of parts of words: `like` looks through all texts\nhint: `psql -d '{place}' -c '{statements}'` adds it",
                place = self.place()
            )
        }))
    }

    /// Notes what a look at everything found.
    pub async fn note_check(&self, problems: &[Problem], at_ms: i64) -> Result<(), Error> {
        let first = problems.first().map(|one| one.what.clone());
        let is_mended = problems.iter().all(|one| one.is_mended_by_full_sync);
        let count = problems.len();
        self.database
            .write(move |connection| {
                connection.execute(
                    "insert into last_check (id, at_ms, problems, first, is_mended_by_full_sync)
                     values (1, ?, ?, ?, ?)
                     on conflict (id) do update set at_ms = excluded.at_ms,
                        problems = excluded.problems, first = excluded.first,
                        is_mended_by_full_sync = excluded.is_mended_by_full_sync",
                    params![at_ms, count, first, is_mended],
                )?;
                Ok(())
            })
            .await
    }

    /// How the last look at everything ended; none before the first.
    pub async fn last_check(&self) -> Result<Option<LastCheck>, Error> {
        self.database
            .read(|connection| {
                let sql = "select at_ms, problems, first, is_mended_by_full_sync from last_check";
                let read = |row: Row<'_>| {
                    Ok(LastCheck {
                        at_ms: row.get(0)?,
                        problems: row.get(1)?,
                        first: row.get(2)?,
                        is_mended_by_full_sync: row.get(3)?,
                    })
                };
                Ok(connection.prepare(sql)?.query_row([], read).optional()?)
            })
            .await
    }

    /// What a sync that reads everything anew begins with: fails where the file itself is
    /// damaged, which a sync cannot mend, and counts anew what does not add up.
    pub async fn ready_for_full(&self) -> Result<(), Error> {
        let found = self.database.read(|connection| pages(connection, None)).await?;
        if let Some(first) = found.first() {
            return Err(Error::corrupt(&first.what));
        }
        if self.database.read(stretches::are_wrong).await? {
            self.database
                .write(|connection| {
                    let transaction = connection.transaction()?;
                    stretches::note_anew(&transaction)?;
                    Ok(transaction.commit()?)
                })
                .await?;
        }
        if self.database.read(tally::disagreeing).await?.is_empty() {
            return Ok(());
        }
        self.database
            .write(|connection| {
                let transaction = connection.transaction()?;
                let mut statement = transaction.prepare("select id from applications")?;
                let rows = statement.query_map([], |row| row.get(0))?;
                let all: Vec<i64> = rows.collect::<Result<_, _>>()?;
                drop(statement);
                tally::recount_all(&transaction)?;
                for application in all {
                    seal::application(&transaction, application)?;
                }
                Ok(transaction.commit()?)
            })
            .await
    }

    /// A number that is another after every sync that wrote something.
    pub async fn generation(&self) -> Result<i64, Error> {
        self.database
            .read(|connection| {
                let mut statement = connection.prepare("select seal from applications")?;
                let mut rows = statement.query([])?;
                let mut sum = 0_i64;
                while let Some(row) = rows.next()? {
                    sum = sum.wrapping_add(row.get::<Option<i64>>(0)?.unwrap_or_default());
                }
                Ok(sum)
            })
            .await
    }

    /// What was written last is lost: goes on with what is in the file.
    pub async fn accept_missing_log(path: &std::path::Path) -> Result<(), Error> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || accept_missing_log(&path))
            .await
            .map_err(|_| Error::stopped())?
    }
}

impl Piece {
    fn contents(first: Self) -> VecDeque<Self> {
        let rest = [
            Self::References,
            Self::Applications,
            Self::Findings(i64::MIN),
            Self::Texts(i64::MIN),
            Self::Undecodable(i64::MIN),
            Self::Details(i64::MIN),
            Self::Changes(i64::MIN),
            Self::Counts,
            Self::Audit,
        ];
        let skipped = usize::from(matches!(first, Self::References));
        std::iter::once(first).chain(rest.into_iter().skip(skipped)).collect()
    }

    /// What it finds, and the piece that follows on it.
    fn look(&self, connection: &Connection) -> Result<Found, Error> {
        Ok(match self {
            Self::Pages => (pages(connection, None)?, None),
            Self::Table(name) => (pages(connection, Some(name))?, None),
            Self::References => (references(connection)?, None),
            Self::Applications => (applications(connection)?, None),
            Self::Findings(after) => after_these(findings(connection, *after)?, Self::Findings),
            Self::Texts(after) => after_these(texts(connection, *after)?, Self::Texts),
            Self::Undecodable(after) => {
                after_these(undecodable(connection, *after)?, Self::Undecodable)
            }
            Self::Details(after) => after_these(details(connection, *after)?, Self::Details),
            Self::Changes(after) => after_these(changes(connection, *after)?, Self::Changes),
            Self::Counts => (counts(connection)?, None),
            Self::Audit => (audit(connection)?, None),
        })
    }

    /// What cannot be looked at because it is damaged is a problem.
    fn judge(&self, found: Result<Found, Error>) -> Result<Found, Error> {
        match found {
            Err(error) if !error.is_of_the_moment() => {
                let what = format!("{} cannot be read: {}", self.name(), error.damage());
                Ok((vec![Problem::lasting(what)], None))
            }
            found => found,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Pages => "the pages of the file".into(),
            Self::Table(name) => format!("the table `{name}`"),
            Self::References => "references between tables".into(),
            Self::Applications => "applications".into(),
            Self::Findings(_) => "findings".into(),
            Self::Texts(_) => "texts".into(),
            Self::Undecodable(_) => "records that cannot be read".into(),
            Self::Details(_) => "data paths".into(),
            Self::Changes(_) => "changes".into(),
            Self::Counts => "counts".into(),
            Self::Audit => "the audit log".into(),
        }
    }
}

impl Checkup {
    /// Looks at the next piece; none when there is none left. What cannot be looked at
    /// because it is damaged is a problem, and the rest is looked at all the same.
    pub async fn step(&mut self) -> Result<Option<Vec<Problem>>, Error> {
        let Some(piece) = self.pieces.pop_front() else { return Ok(None) };
        let looked = piece.clone();
        let found = self.database.read(move |connection| looked.look(connection)).await;
        let (problems, next) = piece.judge(found)?;
        if let Some(next) = next {
            self.pieces.push_front(next);
        }
        Ok(Some(problems))
    }
}

/// Looks at everything; of a schema that is not this version's, at what every one has.
pub(crate) fn check_connection(
    connection: &Connection,
    is_current: bool,
) -> Result<Vec<Problem>, Error> {
    let mut pieces = match is_current {
        true => Piece::contents(Piece::Pages),
        false => [Piece::Pages, Piece::References].into(),
    };
    let mut problems = Vec::new();
    while let Some(piece) = pieces.pop_front() {
        let (found, next) = piece.judge(piece.look(connection))?;
        problems.extend(found);
        pieces.extend(next);
    }
    Ok(problems)
}

/// What the engine knows, of a table or of everything.
fn pages(connection: &Connection, table: Option<&str>) -> Result<Vec<Problem>, Error> {
    let told = |line: String| {
        let what = line.split_whitespace().collect::<Vec<_>>().join(" ");
        Problem::lasting(format!("the file is damaged: {what}"))
    };
    Ok(engine::damage(connection, table, MOST)?.into_iter().map(told).collect())
}

fn references(connection: &Connection) -> Result<Vec<Problem>, Error> {
    let told = |(table, parent, count)| {
        Problem::lasting(format!("{count} rows of `{table}` are of no row of `{parent}`"))
    };
    Ok(engine::broken_references(connection, MOST)?.into_iter().map(told).collect())
}

fn applications(connection: &Connection) -> Result<Vec<Problem>, Error> {
    let mut statement = connection.prepare("select id, guid, name, raw from applications")?;
    let mut unpacker = Unpacker::afresh(connection);
    let mut rows = statement.query([])?;
    let mut problems = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, guid, name): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let packed = row.get_ref(3)?.as_blob().map_err(Error::corrupt)?;
        let listed = unpacker.unpack(packed).ok().and_then(|raw| Application::decode(&raw).ok());
        let is_sound = seal::is_sound(connection, id)?
            && listed.is_some_and(|one| {
                one.guid.as_str() == guid && engine::storable(connection, &one.name) == name
            });
        if !is_sound && problems.len() < MOST {
            let what = format!("application `{guid}` or its counts are not as they were written");
            problems.push(Problem::passing(what));
        }
    }
    Ok(problems)
}

/// What is wrong with some rows, and the last of them; none when these were the last.
type Looked = (Vec<Problem>, Option<i64>);

/// With the piece that goes on after the last of these rows.
fn after_these((problems, last): Looked, rest: fn(i64) -> Piece) -> Found {
    (problems, last.map(rest))
}

/// Judges the next rows that a statement has after this one, each by itself.
fn look_at(
    connection: &Connection,
    sql: &str,
    after: i64,
    mut judge: impl FnMut(Row<'_>) -> Result<Option<Problem>, Error>,
) -> Result<Looked, Error> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(params![after, ROWS])?;
    let (mut problems, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        // A damaged tree may lead back to where it was read before, for ever.
        if id <= last.unwrap_or(after) {
            return Err(Error::corrupt("rows that are not in their order"));
        }
        last = Some(id);
        let problem = judge(row)?;
        if problems.len() < MOST {
            problems.extend(problem);
        }
    }
    Ok((problems, last))
}

fn findings(connection: &Connection, after: i64) -> Result<Looked, Error> {
    let sql = format!(
        "select f.id, f.finding_id, f.hash, f.seal, records.raw, applications.guid, contexts.name, {}
         from findings f
         left join records on records.finding = f.id
         left join applications on applications.id = f.application
         left join contexts on contexts.id = f.context
         where f.id > ? order by f.id limit ?",
        seal::FINDING
    );
    let mut unpacker = Unpacker::afresh(connection);
    look_at(connection, &sql, after, |row| finding(row, &mut unpacker))
}

fn finding(row: Row<'_>, unpacker: &mut Unpacker<'_>) -> Result<Option<Problem>, Error> {
    let (id, hash): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
    let packed = row.get_ref(4)?.as_blob_or_null().map_err(Error::corrupt)?;
    let raw = packed.and_then(|packed| unpacker.unpack(packed).ok());
    let (guid, context): (Option<String>, Option<String>) = (row.get(5)?, row.get(6)?);
    let is_record_sound = raw.as_ref().is_some_and(|raw| hash == seal::hash_of(raw));
    let of = guid.as_ref().and_then(|guid| ApplicationGuid::parse(guid).ok());
    let of = of.zip(context.and_then(|context| context.parse().ok()));
    let decoded =
        raw.zip(of).and_then(|(raw, (guid, context))| Finding::decode(&raw, &guid, &context).ok());
    let is_row_sound = row.get::<Option<i64>>(3)? == Some(seal::of_finding(row, 7)?)
        && (!is_record_sound || decoded.is_some_and(|one| id == one.id.to_bytes()));
    let what = match (is_row_sound, is_record_sound) {
        (true, true) => return Ok(None),
        (true, false) => "the record",
        (false, _) => "the row",
    };
    let id = <[u8; 10]>::try_from(id.as_slice());
    let id = id.map_or_else(|_| "?".into(), |id| FindingId::from_bytes(&id).to_string());
    let guid = guid.unwrap_or_else(|| "?".into());
    Ok(Some(Problem::passing(format!(
        "{what} of finding {id} of application `{guid}` is not as it was written"
    ))))
}

fn texts(connection: &Connection, after: i64) -> Result<Looked, Error> {
    let sql = "select id, hash, text from texts where id > ? order by id limit ?";
    look_at(connection, sql, after, |row| {
        let (id, hash): (i64, i64) = (row.get(0)?, row.get(1)?);
        let is_sound = row.get::<Text>(2).is_ok_and(|text| columns::hash(&text.0) == hash);
        let what = || Problem::lasting(format!("text {id} is not as it was written"));
        Ok((!is_sound).then(what))
    })
}

fn undecodable(connection: &Connection, after: i64) -> Result<Looked, Error> {
    let sql = "select id, hash, raw from undecodable where id > ? order by id limit ?";
    let mut unpacker = Unpacker::afresh(connection);
    look_at(connection, sql, after, |row| {
        let (id, hash): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let raw = unpacker.unpack(row.get_ref(2)?.as_blob().map_err(Error::corrupt)?);
        let is_sound = raw.is_ok_and(|raw| hash == seal::hash_of(&raw));
        let what = || format!("record {id} that cannot be read is not as it was written");
        Ok((!is_sound).then(|| Problem::passing(what())))
    })
}

fn details(connection: &Connection, after: i64) -> Result<Looked, Error> {
    let sql = "select finding, raw from details where finding > ? order by finding limit ?";
    let mut unpacker = Unpacker::afresh(connection);
    look_at(connection, sql, after, |row| {
        let id: i64 = row.get(0)?;
        let raw = unpacker.unpack(row.get_ref(1)?.as_blob().map_err(Error::corrupt)?);
        let is_sound = raw.is_ok_and(|raw| DataPath::decode(&raw).is_ok());
        let what = || format!("data paths {id} are not as they were written");
        Ok((!is_sound).then(|| Problem::lasting(what())))
    })
}

fn changes(connection: &Connection, after: i64) -> Result<Looked, Error> {
    let sql = format!(
        "select c.seq, c.seal, {}
         from changes c left join findings f on f.id = c.finding
         where c.seq > ? order by c.seq limit ?",
        seal::CHANGE
    );
    look_at(connection, &sql, after, |row| {
        let seq: i64 = row.get(0)?;
        let is_sound = row.get::<Option<i64>>(1)? == Some(seal::of_change(row, 2)?);
        let what = || Problem::lasting(format!("change {seq} is not as it was written"));
        Ok((!is_sound).then(what))
    })
}

fn counts(connection: &Connection) -> Result<Vec<Problem>, Error> {
    let found = tally::disagreeing(connection)?;
    let told = |table| Problem::passing(format!("`{table}` does not add up to the findings"));
    let mut problems: Vec<_> = found.into_iter().map(told).collect();
    if stretches::are_wrong(connection)? {
        problems
            .push(Problem::passing("`stretches` does not lead to the findings as they came in"));
    }
    Ok(problems)
}

fn audit(connection: &Connection) -> Result<Vec<Problem>, Error> {
    Ok(match crate::audit::verify(connection)? {
        Verdict::Whole { .. } => Vec::new(),
        Verdict::Broken { id } => {
            vec![Problem::lasting(format!("entry {id} of the audit log is not as it was written"))]
        }
    })
}
