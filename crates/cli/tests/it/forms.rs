use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use countersign_signing::OAuthClient;
use countersign_vault::{KeySource, SealedFile, Secret, Vault};

use crate::program::{Served, countersign, run, stderr, stdout, wait_until};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

fn assert_told(output: &Output, code: i32, word: &str) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(word), "`{word}` is not in: {told}");
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_swapped_pair_is_refused_wherever_it_is_entered() {
    let served = Served::start("empty");
    let folder = tempfile::tempdir().unwrap();
    let (id, secret) = served.mint("reader", READER);
    let swapped = served.add(folder.path(), (&secret, &id));
    assert_told(&swapped, 2, "these look swapped");
    assert!(stderr(&swapped).contains("hint: give the 32 hex digits as API ID"));
    assert!(!stderr(&swapped).contains(&secret));

    let file = folder.path().join(".veracode/credentials");
    write(
        &file,
        &format!("[default]\nveracode_api_key_id={secret}\nveracode_api_key_secret={id}\n"),
    );
    let imported = run(folder.path(), &["integration", "add", "demo", "--import"]);
    assert_told(&imported, 2, "these look swapped");
    let signed = run(folder.path(), &["sign", "--url", "https://api.veracode.com/x"]);
    assert_told(&signed, 2, "these look swapped");
    assert_eq!(stdout(&run(folder.path(), &["credentials", "list", "--json"])).trim(), "[]");
}

#[test]
fn what_was_pasted_with_a_secret_is_taken_out_and_told() {
    let served = Served::start("empty");
    let folder = tempfile::tempdir().unwrap();
    let (id, secret) = served.mint("reader", READER);
    let (head, tail) = secret.split_at(64);
    let pasted = format!("\u{201c}{head}\r\n\u{a0}{tail}\u{200b}\u{201d}\n");
    let added = served.add(folder.path(), (&format!(" {id}"), &pasted));
    assert_told(&added, 0, "taken out of the API ID: 1 blank");
    let told = "taken out of the Secret Key: 1 blank, 1 line break, 2 quotation marks, 1 invisible";
    assert!(stderr(&added).contains(told), "{}", stderr(&added));
    assert!(run(folder.path(), &["integration", "check"]).status.success());
}

#[test]
fn a_pair_is_imported_from_each_form() {
    let served = Served::start("empty");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (id, secret) = served.mint("reader", READER);
    let file = home.join("file");
    let import = |name: &str, rest: &[&str]| {
        let mut command = countersign(home);
        command.args(["integration", "add", name, "--ca-file"]).arg(&served.ca_file);
        command.args(rest).output().unwrap()
    };
    let path = file.to_str().unwrap();
    let from_file = ["--import-file", path];

    assert_told(&import("x", &from_file), 2, "failed to read");
    for (text, word) in [
        ("<pair/>", "none of the forms"),
        ("[other]\nx = 1\n", "no section `[default]`"),
        ("api:\n  key-id: a1\n", "no `api:` with key-id and key-secret"),
        ("api:\n  key-id: [a1]\n  key-secret: b\n", "line 2"),
        ("VERACODE_API_KEY_ID=a1\n", "no VERACODE_API_KEY_ID with"),
    ] {
        write(&file, text);
        assert_told(&import("x", &from_file), 2, word);
    }
    assert_told(&import("x", &["--profile", "ci"]), 2, "add `--import`");
    assert_told(&import("x", &["--import", "--profile", "ci"]), 2, "there is no such file");

    write(
        &file,
        &format!(
            "api:\n  key-id: {id}\n  key-secret: {secret}\n  override-api-base-url: {}\n",
            served.url
        ),
    );
    assert_told(&import("x", &[&from_file[..], &["--profile", "ci"]].concat()), 2, "no profiles");
    assert_told(&import("yaml", &from_file), 0, "importing the API credentials from");
    let ini = format!("[ci]\nveracode_api_key_id={id}\nveracode_api_key_secret={secret}\n");
    write(&file, &ini);
    let with_url = ["--url", &served.url, "--profile", "ci"];
    assert_told(&import("ini", &[&from_file[..], &with_url].concat()), 0, "[ci]");
    write(&home.join(".veracode/credentials"), &ini.replace("[ci]", "[greenlight]"));
    let old =
        run(home, &["credentials", "import", "x", "--profile", "default", "--url", &served.url]);
    assert_told(&old, 5, "certificate");
    assert_told(&import("old", &["--import", "--url", &served.url]), 0, "credentials` [default]");
    let mut command = countersign(home);
    command.env("VERACODE_API_ID", &id).env("VERACODE_API_KEY", &secret);
    command.env("VERACODE_OVERRIDE_API_BASE_URL", &served.url);
    command.args(["credentials", "import", "environment", "--ca-file"]).arg(&served.ca_file);
    assert_told(
        &command.output().unwrap(),
        0,
        "importing the API credentials from the environment",
    );
}

