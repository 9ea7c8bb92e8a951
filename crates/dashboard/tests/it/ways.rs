//! Ways through the pages: links that survive sign-in, lists that say where one is, values
//! that can all be reached, and what every page says when the data is old.

use std::collections::BTreeSet;

use countersign_dashboard::people::Role;
use countersign_findings::{Application, Context, Finding};
use countersign_signin::totp::Secret;
use countersign_store::{Change, ChangeKind, Put, Reading, RunKind, RunSummary};
use data_encoding::BASE32_NOPAD;
use serde_json::json;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::browser::{Browser, Page, between};
use super::entry::sign_in;
use super::{Desk, PASSWORD, START_MS, flaw};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Sets up a second factor.
async fn factor(desk: &Desk, browser: &mut Browser) -> Secret {
    let page = browser.get("/profile/factor").await;
    let text = between(&page.body, "<code class=\"key\">", "</code>").expect("a key");
    let secret = BASE32_NOPAD.decode(text.replace(' ', "").as_bytes()).expect("base 32");
    let secret = Secret::from_bytes(Zeroizing::new(secret));
    let code = secret.code_at(desk.now()).unwrap();
    let page = browser.send(&page, "/profile/factor", &[("code", &code)]).await;
    assert_eq!(page.title(), "Recovery codes", "{}", page.body);
    secret
}

const ELSEWHERE: [&str; 14] = [
    "//evil.example.com",
    "/\\evil.example.com",
    "\\\\evil.example.com",
    "https://evil.example.com/",
    "https:evil.example.com",
    "javascript:alert(1)",
    "/%2Fevil.example.com",
    "/%252fevil.example.com",
    "/%5cevil.example.com",
    "/..//evil.example.com",
    "/findings\r\nlocation: https://evil.example.com",
    "/findings?a=%0d%0alocation:%20x",
    "/\t/evil.example.com",
    "evil.example.com",
];

#[tokio::test]
async fn no_link_leads_elsewhere_after_sign_in() {
    let desk = Desk::start().await;
    let mut rita = desk.person("rita", Role::Reader).await;
    let secret = factor(&desk, &mut rita).await;
    desk.person("otto", Role::Reader).await;
    for next in ELSEWHERE {
        desk.advance(60_000);
        let mut browser = desk.browser();
        let page = browser.get(&format!("/sign-in?next={}", encoded(next))).await;
        assert_eq!(page.field("next"), "/", "{next:?}");
        let fields = [("name", "otto"), ("password", PASSWORD), ("next", next)];
        let page = browser.send(&page, "/sign-in", &fields).await;
        assert_eq!((page.title(), page.path.as_str()), ("Overview", "/"), "{next:?}");
        let page = browser.get(&format!("/sign-in?next={}", encoded(next))).await;
        assert_eq!(page.path, "/", "{next:?}");

        let mut browser = desk.browser();
        let page = sign_in(&mut browser, "rita", PASSWORD).await;
        assert_eq!(page.title(), "Second factor");
        let page = browser.get(&format!("/second-factor?next={}", encoded(next))).await;
        assert_eq!(page.field("next"), "/", "{next:?}");
        let code = secret.code_at(desk.now()).unwrap();
        let fields = [("code", code.as_str()), ("next", next)];
        let page = browser.send(&page, "/second-factor", &fields).await;
        assert_eq!((page.title(), page.path.as_str()), ("Overview", "/"), "{next:?}");
    }
    desk.end().await;
}

#[tokio::test]
async fn a_deep_link_arrives_by_sign_in_and_second_factor() {
    let desk = Desk::start().await;
    desk.bring_in("Alpha", &[flaw(1, 4, "x")]).await;
    let mut rita = desk.person("rita", Role::Reader).await;
    let deep = "/findings?filter=severity%5Bgte%5D3%20and%20title%5Blike%5Da%2Fb%3F%26c&page=2";
    let mut browser = desk.browser();
    let page = browser.get(deep).await;
    assert_eq!(page.title(), "Sign in");
    let fields = [("name", "rita"), ("password", "wrong")];
    let page = browser.send(&page, "/sign-in", &fields).await;
    assert_eq!(page.status, 401);
    let page = browser.send(&page, "/sign-in", &[("name", "rita"), ("password", PASSWORD)]).await;
    assert_eq!((page.title(), page.path.as_str()), ("Findings", deep), "after a mistake too");
    let page = browser.get(&format!("/sign-in?next={}", encoded(deep))).await;
    assert_eq!(page.path, deep, "one who is signed in goes on at once");

    let secret = factor(&desk, &mut rita).await;
    desk.advance(60_000);
    let mut browser = desk.browser();
    let page = browser.get(deep).await;
    let page = browser.send(&page, "/sign-in", &[("name", "rita"), ("password", PASSWORD)]).await;
    assert_eq!(page.title(), "Second factor");
    // Another link that is followed before the code.
    let other = "/applications?name=a%20b";
    let page_of_other = browser.get(other).await;
    assert_eq!(page_of_other.title(), "Second factor");
    let page = browser.send(&page, "/second-factor", &[("code", "000000")]).await;
    assert_eq!(page.status, 401);
    let code = secret.code_at(desk.now()).unwrap();
    let page = browser.send(&page, "/second-factor", &[("code", &code)]).await;
    assert_eq!((page.title(), page.path.as_str()), ("Findings", deep));
    desk.end().await;
}

