//! The other end of the wire: a Veracode-compatible REST service.
//!
//! TLS by an authority of its own, SQLite in its home, strict by default: every
//! request is verified (raw target, clock, nonce, expiry, revocation, account)
//! and answered as the real service answers. Knows nothing of the connector; no
//! environment, no real clock, no randomness of its own.

mod accounts;
mod authority;
mod caller;
mod clock;
mod condition;
mod console;
mod control;
mod custom_roles;
mod database;
mod error;
mod faults;
mod import;
mod letters;
mod limit;
mod mailer;
mod mitigation;
mod nonces;
mod notices;
mod oauth;
mod recorder;
mod rest;
mod roles;
mod seed;
mod server;
mod settings;
mod snapshots;
mod state;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_signin::audit::{self, Verdict};
use countersign_signing::{Pair, Window};
use countersign_vault::MasterKey;
use data_encoding::HEXLOWER;
use rusqlite::OptionalExtension;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use accounts::{Accounts, User};
use clock::VirtualClock;
use database::Database;
use faults::Faults;
use limit::{Limit, Rule};
use nonces::Nonces;
use recorder::Recorder;
use snapshots::Snapshots;
use state::{AppState, Inner};

pub use error::Error;
pub use mailer::Smtp;
pub use roles::Permission;
pub use seed::SeedSpec;

/// Milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Fills a buffer with random bytes.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Numeric id of the organisation.
const ORGANIZATION: i64 = 10_001;

const HOUR_MS: i64 = 3_600_000;

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
            overlap_ms: 24 * HOUR_MS,
            control: None,
            console: None,
            console_url: None,
            smtp: None,
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
    database: Database,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    housekeeping: JoinHandle<()>,
    console: Option<JoinHandle<()>>,
    mailer: Option<JoinHandle<()>>,
    control: Option<Control>,
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
    /// Opens the home, seeds it when it is empty, and listens.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let home = config.home.clone();
        let config_for_home = config.clone();
        let (database, master, served, setting) = tokio::task::spawn_blocking(move || {
            let (database, master) = open_home(&config_for_home.home, &*config_for_home.random)?;
            let now_ms = (config_for_home.clock)();
            seed::seed(&database, &config_for_home.seed, now_ms)?;
            let setting = database.read(clock::load)?;
            let served =
                authority::serve(&config_for_home.home, &config_for_home.public_names, now_ms)?;
            Ok::<_, Error>((database, master, served, setting))
        })
        .await
        .map_err(|_| Error::stopped())??;

        let tls = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(served.chain, served.key));
        let mut tls = tls.map_err(|error| Error::home(&home, error.to_string()))?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

        let tls = Arc::new(tls);
        let (listener, address) = bind(config.listen).await?;

        let console = match config.console {
            Some(listen) => Some(bind(listen).await?),
            None => None,
        };
        let console_url = console
            .as_ref()
            .map(|(_, address)| config.console_url.clone().unwrap_or_else(|| public_url(*address)));

        let accounts =
            Accounts::new(database.clone(), master, config.random.clone(), config.overlap_ms);
        let past_ms = i64::try_from(config.window_ms).unwrap_or(i64::MAX / 4);
        let state = AppState::new(Inner {
            database: database.clone(),
            accounts,
            nonces: Nonces::new(past_ms, nonces::MAX_TAGS),
            limit: Limit::new(Rule { requests: config.requests_per_minute, ..Rule::default() }),
            window: Window::symmetric(config.window_ms),
            aliases: config.public_names.clone(),
            clock: VirtualClock::new(config.clock, setting),
            faults: Faults::default(),
            recorder: Recorder::default(),
            is_recorded: config.control.is_some(),
            snapshots: Snapshots::of(&home),
            random: config.random.clone(),
            console_url,
            has_mailbox: config.smtp.is_none(),
        });
        if state.console_url().is_some() {
            let make = |transaction: &rusqlite::Transaction<'_>, state: &AppState| {
                state.accounts().make_first_admin(transaction, state.now())
            };
            state.write(make).await?;
        }
        let (stop, stopped) = watch::channel(false);
        let router = rest::router(state.clone());
        let serving =
            tokio::spawn(server::serve(listener, Arc::clone(&tls), router, stopped.clone()));
        let console = console.map(|(listener, _)| {
            let (tls, router) = (Arc::clone(&tls), console::router(state.clone()));
            tokio::spawn(server::serve(listener, tls, router, stopped.clone()))
        });
        let control = match config.control {
            Some(listen) => {
                let (listener, address) = bind(listen).await?;
                let mut token = Zeroizing::new([0; 32]);
                (config.random)(&mut *token);
                let token = Zeroizing::new(HEXLOWER.encode(&*token));
                let router = control::router(state.clone(), &token);
                let serving = tokio::spawn(server::serve(listener, tls, router, stopped));
                Some(Control { address, token, serving })
            }
            None => None,
        };
        let mailer = match config.smtp {
            Some(smtp) => {
                let transport = mailer::transport(&smtp)?;
                Some(tokio::spawn(mailer::deliver(state.clone(), transport, smtp.from)))
            }
            None => None,
        };
        let housekeeping = tokio::spawn(keep_house(state.clone()));
        let ca_file = home.canonicalize().unwrap_or(home).join("ca.pem");
        Ok(Self {
            address,
            ca_file,
            ca_pem: served.ca_pem,
            database,
            stop,
            serving,
            housekeeping,
            console,
            mailer,
            control,
            state,
        })
    }

    /// The test controls, where there are any.
    pub fn control(&self) -> Option<&Control> {
        self.control.as_ref()
    }

    /// `https://` with address and port.
    pub fn rest_url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Where the console is, where there is one.
    pub fn console_url(&self) -> Option<&str> {
        self.state.console_url()
    }

    /// Where the built-in mailbox is; none with a mail server, or without a console.
    pub fn mailbox_url(&self) -> Option<String> {
        let url = self.console_url().filter(|_| self.state.has_mailbox());
        url.map(|url| format!("{url}/mailbox"))
    }

    /// User name and password of the first administrator, until the password is
    /// changed.
    pub fn first_admin(&self) -> Result<Option<(String, Zeroizing<String>)>, Error> {
        self.database.read(|connection| self.state.accounts().first_admin(connection))
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
        self.database.read(|connection| {
            let count = |sql| connection.query_row(sql, [], |row| row.get(0));
            Ok((
                count("select count(*) from applications")?,
                count("select count(*) from findings")?,
            ))
        })
    }

    /// Stops listening, lets running requests end, writes what is pending.
    pub async fn shutdown(mut self) -> Result<(), Error> {
        let _ = self.stop.send(true);
        let _ = (&mut self.serving).await;
        if let Some(control) = &mut self.control {
            let _ = (&mut control.serving).await;
        }
        if let Some(console) = &mut self.console {
            let _ = console.await;
        }
        self.state.accounts().write_used()
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
    }
}

