use countersign_deliveries::receiver::{Bundle, Parcel, Stream, Verdict};
use countersign_deliveries::receivers::Access;
use countersign_deliveries::receivers::webhook::{Settings, Webhook};
use countersign_deliveries::webhooks::Keys;
use countersign_deliveries::wire::{Answer, Lost};
use countersign_store::ChangeKind;
use countersign_text::is_odd;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::invented;
use crate::rows::{Row, START_MS, cast, flaw, hostile, row};

const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OLD: &str = "whsec_ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7";
const LONGEST: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==";

/// Made by `Webhook(key).sign(id, time, body)` of PyPI `standardwebhooks` 1.1.0.
#[test]
fn signatures_are_those_of_the_reference_library() {
    let body = "{\"type\":\"finding.opened\",\"data\":{\"title\":\"é “x” \\u202e\"}}";
    for (key, first, second) in [
        (
            NEW,
            "v1,a4uYiHOsEIXCI/yn05J30E+s08iq4fwGlZ7ucLwxjgQ=",
            "v1,MG6B77xVz7fsyq3U1gf+3W0aJFWMd68IOS++eBdCcrw=",
        ),
        (
            OLD,
            "v1,V6E82fOFA49S0jlR8jNdFMsYVZZqgGy0hf6XHJIOaIY=",
            "v1,ThJxrY12f6lMJyZioml2D81fs0Kfkx5nbyTclCQuLcE=",
        ),
        (
            LONGEST,
            "v1,dOL1kFw/cwsvJgC3l6oGPRy3SAaXB97Bf2RGiOcqf9I=",
            "v1,XDgaQKBjx94iaqVt73fBviLtWC52bW37nGklxJFRNkY=",
        ),
    ] {
        let keys = Keys::parse(key).unwrap();
        assert_eq!(keys.sign("msg_0190", 1_780_000_000, body.as_bytes()), first);
        assert_eq!(keys.sign("msg_a-b_c", 1, b""), second);
    }
    let both = Keys::parse(&format!(" {NEW}\n{OLD}\r\n")).unwrap();
    assert_eq!(
        both.sign("msg_a-b_c", 1, b""),
        "v1,MG6B77xVz7fsyq3U1gf+3W0aJFWMd68IOS++eBdCcrw= v1,ThJxrY12f6lMJyZioml2D81fs0Kfkx5nbyTclCQuLcE="
    );
}

#[test]
fn secrets_that_are_no_keys() {
    let of = |bytes: usize| format!("whsec_{}", data_encoding::BASE64.encode(&vec![7; bytes]));
    let five = vec![of(24); 5].join(" ");
    for secret in [
        "",
        " \n",
        "hush",
        "whsec_",
        "whsec_hush!",
        &NEW[6..],
        &of(23),
        &of(65),
        &five,
        &format!("{NEW} hush"),
        &NEW[..NEW.len() - 1],
        &NEW.replace("whsec", "whpk"),
    ] {
        let why = Keys::parse(secret).err().unwrap();
        assert!(!why.contains("hush") && !why.contains("AAEC"), "{why}");
    }
    assert!(Keys::parse(&of(24)).is_ok() && Keys::parse(&of(64)).is_ok());
    // What is written as a key is not taken as the bytes of one.
    for written in [
        NEW.replace("whsec", "whsk"),
        NEW.replace("whsec", "whpk"),
        format!("key: {NEW}"),
        NEW[..NEW.len() - 1].to_owned(),
    ] {
        assert!(Keys::parse_or_raw(&written).is_err(), "{written}");
    }
    assert!(Keys::parse_or_raw("whatever_0123456789abcdef").is_ok());
    assert!(Keys::parse_or_raw(NEW).is_ok());
}

fn webhook(fake: &Fake) -> Webhook {
    let settings = Settings { url: "https://hook.example.com/hush?hush=1".into() };
    Webhook::new(settings, fake.access(&format!("{NEW} {OLD}"))).unwrap()
}

fn answering(status: u16, headers: &[(&str, &str)], body: &str) -> Fake {
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let answer = Answer { status, headers: headers.collect(), body: body.as_bytes().to_vec() };
    Fake::new(move |_| Ok(answer.clone()))
}

