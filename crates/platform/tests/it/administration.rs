//! What administrators do on pages, and what accounts do about themselves:
//! refusals first.

use countersign_signing::Pair;
use countersign_testkit::TestPlatform;

use crate::browser::{Browser, Page, between};
use crate::console::{PASSWORD, activate, add_reader, admin, newest_link, sign_in, start};

const DAY_MS: i64 = 86_400_000;

async fn path_of(admin: &mut Browser<'_>, name: &str) -> String {
    let page = admin.get(&format!("/admin/users?search={name}")).await;
    between(&page.body, "<td><a href=\"", "\"").expect("a row").to_owned()
}

/// The pair that a page shows once.
pub(crate) fn shown_pair(page: &Page) -> Pair {
    assert_eq!(page.title(), "Store the Secret Key now", "{}", page.body);
    let key = between(&page.body, "aria-label=\"Secret Key\">", "<").expect("a secret");
    Pair::parse(&page.field("api_id"), key).expect("a pair")
}

async fn status(test: &TestPlatform, pair: &Pair) -> u16 {
    test.get(pair, "/appsec/v1/applications").await.status
}

#[tokio::test]
async fn an_administrator_mints_for_api_accounts_alone() {
    let test = start().await;
    let mut admin = admin(&test).await;
    add_reader(&mut admin, "reader").await;
    let own = path_of(&mut admin, "admin@example.com").await;
    let page = admin.get(&format!("{own}/credentials")).await;
    assert_eq!((page.status, page.title()), (403, "Only for the owner"));
    let token = admin.get("/credentials").await.field("token");
    let body = format!("token={token}&kind=hmac&newest=");
    let page = admin.post(&format!("{own}/credentials"), &body, &[]).await;
    assert_eq!(page.status, 403, "a person's secret is that person's");

    let path = format!("{}/credentials", path_of(&mut admin, "reader").await);
    let page = admin.get(&path).await;
    assert_eq!(page.title(), "API Credentials of reader");
    let pair = shown_pair(&admin.send(&page, &path, &[]).await);
    assert_eq!(status(&test, &pair).await, 200);
    let again = admin.send(&page, &path, &[]).await;
    assert_eq!(again.status, 422, "the page was loaded before");
    let mailbox = admin.mailbox().await;
    assert!(mailbox.body.contains("API credentials generated"), "the owner is told");

    let page = admin.get(&path).await;
    let revoke = page.link("Revoke");
    let ask = admin.get(&revoke).await;
    assert_eq!(ask.link("Cancel"), path, "it can be left");
    assert_eq!(status(&test, &pair).await, 200, "a look revokes nothing");
    admin.send(&ask, &revoke, &[]).await;
    assert_eq!(status(&test, &pair).await, 401);
}

#[tokio::test]
async fn settings_hold_for_everybody() {
    let test = start().await;
    let mut admin = admin(&test).await;
    let form = admin.get("/admin/settings").await;
    for (name, value) in [
        ("pair_days", "0"),
        ("pair_days", "366"),
        ("idle_minutes", "16"),
        ("session_hours", "25"),
        ("password_days", "x"),
        ("overlap_hours", "-1"),
        ("mail_from", "nobody"),
    ] {
        let page = admin.send(&form, "/admin/settings", &[(name, value)]).await;
        assert_eq!(page.status, 422, "{name} {value}");
    }
    let form = admin.get("/admin/settings").await;
    assert_eq!(form.field("pair_days"), "365", "nothing was saved");
    let fields =
        [("pair_days", "30"), ("overlap_hours", "0"), ("idle_minutes", "5"), ("mfa", "everybody")];
    assert_eq!(admin.send(&form, "/admin/settings", &fields).await.status, 200);

    let link = add_reader(&mut admin, "reader").await;
    let mut browser = Browser::new(&test);
    activate(&mut browser, &test, &link).await;
    let mut pairs = Vec::new();
    for _ in 0..2 {
        let page = browser.get("/credentials").await;
        pairs.push(shown_pair(&browser.send(&page, "/credentials", &[]).await));
    }
    assert_eq!(status(&test, &pairs[0]).await, 401, "no overlap");
    assert_eq!(status(&test, &pairs[1]).await, 200);
    test.advance(5 * 60_000);
    assert_eq!(browser.get("/credentials").await.title(), "Log in", "idle for five minutes");
    test.advance(30 * DAY_MS);
    assert_eq!(status(&test, &pairs[1]).await, 401, "thirty days");
}

