//! Listeners on real sockets, with limits of some milliseconds. A connection that is
//! never closed makes its test wait for ever: nothing here measures time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fairness;
mod fuzz;
mod limits;
mod shutdown;
#[expect(unreachable_pub, reason = "it is part of another crate as well")]
#[path = "../../../testkit/src/silence.rs"]
mod silence;
#[cfg(unix)]
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use countersign_web::body::read;
use countersign_web::{Address, Bound, Limits, Listener, Unsent, serve, tls};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use silence::{Door, Place};

const MS: Duration = Duration::from_millis(1);
const LARGE_BYTES: usize = 16 << 20;

/// Limits that end every silence soon.
fn short() -> Limits {
    Limits {
        handshake: 200 * MS,
        head: 200 * MS,
        idle: 200 * MS,
        body_stall: 200 * MS,
        body_time: 200 * MS,
        write_stall: 200 * MS,
        ..Limits::default()
    }
}

/// A listener with a few routes.
struct Served {
    door: Door,
    desk: Desk,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// What the routes share.
#[derive(Clone)]
struct Desk {
    /// Requests of `/wait` that began and ended.
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    /// One for each request of `/wait` that may end.
    gate: Arc<Semaphore>,
}

impl Served {
    async fn plain(limits: Limits) -> Self {
        let listener = Listener::plain(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self::start(listener, None, limits)
    }

    async fn tls(limits: Limits) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let certificate: CertificateDer<'static> = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = tls::server_config(vec![certificate.clone()], key.into()).unwrap();
        let bound = Bound::new(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = bound.over_tls(config);
        Self::start(listener, Some(certificate), limits)
    }

    fn start(listener: Listener, trusts: Option<CertificateDer<'static>>, limits: Limits) -> Self {
        let place = match listener.address() {
            Address::Tcp(address) => Place::Tcp(address),
            Address::Socket(path) => Place::Unix(path),
        };
        let desk = Desk {
            begun: Arc::default(),
            ended: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
        };
        let router = Router::new()
            .route("/", get(async || "here"))
            .route("/length", post(length))
            .route("/large", get(async || vec![b'x'; LARGE_BYTES]))
            .route("/broken", get(broken))
            .route("/wait", get(wait))
            .with_state(desk.clone());
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(serve(listener, router, limits, stopped));
        let door = Door {
            place,
            trusts,
            headers: vec![("host", "127.0.0.1".into())],
            reads: ("GET", "/"),
            large: ("GET", "/large"),
            writes: ("POST", "/length"),
        };
        Self { door, desk, stop, serving }
    }

    /// Ends it, and waits for that.
    async fn end(self) {
        self.stop.send(true).unwrap();
        self.serving.await.unwrap();
    }
}

async fn length(request: Request) -> (StatusCode, String) {
    match read(request.into_body(), 1 << 20).await {
        Ok(bytes) => (StatusCode::OK, bytes.len().to_string()),
        Err(unread) => (StatusCode::from_u16(unread.status()).unwrap(), format!("{unread:?}")),
    }
}

/// Nothing is to be sent of this.
async fn broken() -> axum::response::Response {
    let mut response = axum::response::Response::new(Body::from("secret"));
    response.extensions_mut().insert(Unsent);
    response
}

async fn wait(State(desk): State<Desk>) -> &'static str {
    desk.begun.fetch_add(1, Ordering::SeqCst);
    desk.gate.acquire().await.unwrap().forget();
    desk.ended.fetch_add(1, Ordering::SeqCst);
    "waited"
}

/// Lets others run until something holds.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}
