//! Issues: made once, brought to where they should be, and left to people where they are
//! theirs.

use countersign_deliveries::doc::{Block, Doc, Span};
use countersign_deliveries::receiver::{Order, Sight, Taken, Tickets, Verdict};
use countersign_deliveries::receivers::github_issues::{GitHubIssues, Settings};
use countersign_deliveries::ticket::{Ticket, Why};
use countersign_deliveries::wire::{Answer, Lost, Method};
use countersign_store::{Action, LinkRow, LinkStanding};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fake::{Fake, json as answer};
use crate::github::{Hub, US};

/// 2026-06-01T00:01:00Z.
const NOW_MS: i64 = 1_780_272_060_000;
const GROUP: &str = "0123456789abcdef0123";

fn settings() -> Settings {
    serde_json::from_value(json!({"repository": "octo/shop"})).unwrap()
}

fn issues(fake: &Fake) -> GitHubIssues {
    GitHubIssues::new(settings(), fake.access("ghp_secret\n")).unwrap()
}

fn ticket(text: &str) -> Ticket {
    Ticket {
        title: "SQL injection in Login.java".into(),
        body: Doc::default().paragraph(vec![Span::text(text)]),
        severity: 4,
        labels: vec!["team blue".into()],
        due: None,
        assignee: None,
        digest: "d".into(),
        comment: None,
        why: None,
    }
}

fn order(action: Action, ticket: Ticket) -> Order {
    Order {
        uid: "c29tZXRoaW5n".into(),
        group: GROUP.into(),
        action,
        ticket,
        attempts: 0,
        started_ms: None,
        now_ms: NOW_MS,
    }
}

fn again(order: Order) -> Order {
    Order { attempts: 1, started_ms: Some(NOW_MS - 60_000), ..order }
}

fn link(standing: LinkStanding) -> LinkRow {
    LinkRow {
        group: GROUP.into(),
        subject: "{}".into(),
        reference: "1".into(),
        url: None,
        digest: "d".into(),
        standing,
        is_remarked: false,
        created_ms: NOW_MS,
        changed_ms: NOW_MS,
    }
}

fn said(text: &str) -> Option<Doc> {
    Some(Doc::default().paragraph(vec![Span::text(text)]))
}

fn closing(why: Why) -> Order {
    let ticket = Ticket { why: Some(why), comment: said("It is over."), ..ticket("a") };
    order(Action::Close, ticket)
}

fn names(issue: &Value) -> Vec<String> {
    let labels = issue["labels"].as_array().unwrap().iter();
    labels.map(|label| label["name"].as_str().unwrap().to_owned()).collect()
}

/// A hub with one issue of ours.
async fn made() -> (Hub, Fake, GitHubIssues) {
    let hub = Hub::default();
    let fake = hub.fake();
    let issues = issues(&fake);
    let verdict = issues.create(&order(Action::Create, ticket("a"))).await;
    let url = "https://github.com/octo/shop/issues/1".to_owned();
    assert_eq!(verdict, Verdict::taken("1", Some(url)));
    (hub, fake, issues)
}

fn writes(fake: &Fake) -> usize {
    fake.asked().iter().filter(|asked| asked.method != Method::Get).count()
}

