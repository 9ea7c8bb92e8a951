//! Where a database is, and how it is reached.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use postgres::config::{Host, SslMode, TargetSessionAttrs};
use postgres::{Config, NoTls};

use super::{Connection, Failure, tls};

const CONNECT: Duration = Duration::from_secs(10);
/// How long what was sent may stay without an answer of the network.
const SILENCE: Duration = Duration::from_secs(60);
/// After how long without a word the network is asked whether the server is still there, how long
/// it may take to say so, and how often it is asked.
const QUIET: Duration = Duration::from_secs(30);
const PROBE: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// What bounds every connection. A lock is waited for as long as for SQLite's.
const SETTINGS: &str = "-c statement_timeout=600000 -c lock_timeout=10000 \
    -c idle_in_transaction_session_timeout=600000 -c jit=off";

/// A database, with the way to it.
#[derive(Clone)]
pub(crate) struct Address {
    config: Arc<Config>,
    is_encrypted: bool,
    /// Certificate authorities to trust beside those of the system.
    authorities: Option<PathBuf>,
}

impl Address {
    /// Reads `postgres://…`. Fails with what is wrong, and what to do about it.
    pub(crate) fn parse(url: &str, password: Option<&str>) -> Result<Self, String> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        if !base.starts_with("postgres://") && !base.starts_with("postgresql://") {
            return Err("it does not begin with `postgres://`\nhint: `postgres://user@host/database` is an address of a database".into());
        }
        let (mut mode, mut authorities, mut others) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value.to_owned()),
                Some(("sslrootcert", path)) => authorities = Some(PathBuf::from(unescaped(path)?)),
                // The client takes what begins with `/` for one folder.
                Some(("host", hosts)) => {
                    others.extend(hosts.split(',').map(|one| format!("host={one}")));
                }
                _ => others.push(pair.to_owned()),
            }
        }
        let plain = match others.is_empty() {
            true => base.to_owned(),
            false => format!("{base}?{}", others.join("&")),
        };
        // What the client says of a wrong address may have the password in it.
        let mut config = Config::from_str(&plain).map_err(|_| {
            "it cannot be read\nhint: `postgres://user@host/database` is an address of a database"
        })?;
        if config.get_hosts().is_empty() {
            return Err("it names no host\nhint: `postgres://user@host/database`, or `postgres:///database?host=/var/run/postgresql` for a socket".into());
        }
        if let Some(password) = password {
            config.password(password);
        }
        let is_near = config.get_hosts().iter().all(is_near) && config.get_hostaddrs().is_empty();
        let is_encrypted = match mode.as_deref() {
            None => !is_near,
            Some("verify-full" | "require") => true,
            Some("disable") if is_near => false,
            Some("disable") => return Err("`sslmode=disable` is for a socket or a loopback address alone\nhint: leave `sslmode` out".into()),
            Some(_) => return Err("`sslmode` is none of `verify-full` and `disable`\nhint: leave `sslmode` out: connections are encrypted and certificates verified".into()),
        };
        let options = match config.get_options() {
            Some(given) => format!("{SETTINGS} {given}"),
            None => SETTINGS.to_owned(),
        };
        config.options(&options).connect_timeout(CONNECT).tcp_user_timeout(SILENCE);
        config.keepalives_idle(QUIET).keepalives_interval(PROBE).keepalives_retries(PROBES);
        if config.get_hosts().len() > 1 && !has_session(&others) {
            // One of them may be written to, and which one that is changes.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        config.ssl_mode(if is_encrypted { SslMode::Require } else { SslMode::Disable });
        if config.get_application_name().is_none() {
            config.application_name("countersign");
        }
        Ok(Self { config: Arc::new(config), is_encrypted, authorities })
    }

    pub(super) fn connect(&self) -> Result<Box<Connection>, Failure> {
        let client = match self.is_encrypted {
            true => {
                let tls = tls::Encryption::new(self.authorities.as_deref());
                self.config.connect(tls.map_err(Failure::program)?)
            }
            false => self.config.connect(NoTls),
        };
        client
            .map(|client| Box::new(Connection::new(client)))
            .map_err(|error| Failure::of_connecting(&error))
    }
}

/// Without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        let (mut names, mut sockets) = (Vec::new(), Vec::new());
        for (at, host) in self.config.get_hosts().iter().enumerate() {
            // One port may be that of all.
            let ports = self.config.get_ports();
            let port = ports.get(at).or(ports.first());
            match (host, port) {
                (Host::Tcp(name), Some(port)) => names.push(format!("{name}:{port}")),
                (Host::Tcp(name), None) => names.push(name.clone()),
                #[cfg(unix)]
                (Host::Unix(path), _) => sockets.push(path.display().to_string()),
            }
        }
        write!(f, "{}/{}", names.join(","), self.config.get_dbname().unwrap_or_default())?;
        match sockets.is_empty() {
            true => Ok(()),
            false => write!(f, "?host={}", sockets.join(",")),
        }
    }
}

/// Whether they say what the session must be able to do.
fn has_session(parameters: &[String]) -> bool {
    parameters.iter().any(|pair| pair.starts_with("target_session_attrs="))
}

/// A socket, or this machine.
fn is_near(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

fn unescaped(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let pair = [*high, *low];
                let digits = std::str::from_utf8(&pair).unwrap_or_default();
                bytes.push(
                    u8::from_str_radix(digits, 16).map_err(|_| "`sslrootcert` cannot be read")?,
                );
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| "`sslrootcert` cannot be read".to_owned())
}
