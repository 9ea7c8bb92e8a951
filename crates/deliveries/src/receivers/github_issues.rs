//! GitHub Issues: one issue for each group of findings.
//!
//! What is ours on an issue is its state, the labels that we put there, and a block of its
//! text between two comments. The first of them names our labels, so that none of people's is
//! removed and none that they removed comes back. All else is people's.
//!
//! GitHub has no key that makes a second issue impossible. Each issue ends with a comment that
//! names its group and its send, and is looked for by it: by the list of issues, never by the
//! search, which lags.

use std::sync::Mutex;

use countersign_findings::rfc3339;
use countersign_store::{Action, LinkRow, LinkStanding};
use countersign_text::line;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::Access;
use super::github::{API_URL, GitHub, Repository, read_refused, unreadable, words, write_refused};
use crate::doc::Doc;
use crate::markup::markdown::{self, size};
use crate::receiver::{Order, Sight, Taken, Terms, Tickets, Verdict};
use crate::ticket::Ticket;
use crate::wire::{Doing, Method};

/// The label of every issue that is made.
const LABEL: &str = "countersign";
/// Characters of a text or comment.
const MAX_TEXT: usize = 65_536;
/// Of a title.
const MAX_TITLE: usize = 256;
/// Of a label.
const MAX_LABEL: usize = 50;
/// Issues or comments of one page.
const PER_PAGE: usize = 100;
/// Pages of a list that are read.
const MAX_PAGES: usize = 30;
/// Bytes of one page: a hundred texts of the greatest length, and what is around them.
const PAGE_BYTES: usize = 32 << 20;
/// How far both clocks may differ.
const SKEW_MS: i64 = 5 * 60_000;

const BEGIN: &str = "<!-- countersign:begin labels=";
const BEGUN: &str = " -->\n";
const END: &str = "\n<!-- countersign:end -->";

/// The settings of a destination of the kind `github-issues`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where issues are made: `owner/name`.
    pub repository: String,
    /// Address of the API: `https://api.github.com` by default, `https://HOST/api/v3` of a
    /// GitHub Enterprise Server.
    #[serde(default = "api_url")]
    pub api_url: String,
    /// Labels of every issue, beside `countersign` and that of its severity. None by default.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Labels by severity.
    #[serde(default)]
    pub severity_labels: SeverityLabels,
}

/// Labels by severity; an empty text is none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeverityLabels {
    /// `severity::very-high` by default.
    pub very_high: String,
    /// `severity::high` by default.
    pub high: String,
    /// `severity::medium` by default.
    pub medium: String,
    /// `severity::low` by default.
    pub low: String,
    /// `severity::low` by default.
    pub very_low: String,
    /// None by default.
    pub informational: String,
}

impl Default for SeverityLabels {
    fn default() -> Self {
        let label = |name: &str| format!("severity::{name}");
        Self {
            very_high: label("very-high"),
            high: label("high"),
            medium: label("medium"),
            low: label("low"),
            very_low: label("low"),
            informational: String::new(),
        }
    }
}

impl SeverityLabels {
    fn of(&self, severity: u8) -> &str {
        match severity {
            0 => &self.informational,
            1 => &self.very_low,
            2 => &self.low,
            3 => &self.medium,
            4 => &self.high,
            _ => &self.very_high,
        }
    }
}

fn api_url() -> String {
    API_URL.to_owned()
}

impl Settings {
    /// Where issues are made.
    pub fn place(&self) -> String {
        let repository = self.repository.to_ascii_lowercase();
        format!("{} {repository}", self.api_url.trim_end_matches('/'))
    }
}

/// Issues of one repository.
pub struct GitHubIssues {
    settings: Settings,
    github: GitHub,
    repository: Repository,
    /// The name of the account whose token it is, once it was asked for.
    login: Mutex<Option<String>>,
}

