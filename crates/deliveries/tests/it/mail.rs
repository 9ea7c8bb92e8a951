//! Mail: one summary, one thread, one id, and headers that nobody else writes.

use std::sync::{Arc, Mutex};

use countersign_deliveries::receiver::{Bundle, Parcel, Stream, Verdict};
use countersign_deliveries::receivers::mail::{Mail, Post, Settings, Undelivered};
use countersign_deliveries::wire::Doing;
use data_encoding::BASE64;
use lettre::address::Envelope;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::invented::{self, Right};

type Handed = (Envelope, Vec<u8>);

/// Keeps what it is handed, and answers this.
#[derive(Clone)]
struct Office {
    mails: Arc<Mutex<Vec<Handed>>>,
    answer: Result<(), Undelivered>,
}

impl Office {
    fn new(answer: Result<(), Undelivered>) -> Self {
        Self { mails: Arc::default(), answer }
    }

    fn mails(&self) -> Vec<String> {
        let mails = self.mails.lock().unwrap();
        mails.iter().map(|(_, mail)| String::from_utf8(mail.clone()).unwrap()).collect()
    }
}

impl Post for Office {
    fn send<'p>(
        &'p self,
        envelope: &'p Envelope,
        mail: &'p [u8],
    ) -> Doing<'p, Result<(), Undelivered>> {
        self.mails.lock().unwrap().push((envelope.clone(), mail.to_vec()));
        Box::pin(async { self.answer.clone() })
    }

    fn greet(&self) -> Doing<'_, Result<(), Undelivered>> {
        Box::pin(async { self.answer.clone() })
    }
}

