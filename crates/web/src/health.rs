//! What those who run a program ask of every one alike: whether its process lives, whether it
//! does its work, and its metrics. The first two are answered from the first moment that
//! something listens, without sign-in, and say nothing of what is stored; metrics are for who
//! has the token, or whoever reaches a listener that is for them alone.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, StatusCode, Uri};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{Mutex, watch};
use tower::ServiceExt;

use crate::names::host_of;

/// Seconds after which a program that is not ready is worth another look.
const RETRY_SECONDS: u64 = 1;

/// How long a store may take to answer whether it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a program does not do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unready {
    /// Configuration, vault and store are being opened.
    StoreOpening,
    /// The store is open, the scheduler is not running yet.
    ScheduleStarting,
    /// The scheduler ended although nobody asked it to.
    ScheduleEnded,
    /// The store was open, and does not answer.
    StoreAway,
    /// The platform opens its data directory or seeds it.
    PlatformOpening,
    /// The program was asked to end.
    Ending,
}

impl Unready {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::StoreOpening,
        Self::ScheduleStarting,
        Self::ScheduleEnded,
        Self::StoreAway,
        Self::PlatformOpening,
        Self::Ending,
    ];

    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StoreOpening => "store_opening",
            Self::ScheduleStarting => "schedule_starting",
            Self::ScheduleEnded => "schedule_ended",
            Self::StoreAway => "store_away",
            Self::PlatformOpening => "platform_opening",
            Self::Ending => "ending",
        }
    }
}

/// Asks the store of a program for a sign of life; false where there is none.
pub type Ask = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// Whether a program does its work. Clones share it.
#[derive(Clone)]
pub struct Readiness(Arc<Known>);

struct Known {
    held: watch::Sender<Option<Unready>>,
    store: OnceLock<Ask>,
    /// One question at a time, however many want to know.
    turn: Mutex<()>,
}

impl Readiness {
    /// Not ready for this reason.
    pub fn not_yet(cause: Unready) -> Self {
        let held = watch::Sender::new(Some(cause));
        Self(Arc::new(Known { held, store: OnceLock::new(), turn: Mutex::new(()) }))
    }

    /// From now on it is ready, or is not for this reason. Who ends stays at its end.
    pub fn set(&self, cause: Option<Unready>) {
        self.0.held.send_if_modified(|held| {
            let is_over = *held == Some(Unready::Ending);
            if !is_over {
                *held = cause;
            }
            !is_over
        });
    }

    /// From now on it is ready only while its store answers. Whoever comes second changes
    /// nothing.
    pub fn needs(&self, store: Ask) {
        let _ = self.0.store.set(store);
    }

    /// Why it is not ready, as far as it has noted itself.
    pub fn cause(&self) -> Option<Unready> {
        *self.0.held.borrow()
    }

    /// The same with a look at the store.
    async fn found(&self) -> Option<Unready> {
        let (None, Some(store)) = (self.cause(), self.0.store.get()) else { return self.cause() };
        let answered = tokio::time::timeout(PATIENCE, async {
            let _turn = self.0.turn.lock().await;
            store().await
        });
        let is_there = answered.await.unwrap_or(false);
        self.cause().or((!is_there).then_some(Unready::StoreAway))
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readiness").field(&self.cause()).finish()
    }
}

/// Writes all metrics, or says why it cannot.
pub type Expose =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> + Send + Sync>;

/// The metrics of a program, once they can be read. Clones share them.
#[derive(Clone, Default)]
pub struct Gauges(Arc<Held>);

#[derive(Default)]
struct Held {
    given: OnceLock<(&'static str, Expose)>,
    /// One reading at a time: it asks the store a good deal.
    turn: Mutex<()>,
}

impl Gauges {
    /// From now on they are read from this, which writes text of this type. Whoever comes
    /// second changes nothing.
    pub fn give(&self, content_type: &'static str, expose: Expose) {
        let _ = self.0.given.set((content_type, expose));
    }
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauges").field("given", &self.0.given.get().is_some()).finish()
    }
}

/// Who may read metrics. Clones are changed together.
#[derive(Clone)]
pub struct Scrapers(Arc<watch::Sender<May>>);

#[derive(Clone, Copy)]
enum May {
    Nobody,
    /// Who has the token with this digest.
    Token([u8; 32]),
    Everybody,
}

impl Scrapers {
    /// Whoever reaches the listener.
    pub fn everybody() -> Self {
        Self(Arc::new(watch::Sender::new(May::Everybody)))
    }

    /// Who has this token; nobody without one.
    pub fn with_token(token: Option<&str>) -> Self {
        let scrapers = Self(Arc::new(watch::Sender::new(May::Nobody)));
        scrapers.set_token(token);
        scrapers
    }

