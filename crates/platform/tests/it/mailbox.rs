//! Who sees the mails: whoever reads them gets into accounts.

use countersign_platform::SeedSpec;
use countersign_testkit::TestPlatform;

use crate::browser::Browser;
use crate::console::{add_reader, admin, start};

const PAGES: [&str; 3] = ["/mailbox", "/mailbox/1", "/mailbox/1/html"];

fn path_of_link(test: &TestPlatform) -> String {
    let link = test.platform.mailbox_url().expect("there is a mailbox");
    let url = test.platform.console_url().expect("there is a console");
    link.strip_prefix(url).expect("a link to the console").to_owned()
}

#[tokio::test]
async fn without_its_link_nobody_reads_a_mail() {
    let test = start().await;
    let mut admin = admin(&test).await;
    add_reader(&mut admin, "reader").await;
    let mut stranger = Browser::new(&test);
    let mut another = Browser::new(&test);
    let page = another.get("/forgot").await;
    another.send(&page, "/forgot", &[("user_name", "admin")]).await;

    let token = path_of_link(&test).rsplit('/').next().expect("a token").to_owned();
    assert!(token.len() >= 43, "256 bits");
    let wrong = format!("{}{}", &token[..42], if token.ends_with('A') { 'B' } else { 'A' });
    for cookie in [None, Some(wrong.as_str()), Some(""), Some(&token[..42])] {
        if let Some(cookie) = cookie {
            stranger.set_cookie("__Host-mailbox", cookie);
        }
        for path in PAGES {
            let page = stranger.get(path).await;
            assert_eq!(page.status, 403, "{path} {cookie:?}");
            assert!(page.body.contains("ready file") && !page.body.contains("Welcome to"));
        }
    }
    for given in ["", "x", &wrong, &token[..42], &format!("{token}A")] {
        let page = stranger.get(&format!("/mailbox/open/{given}")).await;
        assert_eq!(page.status, 404, "{given}");
    }
    assert_eq!(stranger.get("/mailbox?token=x").await.status, 403);

    // An administrator is a stranger as well: the mails of others are theirs.
    let mut signed_in = crate::console::admin(&test).await;
    assert_eq!(signed_in.get("/mailbox").await.status, 403);
}

#[tokio::test]
async fn the_link_leaves_a_cookie_and_goes() {
    let test = start().await;
    let mut admin = admin(&test).await;
    add_reader(&mut admin, "reader").await;
    let mut owner = Browser::new(&test);
    let path = path_of_link(&test);
    let token = path.rsplit('/').next().expect("a token");
    for _ in 0..2 {
        let page = owner.get(&path).await;
        assert_eq!((page.status, page.path.as_str(), page.title()), (200, "/mailbox", "Mailbox"));
        assert!(!page.body.contains(token));
    }
    let mail = owner.get("/mailbox").await.link("Welcome to Veracode");
    assert_eq!(owner.get(&mail).await.status, 200);
    assert_eq!(owner.get("/mailbox/1/html").await.status, 200);
    let held = owner.cookie("__Host-mailbox").expect("a cookie").to_owned();

    let other = start_anew().await;
    assert_ne!(path_of_link(&other), path, "another at every start");
    let mut elsewhere = Browser::new(&other);
    elsewhere.set_cookie("__Host-mailbox", &held);
    assert_eq!(elsewhere.get("/mailbox").await.status, 403);
}

/// With other randomness than the first.
async fn start_anew() -> TestPlatform {
    TestPlatform::start_with(SeedSpec::Empty, |config| {
        config.console = Some(([127, 0, 0, 1], 0).into());
        config.random = countersign_testkit::repeatable_random();
        (config.random)(&mut [0; 4096]);
    })
    .await
}

#[tokio::test]
async fn a_console_that_others_reach_has_no_mailbox() {
    for (listen, url) in [
        ([127, 0, 0, 1], Some("https://console.example.com")),
        ([127, 0, 0, 1], Some("https://192.0.2.7:9443")),
        ([127, 0, 0, 1], Some("https://localhost.example.com")),
        ([127, 0, 0, 1], Some("https://[2001:db8::1]:9443")),
        ([127, 0, 0, 1], Some("not an address")),
        ([0, 0, 0, 0], None),
        ([0, 0, 0, 0], Some("https://localhost:9443")),
    ] {
        let test = TestPlatform::start_with(SeedSpec::Empty, |config| {
            config.console = Some((listen, 0).into());
            config.console_url = url.map(String::from);
        })
        .await;
        assert!(test.platform.mailbox_url().is_none(), "{listen:?} {url:?}");
    }
    for url in
        ["https://localhost:9443", "https://127.0.0.1", "https://[::1]:1", "https://a.localhost"]
    {
        let test = TestPlatform::start_with(SeedSpec::Empty, |config| {
            config.console = Some(([127, 0, 0, 1], 0).into());
            config.console_url = Some(url.to_owned());
        })
        .await;
        assert!(test.platform.mailbox_url().is_some(), "{url}");
    }
}

#[tokio::test]
async fn where_there_is_no_mailbox_there_is_no_page_either() {
    let test = TestPlatform::start_with(SeedSpec::Empty, |config| {
        config.console = Some(([0, 0, 0, 0], 0).into());
    })
    .await;
    let address = test.platform.console_url().expect("a console").replace("0.0.0.0", "127.0.0.1");
    for path in PAGES.into_iter().chain(["/mailbox/open/x"]) {
        let answer = test.send_to(&address, "GET", path, &[], b"").await.expect("an answer");
        assert_eq!(answer.status, 404, "{path}");
    }
}
