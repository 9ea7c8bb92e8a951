//! How each act is done through each door. A pair that is not here cannot be walked.

use serde_json::{Value, json};

use super::world::{Moment, Seen, World};

const USERS: &str = "/api/authn/v2/users";
const CREDENTIALS: &str = "/api/authn/v2/api_credentials";
const COLLECTIONS: &str = "/appsec/v1/collections";
const CLIENTS: &str = "/api/authn/v2/oauth_clients";

/// Does the act and answers with what it left behind.
pub(super) async fn walk(world: &mut World, act: &str, door: &str) -> Seen {
    let nothing = Value::Null;
    prepare(world, act).await;
    let dana = world.dana_id.clone();
    let reader = world.reader_id.clone();
    let (team, unit) = (world.team_id.clone(), world.unit_id.clone());
    let (role, client) = (world.role_id.clone(), world.reader_client.clone());
    let application = format!("/appsec/v1/applications/{}", world.application_id);
    let changed = format!("{USERS}/{dana}?partial=true");
    let before = world.now();
    match (door, act) {
        // Users.
        ("POST /api/authn/v2/users", "user.create") => {
            world.boss("POST", USERS, &newcomer()).await;
        }
        ("POST /api/authn/v2/users", "credentials.generate") => {
            let target = format!("{USERS}?generate_api_creds=true");
            world.boss("POST", &target, &newcomer()).await;
        }
        ("console /admin/users/new", "user.create") => {
            let fields = [
                ("first_name", "New"),
                ("last_name", "Comer"),
                ("email", "newcomer@example.com"),
                ("user_name", "newcomer"),
                ("mfa", "on"),
            ];
            let page = "/admin/users/new?preset=api-reader";
            world.form(page, "/admin/users/new", &fields).await;
        }
        ("PUT /api/authn/v2/users/{user_id}", "user.edit") => {
            world.boss("PUT", &changed, &json!({"first_name": "Diana"})).await;
        }
        ("console /admin/users/{guid}/edit", "user.edit") => {
            edit(world, &[("first_name", "Diana")]).await;
        }
        ("PUT /api/authn/v2/users/self", "user.edit") => {
            let own = json!({"first_name": "Diana"});
            let target = format!("{USERS}/self?partial=true");
            world.call(&world.dana_pair, "PUT", &target, &own).await;
        }
        ("PUT /api/authn/v2/users/{user_id}", "user.disable") => {
            world.boss("PUT", &changed, &json!({"login_enabled": false})).await;
        }
        ("PUT /api/authn/v2/users/{user_id}", "user.enable") => {
            world.boss("PUT", &changed, &json!({"login_enabled": true})).await;
        }
        ("console /admin/users/{guid}/{act}", "user.disable") => button(world, "disable").await,
        ("console /admin/users/{guid}/{act}", "user.enable") => button(world, "enable").await,
        ("console /admin/users/{guid}/{act}", "user.send_link") => button(world, "resend").await,
        ("console /admin/users/{guid}/{act}", "user.unlock") => button(world, "unlock").await,
        ("console /admin/users/{guid}/{act}", "factor.reset") => button(world, "reset-mfa").await,
        ("console /admin/users/{guid}/{act}", "user.delete") => {
            let action = format!("/admin/users/{dana}/delete");
            world.post(&action, "typed=dana%40example.com").await;
        }
        ("DELETE /api/authn/v2/users/{user_id}", "user.delete") => {
            world.boss("DELETE", &format!("{USERS}/{dana}"), &nothing).await;
        }
        // Promotes, which is what a demotion is the other way round.
        ("PUT /api/authn/v2/users/{user_id}", "user.roles") => {
            let roles = json!({"roles": [{"role_name": "extadmin"}, {"role_name": "extreviewer"}]});
            world.boss("PUT", &changed, &roles).await;
        }
        ("console /admin/users/{guid}/edit", "user.roles") => {
            edit(world, &[("role", "extadmin"), ("role", "extreviewer")]).await;
        }
        ("POST /api/authn/v2/users/{user_legacy_id}/resetPassword", "user.send_link") => {
            let target = format!("{USERS}/{}/resetPassword", world.legacy_id(&dana));
            world.boss("POST", &target, &nothing).await;
        }
        ("PUT /api/authn/v2/users/{user_id}", "address.ask") => {
            world.boss("PUT", &changed, &json!({"email_address": "diana@example.com"})).await;
        }
        ("console /admin/users/{guid}/edit", "address.ask") => {
            edit(world, &[("email", "diana@example.com")]).await;
        }
        ("console /profile/address", "address.ask") => {
            let fields = [("email", "diana@example.com")];
            world.form_of_dana("/profile", "/profile/address", &fields).await;
        }
        ("PUT /api/authn/v2/users/self", "address.ask") => {
            let own = json!({"email_address": "diana@example.com"});
            let target = format!("{USERS}/self?partial=true");
            world.call(&world.dana_pair, "PUT", &target, &own).await;
        }
        // Credentials.
        ("POST /api/authn/v2/api_credentials", "credentials.generate") => {
            world.call(&world.dana_pair, "POST", CREDENTIALS, &nothing).await;
        }
        ("POST /api/authn/v2/api_credentials/user_id/{user_id}", "credentials.generate") => {
            world.boss("POST", &format!("{CREDENTIALS}/user_id/{reader}"), &nothing).await;
        }
        ("console /admin/users/{guid}/credentials", "credentials.generate") => {
            let path = format!("/admin/users/{reader}/credentials");
            world.form(&path, &path, &[("kind", "hmac")]).await;
        }
        ("console /credentials", "credentials.generate") => {
            world.form_of_dana("/credentials", "/credentials", &[("kind", "hmac")]).await;
        }
        ("command platform mint", "credentials.generate") => {
            world.test.mint("reader", &[]);
        }
        ("DELETE /api/authn/v2/api_credentials", "credentials.revoke") => {
            world.call(&world.dana_pair, "DELETE", CREDENTIALS, &nothing).await;
        }
        ("DELETE /api/authn/v2/api_credentials/{api_id}", "credentials.revoke") => {
            world.boss("DELETE", &format!("{CREDENTIALS}/{}", world.reader.id), &nothing).await;
        }
        ("DELETE /api/authn/v2/api_credentials/user_id/{user_id}", "credentials.revoke") => {
            world.boss("DELETE", &format!("{CREDENTIALS}/user_id/{reader}"), &nothing).await;
        }
        ("console /admin/users/{guid}/credentials/{id}/revoke", "credentials.revoke") => {
            let path = format!("/admin/users/{reader}/credentials/{}/revoke", world.reader.id);
            world.form(&path, &path, &[]).await;
        }
        ("console /credentials/{id}/revoke", "credentials.revoke") => {
            let path = format!("/credentials/{}/revoke", world.dana_pair.id);
            world.form_of_dana(&path, &path, &[]).await;
        }
        // OAuth clients.
        ("POST /api/authn/v2/oauth_clients", "client.create") => {
            world.call(&world.dana_pair, "POST", CLIENTS, &json!({"name": "drone"})).await;
        }
        ("POST /api/authn/v2/oauth_clients/user_id/{user_id}", "client.create") => {
            let target = format!("{CLIENTS}/user_id/{reader}");
            world.boss("POST", &target, &json!({"name": "drone"})).await;
        }
        ("POST /api/authn/v2/oauth_clients/{client_id}/clone", "client.create") => {
            let target = format!("{CLIENTS}/{client}/clone");
            world.boss("POST", &target, &json!({"name": "drone"})).await;
        }
        ("console /admin/users/{guid}/credentials", "client.create") => {
            let path = format!("/admin/users/{reader}/credentials");
            world.form(&path, &path, &[("kind", "oauth"), ("name", "drone")]).await;
        }
        ("console /credentials", "client.create") => {
            let fields = [("kind", "oauth"), ("name", "drone")];
            world.form_of_dana("/credentials", "/credentials", &fields).await;
        }
        ("POST /api/authn/v2/oauth_clients/{client_id}/rotate", "client.rotate") => {
            world.boss("POST", &format!("{CLIENTS}/{client}/rotate"), &nothing).await;
        }
        ("DELETE /api/authn/v2/oauth_clients/{client_id}", "client.revoke") => {
            world.boss("DELETE", &format!("{CLIENTS}/{client}"), &nothing).await;
        }
        ("console /admin/users/{guid}/credentials/{id}/revoke", "client.revoke") => {
            let path = format!("/admin/users/{reader}/credentials/{client}/revoke");
            world.form(&path, &path, &[]).await;
        }
        ("console /credentials/{id}/revoke", "client.revoke") => {
            let path = format!("/credentials/{}/revoke", world.dana_client);
            world.form_of_dana(&path, &path, &[]).await;
        }
        // Roles, teams, units, settings.
        ("POST /api/authn/v2/roles", "role.create") => {
            let role = json!({"role_name": "clerk", "role_description": "Clerk",
                "permissions": [{"permission_name": "viewResults"}]});
            world.boss("POST", "/api/authn/v2/roles", &role).await;
        }
        ("console /admin/roles/new", "role.create") => {
            let fields =
                [("name", "clerk"), ("description", "Clerk"), ("permission", "viewResults")];
            world.form("/admin/roles/new", "/admin/roles/new", &fields).await;
        }
        ("PUT /api/authn/v2/roles/{role_id}", "role.edit") => {
            let target = format!("/api/authn/v2/roles/{role}?partial=true");
            world.boss("PUT", &target, &json!({"role_description": "Writer"})).await;
        }
        ("console /admin/roles/{guid}", "role.edit") => {
            let path = format!("/admin/roles/{role}");
            world.form(&path, &path, &[("description", "Writer")]).await;
        }
        ("DELETE /api/authn/v2/roles/{role_id}", "role.delete") => {
            world.boss("DELETE", &format!("/api/authn/v2/roles/{role}"), &nothing).await;
        }
        ("console /admin/roles/{guid}", "role.delete") => {
            world.post(&format!("/admin/roles/{role}"), "act=delete&typed=scribe").await;
        }
        ("POST /api/authn/v2/teams", "team.create") => {
            world.boss("POST", "/api/authn/v2/teams", &json!({"team_name": "Squad"})).await;
        }
        ("console /admin/{groups}", "team.create") => {
            world.form("/admin/teams", "/admin/teams", &[("name", "Squad")]).await;
        }
        ("PUT /api/authn/v2/teams/{team_id}", "team.edit") => {
            let target = format!("/api/authn/v2/teams/{team}?partial=true&incremental=true");
            let members = json!({"users": [{"user_name": "dana@example.com"}]});
            world.boss("PUT", &target, &members).await;
        }
        ("console /admin/{groups}/{guid}", "team.edit") => {
            let fields = "act=add&value=dana%40example.com";
            world.post(&format!("/admin/teams/{team}"), fields).await;
        }
        ("DELETE /api/authn/v2/teams/{team_id}", "team.delete") => {
            world.boss("DELETE", &format!("/api/authn/v2/teams/{team}"), &nothing).await;
        }
        ("console /admin/{groups}/{guid}", "team.delete") => {
            world.post(&format!("/admin/teams/{team}"), "act=delete&value=Crew").await;
        }
        ("POST /api/authn/v2/business_units", "unit.create") => {
            world.boss("POST", "/api/authn/v2/business_units", &json!({"bu_name": "Branch"})).await;
        }
        ("console /admin/{groups}", "unit.create") => {
            let path = "/admin/business-units";
            world.form(path, path, &[("name", "Branch")]).await;
        }
        ("PUT /api/authn/v2/business_units/{bu_id}", "unit.edit") => {
            let target =
                format!("/api/authn/v2/business_units/{unit}?partial=true&incremental=true");
            world.boss("PUT", &target, &json!({"teams": [{"team_name": "Crew"}]})).await;
        }
        ("console /admin/{groups}/{guid}", "unit.edit") => {
            world.post(&format!("/admin/business-units/{unit}"), "act=add&value=Crew").await;
        }
        ("DELETE /api/authn/v2/business_units/{bu_id}", "unit.delete") => {
            world.boss("DELETE", &format!("/api/authn/v2/business_units/{unit}"), &nothing).await;
        }
        ("console /admin/{groups}/{guid}", "unit.delete") => {
            world.post(&format!("/admin/business-units/{unit}"), "act=delete&value=Unit").await;
        }
        ("console /admin/settings", "settings.change") => {
            world.form("/admin/settings", "/admin/settings", &[("pair_days", "30")]).await;
        }
        // Applications.
        ("POST /appsec/v1/applications", "application.create") => {
            let profile = json!({"profile": {"name": "Shop", "business_criticality": "HIGH"}});
            world.boss("POST", "/appsec/v1/applications", &profile).await;
        }
        ("PUT /appsec/v1/applications/{guid}", "application.edit") => {
            let profile = json!({"profile": {"description": "Sells things."}});
            world.boss("PUT", &format!("{application}?method=partial"), &profile).await;
        }
        ("DELETE /appsec/v1/applications/{guid}", "application.delete") => {
            world.boss("DELETE", &application, &nothing).await;
        }
        ("POST /appsec/v1/applications/{guid}/sandboxes", "sandbox.create") => {
            let target = format!("{application}/sandboxes");
            world.boss("POST", &target, &json!({"name": "Beach"})).await;
        }
        ("PUT /appsec/v1/applications/{guid}/sandboxes/{sandbox}", "sandbox.edit") => {
            let target = sandbox(world, &application).await;
            world.boss("PUT", &target, &json!({"name": "Dune"})).await;
        }
        ("DELETE /appsec/v1/applications/{guid}/sandboxes/{sandbox}", "sandbox.delete") => {
            let target = sandbox(world, &application).await;
            world.boss("DELETE", &target, &nothing).await;
        }
        ("POST /appsec/v1/applications/{guid}/sandboxes/{sandbox}/promote", "sandbox.promote") => {
            let own = sandbox(world, &application).await;
            world.copy_findings_into(own.rsplit('/').next().unwrap_or_default());
            let target = format!("{own}/promote?delete_on_promote=true");
            world.boss("POST", &target, &nothing).await;
        }
        ("POST /appsec/v1/analytics/report", "report.create") => {
            let wanted =
                json!({"report_type": "findings", "last_updated_start_date": "2026-01-01"});
            world.boss("POST", "/appsec/v1/analytics/report", &wanted).await;
        }
        ("POST /appsec/v1/collections", "collection.create") => {
            let wanted = json!({"name": "Portfolio", "tags": "a,b",
                "asset_infos": [{"guid": world.application_id, "type": "APPLICATION"}]});
            world.boss("POST", COLLECTIONS, &wanted).await;
        }
        ("PUT /appsec/v1/collections/{guid}", "collection.edit") => {
            let target = collection(world).await;
            world.boss("PUT", &target, &json!({"name": "Portfolio II", "asset_infos": []})).await;
        }
        ("DELETE /appsec/v1/collections/{guid}", "collection.delete") => {
            let target = collection(world).await;
            world.boss("DELETE", &target, &nothing).await;
        }
        ("POST /appsec/v2/applications/{guid}/annotations", "annotation.add") => {
            let target = format!("/appsec/v2/applications/{}/annotations", world.application_id);
            let said = json!({"issue_list": world.issue().to_string(), "comment": "Seen.",
                "action": "COMMENT"});
            world.boss("POST", &target, &said).await;
        }
        ("POST /srcclr/v3/applications/{guid}/sca_annotations", "component_annotation.add") => {
            let target =
                format!("/srcclr/v3/applications/{}/sca_annotations", world.application_id);
            let (component_id, cve_name) = world.component();
            let said = json!({"annotation_type": "VULNERABILITY", "action": "COMMENT",
                "comment": "Seen.",
                "annotations": [{"component_id": component_id, "cve_name": cve_name}]});
            world.boss("POST", &target, &said).await;
        }
        // The test controls.
        ("control POST /import", "import.page") => {
            let page = json!({"_embedded": {"applications": []}, "_links": {}, "page": {}});
            control(world, "/import", &page).await;
        }
        ("control POST /mutate", "tenant.life") => {
            control(world, "/mutate", &json!({"days": 1})).await;
        }
        ("control POST /reset", "tenant.reset") => {
            control(world, "/reset", &nothing).await;
            // The log begins anew with it.
            return world.since(&Moment::default()).by("(test controls)");
        }
        ("control POST /snapshots/{name}/restore", "tenant.restore") => {
            control(world, "/snapshots/one", &nothing).await;
            control(world, "/snapshots/one/restore", &nothing).await;
        }
        // Commands.
        ("command platform mint", "user.create") => {
            world.test.mint("newcomer", &["resultsapi", "noteamrestrictionapi"]);
        }
        ("command platform serve", "user.create" | "tenant.seed") => {
            let seen = world.since(&Moment::default());
            return seen.by("(platform)");
        }
        _ => panic!("no walk for `{act}` through `{door}`"),
    }
    world.since(&before)
}

