//! The watch and the consumers by the real binary: what goes out, signed and once,
//! to receivers that are not ours, and what is refused.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::program::{Served, countersign, run, stderr, stdout, wait_until, write_secret};

const SECRET: &str = "a shared secret of both ends";
const DAY_MS: i64 = 86_400_000;

#[derive(Debug, Clone)]
pub(crate) struct Received {
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str()).unwrap()
    }

    /// As a receiver does it that has read the document.
    fn json(&self) -> Value {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        let (id, timestamp) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        assert!(!id.contains('.'), "{id}");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(&self.body);
        let expected = BASE64.encode(&mac.finalize().into_bytes());
        assert_eq!(self.header("webhook-signature"), format!("v1,{expected}"));
        let object: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(object["id"], id);
        object
    }
}

/// Takes requests on a thread of its own.
pub(crate) struct Receiver {
    pub(crate) url: String,
    status: Arc<AtomicU16>,
    pub(crate) answer: Arc<Mutex<String>>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let status = Arc::new(AtomicU16::new(200));
        let (answer, received) = (Arc::<Mutex<String>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let (its_status, its_answer, its_received) =
            (Arc::clone(&status), Arc::clone(&answer), Arc::clone(&received));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                // A sender that was killed may have said nothing.
                let one = read_request(&stream);
                if one.headers.is_empty() {
                    continue;
                }
                its_received.lock().unwrap().push(one);
                let body = its_answer.lock().unwrap().clone();
                let status = its_status.load(Ordering::SeqCst);
                let head = format!(
                    "HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes());
            }
        });
        Self { url, status, answer, received }
    }

    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

fn read_request(stream: &TcpStream) -> Received {
    let mut reader = BufReader::new(stream);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Received { headers, body }
}

/// Who to, and the bytes.
type Mails = Arc<Mutex<Vec<(Vec<String>, String)>>>;

/// A mail server that takes everything.
fn mail_sink() -> (u16, Mails) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mails = Arc::<Mutex<Vec<_>>>::default();
    let taken = Arc::clone(&mails);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut say = |text: &str| stream.write_all(format!("{text}\r\n").as_bytes()).unwrap();
            say("220 sink");
            let (mut to, mut line) = (Vec::new(), String::new());
            while reader.read_line(&mut line).unwrap_or_default() > 0 {
                let command = line.trim_end().to_owned();
                line.clear();
                match command.get(..4).unwrap_or_default() {
                    "RCPT" => {
                        to.push(command);
                        say("250 yes");
                    }
                    "DATA" => {
                        say("354 go on");
                        let mut text = String::new();
                        while reader.read_line(&mut line).unwrap() > 0 && line != ".\r\n" {
                            text.push_str(&line);
                            line.clear();
                        }
                        line.clear();
                        taken.lock().unwrap().push((std::mem::take(&mut to), text));
                        say("250 taken");
                    }
                    "QUIT" => {
                        say("221 bye");
                        break;
                    }
                    _ => say("250 yes"),
                }
            }
        }
    });
    (port, mails)
}

struct Bench {
    served: Served,
    folder: tempfile::TempDir,
    secret: String,
    id: String,
}

impl Bench {
    /// An integration `demo` whose pair has so many days left.
    fn new(days_left: i64) -> Self {
        let served = Served::start("apps=1,findings=3");
        let folder = tempfile::tempdir().unwrap();
        let (id, secret) = served.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
        served
            .database()
            .execute(
                "update credentials set expires_ms = unixepoch() * 1000 + ? where api_id = ?",
                rusqlite::params![days_left * DAY_MS - 3_600_000, id],
            )
            .unwrap();
        let bench = Self { served, folder, secret, id };
        let added = bench.served.add(&bench.home(), (&bench.id, &bench.secret));
        assert!(added.status.success(), "{}", stderr(&added));
        write_secret(&bench.path("hook.secret"), &format!("{SECRET}\n"));
        bench
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self, text: &str) {
        std::fs::write(self.home().join("config.toml"), text).unwrap();
    }

    fn run(&self, args: &[&str]) -> std::process::Output {
        let output = run(&self.home(), args);
        let told = format!("{}{}", stdout(&output), stderr(&output)).to_ascii_lowercase();
        assert!(!told.contains(&self.secret), "the secret is in what `{args:?}` says");
        output
    }

