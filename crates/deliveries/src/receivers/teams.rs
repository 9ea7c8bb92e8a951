//! Microsoft Teams: a summary or a message for each change, as an Adaptive Card by the webhook
//! of a workflow.
//!
//! The workflow answers before it posts: what goes wrong afterwards is seen only in Teams. Nor
//! can it be asked what arrived: a message whose answer was lost may come twice.

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{Access, in_order, lost, refused};
use crate::digest::{self, Messages};
use crate::markup::{card, shown};
use crate::receiver::{Bundle, Digest, Event, Parcel, Stream, Taken, Verdict, Worst};
use crate::render::digest::line_of;
use crate::wire::{Answer, Doing, Method, Request};

/// Bytes of a message: Teams drops those over 28 KB after it took them.
const LONGEST: usize = 27_000;

/// What is in a message. Where it goes is the secret: the URL of the workflow's webhook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `digest`: a summary of all changes, which is the default. `single`: a message for each.
    #[serde(default)]
    pub messages: Messages,
    /// Hours between two summaries, 1 to 720; 24 unless set.
    #[serde(default = "digest::daily")]
    pub every_hours: u32,
}

impl Settings {
    /// Where messages go. The URL is a secret and not in it.
    pub fn place(&self) -> String {
        "teams workflow".to_owned()
    }
}

/// A workflow that posts to Teams.
pub struct Teams {
    settings: Settings,
    access: Access,
    url: Url,
}

impl Teams {
    /// # Errors
    ///
    /// When the settings or the secret lead nowhere.
    pub fn new(settings: Settings, access: Access) -> Result<Self, String> {
        digest::check_hours(settings.every_hours)?;
        let url = super::secret_url(&access, "the webhook of a workflow of Teams")?;
        Ok(Self { settings, access, url })
    }

    async fn post(&self, body: &str, now_ms: i64) -> Verdict {
        let request = Request::new(Method::Post, self.url.clone())
            .header("content-type", "application/json")
            .body(body.as_bytes().to_vec());
        match self.access.wire.ask(request).await {
            Err(why) => lost(why),
            Ok(answer) => judged(&answer, now_ms),
        }
    }
}

impl Stream for Teams {
    fn bundle(&self) -> Bundle {
        digest::bundle(self.settings.messages, self.settings.every_hours)
    }

    fn render(&self, events: &[Event<'_>]) -> Result<String, String> {
        let [event] = events else { return Err("a message holds one change".to_owned()) };
        let line = line_of(event.row, self.access.dashboard.as_ref());
        let happened = digest::happened(event);
        let mut body = vec![title(happened), card::line(words(&line))];
        let said = |text: &String| card::line(vec![card::run(text, digest::PLACE)]);
        body.extend(digest::sentences(event).iter().map(said));
        let open = card::button("Show the finding", line.url.as_deref());
        Ok(message(happened, body, open.into_iter().collect()).to_string())
    }

    fn summary(&self, digest: &Digest) -> Result<String, String> {
        let all = digest::worst(digest).len();
        let messages = (0..=all).rev().map(|count| summary(digest, count).to_string());
        let mut fitting = messages.filter(|message| message.len() <= LONGEST);
        fitting.next().ok_or_else(|| "the summary is too long for Teams".to_owned())
    }

    fn send<'r>(&'r self, parcels: &'r [Parcel]) -> Doing<'r, Vec<Verdict>> {
        in_order(parcels, move |parcel| Box::pin(self.post(&parcel.body, parcel.now_ms)))
    }

    fn probe(&self, now_ms: i64) -> Doing<'_, Verdict> {
        Box::pin(async move {
            let test = message(digest::TEST, vec![title(digest::TEST)], Vec::new());
            self.post(&test.to_string(), now_ms).await
        })
    }
}

fn summary(digest: &Digest, count: usize) -> Value {
    let fact = |(name, value)| json!({"title": name, "value": value});
    let facts: Vec<_> = digest::facts(digest).into_iter().map(fact).collect();
    let headline = digest::headline(digest);
    let mut body = vec![title(&headline), json!({"type": "FactSet", "facts": facts})];
    if count > 0 {
        body.push(heading("Most severe open findings"));
        body.extend(digest::worst(digest)[..count].iter().map(|line| card::line(words(line))));
    }
    let applications = digest::applications(digest);
    if !applications.is_empty() {
        body.push(heading("Applications"));
        body.extend(applications.iter().map(application));
    }
    body.push(card::line(vec![card::run(&digest::period(digest), digest::NAME)]));
    let open = card::button("All findings", digest.url.as_deref());
    message(&headline, body, open.into_iter().collect())
}

fn message(summary: &str, body: Vec<Value>, actions: Vec<Value>) -> Value {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "fallbackText": summary,
                "body": body,
                "actions": actions,
                "msteams": {"width": "Full"},
            },
        }],
    })
}

/// Words of this program only: Markdown is read in them.
fn title(text: &str) -> Value {
    let text = shown(text, 200);
    json!({"type": "TextBlock", "text": text, "size": "Large", "weight": "Bolder", "wrap": true})
}

fn heading(text: &str) -> Value {
    json!({"type": "TextBlock", "text": text, "weight": "Bolder", "wrap": true, "separator": true})
}

/// A finding on a line.
fn words(line: &Worst) -> Vec<Value> {
    let mut words = vec![
        card::run(&format!("{}: ", digest::severity(line.severity)), digest::NAME),
        card::link(&line.title, digest::TITLE, line.url.as_deref()),
        card::run(" in ", digest::NAME),
        card::run(&line.application, digest::NAME),
    ];
    if let Some(place) = &line.place {
        words.push(card::run(", ", digest::NAME));
        words.push(card::run(place, digest::PLACE));
    }
    words
}

fn application((name, opened): &(String, u64)) -> Value {
    card::line(vec![
        card::run(name, digest::NAME),
        card::run(&format!(": {} opened", countersign_text::grouped(*opened)), digest::NAME),
    ])
}

/// A workflow answers 202, or what whoever made it wants it to answer.
fn judged(answer: &Answer, now_ms: i64) -> Verdict {
    let is_page = answer.header("content-type").is_some_and(|kind| kind.contains("html"));
    let body = answer.json().unwrap_or_default();
    let word = body["error"]["code"].as_str().unwrap_or_default();
    let word = countersign_text::line(word).at_most(100).to_string();
    match answer.status {
        200..=202 if !is_page => Verdict::Taken(Taken::default()),
        200..300 => Verdict::Settings(
            "it answered with a web page\nhint: store the URL that the workflow shows".to_owned(),
        ),
        410 => Verdict::Settings("the workflow is gone".to_owned()),
        // Somebody turned it off.
        400 if word == "WorkflowTriggerIsNotEnabled" => {
            Verdict::Settings("the workflow is turned off".to_owned())
        }
        _ => refused(answer, &word, now_ms),
    }
}
