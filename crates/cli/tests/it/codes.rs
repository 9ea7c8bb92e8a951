//! The same cause ends with the same code, whatever the command is; and programs get it as
//! an object.

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::program::{Served, countersign, run, stderr};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

/// A home with one integration and its findings.
fn filled(seed: &str) -> (Served, tempfile::TempDir) {
    let served = Served::start(seed);
    let folder = tempfile::tempdir().unwrap();
    let (id, secret) = served.mint("reader", READER);
    assert!(served.add(folder.path(), (&id, &secret)).status.success());
    assert!(run(folder.path(), &["sync"]).status.success());
    (served, folder)
}

fn assert_told(output: &Output, args: &[&str], code: i32, words: &[&str]) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
    for word in words {
        assert!(told.contains(word), "{args:?}: `{word}` is not in: {told}");
    }
    assert!(!told.contains("os error") && !told.contains("Os {"), "{args:?}: {told}");
}

#[test]
fn an_address_that_is_taken() {
    let (_served, folder) = filled("apps=1,findings=3");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (args, hint) in [
        (&["serve", "--listen", &address][..], " serve --listen 127.0.0.1:0`"),
        (&["proxy", "--listen", &address], " proxy --listen 127.0.0.1:0`"),
        (&["platform", "serve", "--listen", &address], " platform serve --listen 127.0.0.1:0`"),
        (
            &["platform", "serve", "--listen", "127.0.0.1:0", "--console", &address],
            " platform serve --console 127.0.0.1:0`",
        ),
        (
            &["platform", "serve", "--listen", "127.0.0.1:0", "--control", &address],
            " platform serve --control 127.0.0.1:0`",
        ),
        // No address of this machine.
        (
            &["platform", "serve", "--listen", "192.0.2.1:0"],
            " platform serve --listen 127.0.0.1:0`",
        ),
    ] {
        let home = match args[0] {
            "platform" => folder.path().join("platform"),
            _ => folder.path().to_owned(),
        };
        assert_told(&run(&home, args), args, 2, &["failed to listen on `", hint]);
    }
}

/// The demo's address is known to its integration: no other will do, and no option either.
#[test]
fn the_address_of_a_demo_that_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let made = run(folder.path(), &["quickstart", "--once", "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let address = made["platform"]["rest_url"].as_str().unwrap().trim_start_matches("https://");
    let taken = TcpListener::bind(address).unwrap();
    let args = ["quickstart", "--once"];
    let refused = run(folder.path(), &args);
    let port = taken.local_addr().unwrap().port();
    assert_told(&refused, &args, 2, &["another program listens there", &format!(":{port}'`")]);
    assert!(!stderr(&refused).contains("--listen"));
}

#[test]
fn files_that_are_missing_or_none() {
    let (served, folder) = filled("apps=1,findings=3");
    let home = folder.path();
    let missing = home.join("no/such");
    let (missing, is_folder) = (missing.to_str().unwrap(), home.to_str().unwrap());
    for path in [missing, is_folder] {
        for args in [
            &["export", "--format", "csv", "--output", path][..],
            &["store", "backup", path],
            &["store", "restore", path],
            &["credentials", "calendar", "--output", path],
            &["credentials", "metrics", "--output", path],
            &["credentials", "export", "demo", "--format", "ini", "--output", path],
            &["credentials", "import", "ci", "--file", path],
            &["integration", "add", "x", "--import-file", path],
            &["proxy", "token", "x", "--output", path],
            &["proxy", "--listen", "127.0.0.1:0", "--ready-file", path],
            &["serve", "--listen", "127.0.0.1:0", "--ready-file", path],
            &["serve", "--listen", "127.0.0.1:0", "--tls-cert", path, "--tls-key", path],
            &["http", "POST", "/x", "--body", path],
            &["vault", "reseal", "--new-passphrase-file", path],
        ] {
            // A folder that is missing is named itself.
            assert_told(&run(home, args), args, 2, &[path.trim_end_matches("/such")]);
        }
        let control = served.platform_home();
        for args in [&["platform", "faults", "--plan", path][..], &["platform", "import", path]] {
            assert_told(&run(&control, args), args, 2, &[path]);
        }
    }
}

/// By the limit on the size of files, which is there without a full disk.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full() {
    let (_served, folder) = filled("apps=3,findings=3000");
    let home = folder.path();
    for args in [
        &["export", "--format", "csv", "--output", "out"][..],
        &["export", "--format", "sarif", "--output", "out"],
        &["store", "backup", "out"],
    ] {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -f 64; exec \"$0\" \"$@\""]);
        command.arg(env!("CARGO_BIN_EXE_countersign")).arg("--home").arg(home).args(args);
        let output = command.current_dir(home).stdin(Stdio::null()).output().unwrap();
        assert_told(&output, args, 7, &["a quota or a file size limit is full", "out"]);
        assert!(!home.join("out").exists(), "{args:?}");
    }
    #[cfg(target_os = "linux")]
    for args in [
        &["export", "--format", "csv"][..],
        &["export", "--format", "ndjson"],
        &["findings", "--json"],
        &["changes", "--json"],
        &["applications", "--json"],
        &["integration", "list"],
        &["credentials", "metrics"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = countersign(home);
        let output = command.args(args).stdout(full).stderr(Stdio::piped());
        let output = output.spawn().unwrap().wait_with_output().unwrap();
        assert_told(&output, args, 7, &["no space is left"]);
    }
}

/// One of each code that needs no other service.
#[test]
fn programs_get_an_object() {
    let (served, folder) = filled("apps=1,findings=3");
    let home = folder.path();
    let broken = tempfile::tempdir().unwrap();
    std::fs::write(broken.path().join("store.sqlite"), "this is no database at all").unwrap();
    let empty = tempfile::tempdir().unwrap();
    let (_, weak) = served.mint("uploader", READER);
    let stranger = "ab".repeat(16);
    let add = |id: &str| {
        let mut command = countersign(empty.path());
        command.env("VERACODE_API_KEY_ID", id).env("VERACODE_API_KEY_SECRET", &weak);
        command.args(["integration", "add", "x", "--import", "--json", "--url", &served.url]);
        command.arg("--ca-file").arg(&served.ca_file).output().unwrap()
    };
    for (output, code, cause) in [
        (run(home, &["findings", "--filter", "sevrity[eq]4", "--json"]), 2, "usage"),
        (run(home, &["findings", "--no-such-option", "--json"]), 2, "usage"),
        (run(home, &["no-such-command", "--json"]), 2, "usage"),
        (run(empty.path(), &["sync", "--json"]), 2, "usage"),
        (run(home, &["store", "backup", "/no/such/file", "--json"]), 2, "file"),
        (run(broken.path(), &["findings", "--json"]), 7, "storage"),
        (add(&stranger), 3, "not_authenticated"),
    ] {
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(output.stdout.is_empty(), "{told}");
        let object: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
        let error = &object["error"];
        assert_eq!((&error["code"], &error["cause"]), (&code.into(), &cause.into()), "{told}");
        assert!(!error["message"].as_str().unwrap().contains("hint:"), "{told}");
    }
}

#[test]
fn quiet_leaves_data_and_errors() {
    let (_served, folder) = filled("apps=1,findings=3");
    let run = |args: &[&str]| run(folder.path(), args);
    for args in [&["findings", "-q"][..], &["-q", "export", "--format", "csv"]] {
        let output = run(args);
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{}", stderr(&output));
    }
    assert_told(&run(&["finding", "zz", "--quiet"]), &["finding"], 2, &["error: "]);
    assert!(!run(&["findings"]).stderr.is_empty());
}
