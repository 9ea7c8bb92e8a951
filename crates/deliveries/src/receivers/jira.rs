//! Issues of Jira, Cloud and Data Center.
//!
//! A label with the key of the group finds an issue again: issue properties are searched only
//! where an app declares them. An issue is known by its id: its key changes when it is moved.
//! The description is written once and is people's from then on; what changes is said in
//! comments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_store::{LinkRow, LinkStanding};
use countersign_text::line;
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use crate::doc::{Doc, Span};
use crate::markup::{adf, fit, wiki};
use crate::receiver::{Order, Sight, Taken, Terms, Tickets, Verdict};
use crate::receivers::trackers::{bare, base, below, priority, severities, title};
use crate::receivers::turn::{Turn, turn};
use crate::receivers::{Access, lost, refused};
use crate::ticket::{Ticket, Why};
use crate::wire::{Answer, Doing, Method, Request};

mod fields;

use fields::Screen;

/// Characters of a summary.
const SUMMARY: usize = 255;
/// Characters of a text; of Cloud's as JSON.
const TEXT: usize = 32_767;
/// Characters of a label.
const LABEL: usize = 255;
/// On every issue that is made here.
const OURS: &str = "countersign";
/// Resolutions, and statuses, that say that nothing is to be done.
const REFUSED: [&str; 12] = [
    "Won't Do",
    "Won't Fix",
    "Will Not Do",
    "Duplicate",
    "Declined",
    "Rejected",
    "Cancelled",
    "Canceled",
    "Cannot Reproduce",
    "Invalid",
    "Not a Bug",
    "Obsolete",
];
/// Resolutions that say that it is done.
const DONE: [&str; 4] = ["Done", "Fixed", "Resolved", "Complete"];

/// Which Jira it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edition {
    /// At Atlassian.
    Cloud,
    /// On machines of one's own.
    DataCenter,
}

/// Where and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of Jira, with its path if it has one.
    pub url: String,
    /// `cloud` or `data_center`.
    pub edition: Edition,
    /// Account that the secret is the API token or the password of: at Cloud its e-mail
    /// address. Default: none, and the secret is a personal access token.
    #[serde(default)]
    pub user: Option<String>,
    /// Key of the project.
    pub project: String,
    /// Name of the type of issues. Default: `Bug`.
    #[serde(default = "bug")]
    pub issue_type: String,
    /// Names of priorities by severity, 0 to 5. Default: Highest, High, Medium, Low, Lowest.
    #[serde(default)]
    pub priorities: BTreeMap<String, String>,
    /// Name of the transition that closes what is done. Default: one to a status of the
    /// category done.
    #[serde(default)]
    pub done_transition: Option<String>,
    /// Name of the transition that closes what is not to be done. Default: one to a status
    /// that says so, else as if done.
    #[serde(default)]
    pub refused_transition: Option<String>,
    /// Name of the transition that opens an issue again. Default: one to a status of the
    /// category to do, else in progress.
    #[serde(default)]
    pub reopen_transition: Option<String>,
    /// Resolution of what is done, where the transition asks for one. Default: `Done` or
    /// `Fixed`, whichever there is.
    #[serde(default)]
    pub resolution: Option<String>,
    /// Resolution of what is not to be done. Default: `Won't Do` or the like, whichever there
    /// is.
    #[serde(default)]
    pub refused_resolution: Option<String>,
    /// More fields by id, and what every new issue has in them, as the REST API takes it.
    #[serde(default)]
    pub fields: BTreeMap<String, Value>,
    /// More labels of every new issue.
    #[serde(default)]
    pub labels: Vec<String>,
}

fn bug() -> String {
    "Bug".to_owned()
}

impl Settings {
    /// Where issues are made.
    pub fn place(&self) -> String {
        let url = Url::parse(&self.url).map(bare).unwrap_or_default();
        format!("{url} {}", self.project)
    }
}

/// A project of Jira.
pub struct Jira {
    settings: Settings,
    base: Url,
    access: Access,
    authorization: zeroize::Zeroizing<String>,
    screen: Mutex<Option<Arc<Screen>>>,
    me: Mutex<Option<String>>,
}

