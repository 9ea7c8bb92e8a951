//! PostgreSQL: its connections, statements and rows.
//!
//! A connection is used on threads that may block: the client runs a small runtime of its own.
//! Rows of a question are all in memory before the first is looked at, so that another question
//! can be asked while they are read; those of a scan come in parts.

mod address;
mod failure;
mod lock;
mod schema;
mod tls;
mod translation;
mod value;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use postgres::Client;
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::{ToSql, Type};

pub(crate) use self::address::Address;
pub(crate) use self::failure::Failure;
pub(crate) use self::lock::{Purpose, ServerLock, counts_of};
pub(crate) use self::schema::PARTS;
use self::translation::translate;
use self::value::Bound;
pub(crate) use self::value::storable;
use super::params::Given;
use super::{FromSql, Params, Turn, Value, ValueRef};
use crate::unpacking::Idle;

/// Statements that a connection keeps. Where there are more, all are forgotten.
const KEPT: usize = 512;
/// Rows of a part of a scan.
const PART: usize = 2000;
/// How long a server that is there may take to say so.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a writer of an application waits for another one that has written nearly all of its.
const LONG_WAIT_MS: u32 = 300_000;

type Result<T> = super::Result<T>;

/// A connection.
pub(crate) struct Connection {
    /// None only while it is dropped.
    client: RefCell<Option<Client>>,
    kept: RefCell<HashMap<String, Arc<Prepared>>>,
    /// Whether a transaction is open.
    is_within: Cell<bool>,
    is_lost: Cell<bool>,
    /// Scans that were begun, for their names.
    scans: Cell<u32>,
    /// Whether there is an index of parts of texts; none before somebody asks.
    finds_parts: Cell<Option<bool>>,
    unpacking: Idle,
}

/// A statement as the server has it.
struct Prepared {
    statement: postgres::Statement,
    sql: String,
    /// The names of its parameters in their order; none where they have no names.
    names: Vec<String>,
}

impl Connection {
    fn new(client: Client) -> Self {
        Self {
            client: RefCell::new(Some(client)),
            kept: RefCell::new(HashMap::new()),
            is_within: Cell::new(false),
            is_lost: Cell::new(false),
            scans: Cell::new(0),
            finds_parts: Cell::new(None),
            unpacking: Idle::default(),
        }
    }

    /// What unpacks its records.
    pub(super) fn unpacking(&self) -> &Idle {
        &self.unpacking
    }

    fn with<T>(
        &self,
        act: impl FnOnce(&mut Client) -> std::result::Result<T, postgres::Error>,
    ) -> Result<T> {
        let mut client = self.client.borrow_mut();
        let client = client.as_mut().ok_or_else(Failure::closed)?;
        let done = act(client).map_err(|error| Failure::of(&error));
        // Of a server that is no longer the primary nothing comes: another connection may lead to
        // the one that is.
        let is_lost = |failure: &Failure| failure.is_lost() || failure.is_read_only();
        self.is_lost.set(self.is_lost.get() || done.as_ref().is_err_and(is_lost));
        Ok(done?)
    }

