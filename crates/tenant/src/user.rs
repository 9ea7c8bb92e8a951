//! What a user is, and what its roles let it do.

use crate::roles::custom::CustomRole;
use crate::roles::{self, Permission};

/// The permission that marks an API account.
pub const API_USER: &str = "apiUser";

/// A user with roles and teams.
#[derive(Debug, Clone, PartialEq, Eq)]
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    pub id: i64,
    pub guid: String,
    pub name: String,
    pub relationship: String,
}

impl User {
    /// An account that is not there yet.
    pub(crate) fn nobody(is_api: bool) -> Self {
        Self {
            id: 0,
            guid: String::new(),
            name: String::new(),
            email: String::new(),
            first_name: String::new(),
            last_name: String::new(),
            is_api,
            active: true,
            login_enabled: true,
            pin_required: false,
            ip_restricted: false,
            allowed_ips: Vec::new(),
            roles: Vec::new(),
            teams: Vec::new(),
            custom: Vec::new(),
        }
    }

    /// Whether it may sign in at all.
    pub fn is_open(&self) -> bool {
        self.active && self.login_enabled
    }

    /// All but what has an entry of its own in the log, to be compared.
    pub(crate) fn without_access(&self) -> Self {
        Self {
            active: true,
            login_enabled: true,
            roles: Vec::new(),
            custom: Vec::new(),
            ..self.clone()
        }
    }

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
