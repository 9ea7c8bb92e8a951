//! Query strings, forms, cookies and hosts, as browsers send them.

use countersign_web::cookie::{Cookies, Jar};
use countersign_web::form::FormKey;
use countersign_web::query::{Query, encode, link};
use countersign_web::{Names, origin};
use hyper::header::{COOKIE, HeaderMap, HeaderValue, ORIGIN};

const MOST: usize = 64;

/// Anything is read, nothing grows, and what is written is read as it was.
pub(crate) fn run(data: &[u8]) {
    let query = Query::parse(data, MOST);
    let again = query.decoded_again();
    for query in [Some(&query), again.as_ref()].into_iter().flatten() {
        for name in ["a", "token", "page", ""] {
            assert!(query.all(name).count() <= MOST && query.get(name) != Some(""));
            assert!(query.list(name).all(|value| !value.is_empty()));
        }
    }
    let text = String::from_utf8_lossy(data);
    let written = link("/x", &[("a", &text)]);
    let read = Query::parse(written.trim_start_matches("/x").trim_start_matches('?'), MOST);
    assert_eq!(read.get("a").unwrap_or_default(), text);
    assert!(encode(&text).is_ascii());
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(data) {
        headers.append(COOKIE, value.clone());
        headers.append(ORIGIN, value);
    }
    assert!(data.is_empty() || headers.is_empty() || !origin::is_own(&headers, |_| false));
    for cookies in [Cookies::new("x-", true), Cookies::new("x-", false)] {
        for jar in [Jar::SESSION, Jar::FORM, Jar::DEVICE] {
            assert!(cookies.get(&headers, jar).is_none_or(|value| value.len() == 43));
        }
        let key = FormKey::new(None, cookies, &headers, &|bytes| bytes.fill(7));
        assert!(!key.fits(&query), "nobody guesses a token");
    }
    let names = Names::new(([127, 0, 0, 1], 8460).into(), None, None);
    if let Some(site) = names.site(&text) {
        let is_own = |host: &str| site.origin == format!("http://{host}:8460");
        assert!(
            ["127.0.0.1", "localhost", "[::1]"].into_iter().any(is_own)
                || site.origin.starts_with("http://127."),
            "{}",
            site.origin
        );
    }
}