/// A home with the integration `demo`, and the Secret Key of its pair.
fn with_pair(served: &Served) -> (tempfile::TempDir, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (id, secret) = served.mint("reader", READER);
    assert!(served.add(folder.path(), (&id, &secret)).status.success());
    (folder, id, secret)
}

#[test]
#[cfg(unix)]
fn a_pair_is_not_exported_where_others_could_see_it() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let served = Served::start("empty");
    let (folder, _, secret) = with_pair(&served);
    let home = folder.path();
    let export =
        |rest: &[&str]| run(home, &[&["credentials", "export", "demo", "--format"], rest].concat());
    let at = |name: &str| home.join(name).to_str().unwrap().to_owned();
    assert_told(&export(&["ini"]), 2, "--output");
    assert_told(&export(&["env", "--output", "x", "--profile", "ci"]), 2, "profiles");
    symlink(home.join("real"), home.join("link")).unwrap();
    assert_told(&export(&["ini", "--output", &at("link")]), 2, "symbolic link");
    let open = home.join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    assert_told(&export(&["yaml", "--output", &at("open/x")]), 2, "others can write");
    write(&home.join("broken"), "[a]\n[a]\n");
    assert_told(&export(&["ini", "--output", &at("broken")]), 2, "left as it is: line 2");
    assert!(!home.join("real").exists() && std::fs::read_dir(&open).unwrap().count() == 0);

    // A terminal of our own.
    let terminal = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).unwrap();
    rustix::pty::grantpt(&terminal).and_then(|()| rustix::pty::unlockpt(&terminal)).unwrap();
    let name = rustix::pty::ptsname(&terminal, Vec::new()).unwrap();
    let screen = std::fs::File::options().write(true).open(name.to_str().unwrap()).unwrap();
    let mut command = countersign(home);
    command.args(["credentials", "export", "demo", "--format", "env", "--output", "-"]);
    let shown = command.stdout(screen).stderr(Stdio::piped()).spawn().unwrap();
    assert_told(&shown.wait_with_output().unwrap(), 2, "not shown on a terminal");
    let piped = export(&["env", "--output", "-"]);
    assert!(stdout(&piped).contains(&format!("\nVERACODE_API_KEY={secret}\n")));
    assert!(!stderr(&piped).contains(&secret));
}

#[test]
fn an_oauth_client_goes_into_no_form() {
    let served = Served::start("empty");
    let (folder, ..) = with_pair(&served);
    let home = folder.path();
    let key = KeySource::KeyFile(home.join("vault.key"));
    let random = std::sync::Arc::new(|bytes: &mut [u8]| bytes.fill(7));
    let vault = SealedFile::open(&home.join("vault.json"), key, random).unwrap();
    let client = OAuthClient::parse("a-client", "a-client-secret").unwrap();
    let version = vault.put("integration/demo", &Secret::OAuthClient(client), 1).unwrap();
    let store = rusqlite::Connection::open(home.join("store.sqlite")).unwrap();
    store.execute("update credentials set kind = 'oauth', version = ?", [version]).unwrap();
    for form in ["ini", "env", "yaml"] {
        let output = home.join(form);
        let args = ["credentials", "export", "demo", "--format", form, "--output"];
        let refused = countersign(home).args(args).arg(&output).output().unwrap();
        assert_told(&refused, 2, "an OAuth client, which has no HMAC credentials");
        assert!(!output.exists());
    }
}

