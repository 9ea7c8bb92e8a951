//! Whose credentials sign: by host, the environment before what nobody chose.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::program::{Served, countersign, stderr, stdout};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

/// Two services, an integration for each, in one data directory.
struct Two {
    folder: tempfile::TempDir,
    services: [Served; 2],
    pairs: [(String, String); 2],
}

impl Two {
    fn new() -> Self {
        let services = [Served::start("apps=2,findings=4"), Served::start("apps=3,findings=6")];
        let folder = tempfile::tempdir().unwrap();
        let pairs = [("one", 0), ("two", 1)].map(|(name, at)| {
            let (id, secret) = services[at].mint(&format!("reader-{name}"), READER);
            let added = services[at].add_as(name, folder.path(), (&id, &secret));
            assert!(added.status.success(), "{}", stderr(&added));
            (id, secret)
        });
        Self { folder, services, pairs }
    }

    fn home(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, args: &[&str]) -> Output {
        countersign(self.home()).args(args).output().unwrap()
    }

    /// With a pair in the environment.
    fn run_with(&self, (id, secret): (&str, &str), args: &[&str]) -> Output {
        let mut command = countersign(self.home());
        command.env("VERACODE_API_KEY_ID", id).env("VERACODE_API_KEY_SECRET", secret);
        command.args(args).output().unwrap()
    }

    fn url(&self, at: usize, path: &str) -> String {
        format!("{}{path}", self.services[at].url)
    }
}

/// The API ID of a header that was printed.
fn signer(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    let header = stdout(output);
    let id = header.split("id=").nth(1).unwrap().split(',').next().unwrap();
    id.to_owned()
}

fn assert_refused(output: &Output, words: &[&str]) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(stdout(output).is_empty());
    for word in words {
        assert!(told.contains(word), "`{word}` is not in: {told}");
    }
}

/// The first command that an error proposes, as words.
fn proposal(output: &Output) -> Vec<String> {
    let told = stderr(output);
    let hint = told.split("hint: `countersign ").nth(1).unwrap();
    let command = hint.split('`').next().unwrap();
    command.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect()
}

#[test]
fn a_call_is_signed_for_its_host() {
    let two = Two::new();
    let elsewhere = "https://api.example.com/appsec/v1/applications";
    assert_refused(
        &two.run(&["sign", "--url", elsewhere]),
        &["no credentials for `https://api.example.com`", "another host", "`one` is at"],
    );
    let second = two.url(1, "/appsec/v1/applications");
    let refused = two.run(&["sign", "--url", &second, "--integration", "one"]);
    assert_refused(&refused, &["`one` is at", "another host", "--integration two`"]);
    // What is proposed works as it stands.
    let words = proposal(&refused);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    assert_eq!(words[0], "--home");
    assert_eq!(signer(&two.run(&words[2..])), two.pairs[1].0);
    // What is sent goes to one address; what is signed is for a host, and both are on it.
    let unserved = "https://127.0.0.1/appsec/v1/applications";
    let sign = ["sign", "--url", unserved];
    assert_refused(&two.run(&sign), &["several integrations at `https://127.0.0.1:"]);
    let named = two.run(&[&sign[..], &["--integration", "one"]].concat());
    assert_eq!(signer(&named), two.pairs[0].0);
    assert_refused(
        &two.run(&["http", "GET", unserved, "--integration", "one"]),
        &["`one` is at", "another host"],
    );
    assert_refused(&two.run(&["http", "GET", elsewhere]), &["another host", "integration add"]);
    assert_refused(
        &two.run(&["http", "GET", &second, "--integration", "one"]),
        &["another host", "--integration two`"],
    );
    assert_refused(
        &two.run(&["http", "GET", "/appsec/v1/applications"]),
        &["several integrations", "--integration one`", "--integration two`"],
    );

    for at in [0, 1] {
        let url = two.url(at, "/api/authn/v2/users/self");
        assert_eq!(signer(&two.run(&["sign", "--url", &url])), two.pairs[at].0);
        let answer = two.run(&["http", "GET", &url]);
        let own: Value = serde_json::from_slice(&answer.stdout).unwrap();
        assert_eq!(own["user_name"], ["reader-one", "reader-two"][at]);
    }
}

#[test]
fn the_environment_wins_over_what_nobody_chose() {
    let two = Two::new();
    let (own, other) = ("ab".repeat(16), "cd".repeat(64));
    let of_environment = (own.as_str(), other.as_str());
    for url in ["https://api.veracode.eu/x", &two.url(0, "/x")] {
        assert_eq!(signer(&two.run_with(of_environment, &["sign", "--url", url])), own);
    }
    // A name on the command line is nearer still.
    let url = two.url(0, "/x");
    let named = two.run_with(of_environment, &["sign", "--url", &url, "--integration", "one"]);
    assert_eq!(signer(&named), two.pairs[0].0);

    // Whoever has half a pair, or one of another region, is told so.
    let mut command = countersign(two.home());
    command.env("VERACODE_API_KEY_ID", &own).args(["sign", "--url", &url]);
    assert_refused(
        &command.output().unwrap(),
        &["`VERACODE_API_KEY_ID` is set, and `VERACODE_API_KEY_SECRET` is not"],
    );
    let (eu, secret) = (format!("vera01ei-{own}"), format!("vera01es-{other}"));
    assert_refused(
        &two.run_with((&eu, &secret), &["sign", "--url", "https://api.veracode.com/x"]),
        &["`https://api.veracode.eu`", "another host"],
    );

    // The certificate authority of an integration at that address is trusted.
    let (id, secret) = two.services[1].mint("third", READER);
    let url = two.url(1, "/api/authn/v2/users/self");
    let answer = two.run_with((&id, &secret), &["http", "GET", &url]);
    let own: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(own["user_name"], "third", "{}", stderr(&answer));
}

#[test]
fn a_program_gets_the_credentials_for_its_url() {
    let two = Two::new();
    let url = two.url(1, "/appsec/v1/applications");
    let echo = ["--", "sh", "-c", "echo id=$VERACODE_API_KEY_ID"];
    let by_url = two.run(&[&["credentials", "env", "--url", &url][..], &echo].concat());
    assert_eq!(signer(&by_url), two.pairs[1].0.clone() + "\n");
    let refused = two.run(&[&["credentials", "env", "one", "--url", &url][..], &echo].concat());
    assert_refused(&refused, &["`one` is at", "another host", "credentials env two --url"]);
    let refused = two.run(&[&["credentials", "env"][..], &echo].concat());
    assert_refused(&refused, &["several integrations", "credentials env one --", "env two --"]);
}

#[test]
fn all_pages_of_a_list() {
    let two = Two::new();
    let refused = two.run(&["http", "POST", &two.url(1, "/x"), "--paginate"]);
    assert_refused(&refused, &["only GET"]);
    let url = two.url(1, "/appsec/v1/applications?size=2");
    let pages = two.run(&["http", "GET", &url, "--paginate"]);
    assert!(pages.status.success(), "{}", stderr(&pages));
    let text = stdout(&pages);
    let pages: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |page: &Value| page["_embedded"]["applications"].as_array().map(Vec::len);
    assert_eq!(pages.iter().map(count).collect::<Vec<_>>(), [Some(2), Some(1)]);
}
