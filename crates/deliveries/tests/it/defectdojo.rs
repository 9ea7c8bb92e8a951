//! DefectDojo: one file for an application, the same as long as nothing changes, and a form
//! that no name gets out of.

use countersign_deliveries::receiver::{Uploads, Verdict, Whole};
use countersign_deliveries::receivers::defectdojo::{DefectDojo, Settings};
use countersign_deliveries::wire::{Answer, Lost, Method};
use countersign_findings::State;
use countersign_store::FindingRow;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::fake::{self, Asked, Fake};
use crate::invented::{self, APPLICATION, Right, application, flaw};

const KEY: &str = "hush0123456789";
const URL: &str = "https://dojo.example.com";

fn made(fake: &Fake, change: impl FnOnce(&mut Value)) -> Result<DefectDojo, String> {
    let mut value = json!({"url": URL});
    change(&mut value);
    DefectDojo::new(serde_json::from_value(value).unwrap(), fake.access(KEY))
}

fn dojo(fake: &Fake) -> DefectDojo {
    made(fake, |_| {}).unwrap()
}

fn taking() -> Fake {
    Fake::new(|_| fake::json(201, json!({"test_id": 7, "statistics": {}})))
}

fn render(dojo: &DefectDojo, rows: &[FindingRow]) -> Value {
    let application = application("shop");
    let bytes = dojo.render(&Whole { application: &application, rows }).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn open() -> Value {
    json!({"status": "OPEN"})
}

/// The form as a reader that splits at the boundary sees it: names, and values.
fn fields(asked: &Asked) -> Vec<(String, String)> {
    let kind = asked.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let body = String::from_utf8(asked.body.clone()).unwrap();
    let body = body.strip_prefix(&format!("--{boundary}\r\n")).unwrap();
    let body = body.strip_suffix(&format!("\r\n--{boundary}--\r\n")).unwrap();
    let part = |part: &str| {
        let (head, value) = part.split_once("\r\n\r\n").unwrap();
        let (_, name) = head.split_once("name=\"").unwrap();
        (name.split('"').next().unwrap().to_owned(), value.to_owned())
    };
    body.split(&format!("\r\n--{boundary}\r\n")).map(part).collect()
}

fn field(asked: &Asked, name: &str) -> Option<String> {
    fields(asked).into_iter().find(|(held, _)| held == name).map(|(_, value)| value)
}

#[test]
fn settings_that_are_refused() {
    let refused = |change: fn(&mut Value)| {
        let Err(why) = made(&taking(), change) else { panic!("it is taken") };
        assert!(!why.contains("hush"), "{why}");
        why
    };
    assert!(refused(|it| it["url"] = "dojo".into()).contains("`url`"));
    assert!(refused(|it| it["url"] = "https://user:hush@dojo.example.com".into()).contains("user"));
    assert!(refused(|it| it["product"] = "{app}".into()).contains("`{app}`"));
    assert!(refused(|it| it["test"] = "{guid".into()).contains("`test`"));
    assert!(refused(|it| it["engagement"] = " ".into()).contains("empty"));
    assert!(refused(|it| it["max_megabytes"] = 0.into()).contains("max_megabytes"));
    let key = |secret: &str| {
        let settings: Settings = serde_json::from_value(json!({"url": URL})).unwrap();
        DefectDojo::new(settings, taking().access(secret)).err().unwrap()
    };
    assert!(key("").contains("API key") && key("a\r\nb").contains("API key"));
    assert!(serde_json::from_value::<Settings>(json!({"url": URL, "token": KEY})).is_err());
    let settings: Settings =
        serde_json::from_value(json!({"url": format!("{URL}/?q=hush")})).unwrap();
    assert_eq!(
        settings.place(),
        "https://dojo.example.com/ {application} countersign countersign {guid}"
    );
}

#[test]
fn an_application_without_a_name_has_no_place() {
    let dojo = made(&taking(), |it| it["product"] = "{business_unit}".into()).unwrap();
    let why = dojo.place(&application("shop")).unwrap_err();
    assert!(why.contains("business unit"), "{why}");
    assert_eq!(self::dojo(&taking()).place(&application("shop")), Ok(()));
}

#[tokio::test]
async fn what_is_sent() {
    let fake = taking();
    let verdict = dojo(&fake).send(&application("{guid} shop"), "uid", b"{}", 0).await;
    let Verdict::Taken(taken) = verdict else { panic!("{verdict:?}") };
    assert_eq!(taken.reference.as_deref(), Some("7"));
    assert_eq!(taken.url.as_deref(), Some("https://dojo.example.com/test/7"));
    let asked = &fake.asked()[0];
    assert_eq!((asked.method, asked.target()), (Method::Post, "/api/v2/reimport-scan/".into()));
    assert_eq!(asked.header("authorization"), Some(format!("Token {KEY}").as_str()));
    let expected = [
        ("scan_type", "Generic Findings Import"),
        ("product_name", "{guid} shop"),
        ("engagement_name", "countersign"),
        ("test_title", &format!("countersign {APPLICATION}")),
        ("auto_create_context", "true"),
        ("close_old_findings", "true"),
        ("do_not_reactivate", "false"),
        ("product_type_name", "Research and Development"),
        ("file", "{}"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(fields(asked), expected);
    let body = String::from_utf8(asked.body.clone()).unwrap();
    assert!(body.contains("filename=\"countersign.json\""), "else it is read as a table");

    let dojo = made(&fake, |it| it["do_not_reactivate"] = true.into()).unwrap();
    dojo.send(&application("shop"), "other", b"{}", 0).await;
    assert_eq!(field(&fake.asked()[1], "do_not_reactivate").as_deref(), Some("true"));
    let boundary = |at: usize| fake.asked()[at].header("content-type").unwrap().to_owned();
    assert_ne!(boundary(0), boundary(1));
}

#[tokio::test]
async fn a_product_of_another_type_stays_what_it_is() {
    let fake = Fake::new(|asked| match field(asked, "product_type_name") {
        Some(_) => fake::json(
            400,
            json!([
                "The fetched product has a conflict with the supplied product type name: existing product type name - A vs supplied product type name - B"
            ]),
        ),
        None => fake::json(201, json!({"test": 7})),
    });
    let verdict = dojo(&fake).send(&application("shop"), "uid", b"{}", 0).await;
    assert!(matches!(verdict, Verdict::Taken(_)), "{verdict:?}");
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn answers() {
    let cases: [(u16, Value, Right); 9] = [
        (
            400,
            json!({"engagement_name": ["This field may not be blank."], "file": "x"}),
            |v| matches!(v, Verdict::Refused(why) if why.contains("engagement_name: This field may not be blank.")),
        ),
        (
            400,
            json!(["Test type mismatch"]),
            |v| matches!(v, Verdict::Refused(why) if why.contains("Test type mismatch")),
        ),
        (401, json!({"detail": "Invalid token."}), |v| matches!(v, Verdict::Settings(_))),
        (403, json!({"detail": "x"}), |v| matches!(v, Verdict::Settings(_))),
        (404, json!({}), |v| matches!(v, Verdict::Settings(_))),
        (413, json!({}), |v| matches!(v, Verdict::Refused(_))),
        (500, json!({"message": "x"}), |v| matches!(v, Verdict::Passing { is_unsure: true, .. })),
        (201, json!({"test": null}), |v| matches!(v, Verdict::Passing { is_unsure: true, .. })),
        (200, json!({"test": 7}), |v| matches!(v, Verdict::Taken(_))),
    ];
    for (status, body, is_right) in cases {
        let answer = body.clone();
        let fake = Fake::new(move |_| fake::json(status, answer.clone()));
        let verdict = dojo(&fake).send(&application("shop"), "uid", b"{}", 0).await;
        assert!(is_right(&verdict), "{status} {body}: {verdict:?}");
        assert_eq!(fake.asked().len(), 1);
    }
    let fake = Fake::new(|_| Err(Lost::Unsure("time-out".into())));
    let verdict = dojo(&fake).send(&application("shop"), "uid", b"{}", 0).await;
    assert!(matches!(verdict, Verdict::Passing { is_unsure: true, .. }));
}

#[tokio::test]
async fn a_probe_asks_who_we_are() {
    let fake = Fake::new(|_| fake::json(200, json!({"user": {}})));
    assert!(matches!(dojo(&fake).probe().await, Verdict::Taken(_)));
    assert_eq!(fake.asked()[0].target(), "/api/v2/user_profile/");
    let page =
        |_: &Asked| Ok(Answer { status: 200, headers: Vec::new(), body: b"<html>".to_vec() });
    assert!(matches!(dojo(&Fake::new(page)).probe().await, Verdict::Settings(_)));
    let wrong = Fake::new(|_| fake::json(401, json!({"detail": "Invalid token."})));
    assert!(
        matches!(dojo(&wrong).probe().await, Verdict::Settings(why) if why.contains("Invalid token"))
    );
}

#[test]
fn a_file_that_is_too_long_is_not_sent() {
    let dojo = made(&taking(), |it| it["max_megabytes"] = 1.into()).unwrap();
    let rows = [flaw(7, &"x".repeat(2 << 20), &open())];
    let whole = Whole { application: &application("shop"), rows: &rows };
    let why = dojo.render(&whole).unwrap_err();
    assert!(why.contains("more than the 1 MB") && why.contains("hint: "), "{why}");
}

#[test]
fn what_vanished_is_closed_where_that_was_wished() {
    let mut vanished = flaw(7, "a", &open());
    vanished.gone = true;
    let mut fixed = flaw(8, "b", &json!({"status": "CLOSED"}));
    fixed.gone = true;
    let rows = [vanished, fixed, flaw(9, "c", &open())];
    let count = |dojo: &DefectDojo| render(dojo, &rows)["findings"].as_array().unwrap().len();
    assert_eq!(count(&dojo(&taking())), 3);
    let closing = made(&taking(), |it| it["close_vanished"] = true.into()).unwrap();
    assert_eq!(count(&closing), 2, "what is not in the file is closed");
}

#[test]
fn a_finding_of_two_integrations_is_there_once() {
    let (mut gone, mut old, new) =
        (flaw(7, "a", &open()), flaw(7, "b", &open()), flaw(7, "c", &open()));
    gone.gone = true;
    gone.changed_ms += 2;
    old.changed_ms -= 1;
    let document = render(&dojo(&taking()), &[gone, old, new]);
    assert_eq!(document["findings"].as_array().unwrap().len(), 1);
    assert!(document["findings"][0]["description"].as_str().unwrap().starts_with('c'));
    assert_eq!(render(&dojo(&taking()), &[])["findings"], json!([]), "closes all");
}

fn rows() -> impl Strategy<Value = Vec<FindingRow>> {
    (1..9_i64).map(|number| invented::finding(number).boxed()).collect::<Vec<_>>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_file_says_how_every_finding_stands(rows in rows()) {
        let dojo = dojo(&taking());
        let document = render(&dojo, &rows);
        prop_assert_eq!(&document["type"], "countersign");
        let findings = document["findings"].as_array().unwrap();
        prop_assert_eq!(findings.len(), rows.len());
        for finding in findings {
            let id = finding["unique_id_from_tool"].as_str().unwrap();
            let row = rows.iter().find(|row| row.finding.id.as_str() == id).unwrap();
            prop_assert!(finding.get("service").is_none(), "or old findings are not closed");
            prop_assert_eq!(&finding["active"], row.finding.state.is_open() && !row.gone);
            prop_assert_eq!(&finding["false_p"], row.finding.state == State::FalsePositive);
        }
        let turned: Vec<_> = rows.iter().rev().cloned().collect();
        prop_assert_eq!(render(&dojo, &turned), document, "in whatever order they are read");
    }

    #[test]
    fn no_name_gets_out_of_the_form(name in invented::text(), uid in any::<String>()) {
        let fake = taking();
        let dojo = made(&fake, |it| it["test"] = "{application}".into()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let verdict = runtime.block_on(dojo.send(&application(&name), &uid, b"{}", 0));
        prop_assert!(matches!(verdict, Verdict::Taken(_)) || name.trim().is_empty());
        for asked in fake.asked() {
            let fields = fields(&asked);
            prop_assert_eq!(fields.len(), 9);
            for (name, value) in fields {
                prop_assert!(!value.contains(['\r', '\n', '\0']), "{}", name);
                prop_assert!(value.chars().count() <= 300 && value.trim() == value);
            }
        }
    }
}

/// For DefectDojo's own parser and importer: a file, and the request that it is sent in.
#[tokio::test]
async fn made_up_bodies() {
    let mut runner = TestRunner::deterministic();
    let many: Vec<_> = (1..=500)
        .map(|number| invented::finding(number).new_tree(&mut runner).unwrap().current())
        .collect();
    let fixed = json!({"status": "CLOSED", "resolution": "FIXED"});
    let none = json!({"status": "CLOSED", "resolution": "POTENTIAL_FALSE_POSITIVE"});
    let flaws = |status: &Value, words: &str| -> Vec<_> {
        (1..=20).map(|number| flaw(number, &format!("{words} {number}"), status)).collect()
    };
    let (opened, reworded) = (flaws(&open(), "flaw"), flaws(&open(), "the same flaw"));
    let (closed, denied) = (flaws(&fixed, "flaw"), flaws(&none, "flaw"));
    let mixed = [&closed[..8], &denied[8..10], &opened[10..]].concat();
    let mut lines = Vec::new();
    for (name, rows) in [
        ("many", &many[..]),
        ("many", &many[..]),
        ("twenty", &opened),
        ("twenty", &mixed),
        ("twenty", &opened),
        ("twenty", &opened[..15]),
        ("twenty", &[]),
        ("reworded", &opened),
        ("reworded", &reworded),
    ] {
        let (fake, application) = (taking(), application(&format!("made up: {name}")));
        let dojo = dojo(&fake);
        let file = dojo.render(&Whole { application: &application, rows }).unwrap();
        dojo.send(&application, "made up", &file, 0).await;
        let asked = fake.asked().remove(0);
        lines.push(
            json!({
                "name": name, "target": asked.target(),
                "content_type": asked.header("content-type"),
                "body": String::from_utf8(asked.body).unwrap(),
                "file": String::from_utf8(file).unwrap(),
            })
            .to_string(),
        );
    }
    invented::made_up("defectdojo.ndjson", lines);
}
