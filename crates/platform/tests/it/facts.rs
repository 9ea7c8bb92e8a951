//! Facts of the wire that clients assert: statuses, members, errors, numbers. Where each
//! comes from is in `docs/explanation/fidelity.md`.

use std::collections::{BTreeMap, BTreeSet};

use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_testkit::{Answer, TestPlatform};
use serde_json::{Value, json};

const USERS: &str = "/api/authn/v2/users";
const TEAMS: &str = "/api/authn/v2/teams";
const UNITS: &str = "/api/authn/v2/business_units";
const ROLES: &str = "/api/authn/v2/roles";
const APPLICATIONS: &str = "/appsec/v1/applications";
const NOWHERE: &str = "00000000-0000-4000-8000-000000000000";
const EVERYTHING: &[&str] = &[
    "adminapi",
    "uploadapi",
    "apisubmitanyscan",
    "resultsapi",
    "mitigationapi",
    "noteamrestrictionapi",
];

async fn start(seed: SeedSpec) -> (TestPlatform, Pair) {
    let test = TestPlatform::start(seed).await;
    let pair = test.mint("everything", EVERYTHING).pair;
    (test, pair)
}

fn sized() -> SeedSpec {
    SeedSpec::Sized { applications: 1, findings: 60, rng: 5 }
}

async fn post(test: &TestPlatform, pair: &Pair, target: &str, body: &Value) -> Answer {
    test.call(pair, "POST", target, &body.to_string()).await
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("`{member}` in {value}")).to_owned()
}

async fn first_application(test: &TestPlatform, pair: &Pair) -> String {
    let list = test.get(pair, APPLICATIONS).await.json();
    text(&list["_embedded"]["applications"][0], "guid")
}

