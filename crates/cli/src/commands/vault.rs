//! `vault check` and `vault reseal`.

use std::path::Path;
use std::sync::Arc;

use countersign_vault::{Entry, KeySource, Vault, prove};
use serde_json::json;

use crate::args::{Json, Reseal};
use crate::config::{Backend, Config, passphrase_in};
use crate::failure::{Cause, Exit, Failure};
use crate::home::Home;
use crate::lists::print_list;
use crate::output::{Cell, Fit, note, print, print_json};
use crate::system;

pub(crate) async fn check(home: Option<&Path>, args: Json) -> Result<(), Failure> {
    let home = Home::find(home)?;
    let config = Config::read(&home.config())?;
    let backend = config.vault.backend;
    let vault = config.vault.open(&home)?;
    let place = vault.place();
    let (proof, entries) = examine(vault).await?;
    let problem = proof.as_ref().err().or(entries.as_ref().err());
    if args.json {
        print_json(&json!({
            "backend": backend.as_str(),
            "place": place,
            "proven": proof.is_ok(),
            "problem": problem.map(Failure::to_string),
            "entries": entries.as_deref().map(rows).unwrap_or_default(),
        }))?;
        return match problem {
            Some(problem) => Err(Failure::silent(problem.exit())),
            None => Ok(()),
        };
    }
    print(&format!("vault    {} ({place})\n", backend.as_str()))?;
    proof?;
    print("proven   a probe was written, read back, destroyed, and left no trace\n")?;
    tell(&entries?)
}

/// The proof, and what there is. Both may wait for a network.
async fn examine(
    vault: Arc<dyn Vault>,
) -> Result<(Result<(), Failure>, Result<Vec<Entry>, Failure>), Failure> {
    let (random, now_ms) = (system::random(), system::clock()());
    let examination = tokio::task::spawn_blocking(move || {
        let proof = prove(&*vault, &random, now_ms).map_err(Failure::from);
        (proof, vault.entries().map_err(Failure::from))
    });
    examination.await.map_err(Failure::unexpected)
}

fn rows(entries: &[Entry]) -> Vec<serde_json::Value> {
    let row = |entry: &Entry| {
        json!({
            "name": entry.name,
            "version": entry.version,
            "kind": entry.kind.as_str(),
            "api_id": entry.api_id,
            "stored_at": countersign_findings::rfc3339(entry.created_ms),
            "destroyed": entry.is_tombstone,
        })
    };
    entries.iter().map(row).collect()
}

fn tell(entries: &[Entry]) -> Result<(), Failure> {
    if entries.is_empty() {
        note("the vault holds no credential yet");
        return Ok(());
    }
    let row = |entry: &Entry| {
        [
            Cell::text(&entry.name),
            Cell::number(entry.version.into()),
            Cell::text(entry.kind.as_str()),
            Cell::text(&entry.api_id),
            Cell::moment(Some(entry.created_ms)),
            Cell::text(if entry.is_tombstone { "destroyed" } else { "kept" }),
        ]
    };
    let columns = [
        ("name", Fit::Whole),
        ("version", Fit::Number),
        ("kind", Fit::Whole),
        ("id", Fit::End),
        ("stored", Fit::Whole),
        ("secret", Fit::Whole),
    ];
    print_list(columns, entries.iter().map(row))
}

pub(crate) async fn reseal(home: Option<&Path>, args: Reseal) -> Result<(), Failure> {
    let home = Home::find(home)?;
    let config = Config::read(&home.config())?;
    if config.vault.backend != Backend::File {
        return Err(Failure::usage(format!(
            "`vault.backend` is \"{}\": only the sealed file has a key of countersign",
            config.vault.backend.as_str()
        )));
    }
    if !home.vault().exists() {
        return Err(Failure::new(
            Exit::Usage,
            "there is no vault yet\nhint: say in config.toml what shall seal it",
        ));
    }
    let (source, setting) = match (args.key.new_key_file, args.key.new_passphrase_file) {
        (Some(path), _) => {
            let path = std::path::absolute(path)?;
            (KeySource::KeyFile(path.clone()), setting("key_file", &path))
        }
        (None, Some(path)) => {
            let path = std::path::absolute(path)?;
            (named(passphrase_in(&path))?, setting("passphrase_file", &path))
        }
        (None, None) => return Err(Failure::usage("no new key was named")),
    };
    let resealed = tokio::task::spawn_blocking(move || {
        let vault = config.vault.open_file(&home)?.reseal(source)?;
        let kept = vault.entries()?.iter().filter(|entry| !entry.is_tombstone).count();
        Ok::<_, Failure>((home.config(), kept))
    });
    let (config, kept) = resealed.await.map_err(Failure::unexpected)??;
    if args.json {
        return print_json(&json!({ "secrets": kept, "config": config, "setting": setting }));
    }
    note(&format!(
        "{kept} secrets are sealed by the new key. In `{}`, this opens the vault from now on, in place of what did before:",
        config.display()
    ));
    print(&format!("[vault]\n{setting}\n"))
}

/// What the command line names is the command line's to put right.
fn named<T>(read: Result<T, Failure>) -> Result<T, Failure> {
    read.map_err(|failure| Failure::of(Cause::File, failure))
}

fn setting(key: &str, path: &Path) -> String {
    format!("{key} = {}", toml::Value::String(path.display().to_string()))
}