#[tokio::test]
async fn an_edited_user_keeps_the_rules() {
    let test = start().await;
    let mut admin = admin(&test).await;
    add_reader(&mut admin, "reader").await;
    let path = format!("{}/edit", path_of(&mut admin, "reader").await);
    let form = admin.get(&path).await;
    assert_eq!(form.field("first_name"), "Integration");
    for (fields, word) in [
        (vec![("role", "uploadapi")], "scan type role"),
        (vec![("role", "extreviewer")], "cannot be given to an API account"),
        (vec![("first_name", "")], "first_name"),
        (vec![("allowed", "300.1.1.1")], "not an address"),
        (vec![("email", "nobody")], "no e-mail address"),
    ] {
        let page = admin.send(&form, &path, &fields).await;
        assert_eq!(page.status, 422, "{word}");
        assert!(page.body.contains(word), "{word}: {}", page.body);
    }
    let fields = [("first_name", "Another"), ("email", "other@example.com")];
    let page = admin.send(&form, &path, &fields).await;
    assert_eq!((page.status, page.title()), (200, "reader"));
    assert!(page.body.contains("Another Reader"), "{}", page.body);
    assert!(page.body.contains("reader@example.com"), "the address waits to be verified");

    let own = format!("{}/edit", path_of(&mut admin, "admin@example.com").await);
    let form = admin.get(&own).await;
    let page = admin.send(&form, &own, &[("role", "extreviewer")]).await;
    assert_eq!(page.status, 422);
    assert!(page.body.contains("own account stays"), "{}", page.body);
}

#[tokio::test]
async fn another_address_is_verified_and_both_are_told() {
    let test = start().await;
    let mut admin = admin(&test).await;
    let page = admin.get("/profile").await;
    let refused = admin.send(&page, "/profile/address", &[("email", "nobody")]).await;
    assert_eq!(refused.status, 422);
    let page = admin.send(&page, "/profile/address", &[("email", "new@example.com")]).await;
    assert!(page.body.contains("new@example.com waits to be verified"), "{}", page.body);
    let mailbox = admin.mailbox().await;
    let verify = mailbox.link("Verify your e-mail address");
    let mail = admin.get(&verify).await;
    assert!(mail.body.contains("new@example.com"));
    let link = between(&mail.body, "<a href=\"https://", "\"").expect("a link");
    let link = link[link.find('/').expect("a path")..].to_owned();
    for _ in 0..2 {
        assert_eq!(admin.get(&link).await.status, 200, "a look changes nothing");
    }
    assert!(admin.get("/profile").await.body.contains("waits to be verified"));
    let page = admin.get(&link).await;
    let page = admin.send(&page, "", &[]).await;
    assert!(page.body.contains("<p>new@example.com</p>"), "{}", page.body);
    assert_eq!(admin.get(&link).await.status, 410, "good once");
    let mailbox = admin.mailbox().await.body;
    assert_eq!(mailbox.matches("E-mail address changed").count(), 3, "before, and both after");
}

#[tokio::test]
async fn a_lock_out_ends_by_the_link_of_its_mail() {
    let test = start().await;
    let (name, password) = test.platform.first_admin().expect("a home").expect("a password");
    let mut browser = Browser::new(&test);
    let ask = async |browser: &mut Browser<'_>, name: &str| {
        let page = browser.get("/locked").await;
        browser.send(&page, "/locked", &[("user_name", name)]).await.body
    };
    let known = ask(&mut browser, &name).await;
    let unknown = ask(&mut browser, "nobody").await;
    let words = |body: &str| between(body, "role=\"status\">", "<").expect("words").to_owned();
    assert_eq!(words(&known), words(&unknown), "one answer for everybody");
    assert!(browser.mailbox().await.body.contains("not locked"));
    for _ in 0..5 {
        sign_in(&mut browser, &name, "wrong").await;
    }
    assert_eq!(sign_in(&mut browser, &name, &password).await.status, 401);
    let link = newest_link(&mut browser).await;
    let page = browser.get(&link).await;
    assert_eq!(page.title(), "Unlock your account");
    assert_eq!(sign_in(&mut browser, &name, &password).await.status, 401, "a look unlocks nothing");
    browser.send(&page, "", &[]).await;
    assert_eq!(browser.get(&link).await.status, 410, "good once");
    assert_eq!(sign_in(&mut browser, &name, &password).await.title(), "API Credentials");

    for _ in 0..5 {
        sign_in(&mut browser, &name, "wrong").await;
    }
    let link = newest_link(&mut browser).await;
    test.advance(3_600_000);
    assert_eq!(browser.get(&link).await.status, 410, "an hour");
}

