//! Signs for programs that cannot: callers with tokens of their own, rules for each, one
//! pair that none of them sees.
//!
//! Callers come over a loopback address or a socket, and a [`countersign_client::Client`]
//! signs and sends what they may ask for: the Secret Key never leaves the process. No
//! arguments, no environment, no SQL; time and randomness are given, and of the store the
//! broker sees its own tables alone.
//!
//! A request gets a line in the log, passes the gate, is known by its token, judged by
//! its rules, and only then sent on. What refuses it says so by a code.

mod answer;
mod audit;
mod error;
mod gate;
mod head;
mod listen;
mod refusal;
mod rule;
mod target;
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use countersign_client::{Client, Clock, HeaderMap};
use countersign_store::Store;
use countersign_web::body::RequestBody;
use countersign_web::{Host, Unsent, serve};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, Uri};
use subtle::Choice;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use answer::Body;
use audit::{Audit, Line, Writer};
use gate::Gate;
use head::Heads;
use refusal::Refusal;
use rule::Verdict;
use target::Target;

pub use error::Error;
pub use listen::{Address, Listener};
pub use refusal::HEADER;
pub use rule::{MAX_RULES, Rule};
pub use token::{Digest, Token};

/// The target of a request as it would be sent on; none where rules or its form forbid
/// that. For whoever wants to know before there is a broker.
pub fn let_through(rules: &[Rule], method: &Method, uri: &Uri) -> Option<String> {
    let target = Target::parse(uri).ok()?;
    let is_allowed = rule::judge(rules, method, target.path()) == Verdict::Allowed;
    is_allowed.then(|| target.as_str().to_owned())
}

/// How a broker works.
pub struct Config {
    /// Signs and sends.
    pub client: Client,
    /// Holds callers and the log.
    pub store: Store,
    /// What any caller may ask for at most, whatever its own rules say; empty: those
    /// alone count.
    pub ceiling: Vec<Rule>,
    /// The callers that are let in, by name; empty: all.
    pub only: Vec<String>,
    /// Callers that are not in the store.
    pub further: Vec<FurtherCaller>,
    /// The clock.
    pub clock: Clock,
    /// The bounds.
    pub limits: Limits,
}

/// A caller that is not in the store.
#[derive(Debug, Clone)]
pub struct FurtherCaller {
    /// Name.
    pub name: String,
    /// SHA-256 of its token.
    pub digest: Digest,
    /// What it may ask for.
    pub rules: Vec<Rule>,
}

/// The bounds of a broker.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Requests of one caller on their way at once.
    pub in_flight_per_caller: usize,
    /// Size of a head.
    pub head_bytes: usize,
    /// Size of a body.
    pub body_bytes: u64,
    /// Size of all bodies that are held at once, small ones apart.
    pub held_bytes: u64,
    /// Time for a head, and between requests.
    pub head_time: Duration,
    /// Time for a body to come in.
    pub body_time: Duration,
    /// Time for what is left of the body of a refused request.
    pub drain_time: Duration,
    /// Time for the service to begin its answer, waiting for the rate budget included.
    pub answer_time: Duration,
    /// Time in which a caller takes nothing of its answer.
    pub stall_time: Duration,
    /// Time for running requests when the broker ends.
    pub end_time: Duration,
}

