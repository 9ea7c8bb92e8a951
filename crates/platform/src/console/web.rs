//! What all pages share: who visits, forms that only our own pages can send, and
//! the frame around a page.

use std::net::SocketAddr;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::header::{
    COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE,
    USER_AGENT,
};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use countersign_signin::audit::{self, Entry};
use countersign_signin::password;
use countersign_signin::session::{self, Session, Stage};
use data_encoding::BASE64URL_NOPAD;
use rusqlite::Transaction;

use super::Console;
use crate::rest::query::Query;
use crate::state::AppState;
use countersign_tenant::roles::Permission;
use countersign_tenant::users::{self, User};
use countersign_tenant::{Act, Error, Refused};

const SESSION: &str = "__Host-session";
/// For forms of visitors who are not signed in.
const FORM: &str = "__Host-form";

/// Seen less long ago than this, a session is not written again.
const SEEN_MS: i64 = 60_000;

/// Who asks for a page.
pub(super) struct Visitor {
    /// A session that goes on, and whose it is.
    pub(super) session: Option<(Session, User)>,
    /// The password is older than one may be.
    pub(super) is_lapsed: bool,
    /// The cookie that the forms of the page are bound to.
    cookie: String,
    /// It is not in the browser yet.
    is_new: bool,
    pub(super) address: String,
    pub(super) agent: String,
    pub(super) now_ms: i64,
}

impl Visitor {
    pub(super) fn is_in(&self) -> bool {
        self.session.as_ref().is_some_and(|(session, _)| session.stage == Stage::Full)
    }

    pub(super) fn origin(&self) -> session::Origin<'_> {
        session::Origin { address: &self.address, agent: &self.agent }
    }

    /// The frame of a page for this visitor.
    pub(super) fn frame(&self, title: &str) -> Frame {
        let user = self.session.as_ref().filter(|_| self.is_in()).map(|(_, user)| user);
        Frame {
            title: title.to_owned(),
            user: user.map(|user| user.name.clone()),
            is_admin: user.is_some_and(is_admin),
            token: session::form_token(&self.cookie),
        }
    }

    /// Writes down what this visitor did.
    pub(super) fn note(
        &self,
        transaction: &Transaction<'_>,
        act: &str,
        target: &str,
    ) -> Result<(), Error> {
        let actor = self.session.as_ref().map_or("", |(_, user)| user.name.as_str());
        self.note_as(transaction, actor, act, target)
    }

    pub(super) fn note_as(
        &self,
        transaction: &Transaction<'_>,
        actor: &str,
        act: &str,
        target: &str,
    ) -> Result<(), Error> {
        let entry = Entry {
            at_ms: self.now_ms,
            actor: actor.to_owned(),
            act: act.to_owned(),
            target: target.to_owned(),
            address: self.address.clone(),
        };
        Ok(audit::append(transaction, &entry)?)
    }

    /// A page with this status.
    pub(super) fn page(&self, status: u16, page: &impl Template) -> Result<Response, Stop> {
        let body = page.render().map_err(|error| Stop::Broken(error.to_string()))?;
        let mut response = (
            StatusCode::from_u16(status).unwrap_or(StatusCode::OK),
            [("content-type", "text/html; charset=utf-8")],
            body,
        )
            .into_response();
        if self.is_new {
            put(&mut response, FORM, &self.cookie, None);
        }
        Ok(response)
    }
}

pub(super) fn is_admin(user: &User) -> bool {
    !user.is_api && user.may(Permission::ManageIdentity)
}

/// What every page shows around itself.
#[derive(Default)]
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) user: Option<String>,
    pub(super) is_admin: bool,
    /// For the forms of the page.
    pub(super) token: String,
}

