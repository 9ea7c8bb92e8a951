//! The client against a scripted service that records what it receives.

mod credentials;
mod reach;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_client::{Client, Clock, Config, Error, Method, Random, Repeat, Url};
use countersign_signing::{ApiId, ApiSecret, Authorization, Pair, Request as Signed, SigningKey};
use proptest::prelude::*;

const NOW_MS: i64 = 1_780_000_000_000;

type Script = Arc<dyn Fn(usize, &str) -> Response + Send + Sync>;

/// Method, raw target and `Authorization` of each request.
type Log = Arc<Mutex<Vec<(String, String, String)>>>;

struct Service {
    url: String,
    log: Log,
}

impl Service {
    async fn start(script: impl Fn(usize, &str) -> Response + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let log = Log::default();
        let state: (Log, Script) = (Arc::clone(&log), Arc::new(script));
        let router = Router::new().fallback(answer).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, log }
    }

    fn client(&self) -> Client {
        self.client_with(|_| {})
    }

    fn client_with(&self, change: impl FnOnce(&mut Config)) -> Client {
        let mut config = Config::new(Url::parse(&self.url).expect("a URL"));
        config.allow_http_loopback = true;
        config.max_attempts = 3;
        change(&mut config);
        Client::new(config, &pair(), clock(), random()).expect("a client")
    }

    fn seen(&self) -> Vec<(String, String, String)> {
        self.log.lock().expect("no panic under the lock").clone()
    }
}

