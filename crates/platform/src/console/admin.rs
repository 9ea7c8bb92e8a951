//! Admin → Users: who there is, adding one, and what can be done to one.

use std::fmt;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::identity as wire;

use super::Console;
use super::web::{Admin, Form, Frame, Person, Stop, Tab, complaints, from_now, go};
use crate::rest::query::Query;
use countersign_tenant::custom_roles::{self, CustomRole};
use countersign_tenant::roles::account::{Account, ForApi};
use countersign_tenant::roles::{ROLES, Role};
use countersign_tenant::users::{self, Address, Login, Overview, OverviewFilter, User};
use countersign_tenant::{Change, Error, Manner, Noted, Refused, View, credentials, teams};
use countersign_web::query::encode;

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

fn filter(query: &Query) -> OverviewFilter {
    let text = |name: &str| query.get(name).map(String::from);
    OverviewFilter {
        search: text("search"),
        status: query.get("status").and_then(Login::parse),
        is_api: match query.get("type") {
            Some("api") => Some(true),
            Some("person") => Some(false),
            _ => None,
        },
        role: text("role"),
    }
}

fn row(user: Overview, now_ms: i64) -> Row {
    Row {
        guid: user.guid,
        name: user.name,
        person: user.person,
        kind: if user.is_api { "API account" } else { "person" },
        status: match (user.is_open, user.is_activated) {
            (false, _) => "disabled",
            (true, true) => "active",
            (true, false) => "not activated",
        },
        last_seen: user.last_sign_in_ms.map_or("never".into(), |ms| from_now(ms, now_ms)),
        pair: match user.expires_ms {
            Some(ms) if ms > now_ms => format!("expires {}", from_now(ms, now_ms)),
            Some(_) => "expired".into(),
            None => "none".into(),
        },
    }
}

pub(super) async fn list(
    State(console): State<Console>,
    Admin(person): Admin,
    RawQuery(raw): RawQuery,
) -> Result<Response, Stop> {
    let query = Query::parse(raw.as_deref());
    let at: u64 = query.get("page").and_then(|page| page.parse().ok()).unwrap_or_default();
    let at = at.min(u64::MAX / PAGE - 1);
    let (filter, now_ms) = (filter(&query), person.visitor.now_ms);
    let ask = move |view: &View<'_>| users::overviews(view, &filter, PAGE, at * PAGE);
    let (found, total) = console.app.look::<_, Error>(ask).await?;
    let rows = found.into_iter().map(|user| row(user, now_ms)).collect();
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
        frame: person.visitor.frame("Users").within(Tab::Users),
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
    /// Which kinds of account can hold it.
    fits: Fits,
}

#[derive(Clone, Copy)]
enum Fits {
    Person,
    Api,
    Both,
}

impl fmt::Display for Fits {
    /// As the script of the page reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person => "person",
            Self::Api => "api",
            Self::Both => "both",
        })
    }
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
    /// Chosen roles that the account cannot hold, by label.
    misfits: Vec<String>,
    /// What became of the roles when it was made an API account.
    mended: Option<ForApi>,
    filled: Filled,
    groups: Vec<Group>,
    teams: Vec<Choice>,
}

/// What an account is for, which fills in its kind and roles.
#[derive(Clone, Copy, PartialEq)]
enum Purpose {
    Reader,
    ApiReader,
    ApiAdmin,
}

impl Purpose {
    /// As the address and the form name it.
    fn parse(text: &str) -> Option<Self> {
        match text {
            "reader" => Some(Self::Reader),
            "api-reader" => Some(Self::ApiReader),
            "api-admin" => Some(Self::ApiAdmin),
            _ => None,
        }
    }

    fn is_api(self) -> bool {
        self != Self::Reader
    }

