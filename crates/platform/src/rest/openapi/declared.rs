//! The document as the handlers declare it, and what is the same for all of them.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use countersign_wire::error::{ApiErrors, FlawError, GatewayError, ValidationErrors};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{
    AnyOfBuilder, ObjectBuilder, Ref, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, RefOr, Required};
use utoipa::{IntoResponses, OpenApi as _, PartialSchema, ToSchema};

use super::super::Declared;

fn document() -> OpenApi {
    let mut document = Declared::openapi();
    complete(&mut document);
    document
}

/// Adds what no handler declares: path parameters, the refusals that follow from
/// how an operation is asked, and how requests are signed.
fn complete(document: &mut OpenApi) {
    document.info = InfoBuilder::new()
        .title("countersign platform")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "A Veracode-compatible REST service. Requests are signed with VERACODE-HMAC-SHA-256.",
        ))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            complete_operation(path, operation, components);
        }
    }
    for (name, schema) in [
        (GatewayError::name(), GatewayError::schema()),
        (ApiErrors::name(), ApiErrors::schema()),
        (ValidationErrors::name(), ValidationErrors::schema()),
        (FlawError::name(), FlawError::schema()),
    ] {
        components.schemas.insert(name.into_owned(), schema);
    }
    let mut nested = Vec::new();
    ApiErrors::schemas(&mut nested);
    components.schemas.extend(nested);
    for (name, scheme) in [
        (
            "hmac",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "Authorization",
                "`VERACODE-HMAC-SHA-256 id=…,ts=…,nonce=…,sig=…`, fresh for each request",
            ))),
        ),
        ("bearer", http(HttpAuthScheme::Bearer)),
        ("basic", http(HttpAuthScheme::Basic)),
    ] {
        components.security_schemes.insert(name.to_owned(), RefOr::T(scheme));
    }
    let none = Vec::<String>::new;
    document.security = Some(vec![
        SecurityRequirement::new("hmac", none()),
        SecurityRequirement::new("bearer", none()),
    ]);
}

fn http(scheme: HttpAuthScheme) -> SecurityScheme {
    SecurityScheme::Http(HttpBuilder::new().scheme(scheme).build())
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten()
}

fn complete_operation(path: &str, operation: &mut Operation, components: &mut Components) {
    let names: Vec<_> = path.split('/').filter_map(|part| part.strip_prefix('{')).collect();
    let parameters = operation.parameters.get_or_insert_with(Vec::new);
    for name in names.iter().rev() {
        parameters.insert(0, RefOr::T(path_parameter(name.trim_end_matches('}'))));
    }
    let mut refusals: Vec<(u16, &Shapes)> = Vec::new();
    let gateway = &Shapes { name: "Gateway", schemas: &["GatewayError"] };
    // Where an operation names its own way in, it names its refusals as well.
    if operation.security.is_none() {
        refusals.extend([(401, gateway), (403, gateway)]);
    }
    let schemas = &["GatewayError", "ValidationErrors", "ApiErrors"];
    let identity = &Shapes { name: "Identity", schemas };
    let appsec = &Shapes { name: "Applications", schemas: &["GatewayError", "ApiErrors"] };
    let collections = &Shapes { name: "Collections", schemas: &["GatewayError", "ApiError"] };
    let flaw = &Shapes { name: "Flaw", schemas: &["GatewayError", "ApiErrors", "FlawError"] };
    let of_family = match path {
        _ if path.starts_with("/api/authn/") => identity,
        _ if path.starts_with("/appsec/v1/collections") => collections,
        _ if path.ends_with("_flaw_info") => flaw,
        _ => appsec,
    };
    let has_parameters = operation.parameters.as_ref().is_some_and(|all| !all.is_empty());
    if has_parameters || operation.request_body.is_some() {
        refusals.push((400, of_family));
    }
    if !names.is_empty() {
        refusals.push((404, of_family));
    }
    if operation.request_body.is_some() {
        refusals.extend([(408, gateway), (413, gateway)]);
    }
    refusals.push((429, gateway));
    for (status, shapes) in refusals {
        let name = format!("{}.{status}", shapes.name);
        let known = operation.responses.responses.entry(status.to_string());
        known.or_insert_with(|| Ref::from_response_name(&name).into());
        let refusal = || RefOr::T(shapes.refusal(status));
        components.responses.entry(name).or_insert_with(refusal);
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            response.description = words(status.parse().unwrap_or_default());
        }
    }
}

