//! The broker between callers that send bytes as they are and a service that records
//! them as they come, and between them and a real platform.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounds;
mod fuzz;
mod journal;
mod platform;
mod refusals;
mod relay;
#[cfg(unix)]
mod silence;
mod socket;
mod upstream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_broker::{Address, Broker, Config, Limits, Listener, Rule, Token};
use countersign_client::{Budget, Client, Config as ClientConfig, Url};
use countersign_signing::{ApiId, ApiSecret, Pair};
use countersign_store::{BrokerRequest, NewCaller, Store};
use countersign_testkit::repeatable_random;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use upstream::Upstream;

const SECRET_BYTE: u8 = 0x5e;

/// A broker in front of a recording service, with one caller `ci`.
struct Bench {
    broker: Broker,
    upstream: Upstream,
    store: Store,
    home: tempfile::TempDir,
    now_ms: Arc<AtomicI64>,
    token: String,
}

/// What an answer said.
#[derive(Debug, Clone)]
struct Told {
    status: u16,
    head: String,
    body: String,
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The broker's own code; none for an answer of the service.
    fn code(&self) -> Option<&str> {
        self.header("x-countersign-error")
    }
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn client(url: &str, change: impl FnOnce(&mut ClientConfig)) -> Client {
    let pair = Pair {
        id: ApiId::parse(&"ab".repeat(16)).unwrap(),
        secret: ApiSecret::from_bytes(vec![SECRET_BYTE; 64]),
    };
    let mut config = ClientConfig::new(Url::parse(url).unwrap());
    config.allow_http_loopback = true;
    config.budget = Budget::alone(1_000_000);
    config.in_flight = 256;
    change(&mut config);
    Client::new(config, &pair, Arc::new(|| 1_780_000_000_000), repeatable_random()).unwrap()
}

async fn add_caller(store: &Store, name: &str, rules: &[&str], expires_ms: Option<i64>) -> String {
    // As many bytes as a real one, and another for each name.
    let name_bytes = name.as_bytes().to_vec();
    let token = Token::generate(
        &(Arc::new(move |buffer: &mut [u8]| {
            for (at, byte) in buffer.iter_mut().enumerate() {
                *byte = name_bytes[at % name_bytes.len()].wrapping_add(at as u8);
            }
        }) as countersign_client::Random),
    );
    let new = NewCaller {
        name: name.into(),
        digest: token.digest().bytes(),
        rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
        created_ms: 0,
        expires_ms,
    };
    store.add_caller(new).await.unwrap();
    token.expose().to_owned()
}

impl Bench {
    async fn start(rules: &[&str]) -> Self {
        Self::start_with(rules, |_| {}, |_| {}).await
    }

    async fn start_with(
        rules: &[&str],
        change: impl FnOnce(&mut Config),
        change_client: impl FnOnce(&mut ClientConfig),
    ) -> Self {
        let upstream = Upstream::start().await;
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store.sqlite")).await.unwrap();
        let token = add_caller(&store, "ci", rules, Some(1_000)).await;
        let now_ms = Arc::new(AtomicI64::new(10));
        let clock = Arc::clone(&now_ms);
        let mut config = Config {
            client: client(&upstream.url, change_client),
            store: store.clone(),
            ceiling: Vec::new(),
            only: Vec::new(),
            further: Vec::new(),
            clock: Arc::new(move || clock.load(Ordering::SeqCst)),
            limits: Limits { drain_time: Duration::from_millis(100), ..Limits::usual() },
        };
        change(&mut config);
        let listener = Listener::loopback(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let broker = Broker::start(listener, config);
        Self { broker, upstream, store, home, now_ms, token }
    }

    fn address(&self) -> SocketAddr {
        match self.broker.address() {
            Address::Loopback(address) => *address,
            Address::Socket(path) => panic!("{}", path.display()),
        }
    }

    /// The lines that every good request has.
    fn lines(&self) -> String {
        format!("host: {}\r\nauthorization: Bearer {}\r\n", self.address(), self.token)
    }

    async fn get(&self, target: &str) -> Told {
        self.send(&format!("GET {target} HTTP/1.1\r\n{}\r\n", self.lines())).await
    }

    /// The answer to these bytes on a connection of their own.
    async fn send(&self, text: &str) -> Told {
        self.send_bytes(text.as_bytes()).await
    }

    async fn send_bytes(&self, bytes: &[u8]) -> Told {
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        told(&mut stream).await
    }

    /// Ends it and reads its log.
    async fn end(self) -> Vec<BrokerRequest> {
        self.broker.shutdown().await.unwrap();
        self.store.broker_requests(None, 1000).await.unwrap()
    }
}

/// One answer; its body by length, by chunks, or until the end.
async fn told<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Told {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "no answer: {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&piece[..count]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut body = bytes.split_off(end);
    let told = Told { status, head, body: String::new() };
    let length = told.header("content-length").map(|length| length.parse::<usize>().unwrap());
    loop {
        let is_whole = match length {
            Some(length) => body.len() >= length,
            None if told.header("transfer-encoding").is_some() => body.ends_with(b"0\r\n\r\n"),
            None => matches!(status, 100 | 204 | 304),
        };
        if is_whole {
            break;
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await.unwrap() {
            0 => break,
            count => body.extend_from_slice(&piece[..count]),
        }
    }
    Told { body: String::from_utf8_lossy(&body).into_owned(), ..told }
}
