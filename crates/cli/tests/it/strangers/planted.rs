//! A stranger plants links and files where we write or read. Whatever comes of it, what
//! the links lead to is untouched, and nothing of the stranger's is believed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::stage::{Stage, chmod, give_away, is_ours, mode, stranger};
use crate::program::{Served, stderr, stdout};

const LINK: &str = "ln -s \"$1\" \"$2\"";
const FILE: &str = "printf planted > \"$1\"; chmod 666 \"$1\"";

/// What becomes of a planted name.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    /// A file of ours is there instead.
    Replaced,
    /// The command fails with 2 and leaves it.
    Refused,
}
use Then::{Refused, Replaced};

/// What people name a file for, and what is done where a stranger was first: in a folder
/// that is sticky, and in one that is not. Commands that stay are killed once they answer.
const NAMED: &[(&str, &[&str], Then, Then)] = &[
    (
        "platform",
        &["platform", "serve", "--listen", "127.0.0.1:0", "--seed", "empty", "--ready-file"],
        Replaced,
        Refused,
    ),
    ("home", &["serve", "--listen", "127.0.0.1:0", "--ready-file"], Replaced, Refused),
    ("home", &["proxy", "demo", "--listen", "127.0.0.1:0", "--ready-file"], Replaced, Refused),
    ("home", &["proxy", "demo", "--socket"], Refused, Refused),
    ("home", &["proxy", "token", "ci", "--output"], Refused, Refused),
    ("home", &["credentials", "export", "demo", "--format", "env", "--output"], Refused, Refused),
    ("home", &["export", "--format", "csv", "--output"], Replaced, Replaced),
    ("home", &["export", "--format", "sarif", "--output"], Replaced, Replaced),
    ("home", &["credentials", "calendar", "--output"], Replaced, Replaced),
    ("home", &["credentials", "metrics", "--output"], Replaced, Replaced),
    ("home", &["vault", "reseal", "--new-key-file"], Refused, Refused),
];

/// A home with an integration, and its platform.
fn furnished(stage: &Stage) -> Served {
    let served = Served::start("apps=1,findings=3");
    let (id, secret) = served.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
    let (home, ca_file) = (stage.path("home"), served.ca_file.display().to_string());
    let add = ["integration", "add", "demo", "--client-id", &id, "--url", &served.url];
    stage.keep(&home, &[&add[..], &["--ca-file", &ca_file]].concat(), &secret);
    stage.well(&home, &["sync"]);
    stage.well(&home, &["people", "list"]);
    served
}

/// Runs it until it ends, or has put its file in place. Its code, and what it said.
fn outcome(stage: &Stage, home: &Path, args: &[&str], path: &Path) -> (Option<i32>, String) {
    let mut command = stage.command(home);
    command.args(args).arg(path).stdout(std::process::Stdio::null());
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let stays = args.contains(&"serve") || args.contains(&"--listen") || args.contains(&"--socket");
    crate::program::wait_until("the command", || {
        let is_over = child.try_wait().unwrap().is_some();
        is_over || stays && is_ours(path)
    });
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), stderr(&output))
}

#[test]
fn where_a_stranger_was_first() {
    let Some(stage) = Stage::set() else { return };
    let _served = furnished(&stage);
    for (home, args, sticky, open) in NAMED {
        for (folder, folder_mode, then) in [("sticky", 0o1777, *sticky), ("open", 0o777, *open)] {
            let folder = stage.folder(folder, folder_mode);
            for kind in ["link", "dangling", "file"] {
                let path = folder.join("target");
                let _ = fs::remove_file(&path);
                match kind {
                    "link" => stranger(LINK, &[&stage.victim(), &path]),
                    "dangling" => stranger(LINK, &[&stage.path("made"), &path]),
                    _ => stranger(FILE, &[&path]),
                };
                assert!(fs::symlink_metadata(&path).is_ok() && !is_ours(&path), "it is planted");
                let (code, told) = outcome(&stage, &stage.path(home), args, &path);
                let place = format!("{args:?} {kind} {folder_mode:o}: {code:?} {told}");
                match then {
                    Replaced => {
                        assert!(is_ours(&path) && [None, Some(0)].contains(&code), "{place}");
                        assert_eq!(mode(&path) & 0o022, 0, "{place}");
                    }
                    Refused => {
                        assert!(code == Some(2) && !is_ours(&path), "{place}");
                        assert!(told.contains(&*path.to_string_lossy()) || told.contains("chmod"));
                    }
                }
                stage.assert_victim_is_well();
                assert!(!stage.path("made").exists(), "{place}");
                let names: Vec<_> = fs::read_dir(&folder).unwrap().map(Result::unwrap).collect();
                assert!(names.len() <= 1, "{place}: something is left: {names:?}");
            }
        }
    }
}

