//! An account as a body or a form wants it: checked as a whole, so that everything that
//! is wrong is told at once.

use countersign_wire::identity as wire;
use rusqlite::{Connection, OptionalExtension, params};

use super::row::user_by;
use crate::addresses::is_address_entry;
use crate::custom_roles;
use crate::manner::Manner;
use crate::names::name;
use crate::roles::account::Account;
use crate::user::{API_USER, Team, User};
use crate::{Error, Refused, roles};

/// A new account, not inserted yet.
pub(super) fn created(
    connection: &Connection,
    mut wanted: wire::UserInput,
) -> Result<User, Refused> {
    let nobody = User::nobody(is_api(wanted.permissions.take().as_deref().unwrap_or_default()));
    let has_roles = wanted.roles.as_ref().is_some_and(|roles| !roles.is_empty());
    let mut errors = Vec::new();
    let user = resolve(connection, wanted, nobody, Manner::WHOLE, &mut errors)?;
    if !has_roles {
        errors.push("roles: at least one role is required.".into());
    }
    if errors.is_empty() { Ok(user) } else { Err(Refused::Invalid(errors)) }
}

/// An account after a change.
pub(super) fn changed(
    connection: &Connection,
    wanted: wire::UserInput,
    current: User,
    manner: Manner,
) -> Result<User, Refused> {
    let mut errors = Vec::new();
    let user = resolve(connection, wanted, current, manner, &mut errors)?;
    if errors.is_empty() { Ok(user) } else { Err(Refused::Invalid(errors)) }
}

fn is_api(permissions: &[wire::PermissionRef]) -> bool {
    permissions.iter().any(|permission| permission.permission_name.as_deref() == Some(API_USER))
}

/// Notes every member that is missing or wrong, not only the first.
fn resolve(
    connection: &Connection,
    wanted: wire::UserInput,
    current: User,
    manner: Manner,
    errors: &mut Vec<String>,
) -> Result<User, Error> {
    let mut required = |given: Option<String>, current: String, member: &str| match given {
        None if manner.is_partial => current,
        given => name(given.as_deref(), member, errors),
    };
    let user_name = required(wanted.user_name, current.name, "user_name");
    let held = current.email.clone();
    let email = required(wanted.email_address, current.email, "email_address");
    let first_name = required(wanted.first_name, current.first_name, "first_name");
    let last_name = required(wanted.last_name, current.last_name, "last_name");
    if email != held && !email.is_empty() && !is_mail_address(&email) {
        errors.push(format!("email_address: {email} is no e-mail address."));
    }
    if let Some(other) = user_by(connection, "name", &user_name)?
        && other.id != current.id
    {
        errors.push(format!("user_name: {user_name} is taken."));
    }
    if wanted.permissions.is_some_and(|given| is_api(&given) != current.is_api) {
        errors.push("permissions: an account cannot change between user and API.".into());
    }
    if wanted.saml_user == Some(true) {
        errors.push("saml_user: SAML accounts are not offered here.".into());
    }
    let allowed_ips = addresses(wanted.allowed_ip_addresses, current.allowed_ips, manner, errors);
    let given = match wanted.roles {
        Some(roles) => Some(role_names(connection, roles, errors)?),
        None => None,
    };
    let roles = manner.merged(current.roles, given, |a, b| a == b);
    let given = match wanted.teams {
        Some(memberships) => Some(team_list(connection, &memberships, errors)?),
        None => None,
    };
    let teams = manner.merged(current.teams, given, |a, b| a.id == b.id);
    let custom = custom_roles::held(connection, &roles)?;
    let has_teams = !teams.is_empty();
    let account = Account { is_api: current.is_api, roles: &roles, custom: &custom, has_teams };
    errors.extend(account.complaints());
    let flag = |given: Option<bool>, current: bool, cleared: bool| {
        given.unwrap_or(if manner.is_partial { current } else { cleared })
    };
    Ok(User {
        id: current.id,
        guid: current.guid,
        name: user_name,
        email,
        first_name,
        last_name,
        is_api: current.is_api,
        active: flag(wanted.active, current.active, true),
        login_enabled: flag(wanted.login_enabled, current.login_enabled, true),
        pin_required: flag(wanted.pin_required, current.pin_required, false),
        ip_restricted: flag(wanted.ip_restricted, current.ip_restricted, false),
        allowed_ips,
        custom,
        roles,
        teams,
    })
}

