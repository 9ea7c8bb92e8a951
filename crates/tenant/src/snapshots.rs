//! The whole tenant put aside and brought back: every table, in one transaction,
//! under the feet of a running platform.

use std::path::{Path, PathBuf};

use countersign_files::{self as files, Readers, Secrecy};
use rusqlite::Transaction;

use crate::Error;
use crate::act::{Act, Change};
use crate::clock::{self, Setting};
use crate::database::{self, Database};
use crate::home::furnish;
use crate::seed::{self, SeedSpec};
use crate::tenant::Tenant;

/// Snapshots kept at once.
const MAX_SNAPSHOTS: usize = 100;
/// Of a key or a certificate.
const MAX_KEY_BYTES: u64 = 64 << 10;

#[derive(Clone)]
pub struct Snapshots(PathBuf);

impl Snapshots {
    pub fn of(home: &Path) -> Self {
        Self(home.join("snapshots"))
    }

    pub fn names(&self) -> Result<Vec<String>, Error> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::home(&self.0, error.to_string())),
        };
        let names = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".sqlite").map(String::from)
        });
        let mut names: Vec<_> = names.collect();
        names.sort();
        Ok(names)
    }

    /// Puts the tenant aside under a name, replacing what had it.
    pub fn take(&self, tenant: &Tenant, name: &str) -> Result<(), Error> {
        let path = self.path(name)?;
        if self.names()?.len() >= MAX_SNAPSHOTS && !path.exists() {
            let what = format!("there are {MAX_SNAPSHOTS} snapshots\nhint: delete one");
            return Err(Error::input(what));
        }
        files::folder(&self.0)?;
        let beside = path.with_extension("new");
        remove(&beside)?;
        copy_into(tenant, &beside)?;
        Ok(files::put_in_place(&beside, &path)?)
    }

    /// Brings back what was put aside; the platform's time is part of it.
    pub fn restore(&self, tenant: &Tenant, act: &Act, name: &str) -> Result<(), Error> {
        let path = self.path(name)?;
        if !path.exists() {
            return Err(Error::input(format!("there is no snapshot `{name}`")));
        }
        replace_by(tenant, &files::database(&path)?, act, "tenant.restore", name)
    }

    /// A home of its own with the same tenant, pairs and authority included: it can
    /// be served beside this one, and neither sees what becomes of the other.
    pub fn fork(&self, tenant: &Tenant, to: &Path) -> Result<(), Error> {
        let home = self.0.parent().unwrap_or(&self.0);
        files::new_folder(to).map_err(|error| Error::input(error.to_string()))?;
        for (name, secrecy, readers) in [
            ("master.key", Secrecy::Key, Readers::Owner),
            ("ca.pem", Secrecy::Open, Readers::Everybody),
            ("ca.key", Secrecy::Key, Readers::Owner),
        ] {
            let bytes = files::read(&home.join(name), secrecy, MAX_KEY_BYTES)?;
            files::write(&to.join(name), &bytes, readers, &**tenant.random())?;
        }
        copy_into(tenant, &to.join("platform.sqlite"))
    }

    pub fn delete(&self, name: &str) -> Result<(), Error> {
        remove(&self.path(name)?)
    }

    /// Everything as after the first start, with the same seed on this day.
    pub fn reset(&self, tenant: &Tenant, act: &Act) -> Result<(), Error> {
        let now_ms = tenant.clock().at(Setting::default());
        let spec: String = tenant.database().read(|connection| {
            let sql = "select value from meta where name = 'seed'";
            connection.query_row(sql, [], |row| row.get(0)).map_err(Error::from)
        })?;
        let spec: SeedSpec = spec.parse().map_err(Error::input)?;
        files::folder(&self.0)?;
        let path = self.0.join("reset.tmp");
        remove(&path)?;
        {
            let fresh = Database::open(&path)?;
            furnish(&fresh)?;
            fresh.write(|transaction| seed::fill(transaction, &spec, now_ms))?;
        }
        let replaced = replace_by(tenant, &path, act, "tenant.reset", &spec.to_string());
        for extension in ["tmp", "tmp-wal", "tmp-shm"] {
            remove(&path.with_extension(extension))?;
        }
        replaced
    }

    fn path(&self, name: &str) -> Result<PathBuf, Error> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
            let what = "the name of a snapshot is 1 to 64 letters, digits, `-` or `_`";
            return Err(Error::input(what.into()));
        }
        Ok(self.0.join(format!("{name}.sqlite")))
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::home(path, error.to_string()))
        }
        _ => Ok(()),
    }
}

/// Into a new file for its owner alone.
fn copy_into(tenant: &Tenant, path: &Path) -> Result<(), Error> {
    let target = files::database(path)?.display().to_string();
    tenant.database().read(|connection| connection.execute("vacuum into ?", [&target]))?;
    Ok(())
}

/// The entry about it ends the log that was brought in.
fn replace_by(
    tenant: &Tenant,
    path: &Path,
    act: &Act,
    done: &str,
    target: &str,
) -> Result<(), Error> {
    database::bring_up(path)?;
    let setting = tenant.database().alone(|connection| {
        connection.execute("attach ? as other", [path.display().to_string()])?;
        let replaced = connection.transaction().map_err(Error::from).and_then(|transaction| {
            copy_all(&transaction)?;
            let setting = clock::load(&transaction)?;
            let now_ms = tenant.clock().at(setting);
            let _ = Change::new(tenant, &transaction, act, now_ms).noted(done, target, ())?;
            transaction.commit()?;
            Ok(setting)
        });
        connection.execute("detach other", [])?;
        replaced
    })?;
    tenant.clock().apply(setting);
    Ok(())
}

/// All are emptied before any is filled: deleting cascades.
fn copy_all(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.execute_batch("pragma defer_foreign_keys = on")?;
    let tables: Vec<String> = transaction
        .prepare(
            "select name from main.sqlite_schema where type = 'table'
                and name not like 'sqlite%'",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for table in &tables {
        transaction.execute(&format!("delete from main.{table}"), [])?;
    }
    // With a condition: SQLite copies whole tables without looking at what points to them.
    for table in &tables {
        let sql = format!("insert into main.{table} select * from other.{table} where true");
        transaction.execute(&sql, [])?;
    }
    // Which numbers were given.
    transaction.execute_batch(
        "delete from main.sqlite_sequence;
         insert into main.sqlite_sequence select * from other.sqlite_sequence",
    )?;
    Ok(())
}