/// A folder of the stranger's on the way, or a link to one of ours.
#[test]
fn ways_that_a_stranger_made() {
    let Some(stage) = Stage::set() else { return };
    let _served = furnished(&stage);
    let shared = stage.folder("sticky", 0o1777);
    let ours = stage.folder("ours", 0o755);
    stranger("mkdir \"$1/folder\"; ln -s \"$2\" \"$1/link\"", &[&shared, &ours]);
    for way in ["folder", "link"] {
        // Deeper in it, too: what is above can be swapped.
        fs::create_dir_all(shared.join(way).join("below")).unwrap();
        for (home, args, ..) in NAMED {
            let path = shared.join(way).join("below/target");
            let (code, told) = outcome(&stage, &stage.path(home), args, &path);
            assert_eq!(code, Some(2), "{args:?} {way}: {told}");
            assert!(told.contains("another user (uid 54321)"), "{args:?} {way}: {told}");
            assert!(!path.exists(), "{args:?} {way}");
        }
        fs::remove_dir(shared.join(way).join("below")).unwrap();
    }
    assert_eq!(fs::read_dir(&ours).unwrap().count(), 0);
}

/// Commands that open a home, all of which would read its configuration or a store.
const COMMANDS: &[&[&str]] = &[
    &["findings"],
    &["applications"],
    &["changes"],
    &["sync"],
    &["export", "--format", "csv"],
    &["vault", "check"],
    &["credentials", "list"],
    &["credentials", "watch", "--once"],
    &["integration", "list"],
    &["people", "list"],
    &["proxy"],
    &["proxy", "callers"],
    &["serve", "--listen", "127.0.0.1:0"],
    &["sign", "--url", "https://api.example.com/x"],
    &["quickstart", "--once"],
    &["platform", "serve", "--listen", "127.0.0.1:0", "--seed", "empty"],
    &["platform", "mint", "--user", "x"],
    &["platform", "audit"],
    &["platform", "clock"],
    &["doctor"],
];

