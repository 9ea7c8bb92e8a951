use std::fmt::Write;
use std::time::Duration;

use countersign_connector::watch::{Channel, Delivering, Message};
use countersign_text::line;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use zeroize::Zeroizing;

use crate::config::watch::MailConfig;
use crate::failure::Failure;
use crate::output::when;

type Transport = AsyncSmtpTransport<Tokio1Executor>;

const PATIENCE: Duration = Duration::from_secs(30);
const USER: &str = "COUNTERSIGN_SMTP_USER";
const PASSWORD: &str = "COUNTERSIGN_SMTP_PASSWORD";

/// Mail to some people, one mail for all of them.
pub(super) struct Mail {
    name: String,
    transport: Transport,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mail {
    pub(super) fn new(config: &MailConfig) -> Result<Self, Failure> {
        let name = &config.name;
        let wrong = |what: String| Failure::usage(format!("mail `{name}`: {what}"));
        if config.server.contains('@') {
            // What stands there may be a password: it is not repeated.
            return Err(wrong(format!(
                "user and password do not belong into `server`\nhint: set {USER} and {PASSWORD}"
            )));
        }
        let url = match config.server.split_once("://") {
            Some(("smtp", _)) => format!("{}?tls=opportunistic", config.server),
            _ => config.server.clone(),
        };
        let mut builder = Transport::from_url(&url).map_err(|error| {
            let server = &config.server;
            wrong(format!(
                "`{server}` is no mail server: {error}\nhint: give smtp://HOST:PORT or smtps://HOST:PORT"
            ))
        })?;
        if let (Ok(user), Ok(password)) = (std::env::var(USER), std::env::var(PASSWORD)) {
            let password = Zeroizing::new(password);
            builder = builder.credentials(Credentials::new(user, password.to_string()));
        }
        let mailbox = |text: &String| {
            let parsed = text.parse::<Mailbox>();
            parsed.map_err(|error| wrong(format!("`{text}` is no mail address: {error}")))
        };
        let to = config.to.iter().map(mailbox).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(wrong("`to` names nobody".into()));
        }
        Ok(Self {
            name: name.clone(),
            transport: builder.timeout(Some(PATIENCE)).build(),
            from: mailbox(&config.from)?,
            to,
        })
    }

    async fn deliver(&self, message: &Message) -> Result<(), String> {
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            // The same at every try: a mail that came twice is seen to be one.
            .message_id(Some(format!(
                "<{}.{}@{}>",
                message.id,
                self.name,
                self.from.email.domain()
            )))
            .subject(subject(message));
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        let mail = mail.body(text(message)).map_err(|error| error.to_string())?;
        self.transport.send(mail).await.map(drop).map_err(|error| error.to_string())
    }
}

impl Channel for Mail {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'s>(&'s self, message: &'s Message) -> Delivering<'s> {
        Box::pin(self.deliver(message))
    }
}

/// Names come from elsewhere: none ends a header.
fn subject(message: &Message) -> String {
    let subject = line(&message.subject);
    if message.is_urgent { format!("[urgent] {subject}") } else { subject.to_string() }
}

fn text(message: &Message) -> String {
    let mut text = format!("{}.\n", line(&message.subject));
    for action in &message.actions {
        let _ = write!(text, "\n- {}\n", line(action));
    }
    let _ = write!(
        text,
        "\ncredential  {}\nhost        {}\naccount     {}\napi id      {}\nexpires     {}\n",
        line(&message.credential),
        line(&message.host),
        line(message.account.as_deref().unwrap_or("unknown")),
        line(&message.api_id),
        message.expires_ms.map_or("unknown".into(), when),
    );
    let _ = write!(
        text,
        "\nTo acknowledge: countersign credentials acknowledge {}\n",
        line(&message.credential)
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut MailConfig)) -> String {
        let mut config = MailConfig {
            name: "ops".into(),
            server: "smtp://localhost:25".into(),
            from: "watch@example.com".into(),
            to: vec!["ops@example.com".into()],
            escalation: false,
        };
        change(&mut config);
        match Mail::new(&config) {
            Ok(_) => String::new(),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn mails_that_are_refused() {
        assert!(refused(|mail| mail.server = "localhost".into()).contains("no mail server"));
        let told = refused(|mail| mail.server = "smtps://user:hush@mail.example.com".into());
        assert!(told.contains("COUNTERSIGN_SMTP_PASSWORD") && !told.contains("hush"), "{told}");
        assert!(refused(|mail| mail.from = "nobody".into()).contains("no mail address"));
        assert!(refused(|mail| mail.to = vec!["a@b".into(), "@".into()]).contains("`@`"));
        assert!(refused(|mail| mail.to.clear()).contains("nobody"));
        assert_eq!(refused(|_| {}), "");
    }
}
