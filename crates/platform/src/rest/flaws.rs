//! One flaw in depth. How data reaches a flaw, and what was sent to find it, is
//! made up from the finding: the same finding, the same answer.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_wire::flaw::{
    AttackVector, Call, DataPath, DynamicFlawInfo, DynamicIssue, Exchange, SentRequest,
    SentResponse, StaticFlawInfo, StaticIssue,
};
use data_encoding::BASE64;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::applications::visible;
use super::error::Refusal;
use super::json;
use super::query::{Context, Query, wrong};
use super::sandboxes::sandbox_of;
use crate::caller::{Caller, Grant, ReadFindings};
use crate::state::AppState;
use countersign_tenant::seed::catalog::{CLASSES, METHODS};

/// How data reaches a static flaw.
#[utoipa::path(
    get,
    path = "/appsec/v2/applications/{guid}/findings/{issue_id}/static_flaw_info",
    tag = "Findings",
    params(Context),
    responses((status = 200, body = StaticFlawInfo)),
)]
pub(crate) async fn read_static_flaw(
    grant: Grant<ReadFindings>,
    Path((application, issue_id)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            let caller = &grant.caller;
            let (kind, raw) = ("STATIC", raw.as_deref());
            let flaw = Flaw::find(connection, caller, &application, &issue_id, kind, raw)?;
            json(&StaticFlawInfo {
                issue_summary: StaticIssue {
                    app_guid: flaw.application.to_ascii_lowercase(),
                    name: Some(flaw.name.clone()),
                    build_id: flaw.build_id,
                    issue_id: flaw.issue_id,
                    context: Some(flaw.context.clone()),
                },
                data_paths: vec![flaw.data_path()],
            })
        })
        .await
}

