//! Mail: a summary of all changes since the last, as plain text and as HTML. All mails of one
//! destination are one thread, and one that came twice is seen to be one by its `Message-ID`.
//!
//! How a mail reaches its server is not decided here: see [`Post`].

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::digest;
use crate::markup::{address, html, shown};
use crate::receiver::{Bundle, Digest, Event, Parcel, Stream, Taken, Verdict, Worst};
use crate::receivers::in_order;
use crate::wire::Doing;

/// Bytes of a mail.
const LONGEST: usize = 10_000_000;

/// Why a mail was not taken. None of these texts holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undelivered {
    /// Nothing left this machine.
    NotSent(String),
    /// The server may have it.
    Unsure(String),
    /// The server did not take it, and may later: a reply of 4xx.
    Later(String),
    /// The server never takes this one: a reply of 5xx.
    Refused(String),
    /// Nothing can be sent until the settings change: networks, certificate, password.
    Settings(String),
}

/// The way to a mail server.
pub trait Post: Send + Sync {
    /// Hands a mail over, as it is, and waits for the reply.
    fn send<'p>(
        &'p self,
        envelope: &'p Envelope,
        mail: &'p [u8],
    ) -> Doing<'p, Result<(), Undelivered>>;

    /// Connects, signs in, and leaves.
    fn greet(&self) -> Doing<'_, Result<(), Undelivered>>;
}

/// Who mails are from and for, and what is in one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The mail server: `smtps://HOST:PORT`, or `smtp://HOST:PORT` with TLS where the server
    /// offers it.
    pub server: String,
    /// The user to sign in as; the secret is the password. Without a user nobody signs in.
    #[serde(default)]
    pub user: Option<String>,
    /// The sender, such as `countersign <findings@example.com>`.
    pub from: String,
    /// The recipients. All of them are in one mail.
    pub to: Vec<String>,
    /// What subjects begin with; `countersign` unless set. Another subject is another thread.
    #[serde(default = "subject")]
    pub subject: String,
    /// Hours between two summaries, 1 to 720; 24 unless set.
    #[serde(default = "digest::daily")]
    pub every_hours: u32,
}

fn subject() -> String {
    "countersign".to_owned()
}

impl Settings {
    /// Where mails go.
    pub fn place(&self) -> String {
        format!("mail {}", self.to.join(", "))
    }
}

/// Mail to some people.
pub struct Mail {
    settings: Settings,
    post: Arc<dyn Post>,
    from: Mailbox,
    to: Vec<Mailbox>,
    envelope: Envelope,
    /// The `Message-ID` that all mails of the thread refer to. No mail has it.
    thread: String,
}

/// A mail before it has a date and an id.
#[derive(Serialize, Deserialize)]
struct Written {
    subject: String,
    text: String,
    html: String,
}

impl Mail {
    /// # Errors
    ///
    /// When the settings hold no mail server or no mail addresses.
    pub fn new(settings: Settings, post: Arc<dyn Post>) -> Result<Self, String> {
        digest::check_hours(settings.every_hours)?;
        check_server(&settings.server)?;
        let from = mailbox(&settings.from)?;
        let to = settings.to.iter().map(|text| mailbox(text)).collect::<Result<Vec<_>, _>>()?;
        let recipients = to.iter().map(|one| one.email.clone()).collect();
        let envelope = Envelope::new(Some(from.email.clone()), recipients)
            .map_err(|_| "`to` names nobody".to_owned())?;
        let thread = id(&[&settings.subject, &settings.from, &settings.to.join(",")], &from);
        Ok(Self { settings, post, from, to, envelope, thread })
    }