/// Twice as often as anybody would notice.
const LOOK_AROUND: Duration = Duration::from_millis(50);
/// Looks around between two writings of when pairs were last used.
const LOOKS_PER_WRITE: u32 = 1200;
/// And between two searches for mails that became due.
const LOOKS_PER_NOTICE: u32 = 20;

/// Browsers know passkeys for names only, and `localhost` is one.
fn public_url(address: SocketAddr) -> String {
    if address.ip().is_loopback() {
        return format!("https://localhost:{}", address.port());
    }
    format!("https://{address}")
}

async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |error: std::io::Error| Error::listen(listen, &error);
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

async fn keep_house(state: AppState) {
    let mut ticks = tokio::time::interval(LOOK_AROUND);
    for look in (0..LOOKS_PER_WRITE).cycle() {
        ticks.tick().await;
        let state = state.clone();
        let kept = tokio::task::spawn_blocking(move || {
            if look + 1 == LOOKS_PER_WRITE {
                state.accounts().write_used()?;
            }
            let now_ms = state.now();
            let is_time = look % LOOKS_PER_NOTICE == 0;
            if is_time
                && state.database().read(|connection| notices::is_any_due(connection, now_ms))?
            {
                state.database().write(|transaction| notices::write_due(transaction, now_ms))?;
            }
            Ok::<_, Error>(state.database().look_around()?)
        });
        if let Ok(Err(error)) = kept.await {
            tracing::error!(%error, "housekeeping failed");
        }
    }
}

/// A pair made straight in the database.
pub struct Minted {
    /// The pair.
    pub pair: Pair,
    /// When it expires, milliseconds since the Unix epoch.
    pub expires_ms: i64,
    /// Guid of the account.
    pub user_id: String,
    /// Name of the account.
    pub user_name: String,
    /// Its roles.
    pub roles: Vec<String>,
}

