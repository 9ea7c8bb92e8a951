//! `export`: the format, and what there is to choose in it.

use std::path::PathBuf;

use clap::{Args as Group, ValueEnum};

use super::lists::Which;

#[derive(Debug, Group)]
pub(crate) struct Export {
    /// Format.
    #[arg(long, value_enum)]
    pub(crate) format: Format,
    /// File to write, replaced atomically; several numbered files if readers of the format
    /// limit the size [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) which: Which,
    /// Include each finding's record as the service sent it (ocsf, parquet, sarif).
    #[arg(long)]
    pub(crate) raw: bool,
    /// OCSF: 2007 has applications and policies, more readers know 2002
    /// [default: 2007].
    #[arg(long, value_enum, value_name = "CLASS")]
    pub(crate) ocsf_class: Option<OcsfClass>,
    /// OCSF: 1.3.0, for older data lakes, has class 2002 only [default: 1.6.0].
    #[arg(long, value_enum, value_name = "VERSION")]
    pub(crate) ocsf_version: Option<OcsfVersion>,
    /// CSV: begin with a byte-order mark, so that Excel reads UTF-8.
    #[arg(long)]
    pub(crate) bom: bool,
    /// CSV: write cells as they are, for programs. Without it, a cell that a spreadsheet
    /// would run as a formula or read as a number or date begins with `'`.
    #[arg(long)]
    pub(crate) plain_cells: bool,
    /// SARIF: one category for all findings, by which code scanning distinguishes uploads
    /// [default: one for each application and context].
    #[arg(long, value_name = "NAME")]
    pub(crate) category: Option<String>,
    /// Paths that begin with the folders FROM begin with TO, such as
    /// `com/example=src/main/java/com/example`; repeatable, the longest FROM counts (sarif,
    /// gitlab-sast, gitlab-dependency-scanning, defectdojo).
    #[arg(long, value_name = "FROM=TO")]
    pub(crate) map_path: Vec<String>,
    /// Folder of the repository that source files lie below, such as `src/main/java`; not
    /// for paths that a `--map-path` changes (sarif, gitlab-sast, defectdojo).
    #[arg(long, value_name = "FOLDER")]
    pub(crate) source_root: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One finding a line: what `findings --json` prints, its history and its
    /// application.
    Ndjson,
    /// Comma-separated, safe to open in a spreadsheet.
    Csv,
    /// One OCSF event a line, for data lakes and event management.
    Ocsf,
    /// The applications, one OCSF inventory event a line.
    OcsfApplications,
    /// Typed columns, for lakes and notebooks.
    #[cfg(feature = "parquet")]
    Parquet,
    /// SARIF 2.1.0, for code scanning and editors.
    Sarif,
    /// CycloneDX 1.6, a vulnerability disclosure report of components.
    Cyclonedx,
    /// GitLab's SAST report: open static and manual findings.
    GitlabSast,
    /// GitLab's DAST report: open dynamic findings.
    GitlabDast,
    /// GitLab's dependency scanning report: open findings of components.
    GitlabDependencyScanning,
    /// DefectDojo's generic findings.
    Defectdojo,
    /// One page to read and to print.
    Html,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OcsfClass {
    /// Application Security Posture Finding.
    #[value(name = "2007")]
    Posture,
    /// Vulnerability Finding.
    #[value(name = "2002")]
    Vulnerability,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OcsfVersion {
    /// August 2025.
    #[value(name = "1.6.0")]
    V1_6,
    /// August 2024.
    #[value(name = "1.3.0")]
    V1_3,
}
