//! What GitHub's receivers share: how it is asked, and what its refusals mean.

use countersign_text::line;
use serde_json::Value;
use url::Url;

use super::{Access, lost, refused, wait_of};
use crate::receiver::Verdict;
use crate::wire::{Answer, Lost, Method, Request};

/// Where github.com answers.
pub(crate) const API_URL: &str = "https://api.github.com";
/// The version of the API that is asked for.
const VERSION: &str = "2022-11-28";
/// GitHub wants a minute at least after its secondary limits, where it does not say more.
const SECONDARY_MS: i64 = 60_000;
/// Characters of what it said.
const WORDS: usize = 500;

/// One GitHub: its address and the token for it.
pub(crate) struct GitHub {
    access: Access,
    api_url: Url,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repository {
    pub(crate) owner: String,
    pub(crate) name: String,
}

impl Repository {
    /// Reads `owner/name`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let is_name = |part: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty() && part.len() <= 100 && part.chars().all(is_plain) && part != ".."
        };
        match text.split_once('/') {
            Some((owner, name)) if is_name(owner) && is_name(name) && name != "." => {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(format!(
                "`{}` is not a repository\nhint: write `owner/name`",
                line(text).at_most(200)
            )),
        }
    }

    /// GitHub takes both cases for the same.
    pub(crate) fn place(&self) -> String {
        format!("{}/{}", self.owner, self.name).to_ascii_lowercase()
    }
}

impl GitHub {
    /// At this address, which gets the token: it is not sent in the clear, but to this machine.
    pub(crate) fn new(api_url: &str, access: Access) -> Result<Self, String> {
        let hint = "hint: it is `https://api.github.com`, or `https://HOST/api/v3` of a GitHub Enterprise Server";
        let url = Url::parse(api_url.trim_end_matches('/'))
            .map_err(|_| format!("`api_url` is not a URL\n{hint}"))?;
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let is_here = url.host().is_some_and(|host| match host {
            url::Host::Ipv4(ip) => ip.is_loopback(),
            url::Host::Ipv6(ip) => ip.is_loopback(),
            url::Host::Domain(name) => name == "localhost",
        });
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_here);
        match is_bare && is_safe {
            true => Ok(Self { access, api_url: url }),
            false => Err(format!("`api_url` is not an `https` address alone\n{hint}")),
        }
    }

    /// Below the address of the API.
    pub(crate) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.api_url.clone();
        // An address of `http` or `https` always has a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Below a repository.
    pub(crate) fn at(&self, repository: &Repository, path: &[&str]) -> Url {
        let mut all = vec!["repos", &repository.owner, &repository.name];
        all.extend(path);
        self.url(&all)
    }

    fn request(&self, method: Method, url: Url) -> Request {
        let token = self.access.secret.trim();
        Request::new(method, url)
            .header("authorization", format!("Bearer {token}"))
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", VERSION)
            .header("user-agent", "countersign")
    }

    /// Reads. Nothing is left behind at GitHub when no answer comes.
    pub(crate) async fn get(&self, url: Url) -> Result<Answer, Verdict> {
        self.get_up_to(url, crate::wire::ANSWER_BYTES).await
    }

    /// Reads what may be longer.
    pub(crate) async fn get_up_to(&self, url: Url, bytes: usize) -> Result<Answer, Verdict> {
        let mut request = self.request(Method::Get, url);
        request.answer_bytes = bytes;
        self.access.wire.ask(request).await.map_err(|why| match why {
            Lost::NotSent(why) | Lost::Unsure(why) => Verdict::later(why),
            why @ Lost::Forbidden(_) => lost(why),
        })
    }

    /// Writes.
    pub(crate) async fn write(
        &self,
        method: Method,
        url: Url,
        body: &Value,
    ) -> Result<Answer, Verdict> {
        self.access.wire.ask(self.request(method, url).json(body)).await.map_err(lost)
    }

    /// Removes.
    pub(crate) async fn delete(&self, url: Url) -> Result<Answer, Verdict> {
        self.access.wire.ask(self.request(Method::Delete, url)).await.map_err(lost)
    }

    /// The repository itself, or why nothing can be done with it.
    pub(crate) async fn repository(
        &self,
        repository: &Repository,
        now_ms: i64,
    ) -> Result<Value, Verdict> {
        let answer = self.get(self.at(repository, &[])).await?;
        match answer.status {
            200 => answer.json().ok_or_else(|| unreadable("the repository")),
            301 | 302 | 307 | 308 => Err(self.renamed(repository, &answer).await),
            404 => Err(Verdict::Settings(format!(
                "the repository `{}` is not there, or not visible to this token",
                repository.place()
            ))),
            _ => Err(read_refused(&answer, now_ms)),
        }
    }

    /// Where a repository went, in GitHub's own words if it says them: the token goes nowhere
    /// else to ask.
    pub(crate) async fn renamed(&self, repository: &Repository, answer: &Answer) -> Verdict {
        let place = repository.place();
        let location = answer.header("location").and_then(|text| self.api_url.join(text).ok());
        let here = location.filter(|url| url.origin() == self.api_url.origin());
        let name = match here {
            Some(url) => self.get(url).await.ok().and_then(|answer| answer.json()),
            None => None,
        };
        let name = name.as_ref().and_then(|found| found["full_name"].as_str());
        Verdict::Settings(match name {
            Some(name) => format!(
                "the repository `{place}` was renamed to `{0}`\nhint: write `{0}` in the settings",
                line(name).at_most(200)
            ),
            None => format!("the repository `{place}` was renamed or moved"),
        })
    }
}

