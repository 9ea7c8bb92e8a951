//! What the log says of changes of the Applications family and of the test controls.

use countersign_platform::{SeedSpec, verify_audit};
use countersign_signing::Pair;
use countersign_testkit::TestPlatform;
use rusqlite::Connection;
use serde_json::{Value, json};

const APPLICATIONS: &str = "/appsec/v1/applications";
const ROLES: &[&str] =
    &["uploadapi", "apisubmitanyscan", "resultsapi", "mitigationapi", "noteamrestrictionapi"];

/// Who did what to what, since the last time that somebody looked.
struct Log {
    connection: Connection,
    seen: i64,
}

impl Log {
    fn of(test: &TestPlatform) -> Self {
        let path = test.home.path().join("platform.sqlite");
        let connection = Connection::open(path).expect("the database");
        Self { connection, seen: 0 }
    }

    fn news(&mut self) -> Vec<[String; 3]> {
        let sql = "select id, actor, act, target from signin_audit where id > ? order by id";
        let mut statement = self.connection.prepare(sql).expect("a statement");
        let rows = statement.query_map([self.seen], |row| {
            Ok((row.get(0)?, [row.get(1)?, row.get(2)?, row.get(3)?]))
        });
        let rows: Vec<(i64, _)> = rows.expect("rows").map(|row| row.expect("a row")).collect();
        self.seen = rows.last().map_or(self.seen, |row| row.0);
        rows.into_iter().map(|row| row.1).collect()
    }
}

