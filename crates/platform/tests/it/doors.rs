//! Every change of the tenant through every door that offers it: the same entries in the
//! log, the same letters, the same ended sessions, the same rows.
//!
//! [`DOORS`] names every door with the acts that it offers. Doors are found in the OpenAPI
//! document, in the console's and the controls' routes; acts in the sources of the tenant.
//! One that the table does not have fails, and so does one that no [`walk`] goes through.

mod walks;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use walks::walk;
use world::{Entry, Seen, World};

/// Each door with the acts that it offers; none for a door that changes nothing of the
/// tenant, or only how somebody is signed in ([`SIGN_IN`]).
const DOORS: &[(&str, &[&str])] = &[
    // REST: users.
    ("POST /api/authn/v2/users", &["user.create", "credentials.generate"]),
    (
        "PUT /api/authn/v2/users/{user_id}",
        &["user.edit", "user.enable", "user.disable", "user.roles", "address.ask"],
    ),
    ("PUT /api/authn/v2/users/self", &["user.edit", "address.ask"]),
    ("DELETE /api/authn/v2/users/{user_id}", &["user.delete"]),
    ("POST /api/authn/v2/users/{user_legacy_id}/resetPassword", &["user.send_link"]),
    // REST: credentials and clients.
    ("POST /api/authn/v2/api_credentials", &["credentials.generate"]),
    ("DELETE /api/authn/v2/api_credentials", &["credentials.revoke"]),
    ("DELETE /api/authn/v2/api_credentials/{api_id}", &["credentials.revoke"]),
    ("POST /api/authn/v2/api_credentials/user_id/{user_id}", &["credentials.generate"]),
    ("DELETE /api/authn/v2/api_credentials/user_id/{user_id}", &["credentials.revoke"]),
    ("POST /api/authn/v2/oauth_clients", &["client.create"]),
    ("POST /api/authn/v2/oauth_clients/user_id/{user_id}", &["client.create"]),
    ("POST /api/authn/v2/oauth_clients/{client_id}/rotate", &["client.rotate"]),
    ("POST /api/authn/v2/oauth_clients/{client_id}/clone", &["client.create"]),
    ("DELETE /api/authn/v2/oauth_clients/{client_id}", &["client.revoke"]),
    // A token is no change: it ends by itself and allows nothing new.
    ("POST /api/authn/v2/oauth2/token", &[]),
    // REST: roles, teams, units.
    ("POST /api/authn/v2/roles", &["role.create"]),
    ("PUT /api/authn/v2/roles/{role_id}", &["role.edit"]),
    ("DELETE /api/authn/v2/roles/{role_id}", &["role.delete"]),
    ("POST /api/authn/v2/teams", &["team.create"]),
    ("PUT /api/authn/v2/teams/{team_id}", &["team.edit"]),
    ("DELETE /api/authn/v2/teams/{team_id}", &["team.delete"]),
    ("POST /api/authn/v2/business_units", &["unit.create"]),
    ("PUT /api/authn/v2/business_units/{bu_id}", &["unit.edit"]),
    ("DELETE /api/authn/v2/business_units/{bu_id}", &["unit.delete"]),
    // REST: reports.
    ("POST /appsec/v1/analytics/report", &["report.create"]),
    // REST: collections.
    ("POST /appsec/v1/collections", &["collection.create"]),
    ("PUT /appsec/v1/collections/{guid}", &["collection.edit"]),
    ("DELETE /appsec/v1/collections/{guid}", &["collection.delete"]),
    // REST: applications. Policies can only be read.
    ("POST /appsec/v1/applications", &["application.create"]),
    ("PUT /appsec/v1/applications/{guid}", &["application.edit"]),
    ("DELETE /appsec/v1/applications/{guid}", &["application.delete"]),
    ("POST /appsec/v1/applications/{guid}/sandboxes", &["sandbox.create"]),
    ("PUT /appsec/v1/applications/{guid}/sandboxes/{sandbox}", &["sandbox.edit"]),
    ("DELETE /appsec/v1/applications/{guid}/sandboxes/{sandbox}", &["sandbox.delete"]),
    ("POST /appsec/v1/applications/{guid}/sandboxes/{sandbox}/promote", &["sandbox.promote"]),
    ("POST /appsec/v2/applications/{guid}/annotations", &["annotation.add"]),
    ("POST /srcclr/v3/applications/{guid}/sca_annotations", &["component_annotation.add"]),
    // The console: administration.
    ("console /admin/users/new", &["user.create"]),
    ("console /admin/users/{guid}/edit", &["user.edit", "user.roles", "address.ask"]),
    (
        "console /admin/users/{guid}/{act}",
        &[
            "user.enable",
            "user.disable",
            "user.delete",
            "user.send_link",
            "user.unlock",
            "factor.reset",
        ],
    ),
    ("console /admin/users/{guid}/credentials", &["credentials.generate", "client.create"]),
    (
        "console /admin/users/{guid}/credentials/{id}/revoke",
        &["credentials.revoke", "client.revoke"],
    ),
    ("console /admin/roles/new", &["role.create"]),
    ("console /admin/roles/{guid}", &["role.edit", "role.delete"]),
    ("console /admin/settings", &["settings.change"]),
    ("console /admin/{groups}", &["team.create", "unit.create"]),
    ("console /admin/{groups}/{guid}", &["team.edit", "team.delete", "unit.edit", "unit.delete"]),
    // The console: one's own account.
    ("console /credentials", &["credentials.generate", "client.create"]),
    ("console /credentials/{id}/revoke", &["credentials.revoke", "client.revoke"]),
    ("console /profile/address", &["address.ask"]),
    // How somebody is signed in: the suites of sign-in walk these.
    ("console /sign-in", &[]),
    ("console /second-factor", &[]),
    ("console /prove", &[]),
    ("console /sign-out", &[]),
    ("console /activate/{token}", &[]),
    ("console /reset/{token}", &[]),
    ("console /forgot", &[]),
    ("console /enrol", &[]),
    ("console /locked", &[]),
    ("console /unlock/{token}", &[]),
    ("console /address/{token}", &[]),
    ("console /profile/factors/{id}/remove", &[]),
    ("console /profile/recovery", &[]),
    ("console /profile/password", &[]),
    ("console /profile/sessions", &[]),
    // The test controls.
    ("control POST /import", &["import.page"]),
    ("control POST /mutate", &["tenant.life"]),
    ("control POST /reset", &["tenant.reset"]),
    ("control POST /snapshots/{name}/restore", &["tenant.restore"]),
    // Nothing of the tenant: the platform's time, faults, limits and recorder; copies.
    ("control PUT /clock", &[]),
    ("control DELETE /clock", &[]),
    ("control POST /clock/advance", &[]),
    ("control PUT /faults", &[]),
    ("control DELETE /faults", &[]),
    ("control PUT /limits", &[]),
    ("control DELETE /requests", &[]),
    ("control POST /requests/expect", &[]),
    ("control POST /snapshots/{name}", &[]),
    ("control DELETE /snapshots/{name}", &[]),
    ("control POST /fork", &[]),
    // A command beside the platform, and its first start.
    ("command platform mint", &["user.create", "credentials.generate"]),
    ("command platform serve", &["user.create", "tenant.seed"]),
];

