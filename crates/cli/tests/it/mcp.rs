//! `mcp` as an assistant starts it: the protocol alone on standard output, nothing written, and
//! an end when the input ends.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::program::{Served, countersign, run, stderr, stdout};

/// Everything that is sent before the input ends.
fn ask(home: &Path, args: &[&str], calls: &[(&str, Value)]) -> Output {
    let about = json!({"protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}});
    let mut lines = vec![
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    ];
    lines.extend((1..).zip(calls).map(|(id, (tool, inputs))| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": tool, "arguments": inputs}})
    }));
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    send(home, args, text.as_bytes())
}

fn send(home: &Path, args: &[&str], bytes: &[u8]) -> Output {
    let mut command = countersign(home);
    command.arg("mcp").args(args).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child.wait_with_output().unwrap()
}

/// The results by their calls. Each line is a message.
fn results(output: &Output) -> BTreeMap<u64, Value> {
    assert!(output.status.success(), "{}", stderr(output));
    let messages = stdout(output);
    let messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    messages
        .map(|message| {
            assert_eq!(message["jsonrpc"], "2.0", "{message}");
            (message["id"].as_u64().unwrap(), message["result"].clone())
        })
        .collect()
}

#[test]
fn an_assistant_reads_what_is_stored_and_changes_nothing() {
    let served = Served::start("apps=2,findings=30");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (id, secret) = served.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
    for name in ["prod", "twin"] {
        assert!(served.add_as(name, home, (&id, &secret)).status.success());
    }
    assert!(run(home, &["sync"]).status.success());
    // It has no use for the vault.
    std::fs::remove_file(home.join("vault.key")).unwrap();
    let before = std::fs::read(home.join("store.sqlite")).unwrap();

    let refused = send(home, &["--integration", "nobody"], b"");
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("nobody"), "{}", stderr(&refused));
    let no_protocol = send(
        home,
        &[],
        b"{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"tools/call\", \"params\": {\"name\": \"x\"}}\n",
    );
    assert!(!stdout(&no_protocol).contains("untrusted"), "{}", stdout(&no_protocol));
    let nothing = send(home, &[], b"");
    assert!(nothing.status.success() && nothing.stdout.is_empty(), "{}", stderr(&nothing));

    let calls = [
        ("count_findings", json!({"everything": true})),
        ("expiring_credentials", json!({"days": 3650})),
        ("search_findings", json!({"limit": 100, "everything": true})),
    ];
    // However much is logged, it is on standard error.
    let all = ask(home, &["--log", "trace"], &calls);
    assert!(stderr(&all).contains("TRACE"), "{}", stderr(&all));
    let listed = run(home, &["findings", "--json"]);
    let total = stdout(&listed).lines().count();
    let own = stdout(&run(home, &["findings", "--json", "--integration", "prod"])).lines().count();
    let all = results(&all);
    assert_eq!(all[&1]["structuredContent"]["total"], total);
    let held = &all[&2]["structuredContent"]["credentials"];
    assert_eq!(held.as_array().unwrap().len(), 2);
    assert!(!held.to_string().contains(&secret) && !held.to_string().contains(&id));
    let prod = results(&ask(home, &["-i", "prod"], &calls));
    assert_eq!((&prod[&1]["structuredContent"]["total"], own * 2), (&json!(own), total));
    assert!(!prod[&3].to_string().contains("twin"));
    assert_eq!(std::fs::read(home.join("store.sqlite")).unwrap(), before, "nothing is written");
}
