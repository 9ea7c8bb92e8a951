//! Sandboxes of an application.

pub mod promotion;

use countersign_wire::sandbox::{Sandbox, SandboxInput};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Deserialize;

use crate::act::{Change, Noted, View};
use crate::applications::{self, Visible};
use crate::condition::Condition;
use crate::list::{Source, Window};
use crate::user::User;
use crate::{Error, ORGANIZATION, Refused, guid_of, timestamp, whole_second};

const SOURCE: Source = Source {
    columns: "s.guid, s.id, s.name, a.guid, s.owner, s.auto_recreate, s.created_ms,
        s.modified_ms, s.custom_fields",
    tables: "sandboxes s join applications a on a.id = s.application",
    sorts: &[],
    order: "s.id",
};

/// Names a sandbox: the guids of its application and of itself, in this order.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "(String, String)")]
pub struct Named {
    pub application: String,
    pub sandbox: String,
}

impl From<(String, String)> for Named {
    fn from((application, sandbox): (String, String)) -> Self {
        Self { application, sandbox }
    }
}

/// The policy context of an application, or one of its sandboxes. Findings are read and
/// annotated through one of these.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    pub(crate) application: i64,
    /// 0 is the policy context.
    pub(crate) sandbox: i64,
}

impl Context {
    pub fn is_sandbox(self) -> bool {
        self.sandbox != 0
    }
}

/// The sandbox of this guid; the policy context without one.
pub fn context(
    view: &View<'_>,
    application: Visible,
    sandbox: Option<&str>,
) -> Result<Context, Refused> {
    let sandbox = sandbox.map(|guid| id_of(view.connection, application, guid)).transpose()?;
    Ok(Context { application: application.id, sandbox: sandbox.unwrap_or_default() })
}

/// One page of the sandboxes of an application, and how many it has.
pub fn list(
    view: &View<'_>,
    application: Visible,
    window: &Window,
) -> Result<(Vec<Sandbox>, u64), Error> {
    let condition = Condition::new("s.application = ?", [application.id.into()]);
    Ok(SOURCE.page(view.connection, &condition, window, read_row)?)
}

/// A sandbox of an application.
pub fn read(view: &View<'_>, user: &User, named: &Named) -> Result<Sandbox, Refused> {
    let visible = applications::visible(view, user, &named.application)?;
    let condition = "s.application = ? and s.guid = ?";
    let sql = format!("select {} from {} where {condition}", SOURCE.columns, SOURCE.tables);
    let key = params![visible.id, guid_of(&named.sandbox)?];
    let found = view.connection.query_row(&sql, key, read_row).optional()?;
    found.ok_or(Refused::NoSuch("Sandbox"))
}

/// A new sandbox of an application.
pub fn create(
    change: &Change<'_>,
    user: &User,
    application: &str,
    wanted: &SandboxInput,
) -> Result<Noted<Sandbox>, Refused> {
    let application = applications::visible(change, user, application)?;
    let name = free_name(change.connection, application, wanted.name.as_deref(), None)?;
    let guid = change.tenant.guid();
    change.transaction.execute(
        "insert into sandboxes (guid, application, name, owner, created_ms, modified_ms)
         values (?1, ?2, ?3, ?4, ?5, ?5)",
        params![guid, application.id, name, user.name, whole_second(change.now_ms)],
    )?;
    let id = change.transaction.last_insert_rowid();
    write(change, id, wanted)?;
    noted(change, "sandbox.create", application, id)
}

/// Changes a sandbox; what the body leaves out stays.
pub fn update(
    change: &Change<'_>,
    user: &User,
    named: &Named,
    wanted: &SandboxInput,
) -> Result<Noted<Sandbox>, Refused> {
    let (application, id) = found(change, user, named)?;
    if wanted.name.is_some() {
        let name = free_name(change.connection, application, wanted.name.as_deref(), Some(id))?;
        change
            .transaction
            .execute("update sandboxes set name = ? where id = ?", params![name, id])?;
    }
    write(change, id, wanted)?;
    noted(change, "sandbox.edit", application, id)
}

