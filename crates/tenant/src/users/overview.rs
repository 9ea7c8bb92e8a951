//! The administrator's list of users, with how each stands.

use rusqlite::{Row, params_from_iter};

use crate::Error;
use crate::act::View;
use crate::condition::{Condition, number, text};
use crate::words::words;

words!(
    /// Whether a user can sign in.
    Login {
        Disabled = "disabled",
        Enabled = "enabled",
        /// For the first password.
        Waiting = "waiting"
    }
);

/// Which users are wanted.
#[derive(Debug, Clone, Default)]
pub struct OverviewFilter {
    /// In a name or the address.
    pub search: Option<String>,
    pub status: Option<Login>,
    pub is_api: Option<bool>,
    pub role: Option<String>,
}

/// A user in the list.
#[derive(Debug, Clone)]
pub struct Overview {
    pub guid: String,
    pub name: String,
    pub person: String,
    pub is_api: bool,
    pub is_open: bool,
    pub is_activated: bool,
    pub last_sign_in_ms: Option<i64>,
    /// When the last credentials that are not revoked expire.
    pub expires_ms: Option<i64>,
}

impl OverviewFilter {
    fn condition(&self) -> Condition {
        let mut condition = Condition::always();
        if let Some(term) = &self.search {
            condition.holds(&["u.name", "u.first_name", "u.last_name", "u.email"], term);
        }
        match self.status {
            Some(Login::Disabled) => condition.and("(not u.active or not u.login_enabled)", []),
            Some(Login::Enabled) => condition.and("u.active and u.login_enabled", []),
            Some(Login::Waiting) => condition.and(
                "u.id not in (select person from signin_people where password is not null)",
                [],
            ),
            None => {}
        }
        if let Some(is_api) = self.is_api {
            condition.and("u.is_api = ?", [i64::from(is_api).into()]);
        }
        if let Some(role) = &self.role {
            condition.and("u.id in (select user from user_roles where role = ?)", [text(role)]);
        }
        condition
    }
}

/// One page of them by name, and how many there are.
pub fn overviews(
    view: &View<'_>,
    filter: &OverviewFilter,
    limit: u64,
    offset: u64,
) -> Result<(Vec<Overview>, u64), Error> {
    let condition = filter.condition();
    let total = condition.count(view.connection, "users u")?;
    let sql = format!(
        "select u.guid, u.name, u.first_name || ' ' || u.last_name, u.is_api,
            u.active and u.login_enabled, p.password is not null, p.last_sign_in_ms,
            (select max(expires_ms) from credentials c
                where c.user = u.id and (c.revoked_ms is null or c.revoked_ms > ?))
         from users u left join signin_people p on p.person = u.id
         where {} order by u.name limit ? offset ?",
        condition.text()
    );
    let mut values = vec![view.now_ms.into()];
    values.extend(condition.values_and([number(limit), number(offset)]));
    let mut statement = view.connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), read_row)?;
    Ok((rows.collect::<Result<_, _>>()?, total))
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Overview> {
    Ok(Overview {
        guid: row.get(0)?,
        name: row.get(1)?,
        person: row.get(2)?,
        is_api: row.get(3)?,
        is_open: row.get(4)?,
        is_activated: row.get(5)?,
        last_sign_in_ms: row.get(6)?,
        expires_ms: row.get(7)?,
    })
}
