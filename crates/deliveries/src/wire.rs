//! HTTP as a receiver sees it: what is asked, what was answered, and how far a request that
//! was not answered got. Receivers never open a connection themselves: whoever provides the
//! [`Wire`] decides which addresses may be reached, how much is read and how long is waited.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use url::Url;
use zeroize::Zeroizing;

/// Something that takes a while.
pub type Doing<'d, T> = Pin<Box<dyn Future<Output = T> + Send + 'd>>;

/// Bytes of an answer that are read unless the request says otherwise.
pub const ANSWER_BYTES: usize = 1 << 20;
/// How long a request takes at most, unless it says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes something.
    Post,
    /// Replaces something.
    Put,
    /// Changes something.
    Patch,
    /// Removes something.
    Delete,
}

/// One request. Its headers may hold secrets: it is never shown.
pub struct Request {
    /// Method.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
    /// What is sent.
    pub body: Vec<u8>,
    /// Bytes of the answer that are read; what is longer is cut, not an error.
    pub answer_bytes: usize,
    /// How long it takes at most.
    pub patience: Duration,
}

impl Request {
    /// A request without a body.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: Vec::new(),
            answer_bytes: ANSWER_BYTES,
            patience: PATIENCE,
        }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, Zeroizing::new(value.into())));
        self
    }

    /// With a body of JSON.
    #[must_use]
    pub fn json(self, body: &serde_json::Value) -> Self {
        let text = body.to_string();
        self.header("content-type", "application/json").body(text.into_bytes())
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// The value of a header.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| *held == name).map(|(_, value)| value.as_str())
    }
}

/// What was answered, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Names in lower case, and values that are text.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first value of a header; its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON, if it is.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no answer. None of these texts has the URL or a header in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Nothing left this machine.
    NotSent(String),
    /// It may have arrived.
    Unsure(String),
    /// The destination's networks, or its certificate, forbid it: nothing was sent.
    Forbidden(String),
}

/// The way to a receiver.
pub trait Wire: Send + Sync {
    /// Sends a request and reads what is answered. Redirects are not followed; nothing is
    /// tried twice.
    fn ask(&self, request: Request) -> Doing<'_, Result<Answer, Lost>>;
}
