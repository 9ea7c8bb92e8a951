//! The schema: made where there is none, and refused where it is another version's.

use super::{Address, Connection, Failure, Purpose};
use crate::error::Error;

const SCHEMA: &str = include_str!("../../../postgres.sql");
/// Of the schema. A released one never changes.
const VERSION: i64 = 1;
/// The oldest server, as it says its own version.
const OLDEST: i64 = 150_000;

/// The index of parts of texts, of an extension that a server may lack, or not let this user create.
pub(crate) const PARTS: &str = "create extension if not exists pg_trgm; \
    create index texts_by_part on texts using gin (searchable(folded) gin_trgm_ops) \
    with (gin_pending_list_limit = 16384)";

/// Where readings wait until their application is complete: gone with the connection.
const STAGED: &str = "create temp table staged (
    place bigint generated always as identity primary key, writer bigint not null,
    finding_id bytea not null, hash bytea not null, raw bytea not null, kind bigint,
    differences text, draft text not null);
    create index staged_by_writer on staged (writer)";

impl Address {
    /// A connection that reads.
    pub(crate) fn reader(&self) -> Result<Box<Connection>, Error> {
        Ok(self.connect().map_err(crate::sql::Error::from)?)
    }

    /// A connection that writes.
    pub(crate) fn writer(&self) -> Result<Box<Connection>, Error> {
        let connection = self.reader()?;
        connection.run(STAGED)?;
        Ok(connection)
    }

    /// A connection that reads, to a database that has this version's schema.
    pub(crate) fn open(&self) -> Result<Box<Connection>, Error> {
        let connection = self.reader()?;
        let server: i64 =
            connection.value("select cast(current_setting('server_version_num') as bigint)")?;
        let encoding: String = connection.value("select current_setting('server_encoding')")?;
        if server < OLDEST || encoding != "UTF8" {
            return Err(Error::unfit_server(self, server, &encoding));
        }
        if !self.is_current(&connection)? {
            connection.run("begin")?;
            let made = self.make(&connection);
            connection.run(if made.is_ok() { "commit" } else { "rollback" })?;
            made?;
        }
        Ok(connection)
    }

    /// Another process may make it at the same time.
    fn make(&self, connection: &Connection) -> Result<(), Error> {
        connection.run(&format!("select pg_advisory_xact_lock({})", Purpose::Schema.key()))?;
        if self.is_current(connection)? {
            return Ok(());
        }
        connection.run(SCHEMA)?;
        connection.run("savepoint parts")?;
        if let Err(error) = connection.run(PARTS) {
            tracing::info!(%error, "the database has no index of parts of texts");
            connection.run("rollback to parts")?;
        }
        Ok(connection.run(&format!("insert into schema_version (version) values ({VERSION})"))?)
    }

    /// False where there is no schema at all; fails on another one.
    fn is_current(&self, connection: &Connection) -> Result<bool, Error> {
        let has = |table: &str| -> Result<bool, Error> {
            let sql = format!("select to_regclass('{table}') is not null");
            Ok(connection.value(&sql)?)
        };
        if !has("schema_version")? {
            return match has("findings")? || has("integrations")? {
                true => Err(Error::other_database(self)),
                false => Ok(false),
            };
        }
        let version: i64 =
            connection.value("select coalesce(max(version), 0) from schema_version")?;
        match version {
            VERSION => Ok(true),
            version if version > VERSION => Err(Error::newer_database(self)),
            _ => Err(Error::other_database(self)),
        }
    }

    /// Bytes of the database on its server's disk.
    pub(crate) fn size_bytes(&self) -> u64 {
        let size = super::apart(|| {
            let connection = self.connect()?;
            connection.value::<u64>("select pg_database_size(current_database())")
        });
        size.and_then(Result::ok).unwrap_or_default()
    }
}

impl Connection {
    /// Whether parts of texts are found by an index.
    pub(crate) fn finds_parts(&self) -> crate::sql::Result<bool> {
        if let Some(known) = self.finds_parts.get() {
            return Ok(known);
        }
        let finds = self.value("select to_regclass('texts_by_part') is not null")?;
        self.finds_parts.set(Some(finds));
        Ok(finds)
    }

    /// The only value of a question without parameters.
    fn value<T: crate::sql::FromSql>(&self, sql: &str) -> crate::sql::Result<T> {
        let rows = self.with(|client| client.query(sql, &[]))?;
        let row = rows.first().ok_or_else(Failure::no_row)?;
        super::get(row, 0)
    }
}