const PAGES: [&str; 6] =
    ["/", "/findings", "/applications", "/changes", "/integrations", "/profile"];

fn banner(page: &Page) -> Option<&str> {
    between(&page.body, "<section class=\"banner\"", "</section>")
}

#[tokio::test]
async fn every_page_says_that_the_data_is_old() {
    let desk = Desk::start().await;
    let whole =
        |ms| RunSummary { finished_ms: ms, complete: true, requests: 1, report: "{}".to_owned() };
    desk.store.finish_run(desk.run, whole(START_MS)).await.unwrap();
    let mut rita = desk.person("rita", Role::Reader).await;
    for path in PAGES {
        assert_eq!(banner(&rita.get(path).await), None, "{path}");
    }
    assert!(rita.get("/integrations").await.body.contains("✓ healthy"));

    desk.advance(25 * DAY_MS + HOUR_MS);
    sign_in(&mut rita, "rita", PASSWORD).await;
    for path in PAGES {
        let page = rita.get(path).await;
        let banner = banner(&page).unwrap_or_else(|| panic!("{path}: {}", page.body));
        for words in [
            "demo is 25 days behind.",
            "<time datetime=\"2026-06-01T00:00:00Z\">2026-06-01 00:00 UTC</time>",
            "<a href=\"/integrations#name-0\">",
        ] {
            assert!(banner.contains(words), "{path} {words}: {banner}");
        }
    }
    let page = rita.get("/integrations").await;
    assert!(page.body.contains("id=\"name-0\"") && !page.body.contains("✓ healthy"));
    let stranger = desk.browser().get("/sign-in").await;
    assert_eq!(banner(&stranger), None, "nothing is told before sign-in");

    // A sync that nobody saw end, and then one that was whole.
    let hung = desk.store.begin_run(desk.integration, RunKind::Full, desk.now()).await.unwrap();
    desk.advance(4 * HOUR_MS);
    sign_in(&mut rita, "rita", PASSWORD).await;
    let page = rita.get("/").await;
    assert_eq!(page.title(), "Overview", "{}", page.body);
    assert!(banner(&page).unwrap().contains("Sync of demo began 4 h ago and has not ended."));
    let page = rita.get("/integrations").await;
    assert!(page.body.contains("does not move") && !page.body.contains("✓ healthy"));
    desk.store.finish_run(hung, whole(desk.now())).await.unwrap();
    for path in PAGES {
        assert_eq!(banner(&rita.get(path).await), None, "{path}");
    }
    desk.end().await;
}

fn guid(number: u32) -> String {
    format!("7c1b0a52-0000-4000-8000-{number:012}")
}

/// So many applications; those with a smaller number have more findings.
async fn applications(desk: &Desk, count: u32) {
    for number in 1..=count {
        let raw = json!({"guid": guid(number), "profile": {"name": format!("App {number:03}")}});
        let raw = raw.to_string();
        let application = Application::decode(&raw).unwrap();
        let mut writer = desk.store.open_application(desk.run, &application, &raw).await.unwrap();
        for issue in 0..1 + u32::from(number <= 30) {
            let raw = flaw(i64::from(number * 10 + issue), 4, "x").to_string();
            let finding = Finding::decode(&raw, &application.guid, &Context::Policy).unwrap();
            let hash = Sha256::digest(raw.as_bytes()).into();
            let change = Some(Change { kind: ChangeKind::New, differences: Vec::new() });
            writer.put(Put { finding, raw: &raw, hash, change }).await.unwrap();
        }
        writer.commit(Reading::Complete { read_ms: START_MS }).await.unwrap();
    }
}

