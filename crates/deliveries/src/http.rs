//! The way to receivers over HTTP: TLS, no redirects, no proxy of the environment, and only
//! addresses that the [`Gate`] permits.
//!
//! A name is looked up once for each connection, and the connection is made to what was
//! checked. Through a proxy that is not so: the proxy looks the name up for itself. So it is
//! looked up here before each request, and refused if any of its addresses is forbidden; the
//! proxy could still be led elsewhere by a name that changes in between. Whoever configures
//! one should have it refuse private addresses too.

use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use countersign_text::line;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, Response};
use url::{Host, Url};

use crate::gate::{Barred, Gate, is_localhost};
use crate::wire::{Answer, Doing, Lost, Method, Request, Wire};

/// Name, address and TLS together.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// A connection that was idle for longer may be closed at the other end: a request that is
/// lost that way may have arrived.
const IDLE: Duration = Duration::from_secs(20);
/// Of an answer; longer ones are left out.
const HEADER_BYTES: usize = 8 << 10;
/// Of what a library says.
const REASON: usize = 300;

/// What a destination may reach, and how.
#[derive(Clone)]
pub struct Reach {
    /// Addresses.
    pub gate: Gate,
    /// Certificates, as PEM, that are trusted besides those of the system.
    pub ca_pem: Option<Vec<u8>>,
    /// A proxy for everything but plain HTTP to this machine. Its own address is not
    /// judged: that it is configured names it.
    pub proxy: Option<Url>,
    /// Whether only the proxy knows the addresses of names. They are not looked up here then;
    /// addresses that stand in a URL are judged all the same.
    pub proxy_resolves: bool,
    /// Whether plain HTTP may be sent to this machine, if the gate permits it.
    pub allow_http_loopback: bool,
}

impl Reach {
    /// What the gate permits, with certificates that the system trusts.
    pub fn new(gate: Gate) -> Self {
        Self { gate, ca_pem: None, proxy: None, proxy_resolves: false, allow_http_loopback: false }
    }
}

/// HTTP to receivers.
pub struct Http {
    reach: Reach,
    direct: Client,
    proxied: Option<Client>,
}

impl Http {
    /// Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// One sentence about the certificates or the proxy.
    pub fn new(reach: Reach) -> Result<Self, String> {
        let what = if reach.ca_pem.is_some() { "the CA file cannot be used" } else { "TLS" };
        let build = |builder: ClientBuilder| {
            builder.build().map_err(|error| format!("{what}: {}", deepest(&error)))
        };
        let direct = build(builder(&reach)?.dns_resolver(Checked(reach.gate.clone())))?;
        let proxied = match &reach.proxy {
            None => None,
            Some(url) => {
                let proxy = proxy(url)?;
                // It connects to nothing but the proxy.
                let builder = builder(&reach)?.dns_resolver(Unchecked(reach.gate.clone()));
                Some(build(builder.proxy(proxy))?)
            }
        };
        Ok(Self { reach, direct, proxied })
    }

    /// The client for a URL, if it may be asked at all.
    async fn client(&self, url: &Url) -> Result<&Client, Lost> {
        let forbidden = |why: &str| Err(Lost::Forbidden(why.into()));
        if !url.username().is_empty() || url.password().is_some() {
            return forbidden("user and password do not belong in the URL");
        }
        let is_loopback = match url.host() {
            Some(Host::Ipv4(address)) => self.check(address)?.is_loopback(),
            Some(Host::Ipv6(address)) => self.check(address)?.is_loopback(),
            Some(Host::Domain(name)) => is_localhost(name),
            None => return forbidden("the URL has no host"),
        };
        match url.scheme() {
            "https" => {}
            "http" if is_loopback && self.reach.allow_http_loopback => return Ok(&self.direct),
            "http" if is_loopback => {
                return forbidden("the URL is not https, and `allow_http_loopback` is not set");
            }
            _ => return forbidden("the URL is not https"),
        }
        let Some(proxied) = &self.proxied else { return Ok(&self.direct) };
        if let (Some(Host::Domain(name)), false) = (url.host(), self.reach.proxy_resolves) {
            self.reach.gate.check_all(name).await.map_err(barred)?;
        }
        Ok(proxied)
    }

    /// The resolver is not asked for an address that stands in a URL.
    fn check(&self, address: impl Into<IpAddr>) -> Result<IpAddr, Lost> {
        let address = address.into();
        self.reach.gate.check(address).map(|()| address).map_err(barred)
    }

    async fn send(&self, request: Request) -> Result<Answer, Lost> {
        let looking = tokio::time::timeout(CONNECT, self.client(&request.url));
        let slow = |_| Lost::NotSent("the address of the proxy's target could not be found".into());
        let client = looking.await.map_err(slow)??;
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        };
        let sent = client
            .request(method, request.url.clone())
            .headers(headers(&request)?)
            .timeout(request.patience)
            .body(request.body)
            .send();
        let answer = sent.await.map_err(|error| lost(&error, request.patience))?;
        Ok(read(answer, request.answer_bytes).await)
    }
}

