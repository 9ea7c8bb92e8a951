//! What all pages share: who visits, forms that only our own pages can send, the frame
//! around a page, and why there is none.

use askama::Template;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use countersign_signin::session::{Session, Stage};
use countersign_signin::{Begun, OwnPath, Refusal, Seat, Visit, device};
use countersign_text::line;
use countersign_web::cookie::Cookies;
use countersign_web::form::FormKey;
use countersign_web::guest::Guest;
use countersign_web::headers::Pages;
use countersign_web::origin::must_be_own;
use countersign_web::page::{Hindrance, Notice, html};
use countersign_web::{Site, host_of};

use super::inner::Inner;
use super::query::{Query, link};
use super::text::Shown;
use super::warning::{self, Warning};
use crate::people::{self, Person, Role};

pub(super) use countersign_web::page::go;

/// Pages ask whether something changed; no page has frames.
pub(super) const PAGES: Pages = Pages { have_frames: false, fetch: true, are_always_secure: false };

/// Of what the title of a window says beside the page's own.
const MAX_ABOUT_CHARS: usize = 120;

/// Who asks for a page.
pub(super) struct Visitor {
    /// A session that goes on, and whose it is.
    pub(super) seat: Option<Seat<Person>>,
    form_key: FormKey,
    cookies: Cookies,
    pub(super) visit: Visit,
    pub(super) now_ms: i64,
    /// Where they wanted to go, if that is a page.
    wanted: Option<OwnPath>,
    /// What every page says first.
    warnings: Vec<Warning>,
}

impl Visitor {
    pub(super) fn is_in(&self) -> bool {
        self.seat.as_ref().is_some_and(Seat::is_in)
    }

    /// Counts a step of sign-in, whichever it is, by where it comes from.
    pub(super) fn count(&self, inner: &Inner) -> Result<(), Stop> {
        let counted = inner.tries.count(self.visit.address.parse().ok(), self.now_ms);
        Ok(counted.map_err(Hindrance::TooMany)?)
    }

    /// The session, however far it has come.
    pub(super) fn seat(&self) -> Result<Seat<Person>, Stop> {
        self.seat.clone().ok_or_else(|| Stop::SignIn(self.wanted.clone()))
    }

    /// The frame of a page for this visitor; `place` is its entry in the menu.
    pub(super) fn frame(&self, title: &str, place: &'static str) -> Frame {
        let person = self.seat.as_ref().filter(|seat| seat.is_in()).map(|seat| &seat.owner);
        Frame {
            title: line(title).to_string(),
            place,
            person: person.map(|person| person.name.clone()),
            is_operator: person.is_some_and(|person| person.role == Role::Operator),
            token: self.form_key.token(),
            about: String::new(),
            warnings: self.warnings.clone(),
            crumbs: Vec::new(),
        }
    }

    /// A page with this status.
    pub(super) fn page(&self, status: u16, page: &impl Template) -> Result<Response, Stop> {
        let body = page.render().map_err(|error| Stop::Failed(error.to_string()))?;
        let mut response = html(status, body);
        self.form_key.hand_out(self.cookies, &mut response);
        Ok(response)
    }

    /// Goes on as a session that has begun.
    pub(super) fn enter(&self, page: Response, begun: &Begun) -> Response {
        let device = begun.device.as_ref().map(|token| (token.as_str(), device::LIFE_MS));
        self.cookies.enter(page, &begun.token, device)
    }

    /// The account knows the browser from now on.
    pub(super) fn known(&self, page: Response, token: &str) -> Response {
        self.cookies.known(page, token, device::LIFE_MS)
    }

    pub(super) fn leave(&self, page: Response) -> Response {
        self.cookies.leave(page)
    }
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
    /// What the page is narrowed to, for the title of its window.
    pub(super) about: String,
    pub(super) warnings: Vec<Warning>,
    /// Where the page lies: names and addresses, the outermost first.
    pub(super) crumbs: Vec<(Shown, String)>,
}

impl Frame {
    /// The same page, narrowed to this.
    pub(super) fn about(self, what: &str) -> Self {
        let about = what.chars().take(MAX_ABOUT_CHARS).collect::<String>();
        Self { about: line(&about).to_string(), ..self }
    }

    /// The same page below these.
    pub(super) fn below(self, crumbs: Vec<(Shown, String)>) -> Self {
        Self { crumbs, ..self }
    }

    /// The menu: name, path, whether the page belongs there.
    pub(super) fn menu(&self) -> [(&'static str, &'static str, bool); 7] {
        [
            ("Overview", "/"),
            ("Findings", "/findings"),
            ("Applications", "/applications"),
            ("Changes", "/changes"),
            ("Integrations", "/integrations"),
            ("Deliveries", "/deliveries"),
            ("Credentials", "/credentials"),
        ]
        .map(|(name, path)| (name, path, path == self.place))
    }
}