/// Rows of the page of values: label, count, address.
fn values(page: &Page) -> Vec<(String, u64, String)> {
    let rows = page.body.split("<tr><th scope=\"row\">").skip(1).map(|row| {
        let link = between(row, "href=\"", "\"").unwrap().replace("&#38;", "&");
        let label = between(row, "<bdi>", "</bdi>").unwrap().to_owned();
        let count = between(row, "<td class=\"number\">", "</td>").unwrap();
        (label, count.parse().unwrap(), link)
    });
    rows.collect()
}

#[tokio::test]
async fn every_value_of_a_facet_is_reached() {
    let desk = Desk::start().await;
    applications(&desk, 130).await;
    let mut rita = desk.person("rita", Role::Reader).await;
    for bad in ["/findings/values?field=nothing", "/findings/values?field=title"] {
        assert_eq!(rita.get(bad).await.status, 404, "{bad}");
    }
    let bad = rita.get("/findings/values?field=application&filter=sevrity%5Beq%5D4").await;
    assert_eq!(bad.status, 400);

    let list = rita.get("/findings?filter=severity%5Beq%5D4").await;
    assert!(!list.body.contains("App 059"), "it is not among the most frequent");
    let form = between(&list.body, "action=\"/findings/values\"", "</form>").unwrap();
    assert!(form.contains("name=\"field\" value=\"application\""), "{form}");
    assert!(form.contains("name=\"filter\" value=\"severity[eq]4\""), "{form}");
    let filter = "field=application&filter=severity%5Beq%5D4";
    let found = rita.get(&format!("/findings/values?{filter}&find=app+059")).await;
    let rows = values(&found);
    assert_eq!(rows.len(), 1, "{}", found.body);
    assert_eq!((rows[0].0.as_str(), rows[0].1), ("App 059", 1));
    let list = rita.get(&rows[0].2).await;
    assert!(list.body.contains("<strong>1</strong> findings"), "{}", list.body);
    assert!(list.body.contains("App 059"));
    let none = rita.get(&format!("/findings/values?{filter}&find=nobody")).await;
    assert!(none.body.contains("Nothing matches"));

    let (mut seen, mut path) = (BTreeSet::new(), format!("/findings/values?{filter}"));
    let mut places = Vec::new();
    loop {
        let page = rita.get(&path).await;
        places.push(between(&page.body, "<p role=\"status\">", "</p>").unwrap().to_owned());
        for (label, count, link) in values(&page) {
            assert!(seen.insert(label), "{link}");
            if seen.len() % 40 == 0 {
                let list = rita.get(&link).await;
                assert!(
                    list.body.contains(&format!("<strong>{count}</strong> findings")),
                    "{link}"
                );
            }
        }
        match next(&page) {
            Some(link) => path = link,
            None => break,
        }
    }
    assert_eq!(seen.len(), 130);
    assert_eq!(places, ["1–100 of 130", "101–130 of 130"]);
    desk.end().await;
}

fn follow(page: &Page, rel: &str) -> Option<String> {
    let link = between(&page.body, &format!("<a rel=\"{rel}\" href=\""), "\"")?;
    Some(link.replace("&#38;", "&").replace("&amp;", "&"))
}

fn next(page: &Page) -> Option<String> {
    follow(page, "next")
}

fn window_title(page: &Page) -> &str {
    between(&page.body, "<title>", "</title>").unwrap()
}

#[tokio::test]
async fn a_list_says_where_one_is_and_leads_both_ways() {
    let desk = Desk::start().await;
    let records: Vec<_> = (1..=173).map(|number| flaw(number, number % 6, "x")).collect();
    desk.bring_in("Alpha", &records).await;
    let mut rita = desk.person("rita", Role::Reader).await;
    let (mut forth, mut path) = (Vec::new(), "/findings".to_owned());
    loop {
        let page = rita.get(&path).await;
        forth.push((page.path.clone(), rows(&page)));
        match next(&page) {
            Some(link) => path = link,
            None => break,
        }
    }
    let mut back = Vec::new();
    loop {
        let page = rita.get(&path).await;
        back.push((page.path.clone(), rows(&page)));
        match follow(&page, "prev") {
            Some(link) => path = link,
            None => break,
        }
    }
    back.reverse();
    assert_eq!(back, forth, "the same pages on the way back");
    let words = ["1–50 of 173", "51–100 of 173", "101–150 of 173", "151–173 of 173"];
    for ((path, _), words) in forth.iter().zip(words) {
        assert!(rita.get(path).await.body.contains(words), "{path}: {words}");
    }
    let page = rita.get("/findings?filter=severity%5Bgte%5D4&page=2").await;
    assert_eq!(window_title(&page), "Findings: severity[gte]4 · countersign");
    for (page, words) in [("99999999999", "151–173 of 173"), ("x", "1–50 of 173")] {
        let page = rita.get(&format!("/findings?page={page}")).await;
        assert!(page.body.contains(words), "{words}");
    }
    desk.end().await;
}

