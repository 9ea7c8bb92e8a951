//! A whole journey with a double of GitHub: GitHub's own description of its API judges every
//! request and every answer of it.

use countersign_deliveries::receiver::{Order, Sight, Taken, Tickets, Uploads, Verdict, Whole};
use countersign_deliveries::receivers::code_scanning::CodeScanning;
use countersign_deliveries::receivers::github_issues::GitHubIssues;
use countersign_deliveries::ticket::Why;
use countersign_deliveries::wire::{Method, Request, Wire};
use countersign_store::{Action, LinkRow, LinkStanding};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::sample;
use crate::tcp::{Tcp, access, ready};
use crate::tickets::{HOSTILE, doc, done, hostile, link, order, said, saying};

const SCRIPT: &str = "conformance/receivers/github.py double";
const US: &str = "token-countersign-bot";
const PERSON: &str = "token-mona";

struct Double(Value);

impl Double {
    fn new() -> Self {
        Self(ready("COUNTERSIGN_GITHUB", SCRIPT))
    }

    fn issues(&self, token: &str) -> GitHubIssues {
        let settings = json!({"repository": "octo/shop", "api_url": self.0["url"],
            "labels": ["team blue"]});
        GitHubIssues::new(serde_json::from_value(settings).unwrap(), access(token)).unwrap()
    }

    fn alerts(&self, application: &str) -> CodeScanning {
        let settings = json!({"api_url": self.0["url"],
            "repositories": {application: {"repository": "octo/shop"}}});
        CodeScanning::new(serde_json::from_value(settings).unwrap(), access(US)).unwrap()
    }

    /// As somebody else asks: past what is tested.
    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.0["url"].as_str().unwrap()).parse().unwrap();
        let request = Request::new(method, url)
            .header("authorization", format!("Bearer {PERSON}"))
            .header("accept", "application/vnd.github+json")
            .header("user-agent", "mona");
        let request = if method == Method::Get { request } else { request.json(&body) };
        let answer = Tcp.ask(request).await.unwrap();
        assert!(answer.is_success(), "{}", String::from_utf8_lossy(&answer.body));
        answer.json().unwrap_or_default()
    }

    async fn set(&self, switches: Value) {
        self.ask(Method::Post, "/_double", switches).await;
    }

    /// What happened; nothing of it may be against the description.
    async fn shown(&self) -> Value {
        let shown = self.ask(Method::Get, "/_double", Value::Null).await;
        assert_eq!(shown["violations"], json!([]));
        assert!(!shown["requests"].as_array().unwrap().is_empty());
        shown
    }

    async fn edit(&self, number: &str, change: Value) {
        self.ask(Method::Patch, &format!("/repos/octo/shop/issues/{number}"), change).await;
    }

    async fn comments(&self, number: &str) -> usize {
        let path = format!("/repos/octo/shop/issues/{number}/comments?per_page=100");
        self.ask(Method::Get, &path, Value::Null).await.as_array().unwrap().len()
    }
}

fn group(number: u64) -> String {
    format!("{number:020x}")
}

async fn created(issues: &GitHubIssues, wanted: &Order) -> String {
    match issues.create(wanted).await {
        Verdict::Taken(Taken { reference: Some(reference), .. }) => reference,
        verdict => panic!("{verdict:?} {:?}", wanted.ticket),
    }
}

async fn standing(
    issues: &GitHubIssues,
    wanted: &Order,
    control: Option<&LinkRow>,
) -> LinkStanding {
    match issues.look(wanted, control).await {
        Sight::Found { standing, .. } => standing,
        sight => panic!("{sight:?}"),
    }
}

