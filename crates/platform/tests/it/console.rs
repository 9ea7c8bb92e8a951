//! The guide by its pages: refusals first, then the whole journey.

use countersign_platform::SeedSpec;
use countersign_signin::totp::Secret;
use countersign_signing::Pair;
use countersign_testkit::TestPlatform;
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use crate::browser::{Browser, Page, between};

pub(crate) const PASSWORD: &str = "plum-Kettle7-orbit";

pub(crate) async fn start() -> TestPlatform {
    TestPlatform::start_with(SeedSpec::Demo, |config| {
        config.console = Some(([127, 0, 0, 1], 0).into());
    })
    .await
}

pub(crate) async fn admin(test: &TestPlatform) -> Browser<'_> {
    let (name, password) = test.platform.first_admin().expect("a home").expect("a password");
    let mut browser = Browser::new(test);
    let page = sign_in(&mut browser, &name, &password).await;
    assert_eq!((page.status, page.title()), (200, "API Credentials"));
    browser
}

pub(crate) async fn sign_in(browser: &mut Browser<'_>, name: &str, password: &str) -> Page {
    let page = browser.get("/sign-in").await;
    browser.send(&page, "/sign-in", &[("user_name", name), ("password", password)]).await
}

/// An API account by the form; answers the link of its mail.
pub(crate) async fn add_reader(browser: &mut Browser<'_>, name: &str) -> String {
    let form = browser.get("/admin/users/new?preset=api-reader").await;
    let page = browser
        .send(
            &form,
            "/admin/users/new",
            &[
                ("first_name", "Integration"),
                ("last_name", "Reader"),
                ("email", "reader@example.com"),
                ("user_name", name),
            ],
        )
        .await;
    assert_eq!((page.status, page.title()), (200, name), "{}", page.body);
    assert!(page.body.contains("goes to reader@example.com"));
    newest_link(browser).await
}

/// The link in the newest mail.
pub(crate) async fn newest_link(browser: &mut Browser<'_>) -> String {
    let mailbox = browser.mailbox().await;
    let newest =
        format!("/mailbox/{}", between(&mailbox.body, "\"/mailbox/", "\"").expect("a mail"));
    let mail = browser.get(&newest).await;
    let link = between(&mail.body, "<a href=\"https://", "\"").expect("a link");
    link[link.find('/').expect("a path")..].to_owned()
}

/// Activates with the password and a second factor; answers its secret.
pub(crate) async fn activate(browser: &mut Browser<'_>, test: &TestPlatform, link: &str) -> Secret {
    let page = browser.get(link).await;
    assert_eq!(page.title(), "Activate your account");
    let page = browser.send(&page, "", &[("password", PASSWORD), ("again", PASSWORD)]).await;
    assert_eq!(page.title(), "Set up a second factor", "{}", page.body);
    let text = between(&page.body, "<code class=\"key\">", "</code>").expect("a key");
    let secret = BASE32_NOPAD.decode(text.replace(' ', "").as_bytes()).expect("base 32");
    let secret = Secret::from_bytes(Zeroizing::new(secret));
    let code = secret.code_at(test.now()).expect("a code");
    let page = browser.send(&page, "/enrol", &[("code", &code)]).await;
    assert_eq!(page.title(), "Recovery codes", "{}", page.body);
    secret
}

#[tokio::test]
async fn nobody_gets_in_without_signing_in() {
    let test = start().await;
    let mut browser = Browser::new(&test);
    for path in
        ["/credentials", "/admin/users", "/admin/users/new", "/admin/activity", "/enrol", "/prove"]
    {
        let page = browser.get(path).await;
        assert_eq!((page.status, page.title()), (200, "Log in"), "{path}");
    }
    for path in ["/credentials", "/admin/users/new", "/enrol", "/sign-out"] {
        assert_eq!(browser.post(path, "token=x", &[]).await.status, 400, "{path}");
    }
    assert_eq!(browser.get("/nowhere").await.status, 404);
    browser.set_cookie("__Host-session", &"A".repeat(43));
    assert_eq!(browser.get("/credentials").await.title(), "Log in", "a made-up session");
}

/// Who may see a page: everybody, who is signed in, administrators, who has the link of the
/// mailbox, which is here the administrator's browser.
#[derive(Debug, Clone, Copy, PartialEq)]
enum May {
    Everybody,
    Person,
    Admin,
    Link,
}