#[tokio::test]
async fn too_many_tries_from_one_address_wait_at_every_step() {
    let test = start().await;
    let mut admin = admin(&test).await;
    let link = add_reader(&mut admin, "reader").await;
    let mut browser = Browser::new(&test);
    activate(&mut browser, &test, &link).await;
    let page = sign_in(&mut browser, "reader", PASSWORD).await;
    assert_eq!(page.title(), "Second factor");
    let waiting = format!("token={}&code=1", page.field("token"));
    let whole = format!("token={}&code=1&password=x", admin.get("/profile").await.field("token"));
    let mut stranger = Browser::new(&test);
    let page = stranger.get("/forgot").await;
    test.advance(60_000);
    for _ in 0..60 {
        assert_eq!(stranger.send(&page, "/forgot", &[("user_name", "x")]).await.status, 200);
    }
    let visitor = format!("token={}&user_name=x&password=y", page.field("token"));
    for path in
        ["/sign-in", "/forgot", "/locked", "/activate/x", "/reset/x", "/unlock/x", "/address/x"]
    {
        assert_eq!(stranger.post(path, &visitor, &[]).await.status, 429, "{path}");
    }
    for path in ["/activate/x", "/reset/x", "/unlock/x", "/address/x"] {
        assert_eq!(stranger.get(path).await.status, 429, "{path}");
    }
    assert_eq!(browser.post("/second-factor", &waiting, &[]).await.status, 429);
    for path in ["/prove", "/enrol", "/profile/password"] {
        assert_eq!(admin.post(path, &whole, &[]).await.status, 429, "{path}");
    }
    test.advance(60_000);
    assert_eq!(sign_in(&mut stranger, "x", "y").await.status, 401);
}

#[tokio::test]
async fn a_password_lapses_and_pairs_do_not() {
    let test = start().await;
    let mut browser = admin(&test).await;
    let (name, password) = test.platform.first_admin().expect("a home").expect("a password");
    let page = browser.get("/credentials").await;
    let pair = shown_pair(&browser.send(&page, "/credentials", &[]).await);
    test.advance(90 * DAY_MS);
    let page = sign_in(&mut browser, &name, &password).await;
    assert_eq!(page.title(), "Your password has expired");
    for path in ["/credentials", "/admin/users", "/profile", "/prove"] {
        assert_eq!(browser.get(path).await.title(), "Your password has expired", "{path}");
    }
    let pair_answer = test.get(&pair, "/api/authn/v2/users/self").await;
    assert_eq!(pair_answer.status, 200, "pairs go on working");
    let change = |present, new| [("present", present), ("password", new), ("again", new)];
    let refused = browser.send(&page, "/profile/password", &change("wrong", PASSWORD)).await;
    assert_eq!(refused.status, 422);
    let page = browser.send(&page, "/profile/password", &change(&*password, PASSWORD)).await;
    assert_eq!(page.title(), "API Credentials");
}

