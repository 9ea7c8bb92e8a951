//! Everything runs, in folders that are as open as they may be, and a stranger looks for
//! something to read, to write, to lock or to call.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::stage::{Stage, Staying, mode, stranger};

/// Every file that the program leaves in a home, numbers as `N`. What it makes is for its
/// owner alone; the certificate of the authority is for everybody.
const FILES: &[(&str, u32)] = &[
    ("home/budget.json", 0o600),
    ("home/fences/N.gate", 0o600),
    ("home/fences/N.room", 0o600),
    ("home/fences/N.rotation", 0o600),
    ("home/fences/publications", 0o600),
    ("home/machine", 0o600),
    ("home/people.key", 0o600),
    ("home/people.sqlite", 0o600),
    ("home/people.sqlite-shm", 0o600),
    ("home/people.sqlite-wal", 0o600),
    ("home/store.sqlite", 0o600),
    ("home/store.sqlite-shm", 0o600),
    ("home/store.sqlite-wal", 0o600),
    ("home/store.sync-lock", 0o600),
    ("home/vault.json", 0o600),
    ("home/vault.key", 0o600),
    ("home/vault.lock", 0o600),
    ("platform/ca.key", 0o600),
    ("platform/ca.pem", 0o644),
    ("platform/control.json", 0o600),
    ("platform/master.key", 0o600),
    ("platform/platform.sqlite", 0o600),
    ("platform/platform.sqlite-shm", 0o600),
    ("platform/platform.sqlite-wal", 0o600),
    ("platform/snapshots/before.sqlite", 0o600),
    ("fork/ca.key", 0o600),
    ("fork/ca.pem", 0o644),
    ("fork/master.key", 0o600),
    ("fork/platform.sqlite", 0o600),
    ("run/socket", 0o600),
];

/// What people name themselves.
const NAMED: &[(&str, u32)] = &[
    ("shared/ci.token", 0o600),
    ("shared/dashboard.json", 0o600),
    ("shared/exported.env", 0o600),
    ("shared/feed.ics", 0o644),
    ("shared/feed.prom", 0o644),
    ("shared/findings.csv", 0o644),
    ("shared/proxy.json", 0o600),
    ("shared/ready.json", 0o600),
];

/// Says what it could do to each file.
const TRY_FILES: &str = r#"
for path in "$@"; do
  head -c 1 "$path" >/dev/null 2>&1 && echo "reads $path"
  sh -c ': >> "$1"' sh "$path" 2>/dev/null && echo "writes $path"
  flock -n -s "$path" true 2>/dev/null && echo "locks $path"
  rm "$path" 2>/dev/null && echo "removes $path"
done
"#;

const TRY_FOLDERS: &str = r#"
for path in "$@"; do
  ls "$path" >/dev/null 2>&1 && echo "lists $path"
  touch "$path/planted" 2>/dev/null && echo "plants in $path"
done
"#;

const TRY_PROCESSES: &str = r#"
for path in "$@"; do
  for name in environ maps smaps mem auxv io stack syscall pagemap; do
    head -c 1 "$path/$name" >/dev/null 2>&1 && echo "reads $path/$name"
  done
  for name in fd fdinfo map_files; do
    ls "$path/$name" >/dev/null 2>&1 && echo "lists $path/$name"
  done
  for name in exe cwd root; do
    readlink "$path/$name" >/dev/null 2>&1 && echo "follows $path/$name"
  done
done
"#;

struct Running {
    stage: Stage,
    platform: Staying,
    dashboard: Staying,
    broker: Staying,
    token: String,
}

