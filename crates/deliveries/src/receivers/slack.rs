//! Slack: a summary or a message for each change, by an incoming webhook or `chat.postMessage`.
//!
//! Neither can be asked what arrived: a message whose answer was lost may come twice.

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{Access, in_order, lost, refused, wait_of};
use crate::digest::{self, Messages};
use crate::markup::{mrkdwn, shown};
use crate::receiver::{Bundle, Digest, Event, Parcel, Stream, Taken, Verdict, Worst};
use crate::render::digest::line_of;
use crate::wire::{Answer, Doing, Method, Request};

/// Bytes of all blocks together. Slack refuses some 13,000 characters
/// (`msg_blocks_too_long`), and does not say how it counts.
const BLOCKS: usize = 12_000;

/// Where messages go, and what is in one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The channel to post to, by its id (`C0123456789`): the secret is the token of a bot
    /// (`xoxb-…`) with the scope `chat:write`. Without a channel the secret is the URL of an
    /// incoming webhook.
    #[serde(default)]
    pub channel: Option<String>,
    /// Address of Slack's API; `https://slack.com/api/` unless set. Only with a channel.
    #[serde(default = "api_url")]
    pub api_url: String,
    /// `digest`: a summary of all changes, which is the default. `single`: a message for each.
    #[serde(default)]
    pub messages: Messages,
    /// Hours between two summaries, 1 to 720; 24 unless set.
    #[serde(default = "digest::daily")]
    pub every_hours: u32,
}

fn api_url() -> String {
    "https://slack.com/api/".to_owned()
}

impl Settings {
    /// Where messages go. The URL of a webhook is a secret and not in it.
    pub fn place(&self) -> String {
        match &self.channel {
            Some(channel) => format!("slack {}", channel.trim()),
            None => "slack webhook".to_owned(),
        }
    }
}

/// A channel of Slack.
pub struct Slack {
    settings: Settings,
    access: Access,
    way: Way,
}

enum Way {
    /// The URL is the secret.
    Webhook(Url),
    /// Where to post, where to ask who we are, and the channel.
    Chat { post: Url, test: Url, channel: String },
}

impl Slack {
    /// # Errors
    ///
    /// When the settings or the secret lead nowhere.
    pub fn new(settings: Settings, access: Access) -> Result<Self, String> {
        digest::check_hours(settings.every_hours)?;
        let way = match &settings.channel {
            Some(channel) => chat(channel.trim(), &settings.api_url, access.secret.trim())?,
            None => Way::Webhook(super::secret_url(&access, "an incoming webhook of Slack")?),
        };
        Ok(Self { settings, access, way })
    }

    fn message(&self, text: &str, blocks: Vec<Value>) -> String {
        let mut message = json!({
            "text": text, "mrkdwn": false, "unfurl_links": false, "unfurl_media": false,
            "blocks": blocks,
        });
        if let Way::Chat { channel, .. } = &self.way {
            message["channel"] = channel.as_str().into();
        }
        message.to_string()
    }

    fn request(&self, body: &str) -> Request {
        let url = match &self.way {
            Way::Webhook(url) => url,
            Way::Chat { post, .. } => post,
        };
        let request = Request::new(Method::Post, url.clone())
            .header("content-type", "application/json; charset=utf-8")
            .body(body.as_bytes().to_vec());
        match &self.way {
            Way::Webhook(_) => request,
            Way::Chat { .. } => request.header("authorization", self.bearer()),
        }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.access.secret.trim())
    }

    async fn ask(&self, request: Request, now_ms: i64) -> Verdict {
        match (self.access.wire.ask(request).await, &self.way) {
            (Err(why), _) => lost(why),
            (Ok(answer), Way::Webhook(_)) => of_webhook(&answer, now_ms),
            (Ok(answer), Way::Chat { .. }) => of_chat(&answer, now_ms),
        }
    }
}

