//! What of a record has no home in OCSF: all that the event does not hold to the
//! letter. A member is left out of `unmapped` only when the very value is in the event,
//! so nothing is lost by a rule that is wrong; descriptions alone go by their readable
//! text.

use std::borrow::Cow;

use countersign_findings::{DataPath, Finding, Rfc3339};
use serde_json::Value;
use serde_json::value::RawValue;

use super::event::{Event, Number, Rest, Weakness};
use crate::members::{Members, text};

/// Longest description whose readable text is all of it.
const LONGEST_BYTES: usize = 256 * 1024;

/// A record with the two objects in it that are read from too, each parsed once.
#[derive(Default)]
pub(super) struct Record<'a> {
    top: Members<'a>,
    /// Where it was imported from.
    pub(super) source: Members<'a>,
    pub(super) status: Members<'a>,
    pub(super) details: Members<'a>,
}

impl<'a> Record<'a> {
    pub(super) fn of(raw: &'a str) -> Self {
        let top = Members::of(raw).unwrap_or_default();
        let [source, status, details] =
            ["source", "finding_status", "finding_details"].map(|name| top.object(name));
        Self { top, source, status, details }
    }

    /// Whether there is a fix, which only the event says from which a finding was imported.
    pub(super) fn is_fix_available(&self) -> Option<bool> {
        let vulnerabilities = self.source.object("ocsf").objects("vulnerabilities");
        let vulnerability = vulnerabilities.first()?;
        let known = ["is_fix_available", "fix_available"].map(|name| vulnerability.raw(name));
        known.into_iter().flatten().find_map(|raw| raw.get().parse().ok())
    }
}

/// What is left of the record, and the data paths.
pub(super) fn rest<'a>(
    record: Record<'a>,
    event: &Event<'a>,
    finding: &'a Finding,
    paths: &'a [DataPath],
) -> Option<Rest<'a>> {
    let home = Home { event, finding };
    let Record { top, status, details, .. } = record;
    let (mut status, mut details) = (Some(status), Some(details));
    let mut left = members(top, |name, raw| match name {
        "finding_status" if raw.get().starts_with('{') => {
            let status = status.take().unwrap_or_default();
            Fate::Parts(members(status, |name, raw| held(home.is_status(name, raw))))
        }
        "finding_details" if raw.get().starts_with('{') => {
            let details = details.take().unwrap_or_default();
            Fate::Parts(members(details, |name, raw| home.of_detail(name, raw)))
        }
        _ => home.of_top(name, raw),
    });
    if !paths.is_empty() {
        let ours = vec![(Cow::Borrowed("data_paths"), Rest::Paths(paths))];
        left.push((Cow::Borrowed("countersign"), Rest::Members(ours)));
    }
    (!left.is_empty()).then_some(Rest::Members(left))
}

/// What becomes of a member.
pub(super) enum Fate<'a> {
    /// The event has it.
    Held,
    /// `unmapped` has to take it.
    Left,
    /// It is an object, and this is what is left of it.
    Parts(Vec<(Cow<'a, str>, Rest<'a>)>),
}

pub(super) fn members<'a>(
    members: Members<'a>,
    mut fate: impl FnMut(&str, &'a RawValue) -> Fate<'a>,
) -> Vec<(Cow<'a, str>, Rest<'a>)> {
    let rest = |(name, raw): (Cow<'a, str>, &'a RawValue)| {
        let rest = match fate(&name, raw) {
            Fate::Held => None,
            Fate::Parts(parts) => (!parts.is_empty()).then_some(Rest::Members(parts)),
            Fate::Left => as_is(raw),
        };
        rest.map(|rest| (name, rest))
    };
    members.0.into_iter().filter_map(rest).collect()
}

fn as_is(raw: &RawValue) -> Option<Rest<'_>> {
    let text = raw.get();
    if text == "null" {
        return None;
    }
    // An event is one line, and has no nulls.
    if text.contains(['\n', '\r']) || text.contains("null") {
        let mut value = serde_json::from_str(text).unwrap_or_default();
        drop_nulls(&mut value);
        return Some(Rest::Again(value));
    }
    Some(Rest::AsIs(raw))
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(values) => {
            values.retain(|value| !value.is_null());
            values.iter_mut().for_each(drop_nulls);
        }
        _ => {}
    }
}

/// Where the event has what the record says.
struct Home<'e, 'a> {
    event: &'e Event<'a>,
    finding: &'a Finding,
}