/// A receiver of these settings; the secret is a token.
pub fn new(settings: Settings, access: Access) -> Result<Jira, String> {
    let base = base(&settings.url)?;
    let is_key = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if settings.project.is_empty() || !settings.project.chars().all(is_key) {
        return Err("`project` is not the key of a project\n\
             hint: it is what the project's issues begin with: `APP` of `APP-12`"
            .to_owned());
    }
    severities(&settings.priorities)?;
    let is_label = |label: &&String| is_label(label);
    if let Some(label) = settings.labels.iter().find(|label| !is_label(label)) {
        let label = line(label).at_most(80);
        return Err(format!("`labels`: `{label}` is empty, too long, or has a blank in it"));
    }
    let taken = ["project", "issuetype", "summary", "description", "labels"];
    if let Some(field) = taken.iter().find(|field| settings.fields.contains_key(**field)) {
        return Err(format!("`fields.{field}` is set by countersign itself"));
    }
    let secret = access.secret.as_str();
    let authorization = match &settings.user {
        Some(user) => {
            let both = zeroize::Zeroizing::new(format!("{user}:{secret}"));
            format!("Basic {}", BASE64.encode(both.as_bytes()))
        }
        None => format!("Bearer {secret}"),
    };
    let authorization = zeroize::Zeroizing::new(authorization);
    let (screen, me) = (Mutex::new(None), Mutex::new(None));
    Ok(Jira { settings, base, access, authorization, screen, me })
}

impl Tickets for Jira {
    fn terms(&self) -> Terms {
        let horizon_ms = match self.settings.edition {
            Edition::Cloud => 600_000,
            Edition::DataCenter => 60_000,
        };
        Terms { horizon_ms, create_every_ms: 2_000, change_every_ms: 1_000 }
    }

    fn preview(&self, ticket: &Ticket) -> String {
        let text = match self.text(&ticket.body) {
            Value::String(text) => text,
            text => format!("{text:#}"),
        };
        format!("{}\n\n{text}", title(&ticket.title, SUMMARY))
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
            let looked = async {
                self.signed_in(0).await?;
                self.screen(0).await.map(|_| ())
            };
            match looked.await {
                Ok(()) => Verdict::Taken(Taken::default()),
                Err(verdict) => verdict,
            }
        })
    }
}

impl Jira {
    async fn make(&self, order: &Order) -> Result<Verdict, Verdict> {
        let screen = self.screen(order.now_ms).await?;
        let (mut fields, mut remarks) = self.fields(&order.ticket, &order.group, &screen)?;
        let mut answer = self.post(order, &fields).await?;
        // Nothing is made of what is refused: it is sent again without what can be missed.
        let spare = spare(&answer, &self.settings.fields);
        if answer.status == 400 && !spare.is_empty() {
            for field in &spare {
                if let Some(fields) = fields.as_object_mut() {
                    fields.remove(field);
                }
                remarks.push(format!("left out: {field}, which Jira refused"));
            }
            answer = self.post(order, &fields).await?;
        }
        if !answer.is_success() {
            // The project may have been set up anew since it was read.
            *self.screen.lock().await = None;
            return Err(self.judge_fields(&answer, order.now_ms));
        }
        let made = answer.json().unwrap_or_default();
        let (Some(id), Some(key)) = (made["id"].as_str(), made["key"].as_str()) else {
            let why = "it answered a new issue without its id".to_owned();
            return Err(Verdict::Passing { why, is_unsure: true, after_ms: None });
        };
        Ok(Verdict::Taken(self.taken(id, Some(key), remarks)))
    }

    async fn post(&self, order: &Order, fields: &Value) -> Result<Answer, Verdict> {
        let property = json!({
            "key": order.group, "send": order.uid, "digest": order.ticket.digest,
        });
        let body = json!({ "fields": fields, "properties": [{ "key": OURS, "value": property }] });
        self.ask(self.request(Method::Post, "issue", &[]).json(&body)).await
    }

