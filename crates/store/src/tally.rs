//! What lists and overviews count from: `tallies`, `counts` and `history`. A writer
//! says of each row what it was and what it is; only the difference is written.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use countersign_findings::State;
use countersign_findings::filter::Field;

use crate::change::ChangeKind;
use crate::columns::{Columns, DAY_MS, Kind, state_code};
use crate::error::Error;
use crate::sql::engine::{self, Counting};
use crate::sql::{Bulk, Connection, Each, Many, params};

/// `counts.field`, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Counted {
    Cwe = 1,
    Category,
    Component,
    Cve,
    Module,
    File,
    /// The day on which it was first found, of findings that are open.
    FoundDay,
    ScanType,
    Status,
    Title,
    Url,
    Notes,
}

impl Counted {
    const ALL: [Self; 12] = [
        Self::Cwe,
        Self::Category,
        Self::Component,
        Self::Cve,
        Self::Module,
        Self::File,
        Self::FoundDay,
        Self::ScanType,
        Self::Status,
        Self::Title,
        Self::Url,
        Self::Notes,
    ];

    /// From what an application has for itself to what most have.
    const FROM_RARE: [Self; 12] = [
        Self::File,
        Self::Url,
        Self::Component,
        Self::Cve,
        Self::Module,
        Self::Title,
        Self::FoundDay,
        Self::Cwe,
        Self::Category,
        Self::Status,
        Self::ScanType,
        Self::Notes,
    ];

    pub(crate) fn of(field: Field) -> Option<Self> {
        match field {
            Field::Cwe => Some(Self::Cwe),
            Field::Category => Some(Self::Category),
            field => Kind::of(field).map(Kind::counted),
        }
    }
}

static TALLY: Bulk = Bulk {
    one: "insert into tallies (application, context, scan_type, severity, state, status,
            violates_policy, findings)
         values (?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (application, context, scan_type, severity, state, coalesce(status, -1),
            coalesce(violates_policy, -1))
         do update set findings = tallies.findings + excluded.findings",
    many: Many::Arrays(
        "insert into tallies (application, context, scan_type, severity, state, status,
            violates_policy, findings)
         select * from unnest(cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]),
            cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]),
            cast(? as bigint[]))
         on conflict (application, context, scan_type, severity, state, coalesce(status, -1),
            coalesce(violates_policy, -1))
         do update set findings = tallies.findings + excluded.findings",
    ),
};

static COUNT: Bulk = Bulk {
    one: "insert into counts (integration, field, value, severity, state, is_policy, findings)
         values (?, ?, ?, ?, ?, ?, ?)
         on conflict (field, value, severity, state, is_policy, integration)
         do update set findings = counts.findings + excluded.findings",
    many: Many::Arrays(
        "insert into counts (integration, field, value, severity, state, is_policy, findings)
         select * from unnest(cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]),
            cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]))
         on conflict (field, value, severity, state, is_policy, integration)
         do update set findings = counts.findings + excluded.findings",
    ),
};

/// What counts nothing is no row.
static NO_COUNT: Bulk = Bulk {
    one: "delete from counts where integration = ? and field = ? and value = ? and severity = ?
            and state = ? and is_policy = ? and findings = 0",
    many: Many::Arrays(
        "delete from counts c using unnest(cast(? as bigint[]), cast(? as bigint[]),
            cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]), cast(? as bigint[]))
            as n(integration, field, value, severity, state, is_policy)
         where c.integration = n.integration and c.field = n.field and c.value = n.value
            and c.severity = n.severity and c.state = n.state and c.is_policy = n.is_policy
            and c.findings = 0",
    ),
};

/// Differences that are held before they are written.
const HELD: usize = 50_000;

#[derive(PartialEq, Eq, Hash)]
struct Tally {
    context: i64,
    scan_type: i64,
    severity: i64,
    state: i64,
    status: Option<i64>,
    violates_policy: Option<bool>,
}

