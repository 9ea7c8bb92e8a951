//! What can be wrong on this machine: store, vault, and the pairs that other tools
//! would take.

use std::path::Path;

use countersign_files::{self as files, Secrecy};
use countersign_store::{Problem, Store};

use super::printable;
use super::trouble::{Diagnosis, Trouble, cause_and_fix};
use crate::Random;
use crate::error::Fault;
use crate::keyfiles::paste::{Fault as Pasted, enter};
use crate::keyfiles::sources::Machine;

/// What must fit.
const ROOM_BYTES: usize = 1 << 20;

/// What others could have written to, or read, unless that was said before.
pub fn exposed(path: &Path, secrecy: Secrecy, subject: String, all: &mut Vec<Diagnosis>) {
    if let Err(error) = files::check(path, secrecy)
        && error.is_exposed()
    {
        let one = Trouble::exposed(&error).of(subject, all);
        all.extend(one.state.trouble().is_some().then_some(one));
    }
}

/// Whether what a sync writes has a place.
pub fn room(home: &Path, random: &Random, all: &mut Vec<Diagnosis>) {
    let subject = format!("room in {}", home.display());
    let written = files::has_room(home, ROOM_BYTES, &**random);
    all.push(match written {
        Ok(()) => Diagnosis::well(subject),
        Err(error) => match error.cause() {
            Some(cause) => Trouble::kept(&error, cause).of(subject, all),
            None => Trouble::of_error("home", &error.into()).of(subject, all),
        },
    });
}

/// A store that is not as it was written; none when it is.
pub fn damaged_store(path: &Path, problems: &[Problem]) -> Option<Trouble> {
    let first = problems.first()?;
    let cause = format!("the store is damaged: {}", printable(&first.what));
    let cause = match problems.len() {
        1 => cause,
        count => format!("{cause}, and {} more", count - 1),
    };
    let fix = mend(path, are_mendable(problems));
    Some(Trouble::new("store_damaged", Fault::Storage, cause, fix))
}

/// Whether a full sync mends all of it.
pub fn are_mendable(problems: &[Problem]) -> bool {
    problems.iter().all(|problem| problem.is_mended_by_full_sync)
}

/// What to do about a damaged store.
pub fn mend(path: &Path, is_mendable: bool) -> String {
    match is_mendable {
        true => "`countersign sync --full` reads what is damaged anew".into(),
        false => format!(
            "`countersign store restore` brings a backup back; without one, move `{}` away, add the integrations again and sync",
            path.display()
        ),
    }
}

/// A store that does not open.
pub fn broken_store(path: &Path, error: &countersign_store::Error) -> Trouble {
    if error.is_exposed() {
        return Trouble::exposed(error);
    }
    if let Some(cause) = error.cause() {
        return Trouble::kept(error, cause);
    }
    let (cause, hint) = cause_and_fix(&error.to_string());
    let hint = hint.filter(|_| !error.is_damage());
    let name = if error.is_log_missing() { "store_log_missing" } else { "store" };
    let fix = hint.unwrap_or_else(|| mend(path, false));
    Trouble::new(name, Fault::Storage, cause, fix)
}

/// Why a sealed file does not open.
pub struct Sealed<'s> {
    /// Where it is.
    pub vault: &'s Path,
    /// Where its key file is.
    pub key: &'s Path,
    /// Where its passphrase is looked for.
    pub passphrase: String,
    /// Whether it was tried with a passphrase.
    pub is_passphrase: bool,
}

impl Sealed<'_> {
    /// The trouble behind the error.
    pub fn why(&self, error: &countersign_vault::Error) -> Trouble {
        if error.is_exposed() {
            return Trouble::exposed(error);
        }
        let (cause, fix) = cause_and_fix(&error.to_string());
        if error.is_malformed() || error.is_altered() {
            let fix = format!("bring `{}` back from a backup", self.vault.display());
            return Trouble::new("vault_damaged", Fault::Storage, cause, fix);
        }
        let place = &self.passphrase;
        if error.is_unsealable() {
            return self.not_the_one();
        }
        let fix = match (error.is_wrong_key(), self.is_passphrase) {
            (true, true) => {
                format!("take the passphrase out of {place}: the key file beside it opens it")
            }
            (true, false) if error.needs_passphrase() => {
                "give the passphrase, in `vault.passphrase_file` of config.toml or in \
                 COUNTERSIGN_VAULT_PASSPHRASE"
                    .into()
            }
            _ => fix.unwrap_or_else(|| "correct what the cause names".into()),
        };
        locked(&cause, fix)
    }

    fn not_the_one(&self) -> Trouble {
        let (place, key) = (&self.passphrase, self.key.display());
        match self.is_passphrase {
            true => locked(
                &format!("the passphrase in {place} is not the one that it was sealed with"),
                format!("put the passphrase that it was sealed with into {place}"),
            ),
            false => locked(
                &format!("`{key}` is not the key file that it was sealed with"),
                format!("bring `{key}` back from where it is kept safe"),
            ),
        }
    }

    /// There is no passphrase to try.
    pub fn without_passphrase(&self, message: &str) -> Trouble {
        let fix = format!("put the passphrase that it was sealed with into {}", self.passphrase);
        locked(&cause_and_fix(message).0, fix)
    }
}

fn locked(cause: &str, fix: String) -> Trouble {
    Trouble::new("vault_locked", Fault::Storage, format!("the vault is locked: {cause}"), fix)
}

/// A vault whose key is not ours: what it says is what there is to say.
pub fn vault_elsewhere(message: &str) -> Trouble {
    let (cause, fix) = cause_and_fix(message);
    let fix = fix.unwrap_or_else(|| "`countersign vault check` shows more".into());
    let cause = format!("the vault does not open: {cause}");
    Trouble::new("vault_locked", Fault::Storage, cause, fix)
}

/// Records that nobody can read yet.
pub async fn unreadable_records(store: &Store) -> Option<Diagnosis> {
    let records = store.undecodable().await.ok()?;
    let first = records.first()?;
    Some(Diagnosis::trouble(
        format!("{} records that cannot be read", records.len()),
        Trouble::new(
            "records_unreadable",
            Fault::Incomplete,
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
pub fn pairs_of_other_tools(machine: &Machine<'_>, all: &mut Vec<Diagnosis>) {
    for path in machine.files() {
        let subject = format!("credentials in `{}`, as other tools find them", path.display());
        exposed(&path, Secrecy::Secret, subject, all);
    }
    let each = machine.all().into_iter().map(|found| {
        let subject =
            format!("credentials in {}, as other tools find them", printable(&found.place));
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
                let fix = "write it there without; `countersign integration add --import` \
                           removes it";
                Diagnosis::trouble(
                    subject,
                    Trouble::new("pair_pasted", Fault::Config, held.join("; "), fix),
                )
            }
            Err(fault) => {
                let name = match fault {
                    Pasted::Swapped => "pair_swapped",
                    Pasted::Twice | Pasted::Form(_) => "pair_malformed",
                };
                Diagnosis::trouble(
                    subject,
                    Trouble::new(name, Fault::Config, fault.cause(), fault.fix()),
                )
            }
        }
    });
    all.extend(each);
}
