//! A program as the vault: the suite through the example of `docs/reference/vault.md`, and what a
//! program may do wrong.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_vault::{External, Secret, Vault};

use crate::suite::{Place, pair};

const MANUAL: &str = include_str!("../../../../docs/reference/vault.md");
const TIMEOUT: Duration = Duration::from_secs(30);

/// The program that the manual shows, over a folder.
struct Example(tempfile::TempDir);

impl Example {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (_, rest) = MANUAL.split_once("```python\n").unwrap();
        let (program, _) = rest.split_once("```").unwrap();
        std::fs::write(folder.path().join("example.py"), program).unwrap();
        Self(folder)
    }
}

impl Place for Example {
    fn open(&self) -> Arc<dyn Vault> {
        let path = |name| self.0.path().join(name).display().to_string();
        External::new(
            "python3".into(),
            vec!["-IS".into(), path("example.py"), path("safe")],
            TIMEOUT,
        )
    }

    fn open_denied(&self) -> Option<Arc<dyn Vault>> {
        Some(shell("echo 'the safe is locked' >&2; exit 4"))
    }

    fn writers(&self) -> u32 {
        3
    }
}

suite!(Example::new());

/// A program of one line; the verb is `$1`.
fn shell(line: &str) -> Arc<External> {
    shell_within(line, TIMEOUT)
}

fn shell_within(line: &str, timeout: Duration) -> Arc<External> {
    External::new("sh".into(), vec!["-c".into(), line.into(), "vault".into()], timeout)
}

fn told(outcome: Result<(u32, Secret), countersign_vault::Error>) -> String {
    outcome.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let vault = External::new(PathBuf::from("/nonexistent/safe"), Vec::new(), TIMEOUT);
    let error = vault.get("a").map(|_| ()).unwrap_err();
    assert!(error.is_config() && error.to_string().contains("/nonexistent/safe"), "{error}");
}

#[test]
fn a_program_that_does_not_end_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let line = format!("echo $$ > {}; exec sleep 600", pid.display());
    let vault = shell_within(&line, Duration::from_millis(500));
    let error = vault.get("a").map(|_| ()).unwrap_err();
    assert!(error.is_unreachable() && error.to_string().contains("did not end"), "{error}");
    let pid = std::fs::read_to_string(pid).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "it still runs");
    // One that closes its output and stays.
    let vault = shell_within("exec >&- 2>&-; exec sleep 600", Duration::from_millis(500));
    assert!(vault.get("a").unwrap_err().is_unreachable());
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    assert!(told(shell("yes").get("a")).contains("larger than 4 MiB"));
    // Complaints without end are cut, and the exit code counts.
    let error = shell("yes complaint | head -c 10000000 >&2; exit 5").get("a").unwrap_err();
    assert!(error.is_unreachable(), "{error}");
}

#[test]
fn what_is_not_the_protocol_is_refused_without_repeating_it() {
    let secret = pair(0xab).secret().expose_hex().to_string();
    let got =
        format!(r#"{{"version":1,"kind":"hmac","id":"{}","secret":"{secret}"}}"#, "ab".repeat(16));
    let print = |text: &str| shell(&format!("cat >/dev/null; printf '%s' '{text}'"));
    assert_eq!(print(&got).get("a").unwrap(), (1, pair(0xab)));
    for wrong in [
        "",
        "null",
        "[]",
        &got.replace(r#""version":1"#, r#""version":-1"#),
        &got.replace("hmac", "basic"),
        &got.replace(r#""id":"ab"#, r#""id":"zz"#),
        &got.replace(&secret, &format!("{secret}a")),
        &got.replace(&secret, &secret.to_uppercase()),
        &got[..got.len() - 1],
        &format!("{got}{got}"),
    ] {
        let told = told(print(wrong).get("a"));
        assert!(told.contains("protocol") && !told.contains(&secret), "{wrong}: {told}");
    }
    assert!(print(&got).get_version("a", 2).is_err(), "another version than was asked for");
    assert!(print(r#"{"version":0}"#).put("a", &pair(1), 0).is_err());
    assert!(print(r#"{"entries":[{}]}"#).entries().is_err());
}

#[test]
fn exit_codes_say_whose_fault_it_is() {
    let end = |code: u8| shell(&format!("cat >/dev/null; echo 'no luck' >&2; exit {code}"));
    assert!(end(3).get("a").unwrap_err().is_not_found());
    assert!(end(3).destroy("a", 7).unwrap_err().to_string().contains("a@7"));
    assert!(end(4).get("a").unwrap_err().is_denied());
    assert!(end(5).put("a", &pair(1), 0).unwrap_err().is_unreachable());
    let told = told(end(1).get("a"));
    assert!(told.contains("no luck") && told.contains("\nhint: "), "{told}");
    assert!(shell("cat >/dev/null; kill -9 $$").get("a").is_err());
}

#[test]
fn a_secret_travels_by_the_pipe_and_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    let line = format!(
        "cat > {0}/input; env > {0}/environment; tr '\\0' ' ' < /proc/$$/cmdline > {0}/arguments; \
         cat {0}/input >&2; exit 1",
        folder.path().display()
    );
    let error = shell(&line).put("a", &pair(0xab), 0).unwrap_err();
    let secret = pair(0xab).secret().expose_hex().to_string();
    let read = |name| std::fs::read_to_string(path(name)).unwrap();
    assert!(read("input").contains(&secret));
    assert!(read("arguments").contains(" put"), "{}", read("arguments"));
    for told in [read("environment"), read("arguments"), error.to_string(), format!("{error:?}")] {
        assert!(!told.contains(&secret), "{told}");
    }
}

#[test]
fn a_program_that_reads_nothing_is_answered_by_its_exit_code() {
    assert!(shell("exit 4").put("a", &pair(1), 0).unwrap_err().is_denied());
}
