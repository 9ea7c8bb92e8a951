//! What can be wrong on this machine: configuration, store, vault, and the pairs
//! that other tools would take.

use countersign_connector::keyfiles::paste::{Fault, enter};
use std::path::Path;
use std::sync::Arc;

use countersign_files::{self as files, Secrecy};
use countersign_store::Store;
use countersign_vault::{KeySource, SealedFile, Vault};

use super::super::context::{open_store, parse_url};
use super::super::store::{are_mendable, fix};
use super::diagnosis::{Diagnosis, Trouble, cause_and_fix};
use crate::config::{Backend, Config};
use crate::failure::Exit;
use crate::forms::machine;
use crate::home::Home;
use crate::output::printable;
use crate::system;

/// What must fit.
const ROOM_BYTES: usize = 1 << 20;

/// What others could have written to, or read, but for what is looked at below: one
/// trouble for each.
pub(super) fn exposed(home: &Home, all: &mut Vec<Diagnosis>) {
    for (path, secrecy) in home.files() {
        judge(&path, secrecy, path.display().to_string(), all);
    }
}

/// Says what is wrong with it, unless that was said before.
fn judge(path: &Path, secrecy: Secrecy, subject: String, all: &mut Vec<Diagnosis>) {
    if let Err(error) = files::check(path, secrecy)
        && error.is_exposed()
    {
        let one = Trouble::exposed(&error).of(subject, all);
        all.extend(one.state.trouble().is_some().then_some(one));
    }
}

/// None when it cannot be read: nothing is tried with another configuration than
/// the one that is meant.
pub(super) fn config(home: &Home, all: &mut Vec<Diagnosis>) -> Option<Config> {
    if let Err(error) = files::check(&home.config(), Secrecy::Open)
        && error.is_exposed()
    {
        let one = Trouble::exposed(&error).of(home.config().display().to_string(), all);
        all.push(one);
        return None;
    }
    if let Err(error) = files::usable(&home.config(), false)
        && let Some(cause) = error.cause()
    {
        all.push(Trouble::kept(&error, cause).of(home.config().display().to_string(), all));
        return None;
    }
    match Config::read(&home.config()) {
        Ok(config) => Some(config),
        Err(failure) => {
            let (cause, _) = cause_and_fix(&failure.to_string());
            let fix = "correct the line; the guide lists every key";
            let trouble = Trouble::new("configuration", failure.exit(), cause, fix);
            all.push(Diagnosis::trouble(home.config().display().to_string(), trouble));
            None
        }
    }
}

/// Whether requests can be sent by it.
pub(super) fn has_way(home: &Home, config: &Config, all: &mut Vec<Diagnosis>) -> bool {
    let proxy = config.client.proxy.as_deref().map(parse_url);
    let is_url = !matches!(proxy, Some(Err(_)));
    if !is_url {
        let cause = "`client.proxy` is not a URL";
        let fix = "write it like `http://proxy.example.com:3128`";
        let trouble = Trouble::new("configuration", Exit::Usage, cause, fix);
        all.push(Diagnosis::trouble(home.config().display().to_string(), trouble));
    }
    is_url
}

pub(super) async fn store(home: &Home, all: &mut Vec<Diagnosis>) -> Option<Store> {
    let subject = format!("store {}", home.store().display());
    let looked = match open_store(home).await {
        Ok(store) => store.check().await.map(|problems| (store, problems)),
        Err(error) => Err(error),
    };
    match looked {
        Ok((store, problems)) => {
            all.push(match problems.first() {
                None => Diagnosis::well(subject),
                Some(first) => {
                    let cause = format!("the store is damaged: {}", printable(&first.what));
                    let cause = match problems.len() {
                        1 => cause,
                        count => format!("{cause}, and {} more", count - 1),
                    };
                    let fix = fix(home, are_mendable(&problems));
                    let trouble = Trouble::new("store_damaged", Exit::Storage, cause, fix);
                    Diagnosis::trouble(subject, trouble)
                }
            });
            Some(store)
        }
        Err(error) => {
            all.push(broken_store(home, &error).of(subject, all));
            None
        }
    }
}

/// Whether what a sync writes has a place.
pub(super) fn room(home: &Home, all: &mut Vec<Diagnosis>) {
    let subject = format!("room in {}", home.path().display());
    let written = files::has_room(home.path(), ROOM_BYTES, &*system::random());
    all.push(match written {
        Ok(()) => Diagnosis::well(subject),
        Err(error) => match error.cause() {
            Some(cause) => Trouble::kept(&error, cause).of(subject, all),
            None => Trouble::of_failure("home", &error.into()).of(subject, all),
        },
    });
}

pub(super) fn broken_store(home: &Home, error: &countersign_store::Error) -> Trouble {
    if error.is_exposed() {
        return Trouble::exposed(error);
    }
    if let Some(cause) = error.cause() {
        return Trouble::kept(error, cause);
    }
    let (cause, hint) = cause_and_fix(&error.to_string());
    let hint = hint.filter(|_| !error.is_damage());
    let name = if error.is_log_missing() { "store_log_missing" } else { "store" };
    let fix = hint.unwrap_or_else(|| fix(home, false));
    Trouble::new(name, Exit::Storage, cause, fix)
}