impl Tally {
    fn of(columns: &Columns) -> Self {
        Self {
            context: columns.context,
            scan_type: columns.scan_type,
            severity: columns.severity,
            state: columns.state,
            status: columns.status,
            violates_policy: columns.violates_policy,
        }
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Count {
    field: Counted,
    value: i64,
    severity: i64,
    state: i64,
    is_policy: bool,
}

impl Count {
    /// Where it comes among the counts of one writer. All have the same order, so that of two
    /// which write the same ones one waits for the other, and not both; what most applications
    /// have comes last, so that it waits for a short time.
    fn place(&self) -> (usize, i64, i64, i64, bool) {
        let field = Counted::FROM_RARE.iter().position(|field| *field == self.field);
        (field.unwrap_or_default(), self.value, self.severity, self.state, self.is_policy)
    }

    /// What a row counts for, in each field of which it has a value.
    fn of(columns: &Columns) -> impl Iterator<Item = Self> {
        let (severity, state, is_policy) = (columns.severity, columns.state, columns.is_policy);
        let found_day = columns.first_found_ms.map(|ms| ms.div_euclid(DAY_MS));
        [
            (Counted::Cwe, columns.cwe),
            (Counted::Category, columns.category),
            (Counted::Component, columns.component),
            (Counted::Cve, columns.cve),
            (Counted::Module, columns.module),
            (Counted::File, columns.file),
            (Counted::FoundDay, found_day.filter(|_| columns.is_open())),
            (Counted::ScanType, Some(columns.scan_type)),
            (Counted::Status, columns.status),
            (Counted::Title, Some(columns.title)),
            (Counted::Url, columns.url),
            (Counted::Notes, Some(columns.notes)),
        ]
        .into_iter()
        .filter_map(move |(field, value)| {
            value.map(|value| Self { field, value, severity, state, is_policy })
        })
    }
}

/// Counts anew what lists count from, after rows were found that cannot be believed. Nobody else
/// may count the integration meanwhile.
pub(crate) fn recount(
    connection: &Connection,
    integration: i64,
    application: i64,
) -> Result<(), Error> {
    count_anew(connection, Some(integration), Some(application))
}

/// The same, of everything.
pub(crate) fn recount_all(connection: &Connection) -> Result<(), Error> {
    count_anew(connection, None, None)
}

fn count_anew(
    connection: &Connection,
    integration: Option<i64>,
    application: Option<i64>,
) -> Result<(), Error> {
    connection.execute(
        "delete from tallies where application = coalesce(?, application)",
        [application],
    )?;
    connection.execute(
        "delete from counts where integration = coalesce(?, integration)",
        [integration],
    )?;
    let mut all = connection.prepare(
        "select integration, id from applications where integration = coalesce(?, integration)",
    )?;
    let mut all = all.query([integration])?;
    while let Some(row) = all.next()? {
        let (integration, id) = (row.get(0)?, row.get(1)?);
        let mut ledger = Ledger::new(connection, integration, id, 0, false);
        Columns::each(connection, Some(id), |_, columns| ledger.moved(None, Some(&columns)))?;
        if application.is_none_or(|application| application == id) {
            ledger.write_tallies()?;
        }
        ledger.write_counts()?;
    }
    Ok(())
}

/// What a table of counts says, or what the findings say that it should: the digest of each
/// key, as often as it is counted, added up. So millions of counts are compared without
/// holding them.
#[derive(Default, PartialEq)]
struct Sum(u64);

impl Sum {
    fn add(&mut self, key: impl Hash, findings: i64) {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.0 = self.0.wrapping_add(hasher.finish().wrapping_mul(findings as u64));
    }
}

/// What lists count from and does not follow from the findings: the names of its tables.
pub(crate) fn disagreeing(connection: &Connection) -> Result<Vec<&'static str>, Error> {
    // Of one moment, although it takes three statements.
    let connection = connection.snapshot()?;
    let mut integrations = HashMap::new();
    let mut statement = connection.prepare("select id, integration from applications")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        integrations.insert(row.get::<i64>(0)?, row.get::<i64>(1)?);
    }
    let (mut tallies, mut counts) = (Sum::default(), Sum::default());
    Columns::each(&connection, None, |application, columns| {
        tallies.add((application, Tally::of(&columns)), 1);
        // One of no application is told by the references.
        if let Some(integration) = integrations.get(&application) {
            Count::of(&columns).for_each(|count| counts.add((integration, count), 1));
        }
        Ok(())
    })?;
    let mut tables = Vec::new();
    if kept_tallies(&connection)? != Some(tallies) {
        tables.push("tallies");
    }
    if kept_counts(&connection)? != Some(counts) {
        tables.push("counts");
    }
    Ok(tables)
}