    fn mail(&self, written: Written, uid: &str, now_ms: i64) -> Result<Vec<u8>, String> {
        let now_ms = u64::try_from(now_ms).unwrap_or_default();
        let boundary = format!("=_{}", digest_of(&["boundary", uid]));
        let mut mail = lettre::Message::builder()
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms))
            .from(self.from.clone())
            .subject(written.subject)
            .message_id(Some(id(&["mail", uid], &self.from)))
            .in_reply_to(self.thread.clone())
            .references(self.thread.clone());
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        for (name, value) in AUTOMATIC {
            let name = HeaderName::new_from_ascii_str(name);
            mail = mail.raw_header(HeaderValue::new(name, value.to_owned()));
        }
        let parts = MultiPart::alternative()
            .boundary(boundary)
            .singlepart(SinglePart::plain(written.text))
            .singlepart(SinglePart::html(written.html));
        let mail = mail.multipart(parts).map_err(|error| error.to_string())?.formatted();
        if mail.len() > LONGEST {
            return Err(format!("the mail has {} bytes, more than {LONGEST}", mail.len()));
        }
        Ok(mail)
    }

    async fn deliver(&self, parcel: &Parcel) -> Verdict {
        let written = serde_json::from_str(&parcel.body).map_err(|error| error.to_string());
        let mail = written.and_then(|written| self.mail(written, &parcel.uid, parcel.now_ms));
        match mail {
            Err(why) => Verdict::Refused(why),
            Ok(mail) => judged(self.post.send(&self.envelope, &mail).await),
        }
    }
}

/// No program answers these, and no thread of people is lost in them.
const AUTOMATIC: [(&str, &str); 2] =
    [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")];

fn check_server(server: &str) -> Result<(), String> {
    const HINT: &str = "hint: give smtps://HOST:PORT or smtp://HOST:PORT";
    // What stands in it may be a password: it is not repeated.
    let url = Url::parse(server).map_err(|_| format!("`server` is not a URL\n{HINT}"))?;
    if !matches!(url.scheme(), "smtp" | "smtps") || url.host_str().unwrap_or_default().is_empty() {
        return Err(format!("`server` is not a mail server\n{HINT}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("`server` holds a user or a password\nhint: set `user`, and store the \
            password as the secret"
            .to_owned());
    }
    Ok(())
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    let parsed = text.parse();
    parsed.map_err(|error| format!("`{}` is not a mail address: {error}", shown(text, 100)))
}

fn digest_of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize()[..16])
}

/// A `Message-ID`, at the domain of the sender.
fn id(parts: &[&str], from: &Mailbox) -> String {
    format!("<{}@{}>", digest_of(parts), from.email.domain())
}

impl Stream for Mail {
    fn bundle(&self) -> Bundle {
        digest::bundle(digest::Messages::Digest, self.settings.every_hours)
    }

    fn render(&self, _: &[Event<'_>]) -> Result<String, String> {
        Err("mail holds summaries only".to_owned())
    }

    fn summary(&self, digest: &Digest) -> Result<String, String> {
        let headline = digest::headline(digest);
        let written = Written {
            subject: self.subject(&headline),
            text: text(&headline, digest),
            html: page(&headline, digest),
        };
        serde_json::to_string(&written).map_err(|error| error.to_string())
    }

    fn send<'r>(&'r self, parcels: &'r [Parcel]) -> Doing<'r, Vec<Verdict>> {
        in_order(parcels, move |parcel| Box::pin(self.deliver(parcel)))
    }

    fn probe(&self, _: i64) -> Doing<'_, Verdict> {
        Box::pin(async move { judged(self.post.greet().await) })
    }
}

impl Mail {
    /// On one line: no text ends a header.
    fn subject(&self, headline: &str) -> String {
        shown(&format!("{}: {headline}", self.settings.subject), 200)
    }
}

fn judged(sent: Result<(), Undelivered>) -> Verdict {
    let passing = |why, is_unsure| Verdict::Passing { why, is_unsure, after_ms: None };
    match sent {
        Ok(()) => Verdict::Taken(Taken::default()),
        Err(Undelivered::NotSent(why) | Undelivered::Later(why)) => passing(why, false),
        Err(Undelivered::Unsure(why)) => passing(why, true),
        Err(Undelivered::Refused(why)) => Verdict::Refused(why),
        Err(Undelivered::Settings(why)) => Verdict::Settings(why),
    }
}

