//! For tests only: a platform on a temporary home, with a clock that the test
//! sets and randomness that repeats, and a client that sends bytes as they are.

#[cfg(unix)]
pub mod failover;
pub mod made_up;
#[cfg(unix)]
pub mod postgres;
#[cfg(unix)]
pub mod siege;
pub mod silence;
pub mod strangers;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use countersign_platform::{Clock, Config, Minted, Platform, Random, SeedSpec, mint};
use countersign_signing::{Pair, Request, Signer};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Where the clock begins: 2026-06-01T00:00:00Z.
pub const START_MS: i64 = 1_780_272_000_000;

/// A running platform.
pub struct TestPlatform {
    /// The platform.
    pub platform: Platform,
    /// Its home; removed on drop.
    pub home: TempDir,
    /// Its clock, in milliseconds.
    pub now_ms: Arc<AtomicI64>,
    random: Random,
}

/// An answer, taken apart.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

/// Randomness that repeats from run to run and never within one.
pub fn repeatable_random() -> Random {
    let next = AtomicU64::new(1);
    Arc::new(move |buffer| {
        for chunk in buffer.chunks_mut(8) {
            let n = next.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let n = (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            chunk.copy_from_slice(&n.to_le_bytes()[..chunk.len()]);
        }
    })
}

impl TestPlatform {
    /// Starts one without a rate limit.
    pub async fn start(seed: SeedSpec) -> Self {
        Self::start_with(seed, |_| {}).await
    }

    /// Starts one with the configuration changed.
    pub async fn start_with(seed: SeedSpec, change: impl FnOnce(&mut Config)) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let now_ms = Arc::new(AtomicI64::new(START_MS));
        let clock: Clock = {
            let now_ms = Arc::clone(&now_ms);
            Arc::new(move || now_ms.load(Ordering::SeqCst))
        };
        let random = repeatable_random();
        let mut config = Config::new(home.path(), clock, random.clone());
        config.seed = seed;
        config.requests_per_minute = None;
        change(&mut config);
        let platform = Platform::start(config).await.expect("the platform starts");
        Self { platform, home, now_ms, random }
    }

    /// Starts one with the test controls on.
    pub async fn start_controlled(seed: SeedSpec) -> Self {
        Self::start_with(seed, |config| config.control = Some(([127, 0, 0, 1], 0).into())).await
    }

    /// Moves the clock.
    pub fn advance(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// What the clock shows, in milliseconds since the Unix epoch.
    pub fn now(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    /// A pair of a (new) API account with these roles.
    pub fn mint(&self, user: &str, roles: &[&str]) -> Minted {
        let roles: Vec<_> = roles.iter().map(|role| (*role).to_owned()).collect();
        let now_ms = self.now_ms.load(Ordering::SeqCst);
        mint(self.home.path(), user, &roles, now_ms, &self.random).expect("minting works")
    }

    /// A fresh, correct header for a request to `127.0.0.1`.
    pub fn header(&self, pair: &Pair, method: &str, target: &str) -> String {
        self.header_at(pair, method, target, self.now_ms.load(Ordering::SeqCst))
    }

    /// The same with another time.
    pub fn header_at(&self, pair: &Pair, method: &str, target: &str, at_ms: i64) -> String {
        let mut nonce = [0; 16];
        (self.random)(&mut nonce);
        let at_ms = u64::try_from(at_ms).expect("a time after 1970");
        Signer::new(pair)
            .authorize(&Request::new(method, "127.0.0.1", target), at_ms, &nonce)
            .expect("signing works")
    }

    /// A signed GET.
    pub async fn get(&self, pair: &Pair, target: &str) -> Answer {
        self.call(pair, "GET", target, "").await
    }

    /// A signed request with a JSON body.
    pub async fn call(&self, pair: &Pair, method: &str, target: &str, body: &str) -> Answer {
        let header = self.header(pair, method, target);
        self.send(method, target, &[("authorization", &header)], body.as_bytes()).await
    }

    /// A request exactly as given, over TLS.
    pub async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let answer = self.try_send(method, target, headers, body).await;
        answer.expect("the platform answers")
    }

    /// The same; none when the connection ended without an answer.
    pub async fn try_send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Answer> {
        self.send_to(&self.platform.rest_url(), method, target, headers, body).await
    }

    /// A call of the test controls with their token, the body as JSON.
    pub async fn control(&self, method: &str, target: &str, body: &str) -> Answer {
        let control = self.platform.control().expect("the controls are on");
        let token = format!("Bearer {}", control.token());
        let headers = [("authorization", token.as_str())];
        let answer = self.send_to(&control.url(), method, target, &headers, body.as_bytes()).await;
        answer.expect("the controls answer")
    }

    /// A request exactly as given to the server at `url`.
    pub async fn send_to(
        &self,
        url: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Answer> {
        let mut text = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            text.push_str("host: 127.0.0.1\r\n");
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        let mut stream = self.connect(url).await;
        // A server that has seen enough may answer and close before it has read all.
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        (!answer.is_empty()).then(|| parse(&answer))
    }

    /// Everything that is answered on one connection to these pieces, each sent on
    /// its own, after something else was answered on another connection.
    pub async fn converse(&self, pieces: &[&str]) -> String {
        let mut stream = self.connect(&self.platform.rest_url()).await;
        for piece in pieces {
            // The answer to the last piece tells whether one of them got lost.
            let _ = stream.write_all(piece.as_bytes()).await;
            let _ = stream.flush().await;
            self.send("GET", "/.well-known/countersign", &[], b"").await;
        }
        let mut answers = Vec::new();
        let _ = stream.read_to_end(&mut answers).await;
        String::from_utf8_lossy(&answers).into_owned()
    }

    /// A connection from another loopback address to the server at `url`.
    pub async fn line(&self, url: &str, from: Ipv4Addr) -> Line {
        Line(Box::new(self.secured(from_address(url, from).await).await))
    }

    async fn connect(&self, url: &str) -> tokio_rustls::client::TlsStream<TcpStream> {
        let address = url.trim_start_matches("https://");
        self.secured(TcpStream::connect(address).await.expect("the platform listens")).await
    }

    async fn secured(&self, stream: TcpStream) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.platform.ca_pem().as_bytes());
        roots.add(ca.expect("the CA is PEM")).expect("the CA is a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").expect("an address is a name");
        tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .expect("the certificate is trusted")
    }
}

/// A connection that stays open for many requests.
pub struct Line(Box<dyn Stream>);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Line {
    /// From a loopback address, without TLS.
    pub async fn plain(url: &str, from: Ipv4Addr) -> Self {
        Self(Box::new(from_address(url, from).await))
    }

    /// A request and its answer.
    pub async fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut text = format!("{method} {target} HTTP/1.1\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(body);
        self.0.write_all(text.as_bytes()).await.expect("the server listens");
        let mut answer = Vec::new();
        loop {
            self.0.read_buf(&mut answer).await.expect("the server answers");
            let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let head = parse(&answer[..end + 4]);
            let length = head.header("content-length").and_then(|length| length.parse().ok());
            if answer.len() == end + 4 + length.unwrap_or(0) {
                return parse(&answer);
            }
        }
    }
}

async fn from_address(url: &str, from: Ipv4Addr) -> TcpStream {
    let address = url.split_once("://").map_or(url, |(_, address)| address);
    let address = address.replace("localhost", "127.0.0.1").parse().expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("a loopback address");
    socket.connect(address).await.expect("the server listens")
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("an answer with headers");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|s| s.parse().ok());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Answer { status: status.expect("a status line"), headers, body: bytes[end + 4..].to_vec() }
}
