//! Scan Activity (6007). Nothing of the service lists scans: those are known that the record
//! of an application names, the newest of each type, and those in which a finding was last
//! reported.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

use countersign_findings::{Context, parse_time};
use countersign_text::json;
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::Item;
use crate::members::Members;
use crate::ocsf::applications::{Entry, changed_ms};
use crate::ocsf::event::{self, Feature, Hex, Metadata, Moment, Raw, Rest};
use crate::ocsf::rest::{Fate, held, is_text, is_time, members};
use crate::ocsf::words::scan_activity;
use crate::ocsf::{full, hex};
use crate::product::Product;

/// The scans of an application, gathered from its record and its findings.
#[derive(Debug)]
pub struct Scans<'a> {
    entry: Entry<'a>,
    listed: Vec<(Key, Option<&'a str>)>,
    seen: BTreeMap<Key, Seen>,
}

/// One of them.
#[derive(Debug)]
pub struct Scan<'a> {
    entry: Entry<'a>,
    key: Key,
    record: Option<&'a str>,
    seen: Option<Seen>,
    detections: Option<u64>,
}

/// What tells a scan from others of its application.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    context: Context,
    scan_type: Option<Box<str>>,
    product: Product<'static>,
    /// Of SCA: by an upload or by an agent.
    mode: Option<Box<str>>,
    number: Number,
}

/// How the service calls a scan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Number {
    Build(i64),
    /// By its address or its date, where these name no build.
    Named(Box<str>),
    Unknown,
}

/// What findings say of the scan in which they were last reported.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    findings: u64,
    last_ms: Option<i64>,
}

impl<'a> Scans<'a> {
    /// Those that the record of the application lists. Where it lists none, the date of
    /// the last completed one stands for a scan of which nothing else is known.
    pub fn of(entry: Entry<'a>, raw: &'a str) -> Self {
        let record = Members::of(raw).unwrap_or_default();
        let elements = record.elements("scans").into_iter();
        let mut listed: Vec<_> = elements
            .filter_map(|raw| Some((Key::listed(&Members::of(raw.get())?), Some(raw.get()))))
            .collect();
        let date = record.full_text("last_completed_scan_date");
        if let Some(date) = date.filter(|_| listed.is_empty()) {
            listed.push((Key::of_policy(None, Number::Named(date.into())), None));
        }
        Self { entry, listed, seen: BTreeMap::new() }
    }

    /// Adds the scan in which a finding of the application was last reported. Findings may
    /// come in any order, each once.
    pub fn finding(&mut self, item: &Item<'_>) {
        let finding = item.finding;
        // A build is one scan, whatever its mode.
        let component = finding.component.as_ref().filter(|_| finding.build_id.is_none());
        let mode = component.and_then(|component| component.scan_mode.as_deref());
        let key = Key {
            context: finding.context.clone(),
            scan_type: Some(finding.scan_type.as_str().into()),
            product: Product::of(item.raw).into_owned(),
            mode: mode.and_then(full).map(Into::into),
            number: finding.build_id.map_or(Number::Unknown, Number::Build),
        };
        let seen = self.seen.entry(key).or_default();
        seen.findings += 1;
        seen.last_ms = seen.last_ms.max(finding.last_seen_ms.or(finding.first_found_ms));
    }

    /// The scans, in an order that is the same each time. A complete one has `num_detections`
    /// where they can be counted: with `is_complete`, which says that every finding was added that
    /// is not gone, and that the last reading of the application was complete.
    pub fn finish(self, is_complete: bool) -> Vec<Scan<'a>> {
        let Self { entry, mut listed, mut seen } = self;
        if seen.keys().any(Key::is_policy_build) {
            // What is known by its date alone is one of those that findings name.
            listed.retain(|(_, record)| record.is_some());
        }
        let keys: Vec<_> = listed.iter().map(|(key, _)| key).chain(seen.keys()).cloned().collect();
        let scan = |key: Key, record, seen: Option<Seen>| {
            let is_counted = is_complete && key.is_countable(&keys);
            let detections = is_counted.then(|| seen.map_or(0, |seen| seen.findings));
            Scan { entry, key, record, seen, detections }
        };
        let mut scans = Vec::with_capacity(keys.len());
        for (key, record) in &listed {
            scans.push(scan(key.clone(), *record, seen.remove(key)));
        }
        for (key, seen) in seen {
            // Findings that name no build are of one that is listed, as far as anybody knows.
            let is_listed = || listed.iter().any(|(other, _)| other.is_kind_of(&key));
            if key.number != Number::Unknown || !is_listed() {
                scans.push(scan(key, None, Some(seen)));
            }
        }
        scans.sort_by(|one, other| one.key.cmp(&other.key));
        scans
    }
}

