//! Mail to a server that the gate of its destination permits. The name is looked up once, and
//! the connection is made to what was checked.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_deliveries::gate::Barred;
use countersign_deliveries::http::Reach;
use countersign_deliveries::receivers::mail::{Post, Settings, Undelivered};
use countersign_deliveries::wire::Doing;
use countersign_text::line;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{AsyncTransport, Tokio1Executor};
use url::Url;
use zeroize::Zeroizing;

type Transport = AsyncSmtpTransport<Tokio1Executor>;

const PATIENCE: Duration = Duration::from_secs(30);
/// Of what a server replied.
const REASON: usize = 300;

/// A mail server.
pub(crate) struct Smtp {
    reach: Reach,
    host: String,
    port: u16,
    /// Whether TLS comes first, and not after a greeting.
    is_wrapped: bool,
    user: Option<String>,
    password: Arc<Zeroizing<String>>,
}

impl Smtp {
    /// Connects to nothing yet.
    pub(crate) fn new(
        settings: &Settings,
        password: Arc<Zeroizing<String>>,
        reach: Reach,
    ) -> Result<Self, String> {
        let wrong = || {
            "`server` is not a mail server\nhint: write `smtps://mail.example.com:465` or \
             `smtp://mail.example.com:587`"
                .to_owned()
        };
        if reach.proxy.is_some() {
            return Err("mail does not go through a proxy".into());
        }
        let url = Url::parse(&settings.server).map_err(|_| wrong())?;
        let (is_wrapped, port) = match url.scheme() {
            "smtps" => (true, 465),
            "smtp" => (false, 587),
            _ => return Err(wrong()),
        };
        let host = url.host_str().ok_or_else(wrong)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let (port, user) = (url.port().unwrap_or(port), settings.user.clone());
        Ok(Self { reach, host, port, is_wrapped, user, password })
    }

    async fn transport(&self) -> Result<Transport, Undelivered> {
        let address = self.address().await?;
        let mut tls = TlsParameters::builder(self.host.clone());
        if let Some(pem) = &self.reach.ca_pem {
            let unread = |_| Undelivered::Settings("its CA file cannot be read".into());
            tls = tls.add_root_certificate(Certificate::from_pem(pem).map_err(unread)?);
        }
        let broken = |_| Undelivered::Settings("TLS cannot be set up for its name".into());
        let tls = tls.build().map_err(broken)?;
        let tls = match (self.is_wrapped, &self.user) {
            (true, _) => Tls::Wrapper(tls),
            // A password never travels in the clear.
            (false, Some(_)) => Tls::Required(tls),
            (false, None) => Tls::Opportunistic(tls),
        };
        let mut builder = Transport::builder_dangerous(address.to_string())
            .port(self.port)
            .tls(tls)
            .timeout(Some(PATIENCE));
        if let Some(user) = &self.user {
            let password = self.password.trim().to_owned();
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(builder.build())
    }

    async fn address(&self) -> Result<IpAddr, Undelivered> {
        let found = match self.host.parse::<IpAddr>() {
            Ok(address) => self.reach.gate.check(address).map(|()| vec![address]),
            Err(_) => self.reach.gate.look_up(&self.host).await,
        };
        let found = found.map_err(|barred| match barred {
            Barred::Unknown(why) => Undelivered::NotSent(why),
            Barred::Forbidden(why) => Undelivered::Settings(why),
        })?;
        let none = || Undelivered::NotSent("its name has no address".into());
        found.first().copied().ok_or_else(none)
    }
}

impl Post for Smtp {
    fn send<'p>(
        &'p self,
        envelope: &'p Envelope,
        mail: &'p [u8],
    ) -> Doing<'p, Result<(), Undelivered>> {
        Box::pin(async move {
            let transport = self.transport().await?;
            transport.send_raw(envelope, mail).await.map(drop).map_err(|error| judged(&error))
        })
    }

    fn greet(&self) -> Doing<'_, Result<(), Undelivered>> {
        Box::pin(async move {
            let transport = self.transport().await?;
            match transport.test_connection().await {
                Ok(true) => Ok(()),
                Ok(false) => Err(Undelivered::NotSent("it did not greet".into())),
                Err(error) => Err(judged(&error)),
            }
        })
    }
}

/// 530 to 538 are about who sends: they concern every mail.
fn judged(error: &smtp::Error) -> Undelivered {
    let why = line(&error.to_string()).at_most(REASON).to_string();
    let code = error.status().map(u16::from);
    match code {
        Some(530..=538) => Undelivered::Settings(why),
        Some(500..) => Undelivered::Refused(why),
        Some(400..) => Undelivered::Later(why),
        _ if error.is_tls() => Undelivered::Settings(why),
        // A connection that never was sends nothing; one that broke may have.
        _ if error.is_client() || why.contains("Connection error") => Undelivered::NotSent(why),
        _ => Undelivered::Unsure(why),
    }
}
