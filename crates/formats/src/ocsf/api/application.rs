//! Application Inventory Info (98905001), of the extension whose classes begin with 989.

use std::borrow::Cow;
use std::io;

use countersign_text::json;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::members::Members;
use crate::ocsf::applications::{self, changed_ms, subject};
use crate::ocsf::event::{
    Group, Hex, Metadata, Moment, Raw, Rest, Shown, Subject, SubjectData, Tag, User,
};
use crate::ocsf::rest::{Fate, held, is_text, is_time, members, parts};
use crate::ocsf::{full, hex};
use crate::product::Product;

/// An application with all that a store knows of it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The application, its integration, and its counts.
    pub listed: applications::Entry<'a>,
    /// When it was first read, milliseconds since the Unix epoch; none where that was not
    /// kept.
    pub first_read_ms: Option<i64>,
    /// Why its last reading was incomplete: then its counts are those of what was read.
    pub incomplete: Option<&'a str>,
    /// Findings in its sandboxes, in any state.
    pub in_sandboxes: u64,
    /// The record as the service sent it.
    pub raw: &'a str,
}

/// Appends the event of an application: what was collected, and whether its findings were
/// read completely (`status`). Its record as sent is in `raw_data`, as a text, with
/// `with_raw`.
pub fn application(out: &mut Vec<u8>, entry: &Entry<'_>, with_raw: bool) -> io::Result<()> {
    let record = Members::of(entry.raw).unwrap_or_default();
    let mut event = event(entry, &record);
    event.raw = with_raw.then(|| Raw::of(entry.raw));
    event.unmapped = Rest::Members(rest(record, &event, entry));
    json::append(out, &event)?;
    Ok(())
}

#[derive(Serialize)]
struct Event<'a> {
    activity_id: u8,
    activity_name: &'static str,
    category_uid: u8,
    category_name: &'static str,
    class_uid: u64,
    class_name: &'static str,
    type_uid: u64,
    type_name: &'static str,
    time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_dt: Option<Moment>,
    severity_id: u8,
    severity: &'static str,
    status_id: u8,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_detail: Option<&'a str>,
    message: &'a str,
    metadata: Metadata<'a>,
    /// As the sample programs of readers call it; OCSF has only `uid`.
    id: &'a str,
    uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid_alt: Option<Shown<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desc: Option<Cow<'a, str>>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    criticality: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Group<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<SubjectData<'a>>,
    application: Subject<'a>,
    #[serde(flatten)]
    raw: Option<Raw<'a>>,
    unmapped: Rest<'a>,
}

fn event<'a>(entry: &Entry<'a>, record: &Members<'a>) -> Event<'a> {
    let listed = &entry.listed;
    let time = changed_ms(listed);
    let subject = described(entry, record);
    let (status_id, status) = match (entry.incomplete, listed.read_ms) {
        (Some(_), _) => (2, "Failure"),
        (None, Some(_)) => (1, "Success"),
        (None, None) => (0, "Unknown"),
    };
    Event {
        activity_id: 2,
        activity_name: "Collect",
        category_uid: 5,
        category_name: "Discovery",
        class_uid: 98_905_001,
        class_name: "Application Inventory Info",
        type_uid: 9_890_500_102,
        type_name: "Application Inventory Info: Collect",
        time,
        time_dt: Moment::of(time),
        severity_id: 1,
        severity: "Informational",
        status_id,
        status,
        status_detail: entry.incomplete.and_then(full),
        message: full(&listed.application.name).unwrap_or(listed.application.guid.as_str()),
        metadata: Metadata {
            version: "1.8.0",
            uid: event_uid(entry),
            correlation_uid: None,
            product: Product::VERACODE.into(),
            profiles: &["datetime"],
            tenant_uid: listed.integration,
            log_name: "applications",
            log_provider: "countersign",
            logged_time: listed.read_ms,
            logged_time_dt: Moment::of(listed.read_ms),
            sequence: None,
            original_time: None,
        },
        id: listed.application.guid.as_str(),
        uid: listed.application.guid.as_str(),
        uid_alt: listed.application.id.map(Shown),
        name: subject.name,
        desc: subject.desc.clone(),
        kind: subject.type_name,
        criticality: subject.criticality,
        owner: subject.owner.clone(),
        group: subject.group,
        tags: subject.tags.clone(),
        data: subject.data,
        application: subject,
        raw: None,
        unmapped: Rest::Members(Vec::new()),
    }
}

/// The application with its texts of the record: description, first owner, custom fields.
fn described<'a>(entry: &Entry<'a>, record: &Members<'a>) -> Subject<'a> {
    let profile = record.object("profile");
    let mut subject = subject(&entry.listed);
    subject.desc = profile.full_text("description");
    let owner = profile.objects("business_owners").into_iter().next().map(|owner| User {
        full_name: owner.full_text("name"),
        email_addr: owner.full_text("email"),
    });
    subject.owner = owner.filter(|owner| owner.full_name.is_some() || owner.email_addr.is_some());
    let fields = profile.objects("custom_fields").into_iter().filter_map(|field| {
        let name = field.full_text("name")?;
        Some(Tag { name, value: field.full_text("value"), values: &[] })
    });
    subject.tags.extend(fields);
    let (first_ms, last_ms) = (entry.first_read_ms, entry.listed.read_ms);
    (subject.first_seen_time, subject.last_seen_time) = (first_ms, last_ms);
    (subject.first_seen_time_dt, subject.last_seen_time_dt) =
        (Moment::of(first_ms), Moment::of(last_ms));
    subject.created_time_dt = Moment::of(subject.created_time);
    subject.modified_time_dt = Moment::of(subject.modified_time);
    subject
}

/// What of the record the event does not hold to the letter, and what the store adds.
fn rest<'a>(
    record: Members<'a>,
    event: &Event<'a>,
    entry: &Entry<'a>,
) -> Vec<(Cow<'a, str>, Rest<'a>)> {
    let subject = &event.application;
    let data = subject.data.as_ref();
    let mut left = members(record, |name, raw| match name {
        "guid" => held(is_text(raw, subject.uid)),
        "created" => held(is_time(raw, subject.created_time)),
        "modified" => held(is_time(raw, subject.modified_time)),
        "last_policy_compliance_check_date" => {
            held(is_time(raw, data.and_then(|data| data.policy_checked_time)))
        }
        "last_completed_scan_date" => held(is_time(raw, data.and_then(|data| data.last_scan_time))),
        "profile" => parts(raw, |name, raw| match name {
            "name" => held(is_text(raw, subject.name)),
            "description" => held(is_text(raw, subject.desc.as_deref())),
            "business_criticality" => held(is_text(raw, subject.criticality)),
            _ => Fate::Left,
        }),
        _ => Fate::Left,
    });
    let known = json!({"gone": entry.listed.gone, "findings_in_sandboxes": entry.in_sandboxes});
    left.push((Cow::Borrowed("countersign"), Rest::Again(known)));
    left
}

/// Names the event: the application as it stands, with its counts.
fn event_uid(entry: &Entry<'_>) -> Hex<32> {
    let listed = &entry.listed;
    let mut digest = Sha256::new();
    for text in [listed.integration, listed.application.guid.as_str()] {
        digest.update(text);
        digest.update([0]);
    }
    digest.update([u8::from(listed.gone), u8::from(entry.incomplete.is_some())]);
    for count in listed.open.iter().chain([&listed.findings, &entry.in_sandboxes]) {
        digest.update(count.to_be_bytes());
    }
    digest.update(entry.raw);
    hex(&digest.finalize()[..16])
}
