//! One flaw in depth.

use rusqlite::{OptionalExtension, params};
use serde_json::Value;

use crate::Error;
use crate::act::View;
use crate::applications::Visible;
use crate::sandboxes::Context;
use crate::words::ScanType;

/// A finding that is no component's.
pub struct Flaw {
    pub application_id: i64,
    pub application_name: String,
    /// Guid of the application, or of the sandbox that it is in.
    pub context: String,
    pub issue_id: i64,
    pub build_id: Option<i64>,
    pub cwe: Option<i64>,
    pub description: String,
    /// What the finding's `finding_details` hold.
    pub details: Value,
}

/// The flaw of this number that a scan of this type found: in a context, or in any, in
/// that of the policy first. `base` is for links.
pub fn find(
    view: &View<'_>,
    application: Visible,
    context: Option<Context>,
    issue_id: i64,
    scan_type: ScanType,
    base: &str,
) -> Result<Option<Flaw>, Error> {
    let read = |json: &str| serde_json::from_str(json).unwrap_or(Value::Null);
    let sandbox = context.map(|context| context.sandbox);
    let key = params![application.id, sandbox, issue_id, scan_type.word()];
    let found = view
        .connection
        .prepare_cached(
            "select f.build_id, f.cwe, t.json, f.details, a.name, coalesce(s.guid, a.guid)
             from findings f
             join texts t on t.id = f.text join applications a on a.id = f.application
             left join sandboxes s on s.id = f.sandbox
             where f.application = ?1 and f.sandbox = coalesce(?2, f.sandbox) and f.is_sca = 0
               and f.ordinal = ?3 and f.scan_type = ?4
             order by f.sandbox limit 1",
        )?
        .query_row(key, |row| {
            let (text, details): (String, String) = (row.get(2)?, row.get(3)?);
            Ok(Flaw {
                application_id: application.id,
                application_name: row.get(4)?,
                context: row.get(5)?,
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
