//! Two PostgreSQL servers for tests: what is committed at the first is at the second before it is
//! acknowledged. The first can be killed, and the second promoted.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::postgres::{INSTALL, programs};

/// Makes a folder for both, starts them, says where they are, does what it is told, a line for each
/// command and one when it is done, and stops them when the pipe ends.
const SERVERS: &str = r#"
set -eu
bin=$1
folder=$(mktemp -d -t countersign-postgres.XXXXXX)
one= two=
end() {
  for server in $one $two; do kill -INT "$server" 2>/dev/null && wait "$server" || true; done
  rm -rf "$folder"
}
trap end EXIT
as=
if [ "$(id -u)" -eq 0 ]; then
  user=postgres
  id "$user" >/dev/null 2>&1 || user=nobody
  chown "$user" "$folder"
  as="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups"
fi
cd "$folder"
start() { # one|two
  $as mkdir -p "$1"
  $as "$bin/postgres" -D "$1.data" -k "$folder/$1" -c listen_addresses= -c max_connections=100 \
    -c fsync=off -c full_page_writes=off -c shared_buffers=32MB \
    -c synchronous_commit=remote_apply <&- >>log 2>&1 &
  eval "$1=$!"
  for _ in $(seq 400); do
    if $as "$bin/pg_isready" -q -h "$folder/$1"; then return; fi
    kill -0 "$!" 2>/dev/null || break
    sleep 0.05
  done
  cat log >&2
  exit 1
}
ask() { # one|two statement
  $as "$bin/psql" -XAtq -h "$folder/$1" -U tests -d postgres -c "$2"
}
# The server, and what it has started.
crash() { # one|two
  eval "local server=\$$1"
  kill -STOP "$server"
  kill -KILL $(cat "/proc/$server/task/$server/children" 2>/dev/null) "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  eval "$1="
}
$as "$bin/initdb" -D one.data -U tests -A trust -E UTF8 --locale=C --no-sync >log 2>&1 || { cat log >&2; exit 1; }
start one
$as "$bin/pg_basebackup" -h "$folder/one" -U tests -D two.data -R -X stream -c fast --no-sync >>log 2>&1
start two
ask one "alter system set synchronous_standby_names = '*'"
ask one "select pg_reload_conf()" >>log
for _ in $(seq 400); do
  if [ "$(ask one "select sync_state from pg_stat_replication")" = sync ]; then break; fi
  sleep 0.05
done
echo "$folder"
while read -r command; do
  case $command in
    kill) crash one ;;
    promote) ask two "select pg_promote()" >>log ;;
    restart) crash one; start one ;;
    create*) ask one "create database ${command#create }" ;;
    count*) command=${command#count }; $as "$bin/psql" -XAtq -h "$folder/one" -U tests -d "${command%% *}" -c "${command#* }"; continue ;;
  esac
  echo done
done
"#;

/// Servers that run as long as this.
pub struct Pair {
    folder: PathBuf,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Ends the servers when its input ends.
    _shell: Child,
}

impl Pair {
    /// Starts both, empty.
    ///
    /// # Panics
    /// Where the programs of the server are missing, or one does not start.
    pub fn start() -> Self {
        let mut shell = Command::new("bash")
            .args(["-c", SERVERS, "bash"])
            .arg(programs().expect(INSTALL))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash");
        let commands = shell.stdin.take().expect("a pipe");
        let mut answers = BufReader::new(shell.stdout.take().expect("a pipe"));
        let mut folder = String::new();
        answers.read_line(&mut folder).expect("a line");
        let folder = PathBuf::from(folder.trim_end());
        assert!(folder.is_dir(), "the servers did not start: see above");
        Self { folder, commands, answers, _shell: shell }
    }

    /// Creates a database; answers its address, at whichever server is the primary.
    pub fn create(&mut self, database: &str) -> String {
        self.tell(&format!("create {database}"));
        let folder = self.folder.display();
        format!("postgres://tests@/{database}?host={folder}/one,{folder}/two")
    }

    /// Kills the primary with all that it has started, between two instructions.
    pub fn kill_primary(&mut self) {
        self.tell("kill");
    }

    /// Makes the standby the primary.
    pub fn promote_standby(&mut self) {
        self.tell("promote");
    }

    /// Kills the primary, and makes the standby the primary.
    pub fn fail_over(&mut self) {
        self.kill_primary();
        self.promote_standby();
    }

    /// Kills the primary in the same way, and starts it again.
    pub fn restart_primary(&mut self) {
        self.tell("restart");
    }

    /// What a statement of one line finds in a database of the first server: one number.
    ///
    /// # Panics
    /// Where it is not one number.
    pub fn count(&mut self, database: &str, statement: &str) -> u64 {
        let told = self.ask(&format!("count {database} {statement}"));
        told.parse().unwrap_or_else(|_| panic!("{statement}: {told}"))
    }

    fn tell(&mut self, command: &str) {
        assert_eq!(self.ask(command), "done", "{command}: see above");
    }

    fn ask(&mut self, command: &str) -> String {
        writeln!(self.commands, "{command}").expect("a shell that reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("a line");
        answer.trim_end().to_owned()
    }
}
