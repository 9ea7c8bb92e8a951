//! API Credentials: what there is, generating, the secret shown once, revoking.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use rusqlite::Connection;
use zeroize::Zeroizing;

use super::Console;
use super::web::{Form, Frame, Person, Stop, from_now, go, moment};
use crate::accounts::{self, User};
use crate::oauth::{self, MAX_DAYS, Wanted};
use crate::seed::DAY_MS;
use crate::{Error, letters};

/// Days before its end from which on a pair is warned about.
const WARNED_DAYS: i64 = 30;

struct Row {
    kind: &'static str,
    id: String,
    name: String,
    status: &'static str,
    created: String,
    expires: String,
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
}

#[derive(Template)]
#[template(path = "secret.html")]
struct Secret {
    frame: Frame,
    kind: &'static str,
    id: String,
    secret: Zeroizing<String>,
    expires: String,
    /// Where the page leads on.
    next: String,
    /// For the credentials file of the official tools.
    file: Zeroizing<String>,
}

fn rows(connection: &Connection, user: &User, now_ms: i64) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for listed in accounts::credentials_of(connection, user.id)? {
        let held = listed.credential;
        let status = match held.revoked_ms {
            Some(revoked_ms) if revoked_ms <= now_ms => "revoked",
            _ if held.expires_ms <= now_ms => "expired",
            Some(_) => "replaced, works until its end",
            None => "active",
        };
        let end_ms = held.revoked_ms.map_or(held.expires_ms, |ms| ms.min(held.expires_ms));
        rows.push(Row {
            kind: "HMAC",
            id: held.api_id,
            name: String::new(),
            status,
            created: moment(listed.created_ms),
            expires: moment(end_ms),
            expires_words: from_now(end_ms, now_ms),
            last_used: listed.last_used_ms.map_or("never".into(), |ms| from_now(ms, now_ms)),
            end_ms,
            is_live: end_ms > now_ms,
        });
    }
    for client in oauth::of_user(connection, user.id)? {
        let end_ms = client.revoked_ms.map_or(client.expires_ms, |ms| ms.min(client.expires_ms));
        rows.push(Row {
            kind: "OAuth client",
            id: client.client_id,
            name: client.name,
            status: match client.revoked_ms {
                Some(_) => "revoked",
                None if client.expires_ms <= now_ms => "expired",
                None => "active",
            },
            created: moment(client.created_ms),
            expires: moment(end_ms),
            expires_words: from_now(end_ms, now_ms),
            last_used: client.last_used_ms.map_or("never".into(), |ms| from_now(ms, now_ms)),
            end_ms,
            is_live: end_ms > now_ms,
        });
    }
    Ok(rows)
}

/// The API ID of the newest pair that was not replaced or revoked.
fn newest(connection: &Connection, user: i64) -> Result<String, Error> {
    let newest = accounts::newest_credential(connection, user)?;
    Ok(newest.filter(|pair| pair.revoked_ms.is_none()).map_or(String::new(), |pair| pair.api_id))
}

async fn page(console: &Console, person: &Person, complaint: Option<String>) -> Result<Page, Stop> {
    let (user, now_ms) = (person.user.clone(), person.visitor.now_ms);
    let (rows, newest) = console
        .app
        .read(move |connection, state| -> Result<_, Error> {
            state.accounts().write_used()?;
            Ok((rows(connection, &user, now_ms)?, newest(connection, user.id)?))
        })
        .await?;
    let live = rows.iter().find(|row| row.kind == "HMAC" && row.status == "active");
    let soon = |row: &&Row| (row.end_ms - now_ms) / DAY_MS <= WARNED_DAYS;
    let warning = live.filter(soon).map(|row| {
        format!("The HMAC credentials {} expire {}. Generate new ones.", row.id, row.expires_words)
    });
    Ok(Page { frame: person.visitor.frame("API Credentials"), complaint, rows, newest, warning })
}

pub(super) async fn show(State(console): State<Console>, person: Person) -> Result<Response, Stop> {
    let page = page(&console, &person, None).await?;
    person.visitor.page(200, &page)
}