impl Running {
    fn start() -> Option<Self> {
        let stage = Stage::set()?;
        // As open as they are accepted: what is in them must guard itself.
        let (home, platform_home) = (stage.folder("home", 0o755), stage.folder("platform", 0o755));
        let shared = stage.folder("shared", 0o1777);
        let at = |name: &str| shared.join(name).display().to_string();
        let serve = ["platform", "serve", "--listen", "127.0.0.1:0", "--rate-limit", "off"];
        let serve = [&serve[..], &["--seed", "apps=2,findings=20"]].concat();
        let platform = stage.start(&platform_home, &serve, &shared.join("ready.json"));

        let (url, ca_file) = (platform.text("rest_url"), platform.text("ca_file"));
        for (noun, name, role) in
            [("integration", "reader", "resultsapi"), ("credentials", "admin", "adminapi")]
        {
            let mint = ["platform", "mint", "--json", "--user", name, "--role", role];
            let roles: &[&str] =
                if noun == "integration" { &["--role", "noteamrestrictionapi"] } else { &[] };
            let minted = stage.well(&platform_home, &[&mint[..], roles].concat());
            let minted: Value = serde_json::from_str(&minted).unwrap();
            let text = |member: &str| minted[member].as_str().unwrap().to_owned();
            let (id, secret) = (text("api_id"), text("api_secret"));
            let add = [noun, "add", name, "--client-id", &id, "--url", &url];
            stage.keep(&home, &[&add[..], &["--ca-file", &ca_file]].concat(), &secret);
        }
        stage.well(&home, &["sync"]);
        stage.well(&home, &["credentials", "rotate", "reader", "--by", "admin"]);
        stage.well(&home, &["people", "list"]);
        stage.well(&home, &["proxy", "token", "ci", "--output", &at("ci.token")]);
        let export = ["credentials", "export", "reader", "--format", "env", "--output"];
        stage.well(&home, &[&export[..], &[&at("exported.env")]].concat());
        stage.well(&home, &["export", "--format", "csv", "--output", &at("findings.csv")]);
        stage.well(&home, &["credentials", "calendar", "--output", &at("feed.ics")]);
        stage.well(&home, &["credentials", "metrics", "--output", &at("feed.prom")]);
        stage.well(&platform_home, &["platform", "snapshot", "before"]);
        let fork = stage.path("fork").display().to_string();
        stage.well(&platform_home, &["platform", "fork", &fork]);

        let serve = ["serve", "--listen", "127.0.0.1:0"];
        let dashboard = stage.start(&home, &serve, &shared.join("dashboard.json"));
        let socket = stage.path("run/socket").display().to_string();
        let proxy = ["proxy", "reader", "--socket", &socket];
        let broker = stage.start(&home, &proxy, &shared.join("proxy.json"));
        let token = fs::read_to_string(shared.join("ci.token")).unwrap().trim().to_owned();
        Some(Self { stage, platform, dashboard, broker, token })
    }

    fn processes(&self) -> Vec<PathBuf> {
        let all = [&self.platform, &self.dashboard, &self.broker];
        all.into_iter().map(|one| format!("/proc/{}", one.child.id()).into()).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.stage.path(name)
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    crate::hygiene::needles::files_below(folder)
}

fn folders_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.push(entry.path());
            folders_below(&entry.path(), found);
        }
    }
}

/// `…/home/fences/12.gate` as `home/fences/N.gate`.
fn entry(path: &Path, root: &Path) -> String {
    let path = path.strip_prefix(root).unwrap().display().to_string();
    let parts = path.split_inclusive(['/', '.']).map(|part| {
        let end = part.len() - usize::from(part.ends_with(['/', '.']));
        let is_number = end > 0 && part[..end].bytes().all(|byte| byte.is_ascii_digit());
        if is_number { format!("N{}", &part[end..]) } else { part.to_owned() }
    });
    parts.collect()
}

#[test]
fn nothing_is_to_be_had() {
    let Some(running) = Running::start() else { return };
    let root = running.path("");
    every_file_is_known(&running, &root);
    no_file_is_open(&running, &root);
    no_process_shows_anything(&running);
    nobody_answers_without_a_token(&running);
}

/// What is not in the table fails, and what is in there is there, with its mode.
fn every_file_is_known(running: &Running, root: &Path) {
    let mut known: BTreeSet<&str> = FILES.iter().chain(NAMED).map(|(name, _)| *name).collect();
    for folder in ["home", "platform", "fork", "run", "shared"] {
        let mut found = files_below(&running.path(folder));
        found.push(running.path("run/socket"));
        for path in found {
            let name = entry(&path, root);
            let row = FILES.iter().chain(NAMED).find(|(known, _)| *known == name);
            let (row, expected) = row.unwrap_or_else(|| panic!("`{name}` is not in the table"));
            assert_eq!(mode(&path), *expected, "{name}");
            known.remove(row);
        }
    }
    assert!(known.is_empty(), "in the table, and not there: {known:?}");
    let mut folders = Vec::new();
    folders_below(root, &mut folders);
    for path in folders {
        let name = entry(&path, root);
        let expected = match name.as_str() {
            "home" | "platform" => 0o755,
            "shared" | "tmp" => 0o1777,
            _ => 0o700,
        };
        assert_eq!(mode(&path), expected, "{name}");
    }
}