impl FromRequestParts<Console> for Visitor {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Stop> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let address = peer.map(|ip| ip.to_canonical().to_string()).unwrap_or_default();
        let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let agent = agent.unwrap_or_default().to_owned();
        let app = console.app.clone();
        let now_ms = app.now();
        let token = cookie(&parts.headers, SESSION);
        let session = match token.clone() {
            Some(token) => current(&app, token, now_ms).await?,
            None => None,
        };
        // Who may not come from here may not stay either.
        let session = session.filter(|(_, user, _)| {
            !user.ip_restricted
                || peer.is_some_and(|ip| {
                    countersign_tenant::addresses::is_allowed(ip, &user.allowed_ips)
                })
        });
        let (cookie, is_new) = match (token, &session) {
            (Some(token), Some(_)) => (token, false),
            _ => match cookie(&parts.headers, FORM) {
                Some(held) => (held, false),
                None => {
                    let mut bytes = [0; 32];
                    (app.random())(&mut bytes);
                    (BASE64URL_NOPAD.encode(&bytes), true)
                }
            },
        };
        let is_lapsed = session.as_ref().is_some_and(|(.., is_lapsed)| *is_lapsed);
        let session = session.map(|(session, user, _)| (session, user));
        Ok(Self { session, is_lapsed, cookie, is_new, address, agent, now_ms })
    }
}

async fn current(
    app: &AppState,
    token: String,
    now_ms: i64,
) -> Result<Option<(Session, User, bool)>, Stop> {
    let found = app
        .read(move |connection, state| -> Result<_, Error> {
            let settings = state.settings(connection)?;
            let found = session::find(connection, &token, settings.sessions(), now_ms)?;
            let Some(session) = found else { return Ok(None) };
            let user = users::user_by(connection, "id", &session.person.to_string())?;
            let set_ms = password::set_ms(connection, session.person)?;
            let age_ms = set_ms.map(|ms| now_ms.saturating_sub(ms));
            let is_lapsed = age_ms.is_some_and(|age_ms| age_ms >= settings.password_life_ms());
            let user = user.filter(|user| user.active && user.login_enabled);
            Ok(user.map(|user| (session, user, is_lapsed)))
        })
        .await?;
    if let Some((session, ..)) = &found
        && now_ms - session.seen_ms >= SEEN_MS
    {
        let id = session.id;
        app.write(move |transaction, _| {
            session::seen(transaction, id, now_ms).map_err(Error::from)
        })
        .await?;
    }
    Ok(found)
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split("; ")).filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(held, _)| *held == name)?.1;
    (value.len() == 43).then(|| value.to_owned())
}

fn put(response: &mut Response, name: &str, value: &str, seconds: Option<u32>) {
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// Goes on as a session with this token.
pub(super) fn enter(mut response: Response, token: &str) -> Response {
    put(&mut response, SESSION, token, None);
    response
}

pub(super) fn leave(mut response: Response) -> Response {
    put(&mut response, SESSION, "", Some(0));
    response
}

/// On with another page, by GET.
pub(super) fn go(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, path);
    }
    response
}

/// A visitor who is signed in.
pub(super) struct Person {
    pub(super) visitor: Visitor,
    pub(super) user: User,
    pub(super) session: Session,
}

impl Person {
    fn of(visitor: Visitor) -> Result<Self, Stop> {
        if visitor.is_lapsed && visitor.is_in() {
            return Err(Stop::Go("/lapsed"));
        }
        Self::even_if_lapsed(visitor)
    }

    /// One whose password may be too old: for the pages that change it.
    pub(super) fn even_if_lapsed(visitor: Visitor) -> Result<Self, Stop> {
        let (session, user) = visitor.session.clone().ok_or(Stop::SignIn)?;
        match session.stage {
            Stage::Full => Ok(Self { visitor, user, session }),
            Stage::Password => Err(Stop::Go("/second-factor")),
            Stage::Enrol => Err(Stop::Go("/enrol")),
        }
    }

    /// Who changes something on a page.
    pub(super) fn act(&self) -> Act {
        Act::of(&self.user.name, self.visitor.address.clone())
    }

