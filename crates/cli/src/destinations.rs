//! Destinations as they are configured, with their secrets and the way to each.

use std::path::Path;
use std::sync::Arc;

use countersign_deliveries::destination::Destination;
use countersign_deliveries::gate::Gate;
use countersign_deliveries::http::{Http, Reach};
use countersign_deliveries::receiver::Receiver;
use countersign_deliveries::receivers::{
    Access, code_scanning, defectdojo, github_issues, jira, lake, mail, redmine, slack, syslog,
    teams, webhook,
};
use countersign_deliveries::render::TicketRules;
use countersign_files::{self as files, Secrecy};
use countersign_signing::{ApiSecret, OAuthClient};
use countersign_vault::{Secret, Vault};
use url::Url;
use zeroize::Zeroizing;

use crate::advice::CommandLine;
use crate::config::destinations::{DestinationConfig, Kind};
use crate::failure::Failure;
use crate::post::Smtp;

/// Where secrets of destinations are in the vault.
const FOLDER: &str = "destinations";
/// A vault keeps credentials with an id; these have none.
const ID: &str = "destination";
const MAX_CA_BYTES: u64 = 1 << 20;

/// A destination that may not work: its secret is missing, or a file of it.
pub(crate) struct Configured {
    pub(crate) name: String,
    pub(crate) made: Result<Destination, String>,
}

/// All that are configured.
pub(crate) async fn destinations(
    all: &[DestinationConfig],
    vault: &Arc<dyn Vault>,
    now_ms: i64,
) -> Result<Vec<Configured>, Failure> {
    let mut made = Vec::new();
    for config in all {
        made.push(destination(config, vault, now_ms).await?);
    }
    Ok(made)
}

/// One of them.
pub(crate) async fn destination(
    config: &DestinationConfig,
    vault: &Arc<dyn Vault>,
    now_ms: i64,
) -> Result<Configured, Failure> {
    let kind = config.kind().ok_or_else(|| Failure::unexpected("a destination has no kind"))?;
    let made = match secret_for(config, kind, vault).await {
        Ok(secret) => make(config, kind, secret, now_ms),
        Err(why) => Err(why),
    };
    Ok(Configured { name: config.name.clone(), made })
}

async fn secret_for(
    config: &DestinationConfig,
    kind: Kind<'_>,
    vault: &Arc<dyn Vault>,
) -> Result<Zeroizing<String>, String> {
    let read = read_secret(vault, config.secret_name()).await;
    match (read, kind.secret()) {
        (Ok(Some(secret)), _) => Ok(secret),
        (Ok(None), None) => Ok(Zeroizing::default()),
        (Ok(None), Some(what)) => Err(format!(
            "its secret is not in the vault: the {what}\nhint: {}",
            CommandLine::of(&["deliver", "secret"]).and(&config.name)
        )),
        (Err(failure), _) => Err(failure.to_string()),
    }
}

/// What a secret is called in the vault.
fn vault_name(secret: &str) -> String {
    format!("{FOLDER}/{secret}")
}

