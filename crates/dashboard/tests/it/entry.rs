//! The way in.

use countersign_dashboard::people::{LIMITS, Role};
use countersign_signin::totp::Secret;
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::browser::{Browser, Page, between};
use super::{Desk, PASSWORD};

pub(crate) async fn sign_in(browser: &mut Browser, name: &str, password: &str) -> Page {
    let page = browser.get("/sign-in").await;
    browser.send(&page, "/sign-in", &[("name", name), ("password", password)]).await
}

#[tokio::test]
async fn the_first_link_makes_an_operator_once() {
    let desk = Desk::start().await;
    let old = desk.people.first_link().await.unwrap().unwrap();
    let token = desk.people.first_link().await.unwrap().unwrap();
    let mut browser = desk.browser();
    assert_eq!(browser.get(&format!("/welcome/{}", *old)).await.status, 410, "a newer one");
    let path = format!("/welcome/{}", *token);
    assert_eq!(browser.get(&format!("/reset/{}", *token)).await.status, 410, "another purpose");
    let page = browser.get(&path).await;
    assert_eq!(page.title(), "Set up the first account");
    for (name, password, again) in [
        ("dana", "short", "short"),
        ("dana", PASSWORD, "plum-Kettle7-orbi"),
        ("dana", "Dana-Kettle7-x", "Dana-Kettle7-x"),
        ("<b>", PASSWORD, PASSWORD),
        ("", PASSWORD, PASSWORD),
    ] {
        let fields = [("name", name), ("password", password), ("again", again)];
        let page = browser.send(&page, "", &fields).await;
        assert_eq!(page.status, 422, "{name} {password}");
        assert!(page.body.contains("role=\"alert\""));
    }
    let fields = [("name", "dana"), ("password", PASSWORD), ("again", PASSWORD)];
    let done = browser.send(&page, "", &fields).await;
    assert_eq!(done.title(), "Set up a second factor", "{}", done.body);
    assert_eq!(browser.get("/").await.title(), "Overview");
    assert_eq!(desk.people.list().await.unwrap()[0].person.role, Role::Operator);
    let mut other = desk.browser();
    assert_eq!(other.get(&path).await.status, 410, "it was used");
    assert!(desk.people.first_link().await.unwrap().is_none());
    desk.end().await;
}