    /// Whether nothing can be asked of it any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.get()
    }

    /// Whether the server is still there.
    pub(crate) fn is_alive(&self) -> bool {
        self.with(|client| client.is_valid(PATIENCE)).is_ok()
    }

    /// Runs statements without parameters.
    pub(super) fn run(&self, statements: &str) -> Result<()> {
        self.with(|client| client.batch_execute(statements))
    }

    pub(super) fn is_within(&self) -> bool {
        self.is_within.get()
    }

    /// A transaction that writes, when it is its turn. It waits for that as long as the settings
    /// of the connection say.
    pub(super) fn begin(&self, turn: Turn) -> Result<()> {
        let lock = match turn {
            Turn::Alone => format!("select pg_advisory_xact_lock({})", Purpose::Write.key()),
            // What it waits for then is the end of another one of its kind, which may be large.
            Turn::Application => format!(
                "select pg_advisory_xact_lock_shared({}); set local lock_timeout = {LONG_WAIT_MS}",
                Purpose::Write.key()
            ),
            Turn::Room(room) => {
                format!("select pg_advisory_xact_lock({})", Purpose::of(room).key())
            }
            Turn::Own => String::new(),
        };
        self.is_within.set(true);
        self.run(&format!("begin; {lock}")).inspect_err(|_| {
            let _ = self.end("rollback");
        })
    }

    /// A transaction that writes and waits for nobody who does not change the same rows.
    pub(super) fn begin_brief(&self) -> Result<()> {
        self.run("begin")?;
        self.is_within.set(true);
        Ok(())
    }

    /// A transaction that reads what was there at one moment.
    pub(super) fn begin_snapshot(&self) -> Result<()> {
        self.run("begin isolation level repeatable read read only")?;
        self.is_within.set(true);
        Ok(())
    }

    pub(super) fn end(&self, how: &str) -> Result<()> {
        self.is_within.set(false);
        self.run(how)
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<Statement<'_>> {
        if let Some(prepared) = self.kept.borrow().get(sql) {
            return Ok(Statement { connection: self, prepared: Arc::clone(prepared) });
        }
        let translation = translate(sql);
        let statement = self.with(|client| client.prepare(&translation.sql))?;
        let prepared =
            Arc::new(Prepared { statement, sql: translation.sql, names: translation.names });
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(sql.to_owned(), Arc::clone(&prepared));
        Ok(Statement { connection: self, prepared })
    }
}

impl Connection {
    /// Adds rows to a table, with the values of these columns.
    pub(super) fn copy(
        &self,
        table: &str,
        columns: &str,
        rows: impl Iterator<Item = Vec<Value>>,
    ) -> Result<()> {
        let types = self.prepare(&format!("select {columns} from {table}"))?.prepared;
        let types: Vec<Type> =
            types.statement.columns().iter().map(|column| column.type_().clone()).collect();
        let copy = self.prepare(&format!("copy {table} ({columns}) from stdin binary"))?.prepared;
        self.with(|client| {
            let mut writer = BinaryCopyInWriter::new(client.copy_in(&copy.statement)?, &types);
            for row in rows {
                let bound: Vec<_> = row.into_iter().map(Bound).collect();
                writer.write(&parameters(&bound))?;
            }
            writer.finish()
        })?;
        Ok(())
    }
}

/// Closing waits for the server and needs a thread that may.
impl Drop for Connection {
    fn drop(&mut self) {
        let client = self.client.take();
        apart(move || drop(client));
    }
}

/// Runs something that blocks, whatever thread this is.
fn apart<T: Send>(act: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| scope.spawn(act).join().ok())
}

/// A prepared statement.
pub(crate) struct Statement<'c> {
    connection: &'c Connection,
    prepared: Arc<Prepared>,
}