pub(crate) async fn read_secret(
    vault: &Arc<dyn Vault>,
    name: &str,
) -> Result<Option<Zeroizing<String>>, Failure> {
    let (vault, name) = (Arc::clone(vault), vault_name(name));
    let read = tokio::task::spawn_blocking(move || vault.get(&name));
    match read.await.map_err(Failure::unexpected)? {
        Ok((_, secret)) => {
            let text = String::from_utf8(secret.secret().expose().to_vec());
            Ok(text.ok().map(Zeroizing::new))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Stores a secret; those before it are destroyed.
pub(crate) async fn write_secret(
    vault: &Arc<dyn Vault>,
    name: &str,
    secret: &str,
    now_ms: i64,
) -> Result<(), Failure> {
    let kept = Secret::from(OAuthClient {
        id: ID.to_owned(),
        secret: ApiSecret::from_bytes(secret.as_bytes().to_vec()),
    });
    let (vault, name) = (Arc::clone(vault), vault_name(name));
    let written = tokio::task::spawn_blocking(move || {
        let version = vault.put(&name, &kept, now_ms)?;
        destroy(&*vault, &name, |other| other != version).map(drop)
    });
    Ok(written.await.map_err(Failure::unexpected)??)
}

/// Destroys a secret. False where there is none.
pub(crate) async fn remove_secret(vault: &Arc<dyn Vault>, name: &str) -> Result<bool, Failure> {
    let (vault, name) = (Arc::clone(vault), vault_name(name));
    let removed = tokio::task::spawn_blocking(move || destroy(&*vault, &name, |_| true));
    Ok(removed.await.map_err(Failure::unexpected)??)
}

fn destroy(
    vault: &dyn Vault,
    name: &str,
    is_wanted: impl Fn(u32) -> bool,
) -> Result<bool, countersign_vault::Error> {
    let mut is_any = false;
    for entry in vault.versions(name)? {
        if !entry.is_tombstone && is_wanted(entry.version) {
            vault.destroy(name, entry.version)?;
            is_any = true;
        }
    }
    Ok(is_any)
}

/// With this secret. The error is one sentence without it.
pub(crate) fn make(
    config: &DestinationConfig,
    kind: Kind<'_>,
    secret: Zeroizing<String>,
    now_ms: i64,
) -> Result<Destination, String> {
    let reach = reach(config)?;
    let dashboard = config.dashboard()?;
    let access = Access {
        wire: Arc::new(Http::new(reach.clone())?),
        secret: Arc::new(secret),
        dashboard: dashboard.clone(),
    };
    let (place, receiver) = receiver(kind, access, reach)?;
    Ok(Destination {
        name: config.name.clone(),
        kind: kind.word(),
        place,
        mode: config.mode(),
        filter: Destination::filter_of(config.filter(now_ms)?),
        grouping: config.group_by,
        max_new: config.max_new,
        rules: TicketRules { dashboard, ..config.ticket.clone() },
        taste: config.taste(),
        receiver,
    })
}

fn reach(config: &DestinationConfig) -> Result<Reach, String> {
    let mut reach = Reach::new(Gate::new(&config.allow_networks)?);
    reach.ca_pem = config.ca_file.as_deref().map(certificates).transpose()?;
    // It may hold a password.
    let no_proxy = |_| "`proxy` is not a URL".to_owned();
    reach.proxy = config.proxy.as_deref().map(Url::parse).transpose().map_err(no_proxy)?;
    reach.proxy_resolves = config.proxy_resolves;
    reach.allow_http_loopback = config.allow_http_loopback;
    Ok(reach)
}

fn certificates(path: &Path) -> Result<Vec<u8>, String> {
    let pem = files::read_certificates(path, Secrecy::Open, MAX_CA_BYTES);
    pem.map(|pem| pem.as_bytes().to_vec()).map_err(|error| error.to_string())
}

fn receiver(kind: Kind<'_>, access: Access, reach: Reach) -> Result<(String, Receiver), String> {
    Ok(match kind {
        Kind::Webhook(settings) => {
            let made = webhook::Webhook::new(settings.clone(), access)?;
            (settings.place(), Receiver::Stream(Box::new(made)))
        }
        Kind::Syslog(settings) => {
            let made = syslog::Syslog::new(settings.clone(), &access, reach)?;
            (settings.place(), Receiver::Stream(Box::new(made)))
        }
        Kind::GitHubIssues(settings) => {
            let made = github_issues::GitHubIssues::new(settings.clone(), access)?;
            (settings.place(), Receiver::Tickets(Box::new(made)))
        }
        Kind::CodeScanning(settings) => {
            let made = code_scanning::CodeScanning::new(settings.clone(), access)?;
            (settings.place(), Receiver::Uploads(Box::new(made)))
        }
        Kind::Jira(settings) => {
            let made = jira::new(settings.clone(), access)?;
            (settings.place(), Receiver::Tickets(Box::new(made)))
        }
        Kind::Redmine(settings) => {
            let made = redmine::new(settings.clone(), access)?;
            (settings.place(), Receiver::Tickets(Box::new(made)))
        }
        Kind::DefectDojo(settings) => {
            let made = defectdojo::DefectDojo::new(settings.clone(), access)?;
            (settings.place(), Receiver::Uploads(Box::new(made)))
        }
        Kind::Slack(settings) => {
            let made = slack::Slack::new(settings.clone(), access)?;
            (settings.place(), Receiver::Stream(Box::new(made)))
        }
        Kind::Teams(settings) => {
            let made = teams::Teams::new(settings.clone(), access)?;
            (settings.place(), Receiver::Stream(Box::new(made)))
        }
        Kind::Mail(settings) => {
            let post = Smtp::new(settings, access.secret, reach)?;
            let made = mail::Mail::new(settings.clone(), Arc::new(post))?;
            (settings.place(), Receiver::Stream(Box::new(made)))
        }
        Kind::Lake(settings) => {
            let made = lake::Lake::new(settings.clone(), access)?;
            (settings.place(), Receiver::Stream(Box::new(made)))
        }
    })
}