    /// What a new issue has in its fields, and what was left out.
    fn fields(
        &self,
        ticket: &Ticket,
        group: &str,
        screen: &Screen,
    ) -> Result<(Value, Vec<String>), Verdict> {
        if !screen.has("labels") {
            return Err(Verdict::Settings(format!(
                "new issues of type {} have no labels, and could not be found again\n\
                 hint: add the field Labels to the create screen of the project",
                line(&self.settings.issue_type)
            )));
        }
        let mut fields = json!({
            "project": { "key": self.settings.project },
            "issuetype": { "id": screen.issue_type },
            "summary": title(&ticket.title, SUMMARY),
            "labels": self.labels(ticket, group),
        });
        let mut remarks = Vec::new();
        let mut offer = |field: &str, value: Option<Value>| match value {
            Some(value) if screen.has(field) => fields[field] = value,
            Some(_) => {
                remarks.push(format!("left out: {field}, which is not on the create screen"));
            }
            None => {}
        };
        offer("description", Some(self.text(&ticket.body)));
        offer("duedate", ticket.due.as_ref().map(|due| json!(due)));
        offer("assignee", ticket.assignee.as_ref().map(|who| self.person(who)));
        let name = priority(&self.settings.priorities, &PRIORITIES, ticket.severity);
        match screen.allows("priority", &name) {
            Some(true) => fields["priority"] = json!({ "name": name }),
            Some(false) => {
                remarks.push(format!(
                    "left out: priority {}, which the project does not have",
                    line(&name)
                ));
            }
            None => {
                remarks.push("left out: priority, which is not on the create screen".to_owned());
            }
        }
        for (field, value) in &self.settings.fields {
            fields[field] = value.clone();
        }
        match screen.missing(&fields) {
            missing if missing.is_empty() => Ok((fields, remarks)),
            missing => Err(Verdict::Settings(format!(
                "every new issue of type {} needs {}\nhint: set it under `fields`",
                line(&self.settings.issue_type),
                missing.join(", ")
            ))),
        }
    }

    fn labels(&self, ticket: &Ticket, group: &str) -> BTreeSet<String> {
        let foreign = ticket.labels.iter().map(|label| {
            let label = line(label).to_string();
            let label: String = label.split_whitespace().collect::<Vec<_>>().join("-");
            label.chars().take(LABEL).collect()
        });
        let all = foreign.chain(self.settings.labels.iter().cloned());
        let all = all.filter(|label: &String| is_label(label));
        // A label of ours that a foreign one could be taken for would find the wrong issue.
        let all = all.filter(|label| !label.to_lowercase().starts_with(OURS));
        all.chain([OURS.to_owned(), marker(group)]).collect()
    }

    fn person(&self, who: &str) -> Value {
        match self.settings.edition {
            Edition::Cloud => json!({ "accountId": who }),
            Edition::DataCenter => json!({ "name": who }),
        }
    }

    async fn find(&self, order: &Order, control: Option<&LinkRow>) -> Result<Sight, Verdict> {
        let found = self.labelled(&order.group, order.now_ms).await?;
        if let Some(id) = found.first() {
            let Some(issue) = self.read(id, order.now_ms).await? else {
                return Ok(Sight::Blind("an issue that is found cannot be read".to_owned()));
            };
            let standing = self.standing(&issue, order.now_ms).await?;
            let taken = self.taken(id, issue["key"].as_str(), Vec::new());
            return Ok(Sight::Found { reference: id.clone(), url: taken.url, standing });
        }
        match control {
            Some(link) => {
                let shown = self.labelled(&link.group, order.now_ms).await?;
                Ok(match shown.contains(&link.reference) {
                    true => Sight::Absent,
                    false => Sight::Blind(format!(
                        "issue {} is not found by its label",
                        line(&link.reference)
                    )),
                })
            }
            None if self.may_browse(order.now_ms).await? => Ok(Sight::Absent),
            None => Ok(Sight::Blind("this account may not browse the project".to_owned())),
        }
    }

