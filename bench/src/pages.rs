//! How long the console's pages take, on the demo tenant and with 50,000 users, and
//! what they weigh with everything they load.

use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use countersign_signing::{Pair, Request, Signer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::median;
use crate::process::Platform;
use crate::request::{connect, connect_to, whole};

const LOOKS: usize = 100;
const USERS: usize = 50_000;
const MAX_ANSWER: usize = 1 << 20;

const PAGES: [&str; 13] = [
    "/sign-in",
    "/credentials",
    "/profile",
    "/enrol",
    "/admin/users",
    "/admin/users?search=user-49",
    "/admin/users?type=api&status=enabled&page=2",
    "/admin/users?role=resultsapi&page=900",
    "/admin/users/new",
    "/admin/teams",
    "/admin/settings",
    "/admin/activity",
    "/mailbox",
];

pub async fn run(countersign: &Path) -> anyhow::Result<()> {
    let platform = Platform::start(countersign, "demo").await?;
    measure(&platform, "the demo tenant, aim 30 ms").await?;
    let since = Instant::now();
    add_users(&platform).await?;
    println!("{USERS} users added by signed calls in {:.0} s", since.elapsed().as_secs_f64());
    measure(&platform, "50,000 users, aim 100 ms").await
}

async fn add_users(platform: &Platform) -> anyhow::Result<()> {
    let (id, secret) = platform.mint(&["adminapi"])?;
    let signer = Signer::new(&Pair::parse(&id, &secret)?);
    let mut stream = connect(platform).await?;
    let mut buffer = vec![0; MAX_ANSWER];
    for at in 0..USERS {
        let body = format!(
            "{{\"user_name\":\"user-{at}\",\"email_address\":\"user-{at}@example.com\",\
             \"first_name\":\"User\",\"last_name\":\"{at}\",\"login_enabled\":false,\
             \"permissions\":[{{\"permission_name\":\"apiUser\"}}],\
             \"roles\":[{{\"role_name\":\"resultsapi\"}},{{\"role_name\":\"noteamrestrictionapi\"}}]}}"
        );
        let target = "/api/authn/v2/users";
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let nonce = crate::nonce();
        let request = Request::new("POST", "127.0.0.1", target);
        let header = signer.authorize(&request, u64::try_from(now)?, &nonce)?;
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {header}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (status, length) = whole(&mut stream, &request, &mut buffer).await?;
        ensure!(status == 201, "{status}: {}", String::from_utf8_lossy(&buffer[..length]));
    }
    Ok(())
}

/// A visitor on one connection.
pub struct Visitor<S> {
    stream: S,
    host: String,
    cookies: Vec<(String, String)>,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Visitor<S> {
    pub fn new(stream: S, host: &str) -> Self {
        Self { stream, host: host.to_owned(), cookies: Vec::new(), buffer: vec![0; MAX_ANSWER] }
    }

    /// The token of a page's form.
    pub async fn token(&mut self, path: &str) -> anyhow::Result<String> {
        let (_, page) = self.ask("GET", path, "").await?;
        let token = page.split("name=\"token\" value=\"").nth(1);
        Ok(token.and_then(|rest| rest.split('"').next()).context("no form")?.to_owned())
    }

    /// One request; answers the status and the whole answer, and keeps its cookies.
    pub async fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: &str,
    ) -> anyhow::Result<(u16, String)> {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            cookies.join("; "),
            body.len()
        );
        let (status, length) = whole(&mut self.stream, &request, &mut self.buffer).await?;
        let answer = String::from_utf8_lossy(&self.buffer[..length]).into_owned();
        for line in answer.lines().take_while(|line| !line.is_empty()) {
            let Some(set) = line.strip_prefix("set-cookie: ") else { continue };
            let Some((name, value)) = set.split(';').next().and_then(|set| set.split_once('='))
            else {
                continue;
            };
            self.cookies.retain(|(held, _)| held != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        Ok((status, answer))
    }

    /// The median of many looks, in milliseconds, and the bytes of the page.
    pub async fn look(&mut self, path: &str) -> anyhow::Result<(f64, usize)> {
        let mut times = Vec::new();
        let mut weight = 0;
        for _ in 0..LOOKS {
            let since = Instant::now();
            let (status, answer) = self.ask("GET", path, "").await?;
            times.push(since.elapsed().as_secs_f64() * 1000.0);
            ensure!(status == 200, "{path}: {status}");
            weight = answer.len();
        }
        Ok((median(times), weight))
    }
}

async fn measure(platform: &Platform, title: &str) -> anyhow::Result<()> {
    let console = platform.ready["console_url"].as_str().context("no console_url")?;
    let host = console.trim_start_matches("https://").to_owned();
    let stream = connect_to(platform, &host, "localhost").await?;
    let mut visitor = Visitor::new(stream, &host);
    let token = visitor.token("/sign-in").await?;
    let admin = &platform.ready["admin"];
    let member = |name: &str| admin[name].as_str().context("no administrator");
    let body = format!(
        "token={token}&user_name={}&password={}",
        member("user_name")?.replace('@', "%40"),
        member("password")?
    );
    let (status, _) = visitor.ask("POST", "/sign-in", &body).await?;
    ensure!(status == 303, "sign-in: {status}");
    let mailbox = platform.ready["mailbox_url"].as_str().context("no mailbox_url")?;
    let link = mailbox.strip_prefix(console).context("a link to elsewhere")?;
    let (status, _) = visitor.ask("GET", link, "").await?;
    ensure!(status == 303, "mailbox: {status}");
    let (floor, style) = visitor.look("/style.css").await?;
    let (_, script) = visitor.look("/console.js").await?;
    println!("== {title}");
    println!("a file that never changes {floor:24.2} ms  (floor)");
    for path in PAGES {
        let (ms, weight) = visitor.look(path).await?;
        let all = (weight + style + script) as f64 / 1024.0;
        println!("{path:48} {ms:7.2} ms  {:6.1} x the floor  {all:6.1} KiB", ms / floor);
    }
    Ok(())
}
