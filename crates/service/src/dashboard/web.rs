//! What all pages share: who visits, forms that only our own pages can send, the frame
//! around a page, and why there is none.

use std::net::SocketAddr;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request, State};
use axum::http::header::{
    COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE,
    USER_AGENT,
};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use countersign_signin::session::{Session, Stage, form_token, is_form_token};
use countersign_signin::{Begun, Refusal, Seat, Visit, device};
use countersign_text::line;
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::Inner;
use super::query::Query;
use crate::people::{self, Person, Role};

/// Who asks for a page.
pub(super) struct Visitor {
    /// A session that goes on, and whose it is.
    pub(super) seat: Option<Seat<Person>>,
    /// The cookie that the forms of the page are bound to.
    cookie: String,
    /// It is not in the browser yet.
    is_new: bool,
    /// Over TLS, as the browser sees it.
    is_secure: bool,
    pub(super) visit: Visit,
    pub(super) now_ms: i64,
}

impl Visitor {
    pub(super) fn is_in(&self) -> bool {
        self.seat.as_ref().is_some_and(Seat::is_in)
    }

    /// The session, however far it has come.
    pub(super) fn seat(&self) -> Result<Seat<Person>, Stop> {
        self.seat.clone().ok_or(Stop::SignIn)
    }

    /// The frame of a page for this visitor; `place` is its entry in the menu.
    pub(super) fn frame(&self, title: &str, place: &'static str) -> Frame {
        let person = self.seat.as_ref().filter(|seat| seat.is_in()).map(|seat| &seat.owner);
        Frame {
            title: line(title).to_string(),
            place,
            person: person.map(|person| person.name.clone()),
            is_operator: person.is_some_and(|person| person.role == Role::Operator),
            token: form_token(&self.cookie),
        }
    }

    /// A page with this status.
    pub(super) fn page(&self, status: u16, page: &impl Template) -> Result<Response, Stop> {
        let body = page.render().map_err(|error| Stop::Failed(error.to_string()))?;
        let mut response = html(status, body);
        if self.is_new {
            put(&mut response, self.is_secure, Jar::Form, &self.cookie, None);
        }
        Ok(response)
    }

    /// Goes on as a session that has begun.
    pub(super) fn enter(&self, mut response: Response, begun: &Begun) -> Response {
        put(&mut response, self.is_secure, Jar::Session, &begun.token, None);
        match &begun.device {
            Some(token) => self.known(response, token),
            None => response,
        }
    }

    /// The account knows the browser from now on.
    pub(super) fn known(&self, mut response: Response, token: &str) -> Response {
        let seconds = u32::try_from(device::LIFE_MS / 1000).unwrap_or(u32::MAX);
        put(&mut response, self.is_secure, Jar::Device, token, Some(seconds));
        response
    }

    pub(super) fn leave(&self, mut response: Response) -> Response {
        put(&mut response, self.is_secure, Jar::Session, "", Some(0));
        response
    }
}

fn html(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [("content-type", "text/html; charset=utf-8")], body).into_response()
}

/// What every page shows around itself.
#[derive(Default)]
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) place: &'static str,
    pub(super) person: Option<String>,
    pub(super) is_operator: bool,
    /// For the forms of the page.
    pub(super) token: String,
}

impl Frame {
    /// The menu: name, path, whether the page belongs there.
    pub(super) fn menu(&self) -> [(&'static str, &'static str, bool); 6] {
        [
            ("Overview", "/"),
            ("Findings", "/findings"),
            ("Applications", "/applications"),
            ("Changes", "/changes"),
            ("Integrations", "/integrations"),
            ("Credentials", "/credentials"),
        ]
        .map(|(name, path)| (name, path, path == self.place))
    }
}

impl FromRequestParts<Inner> for Visitor {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, inner: &Inner) -> Result<Self, Stop> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let site = parts.extensions.get::<Site>().cloned().unwrap_or_default();
        let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back();
        let forwarded = forwarded
            .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok())
            .filter(|_| site.is_proxied && peer.is_some_and(|peer| peer.is_loopback()));
        let address = forwarded.or(peer).map(|ip| ip.to_canonical().to_string());
        let visit = Visit {
            address: address.unwrap_or_default(),
            agent: agent.unwrap_or_default().to_owned(),
            device: cookie(&parts.headers, site.is_secure(), Jar::Device).map(Zeroizing::new),
        };
        let is_secure = site.is_secure();
        let token = cookie(&parts.headers, is_secure, Jar::Session);
        let seat = match token.clone() {
            Some(token) => {
                let visit = visit.clone();
                inner.people.step(move |signin| signin.seat(&token, &visit)).await?
            }
            None => None,
        };
        let (cookie, is_new) = match (token, &seat) {
            (Some(token), Some(_)) => (token, false),
            _ => match cookie(&parts.headers, is_secure, Jar::Form) {
                Some(held) => (held, false),
                None => {
                    let mut bytes = [0; 32];
                    (inner.random)(&mut bytes);
                    (BASE64URL_NOPAD.encode(&bytes), true)
                }
            },
        };
        Ok(Self { seat, cookie, is_new, is_secure, visit, now_ms: (inner.clock)() })
    }
}

