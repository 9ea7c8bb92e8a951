use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_testkit::{Answer, TestPlatform};
use serde_json::{Value, json};

const APPLICATIONS: &str = "/appsec/v1/applications";
const UPLOAD: &[&str] = &["uploadapi", "apisubmitanyscan", "noteamrestrictionapi"];

async fn start() -> (TestPlatform, Pair) {
    let test = TestPlatform::start(SeedSpec::Demo).await;
    let pair = test.mint("upload", UPLOAD).pair;
    (test, pair)
}

async fn put(test: &TestPlatform, pair: &Pair, target: &str, body: &Value) -> Answer {
    test.call(pair, "PUT", target, &body.to_string()).await
}

fn minimal(name: &str) -> Value {
    json!({"profile": {"name": name, "business_criticality": "HIGH"}})
}

async fn created(test: &TestPlatform, pair: &Pair, body: &Value) -> (String, Value) {
    let answer = test.call(pair, "POST", APPLICATIONS, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let application = answer.json();
    let guid = application["guid"].as_str().expect("a guid");
    (format!("{APPLICATIONS}/{guid}"), application)
}

fn pointer(answer: &Answer) -> String {
    let body = answer.json();
    let error = &body["_embedded"]["api_errors"][0];
    assert_eq!(error["status"], answer.status.to_string());
    error["source"]["pointer"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn refused_profiles() {
    let (test, pair) = start().await;
    let taken = test.get(&pair, APPLICATIONS).await.json();
    let taken = taken["_embedded"]["applications"][0]["profile"]["name"].clone();
    let nowhere = "00000000-0000-4000-8000-000000000000";
    for (profile, status, at) in [
        (json!(null), 400, "/profile"),
        (json!({}), 400, "/profile/name"),
        (
            json!({"name": "N", "business_criticality": "SOME"}),
            400,
            "/profile/business_criticality",
        ),
        (json!({"name": "x".repeat(256), "business_criticality": "LOW"}), 400, "/profile/name"),
        (json!({"name": taken, "business_criticality": "LOW"}), 409, "/profile/name"),
        (
            json!({"name": "N", "business_criticality": "LOW", "policies": [{"guid": nowhere}]}),
            400,
            "/profile/policies/0/guid",
        ),
        (
            json!({"name": "N", "business_criticality": "LOW", "teams": [{"guid": nowhere}]}),
            400,
            "/profile/teams/0/guid",
        ),
        (
            json!({"name": "N", "business_criticality": "LOW", "business_unit": {"guid": nowhere}}),
            400,
            "/profile/business_unit/guid",
        ),
        (
            json!({"name": "N", "business_criticality": "LOW", "settings": {"sca_enabled": 3}}),
            400,
            "/profile/settings/sca_enabled",
        ),
    ] {
        let body = json!({"profile": profile}).to_string();
        let answer = test.call(&pair, "POST", APPLICATIONS, &body).await;
        assert_eq!((answer.status, pointer(&answer).as_str()), (status, at), "{body}");
    }
    let total = test.get(&pair, APPLICATIONS).await.json()["page"]["total_elements"].clone();
    assert_eq!(total, 60, "nothing was created");
}

#[tokio::test]
async fn a_created_application_is_listed_replaced_and_gone() {
    let (test, pair) = start().await;
    let (own, application) = created(&test, &pair, &minimal("New One")).await;
    assert_eq!(application["created"], "2026-06-01T00:00:00.000Z");
    assert_eq!(application["modified"], application["created"]);
    assert_eq!(application["profile"]["business_unit"]["name"], "Not Specified");
    assert_eq!(application["profile"]["policies"].as_array().map(Vec::len), Some(1));
    assert_eq!(application["profile"]["custom_fields"], Value::Null);
    assert_eq!(application["scans"], json!([]));
    let found = test.get(&pair, &format!("{APPLICATIONS}?name=new%20one")).await.json();
    assert_eq!(found["_embedded"]["applications"][0], application);

    test.advance(61_500);
    let body = json!({"profile": {"name": "New One", "business_criticality": "LOW",
        "description": "d", "tags": "a,b", "custom_fields": [{"name": "Cost", "value": "1"}],
        "business_owners": [{"name": "Alex Example", "email": "alex@example.com"}],
        "settings": {"sca_enabled": false}, "git_repo_url": "https://git.example.com/one"}});
    let changed = put(&test, &pair, &own, &body).await.json();
    assert_eq!(changed["modified"], "2026-06-01T00:01:01.000Z");
    assert_eq!(changed["created"], application["created"]);
    assert_eq!(changed["last_policy_compliance_check_date"], Value::Null, "the policy is the same");
    for (member, value) in body["profile"].as_object().expect("an object") {
        match member.as_str() {
            "settings" => assert_eq!(changed["profile"][member]["sca_enabled"], false),
            _ => assert_eq!(&changed["profile"][member], value, "{member}"),
        }
    }

    let partial = format!("{own}?method=partial");
    let body = json!({"profile": {"description": "e", "custom_fields": [], "tags": null}});
    let changed = put(&test, &pair, &partial, &body).await.json();
    assert_eq!(changed["profile"]["description"], "e");
    assert_eq!(changed["profile"]["tags"], "a,b");
    assert_eq!(changed["profile"]["custom_fields"][0]["name"], "Cost");
    assert_eq!(changed["profile"]["settings"]["sca_enabled"], false);

    let replaced = put(&test, &pair, &own, &minimal("New One")).await.json();
    assert_eq!(replaced["profile"], application["profile"], "what was left out is reset");
    assert_eq!(put(&test, &pair, &own, &json!({"profile": {"name": "X"}})).await.status, 400);

    assert_eq!(test.call(&pair, "DELETE", &own, "").await.status, 204);
    for method in ["GET", "PUT", "DELETE"] {
        let answer = test.call(&pair, method, &own, &minimal("New One").to_string()).await;
        assert_eq!(answer.status, 404, "{method}");
    }
}

#[tokio::test]
async fn an_account_of_a_team_writes_for_its_team_only() {
    let (test, _) = start().await;
    let admin = test.mint("admin", &["adminapi"]).pair;
    let teams = test.get(&admin, "/api/authn/v2/teams?all_for_org=true").await.json();
    let guid = |at: usize| teams["_embedded"]["teams"][at]["team_id"].clone();
    let body = json!({
        "user_name": "ci", "email_address": "ci@example.com", "first_name": "C", "last_name": "I",
        "roles": [{"role_name": "uploadapi"}, {"role_name": "apisubmitanyscan"}],
        "permissions": [{"permission_name": "apiUser"}], "teams": [{"team_id": guid(0)}],
    });
    let target = "/api/authn/v2/users?generate_api_creds=true";
    let user = test.call(&admin, "POST", target, &body.to_string()).await.json();
    let text = |name: &str| user["api_credentials"][name].as_str().expect("a text");
    let pair = Pair::parse(text("api_id"), text("api_secret")).expect("a pair");

    let of = |teams: Value| json!({"profile": {"name": "Ours", "business_criticality": "LOW", "teams": teams}});
    for (teams, at) in [
        (json!([]), "/profile/teams"),
        (json!([{"guid": guid(1)}]), "/profile/teams/0/guid"),
        (json!([{"guid": guid(0)}, {"guid": guid(1)}]), "/profile/teams/1/guid"),
    ] {
        let answer = test.call(&pair, "POST", APPLICATIONS, &of(teams).to_string()).await;
        assert_eq!((answer.status, pointer(&answer).as_str()), (400, at));
    }
    let (own, _) = created(&test, &pair, &of(json!([{"guid": guid(0)}]))).await;
    let all = test.mint("upload", UPLOAD).pair;
    let both = of(json!([{"guid": guid(0)}, {"guid": guid(1)}]));
    assert_eq!(put(&test, &all, &own, &both).await.status, 200);
    let partial = format!("{own}?method=partial");
    let body = json!({"profile": {"description": "still ours"}});
    let changed = put(&test, &pair, &partial, &body).await.json();
    assert_eq!(changed["profile"]["teams"].as_array().map(Vec::len), Some(2));
    let (foreign, _) = created(&test, &all, &minimal("Theirs")).await;
    for method in ["GET", "PUT", "DELETE"] {
        let answer = test.call(&pair, method, &foreign, &minimal("Theirs").to_string()).await;
        assert_eq!(answer.status, 404, "{method}: what it does not see is not there");
    }
}

#[tokio::test]
async fn sandboxes_live_and_die() {
    let (test, pair) = start().await;
    let (application, _) = created(&test, &pair, &minimal("New One")).await;
    let list = format!("{application}/sandboxes");
    for (body, status, at) in
        [(json!({}), 400, "/name"), (json!({"name": "x".repeat(257)}), 400, "/name")]
    {
        let answer = test.call(&pair, "POST", &list, &body.to_string()).await;
        assert_eq!((answer.status, pointer(&answer).as_str()), (status, at));
    }
    let body = json!({"name": "feature", "auto_create": true,
        "custom_fields": [{"name": "Custom 1", "value": "v"}]});
    let sandbox = test.call(&pair, "POST", &list, &body.to_string()).await.json();
    assert_eq!(
        (&sandbox["auto_recreate"], &sandbox["owner_username"]),
        (&json!(true), &json!("upload"))
    );
    assert_eq!(sandbox["custom_fields"], body["custom_fields"]);
    assert_eq!(sandbox["created"], "2026-06-01T00:00:00.000Z");
    let again = test.call(&pair, "POST", &list, &json!({"name": "FEATURE"}).to_string()).await;
    assert_eq!((again.status, pointer(&again).as_str()), (409, "/name"));

    let own = format!("{list}/{}", sandbox["guid"].as_str().expect("a guid"));
    test.advance(2_000);
    let changed = put(&test, &pair, &own, &json!({"name": "other"})).await.json();
    assert_eq!((&changed["name"], &changed["auto_recreate"]), (&json!("other"), &json!(true)));
    assert_eq!(changed["modified"], "2026-06-01T00:00:02.000Z");
    assert_eq!(test.get(&pair, &own).await.json(), changed);
    assert_eq!(test.call(&pair, "DELETE", &own, "").await.status, 204);
    assert_eq!(test.get(&pair, &own).await.status, 404);
    assert_eq!(test.get(&pair, &list).await.json()["page"]["total_elements"], 0);
}

#[tokio::test]
async fn a_deleted_sandbox_takes_its_findings_along() {
    let (test, pair) = start().await;
    let reader = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    let all = test.get(&reader, &format!("{APPLICATIONS}?size=100")).await.json();
    // The newest first: its row id is the one that the next sandbox gets.
    for application in
        all["_embedded"]["applications"].as_array().expect("applications").iter().rev()
    {
        let guid = application["guid"].as_str().expect("a guid");
        let list = format!("{APPLICATIONS}/{guid}/sandboxes");
        let sandboxes = test.get(&reader, &list).await.json();
        let last = sandboxes["_embedded"]["sandboxes"].as_array().and_then(|list| list.last());
        let Some(sandbox) = last.and_then(|sandbox| sandbox["guid"].as_str()) else { continue };
        let findings = format!("/appsec/v2/applications/{guid}/findings");
        let total = async |target: &str| {
            test.get(&reader, target).await.json()["page"]["total_elements"].as_u64()
        };
        let policy = total(&findings).await;
        let context = format!("{findings}?context={sandbox}");
        assert!(total(&context).await > Some(0));
        let own = format!("{list}/{sandbox}");
        assert_eq!(test.call(&pair, "DELETE", &own, "").await.status, 204);
        assert_eq!(test.get(&reader, &context).await.status, 404);
        assert_eq!(total(&findings).await, policy, "the policy context is untouched");
        let next =
            test.call(&pair, "POST", &list, &json!({"name": "next"}).to_string()).await.json();
        let context = format!("{findings}?context={}", next["guid"].as_str().expect("a guid"));
        assert_eq!(total(&context).await, Some(0), "nothing of the old one is left");
        return;
    }
    panic!("the demo has sandboxes with findings");
}

#[tokio::test]
async fn mitigations_are_proposed_and_decided() {
    let test = TestPlatform::start(SeedSpec::Sized { applications: 1, findings: 20, rng: 3 }).await;
    let results = test.mint("results", &["resultsapi", "noteamrestrictionapi"]).pair;
    let approver = test.mint("approver", &["mitigationapi", "noteamrestrictionapi"]).pair;
    let nobody = test.mint("nobody", &["greenlightapiuser", "noteamrestrictionapi"]).pair;
    let list = test.get(&results, APPLICATIONS).await.json();
    let application = &list["_embedded"]["applications"][0];
    let guid = application["guid"].as_str().expect("a guid");
    let findings = format!("/appsec/v2/applications/{guid}/findings?include_annot=true&size=100");
    let target = format!("/appsec/v2/applications/{guid}/annotations");
    let all = test.get(&results, &findings).await.json();
    let of = |body: &Value, id: u64| {
        let list = body["_embedded"]["findings"].as_array().expect("findings").clone();
        list.into_iter().find(|finding| finding["issue_id"] == id).expect("the finding")
    };
    let open = |finding: &&Value| {
        finding["finding_status"]["status"] == "OPEN"
            && finding["finding_status"]["resolution_status"] == "NONE"
    };
    let plain = all["_embedded"]["findings"].as_array().expect("findings").iter().filter(open);
    let ids: Vec<u64> = plain.filter_map(|finding| finding["issue_id"].as_u64()).collect();
    assert!(ids.len() >= 3, "{ids:?}");
    let say = async |pair: &Pair, issues: &str, action: &str| {
        let body = json!({"issue_list": issues, "comment": "because", "action": action});
        test.call(pair, "POST", &target, &body.to_string()).await
    };
    let both = format!("{},{}", ids[0], ids[1]);
    for (pair, issues, action, status) in [
        (&nobody, both.as_str(), "COMMENT", 403),
        (&approver, &both, "APPDESIGN", 403),
        (&approver, &both, "COMMENT", 403),
        (&results, &both, "ACCEPTED", 403),
        (&results, &both, "APPROVED", 400),
        (&results, "", "COMMENT", 400),
        (&results, "1;2", "COMMENT", 400),
        (&results, &format!("{},999999", ids[0]), "FP", 400),
        (&approver, &both, "ACCEPTED", 400),
        (&approver, &both, "REJECTED", 400),
    ] {
        let answer = say(pair, issues, action).await;
        assert_eq!(answer.status, status, "{issues} {action}: {}", answer.json());
    }
    assert_eq!(test.get(&results, &findings).await.json(), all, "nothing was changed");

    test.advance(1_000);
    let proposed = say(&results, &both, "APPDESIGN").await;
    assert_eq!((proposed.status, proposed.json()), (200, json!({"findings": "Updated"})));
    assert_eq!(say(&results, &ids[2].to_string(), "FP").await.status, 200);
    let body = test.get(&results, &findings).await.json();
    let standing = |finding: &Value| {
        let status = &finding["finding_status"];
        ["status", "resolution", "resolution_status"].map(|name| status[name].clone())
    };
    assert_eq!(standing(&of(&body, ids[0])), ["OPEN", "MITIGATED", "PROPOSED"].map(Value::from));
    assert_eq!(
        standing(&of(&body, ids[2])),
        ["OPEN", "POTENTIAL_FALSE_POSITIVE", "PROPOSED"].map(Value::from)
    );
    let dates = test.get(&results, &format!("{APPLICATIONS}/{guid}")).await.json();
    assert_eq!(&dates, application, "a proposal moves no date");

    test.advance(1_000);
    assert_eq!(say(&approver, &ids[0].to_string(), "ACCEPTED").await.status, 200);
    assert_eq!(say(&approver, &ids[1].to_string(), "REJECTED").await.status, 200);
    let body = test.get(&results, &findings).await.json();
    let approved = of(&body, ids[0]);
    assert_eq!(standing(&approved), ["CLOSED", "MITIGATED", "APPROVED"].map(Value::from));
    let actions = approved["annotations"].as_array().expect("annotations").iter();
    let actions: Vec<_> = actions.map(|one| (&one["action"], &one["user_name"])).collect();
    let (newest, oldest) =
        ((json!("APPROVED"), json!("approver")), (json!("APPDESIGN"), json!("results")));
    assert_eq!(actions, [(&newest.0, &newest.1), (&oldest.0, &oldest.1)]);
    assert_eq!(standing(&of(&body, ids[1])), ["OPEN", "UNRESOLVED", "REJECTED"].map(Value::from));
    let dates = test.get(&results, &format!("{APPLICATIONS}/{guid}")).await.json();
    assert_eq!(dates["last_policy_compliance_check_date"], "2026-06-01T00:00:02.000Z");
    assert_eq!(dates["modified"], application["modified"]);
}
