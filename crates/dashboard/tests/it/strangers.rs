//! Ten thousand tries against one account, from 200 addresses and 50 sessions, at every
//! step of sign-in: how many are looked at, and whether the owner gets in meanwhile.

use std::net::Ipv4Addr;

use countersign_dashboard::people::Role;
use countersign_signin::session::FAILURES;
use countersign_signin::totp::Secret;
use countersign_testkit::Line;
use countersign_testkit::strangers::{self, Jar, SESSIONS};
use data_encoding::BASE32_NOPAD;
use rusqlite::Connection;
use zeroize::Zeroizing;

use super::browser::{Browser, between};
use super::entry::sign_in;
use super::{Desk, PASSWORD};

const RIGHT: &str = "name=rita&password=plum-Kettle7-orbit";

/// The account of rita, with an app, and her browser.
struct Target {
    desk: Desk,
    secret: Secret,
    recovery: String,
    owner: Browser,
}

impl Target {
    async fn new() -> Self {
        let desk = Desk::start().await;
        let mut owner = desk.person("rita", Role::Reader).await;
        let page = owner.get("/profile/factor").await;
        let text = between(&page.body, "<code class=\"key\">", "</code>").expect("a key");
        let secret = BASE32_NOPAD.decode(text.replace(' ', "").as_bytes()).expect("base 32");
        let secret = Secret::from_bytes(Zeroizing::new(secret));
        let code = secret.code_at(desk.now()).expect("a code");
        let codes = owner.send(&page, "/profile/factor", &[("code", &code)]).await;
        let recovery = between(&codes.body, "<li><code>", "</code>").expect("a code").to_owned();
        Self { desk, secret, recovery, owner }
    }

    /// Browsers of strangers.
    fn jars(&self, count: usize) -> Vec<Jar> {
        vec![Jar::new(&self.desk.address.to_string(), "countersign-session"); count]
    }

    async fn line(&self) -> Line {
        Line::plain(&self.desk.address.to_string(), Ipv4Addr::new(127, 0, 2, 1)).await
    }

    async fn hammer(&self, attempt: impl AsyncFnMut(&mut Line, u32)) {
        let address = self.desk.address.to_string();
        let connect = async |from| Line::plain(&address, from).await;
        strangers::hammer(connect, |ms| self.desk.advance(ms), attempt).await;
    }

    fn most_in_an_hour(&self) -> usize {
        let database = Connection::open(self.desk.home.path().join("people.sqlite"));
        let database = database.expect("a database");
        let sql = "select at_ms from signin_audit where act like '%.refuse' and target = 'rita'";
        let mut statement = database.prepare(sql).expect("a query");
        let times = statement.query_map([], |row| row.get(0)).expect("entries");
        let times: Vec<i64> = times.map(|time| time.expect("a time")).collect();
        strangers::most_in_an_hour(&times)
    }

    /// The owner signs in again.
    async fn enter(&mut self) {
        self.owner.set_cookie("countersign-session", "");
        let page = sign_in(&mut self.owner, "rita", PASSWORD).await;
        assert_eq!(page.title(), "Second factor", "{}", page.body);
        self.desk.advance(30_000);
        let code = self.secret.code_at(self.desk.now()).expect("a code");
        let page = self.owner.send(&page, "/second-factor", &[("code", &code)]).await;
        assert_eq!(page.title(), "Overview", "{}", page.body);
    }

    /// The owner gets in by the browser that the account knows, and nobody else does; or by
    /// a link that the command line prints.
    async fn assert_only_the_owner_gets_in(mut self) {
        let mut other = self.desk.browser();
        sign_in(&mut other, "rita", "wrong").await;
        let page = sign_in(&mut other, "rita", PASSWORD).await;
        assert_eq!(page.status, 401, "a stranger waits, right or wrong");
        let most = self.most_in_an_hour();
        assert!((FAILURES as usize..=20).contains(&most), "{most} in an hour");
        self.enter().await;
        let recovery = self.recovery.clone();
        let mut away = std::mem::replace(&mut self.owner, self.desk.browser());
        let token = self.desk.people.reset("rita", false).await.unwrap();
        let page = self.owner.get(&format!("/reset/{}", *token)).await;
        let fields = [("password", "Cedar-lantern-42"), ("again", "Cedar-lantern-42")];
        let page = self.owner.send(&page, "", &fields).await;
        assert_eq!(page.title(), "Second factor", "{}", page.body);
        for _ in 0..30 {
            sign_in(&mut away, "rita", "wrong").await;
        }
        let page = self.owner.send(&page, "/second-factor", &[("code", &recovery)]).await;
        assert_eq!(page.title(), "Overview", "{}", page.body);
        self.desk.end().await;
    }
}

#[tokio::test]
async fn ten_thousand_wrong_passwords() {
    let target = Target::new().await;
    let mut jars = target.jars(SESSIONS);
    target
        .hammer(async |line, number| {
            let jar = &mut jars[number as usize % SESSIONS];
            assert!(!jar.enter(line, &format!("name=rita&password=wrong-{number}")).await);
        })
        .await;
    target.assert_only_the_owner_gets_in().await;
}

#[tokio::test]
async fn ten_thousand_wrong_codes_and_recovery_codes() {
    let target = Target::new().await;
    let mut line = target.line().await;
    let mut jars = target.jars(SESSIONS);
    for jar in &mut jars {
        assert!(jar.enter(&mut line, RIGHT).await);
    }
    let mut again = 0;
    target
        .hammer(async |line, number| {
            let jar = &mut jars[number as usize % SESSIONS];
            let guess = if number % 2 == 0 { "000000" } else { "aaaa-bbbb-cccc-dddd" };
            match jar.post(line, "/second-factor", &format!("code={guess}")).await.status {
                401 => {}
                303 | 400 => again += u32::from(jar.enter(line, RIGHT).await),
                status => panic!("{status}"),
            }
        })
        .await;
    assert!(again >= 5, "{again} came again with the password");
    target.assert_only_the_owner_gets_in().await;
}

/// In whole sessions that somebody took over, and by links that somebody made up.
#[tokio::test]
async fn ten_thousand_wrong_proofs_present_passwords_and_links() {
    let mut target = Target::new().await;
    let mut line = target.line().await;
    let mut jars = target.jars(15);
    for jar in &mut jars {
        let mut browser = target.desk.browser();
        std::mem::swap(&mut browser, &mut target.owner);
        target.enter().await;
        std::mem::swap(&mut browser, &mut target.owner);
        jar.steal(browser.cookie("countersign-session").expect("a session"));
        jar.ask(&mut line, "GET", "/profile", "").await;
    }
    // So many browsers are more than an account knows: the owner's comes last.
    target.enter().await;
    target
        .hammer(async |line, number| {
            let jar = &mut jars[number as usize % 15];
            let link = format!("/reset/{number:043}");
            let (path, fields) = match number % 4 {
                0 | 1 => ("/prove", "code=000000"),
                2 => (link.as_str(), "password=Cedar-lantern-42&again=Cedar-lantern-42"),
                _ => (
                    "/profile/password",
                    "present=x&password=Cedar-lantern-42&again=Cedar-lantern-42",
                ),
            };
            let status = jar.post(line, path, fields).await.status;
            assert!([401, 422, 303, 400, 410].contains(&status), "{path} {status}");
        })
        .await;
    for jar in &mut jars {
        let answer = jar.ask(&mut line, "GET", "/profile", "").await;
        assert_eq!(answer.status, 303, "five failures ended it");
    }
    target.assert_only_the_owner_gets_in().await;
}