    /// From now on it is this token.
    pub fn set_token(&self, token: Option<&str>) {
        let digest = token.map(|token| Sha256::digest(token).into());
        self.0.send_replace(digest.map_or(May::Nobody, May::Token));
    }

    fn may(&self, headers: &HeaderMap, target: &Uri) -> bool {
        match *self.0.borrow() {
            // A page of a browser that had its own name lead here would read them.
            May::Everybody => host_of(headers, target).is_none_or(is_address),
            May::Nobody => false,
            May::Token(digest) => bearer(headers).is_some_and(|token| {
                let given: [u8; 32] = Sha256::digest(token).into();
                given.ct_eq(&digest).into()
            }),
        }
    }
}

impl fmt::Debug for Scrapers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrapers").finish_non_exhaustive()
    }
}

/// Whether a host is an address, or this machine's own name.
fn is_address(host: &str) -> bool {
    let is_ours = |name: &str| name.eq_ignore_ascii_case("localhost");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok() || is_ours(name)
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// What answers on a listener: health at once, everything else once it is given. Clones
/// share it.
#[derive(Debug, Clone)]
pub struct Face {
    readiness: Readiness,
    gauges: Gauges,
    scrapers: Scrapers,
    rest: Arc<OnceLock<Router>>,
}

impl Face {
    /// One that answers health, and metrics to nobody.
    pub fn new(readiness: Readiness) -> Self {
        Self::with_metrics(readiness, Gauges::default(), Scrapers::with_token(None))
    }

    /// One that answers health, and metrics to these.
    pub fn with_metrics(readiness: Readiness, gauges: Gauges, scrapers: Scrapers) -> Self {
        Self { readiness, gauges, scrapers, rest: Arc::default() }
    }

    /// From now on everything else is answered by this. Whoever comes second changes nothing.
    pub fn open(&self, router: Router) {
        let _ = self.rest.set(router);
    }

    /// From now on nothing else is answered.
    pub fn close(&self) {
        self.open(Router::new());
    }

    /// What to serve.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/healthz", get(alive))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .fallback(otherwise)
            .with_state(self.clone())
    }
}

async fn metrics(State(face): State<Face>, target: Uri, headers: HeaderMap) -> Response {
    if !face.scrapers.may(&headers, &target) {
        let mut response =
            answer(StatusCode::UNAUTHORIZED, "{\"error\":\"unauthorized\"}\n".into());
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return response;
    }
    let Some((content_type, expose)) = face.gauges.0.given.get() else {
        return verdict(face.readiness.cause().or(Some(Unready::StoreOpening)));
    };
    let _turn = face.gauges.0.turn.lock().await;
    match expose().await {
        Ok(text) => {
            let mut response = answer(StatusCode::OK, text);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            response
        }
        Err(error) => {
            tracing::warn!(%error, "the metrics cannot be read");
            answer(StatusCode::INTERNAL_SERVER_ERROR, "{\"error\":\"unreadable\"}\n".into())
        }
    }
}

async fn alive() -> Response {
    answer(StatusCode::OK, "{\"alive\":true}\n".into())
}

async fn ready(State(face): State<Face>) -> Response {
    verdict(face.readiness.found().await)
}

fn verdict(cause: Option<Unready>) -> Response {
    let Some(cause) = cause else { return answer(StatusCode::OK, "{\"ready\":true}\n".into()) };
    let body = format!("{{\"ready\":false,\"cause\":\"{}\"}}\n", cause.as_str());
    let mut response = answer(StatusCode::SERVICE_UNAVAILABLE, body);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
    response
}

async fn otherwise(State(face): State<Face>, request: Request) -> Response {
    match face.rest.get() {
        Some(router) => router.clone().oneshot(request).await.into_response(),
        None => verdict(face.readiness.cause().or(Some(Unready::StoreOpening))),
    }
}

