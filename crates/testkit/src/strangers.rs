//! Strangers at the door: ten thousand tries from 200 addresses in three hours, and
//! browsers that follow no redirect.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::{Answer, Line};

/// In one test.
pub const TRIES: u32 = 10_000;
/// That they come from.
pub const ADDRESSES: u32 = 200;
/// That they begin.
pub const SESSIONS: usize = 50;

/// Tries, one after the other, each address on a line of its own. `advance` moves the clock
/// by milliseconds; the numbers are spread so that an address has the same remainder by
/// [`SESSIONS`] throughout.
pub async fn hammer(
    connect: impl AsyncFn(Ipv4Addr) -> Line,
    advance: impl Fn(i64),
    mut attempt: impl AsyncFnMut(&mut Line, u32),
) {
    for address in 0..ADDRESSES {
        let from = Ipv4Addr::new(127, 0, 1, u8::try_from(address + 1).expect("a byte"));
        let mut line = connect(from).await;
        for number in 0..TRIES / ADDRESSES {
            advance(3 * 3_600_000 / i64::from(TRIES));
            attempt(&mut line, number * ADDRESSES + address).await;
        }
    }
}

/// The most of these moments that lie in any hour.
pub fn most_in_an_hour(moments: &[i64]) -> usize {
    let after =
        |begin: i64| moments.iter().filter(move |at| (begin..begin + 3_600_000).contains(at));
    moments.iter().map(|begin| after(*begin).count()).max().unwrap_or_default()
}

/// A browser: its cookies, and the token of its forms with and without a session.
#[derive(Clone, Default)]
pub struct Jar {
    host: String,
    session: &'static str,
    cookies: BTreeMap<String, String>,
    token: String,
    visitor_token: String,
}

impl Jar {
    /// For a server of this host, whose cookie of the session is called so.
    pub fn new(host: &str, session: &'static str) -> Self {
        Self { host: host.to_owned(), session, ..Self::default() }
    }

    /// Goes on with the session of another browser.
    pub fn steal(&mut self, session: &str) {
        self.cookies.insert(self.session.to_owned(), session.to_owned());
    }

    /// One request. The token of a form in the answer is kept.
    pub async fn ask(&mut self, line: &mut Line, method: &str, path: &str, body: &str) -> Answer {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let headers = [
            ("host", self.host.as_str()),
            ("cookie", cookies.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let answer = line.send(method, path, &headers, body).await;
        for (_, set) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = set.split(';').next().and_then(|pair| pair.split_once('='));
            let (name, value) = pair.expect("a cookie");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let text = String::from_utf8_lossy(&answer.body);
        let token =
            text.split_once("name=\"token\" value=\"").and_then(|(_, rest)| rest.split_once('"'));
        if let Some((token, _)) = token {
            self.token = token.to_owned();
        }
        answer
    }

    /// A form with these fields; the page that it is on must have been asked for.
    pub async fn post(&mut self, line: &mut Line, path: &str, fields: &str) -> Answer {
        let body = format!("token={}&{fields}", self.token);
        self.ask(line, "POST", path, &body).await
    }

    /// A sign-in anew; whether it goes on.
    pub async fn enter(&mut self, line: &mut Line, fields: &str) -> bool {
        self.cookies.remove(self.session);
        if self.visitor_token.is_empty() {
            self.ask(line, "GET", "/sign-in", "").await;
            self.visitor_token = self.token.clone();
        }
        self.token = self.visitor_token.clone();
        let is_in = self.post(line, "/sign-in", &fields.replace('@', "%40")).await.status == 303;
        if is_in {
            self.ask(line, "GET", "/second-factor", "").await;
        }
        is_in
    }
}
