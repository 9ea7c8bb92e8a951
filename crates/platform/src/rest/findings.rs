//! Findings of one application in one context.

use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::response::Response;
#[cfg(test)]
use countersign_wire::finding::Finding;
use countersign_wire::hal::{Link, Page};

use super::answer::ok;
use super::asked::Asked;
use super::error::Refusal;
#[cfg(test)]
use super::hal::Listing;
#[cfg(test)]
use super::hal::embedded;
use super::hal::{List, MOST};
use super::query::{CONTEXT, Kind, Parameter, Query, parameter, parameters, wrong};
use crate::caller::{Grant, ReadFindings};
use countersign_tenant::findings;
use countersign_tenant::words::{DependencyMode, ScanMode, ScanType};
use countersign_tenant::{View, applications, sandboxes};

/// In the order in which links name them.
const PARAMETERS: &[Parameter] = &[
    CONTEXT,
    parameter("severity", Kind::Each(&Kind::Integer(0, 5)), "One of these severities."),
    parameter("severity_gte", Kind::Integer(0, 5), "This severity or a higher one."),
    parameter("cwe", Kind::Each(&Kind::Integer(0, i64::MAX)), "One of these weaknesses."),
    parameter(
        "finding_category",
        Kind::Each(&Kind::Integer(0, i64::MAX)),
        "One of these categories; not for SCA.",
    ),
    parameter("cvss", Kind::Score, "This score."),
    parameter("cvss_gte", Kind::Score, "This score or a higher one."),
    parameter("cve", Kind::Text, "This vulnerability; SCA only."),
    parameter("violates_policy", Kind::Truth, "Whether it is against the policy."),
    parameter("include_annot", Kind::Truth, "With annotations; not for SCA."),
    parameter("new", Kind::Truth, "Whether the newest scan found it first."),
    parameter("include_exp_date", Kind::Truth, "With the end of the grace period."),
    parameter("mitigated_after", Kind::Day, "Mitigated on this day or later; not for SCA."),
    parameter("sca_scan_mode", Kind::OneOf(ScanMode::WORDS), "Found how; SCA only."),
    parameter("sca_dep_mode", Kind::OneOf(DependencyMode::WORDS), "Needed how; SCA only."),
    parameter("scan_type", Kind::Each(&Kind::OneOf(ScanType::WORDS)), "SCA alone, or any others."),
];
parameters!(FindingFilters, PARAMETERS, paged);

#[cfg(test)]
embedded!(Findings, findings: Finding);

/// Findings of an application in one context.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/appsec/v2/applications/{guid}/findings",
    tag = "Findings",
    params(FindingFilters),
    responses((status = 200, body = Listing<Findings>)),
))]
pub(crate) async fn list_findings(asked: AskedFindings) -> Result<Response, Refusal> {
    asked.look(|view, asked| list(view, asked).map(ok)).await
}

/// Names an application.
type AskedFindings = Asked<Grant<ReadFindings>, String>;

fn list(view: &View<'_>, asked: &AskedFindings) -> Result<Vec<u8>, Refusal> {
    let (application, query) = (&asked.path, &asked.query);
    let visible = applications::visible(view, asked.user(), application)?;
    let paging = query.paging(20, MOST)?;
    let context = sandboxes::context(view, visible, query.get("context"))?;
    let filter = filter(query)?;
    let form = findings::Form {
        base: asked.base(),
        context: query.get("context").unwrap_or(application).to_ascii_lowercase(),
        with_annotations: !filter.is_sca && query.truth("include_annot")?.unwrap_or_default(),
        with_grace: query.truth("include_exp_date")?.unwrap_or_default(),
    };

    let mut body = Vec::with_capacity(64 * 1024);
    body.extend_from_slice(b"{\"_embedded\":{\"findings\":[");
    let begun = body.len();
    let total = findings::write_page(view, context, &filter, &paging.window(), &form, &mut body)?;
    if body.len() > begun {
        body.extend_from_slice(b"]},");
    } else {
        body.truncate(1);
    }
    let page = Page::new(paging.number, paging.size, total);
    body.extend_from_slice(b"\"_links\":");
    write_links(&mut body, asked, page, filter.is_sca)?;
    body.extend_from_slice(b",\"page\":");
    append_json(&mut body, &page)?;
    body.push(b'}');
    Ok(body)
}