async fn answer(State((log, script)): State<(Log, Script)>, request: Request) -> Response {
    let text = |value: Option<&HeaderValue>| {
        value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let target = request.uri().path_and_query().map_or("", |target| target.as_str()).to_owned();
    let entry = (
        request.method().to_string(),
        target.clone(),
        text(request.headers().get("authorization")),
    );
    let nth = {
        let mut log = log.lock().expect("no panic under the lock");
        log.push(entry);
        log.len()
    };
    script(nth, &target)
}

fn clock() -> Clock {
    Arc::new(|| NOW_MS)
}

/// Counts, so that every nonce is another.
fn random() -> Random {
    let next = std::sync::atomic::AtomicU64::new(1);
    Arc::new(move |buffer| {
        buffer.fill(0);
        let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        buffer[..8].copy_from_slice(&n.to_le_bytes());
    })
}

fn pair() -> Pair {
    Pair {
        id: ApiId::parse(&"a1".repeat(16)).expect("an id"),
        secret: ApiSecret::from_bytes(vec![5; 64]),
    }
}

fn status(code: u16) -> Response {
    StatusCode::from_u16(code).expect("a status").into_response()
}

fn page(number: u64, size: u64, total: u64, elements: usize) -> Response {
    let body = serde_json::json!({
        "_embedded": {"applications": vec![serde_json::json!({}); elements]},
        "page": {"number": number, "size": size, "total_elements": total, "total_pages": total.div_ceil(size)},
    });
    axum::Json(body).into_response()
}

async fn read_all(client: &Client, size: u32) -> Result<u64, Error> {
    let mut pages = client.applications(size);
    let mut count = 0;
    while let Some(page) = pages.next().await? {
        assert!(page.elements().all(|element| element == "{}"));
        count += 1;
    }
    Ok(count)
}

#[tokio::test]
async fn what_must_not_be_repeated_is_not() {
    for code in [429, 500, 503] {
        let service = Service::start(move |_, _| status(code)).await;
        let client = service.client();
        let outcome =
            client.request(Method::POST, "/mint", Some(b"{}".to_vec()), Repeat::Never).await;
        assert_eq!(outcome.expect_err("a failure").status(), Some(code));
        assert_eq!(service.seen().len(), 1, "{code}");
    }
    for code in [400, 401, 403, 404, 409] {
        let service = Service::start(move |_, _| status(code)).await;
        let error = service.client().get("/x").await.expect_err("a failure");
        assert_eq!((error.status(), service.seen().len()), (Some(code), 1));
    }
}

#[tokio::test]
async fn nothing_is_followed_to_another_place() {
    let service = Service::start(|_, _| {
        (StatusCode::FOUND, [("location", "https://elsewhere.example.com/")]).into_response()
    })
    .await;
    let error = service.client().get("/x").await.expect_err("a refusal");
    assert!(error.is_refused_redirect(), "{error}");
    let linked = Service::start(|_, _| {
        let body = r#"{"_links":{"next":{"href":"https://elsewhere.example.com/"}},"page":{"number":0,"size":1,"total_elements":0,"total_pages":0}}"#;
        body.into_response()
    })
    .await;
    let error = read_all(&linked.client(), 1).await.expect_err("a refusal");
    assert!(error.is_refused_redirect(), "{error}");
    for target in ["//elsewhere.example.com/", "https://elsewhere.example.com/", "", "@x", "/x#y"] {
        assert!(service.client().get(target).await.expect_err(target).is_config(), "{target}");
    }
}

#[tokio::test]
async fn configurations_that_cannot_be_right() {
    let refuse = |url: &str, id: &str, loopback: bool| {
        let mut config = Config::new(Url::parse(url).expect("a URL"));
        config.allow_http_loopback = loopback;
        let pair = Pair { id: ApiId::parse(id).expect("an id"), ..pair() };
        Client::new(config, &pair, clock(), random()).expect_err(url).to_string()
    };
    let id = "a1".repeat(16);
    assert!(refuse("http://api.veracode.com", &id, true).contains("not https"));
    assert!(refuse("http://127.0.0.1:80", &id, false).contains("hint"));
    assert!(refuse("https://api.veracode.com/appsec", &id, false).contains("host and port alone"));
    let european = format!("vera01ei-{id}");
    assert!(refuse("https://api.veracode.com", &european, false).contains("api.veracode.eu"));
    let config = Config::new(Url::parse("https://localhost:8443").expect("a URL"));
    let pair = Pair { id: ApiId::parse(&european).expect("an id"), ..pair() };
    Client::new(config, &pair, clock(), random())
        .expect("a prefixed pair fits a host of one's own");
}

#[tokio::test]
async fn answers_that_are_too_large_or_no_json() {
    let large = Service::start(|_, _| "x".repeat(5000).into_response()).await;
    let client = large.client_with(|config| config.max_body_bytes = 1000);
    assert!(client.get("/x").await.expect_err("too large").to_string().contains("1000 bytes"));
    let html = Service::start(|_, _| "<html><title>Sign in</title></html>".into_response()).await;
    let error = read_all(&html.client(), 1).await.expect_err("no JSON");
    assert!(error.to_string().contains("not what was asked for"), "{error}");
}

#[tokio::test]
async fn pages_that_do_not_add_up() {
    type Answer = fn(u64) -> Response;
    let cases: [(&str, Answer); 6] = [
        ("short", |n| page(n, 2, 4, if n == 1 { 1 } else { 2 })),
        ("long", |n| page(n, 2, 4, 3)),
        ("drift", |n| page(n, 2, 4 + n, 2)),
        ("another page", |_| page(0, 2, 4, 2)),
        ("larger pages", |n| page(n, 4, 4, 4)),
        ("empty with a total", |n| page(n, 2, 4, 0)),
    ];
    for (name, answer) in cases {
        let service =
            Service::start(move |_, target| answer(u64::from(target.contains("page=1")))).await;
        let error = read_all(&service.client(), 2).await.expect_err(name);
        assert!(error.is_incomplete(), "{name}: {error}");
    }
    let clamped =
        Service::start(|_, target| page(u64::from(target.contains("page=1")), 2, 4, 2)).await;
    assert_eq!(read_all(&clamped.client(), 500).await.expect("a clamped size is fine"), 2);
}

#[tokio::test]
async fn every_try_is_signed_anew_and_told() {
    let service =
        Service::start(|nth, _| if nth < 3 { status(503) } else { "{}".into_response() }).await;
    let client = service.client();
    client.get("/x?y=z").await.expect("the third try");
    let seen = service.seen();
    let key = SigningKey::new(&ApiSecret::from_bytes(vec![5; 64]));
    let mut tags = std::collections::HashSet::new();
    for (method, target, header) in &seen {
        let header = Authorization::parse(header).expect("a header");
        key.verify(&header, [Signed::new(method, "127.0.0.1", target)]).expect("a signature");
        assert!(tags.insert(header.replay_tag()), "a nonce twice");
    }
    assert_eq!((seen.len(), client.stats().requests, client.stats().retries), (3, 3, 2));

    let never = Service::start(|_, _| status(503)).await;
    let error = never.client().get("/x").await.expect_err("it never works");
    assert_eq!(error.tries(), 3);
    assert!(error.to_string().contains("after 3 tries"), "{error}");
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let service = Service::start(|nth, _| {
        if nth == 1 {
            return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "90")]).into_response();
        }
        "{}".into_response()
    })
    .await;
    let client = service.client_with(|config| config.retry_budget = Duration::from_secs(30));
    let error = client.get("/x").await.expect_err("90 s do not fit in 30 s");
    assert!(error.is_rate_limited() && service.seen().len() == 1, "{error}");
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let service = Service::start(|_, _| status(401)).await;
    let client = service.client();
    let error = client.get("/x").await.expect_err("401");
    for text in [format!("{client:?}"), format!("{error:?}"), error.to_string()] {
        assert!(!text.contains("0505") && !text.contains("VERACODE-HMAC"), "{text}");
    }
    assert!(error.is_not_authenticated() && error.to_string().contains("hint:"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is signed is what goes over the wire, whatever the URL parser does
    /// to the characters in between.
    #[test]
    fn the_signature_covers_the_target_as_sent(path in "[ -~äöü]{0,30}", query in "[ -~ß€]{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let outcome: Result<(), TestCaseError> = runtime.block_on(async {
            let service = Service::start(|_, _| "{}".into_response()).await;
            let target = format!("/{path}?{query}");
            if service.client().get(&target).await.is_err() {
                // Refused before it was sent, or not sent at all.
                return Ok(());
            }
            let (method, sent, header) = service.seen().pop().expect("a request");
            let header = Authorization::parse(&header).expect("a header");
            let key = SigningKey::new(&ApiSecret::from_bytes(vec![5; 64]));
            prop_assert!(key.verify(&header, [Signed::new(&method, "127.0.0.1", &sent)]).is_ok(), "{} as {}", target, sent);
            prop_assert!(!sent.contains('+') || !sent.split_once('?').is_some_and(|(_, q)| q.contains('+')));
            Ok(())
        });
        outcome?;
    }
}