    /// Ids of the issues with the label of a group, the oldest first.
    async fn labelled(&self, group: &str, now_ms: i64) -> Result<Vec<String>, Verdict> {
        let marker = marker(group);
        let jql = format!("project = \"{}\" AND labels = \"{marker}\"", self.settings.project);
        let (path, most) = match self.settings.edition {
            Edition::Cloud => ("search/jql", 50),
            Edition::DataCenter => ("search", 50),
        };
        let body = json!({ "jql": jql, "fields": ["labels"], "maxResults": most });
        let answer = self.ask(self.request(Method::Post, path, &[]).json(&body)).await?;
        let mut found = match answer.status {
            400 => {
                return Err(Verdict::Settings(format!("it refused the search: {}", said(&answer))));
            }
            _ => self.body(&answer, now_ms)?,
        };
        let Value::Array(issues) = found["issues"].take() else {
            return Err(Verdict::later("it answered a search without issues"));
        };
        let has_it = |issue: &&Value| {
            let labels = issue["fields"]["labels"].as_array();
            labels.is_some_and(|labels| labels.iter().any(|label| *label == marker))
        };
        let ids = issues.iter().filter(has_it).filter_map(|issue| issue["id"].as_str());
        let mut ids: Vec<_> = ids.map(str::to_owned).collect();
        ids.sort_by_key(|id| id.parse::<u64>().ok());
        Ok(ids)
    }

    async fn may_browse(&self, now_ms: i64) -> Result<bool, Verdict> {
        self.signed_in(now_ms).await?;
        let query =
            [("projectKey", self.settings.project.as_str()), ("permissions", "BROWSE_PROJECTS")];
        let all = self.get("mypermissions", &query, now_ms).await?;
        Ok(all["permissions"]["BROWSE_PROJECTS"]["havePermission"] == true)
    }

    async fn alter(&self, order: &Order, link: &LinkRow) -> Result<Verdict, Verdict> {
        let (id, now_ms) = (&link.reference, order.now_ms);
        let Some(issue) = self.read(id, now_ms).await? else {
            return Ok(Verdict::Gone("the issue is deleted, or not visible any more".to_owned()));
        };
        let turn = turn(order.action, link.standing, self.standing(&issue, now_ms).await?);
        match turn {
            Turn::Theirs(standing) => return Ok(Verdict::Theirs(standing)),
            Turn::Close => self.close(id, order, &issue).await?,
            Turn::Reopen => self.reopen(id, &issue, now_ms).await?,
            Turn::Say => {}
        }
        self.say(id, order).await?;
        Ok(Verdict::Taken(self.taken(id, issue["key"].as_str(), Vec::new())))
    }

    async fn close(&self, id: &str, order: &Order, issue: &Value) -> Result<(), Verdict> {
        let ways = self.transitions(id, order.now_ms).await?;
        let is_done = order.ticket.why.is_none_or(Why::is_done);
        let settings = &self.settings;
        let (name, resolution, known) = match is_done {
            true => (&settings.done_transition, &settings.resolution, &DONE[..]),
            false => (&settings.refused_transition, &settings.refused_resolution, &REFUSED[..]),
        };
        let closing: Vec<_> = ways.iter().filter(|way| category(&way["to"]) == "done").collect();
        // "Won't do" is said of done work by nobody, and the other way round only where the
        // workflow has nothing better.
        let fits = |way: &&&Value| is_refused(&way["to"]["name"]) != is_done;
        let way = by_name(&ways, name.as_deref());
        let way = way.or_else(|| closing.iter().find(fits).copied());
        let Some(way) = way.or(closing.first().copied()) else {
            return Err(stuck(issue, "a status of the category done"));
        };
        let fields = &way["fields"];
        let mut sent = json!({});
        let allowed = fields["resolution"]["allowedValues"].as_array();
        let allowed = allowed.map(Vec::as_slice).unwrap_or_default();
        let has = |name: &&str| allowed.iter().any(|one| one["name"] == *name);
        let chosen = match resolution {
            Some(name) => Some(name.as_str()).filter(|_| fields["resolution"].is_object()),
            None => known.iter().copied().find(has),
        };
        if let Some(name) = chosen {
            sent["resolution"] = json!({ "name": name });
        }
        self.go(id, way, &sent, order.now_ms).await
    }