impl Limits {
    /// The usual ones.
    pub fn usual() -> Self {
        Self {
            connections: 256,
            in_flight_per_caller: 16,
            head_bytes: 32 * 1024,
            body_bytes: 16 << 20,
            held_bytes: 64 << 20,
            head_time: Duration::from_secs(20),
            body_time: Duration::from_secs(60),
            drain_time: Duration::from_secs(2),
            answer_time: Duration::from_secs(150),
            stall_time: Duration::from_secs(30),
            end_time: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Those of them that the listener keeps. All callers have the same address, and are
    /// told apart only later.
    fn of_connections(&self) -> countersign_web::Limits {
        countersign_web::Limits {
            places: self.connections,
            places_per_address: self.connections,
            head: self.head_time,
            idle: self.head_time,
            head_bytes: self.head_bytes,
            // The broker's own are shorter, and say so in its own words.
            body_stall: self.body_time * 2,
            body_time: self.body_time * 2,
            write_stall: self.stall_time,
            end: self.end_time,
            ..countersign_web::Limits::default()
        }
    }
}

/// A broker that answers.
pub struct Broker {
    address: Address,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    inner: Arc<Inner>,
    writer: Writer,
}

struct Inner {
    client: Client,
    store: Store,
    ceiling: Vec<Rule>,
    only: Vec<String>,
    further: Vec<FurtherCaller>,
    clock: Clock,
    limits: Limits,
    gate: Gate,
    audit: Audit,
    /// For each caller, what it may still have on its way.
    places: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// Kilobytes that bodies may still take.
    room: Arc<Semaphore>,
}

impl Broker {
    /// Begins to answer.
    pub fn start(listener: Listener, config: Config) -> Self {
        let address = listener.address();
        let (audit, writer) = Audit::start(config.store.clone());
        let inner = Arc::new(Inner {
            client: config.client,
            store: config.store,
            ceiling: config.ceiling,
            only: config.only,
            further: config.further,
            clock: config.clock,
            limits: config.limits,
            gate: Gate::new(&address),
            audit,
            places: Mutex::default(),
            room: Arc::new(Semaphore::new(kilobytes(config.limits.held_bytes) as usize)),
        });
        let (stop, stopped) = watch::channel(false);
        let serving = {
            let (host, limits) = (Callers(Arc::clone(&inner)), config.limits.of_connections());
            tokio::spawn(serve(listener.0, host, limits, stopped))
        };
        Self { address, stop, serving, inner, writer }
    }

    /// Where callers reach it.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Takes no further requests, lets running ones end, and writes the log to its
    /// end.
    pub async fn shutdown(self) -> Result<(), Error> {
        let _ = self.stop.send(true);
        let _ = self.serving.await;
        match Arc::into_inner(self.inner) {
            Some(inner) => self.writer.close(inner.audit).await,
            None => Err(Error::unwritten()),
        }
    }
}

/// Who is answered.
#[derive(Clone)]
struct Callers(Arc<Inner>);

impl Host for Callers {
    type Watch = Heads;

    async fn answer(
        self,
        heads: Heads,
        request: Request<RequestBody>,
    ) -> Result<Response<countersign_web::Body>, Unsent> {
        Ok(answer_request(&self.0, &heads, request).await.map(countersign_web::Body::new))
    }
}

/// Answers whatever comes.
async fn answer_request(
    inner: &Inner,
    heads: &Heads,
    request: Request<RequestBody>,
) -> Response<Body> {
    let head = heads.take();
    let is_seen = head.is_some();
    let (parts, mut body) = request.into_parts();
    let outcome = match inner.audit.line(&parts, (inner.clock)()).await {
        Ok(mut line) => match inner.relay(&parts, &mut body, head, &mut line).await {
            Ok(response) => {
                line.answered(response.status().as_u16());
                Ok(response.map(|body| body.with_line(line)))
            }
            Err(refusal) => {
                line.refused(refusal.status.as_u16(), refusal.code);
                Err(refusal)
            }
        },
        Err(refusal) => Err(refusal),
    };
    let response = outcome.unwrap_or_else(answer::refused);
    let response = response.map(|body| body.with_next(heads.next()));
    let is_whole = is_seen
        && (body.is_end_stream() || is_drained(&parts, body, inner.limits.drain_time).await);
    if is_whole { response } else { closing(response) }
}

impl Inner {
    async fn relay(
        &self,
        parts: &Parts,
        body: &mut RequestBody,
        head: Option<head::Head>,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        self.gate.check(parts)?;
        let caller = self.known(&parts.headers).await?;
        line.caller(&caller.name);
        match head {
            None => {
                return Err(Refusal::bad_request("it came before the answer to the one before"));
            }
            Some(head) if head.has_fragment => {
                return Err(Refusal::bad_target("it has a fragment"));
            }
            Some(head) if head.is_ambiguous() => {
                return Err(Refusal::bad_request("its length is given more than once"));
            }
            Some(_) => {}
        }
        let target = Target::parse(&parts.uri)?;
        self.allow(&caller, parts, &target)?;
        let place = self.place(&caller.name)?;
        check_expectation(&parts.headers)?;
        let (body, _room) = self.read(body).await?;
        let headers = taken_over(&parts.headers);
        let forwarded = self.client.forward(&parts.method, target.as_str(), headers, body);
        let forwarded = tokio::time::timeout(self.limits.answer_time, forwarded)
            .await
            .map_err(|_| Refusal::too_slow())?
            .map_err(|error| Refusal::upstream(&error))?;
        let response = answer::relayed(forwarded).ok_or_else(Refusal::odd_answer)?;
        Ok(response.map(|body| body.with_place(place)))
    }

    /// The caller that has this token. Who has none takes the same way.
    async fn known(&self, headers: &HeaderMap) -> Result<Known, Refusal> {
        let digest = token::presented(headers);
        let stored = self.store.callers_of(digest.handle()).await.map_err(|error| {
            tracing::error!(%error, "the callers cannot be read");
            Refusal::store_failed()
        })?;
        let now_ms = (self.clock)();
        let mut known = None;
        for caller in stored {
            let is_live = caller.revoked_ms.is_none()
                && caller.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms);
            if bool::from(digest.is(&caller.digest) & Choice::from(u8::from(is_live))) {
                let rules = caller.rules.iter().map(|rule| rule.parse()).collect::<Result<_, _>>();
                let rules = rules.map_err(|error| {
                    tracing::error!(%error, caller = caller.name, "its rules cannot be read");
                    Refusal::store_failed()
                })?;
                known = Some(Known { name: caller.name, rules });
            }
        }
        for caller in &self.further {
            if bool::from(digest.is(&caller.digest.bytes())) {
                known = Some(Known { name: caller.name.clone(), rules: caller.rules.clone() });
            }
        }
        known
            .filter(|caller| self.only.is_empty() || self.only.contains(&caller.name))
            .ok_or_else(Refusal::unauthenticated)
    }

    /// Its own rules and, where there are any, those of the broker must allow it.
    fn allow(&self, caller: &Known, parts: &Parts, target: &Target) -> Result<(), Refusal> {
        let (method, path) = (&parts.method, target.path());
        let mut verdicts = vec![rule::judge(&caller.rules, method, path)];
        if !self.ceiling.is_empty() {
            verdicts.push(rule::judge(&self.ceiling, method, path));
        }
        if verdicts.contains(&Verdict::NotNamed) {
            return Err(Refusal::not_allowed(method, path));
        }
        if verdicts.contains(&Verdict::Guarded) {
            return Err(Refusal::guarded(method, path));
        }
        Ok(())
    }

    fn place(&self, caller: &str) -> Result<OwnedSemaphorePermit, Refusal> {
        let limit = self.limits.in_flight_per_caller;
        let mut all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let places = match all.get(caller) {
            Some(places) => Arc::clone(places),
            None => {
                let places = Arc::new(Semaphore::new(limit));
                all.insert(caller.to_owned(), Arc::clone(&places));
                places
            }
        };
        drop(all);
        places.try_acquire_owned().map_err(|_| Refusal::too_many(limit))
    }

    /// The body, whole: it may have to be sent a second time, with the credential that
    /// took the place of the first. With the room that it takes.
    async fn read(
        &self,
        body: &mut RequestBody,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Refusal> {
        if body.is_end_stream() {
            return Ok((Bytes::new(), None));
        }
        let limit = self.limits.body_bytes;
        let announced = body.size_hint().exact();
        if announced.is_some_and(|bytes| bytes > limit) {
            return Err(Refusal::body_too_large(limit));
        }
        let read = async {
            let room = match announced {
                Some(0..=SMALL_BODY_BYTES) => None,
                bytes => {
                    let kilobytes = kilobytes(bytes.unwrap_or(limit).min(self.limits.held_bytes));
                    let room = Arc::clone(&self.room).acquire_many_owned(kilobytes).await;
                    Some(room.map_err(|_| Refusal::body_too_slow())?)
                }
            };
            Ok((collect(body, limit).await?, room))
        };
        tokio::time::timeout(self.limits.body_time, read)
            .await
            .map_err(|_| Refusal::body_too_slow())?
    }
}

/// A caller, and what it may ask for.
struct Known {
    name: String,
    rules: Vec<Rule>,
}

/// Bodies up to this size find room without asking.
const SMALL_BODY_BYTES: u64 = 64 * 1024;

/// What of the body of a refused request is read, so that the answer is not lost with
/// the connection.
const DRAINED_BYTES: u64 = 1 << 20;

/// What of a caller's headers goes to the service; everything else stays here.
const TAKEN_OVER: [HeaderName; 10] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
    header::IF_RANGE,
];

fn taken_over(headers: &HeaderMap) -> HeaderMap {
    let mut taken = HeaderMap::new();
    for name in &TAKEN_OVER {
        for value in headers.get_all(name) {
            taken.append(name.clone(), value.clone());
        }
    }
    taken
}

fn check_expectation(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut expectations = headers.get_all(header::EXPECT).iter();
    match expectations.all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        true => Ok(()),
        false => Err(Refusal::expectation()),
    }
}

async fn collect(body: &mut RequestBody, limit: u64) -> Result<Bytes, Refusal> {
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| Refusal::body_broken())?.into_data() else { continue };
        if (collected.len() + piece.len()) as u64 > limit {
            return Err(Refusal::body_too_large(limit));
        }
        collected.extend_from_slice(&piece);
    }
    Ok(collected.freeze())
}

/// Reads what is left of a body that nobody wanted, if that is little. One that waits
/// to be asked for is not.
async fn is_drained(parts: &Parts, mut body: RequestBody, drain_time: Duration) -> bool {
    let is_large = body.size_hint().lower() > DRAINED_BYTES;
    if is_large || parts.headers.contains_key(header::EXPECT) {
        return false;
    }
    let drain = async {
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            bytes += frame.data_ref().map_or(0, |piece| piece.len() as u64);
            if bytes > DRAINED_BYTES {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(drain_time, drain).await.unwrap_or(false)
}

fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn kilobytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}
