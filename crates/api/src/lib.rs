//! What other programs ask the connector: findings, applications and scans in the shapes of
//! OCSF 1.8.0, over HTTP with bearer tokens; and who may ask, which is managed by the same
//! way. Reads are answered from the store; where an integration is live, what names an application
//! is first read from its service, by a [`ReadNow`] that the program gives.
//!
//! A request is known by its token, counted, judged by the table of operations
//! ([`Operation`]), and only then answered. Assistants ask by [`mcp`]. No vault: what needs a
//! secret is done by a [`Keeper`](countersign_connector::managed::Keeper) of the connector.

mod around;
mod assistants;
mod bulk;
mod caller;
mod inner;
mod limit;
mod listen;
mod manage;
pub mod mcp;
mod operation;
mod problem;
mod reach;
mod reads;
mod token;

use countersign_connector::Connector;
use countersign_connector::metrics::Calls;
use countersign_connector::rotation::Connect;
use countersign_connector::watch::Policy;
use countersign_web::Limits;
use countersign_web::health::Face;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use inner::Inner;

pub use caller::Caller;
pub use inner::new_uid;
pub use limit::Budget;
pub use listen::Listener;
pub use manage::{Document, document, is_name};
pub use operation::{Audience, Need, Operation};
pub use problem::{Location, Parameter, Problem};
pub use reach::Reach;
pub use reads::{ReadNow, Reading};
pub use token::{Digest, Secret};

/// What an API is made of.
pub struct Config {
    /// What is answered from, and what brings findings in.
    pub connector: Connector,
    /// How the service of an integration is reached.
    pub connect: Connect,
    /// Whether an integration may be at an http URL on a loopback address.
    pub allow_http_loopback: bool,
    /// Where what was answered is counted.
    pub calls: Calls,
    /// What reads an application at the moment when it is asked for.
    pub read_now: ReadNow,
    /// What one token may ask for.
    pub budget: Budget,
    /// How credentials are judged, for the tools of assistants.
    pub policy: Policy,
    /// The version of the program.
    pub version: &'static str,
}

/// What answers, without a listener of its own. What it counts is written now and then, and
/// not at its end.
pub fn router(config: Config) -> axum::Router {
    around::router(Inner::new(config))
}

/// An API that answers.
pub struct Api {
    url: String,
    face: Face,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    inner: Option<Inner>,
}

impl Api {
    /// Begins to answer what this face does.
    pub fn listen(listener: Listener, limits: Limits, face: Face) -> Self {
        let url = listener.url();
        let (stop, stopped) = watch::channel(false);
        let serve = countersign_web::serve(listener.bound, face.router(), limits, stopped);
        Self { url, face, stop, serving: tokio::spawn(serve), inner: None }
    }

    /// From now on operations are answered.
    pub fn open(&mut self, config: Config) {
        let inner = Inner::new(config);
        self.face.open(around::router(inner.clone()));
        self.inner = Some(inner);
    }

    /// How programs reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Takes no further requests, lets running ones end, and writes what was counted.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true);
        let _ = self.serving.await;
        if let Some(inner) = self.inner {
            inner.write_traffic().await;
        }
    }
}