impl GitHubIssues {
    /// With these settings.
    ///
    /// # Errors
    ///
    /// When a setting makes no sense, in words for people.
    pub fn new(settings: Settings, access: Access) -> Result<Self, String> {
        let repository = Repository::parse(&settings.repository)?;
        let github = GitHub::new(&settings.api_url, access)?;
        for label in &settings.labels {
            if label.trim().is_empty() || size(label) > MAX_LABEL {
                return Err(format!(
                    "the label `{}` does not have 1 to {MAX_LABEL} characters",
                    line(label).at_most(100)
                ));
            }
        }
        Ok(Self { settings, github, repository, login: Mutex::new(None) })
    }

    fn url(&self, path: &[&str]) -> Url {
        self.github.at(&self.repository, path)
    }

    /// All labels of ours, without one twice.
    fn labels(&self, ticket: &Ticket) -> Vec<String> {
        let severity = self.settings.severity_labels.of(ticket.severity);
        let all = [LABEL, severity].into_iter();
        let all = all.chain(self.settings.labels.iter().chain(&ticket.labels).map(String::as_str));
        let mut kept: Vec<String> = Vec::new();
        for label in all {
            let label: String = line(label.trim()).to_string().chars().take(MAX_LABEL).collect();
            let is_known = kept.iter().any(|held| held.eq_ignore_ascii_case(&label));
            if !label.is_empty() && !is_known {
                kept.push(label);
            }
        }
        kept
    }

    /// The part of the text that is ours, within so many characters.
    fn block(&self, ticket: &Ticket, most: usize) -> String {
        let labels: Vec<_> = self.labels(ticket).iter().map(|label| encoded(label)).collect();
        let around = format!("{BEGIN}{}{BEGUN}", labels.join("&"));
        let room = most.saturating_sub(size(&around) + size(END));
        format!("{around}{}{END}", markdown::render(&ticket.body, room))
    }

    fn body(&self, order: &Order) -> String {
        let marker = marker(order);
        let block = self.block(&order.ticket, MAX_TEXT - size(&marker) - 2);
        format!("{block}\n\n{marker}")
    }

    async fn make(&self, order: &Order) -> Result<Taken, Verdict> {
        let labels = self.labels(&order.ticket);
        let mut body = json!({
            "title": title(&order.ticket),
            "body": self.body(order),
            "labels": labels,
        });
        if let Some(assignee) = &order.ticket.assignee {
            body["assignees"] = json!([assignee]);
        }
        let url = self.url(&["issues"]);
        let mut answer = self.github.write(Method::Post, url.clone(), &body).await?;
        // The ticket matters more than whom it is for.
        let is_refused = answer.status == 422 && words(&answer).contains("assignee");
        if is_refused && body["assignees"].is_array() {
            body["assignees"] = json!([]);
            answer = self.github.write(Method::Post, url, &body).await?;
        }
        if !answer.is_success() {
            return Err(self.not_written(&answer, order.now_ms).await);
        }
        let made = answer.json().unwrap_or_default();
        let (Some(number), true) = (made["number"].as_u64(), has_marker(&made, order)) else {
            return Err(Verdict::Passing {
                why: "it answered, but not with the issue that was to be made".to_owned(),
                is_unsure: true,
                after_ms: None,
            });
        };
        Ok(Taken {
            reference: Some(number.to_string()),
            url: address(&made),
            remark: left_out(&made, &labels, order.ticket.assignee.as_deref()),
        })
    }

    /// Why something was not written where an issue or the repository should be.
    async fn not_written(&self, answer: &crate::wire::Answer, now_ms: i64) -> Verdict {
        match answer.status {
            301 | 302 | 307 | 308 => match self.github.repository(&self.repository, now_ms).await {
                Ok(_) => Verdict::Gone("the issue was moved to another repository".to_owned()),
                Err(verdict) => verdict,
            },
            _ => write_refused(answer, now_ms),
        }
    }

