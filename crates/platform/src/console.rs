//! The console: pages for people, on a listener of their own. An administrator
//! adds users; a user activates the account, sets password and second factor, and
//! generates API credentials.

mod admin;
mod credentials;
mod entry;
mod mailbox;
mod profile;
mod web;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::state::AppState;
use web::{Stop, Visitor};

/// Forms are small.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Passwords that are hashed at once: each takes 19 MiB.
const HASHED_AT_ONCE: usize = 2;

#[derive(Clone)]
pub(crate) struct Console {
    app: AppState,
    hashing: Arc<Semaphore>,
}

impl Console {
    /// A password against a hash, off the threads that answer and a few at a time.
    async fn fits(&self, password: zeroize::Zeroizing<String>, hash: String) -> bool {
        let Ok(_place) = self.hashing.acquire().await else { return false };
        let fits = tokio::task::spawn_blocking(move || {
            countersign_accounts::password::fits(&password, &hash)
        });
        fits.await.unwrap_or(false)
    }

    async fn hash(&self, password: zeroize::Zeroizing<String>) -> Result<String, Stop> {
        let place = self.hashing.acquire().await;
        let random = self.app.random().clone();
        let hash = tokio::task::spawn_blocking(move || {
            countersign_accounts::password::hash(&password, &*random)
        });
        drop(place);
        hash.await.map_err(|_| Stop::Failed(crate::Error::stopped()))
    }
}

pub(crate) fn router(app: AppState) -> Router {
    let console = Console { app, hashing: Arc::new(Semaphore::new(HASHED_AT_ONCE)) };
    Router::new()
        .route("/", get(front))
        .route("/style.css", get(style))
        .route("/sign-in", get(entry::show_sign_in).post(entry::sign_in))
        .route("/second-factor", get(entry::show_second_factor).post(entry::second_factor))
        .route("/prove", get(entry::show_prove).post(entry::prove))
        .route("/sign-out", post(entry::sign_out))
        .route("/activate/{token}", get(entry::show_activate).post(entry::activate))
        .route("/reset/{token}", get(entry::show_reset).post(entry::reset))
        .route("/forgot", get(entry::show_forgot).post(entry::forgot))
        .route("/enrol", get(entry::show_enrol).post(entry::enrol))
        .route("/profile", get(profile::show))
        .route("/profile/password", post(profile::change_password))
        .route("/profile/sessions", post(profile::end_others))
        .route("/credentials", get(credentials::show).post(credentials::generate))
        .route("/credentials/{id}/revoke", get(credentials::ask_revoke).post(credentials::revoke))
        .route("/admin", get(async || Redirect::to("/admin/users")))
        .route("/admin/users", get(admin::list))
        .route("/admin/users/new", get(admin::show_new).post(admin::create))
        .route("/admin/users/{guid}", get(admin::show))
        .route("/admin/users/{guid}/{act}", post(admin::act))
        .route("/admin/activity", get(admin::activity))
        .route("/mailbox", get(mailbox::list))
        .route("/mailbox/{id}", get(mailbox::read))
        .route("/mailbox/{id}/html", get(mailbox::html))
        .fallback(async || Stop::NotFound)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(web::guarded))
        .with_state(console)
}

async fn front(visitor: Visitor) -> Redirect {
    Redirect::to(if visitor.is_in() { "/credentials" } else { "/sign-in" })
}

async fn style(State(_): State<Console>) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600")),
    ];
    (headers, include_str!("../templates/style.css")).into_response()
}
