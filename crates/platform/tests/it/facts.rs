//! Facts of the wire that clients assert: statuses, members, errors, numbers. Where each
//! comes from is in `docs/fidelity.md`.

use std::collections::BTreeSet;

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
        let own = format!("/findings?scan_type=STATIC%2CDYNAMIC%2CMANUAL{{&context,");
        assert!(href.contains(&own), "{href}");
        let own =
            test.get(&pair, &format!("{findings}?scan_type=STATIC,DYNAMIC&size=1")).await.json();
        for (name, link) in own["_links"].as_object().expect("links") {
            let (own, _) =
                link["href"].as_str().expect("a link").split_once('{').unwrap_or_default();
            assert!(!own.contains(','), "{name}: {own}");
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
