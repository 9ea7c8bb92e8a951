//! What other programs ask the connector: findings, applications and scans in the shapes of
//! OCSF 1.8.0, over HTTP with bearer tokens; and who may ask, which is managed by the same
//! way. Reads are answered from the store.
//!
//! A request is known by its token, counted, judged by the table of operations
//! ([`Operation`]), and only then answered. No vault: what needs a secret is done by a
//! [`Keeper`] of the connector.

mod around;
mod caller;
mod inner;
mod limit;
mod listen;
mod manage;
mod operation;
mod problem;
mod reach;
mod token;

use std::sync::Arc;

use countersign_connector::managed::Keeper;
use countersign_connector::{Clock, Random};
use countersign_web::health::Face;
use countersign_web::{Limits, Names};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use inner::Inner;

pub use caller::Caller;
pub use limit::Budget;
pub use listen::Listener;
pub use manage::{Document, document};
pub use operation::{Audience, Operation};
pub use problem::{Location, Parameter, Problem};
pub use reach::Reach;
pub use token::{Digest, Secret};

/// What an API is made of.
pub struct Config {
    /// What is answered from, and what needs a secret.
    pub keeper: Keeper,
    /// What one token may ask for.
    pub budget: Budget,
    /// The clock.
    pub clock: Clock,
    /// For ids and secrets.
    pub random: Random,
    /// The version of the program.
    pub version: &'static str,
}

/// An API that answers.
pub struct Api {
    url: String,
    names: Arc<Names>,
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
        let (names, serving) = (Arc::new(listener.names), tokio::spawn(serve));
        Self { url, names, face, stop, serving, inner: None }
    }

    /// From now on operations are answered.
    pub fn open(&mut self, config: Config) {
        let inner = Inner::new(config, Arc::clone(&self.names));
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
