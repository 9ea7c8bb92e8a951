//! Broken set-ups, made for real: the doctor names one cause and one fix for each.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::program::{Served, countersign, run, stderr, stdout, write_secret};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];
const ADMIN: &[&str] = &["adminapi", "resultsapi", "noteamrestrictionapi"];

fn examined(home: &Path) -> (Option<i32>, Vec<Value>) {
    let output = run(home, &["doctor", "--json"]);
    let rows = serde_json::from_slice(&output.stdout);
    (output.status.code(), rows.unwrap_or_else(|_| panic!("{}", stderr(&output))))
}

fn well(home: &Path) {
    let (code, rows) = examined(home);
    assert_eq!(code, Some(0), "{rows:?}");
    assert!(rows.iter().all(|row| row["ok"] == true), "{rows:?}");
}

/// Exactly one trouble, with its name, exit code, cause and fix.
#[track_caller]
fn assert_one(home: &Path, name: &str, exit: i32, cause: &str, fix: &str) -> Vec<Value> {
    let (code, rows) = examined(home);
    let troubles: Vec<_> = rows.iter().filter(|row| row["ok"] == false).collect();
    assert_eq!(troubles.len(), 1, "{rows:#?}");
    let trouble = troubles[0];
    assert_eq!(trouble["diagnosis"], name, "{trouble:#}");
    assert_eq!((code, trouble["exit_code"].as_i64()), (Some(exit), Some(i64::from(exit))));
    for (member, word) in [("cause", cause), ("fix", fix)] {
        let told = trouble[member].as_str().unwrap();
        assert!(told.contains(word) && !told.contains("hint:"), "`{word}` is not in: {told}");
    }
    let output = run(home, &["doctor"]);
    let told = stdout(&output);
    assert_eq!((output.status.code(), told.matches("TROUBLE").count()), (Some(exit), 1), "{told}");
    let first = trouble["cause"].as_str().unwrap().lines().next().unwrap();
    assert!(told.contains(&format!("cause: {first}")), "{told}");
    rows
}

/// A platform; a home that holds `demo` alone, and one that an administrator shares.
struct Clinic {
    served: Served,
    alone: tempfile::TempDir,
    shared: tempfile::TempDir,
    id: String,
}

impl Clinic {
    fn open(seed: &str) -> Self {
        let served = Served::start(seed);
        let (alone, shared) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (id, secret) = served.mint("reader", READER);
        for home in [&alone, &shared] {
            assert_ok(&served.add(home.path(), (&id, &secret)));
        }
        let (admin, key) = served.mint("head", ADMIN);
        assert_ok(&served.add_as("head", shared.path(), (&admin, &key)));
        well(alone.path());
        well(shared.path());
        Self { served, alone, shared, id }
    }

    fn alone(&self) -> &Path {
        self.alone.path()
    }

    fn shared(&self) -> &Path {
        self.shared.path()
    }

    /// A signed request of the administrator.
    fn ask(&self, method: &str, target: &str, body: Option<Value>) -> Value {
        let mut command = countersign(self.shared());
        command.args(["http", "--integration", "head", method, target]);
        if body.is_some() {
            command.args(["--body", "-"]);
        }
        let child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let text = body.map(|body| body.to_string()).unwrap_or_default();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        child.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert!(child.wait().unwrap().success(), "{told}");
        serde_json::from_str(&answer).unwrap_or_default()
    }

    fn change_reader(&self, change: Value) {
        let found = self.ask("GET", "/api/authn/v2/users?user_name=reader", None);
        let user = found["_embedded"]["users"][0]["user_id"].as_str().unwrap();
        self.ask("PUT", &format!("/api/authn/v2/users/{user}?partial=true"), Some(change));
    }

