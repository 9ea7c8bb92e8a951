//! What lists and overviews count from: `tallies`, `counts` and `history`. A writer
//! says of each row what it was and what it is; only the difference is written.

use std::collections::HashMap;

use countersign_findings::State;
use countersign_findings::filter::Field;
use rusqlite::{Connection, params};

use crate::change::ChangeKind;
use crate::columns::{Columns, DAY_MS, IS_OPEN, IS_POLICY, state_code};
use crate::error::Error;

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
}

impl Counted {
    pub(crate) fn of(field: Field) -> Option<Self> {
        Some(match field {
            Field::Cwe => Self::Cwe,
            Field::Category => Self::Category,
            Field::Component => Self::Component,
            Field::Cve => Self::Cve,
            Field::Module => Self::Module,
            Field::File => Self::File,
            _ => return None,
        })
    }
}

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

#[derive(PartialEq, Eq, Hash)]
struct Count {
    field: Counted,
    value: i64,
    severity: i64,
    state: i64,
    is_policy: bool,
}

/// The rows of `tallies` as they follow from the findings; one value: the application, null
/// for all of them.
const TALLIES: &str = "select application, context, scan_type, severity, state, status,
        violates_policy, count(*) as findings
     from findings where gone = 0 and application = coalesce(?1, application)
     group by 1, 2, 3, 4, 5, 6, 7";

/// The rows of `counts` as they follow from the findings; one value: the integration, null
/// for all of them.
fn counts() -> String {
    let found_day = format!(
        "iif({IS_OPEN}, (first_found_ms - (first_found_ms % {DAY_MS} + {DAY_MS}) % {DAY_MS})
            / {DAY_MS}, null)"
    );
    let parts = [
        (Counted::Cwe, "cwe"),
        (Counted::Category, "category"),
        (Counted::Component, "component"),
        (Counted::Cve, "cve"),
        (Counted::Module, "module"),
        (Counted::File, "file"),
        (Counted::FoundDay, &found_day),
    ]
    .map(|(field, value)| {
        format!(
            "select integration, {} as field, {value} as value, severity, state,
                {IS_POLICY} as is_policy,
                count(*) as findings
             from findings join applications a on a.id = application
             where findings.gone = 0 and integration = coalesce(?1, integration)
                and {value} is not null group by 1, 2, 3, 4, 5, 6",
            field as u8
        )
    });
    parts.join(" union all ")
}

/// Counts anew what lists count from, after rows were found that cannot be believed.
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
    let clear = "delete from tallies where application = coalesce(?, application)";
    connection.execute(clear, [application])?;
    connection.execute(
        &format!(
            "insert into tallies (application, context, scan_type, severity, state, status,
                violates_policy, findings) {TALLIES}"
        ),
        [application],
    )?;
    let clear = "delete from counts where integration = coalesce(?, integration)";
    connection.execute(clear, [integration])?;
    connection.execute(
        &format!(
            "insert into counts (integration, field, value, severity, state, is_policy, findings)
             {}",
            counts()
        ),
        [integration],
    )?;
    Ok(())
}

