//! Findings: what is shown, what is not, and that nothing is lost on the way.

use std::collections::BTreeSet;

use countersign_connector::export::{Applications, item};
use countersign_dashboard::people::Role;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::Value;

use super::browser::Page;
use super::{Desk, GUID, flaw};

const SCRIPT: &str = "<script>alert(1)</script><img src=x onerror=alert(1)>";
const STYLE: &str = "<style>*{display:none}</style>";

#[tokio::test]
async fn hostile_descriptions_are_inert() {
    let desk = Desk::start().await;
    let base64 = data_encoding::BASE64.encode(format!("{SCRIPT}{STYLE}").as_bytes());
    let long = "&lt;b&gt;x\n".repeat(500_000);
    let hostile = [
        // Escaped, as a description that passes the decoder's own cleaning.
        "&lt;script&gt;alert(1)&lt;/script&gt; &lt;style&gt;*{display:none}&lt;/style&gt;"
            .to_owned(),
        SCRIPT.to_owned(),
        STYLE.to_owned(),
        base64,
        "left\u{202e}thgir\u{202c} zero\u{200b}width \u{0}\u{1b}[2J".to_owned(),
        "\"><a href=javascript:alert(1)>x</a>".to_owned(),
        long,
    ];
    let mut records: Vec<Value> =
        hostile.iter().zip(1..).map(|(text, number)| flaw(number, 4, text)).collect();
    for record in &mut records {
        record["finding_details"]["cwe"]["name"] = format!("{SCRIPT}\u{202e}").into();
        record["finding_details"]["file_path"] = format!("src/{STYLE}.java").into();
        record["finding_details"]["procedure"] = "\u{200b}".into();
    }
    let findings = desk.bring_in(&format!("Alpha {SCRIPT}"), &records).await;
    let mut operator = desk.person("otto", Role::Operator).await;
    let application = format!("/applications/demo/{GUID}");
    let mut paths: Vec<_> =
        ["/", "/findings", "/changes", "/applications"].map(str::to_owned).into();
    paths.push(application);
    paths.extend(findings.iter().map(|finding| format!("/findings/{}", finding.id)));
    for path in &paths {
        let page = operator.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        for bad in ["<script>", "<style", "<img src=x", "onerror=alert(1)>", "<a href=java"] {
            assert!(!page.body.contains(bad), "{path}: {bad}");
        }
        for odd in ['\u{202e}', '\u{202c}', '\u{200b}', '\u{0}', '\u{1b}'] {
            assert!(!page.body.contains(odd), "{path}: {odd:?}");
        }
        assert!(page.body.len() < 300_000, "{path}: {}", page.body.len());
        assert!(page.links().iter().all(|link| !link.starts_with("javascript:")), "{path}");
    }
    let turned = operator.get(&format!("/findings/{}", findings[4].id)).await;
    assert!(turned.body.contains("U+202E") && turned.body.contains("U+200B"), "{}", turned.body);
    let long = operator.get(&format!("/findings/{}", findings[6].id)).await;
    assert!(long.body.contains("The whole description"));
    let whole = operator.get(&format!("/findings/{}/description", findings[6].id)).await;
    assert_eq!(whole.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(whole.header("content-disposition").unwrap().starts_with("attachment"));
    assert_eq!(whole.body, findings[6].description);
    assert!(whole.body.len() > 1_000_000, "{}", whole.body.len());
    let raw = operator.get(&format!("/findings/{}/raw", findings[1].id)).await;
    assert_eq!(raw.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(serde_json::from_str::<Value>(&raw.body).unwrap(), records[1]);
    assert!(raw.body.contains("\\u202e") && !raw.body.contains('\u{202e}'), "{}", raw.body);
    desk.end().await;
}

#[tokio::test]
async fn made_up_records_have_pages() {
    let desk = Desk::start().await;
    let mut runner = TestRunner::deterministic();
    let mut records: Vec<Value> = Vec::new();
    while records.len() < 60 {
        let number = records.len() as i64 + 1;
        let record = countersign_testkit::made_up::finding(number).new_tree(&mut runner);
        let record = record.unwrap().current();
        let guid = countersign_findings::ApplicationGuid::parse(GUID).unwrap();
        let context = countersign_findings::Context::Policy;
        if countersign_findings::Finding::decode(&record.to_string(), &guid, &context).is_ok() {
            records.push(record);
        }
    }
    let findings = desk.bring_in("Alpha", &records).await;
    let mut reader = desk.person("rita", Role::Reader).await;
    for finding in &findings {
        let page = reader.get(&format!("/findings/{}", finding.id)).await;
        assert_eq!(page.status, 200, "{finding:?}");
        assert!(!page.body.contains("<script>") && !page.body.contains("<style"), "{}", page.body);
        for link in page.links().iter().filter(|link| link.starts_with("/findings?")) {
            let related = reader.get(link).await;
            assert_eq!(related.status, 200, "{link}: {}", related.body);
            assert!(related.body.contains(&format!("/findings/{}", finding.id)), "{link}");
        }
    }
    desk.end().await;
}

/// What a piece of a page says, without its elements.
fn words(html: &str) -> String {
    html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect()
}

/// `cli::agree` holds this line to the API, the command and the export as OCSF.
#[tokio::test]
async fn a_page_says_of_each_finding_what_its_line_says() {
    let desk = Desk::start().await;
    let states = [
        ("OPEN", "UNRESOLVED", "NONE"),
        ("CLOSED", "FIXED", "NONE"),
        ("CLOSED", "MITIGATED", "APPROVED"),
        ("CLOSED", "POTENTIAL_FALSE_POSITIVE", "APPROVED"),
    ];
    let records = (1..=24).map(|number| {
        let mut record = flaw(number, number % 6, "A description");
        let (status, resolution, review) = states[number as usize % states.len()];
        record["finding_status"]["status"] = status.into();
        record["finding_status"]["resolution"] = resolution.into();
        record["finding_status"]["resolution_status"] = review.into();
        record
    });
    let findings = desk.bring_in("Alpha", &records.collect::<Vec<_>>()).await;
    let mut reader = desk.person("rita", Role::Reader).await;
    let lines = reader.get("/findings.ndjson?filter=").await;
    let lines: Vec<Value> =
        lines.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), findings.len());
    let mut seen = BTreeSet::new();
    for line in &lines {
        let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap();
        let page = reader.get(&format!("/findings/{}", text("/id"))).await;
        let fact = |name: &str| {
            let begin = format!("<dt>{name}</dt><dd>");
            words(super::browser::between(&page.body, &begin, "</dd>").unwrap())
        };
        let level = line["severity"].as_u64().unwrap();
        assert!(page.body.contains(&format!("class=\"severity s{level}\"")), "{line}");
        let state = text("/state");
        assert!(page.body.contains(&format!("class=\"state {state}\"")), "{line}");
        let title = text("/title");
        let heading = super::browser::between(&page.body, "<h1>", "</h1>").unwrap();
        assert_eq!(words(heading), title, "{line}");
        assert_eq!(fact("Weakness"), format!("CWE-{} Weakness", line["cwe"]["id"]), "{line}");
        let place = format!("{}:{}", text("/location/file"), line["location"]["line"]);
        assert_eq!(fact("File"), place, "{line}");
        let violates = if line["violates_policy"] == true { "yes" } else { "no" };
        assert_eq!(fact("Violates policy"), violates, "{line}");
        assert_eq!(fact("Status"), text("/status/status"), "{line}");
        seen.insert((level, state.to_owned()));
    }
    let states: BTreeSet<_> = seen.iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!((states.len(), seen.len()), (4, 12), "{seen:?}");
    desk.end().await;
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_says_why_beside_it() {
    let desk = Desk::start().await;
    desk.bring_in("Alpha", &[flaw(1, 4, "x")]).await;
    let mut reader = desk.person("rita", Role::Reader).await;
    for (filter, word) in [
        ("sevrity[gte]4", "severity"),
        ("severity[gt3]4", "gte"),
        ("severity", "field[op]value"),
        ("severity[gte]<script>", "whole number"),
        ("application[eq]Alpah", "Alpha"),
        ("integration[ne]nobody", "no integration is called"),
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let page = reader.get(&format!("/findings?filter={encoded}")).await;
        assert_eq!(page.status, 400, "{filter}");
        let alert = super::browser::between(&page.body, "role=\"alert\">", "</p>").unwrap();
        assert!(alert.contains(word), "{filter}: {alert}");
        assert!(!page.body.contains("<script>"));
        assert!(page.body.contains("aria-invalid=\"true\""));
        for kind in ["csv", "ndjson"] {
            let page = reader.get(&format!("/findings.{kind}?filter={encoded}")).await;
            assert_eq!(page.status, 400, "{filter}");
        }
    }
    let page = reader.get("/changes?before=x").await;
    assert_eq!((page.status, page.title()), (400, "That cannot be asked"));
    for nowhere in [
        "/findings/zz",
        "/findings/0123",
        "/findings/%00",
        "/applications/demo/x",
        "/applications/x/y",
        "/changes?integration=x&application=y",
    ] {
        assert_eq!(reader.get(nowhere).await.status, 404, "{nowhere}");
    }
    let huge = format!("/findings?filter={}", "a".repeat(40_000));
    let page = reader.get(&huge).await;
    assert!(page.status >= 400, "{}", page.status);
    desk.end().await;
}

#[tokio::test]
async fn a_finding_of_an_application_that_came_in_meanwhile_is_exported() {
    let desk = Desk::start().await;
    desk.bring_in("Alpha", &[flaw(1, 4, "x")]).await;
    let one = countersign_store::Query { limit: 1, ..Default::default() };
    let rows = desk.store.findings(one).await.unwrap();
    let listed = Applications::new(desk.store.applications().await.unwrap());
    let unlisted = Applications::new(Vec::new());
    for applications in [listed, unlisted] {
        let application = applications.of(&rows[0]).unwrap();
        assert_eq!(application.name, "Alpha");
        assert_eq!(application.guid, rows[0].finding.application);
        assert_eq!(item(&rows[0], &application).raw, rows[0].raw);
    }
    desk.end().await;
}

fn ids(page: &Page) -> Vec<String> {
    let links = page.links().into_iter().filter_map(|link| {
        let id = link.strip_prefix("/findings/")?;
        Some(id.to_owned())
    });
    links.collect()
}

fn next(page: &Page) -> Option<String> {
    let link = page.body.split("<a rel=\"next\" href=\"").nth(1)?.split('"').next()?;
    Some(link.replace("&#38;", "&").replace("&amp;", "&"))
}

#[tokio::test]
async fn paging_to_the_end_gives_every_finding_once() {
    let desk = Desk::start().await;
    let records: Vec<_> = (1..=173).map(|number| flaw(number, number % 6, "x")).collect();
    let findings = desk.bring_in("Alpha", &records).await;
    let mut reader = desk.person("rita", Role::Reader).await;
    for (filter, expected) in [
        ("", findings.len()),
        ("severity[gte]3", findings.iter().filter(|f| f.severity.level() >= 3).count()),
        ("title[like]nothing", 0),
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let (mut path, mut seen, mut pages) =
            (format!("/findings?filter={encoded}"), Vec::new(), 0);
        loop {
            let page = reader.get(&path).await;
            assert_eq!(page.status, 200, "{path}");
            assert!(page.body.contains(&format!("<strong>{expected}</strong> findings")), "{path}");
            let own = ids(&page);
            assert!(own.len() <= 50);
            seen.extend(own);
            pages += 1;
            match next(&page) {
                Some(link) => path = link,
                None => break,
            }
        }
        assert_eq!(seen.len(), expected, "{filter}");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), expected, "{filter}");
        assert_eq!(pages, expected.div_ceil(50).max(1), "{filter}");

        let lines = reader.get(&format!("/findings.ndjson?filter={encoded}")).await;
        let exported: BTreeSet<_> = lines
            .body
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].to_string())
            .collect();
        assert_eq!(exported.len(), expected, "{filter}");
        let csv = reader.get(&format!("/findings.csv?filter={encoded}")).await;
        assert_eq!(csv.body.lines().count(), expected + 1, "{filter}");
    }
    let mut seen = 0;
    let mut path = "/changes?kind=new".to_owned();
    loop {
        let page = reader.get(&path).await;
        seen += ids(&page).len();
        match next(&page) {
            Some(link) => path = link,
            None => break,
        }
    }
    assert_eq!(seen, findings.len());
    desk.end().await;
}

