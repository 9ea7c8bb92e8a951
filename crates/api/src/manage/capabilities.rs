//! What this API is able to do, made from the table of operations.

use axum::extract::{Path, RawQuery};
use countersign_findings::filter::Field;
use serde_json::{Value, json};

use super::integrations::Provider;
use super::list::{self, Asked, List};
use super::openapi;
use super::{Answer, answer};
use crate::caller::Caller;
use crate::operation::Operation;
use crate::problem::Problem;
use crate::reads::{APPLICATION_FIELDS, FINDING_FIELDS, Holds, SEVERITIES, STATUSES, operators};

const CONNECTOR: &str = "appsec";
pub(super) const OF_CONNECTORS: Asked =
    Asked { fields: &["id", "name", "fullname"], expand: &["providers"], total: false };
pub(super) const OF_PROVIDERS: Asked = Asked {
    fields: &["id", "name", "fullname", "connector_id"],
    expand: &["connector", "operations", "provider_config"],
    total: false,
};

pub(super) const OF_ONE: [&str; 4] = ["connector", "operations", "provider_config", "request_body"];

pub(super) async fn connectors(RawQuery(query): RawQuery, _: Caller) -> Answer {
    let list = List::of(query.as_deref(), &OF_CONNECTORS)?;
    let mut connector = connector();
    if list.expands(&["providers"]) {
        connector["providers"] = Provider::ALL.map(|one| provider_object(one, &[])).to_vec().into();
    }
    list.answer(vec![connector])
}

pub(super) async fn providers(RawQuery(query): RawQuery, _: Caller) -> Answer {
    let list = List::of(query.as_deref(), &OF_PROVIDERS)?;
    let expand: Vec<_> =
        OF_PROVIDERS.expand.iter().copied().filter(|word| list.expands(&[word])).collect();
    let mut all: Vec<_> = Provider::ALL.iter().map(|one| provider_object(*one, &expand)).collect();
    all.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    list.answer(all)
}

pub(super) async fn provider(
    RawQuery(query): RawQuery,
    _: Caller,
    Path(id): Path<String>,
) -> Answer {
    let expand = list::expanded(query.as_deref(), &OF_ONE)?;
    let expand: Vec<_> = expand.iter().map(String::as_str).collect();
    let found = Provider::ALL.into_iter().find(|one| one.as_str() == id);
    let found = found.ok_or_else(|| Problem::not_found("provider"))?;
    answer(provider_object(found, &expand))
}

fn connector() -> Value {
    json!({
        "id": CONNECTOR,
        "name": CONNECTOR,
        "fullname": "Application Security",
        "description": "Applications, their scans and findings, in OCSF",
        "provider_ids": Provider::ALL.map(Provider::as_str),
        "release": { "availability": "generally-available" },
    })
}

fn provider_object(provider: Provider, expand: &[&str]) -> Value {
    let description = match provider {
        Provider::Veracode => "Applications and findings of a Veracode account",
        Provider::Imported => "Findings that other programs import",
    };
    let mut object = json!({
        "id": provider.as_str(),
        "name": provider.as_str(),
        "fullname": provider.fullname(),
        "vendor": provider.fullname(),
        "description": description,
        "connector_id": CONNECTOR,
        "connector": CONNECTOR,
        "release": { "availability": "generally-available", "environments": ["prod", "test"] },
    });
    if expand.contains(&"connector") {
        object["connector"] = connector();
    }
    if expand.contains(&"provider_config") {
        object["provider_config"] = openapi::schema(match provider {
            Provider::Veracode => "VeracodeConfig",
            Provider::Imported => "ImportedConfig",
        });
    }
    if expand.contains(&"operations") || expand.contains(&"request_body") {
        let with_body = expand.contains(&"request_body");
        let all = Operation::ALL.iter().filter(|one| one.is_reading());
        object["operations"] = all.map(|one| operation_object(*one, provider, with_body)).collect();
    }
    object
}

/// An operation that an integration of this provider can be asked for.
fn operation_object(operation: Operation, provider: Provider, with_body: bool) -> Value {
    let about = operation.about();
    let is_import = operation == Operation::CreateFindings;
    let mut object = json!({
        "id": about.id,
        "name": about.id,
        "fullname": about.summary,
        "description": about.summary,
        "supported": !is_import || provider == Provider::Imported,
        "request_method": about.method.method().as_str(),
        "request_path": about.path,
    });
    let filters = filters(operation);
    if !filters.is_empty() {
        object["filters"] = filters.into();
    }
    if with_body && is_import {
        object["request_body"] = json!({
            "required": true,
            "schema": { "type": "array", "items": { "type": "object" } },
        });
    }
    object
}

/// What a read is filtered by, out of what it knows.
fn filters(operation: Operation) -> Vec<Value> {
    match operation {
        Operation::QueryFindings | Operation::QueryApplicationFindings => {
            FINDING_FIELDS.iter().map(|field| filter(field.name, field.holds)).collect()
        }
        Operation::QueryApplications => {
            let fields = APPLICATION_FIELDS.iter().map(|name| match *name {
                "modified_time" => filter(name, Holds::Time(Field::Changed)),
                name => filter(name, Holds::Text(Field::ApplicationName)),
            });
            fields.collect()
        }
        _ => Vec::new(),
    }
}

fn filter(name: &str, holds: Holds) -> Value {
    let (kind, values) = match holds {
        Holds::Text(_) | Holds::Cwe => ("string", None),
        Holds::Time(_) => ("datetime", None),
        Holds::Number(_) | Holds::SeverityId | Holds::StatusId => ("number", None),
        Holds::Severity => ("enum", Some(captions(&SEVERITIES))),
        Holds::Status => ("enum", Some(captions(&STATUSES))),
        Holds::Compliance => ("enum", Some(vec!["Pass", "Fail"])),
    };
    let mut filter = json!({ "name": name, "type": kind, "operators": operators(holds) });
    if let Some(values) = values {
        filter["values"] = json!(values);
    }
    filter
}

fn captions(known: &[(&'static str, u8)]) -> Vec<&'static str> {
    known.iter().map(|(caption, _)| *caption).collect()
}