/// Deletes a sandbox and its findings.
pub fn delete(change: &Change<'_>, user: &User, named: &Named) -> Result<Noted<()>, Refused> {
    let (application, id) = found(change, user, named)?;
    let target = target(change, application, &whole(change.connection, id)?)?;
    remove(change, application, id)?;
    Ok(change.noted("sandbox.delete", &target, ())?)
}

fn remove(change: &Change<'_>, application: Visible, id: i64) -> rusqlite::Result<()> {
    change.transaction.execute(
        "delete from findings where application = ? and sandbox = ?",
        params![application.id, id],
    )?;
    change.transaction.execute("delete from sandboxes where id = ?", [id])?;
    Ok(())
}

fn write(change: &Change<'_>, id: i64, wanted: &SandboxInput) -> Result<(), Error> {
    let fields = wanted.custom_fields.as_ref().map(serde_json::to_string).transpose()?;
    change.transaction.execute(
        "update sandboxes set auto_recreate = coalesce(?2, auto_recreate),
            custom_fields = coalesce(?3, custom_fields), modified_ms = ?4 where id = ?1",
        params![id, wanted.auto_recreate, fields, whole_second(change.now_ms)],
    )?;
    Ok(())
}

fn noted(
    change: &Change<'_>,
    act: &str,
    application: Visible,
    id: i64,
) -> Result<Noted<Sandbox>, Refused> {
    let sandbox = whole(change.connection, id)?;
    let target = target(change, application, &sandbox)?;
    Ok(change.noted(act, &target, sandbox)?)
}

/// What the log calls it: the application and the sandbox.
fn target(
    change: &Change<'_>,
    application: Visible,
    sandbox: &Sandbox,
) -> rusqlite::Result<String> {
    let application = applications::name(change.connection, application.id)?;
    Ok(format!("{application}/{}", sandbox.name.as_deref().unwrap_or_default()))
}

fn free_name(
    connection: &Connection,
    application: Visible,
    name: Option<&str>,
    own: Option<i64>,
) -> Result<String, Refused> {
    let name = name.unwrap_or_default().trim();
    if !(1..=256).contains(&name.chars().count()) {
        return Err(Refused::member("/name", "The name must be 1 to 256 characters long."));
    }
    let taken: Option<i64> = connection
        .query_row(
            "select id from sandboxes where application = ? and name = ?",
            params![application.id, name],
            |row| row.get(0),
        )
        .optional()?;
    if taken.is_some_and(|id| Some(id) != own) {
        return Err(Refused::taken("/name"));
    }
    Ok(name.to_owned())
}

/// An application that the user sees, and the id of a sandbox of it.
fn found(view: &View<'_>, user: &User, named: &Named) -> Result<(Visible, i64), Refused> {
    let application = applications::visible(view, user, &named.application)?;
    Ok((application, id_of(view.connection, application, &named.sandbox)?))
}

fn id_of(connection: &Connection, application: Visible, guid: &str) -> Result<i64, Refused> {
    let sql = "select id from sandboxes where application = ? and guid = ?";
    let id = connection
        .prepare_cached(sql)?
        .query_row(params![application.id, guid_of(guid)?], |row| row.get(0))
        .optional()?;
    id.ok_or(Refused::NoSuch("Sandbox"))
}

fn whole(connection: &Connection, id: i64) -> rusqlite::Result<Sandbox> {
    let sql = format!("select {} from {} where s.id = ?", SOURCE.columns, SOURCE.tables);
    connection.query_row(&sql, [id], read_row)
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Sandbox> {
    let fields: Option<String> = row.get(8)?;
    let fields: Option<Vec<_>> = fields.and_then(|text| serde_json::from_str(&text).ok());
    Ok(Sandbox {
        guid: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        application_guid: row.get(3)?,
        organization_id: Some(ORGANIZATION),
        owner_username: row.get(4)?,
        auto_recreate: row.get(5)?,
        custom_fields: fields.filter(|fields| !fields.is_empty()),
        created: Some(timestamp(row.get(6)?)),
        modified: Some(timestamp(row.get(7)?)),
    })
}
