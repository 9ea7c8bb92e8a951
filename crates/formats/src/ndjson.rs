//! NDJSON: one finding a line, in the domain's own shape.

use std::io::{self, Write};

use countersign_findings::{DataPath, Finding, Rfc3339, SCHEMA};
use countersign_text::json;
use serde::{Serialize, Serializer};

use crate::{Export, Held, Item};

/// One finding a line.
pub struct Ndjson<W> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Ndjson<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, line: Vec::new() }
    }
}

impl<W: Write> Export for Ndjson<W> {
    fn finding(&mut self, item: &Item<'_>) -> io::Result<Held> {
        self.line.clear();
        json::append(&mut self.line, &Line::of(item))?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)?;
        Ok(Held::Written)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}

/// The documented shape of one finding: version, where it comes from, the finding's own
/// members, and what the store and the application add.
#[derive(Serialize)]
pub struct Line<'a> {
    schema: u32,
    integration: &'a str,
    application_name: &'a str,
    gone: bool,
    #[serde(flatten)]
    finding: &'a Finding,
    added: Time,
    changed: Time,
    last_change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    business_unit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    business_criticality: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    teams: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_compliance: Option<&'a str>,
    #[serde(skip_serializing_if = "<[DataPath]>::is_empty")]
    data_paths: &'a [DataPath],
}

struct Time(i64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.serialize_str(&Rfc3339::of(self.0))
    }
}

impl<'a> Line<'a> {
    /// Of this finding.
    pub fn of(item: &Item<'a>) -> Self {
        let application = item.application;
        Self {
            schema: SCHEMA,
            integration: item.integration,
            application_name: &application.name,
            gone: item.gone,
            finding: item.finding,
            added: Time(item.added_ms),
            changed: Time(item.changed_ms),
            last_change: item.last.as_str(),
            business_unit: application.business_unit.as_deref(),
            business_criticality: application.business_criticality.as_deref(),
            teams: &application.teams,
            tags: &application.tags,
            policy: application.policy.as_deref(),
            policy_compliance: application.policy_compliance.as_deref(),
            data_paths: item.paths,
        }
    }
}
