//! The renderer for each format: one line for each here, and its options checked.

mod parts;

use std::io::Write;

use countersign_formats::csv::{Csv, Style};
use countersign_formats::cyclonedx::CycloneDx;
use countersign_formats::defectdojo::DefectDojo;
use countersign_formats::gitlab::{GitLab, Report};
use countersign_formats::html::Html;
use countersign_formats::ndjson::Ndjson;
use countersign_formats::ocsf::{Ocsf, Shape};
#[cfg(feature = "parquet")]
use countersign_formats::parquet::Parquet;
use countersign_formats::sarif::{self, Sarif};
use countersign_formats::{Export, Head, Paths};

pub(crate) use parts::More;

use crate::args::{self, Format, OcsfClass, OcsfVersion};
use crate::failure::Failure;

/// Where an export goes.
pub(crate) type Out = Box<dyn Write + Send>;

/// What will be written, decided before a file is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Findings, in a format of one renderer, with the paths of a repository.
    Findings(Format, Shape, Paths),
    /// Applications, as an inventory.
    Applications,
}

/// Refuses options that the format has no use for.
pub(crate) fn plan(args: &args::Export) -> Result<Plan, Failure> {
    let name = clap::ValueEnum::to_possible_value(&args.format);
    let name = name.as_ref().map_or("", |value| value.get_name());
    let no_use = |option: &str| Failure::usage(format!("`{option}` means nothing for `{name}`"));
    if args.format != Format::Ocsf {
        if args.ocsf_class.is_some() {
            return Err(no_use("--ocsf-class"));
        }
        if args.ocsf_version.is_some() {
            return Err(no_use("--ocsf-version"));
        }
    }
    if args.raw && !holds_raw(args.format) {
        return Err(no_use("--raw"));
    }
    if args.format != Format::Csv {
        if args.bom {
            return Err(no_use("--bom"));
        }
        if args.plain_cells {
            return Err(no_use("--plain-cells"));
        }
    }
    if let Some(category) = &args.category {
        if args.format != Format::Sarif {
            return Err(no_use("--category"));
        }
        if category.trim_matches('/').trim().is_empty() {
            return Err(Failure::usage(
                "`--category` is empty\nhint: for example `--category web-shop`",
            ));
        }
    }
    if !args.map_path.is_empty() && !holds_paths(args.format) {
        return Err(no_use("--map-path"));
    }
    let is_about_components = args.format == Format::GitlabDependencyScanning;
    if args.source_root.is_some() && (is_about_components || !holds_paths(args.format)) {
        return Err(no_use("--source-root"));
    }
    let paths = Paths::new(args.source_root.as_deref(), &args.map_path).map_err(Failure::usage)?;
    if args.format == Format::OcsfApplications {
        if let Some(option) = args.which.given() {
            return Err(no_use(option));
        }
        return Ok(Plan::Applications);
    }
    let shape = match (args.ocsf_class, args.ocsf_version) {
        (Some(OcsfClass::Vulnerability), Some(OcsfVersion::V1_3)) => Shape::Vulnerability13,
        (Some(OcsfClass::Vulnerability), _) => Shape::Vulnerability,
        (_, Some(OcsfVersion::V1_3)) => {
            return Err(Failure::usage(
                "OCSF 1.3.0 has no class 2007\nhint: add `--ocsf-class 2002`",
            ));
        }
        _ => Shape::Posture,
    };
    Ok(Plan::Findings(args.format, shape, paths))
}

