//! Admin → Users: who there is, adding one, and what can be done to one.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_signin::{factor, password, recovery, session, throttle};
use countersign_wire::identity as wire;
use rusqlite::params_from_iter;

use super::Console;
use super::web::{Admin, Form, Frame, Person, Stop, from_now, go, is_admin};
use crate::rest;
use crate::rest::query::{Query, encode};
use countersign_tenant::Error;
use countersign_tenant::condition::{Condition, number, text};
use countersign_tenant::credentials;
use countersign_tenant::custom_roles::{self, CustomRole};
use countersign_tenant::letters;
use countersign_tenant::roles::{ROLES, Role};
use countersign_tenant::users::{self, User};

const PAGE: u64 = 50;

struct Row {
    guid: String,
    name: String,
    person: String,
    kind: &'static str,
    status: &'static str,
    last_seen: String,
    pair: String,
}

#[derive(Template)]
#[template(path = "users.html")]
struct Users {
    frame: Frame,
    rows: Vec<Row>,
    total: u64,
    search: String,
    status: String,
    kind: String,
    role: String,
    roles: Vec<&'static Role>,
    /// The same list with another page.
    before: Option<String>,
    after: Option<String>,
}

fn filter(query: &Query) -> Condition {
    let mut condition = Condition::always();
    if let Some(term) = query.get("search") {
        condition.holds(&["u.name", "u.first_name", "u.last_name", "u.email"], term);
    }
    match query.get("status") {
        Some("disabled") => condition.and("(not u.active or not u.login_enabled)", []),
        Some("enabled") => condition.and("u.active and u.login_enabled", []),
        Some("waiting") => condition
            .and("u.id not in (select person from signin_people where password is not null)", []),
        _ => {}
    }
    match query.get("type") {
        Some("api") => condition.and("u.is_api", []),
        Some("person") => condition.and("not u.is_api", []),
        _ => {}
    }
    if let Some(role) = query.get("role") {
        condition.and("u.id in (select user from user_roles where role = ?)", [text(role)]);
    }
    condition
}

pub(super) async fn list(
    State(console): State<Console>,
    Admin(person): Admin,
    RawQuery(raw): RawQuery,
) -> Result<Response, Stop> {
    let query = Query::parse(raw.as_deref());
    let at: u64 = query.get("page").and_then(|page| page.parse().ok()).unwrap_or_default();
    let (condition, now_ms) = (filter(&query), person.visitor.now_ms);
    let (rows, total) = console
        .app
        .read(move |connection, _| -> Result<_, Error> {
            let total = condition.count(connection, "users u")?;
            let sql = format!(
                "select u.guid, u.name, u.first_name || ' ' || u.last_name, u.is_api,
                    u.active and u.login_enabled, p.password is not null, p.last_sign_in_ms,
                    (select max(expires_ms) from credentials c
                        where c.user = u.id and (c.revoked_ms is null or c.revoked_ms > ?))
                 from users u left join signin_people p on p.person = u.id
                 where {} order by u.name limit ? offset ?",
                condition.text()
            );
            let mut values = vec![now_ms.into()];
            values.extend(condition.values_and([number(PAGE), number(at.saturating_mul(PAGE))]));
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(values), |row| {
                let (is_enabled, is_activated): (bool, bool) = (row.get(4)?, row.get(5)?);
                let last: Option<i64> = row.get(6)?;
                let expires: Option<i64> = row.get(7)?;
                Ok(Row {
                    guid: row.get(0)?,
                    name: row.get(1)?,
                    person: row.get(2)?,
                    kind: if row.get(3)? { "API account" } else { "person" },
                    status: match (is_enabled, is_activated) {
                        (false, _) => "disabled",
                        (true, true) => "active",
                        (true, false) => "not activated",
                    },
                    last_seen: last.map_or("never".into(), |ms| from_now(ms, now_ms)),
                    pair: match expires {
                        Some(ms) if ms > now_ms => format!("expires {}", from_now(ms, now_ms)),
                        Some(_) => "expired".into(),
                        None => "none".into(),
                    },
                })
            })?;
            Ok((rows.collect::<Result<Vec<_>, _>>()?, total))
        })
        .await?;
    let kept = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let link = |page: u64| {
        let mut link = format!("/admin/users?page={page}");
        for name in ["search", "status", "type", "role"] {
            if let Some(value) = query.get(name) {
                link.push_str(&format!("&{name}={}", encode(value)));
            }
        }
        link
    };
    let page = Users {
        frame: person.visitor.frame("Users"),
        rows,
        total,
        search: kept("search"),
        status: kept("status"),
        kind: kept("type"),
        role: kept("role"),
        roles: ROLES.iter().collect(),
        before: (at > 0).then(|| link(at - 1)),
        after: ((at + 1) * PAGE < total).then(|| link(at + 1)),
    };
    person.visitor.page(200, &page)
}

