//! Who is given a new credential: what is refused, what is tried again, what a crash
//! leaves, and where the secret is not.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use countersign_connector::consumers::{
    Answering, Command, Consumer, Consumers, File, Form, Kubernetes, Names, Progress, Receipt,
    Release, Variables,
};
use countersign_store::{Credential, CredentialKind};
use countersign_vault::Secret;

use super::*;

const START_MS: i64 = 1_780_000_000_000;

struct Bench {
    folder: tempfile::TempDir,
    connector: Connector,
    now_ms: Arc<AtomicI64>,
    credential: Credential,
    secret: String,
}

impl Bench {
    async fn new() -> Self {
        Self::at("https://api.example.com").await
    }

    async fn at(url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let now_ms = Arc::new(AtomicI64::new(START_MS));
        let connector = connect(folder.path(), &now_ms).await;
        let secret: String = (0..64).map(|n| format!("{:02x}", n * 3 + 17)).collect();
        let pair = Pair::parse(&"a1".repeat(16), &secret).expect("a pair");
        let name = "credential/ci".to_owned();
        let version = connector.vault.put(&name, &pair.clone().into(), START_MS).expect("kept");
        let new = NewCredential {
            name: "ci".into(),
            vault_name: name,
            kind: CredentialKind::Hmac,
            url: url.into(),
            ca_pem: None,
            allow_http_loopback: false,
            api_id: pair.id.to_string(),
            version,
            added_ms: START_MS,
        };
        connector.store.add_credential(new).await.expect("a credential");
        let credential = connector.store.credential("ci").await.expect("it is there");
        Self { folder, connector, now_ms, credential, secret }
    }

    /// As after a start of the process.
    async fn restart(&mut self) {
        self.connector = connect(self.folder.path(), &self.now_ms).await;
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder that only its owner writes to.
    fn target(&self) -> PathBuf {
        let folder = self.path("target");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).expect("a mode");
        folder
    }

    async fn deliver(&self, consumers: &Consumers) -> Vec<Progress> {
        self.connector.deliver(consumers, &self.credential, 1).await.expect("it runs")
    }

    async fn laggards(&self, consumers: &Consumers) -> Vec<String> {
        self.connector.laggards(consumers, &self.credential, 1).await.expect("it is known")
    }

    /// One delivery to one consumer: what was wrong, if anything was.
    async fn problem(&self, consumer: impl Consumer + 'static) -> Option<String> {
        let name = consumer.name().to_owned();
        let consumers = one(consumer);
        let progress = self.deliver(&consumers).await.remove(0);
        let is_late = self.laggards(&consumers).await == [name];
        assert_eq!(is_late, progress.acknowledged_ms.is_none(), "{progress:?}");
        progress.problem
    }

    fn file(&self, name: &str, path: PathBuf) -> File {
        let form = Variables::Lines(Names::default());
        File::new(name, "ci", path, Arc::new(form), self.connector.random.clone())
    }

    fn command(&self, name: &str, script: &str) -> Command {
        Command {
            name: name.into(),
            credential: "ci".into(),
            line: ["/bin/sh", "-c", script, "sh"].map(Into::into).to_vec(),
            environment: vec![("OUT".into(), self.path("out").into())],
            names: Names::default(),
            patience: Duration::from_secs(60),
        }
    }
}

async fn connect(folder: &Path, now_ms: &Arc<AtomicI64>) -> Connector {
    let random = countersign_testkit::repeatable_random();
    let store = Store::open(&folder.join("store.sqlite")).await.expect("a store");
    let key = KeySource::KeyFile(folder.join("key"));
    let vault = SealedFile::open(&folder.join("vault.json"), key, random.clone()).expect("a vault");
    let now_ms = Arc::clone(now_ms);
    let clock: countersign_connector::Clock = Arc::new(move || now_ms.load(Ordering::SeqCst));
    Connector { store, vault, fences: Fences::at(&folder.join("fences")), clock, random }
}

fn one(consumer: impl Consumer + 'static) -> Consumers {
    all(vec![Box::new(consumer)])
}

fn all(list: Vec<Box<dyn Consumer>>) -> Consumers {
    let mut consumers = Consumers::default();
    list.into_iter().for_each(|one| consumers.add(one));
    consumers
}

type Script = dyn Fn(usize, &Release) -> Option<Result<Receipt, String>> + Send + Sync;

/// Does what the test says, and counts.
struct Scripted {
    name: &'static str,
    calls: Arc<AtomicUsize>,
    answer: Box<Script>,
}

impl Scripted {
    fn new(
        name: &'static str,
        answer: impl Fn(usize, &Release) -> Option<Result<Receipt, String>> + Send + Sync + 'static,
    ) -> Self {
        Self { name, calls: Arc::default(), answer: Box::new(answer) }
    }
}

