//! The dictionaries that findings and applications point to: weaknesses, categories,
//! names of custom fields.

use countersign_wire::weakness::{Category, CustomFieldName, Cwe, Reference};
use rusqlite::{OptionalExtension, Row, Transaction};

use crate::Error;
use crate::act::View;
use crate::condition::Condition;
use crate::list::{Source, Window};

/// One dictionary, and how a row of it reads.
pub struct Dictionary<T> {
    source: Source,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
}

pub const CWES: Dictionary<Cwe> = Dictionary {
    source: Source {
        columns: "id, name, description, severity, remediation_effort, recommendation",
        tables: "cwes",
        sorts: &[],
        order: "id",
    },
    read: |row| {
        let id: i64 = row.get(0)?;
        Ok(Cwe {
            id,
            name: row.get(1)?,
            description: row.get(2)?,
            severity: row.get(3)?,
            remediation_effort: row.get(4)?,
            recommendation: row.get(5)?,
            references: vec![Reference {
                name: "CWE".into(),
                url: format!("https://cwe.mitre.org/data/definitions/{id}.html"),
            }],
        })
    },
};

pub const CATEGORIES: Dictionary<Category> = Dictionary {
    source: Source {
        columns: "id, name, description, recommendation",
        tables: "categories",
        sorts: &[],
        order: "id",
    },
    read: |row| {
        Ok(Category {
            id: row.get(0)?,
            name: row.get(1)?,
            description: row.get(2)?,
            recommendation: row.get(3)?,
        })
    },
};

pub const CUSTOM_FIELDS: Dictionary<CustomFieldName> = Dictionary {
    source: Source {
        columns: "name, sort_order",
        tables: "custom_fields",
        sorts: &[],
        order: "sort_order",
    },
    read: |row| Ok(CustomFieldName { name: row.get(0)?, sort_order: row.get(1)? }),
};

/// A name of custom fields, the first time that it is used.
pub(crate) fn custom_field(transaction: &Transaction<'_>, name: &str) -> Result<(), Error> {
    transaction.execute(
        "insert or ignore into custom_fields (name, sort_order)
         values (?, (select count(*) + 1 from custom_fields))",
        [name],
    )?;
    Ok(())
}

impl<T> Dictionary<T> {
    /// One page of it, and how many entries it has.
    pub fn list(&self, view: &View<'_>, window: &Window) -> Result<(Vec<T>, u64), Error> {
        Ok(self.source.page(view.connection, &Condition::always(), window, self.read)?)
    }

    /// The entry of this number.
    pub fn find(&self, view: &View<'_>, id: i64) -> Result<Option<T>, Error> {
        let Source { columns, tables, .. } = self.source;
        let sql = format!("select {columns} from {tables} where id = ?");
        Ok(view.connection.prepare_cached(&sql)?.query_row([id], self.read).optional()?)
    }
}
