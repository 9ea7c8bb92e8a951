//! `serve`: the dashboard, and the scheduler beside it.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use countersign_connector::duty::Scheduler;
use countersign_connector::health::{Tell, daily};
use countersign_dashboard::people::People;
use countersign_dashboard::{Config, Dashboard, FetchPaths, Identity, Inventory, Listener};
use countersign_files::{self as files, Secrecy};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::context::Context;
use super::control::write_ready_file;
use super::people;
use super::platform::Stop;
use super::query::paths_of;
use super::schedule;
use super::store::{are_mendable, counted, fix};
use super::watch::{Rounds, rows};
use crate::advice::CommandLine;
use crate::args::ServeDashboard;
use crate::failure::Failure;
use crate::output::note;
use crate::system;

/// Of a chain of certificates, or a key.
const MAX_PEM_BYTES: u64 = 1 << 20;

pub(crate) async fn run(context: &Context, args: ServeDashboard) -> Result<(), Failure> {
    let identity = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            let certificates = files::read_certificates(certificate, Secrecy::Open, MAX_PEM_BYTES)
                .map_err(Failure::usage)?;
            let key = files::read_text(key, Secrecy::Secret, MAX_PEM_BYTES);
            let key = key.map_err(Failure::usage)?;
            Some(Identity {
                certificates_pem: certificates.as_bytes().to_vec(),
                key_pem: Zeroizing::new(key.as_bytes().to_vec()),
            })
        }
        _ => None,
    };
    let served = Served::begin(context, args.listen, identity, args.public_url.as_deref()).await?;
    let stop = Stop::listen()?;
    if let Some(path) = &args.ready_file {
        write_ready_file(path, &served.ready_object())?;
    }
    served.tell(args.ready_file.as_deref());
    note("Ctrl-C stops it");
    // Not the link of the first account: every user of the machine sees what a program is
    // started with.
    if args.open && !system::open_page(&served.url) {
        note("no browser could be opened: open the address by hand");
    }
    stop.asked().await?;
    note("stopping …");
    served.end().await
}

/// The dashboard with the scheduler, up.
pub(crate) struct Served {
    url: String,
    /// Where the first account is set up; none when somebody can sign in.
    setup: Option<Zeroizing<String>>,
    people: People,
    dashboard: Dashboard,
    scheduler: Scheduler,
    schedule: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn begin(
        context: &Context,
        listen: SocketAddr,
        identity: Option<Identity>,
        public_url: Option<&str>,
    ) -> Result<Self, Failure> {
        context.store().hold().await?;
        let people = people::open(&context.home).await?;
        let listener = Listener::bind(listen, identity, public_url).await.map_err(|error| {
            let failure = Failure::from(error);
            match failure.is_address() {
                true => failure.with_hint(free_port(&["serve"], listen)),
                false => failure,
            }
        })?;
        let url = listener.url();
        people.keep_url(&url).await?;
        let setup = people.first_link().await?;
        let setup = setup.map(|token| Zeroizing::new(format!("{url}/welcome/{}", *token)));
        let check = daily(
            context.store().clone(),
            context.connector.clock.clone(),
            schedule::wait(),
            tell_health(context),
        );
        let looks = Rounds::open(context, false)?.round(context.config.watch.every);
        let (scheduler, schedule) = schedule::start(context, vec![looks, check]).await?;
        let config = Config {
            people: people.clone(),
            store: context.store().clone(),
            scheduler: Some(scheduler.clone()),
            inventory: inventory(context),
            fetch_paths: fetch_paths(context),
            clock: context.connector.clock.clone(),
            random: context.connector.random.clone(),
            limits: countersign_web::Limits::default(),
        };
        let dashboard = Dashboard::start(listener, config);
        Ok(Self { url, setup, people, dashboard, scheduler, schedule })
    }

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

fn inventory(context: &Context) -> Inventory {
    let context = context.clone();
    Arc::new(move || {
        let context = context.clone();
        Box::pin(async move { rows(&context).await.map_err(|failure| failure.to_string()) })
    })
}

fn fetch_paths(context: &Context) -> FetchPaths {
    let context = context.clone();
    Arc::new(move |row| {
        let context = context.clone();
        Box::pin(async move {
            let asked = paths_of(&context, &row).await;
            asked.map(drop).map_err(|failure| failure.to_string())
        })
    })
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