impl Key {
    /// Of an element of `scans`.
    fn listed(record: &Members<'_>) -> Self {
        let known = |name| record.full_text(name);
        let address = known("scan_url");
        let build = address.as_ref().and_then(|url| url.split(':').nth(3)?.parse().ok());
        let number = match (build, address.or_else(|| known("modified_date"))) {
            (Some(build), _) => Number::Build(build),
            (None, Some(name)) => Number::Named(name.into()),
            (None, None) => Number::Unknown,
        };
        Self::of_policy(known("scan_type").map(Into::into), number)
    }

    fn of_policy(scan_type: Option<Box<str>>, number: Number) -> Self {
        let product = Product::VERACODE;
        Self { context: Context::Policy, scan_type, product, mode: None, number }
    }

    fn is_kind_of(&self, other: &Self) -> bool {
        (&self.context, &self.scan_type, &self.product)
            == (&other.context, &other.scan_type, &other.product)
    }

    /// A build of the service in the policy context.
    fn is_policy_build(&self) -> bool {
        let is_build = matches!(self.number, Number::Build(_));
        is_build && self.context == Context::Policy && !self.product.is_imported
    }

    /// A finding names the last scan that reported it: all that a scan reported name it
    /// only while it is the newest of its kind, and while each of them names one.
    fn is_countable(&self, all: &[Self]) -> bool {
        let is_no_newer = |other: &Self| match (&self.number, &other.number) {
            (Number::Build(own), Number::Build(build)) => own >= build,
            _ => false,
        };
        all.iter().filter(|other| self.is_kind_of(other)).all(is_no_newer)
    }
}

impl Scan<'_> {
    /// Names the scan for as long as anything speaks of it: 20 hexadecimal digits.
    pub fn uid(&self) -> String {
        let Key { context, scan_type, product, mode, number } = &self.key;
        let mut digest = Sha256::new();
        let [scan_type, mode] = [scan_type, mode].map(|text| text.as_deref().unwrap_or("-"));
        let product = if product.is_imported { &product.name } else { "-" };
        let number = match number {
            Number::Build(build) => Cow::Owned(build.to_string()),
            Number::Named(name) => Cow::Borrowed(&**name),
            Number::Unknown => Cow::Borrowed("-"),
        };
        let guid = &self.entry.application.guid;
        digest.update(format!("{guid}\0{context}\0{scan_type}\0{product}\0{mode}\0{number}"));
        HEXLOWER.encode(&digest.finalize()[..10])
    }
}

/// Appends the event of a scan: that it is complete, or how far it is. The element of the
/// application's record that lists it, if one does, is in `raw_data`, as a text, with
/// `with_raw`.
pub fn scan(out: &mut Vec<u8>, scan: &Scan<'_>, with_raw: bool) -> io::Result<()> {
    let record = scan.record.and_then(Members::of).unwrap_or_default();
    let texts = ["status", "internal_status", "modified_date"].map(|name| record.full_text(name));
    let mut event = event(scan, texts);
    event.raw = scan.record.filter(|_| with_raw).map(Raw::of);
    event.unmapped = Rest::Members(rest(record, &event, scan));
    json::append(out, &event)?;
    Ok(())
}

#[derive(Serialize)]
struct Event<'a> {
    activity_id: u8,
    activity_name: Cow<'a, str>,
    category_uid: u8,
    category_name: &'static str,
    class_uid: u32,
    class_name: &'static str,
    type_uid: u32,
    type_name: String,
    time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_dt: Option<Moment>,
    severity_id: u8,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_id: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_detail: Option<Cow<'a, str>>,
    message: String,
    metadata: Metadata<'a>,
    scan: Named<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_detections: Option<u64>,
    #[serde(flatten)]
    raw: Option<Raw<'a>>,
    unmapped: Rest<'a>,
}

/// The object of that name.
#[derive(Serialize)]
struct Named<'a> {
    uid: String,
    type_id: u8,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
}

