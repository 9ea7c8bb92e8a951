//! How much work questions were, counted in steps of SQLite's virtual machine: the same for
//! the same question on the same store, whatever else the machine does.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;
use crate::sql::{Connection, Statement};

/// Counts the work of the questions of a store that has it: see `Store::with_meter`. Cheap
/// to clone; clones count together.
///
/// Counted are the statements that look for findings and applications and read them. Those
/// that check seals, unpack records and name the values of facets are not: they are as many
/// as the rows of the answer.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    /// Steps of SQLite's virtual machine since the meter was made.
    pub fn steps(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// A statement whose work counts here once it is dropped.
    pub(crate) fn prepare<'a>(
        &'a self,
        connection: &'a Connection,
        sql: &str,
    ) -> Result<Metered<'a>, Error> {
        Ok(Metered { statement: connection.prepare(sql)?, meter: self })
    }
}

/// A statement that counts its work.
pub(crate) struct Metered<'a> {
    statement: Statement<'a>,
    meter: &'a Meter,
}

impl<'a> Deref for Metered<'a> {
    type Target = Statement<'a>;

    fn deref(&self) -> &Self::Target {
        &self.statement
    }
}

impl DerefMut for Metered<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.statement
    }
}

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        self.meter.0.fetch_add(self.statement.take_steps(), Ordering::Relaxed);
    }
}
