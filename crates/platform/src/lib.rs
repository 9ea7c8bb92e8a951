//! The other end of the wire: a Veracode-compatible REST service.
//!
//! TLS by an authority of its own, SQLite in its home, strict by default: every
//! request is verified (raw target, clock, nonce, expiry, revocation, account)
//! and answered as the real service answers. Knows nothing of the connector; no
//! environment, no real clock, no randomness of its own.

mod authority;
mod caller;
mod console;
mod controls;
mod date;
mod error;
mod faults;
mod limit;
mod mailbox;
mod mailer;
mod metrics;
mod nonces;
mod recorder;
mod rest;
mod state;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use countersign_signing::Window;
use countersign_tenant::home::{self, OVERLAP_MS};
use countersign_tenant::snapshots::Snapshots;
use countersign_tenant::{self as tenant, Act, By, Opening, Tenant, users};
use countersign_text::openmetrics::CONTENT_TYPE;
use countersign_web::health::{Face, Gauges, Readiness, Scrapers, Unready};
use countersign_web::{Address, Bound, Limits, Listener, tls};
use data_encoding::HEXLOWER;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use authority::Served;
use date::DateHeader;
use faults::Faults;
use limit::{Limit, Rule};
use mailbox::Mailbox;
use metrics::Answers;
use nonces::Nonces;
use recorder::Recorder;
use state::{AppState, Inner};

pub use countersign_tenant::home::{Minted, mint, verify_audit};
pub use countersign_tenant::roles::Permission;
pub use countersign_tenant::seed::SeedSpec;
pub use countersign_tenant::{Clock, Random};
pub use error::Error;
pub use mailer::Smtp;
pub use metrics::PlatformMetric;

/// How a platform runs.
#[derive(Clone)]
pub struct Config {
    /// Folder for database, keys and certificates; created when missing.
    pub home: PathBuf,
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// What an empty home is filled with.
    pub seed: SeedSpec,
    /// Requests a minute and client address; none for no limit.
    pub requests_per_minute: Option<u32>,
    /// Further host names that clients reach it by.
    pub public_names: Vec<String>,
    /// How far a signature's time may be off, in milliseconds.
    pub window_ms: u64,
    /// How long an old pair keeps working after a new one, in milliseconds.
    pub overlap_ms: i64,
    /// Where the test controls listen; none for no controls.
    pub control: Option<SocketAddr>,
    /// Where the console listens; none for no console.
    pub console: Option<SocketAddr>,
    /// How people reach the console, `https://name:port`; none for its address.
    pub console_url: Option<String>,
    /// Where mail goes out; none for the built-in mailbox.
    pub smtp: Option<Smtp>,
    /// A loopback address that answers metrics and health alone; none for no such listener.
    pub metrics: Option<SocketAddr>,
    /// The bearer token for metrics on the REST address; nobody reads them there without.
    pub metrics_token: Option<Zeroizing<String>>,
    /// The bounds of each listener.
    pub limits: Limits,
    /// The clock.
    pub clock: Clock,
    /// The source of keys, ids and nonces.
    pub random: Random,
}

impl Config {
    /// The defaults for this home: loopback on a free port, 500 requests a
    /// minute, five minutes, a day.
    pub fn new(home: &Path, clock: Clock, random: Random) -> Self {
        Self {
            home: home.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: SeedSpec::Demo,
            requests_per_minute: Some(500),
            public_names: Vec::new(),
            window_ms: 300_000,
            overlap_ms: OVERLAP_MS,
            control: None,
            console: None,
            console_url: None,
            smtp: None,
            metrics: None,
            metrics_token: None,
            limits: Limits::default(),
            clock,
            random,
        }
    }
}

/// A running platform. Stops when dropped; `shutdown` lets requests end.
pub struct Platform {
    address: SocketAddr,
    ca_file: PathBuf,
    ca_pem: String,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    housekeeping: JoinHandle<()>,
    console: Option<JoinHandle<()>>,
    mailer: Option<JoinHandle<()>>,
    control: Option<Control>,
    metrics: Option<(String, JoinHandle<()>)>,
    readiness: Readiness,
    state: AppState,
}

/// Where the test controls are, and the token that they ask for.
#[derive(Debug)]
pub struct Control {
    address: SocketAddr,
    token: Zeroizing<String>,
    serving: JoinHandle<()>,
}