    fn well(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stdout(&output)
    }

    fn store(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.home().join("store.sqlite")).unwrap()
    }

    fn assert_no_secret(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
        assert!(!text.contains(&self.secret), "{text}");
    }

    fn hook(&self, name: &str, receiver: &Receiver) -> String {
        format!(
            "name = \"{name}\"\nurl = \"{}\"\nsecret_file = {:?}\nallow_http_loopback = true\n",
            receiver.url,
            self.path("hook.secret")
        )
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_watch_that_cannot_say_anything_is_refused_before_it_looks() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    for (text, word) in [
        (
            "[[watch.webhooks]]\nname = \"a\"\nurl = \"http://example.com\"\nsecret_file = \"x\"\n",
            "not https",
        ),
        (
            "[[watch.webhooks]]\nname = \"a\"\nurl = \"https://example.com\"\nsecret_file = \"/no/such\"\n",
            "/no/such",
        ),
        (
            "[[watch.mails]]\nname = \"a\"\nserver = \"x\"\nfrom = \"a@b\"\nto = [\"c@d\"]\n",
            "no mail server",
        ),
        ("[watch]\nevery = \"1 fortnight\"\n", "no span"),
    ] {
        std::fs::write(home.join("config.toml"), text).unwrap();
        let output = run(home, &["credentials", "watch", "--once"]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
    }
    std::fs::remove_file(home.join("config.toml")).unwrap();
    for args in [
        &["credentials", "acknowledge", "absent"][..],
        &["credentials", "acknowledge", "absent", "--consumer", "x"],
        &["credentials", "watch", "--once", "--every", "1h"],
        &["credentials", "consumers", "absent"],
        &["credentials", "calendar", "--output", "/no/such/folder/x.ics"],
    ] {
        assert_eq!(run(home, args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_notice_goes_out_signed_once_and_again_where_it_was_not_taken() {
    let bench = Bench::new(20);
    let (receiver, boss) = (Receiver::start(), Receiver::start());
    let (port, mails) = mail_sink();
    bench.config(&format!(
        "[watch]\ncalendar = {:?}\nmetrics = {:?}\nsnapshot = {:?}\n[[watch.webhooks]]\n{}\
         [[watch.webhooks]]\nescalation = true\n{}\
         [[watch.mails]]\nname = \"team\"\nserver = \"smtp://127.0.0.1:{port}\"\nfrom = \"watch@example.com\"\n\
         to = [\"one@example.com\", \"Two <two@example.com>\"]\n",
        bench.path("feed.ics"),
        bench.path("feed.prom"),
        bench.path("feed.json"),
        bench.hook("ops", &receiver),
        bench.hook("boss", &boss),
    ));
    // A redirect is not followed: the body is signed for one receiver.
    receiver.status.store(307, Ordering::SeqCst);
    let output = bench.run(&["credentials", "watch", "--once"]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("ops: it answered 307"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("/hook"), "no URL of a webhook: {}", stderr(&output));
    assert!(stdout(&output).contains("credential `demo` for 127.0.0.1"), "{}", stdout(&output));
    let first = receiver.take();
    assert_eq!(first.len(), 1);

    // Not before its time, and then with the same id.
    receiver.status.store(204, Ordering::SeqCst);
    assert_eq!(bench.well(&["credentials", "watch", "--once"]), "");
    assert!(receiver.take().is_empty());
    bench.store().execute("update deliveries set next_ms = 0", []).unwrap();
    assert_eq!(bench.well(&["credentials", "watch", "--once"]), "");
    let second = receiver.take();
    assert_eq!((second.len(), second[0].header("webhook-id")), (1, first[0].header("webhook-id")));
    let object = second[0].json();
    assert_eq!(
        (object["kind"].as_str(), object["threshold_days"].as_i64()),
        (Some("expiry"), Some(30))
    );
    assert_eq!(
        (object["credential"].as_str(), object["account"].as_str()),
        (Some("demo"), Some("reader"))
    );
    bench.store().execute("update deliveries set next_ms = 0", []).unwrap();
    bench.well(&["credentials", "watch", "--once"]);
    assert!(receiver.take().is_empty() && boss.take().is_empty(), "once");

    let mails = mails.lock().unwrap().clone();
    assert_eq!(mails.len(), 1);
    let (to, text) = &mails[0];
    assert_eq!(to.len(), 2);
    for part in
        ["Subject: credential `demo` for 127.0.0.1", "acknowledge demo", "Message-ID: <", "Date: "]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    bench.assert_no_secret(text.as_bytes());
    first.iter().chain(&second).for_each(|one| bench.assert_no_secret(&one.body));

    for (name, part) in [
        ("feed.ics", "BEGIN:VEVENT"),
        ("feed.prom", "countersign_credential_expires_seconds{name=\"demo\",host=\"127.0.0.1:"),
        ("feed.json", "\"channel\":\"ops\""),
    ] {
        let text = std::fs::read_to_string(bench.path(name)).unwrap();
        assert!(text.contains(part), "{text}");
        bench.assert_no_secret(text.as_bytes());
        assert_eq!(mode(&bench.path(name)) & 0o644, 0o644, "others read it");
    }
    assert_eq!(
        bench.well(&["credentials", "calendar"]),
        std::fs::read_to_string(bench.path("feed.ics")).unwrap()
    );
    let names = std::fs::read_dir(bench.folder.path()).unwrap().map(|one| one.unwrap().file_name());
    assert!(
        names.into_iter().all(|name| !name.to_string_lossy().starts_with('.')),
        "nothing is left"
    );
}

#[test]
fn nobody_acknowledged_and_others_are_told() {
    let bench = Bench::new(3);
    let (receiver, boss) = (Receiver::start(), Receiver::start());
    bench.config(&format!(
        "[[watch.webhooks]]\n{}[[watch.webhooks]]\nescalation = true\n{}",
        bench.hook("ops", &receiver),
        bench.hook("boss", &boss),
    ));
    bench.well(&["credentials", "watch", "--once"]);
    assert_eq!((receiver.take().len(), boss.take().len()), (1, 0));
    let earlier = |hours: i64| {
        let sql = "update deliveries set sent_ms = sent_ms - ?";
        bench.store().execute(sql, [hours * 3_600_000]).unwrap();
    };
    earlier(11);
    bench.well(&["credentials", "watch", "--once"]);
    assert!(boss.take().is_empty());
    earlier(2);
    bench.well(&["credentials", "watch", "--once"]);
    bench.well(&["credentials", "watch", "--once"]);
    let told = boss.take();
    assert_eq!((told.len(), receiver.take().len()), (1, 0));
    let object = told[0].json();
    assert_eq!(object["escalation"], true);
    assert!(object["subject"].as_str().unwrap().starts_with("nobody took this on"));
    let said = stderr(&bench.run(&["credentials", "acknowledge", "demo"]));
    assert!(said.contains("acknowledged one notice"), "{said}");
    let said = stderr(&bench.run(&["credentials", "acknowledge", "demo"]));
    assert!(said.contains("nothing to acknowledge"), "{said}");
}

#[test]
fn the_inventory_fits_eighty_columns_and_puts_the_worst_first() {
    let bench = Bench::new(9);
    bench.well(&["sync"]);
    bench.well(&["credentials", "list", "--refresh"]);
    #[cfg(target_os = "linux")]
    {
        let mut command = countersign(&bench.home());
        command.args(["credentials", "list"]).env("NO_COLOR", "1");
        let text = crate::lists::on_columns(&mut command, 80);
        // A command is never broken; this one has the path of a folder in it.
        let mut prose = text.lines().filter(|line| !line.contains("`countersign --home"));
        assert!(prose.all(|line| line.chars().count() <= 80), "{text}");
        for part in ["EXPIRING", "demo", "reader", "in 8 d", "credentials rotate demo"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    let rows: Value =
        serde_json::from_str(&bench.well(&["credentials", "list", "--json"])).unwrap();
    let row = &rows[0];
    assert_eq!((row["state"].as_str(), row["days_left"].as_i64()), (Some("expiring"), Some(8)));
    assert_eq!(row["integrations"][0], "demo");
    assert_eq!(row["needs"][1]["standing"], "held");
    assert!(row["clock_skew_ms"].as_i64().is_some_and(|ms| ms.abs() < 10_000), "{row}");

    bench.served.database().execute("update users set active = 0", []).unwrap();
    // The platform sees what another process wrote a moment later.
    wait_until("the refusal", || {
        // A refusal is what a list shows, and no failure of it.
        bench.well(&["credentials", "list", "--refresh"]).contains("REFUSED")
    });
    let output = bench.run(&["credentials", "watch", "--once", "--json"]);
    let kinds: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].clone())
        .collect();
    assert_eq!(kinds, ["expiry", "refused"]);
}

#[test]
fn consumers_are_given_the_pair_and_say_what_they_run() {
    let bench = Bench::new(300);
    let receiver = Receiver::start();
    let folder = bench.path("out");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
    let script = bench.path("take");
    let out = folder.join("taken");
    let text = format!(
        "#!/bin/sh\nset -e\necho \"$VERACODE_API_KEY_ID $# $COUNTERSIGN_VAULT_PASSPHRASE\" > {out:?}\n"
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o700)).unwrap();
    bench.config(&format!(
        "[[consumers]]\nname = \"ci\"\ncredential = \"demo\"\nkind = \"variables\"\npath = {:?}\n\
         [[consumers]]\nname = \"pods\"\ncredential = \"demo\"\nkind = \"kubernetes\"\npath = {:?}\nmanifest_name = \"veracode\"\n\
         [[consumers]]\nname = \"script\"\ncredential = \"demo\"\nkind = \"command\"\ncommand = [{:?}]\n\
         [[consumers]]\ncredential = \"demo\"\nkind = \"webhook\"\n{}\
         [[consumers]]\nname = \"later\"\ncredential = \"absent\"\nkind = \"command\"\ncommand = [\"/bin/true\"]\n",
        folder.join("ci.env"),
        folder.join("secret.yaml"),
        script,
        bench.hook("hook", &receiver),
    ));
    let listed = bench.run(&["credentials", "consumers"]);
    assert!(stdout(&listed).contains("not delivered"), "{}", stdout(&listed));
    assert!(stderr(&listed).contains("`later` waits for a credential `absent`"));
    assert!(receiver.take().is_empty() && !folder.join("ci.env").exists(), "a list gives nothing");

    receiver.answer.lock().unwrap().push_str(r#"{"version": 7}"#);
    let output = bench.run(&["credentials", "consumers", "--deliver", "--json"]);
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let late: Vec<_> =
        rows.as_array().unwrap().iter().filter(|row| row["acknowledged_at"].is_null()).collect();
    assert_eq!(late.len(), 1, "{rows}");
    assert_eq!(late[0]["problem"], "it reports that it runs version 7, not 1");
    let told = receiver.take();
    let object = told[0].json();
    assert_eq!(
        (object["version"].as_i64(), object["api_id"].as_str()),
        (Some(1), Some(bench.id.as_str()))
    );
    bench.assert_no_secret(&told[0].body);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), format!("{} 0 \n", bench.id));
    let env = std::fs::read_to_string(folder.join("ci.env")).unwrap();
    assert!(env.contains(&bench.secret));
    assert_eq!((mode(&folder.join("ci.env")), mode(&folder.join("secret.yaml"))), (0o600, 0o600));

    let refused =
        bench.run(&["credentials", "acknowledge", "demo", "--consumer", "hook", "--version", "2"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    bench.well(&["credentials", "acknowledge", "demo", "--consumer", "hook", "--version", "1"]);
    bench.well(&["credentials", "consumers", "--deliver"]);
    assert!(receiver.take().is_empty(), "it has it");

    // A pass of the watch puts back what was lost, and goes through with what failed.
    std::fs::write(folder.join("ci.env"), "something else\n").unwrap();
    bench.well(&["credentials", "watch", "--once"]);
    assert_eq!(std::fs::read_to_string(folder.join("ci.env")).unwrap(), env);
    let mut with_passphrase = countersign(&bench.home());
    with_passphrase.args(["credentials", "consumers", "--json"]);
    bench.assert_no_secret(&with_passphrase.output().unwrap().stdout);
    for entry in std::fs::read_dir(bench.home()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            bench.assert_no_secret(&std::fs::read(path).unwrap());
        }
    }
}
