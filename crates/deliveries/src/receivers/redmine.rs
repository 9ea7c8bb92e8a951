//! Issues of Redmine, 5.0 or later.
//!
//! Redmine has no labels: what finds an issue is a line at the end of its description, which
//! its query filter `description` looks for in the database itself. It says nothing of a
//! status that its workflow does not allow and keeps the old one: what was written is read
//! again before it is believed.

use std::collections::BTreeMap;

use countersign_store::{LinkRow, LinkStanding};
use countersign_text::line;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use crate::doc::Doc;
use crate::markup::{fit, markdown, textile};
use crate::receiver::{Order, Sight, Taken, Terms, Tickets, Verdict};
use crate::receivers::turn::{Turn, turn};
use crate::receivers::{Access, lost, refused, trackers};
use crate::ticket::{Ticket, Why};
use crate::wire::{Answer, Doing, Method, Request};

/// Characters of a subject.
const SUBJECT: usize = 255;
/// Bytes of a text: MySQL keeps 65,535, and the marker has to fit too.
const TEXT: usize = 60_000;

/// Where and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of Redmine, with its path if it has one.
    pub url: String,
    /// Identifier of the project, as in its address.
    pub project: String,
    /// Name of the tracker. Default: the project's first.
    #[serde(default)]
    pub tracker: Option<String>,
    /// What Redmine is set to render texts as. Default: `textile`.
    #[serde(default)]
    pub markup: Markup,
    /// Names of priorities by severity, 0 to 5. Default: Urgent for 5,
    /// High, Normal, and Low for 2 and less; `Immediate` is left to people.
    #[serde(default)]
    pub priorities: BTreeMap<String, String>,
    /// Status of an issue that is done. Default: `Closed`, else the first allowed one that
    /// closes.
    #[serde(default)]
    pub done_status: Option<String>,
    /// Status of an issue that is not to be done; who else sets it decided against it.
    /// Default: `Rejected`, else as if done.
    #[serde(default)]
    pub refused_status: Option<String>,
    /// Status of an issue that is open again. Default: the first allowed one that is open.
    #[serde(default)]
    pub reopen_status: Option<String>,
    /// Custom fields by their id, and what every new issue has in them.
    #[serde(default)]
    pub fields: BTreeMap<String, Value>,
}

/// What Redmine renders texts as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Markup {
    /// Textile.
    #[default]
    Textile,
    /// Markdown, or CommonMark.
    Markdown,
}

impl Settings {
    /// Where issues are made.
    pub fn place(&self) -> String {
        let url = Url::parse(&self.url).map(trackers::bare).unwrap_or_default();
        format!("{url} {}", self.project)
    }
}

/// A project of Redmine.
pub struct Redmine {
    settings: Settings,
    base: Url,
    access: Access,
    known: Mutex<Option<Known>>,
}

/// What does not change from one issue to the next.
#[derive(Debug, Clone)]
struct Known {
    me: i64,
    is_admin: bool,
    project: i64,
    tracker: Option<i64>,
    priorities: Vec<(i64, String)>,
    closed: Vec<(i64, String)>,
    roles: Vec<i64>,
}

/// A receiver of these settings; the secret is the API key of its account.
pub fn new(settings: Settings, access: Access) -> Result<Redmine, String> {
    let base = trackers::base(&settings.url)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if settings.project.is_empty() || !settings.project.chars().all(is_plain) {
        return Err("`project` is not an identifier of a project\n\
             hint: it is the last part of the project's address"
            .to_owned());
    }
    trackers::severities(&settings.priorities)?;
    if let Some(id) = settings.fields.keys().find(|id| id.parse::<u32>().is_err()) {
        let id = line(id);
        return Err(format!("`fields.{id}` is not the number of a custom field"));
    }
    Ok(Redmine { settings, base, access, known: Mutex::new(None) })
}

impl Tickets for Redmine {
    fn terms(&self) -> Terms {
        // It answers from the database; the limits keep people's Redmine usable.
        Terms { horizon_ms: 10_000, create_every_ms: 1_000, change_every_ms: 500 }
    }

    fn preview(&self, ticket: &Ticket) -> String {
        format!("{}\n\n{}", subject(ticket), self.text(&ticket.body))
    }