impl Control {
    /// `https://` with address and port.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl Platform {
    /// Opens the home, listens, and seeds it when it is empty. Until that is done, only
    /// whether it is ready is answered.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let home = config.home.clone();
        let bound = bind(config.listen)?;
        let address = bound.address();
        let pages = config.console.map(|listen| Pages::bind(listen, &config)).transpose()?;
        let (tenant, served) = open(&config, pages.as_ref().map(|pages| pages.url.clone())).await?;
        let tls = tls::server_config(served.chain, served.key);
        let tls = tls.map_err(|error| Error::home(&home, error.to_string()))?;
        let (stop, stopped) = watch::channel(false);
        let listeners = Listeners { tls, limits: config.limits, stopped: stopped.clone() };
        let readiness = Readiness::not_yet(Unready::PlatformOpening);
        let gauges = Gauges::default();
        let of = |scrapers| Face::with_metrics(readiness.clone(), gauges.clone(), scrapers);
        let token = config.metrics_token.as_deref().map(String::as_str);
        let face = of(Scrapers::with_token(token));
        let metrics =
            config.metrics.map(|listen| listeners.metrics(listen, &of(Scrapers::everybody())));
        let metrics = metrics.transpose()?;
        let serving = listeners.serve(bound, face.router());
        let tenant = seeded(tenant, config.seed).await?;
        let (pages, mailbox) = pages.map(|pages| (pages.bound, pages.mailbox)).unzip();
        let state = shared(&config, tenant, mailbox.flatten());
        make_first_admin(&state).await?;

        face.open(rest::router(state.clone()));
        gauges.give(CONTENT_TYPE, metrics::expose(state.clone(), env!("CARGO_PKG_VERSION")));
        let console = pages.map(|bound| listeners.serve(bound, console::router(state.clone())));
        let control = config.control.map(|listen| listeners.control(listen, &state)).transpose()?;
        let mailer = config.smtp.map(|smtp| mailer::start(state.clone(), smtp)).transpose()?;
        let housekeeping = tokio::spawn(keep_house(state.clone(), stopped));
        let ca_file = home.canonicalize().unwrap_or(home).join("ca.pem");
        readiness.set(None);
        Ok(Self {
            address,
            ca_file,
            ca_pem: served.ca_pem,
            stop,
            serving,
            housekeeping,
            console,
            mailer,
            control,
            metrics,
            readiness,
            state,
        })
    }

    /// The test controls, where there are any.
    pub fn control(&self) -> Option<&Control> {
        self.control.as_ref()
    }

    /// Where metrics and health alone are answered, if anywhere.
    pub fn metrics_url(&self) -> Option<&str> {
        self.metrics.as_ref().map(|(url, _)| url.as_str())
    }

    /// `https://` with address and port.
    pub fn rest_url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Where the console is, where there is one.
    pub fn console_url(&self) -> Option<&str> {
        self.state.console_url()
    }

    /// The link that opens the built-in mailbox; none with a mail server, without a console,
    /// or with one that others than this machine reach. Whoever has it gets into accounts.
    pub fn mailbox_url(&self) -> Option<Zeroizing<String>> {
        let (url, mailbox) = self.console_url().zip(self.state.mailbox())?;
        Some(Zeroizing::new(format!("{url}{}", *mailbox.path())))
    }

    /// User name and password of the first administrator, until the password is
    /// changed.
    pub fn first_admin(&self) -> Result<Option<(String, Zeroizing<String>)>, Error> {
        Ok(self.state.tenant().look(users::first_admin)?)
    }

    /// The authority's certificate.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The same, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Applications and findings in the database.
    pub fn counts(&self) -> Result<(u64, u64), Error> {
        Ok(self.state.tenant().look(home::counts)?)
    }

    /// Stops listening, lets running requests end, writes what is pending.
    pub async fn shutdown(mut self) -> Result<(), Error> {
        self.readiness.set(Some(Unready::Ending));
        let _ = self.stop.send(true);
        let _ = (&mut self.serving).await;
        if let Some(control) = &mut self.control {
            let _ = (&mut control.serving).await;
        }
        if let Some(console) = &mut self.console {
            let _ = console.await;
        }
        if let Some((_, metrics)) = &mut self.metrics {
            let _ = metrics.await;
        }
        let _ = (&mut self.housekeeping).await;
        if let Some(mailer) = &mut self.mailer {
            mailer.abort();
            let _ = mailer.await;
        }
        let state = self.state.clone();
        let closed = tokio::task::spawn_blocking(move || state.tenant().close()).await;
        Ok(closed.map_err(|_| Error::stopped())??)
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.serving.abort();
        self.housekeeping.abort();
        if let Some(control) = &self.control {
            control.serving.abort();
        }
        for task in [&self.console, &self.mailer].into_iter().flatten() {
            task.abort();
        }
        if let Some((_, metrics)) = &self.metrics {
            metrics.abort();
        }
    }
}

/// Where the console will be.
struct Pages {
    bound: Bound,
    url: String,
    mailbox: Option<Mailbox>,
}

impl Pages {
    fn bind(listen: SocketAddr, config: &Config) -> Result<Self, Error> {
        let bound = bind(listen)?;
        let url = config.console_url.clone().unwrap_or_else(|| public_url(bound.address()));
        let has_mailbox = config.smtp.is_none() && Mailbox::may_be_at(bound.address().ip(), &url);
        let mailbox = has_mailbox.then(|| Mailbox::new(&config.random));
        Ok(Self { bound, url, mailbox })
    }
}

