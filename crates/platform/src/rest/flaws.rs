//! One flaw in depth. How data reaches a flaw, and what was sent to find it, is
//! made up from the finding: the same finding, the same answer.

use axum::response::Response;
use countersign_wire::flaw::{
    AttackVector, Call, DataPath, DynamicFlawInfo, DynamicIssue, Exchange, SentRequest,
    SentResponse, StaticFlawInfo, StaticIssue,
};
use data_encoding::BASE64;

use super::answer::json;
use super::asked::Asked;
use super::error::Refusal;
#[cfg(test)]
use super::query::Context;
#[cfg(test)]
use super::query::Kind;
#[cfg(test)]
use super::query::parameter;
use super::query::{parameters, wrong};
use crate::caller::{Grant, ReadFindings};
use countersign_tenant::flaws::{self, Flaw};
use countersign_tenant::seed::catalog::{CLASSES, METHODS};
use countersign_tenant::weaknesses::CWES;
use countersign_tenant::words::ScanType;
use countersign_tenant::{View, applications, sandboxes};

parameters!(
    NoContext,
    &[parameter("context", Kind::Guid, "Must be left out: a sandbox has no answer (404).")]
);

/// How data reaches a static flaw, in whatever context it is.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v2/applications/{guid}/findings/{issue_id}/static_flaw_info",
    tag = "Findings",
    params(NoContext),
    responses((status = 200, body = StaticFlawInfo)),
))]
pub(crate) async fn read_static_flaw(asked: AskedFlaw) -> Result<Response, Refusal> {
    asked
        .look(|view, asked| {
            let flaw = find(view, asked, ScanType::Static)?;
            json(&StaticFlawInfo {
                issue_summary: StaticIssue {
                    app_guid: asked.path.0.to_ascii_lowercase(),
                    name: Some(flaw.application_name.clone()),
                    build_id: flaw.build_id,
                    issue_id: flaw.issue_id,
                    context: Some(flaw.context.clone()),
                },
                data_paths: data_path(&flaw).into_iter().collect(),
            })
        })
        .await
}

/// What was sent to find a dynamic flaw, and what came back.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v2/applications/{guid}/findings/{issue_id}/dynamic_flaw_info",
    tag = "Findings",
    params(Context),
    responses((status = 200, body = DynamicFlawInfo)),
))]
pub(crate) async fn read_dynamic_flaw(asked: AskedFlaw) -> Result<Response, Refusal> {
    asked
        .look(|view, asked| {
            let flaw = find(view, asked, ScanType::Dynamic)?;
            let cwe = flaw.cwe.map(|id| CWES.find(view, id)).transpose()?.flatten();
            json(&DynamicFlawInfo {
                issue_summary: DynamicIssue {
                    app_guid: asked.path.0.to_ascii_lowercase(),
                    app_id: Some(flaw.application_id),
                    build_id: flaw.build_id,
                    issue_id: flaw.issue_id,
                    engine_version: Some("1.0".into()),
                    cwe_id: flaw.cwe,
                    description: Some(flaw.description.clone()),
                    recommendation: cwe.and_then(|cwe| cwe.recommendation),
                },
                dynamic_flaw_info: exchange(&flaw),
            })
        })
        .await
}

/// Names a flaw by its application and its number there.
type AskedFlaw = Asked<Grant<ReadFindings>, (String, String)>;

fn find(view: &View<'_>, asked: &AskedFlaw, kind: ScanType) -> Result<Flaw, Refusal> {
    let (application, issue_id) = &asked.path;
    let visible = applications::visible(view, asked.user(), application)?;
    let issue_id = issue_id.parse().map_err(|_| wrong("issue_id", "a number"))?;
    let context = asked.query.get("context");
    let context = context.map(|guid| sandboxes::context(view, visible, Some(guid)));
    let context = context.transpose()?;
    if kind == ScanType::Static && context.is_some() {
        return Err(Refusal::flaw(404, "Build does not have static flaws"));
    }
    flaws::find(view, visible, context, issue_id, kind, asked.base())?.ok_or_else(|| {
        let message = format!("Build does not have {} flaw {issue_id}", kind.word().to_lowercase());
        Refusal::flaw(404, &message)
    })
}

fn text(flaw: &Flaw, name: &str) -> Option<String> {
    flaw.details[name].as_str().map(String::from)
}

/// The flaw, and the calls that lead to it, all in the same package. A flaw of which no
/// place is known has none.
fn data_path(flaw: &Flaw) -> Option<DataPath> {
    let line = flaw.details["file_line_number"].as_i64();
    let (file_path, procedure) = (text(flaw, "file_path"), text(flaw, "procedure"));
    if file_path.is_none() && procedure.is_none() {
        return None;
    }
    let mut calls = vec![Call {
        data_path: Some(1),
        file_name: text(flaw, "file_name"),
        file_path: file_path.clone(),
        function_name: procedure.clone(),
        line_number: line,
    }];
    let package = procedure.as_deref().and_then(|name| name.rsplitn(3, '.').nth(2));
    let folder = file_path.as_deref().and_then(|path| path.rsplit_once('/'));
    if let (Some(package), Some((folder, _))) = (package, folder) {
        for step in 1..=flaw.issue_id.rem_euclid(4) {
            let at = usize::try_from(flaw.issue_id + step).unwrap_or_default();
            let class = CLASSES[at % CLASSES.len()];
            let method = METHODS[(at * 3) % METHODS.len()];
            calls.push(Call {
                data_path: Some(1 + step),
                file_name: Some(format!("{class}.java")),
                file_path: Some(format!("{folder}/{class}.java")),
                function_name: Some(format!("{package}.{class}.{method}")),
                line_number: Some(1 + (flaw.issue_id * 17 + step * 29).rem_euclid(900)),
            });
        }
    }
    Some(DataPath {
        module_name: text(flaw, "module"),
        steps: calls.len() as i64,
        local_path: file_path,
        function_name: text(flaw, "attack_vector").or(procedure),
        line_number: line,
        calls,
    })
}

fn exchange(flaw: &Flaw) -> Exchange {
    let url = text(flaw, "url").unwrap_or_default();
    let path = text(flaw, "path").unwrap_or_default();
    let host = text(flaw, "hostname").unwrap_or_default();
    let parameter = text(flaw, "vulnerable_parameter").unwrap_or_default();
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
            port: text(flaw, "port"),
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