    fn create<'r>(&'r self, order: &'r Order) -> Doing<'r, Verdict> {
        Box::pin(async move { self.make(order).await.unwrap_or_else(|verdict| verdict) })
    }

    fn look<'r>(&'r self, order: &'r Order, control: Option<&'r LinkRow>) -> Doing<'r, Sight> {
        Box::pin(async move { self.find(order, control).await.unwrap_or_else(Sight::Failed) })
    }

    fn change<'r>(&'r self, order: &'r Order, link: &'r LinkRow) -> Doing<'r, Verdict> {
        Box::pin(async move { self.alter(order, link).await.unwrap_or_else(|verdict| verdict) })
    }

    fn probe(&self) -> Doing<'_, Verdict> {
        Box::pin(async move {
            match self.learn(0).await {
                Ok(_) => Verdict::Taken(Taken::default()),
                Err(verdict) => verdict,
            }
        })
    }
}

impl Redmine {
    async fn make(&self, order: &Order) -> Result<Verdict, Verdict> {
        let known = self.known(order.now_ms).await?;
        let (mut issue, mut remarks) = self.issue(order, &known).await?;
        let mut answer = self.post(&issue, order.now_ms).await?;
        // Refused as a whole: nothing was made, and it may be made without what can be missed.
        let spare = spare(&answer, &issue);
        if !spare.is_empty() {
            for (field, label) in spare {
                if let Some(issue) = issue.as_object_mut() {
                    issue.remove(field);
                }
                remarks.push(format!("left out: {label}, which Redmine refused"));
            }
            answer = self.post(&issue, order.now_ms).await?;
        }
        if !answer.is_success() {
            // It may have been set up anew since it was read.
            *self.known.lock().await = None;
            return Err(self.judge(&answer, order.now_ms));
        }
        let id = answer.json().and_then(|made| made["issue"]["id"].as_i64());
        let id = id.ok_or_else(|| odd("a new issue without a number"))?;
        Ok(Verdict::Taken(self.taken(&id.to_string(), remarks)))
    }

    async fn issue(&self, order: &Order, known: &Known) -> Result<(Value, Vec<String>), Verdict> {
        let ticket = &order.ticket;
        let text = format!("{}\n\n{}", self.text(&ticket.body), marker(&order.group));
        let mut remarks = Vec::new();
        let mut issue = json!({
            "project_id": known.project, "subject": subject(ticket), "description": text,
        });
        if let Some(tracker) = known.tracker {
            issue["tracker_id"] = tracker.into();
        }
        let name = trackers::priority(&self.settings.priorities, &PRIORITIES, ticket.severity);
        match known.priorities.iter().find(|(_, held)| *held == name) {
            Some((id, _)) => issue["priority_id"] = (*id).into(),
            None => remarks
                .push(format!("left out: priority {}, which Redmine does not have", line(&name))),
        }
        if let Some(due) = &ticket.due {
            issue["due_date"] = due.as_str().into();
        }
        if let Some(name) = &ticket.assignee {
            match self.assignee(name, order.now_ms).await? {
                Some(id) => issue["assigned_to_id"] = id.into(),
                None => {
                    remarks.push(format!("left out: assignee {}, who is not a member", line(name)));
                }
            }
        }
        let fields = self.settings.fields.iter();
        let fields: Vec<_> =
            fields.map(|(id, value)| json!({ "id": id, "value": value })).collect();
        if !fields.is_empty() {
            issue["custom_fields"] = fields.into();
        }
        Ok((issue, remarks))
    }

    async fn post(&self, issue: &Value, now_ms: i64) -> Result<Answer, Verdict> {
        let request = self.request(Method::Post, "issues.json", &[]);
        let answer = self.ask(request.json(&json!({ "issue": issue }))).await?;
        match answer.status {
            422 => Ok(answer),
            _ if answer.is_success() => Ok(answer),
            _ => Err(self.judge(&answer, now_ms)),
        }
    }