fn parcel(uid: &str, now_ms: i64) -> Parcel {
    let body = format!("{{\"id\":\"{uid}\"}}");
    Parcel { uid: uid.into(), from_seq: 7, to_seq: 7, body, attempts: 0, now_ms }
}

#[test]
fn settings_that_are_refused() {
    let fake = answering(200, &[], "");
    for url in
        ["data:hush", "ftp://hook.example.com/hush", "https://hush:hush@example.com/", "hush"]
    {
        let refused = Webhook::new(Settings { url: url.into() }, fake.access(NEW));
        let why = refused.err().unwrap();
        assert!(!why.contains("hush"), "{why}");
    }
    let no_key = Webhook::new(Settings { url: "https://example.com".into() }, fake.access("hush"));
    assert!(no_key.is_err());
    let unknown = serde_json::from_value::<Settings>(json!({"url": "https://a", "uri": ""}));
    assert!(unknown.is_err());
    let place = |url: &str| Settings { url: url.into() }.place();
    let here = place("https://hook.example.com/hush?a");
    assert!(here.starts_with("https://hook.example.com (") && !here.contains("hush"), "{here}");
    assert_ne!(here, place("https://hook.example.com/hush?b"));
}

async fn verdict(fake: &Fake) -> Verdict {
    let verdicts = webhook(fake).send(&[parcel("a", 1_780_000_000_999)]).await;
    assert_eq!(verdicts.len(), 1);
    let said = format!("{verdicts:?}");
    assert!(!said.contains("hush") && !said.contains("AAEC"), "{said}");
    verdicts.into_iter().next().unwrap()
}

#[tokio::test]
async fn what_answers_mean() {
    for status in [301, 302, 307, 308, 401, 403, 404, 410] {
        let is_settings =
            matches!(verdict(&answering(status, &[], "")).await, Verdict::Settings(_));
        assert!(is_settings, "{status}");
    }
    let gone = verdict(&answering(410, &[], "")).await;
    assert!(matches!(gone, Verdict::Settings(why) if why.contains("disabled by the receiver")));
    for status in [400, 413, 415, 422] {
        let refused = verdict(&answering(status, &[], "no\nsuch \u{202e} type")).await;
        let Verdict::Refused(why) = refused else { panic!("{status}: {refused:?}") };
        assert_eq!(why, format!("it answered {status}: no such <U+202E> type"));
    }
    for status in [408, 429, 500, 502, 503, 504] {
        let passing = verdict(&answering(status, &[("retry-after", "7")], "")).await;
        let Verdict::Passing { after_ms, is_unsure, .. } = passing else { panic!("{passing:?}") };
        assert_eq!((after_ms, is_unsure), (Some(7_000), status != 429), "{status}");
    }
    for (lost, is_unsure) in [(Lost::NotSent("n".into()), false), (Lost::Unsure("u".into()), true)]
    {
        let fake = Fake::new(move |_| Err(lost.clone()));
        let passing = verdict(&fake).await;
        assert!(matches!(passing, Verdict::Passing { is_unsure: held, .. } if held == is_unsure));
    }
    let forbidden = Fake::new(|_| Err(Lost::Forbidden("f".into())));
    assert!(matches!(verdict(&forbidden).await, Verdict::Settings(_)));
    // What repeats the address is not repeated.
    let echo = verdict(&answering(400, &[], "no route /hush?hush=1")).await;
    assert_eq!(echo, Verdict::Refused("it answered 400".into()));
    for status in [200, 201, 202, 204] {
        assert!(
            matches!(verdict(&answering(status, &[], "")).await, Verdict::Taken(_)),
            "{status}"
        );
    }
}

