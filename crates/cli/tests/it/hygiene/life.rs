//! Processes of ours, and everything that can be seen of them from outside: what they
//! print, write, send, and how they show in the list of processes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::needles::{Needles, files_below};
use crate::program::{countersign, pause};

/// In the command line of whoever is given a secret in its environment.
pub(crate) const TAKES_SECRET: &str = "takes-a-secret";

/// Everything that was seen of processes, by command line.
type Seen = Arc<Mutex<BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>>>;

pub(crate) struct Life {
    pub(crate) folder: tempfile::TempDir,
    /// Where, and what.
    places: Vec<(String, Vec<u8>)>,
    roots: Arc<Mutex<Vec<u32>>>,
    seen: Seen,
    is_over: Arc<AtomicBool>,
    watcher: Option<std::thread::JoinHandle<()>>,
}

impl Life {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["tmp", "logs", "out"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let out = folder.path().join("out");
        std::fs::set_permissions(&out, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .unwrap();
        let (roots, seen) = (Arc::<Mutex<Vec<u32>>>::default(), Seen::default());
        let is_over = Arc::new(AtomicBool::new(false));
        let (its_roots, its_seen, its_end) = (roots.clone(), seen.clone(), is_over.clone());
        let was_seen = out.join("was-seen");
        let watcher = std::thread::spawn(move || {
            while !its_end.load(Ordering::SeqCst) {
                let roots = its_roots.lock().unwrap().clone();
                if look(&roots, &its_seen) {
                    std::fs::write(&was_seen, "").unwrap();
                }
                pause(Duration::from_millis(1));
            }
        });
        Self { folder, places: Vec::new(), roots, seen, is_over, watcher: Some(watcher) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// As talkative as can be, and with a folder of ours for temporary files.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command.args(["--log", "trace"]).env("TMPDIR", self.path("tmp"));
    }

    /// From now on it is looked at, and so is whatever it starts.
    pub(crate) fn look_at(&self, process: u32) {
        self.roots.lock().unwrap().push(process);
    }

    /// Runs it to its end; what it printed is a place.
    pub(crate) fn run(&mut self, home: &str, args: &[&str]) -> Output {
        self.run_with(home, args, "", &[], true)
    }

    /// As [`Self::run`]; it has to end well.
    pub(crate) fn well(&mut self, home: &str, args: &[&str]) -> String {
        let output = self.run(home, args);
        assert!(output.status.success(), "{args:?}: {}", last_words(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it prints is a secret, as it has to be: standard output is no place.
    pub(crate) fn tells(&mut self, home: &str, args: &[&str]) -> String {
        let output = self.run_with(home, args, "", &[], false);
        assert!(output.status.success(), "{args:?}: {}", last_words(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn run_with(
        &mut self,
        home: &str,
        args: &[&str],
        input: &str,
        environment: &[(&str, &str)],
        is_output_a_place: bool,
    ) -> Output {
        let mut command = countersign(&self.path(home));
        self.prepare(&mut command);
        command.args(args).envs(environment.iter().copied());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.look_at(child.id());
        // One that was refused at once reads nothing.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let what = format!("{home} {args:?}");
        if is_output_a_place {
            self.add(format!("stdout of {what}"), output.stdout.clone());
        }
        self.add(format!("stderr of {what}"), output.stderr.clone());
        output
    }

    /// One that stays; its log is a file, and so a place.
    pub(crate) fn start(&self, home: &str, args: &[&str]) -> Stays {
        let mut command = countersign(&self.path(home));
        self.prepare(&mut command);
        let log = std::fs::File::create(self.path("logs").join(args[0])).unwrap();
        command.args(args).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap();
        self.look_at(child.id());
        Stays(child)
    }

    pub(crate) fn add(&mut self, place: String, bytes: Vec<u8>) {
        self.places.push((place, bytes));
    }

    /// All files below a folder as they are now.
    pub(crate) fn add_files(&mut self, when: &str, folder: &Path) {
        for path in files_below(folder) {
            // What was there a moment ago may be gone, as temporary files are.
            if let Ok(bytes) = std::fs::read(&path) {
                self.add(format!("{} {when}", path.display()), bytes);
            }
        }
    }

    /// Every place of every kind, once nothing runs any more.
    pub(crate) fn end(mut self) -> Vec<(String, Vec<u8>)> {
        self.is_over.store(true, Ordering::SeqCst);
        self.watcher.take().unwrap().join().unwrap();
        let folder = self.folder.path().to_owned();
        self.add_files("at the end", &folder);
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        for (line, environments) in seen {
            let shown = String::from_utf8_lossy(&line).replace('\0', " ");
            for environment in environments {
                self.add(format!("environment of {shown}"), environment);
            }
            self.add(format!("command line of {shown}"), line);
        }
        std::mem::take(&mut self.places)
    }
}

/// Every secret that is in a place where it is not excused.
pub(crate) fn leaks(
    places: &[(String, Vec<u8>)],
    needles: &Needles,
    is_excused: impl Fn(&str, &str) -> bool,
) -> Vec<String> {
    let mut leaks = Vec::new();
    for (place, bytes) in places {
        let found = needles.found_in(bytes);
        let leaked = found.into_iter().filter(|name| !is_excused(place, name));
        leaks.extend(leaked.map(|name| format!("{name}: in {place}")));
    }
    leaks
}

/// Killed when the test is done with it.
pub(crate) struct Stays(pub(crate) Child);

impl Drop for Stays {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn last_words(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = told.lines().filter(|line| !line.contains(" TRACE ")).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// Notes how these processes and all below them show; whether one of them is given a
/// secret.
fn look(roots: &[u32], seen: &Seen) -> bool {
    let mut is_given = false;
    let mut processes = roots.to_vec();
    while let Some(process) = processes.pop() {
        let folder = PathBuf::from(format!("/proc/{process}"));
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap_or_default();
        let (line, environment) = (read("cmdline"), read("environ"));
        // In between it may have become another program.
        if line.is_empty() || line != read("cmdline") {
            continue;
        }
        let is_taker = line.windows(TAKES_SECRET.len()).any(|part| part == TAKES_SECRET.as_bytes());
        is_given |= is_taker && line.starts_with(b"/bin/sh\0");
        seen.lock().unwrap().entry(line).or_default().insert(environment);
        for thread in std::fs::read_dir(folder.join("task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(thread.path().join("children"));
            processes.extend(
                children.unwrap_or_default().split(' ').filter_map(|id| id.parse::<u32>().ok()),
            );
        }
    }
    is_given
}

/// Takes requests on a thread of its own, as they come, and acknowledges versions.
pub(crate) struct Receiver {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Vec<_>>>::default();
        let taken = received.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (head, body) = read_request(&mut BufReader::new(&stream));
                let object: Value = serde_json::from_slice(&body).unwrap_or_default();
                let answer = serde_json::json!({ "version": object["version"] }).to_string();
                taken.lock().unwrap().push([head, body].concat());
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    answer.len()
                );
                stream.write_all(&[head.as_bytes(), answer.as_bytes()].concat()).unwrap();
            }
        });
        Self { url, received }
    }

    /// Heads and bodies, byte for byte.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

fn read_request(reader: &mut impl BufRead) -> (Vec<u8>, Vec<u8>) {
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).unwrap();
        let text = String::from_utf8_lossy(&line).to_ascii_lowercase();
        if let Some(number) = text.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        head.extend_from_slice(&line);
        if text.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, body)
}

/// In each kind of place a secret is seen that somebody put there.
#[test]
fn what_was_put_there_is_seen() {
    const PLANTED: &str = "planted-by-the-test-itself";
    let mut needles = Needles::default();
    needles.add_text("planted", PLANTED);
    let mut life = Life::new();
    let receiver = Receiver::start();

    std::fs::write(life.path("tmp").join("file"), format!("a{PLANTED}b")).unwrap();
    let store = rusqlite::Connection::open(life.path("store.sqlite")).unwrap();
    let schema = "pragma journal_mode = wal; pragma wal_autocheckpoint = 0; create table t (a)";
    store.execute_batch(schema).unwrap();
    store.execute("insert into t values (?)", [PLANTED]).unwrap();
    assert!(life.path("store.sqlite-wal").exists());
    let shown = life.run("home", &["integration", "show", PLANTED]);
    assert_eq!(shown.status.code(), Some(2), "it is repeated on standard error");
    life.well("home", &["proxy", "token", "ci", "--allow", &format!("GET /{PLANTED}")]);
    life.well("home", &["proxy", "callers"]);

    let agent = format!("user-agent: {PLANTED}");
    for args in [["-H", &agent], ["-d", PLANTED]] {
        let curl = Command::new("curl").args(["-sS", &receiver.url]).args(args).output().unwrap();
        assert!(curl.status.success());
    }
    let requests = receiver.take();
    assert_eq!(requests.len(), 2);
    for (at, request) in requests.into_iter().enumerate() {
        life.add(format!("request {at}"), request);
    }
    let waiting = |command: &mut Command| command.stdin(Stdio::piped()).spawn().unwrap();
    let mut told = waiting(Command::new("sh").args(["-c", "read line; exit", PLANTED]));
    let mut given = waiting(
        Command::new("sh").args(["-c", "sh -c 'read line; exit' x; exit"]).env("X", PLANTED),
    );
    life.look_at(told.id());
    life.look_at(given.id());
    crate::program::wait_until("the processes", || {
        let seen = life.seen.lock().unwrap();
        let holds = |bytes: &[u8]| !needles.found_in(bytes).is_empty();
        let is_told = seen.keys().any(|line| holds(line));
        let below = seen.iter().filter(|(line, _)| line.starts_with(b"sh\0-c\0read line"));
        is_told && below.flat_map(|(_, all)| all).any(|environment| holds(environment))
    });
    for child in [&mut told, &mut given] {
        drop(child.stdin.take());
        child.wait().unwrap();
    }
    let leaks = leaks(&life.end(), &needles, |_, _| false);
    for place in [
        "tmp/file",
        "store.sqlite-wal",
        "stderr of home",
        "stdout of home [\"proxy\", \"callers\"]",
        "home/store.sqlite",
        "request 0",
        "request 1",
        "command line of sh -c read line; exit",
        "environment of sh -c read line; exit x",
    ] {
        assert!(leaks.iter().any(|leak| leak.contains(place)), "{place}: {leaks:#?}");
    }
}
