//! `store check|backup|restore|copy`.

use std::path::{Path, PathBuf};

pub(crate) use countersign_connector::diagnose::are_mendable;
use countersign_connector::diagnose::mend;
use countersign_files::{self as files, Created, Draft, Readers, Secrecy};
use countersign_findings::rfc3339;
use countersign_store::{Problem, Store, check_image, set_aside};
use serde_json::json;

use super::context::{open_store, store_config};
use crate::args::{BackUp, CheckStore, CopyStore, Restore, Store as Command};
use crate::asking::asked;
use crate::backup::{self, Attached};
use crate::config::store::{StoreConfig, has_password, is_address};
use crate::config::{Backend, Config};
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::output::{grouped, note, print, print_json, printable};
use crate::system;

/// Of the vault's file.
const MAX_BYTES: u64 = 16 << 20;

/// Needs no vault, and so no passphrase.
pub(crate) async fn run(home: Option<&Path>, command: Command) -> Result<(), Failure> {
    let home = Home::find(home)?;
    match command {
        Command::Check(args) => check(&home, args).await,
        Command::Backup(args) => back_up(&home, args).await,
        Command::Restore(args) => restore(&home, args).await,
        Command::Copy(args) => copy(args).await,
    }
}

async fn check(home: &Home, args: CheckStore) -> Result<(), Failure> {
    let path = home.store();
    let is_elsewhere = store_config(home)?.is_elsewhere();
    if is_elsewhere && args.accept_missing_log {
        return Err(Failure::usage(
            "`store.url` is set: a store in a database has no log of its own\nhint: leave `--accept-missing-log` out",
        ));
    }
    if !is_elsewhere && !path.exists() {
        files::usable(home.path(), false)?;
        return Err(Failure::storage(format!(
            "there is no store in `{}`\nhint: `countersign integration add prod` adds an integration",
            home.path().display()
        )));
    }
    if args.accept_missing_log {
        Store::accept_missing_log(&path).await?;
    }
    let mut place = path.display().to_string();
    let found = match open_store(home).await {
        Ok(store) => {
            place = store.place();
            let found = store.check().await;
            if found.as_ref().is_ok_and(Vec::is_empty) {
                end_alarm(&store).await;
                advise(&store).await;
            }
            found
        }
        Err(error) => Err(error),
    };
    let problems = match found {
        Ok(problems) => problems,
        // What keeps it from being opened is what there is to say.
        Err(error) if error.is_damage() || error.is_log_missing() => {
            let what = error.to_string();
            let what = what.lines().next().unwrap_or_default().to_owned();
            if args.json {
                print_json(&json!({ "ok": false, "problems": [what] }))?;
                return Err(Failure::silent(Exit::Storage));
            }
            if error.is_log_missing() {
                return Err(error.into());
            }
            return Err(Failure::storage(format!("{what}\nhint: {}", fix(home, false))));
        }
        Err(error) => return Err(error.into()),
    };
    let whats: Vec<_> = problems.iter().map(|problem| problem.what.as_str()).collect();
    if args.json {
        print_json(&json!({ "ok": problems.is_empty(), "problems": whats }))?;
        return match problems.is_empty() {
            true => Ok(()),
            false => Err(Failure::silent(Exit::Storage)),
        };
    }
    if problems.is_empty() {
        return print(&format!("ok: `{place}` is as it was written\n"));
    }
    for what in whats {
        print(&format!("{}\n", printable(what)))?;
    }
    Err(Failure::storage(format!(
        "the store `{place}` is damaged: {}\nhint: {}",
        counted(&problems),
        fix(home, are_mendable(&problems))
    )))
}

/// What pages and metrics tell of an earlier look ends with one that finds nothing. Where
/// nothing can be written, the next look of `serve` does that.
async fn end_alarm(store: &Store) {
    if let Ok(Some(last)) = store.last_check().await
        && last.problems > 0
    {
        let _ = store.note_check(&[], system::clock()()).await;
    }
}

