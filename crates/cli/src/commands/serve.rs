//! `serve`: the dashboard, and the scheduler beside it.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_api::{Api, ReadNow};
use countersign_connector::duty::{Round, Scheduler};
use countersign_connector::health::{Tell, daily};
use countersign_connector::sync::Readings;
use countersign_dashboard::people::People;
use countersign_dashboard::{Config, Dashboard, FetchPaths, Identity, Inventory, Listener};
use countersign_files::{self as files, Secrecy};
use countersign_text::openmetrics::CONTENT_TYPE;
use countersign_web::health::{Expose, Face, Gauges, Readiness, Scrapers, Unready};
use countersign_web::tls::Renewal;
use countersign_web::{Bound, Limits, Listener as PlainListener};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::context::{Context, Current};
use super::control::{forget_ready_file, write_ready_file};
use super::deliver::rounds::Rounds as Delivering;
use super::people;
use super::platform::Stop;
use super::query::paths_of;
use super::reload::{Hangup, Reloading};
use super::rotation::connect;
use super::schedule;
use super::store::{are_mendable, counted, fix};
use super::sync::{How, options};
use super::watch::{Rounds, rows, takes_turn};
use crate::advice::CommandLine;
use crate::args::ServeDashboard;
use crate::config::{Config as Settings, text_of};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{note, note_in_log};
use crate::system;

/// Of a chain of certificates, or a key.
const MAX_PEM_BYTES: u64 = 1 << 20;

pub(crate) async fn run(home: Option<&Path>, args: ServeDashboard) -> Result<(), Failure> {
    // From the first moment on: unheard, each would end the program.
    let mut hangup = Hangup::listen()?;
    let mut stop = Stop::listen()?;
    forget_ready_file(args.ready_file.as_deref())?;
    let path = Home::find(home)?.config();
    let text = text_of(&path)?;
    let config = Settings::parse(&path, &text)?;
    let faces = Faces::new(config.metrics.token()?.as_deref().map(String::as_str));
    let own = match args.metrics_listen.or(config.metrics.listen) {
        Some(address) => Some(faces.listen(address, &args, config.metrics.token_file.is_some())?),
        None => None,
    };
    let mut api = match args.api.or(config.api.listen) {
        Some(address) => Some(faces.listen_for_programs(address, &args)?),
        None => None,
    };
    let public_url = args.public_url.as_deref();
    let identity = identity(&args)?;
    let opened = stop.or(async {
        let listening = Listening::begin(args.listen, identity, public_url, faces).await?;
        listening.open(&Context::open(home).await?).await
    });
    let Some(served) = opened.await? else { return Ok(()) };
    if let Some((api, _)) = &mut api {
        api.open(programs(&served.current));
    }
    if let Some(path) = &args.ready_file {
        let mut object = served.ready_object();
        if let Some(own) = &own {
            object["metrics_url"] = own.url.as_str().into();
        }
        if let Some((api, _)) = &api {
            object["api_url"] = api.url().into();
        }
        write_ready_file(path, &object)?;
    }
    served.tell(args.ready_file.as_deref());
    if let Some(own) = &own {
        note(&format!("metrics:   {}", own.url));
    }
    if let Some((api, _)) = &api {
        note(&format!("API:       {}", api.url()));
    }
    note("Ctrl-C stops it");
    note_in_log();
    // Not the link of the first account: every user of the machine sees what a program is
    // started with.
    if args.open && !system::open_page(&served.url) {
        note("no browser could be opened: open the address by hand");
    }
    let own_renewal = own.as_ref().and_then(|own| own.renewal.clone());
    let api_renewal = api.as_ref().and_then(|(_, renewal)| renewal.clone());
    let mut reloading = Reloading {
        args: &args,
        current: served.current.clone(),
        scheduler: served.scheduler.clone(),
        scrapers: served.scrapers.clone(),
        renewals: served.renewal.iter().cloned().chain(own_renewal).chain(api_renewal).collect(),
        text,
    };
    let mut stopped = std::pin::pin!(stop.asked());
    loop {
        tokio::select! {
            stopped = &mut stopped => break stopped?,
            () = hangup.came() => reloading.reload().await,
        }
    }
    note("stopping …");
    if let Some((api, _)) = api {
        api.shutdown().await;
    }
    let ended = served.end().await;
    if let Some(own) = own {
        own.end().await;
    }
    ended
}

