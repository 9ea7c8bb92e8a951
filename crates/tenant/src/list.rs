//! Lists: one page of what a filter leaves, sorted by a member.

use rusqlite::{Connection, Row, params_from_iter};

use crate::condition::{Condition, number};

/// Which part of a list is wanted, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    pub limit: u64,
    pub offset: u64,
    /// A member and whether it goes down. An unknown name changes nothing.
    pub sort: Option<(String, bool)>,
}

/// What a list reads, and what it may be sorted by: wire name and column.
pub(crate) struct Source {
    pub(crate) columns: &'static str,
    pub(crate) tables: &'static str,
    pub(crate) sorts: &'static [(&'static str, &'static str)],
    pub(crate) order: &'static str,
}

impl Source {
    /// One page of what the condition leaves, and the count of all of it.
    pub(crate) fn page<T>(
        &self,
        connection: &Connection,
        condition: &Condition,
        window: &Window,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<(Vec<T>, u64)> {
        let total = condition.count(connection, self.tables)?;
        let sql = format!(
            "select {} from {} where {} order by {} limit ? offset ?",
            self.columns,
            self.tables,
            condition.text(),
            self.order(window)
        );
        let values = condition.values_and([number(window.limit), number(window.offset)]);
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), read)?;
        Ok((rows.collect::<Result<_, _>>()?, total))
    }

    fn order(&self, window: &Window) -> String {
        let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
        let sort = window.sort.as_ref().and_then(|(name, is_down)| {
            let known = self.sorts.iter().find(|(known, _)| plain(known) == plain(name))?;
            Some((known.1, *is_down))
        });
        match sort {
            Some((column, is_down)) => {
                format!("{column} {}, {}", if is_down { "desc" } else { "asc" }, self.order)
            }
            None => self.order.to_owned(),
        }
    }
}

/// A team or unit in an administrator's list.
#[derive(Debug, Clone)]
pub struct Counted {
    pub guid: String,
    pub name: String,
    /// How many belong to it.
    pub count: i64,
}

/// Those of a table whose name holds a text, by name; `count` counts what belongs to `g`.
pub(crate) fn counted(
    connection: &Connection,
    table: &str,
    count: &str,
    search: &str,
    window: &Window,
) -> rusqlite::Result<Vec<Counted>> {
    let sql = format!(
        "select g.guid, g.name, ({count}) from {table} g
         where ?1 = '' or instr(lower(g.name), lower(?1)) > 0
         order by g.name limit ?2 offset ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let key = rusqlite::params![search, number(window.limit), number(window.offset)];
    let rows = statement.query_map(key, |row| {
        Ok(Counted { guid: row.get(0)?, name: row.get(1)?, count: row.get(2)? })
    })?;
    rows.collect()
}
