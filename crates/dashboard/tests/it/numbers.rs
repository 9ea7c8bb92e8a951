//! One population: every number that is a link is the total of the list behind it, and the
//! same as in an export and by a reading of the store, with sandboxes, with an application
//! that is gone, and with findings in every state.

use std::collections::BTreeSet;

use countersign_dashboard::people::Role;
use countersign_findings::filter::Expression;
use countersign_findings::{Application, Context, Finding, Population};
use countersign_store::{Change, ChangeKind, Put, Query, Reading};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::browser::{Browser, Page, between};
use super::{Desk, START_MS, flaw};

const ALPHA: &str = "7c1b0a52-0000-4000-8000-00000000000a";
const GONE: &str = "7c1b0a52-0000-4000-8000-00000000000c";

/// In every state by turns, and of components as well.
fn record(number: i64, severity: i64) -> Value {
    let mut record = flaw(number, severity, "x");
    let status = match number % 5 {
        0 => ("CLOSED", "UNRESOLVED", "NONE"),
        1 => ("CLOSED", "MITIGATED", "APPROVED"),
        _ => ("OPEN", "UNRESOLVED", "NONE"),
    };
    record["finding_status"]["status"] = json!(status.0);
    record["finding_status"]["resolution"] = json!(status.1);
    record["finding_status"]["resolution_status"] = json!(status.2);
    if number % 3 == 0 {
        record["scan_type"] = json!("SCA");
        record["finding_details"] = json!({"severity": severity, "component_id": format!("c-{number}"),
            "component_filename": format!("lib{}.jar", number % 4), "version": "1.2",
            "cwe": {"id": 79, "name": "Weakness"},
            "metadata": {"sca_scan_mode": "UPLOAD", "sca_dep_mode": "DIRECT"},
            "cve": {"name": format!("CVE-2026-{number:04}"), "cvss": 7}});
        record.as_object_mut().unwrap().remove("issue_id");
    }
    record
}

async fn bring_in(desk: &Desk, guid: &str, name: &str, verdict: &str, numbers: [i64; 2]) {
    let profile =
        json!({"name": name, "policies": [{"name": "P", "policy_compliance_status": verdict}]});
    let raw = json!({"guid": guid, "profile": profile}).to_string();
    let application = Application::decode(&raw).unwrap();
    let sandbox = Context::sandbox("7c1b0a52-0000-4000-8000-0000000000ff").unwrap();
    let mut writer = desk.store.open_application(desk.run, &application, &raw).await.unwrap();
    for (context, count) in [(Context::Policy, numbers[0]), (sandbox, numbers[1])] {
        for number in 1..=count {
            let raw = record(number, (number + count) % 6).to_string();
            let finding = Finding::decode(&raw, &application.guid, &context).unwrap();
            let hash = Sha256::digest(raw.as_bytes()).into();
            let change = Some(Change { kind: ChangeKind::New, differences: Vec::new() });
            writer.put(Put { finding, raw: &raw, hash, change }).await.unwrap();
        }
    }
    writer.commit(Reading::Complete { read_ms: START_MS }).await.unwrap();
}

/// Three applications, two with a sandbox, one that the account no longer sees.
async fn desk() -> Desk {
    let desk = Desk::start().await;
    bring_in(&desk, ALPHA, "Alpha", "DID_NOT_PASS", [90, 12]).await;
    bring_in(&desk, "7c1b0a52-0000-4000-8000-00000000000b", "Beta", "PASSED", [17, 0]).await;
    bring_in(&desk, GONE, "Gamma", "DID_NOT_PASS", [23, 6]).await;
    desk.store.mark_applications_gone(desk.run, vec![GONE.to_owned()]).await.unwrap();
    desk
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim().replace(',', "");
    text.parse().ok().filter(|_| !text.starts_with('+'))
}

/// The number that a piece of HTML ends with, or has in bold; none after a sign.
fn number_in(html: &str) -> Option<u64> {
    let bold = between(html, "<strong>", "</strong>").and_then(number);
    bold.or_else(|| number(html.rsplit("<span>").next()?.split('<').next()?))
}

/// What a page says that there are in all.
fn total(page: &Page) -> u64 {
    let listed = between(&page.body, "role=\"status\"><strong>", "</strong>");
    let first = || between(page.body.split("class=\"figures\"").nth(1)?, "<strong>", "</strong>");
    let found = listed.or_else(first).and_then(number);
    found.unwrap_or_else(|| panic!("no total on {}: {}", page.path, page.body))
}

fn target(html: &str) -> String {
    let href = between(html, "href=\"", "\"").unwrap_or_default();
    href.replace("&#38;", "&").replace("&amp;", "&")
}

/// Links with a number in them, and rows that are named by a link and end with a number.
fn numbers(page: &Page) -> BTreeSet<(String, u64)> {
    let links = page
        .body
        .split("<a ")
        .skip(1)
        .filter_map(|link| Some((target(link), number_in(link.split("</a>").next()?)?)));
    let rows = page.body.split("<tr><th scope=\"row\"").skip(1).filter_map(|row| {
        let row = row.split("</tr>").next()?;
        let link = row.split("<a ").nth(1)?;
        let last = row.rsplit("<td class=\"number\">").next()?.split('<').next()?;
        Some((target(link), number(last)?))
    });
    links.chain(rows).filter(|(link, _)| link.starts_with('/')).collect()
}