/// What lists count from and does not follow from the findings: the names of its tables.
pub(crate) fn disagreeing(connection: &Connection) -> Result<Vec<&'static str>, Error> {
    let mut tables = Vec::new();
    for (table, columns, truth) in [
        (
            "tallies",
            "application, context, scan_type, severity, state, status, violates_policy, findings",
            TALLIES.to_owned(),
        ),
        ("counts", "integration, field, value, severity, state, is_policy, findings", counts()),
    ] {
        let is_different: bool = connection.query_row(
            &format!(
                "select exists (select * from ({truth}) except select {columns} from {table})
                    or exists (select {columns} from {table} except select * from ({truth}))"
            ),
            [None::<i64>],
            |row| row.get(0),
        )?;
        if is_different {
            tables.push(table);
        }
    }
    Ok(tables)
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
        }
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
        if self.counts.len() > HELD { self.write_counts() } else { Ok(()) }
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
        let is_open = columns.state == state_code(State::Open);
        let tally = Tally {
            context: columns.context,
            scan_type: columns.scan_type,
            severity: columns.severity,
            state: columns.state,
            status: columns.status,
            violates_policy: columns.violates_policy,
        };
        *self.tallies.entry(tally).or_default() += by;
        let found_day = columns.first_found_ms.map(|ms| ms.div_euclid(DAY_MS));
        for (field, value) in [
            (Counted::Cwe, columns.cwe),
            (Counted::Category, columns.category),
            (Counted::Component, columns.component),
            (Counted::Cve, columns.cve),
            (Counted::Module, columns.module),
            (Counted::File, columns.file),
            (Counted::FoundDay, found_day.filter(|_| is_open)),
        ] {
            let Some(value) = value else { continue };
            let count = Count {
                field,
                value,
                severity: columns.severity,
                state: columns.state,
                is_policy: columns.is_policy,
            };
            *self.counts.entry(count).or_default() += by;
        }
        if is_open
            && columns.is_policy
            && let Some(day) = self.day(columns)
        {
            day.open += by;
        }
    }

    /// Writes what is different.
    pub(crate) fn write(mut self) -> Result<(), Error> {
        self.write_tallies()?;
        self.write_counts()?;
        self.write_days()
    }

    fn write_tallies(&mut self) -> Result<(), Error> {
        let mut add = self.connection.prepare_cached(
            "insert into tallies (application, context, scan_type, severity, state, status,
                violates_policy, findings)
             values (?, ?, ?, ?, ?, ?, ?, ?)
             on conflict (application, context, scan_type, severity, state, coalesce(status, -1),
                coalesce(violates_policy, -1))
             do update set findings = findings + excluded.findings",
        )?;
        let mut has_less = false;
        for (tally, by) in self.tallies.drain().filter(|(_, by)| *by != 0) {
            has_less |= by < 0;
            add.execute(params![
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
        if has_less {
            self.connection
                .prepare_cached("delete from tallies where application = ? and findings = 0")?
                .execute([self.application])?;
        }
        Ok(())
    }

    fn write_counts(&mut self) -> Result<(), Error> {
        let mut add = self.connection.prepare_cached(
            "insert into counts (integration, field, value, severity, state, is_policy, findings)
             values (?, ?, ?, ?, ?, ?, ?)
             on conflict do update set findings = findings + excluded.findings",
        )?;
        let mut clear = self.connection.prepare_cached(
            "delete from counts where integration = ? and field = ? and value = ? and severity = ?
                and state = ? and is_policy = ? and findings = 0",
        )?;
        for (count, by) in self.counts.drain().filter(|(_, by)| *by != 0) {
            let Count { field, value, severity, state, is_policy } = count;
            let field = field as u8;
            add.execute(params![self.integration, field, value, severity, state, is_policy, by])?;
            if by < 0 {
                clear.execute(params![
                    self.integration,
                    field,
                    value,
                    severity,
                    state,
                    is_policy
                ])?;
            }
        }
        Ok(())
    }

    fn write_days(&self) -> Result<(), Error> {
        // A clock that was set back must not open a day that is over.
        let last: Option<i64> = self
            .connection
            .prepare_cached("select max(day) from history where integration = ?")?
            .query_row([self.integration], |row| row.get(0))?;
        let day = self.at_ms.div_euclid(DAY_MS).max(last.unwrap_or(i64::MIN));
        let mut add = self.connection.prepare_cached(
            "insert into history (integration, application, day, severity, open, first, new,
                reopened, closed, fixed, fix_ms)
             values (?1, ?2, ?3, ?4, ?5 + coalesce((select open from history
                    where integration = ?1 and application = ?2 and severity = ?4 and day < ?3
                    order by day desc limit 1), 0),
                ?6, ?7, ?8, ?9, ?10, ?11)
             on conflict do update set open = open + ?5, first = first + ?6, new = new + ?7,
                reopened = reopened + ?8, closed = closed + ?9, fixed = fixed + ?10,
                fix_ms = fix_ms + ?11",
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