#[tokio::test]
async fn after_five_failures_strangers_wait_and_nothing_is_told_apart() {
    let desk = Desk::start().await;
    desk.person("rita", Role::Reader).await;
    let mut browser = desk.browser();
    let mut words = Vec::new();
    for (name, password) in [("rita", "wrong"), ("nobody", "wrong"), ("rita", "")] {
        let page = sign_in(&mut browser, name, password).await;
        assert_eq!(page.status, 401);
        words.push(between(&page.body, "role=\"alert\">", "<").unwrap().to_owned());
    }
    for _ in 0..3 {
        assert_eq!(sign_in(&mut browser, "rita", "wrong").await.status, 401);
    }
    let page = sign_in(&mut browser, "rita", PASSWORD).await;
    assert_eq!(page.status, 401, "right, and not looked at");
    words.push(between(&page.body, "role=\"alert\">", "<").unwrap().to_owned());
    assert!(words.windows(2).all(|pair| pair[0] == pair[1]), "one answer for every cause");
    desk.advance(59_999);
    assert_eq!(sign_in(&mut browser, "rita", PASSWORD).await.status, 401);
    desk.advance(1);
    assert_eq!(sign_in(&mut browser, "rita", PASSWORD).await.title(), "Overview");
    desk.end().await;
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_is_good_once() {
    let desk = Desk::start().await;
    let mut browser = desk.person("rita", Role::Reader).await;
    let page = browser.get("/profile/factor").await;
    let text = between(&page.body, "<code class=\"key\">", "</code>").expect("a key");
    let secret = BASE32_NOPAD.decode(text.replace(' ', "").as_bytes()).expect("base 32");
    let secret = Secret::from_bytes(Zeroizing::new(secret));
    let wrong = browser.send(&page, "/profile/factor", &[("code", "000000")]).await;
    assert_eq!(wrong.status, 422);
    let code = secret.code_at(desk.now()).unwrap();
    let codes = browser.send(&page, "/profile/factor", &[("code", &code)]).await;
    assert_eq!(codes.title(), "Recovery codes", "{}", codes.body);
    let recovery = between(&codes.body, "<li><code>", "</code>").unwrap().to_owned();

    let mut again = desk.browser();
    let page = sign_in(&mut again, "rita", PASSWORD).await;
    assert_eq!(page.title(), "Second factor");
    for path in ["/", "/findings", "/profile", "/findings.csv"] {
        assert_eq!(again.get(path).await.title(), "Second factor", "{path}");
    }
    let page = again.send(&page, "/second-factor", &[("code", &code)]).await;
    assert_eq!(page.status, 401, "a code is good once");
    let before = again.cookie("countersign-session").unwrap().to_owned();
    let page = again.send(&page, "/second-factor", &[("code", &recovery)]).await;
    assert_eq!(page.title(), "Overview", "{}", page.body);
    assert_ne!(
        again.cookie("countersign-session"),
        Some(before.as_str()),
        "more rights, new token"
    );
    let mut stolen = desk.browser();
    stolen.set_cookie("countersign-session", &before);
    assert_eq!(stolen.get("/").await.title(), "Sign in");

    let mut third = desk.browser();
    let page = sign_in(&mut third, "rita", PASSWORD).await;
    let page = third.send(&page, "/second-factor", &[("code", &recovery)]).await;
    assert_eq!(page.status, 401, "a recovery code is good once");
    desk.advance(60_000);
    let code = secret.code_at(desk.now()).unwrap();
    let page = third.send(&page, "/second-factor", &[("code", &code)]).await;
    assert_eq!(page.title(), "Overview");
    desk.end().await;
}

#[tokio::test]
async fn what_changes_the_account_needs_a_fresh_proof() {
    let desk = Desk::start().await;
    let mut browser = desk.person("rita", Role::Reader).await;
    desk.advance(11 * 60_000);
    assert_eq!(browser.get("/profile/factor").await.title(), "Prove that it is you");
    let page = browser.get("/prove").await;
    assert_eq!(browser.send(&page, "/prove", &[("code", "wrong")]).await.status, 401);
    assert_eq!(browser.send(&page, "/prove", &[("code", PASSWORD)]).await.title(), "Profile");
    assert_eq!(browser.get("/profile/factor").await.title(), "Set up a second factor");
    let page = browser.get("/profile").await;
    let fields = |present, new| [("present", present), ("password", new), ("again", new)];
    let new = "Cedar-lantern-42";
    let refused = browser.send(&page, "/profile/password", &fields("wrong", new)).await;
    assert_eq!(refused.status, 422);
    let refused = browser.send(&page, "/profile/password", &fields(PASSWORD, PASSWORD)).await;
    assert!(refused.body.contains("last five"), "{}", refused.body);
    let done = browser.send(&page, "/profile/password", &fields(PASSWORD, new)).await;
    assert!(done.body.contains("The password is changed"), "{}", done.body);
    let mut other = desk.browser();
    assert_eq!(sign_in(&mut other, "rita", PASSWORD).await.status, 401);
    assert_eq!(sign_in(&mut other, "rita", new).await.title(), "Overview");
    desk.end().await;
}

#[tokio::test]
async fn sessions_end_when_idle_signed_out_reset_or_removed() {
    let desk = Desk::start().await;
    let mut browser = desk.person("rita", Role::Reader).await;
    desk.advance(LIMITS.idle_ms - 1);
    assert_eq!(browser.get("/").await.title(), "Overview");
    desk.advance(LIMITS.idle_ms);
    assert_eq!(browser.get("/").await.title(), "Sign in");
    let page = sign_in(&mut browser, "rita", PASSWORD).await;
    let before = browser.cookie("countersign-session").unwrap().to_owned();
    assert_eq!(browser.send(&page, "/sign-out", &[]).await.title(), "Sign in");
    browser.set_cookie("countersign-session", &before);
    assert_eq!(browser.get("/").await.title(), "Sign in", "the session is over");

    sign_in(&mut browser, "rita", PASSWORD).await;
    let token = desk.people.reset("RITA", true).await.unwrap();
    let mut other = desk.browser();
    let page = other.get(&format!("/reset/{}", *token)).await;
    let new = "Cedar-lantern-42";
    other.send(&page, "", &[("password", new), ("again", new)]).await;
    assert_eq!(other.get("/").await.title(), "Overview");
    assert_eq!(browser.get("/").await.title(), "Sign in", "a reset ends sessions");
    desk.people.remove("rita").await.unwrap();
    assert_eq!(other.get("/").await.title(), "Sign in", "nobody any more");
    assert!(desk.people.remove("rita").await.unwrap_err().is_input());
    let verdict = desk.people.verify().await.unwrap();
    assert!(format!("{verdict:?}").starts_with("Whole("), "{verdict:?}");
    desk.end().await;
}

#[tokio::test]
async fn sixty_tries_a_minute_are_enough_for_all_steps() {
    let desk = Desk::start().await;
    let mut rita = desk.person("rita", Role::Reader).await;
    let whole = format!("token={}&code=x", rita.get("/profile").await.token());
    let mut browser = desk.browser();
    let page = browser.get("/sign-in").await;
    let body = format!("token={}&name=x&password=x", page.token());
    desk.advance(60_000);
    // Counted before a password is hashed.
    for _ in 0..60 {
        assert_eq!(browser.post("/welcome/x", &body, &[]).await.status, 410);
    }
    for path in ["/sign-in", "/welcome/x", "/reset/x"] {
        assert_eq!(browser.post(path, &body, &[]).await.status, 429, "{path}");
    }
    for path in ["/welcome/x", "/reset/x"] {
        assert_eq!(browser.get(path).await.status, 429, "{path}");
    }
    for path in ["/prove", "/profile/password", "/profile/factor"] {
        assert_eq!(rita.post(path, &whole, &[]).await.status, 429, "{path}");
    }
    desk.advance(60_000);
    assert_eq!(browser.post("/welcome/x", &body, &[]).await.status, 410);
    desk.end().await;
}