/// None where a row counts nothing, which none does.
fn kept_tallies(connection: &Connection) -> Result<Option<Sum>, Error> {
    let mut sum = Sum::default();
    let mut statement = connection.prepare(
        "select application, context, scan_type, severity, state, status, violates_policy, findings
         from tallies",
    )?;
    let mut rows = statement.scan([])?;
    while let Some(row) = rows.next()? {
        let tally = Tally {
            context: row.get(1)?,
            scan_type: row.get(2)?,
            severity: row.get(3)?,
            state: row.get(4)?,
            status: row.get(5)?,
            violates_policy: row.get(6)?,
        };
        let findings: i64 = row.get(7)?;
        if findings < 1 {
            return Ok(None);
        }
        sum.add((row.get::<i64>(0)?, tally), findings);
    }
    Ok(Some(sum))
}

/// None where a row counts nothing, or what nobody counts.
fn kept_counts(connection: &Connection) -> Result<Option<Sum>, Error> {
    let mut sum = Sum::default();
    let mut statement = connection.prepare(
        "select integration, field, value, severity, state, is_policy, findings from counts",
    )?;
    let mut rows = statement.scan([])?;
    while let Some(row) = rows.next()? {
        let code: i64 = row.get(1)?;
        let field = Counted::ALL.into_iter().find(|field| *field as i64 == code);
        let (Some(field), findings @ 1..) = (field, row.get(6)?) else { return Ok(None) };
        let count = Count {
            field,
            value: row.get(2)?,
            severity: row.get(3)?,
            state: row.get(4)?,
            is_policy: row.get(5)?,
        };
        sum.add((row.get::<i64>(0)?, count), findings);
    }
    Ok(Some(sum))
}

/// What happened on one day, by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Happened {
    open: i64,
    first: i64,
    new: i64,
    reopened: i64,
    closed: i64,
    fixed: i64,
    fix_ms: i64,
}

