//! Signed JSON to a receiver of ours. Every body is signed together with the time:
//!
//! ```text
//! countersign-id: the same at every try
//! countersign-timestamp: seconds since the Unix epoch
//! countersign-signature: v1=HEX
//! ```
//!
//! `HEX` is HMAC-SHA-256 over timestamp, a full stop and the body, under the secret
//! that both ends have. `docs/reference/credential-monitoring.md` shows a receiver.

use std::time::Duration;

use countersign_client::Url;
use countersign_files::{self as files, Secrecy};
use countersign_text::{json, line};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::config::watch::HookConfig;
use crate::failure::Failure;
use crate::system;

const SHORTEST_SECRET_BYTES: usize = 16;
const MAX_ANSWER_BYTES: usize = 64 << 10;
const MAX_FILE_BYTES: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// A receiver of signed JSON.
pub(crate) struct Hook {
    name: String,
    client: reqwest::Client,
    url: Url,
    secret: Zeroizing<Vec<u8>>,
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
        let secret = text.lines().next().unwrap_or_default().trim();
        if secret.len() < SHORTEST_SECRET_BYTES {
            return Err(wrong(format!(
                "its secret has less than {SHORTEST_SECRET_BYTES} characters\nhint: write `openssl rand -hex 32` into `{}`",
                config.secret_file.display()
            )));
        }
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
        Ok(Self {
            name: name.to_owned(),
            client,
            url,
            secret: Zeroizing::new(secret.as_bytes().to_vec()),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Sends a body; the answer's, if its status is 2xx. Fails with why not, without
    /// the URL.
    pub(crate) async fn post(&self, id: &str, body: &Value) -> Result<Vec<u8>, String> {
        let body = json::to_string(body).map_err(|error| error.to_string())?;
        let timestamp = ((system::clock())() / 1000).to_string();
        let signature = sign(&self.secret, &timestamp, body.as_bytes());
        let sent = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("countersign-id", id)
            .header("countersign-timestamp", timestamp)
            .header("countersign-signature", format!("v1={signature}"))
            .body(body)
            .send();
        let mut answer = sent.await.map_err(told)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("it answered {status}"));
        }
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(told)? {
            if text.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err("its answer is too long".into());
            }
            text.extend_from_slice(&chunk);
        }
        Ok(text)
    }
}

fn sign(secret: &[u8], timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length is one");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    HEXLOWER.encode(&mac.finalize().into_bytes())
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
        let long = "0123456789abcdef\n";
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
        let told = refused(folder.path(), "https://example.com", "0123456789abcde\nmore", false);
        assert!(told.contains("less than 16") && !told.contains("0123"), "{told}");
        assert_eq!(refused(folder.path(), "https://example.com/", long, false), "");
        assert_eq!(refused(folder.path(), "http://localhost:1/", long, true), "");
    }

    #[test]
    fn the_signature_is_the_documented_one() {
        // printf '1780000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
        assert_eq!(
            sign(b"0123456789abcdef", "1780000000", br#"{"a":1}"#),
            "bbc5da54367f5e39957fab1768fefa9cb855aa3b2717bef17cedda003c97c1bb"
        );
    }
}
