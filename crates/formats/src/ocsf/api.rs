//! OCSF 1.8.0 as the connector API answers it: for each application, finding and scan one
//! JSON object, appended to a buffer. What is not known is absent, never null and never
//! empty; the same state makes the same bytes.
//!
//! Times are integers, milliseconds since the Unix epoch, and beside each is its text
//! (`time` and `time_dt`). Beyond the members of OCSF an event has `class_name`, and that
//! of an application `id`, which is its `uid`.

mod application;
mod scan;

use std::io;

use super::Shape;
use super::event::{
    Assessment, Event, Feature, Moment, Observable, Policy, VendorAttributes, Vulnerability,
};
use super::rest::Record;
use crate::Item;

pub use application::{Entry, application};
pub use scan::{Scan, Scans, scan};

/// Where the members of the record of an application go; all others are in `unmapped`, and
/// so are these where the event does not have their value letter by letter.
pub const APPLICATION: [(&str, &str); 15] = [
    ("guid", "uid, id and application.uid"),
    ("id", "uid_alt"),
    ("created", "application.created_time"),
    ("modified", "application.modified_time"),
    ("last_policy_compliance_check_date", "data.policy_checked_time"),
    ("last_completed_scan_date", "data.last_scan_time"),
    ("profile.name", "name"),
    ("profile.description", "desc"),
    ("profile.business_criticality", "criticality"),
    ("profile.business_unit.name", "group.name"),
    ("profile.business_owners[0]", "owner.full_name and owner.email_addr"),
    ("profile.teams[].team_name", "tags, as the values of teams"),
    ("profile.custom_fields[]", "tags, each with name and value"),
    ("profile.tags", "application.labels"),
    ("profile.policies[0]", "data.policy and data.policy_compliance"),
];

/// The same of an element of its `scans`.
pub const SCAN: [(&str, &str); 4] = [
    ("scan_type", "scan.type, with scan.type_id 99 Other"),
    ("status", "status_code, and what it means in activity_id and status_id"),
    ("internal_status", "status_detail"),
    ("modified_date", "time"),
];

/// Appends an Application Security Posture Finding (2007). `finding_info.uid` is the id by
/// which a store finds the finding. Its record as sent is in `raw_data`, as a text, with
/// `with_raw`.
pub fn finding(out: &mut Vec<u8>, item: &Item<'_>, with_raw: bool) -> io::Result<()> {
    super::append(out, item, Shape::Posture18, (with_raw, None))
}

/// Adds what the exports lack to the event of a finding.
pub(super) fn complete<'a>(event: &mut Event<'a>, item: &Item<'a>, record: &Record<'a>) {
    event.time_dt = Moment::of(event.time);
    event.metadata.profiles = &["datetime", "security_control"];
    event.metadata.logged_time_dt = Moment::of(event.metadata.logged_time);
    let scan_type = item.finding.scan_type.as_str();
    event.metadata.product.feature = Some(Feature { name: scan_type.into() });
    let info = &mut event.finding_info;
    info.first_seen_time_dt = Moment::of(info.first_seen_time);
    info.last_seen_time_dt = Moment::of(info.last_seen_time);
    info.created_time_dt = Moment::of(info.created_time);
    info.modified_time_dt = Moment::of(info.modified_time);
    if let Some(compliance) = &mut event.compliance
        && let Some(name) = compliance.control
    {
        let meets_criteria = item.finding.violates_policy == Some(false);
        compliance.assessments = Some([Assessment { name, meets_criteria }]);
        event.policy = Some(Policy { name });
    }
    event.vendor_attributes =
        Some(VendorAttributes { severity_id: event.severity_id, severity: event.severity });
    let [vulnerability] = &mut event.vulnerabilities;
    vulnerability.title = Some(info.title);
    vulnerability.remediation.clone_from(&event.remediation);
    vulnerability.is_fix_available = record.is_fix_available();
    vulnerability.fix_available = vulnerability.is_fix_available;
    if let Some(epss) = vulnerability.cve.as_mut().and_then(|cve| cve.epss.as_mut()) {
        epss.created_time_dt = Moment::of(epss.created_time);
    }
    event.observables = observables(event);
}

/// The values that searches for a place begin with; each `name` is the path of a text.
fn observables<'a>(event: &Event<'a>) -> Vec<Observable<'a>> {
    // A module has neither address nor host.
    let subject = event.resources.first();
    let [Vulnerability { affected_code, .. }] = &event.vulnerabilities;
    let file = affected_code.as_ref().map(|[code]| &code.file);
    let application = event.application.as_ref().and_then(|application| application.uid);
    let seen = [
        ("application.uid", 10, "Resource UID", application.map(Into::into)),
        ("resources[0].uid", 6, "URL String", subject.and_then(|url| url.uid).map(Into::into)),
        ("resources[0].hostname", 1, "Hostname", subject.and_then(|url| url.hostname.clone())),
        (
            "vulnerabilities[0].affected_code[0].file.path",
            45,
            "File Path",
            file.map(|file| file.path.into()),
        ),
        (
            "vulnerabilities[0].affected_code[0].file.name",
            7,
            "File Name",
            file.map(|file| file.name.into()),
        ),
    ];
    let known = seen.into_iter().filter_map(|(name, type_id, type_name, value)| {
        value.map(|value| Observable { name, type_id, type_name, value })
    });
    known.collect()
}
