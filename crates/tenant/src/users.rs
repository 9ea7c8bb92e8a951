//! Users: people and API accounts, with their roles and teams.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::Error;
use crate::custom_roles::{self, CustomRole};
use crate::roles::{self, Permission};

/// A user with roles and teams.
#[derive(Debug, Clone)]
pub struct User {
    pub id: i64,
    pub guid: String,
    pub name: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub is_api: bool,
    pub active: bool,
    pub login_enabled: bool,
    pub pin_required: bool,
    pub ip_restricted: bool,
    pub allowed_ips: Vec<String>,
    pub roles: Vec<String>,
    pub teams: Vec<Team>,
    /// Those of the roles that are not built in.
    pub custom: Vec<CustomRole>,
}

#[derive(Debug, Clone)]
pub struct Team {
    pub id: i64,
    pub guid: String,
    pub name: String,
    pub relationship: String,
}

impl User {
    /// Whether team membership does not matter for what it sees.
    pub fn sees_all(&self) -> bool {
        let children = self.custom.iter().flat_map(|role| &role.child_roles);
        let mut all = self.roles.iter().chain(children).filter_map(|name| roles::find(name));
        all.any(|role| role.sees_all)
    }

    /// Whether one of the roles allows it.
    pub fn may(&self, permission: Permission) -> bool {
        permission.is_held_by(self.is_api, &self.roles)
            || self.custom.iter().any(|role| role.may(permission))
    }
}

/// The user whose `column` (`id`, `guid` or `name`) is this.
pub fn user_by(
    connection: &Connection,
    column: &'static str,
    value: &str,
) -> Result<Option<User>, Error> {
    let sql = format!("select {USER_COLUMNS} from users where {column} = ?");
    let found = connection.prepare_cached(&sql)?.query_row([value], read_user).optional()?;
    found.map(|user| complete(connection, user)).transpose()
}

/// In the order in which [`read_user`] takes them.
pub const USER_COLUMNS: &str = "id, guid, name, email, first_name, last_name, is_api, active,
    login_enabled, pin_required, ip_restricted, allowed_ips";

/// Without roles and teams.
pub fn read_user(row: &Row<'_>) -> rusqlite::Result<User> {
    let allowed_ips: String = row.get(11)?;
    Ok(User {
        id: row.get(0)?,
        guid: row.get(1)?,
        name: row.get(2)?,
        email: row.get(3)?,
        first_name: row.get(4)?,
        last_name: row.get(5)?,
        is_api: row.get(6)?,
        active: row.get(7)?,
        login_enabled: row.get(8)?,
        pin_required: row.get(9)?,
        ip_restricted: row.get(10)?,
        allowed_ips: serde_json::from_str(&allowed_ips).unwrap_or_default(),
        roles: Vec::new(),
        teams: Vec::new(),
        custom: Vec::new(),
    })
}

fn complete(connection: &Connection, mut user: User) -> Result<User, Error> {
    let mut roles =
        connection.prepare_cached("select role from user_roles where user = ? order by role")?;
    user.roles = roles.query_map([user.id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    user.custom = custom_roles::held(connection, &user.roles)?;
    let mut teams = connection.prepare_cached(
        "select teams.id, guid, name, relationship from team_members
         join teams on teams.id = team_members.team where user = ? order by name",
    )?;
    let rows = teams.query_map([user.id], |row| {
        Ok(Team {
            id: row.get(0)?,
            guid: row.get(1)?,
            name: row.get(2)?,
            relationship: row.get(3)?,
        })
    })?;
    user.teams = rows.collect::<Result<_, _>>()?;
    Ok(user)
}

/// Inserts a user with roles and teams; answers its row id.
pub fn insert_user(
    transaction: &Transaction<'_>,
    user: &User,
    now_ms: i64,
) -> Result<i64, rusqlite::Error> {
    transaction.execute(
        "insert into users (guid, name, email, first_name, last_name, is_api, created_ms)
         values (?, '', '', '', '', ?, ?)",
        params![user.guid, user.is_api, now_ms],
    )?;
    let id = transaction.last_insert_rowid();
    write_user(transaction, id, user)?;
    Ok(id)
}

/// Writes everything that may change about a user.
pub fn write_user(transaction: &Transaction<'_>, id: i64, user: &User) -> rusqlite::Result<()> {
    let ips = serde_json::to_string(&user.allowed_ips).unwrap_or_else(|_| "[]".into());
    transaction.execute(
        "update users set name = ?, email = ?, first_name = ?, last_name = ?, active = ?,
            login_enabled = ?, pin_required = ?, ip_restricted = ?, allowed_ips = ? where id = ?",
        params![
            user.name,
            user.email,
            user.first_name,
            user.last_name,
            user.active,
            user.login_enabled,
            user.pin_required,
            user.ip_restricted,
            ips,
            id,
        ],
    )?;
    transaction.execute("delete from user_roles where user = ?", [id])?;
    for role in &user.roles {
        transaction.execute(
            "insert or ignore into user_roles (user, role) values (?, ?)",
            params![id, role],
        )?;
    }
    transaction.execute("delete from team_members where user = ?", [id])?;
    for team in &user.teams {
        join(transaction, team.id, id, &team.relationship)?;
    }
    Ok(())
}

/// Another mail address of a user.
pub fn set_email(transaction: &Transaction<'_>, user: i64, email: &str) -> rusqlite::Result<()> {
    transaction.execute("update users set email = ? where id = ?", params![email, user])?;
    Ok(())
}

/// Makes a user a member of a team, or changes how it is one.
pub fn join(
    transaction: &Transaction<'_>,
    team: i64,
    user: i64,
    relationship: &str,
) -> rusqlite::Result<()> {
    transaction.execute(
        "insert into team_members (team, user, relationship) values (?, ?, ?)
         on conflict do update set relationship = excluded.relationship",
        params![team, user, relationship],
    )?;
    Ok(())
}