#[tokio::test]
async fn the_last_factor_stays_with_who_must_have_one() {
    let test = start().await;
    let mut admin = admin(&test).await;
    let link = add_reader(&mut admin, "reader").await;
    let mut browser = Browser::new(&test);
    activate(&mut browser, &test, &link).await;
    let page = browser.get("/profile").await;
    let refused = browser.send(&page, "/profile/factors/app/remove", &[]).await;
    assert_eq!((refused.status, refused.title()), (409, "The last second factor"));
    let codes = browser.send(&page, "/profile/recovery", &[]).await;
    assert_eq!(codes.title(), "Recovery codes");
    let path = path_of(&mut admin, "reader").await;
    let edit = format!("{path}/edit");
    let form = admin.get(&edit).await;
    let off = form.body.replace("name=\"mfa\" value=\"on\" checked", "name=\"mfa\" value=\"on\"");
    admin.send(&Page { body: off, ..form }, &edit, &[]).await;
    let page = browser.send(&page, "/profile/factors/app/remove", &[]).await;
    assert_eq!((page.status, page.title()), (200, "Profile"), "{}", page.body);
    assert!(page.body.contains("None."));
    let page = browser.get("/profile").await;
    let token = page.field("token");
    let body = format!("token={token}");
    assert_eq!(browser.post("/profile/factors/app/remove", &body, &[]).await.status, 404);
}

#[tokio::test]
async fn the_activity_log_is_filtered_and_downloaded() {
    let test = start().await;
    let mut admin = admin(&test).await;
    add_reader(&mut admin, "reader").await;
    let mut stranger = Browser::new(&test);
    sign_in(&mut stranger, "=cmd()", "x").await;
    let page = admin.get("/admin/activity?act=user.&target=READ").await;
    assert_eq!(page.body.matches("<code>user.create</code>").count(), 1);
    assert!(!page.body.contains("session.refuse"));
    let csv = admin.get("/admin/activity.csv?act=session.refuse").await;
    let lines: Vec<_> = csv.body.lines().collect();
    assert_eq!(lines.len(), 2, "{}", csv.body);
    assert!(lines[1].contains("\"'=cmd()\""), "no formula: {}", lines[1]);
}

#[tokio::test]
async fn roles_of_the_organisation() {
    let test = start().await;
    let manager = test.mint("manager", &["adminapi"]).pair;
    let roles = "/api/authn/v2/roles";
    for (body, word) in [
        (r#"{"role_name":"x","role_description":"X"}"#, "holds a permission"),
        (
            r#"{"role_name":"extadmin","role_description":"X","permissions":[{"permission_name":"viewResults"}]}"#,
            "built in",
        ),
        (
            r#"{"role_name":"x","role_description":"X","permissions":[{"permission_name":"fly"}]}"#,
            "not a permission",
        ),
        (
            r#"{"role_name":"x","role_description":"X","is_api":true,"child_roles":[{"role_name":"extreviewer"}]}"#,
            "other kind",
        ),
        (
            r#"{"role_name":"x","role_description":"","permissions":[{"permission_name":"viewResults"}]}"#,
            "role_description",
        ),
        (
            r#"{"role_description":"X","permissions":[{"permission_name":"viewResults"}]}"#,
            "role_name",
        ),
    ] {
        let answer = test.call(&manager, "POST", roles, body).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 400, "{word}: {text}");
        assert!(text.contains(word), "{word}: {text}");
    }
    let body = r#"{"role_name":"watcher","role_description":"Watcher","is_api":true,"permissions":[{"permission_name":"viewResults"}]}"#;
    let made = test.call(&manager, "POST", roles, body).await;
    assert_eq!(made.status, 201);
    let path = format!("{roles}/{}", made.json()["role_id"].as_str().expect("an id"));
    assert_eq!(test.call(&manager, "POST", roles, body).await.status, 400, "the name is taken");

    let mut admin = admin(&test).await;
    let form = admin.get("/admin/users/new").await;
    assert!(form.body.contains("Watcher"));
    let fields = |role| {
        [
            ("first_name", "A"),
            ("last_name", "B"),
            ("email", "watcher@example.com"),
            ("user_name", "watching"),
            ("is_api", "on"),
            ("role", role),
            ("role", "noteamrestrictionapi"),
        ]
    };
    let saved = admin.send(&form, "/admin/users/new", &fields("watcher")).await;
    assert_eq!((saved.status, saved.title()), (200, "watching"), "{}", saved.body);
    let credentials = format!("{}/credentials", path_of(&mut admin, "watching").await);
    let page = admin.get(&credentials).await;
    let pair = shown_pair(&admin.send(&page, &credentials, &[]).await);
    let apps = test.get(&pair, "/appsec/v1/applications").await.json();
    let guid = apps["_embedded"]["applications"][0]["guid"].as_str().expect("a guid");
    let findings = format!("/appsec/v2/applications/{guid}/findings");
    assert_eq!(test.get(&pair, &findings).await.status, 200, "viewResults");
    assert_eq!(test.get(&pair, "/api/authn/v2/users").await.status, 403);

    let body = r#"{"permissions":[{"permission_name":"submitStaticScan"}]}"#;
    let changed = test.call(&manager, "PUT", &format!("{path}?partial=true"), body).await;
    assert_eq!(changed.json()["role_description"], "Watcher");
    assert_eq!(test.get(&pair, &findings).await.status, 403, "it holds that no more");
    assert_eq!(test.call(&manager, "DELETE", &path, "").await.status, 200);
    assert_eq!(test.get(&manager, &path).await.status, 404);
    let me = test.get(&pair, "/api/authn/v2/users/self").await.json();
    assert_eq!(me["roles"].as_array().map(Vec::len), Some(1), "{me}");

    let built_in = test.get(&manager, &format!("{roles}?size=1")).await.json();
    let id = built_in["_embedded"]["roles"][0]["role_id"].as_str().expect("an id").to_owned();
    let refused = test.call(&manager, "DELETE", &format!("{roles}/{id}"), "").await;
    assert_eq!(refused.status, 403, "built in");
    let permissions = test.get(&manager, "/api/authn/v2/permissions?size=5").await.json();
    assert_eq!(permissions["_embedded"]["permissions"].as_array().map(Vec::len), Some(5));

    let form = admin.get("/admin/roles/new").await;
    let named = [("name", "reader"), ("description", "Reads")];
    assert_eq!(admin.send(&form, "/admin/roles/new", &named).await.status, 422);
    let fields = [named[0], named[1], ("child", "extreviewer")];
    let list = admin.send(&form, "/admin/roles/new", &fields).await;
    let one = list.link("Reads");
    let page = admin.get(&one).await;
    let token = page.field("token");
    let wrong = format!("token={token}&act=delete&typed=Reads");
    assert_eq!(admin.post(&one, &wrong, &[]).await.status, 422);
    let right = format!("token={token}&act=delete&typed=reader");
    assert!(!admin.post(&one, &right, &[]).await.body.contains("Reads"));
}