/// Notes what is right and could be quicker.
async fn advise(store: &Store) {
    if let Ok(Some(advice)) = store.advice().await {
        note(&advice);
    }
}

pub(crate) fn counted(problems: &[Problem]) -> String {
    match problems.len() {
        1 => "1 problem".into(),
        count => format!("{} problems", grouped(count as u64)),
    }
}

/// What to do about a damaged store.
pub(crate) fn fix(home: &Home, is_mendable: bool) -> String {
    mend(&home.store(), is_mendable)
}

/// Fails where the store is in a database.
pub(crate) fn must_be_file(home: &Home, hint: &str) -> Result<(), Failure> {
    match store_config(home)?.is_elsewhere() {
        true => Err(Failure::usage(format!(
            "`store.url` is set: the store is in a database and not in a file\nhint: {hint}"
        ))),
        false => Ok(()),
    }
}

async fn back_up(home: &Home, args: BackUp) -> Result<(), Failure> {
    let attached = if args.with_secrets { secrets(home)? } else { Vec::new() };
    let store = open_store(home).await?;
    let random = system::random();
    let draft = Draft::create(&args.file, Readers::Owner, &*random).map_err(Failure::named)?;
    let problems = store.copy_to(draft.path()).await?;
    if let Some(first) = problems.first() {
        return Err(Failure::storage(format!(
            "no backup was made: the store is damaged: {}\nhint: {}",
            first.what,
            fix(home, are_mendable(&problems))
        )));
    }
    let made_at = rfc3339(system::clock()());
    backup::complete(&draft, env!("CARGO_PKG_VERSION"), made_at, &attached)?;
    draft.settle()?;
    let names: Vec<_> = attached.iter().map(|one| one.name.as_str()).collect();
    if args.json {
        let bytes = std::fs::metadata(&args.file).map(|met| met.len()).unwrap_or_default();
        return print_json(&json!({ "file": args.file, "bytes": bytes, "secrets": names }));
    }
    let shown = args.file.display();
    note(&match names.is_empty() {
        true => format!("the store is in `{shown}`; secrets and config.toml are not"),
        false => format!("the store is in `{shown}`, with {}: keep it secret", names.join(", ")),
    });
    Ok(())
}

/// The files of a vault that is ours.
fn secrets(home: &Home) -> Result<Vec<Attached>, Failure> {
    let config = Config::read(&home.config())?;
    if config.vault.backend != Backend::File {
        return Err(Failure::usage(format!(
            "`vault.backend` is \"{}\": the secrets are not in the data directory\nhint: leave `--with-secrets` out, and back them up where they are",
            config.vault.backend.as_str()
        )));
    }
    let mut attached = Vec::new();
    for (path, secrecy) in [(home.vault(), Secrecy::Secret), (home.vault_key(), Secrecy::Key)] {
        if path.exists() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            attached.push(Attached { name, bytes: files::read(&path, secrecy, MAX_BYTES)? });
        }
    }
    if attached.iter().all(|one| one.name != "vault.json") {
        return Err(Failure::usage("there is no vault yet\nhint: leave `--with-secrets` out"));
    }
    if attached.len() == 1 {
        note("the key or passphrase that opens the vault is not in the backup: keep it too");
    }
    Ok(attached)
}