    /// Whether a second factor (or the password, where there is none) was given
    /// lately; else it is asked for first.
    pub(super) fn must_be_privileged(&self, next: &'static str) -> Result<(), Stop> {
        if self.session.is_privileged(self.visitor.now_ms) {
            Ok(())
        } else {
            Err(Stop::Prove(next))
        }
    }
}

impl FromRequestParts<Console> for Person {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Stop> {
        Self::of(Visitor::from_request_parts(parts, console).await?)
    }
}

/// A person who administers users.
pub(super) struct Admin(pub(super) Person);

impl Admin {
    pub(super) fn of(visitor: Visitor) -> Result<Self, Stop> {
        let person = Person::of(visitor)?;
        if is_admin(&person.user) { Ok(Self(person)) } else { Err(Stop::Forbidden) }
    }
}

impl FromRequestParts<Console> for Admin {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Stop> {
        Self::of(Visitor::from_request_parts(parts, console).await?)
    }
}

/// A form that one of our own pages sent.
pub(super) struct Form {
    pub(super) visitor: Visitor,
    pub(super) fields: Query,
}

impl Form {
    pub(super) fn text(&self, name: &str) -> String {
        self.fields.get(name).unwrap_or_default().to_owned()
    }

    pub(super) fn secret(&self, name: &str) -> zeroize::Zeroizing<String> {
        zeroize::Zeroizing::new(self.text(name))
    }

    /// What an administrator sends, with a fresh proof; without one it leads to `path`.
    pub(super) fn admin(self, path: &'static str) -> Result<(Person, Query), Stop> {
        let Admin(person) = Admin::of(self.visitor)?;
        person.must_be_privileged(path)?;
        Ok((person, self.fields))
    }

    pub(super) fn person(self) -> Result<(Person, Query), Stop> {
        Ok((Person::of(self.visitor)?, self.fields))
    }
}

impl FromRequest<Console> for Form {
    type Rejection = Stop;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Stop> {
        let (mut parts, body) = request.into_parts();
        if !is_own(&parts) {
            return Err(Stop::Stranger);
        }
        let visitor = Visitor::from_request_parts(&mut parts, console).await?;
        let request = Request::from_parts(parts, body);
        let body = Bytes::from_request(request, console).await.map_err(|_| Stop::Stranger)?;
        let fields = Query::parse(Some(std::str::from_utf8(&body).unwrap_or_default()));
        let given = fields.get("token").unwrap_or_default();
        if visitor.is_new || !session::is_form_token(&visitor.cookie, given) {
            return Err(Stop::Stranger);
        }
        Ok(Self { visitor, fields })
    }
}

/// Whether a browser says that the request comes from one of our own pages. Who
/// says nothing is judged by the token alone.
fn is_own(parts: &Parts) -> bool {
    let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let is_same = site.is_none_or(|site| site == "same-origin" || site == "none");
    // HTTP/2 names the host in the target.
    let host = text(HOST).or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
    let own = host.map(|host| format!("https://{host}"));
    is_same && text(ORIGIN).is_none_or(|origin| Some(origin) == own.as_deref())
}