async fn exported(browser: &mut Browser, link: &str) -> u64 {
    let query = link.split_once('?').map_or("", |(_, query)| query);
    // A list without a filter is that of the open ones; an export without one has everything.
    let query = match link.contains("filter=") {
        true => query.to_owned(),
        false => format!("filter={}", encoded(&Population::OPEN.filter())),
    };
    let lines = browser.get(&format!("/findings.ndjson?{query}")).await;
    assert_eq!(lines.status, 200, "{link}");
    let csv = browser.get(&format!("/findings.csv?{query}")).await;
    assert_eq!(csv.body.lines().count(), lines.body.lines().count() + 1, "{link}");
    lines.body.lines().count() as u64
}

fn encoded(filter: &Expression) -> String {
    url::form_urlencoded::byte_serialize(filter.to_string().as_bytes()).collect()
}

async fn read(desk: &Desk, filter: Expression) -> u64 {
    let query = Query { filter, limit: 1000, ..Query::default() };
    desk.store.findings(query).await.unwrap().len() as u64
}

#[tokio::test]
async fn every_number_that_is_a_link_is_the_total_behind_it() {
    let desk = desk().await;
    let mut reader = desk.person("rita", Role::Reader).await;
    let mut pages: Vec<_> = [
        "/",
        "/findings",
        "/findings?filter=",
        "/applications",
        "/applications?visible=any",
        "/applications?visible=false",
        "/changes",
        "/integrations",
        "/credentials",
    ]
    .map(str::to_owned)
    .into();
    for guid in [ALPHA, GONE] {
        pages.push(format!("/applications/demo/{guid}"));
    }
    let (mut checked, mut lists, depth) = (BTreeSet::new(), BTreeSet::new(), pages.len());
    let mut at = 0;
    while let Some(path) = pages.get(at).cloned() {
        let page = reader.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        for (link, number) in numbers(&page) {
            if !checked.insert((link.clone(), number)) {
                continue;
            }
            let behind = reader.get(&link).await;
            assert_eq!(total(&behind), number, "{path}: {link}");
            if link.starts_with("/findings") && lists.insert(link.clone()) {
                assert_eq!(exported(&mut reader, &link).await, number, "{path}: {link}");
                // The pages behind the first ones, too.
                if at < depth {
                    pages.push(link);
                }
            }
        }
        at += 1;
    }
    assert!(lists.len() > 100, "{} numbers, {} lists", checked.len(), lists.len());
    desk.end().await;
}

#[tokio::test]
async fn what_is_counted_is_said_where_it_is() {
    let desk = desk().await;
    let mut reader = desk.person("rita", Role::Reader).await;
    let open = read(&desk, Population::OPEN.filter()).await;
    let stored =
        read(&desk, Population::STORED.only(countersign_findings::State::Open).filter()).await;
    let everything = read(&desk, Expression::default()).await;
    assert!(0 < open && open < stored && stored < everything, "{open} {stored} {everything}");
    for (path, count, name) in [
        ("/", open, "open, policy context, visible applications"),
        ("/findings", open, "open, policy context, visible applications"),
        (
            "/findings?filter=state%5Beq%5Dopen",
            stored,
            "open, policy context and sandboxes, applications visible or not",
        ),
        (
            "/findings?filter=",
            everything,
            "any state, policy context and sandboxes, applications visible or not",
        ),
    ] {
        let page = reader.get(path).await;
        assert_eq!(total(&page), count, "{path}");
        assert!(page.body.contains(name), "{path}: {}", page.body);
    }
    // What is left out is said, with a way to it.
    for path in ["/", "/findings"] {
        let page = reader.get(path).await;
        let more =
            format!("<strong>{stored}</strong> with sandboxes and applications no longer visible");
        assert!(page.body.contains(&more), "{path}: {}", page.body);
    }
    let whole = reader.get("/findings.ndjson").await;
    assert_eq!(whole.body.lines().count() as u64, everything, "an export of everything");
    let trend = reader.get("/").await;
    assert!(trend.body.contains(&format!("to {open} at the end")), "{}", trend.body);
    desk.end().await;
}

#[tokio::test]
async fn verdicts_lead_to_as_many_applications() {
    let desk = desk().await;
    let mut reader = desk.person("rita", Role::Reader).await;
    let page = reader.get("/applications?policy=DID_NOT_PASS").await;
    assert_eq!(total(&page), 1);
    assert!(page.body.contains("Alpha") && !page.body.contains("Gamma"), "{}", page.body);
    assert!(page.body.contains("<strong>1</strong> no longer visible"), "{}", page.body);
    let gone = reader.get("/applications?policy=DID_NOT_PASS&visible=false").await;
    assert!(!gone.body.contains("Alpha") && gone.body.contains("Gamma"), "{}", gone.body);
    let all = reader.get("/applications?visible=any").await;
    assert_eq!(total(&all), 3);
    let unknown = reader.get("/applications?visible=perhaps").await;
    assert_eq!(total(&unknown), 2, "a word that is none is not one that hides or shows more");
    desk.end().await;
}

#[tokio::test]
async fn a_place_in_a_list_of_everything_stays_in_it() {
    let desk = desk().await;
    let mut reader = desk.person("rita", Role::Reader).await;
    for path in ["/findings?filter=", "/findings"] {
        let first = reader.get(path).await;
        let count = total(&first);
        let next = first.body.split("rel=\"next\" href=\"").nth(1).unwrap();
        let next = target(&format!("href=\"{next}"));
        let second = reader.get(&next).await;
        assert_eq!(total(&second), count, "{next}");
    }
    desk.end().await;
}