#[tokio::test]
async fn parcels_go_in_their_order_until_one_is_not_taken() {
    let mut calls = 0;
    let fake = Fake::new(move |_| {
        calls += 1;
        let status = if calls == 2 { 503 } else { 200 };
        Ok(Answer { status, headers: Vec::new(), body: Vec::new() })
    });
    let webhook = webhook(&fake);
    let parcels = [parcel("a", 1000), parcel("b", 1000), parcel("c", 1000)];
    let verdicts = webhook.send(&parcels).await;
    assert!(matches!(&verdicts[..], [Verdict::Taken(_), Verdict::Passing { .. }]), "{verdicts:?}");
    let later = [parcel("b", 400_999), parcel("c", 400_999)];
    assert_eq!(webhook.send(&later).await.len(), 2);
    let asked = fake.asked();
    let ids: Vec<_> = asked.iter().map(|asked| asked.header("webhook-id").unwrap()).collect();
    assert_eq!(ids, ["msg_a", "msg_b", "msg_b", "msg_c"]);
    // The same message, signed for another time.
    let times: Vec<_> =
        asked.iter().map(|asked| asked.header("webhook-timestamp").unwrap()).collect();
    assert_eq!(times, ["1", "1", "400", "400"]);
    assert_eq!(asked[1].body, asked[2].body);
    let keys = Keys::parse(&format!("{NEW} {OLD}")).unwrap();
    let signed = keys.sign("msg_b", 400, &asked[2].body);
    assert_eq!(asked[2].header("webhook-signature"), Some(signed.as_str()));
    assert_eq!(asked[2].header("content-type"), Some("application/json"));
    let odd = webhook.send(&[parcel("a.b", 1000)]).await;
    assert!(matches!(&odd[..], [Verdict::Refused(_)]));
    assert_eq!(fake.asked().len(), 4);
}

#[tokio::test]
async fn a_test_says_that_it_is_one() {
    let fake = answering(204, &[], "");
    assert!(matches!(webhook(&fake).probe(START_MS).await, Verdict::Taken(_)));
    let asked = &fake.asked()[0];
    assert_eq!(asked.json()["type"], "deliveries.test");
    assert_eq!(asked.json()["timestamp"], "2026-06-01T00:00:00.000Z");
}