#[tokio::test]
#[ignore = "not run: needs COUNTERSIGN_GITHUB, the file that `conformance/receivers/github.py double` writes"]
async fn issues_at_the_double() {
    let double = Double::new();
    assert!(matches!(double.issues("nobody").probe().await, Verdict::Settings(_)));
    let issues = double.issues(US);
    assert!(matches!(issues.probe().await, Verdict::Taken(Taken { remark: None, .. })));

    // What is in a finding, whatever it is.
    let mut runner = TestRunner::deterministic();
    for number in 1..=120 {
        let mut wanted = order(Action::Create);
        wanted.group = group(number);
        wanted.ticket.body = doc().new_tree(&mut runner).unwrap().current();
        wanted.ticket.title = hostile().new_tree(&mut runner).unwrap().current();
        wanted.ticket.labels = vec![hostile().new_tree(&mut runner).unwrap().current()];
        wanted.ticket.assignee = (number % 2 == 0).then(|| "mona".to_owned());
        created(&issues, &wanted).await;
    }
    let mut long = order(Action::Create);
    long.ticket.title = "🦀".repeat(400);
    long.ticket.body = said(&"🦀<&".repeat(40_000));
    long.group = group(500);
    created(&issues, &long).await;

    // An answer that is lost, while lists lag and then are empty: one issue.
    let mut wanted = order(Action::Create);
    wanted.ticket.title = HOSTILE.join(" ");
    let control = link(&group(1), "1", LinkStanding::Open);
    double.set(json!({"lose": 1, "lag_s": 3600})).await;
    let lost = issues.create(&wanted).await;
    assert!(matches!(lost, Verdict::Passing { is_unsure: true, .. }), "{lost:?}");
    assert!(matches!(issues.look(&wanted, Some(&control)).await, Sight::Blind(_)));
    assert!(matches!(issues.look(&wanted, None).await, Sight::Blind(_)));
    double.set(json!({"lag_s": 0, "lists_nothing": true})).await;
    assert!(matches!(issues.look(&wanted, Some(&control)).await, Sight::Blind(_)));
    double.set(json!({"lists_nothing": false})).await;
    let Sight::Found { reference: number, standing: LinkStanding::Open, .. } =
        issues.look(&wanted, Some(&control)).await
    else {
        panic!()
    };
    let other = Order { group: group(900), ..wanted.clone() };
    assert_eq!(issues.look(&other, Some(&control)).await, Sight::Absent);

    // What is asked for twice is done once.
    let at = |standing| link(&wanted.group, &number, standing);
    double.set(json!({"lose": 1})).await;
    let mut update = saying(Action::Update, "u1", "worse", None);
    update.ticket.labels = vec!["another".to_owned()];
    let verdict = issues.change(&update, &at(LinkStanding::Open)).await;
    assert!(matches!(verdict, Verdict::Passing { is_unsure: true, .. }), "{verdict:?}");
    update.attempts = 1;
    done(&issues, &update, &at(LinkStanding::Open)).await;
    done(&issues, &update, &at(LinkStanding::Open)).await;
    assert_eq!(double.comments(&number).await, 1);
    let mut close = saying(Action::Close, "u2", "mitigated", Some(Why::Mitigated));
    double.set(json!({"lose": 1})).await;
    let verdict = issues.change(&close, &at(LinkStanding::Open)).await;
    assert!(matches!(verdict, Verdict::Passing { is_unsure: true, .. }), "{verdict:?}");
    close.attempts = 1;
    done(&issues, &close, &at(LinkStanding::Open)).await;
    assert_eq!(double.comments(&number).await, 2);
    assert_eq!(standing(&issues, &wanted, Some(&control)).await, LinkStanding::ClosedOurs);
    let reopen = saying(Action::Reopen, "u3", "found again", None);
    done(&issues, &reopen, &at(LinkStanding::ClosedOurs)).await;
    assert_eq!(standing(&issues, &wanted, Some(&control)).await, LinkStanding::Open);

    // People's words.
    double.edit(&number, json!({"state": "closed", "state_reason": "not_planned"})).await;
    let close = saying(Action::Close, "u4", "fixed", Some(Why::Fixed));
    let verdict = issues.change(&close, &at(LinkStanding::Open)).await;
    assert_eq!(verdict, Verdict::Theirs(LinkStanding::RefusedTheirs));
    double.edit(&number, json!({"state": "open"})).await;
    double.edit(&number, json!({"state": "closed", "state_reason": "completed"})).await;
    assert_eq!(standing(&issues, &wanted, Some(&control)).await, LinkStanding::DoneTheirs);
    let reopen = saying(Action::Reopen, "u5", "again", None);
    done(&issues, &reopen, &at(LinkStanding::DoneTheirs)).await;
    done(&issues, &close, &at(LinkStanding::Open)).await;
    assert_eq!(standing(&issues, &wanted, Some(&control)).await, LinkStanding::ClosedOurs);
    let gone = issues.change(&close, &link(&group(901), "9999", LinkStanding::Open)).await;
    assert!(matches!(gone, Verdict::Gone(_)), "{gone:?}");

    // What GitHub refuses.
    double.set(json!({"refuse": 1, "retry_after": 90})).await;
    let verdict = issues.create(&other).await;
    assert!(
        matches!(verdict, Verdict::Passing { is_unsure: false, after_ms: Some(90_000), .. }),
        "{verdict:?}"
    );
    double.set(json!({"refuse": 1, "retry_after": 0})).await;
    let verdict = issues.create(&other).await;
    assert!(matches!(verdict, Verdict::Passing { after_ms: Some(_), .. }), "{verdict:?}");
    double.set(json!({"drop_labels": true})).await;
    let verdict = issues.create(&other).await;
    let Verdict::Taken(Taken { remark: Some(remark), .. }) = &verdict else {
        panic!("{verdict:?}")
    };
    assert!(remark.contains("labels: countersign"), "{remark}");
    assert!(
        matches!(issues.look(&other, Some(&control)).await, Sight::Found { .. }),
        "an issue is found without its label"
    );
    double.set(json!({"drop_labels": false, "renamed": "octo/store"})).await;
    let renamed =
        |verdict: &Verdict| matches!(verdict, Verdict::Settings(why) if why.contains("octo/store"));
    assert!(renamed(&issues.probe().await));
    let verdict = issues.create(&Order { group: group(902), ..wanted.clone() }).await;
    assert!(renamed(&verdict), "{verdict:?}");
    double.set(json!({"renamed": "", "hidden": true})).await;
    let verdict = issues.change(&close, &at(LinkStanding::Open)).await;
    assert!(matches!(verdict, Verdict::Settings(_)), "a hidden repository is not a lost issue");
    double.set(json!({"hidden": false})).await;

    // Each group has one issue, and nothing was against the description.
    let shown = double.shown().await;
    let held = shown["issues"].as_array().unwrap();
    assert_eq!(held.len(), 123);
    if let Ok(file) = std::env::var("COUNTERSIGN_EXPECTED") {
        let expected: Vec<_> = held
            .iter()
            .map(|issue| {
                json!({"number": issue["number"], "title": issue["title"],
                "state": issue["state"], "body": issue["body"]})
            })
            .collect();
        std::fs::write(file, json!(expected).to_string()).unwrap();
    }
}