    /// The issue of a link.
    async fn issue(&self, link: &LinkRow, now_ms: i64) -> Result<Value, Verdict> {
        let answer = self.github.get(self.url(&["issues", &link.reference])).await?;
        let why = match answer.status {
            200 => return answer.json().ok_or_else(|| unreadable("the issue")),
            301 | 302 | 307 | 308 => "the issue was moved to another repository",
            404 => "the issue is not there, or not visible to this token",
            410 => "the issue was deleted",
            _ => return Err(read_refused(&answer, now_ms)),
        };
        // A token that no longer sees the repository sees none of its issues: those are
        // not gone. And a repository that was renamed moves all of its issues.
        let repository = self.github.repository(&self.repository, now_ms).await?;
        match repository["has_issues"].as_bool() {
            Some(false) => Err(Verdict::Settings(self.has_no_issues())),
            _ => Err(Verdict::Gone(why.to_owned())),
        }
    }

    fn has_no_issues(&self) -> String {
        format!("issues are disabled in the repository `{}`", self.repository.place())
    }

    /// The name of our account; none where the token is that of an App, which has none.
    async fn login(&self, now_ms: i64) -> Result<Option<String>, Verdict> {
        let known = self.login.lock().ok().and_then(|login| login.clone());
        if known.is_some() {
            return Ok(known);
        }
        let answer = self.github.get(self.github.url(&["user"])).await?;
        let login = match answer.status {
            200 => answer.json().and_then(|user| user["login"].as_str().map(str::to_owned)),
            403 | 404 => match read_refused(&answer, now_ms) {
                passing @ Verdict::Passing { .. } => return Err(passing),
                _ => None,
            },
            _ => return Err(read_refused(&answer, now_ms)),
        };
        if let Ok(mut known) = self.login.lock() {
            known.clone_from(&login);
        }
        Ok(login)
    }

    /// Where an issue stands. It was made by us: whoever made it is us too, under the token
    /// of an App or of an account that had its turn before this one.
    async fn standing(&self, issue: &Value, now_ms: i64) -> Result<LinkStanding, Verdict> {
        if issue["state"] != "closed" {
            return Ok(LinkStanding::Open);
        }
        let closer = issue["closed_by"]["login"].as_str();
        let is_maker = closer.is_some() && closer == issue["user"]["login"].as_str();
        if is_maker || (closer.is_some() && closer == self.login(now_ms).await?.as_deref()) {
            return Ok(LinkStanding::ClosedOurs);
        }
        Ok(match issue["state_reason"].as_str() {
            Some("not_planned" | "duplicate") => LinkStanding::RefusedTheirs,
            _ => LinkStanding::DoneTheirs,
        })
    }

    async fn bring(&self, order: &Order, link: &LinkRow) -> Result<Taken, Verdict> {
        let issue = self.issue(link, order.now_ms).await?;
        let standing = self.standing(&issue, order.now_ms).await?;
        // What is decided on what somebody else closed is decided when that is known.
        let is_theirs = matches!(standing, LinkStanding::DoneTheirs | LinkStanding::RefusedTheirs);
        let is_decided =
            link.standing == standing && matches!(order.action, Action::Comment | Action::Reopen);
        if is_theirs && !is_decided {
            return Err(Verdict::Theirs(standing));
        }
        let remark = match order.action {
            Action::Comment => None,
            _ => self.rewrite(order, link, &issue).await?,
        };
        let unsaid = match &order.ticket.comment {
            Some(comment) => self.say(order, link, &issue, comment).await?,
            None => None,
        };
        let remarks: Vec<_> = remark.into_iter().chain(unsaid).collect();
        Ok(Taken {
            reference: Some(link.reference.clone()),
            url: address(&issue),
            remark: (!remarks.is_empty()).then(|| remarks.join("; ")),
        })
    }

