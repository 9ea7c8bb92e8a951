//! One life with everything in it, as talkative as it can be. Afterwards every secret
//! that there ever was is looked for in every place that there is.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;

use countersign_vault::{KeySource, MasterKey, SealedFile, Secret, unseal};
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::life::{Life, Receiver, Stays, TAKES_SECRET, last_words, leaks};
use super::needles::Needles;
use crate::program::{Served, run, stdout, wait_until, write_secret};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];
const HOOK: &str = "what both ends of the webhook know";
const EVENT_KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";
const PASSPHRASE: &str = "correct horse battery staple";
const PROXY_PASSWORD: &str = "of-the-proxy-on-the-way";

/// Given a pair in its environment, by `credentials env` and as a consumer: waits until
/// somebody looked at it, with what is built into the shell alone.
const TAKER: &str = r#"#!/bin/sh
i=0
until [ -e "WAS_SEEN" ] || [ $i -ge 400000 ]; do i=$((i+1)); done
[ -e "WAS_SEEN" ]
"#;

/// Where which secret belongs: a part of the place's name, and of the secret's.
const EXCUSED: &[(&str, &str)] = &[
    ("/home/vault.key", "vault key"),
    ("/platform/master.key", "master key"),
    ("/platform/ca.key", "authority key"),
    ("/platform/control.json", "control token"),
    ("/ready.json", "control token"),
    ("/ready.json", "first password"),
    ("/ready.json", "mailbox token"),
    ("/hook.secret", "webhook secret"),
    ("/passphrase", "passphrase"),
    ("/out/ci.token", "broker token"),
    // Copies for consumers and other tools.
    ("/out/ci.env", "pair"),
    ("/out/secret.yaml", "pair"),
    ("/out/exported.", "pair"),
    // Who is given one.
    ("environment of /bin/sh ", "pair"),
];

struct Scene {
    life: Life,
    served: Served,
    needles: Needles,
    /// Secrets that a vault was seen to hold.
    held: BTreeSet<Vec<u8>>,
    receiver: Receiver,
}

impl Scene {
    fn set() -> Self {
        let life = Life::new();
        let log = std::fs::File::create(life.path("logs").join("platform")).unwrap();
        let served = Served::start_by("apps=2,findings=20", |command| {
            life.prepare(command);
            command.args(["--listen", "127.0.0.1:0"]).stderr(log);
        });
        life.look_at(served.process());
        let mut needles = Needles::default();
        needles.add_text("webhook secret", HOOK);
        needles.add_text("passphrase", PASSPHRASE);
        needles.add_text("proxy password", PROXY_PASSWORD);
        let mut scene =
            Self { life, served, needles, held: BTreeSet::new(), receiver: Receiver::start() };
        scene.configure();
        scene
    }

    fn configure(&mut self) {
        let out = self.life.path("out");
        let secret = self.life.path("hook.secret");
        write_secret(&secret, &format!("{HOOK}\n"));
        let taker = self.make_taker();
        let hook = format!(
            "url = \"{}\"\nsecret_file = {secret:?}\nallow_http_loopback = true\n",
            self.receiver.url
        );
        std::fs::create_dir(self.life.path("home")).unwrap();
        let config = format!(
            "[client]\nretry_budget_seconds = 1\n\
             [watch]\ncalendar = {:?}\nmetrics = {:?}\nsnapshot = {:?}\n\
             [[watch.webhooks]]\nname = \"ops\"\n{hook}\
             [[consumers]]\nname = \"ci\"\ncredential = \"reader\"\nkind = \"variables\"\npath = {:?}\n\
             [[consumers]]\nname = \"pods\"\ncredential = \"reader\"\nkind = \"kubernetes\"\npath = {:?}\nmanifest_name = \"veracode\"\n\
             [[consumers]]\nname = \"script\"\ncredential = \"reader\"\nkind = \"command\"\ncommand = [{taker:?}]\n\
             [[consumers]]\nname = \"portal\"\ncredential = \"reader\"\nkind = \"webhook\"\n{hook}\
             [[destinations]]\nname = \"events\"\nmode = \"live\"\nallow_http_loopback = true\n\
             allow_networks = [\"127.0.0.1\"]\nwebhook.url = {:?}\n",
            out.join("feed.ics"),
            out.join("feed.prom"),
            out.join("feed.json"),
            out.join("ci.env"),
            out.join("secret.yaml"),
            self.receiver.url,
        );
        std::fs::write(self.life.path("home/config.toml"), config).unwrap();
    }