fn settings(change: impl FnOnce(&mut Value)) -> Settings {
    let mut value = json!({
        "server": "smtps://mail.example.com", "from": "countersign <findings@example.com>",
        "to": ["Ops <ops@example.com>", "security@example.com"],
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

fn mail(office: &Office) -> Mail {
    Mail::new(settings(|_| {}), Arc::new(office.clone())).unwrap()
}

fn parcel(uid: &str, body: String) -> Parcel {
    let now_ms = 1_780_272_000_000;
    Parcel { uid: uid.to_owned(), from_seq: 1, to_seq: 1, body, attempts: 0, now_ms }
}

fn some_digest() -> countersign_deliveries::receiver::Digest {
    invented::digest().new_tree(&mut TestRunner::deterministic()).unwrap().current()
}

/// Names of the headers, and the value of one.
fn headers(mail: &str) -> Vec<(String, String)> {
    let (head, _) = mail.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let line = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    };
    unfolded.split("\r\n").map(line).collect()
}

fn header(mail: &str, name: &str) -> String {
    let all = headers(mail);
    let found: Vec<_> = all.iter().filter(|(held, _)| held == name).collect();
    assert_eq!(found.len(), 1, "{name}");
    found[0].1.clone()
}

#[test]
fn settings_that_are_refused() {
    let refused = |change: fn(&mut Value)| {
        let made = Mail::new(settings(change), Arc::new(Office::new(Ok(()))));
        let Err(why) = made else { panic!("it is taken") };
        assert!(!why.contains("hush"), "{why}");
        why
    };
    assert!(refused(|it| it["server"] = "localhost".into()).contains("server"));
    assert!(refused(|it| it["server"] = "https://mail.example.com".into()).contains("smtps://"));
    let why = refused(|it| it["server"] = "smtps://user:hush@mail.example.com".into());
    assert!(why.contains("`user`"), "{why}");
    assert!(refused(|it| it["from"] = "nobody".into()).contains("not a mail address"));
    assert!(refused(|it| it["to"] = json!(["a@example.com", "@"])).contains("`@`"));
    assert!(refused(|it| it["to"] = json!([])).contains("nobody"));
    assert!(refused(|it| it["every_hours"] = 0.into()).contains("every_hours"));
    let injected = refused(|it| it["from"] = "a@example.com\r\nBcc: b@example.com".into());
    assert!(injected.contains("not a mail address"), "{injected}");
}

#[tokio::test]
async fn what_the_server_says() {
    let why = || "why".to_owned();
    let cases: [(Result<(), Undelivered>, Right); 6] = [
        (Err(Undelivered::Refused(why())), |v| matches!(v, Verdict::Refused(_))),
        (Err(Undelivered::Settings(why())), |v| matches!(v, Verdict::Settings(_))),
        (Err(Undelivered::Later(why())), |v| {
            matches!(v, Verdict::Passing { is_unsure: false, .. })
        }),
        (Err(Undelivered::NotSent(why())), |v| {
            matches!(v, Verdict::Passing { is_unsure: false, .. })
        }),
        (Err(Undelivered::Unsure(why())), |v| {
            matches!(v, Verdict::Passing { is_unsure: true, .. })
        }),
        (Ok(()), |v| matches!(v, Verdict::Taken(_))),
    ];
    for (answer, is_right) in cases {
        let office = Office::new(answer.clone());
        let mail = mail(&office);
        let body = mail.summary(&some_digest()).unwrap();
        let both = [parcel("a", body.clone()), parcel("b", body)];
        let verdicts = mail.send(&both).await;
        assert!(is_right(&verdicts[0]), "{answer:?}: {verdicts:?}");
        assert_eq!(verdicts.len(), if answer.is_ok() { 2 } else { 1 });
        assert!(is_right(&mail.probe(0).await));
    }
}

#[tokio::test]
async fn one_id_at_every_try_and_one_thread() {
    let office = Office::new(Ok(()));
    let mail = mail(&office);
    let body = mail.summary(&some_digest()).unwrap();
    for (uid, late_ms) in [("a", 0), ("a", 60_000), ("b", 0)] {
        let mut parcel = parcel(uid, body.clone());
        parcel.now_ms += late_ms;
        mail.send(&[parcel]).await;
    }
    let mails = office.mails();
    let ids: Vec<_> = mails.iter().map(|mail| header(mail, "Message-ID")).collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
    assert!(ids[0].starts_with('<') && ids[0].ends_with("@example.com>"), "{}", ids[0]);
    let threads: Vec<_> = mails.iter().map(|mail| header(mail, "References")).collect();
    assert!(threads.iter().all(|thread| *thread == threads[0] && !ids.contains(thread)));
    assert_eq!(header(&mails[0], "In-Reply-To"), threads[0]);
    assert_eq!(header(&mails[0], "Auto-Submitted"), "auto-generated");
    assert_eq!(header(&mails[0], "Date"), "Mon, 01 Jun 2026 00:00:00 +0000");
    let (envelope, _) = office.mails.lock().unwrap()[0].clone();
    assert_eq!(envelope.to().len(), 2);

    let other = settings(|it| it["subject"] = "[payments]".into());
    let other = Mail::new(other, Arc::new(office.clone())).unwrap();
    other.send(&[parcel("a", body)]).await;
    assert_ne!(header(&office.mails()[3], "References"), threads[0]);
}

#[test]
fn mail_holds_summaries_only() {
    let mail = mail(&Office::new(Ok(())));
    assert_eq!(mail.bundle(), Bundle::Digest { every_ms: 86_400_000 });
    assert!(mail.render(&[]).is_err());
    assert_eq!(settings(|_| {}).place(), "mail Ops <ops@example.com>, security@example.com");
}

#[tokio::test]
async fn what_was_not_written_here_is_not_sent() {
    let office = Office::new(Ok(()));
    let verdict = mail(&office).send(&[parcel("a", "{}".into())]).await.remove(0);
    assert!(matches!(verdict, Verdict::Refused(_)));
    assert!(office.mails().is_empty());
}

const HEADERS: [&str; 11] = [
    "Date",
    "From",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    "To",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "MIME-Version",
    "Content-Type",
];

fn send(digest: &countersign_deliveries::receiver::Digest, subject: &str) -> String {
    let office = Office::new(Ok(()));
    let settings = settings(|it| it["subject"] = subject.into());
    let mail = Mail::new(settings, Arc::new(office.clone())).unwrap();
    let body = mail.summary(digest).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(mail.send(&[parcel("a", body)]));
    office.mails().remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn nothing_foreign_is_a_header_or_an_element(
        digest in invented::digest(),
        subject in invented::text(),
    ) {
        let mail = send(&digest, &subject);
        prop_assert!(mail.len() < 1_000_000);
        prop_assert!(mail.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
        let names: Vec<_> = headers(&mail).into_iter().map(|(name, _)| name).collect();
        prop_assert_eq!(names, HEADERS.map(str::to_owned));

        let office = Office::new(Ok(()));
        let body = self::mail(&office).summary(&digest).unwrap();
        let written: Value = serde_json::from_str(&body).unwrap();
        let html = written["html"].as_str().unwrap();
        let elements: std::collections::BTreeSet<_> = html
            .split('<')
            .skip(1)
            .map(|rest| rest.split([' ', '>']).next().unwrap().trim_start_matches('/'))
            .collect();
        let ours = [
            "!DOCTYPE", "a", "body", "h1", "h2", "head", "html", "li", "meta", "p", "table", "td",
            "th", "title", "tr", "ul",
        ];
        prop_assert!(elements.iter().all(|one| ours.contains(one)), "{:?}", elements);
        prop_assert!(!html.contains("href=\"javascript") && !html.contains(" onclick=\""));
        prop_assert!(!written["text"].as_str().unwrap().replace('\n', "").contains(countersign_text::is_odd));
    }
}

/// For a library of mails that is not the one they are made with.
#[test]
fn made_up_bodies() {
    let mut runner = TestRunner::deterministic();
    let lines = (0..1_000).map(|_| {
        let digest = invented::digest().new_tree(&mut runner).unwrap().current();
        let subject = invented::text().new_tree(&mut runner).unwrap().current();
        BASE64.encode(send(&digest, &subject).as_bytes())
    });
    invented::made_up("mails.base64", lines.collect::<Vec<_>>());
}
