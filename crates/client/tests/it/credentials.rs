//! Credentials that change under the client, tokens, and answers that mint.

use std::sync::atomic::{AtomicU64, Ordering};

use countersign_client::{Authority, HeaderMap, Lease, Leased, Minted, Replaced, Source};
use countersign_signing::OAuthClient;

use super::*;

/// Gives `first` until it was refused once, then `second`.
struct Rotated {
    generation: AtomicU64,
    held: Arc<AtomicU64>,
    newest: u64,
}

struct Held(Arc<AtomicU64>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn numbered(generation: u64) -> Pair {
    let id = ApiId::parse(&format!("{generation:032x}")).expect("an id");
    Pair { id, secret: ApiSecret::from_bytes(vec![7; 64]) }
}

impl Source for Rotated {
    fn lease(&self) -> Leased<'_> {
        let generation = self.generation.fetch_add(1, Ordering::SeqCst).min(self.newest);
        self.held.fetch_add(1, Ordering::SeqCst);
        let hold: Box<dyn Send> = Box::new(Held(Arc::clone(&self.held)));
        let authority = Arc::new(Authority::from(&numbered(generation)));
        Box::pin(std::future::ready(Ok(Lease { authority, hold: Some(hold) })))
    }

    fn replaced<'s>(&'s self, id: &'s str) -> Replaced<'s> {
        Box::pin(std::future::ready(id != numbered(self.newest).id.as_str()))
    }
}

fn rotated(service: &Service, from: u64, newest: u64) -> (Client, Arc<AtomicU64>) {
    let mut config = Config::new(Url::parse(&service.url).expect("a URL"));
    config.allow_http_loopback = true;
    let held = Arc::new(AtomicU64::new(0));
    let source = Rotated { generation: from.into(), held: Arc::clone(&held), newest };
    (Client::with_source(config, Arc::new(source), clock(), random()).expect("a client"), held)
}

fn id_of(header: &str) -> String {
    Authorization::parse(header).expect("a signed request").id().to_owned()
}

#[tokio::test]
async fn a_refused_pair_that_was_replaced_is_followed_by_the_newer_once() {
    for method in [Method::GET, Method::POST] {
        let service = Service::start(|nth, _| status(if nth == 1 { 401 } else { 200 })).await;
        let (client, held) = rotated(&service, 1, 2);
        client.request(method, "/x", None, Repeat::Never).await.expect("the newer is accepted");
        let ids: Vec<_> = service.seen().iter().map(|(.., header)| id_of(header)).collect();
        assert_eq!(ids, [numbered(1).id.to_string(), numbered(2).id.to_string()]);
        assert_eq!(held.load(Ordering::SeqCst), 0, "every lease was given back");
    }
    let service = Service::start(|_, _| status(401)).await;
    let (client, _) = rotated(&service, 1, 2);
    client.get("/x").await.expect_err("both are refused");
    assert_eq!(service.seen().len(), 2, "not a third time");
    let service = Service::start(|_, _| status(401)).await;
    let (client, _) = rotated(&service, 2, 2);
    client.get("/x").await.expect_err("the newest is refused");
    assert_eq!(service.seen().len(), 1, "there is none newer");
}

#[tokio::test]
async fn what_is_forwarded_comes_back_as_it_is() {
    let service = Service::start(|nth, target| match (nth, target) {
        (1, _) => status(401),
        (_, "/teapot") => (StatusCode::IM_A_TEAPOT, [("x-kept", "yes")], "short").into_response(),
        _ => status(503),
    });
    let service = service.await;
    let (client, _) = rotated(&service, 1, 2);
    let mut answer = client
        .forward(&Method::PUT, "/teapot", HeaderMap::new(), "{}".into())
        .await
        .expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-kept"]),
        (418, &"yes".parse().unwrap())
    );
    assert_eq!(answer.chunk().await.unwrap().as_deref(), Some(&b"short"[..]));
    let busy = client.forward(&Method::GET, "/x", HeaderMap::new(), Default::default()).await;
    assert_eq!(busy.expect("an answer").status().as_u16(), 503);
    assert_eq!(service.seen().len(), 3, "no retry of its own");
}

const SECRET: &str = "5e";