#[test]
fn a_home_of_others_is_not_believed() {
    let Some(stage) = Stage::set() else { return };
    let shared = stage.folder("sticky", 0o1777);
    let ran = stage.path("sticky/ran");
    let config = format!(
        "#!/bin/sh\ntouch {0}\n---\n[vault]\nbackend = \"command\"\n[vault.command]\nprogram = \"{1}/evil\"\n",
        ran.display(),
        shared.display()
    );
    let (program, config) = config.split_once("---\n").unwrap();
    let plant = "printf %s \"$2\" > \"$1/evil\"; chmod 755 \"$1/evil\"; mkdir \"$1/home\"; \
                 printf %s \"$3\" > \"$1/home/config.toml\"; mkdir \"$1/empty\"; \
                 ln -s \"$1/home\" \"$1/link\"; ln -s \"$4\" \"$1/to-ours\"";
    let ours = stage.folder("ours", 0o755);
    stranger(plant, &[&shared, Path::new(program), Path::new(config), &ours]);

    // Ours, and others can write to it; sticky or not, for what is missing can be planted.
    let open = stage.folder("open", 0o755);
    fs::write(open.join("config.toml"), config).unwrap();
    let inner = stage.folder("writable/home", 0o755);
    fs::write(inner.join("config.toml"), config).unwrap();
    chmod(&stage.path("writable"), 0o777);
    for (home, home_mode, words) in [
        (open.clone(), 0o777, "others can write to the folder"),
        (open.clone(), 0o1777, "others can write to the folder"),
        (open.clone(), 0o775, "others can write to the folder"),
        (inner, 0o755, "others can write to the folder"),
        (shared.join("home"), 0o755, "another user (uid 54321)"),
        (shared.join("empty"), 0o755, "another user (uid 54321)"),
        (shared.join("empty/new"), 0, "another user (uid 54321)"),
        (shared.join("link"), 0, "another user (uid 54321)"),
        (shared.join("to-ours"), 0, "another user (uid 54321)"),
        (shared.join("to-ours/new"), 0, "another user (uid 54321)"),
    ] {
        if home_mode != 0 {
            chmod(&home, home_mode);
        }
        for args in COMMANDS {
            let output = stage.run(&home, args);
            let told = format!("{}{}", stdout(&output), stderr(&output));
            let place = format!("{} {home_mode:o} {args:?}: {told}", home.display());
            assert_eq!(output.status.code(), Some(2), "{place}");
            assert!(told.contains(words) && told.contains("run `"), "{place}");
            assert!(!ran.exists(), "{place}: it ran");
        }
    }
    assert_eq!(fs::read_dir(&ours).unwrap().count(), 0, "nothing is made through a link");
    assert_eq!(fs::read_dir(&open).unwrap().count(), 1, "nothing is made there");
    chmod(&open, 0o755);
    stage.run(&open, &["vault", "check"]);
    assert!(ran.exists(), "the same is believed where only its owner could write it");
}

/// Of a volume whose owner or group nobody in a container can change.
#[test]
fn whom_the_owner_trusts() {
    let Some(stage) = Stage::set() else { return };
    let home = stage.folder("home", 0o755);
    let path = home.display().to_string();
    give_away(&home);
    let list = |trusted: &[&str]| {
        let output = stage.run(&home, &[trusted, &["integration", "list"]].concat());
        (output.status.code(), stderr(&output))
    };
    let (code, told) = list(&[]);
    assert!(code == Some(2) && told.contains(&format!("chown -R 0 {path}")), "{told}");
    assert_eq!(list(&["--trust", "gid:54321"]).0, Some(2), "it is not the group's");
    assert_eq!(list(&["--trust", "uid:54321"]).0, Some(0));
    std::os::unix::fs::lchown(&home, Some(0), None).unwrap();
    chmod(&home, 0o2775);
    assert_eq!(list(&["--trust", "uid:54321"]).0, Some(2), "its group writes to it");
    assert_eq!(list(&["--trust", "uid:54321,gid:54321"]).0, Some(0));
    chmod(&home, 0o2777);
    assert_eq!(list(&["--trust", "gid:54321"]).0, Some(2), "everybody writes to it");
    for wrong in ["54321", "uid:", "uid:x", "group:1"] {
        assert_eq!(list(&["--trust", wrong]).0, Some(2), "{wrong}");
    }
}

/// A file of a home, who reads it, and whether its mode alone counts against readers.
const IN_HOME: &[(&str, &[&str], bool)] = &[
    ("home/config.toml", &["findings"], false),
    ("home/store.sqlite", &["findings"], false),
    ("home/store.sqlite-wal", &["findings"], false),
    ("home/store.sqlite-shm", &["findings"], false),
    ("home/vault.json", &["vault", "check"], true),
    ("home/vault.key", &["vault", "check"], true),
    ("home/people.sqlite", &["people", "list"], false),
    ("home/people.sqlite-wal", &["people", "list"], false),
    ("home/people.key", &["people", "list"], true),
    ("platform/platform.sqlite", &["platform", "mint", "--user", "x"], false),
    ("platform/master.key", &["platform", "mint", "--user", "x"], true),
    ("platform/ca.key", &["platform", "serve", "--listen", "127.0.0.1:0"], true),
    ("platform/ca.pem", &["platform", "serve", "--listen", "127.0.0.1:0"], false),
    ("platform/control.json", &["platform", "clock"], true),
    ("passphrase", &["vault", "reseal", "--new-passphrase-file", "PASSPHRASE"], true),
    ("tls.key", &["serve", "--tls-cert", "CA_PEM", "--tls-key", "TLS_KEY"], true),
];