/// Acts that the flows of sign-in write, by their first word.
const SIGN_IN: &[&str] = &["session", "password", "passkey", "recovery", "account", "device"];

/// Doors of an act whose outcome differs on purpose: door, act, and what is not compared.
const APART: &[(&str, &str, &str)] = &[
    // Secrets of the credentials that come with it belong to the answer, not to the act.
    ("POST /api/authn/v2/users", "credentials.generate", "the account is created as well"),
    // A command knows no console, so no link leads anywhere.
    ("command platform mint", "user.create", "no link without a console, and credentials"),
    // The first administrator has a password that the ready file tells.
    ("command platform serve", "user.create", "nobody is there who could be told"),
    ("POST /api/authn/v2/oauth_clients/{client_id}/clone", "client.create", "of another"),
];

fn is_apart(door: &str, act: &str) -> bool {
    APART.iter().any(|(other, its, _)| *other == door && *its == act)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_is_the_same_through_every_door() {
    let mut doors_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (door, acts) in DOORS {
        for act in *acts {
            doors_of.entry(act).or_default().push(door);
        }
    }
    let mut wrong = Vec::new();
    for (act, doors) in doors_of {
        // Of each account that is concerned, and what all of them have in common.
        let mut first: BTreeMap<&str, (&str, Seen)> = BTreeMap::new();
        let mut outline: Option<(&str, Vec<String>)> = None;
        for door in doors {
            let mut world = World::new().await;
            let seen = walk(&mut world, act, door).await;
            let actor = world.actor(door);
            let mut complain = |what: String| wrong.push(format!("{act} by {door}: {what}"));
            if !seen.entries.iter().any(|entry| entry.act == act) {
                complain(format!("it is not in the log: {:?}", seen.entries));
            }
            let is_whose =
                |entry: &Entry| entry.actor == actor && entry.address == World::address(door);
            if let Some(entry) = seen.entries.iter().find(|entry| !is_whose(entry)) {
                complain(format!("{entry:?} is not by {actor}"));
            }
            if is_apart(door, act) {
                continue;
            }
            let seen = seen.without_actor(&actor);
            let (other, expected) = outline.get_or_insert((door, seen.outline()));
            if seen.outline() != *expected {
                complain(format!("{:?}, but by {other} {expected:?}", seen.outline()));
            }
            let subject = World::subject(door, act);
            let (other, expected) = first.entry(subject).or_insert((door, seen.clone()));
            if seen != *expected {
                complain(format!("{seen:#?}\nbut by {other}\n{expected:#?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_door_is_in_the_table() {
    let mut found = BTreeSet::new();
    let document: serde_json::Value =
        serde_json::from_str(include_str!("../../openapi.json")).expect("JSON");
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys() {
            if ["post", "put", "delete", "patch"].contains(&method.as_str()) {
                found.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    for (path, methods) in routes(include_str!("../../src/console.rs")) {
        if methods.contains("post(") {
            found.insert(format!("console {path}"));
        }
    }
    for (path, methods) in routes(include_str!("../../src/controls.rs")) {
        for method in ["post", "put", "delete"] {
            if methods.contains(&format!("{method}(")) {
                found.insert(format!("control {} {path}", method.to_uppercase()));
            }
        }
    }
    found.extend(["command platform mint".to_owned(), "command platform serve".to_owned()]);
    let table: BTreeSet<_> = DOORS.iter().map(|(door, _)| (*door).to_owned()).collect();
    assert_eq!(table, found);
    assert_eq!(table.len(), DOORS.len(), "each once");
}

/// Path and handlers of each `.route("…", …)`.
fn routes(source: &str) -> Vec<(String, String)> {
    let parts = source.split(".route(").skip(1);
    let parts = parts.map(|part| part.split(".fallback(").next().unwrap_or_default());
    parts
        .map(|part| {
            let mut quoted = part.splitn(3, '"');
            let path = quoted.nth(1).expect("a path").to_owned();
            (path, quoted.next().unwrap_or_default().to_owned())
        })
        .collect()
}

#[test]
fn every_act_has_a_door() {
    let offered: BTreeSet<&str> = DOORS.iter().flat_map(|(_, acts)| acts.iter().copied()).collect();
    let acts = acts_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../tenant/src"));
    assert!(acts.len() > 30, "the sources have moved: {acts:?}");
    for act in &acts {
        let is_sign_in = act.split_once('.').is_some_and(|(word, _)| SIGN_IN.contains(&word));
        assert!(is_sign_in || offered.contains(act.as_str()), "no door offers `{act}`");
    }
    for act in offered {
        assert!(acts.contains(act), "nothing writes `{act}`");
    }
}

/// Literals such as `"user.create"` in the sources of a folder.
fn acts_in(folder: &str) -> BTreeSet<String> {
    let mut acts = BTreeSet::new();
    let mut folders = vec![std::path::PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a source file");
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for literal in text.split('"').skip(1).step_by(2) {
                if is_act(literal) {
                    acts.insert(literal.to_owned());
                }
            }
        }
    }
    acts
}

fn is_act(text: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let is_other = |(noun, verb): (&str, &str)| {
        // Columns of a query have a short name of the table before them.
        noun.len() < 4
            || ["teams", "units"].contains(&noun)
            || ["html", "sqlite", "key", "pem", "tmp", "org", "com"].contains(&verb)
    };
    text.split_once('.').is_some_and(|two| is_word(two.0) && is_word(two.1) && !is_other(two))
}