    async fn reopen(&self, id: &str, issue: &Value, now_ms: i64) -> Result<(), Verdict> {
        let ways = self.transitions(id, now_ms).await?;
        let to = |wanted: &str| ways.iter().find(|way| category(&way["to"]) == wanted);
        let way = by_name(&ways, self.settings.reopen_transition.as_deref());
        match way.or_else(|| to("new")).or_else(|| to("indeterminate")) {
            Some(way) => self.go(id, way, &json!({}), now_ms).await,
            None => Err(stuck(issue, "a status that is open")),
        }
    }

    /// The transitions that lead away from where the issue stands now.
    async fn transitions(&self, id: &str, now_ms: i64) -> Result<Vec<Value>, Verdict> {
        let path = format!("issue/{id}/transitions");
        let mut answer = self.get(&path, &[("expand", "transitions.fields")], now_ms).await?;
        match answer["transitions"].take() {
            Value::Array(ways) => Ok(ways),
            _ => Err(Verdict::later("it answered without transitions")),
        }
    }

    async fn go(&self, id: &str, way: &Value, fields: &Value, now_ms: i64) -> Result<(), Verdict> {
        let mut body = json!({ "transition": { "id": way["id"] } });
        if *fields != json!({}) {
            body["fields"] = fields.clone();
        }
        let path = format!("issue/{id}/transitions");
        let answer = self.ask(self.request(Method::Post, &path, &[]).json(&body)).await?;
        match answer.status {
            // Somebody moved it meanwhile: where it stands is read again.
            409 => Err(Verdict::later("the issue was changed at the same moment")),
            _ if answer.is_success() => Ok(()),
            _ => Err(self.judge(&answer, now_ms)),
        }
    }

    /// Says what is to be said, unless a try before this one did.
    async fn say(&self, id: &str, order: &Order) -> Result<(), Verdict> {
        let comment = order.ticket.comment.as_ref().filter(|comment| !comment.is_empty());
        let Some(comment) = comment else { return Ok(()) };
        if order.attempts > 0 && self.is_said(id, &order.uid, order.now_ms).await? {
            return Ok(());
        }
        let body = self.comment(comment, &order.uid);
        let property = json!([{ "key": OURS, "value": { "send": order.uid } }]);
        let body = json!({ "body": body, "properties": property });
        let path = format!("issue/{id}/comment");
        let answer = self.ask(self.request(Method::Post, &path, &[]).json(&body)).await?;
        match answer.is_success() {
            true => Ok(()),
            false => Err(self.judge(&answer, order.now_ms)),
        }
    }

    /// Properties of comments are read one by one: a line in the text is what is looked for.
    fn comment(&self, comment: &Doc, uid: &str) -> Value {
        let most = TEXT - 400;
        let marked = |doc: Doc| doc.paragraph(vec![Span::text(marker(uid))]);
        match self.settings.edition {
            Edition::Cloud => adf::render(&marked(fit(comment, most, adf::length))),
            Edition::DataCenter => {
                Value::String(wiki::render(&marked(fit(comment, most, wiki::length))))
            }
        }
    }

    /// Whether any comment has the marker of a send. The last are read first: it is one of
    /// them.
    async fn is_said(&self, id: &str, uid: &str, now_ms: i64) -> Result<bool, Verdict> {
        let (path, marker) = (format!("issue/{id}/comment"), marker(uid));
        // Jira keeps 5,000 comments of an issue.
        let mut read = 0;
        while read < 10_000 {
            let start = read.to_string();
            let query = [("orderBy", "-created"), ("startAt", &start), ("maxResults", "100")];
            let page = self.get(&path, &query, now_ms).await?;
            let Some(comments) = page["comments"].as_array() else {
                return Err(Verdict::later("it answered without comments"));
            };
            if comments.iter().any(|comment| comment["body"].to_string().contains(&marker)) {
                return Ok(true);
            }
            read += comments.len();
            if comments.is_empty() || page["total"].as_u64().is_none_or(|all| read as u64 >= all) {
                break;
            }
        }
        Ok(false)
    }