fn no_file_is_open(running: &Running, root: &Path) {
    let mut paths = Vec::new();
    for folder in ["home", "platform", "fork", "run", "shared", "tmp"] {
        paths.extend(files_below(&running.path(folder)));
    }
    assert!(paths.len() >= FILES.len() + NAMED.len() - 1, "{paths:?}");
    let paths: Vec<_> = paths.iter().map(PathBuf::as_path).collect();
    let told = stranger(TRY_FILES, &paths);
    let public: Vec<_> = FILES
        .iter()
        .chain(NAMED)
        .filter(|(_, mode)| *mode == 0o644)
        .map(|(name, _)| *name)
        .collect();
    for line in told.lines() {
        let (what, path) = line.split_once(' ').unwrap();
        let name = entry(Path::new(path), root);
        let is_fine = ["reads", "locks"].contains(&what) && public.contains(&name.as_str());
        assert!(is_fine, "a stranger {what} {name}");
    }
    // The stranger can do something at all. A fork is a home of its own, and closed.
    let reads = told.lines().filter(|line| line.starts_with("reads")).count();
    assert_eq!(reads, public.len() - 1, "{told}");

    let mut folders = Vec::new();
    folders_below(root, &mut folders);
    let paths: Vec<_> = folders.iter().map(PathBuf::as_path).collect();
    let told = stranger(TRY_FOLDERS, &paths);
    let told: BTreeSet<_> =
        told.lines().map(|line| line.replace(root.to_str().unwrap(), "")).collect();
    let expected = [
        "lists home",
        "lists platform",
        "lists shared",
        "lists tmp",
        "plants in shared",
        "plants in tmp",
    ];
    assert_eq!(told, expected.map(String::from).into());
}

fn no_process_shows_anything(running: &Running) {
    let processes = running.processes();
    let paths: Vec<_> = processes.iter().map(PathBuf::as_path).collect();
    assert_eq!(stranger(TRY_PROCESSES, &paths), "");
    // What everybody sees of a process.
    let shown = stranger("for path; do cat \"$path/cmdline\" \"$path/status\"; done", &paths);
    assert!(shown.contains("proxy") && shown.contains("serve"), "{shown}");
    let last = |link: String| link.rsplit('/').next().unwrap().to_owned();
    for secret in [
        running.token.clone(),
        running.platform.text("control_token"),
        last(running.platform.text("mailbox_url")),
        running.platform.ready["admin"]["password"].as_str().unwrap().to_owned(),
        last(running.dashboard.text("setup_url")),
    ] {
        assert!(secret.len() > 8 && !shown.contains(&secret));
    }
    // It would have seen one of its own.
    let own =
        stranger("sleep 60 & head -c 1 /proc/$!/environ >/dev/null && echo sees; kill $!", &[]);
    assert_eq!(own, "sees\n");
}

fn nobody_answers_without_a_token(running: &Running) {
    let status = |url: &str| {
        let script = "curl -sk -m 30 -o /dev/null -w '%{http_code}' \"$1\"";
        stranger(script, &[Path::new(url)])
    };
    let console = running.platform.text("console_url");
    for (path, expected) in [
        ("/sign-in", "200"),
        ("/mailbox", "403"),
        ("/mailbox/1", "403"),
        ("/mailbox/1/html", "403"),
        ("/mailbox/open/x", "404"),
        ("/admin/users", "303"),
    ] {
        assert_eq!(status(&format!("{console}{path}")), expected, "{path}");
    }
    let control = running.platform.text("control_url");
    for path in ["/clock", "/outbox", "/credentials?user=reader", "/requests"] {
        assert_eq!(status(&format!("{control}{path}")), "401", "{path}");
    }
    let dashboard = running.dashboard.text("dashboard_url");
    for (path, expected) in [("/", "303"), ("/findings", "303"), ("/welcome/x", "410")] {
        assert_eq!(status(&format!("{dashboard}{path}")), expected, "{path}");
    }
    let calls = r#"curl -s -m 30 --unix-socket "$1" http://localhost/ >/dev/null; echo $?"#;
    let socket = running.path("run/socket");
    assert_eq!(stranger(calls, &[&socket]), "7\n", "no way to connect");
    assert_eq!(running.broker.text("socket"), socket.display().to_string());

    // The owner gets in by the link.
    let jar = running.path("tmp/jar").display().to_string();
    let link = running.platform.text("mailbox_url");
    let mut curl = std::process::Command::new("curl");
    curl.args(["-skL", "-m", "30", "-c", &jar, "-b", &jar, "-o", "/dev/null", "-w"]);
    let output = curl.arg("%{http_code} %{url_effective}").arg(&link).output().unwrap();
    assert_eq!(crate::program::stdout(&output), format!("200 {console}/mailbox"));
}
