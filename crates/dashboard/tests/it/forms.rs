//! What others send: forged forms, foreign origins, names that are not ours.

use countersign_dashboard::people::Role;

use super::Desk;

#[tokio::test]
async fn forms_of_others_do_nothing() {
    let desk = Desk::start().await;
    let mut one = desk.person("otto", Role::Operator).await;
    let mut two = desk.person("olga", Role::Operator).await;
    let (page, other) = (one.get("/integrations").await, two.get("/integrations").await);
    assert_ne!(page.token(), other.token());
    let run = "/integrations/demo/run";
    for forged in ["", "x", other.token()] {
        let page = one.post(run, &format!("token={forged}"), &[]).await;
        assert_eq!(page.status, 400, "{forged}");
    }
    let own = format!("token={}", page.token());
    for headers in [
        [("origin", "https://evil.example.com")],
        [("origin", "null")],
        [("origin", "http://127.0.0.1:1")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
    ] {
        assert_eq!(one.post(run, &own, &headers).await.status, 400, "{headers:?}");
    }
    let large = format!("{own}&x={}", "a".repeat(100_000));
    assert_eq!(one.post(run, &large, &[]).await.status, 413);
    assert_eq!(desk.runs.load(std::sync::atomic::Ordering::SeqCst), 0);
    assert_eq!(one.post(run, &own, &[]).await.status, 200);
    desk.end().await;
}

#[tokio::test]
async fn another_name_is_not_answered() {
    let desk = Desk::start().await;
    let mut reader = desk.person("rita", Role::Reader).await;
    let port = desk.address.port();
    for host in [
        "evil.example.com".to_owned(),
        format!("evil.example.com:{port}"),
        "127.0.0.1".to_owned(),
        format!("127.0.0.1.example.com:{port}"),
        String::new(),
    ] {
        let page = reader.load("GET", "/findings", None, &[("host", &host)]).await;
        assert_eq!(page.status, 421, "{host}");
        assert!(!page.body.contains("rita"), "{host}");
    }
    let local = format!("localhost:{port}");
    let page = reader.load("GET", "/sign-in", None, &[("host", &local)]).await;
    assert_eq!(page.status, 200);
    desk.end().await;
}

#[tokio::test]
async fn behind_a_proxy_cookies_are_for_tls_and_addresses_are_the_callers() {
    let desk = Desk::start_at(Some("https://findings.example.com")).await;
    let token = desk.people.first_link().await.unwrap().unwrap();
    assert_eq!(desk.dashboard.url(), "https://findings.example.com");
    let mut browser = desk.browser();
    let proxied = [
        ("host", "findings.example.com"),
        ("origin", "https://findings.example.com"),
        ("x-forwarded-for", "198.51.100.1, 203.0.113.5"),
    ];
    let path = format!("/welcome/{}", *token);
    let page = browser.load("GET", &path, None, &proxied).await;
    assert!(page.header("set-cookie").unwrap_or_default().contains("; Secure; "), "{}", page.head);
    let body = format!(
        "token={}&name=dana&password=plum-Kettle7-orbit&again=plum-Kettle7-orbit",
        page.token()
    );
    let page = browser.load("POST", &path, Some(body), &proxied).await;
    assert_eq!(page.title(), "Set up a second factor", "{}", page.body);
    assert!(browser.cookie("__Host-countersign-session").is_some());
    let profile = browser.load("GET", "/profile", None, &proxied).await;
    assert!(profile.body.contains("203.0.113.5"), "{}", profile.body);
    assert!(!profile.body.contains("198.51.100.1"), "what a caller claims does not count");
    desk.end().await;
}
