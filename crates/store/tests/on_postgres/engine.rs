//! Stores of the suite, in databases of a server that the tests start: one for each folder that a
//! test has, made of a template.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use countersign_store::Store;
use countersign_testkit::postgres::server;
use postgres::{Client, NoTls, SimpleQueryMessage};

/// Stores that filters are compared in.
pub(crate) const FILTERED_STORES: usize = 4;

const TEMPLATE: &str = "template_store";

/// The address of the database of a folder.
fn database(folder: &Path) -> String {
    static DATABASES: OnceLock<Mutex<HashMap<PathBuf, String>>> = OnceLock::new();
    let databases = DATABASES.get_or_init(|| {
        let url = server().create(TEMPLATE, &[]);
        // The schema once, as the store makes it.
        let made = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async { Store::open_url(&url, None).await.unwrap().close().await });
        });
        made.join().unwrap();
        Mutex::default()
    });
    let mut databases = databases.lock().unwrap_or_else(PoisonError::into_inner);
    let count = databases.len();
    let made = databases
        .entry(folder.to_owned())
        .or_insert_with(|| server().create(&format!("store_{count}"), &["-T", TEMPLATE]));
    made.clone()
}

/// Runs what blocks.
async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(act).await.unwrap()
}

/// The address of the store of a folder, whose database is there.
pub(crate) async fn url(folder: &Path) -> String {
    let folder = folder.to_owned();
    blocking(move || database(&folder)).await
}

/// The store of a folder; the same each time.
pub(crate) async fn open(folder: &Path) -> Store {
    Store::open_url(&url(folder).await, None).await.unwrap()
}

/// An empty database, with what else `createdb` is told.
pub(crate) async fn empty(name: &'static str, options: &'static [&'static str]) -> String {
    blocking(move || server().create(name, options)).await
}

/// A connection beside those of the store.
pub(crate) struct Direct(Mutex<Option<Client>>);

pub(crate) fn direct(folder: &Path) -> Direct {
    direct_to(&apart(|| database(folder)))
}

pub(crate) fn direct_to(url: &str) -> Direct {
    let client = apart(|| Client::connect(url, NoTls).unwrap());
    Direct(Mutex::new(Some(client)))
}

/// On a thread of its own, which may block.
fn apart<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(act).join().unwrap())
}

impl Direct {
    fn with<T: Send>(&self, act: impl FnOnce(&mut Client) -> T + Send) -> T {
        let mut client = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let client = client.as_mut().unwrap();
        apart(move || act(client))
    }

    /// How many rows it wrote, or what was wrong.
    pub(crate) fn execute(&self, sql: &str) -> Result<usize, String> {
        self.with(|client| match client.execute(sql, &[]) {
            Ok(rows) => Ok(usize::try_from(rows).unwrap()),
            Err(error) => Err(error.as_db_error().unwrap().message().to_owned()),
        })
    }

    /// Statements, without an answer.
    pub(crate) fn batch(&self, sql: &str) {
        self.with(|client| client.batch_execute(sql).unwrap());
    }

    /// A line for each row.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        self.with(|client| {
            let messages = client.simple_query(sql).unwrap();
            let rows = messages.into_iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            let line = |row: postgres::SimpleQueryRow| {
                let cells: Vec<_> = (0..row.len()).map(|at| row.get(at).unwrap_or("-")).collect();
                cells.join("|")
            };
            rows.map(line).collect()
        })
    }

    /// Findings that words lead to.
    pub(crate) fn words(&self) -> usize {
        self.rows("select finding from words").len()
    }

    pub(crate) fn unguard_references(&self) {
        self.execute("set session_replication_role = replica").unwrap();
    }

    pub(crate) fn unguard_audit(&self) {
        self.execute("drop trigger audit_keeps_what_it_has on audit").unwrap();
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        let client = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        apart(|| drop(client));
    }
}
