//! What all pages share: who visits, forms that only our own pages can send, and
//! the frame around a page.

use askama::Template;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use countersign_signin::session::{Session, Stage};
use countersign_signin::{Begun, Refusal, Seat, Visit, device};
use countersign_web::cookie::Cookies;
use countersign_web::form::FormKey;
use countersign_web::guest::Guest;
use countersign_web::headers::{Pages, SecurityHeaders};
use countersign_web::origin::must_be_own;
use countersign_web::page::{Hindrance, Notice, html};
use countersign_web::{Site, host_of};
use zeroize::Zeroizing;

use super::Console;
use crate::rest::query::Query;
use countersign_tenant::roles::Permission;
use countersign_tenant::users::{self, User};
use countersign_tenant::{Act, Error, Refused};

pub(super) use countersign_web::moment::{Moment, from_now};
pub(super) use countersign_web::page::go;

pub(super) const COOKIES: Cookies = Cookies::new("", true);

/// The mailbox shows mails in frames.
pub(super) const PAGES: Pages = Pages { have_frames: true, fetch: false, are_always_secure: true };

/// Who asks for a page.
pub(super) struct Visitor {
    /// A session that goes on, and whose it is.
    pub(super) seat: Option<Seat<User>>,
    form_key: FormKey,
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
            token: self.form_key.token(),
            tab: None,
        }
    }

    /// A page with this status.
    pub(super) fn page(&self, status: u16, page: &impl Template) -> Result<Response, Stop> {
        let body = page.render().map_err(|error| Stop::Broken(error.to_string()))?;
        let mut response = html(status, body);
        self.form_key.hand_out(COOKIES, &mut response);
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
    /// Of a page within Admin.
    pub(super) tab: Option<Tab>,
}

impl Frame {
    /// The same page as one of this tab.
    pub(super) fn within(self, tab: Tab) -> Self {
        Self { tab: Some(tab), ..self }
    }

    /// The tabs of Admin, and whether the page belongs to each.
    pub(super) fn tabs(&self) -> [(Tab, bool); 6] {
        Tab::ALL.map(|tab| (tab, self.tab == Some(tab)))
    }
}

/// The tabs of Admin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Users,
    Teams,
    Units,
    Roles,
    Organisation,
    Activity,
}

impl Tab {
    const ALL: [Self; 6] =
        [Self::Users, Self::Teams, Self::Units, Self::Roles, Self::Organisation, Self::Activity];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Users => "Users",
            Self::Teams => "Teams",
            Self::Units => "Business Units",
            Self::Roles => "Roles",
            Self::Organisation => "Organisation",
            Self::Activity => "Activity Log",
        }
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Users => "/admin/users",
            Self::Teams => "/admin/teams",
            Self::Units => "/admin/business-units",
            Self::Roles => "/admin/roles",
            Self::Organisation => "/admin/settings",
            Self::Activity => "/admin/activity",
        }
    }
}

impl FromRequestParts<Console> for Visitor {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Stop> {
        let mut guest = Guest::new(parts, &site(parts), COOKIES);
        let Guest { address, agent, device, .. } = &guest;
        let visit =
            Visit { address: address.clone(), agent: agent.clone(), device: device.clone() };
        let seat = guest.seat(async |token| console.seat(token, visit.clone()).await).await?;
        let form_key = guest.form_key(&parts.headers, &**console.app.random());
        Ok(Self { seat, form_key, visit, now_ms: console.app.now() })
    }
}

/// Goes on as a session that has begun.
pub(super) fn enter(page: Response, begun: &Begun) -> Response {
    let device = begun.device.as_ref().map(|token| (token.as_str(), device::LIFE_MS));
    COOKIES.enter(page, &begun.token, device)
}

/// The account knows the browser from now on.
pub(super) fn known(page: Response, token: &str) -> Response {
    COOKIES.known(page, token, device::LIFE_MS)
}

pub(super) fn leave(page: Response) -> Response {
    COOKIES.leave(page)
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
        must_be_own(&parts.headers, Some(&site(&parts).origin))?;
        let visitor = Visitor::from_request_parts(&mut parts, console).await?;
        let fields = visitor.form_key.fields(body).await?.into();
        Ok(Self { visitor, fields })
    }
}

fn site(parts: &Parts) -> Site {
    Site::over_tls(host_of(&parts.headers, &parts.uri))
}

/// Headers of every answer.
pub(super) async fn guarded(
    State(headers): State<SecurityHeaders>,
    request: Request,
    next: Next,
) -> Response {
    let is_read = [Method::GET, Method::HEAD, Method::POST].contains(request.method());
    let mut response = if is_read {
        next.run(request).await
    } else {
        StatusCode::METHOD_NOT_ALLOWED.into_response()
    };
    headers.add_to(response.headers_mut());
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
    /// What every face says alike.
    Hindered(Hindrance),
    /// A secret of a person is for that person alone.
    OwnOnly,
    /// Who must have a second factor keeps the last one.
    LastFactor,
    /// A page could not be made.
    Broken(String),
    Failed(Error),
}

impl From<Hindrance> for Stop {
    fn from(hindrance: Hindrance) -> Self {
        Self::Hindered(hindrance)
    }
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
        Err(Refused::Invalid(complaints)) => {
            Ok(Err(complaints.iter().map(|complaint| labelled(complaint)).collect()))
        }
        Err(refused) => Err(refused.into()),
    }
}

/// A complaint about a member, with the label that the member has in a form.
fn labelled(complaint: &str) -> String {
    let Some((member, what)) = complaint.split_once(": ") else { return complaint.to_owned() };
    let label = match member {
        "user_name" => "User name",
        "first_name" => "First name",
        "last_name" => "Last name",
        "email_address" => "E-mail address",
        "allowed_ip_addresses" => "Addresses",
        "roles" => "Roles",
        "teams" | "team_id" => "Teams",
        "permissions" => "Permissions",
        "role_name" => "Name in the API",
        "role_description" => "Display name",
        "child_roles" => "Roles that it holds",
        _ => return complaint.to_owned(),
    };
    format!("{label}: {what}")
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
            Refusal::Busy => Hindrance::Busy.into(),
            Refusal::Unproven => Self::Prove("/profile"),
            Refusal::Over => Self::Go("/"),
            Refusal::Missing => Self::NotFound,
            Refusal::LastFactor => Self::LastFactor,
            Refusal::Failed(error) => error.into(),
            other => Self::Broken(format!("{other:?}")),
        }
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
        let (status, title, what, fix) = match &self {
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
                "The link is on the terminal where the platform was started, and \
                 `mailbox_url` in the ready file if `--ready-file` named one.",
            ),
            Self::NotFound => (404, "No such page", "There is nothing here.", "Check the address."),
            Self::Hindered(hindrance) => {
                let Notice { status, title, what, fix } = hindrance.notice();
                (status, title, what, fix)
            }
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
            Self::Broken(error) => {
                tracing::error!(error, "a page failed");
                (500, "Something failed", "The page could not be made.", "The log has the reason.")
            }
            Self::Failed(error) => {
                tracing::error!(%error, "a page failed");
                (500, "Something failed", "The page could not be made.", "The log has the reason.")
            }
        };
        let frame = Frame { title: title.to_owned(), ..Frame::default() };
        let page = StopPage { frame, what, fix };
        let body = page.render().unwrap_or_else(|_| what.to_owned());
        let mut response = html(status, body);
        if let Self::Hindered(hindrance) = self {
            hindrance.hold_off(&mut response);
        }
        response
    }
}
