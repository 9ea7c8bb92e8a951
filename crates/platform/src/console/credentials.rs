//! API Credentials: what there is, generating, the secret shown once, revoking.

use std::fmt;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Console;
use super::admin::found;
use super::web::{Admin, Form, Frame, Moment, Person, Stop, Visitor, complaints, from_now, go};
use countersign_tenant::clients::{self, Client, ClientStatus, MAX_DAYS, Wanted};
use countersign_tenant::credentials::{self, Listed};
use countersign_tenant::seed::DAY_MS;
use countersign_tenant::settings::Settings;
use countersign_tenant::users::User;
use countersign_tenant::{Change, Error, Noted, Refused, View};

/// Days before its end from which on a pair is warned about.
const WARNED_DAYS: i64 = 30;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Hmac,
    OAuth,
}

impl Kind {
    /// As the form names it.
    fn parse(text: &str) -> Option<Self> {
        match text {
            "hmac" => Some(Self::Hmac),
            "oauth" => Some(Self::OAuth),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hmac => "HMAC",
            Self::OAuth => "OAuth client",
        })
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Status {
    Active,
    Replaced,
    Expired,
    Revoked,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Replaced => "replaced, works until its end",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        })
    }
}

struct Row {
    kind: Kind,
    id: String,
    name: String,
    status: Status,
    created: Moment,
    expires: Moment,
    expires_words: String,
    last_used: String,
    end_ms: i64,
    is_live: bool,
}

#[derive(Template)]
#[template(path = "credentials.html")]
struct Page {
    frame: Frame,
    complaint: Option<String>,
    rows: Vec<Row>,
    /// What the newest live pair is, so that a second generation is noticed.
    newest: String,
    warning: Option<String>,
    /// Where the forms go.
    path: String,
    /// How long a new pair lives, and the one before it.
    days: i64,
    overlap_hours: i64,
}

const HOUR_MS: i64 = 3_600_000;

#[derive(Template)]
#[template(path = "secret.html")]
struct Secret {
    frame: Frame,
    kind: Kind,
    id: String,
    secret: Zeroizing<String>,
    expires: Moment,
    /// Where the page leads on.
    next: String,
    /// For the credentials file of the official tools.
    file: Zeroizing<String>,
}

/// What has an end, and when it was last used.
struct Life {
    created_ms: i64,
    end_ms: i64,
    last_used_ms: Option<i64>,
}

impl Row {
    fn of(kind: Kind, id: String, name: String, status: Status, life: &Life, now_ms: i64) -> Self {
        let end_ms = life.end_ms;
        Self {
            kind,
            id,
            name,
            status,
            created: Moment(life.created_ms),
            expires: Moment(end_ms),
            expires_words: from_now(end_ms, now_ms),
            last_used: life.last_used_ms.map_or("never".into(), |ms| from_now(ms, now_ms)),
            end_ms,
            is_live: end_ms > now_ms,
        }
    }
}

fn rows(view: &View<'_>, user: &User) -> Result<Vec<Row>, Error> {
    let now_ms = view.now_ms;
    let pair = |Listed { credential: held, created_ms, last_used_ms }| {
        let status = match held.revoked_ms {
            Some(revoked_ms) if revoked_ms <= now_ms => Status::Revoked,
            _ if held.expires_ms <= now_ms => Status::Expired,
            Some(_) => Status::Replaced,
            None => Status::Active,
        };
        let end_ms = held.revoked_ms.map_or(held.expires_ms, |ms| ms.min(held.expires_ms));
        let life = Life { created_ms, end_ms, last_used_ms };
        Row::of(Kind::Hmac, held.api_id, String::new(), status, &life, now_ms)
    };
    let client = |client: Client| {
        let end_ms = client.revoked_ms.map_or(client.expires_ms, |ms| ms.min(client.expires_ms));
        let status = match client.status(now_ms) {
            ClientStatus::Active => Status::Active,
            ClientStatus::Expired => Status::Expired,
            ClientStatus::Revoked => Status::Revoked,
        };
        let (created_ms, last_used_ms) = (client.created_ms, client.last_used_ms);
        let life = Life { created_ms, end_ms, last_used_ms };
        Row::of(Kind::OAuth, client.client_id, client.name, status, &life, now_ms)
    };
    let pairs = credentials::of_user(view, user.id)?.into_iter().map(pair);
    let clients = clients::of_user(view, user.id)?.into_iter().map(client);
    Ok(pairs.chain(clients).collect())
}