impl GitHub {
    /// Where people see a repository.
    pub(crate) fn web(&self, repository: &Repository) -> Url {
        let mut url = self.api_url.clone();
        let host = url.host_str().unwrap_or_default().to_owned();
        let name = host.strip_prefix("api.").unwrap_or(&host);
        let _ = url.set_host(Some(name));
        url.set_path(&format!("/{}/{}", repository.owner, repository.name));
        url
    }
}

/// What GitHub said, without what it was told.
pub(crate) fn words(answer: &Answer) -> String {
    let Some(body) = answer.json() else { return String::new() };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut all: Vec<String> = text(&body["message"]).into_iter().collect();
    for error in body["errors"].as_array().into_iter().flatten() {
        let parts = [&error["message"], &error["field"], &error["code"]];
        let said: Vec<_> = parts.into_iter().filter_map(text).collect();
        all.extend(text(error).or_else(|| (!said.is_empty()).then(|| said.join(" "))));
    }
    line(&all.join("; ")).at_most(WORDS).to_string()
}

/// What a refusal means of something that was to be written.
pub(crate) fn write_refused(answer: &Answer, now_ms: i64) -> Verdict {
    let said = words(answer);
    if let Some(after_ms) = limited(answer, &said, now_ms) {
        let why = format!("it answered {}: {said}", answer.status);
        return Verdict::Passing { why, is_unsure: false, after_ms: Some(after_ms) };
    }
    match refused(answer, &said, now_ms) {
        Verdict::Refused(why) if answer.status == 410 => Verdict::Settings(why),
        verdict => verdict,
    }
}

/// The same of something that was to be read.
pub(crate) fn read_refused(answer: &Answer, now_ms: i64) -> Verdict {
    match write_refused(answer, now_ms) {
        Verdict::Passing { why, after_ms, .. } => {
            Verdict::Passing { why, is_unsure: false, after_ms }
        }
        // A body that is wrong is not at fault where there was none.
        Verdict::Refused(why) => Verdict::Settings(why),
        verdict => verdict,
    }
}

/// How long a limit lasts, where the answer is about one: 429, and 403 that says so.
fn limited(answer: &Answer, said: &str, now_ms: i64) -> Option<i64> {
    if !matches!(answer.status, 403 | 429) {
        return None;
    }
    if let Some(wait_ms) = wait_of(answer, now_ms) {
        return Some(wait_ms);
    }
    if answer.header("x-ratelimit-remaining") == Some("0") {
        let reset = answer.header("x-ratelimit-reset").and_then(|text| text.parse::<i64>().ok());
        // The moment is one of GitHub's clock, which the answer tells too.
        let date = answer.header("date").and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
        let now_ms = date.map_or(now_ms, |date| date.timestamp().as_millisecond());
        let wait_ms = reset.map(|reset| reset.saturating_mul(1000).saturating_sub(now_ms));
        return Some(wait_ms.unwrap_or(SECONDARY_MS).clamp(1_000, 24 * 3_600_000));
    }
    let said = said.to_ascii_lowercase();
    let is_limit = ["secondary rate limit", "rate limit exceeded", "abuse detection"]
        .iter()
        .any(|word| said.contains(word));
    (answer.status == 429 || is_limit).then_some(SECONDARY_MS)
}

/// An answer that should have been something else.
pub(crate) fn unreadable(what: &str) -> Verdict {
    Verdict::later(format!("it answered, but not with {what}"))
}
