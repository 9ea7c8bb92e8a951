//! The change feed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use countersign_findings::{Difference, FindingId, sentences};
use serde::Serialize;

use crate::change::{ChangeKind, Reason};
use crate::columns;
use crate::error::Error;
use crate::scope::{Scope, Scoped, id_range};
use crate::seal;
use crate::sql::{self, Connection, Params, Row, Text, Value as SqlValue, params, typed};
use crate::store::Store;

/// A row of the change feed.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRow {
    /// Position in the feed.
    pub seq: i64,
    /// When it was noticed.
    pub at_ms: i64,
    /// Guid of the application.
    pub application: String,
    /// Its name.
    pub application_name: String,
    /// Id of the finding.
    pub finding_id: String,
    /// What happened to it.
    pub kind: ChangeKind,
    /// Why, where it does not follow from the differences.
    pub reason: Option<Reason>,
    /// Severity, 0 to 5.
    pub severity: u8,
    /// Title of the finding.
    pub title: String,
    /// What is different, as JSON.
    pub differences: Option<String>,
    /// Name of the integration that brought it in.
    pub integration: String,
    /// Whether the finding came in with the first reading of its application.
    pub is_first: bool,
}

impl ChangeRow {
    /// What is different, a sentence for each difference that says something. There are words
    /// of the service in them.
    pub fn sentences(&self) -> Vec<String> {
        let read = self.differences.as_deref().map(serde_json::from_str::<Vec<Difference>>);
        read.and_then(Result::ok).map(|all| sentences(&all)).unwrap_or_default()
    }
}

/// Which changes.
#[derive(Debug, Clone, Default)]
pub struct ChangeFilter {
    /// Of this kind only.
    pub kind: Option<ChangeKind>,
    /// Of these applications.
    pub scope: Scope,
}

/// Where in the feed to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// At its beginning.
    Beginning,
    /// After this position.
    Seq(i64),
    /// At this time, milliseconds since the Unix epoch.
    Time(i64),
}

/// A part of the feed, in the order of a list.
#[derive(Debug, Clone, Default)]
pub struct ChangePage {
    /// Of these kinds; of any without one.
    pub kinds: Vec<ChangeKind>,
    /// Of these severities; of any without one.
    pub severities: Vec<u8>,
    /// Of the integrations with these names; of any without the list, of none by an empty one.
    pub integrations: Option<Vec<String>>,
    /// Of the applications with these guids; of any without one.
    pub applications: Vec<String>,
    /// Not before this time, milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
    /// Later than this position.
    pub since_seq: Option<i64>,
    /// Only what comes after this position, in the order of the list.
    pub after: Option<i64>,
    /// Whether the oldest comes first; else the newest.
    pub is_oldest_first: bool,
}

impl ChangePage {
    /// What a row has to be, with its values. Times are not asked by their index, which may
    /// lack a row.
    fn condition(&self) -> Result<(String, Vec<SqlValue>), Error> {
        let (mut parts, mut values) = (vec!["true".to_owned()], Vec::new());
        let mut add = |part: &str, value| {
            parts.push(part.to_owned());
            values.push(value);
        };
        if let Some(seq) = self.after {
            let part = if self.is_oldest_first { "seq > ?" } else { "seq < ?" };
            add(part, SqlValue::Integer(seq));
        }
        if let Some(seq) = self.since_seq {
            add("seq > ?", SqlValue::Integer(seq));
        }
        if let Some(ms) = self.since_ms {
            add("+at_ms >= ?", SqlValue::Integer(ms));
        }
        let codes: Vec<_> = self.kinds.iter().map(|kind| kind.code()).collect();
        let integrations = self.integrations.as_deref();
        for (part, is_asked, list) in [
            (
                format!("integrations.name in ({})", sql::texts("?")),
                integrations.is_some(),
                json(&integrations.unwrap_or_default())?,
            ),
            (format!("c.kind in ({})", sql::numbers("?")), !codes.is_empty(), json(&codes)?),
            (
                format!("c.severity in ({})", sql::numbers("?")),
                !self.severities.is_empty(),
                json(&self.severities)?,
            ),
            (
                format!("applications.guid in ({})", sql::texts("?")),
                !self.applications.is_empty(),
                json(&self.applications)?,
            ),
        ] {
            if is_asked {
                add(&part, SqlValue::Text(list));
            }
        }
        Ok((parts.join(" and "), values))
    }
}

fn json(list: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(list).map_err(Error::corrupt)
}

impl Store {
    /// One batch of a part of the feed.
    pub async fn change_page(&self, page: ChangePage, limit: u32) -> Result<Vec<ChangeRow>, Error> {
        self.database
            .read(move |connection| {
                let (condition, mut values) = page.condition()?;
                values.push(SqlValue::Integer(limit.into()));
                let order = if page.is_oldest_first { "seq" } else { "seq desc" };
                let select = select_change();
                let sql = format!("{select} {NAMED} where {condition} order by {order} limit ?");
                read_changes(connection, &sql, values)
            })
            .await
    }

    /// How many changes a part of the feed has.
    pub async fn count_changes(&self, page: ChangePage) -> Result<u64, Error> {
        self.database
            .read(move |connection| {
                let (condition, values) = page.condition()?;
                let sql = format!("select count(*) {FROM} {NAMED} where {condition}");
                let mut statement = connection.prepare(&sql)?;
                Ok(statement.query_row(values, |row| row.get(0))?)
            })
            .await
    }