    /// Labels, then text and state at once: what names our labels is true when it is written.
    async fn rewrite(
        &self,
        order: &Order,
        link: &LinkRow,
        issue: &Value,
    ) -> Result<Option<String>, Verdict> {
        let held = issue["body"].as_str().unwrap_or_default();
        let mut change = serde_json::Map::new();
        let remark = match Parts::of(held) {
            Some(parts) => {
                self.relabel(order, link, issue, &parts.labels()).await?;
                let room = MAX_TEXT.saturating_sub(size(parts.before) + size(parts.behind));
                let block = self.block(&order.ticket, room);
                // GitHub's editor writes line ends of two characters.
                if block != parts.block.replace("\r\n", "\n") {
                    let text = format!("{}{block}{}", parts.before, parts.behind);
                    change.insert("body".to_owned(), text.into());
                }
                None
            }
            None => Some("somebody removed the marks of this text: it stays as it is".to_owned()),
        };
        let is_closed = issue["state"] == "closed";
        if order.action == Action::Close && !is_closed {
            let is_done = order.ticket.why.is_none_or(crate::ticket::Why::is_done);
            let reason = if is_done { "completed" } else { "not_planned" };
            change.insert("state".to_owned(), "closed".into());
            change.insert("state_reason".to_owned(), reason.into());
        }
        if order.action == Action::Reopen && is_closed {
            change.insert("state".to_owned(), "open".into());
            change.insert("state_reason".to_owned(), "reopened".into());
        }
        if change.is_empty() {
            return Ok(remark);
        }
        let url = self.url(&["issues", &link.reference]);
        let answer = self.github.write(Method::Patch, url, &Value::Object(change)).await?;
        match answer.is_success() {
            true => Ok(remark),
            false => Err(self.not_written(&answer, order.now_ms).await),
        }
    }

    /// Adds what is ours now and was not, and removes what was and is not.
    async fn relabel(
        &self,
        order: &Order,
        link: &LinkRow,
        issue: &Value,
        before: &[String],
    ) -> Result<(), Verdict> {
        let now = self.labels(&order.ticket);
        let held = labels_of(issue);
        let lacks =
            |all: &[String], label: &str| !all.iter().any(|one| one.eq_ignore_ascii_case(label));
        let added: Vec<_> =
            now.iter().filter(|label| lacks(before, label) && lacks(&held, label)).collect();
        let url = self.url(&["issues", &link.reference, "labels"]);
        if !added.is_empty() {
            let body = json!({"labels": added});
            let answer = self.github.write(Method::Post, url, &body).await?;
            if !answer.is_success() {
                return Err(self.not_written(&answer, order.now_ms).await);
            }
        }
        for label in before.iter().filter(|label| lacks(&now, label) && !lacks(&held, label)) {
            let url = self.url(&["issues", &link.reference, "labels", label]);
            let answer = self.github.delete(url).await?;
            if !answer.is_success() && answer.status != 404 {
                return Err(self.not_written(&answer, order.now_ms).await);
            }
        }
        Ok(())
    }

    /// Says something once. Returns why it could not be said.
    async fn say(
        &self,
        order: &Order,
        link: &LinkRow,
        issue: &Value,
        comment: &Doc,
    ) -> Result<Option<String>, Verdict> {
        let marker = marker(order);
        let may_be_there =
            order.attempts > 0 || order.started_ms.is_some_and(|at| at < order.now_ms);
        if may_be_there && self.was_said(order, link, &marker).await? {
            return Ok(None);
        }
        let text = markdown::render(comment, MAX_TEXT - size(&marker) - 2);
        let url = self.url(&["issues", &link.reference, "comments"]);
        let body = json!({"body": format!("{text}\n\n{marker}")});
        let answer = self.github.write(Method::Post, url, &body).await?;
        let is_locked = issue["locked"] == true;
        match answer.status {
            200..300 => Ok(None),
            403 if is_locked => Ok(Some("the issue is locked: nothing was said there".to_owned())),
            _ => Err(self.not_written(&answer, order.now_ms).await),
        }
    }