fn words(status: u16) -> String {
    let status = axum::http::StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or_default().to_owned()
}

fn path_parameter(name: &str) -> Parameter {
    let object = |kind: Type| ObjectBuilder::new().schema_type(SchemaType::new(kind));
    let schema: Schema = match name {
        "id" | "issue_id" | "version" | "user_legacy_id" => object(Type::Integer).build().into(),
        "api_id" | "client_id" => object(Type::String).build().into(),
        _ => object(Type::String).format(Some(SchemaFormat::Custom("uuid".into()))).build().into(),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(schema))
        .build()
}

/// The refusal of a name that something else has, in the shape of its family.
pub(crate) struct NameTaken<E>(PhantomData<E>);

impl<E: ToSchema> IntoResponses for NameTaken<E> {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let shape = Ref::from_schema_name(E::name());
        let content = ContentBuilder::new().schema(Some(shape)).build();
        let response = ResponseBuilder::new()
            .description("The name is taken.")
            .content("application/json", content);
        BTreeMap::from([("409".to_owned(), RefOr::T(response.build()))])
    }
}

/// The shapes in which a family of operations refuses.
struct Shapes {
    name: &'static str,
    schemas: &'static [&'static str],
}

impl Shapes {
    fn refusal(&self, status: u16) -> utoipa::openapi::Response {
        let mut any = AnyOfBuilder::new();
        for schema in self.schemas {
            any = any.item(Ref::from_schema_name(*schema));
        }
        let content = ContentBuilder::new().schema(Some(Schema::AnyOf(any.build()))).build();
        ResponseBuilder::new()
            .description(words(status))
            .content("application/json", content)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::super::OPERATIONS;
    use super::super::unpacked;
    use super::document;

    /// A change of the interface is seen here first: `UPDATE=1` takes it over.
    #[test]
    fn the_document_is_the_reviewed_one() {
        let folder = env!("CARGO_MANIFEST_DIR");
        let (path, packed) =
            (format!("{folder}/openapi.json"), format!("{folder}/openapi.json.gz"));
        let document = document();
        let made = document.to_pretty_json().unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &made).unwrap();
            let file = std::fs::File::create(packed).unwrap();
            let mut file = flate2::GzBuilder::new().write(file, flate2::Compression::best());
            file.write_all(document.to_json().unwrap().as_bytes()).unwrap();
            file.finish().unwrap();
            return;
        }
        let reviewed = std::fs::read_to_string(path).unwrap_or_default();
        let is_served = unpacked() == document.to_json().unwrap();
        assert!(
            made == reviewed && is_served,
            "UPDATE=1 cargo test -p countersign-platform openapi"
        );
    }

    /// What is routed is what is declared.
    #[test]
    fn the_document_has_every_route() {
        let mut declared = Vec::new();
        for (path, item) in document().paths.paths {
            let methods = [
                ("get", &item.get),
                ("put", &item.put),
                ("post", &item.post),
                ("delete", &item.delete),
            ];
            let methods = methods.into_iter().filter(|(_, operation)| operation.is_some());
            declared.extend(methods.map(|(method, _)| (method.to_owned(), path.clone())));
        }
        let mut routed: Vec<_> = OPERATIONS
            .iter()
            .map(|(method, path)| ((*method).to_owned(), (*path).to_owned()))
            .collect();
        declared.sort();
        routed.sort();
        assert_eq!(declared, routed);
    }
}
