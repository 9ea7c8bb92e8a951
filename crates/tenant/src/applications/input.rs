//! What a body may say about an application.

use std::ops::RangeInclusive;

use countersign_wire::application as wire;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::{Map, Value};

use crate::user::User;
use crate::words::Criticality;
use crate::{Error, Refused, guid_of, policies, weaknesses, whole_second};

/// Every switch that clients read, in the recorded order, with its value where nobody set
/// it.
const SETTINGS: [(&str, bool); 5] = [
    ("nextday_consultation_allowed", false),
    ("static_scan_xpa_or_dpa", false),
    ("dynamic_scan_approval_not_required", false),
    ("sca_enabled", true),
    ("static_scan_xpp_enabled", false),
];

/// The switches of an application from those that were set.
pub(super) fn settings(set: &str) -> wire::Settings {
    let set: Map<String, Value> = serde_json::from_str(set).unwrap_or_default();
    let settings = SETTINGS.into_iter().map(|(name, default)| {
        let value = set.get(name).cloned().unwrap_or(Value::Bool(default));
        (name.to_owned(), value)
    });
    wire::Settings(settings.collect())
}

/// The current profile with the given members. A null changes nothing, and
/// neither does the empty list of custom fields that one client always sends.
pub(super) fn overlaid(
    current: &wire::Profile,
    given: Map<String, Value>,
) -> Result<Map<String, Value>, Error> {
    let mut profile: Map<String, Value> = serde_json::from_value(serde_json::to_value(current)?)?;
    for (name, value) in given {
        let says_nothing = name == "custom_fields" && value.as_array().is_some_and(Vec::is_empty);
        if !value.is_null() && !says_nothing {
            profile.insert(name, value);
        }
    }
    Ok(profile)
}

/// A profile whose references are resolved.
pub(super) struct Wanted {
    profile: wire::Profile,
    name: String,
    criticality: String,
    policy: i64,
    business_unit: i64,
    teams: Vec<i64>,
    settings: String,
}

impl Wanted {
    /// `own` is the application that is being changed.
    pub(super) fn read(
        connection: &Connection,
        user: &User,
        profile: Map<String, Value>,
        own: Option<i64>,
    ) -> Result<Self, Refused> {
        let profile: wire::Profile = serde_json::from_value(Value::Object(profile))
            .map_err(|error| Refused::member("/profile", &format!("The profile: {error}.")))?;
        let name = text(&profile.name, "name", 1..=255)?;
        text(&profile.description, "description", 0..=4096)?;
        text(&profile.tags, "tags", 0..=4096)?;
        text(&profile.git_repo_url, "git_repo_url", 0..=2048)?;
        let criticality = profile.business_criticality.clone().unwrap_or_default();
        if Criticality::parse(&criticality).is_none() {
            return Err(Refused::member(
                "/profile/business_criticality",
                "The business criticality must be VERY_HIGH, HIGH, MEDIUM, LOW or VERY_LOW.",
            ));
        }
        check(profile.settings.as_ref())?;
        let taken: Option<i64> = connection
            .query_row("select id from applications where name = ?", [&name], |row| row.get(0))
            .optional()?;
        if taken.is_some_and(|id| Some(id) != own) {
            return Err(Refused::taken("/profile/name"));
        }
        Ok(Self {
            policy: policy(connection, &profile)?,
            business_unit: business_unit(connection, &profile)?,
            teams: teams(connection, user, &profile, own)?,
            settings: chosen(profile.settings.as_ref()),
            name,
            criticality,
            profile,
        })
    }

    pub(super) fn insert(
        &self,
        transaction: &Transaction<'_>,
        guid: &str,
        now_ms: i64,
    ) -> Result<i64, Error> {
        transaction.execute(
            "insert into applications
                (guid, name, business_unit, policy, business_criticality, created_ms, modified_ms)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
            params![
                guid,
                self.name,
                self.business_unit,
                self.policy,
                self.criticality,
                whole_second(now_ms)
            ],
        )?;
        let id = transaction.last_insert_rowid();
        self.update(transaction, id, now_ms)?;
        Ok(id)
    }