async fn done(test: &TestPlatform, pair: &Pair, method: &str, target: &str, body: Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = test.call(pair, method, target, &body).await;
    assert!((200..300).contains(&answer.status), "{method} {target}: {}", answer.status);
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

fn guid(value: &Value) -> &str {
    value["guid"].as_str().expect("a guid")
}

#[tokio::test]
async fn a_refused_change_is_not_in_the_log() {
    let seed = SeedSpec::Sized { applications: 1, findings: 20, rng: 3 };
    let test = TestPlatform::start_controlled(seed).await;
    let pair = test.mint("writer", ROLES).pair;
    let reader = test.mint("reader", &["resultsapi", "noteamrestrictionapi"]).pair;
    let list = test.get(&pair, APPLICATIONS).await.json();
    let application = &list["_embedded"]["applications"][0];
    let one = format!("{APPLICATIONS}/{}", guid(application));
    let annotations = format!("/appsec/v2/applications/{}/annotations", guid(application));
    let components = format!("/srcclr/v3/applications/{}/sca_annotations", guid(application));
    let mut log = Log::of(&test);
    log.news();
    let nowhere = format!("{APPLICATIONS}/00000000-0000-4000-8000-000000000000");
    let taken = json!({"profile": {"name": application["profile"]["name"],
        "business_criticality": "LOW"}});
    let said = json!({"issue_list": "999999", "comment": "c", "action": "COMMENT"});
    let subject = json!({"annotation_type": "LICENSE", "action": "COMMENT", "comment": "c",
        "annotations": [{"component_id": "none"}]});
    for (pair, method, target, body, status) in [
        (&reader, "POST", APPLICATIONS, &taken, 403),
        (&pair, "POST", APPLICATIONS, &taken, 409),
        (&pair, "PUT", &nowhere, &taken, 404),
        (&pair, "DELETE", &nowhere, &json!({}), 404),
        (&reader, "DELETE", &one, &json!({}), 403),
        (&pair, "POST", &format!("{one}/sandboxes"), &json!({}), 400),
        (&pair, "POST", &annotations, &said, 400),
        (&pair, "POST", &components, &subject, 400),
    ] {
        let answer = test.call(pair, method, target, &body.to_string()).await;
        assert_eq!(answer.status, status, "{method} {target}");
    }
    for (target, body) in [
        ("/import", "{\"_embedded\": {\"findings\": [{\"scan_type\": 1}]}}"),
        ("/mutate", "{\"days\": 0}"),
        ("/snapshots/none/restore", ""),
    ] {
        assert_eq!(test.control("POST", target, body).await.status, 400, "{target}");
    }
    assert_eq!(log.news(), [[""; 3]; 0]);
}

#[tokio::test]
async fn every_change_of_an_application_is_in_the_log() {
    let seed = SeedSpec::Sized { applications: 1, findings: 60, rng: 1 };
    let test = TestPlatform::start(seed).await;
    let pair = test.mint("writer", ROLES).pair;
    let list = test.get(&pair, APPLICATIONS).await.json();
    let scanned = &list["_embedded"]["applications"][0];
    let name = scanned["profile"]["name"].as_str().expect("a name").to_owned();
    let findings = format!("/appsec/v2/applications/{}/findings?size=500", guid(scanned));
    let flaws = test.get(&pair, &findings).await.json();
    let issue = flaws["_embedded"]["findings"][0]["issue_id"].to_string();
    let rows = test.get(&pair, &format!("{findings}&scan_type=SCA")).await.json();
    let rows = rows["_embedded"]["findings"].as_array().expect("findings").clone();
    let row = rows.iter().find(|row| row["finding_details"]["cve"].is_object());
    let details = &row.expect("a vulnerability")["finding_details"];
    let mut log = Log::of(&test);
    let begun = log.news();
    assert_eq!(begun[0], ["(platform)", "tenant.seed", "apps=1,findings=60,rng=1"]);

    let profile = |name: &str| json!({"profile": {"name": name, "business_criticality": "LOW"}});
    let long = "n".repeat(255);
    let made = done(&test, &pair, "POST", APPLICATIONS, profile("Shop")).await;
    let one = format!("{APPLICATIONS}/{}", guid(&made));
    done(&test, &pair, "PUT", &one, profile(&long)).await;
    let sandboxes = format!("{one}/sandboxes");
    let made = done(&test, &pair, "POST", &sandboxes, json!({"name": "box"})).await;
    let own = format!("{sandboxes}/{}", guid(&made));
    done(&test, &pair, "PUT", &own, json!({"name": "other"})).await;
    done(&test, &pair, "DELETE", &own, Value::Null).await;
    done(&test, &pair, "DELETE", &one, Value::Null).await;
    let said = json!({"issue_list": issue, "comment": "c", "action": "FP"});
    let target = format!("/appsec/v2/applications/{}/annotations", guid(scanned));
    done(&test, &pair, "POST", &target, said).await;
    let subject = json!({"annotation_type": "VULNERABILITY", "action": "BYENV", "comment": "c",
        "annotations": [{"component_id": details["component_id"],
            "cve_name": details["cve"]["name"]}]});
    let target = format!("/srcclr/v3/applications/{}/sca_annotations", guid(scanned));
    done(&test, &pair, "POST", &target, subject).await;

    let cve = details["cve"]["name"].as_str().expect("a name");
    let expected = [
        ["application.create", "Shop"],
        ["application.edit", &long],
        ["sandbox.create", &format!("{long}/")],
        ["sandbox.edit", &format!("{long}/")],
        ["sandbox.delete", &format!("{long}/")],
        ["application.delete", &long],
        ["annotation.add", &format!("FP {name}: {issue}")],
        ["component_annotation.add", &format!("BYENV {name}: {cve}")],
    ];
    assert_eq!(log.news(), expected.map(|[act, target]| ["writer", act, target]));
}

#[tokio::test]
async fn the_log_goes_on_after_the_tenant_was_replaced() {
    let test = TestPlatform::start_controlled(SeedSpec::Demo).await;
    let controls = |act: &str, target: &str| ["(test controls)", act, target].map(String::from);
    let control = async |target: &str, body: &str| {
        assert_eq!(test.control("POST", target, body).await.status, 200, "{target}");
    };
    let mut log = Log::of(&test);
    log.news();
    control("/snapshots/first", "").await;
    control("/mutate", "{\"days\": 2}").await;
    control("/import", "{\"_embedded\": {\"applications\": []}}").await;
    let imported = "applications: 0, findings: 0, repeated: 0";
    assert_eq!(log.news(), [controls("tenant.life", "days: 2"), controls("import.page", imported)]);
    control("/snapshots/first/restore", "").await;
    let mut whole = Log::of(&test);
    let restored = whole.news();
    assert_eq!(restored.first().map(|entry| entry[1].as_str()), Some("tenant.seed"));
    assert_eq!(restored.last(), Some(&controls("tenant.restore", "first")));
    assert_eq!(restored.len(), 2, "the snapshot's, and that it was brought back");
    control("/reset", "").await;
    assert_eq!(Log::of(&test).news(), [controls("tenant.reset", "demo")]);
    let verdict = verify_audit(test.home.path()).expect("a log");
    assert!(matches!(verdict, Ok((1, _))), "{verdict:?}");
}
