//! Two documents of OpenAPI 3.1, made from the table of operations: one of the management,
//! one of the reads. The schemas of bodies and answers are in a file beside this one.

use std::sync::LazyLock;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde_json::{Map, Value, json};

use super::{list, status};
use crate::caller::Caller;
use crate::inner::Inner;
use crate::operation::{Audience, Operation, Verb};
use crate::problem::Problem;

/// Which document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// Of what an organisation manages.
    Management,
    /// Of what an integration is asked.
    Engine,
}

impl Document {
    /// Whether it describes an operation.
    fn has(self, operation: Operation) -> bool {
        match operation.about().audience {
            Audience::Management(_) => self == Self::Management,
            Audience::Integration | Audience::Everybody => self == Self::Engine,
            // The protocol of assistants describes itself.
            Audience::Assistant => false,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Management => "countersign connector API: management",
            Self::Engine => "countersign connector API: findings",
        }
    }
}

/// Schemas of bodies and answers, by name.
static SCHEMAS: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("schemas.json")).unwrap_or_default());

/// One of them, for who asks for what a configuration looks like.
pub(super) fn schema(name: &str) -> Value {
    SCHEMAS.get(name).cloned().unwrap_or_default()
}

/// What an answer is.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// `result` is one of this.
    One(&'static str),
    /// `result` is a list of these.
    Many(&'static str),
    /// The same, and nothing to choose of it.
    All(&'static str),
    /// A list with a cursor.
    Page(&'static str),
    /// The answer itself is this.
    Bare(&'static str),
    /// `result` is null.
    Nothing,
}

/// The schemas of the body that an operation takes, and of what it answers.
fn shapes(operation: Operation) -> (Option<&'static str>, Shape) {
    use Operation as O;
    use Shape::{All, Bare, Many, Nothing, One, Page};
    match operation {
        O::QueryApplications => (None, Page("Application")),
        O::QueryApplicationFindings | O::QueryFindings => (None, Page("Finding")),
        O::GetFindingDetails => (None, One("Finding")),
        O::QueryApplicationScans => (None, Page("Scan")),
        O::CreateFindings => (Some("Findings"), Bare("Created")),
        O::CreateAccount => (Some("AccountRequest"), One("AccountCreated")),
        O::ListAccounts => (None, Many("Account")),
        O::GetAccount => (None, One("Account")),
        O::UpdateAccount => (Some("AccountReplacement"), One("Account")),
        O::PatchAccount => (Some("JsonPatch"), One("Account")),
        O::CreateCredential => (Some("CredentialRequest"), One("Credential")),
        O::ListCredentials => (None, Many("Credential")),
        O::LookupCredential | O::GetCredential => (None, One("Credential")),
        O::UpdateCredential => (Some("CredentialReplacement"), One("Credential")),
        O::PatchCredential => (Some("JsonPatch"), One("Credential")),
        O::ListIntegrations | O::ListAccountIntegrations => (None, Many("Integration")),
        O::CreateIntegration => (Some("IntegrationRequest"), One("IntegrationCreated")),
        O::VerifyIntegration => (Some("VerifyRequest"), Bare("Verified")),
        O::GetIntegration => (None, One("Integration")),
        O::UpdateIntegration => (Some("IntegrationReplacement"), One("Integration")),
        O::PatchIntegration => (Some("JsonPatch"), One("Integration")),
        O::VerifyStoredIntegration => (Some("IntegrationReplacement"), Bare("Verified")),
        O::CreateToken => (Some("TokenRequest"), One("RefreshToken")),
        O::CreateMcpToken => (Some("McpTokenRequest"), One("Token")),
        O::CreateIntegrationToken => (Some("IntegrationTokenRequest"), One("Token")),
        O::ListTokens => (None, Many("RefreshToken")),
        O::GetToken | O::RefreshToken | O::RotateToken | O::ResetToken => {
            (None, One("RefreshToken"))
        }
        O::ListStatus => (None, Many("Status")),
        O::GetStatus => (None, One("Status")),
        O::ListStatusEvents => (None, All("StatusEvent")),
        O::ListStatusTimeseries | O::GetStatusTimeseries => (None, One("Timeseries")),
        O::ListConnectors => (None, Many("Connector")),
        O::ListProviders => (None, Many("Provider")),
        O::GetProvider => (None, One("Provider")),
        O::GetManagementSchema | O::GetEngineSchema => (None, Bare("OpenApi")),
        O::GetVersion => (None, Bare("Version")),
        O::DeleteAccount
        | O::DeleteCredential
        | O::DeleteIntegration
        | O::RemoveSecondaryToken
        | O::DeleteToken
        | O::ResetStatus
        | O::AskTools => (None, Nothing),
    }
}

/// A body that may be left out.
fn is_body_optional(operation: Operation) -> bool {
    use Operation as O;
    matches!(operation, O::CreateAccount | O::CreateIntegrationToken | O::VerifyStoredIntegration)
}

/// The parameters of the query string.
fn query(operation: Operation) -> Vec<Value> {
    use super::{accounts, capabilities, credentials, integrations, tokens};
    use Operation as O;
    match operation {
        O::ListAccounts => of_list(&accounts::ASKED),
        O::ListCredentials => of_list(&credentials::ASKED),
        O::ListIntegrations | O::ListAccountIntegrations => of_list(&integrations::ASKED),
        O::ListTokens => of_list(&tokens::ASKED),
        O::ListStatus => of_list(&status::ASKED),
        O::ListConnectors => of_list(&capabilities::OF_CONNECTORS),
        O::ListProviders => of_list(&capabilities::OF_PROVIDERS),
        O::GetStatus => vec![repeated("expand", json!({ "enum": status::EXPAND }))],
        O::GetProvider => vec![repeated("expand", json!({ "enum": capabilities::OF_ONE }))],
        O::ListStatusTimeseries | O::GetStatusTimeseries => {
            vec![parameter("interval", "query", json!({ "type": "string", "enum": ["hour"] }))]
        }
        O::QueryApplications | O::QueryApplicationFindings | O::QueryFindings => of_page(true),
        O::QueryApplicationScans => of_page(false),
        O::GetFindingDetails | O::CreateFindings => of_event(),
        _ => Vec::new(),
    }
}

fn parameter(name: &str, location: &str, schema: Value) -> Value {
    json!({ "name": name, "in": location, "required": location == "path", "schema": schema })
}

fn repeated(name: &str, of: Value) -> Value {
    let mut items = json!({ "type": "string" });
    if let (Some(items), Value::Object(of)) = (items.as_object_mut(), of) {
        items.extend(of);
    }
    let mut repeated = parameter(name, "query", json!({ "type": "array", "items": items }));
    (repeated["style"], repeated["explode"]) = ("form".into(), true.into());
    repeated
}

fn limit(default: usize, most: usize) -> Value {
    let schema = json!({ "type": "integer", "minimum": 0, "maximum": most, "default": default });
    let mut limit = parameter("limit", "query", schema);
    limit["description"] = "More than the maximum is the maximum, and 0 the default".into();
    limit
}

fn of_list(asked: &list::Asked) -> Vec<Value> {
    let fields = asked.fields.join("|");
    let mut all = vec![
        limit(list::LIMIT, list::MOST),
        parameter("start_after", "query", json!({ "type": "string" })),
        repeated("order", json!({ "pattern": format!("^({fields})\\[(asc|desc)\\]$") })),
        repeated("filter", json!({ "pattern": format!("^({fields})\\[[a-z ]+\\]") })),
    ];
    if !asked.expand.is_empty() {
        all.push(repeated("expand", json!({ "enum": asked.expand })));
    }
    if asked.total {
        all.push(parameter("total", "query", json!({ "type": "boolean", "default": false })));
    }
    all
}

fn of_event() -> Vec<Value> {
    let raw = json!({ "type": "boolean", "default": false });
    vec![repeated("meta", json!({})), parameter("include_raw_data", "query", raw)]
}

fn of_page(is_filtered: bool) -> Vec<Value> {
    let mut all = of_event();
    all.push(limit(list::LIMIT, list::MOST));
    all.push(parameter("cursor", "query", json!({ "type": "string" })));
    if is_filtered {
        all.push(repeated("filter", json!({ "pattern": "^[a-z_.]+\\[[a-z ]+\\]" })));
    }
    all
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn answered(operation: Operation, shape: Shape) -> Value {
    let list = |of: &str| json!({ "type": "array", "items": reference(of) });
    let (result, more) = match shape {
        Shape::Bare(name) => return reference(name),
        Shape::All(name) => (list(name), None),
        Shape::One(name) => (reference(name), None),
        Shape::Nothing => (json!({ "type": "null" }), None),
        Shape::Page(name) => (list(name), Some(("cursor", json!({ "type": "string" })))),
        Shape::Many(name) => {
            let total = query(operation).iter().any(|one| one["name"] == "total");
            let count = json!({ "type": "integer", "minimum": 0 });
            (list(name), total.then_some(("total", count)))
        }
    };
    let mut schema =
        json!({ "type": "object", "required": ["result"], "properties": { "result": result } });
    if let Some((name, of)) = more {
        schema["properties"][name] = of;
    }
    if matches!(shape, Shape::Page(_)) {
        schema["required"] = json!(["result", "cursor"]);
    }
    schema
}

fn described(operation: Operation) -> Value {
    let about = operation.about();
    let (body, shape) = shapes(operation);
    let json_of = |schema: Value| json!({ "application/json": { "schema": schema } });
    let names = about.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<_> =
        names.map(|name| parameter(name, "path", json!({ "type": "string" }))).collect();
    parameters.extend(query(operation));
    let mut object = json!({
        "operationId": about.id,
        "summary": about.summary,
        "parameters": parameters,
        "responses": {
            "200": { "description": "Done", "content": json_of(answered(operation, shape)) },
            "default": {
                "description": "Not done, and why",
                "content": json_of(reference("Problem")),
            },
        },
    });
    if let Some(body) = body {
        object["requestBody"] = json!({ "required": !is_body_optional(operation), "content": json_of(reference(body)) });
    }
    match about.audience {
        Audience::Everybody | Audience::Assistant => object["security"] = json!([]),
        Audience::Integration => object["security"] = json!([{ "integration": [] }]),
        Audience::Management(need) => {
            object["security"] = json!([{ "organization": [] }]);
            let sets =
                countersign_store::PermissionSet::ALL.iter().filter(|set| need.is_met(**set));
            let sets: Vec<_> = sets.map(|set| set.as_str()).collect();
            object["x-permission-sets"] = json!(sets);
        }
    }
    object
}

/// The document, whole.
pub fn document(document: Document, version: &str) -> Value {
    let mut paths = Map::new();
    let all = Operation::ALL.iter().copied().filter(|one| document.has(*one));
    for operation in all {
        let about = operation.about();
        let method = match about.method {
            Verb::Get => "get",
            Verb::Post => "post",
            Verb::Put => "put",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
        };
        let path = paths.entry(about.path).or_insert_with(|| json!({}));
        path[method] = described(operation);
    }
    let paths = Value::Object(paths);
    let bearer = |description: &str| json!({ "type": "http", "scheme": "bearer", "description": description });
    json!({
        "openapi": "3.1.0",
        "info": { "title": document.title(), "version": version },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": used(&paths),
            "securitySchemes": {
                "organization": bearer("A token of the organisation"),
                "integration": bearer("A token of an integration"),
            },
        },
    })
}

/// The schemas that are referred to, by whatever way.
fn used(paths: &Value) -> Map<String, Value> {
    let mut found = Map::new();
    let mut texts = vec![paths.to_string()];
    while let Some(text) = texts.pop() {
        for (name, schema) in SCHEMAS.iter() {
            let is_used = text.contains(&format!("\"#/components/schemas/{name}\""));
            if is_used && !found.contains_key(name) {
                texts.push(schema.to_string());
                found.insert(name.clone(), schema.clone());
            }
        }
    }
    found
}

pub(super) async fn management(
    State(inner): State<Inner>,
    RawQuery(asked): RawQuery,
    _: Caller,
) -> Result<Json<Value>, Problem> {
    list::none(asked.as_deref())?;
    Ok(Json(document(Document::Management, inner.version)))
}

pub(super) async fn engine(
    State(inner): State<Inner>,
    RawQuery(asked): RawQuery,
) -> Result<Json<Value>, Problem> {
    list::none(asked.as_deref())?;
    Ok(Json(document(Document::Engine, inner.version)))
}
