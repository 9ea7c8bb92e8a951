//! Delivery: what waits in the outbox goes out by SMTP. A mail that was accepted and
//! not yet marked when the platform ended goes out again, with the same message id.

use std::time::Duration;

use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use rusqlite::{Connection, params};
use zeroize::Zeroizing;

use crate::state::AppState;
use countersign_tenant::Error;

/// A mail server.
#[derive(Clone)]
pub struct Smtp {
    /// `smtp://` (encrypted where the server offers it) or `smtps://`, host and port.
    pub url: String,
    /// The sender.
    pub from: String,
    /// For servers that ask.
    pub user: Option<String>,
    /// For servers that ask.
    pub password: Option<Zeroizing<String>>,
}

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Between two looks into the outbox.
const LOOK: Duration = Duration::from_millis(500);
/// Taken out of it at once.
const BATCH: u32 = 20;
/// Waits double with every failure, up to this.
const LONGEST_WAIT_MS: i64 = 6 * 3_600_000;
/// After so many failures, three days, a mail is given up; it stays in the outbox.
const MOST_ATTEMPTS: i64 = 20;

pub(crate) fn transport(smtp: &Smtp) -> Result<Transport, Error> {
    if smtp.url.contains('@') {
        // What stands there may be a password: it is not repeated.
        return Err(Error::input(
            "user and password do not belong into the address of the mail server\n\
             hint: set COUNTERSIGN_SMTP_USER and COUNTERSIGN_SMTP_PASSWORD"
                .into(),
        ));
    }
    let what = |error: &dyn std::fmt::Display| {
        Error::input(format!(
            "`{}` is no mail server: {error}\nhint: give smtp://HOST:PORT or smtps://HOST:PORT",
            smtp.url
        ))
    };
    let Some((scheme, _)) = smtp.url.split_once("://") else {
        return Err(what(&"it has no scheme"));
    };
    let url = match scheme {
        "smtp" => format!("{}?tls=opportunistic", smtp.url),
        _ => smtp.url.clone(),
    };
    let mut builder = Transport::from_url(&url).map_err(|error| what(&error))?;
    if let (Some(user), Some(password)) = (&smtp.user, &smtp.password) {
        builder = builder.credentials(Credentials::new(user.clone(), password.to_string()));
    }
    let _: Mailbox = smtp
        .from
        .parse()
        .map_err(|error| Error::input(format!("`{}` is no mail address: {error}", smtp.from)))?;
    Ok(builder.timeout(Some(Duration::from_secs(30))).build())
}

struct Waiting {
    id: i64,
    attempts: i64,
    due_ms: i64,
    to: String,
    subject: String,
    text: String,
    html: String,
}

fn waiting(connection: &Connection, now_ms: i64) -> Result<Vec<Waiting>, Error> {
    let mut statement = connection.prepare_cached(
        "select id, attempts, due_ms, recipient, subject, body, html from outbox
         where sent_ms is null and next_ms <= ?1 and due_ms <= ?1 and attempts < ?2
         order by id limit ?3",
    )?;
    let rows = statement.query_map(params![now_ms, MOST_ATTEMPTS, BATCH], |row| {
        Ok(Waiting {
            id: row.get(0)?,
            attempts: row.get(1)?,
            due_ms: row.get(2)?,
            to: row.get(3)?,
            subject: row.get(4)?,
            text: row.get(5)?,
            html: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// For as long as the platform runs.
pub(crate) async fn deliver(state: AppState, transport: Transport, from: String) {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let now_ms = state.now();
        let look = move |connection: &Connection, state: &AppState| {
            Ok::<_, Error>((waiting(connection, now_ms)?, state.settings(connection)?.mail_from))
        };
        let (mails, chosen) = match state.read(look).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "failed to look for mail");
                continue;
            }
        };
        for mail in mails {
            // What an administrator chose goes before what the platform was started with.
            let from = if chosen.is_empty() { &from } else { &chosen };
            let outcome = send(&transport, from, &mail).await;
            if let Err(error) = note(&state, &mail, outcome).await {
                tracing::warn!(%error, mail = mail.id, "failed to note what became of a mail");
            }
        }
    }
}

async fn send(transport: &Transport, from: &str, mail: &Waiting) -> Result<(), String> {
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| error.to_string());
    let domain = from.rsplit('@').next().unwrap_or("localhost");
    let message = Message::builder()
        .from(mailbox(from)?)
        .to(mailbox(&mail.to)?)
        .subject(&mail.subject)
        .message_id(Some(format!("<{}.{}@{domain}>", mail.due_ms, mail.id)));
    let message = match mail.html.as_str() {
        "" => message.body(mail.text.clone()),
        html => {
            message.multipart(MultiPart::alternative_plain_html(mail.text.clone(), html.to_owned()))
        }
    };
    let message = message.map_err(|error| error.to_string())?;
    transport.send(message).await.map(drop).map_err(|error| error.to_string())
}

async fn note(state: &AppState, mail: &Waiting, outcome: Result<(), String>) -> Result<(), Error> {
    let (id, attempts) = (mail.id, mail.attempts + 1);
    let is_sent = outcome.is_ok();
    if let Err(error) = outcome {
        tracing::warn!(error, mail = id, attempts, "a mail was not delivered");
    }
    state
        .write(move |transaction, state| {
            let now_ms = state.now();
            let wait_ms = (30_000_i64 << attempts.min(12)).min(LONGEST_WAIT_MS);
            transaction.execute(
                "update outbox set sent_ms = ?2, attempts = ?3, next_ms = ?4 where id = ?1",
                params![id, is_sent.then_some(now_ms), attempts, now_ms.saturating_add(wait_ms)],
            )?;
            Ok(())
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str, from: &str) -> String {
        let smtp = Smtp { url: url.into(), from: from.into(), user: None, password: None };
        transport(&smtp).expect_err(url).to_string()
    }

    #[test]
    fn servers_that_are_none() {
        for url in ["localhost:25", "http://localhost", "", "smtp://"] {
            assert!(refused(url, "a@example.com").contains("no mail server"), "{url}");
        }
        assert!(refused("smtp://localhost:25", "nobody").contains("no mail address"));
        let told = refused("smtps://user:hush@mail.example.com", "a@example.com");
        assert!(!told.contains("hush"), "{told}");
    }
}
