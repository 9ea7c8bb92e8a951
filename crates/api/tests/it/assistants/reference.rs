//! The tables of docs/reference/assistants.md, which are made from what the server lists.
//! `UPDATE=1` writes them; without it, a page that differs fails.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Bench;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/assistants.md");
const BEGIN: &str = "<!-- made from the program: begin -->\n";
const END: &str = "<!-- made from the program: end -->\n";

fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}

fn bounds(schema: &Value) -> String {
    let number = |name: &str| schema[name].as_u64().map(|number| number.to_string());
    match (schema["type"].as_str().unwrap(), schema["enum"].as_array()) {
        (_, Some(words)) => {
            let words: Vec<_> =
                words.iter().map(|word| format!("`{}`", word.as_str().unwrap())).collect();
            words.join(", ")
        }
        ("string", _) => format!("text, {} bytes at most", number("maxLength").unwrap()),
        ("integer", _) => {
            let usual = number("default").map(|usual| format!(", {usual} by default"));
            let (least, most) = (number("minimum").unwrap(), number("maximum").unwrap());
            format!("{least} to {most}{}", usual.unwrap_or_default())
        }
        _ => "`true` or `false`, `false` by default".to_owned(),
    }
}

#[tokio::test]
async fn the_tables_are_what_the_server_lists() {
    let bench = Bench::start().await;
    let mut client = bench.everybody().await;
    let answer = client.ask("tools/list", json!({})).await;
    let mut made = String::new();
    for tool in answer["result"]["tools"].as_array().unwrap() {
        let text = |name: &str| tool[name].as_str().unwrap();
        writeln!(made, "\n### `{}`\n\n{}\n", text("name"), text("description")).unwrap();
        made.push_str("| input | value | meaning |\n| --- | --- | --- |\n");
        let schema = &tool["inputSchema"];
        for (name, input) in schema["properties"].as_object().unwrap() {
            let is_needed = schema["required"].as_array().unwrap().contains(&json!(name));
            let needed = if is_needed { " (required)" } else { "" };
            let about = cell(input["description"].as_str().unwrap());
            writeln!(made, "| `{name}`{needed} | {} | {about} |", bounds(input)).unwrap();
        }
    }
    client.end().await;
    made.push('\n');
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for them");
    let (kept, after) = rest.split_once(END).expect("the place has an end");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PAGE, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        return;
    }
    assert!(
        kept == made,
        "docs/reference/assistants.md differs; UPDATE=1 cargo test -p countersign-api writes it"
    );
}