    /// The change feed from `since` on, oldest first, `limit` rows at most.
    pub async fn changes(&self, since: Since, limit: u32) -> Result<Vec<ChangeRow>, Error> {
        self.database
            .read(move |connection| {
                let (condition, value) = match since {
                    Since::Beginning => ("seq > ?", 0),
                    Since::Seq(seq) => ("seq > ?", seq),
                    // Not by its index, which may lack a row.
                    Since::Time(ms) => ("+at_ms >= ?", ms),
                };
                let select = select_change();
                let sql = format!("{select} where {condition} order by seq limit ?");
                read_changes(connection, &sql, params![value, limit])
            })
            .await
    }

    /// The change feed backwards from before `before`, or from its end.
    pub async fn changes_before(
        &self,
        filter: ChangeFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ChangeRow>, Error> {
        self.database
            .read(move |connection| {
                let scope = Scoped::of(&filter.scope);
                let kind = filter.kind.map(ChangeKind::code);
                let before = before.unwrap_or(i64::MAX);
                let select = select_change();
                let sql = format!(
                    "{select} {NAMED} where seq < ?1 and (cast(?2 as bigint) is null or c.kind = ?2)
                        and (cast(?3 as text) is null or integrations.name = ?3)
                        and (cast(?4 as text) is null or applications.guid = ?4)
                     order by seq desc limit ?5"
                );
                let values = params![before, kind, scope.integration, scope.guid, limit];
                read_changes(connection, &sql, values)
            })
            .await
    }

    /// All changes of one finding, oldest first.
    pub async fn changes_of(&self, id: &str) -> Result<Vec<ChangeRow>, Error> {
        let Some((from, to)) = id_range(id) else { return Ok(Vec::new()) };
        self.database
            .read(move |connection| {
                // The first change of a finding is not indexed by finding: it is among
                // those of the time when the finding came.
                let (select, new) = (select_change(), ChangeKind::New.code());
                let sql = format!(
                    "{select} where seq in (
                        select seq from findings f2 join changes c2 on c2.finding = f2.id
                            and c2.kind <> {new} where f2.finding_id between ?1 and ?2
                        union all
                        select seq from findings f2 join changes c2 on c2.at_ms = f2.added_ms
                            and c2.finding = f2.id and c2.kind = {new}
                            where f2.finding_id between ?1 and ?2)
                     order by seq"
                );
                read_changes(connection, &sql, params![from, to])
            })
            .await
    }
}

/// Beside what is shown, whether the row and its finding are what was written.
fn select_change() -> String {
    format!(
        "select {}, {}, c.seal, f.seal, c.is_first, text, texts.hash {FROM}",
        seal::CHANGE,
        seal::FINDING
    )
}

/// Where the columns of [`seal::FINDING`] are in it, after those of [`seal::CHANGE`], and what
/// follows them.
const FINDING: usize = seal::CHANGE_COLUMNS;
const REST: usize = FINDING + seal::FINDING_COLUMNS;
/// Where the application and the title are among the columns of [`seal::FINDING`].
const APPLICATION: usize = 2;
const TITLE: usize = 12;

const FROM: &str = "from changes c
     left join findings f on f.id = c.finding
     left join texts on texts.id = f.title";

/// What else conditions name. What is shown of these is read once for each application.
const NAMED: &str = "left join applications on applications.id = f.application
     left join integrations on integrations.id = applications.integration";

fn read_changes(
    connection: &Connection,
    sql: &str,
    values: impl Params,
) -> Result<Vec<ChangeRow>, Error> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(values)?;
    let mut changes = Vec::new();
    // In the snapshot of this statement, once for each.
    let (mut applications, mut titles) = (BTreeMap::new(), BTreeMap::new());
    while let Some(row) = rows.next()? {
        let change = row.values::<{ seal::CHANGE_COLUMNS }>(0)?;
        let finding = row.values::<{ seal::FINDING_COLUMNS }>(FINDING)?;
        let [seq, _, at_ms, _, id, kind, reason, severity, differences] = change;
        let seq: i64 = typed(seq)?;
        let damaged = || Error::corrupt(format_args!("change {seq} is not as it was written"));
        let is_sound = row.get::<Option<i64>>(REST)? == Some(seal::of(&change))
            && row.get::<Option<i64>>(REST + 1)? == Some(seal::of(&finding));
        if !is_sound {
            return Err(damaged());
        }
        let title = match titles.entry(typed::<i64>(finding[TITLE])?) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(title(row)?.ok_or_else(damaged)?),
        };
        let application = match applications.entry(typed::<i64>(finding[APPLICATION])?) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let named = seal::check_application(connection, *new.key())?;
                new.insert(named)
            }
        };
        let id: [u8; 10] = typed(id)?;
        changes.push(ChangeRow {
            seq,
            at_ms: typed(at_ms)?,
            application: application.guid.clone(),
            application_name: application.name.clone(),
            finding_id: FindingId::from_bytes(&id).into(),
            kind: ChangeKind::of_code(typed(kind)?)?,
            reason: typed(reason)?,
            severity: typed(severity)?,
            title: title.clone(),
            differences: typed(differences)?,
            integration: application.integration.clone(),
            is_first: row.get(REST + 2)?,
        });
    }
    is_in_order(&changes).then_some(changes).ok_or_else(|| {
        Error::corrupt("changes that are not in their order: pages of the file changed places")
    })
}

/// Whether each is after the one before it, or each before it. A seal says nothing of the place.
fn is_in_order(changes: &[ChangeRow]) -> bool {
    changes.is_sorted_by(|one, next| one.seq < next.seq)
        || changes.is_sorted_by(|one, next| one.seq > next.seq)
}

/// The title of a finding, if it is what was written.
fn title(row: Row<'_>) -> Result<Option<String>, Error> {
    let title: Option<Text> = row.get(REST + 3)?;
    let hash: Option<i64> = row.get(REST + 4)?;
    Ok(title.filter(|title| Some(columns::hash(&title.0)) == hash).map(|title| title.0))
}