/// What a failure of `lettre` means. Its texts hold what the server said, and no secret.
pub fn undelivered(error: &smtp::Error) -> Undelivered {
    let why = shown(&error.to_string(), 300);
    let code = error.status().map(u16::from);
    match code {
        // Authentication is needed, too weak, or failed.
        Some(530 | 534 | 535 | 538) => Undelivered::Settings(why),
        Some(_) if error.is_permanent() => Undelivered::Refused(why),
        Some(_) => Undelivered::Later(why),
        None if error.is_tls() => Undelivered::Settings(why),
        None => Undelivered::Unsure(why),
    }
}

fn text(headline: &str, digest: &Digest) -> String {
    let mut text = format!("{headline}\n{}\n\n", digest::period(digest));
    for (name, value) in digest::facts(digest) {
        text.push_str(&format!("{name:<18}{value}\n"));
    }
    let worst = digest::worst(digest);
    if !worst.is_empty() {
        text.push_str("\nMost severe open findings\n\n");
        worst.iter().for_each(|line| text.push_str(&text_line(line)));
    }
    let applications = digest::applications(digest);
    if !applications.is_empty() {
        text.push_str("\nApplications\n\n");
    }
    for (name, opened) in applications {
        let opened = countersign_text::grouped(*opened);
        text.push_str(&format!("- {}: {opened} opened\n", shown(name, digest::NAME)));
    }
    if let Some(url) = digest.url.as_deref().and_then(address) {
        text.push_str(&format!("\nAll findings: {url}\n"));
    }
    text
}

fn text_line(line: &Worst) -> String {
    let place = line.place.as_deref().map(|place| format!(", {}", shown(place, digest::PLACE)));
    let url = line.url.as_deref().and_then(address).map(|url| format!("  {url}\n"));
    format!(
        "- {}: {} in {}{}\n{}",
        digest::severity(line.severity),
        shown(&line.title, digest::TITLE),
        shown(&line.application, digest::NAME),
        place.unwrap_or_default(),
        url.unwrap_or_default(),
    )
}

fn page(headline: &str, digest: &Digest) -> String {
    let facts = digest::facts(digest)
        .into_iter()
        .map(|(name, value)| format!("<tr><th align=\"left\">{name}</th><td>{value}</td></tr>\n"));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{headline}</title>\
         </head><body>\n<h1>{headline}</h1>\n<p>{}</p>\n<table>\n{}</table>\n",
        digest::period(digest),
        facts.collect::<String>(),
    );
    page.push_str(&list("Most severe open findings", digest::worst(digest), item));
    page.push_str(&list("Applications", digest::applications(digest), |(name, opened)| {
        let opened = countersign_text::grouped(*opened);
        format!("{}: {opened} opened", html::text(name, digest::NAME))
    }));
    if digest.url.is_some() {
        let link = html::link("All findings", digest::NAME, digest.url.as_deref());
        page.push_str(&format!("<p>{link}</p>\n"));
    }
    page.push_str("</body></html>\n");
    page
}

fn list<T>(heading: &str, items: &[T], item: impl Fn(&T) -> String) -> String {
    if items.is_empty() {
        return String::new();
    }
    let lines = items.iter().map(|one| format!("<li>{}</li>\n", item(one))).collect::<String>();
    format!("<h2>{heading}</h2>\n<ul>\n{lines}</ul>\n")
}

fn item(line: &Worst) -> String {
    let place =
        line.place.as_deref().map(|place| format!(", {}", html::text(place, digest::PLACE)));
    format!(
        "{}: {} in {}{}",
        digest::severity(line.severity),
        html::link(&line.title, digest::TITLE, line.url.as_deref()),
        html::text(&line.application, digest::NAME),
        place.unwrap_or_default(),
    )
}