impl Statement<'_> {
    pub(super) fn query(&mut self, params: impl Params) -> Result<Rows<'_>> {
        let bound = self.bound(params)?;
        let params = parameters(&bound);
        let rows =
            self.connection.with(|client| client.query(&self.prepared.statement, &params))?;
        Ok(Rows { rows: rows.into_iter(), row: None, rest: None })
    }

    /// The rows of a question in parts, in a transaction.
    pub(super) fn scan(&mut self, params: impl Params) -> Result<Rows<'_>> {
        if !self.connection.is_within() {
            return self.query(params);
        }
        let bound = self.bound(params)?;
        let params = parameters(&bound);
        let number = self.connection.scans.get().wrapping_add(1);
        self.connection.scans.set(number);
        let declare = format!("declare scan_{number} no scroll cursor for {}", self.prepared.sql);
        self.connection.with(|client| client.execute(&declare, &params))?;
        let rest = Some(Scan { connection: self.connection, number });
        Ok(Rows { rows: Vec::new().into_iter(), row: None, rest })
    }

    pub(super) fn execute(&mut self, params: impl Params) -> Result<usize> {
        let bound = self.bound(params)?;
        let params = parameters(&bound);
        let written =
            self.connection.with(|client| client.execute(&self.prepared.statement, &params))?;
        Ok(usize::try_from(written).unwrap_or(usize::MAX))
    }

    /// With arrays: of the first values of all rows, of the second, and so on.
    pub(super) fn execute_arrays(&mut self, rows: impl Iterator<Item = Vec<Value>>) -> Result<()> {
        let arrays = arrays(rows);
        let params: Vec<_> = arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
        self.connection.with(|client| client.execute(&self.prepared.statement, &params))?;
        Ok(())
    }

    /// The same, of a question.
    pub(super) fn query_arrays(
        &mut self,
        rows: impl Iterator<Item = Vec<Value>>,
    ) -> Result<Rows<'_>> {
        let arrays = arrays(rows);
        let params: Vec<_> = arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
        let rows =
            self.connection.with(|client| client.query(&self.prepared.statement, &params))?;
        Ok(Rows { rows: rows.into_iter(), row: None, rest: None })
    }

    /// The values in the order of the statement's parameters.
    fn bound(&self, params: impl Params) -> Result<Vec<Bound>> {
        let given = params.given()?;
        let count = self.prepared.statement.params().len();
        let bound: Vec<_> = match given {
            Given::InOrder(values) => values.into_iter().map(Bound).collect(),
            Given::Named(mut values) => {
                let mut of = |name: &String| {
                    let at = values.iter().position(|(known, _)| known == name);
                    at.map(|at| Bound(std::mem::replace(&mut values[at].1, Value::Null)))
                };
                let found: Option<Vec<_>> = self.prepared.names.iter().map(&mut of).collect();
                found.ok_or_else(|| Failure::program("a parameter without a value"))?
            }
        };
        match bound.len() == count {
            true => Ok(bound),
            false => Err(Failure::program("another number of parameters than of values").into()),
        }
    }
}

/// The values of rows, by their places in them.
fn arrays(rows: impl Iterator<Item = Vec<Value>>) -> Vec<Vec<Bound>> {
    let mut arrays: Vec<Vec<Bound>> = Vec::new();
    for row in rows {
        arrays.resize_with(row.len(), Vec::new);
        arrays.iter_mut().zip(row).for_each(|(array, value)| array.push(Bound(value)));
    }
    arrays
}

/// Values as the client takes them.
fn parameters(bound: &[Bound]) -> Vec<&(dyn ToSql + Sync)> {
    bound.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// Rows of a question.
pub(crate) struct Rows<'c> {
    rows: std::vec::IntoIter<postgres::Row>,
    row: Option<postgres::Row>,
    /// Where further rows are; none after the last.
    rest: Option<Scan<'c>>,
}

impl Rows<'_> {
    pub(super) fn next(&mut self) -> Result<Option<&postgres::Row>> {
        self.row = self.rows.next();
        if let (None, Some(scan)) = (&self.row, &self.rest) {
            self.rows = scan.part()?.into_iter();
            if self.rows.len() < PART {
                self.rest = None;
            }
            self.row = self.rows.next();
        }
        Ok(self.row.as_ref())
    }
}

/// A question that is answered in parts.
struct Scan<'c> {
    connection: &'c Connection,
    number: u32,
}

impl Scan<'_> {
    fn part(&self) -> Result<Vec<postgres::Row>> {
        let fetch = format!("fetch {PART} from scan_{}", self.number);
        self.connection.with(|client| client.query(&fetch, &[]))
    }
}

/// Nothing is kept for it until its transaction ends.
impl Drop for Scan<'_> {
    fn drop(&mut self) {
        let _ = self.connection.run(&format!("close scan_{}", self.number));
    }
}

/// The value in a column of a row.
pub(super) fn get<T: FromSql>(row: &postgres::Row, at: usize) -> Result<T> {
    let value = get_ref(row, at)?;
    T::column_result(value).map_err(|error| Failure::value(at, error.to_string()).into())
}

/// The same as it is there.
pub(super) fn get_ref(row: &postgres::Row, at: usize) -> Result<ValueRef<'_>> {
    let value = row.try_get::<_, value::Found<'_>>(at);
    value.map(|found| found.0).map_err(|error| Failure::value(at, error).into())
}
