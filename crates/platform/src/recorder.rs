//! Remembers the last requests: who sent what, what came of it, and the true
//! cause of a refusal. Signatures and secrets never get in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::header::{
    AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION,
    SET_COOKIE,
};
use serde::Serialize;

/// Requests remembered at most; the oldest goes first.
const MAX_ENTRIES: usize = 10_000;
/// Of a header value or a target.
const MAX_TEXT: usize = 2048;

/// A request as it was answered.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    /// Counts from 1 and is never used twice.
    pub(crate) seq: u64,
    pub(crate) at: String,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) address: Option<String>,
    /// Name of the account, once its signature was verified.
    pub(crate) caller: Option<String>,
    /// The API ID that the request claims.
    pub(crate) api_id: Option<String>,
    /// None when no answer was sent.
    pub(crate) status: Option<u16>,
    /// Why it was not authenticated.
    pub(crate) cause: Option<&'static str>,
    /// The fault rules that had a part in it.
    pub(crate) faults: Vec<String>,
    pub(crate) conversation_id: Option<String>,
    pub(crate) latency_ms: f64,
    #[serde(skip)]
    pub(crate) request_headers: Headers,
    #[serde(skip)]
    pub(crate) answer_headers: Headers,
}

/// What becomes known of a request while it is answered.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) caller: Option<String>,
    pub(crate) cause: Option<&'static str>,
    pub(crate) faults: Vec<String>,
}

/// Travels with a request through the layers.
#[derive(Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<Notes>>);

impl Trace {
    pub(crate) fn note(&self, note: impl FnOnce(&mut Notes)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn take(&self) -> Notes {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Default)]
pub(crate) struct Recorder(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    last: u64,
    entries: VecDeque<Entry>,
}

/// Which entries; every condition that is given must hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) method: Option<String>,
    /// `*` stands for any characters.
    pub(crate) path: Option<String>,
    pub(crate) caller: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) cause: Option<String>,
    pub(crate) since: u64,
}

impl Wanted {
    fn holds(&self, entry: &Entry) -> bool {
        let path = entry.target.split('?').next().unwrap_or_default();
        self.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case(&entry.method))
            && self.path.as_deref().is_none_or(|pattern| matches(pattern, path))
            && self.caller.as_deref().is_none_or(|caller| is_by(caller, entry))
            && self.status.is_none_or(|status| entry.status == Some(status))
            && self.cause.as_deref().is_none_or(|cause| entry.cause == Some(cause))
            && entry.seq > self.since
    }
}

fn is_by(caller: &str, entry: &Entry) -> bool {
    entry.caller.as_deref() == Some(caller) || entry.api_id.as_deref() == Some(caller)
}

impl Recorder {
    pub(crate) fn record(&self, mut entry: Entry) {
        let mut memory = self.lock();
        memory.last += 1;
        entry.seq = memory.last;
        if memory.entries.len() >= MAX_ENTRIES {
            memory.entries.pop_front();
        }
        memory.entries.push_back(entry);
    }

    pub(crate) fn find(&self, wanted: &Wanted, limit: usize) -> Vec<Entry> {
        let memory = self.lock();
        memory.entries.iter().filter(|entry| wanted.holds(entry)).take(limit).cloned().collect()
    }

    pub(crate) fn count(&self, wanted: &Wanted) -> usize {
        self.lock().entries.iter().filter(|entry| wanted.holds(entry)).count()
    }

