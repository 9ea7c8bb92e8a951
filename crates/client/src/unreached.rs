//! Why no connection came about, and what to do about it.

use std::fmt;
use std::io;
use std::time::Duration;

use countersign_text::line;
use url::Url;

use crate::address::{is_loopback, meant, shown};
use crate::proxy::{Proxy, SignIn};

/// A service, or the proxy on the way to it, that cannot be reached.
#[derive(Debug, Clone)]
pub struct Unreached {
    service: Url,
    proxy: Option<Proxy>,
    cause: Cause,
}

/// Who keeps the connection from coming about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The service, or the way to it.
    Service,
    /// The proxy does not answer.
    ProxySilent,
    /// The proxy answers, and does not let the connection through.
    ProxyRefuses,
}

#[derive(Debug, Clone)]
enum Cause {
    NoSuchName,
    NamesUnknown(String),
    Closed,
    NoRoute,
    Silent(Duration),
    NotTls,
    /// The proxy wants a sign-in, and offers these ways.
    Guarded(Vec<SignIn>),
    /// The proxy answered something else than yes.
    Shut(String),
    Other(String),
}

impl Unreached {
    pub(crate) async fn of(
        error: &reqwest::Error,
        service: &Url,
        proxy: Option<&Proxy>,
        patience: Duration,
    ) -> Self {
        let mut cause = Cause::of(error, patience);
        if let (Cause::Guarded(offered), Some(proxy)) = (&mut cause, proxy) {
            *offered = proxy.offered(service).await;
        }
        Self { service: service.clone(), proxy: proxy.cloned(), cause }
    }

    /// Whether another try may find it otherwise.
    pub(crate) fn is_passing(&self) -> bool {
        !matches!(self.cause, Cause::Guarded(_))
    }

    pub(crate) fn is_silence(&self) -> bool {
        matches!(self.cause, Cause::Silent(_))
    }

    /// Who keeps the connection from coming about.
    pub fn blame(&self) -> Blame {
        match (&self.proxy, &self.cause) {
            (None, _) => Blame::Service,
            (Some(_), Cause::Guarded(_) | Cause::Shut(_)) => Blame::ProxyRefuses,
            // What speaks TLS is behind the proxy.
            (Some(_), Cause::NotTls) => Blame::Service,
            (Some(_), _) => Blame::ProxySilent,
        }
    }

    /// What is wrong, in a sentence.
    pub fn cause(&self) -> String {
        match (&self.proxy, self.blame()) {
            (Some(proxy), Blame::ProxySilent) => {
                let proxy = (proxy.shown(), proxy.url());
                format!("the proxy {} does not answer: {}", proxy.0, self.cause.told(proxy.1))
            }
            (Some(proxy), Blame::ProxyRefuses) => self.refusal(proxy),
            _ => {
                let service = shown(&self.service);
                format!("nobody answers at {service}: {}", self.cause.told(&self.service))
            }
        }
    }

    fn refusal(&self, proxy: &Proxy) -> String {
        let shown = proxy.shown();
        let Cause::Guarded(offered) = &self.cause else {
            let what = self.cause.told(&self.service);
            return format!("the proxy {shown} does not connect to the service: {what}");
        };
        let names: Vec<_> = offered.iter().map(|one| one.as_str()).collect();
        let offers = match names.as_slice() {
            [] => String::new(),
            names => format!("; it offers {}", names.join(", ")),
        };
        match proxy.has_user() && is_basic(offered) {
            true => format!("the proxy {shown} refuses the user and the password{offers}"),
            false => format!("the proxy {shown} wants a user and a password{offers}"),
        }
    }

    /// What to do about it.
    pub fn fix(&self) -> String {
        match (&self.proxy, self.blame()) {
            (Some(proxy), Blame::ProxySilent) => {
                format!("correct {}, or take it out where no proxy is needed", proxy.place())
            }
            (Some(proxy), Blame::ProxyRefuses) => self.fix_of_refusal(proxy),
            _ => self.fix_of_service(),
        }
    }

