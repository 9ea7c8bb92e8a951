//! A process that is killed leaves no core file with what it had in memory.

#![cfg(unix)]

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::program::{Served, countersign, run, stderr, stdout, wait_until};

/// Lets core files be of any size, as far as this is allowed.
const GENEROUS: &str = r#"ulimit -c unlimited 2>/dev/null; exec "$@""#;

fn cores_in(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            cores_in(&path, found);
        } else if name.starts_with("core") || name.ends_with(".core") || name.contains("crash") {
            found.push(path);
        }
    }
}

/// Killed at the latest when the test is over.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn crash(id: u32, signal: &str) {
    let killed = Command::new("kill").args([signal, &id.to_string()]).status().unwrap();
    assert!(killed.success());
}

#[test]
fn a_killed_broker_leaves_no_core_file() {
    let served = Served::start("apps=2,findings=8");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let (id, secret) = served.mint("ci", &["resultsapi", "noteamrestrictionapi"]);
    assert!(served.add(&home, (&id, &secret)).status.success());
    let token = stdout(&run(&home, &["proxy", "token", "ci"])).trim_end().to_owned();
    for (signal, number) in [("-ABRT", 6), ("-ILL", 4)] {
        let working = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready.json");
        let _ = std::fs::remove_file(&ready);
        let ours = countersign(&home);
        let mut shell = Command::new("sh");
        shell.args(["-c", GENEROUS, "sh"]).arg(ours.get_program()).args(ours.get_args());
        shell.args(["proxy", "--listen", "127.0.0.1:0", "--ready-file"]).arg(&ready);
        shell.current_dir(working.path()).stdin(Stdio::null());
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        let mut broker = Ended(shell.spawn().unwrap());
        wait_until("the broker", || ready.exists());
        let object: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
        // It has signed: the key is in its memory.
        let url = format!("{}/appsec/v1/applications", object["url"].as_str().unwrap());
        let curl = Command::new("curl").args(["-fsS", "-u", &format!("ci:{token}"), &url]).output();
        let curl = curl.unwrap();
        assert!(curl.status.success(), "{}", stderr(&curl));
        #[cfg(target_os = "linux")]
        {
            let limits =
                std::fs::read_to_string(format!("/proc/{}/limits", broker.0.id())).unwrap();
            let limit = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
            let numbers: Vec<_> = limit.split_ascii_whitespace().skip(4).take(2).collect();
            assert_eq!(numbers, ["0", "0"], "{limit}");
        }
        crash(broker.0.id(), signal);
        let status = broker.0.wait().unwrap();
        assert_eq!((status.signal(), status.core_dumped()), (Some(number), false), "{signal}");
        let mut cores = Vec::new();
        cores_in(working.path(), &mut cores);
        cores_in(folder.path(), &mut cores);
        cores_in(&served.platform_home(), &mut cores);
        assert!(cores.is_empty(), "{cores:?}");
    }
}

/// Where the system writes core files at all, one is seen.
#[test]
fn a_core_file_is_seen() {
    let working = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", GENEROUS, "sh", "sh", "-c", "kill -ABRT $$"]).current_dir(working.path());
    let status = shell.stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.signal(), Some(6));
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let mut cores = Vec::new();
    cores_in(working.path(), &mut cores);
    if status.core_dumped() && pattern.trim_end() == "core" {
        assert_eq!(cores.len(), 1, "it dumped, and nothing is there");
    }
}

/// What a command is given a pair for inherits the limit.
#[test]
#[cfg(target_os = "linux")]
fn a_program_of_ours_cannot_raise_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let script = home.join("program");
    let text = "#!/bin/sh\nulimit -S -c > \"$1\"\nulimit -H -c >> \"$1\"\nexit 1\n";
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let told = home.join("told");
    let config = format!(
        "[vault]\nbackend = \"command\"\n[vault.command]\nprogram = {script:?}\nargs = [{told:?}]\n"
    );
    std::fs::write(home.join("config.toml"), config).unwrap();
    assert_eq!(run(home, &["vault", "check"]).status.code(), Some(7));
    assert_eq!(std::fs::read_to_string(told).unwrap(), "0\n0\n");
}