fn write_links(
    body: &mut Vec<u8>,
    asked: &AskedFindings,
    page: Page,
    is_sca: bool,
) -> Result<(), Refusal> {
    let (base, application, query) = (asked.base(), &asked.path, &asked.query);
    let url = format!("{base}/appsec/v2/applications/{application}/findings");
    let list = List { offers_paging: false, ..List::new(url, PARAMETERS) };
    let mut links = list.links(query, page);
    let own = format!("{base}/appsec/v1/applications/{application}");
    links.sandbox = query.get("context").map(|guid| Link::to(format!("{own}/sandboxes/{guid}")));
    links.application = Some(Link::to(own));
    if is_sca {
        links.non_sca = Some(list.template(query, Some(("scan_type", "STATIC,DYNAMIC,MANUAL"))));
    } else {
        links.sca = Some(list.template(query, Some(("scan_type", "SCA"))));
    }
    append_json(body, &links)
}

fn append_json(body: &mut Vec<u8>, value: &impl serde::Serialize) -> Result<(), Refusal> {
    serde_json::to_writer(body, value).map_err(|error| Refusal::gateway(500, &error.to_string()))
}

fn filter(query: &Query) -> Result<findings::Filter, Refusal> {
    let scan_type = query.filter("scan_type")?.into_iter().map(ScanType::parse);
    let scan_type: Vec<_> = scan_type
        .collect::<Option<_>>()
        .ok_or_else(|| wrong("scan_type", "STATIC, DYNAMIC, MANUAL or SCA"))?;
    let is_sca = scan_type.contains(&ScanType::Sca);
    if is_sca && scan_type.iter().any(|scan_type| *scan_type != ScanType::Sca) {
        return Err(wrong("scan_type", "SCA alone, or any of the other types"));
    }
    let modes = "one of the documented modes";
    Ok(findings::Filter {
        is_sca,
        scan_type: if is_sca { Vec::new() } else { scan_type },
        severity: numbers(query, "severity", 5)?,
        cwe: numbers(query, "cwe", i64::MAX)?,
        finding_category: match is_sca {
            true => Vec::new(),
            false => numbers(query, "finding_category", i64::MAX)?,
        },
        severity_gte: ranged(query, "severity_gte", 0..=5, "0 to 5")?,
        cvss: ranged(query, "cvss", 0.0..=10.0, "0 to 10")?,
        cvss_gte: ranged(query, "cvss_gte", 0.0..=10.0, "0 to 10")?,
        cve: query.get("cve").map(String::from),
        violates_policy: query.truth("violates_policy")?,
        new: query.truth("new")?,
        mitigated_after: query.date("mitigated_after")?,
        sca_scan_mode: query.parsed("sca_scan_mode", ScanMode::parse, modes)?,
        sca_dep_mode: query.parsed("sca_dep_mode", DependencyMode::parse, modes)?,
    })
}

fn numbers(query: &Query, name: &str, most: i64) -> Result<Vec<i64>, Refusal> {
    let number = |text: &str| text.parse().ok().filter(|number| (0..=most).contains(number));
    let numbers = query.filter(name)?.into_iter().map(number);
    numbers.collect::<Option<_>>().ok_or_else(|| wrong(name, "a number in range"))
}

fn ranged<T: FromStr + PartialOrd>(
    query: &Query,
    name: &str,
    range: RangeInclusive<T>,
    expected: &str,
) -> Result<Option<T>, Refusal> {
    match query.number(name)? {
        Some(number) if !range.contains(&number) => Err(wrong(name, expected)),
        number => Ok(number),
    }
}