#[tokio::test]
async fn a_facet_leads_there_and_back() {
    let desk = Desk::start().await;
    let records: Vec<_> = (1..=40).map(|number| flaw(number, 2 + number % 3, "x")).collect();
    desk.bring_in("Alpha", &records).await;
    let mut reader = desk.person("rita", Role::Reader).await;
    let all = reader.get("/findings").await;
    let facets = |page: &Page| -> Vec<(String, u64)> {
        let nav = page.body.split("class=\"facets\"").nth(1).unwrap();
        let nav = nav.split("</nav>").next().unwrap();
        let links = nav.split("<a ").skip(1).map(|link| {
            let href = super::browser::between(link, "href=\"", "\"").unwrap();
            let count = link.rsplit("<span>").next().unwrap().split('<').next().unwrap();
            (
                href.replace("&#38;", "&").replace("&amp;", "&"),
                count.replace(',', "").parse().unwrap(),
            )
        });
        links.collect()
    };
    let all_links = facets(&all);
    assert!(all_links.len() >= 6, "{all_links:?}");
    for (link, count) in all_links {
        let page = reader.get(&link).await;
        assert_eq!(page.status, 200, "{link}");
        assert!(
            page.body.contains(&format!("<strong>{count}</strong> findings")),
            "{link} {count}: {}",
            page.body
        );
        // The chosen value is marked; it leads back to where one came from.
        let chosen = page.body.split("aria-current=\"true\"").next().unwrap();
        let back = chosen.rsplit("<a href=\"").next().unwrap().split('"').next().unwrap();
        assert_eq!(back, "/findings", "{link}");
    }
    let words = reader.get("/findings?filter=severity%5Bgte%5D3&words=weakness").await;
    assert_eq!(words.status, 200);
    assert!(words.path.contains("text%5Blike%5Dweakness"), "{}", words.path);
    desk.end().await;
}

#[tokio::test]
async fn data_paths_are_fetched_by_operators() {
    let desk = Desk::start().await;
    let findings = desk.bring_in("Alpha", &[flaw(1, 4, "x")]).await;
    let (path, form) =
        (format!("/findings/{}", findings[0].id), format!("/findings/{}/paths", findings[0].id));
    let mut reader = desk.person("rita", Role::Reader).await;
    let page = reader.get(&path).await;
    assert!(page.body.contains("was not asked for yet") && !page.body.contains(&form));
    let own = format!("token={}", page.token());
    assert_eq!(reader.post(&form, &own, &[]).await.status, 403);
    let mut operator = desk.person("otto", Role::Operator).await;
    let page = operator.get(&path).await;
    let page = operator.send(&page, &form, &[]).await;
    assert_eq!(desk.fetched.load(std::sync::atomic::Ordering::SeqCst), 1);
    let (source, sink) = (page.body.find("source"), page.body.find("sink&lt;b&gt;"));
    assert!(source.is_some() && source < sink, "from source to sink: {}", page.body);
    desk.end().await;
}
