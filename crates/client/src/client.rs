//! The one path that every request takes.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use countersign_signing::{OAuthClient, Pair, Request, Signer};
use countersign_text::line;
use countersign_wire::error::ErrorBody;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

use crate::address::{self, shown};
use crate::budget::{Budget, LONGEST_CLOSED, Line, Urgency};
use crate::error::{Error, Kind};
use crate::holds::{Hold, Holds, Pace, Why};
use crate::meter::{Counted, Meter, Stats, Tally};
use crate::proxy::Proxy;
use crate::source::{Authority, Fixed, Lease, Source};
use crate::token::{self, Tokens};
use crate::unreached::Unreached;
use crate::{Clock, Random};

const FIRST_DELAY_MS: u64 = 500;
const LONGEST_DELAY_MS: u64 = 20_000;
/// A request that goes out so long after it got its place needs another.
const LATE: Duration = Duration::from_millis(900);
/// Places that one try takes, at most.
const PLACES: u32 = 5;

/// How a client reaches its service.
#[derive(Clone)]
pub struct Config {
    /// Scheme, host and port; no path.
    pub base_url: Url,
    /// A further certificate authority to trust, beside the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// The proxy on the way.
    pub proxy: Option<Proxy>,
    /// No proxy is used, not even one that the system names.
    pub is_direct: bool,
    /// Allow an http URL on a loopback address.
    pub allow_http_loopback: bool,
    /// How many requests start in any minute, and with whom that is shared.
    pub budget: Budget,
    /// What of the budget this client's requests belong to: each has a fair part of it.
    pub share: String,
    /// Who waits for the answers.
    pub urgency: Urgency,
    /// Requests on their way at once, at most.
    pub in_flight: usize,
    /// Time to connect, names and TLS included.
    pub connect_timeout: Duration,
    /// A connection that does not come about is reported at once, and tried again only
    /// after the service has answered once: somebody waits, and the address may be wrong.
    pub is_prompt: bool,
    /// Time for one try, body included.
    pub request_timeout: Duration,
    /// Time for all tries of one request.
    pub retry_budget: Duration,
    /// Tries of one request.
    pub max_attempts: u32,
    /// Size of an answer.
    pub max_body_bytes: usize,
    /// `User-Agent`.
    pub user_agent: String,
    /// What its requests are counted in, beside its own statistics.
    pub meter: Meter,
}

impl Config {
    /// The defaults for this URL: 500 requests a minute, 16 at once.
    pub fn new(base_url: Url) -> Self {
        Self {
            base_url,
            ca_pem: None,
            proxy: None,
            is_direct: false,
            allow_http_loopback: false,
            budget: Budget::alone(500),
            share: String::new(),
            urgency: Urgency::Background,
            in_flight: 16,
            connect_timeout: Duration::from_secs(10),
            is_prompt: false,
            request_timeout: Duration::from_secs(60),
            retry_budget: Duration::from_secs(300),
            max_attempts: 6,
            max_body_bytes: 64 << 20,
            user_agent: concat!("countersign/", env!("CARGO_PKG_VERSION")).to_owned(),
            meter: Meter::default(),
        }
    }
}

// By hand: the URLs may hold passwords.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("base_url", &shown(&self.base_url))
            .field("proxy", &self.proxy)
            .field("is_direct", &self.is_direct)
            .field("allow_http_loopback", &self.allow_http_loopback)
            .field("budget", &self.budget)
            .field("share", &self.share)
            .field("urgency", &self.urgency)
            .field("in_flight", &self.in_flight)
            .field("connect_timeout", &self.connect_timeout)
            .field("is_prompt", &self.is_prompt)
            .field("request_timeout", &self.request_timeout)
            .field("retry_budget", &self.retry_budget)
            .field("max_attempts", &self.max_attempts)
            .field("max_body_bytes", &self.max_body_bytes)
            .finish_non_exhaustive()
    }
}

/// What may happen when a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing: try again on any passing failure.
    Safe,
    /// Doing it twice is the same as once: try again when the service was busy.
    Idempotent,
    /// Doing it twice is worse than not at all: try again only when no
    /// connection came about, so that nothing can have been sent.
    Never,
}

