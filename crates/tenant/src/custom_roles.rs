//! Roles that an organisation makes for itself: other roles and permissions under a
//! name of their own.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::Error;
use crate::roles::{self, Permission};

#[derive(Debug, Clone, Default)]
pub struct CustomRole {
    pub id: i64,
    pub guid: String,
    pub name: String,
    pub description: String,
    pub is_api: bool,
    pub jit_assignable: bool,
    pub jit_assignable_default: bool,
    pub permissions: Vec<String>,
    /// Built-in roles that it holds.
    pub child_roles: Vec<String>,
}

impl CustomRole {
    pub fn may(&self, permission: Permission) -> bool {
        permission.is_held_by(self.is_api, &self.child_roles)
            || self
                .permissions
                .iter()
                .filter_map(|name| find_permission(name))
                .any(|known| known.allows.contains(&permission))
    }

    /// All that is wrong with it, beside its name.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.description.trim().is_empty() || self.description.chars().count() > 256 {
            complaints.push("role_description: must be 1 to 256 characters.".to_owned());
        }
        if roles::find(&self.name).is_some() {
            complaints.push(format!("role_name: {} is a role that is built in.", self.name));
        }
        if self.child_roles.is_empty() && self.permissions.is_empty() {
            complaints.push("permissions: a role holds a permission or another role.".to_owned());
        }
        for name in &self.child_roles {
            match roles::find(name) {
                Some(child) if child.is_api == self.is_api => {}
                Some(_) => complaints.push(format!("child_roles: {name} is for the other kind.")),
                None => complaints.push(format!("child_roles: {name} is not a built-in role.")),
            }
        }
        for name in &self.permissions {
            match find_permission(name) {
                Some(known) if self.is_api && known.ui_only => {
                    complaints.push(format!("permissions: {name} is for people."));
                }
                Some(_) => {}
                None => complaints.push(format!("permissions: {name} is not a permission.")),
            }
        }
        complaints
    }
}

/// A permission as custom roles are made of.
#[derive(Debug)]
pub struct Known {
    pub name: &'static str,
    pub description: &'static str,
    pub ui_only: bool,
    /// What it allows on this platform.
    pub allows: &'static [Permission],
}

const fn known(
    name: &'static str,
    description: &'static str,
    allows: &'static [Permission],
) -> Known {
    Known { name, description, ui_only: false, allows }
}

/// The names that are known; most allow nothing that this platform offers.
pub const PERMISSIONS: &[Known] = &[
    known("viewResults", "View results", &[Permission::ReadApplications, Permission::ReadFindings]),
    known("viewSandbox", "View sandboxes", &[Permission::ReadSandboxes]),
    known("approveMitigations", "Approve mitigations", &[Permission::ApproveMitigations]),
    known("assignAppToTeam", "Assign applications to own teams", &[Permission::WriteApplications]),
    known(
        "assignAppToAnyTeam",
        "Assign applications to any team",
        &[Permission::WriteApplications],
    ),
    known("submitStaticScan", "Submit static scans", &[]),
    known("submitPolicyStaticScan", "Submit static policy scans", &[]),
    known("submitSandboxStaticScan", "Submit static sandbox scans", &[]),
    known("downloadScanReportXML", "Download report XML", &[]),
    Known { ui_only: true, ..known("downloadDiscoverySiteList", "Download discovery lists", &[]) },
    Known { ui_only: true, ..known("downloadScript", "Download scripts", &[]) },
    Known { ui_only: true, ..known("downloadSiteList", "Download site lists", &[]) },
    Known { ui_only: true, ..known("fileExchange", "File exchange", &[]) },
];

pub fn find_permission(name: &str) -> Option<&'static Known> {
    PERMISSIONS.iter().find(|known| known.name == name)
}

const SELECT: &str = "select id, guid, name, description, is_api, jit_assignable,
    jit_assignable_default, permissions, child_roles from custom_roles";

fn read(row: &Row<'_>) -> rusqlite::Result<CustomRole> {
    let list = |at: usize| -> rusqlite::Result<Vec<String>> {
        let text: String = row.get(at)?;
        serde_json::from_str(&text).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                at,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })
    };
    Ok(CustomRole {
        id: row.get(0)?,
        guid: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        is_api: row.get(4)?,
        jit_assignable: row.get(5)?,
        jit_assignable_default: row.get(6)?,
        permissions: list(7)?,
        child_roles: list(8)?,
    })
}

pub fn all(connection: &Connection) -> Result<Vec<CustomRole>, Error> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} order by id"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// By its guid or its name.
pub fn find(connection: &Connection, text: &str) -> Result<Option<CustomRole>, Error> {
    let sql = format!("{SELECT} where guid = lower(?1) or name = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([text], read).optional()?)
}

/// Those among the roles of an account that are not built in.
pub fn held(connection: &Connection, names: &[String]) -> Result<Vec<CustomRole>, Error> {
    let mut held = Vec::new();
    for name in names.iter().filter(|name| roles::find(name).is_none()) {
        held.extend(find(connection, name)?);
    }
    Ok(held)
}

/// Inserts one without an id, else changes it.
pub fn write(transaction: &Transaction<'_>, role: &CustomRole) -> Result<(), Error> {
    let list = |names: &[String]| serde_json::json!(names).to_string();
    let before: Option<String> = transaction
        .query_row("select name from custom_roles where id = ?", [role.id], |row| row.get(0))
        .optional()?;
    transaction.execute(
        "insert into custom_roles (id, guid, name, description, is_api, jit_assignable,
            jit_assignable_default, permissions, child_roles)
         values (nullif(?1, 0), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         on conflict (id) do update set name = ?3, description = ?4, jit_assignable = ?6,
            jit_assignable_default = ?7, permissions = ?8, child_roles = ?9",
        params![
            role.id,
            role.guid,
            role.name,
            role.description,
            role.is_api,
            role.jit_assignable,
            role.jit_assignable_default,
            list(&role.permissions),
            list(&role.child_roles)
        ],
    )?;
    if let Some(before) = before {
        let sql = "update user_roles set role = ? where role = ?";
        transaction.execute(sql, params![role.name, before])?;
    }
    Ok(())
}

/// Who holds it loses it.
pub fn delete(transaction: &Transaction<'_>, id: i64) -> Result<(), Error> {
    transaction.execute("delete from custom_roles where id = ?", [id])?;
    Ok(())
}
