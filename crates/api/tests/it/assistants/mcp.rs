//! What the protocol offers, and what it refuses.

use countersign_findings::filter::{Field, Operator};
use serde_json::{Value, json};

use super::Bench;

const TOOLS: [&str; 7] = [
    "search_findings",
    "count_findings",
    "get_finding",
    "list_applications",
    "what_changed",
    "expiring_credentials",
    "how_to_fix",
];

#[tokio::test]
async fn there_is_nothing_but_these_tools() {
    let bench = Bench::filled().await;
    let mut client = bench.everybody().await;
    for (method, params) in [
        ("tools/call", json!({"name": "delete_finding", "arguments": {}})),
        ("tools/call", json!({"name": "search_findings ", "arguments": {}})),
        ("tools/call", json!({"name": "", "arguments": {}})),
        ("tools/call", json!({"name": "search_findings", "arguments": [1]})),
        ("resources/list", json!({})),
        ("resources/read", json!({"uri": "file:///etc/passwd"})),
        ("resources/write", json!({"uri": "file:///etc/passwd", "text": "x"})),
        ("resources/subscribe", json!({"uri": "x:y"})),
        ("prompts/list", json!({})),
        ("prompts/get", json!({"name": "x"})),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "x"},
            "argument": {"name": "x", "value": ""}}),
        ),
        ("logging/setLevel", json!({"level": "debug"})),
        ("tasks/get", json!({"taskId": "x"})),
        ("tools/create", json!({"name": "x"})),
    ] {
        client.asked += 1;
        let id = client.asked;
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        client.send(message).await;
        let line = client.lines.next_line().await.unwrap().unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert!(answer["error"]["code"].is_i64() && answer.get("result").is_none(), "{answer}");
    }
    let answer = client.ask("tools/list", json!({})).await;
    let tools = answer["result"]["tools"].as_array().unwrap();
    assert_eq!(tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect::<Vec<_>>(), TOOLS);
    let filter = &tools[0]["inputSchema"]["properties"]["filter"]["description"];
    let names = Field::ALL.map(Field::name).into_iter().chain(Operator::ALL.map(Operator::name));
    for name in names {
        let words = filter.as_str().unwrap().split(|c: char| !c.is_alphanumeric() && c != '_');
        assert!(words.into_iter().any(|word| word == name), "`{name}` is not described: {filter}");
    }
    for tool in tools {
        let hints = &tool["annotations"];
        for (hint, is) in
            [("readOnlyHint", true), ("destructiveHint", false), ("openWorldHint", false)]
        {
            assert_eq!(hints[hint], is, "{tool}");
        }
        let schema = &tool["inputSchema"];
        assert_eq!(
            (&schema["type"], &schema["additionalProperties"]),
            (&json!("object"), &json!(false))
        );
        assert!(tool["description"].as_str().unwrap().len() > 50, "{tool}");
    }
    let capabilities = client
        .ask(
            "initialize",
            json!({"protocolVersion": "2025-06-18",
        "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}),
        )
        .await;
    let capabilities = capabilities["result"]["capabilities"].as_object().unwrap().clone();
    assert_eq!(capabilities.keys().collect::<Vec<_>>(), ["tools"]);
    client.end().await;
}

#[tokio::test]
async fn inputs_that_are_wrong_are_refused_by_name() {
    let bench = Bench::filled().await;
    let mut client = bench.everybody().await;
    for (tool, inputs, cause, hint) in [
        ("search_findings", json!({"fliter": "x"}), "no input `fliter`", "filter"),
        ("search_findings", json!({"filter": 4}), "`filter` cannot be 4", "a text"),
        ("search_findings", json!({"limit": 101}), "`limit` cannot be 101", "from 1 to 100"),
        ("search_findings", json!({"limit": 0}), "`limit` cannot be 0", "from 1 to 100"),
        ("search_findings", json!({"limit": -1}), "`limit` cannot be -1", "from 1 to 100"),
        ("search_findings", json!({"limit": 1.5}), "`limit` cannot be 1.5", "from 1 to 100"),
        ("search_findings", json!({"limit": "5"}), "`limit` cannot be \"5\"", "whole number"),
        ("search_findings", json!({"everything": "yes"}), "`everything`", "true or false"),
        ("search_findings", json!({"cursor": "zzz"}), "cursor is not", "without `cursor`"),
        ("search_findings", json!({"filter": "x".repeat(20_000)}), "`filter`", "16384 bytes"),
        ("count_findings", json!({"by": "first_found"}), "`by`", "one of application"),
        ("get_finding", json!({}), "`id` is missing", "hex digits"),
        ("get_finding", json!({"id": null}), "`id` is missing", "hex digits"),
        ("get_finding", json!({"id": "abc"}), "`abc` is not the id", "20 hex digits"),
        ("get_finding", json!({"id": "0000"}), "begins with `0000`", "search_findings"),
        ("list_applications", json!({"cursor": "zzz"}), "cursor is not", "without `cursor`"),
        ("what_changed", json!({"since": "yesterday"}), "`yesterday` is not a time", "a date"),
        ("what_changed", json!({"cursor": "x"}), "cursor is not", "without `cursor`"),
        ("what_changed", json!({"kind": "gone"}), "`kind`", "new, changed, reopened, closed"),
        ("what_changed", json!({"application": "Wob Shop"}), "`Wob Shop`", "nearest"),
        ("expiring_credentials", json!({"days": 4000}), "`days`", "from 0 to 3650"),
        ("how_to_fix", json!({}), "exactly one", "the number of a CWE"),
        ("how_to_fix", json!({"cwe": 89, "finding": "abcd"}), "exactly one", "the id"),
        ("how_to_fix", json!({"cwe": 1234}), "no stored finding has CWE-1234", "count_findings"),
    ] {
        let (error, told, _) = client.refused(tool, inputs.clone()).await;
        assert!(error.contains(cause), "{tool} {inputs}: {error}");
        assert!(told.contains(hint), "{tool} {inputs}: {told}");
    }
    client.end().await;
}

#[tokio::test]
async fn a_broken_filter_shows_where() {
    let bench = Bench::filled().await;
    let mut client = bench.everybody().await;
    for (filter, cause, hint) in [
        ("severity[gte]4 and", "`4 and` cannot be compared", ""),
        ("(severity[eq]4) cwe[eq]1", "`cwe[eq]1` does not belong", "quote a value"),
        ("sevrity[gte]4", "no field `sevrity`", "severity"),
        ("title[eq]\"x", "quote is not closed", "for example"),
        ("(severity[eq]4", "parenthesis is not closed", "for example"),
    ] {
        for tool in ["search_findings", "count_findings"] {
            let (error, told, _) = client.refused(tool, json!({"filter": filter})).await;
            assert!(error.contains(cause), "{filter}: {error} / {told}");
            assert!(told.contains(hint), "{filter}: {told}");
        }
    }
    let (error, _, _) =
        client.refused("search_findings", json!({"filter": "cwe[eq]\u{202e}\u{7}"})).await;
    assert!(error.contains("<U+202E><U+0007>"), "{error}");
    client.end().await;
}

/// What is no message is not answered, or with an error, and the server stays.
#[tokio::test]
async fn what_is_no_message_ends_nothing() {
    use tokio::io::AsyncWriteExt;
    let bench = Bench::filled().await;
    let mut client = bench.everybody().await;
    let long = format!("{{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"{}\"}}\n", "x".repeat(300_000));
    for bytes in [b"\n" as &[u8], b"hello\n", b"{\"a\":\n", b"\xff\xfe\n", long.as_bytes()] {
        client.write.write_all(bytes).await.unwrap();
    }
    let answer = client.get("search_findings", json!({"limit": 1})).await;
    assert_eq!(answer["findings"].as_array().unwrap().len(), 1);
    client.end().await;
}
