//! The OpenAPI documents: golden files, and true to what is answered.

use std::path::Path;

use countersign_api::{Document, Operation, document};
use serde_json::Value;

use crate::Desk;

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/connector-api").join(name)
}

#[test]
fn the_documents_are_those_of_the_reference() {
    for (which, name) in
        [(Document::Management, "management.json"), (Document::Engine, "engine.json")]
    {
        let path = golden(name);
        let made = format!("{:#}\n", document(which, env!("CARGO_PKG_VERSION")));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        let held = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(held == made, "{} has changed: run this test with UPDATE=1", path.display());
    }
}

#[test]
fn every_operation_is_in_one_document_and_every_reference_leads_somewhere() {
    let documents = [Document::Management, Document::Engine].map(|one| document(one, "0.0.0"));
    for operation in Operation::ALL {
        let text = format!("\"operationId\":\"{}\"", operation.id());
        let found = documents.iter().filter(|one| one.to_string().contains(&text)).count();
        assert_eq!(found, 1, "{operation:?}");
    }
    for document in &documents {
        let text = document.to_string();
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some_and(Value::is_object), "{pointer}");
        }
    }
}

#[tokio::test]
async fn the_documents_are_answered_and_so_is_what_the_program_is_able_to_do() {
    let desk = Desk::start().await;
    let admin = desk.admin().await;
    let management = desk.ask("GET", "/v1/meta/openapi/management", Some(&admin)).await.json();
    assert_eq!(management, document(Document::Management, "0.0.0"));
    let engine = desk.ask("GET", "/v1/meta/openapi/engine", None).await.json();
    assert_eq!(engine, document(Document::Engine, "0.0.0"));
    let target = "/v1/capabilities/providers/appsec_veracode?expand=operations&expand=connector";
    let provider = desk.done("GET", target, &admin, Value::Null).await;
    let operations = provider["operations"].as_array().unwrap();
    assert_eq!(operations.len(), Operation::ALL.iter().filter(|one| one.is_reading()).count());
    assert_eq!(provider["connector"]["id"], "appsec");
    // Every filter that is said to be there is one.
    let seat = desk.seat(countersign_store::AccountId::OWN, "prod").await;
    for (operation, path) in
        [("appsec_query_findings", "findings"), ("appsec_query_applications", "applications")]
    {
        let one = operations.iter().find(|one| one["id"] == operation).unwrap();
        for filter in one["filters"].as_array().unwrap() {
            for operator in filter["operators"].as_array().unwrap() {
                let value = match (&filter["values"][0], filter["type"].as_str().unwrap()) {
                    (Value::String(value), _) => value.as_str(),
                    (_, "datetime") => "2026-01-01T00:00:00Z",
                    (_, "number") => "1",
                    _ if filter["name"] == "vulnerabilities.cwe.uid" => "CWE-79",
                    _ => "x",
                };
                let text = format!(
                    "{}[{}]{value}",
                    filter["name"].as_str().unwrap(),
                    operator.as_str().unwrap()
                );
                let text = text.replace(' ', "+").replace('[', "%5B").replace(']', "%5D");
                let answer = desk.get(&seat, &format!("/{path}?filter={text}")).await;
                assert_eq!(answer.status, 200, "{text}: {}", answer.body);
            }
        }
    }
    assert_eq!(
        desk.refused("GET", "/v1/capabilities/providers/x", &admin, Value::Null).await.0,
        404
    );
}