    async fn was_said(&self, order: &Order, link: &LinkRow, marker: &str) -> Result<bool, Verdict> {
        let mut url = self.url(&["issues", &link.reference, "comments"]);
        if let Some(started_ms) = order.started_ms {
            url.query_pairs_mut().append_pair("since", &second(started_ms - SKEW_MS));
        }
        let is_ours =
            |comment: &Value| comment["body"].as_str().is_some_and(|body| body.contains(marker));
        match self.seek(url, order.now_ms, is_ours, |_| false).await? {
            Sought::Found(_) => Ok(true),
            Sought::End => Ok(false),
            Sought::TooMany => {
                Err(Verdict::Refused("the issue has too many comments to look for one".to_owned()))
            }
        }
    }

    /// Reads a list page by page until something is found, or nothing more can be.
    async fn seek(
        &self,
        mut url: Url,
        now_ms: i64,
        is_it: impl Fn(&Value) -> bool,
        is_over: impl Fn(&Value) -> bool,
    ) -> Result<Sought, Verdict> {
        url.query_pairs_mut().append_pair("per_page", &PER_PAGE.to_string());
        for page in 1..=MAX_PAGES {
            let mut url = url.clone();
            url.query_pairs_mut().append_pair("page", &page.to_string());
            let answer = self.github.get_up_to(url, PAGE_BYTES).await?;
            if answer.status != 200 {
                return Err(match answer.status {
                    301 => self.github.renamed(&self.repository, &answer).await,
                    _ => read_refused(&answer, now_ms),
                });
            }
            let Some(Value::Array(found)) = answer.json() else { return Err(unreadable("a list")) };
            if let Some(it) = found.iter().find(|one| is_it(one)) {
                return Ok(Sought::Found(it.clone()));
            }
            let has_next = answer.header("link").is_some_and(|link| link.contains("rel=\"next\""));
            if !has_next || found.last().is_some_and(&is_over) {
                return Ok(Sought::End);
            }
        }
        Ok(Sought::TooMany)
    }

    async fn seen(&self, order: &Order, control: Option<&LinkRow>) -> Result<Sight, Verdict> {
        let login = self.login(order.now_ms).await?;
        let from_ms = order.started_ms.unwrap_or(order.now_ms) - SKEW_MS;
        let from = second(from_ms);
        let is_before = |issue: &Value| issue["created_at"].as_str().is_some_and(|at| at < &*from);
        // The list by label has new issues first; the other one has those too whose label
        // GitHub left out.
        for label in [Some(LABEL), None] {
            let url = self.list(label, login.as_deref(), "created", "desc", &from);
            match self.seek(url, order.now_ms, |issue| has_marker(issue, order), is_before).await? {
                Sought::End => {}
                Sought::Found(issue) => {
                    return Ok(Sight::Found {
                        reference: issue["number"].to_string(),
                        url: address(&issue),
                        standing: self.standing(&issue, order.now_ms).await?,
                    });
                }
                Sought::TooMany => {
                    return Ok(Sight::Blind(format!(
                        "the repository has more than {} issues since then",
                        PER_PAGE * MAX_PAGES
                    )));
                }
            }
        }
        let shown = match control {
            Some(control) => self.shows(control, login.as_deref(), order.now_ms).await?,
            None => self.shows_any(order.now_ms).await?,
        };
        Ok(shown.map_or(Sight::Absent, Sight::Blind))
    }

    fn list(
        &self,
        label: Option<&str>,
        creator: Option<&str>,
        sort: &str,
        direction: &str,
        since: &str,
    ) -> Url {
        let mut url = self.url(&["issues"]);
        let mut query = url.query_pairs_mut();
        if let Some(label) = label {
            query.append_pair("labels", label);
        }
        if let Some(creator) = creator {
            query.append_pair("creator", creator);
        }
        query.append_pair("state", "all").append_pair("sort", sort);
        query.append_pair("direction", direction).append_pair("since", since);
        drop(query);
        url
    }

