//! The receivers, one file each: what they are asked, and what their answers mean.

pub mod code_scanning;
pub mod defectdojo;
mod github;
pub mod github_issues;
pub mod jira;
pub mod lake;
pub mod mail;
pub mod redmine;
pub mod slack;
pub mod syslog;
pub mod teams;
mod trackers;
pub(crate) mod turn;
pub mod webhook;

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::receiver::{Parcel, Verdict};
use crate::wire::{Answer, Doing, Lost, Wire};

/// What every receiver over HTTP is made with.
#[derive(Clone)]
pub struct Access {
    /// The way to it.
    pub wire: Arc<dyn Wire>,
    /// Its secret, from the vault: a token, a key, or a URL that is one.
    pub secret: Arc<Zeroizing<String>>,
    /// The address of the dashboard, to link to findings.
    pub dashboard: Option<url::Url>,
}

/// Why a request has no answer, as a verdict.
pub(crate) fn lost(lost: Lost) -> Verdict {
    match lost {
        Lost::NotSent(why) => Verdict::Passing { why, is_unsure: false, after_ms: None },
        Lost::Unsure(why) => Verdict::Passing { why, is_unsure: true, after_ms: None },
        Lost::Forbidden(why) => Verdict::Settings(why),
    }
}

/// What a status means where the receiver has no words of its own: see "Rules for every HTTP
/// receiver". `what` is what the receiver said, without secrets.
pub(crate) fn refused(answer: &Answer, what: &str, now_ms: i64) -> Verdict {
    let why = match what {
        "" => format!("it answered {}", answer.status),
        what => format!("it answered {}: {what}", answer.status),
    };
    match answer.status {
        300..=399 | 401 | 403 | 404 | 407 => Verdict::Settings(why),
        408 | 425 | 429 | 500 | 502 | 503 | 504 => Verdict::Passing {
            why,
            is_unsure: answer.status != 429,
            after_ms: wait_of(answer, now_ms),
        },
        status if status >= 500 => Verdict::Passing { why, is_unsure: true, after_ms: None },
        _ => Verdict::Refused(why),
    }
}

/// How long `Retry-After` asks to wait: seconds, or a date of HTTP.
pub(crate) fn wait_of(answer: &Answer, now_ms: i64) -> Option<i64> {
    const LONGEST_MS: i64 = 24 * 3_600_000;
    let text = answer.header("retry-after")?.trim();
    let wait_ms = match text.parse::<u32>() {
        Ok(seconds) => i64::from(seconds) * 1000,
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?;
            at.timestamp().as_millisecond() - now_ms
        }
    };
    Some(wait_ms.clamp(0, LONGEST_MS))
}

/// Sends parcels in their order, up to the first that is not taken.
pub(crate) fn in_order<'r>(
    parcels: &'r [Parcel],
    send: impl Fn(&'r Parcel) -> Doing<'r, Verdict> + Send + 'r,
) -> Doing<'r, Vec<Verdict>> {
    Box::pin(async move {
        let mut verdicts = Vec::with_capacity(parcels.len());
        for parcel in parcels {
            let verdict = send(parcel).await;
            let is_taken = matches!(verdict, Verdict::Taken(_));
            verdicts.push(verdict);
            if !is_taken {
                break;
            }
        }
        verdicts
    })
}

/// The secret as the URL that it is. `what` is what it is the URL of.
pub(crate) fn secret_url(access: &Access, what: &str) -> Result<url::Url, String> {
    let url = url::Url::parse(access.secret.trim()).ok();
    let is_web = |url: &url::Url| matches!(url.scheme(), "https" | "http") && url.has_host();
    url.filter(is_web).ok_or_else(|| format!("the secret is not the URL of {what}"))
}

/// The address that others begin with. What stands in it may be a password: it is not repeated.
pub(crate) fn base_url(text: &str, key: &str) -> Result<url::Url, String> {
    let wrong = |why: &str| format!("`{key}` {why}\nhint: give an address like https://HOST/");
    let mut url = url::Url::parse(text.trim()).map_err(|_| wrong("is not a URL"))?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err(wrong("is not a web address"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a user or a password"));
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}
