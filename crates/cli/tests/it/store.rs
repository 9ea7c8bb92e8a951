//! The health of a store: at rest, damaged, copied, backed up, restored, and where nothing
//! can be read or written.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::program::{Served, countersign, pause, run, stderr, stdout, wait_until};

/// A home with a small tenant, at rest; made once, and copied by each test.
fn demo() -> &'static Path {
    static DEMO: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = DEMO.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let served = Served::start("apps=6,findings=300,rng=7");
        let (id, secret) = served.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
        assert!(served.add(&home, (&id, &secret)).status.success());
        well(&home, &["sync"]);
        folder
    });
    Box::leak(folder.path().join("home").into_boxed_path())
}

struct Home(tempfile::TempDir);

impl Home {
    /// Store and vault of the demo.
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for name in ["store.sqlite", "vault.json", "vault.key"] {
            fs::copy(demo().join(name), home.0.path().join(name)).unwrap();
        }
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn store(&self) -> PathBuf {
        self.path().join("store.sqlite")
    }

    fn execute(&self, sql: &str) {
        let store = rusqlite::Connection::open(self.store()).unwrap();
        store.execute_batch("pragma foreign_keys = off").unwrap();
        assert!(store.execute(sql, []).unwrap() > 0, "{sql}");
    }

    fn names(&self) -> Vec<String> {
        names(self.path())
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[track_caller]
fn well(home: &Path, args: &[&str]) -> String {
    let output = run(home, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

#[track_caller]
fn refused(output: &Output, code: i32, word: &str) -> String {
    let told = stderr(output) + &stdout(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(word), "`{word}` is not in: {told}");
    told
}

const QUERIES: [&[&str]; 8] = [
    &["applications", "--json"],
    &["findings", "--limit", "3"],
    &["changes", "--limit", "3"],
    &["export", "--format", "csv"],
    &["export", "--format", "ocsf-applications"],
    &["integration", "show", "--json"],
    &["credentials", "list", "--json"],
    &["store", "check"],
];

fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI can do it: {why}");
    // Past what catches the output of tests.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// A file system of its own; unmounted when it is dropped. None where that is not allowed.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size},mode=700");
        match mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], folder.path()) {
            true => Some(Self(folder)),
            false => {
                skip("only root mounts a file system");
                None
            }
        }
    }

    fn freeze(&self) {
        assert!(mount(&["-o", "remount,ro"], self.0.path()));
    }