/// Each route with who may go there; the last part is for a GET without effect.
const ROUTES: &[(&str, May)] = &[
    ("/", May::Everybody),
    ("/style.css", May::Everybody),
    ("/sign-in", May::Everybody),
    ("/second-factor", May::Person),
    ("/prove", May::Person),
    ("/sign-out", May::Everybody),
    ("/activate/{token}", May::Everybody),
    ("/reset/{token}", May::Everybody),
    ("/forgot", May::Everybody),
    ("/enrol", May::Person),
    ("/console.js", May::Everybody),
    ("/locked", May::Everybody),
    ("/unlock/{token}", May::Everybody),
    ("/address/{token}", May::Everybody),
    ("/lapsed", May::Person),
    ("/profile/address", May::Person),
    ("/profile/factors/{id}/remove", May::Person),
    ("/profile/recovery", May::Person),
    ("/profile", May::Person),
    ("/profile/password", May::Person),
    ("/profile/sessions", May::Person),
    ("/credentials", May::Person),
    ("/credentials/{id}/revoke", May::Person),
    ("/admin", May::Everybody),
    ("/admin/users", May::Admin),
    ("/admin/users/new", May::Admin),
    ("/admin/users/{guid}", May::Admin),
    ("/admin/users/{guid}/{act}", May::Admin),
    ("/admin/users/{guid}/edit", May::Admin),
    ("/admin/users/{guid}/credentials", May::Admin),
    ("/admin/users/{guid}/credentials/{id}/revoke", May::Admin),
    ("/admin/roles", May::Admin),
    ("/admin/roles/new", May::Admin),
    ("/admin/roles/{guid}", May::Admin),
    ("/admin/settings", May::Admin),
    ("/admin/{groups}", May::Admin),
    ("/admin/{groups}/{guid}", May::Admin),
    ("/admin/activity", May::Admin),
    ("/admin/activity.csv", May::Admin),
    ("/mailbox", May::Link),
    ("/mailbox/open/{token}", May::Everybody),
    ("/mailbox/{id}", May::Link),
    ("/mailbox/{id}/html", May::Link),
];

/// A route without an entry fails here.
#[test]
fn every_route_is_in_the_matrix() {
    let source = include_str!("../../src/console.rs");
    let mut routes: Vec<_> = source
        .split(".route(")
        .skip(1)
        .map(|route| between(route, "\"", "\"").expect("a path"))
        .collect();
    let mut listed: Vec<_> = ROUTES.iter().map(|(path, _)| *path).collect();
    routes.sort_unstable();
    listed.sort_unstable();
    assert_eq!(routes, listed);
}

/// Every route by GET and by POST with a form of the visitor's own, for nobody, for
/// an API account, for each role of people, and for the administrator.
#[tokio::test]
async fn every_route_for_every_role() {
    let test = start().await;
    let mut admin = admin(&test).await;
    let nowhere = "00000000-0000-4000-8000-000000000000";
    let concrete = |path: &str| {
        path.replace("{guid}", nowhere)
            .replace("{act}", "unlock")
            .replace("{groups}", "teams")
            .replace("{token}", "x")
            .replace("{id}", "0")
    };
    let mut visitors = vec![(None, Browser::new(&test))];
    for (at, role) in [
        "api",
        "extreviewer",
        "extexecutive",
        "extmitigationapprover",
        "teamAdmin",
        "extpolicyadmin",
    ]
    .iter()
    .enumerate()
    {
        let (name, mail) = (format!("visitor-{at}"), format!("visitor-{at}@example.com"));
        let form = admin.get("/admin/users/new").await;
        let mut fields = vec![("first_name", "V"), ("last_name", "W"), ("email", mail.as_str())];
        match *role {
            "api" => fields.extend([
                ("is_api", "on"),
                ("user_name", name.as_str()),
                ("role", "adminapi"),
            ]),
            role => fields.push(("role", role)),
        }
        let page = admin.send(&form, "/admin/users/new", &fields).await;
        assert_eq!(page.status, 200, "{role}: {}", page.body);
        let link = newest_link(&mut admin).await;
        let mut browser = Browser::new(&test);
        activate(&mut browser, &test, &link).await;
        visitors.push((Some(false), browser));
    }
    visitors.push((Some(true), admin));
    for (who, browser) in &mut visitors {
        for (path, may) in ROUTES.iter().filter(|(path, _)| *path != "/sign-out") {
            let is_let_in = match may {
                May::Everybody => true,
                May::Person => who.is_some(),
                May::Admin | May::Link => *who == Some(true),
            };
            let path = concrete(path);
            let page = browser.get(&path).await;
            let is_refused = page.status == 403
                || (page.title() == "Log in" && path != "/sign-in" && path != "/");
            let is_way_in = path == "/admin" && *who != Some(true);
            // Some only take forms.
            let is_let_in_by_get = page.status == 405 || is_let_in && !is_way_in;
            assert_eq!(is_refused, !is_let_in_by_get, "GET {path} {who:?} {}", page.status);

            let token = browser.get("/forgot").await.field("token");
            let body = format!("token={token}");
            if !path.starts_with("/sign-in") {
                let page = browser.post(&path, &body, &[]).await;
                let is_done = page.status == 200
                    && !["Log in", "Prove that it is you"].contains(&page.title());
                assert!(!is_done || is_let_in, "POST {path} {who:?} {}", page.title());
            }
        }
    }
}

