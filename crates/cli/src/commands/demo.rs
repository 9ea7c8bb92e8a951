//! The data directory of a demo: which one it is, that nothing else is in it, and its end.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;

use countersign_files as files;
use countersign_store::{self as store, Store};

use super::context::{Context, open_store};
use crate::advice::CommandLine;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::note;

/// What `quickstart` calls its integration.
pub(crate) const NAME: &str = "demo";

/// Held while a demo is up: by `quickstart` itself, in a data directory that it made.
pub(crate) struct Held {
    _mark: Option<File>,
}

/// Opens the data directory of the demo. One with other integrations is not made into a
/// demo: each later sync would fail on a platform that no longer runs.
pub(crate) async fn enter(given: Option<&Path>) -> Result<(Context, Held), Failure> {
    let named = Home::of_demo(given)?;
    let is_new = is_empty(named.path());
    let home = Home::find(Some(named.path()))?;
    let mark = home.demo_mark();
    let is_ours = is_new || mark.exists();
    let held = match is_ours {
        true => Some(hold(&home)?),
        false => None,
    };
    let context = Context::open(Some(home.path())).await?;
    if !is_ours {
        let elsewhere = Home::of_demo(None)?;
        let hint = CommandLine::at(elsewhere.path(), &["quickstart"]);
        refuse_others(&home, context.store(), "is not made into a demo", |_| hint).await?;
    }
    Ok((context, Held { _mark: held }))
}

/// Removes the data directory of the demo. The mark goes last: what an error stops can be
/// tried again.
pub(crate) async fn remove(given: Option<&Path>) -> Result<(), Failure> {
    let named = Home::of_demo(given)?;
    if std::fs::symlink_metadata(named.path()).is_err_and(|e| e.kind() == ErrorKind::NotFound) {
        note(&format!("there is no demo in `{}`: nothing to remove", named.path().display()));
        return Ok(());
    }
    let home = Home::find(Some(named.path()))?;
    let mark = home.demo_mark();
    if !mark.exists() {
        let list = CommandLine::at(home.path(), &["integration", "list"]);
        return Err(Failure::usage(format!(
            "`{}` was not made by `quickstart`: it is not removed\nhint: {list} shows what is in it",
            home.path().display()
        )));
    }
    let held = hold(&home)?;
    // One that is too damaged to be read is removed all the same.
    if let Ok(store) = open_store(&home).await {
        let remove = |name: &str| CommandLine::at(home.path(), &["integration", "remove", name]);
        let refused = refuse_others(&home, &store, "is not removed", remove).await;
        store.close().await;
        refused?;
    }
    super::store::must_be_file(&home, "take `store.url` out of its config.toml")?;
    let (alone, _) = store::set_aside(&home.store())?;
    let failed = |error| Failure::of_file("remove", home.path(), &error);
    empty(home.path(), &mark).map_err(failed)?;
    drop((alone, held));
    std::fs::remove_file(&mark).map_err(failed)?;
    std::fs::remove_dir(home.path()).map_err(failed)?;
    note(&format!("removed the demo in `{}`", home.path().display()));
    Ok(())
}

fn is_empty(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// Fails while another process has it.
fn hold(home: &Home) -> Result<File, Failure> {
    let mark = files::lock_file(&home.demo_mark())?;
    match mark.try_lock() {
        Ok(()) => Ok(mark),
        Err(TryLockError::WouldBlock) => Err(Failure::in_use(format!(
            "another `quickstart` runs in `{}`\nhint: stop it by Ctrl-C, then run the command again",
            home.path().display()
        ))),
        Err(TryLockError::Error(error)) => Err(Failure::of_file("lock", &home.demo_mark(), &error)),
    }
}

/// Fails when it holds integrations beside the demo's.
async fn refuse_others(
    home: &Home,
    store: &Store,
    what: &str,
    hint: impl FnOnce(&str) -> CommandLine,
) -> Result<(), Failure> {
    let all = store.owned_integrations(None).await?;
    let others: Vec<_> =
        all.iter().filter(|one| one.name != NAME).map(|one| one.name.as_str()).collect();
    let Some(first) = others.first() else { return Ok(()) };
    Err(Failure::usage(format!(
        "`{}` {what}: it holds other integrations ({})\nhint: {}",
        home.path().display(),
        others.join(", "),
        hint(first),
    )))
}

/// All that is in a folder but `kept`.
fn empty(folder: &Path, kept: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        match (path == kept, kind.is_dir()) {
            (true, _) => {}
            // A link is not followed.
            (_, true) => std::fs::remove_dir_all(&path)?,
            _ => std::fs::remove_file(&path)?,
        }
    }
    Ok(())
}