/// Cookies. Other programs on this machine may have some for other ports.
#[derive(Debug, Clone, Copy)]
enum Jar {
    Session,
    /// For forms of visitors who are not signed in.
    Form,
    /// By which accounts know the browser.
    Device,
}

impl Jar {
    fn name(self, is_secure: bool) -> &'static str {
        match (self, is_secure) {
            (Self::Session, true) => "__Host-countersign-session",
            (Self::Form, true) => "__Host-countersign-form",
            (Self::Device, true) => "__Host-countersign-device",
            (Self::Session, false) => "countersign-session",
            (Self::Form, false) => "countersign-form",
            (Self::Device, false) => "countersign-device",
        }
    }
}

fn cookie(headers: &HeaderMap, is_secure: bool, jar: Jar) -> Option<String> {
    let name = jar.name(is_secure);
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split("; ")).filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(held, _)| *held == name)?.1;
    (value.len() == 43).then(|| value.to_owned())
}

fn put(response: &mut Response, is_secure: bool, jar: Jar, value: &str, seconds: Option<u32>) {
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let secure = if is_secure { "; Secure" } else { "" };
    let name = jar.name(is_secure);
    let text = format!("{name}={value}; Path=/{secure}; HttpOnly; SameSite=Lax{age}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// On with another page, by GET.
pub(super) fn go(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, path);
    }
    response
}

/// A visitor who is signed in: a reader or an operator.
pub(super) struct Reader {
    pub(super) visitor: Visitor,
    pub(super) person: Person,
    pub(super) session: Session,
}

impl Reader {
    fn of(visitor: Visitor) -> Result<Self, Stop> {
        let Seat { session, owner, .. } = visitor.seat()?;
        match session.stage {
            Stage::Full => Ok(Self { visitor, person: owner, session }),
            Stage::Password | Stage::Enrol => Err(Stop::Go("/second-factor")),
        }
    }
}

impl FromRequestParts<Inner> for Reader {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, inner: &Inner) -> Result<Self, Stop> {
        Self::of(Visitor::from_request_parts(parts, inner).await?)
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

    pub(super) fn reader(self) -> Result<(Reader, Query), Stop> {
        Ok((Reader::of(self.visitor)?, self.fields))
    }

    pub(super) fn operator(self) -> Result<(Reader, Query), Stop> {
        let (reader, fields) = self.reader()?;
        match reader.person.role {
            Role::Operator => Ok((reader, fields)),
            Role::Reader => Err(Stop::Forbidden),
        }
    }
}

impl FromRequest<Inner> for Form {
    type Rejection = Stop;

    async fn from_request(request: Request, inner: &Inner) -> Result<Self, Stop> {
        let (mut parts, body) = request.into_parts();
        if !is_own(&parts) {
            return Err(Stop::Stranger);
        }
        let visitor = Visitor::from_request_parts(&mut parts, inner).await?;
        let request = Request::from_parts(parts, body);
        let body = Bytes::from_request(request, inner).await.map_err(|_| Stop::TooLarge)?;
        let fields = Query::parse(std::str::from_utf8(&body).ok());
        let given = fields.get("token").unwrap_or_default();
        if visitor.is_new || !is_form_token(&visitor.cookie, given) {
            return Err(Stop::Stranger);
        }
        Ok(Self { visitor, fields })
    }
}

/// Whether a browser says that the request comes from one of our own pages. Who says
/// nothing is judged by the token alone.
fn is_own(parts: &Parts) -> bool {
    let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let is_same = site.is_none_or(|site| site == "same-origin" || site == "none");
    let own = parts.extensions.get::<Site>().map(|site| site.origin.as_str());
    is_same && text(ORIGIN).is_none_or(|origin| Some(origin) == own)
}

/// As what the browser addresses us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Site {
    /// Such as `http://127.0.0.1:8460`.
    pub(super) origin: String,
    /// Through a proxy in front of us, on this machine.
    pub(super) is_proxied: bool,
}

impl Site {
    fn is_secure(&self) -> bool {
        self.origin.starts_with("https://")
    }
}

