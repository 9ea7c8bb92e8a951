//! What the connector holds, as pages for people, on a listener of its own. Everybody
//! signs in; a reader sees, an operator also acts. The pages work without scripts.
//!
//! No arguments, no environment, no SQL but for the people; time and randomness are given.
//! A page is read from the store, rendered whole, and then sent: a slow browser holds
//! memory, never a connection of the database.

mod applications;
mod changes;
pub mod chart;
mod credentials;
mod deliveries;
mod entry;
mod events;
mod export;
mod filters;
mod finding;
mod findings;
mod inner;
mod integrations;
mod listen;
mod look;
mod overview;
pub mod people;
mod place;
mod profile;
mod query;
mod text;
mod trend;
mod values;
mod warning;
mod web;

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use countersign_connector::duty::Scheduler;
use countersign_connector::{Clock, Random};
use countersign_signin::Purpose;
use countersign_store::Store;
use countersign_web::headers::SecurityHeaders;
use countersign_web::health::{Face, Readiness, Unready};
use countersign_web::page::asset;
use countersign_web::{Limits, Names};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use inner::Inner;
use people::People;

pub use inner::{Doing, FetchPaths, Inventory};
pub use listen::{Identity, ListenError, Listener};

/// What a dashboard is made of.
pub struct Config {
    /// Who signs in.
    pub people: People,
    /// What is shown.
    pub store: Store,
    /// What runs syncs; without, nothing runs by itself.
    pub scheduler: Option<Scheduler>,
    /// For the page of credentials.
    pub inventory: Inventory,
    /// For the page of a finding.
    pub fetch_paths: FetchPaths,
    /// The clock.
    pub clock: Clock,
    /// For cookies.
    pub random: Random,
}

/// A dashboard that answers: whether it is ready at once, with pages once it is open.
pub struct Dashboard {
    url: String,
    names: Arc<Names>,
    face: Face,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Dashboard {
    /// Begins to answer, with pages.
    pub fn start(listener: Listener, limits: Limits, config: Config) -> Self {
        let readiness = Readiness::not_yet(Unready::StoreOpening);
        let dashboard = Self::listen(listener, limits, Face::new(readiness.clone()));
        dashboard.open(config);
        readiness.set(None);
        dashboard
    }

    /// Begins to answer what this face does, without pages.
    pub fn listen(listener: Listener, limits: Limits, face: Face) -> Self {
        let url = listener.url();
        let (stop, stopped) = watch::channel(false);
        let serve = countersign_web::serve(listener.bound, face.router(), limits, stopped);
        let (names, serving) = (Arc::new(listener.names), tokio::spawn(serve));
        Self { url, names, face, stop, serving }
    }

    /// From now on there are pages.
    pub fn open(&self, config: Config) {
        let inner = Inner {
            people: config.people,
            store: config.store,
            scheduler: config.scheduler,
            inventory: config.inventory,
            fetch_paths: config.fetch_paths,
            listeners: Arc::new(Semaphore::new(events::LISTENERS)),
            stop: self.stop.subscribe(),
            clock: config.clock,
            random: config.random,
            names: Arc::clone(&self.names),
            headers: SecurityHeaders::new(web::PAGES),
            tries: Arc::default(),
        };
        self.face.open(router(inner));
    }

    /// How people reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Takes no further requests and lets running ones end.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true);
        let _ = self.serving.await;
    }
}

fn router(inner: Inner) -> Router {
    Router::new()
        .route("/", get(overview::show))
        .route("/applications", get(applications::list))
        .route("/applications/{integration}/{guid}", get(applications::show))
        .route("/findings", get(findings::list))
        .route("/findings.csv", get(export::csv))
        .route("/findings.ndjson", get(export::ndjson))
        .route("/findings/values", get(values::list))
        .route("/findings/{id}", get(finding::show))
        .route("/findings/{id}/raw", get(finding::raw))
        .route("/findings/{id}/description", get(finding::description))
        .route("/findings/{id}/paths", post(finding::fetch_paths))
        .route("/changes", get(changes::list))
        .route("/integrations", get(integrations::list))
        .route("/integrations/{name}/run", post(integrations::run))
        .route("/integrations/{name}/pause", post(integrations::pause))
        .route("/integrations/{name}/resume", post(integrations::resume))
        .route("/integrations/{name}/accept", post(integrations::accept))
        .route("/deliveries", get(deliveries::list))
        .route("/deliveries/{name}/approve", post(deliveries::approve))
        .route("/deliveries/sends/{number}/replay", post(deliveries::replay))
        .route("/events", get(events::listen))
        .route("/credentials", get(credentials::list))
        .route("/style.css", get(style))
        .route("/dashboard.js", get(script))
        .route("/sign-in", get(entry::show_sign_in).post(entry::sign_in))
        .route("/second-factor", get(entry::show_second_factor).post(entry::second_factor))
        .route("/prove", get(entry::show_prove).post(entry::prove))
        .route("/sign-out", post(entry::sign_out))
        .route("/welcome/{token}", choose(Purpose::Activate))
        .route("/reset/{token}", choose(Purpose::Reset))
        .route("/profile", get(profile::show))
        .route("/profile/password", post(profile::change_password))
        .route("/profile/factor", get(profile::show_enrol).post(profile::enrol))
        .route("/profile/factor/remove", post(profile::remove_factor))
        .route("/profile/codes", post(profile::renew_codes))
        .route("/profile/sessions", post(profile::end_others))
        .fallback(web::not_found)
        .method_not_allowed_fallback(web::wrong_method)
        .layer(from_fn_with_state(inner.clone(), web::guarded))
        .with_state(inner)
}

/// What a link leads to on which a password is chosen.
fn choose(purpose: Purpose) -> MethodRouter<Inner> {
    get(entry::show_choose).post(entry::choose).layer(Extension(purpose))
}

/// What pages can do without: they all work with scripts off.
async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../templates/dashboard.js"))
}

async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../templates/style.css"))
}