/// The differences that one commit makes.
pub(crate) struct Ledger<'a> {
    connection: &'a Connection,
    integration: i64,
    application: i64,
    at_ms: i64,
    /// Whether this reading is the first of its application.
    is_first: bool,
    tallies: HashMap<Tally, i64>,
    counts: HashMap<Count, i64>,
    days: [Happened; 6],
    /// How what is counted of the integration is held; none before it is.
    holds: Option<Counting>,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(
        connection: &'a Connection,
        integration: i64,
        application: i64,
        at_ms: i64,
        is_first: bool,
    ) -> Self {
        Self {
            connection,
            integration,
            application,
            at_ms,
            is_first,
            tallies: HashMap::new(),
            counts: HashMap::new(),
            days: [Happened::default(); 6],
            holds: None,
        }
    }

    /// Keeps others from counting the integration, until the transaction ends.
    pub(crate) fn hold(&mut self) -> Result<(), Error> {
        self.hold_counts(Counting::Alone)?;
        Ok(engine::hold_days(self.connection, self.integration)?)
    }

    fn hold_counts(&mut self, counting: Counting) -> Result<(), Error> {
        if self.holds.is_none() {
            engine::hold_counts(self.connection, self.integration, counting)?;
            self.holds = Some(counting);
        }
        Ok(())
    }

    /// Whether this reading is the first of its application.
    pub(crate) fn is_first(&self) -> bool {
        self.is_first
    }

    /// A row that was `before` is `after`; none of what is gone or was not there.
    pub(crate) fn moved(
        &mut self,
        before: Option<&Columns>,
        after: Option<&Columns>,
    ) -> Result<(), Error> {
        for (columns, by) in [(before, -1), (after, 1)] {
            if let Some(columns) = columns {
                self.add(columns, by);
            }
        }
        if self.counts.len() <= HELD {
            return Ok(());
        }
        self.hold_counts(Counting::Alone)?;
        self.write_counts()
    }

    /// A change of this kind was announced of a row.
    pub(crate) fn announced(&mut self, kind: ChangeKind, columns: &Columns, is_vanished: bool) {
        if !columns.is_policy {
            return;
        }
        let (is_first, at_ms) = (self.is_first, self.at_ms);
        let Some(day) = self.day(columns) else { return };
        match kind {
            ChangeKind::New if columns.state != state_code(State::Open) => {}
            ChangeKind::New if is_first => day.first += 1,
            ChangeKind::New => day.new += 1,
            ChangeKind::Reopened => day.reopened += 1,
            ChangeKind::Changed => {}
            ChangeKind::Closed => {
                day.closed += 1;
                if columns.state == state_code(State::Fixed) && !is_vanished {
                    day.fixed += 1;
                    let found_ms = columns.first_found_ms.unwrap_or(at_ms);
                    day.fix_ms += at_ms.saturating_sub(found_ms).max(0);
                }
            }
        }
    }

    fn day(&mut self, columns: &Columns) -> Option<&mut Happened> {
        usize::try_from(columns.severity).ok().and_then(|severity| self.days.get_mut(severity))
    }

    fn add(&mut self, columns: &Columns, by: i64) {
        *self.tallies.entry(Tally::of(columns)).or_default() += by;
        for count in Count::of(columns) {
            *self.counts.entry(count).or_default() += by;
        }
        if columns.is_open()
            && columns.is_policy
            && let Some(day) = self.day(columns)
        {
            day.open += by;
        }
    }

    /// Writes what is different.
    pub(crate) fn write(&mut self) -> Result<(), Error> {
        self.write_tallies()?;
        self.write_counts()?;
        self.write_days()
    }

    fn write_tallies(&mut self) -> Result<(), Error> {
        let mut add = Each::new(self.connection, &TALLY);
        let mut has_less = false;
        for (tally, by) in self.tallies.drain().filter(|(_, by)| *by != 0) {
            has_less |= by < 0;
            add.put(params![
                self.application,
                tally.context,
                tally.scan_type,
                tally.severity,
                tally.state,
                tally.status,
                tally.violates_policy,
                by
            ])?;
        }
        add.flush()?;
        if has_less {
            self.connection
                .prepare("delete from tallies where application = ? and findings = 0")?
                .execute([self.application])?;
        }
        Ok(())
    }

    fn write_counts(&mut self) -> Result<(), Error> {
        let mut counts: Vec<_> = self.counts.drain().filter(|(_, by)| *by != 0).collect();
        if counts.is_empty() {
            return Ok(());
        }
        self.hold_counts(Counting::Beside)?;
        counts.sort_unstable_by_key(|(count, _)| count.place());
        let mut add = Each::new(self.connection, &COUNT);
        let mut clear = Each::new(self.connection, &NO_COUNT);
        for (count, by) in counts {
            let Count { field, value, severity, state, is_policy } = count;
            let field = field as u8;
            add.put(params![self.integration, field, value, severity, state, is_policy, by])?;
            if by < 0 {
                clear.put(params![self.integration, field, value, severity, state, is_policy])?;
            }
        }
        add.flush()?;
        Ok(clear.flush()?)
    }

    fn write_days(&self) -> Result<(), Error> {
        if self.days == [Happened::default(); 6] {
            return Ok(());
        }
        engine::hold_days(self.connection, self.integration)?;
        // A clock that was set back must not open a day that is over.
        let last: Option<i64> = self
            .connection
            .prepare("select max(day) from history where integration = ?")?
            .query_row([self.integration], |row| row.get(0))?;
        let day = self.at_ms.div_euclid(DAY_MS).max(last.unwrap_or(i64::MIN));
        let mut add = self.connection.prepare(
            "insert into history (integration, application, day, severity, open, first, new,
                reopened, closed, fixed, fix_ms)
             values (?1, ?2, ?3, ?4, ?5 + coalesce((select open from history
                    where integration = ?1 and application = ?2 and severity = ?4 and day < ?3
                    order by day desc limit 1), 0),
                ?6, ?7, ?8, ?9, ?10, ?11)
             on conflict (integration, application, day, severity) do update set
                open = history.open + ?5, first = history.first + ?6, new = history.new + ?7,
                reopened = history.reopened + ?8, closed = history.closed + ?9,
                fixed = history.fixed + ?10, fix_ms = history.fix_ms + ?11",
        )?;
        for (severity, happened) in self.days.iter().enumerate() {
            if *happened == Happened::default() {
                continue;
            }
            for application in [self.application, 0] {
                add.execute(params![
                    self.integration,
                    application,
                    day,
                    severity as i64,
                    happened.open,
                    happened.first,
                    happened.new,
                    happened.reopened,
                    happened.closed,
                    happened.fixed,
                    happened.fix_ms
                ])?;
            }
        }
        Ok(())
    }
}