    /// Whether the list that an issue was not in shows another one that is there: by the same
    /// creator, in any state, from the moment on at which that one was last different. It
    /// comes first there, however old it is. Returns why it proves nothing.
    async fn shows(
        &self,
        control: &LinkRow,
        login: Option<&str>,
        now_ms: i64,
    ) -> Result<Option<String>, Verdict> {
        let issue = match self.issue(control, now_ms).await {
            Ok(issue) => issue,
            Err(Verdict::Gone(why)) => return Ok(Some(format!("the control: {why}"))),
            Err(verdict) => return Err(verdict),
        };
        let (Some(updated), Some(number)) =
            (issue["updated_at"].as_str(), issue["number"].as_u64())
        else {
            return Err(unreadable("the issue"));
        };
        let maker = issue["user"]["login"].as_str();
        if login.is_some() && login != maker {
            // It was made with the token of another account, and is no issue of this one.
            return self.shows_any(now_ms).await;
        }
        let url = self.list(None, login, "updated", "asc", updated);
        let found = self.seek(url, now_ms, |one| one["number"] == number, |_| false).await?;
        Ok(match found {
            Sought::Found(_) => None,
            _ => Some(format!("the list of issues does not show #{number}, which is there")),
        })
    }

    /// Whether the list shows something where there is something. Returns why it does not.
    async fn shows_any(&self, now_ms: i64) -> Result<Option<String>, Verdict> {
        let repository = self.github.repository(&self.repository, now_ms).await?;
        if repository["has_issues"] == false {
            return Err(Verdict::Settings(self.has_no_issues()));
        }
        if repository["open_issues_count"].as_u64().is_none_or(|count| count == 0) {
            return Ok(None);
        }
        let mut url = self.url(&["issues"]);
        url.query_pairs_mut().append_pair("state", "open");
        let found = self.seek(url, now_ms, |_| true, |_| false).await?;
        let is_empty = !matches!(found, Sought::Found(_));
        Ok(is_empty.then(|| "the list of issues is empty, and the repository has some".to_owned()))
    }

    async fn ready(&self) -> Result<Taken, Verdict> {
        let repository = self.github.repository(&self.repository, 0).await?;
        if repository["has_issues"] == false {
            return Err(Verdict::Settings(self.has_no_issues()));
        }
        if repository["archived"] == true {
            let place = self.repository.place();
            return Err(Verdict::Settings(format!("the repository `{place}` is archived")));
        }
        let no_push = repository["permissions"]["push"] == false;
        Ok(Taken {
            reference: None,
            url: address(&repository),
            remark: no_push.then(|| {
                "this token has no push access: GitHub leaves out labels and assignees".to_owned()
            }),
        })
    }
}

/// What reading a list came to.
enum Sought {
    Found(Value),
    End,
    TooMany,
}

/// A text of an issue, in three.
struct Parts<'a> {
    before: &'a str,
    block: &'a str,
    behind: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let end_mark = END.trim_start();
        let from = text.find(BEGIN)?;
        let to = from + text[from..].find(end_mark)? + end_mark.len();
        Some(Self { before: &text[..from], block: &text[from..to], behind: &text[to..] })
    }

    /// The labels that were ours when this was written.
    fn labels(&self) -> Vec<String> {
        let list = self.block[BEGIN.len()..].split(BEGUN.trim_end()).next().unwrap_or_default();
        let names = list.split('&').filter(|name| !name.is_empty());
        // As form fields: what `encoded` makes has neither `=` nor `&`.
        names
            .filter_map(|name| url::form_urlencoded::parse(name.as_bytes()).next())
            .map(|(name, _)| name.into_owned())
            .collect()
    }
}

/// Letters, digits and percent signs: nothing that ends a comment.
fn encoded(label: &str) -> String {
    url::form_urlencoded::byte_serialize(label.as_bytes()).collect()
}