    fn make_taker(&self) -> String {
        let text = TAKER.replace("WAS_SEEN", &self.life.path("out/was-seen").display().to_string());
        let path = self.life.path(TAKES_SECRET);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        path.display().to_string()
    }

    fn add(&mut self, home: &str, line: &[&str], url: &str, secret: &str) -> std::process::Output {
        let ca = self.served.ca_file.display().to_string();
        let args = [line, &["--client-secret-stdin", "--url", url, "--ca-file", &ca]].concat();
        self.life.run_with(home, &args, secret, &[], true)
    }

    fn add_well(&mut self, line: &[&str], secret: &str) {
        let url = self.served.url.clone();
        let output = self.add("home", line, &url, secret);
        assert!(output.status.success(), "{line:?}: {}", last_words(&output));
    }

    fn rotated(&mut self, args: &[&str]) {
        let args = [&["credentials", "rotate", "reader", "--json"], args].concat();
        let output = self.life.run("home", &args);
        let object: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        assert_eq!(object["outcome"], "done", "{args:?}: {}", last_words(&output));
        self.note_vault();
    }

    /// What the vault holds now is looked for later, wherever it is by then.
    fn note_vault(&mut self) {
        let key = KeySource::KeyFile(self.life.path("home/vault.key"));
        let random = Arc::new(|_: &mut [u8]| panic!("reading needs no randomness"));
        let vault = SealedFile::open(&self.life.path("home/vault.json"), key, random).unwrap();
        for (name, held) in Needles::held_by(&*vault) {
            self.held.insert(held.secret().expose().to_vec());
            let kind = if matches!(held, Secret::Pair(_)) { "pair" } else { "oauth secret" };
            self.needles.add_bytes(&format!("{kind} {name}"), held.secret().expose());
        }
    }

    /// Every pair that the platform ever made, those included that nobody received.
    fn note_platform(&mut self) -> usize {
        let home = self.served.platform_home();
        let hex = std::fs::read_to_string(home.join("master.key")).unwrap();
        let master = HEXLOWER.decode(hex.trim().as_bytes()).unwrap();
        self.needles.add_bytes("master key", &master);
        let master = MasterKey::from_bytes(master.try_into().unwrap());
        let database = self.served.database();
        let mut rows = database.prepare("select api_id, sealed from credentials").unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let mut made = BTreeSet::new();
        for row in rows {
            let (id, sealed): (String, Vec<u8>) = row.unwrap();
            let secret = unseal(&master, id.as_bytes(), &sealed).unwrap();
            self.needles.add_bytes(&format!("pair {id}"), &secret);
            made.insert(secret.to_vec());
        }
        let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
        let unknown: Vec<_> = self.held.iter().filter(|one| !made.contains(*one)).collect();
        // The OAuth client's: the platform keeps its digest alone.
        // And the key of a destination.
        assert!(unknown.len() <= 3, "{}", unknown.iter().map(|one| hex(one)).collect::<String>());
        made.len()
    }
}

#[test]
#[cfg(target_os = "linux")]
fn no_secret_is_anywhere_else() {
    let mut scene = Scene::set();
    let url = scene.served.url.clone();

    // What there is: an integration, an administrator, a twin, copies.
    let (reader, reader_secret) = scene.served.mint("reader", READER);
    let (twin, twin_secret) = scene.served.mint("twin", READER);
    let (admin, admin_secret) = scene.served.mint("admin", &["adminapi"]);
    scene.add_well(&["integration", "add", "reader", "--client-id", &reader], &reader_secret);
    let line = |name: &'static str, id: &str| {
        ["credentials", "add", name, "--client-id", id].map(String::from)
    };
    for (name, id, secret) in [("admin", &admin, &admin_secret), ("twin", &twin, &twin_secret)] {
        let line = line(name, id);
        scene.add_well(&line.each_ref().map(String::as_str), secret);
    }
    scene.note_vault();
    scene.life.well("home", &["sync", "reader"]);
    let taker = scene.life.path(TAKES_SECRET).display().to_string();
    scene.life.well("home", &["credentials", "env", "reader", "--", &taker]);
    for form in ["env", "yaml"] {
        let file = scene.life.path("out").join(format!("exported.{form}")).display().to_string();
        let export = ["credentials", "export", "reader", "--format", form, "--output", &file];
        scene.life.well("home", &export);
    }
    scene.life.run("home", &["credentials", "consumers", "--deliver"]);
    delivered(&mut scene);

    // Replaced in every way, and killed in the middle.
    scene.rotated(&["--by", "admin"]);
    scene.rotated(&["--mode", "self", "--by", "admin"]);
    scene.rotated(&["--mode", "twins", "--twin", "twin", "--by", "admin"]);
    killed_and_gone_on_with(&mut scene);

    oauth(&mut scene);
    broker(&mut scene);
    told(&mut scene);
    refused(&mut scene, &url, (&twin, &twin_secret));

    let requests = scene.receiver.take();
    assert!(requests.len() >= 4, "only {} requests of webhooks", requests.len());
    for (at, request) in requests.into_iter().enumerate() {
        scene.life.add(format!("request {at} of a webhook"), request);
    }
    scene.note_vault();
    let made = scene.note_platform();
    assert!(made >= 7, "only {made} pairs were made");
    search(scene);
}

