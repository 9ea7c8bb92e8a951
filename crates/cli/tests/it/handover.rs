//! A rotation by the real binary, and everybody who runs the credential: what is refused,
//! who has the new pair afterwards, who is late, and when the old one ends.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_vault::{KvConfig, KvPath, SecretText, SignIn};
use serde_json::Value;

use crate::kv_server::{POOR, ROOT, Server};
use crate::program::{Served, countersign, stderr, stdout, write_secret};
use crate::watch::Receiver;

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];
const HOOK_SECRET: &str = "a shared secret of both ends";
const CREDENTIALS: &str = "# mine\n[other]\nveracode_api_key_id = theirs\n\n[ci]\nregion = eu\n";

struct Bench {
    served: Served,
    store: Server,
    receiver: Receiver,
    folder: tempfile::TempDir,
    old: (String, String),
    admin: String,
}

impl Bench {
    /// An integration `demo`, an administrator, a KV store and a receiver of webhooks.
    fn new() -> Self {
        let (served, folder) = (Served::start("apps=1,findings=3"), tempfile::tempdir().unwrap());
        let old = served.mint("reader", READER);
        let (admin_id, admin) = served.mint("boss", &["adminapi"]);
        let bench = Self {
            served,
            store: Server::start(),
            receiver: Receiver::start(),
            folder,
            old,
            admin,
        };
        let home = bench.home();
        for added in [
            bench.served.keep("integration", "demo", &home, (&bench.old.0, &bench.old.1)),
            bench.served.keep("credentials", "admin", &home, (&admin_id, &bench.admin)),
        ] {
            assert!(added.status.success(), "{}", stderr(&added));
        }
        std::fs::create_dir(bench.out()).unwrap();
        chmod(&bench.out(), 0o700);
        write_secret(&bench.path("hook.secret"), HOOK_SECRET);
        std::fs::write(bench.path("token"), ROOT).unwrap();
        std::fs::write(bench.path("poor"), POOR).unwrap();
        bench
    }

