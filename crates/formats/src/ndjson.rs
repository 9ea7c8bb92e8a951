//! NDJSON: one finding a line, in the domain's own shape.

use std::io::{self, Write};

use countersign_findings::SCHEMA;
use serde::Serialize;

use crate::{Export, Held, Item};

/// One finding a line.
pub struct Ndjson<W>(W);

impl<W: Write> Ndjson<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self(out)
    }
}

impl<W: Write> Export for Ndjson<W> {
    fn finding(&mut self, item: &Item<'_>) -> io::Result<Held> {
        serde_json::to_writer(&mut self.0, &Line::of(item))?;
        self.0.write_all(b"\n")?;
        Ok(Held::Written)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}

/// The documented shape of one finding: version, where it comes from, and the
/// finding's own members.
#[derive(Serialize)]
pub struct Line<'a> {
    schema: u32,
    integration: &'a str,
    application_name: &'a str,
    gone: bool,
    #[serde(flatten)]
    finding: &'a countersign_findings::Finding,
}

impl<'a> Line<'a> {
    /// Of this finding.
    pub fn of(item: &Item<'a>) -> Self {
        Self {
            schema: SCHEMA,
            integration: item.integration,
            application_name: &item.application.name,
            gone: item.gone,
            finding: item.finding,
        }
    }
}
