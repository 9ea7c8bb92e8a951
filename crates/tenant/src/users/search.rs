//! Lists of users by what they are called and how they stand.

use super::row::{USER_COLUMNS, read_user};
use countersign_signing::ApiId;
use rusqlite::Connection;

use crate::act::View;
use crate::condition::{Condition, text};
use crate::list::{Source, Window};
use crate::user::User;
use crate::{Error, Refused, custom_roles, guid_of, roles};

const SOURCE: Source = Source {
    columns: USER_COLUMNS,
    tables: "users",
    sorts: &[
        ("user_name", "name"),
        ("first_name", "first_name"),
        ("last_name", "last_name"),
        ("email_address", "email"),
        ("user_legacy_id", "id"),
    ],
    order: "id",
};

/// Whether an account was ever used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginStatus {
    Active,
    Never,
    Locked,
}

/// Which users are wanted; what is none does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub user_name: Option<String>,
    /// One of these; empty for any.
    pub email_addresses: Vec<String>,
    /// In a name or the address.
    pub search_term: Option<String>,
    pub role_id: Option<String>,
    /// A role that it has by itself or as part of a custom one.
    pub holds_role: Option<String>,
    pub team_id: Option<String>,
    /// A team that it does not belong to.
    pub not_in_team: Option<String>,
    pub is_api: Option<bool>,
    pub login_status: Option<LoginStatus>,
    pub login_enabled: Option<bool>,
    pub active: Option<bool>,
    pub saml_user: Option<bool>,
    pub api_id: Option<String>,
}

impl Filter {
    /// An id that is none, or that nothing has, is refused: all of them at once.
    fn check(&self, connection: &Connection) -> Result<(), Refused> {
        let is_there = |sql: &str, id: &str| -> Result<bool, Error> {
            Ok(connection.prepare_cached(sql)?.exists([id])?)
        };
        let mut errors = Vec::new();
        let mut require = |member: &str, is: bool| {
            if !is {
                errors.push(format!("{member}: Invalid value."));
            }
        };
        let is_role = |id: &str| -> Result<bool, Error> {
            Ok(match guid_of(id) {
                Ok(guid) => {
                    roles::of_id(&guid).is_some() || custom_roles::by(connection, &guid)?.is_some()
                }
                Err(_) => false,
            })
        };
        if let Some(id) = &self.role_id {
            require("role_id", is_role(id)?);
        }
        if let Some(id) = &self.holds_role
            && !is_role(id)?
        {
            return Err(Refused::Missing("role"));
        }
        for id in self.team_id.iter().chain(&self.not_in_team) {
            let guid = guid_of(id).unwrap_or_default();
            require("team_id", is_there("select 1 from teams where guid = ?", &guid)?);
        }
        if let Some(id) = &self.api_id {
            let id = ApiId::parse(id).map(|id| id.lowercase()).unwrap_or_default();
            require("api_id", is_there("select 1 from credentials where api_id = ?", &id)?);
        }
        if errors.is_empty() { Ok(()) } else { Err(Refused::Invalid(errors)) }
    }

    fn condition(&self) -> Condition {
        let mut condition = Condition::always();
        if let Some(name) = &self.user_name {
            condition.and("name = ?", [text(name)]);
        }
        if !self.email_addresses.is_empty() {
            let addresses = self.email_addresses.iter().map(|mail| text(&mail.to_lowercase()));
            condition.one_of("lower(email)", addresses);
        }
        if let Some(term) = &self.search_term {
            condition.holds(&["name", "first_name", "last_name", "email"], term);
        }
        for (column, is) in [
            ("is_api", self.is_api),
            ("login_enabled", self.login_enabled),
            ("active", self.active),
        ] {
            if let Some(is) = is {
                condition.and(&format!("{column} = ?"), [i64::from(is).into()]);
            }
        }
        if self.saml_user == Some(true) {
            condition.and("false", []);
        }
        self.belongs(&mut condition);
        condition
    }

    fn belongs(&self, condition: &mut Condition) {
        if let Some(id) = &self.role_id {
            let name = roles::of_id(&id.to_lowercase()).map(|role| role.name).unwrap_or_default();
            let custom = "select name from custom_roles where guid = ?";
            let sql =
                format!("id in (select user from user_roles where role = ? or role in ({custom}))");
            condition.and(&sql, [text(name), text(&id.to_lowercase())]);
        }
        if let Some(id) = &self.holds_role {
            let name = roles::of_id(id).map(|role| role.name).unwrap_or_default();
            condition.and(
                "id in (select user from user_roles where role = ? or role in
                    (select name from custom_roles where guid = ? or exists
                        (select 1 from json_each(child_roles) where value = ?)))",
                [text(name), text(id), text(name)],
            );
        }
        for (id, is) in [(&self.team_id, "in"), (&self.not_in_team, "not in")] {
            if let Some(id) = id {
                let members =
                    "select user from team_members join teams on teams.id = team where guid = ?";
                condition.and(&format!("id {is} ({members})"), [text(&id.to_lowercase())]);
            }
        }
        if let Some(id) = &self.api_id {
            condition.and(
                "id in (select user from credentials where api_id = ?)",
                [text(&ApiId::parse(id).map(|id| id.lowercase()).unwrap_or_default())],
            );
        }
        let used = "id in (select user from credentials where last_used_ms is not null)";
        match self.login_status {
            Some(LoginStatus::Active) => condition.and(used, []),
            Some(LoginStatus::Never) => condition.and(&format!("not {used}"), []),
            Some(LoginStatus::Locked) => condition.and("false", []),
            None => {}
        }
    }
}

/// One page of the users that a filter leaves, without roles and teams, and how many it
/// leaves.
pub fn list(
    view: &View<'_>,
    filter: &Filter,
    window: &Window,
) -> Result<(Vec<User>, u64), Refused> {
    filter.check(view.connection)?;
    Ok(SOURCE.page(view.connection, &filter.condition(), window, read_user)?)
}
