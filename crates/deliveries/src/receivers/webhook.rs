//! A webhook as Standard Webhooks 1.0.0 describes it: each change is a message of its own,
//! signed anew at each try under an id that stays.
//!
//! ```json
//! {"type": "finding.opened", "timestamp": "2026-05-01T00:00:00.000Z", "data": {
//!     "seq": 7, "change": {"kind": "new", "reason": null, "differences": []}, …}}
//! ```
//!
//! `data` is the finding as a line of NDJSON has it. A body that is longer than 20 kB loses
//! the end of its description first, and then other members; `data.shortened` names them, and
//! has `*` where every long text and list was cut.

use countersign_connector::export::item;
use countersign_findings::Rfc3339;
use countersign_formats::ndjson::Line;
use countersign_store::ChangeKind;
use countersign_text::line;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::receiver::{Bundle, Digest, Event, Parcel, Stream, Taken, Verdict};
use crate::receivers::{Access, lost, refused};
use crate::shorten::{Plan, Step, shorten};
use crate::webhooks::Keys;
use crate::wire::{Answer, Doing, Method, Request};

/// The specification advises against more.
const BODY_BYTES: usize = 20_000;
/// Of what the receiver says about a message that it does not take.
const REASON: usize = 200;
const ANSWER_BYTES: usize = 8 << 10;

const PLAN: Plan = Plan {
    most: BODY_BYTES,
    steps: &[
        Step::Cut("/data/description"),
        Step::Drop("/data/data_paths"),
        Step::Drop("/data/annotations"),
        Step::Drop("/data/change/differences"),
        Step::Drop("/data/source"),
        Step::Drop("/data/references"),
        Step::Drop("/data/notes"),
        Step::Clip,
        Step::Only("/data", CORE),
    ],
    note: |body, left_out| {
        let names: Vec<_> = left_out.iter().map(|name| name.trim_start_matches("data.")).collect();
        body["data"]["shortened"] = json!(names);
    },
};

/// What no message goes without.
const CORE: &[&str] = &[
    "schema",
    "id",
    "seq",
    "change",
    "integration",
    "application",
    "application_name",
    "context",
    "key",
    "scan_type",
    "severity",
    "state",
    "status",
    "title",
    "cwe",
    "location",
    "gone",
    "added",
    "changed",
    "last_change",
];

/// What ids of messages begin with.
const PREFIX: &str = "msg_";

/// Where messages go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where messages are posted to: https, or http to this machine where that is allowed.
    pub url: String,
}

impl Settings {
    /// The host and a digest: a path may be as good as a password.
    pub fn place(&self) -> String {
        let digest = HEXLOWER.encode(&Sha256::digest(self.url.as_bytes())[..6]);
        match Url::parse(&self.url) {
            Ok(url) => format!("{} ({digest})", url.origin().ascii_serialization()),
            Err(_) => digest,
        }
    }
}

/// A receiver of Standard Webhooks.
pub struct Webhook {
    url: Url,
    access: Access,
    keys: Keys,
}

impl Webhook {
    /// The secret has the keys, `whsec_…`, the newest first, with white space between them.
    ///
    /// # Errors
    ///
    /// One sentence about the URL or the keys, without either.
    pub fn new(settings: Settings, access: Access) -> Result<Self, String> {
        let url = Url::parse(&settings.url).map_err(|error| format!("`url` is no URL: {error}"))?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err("`url` is not an https URL".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("user and password do not belong in `url`".into());
        }
        let keys = Keys::parse(&access.secret)?;
        Ok(Self { url, access, keys })
    }

    async fn post(&self, id: &str, body: &str, now_ms: i64) -> Verdict {
        // It is signed with full stops between its parts.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if id.is_empty() || !id.chars().all(is_plain) {
            return Verdict::Refused("its id holds what ids of webhooks cannot".into());
        }
        let id = match id.starts_with(PREFIX) {
            true => id.to_owned(),
            false => format!("{PREFIX}{id}"),
        };
        let timestamp_s = now_ms.div_euclid(1000);
        let mut request = Request::new(Method::Post, self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-signature", self.keys.sign(&id, timestamp_s, body.as_bytes()))
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp_s.to_string())
            .body(body.as_bytes().to_vec());
        request.answer_bytes = ANSWER_BYTES;
        match self.access.wire.ask(request).await {
            Ok(answer) => self.judge(&answer, now_ms),
            Err(why) => lost(why),
        }
    }

    fn judge(&self, answer: &Answer, now_ms: i64) -> Verdict {
        match answer.status {
            200..300 => Verdict::Taken(Taken::default()),
            410 => Verdict::Settings("disabled by the receiver: it answered 410".into()),
            _ => refused(answer, &self.said(answer), now_ms),
        }
    }

    /// What the receiver says, unless it repeats where it is.
    fn said(&self, answer: &Answer) -> String {
        let text = String::from_utf8_lossy(&answer.body);
        let target = &self.url[url::Position::BeforePath..];
        match target.len() > 1 && text.contains(target) {
            true => String::new(),
            false => line(text.trim()).at_most(REASON).to_string(),
        }
    }
}

impl Stream for Webhook {
    fn bundle(&self) -> Bundle {
        Bundle::Changes(1)
    }

    fn render(&self, events: &[Event<'_>]) -> Result<String, String> {
        let [event] = events else { return Err("a message has one change".into()) };
        let line = Line::of(&item(event.row, event.application));
        let mut data = serde_json::to_value(&line).map_err(|error| error.to_string())?;
        let change = event.change;
        let differences = change.differences.as_deref().map(serde_json::from_str::<Value>);
        data["seq"] = json!(change.seq);
        data["change"] = json!({
            "kind": change.kind.as_str(),
            "reason": change.reason.map(|reason| reason.as_str()),
            "differences": differences.and_then(Result::ok).unwrap_or_else(|| json!([])),
        });
        let mut body = json!({
            "type": kind(event),
            "timestamp": Rfc3339::of(change.at_ms).to_string(),
            "data": data,
        });
        shorten(&mut body, &PLAN)
    }

    fn summary(&self, _: &Digest) -> Result<String, String> {
        Err("a webhook gets changes, and no summaries".into())
    }

    fn send<'r>(&'r self, parcels: &'r [Parcel]) -> Doing<'r, Vec<Verdict>> {
        Box::pin(async move {
            let mut verdicts = Vec::with_capacity(parcels.len());
            for parcel in parcels {
                verdicts.push(self.post(&parcel.uid, &parcel.body, parcel.now_ms).await);
                if !matches!(verdicts.last(), Some(Verdict::Taken(_))) {
                    break;
                }
            }
            verdicts
        })
    }

    fn probe(&self, now_ms: i64) -> Doing<'_, Verdict> {
        Box::pin(async move {
            let body = json!({
                "type": "deliveries.test",
                "timestamp": Rfc3339::of(now_ms).to_string(),
                "data": {},
            });
            self.post(&format!("test_{now_ms}"), &body.to_string(), now_ms).await
        })
    }
}

/// The type of a message. A finding that is not open when it is first seen, or no longer when
/// the message is made, did not open for its readers: nobody has to act on it.
fn kind(event: &Event<'_>) -> &'static str {
    match event.change.kind {
        ChangeKind::New if event.row.finding.state.is_open() => "finding.opened",
        ChangeKind::New | ChangeKind::Changed => "finding.changed",
        ChangeKind::Reopened => "finding.reopened",
        ChangeKind::Closed => "finding.closed",
    }
}
