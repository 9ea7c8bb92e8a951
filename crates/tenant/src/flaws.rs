//! One flaw in depth.

use rusqlite::{OptionalExtension, params};
use serde_json::Value;

use crate::Error;
use crate::act::View;
use crate::sandboxes::Context;

/// A finding that is no component's.
pub struct Flaw {
    pub application_id: i64,
    pub application_name: String,
    pub issue_id: i64,
    pub build_id: Option<i64>,
    pub cwe: Option<i64>,
    pub description: String,
    /// What the finding's `finding_details` hold.
    pub details: Value,
}

/// The flaw of this number that a scan of this type found; `base` is for links.
pub fn find(
    view: &View<'_>,
    context: Context,
    issue_id: i64,
    scan_type: &str,
    base: &str,
) -> Result<Option<Flaw>, Error> {
    let read = |json: &str| serde_json::from_str(json).unwrap_or(Value::Null);
    let key = params![context.application, context.sandbox, issue_id, scan_type];
    let found = view
        .connection
        .prepare_cached(
            "select f.build_id, f.cwe, t.json, f.details, a.name from findings f
             join texts t on t.id = f.text join applications a on a.id = f.application
             where f.application = ? and f.sandbox = ? and f.is_sca = 0 and f.ordinal = ?
               and f.scan_type = ?",
        )?
        .query_row(key, |row| {
            let (text, details): (String, String) = (row.get(2)?, row.get(3)?);
            Ok(Flaw {
                application_id: context.application,
                application_name: row.get(4)?,
                issue_id,
                build_id: row.get(0)?,
                cwe: row.get(1)?,
                description: read(&text).as_str().unwrap_or_default().to_owned(),
                details: read(&details.replace('\u{1}', base)),
            })
        })
        .optional()?;
    Ok(found)
}