impl<'a> Home<'_, 'a> {
    fn of_top(&self, name: &str, raw: &'a RawValue) -> Fate<'a> {
        match name {
            "scan_type" => held(is_text(raw, self.event.finding_info.types.first().copied())),
            // What is longer is not read to its end.
            "description" => {
                held(self.event.finding_info.desc.is_some() && raw.get().len() <= LONGEST_BYTES)
            }
            "violates_policy" => held(match &self.event.compliance {
                Some(compliance) => {
                    raw.get() == if compliance.status_id == 3 { "true" } else { "false" }
                }
                None => false,
            }),
            "source" => parts(raw, |name, raw| match name {
                "product" => parts(raw, |name, raw| held(self.is_product(name, raw))),
                _ => Fate::Left,
            }),
            _ => Fate::Left,
        }
    }

    fn is_product(&self, name: &str, raw: &RawValue) -> bool {
        let product = &self.event.metadata.product;
        match name {
            "name" => is_text(raw, Some(&product.name)),
            "vendor_name" => is_text(raw, product.vendor_name.as_deref()),
            "version" => is_text(raw, product.version.as_deref()),
            _ => false,
        }
    }

    fn is_status(&self, name: &str, raw: &RawValue) -> bool {
        match name {
            "status" => is_text(raw, self.event.status_code),
            "resolution" => is_text(raw, self.event.status_detail),
            "first_found_date" => is_time(raw, self.event.finding_info.first_seen_time),
            "last_seen_date" => is_time(raw, self.event.finding_info.last_seen_time),
            _ => false,
        }
    }

    fn of_detail(&self, name: &str, raw: &'a RawValue) -> Fate<'a> {
        let [vulnerability] = &self.event.vulnerabilities;
        let code = vulnerability.affected_code.as_ref().map(|[code]| code);
        let package = vulnerability.affected_packages.as_ref().map(|[package]| package);
        // The application, for the class that has no other place for it, comes first.
        let subject = self.event.resources.last();
        let is_subject = |kind| subject.filter(|subject| subject.type_name == kind);
        match name {
            "cwe" => parts(raw, |name, raw| held(self.is_weakness(name, raw))),
            "finding_category" => parts(raw, |name, raw| {
                let analytic = self.event.finding_info.analytic.as_ref();
                let is_name = is_text(raw, analytic.map(|analytic| analytic.name));
                held(name == "name" && is_name)
            }),
            "file_path" => held(is_text(raw, code.map(|code| code.file.path))),
            "file_name" => held(is_text(raw, code.map(|code| code.file.name))),
            "file_line_number" => held(is_integer(raw, code.and_then(|code| code.start_line))),
            "module" => held(is_text(raw, is_subject("module").and_then(|one| one.name))),
            "url" => held(is_text(raw, is_subject("url").and_then(|one| one.uid))),
            "path" => held(is_text(raw, is_subject("url").and_then(|one| one.name))),
            "hostname" => {
                held(is_text(raw, is_subject("url").and_then(|one| one.hostname.as_deref())))
            }
            "component_id" => held(is_text(raw, package.and_then(|package| package.uid))),
            "component_filename" => held(is_text(raw, package.map(|package| package.name))),
            "version" => held(is_text(raw, package.map(|package| package.version))),
            "component_path" => held(is_only_path(raw, package.and_then(|package| package.path))),
            "remediation_desc" => {
                let [vulnerability] = &self.event.vulnerabilities;
                let told = self.event.remediation.as_ref().or(vulnerability.remediation.as_ref());
                held(is_text(raw, told.map(|told| told.desc.as_ref())))
            }
            "cve" => parts(raw, |name, raw| self.of_cve(name, raw)),
            _ => Fate::Left,
        }
    }

    fn is_weakness(&self, name: &str, raw: &RawValue) -> bool {
        let Some(weakness) = self.weakness() else { return false };
        match (name, weakness.uid) {
            ("id", Number::Known(number) | Number::Named(number)) => is_integer(raw, Some(number)),
            ("name", Number::Known(_) | Number::Named(_)) => is_text(raw, weakness.caption),
            _ => false,
        }
    }

    fn weakness(&self) -> Option<Weakness<'a>> {
        let [vulnerability] = &self.event.vulnerabilities;
        let related = |related: &Option<[Weakness<'a>; 1]>| related.map(|[weakness]| weakness);
        let of_cve =
            vulnerability.cve.as_ref().and_then(|cve| related(&cve.related_cwes).or(cve.cwe));
        let of_advisory =
            vulnerability.advisory.as_ref().and_then(|one| related(&one.related_cwes));
        vulnerability.cwe.or(of_cve).or(of_advisory)
    }

    fn of_cve(&self, name: &str, raw: &'a RawValue) -> Fate<'a> {
        let [vulnerability] = &self.event.vulnerabilities;
        let cve = vulnerability.cve.as_ref();
        let score = |version: char| {
            let mut scores = cve.into_iter().flat_map(|cve| &cve.cvss);
            scores.find(|cvss| cvss.version.starts_with(version))
        };
        match name {
            "name" => {
                let advisory = vulnerability.advisory.as_ref().map(|advisory| advisory.uid);
                held(is_text(raw, cve.map(|cve| cve.uid).or(advisory)))
            }
            "href" => {
                let href = self.finding.vulnerability.as_ref().and_then(|v| v.href.as_deref());
                held(is_text(raw, href.filter(|href| vulnerability.references.contains(href))))
            }
            "cvss" => held(is_number(raw, score('2').map(|cvss| cvss.base_score))),
            "vector" => held(is_text(raw, score('2').and_then(|cvss| cvss.vector_string))),
            "cvss3" => parts(raw, |name, raw| {
                held(match name {
                    "score" => is_number(raw, score('3').map(|cvss| cvss.base_score)),
                    "vector" => is_text(raw, score('3').and_then(|cvss| cvss.vector_string)),
                    _ => false,
                })
            }),
            "exploitability" => parts(raw, |name, raw| {
                let epss = cve.and_then(|cve| cve.epss.as_ref());
                held(match name {
                    "epss_score" => is_number(raw, epss.map(|epss| epss.score.0)),
                    "epss_percentile" => is_number(raw, epss.and_then(|epss| epss.percentile)),
                    "epss_score_date" => is_day(raw, epss.and_then(|epss| epss.created_time)),
                    "epss_model_version" => {
                        is_text(raw, epss.and_then(|epss| epss.version.as_deref()))
                    }
                    "exploit_observed" => {
                        vulnerability.is_exploit_available == Some(true) && raw.get() == "true"
                    }
                    _ => false,
                })
            }),
            _ => Fate::Left,
        }
    }
}

pub(super) fn held<'a>(is_held: bool) -> Fate<'a> {
    if is_held { Fate::Held } else { Fate::Left }
}

pub(super) fn parts<'a>(
    raw: &'a RawValue,
    fate: impl Fn(&str, &'a RawValue) -> Fate<'a>,
) -> Fate<'a> {
    match Members::of(raw.get()) {
        Some(object) => Fate::Parts(members(object, fate)),
        None => Fate::Left,
    }
}

pub(super) fn is_text(raw: &RawValue, expected: Option<&str>) -> bool {
    let Some(expected) = expected else { return false };
    let quoted = raw.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match quoted {
        None => false,
        Some(plain) if !plain.contains('\\') => plain == expected,
        Some(_) => text(raw).is_some_and(|text| text == expected),
    }
}

fn is_integer(raw: &RawValue, expected: Option<i64>) -> bool {
    expected.is_some_and(|expected| raw.get().parse() == Ok(expected))
}

fn is_number(raw: &RawValue, expected: Option<f64>) -> bool {
    expected.is_some_and(|expected| raw.get().parse() == Ok(expected))
}

/// A time is held when nothing of how it was written is lost.
pub(super) fn is_time(raw: &RawValue, expected: Option<i64>) -> bool {
    expected.is_some_and(|ms| is_text(raw, Some(&Rfc3339::of(ms))))
}

fn is_day(raw: &RawValue, expected: Option<i64>) -> bool {
    expected.is_some_and(|ms| is_text(raw, Rfc3339::of(ms).get(..10)))
}

/// Whether a list of places is one place and nothing else.
fn is_only_path(raw: &RawValue, expected: Option<&str>) -> bool {
    let Some(expected) = expected else { return false };
    let places: Vec<Members<'_>> = serde_json::from_str(raw.get()).unwrap_or_default();
    match places.as_slice() {
        [Members(one)] => match one.as_slice() {
            [(name, path)] => name == "path" && is_text(path, Some(expected)),
            _ => false,
        },
        _ => false,
    }
}