    fn clock(&self, args: &[&str]) -> Value {
        let all = [&["platform", "clock", "--json"], args].concat();
        let output = run(&self.served.platform_home(), &all);
        assert_ok(&output);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Without an administrator's eyes the doctor says what is left, and how to go on.
    fn assert_left(&self) {
        let cause = "left are: the API credentials were revoked, or replaced by newer ones; the account \
                     `reader` is disabled; this machine's address is not on the allow-list of the \
                     account `reader`";
        assert_one(self.alone(), "pair_refused", 3, cause, "Admin API");
    }
}

fn assert_ok(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

fn configure(home: &Path, text: &str) {
    std::fs::write(home.join("config.toml"), text).unwrap();
}

/// An HTTP proxy that connects host names to addresses of our choice.
struct Junction(String);

impl Junction {
    fn open(ways: &[(&str, &Served)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ways: HashMap<_, _> = ways
            .iter()
            .map(|(host, to)| (format!("{host}:443"), to.address().to_owned()))
            .collect();
        std::thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                let ways = ways.clone();
                std::thread::spawn(move || connect(caller, &ways));
            }
        });
        Self(url)
    }
}

fn connect(caller: TcpStream, ways: &HashMap<String, String>) -> Option<()> {
    let mut reader = BufReader::new(caller.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        line.clear();
    }
    let mut caller = caller;
    let Some(to) = first.split(' ').nth(1).and_then(|host| ways.get(host)) else {
        caller.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").ok()?;
        return None;
    };
    let service = TcpStream::connect(to).ok()?;
    caller.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (mut up, mut down) = (service.try_clone().ok()?, service);
    let mut back = caller.try_clone().ok()?;
    std::thread::spawn(move || std::io::copy(&mut down, &mut back));
    std::io::copy(&mut caller, &mut up).ok()?;
    Some(())
}

/// Answers every connection with the same bytes.
fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut caller in listener.incoming().map_while(Result::ok) {
            let _ = caller.read(&mut [0; 4096]);
            let _ = caller.write_all(bytes);
        }
    });
    address
}

#[test]
fn the_wrong_region() {
    let commercial = Served::start_with(
        "empty",
        &["--listen", "127.0.0.1:0", "--public-name", "api.veracode.com"],
    );
    let european = Served::start_with(
        "empty",
        &["--listen", "127.0.0.1:0", "--public-name", "api.veracode.eu"],
    );
    let junction =
        Junction::open(&[("api.veracode.com", &commercial), ("api.veracode.eu", &european)]);
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    configure(home, &format!("[client]\nproxy = {:?}\n", junction.0));
    let authorities = home.join("ca.pem");
    let read = |served: &Served| std::fs::read_to_string(&served.ca_file).unwrap();
    std::fs::write(&authorities, read(&commercial) + &read(&european)).unwrap();
    let (id, secret) = european.mint("reader", READER);
    let add = |id: &str, url: &str| {
        let mut command = countersign(home);
        command.env("VERACODE_API_ID", id).env("VERACODE_API_KEY", &secret);
        command.args(["integration", "add", "demo", "--import", "--url", url, "--ca-file"]);
        command.arg(&authorities).output().unwrap()
    };
    for id in [&format!("vera01ei-{id}"), &id] {
        let refused = add(id, "https://api.veracode.com");
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        let told = stderr(&refused);
        assert!(
            told.contains("the API credentials belong to ")
                && told.contains("https://api.veracode.eu"),
            "{told}"
        );
    }
    assert_ok(&add(&id, "https://api.veracode.eu"));
    well(home);
    let store = rusqlite::Connection::open(home.join("store.sqlite")).unwrap();
    store.execute("update credentials set url = 'https://api.veracode.com'", []).unwrap();
    let cause =
        "the API credentials belong to https://api.veracode.eu, not to https://api.veracode.com";
    assert_one(
        home,
        "wrong_region",
        2,
        cause,
        "`--url https://api.veracode.eu`, then remove `demo`",
    );
}

#[test]
fn pasted_blanks_and_swapped_halves() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (id, secret) = ("ab".repeat(16), "cd".repeat(64));
    std::fs::create_dir(home.join(".veracode")).unwrap();
    let keep = |id: &str, secret: &str| {
        let text =
            format!("[default]\nveracode_api_key_id = {id}\nveracode_api_key_secret = {secret}\n");
        write_secret(&home.join(".veracode/credentials"), &text);
    };
    keep(&id, &secret);
    well(home);
    let (head, tail) = secret.split_at(30);
    keep(&id, &format!("{head}\u{a0} {tail}"));
    let cause = "the Secret Key holds what does not belong there: 2 blanks";
    assert_one(home, "pair_pasted", 2, cause, "integration add --import");
    keep(&format!("'{id}'"), &format!("{head}\n  {tail}"));
    let cause = "the API ID holds what does not belong there: 2 quotation marks; the Secret Key holds what does not belong there: 1 line break";
    assert_one(home, "pair_pasted", 2, cause, "without");
    keep(&secret, &id);
    let rows = assert_one(
        home,
        "pair_swapped",
        2,
        "these look swapped",
        "give the 32 hex digits as API ID",
    );
    assert!(!rows.iter().any(|row| row.to_string().contains(&secret)));
    std::fs::remove_file(home.join(".veracode/credentials")).unwrap();
    let mut command = countersign(home);
    command.env("VERACODE_API_KEY_ID", &secret).env("VERACODE_API_KEY_SECRET", &id);
    let told = stdout(&command.arg("doctor").output().unwrap());
    assert!(
        told.contains("TROUBLE  credentials in the environment") && told.contains("swapped"),
        "{told}"
    );
}

