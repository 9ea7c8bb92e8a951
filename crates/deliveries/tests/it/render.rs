//! What tickets, comments and summaries say.

use countersign_deliveries::doc::{Block, Doc, Span};
use countersign_deliveries::group::{Grouping, Kind, Subject};
use countersign_deliveries::receiver::Event;
use countersign_deliveries::render::comment::{self, Changed};
use countersign_deliveries::render::digest::Summing;
use countersign_deliveries::render::rules::Template;
use countersign_deliveries::render::ticket::{BODY_CHARS, MEMBERS, TITLE_CHARS};
use countersign_deliveries::render::{Member, TicketRules, ticket};
use countersign_deliveries::ticket::Why;
use countersign_findings::{Annotation, Application, Severity, State};
use countersign_store::ChangeKind;
use countersign_text::is_odd;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use url::Url;

use crate::sample::{
    DAY_MS, NOW_MS, application, change, flaw, known, made_up_rows, member, row, row_of, rules,
    ticket_of,
};

/// All that a text says, with its links.
fn spans(doc: &Doc) -> Vec<&Span> {
    doc.blocks
        .iter()
        .flat_map(|block| match block {
            Block::Heading { .. } | Block::Code { .. } => Vec::new(),
            Block::Paragraph { spans } => spans.iter().collect::<Vec<_>>(),
            Block::List { items } => items.iter().flatten().collect(),
            Block::Table { rows, .. } => rows.iter().flatten().flatten().collect(),
        })
        .collect()
}

fn plain(doc: &Doc) -> String {
    spans(doc).iter().map(|span| span.plain()).collect::<Vec<_>>().join("\n")
}

fn chars(doc: &Doc) -> usize {
    let of = |span: &&Span| match span {
        Span::Link { text, url } => text.chars().count() + url.chars().count(),
        other => other.plain().chars().count(),
    };
    spans(doc).iter().map(of).sum()
}

fn with_dashboard() -> TicketRules {
    let dashboard = Url::parse("https://findings.example.com/").ok();
    TicketRules { dashboard, ..TicketRules::default() }
}