#[test]
fn each_file_that_others_can_write_or_read_is_refused_with_what_mends_it() {
    let Some(stage) = Stage::set() else { return };
    let _served = furnished(&stage);
    let (home, platform) = (stage.path("home"), stage.path("platform"));
    chmod(&home, 0o755);
    stage.folder("platform", 0o755);
    stage.well(&platform, &["platform", "mint", "--user", "first"]);
    let ready = stage.path("ready.json");
    let serve = ["platform", "serve", "--listen", "127.0.0.1:0", "--seed", "empty"];
    drop(stage.start(&platform, &serve, &ready));
    for name in ["home/config.toml", "passphrase", "tls.key"] {
        fs::write(stage.path(name), if name == "passphrase" { "correct horse\n" } else { "" })
            .unwrap();
        chmod(&stage.path(name), 0o600);
    }
    for (name, args, is_secret) in IN_HOME {
        let path = stage.path(name);
        let place = if name.starts_with("platform") { &platform } else { &home };
        let (passphrase, tls_key) = (stage.path("passphrase"), stage.path("tls.key"));
        let ca_pem = stage.path("platform/ca.pem");
        let args: Vec<_> = args
            .iter()
            .map(|arg| match *arg {
                "PASSPHRASE" => passphrase.to_str().unwrap(),
                "TLS_KEY" => tls_key.to_str().unwrap(),
                "CA_PEM" => ca_pem.to_str().unwrap(),
                arg => arg,
            })
            .collect();
        let before = fs::read(&path).unwrap_or_default();
        if !path.exists() {
            fs::write(&path, "").unwrap();
        }
        let refused = |words: &str, fix: &str| {
            let output = stage.run(place, &args);
            let told = stderr(&output);
            let all = format!("{name} {args:?}: {told}");
            assert_eq!(output.status.code(), Some(2), "{all}");
            let fix = format!("hint: run `{fix} {}`", path.display());
            assert!(told.contains(words) && told.contains(&fix), "{fix}: {all}");
            assert_eq!(fs::read(&path).unwrap_or_default(), before, "{all}");
        };
        let go_w = if *is_secret { "chmod 600" } else { "chmod go-w" };
        for open in [0o666, 0o620, 0o602] {
            chmod(&path, open);
            refused("others can write to", go_w);
        }
        if *is_secret {
            chmod(&path, 0o644);
            refused("others can read", "chmod 600");
        }
        chmod(&path, 0o600);
        give_away(&path);
        refused("another user (uid 54321)", "chown 0");
        std::os::unix::fs::lchown(&path, Some(0), Some(0)).unwrap();
        if before.is_empty() && name.starts_with("home/") && !name.ends_with("config.toml") {
            fs::remove_file(&path).unwrap();
        }
    }
}