/// Roles of one kind under one heading.
struct Group {
    title: &'static str,
    roles: Vec<Choice>,
}

struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "user_new.html")]
struct UserForm {
    frame: Frame,
    /// Where the form goes, and where Cancel leads.
    path: String,
    back: String,
    /// What an account is, it stays; what it is called too.
    is_new: bool,
    complaints: Vec<String>,
    filled: Filled,
    groups: Vec<Group>,
    teams: Vec<Choice>,
}

/// Role sets for a purpose, as links that fill the form.
fn preset(name: &str) -> &'static [&'static str] {
    match name {
        // The guide's three: applications, findings by API, findings for people.
        "reader" => &["extseclead", "extsubmitanyscan", "extreviewer"],
        "api-reader" => &["resultsapi", "noteamrestrictionapi"],
        "api-admin" => &["adminapi"],
        _ => &[],
    }
}

/// What the form is filled with.
#[derive(Default)]
struct Filled {
    first_name: String,
    last_name: String,
    email: String,
    user_name: String,
    is_api: bool,
    login_enabled: bool,
    mfa: bool,
    allowed: String,
    roles: Vec<String>,
    teams: Vec<String>,
}

impl Filled {
    /// Nothing yet, but for what a purpose asks for.
    fn empty(query: &Query) -> Self {
        let purpose = query.get("preset").unwrap_or_default();
        Self {
            is_api: purpose.starts_with("api-"),
            login_enabled: true,
            mfa: true,
            roles: preset(purpose).iter().map(|role| (*role).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// What was typed stays.
    fn sent(query: &Query) -> Self {
        let kept = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let all = |name: &str| query.list(name).into_iter().map(String::from).collect();
        Self {
            first_name: kept("first_name"),
            last_name: kept("last_name"),
            email: kept("email"),
            user_name: kept("user_name"),
            is_api: query.get("is_api").is_some(),
            login_enabled: query.get("login_enabled").is_some(),
            mfa: query.get("mfa").is_some(),
            allowed: kept("allowed"),
            roles: all("role"),
            teams: all("team"),
        }
    }

    fn of(user: &User) -> Self {
        Self {
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            email: user.email.clone(),
            user_name: user.name.clone(),
            is_api: user.is_api,
            login_enabled: user.login_enabled,
            mfa: user.pin_required,
            allowed: user.allowed_ips.join(", "),
            roles: user.roles.clone(),
            teams: user.teams.iter().map(|team| team.guid.clone()).collect(),
        }
    }
}

/// The form for a new user, or for one that there is.
async fn user_form(
    console: &Console,
    person: &Person,
    user: Option<&User>,
    filled: Filled,
    complaints: Vec<String>,
) -> Result<UserForm, Stop> {
    let (teams, custom) = console
        .app
        .read(|connection, _| -> Result<_, Error> {
            let mut statement = connection.prepare("select guid, name from teams order by name")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let teams = rows.collect::<Result<Vec<(String, String)>, _>>()?;
            Ok((teams, custom_roles::all(connection)?))
        })
        .await?;
    let group = |title, is: fn(&Role) -> bool| Group {
        title,
        roles: ROLES
            .iter()
            .filter(|role| is(role))
            .map(|role| Choice {
                value: role.name.to_owned(),
                label: role.description.to_owned(),
                is_chosen: filled.roles.iter().any(|name| name == role.name),
            })
            .collect(),
    };
    let mut groups = Vec::new();
    if user.is_none_or(|user| !user.is_api) {
        groups.push(group("Roles of people", |role| !role.is_api && !role.is_scan_type));
        groups.push(group("Scan types of people", |role| !role.is_api && role.is_scan_type));
    }
    if user.is_none_or(|user| user.is_api) {
        groups.push(group("Roles of API accounts", |role| role.is_api && !role.is_scan_type));
        groups.push(group("Scan types of API accounts", |role| role.is_api && role.is_scan_type));
    }
    for (is_api, title) in [
        (false, "Roles of this organisation, for people"),
        (true, "Roles of this organisation, for API accounts"),
    ] {
        let fits = |role: &&CustomRole| {
            role.is_api == is_api && user.is_none_or(|user| user.is_api == is_api)
        };
        let roles = custom.iter().filter(fits).map(|role| Choice {
            value: role.name.clone(),
            label: role.description.clone(),
            is_chosen: filled.roles.contains(&role.name),
        });
        let roles: Vec<_> = roles.collect();
        if !roles.is_empty() {
            groups.push(Group { title, roles });
        }
    }
    let (path, back, title) = match user {
        Some(user) => {
            let back = format!("/admin/users/{}", user.guid);
            (format!("{back}/edit"), back, format!("Edit {}", user.name))
        }
        None => ("/admin/users/new".into(), "/admin/users".into(), "Add New User".into()),
    };
    Ok(UserForm {
        frame: person.visitor.frame(&title),
        path,
        back,
        is_new: user.is_none(),
        complaints,
        groups,
        teams: teams
            .into_iter()
            .map(|(guid, name)| Choice {
                is_chosen: filled.teams.contains(&guid),
                value: guid,
                label: name,
            })
            .collect(),
        filled,
    })
}

pub(super) async fn show_new(
    State(console): State<Console>,
    Admin(person): Admin,
    RawQuery(raw): RawQuery,
) -> Result<Response, Stop> {
    person.must_be_privileged("/admin/users")?;
    let filled = Filled::empty(&Query::parse(raw.as_deref()));
    let page = user_form(&console, &person, None, filled, Vec::new()).await?;
    person.visitor.page(200, &page)
}

pub(super) async fn show_edit(
    State(console): State<Console>,
    Admin(person): Admin,
    Path(guid): Path<String>,
) -> Result<Response, Stop> {
    person.must_be_privileged("/admin/users")?;
    let user = found(&console, guid).await?;
    let page = user_form(&console, &person, Some(&user), Filled::of(&user), Vec::new()).await?;
    person.visitor.page(200, &page)
}

pub(super) async fn edit(
    State(console): State<Console>,
    Path(guid): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let (person, fields) = form.admin("/admin/users")?;
    let before = found(&console, guid).await?;
    let mut input = wanted(&fields);
    // What an account is and is called stays; another address is verified first.
    (input.permissions, input.user_name) = (None, Some(before.name.clone()));
    let address = input.email_address.replace(before.email.clone());
    let current = before.clone();
    let changed = console
        .app
        .write(move |transaction, state| -> Result<_, Stop> {
            let user = match rest::changed_user(transaction, input, current.clone())? {
                Ok(user) => user,
                Err(complaints) => return Ok(Err((complaints, person))),
            };
            // Nobody shuts the door from inside.
            let is_self = user.id == person.user.id;
            if is_self && !(user.login_enabled && is_admin(&user)) {
                let what = "roles: the own account stays an administrator's and enabled.";
                return Ok(Err((vec![what.to_owned()], person)));
            }
            let address = address.filter(|address| *address != user.email);
            if let Some(address) = &address
                && address.parse::<lettre::Address>().is_err()
            {
                let what = format!("email_address: {address} is no e-mail address.");
                return Ok(Err((vec![what], person)));
            }
            users::write_user(transaction, user.id, &user)?;
            if !user.login_enabled {
                session::end_others(transaction, user.id, None).map_err(Error::from)?;
            }
            if let Some(address) = address {
                state.change_address(transaction, &user, &address)?;
            }
            person.visitor.note(transaction, "user.edit", &user.name)?;
            Ok(Ok(user))
        })
        .await?;
    match changed {
        Ok(user) => Ok(go(&format!("/admin/users/{}", user.guid))),
        Err((complaints, person)) => {
            let filled = Filled::sent(&fields);
            let page = user_form(&console, &person, Some(&before), filled, complaints).await?;
            person.visitor.page(422, &page)
        }
    }
}

fn wanted(query: &Query) -> wire::UserInput {
    let text = |name: &str| Some(query.get(name).unwrap_or_default().trim().to_owned());
    let is_api = query.get("is_api").is_some();
    let allowed: Vec<_> = query.list("allowed").into_iter().map(String::from).collect();
    let roles = query
        .list("role")
        .into_iter()
        .map(|name| wire::RoleRef { role_name: Some(name.to_owned()), ..wire::RoleRef::default() });
    let teams = query.list("team").into_iter().map(|guid| wire::Membership {
        team_id: Some(guid.to_owned()),
        ..wire::Membership::default()
    });
    wire::UserInput {
        user_name: if is_api { text("user_name") } else { text("email") },
        first_name: text("first_name"),
        last_name: text("last_name"),
        email_address: text("email"),
        login_enabled: Some(query.get("login_enabled").is_some()),
        pin_required: Some(query.get("mfa").is_some()),
        ip_restricted: Some(!allowed.is_empty()),
        allowed_ip_addresses: Some(allowed),
        roles: Some(roles.collect()),
        teams: Some(teams.collect()),
        permissions: is_api.then(|| {
            vec![wire::PermissionRef {
                permission_id: None,
                permission_name: Some("apiUser".into()),
            }]
        }),
        ..wire::UserInput::default()
    }
}

pub(super) async fn create(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let (person, fields) = form.admin("/admin/users")?;
    let input = wanted(&fields);
    let made = console
        .app
        .write(move |transaction, state| -> Result<_, Stop> {
            let made = rest::checked_user(transaction, input)?;
            let mut user = match made {
                Ok(user) => user,
                Err(complaints) => return Ok(Err((complaints, person))),
            };
            user.guid = rest::error::conversation_id(state);
            user.id = users::insert_user(transaction, &user, state.now())?;
            if user.login_enabled {
                state.send_password_link(transaction, &user, true)?;
            }
            person.visitor.note(transaction, "user.create", &user.name)?;
            Ok(Ok(user))
        })
        .await?;
    match made {
        Ok(user) => Ok(go(&format!("/admin/users/{}?new", user.guid))),
        Err((complaints, person)) => {
            let filled = Filled::sent(&fields);
            let page = user_form(&console, &person, None, filled, complaints).await?;
            person.visitor.page(422, &page)
        }
    }
}

#[derive(Template)]
#[template(path = "user.html")]
struct OneUser {
    frame: Frame,
    user: User,
    kind: &'static str,
    roles: Vec<String>,
    is_new: bool,
    is_self: bool,
    is_activated: bool,
    has_factor: bool,
    recovery_codes: usize,
    sessions: usize,
    pairs: Vec<(String, String)>,
}

pub(super) async fn found(console: &Console, guid: String) -> Result<User, Stop> {
    let user = console
        .app
        .read(move |connection, _| users::user_by(connection, "guid", &guid.to_lowercase()));
    user.await?.ok_or(Stop::NotFound)
}

pub(super) async fn show(
    State(console): State<Console>,
    Admin(person): Admin,
    Path(guid): Path<String>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Stop> {
    let user = found(&console, guid).await?;
    let (id, now_ms) = (user.id, person.visitor.now_ms);
    let (is_activated, has_factor, recovery_codes, sessions, pairs) = console
        .app
        .read(move |connection, state| -> Result<_, Error> {
            let pairs = credentials::credentials_of(connection, id)?.into_iter().map(|listed| {
                let pair = listed.credential;
                let state = match pair.revoked_ms {
                    Some(ms) if ms <= now_ms => "revoked".to_owned(),
                    _ if pair.expires_ms <= now_ms => "expired".to_owned(),
                    _ => format!("expires {}", from_now(pair.expires_ms, now_ms)),
                };
                (pair.api_id, state)
            });
            Ok((
                password::is_set(connection, id)?,
                factor::is_set(connection, id)?,
                recovery::left(connection, id)?,
                session::of_person(connection, id, state.settings(connection)?.sessions(), now_ms)?
                    .len(),
                pairs.collect(),
            ))
        })
        .await?;
    let page = OneUser {
        frame: person.visitor.frame(&user.name),
        kind: if user.is_api { "API account" } else { "person" },
        roles: user
            .roles
            .iter()
            .map(|name| match user.custom.iter().find(|role| role.name == *name) {
                Some(role) => role.description.clone(),
                None => countersign_tenant::roles::find(name)
                    .map_or(name.as_str(), |r| r.description)
                    .into(),
            })
            .collect(),
        is_new: raw.as_deref() == Some("new"),
        is_self: user.id == person.user.id,
        user,
        is_activated,
        has_factor,
        recovery_codes,
        sessions,
        pairs,
    };
    person.visitor.page(200, &page)
}

pub(super) async fn act(
    State(console): State<Console>,
    Path((guid, act)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Stop> {
    let typed = form.text("typed");
    let Form { visitor, .. } = form;
    let Admin(person) = Admin::of(visitor)?;
    person.must_be_privileged("/admin/users")?;
    let user = found(&console, guid).await?;
    // Nobody shuts the door from inside.
    let is_self = user.id == person.user.id;
    if is_self && ["disable", "delete", "reset-mfa"].contains(&act.as_str()) {
        return Err(Stop::Forbidden);
    }
    if act == "delete" && typed != user.name {
        return Ok(go(&format!("/admin/users/{}", user.guid)));
    }
    let back = match act.as_str() {
        "delete" => "/admin/users".to_owned(),
        _ => format!("/admin/users/{}", user.guid),
    };
    console
        .app
        .write(move |transaction, state| -> Result<_, Stop> {
            let now_ms = person.visitor.now_ms;
            let switch = "update users set login_enabled = ? where id = ?";
            let act = match act.as_str() {
                "resend" => {
                    state.send_password_link(transaction, &user, true)?;
                    "user.send_link"
                }
                "enable" => {
                    transaction.execute(switch, [1, user.id])?;
                    "user.enable"
                }
                "disable" => {
                    transaction.execute(switch, [0, user.id])?;
                    session::end_others(transaction, user.id, None).map_err(Error::from)?;
                    "user.disable"
                }
                "unlock" => {
                    throttle::unlock(transaction, user.id).map_err(Error::from)?;
                    "user.unlock"
                }
                "reset-mfa" => {
                    factor::reset(transaction, user.id).map_err(Error::from)?;
                    session::end_others(transaction, user.id, None).map_err(Error::from)?;
                    let what = format!("The second factor of the account {} was reset.", user.name);
                    letters::happened(transaction, &user, letters::MFA_RESET, &what, now_ms)?;
                    "factor.reset"
                }
                "delete" => {
                    transaction.execute("delete from users where id = ?", [user.id])?;
                    "user.delete"
                }
                _ => return Err(Stop::NotFound),
            };
            person.visitor.note(transaction, act, &user.name)?;
            Ok(())
        })
        .await?;
    Ok(go(&back))
}