#[test]
fn settings_that_mean_nothing_are_refused() {
    for (text, says) in [
        (json!({"titel": "x"}), "unknown field `titel`"),
        (json!({"title": "{severty}: x"}), "a title has no `{severty}`\nhint: write `{severity}`"),
        (json!({"title": "{title"}), "a brace of the title has no other"),
        (json!({"title": "a } b"}), "a brace of the title has no other"),
        (json!({"title": ""}), "the title is empty"),
        (json!({"due_days": {"critical": 1}}), "unknown field `critical`"),
        (json!({"due_days": {"high": -1}}), "-1"),
    ] {
        let error = serde_json::from_value::<TicketRules>(text.clone()).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn a_flaw_has_its_title_its_facts_and_its_words() {
    let ticket = ticket_of(&[member(&flaw(7, 4))], &with_dashboard(), NOW_MS);
    assert_eq!(ticket.title, "High: SQL Injection at src/Login.java:42 in Shop");
    assert_eq!((ticket.severity, ticket.due, ticket.assignee), (4, None, None));
    let id = row(&flaw(7, 4)).finding.id.to_string();
    let text = plain(&ticket.body);
    for words in ["CWE-89 SQL Injection", "src/Login.java:42", "Bad.", "yes", "2026-05-01", &id] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let url = format!("https://findings.example.com/findings/{id}");
    let is_link = |span: &&Span| matches!(span, Span::Link { url: held, .. } if *held == url);
    assert!(spans(&ticket.body).iter().any(is_link));
    let unlinked = ticket_of(&[member(&flaw(7, 4))], &TicketRules::default(), NOW_MS);
    assert!(!spans(&unlinked.body).iter().any(is_link));
}

#[test]
fn a_component_has_a_table_of_its_findings() {
    let cves: Vec<_> = (0..60).map(|at| format!("CVE-2021-{}", 1000 + at)).collect();
    let mut members: Vec<_> =
        cves.iter().map(|cve| member(&known("log4j.jar", "2.14.1", cve, 3))).collect();
    members[5] = member(&known("log4j.jar", "2.14.1", &cves[5], 5));
    members[6].row.finding.state = State::Fixed;
    members[7].row.gone = true;
    members[8].is_wanted = false;
    let ticket = ticket_of(&members, &TicketRules::default(), NOW_MS);
    assert_eq!(ticket.title, "Very High: log4j.jar 2.14.1 in Shop");
    assert_eq!(ticket.severity, 5);
    let Some(Block::Table { rows, .. }) = ticket.body.blocks.get(2) else {
        panic!("{:?}", ticket.body.blocks)
    };
    assert_eq!(rows.len(), MEMBERS);
    assert_eq!(rows[0][0], [Span::text("Very High")]);
    let text = plain(&ticket.body);
    assert!(
        text.contains("57 of 59") && text.contains("9 more findings, 7 of them open."),
        "{text}"
    );
    assert!(!text.contains(&cves[8]), "the filter leaves it out");
}

#[test]
fn the_worst_open_finding_counts() {
    let mut members = [
        member(&known("a", "1", "CVE-2021-1001", 5)),
        member(&known("a", "1", "CVE-2021-1002", 2)),
    ];
    members[0].row.finding.state = State::Mitigated;
    let ticket = ticket_of(&members, &TicketRules::default(), NOW_MS);
    assert_eq!((ticket.severity, ticket.title.as_str()), (2, "Low: a 1 in Shop"));
    members[1].row.gone = true;
    assert_eq!(ticket_of(&members, &TicketRules::default(), NOW_MS).severity, 5, "none is open");
}

#[test]
fn titles_say_what_they_are_told_to() {
    let names = "{severity}|{title}|{application}|{cwe}|{weakness}|{place}|{component}|{version}|{cve}|{count}|{{x}}";
    let rules = rules(json!({ "title": names }));
    let of = |records: &[Value]| {
        let members: Vec<_> = records.iter().map(member).collect();
        ticket_of(&members, &rules, NOW_MS).title
    };
    assert_eq!(
        of(&[flaw(7, 4)]),
        "High|SQL Injection|Shop|CWE-89|SQL Injection|src/Login.java:42||||1|{x}"
    );
    let two = [known("a", "1", "CVE-2021-1001", 4), known("a", "1", "CVE-2021-1002", 3)];
    let title = of(&two);
    assert!(
        title.starts_with("High|") && title.ends_with("|Shop|CWE-502||a 1|a|1||2|{x}"),
        "{title}"
    );
}

#[test]
fn due_dates_are_those_of_the_first_and_never_past() {
    let by_days = rules(json!({"due_days": {"high": 30, "medium": 10}}));
    let due = |members: &[Member], now_ms| ticket_of(members, &by_days, now_ms).due;
    assert_eq!(due(&[member(&flaw(7, 2))], NOW_MS).as_deref(), None, "no days for it");
    // Found on 2026-05-01, it is 2026-06-01.
    assert_eq!(due(&[member(&flaw(7, 4))], NOW_MS - 2 * DAY_MS).as_deref(), Some("2026-05-31"));
    assert_eq!(
        due(&[member(&flaw(7, 4))], NOW_MS - DAY_MS).as_deref(),
        Some("2026-05-31"),
        "today"
    );
    assert_eq!(due(&[member(&flaw(7, 4))], NOW_MS).as_deref(), Some("2026-06-02"), "tomorrow");
    let graceful = |day: Option<i64>| {
        let mut one = member(&known("a", "1", &format!("CVE-2021-{day:?}"), 4));
        one.row.finding.grace_period_expires_ms = day.map(|day| NOW_MS + day * DAY_MS);
        one
    };
    let some = [graceful(Some(9)), graceful(None), graceful(Some(3))];
    assert_eq!(due(&some, NOW_MS).as_deref(), Some("2026-06-04"));
    assert_eq!(due(&[graceful(None)], NOW_MS - 9 * DAY_MS).as_deref(), Some("2026-05-31"));
    let mut closed = some;
    closed[2].row.finding.state = State::Fixed;
    assert_eq!(due(&closed, NOW_MS).as_deref(), Some("2026-06-10"));
}

#[test]
fn a_date_that_is_past_changes_no_digest() {
    let by_days = rules(json!({"due_days": {"high": 1}}));
    let at = |day: i64| ticket_of(&[member(&flaw(7, 4))], &by_days, NOW_MS + day * DAY_MS);
    assert_ne!(at(0).due, at(1).due);
    assert_eq!(at(0).digest, at(1).digest);
    let later = rules(json!({"due_days": {"high": 2}}));
    let later = ticket_of(&[member(&flaw(7, 4))], &later, NOW_MS);
    assert_eq!(later.due, at(0).due);
    assert_ne!(later.digest, at(0).digest, "the date itself is another one");
}

#[test]
fn somebody_is_told_by_application_then_team_then_anybody() {
    let who = |assignees: Value| {
        let rules = rules(json!({ "assignees": assignees }));
        ticket_of(&[member(&flaw(7, 4))], &rules, NOW_MS).assignee
    };
    let guid = application().guid.to_string();
    assert_eq!(who(json!({"Bank": "ada"})), None);
    assert_eq!(who(json!({"*": "eve"})).as_deref(), Some("eve"));
    assert_eq!(who(json!({"*": "eve", "red": "dan"})).as_deref(), Some("dan"));
    assert_eq!(who(json!({"red": "dan", "Blue Team": "cyd"})).as_deref(), Some("cyd"));
    assert_eq!(who(json!({"Blue Team": "cyd", "SHOP": "bob"})).as_deref(), Some("bob"));
    assert_eq!(who(json!({"SHOP": "bob", guid: "ada"})).as_deref(), Some("ada"));
}

#[test]
fn a_finding_of_two_integrations_counts_once() {
    let mut members = [member(&flaw(7, 4)), member(&flaw(7, 4))];
    members[1].row.integration = "other".to_owned();
    members[1].row.changed_ms += 1;
    members[1].row.finding.state = State::Fixed;
    let rules = rules(json!({"title": "{count} {title}", "due_days": {"high": 90}}));
    let ticket = ticket_of(&members, &rules, NOW_MS);
    assert_eq!(
        (ticket.title.as_str(), ticket.due),
        ("1 SQL Injection", None),
        "the newer is fixed"
    );
}

#[test]
fn comments_are_sentences() {
    let one = row(&flaw(7, 4));
    let two = row(&flaw(8, 4));
    let id = &one.finding.id;
    let said = |doc: Doc| plain(&doc);
    assert_eq!(said(comment::reopened(&[&one])), "Scans show this finding again, which is open.");
    assert_eq!(
        said(comment::closed(Why::Fixed, &[&one])),
        "Scans no longer show this finding. This ticket is closed."
    );
    let several = said(comment::vanished(&[&one, &two]));
    assert!(several.starts_with("A complete sync no longer had these 2 findings. "), "{several}");
    assert!(several.contains(&format!("High: SQL Injection at src/Login.java:42 ({id})")));
    assert!(said(comment::still_shown(&[&one])).starts_with("This ticket was closed, but scans"));
    assert_eq!(
        said(comment::changed(&[Changed { finding: None, sentences: vec!["rose".to_owned()] }])),
        "This finding changed:\nrose"
    );
    assert!(said(comment::found_again(&[&one])).contains("closed as not to be done"));
}

#[test]
fn who_closes_by_a_mitigation_says_why() {
    let mut record = flaw(7, 4);
    record["annotations"] = json!([
        {"action": "APPROVED", "user_name": "Sam Lee", "created": "2026-05-03T00:00:00.000Z"},
        {"action": "FP", "user_name": "Kim", "comment": "not <b>ours</b>\r\n\u{202e}@all"},
    ]);
    let mut one = row(&record);
    one.finding.state = State::FalsePositive;
    let text = plain(&comment::closed(Why::FalsePositive, &[&one]));
    assert!(text.starts_with("A false positive was approved for this finding."), "{text}");
    assert!(text.ends_with("Kim (FP): not <b>ours</b> <U+202E>@all"), "{text}");
    assert!(!plain(&comment::closed(Why::Fixed, &[&one])).contains("Kim"));
}

#[test]
fn a_summary_counts_what_happened() {
    assert!(Summing::new(None).finish().is_none());
    let mut sum = Summing::new(Url::parse("https://findings.example.com").ok());
    let shop = application();
    let (open, mut fixed) = (row(&flaw(7, 4)), row(&flaw(8, 3)));
    fixed.finding.state = State::Fixed;
    let mut add = |seq, kind, row| {
        let change = change(seq, kind, row);
        sum.add(&Event { change: &change, row, application: &shop });
    };
    add(3, ChangeKind::New, &open);
    add(4, ChangeKind::New, &fixed);
    add(5, ChangeKind::Closed, &fixed);
    add(6, ChangeKind::Reopened, &open);
    add(7, ChangeKind::Changed, &open);
    let digest = sum.finish().unwrap();
    assert_eq!(digest.seq, (3, 7));
    assert_eq!(digest.at_ms, (NOW_MS + 3, NOW_MS + 7));
    assert_eq!((digest.opened, digest.reopened), ([0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 1, 0]));
    assert_eq!((digest.closed, digest.changed), ([0, 0, 0, 1, 0, 0], 2));
    assert_eq!(digest.applications, [("Shop".to_owned(), 2)]);
    assert_eq!(digest.url.as_deref(), Some("https://findings.example.com/changes"));
    let [worst] = &digest.worst[..] else { panic!("each once: {:?}", digest.worst) };
    assert_eq!(worst.place.as_deref(), Some("src/Login.java:42"));
    assert_eq!(
        worst.url.as_deref(),
        Some(format!("https://findings.example.com/findings/{}", open.finding.id).as_str())
    );
}

#[test]
fn a_summary_names_ten_of_a_hundred_thousand() {
    let mut sum = Summing::new(None);
    let mut one = row(&flaw(7, 1));
    for at in 0..100_000_i64 {
        let record = json!({"guid": format!("a-{}", at % 20_000), "profile": {"name": "x"}});
        let named = Application::decode(&record.to_string()).unwrap();
        let is_worst = at == 99_999;
        if is_worst || at == 0 {
            let record = flaw(at, if is_worst { 5 } else { 1 });
            one = row_of(&named, &record);
        }
        let change = change(at + 1, ChangeKind::New, &one);
        sum.add(&Event { change: &change, row: &one, application: &named });
    }
    let digest = sum.finish().unwrap();
    assert_eq!(digest.opened, [0, 99_999, 0, 0, 0, 1]);
    assert_eq!(digest.applications.len(), 10);
    assert_eq!(digest.worst.len(), 2);
    assert_eq!(digest.worst[0].severity, 5);
}

proptest! {
    #[test]
    fn any_findings_have_a_ticket_within_bounds(
        rows in made_up_rows(70),
        wanted in any::<u64>(),
        grouping in select(&[Grouping::Auto, Grouping::Component, Grouping::Cve, Grouping::Cwe][..]),
        application in countersign_testkit::made_up::application(),
    ) {
        let application = Application::decode(&application.to_string()).unwrap();
        let subject = Subject::of(&rows[0].finding, grouping);
        // As long as a name can be, and as odd.
        let long = "\u{202e}long ".repeat(2_000);
        let members: Vec<_> = rows.into_iter().enumerate().map(|(at, mut row)| {
            row.finding.description = format!("{}{long}", row.finding.description);
            row.finding.title = format!("{}{long}", row.finding.title);
            row.finding.state = State::ALL[at % 4];
            let said = Annotation { comment: Some(long.clone()), ..Annotation::default() };
            row.finding.annotations = vec![said; 9];
            row.finding.references = vec![format!("https://example.com/{at}"), long.clone()];
            Member { row, is_wanted: wanted >> (at % 64) & 1 == 1 }
        }).collect();
        let made = ticket(&subject, &members, &application, &with_dashboard(), NOW_MS);
        let title = made.title.chars().count();
        prop_assert!((1..=TITLE_CHARS).contains(&title), "{title}");
        prop_assert!(!made.title.chars().any(is_odd));
        prop_assert!(chars(&made.body) <= BODY_CHARS, "{}", chars(&made.body));
        for span in spans(&made.body) {
            prop_assert!(!span.plain().trim().is_empty(), "{made:?}");
            prop_assert!(!span.plain().chars().any(is_odd), "{}", span.plain());
        }
        prop_assert!(Severity::new(made.severity.into()).is_some());
        let rows: Vec<_> = members.iter().map(|member| &member.row).collect();
        let changed: Vec<_> = rows.iter().map(|row| {
            Changed { finding: Some(*row), sentences: vec![long.clone(); 3] }
        }).collect();
        for doc in [
            comment::changed(&changed),
            comment::closed(Why::Mitigated, &rows),
            comment::found_again(&rows),
            comment::still_shown(&rows),
        ] {
            // With the lines of people's texts and those of ours.
            prop_assert!(chars(&doc) <= 20_000, "{}", chars(&doc));
        }
    }

    #[test]
    fn the_digest_is_what_the_findings_say(
        rows in made_up_rows(12).prop_flat_map(|rows| {
            let shuffled = Just(rows.clone()).prop_shuffle();
            (Just(rows), shuffled)
        }),
        moved in any::<i32>(),
    ) {
        let (rows, shuffled) = rows;
        // Two records of one id are one finding in the store.
        let mut seen = std::collections::HashSet::new();
        prop_assume!(rows.iter().all(|row| seen.insert(row.finding.id.clone())));
        let members = |rows: Vec<_>| -> Vec<_> {
            rows.into_iter().map(|row| Member { row, is_wanted: true }).collect()
        };
        // So that all of them are in a table, whatever they are.
        let subject = Subject {
            kind: Kind::Cwe,
            value: "89".to_owned(),
            finding: None,
            ..Subject::of(&rows[0].finding, Grouping::Cwe)
        };
        let of = |members: &[Member], now_ms| {
            ticket(&subject, members, &application(), &with_dashboard(), now_ms)
        };
        let before = members(rows);
        let mut after = members(shuffled);
        for member in &mut after {
            let row = &mut member.row;
            row.finding.last_seen_ms = Some(moved.into());
            row.finding.build_id = Some(moved.into());
            row.finding.status.new = Some(moved % 2 == 0);
            row.changed_ms = moved.into();
            if let Some(known) = &mut row.finding.vulnerability {
                known.epss_percentile = Some(f64::from(moved % 100) / 100.0);
                known.epss_date = Some(moved.to_string());
            }
        }
        let later = of(&after, NOW_MS + i64::from(moved).abs());
        prop_assert_eq!(of(&before, NOW_MS).digest, later.digest);
        // And it is another one when something happened.
        let severity = after[0].row.finding.severity.level();
        for member in &mut after {
            member.row.finding.severity = Severity::new(i64::from(5 - severity)).unwrap();
        }
        prop_assert_ne!(of(&before, NOW_MS).digest, of(&after, NOW_MS).digest);
    }

    #[test]
    fn a_template_is_read_as_it_is_written(text in "[a-z ]{0,9}(\\{(severity|title|cve|count)\\}|\\{\\{|\\}\\}){1,4}[a-z]{0,9}") {
        let template = Template::parse(&text).unwrap();
        prop_assert_eq!(template.to_string(), text);
    }
}