pub(crate) fn identity(args: &ServeDashboard) -> Result<Option<Identity>, Failure> {
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(None) };
    let certificates = files::read_certificates(certificate, Secrecy::Open, MAX_PEM_BYTES)
        .map_err(Failure::usage)?;
    let key = files::read_text(key, Secrecy::Secret, MAX_PEM_BYTES).map_err(Failure::usage)?;
    Ok(Some(Identity {
        certificates_pem: certificates.as_bytes().to_vec(),
        key_pem: Zeroizing::new(key.as_bytes().to_vec()),
    }))
}

/// What is answered before there are pages: health, and metrics.
pub(crate) struct Faces {
    readiness: Readiness,
    gauges: Gauges,
    scrapers: Scrapers,
}

impl Faces {
    pub(crate) fn new(token: Option<&str>) -> Self {
        Self {
            readiness: Readiness::not_yet(Unready::StoreOpening),
            gauges: Gauges::default(),
            scrapers: Scrapers::with_token(token),
        }
    }

    fn face(&self, scrapers: Scrapers) -> Face {
        Face::with_metrics(self.readiness.clone(), self.gauges.clone(), scrapers)
    }

    /// The listener of the connector API, which answers whether the program is ready.
    fn listen_for_programs(
        &self,
        address: SocketAddr,
        args: &ServeDashboard,
    ) -> Result<(Api, Option<Renewal>), Failure> {
        let identity = identity(args)?;
        let listener = countersign_api::Listener::bind(address, identity.as_ref())
            .map_err(|error| Failure::listen("--api", address, &error))?;
        let renewal = listener.renewal();
        let face = Face::new(self.readiness.clone());
        Ok((Api::listen(listener, Limits::default(), face), renewal))
    }

    /// A listener for these alone: on a loopback address for whoever reaches it, on any other
    /// over TLS for who has the token.
    fn listen(
        &self,
        address: SocketAddr,
        args: &ServeDashboard,
        has_token: bool,
    ) -> Result<MetricsListener, Failure> {
        let failed = |error| Failure::listen("--metrics-listen", address, &error);
        if address.ip().is_loopback() {
            let listener = PlainListener::plain(address).map_err(failed)?;
            return Ok(MetricsListener::start("http", listener, &self.face(Scrapers::everybody())));
        }
        let identity = identity(args)?.filter(|_| has_token).ok_or_else(|| {
            Failure::usage(format!(
                "`{address}` is not a loopback address, and metrics name integrations and \
                 accounts\nhint: add `--tls-cert`, `--tls-key` and `metrics.token_file` in \
                 config.toml, or use `--metrics-listen 127.0.0.1:{}`",
                address.port()
            ))
        })?;
        let secured = identity.secure().map_err(Failure::usage)?;
        let listener = Bound::new(address).map_err(failed)?.over_tls(secured.config);
        let mut own = MetricsListener::start("https", listener, &self.face(self.scrapers.clone()));
        own.renewal = Some(secured.renewal);
        Ok(own)
    }
}