/// Events to a destination whose key is in the vault.
fn delivered(scene: &mut Scene) {
    let stored = ["deliver", "secret", "events", "--secret-stdin"];
    let output = scene.life.run_with("home", &stored, EVENT_KEY, &[], true);
    assert!(output.status.success(), "{}", last_words(&output));
    scene.note_vault();
    for args in [
        &["deliver", "test", "events"][..],
        &["deliver", "run", "--json"],
        &["deliver", "backfill", "events", "--json"],
        &["deliver", "run"],
        &["deliver", "list", "--json"],
        &["deliver", "list", "events", "--json"],
        &["deliver", "show", "1"],
    ] {
        scene.life.well("home", args);
    }
}

/// Dies at some steps of a rotation: what is on disk at that moment is a place.
fn killed_and_gone_on_with(scene: &mut Scene) {
    let one = ["credentials", "rehearse-one", "reader", "--mode", "administrator", "--by", "admin"];
    for step in ["3", "5", "7"] {
        // On a slow machine an answer may be given up before that step is reached.
        let is_killed = (0..5).any(|_| {
            let output = scene.life.run("home", &[&one[..], &["--die-at", step]].concat());
            let is_killed = output.status.signal() == Some(9);
            let (home, tmp) = (scene.life.path("home"), scene.life.path("tmp"));
            scene.life.add_files(&format!("after it was killed at step {step}"), &home);
            scene.life.add_files(&format!("after it was killed at step {step}"), &tmp);
            scene.note_vault();
            // Gone on with by a rehearsal too: `rotate` waits two minutes for an answer that
            // may come late.
            let output = scene.life.run("home", &[&one[..], &["--check"]].concat());
            assert!(output.status.success(), "step {step}: {}", last_words(&output));
            scene.note_vault();
            is_killed
        });
        assert!(is_killed, "it never came to step {step}");
    }
}