/// The home, and what it shows to whoever connects.
async fn open(config: &Config, console_url: Option<String>) -> Result<(Tenant, Served), Error> {
    let config = config.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let tenant = Tenant::open(Opening {
            home: &config.home,
            clock: config.clock.clone(),
            random: config.random.clone(),
            overlap_ms: config.overlap_ms,
            console_url,
        })?;
        let (names, random) = (&config.public_names, tenant.random());
        let served = authority::serve(&config.home, names, (config.clock)(), random)?;
        Ok((tenant, served))
    });
    opened.await.map_err(|_| Error::stopped())?
}

/// With something in it.
async fn seeded(tenant: Tenant, seed: SeedSpec) -> Result<Tenant, Error> {
    let seeded = tokio::task::spawn_blocking(move || {
        tenant.seed(&Act::new(By::Platform, ""), &seed)?;
        Ok(tenant)
    });
    seeded.await.map_err(|_| Error::stopped())?
}

fn shared(config: &Config, tenant: Tenant, mailbox: Option<Mailbox>) -> AppState {
    let past_ms = i64::try_from(config.window_ms).unwrap_or(i64::MAX / 4);
    AppState::new(Inner {
        tenant,
        nonces: Nonces::new(past_ms, nonces::MAX_TAGS),
        limit: Limit::new(Rule { requests: config.requests_per_minute, ..Rule::default() }),
        window: Window::symmetric(config.window_ms),
        aliases: config.public_names.clone(),
        date: DateHeader::default(),
        faults: Faults::default(),
        recorder: Recorder::default(),
        answers: Answers::default(),
        is_recorded: config.control.is_some(),
        snapshots: Snapshots::of(&config.home),
        mailbox,
    })
}

/// Without an administrator nobody gets into a console.
async fn make_first_admin(state: &AppState) -> Result<(), Error> {
    if state.console_url().is_none() || state.look(users::has_admin).await? {
        return Ok(());
    }
    let act = Act::new(By::Platform, "");
    state.change::<_, tenant::Error>(act, users::make_first_admin).await?;
    Ok(())
}

/// What all listeners have in common.
struct Listeners {
    tls: Arc<ServerConfig>,
    limits: Limits,
    stopped: watch::Receiver<bool>,
}

impl Listeners {
    fn serve(&self, bound: Bound, router: Router) -> JoinHandle<()> {
        let listener = bound.over_tls(Arc::clone(&self.tls));
        let stopped = self.stopped.clone();
        tokio::spawn(countersign_web::serve(listener, router, self.limits, stopped))
    }

    /// On a loopback address, without TLS: what scrapes it need not know our authority.
    fn metrics(&self, listen: SocketAddr, face: &Face) -> Result<(String, JoinHandle<()>), Error> {
        let listener = Listener::plain(listen).map_err(|error| Error::listen(listen, &error))?;
        let url = match listener.address() {
            Address::Tcp(address) => format!("http://{address}/metrics"),
            Address::Socket(path) => path.display().to_string(),
        };
        face.close();
        let stopped = self.stopped.clone();
        let serve = countersign_web::serve(listener, face.router(), self.limits, stopped);
        Ok((url, tokio::spawn(serve)))
    }

    fn control(&self, listen: SocketAddr, state: &AppState) -> Result<Control, Error> {
        let bound = bind(listen)?;
        let address = bound.address();
        let mut token = Zeroizing::new([0; 32]);
        (state.random())(&mut *token);
        let token = Zeroizing::new(HEXLOWER.encode(&*token));
        let serving = self.serve(bound, controls::router(state.clone(), &token));
        Ok(Control { address, token, serving })
    }
}

/// How often mails that became due are looked for.
const NOTICES: Duration = Duration::from_secs(1);
/// Looks for mails between two writings of when pairs were last used.
const NOTICES_PER_WRITE: u32 = 60;

/// Browsers know passkeys for names only, and `localhost` is one.
fn public_url(address: SocketAddr) -> String {
    if address.ip().is_loopback() {
        return format!("https://localhost:{}", address.port());
    }
    format!("https://{address}")
}

fn bind(listen: SocketAddr) -> Result<Bound, Error> {
    Bound::new(listen).map_err(|error| Error::listen(listen, &error))
}

async fn keep_house(state: AppState, mut stopped: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(NOTICES);
    for tick in (0..NOTICES_PER_WRITE).cycle() {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => return,
        }
        let state = state.clone();
        let kept = tokio::task::spawn_blocking(move || {
            let tenant = state.tenant();
            if tick + 1 == NOTICES_PER_WRITE {
                tenant.write_used()?;
            }
            tenant.keep_house()
        });
        if let Ok(Err(error)) = kept.await {
            tracing::error!(%error, "housekeeping failed");
        }
    }
}