/// Headers of every answer; refuses names that are not ours, so that no other site
/// can have a browser take us for itself.
pub(super) async fn guarded(
    State(inner): State<Inner>,
    mut request: Request,
    next: Next,
) -> Response {
    // HTTP/2 names the host in the target.
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    let site = host.and_then(|host| inner.places.site(host));
    let mut response = match site {
        None => Stop::Misdirected.into_response(),
        Some(site) => {
            request.extensions_mut().insert(site);
            next.run(request).await
        }
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry("cache-control").or_insert(HeaderValue::from_static("no-store"));
    response
}

const HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Stop {
    SignIn,
    Go(&'static str),
    Forbidden,
    NotFound,
    /// Nothing can be done there in this way.
    WrongMethod,
    /// A form that none of our pages sent, or from a session that is over.
    Stranger,
    /// A body beyond what forms need.
    TooLarge,
    /// A name that is not ours.
    Misdirected,
    /// Seconds to wait.
    TooMany(u64),
    /// Too many passwords wait to be compared.
    Busy,
    /// Somebody asked for what cannot be: what, and what could be.
    Input(String),
    /// What was to be done did not succeed, and somebody can do something about it.
    Refused(String),
    Failed(String),
}

impl From<people::Error> for Stop {
    fn from(error: people::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<countersign_signin::Error> for Stop {
    fn from(error: countersign_signin::Error) -> Self {
        people::Error::from(error).into()
    }
}

/// What a page does not answer itself.
impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy => Self::Busy,
            Refusal::Unproven => Self::Go("/prove"),
            Refusal::Over => Self::Go("/"),
            Refusal::Missing => Self::NotFound,
            Refusal::Failed(error) => error.into(),
            other => Self::Failed(format!("{other:?}")),
        }
    }
}

impl From<countersign_store::Error> for Stop {
    fn from(error: countersign_store::Error) -> Self {
        if error.is_not_found() { Self::NotFound } else { Self::Failed(error.to_string()) }
    }
}

/// In which a line of passwords is compared, and more.
const BUSY_SECONDS: u64 = 2;

#[derive(Template)]
#[template(path = "stop.html")]
struct StopPage {
    frame: Frame,
    what: String,
    fix: String,
}

/// `what failed … \nhint: fix`, in two.
pub(super) fn cause_and_fix(text: &str) -> (String, String) {
    match text.split_once("\nhint: ") {
        Some((what, fix)) => (what.to_owned(), fix.to_owned()),
        None => (text.to_owned(), String::new()),
    }
}

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        let (status, title, what, fix) = match &self {
            Self::SignIn => return go("/sign-in"),
            Self::Go(path) => return go(path),
            Self::Forbidden => (
                403,
                "Not for this account",
                "This is for operators, and the account is a reader's.",
                "Ask whoever runs countersign for the role: `countersign people add NAME --role operator`.",
            ),
            Self::NotFound => (
                404,
                "No such page",
                "There is nothing at this address.",
                "Check the address, or begin at the overview.",
            ),
            Self::WrongMethod => (
                405,
                "Not in this way",
                "There is something at this address, but nothing can be asked of it in this way.",
                "Use the pages and their buttons.",
            ),
            Self::Stranger => (
                400,
                "The form is out of date",
                "The form belongs to a session that is over, or came from elsewhere.",
                "Go back, reload the page and send the form again.",
            ),
            Self::TooLarge => (
                413,
                "Too much at once",
                "No form of these pages is that large.",
                "Go back and send less.",
            ),
            Self::Misdirected => (
                421,
                "Not this address",
                "The dashboard does not answer to this name.",
                "Use the address that `countersign serve` printed; where people reach it by another one, start it with `--public-url URL`.",
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
            Self::Input(text) | Self::Refused(text) => {
                let (status, title) = match &self {
                    Self::Input(_) => (400, "That cannot be asked"),
                    _ => (409, "It was not done"),
                };
                let (what, fix) = cause_and_fix(text);
                return stop(status, title, what, fix);
            }
            Self::Failed(error) => {
                tracing::error!(error, "a page failed");
                (
                    500,
                    "Something failed",
                    "The page could not be made.",
                    "The log of `countersign serve` says why.",
                )
            }
        };
        let mut response = stop(status, title, what.to_owned(), fix.to_owned());
        let wait = match &self {
            Self::TooMany(seconds) => Some(*seconds),
            Self::Busy => Some(BUSY_SECONDS),
            _ => None,
        };
        if let Some(seconds) = wait {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn stop(status: u16, title: &str, what: String, fix: String) -> Response {
    let frame = Frame { title: title.to_owned(), ..Frame::default() };
    let page = StopPage { frame, what, fix };
    html(status, page.render().unwrap_or_else(|_| title.to_owned()))
}

/// Where nothing is routed, and where it is but not by this method.
pub(super) async fn not_found() -> Stop {
    Stop::NotFound
}

pub(super) async fn wrong_method(method: Method) -> Response {
    let mut response = Stop::WrongMethod.into_response();
    if method == Method::HEAD {
        *response.body_mut() = axum::body::Body::empty();
    }
    response
}