/// What was sent to find a dynamic flaw, and what came back.
#[utoipa::path(
    get,
    path = "/appsec/v2/applications/{guid}/findings/{issue_id}/dynamic_flaw_info",
    tag = "Findings",
    params(Context),
    responses((status = 200, body = DynamicFlawInfo)),
)]
pub(crate) async fn read_dynamic_flaw(
    grant: Grant<ReadFindings>,
    Path((application, issue_id)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    State(state): State<AppState>,
) -> Result<Response, Refusal> {
    state
        .read(move |connection, _| {
            let caller = &grant.caller;
            let (kind, raw) = ("DYNAMIC", raw.as_deref());
            let flaw = Flaw::find(connection, caller, &application, &issue_id, kind, raw)?;
            let recommendation: Option<String> = connection
                .prepare_cached("select recommendation from cwes where id = ?")?
                .query_row([flaw.cwe], |row| row.get(0))
                .optional()?;
            json(&DynamicFlawInfo {
                issue_summary: DynamicIssue {
                    app_guid: flaw.application.to_ascii_lowercase(),
                    app_id: Some(flaw.application_id),
                    build_id: flaw.build_id,
                    issue_id: flaw.issue_id,
                    engine_version: Some("1.0".into()),
                    cwe_id: flaw.cwe,
                    description: Some(flaw.description.clone()),
                    recommendation,
                },
                dynamic_flaw_info: flaw.exchange(),
            })
        })
        .await
}

/// A finding of the kind that was asked for.
struct Flaw {
    application: String,
    application_id: i64,
    name: String,
    context: String,
    issue_id: i64,
    build_id: Option<i64>,
    cwe: Option<i64>,
    description: String,
    details: Value,
}

impl Flaw {
    fn find(
        connection: &Connection,
        caller: &Caller,
        application: &str,
        issue: &str,
        kind: &str,
        raw: Option<&str>,
    ) -> Result<Self, Refusal> {
        let id = visible(connection, caller, application)?;
        let issue_id: i64 = issue.parse().map_err(|_| wrong("issue_id", "a number"))?;
        let query = Query::parse(raw);
        let context = query.get("context");
        let sandbox = context.map(|text| sandbox_of(connection, id, text)).transpose()?;
        let found = connection
            .prepare_cached(
                "select f.build_id, f.cwe, t.json, f.details, a.name from findings f
                 join texts t on t.id = f.text join applications a on a.id = f.application
                 where f.application = ? and f.sandbox = ? and f.is_sca = 0 and f.ordinal = ?
                   and f.scan_type = ?",
            )?
            .query_row(params![id, sandbox.unwrap_or_default(), issue_id, kind], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })
            .optional()?;
        let missing = || {
            let message = format!("Build does not have {} flaw {issue_id}", kind.to_lowercase());
            Refusal::flaw(404, &message)
        };
        let (build_id, cwe, text, details, name): (_, _, String, String, _) =
            found.ok_or_else(missing)?;
        let read = |json: &str| serde_json::from_str(json).unwrap_or(Value::Null);
        Ok(Self {
            application: application.to_owned(),
            application_id: id,
            name,
            context: context.unwrap_or(application).to_ascii_lowercase(),
            issue_id,
            build_id,
            cwe,
            description: read(&text).as_str().unwrap_or_default().to_owned(),
            details: read(&details.replace('\u{1}', &caller.base)),
        })
    }

    fn text(&self, name: &str) -> Option<String> {
        self.details[name].as_str().map(String::from)
    }

    /// The flaw, and the calls that lead to it, all in the same package.
    fn data_path(&self) -> DataPath {
        let line = self.details["file_line_number"].as_i64();
        let (file_path, procedure) = (self.text("file_path"), self.text("procedure"));
        let mut calls = vec![Call {
            data_path: Some(1),
            file_name: self.text("file_name"),
            file_path: file_path.clone(),
            function_name: procedure.clone(),
            line_number: line,
        }];
        let package = procedure.as_deref().and_then(|name| name.rsplitn(3, '.').nth(2));
        let folder = file_path.as_deref().and_then(|path| path.rsplit_once('/'));
        if let (Some(package), Some((folder, _))) = (package, folder) {
            for step in 1..=self.issue_id.rem_euclid(4) {
                let at = usize::try_from(self.issue_id + step).unwrap_or_default();
                let class = CLASSES[at % CLASSES.len()];
                let method = METHODS[(at * 3) % METHODS.len()];
                calls.push(Call {
                    data_path: Some(1),
                    file_name: Some(format!("{class}.java")),
                    file_path: Some(format!("{folder}/{class}.java")),
                    function_name: Some(format!("{package}.{class}.{method}")),
                    line_number: Some(1 + (self.issue_id * 17 + step * 29).rem_euclid(900)),
                });
            }
        }
        DataPath {
            module_name: self.text("module"),
            steps: calls.len() as i64,
            local_path: file_path,
            function_name: self.text("attack_vector").or(procedure),
            line_number: line,
            calls,
        }
    }

    fn exchange(&self) -> Exchange {
        let url = self.text("url").unwrap_or_default();
        let path = self.text("path").unwrap_or_default();
        let host = self.text("hostname").unwrap_or_default();
        let parameter = self.text("vulnerable_parameter").unwrap_or_default();
        let (query, attack_vectors) = if parameter.is_empty() {
            (String::new(), Vec::new())
        } else {
            let vector = AttackVector {
                name: Some(parameter.clone()),
                kind: Some("QUERY".into()),
                original_value: Some("1".into()),
                injected_value: Some("1'".into()),
            };
            (format!("?{parameter}=1%27"), vec![vector])
        };
        let sent = format!("GET {path}{query} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answered = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
        Exchange {
            request: SentRequest {
                secure: Some(url.starts_with("https:")),
                url: Some(format!("{url}{query}")),
                raw_bytes: Some(BASE64.encode(sent.as_bytes())),
                port: self.text("port"),
                protocol: Some("HTTP/1.1".into()),
                method: Some("GET".into()),
                uri: Some(format!("{path}{query}")),
                path: Some(path),
                body: None,
                referer: None,
                attack_vectors,
            },
            response: SentResponse { raw_bytes: Some(BASE64.encode(answered.as_bytes())) },
        }
    }
}