/// A client made by the API, exchanged for tokens.
fn oauth(scene: &mut Scene) {
    let body = scene.life.path("body.json");
    std::fs::write(&body, "{\"name\":\"nightly\"}").unwrap();
    let file = body.display().to_string();
    let path = "/api/authn/v2/oauth_clients";
    let made = scene
        .life
        .tells("home", &["http", "POST", path, "--integration", "reader", "--body", &file]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let (id, secret) = (text("client_id"), text("client_secret"));
    scene.needles.add_text("oauth secret", &secret);
    scene.add_well(&["integration", "add", "tokens", "--oauth", "--client-id", &id], &secret);
    scene.life.well("home", &["sync", "tokens"]);
}

/// curl calls through the broker, which writes its log all the while.
fn broker(scene: &mut Scene) {
    let file = scene.life.path("out/ci.token").display().to_string();
    scene.life.well("home", &["proxy", "token", "ci", "--output", &file]);
    let token = std::fs::read_to_string(&file).unwrap().trim_end().to_owned();
    scene.needles.add_text("broker token", &token);
    let ready = scene.life.path("proxy.json");
    let place = ready.display().to_string();
    let arguments = ["proxy", "reader", "--listen", "127.0.0.1:0", "--ready-file", &place];
    let Stays(ref mut broker) = scene.life.start("home", &arguments);
    wait_until("the broker", || {
        assert!(broker.try_wait().unwrap().is_none(), "the broker ended");
        ready.exists()
    });
    let object: Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
    for (path, word) in [("/appsec/v1/applications", "200"), ("/api/authn/v2/users", "403")] {
        let url = format!("{}{path}", object["url"].as_str().unwrap());
        let mut curl = Command::new("curl");
        // By a file, as the document says: its command line is looked at as well.
        let header = scene.life.path("out/ci.token.header");
        std::fs::write(&header, format!("Authorization: Bearer {token}\n")).unwrap();
        curl.args(["-sS", "-v", "-o"]).arg(scene.life.path("out/answer"));
        curl.args(["-w", "%{http_code}", "-H"]).arg(format!("@{}", header.display())).arg(&url);
        let output = curl.output().unwrap();
        assert_eq!(stdout(&output), word);
    }
    scene.life.well("home", &["proxy", "callers"]);
    scene.life.well("home", &["proxy", "log", "--json"]);
}

/// Everything that is printed for people and for programs.
fn told(scene: &mut Scene) {
    let database = scene.served.database();
    let sql = "update credentials set expires_ms = unixepoch() * 1000 + 20 * 86400000";
    database.execute(sql, []).unwrap();
    for args in [
        &["credentials", "list", "--refresh"][..],
        &["credentials", "list", "--json"],
        &["credentials", "calendar"],
        &["credentials", "metrics"],
        &["credentials", "consumers"],
        &["credentials", "consumers", "--json"],
        &["credentials", "log"],
        &["credentials", "log", "--json"],
        &["credentials", "log", "--verify"],
        &["credentials", "watch", "--once"],
        &["credentials", "watch", "--once", "--json"],
        &["credentials", "acknowledge", "reader"],
        &["integration", "check", "reader"],
        &["integration", "show", "reader", "--json"],
        &["integration", "list"],
        &["vault", "check"],
        &["vault", "check", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["findings", "--json"],
        &["export", "--format", "csv"],
        &["sign", "--url", "https://127.0.0.1/x", "--integration", "reader"],
    ] {
        let output = scene.life.run("home", args);
        let code = output.status.code();
        // The doctor has something to say of pairs that end soon.
        let is_well = code == Some(0) || args[0] == "doctor" && code == Some(3);
        assert!(is_well, "{args:?} ended with {code:?}: {}", last_words(&output));
    }
    // The platform's own commands live in its home.
    for args in [
        &["platform", "audit", "--json"][..],
        &["platform", "outbox", "--json"],
        &["platform", "requests", "--json"],
        &["platform", "requests", "--har"],
    ] {
        let output = run(&scene.served.platform_home(), &[&["--log", "trace"], args].concat());
        assert!(output.status.success(), "{args:?}: {}", last_words(&output));
        scene.life.add(format!("stdout of {args:?}"), output.stdout);
        scene.life.add(format!("stderr of {args:?}"), output.stderr);
    }
}

/// What goes wrong, on purpose.
fn refused(scene: &mut Scene, url: &str, (id, secret): (&str, &str)) {
    let code = |output: &std::process::Output| output.status.code();
    let add = ["integration", "add", "other", "--client-id"];
    // A Secret Key that is another pair's; one that is too short; both halves swapped.
    let reversed: String = secret.chars().rev().collect();
    scene.needles.add_bytes("pair of nobody", &HEXLOWER.decode(reversed.as_bytes()).unwrap());
    let output = scene.add("home", &[&add[..], &[id]].concat(), url, &reversed);
    assert_eq!(code(&output), Some(3), "{}", last_words(&output));
    let output = scene.add("home", &[&add[..], &[id]].concat(), url, &format!("{secret}zz"));
    assert_eq!(code(&output), Some(2), "{}", last_words(&output));
    let file = scene.life.path("out/exported.swapped");
    let swapped = format!("VERACODE_API_KEY_ID={secret}\nVERACODE_API_KEY_SECRET={id}\n");
    std::fs::write(&file, swapped).unwrap();
    let file = file.display().to_string();
    let output =
        scene.life.run("home", &["credentials", "import", "other", "--file", &file, "--url", url]);
    assert_eq!(code(&output), Some(2), "{}", last_words(&output));
    // Nobody there; and a proxy that nobody answers at, with a password.
    let nobody = ["--allow-http-loopback"];
    let line = [&add[..], &[id], &nobody].concat();
    let output = scene.add("home", &line, "http://127.0.0.1:1", secret);
    assert_eq!(code(&output), Some(5), "{}", last_words(&output));
    let path = scene.life.path("home/config.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    for proxy in ["127.0.0.1:1", "127.0.0.1:1:1"] {
        let line = format!("[client]\nproxy = \"http://somebody:{PROXY_PASSWORD}@{proxy}\"\n");
        std::fs::write(&path, config.replace("[client]\n", &line)).unwrap();
        for args in [&["sync", "reader"][..], &["doctor"], &["credentials", "rotate", "reader"]] {
            let output = scene.life.run("home", args);
            assert!(matches!(code(&output), Some(2 | 5)), "{args:?}: {}", last_words(&output));
        }
    }
    std::fs::write(&path, format!("{config}[vault]\npassphrase = \"{PROXY_PASSWORD}\"\n")).unwrap();
    assert_eq!(code(&scene.life.run("home", &["sync"])), Some(2));
    std::fs::write(&path, config).unwrap();

    // A vault that is sealed by a passphrase, and the wrong one.
    let passphrase = scene.life.path("passphrase");
    write_secret(&passphrase, &format!("{PASSPHRASE}\n"));
    let sealed = scene.life.path("sealed");
    std::fs::create_dir(&sealed).unwrap();
    let config = format!("[vault]\npassphrase_file = {passphrase:?}\n");
    std::fs::write(sealed.join("config.toml"), config).unwrap();
    let output =
        scene.add("sealed", &["integration", "add", "twin", "--client-id", id], url, secret);
    // It was rotated away from, so it may be refused: the vault was opened all the same.
    assert!(matches!(code(&output), Some(0 | 3)), "{}", last_words(&output));
    scene.life.run("sealed", &["vault", "check"]);
    let other = format!("{PASSPHRASE} and more");
    let wrong = [("COUNTERSIGN_VAULT_PASSPHRASE", "another one than that")];
    write_secret(&passphrase, &format!("{other}\n"));
    scene.life.run("sealed", &["vault", "check"]);
    std::fs::write(sealed.join("config.toml"), "").unwrap();
    scene.life.run_with("sealed", &["sync"], "", &wrong, true);
    scene.needles.add_text("passphrase", &other);
}

fn search(scene: Scene) {
    let Scene { mut life, served, mut needles, .. } = scene;
    let ready: Value = {
        let bytes = std::fs::read(served.home.path().join("ready.json")).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    needles.add_text("control token", ready["control_token"].as_str().unwrap());
    let link = ready["mailbox_url"].as_str().unwrap();
    needles.add_text("mailbox token", link.rsplit('/').next().unwrap());
    needles.add_text("first password", ready["admin"]["password"].as_str().unwrap());
    let key = std::fs::read_to_string(life.path("home/vault.key")).unwrap();
    needles.add_bytes("vault key", &HEXLOWER.decode(key.trim().as_bytes()).unwrap());
    let key = std::fs::read_to_string(served.platform_home().join("ca.key")).unwrap();
    let key: Vec<_> = key.lines().filter(|line| !line.starts_with("---")).collect();
    key.iter().take(2).for_each(|line| needles.add_text("authority key", line));
    let key = data_encoding::BASE64.decode(key.concat().as_bytes()).unwrap();
    // The key itself follows a head that says what it is.
    needles.add_bytes("authority key", &key[36..68]);
    let database = served.database();
    let mut rows = database.prepare("select digest from oauth_tokens").unwrap();
    let tokens: BTreeSet<[u8; 32]> =
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(!tokens.is_empty(), "no token was made");
    drop(rows);
    drop(database);

    life.add_files("while it runs", served.home.path());
    let home = served.home.path().to_owned();
    let process = served.process().to_string();
    assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
    wait_until("the platform's end", || {
        std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default().is_empty()
    });
    life.add_files("when it has ended", &home);
    let places = life.end();
    drop(served);

    let mut names = needles.names().to_vec();
    names.sort();
    names.dedup();
    assert!(names.len() >= 20, "{names:?}");
    for kind in ["stdout of", "stderr of", "request", "/logs/platform", "store.sqlite-wal"] {
        assert!(places.iter().any(|(place, _)| place.contains(kind)), "no {kind}");
    }
    for line in ["integration add", "sync", "credentials rotate", "proxy", "platform serve"] {
        let was_seen = |kind: &str| {
            let is_of_it = |place: &str| place.starts_with(kind) && place.contains(line);
            places.iter().any(|(place, bytes)| is_of_it(place) && !bytes.is_empty())
        };
        assert!(was_seen("command line of") && was_seen("environment of"), "{line} was not seen");
    }
    let found = leaks(&places, &needles, |place, name| {
        EXCUSED.iter().any(|(part, of)| place.contains(part) && name.starts_with(of))
    });
    assert!(found.is_empty(), "{} leaks: {found:#?}", found.len());
    for (part, of) in EXCUSED {
        let is_there = |(place, bytes): &(String, Vec<u8>)| {
            place.contains(part)
                && needles.found_in(bytes).into_iter().any(|name| name.starts_with(of))
        };
        assert!(places.iter().any(is_there), "{part} was expected to hold a secret: {of}");
    }
    for (place, bytes) in &places {
        for run in bytes.split(|byte| !byte.is_ascii_hexdigit()).filter(|run| run.len() == 64) {
            let is_token = tokens.contains(&<[u8; 32]>::from(Sha256::digest(run)));
            assert!(!is_token, "a token of an OAuth client is in {place}");
        }
    }
}
