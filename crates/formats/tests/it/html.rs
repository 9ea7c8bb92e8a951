//! HTML: a row for each finding, and nothing of a finding that a browser would do.

use countersign_formats::Held;
use countersign_formats::html::Html;
use data_encoding::BASE64;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::Sample;
use crate::readers::{discussed, export, head};

fn write(samples: &[Sample]) -> String {
    let mut bytes = Vec::new();
    let held = export(Box::new(Html::new(&mut bytes, &head()).unwrap()), samples);
    assert!(held.iter().all(|held| *held == Held::Written));
    String::from_utf8(bytes).unwrap()
}

/// The tags of a page, in order, without their attributes.
fn tags(page: &str) -> Vec<&str> {
    let ends = [' ', '>', '\n'];
    page.split('<').skip(1).map(|tag| tag.split(ends).next().unwrap_or_default()).collect()
}

proptest! {
    #[test]
    fn every_finding_is_a_row_and_text_stays_text(samples in discussed()) {
        let page = write(&samples);
        const KNOWN: [&str; 34] = [
            "!DOCTYPE", "html", "head", "meta", "title", "style", "body", "header", "main",
            "section", "h1", "h2", "p", "a", "div", "table", "caption", "thead", "tbody", "tr",
            "th", "td", "details", "summary", "dl", "dt", "dd", "bdi", "span", "code", "/html",
            "/style", "/title", "/body",
        ];
        for tag in tags(&page) {
            let name = tag.strip_prefix('/').unwrap_or(tag);
            prop_assert!(KNOWN.contains(&name), "<{}>", tag);
        }
        prop_assert_eq!(tags(&page).iter().filter(|tag| **tag == "style").count(), 1);
        prop_assert!(!page.contains("<script") && !page.contains(" src=") && !page.contains("url("));
        for link in page.split("href=\"").skip(1) {
            prop_assert!(link.starts_with('#'), "{}", &link[..20]);
        }
        for it in &samples {
            let id = format!("<div class=\"id\">{}</div>", it.finding.id.as_str());
            prop_assert_eq!(page.matches(&id).count(), 1);
        }
        for hidden in ['\0', '\u{200b}', '\u{202e}', '\u{202c}', '\u{7f}', '\u{feff}'] {
            prop_assert!(!page.contains(hidden), "{:?}", hidden);
        }
    }

    #[test]
    fn the_summary_adds_up(samples in discussed()) {
        let page = write(&samples);
        let (_, summary) = page.split_once("<section id=\"summary\"").unwrap();
        let totals: Vec<_> = summary
            .lines()
            .filter(|line| line.starts_with("<tr><th scope=\"row\">All</th>"))
            .collect();
        prop_assert_eq!(totals.len(), 3);
        let all = format!("<td class=\"number\">{}</td></tr>", samples.len());
        for total in &totals {
            prop_assert!(total.ends_with(&all), "{}", total);
            prop_assert_eq!(total, &totals[0]);
        }
    }
}

#[test]
fn the_policy_allows_this_style_and_nothing_else() {
    let page = write(&[]);
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = BASE64.encode(&Sha256::digest(style));
    let policy = format!(
        "content=\"default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'\""
    );
    assert!(page.contains(&policy));
    assert!(!style.contains('<') && !style.contains("@import"));
}
