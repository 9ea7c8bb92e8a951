//! Applications as an inventory: Cloud Resources Inventory Info (5023) of 1.6.0, one
//! event for each. Software Inventory Info (5020), by its name the nearer one, has to
//! name a device on which the software is, and an inventory of applications knows none.

use std::io::{self, Write};

use countersign_findings::Application;
use countersign_text::json;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::event::{Group, Hex, Metadata, Shown, Subject, SubjectData, Tag};
use super::{filled, full, hex};
use crate::product::Product;

/// An application with what a store knows of it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The application.
    pub application: &'a Application,
    /// The integration that brought it in.
    pub integration: &'a str,
    /// Whether a complete listing lacked it since.
    pub gone: bool,
    /// When it was last read, milliseconds since the Unix epoch.
    pub read_ms: Option<i64>,
    /// Open findings by severity, 0 to 5, policy context.
    pub open: [u64; 6],
    /// All findings, every context.
    pub findings: u64,
}

/// One application a line.
pub struct Applications<W> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Applications<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, line: Vec::new() }
    }

    /// Writes one.
    pub fn application(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        self.line.clear();
        json::append(&mut self.line, &event(entry))?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }

    /// Flushes.
    pub fn end(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[derive(Serialize)]
struct Event<'a> {
    activity_id: u8,
    activity_name: &'static str,
    category_uid: u8,
    category_name: &'static str,
    class_uid: u32,
    class_name: &'static str,
    type_uid: u32,
    type_name: &'static str,
    time: i64,
    severity_id: u8,
    severity: &'static str,
    message: &'a str,
    metadata: Metadata<'a>,
    resources: [Subject<'a>; 1],
    unmapped: Unmapped,
}

#[derive(Serialize)]
struct Unmapped {
    gone: bool,
}

fn event<'a>(entry: &Entry<'a>) -> Event<'a> {
    let changed_ms = changed_ms(entry);
    let application = entry.application;
    Event {
        activity_id: 2,
        activity_name: "Collect",
        category_uid: 5,
        category_name: "Discovery",
        class_uid: 5023,
        class_name: "Cloud Resources Inventory Info",
        type_uid: 502_302,
        type_name: "Cloud Resources Inventory Info: Collect",
        time: changed_ms,
        severity_id: 1,
        severity: "Informational",
        message: full(&application.name).unwrap_or(application.guid.as_str()),
        metadata: Metadata {
            version: "1.6.0",
            uid: event_uid(entry, changed_ms),
            correlation_uid: None,
            product: Product::VERACODE.into(),
            profiles: &[],
            tenant_uid: entry.integration,
            log_name: "applications",
            log_provider: "countersign",
            logged_time: Some(entry.read_ms.unwrap_or(changed_ms)),
            logged_time_dt: None,
            sequence: None,
            original_time: None,
        },
        resources: [subject(entry)],
        unmapped: Unmapped { gone: entry.gone },
    }
}

/// When what is said of it became true: a reading that finds nothing new is no event of
/// its own. 0 where neither the record nor a reading has a date.
pub(super) fn changed_ms(entry: &Entry<'_>) -> i64 {
    let application = entry.application;
    [application.modified_ms, application.policy_checked_ms, application.last_scan_ms]
        .into_iter()
        .flatten()
        .max()
        .or(application.created_ms)
        .or(entry.read_ms)
        .unwrap_or_default()
}

pub(super) fn subject<'a>(entry: &Entry<'a>) -> Subject<'a> {
    let application = entry.application;
    let teams = || Tag::list("teams", &application.teams);
    Subject {
        uid: Some(application.guid.as_str()),
        uid_alt: application.id.map(Shown),
        name: full(&application.name),
        type_name: "application",
        criticality: filled(&application.business_criticality),
        group: filled(&application.business_unit).map(|name| Group { name }),
        labels: &application.tags,
        tags: (!application.teams.is_empty()).then(teams).into_iter().collect(),
        created_time: application.created_ms,
        modified_time: application.modified_ms,
        data: Some(SubjectData {
            policy: filled(&application.policy),
            policy_compliance: filled(&application.policy_compliance),
            policy_checked_time: application.policy_checked_ms,
            last_scan_time: application.last_scan_ms,
            findings: entry.findings,
            open_by_severity: entry.open,
        }),
        ..Subject::default()
    }
}

fn event_uid(entry: &Entry<'_>, changed_ms: i64) -> Hex<32> {
    let mut digest = Sha256::new();
    digest.update(entry.integration);
    digest.update([0]);
    digest.update(entry.application.guid.as_str());
    digest.update(changed_ms.to_be_bytes());
    digest.update([u8::from(entry.gone)]);
    hex(&digest.finalize()[..16])
}