impl FromRequestParts<Inner> for Visitor {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, inner: &Inner) -> Result<Self, Stop> {
        let site = parts.extensions.get::<Site>().cloned().unwrap_or_default();
        let cookies = Cookies::new("countersign-", site.is_secure());
        let mut guest = Guest::new(parts, &site, cookies);
        let visit = visit(&guest);
        let asking = visit.clone();
        let find = async |token: String| {
            inner.people.step(move |signin| signin.seat(&token, &asking)).await
        };
        let seat = guest.seat(find).await?;
        let form_key = guest.form_key(&parts.headers, &*inner.random);
        let (now_ms, wanted) = ((inner.clock)(), wanted(&parts.method, &parts.uri));
        let warnings = match seat.as_ref().is_some_and(Seat::is_in) {
            true => warning::all(inner, now_ms).await?,
            false => Vec::new(),
        };
        Ok(Self { seat, form_key, cookies, visit, now_ms, wanted, warnings })
    }
}

/// A page that was asked for, to come back to; the first one needs no mention.
fn wanted(method: &Method, uri: &Uri) -> Option<OwnPath> {
    let path = uri.path_and_query().filter(|_| *method == Method::GET && uri.path() != "/")?;
    OwnPath::parse(path.as_str())
}

/// A step of sign-in, with where it is to lead.
pub(super) fn step(path: &str, next: Option<&OwnPath>) -> String {
    link(path, &[("next", next.map_or("", OwnPath::as_str))])
}

fn visit(guest: &Guest) -> Visit {
    let (address, agent, device) = (&guest.address, &guest.agent, &guest.device);
    Visit { address: address.clone(), agent: agent.clone(), device: device.clone() }
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
            Stage::Password | Stage::Enrol => Err(Stop::SecondFactor(visitor.wanted)),
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
        let own = parts.extensions.get::<Site>().map(|site| site.origin.as_str());
        must_be_own(&parts.headers, own)?;
        let visitor = Visitor::from_request_parts(&mut parts, inner).await?;
        let fields = visitor.form_key.fields(body).await?;
        Ok(Self { visitor, fields })
    }
}

/// Headers of every answer; refuses names that are not ours, so that no other site
/// can have a browser take us for itself.
pub(super) async fn guarded(
    State(inner): State<Inner>,
    mut request: Request,
    next: Next,
) -> Response {
    let host = host_of(request.headers(), request.uri());
    let site = host.and_then(|host| inner.names.site(host));
    let mut response = match site {
        None => Stop::Misdirected.into_response(),
        Some(site) => {
            request.extensions_mut().insert(site);
            next.run(request).await
        }
    };
    inner.headers.add_to(response.headers_mut());
    response
}

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Stop {
    /// First, and then on to there.
    SignIn(Option<OwnPath>),
    SecondFactor(Option<OwnPath>),
    Go(&'static str),
    Forbidden,
    NotFound,
    /// Nothing can be done there in this way.
    WrongMethod,
    /// What every face says alike.
    Hindered(Hindrance),
    /// A name that is not ours.
    Misdirected,
    /// Somebody asked for what cannot be: what, and what could be.
    Input(String),
    /// What was to be done did not succeed, and somebody can do something about it.
    Refused(String),
    Failed(String),
}

impl From<Hindrance> for Stop {
    fn from(hindrance: Hindrance) -> Self {
        Self::Hindered(hindrance)
    }
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
            Refusal::Busy => Hindrance::Busy.into(),
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
            Self::SignIn(next) => return go(&step("/sign-in", next.as_ref())),
            Self::SecondFactor(next) => return go(&step("/second-factor", next.as_ref())),
            Self::Go(path) => return go(path),
            Self::Forbidden => (
                403,
                "Not for this account",
                "This is for operators, and the account is a reader's.",
                "Ask whoever runs countersign for the role: `countersign people add --role operator`.",
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
            Self::Hindered(hindrance) => {
                let Notice { status, title, what, fix } = hindrance.notice();
                (status, title, what, fix)
            }
            Self::Misdirected => (
                421,
                "Not this address",
                "The dashboard does not answer to this name.",
                "Use the address that `countersign serve` printed; if browsers reach it by another one, start it with `--public-url URL`.",
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
                    "The log of `countersign serve` has the reason.",
                )
            }
        };
        let mut response = stop(status, title, what.to_owned(), fix.to_owned());
        if let Self::Hindered(hindrance) = self {
            hindrance.hold_off(&mut response);
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
