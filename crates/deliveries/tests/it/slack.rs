//! Slack: what of foreign text means nothing there, its limits, and what its answers mean.

use countersign_deliveries::markup::mrkdwn;
use countersign_deliveries::receiver::{Bundle, Digest, Parcel, Stream, Verdict};
use countersign_deliveries::receivers::slack::{Settings, Slack};
use countersign_deliveries::wire::{Answer, Lost};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::fake::{self, Fake};
use crate::invented::{self, Right};

const WEBHOOK: &str = "https://hooks.slack.example.com/services/T0/B0/hush";

fn settings(value: Value) -> Settings {
    serde_json::from_value(value).unwrap()
}

fn said(status: u16, body: &str) -> Result<Answer, Lost> {
    Ok(Answer { status, headers: Vec::new(), body: body.as_bytes().to_vec() })
}

fn webhook(fake: &Fake) -> Slack {
    Slack::new(settings(json!({})), fake.access(WEBHOOK)).unwrap()
}

fn chat(fake: &Fake) -> Slack {
    Slack::new(settings(json!({"channel": "C012345"})), fake.access("xoxb-hush")).unwrap()
}

fn silent() -> Fake {
    Fake::new(|_| said(200, "ok"))
}

fn parcel(uid: &str, body: &str) -> Parcel {
    let (uid, body) = (uid.to_owned(), body.to_owned());
    Parcel { uid, from_seq: 1, to_seq: 1, body, attempts: 0, now_ms: 1_780_272_000_000 }
}

/// All texts of some blocks that are read as they are.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if ["text", "link"].iter().any(|kind| members.get("type") == Some(&json!(kind))) {
                found.push(members["text"].as_str().unwrap().to_owned());
                let url = members.get("url").and_then(Value::as_str).unwrap_or("https://");
                assert!(url.starts_with("https://") || url.starts_with("http://"), "{url}");
            }
            members.values().for_each(|value| texts(value, found));
        }
        Value::Array(all) => all.iter().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// Slack's limits, and that foreign text is in no place where it would be read.
fn check(message: &str) -> Value {
    let message: Value = serde_json::from_str(message).unwrap();
    let blocks = message["blocks"].as_array().unwrap();
    assert!(!blocks.is_empty() && blocks.len() <= 50);
    assert!(Value::from(blocks.clone()).to_string().len() <= 13_000);
    assert_eq!((&message["mrkdwn"], &message["unfurl_links"]), (&json!(false), &json!(false)));
    let fallback = message["text"].as_str().unwrap();
    assert!(!fallback.contains(['<', '>', '*', '_', '~', '`', '@', '\n']), "{fallback}");
    assert!(fallback.chars().count() <= 4_000);
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "header" => {
                assert_eq!(block["text"]["type"], "plain_text");
                assert!(block["text"]["text"].as_str().unwrap().chars().count() <= 150);
            }
            "section" => {
                let fields = block["fields"].as_array().unwrap();
                assert!((1..=10).contains(&fields.len()));
                for field in fields {
                    let text = field["text"].as_str().unwrap();
                    assert!(text.len() <= 2_000 && !text.contains(['<', '@', '`']), "{text}");
                    assert_eq!(field["verbatim"], true);
                }
            }
            "rich_text" => {
                let mut found = Vec::new();
                texts(block, &mut found);
                assert!(found.iter().all(|text| !text.is_empty() && text.chars().count() <= 3_000));
                assert!(!found.concat().contains(countersign_text::is_odd));
            }
            other => panic!("{other}"),
        }
    }
    message
}

#[test]
fn settings_that_are_refused() {
    let refused = |value: Value, secret: &str| {
        let made = Slack::new(settings(value), silent().access(secret));
        let Err(why) = made else { panic!("it is taken") };
        assert!(!why.contains("hush"), "{why}");
        why
    };
    assert!(refused(json!({}), "hush").contains("incoming webhook"));
    assert!(refused(json!({}), "file:///hush").contains("incoming webhook"));
    assert!(refused(json!({"channel": "C1"}), "hush").contains("xoxb-"));
    assert!(refused(json!({"channel": "<!channel>"}), "xoxb-hush").contains("`C`"));
    assert!(refused(json!({"channel": ""}), "xoxb-hush").contains("`C`"));
    let api = json!({"channel": "C1", "api_url": "https://user:hush@slack.example.com/"});
    assert!(refused(api, "xoxb-hush").contains("api_url"));
    assert!(refused(json!({"every_hours": 0}), WEBHOOK).contains("every_hours"));
    assert!(serde_json::from_value::<Settings>(json!({"chanel": "C1"})).is_err());
    assert!(!settings(json!({})).place().contains("hush"));
}

