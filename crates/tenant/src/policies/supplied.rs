//! The policies that the vendor supplies: the same in every tenant. Names and three guids
//! are the service's, the other guids are made from the names; what the policies ask for
//! is what was documented in 2022.

use countersign_wire::policy::{FindingRule, Policy, ScanFrequencyRule};
use rusqlite::{Transaction, params};

use crate::{Error, guid_from};

/// The one that a new application has where its body names none: Veracode Recommended
/// High, whatever the criticality of the application.
pub const RECOMMENDED: &str = "9ab6dc63-29cf-4457-a1d1-e2125277df0e";

/// How often scans of a type are due.
type Scans = &'static [(&'static str, &'static str)];

const QUARTERLY: Scans = &[("STATIC", "QUARTERLY")];
const ONCE: Scans = &[("ANY", "ONCE")];

/// One of them.
struct Supplied {
    name: &'static str,
    guid: Option<&'static str>,
    description: &'static str,
    /// A flaw of this severity or a higher one is against it.
    severity: Option<&'static str>,
    /// The score that is enough.
    score: Option<&'static str>,
    scans: Scans,
}

const fn supplied(name: &'static str, description: &'static str, scans: Scans) -> Supplied {
    Supplied { name, guid: None, description, severity: None, score: None, scans }
}

const fn recommended(
    name: &'static str,
    description: &'static str,
    rules: (Option<&'static str>, Option<&'static str>),
    scans: Scans,
) -> Supplied {
    Supplied { severity: rules.0, score: rules.1, ..supplied(name, description, scans) }
}

const fn transitional(name: &'static str, score: &'static str) -> Supplied {
    Supplied { score: Some(score), ..supplied(name, "Level 1 target", ONCE) }
}

const SUPPLIED: &[Supplied] = &[
    Supplied {
        guid: Some("c8ffa32c-58fa-48a3-9d53-e4cbf7d29283"),
        ..recommended(
            "Veracode Recommended Very High",
            "Level 5 target",
            (Some("3"), Some("90")),
            &[("STATIC", "QUARTERLY"), ("MANUAL", "ANNUALLY")],
        )
    },
    Supplied {
        guid: Some(RECOMMENDED),
        ..recommended(
            "Veracode Recommended High",
            "Level 4 target",
            (Some("3"), Some("80")),
            QUARTERLY,
        )
    },
    recommended(
        "Veracode Recommended Medium",
        "Level 3 target",
        (Some("4"), Some("70")),
        QUARTERLY,
    ),
    recommended(
        "Veracode Recommended Low",
        "Level 2 target",
        (Some("5"), Some("60")),
        &[("ANY", "SEMI_ANNUALLY")],
    ),
    supplied("Veracode Recommended Very Low", "Level 1 target", ONCE),
    supplied("Veracode Recommended Mobile Policy", "For mobile applications", QUARTERLY),
    recommended(
        "Veracode Recommended Very High + SCA",
        "Level 5 + SCA target",
        (Some("3"), Some("90")),
        &[("STATIC", "QUARTERLY"), ("MANUAL", "ANNUALLY"), ("SCA", "QUARTERLY")],
    ),
    recommended(
        "Veracode Recommended High + SCA",
        "Level 4 + SCA target",
        (Some("3"), Some("80")),
        &[("STATIC", "QUARTERLY"), ("SCA", "QUARTERLY")],
    ),
    recommended(
        "Veracode Recommended Medium + SCA",
        "Level 3 + SCA target",
        (Some("4"), Some("70")),
        &[("STATIC", "QUARTERLY"), ("SCA", "QUARTERLY")],
    ),
    transitional("Veracode Transitional Very High", "90"),
    transitional("Veracode Transitional High", "80"),
    transitional("Veracode Transitional Medium", "70"),
    transitional("Veracode Transitional Low", "60"),
    transitional("Veracode Transitional Very Low", "50"),
    Supplied {
        guid: Some("69c4a7e9-760a-415e-9fd0-fa45c8603772"),
        ..supplied("PCI 3.2.1", "The standard of the payment card industry", QUARTERLY)
    },
];

impl Supplied {
    fn guid(&self) -> String {
        self.guid.map_or_else(|| guid_from(&format!("policy:{}", self.name)), String::from)
    }

    fn definition(&self) -> Policy {
        let rules = [("MAX_SEVERITY", self.severity), ("MIN_SCORE", self.score)];
        let rules = rules.into_iter().filter_map(|(kind, value)| Some(rule(kind, value?)));
        let standard = (self.name == "PCI 3.2.1").then(|| rule("SECURITY_STANDARD", "pci"));
        let frequency = |(scan_type, frequency): &(&str, &str)| ScanFrequencyRule {
            scan_type: (*scan_type).into(),
            frequency: (*frequency).into(),
        };
        Policy {
            description: Some(self.description.into()),
            kind: Some("BUILTIN".into()),
            category: Some("APPLICATION".into()),
            version: Some(1),
            created: Some("2014-03-01T00:00:00.000Z".into()),
            modified_by: Some("Veracode".into()),
            finding_rules: rules.chain(standard).collect(),
            scan_frequency_rules: self.scans.iter().map(frequency).collect(),
            ..Policy::default()
        }
    }
}

fn rule(kind: &str, value: &str) -> FindingRule {
    FindingRule {
        kind: kind.into(),
        scan_type: ["STATIC", "DYNAMIC", "MANUAL"].map(String::from).to_vec(),
        value: value.into(),
        advanced_options: None,
    }
}

/// Inserts those that are not there yet.
pub(crate) fn furnish(transaction: &Transaction<'_>) -> Result<(), Error> {
    let mut insert = transaction.prepare(
        "insert into policies (guid, name, is_default, definition) values (?, ?, 1, ?)
         on conflict (guid) do nothing",
    )?;
    for policy in SUPPLIED {
        let definition = serde_json::to_string(&policy.definition())?;
        insert.execute(params![policy.guid(), policy.name, definition])?;
    }
    Ok(())
}