/// What can be made and deleted: where, of what body by name, and which members of the
/// answer hold its guid and its number.
type Kind = (&'static str, fn(&str) -> Value, &'static str, &'static str);

const IDENTITY: [Kind; 4] = [
    (USERS, user, "user_id", "user_legacy_id"),
    (TEAMS, |name| json!({"team_name": name}), "team_id", "team_legacy_id"),
    (UNITS, |name| json!({"bu_name": name}), "bu_id", "bu_legacy_id"),
    (
        ROLES,
        |name| {
            json!({"role_name": name, "role_description": name,
                "permissions": [{"permission_name": "viewResults"}]})
        },
        "role_id",
        "role_legacy_id",
    ),
];

fn user(name: &str) -> Value {
    json!({
        "user_name": name, "email_address": "ci@example.com", "first_name": "C", "last_name": "I",
        "roles": [{"role_name": "resultsapi"}, {"role_name": "noteamrestrictionapi"}],
        "permissions": [{"permission_name": "apiUser"}],
        // As clients send it, of no meaning here.
        "ipRestricted": false, "userType": "VOSP",
    })
}

#[tokio::test]
async fn what_is_made_is_201_and_what_is_deleted_is_200() {
    let (test, pair) = start(SeedSpec::Empty).await;
    for (target, body, id, _) in IDENTITY {
        let made = post(&test, &pair, target, &body("one")).await;
        assert_eq!(made.status, 201, "{target}: {}", made.json());
        let own = format!("{target}/{}", text(&made.json(), id));
        let changed = test.call(&pair, "PUT", &format!("{own}?partial=true"), "{}").await;
        assert_eq!(changed.status, 200, "{own}: {}", changed.json());
        let deleted = test.call(&pair, "DELETE", &own, "").await;
        assert_eq!((deleted.status, deleted.json()), (200, json!({})), "{own}");
        assert_eq!(deleted.header("content-type"), Some("application/json"));
        assert_eq!(test.get(&pair, &own).await.status, 404, "{own}");
    }
}

#[tokio::test]
async fn a_number_is_never_given_twice() {
    let (test, pair) = start(sized()).await;
    let sandboxes = format!("{APPLICATIONS}/{}/sandboxes", first_application(&test, &pair).await);
    let application: fn(&str) -> Value =
        |name| json!({"profile": {"name": name, "business_criticality": "LOW"}});
    let sandbox: fn(&str) -> Value = |name| json!({"name": name});
    let mut kinds: Vec<_> = IDENTITY
        .iter()
        .map(|(at, body, id, number)| ((*at).to_owned(), *body, *id, *number))
        .collect();
    kinds.push((APPLICATIONS.into(), application, "guid", "id"));
    kinds.push((sandboxes, sandbox, "guid", "id"));
    for (target, body, id, number) in kinds {
        let mut given = BTreeSet::new();
        // The newest is deleted each time, then all of them.
        let mut held = Vec::new();
        for turn in 0..6 {
            let made = post(&test, &pair, &target, &body(&format!("thing {turn}"))).await.json();
            let highest = given.last().copied().unwrap_or_default();
            let own = made[number].as_i64().unwrap_or_else(|| panic!("{target}: {made}"));
            assert!(own > highest, "{target}: {own} after {highest}");
            given.insert(own);
            held.push(format!("{target}/{}", text(&made, id)));
            if turn % 2 == 0 {
                for own in held.drain(..) {
                    let answer = test.call(&pair, "DELETE", &own, "").await;
                    assert!((200..=204).contains(&answer.status), "{own}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_static_flaw_is_found_in_any_context_and_by_none() {
    let (test, pair) = start(SeedSpec::Demo).await;
    let mut seen = 0;
    let list = test.get(&pair, &format!("{APPLICATIONS}?size=500")).await.json();
    for application in list["_embedded"]["applications"].as_array().expect("applications") {
        let own = text(application, "guid");
        let sandboxes = test.get(&pair, &format!("{APPLICATIONS}/{own}/sandboxes")).await.json();
        let Some(sandboxes) = sandboxes["_embedded"]["sandboxes"].as_array() else { continue };
        let findings = format!("/appsec/v2/applications/{own}/findings");
        let policy = numbers(&test, &pair, &format!("{findings}?size=500")).await;
        for sandbox in sandboxes {
            let sandbox = text(sandbox, "guid");
            let query = format!("{findings}?scan_type=STATIC&size=500&context={sandbox}");
            for issue in numbers(&test, &pair, &query).await.into_iter().take(40) {
                let info = format!("{findings}/{issue}/static_flaw_info");
                let in_sandbox = test.get(&pair, &format!("{info}?context={sandbox}")).await;
                let refused =
                    json!({"message": "Build does not have static flaws", "code": "NOT_FOUND"});
                assert_eq!((in_sandbox.status, in_sandbox.json()), (404, refused));
                if policy.contains(&issue) {
                    continue;
                }
                let answer = test.get(&pair, &info).await;
                assert_eq!(answer.status, 200, "{info}: {}", answer.json());
                let context = text(&answer.json()["issue_summary"], "context");
                let there = format!("{findings}?scan_type=STATIC&size=500&context={context}");
                assert!(numbers(&test, &pair, &there).await.contains(&issue));
                seen += 1;
            }
        }
        let answer = test.get(&pair, &format!("{findings}/999999999/static_flaw_info")).await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("NOT_FOUND")));
    }
    assert!(seen > 0, "no flaw is in a sandbox alone");
}

async fn numbers(test: &TestPlatform, pair: &Pair, target: &str) -> BTreeSet<i64> {
    let page = test.get(pair, target).await.json();
    let findings = page["_embedded"]["findings"].as_array().cloned().unwrap_or_default();
    findings.iter().filter_map(|finding| finding["issue_id"].as_i64()).collect()
}

#[tokio::test]
async fn calls_of_a_data_path_are_numbered() {
    let (test, pair) = start(sized()).await;
    let findings =
        format!("/appsec/v2/applications/{}/findings", first_application(&test, &pair).await);
    for issue in numbers(&test, &pair, &format!("{findings}?scan_type=STATIC&size=20")).await {
        let info = test.get(&pair, &format!("{findings}/{issue}/static_flaw_info")).await.json();
        let path = &info["data_paths"][0];
        let calls = path["calls"].as_array().expect("calls");
        assert_eq!(path["steps"], calls.len());
        for (call, number) in calls.iter().zip(1..) {
            assert_eq!(call["data_path"], number, "{info}");
        }
    }
}

#[tokio::test]
async fn an_approved_false_positive_is_closed_and_a_component_stays_open() {
    let (test, pair) = start(SeedSpec::Demo).await;
    let list = test.get(&pair, &format!("{APPLICATIONS}?size=500")).await.json();
    let mut done = BTreeSet::new();
    let mut approved = BTreeSet::new();
    for application in list["_embedded"]["applications"].as_array().expect("applications") {
        let own = text(application, "guid");
        let findings = format!("/appsec/v2/applications/{own}/findings");
        let target = format!("/appsec/v2/applications/{own}/annotations");
        let page = test.get(&pair, &format!("{findings}?size=500")).await.json();
        let rows = page["_embedded"]["findings"].as_array().cloned().unwrap_or_default();
        for finding in &rows {
            let status = &finding["finding_status"];
            // What the demo comes with follows the same rule.
            if status["resolution_status"] == "APPROVED" {
                assert_eq!(status["status"], "CLOSED", "{finding}");
                approved.insert(text(status, "resolution"));
            }
            let kind = text(finding, "scan_type");
            let is_plain = status["resolution_status"] == "NONE" && status["status"] == "OPEN";
            if !is_plain || !done.insert(kind.clone()) {
                continue;
            }
            let issue = finding["issue_id"].to_string();
            for action in ["FP", "ACCEPTED"] {
                let said = json!({"issue_list": issue, "comment": "Seen.", "action": action});
                assert_eq!(post(&test, &pair, &target, &said).await.status, 200);
            }
            let page = test.get(&pair, &format!("{findings}?size=500")).await.json();
            let rows = page["_embedded"]["findings"].as_array().expect("findings");
            let now = rows.iter().find(|row| row["issue_id"] == finding["issue_id"]).expect("it");
            let [status, resolution, after] = ["status", "resolution", "resolution_status"]
                .map(|member| text(&now["finding_status"], member));
            assert_eq!(
                [status, resolution, after],
                ["CLOSED", "POTENTIAL_FALSE_POSITIVE", "APPROVED"],
                "{kind}"
            );
        }
        let components = format!("{findings}?scan_type=SCA&size=500");
        let page = test.get(&pair, &components).await.json();
        let rows = page["_embedded"]["findings"].as_array().cloned().unwrap_or_default();
        for row in
            rows.iter().filter(|row| row["finding_status"]["resolution_status"] == "APPROVED")
        {
            assert_eq!(row["finding_status"]["status"], "OPEN", "{row}");
            assert_eq!(row["violates_policy"], false, "{row}");
        }
        let plain = rows.iter().find(|row| {
            row["violates_policy"] == true
                && row["finding_status"]["resolution_status"] == "NONE"
                && row["finding_status"]["status"] == "OPEN"
        });
        let Some(row) = plain.filter(|_| done.insert("SCA".into())) else { continue };
        let details = &row["finding_details"];
        let subject = json!([{"component_id": details["component_id"],
            "cve_name": details["cve"]["name"]}]);
        for action in ["FP", "APPROVE"] {
            let said = json!({"annotation_type": "VULNERABILITY", "action": action,
                "comment": "Seen.", "annotations": subject});
            let target = format!("/srcclr/v3/applications/{own}/sca_annotations");
            assert_eq!(post(&test, &pair, &target, &said).await.status, 200);
        }
        let page = test.get(&pair, &components).await.json();
        let rows = page["_embedded"]["findings"].as_array().expect("findings");
        let now = rows.iter().find(|other| other["finding_details"] == *details).expect("it");
        assert_eq!(now["finding_status"]["status"], "OPEN");
        assert_eq!(now["finding_status"]["resolution"], "POTENTIAL_FALSE_POSITIVE");
        assert_eq!(now["finding_status"]["resolution_status"], "APPROVED");
        assert_eq!(now["violates_policy"], false);
    }
    assert_eq!(done.len(), 4, "{done:?}");
    assert_eq!(approved.len(), 2, "{approved:?}");
}

#[tokio::test]
async fn findings_carry_what_clients_index() {
    let (test, pair) = start(SeedSpec::Demo).await;
    let list = test.get(&pair, &format!("{APPLICATIONS}?size=500")).await.json();
    let (mut manual, mut vendor, mut whole) = (0, 0, 0);
    for application in list["_embedded"]["applications"].as_array().expect("applications") {
        let findings = format!("/appsec/v2/applications/{}/findings", text(application, "guid"));
        let page = test.get(&pair, &format!("{findings}?scan_type=MANUAL&size=500")).await.json();
        for row in page["_embedded"]["findings"].as_array().into_iter().flatten() {
            let category = &row["finding_details"]["finding_category"];
            assert!(category["id"].is_i64() && category["name"].is_string(), "{row}");
            let found = format!("{findings}?finding_category={}&size=500", category["id"]);
            assert!(
                numbers(&test, &pair, &found)
                    .await
                    .contains(&row["issue_id"].as_i64().expect("a number"))
            );
            manual += 1;
        }
        let answer = test.get(&pair, &format!("{findings}?scan_type=SCA&size=500")).await;
        for row in answer.json()["_embedded"]["findings"].as_array().into_iter().flatten() {
            let cve = &row["finding_details"]["cve"];
            let (name, href) = (text(cve, "name"), text(cve, "href"));
            if name.starts_with("CVE-") {
                assert_eq!(href, format!("http://nvd.nist.gov/vuln/detail/{name}"));
            } else {
                let at = "https://sca.analysiscenter.veracode.com/vulnerability-database/search";
                assert_eq!(href, format!("{at}#query={name}"));
                vendor += 1;
            }
        }
        // A score of whole points keeps its decimal.
        let body = String::from_utf8(answer.body).expect("text");
        assert!(!body.contains("\"cvss\":10,") && !body.contains("\"score\":10,"));
        whole += body.matches("\"cvss\":10.0,").count();
        let links = test.get(&pair, &format!("{findings}?scan_type=SCA")).await.json();
        let href = text(&links["_links"]["non-sca"], "href");
        let own = "/findings?scan_type=STATIC%2CDYNAMIC%2CMANUAL{&context,";
        assert!(href.contains(own), "{href}");
        let own =
            test.get(&pair, &format!("{findings}?scan_type=STATIC,DYNAMIC&size=1")).await.json();
        for (name, link) in own["_links"].as_object().expect("links") {
            let filled = link["href"].as_str().and_then(|href| href.split('{').next());
            assert!(filled.is_some_and(|filled| !filled.contains(',')), "{name}: {link}");
        }
    }
    assert!(manual > 0 && vendor > 0 && whole > 0, "{manual} {vendor} {whole}");
}

#[tokio::test]
async fn users_of_a_list_say_whether_they_are_active() {
    let (test, pair) = start(SeedSpec::Empty).await;
    let made = post(&test, &pair, USERS, &user("sleeper")).await.json();
    let own = format!("{USERS}/{}?partial=true", text(&made, "user_id"));
    test.call(&pair, "PUT", &own, r#"{"active": false}"#).await;
    for target in [USERS.to_owned(), format!("{USERS}?detailed=true"), format!("{USERS}/search")] {
        let page = test.get(&pair, &target).await.json();
        let users = page["_embedded"]["users"].as_array().expect("users");
        for user in users {
            assert_eq!(user["active"], user["user_name"] != "sleeper", "{target}: {user}");
        }
        assert!(users.iter().any(|user| user["active"] == false), "{target}");
    }
}

#[tokio::test]
async fn a_search_by_an_id_that_is_none_is_refused() {
    let (test, pair) = start(SeedSpec::Empty).await;
    for member in ["role_id", "team_id", "api_id"] {
        let unknown = if member == "api_id" { "0123456789abcdef0123456789abcdef" } else { NOWHERE };
        for value in [unknown, "x", "1", "%27", "00000000-0000-4000-8000", "%F0%9F%A6%80"] {
            let answer = test.get(&pair, &format!("{USERS}/search?{member}={value}")).await;
            let expected = json!({"errors": [format!("{member}: Invalid value.")], "status": 400});
            assert_eq!((answer.status, answer.json()), (400, expected), "{member}={value}");
        }
    }
    let both = test.get(&pair, &format!("{USERS}/search?role_id=x&team_id={NOWHERE}")).await.json();
    assert_eq!(both["errors"].as_array().map(Vec::len), Some(2), "all at once: {both}");
    let own = test.get(&pair, &format!("{USERS}/search?api_id=vera01ei-{}", pair.id)).await.json();
    assert_eq!(own["page"]["total_elements"], 1);
    // Whatever else is wrong with a query of this family is said in the same shape.
    for query in ["size=0", "page=x", "user_type=robot", "login_status=Perhaps", "saml_user=maybe"]
    {
        let answer = test.get(&pair, &format!("{USERS}/search?{query}")).await;
        let body = answer.json();
        assert_eq!((answer.status, &body["status"]), (400, &json!(400)), "{query}: {body}");
        let name = query.split('=').next().unwrap_or_default();
        assert!(body["errors"][0].as_str().is_some_and(|text| text.starts_with(name)), "{body}");
    }
}

#[tokio::test]
async fn with_ignore_self_teams_there_are_all_teams() {
    let (test, pair) = start(SeedSpec::Demo).await;
    let all = test.get(&pair, &format!("{TEAMS}?all_for_org=true&size=500")).await.json();
    assert_eq!(all["page"]["total_elements"], 6);
    for spelling in ["true", "True", "TRUE", "1", "yes"] {
        let target = format!("{TEAMS}?ignore_self_teams={spelling}&size=500");
        let page = test.get(&pair, &target).await.json();
        assert_eq!(page["_embedded"], all["_embedded"], "{spelling}");
    }
    for target in [TEAMS.to_owned(), format!("{TEAMS}?ignore_self_teams=false")] {
        assert_eq!(test.get(&pair, &target).await.json()["page"]["total_elements"], 0);
    }
}

#[tokio::test]
async fn an_error_has_an_id_a_title_of_its_own_and_points_to_what_was_asked_for() {
    let (test, pair) = start(sized()).await;
    let own = first_application(&test, &pair).await;
    let mut ids = BTreeSet::new();
    for (path, title) in [
        (format!("{APPLICATIONS}/{NOWHERE}"), "Application not found."),
        (format!("/appsec/v2/applications/{NOWHERE}/findings"), "Application not found."),
        (format!("{APPLICATIONS}/{own}/sandboxes/{NOWHERE}"), "Sandbox not found."),
        (format!("/appsec/v1/policies/{NOWHERE}"), "Policy not found."),
        ("/appsec/v1/cwes/999999".to_owned(), "CWE not found."),
        ("/appsec/v1/categories/999999".to_owned(), "Category not found."),
    ] {
        let answer = test.get(&pair, &format!("{path}?page=0")).await;
        let body = answer.json();
        let error = &body["_embedded"]["api_errors"][0];
        assert_eq!(answer.status, 404, "{path}: {body}");
        assert_eq!((&error["code"], &error["status"]), (&json!("NOT_FOUND"), &json!("404")));
        assert_eq!(error["title"], title, "{path}");
        assert_eq!(error["source"]["pointer"], path);
        assert!(ids.insert(text(error, "id")), "{body}");
    }
    let context = format!("/appsec/v2/applications/{own}/findings?context={NOWHERE}");
    let body = test.get(&pair, &context).await.json();
    let error = &body["_embedded"]["api_errors"][0];
    assert_eq!(error["title"], "Sandbox not found.", "{body}");
    let wrong = test.get(&pair, &format!("{APPLICATIONS}?size=0")).await.json();
    let error = &wrong["_embedded"]["api_errors"][0];
    assert_eq!(error["source"], json!({"pointer": null, "parameter": "size"}));
    ids.insert(text(error, "id"));
    assert_eq!(ids.len(), 7);
    for id in ids {
        assert_eq!(id.len(), 36, "a uuid: {id}");
    }
}

const RECOMMENDED: &str = "9ab6dc63-29cf-4457-a1d1-e2125277df0e";

#[tokio::test]
async fn the_vendors_policies_are_in_every_tenant() {
    let (test, pair) = start(SeedSpec::Empty).await;
    let (other, others) = start(sized()).await;
    for (guid, name, rules) in [
        (RECOMMENDED, "Veracode Recommended High", [("MAX_SEVERITY", "3"), ("MIN_SCORE", "80")]),
        (
            "c8ffa32c-58fa-48a3-9d53-e4cbf7d29283",
            "Veracode Recommended Very High",
            [("MAX_SEVERITY", "3"), ("MIN_SCORE", "90")],
        ),
    ] {
        let policy = test.get(&pair, &format!("/appsec/v1/policies/{guid}")).await.json();
        assert_eq!(policy["name"], name);
        for ((kind, value), rule) in
            rules.into_iter().zip(policy["finding_rules"].as_array().expect("rules"))
        {
            let expected = json!({"type": kind, "value": value,
                "scan_type": ["STATIC", "DYNAMIC", "MANUAL"]});
            assert_eq!(*rule, expected, "{name}");
        }
        for (member, value) in [
            ("type", json!("BUILTIN")),
            ("version", json!(1)),
            ("vendor_policy", json!(false)),
            ("organization_id", Value::Null),
            ("sev5_grace_period", json!(0)),
            ("modified_by", json!("Veracode")),
        ] {
            assert_eq!(policy[member], value, "{name}: {member}");
        }
    }
    let pci = "/appsec/v1/policies/69c4a7e9-760a-415e-9fd0-fa45c8603772";
    assert_eq!(test.get(&pair, pci).await.json()["name"], "PCI 3.2.1");
    let list = "/appsec/v1/policies?name=veracode&size=500";
    let guids = |page: &Value| -> Vec<String> {
        let policies = page["_embedded"]["policy_versions"].as_array().expect("policies");
        policies.iter().map(|policy| text(policy, "guid")).collect()
    };
    let here = guids(&test.get(&pair, list).await.json());
    assert_eq!(here.len(), 14);
    assert_eq!(here, guids(&other.get(&others, list).await.json()), "the same everywhere");
}

#[tokio::test]
async fn a_new_application_has_the_recommended_policy() {
    let (test, pair) = start(SeedSpec::Empty).await;
    for (at, criticality) in
        ["VERY_HIGH", "HIGH", "MEDIUM", "LOW", "VERY_LOW"].into_iter().enumerate()
    {
        for policies in [json!(null), json!([]), json!([{"guid": RECOMMENDED.to_uppercase()}])] {
            let name = format!("{at} {policies}");
            let profile = json!({"profile": {"name": name, "business_criticality": criticality,
                "policies": policies}});
            let made = post(&test, &pair, APPLICATIONS, &profile).await;
            assert_eq!(made.status, 200, "{}", made.json());
            let expected = json!([{"guid": RECOMMENDED, "name": "Veracode Recommended High",
                "is_default": true, "policy_compliance_status": "NOT_ASSESSED"}]);
            assert_eq!(made.json()["profile"]["policies"], expected, "{name}");
        }
    }
}

#[tokio::test]
async fn whoever_asks_learns_what_it_is_and_may() {
    let (test, admin) = start(SeedSpec::Empty).await;
    let unsigned = test.send("GET", "/api/authn/v2/principal", &[], b"").await;
    assert_eq!(unsigned.status, 401);
    let own = test.get(&admin, "/api/authn/v2/principal").await;
    assert_eq!((own.status, own.header("content-type")), (200, Some("application/json")));
    let own = own.json();
    let account = test.get(&admin, &format!("{USERS}/self")).await.json();
    for (member, other) in [
        ("username", "user_name"),
        ("userId", "user_legacy_id"),
        ("userUuid", "user_id"),
        ("userFirstName", "first_name"),
        ("userLastName", "last_name"),
        ("email", "email_address"),
        ("pinRequired", "pin_required"),
        ("samlUser", "saml_user"),
    ] {
        assert_eq!(own[member], account[other], "{member}");
    }
    assert_eq!(own["organizationUuid"], account["organization"]["org_id"]);
    assert_eq!(own["organizationName"], account["organization"]["org_name"]);
    assert!(own["organizationId"].is_i64() && own["sandboxEnabled"].is_boolean());
    assert_eq!((&own["learnGroupId"], &own["learnTrackId"]), (&json!(0), &json!(0)));
    assert_eq!(own["features"], json!(["sandbox"]));
    let words = |own: &Value, member: &str| -> BTreeSet<String> {
        let words = own[member].as_array().expect("a list");
        words.iter().map(|word| word.as_str().expect("a text").to_owned()).collect()
    };
    assert!(words(&own, "roles").contains("Admin API"), "{own}");
    assert!(words(&own, "permissions").contains("approveMitigations"), "{own}");
    // Of any role, and only what it allows.
    let mut reader = user("reader");
    reader["roles"] = json!([{"role_name": "scribe"}, {"role_name": "noteamrestrictionapi"}]);
    let role = json!({"role_name": "scribe", "role_description": "Scribe", "is_api": true,
        "permissions": [{"permission_name": "viewSandbox"}, {"permission_name": "submitStaticScan"}]});
    assert_eq!(post(&test, &admin, ROLES, &role).await.status, 201);
    let made =
        post(&test, &admin, &format!("{USERS}?generate_api_creds=true"), &reader).await.json();
    let credentials = &made["api_credentials"];
    let pair = Pair::parse(&text(credentials, "api_id"), &text(credentials, "api_secret"));
    let own = test.get(&pair.expect("a pair"), "/api/authn/v2/principal").await.json();
    assert_eq!(
        words(&own, "roles"),
        ["No Team Restriction API", "Scribe"].map(String::from).into()
    );
    let expected = ["submitStaticScan", "viewApplications", "viewSandbox"];
    assert_eq!(words(&own, "permissions"), expected.map(String::from).into());
}

fn user_names(page: &Value) -> BTreeSet<String> {
    let users = page["_embedded"]["users"].as_array().cloned().unwrap_or_default();
    assert_eq!(page["page"]["total_elements"], users.len());
    for user in &users {
        for member in ["user_id", "user_name", "email_address"] {
            assert!(user[member].is_string(), "{user}");
        }
    }
    users.iter().map(|user| text(user, "user_name")).collect()
}

#[tokio::test]
async fn users_by_role_and_not_in_a_team() {
    let (test, admin) = start(SeedSpec::Empty).await;
    let role = json!({"role_name": "reading", "role_description": "Reading", "is_api": true,
        "child_roles": [{"role_name": "resultsapi"}]});
    let custom = post(&test, &admin, ROLES, &role).await.json();
    let mut by_part = user("part");
    by_part["roles"] = json!([{"role_name": "reading"}, {"role_name": "noteamrestrictionapi"}]);
    let mut other = user("other");
    other["roles"] = json!([{"role_name": "mitigationapi"}, {"role_name": "noteamrestrictionapi"}]);
    for body in [&user("itself"), &by_part, &other] {
        assert_eq!(post(&test, &admin, USERS, body).await.status, 201);
    }
    let all = test.get(&admin, &format!("{ROLES}?size=500")).await.json();
    let roles = all["_embedded"]["roles"].as_array().expect("roles");
    let id = |name: &str| {
        let role = roles.iter().find(|role| role["role_name"] == name).expect("the role");
        text(role, "role_id")
    };
    let by_role = |id: String| format!("{USERS}/by_role/{id}?size=100");
    let holders = test.get(&admin, &by_role(id("resultsapi"))).await.json();
    let expected = ["everything", "itself", "part"].map(String::from);
    assert_eq!(user_names(&holders), expected.into(), "with those who hold it as a part");
    let direct = test.get(&admin, &format!("{USERS}/search?role_id={}", id("resultsapi"))).await;
    assert_eq!(user_names(&direct.json()), ["everything", "itself"].map(String::from).into());
    let holders = test.get(&admin, &by_role(text(&custom, "role_id"))).await.json();
    assert_eq!(user_names(&holders), ["part"].map(String::from).into());
    let nobody = test.get(&admin, &by_role(id("archerreports"))).await.json();
    assert!(nobody.get("_embedded").is_none() && nobody["page"]["total_elements"] == 0, "{nobody}");
    assert_eq!(test.get(&admin, &by_role(NOWHERE.into())).await.status, 404);
    assert_eq!(test.get(&admin, &by_role("x".into())).await.status, 400);

    let team = json!({"team_name": "Crew", "users": [{"user_name": "itself"}]});
    let team = text(&post(&test, &admin, TEAMS, &team).await.json(), "team_id");
    let target = format!("{USERS}/notinteam");
    let outside = test.get(&admin, &format!("{target}?team_id={team}")).await.json();
    assert_eq!(user_names(&outside), ["everything", "other", "part"].map(String::from).into());
    let found = test.get(&admin, &format!("{target}?team_id={team}&search_term=OTHE")).await.json();
    assert_eq!(user_names(&found), ["other"].map(String::from).into());
    for query in ["", "?team_id=x", &format!("?team_id={NOWHERE}")] {
        let answer = test.get(&admin, &format!("{target}{query}")).await;
        let expected = json!({"errors": ["team_id: Invalid value."], "status": 400});
        assert_eq!((answer.status, answer.json()), (400, expected), "{query}");
    }
}

#[tokio::test]
async fn a_promoted_scan_is_the_newest_policy_scan() {
    let (test, pair) = start(SeedSpec::Demo).await;
    let list = test.get(&pair, &format!("{APPLICATIONS}?size=500")).await.json();
    let (mut own, mut sandboxes) = (String::new(), Vec::new());
    for application in list["_embedded"]["applications"].as_array().expect("applications") {
        own = text(application, "guid");
        // The same list under the address that an integration calls.
        let [one, two] = ["v1", "v2"]
            .map(|version| format!("/appsec/{version}/applications/{own}/sandboxes?size=500"));
        let page = test.get(&pair, &one).await.json();
        assert_eq!(page, test.get(&pair, &two).await.json());
        sandboxes = page["_embedded"]["sandboxes"].as_array().cloned().unwrap_or_default();
        if !sandboxes.is_empty() {
            break;
        }
    }
    let target = format!("{APPLICATIONS}/{own}");
    let findings = format!("/appsec/v2/applications/{own}/findings?size=500");
    let sandbox = text(&sandboxes[0], "guid");
    let promote = format!("{target}/sandboxes/{sandbox}/promote");
    let rows = async |context: &str, kind: &str| -> Vec<Value> {
        let page = test.get(&pair, &format!("{findings}&scan_type={kind}{context}")).await.json();
        page["_embedded"]["findings"].as_array().cloned().unwrap_or_default()
    };
    let before = test.get(&pair, &target).await.json();
    let context = format!("&context={sandbox}");
    let (static_rows, components) = (rows(&context, "STATIC").await, rows(&context, "SCA").await);
    assert!(!static_rows.is_empty() && !components.is_empty());
    let others = rows("", "DYNAMIC,MANUAL").await;

    let empty = post(&test, &pair, &format!("{target}/sandboxes"), &json!({"name": "Empty"})).await;
    let empty = format!("{target}/sandboxes/{}/promote", text(&empty.json(), "guid"));
    for (target, status) in [
        (empty, 400),
        (format!("{target}/sandboxes/{NOWHERE}/promote"), 404),
        (format!("{promote}?build_id=1"), 404),
        (format!("{promote}?build_id=x"), 400),
        (format!("{promote}?delete_on_promote=perhaps"), 400),
    ] {
        let answer = post(&test, &pair, &target, &Value::Null).await;
        assert_eq!(answer.status, status, "{target}: {}", answer.json());
        assert!(answer.json()["_embedded"]["api_errors"][0]["id"].is_string());
    }
    assert_eq!(test.get(&pair, &target).await.json(), before, "a refusal changes nothing");

    let answer = post(&test, &pair, &promote, &Value::Null).await;
    assert_eq!((answer.status, &answer.json()["guid"]), (200, &json!(sandbox)));
    let after = test.get(&pair, &target).await.json();
    let [modified, checked] = ["modified", "last_policy_compliance_check_date"].map(|member| {
        assert!(text(&after, member) > text(&before, member), "{member}");
        text(&after, member)
    });
    assert!(checked > modified, "{modified} {checked}");
    let build = text(&after, "results_url").rsplit(':').next().expect("a build").to_owned();
    let scans = after["scans"].as_array().expect("scans");
    let scan = scans.iter().find(|scan| scan["scan_type"] == "STATIC").expect("the scan");
    assert_eq!(text(scan, "scan_url").split(':').nth(3), Some(&*build));
    assert_eq!(scan["modified_date"], after["last_completed_scan_date"]);
    let policy = rows("", "STATIC").await;
    for row in &static_rows {
        let now = policy.iter().find(|now| now["issue_id"] == row["issue_id"]).expect("the flaw");
        assert_eq!(now["build_id"].to_string(), build);
        if now["finding_status"]["resolution_status"] != "APPROVED" {
            assert_eq!(now["finding_status"]["status"], row["finding_status"]["status"]);
        }
    }
    let found: BTreeSet<_> = static_rows.iter().map(|row| row["issue_id"].as_i64()).collect();
    for row in policy.iter().filter(|row| !found.contains(&row["issue_id"].as_i64())) {
        assert_eq!(row["finding_status"]["status"], "CLOSED", "{row}");
    }
    let policy = rows("", "SCA").await;
    for row in &components {
        let same = policy.iter().filter(|now| now["finding_details"] == row["finding_details"]);
        assert_eq!(same.count(), 1, "{row}");
    }
    assert_eq!(rows("", "DYNAMIC,MANUAL").await, others, "other scans found these");
    let is_against =
        |row: &Value| row["violates_policy"] == true && row["finding_status"]["status"] == "OPEN";
    let is_against = rows("", "STATIC,DYNAMIC,MANUAL").await.iter().any(is_against)
        || policy.iter().any(is_against);
    let verdict = if is_against { "DID_NOT_PASS" } else { "PASSED" };
    assert_eq!(after["profile"]["policies"][0]["policy_compliance_status"], verdict);

    assert_eq!(test.get(&pair, &format!("{target}/sandboxes/{sandbox}")).await.status, 200);
    let last = format!("{promote}?delete_on_promote=True");
    assert_eq!(post(&test, &pair, &last, &Value::Null).await.status, 200);
    assert_eq!(test.get(&pair, &format!("{target}/sandboxes/{sandbox}")).await.status, 404);
}

#[tokio::test]
async fn collections_live_and_die() {
    const COLLECTIONS: &str = "/appsec/v1/collections";
    let (test, admin) = start(SeedSpec::Demo).await;
    let manager = test.mint("manager", &["collectionManagerAPI", "noteamrestrictionapi"]).pair;
    let list = test.get(&manager, &format!("{APPLICATIONS}?size=4")).await.json();
    let applications = list["_embedded"]["applications"].as_array().expect("applications").clone();
    let assets: Vec<_> = applications
        .iter()
        .map(|one| json!({"guid": one["guid"], "type": "APPLICATION"}))
        .collect();
    let unit = test.get(&admin, UNITS).await.json()["_embedded"]["business_units"][1].clone();
    let wanted = json!({"name": "Payments", "description": "All of them", "tags": "money,shop",
        "business_unit": {"guid": unit["bu_id"]}, "restricted": true,
        "custom_fields": [{"name": "Owner", "value": "Ana"}], "asset_infos": assets});
    let made = post(&test, &manager, COLLECTIONS, &wanted).await;
    assert_eq!(made.status, 200, "{}", made.json());
    let made = made.json();
    let own = format!("{COLLECTIONS}/{}", text(&made, "guid"));
    assert_eq!(made, test.get(&manager, &own).await.json());
    for member in ["name", "description", "tags", "restricted", "custom_fields"] {
        assert_eq!(made[member], wanted[member], "{member}");
    }
    assert_eq!(made["business_unit"]["name"], unit["bu_name"]);
    assert_eq!(made["total_assets"], 4);
    let count = |words: &[&str]| {
        let verdict = |one: &&Value| {
            let verdict = text(&one["profile"]["policies"][0], "policy_compliance_status");
            words.contains(&verdict.as_str())
        };
        applications.iter().filter(verdict).count()
    };
    let overview = json!({"out_of_compliance": count(&["DID_NOT_PASS"]),
        "within_grace_period": count(&["CONDITIONAL_PASS"]), "compliant": count(&["PASSED"]),
        "not_assessed": count(&["NOT_ASSESSED"])});
    assert_eq!(made["compliance_overview"], overview);
    let expected: Vec<_> = applications
        .iter()
        .map(|one| {
            json!({"guid": one["guid"],
        "type": "APPLICATION", "name": one["profile"]["name"]})
        })
        .collect();
    assert_eq!(made["asset_infos"], json!(expected));
    let page = test.get(&manager, &format!("{own}/assets?size=3&page=1")).await.json();
    assert_eq!(page["_embedded"]["assets"].as_array().map(Vec::len), Some(1));
    assert_eq!(page["page"]["total_elements"], 4);

    post(&test, &manager, COLLECTIONS, &json!({"name": "Empty"})).await;
    for (query, found) in [
        ("", 2),
        ("?name=PAY", 1),
        ("?name=pay%2520", 0),
        ("?tag=shop", 1),
        ("?tag=sho", 0),
        ("?custom_field_names=Owner&custom_field_values=Ana", 1),
        ("?custom_field_names=Owner&custom_field_values=Jo", 0),
        ("?size=1", 1),
    ] {
        let page = test.get(&manager, &format!("{COLLECTIONS}{query}")).await.json();
        let shown = page["_embedded"]["collections"].as_array().map_or(0, Vec::len);
        assert_eq!(shown, found, "{query}: {page}");
    }
    let statistics = test.get(&manager, &format!("{COLLECTIONS}/statistics")).await.json();
    assert_eq!(statistics["total_collections"], 2);
    assert_eq!(
        (&statistics["total_assets"], &statistics["compliance_overview"]),
        (&json!(4), &overview)
    );

    // A collection shows only what its reader sees.
    let bound = test.mint("bound", &["collectionReviewerAPI"]).pair;
    assert_eq!(test.get(&bound, &own).await.json()["total_assets"], 0);

    for (body, status, pointer) in [
        (json!({}), 400, "/name"),
        (json!({"name": "payments"}), 409, "/name"),
        (json!({"name": "X", "asset_infos": [{"guid": NOWHERE}]}), 400, "/asset_infos/0/guid"),
        (
            json!({"name": "X", "asset_infos": [{"guid": NOWHERE, "type": "TEAM"}]}),
            400,
            "/asset_infos/0/type",
        ),
        (json!({"name": "X", "business_unit": {"guid": NOWHERE}}), 400, "/business_unit/guid"),
    ] {
        let answer = post(&test, &manager, COLLECTIONS, &body).await;
        let error = answer.json();
        assert_eq!(answer.status, status, "{body}: {error}");
        // The error alone, not in a list.
        assert_eq!(
            (&error["status"], &error["source"]["pointer"]),
            (&json!(status.to_string()), &json!(pointer))
        );
        assert!(text(&error, "id").len() == 36 && error["title"].is_string());
    }
    let missing = format!("{COLLECTIONS}/{NOWHERE}");
    let error = test.get(&manager, &missing).await.json();
    assert_eq!(
        (&error["title"], &error["source"]["pointer"]),
        (&json!("Collection not found."), &json!(missing))
    );

    // What is not said about assets leaves them.
    let put = async |body: Value| test.call(&manager, "PUT", &own, &body.to_string()).await.json();
    let changed = put(json!({"name": "Money"})).await;
    assert_eq!((&changed["total_assets"], &changed["description"]), (&json!(4), &Value::Null));
    assert_eq!((&changed["tags"], &changed["restricted"]), (&json!(""), &json!(false)));
    let changed = put(json!({"name": "Money", "asset_infos": [assets[1]]})).await;
    assert_eq!(changed["asset_infos"][0]["guid"], assets[1]["guid"]);
    assert_eq!(changed["total_assets"], 1);
    let gone = format!("{APPLICATIONS}/{}", assets[1]["guid"].as_str().expect("a guid"));
    assert_eq!(test.call(&admin, "DELETE", &gone, "").await.status, 204);
    assert_eq!(test.get(&manager, &own).await.json()["total_assets"], 0);
    assert_eq!(test.call(&manager, "DELETE", &own, "").await.status, 204);
    assert_eq!(test.get(&manager, &own).await.status, 404);
}

/// The demo is like a tenant of the service: components with several vulnerabilities and
/// several places, vulnerabilities in several applications, and scans of some types in some
/// applications only.
#[tokio::test]
async fn the_demo_is_like_a_real_tenant() {
    let (test, pair) = start(SeedSpec::Demo).await;
    let list = test.get(&pair, &format!("{APPLICATIONS}?size=500")).await.json();
    let applications = list["_embedded"]["applications"].as_array().expect("applications");
    let mut by_component: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let mut by_vulnerability: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut said: BTreeMap<String, Value> = BTreeMap::new();
    let mut places = BTreeSet::new();
    let mut with: BTreeMap<&str, usize> = BTreeMap::new();
    let mut total = 0;
    for application in applications {
        let own = text(application, "guid");
        let scans = application["scans"].as_array().expect("scans");
        let findings = format!("/appsec/v2/applications/{own}/findings?size=500");
        for kind in ["STATIC", "DYNAMIC", "MANUAL"] {
            let page = test.get(&pair, &format!("{findings}&scan_type={kind}")).await.json();
            let count = page["page"]["total_elements"].as_u64().expect("a number");
            total += count;
            let is_scanned = scans.iter().any(|scan| scan["scan_type"] == kind);
            assert!(is_scanned || count == 0, "{kind}: {own}");
            *with.entry(kind).or_default() += usize::from(is_scanned);
        }
        let page = test.get(&pair, &format!("{findings}&scan_type=SCA")).await.json();
        let mut keys = BTreeSet::new();
        for row in page["_embedded"]["findings"].as_array().into_iter().flatten() {
            total += 1;
            let details = &row["finding_details"];
            let (component, cve) = (text(details, "component_id"), text(&details["cve"], "name"));
            assert!(keys.insert((component.clone(), cve.clone())), "twice: {row}");
            by_component.entry((own.clone(), component)).or_default().insert(cve.clone());
            by_vulnerability.entry(cve.clone()).or_default().insert(own.clone());
            // A vulnerability says the same everywhere.
            let other = said.entry(cve).or_insert_with(|| details["cve"].clone());
            assert_eq!(*other, details["cve"]);
            places.insert(details["component_path"].as_array().map_or(0, Vec::len));
        }
    }
    let several = |sets: Vec<usize>| sets.iter().filter(|size| **size > 1).count() * 2 > sets.len();
    assert!(several(by_component.values().map(BTreeSet::len).collect()));
    assert!(several(by_vulnerability.values().map(BTreeSet::len).collect()));
    assert!(by_vulnerability.len() > 50, "{}", by_vulnerability.len());
    assert!(places.contains(&1) && places.len() > 2, "{places:?}");
    assert!(with["DYNAMIC"] * 2 < with["STATIC"] && with["DYNAMIC"] > 5, "{with:?}");
    assert!(with["MANUAL"] * 2 < with["STATIC"] && with["MANUAL"] > 5, "{with:?}");
    assert!((5_000..=6_000).contains(&total), "{total}");
}

/// One number is one flaw, in the policy context and in sandboxes.
#[tokio::test]
async fn a_flaw_of_the_demo_is_the_same_in_every_context() {
    let (test, pair) = start(SeedSpec::Demo).await;
    let list = test.get(&pair, &format!("{APPLICATIONS}?size=500")).await.json();
    let mut shared = 0;
    for application in list["_embedded"]["applications"].as_array().expect("applications") {
        let own = text(application, "guid");
        let findings = format!("/appsec/v2/applications/{own}/findings?size=500");
        let sandboxes = test.get(&pair, &format!("{APPLICATIONS}/{own}/sandboxes")).await.json();
        let mut flaws: BTreeMap<i64, Value> = BTreeMap::new();
        let contexts = sandboxes["_embedded"]["sandboxes"].as_array().cloned().unwrap_or_default();
        let contexts = contexts.iter().map(|sandbox| format!("&context={}", text(sandbox, "guid")));
        for context in std::iter::once(String::new()).chain(contexts) {
            let page = test.get(&pair, &format!("{findings}{context}")).await.json();
            for row in page["_embedded"]["findings"].as_array().into_iter().flatten() {
                let number = row["issue_id"].as_i64().expect("a number");
                let what = json!([row["scan_type"], row["finding_details"], row["description"]]);
                if let Some(other) = flaws.insert(number, what.clone()) {
                    assert_eq!(other, what);
                    shared += 1;
                }
            }
        }
    }
    assert!(shared > 100, "{shared}");
}