/// What was made, and is shown this once.
struct Made {
    kind: &'static str,
    id: String,
    secret: Zeroizing<String>,
    expires_ms: i64,
}

pub(super) async fn generate(State(console): State<Console>, form: Form) -> Result<Response, Stop> {
    let (kind, name, seen) = (form.text("kind"), form.text("name"), form.text("newest"));
    let (person, _) = form.person()?;
    person.must_be_privileged("/credentials")?;
    let person = Arc::new(person);
    let asking = Arc::clone(&person);
    let made = console
        .app
        .write(move |transaction, state| -> Result<_, Error> {
            let (user, now_ms) = (&asking.user, asking.visitor.now_ms);
            let made = match kind.as_str() {
                "hmac" => {
                    // Two tabs, or a page that was sent again: one of them wins.
                    if newest(transaction, user.id)? != seen {
                        return Ok(Err(
                            "Credentials were generated elsewhere since this page was loaded. \
                             Nothing was generated now."
                                .to_owned(),
                        ));
                    }
                    let minted = state.accounts().mint(transaction, user.id, now_ms)?;
                    Made {
                        kind: "HMAC",
                        id: minted.credential.api_id,
                        secret: Zeroizing::new(minted.secret.expose_hex().to_string()),
                        expires_ms: minted.credential.expires_ms,
                    }
                }
                "oauth" => {
                    let wanted = Wanted {
                        name: name.trim().to_owned(),
                        description: String::new(),
                        days: MAX_DAYS,
                        roles: None,
                    };
                    let made = oauth::create(transaction, user, &wanted, now_ms, state.random())?;
                    match made {
                        Ok((client, secret)) => Made {
                            kind: "OAuth client",
                            id: client.client_id,
                            secret: Zeroizing::new(secret.to_string()),
                            expires_ms: client.expires_ms,
                        },
                        Err(what) => return Ok(Err(what)),
                    }
                }
                _ => return Ok(Err("Choose HMAC Credentials or OAuth Client.".into())),
            };
            asking.visitor.note(transaction, "credentials.generate", &made.id)?;
            Ok(Ok(made))
        })
        .await?;
    let made = match made {
        Ok(made) => made,
        Err(complaint) => {
            let page = page(&console, &person, Some(complaint)).await?;
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
        expires: moment(made.expires_ms),
        next: "/credentials".to_owned(),
        file: Zeroizing::new(data_encoding::BASE64.encode(file.as_bytes())),
    };
    person.visitor.page(200, &page)
}

#[derive(Template)]
#[template(path = "revoke.html")]
struct Revoke {
    frame: Frame,
    row: Row,
}

pub(super) async fn ask_revoke(
    State(console): State<Console>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, Stop> {
    person.must_be_privileged("/credentials")?;
    let (user, now_ms) = (person.user.clone(), person.visitor.now_ms);
    let rows = console.app.read(move |connection, _| rows(connection, &user, now_ms)).await?;
    let row = rows.into_iter().find(|row| row.id == id && row.is_live).ok_or(Stop::NotFound)?;
    person.visitor.page(200, &Revoke { frame: person.visitor.frame("Revoke credentials"), row })
}

pub(super) async fn revoke(
    State(console): State<Console>,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let (person, _) = form.person()?;
    person.must_be_privileged("/credentials")?;
    console
        .app
        .write(move |transaction, _| -> Result<_, Stop> {
            let (user, now_ms) = (&person.user, person.visitor.now_ms);
            let own = rows(transaction, user, now_ms)?;
            let row = own.iter().find(|row| row.id == id).ok_or(Stop::NotFound)?;
            match row.kind {
                "HMAC" => drop(accounts::revoke(transaction, &id, &user.name, now_ms)?),
                _ => drop(oauth::revoke(transaction, &id, now_ms)?),
            }
            person.visitor.note(transaction, "credentials.revoke", &id)?;
            let what = format!("The {} credentials {id} were revoked.", row.kind);
            letters::happened(transaction, user, letters::CREDENTIALS_REVOKED, &what, now_ms)?;
            Ok(())
        })
        .await?;
    Ok(go("/credentials"))
}
