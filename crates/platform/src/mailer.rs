//! Delivery: what waits in the outbox goes out by SMTP. A mail that was accepted and
//! not yet marked when the platform ended goes out again, with the same message id.

use std::time::Duration;

use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::state::AppState;
use countersign_tenant::outbox::{self, Waiting};
use countersign_tenant::settings::Settings;
use countersign_tenant::{Error, View};

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

/// Delivers until it is aborted.
pub(crate) fn start(state: AppState, smtp: Smtp) -> Result<JoinHandle<()>, Error> {
    let transport = transport(&smtp)?;
    Ok(tokio::spawn(deliver(state, transport, smtp.from)))
}

fn transport(smtp: &Smtp) -> Result<Transport, Error> {
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

/// For as long as the platform runs.
async fn deliver(state: AppState, transport: Transport, from: String) {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let look = |view: &View<'_>| Ok((outbox::waiting(view)?, Settings::of(view)?.mail_from));
        let (mails, chosen) = match state.look::<_, Error>(look).await {
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
            let id = mail.id;
            if let Err(error) = note(&state, mail, outcome).await {
                tracing::warn!(%error, mail = id, "failed to note what became of a mail");
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

async fn note(state: &AppState, mail: Waiting, outcome: Result<(), String>) -> Result<(), Error> {
    let is_sent = outcome.is_ok();
    if let Err(error) = outcome {
        tracing::warn!(
            error,
            mail = mail.id,
            attempts = mail.attempts + 1,
            "a mail was not delivered"
        );
    }
    state.aside(move |state| outbox::tried(state.tenant(), &mail, is_sent)).await
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
