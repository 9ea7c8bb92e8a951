//! Jira: what its answers mean, and a whole journey with a double that Atlassian's schema of
//! its document format and PyPI's client of Jira keep honest.

use countersign_deliveries::receiver::{Order, Sight, Tickets, Verdict};
use countersign_deliveries::receivers::jira::{Jira, Settings, new};
use countersign_deliveries::ticket::Why;
use countersign_deliveries::wire::{Answer, Lost, Method, Request, Wire};
use countersign_store::{Action, LinkRow, LinkStanding};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::fake::{Asked, Fake, json};
use crate::tcp::{Tcp, access, ready};
use crate::tickets::{GROUP, HOSTILE, OTHER, UID, doc, done, hostile, link, order, saying};

const URL: &str = "https://jira.example.com/ctx";

fn settings(change: Value) -> Settings {
    let mut all =
        json!({ "url": URL, "edition": "cloud", "user": "me@example.com", "project": "APP" });
    all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

const CLOUD: &str = "/ctx/rest/api/3/";

/// Answers what any Jira does, and leaves the rest to the test, by path and query.
fn jira(
    change: Value,
    mut answer: impl FnMut(&Asked, &str) -> Option<(u16, Value)> + Send + 'static,
) -> (Jira, Fake) {
    let fake = Fake::new(move |asked| {
        let target = asked.target();
        let path = target.strip_prefix(CLOUD).or(target.strip_prefix("/ctx/rest/api/2/")).unwrap();
        let (status, body) = answer(asked, path).unwrap_or_else(|| standing(path));
        json(status, body)
    });
    (new(settings(change), fake.access("the-token")).unwrap(), fake)
}

fn standing(target: &str) -> (u16, Value) {
    let body = match target.split('?').next().unwrap() {
        "myself" => json!({ "accountId": "us" }),
        "project/APP" => json!({ "id": "1", "key": "APP" }),
        "issue/createmeta/APP/issuetypes" => {
            json!({ "issueTypes": [{ "id": "9", "name": "Bug" }], "total": 1 })
        }
        "issue/createmeta/APP/issuetypes/9" => screen(&["labels", "description", "priority"]),
        "search/jql" | "search" => json!({ "issues": [] }),
        "mypermissions" => {
            json!({ "permissions": { "BROWSE_PROJECTS": { "havePermission": false } } })
        }
        path => panic!("{path} is not expected"),
    };
    (200, body)
}

fn screen(fields: &[&str]) -> Value {
    let field = |id: &&str| {
        let allowed = json!([{ "name": "High" }, { "name": "Highest" }]);
        match *id {
            "priority" => json!({ "fieldId": id, "name": id, "allowedValues": allowed }),
            id => json!({ "fieldId": id, "name": format!("The {id}"),
                "required": id.starts_with("custom") }),
        }
    };
    let fields: Vec<_> = fields.iter().map(field).collect();
    json!({ "total": fields.len(), "fields": fields })
}

fn issue(status: (&str, &str), resolution: Option<&str>, movers: &[&str]) -> Value {
    let moves = movers.iter().enumerate().map(|(at, who)| {
        json!({ "id": (at + 9).to_string(), "author": { "accountId": who },
            "items": [{ "field": "status" }] })
    });
    let histories: Vec<_> = moves.rev().collect();
    json!({
        "id": "7", "key": "APP-1",
        "fields": {
            "status": { "name": status.0, "statusCategory": { "key": status.1 } },
            "resolution": resolution.map(|name| json!({ "name": name })),
        },
        "changelog": { "total": histories.len(), "histories": histories },
    })
}

fn open_link() -> LinkRow {
    link(GROUP, "7", LinkStanding::Open)
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for (change, word) in [
        (json!({ "url": "https://a:b@example.com" }), "secret"),
        (json!({ "url": "https://example.com/?token=x" }), "address"),
        (json!({ "project": "A\" OR project = B" }), "key of a project"),
        (json!({ "priorities": { "very high": "x" } }), "0 to 5"),
        (json!({ "labels": ["a b"] }), "blank"),
        (json!({ "fields": { "labels": [] } }), "fields.labels"),
    ] {
        let why = new(settings(change), access("k")).map(|_| ()).unwrap_err();
        assert!(why.contains(word) && !why.contains("token=x") && !why.contains(":b@"), "{why}");
    }
    assert_eq!(
        settings(json!({ "url": "https://u:p@example.com/r/?k=v" })).place(),
        "https://example.com/r APP"
    );
}

#[tokio::test]
async fn what_every_issue_lacks_is_a_matter_of_settings() {
    for (fields, word) in [
        (screen(&["description", "priority"]), "labels"),
        (
            screen(&["labels", "description", "customfield_1"]),
            "The customfield_1 (`customfield_1`)",
        ),
    ] {
        let (jira, fake) = jira(json!({}), move |_, path| {
            path.starts_with("issue/createmeta/APP/issuetypes/9").then(|| (200, fields.clone()))
        });
        let verdict = jira.create(&order(Action::Create)).await;
        assert!(matches!(&verdict, Verdict::Settings(why) if why.contains(word)), "{verdict:?}");
        assert!(fake.asked().iter().all(|asked| asked.method == Method::Get));
    }
    let (jira_, _) = jira(json!({ "issue_type": "Story" }), |_, _| None);
    let verdict = jira_.create(&order(Action::Create)).await;
    assert!(matches!(&verdict, Verdict::Settings(why) if why.contains("only: Bug")), "{verdict:?}");
    for (errors, is_settings) in [
        (json!({ "customfield_1": "Cost centre is required." }), true),
        (json!({ "description": "CONTENT_LIMIT_EXCEEDED" }), false),
    ] {
        let (jira, _) = jira(json!({}), move |asked, _| {
            (asked.method == Method::Post).then(|| (400, json!({ "errors": errors })))
        });
        let verdict = jira.create(&order(Action::Create)).await;
        assert_eq!(matches!(verdict, Verdict::Settings(_)), is_settings, "{verdict:?}");
        assert_eq!(matches!(verdict, Verdict::Refused(_)), !is_settings, "{verdict:?}");
    }
}

#[tokio::test]
async fn a_new_issue_carries_its_marks_and_what_the_screen_has() {
    let (jira, fake) = jira(
        json!({ "labels": ["sec"], "fields": { "components": [{ "id": "3" }] } }),
        |asked, _| {
            let is_first =
                asked.method == Method::Post && asked.json()["fields"].get("assignee").is_some();
            match (asked.method, is_first) {
                (Method::Post, true) => {
                    Some((400, json!({ "errors": { "assignee": "no such user" } })))
                }
                (Method::Post, false) => Some((201, json!({ "id": "7", "key": "APP-1" }))),
                _ if asked.target().contains("issuetypes/9") => {
                    Some((200, screen(&["labels", "description", "priority", "assignee"])))
                }
                _ => None,
            }
        },
    );
    let mut wanted = order(Action::Create);
    wanted.ticket.severity = 2;
    wanted.ticket.due = Some("2026-12-24".to_owned());
    wanted.ticket.assignee = Some("nobody".to_owned());
    wanted.ticket.labels = vec!["very high".to_owned(), format!("countersign-{OTHER}")];
    let Verdict::Taken(taken) = jira.create(&wanted).await else { panic!() };
    assert_eq!(taken.reference.as_deref(), Some("7"));
    assert_eq!(taken.url.as_deref(), Some("https://jira.example.com/ctx/browse/APP-1"));
    let remark = taken.remark.unwrap();
    for word in ["duedate", "assignee", "priority Low"] {
        assert!(remark.contains(word), "{remark}");
    }
    let asked = fake.asked();
    let sent = asked.last().unwrap();
    assert_eq!(sent.header("authorization"), Some("Basic bWVAZXhhbXBsZS5jb206dGhlLXRva2Vu"));
    let sent = sent.json();
    assert_eq!(
        sent["fields"]["labels"],
        json!(["countersign", format!("countersign-{GROUP}"), "sec", "very-high"])
    );
    assert_eq!(sent["fields"]["components"], json!([{ "id": "3" }]));
    let property = json!({ "key": GROUP, "send": UID, "digest": "d1" });
    assert_eq!(sent["properties"], json!([{ "key": "countersign", "value": property }]));
    assert_eq!(sent["fields"]["description"]["type"], "doc");
    let reads = asked.iter().filter(|asked| asked.target().contains("createmeta")).count();
    let _ = jira.create(&wanted).await;
    let again = fake.asked().iter().filter(|asked| asked.target().contains("createmeta")).count();
    assert_eq!((reads, again), (2, 2), "read once");
}

#[tokio::test]
async fn an_answer_without_an_id_is_unsure() {
    for (status, body) in [(201, json!({})), (502, json!({})), (504, json!("html"))] {
        let (jira, _) = jira(json!({}), move |asked, _| {
            (asked.method == Method::Post).then(|| (status, body.clone()))
        });
        let verdict = jira.create(&order(Action::Create)).await;
        assert!(matches!(verdict, Verdict::Passing { is_unsure: true, .. }), "{verdict:?}");
    }
}

#[tokio::test]
async fn limits_say_how_long_to_wait() {
    let now = order(Action::Create).now_ms;
    let reset = jiff::Timestamp::from_millisecond(now + 90_000).unwrap().to_string();
    for (header, value, expected) in [
        ("retry-after", "7", 7_000),
        ("x-ratelimit-reset", reset.as_str(), 90_000),
        ("x-ratelimit-interval-seconds", "2", 2_000),
    ] {
        let headers = vec![(header.to_owned(), value.to_owned())];
        let fake = Fake::new(move |_| {
            Ok(Answer { status: 429, headers: headers.clone(), body: Vec::new() })
        });
        let jira = new(settings(json!({})), fake.access("t")).unwrap();
        let Verdict::Passing { after_ms, is_unsure, .. } = jira.probe().await else { panic!() };
        // Nothing else tells a probe the time.
        let expected = if header == "x-ratelimit-reset" { 3_600_000 } else { expected };
        assert_eq!((after_ms, is_unsure), (Some(expected), false), "{header}");
    }
}

#[tokio::test]
async fn nothing_found_is_no_proof() {
    let (blind, _) = jira(json!({}), |_, _| None);
    let sight = blind.look(&order(Action::Create), None).await;
    assert!(matches!(sight, Sight::Blind(_)), "may not browse: {sight:?}");
    let sight =
        blind.look(&order(Action::Create), Some(&link(OTHER, "3", LinkStanding::Open))).await;
    assert!(matches!(sight, Sight::Blind(_)), "{sight:?}");
    let (refused, _) =
        jira(json!({}), |_, path| path.starts_with("search").then(|| (400, json!({}))));
    let sight = refused.look(&order(Action::Create), None).await;
    assert!(matches!(sight, Sight::Failed(Verdict::Settings(_))), "{sight:?}");
    // A search that shows anything is not believed either.
    let (seeing, fake) = jira(json!({ "edition": "data_center", "user": null }), |_, path| {
        let labels = json!({ "labels": [format!("countersign-{OTHER}")] });
        (path == "search").then(|| (200, json!({ "issues": [{ "id": "3", "fields": labels }] })))
    });
    let control = link(OTHER, "3", LinkStanding::Open);
    assert_eq!(seeing.look(&order(Action::Create), Some(&control)).await, Sight::Absent);
    let asked = &fake.asked()[0];
    assert_eq!(asked.header("authorization"), Some("Bearer the-token"));
    let jql = format!("project = \"APP\" AND labels = \"countersign-{GROUP}\"");
    assert_eq!(asked.json()["jql"], json!(jql));
}

#[tokio::test]
async fn a_token_that_lost_its_rights_makes_nothing_gone() {
    for (path_, status) in [("myself", 401), ("project/APP", 404)] {
        let (jira, _) = jira(json!({}), move |_, path| match path {
            path if path.starts_with("issue/7") => Some((404, json!({}))),
            path if path == path_ => Some((status, json!({}))),
            _ => None,
        });
        let verdict = jira.change(&order(Action::Update), &open_link()).await;
        assert!(matches!(verdict, Verdict::Settings(_)), "{verdict:?}");
    }
    let (jira, _) =
        jira(json!({}), |_, path| path.starts_with("issue/7").then(|| (404, json!({}))));
    let verdict = jira.change(&order(Action::Update), &open_link()).await;
    assert!(matches!(verdict, Verdict::Gone(_)), "{verdict:?}");
}

#[tokio::test]
async fn who_closed_it_is_read_first() {
    use LinkStanding::{DoneTheirs, RefusedTheirs};
    for (status, resolution, movers, expected) in [
        ("Done", None, &["us", "them"][..], DoneTheirs),
        ("Done", Some("Duplicate"), &["them"], RefusedTheirs),
        ("Won't Do", None, &["them"], RefusedTheirs),
        ("Done", None, &[], DoneTheirs),
    ] {
        let (jira, fake) = jira(json!({}), move |_, path| {
            let issue = issue((status, "done"), resolution, movers);
            path.starts_with("issue/7?").then_some((200, issue))
        });
        let close = saying(Action::Close, UID, "fixed", Some(Why::Fixed));
        assert_eq!(jira.change(&close, &open_link()).await, Verdict::Theirs(expected));
        assert!(fake.asked().iter().all(|asked| asked.method == Method::Get));
    }
}

#[tokio::test]
async fn the_end_of_a_long_history_is_asked_for() {
    let (jira, fake) = jira(json!({}), |_, path| {
        let mut issue = issue(("Done", "done"), None, &["them"]);
        issue["changelog"]["total"] = json!(500);
        let last = json!({ "id": "900", "author": { "accountId": "us" }, "items": [{ "field": "status" }] });
        match path.split('?').next().unwrap() {
            "issue/7" => Some((200, issue)),
            "issue/7/changelog" => Some((200, json!({ "values": [last] }))),
            _ => None,
        }
    });
    let close = order(Action::Close);
    assert!(matches!(jira.change(&close, &open_link()).await, Verdict::Taken(_)), "closed by us");
    assert!(fake.asked().iter().any(|asked| asked.target().contains("startAt=400")));
}

/// A workflow of two statuses, and what was posted.
async fn moved(
    change: Value,
    order: &Order,
    link: &LinkRow,
    status: (&'static str, &'static str),
) -> (Verdict, Vec<Value>) {
    let (jira, fake) = jira(change, move |asked, path| {
        let to = |name: &str, key: &str| json!({ "name": name, "statusCategory": { "key": key } });
        let screen = json!({ "resolution": { "allowedValues": [{ "name": "Fixed" }, { "name": "Won't Do" }] } });
        let ways = json!({ "transitions": [
            { "id": "1", "name": "Drop", "to": to("Won't Do", "done"), "fields": screen },
            { "id": "2", "name": "Finish", "to": to("Done", "done"), "fields": screen },
            { "id": "3", "name": "Archive", "to": to("Archived", "done"), "fields": {} },
            { "id": "4", "name": "Go on", "to": to("Doing", "indeterminate"), "fields": {} },
            { "id": "5", "name": "Back", "to": to("To Do", "new"), "fields": {} },
        ] });
        match (asked.method, path.split('?').next().unwrap()) {
            (Method::Post, "issue/7/transitions") => Some((204, json!({}))),
            (Method::Post, "issue/7/comment") => Some((201, json!({ "id": "8" }))),
            (_, "issue/7/transitions") => Some((200, ways)),
            (_, "issue/7") => Some((200, issue(status, None, &["us"]))),
            _ => None,
        }
    });
    let verdict = jira.change(order, link).await;
    let posted = fake.asked().into_iter().filter(|asked| asked.method == Method::Post);
    (verdict, posted.map(|asked| asked.json()).collect())
}

#[tokio::test]
async fn the_way_is_chosen_by_name_or_by_where_it_leads() {
    let open = ("Doing", "indeterminate");
    let close = |why| saying(Action::Close, UID, "over", Some(why));
    let reopen = saying(Action::Reopen, UID, "again", None);
    let ours = link(GROUP, "7", LinkStanding::ClosedOurs);
    let went = |posted: &[Value]| posted[0].clone();
    for (change, why, expected) in [
        (
            json!({}),
            Why::Fixed,
            json!({ "transition": { "id": "2" }, "fields": { "resolution": { "name": "Fixed" } } }),
        ),
        (
            json!({}),
            Why::FalsePositive,
            json!({ "transition": { "id": "1" }, "fields": { "resolution": { "name": "Won't Do" } } }),
        ),
        (
            json!({ "done_transition": "Archive" }),
            Why::Fixed,
            json!({ "transition": { "id": "3" } }),
        ),
        (
            json!({ "resolution": "Own" }),
            Why::Fixed,
            json!({ "transition": { "id": "2" }, "fields": { "resolution": { "name": "Own" } } }),
        ),
    ] {
        let (verdict, posted) = moved(change, &close(why), &open_link(), open).await;
        assert!(matches!(verdict, Verdict::Taken(_)), "{verdict:?}");
        assert_eq!(went(&posted), expected);
        assert!(
            posted[1]["body"].to_string().contains(&format!("countersign-{UID}")),
            "comment after"
        );
    }
    let (_, posted) = moved(json!({}), &reopen, &ours, ("Done", "done")).await;
    assert_eq!(went(&posted), json!({ "transition": { "id": "5" } }));
    let named = json!({ "reopen_transition": "Go on" });
    let (_, posted) = moved(named, &reopen, &ours, ("Done", "done")).await;
    assert_eq!(went(&posted), json!({ "transition": { "id": "4" } }));
    let (_, posted) = moved(json!({}), &close(Why::Fixed), &open_link(), ("Done", "done")).await;
    assert_eq!(posted.len(), 1, "closed already: only said");
}

/// What is done there beside us.
async fn asked(server: &Value, who: &str, method: Method, path: &str, body: Value) -> Value {
    let (user, token) =
        (server[who]["user"].as_str().unwrap(), server[who]["token"].as_str().unwrap());
    let both = data_encoding::BASE64.encode(format!("{user}:{token}").as_bytes());
    let url = format!("{}{path}", server["url"].as_str().unwrap()).parse().unwrap();
    let request = Request::new(method, url).header("authorization", format!("Basic {both}"));
    let request = if method == Method::Get { request } else { request.json(&body) };
    let answer: Result<Answer, Lost> = Tcp.ask(request).await;
    let answer = answer.unwrap();
    assert!(answer.is_success(), "{}", String::from_utf8_lossy(&answer.body));
    answer.json().unwrap_or_default()
}

async fn knob(server: &Value, knobs: Value) -> Value {
    asked(server, "robot", Method::Post, "/double", knobs).await
}

async fn go(server: &Value, id: &str, way: &str) {
    let body = json!({ "transition": { "id": way } });
    asked(server, "person", Method::Post, &format!("/rest/api/3/issue/{id}/transitions"), body)
        .await;
}

#[tokio::test]
#[ignore = "not run: needs COUNTERSIGN_JIRA, the file that `conformance/receivers/jira.py double` writes"]
async fn the_double() {
    let server = ready("COUNTERSIGN_JIRA", "conformance/receivers/jira.py double");
    let robot = |field: &str| server["robot"][field].as_str().unwrap();
    let ours = settings(json!({ "url": server["url"], "user": robot("user") }));
    let jira = new(ours.clone(), access(robot("token"))).unwrap();
    let strange = new(ours, access("not-a-token")).unwrap();
    assert!(matches!(strange.probe().await, Verdict::Settings(_)));
    assert_eq!(jira.probe().await, Verdict::Taken(Default::default()));

    // Every run has groups of its own, all of which the schema judges.
    let mut runner = TestRunner::deterministic();
    let base = u64::from(std::process::id()) << 32;
    for number in 1..100 {
        let mut wanted = order(Action::Create);
        wanted.group = format!("{:020x}", base + number);
        wanted.ticket.body = doc().new_tree(&mut runner).unwrap().current();
        wanted.ticket.title = hostile().new_tree(&mut runner).unwrap().current();
        wanted.ticket.labels = vec![hostile().new_tree(&mut runner).unwrap().current()];
        let verdict = jira.create(&wanted).await;
        assert!(matches!(verdict, Verdict::Taken(_)), "{verdict:?} {:?}", wanted.ticket);
    }

    // An answer that is lost, while the search lags: one issue.
    let mut wanted = order(Action::Create);
    wanted.group = format!("{base:020x}");
    wanted.ticket.title = HOSTILE.join(" ");
    let first = format!("{:020x}", base + 1);
    let Sight::Found { reference, .. } =
        jira.look(&Order { group: first.clone(), ..wanted.clone() }, None).await
    else {
        panic!()
    };
    let control = link(&first, &reference, LinkStanding::Open);
    knob(&server, json!({ "lag": 2, "lose": 1 })).await;
    assert!(matches!(jira.create(&wanted).await, Verdict::Passing { is_unsure: true, .. }));
    knob(&server, json!({ "blind": true, "lag": 0 })).await;
    assert!(matches!(jira.look(&wanted, Some(&control)).await, Sight::Blind(_)));
    knob(&server, json!({ "blind": false })).await;
    let Sight::Found { reference: id, standing, .. } = jira.look(&wanted, Some(&control)).await
    else {
        panic!()
    };
    assert_eq!(standing, LinkStanding::Open);
    knob(&server, json!({ "lag": 3 })).await;
    let mut late = wanted.clone();
    late.group = format!("{:020x}", base + 500);
    assert!(matches!(jira.create(&late).await, Verdict::Taken(_)));
    assert_eq!(jira.look(&late, Some(&control)).await, Sight::Absent, "not shown yet");
    knob(&server, json!({ "lag": 0 })).await;
    assert!(matches!(jira.look(&late, Some(&control)).await, Sight::Absent | Sight::Found { .. }));

    let at = |standing| link(&wanted.group, &id, standing);
    let comments = async || {
        let path = format!("/rest/api/3/issue/{id}/comment");
        asked(&server, "person", Method::Get, &path, Value::Null).await["total"].as_u64().unwrap()
    };
    // The answer to a comment is lost: it is not said twice.
    knob(&server, json!({ "lose": 1 })).await;
    let mut update = saying(Action::Update, "u1", "worse", None);
    assert!(matches!(
        jira.change(&update, &at(LinkStanding::Open)).await,
        Verdict::Passing { is_unsure: true, .. }
    ));
    update.attempts = 1;
    done(&jira, &update, &at(LinkStanding::Open)).await;
    assert_eq!(comments().await, 1);
    // The answer to the transition is lost: closed by us, and said once.
    knob(&server, json!({ "lose": 1 })).await;
    let mut close = saying(Action::Close, "u2", "mitigated", Some(Why::Mitigated));
    assert!(matches!(jira.change(&close, &at(LinkStanding::Open)).await, Verdict::Passing { .. }));
    close.attempts = 1;
    done(&jira, &close, &at(LinkStanding::Open)).await;
    assert_eq!(comments().await, 2);
    let seen = async || match jira.look(&wanted, None).await {
        Sight::Found { standing, .. } => standing,
        sight => panic!("{sight:?}"),
    };
    assert_eq!(seen().await, LinkStanding::ClosedOurs);
    let reopen = saying(Action::Reopen, "u3", "found again", None);
    done(&jira, &reopen, &at(LinkStanding::ClosedOurs)).await;
    assert_eq!(seen().await, LinkStanding::Open);
    go(&server, &id, "12").await;
    let close = saying(Action::Close, "u4", "fixed", Some(Why::Fixed));
    assert_eq!(
        jira.change(&close, &at(LinkStanding::Open)).await,
        Verdict::Theirs(LinkStanding::RefusedTheirs)
    );
    go(&server, &id, "41").await;
    go(&server, &id, "13").await;
    assert_eq!(seen().await, LinkStanding::DoneTheirs);
    done(&jira, &saying(Action::Reopen, "u5", "again", None), &at(LinkStanding::DoneTheirs)).await;
    done(&jira, &close, &at(LinkStanding::Open)).await;
    assert_eq!((seen().await, comments().await), (LinkStanding::ClosedOurs, 5));
    let gone = jira.change(&close, &link(GROUP, "1", LinkStanding::Open)).await;
    assert!(matches!(gone, Verdict::Gone(_)), "{gone:?}");

    // A project that is set up anew.
    knob(
        &server,
        json!({ "required": { "customfield_7": "Cost centre" }, "missing": ["priority"] }),
    )
    .await;
    let late = Order { group: format!("{:020x}", base + 600), ..wanted.clone() };
    assert!(matches!(jira.create(&late).await, Verdict::Settings(_)), "refused, and read anew");
    let verdict = jira.create(&late).await;
    assert!(
        matches!(&verdict, Verdict::Settings(why) if why.contains("Cost centre")),
        "{verdict:?}"
    );
    knob(&server, json!({ "required": {}, "missing": [] })).await;
}