fn chat(channel: &str, api_url: &str, token: &str) -> Result<Way, String> {
    if !token.starts_with("xox") {
        return Err("the secret is not a token of Slack\nhint: store the token of a bot, which \
            begins with `xoxb-`, or remove `channel` to use an incoming webhook"
            .to_owned());
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "#-_.".contains(c);
    if channel.is_empty() || channel.len() > 80 || !channel.chars().all(is_plain) {
        return Err(
            "`channel` is not a channel of Slack\nhint: give its id, which begins with `C`"
                .to_owned(),
        );
    }
    let base = super::base_url(api_url, "api_url")?;
    let join = |method: &str| base.join(method).map_err(|error| format!("`api_url`: {error}"));
    Ok(Way::Chat {
        post: join("chat.postMessage")?,
        test: join("auth.test")?,
        channel: channel.to_owned(),
    })
}

impl Stream for Slack {
    fn bundle(&self) -> Bundle {
        digest::bundle(self.settings.messages, self.settings.every_hours)
    }

    fn render(&self, events: &[Event<'_>]) -> Result<String, String> {
        let [event] = events else { return Err("a message holds one change".to_owned()) };
        let line = line_of(event.row, self.access.dashboard.as_ref());
        let happened = digest::happened(event);
        let text = format!("{happened}: {}", mrkdwn::escape(&line.title));
        let mut elements = vec![mrkdwn::section(words(&line))];
        let sentences = digest::sentences(event);
        if !sentences.is_empty() {
            let said = |text: &String| mrkdwn::section(vec![mrkdwn::text(text, digest::PLACE)]);
            elements.push(mrkdwn::list(sentences.iter().map(said).collect()));
        }
        Ok(self.message(&text, vec![header(happened), rich(elements)]))
    }

    fn summary(&self, digest: &Digest) -> Result<String, String> {
        let all = digest::worst(digest).len();
        let blocks = (0..=all).rev().map(|count| blocks(digest, count));
        let fits = |blocks: &Vec<Value>| Value::from(blocks.clone()).to_string().len() <= BLOCKS;
        let mut fitting = blocks.filter(fits);
        let blocks = fitting.next().ok_or("the summary is too long for Slack")?;
        Ok(self.message(&format!("countersign: {}", digest::headline(digest)), blocks))
    }

    fn send<'r>(&'r self, parcels: &'r [Parcel]) -> Doing<'r, Vec<Verdict>> {
        in_order(parcels, move |parcel| {
            Box::pin(self.ask(self.request(&parcel.body), parcel.now_ms))
        })
    }

    fn probe(&self, now_ms: i64) -> Doing<'_, Verdict> {
        Box::pin(async move {
            let request = match &self.way {
                Way::Chat { test, .. } => {
                    Request::new(Method::Post, test.clone()).header("authorization", self.bearer())
                }
                Way::Webhook(_) => {
                    self.request(&self.message(digest::TEST, vec![header(digest::TEST)]))
                }
            };
            self.ask(request, now_ms).await
        })
    }
}

fn blocks(digest: &Digest, count: usize) -> Vec<Value> {
    let fact = |(name, value)| json!({"type": "mrkdwn", "text": format!("*{name}*\n{value}"), "verbatim": true});
    let facts: Vec<_> = digest::facts(digest).into_iter().map(fact).collect();
    let mut blocks =
        vec![header(&digest::headline(digest)), json!({"type": "section", "fields": facts})];
    let worst: Vec<_> = digest::worst(digest)[..count].iter().map(words).collect();
    if !worst.is_empty() {
        blocks.push(listed("Most severe open findings", worst));
    }
    let applications: Vec<_> = digest::applications(digest).iter().map(application).collect();
    if !applications.is_empty() {
        blocks.push(listed("Applications", applications));
    }
    let mut last = vec![mrkdwn::text(&digest::period(digest), digest::NAME)];
    if digest.url.is_some() {
        last.push(mrkdwn::text(" · ", 3));
        last.push(mrkdwn::link("All findings", digest::NAME, digest.url.as_deref()));
    }
    blocks.push(rich(vec![mrkdwn::section(last)]));
    blocks
}

/// Words of this program only.
fn header(text: &str) -> Value {
    let text = shown(text, 100);
    json!({"type": "header", "text": {"type": "plain_text", "text": text, "emoji": false}})
}

fn rich(elements: Vec<Value>) -> Value {
    json!({"type": "rich_text", "elements": elements})
}

fn listed(heading: &str, lines: Vec<Vec<Value>>) -> Value {
    let heading = mrkdwn::section(vec![mrkdwn::strong(heading, digest::NAME)]);
    rich(vec![heading, mrkdwn::list(lines.into_iter().map(mrkdwn::section).collect())])
}

/// A finding on a line.
fn words(line: &Worst) -> Vec<Value> {
    let mut words = vec![
        mrkdwn::text(&format!("{}: ", digest::severity(line.severity)), digest::NAME),
        mrkdwn::link(&line.title, digest::TITLE, line.url.as_deref()),
        mrkdwn::text(" in ", digest::NAME),
        mrkdwn::text(&line.application, digest::NAME),
    ];
    if let Some(place) = &line.place {
        words.push(mrkdwn::text(", ", digest::NAME));
        words.push(mrkdwn::text(place, digest::PLACE));
    }
    words
}

fn application((name, opened): &(String, u64)) -> Vec<Value> {
    vec![
        mrkdwn::text(name, digest::NAME),
        mrkdwn::text(&format!(": {} opened", countersign_text::grouped(*opened)), digest::NAME),
    ]
}

/// A webhook answers in words, and with a status that tells more.
fn of_webhook(answer: &Answer, now_ms: i64) -> Verdict {
    let said = String::from_utf8_lossy(&answer.body);
    let said = countersign_text::line(said.trim()).at_most(100).to_string();
    match answer.status {
        200 if said == "ok" => Verdict::Taken(Taken::default()),
        200 => unsure("it answered 200 without `ok`".to_owned()),
        403 | 404 | 410 => Verdict::Settings(format!("it answered {}: {said}", answer.status)),
        _ => refused(answer, &said, now_ms),
    }
}

fn of_chat(answer: &Answer, now_ms: i64) -> Verdict {
    let body = answer.json().unwrap_or_default();
    let word = body["error"].as_str().unwrap_or_default();
    if answer.status != 200 {
        return refused(answer, &countersign_text::line(word).at_most(100).to_string(), now_ms);
    }
    match body["ok"].as_bool() {
        Some(true) => Verdict::Taken(Taken {
            reference: body["ts"].as_str().map(|ts| shown(ts, 40)),
            ..Taken::default()
        }),
        Some(false) => of_word(word, wait_of(answer, now_ms)),
        None => unsure("it answered 200 without `ok`".to_owned()),
    }
}

fn of_word(word: &str, after_ms: Option<i64>) -> Verdict {
    let why = format!("it answered `{}`", shown(word, 100));
    match word {
        "ratelimited" | "rate_limited" => Verdict::Passing { why, is_unsure: false, after_ms },
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => {
            Verdict::Passing { why, is_unsure: true, after_ms }
        }
        // About this message. Whatever else there is holds for all of them.
        "msg_too_long"
        | "msg_blocks_too_long"
        | "no_text"
        | "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_arguments"
        | "invalid_json"
        | "json_not_object"
        | "invalid_charset"
        | "duplicate_message_not_found" => Verdict::Refused(why),
        _ => Verdict::Settings(why),
    }
}

fn unsure(why: String) -> Verdict {
    Verdict::Passing { why, is_unsure: true, after_ms: None }
}
