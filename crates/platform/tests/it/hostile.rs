//! Hostile texts that came in by REST or by a form: marked on pages, in mails and in
//! the file of the activity log.

use countersign_testkit::TestPlatform;
use serde_json::json;

use crate::browser::{Page, between};
use crate::console::{admin, start};

/// Controls, what turns text around, and what nobody sees.
fn nasty(tag: &str) -> String {
    let mut text = format!("{tag} <b>\u{1b}]0;EVIL\u{7}\u{1b}[31m\u{9b}1m\u{85}\u{2028}\r\n");
    text.extend('\u{1}'..='\u{1f}');
    text.extend('\u{7f}'..='\u{9f}');
    text.push_str("\u{202e}\u{2066}\u{200b}\u{feff}\u{ad}\u{e0041}.");
    text
}

fn is_harmless(c: char) -> bool {
    !matches!(c,
        '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[track_caller]
fn assert_marked(page: &Page, holds: bool) {
    let odd = page.body.find(|c| !is_harmless(c));
    let odd = odd.map(|at| page.body[at..].chars().take(60).collect::<String>());
    assert_eq!(odd, None, "{}", page.path);
    let is_shown = page.body.contains("&lt;U+202E&gt;") || page.body.contains("<U+202E>");
    assert!(!holds || is_shown, "{} shows nothing of it: {}", page.path, page.body);
}

/// Everything that has a name, by REST.
async fn enter(test: &TestPlatform) {
    let pair = test
        .mint("head", &["adminapi", "uploadapi", "apisubmitanyscan", "noteamrestrictionapi"])
        .pair;
    let user = json!({"user_name": "odd@example.com", "email_address": "odd@example.com",
        "first_name": nasty("first"), "last_name": nasty("last"),
        "roles": [{"role_name": "extreviewer"}]});
    let api = json!({"user_name": nasty("api"), "email_address": "api@example.com",
        "first_name": nasty("first"), "last_name": nasty("last"),
        "roles": [{"role_name": "resultsapi"}], "permissions": [{"permission_name": "apiUser"}]});
    let application = json!({"profile": {"name": nasty("application"), "tags": nasty("tag"),
        "description": nasty("text"), "business_criticality": "HIGH"}});
    for (target, body) in [
        ("/api/authn/v2/users", user),
        ("/api/authn/v2/users?generate_api_creds=true", api),
        ("/api/authn/v2/teams", json!({"team_name": nasty("team")})),
        ("/api/authn/v2/business_units", json!({"bu_name": nasty("unit")})),
        (
            "/api/authn/v2/roles",
            json!({"role_name": "odd", "role_description": nasty("role"),
            "permissions": [{"permission_name": "viewReports"}]}),
        ),
        ("/appsec/v1/applications", application),
    ] {
        let answer = test.call(&pair, "POST", target, &body.to_string()).await;
        // Refused whole, or taken as it is: never half.
        assert!(matches!(answer.status, 200 | 201 | 400), "{target}: {}", answer.status);
    }
}

#[tokio::test]
async fn no_text_that_came_in_is_raw_on_any_page() {
    let test = start().await;
    enter(&test).await;
    let mut admin = admin(&test).await;
    let users = admin.get("/admin/users").await;
    assert_marked(&users, true);
    let mut pages = vec![(users, true)];
    for path in ["/admin/teams", "/admin/units", "/admin/roles", "/admin/activity", "/profile"] {
        let page = admin.get(path).await;
        pages.push((page, false));
    }
    let mut seen = 0;
    let mut paths = Vec::new();
    for (page, _) in &pages {
        for link in page.body.split("href=\"").skip(1) {
            let path = link.split('"').next().unwrap_or_default().replace("&#38;", "&");
            if path.starts_with("/admin/")
                && !path.contains(".csv")
                && !paths.contains(&path)
                && paths.len() < 60
            {
                paths.push(path);
            }
        }
    }
    for path in paths {
        let page = admin.get(&path).await;
        assert_marked(&page, false);
        seen += usize::from(page.body.contains("U+202E"));
    }
    assert!(seen >= 3, "only {seen} pages show what came in");
    for (page, holds) in &pages {
        assert_marked(page, *holds);
    }
    let mailbox = admin.get("/mailbox").await;
    let newest = between(&mailbox.body, "\"/mailbox/", "\"").expect("a mail").to_owned();
    for path in [format!("/mailbox/{newest}"), format!("/mailbox/{newest}/html")] {
        let page = admin.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_marked(&page, true);
    }
    let mails: Vec<(String, String, String)> = {
        let database = rusqlite::Connection::open(test.home.path().join("platform.sqlite"));
        let database = database.expect("the database opens");
        let mut rows = database.prepare("select subject, body, html from outbox").expect("a table");
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        rows.expect("rows").collect::<Result<_, _>>().expect("texts")
    };
    assert!(mails.iter().any(|(_, body, _)| body.contains("<U+202E>")));
    for (subject, body, html) in mails {
        assert!([subject, body, html].iter().all(|text| text.chars().all(is_harmless)));
    }
}

#[tokio::test]
async fn what_was_typed_comes_back_marked() {
    let test = start().await;
    let mut browser = crate::browser::Browser::new(&test);
    let page = browser.get("/sign-in").await;
    let name = nasty("who");
    let fields = [("user_name", name.as_str()), ("password", "wrong")];
    let page = browser.send(&page, "/sign-in", &fields).await;
    assert_marked(&page, false);
    let mut admin = admin(&test).await;
    for path in [
        "/admin/users?search=%1B%5B2J%E2%80%AE",
        "/admin/activity?actor=%1B%5B2J%E2%80%AE&act=%C2%9B&target=%E2%80%8B",
        "/admin/activity",
        "/admin/activity.csv",
    ] {
        let page = admin.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        // Lines of the file end as its format has them.
        let body = page.body.replace("\r\n", "\n");
        assert_marked(&Page { body, ..page }, path == "/admin/activity.csv");
    }
    let form = admin.get("/admin/users/new").await;
    let first = nasty("first");
    let fields = [("first_name", first.as_str()), ("last_name", ""), ("email", "")];
    let page = admin.send(&form, "/admin/users/new", &fields).await;
    assert_eq!(page.status, 422);
    assert_marked(&page, false);
}