fn minting(nth: usize) -> Response {
    let body = serde_json::json!({
        "api_id": format!("{nth:032x}"), "api_secret": SECRET.repeat(64),
        "expiration_ts": "2027-03-01T09:30:00.000Z",
    });
    axum::Json(body).into_response()
}

#[tokio::test]
async fn a_minted_pair_is_read_and_its_loss_is_told_apart() {
    let service = Service::start(|nth, _| minting(nth)).await;
    let client = service.client();
    let Minted { credential, expires } = client.mint(Some("some-user")).await.expect("a pair");
    assert_eq!(credential.secret.expose(), [0x5e; 64]);
    assert_eq!(expires.as_deref(), Some("2027-03-01T09:30:00.000Z"));
    let seen = service.seen();
    assert_eq!(seen[0].1, "/api/authn/v2/api_credentials/user_id/some-user");

    for (code, may) in
        [(401, false), (403, false), (404, false), (429, false), (500, true), (504, true)]
    {
        let service = Service::start(move |_, _| status(code)).await;
        let error = service.client().mint(None).await.expect_err("a failure");
        assert_eq!(error.may_have_been_done(), may, "{code}");
        assert_eq!(service.seen().len(), 1, "{code}");
    }
    let body = format!("{{\"api_secret\":\"{}\"", SECRET.repeat(64));
    let cut = Service::start(move |_, _| body.clone().into_response()).await;
    let error = cut.client().mint(None).await.expect_err("half an answer");
    assert!(error.may_have_been_done());
    assert!(!format!("{error}{error:?}").contains(&SECRET.repeat(4)), "{error:?}");

    let mut config = Config::new(Url::parse("http://127.0.0.1:1").expect("a URL"));
    config.allow_http_loopback = true;
    config.max_attempts = 1;
    let nobody = Client::new(config, &pair(), clock(), random()).expect("a client");
    assert!(!nobody.mint(None).await.expect_err("nobody listens").may_have_been_done());
    for user in ["", "a/b", "..", "a?b", "a%2fb"] {
        let refused = nobody.mint(Some(user)).await.expect_err(user);
        assert!(refused.is_config() && !refused.may_have_been_done(), "{user}");
    }
}

struct OneClient;

impl Source for OneClient {
    fn lease(&self) -> Leased<'_> {
        let client = OAuthClient::parse("client-1", "very secret").map_or_else(
            |_| OAuthClient::parse("client-1", "very-secret").expect("a client"),
            |_| panic!("a blank is refused"),
        );
        let authority = Arc::new(Authority::from(client));
        Box::pin(std::future::ready(Ok(Lease { authority, hold: None })))
    }

    fn replaced<'s>(&'s self, _: &'s str) -> Replaced<'s> {
        Box::pin(std::future::ready(false))
    }
}

#[tokio::test]
async fn an_oauth_client_gets_one_token_and_another_when_it_is_refused() {
    let token = |n: usize| {
        axum::Json(serde_json::json!({ "access_token": format!("t{n}"), "expires_in": 3600 }))
            .into_response()
    };
    let service = Service::start(move |nth, target| match (nth, target) {
        (_, "/api/authn/v2/oauth2/token") => token(nth),
        (4, _) => status(401),
        _ => status(200),
    })
    .await;
    let mut config = Config::new(Url::parse(&service.url).expect("a URL"));
    config.allow_http_loopback = true;
    let client = Client::with_source(config, Arc::new(OneClient), clock(), random()).expect("it");
    for _ in 0..3 {
        client.get("/x").await.expect("an answer");
    }
    let headers: Vec<_> = service.seen().into_iter().map(|(.., header)| header).collect();
    // client-1:very-secret
    let basic = "Basic Y2xpZW50LTE6dmVyeS1zZWNyZXQ=";
    let expected =
        [basic, "Bearer t1", "Bearer t1", "Bearer t1", basic, "Bearer t5"].map(String::from);
    assert_eq!(headers, expected);

    let refused = Service::start(|_, _| status(401)).await;
    let mut config = Config::new(Url::parse(&refused.url).expect("a URL"));
    config.allow_http_loopback = true;
    let client = Client::with_source(config, Arc::new(OneClient), clock(), random()).expect("it");
    let error = client.get("/x").await.expect_err("no token");
    assert!(error.is_not_authenticated(), "{error}");
    assert!(!format!("{error:?}").contains("very-secret"));
}
