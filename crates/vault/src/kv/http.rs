//! One request to a secret store and its answer: bounded, in time, never redirected.

use std::io::Read;
use std::time::Duration;

use countersign_text::line;
use reqwest::Url;
use reqwest::blocking::Client;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::error::{Error, Fault};
use crate::kv::KvConfig;

pub(super) use reqwest::Method as HttpMethod;

/// A listing of all names fits; no secret comes near it.
const MAX_BYTES: u64 = 4 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Put,
    Delete,
}

pub(super) struct Http {
    client: Client,
    base: Url,
    namespace: Option<HeaderValue>,
    keys: &'static str,
}

impl Http {
    pub(super) fn new(config: &KvConfig) -> Result<Self, Error> {
        let base = check_address(config)?;
        let namespace = config.namespace.as_deref().map(|text| header("namespace", text));
        // The program has one already; another program with this vault may not.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT.min(config.timeout))
            .timeout(config.timeout);
        if base.scheme() == "https" {
            builder = builder.https_only(true);
        }
        if let Some(pem) = &config.ca_pem {
            let unusable = |what: String| {
                Error::elsewhere(Fault::Config, format!("the CA file of the vault {what}"), "")
            };
            let certificates = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| unusable(format!("cannot be read: {error}")))?;
            if certificates.is_empty() {
                return Err(unusable("holds no certificate".into()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|error| {
            let what = format!("failed to prepare TLS for the vault: {}", root_cause(&error));
            Error::elsewhere(Fault::Config, what, "")
        })?;
        Ok(Self { client, base, namespace: namespace.transpose()?, keys: config.keys })
    }

    pub(super) fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        token: Option<&str>,
        body: Option<&[u8]>,
    ) -> Result<Answer, Error> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut headers = HeaderMap::new();
        // What an agent asks for, so that a page in a browser cannot use it.
        headers.insert("x-vault-request", HeaderValue::from_static("true"));
        if let Some(namespace) = &self.namespace {
            headers.insert("x-vault-namespace", namespace.clone());
        }
        if let Some(token) = token {
            headers.insert(HeaderName::from_static("x-vault-token"), header("token", token)?);
        }
        let method = match method {
            Method::Get => HttpMethod::GET,
            Method::Post => HttpMethod::POST,
            Method::Put => HttpMethod::PUT,
            Method::Delete => HttpMethod::DELETE,
        };
        let mut request = self.client.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_vec());
        }
        let answer = request.send().map_err(|error| self.broken(&error))?;
        let status = answer.status().as_u16();
        let mut body = Zeroizing::new(Vec::new());
        answer.take(MAX_BYTES + 1).read_to_end(&mut body).map_err(|error| {
            self.unreachable(format!("its answer broke off: {}", root_cause(&error)))
        })?;
        if body.len() as u64 > MAX_BYTES {
            let what = format!("the answer of {} is larger than 4 MiB", self.base);
            return Err(Error::elsewhere(Fault::Protocol, what, ""));
        }
        Ok(Answer { status, body })
    }

    fn broken(&self, error: &reqwest::Error) -> Error {
        let cause = root_cause(error);
        let lower = cause.to_ascii_lowercase();
        if lower.contains("certificate") || lower.contains("unknownissuer") {
            let what = format!("the certificate of {} is refused: {cause}", self.base);
            let hint = format!("name its authority in `{}.ca_file`", self.keys);
            return Error::elsewhere(Fault::Config, what, &hint);
        }
        match error.is_timeout() {
            true => self.unreachable("it did not answer in time".into()),
            false => self.unreachable(cause),
        }
    }

    fn unreachable(&self, what: String) -> Error {
        let what = format!("failed to reach the secret store at {}: {what}", self.base);
        let hint = format!("see that it runs, and `{}.address`", self.keys);
        Error::elsewhere(Fault::Unreachable, what, &hint)
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    body: Zeroizing<Vec<u8>>,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    auth: Option<&'a RawValue>,
}

impl Answer {
    /// The member `data`.
    pub(super) fn data<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        let envelope: Data<'a> = self.parse()?;
        serde_json::from_str(envelope.data.map_or("null", RawValue::get)).map_err(|_| self.odd())
    }

    /// The member `auth`.
    pub(super) fn auth<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let envelope: Data<'_> = self.parse()?;
        serde_json::from_str(envelope.auth.map_or("null", RawValue::get)).map_err(|_| self.odd())
    }

    fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|_| self.odd())
    }

    /// The parser's own words could repeat a secret.
    fn odd(&self) -> Error {
        let what =
            format!("the answer of the secret store (status {}) is not its own", self.status);
        let hint = "see that its address is that of Vault or OpenBao, and not of a page before it";
        Error::elsewhere(Fault::Protocol, what, hint)
    }

    pub(super) fn has_data(&self) -> bool {
        self.data::<IgnoredAny>().is_ok()
            && self.data::<Option<IgnoredAny>>().ok().flatten().is_some()
    }

    /// What it says is wrong.
    pub(super) fn errors(&self) -> Vec<String> {
        self.parse::<Errors>().map(|answer| answer.errors).unwrap_or_default()
    }

    /// How the store says "nothing there": an answer of its own without a complaint.
    pub(super) fn is_bare(&self) -> bool {
        #[derive(Deserialize)]
        struct Bare {
            errors: Vec<String>,
        }
        self.parse::<Bare>().is_ok_and(|answer| answer.errors.is_empty())
    }

    pub(super) fn says(&self, text: &str) -> bool {
        self.errors().iter().any(|error| error.contains(text))
    }
}

fn header(what: &str, text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        let what = format!("the {what} of the vault holds characters that no header can carry");
        Error::elsewhere(Fault::Config, what, "")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn check_address(config: &KvConfig) -> Result<Url, Error> {
    let refuse = |what: &str, hint: &str| {
        // Not the text: somebody may have put a password into it.
        Err(Error::elsewhere(Fault::Config, format!("the address of the vault {what}"), hint))
    };
    let example = "for example `https://vault.example.com:8200`";
    let Ok(url) = Url::parse(&config.address) else { return refuse("is not a URL", example) };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("holds a user or a password", example);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("holds a query or a fragment", example);
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback && config.allow_http_loopback => Ok(url),
        "http" if is_loopback => refuse(
            "is not https",
            &format!(
                "for this machine's loopback address, set `{}.allow_http_loopback = true`",
                config.keys
            ),
        ),
        _ => refuse("is not https", example),
    }
}

/// The innermost cause: the outer ones repeat the URL.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    line(&cause.to_string()).to_string()
}