    /// A change of the policy moves the date of its last check as well.
    pub(super) fn update(
        &self,
        transaction: &Transaction<'_>,
        id: i64,
        now_ms: i64,
    ) -> Result<(), Error> {
        let profile = &self.profile;
        let fields = profile.custom_fields.as_ref().filter(|fields| !fields.is_empty());
        for name in fields.iter().flat_map(|fields| fields.iter()).flat_map(|field| &field.name) {
            weaknesses::custom_field(transaction, name)?;
        }
        transaction.execute(
            "update applications set name = ?2, tags = ?3, business_unit = ?4,
                business_owners = ?5, custom_fields = ?6, description = ?7,
                business_criticality = ?8, git_repo_url = ?9, modified_ms = ?10,
                policy_checked_ms = iif(policy = ?11, policy_checked_ms, ?10), policy = ?11,
                settings = ?12, archer_app_name = ?13, custom_kms_alias = ?14
             where id = ?1",
            params![
                id,
                self.name,
                profile.tags,
                self.business_unit,
                serde_json::to_string(&profile.business_owners)?,
                fields.map(serde_json::to_string).transpose()?,
                profile.description,
                self.criticality,
                profile.git_repo_url,
                whole_second(now_ms),
                self.policy,
                self.settings,
                profile.archer_app_name,
                profile.custom_kms_alias,
            ],
        )?;
        transaction.execute("delete from application_teams where application = ?", [id])?;
        for team in &self.teams {
            transaction.execute(
                "insert or ignore into application_teams (application, team) values (?, ?)",
                params![id, team],
            )?;
        }
        Ok(())
    }
}

fn text(
    text: &Option<String>,
    name: &str,
    length: RangeInclusive<usize>,
) -> Result<String, Refused> {
    let text = text.as_deref().unwrap_or_default().trim();
    if length.contains(&text.chars().count()) {
        return Ok(text.to_owned());
    }
    let (least, most) = (length.start(), length.end());
    let title = format!("The {name} must be {least} to {most} characters long.");
    Err(Refused::member(&format!("/profile/{name}"), &title))
}

/// The given policy, else the one that the vendor recommends.
fn policy(connection: &Connection, profile: &wire::Profile) -> Result<i64, Refused> {
    let given = profile.policies.first().and_then(|policy| policy.guid.as_deref());
    let guid = guid_of(given.unwrap_or(policies::RECOMMENDED))?;
    let sql = "select id from policies where guid = ?";
    let found = connection.query_row(sql, [guid], |row| row.get(0)).optional()?;
    found.ok_or_else(|| Refused::member("/profile/policies/0/guid", "There is no such policy."))
}

/// The given business unit, else the one that stands for none.
fn business_unit(connection: &Connection, profile: &wire::Profile) -> Result<i64, Refused> {
    let given = profile.business_unit.clone().unwrap_or_default();
    let sql = "select id from business_units where guid = lower(?1)
        or (?1 is null and (name = ?2 or (?2 is null and is_default)))";
    let found =
        connection.query_row(sql, params![given.guid, given.name], |row| row.get(0)).optional()?;
    found.ok_or_else(|| {
        Refused::member("/profile/business_unit/guid", "There is no such business unit.")
    })
}

/// Who is bound to teams gives an application to teams of its own, and leaves
/// it to those that have it.
fn teams(
    connection: &Connection,
    user: &User,
    profile: &wire::Profile,
    application: Option<i64>,
) -> Result<Vec<i64>, Refused> {
    let mut statement =
        connection.prepare_cached("select team from application_teams where application = ?")?;
    let held = statement.query_map([application], |row| row.get(0))?;
    let held: Vec<i64> = held.collect::<Result<_, _>>()?;
    let mut ids = Vec::with_capacity(profile.teams.len());
    for (at, team) in profile.teams.iter().enumerate() {
        let sql = "select id from teams where guid = lower(?1)
            or (?1 is null and (id = ?2 or (?2 is null and name = ?3)))";
        let found: Option<i64> = connection
            .query_row(sql, params![team.guid, team.team_id, team.team_name], |row| row.get(0))
            .optional()?;
        let is_own = |id| held.contains(&id) || user.teams.iter().any(|team| team.id == id);
        match found {
            Some(id) if user.sees_all() || is_own(id) => ids.push(id),
            _ => {
                let path = format!("/profile/teams/{at}/guid");
                return Err(Refused::member(&path, "There is no such team for this account."));
            }
        }
    }
    if ids.is_empty() && !user.sees_all() {
        return Err(Refused::member("/profile/teams", "This account must name one of its teams."));
    }
    Ok(ids)
}

/// A switch is true or false, or null for what it is by itself.
fn check(settings: Option<&wire::Settings>) -> Result<(), Refused> {
    for (name, _) in SETTINGS {
        let value = settings.and_then(|settings| settings.get(name));
        if !value.is_none_or(|value| value.is_boolean() || value.is_null()) {
            let path = format!("/profile/settings/{name}");
            return Err(Refused::member(&path, "A setting is true or false."));
        }
    }
    Ok(())
}

/// Of the switches those that differ from what they are by themselves.
pub(crate) fn chosen(settings: Option<&wire::Settings>) -> String {
    let mut set = Map::new();
    for (name, default) in SETTINGS {
        let value = settings.and_then(|settings| settings.get(name)).and_then(Value::as_bool);
        if let Some(value) = value.filter(|is| *is != default) {
            set.insert(name.to_owned(), Value::Bool(value));
        }
    }
    Value::Object(set).to_string()
}