/// An answer as it came, its body not read yet.
#[derive(Debug)]
pub struct Forwarded(reqwest::Response);

impl Forwarded {
    /// Status.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// Headers.
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The next piece of the body; none after the last.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.0.chunk().await.map_err(|error| Error::new(broken(&error), ""))
    }
}

/// A good answer.
#[derive(Clone)]
pub struct Response {
    /// 200 to 299.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// What was asked, for messages.
    pub(crate) asked: String,
}

// By hand: the body may be the one that holds a new secret.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("asked", &self.asked)
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Response {
    /// The service's id for the conversation.
    pub fn conversation_id(&self) -> Option<&str> {
        self.headers.get("x-conversation-id")?.to_str().ok()
    }

    /// The body as JSON of this type.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::not_json(&error, &*self.asked))
    }
}

/// The client. Clones share the pair, the rate budget and the statistics.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    config: Config,
    host: String,
    http: reqwest::Client,
    source: Arc<dyn Source>,
    tokens: Tokens,
    line: Line,
    /// For what others wait for already.
    first: Line,
    holds: Holds,
    has_answered: AtomicBool,
    in_flight: Semaphore,
    clock: Clock,
    random: Random,
    tally: Tally,
    skew_ms: AtomicI64,
}

/// No skew measured yet.
const UNKNOWN_SKEW: i64 = i64::MIN;

/// How one try ended.
enum Try {
    Good(Response),
    Failed { error: Error, retry_after: Option<Duration>, is_unsent: bool, is_outdated: bool },
}

impl Client {
    /// Checks the configuration and prepares the pair; sends nothing.
    pub fn new(config: Config, pair: &Pair, clock: Clock, random: Random) -> Result<Self, Error> {
        let authority = Authority::from(pair);
        Self::with_source(config, Arc::new(Fixed::new(authority)), clock, random)
            .and_then(|client| client.checked(pair))
    }

    /// A client that asks for its credential at every try.
    pub fn with_source(
        config: Config,
        source: Arc<dyn Source>,
        clock: Clock,
        random: Random,
    ) -> Result<Self, Error> {
        let host =
            address::check(&config.base_url, config.allow_http_loopback).map_err(Error::config)?;
        let http = build_http(&config)?;
        Ok(Self(Arc::new(Inner {
            host,
            http,
            source,
            tokens: Tokens::default(),
            line: config.budget.line(&config.share, config.urgency),
            first: config.budget.line(&config.share, Urgency::Interactive),
            holds: Holds::default(),
            has_answered: AtomicBool::new(false),
            in_flight: Semaphore::new(config.in_flight.max(1)),
            clock,
            random,
            tally: Tally::with(config.meter.clone()),
            skew_ms: AtomicI64::new(UNKNOWN_SKEW),
            config,
        })))
    }

    fn checked(self, pair: &Pair) -> Result<Self, Error> {
        Authority::from(pair).check_region(&self.0.host)?;
        Ok(self)
    }

    /// What was done so far.
    pub fn stats(&self) -> Stats {
        self.0.tally.stats()
    }

    /// What holds requests up at this moment, if anything does.
    pub fn hold(&self) -> Option<Hold> {
        self.0.holds.now(self.0.line.free_at())
    }

    /// How fast requests may go, and did in the last minute.
    pub fn pace(&self) -> Pace {
        Pace { in_flight: self.0.holds.in_flight(), ..self.0.line.pace() }
    }

    /// How far the service's clock is ahead of ours, by the last answer's date.
    pub fn clock_skew_ms(&self) -> Option<i64> {
        Some(self.0.skew_ms.load(Ordering::Relaxed)).filter(|skew| *skew != UNKNOWN_SKEW)
    }

