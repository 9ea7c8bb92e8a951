//! Shapes: what is written, what is tolerated, what is refused.

mod fuzz;

use countersign_wire::error::ErrorBody;
use countersign_wire::finding::{Finding, FindingDetails};
use countersign_wire::hal::{Link, Links, Page};
use countersign_wire::identity::{Relationship, UserInput};
use countersign_wire::raw::RawPage;
use proptest::prelude::*;

const STATIC: &str = r#"{"issue_id":7,"scan_type":"STATIC","description":"<span>a</span>","count":1,"context_type":"APPLICATION","context_guid":"g","violates_policy":true,"finding_status":{"first_found_date":"2026-01-02T03:04:05.678Z","status":"OPEN","resolution":"UNRESOLVED","mitigation_review_status":"NONE","new":false,"resolution_status":"NONE","last_seen_date":"2026-02-02T03:04:05.678Z"},"finding_details":{"severity":4,"cwe":{"id":89,"name":"SQL","href":"h"},"file_path":"a/b.rs","file_name":"b.rs","module":"m","relative_location":-1,"finding_category":{"id":19,"name":"c","href":"h"},"procedure":"p","exploitability":-2,"attack_vector":"v","file_line_number":12},"build_id":99}"#;

#[test]
fn a_finding_is_written_as_it_was_read() {
    let finding = Finding::parse(STATIC).unwrap();
    assert_eq!(serde_json::to_string(&finding).unwrap(), STATIC);
}

#[test]
fn details_are_read_by_scan_type() {
    let manual = STATIC.replace("\"STATIC\"", "\"MANUAL\"");
    assert!(matches!(Finding::parse(&manual).unwrap().finding_details, FindingDetails::Manual(_)));
    let novel = STATIC.replace("\"STATIC\"", "\"IAST\"");
    let finding = Finding::parse(&novel).unwrap();
    assert!(matches!(finding.finding_details, FindingDetails::Other(_)));
    assert_eq!(serde_json::to_string(&finding).unwrap(), novel);
}

#[test]
fn a_finding_that_cannot_be_read_says_where() {
    let bad = STATIC.replace("\"severity\":4", "\"severity\":\"high\"");
    let error = Finding::parse(&bad).unwrap_err().to_string();
    assert!(error.contains("finding_details") && error.contains("high"), "{error}");
    assert!(Finding::parse("{}").is_err());
    assert!(Finding::parse("[]").is_err());
}

#[test]
fn numbers_and_texts_are_interchangeable() {
    let text = STATIC
        .replace("\"severity\":4", "\"severity\":\"4\"")
        .replace("\"issue_id\":7", "\"issue_id\":\"7\"")
        .replace("\"violates_policy\":true", "\"violates_policy\":\"TRUE\"")
        .replace("\"count\":1", "\"count\":1.0");
    let finding = Finding::parse(&text).unwrap();
    assert_eq!(serde_json::to_string(&finding).unwrap(), STATIC);
}

#[test]
fn pages_keep_their_elements_raw() {
    let body = r#"{"_embedded":{"other":[1],"findings":[ {"a" : 1},{"b":2}]},"_links":{"self":{"href":"x{?a}","templated":true}},"page":{"size":2,"total_elements":3,"total_pages":2,"number":0}}"#;
    let page = RawPage::parse(body, "findings").unwrap();
    let elements: Vec<_> = page.elements.iter().map(|raw| raw.get()).collect();
    assert_eq!(elements, [r#"{"a" : 1}"#, r#"{"b":2}"#]);
    assert_eq!(page.page, Some(Page::new(0, 2, 3)));
    assert_eq!(page.links.this, Some(Link::template("x{?a}")));
}

#[test]
fn an_empty_page_has_no_embedded() {
    for body in ["{}", r#"{"_embedded":null}"#, r#"{"_embedded":{}}"#] {
        let page = RawPage::parse(body, "findings").unwrap();
        assert!(page.elements.is_empty() && !page.has_embedded, "{body}");
    }
    for body in ["[]", "null", "<html>", "{} {}", r#"{"_embedded":{"findings":{}}}"#] {
        assert!(RawPage::parse(body, "findings").is_err(), "{body}");
    }
}

#[test]
fn links_keep_the_recorded_order() {
    let links = Links {
        first: Some(Link::to("f")),
        prev: Some(Link::to("p")),
        this: Some(Link::template("s")),
        next: Some(Link::to("n")),
        last: Some(Link::to("l")),
        ..Links::default()
    };
    assert_eq!(
        serde_json::to_string(&links).unwrap(),
        r#"{"first":{"href":"f"},"prev":{"href":"p"},"self":{"href":"s","templated":true},"next":{"href":"n"},"last":{"href":"l"}}"#
    );
}

#[test]
fn every_error_shape_is_read() {
    for (body, message, code) in [
        (r#"{"message":"uuid","http_code":401,"http_status":"Unauthorized"}"#, "uuid", None),
        (
            r#"{"_embedded":{"api_errors":[{"id":"1","code":"NOT_FOUND","title":"no such","detail":"x","status":"404"}]},"fallback_type":null}"#,
            "no such: x",
            Some("NOT_FOUND"),
        ),
        (r#"{"id":"1","code":"BAD","title":"flat","status":"400"}"#, "flat", Some("BAD")),
        (
            r#"{"errors":["team_id: Invalid value.","b: c"],"status":400}"#,
            "team_id: Invalid value.; b: c",
            None,
        ),
        (r#"{"error":"invalid_client","error_description":"who"}"#, "who", Some("invalid_client")),
        (r#"{"message":"no flaws","code":"E6"}"#, "no flaws", Some("E6")),
        ("<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway", None),
        ("plain words\nsecond line", "plain words", None),
        (r#"{"message":"a\n\u001b[2J\u202eb"}"#, "a <U+001B>[2J<U+202E>b", None),
        ("", "", None),
    ] {
        let said = ErrorBody::parse(body.as_bytes());
        assert_eq!((said.message.as_str(), said.code.as_deref()), (message, code), "{body}");
    }
}

#[test]
fn relationships_come_as_text_and_as_object() {
    let admin = Relationship { name: "ADMIN".into() };
    for text in [r#""ADMIN""#, r#"{"name":"ADMIN"}"#] {
        assert_eq!(serde_json::from_str::<Relationship>(text).unwrap(), admin);
    }
    assert_eq!(serde_json::to_string(&admin).unwrap(), r#"{"name":"ADMIN"}"#);
}

#[test]
fn unknown_and_null_members_of_a_user_are_ignored() {
    let input: UserInput =
        serde_json::from_str(r#"{"user_name":"a","apiUser":true,"title":null,"active":"True"}"#)
            .unwrap();
    assert_eq!((input.user_name.as_deref(), input.active), (Some("a"), Some(true)));
}

proptest! {
    #[test]
    fn error_bodies_are_bounded_and_printable(body in prop::collection::vec(any::<u8>(), 0..2000)) {
        let said = ErrorBody::parse(&body);
        // Each odd character is shown by up to ten.
        prop_assert!(said.message.chars().count() <= 11 * ErrorBody::MAX_CHARS);
        prop_assert!(!said.message.contains(countersign_text::is_odd));
    }

    #[test]
    fn paging_arithmetic(number in 0_u64..50, size in 1_u64..600, total in 0_u64..100_000) {
        let page = Page::new(number, size, total);
        prop_assert!(page.total_pages * size >= total);
        prop_assert!(page.total_pages == 0 || (page.total_pages - 1) * size < total);
    }
}