    fn fix_of_refusal(&self, proxy: &Proxy) -> String {
        let place = proxy.place();
        let host = self.service.host_str().unwrap_or_default();
        let Cause::Guarded(offered) = &self.cause else {
            return format!("let whoever runs the proxy allow {host}, or correct {place}");
        };
        if !is_basic(offered) {
            return format!(
                "countersign signs in to proxies with Basic alone: let whoever runs the proxy allow \
                 {host} without a sign-in, or run a local proxy that signs in, such as cntlm or px, \
                 and set `client.proxy = \"http://127.0.0.1:3128\"` in config.toml"
            );
        }
        let example = proxy.shown().replacen("://", "://USER:PASSWORD@", 1);
        match proxy.has_user() {
            true => format!("correct the user and the password in {place}"),
            false => format!("put them into {place}, like {example}"),
        }
    }

    fn fix_of_service(&self) -> String {
        if let Some(right) = meant(&self.service) {
            return format!("the host looks misspelt: use `{right}`");
        }
        let url = &self.service;
        let (host, port) = (url.host_str().unwrap_or_default(), port_of(url));
        match &self.cause {
            Cause::NotTls => format!("correct the port in {}: that of https", shown(url)),
            _ if is_loopback(url) => format!(
                "start the platform again, on the same address and data directory: \
                 `countersign platform serve --listen {host}:{port}`; that of the demo with \
                 `countersign quickstart`"
            ),
            Cause::Closed => format!("check the port {port} of {}", shown(url)),
            Cause::NoSuchName => format!(
                "check the spelling of {host}; where only a proxy leads out, set `client.proxy` in \
                 config.toml"
            ),
            Cause::Silent(_) => format!(
                "check host and port of {}, and firewalls between; where only a proxy leads out, \
                 set `client.proxy` in config.toml; on a slow network raise \
                 `client.connect_timeout_seconds`",
                shown(url)
            ),
            _ => "check this machine's network; where only a proxy leads out, set `client.proxy` \
                  in config.toml"
                .to_owned(),
        }
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause())
    }
}

impl Cause {
    fn of(error: &reqwest::Error, patience: Duration) -> Self {
        if error.is_timeout() {
            return Self::Silent(patience);
        }
        let (mut is_of_names, mut kind) = (false, None);
        let mut deepest: &(dyn std::error::Error + 'static) = error;
        while let Some(deeper) = deepest.source() {
            deepest = deeper;
            is_of_names |= deepest.to_string() == "dns error";
            kind = kind.or(deepest.downcast_ref::<io::Error>().map(io::Error::kind));
        }
        let told = line(&deepest.to_string()).to_string();
        // What the system calls its number is for nobody.
        let told = told.split(" (os error").next().unwrap_or_default().to_owned();
        match kind {
            _ if is_of_names && told.contains("emporary failure") => Self::NamesUnknown(told),
            _ if is_of_names => Self::NoSuchName,
            _ if told.contains("proxy authorization required") => Self::Guarded(Vec::new()),
            _ if told.starts_with("tunnel error") => Self::Shut(told),
            _ if told.contains("InvalidContentType") => Self::NotTls,
            Some(io::ErrorKind::ConnectionRefused) => Self::Closed,
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                Self::NoRoute
            }
            Some(io::ErrorKind::TimedOut) => Self::Silent(patience),
            _ => Self::Other(told),
        }
    }

    /// What it is with this place.
    fn told(&self, at: &Url) -> String {
        let (host, port) = (at.host_str().unwrap_or_default(), port_of(at));
        match self {
            Self::NoSuchName => format!("there is no host {host}"),
            Self::NamesUnknown(what) => format!("{host} cannot be looked up: {what}"),
            Self::Closed => format!("nothing listens on port {port}"),
            Self::NoRoute => "no route leads there".to_owned(),
            Self::Silent(patience) => format!("no connection within {} s", patience.as_secs_f32()),
            Self::NotTls => format!("what listens on port {port} does not speak TLS"),
            Self::Guarded(_) => "it wants a sign-in".to_owned(),
            Self::Shut(what) | Self::Other(what) => what.clone(),
        }
    }
}

/// Whether Basic is offered, as far as it is known.
fn is_basic(offered: &[SignIn]) -> bool {
    offered.is_empty() || offered.contains(&SignIn::Basic)
}

fn port_of(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or_default()
}
