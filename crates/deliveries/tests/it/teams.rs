//! Teams: cards in which foreign text means nothing, their size, and what answers mean.

use countersign_deliveries::receiver::{Bundle, Parcel, Stream, Verdict};
use countersign_deliveries::receivers::teams::{Settings, Teams};
use countersign_deliveries::wire::{Answer, Lost};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::invented::{self, Right};

const WEBHOOK: &str = "https://flow.example.com/workflows/1/triggers/manual?sig=hush";

fn teams(fake: &Fake, value: Value) -> Teams {
    let settings: Settings = serde_json::from_value(value).unwrap();
    Teams::new(settings, fake.access(WEBHOOK)).unwrap()
}

fn answering(status: u16, kind: &'static str, body: &'static str) -> Fake {
    Fake::new(move |_| {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Ok(Answer { status, headers, body: body.as_bytes().to_vec() })
    })
}

fn parcel() -> Parcel {
    let (uid, body) = ("a".to_owned(), "{}".to_owned());
    Parcel { uid, from_seq: 1, to_seq: 1, body, attempts: 0, now_ms: 1_780_272_000_000 }
}

/// Teams' limit, and that Markdown is read in no foreign text.
fn check(message: &str) -> Value {
    assert!(message.len() <= 28_000, "{}", message.len());
    let message: Value = serde_json::from_str(message).unwrap();
    let card = &message["attachments"][0]["content"];
    assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
    for element in card["body"].as_array().unwrap() {
        match element["type"].as_str().unwrap() {
            "TextBlock" => is_ours(element["text"].as_str().unwrap()),
            "FactSet" => element["facts"]
                .as_array()
                .unwrap()
                .iter()
                .for_each(|fact| is_ours(fact["value"].as_str().unwrap())),
            "RichTextBlock" => element["inlines"].as_array().unwrap().iter().for_each(is_run),
            other => panic!("{other}"),
        }
    }
    is_ours(card["fallbackText"].as_str().unwrap());
    message
}

fn is_ours(text: &str) {
    assert!(
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || " ,()".contains(c)),
        "{text}"
    );
}

fn is_run(run: &Value) {
    assert_eq!(run["type"], "TextRun");
    let text = run["text"].as_str().unwrap();
    assert!(!text.is_empty() && !text.contains("{{") && !text.contains(countersign_text::is_odd));
    if let Some(url) = run["selectAction"]["url"].as_str() {
        assert!(url.starts_with("https://") || url.starts_with("http://"), "{url}");
    }
}

#[test]
fn settings_that_are_refused() {
    let fake = answering(202, "", "");
    for secret in ["", "hush", "javascript:hush", "mailto:hush@example.com"] {
        let settings = serde_json::from_value(json!({})).unwrap();
        let Err(why) = Teams::new(settings, fake.access(secret)) else { panic!("{secret}") };
        assert!(why.contains("webhook of a workflow") && !why.contains("hush"), "{why}");
    }
    let settings = serde_json::from_value(json!({"every_hours": 721})).unwrap();
    assert!(Teams::new(settings, fake.access(WEBHOOK)).is_err());
    assert!(serde_json::from_value::<Settings>(json!({"url": WEBHOOK})).is_err());
}

#[tokio::test]
async fn answers() {
    let off = r#"{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"x"}}"#;
    let schema = r#"{"error":{"code":"TriggerInputSchemaMismatch","message":"x"}}"#;
    let cases: [(Fake, Right); 9] = [
        (
            answering(400, "application/json", schema),
            |v| matches!(v, Verdict::Refused(why) if why.contains("TriggerInputSchemaMismatch")),
        ),
        (answering(400, "application/json", off), |v| matches!(v, Verdict::Settings(_))),
        (answering(401, "application/json", ""), |v| matches!(v, Verdict::Settings(_))),
        (answering(404, "application/json", ""), |v| matches!(v, Verdict::Settings(_))),
        (answering(410, "application/json", ""), |v| matches!(v, Verdict::Settings(_))),
        (answering(429, "application/json", ""), |v| {
            matches!(v, Verdict::Passing { is_unsure: false, .. })
        }),
        (answering(502, "application/json", ""), |v| {
            matches!(v, Verdict::Passing { is_unsure: true, .. })
        }),
        (answering(200, "text/html", "<html>"), |v| matches!(v, Verdict::Settings(_))),
        (answering(202, "", ""), |v| matches!(v, Verdict::Taken(_))),
    ];
    for (fake, is_right) in cases {
        let verdict = teams(&fake, json!({})).send(&[parcel()]).await.remove(0);
        assert!(is_right(&verdict), "{verdict:?}");
        assert_eq!(fake.asked()[0].url, WEBHOOK);
    }
    let fake = Fake::new(|_| Err(Lost::NotSent("refused".into())));
    let verdict = teams(&fake, json!({})).send(&[parcel()]).await.remove(0);
    assert!(matches!(verdict, Verdict::Passing { is_unsure: false, .. }));
}

#[tokio::test]
async fn a_probe_says_that_it_is_one() {
    let fake = answering(202, "", "");
    assert!(matches!(teams(&fake, json!({})).probe(0).await, Verdict::Taken(_)));
    let sent = check(std::str::from_utf8(&fake.asked()[0].body).unwrap());
    assert!(sent.to_string().contains("This is a test"));
}

#[test]
fn a_message_holds_a_summary_or_one_change() {
    let fake = answering(202, "", "");
    assert_eq!(teams(&fake, json!({})).bundle(), Bundle::Digest { every_ms: 86_400_000 });
    let single = teams(&fake, json!({"messages": "single"}));
    assert_eq!(single.bundle(), Bundle::Changes(1));
    let message = invented::with_event("**x** [y](z)", |event| single.render(&[*event])).unwrap();
    assert!(check(&message).to_string().contains("**x** [y](z)"), "as it is, in a run");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn no_summary_breaks_a_limit(digest in invented::digest()) {
        let message = teams(&answering(202, "", ""), json!({})).summary(&digest).unwrap();
        check(&message);
        prop_assert!(!message.contains("hush"), "a link with a password");
    }

    #[test]
    fn no_change_breaks_a_limit(title in invented::text()) {
        let teams = teams(&answering(202, "", ""), json!({}));
        check(&invented::with_event(&title, |event| teams.render(&[*event])).unwrap());
    }
}

/// For Microsoft's own library.
#[test]
fn made_up_bodies() {
    let (mut runner, teams) =
        (TestRunner::deterministic(), teams(&answering(202, "", ""), json!({})));
    let mut lines = Vec::new();
    for _ in 0..1_000 {
        let digest = invented::digest().new_tree(&mut runner).unwrap().current();
        lines.push(teams.summary(&digest).unwrap());
        let title = invented::text().new_tree(&mut runner).unwrap().current();
        lines.push(invented::with_event(&title, |event| teams.render(&[*event])).unwrap());
    }
    invented::made_up("teams.ndjson", lines);
}
