//! Stores of the suite, in files.

use std::path::Path;

use countersign_store::Store;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// Stores that filters are compared in.
pub(crate) const FILTERED_STORES: usize = 20;

/// The store of a folder; the same each time.
pub(crate) async fn open(folder: &Path) -> Store {
    Store::open(&folder.join("store.sqlite")).await.unwrap()
}

/// A connection beside those of the store.
pub(crate) struct Direct(Connection);

pub(crate) fn direct(folder: &Path) -> Direct {
    Direct(Connection::open(folder.join("store.sqlite")).unwrap())
}

impl Direct {
    /// How many rows it wrote, or what was wrong.
    pub(crate) fn execute(&self, sql: &str) -> Result<usize, String> {
        self.0.execute(sql, []).map_err(|error| error.to_string())
    }

    /// A line for each row.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        let mut statement = self.0.prepare(sql).unwrap();
        let columns = statement.column_count();
        let cell = |value: ValueRef<'_>| format!("{value:?}");
        let row = |row: &rusqlite::Row<'_>| {
            let cells = (0..columns).map(|at| row.get_ref(at).map(cell));
            Ok(cells.collect::<Result<Vec<_>, _>>()?.join("|"))
        };
        statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// Findings that words lead to.
    pub(crate) fn words(&self) -> usize {
        let select = "select rowid from words where words match 'a*' or words match '\"the\"'";
        self.0.prepare(select).unwrap().query_map([], |_| Ok(())).unwrap().count()
    }

    pub(crate) fn unguard_references(&self) {
        self.0.execute_batch("pragma foreign_keys = off").unwrap();
    }

    pub(crate) fn unguard_audit(&self) {
        self.0
            .execute_batch(
                "drop trigger audit_keeps_what_it_has; drop trigger audit_keeps_all_it_has;",
            )
            .unwrap();
    }
}