/// The clock stands still, and goes on where something is waited for.
#[tokio::test(start_paused = true)]
#[ignore = "not run: needs COUNTERSIGN_GITHUB, the file that `conformance/receivers/github.py double` writes"]
async fn alerts_at_the_double() {
    let double = Double::new();
    let application = sample::application();
    let alerts = double.alerts(&application.name);
    assert_eq!(alerts.probe().await, Verdict::Taken(Taken::default()));
    let mut runner = TestRunner::deterministic();
    let rows = sample::made_up_rows(300).new_tree(&mut runner).unwrap().current();
    for rows in [&rows[..], &[]] {
        let content = alerts.render(&Whole { application: &application, rows }).unwrap();
        let verdict = alerts.send(&application, "uid", &content, 0).await;
        assert!(matches!(verdict, Verdict::Taken(Taken { remark: None, .. })), "{verdict:?}");
    }
    assert_eq!(alerts.probe().await, Verdict::Taken(Taken::default()));
    let empty = alerts.render(&Whole { application: &application, rows: &[] }).unwrap();
    double.set(json!({"fail_uploads": true})).await;
    let verdict = alerts.send(&application, "uid", &empty, 0).await;
    assert!(matches!(&verdict, Verdict::Refused(why) if why.contains("99 > 20")), "{verdict:?}");
    double.set(json!({"fail_uploads": false, "refuse": 1, "retry_after": 7})).await;
    let verdict = alerts.send(&application, "uid", &empty, 0).await;
    assert!(matches!(verdict, Verdict::Passing { after_ms: Some(7_000), .. }), "{verdict:?}");
    double.set(json!({"renamed": "octo/store"})).await;
    let verdict = alerts.send(&application, "uid", &empty, 0).await;
    assert!(
        matches!(&verdict, Verdict::Settings(why) if why.contains("octo/store")),
        "{verdict:?}"
    );
    double.set(json!({"renamed": ""})).await;

    let shown = double.shown().await;
    let uploads = shown["uploads"].as_array().unwrap();
    assert_eq!(uploads.len(), 3);
    let runs = |upload: &Value| upload["sarif"]["runs"].as_array().unwrap().clone();
    assert!(!runs(&uploads[0])[0]["results"].as_array().unwrap().is_empty());
    for upload in &uploads[1..] {
        assert_eq!((runs(upload).len(), &runs(upload)[0]["results"]), (1, &json!([])));
        assert_eq!(runs(upload)[0]["automationDetails"], runs(&uploads[0])[0]["automationDetails"]);
    }
}