    /// An issue with who changed what; none where it is gone although the project is not.
    async fn read(&self, id: &str, now_ms: i64) -> Result<Option<Value>, Verdict> {
        let query = [("fields", "status,resolution"), ("expand", "changelog")];
        let answer = self.ask(self.request(Method::Get, &format!("issue/{id}"), &query)).await?;
        if matches!(answer.status, 404 | 410) {
            // Whoever lost its rights, or its token, is told the same: then nothing is gone.
            self.signed_in(now_ms).await?;
            self.get(&format!("project/{}", self.settings.project), &[], now_ms).await?;
            return Ok(None);
        }
        let issue = self.body(&answer, now_ms)?;
        match issue["fields"]["status"].is_object() {
            true => Ok(Some(issue)),
            false => Err(Verdict::later("it answered an issue without its status")),
        }
    }

    /// Where an issue stands, by who moved it last.
    async fn standing(&self, issue: &Value, now_ms: i64) -> Result<LinkStanding, Verdict> {
        let fields = &issue["fields"];
        if category(&fields["status"]) != "done" {
            return Ok(LinkStanding::Open);
        }
        let me = self.me(now_ms).await?;
        let moves = self.history(issue, now_ms).await?.into_iter().filter(|history| {
            let items = history["items"].as_array();
            items.is_some_and(|items| items.iter().any(|item| item["field"] == "status"))
        });
        let number = |history: &Value| history["id"].as_str().and_then(|id| id.parse::<u64>().ok());
        let last = moves.max_by_key(number);
        let mover = last.and_then(|history| who(&history["author"]));
        Ok(match mover {
            Some(mover) if mover == me => LinkStanding::ClosedOurs,
            _ if is_refused(&fields["resolution"]["name"]) => LinkStanding::RefusedTheirs,
            _ if is_refused(&fields["status"]["name"]) => LinkStanding::RefusedTheirs,
            _ => LinkStanding::DoneTheirs,
        })
    }

    /// What was changed; of a long history the last, which an issue does not come with.
    async fn history(&self, issue: &Value, now_ms: i64) -> Result<Vec<Value>, Verdict> {
        let log = &issue["changelog"];
        let mut all = log["histories"].as_array().cloned().unwrap_or_default();
        let total = log["total"].as_u64().unwrap_or(0);
        if self.settings.edition == Edition::Cloud && total > all.len() as u64 {
            let path = format!("issue/{}/changelog", issue["id"].as_str().unwrap_or_default());
            let start = total.saturating_sub(100).to_string();
            let query = [("startAt", start.as_str()), ("maxResults", "100")];
            let mut page = self.get(&path, &query, now_ms).await?;
            if let Value::Array(last) = page["values"].take() {
                all.extend(last);
            }
        }
        Ok(all)
    }

    async fn me(&self, now_ms: i64) -> Result<String, Verdict> {
        let mut held = self.me.lock().await;
        if let Some(me) = &*held {
            return Ok(me.clone());
        }
        let me = self.signed_in(now_ms).await?;
        Ok(held.insert(me).clone())
    }

    /// Who the token belongs to, asked anew.
    async fn signed_in(&self, now_ms: i64) -> Result<String, Verdict> {
        let me = self.get("myself", &[], now_ms).await?;
        who(&me).ok_or_else(|| Verdict::Settings("it does not answer as Jira does".to_owned()))
    }

