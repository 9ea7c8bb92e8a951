//! What a fault does to a request or to its answer.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use axum::response::{IntoResponse, Response};
use countersign_web::Unsent;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Faults, Rule};

/// Longest that an answer is delayed or stalled.
const MAX_DELAY_MS: u64 = 600_000;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum When {
    /// Instead of the work.
    #[default]
    Before,
    /// After the work was committed.
    After,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Act {
    /// This status, instead of the work or after it.
    Status {
        status: u16,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        #[serde(default)]
        body: String,
        #[serde(default)]
        when: When,
    },
    /// A wait before the work. With `to_ms` it is drawn evenly between the two;
    /// with `p99_ms` from a log-normal distribution, of which `ms` is the median.
    Delay {
        ms: u64,
        #[serde(default)]
        to_ms: Option<u64>,
        #[serde(default)]
        p99_ms: Option<u64>,
    },
    /// The connection ends without an answer.
    Reset {
        #[serde(default)]
        when: When,
    },
    /// The answer ends, and the connection with it, after so many bytes.
    Truncate { bytes: usize },
    /// So many bytes, and then nothing for so long.
    Stall { bytes: usize, ms: u64 },
    /// A body that is no JSON, with the headers of one.
    Garbage,
    /// A page as a proxy shows it.
    Html {
        #[serde(default = "bad_gateway")]
        status: u16,
    },
    /// The elements of the page that was answered before, once more.
    DuplicatePage,
    /// A page without its last elements.
    ShortPage {
        #[serde(default = "one")]
        missing: usize,
    },
    /// A total that is off by so many, on every page after the first.
    TotalDrift { by: i64 },
    /// The last row of the page before comes first again, and the last of this
    /// page is pushed to the next.
    RowsMove,
    /// What the same target answered the time before.
    Stale,
    /// A redirect to another host.
    Redirect { to: String },
    /// A next-link to another host.
    NextLink { host: String },
}

/// A time with this median and this 99th percentile, from two even draws.
fn log_normal(median_ms: u64, p99_ms: u64, share: f64, other: f64) -> u64 {
    /// The 99th percentile of the normal distribution, in standard deviations.
    const P99: f64 = 2.326_347_874;
    let deviation = (-2.0 * (1.0 - share).ln()).sqrt() * (std::f64::consts::TAU * other).cos();
    let median = median_ms.max(1) as f64;
    let spread = (p99_ms.max(1) as f64 / median).ln() / P99;
    ((median * (spread * deviation).exp()) as u64).min(MAX_DELAY_MS)
}

fn bad_gateway() -> u16 {
    502
}

fn one() -> usize {
    1
}

/// Between the bytes of a truncated answer and its end.
const FLUSH: Duration = Duration::from_millis(5);

impl Act {
    pub(super) fn check(&self) -> Result<(), String> {
        let is_status = |status: u16| StatusCode::from_u16(status).is_ok() && status >= 200;
        match self {
            Self::Status { status, .. } | Self::Html { status } if !is_status(*status) => {
                Err(format!("{status} is not the status of an answer"))
            }
            Self::Status { headers, .. } => {
                let is_header = |(name, value): (&String, &String)| {
                    name.parse::<HeaderName>().is_ok() && value.parse::<HeaderValue>().is_ok()
                };
                match headers.iter().find(|header| !is_header(*header)) {
                    Some((name, _)) => Err(format!("`{name}` is not a header")),
                    None => Ok(()),
                }
            }
            Self::Delay { to_ms: Some(_), p99_ms: Some(_), .. } => {
                Err("a delay is drawn evenly up to `to_ms` or by `p99_ms`, not both".into())
            }
            Self::Delay { ms, to_ms, p99_ms }
                if [to_ms, p99_ms]
                    .into_iter()
                    .flatten()
                    .chain([ms])
                    .any(|end| end < ms || *end > MAX_DELAY_MS) =>
            {
                Err(format!(
                    "a delay is at most {MAX_DELAY_MS} ms, and its end is not before its beginning"
                ))
            }
            Self::Stall { ms, .. } if *ms > MAX_DELAY_MS => {
                Err(format!("a stall is at most {MAX_DELAY_MS} ms"))
            }
            Self::Redirect { to } if to.parse::<HeaderValue>().is_err() => {
                Err("the address of a redirect is no header value".into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn wants_memory(&self) -> bool {
        matches!(self, Self::DuplicatePage | Self::RowsMove | Self::Stale)
    }

    /// Whether it takes an answer apart.
    fn changes_body(&self) -> bool {
        matches!(
            self,
            Self::DuplicatePage
                | Self::ShortPage { .. }
                | Self::TotalDrift { .. }
                | Self::RowsMove
                | Self::Stale
                | Self::NextLink { .. }
        )
    }
}

/// Before the work: waits, and answers instead of it where a rule says so.
pub(crate) async fn instead(faults: &Faults, rules: &[Rule]) -> Option<Response> {
    for rule in rules {
        match &rule.act {
            Act::Delay { ms, to_ms, p99_ms } => {
                let [share, other] = faults.shares(&rule.name);
                let ms = match (to_ms, p99_ms) {
                    (Some(to_ms), _) => ms + (share * (to_ms - ms + 1) as f64) as u64,
                    (None, Some(p99_ms)) => log_normal(*ms, *p99_ms, share, other),
                    (None, None) => *ms,
                };
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            Act::Status { status, headers, body, when: When::Before } => {
                return Some(told(*status, headers, body));
            }
            Act::Reset { when: When::Before } => return Some(broken()),
            Act::Html { status } => return Some(html(*status)),
            Act::Redirect { to } => {
                let to = HeaderValue::from_str(to).ok()?;
                return Some((StatusCode::FOUND, [(LOCATION, to)]).into_response());
            }
            _ => {}
        }
    }
    None
}

/// What was asked, as far as faults in the answer care.
pub(crate) struct Asked {
    pub(crate) target: String,
    /// Whose answers may be remembered and shown to the same again.
    pub(crate) reader: Option<String>,
}

/// After the work: what is left of the answer.
pub(crate) async fn alter(
    faults: &Faults,
    rules: &[Rule],
    asked: &Asked,
    response: Response,
) -> Response {
    let changes_body = rules.iter().any(|rule| rule.act.changes_body());
    let mut response = match changes_body || faults.wants_memory() {
        true => changed(faults, rules, asked, response).await,
        false => response,
    };
    for rule in rules {
        response = match &rule.act {
            Act::Status { status, headers, body, when: When::After } => {
                told(*status, headers, body)
            }
            Act::Reset { when: When::After } => broken(),
            Act::Garbage => {
                with_body(response, Body::from("{\"_embedded\":{\"findings\":[{\"issue_id\":1,"))
            }
            Act::Truncate { bytes } => cut_short(response, *bytes, None).await,
            Act::Stall { bytes, ms } => {
                cut_short(response, *bytes, Some(Duration::from_millis(*ms))).await
            }
            _ => response,
        };
    }
    response
}

fn broken() -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(Unsent);
    response
}

fn html(status: u16) -> Response {
    let page = "<html><head><title>Bad gateway</title></head><body>Bad gateway</body></html>";
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("text/html"))];
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    (status, headers, page).into_response()
}

fn told(status: u16, headers: &BTreeMap<String, String>, body: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, body.to_owned()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn with_body(mut response: Response, body: Body) -> Response {
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = body;
    response
}

async fn bytes_of(response: &mut Response) -> Bytes {
    let body = std::mem::take(response.body_mut());
    // Answers are made in memory and whole: taking them apart cannot fail.
    axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default()
}

/// The announced length stays: whoever reads knows that something is missing.
async fn cut_short(mut response: Response, bytes: usize, stall: Option<Duration>) -> Response {
    let whole = bytes_of(&mut response).await;
    let begin = whole.slice(..bytes.min(whole.len()));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let begin = futures::stream::once(async move { Ok::<_, std::io::Error>(begin) });
    let end = futures::stream::once(async move {
        // At least one pause: what came before goes out while this waits.
        tokio::time::sleep(stall.unwrap_or(FLUSH)).await;
        Err(std::io::Error::other("a fault ended the answer"))
    });
    *response.body_mut() = Body::from_stream(begin.chain(end));
    response
}

async fn changed(
    faults: &Faults,
    rules: &[Rule],
    asked: &Asked,
    mut response: Response,
) -> Response {
    if !response.status().is_success() {
        return response;
    }
    let bytes = bytes_of(&mut response).await;
    let Ok(mut body) = serde_json::from_slice::<Value>(&bytes) else {
        return with_body(response, Body::from(bytes));
    };
    let (whole, before) = match &asked.reader {
        Some(reader) => {
            let whole = format!("{reader} {}", asked.target);
            let list = format!("{reader} list {}", without_paging(&asked.target));
            let whole = faults.swap_body(whole, &body, bytes.len());
            (whole, faults.swap_body(list, &body, bytes.len()))
        }
        None => (None, None),
    };
    let number = body["page"]["number"].as_u64().unwrap_or_default();
    let mut is_changed = false;
    for rule in rules {
        is_changed |= match &rule.act {
            Act::Stale => whole.clone().map(|old| body = old).is_some(),
            Act::DuplicatePage if number > 0 => repeat(&mut body, before.as_ref()),
            Act::RowsMove if number > 0 => shift(&mut body, before.as_ref()),
            Act::ShortPage { missing } => shorten(&mut body, *missing),
            Act::TotalDrift { by } if number > 0 => drift(&mut body, *by),
            Act::NextLink { host } => lead_away(&mut body, host),
            _ => false,
        };
    }
    match is_changed {
        true => with_body(response, Body::from(body.to_string())),
        false => with_body(response, Body::from(bytes)),
    }
}

/// The same list, whatever page of it.
fn without_paging(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let kept = query.split('&').filter(|pair| !pair.starts_with("page=") && !pair.is_empty());
    format!("{path}?{}", kept.collect::<Vec<_>>().join("&"))
}

fn elements(body: &mut Value) -> Option<&mut Vec<Value>> {
    body.get_mut("_embedded")?.as_object_mut()?.values_mut().next()?.as_array_mut()
}

fn repeat(body: &mut Value, before: Option<&Value>) -> bool {
    let Some(old) = before.and_then(|before| before.get("_embedded")) else { return false };
    let Some(now) = body.get_mut("_embedded") else { return false };
    *now = old.clone();
    true
}

fn shift(body: &mut Value, before: Option<&Value>) -> bool {
    let last = before.cloned().and_then(|mut before| elements(&mut before)?.pop());
    match (last, elements(body)) {
        (Some(last), Some(rows)) if !rows.is_empty() => {
            rows.pop();
            rows.insert(0, last);
            true
        }
        _ => false,
    }
}

fn shorten(body: &mut Value, missing: usize) -> bool {
    let Some(rows) = elements(body) else { return false };
    rows.truncate(rows.len().saturating_sub(missing));
    true
}

fn drift(body: &mut Value, by: i64) -> bool {
    let page = &mut body["page"];
    let (Some(total), Some(size)) = (page["total_elements"].as_i64(), page["size"].as_i64()) else {
        return false;
    };
    let total = (total + by).max(0);
    page["total_elements"] = total.into();
    page["total_pages"] = ((total + size - 1) / size.max(1)).into();
    true
}

fn lead_away(body: &mut Value, host: &str) -> bool {
    let Some(href) = body.pointer_mut("/_links/next/href") else { return false };
    let path = href.as_str().and_then(|href| href.splitn(4, '/').nth(3)).unwrap_or_default();
    *href = format!("https://{host}/{path}").into();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 10,000 draws on an even grid as many lie below as should.
    #[test]
    fn a_distribution_has_its_median_and_its_tail() {
        let grid = (0..100).flat_map(|a| (0..100).map(move |b| (a, b)));
        let at = |n: i32| (f64::from(n) + 0.5) / 100.0;
        let draws: Vec<_> = grid.map(|(a, b)| log_normal(200, 2_000, at(a), at(b))).collect();
        let share = |most: u64| draws.iter().filter(|ms| **ms <= most).count();
        assert!((4_900..=5_100).contains(&share(200)), "{}", share(200));
        assert!((9_870..=9_930).contains(&share(2_000)), "{}", share(2_000));
        assert_eq!(log_normal(0, 0, 0.3, 0.7), 1);
        assert!(log_normal(200, 600_000, 1.0 - f64::EPSILON, 0.0) <= MAX_DELAY_MS);
    }
}