fn answer(status: StatusCode, body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt;

    use super::*;

    async fn asked(face: &Face, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = face.router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn until_it_is_ready_the_cause_is_named_and_nothing_else_answers() {
        for cause in Unready::ALL {
            let face = Face::new(Readiness::not_yet(cause));
            let said = format!("{{\"ready\":false,\"cause\":\"{}\"}}\n", cause.as_str());
            assert_eq!(asked(&face, "/readyz").await, (503, said.clone()));
            assert_eq!(asked(&face, "/sign-in").await, (503, said));
            assert_eq!(asked(&face, "/healthz").await, (200, "{\"alive\":true}\n".into()));
        }
    }

    #[tokio::test]
    async fn what_is_given_answers_everything_else() {
        let readiness = Readiness::not_yet(Unready::StoreOpening);
        let face = Face::new(readiness.clone());
        face.open(Router::new().route("/sign-in", get(async || "in")));
        readiness.set(None);
        assert_eq!(asked(&face, "/readyz").await, (200, "{\"ready\":true}\n".into()));
        assert_eq!(asked(&face, "/sign-in").await, (200, "in".into()));
        assert_eq!(asked(&face, "/nothing").await.0, 404);
    }

    #[tokio::test(start_paused = true)]
    async fn who_needs_a_store_is_ready_while_it_answers() {
        let readiness = Readiness::not_yet(Unready::StoreOpening);
        let (answers, answered) = watch::channel(Some(true));
        readiness.needs(Arc::new(move || {
            let answer = *answered.borrow();
            Box::pin(async move {
                match answer {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            })
        }));
        let face = Face::new(readiness.clone());
        let away = (503, "{\"ready\":false,\"cause\":\"store_away\"}\n".to_owned());
        assert!(asked(&face, "/readyz").await.1.contains("store_opening"));
        readiness.set(None);
        assert_eq!(asked(&face, "/readyz").await.0, 200);
        for silence in [Some(false), None] {
            answers.send(silence).unwrap();
            assert_eq!(asked(&face, "/readyz").await, away);
            assert_eq!(asked(&face, "/healthz").await.0, 200);
        }
        answers.send(Some(true)).unwrap();
        assert_eq!(asked(&face, "/readyz").await.0, 200);
        readiness.set(Some(Unready::Ending));
        assert!(asked(&face, "/readyz").await.1.contains("ending"));
    }

    async fn scraped(face: &Face, authorization: Option<&str>) -> (u16, String) {
        let mut request = Request::get("/metrics").body(Body::empty()).unwrap();
        if let Some(value) = authorization {
            request.headers_mut().insert(AUTHORIZATION, value.parse().unwrap());
        }
        let response = face.router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn metrics_are_for_who_has_the_token() {
        let gauges = Gauges::default();
        let of = |scrapers| {
            Face::with_metrics(Readiness::not_yet(Unready::StoreOpening), gauges.clone(), scrapers)
        };
        let (none, open) = (of(Scrapers::with_token(None)), of(Scrapers::everybody()));
        let scrapers = Scrapers::with_token(Some("first-token"));
        let face = of(scrapers.clone());
        assert_eq!(scraped(&open, None).await.0, 503, "there are none yet");
        gauges.give("text/plain", Arc::new(|| Box::pin(async { Ok("x 1\n".to_owned()) })));
        for given in [None, Some("first-token"), Some("Basic first-token"), Some("Bearer second")] {
            assert_eq!(scraped(&face, given).await.0, 401, "{given:?}");
            assert_eq!(scraped(&none, given).await.0, 401, "{given:?}");
        }
        assert_eq!(scraped(&none, Some("Bearer ")).await.0, 401);
        let read = (200, "x 1\n".to_owned());
        assert_eq!(scraped(&face, Some("Bearer first-token")).await, read);
        assert_eq!(scraped(&face, Some("bearer first-token")).await, read);
        assert_eq!(scraped(&open, None).await, read);
        scrapers.set_token(Some("second-token"));
        assert_eq!(scraped(&face, Some("Bearer first-token")).await.0, 401);
        assert_eq!(scraped(&face, Some("Bearer second-token")).await, read);
    }

    #[tokio::test]
    async fn a_page_that_calls_itself_otherwise_gets_no_metrics() {
        let gauges = Gauges::default();
        gauges.give("text/plain", Arc::new(|| Box::pin(async { Ok("x 1\n".to_owned()) })));
        let readiness = Readiness::not_yet(Unready::StoreOpening);
        let face = Face::with_metrics(readiness, gauges, Scrapers::everybody());
        for (host, status) in [
            ("evil.example.com:9464", 401),
            ("127.0.0.1.example.com", 401),
            ("", 401),
            ("127.0.0.1:9464", 200),
            ("127.0.0.1", 200),
            ("[::1]:9464", 200),
            ("localhost:9464", 200),
            ("LOCALHOST", 200),
        ] {
            let request = Request::get("/metrics").header("host", host).body(Body::empty());
            let response = face.router().oneshot(request.unwrap()).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{host}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_not_said() {
        let gauges = Gauges::default();
        gauges.give("text/plain", Arc::new(|| Box::pin(async { Err("/home/x: broken".into()) })));
        let readiness = Readiness::not_yet(Unready::StoreOpening);
        let face = Face::with_metrics(readiness, gauges, Scrapers::everybody());
        let (status, body) = scraped(&face, None).await;
        assert!(status == 500 && !body.contains("broken"), "{status} {body}");
    }

    #[tokio::test]
    async fn who_ends_is_not_ready_again() {
        let readiness = Readiness::not_yet(Unready::Ending);
        readiness.set(None);
        assert_eq!(readiness.cause(), Some(Unready::Ending));
        let face = Face::new(readiness);
        assert_eq!(asked(&face, "/readyz").await.0, 503);
    }
}