/// Opens the vault and every secret in it.
pub(super) fn vault(
    home: &Home,
    config: &Config,
    all: &mut Vec<Diagnosis>,
) -> Option<Arc<dyn Vault>> {
    let subject = format!("vault {}", home.vault().display());
    match open_vault(home, config) {
        Ok(vault) => {
            all.push(Diagnosis::well(subject));
            Some(vault)
        }
        Err(trouble) => {
            all.push(trouble.of(subject, all));
            None
        }
    }
}

fn open_vault(home: &Home, config: &Config) -> Result<Arc<dyn Vault>, Trouble> {
    let locked = |cause: String, fix: String| {
        Err(Trouble::new(
            "vault_locked",
            Exit::Storage,
            format!("the vault is locked: {cause}"),
            fix,
        ))
    };
    if config.vault.backend != Backend::File {
        return open_elsewhere(home, config);
    }
    let place = match &config.vault.passphrase_file {
        Some(path) => format!("`{}`", path.display()),
        None => "COUNTERSIGN_VAULT_PASSPHRASE".to_owned(),
    };
    let source = match config.vault.key_source(home.vault_key()) {
        Ok(source) => source,
        Err(failure) if failure.exit() == Exit::Usage => return Err(Trouble::exposed(&failure)),
        Err(failure) => {
            let fix = format!("put the passphrase that it was sealed with into {place}");
            return locked(cause_and_fix(&failure.to_string()).0, fix);
        }
    };
    let is_passphrase = matches!(source, KeySource::Passphrase(_));
    let opened = SealedFile::open(&home.vault(), source, system::random());
    let vault = match opened.and_then(|vault| vault.entries().map(|_| vault)) {
        Ok(vault) => vault,
        Err(error) => {
            if error.is_exposed() {
                return Err(Trouble::exposed(&error));
            }
            let (cause, fix) = cause_and_fix(&error.to_string());
            if error.is_malformed() || error.is_altered() {
                let fix = format!("bring `{}` back from a backup", home.vault().display());
                return Err(Trouble::new("vault_damaged", Exit::Storage, cause, fix));
            }
            if error.is_unsealable() {
                return match is_passphrase {
                    true => locked(
                        format!("the passphrase in {place} is not the one that it was sealed with"),
                        format!("put the passphrase that it was sealed with into {place}"),
                    ),
                    false => {
                        let key = home.vault_key();
                        let key = key.display();
                        locked(
                            format!("`{key}` is not the key file that it was sealed with"),
                            format!("bring `{key}` back from where it is kept safe"),
                        )
                    }
                };
            }
            let fix = match (error.is_wrong_key(), is_passphrase) {
                (true, true) => {
                    format!("take the passphrase out of {place}: the key file beside it opens it")
                }
                (true, false) if cause.ends_with("sealed by a passphrase") => {
                    "give the passphrase, in `vault.passphrase_file` of config.toml or in \
                     COUNTERSIGN_VAULT_PASSPHRASE"
                        .into()
                }
                _ => fix.unwrap_or_else(|| "correct what the cause names".into()),
            };
            return locked(cause, fix);
        }
    };
    Ok(vault)
}

/// A vault whose key is not ours: what it says is what there is to say.
fn open_elsewhere(home: &Home, config: &Config) -> Result<Arc<dyn Vault>, Trouble> {
    let opened = config.vault.open(home).and_then(|vault| {
        vault.entries()?;
        Ok(vault)
    });
    opened.map_err(|failure| {
        let (cause, fix) = cause_and_fix(&failure.to_string());
        let fix = fix.unwrap_or_else(|| "`countersign vault check` tells more".into());
        Trouble::new(
            "vault_locked",
            Exit::Storage,
            format!("the vault does not open: {cause}"),
            fix,
        )
    })
}

pub(super) async fn unreadable_records(store: &Store) -> Option<Diagnosis> {
    let records = store.undecodable().await.ok()?;
    let first = records.first()?;
    Some(Diagnosis::trouble(
        format!("{} records that cannot be read", records.len()),
        Trouble::new(
            "records_unreadable",
            Exit::Incomplete,
            format!(
                "the first is in application {}: {}",
                printable(&first.application),
                printable(&first.reason)
            ),
            "they are kept as they came: update countersign, then run `countersign sync --full`",
        ),
    ))
}

/// The pairs in the environment and in other tools' files, by their form alone.
pub(super) fn pairs_of_other_tools(all: &mut Vec<Diagnosis>) {
    for path in machine().files() {
        let subject = format!("pair in `{}`, as other tools find it", path.display());
        judge(&path, Secrecy::Secret, subject, all);
    }
    let each = machine().all().into_iter().map(|found| {
        let subject = format!("pair in {}, as other tools find it", printable(&found.place));
        match enter(&found.written.id, &found.written.secret) {
            Ok(entered) if entered.removed.is_empty() => Diagnosis::well(subject),
            Ok(entered) => {
                let held: Vec<_> = entered
                    .removed
                    .iter()
                    .map(|(half, what)| {
                        format!("the {half} holds what does not belong there: {what}")
                    })
                    .collect();
                let fix = "write it there without; `countersign integration add NAME --import` \
                           takes it out by itself";
                Diagnosis::trouble(
                    subject,
                    Trouble::new("pair_pasted", Exit::Usage, held.join("; "), fix),
                )
            }
            Err(fault) => {
                let name = match fault {
                    Fault::Swapped => "pair_swapped",
                    Fault::Twice | Fault::Form(_) => "pair_malformed",
                };
                Diagnosis::trouble(
                    subject,
                    Trouble::new(name, Exit::Usage, fault.cause(), fault.fix()),
                )
            }
        }
    });
    all.extend(each);
}
