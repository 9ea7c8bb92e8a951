//! Findings in the formats that other tools import. Every renderer takes one
//! finding after the other, writes it, and forgets it.
//!
//! A renderer is an [`Export`]: it says of each finding whether the format can hold
//! it, and at the end how many it wrote, so that nothing is lost unseen.

pub mod csv;
pub mod cyclonedx;
pub mod defectdojo;
pub mod gitlab;
pub mod html;
pub mod ndjson;
pub mod ocsf;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod sarif;

mod facts;
mod json;
mod members;
mod package;
mod place;
mod product;
mod text;

use std::io::{self, Write};

use countersign_findings::{Application, DataPath, Finding};

pub use place::Paths;

/// One finding with all that is known about it.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The finding.
    pub finding: &'a Finding,
    /// Its application.
    pub application: &'a Application,
    /// The integration that brought it in.
    pub integration: &'a str,
    /// Whether a complete reading no longer showed it.
    pub gone: bool,
    /// When this store first had it, milliseconds since the Unix epoch.
    pub added_ms: i64,
    /// When this store last noticed a change of it.
    pub changed_ms: i64,
    /// What that change was.
    pub last: Last,
    /// How data reaches the flaw, where that was fetched.
    pub paths: &'a [DataPath],
    /// The record as the service sent it.
    pub raw: &'a str,
}

/// The last change of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// It appeared.
    New,
    /// It is different.
    Changed,
    /// It is open again.
    Reopened,
    /// It is no longer open.
    Closed,
}

impl Last {
    /// The word for it in every format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Reopened => "reopened",
            Self::Closed => "closed",
        }
    }
}

/// What a renderer needs to know besides the findings.
#[derive(Debug, Clone)]
pub struct Head {
    /// Version of this program.
    pub version: String,
    /// When the export is made, milliseconds since the Unix epoch.
    pub made_ms: i64,
    /// The filter, as given; empty for everything.
    pub filter: String,
    /// How many findings will come.
    pub total: u64,
    /// Whether the record as sent goes along, in formats that have a place for it.
    pub with_raw: bool,
    /// Where the sources are in a repository, for formats whose readers look for files.
    pub paths: Paths,
}

/// Whether a format can hold a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It is written.
    Written,
    /// The format has no place for it, for this reason.
    NotHeld(&'static str),
}

/// A renderer under way.
pub trait Export {
    /// Writes one finding, or says why the format cannot hold it.
    fn finding(&mut self, item: &Item<'_>) -> io::Result<Held>;

    /// What its readers will not do with what was written; empty when they read all of it.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Writes what comes after the last finding, and flushes.
    fn end(self: Box<Self>) -> io::Result<()>;
}

/// Where a renderer writes: one place, or one for each part where readers of the
/// format bear only so much at once.
pub trait Parts {
    /// Opens part `number`, from 1.
    fn open(&mut self, number: usize) -> io::Result<Box<dyn Write>>;

    /// Whether there can be more than one.
    fn can_split(&self) -> bool;
}