/// Creates an API account when there is none of this name, and a pair for it.
/// Works beside a running platform.
pub fn mint(
    home: &Path,
    user_name: &str,
    roles: &[String],
    now_ms: i64,
    random: &Random,
) -> Result<Minted, Error> {
    let (database, master) = open_home(home, &**random)?;
    let config = Config::new(home, Arc::new(move || now_ms), random.clone());
    let setting = database.read(clock::load)?;
    let now_ms = VirtualClock::new(config.clock.clone(), setting).now();
    let accounts = Accounts::new(database.clone(), master, random.clone(), config.overlap_ms);
    database.write(|transaction| {
        let user = match accounts::user_by(transaction, "name", user_name)? {
            Some(user) if !user.is_api => {
                return Err(Error::input(format!(
                    "`{user_name}` is a user account, not an API account"
                )));
            }
            Some(user) if !roles.is_empty() && !same(&user.roles, roles) => {
                return Err(Error::input(format!(
                    "API account `{user_name}` exists with other roles: {}",
                    user.roles.join(", ")
                )));
            }
            Some(user) => user,
            None => {
                let mut user = new_api_user(user_name, roles, random)?;
                user.id = accounts::insert_user(transaction, &user, now_ms)?;
                user
            }
        };
        let minted = accounts.mint(transaction, user.id, now_ms)?;
        let id = countersign_signing::ApiId::parse(&minted.credential.api_id);
        let id = id.map_err(|error| Error::input(error.to_string()))?;
        Ok(Minted {
            pair: Pair { id, secret: minted.secret },
            expires_ms: minted.credential.expires_ms,
            user_id: user.guid,
            user_name: user.name,
            roles: user.roles,
        })
    })
}

/// Follows the chain of the activity log: its length and last digest, or the first
/// entry that does not follow.
pub fn verify_audit(home: &Path) -> Result<Result<(i64, String), i64>, Error> {
    let path = home.join("platform.sqlite");
    if !path.exists() {
        return Err(Error::input(format!("there is no platform in `{}`", home.display())));
    }
    let verdict =
        Database::open(&path)?.read(|connection| audit::verify(connection).map_err(Error::from))?;
    Ok(match verdict {
        Verdict::Whole(entries, digest) => Ok((entries, digest)),
        Verdict::Broken(entry) => Err(entry),
    })
}

fn same(a: &[String], b: &[String]) -> bool {
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    sorted(a) == sorted(b)
}

fn new_api_user(name: &str, roles: &[String], random: &Random) -> Result<User, Error> {
    let defaults = ["resultsapi".to_owned(), "noteamrestrictionapi".to_owned()];
    let roles = if roles.is_empty() { &defaults[..] } else { roles };
    for role in roles {
        if roles::find(role).is_none() {
            let api = roles::ROLES.iter().filter(|role| role.is_api).map(|role| role.name);
            return Err(Error::input(format!(
                "there is no role `{role}`\nhint: API roles are {}",
                api.collect::<Vec<_>>().join(", ")
            )));
        }
    }
    roles::check_combination(true, roles).map_err(Error::input)?;
    if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        return Err(Error::input("a user name is 1 to 256 printable characters".into()));
    }
    let mut guid = [0; 16];
    random(&mut guid);
    Ok(User {
        id: 0,
        guid: uuid::Builder::from_random_bytes(guid).into_uuid().to_string(),
        name: name.to_owned(),
        email: format!("{}@example.com", name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")),
        first_name: "API".into(),
        last_name: name.to_owned(),
        is_api: true,
        active: true,
        login_enabled: true,
        pin_required: false,
        ip_restricted: false,
        allowed_ips: Vec::new(),
        roles: roles.to_vec(),
        teams: Vec::new(),
        custom: Vec::new(),
    })
}

/// Database and master key; the default business unit and policy on first use.
fn open_home(home: &Path, random: &dyn Fn(&mut [u8])) -> Result<(Database, MasterKey), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(home).map_err(|error| Error::home(home, error.to_string()))?;
    let master = MasterKey::load_or_create(&home.join("master.key"), random)
        .map_err(|error| Error::home(home, error.to_string()))?;
    let database = Database::open(&home.join("platform.sqlite"))?;
    furnish(&database)?;
    Ok((database, master))
}

/// What every tenant has.
fn furnish(database: &Database) -> Result<(), Error> {
    database.write(|transaction| {
        let is_furnished: Option<i64> = transaction
            .query_row("select 1 from business_units where is_default = 1", [], |row| row.get(0))
            .optional()?;
        if is_furnished.is_none() {
            transaction.execute(
                "insert into business_units (guid, name, is_default) values (?, 'Not Specified', 1)",
                [rest::guid_from("business-unit:default")],
            )?;
            transaction.execute(
                "insert into policies (guid, name, is_default) values (?, 'Example Recommended High', 1),
                    (?, 'Example Baseline', 0)",
                [rest::guid_from("policy:default"), rest::guid_from("policy:baseline")],
            )?;
        }
        let is_described: Option<i64> =
            transaction.query_row("select 1 from cwes", [], |row| row.get(0)).optional()?;
        if is_described.is_none() {
            seed::weaknesses(transaction)?;
            for (name, highest) in [("Example Recommended High", 3), ("Example Baseline", 4)] {
                transaction.execute(
                    "update policies set definition = ? where name = ?",
                    [rest::policies::definition(highest, 0), name.to_owned()],
                )?;
            }
        }
        Ok(())
    })
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`, the one form that every known client reads.
pub(crate) fn timestamp(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