    /// Sends a signed request. `target` is path and query, percent-encoded.
    ///
    /// In a box: an `async fn` is compiled in every crate that awaits it.
    pub fn request<'a>(
        &'a self,
        method: Method,
        target: &'a str,
        body: Option<Vec<u8>>,
        repeat: Repeat,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + 'a>> {
        Box::pin(self.until_answered(method, target, body, repeat))
    }

    async fn until_answered(
        &self,
        method: Method,
        target: &str,
        body: Option<Vec<u8>>,
        repeat: Repeat,
    ) -> Result<Response, Error> {
        let url = self.url(target)?;
        let body = body.map(Bytes::from);
        let began = Instant::now();
        let (mut tries, mut is_renewed) = (0, false);
        loop {
            tries += 1;
            match self.try_once(&method, &url, body.clone()).await {
                Try::Good(response) => return Ok(response),
                // A refused credential has done nothing: once more with the one that
                // took its place meanwhile.
                Try::Failed { error, is_outdated: true, .. }
                    if error.is_not_authenticated() && !is_renewed =>
                {
                    is_renewed = true;
                    self.0.tally.count(Counted::Retry);
                }
                Try::Failed { mut error, retry_after, is_unsent, .. } => {
                    error.is_unsent = is_unsent;
                    let delay = retry_after.unwrap_or_else(|| self.backoff(tries));
                    error.tries = tries;
                    error.elapsed_ms =
                        u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    error.skew_ms = self.clock_skew_ms();
                    let is_worth_it = self.may_repeat(&error, repeat)
                        && tries < self.0.config.max_attempts
                        && began.elapsed() + delay < self.0.config.retry_budget;
                    if !is_worth_it {
                        return Err(error);
                    }
                    tracing::debug!(tries, delay_ms = delay.as_millis() as u64, %error, "trying again");
                    self.0.tally.count(Counted::Retry);
                    self.0.tally.count(Counted::Paused(delay));
                    let why = match error.status() {
                        Some(status) => Why::Answered(status),
                        None => Why::Failed,
                    };
                    let _held = self.0.holds.until(why, Instant::now() + delay);
                    tokio::time::sleep(delay).await;
                }
            }
        }
    }

    /// A signed GET.
    pub async fn get(&self, target: &str) -> Result<Response, Error> {
        self.request(Method::GET, target, None, Repeat::Safe).await
    }

    /// Whether a link stays on this service.
    pub fn is_own(&self, href: &str) -> bool {
        Url::parse(href).is_ok_and(|url| url.origin() == self.0.config.base_url.origin())
    }

    async fn try_once(&self, method: &Method, url: &Url, body: Option<Bytes>) -> Try {
        let inner = &self.0;
        let asked = Error::asked(method, target_of(url));
        let fail = |error, is_unsent| Try::Failed {
            error,
            retry_after: None,
            is_unsent,
            is_outdated: false,
        };
        let Ok(_permit) = inner.in_flight.acquire().await else {
            return fail(Error::new(Kind::Broken("the client was closed".into()), asked), true);
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if body.is_some() {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
        }
        let sent = self.send(method, url, headers, body.unwrap_or_default().into()).await;
        let (response, lease) = match sent {
            Ok(sent) => sent,
            Err((error, is_unsent)) => return fail(error, is_unsent),
        };
        let mut judged = self.judge(response, asked).await;
        if let Try::Failed { error, is_outdated, .. } = &mut judged
            && error.is_not_authenticated()
        {
            *is_outdated = self.is_outdated(lease).await;
        }
        judged
    }

    /// Waits for the rate budget and the credential, authorises and sends. Fails with
    /// whether nothing was sent.
    async fn send(
        &self,
        method: &Method,
        url: &Url,
        mut headers: HeaderMap,
        body: reqwest::Body,
    ) -> Result<(reqwest::Response, Lease), (Error, bool)> {
        let inner = &self.0;
        let unsent = |error| (error, true);
        let (lease, authorization) = self.admitted(method, url).await.map_err(unsent)?;
        let mut value = HeaderValue::from_str(&authorization)
            .map_err(|_| unsent(Error::config("the authorization is no header value")))?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
        inner.tally.count(Counted::Request);
        let request = inner.http.request(method.clone(), url.clone()).headers(headers).body(body);
        let _held =
            inner.holds.until(Why::Unanswered, Instant::now() + inner.config.request_timeout);
        match request.send().await {
            Ok(response) => {
                self.note_answer(response.status(), response.headers()).await;
                Ok((response, lease))
            }
            Err(error) => {
                let is_unsent = error.is_connect();
                let asked = Error::asked(method, target_of(url));
                Err((Error::new(self.transport(&error).await, asked), is_unsent))
            }
        }
    }

    /// Waits for a place in the minute and for the credential; what authorises the request,
    /// which is to go out at once.
    async fn admitted(
        &self,
        method: &Method,
        url: &Url,
    ) -> Result<(Lease, Zeroizing<String>), Error> {
        let inner = &self.0;
        let mut places = 0;
        loop {
            self.place(&inner.line).await;
            places += 1;
            let placed = Instant::now();
            let lease = inner.source.lease().await.map_err(Error::credential)?;
            lease.authority.check_region(&inner.host)?;
            let bearer = match &*lease.authority {
                Authority::Signer(_) => None,
                Authority::OAuthClient(client) => Some(self.bearer(client).await?),
            };
            // The place was for a request at that moment: a later one is of another minute.
            if placed.elapsed() > LATE && places < PLACES {
                continue;
            }
            // After any wait: the signature's time is the time of sending.
            let authorization = match (&*lease.authority, bearer) {
                (Authority::Signer(signer), _) => Zeroizing::new(self.sign(signer, method, url)?),
                (_, bearer) => bearer.unwrap_or_default(),
            };
            return Ok((lease, authorization));
        }
    }

    /// Waits for a place in the minute.
    async fn place(&self, line: &Line) {
        let waited = {
            let _held = self.0.holds.for_budget();
            line.wait().await
        };
        self.0.tally.count(Counted::Waited(waited));
    }

    /// Why an answer did not come.
    async fn transport(&self, error: &reqwest::Error) -> Kind {
        let config = &self.0.config;
        match broken(error) {
            kind @ Kind::Certificate(_) => kind,
            _ if error.is_connect() => {
                let patience = config.connect_timeout;
                let proxy = config.proxy.as_ref();
                Kind::Unreached(
                    Unreached::of(error, &config.base_url, proxy, patience).await.into(),
                )
            }
            Kind::Timeout(_) => Kind::Timeout(Some(config.request_timeout)),
            kind => kind,
        }
    }

    /// Whether what this lease held was replaced, so that a 401 may be its fault. A
    /// token is forgotten: it may have been withdrawn before its time.
    async fn is_outdated(&self, lease: Lease) -> bool {
        let Lease { authority, hold } = lease;
        drop(hold);
        let id = authority.id();
        self.0.tokens.forget(id) || self.0.source.replaced(id).await
    }

    /// Sends one request for somebody else, whatever it is answered: no retry but the
    /// one with a credential that took the place of a refused one. `target` is path
    /// and query, percent-encoded; `headers` must not hold an authorization.
    pub fn forward<'a>(
        &'a self,
        method: &'a Method,
        target: &'a str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Forwarded, Error>> + Send + 'a>> {
        Box::pin(self.until_forwarded(method, target, headers, body))
    }

    async fn until_forwarded(
        &self,
        method: &Method,
        target: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Forwarded, Error> {
        let url = self.url(target)?;
        let asked = Error::asked(method, target_of(&url));
        let closed = || Error::new(Kind::Broken("the client was closed".into()), &*asked);
        let _permit = self.0.in_flight.acquire().await.map_err(|_| closed())?;
        let (response, lease) = self
            .send(method, &url, headers.clone(), body.clone().into())
            .await
            .map_err(|(error, _)| error)?;
        if response.status() != StatusCode::UNAUTHORIZED || !self.is_outdated(lease).await {
            return Ok(Forwarded(response));
        }
        let (response, _) =
            self.send(method, &url, headers, body.into()).await.map_err(|(error, _)| error)?;
        Ok(Forwarded(response))
    }

    async fn judge(&self, response: reqwest::Response, asked: String) -> Try {
        let status = response.status();
        let headers = response.headers().clone();
        let conversation_id = headers.get("x-conversation-id").and_then(|id| id.to_str().ok());
        let conversation_id = conversation_id.map(|id| line(id).at_most(100).to_string());
        let body = self.read_body(response).await;
        if status.is_success() {
            return match body {
                Ok(body) => Try::Good(Response { status, headers, body, asked }),
                Err(kind) => Try::Failed {
                    error: Error { conversation_id, ..Error::new(kind, asked) },
                    retry_after: None,
                    is_unsent: false,
                    is_outdated: false,
                },
            };
        }
        let kind = match headers.get(header::LOCATION) {
            Some(to) if status.is_redirection() => Kind::Redirect(
                line(&String::from_utf8_lossy(to.as_bytes())).at_most(200).to_string(),
            ),
            _ => Kind::Status(status),
        };
        let said = body.ok().map(|body| ErrorBody::parse(&body).message);
        // A 401 repeats the conversation id as its message.
        let said = said.filter(|said| {
            !said.is_empty()
                && !conversation_id.as_deref().is_some_and(|id| id.contains(said.as_str()))
        });
        let retry_after = self.retry_after(&headers);
        let error = Error { said, conversation_id, ..Error::new(kind, asked) };
        Try::Failed { error, retry_after, is_unsent: false, is_outdated: false }
    }

    async fn read_body(&self, mut response: reqwest::Response) -> Result<Bytes, Kind> {
        let limit = self.0.config.max_body_bytes;
        let announced = response.content_length().unwrap_or_default();
        if announced > limit as u64 {
            return Err(Kind::TooLarge(limit));
        }
        let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or_default());
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > limit => {
                    return Err(Kind::TooLarge(limit));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) if error.is_timeout() => {
                    return Err(Kind::Timeout(Some(self.0.config.request_timeout)));
                }
                Err(error) => return Err(Kind::Broken(root_cause(&error))),
            }
        }
        self.0.tally.count(Counted::Bytes(body.len()));
        Ok(body.into())
    }

    /// Signs the target exactly as the URL will be sent.
    fn sign(&self, signer: &Signer, method: &Method, url: &Url) -> Result<String, Error> {
        let mut nonce = [0; 16];
        (self.0.random)(&mut nonce);
        let now_ms = u64::try_from((self.0.clock)()).unwrap_or_default();
        let target = target_of(url);
        let request = Request::new(method.as_str(), &self.0.host, target);
        signer
            .authorize(&request, now_ms, &nonce)
            .map_err(|error| Error::config(format!("failed to sign: {error}")))
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.0.clock)()
    }

    /// The service's time, as far as its answers told it.
    pub fn service_now_ms(&self) -> i64 {
        self.now_ms() + self.clock_skew_ms().unwrap_or_default()
    }

    /// The error for an answer that is not what it must be.
    pub fn mismatch(&self, what: &str) -> Error {
        Error::not_json(&what, "")
    }

    /// The value of the `Authorization` header for an OAuth client.
    async fn bearer(&self, client: &OAuthClient) -> Result<Zeroizing<String>, Error> {
        let now_ms = self.now_ms();
        if let Some(header) = self.0.tokens.live(&client.id, now_ms) {
            return Ok(header);
        }
        let headers = token::headers(client)?;
        let answer = self.post_unsigned(token::TARGET, headers, token::FORM).await?;
        self.0.tokens.keep(&client.id, &answer, now_ms)
    }

    /// One POST with headers of its own; the answer's body, if it is a good one.
    async fn post_unsigned(
        &self,
        target: &str,
        headers: HeaderMap,
        body: &'static str,
    ) -> Result<Bytes, Error> {
        let url = self.url(target)?;
        let asked = Error::asked(&Method::POST, target);
        // A rotation waits for whoever asks for a token.
        self.place(&self.0.first).await;
        self.0.tally.count(Counted::Request);
        let request = self.0.http.post(url).headers(headers).body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(Error::new(self.transport(&error).await, asked)),
        };
        self.note_answer(response.status(), response.headers()).await;
        match self.judge(response, asked).await {
            Try::Good(response) => Ok(response.body),
            Try::Failed { error, .. } => Err(error),
        }
    }

    fn url(&self, target: &str) -> Result<Url, Error> {
        if !target.starts_with('/') || target.starts_with("//") {
            return Err(Error::config(format!("`{target}` is not a path on the service")));
        }
        let base = self.0.config.base_url.as_str().trim_end_matches('/');
        // The real service answers 401 to a literal `+` for a space.
        let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
        let text = match query {
            Some(query) => format!("{base}{path}?{}", query.replace('+', "%20")),
            None => format!("{base}{path}"),
        };
        let url = Url::parse(&text).map_err(|error| {
            Error::config(format!("`{target}` is not a request target: {error}"))
        })?;
        if url.origin() != self.0.config.base_url.origin() || url.fragment().is_some() {
            return Err(Error::config(format!("`{target}` leaves the service")));
        }
        Ok(url)
    }

    fn may_repeat(&self, error: &Error, repeat: Repeat) -> bool {
        if error.is_unsent {
            let may_be_wrong =
                self.0.config.is_prompt && !self.0.has_answered.load(Ordering::Relaxed);
            return match &error.kind {
                Kind::Unreached(unreached) => unreached.is_passing() && !may_be_wrong,
                _ => false,
            };
        }
        let status = error.status();
        match repeat {
            Repeat::Safe => match error.kind {
                Kind::Timeout(_) | Kind::Broken(_) => true,
                _ => matches!(status, Some(429 | 500 | 502 | 503 | 504)),
            },
            Repeat::Idempotent => matches!(status, Some(429 | 503)),
            Repeat::Never => false,
        }
    }

    /// Exponential, with full jitter.
    fn backoff(&self, tries: u32) -> Duration {
        let ceiling = (FIRST_DELAY_MS << tries.min(10)).min(LONGEST_DELAY_MS);
        let mut bytes = [0; 8];
        (self.0.random)(&mut bytes);
        Duration::from_millis(u64::from_le_bytes(bytes) % (ceiling + 1))
    }

    /// Seconds, or a date.
    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        let wait = match text.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                let wait_ms = parse_http_date(text)? - (self.0.clock)();
                Duration::from_millis(u64::try_from(wait_ms).unwrap_or_default())
            }
        };
        Some(wait.min(LONGEST_CLOSED))
    }

    async fn note_answer(&self, status: StatusCode, headers: &HeaderMap) {
        if status == StatusCode::TOO_MANY_REQUESTS {
            self.0.tally.count(Counted::RateLimited);
            // It is the address that is refused, and not this request alone.
            let wait = self.retry_after(headers).unwrap_or_else(|| self.backoff(1));
            self.0.line.close(wait).await;
        }
        self.0.has_answered.store(true, Ordering::Relaxed);
        let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
        if let Some(theirs_ms) = date.and_then(parse_http_date) {
            self.0.skew_ms.store(theirs_ms - (self.0.clock)(), Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &shown(&self.0.config.base_url))
            .finish_non_exhaustive()
    }
}