    fn home(&self) -> PathBuf {
        self.path("home")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where only its owner writes.
    fn out(&self) -> PathBuf {
        self.path("out")
    }

    fn configure(&self, consumers: &[(&str, String)]) {
        let text = consumers.iter().map(|(name, keys)| {
            format!("[[consumers]]\nname = \"{name}\"\ncredential = \"demo\"\n{keys}\n")
        });
        std::fs::write(self.home().join("config.toml"), text.collect::<String>()).unwrap();
    }

    fn kv(&self, token: &str) -> String {
        format!(
            "kind = \"kv\"\n[consumers.kv]\naddress = {:?}\nallow_http_loopback = true\n\
             path = \"teams/ci/veracode\"\ntoken_file = {:?}",
            self.store.address,
            self.path(token)
        )
    }

    fn kv_path(&self) -> KvPath {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = KvConfig {
            address: self.store.address.clone(),
            mount: "secret".into(),
            path: "teams/ci/veracode".into(),
            namespace: None,
            sign_in: SignIn::Token(SecretText::File(self.path("token"))),
            ca_pem: None,
            allow_http_loopback: true,
            timeout: Duration::from_secs(30),
            keys: "test",
        };
        KvPath::open(config, Arc::new(|| 0)).unwrap()
    }

    /// With everything that is logged, in which no secret is.
    fn run(&self, args: &[&str]) -> std::process::Output {
        let mut command = countersign(&self.home());
        let output = command.args(["--log", "trace"]).args(args).output().unwrap();
        self.assert_no_secret(&output.stdout);
        self.assert_no_secret(&output.stderr);
        output
    }

    fn well(&self, args: &[&str]) -> std::process::Output {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        output
    }

    /// Who does not run which version, with what was wrong.
    fn late(&self) -> Vec<(String, i64, String)> {
        let output = self.run(&["credentials", "consumers", "demo", "--json"]);
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let late = rows.iter().filter(|row| row["acknowledged_at"].is_null());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        late.map(|row| {
            (text(&row["consumer"]), row["version"].as_i64().unwrap(), text(&row["problem"]))
        })
        .collect()
    }

    /// The pair of today, from the file that has it.
    fn current(&self) -> Option<(String, String)> {
        let text = std::fs::read_to_string(self.out().join("ci.env")).ok()?;
        let mut values = text.lines().filter_map(|line| line.split_once('='));
        let (id, secret) = (values.next()?.1, values.next()?.1);
        Some((id.to_owned(), secret.to_owned()))
    }

    fn is_live(&self, (id, secret): (&str, &str)) -> bool {
        let elsewhere = tempfile::tempdir().unwrap();
        self.served.add(elsewhere.path(), (id, secret)).status.success()
    }

    fn assert_no_secret(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
        let current = self.current().map(|(_, secret)| secret);
        for secret in [Some(self.old.1.clone()), Some(self.admin.clone()), current].iter().flatten()
        {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_cannot_be_given_is_refused_and_left_as_it_is() {
    let bench = Bench::new();
    let file =
        |path: PathBuf, rest: &str| format!("kind = \"credentials_file\"\npath = {path:?}\n{rest}");
    let (real, link) = (bench.out().join("real"), bench.out().join("link"));
    std::fs::write(&real, CREDENTIALS).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    std::fs::create_dir(bench.path("shared")).unwrap();
    chmod(&bench.path("shared"), 0o1777);
    let broken = bench.out().join("broken");
    std::fs::write(&broken, "[ci]\nno tool reads this\n").unwrap();
    bench.configure(&[
        ("link", file(link, "")),
        ("shared", file(bench.path("shared").join("credentials"), "")),
        ("broken", file(broken.clone(), "profile = \"ci\"")),
        ("absent", file(bench.path("no/credentials"), "format = \"yaml\"")),
        ("denied", bench.kv("poor")),
    ]);
    let output = bench.run(&["credentials", "consumers", "--deliver"]);
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    let late = bench.late();
    for (name, word) in [
        ("link", "symbolic link"),
        ("shared", "others can write"),
        ("broken", "left as it is"),
        ("absent", "cannot be used"),
        ("denied", "status 403"),
    ] {
        let told = late.iter().find(|(consumer, ..)| consumer == name).unwrap();
        assert!(told.2.contains(word), "{told:?}");
    }
    assert_eq!(std::fs::read_to_string(&real).unwrap(), CREDENTIALS);
    assert_eq!(std::fs::read_to_string(&broken).unwrap(), "[ci]\nno tool reads this\n");
    assert_eq!(std::fs::read_dir(bench.path("shared")).unwrap().count(), 0);
    assert_eq!(bench.store.secrets(), 0, "nothing is written");
}

#[test]
fn everybody_runs_the_new_pair_and_the_old_one_waits_for_the_last() {
    let bench = Bench::new();
    let out = bench.out();
    let (script, go) = (bench.path("take"), bench.path("go"));
    std::fs::write(&script, format!("#!/bin/sh\necho $VERACODE_API_KEY_SECRET\ntest -e {go:?}\n"))
        .unwrap();
    chmod(&script, 0o700);
    std::fs::write(out.join("credentials"), CREDENTIALS).unwrap();
    std::fs::write(out.join("veracode.yml"), "packaging: # mine\n  trust: true\n").unwrap();
    let mut theirs = bench.kv_path().read().unwrap();
    theirs.set("theirs", "kept");
    assert!(bench.kv_path().write(&theirs).unwrap());
    let file = |kind: &str, name: &str, rest: &str| {
        format!("kind = \"{kind}\"\npath = {:?}\n{rest}", out.join(name))
    };
    bench.configure(&[
        ("script", format!("kind = \"command\"\ncommand = [{script:?}]")),
        ("ci", file("variables", "ci.env", "")),
        ("gitlab", file("variables", "ci.json", "format = \"json\"")),
        ("pods", file("kubernetes", "secret.yaml", "manifest_name = \"veracode\"")),
        ("tools", file("credentials_file", "credentials", "profile = \"ci\"")),
        ("shell", file("credentials_file", "tools.env", "format = \"env\"")),
        ("cli", file("credentials_file", "veracode.yml", "format = \"yaml\"")),
        ("store", bench.kv("token")),
        (
            "hook",
            format!(
                "kind = \"webhook\"\nurl = \"{}\"\nsecret_file = {:?}\nallow_http_loopback = true",
                bench.receiver.url,
                bench.path("hook.secret")
            ),
        ),
    ]);
    *bench.receiver.answer.lock().unwrap() = r#"{"version": 2}"#.into();

    let rotate = ["credentials", "rotate", "demo", "--by", "admin"];
    let output = bench.well(&[&rotate[..], &["--revoke-old", "--json"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let old = (bench.old.0.as_str(), bench.old.1.as_str());
    assert_eq!((&report["outcome"], &report["version"]), (&"done".into(), &2.into()), "{report}");
    assert_eq!(report["laggards"], serde_json::json!(["script"]));
    assert_eq!(report["to_revoke"], old.0);
    let (id, secret) = bench.current().unwrap();
    assert_eq!(report["new_api_id"], id.as_str());
    let why = "the command ended with 1".to_owned();
    assert_eq!(bench.late(), [("script".to_owned(), 2, why)]);
    assert!(bench.is_live(old) && bench.is_live((&id, &secret)));

    // What each of them holds, and what was theirs before.
    let text = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let ini = format!(
        "# mine\n[other]\nveracode_api_key_id = theirs\n\n[ci]\nveracode_api_key_id = {id}\n\
         veracode_api_key_secret = {secret}\nregion = eu\n"
    );
    assert_eq!(text("credentials"), ini);
    assert!(text("veracode.yml").starts_with("packaging: # mine\n  trust: true\n"));
    let base64 = data_encoding::BASE64.encode(secret.as_bytes());
    for (name, part) in [
        ("credentials", &secret),
        ("veracode.yml", &secret),
        ("tools.env", &secret),
        ("ci.json", &secret),
        ("secret.yaml", &base64),
    ] {
        assert!(text(name).contains(part), "{name}");
        let mode = std::fs::metadata(out.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let kept = bench.kv_path().read().unwrap();
    let key = |key: &str| kept.text(key).map(|text| text.to_string());
    assert_eq!(key("theirs").as_deref(), Some("kept"));
    assert_eq!(key("VERACODE_API_KEY_ID").as_ref(), Some(&id));
    assert_eq!(key("VERACODE_API_KEY_SECRET").as_ref(), Some(&secret));

    // While somebody lags, the watch revokes nothing.
    bench.well(&["credentials", "watch", "--once"]);
    assert!(bench.is_live(old));
    std::fs::write(&go, "").unwrap();
    let store = rusqlite::Connection::open(bench.home().join("store.sqlite")).unwrap();
    store.execute("update handovers set next_ms = 0", []).unwrap();
    let output = bench.well(&["credentials", "watch", "--once"]);
    assert!(stderr(&output).contains(&format!("revoked {}", old.0)), "{}", stderr(&output));
    assert_eq!(bench.late(), []);
    assert!(!bench.is_live(old) && bench.is_live((&id, &secret)));
    let output = bench.well(&["credentials", "watch", "--once"]);
    assert!(!stderr(&output).contains("revoked"), "once: {}", stderr(&output));
    let log = stdout(&bench.well(&["credentials", "log", "demo", "--limit", "0", "--json"]));
    for act in ["published", "revocation_waits", "handover_delivery_failed", "revoked"] {
        assert!(log.contains(&format!("\"act\":\"{act}\"")), "{act}: {log}");
    }
    assert!(bench.run(&["credentials", "log", "--verify"]).status.success());

    // Put back where somebody else wrote over it; the same in words; the old one is left.
    let mut theirs = bench.kv_path().read().unwrap();
    theirs.set("VERACODE_API_KEY_SECRET", "gone");
    assert!(bench.kv_path().write(&theirs).unwrap());
    std::fs::write(out.join("credentials"), CREDENTIALS).unwrap();
    assert_eq!(bench.late().iter().map(|(name, ..)| name).collect::<Vec<_>>(), ["tools", "store"]);
    bench.well(&["credentials", "watch", "--once"]);
    assert_eq!(bench.late(), []);
    std::fs::remove_file(&go).unwrap();
    *bench.receiver.answer.lock().unwrap() = r#"{"version": 3}"#.into();
    let told = stdout(&bench.well(&rotate));
    assert!(
        told.contains("outcome      rotated\n") && told.contains("not yet      script\n"),
        "{told}"
    );
    assert!(!told.contains("to revoke"), "{told}");
    assert!(bench.is_live((&id, &secret)), "nobody asked to revoke it");

    let told = bench.receiver.take();
    assert_eq!(told.len(), 2);
    told.iter().for_each(|one| bench.assert_no_secret(&one.body));
    bench.assert_no_secret(bench.store.seen().join("\n").as_bytes());
    for entry in std::fs::read_dir(bench.home()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            bench.assert_no_secret(&std::fs::read(path).unwrap());
        }
    }
}