/// What an act needs that the world does not have.
async fn prepare(world: &mut World, act: &str) {
    let target = format!("{USERS}/{}?partial=true", world.dana_id);
    if act == "user.enable" {
        world.boss("PUT", &target, &json!({"login_enabled": false})).await;
    }
}

fn newcomer() -> Value {
    json!({"user_name": "newcomer", "email_address": "newcomer@example.com",
        "first_name": "New", "last_name": "Comer", "pin_required": true,
        "permissions": [{"permission_name": "apiUser"}],
        "roles": [{"role_name": "resultsapi"}, {"role_name": "noteamrestrictionapi"}]})
}

async fn edit(world: &mut World, fields: &[(&str, &str)]) {
    let path = format!("/admin/users/{}/edit", world.dana_id);
    world.form(&path, &path, fields).await;
}

async fn button(world: &mut World, act: &str) {
    let action = format!("/admin/users/{}/{act}", world.dana_id);
    world.post(&action, "").await;
}

async fn sandbox(world: &World, application: &str) -> String {
    let target = format!("{application}/sandboxes");
    let body = json!({"name": "Beach"}).to_string();
    let made = world.test.call(&world.boss, "POST", &target, &body).await.json();
    format!("{target}/{}", made["guid"].as_str().expect("a guid"))
}

async fn collection(world: &World) -> String {
    let body = json!({"name": "Portfolio"}).to_string();
    let made = world.test.call(&world.boss, "POST", COLLECTIONS, &body).await.json();
    format!("{COLLECTIONS}/{}", made["guid"].as_str().expect("a guid"))
}

async fn control(world: &World, target: &str, body: &Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = world.test.control("POST", target, &body).await;
    let shown = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 200, "{target}: {shown}");
}
