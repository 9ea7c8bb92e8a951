//! Ten thousand tries against one account, from 200 addresses and 50 sessions, at every
//! step of sign-in: how many are looked at, whether the owner gets in meanwhile, and what
//! the owner is told.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use countersign_signin::session::FAILURES;
use countersign_signin::totp::Secret;
use countersign_testkit::strangers::{self, ADDRESSES, Jar, SESSIONS};
use countersign_testkit::{Line, TestPlatform};
use data_encoding::BASE32_NOPAD;
use rusqlite::Connection;
use zeroize::Zeroizing;

use crate::browser::{Browser, between};
use crate::console::{admin, sign_in, start};

/// The account, its owner's browser, and what strangers know of it.
struct Target<'a> {
    test: &'a TestPlatform,
    name: String,
    password: String,
    secret: Secret,
    codes: Vec<String>,
    owner: Browser<'a>,
}

impl<'a> Target<'a> {
    /// An administrator with an app and recovery codes, on a browser that signed in.
    async fn new(test: &'a TestPlatform) -> Self {
        let (name, password) = test.platform.first_admin().expect("a home").expect("a password");
        let mut owner = admin(test).await;
        let page = owner.get("/enrol").await;
        let text = between(&page.body, "<code class=\"key\">", "</code>").expect("a key");
        let secret = BASE32_NOPAD.decode(text.replace(' ', "").as_bytes()).expect("base 32");
        let secret = Secret::from_bytes(Zeroizing::new(secret));
        let code = secret.code_at(test.now()).expect("a code");
        let page = owner.send(&page, "/enrol", &[("code", &code)]).await;
        let codes = page.body.split("<code>").skip(1);
        let codes = codes.filter_map(|rest| rest.split_once("</code>"));
        let codes = codes.map(|(code, _)| code.to_owned()).collect();
        Self { test, name, password: password.to_string(), secret, codes, owner }
    }

    fn database(&self) -> Connection {
        Connection::open(self.test.home.path().join("platform.sqlite")).expect("a database")
    }

    /// The most tries that were looked at in any hour: each leaves an entry.
    fn most_in_an_hour(&self) -> usize {
        let database = self.database();
        let sql = "select at_ms from signin_audit where act like '%.refuse' and target = ?";
        let mut statement = database.prepare(sql).expect("a query");
        let times = statement.query_map([&self.name], |row| row.get(0)).expect("entries");
        let times: Vec<i64> = times.map(|time| time.expect("a time")).collect();
        strangers::most_in_an_hour(&times)
    }

    fn mails(&self, kind: &str) -> i64 {
        let sql = "select count(*) from outbox where kind = ?";
        self.database().query_row(sql, [kind], |row| row.get(0)).expect("a count")
    }

    /// The owner signs in.
    async fn enter(&mut self) {
        let page = sign_in(&mut self.owner, &self.name, &self.password).await;
        assert_eq!(page.title(), "Second factor", "{}", page.body);
        self.test.advance(30_000);
        let code = self.secret.code_at(self.test.now()).expect("a code");
        let page = self.owner.send(&page, "/second-factor", &[("code", &code)]).await;
        assert_eq!(page.title(), "API Credentials", "{}", page.body);
    }

    /// The owner gets in by the browser that the account knows, and nobody else does.
    async fn assert_only_the_owner_gets_in(&mut self) {
        let mut other = Browser::new(self.test);
        sign_in(&mut other, &self.name, "wrong").await;
        let page = sign_in(&mut other, &self.name, &self.password).await;
        assert_eq!(page.status, 401, "a stranger waits, right or wrong");
        self.enter().await;
        assert_eq!(self.mails("account_locked"), 1, "told once");
        let most = self.most_in_an_hour();
        assert!((FAILURES as usize..=20).contains(&most), "{most} in an hour");
    }
}

/// Browsers of strangers.
fn jars(count: usize) -> Vec<Jar> {
    vec![Jar::new("127.0.0.1", "__Host-session"); count]
}

async fn hammer(test: &TestPlatform, attempt: impl AsyncFnMut(&mut Line, u32)) {
    let url = test.platform.console_url().expect("the console is on");
    strangers::hammer(async |from| test.line(url, from).await, |ms| test.advance(ms), attempt)
        .await;
}

/// A line for what comes before or after.
async fn line(test: &TestPlatform) -> Line {
    let url = test.platform.console_url().expect("the console is on");
    test.line(url, Ipv4Addr::new(127, 0, 2, 1)).await
}