#[test]
#[cfg(unix)]
fn what_is_exported_is_imported_and_the_rest_stays() {
    use std::os::unix::fs::PermissionsExt;
    let served = Served::start("empty");
    let (folder, id, secret) = with_pair(&served);
    let home = folder.path();
    for (form, before, profile) in [
        ("ini", "# ours\n[default]\nveracode_api_key_id = old\n[other]\nx = 1\n", "default"),
        ("ini", "# ours\n[default]\nveracode_api_key_id = old\n", "ci"),
        ("env", "# ours\nPATH_TO=here\nexport VERACODE_API_KEY='old'\n", "default"),
        ("yaml", "# ours\napi:\n  timeout: 30\n  key-id: old\n", "default"),
    ] {
        let path = home.join(format!("{form}-{profile}"));
        write(&path, before);
        let file = path.to_str().unwrap();
        let mut args = vec!["credentials", "export", "demo", "--format", form, "--output", file];
        args.extend(["--profile", profile]);
        let exported = run(home, &args);
        assert_told(&exported, 0, "the API credentials of `demo` are in");
        assert!(!stderr(&exported).contains(&secret) && exported.stdout.is_empty());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
        let after = std::fs::read_to_string(&path).unwrap();
        assert!(after.starts_with("# ours\n") && after.contains(&id), "{form}");
        assert_eq!(after.contains("old"), profile == "ci", "{form}");

        let name = format!("{form}-{profile}");
        let mut import = countersign(home);
        import.args(["credentials", "import", &name, "--file", file, "--url", &served.url]);
        if profile != "default" {
            import.args(["--profile", profile]);
        }
        let imported = import.arg("--ca-file").arg(&served.ca_file).output().unwrap();
        assert_told(&imported, 0, "importing the API credentials from");
        assert!(!stderr(&imported).contains("taken out"), "{}", stderr(&imported));
    }
    let left: Vec<_> = std::fs::read_dir(home).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with('.')), "{left:?}");
}

/// `credentials env demo -- sh -c SCRIPT`, with a pair of elsewhere around it.
#[cfg(unix)]
fn with_env(home: &Path, script: &str) -> Command {
    let mut command = countersign(home);
    command.env("VERACODE_API_KEY_ID", "elsewhere").env("VERACODE_API_PROFILE", "elsewhere");
    command.env("COUNTERSIGN_VAULT_PASSPHRASE_OF_ANOTHER", "elsewhere").env("KEPT", "kept");
    command.args(["credentials", "env", "demo", "--", "sh", "-c", script]);
    command
}

#[test]
#[cfg(unix)]
fn a_command_gets_the_pair_in_its_environment_alone() {
    let served = Served::start("empty");
    let (folder, id, secret) = with_pair(&served);
    let home = folder.path();
    assert_told(&run(home, &["credentials", "env", "absent", "--", "true"]), 2, "absent");
    assert_told(&run(home, &["credentials", "env", "demo"]), 2, "COMMAND");
    let absent = run(home, &["credentials", "env", "demo", "--", "no-such-command"]);
    assert_told(&absent, 127, "failed to run `no-such-command`");

    let seen = with_env(home, "env; cat; echo told >&2; exit 7")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut seen = seen.unwrap();
    seen.stdin.take().unwrap().write_all(b"through\n").unwrap();
    let seen = seen.wait_with_output().unwrap();
    assert_eq!((seen.status.code(), stderr(&seen).as_str()), (Some(7), "told\n"));
    let lines = stdout(&seen);
    for (name, value) in [
        ("VERACODE_API_KEY_ID", id.as_str()),
        ("VERACODE_API_KEY_SECRET", &secret),
        ("VERACODE_API_ID", &id),
        ("VERACODE_API_KEY", &secret),
        ("VERACODE_OVERRIDE_API_BASE_URL", &served.url),
        ("KEPT", "kept"),
    ] {
        assert!(lines.lines().any(|line| line == format!("{name}={value}")), "{name}");
    }
    assert!(!lines.contains("elsewhere") && lines.ends_with("through\n"), "{lines}");
    let killed = with_env(home, "kill -KILL $$").output().unwrap();
    assert_eq!(killed.status.code(), Some(137));
}

#[test]
#[cfg(target_os = "linux")]
fn signals_go_through_and_our_own_environment_stays_clean() {
    let served = Served::start("empty");
    let (folder, _, secret) = with_pair(&served);
    let ready = folder.path().join("ready");
    for (signal, code) in [("TERM", 9), ("HUP", 7), ("INT", 8)] {
        // A terminal sends this one itself, so it is not sent on from there.
        if signal == "INT" && std::fs::File::open("/dev/tty").is_ok() {
            continue;
        }
        let traps = "trap 'exit 9' TERM; trap 'exit 8' INT; trap 'exit 7' HUP";
        let script = format!("{traps}; : >{}; read line", ready.display());
        let mut command = with_env(folder.path(), &script);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let _open = child.stdin.take();
        wait_until("the command", || ready.exists());
        let own = std::fs::read(format!("/proc/{}/environ", child.id())).unwrap();
        let line = std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
        let holds = |bytes: &[u8]| bytes.windows(128).any(|window| window == secret.as_bytes());
        assert!(!own.is_empty() && !holds(&own) && !holds(&line), "the Secret Key is in ours");
        let process = child.id().to_string();
        assert!(
            Command::new("kill")
                .args([&format!("-{signal}"), &process])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        std::fs::remove_file(&ready).unwrap();
    }
}
