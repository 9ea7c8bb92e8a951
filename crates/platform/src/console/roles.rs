//! Admin → Roles: what each allows, and those that the organisation makes for itself.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::Console;
use super::web::{Admin, Form, Frame, Person, Stop, Tab, complaints, go};
use crate::rest::query::Query;
use countersign_tenant::custom_roles::{self, CustomRole, PERMISSIONS};
use countersign_tenant::roles::{Permission, ROLES, Role};
use countersign_tenant::{Change, Error, Manner, Refused, View};
use countersign_wire::identity as wire;

const PATH: &str = "/admin/roles";

struct Row {
    name: String,
    description: String,
    kind: &'static str,
    allows: String,
    /// Of one that can be changed.
    link: Option<String>,
}

#[derive(Template)]
#[template(path = "roles.html")]
struct Roles {
    frame: Frame,
    rows: Vec<Row>,
}

fn built_in(role: &Role) -> Row {
    let own = [role.name.to_owned()];
    let held = Permission::ALL.into_iter().filter(|(held, _)| held.is_held_by(role.is_api, &own));
    let mut allows: Vec<_> = held.map(|(_, words)| words).collect();
    if role.sees_all {
        allows.push("sees every application");
    }
    if role.is_scan_type {
        allows.push("decides which scans may be started");
    }
    Row {
        name: role.name.to_owned(),
        description: role.description.to_owned(),
        kind: kind(role.is_api),
        allows: allows.join(", "),
        link: None,
    }
}

fn own(role: &CustomRole) -> Row {
    let held = Permission::ALL.into_iter().filter(|(held, _)| role.may(*held));
    Row {
        name: role.name.clone(),
        description: role.description.clone(),
        kind: kind(role.is_api),
        allows: held.map(|(_, words)| words).collect::<Vec<_>>().join(", "),
        link: Some(format!("{PATH}/{}", role.guid)),
    }
}

fn kind(is_api: bool) -> &'static str {
    if is_api { "API account" } else { "person" }
}

pub(super) async fn list(
    State(console): State<Console>,
    Admin(person): Admin,
) -> Result<Response, Stop> {
    let custom = console.app.look::<_, Error>(custom_roles::all).await?;
    let rows = custom.iter().map(own).chain(ROLES.iter().map(built_in)).collect();
    person
        .visitor
        .page(200, &Roles { frame: person.visitor.frame("Roles").within(Tab::Roles), rows })
}

struct Choice {
    value: &'static str,
    label: &'static str,
    note: &'static str,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "role.html")]
struct One {
    frame: Frame,
    path: String,
    is_new: bool,
    complaints: Vec<String>,
    name: String,
    description: String,
    is_api: bool,
    children: Vec<Choice>,
    permissions: Vec<Choice>,
}

fn page(person: &Person, role: &CustomRole, complaints: Vec<String>) -> One {
    let is_new = role.id == 0;
    let child = |child: &'static Role| Choice {
        value: child.name,
        label: child.description,
        note: if is_new { kind(child.is_api) } else { "" },
        is_chosen: role.child_roles.iter().any(|name| name == child.name),
    };
    let permission = |known: &'static custom_roles::Known| Choice {
        value: known.name,
        label: known.description,
        note: if known.allows.is_empty() { "nothing on this platform" } else { "" },
        is_chosen: role.permissions.iter().any(|name| name == known.name),
    };
    let fits = |child: &&Role| is_new || child.is_api == role.is_api;
    One {
        frame: person
            .visitor
            .frame(if is_new { "Add a role" } else { &role.name })
            .within(Tab::Roles),
        path: if is_new { format!("{PATH}/new") } else { format!("{PATH}/{}", role.guid) },
        is_new,
        complaints,
        name: role.name.clone(),
        description: role.description.clone(),
        is_api: role.is_api,
        children: ROLES.iter().filter(fits).map(child).collect(),
        permissions: PERMISSIONS.iter().map(permission).collect(),
    }
}

pub(super) async fn show_new(Admin(person): Admin) -> Result<Response, Stop> {
    person.must_be_privileged(PATH)?;
    person.visitor.page(200, &page(&person, &CustomRole::default(), Vec::new()))
}

pub(super) async fn show(
    State(console): State<Console>,
    Admin(person): Admin,
    Path(guid): Path<String>,
) -> Result<Response, Stop> {
    person.must_be_privileged(PATH)?;
    let role = found(&console, guid).await?;
    person.visitor.page(200, &page(&person, &role, Vec::new()))
}

async fn found(console: &Console, guid: String) -> Result<CustomRole, Stop> {
    let ask = move |view: &View<'_>| custom_roles::find(view, &guid);
    Ok(console.app.look::<_, Refused>(ask).await?)
}

/// What a form says of a role.
fn wanted(fields: &Query) -> wire::RoleInput {
    let text = |name: &str| Some(fields.get(name).unwrap_or_default().trim().to_owned());
    let child =
        |name: &str| wire::RoleRef { role_name: Some(name.to_owned()), ..wire::RoleRef::default() };
    let permission = |name: &str| wire::PermissionRef {
        permission_id: None,
        permission_name: Some(name.to_owned()),
    };
    wire::RoleInput {
        role_name: text("name"),
        role_description: text("description"),
        child_roles: Some(fields.list("child").into_iter().map(child).collect()),
        permissions: Some(fields.list("permission").into_iter().map(permission).collect()),
        ..wire::RoleInput::default()
    }
}

/// The role with what a form says of it, to be shown again.
fn filled(role: CustomRole, fields: &Query) -> CustomRole {
    let text = |name: &str| fields.get(name).unwrap_or_default().trim().to_owned();
    let all = |name: &str| fields.list(name).into_iter().map(String::from).collect();
    CustomRole {
        name: text("name"),
        description: text("description"),
        is_api: if role.id == 0 { fields.get("is_api").is_some() } else { role.is_api },
        child_roles: all("child"),
        permissions: all("permission"),
        ..role
    }
}

pub(super) async fn create(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let (person, fields) = form.admin(PATH)?;
    let is_api = Some(fields.get("is_api").is_some());
    let input = wire::RoleInput { is_api, ..wanted(&fields) };
    let make = move |change: &Change<'_>| custom_roles::create(change, input);
    let made = complaints(console.app.change(person.act(), make).await)?;
    answered(&person, made, || filled(CustomRole::default(), &fields))
}

pub(super) async fn change(
    State(console): State<Console>,
    Path(guid): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let (person, fields) = form.admin(PATH)?;
    let role = found(&console, guid.clone()).await?;
    if fields.get("act") != Some("delete") {
        let input = wanted(&fields);
        let make =
            move |change: &Change<'_>| custom_roles::update(change, &guid, input, Manner::PARTIAL);
        let made = complaints(console.app.change(person.act(), make).await)?;
        return answered(&person, made, || filled(role, &fields));
    }
    if fields.get("typed") != Some(role.name.as_str()) {
        let complaints = vec!["The name that was typed is another.".to_owned()];
        return person.visitor.page(422, &page(&person, &role, complaints));
    }
    let make = move |change: &Change<'_>| custom_roles::delete(change, &guid);
    console.app.change::<_, Refused>(person.act(), make).await?;
    Ok(go(PATH))
}

fn answered(
    person: &Person,
    made: Result<CustomRole, Vec<String>>,
    filled: impl FnOnce() -> CustomRole,
) -> Result<Response, Stop> {
    match made {
        Ok(_) => Ok(go(PATH)),
        Err(complaints) => person.visitor.page(422, &page(person, &filled(), complaints)),
    }
}