    /// What a new issue can have, read once.
    async fn screen(&self, now_ms: i64) -> Result<Arc<Screen>, Verdict> {
        let mut held = self.screen.lock().await;
        if let Some(screen) = &*held {
            return Ok(screen.clone());
        }
        let types = format!("issue/createmeta/{}/issuetypes", self.settings.project);
        let all = self.pages(&types, &["issueTypes", "values"], now_ms).await?;
        let wanted = &self.settings.issue_type;
        let Some(found) = all.iter().find(|kind| kind["name"] == **wanted) else {
            let names = all.iter().filter_map(|kind| kind["name"].as_str());
            let names: Vec<_> = names.map(|name| line(name).at_most(60).to_string()).collect();
            let names = names.join(", ");
            let wanted = line(wanted);
            return Err(Verdict::Settings(format!(
                "this account can make no issue of type `{wanted}` there, only: {names}"
            )));
        };
        let id = found["id"].as_str().unwrap_or_default().to_owned();
        let fields = self.pages(&format!("{types}/{id}"), &["fields", "values"], now_ms).await?;
        Ok(held.insert(Arc::new(Screen::new(id, &fields))).clone())
    }

    /// All pages of a list, which Cloud and Data Center have different names for.
    async fn pages(&self, path: &str, names: &[&str], now_ms: i64) -> Result<Vec<Value>, Verdict> {
        const PAGES: usize = 50;
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let start = all.len().to_string();
            let query = [("startAt", start.as_str()), ("maxResults", "200")];
            let page = self.get(path, &query, now_ms).await?;
            let rows = names.iter().find_map(|name| page[*name].as_array());
            let Some(rows) = rows else {
                return Err(Verdict::Settings("it does not say what a new issue needs".to_owned()));
            };
            all.extend(rows.iter().cloned());
            let is_last = page["total"].as_u64().is_none_or(|total| all.len() as u64 >= total);
            if rows.is_empty() || page["isLast"] == true || is_last {
                break;
            }
        }
        Ok(all)
    }

    async fn get(&self, path: &str, query: &[(&str, &str)], now_ms: i64) -> Result<Value, Verdict> {
        let answer = self.ask(self.request(Method::Get, path, query)).await?;
        self.body(&answer, now_ms)
    }

    fn body(&self, answer: &Answer, now_ms: i64) -> Result<Value, Verdict> {
        if !answer.is_success() {
            return Err(self.judge(answer, now_ms));
        }
        // A page to sign in at, where a proxy asks for it, is a success too.
        answer.json().filter(Value::is_object).ok_or_else(|| {
            Verdict::Settings("it answered something else than JSON: is it Jira?".to_owned())
        })
    }

    async fn ask(&self, mut request: Request) -> Result<Answer, Verdict> {
        // A history comes whole at Data Center.
        request.answer_bytes = 16 << 20;
        self.access.wire.ask(request).await.map_err(lost)
    }

    fn request(&self, method: Method, path: &str, query: &[(&str, &str)]) -> Request {
        let version = match self.settings.edition {
            Edition::Cloud => 3,
            Edition::DataCenter => 2,
        };
        let mut url = below(&self.base, &format!("rest/api/{version}/{path}"));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Request::new(method, url)
            .header("accept", "application/json")
            .header("authorization", self.authorization.as_str())
    }

    fn judge(&self, answer: &Answer, now_ms: i64) -> Verdict {
        let verdict = match answer.header("x-seraph-loginreason") {
            Some(reason) if reason.contains("DENIED") => Verdict::Settings(
                "it wants a person to sign in first\nhint: sign in once in a browser".to_owned(),
            ),
            _ => refused(answer, &said(answer), now_ms),
        };
        match verdict {
            Verdict::Passing { why, is_unsure, after_ms: None } => {
                Verdict::Passing { why, is_unsure, after_ms: reset(answer, now_ms) }
            }
            verdict => verdict,
        }
    }

    /// What is refused of a new issue: its own words, or a field that every other lacks too.
    fn judge_fields(&self, answer: &Answer, now_ms: i64) -> Verdict {
        if answer.status != 400 {
            return self.judge(answer, now_ms);
        }
        let own = ["summary", "description", "labels", "duedate"];
        let errors = errors(answer);
        let names = errors.as_object().into_iter().flat_map(|errors| errors.keys());
        let others: Vec<_> = names.filter(|name| !own.contains(&name.as_str())).collect();
        match others.is_empty() {
            true => Verdict::Refused(said(answer)),
            false => Verdict::Settings(said(answer)),
        }
    }

    fn text(&self, doc: &Doc) -> Value {
        match self.settings.edition {
            Edition::Cloud => adf::render(&fit(doc, TEXT, adf::length)),
            Edition::DataCenter => Value::String(wiki::render(&fit(doc, TEXT, wiki::length))),
        }
    }

    fn taken(&self, id: &str, key: Option<&str>, remarks: Vec<String>) -> Taken {
        let url = key.map(|key| below(&self.base, &format!("browse/{key}")).to_string());
        let remark = (!remarks.is_empty()).then(|| remarks.join("; "));
        Taken { reference: Some(id.to_owned()), url, remark }
    }
}

