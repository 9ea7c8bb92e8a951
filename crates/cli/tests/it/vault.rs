//! `vault check`, `vault reseal`, and vaults that are not the file.

use std::path::Path;

use serde_json::Value;

use crate::program::{Served, countersign, run, stderr, stdout, write_secret};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];
const MANUAL: &str = include_str!("../../../../docs/reference/vault.md");

fn configure(home: &Path, text: &str) {
    std::fs::write(home.join("config.toml"), text).unwrap();
}

fn check(home: &Path) -> (Option<i32>, Value) {
    let output = run(home, &["vault", "check", "--json"]);
    let object = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no object, but: {}", stderr(&output)));
    (output.status.code(), object)
}

/// The program of the manual, as `[vault.command]`.
fn example(folder: &Path) -> String {
    let (_, rest) = MANUAL.split_once("```python\n").unwrap();
    let program = folder.join("example.py");
    std::fs::write(&program, rest.split_once("```").unwrap().0).unwrap();
    let safe = folder.join("safe");
    format!(
        "[vault]\nbackend = \"command\"\n[vault.command]\nprogram = \"python3\"\nargs = [\"-IS\", {program:?}, {safe:?}]\n"
    )
}

#[test]
fn a_vault_that_cannot_work_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let kv = "[vault]\nbackend = \"kv\"\n[vault.kv]\n";
    let open = format!("{kv}address = \"http://vault.example.com\"\n");
    let nobody = format!(
        "{kv}address = \"http://127.0.0.1:1\"\nallow_http_loopback = true\ntoken_env = \"THE_TOKEN\"\n"
    );
    for (config, code, word) in [
        ("[vault]\nbackend = \"kv\"\n", 2, "vault.kv.address"),
        (&open, 2, "VAULT_TOKEN"),
        (&nobody, 2, "THE_TOKEN"),
        (
            "[vault]\nbackend = \"command\"\n[vault.command]\nprogram = \"/nonexistent\"\n",
            2,
            "/nonexistent",
        ),
        (
            "[vault]\nbackend = \"command\"\n[vault.command]\nprogram = \"false\"\n",
            7,
            "write a probe",
        ),
    ] {
        configure(home, config);
        let output = run(home, &["vault", "check"]);
        assert_eq!(output.status.code(), Some(code), "{config}: {}", stderr(&output));
        assert!(stderr(&output).contains(word), "{config}: {}", stderr(&output));
    }
    configure(home, &open);
    let output =
        countersign(home).args(["vault", "check"]).env("VAULT_TOKEN", "hvs.x").output().unwrap();
    assert!(stderr(&output).contains("is not https"), "{}", stderr(&output));

    configure(home, &nobody);
    let mut command = countersign(home);
    let output = command.args(["vault", "check", "--json"]).env("THE_TOKEN", "hvs.x").output();
    let output = output.unwrap();
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &object["proven"]), (Some(7), &Value::Bool(false)));
    let problem = object["problem"].as_str().unwrap();
    assert!(
        problem.contains("failed to reach") && problem.contains("vault.kv.address"),
        "{problem}"
    );
    // What needs no secret does not wait for the vault.
    let listed = countersign(home).args(["findings"]).env("THE_TOKEN", "hvs.x").output().unwrap();
    assert!(listed.status.success(), "{}", stderr(&listed));
}

#[test]
#[cfg(feature = "keyring")]
fn a_keyring_without_a_bus_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), "[vault]\nbackend = \"keyring\"\n");
    let mut command = countersign(folder.path());
    command.env_remove("DBUS_SESSION_BUS_ADDRESS").env("XDG_RUNTIME_DIR", folder.path());
    let output = command.args(["vault", "check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.contains("write a probe") && told.contains("dbus-run-session"), "{told}");
}

#[test]
fn a_key_is_not_resealed_by_itself_nor_anywhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let reseal = |args: &[&str]| run(home, &[&["vault", "reseal"], args].concat());
    let refused = |args: &[&str], code: i32, word: &str| {
        let output = reseal(args);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
    };
    refused(&[], 2, "--new-key-file");
    refused(&["--new-key-file", "a", "--new-passphrase-file", "b"], 2, "cannot be used with");
    refused(&["--new-key-file", "a"], 2, "there is no vault yet");
    assert!(run(home, &["vault", "check"]).status.success());
    let own = home.join("vault.key");
    refused(&["--new-key-file", own.to_str().unwrap()], 7, "seals the vault already");
    refused(&["--new-passphrase-file", "/nonexistent/file"], 2, "/nonexistent/file");
    let empty = folder.path().join("empty");
    write_secret(&empty, "\n");
    refused(&["--new-passphrase-file", empty.to_str().unwrap()], 2, "is empty");
    configure(home, &example(home));
    refused(&["--new-key-file", "a"], 2, "only the sealed file");
}

#[test]
fn reseal_and_go_on_with_the_line_that_it_prints() {
    let served = Served::start("apps=1,findings=3");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let (id, secret) = served.mint("reader", READER);
    assert!(served.add(&home, (&id, &secret)).status.success());
    let passphrase = folder.path().join("passphrase");
    write_secret(&passphrase, "correct horse\n");
    let key = folder.path().join("new.key");
    for (option, path) in [("--new-passphrase-file", &passphrase), ("--new-key-file", &key)] {
        let output = run(&home, &["vault", "reseal", option, path.to_str().unwrap()]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stderr(&output).contains("1 secrets are sealed"), "{}", stderr(&output));
        let before = run(&home, &["sync"]);
        assert_eq!(before.status.code(), Some(7), "the old key: {}", stderr(&before));
        configure(&home, &stdout(&output));
        assert!(run(&home, &["sync"]).status.success());
        let (code, object) = check(&home);
        assert_eq!((code, &object["proven"]), (Some(0), &Value::Bool(true)), "{object}");
        assert_eq!(object["entries"][0]["api_id"], id.as_str());
        assert_eq!(object["entries"].as_array().unwrap().len(), 1);
    }
    assert!(home.join("vault.key").exists(), "backups may need it");
}

#[test]
fn a_program_of_ones_own_keeps_the_pair() {
    let served = Served::start("apps=1,findings=3");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir(&home).unwrap();
    configure(&home, &example(folder.path()));
    let (code, object) = check(&home);
    assert_eq!((code, object["backend"].as_str()), (Some(0), Some("command")), "{object}");
    assert_eq!(object["entries"], serde_json::json!([]));

    let (id, secret) = served.mint("reader", READER);
    let added = served.add(&home, (&id, &secret));
    assert!(added.status.success(), "{}", stderr(&added));
    assert!(run(&home, &["sync"]).status.success());
    assert!(!home.join("vault.json").exists());
    let safe = folder.path().join("safe").join("safe.json");
    assert!(std::fs::read_to_string(&safe).unwrap().contains(&secret));
    let output = run(&home, &["vault", "check"]);
    let told = stdout(&output);
    assert!(told.contains("proven") && told.contains(&id) && !told.contains(&secret), "{told}");
    assert!(run(&home, &["integration", "remove", "demo", "--yes"]).status.success());
    assert!(!std::fs::read_to_string(&safe).unwrap().contains(&secret));
    assert_eq!(check(&home).1["entries"][0]["destroyed"], true);
}