/// The doctor names each of them, with its fix, and looks at the rest.
#[test]
fn the_doctor_names_each_file_and_its_fix() {
    let Some(stage) = Stage::set() else { return };
    let _served = furnished(&stage);
    let home = stage.path("home");
    fs::write(home.join("config.toml"), "").unwrap();
    for (name, open) in [
        ("config.toml", 0o666),
        ("vault.key", 0o644),
        ("people.key", 0o640),
        ("store.sqlite", 0o602),
    ] {
        chmod(&home.join(name), open);
    }
    let troubles = || {
        let output = stage.run(&home, &["doctor", "--json"]);
        assert_eq!(output.status.code(), Some(2));
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
        let troubles = rows.into_iter().filter(|row| row["ok"] == false);
        let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
        troubles.map(|row| (text(&row, "diagnosis"), text(&row, "fix"))).collect::<Vec<_>>()
    };
    let fix = |command: &str, name: &str| format!("run `{command} {}`", home.join(name).display());
    let exposed = |fix: String| ("exposed".to_owned(), fix);
    let expected = [
        exposed(fix("chmod go-w", "config.toml")),
        exposed(fix("chmod 600", "vault.key")),
        exposed(fix("chmod 600", "people.key")),
        exposed(fix("chmod go-w", "store.sqlite")),
    ];
    assert_eq!(troubles(), expected);
    chmod(&home, 0o777);
    let found = troubles();
    assert_eq!(found.len(), 1, "all the others are in a home that is not believed: {found:?}");
    let fix = format!("run `chmod go-w {}`, or choose another folder", home.display());
    assert_eq!(found[0], ("home".to_owned(), fix));
}

/// Names in a home that was open once, and where a stranger's link was left.
const LEFT: &[(&str, &[&str])] = &[
    ("home/store.sync-lock", &["sync"]),
    ("home/vault.lock", &["vault", "check"]),
    ("home/fences/publications", &["sync"]),
    ("home/fences/1.gate", &["sync"]),
    ("home/fences/1.room", &["sync"]),
    ("home/store.sqlite-wal", &["findings"]),
    ("home/store.sqlite-journal", &["findings"]),
    ("home/machine", &["credentials", "rotate", "demo", "--by", "demo"]),
    ("home/people.sqlite", &["people", "list"]),
    ("home/people.key", &["people", "list"]),
    ("home/vault.json", &["vault", "check"]),
    ("home/vault.key", &["vault", "check"]),
    ("home/store.sqlite", &["findings"]),
    ("home/config.toml", &["findings"]),
    ("platform/master.key", &["platform", "mint", "--user", "x"]),
    ("platform/platform.sqlite", &["platform", "mint", "--user", "x"]),
];

#[test]
fn links_that_a_stranger_left_in_a_home() {
    let Some(stage) = Stage::set() else { return };
    let _served = furnished(&stage);
    stage.well(&stage.path("platform"), &["platform", "mint", "--user", "first"]);
    for (name, args) in LEFT {
        let path = stage.path(name);
        let aside = stage.path("aside");
        let was_there = fs::rename(&path, &aside).is_ok();
        for target in [stage.victim(), stage.path("made")] {
            let _ = fs::remove_file(&path);
            symlink(&target, &path).unwrap();
            give_away(&path);
            let home = path.ancestors().find(|one| one.parent() == Some(&stage.path("")));
            let home = home.map_or_else(|| stage.path("home"), PathBuf::from);
            let output = stage.run(&home, args);
            assert!(!output.status.success(), "{name}: {args:?} went on");
            stage.assert_victim_is_well();
            assert!(!stage.path("made").exists(), "{name}");
        }
        fs::remove_file(&path).unwrap();
        if was_there {
            fs::rename(&aside, &path).unwrap();
        }
    }
}

/// A lock that a stranger could open when it was made is closed, and a stranger who holds
/// one of another file holds nobody up.
#[test]
fn locks_of_before_are_closed() {
    let Some(stage) = Stage::set() else { return };
    let _served = furnished(&stage);
    let home = stage.path("home");
    chmod(&home, 0o755);
    for (name, args) in [
        ("store.sync-lock", &["sync"][..]),
        ("vault.lock", &["vault", "check"]),
        ("fences/publications", &["sync"]),
        ("store.sqlite", &["findings"]),
        ("people.sqlite", &["people", "list"]),
    ] {
        let path = home.join(name);
        chmod(path.parent().unwrap(), 0o755);
        chmod(&path, 0o644);
        let takes = "flock -n \"$1\" echo takes";
        assert_eq!(stranger(takes, &[&path]), "takes\n", "{name}: it was open");
        stage.well(&home, args);
        assert_eq!(mode(&path), 0o600, "{name}");
        assert_eq!(stranger(takes, &[&path]), "", "{name}");
    }
}