impl Wire for Http {
    fn ask(&self, request: Request) -> Doing<'_, Result<Answer, Lost>> {
        Box::pin(self.send(request))
    }
}

fn builder(reach: &Reach) -> Result<ClientBuilder, String> {
    let mut builder = Client::builder()
        // What is sent is meant for one receiver, and the gate judged that one.
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE);
    if let Some(pem) = &reach.ca_pem {
        let certificates = reqwest::Certificate::from_pem_bundle(pem)
            .map_err(|error| format!("the CA file cannot be used: {}", deepest(&error)))?;
        builder = builder.tls_certs_merge(certificates);
    }
    Ok(builder)
}

/// Its URL may hold a password.
fn proxy(url: &Url) -> Result<reqwest::Proxy, String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the URL of the proxy is neither http nor https".into());
    }
    reqwest::Proxy::all(url.clone()).map_err(|_| "the URL of the proxy cannot be used".into())
}

fn headers(request: &Request) -> Result<HeaderMap, Lost> {
    let mut headers = HeaderMap::with_capacity(request.headers.len());
    for (name, value) in &request.headers {
        let unfit = || Lost::Forbidden(format!("HTTP cannot carry the header `{name}`"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| unfit())?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// The status is the answer. A body that breaks off ends there: what the receiver took it has
/// taken, and a body that is cut is one that receivers know.
async fn read(mut answer: Response, most: usize) -> Answer {
    let status = answer.status().as_u16();
    let headers = answer.headers().iter().filter(|(_, value)| value.len() <= HEADER_BYTES);
    let headers = headers
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let mut body = Vec::new();
    while body.len() < most
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        body.extend_from_slice(&chunk[..chunk.len().min(most - body.len())]);
    }
    Answer { status, headers, body }
}

/// The permitted addresses of a name.
struct Checked(Gate);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let gate = self.0.clone();
        Box::pin(async move { Ok(addresses(gate.look_up(name.as_str()).await?)) })
    }
}

/// All addresses of the proxy's name.
struct Unchecked(Gate);

impl Resolve for Unchecked {
    fn resolve(&self, name: Name) -> Resolving {
        let gate = self.0.clone();
        Box::pin(async move { Ok(addresses(gate.addresses(name.as_str()).await?)) })
    }
}

/// With the port of the URL, which 0 stands for.
fn addresses(found: Vec<IpAddr>) -> Addrs {
    Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)))
}

fn barred(barred: Barred) -> Lost {
    match barred {
        Barred::Unknown(why) => Lost::NotSent(why),
        Barred::Forbidden(why) => Lost::Forbidden(why),
    }
}

fn lost(error: &reqwest::Error, patience: Duration) -> Lost {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(one) = cause {
        if let Some(found) = one.downcast_ref::<Barred>() {
            return barred(found.clone());
        }
        if let Some(why) = one.downcast_ref().and_then(certificate) {
            return Lost::Forbidden(why);
        }
        cause = one.source();
    }
    let why = deepest(error);
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => {
            Lost::NotSent(format!("no connection was made within {} s", CONNECT.as_secs()))
        }
        (true, false) => Lost::NotSent(format!("no connection could be made: {why}")),
        _ if error.is_builder() => Lost::Forbidden(format!("the request cannot be made: {why}")),
        // It may still have been connecting. Nobody can know.
        (_, true) => Lost::Unsure(format!("no answer came within {} s", patience.as_secs())),
        _ => Lost::Unsure(format!("the connection broke before an answer came: {why}")),
    }
}

/// What is wrong with a certificate, if that is what failed.
pub(crate) fn certificate(error: &io::Error) -> Option<String> {
    let inner = error.get_ref()?;
    // One within another hides it from `source`.
    if let Some(within) = inner.downcast_ref::<io::Error>() {
        return certificate(within);
    }
    let error = inner.downcast_ref::<rustls::Error>()?;
    let is_certificate = matches!(
        error,
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented
    );
    let why = || format!("the certificate is not trusted: {}", said(error));
    is_certificate.then(why)
}

/// What the innermost error says: the outer ones would repeat it, and may have the URL.
fn deepest(error: &reqwest::Error) -> String {
    let mut cause: &(dyn StdError + 'static) = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match cause.downcast_ref::<io::Error>() {
        Some(error) => said_io(error),
        // It has nothing within, and its own text may have the URL.
        None if cause.is::<reqwest::Error>() => "the request failed".into(),
        None => said(cause),
    }
}

/// The library of TLS has a link to its documentation instead of an end.
pub(crate) fn said_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the other end closed it".into(),
        _ => said(error),
    }
}

/// What a library says, on one line.
pub(crate) fn said(error: &(impl StdError + ?Sized)) -> String {
    line(&error.to_string()).at_most(REASON).to_string()
}