    /// The id of a member by name or number.
    async fn assignee(&self, name: &str, now_ms: i64) -> Result<Option<i64>, Verdict> {
        let path = format!("projects/{}/memberships.json", self.settings.project);
        let members = self.pages(&path, &[], "memberships", now_ms).await?;
        let is_named = |who: &&Value| {
            who["name"] == name || who["id"].as_i64().is_some_and(|id| id.to_string() == name)
        };
        let mut people = members.iter().flat_map(|member| [&member["user"], &member["group"]]);
        Ok(people.find(is_named).and_then(|who| who["id"].as_i64()))
    }

    async fn find(&self, order: &Order, control: Option<&LinkRow>) -> Result<Sight, Verdict> {
        let known = self.known(order.now_ms).await?;
        if let Some(id) = self.marked(&order.group, &known, order.now_ms).await? {
            let reference = id.to_string();
            let Some(issue) = self.read(&reference, order.now_ms).await? else {
                return Ok(Sight::Blind("an issue that is listed cannot be read".to_owned()));
            };
            let (standing, url) = (self.standing(&issue, &known), self.page(&reference));
            return Ok(Sight::Found { reference, url, standing });
        }
        let is_shown = match control {
            Some(link) => {
                let id = self.marked(&link.group, &known, order.now_ms).await?;
                id.is_some_and(|id| id.to_string() == link.reference)
            }
            // A key that is no longer accepted sees what everybody sees, and is not told:
            // who it is of is asked anew.
            None => self.sees_its_own(&self.learn(order.now_ms).await?, order.now_ms).await?,
        };
        Ok(match (is_shown, control) {
            (true, _) => Sight::Absent,
            (false, Some(link)) => {
                Sight::Blind(format!("issue {} is not found by its marker", line(&link.reference)))
            }
            (false, None) => Sight::Blind("this account may not see its issues".to_owned()),
        })
    }

    /// The oldest issue with the marker of a group. A server that does not know the filter
    /// shows all issues: their texts are compared in any case.
    async fn marked(
        &self,
        group: &str,
        known: &Known,
        now_ms: i64,
    ) -> Result<Option<i64>, Verdict> {
        let marker = marker(group);
        let (project, query) = (known.project.to_string(), format!("~{marker}"));
        let query = [
            ("project_id", project.as_str()),
            ("subproject_id", "!*"),
            ("status_id", "*"),
            ("description", &query),
            ("sort", "id"),
        ];
        let issues = self.pages("issues.json", &query, "issues", now_ms).await?;
        let is_ours = |issue: &&Value| {
            issue["description"].as_str().is_some_and(|text| text.contains(&marker))
        };
        Ok(issues.iter().find(is_ours).and_then(|issue| issue["id"].as_i64()))
    }