fn rendered(row: &Row, kind: ChangeKind) -> Value {
    let change = row.change(kind);
    let webhook = webhook(&answering(200, &[], ""));
    let body = webhook.render(&[row.event(&change)]).unwrap();
    assert!(body.len() <= 20_000 && !body.contains(is_odd), "{}", body.len());
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn a_message_has_the_finding_and_what_happened() {
    let row = row(flaw("a \u{202e} b")).await;
    let mut change = row.change(ChangeKind::Changed);
    change.differences = Some(r#"[{"field":"severity","before":3,"after":5}]"#.into());
    let webhook = webhook(&answering(200, &[], ""));
    assert_eq!(webhook.bundle(), Bundle::Changes(1));
    assert!(webhook.render(&[]).is_err());
    let body = webhook.render(&[row.event(&change)]).unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["type"], "finding.changed");
    assert_eq!(body["timestamp"], "2026-06-01T00:00:00.001Z");
    let data = &body["data"];
    assert_eq!((data["seq"].as_i64(), data["schema"].as_i64()), (Some(7), Some(1)));
    assert_eq!(data["id"], row.row.finding.id.as_str());
    assert_eq!(data["description"], "a \u{202e} b");
    assert_eq!(data["change"]["kind"], "changed");
    assert_eq!(data["change"]["reason"], Value::Null);
    assert_eq!(data["change"]["differences"][0]["after"], 5);
    assert_eq!(data["shortened"], Value::Null);
    for (kind, name) in [
        (ChangeKind::New, "finding.opened"),
        (ChangeKind::Reopened, "finding.reopened"),
        (ChangeKind::Closed, "finding.closed"),
    ] {
        assert_eq!(rendered(&row, kind)["type"], name);
    }
    let mut closed = flaw("");
    closed["finding_status"]["status"] = "CLOSED".into();
    let closed = rendered(&crate::rows::row(closed).await, ChangeKind::New);
    assert_eq!(
        (&closed["type"], &closed["data"]["change"]["kind"]),
        (&json!("finding.changed"), &json!("new"))
    );
}

#[tokio::test]
async fn a_long_message_loses_what_matters_least() {
    let row = row(flaw(&"é\"\u{202e}x".repeat(10_000))).await;
    let body = rendered(&row, ChangeKind::New);
    assert_eq!(body["data"]["shortened"], json!(["description"]));
    let description = body["data"]["description"].as_str().unwrap();
    assert!(
        description.len() > 5_000 && description.ends_with(" more characters)"),
        "{description}"
    );
    let kept = description.split('…').next().unwrap().chars().count();
    assert!(description.contains(&format!("({} more", 40_000 - kept)));

    let row = crate::rows::row(hostile(&"\u{e0041}\u{202e}".repeat(20_000))).await;
    let mut body = rendered(&row, ChangeKind::New);
    let shortened = body["data"]["shortened"].take();
    assert!(shortened.as_array().unwrap().contains(&json!("*")), "{shortened}");
    assert_eq!(body["data"]["id"], row.row.finding.id.as_str());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_message_is_too_long(text in "(\\PC|[\\x00-\\x1f\"\\\\\u{202e}\u{e0041}]){0,40}", times in 0usize..300) {
        let row = cast(hostile(&text.repeat(times)));
        let body = rendered(&row, ChangeKind::New);
        prop_assert_eq!(&body["data"]["id"], row.row.finding.id.as_str());
        let is_whole = serde_json::to_string(&row.row.finding).unwrap().len() < 1_000;
        prop_assert!(!is_whole || body["data"]["shortened"].is_null());
    }
}

/// A webhook over the real way.
#[tokio::test]
async fn over_the_wire_nothing_follows_a_redirect() {
    use crate::door::{Door, answer};
    use countersign_deliveries::http::{Http, Reach};
    let door = Door::tls("127.0.0.1", |_| answer("302 Found\r\nlocation: /else", b"")).await;
    let reach = Reach {
        ca_pem: Some(door.ca_pem.clone()),
        ..Reach::new(crate::gate::gate(&["127.0.0.1"]))
    };
    let access = Access {
        wire: std::sync::Arc::new(Http::new(reach).unwrap()),
        ..answering(200, &[], "").access(NEW)
    };
    let settings = Settings { url: format!("https://{}/hook", door.address) };
    let verdicts = Webhook::new(settings, access).unwrap().send(&[parcel("a", 1000)]).await;
    assert_eq!(verdicts, [Verdict::Settings("it answered 302".into())]);
    assert_eq!(door.requests().len(), 1);
}

/// For the libraries of Standard Webhooks, which have a clock of their own: messages, also
/// during a change of key, with the keys that verify them and those that do not.
#[tokio::test]
async fn made_up_bodies() {
    let now_s = std::env::var("COUNTERSIGN_NOW_S").map(|text| text.parse::<i64>().unwrap());
    let now_ms = now_s.unwrap_or(1_780_000_000) * 1000;
    let mut runner = TestRunner::deterministic();
    let mut lines = Vec::new();
    for (secret, verifies, refuses) in [
        (OLD.to_owned(), vec![OLD], vec![NEW, LONGEST]),
        (format!("{NEW} {OLD}"), vec![NEW, OLD], vec![LONGEST]),
        (format!("{NEW}\n"), vec![NEW], vec![OLD, LONGEST]),
    ] {
        let fake = answering(204, &[], "");
        let settings = Settings { url: "https://hook.example.com/hush".into() };
        let webhook = Webhook::new(settings, fake.access(&secret)).unwrap();
        for number in 0..60 {
            let title = invented::text().new_tree(&mut runner).unwrap().current();
            let body = invented::with_event(&title, |event| webhook.render(&[*event])).unwrap();
            let parcel = Parcel { body, ..parcel(&format!("c{number}"), now_ms) };
            let verdicts = webhook.send(&[parcel]).await;
            assert_eq!(verdicts, [Verdict::Taken(Default::default())]);
        }
        let taken = webhook.probe(now_ms).await;
        assert_eq!(taken, Verdict::Taken(Default::default()));
        lines.extend(fake.asked().iter().map(|asked| {
            let headers: Vec<_> =
                asked.headers.iter().map(|(name, value)| [name, &**value]).collect();
            let body = String::from_utf8(asked.body.clone()).unwrap();
            json!({"headers": headers, "body": body, "verifies": verifies, "refuses": refuses})
                .to_string()
        }));
    }
    invented::made_up("webhooks.ndjson", lines);
}