/// The API ID of the newest credentials that were not replaced or revoked.
fn newest(view: &View<'_>, user: i64) -> Result<String, Error> {
    let newest = credentials::newest(view, user)?;
    Ok(newest.filter(|pair| pair.revoked_ms.is_none()).map_or(String::new(), |pair| pair.api_id))
}

/// Whose credentials a page is about, and where that page is.
struct Holder {
    user: User,
    path: String,
    /// Where a fresh proof leads on.
    proof: &'static str,
    is_own: bool,
}

/// What the address of a page names.
#[derive(Deserialize)]
pub(super) struct Named {
    /// An API account that an administrator looks after; else it is the visitor's own page.
    guid: Option<String>,
    id: Option<String>,
}

impl Named {
    async fn holder(&self, console: &Console, visitor: Visitor) -> Result<(Person, Holder), Stop> {
        let Some(guid) = &self.guid else {
            let person = Person::of(visitor)?;
            let (user, path) = (person.user.clone(), "/credentials".to_owned());
            return Ok((person, Holder { user, path, proof: "/credentials", is_own: true }));
        };
        let Admin(person) = Admin::of(visitor)?;
        let user = found(console, guid.clone()).await?;
        if !user.is_api {
            return Err(Stop::OwnOnly);
        }
        let path = format!("/admin/users/{}/credentials", user.guid);
        Ok((person, Holder { user, path, proof: "/admin/users", is_own: false }))
    }

    /// The same, for what needs a fresh proof.
    async fn proven(&self, console: &Console, visitor: Visitor) -> Result<(Person, Holder), Stop> {
        let (person, holder) = self.holder(console, visitor).await?;
        person.must_be_privileged(holder.proof)?;
        Ok((person, holder))
    }

    fn id(self) -> String {
        self.id.unwrap_or_default()
    }
}

impl Holder {
    fn title(&self) -> String {
        match self.is_own {
            true => "API Credentials".to_owned(),
            false => format!("API Credentials of {}", self.user.name),
        }
    }
}

async fn page(
    console: &Console,
    person: &Person,
    holder: &Holder,
    complaint: Option<String>,
) -> Result<Page, Stop> {
    let (user, now_ms) = (holder.user.clone(), person.visitor.now_ms);
    console.app.aside(|state| state.tenant().write_used()).await?;
    let ask = move |view: &View<'_>| {
        let days = Settings::of(view)?.pair_days;
        let overlap_hours = view.overlap_ms()? / HOUR_MS;
        Ok((rows(view, &user)?, newest(view, user.id)?, days, overlap_hours))
    };
    let (rows, newest, days, overlap_hours) = console.app.look::<_, Error>(ask).await?;
    let live = rows.iter().find(|row| row.kind == Kind::Hmac && row.status == Status::Active);
    let soon = |row: &&Row| (row.end_ms - now_ms) / DAY_MS <= WARNED_DAYS;
    let warning = live.filter(soon).map(|row| {
        format!("The HMAC credentials {} expire {}. Generate new ones.", row.id, row.expires_words)
    });
    let (frame, path) = (person.visitor.frame(&holder.title()), holder.path.clone());
    Ok(Page { frame, path, complaint, rows, newest, warning, days, overlap_hours })
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(named): Path<Named>,
) -> Result<Response, Stop> {
    let (person, holder) = named.holder(&console, visitor).await?;
    let page = page(&console, &person, &holder, None).await?;
    person.visitor.page(200, &page)
}

/// What was made, and is shown this once.
struct Made {
    kind: Kind,
    id: String,
    secret: Zeroizing<String>,
    expires_ms: i64,
}

fn generated(
    change: &Change<'_>,
    user: &User,
    kind: Option<Kind>,
    name: &str,
    seen: &str,
) -> Result<Noted<Made>, Refused> {
    match kind {
        Some(Kind::Hmac) => generated_pair(change, user, seen),
        Some(Kind::OAuth) => generated_client(change, user, name),
        None => Err(Refused::invalid("Choose HMAC Credentials or OAuth Client.")),
    }
}