    /// Whether one of the account's roles in the project lets it see issues: any extent of
    /// that takes in those of its own.
    async fn sees_its_own(&self, known: &Known, now_ms: i64) -> Result<bool, Verdict> {
        if known.is_admin {
            return Ok(true);
        }
        for role in &known.roles {
            let role = self.get(&format!("roles/{role}.json"), &[], now_ms).await?;
            let permissions = role["role"]["permissions"].as_array();
            if permissions.is_some_and(|all| all.iter().any(|one| one == "view_issues")) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn alter(&self, order: &Order, link: &LinkRow) -> Result<Verdict, Verdict> {
        let known = self.known(order.now_ms).await?;
        let Some(issue) = self.read(&link.reference, order.now_ms).await? else {
            return Ok(Verdict::Gone("the issue is deleted, or not visible any more".to_owned()));
        };
        let turn = turn(order.action, link.standing, self.standing(&issue, &known));
        let status = match turn {
            Turn::Theirs(standing) => return Ok(Verdict::Theirs(standing)),
            Turn::Close => Some(self.closing(&issue, order.ticket.why, &known)?),
            Turn::Reopen => Some(self.opening(&issue)?),
            Turn::Say => None,
        };
        let mut change = json!({});
        if let Some(status) = status {
            change["status_id"] = status.into();
        }
        if let Some(note) = self.note(order, &issue) {
            change["notes"] = note.into();
        }
        if change == json!({}) {
            return Ok(Verdict::Taken(self.taken(&link.reference, Vec::new())));
        }
        self.put(&link.reference, &change, status, order.now_ms).await
    }

    /// What is said, unless it was already: only a try that was not the first may find it.
    fn note(&self, order: &Order, issue: &Value) -> Option<String> {
        let comment = order.ticket.comment.as_ref().filter(|comment| !comment.is_empty())?;
        let marker = marker(&order.uid);
        let journals = issue["journals"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_said = |journal: &Value| {
            journal["notes"].as_str().is_some_and(|notes| notes.contains(&marker))
        };
        if order.attempts > 0 && journals.iter().any(is_said) {
            return None;
        }
        Some(format!("{}\n\n{marker}", self.text(comment)))
    }

    /// Status and note are one change: neither is there without the other.
    async fn put(
        &self,
        reference: &str,
        change: &Value,
        status: Option<i64>,
        now_ms: i64,
    ) -> Result<Verdict, Verdict> {
        let request = self.request(Method::Put, &format!("issues/{reference}.json"), &[]);
        let answer = self.ask(request.json(&json!({ "issue": change }))).await?;
        if !answer.is_success() {
            return Err(self.judge(&answer, now_ms));
        }
        if let Some(status) = status {
            let issue = self.read(reference, now_ms).await?;
            if issue.is_none_or(|issue| issue["status"]["id"] != status) {
                return Err(Verdict::Refused("Redmine kept the status as it was".to_owned()));
            }
        }
        Ok(Verdict::Taken(self.taken(reference, Vec::new())))
    }

    fn closing(&self, issue: &Value, why: Option<Why>, known: &Known) -> Result<i64, Verdict> {
        let closing: Vec<_> = allowed(issue).into_iter().filter(|s| s.is_closed).collect();
        let refused = self.refused_status();
        let named = |name: &str| closing.iter().find(|status| status.name == name);
        let done = || {
            let done = self.settings.done_status.as_deref().unwrap_or("Closed");
            named(done).or_else(|| closing.iter().find(|status| status.name != refused))
        };
        let is_done = why.is_none_or(Why::is_done);
        let chosen = if is_done { done() } else { named(refused).or_else(done) };
        chosen.or(closing.first()).map(|status| status.id).ok_or_else(|| {
            let names: Vec<_> =
                known.closed.iter().map(|(_, name)| line(name).to_string()).collect();
            stuck(issue, &format!("any of {}", names.join(", ")))
        })
    }

    fn opening(&self, issue: &Value) -> Result<i64, Verdict> {
        let open: Vec<_> = allowed(issue).into_iter().filter(|status| !status.is_closed).collect();
        let wanted = self.settings.reopen_status.as_deref();
        let named = open.iter().find(|status| wanted == Some(status.name.as_str()));
        let chosen = named.or(open.first()).map(|status| status.id);
        chosen.ok_or_else(|| stuck(issue, "an open status"))
    }

    fn refused_status(&self) -> &str {
        self.settings.refused_status.as_deref().unwrap_or("Rejected")
    }

    /// Where an issue stands, by the last note of its journal that changed the status.
    fn standing(&self, issue: &Value, known: &Known) -> LinkStanding {
        let status = &issue["status"];
        let listed = known.closed.iter().find(|(id, _)| status["id"] == *id);
        if listed.is_none() && status["is_closed"] != true {
            return LinkStanding::Open;
        }
        let journals = issue["journals"].as_array().map(Vec::as_slice).unwrap_or_default();
        let moves = |journal: &&Value| {
            let details = journal["details"].as_array();
            details.is_some_and(|all| {
                all.iter().any(|one| one["property"] == "attr" && one["name"] == "status_id")
            })
        };
        let last = journals.iter().filter(moves).max_by_key(|journal| journal["id"].as_i64());
        match last {
            Some(journal) if journal["user"]["id"] == known.me => LinkStanding::ClosedOurs,
            _ if status["name"] == self.refused_status() => LinkStanding::RefusedTheirs,
            _ => LinkStanding::DoneTheirs,
        }
    }

    /// An issue with its journal; none where it is gone although the project is not.
    async fn read(&self, reference: &str, now_ms: i64) -> Result<Option<Value>, Verdict> {
        let path = format!("issues/{reference}.json");
        let query = [("include", "journals,allowed_statuses")];
        let answer = self.ask(self.request(Method::Get, &path, &query)).await?;
        if matches!(answer.status, 403 | 404 | 410) {
            // A key that lost its rights sees nothing at all: then nothing is gone.
            self.learn(now_ms).await?;
            return Ok(None);
        }
        let issue = self.body(&answer, now_ms)?["issue"].take();
        match issue["id"].is_i64() {
            true => Ok(Some(issue)),
            false => Err(Verdict::later("it answered without the issue")),
        }
    }

    async fn known(&self, now_ms: i64) -> Result<Known, Verdict> {
        let mut held = self.known.lock().await;
        if let Some(known) = &*held {
            return Ok(known.clone());
        }
        let known = self.learn(now_ms).await?;
        Ok(held.insert(known).clone())
    }

    async fn learn(&self, now_ms: i64) -> Result<Known, Verdict> {
        let query = [("include", "memberships")];
        let me = self.get("users/current.json", &query, now_ms).await?["user"].take();
        let path = format!("projects/{}.json", self.settings.project);
        let project = self.get(&path, &[("include", "trackers")], now_ms).await?["project"].take();
        let statuses = self.get("issue_statuses.json", &[], now_ms).await?;
        let priorities = self.get("enumerations/issue_priorities.json", &[], now_ms).await?;
        let (Some(my_id), Some(project_id)) = (me["id"].as_i64(), project["id"].as_i64()) else {
            return Err(Verdict::Settings("it does not answer as Redmine does".to_owned()));
        };
        let closed = statuses["issue_statuses"].as_array().cloned().unwrap_or_default();
        let closed: Vec<_> = closed.into_iter().filter(|s| s["is_closed"] == true).collect();
        let member = me["memberships"].as_array().map(Vec::as_slice).unwrap_or_default();
        let member = member.iter().filter(|member| member["project"]["id"] == project_id);
        let roles = member.flat_map(|member| named(&member["roles"])).map(|(id, _)| id).collect();
        Ok(Known {
            me: my_id,
            is_admin: me["admin"] == true,
            project: project_id,
            tracker: self.tracker(&project)?,
            priorities: named(&priorities["issue_priorities"]),
            closed: named(&Value::Array(closed)),
            roles,
        })
    }

    fn tracker(&self, project: &Value) -> Result<Option<i64>, Verdict> {
        let Some(wanted) = &self.settings.tracker else { return Ok(None) };
        let trackers = named(&project["trackers"]);
        match trackers.iter().find(|(_, name)| name == wanted) {
            Some((id, _)) => Ok(Some(*id)),
            None => {
                let names: Vec<_> =
                    trackers.iter().map(|(_, name)| line(name).to_string()).collect();
                Err(Verdict::Settings(format!(
                    "the project has no tracker `{}`: it has {}",
                    line(wanted),
                    names.join(", ")
                )))
            }
        }
    }

    /// All pages of a list; a list that does not end is not believed.
    async fn pages(
        &self,
        path: &str,
        query: &[(&str, &str)],
        name: &str,
        now_ms: i64,
    ) -> Result<Vec<Value>, Verdict> {
        const PAGES: usize = 200;
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let offset = all.len().to_string();
            let query = [query, &[("limit", "100"), ("offset", &offset)]].concat();
            let mut page = self.get(path, &query, now_ms).await?;
            let Value::Array(rows) = page[name].take() else {
                return Err(Verdict::later(format!("it answered without `{name}`")));
            };
            let is_empty = rows.is_empty();
            all.extend(rows);
            let total = page["total_count"].as_u64().unwrap_or(0);
            if is_empty || all.len() as u64 >= total {
                return Ok(all);
            }
        }
        Err(Verdict::later(format!("its list of {name} does not end")))
    }

    async fn get(&self, path: &str, query: &[(&str, &str)], now_ms: i64) -> Result<Value, Verdict> {
        let answer = self.ask(self.request(Method::Get, path, query)).await?;
        self.body(&answer, now_ms)
    }

    fn body(&self, answer: &Answer, now_ms: i64) -> Result<Value, Verdict> {
        if !answer.is_success() {
            return Err(self.judge(answer, now_ms));
        }
        answer.json().filter(Value::is_object).ok_or_else(|| {
            Verdict::Settings("it answered something else than JSON: is it Redmine?".to_owned())
        })
    }

    async fn ask(&self, mut request: Request) -> Result<Answer, Verdict> {
        // A page has up to 100 descriptions.
        request.answer_bytes = 16 << 20;
        self.access.wire.ask(request).await.map_err(lost)
    }

    fn request(&self, method: Method, path: &str, query: &[(&str, &str)]) -> Request {
        let mut url = trackers::below(&self.base, path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Request::new(method, url)
            .header("accept", "application/json")
            .header("x-redmine-api-key", self.access.secret.as_str())
    }

    fn judge(&self, answer: &Answer, now_ms: i64) -> Verdict {
        let words = said(answer);
        match answer.status {
            // A field that nobody may leave empty is empty at every new issue.
            422 if words.contains("cannot be blank") && !words.contains("Subject") => {
                Verdict::Settings(format!("{words}\nhint: set it under `fields`"))
            }
            401 => Verdict::Settings("it does not accept the API key".to_owned()),
            _ => refused(answer, &words, now_ms),
        }
    }

    fn text(&self, doc: &Doc) -> String {
        match self.settings.markup {
            Markup::Textile => textile::render(&fit(doc, TEXT, textile::length)),
            Markup::Markdown => markdown::render(doc, TEXT),
        }
    }

    fn taken(&self, reference: &str, remarks: Vec<String>) -> Taken {
        let remark = (!remarks.is_empty()).then(|| remarks.join("; "));
        Taken { reference: Some(reference.to_owned()), url: self.page(reference), remark }
    }

    fn page(&self, reference: &str) -> Option<String> {
        Some(trackers::below(&self.base, &format!("issues/{reference}")).to_string())
    }
}

/// Redmine's own names, by severity.
const PRIORITIES: [&str; 6] = ["Low", "Low", "Low", "Normal", "High", "Urgent"];

/// Found by the filter, and the same in both markups.
fn marker(key: &str) -> String {
    format!("countersign-{key}")
}

fn subject(ticket: &Ticket) -> String {
    trackers::title(&ticket.title, SUBJECT)
}

struct Status {
    id: i64,
    name: String,
    is_closed: bool,
}

fn allowed(issue: &Value) -> Vec<Status> {
    let all = issue["allowed_statuses"].as_array().map(Vec::as_slice).unwrap_or_default();
    let status = |status: &Value| {
        let name = status["name"].as_str()?.to_owned();
        Some(Status { id: status["id"].as_i64()?, name, is_closed: status["is_closed"] == true })
    };
    all.iter().filter_map(status).collect()
}

fn named(list: &Value) -> Vec<(i64, String)> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |one: &Value| Some((one["id"].as_i64()?, one["name"].as_str()?.to_owned()));
    list.iter().filter_map(one).collect()
}

fn stuck(issue: &Value, to: &str) -> Verdict {
    let from = issue["status"]["name"].as_str().unwrap_or_default();
    Verdict::Refused(format!(
        "the workflow does not let this account move an issue from {} to {to}",
        line(from)
    ))
}

fn odd(what: &str) -> Verdict {
    Verdict::Passing { why: format!("it answered {what}"), is_unsure: true, after_ms: None }
}

/// Fields that were refused and that an issue can do without, with what Redmine calls them.
fn spare(answer: &Answer, issue: &Value) -> Vec<(&'static str, &'static str)> {
    const SPARE: [(&str, &str); 2] = [("assigned_to_id", "Assignee"), ("due_date", "Due date")];
    let words = said(answer);
    let is_spare = |(field, label): &(&str, &str)| {
        answer.status == 422 && words.contains(label) && issue.get(field).is_some()
    };
    SPARE.into_iter().filter(is_spare).collect()
}

/// What Redmine complains about.
fn said(answer: &Answer) -> String {
    let body = answer.json().unwrap_or_default();
    let errors = body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let errors: Vec<_> = errors.iter().filter_map(Value::as_str).collect();
    line(&errors.join("; ")).at_most(300).to_string()
}