    fn roles(self) -> Vec<String> {
        let names: &[&str] = match self {
            Self::Reader => &["extseclead", "extsubmitanyscan", "extreviewer"],
            Self::ApiReader => &["resultsapi", "noteamrestrictionapi"],
            Self::ApiAdmin => &["adminapi"],
        };
        names.iter().map(|name| (*name).to_owned()).collect()
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
    fn empty(purpose: Option<Purpose>) -> Self {
        let filled = Self { login_enabled: true, mfa: true, ..Self::default() };
        match purpose {
            Some(purpose) => filled.meant_for(purpose),
            None => filled,
        }
    }

    /// The same for a purpose: what was typed stays.
    fn meant_for(self, purpose: Purpose) -> Self {
        Self { is_api: purpose.is_api(), roles: purpose.roles(), ..self }
    }

    /// The account that the form asks for.
    fn account<'a>(&'a self, custom: &'a [CustomRole]) -> Account<'a> {
        let has_teams = !self.teams.is_empty();
        Account { is_api: self.is_api, roles: &self.roles, custom, has_teams }
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

/// All roles that an account can be given: any before it is there, later those of its kind.
fn groups(user: Option<&User>, filled: &Filled, custom: &[CustomRole]) -> Vec<Group> {
    let group = |title, is: fn(&Role) -> bool| Group {
        title,
        roles: ROLES
            .iter()
            .filter(|role| is(role))
            .map(|role| Choice {
                value: role.name.to_owned(),
                label: role.description.to_owned(),
                is_chosen: filled.roles.iter().any(|name| name == role.name),
                fits: match (role.fits(false), role.fits(true)) {
                    (true, true) => Fits::Both,
                    (_, false) => Fits::Person,
                    (false, true) => Fits::Api,
                },
            })
            .collect(),
    };
    let mut groups = Vec::new();
    if user.is_none_or(|user| !user.is_api) {
        groups.push(group("Roles of users", |role| !role.is_api && !role.is_scan_type));
        groups.push(group("Scan types of users", |role| !role.is_api && role.is_scan_type));
    }
    if user.is_none_or(|user| user.is_api) {
        groups.push(group("Roles of API accounts", |role| role.is_api && !role.is_scan_type));
        groups.push(group("Scan types of API accounts", |role| role.is_api && role.is_scan_type));
    }
    for (is_api, title) in [
        (false, "Roles of this organisation, for users"),
        (true, "Roles of this organisation, for API accounts"),
    ] {
        let fits = |role: &&CustomRole| {
            role.is_api == is_api && user.is_none_or(|user| user.is_api == is_api)
        };
        let roles = custom.iter().filter(fits).map(|role| Choice {
            value: role.name.clone(),
            label: role.description.clone(),
            is_chosen: filled.roles.contains(&role.name),
            fits: if is_api { Fits::Api } else { Fits::Person },
        });
        let roles: Vec<_> = roles.collect();
        if !roles.is_empty() {
            groups.push(Group { title, roles });
        }
    }
    groups
}

/// The form for a new user, or for one that there is.
async fn user_form(
    console: &Console,
    person: &Person,
    user: Option<&User>,
    filled: Filled,
    complaints: Vec<String>,
) -> Result<UserForm, Stop> {
    let ask = |view: &View<'_>| Ok((teams::names(view)?, custom_roles::all(view)?));
    let (teams, mut custom) = console.app.look::<_, Error>(ask).await?;
    let groups = groups(user, &filled, &custom);
    custom.retain(|role| filled.roles.contains(&role.name));
    let misfits = filled.account(&custom).misfits().into_iter().map(String::from).collect();
    let (path, back, title) = match user {
        Some(user) => {
            let back = format!("/admin/users/{}", user.guid);
            (format!("{back}/edit"), back, format!("Edit {}", user.name))
        }
        None => ("/admin/users/new".into(), "/admin/users".into(), "Add New User".into()),
    };
    Ok(UserForm {
        frame: person.visitor.frame(&title).within(Tab::Users),
        path,
        back,
        is_new: user.is_none(),
        complaints,
        misfits,
        mended: None,
        groups,
        teams: teams
            .into_iter()
            .map(|(guid, name)| Choice {
                is_chosen: filled.teams.contains(&guid),
                value: guid,
                label: name,
                fits: Fits::Both,
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
    let query = Query::parse(raw.as_deref());
    let filled = Filled::empty(query.get("preset").and_then(Purpose::parse));
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
    // What an account is and is called stays.
    let input = wire::UserInput { permissions: None, user_name: None, ..wanted(&fields) };
    let guid = before.guid.clone();
    let make = move |change: &Change<'_>| {
        users::update(change, &guid, input, Manner::PARTIAL, Address::Verified)
    };
    match complaints(console.app.change(person.act(), make).await)? {
        Ok(user) => Ok(go(&format!("/admin/users/{}", user.guid))),
        Err(complaints) => {
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
        // A person is called by the address, and so is an API account without a name.
        user_name: text("user_name").filter(|name| is_api && !name.is_empty()).or(text("email")),
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

/// A button of the form that fills it in anew; nothing is saved.
enum Refill {
    Purpose(Purpose),
    /// The account becomes an API account, with what such a one can hold.
    ForApi,
}

impl Refill {
    fn read(fields: &Query) -> Option<Self> {
        if fields.get("mend").is_some() {
            return Some(Self::ForApi);
        }
        fields.get("preset").and_then(Purpose::parse).map(Self::Purpose)
    }
}

async fn refilled(
    console: &Console,
    person: &Person,
    mut filled: Filled,
    refill: Refill,
) -> Result<Response, Stop> {
    let mended = match refill {
        Refill::Purpose(purpose) => {
            filled = filled.meant_for(purpose);
            None
        }
        Refill::ForApi => {
            let mut custom = console.app.look::<_, Error>(custom_roles::all).await?;
            custom.retain(|role| filled.roles.contains(&role.name));
            let mended = filled.account(&custom).for_api();
            filled = Filled { is_api: true, roles: mended.roles.clone(), ..filled };
            Some(mended)
        }
    };
    let page = user_form(console, person, None, filled, Vec::new()).await?;
    person.visitor.page(200, &UserForm { mended, ..page })
}

pub(super) async fn create(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let (person, fields) = form.admin("/admin/users")?;
    if let Some(refill) = Refill::read(&fields) {
        return refilled(&console, &person, Filled::sent(&fields), refill).await;
    }
    let input = wanted(&fields);
    let make = move |change: &Change<'_>| users::create(change, input);
    match complaints(console.app.change(person.act(), make).await)? {
        Ok(user) => Ok(go(&format!("/admin/users/{}?new", user.guid))),
        Err(complaints) => {
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
    let ask = move |view: &View<'_>| users::find(view, &guid);
    Ok(console.app.look::<_, Refused>(ask).await?)
}

pub(super) async fn show(
    State(console): State<Console>,
    Admin(person): Admin,
    Path(guid): Path<String>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Stop> {
    let user = found(&console, guid).await?;
    let (id, now_ms) = (user.id, person.visitor.now_ms);
    let ask =
        move |view: &View<'_>| Ok((users::sign_in(view, id)?, credentials::of_user(view, id)?));
    let (sign_in, pairs) = console.app.look::<_, Error>(ask).await?;
    let pairs = pairs.into_iter().map(|listed| {
        let pair = listed.credential;
        let state = match pair.revoked_ms {
            Some(ms) if ms <= now_ms => "revoked".to_owned(),
            _ if pair.expires_ms <= now_ms => "expired".to_owned(),
            _ => format!("expires {}", from_now(pair.expires_ms, now_ms)),
        };
        (pair.api_id, state)
    });
    let page = OneUser {
        frame: person.visitor.frame(&user.name).within(Tab::Users),
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
        is_activated: sign_in.is_activated,
        has_factor: sign_in.has_factor,
        recovery_codes: sign_in.recovery_codes,
        sessions: sign_in.sessions,
        pairs: pairs.collect(),
    };
    person.visitor.page(200, &page)
}

/// What is done to a user, as the address of a form names it.
#[derive(Clone, Copy, PartialEq)]
enum Act {
    Resend,
    Enable,
    Disable,
    Unlock,
    ResetFactors,
    Delete,
}

impl Act {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "resend" => Self::Resend,
            "enable" => Self::Enable,
            "disable" => Self::Disable,
            "unlock" => Self::Unlock,
            "reset-mfa" => Self::ResetFactors,
            "delete" => Self::Delete,
            _ => return None,
        })
    }
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
    let act = Act::parse(&act).ok_or(Stop::NotFound)?;
    let page = format!("/admin/users/{}", user.guid);
    if act == Act::Delete && typed != user.name {
        return Ok(go(&page));
    }
    let make = move |change: &Change<'_>| -> Result<Noted<()>, Stop> {
        let guid = user.guid.as_str();
        Ok(match act {
            Act::Resend => users::send_link(change, &user)?,
            Act::Enable => users::enable(change, guid, true)?.map(drop),
            Act::Disable => users::enable(change, guid, false)?.map(drop),
            Act::Unlock => users::unlock(change, guid)?,
            Act::ResetFactors => users::reset_factors(change, guid)?,
            Act::Delete => users::delete(change, guid)?,
        })
    };
    console.app.change(person.act(), make).await?;
    Ok(go(if act == Act::Delete { "/admin/users" } else { &page }))
}
