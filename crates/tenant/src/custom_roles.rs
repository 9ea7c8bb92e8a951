//! Roles that an organisation makes for itself: other roles and permissions under a
//! name of their own.

use countersign_wire::identity::{RoleInput, RoleRef};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::act::{Change, Noted, View};
use crate::manner::Manner;
use crate::names::free_name;
use crate::roles::{self, ROLES};
use crate::{Error, Refused, guid_of};

pub use crate::roles::custom::{CustomRole, Known, PERMISSIONS, find_permission};

impl CustomRole {
    /// All that is wrong with it, beside its name.
    fn complaints(&self) -> Vec<String> {
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
                    complaints.push(format!("permissions: {name} is for users."));
                }
                Some(_) => {}
                None => complaints.push(format!("permissions: {name} is not a permission.")),
            }
        }
        complaints
    }
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

pub fn all(view: &View<'_>) -> Result<Vec<CustomRole>, Error> {
    let mut statement = view.connection.prepare_cached(&format!("{SELECT} order by id"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// By its guid or its name.
pub(crate) fn by(connection: &Connection, text: &str) -> Result<Option<CustomRole>, Error> {
    let sql = format!("{SELECT} where guid = lower(?1) or name = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([text], read).optional()?)
}

/// A custom role, by its guid.
pub fn find(view: &View<'_>, role_id: &str) -> Result<CustomRole, Refused> {
    let guid = guid_of(role_id)?;
    if roles::of_id(&guid).is_some() {
        return Err(Refused::Forbidden("a built-in role cannot be changed"));
    }
    let found = by(view.connection, &guid)?.filter(|role| role.guid == guid);
    found.ok_or(Refused::Missing("role"))
}

/// A new custom role.
pub fn create(change: &Change<'_>, wanted: RoleInput) -> Result<Noted<CustomRole>, Refused> {
    let role = CustomRole {
        guid: change.tenant.guid(),
        is_api: wanted.is_api.unwrap_or_default(),
        ..CustomRole::default()
    };
    save(change, "role.create", role, wanted, Manner::WHOLE)
}

/// Changes a custom role, and so what its holders may.
pub fn update(
    change: &Change<'_>,
    role_id: &str,
    wanted: RoleInput,
    manner: Manner,
) -> Result<Noted<CustomRole>, Refused> {
    save(change, "role.edit", find(change, role_id)?, wanted, manner)
}

/// Deletes a custom role: its holders lose it.
pub fn delete(change: &Change<'_>, role_id: &str) -> Result<Noted<()>, Refused> {
    let role = find(change, role_id)?;
    change.transaction.execute("delete from custom_roles where id = ?", [role.id])?;
    Ok(change.noted("role.delete", &role.name, ())?)
}

fn save(
    change: &Change<'_>,
    act: &str,
    mut role: CustomRole,
    wanted: RoleInput,
    manner: Manner,
) -> Result<Noted<CustomRole>, Refused> {
    let given = wanted
        .permissions
        .map(|all| all.into_iter().map(|one| one.permission_name.unwrap_or_default()).collect());
    role.permissions = manner.merged(role.permissions, given, |a, b| a == b);
    let given = wanted.child_roles.map(|all| all.into_iter().map(child_name).collect());
    role.child_roles = manner.merged(role.child_roles, given, |a, b| a == b);
    let truth = |given: Option<bool>, current| given.unwrap_or(manner.keeps() && current);
    role.jit_assignable = truth(wanted.jit_assignable, role.jit_assignable);
    role.jit_assignable_default = truth(wanted.jit_assignable_default, role.jit_assignable_default);
    match wanted.role_description {
        None if manner.keeps() => {}
        given => role.description = given.unwrap_or_default().trim().to_owned(),
    }
    let mut errors = Vec::new();
    if wanted.is_api.is_some_and(|is_api| is_api != role.is_api) {
        errors.push("is_api: cannot be changed.".to_owned());
    }
    let own = (role.id != 0).then_some(role.id);
    let given = (wanted.role_name.as_deref(), !manner.keeps());
    let (transaction, table) = (change.transaction, "custom_roles");
    let name = free_name(transaction, table, "role_name", given, own, &mut errors)?;
    role.name = name.unwrap_or(role.name);
    errors.extend(role.complaints());
    if !errors.is_empty() {
        return Err(Refused::Invalid(errors));
    }
    write(transaction, &role)?;
    let name = role.name.clone();
    Ok(change.noted(act, &name, find(change, &role.guid)?)?)
}

/// A built-in role by its name, or by the words for people.
fn child_name(given: RoleRef) -> String {
    let described = given.role_description.unwrap_or_default();
    let by_words = ROLES.iter().find(|role| role.description == described);
    let name = given.role_name.or_else(|| by_words.map(|role| role.name.to_owned()));
    name.unwrap_or(described)
}

/// Those among the roles of an account that are not built in.
pub(crate) fn held(connection: &Connection, names: &[String]) -> Result<Vec<CustomRole>, Error> {
    let mut held = Vec::new();
    for name in names.iter().filter(|name| roles::find(name).is_none()) {
        held.extend(by(connection, name)?);
    }
    Ok(held)
}

/// Inserts one without an id, else changes it.
fn write(transaction: &Transaction<'_>, role: &CustomRole) -> Result<(), Error> {
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
