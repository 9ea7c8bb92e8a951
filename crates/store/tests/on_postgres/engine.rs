//! Stores of the suite, in databases of a server that the tests start.
//!
//! The server comes of Debian's package, listens on a socket in a temporary folder, and ends with
//! this process, however that ends: the shell that started it waits for the end of a pipe. A
//! database is made of a template for each folder that a test has.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use countersign_store::Store;
use postgres::{Client, NoTls, SimpleQueryMessage};

/// Makes a folder for a server, starts it, says where it is, and stops it when the pipe ends.
/// `initdb` and `postgres` refuse to be run by root.
const SERVER: &str = r#"
set -eu
bin=$1
folder=$(mktemp -d /tmp/countersign-postgres.XXXXXX)
trap 'rm -rf "$folder"' EXIT
as=
if [ "$(id -u)" -eq 0 ]; then
  user=postgres
  id "$user" >/dev/null 2>&1 || user=nobody
  chown "$user" "$folder"
  as="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups"
fi
cd "$folder"
$as "$bin/initdb" -D data -U tests -A trust -E UTF8 --locale=C --no-sync >log 2>&1 || { cat log >&2; exit 1; }
$as "$bin/postgres" -D data -k "$folder" -c listen_addresses= -c fsync=off -c full_page_writes=off \
  -c synchronous_commit=off -c max_connections=300 -c shared_buffers=64MB -c autovacuum_naptime=5s \
  <&- >>log 2>&1 &
server=$!
trap 'kill -INT $server 2>/dev/null; wait $server || true; rm -rf "$folder"' EXIT
for _ in $(seq 200); do
  if $as "$bin/pg_isready" -q -h "$folder"; then break; fi
  kill -0 $server 2>/dev/null || { cat log >&2; exit 1; }
  sleep 0.05
done
echo "$folder"
read -r _ || true
"#;

const INSTALL: &str = "the programs of the PostgreSQL server are missing: \
    `apt-get install postgresql` installs them, or COUNTERSIGN_POSTGRES_BIN names their folder";

/// Stores that filters are compared in.
pub(crate) const FILTERED_STORES: usize = 4;

const TEMPLATE: &str = "template_store";

struct Server {
    folder: PathBuf,
    /// Ends the server when its input ends.
    _shell: Child,
    /// The databases that there are, by folder of a test.
    databases: Mutex<HashMap<PathBuf, String>>,
}

/// Where the programs of the newest server are.
fn programs() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("COUNTERSIGN_POSTGRES_BIN") {
        return Some(named.into());
    }
    let all = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let all = all.filter_map(|one| Some(one.ok()?.path().join("bin")));
    let mut all: Vec<_> = all.filter(|bin| bin.join("initdb").exists()).collect();
    all.sort();
    all.pop()
}

fn server() -> &'static Server {
    static SERVER_OF_ALL: OnceLock<Server> = OnceLock::new();
    SERVER_OF_ALL.get_or_init(|| {
        let bin = programs().expect(INSTALL);
        let mut shell = Command::new("bash")
            .args(["-c", SERVER, "bash"])
            .arg(bin)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash");
        let mut folder = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut folder).unwrap();
        let folder = PathBuf::from(folder.trim_end());
        assert!(folder.is_dir(), "the server did not start: see above");
        let server = Server { folder, _shell: shell, databases: Mutex::default() };
        server.connect("postgres").batch_execute(&format!("create database {TEMPLATE}")).unwrap();
        // The schema once, as the store makes it.
        let url = server.url(TEMPLATE);
        let made = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async { Store::open_url(&url, None).await.unwrap().close().await });
        });
        made.join().unwrap();
        server
    })
}

impl Server {
    fn url(&self, database: &str) -> String {
        format!("postgres://tests@/{database}?host={}", self.folder.display())
    }

    fn connect(&self, database: &str) -> Client {
        Client::connect(&self.url(database), NoTls).unwrap()
    }

    /// The database of a folder.
    fn database(&self, folder: &Path) -> String {
        let mut databases = self.databases.lock().unwrap_or_else(PoisonError::into_inner);
        let count = databases.len();
        databases
            .entry(folder.to_owned())
            .or_insert_with(|| {
                let name = format!("store_{count}");
                let create = format!("create database {name} template {TEMPLATE}");
                self.connect("postgres").batch_execute(&create).unwrap();
                name
            })
            .clone()
    }
}

/// Runs what blocks.
async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(act).await.unwrap()
}

/// The address of the store of a folder, whose database is there.
pub(crate) async fn url(folder: &Path) -> String {
    let folder = folder.to_owned();
    blocking(move || server().url(&server().database(&folder))).await
}

/// The store of a folder; the same each time.
pub(crate) async fn open(folder: &Path) -> Store {
    Store::open_url(&url(folder).await, None).await.unwrap()
}

/// An empty database.
pub(crate) async fn empty(name: &'static str) -> String {
    blocking(move || {
        server().connect("postgres").batch_execute(&format!("create database {name}")).unwrap();
        server().url(name)
    })
    .await
}

/// A connection beside those of the store.
pub(crate) struct Direct(Mutex<Option<Client>>);

pub(crate) fn direct(folder: &Path) -> Direct {
    direct_to(&server().url(&server().database(folder)))
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