fn event<'a>(scan: &'a Scan<'_>, texts: [Option<Cow<'a, str>>; 3]) -> Event<'a> {
    let [code, detail, date] = texts;
    let application = scan.entry.application;
    let kind = scan.key.scan_type.as_deref();
    let dated = date.as_deref().and_then(parse_time);
    let time = dated.or_else(|| known_ms(scan)).unwrap_or_else(|| changed_ms(&scan.entry));
    let (activity_id, activity_name) = match (&code, scan.record) {
        (Some(code), _) => scan_activity(code.clone()),
        (None, Some(_)) => (0, "Unknown".into()),
        (None, None) => (2, "Completed".into()),
    };
    let status = match activity_id {
        2 if scan.record.is_some() || scan.seen.is_some() => Some((1, "Success")),
        6 => Some((2, "Failure")),
        _ => None,
    };
    let caption = if activity_id == 99 { "Other" } else { &activity_name };
    let type_name = format!("Scan Activity: {caption}");
    let type_uid = 600_700 + u32::from(activity_id);
    let name = full(&application.name).unwrap_or(application.guid.as_str());
    let message = kind.map_or(format!("Scan of {name}"), |kind| format!("{kind} scan of {name}"));
    let product = scan.key.product.clone();
    Event {
        activity_id,
        category_uid: 6,
        category_name: "Application Activity",
        class_uid: 6007,
        class_name: "Scan Activity",
        type_uid,
        type_name,
        time,
        time_dt: Moment::of(time),
        severity_id: 1,
        severity: "Informational",
        status_id: status.map(|(id, _)| id),
        status: status.map(|(_, caption)| caption),
        message,
        metadata: Metadata {
            version: "1.8.0",
            uid: event_uid(scan, &activity_name, time),
            correlation_uid: None,
            product: event::Product {
                feature: kind.map(|kind| Feature { name: kind.into() }),
                ..product.into()
            },
            profiles: &["datetime"],
            tenant_uid: scan.entry.integration,
            log_name: "scans",
            log_provider: "countersign",
            logged_time: scan.entry.read_ms,
            logged_time_dt: Moment::of(scan.entry.read_ms),
            sequence: None,
            original_time: date.filter(|_| dated.is_some()),
        },
        scan: Named { uid: scan.uid(), type_id: if kind.is_some() { 99 } else { 0 }, kind },
        // One that is not complete has none yet.
        num_detections: scan.detections.filter(|_| activity_id == 2),
        activity_name,
        status_code: code,
        status_detail: detail,
        raw: None,
        unmapped: Rest::Members(Vec::new()),
    }
}

/// What a scan is dated by when it has no date of its own.
fn known_ms(scan: &Scan<'_>) -> Option<i64> {
    let named = match &scan.key.number {
        Number::Named(name) => parse_time(name),
        Number::Build(_) | Number::Unknown => None,
    };
    named.or(scan.seen.and_then(|seen| seen.last_ms))
}

/// What of the element the event does not hold to the letter, and where the scan belongs.
fn rest<'a>(
    record: Members<'a>,
    event: &Event<'_>,
    scan: &Scan<'_>,
) -> Vec<(Cow<'a, str>, Rest<'a>)> {
    let mut left = members(record, |name, raw| match name {
        "scan_type" => held(is_text(raw, event.scan.kind)),
        "status" => held(is_text(raw, event.status_code.as_deref())),
        "internal_status" => held(is_text(raw, event.status_detail.as_deref())),
        "modified_date" => held(is_time(raw, Some(event.time))),
        _ => Fate::Left,
    });
    let Key { context, mode, number, .. } = &scan.key;
    let mut known = Map::new();
    known.insert("application".into(), scan.entry.application.guid.as_str().into());
    known.insert("context".into(), context.to_string().into());
    if let Number::Build(build) = number {
        known.insert("build_id".into(), (*build).into());
    }
    if let Some(mode) = mode {
        known.insert("scan_mode".into(), mode.as_ref().into());
    }
    if let Some(seen) = scan.seen {
        known.insert("findings_last_reported".into(), seen.findings.into());
    }
    left.push((Cow::Borrowed("countersign"), Rest::Again(Value::Object(known))));
    left
}

/// Names the event: the scan, and how it stands.
fn event_uid(scan: &Scan<'_>, activity: &str, time: i64) -> Hex<32> {
    let mut digest = Sha256::new();
    for text in [scan.entry.integration, &scan.uid(), activity] {
        digest.update(text);
        digest.update([0]);
    }
    digest.update(time.to_be_bytes());
    digest.update(scan.seen.map_or(0, |seen| seen.findings).to_be_bytes());
    digest.update([u8::from(scan.detections.is_some())]);
    hex(&digest.finalize()[..16])
}