/// What an issue or a comment is found by.
fn marker(order: &Order) -> String {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    format!("<!-- countersign:{}:{} -->", plain(&order.group), plain(&order.uid))
}

fn has_marker(issue: &Value, order: &Order) -> bool {
    let is_request = issue.get("pull_request").is_some_and(|one| !one.is_null());
    let body = issue["body"].as_str().unwrap_or_default();
    !is_request && body.contains(&marker(order))
}

fn title(ticket: &Ticket) -> String {
    let shown = line(ticket.title.trim()).at_most(MAX_TITLE).to_string();
    if size(&shown) <= MAX_TITLE {
        return shown;
    }
    let mut left = MAX_TITLE - 1;
    let fits = |c: &char| {
        let width = c.len_utf16();
        left.checked_sub(width).map(|rest| left = rest).is_some()
    };
    let kept: String = shown.chars().take_while(fits).collect();
    kept + "…"
}

fn address(found: &Value) -> Option<String> {
    let url = Url::parse(found["html_url"].as_str()?).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.to_string())
}

fn labels_of(issue: &Value) -> Vec<String> {
    let labels = issue["labels"].as_array().into_iter().flatten();
    let name = |label: &Value| label.as_str().or(label["name"].as_str()).map(str::to_owned);
    labels.filter_map(name).collect()
}

/// What GitHub left out without a word.
fn left_out(made: &Value, labels: &[String], assignee: Option<&str>) -> Option<String> {
    let held = labels_of(made);
    let lacks = |label: &&String| !held.iter().any(|one| one.eq_ignore_ascii_case(label));
    let missing: Vec<_> = labels.iter().filter(lacks).map(String::as_str).collect();
    let people = made["assignees"].as_array();
    let is_assigned = |name: &str| {
        people
            .into_iter()
            .flatten()
            .any(|one| one["login"].as_str().is_some_and(|login| login.eq_ignore_ascii_case(name)))
    };
    let mut all = Vec::new();
    if !missing.is_empty() {
        all.push(format!("labels: {}", missing.join(", ")));
    }
    if let Some(assignee) = assignee.filter(|name| !is_assigned(name)) {
        all.push(format!("assignee: {}", line(assignee).at_most(100)));
    }
    (!all.is_empty()).then(|| {
        format!(
            "GitHub left out what this token may not set, or what it does not know: {}",
            all.join("; ")
        )
    })
}

/// GitHub has whole seconds.
fn second(at_ms: i64) -> String {
    rfc3339(at_ms - at_ms.rem_euclid(1000)).replace(".000Z", "Z")
}

fn ended(result: Result<Taken, Verdict>) -> Verdict {
    result.map_or_else(|verdict| verdict, Verdict::Taken)
}

impl Tickets for GitHubIssues {
    fn terms(&self) -> Terms {
        Terms { horizon_ms: 10 * 60_000, create_every_ms: 3_000, change_every_ms: 1_000 }
    }

    fn preview(&self, ticket: &Ticket) -> String {
        format!("{}\n\n{}", title(ticket), markdown::render(&ticket.body, MAX_TEXT))
    }

    fn create<'r>(&'r self, order: &'r Order) -> Doing<'r, Verdict> {
        Box::pin(async move { ended(self.make(order).await) })
    }

    fn look<'r>(&'r self, order: &'r Order, control: Option<&'r LinkRow>) -> Doing<'r, Sight> {
        Box::pin(async move { self.seen(order, control).await.unwrap_or_else(Sight::Failed) })
    }

    fn change<'r>(&'r self, order: &'r Order, link: &'r LinkRow) -> Doing<'r, Verdict> {
        Box::pin(async move { ended(self.bring(order, link).await) })
    }

    fn probe(&self) -> Doing<'_, Verdict> {
        Box::pin(async move { ended(self.ready().await) })
    }
}