impl Consumer for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    fn credential(&self) -> &str {
        "ci"
    }

    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn deliver<'s>(&'s self, release: &'s Release) -> Answering<'s, Result<Receipt, String>> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        match (self.answer)(call, release) {
            Some(answer) => Box::pin(std::future::ready(answer)),
            None => Box::pin(std::future::pending()),
        }
    }
}

#[tokio::test]
async fn files_where_others_could_interfere_are_refused() {
    let bench = Bench::new().await;
    let told = |problem: Option<String>| problem.expect("it is refused");
    let shared = bench.path("shared");
    std::fs::create_dir(&shared).expect("a folder");
    for mode in [0o777, 0o775, 0o1777, 0o757] {
        std::fs::set_permissions(&shared, PermissionsExt::from_mode(mode)).expect("a mode");
        let name = format!("shared-{mode:o}");
        let problem = told(bench.problem(bench.file(&name, shared.join("ci.env"))).await);
        assert!(problem.contains("others can write"), "{problem}");
    }
    assert_eq!(std::fs::read_dir(&shared).expect("a folder").count(), 0, "nothing is left behind");

    let target = bench.target();
    std::fs::write(target.join("real"), "theirs").expect("written");
    std::os::unix::fs::symlink(target.join("real"), target.join("link")).expect("a link");
    let problem = told(bench.problem(bench.file("link", target.join("link"))).await);
    assert!(problem.contains("symbolic link"), "{problem}");
    assert_eq!(std::fs::read_to_string(target.join("real")).expect("read"), "theirs");
    let problem = told(bench.problem(bench.file("folder", target.clone())).await);
    assert!(problem.contains("not a regular file"), "{problem}");
    let problem = told(bench.problem(bench.file("absent", target.join("no/ci.env"))).await);
    assert!(problem.contains("cannot be used"), "{problem}");
}

#[tokio::test]
async fn commands_that_fail_are_told_by_their_code_alone() {
    let bench = Bench::new().await;
    let script = "echo $VERACODE_API_KEY_SECRET; echo $VERACODE_API_KEY_SECRET >&2; exit 3";
    let told = bench.problem(bench.command("fails", script)).await;
    assert_eq!(told.as_deref(), Some("the command ended with 3"));
    let told = bench.problem(bench.command("dies", "kill -9 $$")).await;
    assert_eq!(told.as_deref(), Some("the command was ended by a signal"));
    let late = Command { patience: Duration::ZERO, ..bench.command("late", "read x < /dev/zero") };
    assert!(bench.problem(late).await.expect("a problem").contains("longer than 0 s"));
    let relative = Command { line: vec!["sh".into()], ..bench.command("relative", "") };
    assert!(bench.problem(relative).await.expect("a problem").contains("absolute"));
    let absent = Command { line: vec!["/no/such".into()], ..bench.command("absent", "") };
    assert!(bench.problem(absent).await.expect("a problem").contains("did not start"));
}

#[tokio::test]
async fn versions_that_are_not_the_published_one_are_refused() {
    let bench = Bench::new().await;
    let scripted = Scripted::new("s", |_, _| {
        Some(Ok(Receipt::Delivered(Some("it runs version 7, not 1".into()))))
    });
    let consumers = one(scripted);
    let connector = &bench.connector;
    for version in [0, 2] {
        let refused = connector.deliver(&consumers, &bench.credential, version).await;
        assert!(refused.expect_err("not published").to_string().contains("not the published"));
        connector.laggards(&consumers, &bench.credential, version).await.expect_err("nor here");
    }
    let refused = connector.acknowledge_handover(&bench.credential, "s", 1).await;
    assert!(refused.expect_err("not delivered yet").to_string().contains("was not delivered"));
    let progress = bench.deliver(&consumers).await.remove(0);
    assert_eq!(progress.problem.as_deref(), Some("it runs version 7, not 1"));
    assert_eq!(bench.laggards(&consumers).await, ["s"], "it has not said that it runs this one");
    for (name, version) in [("s", 7), ("s", 2), ("t", 1)] {
        let refused = connector.acknowledge_handover(&bench.credential, name, version).await;
        refused.expect_err("nobody gave it that");
    }
    connector.acknowledge_handover(&bench.credential, "s", 1).await.expect("it knows");
    assert_eq!(bench.laggards(&consumers).await, [""; 0]);
}

