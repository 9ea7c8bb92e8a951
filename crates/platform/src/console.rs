//! The console: pages for people, on a listener of their own. An administrator
//! adds users; a user activates the account, sets password and second factor, and
//! generates API credentials.

mod activity;
mod admin;
mod credentials;
mod entry;
mod factor;
mod groups;
mod mailbox;
mod organisation;
mod profile;
mod roles;
mod web;

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use countersign_signin::passkey::Passkeys;
use countersign_signin::{Asked, Purpose, Seat, Signin, Visit};
use countersign_tenant::users::User;
use countersign_tenant::{Error, Tenant};
use countersign_web::headers::SecurityHeaders;
use countersign_web::page::{Hindrance, asset};
use countersign_web::tries::Tries;

use crate::state::AppState;
use web::{Stop, Visitor};

#[derive(Clone)]
pub(crate) struct Console {
    app: AppState,
    signin: Arc<Signin<Tenant>>,
    /// Of steps of sign-in, links and fresh proofs together.
    tries: Arc<Tries>,
}

impl Console {
    /// Counts a step of sign-in, whichever it is, by where it comes from.
    fn count(&self, visitor: &Visitor) -> Result<(), Stop> {
        let counted = self.tries.count(visitor.visit.address.parse().ok(), visitor.now_ms);
        Ok(counted.map_err(Hindrance::TooMany)?)
    }

    /// The session of a token, and whose it is.
    async fn seat(&self, token: String, visit: Visit) -> Result<Option<Seat<User>>, Stop> {
        Ok(self.step(move |signin| signin.seat(&token, &visit)).await?)
    }

    /// A step of sign-in, off the threads that answer.
    async fn step<T, E>(
        &self,
        act: impl FnOnce(&Signin<Tenant>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<countersign_signin::Error> + Send + 'static,
    {
        let signin = Arc::clone(&self.signin);
        let done = countersign_web::blocking(move || act(&signin)).await;
        done.unwrap_or_else(|_| Err(countersign_signin::Error::from(Error::stopped()).into()))
    }
}

pub(crate) fn router(app: AppState) -> Router {
    let tenant = app.tenant();
    let passkeys = tenant.console_url().and_then(|url| Passkeys::new(url, "countersign"));
    let signin = Signin::new(tenant.clone(), tenant.hasher().clone(), passkeys);
    let console = Console { signin: Arc::new(signin), tries: Arc::default(), app };
    Router::new()
        .route("/", get(front))
        .route("/style.css", get(style))
        .route("/console.js", get(script))
        .route("/sign-in", get(entry::show_sign_in).post(entry::sign_in))
        .route("/second-factor", get(factor::show_second_factor).post(factor::second_factor))
        .route("/prove", get(factor::show_prove).post(factor::prove))
        .route("/sign-out", post(entry::sign_out))
        .route(
            "/activate/{token}",
            get(entry::show_link).post(entry::set_password).layer(Extension(Purpose::Activate)),
        )
        .route(
            "/reset/{token}",
            get(entry::show_link).post(entry::set_password).layer(Extension(Purpose::Reset)),
        )
        .route("/forgot", get(entry::show_ask).post(entry::ask).layer(Extension(Asked::Password)))
        .route("/enrol", get(factor::show_enrol).post(factor::enrol))
        .route("/locked", get(entry::show_ask).post(entry::ask).layer(Extension(Asked::Entry)))
        .route(
            "/unlock/{token}",
            get(entry::show_link).post(entry::confirm).layer(Extension(Purpose::Unlock)),
        )
        .route(
            "/address/{token}",
            get(entry::show_link).post(entry::confirm).layer(Extension(Purpose::Address)),
        )
        .route("/lapsed", get(profile::show_lapsed))
        .route("/profile", get(profile::show))
        .route("/profile/address", post(profile::change_address))
        .route("/profile/factors/{id}/remove", post(factor::remove))
        .route("/profile/recovery", post(factor::renew_codes))
        .route("/profile/password", post(profile::change_password))
        .route("/profile/sessions", post(profile::end_others))
        .route("/credentials", get(credentials::show).post(credentials::generate))
        .route("/credentials/{id}/revoke", get(credentials::ask_revoke).post(credentials::revoke))
        .route("/admin", get(async || Redirect::to("/admin/users")))
        .route("/admin/users", get(admin::list))
        .route("/admin/users/new", get(admin::show_new).post(admin::create))
        .route("/admin/users/{guid}", get(admin::show))
        .route("/admin/users/{guid}/edit", get(admin::show_edit).post(admin::edit))
        .route(
            "/admin/users/{guid}/credentials",
            get(credentials::show).post(credentials::generate),
        )
        .route(
            "/admin/users/{guid}/credentials/{id}/revoke",
            get(credentials::ask_revoke).post(credentials::revoke),
        )
        .route("/admin/users/{guid}/{act}", post(admin::act))
        .route("/admin/roles", get(roles::list))
        .route("/admin/roles/new", get(roles::show_new).post(roles::create))
        .route("/admin/roles/{guid}", get(roles::show).post(roles::change))
        .route("/admin/settings", get(organisation::show).post(organisation::save))
        .route("/admin/activity.csv", get(activity::csv))
        .route("/admin/activity", get(activity::show))
        // Teams and business units.
        .route("/admin/{groups}", get(groups::list).post(groups::create))
        .route("/admin/{groups}/{guid}", get(groups::show).post(groups::change))
        .route("/mailbox", get(mailbox::list))
        .route("/mailbox/open/{token}", get(mailbox::open))
        .route("/mailbox/{id}", get(mailbox::read))
        .route("/mailbox/{id}/html", get(mailbox::html))
        .fallback(async || Stop::NotFound)
        .layer(from_fn_with_state(SecurityHeaders::new(web::PAGES), web::guarded))
        .with_state(console)
}

async fn front(visitor: Visitor) -> Redirect {
    Redirect::to(if visitor.is_in() { "/credentials" } else { "/sign-in" })
}

/// What pages can do without: they all work with scripts off.
async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../templates/console.js"))
}

async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../templates/style.css"))
}
