//! What only reads what is stored needs no secret: neither the vault's key nor a token.

use crate::program::{Served, countersign, run, stderr};

#[test]
fn queries_and_exports_ask_for_no_secret() {
    let served = Served::start("apps=2,findings=20");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (id, secret) = served.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
    assert!(served.add(home, (&id, &secret)).status.success());
    assert!(run(home, &["sync"]).status.success());
    let listed = run(home, &["findings", "--json", "--limit", "1"]);
    let finding: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let finding = finding["id"].as_str().unwrap();

    for config in [
        "[vault]\npassphrase_file = \"/no/such/passphrase\"\n",
        "[vault]\nbackend = \"kv\"\n[vault.kv]\naddress = \"https://127.0.0.1:9\"\ntoken_env = \"NO_SUCH_TOKEN\"\n",
    ] {
        std::fs::write(home.join("config.toml"), config).unwrap();
        std::fs::remove_file(home.join("vault.key")).ok();
        for args in [
            &["applications"][..],
            &["findings"],
            &["findings", "--json"],
            &["findings", "--facet", "cwe"],
            &["finding", finding],
            &["changes"],
            &["mcp"],
            &["export", "--format", "csv"],
            &["export", "--format", "sarif"],
            &["integration", "list"],
            &["integration", "show"],
            &["credentials", "list"],
            &["credentials", "calendar"],
            &["credentials", "metrics"],
            &["credentials", "consumers"],
            &["credentials", "log"],
            &["schedule", "list"],
            &["people", "list"],
            &["proxy", "callers"],
            &["proxy", "log"],
            &["store", "check"],
        ] {
            let output = run(home, args);
            assert!(output.status.success(), "{config}{args:?}: {}", stderr(&output));
        }
        let mut sign = countersign(home);
        sign.env("VERACODE_API_KEY_ID", &id).env("VERACODE_API_KEY_SECRET", &secret);
        let signed = sign.args(["sign", "--url", "https://api.veracode.com/x"]).output().unwrap();
        assert!(signed.status.success(), "{}", stderr(&signed));
        // What signs with what is in it does need it.
        assert!(!run(home, &["sync"]).status.success(), "{config}");
    }
}