#[tokio::test]
async fn a_failure_is_tried_again_in_its_time_and_holds_up_nobody() {
    let bench = Bench::new().await;
    let bad = Scripted::new("bad", |call, _| {
        Some(if call < 2 { Err("not now".into()) } else { Ok(Receipt::Acknowledged) })
    });
    let good = Scripted::new("good", |_, _| Some(Ok(Receipt::Acknowledged)));
    let (bad_calls, good_calls) = (Arc::clone(&bad.calls), Arc::clone(&good.calls));
    let consumers = all(vec![Box::new(bad), Box::new(good)]);
    let calls = || (bad_calls.load(Ordering::SeqCst), good_calls.load(Ordering::SeqCst));
    let progress = bench.deliver(&consumers).await.remove(0);
    assert_eq!((progress.attempts, progress.problem.as_deref()), (1, Some("not now")));
    assert_eq!(progress.next_ms, Some(START_MS + 30_000));
    let early = bench.connector.acknowledge_handover(&bench.credential, "bad", 1).await;
    early.expect_err("it was not given it");
    bench.deliver(&consumers).await;
    assert_eq!((calls(), bench.laggards(&consumers).await), ((1, 1), vec!["bad".to_owned()]));
    for (ms, expected) in [(29_999, 1), (1, 2), (30_000, 2), (30_000, 3), (900_000, 3)] {
        bench.now_ms.fetch_add(ms, Ordering::SeqCst);
        bench.deliver(&consumers).await;
        assert_eq!(calls(), (expected, 1));
    }
    assert_eq!(bench.laggards(&consumers).await, [""; 0]);
}

#[tokio::test]
async fn a_crash_between_deliveries_loses_none_and_repeats_at_most_the_one_in_hand() {
    let mut bench = Bench::new().await;
    let first = Scripted::new("1", |_, _| Some(Ok(Receipt::Acknowledged)));
    let second = Scripted::new("2", |call, _| (call > 0).then_some(Ok(Receipt::Acknowledged)));
    let third = Scripted::new("3", |_, _| Some(Ok(Receipt::Acknowledged)));
    let counts = [&first, &second, &third].map(|one| Arc::clone(&one.calls));
    let calls = || counts.each_ref().map(|one| one.load(Ordering::SeqCst));
    let consumers = all(vec![Box::new(first), Box::new(second), Box::new(third)]);
    {
        // It never comes back from the second: dropped like a process that was killed.
        let delivering = bench.connector.deliver(&consumers, &bench.credential, 1);
        let mut delivering = std::pin::pin!(delivering);
        while calls()[1] == 0 {
            tokio::select! {
                _ = &mut delivering => panic!("it came back"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    assert_eq!(calls(), [1, 1, 0]);
    bench.restart().await;
    bench.deliver(&consumers).await;
    assert_eq!(calls(), [1, 1, 1], "the one in hand waits for its time");
    assert_eq!(bench.laggards(&consumers).await, ["2"]);
    bench.now_ms.fetch_add(30_000, Ordering::SeqCst);
    bench.deliver(&consumers).await;
    assert_eq!((calls(), bench.laggards(&consumers).await), ([1, 2, 1], vec![]));
}

#[tokio::test]
async fn a_file_acknowledges_by_what_it_holds_and_is_put_back() {
    let bench = Bench::new().await;
    let path = bench.target().join("ci.env");
    std::fs::write(&path, "old").expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("a mode");
    let consumers = one(bench.file("f", path.clone()));
    assert_eq!(bench.laggards(&consumers).await, ["f"]);
    bench.deliver(&consumers).await;
    assert_eq!(bench.laggards(&consumers).await, [""; 0]);
    let text = std::fs::read_to_string(&path).expect("it is there");
    let id = "a1".repeat(16);
    assert_eq!(
        text,
        format!("VERACODE_API_KEY_ID={id}\nVERACODE_API_KEY_SECRET={}\n", bench.secret)
    );
    let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(bench.target()).expect("a folder").count(), 1);

    std::fs::write(&path, text.replace(&id, &"b2".repeat(16))).expect("written");
    assert_eq!(bench.laggards(&consumers).await, ["f"], "it holds something else now");
    bench.deliver(&consumers).await;
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), text, "put back at once");
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(bench.laggards(&consumers).await, ["f"]);
}

#[tokio::test]
async fn a_command_has_the_pair_in_its_environment_and_nothing_else() {
    let bench = Bench::new().await;
    let script = "{ echo \"$0 $*\"; tr '\\0' '\\n' < /proc/$$/environ | sort; cat; } > $OUT";
    let consumers = one(bench.command("c", script));
    bench.deliver(&consumers).await;
    assert_eq!(bench.laggards(&consumers).await, [""; 0]);
    let out = std::fs::read_to_string(bench.path("out")).expect("it ran");
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("sh "), "no argument");
    let names: Vec<_> = lines.filter_map(|line| Some(line.split_once('=')?.0)).collect();
    let expected = [
        "COUNTERSIGN_CREDENTIAL",
        "COUNTERSIGN_URL",
        "COUNTERSIGN_VERSION",
        "OUT",
        "VERACODE_API_KEY_ID",
        "VERACODE_API_KEY_SECRET",
    ];
    assert_eq!(names, expected);
    assert!(out.contains(&bench.secret));
}

