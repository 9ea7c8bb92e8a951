//! Names of users, teams, units and roles.

use rusqlite::{Connection, OptionalExtension};

/// Longest name of anything here, in characters.
const MAX_NAME: usize = 256;

/// A name of 1 to 256 characters; anything else is noted.
pub(crate) fn name(value: Option<&str>, member: &str, errors: &mut Vec<String>) -> String {
    let value = value.unwrap_or_default().trim();
    if !(1..=MAX_NAME).contains(&value.chars().count()) {
        errors.push(format!("{member}: must be 1 to {MAX_NAME} characters."));
    }
    value.to_owned()
}

/// The name that a body gives, where it must or does: not empty, and not another's in
/// this table.
pub(crate) fn free_name(
    connection: &Connection,
    table: &str,
    member: &str,
    (given, is_required): (Option<&str>, bool),
    own: Option<i64>,
    errors: &mut Vec<String>,
) -> Result<Option<String>, rusqlite::Error> {
    if given.is_none() && !is_required {
        return Ok(None);
    }
    let name = name(given, member, errors);
    let sql = format!("select id from {table} where name = ?");
    let taken: Option<i64> = connection.query_row(&sql, [&name], |row| row.get(0)).optional()?;
    if taken.is_some_and(|id| Some(id) != own) {
        errors.push(format!("{member}: {name} is taken."));
    }
    Ok(Some(name))
}