    pub(crate) fn clear(&self) {
        self.lock().entries.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Smaller than a map, and shares what the names and values share.
pub(crate) type Headers = Vec<(HeaderName, HeaderValue)>;

/// Headers as they may be kept: what authenticates is cut down to whose it is.
pub(crate) fn kept(headers: &HeaderMap) -> Headers {
    headers.iter().map(|(name, value)| (name.clone(), keepable(name, value))).collect()
}

fn keepable(name: &HeaderName, value: &HeaderValue) -> HeaderValue {
    let text = || String::from_utf8_lossy(value.as_bytes());
    let replaced = if name == AUTHORIZATION {
        redacted(&text())
    } else if [COOKIE, SET_COOKIE, PROXY_AUTHORIZATION].contains(name) {
        "redacted".to_owned()
    } else if value.len() > MAX_TEXT {
        cut(&text()).to_owned()
    } else {
        return value.clone();
    };
    HeaderValue::from_str(&replaced).unwrap_or(HeaderValue::from_static("redacted"))
}

/// `VERACODE-HMAC-SHA-256 id=…,ts=…,nonce=redacted,sig=redacted`; of anything
/// else at most a scheme that is known to be one.
fn redacted(value: &str) -> String {
    let (scheme, items) = value.split_once(' ').unwrap_or(("", value));
    if scheme != countersign_signing::SCHEME {
        let known = ["Bearer", "Basic"].into_iter().find(|known| *known == scheme);
        return known.map_or("redacted".into(), |known| format!("{known} redacted"));
    }
    let items = items.split(',').map(|item| match item.trim().split_once('=') {
        Some((name @ ("id" | "ts"), value)) if value.len() <= 48 => format!("{name}={value}"),
        Some((name @ ("id" | "ts" | "nonce" | "sig"), _)) => format!("{name}=redacted"),
        _ => "redacted".into(),
    });
    format!("{scheme} {}", items.collect::<Vec<_>>().join(","))
}

pub(crate) fn cut(text: &str) -> &str {
    let end = (0..=MAX_TEXT.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or_default()]
}

/// Whether the whole text fits a pattern in which `*` stands for any characters.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

/// The recording as an HTTP archive.
pub(crate) fn har(entries: &[Entry]) -> serde_json::Value {
    let headers = |headers: &Headers| {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let pairs = headers
            .iter()
            .map(|(name, value)| serde_json::json!({"name": name.as_str(), "value": text(value)}));
        pairs.collect::<Vec<_>>()
    };
    let entries: Vec<_> = entries
        .iter()
        .map(|entry| {
            let host = entry.request_headers.iter().find(|(name, _)| name == HOST);
            let host = host.and_then(|(_, host)| host.to_str().ok()).unwrap_or_default();
            serde_json::json!({
                "startedDateTime": entry.at,
                "time": entry.latency_ms,
                "request": {
                    "method": entry.method, "url": format!("https://{host}{}", entry.target),
                    "httpVersion": "HTTP/1.1", "headers": headers(&entry.request_headers),
                    "queryString": [], "cookies": [], "headersSize": -1, "bodySize": -1,
                },
                "response": {
                    "status": entry.status.unwrap_or_default(), "statusText": "",
                    "httpVersion": "HTTP/1.1", "headers": headers(&entry.answer_headers),
                    "cookies": [], "content": {"size": -1, "mimeType": ""}, "redirectURL": "",
                    "headersSize": -1, "bodySize": -1,
                },
                "cache": {},
                "timings": {"send": 0, "wait": entry.latency_ms, "receive": 0},
                "_caller": entry.caller, "_cause": entry.cause, "_faults": entry.faults,
                "_conversationId": entry.conversation_id,
            })
        })
        .collect();
    serde_json::json!({"log": {
        "version": "1.2",
        "creator": {"name": "countersign", "version": env!("CARGO_PKG_VERSION")},
        "entries": entries,
    }})
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        for (pattern, text, is) in [
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/a*", "/ab/c", true),
            ("*/findings", "/appsec/v2/applications/g/findings", true),
            ("/x/*/y/*", "/x/1/y/2", true),
            ("/x/*/y/*z", "/x/1/y/2", false),
            ("*", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), is, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_signature_is_not_kept(sig in "[0-9a-f]{64}", nonce in "[0-9a-f]{32}", other in "\\PC{0,80}") {
            let mut headers = HeaderMap::new();
            let value = format!("VERACODE-HMAC-SHA-256 id=ab,ts=1,nonce={nonce},sig={sig}");
            headers.append(AUTHORIZATION, value.parse().unwrap());
            let bearer = format!("Bearer {sig}");
            headers.append(AUTHORIZATION, bearer.parse().unwrap());
            if let Ok(value) = format!("{other} {sig}").parse() {
                headers.append(AUTHORIZATION, value);
            }
            let kept = format!("{:?}", kept(&headers));
            prop_assert!(!kept.contains(&sig) && !kept.contains(&nonce), "{}", kept);
            prop_assert!(kept.contains("id=ab"));
        }

        #[test]
        fn a_text_is_cut_at_a_character(text in "\\PC{0,3000}") {
            prop_assert!(text.starts_with(cut(&text)) && cut(&text).len() <= MAX_TEXT);
        }
    }
}