#[tokio::test]
async fn ten_thousand_wrong_passwords() {
    let test = start().await;
    let mut target = Target::new(&test).await;
    let mut jars = jars(SESSIONS);
    let name = target.name.clone();
    let mut answers = BTreeMap::new();
    hammer(&test, async |line, number| {
        let jar = &mut jars[number as usize % SESSIONS];
        assert!(!jar.enter(line, &format!("user_name={name}&password=wrong-{number}")).await);
    })
    .await;
    // Whether it was looked at, not looked at, or against nobody: one answer.
    let mut line = line(&test).await;
    for name in [&*name, "nobody@example.com"] {
        let fields = format!("user_name={name}&password=x");
        let answer = jars[0].post(&mut line, "/sign-in", &fields).await;
        let text = String::from_utf8_lossy(&answer.body).replace(&name.replace('@', "&#64;"), "");
        *answers.entry((answer.status, text.replace(name, ""))).or_insert(0) += 1;
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    target.assert_only_the_owner_gets_in().await;
}

/// Codes, or what could be recovery codes, in sessions of somebody who has the password.
async fn wrong_codes(guess: &str) {
    let test = start().await;
    let mut target = Target::new(&test).await;
    let mut line = line(&test).await;
    let mut jars = jars(SESSIONS);
    let right = format!("user_name={}&password={}", target.name, target.password);
    for jar in &mut jars {
        assert!(jar.enter(&mut line, &right).await);
    }
    let mut again = 0;
    hammer(&test, async |line, number| {
        let jar = &mut jars[number as usize % SESSIONS];
        let answer = jar.post(line, "/second-factor", &format!("code={guess}")).await;
        match answer.status {
            401 => {}
            // The session has ended: whoever has the password comes again.
            303 | 400 => {
                again += u32::from(jar.enter(line, &right).await);
            }
            status => panic!("{status}"),
        }
    })
    .await;
    assert!(again >= 5, "{again} came again with the password");
    target.assert_only_the_owner_gets_in().await;
    // A recovery code is as good, from there.
    let page = sign_in(&mut target.owner, &target.name, &target.password).await;
    let fields = [("code", target.codes[0].as_str())];
    let page = target.owner.send(&page, "/second-factor", &fields).await;
    assert_eq!(page.title(), "API Credentials");
}

#[tokio::test]
async fn ten_thousand_wrong_codes() {
    wrong_codes("000000").await;
}

#[tokio::test]
async fn ten_thousand_wrong_recovery_codes() {
    wrong_codes("aaaa-bbbb-cccc-dddd").await;
}

/// In whole sessions that somebody took over.
#[tokio::test]
async fn ten_thousand_wrong_proofs_and_present_passwords() {
    let test = start().await;
    let mut target = Target::new(&test).await;
    let mut jars = jars(19);
    for jar in &mut jars {
        let mut browser = Browser::new(&test);
        let page = sign_in(&mut browser, &target.name, &target.password).await;
        test.advance(30_000);
        let code = target.secret.code_at(test.now()).expect("a code");
        browser.send(&page, "/second-factor", &[("code", &code)]).await;
        jar.steal(browser.cookie("__Host-session").expect("a session"));
    }
    // So many browsers are more than an account knows: the owner's comes last.
    target.enter().await;
    let mut line = line(&test).await;
    for jar in &mut jars {
        jar.ask(&mut line, "GET", "/profile", "").await;
    }
    hammer(&test, async |line, number| {
        let jar = &mut jars[number as usize % 19];
        let (path, fields) = match number % 3 {
            0 => ("/prove", "code=000000"),
            1 => ("/prove", "answer={}"),
            _ => {
                ("/profile/password", "present=x&password=Cedar-lantern-42&again=Cedar-lantern-42")
            }
        };
        let status = jar.post(line, path, fields).await.status;
        assert!([401, 422, 303, 400].contains(&status), "{path} {status}");
    })
    .await;
    for jar in &mut jars {
        let answer = jar.ask(&mut line, "GET", "/profile", "").await;
        assert_eq!(answer.status, 303, "five failures ended it");
    }
    target.assert_only_the_owner_gets_in().await;
}

#[tokio::test]
async fn ten_thousand_links_asked_for_and_made_up() {
    let test = start().await;
    let target = Target::new(&test).await;
    let mut jars = jars(SESSIONS);
    let name = target.name.replace('@', "%40");
    hammer(&test, async |line, number| {
        let jar = &mut jars[number as usize % SESSIONS];
        if number < ADDRESSES {
            jar.ask(line, "GET", "/forgot", "").await;
        }
        let token = format!("{number:043}");
        let (path, status) = match number % 4 {
            0 => ("/forgot".to_owned(), 200),
            1 => ("/locked".to_owned(), 200),
            2 => (format!("/reset/{token}"), 410),
            _ => (format!("/unlock/{token}"), 410),
        };
        let fields = format!("user_name={name}&password=Cedar-lantern-42&again=Cedar-lantern-42");
        assert_eq!(jar.post(line, &path, &fields).await.status, status, "{path}");
    })
    .await;
    let asked = target.mails("password_reset") + target.mails("unlock_not_locked");
    assert!((3..=4 * 3).contains(&asked), "{asked} in three hours");
    assert_eq!(target.mails("account_locked"), 0);
    let sql = "select count(*) from signin_audit where act in
        ('password.forget', 'account.ask_unlock')";
    let entries: i64 = target.database().query_row(sql, [], |row| row.get(0)).expect("a count");
    assert_eq!(entries, asked, "what is not done leaves nothing");
    let sql = "select body from outbox where kind = 'password_reset' order by id desc limit 1";
    let mail: String = target.database().query_row(sql, [], |row| row.get(0)).expect("a mail");
    let link = between(&mail, "/reset/", "\n").expect("a link");
    let mut owner = Browser::new(&test);
    let page = owner.get(&format!("/reset/{link}")).await;
    assert_eq!(page.title(), "Choose a new password", "the right one is good");
}