#[tokio::test]
async fn answers_of_a_webhook() {
    let cases: [(u16, &str, Right); 10] = [
        (400, "invalid_payload", |v| matches!(v, Verdict::Refused(_))),
        (403, "invalid_token", |v| matches!(v, Verdict::Settings(_))),
        (404, "no_service", |v| matches!(v, Verdict::Settings(why) if why.contains("no_service"))),
        (410, "channel_is_archived", |v| matches!(v, Verdict::Settings(_))),
        (302, "", |v| matches!(v, Verdict::Settings(_))),
        (500, "x", |v| matches!(v, Verdict::Passing { is_unsure: true, .. })),
        (503, "x", |v| matches!(v, Verdict::Passing { is_unsure: true, .. })),
        (200, "<html>", |v| matches!(v, Verdict::Passing { is_unsure: true, .. })),
        (200, "", |v| matches!(v, Verdict::Passing { is_unsure: true, .. })),
        (200, "ok", |v| matches!(v, Verdict::Taken(_))),
    ];
    for (status, body, is_right) in cases {
        let fake = Fake::new(move |_| said(status, body));
        let verdicts = webhook(&fake).send(&[parcel("a", "{}"), parcel("b", "{}")]).await;
        assert!(is_right(&verdicts[0]), "{status} {body}: {verdicts:?}");
        assert_eq!(verdicts.len(), if body == "ok" { 2 } else { 1 }, "it stops at the first");
        assert_eq!(fake.asked()[0].url, WEBHOOK);
        assert_eq!(fake.asked()[0].header("authorization"), None);
    }
    let limited = Fake::new(|_| {
        let headers = vec![("retry-after".to_owned(), "30".to_owned())];
        Ok(Answer { status: 429, headers, body: Vec::new() })
    });
    let verdict = webhook(&limited).send(&[parcel("a", "{}")]).await.remove(0);
    let waits = |v| matches!(v, Verdict::Passing { is_unsure: false, after_ms: Some(30_000), .. });
    assert!(waits(verdict));
    let lost = Fake::new(|_| Err(Lost::Unsure("time-out".into())));
    let verdict = webhook(&lost).send(&[parcel("a", "{}")]).await.remove(0);
    assert!(matches!(verdict, Verdict::Passing { is_unsure: true, .. }));
}

#[tokio::test]
async fn answers_of_chat() {
    let cases: [(Value, Right); 8] = [
        (json!({"ok": false, "error": "invalid_auth"}), |v| matches!(v, Verdict::Settings(_))),
        (json!({"ok": false, "error": "channel_not_found"}), |v| matches!(v, Verdict::Settings(_))),
        (json!({"ok": false, "error": "msg_blocks_too_long"}), |v| {
            matches!(v, Verdict::Refused(_))
        }),
        (json!({"ok": false, "error": "invalid_blocks"}), |v| matches!(v, Verdict::Refused(_))),
        (json!({"ok": false, "error": "ratelimited"}), |v| {
            matches!(v, Verdict::Passing { is_unsure: false, .. })
        }),
        (json!({"ok": false, "error": "internal_error"}), |v| {
            matches!(v, Verdict::Passing { is_unsure: true, .. })
        }),
        (json!({}), |v| matches!(v, Verdict::Passing { is_unsure: true, .. })),
        (
            json!({"ok": true, "ts": "1.2"}),
            |v| matches!(v, Verdict::Taken(taken) if taken.reference.as_deref() == Some("1.2")),
        ),
    ];
    for (body, is_right) in cases {
        let answer = body.clone();
        let fake = Fake::new(move |_| fake::json(200, answer.clone()));
        let verdict = chat(&fake).send(&[parcel("a", "{}")]).await.remove(0);
        assert!(is_right(&verdict), "{body}: {verdict:?}");
        let asked = &fake.asked()[0];
        assert_eq!(asked.url, "https://slack.com/api/chat.postMessage");
        assert_eq!(asked.header("authorization"), Some("Bearer xoxb-hush"));
    }
}