fn refusal(status: u16, headers: &[(&str, &str)], message: &str) -> Answer {
    let mut refusal = answer(status, json!({"message": message})).unwrap();
    refusal.headers.extend(headers.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    refusal
}

fn wait_of(verdict: &Verdict) -> Option<i64> {
    match verdict {
        Verdict::Passing { is_unsure: false, after_ms, .. } => *after_ms,
        _ => None,
    }
}

#[test]
fn settings_are_refused_in_words() {
    let fake = Hub::default().fake();
    let refused = |value: Value| {
        let settings: Settings = serde_json::from_value(value).unwrap();
        GitHubIssues::new(settings, fake.access("ghp_secret")).err().unwrap()
    };
    assert_eq!(
        refused(json!({"repository": "shop"})),
        "`shop` is not a repository\nhint: write `owner/name`"
    );
    for odd in ["a/b/c", "a/..", "/b", "a/", "a b/c", "a/b?c"] {
        assert!(refused(json!({"repository": odd})).contains("is not a repository"), "{odd}");
    }
    for odd in ["x", "http://example.com", "https://u:p@example.com", "https://example.com?a=b"] {
        let why = refused(json!({"repository": "a/b", "api_url": odd}));
        assert!(why.starts_with("`api_url`") && !why.contains("u:p"), "{why}");
    }
    let long = refused(json!({"repository": "a/b", "labels": ["x".repeat(51)]}));
    assert!(long.contains("1 to 50 characters"));
    assert!(serde_json::from_value::<Settings>(json!({"repository": "a/b", "repo": 1})).is_err());
    let ours: Settings = serde_json::from_value(
        json!({"repository": "A/b", "api_url": "https://example.com/api/v3/"}),
    )
    .unwrap();
    assert_eq!(ours.place(), "https://example.com/api/v3 a/b");
}

#[tokio::test]
async fn limits_are_waited_for() {
    let hub = Hub::default();
    let fake = hub.fake();
    let issues = issues(&fake);
    let reset = (NOW_MS / 1000 + 90).to_string();
    let now = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &*reset)];
    let slow = "You have exceeded a secondary rate limit.";
    for (refused, wait_ms) in [
        (refusal(403, &[("retry-after", "7")], slow), 7_000),
        (refusal(429, &[("retry-after", "7")], "slow"), 7_000),
        (refusal(403, &now, "API rate limit exceeded"), 90_000),
        (refusal(403, &[], slow), 60_000),
        (refusal(429, &[], ""), 60_000),
    ] {
        hub.set(|state| state.refuses = Some(refused));
        let verdict = issues.create(&order(Action::Create, ticket("a"))).await;
        assert_eq!(wait_of(&verdict), Some(wait_ms), "{verdict:?}");
    }
    assert_eq!(hub.issues(), Vec::<Value>::new());
}