fn generated_pair(change: &Change<'_>, user: &User, seen: &str) -> Result<Noted<Made>, Refused> {
    // Two tabs, or a page that was sent again: one of them wins.
    if newest(change, user.id)? != seen {
        return Err(Refused::invalid(
            "Credentials were generated elsewhere since this page was loaded. \
             Nothing was generated now.",
        ));
    }
    Ok(credentials::generate(change, user)?.map(|minted| Made {
        kind: Kind::Hmac,
        id: minted.credential.api_id,
        secret: Zeroizing::new(minted.secret.expose_hex().to_string()),
        expires_ms: minted.credential.expires_ms,
    }))
}

fn generated_client(change: &Change<'_>, user: &User, name: &str) -> Result<Noted<Made>, Refused> {
    let wanted =
        Wanted { name: name.to_owned(), description: String::new(), days: MAX_DAYS, roles: None };
    Ok(clients::create(change, user, &wanted)?.map(|(client, secret)| Made {
        kind: Kind::OAuth,
        id: client.client_id,
        secret: Zeroizing::new(secret.to_string()),
        expires_ms: client.expires_ms,
    }))
}

pub(super) async fn generate(
    State(console): State<Console>,
    Path(named): Path<Named>,
    Form { visitor, fields }: Form,
) -> Result<Response, Stop> {
    let (person, holder) = named.proven(&console, visitor).await?;
    let text = |name: &str| fields.get(name).unwrap_or_default().to_owned();
    let (kind, name, seen) = (Kind::parse(&text("kind")), text("name"), text("newest"));
    let user = holder.user.clone();
    let make = move |change: &Change<'_>| generated(change, &user, kind, name.trim(), &seen);
    let made = complaints(console.app.change(person.act(), make).await)?;
    let made = match made {
        Ok(made) => made,
        Err(complaints) => {
            let page = page(&console, &person, &holder, Some(complaints.join(" "))).await?;
            return person.visitor.page(422, &page);
        }
    };
    let file = Zeroizing::new(format!(
        "[default]\nveracode_api_key_id = {}\nveracode_api_key_secret = {}\n",
        made.id, *made.secret
    ));
    let page = Secret {
        frame: person.visitor.frame("Store the Secret Key now"),
        kind: made.kind,
        id: made.id,
        secret: made.secret,
        expires: Moment(made.expires_ms),
        next: holder.path.clone(),
        file: Zeroizing::new(data_encoding::BASE64.encode(file.as_bytes())),
    };
    person.visitor.page(200, &page)
}

#[derive(Template)]
#[template(path = "revoke.html")]
struct Revoke {
    frame: Frame,
    row: Row,
    path: String,
}

pub(super) async fn ask_revoke(
    State(console): State<Console>,
    visitor: Visitor,
    Path(named): Path<Named>,
) -> Result<Response, Stop> {
    let (person, holder) = named.proven(&console, visitor).await?;
    let id = named.id();
    let user = holder.user;
    console.app.aside(|state| state.tenant().write_used()).await?;
    let rows = console.app.look::<_, Error>(move |view| rows(view, &user)).await?;
    let row = rows.into_iter().find(|row| row.id == id).ok_or(Stop::NotFound)?;
    let frame = person.visitor.frame("Revoke credentials");
    person.visitor.page(200, &Revoke { frame, row, path: holder.path })
}

pub(super) async fn revoke(
    State(console): State<Console>,
    Path(named): Path<Named>,
    form: Form,
) -> Result<Response, Stop> {
    let (person, holder) = named.proven(&console, form.visitor).await?;
    let id = named.id();
    let (back, user) = (holder.path, holder.user);
    let make = move |change: &Change<'_>| -> Result<Noted<()>, Refused> {
        if let Some(client) = clients::find(change, &id)?.filter(|client| client.user == user.id) {
            return Ok(clients::revoke(change, &client, &user)?);
        }
        match credentials::find(change, &id)?.filter(|pair| pair.user == user.id) {
            Some(pair) => Ok(credentials::revoke(change, &user, &pair.api_id)?),
            None => Err(Refused::Missing("credentials")),
        }
    };
    console.app.change(person.act(), make).await?;
    Ok(go(&back))
}