#[tokio::test]
async fn probes_ask_who_we_are_or_say_that_they_test() {
    let fake = silent();
    assert!(matches!(webhook(&fake).probe(0).await, Verdict::Taken(_)));
    check(std::str::from_utf8(&fake.asked()[0].body).unwrap());
    assert!(fake.asked()[0].json()["text"].as_str().unwrap().contains("a test"));
    let fake = Fake::new(|_| fake::json(200, json!({"ok": true})));
    assert!(matches!(chat(&fake).probe(0).await, Verdict::Taken(_)));
    assert_eq!(fake.asked()[0].url, "https://slack.com/api/auth.test");
}

#[test]
fn a_message_holds_a_summary_or_one_change() {
    let fake = silent();
    assert_eq!(webhook(&fake).bundle(), Bundle::Digest { every_ms: 86_400_000 });
    let single = settings(json!({"messages": "single"}));
    let single = Slack::new(single, fake.access(WEBHOOK)).unwrap();
    assert_eq!(single.bundle(), Bundle::Changes(1));
    assert!(single.render(&[]).is_err());
    let message = invented::with_event("SQL <b>", |event| single.render(&[*event])).unwrap();
    let message = check(&message);
    assert_eq!(message["text"], "New finding: SQL &lt;b&gt;");
    assert!(message.to_string().contains("a/B.java:7"), "{message}");
    let message = invented::with_event("x", |event| chat(&fake).render(&[*event])).unwrap();
    assert_eq!(check(&message)["channel"], "C012345");
}

#[test]
fn a_summary_names_what_happened() {
    let digest = sample();
    let message = check(&webhook(&silent()).summary(&digest).unwrap());
    let text = message.to_string();
    assert_eq!(message["text"], "countersign: 3 findings opened, 1 reopened");
    for part in ["3 (1 Very High, 2 Medium)", "Very High: ", "<!channel>", "shop", "x.java:7"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

fn sample() -> Digest {
    use countersign_deliveries::receiver::Worst;
    Digest {
        seq: (1, 9),
        at_ms: (1_780_272_000_000, 1_780_358_400_000),
        opened: [0, 0, 0, 2, 0, 1],
        reopened: [0, 0, 0, 0, 1, 0],
        closed: [0; 6],
        changed: 0,
        worst: vec![Worst {
            severity: 5,
            title: "<!channel> *now*".into(),
            application: "shop".into(),
            place: Some("x.java:7".into()),
            id: "0123456789abcdef0123".into(),
            url: Some("https://dashboard.example.com/findings/0123456789abcdef0123".into()),
        }],
        applications: vec![("shop".into(), 3)],
        url: Some("https://dashboard.example.com/".into()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn no_summary_breaks_a_limit(digest in invented::digest()) {
        let message = webhook(&silent()).summary(&digest).unwrap();
        check(&message);
        prop_assert!(!message.contains("hush"), "a link with a password");
    }

    #[test]
    fn no_change_breaks_a_limit(title in invented::text()) {
        let slack = webhook(&silent());
        check(&invented::with_event(&title, |event| slack.render(&[*event])).unwrap());
    }

    #[test]
    fn nothing_is_read_in_what_was_escaped(text in invented::text()) {
        let safe = mrkdwn::escape(&text);
        prop_assert!(!safe.contains(['<', '>', '*', '_', '~', '`', ':', '@', '\n', '\r']));
        let rest = safe.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
        prop_assert!(!rest.contains('&'));
        prop_assert!(!safe.is_empty() && safe.chars().count() <= 2_000);
    }
}

/// For the models of Slack's own library.
#[test]
fn made_up_bodies() {
    let (mut runner, slack) = (TestRunner::deterministic(), webhook(&silent()));
    let mut lines = vec![slack.summary(&sample()).unwrap()];
    for _ in 0..1_000 {
        let digest = invented::digest().new_tree(&mut runner).unwrap().current();
        lines.push(slack.summary(&digest).unwrap());
        let title = invented::text().new_tree(&mut runner).unwrap().current();
        lines.push(invented::with_event(&title, |event| slack.render(&[*event])).unwrap());
    }
    invented::made_up("slack.ndjson", lines);
}
