//! A PostgreSQL server for tests.
//!
//! It comes of Debian's package, listens on a socket in a temporary folder, and ends with this
//! process, however that ends: the shell that started it waits for the end of a pipe.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Makes a folder for a server, starts it, says where it is, and stops it when the pipe ends.
/// `initdb` and `postgres` refuse to be run by root.
const SERVER: &str = r#"
set -eu
bin=$1
shift
folder=$(mktemp -d -t countersign-postgres.XXXXXX)
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
$as "$bin/postgres" -D data -k "$folder" -c listen_addresses= -c max_connections=300 "$@" \
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

/// For tests: a server that forgets all of it when the machine ends.
const SETTINGS: &[&str] = &[
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "shared_buffers=64MB",
    "autovacuum_naptime=5s",
];

pub(crate) const INSTALL: &str = "the programs of the PostgreSQL server are missing: \
    `apt-get install postgresql` installs them, or COUNTERSIGN_POSTGRES_BIN names their folder";

/// A server that runs as long as this process.
pub struct Server {
    bin: PathBuf,
    folder: PathBuf,
    /// Ends the server when its input ends.
    _shell: Child,
}

/// The one server of this process, started when it is first asked for.
///
/// # Panics
/// Where the programs of the server are missing, or it does not start.
pub fn server() -> &'static Server {
    static SERVER_OF_ALL: OnceLock<Server> = OnceLock::new();
    SERVER_OF_ALL.get_or_init(|| Server::start(SETTINGS))
}

/// Where the programs of the newest server are.
pub(crate) fn programs() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("COUNTERSIGN_POSTGRES_BIN") {
        return Some(named.into());
    }
    let all = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let all = all.filter_map(|one| Some(one.ok()?.path().join("bin")));
    let mut all: Vec<_> = all.filter(|bin| bin.join("initdb").exists()).collect();
    all.sort();
    all.pop()
}

impl Server {
    /// Starts one with these settings, each `name=value`.
    ///
    /// # Panics
    /// Where the programs of the server are missing, or it does not start.
    pub fn start(settings: &[&str]) -> Self {
        let bin = programs().expect(INSTALL);
        let mut shell = Command::new("bash")
            .args(["-c", SERVER, "bash"])
            .arg(&bin)
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash");
        let mut folder = String::new();
        let told = shell.stdout.take().expect("a pipe");
        BufReader::new(told).read_line(&mut folder).expect("a line");
        let folder = PathBuf::from(folder.trim_end());
        assert!(folder.is_dir(), "the server did not start: see above");
        Self { bin, folder, _shell: shell }
    }

    /// The address of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://tests@/{database}?host={}", self.folder.display())
    }

    /// Creates a database, with what else `createdb` is told; answers its address. Blocks.
    ///
    /// # Panics
    /// Where it cannot be created.
    pub fn create(&self, database: &str, options: &[&str]) -> String {
        let created = Command::new(self.bin.join("createdb"))
            .args(["-U", "tests", "-h"])
            .arg(&self.folder)
            .args(options)
            .arg(database)
            .status();
        assert!(created.is_ok_and(|status| status.success()), "`createdb {database}` failed");
        self.url(database)
    }
}
