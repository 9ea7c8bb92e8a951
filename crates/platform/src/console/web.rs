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
use countersign_signin::session::{self, Session, Stage};
use countersign_signin::{Begun, Refusal, Seat, Visit, device};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::Console;
use crate::rest::query::Query;
use countersign_tenant::roles::Permission;
use countersign_tenant::users::{self, User};
use countersign_tenant::{Act, Error, Refused};

const SESSION: &str = "__Host-session";
/// For forms of visitors who are not signed in.
const FORM: &str = "__Host-form";
/// By which accounts know the browser.
const DEVICE: &str = "__Host-device";

/// Who asks for a page.
pub(super) struct Visitor {
    /// A session that goes on, and whose it is.
    pub(super) seat: Option<Seat<User>>,
    /// The cookie that the forms of the page are bound to.
    cookie: String,
    /// It is not in the browser yet.
    is_new: bool,
    pub(super) visit: Visit,
    pub(super) now_ms: i64,
}

impl Visitor {
    pub(super) fn is_in(&self) -> bool {
        self.seat.as_ref().is_some_and(Seat::is_in)
    }

    /// The session, however far it has come.
    pub(super) fn seat(&self) -> Result<Seat<User>, Stop> {
        self.seat.clone().ok_or(Stop::SignIn)
    }

    /// The frame of a page for this visitor.
    pub(super) fn frame(&self, title: &str) -> Frame {
        let user = self.seat.as_ref().filter(|seat| seat.is_in()).map(|seat| &seat.owner);
        Frame {
            title: title.to_owned(),
            user: user.map(|user| user.name.clone()),
            is_admin: user.is_some_and(is_admin),
            token: session::form_token(&self.cookie),
        }
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
        let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let visit = Visit {
            address: peer.map(|ip| ip.to_canonical().to_string()).unwrap_or_default(),
            agent: agent.unwrap_or_default().to_owned(),
            device: cookie(&parts.headers, DEVICE).map(Zeroizing::new),
        };
        let token = cookie(&parts.headers, SESSION);
        let seat = match token.clone() {
            Some(token) => {
                let visit = visit.clone();
                console.step(move |signin| signin.seat(&token, &visit)).await?
            }
            None => None,
        };
        let (cookie, is_new) = match (token, &seat) {
            (Some(token), Some(_)) => (token, false),
            _ => match cookie(&parts.headers, FORM) {
                Some(held) => (held, false),
                None => {
                    let mut bytes = [0; 32];
                    (console.app.random())(&mut bytes);
                    (BASE64URL_NOPAD.encode(&bytes), true)
                }
            },
        };
        Ok(Self { seat, cookie, is_new, visit, now_ms: console.app.now() })
    }
}

pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split("; ")).filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(held, _)| *held == name)?.1;
    (value.len() == 43).then(|| value.to_owned())
}

pub(super) fn put(response: &mut Response, name: &str, value: &str, seconds: Option<u32>) {
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// Goes on as a session that has begun.
pub(super) fn enter(mut response: Response, begun: &Begun) -> Response {
    put(&mut response, SESSION, &begun.token, None);
    match &begun.device {
        Some(token) => known(response, token),
        None => response,
    }
}

/// The account knows the browser from now on.
pub(super) fn known(mut response: Response, token: &str) -> Response {
    let seconds = u32::try_from(device::LIFE_MS / 1000).unwrap_or(u32::MAX);
    put(&mut response, DEVICE, token, Some(seconds));
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
    pub(super) fn of(visitor: Visitor) -> Result<Self, Stop> {
        let seat = visitor.seat()?;
        match seat.session.stage {
            Stage::Full if seat.is_lapsed => Err(Stop::Go("/lapsed")),
            Stage::Full => Ok(Self { visitor, user: seat.owner, session: seat.session }),
            Stage::Password => Err(Stop::Go("/second-factor")),
            Stage::Enrol => Err(Stop::Go("/enrol")),
        }
    }

    /// Who changes something on a page.
    pub(super) fn act(&self) -> Act {
        Act::of(&self.user.name, self.visitor.visit.address.clone())
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

    pub(super) fn secret(&self, name: &str) -> Zeroizing<String> {
        Zeroizing::new(self.text(name))
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
    /// The mailbox is for who has its link.
    ByLinkOnly,
    NotFound,
    /// A form that none of our pages sent, or from a session that is over.
    Stranger,
    /// A secret of a person is for that person alone.
    OwnOnly,
    /// Who must have a second factor keeps the last one.
    LastFactor,
    /// Seconds to wait.
    TooMany(u64),
    /// Too many passwords wait to be compared.
    Busy,
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

impl From<countersign_signin::Error> for Stop {
    fn from(error: countersign_signin::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// What a page does not answer itself.
impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy => Self::Busy,
            Refusal::Unproven => Self::Prove("/profile"),
            Refusal::Over => Self::Go("/"),
            Refusal::Missing => Self::NotFound,
            Refusal::LastFactor => Self::LastFactor,
            Refusal::Failed(error) => error.into(),
            other => Self::Broken(format!("{other:?}")),
        }
    }
}

/// In which a line of passwords is compared, and more.
const BUSY_SECONDS: u64 = 2;

#[derive(Template)]
#[template(path = "stop.html")]
struct StopPage {
    frame: Frame,
    what: &'static str,
    fix: &'static str,
}

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        let wait = match &self {
            Self::TooMany(seconds) => Some(*seconds),
            Self::Busy => Some(BUSY_SECONDS),
            _ => None,
        };
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
            Self::ByLinkOnly => (
                403,
                "The mailbox opens by its link",
                "Mails open accounts: they are shown to who has the link of the mailbox.",
                "The link is `mailbox_url` in the ready file of the platform, and on the \
                 terminal where it was started.",
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
            Self::Busy => (
                503,
                "Busy",
                "Too many people sign in at this moment.",
                "Try again in a few seconds.",
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
