//! A listener that counts who comes, speaks TLS or not, and answers what a test wants.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What is done after a request.
pub(crate) enum Reply {
    Bytes(Vec<u8>),
    /// The first, and then the second until nobody reads any more.
    Endless(Vec<u8>, Vec<u8>),
    /// The connection is closed.
    Close,
    /// Nothing is said.
    Silence,
}

type Replying = dyn Fn(&str) -> Reply + Send + Sync;

pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) ca_pem: Vec<u8>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<String>,
}

impl Door {
    pub(crate) async fn tls(
        ip: &str,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::tls_at(SocketAddr::new(ip.parse().unwrap(), 0), reply).await
    }

    pub(crate) async fn tls_at(
        address: SocketAddr,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let (acceptor, ca_pem) = acceptor(address.ip());
        Self::open(address, Some(acceptor), ca_pem, Arc::new(reply)).await
    }

    pub(crate) async fn plain(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::open(address, None, Vec::new(), Arc::new(reply)).await
    }

    async fn open(
        address: SocketAddr,
        acceptor: Option<TlsAcceptor>,
        ca_pem: Vec<u8>,
        reply: Arc<Replying>,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let held = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                held.lock().unwrap().connections += 1;
                let (acceptor, seen, reply) = (acceptor.clone(), held.clone(), reply.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, &seen, &*reply).await,
                        Some(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            serve(stream, &seen, &*reply).await;
                        }
                    }
                });
            }
        });
        Self { address, ca_pem, seen }
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().requests.clone()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    seen: &Mutex<Seen>,
    reply: &Replying,
) {
    while let Some(request) = request(&mut stream).await {
        let reply = reply(&request);
        seen.lock().unwrap().requests.push(request);
        match reply {
            Reply::Bytes(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.flush().await;
            }
            Reply::Endless(first, then) => {
                let _ = stream.write_all(&first).await;
                while stream.write_all(&then).await.is_ok() {}
                return;
            }
            Reply::Close => return,
            Reply::Silence => std::future::pending().await,
        }
    }
}

/// Head and body.
async fn request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let byte = stream.read_u8().await.ok()?;
        bytes.push(byte);
        if bytes.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let head = String::from_utf8(bytes.clone()).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    bytes.extend(body);
    Some(String::from_utf8(bytes).unwrap())
}

/// For this address, `localhost` and names that tests use.
pub(crate) fn acceptor(ip: IpAddr) -> (TlsAcceptor, Vec<u8>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let names = [ip.to_string(), "localhost".into(), "hook.example.com".into()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem().into_bytes())
}

/// An answer of HTTP.
pub(crate) fn answer(head: &str, body: &[u8]) -> Reply {
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n");
    Reply::Bytes([head.as_bytes(), body].concat())
}