/// What the connector API works with.
fn programs(current: &Current) -> countersign_api::Config {
    let context = current.get();
    countersign_api::Config {
        connector: context.connector.clone(),
        connect: connect(&context, Duration::from_secs(10)),
        allow_http_loopback: false,
        calls: context.calls.clone(),
        read_now: read_now(current),
        budget: context.config.api.budget(),
        policy: context.config.watch.policy(),
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// Answers health and metrics alone.
struct MetricsListener {
    url: String,
    renewal: Option<Renewal>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl MetricsListener {
    fn start(scheme: &str, listener: PlainListener, face: &Face) -> Self {
        let url = format!("{scheme}://{}/metrics", listener.address());
        let (stop, stopped) = watch::channel(false);
        face.close();
        let serve = countersign_web::serve(listener, face.router(), Limits::default(), stopped);
        Self { url, renewal: None, stop, serving: tokio::spawn(serve) }
    }

    async fn end(self) {
        let _ = self.stop.send(true);
        let _ = self.serving.await;
    }
}

/// The dashboard without pages: it answers whether it is ready.
pub(crate) struct Listening {
    faces: Faces,
    renewal: Option<Renewal>,
    dashboard: Dashboard,
}

impl Listening {
    pub(crate) async fn begin(
        listen: SocketAddr,
        identity: Option<Identity>,
        public_url: Option<&str>,
        faces: Faces,
    ) -> Result<Self, Failure> {
        let listener = Listener::bind(listen, identity, public_url).await.map_err(|error| {
            let failure = Failure::from(error);
            match failure.is_address() {
                true => failure.with_hint(free_port(&["serve"], listen)),
                false => failure,
            }
        })?;
        let (face, renewal) = (faces.face(faces.scrapers.clone()), listener.renewal());
        let dashboard = Dashboard::listen(listener, Limits::default(), face);
        Ok(Self { faces, renewal, dashboard })
    }

    /// With pages, and the scheduler beside them.
    pub(crate) async fn open(self, context: &Context) -> Result<Served, Failure> {
        let Self { faces, renewal, dashboard } = self;
        let Faces { readiness, gauges, scrapers } = faces;
        let current = Current::new(context);
        context.store().hold().await?;
        let people = people::open(&context.home).await?;
        let url = dashboard.url().to_owned();
        people.keep_url(&url).await?;
        let setup = people.first_link().await?;
        let setup = setup.map(|token| Zeroizing::new(format!("{url}/welcome/{}", *token)));
        readiness.set(Some(Unready::ScheduleStarting));
        let store = context.store().clone();
        readiness.needs(Arc::new(move || {
            let store = store.clone();
            Box::pin(async move { store.answers().await })
        }));
        let (scheduler, schedule) = begin_schedule(&current, readiness.clone()).await?;
        gauges.give(CONTENT_TYPE, expose(&current, &scheduler));
        dashboard.open(Config {
            people: people.clone(),
            store: context.store().clone(),
            scheduler: Some(scheduler.clone()),
            inventory: inventory(&current),
            fetch_paths: fetch_paths(&current),
            clock: context.connector.clock.clone(),
            random: context.connector.random.clone(),
        });
        readiness.set(None);
        Ok(Served {
            url,
            setup,
            people,
            readiness,
            scrapers,
            renewal,
            current,
            dashboard,
            scheduler,
            schedule,
        })
    }
}

/// The same round, done by one of the processes that share a database in each period.
fn in_turn(context: &Context, what: &'static str, round: Round) -> Round {
    let (context, every_ms, act) = (context.clone(), round.every_ms, round.act);
    let in_turn = move || {
        let (context, act) = (context.clone(), Arc::clone(&act));
        Box::pin(async move {
            match takes_turn(&context, what, every_ms).await {
                Ok(true) => act().await,
                Ok(false) => {}
                Err(failure) => note(&format!("the store cannot be asked: {failure}")),
            }
        }) as _
    };
    Round { every_ms, act: Arc::new(in_turn) }
}

/// The scheduler with its rounds. One that ends is what the program is not ready for.
async fn begin_schedule(
    current: &Current,
    readiness: Readiness,
) -> Result<(Scheduler, JoinHandle<()>), Failure> {
    let context = &current.get();
    let check = daily(
        context.store().clone(),
        context.connector.clock.clone(),
        schedule::wait(),
        tell_health(context),
    );
    let check = in_turn(context, "(store check)", check);
    let looks = Rounds::open(current.clone(), false)?.round(context.config.watch.every);
    let delivering = Delivering::new(current.clone()).round();
    let (scheduler, running) = schedule::start(current, vec![looks, check, delivering]).await?;
    let watched = tokio::spawn(async move {
        let ended = running.await;
        readiness.set(Some(Unready::ScheduleEnded));
        if let Err(error) = ended {
            note(&format!("the scheduler broke down: {error}"));
        }
    });
    Ok((scheduler, watched))
}

/// The dashboard with the scheduler, up.
pub(crate) struct Served {
    url: String,
    /// Where the first account is set up; none when somebody can sign in.
    setup: Option<Zeroizing<String>>,
    people: People,
    readiness: Readiness,
    scrapers: Scrapers,
    renewal: Option<Renewal>,
    current: Current,
    dashboard: Dashboard,
    scheduler: Scheduler,
    schedule: JoinHandle<()>,
}

impl Served {
    fn ready_object(&self) -> Value {
        let mut object = json!({ "dashboard_url": self.url });
        if let Some(setup) = &self.setup {
            object["setup_url"] = setup.as_str().into();
        }
        object
    }

    /// Where it is, and how the first account is set up.
    pub(crate) fn tell(&self, ready_file: Option<&Path>) {
        note(&format!("dashboard: {}", self.url));
        let Some(setup) = &self.setup else { return };
        let add = CommandLine::of(&["people", "add", "admin", "--role", "operator"]);
        // For a person in front of it; never into a log.
        match (std::io::stderr().is_terminal(), ready_file) {
            (true, _) => note(&format!("set up the first account: {}", **setup)),
            (false, Some(file)) => note(&format!(
                "nobody can sign in yet: `{}` holds the link that sets up the first account, and {add} prints another",
                file.display()
            )),
            (false, None) => note(&format!(
                "nobody can sign in yet: {add} prints a link that sets up the first account"
            )),
        }
    }

    pub(crate) async fn end(self) -> Result<(), Failure> {
        self.readiness.set(Some(Unready::Ending));
        self.dashboard.shutdown().await;
        self.scheduler.stop();
        self.people.close().await;
        self.schedule.await.map_err(Failure::unexpected)
    }
}

/// What the daily look at the store found, unless all is well.
fn tell_health(context: &Context) -> Tell {
    let home = context.home.clone();
    Arc::new(move |found| match found {
        Ok(problems) => {
            if let Some(first) = problems.first() {
                note(&format!(
                    "the store `{}` is damaged: {}; the first is: {}\nhint: {}",
                    home.store().display(),
                    counted(&problems),
                    first.what,
                    fix(&home, are_mendable(&problems))
                ));
            }
        }
        Err(error) => note(&format!("the store cannot be checked: {error}")),
    })
}

fn inventory(current: &Current) -> Inventory {
    let current = current.clone();
    Arc::new(move || {
        let context = current.get();
        Box::pin(async move { rows(&context).await.map_err(|failure| failure.to_string()) })
    })
}

fn fetch_paths(current: &Current) -> FetchPaths {
    let current = current.clone();
    Arc::new(move |row| {
        let context = current.get();
        Box::pin(async move {
            let asked = paths_of(&context, &row).await;
            asked.map(drop).map_err(|failure| failure.to_string())
        })
    })
}

fn read_now(current: &Current) -> ReadNow {
    let (current, readings) = (current.clone(), Readings::new(current.get().connector.clock));
    Arc::new(move |integration, guid| {
        let (context, readings) = (current.get(), readings.clone());
        Box::pin(async move {
            let (id, of) = (integration.id, guid.clone());
            let reading = async move {
                let signing = context.integration(Some(&integration.name)).await?;
                let client = context.kept_client_of(&signing, "api")?;
                let options = options(&context, How::default());
                context.connector.read_now(&integration, client, &of, options).await
            };
            readings.share(id, &guid, reading).await
        })
    })
}

fn expose(current: &Current, scheduler: &Scheduler) -> Expose {
    let (current, scheduler) = (current.clone(), scheduler.clone());
    Arc::new(move || {
        let (context, scheduler) = (current.get(), scheduler.clone());
        Box::pin(async move { metrics(&context, &scheduler).await.map_err(|f| f.to_string()) })
    })
}

async fn metrics(context: &Context, scheduler: &Scheduler) -> Result<String, Failure> {
    let (rows, version) = (rows(context).await?, env!("CARGO_PKG_VERSION"));
    let connector = &context.connector;
    let budget = context.budget.hosts().await.unwrap_or_else(|why| {
        tracing::warn!("requests of the last minute are not known: {why}");
        Vec::new()
    });
    Ok(connector
        .exposition(&rows, Some(scheduler), &context.meter, &context.calls, &budget, version)
        .await?)
}

/// What to run when an address cannot be listened on.
pub(crate) fn free_port(words: &[&str], taken: SocketAddr) -> String {
    let address = match taken.ip().is_unspecified() {
        true => taken.ip(),
        false => [127, 0, 0, 1].into(),
    };
    let line = CommandLine::of(words).then(&["--listen"]).and(SocketAddr::new(address, 0));
    format!("{line} uses a free port")
}