/// Headers of every answer.
pub(super) async fn guarded(request: Request, next: Next) -> Response {
    let is_read = [Method::GET, Method::HEAD, Method::POST].contains(request.method());
    let mut response = if is_read {
        next.run(request).await
    } else {
        StatusCode::METHOD_NOT_ALLOWED.into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; frame-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
        ),
        ("strict-transport-security", "max-age=31536000"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "SAMEORIGIN"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
        .entry("cache-control")
        .or_insert(HeaderValue::from_static("no-store, no-cache, must-revalidate"));
    response
}

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Stop {
    SignIn,
    Go(&'static str),
    /// A fresh second factor first, then on to there.
    Prove(&'static str),
    Forbidden,
    NotFound,
    /// A form that none of our pages sent, or from a session that is over.
    Stranger,
    /// A secret of a person is for that person alone.
    OwnOnly,
    /// Who must have a second factor keeps the last one.
    LastFactor,
    /// Seconds to wait.
    TooMany(u64),
    /// A page could not be made.
    Broken(String),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Missing(_) | Refused::NoSuch(_) | Refused::MalformedGuid(_) => Self::NotFound,
            Refused::Forbidden(users::OWN_ONLY) => Self::OwnOnly,
            Refused::Forbidden(_) => Self::Forbidden,
            Refused::Failed(error) => Self::Failed(error),
            // Nothing that a form of these pages asks for.
            other => Self::Broken(format!("{other:?}")),
        }
    }
}

/// What is wrong with a form is shown beside it; anything else is a page of its own.
pub(super) fn complaints<T>(done: Result<T, Refused>) -> Result<Result<T, Vec<String>>, Stop> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(Refused::Invalid(complaints)) => Ok(Err(complaints)),
        Err(refused) => Err(refused.into()),
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

#[derive(Template)]
#[template(path = "stop.html")]
struct StopPage {
    frame: Frame,
    what: &'static str,
    fix: &'static str,
}

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        let wait = if let Self::TooMany(seconds) = &self { Some(*seconds) } else { None };
        let (status, title, what, fix) = match self {
            Self::SignIn => return go("/sign-in"),
            Self::Go(path) => return go(path),
            Self::Prove(next) => return go(&format!("/prove?next={next}")),
            Self::Forbidden => (
                403,
                "Not for this account",
                "This page is for administrators.",
                "Ask an administrator for the role, or sign in with another account.",
            ),
            Self::NotFound => (404, "No such page", "There is nothing here.", "Check the address."),
            Self::Stranger => (
                400,
                "The form is out of date",
                "The form belongs to a session that is over, or came from elsewhere.",
                "Go back, reload the page and send the form again.",
            ),
            Self::OwnOnly => (
                403,
                "Only for the owner",
                "A Secret Key of a person is seen by that person alone.",
                "Add an API service account, or ask the person to generate credentials.",
            ),
            Self::LastFactor => (
                409,
                "The last second factor",
                "This account must have a second factor, and this is the last one.",
                "Set up another one first.",
            ),
            Self::TooMany(_) => (
                429,
                "Too many tries",
                "Too many tries to sign in came from this address.",
                "Wait for a minute and try again.",
            ),
            Self::Broken(error) => {
                tracing::error!(error, "a page failed");
                (500, "Something failed", "The page could not be made.", "The log says why.")
            }
            Self::Failed(error) => {
                tracing::error!(%error, "a page failed");
                (500, "Something failed", "The page could not be made.", "The log says why.")
            }
        };
        let frame =
            Frame { title: title.to_owned(), user: None, is_admin: false, token: String::new() };
        let page = StopPage { frame, what, fix };
        let body = page.render().unwrap_or_else(|_| what.to_owned());
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response =
            (status, [("content-type", "text/html; charset=utf-8")], body).into_response();
        if let Some(seconds) = wait {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Shown as `2026-11-24 08:00 UTC`; a browser with scripts shows it in its own zone.
#[derive(Clone, Copy)]
pub(super) struct Moment(pub(super) i64);

impl Moment {
    fn time(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or_default()
    }

    /// For programs.
    pub(super) fn iso(&self) -> String {
        self.time().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.time().strftime("%Y-%m-%d %H:%M UTC"))
    }
}

/// `in 364 days`, `3 hours ago`.
pub(super) fn from_now(ms: i64, now_ms: i64) -> String {
    let distance = (ms - now_ms).unsigned_abs();
    let (count, unit) = match distance {
        0..60_000 => return if ms >= now_ms { "in a moment".into() } else { "just now".into() },
        60_000..3_600_000 => (distance / 60_000, "minute"),
        3_600_000..172_800_000 => (distance / 3_600_000, "hour"),
        _ => (distance / 86_400_000, "day"),
    };
    let s = if count == 1 { "" } else { "s" };
    if ms >= now_ms { format!("in {count} {unit}{s}") } else { format!("{count} {unit}{s} ago") }
}