#[tokio::test]
async fn teams_and_business_units() {
    let test = start().await;
    let mut admin = admin(&test).await;
    add_reader(&mut admin, "reader").await;
    for (path, member) in [("/admin/teams", "reader"), ("/admin/business-units", "Crew")] {
        let list = admin.get(path).await;
        for name in ["", " "] {
            assert_eq!(admin.send(&list, path, &[("name", name)]).await.status, 422);
        }
        let page = admin.send(&list, path, &[("name", "Crew")]).await;
        assert_eq!(page.title(), "Crew", "{}", page.body);
        let one = page.path.clone();
        assert_eq!(admin.send(&list, path, &[("name", "crew")]).await.status, 422, "taken");
        let send =
            |act: &str, value: &str, token: &str| format!("token={token}&act={act}&value={value}");
        let token = page.field("token");
        for (act, value, expected) in [
            ("add", "nobody-here", 422),
            ("remove", "x", 422),
            ("rename", "", 422),
            ("delete", "Other", 422),
            ("burn", "x", 404),
            ("add", member, 303),
        ] {
            let page = admin.post(&one, &send(act, value, &token), &[]).await;
            let expected = if expected == 303 { 200 } else { expected };
            assert_eq!(page.status, expected, "{path} {act} {value}: {}", page.body);
        }
        let page = admin.get(&one).await;
        assert!(page.body.contains(&format!("Remove<span class=\"hidden\"> {member}")));
    }
    let page = admin.get("/admin/business-units").await;
    let first = page.link("Crew");
    let token = page.field("token");
    let body = format!("token={token}&act=delete&value=Crew");
    assert_eq!(admin.post(&first, &body, &[]).await.title(), "Business Units");
    assert_eq!(admin.get(&first).await.status, 404);
    assert_eq!(admin.get("/admin/teams").await.link("Crew").len(), "/admin/teams/".len() + 36);
    assert_eq!(admin.get("/admin/roles").await.body.matches("extseclead").count(), 1);
    assert_eq!(admin.get("/admin/nonsense").await.status, 404);
}
