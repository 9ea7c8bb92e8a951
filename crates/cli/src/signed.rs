//! Signed JSON to a receiver, by Standard Webhooks 1.0.0. Every body is signed together with
//! its id and the time:
//!
//! ```text
//! webhook-id: the same at every try
//! webhook-timestamp: seconds since the Unix epoch
//! webhook-signature: v1,BASE64
//! ```
//!
//! `docs/reference/credential-monitoring.md` shows a receiver.

use std::time::Duration;

use countersign_client::Url;
use countersign_deliveries::webhooks::Keys;
use countersign_files::{self as files, Secrecy};
use countersign_text::{json, line};
use serde_json::Value;

use crate::config::watch::HookConfig;
use crate::failure::Failure;
use crate::system;

const MAX_ANSWER_BYTES: usize = 64 << 10;
const MAX_FILE_BYTES: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// A receiver of signed JSON.
pub(crate) struct Hook {
    name: String,
    client: reqwest::Client,
    url: Url,
    keys: Keys,
}

impl Hook {
    pub(crate) fn new(name: &str, config: &HookConfig) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::usage(format!("webhook `{name}`: {what}"));
        // A path may be as good as a password: URLs of webhooks are not repeated.
        let url = Url::parse(&config.url)
            .map_err(|error| wrong(format!("its `url` is not a URL: {error}")))?;
        let is_loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match url.scheme() {
            "https" => {}
            "http" if is_loopback && config.allow_http_loopback => {}
            "http" if is_loopback => {
                return Err(wrong(
                    "its `url` is not https\nhint: set `allow_http_loopback = true`".into(),
                ));
            }
            _ => return Err(wrong("its `url` is not https".into())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("user and password do not belong into its `url`".into()));
        }
        let unread = |error: files::Error| wrong(error.to_string());
        let text = files::read_text(&config.secret_file, Secrecy::Secret, MAX_FILE_BYTES)
            .map_err(unread)?;
        let keys = Keys::parse_or_raw(text.lines().next().unwrap_or_default()).map_err(|why| {
            let file = config.secret_file.display();
            let (why, hint) = why.split_once('\n').unwrap_or((&why, ""));
            wrong(format!("`{file}`: {why}\n{hint}"))
        })?;
        let mut builder = reqwest::Client::builder()
            // A body is signed for one receiver.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE);
        if is_loopback {
            builder = builder.no_proxy();
        }
        if let Some(path) = &config.ca_file {
            let pem =
                files::read_certificates(path, Secrecy::Open, MAX_FILE_BYTES).map_err(unread)?;
            let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|error| wrong(format!("its CA file cannot be read: {error}")))?;
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|error| wrong(format!("TLS: {error}")))?;
        Ok(Self { name: name.to_owned(), client, url, keys })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Sends a body under its id (see [`id`]); the beginning of the answer's, if its status is
    /// 2xx. Fails with why not, without the URL.
    pub(crate) async fn post(&self, id: &str, body: &Value) -> Result<Vec<u8>, String> {
        let body = json::to_string(body).map_err(|error| error.to_string())?;
        let timestamp_s = (system::clock())().div_euclid(1000);
        let signature = self.keys.sign(id, timestamp_s, body.as_bytes());
        let sent = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", signature)
            .body(body)
            .send();
        let mut answer = sent.await.map_err(told)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("it answered {status}"));
        }
        // It has the message: what is wrong with its answer is no reason to send it again.
        let mut text = Vec::new();
        while text.len() < MAX_ANSWER_BYTES
            && let Ok(Some(chunk)) = answer.chunk().await
        {
            text.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER_BYTES - text.len())]);
        }
        Ok(text)
    }
}

/// An id as it can be signed: without full stops, which stand between what is signed.
pub(crate) fn id(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    format!("msg_{plain}")
}

fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if error.is_timeout() {
        return format!("it did not answer within {} s", PATIENCE.as_secs());
    }
    format!("it could not be reached: {}", line(&cause.to_string()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use countersign_files::Readers;

    use super::*;

    fn refused(folder: &Path, url: &str, secret: &str, allow_http_loopback: bool) -> String {
        let secret_file = folder.join("secret");
        countersign_files::write(
            &secret_file,
            secret.as_bytes(),
            Readers::Owner,
            &*system::random(),
        )
        .unwrap();
        let config =
            HookConfig { url: url.into(), secret_file, ca_file: None, allow_http_loopback };
        match Hook::new("ops", &config) {
            Ok(_) => String::new(),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn receivers_that_are_refused() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let long = "0123456789abcdef01234567\n";
        for (url, allow) in [
            ("http://example.com/hush", true),
            ("http://127.0.0.1/hush", false),
            ("ftp://127.0.0.1/hush", true),
            ("https://user:hush@example.com/", false),
            ("not a url hush", false),
        ] {
            let told = refused(folder.path(), url, long, allow);
            assert!(!told.is_empty() && !told.contains("hush"), "{url}: {told}");
        }
        let told =
            refused(folder.path(), "https://example.com", "0123456789abcdef0123456\nmore", false);
        assert!(told.contains("less than 24") && !told.contains("0123"), "{told}");
        let told = refused(folder.path(), "https://example.com", "whsec_c2hvcnQ=", false);
        assert!(told.contains("24 to 64 bytes") && !told.contains("c2hv"), "{told}");
        assert_eq!(refused(folder.path(), "https://example.com/", long, false), "");
        assert_eq!(refused(folder.path(), "http://localhost:1/", long, true), "");
    }

    #[test]
    fn the_signature_is_the_documented_one() {
        // printf 'msg_1.1780000000.{"a":1}' |
        //     openssl dgst -sha256 -hmac 0123456789abcdef01234567 -binary | base64
        let keys = Keys::parse_or_raw("0123456789abcdef01234567").unwrap();
        assert_eq!(
            keys.sign("msg_1", 1_780_000_000, br#"{"a":1}"#),
            "v1,RmRQjv7RoULwIdjPMqzpb/WqWNo2UcBaso9OxJ7L/qY="
        );
    }

    #[test]
    fn ids_can_be_signed() {
        assert_eq!(id("1795564946811.1n"), "msg_1795564946811-1n");
        assert_eq!(id("a/b.3.é"), "msg_a-b-3--");
    }
}