#[tokio::test]
async fn an_api_account_is_no_administrator() {
    let test = start().await;
    let mut admin = admin(&test).await;
    let link = add_reader(&mut admin, "reader").await;
    let mut browser = Browser::new(&test);
    activate(&mut browser, &test, &link).await;
    for path in ["/admin/users", "/admin/users/new", "/admin/activity"] {
        assert_eq!(browser.get(path).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn after_five_failures_strangers_wait_and_nothing_is_told_apart() {
    let test = start().await;
    let (name, password) = test.platform.first_admin().expect("a home").expect("a password");
    let mut browser = Browser::new(&test);
    let mut bodies = Vec::new();
    for (name, password) in [(&*name, "wrong"), ("nobody", "wrong"), (&*name, "")] {
        let page = sign_in(&mut browser, name, password).await;
        assert_eq!(page.status, 401);
        bodies.push(between(&page.body, "role=\"alert\">", "<").expect("words").to_owned());
    }
    for _ in 0..3 {
        assert_eq!(sign_in(&mut browser, &name, "wrong").await.status, 401);
    }
    let page = sign_in(&mut browser, &name, &password).await;
    assert_eq!(page.status, 401, "right, and not looked at");
    bodies.push(between(&page.body, "role=\"alert\">", "<").expect("words").to_owned());
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "one answer for every cause");
    test.advance(59_000);
    assert_eq!(sign_in(&mut browser, &name, &password).await.status, 401);
    test.advance(1_000);
    assert_eq!(sign_in(&mut browser, &name, &password).await.status, 200);
    let mailbox = browser.mailbox().await;
    assert_eq!(mailbox.body.matches("Sign-in locked").count(), 1);
}

#[tokio::test]
async fn forms_of_others_do_nothing() {
    let test = start().await;
    let mut one = admin(&test).await;
    let mut two = admin(&test).await;
    let (page, other) = (one.get("/credentials").await, two.get("/credentials").await);
    let token = other.field("token");
    assert_ne!(page.field("token"), token);
    let body = format!("token={token}&kind=hmac&newest=");
    assert_eq!(one.post("/credentials", &body, &[]).await.status, 400, "of another session");
    let own = format!("token={}&kind=hmac&newest=", page.field("token"));
    for headers in [
        [("origin", "https://evil.example.com")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
    ] {
        assert_eq!(one.post("/credentials", &own, &headers).await.status, 400, "{headers:?}");
    }
    assert!(one.get("/credentials").await.body.contains("There are no credentials yet"));

    let before = one.cookie("__Host-session").expect("a session").to_owned();
    let page = one.get("/credentials").await;
    assert_eq!(one.send(&page, "/sign-out", &[]).await.title(), "Log in");
    one.set_cookie("__Host-session", &before);
    assert_eq!(one.get("/credentials").await.title(), "Log in", "the session is over");
}

#[tokio::test]
async fn links_are_good_once_and_for_a_while() {
    let test = start().await;
    let mut admin = admin(&test).await;
    let first = add_reader(&mut admin, "reader").await;
    let user = admin.get("/admin/users?search=reader").await.link("reader");
    let page = admin.get(&user).await;
    admin.send(&page, &format!("{user}/resend"), &[]).await;
    let second = newest_link(&mut admin).await;
    let mut browser = Browser::new(&test);
    assert_eq!(browser.get(&first).await.status, 410, "a newer one replaced it");
    for _ in 0..3 {
        assert_eq!(browser.get(&second).await.status, 200, "a scanner of mail uses nothing up");
    }
    let page = browser.get(&second).await;
    for (password, again) in [
        ("short", "short"),
        (PASSWORD, "plum-Kettle7-orbi"),
        ("Reader-Kettle7-x", "Reader-Kettle7-x"),
    ] {
        let page = browser.send(&page, "", &[("password", password), ("again", again)]).await;
        assert_eq!(page.status, 422, "{password}");
    }
    test.advance(7 * 24 * 3_600_000);
    assert_eq!(browser.get(&second).await.status, 410, "too late");

    let mut admin = self::admin(&test).await;
    let page = admin.get(&user).await;
    admin.send(&page, &format!("{user}/resend"), &[]).await;
    let third = newest_link(&mut admin).await;
    activate(&mut browser, &test, &third).await;
    let mut other = Browser::new(&test);
    assert_eq!(other.get(&third).await.status, 410, "used");
}

#[tokio::test]
async fn a_code_is_good_once() {
    let test = start().await;
    let mut admin = admin(&test).await;
    let link = add_reader(&mut admin, "reader").await;
    let mut browser = Browser::new(&test);
    let secret = activate(&mut browser, &test, &link).await;
    let used = secret.code_at(test.now()).expect("a code");

    let mut other = Browser::new(&test);
    let page = sign_in(&mut other, "reader", PASSWORD).await;
    assert_eq!(page.title(), "Second factor");
    assert_eq!(other.get("/credentials").await.title(), "Second factor", "not in yet");
    let page = other.get("/second-factor").await;
    for code in [&used, "000000", ""] {
        let page = other.send(&page, "/second-factor", &[("code", code)]).await;
        assert_eq!(page.status, 401, "{code}");
    }
    test.advance(60_000);
    let code = secret.code_at(test.now()).expect("a code");
    let before = other.cookie("__Host-session").map(String::from);
    let page = other.send(&page, "/second-factor", &[("code", &code)]).await;
    assert_eq!((page.status, page.title()), (200, "API Credentials"));
    assert_ne!(other.cookie("__Host-session").map(String::from), before, "another token");
}

#[tokio::test]
async fn one_changes_the_own_password_and_ends_other_sessions() {
    let test = start().await;
    let (name, password) = test.platform.first_admin().expect("a home").expect("a password");
    let (mut one, mut two) = (admin(&test).await, admin(&test).await);
    let page = one.get("/profile").await;
    assert_eq!(page.body.matches("(this one)").count(), 1);
    for (present, new, again, word) in [
        ("wrong", PASSWORD, PASSWORD, "present password"),
        (&*password, PASSWORD, "plum-Kettle7-orbi", "differ"),
        (&*password, "short", "short", "breaks a rule"),
        (&*password, &*password, &*password, "last five"),
    ] {
        let fields = [("present", present), ("password", new), ("again", again)];
        let page = one.send(&page, "/profile/password", &fields).await;
        assert_eq!(page.status, 422, "{word}");
        assert!(page.body.contains(word), "{word}: {}", page.body);
    }
    assert_eq!(two.get("/credentials").await.title(), "API Credentials");
    let fields = [("present", password.as_str()), ("password", PASSWORD), ("again", PASSWORD)];
    let page = one.send(&page, "/profile/password", &fields).await;
    assert!(page.body.contains("The password is changed"), "{}", page.body);
    assert_eq!(two.get("/credentials").await.title(), "Log in", "it has ended");
    assert_eq!(sign_in(&mut two, &name, &password).await.status, 401, "the old one");
    assert_eq!(sign_in(&mut two, &name, PASSWORD).await.title(), "API Credentials");
    assert!(test.platform.first_admin().expect("a home").is_none(), "told no more");
    let page = two.get("/profile").await;
    two.send(&page, "/profile/sessions", &[]).await;
    assert_eq!(one.get("/profile").await.title(), "Log in");
}

#[tokio::test]
async fn users_that_may_not_be_are_not_saved() {
    let test = start().await;
    let mut admin = admin(&test).await;
    let form = admin.get("/admin/users/new").await;
    let base = [
        ("first_name", "Some"),
        ("last_name", "Body"),
        ("email", "some.body@example.com"),
        ("user_name", "some"),
        ("is_api", "on"),
    ];
    for (more, word) in [
        (vec![], "at least one role"),
        (vec![("role", "extreviewer")], "cannot be given to an API account"),
        (vec![("role", "uploadapi"), ("role", "noteamrestrictionapi")], "scan type role"),
        (vec![("role", "resultsapi")], "needs teams or the role"),
        (
            vec![("role", "resultsapi"), ("role", "noteamrestrictionapi"), ("allowed", "x")],
            "not an address",
        ),
    ] {
        let fields: Vec<_> = base.iter().copied().chain(more).collect();
        let page = admin.send(&form, "/admin/users/new", &fields).await;
        assert_eq!(page.status, 422, "{word}");
        assert!(page.body.contains(word), "{word}: {}", page.body);
        assert_eq!(page.field("email"), "some.body@example.com", "what was typed stays");
    }
    assert!(!admin.get("/admin/users").await.body.contains("some.body"));
}

/// The guide's table of roles: one of the first row, the second, one of the third.
const GUIDE: [[&str; 3]; 3] = [
    ["extcreator", "resultsapi", "extreviewer"],
    ["extseclead", "resultsapi", "extreviewer"],
    ["extcreator", "resultsapi", "extseclead"],
];

#[tokio::test]
async fn the_roles_of_the_guide_are_one_click_from_an_api_account() {
    let test = start().await;
    let mut admin = admin(&test).await;
    for (at, roles) in GUIDE.iter().enumerate() {
        for is_api in [false, true] {
            let mail = format!("reader-{at}-{is_api}@example.com");
            let form = admin.get("/admin/users/new").await;
            let mut fields = vec![("first_name", "Some"), ("last_name", "Body"), ("email", &mail)];
            fields.extend(roles.iter().map(|role| ("role", *role)));
            fields.extend(is_api.then_some(("is_api", "on")));
            let page = admin.send(&form, "/admin/users/new", &fields).await;
            assert_eq!(page.status, 422, "{roles:?}");
            let told = between(&page.body, "data-misfits>", "</button>").expect("it is told");
            let wrong = between(told, "<ul>", "</ul>").expect("the labels");
            for (label, is_wrong) in [
                ("Results API", !is_api),
                ("Creator", is_api && roles.contains(&"extcreator")),
                ("Security Lead", is_api && roles.contains(&"extseclead")),
                ("Reviewer", is_api && roles.contains(&"extreviewer")),
            ] {
                assert_eq!(wrong.contains(&format!("<li>{label}</li>")), is_wrong, "{wrong}");
            }
            assert!(told.ends_with("Make this an API account"), "{told}");

            let page = admin.send(&page, "/admin/users/new", &[("mend", "api")]).await;
            assert_eq!((page.status, page.title()), (200, "Add New User"));
            assert!(page.body.contains("nothing is saved yet"), "{}", page.body);
            assert_eq!(page.field("email"), mail, "what was typed stays");
            let page = admin.send(&page, "/admin/users/new", &[]).await;
            assert_eq!((page.status, page.title()), (200, mail.as_str()), "{}", page.body);
            assert!(page.body.contains("<dd>API account</dd>"));
            assert!(page.body.contains("No Team Restriction API, Results API"), "{}", page.body);
        }
    }
    let page = admin.get("/admin/users?search=reader-").await;
    assert!(page.body.contains("6 users"), "one for each save, none before: {}", page.body);
}

#[tokio::test]
async fn a_purpose_keeps_what_was_typed() {
    let test = start().await;
    let mut admin = admin(&test).await;
    let form = admin.get("/admin/users/new").await;
    let typed = [("first_name", "Some"), ("email", "some.body@example.com"), ("allowed", "::1")];
    for (purpose, is_api) in [("api-reader", true), ("reader", false), ("api-admin", true)] {
        let fields: Vec<_> = typed.iter().copied().chain([("preset", purpose)]).collect();
        let page = admin.send(&form, "/admin/users/new", &fields).await;
        assert_eq!((page.status, page.title()), (200, "Add New User"), "{purpose}");
        for (name, value) in typed {
            assert_eq!(page.field(name), value, "{purpose}");
        }
        let is_checked = page.body.contains("name=\"is_api\" value=\"on\" checked");
        assert_eq!(is_checked, is_api, "{purpose}");
        assert!(page.body.contains("data-misfits hidden"), "{purpose}: nothing to mend");
    }
    assert!(!admin.get("/admin/users").await.body.contains("some.body"), "nothing is saved");
}

#[tokio::test]
async fn a_mail_asks_with_a_button() {
    let test = start().await;
    let mut admin = admin(&test).await;
    add_reader(&mut admin, "reader").await;
    let mailbox = admin.mailbox().await;
    let mail = admin.get(&mailbox.link("Welcome to Veracode")).await;
    assert!(mail.link("Activate Account").contains("/activate/"));
    assert!(mail.body.contains("Activate it within 7 days"), "nothing of the text is lost");
}

#[tokio::test]
async fn two_tabs_generate_at_once() {
    let test = start().await;
    let mut browser = admin(&test).await;
    let (one, two) = (browser.get("/credentials").await, browser.get("/credentials").await);
    let shown = browser.send(&one, "/credentials", &[]).await;
    assert_eq!(shown.title(), "Store the Secret Key now");
    let page = browser.send(&two, "/credentials", &[]).await;
    assert_eq!(page.status, 422);
    assert!(page.body.contains("Nothing was generated now"));
    assert_eq!(
        page.body.matches("<td data-label=\"Kind\">HMAC</td>").count(),
        1,
        "one pair, no half state"
    );
}

#[tokio::test]
async fn the_journey_of_the_guide() {
    let test = start().await;
    let mut admin = admin(&test).await;
    let page = admin.get("/credentials").await;
    assert!(page.body.contains("Settings") && page.link("Admin") == "/admin/users");
    let users = admin.get("/admin/users").await;
    for (tab, path) in [
        ("Users", "/admin/users"),
        ("Teams", "/admin/teams"),
        ("Business Units", "/admin/business-units"),
        ("Roles", "/admin/roles"),
    ] {
        assert_eq!(users.link(tab), path, "a tab of Admin");
    }
    assert_eq!(users.link("Add New User"), "/admin/users/new");
    let link = add_reader(&mut admin, "integration-reader").await;
    let mailbox = admin.mailbox().await;
    assert!(mailbox.body.contains("Welcome to Veracode"));

    let mut browser = Browser::new(&test);
    let secret = activate(&mut browser, &test, &link).await;
    let page = browser.get("/credentials").await;
    assert_eq!(page.title(), "API Credentials");
    assert!(page.body.contains("HMAC Credentials") && page.body.contains("OAuth Client"));
    assert!(page.body.contains(">Create API Credentials</button>"));
    let shown = browser.send(&page, "/credentials", &[("kind", "hmac")]).await;
    let api_id = shown.field("api_id");
    let key = between(&shown.body, "aria-label=\"Secret Key\">", "<").expect("a secret").to_owned();
    assert_eq!((api_id.len(), key.len()), (32, 128));

    let list = browser.get("/credentials").await;
    assert!(list.body.contains(&api_id) && !list.body.contains(&key), "shown once");
    let pair = Pair::parse(&api_id, &key).expect("a pair");
    let answer = test.get(&pair, "/appsec/v1/applications").await;
    assert_eq!(answer.status, 200);
    let me = test.get(&pair, "/api/authn/v2/users/self").await.json();
    assert_eq!(me["user_name"], "integration-reader");

    // Later than ten minutes a fresh code is asked for before anything is revoked.
    test.advance(11 * 60_000);
    let ask = browser.get(&list.link("Revoke")).await;
    assert_eq!(ask.title(), "Prove that it is you");
    let code = secret.code_at(test.now()).expect("a code");
    browser.send(&ask, "/prove", &[("code", &code)]).await;
    let revoke = list.link("Revoke");
    let ask = browser.get(&revoke).await;
    assert_eq!(ask.title(), "Revoke credentials");
    let page = browser.send(&ask, &revoke, &[]).await;
    assert!(page.body.contains("revoked"));
    assert_eq!(test.get(&pair, "/appsec/v1/applications").await.status, 401);

    let activity = admin.get("/admin/activity").await;
    for act in [
        "user.create",
        "account.activate",
        "factor.enrol",
        "credentials.generate",
        "credentials.revoke",
    ] {
        assert!(activity.body.contains(act), "{act}");
    }
    assert!(!activity.body.contains(&key));
}