/// Whether mail could go there: one `@` with something on both sides, nothing that would
/// end a header or an address.
pub(super) fn is_mail_address(text: &str) -> bool {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[]\\,;:\"".contains(c);
    let parts = text.split_once('@').filter(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && domain != &"."
    });
    parts.is_some() && text.len() <= 254 && text.chars().all(is_plain)
}

fn addresses(
    given: Option<Vec<String>>,
    current: Vec<String>,
    manner: Manner,
    errors: &mut Vec<String>,
) -> Vec<String> {
    let all = match given {
        Some(mut given) if manner.is_incremental => {
            given.splice(0..0, current);
            given.dedup();
            given
        }
        Some(given) => given,
        None if manner.keeps() => current,
        None => Vec::new(),
    };
    if let Some(entry) = all.iter().find(|entry| !is_address_entry(entry)) {
        errors.push(format!("allowed_ip_addresses: {entry} is not an address or a range."));
    }
    all
}

fn role_names(
    connection: &Connection,
    given: Vec<wire::RoleRef>,
    errors: &mut Vec<String>,
) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::with_capacity(given.len());
    for role in given {
        let found = match (&role.role_name, &role.role_id) {
            (Some(name), _) => roles::find(name),
            (None, Some(id)) => roles::of_id(id),
            (None, None) => None,
        };
        let text = role.role_name.or(role.role_id).unwrap_or_default();
        let name = match found {
            Some(role) => Some(role.name.to_owned()),
            None => custom_roles::by(connection, &text)?.map(|role| role.name),
        };
        match name {
            Some(name) if names.contains(&name) => {}
            Some(name) => names.push(name),
            None => errors.push(format!("roles: {text} is not a role.")),
        }
    }
    Ok(names)
}

fn team_list(
    connection: &Connection,
    memberships: &[wire::Membership],
    errors: &mut Vec<String>,
) -> Result<Vec<Team>, rusqlite::Error> {
    let mut teams = Vec::with_capacity(memberships.len());
    for membership in memberships {
        match team_of(connection, membership)? {
            Some(team) => teams.push(team),
            None => errors.push("team_id: Invalid value.".into()),
        }
    }
    Ok(teams)
}

/// The team of this id, or of this name.
pub(crate) fn team_of(
    connection: &Connection,
    membership: &wire::Membership,
) -> Result<Option<Team>, rusqlite::Error> {
    let Some(relationship) = relationship(membership.relationship.as_ref()) else {
        return Ok(None);
    };
    connection
        .query_row(
            "select id, guid, name from teams where guid = lower(?1) or (?1 is null and name = ?2)",
            params![membership.team_id, membership.team_name],
            |row| Ok(Team { id: row.get(0)?, guid: row.get(1)?, name: row.get(2)?, relationship }),
        )
        .optional()
}

/// `ADMIN` or `MEMBER`, in any case; nothing means the latter.
pub(crate) fn relationship(given: Option<&wire::Relationship>) -> Option<String> {
    let name = given.map_or("MEMBER", |relationship| relationship.name.as_str());
    ["ADMIN", "MEMBER"].into_iter().find(|known| known.eq_ignore_ascii_case(name)).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::is_mail_address;

    #[test]
    fn mail_addresses() {
        for good in ["dana@example.com", "a+b.c@x.example.org", "jörg@example.com", "o'neil@host"]
        {
            assert!(is_mail_address(good), "{good}");
        }
        for bad in
            ["", "nobody", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\r\nTo: x@y", "<a@b>", "a,b@c"]
        {
            assert!(!is_mail_address(bad), "{bad}");
        }
        assert!(!is_mail_address(&format!("{}@example.com", "a".repeat(300))));
    }
}
