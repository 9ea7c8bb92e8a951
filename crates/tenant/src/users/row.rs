//! Users as they are stored.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::user::{Team, User};
use crate::{Error, custom_roles};

/// The user whose `column` (`id`, `guid` or `name`) is this.
pub(crate) fn user_by(
    connection: &Connection,
    column: &'static str,
    value: &str,
) -> Result<Option<User>, Error> {
    let sql = format!("select {USER_COLUMNS} from users where {column} = ?");
    let found = connection.prepare_cached(&sql)?.query_row([value], read_user).optional()?;
    found.map(|user| complete(connection, user)).transpose()
}

/// In the order in which [`read_user`] takes them.
pub(crate) const USER_COLUMNS: &str =
    "id, guid, name, email, first_name, last_name, is_api, active,
    login_enabled, pin_required, ip_restricted, allowed_ips";

/// Without roles and teams.
pub(crate) fn read_user(row: &Row<'_>) -> rusqlite::Result<User> {
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