/// Begins an export of findings.
pub(crate) fn renderer(
    args: &args::Export,
    shape: Shape,
    out: Out,
    more: More,
    head: &Head,
    options: sarif::Options,
) -> std::io::Result<Box<dyn Export>> {
    Ok(match args.format {
        Format::Ndjson => Box::new(Ndjson::new(out)),
        Format::Csv => {
            let style = Style { has_mark: args.bom, is_plain: args.plain_cells };
            Box::new(Csv::new(out, style)?)
        }
        Format::Ocsf => Box::new(Ocsf::new(out, head, shape)),
        #[cfg(feature = "parquet")]
        Format::Parquet => Box::new(Parquet::new(out, head)?),
        Format::Sarif => Box::new(Sarif::new(parts::Parts::new(out, more), head, options)),
        Format::Cyclonedx => Box::new(CycloneDx::new(out, head)?),
        Format::GitlabSast => Box::new(GitLab::new(out, Report::Sast, head)?),
        Format::GitlabDast => Box::new(GitLab::new(out, Report::Dast, head)?),
        Format::GitlabDependencyScanning => {
            Box::new(GitLab::new(out, Report::DependencyScanning, head)?)
        }
        Format::Defectdojo => Box::new(DefectDojo::new(out, head)?),
        Format::Html => Box::new(Html::new(out, head)?),
        Format::OcsfApplications => return Err(std::io::Error::other("no format of findings")),
    })
}

/// Whether a format has a place for the record as sent.
fn holds_raw(format: Format) -> bool {
    match format {
        Format::Ocsf | Format::Sarif => true,
        #[cfg(feature = "parquet")]
        Format::Parquet => true,
        _ => false,
    }
}

/// Whether its readers look for files in a repository.
fn holds_paths(format: Format) -> bool {
    matches!(
        format,
        Format::Sarif | Format::GitlabSast | Format::GitlabDependencyScanning | Format::Defectdojo
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn planned(options: &str) -> Result<Plan, String> {
        let words = format!("countersign export --format {options}");
        let Command::Export(args) = Args::parse_from(words.split(' ')).command else {
            panic!("another command");
        };
        plan(&args).map_err(|failure| failure.to_string())
    }

    #[test]
    fn options_without_a_use_are_refused() {
        for (options, named) in [
            ("csv --raw", "--raw"),
            ("html --raw", "--raw"),
            ("sarif --ocsf-class 2002", "--ocsf-class"),
            ("ndjson --ocsf-class 2002", "--ocsf-class"),
            ("csv --ocsf-version 1.6.0", "--ocsf-version"),
            ("ocsf-applications --filter severity[gte]4", "--filter"),
            ("ocsf-applications --state open", "--state"),
            ("ocsf-applications --raw", "--raw"),
            ("ocsf --ocsf-version 1.3.0", "--ocsf-class 2002"),
            ("ndjson --bom", "--bom"),
            ("sarif --plain-cells", "--plain-cells"),
            ("gitlab-sast --category a", "--category"),
            ("sarif --category /", "--category web-shop"),
            ("gitlab-dast --map-path a=b", "--map-path"),
            ("csv --source-root a", "--source-root"),
            ("gitlab-dependency-scanning --source-root a", "--source-root"),
            ("sarif --map-path a", "FROM=TO"),
            ("sarif --map-path a=/b", "within a repository"),
            ("sarif --source-root ../a", "within a repository"),
            ("ocsf --ocsf-version 1.3.0 --ocsf-class 2007", "--ocsf-class 2002"),
        ] {
            assert!(planned(options).unwrap_err().contains(named), "{options}");
        }
    }

    #[test]
    fn classes_and_versions() {
        for (options, shape) in [
            ("ocsf", Shape::Posture),
            ("ocsf --raw --ocsf-class 2007 --ocsf-version 1.6.0", Shape::Posture),
            ("ocsf --ocsf-class 2002", Shape::Vulnerability),
            ("ocsf --ocsf-class 2002 --ocsf-version 1.3.0", Shape::Vulnerability13),
        ] {
            let plan = Plan::Findings(Format::Ocsf, shape, Paths::default());
            assert_eq!(planned(options), Ok(plan), "{options}");
        }
        assert_eq!(planned("ocsf-applications"), Ok(Plan::Applications));
        let planned = planned("sarif --map-path a=b --source-root c --category d");
        assert!(matches!(planned, Ok(Plan::Findings(_, _, paths)) if !paths.is_empty()));
    }
}