/// Jira's own names, by severity.
const PRIORITIES: [&str; 6] = ["Lowest", "Lowest", "Low", "Medium", "High", "Highest"];

fn marker(key: &str) -> String {
    format!("{OURS}-{key}")
}

fn is_label(label: &str) -> bool {
    let count = label.chars().count();
    (1..=LABEL).contains(&count) && !label.contains(char::is_whitespace)
}

fn category(status: &Value) -> &str {
    status["statusCategory"]["key"].as_str().unwrap_or_default()
}

fn is_refused(name: &Value) -> bool {
    let name = name.as_str().unwrap_or_default();
    REFUSED.iter().any(|refused| refused.eq_ignore_ascii_case(name))
}

fn by_name<'a>(ways: &'a [Value], name: Option<&str>) -> Option<&'a Value> {
    let name = name?;
    ways.iter().find(|way| way["name"] == *name)
}

/// Who an account is: by id at Cloud, by key at Data Center.
fn who(account: &Value) -> Option<String> {
    let names = ["accountId", "key", "name"];
    names.iter().find_map(|name| account[*name].as_str()).map(str::to_owned)
}

fn stuck(issue: &Value, to: &str) -> Verdict {
    let from = issue["fields"]["status"]["name"].as_str().unwrap_or_default();
    Verdict::Refused(format!("no transition leads this account from {} to {to}", line(from)))
}

/// Fields that were refused and that an issue can do without, if no others were.
fn spare(answer: &Answer, fixed: &BTreeMap<String, Value>) -> Vec<String> {
    const SPARE: [&str; 3] = ["assignee", "duedate", "priority"];
    let Value::Object(errors) = errors(answer) else { return Vec::new() };
    let is_spare = |name: &String| SPARE.contains(&name.as_str()) && !fixed.contains_key(name);
    match errors.keys().all(is_spare) {
        true => errors.keys().cloned().collect(),
        false => Vec::new(),
    }
}

/// What was wrong, by field; an answer may be anything.
fn errors(answer: &Answer) -> Value {
    answer.json().and_then(|body| body.get("errors").cloned()).unwrap_or_default()
}

/// When a rate limit ends that came without `Retry-After`.
fn reset(answer: &Answer, now_ms: i64) -> Option<i64> {
    if answer.status != 429 {
        return None;
    }
    let seconds = |name| answer.header(name).and_then(|text| text.trim().parse::<u32>().ok());
    let at = answer.header("x-ratelimit-reset");
    let at = at.and_then(|text| text.trim().parse::<jiff::Timestamp>().ok());
    let wait_ms = match at {
        Some(at) => at.as_millisecond() - now_ms,
        None => i64::from(seconds("x-ratelimit-interval-seconds")?) * 1000,
    };
    Some(wait_ms.clamp(1_000, 3_600_000))
}

/// What Jira complains about.
fn said(answer: &Answer) -> String {
    let body = answer.json().unwrap_or_default();
    let messages = body["errorMessages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut all: Vec<_> = messages.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    for (field, what) in body["errors"].as_object().into_iter().flatten() {
        all.push(format!("{field}: {}", what.as_str().unwrap_or("refused")));
    }
    all.extend(body["message"].as_str().map(str::to_owned));
    line(&all.join("; ")).at_most(300).to_string()
}