/// The findings of a page, with the addresses of their pages.
fn rows(page: &Page) -> Vec<String> {
    let links = page.links().into_iter().filter(|link| link.starts_with("/findings/"));
    links.map(|link| link.replace("&#38;", "&").replace("&amp;", "&")).collect()
}

#[tokio::test]
async fn from_one_finding_to_the_next_within_its_list() {
    let desk = Desk::start().await;
    let records: Vec<_> = (1..=120).map(|number| flaw(number, number % 6, "x")).collect();
    desk.bring_in("Alpha", &records).await;
    let mut rita = desk.person("rita", Role::Reader).await;
    let filter = "filter=severity%5Bgte%5D3";
    let mut listed = Vec::new();
    for number in 1..=2 {
        listed.extend(rows(&rita.get(&format!("/findings?{filter}&page={number}")).await));
    }
    assert_eq!(listed.len(), 60);
    let mut path = listed[0].clone();
    for (at, expected) in listed.iter().enumerate() {
        let page = rita.get(&path).await;
        assert_eq!(&page.path, expected);
        assert!(page.body.contains(&format!("{} of 60", at + 1)), "{path}");
        let before = at.checked_sub(1).map(|before| listed[before].clone());
        assert_eq!(follow(&page, "prev"), before, "{path}");
        assert_eq!(next(&page), listed.get(at + 1).cloned(), "{path}");
        let crumbs = between(&page.body, "aria-label=\"Breadcrumb\"", "</nav>").unwrap();
        assert!(crumbs.contains("severity[gte]3"), "{crumbs}");
        let list = if at < 50 { "/findings?filter=severity%5Bgte%5D3\"" } else { "page=2\"" };
        assert!(crumbs.contains(list), "{crumbs}");
        let Some(link) = next(&page) else { break };
        path = link;
    }
    assert!(window_title(&rita.get(&listed[0]).await).contains(": Alpha · countersign"));

    // From a list of everything, the way back leads to a list of everything.
    let first = rows(&rita.get("/findings?filter=&page=2").await)[0].clone();
    let page = rita.get(&first).await;
    let crumbs = between(&page.body, "aria-label=\"Breadcrumb\"", "</nav>").unwrap();
    assert!(crumbs.replace("&amp;", "&").contains("\"/findings?filter=&page=2\""), "{crumbs}");

    // A place that another finding has by now, or that is none, is not shown.
    let alone = listed[0].split("&at=").next().unwrap();
    for at in ["2", "0", "-1", "x", "4294967295", "99999999999999"] {
        let page = rita.get(&format!("{alone}&at={at}")).await;
        assert_eq!(page.status, 200, "{at}");
        assert_eq!((follow(&page, "prev"), next(&page)), (None, None), "{at}");
    }
    desk.end().await;
}

#[tokio::test]
async fn moments_have_one_style() {
    let desk = Desk::start().await;
    let mut record = flaw(1, 4, "x");
    record["annotations"] = json!([
        {"action": "COMMENT", "comment": "a", "created": "2026-03-04T05:06:07.000Z"},
        {"action": "COMMENT", "comment": "b", "created": "<yesterday>"},
    ]);
    let findings = desk.bring_in("Alpha", &[record]).await;
    let mut rita = desk.person("rita", Role::Reader).await;
    let page = rita.get(&format!("/findings/{}", findings[0].id)).await;
    for words in [
        "<dd><time datetime=\"2026-01-02T03:04:05Z\">2026-01-02 03:04 UTC</time>, ",
        "<time datetime=\"2026-03-04T05:06:07Z\">2026-03-04 05:06 UTC</time>",
        "<bdi>&lt;yesterday&gt;</bdi>",
    ] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    let without = page
        .body
        .split("<time ")
        .skip(1)
        .map(|time| time.split_once("</time>").map(|(_, rest)| rest).unwrap_or_default());
    let texts: String = without.collect();
    assert!(!texts.contains(" UTC"), "each moment is marked as one: {texts}");
    desk.end().await;
}