    fn thaw(&self) {
        assert!(mount(&["-o", "remount,rw"], self.0.path()));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    while file.write_all(&[1; 512]).is_ok() {}
}

fn mount(args: &[&str], at: &Path) -> bool {
    let mut command = Command::new("mount");
    command.args(args).arg(at).stderr(Stdio::null()).stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn copy(from: &Path, to: &Path, names: &[&str]) {
    fs::create_dir_all(to).unwrap();
    #[cfg(unix)]
    fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    for name in names {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[test]
fn a_stopped_home_is_one_file() {
    let beside = |names: Vec<String>| -> Vec<String> {
        names.into_iter().filter(|name| name.starts_with("store.sqlite")).collect()
    };
    assert_eq!(beside(names(demo())), ["store.sqlite"]);
    let home = Home::new();
    for args in [
        &["applications"][..],
        &["schedule", "pause", "demo"],
        &["proxy", "token", "ci"],
        &["export", "--format", "csv"],
        &["doctor"],
        &["store", "check"],
    ] {
        run(home.path(), args);
        assert_eq!(beside(home.names()), ["store.sqlite"], "{args:?}");
    }
    assert!(well(home.path(), &["schedule", "list", "--json"]).contains("\"paused\":true"));
}

#[test]
fn a_log_that_somebody_left_is_folded_in_by_the_next_command() {
    let home = Home::new();
    let mut serve = Serve::start(home.path());
    well(home.path(), &["schedule", "pause", "demo"]);
    serve.kill();
    assert!(home.names().contains(&"store.sqlite-wal".to_owned()));
    assert!(well(home.path(), &["schedule", "list", "--json"]).contains("\"paused\":true"));
    assert!(!home.names().contains(&"store.sqlite-wal".to_owned()), "{:?}", home.names());
}

/// `serve`, which has the store open; killed when it is dropped.
struct Serve(std::process::Child);

impl Serve {
    fn start(home: &Path) -> Self {
        let ready = home.join("ready.json");
        let mut command = countersign(home);
        command.args(["serve", "--listen", "127.0.0.1:0", "--ready-file"]).arg(&ready);
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        wait_until("the dashboard", || ready.exists());
        Self(child)
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn a_copy_without_its_log_is_noticed() {
    let home = Home::new();
    let _serve = Serve::start(home.path());
    // None, and one of which only the beginning was copied.
    let whole = fs::read(home.path().join("store.sqlite-wal")).unwrap();
    for log in [None, Some(&b""[..]), Some(&[7; 5000]), Some(&whole[..32]), Some(&whole[..4000])] {
        let other = tempfile::tempdir().unwrap();
        copy(home.path(), other.path(), &["store.sqlite", "vault.json", "vault.key"]);
        if let Some(log) = log {
            fs::write(other.path().join("store.sqlite-wal"), log).unwrap();
        }
        for args in [&["applications"][..], &["export", "--format", "csv"], &["sync"]] {
            refused(&run(other.path(), args), 7, "copied without its write-ahead log");
        }
        refused(&run(other.path(), &["store", "check", "--json"]), 7, "\"ok\":false");
        refused(&run(other.path(), &["doctor", "--json"]), 7, "store_log_missing");
        well(other.path(), &["store", "check", "--accept-missing-log"]);
        well(other.path(), &["applications"]);
    }
    // With its log it is whole.
    let other = tempfile::tempdir().unwrap();
    copy(home.path(), other.path(), &["store.sqlite", "store.sqlite-wal"]);
    well(other.path(), &["store", "check"]);
    // As any tool for SQLite copies it.
    let other = tempfile::tempdir().unwrap();
    let direct = rusqlite::Connection::open(home.store()).unwrap();
    let copy = other.path().join("store.sqlite");
    direct.execute("vacuum into ?", [copy.to_str().unwrap()]).unwrap();
    well(other.path(), &["store", "check"]);
}

#[test]
fn damage_is_told_by_every_command_that_meets_it() {
    for sql in [
        "update records set raw = zeroblob(40) where finding = 3",
        "update records set raw = (select raw from records where finding = 5) where finding = 3",
        "update findings set changed_ms = 5 where id = 3",
        "update findings set gone = 1 where id = 3",
        "delete from records where finding = 3",
        "update applications set name = 'other' where id = 1",
        "update integrations set name = 'other'",
    ] {
        let home = Home::new();
        home.execute(sql);
        let told = refused(&run(home.path(), &["store", "check"]), 7, "written");
        assert!(told.contains("hint: "), "{sql}: {told}");
        let checked = run(home.path(), &["store", "check", "--json"]);
        let object: Value = serde_json::from_slice(&checked.stdout).unwrap();
        assert_eq!((checked.status.code(), &object["ok"]), (Some(7), &Value::from(false)), "{sql}");
        assert!(object["problems"][0].is_string(), "{sql}: {object}");
        refused(&run(home.path(), &["doctor", "--json"]), 7, "store_damaged");
        for format in ["ndjson", "csv", "sarif", "html"] {
            let file = home.path().join("out");
            let mut command = countersign(home.path());
            command.args(["export", "--format", format, "--output"]).arg(&file);
            refused(&command.output().unwrap(), 7, "damaged");
            assert!(!file.exists(), "{sql}: {format}");
        }
        let file = home.path().join("backup");
        let mut command = countersign(home.path());
        command.args(["store", "backup"]).arg(&file);
        refused(&command.output().unwrap(), 7, "no backup was made");
        assert!(!file.exists(), "{sql}");
    }
    let home = Home::new();
    home.execute("update tallies set findings = findings + 1 where rowid = 1");
    refused(&run(home.path(), &["export", "--format", "ocsf-applications"]), 7, "damaged");
    let home = Home::new();
    let bytes = fs::read(home.store()).unwrap();
    fs::write(home.store(), &bytes[..bytes.len() / 2]).unwrap();
    refused(&run(home.path(), &["store", "check", "--json"]), 7, "\"ok\":false");
    refused(&run(home.path(), &["sync", "--full"]), 7, "damaged");
    refused(&run(home.path(), &["doctor", "--json"]), 7, "restore");
}

/// Writes an index anew as if one row had never been in it.
fn lose(store: &rusqlite::Connection, index: &str, row: &str) {
    let select = "select sql from sqlite_schema where name = ?";
    let sql: String = store.query_row(select, [index], |row| row.get(0)).unwrap();
    let word = if sql.contains(" where ") { "and" } else { "where" };
    let change = |sql: &str| {
        store.execute_batch("pragma writable_schema = on").unwrap();
        let update = "update sqlite_schema set sql = ? where name = ?";
        assert_eq!(store.execute(update, [sql, index]).unwrap(), 1);
        store.execute_batch("pragma writable_schema = reset").unwrap();
    };
    change(&format!("{sql} {word} {row}"));
    store.execute_batch(&format!("reindex {index}")).unwrap();
    change(&sql);
}

#[test]
fn an_index_that_lost_an_entry_hides_no_finding_from_an_export() {
    let home = Home::new();
    let store = rusqlite::Connection::open(home.store()).unwrap();
    // A flaw of one file, in the policy context.
    let (row, id, cwe, file): (i64, String, i64, String) = store
        .query_row(
            "select f.id, lower(hex(finding_id)), cwe, t.text from findings f
             join texts t on t.id = f.file join contexts c on c.id = f.context
             where gone = 0 and cwe is not null and c.name = 'policy' and severity >= 3 limit 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    let title: String = store
        .query_row(
            "select text from texts where id = (select title from findings where id = ?)",
            [row],
            |row| row.get(0),
        )
        .unwrap();
    drop(store);
    let not_this = format!("id <> {row}");
    let no_text = format!("text <> '{file}'");
    type Damage<'a> = Box<dyn Fn(&rusqlite::Connection) + 'a>;
    let index = |name: &'static str, row: &str| -> Damage<'_> {
        let row = row.to_owned();
        Box::new(move |store| lose(store, name, &row))
    };
    let damages: Vec<(String, Damage<'_>)> = vec![
        (format!("cwe[eq]{cwe}"), index("findings_by_cwe", &not_this)),
        (format!("file[eq]{file}"), index("findings_by_file", &not_this)),
        (format!("title[eq]{title}"), index("findings_by_title", &not_this)),
        (format!("id[eq]{id}"), index("findings_by_id", &not_this)),
        ("severity[gte]3".into(), index("findings_by_severity", &not_this)),
        ("context[eq]policy".into(), index("findings_by_application", &not_this)),
        (format!("file[eq]{file}"), index("texts_by_hash", &no_text)),
        (
            format!("file[like]{file}"),
            Box::new(|store| {
                store
                    .execute_batch("insert into trigrams (trigrams) values ('delete-all')")
                    .unwrap();
            }),
        ),
        (
            format!("text[like]{}", title.split(' ').next().unwrap()),
            Box::new(|store| {
                assert_eq!(store.execute("delete from words where rowid = ?", [row]).unwrap(), 1);
            }),
        ),
    ];
    for (filter, damage) in damages {
        let home = Home::new();
        let commands = [
            &["export", "--format", "ndjson", "--filter", &filter][..],
            &["export", "--format", "sarif", "--filter", &filter],
            &["export", "--format", "html", "--filter", &filter],
        ];
        let truth: Vec<_> = commands.iter().map(|args| well(home.path(), args)).collect();
        assert!(truth[0].contains(&id), "{filter}");
        damage(&rusqlite::Connection::open(home.store()).unwrap());
        for (args, truth) in commands.iter().zip(truth) {
            let output = run(home.path(), args);
            match output.status.code() {
                Some(0) => assert_eq!(stdout(&output).len(), truth.len(), "{args:?}"),
                _ => drop(refused(&output, 7, "damaged")),
            }
        }
    }
}

#[test]
fn what_the_daily_look_found_is_in_the_metrics_until_a_check_finds_nothing() {
    let home = Home::new();
    let gauges = || -> Vec<String> {
        let text = well(home.path(), &["credentials", "metrics"]);
        text.lines()
            .filter(|line| line.starts_with("countersign_store_"))
            .map(str::to_owned)
            .collect()
    };
    assert!(gauges().is_empty());
    let sql = "update findings set changed_ms = changed_ms + 1 where id = 3";
    home.execute(sql);
    let serve = Serve::start(home.path());
    wait_until("the first look", || !gauges().is_empty());
    drop(serve);
    assert_eq!(gauges()[0], "countersign_store_problems 1");
    home.execute(&sql.replace('+', "-"));
    assert_eq!(gauges()[0], "countersign_store_problems 1");
    well(home.path(), &["store", "check"]);
    assert_eq!(gauges()[0], "countersign_store_problems 0");
    assert!(gauges()[1].starts_with("countersign_store_checked_seconds "));
}

#[test]
fn a_full_sync_reads_what_is_damaged_anew() {
    let served = Served::start("apps=3,findings=60,rng=3");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (id, secret) = served.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
    assert!(served.add(home, (&id, &secret)).status.success());
    well(home, &["sync"]);
    let truth = well(home, &["export", "--format", "ndjson"]);
    let feed = well(home, &["changes", "--json"]);
    for sql in [
        "update records set raw = zeroblob(40) where finding in (3, 30)",
        "update findings set severity = 0, added_ms = 1 where id in (3, 30)",
    ] {
        let store = rusqlite::Connection::open(home.join("store.sqlite")).unwrap();
        assert_eq!(store.execute(sql, []).unwrap(), 2);
        drop(store);
        refused(&run(home, &["export", "--format", "ndjson"]), 7, "store check");
        refused(&run(home, &["store", "check"]), 7, " sync --full` reads");
        let report = well(home, &["sync", "--full", "--json"]);
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["findings"]["mended"], 2, "{report}");
        assert_eq!(report["findings"]["changed"], 0, "{report}");
        well(home, &["store", "check"]);
        assert_eq!(well(home, &["export", "--format", "ndjson"]), truth);
        assert_eq!(well(home, &["changes", "--json"]), feed);
    }
    // What no sync mends is told before it begins, whether a sync would meet it or not.
    let sound = fs::read(home.join("store.sqlite")).unwrap();
    for index in ["findings_by_cwe", "broker_callers_by_digest"] {
        fs::write(home.join("store.sqlite"), &sound).unwrap();
        let store = rusqlite::Connection::open(home.join("store.sqlite")).unwrap();
        let sql = "select rootpage from sqlite_schema where name = ?";
        let page: u64 = store.query_row(sql, [index], |row| row.get(0)).unwrap();
        drop(store);
        let mut bytes = sound.clone();
        let start = usize::try_from((page - 1) * 4096).unwrap();
        bytes[start..start + 4096].fill(0);
        fs::write(home.join("store.sqlite"), bytes).unwrap();
        refused(&run(home, &["sync", "--full"]), 7, "damaged");
    }
}

#[test]
fn queries_need_no_secret() {
    let kv = "[vault]\nbackend = \"kv\"\n[vault.kv]\naddress = \"https://kv.example.com\"\ntoken_file = \"/no/such/token\"\n";
    let passphrase = "[vault]\npassphrase_file = \"/no/such/passphrase\"\n";
    let other_key = format!("{}\n", "0".repeat(64));
    for (config, key) in
        [(kv, None), (passphrase, None), ("", None), ("", Some("no key")), ("", Some(&*other_key))]
    {
        let home = Home::new();
        fs::remove_file(home.path().join("vault.key")).unwrap();
        if let Some(key) = key {
            fs::write(home.path().join("vault.key"), key).unwrap();
        }
        fs::write(home.path().join("config.toml"), config).unwrap();
        let before = home.names();
        for args in QUERIES {
            well(home.path(), args);
        }
        let id = well(home.path(), &["findings", "--json", "--limit", "1"]);
        let id: Value = serde_json::from_str(&id).unwrap();
        well(home.path(), &["finding", id["id"].as_str().unwrap()]);
        let paths = run(home.path(), &["finding", id["id"].as_str().unwrap(), "--paths"]);
        assert!(!paths.status.success(), "{config}");
        assert_eq!(home.names().contains(&"vault.key".to_owned()), key.is_some(), "{before:?}");
    }
}

#[test]
fn a_read_only_file_system_answers_queries() {
    let Some(mounted) = Mounted::new("64m") else { return };
    let home = mounted.0.path().join("home");
    copy(demo(), &home, &["store.sqlite", "vault.json", "vault.key"]);
    let before = well(&home, &["applications", "--json"]);
    mounted.freeze();
    for args in QUERIES {
        well(&home, args);
    }
    assert_eq!(well(&home, &["applications", "--json"]), before);
    refused(&run(&home, &["sync"]), 7, "read-only");
    refused(&run(&home, &["schedule", "pause", "demo"]), 7, "the file system is read-only");
    refused(&run(&home, &["doctor", "--json"]), 7, "\"read_only\"");
    mounted.thaw();
    // With a log that nobody folded in, and then without what SQLite keeps beside it.
    let mut serve = Serve::start(&home);
    well(&home, &["schedule", "pause", "demo"]);
    serve.kill();
    for _ in 0..2 {
        mounted.freeze();
        assert!(well(&home, &["schedule", "list", "--json"]).contains("\"paused\":true"));
        assert_eq!(well(&home, &["applications", "--json"]), before);
        well(&home, &["store", "check"]);
        mounted.thaw();
        fs::remove_file(home.join("store.sqlite-shm")).unwrap_or_default();
    }
}

#[test]
fn a_full_disk_is_told_as_such() {
    let served = Served::start("apps=8,findings=4000,rng=5");
    let (id, secret) = served.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
    if let Some(mounted) = Mounted::new("1200k") {
        let home = mounted.0.path().join("home");
        assert!(served.add(&home, (&id, &secret)).status.success());
        let told = refused(&run(&home, &["sync"]), 7, "no space is left");
        assert!(told.contains("hint: free some space") && !told.contains("damaged"), "{told}");
        fill(&home.join("filler"));
        refused(&run(&home, &["doctor", "--json"]), 7, "\"disk_full\"");
        refused(
            &run(demo(), &["store", "backup", home.join("b").to_str().unwrap()]),
            7,
            "no space",
        );
        assert!(!home.join("b").exists());
        let file = home.join("out").display().to_string();
        let export = run(demo(), &["export", "--format", "ndjson", "--output", &file]);
        refused(&export, 7, "no space is left");
        let other = mounted.0.path().join("other");
        let backup = tempfile::tempdir().unwrap();
        let backup = backup.path().join("b").display().to_string();
        well(demo(), &["store", "backup", &backup]);
        refused(&run(&other, &["store", "restore", &backup]), 7, "no space is left");
        assert!(!other.join("store.sqlite").exists());
    }
    // A limit on files, which root has too.
    #[cfg(unix)]
    {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        assert!(served.add(&home, (&id, &secret)).status.success());
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "ulimit -f 700; exec \"$@\"", "sh"])
            .arg(env!("CARGO_BIN_EXE_countersign"));
        shell.arg("--home").arg(&home).arg("sync").env("HOME", &home);
        refused(&shell.output().unwrap(), 7, "file size limit is full");
        well(&home, &["store", "check"]);
    }
}

/// As somebody who is not root and does not own the home.
#[cfg(unix)]
#[test]
fn a_home_that_cannot_be_read_or_written_is_told_as_such() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    const STRANGER: u32 = 54_321;
    if !rustix::process::geteuid().is_root() {
        skip("only root becomes another user");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(folder.path(), 0o755);
    // Where another user can run it.
    let program = folder.path().join("countersign");
    fs::copy(env!("CARGO_BIN_EXE_countersign"), &program).unwrap();
    let home = folder.path().join("home");
    copy(demo(), &home, &["store.sqlite", "vault.json", "vault.key"]);
    let run = |args: &[&str]| {
        let mut command = Command::new(&program);
        command.arg("--home").arg(&home).args(args).env_clear().env("HOME", "/nonexistent");
        command.uid(STRANGER).gid(STRANGER).current_dir("/").output().unwrap()
    };
    let give = |to: u32| {
        chown(&home, Some(to), Some(to)).unwrap();
        for name in names(&home) {
            chown(home.join(name), Some(to), Some(to)).unwrap();
        }
    };
    // Their own, and read-only.
    give(STRANGER);
    for name in names(&home) {
        mode(&home.join(name), 0o400);
    }
    mode(&home, 0o500);
    for args in QUERIES {
        let output = run(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    }
    refused(&run(&["sync"]), 7, "permission denied");
    refused(&run(&["schedule", "pause", "demo"]), 7, "permission denied");
    let told = refused(&run(&["doctor", "--json"]), 7, "permission_denied");
    assert!(!told.contains("backup"), "{told}");
    // Somebody else's: root's, closed.
    give(0);
    for args in [&["findings"][..], &["store", "check"], &["sync"]] {
        let told = refused(&run(args), 7, "permission denied");
        assert!(!told.contains("backup") && !told.contains("os error"), "{told}");
    }
    let told = refused(&run(&["doctor", "--json"]), 7, "permission_denied");
    assert!(!told.contains("correct the line"), "{told}");
    // Open, but for the store.
    mode(&home, 0o755);
    refused(&run(&["findings"]), 7, "store.sqlite`: permission denied");
    fs::write(home.join("config.toml"), "").unwrap();
    mode(&home.join("config.toml"), 0o600);
    let told = refused(&run(&["doctor", "--json"]), 7, "permission_denied");
    assert!(!told.contains("correct the line"), "{told}");
}

#[test]
fn a_backup_of_a_store_in_use_comes_back_elsewhere() {
    let served = Served::start("apps=24,findings=3000,rng=5");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let (id, secret) = served.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
    assert!(served.add(&home, (&id, &secret)).status.success());
    let mut sync =
        countersign(&home).arg("sync").stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let mut taken = 0;
    while sync.try_wait().unwrap().is_none() || taken == 0 {
        let file = folder.path().join(format!("backup-{taken}"));
        well(&home, &["store", "backup", file.to_str().unwrap()]);
        taken += 1;
    }
    assert!(sync.wait().unwrap().success());
    for at in 0..taken {
        let file = folder.path().join(format!("backup-{at}"));
        let other = folder.path().join(format!("home-{at}"));
        well(&other, &["store", "restore", file.to_str().unwrap()]);
        well(&other, &["store", "check"]);
        well(&other, &["export", "--format", "ndjson"]);
    }
    let file = folder.path().join("last");
    well(&home, &["store", "backup", file.to_str().unwrap()]);
    let other = folder.path().join("last-home");
    well(&other, &["store", "restore", file.to_str().unwrap()]);
    for args in
        [&["export", "--format", "ndjson"][..], &["changes", "--json"], &["applications", "--json"]]
    {
        assert_eq!(well(&home, args), well(&other, args));
    }
    // It is a file of SQLite, too, and holds no secret.
    let direct = rusqlite::Connection::open(&file).unwrap();
    let count: u64 =
        direct.query_row("select count(*) from findings", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 3000);
    let bytes = fs::read(&file).unwrap();
    let sealed = fs::read(home.join("vault.json")).unwrap();
    assert!(!bytes.windows(40).any(|part| part == &sealed[sealed.len() / 2..][..40]));
}

#[test]
fn a_backup_holds_what_is_in_the_log_alone() {
    let home = Home::new();
    let _serve = Serve::start(home.path());
    well(home.path(), &["schedule", "pause", "demo"]);
    let file = home.path().join("backup");
    well(home.path(), &["store", "backup", file.to_str().unwrap()]);
    assert!(home.names().contains(&"store.sqlite-wal".to_owned()), "{:?}", home.names());
    let other = tempfile::tempdir().unwrap();
    well(other.path(), &["store", "restore", file.to_str().unwrap()]);
    assert!(well(other.path(), &["schedule", "list", "--json"]).contains("\"paused\":true"));
}

#[test]
fn a_backup_with_a_turned_bit_is_refused() {
    let home = Home::new();
    let file = home.path().join("backup");
    well(home.path(), &["store", "backup", "--with-secrets", file.to_str().unwrap()]);
    let bytes = fs::read(&file).unwrap();
    let other = tempfile::tempdir().unwrap();
    let broken = home.path().join("broken");
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    for part in 0..40 {
        // From the first byte to the last, and each of the end.
        let at = if part < 20 {
            part * (bytes.len() - 1) / 19
        } else {
            bytes.len() - 1 - 37 * (part - 20)
        };
        let mut turned = bytes.clone();
        turned[at] ^= 1 << (part % 8);
        cases.push((format!("a bit at {at}"), turned));
    }
    cases.push(("cut".into(), bytes[..bytes.len() - 1].to_vec()));
    cases.push(("half".into(), bytes[..bytes.len() / 2].to_vec()));
    cases.push(("empty".into(), Vec::new()));
    cases.push(("longer".into(), [&bytes[..], b"x"].concat()));
    cases.push(("a store".into(), fs::read(home.store()).unwrap()));
    for (what, content) in cases {
        fs::write(&broken, content).unwrap();
        let restored = run(other.path(), &["store", "restore", broken.to_str().unwrap()]);
        let told = refused(&restored, 7, "is not a whole backup");
        assert!(!other.path().join("store.sqlite").exists(), "{what}: {told}");
    }
    // Secrets come back where they are asked for, and never over others.
    well(other.path(), &["store", "restore", file.to_str().unwrap()]);
    assert_eq!(names(other.path()), ["store.sqlite", "store.sync-lock"]);
    well(other.path(), &["store", "restore", "--with-secrets", file.to_str().unwrap()]);
    well(other.path(), &["vault", "check"]);
    for name in ["vault.json", "vault.key"] {
        let (here, there) = (home.path().join(name), other.path().join(name));
        assert_eq!(fs::read(here).unwrap().len(), fs::read(there).unwrap().len());
    }
    let third = Home::new();
    fs::write(third.path().join("vault.key"), format!("{}\n", "0".repeat(64))).unwrap();
    let args = ["store", "restore", "--with-secrets", file.to_str().unwrap()];
    refused(&run(third.path(), &args), 2, "another one than that of the backup");
    assert!(!third.names().contains(&"store.sqlite.replaced".to_owned()));
}

#[test]
fn a_store_is_replaced_whole_and_never_under_somebody() {
    let home = Home::new();
    let file = home.path().join("backup");
    well(home.path(), &["store", "backup", file.to_str().unwrap()]);
    well(home.path(), &["schedule", "pause", "demo"]);
    let mut serve = Serve::start(home.path());
    let args = ["store", "restore", file.to_str().unwrap()];
    refused(&run(home.path(), &args), 7, "another process has the store");
    serve.kill();
    // What it left in its log is folded in, and kept.
    well(home.path(), &args);
    assert!(!well(home.path(), &["schedule", "list", "--json"]).contains("\"paused\":true"));
    fs::rename(home.path().join("store.sqlite.replaced"), home.store()).unwrap();
    assert!(well(home.path(), &["schedule", "list", "--json"]).contains("\"paused\":true"));
    // Over one that is no store any more.
    fs::write(home.store(), [3; 9000]).unwrap();
    fs::write(home.path().join("store.sqlite-wal"), [4; 9000]).unwrap();
    well(home.path(), &args);
    well(home.path(), &["store", "check"]);
    assert_eq!(fs::read(home.path().join("store.sqlite.replaced")).unwrap(), [3; 9000]);
    assert!(!home.names().contains(&"store.sqlite-wal".to_owned()), "{:?}", home.names());
}

#[test]
fn killed_at_any_moment_there_is_the_one_or_the_other() {
    let home = Home::new();
    let file = home.path().join("backup");
    well(home.path(), &["store", "backup", file.to_str().unwrap()]);
    well(home.path(), &["schedule", "pause", "demo"]);
    let mut backups = Vec::new();
    for n in 0..24_u64 {
        let kill = |args: &[&str], after_ms: u64| {
            let mut command = countersign(home.path());
            let mut child =
                command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            pause(std::time::Duration::from_millis(after_ms));
            let _ = child.kill();
            let _ = child.wait();
        };
        // Different moments, from the start to past the end.
        let after_ms = n * 37 % 24 * 12;
        kill(&["store", "restore", file.to_str().unwrap()], after_ms);
        let state = well(home.path(), &["schedule", "list", "--json"]);
        let is_old = state.contains("\"paused\":true");
        well(home.path(), &["store", "check"]);
        if !is_old {
            well(home.path(), &["schedule", "pause", "demo"]);
        }
        let new = home.path().join("new-backup");
        let before = fs::read(&new).ok();
        kill(&["store", "backup", new.to_str().unwrap()], after_ms);
        let after = fs::read(&new).ok();
        if after != before {
            let other = tempfile::tempdir().unwrap();
            well(other.path(), &["store", "restore", new.to_str().unwrap()]);
            backups.push(n);
        }
    }
    // What was left by those that were killed goes with the next one.
    well(home.path(), &["store", "backup", home.path().join("new-backup").to_str().unwrap()]);
    well(home.path(), &["store", "restore", file.to_str().unwrap()]);
    let left: Vec<_> = home.names().into_iter().filter(|name| name.starts_with('.')).collect();
    assert_eq!(left, Vec::<String>::new());
    assert!(!backups.is_empty());
}
