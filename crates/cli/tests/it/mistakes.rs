//! Mistakes, made for real: each is answered with the name of the thing, the documented
//! exit code and something to do. `docs/mistakes.md` is written from what was answered.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::program::{Served, countersign, run, stderr, stdout, write_secret};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/mistakes.md");
const HEAD: &str = "# Mistakes and what answers them

For everybody who sees an error and wants to know what it means. Each row was made for real: the
test `mistakes` makes all of them, compares the exit code, and writes this page.

| mistake | command | exit | answer | what to do |
| --- | --- | --- | --- | --- |
";
const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

/// What was made, and what came of it.
struct Row {
    what: &'static str,
    command: String,
    exit: i32,
    answer: String,
    fix: String,
}

/// A data directory, a folder beside it, and the rows so far.
struct Bench {
    folder: tempfile::TempDir,
    rows: Vec<Row>,
    /// Answers that are not as they should be.
    wrong: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(
            folder.path().join("home"),
            std::os::unix::fs::PermissionsExt::from_mode(0o700),
        )
        .unwrap();
        Self { folder, rows: Vec::new(), wrong: Vec::new() }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn configure(&self, text: &[u8]) {
        std::fs::write(self.home().join("config.toml"), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = countersign(&self.home());
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
        {
            command.env_remove(name);
        }
        command.args(args);
        command
    }

    /// A command that fails, with all the words in what it answers.
    fn make(&mut self, what: &'static str, args: &[&str], exit: i32, words: &[&str]) {
        let command = self.command(args);
        self.make_by(what, args, command, b"", exit, words);
    }

    /// An integration that cannot be added, its secret on standard input.
    fn add(
        &mut self,
        what: &'static str,
        pair: (&str, &[u8]),
        rest: &[&str],
        exit: i32,
        words: &[&str],
    ) {
        let args =
            [&["integration", "add", "mine", "--client-id", pair.0, "--client-secret-stdin"], rest]
                .concat();
        let command = self.command(&args);
        self.make_by(what, &args, command, pair.1, exit, words);
    }

    fn make_by(
        &mut self,
        what: &'static str,
        args: &[&str],
        command: Command,
        input: &[u8],
        exit: i32,
        words: &[&str],
    ) {
        let output = fed(command, input);
        // As whoever uses the usual data directory sees it.
        let home = format!(" --home {}", self.home().display());
        let told = format!("{}{}", stderr(&output), stdout(&output)).replace(&home, "");
        let (answer, fix) = taken_apart(&told);
        let lacking: Vec<_> = words.iter().filter(|word| !told.contains(**word)).collect();
        let shows = ["os error", "Os {", "panicked", "RUST_BACKTRACE"];
        let is_rust = shows.iter().any(|word| told.contains(word));
        let code = output.status.code();
        if code != Some(exit) || !lacking.is_empty() || is_rust || fix.is_empty() {
            self.wrong.push(format!("{what}: {code:?}, {lacking:?} not in: {told}"));
        }
        let known = [
            (self.home().display().to_string(), "~/.local/share/countersign"),
            (self.folder.path().display().to_string(), "~"),
        ];
        let plain = |text: &str| plain(text, &known);
        let command = plain(&format!("countersign {}", args.join(" ")));
        let (answer, fix) = (plain(&answer), plain(&fix));
        self.rows.push(Row { what, command, exit, answer, fix });
    }
}

fn fed(mut command: Command, input: &[u8]) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that fails before it reads leaves nobody to take it.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// The answer and what to do, of an error or of the first trouble of the doctor.
fn taken_apart(told: &str) -> (String, String) {
    let lines: Vec<_> = told.lines().map(str::trim).collect();
    let after = |mark: &str| lines.iter().find_map(|line| line.strip_prefix(mark));
    let trouble = lines.iter().find_map(|line| line.strip_prefix("TROUBLE  "));
    let answer = match (after("error: "), trouble, after("cause: ")) {
        (Some(error), ..) => error.to_owned(),
        (None, Some(subject), Some(cause)) => format!("{subject}: {cause}"),
        _ => after("problem: ").unwrap_or_default().to_owned(),
    };
    let fix = after("hint: ").or_else(|| after("fix:")).or_else(|| after("For more information"));
    (answer, fix.unwrap_or_default().trim().to_owned())
}

/// Without what is another every time.
fn plain(text: &str, known: &[(String, &str)]) -> String {
    let mut text = text.to_owned();
    for (path, name) in known {
        text = text.replace(path, name);
    }
    // The folder of a platform, which has six random characters behind this.
    let folder = std::env::temp_dir().join(".tmp").display().to_string();
    while let Some(at) = text.find(&folder) {
        text.replace_range(at..at + folder.len() + 6, "~");
    }
    let mut shown = text;
    for before in ["127.0.0.1:", " on port "] {
        let mut parts = shown.split(before);
        let mut plain = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
            let port = if rest.len() < part.len() { "8443" } else { "" };
            plain.push_str(&format!("{before}{port}{rest}"));
        }
        shown = plain;
    }
    let words = shown.split(' ').map(|word| {
        let digits = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        match (is_hex, digits.len(), digits.contains('-')) {
            (true, 32.., false) => word.replace(digits, "API_ID"),
            // Of a conversation.
            (true, 36, true) => word.replace(digits, "CONVERSATION"),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

const ID: &str = "0123456789abcdef0123456789abcdef";

fn secret() -> Vec<u8> {
    "ab".repeat(64).into_bytes()
}

fn wide(text: &str, mark: &str) -> Vec<u8> {
    format!("{mark}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// URLs that cannot be right, and places where nobody answers.
fn addresses(bench: &mut Bench) {
    let secret = secret();
    let pair = (ID, secret.as_slice());
    let mut add =
        |what, url: &str, exit, words: &[&str]| bench.add(what, pair, &["--url", url], exit, words);
    add(
        "no `https://`",
        "api.veracode.com",
        2,
        &["`api.veracode.com`", "give `https://api.veracode.com`"],
    );
    add(
        "no `https://`, but a port",
        "api.veracode.com:443",
        2,
        &["give `https://api.veracode.com`"],
    );
    add("http", "http://api.veracode.eu", 2, &["not https", "give `https://api.veracode.eu`"]);
    add(
        "a path in the URL",
        "https://api.veracode.com/appsec/v1",
        2,
        &["/appsec/v1", "give `https://api.veracode.com`"],
    );
    add(
        "the pages for people",
        "https://analysiscenter.veracode.com/auth/",
        2,
        &["analysiscenter", "give `https://api.veracode.com`"],
    );
    add(
        "a password in the URL",
        "https://me:hush@api.veracode.com",
        2,
        &["user and password", "give `https://api.veracode.com`"],
    );
    add("no URL at all", "what is this", 2, &["`what is this`", "https://api.veracode.com"]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("https://{free}");
    add(
        "a port that nobody listens on",
        &url,
        5,
        &[&url, "nothing listens on port", "platform serve --listen 127.0.0.1:"],
    );
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    add("a host that does not answer", &url, 5, &[&url, "no connection within 2 s"]);
    drop(silent);
    let plain = answering(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    let url = format!("https://{plain}");
    add("a port that speaks no TLS", &url, 5, &["does not speak TLS", "correct the port"]);
}

/// Answers every connection with the same bytes.
fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut caller in listener.incoming().map_while(Result::ok) {
            let _ = std::io::Read::read(&mut caller, &mut [0; 4096]);
            let _ = caller.write_all(bytes);
        }
    });
    address
}

fn proxies(bench: &mut Bench) {
    let secret = secret();
    let args = ["integration", "add", "mine", "--client-id", ID, "--client-secret-stdin"];
    let mut through = |what, name: &'static str, proxy: &str, exit, words: &[&str]| {
        let mut command = bench.command(&args);
        command.env(name, proxy);
        bench.make_by(what, &args, command, &secret, exit, words);
    };
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    through(
        "a proxy that nobody runs",
        "https_proxy",
        &format!("http://{free}"),
        5,
        &[&free, "nothing listens", "correct https_proxy"],
    );
    through(
        "a proxy without a host",
        "HTTPS_PROXY",
        "http://",
        2,
        &["HTTPS_PROXY holds `http://`", "names no host"],
    );
    through(
        "a SOCKS proxy",
        "all_proxy",
        "socks5://proxy.example.com:1080",
        2,
        &["all_proxy", "only http and https"],
    );
    let basic = answering(b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n");
    through(
        "a proxy that wants a password",
        "ALL_PROXY",
        &basic,
        5,
        &[&basic, "it offers Basic", "put them into ALL_PROXY"],
    );
    let known = format!("http://me:hush@{basic}");
    through(
        "a proxy with the wrong password",
        "HTTPS_PROXY",
        &known,
        5,
        &["refuses the user and the password", "correct the user and the password in HTTPS_PROXY"],
    );
    let ntlm = answering(
        b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n",
    );
    through(
        "a proxy that offers NTLM alone",
        "HTTPS_PROXY",
        &ntlm,
        5,
        &["it offers NTLM, Negotiate", "cntlm"],
    );
    let shut = answering(b"HTTP/1.1 403 Forbidden\r\n\r\n");
    through(
        "a proxy that does not allow the host",
        "HTTPS_PROXY",
        &shut,
        5,
        &[&shut, "allow api.veracode.com"],
    );
    bench.configure(b"[client]\nproxy = \"not a URL\"\n");
    bench.add(
        "`client.proxy` that is no address",
        (ID, &secret),
        &[],
        2,
        &["`client.proxy` in config.toml", "`not a URL`"],
    );
    bench.configure(b"");
}

fn files(bench: &mut Bench) {
    let secret = secret();
    let pkcs12 = bench.file("ca.p12", &[&[0x30, 0x82, 0, 16, 2, 1, 3][..], &[0; 13]].concat());
    let key =
        bench.file("key.pem", b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n");
    let text = bench.file("ca.txt", &wide("-----BEGIN CERTIFICATE-----\n", ""));
    let absent = bench.folder.path().join("absent.pem");
    for (what, path, words) in [
        ("a CA file that is a PKCS #12 store", &pkcs12, ["ca.p12", "openssl pkcs12 -in"]),
        ("a CA file that is a private key", &key, ["key.pem", "beside it"]),
        ("a CA file in UTF-16 without its mark", &text, ["ca.txt", "iconv -f UTF-16LE"]),
    ] {
        let path = path.display().to_string();
        bench.add(what, (ID, &secret), &["--ca-file", &path], 2, &words);
    }
    let _ = absent;
    let latin = bench.file("credentials", b"[default]\n# caf\xe9\nveracode_api_key_id = 1\n");
    let path = latin.display().to_string();
    let args = ["integration", "add", "mine", "--import-file", &path];
    bench.make(
        "a credentials file in Latin-1",
        &args,
        2,
        &["line 2 looks like Windows-1252", "iconv -f WINDOWS-1252"],
    );
    write_secret(&latin, "[other]\nveracode_api_key_id = 1\n");
    bench.make("a credentials file without the profile", &args, 2, &["[default]", "credentials"]);
    bench.add(
        "a Secret Key in UTF-16 without its mark",
        (ID, &wide(&"ab".repeat(64), "")),
        &[],
        2,
        &["standard input", "UTF-16", "byte-order mark"],
    );
    bench.configure(b"[client]\n# caf\xe9\n");
    bench.make("config.toml in Latin-1", &["findings"], 2, &["config.toml", "line 2", "iconv"]);
    bench.configure(b"[sync]\nparalel = 3\n");
    bench.make(
        "a key of config.toml that there is not",
        &["doctor"],
        2,
        &["config.toml", "paralel", "line 2"],
    );
    bench.configure(b"");
}

fn pairs(bench: &mut Bench) {
    let european = format!("vera01ei-{ID}");
    let prefixed = format!("vera01es-{}", "ab".repeat(64));
    bench.add(
        "a European pair at the commercial URL",
        (&european, prefixed.as_bytes()),
        &["--url", "https://api.veracode.com"],
        2,
        &["api.veracode.eu"],
    );
    let long = "ab".repeat(64);
    bench.add("ID and key swapped", (&long, ID.as_bytes()), &[], 2, &["swapped", "32 hex digits"]);
    bench.add("half of a Secret Key", (ID, b"00"), &[], 2, &["2 hex digits"]);
    let args = ["integration", "add", "mine", "--client-id", ID];
    bench.make("no Secret Key", &args, 2, &["Client Secret is missing", "--client-secret-stdin"]);
}

fn homes(bench: &mut Bench) {
    bench.make(
        "no integration yet",
        &["sync"],
        2,
        &["no integration yet", "countersign integration add"],
    );
    let store = bench.home().join("store.sqlite");
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", store.display()));
    }
    std::fs::write(&store, "this is no database at all").unwrap();
    bench.make("a store that is none", &["doctor"], 7, &["store.sqlite", "store restore"]);
    std::fs::remove_file(&store).unwrap();
}

/// What needs a service that answers.
fn services(bench: &mut Bench) {
    let served = Served::start("apps=2,findings=12");
    let home = bench.home();
    let (id, secret) = served.mint("reader", READER);
    let (_, other) = served.mint("other", READER);
    let ca = served.ca_file.display().to_string();
    let at = ["--url", &served.url, "--ca-file", &ca];
    bench.add("no CA file", (&id, secret.as_bytes()), &["--url", &served.url], 5, &[]);
    bench.add(
        "the key of another account",
        (&id, other.as_bytes()),
        &at,
        3,
        &["not authenticated", "the Secret Key is not the one"],
    );
    let (weak, key) =
        served.mint("uploader", &["uploadapi", "apisubmitanyscan", "noteamrestrictionapi"]);
    bench.add(
        "a role is missing",
        (&weak, key.as_bytes()),
        &at,
        4,
        &["Results API", "administrator"],
    );
    assert!(served.add(&home, (&id, &secret)).status.success());
    bench.make("an integration that there is not", &["sync", "dmeo"], 2, &["dmeo"]);
    clock(&served, &["--advance", "25d"]);
    bench.make(
        "a clock that is 25 days behind",
        &["integration", "check", "demo"],
        3,
        &["25 days behind the service's", "timedatectl set-ntp true"],
    );
    clock(&served, &["--real"]);
    let lock = std::fs::File::create(home.join("store.sync-lock")).unwrap();
    lock.lock().unwrap();
    bench.make("another sync is under way", &["sync"], 7, &["store.sqlite"]);
    begin_run(&home, 9 * 3_600_000);
    bench.make(
        "a sync that hangs",
        &["doctor"],
        6,
        &["last sync of `demo`", "it began 9 hours ago", "fuser -v"],
    );
    drop(lock);
    bench.make(
        "a sync that was cut off",
        &["doctor"],
        6,
        &["was cut off", "`countersign sync demo`"],
    );
    assert!(run(&home, &["sync"]).status.success());
    elsewhere(bench, &home);
    let (key, away) = (home.join("vault.key"), home.join("away"));
    std::fs::rename(&key, &away).unwrap();
    bench.make(
        "the key of the vault is gone",
        &["doctor"],
        7,
        &["vault.key", "bring the file back"],
    );
    std::fs::rename(&away, &key).unwrap();
    drop(served);
    bench.make(
        "the platform is down",
        &["sync"],
        5,
        &["nobody answers at https://127.0.0.1:", "start the platform again"],
    );
    bench.make(
        "the platform is down, by the doctor",
        &["doctor"],
        5,
        &["integration `demo`", "countersign platform serve --listen"],
    );
    std::fs::write(home.join("vault.json"), "{").unwrap();
    bench.make("a vault that is cut", &["doctor"], 7, &["vault.json", "from a backup"]);
}

/// The data directory that is meant is another one.
fn elsewhere(bench: &mut Bench, full: &Path) {
    let empty = bench.folder.path().join("empty");
    let args = ["--home", empty.to_str().unwrap(), "doctor"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(args).env("HOME", bench.folder.path()).env_remove("COUNTERSIGN_HOME");
    let usual = bench.folder.path().join(".local/share");
    std::fs::create_dir_all(&usual).unwrap();
    std::fs::remove_dir_all(usual.join("countersign")).ok();
    copy(full, &usual.join("countersign"));
    command.env_remove("XDG_DATA_HOME");
    bench.make_by(
        "the wrong data directory",
        &args,
        command,
        b"",
        2,
        &["has `demo`", "countersign --home"],
    );
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn clock(served: &Served, args: &[&str]) {
    let all = [&["platform", "clock"], args].concat();
    assert!(run(&served.platform_home(), &all).status.success());
}

/// A sync that began so long ago, and whose end is not noted.
fn begin_run(home: &Path, ago_ms: i64) {
    let store = rusqlite::Connection::open(home.join("store.sqlite")).unwrap();
    let begun = "insert into runs (integration, kind, started_ms)
        select id, 'incremental', unixepoch() * 1000 - ? from integrations";
    store.execute(begun, [ago_ms]).unwrap();
}

fn typed(bench: &mut Bench) {
    for (what, args, words) in [
        (
            "a field that there is not",
            &["findings", "--filter", "sevrity[eq]4"][..],
            &["sevrity"][..],
        ),
        ("an id that is none", &["finding", "zz"], &["zz"]),
        ("a command that there is not", &["finding-s"], &["finding-s", "--help"]),
        ("a format that there is not", &["export", "--format", "exel"], &["exel", "csv"]),
        (
            "a role that there is not",
            &["platform", "mint", "--user", "x", "--role", "resultapi"],
            &["resultsapi"],
        ),
    ] {
        bench.make(what, args, 2, words);
    }
}

#[test]
fn each_mistake_has_an_answer() {
    let mut bench = Bench::new();
    for part in [addresses, proxies, files, pairs, typed, homes, services] {
        part(&mut bench);
    }
    assert!(bench.wrong.is_empty(), "{}", bench.wrong.join("\n"));
    let rows = &bench.rows;
    assert!(rows.len() >= 40, "{} mistakes", rows.len());
    let mut page = HEAD.to_owned();
    for row in rows {
        let Row { what, command, exit, answer, fix } = row;
        page.push_str(&format!("| {what} | `{command}` | {exit} | {answer} | {fix} |\n"));
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (made, known) in lines(&page).iter().zip(lines(&written)) {
        assert_eq!(*made, known, "UPDATE=1 cargo test -p countersign mistakes");
    }
    assert_eq!(page.len(), written.len(), "UPDATE=1 cargo test -p countersign mistakes");
}