async fn restore(home: &Home, args: Restore) -> Result<(), Failure> {
    must_be_file(home, "restore it with `pg_restore`, from what `pg_dump` wrote")?;
    let random = system::random();
    let place = home.store();
    let hint = "give it after `restore`; `countersign store backup --help` shows how one is made";
    let file = args.file.map_or_else(|| asked("backup file", hint).map(PathBuf::from), Ok)?;
    let (draft, manifest, attached) = backup::unpack(&file, &place, args.with_secrets, &random)?;
    if let Some(first) = check_image(draft.path())?.first() {
        return Err(Failure::storage(format!(
            "`{}` holds a damaged store: {}\nhint: use another backup; nothing was restored",
            file.display(),
            first.what
        )));
    }
    if args.with_secrets && attached.is_empty() {
        return Err(Failure::usage(format!(
            "`{}` holds no secrets\nhint: leave `--with-secrets` out; nothing was restored",
            file.display()
        )));
    }
    let restored = put_secrets(home, &attached)?;
    // The store comes last: until then this directory is as it was, or has none.
    let (lock, kept) = set_aside(&place)?;
    draft.settle()?;
    drop(lock);
    open_store(home).await?;
    if args.json {
        return print_json(&json!({
            "made_at": manifest.made_at, "version": manifest.version,
            "replaced": kept, "secrets": restored,
        }));
    }
    note(&format!("restored the store as it was at {}", printable(&manifest.made_at)));
    if let Some(kept) = kept {
        note(&format!("the one before is kept in `{}`", kept.display()));
    }
    if !args.with_secrets && manifest.names().next().is_some() {
        note("the backup holds secrets too; `--with-secrets` restores them");
    }
    Ok(())
}

async fn copy(args: CopyStore) -> Result<(), Failure> {
    if has_password(&args.from) || has_password(&args.to) {
        return Err(Failure::usage(
            "a password in an argument is visible to other users of this machine\nhint: leave it out, and set COUNTERSIGN_STORE_PASSWORD",
        ));
    }
    let is_file = |place: &str| !is_address(place);
    if is_file(&args.from) && !Path::new(&args.from).exists() {
        return Err(Failure::usage(format!("there is no store `{}`", args.from)));
    }
    if is_file(&args.to) && Path::new(&args.to).exists() {
        return Err(Failure::usage(format!(
            "`{}` exists\nhint: name a file that does not exist",
            args.to
        )));
    }
    let from = StoreConfig::default().open_place(&args.from).await?;
    let to = StoreConfig::default().open_place(&args.to).await?;
    let copied = from.copy_into(&to).await;
    let (read, written) = (from.place(), to.place());
    from.close().await;
    to.close().await;
    let copied = copied?;
    let whats: Vec<_> = copied.problems.iter().map(|problem| problem.what.as_str()).collect();
    if args.json {
        print_json(&json!({
            "from": read, "to": written, "rows": copied.rows, "findings": copied.findings,
            "problems": whats,
        }))?;
    } else {
        note(&format!(
            "copied {} findings, {} rows in all, from `{read}` to `{written}`",
            grouped(copied.findings),
            grouped(copied.rows)
        ));
    }
    match copied.problems.is_empty() {
        true => Ok(()),
        false if args.json => Err(Failure::silent(Exit::Storage)),
        false => Err(Failure::storage(format!(
            "the copy is as damaged as the original: {}; the first is: {}\nhint: check the original with `countersign store check`",
            counted(&copied.problems),
            copied.problems[0].what
        ))),
    }
}

/// Those that were not there yet. Fails before the first if one of them is another here.
fn put_secrets(home: &Home, attached: &[Attached]) -> Result<Vec<String>, Failure> {
    let mut missing = Vec::new();
    for one in attached {
        let path = match one.name.as_str() {
            "vault.json" => home.vault(),
            "vault.key" => home.vault_key(),
            other => {
                return Err(Failure::storage(format!(
                    "the backup holds `{other}`, unknown to this version"
                )));
            }
        };
        if !path.exists() {
            missing.push((path, one));
        } else if *files::read(&path, Secrecy::Key, MAX_BYTES)? != *one.bytes {
            return Err(Failure::usage(format!(
                "`{}` is another one than that of the backup\nhint: restore with secrets into an empty data directory, or leave `--with-secrets` out; nothing was restored",
                path.display()
            )));
        }
    }
    let random = system::random();
    let mut restored = Vec::new();
    for (path, one) in missing {
        if files::create(&path, &one.bytes, &*random)? == Created::New {
            restored.push(one.name.clone());
        }
    }
    Ok(restored)
}
