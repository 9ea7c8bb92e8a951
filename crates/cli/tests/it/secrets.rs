use std::process::{Command, Stdio};

use crate::program::{Served, countersign, pause, run, stderr, stdout, wait_until};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

/// What everybody on the machine can read of a process: its command line, and
/// what its owner can: its environment.
fn seen_of(process: u32) -> Vec<u8> {
    let read = |name| std::fs::read(format!("/proc/{process}/{name}")).unwrap_or_default();
    [read("cmdline"), read("environ")].concat()
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window.eq_ignore_ascii_case(secret.as_bytes()))
}

#[test]
#[cfg(target_os = "linux")]
fn no_process_shows_the_secret_key() {
    let served = Served::start("apps=20,findings=4000");
    let folder = tempfile::tempdir().unwrap();
    let (id, secret) = served.mint("reader", READER);
    assert!(served.add(folder.path(), (&id, &secret)).status.success());
    // A process that waits for its standard input to end, with the secret as argument.
    let mut shell = Command::new("sh");
    let mut careless =
        shell.args(["-c", "read line", "sh", &secret]).stdin(Stdio::piped()).spawn().unwrap();
    wait_until("the shell", || holds(&seen_of(careless.id()), &secret));
    drop(careless.stdin.take());
    careless.wait().unwrap();

    let mut sync = countersign(folder.path());
    let mut sync = sync.args(["sync", "--full"]).stdout(Stdio::null()).spawn().unwrap();
    let mut looks = 0;
    while sync.try_wait().unwrap().is_none() {
        let seen = seen_of(sync.id());
        looks += usize::from(!seen.is_empty());
        assert!(!holds(&seen, &secret), "the Secret Key shows in the process list");
        pause(std::time::Duration::from_millis(1));
    }
    assert!(looks > 0, "nothing was looked at");
    assert!(!holds(&seen_of(served.process()), &secret));
}

#[test]
fn a_vault_sealed_by_a_passphrase_needs_it_every_time() {
    let served = Served::start("apps=1,findings=3");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let file = folder.path().join("passphrase");
    let config = |text: &str| std::fs::write(home.join("config.toml"), text).unwrap();
    config(&format!("[vault]\npassphrase_file = {file:?}\n"));
    let (id, secret) = served.mint("reader", READER);

    let missing = served.add(&home, (&id, &secret));
    assert_eq!(missing.status.code(), Some(7), "{}", stderr(&missing));
    assert!(stderr(&missing).contains("passphrase"), "{}", stderr(&missing));
    std::fs::write(&file, "\n").unwrap();
    assert!(stderr(&served.add(&home, (&id, &secret))).contains("empty"));

    std::fs::write(&file, "correct horse\n").unwrap();
    let added = served.add(&home, (&id, &secret));
    assert!(added.status.success(), "{}", stderr(&added));
    assert!(run(&home, &["sync"]).status.success());
    assert!(!home.join("vault.key").exists());

    std::fs::write(&file, "battery staple\n").unwrap();
    assert_eq!(run(&home, &["sync"]).status.code(), Some(7));
    config("");
    assert_eq!(run(&home, &["sync"]).status.code(), Some(7), "no key file takes its place");
    let mut by_environment = countersign(&home);
    by_environment.env("COUNTERSIGN_VAULT_PASSPHRASE", "correct horse");
    let synced = by_environment.args(["sync", "--json"]).output().unwrap();
    assert!(synced.status.success(), "{}", stderr(&synced));
    assert!(!stdout(&synced).contains("correct horse"));
}