#[test]
fn a_skewed_clock() {
    let clinic = Clinic::open("empty");
    clinic.clock(&["--advance", "10m"]);
    let cause = "this machine's clock is 10 minutes behind the service's";
    for home in [clinic.alone(), clinic.shared()] {
        assert_one(home, "clock_skewed", 3, cause, "set this machine's clock right");
    }
    let (id, secret) = clinic.served.mint("other", READER);
    let added = clinic.served.add_as("other", clinic.alone(), (&id, &secret));
    assert!(stderr(&added).contains(cause) && added.status.code() == Some(3), "{}", stderr(&added));
    clinic.clock(&["--real"]);
    well(clinic.alone());
    let now = clinic.clock(&[])["now"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let earlier = now.checked_sub(jiff::Span::new().hours(3)).unwrap();
    clinic.clock(&["--set", &earlier.to_string()]);
    let cause = "this machine's clock is 3 hours ahead of the service's";
    assert_one(clinic.alone(), "clock_skewed", 3, cause, "timedatectl");
}

#[test]
fn a_revoked_pair() {
    let clinic = Clinic::open("empty");
    clinic.ask("DELETE", &format!("/api/authn/v2/api_credentials/{}", clinic.id), None);
    clinic.assert_left();
    assert_one(
        clinic.shared(),
        "pair_revoked",
        3,
        "the API credentials were revoked by head, ",
        "give it new API credentials",
    );
}

#[test]
fn an_expired_pair() {
    let clinic = Clinic::open("empty");
    // Years pass on the platform, and signatures are still judged by the real time.
    clinic.clock(&["--signatures", "real", "--advance", "366d"]);
    assert_one(
        clinic.alone(),
        "pair_expired",
        3,
        "the API credentials expired ",
        "give it new API credentials",
    );
    // With its own time, the clock is off as well, and is not what is wrong.
    clinic.clock(&["--signatures", "virtual"]);
    assert_one(clinic.alone(), "pair_expired", 3, "ago", "give it new API credentials");

    // The store says nothing of it, and an administrator does.
    clinic.clock(&["--real"]);
    let sooner = "update credentials set expires_ms = created_ms - 777600000 where api_id = ?";
    clinic.served.database().execute(sooner, [&clinic.id]).unwrap();
    clinic.assert_left();
    assert_one(clinic.shared(), "pair_expired", 3, "9 days ago", "give it new API credentials");
}

#[test]
fn a_missing_role() {
    let clinic = Clinic::open("apps=1,findings=3");
    let roles = ["uploadapi", "apisubmitanyscan", "noteamrestrictionapi"];
    let roles: Vec<_> = roles.iter().map(|name| json!({ "role_name": name })).collect();
    clinic.change_reader(json!({ "roles": roles }));
    let cause = "the account `reader` lacks a role for reading static, dynamic and manual findings, reading SCA findings";
    let fix = "an administrator gives it Results API: ";
    for home in [clinic.alone(), clinic.shared()] {
        assert_one(home, "role_missing", 4, cause, fix);
    }
}

#[test]
fn a_locked_vault() {
    let clinic = Clinic::open("empty");
    let home = clinic.alone();
    let key = std::fs::read(home.join("vault.key")).unwrap();
    std::fs::remove_file(home.join("vault.key")).unwrap();
    let rows = assert_one(home, "vault_locked", 7, "vault.key` is missing", "bring the file back");
    let unexamined: Vec<_> = rows.iter().filter(|row| row["ok"].is_null()).collect();
    assert_eq!(unexamined.len(), 1, "{rows:?}");
    assert!(unexamined[0]["unexamined"].as_str().unwrap().contains("the service answers"));

    std::fs::copy(clinic.shared().join("vault.key"), home.join("vault.key")).unwrap();
    assert_one(home, "vault_locked", 7, "is not the key file that it was sealed with", "bring `");
    std::fs::write(home.join("vault.key"), key).unwrap();
    well(home);

    let file = home.join("passphrase");
    configure(home, &format!("[vault]\npassphrase_file = {file:?}\n"));
    assert_one(home, "vault_locked", 7, "failed to read the passphrase", "into `");
    write_secret(&file, "correct horse\n");
    assert_one(home, "vault_locked", 7, "sealed by a key file", "take the passphrase out of `");
    for name in ["vault.json", "store.sqlite"] {
        std::fs::remove_file(home.join(name)).unwrap();
    }
    let (id, secret) = clinic.served.mint("reader", READER);
    assert_ok(&clinic.served.add(home, (&id, &secret)));
    well(home);
    write_secret(&file, "battery staple\n");
    assert_one(
        home,
        "vault_locked",
        7,
        "is not the one that it was sealed with",
        "put the passphrase",
    );
    configure(home, "");
    std::fs::remove_file(home.join("vault.key")).unwrap();
    assert_one(home, "vault_locked", 7, "sealed by a passphrase", "give the passphrase");
}

#[test]
fn an_altered_record_is_no_locked_vault() {
    let clinic = Clinic::open("empty");
    let path = clinic.shared().join("vault.json");
    let mut vault: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    vault["records"][0]["version"] = 7.into();
    std::fs::write(&path, vault.to_string()).unwrap();
    let cause = "was altered since it was written";
    assert_one(clinic.shared(), "vault_damaged", 7, cause, "from a backup");
    std::fs::write(&path, "{").unwrap();
    assert_one(clinic.shared(), "vault_damaged", 7, "not a whole vault", "from a backup");
}

#[test]
fn another_authority() {
    let served = Served::start("empty");
    let folder = tempfile::tempdir().unwrap();
    let (id, secret) = served.mint("reader", READER);
    assert_ok(&served.add(folder.path(), (&id, &secret)));
    assert_ok(&served.add_as("twin", folder.path(), (&id, &secret)));
    let address = served.address().to_owned();
    drop(served);
    let cause = format!("nobody answers at https://{address}");
    assert_one(folder.path(), "service_unreachable", 5, &cause, "start the platform again");
    assert_ok(&run(folder.path(), &["integration", "remove", "twin", "--yes"]));
    let another = Served::start_with("empty", &["--listen", &address]);
    assert_eq!(another.address(), address);
    let cause = "is signed by an authority unknown here, and not by the one that is kept with the integration";
    assert_one(
        folder.path(),
        "ca_unknown",
        5,
        cause,
        "with `--ca-file` of the authority that signs",
    );
}

#[test]
fn a_wrong_proxy() {
    let clinic = Clinic::open("empty");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let guarded = answering(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    let closed = answering(b"HTTP/1.1 403 Forbidden\r\n\r\n");
    let no_proxy = answering(b"220 mail.example.com ESMTP\r\n");
    for (address, name, cause, fix) in [
        (
            &nobody,
            "proxy_unreachable",
            "does not answer: ",
            "correct `client.proxy` in config.toml",
        ),
        (&guarded, "proxy_refuses", "refuses the user and the password", "correct the user"),
        (&closed, "proxy_refuses", "does not connect to the service", "allow 127.0.0.1"),
        (&no_proxy, "proxy_refuses", "does not connect to the service", "correct `client.proxy`"),
    ] {
        let proxy = format!("[client]\nproxy = \"http://me:hidden@{address}\"\n");
        configure(clinic.alone(), &proxy);
        let rows = assert_one(clinic.alone(), name, 5, cause, fix);
        let told = format!("{rows:?}");
        assert!(told.contains(address.as_str()) && !told.contains("hidden"), "{told}");
        configure(clinic.alone(), "");
        let mut command = countersign(clinic.alone());
        command.env("HTTPS_PROXY", format!("http://{address}")).args(["doctor", "--json"]);
        let told = stdout(&command.output().unwrap());
        assert!(told.contains(name) && told.contains("HTTPS_PROXY"), "{told}");
    }
    // Every integration goes through it, and it is one trouble.
    configure(clinic.shared(), &format!("[client]\nproxy = \"http://{nobody}\"\n"));
    assert_one(clinic.shared(), "proxy_unreachable", 5, "does not answer", "take it out");
    configure(clinic.alone(), "[client]\nproxy = \"not a URL\"\n");
    let cause = "`client.proxy` in config.toml holds `not a URL`";
    assert_one(clinic.alone(), "configuration", 2, cause, "write it like");
}

#[test]
fn an_address_that_is_not_allowed() {
    let clinic = Clinic::open("empty");
    clinic.change_reader(json!({ "ip_restricted": true, "allowed_ip_addresses": ["127.0.0.*"] }));
    well(clinic.shared());
    let allowed = ["10.1.2.*", "10.1.3.[4-5]"];
    clinic.change_reader(json!({ "ip_restricted": true, "allowed_ip_addresses": allowed }));
    clinic.assert_left();
    let cause = "the account `reader` is allowed from 10.1.2.*, 10.1.3.[4-5] alone, and this machine comes from 127.0.0.1";
    assert_one(clinic.shared(), "address_refused", 3, cause, "to the allow-list of `reader`");
}

#[test]
fn a_disabled_account() {
    let clinic = Clinic::open("empty");
    clinic.change_reader(json!({ "active": false }));
    clinic.assert_left();
    let cause = "the account `reader` is disabled";
    assert_one(clinic.shared(), "account_disabled", 3, cause, "an administrator enables it");
    let found = clinic.ask("GET", "/api/authn/v2/users?user_name=reader", None);
    let user = found["_embedded"]["users"][0]["user_id"].as_str().unwrap();
    clinic.ask("DELETE", &format!("/api/authn/v2/users/{user}"), None);
    let cause = format!("knows no credentials with the API ID {}", clinic.id);
    assert_one(clinic.shared(), "pair_unknown", 3, &cause, "a new one is needed");
}

/// A pair that is refused while it is added is looked into as well.
#[test]
fn a_pair_that_never_worked() {
    let clinic = Clinic::open("empty");
    let (id, _) = clinic.served.mint("new", READER);
    let (_, secret) = clinic.served.mint("other", READER);
    let told = |home: &Path| {
        let refused = clinic.served.add_as("new", home, (&id, &secret));
        assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
        let told = stderr(&refused);
        assert!(told.contains("not authenticated") && !told.contains(&secret), "{told}");
        told
    };
    let left = told(clinic.alone());
    assert!(left.contains("left are: the Secret Key is not the one of this API ID; the API credentials were revoked, or have expired; "), "{left}");
    let named = told(clinic.shared());
    assert!(
        named.contains("the Secret Key is not the one of this API ID, a good one of `new`"),
        "{named}"
    );
}

/// What cannot be opened is a diagnosis, and the rest is looked at all the same.
#[test]
fn one_trouble_does_not_hide_another() {
    let clinic = Clinic::open("empty");
    let home = clinic.alone();
    configure(home, "[sync]\nparalel = 1\n");
    let rows = assert_one(home, "configuration", 2, "paralel", "correct the line");
    assert_eq!(rows.iter().filter(|row| row["ok"].is_null()).count(), 2, "{rows:?}");
    std::fs::write(home.join("store.sqlite"), "this is no database at all").unwrap();
    for name in ["store.sqlite-wal", "store.sqlite-shm"] {
        let _ = std::fs::remove_file(home.join(name));
    }
    let (code, rows) = examined(home);
    let named: Vec<_> = rows.iter().filter_map(|row| row["diagnosis"].as_str()).collect();
    assert_eq!((code, named.as_slice()), (Some(2), &["configuration", "store"][..]), "{rows:?}");
    configure(home, "");
    let rows = assert_one(home, "store", 7, "store.sqlite", "store restore");
    assert!(
        rows.iter()
            .any(|row| row["ok"] == true && row["subject"].as_str().unwrap().starts_with("vault"))
    );
    let file = home.join("file");
    std::fs::write(&file, "").unwrap();
    assert_one(&file, "home", 7, "failed to create the data directory", "correct");
}