fn target_of(url: &Url) -> &str {
    &url[url::Position::BeforePath..url::Position::AfterQuery]
}

fn parse_http_date(text: &str) -> Option<i64> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond())
}

fn build_http(config: &Config) -> Result<reqwest::Client, Error> {
    // The program has one already; another program with this client may not.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .tcp_nodelay(true)
        .user_agent(&config.user_agent)
        .connect_timeout(config.connect_timeout)
        .timeout(config.request_timeout)
        .pool_max_idle_per_host(config.in_flight);
    if let Some(pem) = &config.ca_pem {
        let certificates = reqwest::Certificate::from_pem_bundle(pem)
            .map_err(|error| Error::config(format!("the CA file cannot be read: {error}")))?;
        if certificates.is_empty() {
            return Err(Error::config("the CA file holds no certificate"));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    if config.is_direct {
        builder = builder.no_proxy();
    } else if let Some(proxy) = &config.proxy {
        let proxy = reqwest::Proxy::all(proxy.url().clone()).map_err(|error| {
            Error::config(format!("the proxy cannot be used: {}", root_cause(&error)))
        })?;
        builder = builder.proxy(proxy);
    }
    builder
        .build()
        .map_err(|error| Error::config(format!("failed to prepare TLS: {}", root_cause(&error))))
}

/// What broke, as far as the error alone says it.
fn broken(error: &reqwest::Error) -> Kind {
    let cause = root_cause(error);
    let lower = cause.to_ascii_lowercase();
    if lower.contains("certificate") || lower.contains("unknownissuer") {
        Kind::Certificate(cause)
    } else if error.is_timeout() {
        Kind::Timeout(None)
    } else {
        Kind::Broken(cause)
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