#[tokio::test]
async fn the_secret_is_in_no_error_log_or_database() {
    let bench = Bench::new().await;
    let loud = Scripted::new("loud", |_, release| Some(Err(format!("no {}", *release.secret()))));
    let upper = Scripted::new("upper", |_, release| {
        Some(Ok(Receipt::Delivered(Some(release.secret().to_uppercase()))))
    });
    let consumers = all(vec![
        Box::new(loud),
        Box::new(upper),
        Box::new(bench.file("file", bench.target().join("ci.env"))),
        Box::new(bench.command("command", "echo $VERACODE_API_KEY_SECRET; exit 1")),
    ]);
    let progress = bench.deliver(&consumers).await;
    let withheld = progress.iter().filter_map(|one| one.problem.as_deref());
    assert_eq!(withheld.filter(|why| why.contains("withheld")).count(), 2);
    let release = Release {
        name: "ci".into(),
        version: 1,
        secret: Pair::parse(&"a1".repeat(16), &bench.secret).expect("a pair").into(),
        expires_ms: None,
        url: "https://api.example.com".into(),
    };
    let entries = bench.connector.store.audit_entries(Some("ci"), 100).await.expect("entries");
    let acts: Vec<_> = entries.iter().rev().map(|entry| entry.act.as_str()).collect();
    let expected = [
        "kept",
        "handover_delivery_failed",
        "handover_delivered",
        "handover_acknowledged",
        "handover_delivery_failed",
    ];
    assert_eq!(acts, expected);
    let told = format!("{progress:?} {release:?} {entries:?}").to_ascii_lowercase();
    assert!(!told.contains(&bench.secret), "{told}");
    for entry in std::fs::read_dir(bench.folder.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("it is there").to_ascii_lowercase();
            let is_in_it = bytes.windows(128).any(|window| window == bench.secret.as_bytes());
            assert!(!is_in_it, "{}", path.display());
        }
    }
}

fn release(secret: Secret, url: &str) -> Release {
    Release { name: "ci".into(), version: 4, secret, expires_ms: None, url: url.into() }
}

#[test]
fn forms_say_what_their_readers_expect() {
    let (id, secret) = ("a1".repeat(16), "c3".repeat(64));
    let pair = Secret::from(Pair::parse(&id, &secret).expect("a pair"));
    let european = release(pair.clone(), "https://api.veracode.eu");
    assert_eq!(european.id(), format!("vera01ei-{id}"));
    assert_eq!(*european.secret(), format!("vera01es-{secret}"));

    let ours = release(pair, "https://127.0.0.1:8443");
    for (name, namespace, key) in [
        ("Upper", None, None),
        ("ok", Some("not.a.label"), None),
        ("a\nb", None, None),
        ("-a", None, None),
        ("", None, None),
        ("ok", None, Some("a b")),
    ] {
        let keys = Names { id: key.map(str::to_owned), secret: None };
        assert!(Kubernetes::new(name, namespace, keys).is_none(), "{name} {namespace:?} {key:?}");
    }
    let manifest = Kubernetes::new("veracode.ci", Some("build"), Names::default());
    let text = manifest.expect("names").write("", &ours).expect("a manifest");
    let base64 = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
    let expected = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"veracode.ci\"\n  namespace: \"build\"\n  \
         annotations:\n    countersign/version: \"4\"\ntype: Opaque\ndata:\n  \
         \"VERACODE_API_KEY_ID\": {}\n  \"VERACODE_API_KEY_SECRET\": {}\n",
        base64(&id),
        base64(&secret)
    );
    assert_eq!(*text, expected);

    let names =
        Names { id: Some("VERACODE_API_ID".into()), secret: Some("VERACODE_API_KEY".into()) };
    let text = Variables::Json(names).write("", &ours).expect("JSON");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(*text, format!("{json:#}\n"), "byte by byte, or files would be written again");
    assert_eq!(json[0]["key"], "VERACODE_API_ID");
    assert_eq!((&json[1]["value"], &json[1]["masked"]), (&Value::from(secret), &Value::from(true)));

    let odd = |text: &str| {
        let client = countersign_signing::OAuthClient::parse("client", text).expect("a client");
        Variables::Lines(Names::default()).write("", &release(client.into(), "https://x.example"))
    };
    let lines = odd("a$b#c\"d").expect("a quoted value");
    assert_eq!(
        *lines,
        "VERACODE_OAUTH_CLIENT_ID=client\nVERACODE_OAUTH_CLIENT_SECRET='a$b#c\"d'\n"
    );
    odd("it's").expect_err("no quoting suits every reader");
    odd("a\\b").expect_err("nor here");
}