#[tokio::test]
async fn refusals_are_in_the_words_of_github() {
    let hub = Hub::default();
    let fake = hub.fake();
    let issues = issues(&fake);
    let mut verdicts = Vec::new();
    for (status, message) in [
        (422, "body is too long"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (410, "Issues are disabled"),
        (401, "Bad credentials"),
        (500, "Oops"),
    ] {
        hub.set(|state| state.refuses = Some(refusal(status, &[], message)));
        verdicts.push(issues.create(&order(Action::Create, ticket("a"))).await);
    }
    let why = "it answered 500: Oops".to_owned();
    assert_eq!(
        verdicts,
        [
            Verdict::Refused("it answered 422: body is too long".into()),
            Verdict::Settings("it answered 403: Forbidden".into()),
            Verdict::Settings("it answered 404: Not Found".into()),
            Verdict::Settings("it answered 410: Issues are disabled".into()),
            Verdict::Settings("it answered 401: Bad credentials".into()),
            Verdict::Passing { why, is_unsure: true, after_ms: None },
        ]
    );
    hub.set(|state| state.refuses = Some(refusal(201, &[], "not an issue")));
    let verdict = issues.create(&order(Action::Create, ticket("a"))).await;
    assert!(matches!(verdict, Verdict::Passing { is_unsure: true, .. }), "{verdict:?}");
    hub.set(|state| state.refuses = Some(refusal(422, &[], &"x\u{202e}".repeat(5_000))));
    let Verdict::Refused(why) = issues.create(&order(Action::Create, ticket("a"))).await else {
        panic!()
    };
    assert!(why.chars().count() < 700 && !why.contains('\u{202e}'));
}

#[tokio::test]
async fn a_renamed_repository_says_its_new_name() {
    let fake = Fake::new(|asked| match asked.target().as_str() {
        "/repositories/7" => answer(200, json!({"full_name": "octo/store"})),
        _ => Ok(refusal(301, &[("location", "https://api.github.com/repositories/7")], "Moved")),
    });
    let verdict = issues(&fake).create(&order(Action::Create, ticket("a"))).await;
    let why = "the repository `octo/shop` was renamed to `octo/store`\nhint: write `octo/store` in the settings";
    assert_eq!(verdict, Verdict::Settings(why.into()));
    // The token is not taken to where somebody else says.
    let fake = Fake::new(|_| Ok(refusal(301, &[("location", "https://example.com/7")], "Moved")));
    let verdict = issues(&fake).create(&order(Action::Create, ticket("a"))).await;
    assert!(matches!(verdict, Verdict::Settings(_)));
    assert!(fake.asked().iter().all(|asked| asked.url.starts_with("https://api.github.com/")));
}

#[tokio::test]
async fn an_issue_is_made_with_its_marks() {
    let (hub, fake, _) = made().await;
    let issue = &hub.issues()[0];
    assert_eq!(issue["title"], "SQL injection in Login.java");
    assert_eq!(names(issue), ["countersign", "severity::high", "team blue"]);
    assert_eq!(
        issue["body"],
        "<!-- countersign:begin labels=countersign&severity%3A%3Ahigh&team+blue -->\na\n<!-- countersign:end -->\n\n<!-- countersign:0123456789abcdef0123:c29tZXRoaW5n -->"
    );
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn what_github_leaves_out_is_said() {
    let hub = Hub::default();
    hub.set(|state| state.drops = true);
    let fake = hub.fake();
    let assigned = Ticket { assignee: Some("mona".into()), ..ticket("a") };
    let issues = issues(&fake);
    let Verdict::Taken(Taken { remark: Some(remark), .. }) =
        issues.create(&order(Action::Create, assigned)).await
    else {
        panic!()
    };
    assert!(remark.ends_with("labels: countersign, severity::high, team blue; assignee: mona"));
    let Verdict::Taken(Taken { remark: Some(remark), .. }) = issues.probe().await else { panic!() };
    assert!(remark.contains("no push access"));
    // Its label is not there, and it is found all the same.
    let sight = issues.look(&again(order(Action::Create, ticket("a"))), None).await;
    assert!(matches!(sight, Sight::Found { .. }), "{sight:?}");
}

#[tokio::test]
async fn whom_github_does_not_know_is_left_out() {
    let hub = Hub::default();
    let fake = hub.fake();
    let assigned = Ticket { assignee: Some("nobody".into()), ..ticket("a") };
    let verdict = issues(&fake).create(&order(Action::Create, assigned)).await;
    let Verdict::Taken(Taken { remark: Some(remark), .. }) = verdict else { panic!("{verdict:?}") };
    assert!(remark.ends_with("assignee: nobody"), "{remark}");
    assert_eq!(hub.issues().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_looked_for() {
    let (hub, _, issues) = made().await;
    hub.edit(1, |issue| issue["updated_at"] = json!("2026-06-01T00:00:00Z"));
    let second = Order { uid: "second".into(), ..order(Action::Create, ticket("b")) };
    let control = link(LinkStanding::Open);
    assert_eq!(issues.look(&again(second.clone()), Some(&control)).await, Sight::Absent);
    hub.set(|state| state.loses = true);
    let verdict = issues.create(&second).await;
    assert!(matches!(verdict, Verdict::Passing { is_unsure: true, .. }), "{verdict:?}");
    let found = Sight::Found {
        reference: "2".into(),
        url: Some("https://github.com/octo/shop/issues/2".into()),
        standing: LinkStanding::Open,
    };
    assert_eq!(issues.look(&again(second.clone()), Some(&control)).await, found);
    assert_eq!(issues.look(&again(second.clone()), None).await, found);
    // A pull request whose author copied the text is none.
    hub.edit(2, |issue| issue["pull_request"] = json!({"url": "x"}));
    assert_eq!(issues.look(&again(second), Some(&control)).await, Sight::Absent);
}

#[tokio::test]
async fn an_empty_list_proves_nothing() {
    let (hub, _, issues) = made().await;
    hub.set(|state| state.lists = Some(0));
    let second = again(Order { uid: "second".into(), ..order(Action::Create, ticket("b")) });
    let control = link(LinkStanding::Open);
    let sight = issues.look(&second, Some(&control)).await;
    assert_eq!(sight, Sight::Blind("the list of issues does not show #1, which is there".into()));
    let sight = issues.look(&second, None).await;
    let why = "the list of issues is empty, and the repository has some";
    assert_eq!(sight, Sight::Blind(why.into()));
    hub.set(|state| state.lists = None);
    assert_eq!(issues.look(&second, Some(&control)).await, Sight::Absent);
    hub.edit(1, |issue| *issue = Value::Null);
    let sight = issues.look(&second, Some(&control)).await;
    assert_eq!(sight, Sight::Blind("the control: the issue was deleted".into()));
    hub.set(|state| state.is_hidden = true);
    let sight = issues.look(&second, Some(&control)).await;
    assert!(matches!(sight, Sight::Failed(Verdict::Settings(_))), "{sight:?}");
}

#[tokio::test]
async fn an_old_control_among_many_is_seen_and_so_is_an_issue_behind_a_page() {
    let (hub, _, issues) = made().await;
    hub.edit(1, |issue| {
        issue["created_at"] = json!("2020-01-01T00:00:00Z");
        issue["updated_at"] = json!("2020-01-01T00:00:00Z");
    });
    let mut other = hub.issues()[0].clone();
    for number in 2..=150 {
        other["number"] = json!(number);
        other["body"] = json!("by hand");
        other["created_at"] = json!(format!("2026-06-01T00:00:{:02}Z", number % 60));
        other["updated_at"] = other["created_at"].clone();
        hub.set(|state| state.issues.push(other.clone()));
    }
    let order = again(Order { uid: "second".into(), ..order(Action::Create, ticket("b")) });
    let control = link(LinkStanding::Open);
    assert_eq!(issues.look(&order, Some(&control)).await, Sight::Absent);
    let body = "<!-- countersign:0123456789abcdef0123:second -->";
    hub.edit(150, |issue| {
        issue["body"] = json!(body);
        issue["created_at"] = json!("2026-05-31T23:57:00Z");
    });
    let sight = issues.look(&order, Some(&control)).await;
    assert!(matches!(&sight, Sight::Found { reference, .. } if reference == "150"), "{sight:?}");
}

#[tokio::test]
async fn what_people_closed_is_theirs() {
    let (hub, fake, issues) = made().await;
    let before = writes(&fake);
    for (reason, standing) in [
        ("completed", LinkStanding::DoneTheirs),
        ("not_planned", LinkStanding::RefusedTheirs),
        ("duplicate", LinkStanding::RefusedTheirs),
    ] {
        hub.edit(1, |issue| {
            issue["state"] = json!("closed");
            issue["state_reason"] = json!(reason);
            issue["closed_by"] = json!({"login": "mona"});
        });
        let spoken = Ticket { comment: said("Scans still show it."), ..ticket("b") };
        for action in [Action::Update, Action::Comment, Action::Close, Action::Reopen] {
            let order = order(action, spoken.clone());
            let verdict = issues.change(&order, &link(LinkStanding::Open)).await;
            assert_eq!(verdict, Verdict::Theirs(standing), "{action:?}");
        }
        // A ghost closed it.
        hub.edit(1, |issue| issue["closed_by"] = Value::Null);
        let order = order(Action::Update, spoken);
        let verdict = issues.change(&order, &link(standing)).await;
        assert_eq!(verdict, Verdict::Theirs(standing));
    }
    assert_eq!(writes(&fake), before, "nothing was written");
    // What was decided knowing that.
    let spoken = Ticket { comment: said("Scans still show it."), ..ticket("a") };
    let verdict =
        issues.change(&order(Action::Comment, spoken), &link(LinkStanding::RefusedTheirs)).await;
    assert!(matches!(verdict, Verdict::Taken(_)), "{verdict:?}");
    assert_eq!((hub.comments().len(), &hub.issues()[0]["state"]), (1, &json!("closed")));
    let verdict = issues
        .change(&order(Action::Reopen, ticket("a")), &link(LinkStanding::RefusedTheirs))
        .await;
    assert!(matches!(verdict, Verdict::Taken(_)), "{verdict:?}");
    assert_eq!(hub.issues()[0]["state"], "open");
}

#[tokio::test]
async fn an_issue_is_closed_once_and_opened_again() {
    for (why, reason) in [
        (Why::Fixed, "completed"),
        (Why::FalsePositive, "not_planned"),
        (Why::Mitigated, "not_planned"),
        (Why::Vanished, "completed"),
    ] {
        let (hub, fake, issues) = made().await;
        issues.change(&closing(why), &link(LinkStanding::Open)).await;
        let issue = hub.issues()[0].clone();
        assert_eq!((&issue["state"], &issue["state_reason"]), (&json!("closed"), &json!(reason)));
        let methods: Vec<_> = fake.asked().iter().map(|asked| asked.method).collect();
        assert_eq!(methods[2..], [Method::Patch, Method::Post], "the state first");
        assert_eq!(
            hub.comments()[0]["body"],
            "It is over.\n\n<!-- countersign:0123456789abcdef0123:c29tZXRoaW5n -->"
        );
        let reopening = order(Action::Reopen, ticket("a"));
        issues.change(&reopening, &link(LinkStanding::ClosedOurs)).await;
        assert_eq!(hub.issues()[0]["state"], "open");
        let before = writes(&fake);
        issues.change(&reopening, &link(LinkStanding::ClosedOurs)).await;
        assert_eq!(writes(&fake), before, "it is open");
    }
}

#[tokio::test]
async fn a_comment_is_looked_for_before_it_is_made_again() {
    let (hub, fake, issues) = made().await;
    hub.set(|state| state.loses = true);
    let verdict = issues.change(&closing(Why::Fixed), &link(LinkStanding::Open)).await;
    assert!(matches!(verdict, Verdict::Passing { is_unsure: true, .. }), "{verdict:?}");
    assert_eq!(hub.comments().len(), 0);
    hub.set(|state| state.refuses = None);
    // The state is there; now the comment's answer is lost.
    hub.set(|state| state.loses = true);
    let verdict = issues.change(&again(closing(Why::Fixed)), &link(LinkStanding::Open)).await;
    assert!(matches!(verdict, Verdict::Passing { is_unsure: true, .. }), "{verdict:?}");
    let before = writes(&fake);
    let verdict = issues.change(&again(closing(Why::Fixed)), &link(LinkStanding::Open)).await;
    assert!(matches!(verdict, Verdict::Taken(_)), "{verdict:?}");
    assert_eq!((hub.comments().len(), writes(&fake)), (1, before));
}

#[tokio::test]
async fn a_text_that_people_edited_is_kept() {
    let (hub, fake, issues) = made().await;
    hub.edit(1, |issue| {
        let body = issue["body"].as_str().unwrap().replace('\n', "\r\n");
        issue["body"] = json!(format!("Above.\r\n{body}\r\nBelow."));
        issue["title"] = json!("A better title");
        issue["labels"] =
            json!([{"name": "countersign"}, {"name": "severity::high"}, {"name": "triaged"}]);
    });
    let before = writes(&fake);
    issues.change(&order(Action::Update, ticket("a")), &link(LinkStanding::Open)).await;
    assert_eq!(writes(&fake), before, "nothing differs");
    let worse =
        Ticket { severity: 5, labels: vec!["team blue".into(), "new one".into()], ..ticket("b") };
    issues.change(&order(Action::Update, worse), &link(LinkStanding::Open)).await;
    let issue = hub.issues()[0].clone();
    let body = issue["body"].as_str().unwrap();
    assert!(body.starts_with("Above.\r\n<!-- countersign:begin"), "{body}");
    assert!(body.ends_with("<!-- countersign:0123456789abcdef0123:c29tZXRoaW5n -->\r\nBelow."));
    assert!(body.contains(" -->\nb\n<!-- countersign:end -->"));
    assert_eq!(issue["title"], "A better title");
    let kept = ["countersign", "triaged", "severity::very-high", "new one"];
    assert_eq!(names(&issue), kept, "`team blue` was removed by people and stays so");
    // Without the marks nothing is ours but the state.
    hub.edit(1, |issue| issue["body"] = json!("All mine."));
    let verdict =
        issues.change(&order(Action::Update, ticket("c")), &link(LinkStanding::Open)).await;
    let Verdict::Taken(Taken { remark: Some(remark), .. }) = verdict else { panic!("{verdict:?}") };
    assert!(remark.contains("removed the marks"));
    assert_eq!(hub.issues()[0]["body"], "All mine.");
}

#[tokio::test]
async fn what_is_gone_is_gone_only_where_the_repository_is_there() {
    let (hub, _, issues) = made().await;
    let update = order(Action::Update, ticket("b"));
    let second = LinkRow { reference: "2".into(), ..link(LinkStanding::Open) };
    assert!(matches!(issues.change(&update, &second).await, Verdict::Gone(_)));
    hub.edit(1, |issue| *issue = Value::Null);
    let verdict = issues.change(&update, &link(LinkStanding::Open)).await;
    assert_eq!(verdict, Verdict::Gone("the issue was deleted".into()));
    hub.set(|state| state.is_hidden = true);
    let verdict = issues.change(&update, &link(LinkStanding::Open)).await;
    assert!(matches!(verdict, Verdict::Settings(_)), "{verdict:?}");
}

#[tokio::test]
async fn an_app_knows_its_own_issues() {
    let hub = Hub::default();
    hub.set(|state| state.is_app = true);
    let fake = hub.fake();
    let issues = issues(&fake);
    issues.create(&order(Action::Create, ticket("a"))).await;
    issues.change(&closing(Why::Fixed), &link(LinkStanding::Open)).await;
    let verdict =
        issues.change(&order(Action::Reopen, ticket("a")), &link(LinkStanding::ClosedOurs)).await;
    assert!(matches!(verdict, Verdict::Taken(_)), "{verdict:?}");
    let sight = issues.look(&again(order(Action::Create, ticket("a"))), None).await;
    assert!(matches!(sight, Sight::Found { .. }), "{sight:?}");
    assert!(fake.asked().iter().all(|asked| !asked.url.contains("creator=")));
}

#[tokio::test]
async fn the_lists_are_asked_by_creator_state_and_time() {
    let (_, fake, issues) = made().await;
    issues.look(&again(order(Action::Create, ticket("x"))), None).await;
    let asked: Vec<_> = fake.asked().iter().map(crate::fake::Asked::target).collect();
    let list = format!(
        "/repos/octo/shop/issues?labels=countersign&creator={US}&state=all&sort=created&direction=desc&since=2026-05-31T23%3A55%3A00Z&per_page=100&page=1"
    );
    assert_eq!(asked[1..], ["/user".to_owned(), list]);
}

#[tokio::test]
async fn a_read_that_fails_left_nothing_behind() {
    let fake = Fake::new(|_| Err(Lost::Unsure("reset".into())));
    let verdict = issues(&fake).change(&closing(Why::Fixed), &link(LinkStanding::Open)).await;
    assert_eq!(verdict, Verdict::later("reset"));
    assert!(matches!(issues(&fake).probe().await, Verdict::Passing { is_unsure: false, .. }));
}

proptest! {
    #[test]
    fn no_text_is_over_the_limits(
        title in "\\PC{0,400}",
        text in "[a@#`\u{202e}🎈\n]{0,4000}",
        times in 1..40_usize,
    ) {
        let long = text.repeat(times);
        let blocks = vec![Block::Code { text: long.clone() }, Block::Paragraph { spans: vec![Span::Text { text: long }] }];
        let body = Doc { blocks };
        let long = Ticket { title, comment: Some(body.clone()), body, ..ticket("") };
        let hub = Hub::default();
        let fake = hub.fake();
        let issues = issues(&fake);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // The hub refuses what is too long by panicking.
        let verdict = runtime.block_on(issues.create(&order(Action::Create, long.clone())));
        prop_assert!(matches!(verdict, Verdict::Taken(_)), "{:?}", verdict);
        runtime.block_on(issues.change(&order(Action::Comment, long), &link(LinkStanding::Open)));
        prop_assert!(hub.comments()[0]["body"].as_str().unwrap().encode_utf16().count() <= 65_536);
        prop_assert!(hub.comments()[0]["body"].as_str().unwrap().ends_with("c29tZXRoaW5n -->"));
    }
}
