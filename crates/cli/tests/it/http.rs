use countersign_signing::{Authorization, Pair, Request, SigningKey};
use serde_json::Value;

use crate::program::{Served, countersign, run, stderr, stdout};

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];

#[test]
fn a_signed_header_verifies_for_its_url_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (id, secret) = ("ab".repeat(16), "cd".repeat(64));
    let sign = |arguments: &[&str]| {
        let mut command = countersign(folder.path());
        command.env("VERACODE_API_KEY_ID", &id).env("VERACODE_API_KEY_SECRET", &secret);
        command.arg("sign").args(arguments).output().unwrap()
    };
    for (arguments, word) in [
        (&["--url", "api.veracode.com/x"][..], "absolute URL"),
        (&["--url", "ftp://api.veracode.com/x"], "absolute URL"),
        (&["--url", "https:///x"], "host"),
    ] {
        let output = sign(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
    }

    let key = SigningKey::new(&Pair::parse(&id, &secret).unwrap().secret);
    for (url, method, target) in [
        ("https://API.veracode.com:8443/a%20b?c=%27", "GET", "/a%20b?c=%27"),
        ("https://api.veracode.com", "POST", "/"),
        ("https://api.veracode.com?x=1", "delete", "/?x=1"),
    ] {
        let output = sign(&["--method", method, "--url", url]);
        let header = stdout(&output);
        let header = Authorization::parse(header.trim_end()).unwrap();
        let verifies = |method, host, target| {
            key.verify(&header, [Request::new(method, host, target)]).is_ok()
        };
        assert!(verifies(method, "api.veracode.com", target), "{url}");
        assert!(!verifies("PUT", "api.veracode.com", target));
        assert!(!verifies(method, "api.veracode.eu", target));
        assert!(!verifies(method, "api.veracode.com", "/other"));
        assert!(!stderr(&output).contains(&secret));
    }
}

#[test]
fn http_speaks_to_the_integration_and_to_nobody_else() {
    let served = Served::start("apps=3,findings=9");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (id, secret) = served.mint("reader", READER);
    assert!(served.add(home, (&id, &secret)).status.success());

    let elsewhere = run(home, &["http", "GET", "https://api.example.com/appsec/v1/applications"]);
    assert_eq!(elsewhere.status.code(), Some(2));
    assert!(stderr(&elsewhere).contains("another host"), "{}", stderr(&elsewhere));
    let body = home.join("no-such-file");
    let unread = run(home, &["http", "POST", "/x", "--body", body.to_str().unwrap()]);
    assert_eq!(unread.status.code(), Some(2));
    let forbidden = run(home, &["http", "GET", "/api/authn/v2/users"]);
    assert_eq!(forbidden.status.code(), Some(4), "{}", stderr(&forbidden));

    let listed = run(home, &["http", "get", "/appsec/v1/applications?size=2", "--verbose"]);
    let object: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(object["page"]["total_elements"], 3);
    let told = stderr(&listed);
    assert!(told.contains("200") && told.contains("x-conversation-id"), "{told}");
    assert!(!told.to_lowercase().contains("authorization"), "{told}");

    let absolute = format!("{}/api/authn/v2/users/self", served.url);
    let own = run(home, &["http", "GET", &absolute]);
    let object: Value = serde_json::from_slice(&own.stdout).unwrap();
    assert_eq!(object["user_name"], "reader");
}
