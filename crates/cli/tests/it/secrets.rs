use crate::program::{Served, countersign, run, stderr, stdout, write_secret};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

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
    write_secret(&file, "\n");
    assert!(stderr(&served.add(&home, (&id, &secret))).contains("empty"));

    write_secret(&file, "correct horse\n");
    let added = served.add(&home, (&id, &secret));
    assert!(added.status.success(), "{}", stderr(&added));
    assert!(run(&home, &["sync"]).status.success());
    assert!(!home.join("vault.key").exists());

    write_secret(&file, "battery staple\n");
    assert_eq!(run(&home, &["sync"]).status.code(), Some(7));
    config("");
    assert_eq!(run(&home, &["sync"]).status.code(), Some(7), "no key file takes its place");
    let mut by_environment = countersign(&home);
    by_environment.env("COUNTERSIGN_VAULT_PASSPHRASE", "correct horse");
    let synced = by_environment.args(["sync", "--json"]).output().unwrap();
    assert!(synced.status.success(), "{}", stderr(&synced));
    assert!(!stdout(&synced).contains("correct horse"));
}
